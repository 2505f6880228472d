//! When an element of a tariff applies: all of what it names must hold at the moment a stretch begins.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::time::local::{Day, TimeOfDay, Weekday};

/// Under which circumstances an element applies (OCPI 2.2.1 mod_tariffs, TariffRestrictions). What is absent does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restrictions {
    /// From this time of day, by the location's clock. Later than `end_time`: the window goes over midnight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<TimeOfDay>,
    /// Until this time of day, which no longer counts; `00:00` is the end of the day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<TimeOfDay>,
    /// From this day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_date: Option<Day>,
    /// Until this day, which no longer counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_date: Option<Day>,
    /// On these days of the week; on all when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days_of_week: Vec<Weekday>,
    /// From so much energy in the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_kwh: Option<Decimal>,
    /// Until so much energy in the session; no longer once it is reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_kwh: Option<Decimal>,
    /// While the current is so much or more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_current_a: Option<Decimal>,
    /// While the current is less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_current_a: Option<Decimal>,
    /// While the power is so much or more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_power_kw: Option<Decimal>,
    /// While the power is less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_power_kw: Option<Decimal>,
    /// Once the session is so old.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_duration_s: Option<u32>,
    /// Until the session is so old.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_duration_s: Option<u32>,
    /// The element is for reserved time only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reservation: Option<ReservationKind>,
}

/// What of a reservation an element prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReservationKind {
    /// Every reservation.
    Reservation,
    /// A reservation that nobody came for.
    ReservationExpires,
}

// === impl Restrictions ===

impl Restrictions {
    /// Does it restrict nothing?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Does it look at clock or calendar?
    #[must_use]
    pub const fn is_local(&self) -> bool {
        self.start_time.is_some()
            || self.end_time.is_some()
            || self.start_date.is_some()
            || self.end_date.is_some()
            || !self.days_of_week.is_empty()
    }

    /// Is the time of day within the window?
    #[must_use]
    pub fn holds_time(&self, time: TimeOfDay) -> bool {
        // The end of the day is no time of the day, so a window until then has only its beginning.
        let end = self.end_time.filter(|end| *end != TimeOfDay::MIDNIGHT);
        match (self.start_time, end) {
            (None, None) => true,
            (Some(start), None) => time >= start,
            (None, Some(end)) => time < end,
            (Some(start), Some(end)) if end < start => time >= start || time < end,
            (Some(start), Some(end)) => time >= start && time < end,
        }
    }
}

// === impl ReservationKind ===

impl ReservationKind {
    /// The name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reservation => "reservation",
            Self::ReservationExpires => "reservation_expires",
        }
    }
}
