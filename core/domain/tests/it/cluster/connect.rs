//! How a connection begins at a node: number, old socket, own table, table of routes, 101.

use std::collections::VecDeque;

use ringmain_domain::cluster::dispatch::ASK_ALL_MS;
use ringmain_domain::cluster::duplicates::Duplicates;
use ringmain_domain::cluster::lease;
use ringmain_domain::cluster::routes::{self, Place};
use ringmain_domain::cluster::takeover::{Claimant, OldSocket, Takeover};
use ringmain_domain::id::Epoch;
use ringmain_domain::time::Timestamp;

use super::close::Why;
use super::faults::Planted;
use super::node::{Connection, Input, Prober};
use super::peers::{self, Waits};
use super::postgres;
use super::redis;
use super::world::World;

/// How long an old socket has for a sign of life, in milliseconds; and its node, which must still answer within the 3 s of 7.2.
const PONG_WITHIN_MS: i64 = 2_500;
const PROBE_WITHIN_MS: i64 = 3_000;

/// A socket before its 101.
#[derive(Debug, Default)]
pub(crate) struct Opening {
    epoch: Epoch,
    old: Option<Place>,
    /// Nodes that have not said yet whether they have an old socket.
    unheard: usize,
}

impl World {
    pub(crate) fn handshake(&mut self, node: usize, wire: usize) {
        if !self.holds_lease(node) {
            self.count("handshake refused without a lease");
            return self.close_wire(wire);
        }
        self.nodes[node].opening.insert(wire, Opening::default());
        self.ask_postgres(node, postgres::Ask::NextEpoch(wire));
    }

    /// The number comes first: of two sockets that open at once the one that began later wins, however long the other is held up.
    pub(crate) fn numbered(&mut self, node: usize, wire: usize, said: &postgres::Said) {
        let Some(opening) = self.nodes[node].opening.get_mut(&wire) else { return };
        let postgres::Said::Epoch(epoch) = said else {
            self.count("handshake refused without a number");
            return self.refuse(node, wire);
        };
        opening.epoch = *epoch;
        self.wires[wire].epoch = Some(*epoch);
        let station = self.station_of(wire);
        self.ask_redis(node, redis::Ask::OldOf(wire, station));
    }

    pub(crate) fn routes_said(&mut self, node: usize, ask: redis::Ask, said: redis::Said) {
        let failed = matches!(said, redis::Said::Failed);
        if failed {
            self.nodes[node].redis_answers = false;
        } else if !std::mem::replace(&mut self.nodes[node].redis_answers, true) {
            // Not at once: a table that answers every second time would be asked more with every answer.
            self.count("table of routes answers again");
            self.nodes[node].must_sweep = true;
        }
        match (ask, said) {
            (redis::Ask::OldOf(wire, _), redis::Said::Route(place)) => self.old_is(node, wire, place),
            (redis::Ask::OldOf(wire, station), _) => self.ask_all_for_old(node, wire, station),
            (redis::Ask::StationOf(order, _), redis::Said::Route(place)) => {
                self.routed(node, order, Some(place));
            }
            (redis::Ask::StationOf(order, _), _) => self.routed(node, order, None),
            (redis::Ask::Set(wire, station, _), redis::Said::Written(true, before)) => {
                self.establish(node, wire, station, before);
            }
            (redis::Ask::Set(wire, station, _), redis::Said::Written(false, _)) => {
                self.count("route refused: a newer one is there");
                self.end_if_of(node, station, wire, Why::Superseded);
                self.refuse(node, wire);
            }
            (redis::Ask::Set(wire, station, _), _) => {
                self.count("connected without a table of routes");
                self.establish(node, wire, station, None);
            }
            (redis::Ask::Assert(station, mine), redis::Said::Written(true, before)) => {
                self.asserted(node, station, &mine, before);
            }
            (redis::Ask::Assert(station, mine), redis::Said::Written(false, _)) => {
                let here = self.nodes[node].table.get(&station);
                if here.is_some_and(|here| here.epoch == mine.epoch) && self.planted != Planted::SweepKeepsOld
                {
                    self.count("superseded by the sweep");
                    self.end_connection(node, station, Why::Superseded);
                }
            }
            (_, _) => {}
        }
    }

    fn ask_all_for_old(&mut self, node: usize, wire: usize, station: usize) {
        let others = self.others(node);
        let Some(opening) = self.nodes[node].opening.get_mut(&wire) else { return };
        self.tally.entry("all asked for an old socket").and_modify(|n| *n += 1).or_insert(1);
        opening.unheard = others.len();
        if others.is_empty() {
            return self.old_is(node, wire, None);
        }
        for other in others {
            self.ask_peer(node, other, peers::Ask::Have(station), Waits::Opening(wire), Some(ASK_ALL_MS));
        }
    }

    pub(crate) fn found_old(&mut self, node: usize, wire: usize, place: Option<Place>) {
        let Some(opening) = self.nodes[node].opening.get_mut(&wire) else { return };
        opening.unheard -= 1;
        if let Some(place) = place {
            let older = opening.old.take().filter(|old| old.epoch > place.epoch);
            opening.old = Some(older.unwrap_or(place));
        }
        if opening.unheard == 0 {
            let old = opening.old.take();
            self.old_is(node, wire, old);
        }
    }

    /// The other nodes that live, as far as this one knows.
    pub(crate) fn others(&self, node: usize) -> Vec<usize> {
        let me = self.nodes[node].id;
        self.nodes[node].members.iter().filter(|member| member.id != me).map(|member| member.node).collect()
    }

    fn claimant(&self, wire: usize, old: &Place) -> Claimant {
        let station = self.station_of(wire);
        let of_old = |wire: &&super::stations::Wire| {
            wire.epoch == Some(old.epoch) && self.clients[wire.client].station == station
        };
        let new = &self.clients[self.wires[wire].client];
        self.wires.iter().rev().find(of_old).map_or_else(Claimant::default, |old| {
            let old = &self.clients[old.client];
            Claimant {
                same_source: old.source == new.source,
                same_certificate: new.certificate.is_some() && old.certificate == new.certificate,
            }
        })
    }

    /// Where the old socket is, if anywhere; this node's own table is asked too.
    fn old_is(&mut self, node: usize, wire: usize, place: Option<Place>) {
        let station = self.station_of(wire);
        let here = self.place_here(node, station);
        let old = [place, here].into_iter().flatten().max_by_key(|place| place.epoch);
        let Some(opening) = self.nodes[node].opening.get_mut(&wire) else { return };
        opening.old.clone_from(&old);
        let Some(old) = old else { return self.claim_here(node, wire) };
        if !self.claimant(wire, &old).must_probe() {
            self.count("takeover by the same station");
            return self.claim_here(node, wire);
        }
        if old.node == self.nodes[node].id {
            return match self.nodes[node].table.get(&station) {
                Some(connection) => self.ping(node, connection.wire, Prober::Opening(wire)),
                None => self.probed(node, wire, OldSocket::Gone),
            };
        }
        let now = self.nodes[node].database.at_most(self.boot(node)).unwrap_or_default();
        let lives = |member: &&super::postgres::Member| {
            member.id == old.node && !lease::is_over(member.lease_until, now)
        };
        let member = self.nodes[node].members.iter().find(lives).map(|member| member.node);
        let Some(to) = member else {
            self.count("old socket's node has no lease");
            return self.probed(node, wire, OldSocket::Unreachable);
        };
        self.ask_peer(node, to, peers::Ask::Probe(station), Waits::Probe(wire), Some(PROBE_WITHIN_MS));
    }

    /// Asks a socket of this node for a sign of life.
    pub(crate) fn ping(&mut self, node: usize, wire: usize, prober: Prober) {
        let alive = self.wires[wire].lives();
        let wait = if alive { self.rng.i64(5..200) } else { PONG_WITHIN_MS };
        let old = if alive { OldSocket::Alive } else { OldSocket::Silent };
        self.input(node, wait, Input::Probed(prober, old));
    }

    pub(crate) fn probed(&mut self, node: usize, wire: usize, old: OldSocket) {
        let station = self.station_of(wire);
        let Some(place) = self.nodes[node].opening.get(&wire).and_then(|opening| opening.old) else {
            return;
        };
        self.count(match old {
            OldSocket::Alive => "old socket alive",
            OldSocket::Silent => "old socket silent",
            OldSocket::Gone => "old socket gone",
            OldSocket::Unreachable => "old socket unreachable",
        });
        match self.claimant(wire, &place).against(old) {
            Takeover::New => self.claim_here(node, wire),
            Takeover::Old => {
                self.count("second socket refused");
                self.tell(|| format!("second socket of station {station} refused"));
                let now = Timestamp::from_millis(self.now);
                // A database that does not answer remembers nothing; the newcomer is refused all the same.
                if self.reaches_postgres(node) {
                    let before = self.postgres.duplicates.remove(&station);
                    let (duplicates, _) = Duplicates::fought(before, now, "an address");
                    if duplicates.needs_a_person {
                        self.count("a person must decide");
                    }
                    self.postgres.duplicates.insert(station, duplicates);
                }
                self.refuse(node, wire);
            }
        }
    }

    fn claim_here(&mut self, node: usize, wire: usize) {
        let station = self.station_of(wire);
        let Some(epoch) = self.nodes[node].opening.get(&wire).map(|opening| opening.epoch) else { return };
        let present = self.nodes[node].table.get(&station).map(|connection| connection.epoch);
        if !routes::may_set(present, epoch) && self.planted != Planted::SetWithoutCompare {
            self.count("a newer socket is here already");
            return self.refuse(node, wire);
        }
        if let Some(present) = present {
            self.check_fence(station, present, epoch);
            self.end_connection(node, station, Why::Superseded);
        }
        let connection = Connection { epoch, wire, is_open: false, queue: VecDeque::new(), in_flight: None };
        self.nodes[node].table.insert(station, connection);
        self.check_claim(node, station, epoch);
        let place = Place { node: self.nodes[node].id, epoch };
        self.ask_redis(node, redis::Ask::Set(wire, station, place));
    }

    /// 101, and the old socket is dismissed wherever it is.
    fn establish(&mut self, node: usize, wire: usize, station: usize, before: Option<Place>) {
        let Some(opening) = self.nodes[node].opening.remove(&wire) else {
            // It closed while its route was written: the route goes too.
            if let Some(epoch) = self.wires[wire].epoch.filter(|_| !self.wires[wire].server_end) {
                self.count("closed while its route was written");
                self.ask_redis(node, redis::Ask::Delete(station, epoch));
            }
            return;
        };
        self.accept(wire);
        if let Some(connection) = self.nodes[node].table.get_mut(&station) {
            connection.is_open |= connection.wire == wire;
        }
        self.tell(|| format!("station {station} is at node {node} with epoch {}", opening.epoch));
        let mine = Place { node: self.nodes[node].id, epoch: opening.epoch };
        for old in [before, opening.old] {
            if let Some(old) = routes::dismissed(old, &mine) {
                self.ask_to_dismiss(node, station, &old, mine.epoch);
            }
        }
        self.pump(node, station);
    }

    pub(crate) fn refuse(&mut self, node: usize, wire: usize) {
        self.nodes[node].opening.remove(&wire);
        self.close_wire(wire);
    }
}
