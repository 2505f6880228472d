//! Our clock is set while grants and guards run: nothing that was promised ends sooner.

use proptest::prelude::*;
use ringmain_domain::id::{Epoch, GrantSeq};
use ringmain_domain::load::ledger::conduct::Conduct;
use ringmain_domain::load::ledger::steering::input::{Effect, EvseInput, Input};
use ringmain_domain::time::Timestamp;
use ringmain_domain::unit::Milliamps;

use super::{FALLBACK, One, transaction};

/// When steps of our clock come, in seconds after the start, and by how much, in milliseconds.
fn steps() -> impl Strategy<Value = Vec<(i64, i64)>> {
    let small = -100_000_i64..100_000;
    let large = prop_oneof![Just(-86_400_000_i64), Just(-3_600_000), Just(3_600_000), Just(86_400_000)];
    proptest::collection::vec((0_i64..100, prop_oneof![3 => small, 1 => large]), 0..8)
}

/// Lets so many seconds pass, with these steps of our clock; the ceiling at the end of each.
fn ceilings(mut one: One, from_s: i64, length_s: i64, steps: &[(i64, i64)]) -> Vec<Milliamps> {
    let mut set_by_ms = 0;
    let second = |s: i64| {
        for (_, by_ms) in steps.iter().filter(|(at_s, _)| *at_s == s) {
            one.owner.clock_moved(*by_ms);
            set_by_ms += by_ms;
        }
        one.hear_at(Timestamp::from_millis((from_s + s) * 1_000 + set_by_ms), Input::Tick);
        one.ceiling()
    };
    (0..length_s).map(second).collect()
}

proptest! {
    /// A failover to a database whose clock is ahead, and back: what was lowered counts as before until its guard is over in real time, and
    /// no longer.
    #[test]
    fn no_step_of_the_clock_moves_the_end_of_a_guard(steps in steps()) {
        let mut one = One::sent();
        one.evse(1, EvseInput::Accepted(GrantSeq(1)));
        one.hear(60, Input::Plan(vec![Milliamps(8_000)]));
        one.evse(61, EvseInput::Accepted(GrantSeq(2)));
        let seen = ceilings(one, 61, 60, &steps);
        let guarded = seen.iter().take_while(|ceiling| **ceiling == Milliamps(16_000)).count();
        prop_assert_eq!((guarded, seen.last()), (40, Some(&Milliamps(8_000))));
    }

    /// The same of grants that are released because their transaction is over, and of those of a station that lets them go when it is offline.
    #[test]
    fn no_step_of_the_clock_moves_a_release(steps in steps()) {
        let mut cleared = One::sent();
        cleared.evse(1, EvseInput::Accepted(GrantSeq(1)));
        cleared.evse(60, EvseInput::Ended(transaction("1")));
        cleared.evse(61, EvseInput::Cleared);
        let seen = ceilings(cleared, 61, 60, &steps);
        let held = seen.iter().take_while(|ceiling| **ceiling == Milliamps(16_000)).count();
        prop_assert_eq!((held, seen.last()), (40, Some(&FALLBACK)));

        let mut silent = One::sent();
        silent.evse(1, EvseInput::Accepted(GrantSeq(1)));
        let conduct = Conduct { offline_end_ms: Some(10_000), ping_ms: Some(5_000), ..Conduct::default() };
        silent.evse(60, EvseInput::Habits(conduct));
        silent.evse(61, EvseInput::Disconnected { connection: Epoch(7) });
        let seen = ceilings(silent, 61, 120, &steps);
        let held = seen.iter().take_while(|ceiling| **ceiling == Milliamps(16_000)).count();
        prop_assert_eq!((held, seen.last()), (90, Some(&FALLBACK)));
    }
}

/// The station's clock was measured against ours as it was.
#[test]
fn after_a_step_no_grant_counts_as_over_by_its_end() {
    let conduct = Conduct { honours_end: true, skew_ms: Some(0), ..Conduct::default() };
    let ended = |moved: bool| {
        let mut one = One::sent();
        one.evse(1, EvseInput::Accepted(GrantSeq(1)));
        one.evse(2, EvseInput::Habits(conduct));
        one.evse(3, EvseInput::Disconnected { connection: Epoch(7) });
        if moved {
            one.owner.clock_moved(1_000_000);
        }
        // The station has its grant until 900 s on its own clock.
        one.hear(1_004, Input::Tick);
        one.ceiling()
    };
    assert_eq!(ended(false), FALLBACK);
    assert_eq!(ended(true), Milliamps(16_000), "it is 4 s there");
}

/// Put back by an hour: the station, whose clock was not, would let its grant go long before it is renewed.
#[test]
fn a_grant_that_ends_too_late_for_our_clock_is_renewed_at_once() {
    let mut one = One::sent();
    one.evse(1, EvseInput::Accepted(GrantSeq(1)));
    assert_eq!(one.hear(60, Input::Tick), []);
    one.owner.clock_moved(-3_600_000);
    let sent = one.hear(61 - 3_600, Input::Tick);
    let [Effect::Send { grant, .. }] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!(grant.valid_to, Some(Timestamp::from_millis((61 - 3_600 + 900) * 1_000)));
}
