//! Values that all versions write alike: instants, numbers, identifiers. What is written is what the specification says; what is read is
//! wider by what partners do (each case is named where it is read).

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};

use ringmain_domain::time::Timestamp;
use rust_decimal::Decimal;
use serde::de::{Error as _, Visitor};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// The longest instant that is read, in bytes.
const DATE_TIME_MAX_BYTES: usize = 40;

/// An instant (OCPI 2.2.1 types, DateTime): RFC 3339 in UTC; the `Z` may be missing when it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DateTime(pub Timestamp);

/// A number (OCPI 2.2.1 types, number): a JSON number, never rounded on its way out. It may stand in quotes when it is read, as in the
/// specification's own bill record of 2.1.1. Up to 15 digits of what a partner wrote are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number(pub Decimal);

/// No number of OCPI means more: prices, kWh, hours, W and percentages alike.
const NUMBER_MAX: Decimal = Decimal::from_parts(0xD4A5_1000, 0xE8, 0, false, 0);

/// An identifier (OCPI 2.2.1 types, CiString): printable ASCII, equal without regard to case, kept as it came. Peers that lower-case all
/// they store echo our ids in lower case. Longer ones than their field allows are read, up to [`CiString::MAX_CHARS`].
#[derive(Debug, Clone)]
pub struct CiString(Box<str>);

/// What is printed on something: a text that partners, and the specification's own examples, write as a number too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label(pub String);

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

impl<'de> Deserialize<'de> for DateTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::read(&text)
            .ok_or_else(|| D::Error::custom(format!("{text:?} is no instant such as 2026-03-01T08:00:00Z")))
    }
}

// === impl Number ===

impl From<u32> for Number {
    fn from(number: u32) -> Self {
        Self(number.into())
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Digits)
    }
}

struct Digits;

impl Visitor<'_> for Digits {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Number, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Number, E> {
        self.visit_str(&number.to_string())
    }

    /// The shortest text that means the same float is what the partner wrote, as far as 15 digits go.
    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Number, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Number, E> {
        let read = text.parse::<Decimal>().or_else(|_plain| Decimal::from_scientific(text));
        let number = read.map_err(|_not_read| E::custom(format!("{text:?} is no number")))?;
        if number.abs() > NUMBER_MAX {
            return Err(E::custom(format!("{text} is out of range")));
        }
        Ok(Number(number))
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let digits = RawValue::from_string(self.0.to_string()).map_err(S::Error::custom)?;
        digits.serialize(serializer)
    }
}

// === impl CiString ===

impl CiString {
    /// So many characters are read. No field of any version allows more than 48.
    pub const MAX_CHARS: usize = 255;

    /// An identifier; `None`: the text is too long, or has characters that no identifier has.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        (printable && text.len() <= Self::MAX_CHARS).then(|| Self(text.into()))
    }

    /// As it came.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartialEq for CiString {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for CiString {}

impl PartialEq<str> for CiString {
    fn eq(&self, other: &str) -> bool {
        self.0.eq_ignore_ascii_case(other)
    }
}

impl PartialEq<&str> for CiString {
    fn eq(&self, other: &&str) -> bool {
        self.0.eq_ignore_ascii_case(other)
    }
}

impl Hash for CiString {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for byte in self.0.bytes() {
            byte.to_ascii_uppercase().hash(state);
        }
    }
}

impl fmt::Display for CiString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// For our own identifiers, which are printable and short: what is not is left out.
impl From<&str> for CiString {
    fn from(text: &str) -> Self {
        Self::read(text).unwrap_or_else(|| {
            let printable = text.chars().filter(|c| (' '..='~').contains(c));
            Self(printable.take(Self::MAX_CHARS).collect())
        })
    }
}

impl Serialize for CiString {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for CiString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::read(&text).ok_or_else(|| {
            D::Error::custom("is no identifier: at most 255 printable ASCII characters are allowed")
        })
    }
}

// === impl Label ===

impl Serialize for Label {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Label {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Printed)
    }
}

struct Printed;

impl Visitor<'_> for Printed {
    type Value = Label;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Label, E> {
        Ok(Label(number.to_string()))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Label, E> {
        Ok(Label(number.to_string()))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Label, E> {
        Ok(Label(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::HashSet;

    #[test]
    fn numbers_are_read_with_and_without_quotes() {
        for (text, expect) in [
            ("15.342", Some("15.342")),
            ("\"2.00\"", Some("2.00")),
            ("-4", Some("-4")),
            ("1e3", Some("1000")),
            ("0.1", Some("0.1")),
            ("1000000000000", Some("1000000000000")),
            ("1000000000001", None),
            ("\"two\"", None),
            ("\"\"", None),
            ("true", None),
            ("1e300", None),
        ] {
            let read = serde_json::from_str::<Number>(text).ok();
            assert_eq!(read.map(|n| n.0.to_string()).as_deref(), expect, "{text}");
        }
    }

    #[test]
    fn identifiers_are_equal_in_any_case_and_kept_as_they_came() {
        let (upper, lower): (CiString, CiString) = ("NL*ALL*E1".into(), "nl*all*e1".into());
        assert_eq!(upper, lower);
        assert_eq!(upper, "nl*All*e1");
        assert_eq!(HashSet::from([upper.clone(), lower.clone()]).len(), 1);
        assert_eq!((upper.as_str(), lower.as_str()), ("NL*ALL*E1", "nl*all*e1"));
        assert_ne!(upper, CiString::from("NL*ALL*E2"));
        assert!(CiString::read("\u{fc}").is_none() && CiString::read("a\nb").is_none());
        assert!(CiString::read(&"x".repeat(CiString::MAX_CHARS)).is_some());
        assert!(CiString::read(&"x".repeat(CiString::MAX_CHARS + 1)).is_none());
        assert_eq!(CiString::from("a\u{fc}b").as_str(), "ab");
    }

    #[test]
    fn what_is_printed_may_come_as_a_number() {
        for (from, expect) in [(json!(3), "3"), (json!(-1), "-1"), (json!("B2"), "B2")] {
            let read: Label = serde_json::from_value(from).unwrap();
            assert_eq!(serde_json::to_value(read).unwrap(), json!(expect));
        }
        assert!(serde_json::from_value::<Label>(json!([])).is_err());
    }

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
