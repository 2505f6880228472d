//! Running sums of rows, exact: a share is tried, taken and given back without a rounding error.

use super::super::tree::Connection;
use super::{Coefficient, RowUse, UNLIMITED};

/// Running sums of all rows, exact.
#[derive(Debug, Clone)]
pub(in crate::load) struct Sums {
    /// In micro-units; of phasor rows the reserve alone.
    linear: Vec<i64>,
    /// In 1e-9 of a microampere.
    phasors: Vec<(i128, i128)>,
}

// === impl Sums ===

impl Sums {
    /// Nothing but these reserves, in micro-units, one for each row.
    pub(in crate::load) fn new(reserves: Vec<i64>) -> Self {
        let phasors = vec![(0, 0); reserves.len()];
        Self { linear: reserves, phasors }
    }

    /// Adds currents in µA on L1, L2, L3 to the rows of an EVSE.
    pub(in crate::load) fn add(&mut self, uses: &[RowUse], lines: [i64; 3]) {
        for row_use in uses {
            self.add_one(row_use, lines);
        }
    }

    fn add_one(&mut self, row_use: &RowUse, lines: [i64; 3]) {
        let linear = linear(row_use.coefficient, lines);
        if let Some(sum) = self.linear.get_mut(row_use.row) {
            *sum = sum.saturating_add(linear);
        }
        if let Some(sum) = self.phasors.get_mut(row_use.row) {
            let (re, im) = phasor(row_use.coefficient, lines);
            *sum = (sum.0.saturating_add(re), sum.1.saturating_add(im));
        }
    }

    /// A row's sum in micro-units, of phasor rows the magnitude rounded up and the reserve.
    pub(in crate::load) fn of(&self, row: usize) -> i64 {
        let linear = self.linear.get(row).copied().unwrap_or(0);
        let (re, im) = self.phasors.get(row).copied().unwrap_or((0, 0));
        linear.saturating_add(magnitude(re, im))
    }

    /// What is reserved in a phasor row, in micro-units; of other rows, the whole sum.
    pub(in crate::load) fn reserve(&self, row: usize) -> i64 {
        self.linear.get(row).copied().unwrap_or(0)
    }

    /// The phasor of a row, in 1e-9 of a microampere.
    pub(in crate::load) fn phasor(&self, row: usize) -> (i128, i128) {
        self.phasors.get(row).copied().unwrap_or((0, 0))
    }

    /// The first row of an EVSE that would not hold with so much more on its lines. A row that is over already does not refuse
    /// who adds nothing to it.
    pub(in crate::load) fn first_over(
        &self,
        uses: &[RowUse],
        lines: [i64; 3],
        limits: &[i64],
    ) -> Option<usize> {
        let over = |row_use: &&RowUse| {
            let Some(limit) = limits.get(row_use.row).filter(|limit| **limit != UNLIMITED) else {
                return false;
            };
            match row_use.coefficient {
                Coefficient::Line(_) | Coefficient::Power { .. } => {
                    let more = linear(row_use.coefficient, lines);
                    more > 0
                        && self.linear.get(row_use.row).is_some_and(|sum| sum.saturating_add(more) > *limit)
                }
                Coefficient::Phasor { .. } => {
                    let (re, im) = self.phasor(row_use.row);
                    let more = phasor(row_use.coefficient, lines);
                    let grown = magnitude(re.saturating_add(more.0), im.saturating_add(more.1));
                    let reserve = self.linear.get(row_use.row).copied().unwrap_or(0);
                    grown > magnitude(re, im) && grown.saturating_add(reserve) > *limit
                }
            }
        };
        uses.iter().find(over).map(|row_use| row_use.row)
    }
}

/// What currents add to a line or power row.
fn linear(coefficient: Coefficient, lines: [i64; 3]) -> i64 {
    match coefficient {
        Coefficient::Line(line) => line.of(lines),
        Coefficient::Power { voltage_v, connection } => {
            let amps = match connection {
                Connection::Neutral => lines.iter().fold(0_i64, |sum, line| sum.saturating_add(*line)),
                Connection::LineToLine => largest(lines),
            };
            amps.saturating_mul(i64::from(voltage_v))
        }
        Coefficient::Phasor { .. } => 0,
    }
}

/// The value of the line with most of it; of a share that is given back, the most negative one.
fn largest(lines: [i64; 3]) -> i64 {
    lines.into_iter().max_by_key(|value| value.unsigned_abs()).unwrap_or(0)
}

/// What currents add to a phasor row: the largest of the lines counts.
fn phasor(coefficient: Coefficient, lines: [i64; 3]) -> (i128, i128) {
    let Coefficient::Phasor { re_nano, im_nano } = coefficient else { return (0, 0) };
    let amps = i128::from(largest(lines));
    (amps.saturating_mul(i128::from(re_nano)), amps.saturating_mul(i128::from(im_nano)))
}

/// In µA, rounded up.
fn magnitude(re_nano: i128, im_nano: i128) -> i64 {
    if re_nano == 0 && im_nano == 0 {
        return 0;
    }
    // Thousandths of a microampere: fine enough, and the squares fit.
    let part = |nano: i128| (nano.unsigned_abs() / 1_000_000).saturating_add(1);
    let square = part(re_nano).saturating_pow(2).saturating_add(part(im_nano).saturating_pow(2));
    i64::try_from(square.isqrt().saturating_add(1) / 1_000).unwrap_or(UNLIMITED - 1).saturating_add(1)
}
