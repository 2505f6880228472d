//! Tells stations how to wait before they connect again: those that came or booted, if they were not told yet. A few at a time; who cannot be
//! told now is told when it comes the next time, and who never answers is left alone.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
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
/// Stations looked at in one question to the store.
const LOOKED_AT: usize = 256;
/// Stations told at a time.
const AT_ONCE: usize = 32;
/// How long one of them may take.
const DEADLINE_S: i64 = 60;
/// How often the fleet is counted.
const COUNT_EVERY: Duration = Duration::from_secs(600);

/// A station that is to be told, and its firmware.
type Due = (StationId, Option<Box<str>>);

/// Works until nobody can come any more. Each that ends makes room for the next: those that do not answer hold up nobody but as many as they are.
pub(super) async fn run(node: Arc<Node>, desk: Arc<dyn CommandDesk>, mut came: mpsc::Receiver<StationId>) {
    let mut counted: Option<(Instant, u64)> = None;
    let (mut some, mut due) = (Vec::new(), VecDeque::new());
    let mut under_way = FuturesUnordered::new();
    loop {
        while under_way.len() < AT_ONCE
            && let Some((back_off, one)) = due.pop_front()
        {
            under_way.push(tell_one(&node, &desk, back_off, one));
        }
        tokio::select! {
            Some(ended) = under_way.next() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "what a station said of how to wait is not kept: it is told when it comes again");
                }
            }
            came = came.recv_many(&mut some, LOOKED_AT), if due.is_empty() && under_way.len() < AT_ONCE => {
                if came == 0 {
                    return;
                }
                match look_up(&node, &mut counted, &some).await {
                    Ok((back_off, found)) => due.extend(found.into_iter().map(|one| (back_off, one))),
                    Err(error) => {
                        tracing::warn!(%error, stations = some.len(), "stations are not told now how to wait before they come again");
                    }
                }
                some.clear();
            }
        }
    }
}

/// How stations are to wait now, and which of these are not told yet.
async fn look_up(
    node: &Node,
    counted: &mut Option<(Instant, u64)>,
    stations: &[StationId],
) -> Result<(BackOff, Vec<Due>), StoreError> {
    let fleet = match counted.filter(|(at, _)| at.elapsed() < COUNT_EVERY) {
        Some((_, fleet)) => fleet,
        None => {
            let fleet = node.store.accepted_stations_count(&node.tenant).await?;
            *counted = Some((Instant::now(), fleet));
            fleet
        }
    };
    let back_off = BackOff::of(&node.config.stations, fleet);
    Ok((back_off, node.store.due_back_offs(&node.tenant, stations, &back_off.text()).await?))
}

async fn tell_one(
    node: &Node,
    desk: &Arc<dyn CommandDesk>,
    back_off: BackOff,
    (station, firmware): Due,
) -> Result<(), StoreError> {
    let command = StationCommand::SetVariables { variables: back_off.settings() };
    let order = desk::order(&node.tenant, &station, command, clock::now().plus_secs(DEADLINE_S));
    let result = desk.submit(order).await;
    let answer = match result.outcome {
        CommandOutcome::Accepted | CommandOutcome::TimeoutUnknown => result.outcome.as_str().into(),
        CommandOutcome::Rejected | CommandOutcome::CallError | CommandOutcome::NotSupported => {
            result.detail.unwrap_or_else(|| result.outcome.as_str().into())
        }
        outcome => {
            tracing::debug!(station.id = %station, outcome = outcome.as_str(), "it is told when it comes again");
            return Ok(());
        }
    };
    let told = ToldBackOff { told: back_off.text().into(), firmware, answer, told_at: clock::now() };
    // It was told and says nothing: after some times of that it is left alone as well.
    if result.outcome == CommandOutcome::TimeoutUnknown {
        return node.store.put_unanswered_back_off(&node.tenant, &station, &told).await;
    }
    node.store.put_back_off(&node.tenant, &station, &told).await
}
