//! Three dialects, one meaning: messages become reports, replies and commands become messages; place: report, and the way back.
//!
//! [`Dialect`] has four verbs, and nothing past it asks for a version. What comes in is read with tolerance (each departure a
//! [`crate::quirk::Quirk`]) unless `strict` is set; what goes out is valid against the official schema of its version. Units become whole
//! Wh, W and mA on entry, instants UTC milliseconds. Never: a decision about a station, a token or a transaction (domain), the question
//! whether an instant is plausible (domain), an RPC frame (frame).

/// Actions that we send and take from nobody; one list, so that matches over [`Action`] stay exhaustive and readable.
macro_rules! for_us_to_send {
    () => {
        Action::ChangeConfiguration
            | Action::GetConfiguration
            | Action::RemoteStartTransaction
            | Action::RemoteStopTransaction
            | Action::GetDiagnostics
            | Action::ExtendedTriggerMessage
            | Action::SignedUpdateFirmware
            | Action::CertificateSigned
            | Action::GetBaseReport
            | Action::GetReport
            | Action::GetVariables
            | Action::Reset
            | Action::SetNetworkProfile
            | Action::SetVariables
            | Action::ClearCache
            | Action::GetLocalListVersion
            | Action::SendLocalList
            | Action::GetTransactionStatus
            | Action::RequestStartTransaction
            | Action::RequestStopTransaction
            | Action::TriggerMessage
            | Action::UnlockConnector
            | Action::ChangeAvailability
            | Action::CancelReservation
            | Action::ReserveNow
            | Action::CostUpdated
            | Action::ChangeTransactionTariff
            | Action::ClearTariffs
            | Action::GetTariffs
            | Action::SetDefaultTariff
            | Action::ClearChargingProfile
            | Action::GetChargingProfiles
            | Action::GetCompositeSchedule
            | Action::SetChargingProfile
            | Action::UpdateDynamicSchedule
            | Action::UsePriorityCharging
            | Action::PublishFirmware
            | Action::UnpublishFirmware
            | Action::UpdateFirmware
            | Action::DeleteCertificate
            | Action::GetInstalledCertificateIds
            | Action::InstallCertificate
            | Action::ClearVariableMonitoring
            | Action::CustomerInformation
            | Action::GetLog
            | Action::GetMonitoringReport
            | Action::SetMonitoringBase
            | Action::SetMonitoringLevel
            | Action::SetVariableMonitoring
            | Action::AdjustPeriodicEventStream
            | Action::GetPeriodicEventStream
            | Action::ClearDisplayMessage
            | Action::GetDisplayMessages
            | Action::SetDisplayMessage
            | Action::AFRRSignal
            | Action::NotifyAllowedEnergyTransfer
            | Action::ClearDERControl
            | Action::GetDERControl
            | Action::SetDERControl
            | Action::RequestBatterySwap
    };
}

/// Actions of stations that only OCPP 1.6 has.
macro_rules! only_in_v16 {
    () => {
        Action::StartTransaction
            | Action::StopTransaction
            | Action::DiagnosticsStatusNotification
            | Action::SignedFirmwareStatusNotification
    };
}

/// Actions of stations that only OCPP 2.x has.
macro_rules! only_in_v2 {
    () => {
        Action::NotifyReport
            | Action::NotifySettlement
            | Action::VatNumberValidation
            | Action::TransactionEvent
            | Action::ReservationStatusUpdate
            | Action::ClearedChargingLimit
            | Action::NotifyChargingLimit
            | Action::NotifyEVChargingNeeds
            | Action::NotifyEVChargingSchedule
            | Action::ReportChargingProfiles
            | Action::NotifyPriorityCharging
            | Action::PullDynamicScheduleUpdate
            | Action::PublishFirmwareStatusNotification
            | Action::Get15118EVCertificate
            | Action::GetCertificateStatus
            | Action::GetCertificateChainStatus
            | Action::NotifyCustomerInformation
            | Action::NotifyEvent
            | Action::NotifyMonitoringReport
            | Action::ClosePeriodicEventStream
            | Action::NotifyPeriodicEventStream
            | Action::OpenPeriodicEventStream
            | Action::NotifyDisplayMessages
            | Action::NotifyDERAlarm
            | Action::NotifyDERStartStop
            | Action::ReportDERControl
            | Action::BatterySwap
            | Action::NotifyWebPaymentStarted
    };
}

pub mod check;
mod outcome;
mod place;
pub mod profile;
mod samples;
pub mod tariff;
mod text;
mod v16;
mod v2;

use ringmain_domain::command::{CommandAnswer, StationCommand};
use ringmain_domain::reply::{Refusal, StationReply};
use ringmain_domain::report::{StationReport, UnreadableMessage};
use ringmain_domain::time::Timestamp;
use serde_json::value::RawValue;

use crate::action::Action;
use crate::fault::{CallFault, FaultCode};
use crate::quirk::{Quirk, QuirkKind, Quirks};
use crate::version::Version;
use crate::wire::Tolerance;

/// The language of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// OCPP 1.6.
    V16,
    /// OCPP 2.0.1.
    V201,
    /// OCPP 2.1.
    V21,
}

/// A message of a station, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// What it means.
    pub report: StationReport,
    /// What was tolerated in it, at most [`crate::quirk::QUIRKS_MAX`].
    pub quirks: Vec<Quirk>,
}

/// What we ask of a station, in its own language. RPC adds id and deadline ([`crate::rpc::OutboundCall`]).
#[derive(Debug, Clone)]
pub struct OutboundMessage {
    /// The action's name.
    pub action: Box<str>,
    /// The payload, valid for the station's version.
    pub payload: Box<RawValue>,
}

/// Why a command cannot become a message. Nothing is sent then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandRefusal {
    /// The station's version has no message that says it.
    #[error("OCPP {version} cannot say this: {reason}")]
    NotSupported {
        /// The station's version.
        version: &'static str,
        /// What it lacks, in words.
        reason: &'static str,
    },
    /// The command, or the raw payload, has a value the message does not allow.
    #[error("{path}: {reason}")]
    Invalid {
        /// JSON pointer into the raw payload, or the command's field.
        path: Box<str>,
        /// What is wrong with it.
        reason: Box<str>,
    },
}

// === impl Dialect ===

impl Dialect {
    /// The dialect of a version.
    #[must_use]
    pub const fn of(version: Version) -> Self {
        match version {
            Version::V16 => Self::V16,
            Version::V201 => Self::V201,
            Version::V21 => Self::V21,
        }
    }

    /// The version of this dialect.
    #[must_use]
    pub const fn version(self) -> Version {
        match self {
            Self::V16 => Version::V16,
            Self::V201 => Version::V201,
            Self::V21 => Version::V21,
        }
    }

    /// Does a station of this version have settings for how it waits before it connects again (2.0.1 part 2, `OCPPCommCtrlr`)?
    #[must_use]
    pub const fn has_back_off_settings(self) -> bool {
        match self {
            Self::V16 => false,
            Self::V201 | Self::V21 => true,
        }
    }

    /// Reads a message of a station. Tolerant reading never refuses a message about a transaction that says which one it is: what cannot
    /// be read of it is [`StationReport::Unreadable`], so that the station gets its answer and the bytes are kept (reliability F36).
    ///
    /// # Errors
    /// [`CallFault`], to be sent as CALLERROR: the class of the first thing that is wrong, and where.
    pub fn read_report(
        &self,
        action: Action,
        payload: &RawValue,
        received_at: Timestamp,
        strict: bool,
    ) -> Result<Reading, CallFault> {
        if !action.exists_in(self.version()) {
            return Err(CallFault::new(FaultCode::NotImplemented, "action is not known"));
        }
        if !action.is_taken_from_station() {
            return Err(CallFault::new(FaultCode::NotSupported, "action is not for a station to send"));
        }
        let transaction = action.is_transaction_message();
        let tolerance =
            Tolerance { version: self.version(), strict, transaction, judged: false, received_at };
        let mut quirks = Quirks::default();
        let read = match self {
            Self::V16 => v16::report::read(action, payload, &tolerance, &mut quirks),
            Self::V201 | Self::V21 => v2::report::read(action, payload, &tolerance, &mut quirks),
        };
        let report = match read {
            Ok(report) => report,
            Err(_fault) if !strict && transaction && self.names_its_transaction(payload) => {
                quirks.add(QuirkKind::Unreadable, "");
                let (action, payload) = (action.as_str().into(), payload.get().into());
                StationReport::Unreadable(UnreadableMessage { action, payload })
            }
            Err(fault) => return Err(fault),
        };
        Ok(Reading { report, quirks: quirks.into_vec() })
    }

    /// Writes the answer to a message of a station. The action decides the form, the reply what it says.
    ///
    /// # Errors
    /// [`CallFault`], to be sent as CALLERROR: `SecurityError` for [`StationReply::Refused`], `InternalError` for a reply that does not
    /// answer this action.
    pub fn write_reply(
        &self,
        action: Action,
        reply: &StationReply,
        now: Timestamp,
    ) -> Result<Box<RawValue>, CallFault> {
        if let StationReply::Refused(Refusal::NotRegistered) = reply {
            return Err(CallFault::new(FaultCode::Security, "boot is not accepted yet"));
        }
        match self {
            Self::V16 => v16::reply::write(action, reply, now),
            Self::V201 | Self::V21 => v2::reply::write(action, reply, now, self.version()),
        }
    }

    /// Writes a command as a call. A raw payload is passed on letter by letter, after its known action has checked it.
    ///
    /// # Errors
    /// [`CommandRefusal`]; the caller ends the command with it.
    pub fn write_command(
        &self,
        command: &StationCommand,
        now: Timestamp,
    ) -> Result<OutboundMessage, CommandRefusal> {
        if let StationCommand::Raw { action, payload } = command {
            return check::raw_command(self.version(), action, payload);
        }
        match self {
            Self::V16 => v16::command::write(command, now),
            Self::V201 | Self::V21 => v2::command::write(command, now, self.version()),
        }
    }

    /// Reads a station's answer to a command. Always gives an answer: one that cannot be read counts as refused, with the station's
    /// word as far as there is one.
    #[must_use]
    pub fn read_outcome(&self, action: &str, command: &StationCommand, payload: &RawValue) -> CommandAnswer {
        match self {
            Self::V16 => v16::outcome::read(action, command, payload),
            Self::V201 | Self::V21 => v2::outcome::read(action, command, payload),
        }
    }

    /// Whether a payload that cannot be read says at least which transaction it is about.
    fn names_its_transaction(self, payload: &RawValue) -> bool {
        let Ok(payload) = serde_json::from_str::<serde_json::Value>(payload.get()) else { return false };
        match self {
            Self::V16 => v16::report::names_its_transaction(&payload),
            Self::V201 | Self::V21 => v2::report::names_its_transaction(&payload),
        }
    }
}

// === impl CommandRefusal ===

impl CommandRefusal {
    fn not_supported(version: Version, reason: &'static str) -> Self {
        Self::NotSupported { version: version.as_str(), reason }
    }

    fn invalid(path: &str, reason: &str) -> Self {
        Self::Invalid { path: path.into(), reason: reason.into() }
    }
}

impl From<CallFault> for CommandRefusal {
    fn from(fault: CallFault) -> Self {
        Self::Invalid { path: fault.path().unwrap_or_default().into(), reason: fault.description().into() }
    }
}
