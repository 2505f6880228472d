//! Session and tariff to a cost in which every cent has a line that says which tariff element made it.
//!
//! The rules are those of OCPI (2.2.1 mod_tariffs and mod_cdrs), in docs/billing.md in words. A session is cut wherever another price may
//! apply (`cuts`), every piece takes the first element that prices a dimension and whose restrictions hold (`rule`), pieces of one
//! element join to a line (`tally`), steps round once per session, limits hold at the end (`limit`).
//!
//! Energy counts in millionths of a kWh and time in milliseconds, exactly; whole watt hours and seconds come from the step. Each line is
//! exact to [`LINE_DIGITS`] decimals; only the totals are rounded to the currency's coins, once, half away from zero.

use rust_decimal::{Decimal, RoundingStrategy};

use super::timeline::Timeline;
use crate::money::Price;
use crate::time::local::Zone;

pub mod breakdown;
mod cuts;
mod limit;
mod rule;
mod tally;
pub mod usage;

use breakdown::{CostBreakdown, Rounding};
use tally::Tally;
use usage::{Period, Usage};

/// Decimals of a line's amounts: with ten, fifty lines of thirds and sixths stay far below the eighth decimal.
pub const LINE_DIGITS: u32 = 10;
/// Decimals of the sum of the lines, so that three thirds are one before coins are counted.
const SUM_DIGITS: u32 = 8;

/// Prices a session by the tariff in force while it lasted. Lines of nothing are left out, so a free session has none.
#[must_use]
pub fn price(tariffs: &Timeline<'_>, zone: &Zone, usage: &Usage) -> CostBreakdown {
    let start = tariffs.at(usage.started_at);
    let mut tally = Tally::new(tariffs, zone, usage, start);
    for period in &usage.periods {
        tally.add(period);
    }
    // Without any stretch a session still owes what is due at its first moment.
    if usage.periods.is_empty() && !usage.reservation_expired {
        tally.add(&Period::of_nothing(usage.started_at));
    }
    let mut lines = tally.into_lines();
    limit::hold(&mut lines, &start, usage.reservation_expired);
    let currency = start.tariff.currency;
    let sum = |amounts: &mut dyn Iterator<Item = Decimal>| digits(amounts.sum(), SUM_DIGITS);
    let unrounded = Price {
        excl_tax: sum(&mut lines.iter().map(|line| line.excl_tax)),
        incl_tax: sum(&mut lines.iter().map(|line| line.incl_tax)),
    };
    CostBreakdown {
        tariff_id: start.tariff.id.clone(),
        currency,
        lines,
        total: Price {
            excl_tax: currency.round(unrounded.excl_tax),
            incl_tax: currency.round(unrounded.incl_tax),
        },
        unrounded: Some(unrounded),
        rounding: Some(Rounding::of(currency)),
        time_zone: Some(zone.name().into()),
    }
}

fn digits(amount: Decimal, digits: u32) -> Decimal {
    amount.round_dp_with_strategy(digits, RoundingStrategy::MidpointAwayFromZero).normalize()
}
