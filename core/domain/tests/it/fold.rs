//! A session is what its facts say, in whatever order and however often they came.

use proptest::prelude::*;
use ringmain_domain::id::{TenantId, TransactionId};
use ringmain_domain::meter::{Measurand, Phase, Sample, SampleContext};
use ringmain_domain::report::{ChargingState, TransactionPhase};
use ringmain_domain::ruling::Ruling;
use ringmain_domain::segment::Span;
use ringmain_domain::session::{Session, SessionFlag, fold};
use ringmain_domain::transaction::TransactionFact;
use ringmain_domain::unit::WattHours;

use crate::make::{event, fact, minute, ruled, session, session_with_states, station_id};

fn folded(facts: &[TransactionFact]) -> Session {
    fold(&TenantId::default_tenant(), &station_id(), facts).unwrap().session
}

pub(crate) fn check(facts: &[TransactionFact], expect: &str) {
    let session = folded(facts);
    let flags: Vec<_> = session.flags.iter().map(|flag| format!("{flag:?}")).collect();
    let seen = format!(
        "{} {} charging {} min parked {} min {}",
        session.status.as_str(),
        session.energy,
        session.charging_ms / 60_000,
        session.parked_ms / 60_000,
        flags.join(" ")
    );
    assert_eq!(seen.trim_end(), expect);
}

#[test]
fn energy_is_the_register_at_the_end_less_that_at_the_start() {
    check(
        &session(&[(0, 1_000), (30, 6_000), (60, 12_000)]),
        "completed 11000 Wh charging 60 min parked 0 min",
    );
}

#[test]
fn a_stay_that_ends_in_the_instant_it_began_needs_nobodys_look() {
    check(&session(&[(0, 1_000), (0, 1_000)]), "completed 0 Wh charging 0 min parked 0 min");
}

#[test]
fn time_without_energy_is_parking_time() {
    check(
        &session(&[(0, 0), (30, 5_000), (45, 5_000), (60, 5_000)]),
        "completed 5000 Wh charging 30 min parked 30 min",
    );
}

#[test]
fn the_stations_word_splits_time_where_it_gives_one() {
    let readings = [
        (0, 0, ChargingState::EvConnected),
        (10, 0, ChargingState::Charging),
        (40, 9_000, ChargingState::SuspendedEv),
        (60, 9_000, ChargingState::Idle),
    ];
    check(&session_with_states(&readings), "completed 9000 Wh charging 30 min parked 30 min");
}

#[test]
fn a_meter_that_gains_while_the_station_says_idle_is_still_billed() {
    let readings = [(0, 0, ChargingState::EvConnected), (60, 500, ChargingState::EvConnected)];
    check(&session_with_states(&readings), "completed 500 Wh charging 60 min parked 0 min");
}

#[test]
fn meter_that_goes_backwards_never_bills_less_than_nothing() {
    check(
        &session(&[(0, 10_000), (30, 12_000), (40, 100), (60, 600)]),
        "under_review 2500 Wh charging 50 min parked 10 min MeterWentBackwards",
    );
}

#[test]
fn impossible_jump_is_held_for_review() {
    check(
        &session(&[(0, 0), (30, 910_000)]),
        "under_review 910000 Wh charging 30 min parked 0 min ImplausibleEnergy",
    );
}

#[test]
fn ended_without_start_waits_for_a_person() {
    let all = session(&[(0, 0), (30, 5_000), (60, 9_000)]);
    check(&all[1..], "under_review 4000 Wh charging 30 min parked 0 min StartMissing");
}

#[test]
fn a_session_without_readings_is_not_billed_by_itself() {
    let facts = [
        fact(&event(0, TransactionPhase::Started, minute(0), None)),
        fact(&event(1, TransactionPhase::Ended, minute(10), None)),
    ];
    check(&facts, "under_review 0 Wh charging 0 min parked 10 min NoMeterReading");
}

#[test]
fn an_open_session_is_active_and_shows_what_it_has() {
    let all = session(&[(0, 0), (30, 5_000), (60, 9_000)]);
    check(&all[..2], "active 5000 Wh charging 30 min parked 0 min");
}

#[test]
fn f15_a_clock_that_is_set_back_bills_no_time_twice() {
    let mut facts = session(&[(0, 0), (30, 5_000), (60, 9_000), (90, 12_000)]);
    // An hour back after the second message; the end is told at 40 minutes.
    for (fact, at) in facts[2..].iter_mut().zip([5, 40]) {
        fact.observed_at = minute(at);
        fact.samples[0].observed_at = minute(at);
    }
    check(&facts, "completed 12000 Wh charging 40 min parked 0 min TimeRepaired");
}

#[test]
fn f18_a_register_may_tremble() {
    check(
        &session(&[(0, 1_000), (30, 6_000), (45, 5_995), (60, 12_000)]),
        "completed 11000 Wh charging 45 min parked 15 min",
    );
}

#[test]
fn f20_phases_are_summed_once() {
    let by_phase = |total: Option<i64>, each: i64, at: i64| -> Vec<Sample> {
        let of =
            |wh, phase| Sample { phase, ..Sample::import_register(minute(at), wh, SampleContext::Periodic) };
        let phases = [Phase::L1, Phase::L2, Phase::L3].map(|phase| of(each, Some(phase)));
        total.map(|wh| of(wh, None)).into_iter().chain(phases).collect()
    };
    let told = |totals: [Option<i64>; 2]| {
        let mut facts = session(&[(0, 0), (60, 0)]);
        facts[0].samples = by_phase(totals[0], 0, 0);
        facts[1].samples = by_phase(totals[1], 2_000, 60);
        folded(&facts).energy
    };
    assert_eq!(told([None, None]), WattHours(6_000), "phases alone are summed");
    assert_eq!(told([Some(0), Some(6_000)]), WattHours(6_000), "beside a total they are the same energy");
}

#[test]
fn f20_intervals_count_only_without_a_register() {
    let mut facts = session(&[(0, 0), (30, 0), (60, 0)]);
    for fact in &mut facts {
        fact.samples[0].measurand = Measurand::EnergyImportInterval;
        fact.samples[0].value = 1_000;
    }
    facts[0].samples.clear();
    check(&facts, "completed 2000 Wh charging 60 min parked 0 min");
    let mut both = session(&[(0, 0), (30, 1_500), (60, 3_000)]);
    let intervals = both.iter().flat_map(|fact| &fact.samples).map(|sample| Sample {
        measurand: Measurand::EnergyImportInterval,
        value: 1_500,
        ..sample.clone()
    });
    let intervals: Vec<_> = intervals.collect();
    both[2].samples.extend(intervals);
    check(&both, "completed 3000 Wh charging 60 min parked 0 min");
}

/// Energies of intervals like `5 917 periodic`: minute, Wh, context.
fn intervals(told: &[(i64, i64, SampleContext)]) -> Vec<Sample> {
    let interval = |(at, wh, context): &(i64, i64, SampleContext)| Sample {
        measurand: Measurand::EnergyImportInterval,
        ..Sample::import_register(minute(*at), *wh, *context)
    };
    told.iter().map(interval).collect()
}

#[test]
fn f20_of_two_series_of_intervals_one_counts() {
    use SampleContext::{ClockAligned as Clock, Periodic, TransactionBegin as Begin, TransactionEnd as End};
    let every = |minutes: i64, wh: i64, until: i64, context| -> Vec<_> {
        (1..=until / minutes).map(|step| (step * minutes, wh, context)).collect()
    };
    let timer = || every(5, 917, 60, Periodic);
    let clock = || every(15, 2_750, 60, Clock);
    let rest = |wh| vec![(60, wh, End)];
    let (fine, held) = ("completed", "under_review");
    for (name, told, wh, status) in [
        ("timer alone", vec![timer()], 11_004, fine),
        ("clock alone", vec![clock()], 11_000, fine),
        ("the end alone", vec![rest(11_000)], 11_000, fine),
        ("timer and clock", vec![timer(), clock()], 11_004, fine),
        ("the clock stops before the end", vec![timer(), every(15, 2_750, 50, Clock)], 11_004, fine),
        ("timer, and the rest at the end", vec![every(5, 917, 55, Periodic), rest(917)], 11_004, fine),
        ("clock, and the rest at the end", vec![every(15, 2_750, 50, Clock), rest(2_750)], 11_000, fine),
        ("timer, and its last value again at the end", vec![timer(), rest(917)], 11_004, fine),
        ("timer, and all of it at the end", vec![timer(), rest(11_000)], 11_004, fine),
        ("what was used before the start", vec![timer(), vec![(0, 5_000, Begin)]], 11_004, fine),
        ("the clock tells more", vec![timer(), every(15, 3_000, 60, Clock)], 11_004, held),
        ("the clock tells less", vec![timer(), every(15, 2_500, 60, Clock)], 11_004, held),
        ("the timer stops early", vec![every(5, 917, 30, Periodic), clock()], 5_502, held),
        ("the end tells another sum", vec![timer(), rest(9_000)], 11_004, held),
        ("rest or all?", vec![every(5, 917, 55, Periodic), rest(11_000)], 10_087, held),
    ] {
        let mut facts = session(&[(0, 0), (60, 0)]);
        facts[0].samples.clear();
        facts[1].samples = intervals(&told.concat());
        let session = folded(&facts);
        assert_eq!((session.energy.0, session.status.as_str()), (wh, status), "{name}");
        assert_eq!(session.flags.contains(&SessionFlag::EnergiesDiffer), status == held, "{name}");
    }
    // Beside a register no series is asked.
    let mut facts = session(&[(0, 0), (60, 11_000)]);
    facts[1].samples.extend(intervals(&[timer(), rest(20_000)].concat()));
    check(&facts, "completed 11000 Wh charging 60 min parked 0 min");
}

#[test]
fn f05_the_older_of_two_at_one_evse_ends_where_the_newer_begins() {
    let mut facts = session(&[(0, 0), (30, 5_000), (60, 11_000)]);
    facts.push(ruled(Ruling::Superseded { at: minute(40), by: TransactionId::new("tx-2").unwrap() }, 41));
    // A third of what was gained between minutes 30 and 60 lies before the newer one.
    check(&facts, "under_review 7000 Wh charging 40 min parked 0 min ImplicitEnd");
    facts.remove(2);
    check(&facts, "under_review 5000 Wh charging 30 min parked 10 min ImplicitEnd");
}

#[test]
fn f22_a_transaction_nobody_ends_ends_with_the_last_thing_known() {
    let mut facts = session(&[(0, 0), (30, 5_000), (60, 11_000)]);
    facts.truncate(2);
    facts.push(ruled(Ruling::Abandoned, 10_000));
    check(&facts, "under_review 5000 Wh charging 30 min parked 0 min Abandoned");
    // Its end comes after all: the station's word counts, and nothing is unusual about it any more.
    facts.push(session(&[(0, 0), (30, 5_000), (60, 11_000)]).remove(2));
    check(&facts, "completed 11000 Wh charging 60 min parked 0 min");
}

#[test]
fn a_persons_word_stands_above_every_doubt_and_the_last_one_counts() {
    let mut facts = session(&[(0, 0), (30, 910_000)]);
    let by = || ("ann".into(), "looked at the meter".into());
    let (approver, note) = by();
    facts.push(ruled(Ruling::Approved { by: approver, note, seen: None }, 100));
    check(&facts, "completed 910000 Wh charging 30 min parked 0 min ImplausibleEnergy");
    let (by, note) = by();
    facts.insert(0, ruled(Ruling::Voided { by, note }, 200));
    check(&facts, "invalid 910000 Wh charging 30 min parked 0 min ImplausibleEnergy");
}

#[test]
fn current_and_power_of_a_stretch_are_told_to_pricing() {
    let mut facts = session(&[(0, 0), (30, 5_500), (60, 5_500)]);
    let amps = |at, phase, value| Sample {
        measurand: Measurand::CurrentImport,
        value,
        phase: Some(phase),
        ..Sample::import_register(minute(at), 0, SampleContext::Periodic)
    };
    facts[1].samples.extend([
        amps(10, Phase::L1, 15_000),
        amps(30, Phase::L1, 16_000),
        amps(30, Phase::L2, 14_000),
    ]);
    let folded = fold(&TenantId::default_tenant(), &station_id(), &facts).unwrap();
    assert_eq!(folded.segments[0].power_w, Some(Span::steady(11_000)));
    assert_eq!(folded.segments[0].current_ma, Some(Span { min: 15_000, max: 16_000 }));
    assert_eq!(folded.segments[1].current_ma, None);
}

#[test]
fn phases_that_are_read_one_after_another_are_of_one_round() {
    let sample = |at, phase, value| Sample {
        measurand: Measurand::CurrentImport,
        value,
        phase: Some(phase),
        ..Sample::import_register(at, 0, SampleContext::Periodic)
    };
    let mut facts = session(&[(0, 0), (30, 5_500), (60, 9_000)]);
    let after = |seconds| minute(30).plus_secs(seconds);
    // A car on one phase: the last that is read is one it does not use.
    facts[1].samples.extend([
        sample(after(0), Phase::L2, 7_000),
        sample(after(6), Phase::L1, 16_000),
        sample(after(8), Phase::L2, 100),
        sample(after(11), Phase::L3, 0),
    ]);
    let flow = folded(&facts[..2]).flow.unwrap();
    assert_eq!((flow.at, flow.current_ma.phases), (after(11), [Some(16_000), Some(100), Some(0)]));
    facts[1].samples.retain(|sample| sample.phase != Some(Phase::L1));
    let flow = folded(&facts[..2]).flow.unwrap();
    assert_eq!(flow.current_ma.phases, [None, Some(100), Some(0)], "what is older is of another round");
}

#[test]
fn what_flows_by_phase_is_kept_of_the_last_instant_while_the_session_goes_on() {
    let sample = |at, measurand, phase, value| Sample {
        measurand,
        value,
        phase,
        ..Sample::import_register(minute(at), 0, SampleContext::Periodic)
    };
    let mut facts = session(&[(0, 0), (30, 5_500), (60, 9_000)]);
    facts[1].samples.extend([
        sample(29, Measurand::CurrentImport, Some(Phase::L2), 9_000),
        sample(30, Measurand::CurrentImport, Some(Phase::L1), 16_000),
        sample(30, Measurand::CurrentImport, Some(Phase::N), 15_000),
        sample(30, Measurand::Voltage, Some(Phase::L1N), 231_000),
        sample(30, Measurand::Voltage, Some(Phase::L1L2), 400_000),
        sample(31, Measurand::PowerImport, None, 3_700),
    ]);
    let told = folded(&facts[..2]);
    let flow = told.flow.unwrap();
    assert_eq!((flow.at, flow.current_ma.phases), (minute(30), [Some(16_000), None, None]));
    assert_eq!(flow.voltage_mv.phases, [Some(231_000), None, None]);
    assert_eq!(
        (told.power_at, flow.power_w.is_empty()),
        (Some(minute(31)), true),
        "power alone is kept beside it"
    );
    let stored = serde_json::to_value(&told).unwrap();
    assert_eq!(serde_json::from_value::<Session>(stored.clone()).unwrap(), told);
    let mut old = stored;
    old.as_object_mut().unwrap().remove("flow").unwrap();
    assert_eq!(serde_json::from_value::<Session>(old).unwrap().flow, None);
    assert_eq!(folded(&facts).flow, None, "it is over");
}

/// Readings of a meter that only rises, at rising minutes.
fn readings() -> impl Strategy<Value = Vec<(i64, i64)>> {
    prop::collection::vec((1_i64..60, 0_i64..5_000), 1..12).prop_map(|steps| {
        let mut all = vec![(0, 1_000)];
        for (minutes, wh) in steps {
            let (at, register) = all[all.len() - 1];
            all.push((at + minutes, register + wh));
        }
        all
    })
}

/// Rulings at any time, also several of one kind.
fn rulings() -> impl Strategy<Value = Vec<(Ruling, i64)>> {
    let by = || TransactionId::new("tx-2").unwrap();
    let ruling = prop_oneof![
        (0_i64..600).prop_map(move |at| Ruling::Superseded { at: minute(at), by: by() }),
        Just(Ruling::Overlaps { with: by() }),
        Just(Ruling::Abandoned),
        Just(Ruling::GraceOver),
        Just(Ruling::Approved { by: "ann".into(), note: "".into(), seen: None }),
        Just(Ruling::Voided { by: "ann".into(), note: "".into() }),
    ];
    prop::collection::vec((ruling, 0_i64..1_000), 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    /// Invariant `FoldIgnoresOrder`.
    #[test]
    fn any_order_and_repetition_gives_the_same_session(
        readings in readings(),
        rulings in rulings(),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let mut facts = session(&readings);
        let truth = folded(&facts);
        prop_assert_eq!(truth.energy.0, readings[readings.len() - 1].1 - readings[0].1);
        facts.extend(rulings.into_iter().map(|(ruling, at)| ruled(ruling, at)));
        let truth = folded(&facts);
        // Every fact at least once, then any of them again, then shuffled by the drawn places.
        let mut mixed: Vec<_> = facts.clone();
        mixed.extend(order.iter().map(|index| index.get(&facts).clone()));
        for (place, index) in order.iter().enumerate() {
            let other = index.index(mixed.len());
            let place = place % mixed.len();
            mixed.swap(place, other);
        }
        let again = folded(&mixed);
        prop_assert_eq!(&again, &truth);
    }

    /// Invariant `EnergyNeverNegative`, whatever the meter does.
    #[test]
    fn energy_is_never_negative(values in prop::collection::vec((0_i64..600, -1_000_000_i64..1_000_000), 2..20)) {
        let facts = session(&values);
        prop_assert!(folded(&facts).energy >= WattHours::ZERO);
    }
}
