//! The reasons of a cost as a table: of a bill record, and of a session that somebody imagines.

use ringmain_domain::tariff::Dimension;
use ringmain_domain::tariff::pricing::breakdown::{CostBreakdown, CostLine, LineKind};
use rust_decimal::Decimal;

use super::format::{Zone, path_segment};

/// Decimals of a quantity or a price of one.
const QUANTITY_DIGITS: u32 = 4;
/// Decimals a price of one has at least.
const PRICE_DIGITS: u32 = 2;

/// A cost with its reasons.
pub(super) struct Breakdown {
    pub(super) tariff_href: String,
    pub(super) tariff: String,
    pub(super) lines: Vec<Line>,
    /// The sum of the lines, where rounding changed it: without and with taxes.
    pub(super) unrounded: Option<(String, String)>,
    pub(super) excl_tax: String,
    pub(super) tax: String,
    pub(super) incl_tax: String,
    /// How it was rounded and by which clock it was priced.
    pub(super) notes: Vec<String>,
}

/// One reason.
pub(super) struct Line {
    pub(super) what: &'static str,
    pub(super) element: Option<String>,
    pub(super) when: Option<String>,
    pub(super) quantity: String,
    pub(super) used: Option<String>,
    pub(super) unit_price: String,
    pub(super) tax_percent: String,
    pub(super) excl_tax: String,
    pub(super) tax: String,
    pub(super) incl_tax: String,
}

// === impl Breakdown ===

impl Breakdown {
    pub(super) fn of(breakdown: &CostBreakdown, zone: &Zone) -> Self {
        let (currency, total) = (breakdown.currency, breakdown.total);
        let mut notes = Vec::new();
        if let Some(rounding) = breakdown.rounding {
            notes.push(format!(
                "The sum is rounded once, to {} decimals, halves away from zero.",
                rounding.digits
            ));
        }
        if let Some(clock) = &breakdown.time_zone {
            notes.push(format!("Times of day and dates in the tariff were read by the clock of {clock}."));
        }
        let unrounded = breakdown.unrounded.filter(|sum| *sum != total);
        Self {
            tariff_href: format!("/tariffs/{}", path_segment(breakdown.tariff_id.as_str())),
            tariff: breakdown.tariff_id.to_string(),
            lines: breakdown.lines.iter().map(|line| Line::of(line, breakdown, zone)).collect(),
            unrounded: unrounded.map(|sum| (exact(sum.excl_tax), exact(sum.incl_tax))),
            excl_tax: format!("{} {currency}", total.excl_tax),
            tax: format!("{} {currency}", total.incl_tax - total.excl_tax),
            incl_tax: format!("{} {currency}", total.incl_tax),
            notes,
        }
    }
}

// === impl Line ===

impl Line {
    fn of(line: &CostLine, breakdown: &CostBreakdown, zone: &Zone) -> Self {
        let (what, unit) = match line.kind {
            LineKind::ReservationFlat => ("Reservation fee", ""),
            LineKind::ReservationTime => ("Reserved time", " h"),
            LineKind::Usage(Dimension::Flat) => ("Session fee", ""),
            LineKind::Usage(Dimension::Energy) => ("Energy", " kWh"),
            LineKind::Usage(Dimension::Time) => ("Charging time", " h"),
            LineKind::Usage(Dimension::ParkingTime) => ("Idle time", " h"),
            LineKind::MinimumPrice => ("Up to the minimum price", ""),
            LineKind::MaximumPrice => ("Down to the maximum price", ""),
        };
        let period = line.period.map(|period| {
            let from = zone.when(period.from).text;
            if period.from == period.to {
                from
            } else {
                format!("{from} \u{2013} {}", zone.when(period.to).text)
            }
        });
        Self {
            what,
            element: element(line, breakdown, zone),
            when: period,
            quantity: format!("{}{unit}", shown(line.quantity)),
            used: (line.used != line.quantity).then(|| format!("{}{unit}", shown(line.used))),
            unit_price: price(line.unit_price).to_string(),
            tax_percent: line
                .tax_percent
                .map(|percent| format!("{} %", percent.normalize()))
                .unwrap_or_default(),
            excl_tax: exact(line.excl_tax),
            tax: exact(line.tax),
            incl_tax: exact(line.incl_tax),
        }
    }
}

/// Which part of which version of which tariff made a line.
fn element(line: &CostLine, breakdown: &CostBreakdown, zone: &Zone) -> Option<String> {
    let other = line.tariff_id.as_ref().filter(|id| **id != breakdown.tariff_id);
    let parts = [
        other.map(|id| format!("tariff {id}")),
        line.element.map(|element| format!("element {}", element + 1)),
        line.tariff_from.map(|from| format!("version of {}", zone.when(from).text)),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// A quantity or price as people read it: hours have no end otherwise.
fn shown(number: Decimal) -> Decimal {
    number.round_dp(QUANTITY_DIGITS).normalize()
}

/// A price of one as people write it: 0.50, and all of 0.4975.
fn price(number: Decimal) -> Decimal {
    let mut price = shown(number);
    if price.scale() < PRICE_DIGITS {
        price.rescale(PRICE_DIGITS);
    }
    price
}

/// A line's amount with all of its digits, so that people can add the column up.
fn exact(amount: Decimal) -> String {
    format!("{amount:.4}")
}
