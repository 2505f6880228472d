//! What a charge point says in 1.6: every payload it sends by itself.

use serde_json::{Map, Value, json};

use crate::rpc::Outgoing;
use crate::station::Make;
use crate::station::evse::{ChargingState, Evse, PresentedToken, Status, Transaction};
use crate::station::transactions::{StopReason, Trigger};
use crate::vehicle::{Current, PHASE_VOLTS, Vehicle};

/// The transaction id of a start that was never answered (OCPP 1.6 errata 3.18).
const NEVER_NUMBERED: i64 = -1;

pub(in crate::station) fn boot(id: &str, make: &Make) -> Value {
    let serial: String = id.chars().take(25).collect();
    json!({
        "chargePointVendor": make.vendor,
        "chargePointModel": make.model,
        "chargePointSerialNumber": serial,
        "firmwareVersion": make.firmware,
    })
}

pub(in crate::station) fn status(connector: u32, status: Status, stamp: &str) -> Value {
    let (status, error) = match status {
        Status::Available => ("Available", "NoError"),
        Status::Preparing | Status::Transacting(ChargingState::EvConnected) => ("Preparing", "NoError"),
        Status::Transacting(ChargingState::Charging) => ("Charging", "NoError"),
        Status::Transacting(ChargingState::SuspendedEv) => ("SuspendedEV", "NoError"),
        Status::Transacting(ChargingState::SuspendedEvse) => ("SuspendedEVSE", "NoError"),
        Status::Finishing => ("Finishing", "NoError"),
        Status::Unavailable => ("Unavailable", "NoError"),
        Status::Faulted(code) => ("Faulted", code.name()),
    };
    json!({ "connectorId": connector, "errorCode": error, "status": status, "timestamp": stamp })
}

pub(in crate::station) fn authorize(token: &PresentedToken) -> Value {
    json!({ "idTag": token.id })
}

pub(in crate::station) fn started(evse: &Evse, transaction: &Transaction, stamp: &str) -> Value {
    json!({
        "connectorId": evse.id,
        "idTag": transaction.token.as_ref().map_or("", |token| token.id.as_str()),
        "meterStart": transaction.meter_start_wh,
        "timestamp": stamp,
    })
}

/// The number is filled in when it is sent: it may not be known before.
pub(in crate::station) fn ended(
    evse: &Evse,
    transaction: &Transaction,
    reason: StopReason,
    stamp: &str,
) -> Value {
    let reason_text = match reason {
        StopReason::Local => "Local",
        StopReason::Remote => "Remote",
        StopReason::EvDisconnected => "EVDisconnected",
        StopReason::DeAuthorized => "DeAuthorized",
        StopReason::SoftReset => "SoftReset",
        StopReason::HardReset => "HardReset",
        StopReason::Unlock => "UnlockCommand",
        StopReason::Fault(_) => "Other",
    };
    let mut payload = Map::new();
    // The tag is only told where somebody presented it to stop (OCPP 1.6 section 4.10).
    if let (StopReason::Local, Some(token)) = (reason, &transaction.token) {
        payload.insert("idTag".into(), json!(token.id));
    }
    payload.insert("transactionId".into(), json!(NEVER_NUMBERED));
    payload.insert("meterStop".into(), json!(evse.meter.whole_wh()));
    payload.insert("timestamp".into(), json!(stamp));
    payload.insert("reason".into(), json!(reason_text));
    Value::Object(payload)
}

pub(in crate::station) fn readings(make: &Make, evse: &Evse, trigger: Trigger, stamp: &str) -> Value {
    let context = if trigger == Trigger::Asked { "Trigger" } else { "Sample.Periodic" };
    let sample = |value: String, measurand: &str, unit: &str| {
        json!({
            "value": value,
            "context": context,
            "measurand": measurand,
            "location": "Outlet",
            "unit": unit,
        })
    };
    let mut sampled = vec![
        sample(evse.meter.whole_wh().to_string(), "Energy.Active.Import.Register", "Wh"),
        sample(evse.power.0.to_string(), "Power.Active.Import", "W"),
    ];
    match (make.current, &evse.vehicle) {
        (Current::Ac, vehicle) => {
            let phases = vehicle.as_ref().map_or(3, Vehicle::phases);
            let deciamperes = evse.power.0 * 10 / (PHASE_VOLTS * phases);
            for phase in ["L1", "L2", "L3"].iter().take(usize::try_from(phases).unwrap_or(3)) {
                let value = format!("{}.{}", deciamperes / 10, deciamperes % 10);
                let mut current = sample(value, "Current.Import", "A");
                if let Some(members) = current.as_object_mut() {
                    members.insert("phase".into(), json!(phase));
                }
                sampled.push(current);
            }
        }
        (Current::Dc, Some(vehicle)) => {
            let mut soc = sample(vehicle.soc_percent().to_string(), "SoC", "Percent");
            if let Some(members) = soc.as_object_mut() {
                members.insert("location".into(), json!("EV"));
            }
            sampled.push(soc);
        }
        (Current::Dc, None) => {}
    }
    json!({ "connectorId": evse.id, "meterValue": [{ "timestamp": stamp, "sampledValue": sampled }] })
}

/// Gives a message of transaction `serial` the number the central system chose, or -1 where it never did.
pub(in crate::station) fn fill_number(call: &mut Outgoing, serial: u64, numbers: &[(u64, Option<i64>)]) {
    if !matches!(call.action, "MeterValues" | "StopTransaction") {
        return;
    }
    let known = numbers.iter().find(|(known, _)| *known == serial).and_then(|(_, number)| *number);
    if let Some(members) = call.payload.as_object_mut() {
        members.insert("transactionId".into(), json!(known.unwrap_or(NEVER_NUMBERED)));
    }
}
