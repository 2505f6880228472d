//! The last day of a circuit's limits as small drawings: the limit as a line, promised and drawn as areas; made here so that no script is
//! needed.

use ringmain_domain::load::history::{BUCKET_MS, Bucket, KEPT_MS, RowHistory};
use ringmain_domain::time::Timestamp;

use super::super::drawing::Frame;
use super::super::format::Zone;
use super::bars::{amount, name};

/// A young history fills at least so much of an axis.
const SPAN_MIN_MS: i64 = 3_600_000;

/// One limit over time. Where nobody looked there is a gap, so every curve comes in pieces.
pub(super) struct Chart {
    pub(super) name: String,
    pub(super) promised: Vec<String>,
    pub(super) drawn: Vec<String>,
    pub(super) reserved: Vec<String>,
    pub(super) limit: Vec<String>,
    /// Lines across: height and figure.
    pub(super) grid: Vec<(i64, String)>,
    /// Below: place, how the text is anchored, text.
    pub(super) times: [(i64, &'static str, String); 3],
    pub(super) summary: String,
}

impl Chart {
    /// `None` when nothing was seen in the day before `now`.
    pub(super) fn of(row: &RowHistory, now: Timestamp, zone: &Zone) -> Option<Self> {
        let oldest = now.plus_millis(-KEPT_MS);
        let seen: Vec<_> = row.buckets.iter().filter(|bucket| end_of(bucket) > oldest).copied().collect();
        let first = seen.first()?.from.max(oldest).min(now.plus_millis(-SPAN_MIN_MS));
        let highest = |value: fn(&Bucket) -> i64| seen.iter().map(value).max().unwrap_or_default();
        // Just after a start much more may be promised than the limit allows: all that EVSEs can draw. It is cut off, so that the
        // rest can be read.
        let shown = highest(|one| one.limit.max(one.drawn));
        let peak = highest(|one| one.promised).min(shown.saturating_add(shown / 4)).max(shown);
        let frame = Frame::new(first, now, peak);
        let runs = runs(&seen);
        let area = |value: fn(&Bucket) -> i64| runs.iter().map(|run| frame.area(steps(run, value))).collect();
        let line = |value: fn(&Bucket) -> i64| runs.iter().map(|run| frame.line(steps(run, value))).collect();
        let name = name(&row.kind);
        let summary = format!(
            "{name} from {} to {}: promised at most {}, drawn at most {}",
            zone.when(first).text,
            zone.when(now).text,
            amount(&row.kind, highest(|one| one.promised)),
            amount(&row.kind, highest(|one| one.drawn)),
        );
        Some(Self {
            promised: area(|one| one.promised),
            drawn: area(|one| one.drawn),
            reserved: line(|one| one.reserved),
            limit: line(|one| one.limit),
            grid: frame.grid(|value| amount(&row.kind, value)),
            times: frame.times(zone),
            summary,
            name,
        })
    }
}

/// A step for each bucket.
fn steps(
    run: &[Bucket],
    value: fn(&Bucket) -> i64,
) -> impl Iterator<Item = (Timestamp, Timestamp, i64)> + Clone {
    run.iter().map(move |bucket| (bucket.from, end_of(bucket), value(bucket)))
}

const fn end_of(bucket: &Bucket) -> Timestamp {
    bucket.from.plus_millis(BUCKET_MS)
}

/// Buckets that follow one another without a gap.
fn runs(buckets: &[Bucket]) -> Vec<Vec<Bucket>> {
    let mut runs: Vec<Vec<Bucket>> = Vec::new();
    for bucket in buckets {
        let follows = |run: &&mut Vec<Bucket>| run.last().is_some_and(|last| end_of(last) >= bucket.from);
        match runs.last_mut().filter(follows) {
            Some(run) => run.push(*bucket),
            None => runs.push(vec![*bucket]),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringmain_domain::load::history::BUCKETS_MAX;
    use ringmain_domain::load::rows::RowKind;
    use ringmain_domain::load::tree::Line;

    fn row(buckets: impl IntoIterator<Item = (i64, [i64; 4])>) -> RowHistory {
        let bucket = |(place, [limit, reserved, promised, drawn]): (i64, [i64; 4])| Bucket {
            from: at(place),
            limit,
            reserved,
            promised,
            drawn,
        };
        RowHistory { kind: RowKind::Line(Line::L1), buckets: buckets.into_iter().map(bucket).collect() }
    }

    fn at(bucket: i64) -> Timestamp {
        Timestamp::from_millis(bucket * BUCKET_MS)
    }

    #[test]
    fn a_day_is_drawn_in_steps_and_gaps_stay_gaps() {
        let zone = Zone::named(None);
        let figures = [50_000, 5_000, 40_000, 20_000];
        let chart = Chart::of(&row([(0, figures), (1, figures), (6, figures)]), at(12), &zone).unwrap();
        assert_eq!((chart.limit.len(), chart.promised.len(), chart.drawn.len()), (2, 2, 2));
        assert_eq!(chart.limit[0].split(' ').count(), 4);
        let width = 1_202;
        let (end, sixth) = (84 + width / 6, 84 + width / 12);
        assert_eq!(chart.limit[0], format!("84,10 {sixth},10 {sixth},10 {end},10"));
        assert!(chart.promised[0].starts_with("84,154 84,"), "{}", chart.promised[0]);
        assert!(chart.promised[0].ends_with(&format!("{end},154")), "{}", chart.promised[0]);
        assert_eq!(chart.grid[2].1, "50 A");
        assert_eq!(chart.times[0].2, "1970-01-01 00:00");
        assert!(chart.summary.ends_with("promised at most 40 A, drawn at most 20 A"), "{}", chart.summary);
    }

    #[test]
    fn a_young_history_has_an_hour_and_an_old_one_a_day() {
        let zone = Zone::named(None);
        let figures = [1_000, 0, 0, 0];
        let young = Chart::of(&row([(11, figures)]), at(12), &zone).unwrap();
        assert_eq!(young.times[0].2, "1970-01-01 00:00");
        let buckets = i64::try_from(BUCKETS_MAX).unwrap();
        let now = at(buckets).plus_millis(1);
        let full = Chart::of(&row((1..=buckets).map(|bucket| (bucket, figures))), now, &zone).unwrap();
        assert_eq!((full.times[0].2.as_str(), full.limit.len()), ("1970-01-01 00:05", 1));
        assert!(Chart::of(&row([(0, figures)]), at(buckets + 1), &zone).is_none(), "too long ago");
        assert!(Chart::of(&row([]), at(0), &zone).is_none());
        let start = row([(0, [50_000, 0, 900_000, 10_000])]);
        assert_eq!(Chart::of(&start, at(1), &zone).unwrap().grid[2].1, "100 A", "the rest can be read");
        let strange = row([(0, [i64::MAX, i64::MIN, i64::MAX, i64::MIN]), (1, [i64::MIN; 4])]);
        assert!(Chart::of(&strange, at(2), &zone).is_some());
    }
}
