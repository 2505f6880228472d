//! The judge of limits: what it must see, and whom it must not accuse.

use super::*;

const A: u64 = 1_000_000;

struct Course {
    start: Instant,
    changes: Vec<Change>,
    circuit: Circuit,
}

impl Course {
    /// Two stations below a circuit of 32 A, and one elsewhere that draws what it likes.
    fn new() -> Self {
        let start = Instant::now();
        let stations = ["CS-1".into(), "CS-2".into()].into();
        let limits = vec![Ordered { line_ua: 32 * A, sent: start, answered: Some(start) }];
        let circuit = Circuit { name: "grid".to_owned(), stations, limits };
        Self { start, changes: Vec::new(), circuit }.with("CS-9", 0, (99 * A, 99 * A))
    }

    fn at(&self, ms: u64) -> Instant {
        self.start + Duration::from_millis(ms)
    }

    fn with(mut self, station: &str, ms: u64, (drawn, allowed): (u64, u64)) -> Self {
        let draw = Draw { drawn: [drawn; 3], allowed: [allowed; 3] };
        self.changes.push(Change { at: self.at(ms), station: station.into(), evse: 1, draw });
        self
    }

    fn limit(mut self, ua: u64, sent: u64, answered: Option<u64>) -> Self {
        let (sent, answered) = (self.at(sent), answered.map(|ms| self.at(ms)));
        self.circuit.limits.push(Ordered { line_ua: ua, sent, answered });
        self
    }

    fn judged(mut self) -> Found {
        self.changes.sort_by_key(|change| change.at);
        let judgement =
            Judgement { from: self.at(1_000), until: self.at(60_000), grace: Duration::from_secs(10) };
        judge(&[self.circuit], &self.changes, &judgement)
    }
}

#[test]
fn the_exact_limit_is_not_accused() {
    let found =
        Course::new().with("CS-1", 2_000, (16 * A, 16 * A)).with("CS-2", 3_000, (16 * A, 16 * A)).judged();
    assert_eq!((found.excesses_count, found.highest_permille), (0, 1_000));
    assert_eq!(found.over_newest, Duration::ZERO);
}

/// The planted mutation: one station was raised a second before the other had given way.
#[test]
fn a_draw_over_the_limit_for_one_second_is_found() {
    let both = Course::new().with("CS-1", 2_000, (20 * A, 20 * A)).with("CS-2", 2_000, (12 * A, 12 * A));
    let found = both.with("CS-2", 5_000, (13 * A, 13 * A)).with("CS-1", 6_000, (19 * A, 19 * A)).judged();
    assert_eq!(found.excesses_count, 2, "drawn and allowed");
    let excess = found.excesses.first().unwrap();
    assert_eq!((excess.of, excess.highest_ua, excess.limit_ua), (Of::Drawn, 33 * A, 32 * A));
    assert_eq!((excess.after, excess.lasted), (Duration::from_secs(4), Duration::from_secs(1)));
}

#[test]
fn a_microampere_on_one_line_is_seen_and_what_only_could_be_drawn_too() {
    let mut course = Course::new().with("CS-1", 2_000, (0, 32 * A));
    let draw = Draw { drawn: [0; 3], allowed: [0, 0, 1] };
    course.changes.push(Change { at: course.at(3_000), station: "CS-2".into(), evse: 1, draw });
    let found = course.judged();
    let excess = found.excesses.first().unwrap();
    assert_eq!((found.excesses_count, excess.of, excess.highest_ua), (1, Of::Allowed, 32 * A + 1));
    assert_eq!(excess.lasted, Duration::from_secs(57), "until the end");
}

#[test]
fn what_changes_at_the_same_instant_was_never_over() {
    let first = Course::new().with("CS-1", 2_000, (32 * A, 32 * A));
    let found = first.with("CS-2", 5_000, (32 * A, 32 * A)).with("CS-1", 5_000, (0, 0)).judged();
    assert_eq!(found.excesses_count, 0);
}

#[test]
fn before_and_after_nothing_is_judged() {
    let early = Course::new().with("CS-1", 0, (40 * A, 40 * A)).with("CS-1", 1_000, (32 * A, 32 * A));
    assert_eq!(early.with("CS-2", 60_000, (32 * A, 32 * A)).judged().excesses_count, 0);
}

/// A lower limit has its grace, measured from the answer, and not a moment more; the bound within it is the limit before.
#[test]
fn a_lower_limit_counts_after_its_grace() {
    let cut = || Course::new().with("CS-1", 2_000, (32 * A, 32 * A)).limit(10 * A, 5_000, Some(6_000));
    let in_time = cut().with("CS-1", 16_000, (10 * A, 10 * A)).judged();
    assert_eq!((in_time.excesses_count, in_time.over_newest), (0, Duration::from_secs(10)));
    let late = cut().with("CS-1", 16_001, (10 * A, 10 * A)).judged();
    assert_eq!(late.excesses.first().unwrap().lasted, Duration::from_millis(1));
    let raised = cut().with("CS-2", 8_000, (A, A)).with("CS-1", 9_000, (9 * A, 9 * A)).judged();
    assert_eq!(raised.excesses.first().unwrap().highest_ua, 33 * A, "nobody may be raised over what was");
}

#[test]
fn a_higher_limit_counts_from_when_it_was_sent_and_an_unanswered_one_replaces_nothing() {
    let raised = Course::new().with("CS-1", 5_500, (40 * A, 40 * A)).limit(40 * A, 5_000, Some(9_000));
    assert_eq!(raised.judged().excesses_count, 0);
    let too_early = Course::new().with("CS-1", 4_999, (40 * A, 40 * A)).limit(40 * A, 5_000, Some(9_000));
    assert_eq!(too_early.judged().excesses.first().unwrap().lasted, Duration::from_millis(1));
    let unknown = Course::new().with("CS-1", 2_000, (32 * A, 32 * A)).limit(10 * A, 5_000, None);
    assert_eq!(unknown.judged().excesses_count, 0);
    let replaced = Course::new().with("CS-1", 2_000, (32 * A, 32 * A)).limit(10 * A, 5_000, None);
    assert_eq!(
        replaced.limit(20 * A, 6_000, Some(7_000)).judged().excesses_count,
        2,
        "the last one is known"
    );
}

#[test]
fn how_late_a_station_obeys_is_measured() {
    let station = Course::new().with("CS-1", 2_000, (30 * A, 30 * A)).with("CS-1", 3_000, (30 * A, 6 * A));
    let found = station.with("CS-1", 3_700, (6 * A, 6 * A)).judged();
    assert_eq!(found.obeyed_after, Duration::from_millis(700));
}
