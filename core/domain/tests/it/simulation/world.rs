//! The world of one seed: stations, connections, a store that sometimes leaves its outcome unknown, one owner or two.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use fastrand::Rng;
use ringmain_domain::id::{Epoch, TransactionId};
use ringmain_domain::load::ledger::account::{Account, Fallback};
use ringmain_domain::load::ledger::conduct::Conduct;
use ringmain_domain::load::ledger::fence::Fence;
use ringmain_domain::load::ledger::row::Row;
use ringmain_domain::load::ledger::steering::input::{Arrival, EvseInput, Input};
use ringmain_domain::load::ledger::steering::{Outlet, Pace};
use ringmain_domain::load::ledger::{Change, Ledger, Slot};
use ringmain_domain::load::tree::SiteTree;
use ringmain_domain::time::Timestamp;
use ringmain_domain::unit::Milliamps;

use super::draw::{self, RATED};
use super::owner::Owner;
use super::plan::{self, MINIMUM, STEP};
use super::station::{Order, Station};

/// What must have happened in a hundred seeds.
pub(crate) const TALLIED: [&str; 12] = [
    "raised",
    "lowered",
    "closed",
    "expired",
    "released",
    "call lost",
    "fenced",
    "outage",
    "boot",
    "limit cut",
    "new owner",
    "commit unknown",
];

/// A fault in the protocol itself, which the simulation must find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Planted {
    Nothing,
    CloseAtAccepted,
    IdleCountsNothing,
    RaiseBeforeLower,
    ReleaseAtEnd,
}

/// What may go wrong.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Faults {
    pub(crate) lost_permille: u32,
    pub(crate) outage_mean_ms: i64,
    pub(crate) online_mean_ms: Option<i64>,
    pub(crate) stay_mean_ms: i64,
    pub(crate) gap_mean_ms: i64,
    /// Odd stations, boots, limit cuts, new owners, unknown commits, slow messages.
    pub(crate) odd: bool,
}

impl Faults {
    pub(crate) const NONE: Self = Self {
        lost_permille: 0,
        outage_mean_ms: 0,
        online_mean_ms: None,
        stay_mean_ms: 1_800_000,
        gap_mean_ms: 300_000,
        odd: false,
    };
    pub(crate) const ALL: Self = Self {
        lost_permille: 30,
        outage_mean_ms: 120_000,
        online_mean_ms: Some(400_000),
        stay_mean_ms: 400_000,
        gap_mean_ms: 60_000,
        odd: true,
    };
}

/// Who decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Control {
    #[default]
    Ledger,
    /// Every target is sent when the plan gives it.
    AllAtOnce,
    /// Lowers are sent; when all of them are accepted or timed out, the raises.
    LowerFirst,
}

/// What the transition experiment sees, once a second.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    pub(crate) control: Control,
    pub(crate) over_s: i64,
    pub(crate) excess_ma_max: i64,
    pub(crate) drawn: i64,
    pub(crate) available: i64,
    pub(crate) calls: i64,
}

impl Watch {
    pub(crate) fn add(&mut self, other: &Self) {
        self.over_s += other.over_s;
        self.excess_ma_max = self.excess_ma_max.max(other.excess_ma_max);
        self.drawn += other.drawn;
        self.available += other.available;
        self.calls += other.calls;
    }
}

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
    CutLimit,
    NewOwner,
}

pub(crate) struct World {
    pub(crate) rng: Rng,
    pub(crate) now: i64,
    pub(crate) faults: Faults,
    pub(crate) planted: Planted,
    tree: Option<SiteTree>,
    pub(crate) rows: Vec<Row>,
    pub(crate) uses: Vec<Vec<(usize, i64)>>,
    /// A row that was over its limit when the limit fell, or when a station turned out to be other than promised: back under it is on
    /// the way, and until then nothing may rise.
    excused: Vec<bool>,
    pub(crate) ledger: Ledger,
    pub(crate) stations: Vec<Station>,
    pub(crate) owners: Vec<Owner>,
    queue: BinaryHeap<Reverse<(i64, u64)>>,
    events: BTreeMap<u64, Event>,
    count: u64,
    pub(crate) next_epoch: i64,
    transactions: u64,
    pub(crate) tally: BTreeMap<&'static str, u64>,
    pub(crate) settled_granted: i64,
    pub(crate) settled_possible: i64,
    /// The last time anything changed what the plan gives.
    unsettled_at: i64,
    targets: Vec<Milliamps>,
    /// G5 is on; no car here changes its mind within a session, which is what it trusts.
    early_close: bool,
    pub(crate) watch: Watch,
    /// Without a ledger: what was sent last, and the last sequence.
    sent: Vec<Milliamps>,
    sent_seq: i64,
    pub(crate) unconfirmed: Vec<bool>,
}

impl World {
    pub(crate) fn random(mut rng: Rng, evses: usize, faults: Faults, planted: Planted) -> Self {
        let fallback = if rng.bool() { Milliamps(6_000) } else { Milliamps::ZERO };
        let tree = draw::tree(&mut rng, evses, fallback);
        let rows = draw::rows(&tree, 1_000);
        let stations =
            (0..evses).map(|_| Station::new(draw::nature(&mut rng, faults.odd), fallback)).collect();
        let mut world = Self::new(rng, rows, stations, faults, planted);
        world.tree = Some(tree);
        if faults.odd {
            world.after(400_000, Event::CutLimit);
            world.after(300_000, Event::NewOwner);
        }
        world
    }

    pub(crate) fn new(
        rng: Rng,
        rows: Vec<Row>,
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
        let uses = plan::uses(&rows, stations.len());
        let evses = stations.len();
        let early_close = !faults.odd || evses.is_multiple_of(2);
        let mut world = Self {
            rng,
            now: 0,
            faults,
            planted,
            tree: None,
            excused: vec![false; rows.len()],
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
            settled_granted: 0,
            settled_possible: 0,
            unsettled_at: 0,
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
        world.at(1_000, Event::Plan);
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

    fn after(&mut self, mean_ms: i64, event: Event) {
        let wait = self.exponential(mean_ms);
        self.at(self.now + wait, event);
    }

    fn exponential(&mut self, mean_ms: i64) -> i64 {
        let drawn = -(1.0 - self.rng.f64()).ln() * 1_000.0;
        mean_ms * (drawn as i64) / 1_000 + 1
    }

    /// Log-normal with a median of 0.4 s, 20 s at most.
    pub(crate) fn answer_ms(&mut self) -> i64 {
        let normal: f64 = (0..12).map(|_| self.rng.f64()).sum::<f64>() - 6.0;
        ((400.0 * (normal * 0.8).exp()) as i64).min(20_000)
    }

    pub(crate) fn run(&mut self, until: i64) {
        while let Some(Reverse((at, number))) = self.queue.pop() {
            if at > until {
                break;
            }
            self.now = at;
            if let Some(event) = self.events.remove(&number) {
                self.step(event);
            }
        }
    }

    fn step(&mut self, event: Event) {
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
            Event::CutLimit => self.cut_limit(),
            Event::NewOwner => self.new_owner(),
        }
    }

    // === what must hold ===

    pub(crate) fn changed(&mut self, slot: Slot) {
        let now = self.now;
        self.stations[slot].pass_time(now);
        self.check(slot);
    }

    /// Holds what an EVSE may have in force against its ceiling, and the sums against every row it counts in.
    pub(crate) fn check(&mut self, slot: Slot) {
        let now = self.now;
        if self.watch.control != Control::Ledger {
            return;
        }
        let (station, account) = (&self.stations[slot], &self.ledger.accounts[slot]);
        assert!(
            station.lost_unread
                || station.allowed(now) <= account.ceiling()
                || self.planted != Planted::Nothing,
            "EVSE {slot} at {now} ms is allowed {} above its ceiling {}: {station:?} {account:?}",
            station.allowed(now),
            account.ceiling()
        );
        for (row, _) in &self.uses[slot] {
            let (mut allowed, mut promised, mut lost) = (0, 0, false);
            for (user, coefficient) in &self.rows[*row].users {
                allowed += self.stations[*user].allowed(now).0 * coefficient;
                promised += self.ledger.accounts[*user].ceiling().0 * coefficient;
                lost |= self.stations[*user].lost_unread;
            }
            let limit = self.rows[*row].limit;
            if promised <= limit {
                self.excused[*row] = false;
            }
            let excused = self.excused[*row] || lost;
            assert!(
                excused || allowed <= limit,
                "row {row} at {now} ms: {allowed} of {limit} ({promised} promised)"
            );
            let counted = self.planted == Planted::IdleCountsNothing;
            assert!(
                excused || counted || promised <= limit,
                "row {row} at {now} ms: {promised} of {limit} promised"
            );
        }
    }

    pub(crate) fn excuse_overloaded(&mut self) {
        let ceilings = self.ledger.ceilings();
        for row in ringmain_domain::load::ledger::row::overloaded(&self.rows, &ceilings) {
            self.excused[row] = true;
        }
    }

    // === the transition experiment ===

    pub(crate) fn watch(&mut self, control: Control) {
        self.watch = Watch { control, ..Watch::default() };
        self.at(600_000, Event::Second);
    }

    fn second(&mut self) {
        let now = self.now;
        let drawn: i64 = self.stations.iter().map(|station| station.draws(now).0).sum();
        let wanted: i64 = self.stations.iter().map(|station| station.car.0).sum();
        let limit = self.rows[0].limit;
        self.watch.over_s += i64::from(drawn > limit);
        self.watch.excess_ma_max = self.watch.excess_ma_max.max(drawn - limit);
        self.watch.drawn += drawn.min(limit);
        self.watch.available += wanted.min(limit);
        self.at(now + 1_000, Event::Second);
    }

    /// Without a ledger: the plan shares the limit among the cars that are connected, and its targets are sent.
    fn send_without_ledger(&mut self, wants: &[Option<Milliamps>]) {
        let online = |slot: &usize| wants[*slot].is_some() && self.stations[*slot].connection.is_some();
        let cars: Vec<Slot> = (0..wants.len()).filter(online).collect();
        let mut targets = vec![MINIMUM; wants.len()];
        let mut left = self.rows[0].limit - MINIMUM.0 * i64::try_from(cars.len()).unwrap();
        let mut active = cars.clone();
        while !active.is_empty() {
            active.retain(|slot| {
                let more = wants[*slot].is_some_and(|cap| targets[*slot].plus(STEP) <= cap) && left >= STEP.0;
                if more {
                    targets[*slot] = targets[*slot].plus(STEP);
                    left -= STEP.0;
                }
                more
            });
        }
        for slot in cars {
            let waits = self.watch.control == Control::LowerFirst
                && targets[slot] > self.sent[slot]
                && self.unconfirmed.contains(&true);
            if targets[slot] == self.sent[slot] || waits {
                continue;
            }
            self.unconfirmed[slot] = targets[slot] < self.sent[slot];
            self.sent[slot] = targets[slot];
            self.sent_seq += 1;
            let order = Order::Profile {
                seq: ringmain_domain::id::GrantSeq(self.sent_seq),
                limit: targets[slot],
                valid_to: None,
                transaction: self.stations[slot].transaction.clone(),
            };
            let connection = self.stations[slot].connection;
            self.at(self.now, Event::Call(0, slot, connection, order));
        }
    }

    // === plans ===

    fn plan(&mut self) {
        let wants: Vec<_> =
            self.stations.iter().map(|station| station.transaction.as_ref().map(|_| station.car)).collect();
        if self.watch.control != Control::Ledger {
            self.send_without_ledger(&wants);
            self.at(self.now + 5_000, Event::Plan);
            return;
        }
        for owner in 0..self.owners.len() {
            let Some(state) = self.owners[owner].state.as_ref() else { continue };
            let targets = plan::plan(&self.rows, &self.uses, state, &wants);
            if owner + 1 == self.owners.len() {
                self.measure(&targets);
            }
            self.hear(owner, Input::Plan(targets));
        }
        let wait = if self.faults.odd { 5_000 } else { 1_000 };
        self.at(self.now + wait, Event::Plan);
    }

    /// What is granted of what the plan found room for, while nothing has changed for two minutes.
    fn measure(&mut self, targets: &[Milliamps]) {
        if self.targets != targets {
            self.targets = targets.to_vec();
            self.unsettled_at = self.now;
        }
        if self.now - self.unsettled_at < 120_000 {
            return;
        }
        for (station, target) in self.stations.iter().zip(targets) {
            self.settled_possible += target.0;
            self.settled_granted += station.allowed(self.now).0.min(target.0);
        }
    }

    fn cut_limit(&mut self) {
        let Some(tree) = &self.tree else { return };
        let permille = if self.rng.bool() { self.rng.i64(300..1_000) } else { 1_000 };
        self.rows = draw::rows(tree, permille);
        self.count("limit cut");
        self.excuse_overloaded();
        for owner in 0..self.owners.len() {
            self.at(self.now + 1_000, Event::Hear(owner, Input::Rows(self.rows.clone())));
        }
        self.after(400_000, Event::CutLimit);
    }

    // === cars ===

    fn arrive(&mut self, slot: Slot) {
        self.transactions += 1;
        let transaction = TransactionId::new(&self.transactions.to_string()).unwrap();
        let station = &mut self.stations[slot];
        station.transaction = Some(transaction.clone());
        self.sent[slot] = station.fallback;
        self.unconfirmed[slot] = false;
        station.car = Milliamps(*self.rng.choice([10_000, 16_000, 32_000].iter()).unwrap());
        self.report(slot, transaction.clone(), true);
        let stay = self.faults.stay_mean_ms;
        self.after(stay, Event::Depart(slot, transaction));
    }

    fn depart(&mut self, slot: Slot, transaction: &TransactionId) {
        self.stations[slot].end();
        self.changed(slot);
        self.report(slot, transaction.clone(), false);
        let gap = self.faults.gap_mean_ms;
        self.after(gap, Event::Arrive(slot));
    }

    fn report(&mut self, slot: Slot, transaction: TransactionId, started: bool) {
        self.stations[slot].queue.push((transaction, started));
        if self.stations[slot].connection.is_some() {
            self.flush(slot);
        }
    }

    fn flush(&mut self, slot: Slot) {
        for (transaction, started) in std::mem::take(&mut self.stations[slot].queue) {
            for owner in 0..self.owners.len() {
                let input = if started {
                    EvseInput::Started(transaction.clone())
                } else {
                    EvseInput::Ended(transaction.clone())
                };
                self.at(self.now + 50, Event::Hear(owner, Input::Evse(slot, input)));
            }
            if self.planted == Planted::ReleaseAtEnd && !started {
                let through = self.ledger.accounts[slot].seq;
                self.ledger.transact(&self.rows, self.ledger.owner, &Change::Release { slot, through });
                self.reload(self.owners.len() - 1);
            }
        }
    }

    fn sample(&mut self, slot: Slot) {
        self.changed(slot);
        let station = &self.stations[slot];
        if station.connection.is_some() && station.transaction.is_some() {
            let draws = station.draws(self.now);
            for owner in 0..self.owners.len() {
                self.tell(owner, slot, EvseInput::Measured(draws));
            }
        }
        self.at(self.now + 10_000, Event::Sample(slot));
    }

    // === connections ===

    fn schedule_outage(&mut self, slot: Slot) {
        if let Some(mean) = self.faults.online_mean_ms {
            self.after(mean, Event::GoOffline(slot));
        }
    }

    fn go_offline(&mut self, slot: Slot) {
        self.changed(slot);
        self.count("outage");
        let station = &mut self.stations[slot];
        station.offline_since = Some(self.now);
        if let Some(connection) = station.connection.take() {
            for owner in 0..self.owners.len() {
                let seen = self.now + self.rng.i64(10..30_000);
                let input = EvseInput::Disconnected { connection };
                self.at(seen, Event::Hear(owner, Input::Evse(slot, input)));
            }
        }
        let mean = self.faults.outage_mean_ms;
        self.after(mean, Event::ComeBack(slot));
    }

    fn come_back(&mut self, slot: Slot) {
        self.changed(slot);
        let booted = self.faults.odd && self.rng.u8(..4) == 0;
        self.next_epoch += 1;
        let connection = Epoch(self.next_epoch);
        let last = self.ledger.accounts[slot].seq;
        let now = self.now;
        let station = &mut self.stations[slot];
        station.connection = Some(connection);
        station.fence = Fence::reloaded(connection, last);
        station.offline_since = None;
        station.line_free_at = now;
        if booted {
            self.boot(slot);
        }
        let arrival = if booted { Arrival::Booted } else { Arrival::Reconnected };
        for owner in 0..self.owners.len() {
            self.tell(owner, slot, EvseInput::Connected { connection, arrival });
        }
        self.flush(slot);
        self.schedule_outage(slot);
    }

    /// Profiles survive a boot (1.6 errata); now and then the fallback does not.
    fn boot(&mut self, slot: Slot) {
        self.count("boot");
        if self.rng.u8(..5) == 0 {
            self.count("fallback lost");
            self.stations[slot].fallback = RATED;
            self.stations[slot].lost_unread = true;
        }
    }

    /// What a measurement of this station would have told.
    pub(crate) fn conduct(&self, slot: Slot) -> Conduct {
        let nature = self.stations[slot].nature;
        Conduct {
            honours_end: nature.honours_end,
            skew_ms: Some(nature.clock_ms),
            offline_end_ms: nature.offline_end_ms,
            ping_ms: nature.offline_end_ms.map(|_| 30_000),
            keeps_profile: nature.keeps_profile,
            ttl_ms: if self.faults.odd { 120_000 } else { 900_000 },
            ..Conduct::default()
        }
    }

    pub(crate) fn outlets(&self) -> Vec<Outlet> {
        let outlet = |slot| Outlet {
            conduct: self.conduct(slot),
            minimum: MINIMUM,
            step: STEP,
            fallback: match self.ledger.accounts[slot].fallback {
                Fallback::Confirmed(value) => value,
                Fallback::Unconfirmed => self.fallback_of_site(),
            },
        };
        (0..self.stations.len()).map(outlet).collect()
    }

    fn fallback_of_site(&self) -> Milliamps {
        let all = self.stations.iter().map(|station| station.fallback);
        all.min().unwrap_or_default().min(MINIMUM)
    }

    pub(crate) const fn pace(&self) -> Pace {
        Pace {
            raise_every_ms: 10_000,
            raise_min: Milliamps(1_000),
            retry_ms: 10_000,
            early_close: self.early_close,
        }
    }

    pub(crate) const fn instant(&self) -> Timestamp {
        Timestamp::from_millis(self.now)
    }
}
