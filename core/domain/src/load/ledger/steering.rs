//! The owner's side: from a plan to grants in the ledger, to calls, to closed grants. Lower first; raise only out of room that is free.
//!
//! It holds no promise: the ledger does. What it remembers besides its copy of the ledger (guards that run, calls in flight, samples)
//! may be lost with it; a new owner then waits longer, and nothing else (G10). Every decision is read off the state as it is, not off the
//! event that led there, so that a late, lost or repeated input costs time and never a limit. Guards are stretches of real time: whoever
//! gives the time tells when its clock is set ([`SteeringState::clock_moved`]).
//!
//! Absent on purpose: who should get how much (the plan), and whether a raise fits (asked of the ledger, which alone decides).

use crate::id::Epoch;
use crate::load::ledger::conduct::Conduct;
use crate::load::ledger::row::{self, Row};
use crate::load::ledger::steering::input::{Alarm, Effect, EvseInput, Input, StoreAnswer};
use crate::load::ledger::steering::seat::Seat;
use crate::load::ledger::{Ledger, Refusal, Slot};
use crate::time::Timestamp;
use crate::unit::Milliamps;

mod answers;
mod back_off;
mod clock;
pub mod input;
mod raise;
mod seat;

/// How fast things may follow each other (G13), and which rules of thumb are on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The shortest time between two raises of one EVSE, milliseconds.
    pub raise_every_ms: i64,
    /// A smaller raise waits until nothing was raised there for [`Pace::small_raise_every_ms`]: many of them together are not left idle.
    pub raise_min: Milliamps,
    /// The shortest time between a raise and a small one, milliseconds.
    pub small_raise_every_ms: i64,
    /// The first wait after a time-out or a refusal, milliseconds; it doubles up to 32 times as much.
    pub retry_ms: i64,
    /// G5: a guard ends early when two samples show the new limit at a car that was above it. It trusts that a car does not change its
    /// mind in these seconds, so a site may switch it off.
    pub early_close: bool,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            raise_every_ms: 10_000,
            raise_min: Milliamps(1_000),
            small_raise_every_ms: 60_000,
            retry_ms: 10_000,
            early_close: true,
        }
    }
}

/// What is fixed about an EVSE. Milliamperes per line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outlet {
    /// Its station's habits.
    pub conduct: Conduct,
    /// The smallest current a car charges with there; a raise that does not reach it is not made.
    pub minimum: Milliamps,
    /// Grants are the minimum and whole multiples of it above; at least 1.
    pub step: Milliamps,
    /// What it shall be allowed without a grant.
    pub fallback: Milliamps,
}

/// The owner of one site's grants.
#[derive(Debug)]
pub struct SteeringState {
    pace: Pace,
    rows: Vec<Row>,
    ledger: Ledger,
    owner: Epoch,
    /// The copy of the ledger is good enough to act on.
    loaded: bool,
    /// It was asked for again. One reading settles all answers before it; a second one would come after new writes, forget that they
    /// are under way, and make each of them twice: the refusals would ask for more readings without end.
    loading: bool,
    seats: Vec<Seat>,
    /// Room may have come free since the last round of raises.
    room_changed: bool,
}

// === impl SteeringState ===

impl SteeringState {
    /// An owner that has read nothing yet: the first thing it hears is [`Input::Loaded`]. `outlets` are in the order of the tree.
    #[must_use]
    pub fn new(owner: Epoch, pace: Pace, outlets: &[Outlet], rows: Vec<Row>) -> Self {
        Self {
            pace,
            rows,
            ledger: Ledger { owner, accounts: Vec::new() },
            owner,
            loaded: false,
            loading: false,
            seats: outlets.iter().map(Seat::new).collect(),
            room_changed: false,
        }
    }

    /// Its copy of the ledger: for the plan, which takes off the ceilings of what cannot be steered, and for pages.
    #[must_use]
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The limits that hold now.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Can this EVSE be told to do less now? If not, the plan reserves its ceiling (P0).
    #[must_use]
    pub fn steers(&self, slot: Slot) -> bool {
        let deaf = self.ledger.accounts.get(slot).is_none_or(|account| account.deaf);
        !deaf && self.seats.get(slot).is_some_and(Seat::is_steered)
    }

    /// Is nothing open about its station's fallback? If something is, an owner that takes over must treat the station as one that booted.
    #[must_use]
    pub fn knows_fallback(&self, slot: Slot) -> bool {
        let seat = self.seats.get(slot).zip(self.ledger.accounts.get(slot));
        seat.is_some_and(|(seat, account)| seat.knows_fallback(account))
    }

    /// Does its station have a connection?
    #[must_use]
    pub fn is_connected(&self, slot: Slot) -> bool {
        self.seats.get(slot).is_some_and(|seat| seat.connection.is_some())
    }

    /// What the station has in force for sure: its newest grant after the guard, or its fallback where nothing is open. None while it may still
    /// work under something older.
    #[must_use]
    pub fn in_force(&self, now: Timestamp, slot: Slot) -> Option<Milliamps> {
        self.seats.get(slot)?.in_force(now, self.ledger.accounts.get(slot)?)
    }

    /// When to send the next [`Input::Tick`], if nothing else comes before.
    #[must_use]
    pub fn next_deadline(&self, now: Timestamp) -> Option<Timestamp> {
        if !self.loaded {
            return None;
        }
        let seats = self.seats.iter().zip(&self.ledger.accounts);
        seats.filter_map(|(seat, account)| seat.next_deadline(now, account, &self.pace)).min()
    }

    /// Takes one input. Total: an input that fits nothing changes nothing.
    pub fn apply(&mut self, now: Timestamp, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        match input {
            Input::Loaded(ledger) => self.on_loaded(now, *ledger, &mut effects),
            Input::Rows(rows) => {
                self.rows = rows;
                self.room_changed = true;
                self.advance_all(now, &mut effects);
            }
            Input::Plan(targets) => {
                for (seat, target) in self.seats.iter_mut().zip(targets) {
                    seat.target = Some(target.max(Milliamps::ZERO));
                }
                self.room_changed = true;
                self.advance_all(now, &mut effects);
            }
            Input::Stored(slot, answer) => self.on_stored(now, slot, answer, &mut effects),
            Input::Evse(slot, input) => self.on_evse(now, slot, input, &mut effects),
            Input::Tick => {
                self.room_changed = true;
                self.advance_all(now, &mut effects);
            }
        }
        if self.loaded && self.room_changed {
            self.room_changed = false;
            self.name_unreachable(&mut effects);
            self.raise(now, &mut effects);
        }
        effects
    }

    fn on_loaded(&mut self, now: Timestamp, ledger: Ledger, effects: &mut Vec<Effect>) {
        self.loading = false;
        if ledger.owner != self.owner || ledger.accounts.len() != self.seats.len() {
            self.loaded = false;
            effects.push(Effect::Alarm(Alarm::Deposed));
            return;
        }
        self.ledger = ledger;
        self.loaded = true;
        self.room_changed = true;
        for (seat, account) in self.seats.iter_mut().zip(&self.ledger.accounts) {
            seat.on_loaded(now, account);
        }
        self.advance_all(now, effects);
    }

    fn on_evse(&mut self, now: Timestamp, slot: Slot, input: EvseInput, effects: &mut Vec<Effect>) {
        let Some(seat) = self.seats.get_mut(slot) else { return };
        effects.extend(seat.hear(now, slot, input, self.ledger.accounts.get(slot), &self.pace));
        self.room_changed = true;
        self.advance(now, slot, effects);
    }

    fn on_stored(&mut self, now: Timestamp, slot: Slot, answer: StoreAnswer, effects: &mut Vec<Effect>) {
        let (Some(seat), Some(mirror)) = (self.seats.get_mut(slot), self.ledger.accounts.get_mut(slot))
        else {
            return;
        };
        match answer {
            StoreAnswer::Written { account, opened } => {
                if account.ceiling() < mirror.ceiling() {
                    self.room_changed = true;
                    seat.fell_at = Some(now);
                }
                *mirror = *account;
                effects.extend(seat.on_written(slot, mirror, opened));
                self.advance(now, slot, effects);
            }
            StoreAnswer::Refused(refusal) => {
                seat.writing = false;
                self.on_refused(refusal, effects);
            }
            StoreAnswer::WriteLost => self.load(effects),
        }
    }

    /// The copy was behind: another owner wrote in between, or the store saw other limits. Nothing is done until it is read again.
    fn on_refused(&mut self, refusal: Refusal, effects: &mut Vec<Effect>) {
        match refusal {
            Refusal::NotOwner { .. } => {
                self.loaded = false;
                effects.push(Effect::Alarm(Alarm::Deposed));
            }
            Refusal::Moved { .. } | Refusal::Full { .. } | Refusal::Unknown => self.load(effects),
        }
    }

    fn load(&mut self, effects: &mut Vec<Effect>) {
        self.loaded = false;
        if !self.loading {
            self.loading = true;
            effects.push(Effect::Load);
        }
    }

    fn advance(&mut self, now: Timestamp, slot: Slot, effects: &mut Vec<Effect>) {
        if !self.loaded {
            return;
        }
        if let (Some(seat), Some(account)) = (self.seats.get_mut(slot), self.ledger.accounts.get(slot)) {
            effects.extend(seat.advance(now, slot, account, &self.pace));
        }
    }

    /// Every EVSE, the one that gives most first (G9).
    fn advance_all(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        if !self.loaded {
            return;
        }
        let gives = |(slot, (seat, account)): (Slot, (&Seat, _))| (seat.surplus(account), slot);
        let mut order: Vec<_> = self.seats.iter().zip(&self.ledger.accounts).enumerate().map(gives).collect();
        order.sort_by_key(|(surplus, slot)| (std::cmp::Reverse(*surplus), *slot));
        for (_, slot) in order {
            self.advance(now, slot, effects);
        }
    }

    fn name_unreachable(&mut self, effects: &mut Vec<Effect>) {
        let ceilings = self.ledger.ceilings();
        let over = row::overloaded(&self.rows, &ceilings);
        for (slot, (seat, account)) in self.seats.iter_mut().zip(&self.ledger.accounts).enumerate() {
            let below = over.iter().filter_map(|row| self.rows.get(*row));
            let concerned = below.into_iter().any(|row| row.coefficient(slot) > 0);
            effects.extend(seat.name_unreachable(slot, account, concerned));
        }
    }
}
