//! The power ahead as a small drawing: cars on what nobody controls, and the limit above them; made here so that no script is needed.

use ringmain_domain::load::forecast::{PowerStep, RootPower};
use ringmain_domain::time::Timestamp;

use crate::console::drawing::Frame;
use crate::console::format::{Zone, power};

/// The end of the last step, which is a quarter of an hour or less.
const QUARTER_MS: i64 = 900_000;
/// A drawing of less would show noise.
const PEAK_MIN_W: i64 = 1_000;

/// The power of a circuit over the steps.
pub(super) struct Chart {
    pub(super) name: String,
    /// Cars and what nobody controls.
    pub(super) total: String,
    pub(super) reserved: String,
    /// In pieces: there may be no limit for a while.
    pub(super) limit: Vec<String>,
    /// Lines across: height and figure.
    pub(super) grid: Vec<(i64, String)>,
    /// Below: place, how the text is anchored, text.
    pub(super) times: [(i64, &'static str, String); 3],
    pub(super) summary: String,
}

impl Chart {
    /// `None` when there is no step. `word` tells which of two forecasts it is; both are drawn up to the same `peak`, to be compared.
    pub(super) fn of(root: &RootPower, word: &str, peak: i64, zone: &Zone) -> Option<Self> {
        let (first, last) = (root.steps.first()?.from, root.steps.last()?.from.plus_millis(QUARTER_MS));
        let frame = Frame::new(first, last, peak.max(PEAK_MIN_W));
        let limits = root.steps.chunk_by(|a, b| a.limit.is_some() == b.limit.is_some());
        let limits = limits.filter(|piece| piece.first().is_some_and(|step| step.limit.is_some()));
        let name = if word.is_empty() { root.name.to_string() } else { format!("{}, {word}", root.name) };
        let cars = root.steps.iter().map(|step| step.cars.0).max().unwrap_or(0);
        let (from, to) = (zone.when(first).text, zone.when(last).text);
        let summary = format!("{name} from {from} to {to}: cars take at most {}", power(cars));
        Some(Self {
            total: frame.area(steps(&root.steps, total)),
            reserved: frame.line(steps(&root.steps, |step| step.reserved.0)),
            limit: limits.map(|piece| frame.line(steps(piece, limit))).collect(),
            grid: frame.grid(power),
            times: frame.times(zone),
            summary,
            name,
        })
    }
}

/// Steps end with the quarter of an hour, the last one perhaps sooner.
fn steps(
    steps: &[PowerStep],
    value: fn(&PowerStep) -> i64,
) -> impl Iterator<Item = (Timestamp, Timestamp, i64)> + Clone {
    steps.iter().map(move |step| (step.from, step.from.plus_millis(QUARTER_MS), value(step)))
}

/// The highest of load and limit.
pub(super) fn peak(root: &RootPower) -> i64 {
    root.steps.iter().map(|step| total(step).max(limit(step))).max().unwrap_or(0)
}

fn total(step: &PowerStep) -> i64 {
    step.reserved.plus(step.cars).0.max(0)
}

fn limit(step: &PowerStep) -> i64 {
    step.limit.map_or(0, |limit| limit.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringmain_domain::id::CircuitId;
    use ringmain_domain::unit::Watts;

    fn root(steps: &[(i64, i64, Option<i64>)]) -> RootPower {
        let step = |(number, (cars, reserved, limit)): (usize, &(i64, i64, Option<i64>))| PowerStep {
            from: Timestamp::from_millis(i64::try_from(number).unwrap() * QUARTER_MS),
            cars: Watts(*cars),
            reserved: Watts(*reserved),
            limit: limit.map(Watts),
        };
        let steps = steps.iter().enumerate().map(step).collect();
        RootPower { circuit: CircuitId::new("grid").unwrap(), name: "Grid".into(), steps }
    }

    #[test]
    fn cars_stand_on_what_nobody_controls_and_the_limit_comes_in_pieces() {
        let zone = Zone::named(None);
        let drawn = root(&[(4_000, 1_000, Some(10_000)), (0, 1_000, None), (2_000, -500, Some(5_000))]);
        let chart = Chart::of(&drawn, "what if", peak(&drawn), &zone).unwrap();
        assert_eq!((chart.name.as_str(), chart.limit.len()), ("Grid, what if", 2));
        assert_eq!(chart.limit[0], "84,10 484,10", "the top of the drawing is 10 kW");
        assert!(chart.total.starts_with("84,154 84,82 484,82 484,139 "), "{}", chart.total);
        assert!(chart.reserved.ends_with(",154 1286,154"), "negative is the floor: {}", chart.reserved);
        assert_eq!(chart.grid[2].1, "10.0 kW");
        assert_eq!(
            chart.summary,
            "Grid, what if from 1970-01-01 00:00 to 1970-01-01 00:45: cars take at most 4.0 kW"
        );
        assert!(Chart::of(&root(&[]), "", 0, &zone).is_none());
        assert_eq!(Chart::of(&root(&[(0, 0, None)]), "", 0, &zone).unwrap().name, "Grid");
    }
}
