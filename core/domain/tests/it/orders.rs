//! Messages come late, twice, in any order and under the keys of every version: the bill that stands in the end is always the same.

use proptest::prelude::*;
use proptest::sample::Index;
use ringmain_domain::authorize::Authorization;
use ringmain_domain::cdr::Cdr;
use ringmain_domain::id::{CdrId, TenantId};
use ringmain_domain::report::{ChargingState, MessageKey, TransactionPhase};
use ringmain_domain::ruling::Ruling;
use ringmain_domain::session::fold;
use ringmain_domain::settlement::{BillingPolicy, Prices, Settlement, settle};
use ringmain_domain::tariff::Tariff;
use ringmain_domain::tariff::timeline::Timeline;
use ringmain_domain::time::local::Zone;
use ringmain_domain::transaction::{TransactionFact, samples_hash};
use rust_decimal::Decimal;
use serde_json::json;

use crate::make::{minute, ruled, session, station_id, token};
use crate::pricing::{always, tariff};

/// Under which keys the messages of a session come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keys {
    /// 2.x: numbers of the station.
    Numbers,
    /// 1.6: start, meter values by content, stop.
    Kinds,
    /// First by kind, then by number: of a station that was updated while it charged.
    KindsThenNumbers,
}

/// A reading: minutes since the one before, Wh since, what the station says it does.
type Step = (i64, i64, Option<ChargingState>);

/// Prices that hang on the clock, on pauses and on what was used before.
fn by_everything() -> Tariff {
    let mut tariff = tariff(&[
        ("energy 0.60", json!({"end_time": "09:00"})),
        ("flat 0.50, energy 0.45, parking_time 3", json!({"max_kwh": "6"})),
        ("energy 0.30, parking_time 6 step 60", always()),
    ]);
    tariff.idle_grace_s = 600;
    tariff
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let states = [ChargingState::Charging, ChargingState::SuspendedEv, ChargingState::Idle];
    let state = proptest::option::weighted(0.3, proptest::sample::select(states.to_vec()));
    let gain = prop_oneof![1 => Just(0_i64), 3 => 0..4_000_i64];
    prop::collection::vec((1..40_i64, gain, state), 2..8)
}

/// The messages of a session, with its token in one of them.
fn told(steps: &[Step], keys: Keys, turn: Index, holder: Index) -> Vec<TransactionFact> {
    let (mut at, mut register) = (0, 0);
    let mut readings = vec![(0, 0)];
    for (minutes, wh, _) in steps {
        (at, register) = (at + minutes, register + wh);
        readings.push((at, register));
    }
    let mut facts = session(&readings);
    for (fact, (_, _, state)) in facts.iter_mut().skip(1).zip(steps) {
        fact.charging_state = *state;
    }
    let by_kind = match keys {
        Keys::Numbers => 0,
        Keys::Kinds => facts.len(),
        Keys::KindsThenNumbers => turn.index(facts.len()),
    };
    for fact in &mut facts[..by_kind] {
        fact.key = key_of_kind(fact);
    }
    let place = holder.index(facts.len());
    (facts[place].token, facts[place].authorization) = (Some(token("A1")), Some(Authorization::Accepted));
    facts
}

fn key_of_kind(fact: &TransactionFact) -> MessageKey {
    let (first_at, content) = (fact.observed_at.as_millis(), samples_hash(&fact.samples));
    match fact.phase {
        TransactionPhase::Started => MessageKey::Start,
        TransactionPhase::Updated => MessageKey::Meter { first_at, content },
        TransactionPhase::Ended => MessageKey::Stop,
    }
}

fn settled(facts: &[TransactionFact], tariff: &Tariff, billed: Option<&Cdr>) -> Option<Settlement> {
    let folded = fold(&TenantId::default_tenant(), &station_id(), facts)?;
    let prices = Prices { tariffs: Timeline::single(tariff), zone: &Zone::UTC };
    Some(settle(folded, facts, Some(&prices), billed, &BillingPolicy::default(), minute(1_000)))
}

/// The messages in an order that is drawn for them, some of them again.
fn arrivals(facts: &[TransactionFact], again: &[Index], order: &[u32]) -> Vec<TransactionFact> {
    let all = facts.iter().chain(again.iter().map(|index| index.get(facts)));
    let mut drawn: Vec<_> = all.zip(order).collect();
    drawn.sort_by_key(|(_, place)| **place);
    drawn.into_iter().map(|(fact, _)| fact.clone()).collect()
}

fn total(cdr: &Cdr) -> Decimal {
    cdr.breakdown.as_ref().unwrap().total.incl_tax
}

/// The records of a session whose messages come one by one, each settled before the next; waiting ends with one of them.
fn records_of(arrivals: &[TransactionFact], tariff: &Tariff, over: usize) -> Vec<Cdr> {
    let (mut known, mut cdrs) = (Vec::new(), Vec::<Cdr>::new());
    for (index, fact) in arrivals.iter().enumerate() {
        let is_repeat = known.contains(fact);
        known.push(fact.clone());
        if index == over {
            known.push(ruled(Ruling::GraceOver, 1_000));
        }
        let settled = settled(&known, tariff, cdrs.last()).unwrap();
        assert!(!is_repeat || index == over || settled.cdrs.is_empty(), "a repeat bills nothing");
        cdrs.extend(settled.cdrs);
    }
    cdrs
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    /// Invariant `FoldIgnoresOrder`, up to the bill: whatever comes when, under whatever key and however often, and whenever waiting ends.
    #[test]
    fn any_order_of_arrival_ends_in_the_same_bill(
        steps in steps(),
        keys in prop_oneof![Just(Keys::Numbers), Just(Keys::Kinds), Just(Keys::KindsThenNumbers)],
        turn in any::<Index>(),
        holder in any::<Index>(),
        again in prop::collection::vec(any::<Index>(), 0..6),
        order in prop::collection::vec(any::<u32>(), 16),
        over in any::<Index>(),
        contradicted in proptest::option::of((any::<Index>(), 0..9_000_i64)),
    ) {
        let tariff = by_everything();
        let mut facts = told(&steps, keys, turn, holder);
        for (fact, place) in facts.iter_mut().zip(&order) {
            fact.received_at = minute(i64::from(place % 1_000));
        }
        facts.push(ruled(Ruling::GraceOver, 1_000));
        let truth = settled(&facts, &tariff, None).unwrap().cdrs.remove(0);
        prop_assert_eq!(truth.id, CdrId::derive(truth.session_id, 0));

        // All at once: the very same record.
        let mixed = arrivals(&facts, &again, &order);
        let at_once = settled(&mixed, &tariff, None).unwrap().cdrs;
        prop_assert_eq!(at_once.as_slice(), std::slice::from_ref(&truth));

        // One by one, with bills in between.
        facts.pop();
        let mixed = arrivals(&facts, &again, &order);
        let cdrs = records_of(&mixed, &tariff, over.index(mixed.len()));
        let last = cdrs.last().unwrap();
        prop_assert!(last.credits.is_none());
        prop_assert_eq!(last.id, CdrId::derive(truth.session_id, last.revision));
        prop_assert_eq!(&last.breakdown, &truth.breakdown);
        prop_assert_eq!(&last.token, &truth.token);
        prop_assert_eq!((last.energy, last.started_at, last.ended_at), (truth.energy, truth.started_at, truth.ended_at));
        prop_assert_eq!(cdrs.iter().map(total).sum::<Decimal>(), total(&truth), "credits take back what they credit");

        // Two messages under one key: whichever counts, it does in every order.
        if let Some((index, wh)) = contradicted {
            let mut other = index.get(&facts).clone();
            other.samples[0].value = wh;
            other.content = format!("{wh:032x}").into();
            facts.push(other);
            let mixed = arrivals(&facts, &again, &order);
            prop_assert_eq!(settled(&mixed, &tariff, None), settled(&facts, &tariff, None));
        }
    }
}
