//! Power and energy over time as a small drawing, with what went on behind them; made here so that no script is needed.

use std::fmt::Write;

use ringmain_domain::meter::Measurand;
use ringmain_domain::segment::{Activity, Segment};
use ringmain_domain::time::Timestamp;
use ringmain_domain::transaction::TransactionFact;

use super::super::drawing::{nice_top, share};
use super::super::format::{Zone, energy, power};

/// The drawing's size in its own units.
const WIDTH: i64 = 1300;
const HEIGHT: i64 = 220;
/// Room for the figures beside and below the curves.
const LEFT: i64 = 66;
const RIGHT: i64 = 84;
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
    /// Energy since the first reading; empty when there are not two.
    pub(super) energy: String,
    pub(super) shades: Vec<Shade>,
    /// Lines across: height, power, and energy where there is any.
    pub(super) grid: Vec<(i64, String, String)>,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) summary: String,
}

/// A stretch during which one thing went on.
pub(super) struct Shade {
    pub(super) class: &'static str,
    pub(super) x: i64,
    pub(super) width: i64,
}

impl Chart {
    /// The curve of a session; `None` when there are not at least two points of it.
    pub(super) fn of(facts: &[TransactionFact], segments: &[Segment], zone: &Zone) -> Option<Self> {
        let points = thinned(&power_points(facts));
        let (first, last) = (points.first()?, points.last()?);
        let ends = (segments.first().map(|one| one.from), segments.last().map(|one| one.to));
        let from_at = ends.0.map_or(first.0, |at| at.min(first.0));
        let to_at = ends.1.map_or(last.0, |at| at.max(last.0));
        let span = to_at.millis_since(from_at);
        let peak = points.iter().map(|point| point.1).max()?;
        if points.len() < 2 || last.0 <= first.0 || peak <= 0 {
            return None;
        }
        let top = nice_top(peak);
        let x = |at: Timestamp| LEFT + share(WIDTH - LEFT - RIGHT, at.millis_since(from_at), span);
        let height =
            |value: i64, top: i64| TOP + share(HEIGHT - TOP - BOTTOM, top - value.clamp(0, top), top);
        let y = |watts: i64| height(watts, top);
        let mut line = String::new();
        for (at, watts) in &points {
            // Writing to a text cannot fail.
            let _infallible = write!(line, "{},{} ", x(*at), y(*watts));
        }
        let floor = y(0);
        let area = format!("{},{floor} {line}{},{floor}", x(first.0), x(last.0));
        let readings = thinned(&energy_points(facts));
        let energy_top = readings.iter().map(|reading| reading.1).max().filter(|wh| *wh > 0).map(nice_top);
        let mut register = String::new();
        if let Some(energy_top) = energy_top {
            for (at, wh) in &readings {
                let _infallible = write!(register, "{},{} ", x(*at), height(*wh, energy_top));
            }
        }
        let line_at = |part: i64| {
            let (watts, wh) = (share(top, part, 2), energy_top.map(|energy_top| share(energy_top, part, 2)));
            (y(watts), power(watts), wh.map(energy).unwrap_or_default())
        };
        let grid = [0, 1, 2].into_iter().map(line_at).collect();
        let shade = |segment: &Segment| {
            let (from, to) = (x(segment.from), x(segment.to));
            Shade { class: class_of(segment.activity), x: from, width: (to - from).max(1) }
        };
        let shades = joined(segments).iter().map(shade).collect();
        let written = |at| if span < SHORT_MS { zone.exact(at).text } else { zone.when(at).text };
        let (from, to) = (written(from_at), written(to_at));
        let summary = format!("Power from {from} to {to}, at most {}", power(peak));
        let energy = register.trim_end().to_owned();
        Some(Self { line: line.trim_end().to_owned(), area, energy, shades, grid, from, to, summary })
    }
}

/// What goes on, as a class of the drawing.
const fn class_of(activity: Activity) -> &'static str {
    match activity {
        Activity::Reserved => "reserved",
        Activity::Charging => "flows",
        Activity::Idle => "idle",
    }
}

/// Neighbours during which the same went on as one.
fn joined(segments: &[Segment]) -> Vec<Segment> {
    let mut joined: Vec<Segment> = Vec::new();
    for segment in segments {
        match joined.last_mut().filter(|last| last.activity == segment.activity) {
            Some(last) => *last = last.joined(segment),
            None => joined.push(*segment),
        }
    }
    joined
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

/// Energy since the first reading of the register, in Wh.
fn energy_points(facts: &[TransactionFact]) -> Vec<(Timestamp, i64)> {
    let samples = facts.iter().flat_map(|fact| &fact.samples).filter(|sample| sample.phase.is_none());
    let mut readings: Vec<_> =
        samples.filter_map(|sample| Some((sample.observed_at, sample.billed_register_wh()?))).collect();
    readings.sort();
    readings.dedup_by_key(|reading| reading.0);
    let Some(first) = readings.first().map(|reading| reading.1) else { return readings };
    for reading in &mut readings {
        reading.1 = reading.1.saturating_sub(first);
    }
    readings
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

#[cfg(test)]
mod tests {
    use super::*;
    use ringmain_domain::id::TransactionId;
    use ringmain_domain::meter::{Sample, SampleContext};
    use ringmain_domain::report::{MessageKey, TransactionPhase};
    use ringmain_domain::unit::WattHours;

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
            contract: None,
            observed_at: at,
            received_at: at,
            trigger: "x".into(),
            charging_state: None,
            stop_reason: None,
            offline: false,
            remote_start_id: None,
            time_repaired: false,
            adopted: false,
            aside: false,
            samples,
            ruling: None,
            content: "".into(),
        }
    }

    #[test]
    fn a_curve_needs_two_points_in_time() {
        let zone = Zone::named(None);
        assert!(Chart::of(&[], &[], &zone).is_none());
        assert!(Chart::of(&[fact(0, 0, 0, Some(100))], &[], &zone).is_none());
        assert!(
            Chart::of(&[fact(0, 0, 5, None), fact(1, 60, 5, None)], &[], &zone).is_none(),
            "no power at all"
        );
        assert!(
            Chart::of(&[fact(0, 5, 0, Some(1)), fact(1, 5, 0, Some(2))], &[], &zone).is_none(),
            "no time between"
        );
    }

    #[test]
    fn the_meter_s_power_is_drawn_or_else_the_mean_between_readings() {
        let zone = Zone::named(None);
        let measured =
            Chart::of(&[fact(0, 0, 0, Some(11_000)), fact(1, 60, 500, Some(7_000))], &[], &zone).unwrap();
        assert!(measured.summary.ends_with("at most 11.0 kW"), "{}", measured.summary);
        assert_eq!(measured.grid[2].1, "20.0 kW");
        let mean = Chart::of(&[fact(0, 0, 0, None), fact(1, 3_600, 3_700, None)], &[], &zone).unwrap();
        assert!(mean.summary.ends_with("at most 3.7 kW"), "{}", mean.summary);
        assert_eq!(mean.line.split(' ').count(), 2);
    }

    #[test]
    fn what_went_on_is_shaded_and_neighbours_are_joined() {
        let zone = Zone::named(None);
        let at = |minute: i64| Timestamp::from_millis(0).plus_secs(minute * 60);
        let segment = |from, to, activity| Segment::new(at(from), at(to), WattHours::ZERO, activity);
        let segments = [
            segment(0, 10, Activity::Charging),
            segment(10, 60, Activity::Charging),
            segment(60, 120, Activity::Idle),
        ];
        let facts = [fact(0, 0, 0, None), fact(1, 3_600, 3_700, None)];
        let chart = Chart::of(&facts, &segments, &zone).unwrap();
        let shades: Vec<_> = chart.shades.iter().map(|shade| (shade.class, shade.x, shade.width)).collect();
        let half = (WIDTH - LEFT - RIGHT) / 2;
        assert_eq!(shades, [("flows", LEFT, half), ("idle", LEFT + half, half)]);
        assert_eq!(chart.energy.split(' ').count(), 2);
        assert_eq!(chart.grid[2].2, "5.00 kWh");
    }

    #[test]
    fn a_long_session_is_thinned_and_strange_figures_do_not_overflow() {
        let zone = Zone::named(None);
        let facts: Vec<_> = (0..5_000).map(|n| fact(n, i64::from(n), 0, Some(1_000))).collect();
        let chart = Chart::of(&facts, &[], &zone).unwrap();
        assert!(chart.line.split(' ').count() <= POINTS_MAX + 1);
        let strange = [fact(0, 0, i64::MIN, Some(i64::MAX)), fact(1, 1, i64::MAX, Some(i64::MIN))];
        assert!(Chart::of(&strange, &[], &zone).is_some());
        assert!(Chart::of(&[fact(0, 0, 0, None), fact(1, 1, i64::MAX, None)], &[], &zone).is_some());
    }
}
