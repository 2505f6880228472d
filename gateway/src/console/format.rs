//! How states, instants, energy and money are written for people.

use jiff::tz::{TimeZone, TimeZoneDatabase};
use ringmain_domain::cdr::CdrKind;
use ringmain_domain::location::OperatorState;
use ringmain_domain::meter::SignatureVerdict;
use ringmain_domain::money::{Currency, Price};
use ringmain_domain::session::{Session, SessionStatus};
use ringmain_domain::time::Timestamp;

const ZONE_MAX_CHARS: usize = 64;
const MS_PER_SECOND: i64 = 1000;
const MINUTE_S: i64 = 60;
const HOUR_S: i64 = 60 * MINUTE_S;
const DAY_S: i64 = 24 * HOUR_S;
const WH_PER_KWH: i64 = 1000;

/// The reader's time zone.
#[derive(Debug, Clone)]
pub(super) struct Zone {
    name: String,
    zone: TimeZone,
}

/// An instant, for the reader and for machines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct When {
    /// RFC 3339.
    pub(super) iso: String,
    /// In the reader's zone.
    pub(super) text: String,
}

/// A state with its name, icon and colour: never colour alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    /// Names icon and colour.
    pub(super) class: &'static str,
    /// In words.
    pub(super) label: &'static str,
}

/// A state with how many things are in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) state: State,
    pub(super) count: u64,
}

/// A part of a bar: where it starts and how long it is, in thousandths of the bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) state: State,
    pub(super) from: u64,
    pub(super) width: u64,
}

// === impl Zone ===

impl Zone {
    /// The zone of this IANA name; UTC for none and for nonsense.
    pub(super) fn named(name: Option<&str>) -> Self {
        let known = name
            .filter(|name| name.len() <= ZONE_MAX_CHARS)
            .and_then(|name| TimeZoneDatabase::bundled().get(name).ok().map(|zone| (name.to_owned(), zone)));
        let (name, zone) = known.unwrap_or_else(|| ("UTC".to_owned(), TimeZone::UTC));
        Self { name, zone }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// An instant with seconds.
    pub(super) fn exact(&self, at: Timestamp) -> When {
        self.written(at, "%Y-%m-%d %H:%M:%S")
    }

    /// An instant with minutes.
    pub(super) fn when(&self, at: Timestamp) -> When {
        self.written(at, "%Y-%m-%d %H:%M")
    }

    /// Midnight before this instant, where the reader is.
    pub(super) fn day_start(&self, now: Timestamp) -> Timestamp {
        let midnight = self.zoned(now).and_then(|zoned| zoned.start_of_day().ok());
        midnight.map_or(now, |midnight| Timestamp::from_millis(midnight.timestamp().as_millisecond()))
    }

    /// The beginning of a day as a browser's field for dates sends it (`2026-03-01`), where the reader is.
    pub(super) fn day(&self, text: &str) -> Option<Timestamp> {
        let day: jiff::civil::Date = text.parse().ok()?;
        self.first_of(day)
    }

    /// The beginning of the day after.
    pub(super) fn day_after(&self, text: &str) -> Option<Timestamp> {
        let day: jiff::civil::Date = text.parse().ok()?;
        self.first_of(day.tomorrow().ok()?)
    }

    fn first_of(&self, day: jiff::civil::Date) -> Option<Timestamp> {
        let midnight = day.to_zoned(self.zone.clone()).ok()?.start_of_day().ok()?;
        Some(Timestamp::from_millis(midnight.timestamp().as_millisecond()))
    }

    /// An instant as a browser's field for date and time sends it (`2026-03-01T08:30`), where the reader is.
    pub(super) fn moment(&self, text: &str) -> Option<Timestamp> {
        let shown: jiff::civil::DateTime = text.parse().ok()?;
        let zoned = shown.to_zoned(self.zone.clone()).ok()?;
        Some(Timestamp::from_millis(zoned.timestamp().as_millisecond()))
    }

    /// An instant as such a field shows it.
    pub(super) fn field(&self, at: Timestamp) -> String {
        self.written(at, "%Y-%m-%dT%H:%M").text
    }

    fn written(&self, at: Timestamp, form: &str) -> When {
        let text = self.zoned(at).map_or_else(|| at.to_string(), |zoned| zoned.strftime(form).to_string());
        When { iso: at.to_string(), text }
    }

    fn zoned(&self, at: Timestamp) -> Option<jiff::Zoned> {
        let instant = jiff::Timestamp::from_millisecond(at.as_millis()).ok()?;
        Some(instant.to_zoned(self.zone.clone()))
    }
}

// === impl State ===

impl State {
    /// An operator state.
    pub(super) const fn of(state: OperatorState) -> Self {
        let label = match state {
            OperatorState::Available => "Available",
            OperatorState::Occupied => "Occupied",
            OperatorState::Charging => "Charging",
            OperatorState::Offline => "Offline",
            OperatorState::Faulted => "Faulted",
            OperatorState::Maintenance => "Under maintenance",
        };
        Self { class: state.as_str(), label }
    }

    /// Where a session stands, in the same colours.
    pub(super) const fn of_session(status: SessionStatus) -> Self {
        match status {
            SessionStatus::Active => Self { class: "charging", label: "Active" },
            SessionStatus::Completed => Self { class: "available", label: "Completed" },
            SessionStatus::Invalid => Self { class: "offline", label: "Invalid" },
            SessionStatus::UnderReview => Self { class: "occupied", label: "Under review" },
        }
    }
}

impl State {
    /// What a bill record does.
    pub(super) const fn of_bill(kind: CdrKind) -> Self {
        match kind {
            CdrKind::Bill => Self { class: "bill", label: "Bill" },
            CdrKind::Credit => Self { class: "credit", label: "Credit" },
            CdrKind::Correction => Self { class: "correction", label: "Correction" },
        }
    }

    /// What signed values are worth.
    pub(super) const fn of_signature(verdict: SignatureVerdict) -> Self {
        match verdict {
            SignatureVerdict::Valid => Self { class: "signed", label: "Valid" },
            SignatureVerdict::Invalid => Self { class: "faulted", label: "Invalid" },
            SignatureVerdict::UnknownKey => Self { class: "offline", label: "Key unknown" },
            SignatureVerdict::Unsupported => Self { class: "offline", label: "Not verifiable" },
            SignatureVerdict::Unreadable => Self { class: "offline", label: "Unreadable" },
        }
    }
}

/// Counts in the order of [`OperatorState::ALL`] with their states.
pub(super) fn counts(connectors: &[u64; 6]) -> Vec<Count> {
    let count = |(state, count): (OperatorState, &u64)| Count { state: State::of(state), count: *count };
    OperatorState::ALL.into_iter().zip(connectors).map(count).collect()
}

/// The counts as parts of one bar; none when nothing is counted.
pub(super) fn shares(connectors: &[u64; 6]) -> Vec<Share> {
    let total: u64 = connectors.iter().sum();
    let mut before = 0_u64;
    let mut shares = Vec::new();
    for Count { state, count } in counts(connectors) {
        let place = |sum: u64| sum.saturating_mul(1000).checked_div(total).unwrap_or_default();
        let (from, to) = (place(before), place(before.saturating_add(count)));
        before = before.saturating_add(count);
        if to > from {
            shares.push(Share { state, from, width: to - from });
        }
    }
    shares
}

/// Energy in kWh with as many digits as matter.
pub(super) fn energy(wh: i64) -> String {
    let (kwh, rest) = (wh / WH_PER_KWH, (wh % WH_PER_KWH).abs());
    let sign = if wh < 0 && kwh == 0 { "-" } else { "" };
    if kwh.abs() >= 1000 {
        return format!("{} kWh", grouped(kwh));
    }
    format!("{sign}{kwh}.{:02} kWh", rest / 10)
}

/// A register of a meter in kWh, to the watt-hour.
pub(super) fn register(wh: i64) -> String {
    let (kwh, rest) = (wh / WH_PER_KWH, (wh % WH_PER_KWH).abs());
    let sign = if wh < 0 && kwh == 0 { "-" } else { "" };
    format!("{sign}{}.{rest:03} kWh", grouped(kwh))
}

/// Power in kW.
pub(super) fn power(watts: i64) -> String {
    let sign = if watts < 0 { "-" } else { "" };
    let tenths = watts.unsigned_abs().saturating_add(50) / 100;
    format!("{sign}{}.{} kW", tenths / 10, tenths % 10)
}

/// A current of a conductor.
pub(super) fn current(milliamps: i64) -> String {
    let sign = if milliamps < 0 { "-" } else { "" };
    let tenths = milliamps.unsigned_abs().saturating_add(50) / 100;
    if tenths.is_multiple_of(10) {
        format!("{sign}{} A", tenths / 10)
    } else {
        format!("{sign}{}.{} A", tenths / 10, tenths % 10)
    }
}

/// A whole number in groups of three digits.
pub(super) fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::from(if number < 0 { "-" } else { "" });
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A length of time in its two largest units.
pub(super) fn duration(millis: i64) -> String {
    let seconds = millis.max(0) / MS_PER_SECOND;
    if seconds < MINUTE_S {
        format!("{seconds} s")
    } else if seconds < HOUR_S {
        format!("{} min {:02} s", seconds / MINUTE_S, seconds % MINUTE_S)
    } else if seconds < DAY_S {
        format!("{} h {:02} min", seconds / HOUR_S, seconds % HOUR_S / MINUTE_S)
    } else {
        format!("{} d {} h", seconds / DAY_S, seconds % DAY_S / HOUR_S)
    }
}

/// How long ago something was.
pub(super) fn ago(at: Timestamp, now: Timestamp) -> String {
    let seconds = now.millis_since(at).max(0) / MS_PER_SECOND;
    if seconds < 10 {
        "just now".to_owned()
    } else if seconds < MINUTE_S {
        format!("{seconds} s ago")
    } else if seconds < HOUR_S {
        format!("{} min ago", seconds / MINUTE_S)
    } else if seconds < DAY_S {
        format!("{} h ago", seconds / HOUR_S)
    } else {
        format!("{} d ago", seconds / DAY_S)
    }
}

/// A price with taxes.
pub(super) fn money(currency: Option<Currency>, price: Option<Price>) -> Option<String> {
    let (currency, price) = currency.zip(price)?;
    Some(format!("{} {currency}", price.incl_tax))
}

/// How long a session lasted, or has lasted until now.
pub(super) fn session_length(session: &Session, now: Timestamp) -> String {
    duration(session.ended_at.unwrap_or(now).millis_since(session.started_at))
}

/// A word of the domain for people: `suspended_ev` becomes `suspended ev`.
pub(super) fn words(name: &str) -> String {
    name.replace('_', " ")
}

/// A text as one segment of a path, or as one value of a query.
pub(super) fn path_segment(text: &str) -> String {
    let mut segment = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~' | b'.') {
            segment.push(char::from(byte));
        } else {
            segment.push_str(&format!("%{byte:02X}"));
        }
    }
    segment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        for (wh, expect) in [
            (0, "0.00 kWh"),
            (7, "0.00 kWh"),
            (12_345, "12.34 kWh"),
            (999_999, "999.99 kWh"),
            (1_234_567, "1,234 kWh"),
            (-50, "-0.05 kWh"),
        ] {
            assert_eq!(energy(wh), expect);
        }
        for (wh, expect) in
            [(9_991_614, "9,991.614 kWh"), (-5, "-0.005 kWh"), (i64::MIN, "-9,223,372,036,854,775.808 kWh")]
        {
            assert_eq!(register(wh), expect);
        }
        for (watts, expect) in
            [(0, "0.0 kW"), (10_960, "11.0 kW"), (49, "0.0 kW"), (-3_700, "-3.7 kW"), (150_000, "150.0 kW")]
        {
            assert_eq!(power(watts), expect);
        }
        for (milliamps, expect) in [(0, "0 A"), (16_000, "16 A"), (12_449, "12.4 A"), (-1_250, "-1.3 A")] {
            assert_eq!(current(milliamps), expect);
        }
        for (number, expect) in [(0, "0"), (999, "999"), (1_000, "1,000"), (-1_234_567, "-1,234,567")] {
            assert_eq!(grouped(number), expect);
        }
        for (millis, expect) in [
            (-5, "0 s"),
            (59_999, "59 s"),
            (61_000, "1 min 01 s"),
            (3_660_000, "1 h 01 min"),
            (90_000_000, "1 d 1 h"),
        ] {
            assert_eq!(duration(millis), expect);
        }
    }

    #[test]
    fn instants_are_written_in_the_reader_s_zone() {
        let at = Timestamp::parse("2026-07-01T22:30:05Z").unwrap();
        assert_eq!(Zone::named(Some("Europe/Berlin")).exact(at).text, "2026-07-02 00:30:05");
        assert_eq!(Zone::named(Some("Europe/Berlin")).exact(at).iso, "2026-07-01T22:30:05.000Z");
        let berlin = Zone::named(Some("Europe/Berlin"));
        assert_eq!(berlin.day_start(at).to_string(), "2026-07-01T22:00:00.000Z");
        for nonsense in
            [None, Some(""), Some("Mars/Olympus"), Some("../../etc/passwd"), Some(&*"x".repeat(100))]
        {
            assert_eq!(Zone::named(nonsense).name(), "UTC");
        }
        assert_eq!(berlin.day("2026-03-29").unwrap().to_string(), "2026-03-28T23:00:00.000Z");
        assert_eq!(berlin.day_after("2026-03-29").unwrap().to_string(), "2026-03-29T22:00:00.000Z");
        assert_eq!(berlin.moment("2026-07-02T00:30").unwrap(), at.plus_secs(-5));
        assert_eq!(berlin.field(at), "2026-07-02T00:30");
        assert!(berlin.day("yesterday").is_none() && berlin.moment("").is_none());
        let now = at.plus_secs(7_200);
        assert_eq!((ago(at, now).as_str(), ago(now, at).as_str()), ("2 h ago", "just now"));
    }

    #[test]
    fn shares_fill_the_bar() {
        assert!(shares(&[0; 6]).is_empty());
        let parts = shares(&[1, 1, 1, 0, 0, 0]);
        assert_eq!(parts.iter().map(|part| part.width).sum::<u64>(), 1000);
        assert_eq!(parts.iter().map(|part| part.from).collect::<Vec<_>>(), [0, 333, 666]);
    }

    #[test]
    fn a_segment_of_a_path_is_safe() {
        assert_eq!(path_segment("RDAM|12 ü/?#%"), "RDAM%7C12%20%C3%BC%2F%3F%23%25");
    }
}
