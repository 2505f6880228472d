//! Commands of 2.1.1 into the shape of 2.2.1, and the words that answer them back (`mod_commands`).
//!
//! **Lost** on the way back, because one closed list of five words has to do: EVSE_OCCUPIED, EVSE_INOPERATIVE, FAILED and
//! UNKNOWN_RESERVATION become REJECTED, CANCELED_RESERVATION becomes ACCEPTED. How long a result may take goes unsaid.

use crate::ocpi::v211::into_v221::{Owner, token};
use crate::ocpi::v211::types::CommandResponseType as Word;
use crate::ocpi::v211::types::command as v211;
use crate::ocpi::v221::types::command::{
    CommandResponseType, CommandResultType, ReserveNow, StartSession, StopSession, UnlockConnector,
};

/// A start for a token of `driver`; 2.1.1 names no connector and has no reference.
#[must_use]
pub fn start(from: v211::StartSession, driver: &Owner) -> StartSession {
    StartSession {
        response_url: from.response_url,
        token: token(from.token, driver),
        location_id: from.location_id,
        evse_uid: from.evse_uid,
        connector_id: None,
        authorization_reference: None,
    }
}

/// An end.
#[must_use]
pub fn stop(from: v211::StopSession) -> StopSession {
    StopSession { response_url: from.response_url, session_id: from.session_id }
}

/// A reservation for a token of `driver`; its number becomes a text.
#[must_use]
pub fn reserve(from: v211::ReserveNow, driver: &Owner) -> ReserveNow {
    ReserveNow {
        response_url: from.response_url,
        token: token(from.token, driver),
        expiry_date: from.expiry_date,
        reservation_id: (&*from.reservation_id.to_string()).into(),
        location_id: from.location_id,
        evse_uid: from.evse_uid,
        authorization_reference: None,
    }
}

/// A cable that is let go.
#[must_use]
pub fn unlock(from: v211::UnlockConnector) -> UnlockConnector {
    UnlockConnector {
        response_url: from.response_url,
        location_id: from.location_id,
        evse_uid: from.evse_uid,
        connector_id: from.connector_id,
    }
}

/// The answer at once.
#[must_use]
pub const fn response(from: CommandResponseType) -> v211::CommandResponse {
    let result = match from {
        CommandResponseType::Accepted => Word::Accepted,
        CommandResponseType::NotSupported => Word::NotSupported,
        CommandResponseType::Rejected => Word::Rejected,
        CommandResponseType::UnknownSession => Word::UnknownSession,
    };
    v211::CommandResponse { result }
}

/// The answer later: the same object again.
#[must_use]
pub const fn result(from: CommandResultType) -> v211::CommandResponse {
    let result = match from {
        CommandResultType::Accepted | CommandResultType::CanceledReservation => Word::Accepted,
        CommandResultType::NotSupported => Word::NotSupported,
        CommandResultType::Timeout => Word::Timeout,
        CommandResultType::EvseOccupied
        | CommandResultType::EvseInoperative
        | CommandResultType::Failed
        | CommandResultType::Rejected
        | CommandResultType::UnknownReservation => Word::Rejected,
    };
    v211::CommandResponse { result }
}
