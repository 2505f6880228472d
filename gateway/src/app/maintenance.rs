//! What a node does by the clock: forgets what is no longer needed, makes the months ready that facts are kept by.

use std::time::Duration;

use ringmain_domain::time::Timestamp;
use ringmain_store::store::{Store, StoreError};

use crate::clock;

const EVERY: Duration = Duration::from_secs(60);
/// How many rows are read at a time.
const PAGE: u32 = 500;
/// Answers to repeated requests are kept for a day.
const IDEMPOTENT_MS: i64 = DAY_MS;
const DAY_MS: i64 = 24 * 3_600_000;

/// Months of facts are made ready long before they come.
const PREPARE_MS: i64 = 3_600_000;

/// Works for ever.
pub(super) async fn run(store: Store, quarantine_days: u32) {
    let mut prepared_at = None;
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let now = clock::now();
        // First, and by itself: what goes wrong with the rest must not leave facts without their month.
        if prepared_at.is_none_or(|at| now.millis_since(at) >= PREPARE_MS) {
            match store.prepare_partitions(now).await {
                Ok(_) => prepared_at = Some(now),
                Err(error) => {
                    tracing::warn!(%error, "the coming months are not made ready: it is tried again")
                }
            }
        }
        let worked = async {
            store.trim_idempotent(now.plus_millis(-IDEMPOTENT_MS)).await?;
            forget_strangers(&store, now.plus_millis(-i64::from(quarantine_days) * DAY_MS)).await?;
            drain_without_partners(&store).await
        };
        if let Err(error) = worked.await {
            tracing::warn!(%error, "maintenance is put off");
        }
    }
}

/// Who made contact once and never again takes up the room of stations that come.
async fn forget_strangers(store: &Store, before: Timestamp) -> Result<(), StoreError> {
    loop {
        let gone = store.forget_strangers(before, PAGE).await?;
        for (_tenant, station) in &gone {
            tracing::info!(station.id = %station, "a station that waited for an operator came no more and is forgotten");
        }
        if gone.is_empty() {
            return Ok(());
        }
    }
}

/// Rows to push have nobody to go to where there is no partner: they would only grow.
async fn drain_without_partners(store: &Store) -> Result<(), StoreError> {
    while store.outbox_drop_unwanted(PAGE).await? > 0 {}
    Ok(())
}
