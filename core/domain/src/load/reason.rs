//! Why an EVSE has the share it has, in the words of an operator.

use std::fmt;

use crate::time::Timestamp;
use crate::unit::{Milliamps, WattHours};

use super::rows::RowKind;
use super::supply::HeldWhy;

/// What set a row's limit, when it was not the circuit's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// A limit from outside.
    Signal {
        /// Whose.
        source: Box<str>,
    },
    /// The mean of this quarter of an hour.
    PeakTarget,
    /// A time in which charging costs more.
    PriceWindow {
        /// Until when.
        until: Timestamp,
    },
    /// Charging takes what the sun gives.
    Solar,
}

/// A row without room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FullRow {
    /// The circuit's name.
    pub circuit: Box<str>,
    /// Its line, power or phasor row.
    pub kind: RowKind,
    /// What set its limit.
    pub cause: Option<Cause>,
}

/// Why an EVSE has its share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// One step more does not fit.
    RowFull(FullRow),
    /// The car has shown or said that it takes no more.
    CarTakes {
        /// What it takes, per line.
        current: Milliamps,
    },
    /// The EVSE gives no more.
    AtMaximum,
    /// What is left of its energy needs no more.
    NearlyDone {
        /// What is left.
        energy: WattHours,
    },
    /// It is served before others because somebody answers for its departure.
    Departs {
        /// When it leaves.
        at: Timestamp,
        /// What it needs until then.
        energy: WattHours,
        /// What it will lack with this share.
        short: WattHours,
    },
    /// There is no room for its minimum.
    Waits {
        /// Since when.
        since: Timestamp,
        /// When a place is due.
        due_at: Timestamp,
        /// What is full.
        row: Option<FullRow>,
    },
    /// The car takes nothing of what it is offered.
    Quiet {
        /// When it is asked again, where it has nothing.
        probe_at: Option<Timestamp>,
    },
    /// A quiet car is asked whether it wants something.
    Probing,
    /// It cannot be steered; so much is kept for it.
    Held {
        /// Why.
        why: HeldWhy,
        /// What is kept, per line.
        reserved: Milliamps,
    },
    /// It has no car; its fallback is kept for the next one.
    Idle {
        /// What is kept, per line.
        fallback: Milliamps,
    },
    /// A lower share would free nothing: it may draw its fallback in any case.
    Fallback {
        /// Its fallback, per line.
        fallback: Milliamps,
    },
}

/// Amperes with at most one decimal, rounded down: `16 A`, `6.5 A`.
struct Amps(Milliamps);

impl fmt::Display for Amps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = self.0.0.div_euclid(100);
        match tenths.rem_euclid(10) {
            0 => write!(f, "{} A", tenths.div_euclid(10)),
            tenth => write!(f, "{}.{tenth} A", tenths.div_euclid(10)),
        }
    }
}

/// Kilowatt-hours with one decimal, rounded up.
struct Kwh(WattHours);

impl fmt::Display for Kwh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = self.0.0.saturating_add(99).div_euclid(100);
        write!(f, "{}.{} kWh", tenths.div_euclid(10), tenths.rem_euclid(10))
    }
}

/// A clock time in UTC: `06:30`. Who has the site's time zone converts the instants of the reason instead.
struct Clock(Timestamp);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = self.0.as_millis().div_euclid(60_000).rem_euclid(1_440);
        write!(f, "{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

impl fmt::Display for FullRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            RowKind::Line(line) => write!(f, "{} phase {line} full", self.circuit)?,
            RowKind::Power => write!(f, "{} power full", self.circuit)?,
            RowKind::Phasor(name) => write!(f, "{} {name} full", self.circuit)?,
        }
        match &self.cause {
            None => Ok(()),
            Some(Cause::Signal { source }) => write!(f, " (limit of {source})"),
            Some(Cause::PeakTarget) => f.write_str(" (peak target)"),
            Some(Cause::PriceWindow { until }) => write!(f, " (price window until {} UTC)", Clock(*until)),
            Some(Cause::Solar) => f.write_str(" (solar surplus only)"),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RowFull(row) => row.fmt(f),
            Self::CarTakes { current } => write!(f, "car takes {}", Amps(*current)),
            Self::AtMaximum => f.write_str("at its maximum"),
            Self::NearlyDone { energy } => write!(f, "nearly done, {} left", Kwh(*energy)),
            Self::Departs { at, energy, short } => {
                write!(f, "departs {} UTC, needs {}", Clock(*at), Kwh(*energy))?;
                if short.0 > 0 { write!(f, ", will lack {}", Kwh(*short)) } else { Ok(()) }
            }
            Self::Waits { since, due_at, row } => {
                write!(f, "waiting since {} UTC, next at {} UTC", Clock(*since), Clock(*due_at))?;
                row.as_ref().map_or(Ok(()), |row| write!(f, ": {row}"))
            }
            Self::Quiet { probe_at: None } => f.write_str("quiet: the car takes nothing"),
            Self::Quiet { probe_at: Some(at) } => {
                write!(f, "quiet: the car took nothing, asked again at {} UTC", Clock(*at))
            }
            Self::Probing => f.write_str("asked whether it wants to charge again"),
            Self::Held { why, reserved } => {
                let why = match why {
                    HeldWhy::Silent => "silent",
                    HeldWhy::Closing => "transaction over",
                    HeldWhy::Refusing => "refuses limits",
                    HeldWhy::Overdrawing => "drew more than allowed",
                    HeldWhy::Unconfirmed => "its fallback is not confirmed yet",
                };
                write!(f, "{why}, {} reserved", Amps(*reserved))
            }
            Self::Idle { fallback } if fallback.0 == 0 => f.write_str("no vehicle"),
            Self::Idle { fallback } => write!(f, "no vehicle, {} reserved for the next", Amps(*fallback)),
            Self::Fallback { fallback } => write!(f, "fallback of {}", Amps(*fallback)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::tree::Line;

    #[test]
    fn a_reason_is_a_sentence_an_operator_understands() {
        let row = |cause| FullRow { circuit: "panel B".into(), kind: RowKind::Line(Line::L2), cause };
        let at = |minutes: i64| Timestamp::from_millis(1_772_352_000_000).plus_secs(minutes * 60);
        for (reason, words) in [
            (Reason::RowFull(row(None)), "panel B phase L2 full"),
            (
                Reason::RowFull(row(Some(Cause::Signal { source: "grid operator".into() }))),
                "panel B phase L2 full (limit of grid operator)",
            ),
            (Reason::CarTakes { current: Milliamps(16_000) }, "car takes 16 A"),
            (Reason::CarTakes { current: Milliamps(9_570) }, "car takes 9.5 A"),
            (
                Reason::Departs { at: at(630), energy: WattHours(22_010), short: WattHours(0) },
                "departs 18:30 UTC, needs 22.1 kWh",
            ),
            (
                Reason::Departs { at: at(630), energy: WattHours(22_000), short: WattHours(2_500) },
                "departs 18:30 UTC, needs 22.0 kWh, will lack 2.5 kWh",
            ),
            (
                Reason::Waits { since: at(125), due_at: at(155), row: Some(row(Some(Cause::Solar))) },
                "waiting since 10:05 UTC, next at 10:35 UTC: panel B phase L2 full (solar surplus only)",
            ),
            (Reason::Held { why: HeldWhy::Silent, reserved: Milliamps(16_000) }, "silent, 16 A reserved"),
            (Reason::Idle { fallback: Milliamps(6_000) }, "no vehicle, 6 A reserved for the next"),
        ] {
            assert_eq!(reason.to_string(), words);
        }
    }
}
