//! Before indexes: values are filled in and indexes made while nodes work, in steps that lock nobody out, so that the change
//! itself finds them there.

use tokio_postgres::Client;

use crate::migrate::{Halt, SETTINGS};

/// The change before which values are filled in.
const FILLED: &str = "V0021__indexes";

/// For each index the change that has it, its name, and what of.
const INDEXES: [(&str, &str, &str); 9] = [
    (FILLED, "stations_by_node", "stations (node) WHERE node IS NOT NULL"),
    (FILLED, "site_ledgers_by_node", "site_ledgers (owner_node) WHERE owner_node IS NOT NULL"),
    (FILLED, "commands_unended_by_node", "commands (node) WHERE result IS NULL AND node IS NOT NULL"),
    (FILLED, "tokens_of_party", "tokens (tenant, party_country, party_id) WHERE party_country IS NOT NULL"),
    (
        "V0025__party_indexes",
        "sessions_of_party",
        "sessions (tenant, party_country, party_id, updated_at, id) WHERE party_country IS NOT NULL",
    ),
    (
        "V0025__party_indexes",
        "cdrs_of_party",
        "cdrs (tenant, party_country, party_id, created_at, id) WHERE party_country IS NOT NULL",
    ),
    ("V0033__location_news", "locations_by_any_case", "locations (tenant, upper(id))"),
    ("V0034__partner_views", "feed_by_age", "feed (tenant, changed_at)"),
    (
        "V0035__waiting_stations",
        "stations_waiting",
        "stations (tenant, updated_at) WHERE registration = 'pending'",
    ),
];

/// Fills the next tokens behind one of them; the last one that was looked at.
const FILL: &str = "WITH part AS (SELECT tenant, uid FROM tokens WHERE (tenant, uid) > ($1, $2) ORDER BY tenant, uid LIMIT 5000), \
     filled AS (UPDATE tokens t SET party_country = t.document -> 'party' ->> 'country_code', \
     party_id = t.document -> 'party' ->> 'party_id' FROM part WHERE t.tenant = part.tenant AND t.uid = part.uid \
     AND t.party_country IS NULL AND t.document -> 'party' ->> 'country_code' IS NOT NULL) \
     SELECT tenant, uid FROM part ORDER BY tenant DESC, uid DESC LIMIT 1";

/// An index waits for every transaction that has begun before, and keeps nobody waiting meanwhile.
const PATIENCE: &str = "SET lock_timeout = '10min'";

/// Fills and makes what a change needs and is not there yet; what an earlier run left half done is done again.
///
/// # Errors
/// When something cannot be had or made.
pub(super) async fn before(client: &Client, change: &str) -> Result<(), Halt> {
    if change == FILLED {
        let (mut tenant, mut uid) = (String::new(), String::new());
        while let Some(last) = client.query_opt(FILL, &[&tenant, &uid]).await? {
            (tenant, uid) = (last.try_get(0)?, last.try_get(1)?);
        }
    }
    for (_, name, of) in INDEXES.iter().filter(|(of_change, ..)| *of_change == change) {
        client.batch_execute(PATIENCE).await?;
        let made = index(client, name, of).await;
        client.batch_execute(SETTINGS).await?;
        made?;
    }
    Ok(())
}

async fn index(client: &Client, name: &str, of: &str) -> Result<(), Halt> {
    let spoilt = "SELECT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass($1) AND NOT indisvalid)";
    if client.query_one(spoilt, &[&name]).await?.try_get(0)? {
        client.batch_execute(&format!("DROP INDEX CONCURRENTLY {name}")).await?;
    }
    Ok(client.batch_execute(&format!("CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {of}")).await?)
}
