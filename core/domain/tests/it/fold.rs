//! A session is what its facts say, in whatever order and however often they came.

use proptest::prelude::*;
use ringmain_domain::cdr::settle;
use ringmain_domain::id::TenantId;
use ringmain_domain::report::{ChargingState, TransactionPhase};
use ringmain_domain::session::{Session, SessionFlag, SessionStatus, fold};
use ringmain_domain::transaction::TransactionFact;
use ringmain_domain::unit::WattHours;

use crate::make::{event, fact, minute, session, session_with_states, station_id};

fn folded(facts: &[TransactionFact]) -> Session {
    fold(&TenantId::default_tenant(), &station_id(), facts).unwrap().session
}

fn check(facts: &[TransactionFact], expect: &str) {
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
fn late_facts_after_the_bill_do_not_bill_twice() {
    let all = session(&[(0, 0), (30, 5_000), (60, 9_000)]);
    let tenant = TenantId::default_tenant();
    let first = settle(fold(&tenant, &station_id(), &all).unwrap(), &all, None, None, minute(61));
    let cdr = first.cdr.unwrap();
    assert_eq!(cdr.energy, WattHours(9_000));
    let mut more = all.clone();
    more.push(fact(&event(9, TransactionPhase::Updated, minute(90), Some(12_000))));
    let again = settle(fold(&tenant, &station_id(), &more).unwrap(), &more, None, Some(&cdr), minute(91));
    assert!(again.cdr.is_none());
    assert_eq!(again.session.status, SessionStatus::UnderReview);
    assert!(again.session.flags.contains(&SessionFlag::LateFacts));
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Invariant `FoldIgnoresOrder`.
    #[test]
    fn any_order_and_repetition_gives_the_same_session(
        readings in readings(),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let facts = session(&readings);
        let truth = folded(&facts);
        prop_assert_eq!(truth.energy.0, readings[readings.len() - 1].1 - readings[0].1);
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

    /// The running figures of a session that comes in order are those of the fold.
    #[test]
    fn running_figures_agree_with_the_fold(readings in readings()) {
        let facts = session(&readings);
        let open = &facts[..facts.len() - 1];
        let mut running = Session::begin(&TenantId::default_tenant(), &station_id(), &open[0]).unwrap();
        for fact in &open[1..] {
            running = running.advance(fact);
        }
        let truth = folded(open);
        prop_assert_eq!(running.energy, truth.energy);
        prop_assert_eq!(running.charging_ms, truth.charging_ms);
        prop_assert_eq!(running.meter_last_wh, truth.meter_last_wh);
    }

    /// Invariant `EnergyNeverNegative`, whatever the meter does.
    #[test]
    fn energy_is_never_negative(values in prop::collection::vec((0_i64..600, -1_000_000_i64..1_000_000), 2..20)) {
        let facts = session(&values);
        prop_assert!(folded(&facts).energy >= WattHours::ZERO);
    }
}
