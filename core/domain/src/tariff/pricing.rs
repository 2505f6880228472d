//! Session and tariff to a cost in which every cent has a line that says which tariff element made it.
//!
//! Each line is exact to four decimals; only the totals are rounded to the currency's coins, once, half away from zero.

use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};

use super::{Dimension, PriceComponent, Tariff};
use crate::id::TariffId;
use crate::money::{Currency, Price};
use crate::segment::{Activity, Segment};

/// Decimals of a line's amounts.
const LINE_DIGITS: u32 = 4;
const MS_PER_SECOND: i64 = 1000;
const SECONDS_PER_HOUR: i64 = 3600;
const WH_PER_KWH: i64 = 1000;

/// A cost with its reasons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CostBreakdown {
    /// The tariff.
    pub tariff_id: TariffId,
    /// The currency of all amounts.
    pub currency: Currency,
    /// At most one for each dimension, in the order of [`Dimension::ALL`].
    pub lines: Vec<CostLine>,
    /// The sum of the lines, in coins of the currency.
    pub total: Price,
}

/// One reason for a part of a cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CostLine {
    /// The index of the tariff's element.
    pub element: usize,
    /// What is counted.
    pub dimension: Dimension,
    /// How much is billed: kWh, hours or sessions, after rounding up to the step.
    pub quantity: Decimal,
    /// What was used before that.
    pub used: Decimal,
    /// The price of one.
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

impl CostBreakdown {
    /// The same with the opposite sign: what a credit takes back.
    #[must_use]
    pub fn negated(&self) -> Self {
        let mut negated = self.clone();
        for line in &mut negated.lines {
            (line.excl_tax, line.tax, line.incl_tax) = (-line.excl_tax, -line.tax, -line.incl_tax);
        }
        negated.total = Price { excl_tax: -self.total.excl_tax, incl_tax: -self.total.incl_tax };
        negated
    }
}

/// Prices a session's stretches. Lines of nothing are left out, so a free session has none.
#[must_use]
pub fn price(tariff: &Tariff, segments: &[Segment]) -> CostBreakdown {
    let lines: Vec<_> = Dimension::ALL
        .into_iter()
        .filter_map(|dimension| {
            let (element, component) = tariff.component(dimension)?;
            line(element, component, segments)
        })
        .collect();
    let excl: Decimal = lines.iter().map(|line| line.excl_tax).sum();
    let incl: Decimal = lines.iter().map(|line| line.incl_tax).sum();
    let total = Price { excl_tax: tariff.currency.round(excl), incl_tax: tariff.currency.round(incl) };
    CostBreakdown { tariff_id: tariff.id.clone(), currency: tariff.currency, lines, total }
}

fn line(element: usize, component: &PriceComponent, segments: &[Segment]) -> Option<CostLine> {
    let (used, per_unit) = match component.dimension {
        Dimension::Flat => (1, 1),
        Dimension::Energy => {
            (segments.iter().fold(0_i64, |sum, s| sum.saturating_add(s.energy.0)), WH_PER_KWH)
        }
        Dimension::Time => (seconds(segments, Activity::Charging), SECONDS_PER_HOUR),
        Dimension::ParkingTime => (seconds(segments, Activity::Idle), SECONDS_PER_HOUR),
    };
    if used <= 0 {
        return None;
    }
    let step = match component.dimension {
        Dimension::Flat => 1,
        Dimension::Energy | Dimension::Time | Dimension::ParkingTime => i64::from(component.step_size.max(1)),
    };
    let billed = (used.saturating_add(step - 1) / step).saturating_mul(step);
    let per_unit = Decimal::from(per_unit);
    // Multiply first: hours have no finite decimal form, amounts of whole seconds then round only once.
    let excl_tax = digits(component.price * Decimal::from(billed) / per_unit);
    let tax = component
        .tax_percent
        .map_or(Decimal::ZERO, |percent| digits(excl_tax * percent / Decimal::ONE_HUNDRED));
    Some(CostLine {
        element,
        dimension: component.dimension,
        quantity: digits(Decimal::from(billed) / per_unit),
        used: digits(Decimal::from(used) / per_unit),
        unit_price: component.price,
        tax_percent: component.tax_percent,
        excl_tax,
        tax,
        incl_tax: excl_tax + tax,
    })
}

/// Whole seconds, a started one counted.
fn seconds(segments: &[Segment], activity: Activity) -> i64 {
    let spans = segments.iter().filter(|s| s.activity == activity).map(Segment::millis);
    let millis = spans.fold(0_i64, i64::saturating_add);
    millis.saturating_add(MS_PER_SECOND - 1) / MS_PER_SECOND
}

fn digits(amount: Decimal) -> Decimal {
    amount.round_dp_with_strategy(LINE_DIGITS, RoundingStrategy::MidpointAwayFromZero).normalize()
}
