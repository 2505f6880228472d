//! Before facts are cut by month: each table is read through while it is in use, so that the change itself (`V0018__months`) need not
//! read it while nobody may write.

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::migrate::Halt;

/// Table and instant of each.
const FACTS: [(&str, &str); 3] = [("events", "received_at"), ("messages", "at"), ("audit_events", "at")];

/// The change that cuts them.
pub(super) const CHANGE: &str = "V0018__months";

/// What the first attempt to take something back may wait for, others may, too.
const FORGET_ATTEMPTS: u32 = 5;

/// Whether all of a table is already said, and verified, to be older than some month: of a migration that was ended. An earlier month
/// says more than a later one.
const SAID: &str = "SELECT EXISTS (SELECT FROM pg_constraint WHERE conrelid = to_regclass($1) AND conname = 'months_before' AND convalidated)";

/// Says of each table that all of it is older than the month that [`CHANGE`] cuts by, or an earlier one, and has that verified. Where
/// something is younger nothing is said, and the change looks for it by itself.
///
/// # Errors
/// When the tables cannot be had or looked at.
pub(super) async fn before(client: &Client) -> Result<(), Halt> {
    for (table, instant) in FACTS {
        if client.query_one(SAID, &[&table]).await?.try_get(0)? {
            continue;
        }
        // The first is done at once and holds for what comes; only the second reads, and it locks nobody out.
        let say = format!(
            "ALTER TABLE {table} DROP CONSTRAINT IF EXISTS months_before; DO $$ BEGIN EXECUTE format( \
             'ALTER TABLE {table} ADD CONSTRAINT months_before CHECK ({instant} < %s) NOT VALID', \
             CAST(extract(epoch FROM date_trunc('month', now() AT TIME ZONE 'UTC' + INTERVAL '7 days') \
             + INTERVAL '1 month') AS BIGINT) * 1000); END $$"
        );
        client.batch_execute(&say).await?;
        let verify = format!("ALTER TABLE {table} VALIDATE CONSTRAINT months_before");
        match client.batch_execute(&verify).await {
            Ok(()) => {}
            Err(error) if error.code() == Some(&SqlState::CHECK_VIOLATION) => {
                tracing::info!(table, "something is younger than the month facts are cut by");
                client.batch_execute(&format!("ALTER TABLE {table} DROP CONSTRAINT months_before")).await?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Takes back what was said, after a change that was not made: it must not stand in the way of next month's facts.
pub(super) async fn forget(client: &Client) {
    for (table, _) in FACTS {
        let take_back = format!("ALTER TABLE IF EXISTS {table} DROP CONSTRAINT IF EXISTS months_before");
        for attempt in 1..=FORGET_ATTEMPTS {
            let Err(error) = client.batch_execute(&take_back).await else { break };
            if attempt == FORGET_ATTEMPTS {
                tracing::warn!(%error, table, "constraint months_before stays until the next migration: it refuses facts of later months");
            }
        }
    }
}
