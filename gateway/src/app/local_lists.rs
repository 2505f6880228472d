//! Keeps local authorization lists up to date: of stations that are to be, once a round, a few at a time.
//!
//! Many changes of tokens within a round are one update of each list. A station that cannot be told now is left alone for a while.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use ringmain_domain::command::{CommandDesk, CommandOutcome};
use ringmain_domain::id::{StationId, TenantId};
use ringmain_domain::local_list::Sent;
use ringmain_domain::time::Timestamp;
use ringmain_store::local_lists::LocalList;
use ringmain_store::store::{Store, StoreError};

use crate::clock;
use crate::cluster::Cluster;
use crate::services::local_lists::ListSync;

const EVERY: Duration = Duration::from_secs(5);
/// Stations told in one round, and at a time.
const PER_ROUND: u32 = 200;
const AT_ONCE: usize = 8;
/// How long one update may take.
const DEADLINE_S: i64 = 60;
/// A station that could not be told is not tried again before then.
const PAUSE_S: i64 = 300;

/// Works for ever.
pub(super) async fn run(store: Store, desk: Arc<dyn CommandDesk>, tenant: TenantId, cluster: Cluster) {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        if !cluster.leads() {
            continue;
        }
        if let Err(error) = round(&store, &desk, &tenant).await {
            tracing::warn!(%error, "updates of local authorization lists are put off");
        }
    }
}

async fn round(store: &Store, desk: &Arc<dyn CommandDesk>, tenant: &TenantId) -> Result<(), StoreError> {
    if !store.wants_local_lists(tenant).await? {
        return Ok(());
    }
    let revision = store.access_revision(tenant).await?;
    let due = store.due_local_lists(tenant, &revision, clock::now(), PER_ROUND).await?;
    let updates = stream::iter(due).map(|station| update(store, desk, tenant, station));
    let failed = updates.buffer_unordered(AT_ONCE).filter_map(|done| async { done.err() });
    let failed: Vec<_> = failed.collect().await;
    failed.into_iter().next().map_or(Ok(()), Err)
}

async fn update(
    store: &Store,
    desk: &Arc<dyn CommandDesk>,
    tenant: &TenantId,
    station: StationId,
) -> Result<(), StoreError> {
    let sync = ListSync {
        store: store.clone(),
        desk: Arc::clone(desk),
        tenant: tenant.clone(),
        station: station.clone(),
        full: false,
        quiet: true,
        deadline: clock::now().plus_secs(DEADLINE_S),
    };
    let result = sync.carry_out().await;
    let outcome = result.outcome.as_str();
    tracing::debug!(station.id = %station, outcome, detail = ?result.detail, "local authorization list");
    match result.outcome {
        // Another node has the station.
        CommandOutcome::Accepted | CommandOutcome::NotSupported | CommandOutcome::Offline => Ok(()),
        _ => put_off(store, tenant, station).await,
    }
}

async fn put_off(store: &Store, tenant: &TenantId, station: StationId) -> Result<(), StoreError> {
    let due_at = clock::now().plus_secs(PAUSE_S);
    let kept = store.local_list(tenant, &station).await?;
    let kept = kept.unwrap_or_else(|| LocalList {
        tenant: tenant.clone(),
        station,
        version: 0,
        certain: false,
        revision: None,
        due_at,
        entries: Sent::new(),
        updated_at: Timestamp::default(),
    });
    store.put_local_list(&LocalList { due_at, updated_at: clock::now(), ..kept }).await
}
