//! The least and the most a session costs: a line of its own says what they change.

use rust_decimal::Decimal;

use super::breakdown::{CostLine, LineKind};
use super::{LINE_DIGITS, digits};
use crate::money::Price;
use crate::tariff::PriceLimit;
use crate::tariff::timeline::TariffVersion;

/// Holds the sum of the lines within the limits of the tariff the session started with, before and after taxes separately.
///
/// A reservation that nobody came for was no session, so no minimum lifts its price.
pub(super) fn hold(lines: &mut Vec<CostLine>, version: &TariffVersion<'_>, reservation_expired: bool) {
    let sum = Price {
        excl_tax: lines.iter().map(|line| line.excl_tax).sum(),
        incl_tax: lines.iter().map(|line| line.incl_tax).sum(),
    };
    let mut held = sum;
    let min_price = version.tariff.min_price.filter(|_| !reservation_expired);
    if let Some(limit) = min_price {
        held = clamp(sum, limit, Decimal::max);
        lines.extend(line(LineKind::MinimumPrice, version, sum, held));
    }
    if let Some(limit) = version.tariff.max_price {
        let lowered = clamp(held, limit, Decimal::min);
        lines.extend(line(LineKind::MaximumPrice, version, held, lowered));
    }
}

fn clamp(sum: Price, limit: PriceLimit, choose: fn(Decimal, Decimal) -> Decimal) -> Price {
    let excl_tax = choose(sum.excl_tax, limit.excl_tax);
    // Without a limit of its own the amount with taxes keeps its proportion; nothing has none, so no tax is made up.
    let incl_tax = limit.incl_tax.map_or_else(
        || {
            let scaled = sum.incl_tax.checked_mul(excl_tax).and_then(|p| p.checked_div(sum.excl_tax));
            scaled.unwrap_or(excl_tax)
        },
        |incl_tax| choose(sum.incl_tax, incl_tax),
    );
    Price { excl_tax, incl_tax }
}

fn line(kind: LineKind, version: &TariffVersion<'_>, from: Price, to: Price) -> Option<CostLine> {
    let excl_tax = digits(to.excl_tax - from.excl_tax, LINE_DIGITS);
    let incl_tax = digits(to.incl_tax - from.incl_tax, LINE_DIGITS);
    let changes = excl_tax != Decimal::ZERO || incl_tax != Decimal::ZERO;
    changes.then(|| CostLine {
        kind,
        tariff_id: Some(version.tariff.id.clone()),
        tariff_from: Some(version.from),
        element: None,
        period: None,
        quantity: Decimal::ONE,
        used: Decimal::ONE,
        unit_price: excl_tax,
        tax_percent: None,
        excl_tax,
        tax: (incl_tax - excl_tax).normalize(),
        incl_tax,
    })
}
