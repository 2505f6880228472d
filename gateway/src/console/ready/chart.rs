//! The power ahead as a small drawing: cars on what nobody controls, and the limit above them; made here so that no script is needed.

use std::fmt::Write;

use ringmain_domain::load::forecast::{PowerStep, RootPower};
use ringmain_domain::time::Timestamp;

use crate::console::format::{Zone, power};
use crate::console::session::chart::{nice_top, share};

/// The drawing's size in its own units.
const WIDTH: i64 = 1300;
const HEIGHT: i64 = 180;
/// Room for the figures beside and below the curves.
const LEFT: i64 = 84;
const RIGHT: i64 = 14;
const BOTTOM: i64 = 26;
const TOP: i64 = 10;
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
        let top = nice_top(peak.max(PEAK_MIN_W));
        let span = last.millis_since(first);
        let x = |at: Timestamp| LEFT + share(WIDTH - LEFT - RIGHT, at.millis_since(first), span);
        let y = |watts: i64| TOP + share(HEIGHT - TOP - BOTTOM, top - watts.clamp(0, top), top);
        let line = |steps: &[PowerStep], value: &dyn Fn(&PowerStep) -> i64| {
            let mut points = String::new();
            for step in steps {
                let (from, to, y) =
                    (x(step.from), x(step.from.plus_millis(QUARTER_MS).min(last)), y(value(step)));
                // Writing to a text cannot fail.
                let _infallible = write!(points, "{from},{y} {to},{y} ");
            }
            points.trim_end().to_owned()
        };
        let floor = y(0);
        let limits = root.steps.chunk_by(|a, b| a.limit.is_some() == b.limit.is_some());
        let limits = limits.filter(|piece| piece.first().is_some_and(|step| step.limit.is_some()));
        let name = if word.is_empty() { root.name.to_string() } else { format!("{}, {word}", root.name) };
        let cars = root.steps.iter().map(|step| step.cars.0).max().unwrap_or(0);
        let (from, to) = (zone.when(first).text, zone.when(last).text);
        let summary = format!("{name} from {from} to {to}: cars take at most {}", power(cars));
        let middle = first.plus_millis(span / 2);
        let at = |at: Timestamp, anchor| (x(at), anchor, zone.when(at).text);
        Some(Self {
            total: format!("{LEFT},{floor} {} {},{floor}", line(&root.steps, &total), x(last)),
            reserved: line(&root.steps, &|step| step.reserved.0),
            limit: limits.map(|piece| line(piece, &limit)).collect(),
            grid: [0, 1, 2].map(|part| share(top, part, 2)).map(|watts| (y(watts), power(watts))).into(),
            times: [at(first, "start"), at(middle, "middle"), at(last, "end")],
            summary,
            name,
        })
    }
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
