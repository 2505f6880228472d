//! What samples teach.

use ringmain_domain::load::demand::{Memory, Observation};
use ringmain_domain::load::tree::{Evse, Line};
use ringmain_domain::time::Timestamp;
use ringmain_domain::unit::Milliamps;

use super::site::socket;

fn learn(evse: &Evse, samples: &[(i64, [i64; 3])]) -> Memory {
    let mut memory = Memory::default();
    for (number, (offered, drawn)) in samples.iter().enumerate() {
        memory.observe(
            evse,
            &Observation {
                at: Timestamp::from_millis(i64::try_from(number).unwrap() * 30_000),
                offered_ma: Milliamps(*offered),
                drawn_ma: drawn.map(Milliamps),
                by_line: true,
                most_ma: Milliamps(*drawn.iter().max().unwrap()),
            },
        );
    }
    memory
}

fn cap(samples: &[(i64, i64)]) -> i64 {
    let evse = socket("A", "grid", &Line::ALL);
    let samples: Vec<_> = samples.iter().map(|(offered, drawn)| (*offered, [*drawn; 3])).collect();
    learn(&evse, &samples).learnt_cap_ma.unwrap().0
}

#[test]
fn a_cap_follows_what_a_car_takes_down_at_once_and_up_by_steps() {
    assert_eq!(cap(&[(32_000, 15_800)]), 16_800);
    assert_eq!(cap(&[(32_000, 15_800), (16_000, 15_800)]), 16_800);
    // A car that ramps up slowly: at its cap within 1 A, it may have 1 A more.
    assert_eq!(cap(&[(32_000, 10_000), (11_000, 10_500)]), 12_000);
    assert_eq!(cap(&[(32_000, 31_500)]), 32_000);
    assert_eq!(cap(&[(32_000, 0)]), 6_000);
}

#[test]
fn a_line_is_unused_after_two_samples_and_used_at_once() {
    let evse = socket("A", "grid", &[Line::L2, Line::L3, Line::L1]);
    let one = (16_000, [0, 16_000, 400]);
    assert_eq!(learn(&evse, &[one]).lines(&evse), [true; 3]);
    assert_eq!(learn(&evse, &[one, one]).lines(&evse), [false, true, false]);
    assert_eq!(learn(&evse, &[one, one, (16_000, [600, 16_000, 0])]).lines(&evse), [true, true, false]);
    // A car that draws nothing tells nothing of its lines.
    assert_eq!(learn(&evse, &[(16_000, [0; 3]); 4]).lines(&evse), [true; 3]);
}

#[test]
fn a_car_is_quiet_after_two_samples_and_wakes_with_one() {
    let evse = socket("A", "grid", &Line::ALL);
    let (silent, awake) = ((6_000, [900; 3]), (6_000, [1_000; 3]));
    assert!(!learn(&evse, &[silent]).is_quiet());
    assert!(learn(&evse, &[silent, silent]).is_quiet());
    assert!(!learn(&evse, &[silent, silent, awake]).is_quiet());
    // What was not offered cannot be taken.
    assert!(!learn(&evse, &[(0, [0; 3]); 3]).is_quiet());
}

#[test]
fn two_samples_within_thirty_seconds_are_one() {
    let evse = socket("A", "grid", &Line::ALL);
    let mut memory = Memory::default();
    for at in [0, 29_999] {
        memory.observe(
            &evse,
            &Observation {
                at: Timestamp::from_millis(at),
                offered_ma: Milliamps(6_000),
                drawn_ma: [Milliamps::ZERO; 3],
                by_line: true,
                most_ma: Milliamps::ZERO,
            },
        );
    }
    assert!(!memory.is_quiet());
}
