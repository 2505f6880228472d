//! The explanation of a price: what it is made of, line by line.

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::TariffId;
use crate::money::{Currency, Price};
use crate::tariff::Dimension;
use crate::time::Timestamp;

/// A cost with its reasons. Records of before restrictions lack what is optional here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CostBreakdown {
    /// The tariff in force when the session started.
    pub tariff_id: TariffId,
    /// The currency of all amounts.
    pub currency: Currency,
    /// By kind in the order of [`LineKind`], then by time.
    pub lines: Vec<CostLine>,
    /// The sum of the lines, in coins of the currency.
    pub total: Price,
    /// The sum before that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unrounded: Option<Price>,
    /// How the sum became the total.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rounding: Option<Rounding>,
    /// The time zone in which times of day and dates were read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<Box<str>>,
}

/// One reason for a part of a cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CostLine {
    /// What it is for.
    #[serde(rename = "dimension")]
    pub kind: LineKind,
    /// The tariff that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tariff_id: Option<TariffId>,
    /// When the version of the tariff that made it came into force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tariff_from: Option<Timestamp>,
    /// The index of the tariff's element; `None` for a limit, which is the tariff's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub element: Option<usize>,
    /// From when to when it was used; a fee is due at a moment. `None` for a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<LinePeriod>,
    /// How much is billed: kWh, hours or sessions, after rounding up to the step.
    pub quantity: Decimal,
    /// What was used before that.
    pub used: Decimal,
    /// The price of one, as the tariff says it.
    pub unit_price: Decimal,
    /// In percent.
    pub tax_percent: Option<Decimal>,
    /// Without taxes.
    pub excl_tax: Decimal,
    /// The taxes.
    pub tax: Decimal,
    /// With taxes.
    pub incl_tax: Decimal,
}

/// A stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinePeriod {
    /// From.
    pub from: Timestamp,
    /// To.
    pub to: Timestamp,
}

/// What a line is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LineKind {
    /// A fee for the reservation.
    ReservationFlat,
    /// The time for which the EVSE was held.
    ReservationTime,
    /// A dimension of the session.
    Usage(Dimension),
    /// What lifts the sum to the tariff's minimum.
    MinimumPrice,
    /// What lowers the sum to the tariff's maximum; below zero.
    MaximumPrice,
}

/// How a sum became an amount that can be paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rounding {
    /// The rule.
    pub rule: RoundingRule,
    /// To so many decimals.
    pub digits: u32,
}

/// A rule of rounding. One so far; it is kept with the record so that another never changes what an old bill means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoundingRule {
    /// To the nearest, halves away from zero, once and at the end.
    HalfAwayFromZero,
}

// === impl CostBreakdown ===

impl CostBreakdown {
    /// The same with the opposite sign: what a credit takes back.
    #[must_use]
    pub fn negated(&self) -> Self {
        let opposite = |price: Price| Price { excl_tax: -price.excl_tax, incl_tax: -price.incl_tax };
        let mut negated = self.clone();
        for line in &mut negated.lines {
            (line.excl_tax, line.tax, line.incl_tax) = (-line.excl_tax, -line.tax, -line.incl_tax);
        }
        negated.total = opposite(self.total);
        negated.unrounded = self.unrounded.map(opposite);
        negated
    }

    /// What the lines of a kind cost together; `None` when there is no such line.
    #[must_use]
    pub fn cost_of(&self, kind: LineKind) -> Option<Price> {
        let add = |sum: Option<Price>, line: &CostLine| {
            let Price { excl_tax, incl_tax } =
                sum.unwrap_or(Price { excl_tax: Decimal::ZERO, incl_tax: Decimal::ZERO });
            Some(Price { excl_tax: excl_tax + line.excl_tax, incl_tax: incl_tax + line.incl_tax })
        };
        self.lines.iter().filter(|line| line.kind == kind).fold(None, add)
    }

    /// Does it bill time, or by more than one version of the tariff?
    #[must_use]
    pub fn hangs_on_time(&self) -> bool {
        let of_time = |line: &CostLine| {
            let is_time = matches!(line.kind, LineKind::Usage(Dimension::Time | Dimension::ParkingTime));
            is_time && !line.incl_tax.is_zero()
        };
        let mut versions: Vec<_> = self.lines.iter().filter_map(|line| line.tariff_from).collect();
        versions.dedup();
        versions.len() > 1 || self.lines.iter().any(of_time)
    }
}

// === impl LineKind ===

impl LineKind {
    /// All, in the order of the lines of a bill.
    pub const ALL: [Self; 8] = [
        Self::ReservationFlat,
        Self::ReservationTime,
        Self::Usage(Dimension::Flat),
        Self::Usage(Dimension::Energy),
        Self::Usage(Dimension::Time),
        Self::Usage(Dimension::ParkingTime),
        Self::MinimumPrice,
        Self::MaximumPrice,
    ];

    /// The name in the API and in the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReservationFlat => "reservation_flat",
            Self::ReservationTime => "reservation_time",
            Self::Usage(dimension) => dimension.as_str(),
            Self::MinimumPrice => "minimum_price",
            Self::MaximumPrice => "maximum_price",
        }
    }
}

impl Serialize for LineKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for LineKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == name);
        found.ok_or_else(|| serde::de::Error::custom(format!("{name:?} is no kind of line")))
    }
}

// === impl Rounding ===

impl Rounding {
    /// The rule of a currency.
    #[must_use]
    pub fn of(currency: Currency) -> Self {
        Self { rule: RoundingRule::HalfAwayFromZero, digits: currency.minor_digits() }
    }
}
