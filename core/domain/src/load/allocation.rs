//! What the owner of a site does with what it hears: from stations, cars and readings to a plan, and from the plan to grants.
//!
//! It brings the three pure parts together: [`hard_rows`] says what holds, [`plan`] who should get how much, [`SteeringState`] how one gets
//! there without ever promising too much. Never here: who is allowed to charge, what it costs, a message.

use std::collections::BTreeMap;

use crate::id::{CircuitId, Epoch, StationId, TokenUid, TransactionId};
use crate::load::capacity::{CircuitNote, hard_rows};
use crate::load::demand::{Demand, Observation, QUIET_MA};
use crate::load::draw::{Drawn, drawn};
use crate::load::highs::Highs;
use crate::load::lag::Lag;
use crate::load::ledger::Slot;
use crate::load::ledger::account::Fallback;
use crate::load::ledger::conduct::Conduct;
use crate::load::ledger::row::Row;
use crate::load::ledger::steering::input::{Arrival, Effect, EvseInput, Input as SteeringInput};
use crate::load::ledger::steering::{Outlet, Pace, SteeringState};
use crate::load::need::Need;
use crate::load::plan::{LoadPlan, plan};
use crate::load::settings::SiteSettings;
use crate::load::supply::{Battery, Held, HeldWhy, Reading, Signal, Supply};
use crate::load::tree::{Evse, EvseKey, Line, SiteTree};
use crate::session::flow::{Flow, Phased};
use crate::session::{Session, SessionStatus};
use crate::time::Timestamp;
use crate::token::IdToken;
use crate::unit::{Milliamps, WattHours};

pub mod needs;
mod picture;
mod remembering;
pub mod resting;
pub mod standing;
mod supplying;

use supplying::Past;

/// Events are gathered for so long before a plan is made, milliseconds.
pub const GATHER_MS: i64 = 250;
/// While cars charge a plan is made at least so often, milliseconds.
pub const EVERY_MS: i64 = 10_000;
/// For so long the phases that a station told go before its later words of power alone, milliseconds.
const FLOW_COUNTS_MS: i64 = 60_000;
/// The most limits from outside that one circuit has at a time.
pub const SIGNALS_MAX: usize = 32;

/// Something that happens to a site, as far as its load goes.
#[derive(Debug)]
pub enum Input {
    /// The store's answers and the stations', for the steering.
    Steering(SteeringInput),
    /// A station's connection was admitted.
    Joined {
        /// Whose.
        station: StationId,
        /// Its epoch.
        connection: Epoch,
        /// How it came about.
        arrival: Arrival,
    },
    /// A connection ended.
    Left {
        /// Whose.
        station: StationId,
        /// Its epoch.
        connection: Epoch,
    },
    /// A session began, went on or ended.
    Session(Box<Session>),
    /// All sessions that go on at a station: those of it that are not among them are over, whatever was missed.
    Open {
        /// Whose.
        station: StationId,
        /// Its open sessions.
        sessions: Vec<Session>,
    },
    /// All that was said about a car that is connected, in the place of what was said before.
    Need {
        /// Where it is.
        evse: EvseKey,
        /// Its transaction.
        transaction: TransactionId,
        /// What was said.
        need: Need,
    },
    /// A station says whether the car there takes nothing although it could.
    Rests {
        /// Where it is.
        evse: EvseKey,
        /// Whether.
        rests: bool,
    },
    /// What an operator decided, in the place of what was decided before.
    Settings(Box<SiteSettings>),
    /// What a battery's controller tells of it; how much it takes at most stands in the settings.
    Battery {
        /// Where.
        circuit: CircuitId,
        /// What it tells.
        battery: Battery,
    },
    /// The load that nobody controls, measured at a circuit.
    Building {
        /// Where.
        circuit: CircuitId,
        /// What was measured.
        reading: Reading,
    },
    /// What buildings took at most, as far as it was remembered ([`AllocationState::take_highs`]); after the settings, which say what can be.
    Remembered(Highs),
    /// What the sun gives at a circuit.
    Solar {
        /// Where.
        circuit: CircuitId,
        /// What was measured.
        reading: Reading,
    },
    /// All limits from outside that hold at a circuit, now and later; at most [`SIGNALS_MAX`], the first count.
    Signals {
        /// Where.
        circuit: CircuitId,
        /// The limits.
        signals: Vec<Signal>,
    },
    /// An operator says that an EVSE obeys again: it counts as deaf no more (G12).
    Mended(EvseKey),
    /// Time passed: at [`AllocationState::next_deadline`] or later.
    Tick,
}

/// A car that is connected.
#[derive(Debug, Clone)]
struct Car {
    transaction: TransactionId,
    demand: Demand,
    /// When its last sample was taken.
    sampled_at: Option<Timestamp>,
    /// What it drew then from the site's L1, L2, L3.
    drawn_ma: [Milliamps; 3],
    /// What was said about it.
    need: Need,
    /// Was it looked up?
    is_looked_up: bool,
    /// What the car asked for, for the whole session.
    asked: Option<WattHours>,
    /// When it came, on our clock where that is known: its station's may be wrong.
    seen_at: Timestamp,
    /// Who charges.
    token: Option<TokenUid>,
    /// Its station's last word is that it takes nothing, and no sample shows otherwise.
    says_rest: bool,
}

/// The load of one site.
#[derive(Debug)]
pub struct AllocationState {
    tree: SiteTree,
    steering: SteeringState,
    supply: Supply,
    past: BTreeMap<CircuitId, Past>,
    /// What is to be remembered.
    new_highs: Highs,
    /// By slot.
    cars: Vec<Option<Car>>,
    /// How late samples are and how far clocks are off, by slot; a car that leaves takes nothing of it along.
    lags: Vec<Lag>,
    plan: Option<LoadPlan>,
    plan_at: Timestamp,
}

// === impl AllocationState ===

impl AllocationState {
    /// The load of a site whose owner is `owner`; the first thing it hears is the ledger ([`SteeringInput::Loaded`]).
    #[must_use]
    pub fn new(tree: SiteTree, owner: Epoch, conduct: Conduct, now: Timestamp) -> Self {
        let outlet = |evse: &Evse| Outlet {
            conduct,
            minimum: evse.min_ma,
            step: evse.step_ma,
            fallback: evse.fallback_ma,
        };
        let outlets: Vec<_> = tree.evses().iter().map(outlet).collect();
        let supply = Supply::default();
        let rows = rows_of(&tree, &supply, now);
        let steering = SteeringState::new(owner, Pace::default(), &outlets, rows);
        let (cars, lags) = (vec![None; outlets.len()], vec![Lag::default(); outlets.len()]);
        let plan_at = now.plus_millis(GATHER_MS);
        let (past, new_highs) = (BTreeMap::new(), Highs::default());
        Self { tree, steering, supply, past, new_highs, cars, lags, plan: None, plan_at }
    }

    /// The tree.
    #[must_use]
    pub const fn tree(&self) -> &SiteTree {
        &self.tree
    }

    /// The grants.
    #[must_use]
    pub const fn steering(&self) -> &SteeringState {
        &self.steering
    }

    /// What the last plan found out about circuits.
    #[must_use]
    pub fn notes(&self) -> &[CircuitNote] {
        self.plan.as_ref().map_or(&[], |plan| &plan.notes)
    }

    /// The cars that are connected, as the plan sees them.
    pub fn demands(&self) -> impl Iterator<Item = &Demand> {
        self.cars.iter().flatten().map(|car| &car.demand)
    }

    /// Does a car charge there, as far as sessions say?
    #[must_use]
    pub fn has_car(&self, slot: Slot) -> bool {
        self.cars.get(slot).is_some_and(Option::is_some)
    }

    /// When to send the next [`Input::Tick`].
    #[must_use]
    pub fn next_deadline(&self, now: Timestamp) -> Timestamp {
        self.steering.next_deadline(now).map_or(self.plan_at, |at| at.min(self.plan_at))
    }

    /// Our clock was set by so many milliseconds, forward or back: what is heard from now on is heard at the new time. Guards and waits go on for as
    /// long as they would have.
    pub fn clock_moved(&mut self, by_ms: i64) {
        self.plan_at = self.plan_at.plus_millis(by_ms);
        self.lags.iter_mut().for_each(|lag| lag.clock_moved(by_ms));
        self.steering.clock_moved(by_ms);
    }

    /// Takes one input. Total: one that fits nothing changes nothing.
    pub fn apply(&mut self, now: Timestamp, input: Input) -> Vec<Effect> {
        match input {
            Input::Steering(input) => {
                self.plan_soon(now);
                self.steering.apply(now, input)
            }
            Input::Joined { station, connection, arrival } => {
                self.tell_station(now, &station, &EvseInput::Connected { connection, arrival })
            }
            Input::Left { station, connection } => {
                self.tell_station(now, &station, &EvseInput::Disconnected { connection })
            }
            Input::Session(session) => self.on_session(now, &session, true),
            Input::Open { station, sessions } => self.on_open(now, &station, &sessions),
            Input::Need { evse, transaction, need } => self.on_need(now, &evse, &transaction, &need),
            Input::Rests { evse, rests } => self.on_rests(now, &evse, rests),
            Input::Settings(settings) => self.on_settings(now, &settings),
            Input::Building { circuit, reading } => self.on_building(now, circuit, reading),
            Input::Remembered(highs) => self.on_remembered(now, &highs),
            Input::Battery { circuit, battery } => self.on_battery(now, &circuit, &battery),
            Input::Solar { circuit, reading } => {
                let policy = self.supply.policy;
                self.supply.circuits.entry(circuit).or_default().solar.observe(reading, None, &policy);
                self.on_supply(now)
            }
            Input::Signals { circuit, mut signals } => {
                signals.truncate(SIGNALS_MAX);
                self.supply.circuits.entry(circuit).or_default().signals = signals;
                self.on_supply(now)
            }
            Input::Mended(evse) => self.on_mended(now, &evse),
            Input::Tick => self.on_tick(now),
        }
    }

    fn plan_soon(&mut self, now: Timestamp) {
        self.plan_at = self.plan_at.min(now.plus_millis(GATHER_MS));
    }

    fn slots_of(&self, station: &StationId) -> Vec<Slot> {
        let evses = self.tree.evses().iter().enumerate();
        evses.filter(|(_, evse)| evse.key.station == *station).map(|(slot, _)| slot).collect()
    }

    /// A station's connection is that of all its EVSEs.
    fn tell_station(&mut self, now: Timestamp, station: &StationId, input: &EvseInput) -> Vec<Effect> {
        self.plan_soon(now);
        let slots = self.slots_of(station).into_iter();
        slots.flat_map(|slot| self.steering.apply(now, SteeringInput::Evse(slot, input.clone()))).collect()
    }

    fn on_open(&mut self, now: Timestamp, station: &StationId, sessions: &[Session]) -> Vec<Effect> {
        let goes_on =
            |transaction: &TransactionId| sessions.iter().any(|session| session.transaction == *transaction);
        let mut effects = Vec::new();
        for slot in self.slots_of(station) {
            let Some(seat) = self.cars.get_mut(slot) else { continue };
            if let Some(over) = seat.take_if(|car| !goes_on(&car.transaction)) {
                let ended = SteeringInput::Evse(slot, EvseInput::Ended(over.transaction));
                effects.extend(self.steering.apply(now, ended));
            }
        }
        effects.extend(sessions.iter().flat_map(|session| self.on_session(now, session, false)));
        self.plan_soon(now);
        effects
    }

    /// `is_news`: something was just heard of it, and it is not what the store knew all along.
    fn on_session(&mut self, now: Timestamp, session: &Session, is_news: bool) -> Vec<Effect> {
        let Some(evse) = session.evse else { return Vec::new() };
        let key = EvseKey { station: session.station.clone(), evse };
        let Some(slot) = self.tree.place(&key) else { return Vec::new() };
        let mut effects = self.moved(now, slot, session);
        let mut heard = Vec::new();
        if session.status == SessionStatus::Active {
            // Its first word has just come: whatever its station's clock says, that is when.
            let seen_at = if is_news && session.facts <= 1 { now } else { session.started_at };
            self.greet(slot, Demand::new(key, session.started_at), session, (seen_at, &mut heard));
            heard.extend(self.sample(now, slot, session));
        } else {
            if let Some(seat) = self.cars.get_mut(slot) {
                seat.take_if(|car| car.transaction == session.transaction);
            }
            heard.push(EvseInput::Ended(session.transaction.clone()));
        }
        let hear = |input| self.steering.apply(now, SteeringInput::Evse(slot, input));
        effects.extend(heard.into_iter().flat_map(hear));
        self.plan_soon(now);
        effects
    }

    /// A late word can move a transaction to another EVSE: it is not at two.
    fn moved(&mut self, now: Timestamp, slot: Slot, session: &Session) -> Vec<Effect> {
        let mut effects = Vec::new();
        for other in self.slots_of(&session.station).into_iter().filter(|other| *other != slot) {
            let Some(seat) = self.cars.get_mut(other) else { continue };
            if seat.take_if(|car| car.transaction == session.transaction).is_some() {
                let ended = SteeringInput::Evse(other, EvseInput::Ended(session.transaction.clone()));
                effects.extend(self.steering.apply(now, ended));
            }
        }
        effects
    }

    /// A car that was not known begins; of two that claim one EVSE the later counts.
    fn greet(
        &mut self,
        slot: Slot,
        mut demand: Demand,
        session: &Session,
        (seen_at, heard): (Timestamp, &mut Vec<EvseInput>),
    ) {
        let Some(seat) = self.cars.get_mut(slot) else { return };
        let is_later = |car: &Car| session.started_at > car.demand.arrived_at;
        match seat {
            Some(car) if car.transaction == session.transaction => {
                car.demand.delivered_wh = session.energy;
                return;
            }
            Some(car) if !is_later(car) => return,
            Some(_) | None => {}
        }
        demand.delivered_wh = session.energy;
        *seat = Some(Car {
            transaction: session.transaction.clone(),
            demand,
            sampled_at: None,
            drawn_ma: [Milliamps::ZERO; 3],
            need: Need::default(),
            is_looked_up: false,
            asked: None,
            seen_at,
            token: session.token.as_ref().map(IdToken::lookup_uid),
            says_rest: false,
        });
        heard.push(EvseInput::Started(session.transaction.clone()));
    }

    /// What the car draws, and what that teaches: only where nothing older can still be in force.
    fn sample(&mut self, now: Timestamp, slot: Slot, session: &Session) -> Option<EvseInput> {
        let evse = self.tree.evses().get(slot)?;
        let (at, drawn) = measured(evse, session)?;
        let car = self.cars.get_mut(slot)?.as_mut()?;
        if car.transaction != session.transaction || car.sampled_at.is_some_and(|last| last >= at) {
            return None;
        }
        car.sampled_at = Some(at);
        let taken_at = self.lags.get_mut(slot)?.taken_at(now, at);
        let offered = self.steering.in_force(taken_at, slot);
        let Drawn { lines_ma, by_line, least, most } = drawn;
        car.drawn_ma = lines_ma;
        car.says_rest &= least < QUIET_MA;
        if let Some(offered_ma) = offered {
            let seen = Observation { at: taken_at, offered_ma, drawn_ma: lines_ma, by_line, most_ma: most };
            car.demand.memory.observe(evse, &seen);
        }
        Some(EvseInput::Measured { least, most, taken_at })
    }

    fn on_mended(&mut self, now: Timestamp, evse: &EvseKey) -> Vec<Effect> {
        let Some(slot) = self.tree.place(evse) else { return Vec::new() };
        self.plan_soon(now);
        self.steering.apply(now, SteeringInput::Evse(slot, EvseInput::Mended))
    }

    fn on_supply(&mut self, now: Timestamp) -> Vec<Effect> {
        self.plan_soon(now);
        self.refresh_rows(now)
    }

    fn refresh_rows(&mut self, now: Timestamp) -> Vec<Effect> {
        let rows = rows_of(&self.tree, &self.supply, now);
        if rows == self.steering.rows() {
            return Vec::new();
        }
        self.steering.apply(now, SteeringInput::Rows(rows))
    }

    fn on_tick(&mut self, now: Timestamp) -> Vec<Effect> {
        let mut effects = Vec::new();
        if now >= self.plan_at {
            effects.extend(self.refresh_rows(now));
            effects.extend(self.make_plan(now));
        }
        effects.extend(self.steering.apply(now, SteeringInput::Tick));
        effects
    }

    fn make_plan(&mut self, now: Timestamp) -> Vec<Effect> {
        self.keep_supply(now);
        self.believe_rests(now);
        self.supply.held = self.held();
        let demands: Vec<_> = self.demands().cloned().collect();
        let made = plan(&self.tree, &demands, &self.supply, now);
        for (car, share) in self.cars.iter_mut().zip(&made.shares) {
            if let (Some(car), Some(memory)) = (car, share.memory) {
                car.demand.memory = memory;
            }
        }
        self.keep_notes(now, &made);
        let targets = made.shares.iter().map(|share| share.current).collect();
        let again = now.plus_millis(EVERY_MS);
        self.plan_at = made.next_at.map_or(again, |at| at.clamp(now.plus_millis(GATHER_MS), again));
        self.plan = Some(made);
        self.steering.apply(now, SteeringInput::Plan(targets))
    }

    /// What cannot be told to do less now, with what it may draw at most (P0).
    fn held(&self) -> BTreeMap<EvseKey, Held> {
        let accounts = self.steering.ledger().accounts.iter();
        let seats = self.tree.evses().iter().zip(accounts).zip(&self.cars).enumerate();
        let held = seats.filter_map(|(slot, ((evse, account), car))| {
            let unconfirmed = !matches!(account.fallback, Fallback::Confirmed(_));
            let why = match car {
                _ if account.deaf => HeldWhy::Overdrawing,
                Some(_) if !self.steering.steers(slot) => HeldWhy::Silent,
                None if unconfirmed => HeldWhy::Unconfirmed,
                None if account.ceiling() > evse.fallback_ma => HeldWhy::Closing,
                Some(_) | None => return None,
            };
            Some((evse.key.clone(), Held { ceiling_ma: account.ceiling(), why }))
        });
        held.collect()
    }
}

/// Every line an EVSE is wired to counts: a car that takes up another line never surprises.
fn rows_of(tree: &SiteTree, supply: &Supply, now: Timestamp) -> Vec<Row> {
    let wired: Vec<_> =
        tree.evses().iter().map(|evse| Line::ALL.map(|line| evse.lines.contains(&line))).collect();
    Row::all(&hard_rows(tree, supply, now), &wired)
}

/// What a session's meter said last. A station that tells phases is judged by them, not by a sum it tells a little later.
fn measured(evse: &Evse, session: &Session) -> Option<(Timestamp, Drawn)> {
    let power = session.power_at.zip(session.power_w);
    let is_recent = |flow: &Flow| power.is_none_or(|(at, _)| at.millis_since(flow.at) <= FLOW_COUNTS_MS);
    let by_flow = session.flow.filter(is_recent).and_then(|flow| Some((flow.at, drawn(evse, &flow)?)));
    by_flow.or_else(|| {
        let (at, watts) = power?;
        let power_w = Phased { whole: Some(watts), ..Phased::default() };
        Some((at, drawn(evse, &Flow { at, power_w, ..Flow::default() })?))
    })
}
