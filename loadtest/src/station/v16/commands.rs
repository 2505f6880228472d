//! What the central system may ask in 1.6, each in the words of the standard.
//!
//! Known and not simulated is NotSupported, unknown is NotImplemented (OCPP-J 1.6 section 4.2.3).

use serde_json::{Value, json};

use crate::device_model::{self, Access, Written};
use crate::frame::{Fault, FaultCode};
use crate::payload::{Fields, out_of_range};
use crate::station::commands::{Outcome, ResetKind, StartOrder, UnlockOutcome};
use crate::station::evse::PresentedToken;
use crate::station::v16::charging;
use crate::station::{Registration, Station};
use crate::unit::Moment;

/// Configuration keys in one answer (GetConfigurationMaxKeys).
const KEYS_MAX: usize = 100;

/// Obeys one command; the answer is what goes out as CALLRESULT.
pub(in crate::station) fn obey(
    station: &mut Station,
    now: Moment,
    action: &str,
    payload: &Value,
) -> Result<Value, Fault> {
    let asked = Fields::of(payload);
    match action {
        "RemoteStartTransaction" => remote_start(station, now, asked),
        "RemoteStopTransaction" => {
            let number = asked.integer("transactionId")?.to_string();
            Ok(accepted_if(station.remote_stop(now, &number)))
        }
        "Reset" => {
            let kind = match asked.text("type")? {
                "Soft" => ResetKind::Soft,
                "Hard" => ResetKind::Hard,
                _ => return Err(out_of_range("type")),
            };
            Ok(accepted_if(station.reset(now, kind) != Outcome::Rejected))
        }
        "UnlockConnector" => Ok(match station.unlock(now, asked.place("connectorId")?, true) {
            UnlockOutcome::Opened => json!({ "status": "Unlocked" }),
            UnlockOutcome::OngoingTransaction => json!({ "status": "UnlockFailed" }),
            UnlockOutcome::UnknownConnector => json!({ "status": "NotSupported" }),
        }),
        "ChangeAvailability" => change_availability(station, asked),
        "TriggerMessage" | "ExtendedTriggerMessage" => trigger(station, now, asked),
        "GetConfiguration" => get_configuration(station, asked),
        "ChangeConfiguration" => change_configuration(station, now, asked),
        "SetChargingProfile" => charging::set(station, asked),
        "ClearChargingProfile" => charging::clear(station, asked),
        "GetCompositeSchedule" => charging::composite(station, now, asked),
        // No cache and no local list: both have an answer that says so.
        "ClearCache" => Ok(json!({ "status": "Rejected" })),
        "GetLocalListVersion" => Ok(json!({ "listVersion": -1 })),
        "SendLocalList" => Ok(json!({ "status": "NotSupported" })),
        "DataTransfer" => {
            asked.text("vendorId")?;
            Ok(json!({ "status": "UnknownVendorId" }))
        }
        "GetDiagnostics" => get_diagnostics(station, now, asked),
        "GetLog" => get_log(station, now, asked),
        "UpdateFirmware" => update_firmware(station, now, asked),
        "SignedUpdateFirmware" => signed_update_firmware(station, now, asked),
        "CancelReservation"
        | "ReserveNow"
        | "CertificateSigned"
        | "DeleteCertificate"
        | "GetInstalledCertificateIds"
        | "InstallCertificate" => {
            Err(Fault::new(FaultCode::NotSupported, format!("{action} is not simulated")))
        }
        _ => Err(Fault::new(FaultCode::NotImplemented, format!("{action} is not known"))),
    }
}

fn accepted_if(accepted: bool) -> Value {
    json!({ "status": if accepted { "Accepted" } else { "Rejected" } })
}

fn remote_start(station: &mut Station, now: Moment, asked: Fields<'_>) -> Result<Value, Fault> {
    let token = PresentedToken::local(asked.text("idTag")?);
    let evse = asked.maybe_place("connectorId")?;
    let profile = asked.raw("chargingProfile").map(charging::read).transpose()?;
    let order = StartOrder { evse, token, remote_id: None, profile };
    Ok(accepted_if(station.remote_start(now, order).is_ok()))
}

fn change_availability(station: &mut Station, asked: Fields<'_>) -> Result<Value, Fault> {
    let connector = asked.place("connectorId")?;
    let operative = match asked.text("type")? {
        "Operative" => true,
        "Inoperative" => false,
        _ => return Err(out_of_range("type")),
    };
    let outcome = station.change_availability((connector > 0).then_some(connector), operative);
    Ok(json!({ "status": match outcome {
        Outcome::Accepted => "Accepted",
        Outcome::Scheduled => "Scheduled",
        Outcome::Rejected => "Rejected",
    }}))
}

fn trigger(station: &mut Station, now: Moment, asked: Fields<'_>) -> Result<Value, Fault> {
    let connector = asked.maybe_place("connectorId")?;
    if connector.is_some_and(|connector| connector > 0 && station.evse(connector).is_none()) {
        return Ok(accepted_if(false));
    }
    match asked.text("requestedMessage")? {
        "BootNotification" => station.say_boot(),
        "Heartbeat" => station.say_heartbeat(),
        "StatusNotification" => station.say_all_statuses(now, connector),
        "MeterValues" => station.say_meter_values(now, connector.filter(|connector| *connector > 0)),
        "DiagnosticsStatusNotification" => {
            station.say_in_steps(now, "DiagnosticsStatusNotification", vec![json!({ "status": "Idle" })]);
        }
        "LogStatusNotification" => {
            station.say_in_steps(now, "LogStatusNotification", vec![json!({ "status": "Idle" })]);
        }
        "FirmwareStatusNotification" => {
            station.say_in_steps(now, "FirmwareStatusNotification", vec![json!({ "status": "Idle" })]);
        }
        "SignChargePointCertificate" => return Ok(json!({ "status": "NotImplemented" })),
        _ => return Err(out_of_range("requestedMessage")),
    }
    Ok(accepted_if(true))
}

fn get_configuration(station: &mut Station, asked: Fields<'_>) -> Result<Value, Fault> {
    let wanted = asked.maybe_list("key")?;
    if wanted.len() > KEYS_MAX {
        return Err(Fault::new(FaultCode::Property, "more keys than GetConfigurationMaxKeys"));
    }
    let mut known: Vec<Value> = Vec::new();
    let mut unknown: Vec<&str> = Vec::new();
    if wanted.is_empty() {
        for (key, row) in device_model::keys() {
            known.push(entry(station, key, row));
        }
    }
    for key in wanted {
        let key = key.as_str().ok_or_else(|| Fault::new(FaultCode::Type, "key is no string"))?;
        match device_model::by_key(key) {
            Some(row) => known.push(entry(station, row.key.unwrap_or(key), row)),
            None => unknown.push(key),
        }
    }
    let mut answer = serde_json::Map::new();
    if !known.is_empty() {
        answer.insert("configurationKey".into(), json!(known));
    }
    if !unknown.is_empty() {
        answer.insert("unknownKey".into(), json!(unknown));
    }
    Ok(Value::Object(answer))
}

fn entry(station: &mut Station, key: &str, row: &device_model::Row) -> Value {
    let mut entry = json!({ "key": key, "readonly": row.access == Access::ReadOnly });
    let value = station.read_setting(row);
    if let (Some(value), Some(members)) = (value, entry.as_object_mut()) {
        members.insert("value".into(), json!(value));
    }
    entry
}

fn change_configuration(station: &mut Station, now: Moment, asked: Fields<'_>) -> Result<Value, Fault> {
    let (key, value) = (asked.text("key")?, asked.text("value")?);
    let Some(row) = device_model::by_key(key) else { return Ok(json!({ "status": "NotSupported" })) };
    let written = station.write_setting(now, row, value);
    Ok(accepted_if(written != Written::Rejected))
}

fn get_diagnostics(station: &mut Station, now: Moment, asked: Fields<'_>) -> Result<Value, Fault> {
    asked.text("location")?;
    let steps = ["Uploading", "Uploaded"].map(|status| json!({ "status": status }));
    station.drop_chores("DiagnosticsStatusNotification");
    station.say_in_steps(now, "DiagnosticsStatusNotification", steps.to_vec());
    Ok(json!({ "fileName": "diagnostics.log" }))
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
    asked.text("location")?;
    asked.text("retrieveDate")?;
    let steps =
        ["Downloading", "Downloaded", "Installing", "Installed"].map(|status| json!({ "status": status }));
    station.drop_chores("FirmwareStatusNotification");
    station.say_in_steps(now, "FirmwareStatusNotification", steps.to_vec());
    Ok(json!({}))
}

fn signed_update_firmware(station: &mut Station, now: Moment, asked: Fields<'_>) -> Result<Value, Fault> {
    let request = asked.integer("requestId")?;
    asked.object("firmware")?.text("location")?;
    let steps = ["Downloading", "Downloaded", "SignatureVerified", "Installing", "Installed"]
        .map(|status| json!({ "status": status, "requestId": request }));
    let canceled = station.drop_chores("SignedFirmwareStatusNotification");
    station.say_in_steps(now, "SignedFirmwareStatusNotification", steps.to_vec());
    Ok(json!({ "status": if canceled { "AcceptedCanceled" } else { "Accepted" } }))
}

impl Station {
    /// A configured value as text.
    pub(in crate::station) fn read_setting(&mut self, row: &device_model::Row) -> Option<String> {
        let mut settings = std::mem::take(&mut self.settings);
        let text = row.read(&mut settings, self.hardware());
        self.settings = settings;
        text
    }

    /// Takes a configured value and lets it count at once.
    pub(in crate::station) fn write_setting(
        &mut self,
        now: Moment,
        row: &device_model::Row,
        text: &str,
    ) -> Written {
        let before = (self.settings.heartbeat_s, self.settings.meter_interval_s);
        let written = row.write(&mut self.settings, text);
        if written == Written::AcceptedReconnect && self.registration != Registration::Unknown {
            self.reconnect();
        }
        if self.settings.heartbeat_s != before.0 {
            self.restart_heartbeats(now);
        }
        if self.settings.meter_interval_s != before.1 {
            self.restart_readings(now);
        }
        written
    }
}
