//! What the CSMS answers in 2.x, and what it means to the station.

use serde_json::Value;

use crate::frame::Fault;
use crate::payload::Fields;
use crate::rpc::Purpose;
use crate::station::Station;
use crate::station::registration::BootAnswer;
use crate::unit::Moment;

/// Reads an answer. One that cannot be understood counts as none of use.
pub(in crate::station) fn read(station: &mut Station, now: Moment, purpose: Purpose, payload: &Value) {
    if understand(station, now, purpose, Fields::of(payload)).is_err() {
        station.count_unread_answer();
    }
}

fn understand(station: &mut Station, now: Moment, purpose: Purpose, answer: Fields<'_>) -> Result<(), Fault> {
    match purpose {
        Purpose::Boot => {
            let kind = match answer.text("status")? {
                "Accepted" => BootAnswer::Accepted,
                "Pending" => BootAnswer::Pending,
                _ => BootAnswer::Rejected,
            };
            let interval_s = answer.integer("interval")?;
            station.boot_answered(now, kind, u32::try_from(interval_s).unwrap_or(0));
        }
        Purpose::Authorize { evse } => {
            let accepted = answer.object("idTokenInfo")?.text("status")? == "Accepted";
            station.authorization_answered(now, evse, accepted);
        }
        // Any event that carried a token may be answered with what became of it (E05).
        Purpose::Started { evse, serial } | Purpose::Updated { evse, serial, .. } => {
            let refused = match answer.maybe_object("idTokenInfo")? {
                Some(told) => told.text("status")? != "Accepted",
                None => false,
            };
            if refused {
                station.deauthorized(now, evse, serial);
            }
        }
        Purpose::Ended { serial, record } => station.ended_answered(serial, *record),
        Purpose::Heartbeat | Purpose::Status | Purpose::Notice => {}
    }
    Ok(())
}
