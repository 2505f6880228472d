//! What a node does by the clock: ends commands that nobody ended, forgets what is no longer needed,
//! makes the months ready that facts are kept by.

use std::time::Duration;

use ringmain_domain::command::{CommandOutcome, CommandResult};
use ringmain_domain::time::Timestamp;
use ringmain_store::store::{Store, StoreError};

use crate::clock;

const EVERY: Duration = Duration::from_secs(60);
/// A command ends by its deadline; one whose outcome could not be written down is ended so much later (invariant R3: 5 s, and a round).
const OVERDUE_MS: i64 = 5_000;
/// How many rows are read at a time.
const PAGE: u32 = 500;
/// Answers to repeated requests are kept for a day.
const IDEMPOTENT_MS: i64 = 24 * 3_600_000;

/// Months of facts are made ready long before they come.
const PREPARE_MS: i64 = 3_600_000;

/// Works for ever.
pub(super) async fn run(store: Store) {
    let mut prepared_at = None;
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let now = clock::now();
        let overdue = Some(now.plus_millis(-OVERDUE_MS));
        let worked = async {
            end_commands(&store, overdue).await?;
            store.trim_idempotent(now.plus_millis(-IDEMPOTENT_MS)).await?;
            drain_without_partners(&store).await?;
            if prepared_at.is_none_or(|at| now.millis_since(at) >= PREPARE_MS) {
                store.prepare_partitions(now).await?;
                prepared_at = Some(now);
            }
            Ok::<_, StoreError>(())
        };
        if let Err(error) = worked.await {
            tracing::warn!(%error, "maintenance is put off");
        }
    }
}

/// Ends open commands whose deadline is before `until`, all of them without one. The station may have seen them.
pub(super) async fn end_commands(store: &Store, until: Option<Timestamp>) -> Result<(), StoreError> {
    loop {
        let open = store.unended_commands(PAGE).await?;
        let full = open.len() == usize::try_from(PAGE).unwrap_or(usize::MAX);
        let due: Vec<_> =
            open.into_iter().filter(|record| until.is_none_or(|until| record.deadline < until)).collect();
        if due.is_empty() {
            return Ok(());
        }
        for record in due {
            let result = CommandResult::bare(CommandOutcome::TimeoutUnknown);
            store.end_command(record.id, &result, clock::now()).await?;
        }
        if !full {
            return Ok(());
        }
    }
}

/// Rows to push have nobody to go to where there is no partner: they would only grow.
async fn drain_without_partners(store: &Store) -> Result<(), StoreError> {
    while store.outbox_drop_unwanted(PAGE).await? > 0 {}
    Ok(())
}
