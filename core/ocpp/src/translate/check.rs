//! Payloads against their official message, without a meaning: raw commands on their way out, and the conformance tests.
//!
//! The strictest reading there is: no unknown member, no unknown word, no `null`. Never: tolerance.

use serde_json::value::RawValue;

use super::{CommandRefusal, OutboundMessage};
use crate::action::{Action, Direction};
use crate::fault::CallFault;
use crate::frame::{ACTION_CHARS_MAX, bounds};
use crate::version::Version;
use crate::wire;

/// Reads a request payload as `version` has it and writes it again: what comes back is what our types hold of it.
///
/// # Errors
/// [`CallFault`] with the first thing that is wrong and where; `NotImplemented` when the version lacks the action.
pub fn request(version: Version, action: &str, payload: &RawValue) -> Result<Box<RawValue>, CallFault> {
    match version {
        Version::V16 => wire::rewrite_v16_request(action, payload, version),
        Version::V201 => wire::rewrite_v201_request(action, payload, version),
        Version::V21 => wire::rewrite_v21_request(action, payload, version),
    }
}

/// The same for a response payload.
///
/// # Errors
/// As for [`request`]; also for the response of a SEND, which has none.
pub fn response(version: Version, action: &str, payload: &RawValue) -> Result<Box<RawValue>, CallFault> {
    match version {
        Version::V16 => wire::rewrite_v16_response(action, payload, version),
        Version::V201 => wire::rewrite_v201_response(action, payload, version),
        Version::V21 => wire::rewrite_v21_response(action, payload, version),
    }
}

/// A raw command as a call. The payload of a known action is checked; that of an unknown one (a vendor's, a signed one) only has to be a
/// JSON object within bounds. It is passed on letter by letter.
///
/// # Errors
/// `NotSupported` when the action is a station's to send; `Invalid` with the place in the payload.
pub(super) fn raw_command(
    version: Version,
    action: &str,
    payload: &str,
) -> Result<OutboundMessage, CommandRefusal> {
    if action.is_empty() || action.chars().count() > ACTION_CHARS_MAX {
        return Err(CommandRefusal::invalid("action", "must have 1 to 64 characters"));
    }
    if let Err(bound) = bounds::check(payload) {
        return Err(CommandRefusal::invalid("", &bound.to_string()));
    }
    let payload = RawValue::from_string(payload.to_owned())
        .map_err(|error| CommandRefusal::invalid("", &format!("payload is not JSON: {error}")))?;
    if !payload.get().starts_with('{') {
        return Err(CommandRefusal::invalid("", "payload is not a JSON object"));
    }
    if let Some(known) = Action::parse(action, version) {
        if known.row().direction == Direction::FromStation {
            return Err(CommandRefusal::not_supported(version, "action is for the station to send"));
        }
        request(version, action, &payload)?;
    }
    Ok(OutboundMessage { action: action.into(), payload })
}
