//! What field stations get wrong, and what the fold makes of it: standby, clocks, readings after the end, ends told twice.

use ringmain_domain::authorize::Authorization;
use ringmain_domain::id::TransactionId;
use ringmain_domain::meter::{Measurand, Sample, SampleContext};
use ringmain_domain::report::{ChargingState, MessageKey, TransactionPhase};
use ringmain_domain::ruling::{Ruling, Seen, of_contradiction, of_rivals};
use ringmain_domain::session::{Session, SessionStatus, fold};
use ringmain_domain::transaction::TransactionFact;

use crate::fold::check;
use crate::make::{event, fact, minute, ruled, session, session_with_states, station_id, token};

fn folded(facts: &[TransactionFact]) -> Session {
    fold(&ringmain_domain::id::TenantId::default_tenant(), &station_id(), facts).unwrap().session
}

/// The same messages under the keys of 1.6.
fn first_family(readings: &[(i64, i64)]) -> Vec<TransactionFact> {
    let mut facts = session(readings);
    for fact in &mut facts {
        fact.key = match fact.phase {
            TransactionPhase::Started => MessageKey::Start,
            TransactionPhase::Updated => {
                MessageKey::Meter { first_at: fact.observed_at.as_millis(), content: 0 }
            }
            TransactionPhase::Ended => MessageKey::Stop,
        };
    }
    facts
}

#[test]
fn standby_is_billed_as_energy_and_is_no_charging() {
    // Full at nine, gone at one, 12 W in between: a Wh every five minutes.
    let mut readings = vec![(0, 0), (60, 20_000)];
    readings.extend((1..=48).map(|step| (60 + 5 * step, 20_000 + step)));
    check(&session(&readings), "completed 20048 Wh charging 60 min parked 240 min");
    let suspended = [
        (0, 0, ChargingState::Charging),
        (60, 20_000, ChargingState::SuspendedEv),
        (300, 20_048, ChargingState::Idle),
    ];
    check(&session_with_states(&suspended), "completed 20048 Wh charging 60 min parked 240 min");
}

#[test]
fn a_stay_that_nobody_stays_is_looked_at() {
    check(&session(&[(0, 0), (45 * 1_440, 9_000)]), "completed 9000 Wh charging 0 min parked 64800 min");
    check(
        &session(&[(0, 0), (45 * 1_440 + 1, 9_000)]),
        "under_review 9000 Wh charging 0 min parked 64801 min ImplausibleDuration",
    );
}

#[test]
fn an_approval_holds_for_what_was_seen() {
    let mut facts = session(&[(0, 0), (30, 5_000), (60, 5_000)]);
    facts.truncate(2);
    facts.push(ruled(Ruling::Abandoned, 100));
    facts.push(ruled(Ruling::Approved { by: "ann".into(), note: "known driver".into(), seen: None }, 110));
    assert_eq!(folded(&facts).status, SessionStatus::Completed);
    let late = |wh| {
        let mut late = fact(&event(2, TransactionPhase::Updated, minute(31), Some(wh)));
        late.received_at = minute(120);
        late
    };
    facts.push(late(5_000));
    assert_eq!(
        folded(&facts).status,
        SessionStatus::UnderReview,
        "it ends later than the one that was approved"
    );
    facts.pop();
    facts.push(late(910_000));
    assert_eq!(folded(&facts).status, SessionStatus::UnderReview, "nobody looked at this");
    facts.push(ruled(Ruling::Approved { by: "ann".into(), note: "again".into(), seen: None }, 130));
    assert_eq!(folded(&facts).status, SessionStatus::Completed);
}

#[test]
fn an_approval_holds_for_what_the_person_looked_at_whenever_the_rest_was_received() {
    let mut facts = session(&[(0, 0), (30, 5_000), (60, 5_000)]);
    facts.truncate(2);
    facts.push(ruled(Ruling::Abandoned, 100));
    let approve = |facts: &[TransactionFact], at| {
        let seen = Some(Box::new(Seen::of(&folded(facts))));
        ruled(Ruling::Approved { by: "ann".into(), note: "known driver".into(), seen }, at)
    };
    facts.push(approve(&facts, 110));
    assert_eq!(folded(&facts).status, SessionStatus::Completed);
    // It was on its way through another node when the page was shown.
    let mut on_its_way = fact(&event(2, TransactionPhase::Updated, minute(31), Some(9_000)));
    on_its_way.received_at = minute(105);
    facts.push(on_its_way);
    assert_eq!(folded(&facts).status, SessionStatus::UnderReview, "nobody looked at this");
    facts.push(approve(&facts, 130));
    assert_eq!(folded(&facts).status, SessionStatus::Completed);
    // A doubt that came up since.
    let with = TransactionId::new("tx-2").unwrap();
    facts.push(ruled(Ruling::Overlaps { with }, 140));
    assert_eq!(folded(&facts).status, SessionStatus::UnderReview);
}

#[test]
fn a_voided_session_stays_void_whatever_comes() {
    let mut facts = session(&[(0, 0), (30, 5_000)]);
    facts.push(ruled(Ruling::Voided { by: "ann".into(), note: "test drive".into() }, 40));
    let mut late = fact(&event(7, TransactionPhase::Updated, minute(20), Some(4_000)));
    late.received_at = minute(60);
    facts.push(late);
    assert_eq!(folded(&facts).status, SessionStatus::Invalid);
}

#[test]
fn f10_what_the_meter_gains_after_the_end_is_not_billed() {
    let mut facts = session(&[(0, 0), (60, 5_000)]);
    facts.push(fact(&event(2, TransactionPhase::Ended, minute(65), Some(9_000))));
    check(&facts, "under_review 5000 Wh charging 60 min parked 0 min EnergyAfterEnd");
    // A reading that is taken a moment late is about the end.
    let mut facts = session(&[(0, 0), (60, 5_000)]);
    facts[1].samples.clear();
    let mut read = fact(&event(2, TransactionPhase::Updated, minute(60).plus_secs(20), Some(5_000)));
    read.samples[0].observed_at = minute(60).plus_secs(20);
    facts.push(read);
    check(&facts, "completed 5000 Wh charging 60 min parked 0 min");
}

#[test]
fn f20_one_register_tells_nothing_beside_intervals() {
    let mut facts = session(&[(0, 1_000), (15, 0), (30, 0), (45, 0), (60, 0)]);
    for fact in &mut facts[1..] {
        fact.samples[0].measurand = Measurand::EnergyImportInterval;
        fact.samples[0].value = 500;
    }
    check(&facts, "completed 2000 Wh charging 60 min parked 0 min");
}

#[test]
fn a_meter_value_after_the_stop_of_1_6_moves_nothing() {
    let mut facts = first_family(&[(0, 0), (30, 3_000), (75, 5_000), (60, 5_000)]);
    check(&facts, "completed 5000 Wh charging 60 min parked 0 min");
    // A later reading that shows less: the clock was set back before the stop, which stands last as ever.
    facts[2].samples[0].value = 4_000;
    check(&facts, "completed 5000 Wh charging 75 min parked 0 min TimeRepaired");
}

#[test]
fn f16_meter_values_whose_instants_cannot_be_read_stand_as_they_came() {
    let mut facts = first_family(&[(0, 0), (10, 1_000), (20, 2_000), (30, 3_000), (40, 4_000), (60, 6_000)]);
    // What the translation makes of texts: any instants before clocks were set. The domain took the time of receipt.
    for (fact, first_at) in facts[1..5].iter_mut().zip([900, 100, 700, 300]) {
        let MessageKey::Meter { content, .. } = fact.key else { panic!() };
        fact.key = MessageKey::Meter { first_at, content };
        fact.time_repaired = true;
    }
    check(&facts, "completed 6000 Wh charging 60 min parked 0 min TimeRepaired");
    facts.reverse();
    check(&facts, "completed 6000 Wh charging 60 min parked 0 min TimeRepaired");
}

#[test]
fn f07_an_end_that_tells_both_registers_tells_when_it_began_too() {
    let mut ended = fact(&event(9, TransactionPhase::Ended, minute(180), Some(9_000)));
    ended.samples.insert(0, Sample::import_register(minute(0), 1_000, SampleContext::TransactionBegin));
    let facts = [ended, ruled(Ruling::GraceOver, 2_000)];
    check(&facts, "completed 8000 Wh charging 180 min parked 0 min StartMissing");
    assert_eq!(folded(&facts).started_at, minute(0));
}

#[test]
fn f25_who_stops_decides_nothing_about_who_charges() {
    let mut facts = session(&[(0, 0), (10, 0)]);
    facts[0].authorization = Some(Authorization::Accepted);
    facts[1].authorization = Some(Authorization::Invalid);
    check(&facts, "completed 0 Wh charging 0 min parked 10 min");
    facts[0].authorization = Some(Authorization::Invalid);
    check(&facts, "invalid 0 Wh charging 0 min parked 10 min NotAuthorized");
}

#[test]
fn f25_another_token_in_the_middle_decides_nothing_about_who_charges() {
    let said = |first: (&str, Authorization), then: (&str, Authorization), trigger: &str| {
        let mut facts = session(&[(0, 0), (5, 0), (10, 0)]);
        for (fact, (uid, authorization)) in facts.iter_mut().zip([first, then]) {
            fact.token = Some(token(uid));
            fact.authorization = Some(authorization);
        }
        facts[1].trigger = trigger.into();
        let running =
            Session::begin(&ringmain_domain::id::TenantId::default_tenant(), &station_id(), &facts[0]);
        let running = running.unwrap().advance(&facts[1]);
        let folded = folded(&facts);
        assert_eq!(running.authorization, folded.authorization);
        assert_eq!(folded.token, Some(token(first.0)));
        (folded.authorization.unwrap(), folded.status)
    };
    let (yes, no) = (Authorization::Accepted, Authorization::Invalid);
    let (paid, free) = (SessionStatus::Completed, SessionStatus::Invalid);
    for (first, then, trigger, expect) in [
        (("A1", yes), ("B2", no), "Authorized", (yes, paid)),
        (("A1", yes), ("B2", no), "Deauthorized", (yes, paid)),
        (("A1", no), ("B2", yes), "Authorized", (no, free)),
        (("A1", yes), ("a1", no), "Authorized", (no, free)),
        (("A1", no), ("a1", yes), "Authorized", (yes, paid)),
        (("A1", yes), ("A1", no), "StopAuthorized", (yes, paid)),
    ] {
        assert_eq!(said(first, then, trigger), expect, "{first:?} {then:?} {trigger}");
    }
}

#[test]
fn f05_two_at_one_evse_at_one_time_are_told_apart() {
    let of = |transaction: &str, from: i64, to: Option<i64>| {
        let mut session = folded(&session(&[(from, 0), (to.unwrap_or(from + 1), 1_000)]));
        session.transaction = ringmain_domain::id::TransactionId::new(transaction).unwrap();
        session.ended_at = to.map(minute);
        session
    };
    let ruled = |other: &Session, session: &Session| {
        of_rivals(other, session).map(|(about, ruling)| format!("{about} {}", ruling.as_str()))
    };
    let overlaps = Some("own overlaps".to_owned());
    assert_eq!(ruled(&of("old", 0, None), &of("own", 60, None)), Some("old superseded".to_owned()));
    assert_eq!(ruled(&of("new", 60, None), &of("own", 0, None)), None, "out of a queue: its end will follow");
    assert_eq!(ruled(&of("new", 60, None), &of("own", 0, Some(90))), overlaps);
    assert_eq!(ruled(&of("new", 60, None), &of("own", 0, Some(61))), None, "they touch");
    assert_eq!(ruled(&of("old", 0, Some(120)), &of("own", 60, None)), overlaps, "billed before");
    assert_eq!(ruled(&of("old", 0, Some(120)), &of("own", 60, Some(90))), overlaps);
    assert_eq!(ruled(&of("old", 0, Some(60)), &of("own", 60, Some(90))), None);
    assert_eq!(ruled(&of("old", 0, None), &of("own", 0, None)), overlaps, "F04");
}

#[test]
fn f10_a_contradiction_matters_where_it_would_change_the_bill() {
    let open = folded(&session(&[(0, 0), (30, 5_000), (60, 9_000)])[..2]);
    let told = |phase, wh| fact(&event(1, phase, minute(40), wh));
    let ruling = |told: &TransactionFact| of_contradiction(&open, told);
    assert_eq!(ruling(&told(TransactionPhase::Updated, Some(5_000))), None, "a stamp of time, perhaps");
    assert_eq!(ruling(&told(TransactionPhase::Updated, None)), None);
    assert_eq!(ruling(&told(TransactionPhase::Updated, Some(5_001))), Some(Ruling::Contradicted));
    assert_eq!(ruling(&told(TransactionPhase::Ended, None)), Some(Ruling::Contradicted));
    let ended = folded(&session(&[(0, 0), (30, 5_000)]));
    assert_eq!(
        of_contradiction(&ended, &told(TransactionPhase::Ended, Some(9_000))),
        None,
        "the first one counts"
    );
    let mut facts = session(&[(0, 0), (30, 5_000)]);
    facts.push(ruled(Ruling::Contradicted, 40));
    check(&facts, "under_review 5000 Wh charging 30 min parked 0 min Contradicted");
}
