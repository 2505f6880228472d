//! What must hold after every step, by the names of reliability.md 7.4, and what must hold half a minute after the last fault.

use ringmain_domain::command::CommandOutcome;
use ringmain_domain::id::Epoch;

use super::world::{Given, SITES, World};

/// Every command has ended so long after its deadline, in milliseconds (R3).
const END_WITHIN_MS: i64 = 5_000;
/// The time of a command that must arrive, in milliseconds: far more than a station needs, and over before the calm is.
const ANSWERED_WITHIN_MS: i64 = 8_000;
/// A node's idea of the database's clock may be off by so much: its clock drifts between two renewals.
const DRIFT_MS: i64 = 50;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Promise {
    /// R1: a number is given once; a table of connections never goes back; what is superseded goes.
    OneCurrentEpoch,
    /// R2: whoever replaces or deletes a route has its number or a higher one.
    RouteFencedByEpoch,
    /// R3: one terminal outcome, 5 s after the deadline at the latest; nothing is written to a socket after the deadline.
    CommandEndsOnce,
    /// R4: as many calls were delivered as the outcome says.
    OutcomeTellsWhatWasSent,
    /// R5: half a minute after the last fault a command reaches every live socket.
    CommandReachesLiveSocket,
    /// Half a minute after the last fault every live socket has its own route.
    RouteComesBack,
    /// And every station is connected.
    StationComesBack,
    /// No two nodes act as owner of a site, each by its own clock and lease, at one instant.
    OneOwner,
}

impl World {
    pub(crate) fn break_promise(&mut self, promise: Promise, told: impl FnOnce() -> String) {
        let told = format!("at {} ms, {}", self.now, told());
        self.tell(|| format!("{promise:?} is broken: {told}"));
        self.broken.entry(promise).or_insert(told);
    }

    /// After every step.
    pub(crate) fn check(&mut self) {
        for site in 0..SITES {
            let acts = |node: &usize| self.nodes[*node].is_up && self.acts_as_owner(*node, site);
            let owners: Vec<usize> = (0..self.nodes.len()).filter(acts).collect();
            if owners.len() > 1 {
                self.break_promise(Promise::OneOwner, || format!("site {site} is owned by {owners:?}"));
            }
        }
        self.check_commands_end();
    }

    /// A command is late when some node could have ended it: one that lived, held its lease and reached the database for the last 5 s.
    fn check_commands_end(&mut self) {
        let slow = self.now < self.postgres.slow_until;
        let mut healthy_from = i64::MAX;
        for node in 0..self.nodes.len() {
            let state = &self.nodes[node];
            let able = state.is_up && !state.is_paused && !slow && self.reaches_postgres(node);
            let healthy = able && self.holds_lease(node);
            let since = healthy.then(|| self.nodes[node].healthy_since.unwrap_or(self.now));
            self.nodes[node].healthy_since = since;
            healthy_from = healthy_from.min(since.unwrap_or(i64::MAX));
        }
        let Some(healthy_from) = healthy_from.checked_add(self.postgres.offset_ms) else { return };
        let now = self.database_now();
        let rows = &self.postgres.rows;
        let late = |order: &&usize| now - rows[*order].deadline.max(healthy_from) > END_WITHIN_MS;
        if let Some(order) = self.postgres.open.iter().find(late).copied() {
            self.break_promise(Promise::CommandEndsOnce, || format!("order {order} has not ended"));
        }
    }

    /// A connection takes its place in a node's table.
    pub(crate) fn check_claim(&mut self, node: usize, station: usize, epoch: Epoch) {
        let twice = self
            .nodes
            .iter()
            .filter(|state| state.table.get(&station).is_some_and(|connection| connection.epoch == epoch));
        if twice.count() > 1 {
            self.break_promise(Promise::OneCurrentEpoch, || format!("epoch {epoch} was given twice"));
        }
        let open = self.wires.iter().filter(|wire| {
            wire.at.id == self.nodes[node].id
                && wire.server_end
                && wire.epoch.is_some_and(|other| other < epoch)
                && self.clients[wire.client].station == station
        });
        // Those that are still opening are refused when their turn comes.
        let stale = open.filter(|wire| {
            let number = self.wires.iter().position(|other| other.epoch == wire.epoch);
            number.is_some_and(|number| !self.nodes[node].opening.contains_key(&number))
        });
        if stale.count() > 0 {
            self.break_promise(Promise::OneCurrentEpoch, || {
                format!("node {node} left an older socket of station {station} open")
            });
        }
    }

    pub(crate) fn check_written(&mut self, order: usize, deadline: i64) {
        let late = self.database_now() - deadline;
        if late > DRIFT_MS {
            self.break_promise(Promise::CommandEndsOnce, || {
                format!("order {order} was written {late} ms after its deadline")
            });
        }
    }

    pub(crate) fn check_delivered(&mut self, order: usize) {
        let delivered = self.orders[order].delivered;
        let most = self.ended(order).map_or(1, |outcome| outcome.calls_delivered().1);
        if delivered > most {
            let ended = self.ended(order);
            self.break_promise(Promise::OutcomeTellsWhatWasSent, || {
                format!("order {order} was delivered {delivered} times and ended {ended:?}")
            });
        }
    }

    pub(crate) fn check_end(&mut self, order: usize, outcome: CommandOutcome) {
        let Given { station, delivered, must_arrive, .. } = self.orders[order];
        let (least, most) = outcome.calls_delivered();
        if delivered < least || delivered > most {
            self.break_promise(Promise::OutcomeTellsWhatWasSent, || {
                format!("order {order} ended {outcome:?} and was delivered {delivered} times")
            });
        }
        if must_arrive && least == 0 {
            self.break_promise(Promise::CommandReachesLiveSocket, || {
                format!("order {order} for station {station} ended {outcome:?}")
            });
        }
    }

    /// Half a minute after the last fault: everything is in its place, and a command through any node reaches every station.
    pub(crate) fn quiet(&mut self) {
        self.count("half a minute without a fault");
        self.tell(|| "half a minute without a fault".to_owned());
        for client in 0..self.clients.len() {
            let (station, wire) = (self.clients[client].station, self.clients[client].wire);
            if !self.clients[client].is_online && self.now < self.clients[client].leaves_at {
                self.break_promise(Promise::StationComesBack, || format!("station {station} is away"));
            }
            let Some(wire) = wire.filter(|wire| self.wires[*wire].lives()) else { continue };
            let (epoch, id) = (self.wires[wire].epoch, self.wires[wire].at.id);
            let route = self.route(station);
            if route.as_ref().is_none_or(|place| Some(place.epoch) != epoch || place.node != id) {
                self.break_promise(Promise::RouteComesBack, || {
                    format!("station {station} has epoch {epoch:?} and the route {route:?}")
                });
            }
            let has = |state: &&super::node::Node| state.table.contains_key(&station);
            let places = self.nodes.iter().filter(has).count();
            if places > 1 {
                self.break_promise(Promise::OneCurrentEpoch, || {
                    format!("station {station} is at {places} nodes")
                });
            }
            let order = self.order(station, ANSWERED_WITHIN_MS, true);
            let node = self.rng.usize(..self.nodes.len());
            self.give(node, order);
        }
    }
}
