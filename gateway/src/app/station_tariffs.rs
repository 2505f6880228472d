//! Keeps the tariffs of stations that price by themselves up to date, a few at a time.
//!
//! Every look puts the next one off, whatever came of it, so that nobody is asked too often and nobody waits behind the same few.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use ringmain_domain::command::CommandDesk;
use ringmain_domain::id::{StationId, TariffId, TenantId};
use ringmain_store::store::{Store, StoreError};

use crate::clock;
use crate::cluster::Cluster;
use crate::services::station_tariffs::{TariffSync, Turns, assignments};

const EVERY: Duration = Duration::from_secs(5);
/// Stations looked at in one round, and at a time: 2,400 in a minute while they answer, as docs/billing.md says.
const PER_ROUND: u32 = 200;
const AT_ONCE: usize = 8;
/// How long one update may take.
const DEADLINE_S: i64 = 60;

/// Works for ever.
pub(super) async fn run(
    store: Store,
    desk: Arc<dyn CommandDesk>,
    tenant: TenantId,
    default: Option<TariffId>,
    turns: Turns,
    cluster: Cluster,
) {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        if !cluster.leads() {
            continue;
        }
        if let Err(error) = round(&store, &desk, &tenant, default.as_ref(), &turns).await {
            tracing::warn!(%error, "tariffs of stations that price by themselves are put off");
        }
    }
}

async fn round(
    store: &Store,
    desk: &Arc<dyn CommandDesk>,
    tenant: &TenantId,
    default: Option<&TariffId>,
    turns: &Turns,
) -> Result<(), StoreError> {
    let due = store.due_station_tariffs(tenant, clock::now(), PER_ROUND).await?;
    if due.is_empty() {
        return Ok(());
    }
    let assignments = assignments(store, tenant).await?;
    let update = async |station: StationId| {
        let sync = TariffSync {
            store: store.clone(),
            desk: Arc::clone(desk),
            turns: turns.clone(),
            tenant: tenant.clone(),
            station: station.clone(),
            default: default.cloned(),
            assignments: Some(Arc::clone(&assignments)),
            quiet: true,
            deadline: clock::now().plus_secs(DEADLINE_S),
        };
        let result = sync.carry_out().await;
        let outcome = result.outcome.as_str();
        tracing::debug!(station.id = %station, outcome, detail = ?result.detail, "tariffs of a station");
    };
    stream::iter(due).map(update).buffer_unordered(AT_ONCE).collect::<()>().await;
    Ok(())
}
