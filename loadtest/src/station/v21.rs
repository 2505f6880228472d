//! What only OCPP 2.1 knows: the rest is 2.0.1, in `v2`.
//!
//! Dynamic profiles, a reset that keeps transactions, a repeat with the id of the first attempt (in `rpc`).

use serde_json::{Value, json};

use crate::frame::{Fault, FaultCode};
use crate::payload::Fields;
use crate::station::Station;
use crate::station::v2::commands::accepted_or;

/// Trigger reason of the first event after a restart that kept the transaction.
pub(super) const TX_RESUMED: &str = "TxResumed";
/// The reset that keeps transactions.
pub(super) const RESUME: &str = "ImmediateAndResume";

/// Commands that came with 2.1.
const COMMANDS: [&str; 15] = [
    "AFRRSignal",
    "AdjustPeriodicEventStream",
    "ChangeTransactionTariff",
    "ClearDERControl",
    "ClearTariffs",
    "GetDERControl",
    "GetPeriodicEventStream",
    "GetTariffs",
    "NotifyAllowedEnergyTransfer",
    "NotifyWebPaymentStarted",
    "RequestBatterySwap",
    "SetDERControl",
    "SetDefaultTariff",
    "UpdateDynamicSchedule",
    "UsePriorityCharging",
];

/// Whether a command came with 2.1.
pub(super) fn knows(action: &str) -> bool {
    COMMANDS.contains(&action)
}

/// Obeys a command of 2.1.
pub(super) fn obey(station: &mut Station, action: &str, asked: Fields<'_>) -> Result<Value, Fault> {
    match action {
        "UpdateDynamicSchedule" => {
            let id = asked.integer("chargingProfileId")?;
            let limit = asked.object("scheduleUpdate")?.maybe_thousandths("limit")?;
            let Some(limit) = limit else { return Ok(accepted_or(false, "UnsupportedParam")) };
            Ok(accepted_or(station.profiles.update_dynamic(id, limit), "NotFound"))
        }
        "UsePriorityCharging" => {
            asked.text("transactionId")?;
            Ok(json!({ "status": "NoProfile" }))
        }
        _ => Err(Fault::new(FaultCode::NotSupported, format!("{action} is not simulated"))),
    }
}
