//! What is remembered of buildings: over a restart a silent meter counts as it did before.

use proptest::prelude::*;
use ringmain_domain::id::CircuitId;
use ringmain_domain::load::allocation::Input;
use ringmain_domain::load::highs::Highs;
use ringmain_domain::load::settings::{CircuitSettings, SiteSettings};
use ringmain_domain::load::supply::Reading;
use ringmain_domain::time::Timestamp;
use ringmain_domain::unit::Milliamps;

use super::allocation::{Site, charging, grid};
use crate::make::{MORNING, minute};

/// So long after its last reading a meter is silent, in minutes.
const SILENT: i64 = 2;

fn amps(lines: [i64; 3]) -> [Milliamps; 3] {
    lines.map(|line| Milliamps(line * 1_000))
}

fn hour(hours: i64) -> Timestamp {
    minute(hours * 60)
}

/// Highs of the grid connection by hour, in A.
fn highs(told: &[(i64, [i64; 3])]) -> Highs {
    let mut highs = Highs::default();
    told.iter().for_each(|(hours, lines)| highs.add(grid(), hour(*hours), amps(*lines)));
    highs
}

fn reads_ma(site: &mut Site, line_ma: [i64; 3]) {
    let reading = Reading { at: site.now, line_ma: line_ma.map(Milliamps) };
    site.hear(Input::Building { circuit: grid(), reading });
}

fn reads(site: &mut Site, lines: [i64; 3]) {
    reads_ma(site, lines.map(|line| line * 1_000));
}

/// What counts for the building, in mA for each line.
fn reserved(site: &Site) -> Vec<i64> {
    site.state.circuits(site.now)[0].rows[..3].iter().map(|row| row.reserved).collect()
}

fn breaker(amps: i64) -> Input {
    let circuit = CircuitSettings { breaker_ma: Some(Milliamps(amps * 1_000)), ..CircuitSettings::default() };
    Input::Settings(Box::new(SiteSettings {
        circuits: [(grid(), circuit)].into(),
        ..SiteSettings::default()
    }))
}

/// 20 A: without what was remembered the car would have had all of it.
#[test]
fn a_building_that_was_not_heard_since_a_restart_counts_with_what_is_remembered() {
    let mut site = Site::new();
    site.hear(Input::Remembered(highs(&[(-1, [9, 9, 9]), (-3, [4, 11, 4])])));
    site.hear(Input::Session(Box::new(charging())));
    assert_eq!(site.plan(), [(0, 9_000)]);
    assert_eq!(reserved(&site), [9_000, 11_000, 9_000]);
    assert!(site.state.notes()[0].meter_stale, "somebody should look at its meter");
    reads(&mut site, [3, 3, 3]);
    site.plan();
    assert_eq!(reserved(&site), [3_000; 3], "it is heard");
    assert!(!site.state.notes()[0].meter_stale);
    site.now = minute(SILENT);
    site.plan();
    assert_eq!(reserved(&site), [9_000, 11_000, 9_000], "silent again");
}

#[test]
fn what_is_remembered_counts_for_the_day_up_to_the_newest_hour() {
    let known = |told: &[(i64, [i64; 3])]| {
        let mut site = Site::new();
        site.hear(Input::Remembered(highs(told)));
        reserved(&site)
    };
    assert_eq!(known(&[(-23, [9, 9, 9]), (0, [1, 1, 1])]), [9_000; 3]);
    assert_eq!(known(&[(-24, [9, 9, 9]), (0, [1, 1, 1])]), [1_000; 3]);
    // Its meter fell silent days ago: that is all that is known, as it would be without a restart.
    assert_eq!(known(&[(-99, [9, 9, 9]), (-80, [1, 1, 1])]), [9_000; 3]);
    // Our clock is late since a power cut.
    assert_eq!(known(&[(50, [9, 9, 9]), (0, [1, 1, 1])]), [9_000; 3]);
    assert_eq!(known(&[]), [0; 3]);
}

#[test]
fn what_is_heard_and_what_is_remembered_meet_at_the_larger() {
    let mut site = Site::new();
    reads(&mut site, [2, 8, 2]);
    let mut remembered = highs(&[(0, [5, 5, 5])]);
    remembered.add(CircuitId::new("attic").unwrap(), hour(0), amps([9; 3]));
    site.hear(Input::Remembered(remembered));
    assert_eq!(reserved(&site), [2_000, 8_000, 2_000], "a reading goes first");
    site.now = minute(SILENT);
    site.plan();
    assert_eq!(reserved(&site), [5_000, 8_000, 5_000], "of circuits that are no more nothing counts");
    // The day goes on: after it only what was heard later counts.
    site.now = hour(24);
    reads(&mut site, [1, 1, 1]);
    site.now = hour(24).plus_secs(SILENT * 60);
    site.plan();
    assert_eq!(reserved(&site), [1_000; 3]);
}

#[test]
fn an_hour_is_told_when_it_is_new_and_when_it_rises_by_an_ampere() {
    let mut site = Site::new();
    let mut told = |at: Timestamp, line_ma: [i64; 3]| {
        site.now = at;
        reads_ma(&mut site, line_ma);
        site.state.take_highs()
    };
    assert_eq!(told(minute(1), [9_400, 0, 0]), highs(&[(0, [10, 0, 0])]), "rounded up");
    assert_eq!(told(minute(2), [10_000, 0, 0]), Highs::default(), "told already");
    assert_eq!(told(minute(3), [3_000, 0, 0]), Highs::default(), "less");
    assert_eq!(told(minute(4), [3_000, 1, 0]), highs(&[(0, [10, 1, 0])]), "another line");
    assert_eq!(told(minute(5), [10_001, 0, 0]), highs(&[(0, [11, 1, 0])]));
    assert_eq!(told(hour(1), [0, 0, 0]), highs(&[(1, [0, 0, 0])]), "another hour");
    assert_eq!(site.state.take_highs(), Highs::default());
}

#[test]
fn what_is_remembered_is_not_told_again_until_it_rises() {
    let mut site = Site::new();
    site.hear(Input::Remembered(highs(&[(0, [9, 9, 9])])));
    assert_eq!(site.state.take_highs(), Highs::default());
    reads(&mut site, [9, 8, 7]);
    assert_eq!(site.state.take_highs(), Highs::default());
    reads(&mut site, [10, 8, 7]);
    assert_eq!(site.state.take_highs(), highs(&[(0, [10, 9, 9])]));
}

#[test]
fn what_cannot_be_is_neither_told_nor_remembered() {
    let mut site = Site::new();
    site.hear(breaker(16));
    for line_ma in [[17_000, 0, 0], [0, 0, -1]] {
        site.now = site.now.plus_secs(1);
        reads_ma(&mut site, line_ma);
    }
    assert_eq!(site.state.take_highs(), Highs::default());
    assert_eq!(reserved(&site), [0; 3]);
    // Kept before anybody said what the breaker is.
    site.hear(Input::Remembered(highs(&[(0, [100, 3, 3])])));
    assert_eq!(reserved(&site), [16_000, 3_000, 3_000]);
}

/// Our own clock was a year ahead and was put right: what is heard then is what is told and counts.
#[test]
fn a_clock_that_was_ahead_is_left_behind() {
    let mut site = Site::new();
    site.now = hour(365 * 24);
    reads(&mut site, [9, 9, 9]);
    let mut kept = site.state.take_highs();
    site.now = MORNING;
    reads(&mut site, [5, 5, 5]);
    let told = site.state.take_highs();
    assert_eq!(told, highs(&[(0, [5, 5, 5])]));
    kept.merge(told);
    let mut restarted = Site::new();
    restarted.hear(Input::Remembered(kept));
    assert_eq!(reserved(&restarted), [5_000; 3]);
    let mut unset = Site::new();
    unset.now = Timestamp::from_millis(0);
    unset.hear(Input::Remembered(highs(&[(0, [5, 5, 5])])));
    assert_eq!(reserved(&unset), [5_000; 3], "a clock that was never set knows nothing of hours");
}

/// A reading: so many seconds after the one before, and what it tells.
fn days() -> impl Strategy<Value = Vec<(i64, [i64; 3])>> {
    let line = || prop_oneof![8 => 0..40_000_i64, 1 => -5_000..0_i64, 1 => 40_000..90_000_i64];
    prop::collection::vec((1..20_000_i64, [line(), line(), line()]), 1..60)
}

proptest! {
    /// Whenever the node is killed, a silent meter counts with as much as if it had gone on, and with less than 1 A more.
    #[test]
    fn a_restart_makes_no_building_smaller(readings in days(), killed_after in any::<prop::sample::Index>()) {
        let killed_after = killed_after.index(readings.len());
        let (mut steady, mut restarted) = (Site::new(), Site::new());
        let mut kept = Highs::default();
        steady.hear(breaker(63));
        restarted.hear(breaker(63));
        for (number, (secs, line_ma)) in readings.iter().enumerate() {
            for site in [&mut steady, &mut restarted] {
                site.now = site.now.plus_secs(*secs);
                reads_ma(site, *line_ma);
            }
            kept.merge(restarted.state.take_highs());
            if number == killed_after {
                let now = restarted.now;
                restarted = Site::new();
                restarted.now = now;
                restarted.hear(breaker(63));
                restarted.hear(Input::Remembered(kept.clone()));
            }
        }
        for site in [&mut steady, &mut restarted] {
            site.now = site.now.plus_secs(SILENT * 60);
            site.plan();
        }
        for (as_it_was, now) in reserved(&steady).into_iter().zip(reserved(&restarted)) {
            prop_assert!(now >= as_it_was && now < as_it_was + 1_000, "{now} for {as_it_was}");
        }
    }
}

/// A store that is away for days is not answered with days of hours.
#[test]
fn what_waits_is_a_day_of_each_circuit() {
    let mut waiting = Highs::default();
    let other = CircuitId::new("other").unwrap();
    waiting.add(other.clone(), hour(0), amps([7, 7, 7]));
    (0..100).for_each(|hours| waiting.add(grid(), hour(hours), amps([1, 2, 3])));
    waiting.trim();
    let of = |id: &CircuitId| {
        waiting.iter().filter(|(circuit, ..)| *circuit == id).map(|(_, at, _)| at).collect::<Vec<_>>()
    };
    assert_eq!(of(&grid()), (76..100).map(hour).collect::<Vec<_>>());
    assert_eq!(of(&other), [hour(0)], "its last day is all that is known of it");
}
