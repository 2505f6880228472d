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
use ringmain_store::leavers::Leaver;
use ringmain_store::store::StoreError;
use tokio::sync::oneshot;

use super::Node;
use crate::actors::connection::Execute;
use crate::actors::connection::fences::{Act, Passage};
use crate::actors::site::load::calls::{clear_all, is_cleared};
use crate::clock;
use crate::desk;

const EVERY: Duration = Duration::from_secs(5);
/// Rows read, and EVSEs told, at a time.
const PAGE: u32 = 500;
const AT_ONCE: usize = 16;
/// How long a station may take to answer.
const ANSWER_S: i64 = 30;
/// A station that did not clear them is not told again before then.
const PAUSE_S: i64 = 300;

/// Those that are not told again before then.
type Paused = BTreeMap<Leaver, Timestamp>;

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
    let mut after = None;
    loop {
        let leavers = node.store.left_evses(&node.tenant, after.as_ref(), PAGE).await?;
        after = leavers.last().cloned();
        let is_due = |leaver: &Leaver| {
            node.routing.find(&leaver.evse.station).is_some() && !paused.contains_key(leaver)
        };
        let due: Vec<_> = leavers.into_iter().filter(is_due).collect();
        let told = stream::iter(due).map(async |leaver| (clear(node, &leaver).await, leaver));
        let told: Vec<_> = told.buffer_unordered(AT_ONCE).collect().await;
        for (is_done, leaver) in told {
            if !is_done? {
                paused.insert(leaver, clock::now().plus_secs(PAUSE_S));
            }
        }
        if after.is_none() {
            return Ok(());
        }
    }
}

/// Whether there is nothing left to do for it.
async fn clear(node: &Node, leaver: &Leaver) -> Result<bool, StoreError> {
    let Some(seq) = node.store.begin_clearing(&node.tenant, leaver).await? else { return Ok(true) };
    let (station, evse) = (&leaver.evse.station, leaver.evse.evse);
    for command in clear_all(evse) {
        let result = order(node, leaver, command, seq).await;
        // One that knows no profiles has none.
        if !is_cleared(&result) && result.outcome != CommandOutcome::NotSupported {
            let outcome = result.outcome.as_str();
            tracing::warn!(station.id = %station, %evse, outcome, "our charging profiles are still there");
            return Ok(false);
        }
    }
    node.store.end_clearing(&node.tenant, leaver, seq).await?;
    tracing::info!(station.id = %station, %evse, "our charging profiles are cleared: it left its tree");
    Ok(true)
}

async fn order(node: &Node, leaver: &Leaver, command: StationCommand, seq: GrantSeq) -> CommandResult {
    let station = &leaver.evse.station;
    let order = desk::order(&node.tenant, station, command, clock::now().plus_secs(ANSWER_S));
    let passage = Some(Passage { evse: leaver.evse.evse, act: Act::Follow { after: seq } });
    let (done, ended) = oneshot::channel();
    match node.routing.execute(station, Execute { order, passage, done }) {
        Ok(()) => ended.await.unwrap_or(CommandResult::bare(CommandOutcome::TimeoutUnknown)),
        Err(outcome) => CommandResult::bare(outcome),
    }
}
