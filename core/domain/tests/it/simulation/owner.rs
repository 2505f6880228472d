//! Owners and what carries their effects: the store, the connections, the calls.

use ringmain_domain::id::Epoch;
use ringmain_domain::load::ledger::steering::SteeringState;
use ringmain_domain::load::ledger::steering::input::{Alarm, Arrival, Effect, EvseInput, Input, StoreAnswer};
use ringmain_domain::load::ledger::{Change, Slot, Verdict};
use ringmain_domain::time::Timestamp;

use super::faults::Planted;
use super::station::Order;
use super::unguarded::Control;
use super::world::{Event, World};

/// Of eight stations the one at this place answers with an error when it is asked what it has installed.
const CANNOT_TELL: usize = 5;

/// One process that believes it owns the site.
pub(crate) struct Owner {
    pub(crate) epoch: Epoch,
    /// None when it has learnt that it does not.
    pub(crate) state: Option<SteeringState>,
    /// It hears nothing until then, and goes on as if nothing had been.
    paused_until: i64,
    store_free_at: i64,
    tick_at: i64,
}

impl World {
    pub(crate) fn claim(&mut self) {
        let epoch = self.ledger.claim();
        let state = SteeringState::new(epoch, self.pace(), &self.outlets(), self.rows.clone());
        let number = self.owners.len();
        self.owners.push(Owner {
            epoch,
            state: Some(state),
            paused_until: 0,
            store_free_at: 0,
            tick_at: i64::MAX,
        });
        self.hear(number, Input::Loaded(Box::new(self.ledger.clone())));
        for slot in 0..self.stations.len() {
            let station = &self.stations[slot];
            let (connection, transaction) = (station.connection, station.transaction.clone());
            let unreported = !station.queue.is_empty();
            if let Some(connection) = connection {
                self.tell(number, slot, EvseInput::Connected { connection, arrival: Arrival::Found });
            }
            let grants = self.ledger.accounts[slot].grants.iter();
            let old = grants
                .filter_map(|grant| grant.transaction.clone())
                .filter(|id| Some(id) != transaction.as_ref());
            for over in old.collect::<Vec<_>>() {
                if !unreported {
                    self.tell(number, slot, EvseInput::Ended(over));
                }
            }
            if let Some(transaction) = transaction.filter(|_| !unreported) {
                self.tell(number, slot, EvseInput::Started(transaction));
            }
        }
    }

    /// The old owner is told nothing: it learns from the store, when it next asks.
    pub(crate) fn new_owner(&mut self) {
        self.count("new owner");
        let pause = self.rng.i64(0..60_000);
        if let Some(owner) = self.owners.last_mut() {
            owner.paused_until = self.now + pause;
        }
        self.claim();
        let wait = self.rng.i64(100_000..600_000);
        self.at(self.now + wait, Event::NewOwner);
    }

    pub(crate) fn tell(&mut self, owner: usize, slot: Slot, input: EvseInput) {
        self.hear(owner, Input::Evse(slot, input));
    }

    pub(crate) fn hear(&mut self, owner: usize, input: Input) {
        let (now, instant) = (self.now, self.instant());
        let hearer = &mut self.owners[owner];
        let Some(state) = hearer.state.as_mut() else { return };
        if self.watch.control != Control::Ledger {
            if let Input::Evse(
                slot,
                EvseInput::Accepted(_) | EvseInput::TimedOut(_) | EvseInput::Rejected(_),
            ) = input
            {
                self.unconfirmed[slot] = false;
            }
            return;
        }
        if now < hearer.paused_until {
            let later = hearer.paused_until;
            self.at(later, Event::Hear(owner, input));
            return;
        }
        let accepted = match &input {
            Input::Evse(slot, EvseInput::Accepted(seq)) => Some((*slot, *seq)),
            _ => None,
        };
        let effects = state.apply(instant, on_our_clock(input, self.clock_ms));
        self.perform(owner, effects);
        self.schedule_tick(owner, instant);
        if let (Some((slot, below)), Planted::CloseAtAccepted) = (accepted, self.planted) {
            self.ledger.transact(&self.rows, self.ledger.owner, &Change::Close { slot, below });
            self.reload(owner);
        }
    }

    /// The database's host is another one now, or its clock was put right: everybody follows.
    pub(crate) fn step_clock(&mut self) {
        self.count("clock step");
        let by_ms = match self.rng.u8(..4) {
            0 => self.rng.i64(1_000..86_400_000),
            _ => self.rng.i64(1_000..120_000),
        };
        let by_ms = if self.rng.bool() { by_ms } else { -by_ms };
        self.clock_ms += by_ms;
        if self.planted != Planted::ClockStepsUntold {
            self.owners
                .iter_mut()
                .filter_map(|owner| owner.state.as_mut())
                .for_each(|owner| owner.clock_moved(by_ms));
        }
        self.after(300_000, Event::ClockStep);
    }

    pub(crate) fn reload(&mut self, owner: usize) {
        if self.ledger.owner == self.owners[owner].epoch {
            self.hear(owner, Input::Loaded(Box::new(self.ledger.clone())));
        }
    }

    fn schedule_tick(&mut self, owner: usize, instant: Timestamp) {
        let large = self.stations.len() > 30;
        let hearer = &mut self.owners[owner];
        let Some(state) = hearer.state.as_ref() else { return };
        let next = if large {
            Some(self.now + 1_000)
        } else {
            state.next_deadline(instant).map(|at| at.as_millis() - self.clock_ms)
        };
        if let Some(next) = next.filter(|next| *next < hearer.tick_at) {
            hearer.tick_at = next;
            self.at(next, Event::Tick(owner));
        }
    }

    pub(crate) fn tick(&mut self, owner: usize) {
        // One that was overtaken by an earlier one does nothing.
        if self.now < self.owners[owner].tick_at {
            return;
        }
        self.owners[owner].tick_at = i64::MAX;
        self.hear(owner, Input::Tick);
    }

    fn perform(&mut self, owner: usize, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Write { slot, change } => {
                    let at = self.store_time(owner);
                    self.at(at, Event::Write(owner, slot, change));
                }
                Effect::Load => {
                    let at = self.store_time(owner);
                    self.at(at, Event::Read(owner));
                }
                Effect::Send { slot, grant } => {
                    let late = self.faults.odd && self.rng.u8(..50) == 0;
                    let delay = if late { self.rng.i64(0..20_000) } else { 5 };
                    let order = Order::Profile {
                        seq: grant.seq,
                        limit: grant.limit,
                        valid_to: grant.valid_to.map(Timestamp::as_millis),
                        transaction: grant.transaction,
                    };
                    self.at(self.now + delay, Event::Call(owner, slot, Some(grant.connection), order));
                }
                Effect::ReadBack { slot } => {
                    self.at(self.now, Event::Call(owner, slot, None, Order::ReadBack))
                }
                Effect::Clear { slot, through } => {
                    self.stations[slot].fence.raise(through);
                    self.at(self.now, Event::Call(owner, slot, None, Order::Clear));
                }
                Effect::InstallFallback { slot, value } => {
                    self.at(self.now, Event::Call(owner, slot, None, Order::Fallback(value)));
                }
                Effect::Alarm(alarm) => self.alarm(owner, alarm),
            }
        }
    }

    fn alarm(&mut self, owner: usize, alarm: Alarm) {
        self.count(match alarm {
            Alarm::Deaf { .. } => "deaf",
            Alarm::FallbackLost { .. } => "fallback missed",
            Alarm::Unreachable { .. } => "unreachable",
            Alarm::Refusing { .. } => "refusing",
            Alarm::Deposed => "deposed",
        });
        if alarm == Alarm::Deposed {
            self.owners[owner].state = None;
        }
    }

    // === the store ===

    /// One thing after another, in the order asked.
    fn store_time(&mut self, owner: usize) -> i64 {
        let slow = self.faults.odd && self.rng.u8(..100) == 0;
        let wait = if slow { self.rng.i64(100..3_000) } else { 5 };
        let at = self.owners[owner].store_free_at.max(self.now + wait);
        self.owners[owner].store_free_at = at;
        at
    }

    pub(crate) fn write(&mut self, owner: usize, slot: Slot, change: &Change) {
        let unknown = self.faults.odd && self.rng.u16(..1_000) < 5;
        let before = self.ledger.accounts[slot].ceiling();
        let verdict = if unknown && self.rng.bool() { None } else { Some(self.transact(owner, change)) };
        if verdict.is_some() && matches!(change, Change::LoseFallback { .. }) {
            self.stations[slot].lost_unread = false;
        }
        if matches!(change, Change::LoseFallback { .. } | Change::SetDeaf { .. }) {
            self.excuse_overloaded();
        }
        if let Some(Verdict::Written { .. }) = verdict {
            let rose = self.ledger.accounts[slot].ceiling() > before;
            self.count(match change {
                Change::Open(_) if rose => "raised",
                Change::Open(_) => "lowered",
                Change::Close { .. } => "closed",
                Change::Expire { .. } => "expired",
                Change::Release { .. } => "released",
                Change::Accept { .. } => "accepted",
                Change::OpenFallback { .. } | Change::ConfirmFallback { .. } => "fallback",
                Change::LoseFallback { .. } => "fallback unconfirmed",
                Change::SetDeaf { .. } => "set deaf",
            });
        }
        if self.ledger.accounts[slot].ceiling() < before {
            self.plan_soon();
        }
        self.check(slot);
        let answer = match verdict {
            Some(_) | None if unknown => {
                self.count("commit unknown");
                StoreAnswer::WriteLost
            }
            Some(Verdict::Written { opened }) => {
                StoreAnswer::Written { account: Box::new(self.ledger.accounts[slot].clone()), opened }
            }
            Some(Verdict::Refused(refusal)) => StoreAnswer::Refused(refusal),
            None => StoreAnswer::WriteLost,
        };
        self.at(self.now + 2, Event::Hear(owner, Input::Stored(slot, answer)));
    }

    fn transact(&mut self, owner: usize, change: &Change) -> Verdict {
        let epoch = self.owners[owner].epoch;
        let unchecked = self.planted == Planted::Unchecked;
        let rows = if unchecked { &[][..] } else { &self.rows };
        let verdict = self.ledger.transact(rows, epoch, change);
        // As if a lower were in force when it is decided.
        if let (Verdict::Written { opened: Some(grant) }, Planted::RaiseBeforeLower, Change::Open(proposal)) =
            (&verdict, self.planted, change)
        {
            self.ledger.transact(&[], epoch, &Change::Close { slot: proposal.slot, below: grant.seq });
        }
        verdict
    }

    pub(crate) fn read(&mut self, owner: usize) {
        let ledger = Box::new(self.ledger.clone());
        self.at(self.now + 2, Event::Hear(owner, Input::Loaded(ledger)));
    }

    // === calls ===

    /// At the connection: the fence, then one call after another.
    pub(crate) fn call(&mut self, owner: usize, slot: Slot, connection: Option<Epoch>, order: Order) {
        let now = self.now;
        let station = &mut self.stations[slot];
        let Some(present) = station.connection else { return };
        if let Order::Profile { seq, .. } = order
            && !station.fence.pass(connection.unwrap_or_default(), seq)
            && self.planted != Planted::NoFence
        {
            self.count("fenced");
            self.at(now, Event::Hear(owner, Input::Evse(slot, EvseInput::Fenced(seq))));
            return;
        }
        self.watch.calls += 1;
        let start = self.stations[slot].line_free_at.max(now);
        let answer = 50 + self.answer_ms();
        let lost = self.rng.u32(..1_000) < self.faults.lost_permille;
        let free_at = start + if lost { 30_000 } else { answer };
        self.stations[slot].line_free_at = free_at;
        if lost {
            self.count("call lost");
            let seq = match &order {
                Order::Profile { seq, .. } => EvseInput::TimedOut(*seq),
                Order::Clear | Order::Fallback(_) | Order::ReadBack => EvseInput::CallFailed,
            };
            self.at(free_at, Event::Answer(owner, slot, present, seq));
            if self.rng.bool() {
                return;
            }
        }
        self.at(start + answer, Event::Deliver(owner, slot, present, order, lost));
    }

    pub(crate) fn deliver(&mut self, owner: usize, slot: Slot, connection: Epoch, order: &Order, lost: bool) {
        if self.stations[slot].connection != Some(connection) {
            return;
        }
        self.changed(slot);
        let delay = self.rng.i64(0..=self.stations[slot].nature.apply_max_ms);
        let taken = self.stations[slot].take(self.now, order, delay);
        if let Some(at) = taken {
            self.at(at, Event::InForce(slot));
        }
        let station = &self.stations[slot];
        let input = match order {
            Order::Profile { seq, .. } if taken.is_some() => EvseInput::Accepted(*seq),
            Order::Profile { seq, .. } => EvseInput::Rejected(*seq),
            Order::Clear => EvseInput::Cleared,
            Order::Fallback(_) => EvseInput::FallbackAccepted,
            Order::ReadBack if self.faults.odd && slot % 8 == CANNOT_TELL => EvseInput::CallFailed,
            Order::ReadBack => EvseInput::ReadBack {
                grant: station
                    .profile
                    .as_ref()
                    .and_then(|profile| Some((profile.limit, Timestamp::from_millis(profile.valid_to?)))),
                fallback: Some(station.fallback),
            },
        };
        if !lost {
            self.at(self.now, Event::Answer(owner, slot, connection, input));
        }
    }
}

/// A sample's age is known: whatever our clock did meanwhile, it was taken that long ago.
fn on_our_clock(input: Input, clock_ms: i64) -> Input {
    match input {
        Input::Evse(slot, EvseInput::Measured { least, most, taken_at }) => {
            Input::Evse(slot, EvseInput::Measured { least, most, taken_at: taken_at.plus_millis(clock_ms) })
        }
        other => other,
    }
}
