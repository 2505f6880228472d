//! The world of one seed: nodes, a database, a table of routes, links, stations, and the order in which things happen to them.
//!
//! It decides nothing about the cluster: whatever a node must decide it asks of `ringmain_domain::cluster`.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use fastrand::Rng;
use ringmain_domain::command::CommandOutcome;
use ringmain_domain::id::NodeId;

use super::faults::Planted;
use super::node::{Input, Node};
use super::peers;
use super::postgres::{self, Postgres};
use super::promises::Promise;
use super::redis::{self, Redis};
use super::stations::{Client, ClientEvent, Wire};

/// Ten times what the busiest run needs.
const EVENTS_MAX: u64 = 1_000_000;
pub(crate) const SITES: usize = 3;

/// One run of a node at its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct At {
    pub(crate) node: usize,
    pub(crate) id: NodeId,
}

#[derive(Debug)]
pub(crate) enum Event {
    /// Something reaches a node, if that run of it goes on.
    Node(At, Input),
    /// A statement reaches the database; when it was asked for, by the node's clock since boot.
    Postgres(At, i64, postgres::Ask),
    Redis(At, redis::Ask),
    /// Done there, and nobody waits for the answer any more.
    RedisLate(redis::Ask),
    /// A request reaches another node's address.
    Peer(At, usize, u64, peers::Ask),
    Client(usize, ClientEvent),
    /// A call reaches the station's end of a socket.
    Call(usize, usize),
    /// Somebody gives an order.
    Order,
    /// The same order again, at a node.
    Again(usize, usize),
    Fault,
    /// It dies, and starts again at once.
    Crash(usize),
    Restart(usize),
    Resume(usize),
    /// The table of routes can be reached again.
    RedisBack,
    /// No fault for half a minute.
    Quiet,
}

/// An order as its giver and the stations know it.
#[derive(Debug, Default)]
pub(crate) struct Given {
    pub(crate) station: usize,
    pub(crate) timeout_ms: i64,
    /// Calls with its id that reached a station.
    pub(crate) delivered: u8,
    /// It was given when nothing was wrong: it must arrive.
    pub(crate) must_arrive: bool,
}

pub(crate) struct World {
    pub(crate) rng: Rng,
    pub(crate) now: i64,
    pub(crate) planted: Planted,
    pub(crate) nodes: Vec<Node>,
    pub(crate) postgres: Postgres,
    pub(crate) redis: Redis,
    /// From a node to a node: until when nothing passes.
    pub(crate) cut_until: Vec<Vec<i64>>,
    pub(crate) cut_postgres_until: Vec<i64>,
    pub(crate) cut_redis_until: Vec<i64>,
    pub(crate) lossy_until: i64,
    pub(crate) clients: Vec<Client>,
    pub(crate) wires: Vec<Wire>,
    pub(crate) orders: Vec<Given>,
    /// Faults happen until then, and have all ended.
    pub(crate) calm_from: i64,
    pub(crate) broken: BTreeMap<Promise, String>,
    pub(crate) tally: BTreeMap<&'static str, u64>,
    pub(crate) trace: bool,
    pub(crate) tokens: u64,
    queue: BinaryHeap<Reverse<(i64, u64)>>,
    events: BTreeMap<u64, Event>,
    count: u64,
}

impl World {
    /// Nodes that start at once, and no stations yet.
    pub(crate) fn new(seed: u64, nodes: usize, planted: Planted) -> Self {
        let mut rng = Rng::with_seed(seed);
        let postgres = Postgres::new(rng.i64(1_000_000..2_000_000_000));
        let mut world = Self {
            nodes: Vec::new(),
            postgres,
            redis: Redis::default(),
            cut_until: vec![vec![0; nodes]; nodes],
            cut_postgres_until: vec![0; nodes],
            cut_redis_until: vec![0; nodes],
            lossy_until: 0,
            clients: Vec::new(),
            wires: Vec::new(),
            orders: Vec::new(),
            calm_from: 0,
            broken: BTreeMap::new(),
            tally: BTreeMap::new(),
            trace: false,
            tokens: 0,
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            count: 0,
            now: 0,
            planted,
            rng,
        };
        for node in 0..nodes {
            let born = Node::new(node, 0, &mut world.rng);
            world.nodes.push(born);
            world.start(node);
        }
        world
    }

    pub(crate) fn at(&mut self, at: i64, event: Event) {
        self.count += 1;
        self.queue.push(Reverse((at.max(self.now), self.count)));
        self.events.insert(self.count, event);
    }

    pub(crate) fn after(&mut self, wait_ms: i64, event: Event) {
        self.at(self.now + wait_ms, event);
    }

    pub(crate) fn input(&mut self, node: usize, wait_ms: i64, input: Input) {
        let at = self.run_of(node);
        self.after(wait_ms, Event::Node(at, input));
    }

    pub(crate) fn run_of(&self, node: usize) -> At {
        At { node, id: self.nodes[node].id }
    }

    /// A node's own clock, since it booted.
    pub(crate) fn boot(&self, node: usize) -> i64 {
        let clock = &self.nodes[node].clocks;
        clock.boot_offset_ms + self.now + self.now * clock.drift_ppm / 1_000_000
    }

    pub(crate) fn database_now(&self) -> i64 {
        self.now + self.postgres.offset_ms
    }

    pub(crate) fn travel_ms(&mut self) -> i64 {
        self.rng.i64(1..=5)
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.now >= self.calm_from
    }

    /// One of so many, and only while faults happen.
    pub(crate) fn mischief(&mut self, one_of: u32) -> bool {
        !self.is_calm() && self.rng.u32(..one_of) == 0
    }

    pub(crate) fn count(&mut self, label: &'static str) {
        *self.tally.entry(label).or_default() += 1;
    }

    #[expect(clippy::print_stdout, reason = "the trace of a seed that is replayed")]
    pub(crate) fn tell(&self, told: impl FnOnce() -> String) {
        if self.trace {
            println!("{:>8} {}", self.now, told());
        }
    }

    pub(crate) fn ended(&self, order: usize) -> Option<CommandOutcome> {
        self.postgres.rows.get(&order).and_then(|row| row.outcome)
    }

    /// Until then, or until a promise is broken.
    ///
    /// # Panics
    ///
    /// When more happens than virtual time can explain.
    pub(crate) fn run(&mut self, until: i64) {
        while let Some(Reverse((at, number))) = self.queue.peek().copied() {
            if at > until || !self.broken.is_empty() {
                break;
            }
            self.queue.pop();
            self.now = at;
            assert!(self.count < EVENTS_MAX, "{number} events in {at} ms");
            if let Some(event) = self.events.remove(&number) {
                self.step(event);
                self.check();
            }
        }
        if self.broken.is_empty() {
            self.now = self.now.max(until);
        }
    }

    pub(crate) fn run_for(&mut self, ms: i64) {
        self.run(self.now + ms);
    }

    fn step(&mut self, event: Event) {
        match event {
            Event::Node(at, input) => self.at_node(at, input),
            Event::Postgres(at, asked_at, ask) => self.at_postgres(at, asked_at, ask),
            Event::Redis(at, ask) => self.at_redis(at, ask),
            Event::RedisLate(ask) => drop(self.carry_out(&ask)),
            Event::Peer(from, to, token, ask) => self.at_peer(from, to, token, ask),
            Event::Client(client, event) => self.at_client(client, event),
            Event::Call(wire, order) => self.at_station(wire, order),
            Event::Order => self.give_some_order(),
            Event::Again(node, order) => {
                self.count("order given twice");
                self.give(node, order);
            }
            Event::Fault => self.fault(),
            Event::Crash(node) => self.kill(node, 100..1_000),
            Event::Restart(node) => self.restart(node),
            Event::Resume(node) => self.resume(node),
            Event::RedisBack => self.redis_back(),
            Event::Quiet => self.quiet(),
        }
    }

    /// A paused node finds everything when it resumes; a run that is over finds nothing.
    fn at_node(&mut self, at: At, input: Input) {
        let node = &mut self.nodes[at.node];
        if node.id != at.id || !node.is_up {
            return;
        }
        if node.is_paused {
            node.backlog.push(input);
            return;
        }
        self.handle(at.node, input);
    }
}
