//! What we answer a station, in one form for all protocol versions.

use rust_decimal::Decimal;

use crate::authorize::Verdict;

/// Whether a station may take part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Registration {
    /// Takes part.
    Accepted,
    /// Known or unknown, not let in yet: it asks again.
    #[default]
    Pending,
    /// Refused.
    Rejected,
}

impl Registration {
    /// The name in the API and in the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Pending => "pending",
            Self::Rejected => "rejected",
        }
    }
}

/// The answer to a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StationReply {
    /// To a boot.
    Boot {
        /// Whether it may take part.
        registration: Registration,
        /// Accepted: seconds between heartbeats. Otherwise: seconds until it asks again.
        interval_s: u32,
    },
    /// To a heartbeat: the time, which the writer is given.
    Heartbeat,
    /// To a presented token.
    Authorize(Verdict),
    /// To a message about a transaction.
    Transaction(TransactionReply),
    /// To what a car needs: will there be a charging profile for it?
    ChargingNeeds(NeedsAnswer),
    /// To a vendor's message.
    DataTransfer(DataTransferStatus),
    /// Nothing but "received".
    Received,
    /// A call the station may not make now.
    Refused(Refusal),
}

/// The answer to a message about a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TransactionReply {
    /// The number given to the transaction, where the station asked for one (1.6 start).
    pub number: Option<i32>,
    /// About the token, where the message carried one.
    pub verdict: Option<Verdict>,
    /// The cost in the tariff's currency with taxes, at the end where it is known.
    pub total_cost: Option<Decimal>,
    /// The cost so far, while it goes on.
    pub running_cost: Option<Decimal>,
}

/// What becomes of a car's needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NeedsAnswer {
    /// They go into the plan of the site, and a charging profile follows.
    Processing,
    /// Nobody here manages the load of that EVSE.
    NoProfile,
}

/// What became of a vendor's message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataTransferStatus {
    /// Understood.
    Accepted,
    /// We do not know this vendor's messages.
    UnknownVendor,
}

/// Why a call is refused. The translation spells it in the station's version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Anything but a boot before the boot was accepted (OCPP 2.0.1 B02.FR.09, 1.6J errata 3.8).
    NotRegistered,
}
