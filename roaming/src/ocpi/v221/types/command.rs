//! Commands of an eMSP (`mod_commands`). Their debug texts hide nothing: addresses in them are no secrets, they are checked before use.
#![expect(missing_docs, reason = "the specification names and explains the fields")]

use crate::ocpi::grammar::{closed_enum, object, open_enum};
use crate::ocpi::v221::types::DisplayText;
use crate::ocpi::v221::types::token::Token;
use crate::ocpi::values::{CiString, DateTime};

object! {
    /// Begin to charge. Its token is not to be checked.
    StartSession {
        1 response_url: String,
        1 token: Token,
        1 location_id: CiString,
        ? evse_uid: CiString,
        ? connector_id: CiString,
        ? authorization_reference: CiString,
    }

    /// Stop.
    StopSession {
        1 response_url: String,
        1 session_id: CiString,
    }

    /// Hold an EVSE for somebody. The id is the eMSP's and never goes to a station.
    ReserveNow {
        1 response_url: String,
        1 token: Token,
        1 expiry_date: DateTime,
        1 reservation_id: CiString,
        1 location_id: CiString,
        ? evse_uid: CiString,
        ? authorization_reference: CiString,
    }

    /// Hold it no longer.
    CancelReservation {
        1 response_url: String,
        1 reservation_id: CiString,
    }

    /// Let the cable go.
    UnlockConnector {
        1 response_url: String,
        1 location_id: CiString,
        1 evse_uid: CiString,
        1 connector_id: CiString,
    }

    /// The answer at once: can it be sent? After `timeout` seconds nobody waits for the result any more.
    CommandResponse {
        1 result: CommandResponseType,
        1 timeout: u32,
        * message: DisplayText,
    }

    /// The answer later: what the station said.
    CommandResult {
        1 result: CommandResultType,
        * message: DisplayText,
    }
}

open_enum! {
    /// The commands, as they stand in the path.
    CommandType {
        CancelReservation = "CANCEL_RESERVATION",
        ReserveNow = "RESERVE_NOW",
        StartSession = "START_SESSION",
        StopSession = "STOP_SESSION",
        UnlockConnector = "UNLOCK_CONNECTOR",
    }
}

closed_enum! {
    /// What the operator says.
    CommandResponseType {
        NotSupported = "NOT_SUPPORTED",
        Rejected = "REJECTED",
        Accepted = "ACCEPTED",
        UnknownSession = "UNKNOWN_SESSION",
    }

    /// What the station says.
    CommandResultType {
        Accepted = "ACCEPTED",
        CanceledReservation = "CANCELED_RESERVATION",
        EvseOccupied = "EVSE_OCCUPIED",
        EvseInoperative = "EVSE_INOPERATIVE",
        Failed = "FAILED",
        NotSupported = "NOT_SUPPORTED",
        Rejected = "REJECTED",
        Timeout = "TIMEOUT",
        UnknownReservation = "UNKNOWN_RESERVATION",
    }
}
