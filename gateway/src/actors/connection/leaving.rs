//! How a connection ends that is told to: at once, or, where the node leaves, as soon as nothing is under way.

use std::time::Duration;

use actix::prelude::*;
use ringmain_domain::command::{CommandOutcome, CommandResult};

use super::{Connection, IsCharging, Leave};
use crate::actors::exit::Exit;

/// How long calls under way may take when the node leaves (reliability.md 10: at most 30 s). Most are answered within a second.
pub const WIND_UP: Duration = Duration::from_secs(10);

impl Connection {
    /// Asks the socket to close; everything that arrives from now on is dropped. The actor ends when the socket does.
    pub(super) fn leave(&mut self, exit: Exit) {
        if self.exit.is_some() {
            return;
        }
        self.exit = Some(exit);
        self.probes.clear();
        // One that must go, or where nobody is, takes no more orders: they look for the newer connection, without waiting until the station
        // has said goodbye.
        if matches!(exit, Exit::Replaced | Exit::Dismissed | Exit::Silent) {
            self.give_up_route();
        }
        let (code, reason) = exit.close();
        self.outbound.close(code, reason);
    }

    /// The route goes, if it is still this connection's.
    pub(super) fn give_up_route(&mut self) {
        let station = self.state.id();
        if self.node.routing.release(station, self.epoch) {
            self.had_route = true;
            self.node.cluster.withdraw(station, self.epoch);
        }
    }

    /// The node leaves: takes no more orders, gives those back that were not written, and lets calls under way end.
    fn wind_up(&mut self, ctx: &mut Context<Self>) {
        if self.winding_up {
            return;
        }
        self.winding_up = true;
        for unsent in self.rpc.drop_waiting() {
            self.end_order(&unsent.id, CommandResult::bare(CommandOutcome::Draining));
        }
        self.leave_if_quiet();
        ctx.run_later(WIND_UP, |connection, _| connection.leave(Exit::Drained));
    }

    pub(super) fn leave_if_quiet(&mut self) {
        if self.winding_up && self.rpc.is_quiet() {
            self.leave(Exit::Drained);
        }
    }
}

impl Handler<Leave> for Connection {
    type Result = ();
    fn handle(&mut self, message: Leave, ctx: &mut Self::Context) {
        match message.0 {
            Exit::Drained => self.wind_up(ctx),
            exit => self.leave(exit),
        }
    }
}

impl Handler<IsCharging> for Connection {
    type Result = bool;
    fn handle(&mut self, _: IsCharging, _: &mut Self::Context) -> Self::Result {
        self.state.open_transactions().next().is_some()
    }
}
