//! What we ask of a 2.x station.

use ringmain_domain::command::{
    ChargingProfile, LimitUnit, ProfileKind, ProfilePurpose, ReportBase, ResetKind, StationCommand,
    TriggeredMessage, VariableName, VariableSetting,
};
use ringmain_domain::id::{ConnectorId, EvseId, TransactionId};
use ringmain_domain::local_list::{ListUpdate, LocalListEntry};
use ringmain_domain::time::Timestamp;
use rust_decimal::Decimal;
use serde_json::value::RawValue;

use super::reply::id_token_info;
use super::{Limits, token};
use crate::action::Action;
use crate::translate::text::split_instance;
use crate::translate::{CommandRefusal, OutboundMessage, check, place, profile};
use crate::version::Version;
use crate::wire::{self, Payload, v21};

/// Writes one command.
pub(in crate::translate) fn write(
    command: &StationCommand,
    now: Timestamp,
    version: Version,
) -> Result<OutboundMessage, CommandRefusal> {
    let to = Station { version };
    match command {
        StationCommand::StartTransaction { evse_id, token: presented, remote_start_id } => {
            let mut request =
                v21::RequestStartTransactionRequest::new(token::write(presented), *remote_start_id);
            request.evse_id = evse_of(*evse_id)?;
            to.call("RequestStartTransaction", &request)
        }
        StationCommand::StopTransaction { transaction_id } => to.call(
            "RequestStopTransaction",
            &v21::RequestStopTransactionRequest::new(transaction_id.as_str()),
        ),
        StationCommand::Reset { kind, evse_id } => reset(to, *kind, *evse_id),
        StationCommand::UnlockConnector { evse_id, connector_id } => {
            let evse = place::number(evse_id.0, "evse_id")?;
            let connector = place::number(connector_id.0, "connector_id")?;
            to.call("UnlockConnector", &v21::UnlockConnectorRequest::new(evse, connector))
        }
        StationCommand::ChangeAvailability { operative, evse_id, connector_id } => {
            let mut request = v21::ChangeAvailabilityRequest::new(match operative {
                true => v21::OperationalStatus::Operative,
                false => v21::OperationalStatus::Inoperative,
            });
            request.evse = place_of(*evse_id, *connector_id)?;
            to.call("ChangeAvailability", &request)
        }
        StationCommand::Trigger { message, evse_id } => trigger(to, *message, *evse_id),
        StationCommand::GetVariables { variables } => get_variables(to, variables),
        StationCommand::SetVariables { variables } => set_variables(to, variables),
        StationCommand::GetBaseReport { request_id, base } => base_report(to, *request_id, *base),
        StationCommand::SetChargingProfile { evse_id, profile } => {
            let evse = place::number(evse_id.0, "evse_id")?;
            to.call(
                "SetChargingProfile",
                &v21::SetChargingProfileRequest::new(evse, charging_profile(to, profile, now)?),
            )
        }
        StationCommand::UpdateDynamicSchedule { profile_id, unit, limit, phases } => {
            update_dynamic(to, *profile_id, (*unit, *limit), *phases)
        }
        StationCommand::AskDynamicProfiles => ask_dynamic(to),
        StationCommand::ClearChargingProfile { profile_id, evse_id, purpose, stack_level } => {
            clear_charging_profile(to, *profile_id, *evse_id, *purpose, *stack_level)
        }
        StationCommand::GetCompositeSchedule { evse_id, duration_s, unit } => {
            composite_schedule(to, *evse_id, *duration_s, *unit)
        }
        StationCommand::GetTransactionStatus { transaction_id } => {
            let mut request = v21::GetTransactionStatusRequest::new();
            request.transaction_id = transaction_id.as_ref().map(|id| id.as_str().to_owned());
            to.call("GetTransactionStatus", &request)
        }
        StationCommand::CostUpdated { transaction_id, total_cost } => {
            cost_updated(to, transaction_id, *total_cost)
        }
        StationCommand::GetLocalListVersion => {
            to.call("GetLocalListVersion", &v21::GetLocalListVersionRequest::new())
        }
        StationCommand::SendLocalList { version: list, update, entries } => {
            send_local_list(to, *list, *update, entries)
        }
        StationCommand::SyncLocalList { .. } | StationCommand::SyncTariffs => {
            Err(CommandRefusal::not_supported(version, "it is brought up to date message by message"))
        }
        StationCommand::DataTransfer { vendor, message, data } => {
            data_transfer(to, vendor, message.as_deref(), data.as_deref())
        }
        StationCommand::Raw { action, payload } => check::raw_command(version, action, payload),
    }
}

/// Whom a call is for.
#[derive(Debug, Clone, Copy)]
struct Station {
    version: Version,
}

// === impl Station ===

impl Station {
    /// The payload, checked by the strictest reading of the station's own version: what 2.1 alone allows does not pass to 2.0.1.
    fn call<T: Payload>(self, action: &str, request: &T) -> Result<OutboundMessage, CommandRefusal> {
        let payload = wire::write(request)?;
        check::request(self.version, action, &payload)?;
        Ok(OutboundMessage { action: action.into(), payload })
    }

    /// They came with 2.1 (K28).
    fn needs_dynamic_profiles(self) -> Result<(), CommandRefusal> {
        match Action::UpdateDynamicSchedule.exists_in(self.version) {
            true => Ok(()),
            false => Err(CommandRefusal::not_supported(self.version, "there are no dynamic profiles")),
        }
    }
}

/// An EVSE, where one is meant: 0 is none.
fn evse_of(evse: Option<EvseId>) -> Result<Option<i32>, CommandRefusal> {
    evse.filter(|evse| evse.0 > 0).map(|evse| place::number(evse.0, "evse_id")).transpose()
}

fn place_of(
    evse: Option<EvseId>,
    connector: Option<ConnectorId>,
) -> Result<Option<v21::EVSE>, CommandRefusal> {
    let connector = connector.filter(|connector| connector.0 > 0);
    let Some(evse) = evse_of(evse)? else {
        return match connector {
            None => Ok(None),
            Some(_) => Err(CommandRefusal::invalid("connector_id", "a connector belongs to an EVSE")),
        };
    };
    let mut place = v21::EVSE::new(evse);
    place.connector_id = connector.map(|connector| place::number(connector.0, "connector_id")).transpose()?;
    Ok(Some(place))
}

fn clear_charging_profile(
    to: Station,
    profile_id: Option<i32>,
    evse: Option<EvseId>,
    purpose: Option<ProfilePurpose>,
    stack_level: Option<u32>,
) -> Result<OutboundMessage, CommandRefusal> {
    let mut request = v21::ClearChargingProfileRequest::new();
    request.charging_profile_id = profile_id;
    if evse.is_some() || purpose.is_some() || stack_level.is_some() {
        let mut criteria = v21::ClearChargingProfile::new();
        // EVSE 0 is a place of its own here: the station as a whole.
        criteria.evse_id = evse.map(|evse| place::number(evse.0, "evse_id")).transpose()?;
        criteria.charging_profile_purpose = purpose.map(purpose_of);
        criteria.stack_level = stack_level.map(|level| place::number(level, "stack_level")).transpose()?;
        request.charging_profile_criteria = Some(criteria);
    }
    to.call("ClearChargingProfile", &request)
}

fn reset(to: Station, kind: ResetKind, evse: Option<EvseId>) -> Result<OutboundMessage, CommandRefusal> {
    let mut request = v21::ResetRequest::new(match kind {
        ResetKind::Immediate => v21::ResetEnum::Immediate,
        ResetKind::OnIdle => v21::ResetEnum::OnIdle,
    });
    request.evse_id = evse_of(evse)?;
    to.call("Reset", &request)
}

fn base_report(to: Station, request_id: i32, base: ReportBase) -> Result<OutboundMessage, CommandRefusal> {
    let base = match base {
        ReportBase::Configuration => v21::ReportBase::ConfigurationInventory,
        ReportBase::Full => v21::ReportBase::FullInventory,
        ReportBase::Summary => v21::ReportBase::SummaryInventory,
    };
    to.call("GetBaseReport", &v21::GetBaseReportRequest::new(request_id, base))
}

fn trigger(
    to: Station,
    message: TriggeredMessage,
    evse: Option<EvseId>,
) -> Result<OutboundMessage, CommandRefusal> {
    let (message, connector) = match message {
        TriggeredMessage::BootNotification => (v21::MessageTrigger::BootNotification, None),
        TriggeredMessage::Heartbeat => (v21::MessageTrigger::Heartbeat, None),
        // A status is a connector's (F06.FR.12); the first one stands for its EVSE.
        TriggeredMessage::StatusNotification => (
            v21::MessageTrigger::StatusNotification,
            evse.map(|_| ConnectorId(1)).filter(|_| evse != Some(EvseId(0))),
        ),
        TriggeredMessage::MeterValues => (v21::MessageTrigger::MeterValues, None),
        TriggeredMessage::FirmwareStatus => (v21::MessageTrigger::FirmwareStatusNotification, None),
        TriggeredMessage::LogStatus => (v21::MessageTrigger::LogStatusNotification, None),
        TriggeredMessage::TransactionEvent => (v21::MessageTrigger::TransactionEvent, None),
    };
    let mut request = v21::TriggerMessageRequest::new(message);
    request.evse = place_of(evse, connector)?;
    to.call("TriggerMessage", &request)
}

fn get_variables(to: Station, variables: &[VariableName]) -> Result<OutboundMessage, CommandRefusal> {
    if variables.is_empty() {
        return Err(CommandRefusal::not_supported(to.version, "variables are asked for by name"));
    }
    let mut data = Vec::with_capacity(variables.len());
    for name in variables {
        let (component, variable) = variable_of(name)?;
        data.push(v21::GetVariableData::new(component, variable));
    }
    to.call("GetVariables", &v21::GetVariablesRequest::new(data))
}

fn set_variables(to: Station, settings: &[VariableSetting]) -> Result<OutboundMessage, CommandRefusal> {
    if settings.is_empty() {
        return Err(CommandRefusal::invalid("variables", "there must be at least one"));
    }
    let mut data = Vec::with_capacity(settings.len());
    for setting in settings {
        let (component, variable) = variable_of(&setting.variable)?;
        data.push(v21::SetVariableData::new(&*setting.value, component, variable));
    }
    to.call("SetVariables", &v21::SetVariablesRequest::new(data))
}

/// Component and variable; an instance stands in brackets behind its name.
fn variable_of(name: &VariableName) -> Result<(v21::Component, v21::Variable), CommandRefusal> {
    if name.component.is_empty() {
        return Err(CommandRefusal::invalid("variables.component", "a variable belongs to a component"));
    }
    let (component_name, component_instance) = split_instance(&name.component);
    let mut component = v21::Component::new(component_name);
    component.instance = component_instance.map(str::to_owned);
    component.evse = place_of(name.evse_id, None)?;
    let (variable_name, variable_instance) = split_instance(&name.name);
    let mut variable = v21::Variable::new(variable_name);
    variable.instance = variable_instance.map(str::to_owned);
    Ok((component, variable))
}

/// `phaseToUse` is never set: it is allowed with one phase only, and the station knows its phases better.
fn charging_profile(
    to: Station,
    profile: &ChargingProfile,
    now: Timestamp,
) -> Result<v21::ChargingProfile, CommandRefusal> {
    profile::check(profile, now)?;
    // A dynamic profile holds from when it is installed: a start is for the other kinds.
    let (kind, start) = match profile.kind {
        ProfileKind::Absolute => (v21::ChargingProfileKind::Absolute, Some(profile.starts_at)),
        ProfileKind::Dynamic => {
            to.needs_dynamic_profiles()?;
            (v21::ChargingProfileKind::Dynamic, None)
        }
    };
    let mut periods = Vec::with_capacity(profile.periods.len());
    for period in &profile.periods {
        let limit = wire::decimal(profile::limit(profile.unit, period.limit))
            .ok_or_else(|| CommandRefusal::invalid("profile.periods.limit", "number is too large"))?;
        let mut wire_period =
            v21::ChargingSchedulePeriod::new(place::number(period.start_s, "profile.periods.start_s")?);
        wire_period.limit = Some(limit);
        wire_period.number_phases = period.phases.map(i32::from);
        periods.push(wire_period);
    }
    let mut schedule = v21::ChargingSchedule::new(profile.profile_id, unit_of(profile.unit), periods);
    schedule.start_schedule = start.map(wire::date_time);
    schedule.duration = profile.duration_s.map(|s| place::number(s, "profile.duration_s")).transpose()?;
    let mut wire_profile = v21::ChargingProfile::new(
        profile.profile_id,
        place::number(profile.stack_level, "profile.stack_level")?,
        purpose_of(profile.purpose),
        kind,
        vec![schedule],
    );
    wire_profile.transaction_id = profile.transaction_id.as_ref().map(|id| id.as_str().to_owned());
    wire_profile.valid_to = profile.valid_to.map(wire::date_time);
    Ok(wire_profile)
}

fn ask_dynamic(to: Station) -> Result<OutboundMessage, CommandRefusal> {
    to.needs_dynamic_profiles()?;
    let (component, name) = profile::DYNAMIC;
    get_variables(to, &[VariableName { component: component.into(), name: name.into(), evse_id: None }])
}

/// A current is given for each phase: alone it may be read as the sum of all (2.1, `ChargingScheduleUpdateType.limit`). Watts are a sum
/// anyway.
fn update_dynamic(
    to: Station,
    profile_id: i32,
    (unit, limit): (LimitUnit, i64),
    phases: Option<u8>,
) -> Result<OutboundMessage, CommandRefusal> {
    to.needs_dynamic_profiles()?;
    if limit < 0 {
        return Err(CommandRefusal::invalid("limit", "a limit must not be negative"));
    }
    let lines = match unit {
        LimitUnit::Watts => 1,
        LimitUnit::Milliamps => phases.unwrap_or(3),
    };
    if !(1..=3).contains(&lines) {
        return Err(CommandRefusal::invalid("phases", "there are 1 to 3 phases"));
    }
    let limit = wire::decimal(profile::limit(unit, limit))
        .ok_or_else(|| CommandRefusal::invalid("limit", "number is too large"))?;
    let mut update = v21::ChargingScheduleUpdate::new();
    update.limit = Some(limit);
    update.limit_l2 = (lines >= 2).then_some(limit);
    update.limit_l3 = (lines == 3).then_some(limit);
    to.call("UpdateDynamicSchedule", &v21::UpdateDynamicScheduleRequest::new(profile_id, update))
}

fn cost_updated(
    to: Station,
    transaction: &TransactionId,
    total_cost: Decimal,
) -> Result<OutboundMessage, CommandRefusal> {
    let cost = wire::decimal(total_cost)
        .ok_or_else(|| CommandRefusal::invalid("total_cost", "number has too many digits"))?;
    to.call("CostUpdated", &v21::CostUpdatedRequest::new(cost, transaction.as_str()))
}

fn composite_schedule(
    to: Station,
    evse: EvseId,
    duration_s: u32,
    unit: LimitUnit,
) -> Result<OutboundMessage, CommandRefusal> {
    let duration = place::number(duration_s, "duration_s")?;
    let evse = place::number(evse.0, "evse_id")?;
    let mut request = v21::GetCompositeScheduleRequest::new(duration, evse);
    request.charging_rate_unit = Some(unit_of(unit));
    to.call("GetCompositeSchedule", &request)
}

const fn unit_of(unit: LimitUnit) -> v21::ChargingRateUnit {
    match unit {
        LimitUnit::Watts => v21::ChargingRateUnit::W,
        LimitUnit::Milliamps => v21::ChargingRateUnit::A,
    }
}

fn send_local_list(
    to: Station,
    version: i32,
    update: ListUpdate,
    entries: &[LocalListEntry],
) -> Result<OutboundMessage, CommandRefusal> {
    if version <= 0 {
        return Err(CommandRefusal::invalid("version", "must be positive"));
    }
    let limits = Limits::of(to.version);
    let update = match update {
        ListUpdate::Full => v21::Update::Full,
        ListUpdate::Differential => v21::Update::Differential,
    };
    let short = |entry: &&LocalListEntry| entry.token.uid.as_str().chars().count() <= limits.token_chars_max;
    let line = |entry: &LocalListEntry| {
        let mut line = v21::AuthorizationData::new(token::write(&entry.token));
        line.id_token_info = entry.verdict.as_ref().map(|verdict| id_token_info(Some(verdict), limits));
        line
    };
    let lines: Vec<_> = entries.iter().filter(short).map(line).collect();
    let mut request = v21::SendLocalListRequest::new(version, update);
    // An empty list is said by none at all (D01.FR.05).
    request.local_authorization_list = (!lines.is_empty()).then_some(lines);
    to.call("SendLocalList", &request)
}

fn purpose_of(purpose: ProfilePurpose) -> v21::ChargingProfilePurpose {
    match purpose {
        ProfilePurpose::StationMax => v21::ChargingProfilePurpose::ChargingStationMaxProfile,
        ProfilePurpose::TransactionDefault => v21::ChargingProfilePurpose::TxDefaultProfile,
        ProfilePurpose::Transaction => v21::ChargingProfilePurpose::TxProfile,
    }
}

fn data_transfer(
    to: Station,
    vendor: &str,
    message: Option<&str>,
    data: Option<&str>,
) -> Result<OutboundMessage, CommandRefusal> {
    let data = data.map(|json| RawValue::from_string(json.to_owned())).transpose();
    let data = data.map_err(|error| CommandRefusal::invalid("data", &format!("is not JSON: {error}")))?;
    let request = wire::DataTransferRequest {
        vendor_id: vendor.to_owned(),
        message_id: message.map(str::to_owned),
        data,
        custom_data: None,
    };
    to.call("DataTransfer", &request)
}
