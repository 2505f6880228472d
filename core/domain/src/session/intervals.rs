//! Energies of intervals: some stations tell the same energy in several series, on a timer and by the clock. One of them counts.

use super::meter::{MS_PER_HOUR, TREMBLE_WH, Whole};
use crate::meter::{Sample, SampleContext};
use crate::time::Timestamp;

/// Steps in which energies are told, in Wh, the coarsest first: kWh with one decimal, with two, with three.
const STEPS_WH: [i64; 3] = [100, 10, 1];

/// Energies with the ends of their intervals: (when, Wh).
type Series = Vec<(Timestamp, i64)>;

/// The energies of intervals in a set of facts, by series.
#[derive(Default)]
pub(super) struct Intervals {
    /// Told on a timer, or because something happened.
    sampled: Whole,
    /// Told at fixed times of the day.
    clock: Whole,
    /// Told with the end of the transaction: what was used since the last one, or all of it.
    ends: Whole,
}

/// The series that counts.
#[derive(Debug, Default)]
pub(super) struct Counted {
    /// By time.
    pub(super) series: Series,
    /// Is it one that is told on a timer? It counts before any other.
    pub(super) is_by_timer: bool,
    /// Another series tells another amount.
    pub(super) disputed: bool,
}

// === impl Intervals ===

impl Intervals {
    pub(super) fn take(&mut self, sample: &Sample) {
        match sample.context {
            // What was used since the sample before belongs to whoever charged then.
            SampleContext::TransactionBegin => {}
            SampleContext::TransactionEnd => self.ends.take(sample),
            SampleContext::ClockAligned => self.clock.take(sample),
            SampleContext::Periodic
            | SampleContext::Triggered
            | SampleContext::Interruption
            | SampleContext::Other => self.sampled.take(sample),
        }
    }

    /// The timer's series, else the clock's, each with what was told for the rest at the end; else that alone.
    pub(super) fn counted(self) -> Counted {
        let (sampled, clock, ends) = (self.sampled.readings(), self.clock.readings(), self.ends.readings());
        let is_by_timer = !sampled.is_empty();
        let (mut series, mut others) = if is_by_timer { (sampled, vec![clock]) } else { (clock, Vec::new()) };
        for end in ends {
            match series.last() {
                // A station may repeat a reading in its last message.
                Some(_) if series.contains(&end) => {}
                Some(last) if last.0 >= end.0 || is_all(&series, end) => others.push(vec![end]),
                _ => series.push(end),
            }
        }
        let disputed = others.iter().any(|other| differs(&series, other));
        Counted { series, is_by_timer, disputed }
    }
}

/// Does what was told at the end say how much it was in all? As the rest it would be as much as everything before, and at twice the power.
fn is_all(series: &[(Timestamp, i64)], (at, wh): (Timestamp, i64)) -> bool {
    let most =
        series.iter().zip(series.iter().skip(1)).map(|(before, after)| power_w(before.0, *after)).max();
    let rest_w = series.last().map_or(0, |last| power_w(last.0, (at, wh)));
    wh >= sum(series) && most.is_some_and(|most| rest_w > most.saturating_mul(2))
}

fn power_w(from: Timestamp, (to, wh): (Timestamp, i64)) -> i64 {
    wh.saturating_mul(MS_PER_HOUR) / to.millis_since(from).max(1)
}

/// Does another series tell another amount, as far as it goes? Each value may be off by its step, and where that ends within an interval
/// nobody knows how much of it had flowed.
fn differs(series: &[(Timestamp, i64)], other: &[(Timestamp, i64)]) -> bool {
    let Some((until, _)) = other.last() else { return false };
    let covered = series.partition_point(|(at, _)| at <= until);
    let (covered, beyond) = series.split_at_checked(covered).unwrap_or((series, &[]));
    let within = beyond.first().map_or(0, |(_, wh)| *wh);
    let (least, told) = (sum(covered), sum(other));
    let slack = rounding(series).saturating_add(rounding(other)).saturating_add(TREMBLE_WH);
    told < least.saturating_sub(slack) || told > least.saturating_add(within).saturating_add(slack)
}

/// How much all values of a series may be off together, in Wh: a step each.
fn rounding(series: &[(Timestamp, i64)]) -> i64 {
    let fits = |step: &i64| series.iter().all(|(_, wh)| wh % step == 0);
    let step = STEPS_WH.into_iter().find(fits).unwrap_or(1);
    i64::try_from(series.len()).unwrap_or(i64::MAX).saturating_mul(step)
}

fn sum(series: &[(Timestamp, i64)]) -> i64 {
    series.iter().fold(0, |sum, (_, wh)| sum.saturating_add(*wh))
}
