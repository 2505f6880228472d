//! `CommandDesk` of this node: finds the connection, waits for the end, never longer than the order's deadline and a little.

use std::time::Duration;

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
use crate::cluster::memory::MemoryRouting;

/// A connection ends its orders by itself; this much later the desk stops waiting all the same (invariant R3 allows 5 s).
const GRACE: Duration = Duration::from_secs(2);

/// The desk of one node.
#[derive(Debug, Clone)]
pub struct LocalDesk {
    routing: MemoryRouting,
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

// === impl LocalDesk ===

impl LocalDesk {
    /// A desk over these routes.
    #[must_use]
    pub const fn new(routing: MemoryRouting) -> Self {
        Self { routing }
    }
}

impl CommandDesk for LocalDesk {
    fn submit(&self, order: CommandOrder) -> DeskFuture {
        let routing = self.routing.clone();
        Box::pin(async move {
            let result = carry_out(&routing, order, None).await;
            metrics::counter!(telemetry::COMMAND_OUTCOMES, "outcome" => result.outcome.as_str()).increment(1);
            result
        })
    }
}

/// Hands an order to its station's connection at once; how it ended. `passage` is what the connection's fences are asked, where it is about
/// grants.
pub fn carry_out(
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
