//! Versions and what a version offers (version information endpoint, version details endpoint).
#![expect(missing_docs, reason = "the specification names and explains the fields")]

use crate::ocpi::grammar::{closed_enum, object, open_enum};

object! {
    /// A version and where its details are.
    Version {
        1 version: String,
        1 url: String,
    }

    /// What a version offers.
    VersionDetails {
        1 version: String,
        + endpoints: Endpoint,
    }

    /// A module and where it is.
    Endpoint {
        1 identifier: ModuleId,
        1 role: InterfaceRole,
        1 url: String,
    }
}

closed_enum! {
    /// Which side of a module: who owns the objects, or who receives them.
    InterfaceRole {
        Sender = "SENDER",
        Receiver = "RECEIVER",
    }
}

open_enum! {
    /// The modules.
    ModuleId {
        Cdrs = "cdrs",
        ChargingProfiles = "chargingprofiles",
        Commands = "commands",
        Credentials = "credentials",
        HubClientInfo = "hubclientinfo",
        Locations = "locations",
        Sessions = "sessions",
        Tariffs = "tariffs",
        Tokens = "tokens",
        InvoiceReconciliation = "invoicereconciliation",
    }
}
