//! Every command that was taken is on record, ended once and in time, and reached its station as often as its outcome says.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use serde_json::Value;

use super::operator::{Operator, text};
use super::{Verdict, Violation};
use crate::clock::Utc;

/// A command may end so long after its deadline (reliability.md, R3).
const LATE_MS: i64 = 5_000;

/// What is known of a command from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCommand {
    /// Its id, which is its message id on the wire.
    pub id: String,
    /// To whom.
    pub station: String,
    /// How it ended, if it has.
    pub outcome: Option<String>,
    /// By when it must have ended, UTC milliseconds.
    pub deadline_at_ms: i64,
    /// When it ended.
    pub ended_at_ms: Option<i64>,
}

// === impl StoredCommand ===

impl StoredCommand {
    fn read(item: &Value) -> anyhow::Result<Self> {
        let at = |field| {
            let stamp = text(item, field)?;
            anyhow::Ok(Utc::read(stamp).with_context(|| format!("no instant: {stamp}"))?.0)
        };
        let outcome = item.get("outcome").and_then(Value::as_str).map(str::to_owned);
        Ok(Self {
            id: text(item, "id")?.to_owned(),
            station: text(item, "charging_station_id")?.to_owned(),
            ended_at_ms: outcome.is_some().then(|| at("ended_at")).transpose()?,
            outcome,
            deadline_at_ms: at("deadline_at")?,
        })
    }

    /// How much later than its deadline it ended; 0 where it was in time.
    #[must_use]
    pub fn late_ms(&self) -> i64 {
        self.ended_at_ms.map_or(0, |ended| (ended - self.deadline_at_ms).max(0))
    }
}

/// How often a command that ended so may have arrived (reliability.md 7.3); `None`: no such outcome.
fn calls_of(outcome: &str) -> Option<std::ops::RangeInclusive<u32>> {
    match outcome {
        "accepted" | "rejected" | "call_error" => Some(1..=1),
        "timeout_unknown" | "node_unreachable_unknown" => Some(0..=1),
        "offline"
        | "superseded"
        | "station_busy"
        | "not_sent_deadline"
        | "node_unreachable_not_sent"
        | "not_supported"
        | "draining" => Some(0..=0),
        _ => None,
    }
}

/// All commands on record.
///
/// # Errors
/// The API does not answer, or answers what cannot be read.
pub async fn read_all(operator: &Operator) -> anyhow::Result<Vec<StoredCommand>> {
    let items = operator.list("/api/v1/commands").await?;
    items.iter().map(StoredCommand::read).collect()
}

/// Compares the commands on record with those that were `taken` by their ids, and with the CALLs that arrived.
pub fn compare(
    stored: &[StoredCommand],
    taken: &BTreeSet<String>,
    arrived: &BTreeMap<String, u32>,
    verdict: &mut Verdict,
) {
    verdict.commands = stored.len();
    let known: BTreeSet<&str> = stored.iter().map(|command| command.id.as_str()).collect();
    for id in taken.iter().filter(|id| !known.contains(id.as_str())) {
        verdict.accuse(Violation::CommandLost { id: id.clone() });
    }
    for command in stored {
        let (id, station) = (command.id.clone(), command.station.clone());
        let Some(outcome) = command.outcome.clone() else {
            verdict.accuse(Violation::CommandUnended { id, station });
            continue;
        };
        if command.late_ms() > LATE_MS {
            let late_ms = command.late_ms();
            verdict.accuse(Violation::CommandLate { id: id.clone(), station: station.clone(), late_ms });
        }
        let calls = arrived.get(&id).copied().unwrap_or_default();
        if !calls_of(&outcome).is_some_and(|allowed| allowed.contains(&calls)) {
            verdict.accuse(Violation::CallsUnlike { id, station, outcome, calls });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(outcome: Option<&str>, ended_at_ms: i64, arrived: u32) -> Vec<String> {
        let command = StoredCommand {
            id: "7".to_owned(),
            station: "CS-1".to_owned(),
            outcome: outcome.map(str::to_owned),
            deadline_at_ms: 10_000,
            ended_at_ms: outcome.map(|_| ended_at_ms),
        };
        let mut verdict = Verdict::default();
        let arrived = BTreeMap::from([("7".to_owned(), arrived)]);
        compare(&[command], &BTreeSet::from(["7".to_owned()]), &arrived, &mut verdict);
        verdict.violations.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_outcome_says_how_often_a_command_arrived() {
        for (outcome, allowed) in [
            ("accepted", [false, true, false]),
            ("call_error", [false, true, false]),
            ("offline", [true, false, false]),
            ("node_unreachable_not_sent", [true, false, false]),
            ("timeout_unknown", [true, true, false]),
            ("made_up", [false, false, false]),
        ] {
            for (arrived, allowed) in (0..).zip(allowed) {
                let violations = found(Some(outcome), 9_000, arrived);
                assert_eq!(violations.is_empty(), allowed, "{outcome} {arrived}: {violations:?}");
            }
        }
    }

    #[test]
    fn a_command_ends_in_time_or_is_told() {
        assert_eq!(found(None, 0, 0), ["command 7 to CS-1 has no end"]);
        assert!(found(Some("offline"), 15_000, 0).is_empty());
        assert_eq!(found(Some("offline"), 15_001, 0), ["command 7 to CS-1 ended 5001 ms after its deadline"]);
        let mut verdict = Verdict::default();
        compare(&[], &BTreeSet::from(["8".to_owned()]), &BTreeMap::new(), &mut verdict);
        assert_eq!(verdict.violations, [Violation::CommandLost { id: "8".to_owned() }]);
    }
}
