//! Instants as values. Nothing here asks what time it is: `now` is always handed in.

use std::fmt;

use serde::{Deserialize, Serialize};

pub mod local;

/// An instant in UTC, in milliseconds since 1970-01-01T00:00:00Z.
///
/// `observed_at` fields hold the station's clock, `received_at` fields ours; they are never mixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

/// Why a text is no instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no RFC 3339 instant: {reason}")]
pub struct TimestampError {
    text: Box<str>,
    reason: Box<str>,
}

impl Timestamp {
    /// 2015-01-01T00:00:00Z, before any station we speak with was made: a clock before it was never set, and starts in 1970, 2000 or 2010
    /// (reliability F16).
    pub const CLOCKS_SET: Self = Self(1_420_070_400_000);

    /// From milliseconds since the epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// This instant moved by so many milliseconds (back when negative); held at the ends instead of wrapping.
    #[must_use]
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// This instant moved by so many seconds.
    #[must_use]
    pub const fn plus_secs(self, secs: i64) -> Self {
        self.plus_millis(secs.saturating_mul(1000))
    }

    /// Milliseconds from `earlier` to here; negative when `earlier` is later.
    #[must_use]
    pub const fn millis_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Reads RFC 3339 with any offset and any number of fraction digits.
    ///
    /// # Errors
    /// [`TimestampError`] with the text and what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, TimestampError> {
        text.parse::<jiff::Timestamp>()
            .map(|t| Self(t.as_millisecond()))
            .map_err(|e| TimestampError { text: text.into(), reason: e.to_string().into() })
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with milliseconds: `2026-03-01T08:00:00.000Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(instant) => write!(f, "{instant:.3}"),
            Err(_out_of_range) => write!(f, "{} ms", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_written_and_read_alike() {
        for (text, written) in [
            ("2026-03-01T08:00:00Z", "2026-03-01T08:00:00.000Z"),
            ("2026-03-01T10:00:00.5+02:00", "2026-03-01T08:00:00.500Z"),
            ("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(Timestamp::parse(text).unwrap().to_string(), written);
        }
        assert!(
            Timestamp::parse("yesterday")
                .unwrap_err()
                .to_string()
                .starts_with("\"yesterday\" is no RFC 3339")
        );
    }
}
