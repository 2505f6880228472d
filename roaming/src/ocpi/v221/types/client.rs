//! Who else is connected to a hub (`mod_hub_client_info`).
#![expect(missing_docs, reason = "the specification names and explains the fields")]

use crate::ocpi::grammar::{closed_enum, object};
use crate::ocpi::v221::types::credentials::Role;
use crate::ocpi::values::{CiString, DateTime};

object! {
    /// A party behind a hub.
    ClientInfo {
        1 party_id: CiString,
        1 country_code: CiString,
        1 role: Role,
        1 status: ConnectionStatus,
        1 last_updated: DateTime,
    }
}

closed_enum! {
    /// Can it be reached?
    ConnectionStatus {
        Connected = "CONNECTED",
        Offline = "OFFLINE",
        Planned = "PLANNED",
        Suspended = "SUSPENDED",
    }
}
