//! A node: its lease, its belief of whom it owns, its own table of connections. What reaches it, and what it does about it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use fastrand::Rng;
use ringmain_domain::cluster::clock::DatabaseClock;
use ringmain_domain::cluster::lease::{LeaseState, RENEW_EVERY_MS};
use ringmain_domain::cluster::routes::Place;
use ringmain_domain::cluster::takeover::OldSocket;
use ringmain_domain::command::CommandOutcome;
use ringmain_domain::id::{Epoch, NodeId};
use uuid::Uuid;

use super::close::Dismissal;
use super::connect::Opening;
use super::desk::{Order, Waiting};
use super::faults::Planted;
use super::peers::{self, Answer, Waits};
use super::postgres::{self, Member, Said};
use super::redis;
use super::world::{At, SITES, World};

const SWEEP_EVERY_MS: i64 = 30_000;

/// What reaches a node.
#[derive(Debug)]
pub(crate) enum Input {
    RenewTick,
    SweepTick,
    Postgres(i64, postgres::Ask, Said),
    Redis(redis::Ask, redis::Said),
    /// Its connection to the table of routes was lost and is there again.
    RedisBack,
    Asked(At, u64, peers::Ask),
    Answered(u64, Answer),
    Handshake(usize),
    SocketClosed(usize),
    /// A socket that gives no sign of life.
    Silent(usize),
    /// What became of an old socket, for a socket that is opening or for another node.
    Probed(Prober, OldSocket),
    CallAnswered(usize, usize, CommandOutcome),
    /// An order, from its giver.
    Given(usize),
    /// Try again to write it down.
    InsertAgain(usize, u8),
    EndAgain(usize),
    /// The deadline of a command that is here.
    Due(usize),
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Prober {
    Opening(usize),
    Peer(At, u64),
}

/// A connection in the node's own table.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) epoch: Epoch,
    pub(crate) wire: usize,
    /// The station was told that it is connected.
    pub(crate) is_open: bool,
    pub(crate) queue: VecDeque<Waiting>,
    pub(crate) in_flight: Option<Waiting>,
}

/// The clocks of its machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clocks {
    pub(crate) boot_offset_ms: i64,
    pub(crate) drift_ppm: i64,
    pub(crate) wall_offset_ms: i64,
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) run: u32,
    pub(crate) is_up: bool,
    pub(crate) is_paused: bool,
    pub(crate) backlog: Vec<Input>,
    pub(crate) clocks: Clocks,
    pub(crate) lease: LeaseState,
    pub(crate) database: DatabaseClock,
    is_registered: bool,
    /// By its wall clock.
    pub(crate) started_at: i64,
    pub(crate) members: Vec<Member>,
    /// Sites it believes to own, with when it asked for them.
    pub(crate) sites: BTreeMap<usize, i64>,
    pub(crate) table: BTreeMap<usize, Connection>,
    pub(crate) opening: BTreeMap<usize, Opening>,
    pub(crate) desk: BTreeMap<usize, Order>,
    pub(crate) waiting: BTreeMap<u64, (Waits, usize)>,
    /// Older connections, by station and node, that their node has not yet said to have ended.
    pub(crate) dismissals: BTreeMap<(usize, NodeId), Dismissal>,
    pub(crate) redis_answers: bool,
    /// Its routes are said again with the next renewal.
    pub(crate) must_sweep: bool,
    /// It could do all its duties since then, for the promises.
    pub(crate) healthy_since: Option<i64>,
}

impl Node {
    pub(crate) fn new(node: usize, run: u32, rng: &mut Rng) -> Self {
        let number = u128::try_from(node).unwrap() + 1;
        let clocks = Clocks {
            boot_offset_ms: rng.i64(0..1_000_000_000),
            drift_ppm: rng.i64(-200..=200),
            wall_offset_ms: rng.i64(-3_600_000..=86_400_000),
        };
        Self {
            id: NodeId(Uuid::from_u128(number << 64 | u128::from(run))),
            run,
            is_up: true,
            is_paused: false,
            backlog: Vec::new(),
            clocks,
            lease: LeaseState::default(),
            database: DatabaseClock::default(),
            is_registered: false,
            started_at: clocks.wall_offset_ms,
            dismissals: BTreeMap::new(),
            members: Vec::new(),
            sites: BTreeMap::new(),
            table: BTreeMap::new(),
            opening: BTreeMap::new(),
            desk: BTreeMap::new(),
            waiting: BTreeMap::new(),
            redis_answers: true,
            must_sweep: false,
            healthy_since: None,
        }
    }
}

impl World {
    pub(crate) fn start(&mut self, node: usize) {
        let phase = self.rng.i64(1_000..SWEEP_EVERY_MS);
        self.input(node, 0, Input::RenewTick);
        self.input(node, phase, Input::SweepTick);
    }

    pub(crate) fn handle(&mut self, node: usize, input: Input) {
        match input {
            Input::RenewTick => self.renew_tick(node),
            Input::SweepTick => {
                self.sweep(node);
                self.input(node, SWEEP_EVERY_MS, Input::SweepTick);
            }
            Input::Postgres(asked_at, ask, said) => self.database_said(node, asked_at, ask, said),
            Input::Redis(ask, said) => self.routes_said(node, ask, said),
            Input::RedisBack => self.sweep(node),
            Input::Asked(from, token, ask) => self.asked(node, from, token, ask),
            Input::Answered(token, answer) => self.answered(node, token, answer),
            Input::Handshake(wire) => self.handshake(node, wire),
            Input::SocketClosed(wire) => self.socket_closed(node, wire),
            Input::Silent(wire) => {
                self.count("silent socket closed");
                self.close_wire(wire);
                self.socket_closed(node, wire);
            }
            Input::Probed(Prober::Opening(wire), old) => self.probed(node, wire, old),
            Input::Probed(Prober::Peer(from, token), old) => {
                self.answer_peer(node, from, token, Answer::Old(old));
            }
            Input::CallAnswered(wire, order, outcome) => self.call_answered(node, wire, order, outcome),
            Input::Given(order) => self.given(node, order),
            Input::InsertAgain(order, times) => self.ask_postgres(node, postgres::Ask::Insert(order, times)),
            Input::EndAgain(order) => self.write_end(node, order),
            Input::Due(order) => self.due(node, order),
        }
    }

    pub(crate) fn holds_lease(&self, node: usize) -> bool {
        self.nodes[node].lease.is_held(self.boot(node))
    }

    /// Would the node act as the owner of this site now, if it looked at its clock?
    pub(crate) fn acts_as_owner(&self, node: usize, site: usize) -> bool {
        let (state, now) = (&self.nodes[node], self.boot(node));
        state.sites.get(&site).is_some_and(|asked_at| match self.planted {
            Planted::NoSelfFence => true,
            Planted::SitesOutliveLease => state.lease.is_held(now),
            _ => state.lease.covers(*asked_at, now),
        })
    }

    fn renew_tick(&mut self, node: usize) {
        let registered = self.nodes[node].is_registered;
        self.ask_postgres(node, if registered { postgres::Ask::Renew } else { self.registration(node) });
        self.dismiss_again(node);
        if self.holds_lease(node) {
            self.ask_postgres(node, postgres::Ask::Tend);
            self.look_after_sites(node);
        } else if registered {
            self.count("node fenced itself");
        }
        if !self.nodes[node].redis_answers {
            self.ask_redis(node, redis::Ask::Ping);
        } else if std::mem::take(&mut self.nodes[node].must_sweep) {
            self.sweep(node);
        }
        self.input(node, RENEW_EVERY_MS, Input::RenewTick);
    }

    fn look_after_sites(&mut self, node: usize) {
        let here = self.nodes[node].table.keys().map(|station| station % SITES);
        let here: BTreeSet<usize> = here.collect();
        for site in here {
            if self.acts_as_owner(node, site) {
                self.count("acted as owner");
            } else {
                self.ask_postgres(node, postgres::Ask::Claim(site));
            }
        }
    }

    fn database_said(&mut self, node: usize, asked_at: i64, ask: postgres::Ask, said: Said) {
        match (ask, said) {
            (postgres::Ask::Register(_), Said::Lease(now, members)) => {
                self.leased(node, asked_at, now, members, true);
            }
            (postgres::Ask::Renew, Said::Lease(now, members)) => {
                self.leased(node, asked_at, now, members, false);
            }
            (postgres::Ask::Renew, Said::Gone) => self.lease_gone(node),
            (postgres::Ask::NextEpoch(wire), said) => self.numbered(node, wire, &said),
            (postgres::Ask::Claim(site), Said::Claimed(true)) => {
                self.nodes[node].sites.insert(site, asked_at);
                if self.acts_as_owner(node, site) {
                    self.count("site claimed");
                } else {
                    self.count("claim answered too late");
                }
            }
            (postgres::Ask::Claim(site), Said::Claimed(false)) => drop(self.nodes[node].sites.remove(&site)),
            (postgres::Ask::Insert(order, times), said) => self.inserted(node, order, times, &said),
            (postgres::Ask::End(order, _), Said::Done) => drop(self.nodes[node].desk.remove(&order)),
            (postgres::Ask::End(order, _), _) => self.input(node, 1_000, Input::EndAgain(order)),
            (_, _) => {}
        }
    }

    fn leased(&mut self, node: usize, asked_at: i64, now: i64, members: Vec<Member>, anew: bool) {
        let held = self.holds_lease(node);
        let answered_at = self.boot(node);
        let state = &mut self.nodes[node];
        state.is_registered = true;
        state.database.told((asked_at, answered_at), now);
        state.members = members;
        if anew {
            state.lease.registered(asked_at);
        } else {
            state.lease.renewed(asked_at);
        }
        if !held && self.holds_lease(node) {
            self.count("lease gained");
            self.sweep(node);
        }
    }

    /// The others have buried it, or may: it begins again, and owns nothing.
    fn lease_gone(&mut self, node: usize) {
        self.count("lease gone");
        self.tell(|| format!("node {node} has no lease any more"));
        let state = &mut self.nodes[node];
        state.lease.lost();
        state.is_registered = false;
        if self.planted != Planted::SitesOutliveLease {
            state.sites.clear();
        }
        let registration = self.registration(node);
        self.ask_postgres(node, registration);
    }

    fn registration(&self, node: usize) -> postgres::Ask {
        postgres::Ask::Register(self.nodes[node].started_at)
    }

    fn asked(&mut self, node: usize, from: At, token: u64, ask: peers::Ask) {
        match ask {
            peers::Ask::Probe(station) => match self.nodes[node].table.get(&station) {
                Some(connection) => self.ping(node, connection.wire, Prober::Peer(from, token)),
                None => self.answer_peer(node, from, token, Answer::Old(OldSocket::Gone)),
            },
            peers::Ask::Have(station) => {
                let place = self.place_here(node, station);
                self.answer_peer(node, from, token, Answer::Place(place));
            }
            peers::Ask::Execute(handed) => self.handed_over(node, from, token, handed),
            peers::Ask::Dismiss(station, newer) => {
                self.dismiss(node, station, newer);
                self.answer_peer(node, from, token, Answer::Done);
            }
        }
    }

    pub(crate) fn place_here(&self, node: usize, station: usize) -> Option<Place> {
        let state = &self.nodes[node];
        state.table.get(&station).map(|connection| Place { node: state.id, epoch: connection.epoch })
    }

    /// The first answer counts.
    fn answered(&mut self, node: usize, token: u64, answer: Answer) {
        let Some((waits, to)) = self.nodes[node].waiting.remove(&token) else { return };
        match (waits, answer) {
            (Waits::Probe(wire), Answer::Old(old)) => self.probed(node, wire, old),
            (Waits::Probe(wire), _) => {
                self.count("old socket's node silent");
                self.probed(node, wire, OldSocket::Unreachable);
            }
            (Waits::Opening(wire), Answer::Place(place)) => self.found_old(node, wire, place),
            (Waits::Opening(wire), _) => self.found_old(node, wire, None),
            (Waits::Finding(order), Answer::Place(place)) => self.found(node, order, place, true),
            (Waits::Finding(order), _) => self.found(node, order, None, false),
            (Waits::Handed(order), answer) => self.handed_back(node, order, to, answer),
            (Waits::Dismissed(station, old), Answer::Done) => {
                self.nodes[node].dismissals.remove(&(station, old));
            }
            (Waits::Dismissed(..), _) => {}
        }
    }
}
