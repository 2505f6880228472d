//! What a 2.x station says.

use ringmain_domain::id::{ConnectorId, EvseId, TransactionId};
use ringmain_domain::location::ConnectorStatus;
use ringmain_domain::meter::SignedValue;
use ringmain_domain::report::{
    Boot, ChargingState, DataTransfer, DeviceEvent, MAX_VARIABLES, MessageKey, MeteringReport,
    ProgressReport, SecurityEvent, StationReport, StatusReport, TransactionPhase, TransactionRef,
    TransactionReport, Variable, VariablesReport,
};
use serde_json::Value;
use serde_json::value::RawValue;

use super::v21::added_in_v21;
use super::{needs, noted, token, v21 as only_v21};
use crate::action::Action;
use crate::fault::{CallFault, FaultCode};
use crate::quirk::{QuirkKind, Quirks};
use crate::translate::samples::{Samples, WireSample};
use crate::translate::text::{cut, cut_some, with_instance};
use crate::translate::{check, place};
use crate::version::Version;
use crate::wire::{self, Tolerance, v21};

/// Reads one message, by the rules of the station's own version.
pub(in crate::translate) fn read(
    action: Action,
    payload: &RawValue,
    tolerance: &Tolerance,
    quirks: &mut Quirks,
) -> Result<StationReport, CallFault> {
    if tolerance.version == Version::V21 {
        return read_as_v21(action, payload, tolerance, quirks);
    }
    let judged = Tolerance { judged: true, ..*tolerance };
    if tolerance.strict {
        check::request(tolerance.version, action.as_str(), payload)?;
        return read_as_v21(action, payload, &judged, quirks);
    }
    // What 2.1 calls too long or too large may be sound in 2.0.1. That is rare, so it is looked at only when something was found.
    let mut found = Quirks::default();
    let read = read_as_v21(action, payload, tolerance, &mut found);
    let in_doubt = read.is_err() || found.has(QuirkKind::TextTooLong) || found.has(QuirkKind::OutOfRange);
    if in_doubt && check::request(tolerance.version, action.as_str(), payload).is_ok() {
        return read_as_v21(action, payload, &judged, quirks);
    }
    quirks.extend(found);
    read
}

fn read_as_v21(
    action: Action,
    payload: &RawValue,
    tolerance: &Tolerance,
    quirks: &mut Quirks,
) -> Result<StationReport, CallFault> {
    match action {
        Action::BootNotification => Ok(StationReport::Boot(boot(wire::read(payload, tolerance, quirks)?))),
        Action::Heartbeat => {
            wire::read::<v21::HeartbeatRequest>(payload, tolerance, quirks)?;
            Ok(StationReport::Heartbeat)
        }
        Action::StatusNotification => status(wire::read(payload, tolerance, quirks)?),
        Action::Authorize => {
            let request: v21::AuthorizeRequest = wire::read(payload, tolerance, quirks)?;
            Ok(token::read(&request.id_token, quirks).map_or(StationReport::Noted, StationReport::Authorize))
        }
        Action::TransactionEvent => transaction_event(wire::read(payload, tolerance, quirks)?, quirks),
        Action::MeterValues => {
            let request: v21::MeterValuesRequest = wire::read(payload, tolerance, quirks)?;
            let evse = place::evse(request.evse_id, "/evseId")?;
            let samples = samples_of(&request.meter_value, quirks);
            Ok(StationReport::Metering(MeteringReport { evse, samples, key: None }))
        }
        Action::NotifyEvent => notify_event(wire::read(payload, tolerance, quirks)?),
        Action::NotifyReport => notify_report(wire::read(payload, tolerance, quirks)?),
        Action::DataTransfer => {
            let request: wire::DataTransferRequest = wire::read(payload, tolerance, quirks)?;
            Ok(StationReport::DataTransfer(DataTransfer {
                vendor: cut(request.vendor_id),
                message: cut_some(request.message_id),
                data: request.data.map(|data| data.get().into()),
            }))
        }
        Action::SecurityEventNotification => {
            let request: v21::SecurityEventNotificationRequest = wire::read(payload, tolerance, quirks)?;
            Ok(StationReport::SecurityEvent(SecurityEvent {
                kind: cut(request.r#type),
                observed_at: wire::instant(request.timestamp),
                text: cut_some(request.tech_info),
            }))
        }
        Action::FirmwareStatusNotification => {
            let request: v21::FirmwareStatusNotificationRequest = wire::read(payload, tolerance, quirks)?;
            Ok(StationReport::FirmwareStatus(progress(request.status.as_str(), request.request_id)))
        }
        Action::LogStatusNotification => {
            let request: v21::LogStatusNotificationRequest = wire::read(payload, tolerance, quirks)?;
            Ok(StationReport::LogStatus(progress(request.status.as_str(), request.request_id)))
        }
        Action::NotifyEVChargingNeeds => needs::read(wire::read(payload, tolerance, quirks)?),
        Action::ClearedChargingLimit
        | Action::Get15118EVCertificate
        | Action::GetCertificateStatus
        | Action::NotifyChargingLimit
        | Action::NotifyCustomerInformation
        | Action::NotifyDisplayMessages
        | Action::NotifyEVChargingSchedule
        | Action::NotifyMonitoringReport
        | Action::PublishFirmwareStatusNotification
        | Action::ReportChargingProfiles
        | Action::ReservationStatusUpdate
        | Action::SignCertificate => noted::read(action, payload, tolerance, quirks),
        added_in_v21!() => only_v21::read(action, payload, tolerance, quirks),
        for_us_to_send!() => {
            Err(CallFault::new(FaultCode::NotSupported, "action is not for a station to send"))
        }
        only_in_v16!() => Err(CallFault::new(FaultCode::NotImplemented, "action is not known")),
    }
}

/// Whether a payload that cannot be read says which message of which transaction it is.
pub(in crate::translate) fn names_its_transaction(payload: &Value) -> bool {
    let id = payload.pointer("/transactionInfo/transactionId").and_then(Value::as_str);
    id.is_some_and(|id| !id.is_empty()) && payload.get("seqNo").is_some_and(|number| !number.is_null())
}

fn boot(request: v21::BootNotificationRequest) -> Boot {
    let station = request.charging_station;
    let (iccid, imsi) = station.modem.map_or((None, None), |modem| (modem.iccid, modem.imsi));
    Boot {
        vendor: cut(station.vendor_name),
        model: cut(station.model),
        serial: cut_some(station.serial_number),
        firmware: cut_some(station.firmware_version),
        reason: Some(request.reason.as_str().into()),
        iccid: cut_some(iccid),
        imsi: cut_some(imsi),
    }
}

fn status(request: v21::StatusNotificationRequest) -> Result<StationReport, CallFault> {
    const WORDS: [(&str, ConnectorStatus); 5] = [
        ("Available", ConnectorStatus::Available),
        ("Occupied", ConnectorStatus::Occupied),
        ("Reserved", ConnectorStatus::Reserved),
        ("Unavailable", ConnectorStatus::Unavailable),
        ("Faulted", ConnectorStatus::Faulted),
    ];
    let word = request.connector_status.as_str();
    let known = WORDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(word));
    let Some((_, status)) = known else { return Ok(StationReport::Noted) };
    Ok(StationReport::Status(StatusReport {
        evse: place::evse(request.evse_id, "/evseId")?,
        connector: place::connector(request.connector_id, "/connectorId")?,
        status: *status,
        error: None,
        observed_at: Some(wire::instant(request.timestamp)),
    }))
}

fn transaction_event(
    request: v21::TransactionEventRequest,
    quirks: &mut Quirks,
) -> Result<StationReport, CallFault> {
    let not_allowed =
        |path: &str| CallFault::new(FaultCode::PropertyConstraint, "value is not allowed").at(path);
    let phase = match request.event_type.as_str() {
        "Started" => TransactionPhase::Started,
        "Updated" => TransactionPhase::Updated,
        "Ended" => TransactionPhase::Ended,
        _ => return Err(not_allowed("/eventType")),
    };
    let sequence = u32::try_from(request.seq_no).map_err(|_negative| not_allowed("/seqNo"))?;
    let (evse, connector) = place_of(request.evse.as_ref(), "/evse")?;
    let info = request.transaction_info;
    let stop_reason = info.stopped_reason.as_ref().map(v21::Reason::as_str);
    // Only the reason Local may be left out (E06, 2.0.1 TransactionType).
    let stop_reason = stop_reason.or((phase == TransactionPhase::Ended).then_some("Local"));
    Ok(StationReport::Transaction(TransactionReport {
        transaction: transaction(&info.transaction_id, quirks),
        key: MessageKey::Sequence(sequence),
        phase,
        evse,
        connector,
        token: request.id_token.as_ref().and_then(|presented| token::read(presented, quirks)),
        observed_at: wire::instant(request.timestamp),
        trigger: request.trigger_reason.as_str().into(),
        charging_state: info.charging_state.as_ref().and_then(charging_state),
        stop_reason: stop_reason.map(Box::from),
        offline: request.offline.unwrap_or(false),
        remote_start_id: info.remote_start_id,
        reservation_id: request.reservation_id,
        samples: samples_of(request.meter_value.as_deref().unwrap_or_default(), quirks),
    }))
}

fn transaction(id: &str, quirks: &mut Quirks) -> TransactionRef {
    match TransactionId::new(id) {
        Ok(id) => TransactionRef::Known(id),
        Err(_unusable) => {
            quirks.add(QuirkKind::TransactionIdMissing, "/transactionInfo/transactionId");
            TransactionRef::Missing
        }
    }
}

fn charging_state(state: &v21::ChargingState) -> Option<ChargingState> {
    Some(match state.as_str() {
        "Idle" => ChargingState::Idle,
        "EVConnected" => ChargingState::EvConnected,
        "Charging" => ChargingState::Charging,
        "SuspendedEV" => ChargingState::SuspendedEv,
        "SuspendedEVSE" => ChargingState::SuspendedEvse,
        _ => return None,
    })
}

fn samples_of(values: &[v21::MeterValue], quirks: &mut Quirks) -> Vec<ringmain_domain::meter::Sample> {
    let mut samples = Samples::default();
    for value in values {
        for sampled in &value.sampled_value {
            let unit = sampled.unit_of_measure.as_ref();
            let sample = WireSample {
                observed_at: wire::instant(value.timestamp),
                value: wire::exact(sampled.value),
                measurand: sampled.measurand.as_ref().map(v21::Measurand::as_str),
                unit: unit.and_then(|unit| unit.unit.as_deref()),
                multiplier: unit.and_then(|unit| unit.multiplier).unwrap_or(0),
                phase: sampled.phase.as_ref().map(v21::Phase::as_str),
                location: sampled.location.as_ref().map(v21::Location::as_str),
                context: sampled.context.as_ref().map(v21::ReadingContext::as_str),
                signed: sampled.signed_meter_value.as_ref().map(signed),
                only_signed: false,
            };
            samples.add(sample, "/meterValue/0/sampledValue/0", quirks);
        }
    }
    samples.finish(quirks)
}

fn signed(value: &v21::SignedMeterValue) -> SignedValue {
    SignedValue {
        verdict: None,
        data: value.signed_meter_data.as_str().into(),
        encoding: value.encoding_method.as_str().into(),
        method: value.signing_method.as_deref().unwrap_or_default().into(),
        public_key: value.public_key.as_deref().unwrap_or_default().into(),
    }
}

fn notify_event(request: v21::NotifyEventRequest) -> Result<StationReport, CallFault> {
    let mut events = Vec::with_capacity(request.event_data.len());
    for event in request.event_data {
        let (evse, connector) = place_of(event.component.evse.as_ref(), "/eventData/0/component/evse")?;
        events.push(DeviceEvent {
            evse,
            connector,
            component: with_instance(event.component.name, event.component.instance.as_deref()),
            variable: with_instance(event.variable.name, event.variable.instance.as_deref()),
            value: event.actual_value.into_boxed_str(),
            observed_at: wire::instant(event.timestamp),
        });
    }
    Ok(StationReport::DeviceEvents(events))
}

/// Of each variable the actual value; targets and ranges are in the recording.
fn notify_report(request: v21::NotifyReportRequest) -> Result<StationReport, CallFault> {
    let part = u32::try_from(request.seq_no).map_err(|_negative| {
        CallFault::new(FaultCode::PropertyConstraint, "number is negative").at("/seqNo")
    })?;
    let mut variables = Vec::new();
    for data in request.report_data.unwrap_or_default().into_iter().take(MAX_VARIABLES) {
        let is_actual = |attribute: &&v21::VariableAttribute| {
            attribute.r#type.as_ref().is_none_or(|kind| matches!(kind, v21::Attribute::Actual))
        };
        let Some(actual) = data.variable_attribute.iter().find(is_actual) else { continue };
        let (evse, _connector) = place_of(data.component.evse.as_ref(), "/reportData/0/component/evse")?;
        variables.push(Variable {
            component: data.component.name.into_boxed_str(),
            instance: data.component.instance.map(String::into_boxed_str),
            evse,
            name: with_instance(data.variable.name, data.variable.instance.as_deref()),
            value: actual.value.as_deref().map(Box::from),
            readonly: matches!(actual.mutability, Some(v21::Mutability::ReadOnly)),
        });
    }
    let more = request.tbc.unwrap_or(false);
    Ok(StationReport::Variables(VariablesReport {
        request_id: request.request_id.into(),
        part,
        more,
        variables,
    }))
}

fn place_of(
    evse: Option<&v21::EVSE>,
    path: &str,
) -> Result<(Option<EvseId>, Option<ConnectorId>), CallFault> {
    let Some(evse) = evse else { return Ok((None, None)) };
    let connector =
        evse.connector_id.map(|id| place::connector(id, &format!("{path}/connectorId"))).transpose()?;
    Ok((Some(place::evse(evse.id, &format!("{path}/id"))?), connector))
}

fn progress(status: &str, request_id: Option<i32>) -> ProgressReport {
    ProgressReport { status: status.into(), request_id: request_id.map(i64::from) }
}
