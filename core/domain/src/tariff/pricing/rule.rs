//! An element made ready for comparing: thresholds as whole numbers, and whether they hold at the moment a piece begins.

use rust_decimal::{Decimal, RoundingStrategy};

use super::usage::{MicroKwh, scaled};
use crate::segment::Span;
use crate::tariff::restriction::{ReservationKind, Restrictions};
use crate::tariff::{Dimension, PriceComponent, TariffElement};
use crate::time::local::Local;

const MS_PER_SECOND: i64 = 1000;
/// W in a kW and mA in an A, as a power of ten.
const THOUSANDS: u32 = 3;
/// Millionths, as a power of ten.
const MILLIONS: u32 = 6;

/// An element of a tariff.
#[derive(Debug)]
pub(super) struct Rule<'a> {
    /// Its index.
    pub(super) element: usize,
    components: &'a [PriceComponent],
    /// `None` when it always applies.
    limits: Option<Limits<'a>>,
}

#[derive(Debug)]
struct Limits<'a> {
    of: &'a Restrictions,
    is_local: bool,
    energy: [Option<i64>; 2],
    power_w: [Option<i64>; 2],
    current_ma: [Option<i64>; 2],
    age_ms: [Option<i64>; 2],
}

/// Where a session stands when a piece of it begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// What clock and calendar show; unknown outside the years that calendars have.
    pub(super) local: Option<Local>,
    /// Energy so far.
    pub(super) energy: MicroKwh,
    /// Milliseconds since the session, or for reserved time the reservation, began.
    pub(super) age_ms: i64,
    /// Power during the piece.
    pub(super) power_w: Option<Span>,
    /// Current during the piece.
    pub(super) current_ma: Option<Span>,
}

// === impl Rule ===

impl<'a> Rule<'a> {
    pub(super) fn new(element: usize, of: &'a TariffElement) -> Self {
        let limits = (!of.restrictions.is_empty()).then(|| Limits::new(&of.restrictions));
        Self { element, components: &of.components, limits }
    }

    pub(super) fn component(&self, dimension: Dimension) -> Option<&'a PriceComponent> {
        self.components.iter().find(|component| component.dimension == dimension)
    }

    pub(super) fn reservation(&self) -> Option<ReservationKind> {
        self.limits.as_ref().and_then(|limits| limits.of.reservation)
    }

    pub(super) fn is_local(&self) -> bool {
        self.limits.as_ref().is_some_and(|limits| limits.is_local)
    }

    /// The restrictions, for the places where they start and end to hold.
    pub(super) fn restrictions(&self) -> Option<&'a Restrictions> {
        self.limits.as_ref().map(|limits| limits.of)
    }

    pub(super) fn energies(&self) -> impl Iterator<Item = i64> {
        self.limits.iter().flat_map(|limits| limits.energy).flatten()
    }

    pub(super) fn ages_ms(&self) -> impl Iterator<Item = i64> {
        self.limits.iter().flat_map(|limits| limits.age_ms).flatten()
    }

    /// Do all restrictions hold, but for the one on reservations?
    pub(super) fn holds(&self, moment: &Moment) -> bool {
        self.limits.as_ref().is_none_or(|limits| limits.hold(moment))
    }
}

// === impl Limits ===

impl<'a> Limits<'a> {
    fn new(of: &'a Restrictions) -> Self {
        // Rounding up keeps both comparisons with whole numbers exact: n >= x and n < x.
        let up = |value: Option<Decimal>, digits| {
            value.map(|value| scaled(value, digits, RoundingStrategy::ToPositiveInfinity))
        };
        let ms = |seconds: Option<u32>| seconds.map(|s| i64::from(s).saturating_mul(MS_PER_SECOND));
        Self {
            of,
            is_local: of.is_local(),
            energy: [up(of.min_kwh, MILLIONS), up(of.max_kwh, MILLIONS)],
            power_w: [up(of.min_power_kw, THOUSANDS), up(of.max_power_kw, THOUSANDS)],
            current_ma: [up(of.min_current_a, THOUSANDS), up(of.max_current_a, THOUSANDS)],
            age_ms: [ms(of.min_duration_s), ms(of.max_duration_s)],
        }
    }

    fn hold(&self, moment: &Moment) -> bool {
        within(self.energy, moment.energy.0)
            && within(self.age_ms, moment.age_ms)
            && touches(self.power_w, moment.power_w)
            && touches(self.current_ma, moment.current_ma)
            && (!self.is_local || moment.local.is_some_and(|local| self.hold_locally(&local)))
    }

    fn hold_locally(&self, local: &Local) -> bool {
        self.of.holds_time(local.time)
            && self.of.start_date.is_none_or(|start| local.day >= start)
            && self.of.end_date.is_none_or(|end| local.day < end)
            && (self.of.days_of_week.is_empty() || self.of.days_of_week.contains(&local.weekday))
    }
}

fn within([min, max]: [Option<i64>; 2], value: i64) -> bool {
    min.is_none_or(|min| value >= min) && max.is_none_or(|max| value < max)
}

/// A stretch reaches a minimum when its highest value does, and stays below a maximum when its lowest does.
fn touches([min, max]: [Option<i64>; 2], span: Option<Span>) -> bool {
    span.is_none_or(|span| min.is_none_or(|min| span.max >= min) && max.is_none_or(|max| span.min < max))
}
