//! What the central system answers in 1.6, and what it means to the charge point.

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
            let accepted = is_accepted(answer)?;
            station.authorization_answered(now, evse, accepted);
        }
        Purpose::Started { evse, serial } => {
            let number = answer.integer("transactionId")?;
            station.numbers.push((serial, Some(number)));
            let running = station.evse_mut(evse).and_then(|place| place.transaction.as_mut());
            if let Some(transaction) = running.filter(|transaction| transaction.serial == serial) {
                transaction.id = number.to_string();
            }
            if !is_accepted(answer)? {
                station.deauthorized(now, evse, serial);
            }
        }
        Purpose::Ended { serial, record } => station.ended_answered(serial, *record),
        Purpose::Updated { .. } | Purpose::Heartbeat | Purpose::Status | Purpose::Notice => {}
    }
    Ok(())
}

fn is_accepted(answer: Fields<'_>) -> Result<bool, Fault> {
    Ok(answer.object("idTagInfo")?.text("status")? == "Accepted")
}
