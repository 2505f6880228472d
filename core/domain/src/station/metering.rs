//! Readings that belong to no transaction, so far as the station says: clock-aligned ones between sessions, and those of stations that
//! leave the transaction's id out (OCPP 1.6 4.7).
//!
//! They are answered, recorded as frames, and price nothing. Not yet: kept as facts beside the transaction they fall into
//! (reliability F30).

use super::StationState;
use crate::outcome::{Effect, Oddity, Outcome};
use crate::reply::StationReply;
use crate::report::MeteringReport;

impl StationState {
    /// A reading at an EVSE where a transaction goes on is counted: its station may well mean that transaction.
    pub(super) fn on_metering(&self, report: &MeteringReport) -> Outcome {
        let outcome = Outcome::reply(StationReply::Received);
        if self.open.values().any(|open| open.evse == Some(report.evse)) {
            return outcome.effect(Effect::Count(Oddity::ReadingWithoutTransaction));
        }
        outcome
    }
}
