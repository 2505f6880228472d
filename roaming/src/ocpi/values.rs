//! Values that all versions write alike: instants and numbers. Numbers stay exact, because JSON's digits are written as they are.

use ringmain_domain::time::Timestamp;
use rust_decimal::Decimal;
use serde::ser::Error as _;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// The longest instant that is read, in bytes.
const DATE_TIME_MAX_BYTES: usize = 40;

/// An instant (OCPI 2.2.1 types, DateTime): RFC 3339 in UTC; the `Z` may be missing when it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DateTime(pub Timestamp);

/// A number (OCPI 2.2.1 types, number): a JSON number, never rounded on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number(pub Decimal);

// === impl DateTime ===

impl DateTime {
    /// Reads an instant; `None`: it is none.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let plain =
            |byte: u8| byte.is_ascii_digit() || matches!(byte, b'-' | b':' | b'.' | b'+' | b'T' | b'Z');
        // A date alone, or a zone's name, is not what the specification means.
        if text.len() > DATE_TIME_MAX_BYTES || !text.contains('T') || !text.bytes().all(plain) {
            return None;
        }
        let instant = Timestamp::parse(text).or_else(|_without_zone| Timestamp::parse(&format!("{text}Z")));
        instant.ok().map(Self)
    }
}

impl std::fmt::Display for DateTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for DateTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

// === impl Number ===

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let digits = RawValue::from_string(self.0.to_string()).map_err(S::Error::custom)?;
        digits.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_strictly_but_for_the_missing_z() {
        for (text, expect) in [
            ("2015-06-29T20:39:09Z", Some("2015-06-29T20:39:09.000Z")),
            ("2015-06-29T20:39:09", Some("2015-06-29T20:39:09.000Z")),
            ("2016-12-29T17:45:09.2Z", Some("2016-12-29T17:45:09.200Z")),
            ("2018-01-01T01:08:01.123", Some("2018-01-01T01:08:01.123Z")),
            ("2015-06-29T22:39:09+02:00", Some("2015-06-29T20:39:09.000Z")),
            ("2015-06-29", None),
            ("2015-06-29T20:39:09[Europe/Berlin]", None),
            ("2015-13-29T20:39:09Z", None),
            ("yesterday", None),
            ("", None),
            ("2015-06-29T20:39:09.00000000000000000000000000000Z", None),
        ] {
            assert_eq!(DateTime::read(text).map(|at| at.to_string()).as_deref(), expect, "{text}");
        }
    }

    #[test]
    fn numbers_keep_every_digit() {
        for digits in ["1234567890123.123456789", "3510.10", "0.25", "-1", "0"] {
            let number = Number(digits.parse().unwrap());
            assert_eq!(serde_json::to_string(&number).unwrap(), digits);
        }
    }
}
