//! When a session is billed, what the bill waits for, and how it is taken back.

use ringmain_domain::cdr::Cdr;
use ringmain_domain::id::{TariffId, TenantId, TransactionId};
use ringmain_domain::meter::{Sample, SampleContext};
use ringmain_domain::money::Currency;
use ringmain_domain::report::{ChargingState, MessageKey, TransactionPhase};
use ringmain_domain::ruling::{Ruling, Seen};
use ringmain_domain::session::plausible::Demands;
use ringmain_domain::session::{Session, SessionFlag, SessionStatus, fold};
use ringmain_domain::settlement::{BillingPolicy, Prices, Settlement, estimate, settle};
use ringmain_domain::tariff::restriction::Restrictions;
use ringmain_domain::tariff::timeline::Timeline;
use ringmain_domain::tariff::{Dimension, PriceComponent, Tariff, TariffElement};
use ringmain_domain::time::local::{TimeOfDay, Zone};
use ringmain_domain::transaction::TransactionFact;
use ringmain_domain::unit::WattHours;
use rust_decimal::Decimal;

use crate::make::{MORNING, event, fact, minute, ruled, session, station_id, token};

const POLICY: BillingPolicy = BillingPolicy { gap_grace_s: 60, start_grace_s: 3_600 };

fn settled(facts: &[TransactionFact], billed: Option<&Cdr>, at: i64) -> Settlement {
    let folded = fold(&TenantId::default_tenant(), &station_id(), facts).unwrap();
    let tariff = tariff();
    let prices = Prices { tariffs: Timeline::single(&tariff), zone: &Zone::UTC };
    settle(folded, facts, Some(&prices), billed, &POLICY, minute(at))
}

/// Half a euro for a kWh.
fn tariff() -> Tariff {
    let component = PriceComponent {
        dimension: Dimension::Energy,
        price: "0.50".parse().unwrap(),
        tax_percent: None,
        step_size: 1,
    };
    let elements = vec![TariffElement::new(vec![component])];
    let (id, currency) = (TariffId::new("t").unwrap(), Currency::new("EUR").unwrap());
    Tariff::new(TenantId::default_tenant(), id, "test", currency, elements, MORNING)
}

fn billed(settlement: &Settlement) -> Vec<String> {
    let of = |cdr: &Cdr| {
        let total = cdr.breakdown.as_ref().map_or_else(String::new, |b| b.total.incl_tax.to_string());
        let credits = if cdr.credits.is_some() { " credit" } else { "" };
        format!("{}: {} {total}{credits}", cdr.revision, cdr.energy)
    };
    settlement.cdrs.iter().map(of).collect()
}

fn whole() -> Vec<TransactionFact> {
    session(&[(0, 0), (30, 5_000), (60, 9_000)])
}

#[test]
fn a_whole_session_is_billed_at_once_and_once() {
    let first = settled(&whole(), None, 61);
    assert_eq!(billed(&first), ["0: 9000 Wh 4.50"]);
    let again = settled(&whole(), first.cdrs.first(), 90);
    assert_eq!(billed(&again), [""; 0]);
    assert_eq!(again.session.status, SessionStatus::Completed);
}

#[test]
fn f08_a_gap_is_waited_for_and_then_billed_by_the_registers() {
    let mut facts = whole();
    facts.remove(1);
    let waiting = settled(&facts, None, 60);
    assert_eq!(billed(&waiting), [""; 0]);
    assert_eq!(waiting.session.settles_at, Some(minute(61)));
    assert_eq!(waiting.session.status, SessionStatus::Completed);
    facts.push(ruled(Ruling::GraceOver, 61));
    let over = settled(&facts, None, 61);
    assert_eq!(billed(&over), ["0: 9000 Wh 4.50"]);
    assert_eq!(over.session.settles_at, None);
    assert_eq!(over.session.flags, [SessionFlag::Incomplete]);
}

/// Another price from 09:00 on: the split over time matters.
fn two_windows() -> Tariff {
    let of = |price: &str, restrictions| TariffElement {
        restrictions,
        ..TariffElement::new(vec![PriceComponent {
            dimension: Dimension::Energy,
            price: price.parse().unwrap(),
            tax_percent: None,
            step_size: 1,
        }])
    };
    let until_nine = Restrictions { end_time: TimeOfDay::new(9, 0), ..Restrictions::default() };
    let elements = vec![of("0.60", until_nine), of("0.30", Restrictions::default())];
    let (id, currency) = (TariffId::new("t").unwrap(), Currency::new("EUR").unwrap());
    Tariff::new(TenantId::default_tenant(), id, "test", currency, elements, MORNING)
}

#[test]
fn f13_what_comes_late_piece_by_piece_is_one_correction() {
    let all = session(&[(0, 0), (40, 1_000), (60, 6_000), (80, 7_000), (120, 9_000)]);
    // In its second half energy costs less: each late reading moves some of it.
    let tariff = two_windows();
    let settled = |facts: &[TransactionFact], billed: Option<&Cdr>, at: i64| {
        let folded = fold(&TenantId::default_tenant(), &station_id(), facts).unwrap();
        let prices = Prices { tariffs: Timeline::single(&tariff), zone: &Zone::UTC };
        settle(folded, facts, Some(&prices), billed, &POLICY, minute(at))
    };
    let mut facts = vec![all[0].clone(), all[4].clone(), ruled(Ruling::GraceOver, 121)];
    let first = settled(&facts, None, 121);
    assert_eq!(billed(&first), ["0: 9000 Wh 4.05"]);
    let standing = first.cdrs.first();
    for (late, at) in [(1, 130), (2, 131)] {
        facts.push(TransactionFact { received_at: minute(at), ..all[late].clone() });
        let waiting = settled(&facts, standing, at);
        assert_eq!(billed(&waiting), [""; 0], "more may follow");
        assert_eq!(waiting.session.settles_at, Some(minute(at + 1)));
        assert_eq!(waiting.session.cost, first.session.cost, "the bill stands until then");
    }
    facts.push(ruled(Ruling::GraceOver, 132));
    let corrected = settled(&facts, standing, 132);
    assert_eq!(billed(&corrected), ["1: 9000 Wh -4.05 credit", "2: 9000 Wh 4.50"]);
    assert_eq!(corrected.session.settles_at, None);
    assert!(corrected.session.flags.contains(&SessionFlag::LateFacts));
    // The last that was missing: nothing more can follow, so it counts at once.
    let mut last = TransactionFact { received_at: minute(140), ..all[3].clone() };
    last.samples[0].value = 6_500;
    last.samples[0].observed_at = minute(50);
    last.observed_at = minute(50);
    facts.push(last);
    let whole = settled(&facts, corrected.cdrs.last(), 140);
    assert_eq!(whole.session.settles_at, None);
}

#[test]
fn f13_a_correction_does_not_wait_for_ever_for_a_station_that_never_stops() {
    let all = session(&[(0, 0), (40, 1_000), (60, 6_000), (80, 7_000), (120, 9_000)]);
    let mut facts = vec![all[0].clone(), all[4].clone(), ruled(Ruling::GraceOver, 121)];
    let first = settled(&facts, None, 121);
    for (late, at, due) in [(1, 130, 131), (2, 145, 140)] {
        let mut piece = TransactionFact { received_at: minute(at), ..all[late].clone() };
        // Each names another driver's card than the bill: who pays changes.
        piece.token = Some(token("B2"));
        facts.push(piece);
        let waiting = settled(&facts, first.cdrs.first(), at);
        assert_eq!(waiting.session.settles_at, Some(minute(due)), "ten graces after the first at the latest");
    }
}

#[test]
fn an_approval_overlooks_only_the_doubts_that_were_seen() {
    let mut facts = session(&[(0, 0), (45, 8_000), (60, 8_000)]);
    facts[0].charging_state = Some(ChargingState::Charging);
    facts[1].charging_state = Some(ChargingState::SuspendedEv);
    facts[2].samples.clear();
    facts[2].key = MessageKey::Sequence(3);
    facts.push(ruled(Ruling::Overlaps { with: TransactionId::new("tx-2").unwrap() }, 61));
    let seen = settled(&facts, None, 62).session;
    assert_eq!(seen.flags, [SessionFlag::Incomplete, SessionFlag::Overlap]);
    let approved = |seen: &Session, at| {
        let seen = Some(Box::new(Seen::of(seen)));
        ruled(Ruling::Approved { by: "ann".into(), note: "checked".into(), seen }, at)
    };
    facts.push(approved(&seen, 63));
    assert_eq!(settled(&facts, None, 63).session.status, SessionStatus::Completed);
    // It charged on, where nothing was read.
    let mut late = fact(&event(2, TransactionPhase::Updated, minute(50), None));
    late.charging_state = Some(ChargingState::Charging);
    late.received_at = minute(90);
    facts.push(late);
    let held = settled(&facts, None, 90).session;
    assert!(held.flags.contains(&SessionFlag::ReadingsFallShort));
    assert_eq!(held.status, SessionStatus::UnderReview);
    facts.push(approved(&held, 91));
    assert_eq!(settled(&facts, None, 91).session.status, SessionStatus::Completed);
}

#[test]
fn f08_a_station_with_a_queue_is_waited_for_longer() {
    let mut facts = whole();
    facts.remove(1);
    facts.push(ruled(Ruling::Queued { until: minute(500) }, 61));
    assert_eq!(settled(&facts, None, 61).session.settles_at, Some(minute(500)));
}

#[test]
fn f08_a_gap_that_is_filled_in_time_is_billed_at_once() {
    let facts = whole();
    let gap = [facts[0].clone(), facts[2].clone()];
    assert!(settled(&gap, None, 60).cdrs.is_empty());
    let filled = [facts[0].clone(), facts[2].clone(), facts[1].clone()];
    let settlement = settled(&filled, None, 61);
    assert_eq!(billed(&settlement), ["0: 9000 Wh 4.50"]);
    assert!(settlement.session.flags.is_empty());
}

#[test]
fn f07_an_end_without_a_start_waits_and_is_billed_by_its_own_registers() {
    let mut end = whole().remove(2);
    assert_eq!(settled(std::slice::from_ref(&end), None, 61).session.settles_at, Some(minute(120)));
    let facts = [end.clone(), ruled(Ruling::GraceOver, 120)];
    let one_register = settled(&facts, None, 120);
    assert_eq!(billed(&one_register), [""; 0], "nobody knows where the register stood at the start");
    assert_eq!(one_register.session.status, SessionStatus::UnderReview);
    end.samples.push(Sample::import_register(minute(0), 1_000, SampleContext::TransactionBegin));
    assert_eq!(settled(std::slice::from_ref(&end), None, 61).session.status, SessionStatus::UnderReview);
    let both = settled(&[end, ruled(Ruling::GraceOver, 120)], None, 120);
    assert_eq!(billed(&both), ["0: 8000 Wh 4.00"]);
}

#[test]
fn f11_updates_alone_are_never_billed() {
    let facts = [whole().remove(1), ruled(Ruling::Abandoned, 10_000), ruled(Ruling::GraceOver, 10_000)];
    let settlement = settled(&facts, None, 10_000);
    assert_eq!(billed(&settlement), [""; 0]);
    assert_eq!(settlement.session.status, SessionStatus::UnderReview);
}

#[test]
fn f13_a_late_end_takes_the_forced_bill_back() {
    let mut facts = whole();
    let end = facts.pop().unwrap();
    facts.push(ruled(Ruling::Abandoned, 10_000));
    facts.push(ruled(Ruling::Approved { by: "ann".into(), note: "known driver".into(), seen: None }, 10_001));
    let forced = settled(&facts, None, 10_001);
    assert_eq!(billed(&forced), ["0: 5000 Wh 2.50"]);
    facts.push(end);
    let corrected = settled(&facts, forced.cdrs.first(), 20_000);
    assert_eq!(billed(&corrected), ["1: 5000 Wh -2.50 credit", "2: 9000 Wh 4.50"]);
    assert_eq!(corrected.cdrs[0].credits, Some(forced.cdrs[0].id));
    assert!(corrected.session.flags.contains(&SessionFlag::LateFacts));
    assert!(billed(&settled(&facts, corrected.cdrs.last(), 20_001)).is_empty(), "and once only");
}

#[test]
fn late_facts_that_cannot_be_true_leave_the_bill_to_a_person() {
    let mut facts = whole();
    let first = settled(&facts, None, 61);
    facts.push(fact(&event(9, TransactionPhase::Updated, minute(61), Some(900_000))));
    let doubtful = settled(&facts, first.cdrs.first(), 62);
    assert!(doubtful.cdrs.is_empty());
    assert_eq!(doubtful.session.status, SessionStatus::UnderReview);
    assert_eq!(doubtful.session.cost.unwrap().incl_tax.to_string(), "4.50", "what was billed stands");
}

#[test]
fn a_voided_session_is_credited_and_may_be_billed_again() {
    let mut facts = whole();
    let first = settled(&facts, None, 61);
    facts.push(ruled(Ruling::Voided { by: "ann".into(), note: "cable was broken".into() }, 70));
    let voided = settled(&facts, first.cdrs.first(), 70);
    assert_eq!(billed(&voided), ["1: 9000 Wh -4.50 credit"]);
    assert_eq!((voided.session.status, voided.session.cost), (SessionStatus::Invalid, None));
    facts.push(ruled(Ruling::Approved { by: "bob".into(), note: "it was not".into(), seen: None }, 80));
    let again = settled(&facts, voided.cdrs.first(), 80);
    assert_eq!(billed(&again), ["2: 9000 Wh 4.50"]);
}

#[test]
fn a_voided_session_that_was_never_billed_stays_so() {
    let mut facts = session(&[(0, 0), (30, 910_000)]);
    assert_eq!(settled(&facts, None, 31).session.status, SessionStatus::UnderReview);
    facts.push(ruled(Ruling::Voided { by: "ann".into(), note: "".into() }, 40));
    assert!(settled(&facts, None, 40).cdrs.is_empty());
}

#[test]
fn a_record_carries_no_more_stretches_than_it_may() {
    let readings: Vec<_> = (0..3_000).map(|minute| (minute, (minute / 2) * 100)).collect();
    let settlement = settled(&session(&readings), None, 3_001);
    let cdr = &settlement.cdrs[0];
    assert!((500..=1_000).contains(&cdr.segments.len()), "{}", cdr.segments.len());
    let sum = cdr.segments.iter().fold(WattHours::ZERO, |sum, segment| sum.plus(segment.energy));
    assert_eq!(sum, cdr.energy);
    assert!(cdr.segments.iter().zip(&cdr.segments[1..]).all(|(a, b)| a.to == b.from));
    assert_eq!(fold(&TenantId::default_tenant(), &station_id(), &[]), None, "nothing said, nothing billed");
}

#[test]
fn f19_more_than_the_evse_can_give_waits_for_a_person() {
    // 9 kWh in an hour, the most in half of it 5 kWh: 10 kW.
    let held = |max_power_w| {
        let folded = fold(&TenantId::default_tenant(), &station_id(), &whole()).unwrap();
        folded.held_to(Demands { max_power_w, proof: false }).session.status
    };
    assert_eq!(held(None), SessionStatus::Completed);
    assert_eq!(held(Some(10_000)), SessionStatus::Completed);
    assert_eq!(held(Some(8_800)), SessionStatus::Completed, "a minute of slack and a tenth");
    assert_eq!(held(Some(8_700)), SessionStatus::UnderReview);
    let mut facts = whole();
    facts.push(ruled(Ruling::Approved { by: "ann".into(), note: "checked".into(), seen: None }, 61));
    let folded = fold(&TenantId::default_tenant(), &station_id(), &facts)
        .unwrap()
        .held_to(Demands { max_power_w: Some(1_000), proof: false });
    assert_eq!(folded.session.status, SessionStatus::Completed, "a person has ruled");
    assert_eq!(folded.session.flags, [SessionFlag::ImplausibleEnergy]);
}

#[test]
fn a_session_of_no_length_and_one_that_just_began_cost_what_the_tariff_says_then() {
    let fee = |amount: &str, currency: &str| {
        let mut tariff = tariff();
        tariff.currency = Currency::new(currency).unwrap();
        tariff.elements[0].components[0].dimension = Dimension::Flat;
        tariff.elements[0].components[0].price = amount.parse().unwrap();
        tariff
    };
    let (old, new) = (fee("1.00", "EUR"), fee("0", "CHF"));
    let versions = [(minute(-500_000), &old), (minute(-1_000), &new)];
    let prices = Prices { tariffs: Timeline::new(versions).unwrap(), zone: &Zone::UTC };
    let cost = |session: Session| format!("{} {}", session.currency.unwrap(), session.cost.unwrap().incl_tax);
    let facts = session(&[(0, 1_000), (0, 1_000)]);
    let folded = fold(&TenantId::default_tenant(), &station_id(), &facts).unwrap();
    let over = settle(folded, &facts, Some(&prices), None, &POLICY, minute(1));
    assert_eq!(over.cdrs[0].breakdown.as_ref().unwrap().total.incl_tax, Decimal::ZERO);
    assert_eq!(cost(over.session), "CHF 0.00");
    let began = &facts[..1];
    let folded = fold(&TenantId::default_tenant(), &station_id(), began).unwrap();
    let running = settle(folded, began, Some(&prices), None, &POLICY, minute(0)).session;
    assert_eq!(cost(estimate(running.clone(), Some(&prices))), "CHF 0.00");
    assert_eq!(cost(running), "CHF 0.00");
}

#[test]
fn readings_that_do_not_reach_start_or_end_wait_for_a_person_where_energy_can_have_flowed() {
    use ChargingState::{Charging, EvConnected, SuspendedEv};
    /// From 08:00 to 09:00: registers by minute, states by minute.
    type Told<'a> = (&'a str, &'a [(i64, i64)], &'a [(i64, ChargingState)], bool);
    let told: [Told<'_>; 20] = [
        ("11 kW, read in the middle only", &[(15, 2_750), (45, 8_250)], &[], true),
        ("no reading at the start", &[(15, 2_750), (60, 11_000)], &[], true),
        ("no reading at the end", &[(0, 0), (45, 8_250)], &[], true),
        ("a minute late and a minute early", &[(1, 180), (59, 10_820)], &[], false),
        ("two minutes early", &[(0, 0), (58, 10_640)], &[], true),
        ("full at 08:30", &[(0, 0), (30, 5_500), (35, 5_500), (40, 5_500)], &[], false),
        ("full, and standby", &[(0, 0), (30, 5_500), (35, 5_501), (45, 5_502)], &[], false),
        ("coarse steps go on", &[(0, 0), (50, 1_200), (54, 1_300), (55, 1_300)], &[], true),
        ("began later", &[(10, 0), (20, 0), (60, 7_000)], &[], false),
        ("no energy at all", &[(10, 500), (20, 500)], &[(0, Charging)], false),
        ("says it charges", &[(15, 2_750), (60, 11_000)], &[(0, Charging)], true),
        (
            "says it began with the reading",
            &[(15, 0), (60, 9_000)],
            &[(0, EvConnected), (15, Charging)],
            false,
        ),
        (
            "says it began before the reading",
            &[(15, 0), (60, 9_000)],
            &[(0, EvConnected), (10, Charging)],
            true,
        ),
        ("says nothing until the reading", &[(15, 0), (60, 9_000)], &[(15, Charging)], true),
        ("never says that it charges", &[(15, 0), (60, 9_000)], &[(0, EvConnected)], true),
        ("stopped with the last reading", &[(0, 0), (45, 8_000)], &[(0, Charging), (45, SuspendedEv)], false),
        ("stopped after the last reading", &[(0, 0), (45, 8_000)], &[(0, Charging), (50, SuspendedEv)], true),
        (
            "went on after a pause",
            &[(0, 0), (30, 5_000), (40, 5_000)],
            &[(0, Charging), (30, SuspendedEv), (45, Charging)],
            true,
        ),
        ("full, and still said to charge", &[(0, 0), (30, 5_500), (45, 5_500)], &[(0, Charging)], false),
        ("read after the end", &[(0, 0), (61, 11_000)], &[], false),
    ];
    for (name, registers, states, held) in told {
        let mut facts: Vec<_> = (0..=61)
            .map(|at| event(u32::try_from(at).unwrap(), TransactionPhase::Updated, minute(at), None))
            .collect();
        facts[0].phase = TransactionPhase::Started;
        facts[60].phase = TransactionPhase::Ended;
        for (at, wh) in registers {
            let at = usize::try_from(*at).unwrap();
            facts[at].samples =
                vec![Sample::import_register(facts[at].observed_at, *wh, SampleContext::Periodic)];
        }
        for (at, state) in states {
            facts[usize::try_from(*at).unwrap()].charging_state = Some(*state);
        }
        let facts: Vec<_> = facts.iter().map(fact).collect();
        let settled = settled(&facts, None, 100);
        let doubts: &[_] = if held { &[SessionFlag::ReadingsFallShort] } else { &[] };
        assert_eq!(settled.session.flags, doubts, "{name}");
        assert_eq!(settled.cdrs.is_empty(), held, "{name}");
        let folded = fold(&TenantId::default_tenant(), &station_id(), &facts).unwrap();
        assert_eq!(settle(folded, &facts, None, None, &POLICY, minute(100)).cdrs.len(), 1, "{name}: free");
    }
}
