//! What we ask of a 1.6 charge point.

use ringmain_domain::command::{
    ChargingProfile, LimitUnit, ProfileKind, ProfilePurpose, ResetKind, StationCommand, TriggeredMessage,
    VariableName, VariableSetting,
};
use ringmain_domain::id::{ConnectorId, EvseId, TransactionId};
use ringmain_domain::local_list::{ListUpdate, LocalListEntry};
use ringmain_domain::time::Timestamp;

use super::reply::{ID_TAG_CHARS_MAX, id_tag_info};
use crate::translate::{CommandRefusal, OutboundMessage, check, place, profile};
use crate::version::Version;
use crate::wire::{self, Payload, v16};

/// Writes one command.
pub(in crate::translate) fn write(
    command: &StationCommand,
    now: Timestamp,
) -> Result<OutboundMessage, CommandRefusal> {
    match command {
        StationCommand::StartTransaction { evse_id, token, remote_start_id: _ } => {
            let mut request = v16::RemoteStartTransactionRequest::new(token.uid.as_str());
            request.connector_id = connector_of(*evse_id)?;
            call("RemoteStartTransaction", &request)
        }
        StationCommand::StopTransaction { transaction_id } => {
            call("RemoteStopTransaction", &v16::RemoteStopTransactionRequest::new(number_of(transaction_id)?))
        }
        StationCommand::Reset { kind, evse_id } => reset(*kind, *evse_id),
        StationCommand::UnlockConnector { evse_id, connector_id } => {
            only_connector(Some(*connector_id))?;
            call("UnlockConnector", &v16::UnlockConnectorRequest::new(place::number(evse_id.0, "evse_id")?))
        }
        StationCommand::ChangeAvailability { operative, evse_id, connector_id } => {
            only_connector(*connector_id)?;
            let connector = connector_of(*evse_id)?.unwrap_or(0);
            let kind = if *operative {
                v16::AvailabilityType::Operative
            } else {
                v16::AvailabilityType::Inoperative
            };
            call("ChangeAvailability", &v16::ChangeAvailabilityRequest::new(connector, kind))
        }
        StationCommand::Trigger { message, evse_id } => trigger(*message, *evse_id),
        StationCommand::GetVariables { variables } => get_configuration(variables),
        StationCommand::SetVariables { variables } => change_configuration(variables),
        StationCommand::SetChargingProfile { evse_id, profile } => {
            set_charging_profile(*evse_id, profile, now)
        }
        StationCommand::ClearChargingProfile { profile_id, evse_id, purpose, stack_level } => {
            let mut request = v16::ClearChargingProfileRequest::new();
            request.id = *profile_id;
            // Connector 0 is a place of its own here: the charge point as a whole.
            request.connector_id = evse_id.map(|evse| place::number(evse.0, "evse_id")).transpose()?;
            request.charging_profile_purpose = purpose.map(purpose_of);
            request.stack_level = stack_level.map(|level| place::number(level, "stack_level")).transpose()?;
            call("ClearChargingProfile", &request)
        }
        StationCommand::DataTransfer { vendor, message, data } => {
            let mut request = v16::DataTransferRequest::new(&**vendor);
            request.message_id = message.as_deref().map(str::to_owned);
            request.data = data.as_deref().map(content_of).transpose()?;
            call("DataTransfer", &request)
        }
        StationCommand::GetLocalListVersion => {
            call("GetLocalListVersion", &v16::GetLocalListVersionRequest::new())
        }
        StationCommand::SendLocalList { version, update, entries } => {
            send_local_list(*version, *update, entries)
        }
        StationCommand::SyncLocalList { .. } => Err(lacks("a list is brought up to date message by message")),
        StationCommand::GetCompositeSchedule { evse_id, duration_s, unit } => {
            composite_schedule(*evse_id, *duration_s, *unit)
        }
        StationCommand::UpdateDynamicSchedule { .. } | StationCommand::AskDynamicProfiles => {
            Err(lacks(NO_DYNAMIC))
        }
        StationCommand::SyncTariffs => Err(lacks("stations do not price by themselves")),
        StationCommand::GetBaseReport { .. } => Err(lacks("there is no report of all variables")),
        StationCommand::GetTransactionStatus { .. } => Err(lacks("there is no transaction status")),
        StationCommand::CostUpdated { .. } => Err(lacks("there is no cost message")),
        StationCommand::Raw { action, payload } => check::raw_command(Version::V16, action, payload),
    }
}

const NO_DYNAMIC: &str = "there are no dynamic profiles";

fn lacks(reason: &'static str) -> CommandRefusal {
    CommandRefusal::not_supported(Version::V16, reason)
}

/// The payload, checked by the strictest reading of its own type.
fn call<T: Payload>(action: &str, request: &T) -> Result<OutboundMessage, CommandRefusal> {
    let payload = wire::write(request)?;
    check::request(Version::V16, action, &payload)?;
    Ok(OutboundMessage { action: action.into(), payload })
}

/// A connector, where one is meant: 0 is none.
fn connector_of(evse: Option<EvseId>) -> Result<Option<i32>, CommandRefusal> {
    evse.filter(|evse| evse.0 > 0).map(|evse| place::number(evse.0, "evse_id")).transpose()
}

/// An EVSE has one connector here.
fn only_connector(connector: Option<ConnectorId>) -> Result<(), CommandRefusal> {
    match connector {
        None | Some(ConnectorId(0 | 1)) => Ok(()),
        Some(_) => Err(lacks("an EVSE has one connector")),
    }
}

fn number_of(transaction: &TransactionId) -> Result<i32, CommandRefusal> {
    transaction
        .as_str()
        .parse()
        .map_err(|_no_number| CommandRefusal::invalid("transaction_id", "a transaction has a number here"))
}

fn reset(kind: ResetKind, evse: Option<EvseId>) -> Result<OutboundMessage, CommandRefusal> {
    if evse.is_some_and(|evse| evse.0 > 0) {
        return Err(lacks("one EVSE alone cannot be reset"));
    }
    let kind = match kind {
        ResetKind::Immediate => v16::ResetType::Hard,
        ResetKind::OnIdle => v16::ResetType::Soft,
    };
    call("Reset", &v16::ResetRequest::new(kind))
}

fn trigger(message: TriggeredMessage, evse: Option<EvseId>) -> Result<OutboundMessage, CommandRefusal> {
    let message = match message {
        TriggeredMessage::BootNotification => v16::MessageTrigger::BootNotification,
        TriggeredMessage::Heartbeat => v16::MessageTrigger::Heartbeat,
        TriggeredMessage::StatusNotification => v16::MessageTrigger::StatusNotification,
        TriggeredMessage::MeterValues => v16::MessageTrigger::MeterValues,
        TriggeredMessage::FirmwareStatus => v16::MessageTrigger::FirmwareStatusNotification,
        TriggeredMessage::LogStatus => v16::MessageTrigger::DiagnosticsStatusNotification,
        TriggeredMessage::TransactionEvent => return Err(lacks("a transaction's state cannot be asked for")),
    };
    let mut request = v16::TriggerMessageRequest::new(message);
    request.connector_id = connector_of(evse)?;
    call("TriggerMessage", &request)
}

fn get_configuration(variables: &[VariableName]) -> Result<OutboundMessage, CommandRefusal> {
    let keys = variables.iter().map(key_of).collect::<Result<Vec<_>, _>>()?;
    let mut request = v16::GetConfigurationRequest::new();
    request.key = (!keys.is_empty()).then_some(keys);
    call("GetConfiguration", &request)
}

fn change_configuration(variables: &[VariableSetting]) -> Result<OutboundMessage, CommandRefusal> {
    let [setting] = variables else { return Err(lacks("one key is written at a time")) };
    call(
        "ChangeConfiguration",
        &v16::ChangeConfigurationRequest::new(key_of(&setting.variable)?, &*setting.value),
    )
}

fn key_of(variable: &VariableName) -> Result<String, CommandRefusal> {
    if !variable.component.is_empty() || variable.evse_id.is_some() {
        return Err(lacks("configuration keys belong to no component"));
    }
    Ok(variable.name.to_string())
}

fn send_local_list(
    version: i32,
    update: ListUpdate,
    entries: &[LocalListEntry],
) -> Result<OutboundMessage, CommandRefusal> {
    if version <= 0 {
        return Err(CommandRefusal::invalid("version", "must be positive"));
    }
    let update = match update {
        ListUpdate::Full => v16::UpdateType::Full,
        ListUpdate::Differential => v16::UpdateType::Differential,
    };
    let short = |entry: &&LocalListEntry| entry.token.uid.as_str().chars().count() <= ID_TAG_CHARS_MAX;
    let line = |entry: &LocalListEntry| {
        let mut line = v16::AuthorizationData::new(entry.token.uid.as_str());
        line.id_tag_info = entry.verdict.as_ref().map(|verdict| id_tag_info(Some(verdict)));
        line
    };
    let mut request = v16::SendLocalListRequest::new(version, update);
    request.local_authorization_list = Some(entries.iter().filter(short).map(line).collect());
    call("SendLocalList", &request)
}

fn set_charging_profile(
    evse: EvseId,
    profile: &ChargingProfile,
    now: Timestamp,
) -> Result<OutboundMessage, CommandRefusal> {
    profile::check(profile, now)?;
    if profile.kind == ProfileKind::Dynamic {
        return Err(lacks(NO_DYNAMIC));
    }
    let mut periods = Vec::with_capacity(profile.periods.len());
    for period in &profile.periods {
        let limit = wire::decimal(profile::limit(profile.unit, period.limit))
            .ok_or_else(|| CommandRefusal::invalid("profile.periods.limit", "number is too large"))?;
        let start = place::number(period.start_s, "profile.periods.start_s")?;
        let mut wire_period = v16::ChargingSchedulePeriod::new(start, limit);
        wire_period.number_phases = period.phases.map(i32::from);
        periods.push(wire_period);
    }
    let mut schedule = v16::ChargingSchedule::new(unit_of(profile.unit), periods);
    schedule.duration = profile.duration_s.map(|s| place::number(s, "profile.duration_s")).transpose()?;
    schedule.start_schedule = Some(wire::date_time(profile.starts_at));
    let mut wire_profile = v16::ChargingProfile::new(
        profile.profile_id,
        place::number(profile.stack_level, "profile.stack_level")?,
        purpose_of(profile.purpose),
        v16::ChargingProfileKind::Absolute,
        schedule,
    );
    wire_profile.transaction_id = profile.transaction_id.as_ref().map(number_of).transpose()?;
    wire_profile.valid_to = profile.valid_to.map(wire::date_time);
    let connector = place::number(evse.0, "evse_id")?;
    call("SetChargingProfile", &v16::SetChargingProfileRequest::new(connector, wire_profile))
}

fn composite_schedule(
    evse: EvseId,
    duration_s: u32,
    unit: LimitUnit,
) -> Result<OutboundMessage, CommandRefusal> {
    let connector = place::number(evse.0, "evse_id")?;
    let duration = place::number(duration_s, "duration_s")?;
    let mut request = v16::GetCompositeScheduleRequest::new(connector, duration);
    request.charging_rate_unit = Some(unit_of(unit));
    call("GetCompositeSchedule", &request)
}

const fn unit_of(unit: LimitUnit) -> v16::ChargingRateUnit {
    match unit {
        LimitUnit::Watts => v16::ChargingRateUnit::W,
        LimitUnit::Milliamps => v16::ChargingRateUnit::A,
    }
}

fn purpose_of(purpose: ProfilePurpose) -> v16::ChargingProfilePurpose {
    match purpose {
        ProfilePurpose::StationMax => v16::ChargingProfilePurpose::ChargePointMaxProfile,
        ProfilePurpose::TransactionDefault => v16::ChargingProfilePurpose::TxDefaultProfile,
        ProfilePurpose::Transaction => v16::ChargingProfilePurpose::TxProfile,
    }
}

/// A vendor's content: the text of a JSON string, or any other JSON as text, because this version only carries text.
fn content_of(json: &str) -> Result<String, CommandRefusal> {
    match serde_json::from_str(json) {
        Ok(serde_json::Value::String(text)) => Ok(text),
        Ok(_) => Ok(json.to_owned()),
        Err(error) => Err(CommandRefusal::invalid("data", &format!("is not JSON: {error}"))),
    }
}
