//! Weighted max-min by progressive filling: every share grows at its weight until it is at its cap or a row is full.
//!
//! All shares are a straight line in one level that rises from 0, so nothing is stepped: a heap holds the level at which each
//! row fills, and because a row only ever loses growers, a stale entry is too early, never too late. Phasor rows can fill sooner
//! when somebody stops; there are few, and each is solved anew at every event.
#![expect(
    clippy::float_arithmetic,
    clippy::as_conversions,
    reason = "levels are ratios; results are rounded down to whole microamperes and rows are kept free by more than the rounding"
)]

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::rows::sums::Sums;
use super::rows::{Coefficient, MICRO, RowUse, UNLIMITED};
use super::tree::Connection;

/// A result this close below a whole microampere is that. 2,000 of them together stay below one.
const ROUNDING_UA: f64 = 1e-4;
/// Kept free in a power row: more than the rounding of 2,000 shares at 1,500 V.
const POWER_SPARE_UW: i64 = MICRO;
/// Kept free in a phasor row.
const PHASOR_SPARE_UA: i64 = 5;
const NANO: f64 = 1e-9;

/// One that grows.
#[derive(Debug)]
pub(super) struct Grower<'t> {
    /// The rows it counts in.
    pub(super) uses: &'t [RowUse],
    /// The lines it grows on.
    pub(super) lines: [bool; 3],
    /// Where it starts, in µA; in the sums already.
    pub(super) start_ua: i64,
    /// Where it ends, in µA.
    pub(super) cap_ua: i64,
    /// How fast it grows; above zero.
    pub(super) weight: i64,
}

/// How one unit of current counts in a row.
#[derive(Debug, Clone, Copy)]
enum Slope {
    Linear(f64),
    Phasor(f64, f64),
}

/// A line or power row: load = base + slope x level.
#[derive(Debug, Default)]
struct LinearRow {
    limit: f64,
    base: f64,
    slope: f64,
    growing: usize,
    users: Vec<usize>,
}

/// A phasor row: the same with arrows.
#[derive(Debug, Default)]
struct PhasorRow {
    limit: f64,
    base: (f64, f64),
    slope: (f64, f64),
    growing: usize,
    users: Vec<(usize, (f64, f64))>,
}

struct Fill<'g, 't> {
    growers: &'g [Grower<'t>],
    /// Where each stopped, in µA; `None` while it grows.
    stopped: Vec<Option<f64>>,
    linear: Vec<LinearRow>,
    phasors: Vec<PhasorRow>,
    /// For each grower its rows: the place in `linear` or `phasors`.
    places: Vec<Vec<(usize, Slope)>>,
}

/// Where each grower ends, in µA, never below its start and never above its cap. `sums` holds what all have at the start;
/// limits are in micro-units.
pub(super) fn fill(growers: &[Grower<'_>], sums: &Sums, limits: &[i64]) -> Vec<i64> {
    let mut fill = Fill::new(growers, sums, limits);
    fill.run();
    (growers.iter().zip(&fill.stopped))
        .map(|(grower, stopped)| {
            let end = stopped.map_or(grower.start_ua, |end| (end + ROUNDING_UA).floor() as i64);
            end.clamp(grower.start_ua, grower.cap_ua.max(grower.start_ua))
        })
        .collect()
}

fn slope(row_use: &RowUse, lines: [bool; 3]) -> Slope {
    match row_use.coefficient {
        Coefficient::Line(line) => Slope::Linear(if line.of(lines) { 1.0 } else { 0.0 }),
        Coefficient::Power { voltage_v, connection } => {
            let used = match connection {
                Connection::Neutral => lines.iter().filter(|used| **used).count(),
                Connection::LineToLine => 1,
            };
            Slope::Linear(f64::from(voltage_v) * used as f64)
        }
        Coefficient::Phasor { re_nano, im_nano } => {
            Slope::Phasor(re_nano as f64 * NANO, im_nano as f64 * NANO)
        }
    }
}

// === impl Fill ===

impl<'g, 't> Fill<'g, 't> {
    fn new(growers: &'g [Grower<'t>], sums: &Sums, limits: &[i64]) -> Self {
        let mut fill = Self {
            growers,
            stopped: vec![None; growers.len()],
            linear: Vec::new(),
            phasors: Vec::new(),
            places: vec![Vec::new(); growers.len()],
        };
        let mut known: Vec<Option<usize>> = vec![None; limits.len()];
        for (number, grower) in growers.iter().enumerate() {
            let weight = grower.weight.max(1) as f64;
            if grower.cap_ua <= grower.start_ua {
                fill.set_stopped(number, grower.start_ua as f64);
                continue;
            }
            for row_use in grower.uses {
                let Some(limit) = limits.get(row_use.row).copied().filter(|limit| *limit != UNLIMITED) else {
                    continue;
                };
                let slope = slope(row_use, grower.lines);
                let Some(place) = known.get_mut(row_use.row) else { continue };
                let place = *place.get_or_insert_with(|| fill.open(row_use, limit, sums));
                fill.join(number, place, slope, weight);
            }
        }
        fill
    }

    /// Makes a row the first time it is met.
    fn open(&mut self, row_use: &RowUse, limit: i64, sums: &Sums) -> usize {
        match row_use.coefficient {
            Coefficient::Line(_) | Coefficient::Power { .. } => {
                let spare =
                    if matches!(row_use.coefficient, Coefficient::Line(_)) { 0 } else { POWER_SPARE_UW };
                let limit = limit.saturating_sub(spare) as f64;
                self.linear.push(LinearRow {
                    limit,
                    base: sums.of(row_use.row) as f64,
                    ..LinearRow::default()
                });
                self.linear.len() - 1
            }
            Coefficient::Phasor { .. } => {
                let (re, im) = sums.phasor(row_use.row);
                let limit = limit.saturating_sub(sums.reserve(row_use.row)).saturating_sub(PHASOR_SPARE_UA);
                let base = (re as f64 * NANO, im as f64 * NANO);
                self.phasors.push(PhasorRow { limit: limit.max(0) as f64, base, ..PhasorRow::default() });
                self.phasors.len() - 1
            }
        }
    }

    fn join(&mut self, number: usize, place: usize, slope: Slope, weight: f64) {
        match slope {
            Slope::Linear(unit) if unit > 0.0 => {
                let Some(row) = self.linear.get_mut(place) else { return };
                row.slope += unit * weight;
                row.growing += 1;
                row.users.push(number);
            }
            Slope::Linear(_) => return,
            Slope::Phasor(re, im) => {
                let Some(row) = self.phasors.get_mut(place) else { return };
                row.slope = (row.slope.0 + re * weight, row.slope.1 + im * weight);
                row.growing += 1;
                row.users.push((number, (re, im)));
            }
        }
        if let Some(places) = self.places.get_mut(number) {
            places.push((place, slope));
        }
    }

    fn run(&mut self) {
        let mut caps: Vec<(f64, usize)> = (self.growers.iter().enumerate())
            .filter(|(number, _)| self.is_growing(*number))
            .map(|(number, grower)| {
                ((grower.cap_ua - grower.start_ua) as f64 / grower.weight.max(1) as f64, number)
            })
            .collect();
        caps.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let mut caps = caps.into_iter().peekable();
        // Levels are not negative, so their bits sort as they do.
        let mut heap: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
        for (place, row) in self.linear.iter().enumerate() {
            heap.push(Reverse((row.full_at(0.0).to_bits(), place)));
        }
        let mut level = 0.0_f64;
        loop {
            while caps.next_if(|(_, number)| !self.is_growing(*number)).is_some() {}
            let Some((cap_at, number)) = caps.peek().copied() else { break };
            let linear = self.next_linear(&mut heap, level);
            let phasor = self.next_phasor(level);
            let row_at = linear.map_or(f64::INFINITY, |(at, _)| at);
            let phasor_at = phasor.map_or(f64::INFINITY, |(at, _)| at);
            if cap_at <= row_at && cap_at <= phasor_at {
                level = level.max(cap_at);
                self.stop(number, cap_at);
            } else if let Some((at, place)) = linear.filter(|_| row_at <= phasor_at) {
                level = at;
                let users = self.linear.get_mut(place).map(|row| std::mem::take(&mut row.users));
                for user in users.unwrap_or_default() {
                    self.stop(user, level);
                }
            } else if let Some((at, place)) = phasor {
                level = at;
                for user in self.pushers(place, level) {
                    self.stop(user, level);
                }
            }
        }
    }

    fn is_growing(&self, number: usize) -> bool {
        self.stopped.get(number).is_some_and(Option::is_none)
    }

    fn set_stopped(&mut self, number: usize, end: f64) {
        if let Some(stopped) = self.stopped.get_mut(number) {
            *stopped = Some(end);
        }
    }

    /// One stops at a level: from here on its part of each row is constant.
    fn stop(&mut self, number: usize, level: f64) {
        let Some(grower) = self.growers.get(number).filter(|_| self.is_growing(number)) else { return };
        let weight = grower.weight.max(1) as f64;
        self.set_stopped(number, (grower.start_ua as f64 + level * weight).min(grower.cap_ua as f64));
        for (place, slope) in self.places.get(number).into_iter().flatten() {
            match slope {
                Slope::Linear(unit) => {
                    if let Some(row) = self.linear.get_mut(*place) {
                        row.base += unit * weight * level;
                        row.slope -= unit * weight;
                        row.growing -= 1;
                    }
                }
                Slope::Phasor(re, im) => {
                    if let Some(row) = self.phasors.get_mut(*place) {
                        row.base = (row.base.0 + re * weight * level, row.base.1 + im * weight * level);
                        row.slope = (row.slope.0 - re * weight, row.slope.1 - im * weight);
                        row.growing -= 1;
                    }
                }
            }
        }
    }

    /// The line or power row that fills next, and at which level.
    fn next_linear(&self, heap: &mut BinaryHeap<Reverse<(u64, usize)>>, level: f64) -> Option<(f64, usize)> {
        while let Some(Reverse((bits, place))) = heap.peek().copied() {
            let row = self.linear.get(place).filter(|row| row.growing > 0);
            let Some(row) = row else {
                heap.pop();
                continue;
            };
            let full_at = row.full_at(level);
            if full_at.to_bits() <= bits {
                return Some((full_at, place));
            }
            heap.pop();
            heap.push(Reverse((full_at.to_bits(), place)));
        }
        None
    }

    fn next_phasor(&self, level: f64) -> Option<(f64, usize)> {
        let rows = self.phasors.iter().enumerate().filter(|(_, row)| row.growing > 0);
        let levels = rows.map(|(place, row)| (row.full_at(level), place));
        levels.filter(|(at, _)| at.is_finite()).reduce(|best, next| if next.0 < best.0 { next } else { best })
    }

    /// Who drives a full phasor row outwards; all who grow in it, when no single one does.
    fn pushers(&self, place: usize, level: f64) -> Vec<usize> {
        let Some(row) = self.phasors.get(place) else { return Vec::new() };
        let here = row.at(level);
        let growing = || row.users.iter().filter(|(number, _)| self.is_growing(*number));
        let pushing = growing().filter(|(_, unit)| here.0 * unit.0 + here.1 * unit.1 > 1e-9 * row.limit);
        let pushing: Vec<usize> = pushing.map(|(number, _)| *number).collect();
        if pushing.is_empty() { growing().map(|(number, _)| *number).collect() } else { pushing }
    }
}

// === impl LinearRow ===

impl LinearRow {
    /// The level at which it is full, not before `level`.
    fn full_at(&self, level: f64) -> f64 {
        ((self.limit - self.base) / self.slope).max(level)
    }
}

// === impl PhasorRow ===

impl PhasorRow {
    fn at(&self, level: f64) -> (f64, f64) {
        (self.base.0 + self.slope.0 * level, self.base.1 + self.slope.1 * level)
    }

    /// The level at which its arrow is as long as its limit, not before `level`; infinite when it never is.
    fn full_at(&self, level: f64) -> f64 {
        let (re, im) = self.at(level);
        let square = self.slope.0.powi(2) + self.slope.1.powi(2);
        // Slopes of growers that cancel leave dust; an arrow that does not move never arrives.
        if square < 1e-12 {
            return f64::INFINITY;
        }
        let inner = re * self.slope.0 + im * self.slope.1;
        let gap = (re.powi(2) + im.powi(2) - self.limit.powi(2)).min(0.0);
        level + ((-inner + (inner * inner - square * gap).max(0.0).sqrt()) / square).max(0.0)
    }
}
