//! The owner's side of the ledger, input by input. What it promises in time and in trees is in `simulation.rs`.

use std::collections::VecDeque;

use ringmain_domain::id::{Epoch, GrantSeq, TransactionId};
use ringmain_domain::load::ledger::account::{Account, Fallback};
use ringmain_domain::load::ledger::conduct::Conduct;
use ringmain_domain::load::ledger::row::Row;
use ringmain_domain::load::ledger::steering::input::{Alarm, Arrival, Effect, EvseInput, Input, StoreAnswer};
use ringmain_domain::load::ledger::steering::{Outlet, Pace, SteeringState};
use ringmain_domain::load::ledger::{Change, Ledger, Proposal, Refusal, Verdict};
use ringmain_domain::time::Timestamp;
use ringmain_domain::unit::Milliamps;

mod clocks;

const FALLBACK: Milliamps = Milliamps(6_000);

fn rows(evses: usize) -> Vec<Row> {
    vec![Row { limit: 1_000_000, users: (0..evses).map(|slot| (slot, 1)).collect() }]
}

fn site(evses: usize) -> (SteeringState, Ledger) {
    let outlet =
        Outlet { conduct: Conduct::default(), minimum: FALLBACK, step: Milliamps(100), fallback: FALLBACK };
    site_of(outlet, evses)
}

fn site_of(outlet: Outlet, evses: usize) -> (SteeringState, Ledger) {
    let accounts = vec![Account::with_fallback(Milliamps(32_000), outlet.fallback); evses];
    let ledger = Ledger { owner: Epoch(1), accounts };
    (SteeringState::new(Epoch(1), Pace::default(), &vec![outlet; evses], rows(evses)), ledger)
}

/// One EVSE, its owner and a store that does at once what it is asked.
struct One {
    owner: SteeringState,
    ledger: Ledger,
}

// === impl One ===

impl One {
    /// With a car that has nothing yet.
    fn begun((owner, ledger): (SteeringState, Ledger)) -> Self {
        let mut one = Self { owner, ledger };
        let loaded = Box::new(one.ledger.clone());
        one.hear(0, Input::Loaded(loaded));
        one.evse(0, EvseInput::Connected { connection: Epoch(7), arrival: Arrival::Found });
        one.evse(0, EvseInput::Started(transaction("1")));
        one
    }

    /// Charging, with 16 A sent.
    fn sent() -> Self {
        let mut one = Self::begun(site(1));
        let sent = one.hear(0, Input::Plan(vec![Milliamps(16_000)]));
        assert!(matches!(sent[..], [Effect::Send { .. }]), "{sent:?}");
        one
    }

    fn evse(&mut self, at_s: i64, input: EvseInput) -> Vec<Effect> {
        self.hear(at_s, Input::Evse(0, input))
    }

    /// What is to be done outside the store.
    fn hear(&mut self, at_s: i64, input: Input) -> Vec<Effect> {
        self.hear_at(Timestamp::from_millis(at_s * 1_000), input)
    }

    fn hear_at(&mut self, now: Timestamp, input: Input) -> Vec<Effect> {
        let mut waiting = VecDeque::from(self.owner.apply(now, input));
        let mut others = Vec::new();
        while let Some(effect) = waiting.pop_front() {
            let Effect::Write { slot, change } = effect else {
                others.push(effect);
                continue;
            };
            let verdict = self.ledger.transact(&rows(1), Epoch(1), &change);
            assert!(matches!(verdict, Verdict::Written { .. }), "{change:?}: {verdict:?}");
            let Verdict::Written { opened } = verdict else { return others };
            let account = Box::new(self.ledger.accounts[slot].clone());
            let stored = Input::Stored(slot, StoreAnswer::Written { account, opened });
            waiting.extend(self.owner.apply(now, stored));
        }
        others
    }

    fn ceiling(&self) -> Milliamps {
        self.ledger.accounts[0].ceiling()
    }
}

fn transaction(id: &str) -> TransactionId {
    TransactionId::new(id).unwrap()
}

fn count(effects: &[Effect], wanted: fn(&Effect) -> bool) -> usize {
    effects.iter().filter(|effect| wanted(effect)).count()
}

const fn is_write(effect: &Effect) -> bool {
    matches!(effect, Effect::Write { .. })
}

const fn is_load(effect: &Effect) -> bool {
    matches!(effect, Effect::Load)
}

#[test]
fn many_refusals_ask_for_one_reading() {
    const EVSES: usize = 20;
    let now = Timestamp::from_millis(0);
    let (mut owner, ledger) = site(EVSES);
    owner.apply(now, Input::Loaded(Box::new(ledger.clone())));
    for slot in 0..EVSES {
        let arrival = EvseInput::Connected { connection: Epoch(7), arrival: Arrival::Found };
        owner.apply(now, Input::Evse(slot, arrival));
        let started = EvseInput::Started(transaction(&slot.to_string()));
        owner.apply(now, Input::Evse(slot, started));
    }
    let raises = owner.apply(now, Input::Plan(vec![Milliamps(16_000); EVSES]));
    assert_eq!(count(&raises, is_write), EVSES);
    let mut loads = 0;
    for slot in 0..EVSES {
        let refused = StoreAnswer::Refused(Refusal::Moved { last: GrantSeq(1) });
        let effects = owner.apply(now, Input::Stored(slot, refused));
        assert_eq!(count(&effects, is_write), 0, "nothing is written before the ledger is read");
        loads += count(&effects, is_load);
    }
    assert_eq!(loads, 1);
    // And once it is read, each raise is made once, as soon as its pace allows.
    owner.apply(now, Input::Loaded(Box::new(ledger)));
    let raises = owner.apply(now.plus_millis(10_000), Input::Tick);
    assert_eq!(count(&raises, is_write), EVSES);
    let lost = owner.apply(now, Input::Stored(0, StoreAnswer::WriteLost));
    assert_eq!(count(&lost, is_load), 1, "the next doubt asks again");
}

/// Seed 273: the guard was over when the owner heard of the end, and the transaction had ended before the station obeyed. A careless one
/// keeps such a profile for its next transaction.
#[test]
fn an_end_that_is_told_late_frees_nothing_by_itself() {
    let mut one = One::sent();
    one.evse(1, EvseInput::Accepted(GrantSeq(1)));
    // The transaction ends at 20 s, the profile comes into force at 30 s, the guard is over at 41 s.
    one.evse(10, EvseInput::Disconnected { connection: Epoch(7) });
    one.hear(41, Input::Tick);
    let back = one.evse(60, EvseInput::Connected { connection: Epoch(8), arrival: Arrival::Reconnected });
    assert_eq!(back, [Effect::ReadBack { slot: 0 }]);
    one.evse(60, EvseInput::Ended(transaction("1")));
    let asked = one.evse(61, EvseInput::ReadBack { grant: None, fallback: Some(FALLBACK) });
    assert_eq!(asked, [Effect::Clear { slot: 0, through: GrantSeq(1) }]);
    one.hear(200, Input::Tick);
    assert_eq!(one.ceiling(), Milliamps(16_000));
    one.evse(201, EvseInput::Cleared);
    one.hear(240, Input::Tick);
    assert_eq!(one.ceiling(), Milliamps(16_000), "its guard runs");
    one.hear(241, Input::Tick);
    assert_eq!(one.ceiling(), FALLBACK);
}

/// What was to be issued again has closed meanwhile: nothing stands in the way of a raise.
#[test]
fn a_doubt_ends_with_the_last_open_grant() {
    let mut one = One::sent();
    one.evse(1, EvseInput::Accepted(GrantSeq(1)));
    one.evse(50, EvseInput::Ended(transaction("1")));
    one.evse(51, EvseInput::Cleared);
    // The next car comes while the guard runs; the grant of the one before goes another way.
    one.evse(60, EvseInput::Disconnected { connection: Epoch(7) });
    one.evse(61, EvseInput::Connected { connection: Epoch(8), arrival: Arrival::Reconnected });
    let closed = one.ledger.transact(&[], Epoch(1), &Change::Release { slot: 0, through: GrantSeq(1) });
    assert_eq!(closed, Verdict::Written { opened: None });
    let loaded = Box::new(one.ledger.clone());
    one.hear(62, Input::Loaded(loaded));
    one.evse(63, EvseInput::CallFailed);
    one.evse(70, EvseInput::Started(transaction("2")));
    let sent = one.hear(120, Input::Plan(vec![Milliamps(16_000)]));
    assert_eq!(count(&sent, |effect| matches!(effect, Effect::Send { .. })), 1, "{sent:?}");
}

fn measured(current: i64, taken_at_s: i64) -> EvseInput {
    let (current, taken_at) = (Milliamps(current), Timestamp::from_millis(taken_at_s * 1_000));
    EvseInput::Measured { least: current, most: current, taken_at }
}

const fn is_alarm(effect: &Effect) -> bool {
    matches!(effect, Effect::Alarm(_))
}

/// What a station drew before it was told to draw less, and what comes late, is not held against it.
#[test]
fn a_station_is_judged_by_what_it_was_allowed_when_the_sample_was_taken() {
    let mut one = One::sent();
    one.evse(1, EvseInput::Accepted(GrantSeq(1)));
    one.hear(60, Input::Plan(vec![Milliamps(8_000)]));
    one.evse(61, EvseInput::Accepted(GrantSeq(2)));
    one.hear(101, Input::Tick);
    assert_eq!(one.ceiling(), Milliamps(8_000));
    for taken_at_s in [70, 80, 90] {
        assert_eq!(one.evse(110 + taken_at_s, measured(16_000, taken_at_s)), [], "it may until 101");
    }
    assert_eq!(one.evse(210, measured(16_000, 205)), []);
    let told = one.evse(215, measured(16_000, 201));
    assert_eq!(told, [], "older than the last");
    let told = one.evse(220, measured(16_000, 215));
    assert_eq!(count(&told, is_alarm), 1, "{told:?}");
}

/// Low samples prove the new limit only if they were taken under it.
#[test]
fn low_samples_from_before_the_limit_end_no_guard() {
    let lowered = || {
        let mut one = One::sent();
        one.evse(1, EvseInput::Accepted(GrantSeq(1)));
        one.evse(55, measured(16_000, 50));
        one.hear(60, Input::Plan(vec![Milliamps(8_000)]));
        one.evse(61, EvseInput::Accepted(GrantSeq(2)));
        one
    };
    let mut late = lowered();
    late.evse(65, measured(7_000, 58));
    late.evse(66, measured(7_000, 60));
    assert_eq!(late.ceiling(), Milliamps(16_000));
    let mut prompt = lowered();
    prompt.evse(65, measured(7_000, 63));
    prompt.evse(70, measured(7_000, 69));
    assert_eq!(prompt.ceiling(), Milliamps(8_000));
}

/// A sum that fits the limit on the mean can be above it on one line: it proves nothing of a limit, and blames nobody.
#[test]
fn a_sample_that_may_be_above_the_limit_ends_no_guard() {
    let bounds = |least, most, taken_at_s: i64| EvseInput::Measured {
        least: Milliamps(least),
        most: Milliamps(most),
        taken_at: Timestamp::from_millis(taken_at_s * 1_000),
    };
    let mut one = One::sent();
    one.evse(1, EvseInput::Accepted(GrantSeq(1)));
    one.evse(55, measured(16_000, 50));
    one.hear(60, Input::Plan(vec![Milliamps(8_000)]));
    one.evse(61, EvseInput::Accepted(GrantSeq(2)));
    one.evse(65, bounds(5_333, 16_000, 63));
    one.evse(70, bounds(5_333, 16_000, 69));
    assert_eq!(one.ceiling(), Milliamps(16_000));
    one.evse(80, bounds(2_600, 8_000, 75));
    one.evse(90, bounds(2_600, 8_000, 85));
    assert_eq!(one.ceiling(), Milliamps(8_000));
}

/// Some stations know no composite schedule: their fallback is installed again after a boot, and they get on.
#[test]
fn a_station_that_cannot_tell_its_fallback_is_given_it_again() {
    let mut one = One::sent();
    one.evse(1, EvseInput::Accepted(GrantSeq(1)));
    let back = one.evse(60, EvseInput::Connected { connection: Epoch(8), arrival: Arrival::Booted });
    assert_eq!(back, [Effect::ReadBack { slot: 0 }]);
    let told = one.evse(61, EvseInput::CallFailed);
    let install = Effect::InstallFallback { slot: 0, value: FALLBACK };
    assert!(matches!(told[..], [Effect::Send { .. }]), "what it may draw is said first: {told:?}");
    assert_eq!(one.evse(62, EvseInput::Accepted(GrantSeq(2))), [install]);
    assert_eq!(one.evse(63, EvseInput::FallbackAccepted), []);
    assert_eq!(one.hear(200, Input::Tick), [], "nobody asks again");
    assert_eq!(one.ledger.accounts[0].fallback, Fallback::Confirmed(FALLBACK));
}

/// A station that neither tells its fallback nor takes it can draw what it likes.
#[test]
fn a_fallback_that_is_refused_after_a_boot_is_lost() {
    let mut one = One::begun(site(1));
    one.evse(50, EvseInput::Ended(transaction("1")));
    let install = Effect::InstallFallback { slot: 0, value: FALLBACK };
    one.evse(60, EvseInput::Connected { connection: Epoch(8), arrival: Arrival::Booted });
    assert_eq!(one.evse(60, EvseInput::CallFailed), std::slice::from_ref(&install));
    assert_eq!(one.evse(61, EvseInput::FallbackRejected), []);
    assert_eq!(one.hear(100, Input::Tick), std::slice::from_ref(&install), "after a wait");
    assert_eq!(one.ceiling(), FALLBACK);
    let alarms = one.evse(101, EvseInput::FallbackRejected);
    let wanted = [Alarm::FallbackLost { slot: 0 }, Alarm::Refusing { slot: 0 }];
    assert_eq!(alarms, wanted.map(Effect::Alarm));
    assert_eq!(one.ceiling(), Milliamps(32_000), "all it can draw counts");
    assert_eq!(one.hear(300, Input::Tick), [install]);
    one.evse(301, EvseInput::FallbackAccepted);
    one.hear(341, Input::Tick);
    assert_eq!(one.ceiling(), FALLBACK);
}

/// What is open about a fallback is open for the next owner too: it hears of no boot.
#[test]
fn an_owner_tells_whether_it_knows_the_fallback() {
    let mut one = One::begun(site(1));
    assert!(one.owner.knows_fallback(0));
    one.evse(50, EvseInput::Ended(transaction("1")));
    one.evse(60, EvseInput::Connected { connection: Epoch(8), arrival: Arrival::Booted });
    assert!(!one.owner.knows_fallback(0), "it is being read");
    one.evse(61, EvseInput::CallFailed);
    assert!(!one.owner.knows_fallback(0), "it is being installed");
    one.evse(62, EvseInput::FallbackAccepted);
    assert!(one.owner.knows_fallback(0), "it is what the ledger says");
}

/// A new value that was dropped before it was in force may still come into force: it is told the old one again.
#[test]
fn a_fallback_that_was_changed_and_changed_back_is_told_again() {
    let (owner, mut ledger) = site(1);
    let opened =
        ledger.transact(&rows(1), Epoch(1), &Change::OpenFallback { slot: 0, value: Milliamps(9_000) });
    assert_eq!(opened, Verdict::Written { opened: None });
    let mut one = One { owner, ledger };
    let loaded = Box::new(one.ledger.clone());
    one.hear(0, Input::Loaded(loaded));
    let connected = EvseInput::Connected { connection: Epoch(7), arrival: Arrival::Found };
    assert_eq!(one.evse(0, connected), [Effect::InstallFallback { slot: 0, value: FALLBACK }]);
    one.evse(1, EvseInput::FallbackAccepted);
    assert_eq!(one.ledger.accounts[0].floor(), Milliamps(9_000));
    one.hear(60, Input::Tick);
    assert_eq!(one.ledger.accounts[0].floor(), FALLBACK);
}

/// Its station may have been cleared since by whoever has the site now.
#[test]
fn an_owner_before_confirms_no_fallback() {
    let (_, mut ledger) = site(1);
    ledger.claim();
    let confirm = Change::ConfirmFallback { slot: 0, value: Milliamps::ZERO };
    let refusal = Refusal::NotOwner { current: Epoch(2) };
    assert_eq!(ledger.transact(&rows(1), Epoch(1), &confirm), Verdict::Refused(refusal));
    assert_eq!(ledger.transact(&rows(1), Epoch(2), &confirm), Verdict::Written { opened: None });
}

/// A grant that is higher than it covers it only as long as it is open.
#[test]
fn a_higher_fallback_counts_from_before_it_is_sent() {
    let mut one = One::sent();
    one.evse(1, EvseInput::Accepted(GrantSeq(1)));
    one.hear(100, Input::Tick);
    let higher = Milliamps(10_000);
    let outlet =
        Outlet { conduct: Conduct::default(), minimum: FALLBACK, step: Milliamps(100), fallback: higher };
    // The next owner has a tree with another fallback.
    let owner = SteeringState::new(Epoch(1), Pace::default(), &[outlet], rows(1));
    let mut next = One::begun((owner, one.ledger));
    assert_eq!(next.ceiling(), Milliamps(16_000));
    let told = next.hear(200, Input::Tick);
    let install = Effect::InstallFallback { slot: 0, value: higher };
    assert!(told.contains(&install), "{told:?}");
    assert_eq!(next.ledger.accounts[0].floor(), higher, "it may come into force from now on");
}

/// What is asked about the fallback stands in the way of no grant.
#[test]
fn a_station_that_refuses_its_fallback_for_ever_is_raised_and_lowered_all_the_same() {
    let (_, ledger) = site(1);
    let other = Outlet {
        conduct: Conduct::default(),
        minimum: FALLBACK,
        step: Milliamps(100),
        fallback: Milliamps::ZERO,
    };
    let owner = SteeringState::new(Epoch(1), Pace::default(), &[other], rows(1));
    let mut one = One::begun((owner, ledger));
    one.evse(1, EvseInput::FallbackRejected);
    let mut refused = 1;
    for (minute, target) in [(1, 16_000), (2, 24_000), (10, 10_000), (20, 20_000)] {
        let at_s = minute * 60;
        let mut effects = one.hear(at_s, Input::Plan(vec![Milliamps(target)]));
        let mut granted = None;
        while let Some(effect) = effects.pop() {
            match effect {
                Effect::Send { grant, .. } => {
                    granted = Some(grant.limit.0);
                    effects.extend(one.evse(at_s, EvseInput::Accepted(grant.seq)));
                }
                Effect::InstallFallback { .. } => {
                    refused += 1;
                    effects.extend(one.evse(at_s, EvseInput::FallbackRejected));
                }
                Effect::Alarm(_) => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(granted, Some(target), "after {refused} refusals");
    }
    assert!(refused >= 3, "{refused}");
}

/// Plan and steering count steps from the same place, or the minimum that is planned is none.
#[test]
fn steps_are_counted_from_the_minimum() {
    let granted = |target: i64| {
        let outlet = Outlet {
            conduct: Conduct::default(),
            minimum: Milliamps(7_500),
            step: Milliamps(1_000),
            fallback: Milliamps::ZERO,
        };
        let mut one = One::begun(site_of(outlet, 1));
        let sent = one.hear(0, Input::Plan(vec![Milliamps(target)]));
        let limit = |effect: &Effect| match effect {
            Effect::Send { grant, .. } => Some(grant.limit.0),
            _ => None,
        };
        sent.iter().find_map(limit)
    };
    assert_eq!([7_500, 8_499, 31_500].map(granted), [Some(7_500), Some(7_500), Some(31_500)]);
    assert_eq!([0, 7_499].map(granted), [None, None], "less charges no car");
}

/// Less than an ampere is not worth a message at once, and is not left idle for ever.
#[test]
fn a_small_raise_waits_for_a_minute() {
    let mut one = One::sent();
    one.evse(1, EvseInput::Accepted(GrantSeq(1)));
    let is_sent = |effects: &[Effect]| count(effects, |effect| matches!(effect, Effect::Send { .. })) == 1;
    assert!(!is_sent(&one.hear(20, Input::Plan(vec![Milliamps(16_500)]))));
    assert!(!is_sent(&one.hear(59, Input::Tick)));
    assert!(is_sent(&one.hear(60, Input::Tick)));
}

/// Where the rated current counts because a fallback is in doubt, the site may be over its limit: that is no room. Whoever was raised below such a
/// ceiling while another one had not obeyed yet took the site over its limit for real.
#[test]
fn nothing_is_raised_where_a_limit_is_not_kept_not_even_below_a_ceiling() {
    let rows = vec![Row { limit: 40_000, users: vec![(0, 1), (1, 1)] }];
    let mut ledger = Ledger {
        owner: Epoch(1),
        accounts: vec![Account::with_fallback(Milliamps(32_000), Milliamps::ZERO); 2],
    };
    let open = |ledger: &mut Ledger, slot: usize, limit: i64| {
        let proposal = Proposal {
            slot,
            after: ledger.accounts[slot].seq,
            limit: Milliamps(limit),
            valid_to: Some(Timestamp::from_millis(900_000)),
            connection: Epoch(7),
            transaction: Some(transaction("1")),
        };
        ledger.transact(&rows, Epoch(1), &Change::Open(proposal))
    };
    for slot in 0..2 {
        assert!(matches!(open(&mut ledger, slot, 20_000), Verdict::Written { .. }));
    }
    ledger.transact(&rows, Epoch(1), &Change::LoseFallback { slot: 0 });
    assert_eq!(ledger.ceilings(), [Milliamps(32_000), Milliamps(20_000)]);
    let refused = Verdict::Refused(Refusal::Full { row: 0, free: Milliamps(20_000) });
    assert_eq!(open(&mut ledger, 0, 24_000), refused);
    // What is not more than it has is always taken: lowered, told again, renewed.
    for limit in [20_000, 10_000] {
        assert!(matches!(open(&mut ledger, 0, limit), Verdict::Written { .. }), "{limit}");
    }
    let refused = Verdict::Refused(Refusal::Full { row: 0, free: Milliamps(10_000) });
    assert_eq!(open(&mut ledger, 0, 12_000), refused, "the older one may be in force");
    ledger.transact(&rows, Epoch(1), &Change::ConfirmFallback { slot: 0, value: Milliamps::ZERO });
    assert!(matches!(open(&mut ledger, 0, 20_000), Verdict::Written { .. }));
}

/// The owner does not ask for what the ledger would refuse.
#[test]
fn an_owner_raises_nobody_where_a_fallback_is_lost_and_its_rated_current_does_not_fit() {
    let outlet = Outlet {
        conduct: Conduct::default(),
        minimum: FALLBACK,
        step: Milliamps(100),
        fallback: Milliamps::ZERO,
    };
    let rows = vec![Row { limit: 20_000, users: vec![(0, 1)] }];
    let accounts = vec![Account::with_fallback(Milliamps(32_000), Milliamps::ZERO)];
    let mut ledger = Ledger { owner: Epoch(1), accounts };
    let proposal = Proposal {
        slot: 0,
        after: GrantSeq(0),
        limit: Milliamps(10_000),
        valid_to: Some(Timestamp::from_millis(900_000)),
        connection: Epoch(7),
        transaction: Some(transaction("1")),
    };
    ledger.transact(&rows, Epoch(1), &Change::Open(proposal));
    ledger.transact(&rows, Epoch(1), &Change::Accept { slot: 0, seq: GrantSeq(1) });
    let raises = |ledger: Ledger| {
        let mut owner = SteeringState::new(Epoch(1), Pace::default(), &[outlet], rows.clone());
        let now = Timestamp::from_millis(60_000);
        owner.apply(now, Input::Loaded(Box::new(ledger)));
        let found = EvseInput::Connected { connection: Epoch(7), arrival: Arrival::Found };
        owner.apply(now, Input::Evse(0, found));
        owner.apply(now, Input::Evse(0, EvseInput::Started(transaction("1"))));
        let effects = owner.apply(now, Input::Plan(vec![Milliamps(16_000)]));
        count(&effects, |effect| matches!(effect, Effect::Write { change: Change::Open(_), .. }))
    };
    assert_eq!(raises(ledger.clone()), 1);
    ledger.transact(&rows, Epoch(1), &Change::LoseFallback { slot: 0 });
    assert_eq!(raises(ledger), 0);
}
