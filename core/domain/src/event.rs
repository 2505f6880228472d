//! Facts, in the past tense, as they are stored. An answer waits for some of them; the rest may be written a little later.

use serde::{Deserialize, Serialize};

use crate::authorize::Authorization;
use crate::id::{ConnectorId, Epoch, EvseId, NodeId, StationId, TenantId};
use crate::location::ConnectorStatus;
use crate::report::{
    Boot, ChargingNeeds, DeviceEvent, ProgressReport, SecurityEvent, StationFault, UnreadableMessage,
    Variable,
};
use crate::time::Timestamp;
use crate::token::IdToken;
use crate::transaction::TransactionFact;

/// Must the station's answer wait until the fact is stored?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Yes: boots, money, security and firmware facts.
    AnswerWaits,
    /// No: its loss is tolerated and counted.
    Coalesced,
}

/// A fact about one station.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum DomainEvent {
    /// A socket of the station was admitted.
    StationConnected {
        /// The subprotocol's name.
        ocpp_version: Box<str>,
        /// The connection's fencing number.
        #[serde(default)]
        epoch: Epoch,
        /// The node that has it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        node: Option<NodeId>,
    },
    /// The station's socket ended.
    StationDisconnected {
        /// The exit's name.
        exit: Box<str>,
        /// The connection's fencing number.
        #[serde(default)]
        epoch: Epoch,
    },
    /// A second living socket under its identity was refused: somebody may be playing the station.
    DuplicateIdentity {
        /// Where the newcomer came from.
        source: Box<str>,
        /// It happened so often that an operator must decide.
        needs_a_person: bool,
    },
    /// It booted and said what it is.
    StationBooted(Boot),
    /// It was heard; at most one such fact a minute is kept.
    StationSeen,
    /// A status changed.
    StatusChanged {
        /// The EVSE; 0 is the station.
        evse: EvseId,
        /// The connector; 0 is the EVSE.
        connector: ConnectorId,
        /// The new status.
        status: ConnectorStatus,
        /// What is wrong.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fault: Option<StationFault>,
    },
    /// A token was presented and decided about.
    TokenPresented {
        /// The token.
        token: IdToken,
        /// The decision.
        authorization: Authorization,
    },
    /// A message about a transaction.
    Transaction(TransactionFact),
    /// A start that was ordered and accepted came to nothing: no transaction followed in time.
    StartNotFollowed {
        /// Our number for it.
        remote_start_id: i32,
        /// Where, if the order said so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        evse: Option<EvseId>,
    },
    /// A message about a transaction whose id the station never learned, or that is another station's.
    OrphanReported {
        /// The id it named, when it named one.
        named: Option<Box<str>>,
        /// What it said.
        fact: TransactionFact,
    },
    /// A message about a transaction that cannot be read, as it came: for a person to look at.
    UnreadableKept(UnreadableMessage),
    /// Something security-relevant happened at the station.
    SecurityEventReported(SecurityEvent),
    /// A firmware update went on.
    FirmwareStatusReported(ProgressReport),
    /// A log upload went on.
    LogStatusReported(ProgressReport),
    /// Variables were reported.
    VariablesReported {
        /// The variables with their values.
        variables: Vec<Variable>,
    },
    /// A car said what it needs.
    ChargingNeedsReported(ChargingNeeds),
    /// Events of the device model.
    DeviceEventsReported {
        /// The events.
        events: Vec<DeviceEvent>,
    },
}

impl DomainEvent {
    /// The fact's name: stored, in metrics and in the live feed.
    #[must_use]
    pub fn name(&self) -> &'static str {
        use crate::report::TransactionPhase::{Ended, Started, Updated};
        match self {
            Self::StationConnected { .. } => "station_connected",
            Self::StationDisconnected { .. } => "station_disconnected",
            Self::DuplicateIdentity { .. } => "duplicate_identity",
            Self::StationBooted(_) => "station_booted",
            Self::StationSeen => "station_seen",
            Self::StatusChanged { .. } => "status_changed",
            Self::TokenPresented { .. } => "token_presented",
            Self::Transaction(fact) => match fact.phase {
                Started => "transaction_started",
                Updated => "transaction_updated",
                Ended => "transaction_ended",
            },
            Self::StartNotFollowed { .. } => "start_not_followed",
            Self::OrphanReported { .. } => "orphan_reported",
            Self::UnreadableKept(_) => "unreadable_kept",
            Self::SecurityEventReported(_) => "security_event_reported",
            Self::FirmwareStatusReported(_) => "firmware_status_reported",
            Self::LogStatusReported(_) => "log_status_reported",
            Self::VariablesReported { .. } => "variables_reported",
            Self::ChargingNeedsReported(_) => "charging_needs_reported",
            Self::DeviceEventsReported { .. } => "device_events_reported",
        }
    }

    /// Whether the answer waits for it.
    #[must_use]
    pub fn durability(&self) -> Durability {
        match self {
            // A boot that is forgotten in a crash would have the station's next billing message refused.
            Self::StationBooted(_)
            | Self::Transaction(_)
            | Self::OrphanReported { .. }
            | Self::UnreadableKept(_)
            | Self::SecurityEventReported(_)
            | Self::FirmwareStatusReported(_)
            | Self::LogStatusReported(_) => Durability::AnswerWaits,
            Self::StationConnected { .. }
            | Self::StationDisconnected { .. }
            | Self::DuplicateIdentity { .. }
            | Self::StationSeen
            | Self::StatusChanged { .. }
            | Self::TokenPresented { .. }
            | Self::StartNotFollowed { .. }
            | Self::VariablesReported { .. }
            | Self::ChargingNeedsReported(_)
            | Self::DeviceEventsReported { .. } => Durability::Coalesced,
        }
    }
}

/// A fact with whose it is and when we learned it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// Whose.
    pub tenant: TenantId,
    /// Which station.
    pub station: StationId,
    /// Our time.
    pub received_at: Timestamp,
    /// What happened.
    pub event: DomainEvent,
}
