//! Small drawings of figures over time, made here so that no script is needed: where instants and figures are on them.

use std::fmt::Write;

use ringmain_domain::time::Timestamp;

use super::format::Zone;

/// The drawing's size in its own units.
const WIDTH: i64 = 1300;
const HEIGHT: i64 = 180;
/// Room for the figures beside and below the curves.
const LEFT: i64 = 84;
const RIGHT: i64 = 14;
const BOTTOM: i64 = 26;
const TOP: i64 = 10;

/// A drawing from one instant to another and from nothing to its top.
pub(super) struct Frame {
    from: Timestamp,
    to: Timestamp,
    top: i64,
}

// === impl Frame ===

impl Frame {
    /// As high as it takes for `peak`.
    pub(super) fn new(from: Timestamp, to: Timestamp, peak: i64) -> Self {
        Self { from, to, top: nice_top(peak) }
    }

    fn x(&self, at: Timestamp) -> i64 {
        let at = at.max(self.from).min(self.to);
        LEFT + share(WIDTH - LEFT - RIGHT, at.millis_since(self.from), self.to.millis_since(self.from))
    }

    fn y(&self, value: i64) -> i64 {
        TOP + share(HEIGHT - TOP - BOTTOM, self.top - value.clamp(0, self.top), self.top)
    }

    /// A line of steps: from, to, how high.
    pub(super) fn line(&self, steps: impl Iterator<Item = (Timestamp, Timestamp, i64)>) -> String {
        let mut points = String::new();
        for (from, to, value) in steps {
            let y = self.y(value);
            // Writing to a text cannot fail.
            let _infallible = write!(points, "{},{y} {},{y} ", self.x(from), self.x(to));
        }
        points.trim_end().to_owned()
    }

    /// What is below such a line, down to nothing.
    pub(super) fn area(&self, steps: impl Iterator<Item = (Timestamp, Timestamp, i64)> + Clone) -> String {
        let floor = self.y(0);
        let from = steps.clone().next().map_or(LEFT, |(from, ..)| self.x(from));
        let to = steps.clone().last().map_or(LEFT, |(_, to, _)| self.x(to));
        format!("{from},{floor} {} {to},{floor}", self.line(steps))
    }

    /// Lines across: height and figure.
    pub(super) fn grid(&self, told: impl Fn(i64) -> String) -> Vec<(i64, String)> {
        [0, 1, 2].map(|part| share(self.top, part, 2)).map(|value| (self.y(value), told(value))).into()
    }

    /// Below: place, how the text is anchored, text.
    pub(super) fn times(&self, zone: &Zone) -> [(i64, &'static str, String); 3] {
        let middle = self.from.plus_millis(self.to.millis_since(self.from) / 2);
        [(self.from, "start"), (middle, "middle"), (self.to, "end")]
            .map(|(at, anchor)| (self.x(at), anchor, zone.when(at).text))
    }
}

/// `whole * part / of`, also for figures no meter should send.
pub(super) fn share(whole: i64, part: i64, of: i64) -> i64 {
    let exact = i128::from(whole) * i128::from(part) / i128::from(of.max(1));
    i64::try_from(exact).unwrap_or(whole)
}

/// The next larger of 1, 2, 5 or 10 times a power of ten, so that the axis is easy to read.
pub(super) fn nice_top(peak: i64) -> i64 {
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
