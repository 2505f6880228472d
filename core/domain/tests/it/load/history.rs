//! The last day of a site's limits: what a bucket keeps, when one leaves, and clocks that are set.

use ringmain_domain::id::CircuitId;
use ringmain_domain::load::allocation::standing::{CircuitStanding, RowStanding};
use ringmain_domain::load::history::{BUCKET_MS, BUCKETS_MAX, EVERY_MS, History};
use ringmain_domain::load::rows::RowKind;
use ringmain_domain::load::tree::Line;
use ringmain_domain::time::Timestamp;

use crate::make::MORNING;

fn id(name: &str) -> CircuitId {
    CircuitId::new(name).unwrap()
}

fn row(kind: RowKind, limit: i64, [reserved, promised, drawn]: [i64; 3]) -> RowStanding {
    RowStanding { kind, limit, reserved, promised, drawn }
}

fn circuit(name: &str, rows: Vec<RowStanding>) -> CircuitStanding {
    CircuitStanding { circuit: id(name), name: name.into(), rows }
}

/// The grid connection's first line alone.
fn grid(limit: i64, loads: [i64; 3]) -> [CircuitStanding; 1] {
    [circuit("grid", vec![row(RowKind::Line(Line::L1), limit, loads)])]
}

/// The buckets of the first limit of a circuit: minutes since the morning, limit, reserved, promised, drawn.
fn kept(history: &History, name: &str) -> Vec<(i64, i64, [i64; 3])> {
    let buckets = history.of(&id(name)).first().map(|row| row.buckets.iter()).into_iter().flatten();
    let bucket = buckets.map(|one| {
        (one.from.millis_since(MORNING) / 60_000, one.limit, [one.reserved, one.promised, one.drawn])
    });
    bucket.collect()
}

fn later(minutes: i64) -> Timestamp {
    MORNING.plus_secs(minutes * 60)
}

#[test]
fn a_bucket_keeps_the_lowest_limit_and_the_highest_loads() {
    let mut history = History::default();
    assert_eq!(history.of(&id("grid")), []);
    history.record(later(0), &grid(63, [1, 20, 10]));
    history.record(later(1), &grid(16, [3, 12, 14]));
    history.record(later(4), &grid(40, [2, 15, 11]));
    assert_eq!(kept(&history, "grid"), [(0, 16, [3, 20, 14])]);
    history.record(later(5), &grid(63, [0, 0, 0]));
    history.record(later(17), &grid(63, [-5, 9, -1]));
    assert_eq!(
        kept(&history, "grid"),
        [(0, 16, [3, 20, 14]), (5, 63, [0, 0, 0]), (15, 63, [-5, 9, -1])],
        "nothing is made up for minutes in which nobody looked"
    );
}

#[test]
fn each_limit_of_each_circuit_has_a_history_of_its_own() {
    let mut history = History::default();
    let phasor = RowKind::Phasor("Primary A".into());
    let rows = vec![
        row(RowKind::Line(Line::L2), 10, [0, 1, 1]),
        row(RowKind::Power, 20, [0, 2, 2]),
        row(phasor.clone(), 30, [0, 3, 3]),
    ];
    history.record(later(0), &[circuit("grid", rows), circuit("panel", Vec::new())]);
    let kinds: Vec<_> =
        history.of(&id("grid")).iter().map(|row| (row.kind.clone(), row.buckets.len())).collect();
    assert_eq!(kinds, [(RowKind::Line(Line::L2), 1), (RowKind::Power, 1), (phasor, 1)]);
    assert_eq!(history.of(&id("panel")), [], "it has no limit");
}

#[test]
fn a_full_day_is_kept_and_the_oldest_leaves() {
    let mut history = History::default();
    let buckets = i64::try_from(BUCKETS_MAX).unwrap();
    for bucket in 0..buckets {
        history.record(later(bucket * 5), &grid(bucket, [0, 0, 0]));
    }
    let full = kept(&history, "grid");
    assert_eq!((full.len(), full[0].0), (BUCKETS_MAX, 0));
    // One more of the same five minutes moves nothing, the next one pushes the oldest out.
    history.record(later(buckets * 5 - 1), &grid(buckets, [0, 0, 0]));
    assert_eq!(kept(&history, "grid"), full);
    for bucket in buckets..buckets * 3 {
        history.record(later(bucket * 5), &grid(bucket, [0, 0, 0]));
        let now = kept(&history, "grid");
        assert_eq!((now.len(), now[0].0), (BUCKETS_MAX, (bucket + 1 - buckets) * 5));
        assert_eq!(now[BUCKETS_MAX - 1], (bucket * 5, bucket, [0, 0, 0]));
    }
}

#[test]
fn a_limit_that_is_gone_grows_old_and_leaves() {
    let mut history = History::default();
    history.record(later(0), &[circuit("roof", vec![row(RowKind::Power, 5, [0, 1, 1])])]);
    let day = BUCKET_MS / 60_000 * i64::try_from(BUCKETS_MAX).unwrap();
    history.record(later(day - 1), &grid(63, [0, 0, 0]));
    assert_eq!(kept(&history, "roof").len(), 1);
    history.record(later(day), &grid(63, [0, 0, 0]));
    assert_eq!(history.of(&id("roof")), []);
    assert_eq!(kept(&history, "grid").len(), 2);
}

#[test]
fn a_clock_that_is_set_stops_nothing() {
    let mut history = History::default();
    assert!(history.is_due(later(0)));
    history.record(later(0), &grid(1, [0, 0, 0]));
    assert!(
        !history.is_due(later(0).plus_millis(EVERY_MS - 1)) && history.is_due(later(0).plus_millis(EVERY_MS))
    );
    history.record(later(600), &grid(2, [0, 0, 0]));
    assert!(history.is_due(later(10)), "it was set back");
    history.record(later(10), &grid(3, [0, 0, 0]));
    assert_eq!(kept(&history, "grid"), [(0, 1, [0, 0, 0]), (10, 3, [0, 0, 0])]);
    history.record(Timestamp::from_millis(i64::MAX), &grid(4, [0, 0, 0]));
    history.record(Timestamp::from_millis(i64::MIN), &grid(5, [0, 0, 0]));
    assert_eq!(history.of(&id("grid"))[0].buckets.len(), 1);
}
