//! What a station told us, in one form for all protocol versions. Made by the translation layer, read by [`crate::station`].

use serde::{Deserialize, Serialize};

use crate::id::{ConnectorId, EvseId, TransactionId};
use crate::load::need::CarWord;
use crate::location::ConnectorStatus;
use crate::meter::Sample;
use crate::time::Timestamp;
use crate::token::IdToken;

/// The most variables kept of one report part; the rest of the part is counted, not kept.
pub const MAX_VARIABLES: usize = 10_000;

/// One message of a station, by meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StationReport {
    /// The station started and says what it is.
    Boot(Boot),
    /// The station is alive and asks for the time.
    Heartbeat,
    /// A connector's, EVSE's or the whole station's status.
    Status(StatusReport),
    /// A driver presented a token.
    Authorize(IdToken),
    /// A transaction started, went on or ended.
    Transaction(TransactionReport),
    /// Samples outside any transaction.
    Metering(MeteringReport),
    /// Events of the device model (2.x).
    DeviceEvents(Vec<DeviceEvent>),
    /// A part of a report of variables (2.x).
    Variables(VariablesReport),
    /// A security event.
    SecurityEvent(SecurityEvent),
    /// Progress of a firmware update.
    FirmwareStatus(ProgressReport),
    /// Progress of a log or diagnostics upload.
    LogStatus(ProgressReport),
    /// What a car says it needs (2.x).
    ChargingNeeds(ChargingNeeds),
    /// A vendor's own message.
    DataTransfer(DataTransfer),
    /// About a transaction, but not to be read; kept as it is, because a station that gets no answer throws it away.
    Unreadable(UnreadableMessage),
    /// Legal, recorded, without a meaning here.
    Noted,
}

/// What the car at an EVSE says it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChargingNeeds {
    /// Where it is.
    pub evse: EvseId,
    /// What it says.
    pub word: CarWord,
}

/// A message that says which transaction it belongs to and cannot be read otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadableMessage {
    /// The action's name.
    pub action: Box<str>,
    /// The payload as sent.
    pub payload: Box<str>,
}

/// What a station says of itself when it starts. Texts are as sent, cut to 255 characters.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Boot {
    /// The maker.
    pub vendor: Box<str>,
    /// The model.
    pub model: Box<str>,
    /// The station's serial number.
    pub serial: Option<Box<str>>,
    /// The firmware's version.
    pub firmware: Option<Box<str>>,
    /// Why it started, in the station's word (2.x).
    pub reason: Option<Box<str>>,
    /// The SIM card's number.
    pub iccid: Option<Box<str>>,
    /// The subscriber's number.
    pub imsi: Option<Box<str>>,
}

/// A status, of a connector, of an EVSE (connector 0) or of the station (EVSE 0).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusReport {
    /// The EVSE; 0 is the whole station.
    pub evse: EvseId,
    /// The connector; 0 is the whole EVSE.
    pub connector: ConnectorId,
    /// The status.
    pub status: ConnectorStatus,
    /// What is wrong, when something is.
    pub error: Option<StationFault>,
    /// The station's time of the change; 1.6 stations may leave it out.
    pub observed_at: Option<Timestamp>,
}

/// A fault a station names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationFault {
    /// The standard's error code, as sent.
    pub code: Box<str>,
    /// Free text of the station.
    pub text: Option<Box<str>>,
    /// The vendor's own code.
    pub vendor_code: Option<Box<str>>,
}

/// Where in its life a transaction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransactionPhase {
    /// It began.
    Started,
    /// It goes on.
    Updated,
    /// It is over.
    Ended,
}

/// How a station refers to its transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransactionRef {
    /// By the id it knows.
    Known(TransactionId),
    /// It asks for a number (1.6 start).
    ToBeNumbered,
    /// It never learned its number and says so (1.6: -1 or 0; errata 3.18).
    Missing,
}

/// What makes two messages of a transaction the same message.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageKey {
    /// The station's own sequence number within the transaction (2.x).
    Sequence(u32),
    /// A start is the same start when connector, token, time and meter agree (1.6).
    Start,
    /// A transaction has one stop (1.6).
    Stop,
    /// Meter values are the same when their first instant and their content agree (1.6).
    Meter {
        /// The instant of the first sample, in ms.
        first_at: i64,
        /// A hash of all samples.
        content: u64,
    },
    /// Not the station's: a ruling of ours or of a person.
    Ruling {
        /// What tells it from others of its name, in ms; 0 where there is only one.
        at: i64,
        /// Its name.
        name: Box<str>,
    },
}

/// What the vehicle and the station are doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChargingState {
    /// Nothing is plugged in.
    Idle,
    /// Plugged in, no energy offered yet.
    EvConnected,
    /// Energy flows.
    Charging,
    /// The vehicle does not take energy.
    SuspendedEv,
    /// The station does not offer energy.
    SuspendedEvse,
}

/// A message about a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionReport {
    /// Which transaction.
    pub transaction: TransactionRef,
    /// What makes a repeat a repeat.
    pub key: MessageKey,
    /// Its phase.
    pub phase: TransactionPhase,
    /// The EVSE; 2.x stations may name it once only.
    pub evse: Option<EvseId>,
    /// The connector.
    pub connector: Option<ConnectorId>,
    /// The token presented, where this message carries one.
    pub token: Option<IdToken>,
    /// The station's time.
    pub observed_at: Timestamp,
    /// Why the station sends this, in the standard's word (2.x) or the message's name (1.6).
    pub trigger: Box<str>,
    /// What vehicle and station are doing, where the station says so.
    pub charging_state: Option<ChargingState>,
    /// Why it stopped, in the standard's word.
    pub stop_reason: Option<Box<str>>,
    /// Sent from a queue after a time without connection.
    pub offline: bool,
    /// The remote start this answers.
    pub remote_start_id: Option<i32>,
    /// The reservation this uses up.
    pub reservation_id: Option<i32>,
    /// Meter samples, at most [`crate::meter::MAX_SAMPLES`].
    pub samples: Vec<Sample>,
}

/// Meter samples that belong to no transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeteringReport {
    /// The EVSE; 0 is the main meter.
    pub evse: EvseId,
    /// At most [`crate::meter::MAX_SAMPLES`].
    pub samples: Vec<Sample>,
    /// The message's key, in a dialect whose stations leave a transaction's id out though they may mean it (1.6); `None`: they do not.
    pub key: Option<MessageKey>,
}

/// A change of a variable that the station found worth telling.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceEvent {
    /// The EVSE, when the component belongs to one.
    pub evse: Option<EvseId>,
    /// The connector, when the component belongs to one.
    pub connector: Option<ConnectorId>,
    /// The component's name.
    pub component: Box<str>,
    /// The variable's name.
    pub variable: Box<str>,
    /// Its value, as text.
    pub value: Box<str>,
    /// The station's time.
    pub observed_at: Timestamp,
}

/// A variable of the device model with its actual value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variable {
    /// The component's name; empty for 1.6 configuration keys.
    pub component: Box<str>,
    /// The component's instance.
    pub instance: Option<Box<str>>,
    /// The EVSE the component belongs to.
    pub evse: Option<EvseId>,
    /// The variable's name; the configuration key in 1.6.
    pub name: Box<str>,
    /// The value, when it can be read.
    pub value: Option<Box<str>>,
    /// May not be written.
    pub readonly: bool,
}

/// A part of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariablesReport {
    /// The request it answers.
    pub request_id: i64,
    /// The part's number, from 0.
    pub part: u32,
    /// More parts follow.
    pub more: bool,
    /// At most [`MAX_VARIABLES`].
    pub variables: Vec<Variable>,
}

/// A security event of a station.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityEvent {
    /// The standard's name of it, or the vendor's.
    pub kind: Box<str>,
    /// The station's time.
    pub observed_at: Timestamp,
    /// More words, when the station gives them.
    pub text: Option<Box<str>>,
}

/// How far an update or upload is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgressReport {
    /// The standard's word.
    pub status: Box<str>,
    /// The request it belongs to, where the station names it.
    pub request_id: Option<i64>,
}

/// A vendor's own message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataTransfer {
    /// Whose message it is.
    pub vendor: Box<str>,
    /// Which of the vendor's messages.
    pub message: Option<Box<str>>,
    /// Its content: any JSON (2.x) or a text (1.6), as JSON text.
    pub data: Option<Box<str>>,
}

impl StationReport {
    /// The token this message presents, which the caller looks up before it asks for a decision.
    #[must_use]
    pub fn token(&self) -> Option<&IdToken> {
        match self {
            Self::Authorize(token) => Some(token),
            Self::Transaction(report) => report.token.as_ref(),
            Self::Boot(_)
            | Self::Heartbeat
            | Self::Status(_)
            | Self::Metering(_)
            | Self::DeviceEvents(_)
            | Self::Variables(_)
            | Self::SecurityEvent(_)
            | Self::FirmwareStatus(_)
            | Self::LogStatus(_)
            | Self::DataTransfer(_)
            | Self::Unreadable(_)
            | Self::ChargingNeeds(_)
            | Self::Noted => None,
        }
    }
}

// === impl TransactionReport ===

impl TransactionReport {
    /// Readings of a transaction that goes on, and nothing else (1.6 MeterValues).
    #[must_use]
    pub fn of_readings(
        transaction: TransactionRef,
        key: MessageKey,
        (evse, connector): (Option<EvseId>, Option<ConnectorId>),
        observed_at: Timestamp,
        samples: Vec<Sample>,
    ) -> Self {
        Self {
            transaction,
            key,
            phase: TransactionPhase::Updated,
            evse,
            connector,
            token: None,
            observed_at,
            trigger: "MeterValues".into(),
            charging_state: None,
            stop_reason: None,
            offline: false,
            remote_start_id: None,
            reservation_id: None,
            samples,
        }
    }
}
