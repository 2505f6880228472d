//! Readings that name no transaction: clock-aligned ones between sessions, and those of stations that leave the transaction's id out
//! (OCPP 1.6 4.7).
//!
//! Where a dialect has such stations, a reading belongs to the only transaction that goes on at its EVSE and began before it. It is kept
//! beside that transaction and prices nothing, unless the operator bills it (reliability F30). Others are answered and recorded as frames.

use super::StationState;
use super::transactions::{fact_of, plausible};
use crate::event::DomainEvent;
use crate::outcome::{Effect, Oddity, Outcome};
use crate::reply::StationReply;
use crate::report::{MessageKey, MeteringReport, TransactionRef, TransactionReport};
use crate::time::Timestamp;
use crate::transaction::TransactionFact;

impl StationState {
    /// A reading at an EVSE where a transaction goes on is counted: its station may well mean that transaction.
    pub(super) fn on_metering(&self, now: Timestamp, report: MeteringReport) -> Outcome {
        let outcome = Outcome::reply(StationReply::Received);
        let here: Vec<_> = self.open.values().filter(|open| open.evse == Some(report.evse)).collect();
        if here.is_empty() {
            return outcome;
        }
        let outcome = outcome.effect(Effect::Count(Oddity::ReadingWithoutTransaction));
        let MeteringReport { evse: _, samples, key: Some(key) } = report else { return outcome };
        let first_at = samples.iter().map(|sample| sample.observed_at).min();
        match (here.as_slice(), first_at) {
            ([open], Some(first_at)) if plausible(now, first_at).unwrap_or(now) >= open.since => {
                let aside = !self.policy.bill_unnamed_readings;
                let key = if aside { beside(key) } else { key };
                let place = (open.evse, open.connector);
                let last_at = samples.iter().map(|sample| sample.observed_at).max().unwrap_or(now);
                let meant = TransactionRef::Known(open.transaction.clone());
                let reading = TransactionReport::of_readings(meant, key, place, last_at, samples);
                let (fact, _) = fact_of(now, reading, open.transaction.clone(), None, None);
                outcome.event(DomainEvent::Transaction(TransactionFact { adopted: true, aside, ..fact }))
            }
            _ => outcome,
        }
    }
}

/// A key of its own: the same reading, sent with its transaction's number, is billed all the same.
fn beside(key: MessageKey) -> MessageKey {
    match key {
        MessageKey::Meter { first_at, content } => MessageKey::Meter { first_at, content: !content },
        MessageKey::Sequence(_) | MessageKey::Start | MessageKey::Stop | MessageKey::Ruling { .. } => key,
    }
}
