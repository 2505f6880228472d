//! The fields that pricing reads, under all names they have had. Everything else passes unread.

use std::borrow::Cow;
use std::fmt;

use ringmain_domain::time::Timestamp;
use ringmain_domain::time::local::{Day, TimeOfDay, Weekday};
use rust_decimal::Decimal;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

/// Numbers beyond are nonsense: prices, percentages, kWh, kW and A alike.
const NUMBER_MAX: Decimal = Decimal::from_parts(1_000_000_000, 0, 0, false, 0);

#[derive(Debug, Deserialize)]
pub(super) struct Tariff {
    #[serde(default)]
    pub(super) id: Option<String>,
    pub(super) currency: String,
    pub(super) elements: Vec<Element>,
    #[serde(default)]
    pub(super) tax_included: Option<String>,
    #[serde(default)]
    pub(super) min_price: Option<Limit>,
    #[serde(default)]
    pub(super) max_price: Option<Limit>,
    #[serde(default)]
    pub(super) start_date_time: Option<At>,
    #[serde(default)]
    pub(super) end_date_time: Option<At>,
    #[serde(default)]
    pub(super) last_updated: Option<At>,
}

/// 2.2.1 says `excl_vat`, 2.3.0 `before_taxes`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(from = "AnyLimit")]
pub(super) struct Limit {
    pub(super) excl_vat: Num,
    pub(super) incl_vat: Option<Num>,
}

/// Some write the amount alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum AnyLimit {
    Amount(Num),
    Both(BothLimits),
}

#[derive(Deserialize)]
struct BothLimits {
    #[serde(alias = "before_taxes")]
    excl_vat: Num,
    #[serde(default, alias = "after_taxes")]
    incl_vat: Option<Num>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Element {
    pub(super) price_components: Vec<Component>,
    #[serde(default)]
    pub(super) restrictions: Option<Restrictions>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Component {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) price: Num,
    #[serde(default)]
    pub(super) vat: Option<Num>,
    #[serde(default)]
    pub(super) step_size: Option<Num>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Restrictions {
    #[serde(default)]
    pub(super) start_time: Option<Clock>,
    #[serde(default)]
    pub(super) end_time: Option<Clock>,
    #[serde(default)]
    pub(super) start_date: Option<Date>,
    #[serde(default)]
    pub(super) end_date: Option<Date>,
    #[serde(default)]
    pub(super) min_kwh: Option<Num>,
    #[serde(default)]
    pub(super) max_kwh: Option<Num>,
    #[serde(default)]
    pub(super) min_current: Option<Num>,
    #[serde(default)]
    pub(super) max_current: Option<Num>,
    #[serde(default)]
    pub(super) min_power: Option<Num>,
    #[serde(default)]
    pub(super) max_power: Option<Num>,
    #[serde(default)]
    pub(super) min_duration: Option<Num>,
    #[serde(default)]
    pub(super) max_duration: Option<Num>,
    #[serde(default)]
    pub(super) day_of_week: Option<Vec<DayOfWeek>>,
    #[serde(default)]
    pub(super) reservation: Option<Reservation>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Cdr {
    pub(super) start_date_time: At,
    #[serde(alias = "stop_date_time")]
    pub(super) end_date_time: At,
    #[serde(default, deserialize_with = "nothing_is_empty")]
    pub(super) tariffs: Vec<Tariff>,
    pub(super) charging_periods: Vec<Period>,
    #[serde(default)]
    pub(super) credit: Option<bool>,
    /// 2.1.1 has the whole location, with its zone; 2.2.1 and later have none.
    #[serde(default, alias = "cdr_location")]
    pub(super) location: Option<Location>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Location {
    #[serde(default)]
    pub(super) time_zone: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Period {
    pub(super) start_date_time: At,
    #[serde(default, deserialize_with = "nothing_is_empty")]
    pub(super) dimensions: Vec<Volume>,
    #[serde(default)]
    pub(super) tariff_id: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Volume {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) volume: Num,
}

/// A number that may be written in quotes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Num(pub(super) Decimal);

/// An instant whose zone may be missing: it is UTC then.
#[derive(Debug, Clone, Copy)]
pub(super) struct At(pub(super) Timestamp);

/// A time of day, in whole minutes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock(pub(super) TimeOfDay);

/// A day.
#[derive(Debug, Clone, Copy)]
pub(super) struct Date(pub(super) Day);

/// A day of the week.
#[derive(Debug, Clone, Copy)]
pub(super) struct DayOfWeek(pub(super) Weekday);

/// What of a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Reservation {
    Reservation,
    ReservationExpires,
}

/// Some write `null` for a list of nothing.
fn nothing_is_empty<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    Option::<Vec<T>>::deserialize(deserializer).map(Option::unwrap_or_default)
}

// === reading ===

impl From<AnyLimit> for Limit {
    fn from(limit: AnyLimit) -> Self {
        match limit {
            AnyLimit::Amount(excl_vat) => Self { excl_vat, incl_vat: None },
            AnyLimit::Both(BothLimits { excl_vat, incl_vat }) => Self { excl_vat, incl_vat },
        }
    }
}

impl<'de> Deserialize<'de> for Num {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Digits)
    }
}

struct Digits;

impl Visitor<'_> for Digits {
    type Value = Num;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Num, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Num, E> {
        self.visit_str(&number.to_string())
    }

    // The shortest text that means the same float is what the partner wrote, as far as 15 digits go.
    fn visit_f64<E: Error>(self, number: f64) -> Result<Num, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Num, E> {
        let read = text.parse::<Decimal>().or_else(|_| Decimal::from_scientific(text));
        let number = read.map_err(|_not_read| E::custom(format!("{text:?} is no number")))?;
        if number.abs() > NUMBER_MAX {
            return Err(E::custom(format!("{text} is out of range")));
        }
        Ok(Num(number))
    }
}

/// A type that is read from a text by one function.
fn from_text<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    what: &str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<T, D::Error> {
    let text = Cow::<'de, str>::deserialize(deserializer)?;
    read(&text).ok_or_else(|| D::Error::custom(format!("{text:?} is no {what}")))
}

impl<'de> Deserialize<'de> for At {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer, "instant such as 2026-03-01T08:00:00Z", |text| instant(text).map(Self))
    }
}

impl<'de> Deserialize<'de> for Clock {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer, "time of day such as 17:00", |text| {
            // Seconds are not in the text of the specification; 24:00 means what 00:00 does as an end.
            let minutes = text.strip_suffix(":00").filter(|rest| rest.contains(':')).unwrap_or(text);
            let minutes = if minutes == "24:00" { "00:00" } else { minutes };
            TimeOfDay::parse(minutes).ok().map(Self)
        })
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer, "date such as 2026-03-01", |text| padded(text).parse().ok().map(Self))
    }
}

impl<'de> Deserialize<'de> for DayOfWeek {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer, "day of the week", |text| {
            let same = |day: &Weekday| day.as_str().eq_ignore_ascii_case(text);
            Weekday::ALL.into_iter().find(same).map(Self)
        })
    }
}

fn instant(text: &str) -> Option<Timestamp> {
    if let Ok(at) = Timestamp::parse(text) {
        return Some(at);
    }
    let (date, time) = text.split_once(['T', ' '])?;
    let full = format!("{}T{time}", padded(date));
    Timestamp::parse(&full).or_else(|_| Timestamp::parse(&format!("{full}Z"))).ok()
}

/// `2025-8-14` as `2025-08-14`.
fn padded(date: &str) -> String {
    date.split('-').map(|part| format!("{part:0>2}")).collect::<Vec<_>>().join("-")
}
