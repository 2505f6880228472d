//! `CommandDesk` of a node: finds the connection, here or at another node, waits for the end, never longer than the order's deadline and a
//! little.
//!
//! The way is domain's to decide ([`Dispatch`]): an order goes on to another node only as long as nothing can have been written to a socket.

use std::time::Duration;

use ringmain_domain::cluster::dispatch::{Dispatch, Heard, Step};
use ringmain_domain::command::{
    CommandDesk, CommandOrder, CommandOutcome, CommandResult, DeskFuture, StationCommand,
};
use ringmain_domain::id::{CommandId, StationId, TenantId};
use ringmain_domain::telemetry;
use ringmain_domain::time::Timestamp;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::actors::connection::Execute;
use crate::actors::connection::fences::Passage;
use crate::clock;
use crate::cluster::Cluster;
use crate::cluster::links::Fault;
use crate::cluster::memory::MemoryRouting;
use crate::cluster::wire::Ordered;

/// A connection ends its orders by itself; this much later the desk stops waiting all the same (invariant R3 allows 5 s).
const GRACE: Duration = Duration::from_secs(2);

/// The desk of one node.
#[derive(Clone)]
pub struct Desk {
    cluster: Cluster,
}

/// A new order for a station.
#[must_use]
pub fn order(
    tenant: &TenantId,
    station: &StationId,
    command: StationCommand,
    deadline: Timestamp,
) -> CommandOrder {
    let id = CommandId(Uuid::now_v7());
    CommandOrder { id, tenant: tenant.clone(), station: station.clone(), command, deadline }
}

// === impl Desk ===

impl Desk {
    /// A desk of this node.
    #[must_use]
    pub const fn new(cluster: Cluster) -> Self {
        Self { cluster }
    }
}

impl CommandDesk for Desk {
    fn submit(&self, order: CommandOrder) -> DeskFuture {
        let carried_out = carry_out(&self.cluster, order, None);
        Box::pin(async move {
            let result = carried_out.await;
            metrics::counter!(telemetry::COMMAND_OUTCOMES, "outcome" => result.outcome.as_str()).increment(1);
            result
        })
    }
}

/// Hands an order to its station's connection; how it ended. `passage` is what the connection's fences are asked, where it is about grants.
/// A connection of this node has the order when this returns; one of another node is looked for while it is waited.
pub fn carry_out(
    cluster: &Cluster,
    order: CommandOrder,
    passage: Option<Passage>,
) -> impl Future<Output = CommandResult> + use<> {
    let here = carry_out_here(cluster.routing(), order.clone(), passage);
    let cluster = cluster.clone();
    async move {
        let result = here.await;
        // Nothing was written here; perhaps the station is at another node.
        match result.outcome {
            CommandOutcome::Offline if cluster.links().is_some() => search(&cluster, order, passage).await,
            _ => result,
        }
    }
}

/// Hands an order to its station's connection at this node at once; how it ended. Offline: nothing was written.
pub fn carry_out_here(
    routing: &MemoryRouting,
    order: CommandOrder,
    passage: Option<Passage>,
) -> impl Future<Output = CommandResult> + use<> {
    let left_ms = u64::try_from(order.deadline.millis_since(clock::now())).unwrap_or(0);
    let station = order.station.clone();
    let (done, end) = oneshot::channel();
    let handed = routing.execute(&station, Execute { order, passage, done });
    async move {
        if let Err(outcome) = handed {
            return CommandResult::bare(outcome);
        }
        match tokio::time::timeout(Duration::from_millis(left_ms) + GRACE, end).await {
            Ok(Ok(result)) => result,
            // The connection died with the order in its mailbox or in its hands: the station may have seen it.
            Ok(Err(_)) | Err(_) => CommandResult::bare(CommandOutcome::TimeoutUnknown),
        }
    }
}

/// Looks for the connection at all nodes, and hands the order over where it is. It was not here when this begins.
async fn search(cluster: &Cluster, order: CommandOrder, passage: Option<Passage>) -> CommandResult {
    let (mut dispatch, _here) = Dispatch::new(cluster.me());
    let mut step = dispatch.next(Heard::NotHere);
    loop {
        // Where the order is being carried out, it is ended by its own deadline.
        if order.deadline <= clock::now() && !matches!(step, Step::End(_)) {
            return CommandResult::bare(dispatch.overdue());
        }
        let heard = match step {
            Step::End(outcome) => return CommandResult::bare(outcome),
            Step::TryHere => {
                let result = carry_out_here(cluster.routing(), order.clone(), passage).await;
                match result.outcome {
                    CommandOutcome::Offline => Heard::NotHere,
                    _ => return result,
                }
            }
            Step::AskRoutes => match cluster.routes() {
                Some(routes) => routes.find(&order.station).await.map_or(Heard::NoRoutes, Heard::Routed),
                None => Heard::NoRoutes,
            },
            Step::AskAll => match cluster.links() {
                Some(links) => {
                    let (places, complete) = links.find(&order.station).await;
                    Heard::Found { places, complete }
                }
                None => Heard::Found { places: Vec::new(), complete: true },
            },
            Step::Forward(node) => {
                let Some(links) = cluster.links() else {
                    return CommandResult::bare(CommandOutcome::Offline);
                };
                match links.order(node, (order.clone(), passage), cluster.database_now()).await {
                    Ok(Ordered::Ended(result)) => return result,
                    Ok(Ordered::NotHere) | Err(Fault::Refused(_) | Fault::Gone) => Heard::NotThere,
                    Err(Fault::Unreachable(_)) => Heard::Unreachable,
                    Err(Fault::Lost(_)) => Heard::Lost,
                }
            }
        };
        step = dispatch.next(heard);
    }
}
