//! Money: decimals and a currency, with one rounding rule.

use std::fmt;

use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An ISO 4217 currency code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

/// A text that is no currency code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no currency: three letters of ISO 4217 are needed, such as EUR")]
pub struct CurrencyError(Box<str>);

/// Currencies whose smallest coin is the unit itself (ISO 4217, minor unit 0).
const WITHOUT_MINOR: [&[u8; 3]; 16] = [
    b"BIF", b"CLP", b"DJF", b"GNF", b"ISK", b"JPY", b"KMF", b"KRW", b"PYG", b"RWF", b"UGX", b"UYI", b"VND",
    b"VUV", b"XAF", b"XOF",
];
/// Currencies with thousandths (ISO 4217, minor unit 3).
const WITH_THOUSANDTHS: [&[u8; 3]; 7] = [b"BHD", b"IQD", b"JOD", b"KWD", b"LYD", b"OMR", b"TND"];

impl Currency {
    /// Three letters, kept in upper case.
    ///
    /// # Errors
    /// [`CurrencyError`] names the text that is none.
    pub fn new(code: &str) -> Result<Self, CurrencyError> {
        match code.as_bytes() {
            [a, b, c] if code.bytes().all(|byte| byte.is_ascii_alphabetic()) => {
                Ok(Self([a.to_ascii_uppercase(), b.to_ascii_uppercase(), c.to_ascii_uppercase()]))
            }
            _ => Err(CurrencyError(code.into())),
        }
    }

    /// The code in upper case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("XXX")
    }

    /// How many decimals an amount on a bill has.
    #[must_use]
    pub fn minor_digits(self) -> u32 {
        if WITHOUT_MINOR.contains(&&self.0) {
            0
        } else if WITH_THOUSANDTHS.contains(&&self.0) {
            3
        } else {
            2
        }
    }

    /// An amount as it stands on a bill: rounded half away from zero, as merchants do.
    #[must_use]
    pub fn round(self, amount: Decimal) -> Decimal {
        let mut rounded =
            amount.round_dp_with_strategy(self.minor_digits(), RoundingStrategy::MidpointAwayFromZero);
        rounded.rescale(self.minor_digits());
        rounded
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// An amount before and after taxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// Without taxes.
    pub excl_tax: Decimal,
    /// With taxes.
    pub incl_tax: Decimal,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_round_half_away_from_zero_in_the_currency() {
        for (code, amount, expect) in [
            ("EUR", "1.005", "1.01"),
            ("EUR", "-1.005", "-1.01"),
            ("EUR", "2", "2.00"),
            ("JPY", "12.5", "13"),
            ("KWD", "0.0005", "0.001"),
        ] {
            let currency = Currency::new(code).unwrap();
            assert_eq!(currency.round(amount.parse().unwrap()).to_string(), expect, "{code} {amount}");
        }
        assert!(Currency::new("EURO").is_err());
        assert!(Currency::new("€").is_err());
        assert_eq!(Currency::new("pln").unwrap().as_str(), "PLN");
    }
}
