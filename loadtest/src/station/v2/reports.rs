//! What a station says in 2.x: every payload it sends by itself.

use serde_json::{Map, Value, json};

use crate::station::Make;
use crate::station::evse::{ChargingState, ErrorCode, Evse, PresentedToken, Status, Transaction};
use crate::station::transactions::{StopReason, Trigger};
use crate::vehicle::{Current, PHASE_VOLTS, Vehicle};

/// The frame of a TransactionEvent: why, when, and whether the station was offline then.
#[derive(Clone, Copy, Debug)]
pub(in crate::station) struct Event<'a> {
    /// Absent for the end, where the reason says it.
    pub(in crate::station) trigger: Option<Trigger>,
    pub(in crate::station) offline: bool,
    pub(in crate::station) stamp: &'a str,
}

pub(in crate::station) fn boot(id: &str, make: &Make, reason: &str) -> Value {
    let serial: String = id.chars().take(25).collect();
    json!({
        "reason": reason,
        "chargingStation": {
            "vendorName": make.vendor,
            "model": make.model,
            "serialNumber": serial,
            "firmwareVersion": make.firmware,
        },
    })
}

/// The five states of a 2.x connector.
pub(in crate::station) fn connector_status(status: Status) -> &'static str {
    match status {
        Status::Available => "Available",
        Status::Preparing | Status::Transacting(_) | Status::Finishing => "Occupied",
        Status::Unavailable => "Unavailable",
        Status::Faulted(_) => "Faulted",
    }
}

pub(in crate::station) fn status(evse: u32, status: Status, stamp: &str) -> Value {
    json!({
        "timestamp": stamp,
        "connectorStatus": connector_status(status),
        "evseId": evse,
        "connectorId": 1,
    })
}

/// What is wrong with a connector, which StatusNotification cannot tell in 2.x.
pub(in crate::station) fn fault_event(
    event_id: u64,
    evse: u32,
    code: Option<ErrorCode>,
    cleared: bool,
    stamp: &str,
) -> Value {
    json!({
        "generatedAt": stamp,
        "seqNo": 0,
        "eventData": [{
            "eventId": event_id,
            "timestamp": stamp,
            "trigger": "Alerting",
            "actualValue": if cleared { "false" } else { "true" },
            "cleared": cleared,
            "techCode": code.map_or("Unknown", ErrorCode::name),
            "eventNotificationType": "HardWiredNotification",
            "component": { "name": "Connector", "evse": { "id": evse, "connectorId": 1 } },
            "variable": { "name": "Problem" },
        }],
    })
}

pub(in crate::station) fn authorize(token: &PresentedToken) -> Value {
    json!({ "idToken": id_token(token) })
}

pub(in crate::station) fn started(
    make: &Make,
    evse: &Evse,
    transaction: &Transaction,
    event: &Event<'_>,
) -> Value {
    let mut payload = frame("Started", make, evse, transaction, event, "Transaction.Begin");
    put(&mut payload, "evse", json!({ "id": evse.id, "connectorId": 1 }));
    if let Some(token) = &transaction.token {
        put(&mut payload, "idToken", id_token(token));
    }
    Value::Object(payload)
}

pub(in crate::station) fn updated(
    make: &Make,
    evse: &Evse,
    transaction: &Transaction,
    event: &Event<'_>,
) -> Value {
    let context = match event.trigger {
        Some(Trigger::Reading(_)) => "Sample.Periodic",
        Some(Trigger::Asked) => "Trigger",
        Some(_) | None => "Other",
    };
    let mut payload = frame("Updated", make, evse, transaction, event, context);
    // The token is told once, in the event it brought about.
    let brought =
        matches!(event.trigger, Some(Trigger::Authorized | Trigger::RemoteStart | Trigger::CablePluggedIn));
    if let (true, Some(token)) = (brought, &transaction.token) {
        put(&mut payload, "idToken", id_token(token));
        put(&mut payload, "evse", json!({ "id": evse.id, "connectorId": 1 }));
    }
    if matches!(event.trigger, Some(Trigger::ChargingStateChanged)) {
        payload.remove("meterValue");
    }
    Value::Object(payload)
}

pub(in crate::station) fn ended(
    make: &Make,
    evse: &Evse,
    transaction: &Transaction,
    reason: StopReason,
    event: &Event<'_>,
) -> Value {
    let (trigger, stopped) = match reason {
        StopReason::Local => ("StopAuthorized", "Local"),
        StopReason::Remote => ("RemoteStop", "Remote"),
        StopReason::EvDisconnected => ("EVCommunicationLost", "EVDisconnected"),
        StopReason::DeAuthorized => ("Deauthorized", "DeAuthorized"),
        StopReason::SoftReset | StopReason::HardReset => ("ResetCommand", "ImmediateReset"),
        StopReason::Unlock => ("UnlockCommand", "Other"),
        StopReason::Fault(ErrorCode::GroundFailure) => ("AbnormalCondition", "GroundFault"),
        StopReason::Fault(ErrorCode::OverCurrentFailure) => ("AbnormalCondition", "OvercurrentFault"),
        StopReason::Fault(_) => ("AbnormalCondition", "Other"),
    };
    let mut payload = frame("Ended", make, evse, transaction, event, "Transaction.End");
    put(&mut payload, "triggerReason", json!(trigger));
    if let Some(told) = payload.get_mut("transactionInfo").and_then(Value::as_object_mut) {
        told.insert("stoppedReason".into(), json!(stopped));
        let state = if reason == StopReason::EvDisconnected { "Idle" } else { "EVConnected" };
        told.insert("chargingState".into(), json!(state));
    }
    if let (StopReason::Local, Some(token)) = (reason, &transaction.token) {
        put(&mut payload, "idToken", id_token(token));
    }
    Value::Object(payload)
}

pub(in crate::station) fn meter_values(make: &Make, evse: &Evse, stamp: &str) -> Value {
    json!({ "evseId": evse.id, "meterValue": [reading(make, evse, "Trigger", stamp)] })
}

fn frame(
    kind: &str,
    make: &Make,
    evse: &Evse,
    transaction: &Transaction,
    event: &Event<'_>,
    context: &str,
) -> Map<String, Value> {
    let mut told = Map::new();
    put(&mut told, "transactionId", json!(transaction.id));
    put(&mut told, "chargingState", json!(charging_state(transaction.state)));
    if let Some(remote_id) = transaction.remote_id {
        put(&mut told, "remoteStartId", json!(remote_id));
    }
    let mut payload = Map::new();
    put(&mut payload, "eventType", json!(kind));
    put(&mut payload, "timestamp", json!(event.stamp));
    put(&mut payload, "seqNo", json!(transaction.next_seq));
    if let Some(trigger) = event.trigger {
        put(&mut payload, "triggerReason", json!(trigger_reason(trigger)));
    }
    if event.offline {
        put(&mut payload, "offline", json!(true));
    }
    put(&mut payload, "transactionInfo", Value::Object(told));
    put(&mut payload, "meterValue", json!([reading(make, evse, context, event.stamp)]));
    payload
}

fn reading(make: &Make, evse: &Evse, context: &str, stamp: &str) -> Value {
    let sample = |value: Value, measurand: &str, unit: &str| {
        json!({
            "value": value,
            "context": context,
            "measurand": measurand,
            "location": "Outlet",
            "unitOfMeasure": { "unit": unit },
        })
    };
    let mut sampled = vec![
        sample(json!(evse.meter.whole_wh()), "Energy.Active.Import.Register", "Wh"),
        sample(json!(evse.power.0), "Power.Active.Import", "W"),
    ];
    match (make.current, &evse.vehicle) {
        (Current::Ac, vehicle) => {
            let phases = vehicle.as_ref().map_or(3, Vehicle::phases);
            let deciamperes = u32::try_from(evse.power.0 * 10 / (PHASE_VOLTS * phases)).unwrap_or(0);
            for phase in ["L1", "L2", "L3"].iter().take(usize::try_from(phases).unwrap_or(3)) {
                let mut current = sample(json!(f64::from(deciamperes) / 10.0), "Current.Import", "A");
                if let Some(members) = current.as_object_mut() {
                    put(members, "phase", json!(phase));
                }
                sampled.push(current);
            }
        }
        (Current::Dc, Some(vehicle)) => {
            let mut soc = sample(json!(vehicle.soc_percent()), "SoC", "Percent");
            if let Some(members) = soc.as_object_mut() {
                put(members, "location", json!("EV"));
            }
            sampled.push(soc);
        }
        (Current::Dc, None) => {}
    }
    json!({ "timestamp": stamp, "sampledValue": sampled })
}

fn id_token(token: &PresentedToken) -> Value {
    json!({ "idToken": token.id, "type": token.kind })
}

fn charging_state(state: ChargingState) -> &'static str {
    match state {
        ChargingState::EvConnected => "EVConnected",
        ChargingState::Charging => "Charging",
        ChargingState::SuspendedEv => "SuspendedEV",
        ChargingState::SuspendedEvse => "SuspendedEVSE",
    }
}

fn trigger_reason(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Authorized => "Authorized",
        Trigger::CablePluggedIn => "CablePluggedIn",
        Trigger::RemoteStart => "RemoteStart",
        Trigger::ChargingStateChanged => "ChargingStateChanged",
        Trigger::Reading(_) => "MeterValuePeriodic",
        Trigger::Asked => "Trigger",
        Trigger::Resumed => super::super::v21::TX_RESUMED,
    }
}

fn put(members: &mut Map<String, Value>, name: &str, value: Value) {
    members.insert(name.to_owned(), value);
}
