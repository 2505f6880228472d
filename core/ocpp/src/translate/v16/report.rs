//! What a 1.6 charge point says.

use ringmain_domain::id::{TokenUid, TransactionId};
use ringmain_domain::location::ConnectorStatus;
use ringmain_domain::meter::{Sample, SampleContext, SignedValue};
use ringmain_domain::report::{
    Boot, DataTransfer, MessageKey, MeteringReport, ProgressReport, SecurityEvent, StationFault,
    StationReport, StatusReport, TransactionPhase, TransactionRef, TransactionReport,
};
use ringmain_domain::token::{IdToken, TokenKind};
use ringmain_domain::transaction::samples_hash;
use serde_json::Value;
use serde_json::value::RawValue;

use super::place_of;
use crate::action::Action;
use crate::fault::{CallFault, FaultCode};
use crate::quirk::{QuirkKind, Quirks};
use crate::translate::samples::{Samples, WireSample, number};
use crate::translate::text::{cut, cut_some};
use crate::wire::{self, Tolerance, v16};

/// Reads one message.
pub(in crate::translate) fn read(
    action: Action,
    payload: &RawValue,
    tolerance: &Tolerance,
    quirks: &mut Quirks,
) -> Result<StationReport, CallFault> {
    match action {
        Action::BootNotification => Ok(StationReport::Boot(boot(wire::read(payload, tolerance, quirks)?))),
        Action::Heartbeat => {
            wire::read::<v16::HeartbeatRequest>(payload, tolerance, quirks)?;
            Ok(StationReport::Heartbeat)
        }
        Action::StatusNotification => status(wire::read(payload, tolerance, quirks)?),
        Action::Authorize => {
            let request: v16::AuthorizeRequest = wire::read(payload, tolerance, quirks)?;
            Ok(token(&request.id_tag, quirks).map_or(StationReport::Noted, StationReport::Authorize))
        }
        Action::StartTransaction => start(wire::read(payload, tolerance, quirks)?, quirks),
        Action::StopTransaction => Ok(stop(wire::read(payload, tolerance, quirks)?, quirks)),
        Action::MeterValues => meter_values(wire::read(payload, tolerance, quirks)?, tolerance, quirks),
        Action::DataTransfer => data_transfer(payload, tolerance, quirks),
        Action::SecurityEventNotification => {
            Ok(StationReport::SecurityEvent(security_event(wire::read(payload, tolerance, quirks)?)))
        }
        Action::FirmwareStatusNotification => {
            let request: v16::FirmwareStatusNotificationRequest = wire::read(payload, tolerance, quirks)?;
            Ok(StationReport::FirmwareStatus(progress(request.status.as_str(), None)))
        }
        Action::SignedFirmwareStatusNotification => {
            let request: v16::SignedFirmwareStatusNotificationRequest =
                wire::read(payload, tolerance, quirks)?;
            Ok(StationReport::FirmwareStatus(progress(request.status.as_str(), request.request_id)))
        }
        Action::DiagnosticsStatusNotification => {
            let request: v16::DiagnosticsStatusNotificationRequest = wire::read(payload, tolerance, quirks)?;
            Ok(StationReport::LogStatus(progress(request.status.as_str(), None)))
        }
        Action::LogStatusNotification => {
            let request: v16::LogStatusNotificationRequest = wire::read(payload, tolerance, quirks)?;
            Ok(StationReport::LogStatus(progress(request.status.as_str(), request.request_id)))
        }
        Action::SignCertificate => {
            wire::read::<v16::SignCertificateRequest>(payload, tolerance, quirks)?;
            Ok(StationReport::Noted)
        }
        for_us_to_send!() => {
            Err(CallFault::new(FaultCode::NotSupported, "action is not for a station to send"))
        }
        only_in_v2!() => Err(CallFault::new(FaultCode::NotImplemented, "action is not known")),
    }
}

/// Whether a payload that cannot be read names a transaction. A start does not: it asks for the name.
pub(in crate::translate) fn names_its_transaction(payload: &Value) -> bool {
    payload.get("transactionId").is_some_and(|id| id.is_number() || id.is_string())
}

fn boot(request: v16::BootNotificationRequest) -> Boot {
    Boot {
        vendor: cut(request.charge_point_vendor),
        model: cut(request.charge_point_model),
        serial: cut_some(request.charge_point_serial_number)
            .or_else(|| cut_some(request.charge_box_serial_number)),
        firmware: cut_some(request.firmware_version),
        reason: None,
        iccid: cut_some(request.iccid),
        imsi: cut_some(request.imsi),
    }
}

fn status(request: v16::StatusNotificationRequest) -> Result<StationReport, CallFault> {
    let (evse, connector) = place_of(request.connector_id)?;
    let Some(status) = status_of(request.status.as_str()) else { return Ok(StationReport::Noted) };
    let named = !matches!(request.error_code, v16::ChargePointErrorCode::NoError);
    let error = (named || status == ConnectorStatus::Faulted).then(|| StationFault {
        code: request.error_code.as_str().into(),
        text: cut_some(request.info),
        vendor_code: cut_some(request.vendor_error_code),
    });
    let observed_at = request.timestamp.map(wire::instant);
    Ok(StationReport::Status(StatusReport { evse, connector, status, error, observed_at }))
}

/// `Occupied` is the word of 1.5, which charge points with old firmware still use; some do not mind the case.
fn status_of(word: &str) -> Option<ConnectorStatus> {
    const WORDS: [(&str, ConnectorStatus); 10] = [
        ("Available", ConnectorStatus::Available),
        ("Preparing", ConnectorStatus::Preparing),
        ("Charging", ConnectorStatus::Charging),
        ("SuspendedEV", ConnectorStatus::SuspendedEv),
        ("SuspendedEVSE", ConnectorStatus::SuspendedEvse),
        ("Finishing", ConnectorStatus::Finishing),
        ("Reserved", ConnectorStatus::Reserved),
        ("Unavailable", ConnectorStatus::Unavailable),
        ("Faulted", ConnectorStatus::Faulted),
        ("Occupied", ConnectorStatus::Occupied),
    ];
    WORDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(word)).map(|(_, status)| *status)
}

fn start(request: v16::StartTransactionRequest, quirks: &mut Quirks) -> Result<StationReport, CallFault> {
    let (evse, connector) = place_of(request.connector_id)?;
    let observed_at = wire::instant(request.timestamp);
    let meter =
        Sample::import_register(observed_at, request.meter_start.into(), SampleContext::TransactionBegin);
    Ok(StationReport::Transaction(TransactionReport {
        transaction: TransactionRef::ToBeNumbered,
        key: MessageKey::Start,
        phase: TransactionPhase::Started,
        evse: Some(evse),
        connector: Some(connector),
        token: token(&request.id_tag, quirks),
        observed_at,
        trigger: "StartTransaction".into(),
        charging_state: None,
        stop_reason: None,
        offline: false,
        remote_start_id: None,
        reservation_id: request.reservation_id,
        samples: vec![meter],
    }))
}

fn stop(request: v16::StopTransactionRequest, quirks: &mut Quirks) -> StationReport {
    let observed_at = wire::instant(request.timestamp);
    let mut samples = Samples::default();
    add_samples(
        &mut samples,
        request.transaction_data.as_deref().unwrap_or_default(),
        "/transactionData",
        quirks,
    );
    samples.push(Sample::import_register(
        observed_at,
        request.meter_stop.into(),
        SampleContext::TransactionEnd,
    ));
    // A missing reason means Local (1.6 section 6.49).
    let reason = request.reason.as_ref().map_or("Local", v16::Reason::as_str);
    StationReport::Transaction(TransactionReport {
        transaction: transaction(request.transaction_id, quirks),
        key: MessageKey::Stop,
        phase: TransactionPhase::Ended,
        evse: None,
        connector: None,
        token: request.id_tag.and_then(|id_tag| token(&id_tag, quirks)),
        observed_at,
        trigger: "StopTransaction".into(),
        charging_state: None,
        stop_reason: Some(reason.into()),
        offline: false,
        remote_start_id: None,
        reservation_id: None,
        samples: samples.finish(quirks),
    })
}

fn meter_values(
    request: v16::MeterValuesRequest,
    tolerance: &Tolerance,
    quirks: &mut Quirks,
) -> Result<StationReport, CallFault> {
    let (evse, connector) = place_of(request.connector_id)?;
    let mut samples = Samples::default();
    add_samples(&mut samples, &request.meter_value, "/meterValue", quirks);
    let samples = samples.finish(quirks);
    let instants = || request.meter_value.iter().map(|value| wire::instant(value.timestamp));
    let first_at = instants().next().map_or(0, |instant| instant.as_millis());
    let key = MessageKey::Meter { first_at, content: samples_hash(&samples) };
    let Some(transaction_id) = request.transaction_id else {
        return Ok(StationReport::Metering(MeteringReport { evse, samples, key: Some(key) }));
    };
    let report = TransactionReport::of_readings(
        transaction(transaction_id, quirks),
        key,
        (Some(evse), Some(connector)),
        instants().max().unwrap_or(tolerance.received_at),
        samples,
    );
    Ok(StationReport::Transaction(report))
}

fn add_samples(samples: &mut Samples, values: &[v16::MeterValue], path: &str, quirks: &mut Quirks) {
    // Positions are told as `*`, so one path serves all samples.
    let path = format!("{path}/0/sampledValue/0");
    for value in values {
        for sampled in &value.sampled_value {
            let is_signed = matches!(sampled.format, Some(v16::ValueFormat::SignedData));
            let number = if is_signed { Some(rust_decimal::Decimal::ZERO) } else { number(&sampled.value) };
            let Some(number) = number else {
                quirks.add(QuirkKind::ValueUnreadable, &path);
                continue;
            };
            let sample = WireSample {
                observed_at: wire::instant(value.timestamp),
                value: number,
                measurand: sampled.measurand.as_ref().map(v16::Measurand::as_str),
                unit: sampled.unit.as_ref().map(v16::UnitOfMeasure::as_str),
                multiplier: 0,
                phase: sampled.phase.as_ref().map(v16::Phase::as_str),
                location: sampled.location.as_ref().map(v16::Location::as_str),
                context: sampled.context.as_ref().map(v16::ReadingContext::as_str),
                signed: is_signed.then(|| signed(&sampled.value)),
                only_signed: is_signed,
            };
            samples.add(sample, &path, quirks);
        }
    }
}

/// A signed value: the object of 2.x as text (OCA, Signed Meter Values in OCPP, 3.2.1), or what the meter made, as it is.
fn signed(value: &str) -> SignedValue {
    let parts = serde_json::from_str::<Value>(value).ok();
    let part =
        |name: &str| parts.as_ref().and_then(|parts| parts.get(name)).and_then(Value::as_str).map(Box::from);
    SignedValue {
        verdict: None,
        data: part("signedMeterData").unwrap_or_else(|| value.into()),
        encoding: part("encodingMethod").unwrap_or_default(),
        method: part("signingMethod").unwrap_or_default(),
        public_key: part("publicKey").unwrap_or_default(),
    }
}

/// Minus one and zero: the charge point never learned the number (errata 3.18).
fn transaction(transaction_id: i32, quirks: &mut Quirks) -> TransactionRef {
    let known = (transaction_id > 0).then(|| TransactionId::new(&transaction_id.to_string()).ok()).flatten();
    known.map_or_else(
        || {
            quirks.add(QuirkKind::TransactionIdMissing, "/transactionId");
            TransactionRef::Missing
        },
        TransactionRef::Known,
    )
}

fn token(id_tag: &str, quirks: &mut Quirks) -> Option<IdToken> {
    match TokenUid::new(id_tag) {
        Ok(uid) => Some(IdToken { uid, kind: TokenKind::Rfid }),
        Err(_unusable) => {
            quirks.add(QuirkKind::TokenUnreadable, "/idTag");
            None
        }
    }
}

/// The content is a text; vendors put objects there all the same, and what they mean is the vendor's business.
fn data_transfer(
    payload: &RawValue,
    tolerance: &Tolerance,
    quirks: &mut Quirks,
) -> Result<StationReport, CallFault> {
    if tolerance.strict {
        wire::read::<v16::DataTransferRequest>(payload, tolerance, quirks)?;
    }
    let request: wire::DataTransferRequest = wire::read(payload, tolerance, quirks)?;
    if request.data.as_ref().is_some_and(|data| !data.get().starts_with('"')) {
        quirks.add(QuirkKind::NumberForText, "/data");
    }
    Ok(StationReport::DataTransfer(DataTransfer {
        vendor: cut(request.vendor_id),
        message: cut_some(request.message_id),
        data: request.data.map(|data| data.get().into()),
    }))
}

fn security_event(request: v16::SecurityEventNotificationRequest) -> SecurityEvent {
    SecurityEvent {
        kind: cut(request.r#type),
        observed_at: wire::instant(request.timestamp),
        text: cut_some(request.tech_info),
    }
}

fn progress(status: &str, request_id: Option<i32>) -> ProgressReport {
    ProgressReport { status: status.into(), request_id: request_id.map(i64::from) }
}
