//! The load of a site: from what the site hears to the ledger in the store and to calls over the stations' connections.
//!
//! It belongs to the `Site` actor and has no mailbox of its own. The store is asked one thing at a time, in order; what waits meanwhile goes
//! into the next transaction. Never: a decision about who gets how much ([`AllocationState`]), a promise (the ledger).

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use actix::prelude::*;
use ringmain_domain::event::{DomainEvent, Fact};
use ringmain_domain::id::{Epoch, NodeId};
use ringmain_domain::load::allocation::{AllocationState, Input, resting};
use ringmain_domain::load::history::History;
use ringmain_domain::load::ledger::row::Row;
use ringmain_domain::load::ledger::steering::input::{
    Alarm, Arrival, Effect, Input as SteeringInput, StoreAnswer,
};
use ringmain_domain::load::ledger::{Change, Slot, Verdict};
use ringmain_domain::load::settings::SiteSettings;
use ringmain_domain::load::tree::EvseKey;
use ringmain_domain::site;
use ringmain_domain::telemetry;
use ringmain_domain::time::Timestamp;
use ringmain_domain::time::local::Zone;
use ringmain_store::ledgers::{LedgerOf, Transacted};
use ringmain_store::store::{Store, StoreError};

use super::Site;
use crate::clock::{self, Reading, Setting};

pub mod calls;
mod dynamic;
mod elsewhere;
mod gauges;
pub(super) mod highs;
pub mod history;
pub(super) mod limits;
pub mod needs;
pub mod picture;
mod setpoints;
mod starting;
pub mod view;

use view::LoadAlarm;

/// Numbers of charging profiles from here on are ours.
pub const OWN_IDS: i32 = 10_000_000;
/// When something the store could not do is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// What is heard before the ledger is there is kept, so much of it.
const WAITING_MAX: usize = 4_096;
/// The newest alarms, for the page.
const ALARMS_MAX: usize = 50;

/// The load of one site.
pub(super) enum Load {
    /// Nobody manages it: there is no tree, or no location.
    Unmanaged,
    /// Tree and ledger are being read; what is heard meanwhile waits.
    Starting(Vec<Input>),
    /// It is managed here.
    Managed(Box<Managed>),
    /// It is managed at another node; at none that is known while this one may own nothing.
    Elsewhere {
        /// Which.
        owner: Option<NodeId>,
        /// When the tree was drawn that is known here.
        drawn_at: Option<Timestamp>,
    },
}

/// A managed load.
pub(super) struct Managed {
    state: AllocationState,
    drawn_at: Timestamp,
    of: LedgerOf,
    owner: Epoch,
    /// When the ledger was asked for, in milliseconds since boot.
    claimed_at_ms: i64,
    waiting: VecDeque<StoreOrder>,
    is_storing: bool,
    timer: Option<(Timestamp, SpawnHandle)>,
    alarms: VecDeque<LoadAlarm>,
    settings: Arc<SiteSettings>,
    /// How the clock was set when the load last asked for the time.
    clock: Setting,
    /// The clock of the location, for departures of fleets.
    zone: Zone,
    look_up: needs::LookUp,
    told: setpoints::Told,
    dynamic: dynamic::Dynamic,
    shown: gauges::Shown,
    history: History,
}

/// Something the store is to do.
enum StoreOrder {
    Write(Slot, Change),
    Load,
}

// === impl Site ===

impl Site {
    fn mark_managed(&self, evses: BTreeSet<EvseKey>) {
        *self.managed.write().unwrap_or_else(PoisonError::into_inner) = evses;
    }

    /// Other settings count from now on.
    pub(super) fn settings_changed(&mut self, settings: SiteSettings, ctx: &mut Context<Self>) {
        if let Load::Managed(managed) = &mut self.load {
            managed.settings = Arc::new(settings.clone());
            managed.look_up.doubt_all();
        }
        self.load_is_told(Input::Settings(Box::new(settings)), ctx);
    }

    /// What a site's input means for its load.
    pub(super) fn note_load(&mut self, input: &site::Input, ctx: &mut Context<Self>) {
        match &self.load {
            Load::Unmanaged => return,
            Load::Elsewhere { .. } => return self.pass_on_happened(input),
            Load::Starting(_) | Load::Managed(_) => {}
        }
        match input {
            // A boot looks the same: it is treated as one, so that what a station has is read back.
            site::Input::Joined { snapshot, epoch } => {
                let station = snapshot.id().clone();
                self.load_hears(Input::Joined { station, connection: *epoch, arrival: Arrival::Booted }, ctx);
            }
            site::Input::Left { station, epoch } => {
                self.load_hears(Input::Left { station: station.clone(), connection: *epoch }, ctx);
            }
            site::Input::Committed { facts, sessions } => {
                for session in sessions {
                    self.load_hears(Input::Session(Box::new(session.clone())), ctx);
                }
                for word in facts.iter().filter_map(|fact| resting::of_fact(fact, sessions)) {
                    self.load_hears(word, ctx);
                }
                let states_needs = |fact: &&Fact| matches!(fact.event, DomainEvent::ChargingNeedsReported(_));
                if let Some(fact) = facts.iter().find(states_needs) {
                    self.needs_changed(&fact.station, ctx);
                }
            }
            site::Input::Changed(snapshot) => {
                let (station, sessions) = (snapshot.id().clone(), snapshot.open.clone());
                self.load_hears(Input::Open { station: station.clone(), sessions }, ctx);
                // A word of a car may have been missed too.
                self.needs_changed(&station, ctx);
            }
        }
    }

    /// Hands an input to the load and carries out what it wants.
    pub(super) fn load_hears(&mut self, input: Input, ctx: &mut Context<Self>) {
        if !self.may_manage() {
            return self.give_up_load();
        }
        self.ask_for_dynamic_profiles(&input, ctx);
        let managed = match &mut self.load {
            Load::Unmanaged | Load::Elsewhere { .. } => return,
            Load::Starting(waiting) if waiting.len() < WAITING_MAX => {
                waiting.push(input);
                return;
            }
            // It is not worth keeping any more: the store knows all of it by now.
            Load::Starting(_) => return self.start_load(ctx),
            Load::Managed(managed) => managed,
        };
        let now = managed.follow_clock(clock::reading());
        let effects = managed.state.apply(now, input);
        for effect in effects {
            self.carry_out(now, effect, ctx);
        }
        self.tell_batteries(now);
        self.keep_highs(ctx);
        self.pump_store(ctx);
        self.arm_load(ctx);
        self.look_up_needs(ctx);
    }

    fn carry_out(&mut self, now: Timestamp, effect: Effect, ctx: &mut Context<Self>) {
        let Load::Managed(managed) = &mut self.load else { return };
        match effect {
            Effect::Write { slot, change } => managed.waiting.push_back(StoreOrder::Write(slot, change)),
            Effect::Load => managed.waiting.push_back(StoreOrder::Load),
            Effect::Alarm(alarm) => self.raise(now, alarm, ctx),
            Effect::Send { .. }
            | Effect::ReadBack { .. }
            | Effect::Clear { .. }
            | Effect::InstallFallback { .. } => self.call(now, effect, ctx),
        }
    }

    fn raise(&mut self, now: Timestamp, alarm: Alarm, ctx: &mut Context<Self>) {
        let Load::Managed(managed) = &mut self.load else { return };
        let told = LoadAlarm::of(now, &alarm, managed.state.tree());
        let kind = alarm.kind();
        tracing::warn!(site.id = %self.state.id(), alarm = kind, detail = %told.detail, "load");
        metrics::counter!(telemetry::LOAD_ALARMS, "alarm" => kind).increment(1);
        if managed.alarms.len() >= ALARMS_MAX {
            managed.alarms.pop_back();
        }
        managed.alarms.push_front(told);
        if matches!(alarm, Alarm::Deposed) {
            // Somebody else took it over, or the tree went: whoever it is now, it is not this one.
            self.start_load(ctx);
        }
    }

    /// Asks the store for all that waits, unless it is still at it.
    fn pump_store(&mut self, ctx: &mut Context<Self>) {
        let store = self.parts.store.clone();
        let Load::Managed(managed) = &mut self.load else { return };
        if managed.is_storing || managed.waiting.is_empty() {
            return;
        }
        managed.is_storing = true;
        let (generation, of, owner) = (self.load_generation, managed.of.clone(), managed.owner);
        let rows = managed.state.steering().rows().to_vec();
        let orders: Vec<_> = managed.waiting.drain(..).collect();
        let work = async move {
            let mut answers = Vec::new();
            for batch in batches(orders) {
                answers.extend(store_batch(&store, &of, owner, &rows, batch).await);
            }
            answers
        };
        ctx.spawn(work.into_actor(self).map(move |answers, site, ctx| site.stored(generation, answers, ctx)));
    }

    fn stored(&mut self, generation: u64, answers: Vec<StoreHeard>, ctx: &mut Context<Self>) {
        if self.load_generation != generation {
            return;
        }
        let Load::Managed(managed) = &mut self.load else { return };
        managed.is_storing = false;
        for answer in answers {
            match answer {
                StoreHeard::Input(input) => self.load_hears(Input::Steering(input), ctx),
                // Nobody told of it, or not yet.
                StoreHeard::OtherTree => return self.start_load(ctx),
                StoreHeard::LoadAgain => {
                    ctx.run_later(AGAIN_AFTER, move |site, ctx| {
                        if let Load::Managed(managed) = &mut site.load
                            && site.load_generation == generation
                        {
                            managed.waiting.push_back(StoreOrder::Load);
                            site.pump_store(ctx);
                        }
                    });
                }
            }
        }
        self.pump_store(ctx);
    }

    /// One timer, for whatever is due first.
    fn arm_load(&mut self, ctx: &mut Context<Self>) {
        let Load::Managed(managed) = &mut self.load else { return };
        let now = managed.follow_clock(clock::reading());
        let due = managed.state.next_deadline(now);
        if let Some((at, handle)) = managed.timer {
            if at == due {
                return;
            }
            ctx.cancel_future(handle);
        }
        let wait = u64::try_from(due.millis_since(now)).unwrap_or(0).max(1);
        let generation = self.load_generation;
        let handle = ctx.run_later(Duration::from_millis(wait), move |site, ctx| {
            if let Load::Managed(managed) = &mut site.load
                && site.load_generation == generation
            {
                managed.timer = None;
                site.load_hears(Input::Tick, ctx);
                site.look_at_limits();
            }
        });
        managed.timer = Some((due, handle));
    }
}

// === impl Managed ===

impl Managed {
    /// The time, for the load: where the clock was set since it last asked, all that runs is moved along first, or a step forward would end
    /// guards of grants that are still coming into force.
    fn follow_clock(&mut self, reading: Reading) -> Timestamp {
        if let Some(by_ms) = self.clock.follow(reading) {
            self.state.clock_moved(by_ms);
            self.told.clock_moved();
        }
        reading.now
    }
}

/// What the store's work came to.
enum StoreHeard {
    Input(SteeringInput),
    /// The ledger could not be read: later.
    LoadAgain,
    /// The tree is not the one that is managed any more.
    OtherTree,
}

/// Orders that go into one transaction: changes that follow one another.
fn batches(orders: Vec<StoreOrder>) -> Vec<Vec<StoreOrder>> {
    let mut batches: Vec<Vec<StoreOrder>> = Vec::new();
    for order in orders {
        let joins = |batch: &Vec<StoreOrder>| {
            matches!((batch.last(), &order), (Some(StoreOrder::Write(..)), StoreOrder::Write(..)))
        };
        match batches.last_mut() {
            Some(batch) if joins(batch) => batch.push(order),
            _ => batches.push(vec![order]),
        }
    }
    batches
}

async fn store_batch(
    store: &Store,
    of: &LedgerOf,
    owner: Epoch,
    rows: &[Row],
    batch: Vec<StoreOrder>,
) -> Vec<StoreHeard> {
    let changes: Vec<_> = batch
        .into_iter()
        .filter_map(|order| match order {
            StoreOrder::Write(slot, change) => Some((slot, change)),
            StoreOrder::Load => None,
        })
        .collect();
    if changes.is_empty() {
        return vec![match store.ledger(of).await {
            Ok(Some(ledger)) => StoreHeard::Input(SteeringInput::Loaded(Box::new(ledger))),
            Err(StoreError::Conflict { .. }) => StoreHeard::OtherTree,
            Ok(None) | Err(_) => StoreHeard::LoadAgain,
        }];
    }
    let (slots, changes): (Vec<_>, Vec<_>) = changes.into_iter().unzip();
    let answers = match store.transact_ledger(of, owner, rows.to_vec(), changes).await {
        Ok(transacted) => transacted.into_iter().map(answer).collect(),
        Err(StoreError::Conflict { .. }) => return vec![StoreHeard::OtherTree],
        Err(error) => {
            tracing::warn!(%error, "a change of a ledger of grants");
            vec![StoreAnswer::WriteLost; slots.len()]
        }
    };
    let heard = |(slot, answer)| StoreHeard::Input(SteeringInput::Stored(slot, answer));
    slots.into_iter().zip(answers).map(heard).collect()
}

fn answer(transacted: Transacted) -> StoreAnswer {
    match (transacted.verdict, transacted.account) {
        (Verdict::Written { opened }, Some(account)) => {
            StoreAnswer::Written { account: Box::new(account), opened }
        }
        (Verdict::Refused(refusal), _) => StoreAnswer::Refused(refusal),
        (Verdict::Written { .. }, None) => StoreAnswer::WriteLost,
    }
}
