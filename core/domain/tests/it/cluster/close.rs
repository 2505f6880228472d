//! How a connection ends at a node, and how routes stay right without one: dismissals, the end of a socket, the sweep.

use ringmain_domain::cluster::routes::{self, Place};
use ringmain_domain::command::CommandOutcome;
use ringmain_domain::id::{Epoch, NodeId};

use super::faults::Planted;
use super::node::Input;
use super::peers::{self, Waits};
use super::redis;
use super::world::World;

const DISMISS_WITHIN_MS: i64 = 1_000;
/// So often a dismissal is sent, with each renewal of the lease: longer than a sweep takes to come round.
const DISMISSALS_MAX: u8 = 12;

/// An older connection that another node must end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dismissal {
    newer: Epoch,
    times: u8,
}

/// Why a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    Closed,
    /// A newer one of its station is somewhere.
    Superseded,
}

impl World {
    pub(crate) fn asserted(&mut self, node: usize, station: usize, mine: &Place, before: Option<Place>) {
        let old = routes::dismissed(before, mine).filter(|_| self.planted != Planted::SweepTellsNobody);
        if let Some(old) = old {
            self.count("dismissed after its route was replaced");
            self.ask_to_dismiss(node, station, &old, mine.epoch);
        }
    }

    pub(crate) fn ask_to_dismiss(&mut self, node: usize, station: usize, old: &Place, newer: Epoch) {
        self.nodes[node].dismissals.insert((station, old.node), Dismissal { newer, times: 0 });
        self.send_dismissal(node, station, old.node);
    }

    /// It may not be known any more or not yet, which the next renewal tells; its answer may be lost.
    fn send_dismissal(&mut self, node: usize, station: usize, old: NodeId) {
        let Some(dismissal) = self.nodes[node].dismissals.get_mut(&(station, old)) else { return };
        dismissal.times += 1;
        let Dismissal { newer, times } = *dismissal;
        if times == DISMISSALS_MAX || (times > 1 && self.planted == Planted::DismissOnce) {
            self.nodes[node].dismissals.remove(&(station, old));
            return;
        }
        let member = self.nodes[node].members.iter().find(|member| member.id == old);
        if let Some(to) = member.map(|member| member.node) {
            let ask = peers::Ask::Dismiss(station, newer);
            self.ask_peer(node, to, ask, Waits::Dismissed(station, old), Some(DISMISS_WITHIN_MS));
        }
    }

    pub(crate) fn dismiss_again(&mut self, node: usize) {
        let unanswered: Vec<(usize, NodeId)> = self.nodes[node].dismissals.keys().copied().collect();
        for (station, old) in unanswered {
            self.count("dismissed again");
            self.send_dismissal(node, station, old);
        }
    }

    pub(crate) fn dismiss(&mut self, node: usize, station: usize, newer: Epoch) {
        if self.nodes[node].table.get(&station).is_some_and(|connection| connection.epoch < newer) {
            self.count("old socket dismissed");
            self.end_connection(node, station, Why::Superseded);
        }
    }

    pub(crate) fn end_if_of(&mut self, node: usize, station: usize, wire: usize, why: Why) {
        if self.nodes[node].table.get(&station).is_some_and(|connection| connection.wire == wire) {
            self.end_connection(node, station, why);
        }
    }

    /// The connection is over at once; what its end does to the tables of routes comes a little later, as from an actor that stops.
    pub(crate) fn end_connection(&mut self, node: usize, station: usize, why: Why) {
        let Some(wire) = self.nodes[node].table.get(&station).map(|connection| connection.wire) else {
            return;
        };
        self.take_out(node, station, why);
        let farewell = self.rng.i64(1..200);
        self.input(node, farewell, Input::SocketClosed(wire));
    }

    fn take_out(&mut self, node: usize, station: usize, why: Why) {
        let Some(connection) = self.nodes[node].table.remove(&station) else { return };
        self.nodes[node].opening.remove(&connection.wire);
        self.close_wire(connection.wire);
        if let Some(written) = connection.in_flight {
            self.count("connection ended with a call unanswered");
            self.answer(node, written, Some(CommandOutcome::TimeoutUnknown));
        }
        for waiting in connection.queue {
            self.count("connection ended with commands in its queue");
            let outcome = (why == Why::Superseded).then_some(CommandOutcome::Superseded);
            self.answer(node, waiting, outcome);
        }
    }

    /// A socket has closed: whatever is there under its own epoch is released, here and in the table of routes.
    pub(crate) fn socket_closed(&mut self, node: usize, wire: usize) {
        self.nodes[node].opening.remove(&wire);
        self.wires[wire].server_end = false;
        let Some(epoch) = self.wires[wire].epoch else { return };
        let station = self.station_of(wire);
        let present = self.nodes[node].table.get(&station).map(|connection| connection.epoch);
        if present.is_some_and(|present| present > epoch) {
            self.count("close of an old socket beside a new one here");
        }
        let may = routes::may_delete(present, epoch) || self.planted == Planted::DeleteUnconditionally;
        if let Some(present) = present.filter(|_| may) {
            self.check_fence(station, present, epoch);
            self.take_out(node, station, Why::Closed);
        }
        self.ask_redis(node, redis::Ask::Delete(station, epoch));
    }

    /// Says again which connections are here.
    pub(crate) fn sweep(&mut self, node: usize) {
        if self.planted == Planted::NoSweep {
            return;
        }
        let id = self.nodes[node].id;
        let here = self.nodes[node].table.iter().filter(|(_, connection)| connection.is_open);
        let here: Vec<(usize, Place)> = here
            .map(|(station, connection)| (*station, Place { node: id, epoch: connection.epoch }))
            .collect();
        for (station, place) in here {
            self.ask_redis(node, redis::Ask::Assert(station, place));
        }
    }
}
