//! The world of one seed: stations, connections, a store that sometimes leaves its outcome unknown, one owner or two.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use fastrand::Rng;
use ringmain_domain::id::{Epoch, TransactionId};
use ringmain_domain::load::ledger::account::Account;
use ringmain_domain::load::ledger::row::Row;
use ringmain_domain::load::ledger::steering::input::{EvseInput, Input};
use ringmain_domain::load::ledger::{Change, Ledger, Slot};
use ringmain_domain::load::tree::{Limit, SiteTree};
use ringmain_domain::unit::Milliamps;

use super::draw::{self, RATED};
use super::faults::{Faults, Planted};
use super::owner::Owner;
use super::planning::Granted;
use super::promises::Promise;
use super::station::{Order, Station};
use super::unguarded::Watch;

/// Ten times what the busiest run needs.
const EVENTS_MAX: u64 = 5_000_000;

#[derive(Debug)]
pub(crate) enum Event {
    Second,
    /// Something reaches an owner.
    Hear(usize, Input),
    Tick(usize),
    Plan,
    /// The store does what an owner asked.
    Write(usize, Slot, Change),
    Read(usize),
    /// A call reaches the connection.
    Call(usize, Slot, Option<Epoch>, Order),
    /// A call reaches the station over this connection; its answer will be lost or not.
    Deliver(usize, Slot, Epoch, Order, bool),
    /// Over this connection, an answer or its absence.
    Answer(usize, Slot, Epoch, EvseInput),
    InForce(Slot),
    Arrive(Slot),
    Depart(Slot, TransactionId),
    GoOffline(Slot),
    ComeBack(Slot),
    Sample(Slot),
    /// A sample that was on its way reaches an owner, unless its transaction is over by then.
    Sampled(Slot, TransactionId, EvseInput),
    CutLimit,
    NewOwner,
    ClockStep,
}

pub(crate) struct World {
    pub(crate) rng: Rng,
    pub(crate) now: i64,
    /// Our clock less the true time.
    pub(crate) clock_ms: i64,
    pub(crate) faults: Faults,
    pub(crate) planted: Planted,
    pub(crate) tree: SiteTree,
    /// What each circuit may carry now.
    pub(crate) cuts: Vec<Limit>,
    pub(crate) rows: Vec<Row>,
    pub(crate) uses: Vec<Vec<(usize, i64)>>,
    /// Rows that are over their limit for a reason, with the least that was promised since.
    pub(crate) excused: Vec<Option<i64>>,
    /// Each broken promise, the first time.
    pub(crate) broken: BTreeMap<Promise, String>,
    pub(crate) ledger: Ledger,
    pub(crate) stations: Vec<Station>,
    pub(crate) owners: Vec<Owner>,
    queue: BinaryHeap<Reverse<(i64, u64)>>,
    events: BTreeMap<u64, Event>,
    count: u64,
    pub(crate) next_epoch: i64,
    pub(crate) transactions: u64,
    pub(crate) tally: BTreeMap<&'static str, u64>,
    /// While nothing changes, and always.
    pub(crate) settled: Granted,
    pub(crate) always: Granted,
    pub(crate) plan_at: i64,
    /// The last time a car came or went, or the plan gave something else.
    pub(crate) unsettled_at: i64,
    /// From then on nobody comes or goes: in a large site somebody always does.
    pub(crate) still_from: i64,
    pub(crate) targets: Vec<Milliamps>,
    /// G5 is on; no car here changes its mind within a session, which is what it trusts.
    pub(crate) early_close: bool,
    pub(crate) watch: Watch,
    /// Without a ledger: what was sent last, and the last sequence.
    pub(crate) sent: Vec<Milliamps>,
    pub(crate) sent_seq: i64,
    pub(crate) unconfirmed: Vec<bool>,
}

impl World {
    pub(crate) fn random(mut rng: Rng, evses: usize, faults: Faults, planted: Planted) -> Self {
        let fallback = if rng.bool() { Milliamps(6_000) } else { Milliamps::ZERO };
        let tree = draw::tree(&mut rng, evses, fallback);
        let stations =
            (0..evses).map(|_| Station::new(draw::nature(&mut rng, faults.odd), fallback)).collect();
        let mut world = Self::new(rng, tree, stations, faults, planted);
        if faults.odd {
            world.after(400_000, Event::CutLimit);
            world.after(300_000, Event::NewOwner);
            world.after(300_000, Event::ClockStep);
        }
        world
    }

    pub(crate) fn new(
        rng: Rng,
        tree: SiteTree,
        stations: Vec<Station>,
        faults: Faults,
        planted: Planted,
    ) -> Self {
        let account = |station: &Station| {
            let counted =
                if planted == Planted::IdleCountsNothing { Milliamps::ZERO } else { station.fallback };
            Account::with_fallback(RATED, counted)
        };
        let ledger = Ledger { owner: Epoch(0), accounts: stations.iter().map(account).collect() };
        let cuts = draw::cuts(&tree, 1_000);
        let rows = draw::rows(&tree, &cuts);
        let uses = draw::uses(&rows, stations.len());
        let evses = stations.len();
        let early_close = !faults.odd || evses.is_multiple_of(2);
        let mut world = Self {
            rng,
            now: 0,
            clock_ms: 0,
            faults,
            planted,
            excused: vec![None; rows.len()],
            broken: BTreeMap::new(),
            tree,
            cuts,
            rows,
            uses,
            ledger,
            stations,
            owners: Vec::new(),
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            count: 0,
            next_epoch: 1,
            transactions: 0,
            tally: BTreeMap::new(),
            settled: Granted::default(),
            always: Granted::default(),
            plan_at: i64::MAX,
            unsettled_at: 0,
            still_from: i64::MAX,
            targets: vec![Milliamps::ZERO; evses],
            early_close,
            watch: Watch::default(),
            sent: vec![Milliamps::ZERO; evses],
            sent_seq: 0,
            unconfirmed: vec![false; evses],
        };
        world.claim();
        for slot in 0..evses {
            let soon = world.rng.i64(0..60_000);
            world.at(soon, Event::Arrive(slot));
            world.at(soon % 10_000, Event::Sample(slot));
            world.schedule_outage(slot);
        }
        world.plan_soon();
        world
    }

    pub(crate) fn count(&mut self, name: &'static str) {
        *self.tally.entry(name).or_default() += 1;
    }

    pub(crate) fn at(&mut self, at: i64, event: Event) {
        self.count += 1;
        self.queue.push(Reverse((at.max(self.now), self.count)));
        self.events.insert(self.count, event);
    }

    pub(crate) fn after(&mut self, mean_ms: i64, event: Event) {
        let wait = self.exponential(mean_ms);
        self.at(self.now + wait, event);
    }

    pub(crate) fn exponential(&mut self, mean_ms: i64) -> i64 {
        let drawn = -(1.0 - self.rng.f64()).ln() * 1_000.0;
        mean_ms * (drawn as i64) / 1_000 + 1
    }

    /// Log-normal with a median of 0.4 s, 20 s at most.
    pub(crate) fn answer_ms(&mut self) -> i64 {
        let normal: f64 = (0..12).map(|_| self.rng.f64()).sum::<f64>() - 6.0;
        ((400.0 * (normal * 0.8).exp()) as i64).min(20_000)
    }

    /// # Panics
    ///
    /// When owner and store keep each other busy: then more happens than virtual time can explain.
    pub(crate) fn run(&mut self, until: i64) {
        while let Some(Reverse((at, number))) = self.queue.peek().copied() {
            // What the stations were allowed is the last promise to break.
            if at > until || self.broken.contains_key(&Promise::AllowedWithinLimit) {
                break;
            }
            self.queue.pop();
            self.now = at;
            assert!(number < EVENTS_MAX, "{number} events in {at} ms");
            if let Some(event) = self.events.remove(&number) {
                self.step(event);
            }
        }
    }

    pub(crate) fn step(&mut self, event: Event) {
        match event {
            Event::Second => self.second(),
            Event::Hear(owner, input) => self.hear(owner, input),
            Event::Tick(owner) => self.tick(owner),
            Event::Plan => self.plan(),
            Event::Write(owner, slot, change) => self.write(owner, slot, &change),
            Event::Read(owner) => self.read(owner),
            Event::Call(owner, slot, connection, order) => self.call(owner, slot, connection, order),
            Event::Deliver(owner, slot, connection, order, lost) => {
                self.deliver(owner, slot, connection, &order, lost)
            }
            Event::Answer(owner, slot, connection, input) => {
                if self.stations[slot].connection == Some(connection) {
                    self.tell(owner, slot, input);
                }
            }
            Event::InForce(slot) => self.changed(slot),
            Event::Arrive(slot) => self.arrive(slot),
            Event::Depart(slot, transaction) => self.depart(slot, &transaction),
            Event::GoOffline(slot) => self.go_offline(slot),
            Event::ComeBack(slot) => self.come_back(slot),
            Event::Sample(slot) => self.sample(slot),
            Event::Sampled(slot, transaction, measured) => self.sampled(slot, &transaction, &measured),
            Event::CutLimit => self.cut_limit(),
            Event::NewOwner => self.new_owner(),
            Event::ClockStep => self.step_clock(),
        }
    }
}
