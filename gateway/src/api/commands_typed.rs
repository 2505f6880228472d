//! The forms of typed commands: what a client sends and what a record shows, apart from the domain's own form.

use ringmain_domain::command::{ReportBase, ResetKind, StationCommand, TriggeredMessage};
use ringmain_domain::id::{ConnectorId, EvseId, TokenUid, TransactionId};
use ringmain_domain::time::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::extract::convert;
use super::fields::Amount;
use super::problem::Problem;
use crate::services::commands::new_remote_start_id;

/// The same names on both sides: a form and its noun.
macro_rules! same_names {
    ($form:ident = $domain:ident { $($variant:ident),* }) => {
        impl From<$form> for $domain {
            fn from(form: $form) -> Self {
                match form { $($form::$variant => Self::$variant),* }
            }
        }
        impl From<$domain> for $form {
            fn from(domain: $domain) -> Self {
                match domain { $($domain::$variant => Self::$variant),* }
            }
        }
    };
}

mod local_list;
mod profiles;
mod start;
mod stop;
mod variables;

use self::local_list::{GetLocalListVersion, SendLocalList, SyncLocalList};
use self::profiles::{
    AskDynamicProfiles, ClearChargingProfile, GetCompositeSchedule, SetChargingProfile, UpdateDynamicSchedule,
};
use self::start::StartTransaction;
use self::stop::StopTransaction;
use self::variables::{GetVariables, SetVariables, VariableNameForm, VariableSettingForm};

/// A command, by meaning; the same for all protocol versions.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "command", rename_all = "snake_case")]
pub(super) enum CommandForm {
    /// Start charging for a token.
    StartTransaction(StartTransaction),
    /// Stop a transaction.
    StopTransaction(StopTransaction),
    /// Restart the station or one EVSE.
    Reset(Reset),
    /// Release the cable.
    UnlockConnector(UnlockConnector),
    /// Take out of service or bring back.
    ChangeAvailability(ChangeAvailability),
    /// Ask for a message out of turn.
    Trigger(Trigger),
    /// Read variables (2.x) or configuration keys (1.6).
    GetVariables(GetVariables),
    /// Write variables (2.x) or one configuration key (1.6).
    SetVariables(SetVariables),
    /// Ask for the device model; it comes in parts (2.x).
    GetBaseReport(GetBaseReport),
    /// Limit power or current.
    SetChargingProfile(SetChargingProfile),
    /// Change the limit of a dynamic profile (2.1).
    UpdateDynamicSchedule(UpdateDynamicSchedule),
    /// Ask whether the station takes updates of dynamic profiles (2.1).
    AskDynamicProfiles(AskDynamicProfiles),
    /// Remove limits.
    ClearChargingProfile(ClearChargingProfile),
    /// Ask what a station would allow: all its profiles together.
    GetCompositeSchedule(GetCompositeSchedule),
    /// Ask whether messages about a transaction still wait in the station's queue (2.x).
    GetTransactionStatus(GetTransactionStatus),
    /// Tell the driver the running cost (2.x).
    CostUpdated(CostUpdated),
    /// Ask which version the local authorization list has.
    GetLocalListVersion(GetLocalListVersion),
    /// Send a local authorization list, or a change to it.
    SendLocalList(SendLocalList),
    /// Bring the local authorization list up to date.
    SyncLocalList(SyncLocalList),
    /// Bring the station's tariffs up to date (2.1).
    SyncTariffs(SyncTariffs),
    /// A vendor's own message.
    DataTransfer(DataTransfer),
    /// Any action of the station's own version; as `POST …/ocpp/{action}`.
    Raw(Raw),
}

/// Bring the tariffs of a station that prices by itself to what its drivers pay.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SyncTariffs {}

/// Restart.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reset {
    /// `on_idle` when absent.
    #[serde(default)]
    kind: ResetKindForm,
    /// Only this EVSE (2.x).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    evse_id: Option<u32>,
}

/// How hard to restart.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ResetKindForm {
    /// Now, ending transactions.
    Immediate,
    /// When nothing charges any more.
    #[default]
    OnIdle,
}

/// Release the cable.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UnlockConnector {
    evse_id: u32,
    /// 1 when absent.
    #[serde(default = "one")]
    connector_id: u32,
}

/// Take out of service or bring back.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeAvailability {
    /// In service?
    operative: bool,
    /// Only this EVSE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    evse_id: Option<u32>,
    /// Only this connector (2.x).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    connector_id: Option<u32>,
}

/// Ask for a message out of turn.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Trigger {
    message: TriggeredForm,
    /// For this EVSE only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    evse_id: Option<u32>,
}

/// Messages a station can be asked for.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum TriggeredForm {
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
    /// The state of a log upload.
    LogStatus,
    /// The state of a transaction (2.x).
    TransactionEvent,
}

/// Ask for the device model.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GetBaseReport {
    /// Our number for the report; made up when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request_id: Option<i32>,
    /// `full` when absent.
    #[serde(default)]
    base: ReportBaseForm,
}

/// How much of the device model a report holds.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ReportBaseForm {
    /// What can be written.
    Configuration,
    /// Everything.
    #[default]
    Full,
    /// What is wrong or unusual.
    Summary,
}

/// Ask for what still waits in the station's queue.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GetTransactionStatus {
    /// All when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    transaction_id: Option<TransactionId>,
}

/// Tell the driver the running cost.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CostUpdated {
    #[serde(deserialize_with = "text_or_number")]
    #[schema(value_type = String)]
    transaction_id: TransactionId,
    /// With taxes, in the tariff's currency.
    total_cost: Amount,
}

/// A vendor's own message.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DataTransfer {
    /// Whose.
    vendor: String,
    /// Which of the vendor's messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// Any JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data: Option<Value>,
}

/// Any action with its payload.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    /// The action's name.
    action: String,
    /// Its payload.
    #[serde(default)]
    payload: Value,
}

// === impl CommandForm ===

impl CommandForm {
    /// Reads a command: `command` names it, the other fields are its own.
    ///
    /// # Errors
    /// What is wrong, with its place.
    pub(super) fn read(mut fields: Map<String, Value>) -> Result<Self, Problem> {
        let Some(Value::String(named)) = fields.remove("command") else {
            return Err(Problem::flaw("/command", "must name the command, such as \"start_transaction\""));
        };
        let rest = Value::Object(fields);
        Ok(match named.as_str() {
            "start_transaction" => Self::StartTransaction(convert("", rest)?),
            "stop_transaction" => Self::StopTransaction(convert("", rest)?),
            "reset" => Self::Reset(convert("", rest)?),
            "unlock_connector" => Self::UnlockConnector(convert("", rest)?),
            "change_availability" => Self::ChangeAvailability(convert("", rest)?),
            "trigger" => Self::Trigger(convert("", rest)?),
            "get_variables" => Self::GetVariables(convert("", rest)?),
            "set_variables" => Self::SetVariables(convert("", rest)?),
            "get_base_report" => Self::GetBaseReport(convert("", rest)?),
            "set_charging_profile" => Self::SetChargingProfile(convert("", rest)?),
            "update_dynamic_schedule" => Self::UpdateDynamicSchedule(convert("", rest)?),
            "ask_dynamic_profiles" => Self::AskDynamicProfiles(convert("", rest)?),
            "clear_charging_profile" => Self::ClearChargingProfile(convert("", rest)?),
            "get_composite_schedule" => Self::GetCompositeSchedule(convert("", rest)?),
            "get_transaction_status" => Self::GetTransactionStatus(convert("", rest)?),
            "cost_updated" => Self::CostUpdated(convert("", rest)?),
            "get_local_list_version" => Self::GetLocalListVersion(convert("", rest)?),
            "send_local_list" => Self::SendLocalList(convert("", rest)?),
            "sync_local_list" => Self::SyncLocalList(convert("", rest)?),
            "sync_tariffs" => Self::SyncTariffs(convert("", rest)?),
            "data_transfer" => Self::DataTransfer(convert("", rest)?),
            "raw" => Self::Raw(convert("", rest)?),
            unknown => return Err(Problem::flaw("/command", format!("there is no command {unknown:?}"))),
        })
    }

    /// The token whose transaction is to be stopped, where no transaction is named.
    ///
    /// # Errors
    /// Both are named, or neither.
    pub(super) fn token_to_stop(&self) -> Result<Option<TokenUid>, Problem> {
        match self {
            Self::StopTransaction(form) => form.token(),
            _ => Ok(None),
        }
    }

    /// The command in domain's form.
    ///
    /// # Errors
    /// What the types alone cannot refuse, with its place.
    pub(super) fn into_domain(self, now: Timestamp) -> Result<StationCommand, Problem> {
        Ok(match self {
            Self::StartTransaction(form) => form.into_domain()?,
            Self::StopTransaction(form) => form.into_domain()?,
            Self::Reset(form) => {
                StationCommand::Reset { kind: form.kind.into(), evse_id: form.evse_id.map(EvseId) }
            }
            Self::UnlockConnector(form) => StationCommand::UnlockConnector {
                evse_id: EvseId(form.evse_id),
                connector_id: ConnectorId(form.connector_id),
            },
            Self::ChangeAvailability(form) => StationCommand::ChangeAvailability {
                operative: form.operative,
                evse_id: form.evse_id.map(EvseId),
                connector_id: form.connector_id.map(ConnectorId),
            },
            Self::Trigger(form) => {
                StationCommand::Trigger { message: form.message.into(), evse_id: form.evse_id.map(EvseId) }
            }
            Self::GetVariables(form) => form.into_domain()?,
            Self::SetVariables(form) => form.into_domain()?,
            Self::GetBaseReport(form) => StationCommand::GetBaseReport {
                request_id: form.request_id.unwrap_or_else(new_remote_start_id),
                base: form.base.into(),
            },
            Self::UpdateDynamicSchedule(form) => form.into_domain()?,
            Self::AskDynamicProfiles(_) => StationCommand::AskDynamicProfiles,
            Self::SetChargingProfile(form) => StationCommand::SetChargingProfile {
                evse_id: EvseId(form.evse_id),
                profile: form.profile.into_domain(now)?,
            },
            Self::ClearChargingProfile(form) => StationCommand::ClearChargingProfile {
                profile_id: form.profile_id,
                evse_id: form.evse_id.map(EvseId),
                purpose: form.purpose.map(Into::into),
                stack_level: form.stack_level,
            },
            Self::GetCompositeSchedule(form) => form.into_domain(),
            Self::GetTransactionStatus(form) => {
                StationCommand::GetTransactionStatus { transaction_id: form.transaction_id }
            }
            Self::CostUpdated(form) => StationCommand::CostUpdated {
                transaction_id: form.transaction_id,
                total_cost: form.total_cost.0,
            },
            Self::GetLocalListVersion(GetLocalListVersion {}) => StationCommand::GetLocalListVersion,
            Self::SendLocalList(form) => form.into_domain()?,
            Self::SyncLocalList(form) => StationCommand::SyncLocalList { full: form.full },
            Self::SyncTariffs(SyncTariffs {}) => StationCommand::SyncTariffs,
            Self::DataTransfer(form) => StationCommand::DataTransfer {
                vendor: form.vendor.into(),
                message: form.message.map(Into::into),
                data: form.data.map(|data| data.to_string().into()),
            },
            Self::Raw(form) => form.into_domain()?,
        })
    }
}

impl From<StationCommand> for CommandForm {
    fn from(command: StationCommand) -> Self {
        match command {
            StationCommand::StartTransaction { evse_id, token, remote_start_id } => {
                Self::StartTransaction(StartTransaction::of(evse_id, token, remote_start_id))
            }
            StationCommand::StopTransaction { transaction_id } => {
                Self::StopTransaction(StopTransaction::of(transaction_id))
            }
            StationCommand::Reset { kind, evse_id } => {
                Self::Reset(Reset { kind: kind.into(), evse_id: evse_id.map(|id| id.0) })
            }
            StationCommand::UnlockConnector { evse_id, connector_id } => {
                Self::UnlockConnector(UnlockConnector { evse_id: evse_id.0, connector_id: connector_id.0 })
            }
            StationCommand::ChangeAvailability { operative, evse_id, connector_id } => {
                Self::ChangeAvailability(ChangeAvailability {
                    operative,
                    evse_id: evse_id.map(|id| id.0),
                    connector_id: connector_id.map(|id| id.0),
                })
            }
            StationCommand::Trigger { message, evse_id } => {
                Self::Trigger(Trigger { message: message.into(), evse_id: evse_id.map(|id| id.0) })
            }
            StationCommand::GetVariables { variables } => Self::GetVariables(GetVariables {
                variables: variables.into_iter().map(VariableNameForm::from).collect(),
            }),
            StationCommand::SetVariables { variables } => Self::SetVariables(SetVariables {
                variables: variables.into_iter().map(VariableSettingForm::from).collect(),
            }),
            StationCommand::GetBaseReport { request_id, base } => {
                Self::GetBaseReport(GetBaseReport { request_id: Some(request_id), base: base.into() })
            }
            StationCommand::SetChargingProfile { evse_id, profile } => {
                Self::SetChargingProfile(SetChargingProfile { evse_id: evse_id.0, profile: profile.into() })
            }
            StationCommand::UpdateDynamicSchedule { profile_id, unit, limit, phases } => {
                Self::UpdateDynamicSchedule(UpdateDynamicSchedule::of(profile_id, unit, limit, phases))
            }
            StationCommand::AskDynamicProfiles => Self::AskDynamicProfiles(AskDynamicProfiles {}),
            StationCommand::ClearChargingProfile { profile_id, evse_id, purpose, stack_level: level } => {
                Self::ClearChargingProfile(ClearChargingProfile::of(profile_id, evse_id, purpose, level))
            }
            StationCommand::GetCompositeSchedule { evse_id, duration_s, unit } => {
                Self::GetCompositeSchedule(GetCompositeSchedule::of(evse_id, duration_s, unit))
            }
            StationCommand::GetTransactionStatus { transaction_id } => {
                Self::GetTransactionStatus(GetTransactionStatus { transaction_id })
            }
            StationCommand::CostUpdated { transaction_id, total_cost } => {
                Self::CostUpdated(CostUpdated { transaction_id, total_cost: total_cost.into() })
            }
            StationCommand::GetLocalListVersion => Self::GetLocalListVersion(GetLocalListVersion {}),
            StationCommand::SendLocalList { version, update, entries } => {
                Self::SendLocalList(SendLocalList::of(version, update, entries))
            }
            StationCommand::SyncLocalList { full } => Self::SyncLocalList(SyncLocalList { full }),
            StationCommand::SyncTariffs => Self::SyncTariffs(SyncTariffs {}),
            StationCommand::DataTransfer { vendor, message, data } => Self::DataTransfer(DataTransfer {
                vendor: vendor.into(),
                message: message.map(Into::into),
                data: data.map(|data| json_or_text(&data)),
            }),
            StationCommand::Raw { action, payload } => {
                Self::Raw(Raw { action: action.into(), payload: json_or_text(&payload) })
            }
        }
    }
}

// === impl of single forms ===

impl Raw {
    fn into_domain(self) -> Result<StationCommand, Problem> {
        let payload = match self.payload {
            Value::Null => "{}".to_owned(),
            Value::Object(fields) => Value::Object(fields).to_string(),
            _ => return Err(Problem::flaw("/payload", "must be an object")),
        };
        Ok(StationCommand::Raw { action: self.action.into(), payload: payload.into() })
    }
}

same_names!(ResetKindForm = ResetKind { Immediate, OnIdle });
same_names!(
    TriggeredForm = TriggeredMessage {
        BootNotification,
        Heartbeat,
        StatusNotification,
        MeterValues,
        FirmwareStatus,
        LogStatus,
        TransactionEvent
    }
);
same_names!(ReportBaseForm = ReportBase { Configuration, Full, Summary });

const fn one() -> u32 {
    1
}

fn json_or_text(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_no_json| Value::String(text.to_owned()))
}

/// A transaction id as text, or as the number 1.6 stations have.
fn text_or_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TransactionId, D::Error> {
    let text = match Value::deserialize(deserializer)? {
        Value::String(text) => text,
        Value::Number(number) => number.to_string(),
        _ => return Err(serde::de::Error::custom("must be a text or a number")),
    };
    TransactionId::new(&text).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests;
