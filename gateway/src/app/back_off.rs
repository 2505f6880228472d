//! Tells stations how to wait before they connect again: those that came or booted, if they were not told yet. A few at a time; who cannot be
//! told now is told when it comes the next time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt};
use ringmain_domain::command::{CommandDesk, CommandOutcome, StationCommand};
use ringmain_domain::id::StationId;
use ringmain_store::back_offs::ToldBackOff;
use ringmain_store::store::StoreError;
use tokio::sync::mpsc;

use super::Node;
use crate::services::back_off::BackOff;
use crate::{clock, desk};

/// Stations that wait for being looked at; more than that are told when they come again.
pub(super) const WAITING_MAX: usize = 16_384;
/// Stations looked at in one question to the store, and told at a time.
const LOOKED_AT: usize = 256;
const AT_ONCE: usize = 8;
/// How long one of them may take.
const DEADLINE_S: i64 = 60;
/// How often the fleet is counted.
const COUNT_EVERY: Duration = Duration::from_secs(600);

/// Works until nobody can come any more.
pub(super) async fn run(node: Arc<Node>, desk: Arc<dyn CommandDesk>, mut came: mpsc::Receiver<StationId>) {
    let mut counted: Option<(Instant, u64)> = None;
    let mut some = Vec::new();
    while came.recv_many(&mut some, LOOKED_AT).await > 0 {
        if let Err(error) = tell(&node, &desk, &mut counted, &some).await {
            tracing::warn!(%error, stations = some.len(), "stations are not told now how to wait before they come again");
        }
        some.clear();
    }
}

async fn tell(
    node: &Node,
    desk: &Arc<dyn CommandDesk>,
    counted: &mut Option<(Instant, u64)>,
    stations: &[StationId],
) -> Result<(), StoreError> {
    let fleet = match counted.filter(|(at, _)| at.elapsed() < COUNT_EVERY) {
        Some((_, fleet)) => fleet,
        None => {
            let fleet = node.store.accepted_stations_count(&node.tenant).await?;
            *counted = Some((Instant::now(), fleet));
            fleet
        }
    };
    let back_off = BackOff::of(&node.config.stations, fleet);
    let due = node.store.due_back_offs(&node.tenant, stations, &back_off.text()).await?;
    let told = stream::iter(due).map(|(station, firmware)| tell_one(node, desk, back_off, station, firmware));
    let failed: Vec<_> = told.buffer_unordered(AT_ONCE).filter_map(async |told| told.err()).collect().await;
    failed.into_iter().next().map_or(Ok(()), Err)
}

async fn tell_one(
    node: &Node,
    desk: &Arc<dyn CommandDesk>,
    back_off: BackOff,
    station: StationId,
    firmware: Option<Box<str>>,
) -> Result<(), StoreError> {
    let command = StationCommand::SetVariables { variables: back_off.settings() };
    let order = desk::order(&node.tenant, &station, command, clock::now().plus_secs(DEADLINE_S));
    let result = desk.submit(order).await;
    let answer = match result.outcome {
        CommandOutcome::Accepted => "accepted".into(),
        CommandOutcome::Rejected | CommandOutcome::CallError | CommandOutcome::NotSupported => {
            result.detail.unwrap_or_else(|| result.outcome.as_str().into())
        }
        outcome => {
            tracing::debug!(station.id = %station, outcome = outcome.as_str(), "it is told when it comes again");
            return Ok(());
        }
    };
    let told = ToldBackOff { told: back_off.text().into(), firmware, answer, told_at: clock::now() };
    node.store.put_back_off(&node.tenant, &station, &told).await
}
