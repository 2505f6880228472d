//! Before facts are cut by month: each table is read through while it is in use, so that the change itself (`V0018__months`) need not
//! read it while nobody may write.

use tokio_postgres::Client;

/// Table and instant of each.
const FACTS: [(&str, &str); 3] = [("events", "received_at"), ("messages", "at"), ("audit_events", "at")];

/// Whether the change is still to come, on a table that is there.
const TO_COME: &str = "SELECT count(*) FROM pg_class WHERE oid = to_regclass('events') AND relkind = 'r'";

/// Says of each table that all of it is older than the month that `V0018__months` cuts by, or an earlier one, and has that verified. Where
/// something is younger nothing is said, and the change looks for it by itself.
///
/// # Errors
/// When the tables cannot be looked at.
pub(super) async fn before(client: &Client) -> Result<(), crate::store::StoreError> {
    let to_come = client.query_one(TO_COME, &[]).await.map_err(|error| super::unread(&error))?;
    if to_come.try_get::<_, i64>(0).map_err(|error| super::unread(&error))? == 0 {
        return Ok(());
    }
    for (table, instant) in FACTS {
        // The first is done at once and holds for what comes; only the second reads, and it locks nobody out.
        let say = format!(
            "ALTER TABLE {table} DROP CONSTRAINT IF EXISTS months_before; DO $$ BEGIN EXECUTE format( \
             'ALTER TABLE {table} ADD CONSTRAINT months_before CHECK ({instant} < %s) NOT VALID', \
             CAST(extract(epoch FROM date_trunc('month', now() AT TIME ZONE 'UTC' + INTERVAL '7 days') \
             + INTERVAL '1 month') AS BIGINT) * 1000); END $$"
        );
        let verify = format!("ALTER TABLE {table} VALIDATE CONSTRAINT months_before");
        let said = async {
            client.batch_execute(&say).await?;
            client.batch_execute(&verify).await
        };
        if let Err(error) = said.await {
            tracing::info!(%error, table, "something is younger than the month facts are cut by");
            let take_back = format!("ALTER TABLE {table} DROP CONSTRAINT IF EXISTS months_before");
            client.batch_execute(&take_back).await.map_err(|error| super::unread(&error))?;
        }
    }
    Ok(())
}

/// Takes back what was said, after a change that was not made: it must not stand in the way of next month's facts.
pub(super) async fn forget(client: &Client) {
    for (table, _) in FACTS {
        let take_back = format!("ALTER TABLE IF EXISTS {table} DROP CONSTRAINT IF EXISTS months_before");
        if let Err(error) = client.batch_execute(&take_back).await {
            tracing::warn!(%error, table, "constraint months_before stays; the next migration takes it away");
        }
    }
}
