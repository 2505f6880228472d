//! Commands of an eMSP (`mod_commands`).
#![expect(missing_docs, reason = "the specification names and explains the fields")]

use crate::ocpi::grammar::object;
use crate::ocpi::v211::types::{CommandResponseType, Token};
use crate::ocpi::values::{CiString, DateTime};

object! {
    /// Begin to charge.
    StartSession {
        1 response_url: String,
        1 token: Token,
        1 location_id: CiString,
        ? evse_uid: CiString,
    }

    /// Stop.
    StopSession {
        1 response_url: String,
        1 session_id: CiString,
    }

    /// Hold an EVSE for somebody. There is no way to take it back.
    ReserveNow {
        1 response_url: String,
        1 token: Token,
        1 expiry_date: DateTime,
        1 reservation_id: i64,
        1 location_id: CiString,
        ? evse_uid: CiString,
    }

    /// Let the cable go.
    UnlockConnector {
        1 response_url: String,
        1 location_id: CiString,
        1 evse_uid: CiString,
        1 connector_id: CiString,
    }

    /// The answer at once, and later the same again from the station.
    CommandResponse {
        1 result: CommandResponseType,
    }
}
