//! What a session that goes on shows: the figures and the cost of the same messages, as if it ended now.

use proptest::prelude::*;
use ringmain_domain::id::TenantId;
use ringmain_domain::meter::{Measurand, Phase, Sample, SampleContext};
use ringmain_domain::report::{ChargingState, TransactionPhase};
use ringmain_domain::session::{Session, fold};
use ringmain_domain::settlement::{BillingPolicy, Prices, estimate, settle};
use ringmain_domain::tariff::Tariff;
use ringmain_domain::tariff::timeline::Timeline;
use ringmain_domain::time::local::Zone;
use ringmain_domain::transaction::TransactionFact;
use serde_json::json;

use crate::make::{event, fact, minute, session, session_with_states, station_id};
use crate::pricing::{always, tariff};

/// Energy, the split, the meter and the cost.
type Figures = (i64, i64, i64, Option<i64>, String);

fn figures(session: &Session) -> Figures {
    let cost = session.cost.map_or_else(String::new, |cost| cost.incl_tax.to_string());
    (session.energy.0, session.charging_ms, session.parked_ms, session.meter_last_wh, cost)
}

/// The session folded from all these facts, as if it ended now.
fn folded(facts: &[TransactionFact], tariff: &Tariff) -> Session {
    let prices = Prices { tariffs: Timeline::single(tariff), zone: &Zone::UTC };
    let folded = fold(&TenantId::default_tenant(), &station_id(), facts).unwrap();
    settle(folded, facts, Some(&prices), None, &BillingPolicy::default(), minute(0)).session
}

/// The same advanced by one more fact, as it comes out of the store.
fn advanced(session: &Session, fact: &TransactionFact, tariff: &Tariff) -> Session {
    let prices = Prices { tariffs: Timeline::single(tariff), zone: &Zone::UTC };
    let stored = serde_json::to_vec(session).unwrap();
    estimate(serde_json::from_slice::<Session>(&stored).unwrap().advance(fact), Some(&prices))
}

/// Both ways, message by message; the cost after each.
#[track_caller]
fn costs(facts: &[TransactionFact], tariff: &Tariff) -> Vec<String> {
    let mut running = folded(&facts[..1], tariff);
    let mut costs = Vec::new();
    for (index, fact) in facts.iter().enumerate().skip(1) {
        running = advanced(&running, fact, tariff);
        assert_eq!(figures(&running), figures(&folded(&facts[..=index], tariff)), "message {index}");
        costs.push(figures(&running).4);
    }
    costs
}

/// The messages of a session whose end is still to come.
fn open(mut facts: Vec<TransactionFact>) -> Vec<TransactionFact> {
    for fact in facts.iter_mut().skip(1) {
        fact.phase = TransactionPhase::Updated;
    }
    facts
}

#[test]
fn the_cost_so_far_looks_at_power_clock_and_grace_as_the_bill_does() {
    use ChargingState::{Charging, SuspendedEv};
    let by_power = tariff(&[("energy 0.30", json!({"max_power_kw": "11"})), ("energy 0.60", always())]);
    assert_eq!(costs(&open(session(&[(0, 0), (30, 50_000)])), &by_power), ["30.00"]);
    assert_eq!(costs(&open(session(&[(0, 0), (30, 5_000), (60, 15_000)])), &by_power), ["1.50", "7.50"]);
    let by_clock = tariff(&[("energy 0.60", json!({"end_time": "09:00"})), ("energy 0.30", always())]);
    assert_eq!(costs(&open(session(&[(0, 0), (30, 0), (90, 10_000)])), &by_clock), ["0.00", "4.50"]);
    let mut parking = tariff(&[("parking_time 6", json!({"start_time": "08:00", "end_time": "09:00"}))]);
    parking.idle_grace_s = 600;
    let pauses = session(&[(0, 0), (20, 0), (40, 9_000), (60, 9_000), (80, 9_000)]);
    assert_eq!(costs(&open(pauses), &parking), ["1.00", "1.00", "2.00", "2.00"]);
    let states = [(0, 0, Charging), (30, 9_000, SuspendedEv), (50, 9_000, SuspendedEv)];
    assert_eq!(costs(&open(session_with_states(&states)), &parking), ["0.00", "1.00"]);
}

#[test]
fn the_cost_so_far_of_intervals_is_counted_once() {
    let kwh = tariff(&[("energy 1", always())]);
    let mut facts = open(session(&[(0, 500), (5, 1_000), (15, 3_000), (20, 1_000)]));
    for (fact, context) in facts.iter_mut().zip([
        SampleContext::TransactionBegin,
        SampleContext::ClockAligned,
        SampleContext::Periodic,
        SampleContext::ClockAligned,
    ]) {
        if context != SampleContext::TransactionBegin {
            fact.samples[0].measurand = Measurand::EnergyImportInterval;
        }
        fact.samples[0].context = context;
    }
    // First by the clock, then by the timer alone; at last a second register tells the truth.
    assert_eq!(costs(&facts, &kwh), ["1.00", "3.00", "3.00"]);
    facts.push(fact(&event(4, TransactionPhase::Updated, minute(30), Some(6_000))));
    assert_eq!(costs(&facts, &kwh), ["1.00", "3.00", "3.00", "5.50"]);
}

#[test]
fn a_session_stored_before_it_carried_its_course_goes_on_roughly() {
    let tariff = tariff(&[("energy 1, parking_time 6", always())]);
    let facts = open(session(&[(0, 1_000), (30, 6_000), (45, 6_000), (60, 9_000), (90, 9_000)]));
    let mut old = folded(&facts[..3], &tariff);
    let mut stored = serde_json::to_value(&old).unwrap();
    stored.as_object_mut().unwrap().remove("running").unwrap();
    old = serde_json::from_value(stored).unwrap();
    assert_eq!(old.running, None);
    for (index, fact) in facts.iter().enumerate().skip(3) {
        old = advanced(&old, fact, &tariff);
        assert_eq!(figures(&old), figures(&folded(&facts[..=index], &tariff)));
    }
}

#[test]
fn a_long_session_stays_small_and_right_in_sum() {
    let tariff = tariff(&[("energy 0.50, parking_time 3", always())]);
    let readings = (0..2_000).scan(0, |wh, at| {
        *wh += if at % 50 < 40 { 100 + at % 7 } else { 0 };
        Some((at, *wh))
    });
    let facts = open(session(&readings.collect::<Vec<_>>()));
    let mut running = folded(&facts[..1], &tariff);
    let mut longest = 0;
    for fact in &facts[1..] {
        running = advanced(&running, fact, &tariff);
        longest = longest.max(serde_json::to_string(&running).unwrap().len());
    }
    assert!(longest < 8_000, "{longest} bytes are stored with every message");
    let truth = folded(&facts, &tariff);
    assert_eq!(figures(&running), figures(&truth));
    assert!(running.stretches().len() <= 101);
}

/// A message in the middle of a session: minutes since the one before, Wh gained since (none: no reading), state, amperes.
type Step = (i64, Option<i64>, Option<ChargingState>, Option<i64>);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let state = prop_oneof![
        Just(ChargingState::Charging),
        Just(ChargingState::SuspendedEv),
        Just(ChargingState::SuspendedEvse),
        Just(ChargingState::EvConnected),
        Just(ChargingState::Idle),
    ];
    let gain = prop_oneof![1 => Just(0), 1 => -12..12_i64, 4 => 0..6_000_i64];
    let step = (
        0..60_i64,
        proptest::option::weighted(0.8, gain),
        proptest::option::weighted(0.4, state),
        proptest::option::weighted(0.4, 0..63_i64),
    );
    prop::collection::vec(step, 1..20)
}

fn told(steps: &[Step]) -> Vec<TransactionFact> {
    let (mut at, mut register) = (0, 10_000);
    let mut facts = open(session(&[(0, 10_000), (1, 0)]));
    facts.truncate(1);
    for (number, (minutes, gain, state, amperes)) in steps.iter().enumerate() {
        // Of two readings of one instant in two messages nobody knows which was first.
        at += if gain.is_some_and(|gain| gain < 0) { minutes.max(&1) } else { minutes };
        register += gain.unwrap_or(0);
        let wh = gain.map(|_| register);
        let number = u32::try_from(number + 1).unwrap();
        let mut report = event(number, TransactionPhase::Updated, minute(at), wh);
        report.charging_state = *state;
        let amperes = amperes.filter(|_| *minutes > 0);
        report.samples.extend(amperes.map(|amperes| Sample {
            measurand: Measurand::CurrentImport,
            value: amperes * 1_000,
            phase: Some(Phase::L1),
            ..Sample::import_register(minute(at), 0, SampleContext::Periodic)
        }));
        facts.push(fact(&report));
    }
    facts
}

/// A tariff in which everything matters: power, current, the clock, amount, age, pauses.
fn tariffs() -> impl Strategy<Value = Tariff> {
    let restriction = prop_oneof![
        (1..60_i64).prop_map(|kw| json!({"max_power_kw": kw.to_string()})),
        (1..60_i64).prop_map(|kw| json!({"min_power_kw": kw.to_string()})),
        (1..63_i64).prop_map(|a| json!({"max_current_a": a.to_string()})),
        (8..18_i64).prop_map(|hour| json!({"start_time": format!("{hour:02}:30")})),
        (1..30_i64).prop_map(|kwh| json!({"min_kwh": kwh.to_string()})),
        (1..20_000_i64).prop_map(|age| json!({"min_duration_s": age})),
    ];
    let element = (0..100_i64, restriction).prop_map(|(cents, restriction)| {
        (
            format!("flat 0.{cents:02}, energy 0.{cents:02}, time 1.{cents:02}, parking_time 3.{cents:02}"),
            restriction,
        )
    });
    (prop::collection::vec(element, 0..3), 0..1_800_u32).prop_map(|(elements, grace)| {
        let mut elements: Vec<_> = elements.iter().map(|(text, of)| (text.as_str(), of.clone())).collect();
        elements.push(("flat 1, energy 0.39, time 1, parking_time 6", always()));
        let mut tariff = tariff(&elements);
        tariff.idle_grace_s = grace;
        tariff
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    /// The running figures of a session that comes in order are those of the fold, after each message.
    #[test]
    fn running_figures_agree_with_the_fold(steps in steps(), tariff in tariffs()) {
        costs(&told(&steps), &tariff);
    }
}
