//! Before indexes: values are filled in and indexes made while nodes work, in steps that lock nobody out, so that the change
//! itself (`V0021__indexes`, `V0025__party_indexes`) finds them there.

use tokio_postgres::Client;

use crate::migrate::{Halt, SETTINGS};

/// The change that has them.
pub(super) const CHANGE: &str = "V0021__indexes";

/// Name of each, and what of.
const INDEXES: [(&str, &str); 4] = [
    ("stations_by_node", "stations (node) WHERE node IS NOT NULL"),
    ("site_ledgers_by_node", "site_ledgers (owner_node) WHERE owner_node IS NOT NULL"),
    ("commands_unended_by_node", "commands (node) WHERE result IS NULL AND node IS NOT NULL"),
    ("tokens_of_party", "tokens (tenant, party_country, party_id) WHERE party_country IS NOT NULL"),
];

/// The change that has those of sessions and bill records by their driver's company.
pub(super) const PARTIES: &str = "V0025__party_indexes";

/// Name of each, and what of.
const OF_PARTIES: [(&str, &str); 2] = [
    (
        "sessions_of_party",
        "sessions (tenant, party_country, party_id, updated_at, id) WHERE party_country IS NOT NULL",
    ),
    (
        "cdrs_of_party",
        "cdrs (tenant, party_country, party_id, created_at, id) WHERE party_country IS NOT NULL",
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

/// Fills and makes what is not there yet; what an earlier run left half done is done again.
///
/// # Errors
/// When something cannot be had or made.
pub(super) async fn before(client: &Client) -> Result<(), Halt> {
    let (mut tenant, mut uid) = (String::new(), String::new());
    while let Some(last) = client.query_opt(FILL, &[&tenant, &uid]).await? {
        (tenant, uid) = (last.try_get(0)?, last.try_get(1)?);
    }
    index_all(client, &INDEXES).await
}

/// Makes those of sessions and bill records.
///
/// # Errors
/// When something cannot be had or made.
pub(super) async fn index_parties(client: &Client) -> Result<(), Halt> {
    index_all(client, &OF_PARTIES).await
}

async fn index_all(client: &Client, indexes: &[(&str, &str)]) -> Result<(), Halt> {
    client.batch_execute(PATIENCE).await?;
    for (name, of) in indexes {
        let made = index(client, name, of).await;
        if made.is_err() {
            client.batch_execute(SETTINGS).await?;
        }
        made?;
    }
    Ok(client.batch_execute(SETTINGS).await?)
}

async fn index(client: &Client, name: &str, of: &str) -> Result<(), Halt> {
    let spoilt = "SELECT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass($1) AND NOT indisvalid)";
    if client.query_one(spoilt, &[&name]).await?.try_get(0)? {
        client.batch_execute(&format!("DROP INDEX CONCURRENTLY {name}")).await?;
    }
    Ok(client.batch_execute(&format!("CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {of}")).await?)
}
