//! What a node does by the clock: forgets what is no longer needed. And how commands end that nobody ended.

use std::time::Duration;

use ringmain_domain::command::{CommandOutcome, CommandResult};
use ringmain_domain::time::Timestamp;
use ringmain_store::store::{Store, StoreError};

use crate::clock;

const EVERY: Duration = Duration::from_secs(60);
/// How many rows are read at a time.
const PAGE: u32 = 500;
/// Answers to repeated requests are kept for a day.
const IDEMPOTENT_MS: i64 = 24 * 3_600_000;

/// Works for ever.
pub(super) async fn run(store: Store) {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let now = clock::now();
        let worked = async {
            store.trim_idempotent(now.plus_millis(-IDEMPOTENT_MS)).await?;
            drain_without_partners(&store).await
        };
        if let Err(error) = worked.await {
            tracing::warn!(%error, "maintenance is put off");
        }
    }
}

/// Ends open commands whose deadline is before `until`. Their stations may have seen them.
pub(super) async fn end_commands(store: &Store, until: Timestamp) -> Result<(), StoreError> {
    loop {
        let open = store.unended_commands(PAGE).await?;
        // The earliest deadline first.
        let due: Vec<_> = open.into_iter().take_while(|record| record.deadline < until).collect();
        let all_due = due.len() == usize::try_from(PAGE).unwrap_or(usize::MAX);
        for record in due {
            let result = CommandResult::bare(CommandOutcome::TimeoutUnknown);
            store.end_command(record.id, &result, clock::now()).await?;
        }
        if !all_due {
            return Ok(());
        }
    }
}

/// Rows to push have nobody to go to where there is no partner: they would only grow.
async fn drain_without_partners(store: &Store) -> Result<(), StoreError> {
    while store.outbox_drop_unwanted(PAGE).await? > 0 {}
    Ok(())
}
