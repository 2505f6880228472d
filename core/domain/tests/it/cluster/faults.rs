//! What goes wrong, when and for how long; and the faults of the protocol itself that must be found.

use std::ops::Range;

use super::node::{Input, Node};
use super::stations::ClientEvent;
use super::world::{Event, Given, World};

/// A fault in the protocol itself, which the simulation must find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Planted {
    Nothing,
    /// The stale-close bug: whoever closes deletes the route.
    DeleteUnconditionally,
    SetWithoutCompare,
    ForwardAfterLost,
    /// A node believes in its sites whatever its clock says.
    NoSelfFence,
    /// A node that registers again keeps what it had.
    SitesOutliveLease,
    /// A registration buries whatever other run is at its address.
    BuryAnyRun,
    /// Whoever cannot be dismissed at once is left to the sweep.
    DismissOnce,
    /// The database renews a lease that others may have taken over.
    RenewWhatIsOver,
    SecondOutcomeWins,
    /// Only the node that was given a command ends it, or whoever buries that node.
    NobodyEndsOverdue,
    /// Deadlines by the wall clocks of the nodes.
    WallClock,
    NoSweep,
    /// The sweep says its route again and does not close what is superseded.
    SweepKeepsOld,
    /// The sweep replaces an older route and does not dismiss whose it was.
    SweepTellsNobody,
}

const STATIONS: usize = 12;
const FIRST_FAULT_MS: i64 = 15_000;
/// Faults happen for so long, and then none for so long, in milliseconds.
const STORM_MS: i64 = 40_000;
const CALM_MS: i64 = 46_000;
/// A sweep that was under way when the last fault ended is followed by the next 30 s later; its answers take a moment.
const QUIET_AFTER_MS: i64 = 30_500;
pub(crate) const STORMS: i64 = 3;

impl World {
    /// A world of three nodes and a dozen stations, its storms and its calms.
    pub(crate) fn of(seed: u64, planted: Planted) -> Self {
        let mut world = Self::new(seed, 3, planted);
        for station in 0..STATIONS {
            let certificate = station.is_multiple_of(3).then_some(station);
            let client = world.join(station, station, certificate);
            let dials = world.rng.i64(500..5_000);
            world.after(dials, Event::Client(client, ClientEvent::Dial));
        }
        world.after(6_000, Event::Order);
        world.calm_from = 0;
        for storm in 0..STORMS {
            world.at(FIRST_FAULT_MS + storm * (STORM_MS + CALM_MS), Event::Fault);
            world.at(Self::storm_end(storm) + QUIET_AFTER_MS, Event::Quiet);
        }
        world
    }

    fn storm_end(storm: i64) -> i64 {
        FIRST_FAULT_MS + storm * (STORM_MS + CALM_MS) + STORM_MS
    }

    pub(crate) fn run_all(&mut self) {
        self.run(Self::storm_end(STORMS - 1) + CALM_MS);
    }

    pub(crate) fn order(&mut self, station: usize, timeout_ms: i64, must_arrive: bool) -> usize {
        self.orders.push(Given { station, timeout_ms, delivered: 0, must_arrive });
        self.orders.len() - 1
    }

    pub(crate) fn give_some_order(&mut self) {
        let station = self.rng.usize(..STATIONS);
        let timeout = self.rng.i64(1_000..12_000);
        let node = self.rng.usize(..self.nodes.len());
        let order = self.order(station, timeout, false);
        self.give(node, order);
        if self.rng.u8(..10) == 0 {
            let (again, wait) = (self.rng.usize(..self.nodes.len()), self.rng.i64(1..3_000));
            self.after(wait, Event::Again(again, order));
        }
        let next = self.rng.i64(50..800);
        self.after(next, Event::Order);
    }

    /// Until when this fault lasts: the end of the storm ends all.
    fn lasts(&mut self, ms: Range<i64>) -> i64 {
        (self.now + self.rng.i64(ms)).min(self.calm_from)
    }

    /// One fault, and when the next comes. The first of a storm begins it.
    pub(crate) fn fault(&mut self) {
        if self.is_calm() {
            self.calm_from = self.now + STORM_MS;
        }
        let node = self.rng.usize(..self.nodes.len());
        match self.rng.u8(..21) {
            0 | 1 => self.kill(node, 500..15_000),
            2 | 3 => self.pause(node),
            4 => {
                self.count("cut from redis");
                self.cut_redis_until[node] = self.lasts(2_000..25_000);
            }
            5 | 6 => {
                self.count("cut from postgres");
                self.cut_postgres_until[node] = self.lasts(2_000..25_000);
            }
            7 | 8 => self.cut_links(node),
            9 => {
                self.count("postgres away");
                self.postgres.away_until = self.lasts(2_000..15_000);
            }
            10 => {
                self.count("postgres slow");
                self.postgres.slow_until = self.lasts(2_000..12_000);
                if self.rng.bool() {
                    self.count("node in a crash loop");
                    for crash in 0..4 {
                        let at = (self.now + crash * 1_500).min(self.calm_from - 1_000);
                        self.at(at, Event::Crash(node));
                    }
                }
            }
            11..=13 => self.spoil_redis(),
            14 => {
                self.count("links lose and reorder");
                self.lossy_until = self.lasts(5_000..20_000);
            }
            15 => {
                self.count("station went silent");
                let client = self.rng.usize(..STATIONS);
                self.go_silent(client);
            }
            16 | 17 => self.second_socket(),
            18 => self.burst(),
            19 => {
                self.count("station dialled in haste");
                let client = self.rng.usize(..STATIONS);
                for _ in 0..4 {
                    self.go_silent(client);
                    self.dial(client);
                }
            }
            _ => {
                self.count("station moved");
                let client = self.rng.usize(..STATIONS);
                self.hang_up(client);
                let back = self.rng.i64(1..3_000);
                self.after(back, Event::Client(client, ClientEvent::Dial));
            }
        }
        let next = self.now + self.rng.i64(200..4_000);
        if next < self.calm_from - 1_000 {
            self.at(next, Event::Fault);
        }
    }

    pub(crate) fn kill(&mut self, node: usize, back_ms: Range<i64>) {
        if !self.nodes[node].is_up {
            return;
        }
        self.count("kill -9");
        self.tell(|| format!("node {node} is killed"));
        self.nodes[node].is_up = false;
        self.nodes[node].is_paused = false;
        let id = self.nodes[node].id;
        let open: Vec<usize> = (0..self.wires.len()).filter(|wire| self.wires[*wire].at.id == id).collect();
        for wire in open {
            self.close_wire(wire);
        }
        self.break_links_to(node);
        let back = self.lasts(back_ms);
        self.at(back, Event::Restart(node));
    }

    pub(crate) fn restart(&mut self, node: usize) {
        self.count("restart");
        self.tell(|| format!("node {node} starts again"));
        let (run, clocks) = (self.nodes[node].run + 1, self.nodes[node].clocks);
        let mut born = Node::new(node, run, &mut self.rng);
        born.clocks = clocks;
        born.started_at = self.now + clocks.wall_offset_ms;
        self.nodes[node] = born;
        self.start(node);
    }

    fn pause(&mut self, node: usize) {
        if !self.nodes[node].is_up || self.nodes[node].is_paused {
            return;
        }
        self.count("pause");
        self.tell(|| format!("node {node} is paused"));
        self.nodes[node].is_paused = true;
        let until = self.lasts(1_000..30_000);
        self.at(until, Event::Resume(node));
        // Some stations notice and go elsewhere.
        let id = self.nodes[node].id;
        for client in 0..self.clients.len() {
            let wire = self.clients[client].wire.filter(|wire| self.wires[*wire].at.id == id);
            if let Some(wire) = wire.filter(|_| self.rng.bool()) {
                let leaves = self.rng.i64(3_000..20_000);
                self.after(leaves, Event::Client(client, ClientEvent::Leave(wire)));
            }
        }
    }

    pub(crate) fn resume(&mut self, node: usize) {
        if !std::mem::replace(&mut self.nodes[node].is_paused, false) {
            return;
        }
        self.count("resume");
        self.tell(|| format!("node {node} resumes"));
        for input in std::mem::take(&mut self.nodes[node].backlog) {
            self.input(node, 0, input);
        }
    }

    fn cut_links(&mut self, node: usize) {
        let until = self.lasts(2_000..25_000);
        let other = (node + self.rng.usize(1..self.nodes.len())) % self.nodes.len();
        match self.rng.u8(..3) {
            0 => {
                self.count("cut from one peer");
                self.cut_until[node][other] = until;
                self.cut_until[other][node] = until;
            }
            1 => {
                self.count("cut from one peer in one direction");
                self.cut_until[node][other] = until;
            }
            _ => {
                self.count("cut from all peers");
                for other in (0..self.nodes.len()).filter(|other| *other != node) {
                    self.cut_until[node][other] = until;
                    self.cut_until[other][node] = until;
                }
            }
        }
    }

    fn spoil_redis(&mut self) {
        match self.rng.u8(..5) {
            0 | 1 => {
                self.count("redis away");
                self.redis.away_until = self.lasts(2_000..20_000);
                if self.rng.bool() {
                    self.redis.routes.clear();
                    self.count("redis came back empty");
                }
                let back = self.redis.away_until;
                self.at(back, Event::RedisBack);
            }
            2 => {
                self.count("redis flushed");
                self.redis.routes.clear();
            }
            3 => {
                self.count("redis went back in time");
                let now = self.redis.routes.clone();
                self.redis.routes = std::mem::replace(&mut self.redis.snapshot, now);
            }
            _ => {
                self.count("redis answers late");
                self.redis.late_until = self.lasts(2_000..10_000);
            }
        }
    }

    /// Its connections broke; each node finds out when it connects again.
    pub(crate) fn redis_back(&mut self) {
        for node in 0..self.nodes.len() {
            let finds_out = self.rng.i64(0..2_000);
            self.input(node, finds_out, Input::RedisBack);
        }
    }

    /// Somebody else dials under a station's identity, and stays for a while.
    fn second_socket(&mut self) {
        let station = self.rng.usize(..STATIONS);
        let (source, certificate) = match self.rng.u8(..8) {
            0 => {
                self.count("second living socket from the same address");
                (station, None)
            }
            1 => {
                self.count("second living socket with the same certificate");
                (STATIONS, self.clients[station].certificate)
            }
            _ => {
                self.count("second living socket");
                (STATIONS, None)
            }
        };
        if self.rng.u8(..4) == 0 {
            self.count("second socket beside a silent one");
            self.go_silent(station);
        }
        let client = self.join(station, source, certificate);
        self.clients[client].leaves_at = self.lasts(4_000..40_000);
        self.clients[client].home = self.rng.bool().then_some(client % self.nodes.len());
        self.after(1, Event::Client(client, ClientEvent::Dial));
        let leaves_at = self.clients[client].leaves_at;
        self.at(leaves_at, Event::Client(client, ClientEvent::Gone));
    }

    fn burst(&mut self) {
        self.count("burst of commands");
        let (station, node) = (self.rng.usize(..STATIONS), self.rng.usize(..self.nodes.len()));
        for _ in 0..20 {
            let timeout = self.rng.i64(1_000..12_000);
            let order = self.order(station, timeout, false);
            self.give(node, order);
        }
    }
}
