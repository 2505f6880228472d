//! Forms of single fields: instants as RFC 3339, amounts as decimal text, and fields of a PATCH that may be null.

use std::borrow::Cow;

use ringmain_domain::money::{Currency, Price};
use ringmain_domain::time::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

/// An instant: RFC 3339, written in UTC with milliseconds, read with any offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instant(pub Timestamp);

/// An amount of money or a percentage: decimal text. A JSON number is refused, because it would pass through a float.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount(pub Decimal);

/// What something costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CostBody {
    /// ISO 4217.
    #[schema(example = "EUR")]
    pub currency: String,
    /// Without taxes.
    pub excl_tax: Amount,
    /// With taxes.
    pub incl_tax: Amount,
}

/// Digits before and after the point that an amount may have together.
const AMOUNT_DIGITS_MAX: usize = 20;

// === impl Instant ===

impl From<Timestamp> for Instant {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Timestamp::parse(&text).map(Self).map_err(serde::de::Error::custom)
    }
}

impl PartialSchema for Instant {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .examples(["2026-03-01T08:00:00.000Z"])
            .into()
    }
}

impl ToSchema for Instant {}

// === impl Amount ===

impl From<Decimal> for Amount {
    fn from(amount: Decimal) -> Self {
        Self(amount)
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        parse_amount(&text).map(Self).map_err(serde::de::Error::custom)
    }
}

impl PartialSchema for Amount {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(r"^-?[0-9]+(\.[0-9]+)?$"))
            .examples(["12.50"])
            .into()
    }
}

impl ToSchema for Amount {}

// === impl CostBody ===

impl CostBody {
    /// A price in a currency.
    #[must_use]
    pub fn new(currency: Currency, price: Price) -> Self {
        Self {
            currency: currency.to_string(),
            excl_tax: price.excl_tax.into(),
            incl_tax: price.incl_tax.into(),
        }
    }
}

/// Reads decimal text: digits with at most one point, at most 20 digits.
///
/// # Errors
/// In words for people.
pub fn parse_amount(text: &str) -> Result<Decimal, String> {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let plain = text.strip_prefix('-').unwrap_or(text);
    let shaped =
        plain.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    let amount = text.parse::<Decimal>().ok().filter(|_| shaped && digits <= AMOUNT_DIGITS_MAX);
    amount.ok_or_else(|| format!("{text:?} is no decimal number such as \"12.50\""))
}

/// For a field of a PATCH that may be left out, be null, or have a value.
///
/// # Errors
/// The value's.
pub fn patch<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_decimal_text_and_nothing_else() {
        for (json, expect) in [
            ("\"12.50\"", Some("12.50")),
            ("\"-0.004\"", Some("-0.004")),
            ("\"7\"", Some("7")),
            ("12.5", None),
            ("\"1e3\"", None),
            ("\"1,5\"", None),
            ("\".5\"", None),
            ("\"1.\"", None),
            ("\"1.2.3\"", None),
            ("\"1_000\"", None),
            ("\"NaN\"", None),
            ("\"\"", None),
            ("\"123456789012345678901\"", None),
        ] {
            let read = serde_json::from_str::<Amount>(json).ok();
            let written = read.map(|amount| serde_json::to_string(&amount).unwrap());
            assert_eq!(written, expect.map(|text| format!("\"{text}\"")), "{json}");
        }
    }

    #[test]
    fn an_instant_is_rfc_3339() {
        let read: Instant = serde_json::from_str("\"2026-03-01T10:00:00+02:00\"").unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), "\"2026-03-01T08:00:00.000Z\"");
        assert!(serde_json::from_str::<Instant>("1772352000000").is_err());
    }

    #[test]
    fn a_patch_field_tells_absent_from_null() {
        #[derive(Deserialize)]
        struct Body {
            #[serde(default, deserialize_with = "patch")]
            name: Option<Option<String>>,
        }
        for (json, expect) in
            [("{}", None), (r#"{"name":null}"#, Some(None)), (r#"{"name":"a"}"#, Some(Some("a")))]
        {
            let body: Body = serde_json::from_str(json).unwrap();
            assert_eq!(body.name, expect.map(|inner| inner.map(str::to_owned)), "{json}");
        }
    }
}
