//! From what a site hears to plans and grants: cars that come and go, what was missed, limits that move.

use ringmain_domain::id::{CircuitId, Epoch, EvseId, StationId, TenantId, TransactionId};
use ringmain_domain::load::allocation::{AllocationState, GATHER_MS, Input, SIGNALS_MAX};
use ringmain_domain::load::ledger::account::Account;
use ringmain_domain::load::ledger::conduct::Conduct;
use ringmain_domain::load::ledger::steering::input::{
    Arrival, Effect, EvseInput, Input as SteeringInput, StoreAnswer,
};
use ringmain_domain::load::ledger::{Ledger, Verdict};
use ringmain_domain::load::need::{CarWord, Heard, Need, Wish};
use ringmain_domain::load::supply::{Reading, Signal};
use ringmain_domain::load::tree::{Circuit, Connection, Evse, EvseKey, Limit, Line, Output, SiteTree};
use ringmain_domain::session::{Session, SessionStatus, fold};
use ringmain_domain::time::Timestamp;
use ringmain_domain::unit::{Milliamps, WattHours};

use crate::make::{MORNING, minute, session, station_id};

const GRID_MA: i64 = 20_000;

pub(super) fn grid() -> CircuitId {
    CircuitId::new("grid").unwrap()
}

fn tree() -> SiteTree {
    let evse = |number| Evse {
        key: EvseKey { station: station_id(), evse: EvseId(number) },
        circuit: grid(),
        voltage_v: 230,
        lines: Line::ALL.into(),
        connection: Connection::Neutral,
        output: Output::Ac,
        min_ma: Milliamps(6_000),
        max_ma: Milliamps(32_000),
        step_ma: Milliamps(1_000),
        can_switch_phases: false,
        rated_ma: Milliamps(32_000),
        fallback_ma: Milliamps::ZERO,
    };
    SiteTree::new(vec![Circuit::new(grid(), None, [Milliamps(GRID_MA); 3])], vec![evse(1), evse(2)]).unwrap()
}

fn evse_1() -> EvseKey {
    EvseKey { station: station_id(), evse: EvseId(1) }
}

/// A session at EVSE 1 that goes on.
pub(super) fn charging() -> Session {
    let mut session = fold(&TenantId::default_tenant(), &station_id(), &session(&[(0, 1_000), (5, 1_500)]))
        .unwrap()
        .session;
    session.evse = Some(EvseId(1));
    session.status = SessionStatus::Active;
    session.power_w = None;
    session
}

/// A site and a store that does at once what it is asked.
pub(super) struct Site {
    pub(super) state: AllocationState,
    ledger: Ledger,
    pub(super) now: Timestamp,
}

// === impl Site ===

impl Site {
    pub(super) fn new() -> Self {
        let accounts = vec![Account::with_fallback(Milliamps(32_000), Milliamps::ZERO); 2];
        let ledger = Ledger { owner: Epoch(1), accounts };
        let state = AllocationState::new(tree(), Epoch(1), Conduct::default(), MORNING);
        let mut site = Self { state, ledger, now: MORNING };
        let loaded = SteeringInput::Loaded(Box::new(site.ledger.clone()));
        site.hear(Input::Steering(loaded));
        site.hear(Input::Joined { station: station_id(), connection: Epoch(7), arrival: Arrival::Found });
        site
    }

    /// What is sent to stations, as the EVSE's place and its limit.
    pub(super) fn hear(&mut self, input: Input) -> Vec<(usize, i64)> {
        let mut sent = Vec::new();
        let mut waiting = self.state.apply(self.now, input);
        while let Some(effect) = waiting.pop() {
            match effect {
                Effect::Write { slot, change } => {
                    let verdict = self.ledger.transact(self.state.steering().rows(), Epoch(1), &change);
                    let answer = match verdict {
                        Verdict::Written { opened } => StoreAnswer::Written {
                            account: Box::new(self.ledger.accounts[slot].clone()),
                            opened,
                        },
                        Verdict::Refused(refusal) => StoreAnswer::Refused(refusal),
                    };
                    let stored = SteeringInput::Stored(slot, answer);
                    waiting.extend(self.state.apply(self.now, Input::Steering(stored)));
                }
                Effect::Send { slot, grant } => sent.push((slot, grant.limit.0)),
                _ => {}
            }
        }
        sent
    }

    /// The events are gathered, and the plan is made.
    pub(super) fn plan(&mut self) -> Vec<(usize, i64)> {
        self.now = self.now.plus_millis(GATHER_MS);
        self.hear(Input::Tick)
    }

    fn transactions(&self) -> Vec<Option<TransactionId>> {
        self.state.standings().into_iter().map(|standing| standing.transaction).collect()
    }
}

#[test]
fn a_car_gets_its_share_when_the_events_are_gathered_and_not_before() {
    let mut site = Site::new();
    assert_eq!(site.hear(Input::Session(Box::new(charging()))), []);
    assert_eq!(site.hear(Input::Tick), [], "still gathering");
    assert_eq!(site.plan(), [(0, GRID_MA)]);
    let standing = &site.state.standings()[0];
    assert_eq!((standing.granted, standing.ceiling), (Some(Milliamps(GRID_MA)), Milliamps(GRID_MA)));
    assert_eq!(&*standing.reason, "grid phase L1 full");
}

#[test]
fn a_car_leaves_by_its_own_end_or_when_its_station_knows_it_no_more() {
    let mut site = Site::new();
    let session = charging();
    let here = vec![Some(session.transaction.clone()), None];
    site.hear(Input::Session(Box::new(session.clone())));
    let other = Session {
        status: SessionStatus::Completed,
        transaction: TransactionId::new("another").unwrap(),
        ..session.clone()
    };
    site.hear(Input::Session(Box::new(other)));
    assert_eq!(site.transactions(), here, "another one's end");
    site.hear(Input::Open { station: station_id(), sessions: vec![session.clone()] });
    assert_eq!(site.transactions(), here);
    site.hear(Input::Open { station: station_id(), sessions: Vec::new() });
    assert_eq!(site.transactions(), [None, None], "its end was missed");
    site.hear(Input::Session(Box::new(session.clone())));
    let over = Session { status: SessionStatus::Completed, ..session };
    site.hear(Input::Session(Box::new(over)));
    assert_eq!(site.transactions(), [None, None]);
}

#[test]
fn a_limit_from_outside_and_a_reading_lower_what_is_granted() {
    let limit = |site: &Site| site.state.circuits(site.now)[0].rows[0].limit;
    let mut site = Site::new();
    site.hear(Input::Session(Box::new(charging())));
    site.plan();
    let signal = |amps: i64| Signal {
        source: "grid".into(),
        from: MORNING,
        until: Some(minute(10)),
        limit: Limit { line_ma: Some([Milliamps(amps * 1_000); 3]), power_w: None },
    };
    let mut signals = vec![signal(10); SIGNALS_MAX];
    signals.push(signal(1));
    site.hear(Input::Signals { circuit: grid(), signals });
    assert_eq!(limit(&site), 10_000, "of too many the first count");
    let building = Reading { at: site.now, line_ma: [Milliamps(3_000); 3] };
    site.hear(Input::Building { circuit: grid(), reading: building });
    assert_eq!(site.state.circuits(site.now)[0].rows[0].reserved, 3_000);
    site.plan();
    assert_eq!(site.state.standings()[0].planned, Some(Milliamps(7_000)));
    site.now = minute(11);
    site.hear(Input::Tick);
    assert_eq!(limit(&site), GRID_MA, "it ended by itself");
}

#[test]
fn what_a_car_draws_is_worked_out_per_line_and_told_once() {
    let mut site = Site::new();
    let at = |power_w, at| Session { power_w: Some(power_w), power_at: Some(at), ..charging() };
    site.hear(Input::Session(Box::new(at(6_901, minute(1)))));
    assert_eq!(
        site.state.standings()[0].drawn,
        Some(Milliamps(10_002)),
        "6,901 W on three lines, rounded up"
    );
    site.hear(Input::Session(Box::new(at(0, minute(1)))));
    assert_eq!(site.state.standings()[0].drawn, Some(Milliamps(10_002)), "no new sample");
}

#[test]
fn what_was_said_about_a_car_holds_for_its_transaction_alone_and_the_nearer_word_counts() {
    let mut site = Site::new();
    let session = charging();
    site.hear(Input::Session(Box::new(session.clone())));
    let car = CarWord {
        departs_at: Some(minute(200)),
        energy_wh: Some(WattHours(9_000)),
        max_ma: Some(Milliamps(12_000)),
        ..CarWord::default()
    };
    let heard = Heard { word: car, at: MORNING };
    let mut need = Need { car: Some(heard), class_permille: Some(3_000), ..Need::default() };
    let demand = |site: &Site| site.state.demands().next().unwrap().clone();
    let tell = |site: &mut Site, transaction: &TransactionId, need: Need| {
        site.hear(Input::Need { evse: evse_1(), transaction: transaction.clone(), need });
    };
    tell(&mut site, &TransactionId::new("another").unwrap(), need);
    assert_eq!(demand(&site).departs_at, None);
    tell(&mut site, &session.transaction, need);
    assert_eq!(demand(&site).departs_at, Some(minute(200)));
    assert!(!demand(&site).trust.departure, "a car's word is no deadline");
    assert_eq!((demand(&site).weight_permille, demand(&site).car_max_ma), (3_000, Some(Milliamps(12_000))));
    assert_eq!(site.plan(), [(0, 12_000)], "no more than the car says it takes");
    need.fleet = Some(Wish {
        departs_at: Some(minute(90)),
        energy_wh: Some(WattHours(20_000)),
        weight_permille: None,
    });
    need.entry = Some(Wish { departs_at: Some(minute(60)), ..Wish::default() });
    tell(&mut site, &session.transaction, need);
    assert_eq!(demand(&site).departs_at, Some(minute(60)), "the operator's");
    assert_eq!(
        demand(&site).energy_wh,
        Some(WattHours(20_000)),
        "the fleet's, of which the operator said nothing"
    );
    assert!(demand(&site).trust.departure);
}

/// A car that says what it needs waits for a profile: the share it has is issued again, once for each word.
#[test]
fn a_car_that_asks_hears_its_share_again() {
    let mut site = Site::new();
    let session = charging();
    site.hear(Input::Session(Box::new(session.clone())));
    site.plan();
    let seq = site.ledger.accounts[0].seq;
    let accepted = EvseInput::Accepted(seq);
    site.hear(Input::Steering(SteeringInput::Evse(0, accepted)));
    let asks = |site: &mut Site, at| {
        let car = Heard { word: CarWord { energy_wh: Some(WattHours(9_000)), ..CarWord::default() }, at };
        let need = Need { car: Some(car), ..Need::default() };
        site.hear(Input::Need { evse: evse_1(), transaction: session.transaction.clone(), need })
    };
    let now = site.now;
    assert_eq!(asks(&mut site, now), [(0, GRID_MA)]);
    assert_eq!(asks(&mut site, now), [], "the same word");
    assert_eq!(asks(&mut site, now.plus_secs(5)), [], "said again at once, as some do after every profile");
    let asked = |site: &Site| site.state.demands().next().unwrap().energy_wh;
    assert_eq!(asked(&site), Some(WattHours(9_500)), "on top of the 500 Wh it had");
    let mut later = session.clone();
    later.energy = WattHours(4_000);
    site.hear(Input::Session(Box::new(later)));
    site.now = now.plus_secs(1_800);
    asks(&mut site, now.plus_secs(5));
    assert_eq!(asked(&site), Some(WattHours(9_500)), "another look at the same word");
    asks(&mut site, now.plus_secs(1_800));
    assert_eq!(asked(&site), Some(WattHours(13_000)), "another word");
}

#[test]
fn who_is_looked_up_is_looked_up_once_until_somebody_says_something() {
    let mut site = Site::new();
    let session = charging();
    site.hear(Input::Session(Box::new(session.clone())));
    let strangers =
        |site: &Site| site.state.strangers().map(|stranger| stranger.transaction).collect::<Vec<_>>();
    assert_eq!(strangers(&site), std::slice::from_ref(&session.transaction));
    let transaction = session.transaction.clone();
    site.hear(Input::Need { evse: evse_1(), transaction, need: Need::default() });
    assert_eq!(strangers(&site), []);
    site.state.forget_needs(&StationId::new("CS-OTHER").unwrap());
    assert_eq!(strangers(&site), []);
    site.state.forget_needs(&station_id());
    assert_eq!(strangers(&site), [session.transaction]);
}

#[test]
fn an_evse_that_draws_too_much_counts_with_all_it_can_draw_until_it_is_mended() {
    let mut site = Site::new();
    let draws =
        |power_w, minutes| Session { power_w: Some(power_w), power_at: Some(minute(minutes)), ..charging() };
    site.hear(Input::Session(Box::new(draws(0, 0))));
    site.plan();
    for minutes in 1..=2 {
        site.now = minute(minutes);
        site.hear(Input::Session(Box::new(draws(20_000, minutes))));
    }
    let standing = &site.state.standings()[0];
    assert!(standing.is_deaf, "29 A of 20 A, twice");
    assert_eq!(standing.ceiling, Milliamps(32_000));
    site.hear(Input::Mended(EvseKey { station: station_id(), evse: EvseId(9) }));
    assert!(site.state.standings()[0].is_deaf, "another one");
    site.hear(Input::Mended(EvseKey { station: station_id(), evse: EvseId(1) }));
    let standing = &site.state.standings()[0];
    assert!(!standing.is_deaf);
    assert_eq!(standing.ceiling, Milliamps(GRID_MA));
}

/// A late word names another EVSE: the car is there, and nowhere else.
#[test]
fn a_transaction_is_at_one_evse() {
    let mut site = Site::new();
    let session = charging();
    site.hear(Input::Session(Box::new(session.clone())));
    site.plan();
    let moved = Session { evse: Some(EvseId(2)), ..session.clone() };
    site.hear(Input::Session(Box::new(moved)));
    assert_eq!(site.transactions(), [None, Some(session.transaction.clone())]);
    assert_eq!(site.state.strangers().count(), 1);
    let evse = EvseKey { station: station_id(), evse: EvseId(2) };
    site.hear(Input::Need { evse, transaction: session.transaction, need: Need::default() });
    assert_eq!(site.state.strangers().count(), 0);
}

/// When a car came is known by our clock where its first word was just heard, and by its station's where the store tells of it later.
#[test]
fn a_car_that_the_store_tells_of_did_not_come_just_now() {
    let session = Session { facts: 1, ..charging() };
    let mut live = Site::new();
    live.now = minute(60);
    live.hear(Input::Session(Box::new(session.clone())));
    assert_eq!(live.state.strangers().next().unwrap().arrived_at, minute(60));
    let mut restarted = Site::new();
    restarted.now = minute(60);
    restarted.hear(Input::Open { station: station_id(), sessions: vec![session.clone()] });
    assert_eq!(restarted.state.strangers().next().unwrap().arrived_at, session.started_at);
}
