//! Power over time as a small drawing, made here so that no script is needed.

use std::fmt::Write;

use ringmain_domain::meter::Measurand;
use ringmain_domain::time::Timestamp;
use ringmain_domain::transaction::TransactionFact;

use super::super::format::{Zone, power};

/// The drawing's size in its own units.
const WIDTH: i64 = 1300;
const HEIGHT: i64 = 220;
/// Room for the figures beside and below the curve.
const LEFT: i64 = 66;
const BOTTOM: i64 = 26;
const TOP: i64 = 10;
/// The most points of the curve: more cannot be told apart.
const POINTS_MAX: usize = 300;
const MS_PER_HOUR: i64 = 3_600_000;
/// Ends of a shorter curve are told to the second.
const SHORT_MS: i64 = 900_000;

/// A curve with its axes.
pub(super) struct Chart {
    pub(super) line: String,
    pub(super) area: String,
    pub(super) grid: Vec<(i64, String)>,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) summary: String,
}

impl Chart {
    /// The curve of a session; `None` when there are not at least two points of it.
    pub(super) fn of(facts: &[TransactionFact], zone: &Zone) -> Option<Self> {
        let points = thinned(&power_points(facts));
        let (first, last) = (points.first()?, points.last()?);
        let span = last.0.millis_since(first.0);
        let peak = points.iter().map(|point| point.1).max()?;
        if points.len() < 2 || span <= 0 || peak <= 0 {
            return None;
        }
        let top = nice_top(peak);
        let x = |at: Timestamp| LEFT + share(WIDTH - LEFT, at.millis_since(first.0), span);
        let y = |watts: i64| TOP + share(HEIGHT - TOP - BOTTOM, top - watts.clamp(0, top), top);
        let mut line = String::new();
        for (at, watts) in &points {
            // Writing to a text cannot fail.
            let _infallible = write!(line, "{},{} ", x(*at), y(*watts));
        }
        let floor = y(0);
        let area = format!("{},{floor} {line}{},{floor}", x(first.0), x(last.0));
        let grid = [0, top / 2, top].into_iter().map(|watts| (y(watts), power(watts))).collect();
        let written = |at| if span < SHORT_MS { zone.exact(at).text } else { zone.when(at).text };
        let (from, to) = (written(first.0), written(last.0));
        let summary = format!("Power from {from} to {to}, at most {}", power(peak));
        Some(Self { line: line.trim_end().to_owned(), area, grid, from, to, summary })
    }
}

/// `whole * part / of`, also for figures no meter should send.
fn share(whole: i64, part: i64, of: i64) -> i64 {
    let exact = i128::from(whole) * i128::from(part) / i128::from(of.max(1));
    i64::try_from(exact).unwrap_or(whole)
}

/// What the meter said of power; where it said nothing of it, the mean power between two readings of energy.
fn power_points(facts: &[TransactionFact]) -> Vec<(Timestamp, i64)> {
    let samples = || facts.iter().flat_map(|fact| &fact.samples).filter(|sample| sample.phase.is_none());
    let mut measured: Vec<_> = samples()
        .filter(|sample| sample.measurand == Measurand::PowerImport)
        .map(|sample| (sample.observed_at, sample.value))
        .collect();
    measured.sort();
    if measured.len() >= 2 {
        return measured;
    }
    let mut registers: Vec<_> =
        samples().filter_map(|sample| Some((sample.observed_at, sample.billed_register_wh()?))).collect();
    registers.sort();
    registers.dedup_by_key(|reading| reading.0);
    let mut means = Vec::new();
    for pair in registers.windows(2) {
        let &[(from, from_wh), (to, to_wh)] = pair else { continue };
        let hours_ms = to.millis_since(from).max(1);
        let watts = to_wh.saturating_sub(from_wh).max(0).saturating_mul(MS_PER_HOUR) / hours_ms;
        // A step: the mean holds from one reading to the next.
        means.push((from, watts));
        means.push((to, watts));
    }
    means
}

/// Every so-many-th point, and always the last.
fn thinned(points: &[(Timestamp, i64)]) -> Vec<(Timestamp, i64)> {
    let step = points.len().div_ceil(POINTS_MAX).max(1);
    let mut thin: Vec<_> = points.iter().step_by(step).copied().collect();
    if let Some(last) = points.last().filter(|last| thin.last() != Some(last)) {
        thin.push(*last);
    }
    thin
}

/// The next larger of 1, 2, 5 or 10 times a power of ten, so that the axis is easy to read.
fn nice_top(peak: i64) -> i64 {
    let mut unit = 100_i64;
    loop {
        for times in [1, 2, 5] {
            let top = unit.saturating_mul(times);
            if top >= peak {
                return top;
            }
        }
        unit = unit.saturating_mul(10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringmain_domain::id::TransactionId;
    use ringmain_domain::meter::{Sample, SampleContext};
    use ringmain_domain::report::{MessageKey, TransactionPhase};

    fn fact(number: u32, at_s: i64, register_wh: i64, watts: Option<i64>) -> TransactionFact {
        let at = Timestamp::from_millis(0).plus_secs(at_s);
        let mut samples = vec![Sample::import_register(at, register_wh, SampleContext::Periodic)];
        samples.extend(watts.map(|watts| Sample {
            measurand: Measurand::PowerImport,
            ..Sample::import_register(at, watts, SampleContext::Periodic)
        }));
        TransactionFact {
            transaction: TransactionId::new("T").unwrap(),
            key: MessageKey::Sequence(number),
            phase: TransactionPhase::Updated,
            numbering: None,
            evse: None,
            connector: None,
            token: None,
            authorization: None,
            observed_at: at,
            received_at: at,
            trigger: "x".into(),
            charging_state: None,
            stop_reason: None,
            offline: false,
            remote_start_id: None,
            time_repaired: false,
            samples,
            ruling: None,
            content: "".into(),
        }
    }

    #[test]
    fn a_curve_needs_two_points_in_time() {
        let zone = Zone::named(None);
        assert!(Chart::of(&[], &zone).is_none());
        assert!(Chart::of(&[fact(0, 0, 0, Some(100))], &zone).is_none());
        assert!(Chart::of(&[fact(0, 0, 5, None), fact(1, 60, 5, None)], &zone).is_none(), "no power at all");
        assert!(
            Chart::of(&[fact(0, 5, 0, Some(1)), fact(1, 5, 0, Some(2))], &zone).is_none(),
            "no time between"
        );
    }

    #[test]
    fn the_meter_s_power_is_drawn_or_else_the_mean_between_readings() {
        let zone = Zone::named(None);
        let measured =
            Chart::of(&[fact(0, 0, 0, Some(11_000)), fact(1, 60, 500, Some(7_000))], &zone).unwrap();
        assert!(measured.summary.ends_with("at most 11.0 kW"), "{}", measured.summary);
        assert_eq!(measured.grid[2].1, "20.0 kW");
        let mean = Chart::of(&[fact(0, 0, 0, None), fact(1, 3_600, 3_700, None)], &zone).unwrap();
        assert!(mean.summary.ends_with("at most 3.7 kW"), "{}", mean.summary);
        assert_eq!(mean.line.split(' ').count(), 2);
    }

    #[test]
    fn a_long_session_is_thinned_and_strange_figures_do_not_overflow() {
        let zone = Zone::named(None);
        let facts: Vec<_> = (0..5_000).map(|n| fact(n, i64::from(n), 0, Some(1_000))).collect();
        let chart = Chart::of(&facts, &zone).unwrap();
        assert!(chart.line.split(' ').count() <= POINTS_MAX + 1);
        let strange = [fact(0, 0, i64::MIN, Some(i64::MAX)), fact(1, 1, i64::MAX, Some(i64::MIN))];
        assert!(Chart::of(&strange, &zone).is_some());
        assert!(Chart::of(&[fact(0, 0, 0, None), fact(1, 1, i64::MAX, None)], &zone).is_some());
    }
}
