//! What the CSMS may ask in 2.x, each in the words of the standard.
//!
//! Known and not simulated is NotSupported, unknown is NotImplemented (OCPP 2.0.1 part 4, 4.2.3).

use serde_json::{Value, json};

use crate::frame::{Fault, FaultCode};
use crate::payload::{Fields, out_of_range};
use crate::profile::Refusal;
use crate::station::commands::{Outcome, ResetKind, StartOrder, UnlockOutcome};
use crate::station::evse::PresentedToken;
use crate::station::v2::{charging, variables};
use crate::station::{Registration, Station, Version, v21};
use crate::unit::Moment;

/// What 2.0.1 knows and these stations do not do.
const NOT_SIMULATED: [&str; 19] = [
    "CancelReservation",
    "CertificateSigned",
    "ClearDisplayMessage",
    "ClearVariableMonitoring",
    "CustomerInformation",
    "DeleteCertificate",
    "GetDisplayMessages",
    "GetInstalledCertificateIds",
    "GetMonitoringReport",
    "InstallCertificate",
    "PublishFirmware",
    "ReserveNow",
    "SendLocalList",
    "SetDisplayMessage",
    "SetMonitoringBase",
    "SetMonitoringLevel",
    "SetNetworkProfile",
    "SetVariableMonitoring",
    "UnpublishFirmware",
];

/// Obeys one command; the answer is what goes out as CALLRESULT.
pub(in crate::station) fn obey(
    station: &mut Station,
    now: Moment,
    action: &str,
    payload: &Value,
) -> Result<Value, Fault> {
    let asked = Fields::of(payload);
    match action {
        "RequestStartTransaction" => remote_start(station, now, asked),
        "RequestStopTransaction" => {
            Ok(accepted_or(station.remote_stop(now, asked.text("transactionId")?), "TxNotFound"))
        }
        "GetTransactionStatus" => transaction_status(station, asked),
        "Reset" => reset(station, now, asked),
        "UnlockConnector" => unlock(station, now, asked),
        "ChangeAvailability" => change_availability(station, asked),
        "TriggerMessage" => trigger(station, now, asked),
        "GetVariables" => variables::get(station, now, asked),
        "SetVariables" => variables::set(station, now, asked),
        "GetBaseReport" => variables::base_report(station, now, asked),
        "GetReport" => variables::report(station, now, asked),
        "SetChargingProfile" => charging::set(station, asked),
        "ClearChargingProfile" => charging::clear(station, asked),
        "GetChargingProfiles" => charging::get(station, asked),
        "GetCompositeSchedule" => charging::composite(station, now, asked),
        "ClearCache" => Ok(json!({ "status": "Rejected" })),
        "GetLocalListVersion" => Ok(json!({ "versionNumber": 0 })),
        "CostUpdated" => {
            asked.text("transactionId")?;
            Ok(json!({}))
        }
        "DataTransfer" => {
            asked.text("vendorId")?;
            Ok(json!({ "status": "UnknownVendorId" }))
        }
        "GetLog" => get_log(station, now, asked),
        "UpdateFirmware" => update_firmware(station, now, asked),
        _ if station.make.version == Version::V21 && v21::knows(action) => v21::obey(station, action, asked),
        _ if NOT_SIMULATED.contains(&action) => {
            Err(Fault::new(FaultCode::NotSupported, format!("{action} is not simulated")))
        }
        _ => Err(Fault::new(FaultCode::NotImplemented, format!("{action} is not known"))),
    }
}

/// `Accepted`, or `Rejected` with a reason code.
pub(in crate::station) fn accepted_or(accepted: bool, reason: &str) -> Value {
    if accepted {
        json!({ "status": "Accepted" })
    } else {
        json!({ "status": "Rejected", "statusInfo": { "reasonCode": reason } })
    }
}

fn remote_start(station: &mut Station, now: Moment, asked: Fields<'_>) -> Result<Value, Fault> {
    let token = asked.object("idToken")?;
    let order = StartOrder {
        evse: asked.maybe_place("evseId")?,
        token: PresentedToken { id: token.text("idToken")?.to_owned(), kind: token.text("type")?.to_owned() },
        remote_id: Some(asked.integer("remoteStartId")?),
        profile: asked.raw("chargingProfile").map(charging::read).transpose()?,
    };
    Ok(match station.remote_start(now, order) {
        Ok(None) => accepted_or(true, ""),
        Ok(Some(transaction)) => json!({ "status": "Accepted", "transactionId": transaction }),
        Err(Refusal(reason)) => accepted_or(false, reason),
    })
}

fn transaction_status(station: &Station, asked: Fields<'_>) -> Result<Value, Fault> {
    let Some(id) = asked.maybe_text("transactionId")? else {
        return Ok(json!({ "messagesInQueue": station.rpc.has_transaction(None) }));
    };
    let evse = station.evse_of_transaction(id).and_then(|evse| station.evse(evse));
    let serial = evse.and_then(|evse| evse.transaction.as_ref()).map(|transaction| transaction.serial);
    Ok(json!({
        "ongoingIndicator": serial.is_some(),
        "messagesInQueue": serial.is_some_and(|serial| station.rpc.has_transaction(Some(serial))),
    }))
}

fn reset(station: &mut Station, now: Moment, asked: Fields<'_>) -> Result<Value, Fault> {
    let kind = match asked.text("type")? {
        "Immediate" => ResetKind::Hard,
        "OnIdle" => ResetKind::OnIdle,
        v21::RESUME if station.make.version == Version::V21 => ResetKind::Resume,
        _ => return Err(out_of_range("type")),
    };
    if asked.maybe_place("evseId")?.is_some() {
        // EVSE.AllowReset is false here.
        return Ok(accepted_or(false, "UnsupportedRequest"));
    }
    Ok(match station.reset(now, kind) {
        Outcome::Accepted => accepted_or(true, ""),
        Outcome::Scheduled => json!({ "status": "Scheduled" }),
        Outcome::Rejected => accepted_or(false, "InternalError"),
    })
}

fn unlock(station: &mut Station, now: Moment, asked: Fields<'_>) -> Result<Value, Fault> {
    let (evse, connector) = (asked.place("evseId")?, asked.place("connectorId")?);
    let unlocked =
        if connector == 1 { station.unlock(now, evse, false) } else { UnlockOutcome::UnknownConnector };
    Ok(json!({ "status": match unlocked {
        UnlockOutcome::Opened => "Unlocked",
        UnlockOutcome::OngoingTransaction => "OngoingAuthorizedTransaction",
        UnlockOutcome::UnknownConnector => "UnknownConnector",
    }}))
}

/// The EVSE a command names: `Err(())` where this station has none of that id.
fn named_evse(station: &Station, asked: Fields<'_>) -> Result<Result<Option<u32>, ()>, Fault> {
    let Some(evse) = asked.maybe_object("evse")? else { return Ok(Ok(None)) };
    let id = evse.place("id")?;
    let connector = evse.maybe_place("connectorId")?;
    let known = station.evse(id).is_some() && connector.is_none_or(|connector| connector == 1);
    Ok(if known { Ok(Some(id)) } else { Err(()) })
}

fn change_availability(station: &mut Station, asked: Fields<'_>) -> Result<Value, Fault> {
    let operative = match asked.text("operationalStatus")? {
        "Operative" => true,
        "Inoperative" => false,
        _ => return Err(out_of_range("operationalStatus")),
    };
    let Ok(evse) = named_evse(station, asked)? else { return Ok(accepted_or(false, "UnknownEvse")) };
    Ok(match station.change_availability(evse, operative) {
        Outcome::Accepted => accepted_or(true, ""),
        Outcome::Scheduled => json!({ "status": "Scheduled" }),
        Outcome::Rejected => accepted_or(false, "UnknownEvse"),
    })
}

fn trigger(station: &mut Station, now: Moment, asked: Fields<'_>) -> Result<Value, Fault> {
    let Ok(evse) = named_evse(station, asked)? else { return Ok(accepted_or(false, "UnknownEvse")) };
    match asked.text("requestedMessage")? {
        // Once accepted, a station has no reason to boot.
        "BootNotification" if station.registration == Registration::Accepted => {
            return Ok(accepted_or(false, "NotEnabled"));
        }
        "BootNotification" => {
            station.boot_reason = "Triggered";
            station.say_boot();
        }
        "Heartbeat" => station.say_heartbeat(),
        "StatusNotification" => station.say_all_statuses(now, evse),
        "MeterValues" => station.say_meter_values(now, evse),
        "TransactionEvent" => return Ok(accepted_or(station.say_transactions(now, evse), "TxNotFound")),
        "LogStatusNotification" => {
            station.say_in_steps(now, "LogStatusNotification", vec![json!({ "status": "Idle" })]);
        }
        "FirmwareStatusNotification" => {
            station.say_in_steps(now, "FirmwareStatusNotification", vec![json!({ "status": "Idle" })]);
        }
        "SignChargingStationCertificate"
        | "SignV2GCertificate"
        | "SignV2G20Certificate"
        | "SignCombinedCertificate"
        | "PublishFirmwareStatusNotification"
        | "CustomTrigger" => return Ok(json!({ "status": "NotImplemented" })),
        _ => return Err(out_of_range("requestedMessage")),
    }
    Ok(accepted_or(true, ""))
}

fn get_log(station: &mut Station, now: Moment, asked: Fields<'_>) -> Result<Value, Fault> {
    let request = asked.integer("requestId")?;
    asked.object("log")?.text("remoteLocation")?;
    let steps = ["Uploading", "Uploaded"].map(|status| json!({ "status": status, "requestId": request }));
    let canceled = station.drop_chores("LogStatusNotification");
    station.say_in_steps(now, "LogStatusNotification", steps.to_vec());
    let status = if canceled { "AcceptedCanceled" } else { "Accepted" };
    Ok(json!({ "status": status, "filename": "station.log" }))
}

fn update_firmware(station: &mut Station, now: Moment, asked: Fields<'_>) -> Result<Value, Fault> {
    let request = asked.integer("requestId")?;
    asked.object("firmware")?.text("location")?;
    let steps = ["Downloading", "Downloaded", "Installing", "Installed"]
        .map(|status| json!({ "status": status, "requestId": request }));
    let canceled = station.drop_chores("FirmwareStatusNotification");
    station.say_in_steps(now, "FirmwareStatusNotification", steps.to_vec());
    Ok(json!({ "status": if canceled { "AcceptedCanceled" } else { "Accepted" } }))
}
