//! Local time: what a clock on the wall of a location shows. A zone is looked up once and handed in as a value.

use std::fmt;

use jiff::civil;
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Timestamp;

/// A day in the calendar.
pub type Day = civil::Date;

/// A time zone with its daylight saving rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

/// A name that is no time zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no time zone: an IANA name such as Europe/Berlin is needed")]
pub struct ZoneError(Box<str>);

/// A time on a clock, in whole minutes: `00:00` to `23:59`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeOfDay(u16);

/// A text that is no time of day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no time of day: HH:MM is needed, 00:00 to 23:59")]
pub struct TimeOfDayError(Box<str>);

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

/// What clock and calendar of a zone show at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Local {
    /// The day.
    pub day: Day,
    /// The day of the week.
    pub weekday: Weekday,
    /// The full minutes since midnight, as the clock shows them.
    pub time: TimeOfDay,
}

/// No cut list looks further: a longer stretch keeps the day it had.
const DAYS_MAX: usize = 400;
const MINUTES_PER_HOUR: u16 = 60;
const HOURS_PER_DAY: u16 = 24;

// === impl Zone ===

impl Zone {
    /// Coordinated universal time.
    pub const UTC: Self = Self(TimeZone::UTC);

    /// The zone of an IANA name.
    ///
    /// # Errors
    /// [`ZoneError`] with the name that is none.
    pub fn named(name: &str) -> Result<Self, ZoneError> {
        TimeZoneDatabase::bundled().get(name).map(Self).map_err(|_unknown| ZoneError(name.into()))
    }

    /// Its IANA name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// What clock and calendar show; `None` outside the years that a calendar has.
    #[must_use]
    pub fn local(&self, at: Timestamp) -> Option<Local> {
        let local = self.0.to_datetime(jiff::Timestamp::from_millisecond(at.as_millis()).ok()?);
        let minutes = u16::try_from(i32::from(local.hour()) * 60 + i32::from(local.minute())).ok()?;
        Some(Local { day: local.date(), weekday: local.weekday().into(), time: TimeOfDay(minutes) })
    }

    /// The instant at which the clock shows this; of two, the first; where the clock skips it, the instant an hour later.
    #[must_use]
    pub fn instant(&self, day: Day, time: TimeOfDay) -> Option<Timestamp> {
        let at = self.0.to_timestamp(time.on(day)?).ok()?;
        Some(Timestamp::from_millis(at.as_millisecond()))
    }

    /// All instants after `from` and before `to` at which the clock comes to one of these times, or jumps. In order, each once.
    #[must_use]
    pub fn instants(&self, from: Timestamp, to: Timestamp, times: &[TimeOfDay]) -> Vec<Timestamp> {
        self.collect(from, to, times).unwrap_or_default()
    }

    fn collect(&self, from: Timestamp, to: Timestamp, times: &[TimeOfDay]) -> Option<Vec<Timestamp>> {
        let first = jiff::Timestamp::from_millisecond(from.as_millis()).ok()?;
        let last = jiff::Timestamp::from_millisecond(to.as_millis()).ok()?;
        let mut found: Vec<_> = self
            .0
            .following(first)
            .map(|jump| jump.timestamp())
            .take_while(|at| *at < last)
            .take(DAYS_MAX)
            .collect();
        let end = self.0.to_datetime(last).date();
        let mut day = self.0.to_datetime(first).date();
        for _ in 0..DAYS_MAX {
            for shown in times.iter().filter_map(|time| time.on(day)) {
                // Shown twice, both count. Skipped, neither is exact, but the jump itself is in the list.
                let (one, other) = match self.0.to_ambiguous_timestamp(shown).offset() {
                    AmbiguousOffset::Unambiguous { offset } => (Some(offset), None),
                    AmbiguousOffset::Gap { before, after } | AmbiguousOffset::Fold { before, after } => {
                        (Some(before), Some(after))
                    }
                };
                let at =
                    [one, other].into_iter().flatten().filter_map(|offset| offset.to_timestamp(shown).ok());
                found.extend(at);
            }
            if day >= end {
                break;
            }
            day = day.tomorrow().ok()?;
        }
        let mut cuts: Vec<_> = found
            .into_iter()
            .map(|at| Timestamp::from_millis(at.as_millisecond()))
            .filter(|at| *at > from && *at < to)
            .collect();
        cuts.sort_unstable();
        cuts.dedup();
        Some(cuts)
    }
}

// === impl TimeOfDay ===

impl TimeOfDay {
    /// Where a day begins and, as the end of a window, ends.
    pub const MIDNIGHT: Self = Self(0);

    /// A time on a clock.
    #[must_use]
    pub const fn new(hour: u16, minute: u16) -> Option<Self> {
        if hour < HOURS_PER_DAY && minute < MINUTES_PER_HOUR {
            Some(Self(hour * MINUTES_PER_HOUR + minute))
        } else {
            None
        }
    }

    /// Reads `HH:MM`.
    ///
    /// # Errors
    /// [`TimeOfDayError`] with the text.
    pub fn parse(text: &str) -> Result<Self, TimeOfDayError> {
        let two = |part: &str| {
            let digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
            if digits { part.parse::<u16>().ok() } else { None }
        };
        text.split_once(':')
            .and_then(|(hour, minute)| Self::new(two(hour)?, two(minute)?))
            .ok_or_else(|| TimeOfDayError(text.into()))
    }

    fn on(self, day: Day) -> Option<civil::DateTime> {
        let hour = i8::try_from(self.0 / MINUTES_PER_HOUR).ok()?;
        let minute = i8::try_from(self.0 % MINUTES_PER_HOUR).ok()?;
        civil::Time::new(hour, minute, 0, 0).ok().map(|time| day.to_datetime(time))
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / MINUTES_PER_HOUR, self.0 % MINUTES_PER_HOUR)
    }
}

impl Serialize for TimeOfDay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TimeOfDay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl From<civil::Weekday> for Weekday {
    fn from(day: civil::Weekday) -> Self {
        match day {
            civil::Weekday::Monday => Self::Monday,
            civil::Weekday::Tuesday => Self::Tuesday,
            civil::Weekday::Wednesday => Self::Wednesday,
            civil::Weekday::Thursday => Self::Thursday,
            civil::Weekday::Friday => Self::Friday,
            civil::Weekday::Saturday => Self::Saturday,
            civil::Weekday::Sunday => Self::Sunday,
        }
    }
}

impl Weekday {
    /// All, Monday first.
    pub const ALL: [Self; 7] = [
        Self::Monday,
        Self::Tuesday,
        Self::Wednesday,
        Self::Thursday,
        Self::Friday,
        Self::Saturday,
        Self::Sunday,
    ];

    /// The name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Monday => "monday",
            Self::Tuesday => "tuesday",
            Self::Wednesday => "wednesday",
            Self::Thursday => "thursday",
            Self::Friday => "friday",
            Self::Saturday => "saturday",
            Self::Sunday => "sunday",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instants(zone: &str, from: &str, to: &str, times: &[&str]) -> Vec<String> {
        let times: Vec<_> = times.iter().map(|text| TimeOfDay::parse(text).unwrap()).collect();
        let (from, to) = (Timestamp::parse(from).unwrap(), Timestamp::parse(to).unwrap());
        let found = Zone::named(zone).unwrap().instants(from, to, &times);
        found.iter().map(|at| at.to_string().replace(":00.000Z", "")).collect()
    }

    #[test]
    fn a_clock_comes_to_a_time_once_a_day_and_never_or_twice_when_it_jumps() {
        let berlin = "Europe/Berlin";
        assert_eq!(
            instants(berlin, "2026-03-01T08:00:00Z", "2026-03-02T18:00:00Z", &["17:00"]),
            ["2026-03-01T16:00", "2026-03-02T16:00"]
        );
        // 02:30 is skipped on 29 March: the jump at 01:00 UTC is where 03:00 begins.
        let spring = instants(berlin, "2026-03-28T23:30:00Z", "2026-03-29T04:00:00Z", &["02:30"]);
        assert!(spring.contains(&"2026-03-29T01:00".to_owned()), "{spring:?}");
        // 02:30 is shown twice on 25 October, an hour apart, and the clock jumps in between.
        assert_eq!(
            instants(berlin, "2026-10-24T22:30:00Z", "2026-10-25T04:00:00Z", &["02:30"]),
            ["2026-10-25T00:30", "2026-10-25T01:00", "2026-10-25T01:30"]
        );
    }

    #[test]
    fn a_time_of_day_is_four_digits() {
        assert_eq!(TimeOfDay::parse("07:05").unwrap().to_string(), "07:05");
        for wrong in ["24:00", "7:05", "07:60", "0705", "+7:05", ""] {
            assert!(TimeOfDay::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Zone::named("Mars/Olympus").is_err());
        assert_eq!(Zone::named("europe/berlin").unwrap().name(), "Europe/Berlin");
    }
}
