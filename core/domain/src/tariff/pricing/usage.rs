//! What was used: the stretches of a session or of a bill record, exact enough for both.

use rust_decimal::prelude::ToPrimitive as _;
use rust_decimal::{Decimal, RoundingStrategy};

use crate::segment::{Activity, Segment, Span};
use crate::time::Timestamp;

/// Millionths of a kWh in a Wh.
const MICRO_PER_WH: i64 = 1000;
/// Decimals of a kWh that count.
const KWH_DIGITS: u32 = 6;

/// What a session used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// When it began: fee, limits and currency are those of that moment, also where nothing was used.
    pub started_at: Timestamp,
    /// Its stretches, in the order of time.
    pub periods: Vec<Period>,
    /// Are the stretches cut already wherever another price applies? A bill record's are: who wrote it says so by beginning a new one
    /// (OCPI 2.2.1 mod_cdrs), so each is priced as it stands by what holds at its start.
    pub is_cut: bool,
    /// Is it a reservation that nobody came for? Nothing in a bill record says so; who knows it must say it.
    pub reservation_expired: bool,
}

/// A stretch during which one thing went on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// From.
    pub from: Timestamp,
    /// To; not before `from`.
    pub to: Timestamp,
    /// Energy delivered in it, evenly.
    pub energy: MicroKwh,
    /// What went on; `None`: a bill record does not say, so no time is priced.
    pub activity: Option<Activity>,
    /// Power, in W. Where it is unknown, restrictions on power hold.
    pub power_w: Option<Span>,
    /// Current, in mA. Where it is unknown, restrictions on current hold.
    pub current_ma: Option<Span>,
}

/// An energy in millionths of a kWh: bill records have four decimals of a kWh and more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct MicroKwh(pub i64);

// === impl Usage ===

impl Usage {
    /// Of a session and its stretches.
    #[must_use]
    pub fn of(started_at: Timestamp, segments: &[Segment]) -> Self {
        Self {
            started_at,
            periods: segments.iter().map(Period::from).collect(),
            is_cut: false,
            reservation_expired: false,
        }
    }

    /// The same as a reservation that nobody came for.
    #[must_use]
    pub fn expired(mut self) -> Self {
        self.reservation_expired = true;
        self
    }

    /// When it ended; `None` when nothing was used.
    #[must_use]
    pub fn ended_at(&self) -> Option<Timestamp> {
        self.periods.iter().map(|period| period.to).max()
    }
}

// === impl Period ===

impl Period {
    /// The moment at which a session begins, before anything is used.
    pub(super) const fn of_nothing(at: Timestamp) -> Self {
        let none = Some(Span::steady(0));
        Self { from: at, to: at, energy: MicroKwh(0), activity: None, power_w: none, current_ma: none }
    }

    pub(super) const fn millis(&self) -> i64 {
        self.to.millis_since(self.from)
    }
}

impl From<&Segment> for Period {
    fn from(segment: &Segment) -> Self {
        Self {
            from: segment.from,
            to: segment.to,
            energy: MicroKwh(segment.energy.0.saturating_mul(MICRO_PER_WH)),
            activity: Some(segment.activity),
            power_w: segment.power_w,
            current_ma: segment.current_ma,
        }
    }
}

// === impl MicroKwh ===

impl MicroKwh {
    /// From kWh, to the nearest millionth; held at the ends of what fits.
    #[must_use]
    pub fn from_kwh(kwh: Decimal) -> Self {
        Self(scaled(kwh, KWH_DIGITS, RoundingStrategy::MidpointAwayFromZero))
    }
}

/// A decimal times a power of ten as a whole number, held at the ends instead of overflowing.
pub(super) fn scaled(value: Decimal, digits: u32, rounding: RoundingStrategy) -> i64 {
    let held = if value.is_sign_negative() { i64::MIN } else { i64::MAX };
    let factor = Decimal::from(10_i64.saturating_pow(digits));
    let product = value.checked_mul(factor);
    product.and_then(|product| product.round_dp_with_strategy(0, rounding).to_i64()).unwrap_or(held)
}
