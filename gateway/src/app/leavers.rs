//! Tells stations to clear our profiles of EVSEs that left the tree of their location: nobody would change those any more, and a fallback of
//! 0 A lets no car charge.
//!
//! Once a round, for the stations that are connected here. Whether an order may still go out is the fence's business: an EVSE that comes
//! back meanwhile gets newer ones.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use ringmain_domain::command::{CommandOutcome, CommandResult, StationCommand};
use ringmain_domain::id::GrantSeq;
use ringmain_domain::time::Timestamp;
use ringmain_ocpp::fault::FaultCode;
use ringmain_store::leavers::Leaver;
use ringmain_store::store::StoreError;

use super::Node;
use crate::actors::connection::fences::{Act, Passage};
use crate::actors::site::load::calls::{clear_all, is_cleared};
use crate::clock;
use crate::desk;

const EVERY: Duration = Duration::from_secs(5);
/// Rows read, and EVSEs told, at a time.
const PAGE: u32 = 500;
const AT_ONCE: usize = 64;
/// How long a station may take to answer.
const ANSWER_S: i64 = 30;
/// A station that did not clear them is not told again before then, nor one that could not be asked.
const PAUSE_S: i64 = 300;
const BUSY_PAUSE_S: i64 = 60;

/// Those that are not told again before then.
type Paused = BTreeMap<Leaver, Timestamp>;

/// What an order to clear came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cleared {
    /// There is nothing of ours.
    Yes,
    /// Its connection ended: it is asked over the next one.
    NotConnected,
    /// It could not be asked in time.
    Busy,
    /// It said no, or nothing.
    No,
}

/// Works for ever.
pub(super) async fn run(node: Arc<Node>) {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut paused = Paused::new();
    loop {
        every.tick().await;
        if let Err(error) = round(&node, &mut paused).await {
            tracing::warn!(%error, "EVSEs that left their trees are cleared later");
        }
    }
}

async fn round(node: &Node, paused: &mut Paused) -> Result<(), StoreError> {
    let now = clock::now();
    paused.retain(|_, until| *until > now);
    let mut due = Vec::new();
    let mut after = None;
    loop {
        let leavers = node.store.left_evses(after.as_ref(), PAGE).await?;
        after = leavers.last().cloned();
        if after.is_none() {
            break;
        }
        let is_here = |leaver: &Leaver| node.routing.find(&leaver.evse.station).is_some();
        due.extend(leavers.into_iter().filter(|leaver| is_here(leaver) && !paused.contains_key(leaver)));
    }
    let told = stream::iter(due).map(async |leaver| (clear(node, &leaver).await, leaver));
    let mut told = told.buffer_unordered(AT_ONCE);
    let mut result = Ok(());
    while let Some((cleared, leaver)) = told.next().await {
        let pause_s = match cleared {
            Ok(Cleared::Yes | Cleared::NotConnected) => continue,
            Ok(Cleared::Busy) => BUSY_PAUSE_S,
            Ok(Cleared::No) => PAUSE_S,
            // The store's, most likely for all of them.
            Err(error) => {
                result = Err(error);
                continue;
            }
        };
        paused.insert(leaver, clock::now().plus_secs(pause_s));
    }
    result
}

async fn clear(node: &Node, leaver: &Leaver) -> Result<Cleared, StoreError> {
    let Some(seq) = node.store.begin_clearing(leaver).await? else { return Ok(Cleared::Yes) };
    let (station, evse) = (&leaver.evse.station, leaver.evse.evse);
    for command in clear_all(evse) {
        let result = order(node, leaver, command, seq).await;
        let cleared = meaning(&result);
        if cleared != Cleared::Yes {
            let (outcome, detail) = (result.outcome.as_str(), result.detail);
            tracing::info!(station.id = %station, %evse, outcome, ?detail, "our charging profiles are still there");
            return Ok(cleared);
        }
    }
    node.store.end_clearing(leaver, seq).await?;
    tracing::info!(station.id = %station, %evse, "our charging profiles are cleared: it left its tree");
    Ok(Cleared::Yes)
}

async fn order(node: &Node, leaver: &Leaver, command: StationCommand, seq: GrantSeq) -> CommandResult {
    let station = &leaver.evse.station;
    let order = desk::order(&leaver.tenant, station, command, clock::now().plus_secs(ANSWER_S));
    let passage = Some(Passage { evse: leaver.evse.evse, act: Act::Follow { after: seq } });
    desk::carry_out(&node.cluster, order, passage).await
}

fn meaning(result: &CommandResult) -> Cleared {
    // A station that knows no profiles has none.
    let knows_none = |detail: &str| {
        [FaultCode::NotImplemented, FaultCode::NotSupported]
            .iter()
            .any(|code| detail.starts_with(code.as_str()))
    };
    match result.outcome {
        _ if is_cleared(result) => Cleared::Yes,
        CommandOutcome::CallError if result.detail.as_deref().is_some_and(knows_none) => Cleared::Yes,
        CommandOutcome::Offline
        | CommandOutcome::Superseded
        | CommandOutcome::NodeUnreachableNotSent
        | CommandOutcome::Draining => Cleared::NotConnected,
        CommandOutcome::StationBusy | CommandOutcome::NotSentDeadline => Cleared::Busy,
        _ => Cleared::No,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_station_that_has_none_is_cleared_and_one_that_was_not_asked_is_asked_soon() {
        let of = |outcome, detail: &str| {
            let detail = (!detail.is_empty()).then(|| detail.into());
            meaning(&CommandResult { outcome, response: None, detail })
        };
        assert_eq!(of(CommandOutcome::Accepted, ""), Cleared::Yes);
        assert_eq!(of(CommandOutcome::Rejected, "Unknown"), Cleared::Yes);
        assert_eq!(of(CommandOutcome::CallError, "NotImplemented: what?"), Cleared::Yes);
        assert_eq!(of(CommandOutcome::CallError, "NotSupported: no profiles"), Cleared::Yes);
        assert_eq!(of(CommandOutcome::CallError, "InternalError: NotImplemented"), Cleared::No);
        assert_eq!(of(CommandOutcome::Rejected, ""), Cleared::No);
        assert_eq!(of(CommandOutcome::TimeoutUnknown, ""), Cleared::No);
        assert_eq!(of(CommandOutcome::Superseded, ""), Cleared::NotConnected);
        assert_eq!(of(CommandOutcome::Offline, ""), Cleared::NotConnected);
        assert_eq!(of(CommandOutcome::NotSentDeadline, ""), Cleared::Busy, "it has not booted yet");
    }
}
