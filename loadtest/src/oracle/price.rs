//! What the money run pays: a price so simple that it needs no pricing of anybody's to check a bill.

use anyhow::Context as _;

/// A fee and a price for each kWh, both in cents, without taxes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    /// For each session.
    pub fee_cents: i64,
    /// For each kWh.
    pub kwh_cents: i64,
}

impl Price {
    /// The tariff's id at the node under test.
    pub const TARIFF: &str = "MONEY";

    /// What so much energy costs, in cents; halves are rounded up.
    pub(super) const fn of(self, energy_wh: i64) -> i64 {
        self.fee_cents.saturating_add(energy_wh.saturating_mul(self.kwh_cents).saturating_add(500) / 1000)
    }

    /// The tariff as the operator API takes it.
    pub(super) fn tariff(self) -> String {
        let euros = |cents: i64| format!("{}.{:02}", cents / 100, cents % 100);
        let component = |dimension, cents| serde_json::json!({"dimension": dimension, "price": euros(cents)});
        let components = [component("flat", self.fee_cents), component("energy", self.kwh_cents)];
        serde_json::json!({"name": "money run", "currency": "EUR", "elements": [{"components": components}]})
            .to_string()
    }
}

/// Reads an amount in whole cents, such as `-12.50`.
pub(super) fn cents(text: &str) -> anyhow::Result<i64> {
    let amount = || {
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
        let (euros, cents) = digits.split_once('.').unwrap_or((digits, "0"));
        let cents = match cents.as_bytes() {
            [_] => cents.parse::<i64>().ok()?.checked_mul(10)?,
            [_, _] => cents.parse().ok()?,
            _ => return None,
        };
        euros.parse::<i64>().ok()?.checked_mul(100)?.checked_add(cents)?.checked_mul(sign)
    };
    amount().with_context(|| format!("no amount in whole cents: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fee_and_energy_are_rounded_once() {
        let price = Price { fee_cents: 100, kwh_cents: 41 };
        assert_eq!([0, 12, 13, 1_000, 10_500].map(|wh| price.of(wh)), [100, 100, 101, 141, 531]);
        assert!(price.tariff().contains("\"0.41\""), "{}", price.tariff());
    }

    #[test]
    fn amounts_are_read_to_the_cent() {
        for (text, expect) in [("5.31", 531), ("-5.31", -531), ("0.5", 50), ("7", 700), ("-0.01", -1)] {
            assert_eq!(cents(text).unwrap(), expect, "{text}");
        }
        for text in ["", "1.234", "x", "1.x", "1,00"] {
            assert!(cents(text).is_err(), "{text}");
        }
    }
}
