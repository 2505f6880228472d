//! The judge of a chaos run: what was acknowledged is stored, what ended is billed once, and every watt-hour is there.
//!
//! It knows the truth from the stations' side ([`crate::witness`]) and asks the operator API only (`operator`); `acks` compares messages
//! with stored ones, `energy` transactions with bills, [`commands`] orders with what arrived, [`grants`] what stations draw with the limits of
//! their sites. It never looks into a store, and never forgives: what it cannot read is
//! an error, not a pass. The planted bugs of its own tests show that it can see.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::ensure;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};

use crate::witness::{Name, Told};

pub mod commands;
pub mod grants;
pub mod operator;
pub mod price;

pub(crate) mod http;

mod acks;
mod energy;

use operator::Operator;

/// Violations that are kept; more are counted.
const VIOLATIONS_MAX: usize = 200;
/// Transactions asked about at the same time.
const ASKED_AT_ONCE: usize = 8;

/// Something that must never happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "violation", rename_all = "snake_case")]
pub enum Violation {
    /// A message was acknowledged and is not stored.
    #[error("{name}: acknowledged and not stored: {message}")]
    Lost {
        /// Of which transaction.
        name: Name,
        /// What was acknowledged.
        message: String,
    },
    /// A message is stored as something else than what was acknowledged.
    #[error("{name}: acknowledged {message}, stored {stored}")]
    Altered {
        /// Of which transaction.
        name: Name,
        /// What was acknowledged.
        message: String,
        /// What is stored.
        stored: String,
    },
    /// A transaction ended, its end was acknowledged, and its session is not closed.
    #[error("{name}: ended and still {status}")]
    NotClosed {
        /// Which transaction.
        name: Name,
        /// What the session is instead.
        status: String,
    },
    /// A transaction ended and there is no bill record for it.
    #[error("{name}: ended with {true_wh} Wh and not billed")]
    NotBilled {
        /// Which transaction.
        name: Name,
        /// What it truly took.
        true_wh: u64,
    },
    /// There is more than one bill record for a transaction, credits and what they take back not counted.
    #[error("{name}: billed {records} times")]
    BilledTwice {
        /// Which transaction.
        name: Name,
        /// How many records stand.
        records: usize,
    },
    /// The bill says another energy than what flowed.
    #[error("{name}: took {true_wh} Wh and is billed {billed_wh} Wh")]
    WrongEnergy {
        /// Which transaction.
        name: Name,
        /// What it truly took.
        true_wh: u64,
        /// What the bill says.
        billed_wh: i64,
    },
    /// The bill asks for another amount than its energy costs, or what is billed and credited for a transaction is not that amount.
    #[error(
        "{name}: {billed_wh} Wh cost {true_cents} cents, the bill says {billed_cents}, all records together {sum_cents}"
    )]
    WrongCost {
        /// Which transaction.
        name: Name,
        /// The energy of the bill.
        billed_wh: i64,
        /// What it costs.
        true_cents: i64,
        /// What the bill that stands says.
        billed_cents: i64,
        /// What bills and credits make together.
        sum_cents: i64,
    },
    /// There is a transaction or a bill that no station knows of.
    #[error("{name}: {what}, and no station knows it")]
    Invented {
        /// Which transaction.
        name: Name,
        /// A transaction, or a bill record.
        what: String,
    },
    /// A station gave up a billing message.
    #[error("{station}: gave up a {action}")]
    Discarded {
        /// Which station.
        station: String,
        /// Which message.
        action: String,
    },
    /// The end of a transaction was not acknowledged although the stations had time for it.
    #[error("{station}: the end of a transaction of {energy_wh} Wh at EVSE {evse} was never acknowledged")]
    Undelivered {
        /// Which station.
        station: String,
        /// Where.
        evse: u32,
        /// What it truly took.
        energy_wh: u64,
    },
    /// A station did not leave in time and took with it what it knew.
    #[error("{stations} stations did not leave in time")]
    Stuck {
        /// How many.
        stations: usize,
    },
    /// A command was taken and is not on record.
    #[error("command {id}: taken and not on record")]
    CommandLost {
        /// Its id.
        id: String,
    },
    /// A command has not ended, although its deadline is long over.
    #[error("command {id} to {station} has no end")]
    CommandUnended {
        /// Its id.
        id: String,
        /// To whom.
        station: String,
    },
    /// A command ended too long after its deadline.
    #[error("command {id} to {station} ended {late_ms} ms after its deadline")]
    CommandLate {
        /// Its id.
        id: String,
        /// To whom.
        station: String,
        /// How late.
        late_ms: i64,
    },
    /// A command reached its station more or less often than its outcome says (R4).
    #[error("command {id} to {station} ended as {outcome} and arrived {calls} times")]
    CallsUnlike {
        /// Its id.
        id: String,
        /// To whom.
        station: String,
        /// How it ended.
        outcome: String,
        /// How often it arrived.
        calls: u32,
    },
    /// A station has a living socket, no fault went on, and a command given to a node did not reach it (R5).
    #[error("{station} is connected, and a command through {node} ended as {outcome}")]
    Unreached {
        /// Which station.
        station: String,
        /// Through which node.
        node: String,
        /// How the last attempt ended.
        outcome: String,
    },
    /// Of two sockets of one station the wrong one stayed, or the one that stayed was not reached.
    #[error("second socket, {kind}: {what}")]
    Takeover {
        /// Which row of the table.
        kind: String,
        /// What was wrong.
        what: String,
    },
    /// What stations of a site drew, or were allowed, was more than a circuit may carry (L1).
    #[error(
        "{circuit}: {what} {highest_ma} mA on a line instead of {limit_ma} mA, {after_ms} ms after it was first judged, for {lasted_ms} ms"
    )]
    OverLimit {
        /// Which circuit.
        circuit: String,
        /// Drawn or allowed.
        what: String,
        /// The highest sum of a line, rounded up.
        highest_ma: u64,
        /// The limit.
        limit_ma: u64,
        /// When.
        after_ms: u64,
        /// How long.
        lasted_ms: u64,
    },
    /// A node ended, and nobody had asked it to.
    #[error("{process}: ended by itself {times} times, {failed_starts} starts came to nothing")]
    EndedByItself {
        /// Which process.
        process: String,
        /// How often beyond what it was asked.
        times: u32,
        /// Starts that failed.
        failed_starts: u32,
    },
    /// A figure that does not depend on the machine is not what it must be.
    #[error("{what}: {measured} instead of {target}")]
    Missed {
        /// What was measured.
        what: String,
        /// What it came to.
        measured: String,
        /// What it must be.
        target: String,
    },
    /// A process under test panicked, or the run saw something else in its log that must not be there.
    #[error("log of {process}: {line}")]
    Panicked {
        /// Which process.
        process: String,
        /// What it wrote.
        line: String,
    },
}

/// What was looked at, and what was wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Acknowledged messages that were looked for.
    pub messages: usize,
    /// Transactions whose stored messages were read.
    pub transactions: usize,
    /// Transactions that ended.
    pub ended: usize,
    /// Bill records of all kinds.
    pub cdrs: usize,
    /// Bill records that take another one back.
    pub credits: usize,
    /// Energy of all ended transactions by their stations' meters, Wh.
    pub true_wh: u64,
    /// Energy of all bill records that stand, Wh.
    pub billed_wh: i64,
    /// What bills and credits ask for together, in cents; 0 where nothing was priced.
    pub billed_cents: i64,
    /// Commands on record, where they were looked at.
    pub commands: usize,
    /// Violations in all.
    pub violations_count: usize,
    /// The first of them.
    pub violations: Vec<Violation>,
}

// === impl Verdict ===

impl Verdict {
    /// Nothing was wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.violations_count == 0
    }

    /// Adds a violation; beyond the bound it is only counted.
    pub fn accuse(&mut self, violation: Violation) {
        self.violations_count += 1;
        if self.violations.len() < VIOLATIONS_MAX {
            self.violations.push(violation);
        }
    }
}

/// Compares all bills, and the stored messages of every transaction but those of `skip`, with what stations know.
///
/// The system must be at rest: every queue drained, nothing running.
///
/// # Errors
/// The API did not answer, or answered something that cannot be read; or more was acknowledged than could be remembered.
pub async fn judge(operator: &Operator, told: &Told, skip: &BTreeSet<Name>) -> anyhow::Result<Verdict> {
    ensure!(!told.overflowed, "more messages were acknowledged than a run can remember");
    let mut verdict = Verdict::default();
    for discard in &told.discards {
        verdict.accuse(Violation::Discarded {
            station: discard.station.clone(),
            action: discard.action.to_owned(),
        });
    }
    for record in &told.undelivered {
        verdict.accuse(Violation::Undelivered {
            station: record.station.clone(),
            evse: record.evse,
            energy_wh: record.energy_wh,
        });
    }
    let asked: Vec<_> = told.accounts.iter().filter(|(name, _)| !skip.contains(name)).collect();
    let answers = stream::iter(&asked).map(|(name, _)| async move {
        let facts = operator.facts(name).await?;
        anyhow::Ok(facts.unwrap_or_default())
    });
    let facts: Vec<_> = answers.buffered(ASKED_AT_ONCE).try_collect().await?;
    for ((name, account), stored) in asked.iter().zip(&facts) {
        verdict.transactions += 1;
        verdict.messages += account.messages.len();
        acks::compare(name, account, stored).into_iter().for_each(|violation| verdict.accuse(violation));
    }
    let (transactions, cdrs) = (operator.transactions().await?, operator.cdrs().await?);
    energy::compare(&told.accounts, &transactions, &cdrs, operator.price(), &mut verdict);
    Ok(verdict)
}

/// Values by the transaction they belong to.
fn by_name<T>(values: &[T], name: impl Fn(&T) -> &Name) -> BTreeMap<&Name, Vec<&T>> {
    let mut grouped: BTreeMap<&Name, Vec<&T>> = BTreeMap::new();
    for value in values {
        grouped.entry(name(value)).or_default().push(value);
    }
    grouped
}
