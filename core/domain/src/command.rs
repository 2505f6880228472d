//! What we ask of a station, how it can end, and the desk that takes such orders.

use std::future::Future;
use std::pin::Pin;

use serde::{Deserialize, Serialize};

use crate::id::{CommandId, ConnectorId, EvseId, StationId, TenantId, TransactionId};
use crate::local_list::{ListUpdate, LocalListEntry};
use crate::report::Variable;
use crate::time::Timestamp;
use crate::token::IdToken;

/// A command, by meaning. The translation decides which message carries it and whether the station's version has one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum StationCommand {
    /// Start charging for a token.
    StartTransaction {
        /// Where; the station chooses when absent.
        evse_id: Option<EvseId>,
        /// For whom.
        token: IdToken,
        /// Our number for this start, echoed by 2.x stations; positive.
        remote_start_id: i32,
    },
    /// Stop a transaction.
    StopTransaction {
        /// Which.
        transaction_id: TransactionId,
    },
    /// Restart the station or one EVSE (2.x).
    Reset {
        /// At once, or when nothing charges.
        kind: ResetKind,
        /// Only this EVSE; the whole station when absent.
        evse_id: Option<EvseId>,
    },
    /// Release the cable.
    UnlockConnector {
        /// Where.
        evse_id: EvseId,
        /// Which connector.
        connector_id: ConnectorId,
    },
    /// Take out of service or bring back.
    ChangeAvailability {
        /// In service?
        operative: bool,
        /// Only this EVSE; the whole station when absent.
        evse_id: Option<EvseId>,
        /// Only this connector (2.x).
        connector_id: Option<ConnectorId>,
    },
    /// Ask for a message out of turn.
    Trigger {
        /// Which message.
        message: TriggeredMessage,
        /// For this EVSE only.
        evse_id: Option<EvseId>,
    },
    /// Read variables (2.x) or configuration keys (1.6, with an empty component). Empty list: all keys (1.6 only).
    GetVariables {
        /// At most 100.
        variables: Vec<VariableName>,
    },
    /// Write variables or configuration keys. 1.6 takes exactly one.
    SetVariables {
        /// At most 100.
        variables: Vec<VariableSetting>,
    },
    /// Ask for the whole device model; it comes in parts (2.x).
    GetBaseReport {
        /// Our number for the report.
        request_id: i32,
        /// How much of it.
        base: ReportBase,
    },
    /// Limit power or current.
    SetChargingProfile {
        /// Where; 0 is the whole station.
        evse_id: EvseId,
        /// The profile.
        profile: ChargingProfile,
    },
    /// Change the limit of a dynamic profile; all else stays as it was installed, its end too (2.1).
    UpdateDynamicSchedule {
        /// The profile's number.
        profile_id: i32,
        /// The unit of the limit: the profile's own.
        unit: LimitUnit,
        /// The new limit.
        limit: i64,
        /// How many phases it is for, as in the profile; 3 when absent.
        phases: Option<u8>,
    },
    /// Ask whether the station takes [`StationCommand::UpdateDynamicSchedule`] (2.1).
    AskDynamicProfiles,
    /// Remove limits.
    ClearChargingProfile {
        /// Only this profile.
        profile_id: Option<i32>,
        /// Only at this EVSE.
        evse_id: Option<EvseId>,
        /// Only of this purpose.
        purpose: Option<ProfilePurpose>,
        /// Only of this stack level.
        stack_level: Option<u32>,
    },
    /// Ask what a station would allow: all its profiles together.
    GetCompositeSchedule {
        /// Where; 0 is the whole station.
        evse_id: EvseId,
        /// From now on, in seconds.
        duration_s: u32,
        /// The unit of the answer.
        unit: LimitUnit,
    },
    /// Ask whether messages about a transaction still wait in the station's queue (2.x).
    GetTransactionStatus {
        /// Which; all when absent.
        transaction_id: Option<TransactionId>,
    },
    /// Tell the driver the running cost (2.x).
    CostUpdated {
        /// Which transaction.
        transaction_id: TransactionId,
        /// With taxes, in the tariff's currency.
        total_cost: rust_decimal::Decimal,
    },
    /// Ask which version the local authorization list has: 0 is an empty list, less than 0 that there is none.
    GetLocalListVersion,
    /// Replace the local authorization list, or change it. Tokens too long for the station's version are left out: nobody can present them.
    SendLocalList {
        /// The list's version afterwards; positive.
        version: i32,
        /// All of it, or what differs.
        update: ListUpdate,
        /// At most [`crate::local_list::MAX_ENTRIES_PER_MESSAGE`].
        entries: Vec<LocalListEntry>,
    },
    /// Bring the local authorization list up to date. No message of its own: the gateway asks and sends until the list is as it should be.
    SyncLocalList {
        /// Send all of it, whatever the station has.
        full: bool,
    },
    /// Bring a station's tariffs up to date. No message of its own: the gateway asks and sends until they are as they should be.
    SyncTariffs,
    /// A vendor's own message.
    DataTransfer {
        /// Whose.
        vendor: Box<str>,
        /// Which of the vendor's messages.
        message: Option<Box<str>>,
        /// Its content as JSON text.
        data: Option<Box<str>>,
    },
    /// Any action of the station's own version with its raw payload, for integrators and conformance suites.
    Raw {
        /// The action's name.
        action: Box<str>,
        /// The payload as JSON text.
        payload: Box<str>,
    },
}

/// How hard to restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResetKind {
    /// Now, ending transactions.
    Immediate,
    /// When nothing charges any more (1.6: soft).
    OnIdle,
}

/// Messages a station can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TriggeredMessage {
    /// Its boot.
    BootNotification,
    /// A heartbeat.
    Heartbeat,
    /// The status of connectors.
    StatusNotification,
    /// Meter values.
    MeterValues,
    /// The state of a firmware update.
    FirmwareStatus,
    /// The state of a log upload (1.6: diagnostics).
    LogStatus,
    /// The state of a transaction (2.x).
    TransactionEvent,
}

/// How much of the device model a report holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportBase {
    /// What can be written.
    Configuration,
    /// Everything.
    Full,
    /// What is wrong or unusual.
    Summary,
}

/// Names a variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VariableName {
    /// The component; empty for 1.6 configuration keys.
    #[serde(default)]
    pub component: Box<str>,
    /// The variable, or the configuration key.
    pub name: Box<str>,
    /// The EVSE the component belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evse_id: Option<EvseId>,
}

/// Names a variable and gives it a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VariableSetting {
    /// Which.
    #[serde(flatten)]
    pub variable: VariableName,
    /// Its new value.
    pub value: Box<str>,
}

/// What a charging profile is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProfilePurpose {
    /// The most the whole station may draw.
    StationMax,
    /// The default for transactions.
    TransactionDefault,
    /// For one running transaction.
    Transaction,
}

/// In what a profile's limits are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitUnit {
    /// Total power; limits are in W.
    Watts,
    /// Current per phase; limits are in mA.
    Milliamps,
}

/// How a profile's limits follow time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProfileKind {
    /// By its periods, from its start.
    #[default]
    Absolute,
    /// One limit, until it is changed by [`StationCommand::UpdateDynamicSchedule`] (2.1).
    Dynamic,
}

/// A limit on what may be drawn over time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChargingProfile {
    /// The profile's number, unique at its station.
    pub profile_id: i32,
    /// Higher levels win over lower ones of the same purpose.
    pub stack_level: u32,
    /// What it is for.
    pub purpose: ProfilePurpose,
    /// How it follows time; `absolute` when absent.
    #[serde(default)]
    pub kind: ProfileKind,
    /// The transaction it is for, with purpose `transaction`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction_id: Option<TransactionId>,
    /// Not used after this instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_to: Option<Timestamp>,
    /// When the first period starts.
    pub starts_at: Timestamp,
    /// After so many seconds the profile ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<u32>,
    /// The unit of all limits.
    pub unit: LimitUnit,
    /// 1 to 24 periods, by rising start; the first starts at 0.
    pub periods: Vec<ProfilePeriod>,
}

/// One step of a profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfilePeriod {
    /// Seconds after the profile's start.
    pub start_s: u32,
    /// The limit, in the profile's unit.
    pub limit: i64,
    /// How many phases may be used; the station assumes 3 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phases: Option<u8>,
}

/// The word of [`CommandAnswer::status`] of a station that still has messages of a transaction to send.
pub const MESSAGES_IN_QUEUE: &str = "MessagesInQueue";

/// What the station answered to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandAnswer {
    /// Did it agree (also "scheduled" and "reboot required")?
    pub accepted: bool,
    /// The station's own word.
    pub status: Box<str>,
    /// Variables it told us, for [`StationCommand::GetVariables`].
    pub variables: Vec<Variable>,
}

/// How a command ended: exactly one of these for every command, by its deadline (reliability.md 7.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandOutcome {
    /// The station agreed. One call was delivered.
    Accepted,
    /// The station refused. One call was delivered.
    Rejected,
    /// The station answered with an error. One call was delivered.
    CallError,
    /// No node holds the station. Nothing was sent.
    Offline,
    /// The connection was replaced before anything was written. Nothing was sent.
    Superseded,
    /// Too many commands wait for this station. Nothing was sent.
    StationBusy,
    /// The deadline passed in the queue. Nothing was sent; safe to try again.
    NotSentDeadline,
    /// Written, no answer by the deadline. The station may have seen it.
    TimeoutUnknown,
    /// The node that holds the station could not be reached. Nothing was sent.
    NodeUnreachableNotSent,
    /// The node that holds the station was lost after it took the command. The station may have seen it.
    NodeUnreachableUnknown,
    /// The station's version has no such message. Nothing was sent.
    NotSupported,
    /// The node is leaving and takes no commands. Nothing was sent.
    Draining,
}

impl CommandOutcome {
    /// All outcomes, for tables and tests.
    pub const ALL: [Self; 12] = [
        Self::Accepted,
        Self::Rejected,
        Self::CallError,
        Self::Offline,
        Self::Superseded,
        Self::StationBusy,
        Self::NotSentDeadline,
        Self::TimeoutUnknown,
        Self::NodeUnreachableNotSent,
        Self::NodeUnreachableUnknown,
        Self::NotSupported,
        Self::Draining,
    ];

    /// The name in the API and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::CallError => "call_error",
            Self::Offline => "offline",
            Self::Superseded => "superseded",
            Self::StationBusy => "station_busy",
            Self::NotSentDeadline => "not_sent_deadline",
            Self::TimeoutUnknown => "timeout_unknown",
            Self::NodeUnreachableNotSent => "node_unreachable_not_sent",
            Self::NodeUnreachableUnknown => "node_unreachable_unknown",
            Self::NotSupported => "not_supported",
            Self::Draining => "draining",
        }
    }

    /// How many calls the station may have received: lowest and highest (invariant `OutcomeTellsWhatWasSent`).
    #[must_use]
    pub const fn calls_delivered(self) -> (u8, u8) {
        match self {
            Self::Accepted | Self::Rejected | Self::CallError => (1, 1),
            Self::TimeoutUnknown | Self::NodeUnreachableUnknown => (0, 1),
            Self::Offline
            | Self::Superseded
            | Self::StationBusy
            | Self::NotSentDeadline
            | Self::NodeUnreachableNotSent
            | Self::NotSupported
            | Self::Draining => (0, 0),
        }
    }
}

/// An order for one station.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandOrder {
    /// Its id; the same id twice is the same order.
    pub id: CommandId,
    /// Whose station.
    pub tenant: TenantId,
    /// Which station.
    pub station: StationId,
    /// What to do.
    pub command: StationCommand,
    /// By when it must have ended.
    pub deadline: Timestamp,
}

/// How an order ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandResult {
    /// The outcome.
    pub outcome: CommandOutcome,
    /// The station's raw answer as JSON text: a payload, or code, description and details of its error.
    pub response: Option<Box<str>>,
    /// For people: what was wrong, where that is known.
    pub detail: Option<Box<str>>,
}

impl CommandResult {
    /// An outcome without an answer of the station.
    #[must_use]
    pub fn bare(outcome: CommandOutcome) -> Self {
        Self { outcome, response: None, detail: None }
    }

    /// An outcome without an answer of the station, with a word for people.
    #[must_use]
    pub fn saying(outcome: CommandOutcome, detail: impl Into<Box<str>>) -> Self {
        Self { detail: Some(detail.into()), ..Self::bare(outcome) }
    }
}

/// A future of a desk: boxed, because desks are used as objects.
pub type DeskFuture = Pin<Box<dyn Future<Output = CommandResult> + Send>>;

/// Takes orders for stations. The gateway implements it; roaming and the API use it and know no socket.
pub trait CommandDesk: Send + Sync {
    /// Carries out an order. The future always ends, at the latest shortly after the order's deadline.
    fn submit(&self, order: CommandOrder) -> DeskFuture;
}
