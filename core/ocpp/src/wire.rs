//! The only file that names the message-type crate; place: report.
//!
//! Its types are used as they are (three modules below), because it alone reads and writes every official schema without loss. The order
//! is: parse, which is lenient about words and members; validate; and only when something is wrong decode once more to learn which class
//! of error it is. In tolerant reading a payload that does not fit its type is mended as text ([`mend`]) and read again, so that no
//! number passes through a float. Never: a unit, an instant's plausibility, a decision.

mod members;
mod mend;

pub(crate) use ocpp_kit::{v1_6 as v16, v2_0_1 as v201, v2_1 as v21};

use ocpp_kit::decode::{DecodeError, DecodeErrorKind, DecodeOptions, decode_payload};
use ocpp_kit::types::{DateTime, Decimal};
use ocpp_kit::validate::{Validate, ValidationPath, Violation, ViolationKind, Violations};
use ringmain_domain::time::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::fault::{CallFault, FaultCode};
use crate::quirk::{QuirkKind, Quirks};
use crate::version::Version;

/// The most mendings of one payload. Each mends the same fault in every item of a list.
const MENDS_MAX: usize = 16;

/// How a payload is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tolerance {
    /// The station's version, for the class of a fault.
    pub(crate) version: Version,
    /// Nothing is tolerated: for certification.
    pub(crate) strict: bool,
    /// A message about a transaction: a broken value must not cost the answer.
    pub(crate) transaction: bool,
    /// The payload has been found sound already, by its own version: its values are not judged again by another's.
    pub(crate) judged: bool,
    /// Stands in for an instant that cannot be read.
    pub(crate) received_at: Timestamp,
}

/// A payload type of the message-type crate, or one of ours beside it.
pub(crate) trait Payload: DeserializeOwned + Serialize + Validate {}
impl<T: DeserializeOwned + Serialize + Validate> Payload for T {}

/// Why a payload does not fit its type.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Misfit {
    class: Class,
    /// JSON pointer, list positions included.
    pointer: String,
    /// In the words of parser or validator; may hold a value of the station.
    reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Format,
    Missing,
    Repeated,
    Unknown,
    ListLength,
    Type,
    Time,
    Value,
    Structure,
}

/// Reads a payload, tolerant or strict.
///
/// # Errors
/// [`CallFault`] of the class the standard has for it, with the place of the first misfit.
pub(crate) fn read<T: Payload>(
    payload: &RawValue,
    tolerance: &Tolerance,
    quirks: &mut Quirks,
) -> Result<T, CallFault> {
    if !payload.get().starts_with('{') {
        return Err(CallFault::new(FaultCode::Format, "payload is not a JSON object"));
    }
    if let Ok(value) = serde_json::from_str::<T>(payload.get()) {
        return judge(value, payload.get(), tolerance, quirks);
    }
    let mut text = payload.to_owned();
    for _mending in 0..MENDS_MAX {
        let Err(error) = decode_payload::<T>(&text, &DecodeOptions::strict()) else { break };
        let misfit = Misfit::of(&error);
        let mended = if tolerance.strict { None } else { mend::mend(text.get(), &misfit, tolerance, quirks) };
        let Some(mended) = mended.and_then(|mended| RawValue::from_string(mended).ok()) else {
            return Err(misfit.fault(tolerance.version));
        };
        text = mended;
        if let Ok(value) = serde_json::from_str::<T>(text.get()) {
            return judge(value, text.get(), tolerance, quirks);
        }
    }
    Err(CallFault::new(FaultCode::Format, "payload departs from its message in too many places"))
}

/// Checks the values of a payload that fits its type, and whether it holds more than its type.
fn judge<T: Payload>(
    value: T,
    text: &str,
    tolerance: &Tolerance,
    quirks: &mut Quirks,
) -> Result<T, CallFault> {
    if tolerance.judged {
        return Ok(value);
    }
    if let Err(violations) = value.validate() {
        for violation in violations.as_slice() {
            match tolerated(violation, tolerance) {
                Some(kind) => quirks.add(kind, &violation.path),
                None => return Err(Misfit::of_violation(violation).fault(tolerance.version)),
            }
        }
    }
    if members::of_text(text) != members::of_value(&value) {
        for extra in members::extras(text, &value) {
            match extra.quirk() {
                Some(kind) if !tolerance.strict => quirks.add(kind, &extra.pointer),
                Some(_) | None => return Err(extra.fault(tolerance.version)),
            }
        }
    }
    Ok(value)
}

/// The quirk as which a broken constraint passes, if it does.
fn tolerated(violation: &Violation, tolerance: &Tolerance) -> Option<QuirkKind> {
    if tolerance.strict {
        return None;
    }
    let reason = violation.reason.as_str();
    let (kind, always) = match violation.kind {
        ViolationKind::UnknownEnumValue => (QuirkKind::UnknownWord, true),
        ViolationKind::Property if reason.starts_with("maxLength") => (QuirkKind::TextTooLong, true),
        ViolationKind::Property => (QuirkKind::OutOfRange, false),
        ViolationKind::Occurrence if reason.starts_with("minItems") => (QuirkKind::EmptyList, true),
        ViolationKind::Occurrence => (QuirkKind::ListTooLong, false),
        ViolationKind::UnknownField => (QuirkKind::UnknownMember, true),
        ViolationKind::Type | ViolationKind::Protocol | _ => return None,
    };
    (always || tolerance.transaction).then_some(kind)
}

/// Writes a payload of ours.
///
/// # Errors
/// `InternalError` when the value cannot be written as JSON, which none of the types here can bring about.
pub(crate) fn write<T: Serialize>(payload: &T) -> Result<Box<RawValue>, CallFault> {
    serde_json::value::to_raw_value(payload)
        .map_err(|error| CallFault::new(FaultCode::Internal, &error.to_string()))
}

/// The payload `{}`.
///
/// # Errors
/// As for [`write`].
pub(crate) fn empty() -> Result<Box<RawValue>, CallFault> {
    RawValue::from_string("{}".to_owned())
        .map_err(|error| CallFault::new(FaultCode::Internal, &error.to_string()))
}

/// An instant as the wire has it: RFC 3339, UTC, `Z`. Held at the ends of the years that form can write, 0 and 9999.
pub(crate) fn date_time(instant: Timestamp) -> DateTime {
    /// 0000-01-01T00:00:00Z.
    const EARLIEST_MS: i64 = -62_167_219_200_000;
    let millis = instant.as_millis().max(EARLIEST_MS);
    DateTime::from_timestamp(jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX))
}

/// An instant of the wire in milliseconds.
pub(crate) fn instant(date_time: DateTime) -> Timestamp {
    Timestamp::from_millis(date_time.timestamp().as_millisecond())
}

/// A number of the wire, exactly.
pub(crate) fn exact(number: Decimal) -> rust_decimal::Decimal {
    rust_decimal::Decimal::new(number.mantissa(), u32::from(number.scale()))
}

/// A number for the wire, exactly; None when it has more than 18 decimals or does not fit 64 bits.
pub(crate) fn decimal(number: rust_decimal::Decimal) -> Option<Decimal> {
    Decimal::try_new(i64::try_from(number.mantissa()).ok()?, u8::try_from(number.scale()).ok()?)
}

/// DataTransfer of the second family, with its content untouched: the crate's own type would send its numbers through a float.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DataTransferRequest {
    pub(crate) vendor_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) message_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) custom_data: Option<ocpp_kit::types::CustomData>,
}

impl Validate for DataTransferRequest {
    fn validate_at(&self, path: &mut ValidationPath, out: &mut Violations) {
        path.push_key("vendorId");
        ocpp_kit::validate::string(&self.vendor_id, None, Some(255), path, out);
        path.pop();
        path.push_key("messageId");
        if let Some(message_id) = &self.message_id {
            ocpp_kit::validate::string(message_id, None, Some(50), path, out);
        }
        path.pop();
    }
}

/// Reads and writes a request or response of an action by its type, unknown members refused: what comes back is what the type holds.
macro_rules! rewriter {
    ($name:ident, $version:ident, $transcode:ident) => {
        /// One direction of one version; see [`rewriter`].
        ///
        /// # Errors
        /// [`CallFault`] as for reading; `NotImplemented` when the version lacks the action.
        pub(crate) fn $name(
            action: &str,
            payload: &RawValue,
            version: Version,
        ) -> Result<Box<RawValue>, CallFault> {
            let Some(action) = $version::Action::from_wire(action) else {
                return Err(CallFault::new(FaultCode::NotImplemented, "action is not known"));
            };
            let rewritten = $version::$transcode(action, payload, &DecodeOptions::pedantic())
                .map_err(|error| Misfit::of(&error).fault(version))?;
            match members::extras(payload.get(), &rewritten).first() {
                Some(extra) => Err(extra.fault(version)),
                None => Ok(rewritten),
            }
        }
    };
}

rewriter!(rewrite_v16_request, v16, transcode_request);
rewriter!(rewrite_v16_response, v16, transcode_response);
rewriter!(rewrite_v201_request, v201, transcode_request);
rewriter!(rewrite_v201_response, v201, transcode_response);
rewriter!(rewrite_v21_request, v21, transcode_request);
rewriter!(rewrite_v21_response, v21, transcode_response);

// === impl Misfit ===

impl Misfit {
    fn of(error: &DecodeError) -> Self {
        let reason = error.reason.as_str();
        let time = reason.ends_with("an RFC 3339 date-time with an offset");
        let class = match error.kind {
            DecodeErrorKind::Format if reason.starts_with("duplicate field") => Class::Repeated,
            DecodeErrorKind::Occurrence if reason.starts_with("missing field") => Class::Missing,
            DecodeErrorKind::Occurrence => Class::ListLength,
            DecodeErrorKind::Type | DecodeErrorKind::Property if time => Class::Time,
            DecodeErrorKind::Type => Class::Type,
            DecodeErrorKind::Property => Class::Value,
            DecodeErrorKind::UnknownField => Class::Unknown,
            DecodeErrorKind::Protocol => Class::Structure,
            DecodeErrorKind::Format | DecodeErrorKind::UnsupportedAction | _ => Class::Format,
        };
        // The crate writes list positions as `member[0]` where a pointer has `member/0`, and looks for a decimal one level too deep.
        let path = error
            .path
            .strip_suffix(members::RAW)
            .and_then(|path| path.strip_suffix('/'))
            .unwrap_or(&error.path);
        let pointer = path.replace('[', "/").replace(']', "");
        Self { class, pointer, reason: error.reason.clone() }
    }

    fn of_violation(violation: &Violation) -> Self {
        let class = match violation.kind {
            ViolationKind::Occurrence => Class::ListLength,
            ViolationKind::Type => Class::Type,
            ViolationKind::Property | ViolationKind::UnknownEnumValue => Class::Value,
            ViolationKind::UnknownField => Class::Unknown,
            ViolationKind::Protocol | _ => Class::Structure,
        };
        Self { class, pointer: violation.path.clone(), reason: violation.reason.clone() }
    }

    fn fault(&self, version: Version) -> CallFault {
        let code = match self.class {
            Class::Format | Class::Repeated => FaultCode::Format,
            Class::Missing => FaultCode::of_missing_member(version),
            Class::Unknown => FaultCode::of_unknown_member(version),
            Class::ListLength => FaultCode::OccurrenceConstraint,
            Class::Type => FaultCode::TypeConstraint,
            // A time that is text has the wrong value; one that is no text the wrong type.
            Class::Time if self.reason.starts_with("invalid type") => FaultCode::TypeConstraint,
            Class::Time | Class::Value => FaultCode::PropertyConstraint,
            Class::Structure => FaultCode::Protocol,
        };
        CallFault::new(code, self.what()).at(&self.pointer)
    }

    /// The reason without the station's own value, which may be a token or a password.
    fn what(&self) -> &str {
        for marker in [
            "expected ",
            "is not a",
            "missing field ",
            "duplicate field ",
            "member is not",
            "maxLength ",
            "minLength ",
            "minItems ",
            "maxItems ",
            "minimum ",
            "maximum ",
        ] {
            if let Some(start) = self.reason.rfind(marker) {
                return self.reason.get(start..).unwrap_or_default();
            }
        }
        "payload cannot be read"
    }
}
