//! What a run remembers of every billing message that was acknowledged, and of every transaction as it truly was.
//!
//! Stations tell it, the `oracle` asks it. It knows nothing of what a CSMS has stored: that is what it is compared with.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Notify;

use crate::clock::Utc;
use crate::draws::Draws;
use crate::links::Links;
use crate::tally::SessionRecord;

/// Messages remembered in one run; more of them and the run proves nothing, so the oracle refuses to judge.
const MESSAGES_MAX: usize = 5_000_000;
/// Bytes of the payload's SHA-256 that are kept.
const HASH_LEN: usize = 8;

/// Where in a transaction a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It began.
    Started,
    /// It goes on.
    Updated,
    /// It is over.
    Ended,
}

/// One acknowledged billing message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Acknowledged {
    /// Its action.
    pub action: &'static str,
    /// What it said of the transaction.
    pub phase: Phase,
    /// `seqNo` (2.x); 1.6 has none, its messages are known by their content.
    pub seq_no: Option<u64>,
    /// The station's time, UTC milliseconds.
    pub observed_at_ms: i64,
    /// The energy register it carried, Wh.
    pub register_wh: Option<u64>,
    /// The first 16 hex digits of the payload's SHA-256.
    pub hash: String,
}

/// A transaction as its station knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// What was acknowledged, in the order of the answers.
    pub messages: Vec<Acknowledged>,
    /// The truth, once it has ended and its last message was answered or given up.
    pub truth: Option<SessionRecord>,
}

/// The name of a transaction: its station, and its id there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Name {
    /// OCPP identity.
    pub station: String,
    /// As the station and the CSMS know it.
    pub transaction: String,
}

/// A billing message a station gave up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Discard {
    /// OCPP identity.
    pub station: String,
    /// Its action.
    pub action: &'static str,
}

/// Remembers; shared by all stations of a run.
#[derive(Debug, Default)]
pub struct Witness {
    told: Mutex<Told>,
    sending: Notify,
    links: Links,
    draws: Draws,
}

/// Everything a [`Witness`] was told so far.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// By name.
    pub accounts: BTreeMap<Name, Account>,
    /// Messages given up.
    pub discards: Vec<Discard>,
    /// Ended transactions whose end was never answered, or that have no id for want of an answer.
    pub undelivered: Vec<SessionRecord>,
    /// Messages remembered in all.
    pub messages: usize,
    /// There were more than can be remembered.
    pub overflowed: bool,
}

// === impl Name ===

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} transaction {}", self.station, self.transaction)
    }
}

// === impl Acknowledged ===

impl Acknowledged {
    /// Reads the message of a transaction; with it the transaction's id where the payload has one.
    fn read(action: &'static str, payload: &Value) -> Option<(Option<String>, Self)> {
        let text = |pointer: &str| payload.pointer(pointer).and_then(Value::as_str);
        let number = |pointer: &str| payload.pointer(pointer).and_then(Value::as_u64);
        let numbered = || payload.get("transactionId").and_then(Value::as_i64).map(|id| id.to_string());
        let (transaction, phase, at, register_wh) = match action {
            "StartTransaction" => (None, Phase::Started, text("/timestamp")?, number("/meterStart")),
            "StopTransaction" => (numbered(), Phase::Ended, text("/timestamp")?, number("/meterStop")),
            "MeterValues" => {
                (numbered(), Phase::Updated, text("/meterValue/0/timestamp")?, register(payload))
            }
            "TransactionEvent" => {
                let id = text("/transactionInfo/transactionId")?.to_owned();
                let phase = match text("/eventType")? {
                    "Started" => Phase::Started,
                    "Ended" => Phase::Ended,
                    _ => Phase::Updated,
                };
                (Some(id), phase, text("/timestamp")?, register(payload))
            }
            _ => return None,
        };
        let digest = digest::digest(&digest::SHA256, payload.to_string().as_bytes());
        let hash = hex::encode(digest.as_ref().get(..HASH_LEN).unwrap_or_default());
        let (seq_no, observed_at_ms) = (number("/seqNo"), Utc::read(at)?.0);
        Some((transaction, Self { action, phase, seq_no, observed_at_ms, register_wh, hash }))
    }
}

impl std::fmt::Display for Acknowledged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}", self.action, self.phase)?;
        if let Some(seq_no) = self.seq_no {
            write!(f, " seqNo {seq_no}")?;
        }
        write!(f, " of {}", Utc(self.observed_at_ms).stamp())?;
        if let Some(register_wh) = self.register_wh {
            write!(f, " at {register_wh} Wh")?;
        }
        write!(f, " ({})", self.hash)
    }
}

// === impl Witness ===

impl Witness {
    /// Who was connected when, and which commands arrived.
    pub fn links(&self) -> &Links {
        &self.links
    }

    /// What stations of sites with a limit drew.
    pub fn draws(&self) -> &Draws {
        &self.draws
    }

    /// A message of a transaction was answered with a CALLRESULT.
    pub(crate) fn acknowledged(&self, station: &str, action: &'static str, payload: &Value, answer: &Value) {
        let Some((transaction, message)) = Acknowledged::read(action, payload) else { return };
        // 1.6: the number of a transaction is in the answer to its start.
        let told = || answer.get("transactionId").and_then(Value::as_i64).map(|id| id.to_string());
        let Some(transaction) = transaction.or_else(told) else { return };
        let mut state = self.lock();
        if state.messages >= MESSAGES_MAX {
            state.overflowed = true;
            return;
        }
        state.messages += 1;
        let name = Name { station: station.to_owned(), transaction };
        state.accounts.entry(name).or_default().messages.push(message);
    }

    /// The last message of a transaction was answered, given up or abandoned: its truth is final.
    pub(crate) fn settled(&self, record: &SessionRecord) {
        let mut state = self.lock();
        let (Some(transaction), true) = (&record.transaction_id, record.acknowledged) else {
            state.undelivered.push(record.clone());
            return;
        };
        let name = Name { station: record.station.clone(), transaction: transaction.clone() };
        state.accounts.entry(name).or_default().truth = Some(record.clone());
    }

    /// A message was given up after its last attempt, or for want of room.
    pub(crate) fn discarded(&self, station: &str, action: &'static str) {
        self.lock().discards.push(Discard { station: station.to_owned(), action });
    }

    /// A billing message goes out.
    pub(crate) fn sending(&self) {
        self.sending.notify_waiters();
    }

    /// The next billing message of any station goes out: the moment in which a kill is of most interest.
    pub(crate) async fn next_message(&self) {
        self.sending.notified().await;
    }

    /// Everything so far.
    #[must_use]
    pub fn told(&self) -> Told {
        self.lock().clone()
    }

    /// A panic of one station must not end the memory of all.
    fn lock(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The energy register of the first reading, Wh; a number in 2.x, a text in 1.6.
fn register(payload: &Value) -> Option<u64> {
    let samples = payload.pointer("/meterValue/0/sampledValue")?.as_array()?;
    let energy = samples.iter().find(|sample| {
        sample.get("measurand").and_then(Value::as_str) == Some("Energy.Active.Import.Register")
    })?;
    let value = energy.get("value")?;
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn name(transaction: &str) -> Name {
        Name { station: "CS-1".to_owned(), transaction: transaction.to_owned() }
    }

    #[test]
    fn messages_are_kept_under_the_transaction_the_csms_knows() {
        let witness = Witness::default();
        let at = "2026-03-01T08:00:00.000Z";
        let start = json!({ "connectorId": 1, "idTag": "A", "meterStart": 100, "timestamp": at });
        let answer = json!({ "transactionId": 7, "idTagInfo": { "status": "Accepted" } });
        witness.acknowledged("CS-1", "StartTransaction", &start, &answer);
        let sample = json!({ "measurand": "Energy.Active.Import.Register", "value": "130" });
        let reading =
            json!({ "transactionId": 7, "meterValue": [{ "timestamp": at, "sampledValue": [sample] }] });
        witness.acknowledged("CS-1", "MeterValues", &reading, &json!({}));
        let event = json!({
            "eventType": "Ended", "seqNo": 4, "timestamp": at, "transactionInfo": { "transactionId": "T" },
        });
        witness.acknowledged("CS-1", "TransactionEvent", &event, &json!({}));
        let told = witness.told();
        let first = told.accounts.get(&name("7")).unwrap();
        let registers: Vec<_> = first.messages.iter().map(|message| message.register_wh).collect();
        assert_eq!(registers, [Some(100), Some(130)]);
        let ended = told.accounts.get(&name("T")).unwrap().messages.first().unwrap();
        assert_eq!((ended.phase, ended.seq_no, ended.hash.len()), (Phase::Ended, Some(4), 16));
        assert_eq!(told.messages, 3);
    }
}
