//! What the meter says: the payload section of an OCMF record, read beside the bytes that stay as sent.
//!
//! Place on the walk: none; [`super::Record`] holds it. Source: OCMF 1.4.1, tables 1 to 7, 10, 19 and 20. Reading is
//! lenient where a signature already tells who wrote it: a time or value that makes no sense is `None` and becomes a
//! [`super::transaction::Problem`], so that a record which fits its key is not called unreadable.
//! Never: a number through a float; the decimals a meter writes are part of what it signed.

use rust_decimal::Decimal;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::{FIELD_BYTES_MAX, READINGS_MAX, ReadError};
use crate::time::Timestamp;

/// The payload of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// PG as sent, such as `T12345`; empty when missing.
    pub pagination: Box<str>,
    /// GS, the serial number of the signing component; empty when it names none.
    pub gateway_serial: Box<str>,
    /// MS, the serial number of the meter; empty when it names none (it may when the gateway has one).
    pub meter_serial: Box<str>,
    /// MM, the model of the meter; empty when it names none.
    pub meter_model: Box<str>,
    /// RD, the readings in the record's order, at least one; fields that a reading leaves out are filled in.
    pub readings: Vec<Reading>,
}

/// One reading, with the fields it inherits from the reading before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// TM's instant by the meter's clock; `None` when missing or no ISO 8601.
    pub observed_at: Option<Timestamp>,
    /// TM's synchronisation state.
    pub sync: TimeSync,
    /// TX; `None` outside transactions.
    pub reason: Option<ReadingReason>,
    /// RV as written, without the padding some meters put into a quoted one; `None` for an event without a value.
    pub value_text: Option<Box<str>>,
    /// RV exactly, in its own unit; `None` when absent, no decimal number, or out of range (12 digits each side).
    pub value: Option<Decimal>,
    /// RI, the OBIS code as sent.
    pub obis: Option<Box<str>>,
    /// RU as sent, usually `kWh` or `Wh`.
    pub unit: Option<Box<str>>,
    /// ST, the state of the meter; `G` is good (table 10). Empty when missing.
    pub status: Box<str>,
    /// EF: `E` energy, `t` time are not to be billed.
    pub error_flags: Box<str>,
}

/// How far the meter's clock can be trusted (table 19).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeSync {
    /// `S`: synchronised; the only state in which time is billed.
    Synchronised,
    /// `I`: for information.
    Informative,
    /// `R`: durations are good, the instant is for information.
    Relative,
    /// `U`, none, or a letter the standard does not know.
    Unknown,
}

/// Why a reading was taken (TX, table 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadingReason {
    /// `B`: begin of the transaction.
    Begin,
    /// `C`: while charging.
    Charging,
    /// `X`: an error while charging; time, energy or both are unusable from here.
    Exception,
    /// `E`, `L`, `R`, `A`, `P`: end of the transaction, the last four saying by whom or what.
    End,
    /// `S`: active, but not charging.
    Suspended,
    /// `T`: the tariff changed.
    TariffChange,
    /// A letter that the standard does not know.
    Other,
}

impl ReadingReason {
    fn read(text: &str) -> Option<Self> {
        Some(match text.trim() {
            "" => return None,
            "B" => Self::Begin,
            "C" => Self::Charging,
            "X" => Self::Exception,
            "E" | "L" | "R" | "A" | "P" => Self::End,
            "S" => Self::Suspended,
            "T" => Self::TariffChange,
            _ => Self::Other,
        })
    }
}

impl Payload {
    /// The meter's serial number, or the gateway's when the meter names none: the key register's name for it.
    #[must_use]
    pub fn serial(&self) -> &str {
        if self.meter_serial.is_empty() { &self.gateway_serial } else { &self.meter_serial }
    }

    /// PG's number within the transaction context; `None` for the fiscal context and for anything unreadable.
    #[must_use]
    pub fn transaction_page(&self) -> Option<u64> {
        let digits = self.pagination.strip_prefix('T')?;
        let plain =
            digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
        if plain { digits.parse().ok() } else { None }
    }

    pub(super) fn read(text: &str) -> Result<Self, ReadError> {
        let raw: RawPayload<'_> = object(text)?;
        if raw.readings.len() > READINGS_MAX {
            return Err(ReadError::TooManyReadings);
        }
        let mut readings: Vec<Reading> = Vec::with_capacity(raw.readings.len());
        let mut above = RawReading::default();
        for text in raw.readings {
            let own: RawReading = object(text.get())?;
            own.check_length()?;
            above = own.after(above);
            readings.push(above.to_reading());
        }
        if readings.is_empty() {
            return Err(ReadError::NoReadings);
        }
        let text = |field: Option<String>| -> Result<Box<str>, ReadError> {
            let field = field.unwrap_or_default();
            if field.len() > FIELD_BYTES_MAX {
                return Err(ReadError::FieldTooLong);
            }
            Ok(field.trim().into())
        };
        Ok(Self {
            pagination: text(raw.pagination)?,
            gateway_serial: text(raw.gateway_serial)?,
            meter_serial: text(raw.meter_serial)?,
            meter_model: text(raw.meter_model)?,
            readings,
        })
    }
}

impl Reading {
    /// What the last digit of the value is worth, in Wh; `None` when there is no value or the unit is none of energy.
    #[must_use]
    pub fn step_wh(&self) -> Option<Decimal> {
        let last_digit = Decimal::try_new(1, self.value?.scale()).ok()?;
        in_wh(last_digit, self.unit.as_deref())
    }

    /// The value in Wh, exactly; `None` when there is none or the unit is none of energy.
    #[must_use]
    pub fn energy_wh(&self) -> Option<Decimal> {
        in_wh(self.value?, self.unit.as_deref())
    }
}

fn in_wh(value: Decimal, unit: Option<&str>) -> Option<Decimal> {
    match unit.map(str::trim) {
        Some(unit) if unit.eq_ignore_ascii_case("kWh") => value.checked_mul(Decimal::ONE_THOUSAND),
        Some(unit) if unit.eq_ignore_ascii_case("Wh") => Some(value),
        _ => None,
    }
    .map(|exact| exact.normalize())
}

#[derive(Deserialize)]
struct RawPayload<'a> {
    #[serde(rename = "PG")]
    pagination: Option<String>,
    #[serde(rename = "GS")]
    gateway_serial: Option<String>,
    #[serde(rename = "MS")]
    meter_serial: Option<String>,
    #[serde(rename = "MM")]
    meter_model: Option<String>,
    #[serde(rename = "RD", borrow)]
    readings: Vec<&'a RawValue>,
}

#[derive(Deserialize, Default)]
struct RawReading {
    #[serde(rename = "TM")]
    time: Option<String>,
    #[serde(rename = "TX")]
    reason: Option<String>,
    #[serde(rename = "RV")]
    value: Option<Box<RawValue>>,
    #[serde(rename = "RI")]
    obis: Option<String>,
    #[serde(rename = "RU")]
    unit: Option<String>,
    #[serde(rename = "ST")]
    status: Option<String>,
    #[serde(rename = "EF")]
    error_flags: Option<String>,
}

impl RawReading {
    fn check_length(&self) -> Result<(), ReadError> {
        let texts = [&self.time, &self.reason, &self.obis, &self.unit, &self.status, &self.error_flags];
        let long = |length: usize| length > FIELD_BYTES_MAX;
        let any = texts.into_iter().flatten().any(|text| long(text.len()));
        if any || self.value.as_ref().is_some_and(|value| long(value.get().len())) {
            return Err(ReadError::FieldTooLong);
        }
        Ok(())
    }

    /// A field left out has the value of the reading before it. Not so RV: a reading without one tells of an event,
    /// and a value that nobody read must not become the end of a bill.
    fn after(self, above: Self) -> Self {
        Self {
            time: self.time.or(above.time),
            reason: self.reason.or(above.reason),
            value: self.value,
            obis: self.obis.or(above.obis),
            unit: self.unit.or(above.unit),
            status: self.status.or(above.status),
            error_flags: self.error_flags.or(above.error_flags),
        }
    }

    fn to_reading(&self) -> Reading {
        let (observed_at, sync) = read_time(self.time.as_deref().unwrap_or_default());
        let value_text = self.value.as_ref().map(|raw| number_text(raw.get()));
        Reading {
            observed_at,
            sync,
            reason: self.reason.as_deref().and_then(ReadingReason::read),
            value: value_text.as_deref().and_then(exact_decimal),
            value_text,
            obis: self.obis.as_deref().map(Into::into),
            unit: self.unit.as_deref().map(Into::into),
            status: self.status.as_deref().unwrap_or_default().trim().into(),
            error_flags: self.error_flags.as_deref().unwrap_or_default().trim().into(),
        }
    }
}

/// A JSON object into its fields. Serde would take an array for a struct, and another reader would not.
pub(super) fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, ReadError> {
    let text = text.trim();
    if !text.starts_with('{') {
        return Err(ReadError::Json { detail: "not an object".into() });
    }
    serde_json::from_str(text).map_err(|error| ReadError::Json { detail: error.to_string().into() })
}

fn quoted<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str(text).ok()
}

/// A JSON number as written, or the number inside a JSON string (meters of one family quote and pad it).
fn number_text(raw: &str) -> Box<str> {
    quoted::<String>(raw).map_or_else(|| raw.trim().into(), |inner| inner.trim().into())
}

/// A decimal without rounding: at most 12 digits before and 12 after the point, so that a thousandfold and a
/// difference are exact as well.
fn exact_decimal(text: &str) -> Option<Decimal> {
    const DIGITS_MAX: u32 = 12;
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let written = mantissa.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-'));
    let mut value = Decimal::from_str_exact(mantissa).ok().filter(|_| written)?;
    let scale = i32::try_from(value.scale()).ok()?.checked_sub(exponent)?;
    if scale >= 0 {
        value.set_scale(u32::try_from(scale).ok()?).ok()?;
    } else {
        let zeros = scale.unsigned_abs();
        let factor = 10_i64.checked_pow(zeros).filter(|_| zeros <= DIGITS_MAX)?;
        value.set_scale(0).ok()?;
        value = value.checked_mul(Decimal::from(factor))?;
    }
    let bound = Decimal::from(10_i64.pow(DIGITS_MAX));
    (value.scale() <= DIGITS_MAX && value.abs() < bound).then_some(value)
}

/// `2018-07-24T13:22:04,000+0200 S` into instant and state. The standard's zone has no colon and its fraction a comma.
fn read_time(text: &str) -> (Option<Timestamp>, TimeSync) {
    let text = text.trim();
    let (instant, state) = text.split_once(' ').unwrap_or((text, ""));
    let sync = match state.trim() {
        "S" => TimeSync::Synchronised,
        "I" => TimeSync::Informative,
        "R" => TimeSync::Relative,
        _ => TimeSync::Unknown,
    };
    let mut instant = instant.replace(',', ".");
    if let [.., b'+' | b'-', b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'0'..=b'9'] = instant.as_bytes() {
        instant.insert(instant.len() - 2, ':');
    }
    (Timestamp::parse(&instant).ok(), sync)
}
