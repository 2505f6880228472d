//! Where a session may change its price: instants and amounts of energy, and the pieces between them.

use super::rule::Rule;
use super::usage::{MicroKwh, Period, Usage};
use crate::segment::Activity;
use crate::tariff::timeline::Timeline;
use crate::time::Timestamp;
use crate::time::local::{TimeOfDay, Zone};

/// The places at which a session is cut.
#[derive(Debug, Default)]
pub(super) struct Cuts {
    /// In order, each once.
    instants: Vec<Timestamp>,
    /// In order, each once: energy since the session began.
    energies: Vec<i64>,
}

/// A part of a period in which no restriction starts or ends to hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    pub(super) energy: MicroKwh,
}

/// When a session began, and when its reservation did: durations count from there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origins {
    pub(super) reserved: Option<Timestamp>,
    pub(super) session: Option<Timestamp>,
}

// === impl Cuts ===

impl Cuts {
    /// All places for these rules.
    pub(super) fn new<'a>(
        tariffs: &Timeline<'_>,
        rules: impl Iterator<Item = &'a Rule<'a>> + Clone,
        zone: &Zone,
        usage: &Usage,
        origins: Origins,
    ) -> Self {
        let (from, Some(to)) = (usage.started_at, usage.ended_at()) else { return Self::default() };
        if usage.is_cut {
            return Self::default();
        }
        let mut instants: Vec<_> = tariffs.changes().collect();
        let mut energies: Vec<i64> = rules.clone().flat_map(Rule::energies).collect();
        for age_ms in rules.clone().flat_map(Rule::ages_ms) {
            let starts = [origins.reserved, origins.session].into_iter().flatten();
            instants.extend(starts.map(|start| start.plus_millis(age_ms)));
        }
        if rules.clone().any(Rule::is_local) {
            // Dates and days of the week change at midnight, and so does a window that is open at one end.
            let mut times = vec![TimeOfDay::MIDNIGHT];
            let restrictions = rules.filter_map(Rule::restrictions);
            times.extend(restrictions.flat_map(|of| [of.start_time, of.end_time]).flatten());
            times.sort_unstable();
            times.dedup();
            instants.extend(zone.instants(from, to, &times));
        }
        instants.retain(|at| *at > from && *at < to);
        instants.sort_unstable();
        instants.dedup();
        energies.sort_unstable();
        energies.dedup();
        Self { instants, energies }
    }

    /// The pieces of a period, in order and without gaps: their energies add up to the period's to the last millionth.
    ///
    /// `before` is the session's energy when it begins, `also` one more instant to cut at.
    pub(super) fn pieces(
        &self,
        period: &Period,
        before: MicroKwh,
        also: Option<Timestamp>,
        into: &mut Vec<Piece>,
    ) {
        into.clear();
        let length = period.millis();
        let total = period.energy.0;
        let mut points: Vec<(Timestamp, i64)> = Vec::new();
        let first = self.instants.partition_point(|at| *at <= period.from);
        let inside = self.instants.iter().skip(first).take_while(|at| **at < period.to);
        let also = also.filter(|at| *at > period.from && *at < period.to);
        for at in inside.copied().chain(also) {
            points.push((at, share(total, at.millis_since(period.from), length)));
        }
        if total > 0 {
            let end = before.0.saturating_add(total);
            let first = self.energies.partition_point(|energy| *energy <= before.0);
            for energy in self.energies.iter().skip(first).take_while(|energy| **energy < end) {
                let within = energy.saturating_sub(before.0);
                points.push((period.from.plus_millis(share(length, within, total)), within));
            }
        }
        points.sort_unstable();
        points.dedup();
        points.push((period.to, total));
        let (mut from, mut done) = (period.from, 0);
        for (to, energy) in points {
            into.push(Piece { from, to, energy: MicroKwh(energy.saturating_sub(done)) });
            (from, done) = (to, energy);
        }
    }
}

/// `whole * part / of`, rounded down; nothing of nothing.
fn share(whole: i64, part: i64, of: i64) -> i64 {
    let product = i128::from(whole).saturating_mul(i128::from(part));
    product.checked_div(i128::from(of)).and_then(|share| i64::try_from(share).ok()).unwrap_or(0)
}

// === impl Origins ===

impl Origins {
    pub(super) fn of(usage: &Usage) -> Self {
        let reserved = |period: &&Period| period.activity == Some(Activity::Reserved);
        Self {
            reserved: usage.periods.iter().find(reserved).map(|period| period.from),
            session: usage.periods.iter().find(|period| !reserved(period)).map(|period| period.from),
        }
    }
}
