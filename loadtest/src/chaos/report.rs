//! What a chaos run came to: a row per round and a total, as a table for people and JSON for machines, with seed, machine and commit.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::process::Fate;
use crate::machine::Machine;
use crate::oracle::{Verdict, Violation};
use crate::tally::{Count, Tally};

/// Violations that are shown to people.
const SHOWN_MAX: usize = 20;

/// One round.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Round {
    /// From 1; 0 is the total.
    pub number: u32,
    /// What became of the node.
    pub node: Fate,
    /// What became of PostgreSQL, where the run has its own.
    pub postgres: Option<Fate>,
    /// Connections that went away under a station.
    pub connections_lost: u64,
    /// Why attempts to connect came to nothing, with how often.
    pub refusals: BTreeMap<String, u64>,
    /// CALLs whose connection went away before the answer.
    pub cut_off: u64,
    /// CALLs sent once more.
    pub repeated: u64,
    /// CALLs answered with a CALLERROR.
    pub refused: u64,
    /// CALLs without an answer in time.
    pub timed_out: u64,
    /// Billing messages given up.
    pub discarded: u64,
    /// Transactions started.
    pub started: u64,
    /// Transactions ended.
    pub ended: u64,
    /// From the end of the kills to the last station's leaving, ms.
    pub drain_ms: u64,
    /// From there to the verdict, ms.
    pub judged_ms: u64,
    /// The oracle's word: bills of all rounds so far, messages of this one.
    pub verdict: Verdict,
}

/// Everything about a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChaosReport {
    /// The plan's name.
    pub plan: String,
    /// Kills, drivers and meters were drawn from it.
    pub seed: u64,
    /// Arguments of the run.
    pub command: Vec<String>,
    /// Which store, and whether it was killed.
    pub store: String,
    /// Stations of the plan.
    pub stations: usize,
    /// When it began, RFC 3339.
    pub started_at: String,
    /// How long it took, ms.
    pub duration_ms: u64,
    /// The machine and the commit.
    pub machine: Machine,
    /// The rounds.
    pub rounds: Vec<Round>,
    /// The oracle's last word, about everything.
    pub last: Verdict,
}

// === impl Round ===

impl Round {
    pub(super) fn new(
        number: u32,
        tally: &Tally,
        (node, postgres): (Fate, Option<Fate>),
        (drain_ms, judged_ms): (u64, u64),
        verdict: Verdict,
    ) -> Self {
        Self {
            number,
            node,
            postgres,
            connections_lost: tally.of(Count::ConnectionLost),
            refusals: tally.refusals(),
            cut_off: tally.of(Count::CutOff),
            repeated: tally.of(Count::Repeated),
            refused: tally.of(Count::Refused),
            timed_out: tally.of(Count::TimedOut),
            discarded: tally.of(Count::Discarded),
            started: tally.of(Count::SessionStarted),
            ended: tally.of(Count::SessionEnded),
            drain_ms,
            judged_ms,
            verdict,
        }
    }

    /// The round in a line, for whoever watches.
    pub(super) fn line(&self) -> String {
        format!(
            "round {}: {} kills of the node, {} of the store, {} transactions ended, {} messages acknowledged, {} violations",
            self.number,
            self.node.kills(),
            self.postgres.as_ref().map_or(0, Fate::kills),
            self.ended,
            self.verdict.messages,
            self.verdict.violations_count
        )
    }

    fn add(&mut self, other: &Self) {
        self.node.add(&other.node);
        if let Some(fate) = &other.postgres {
            self.postgres.get_or_insert_default().add(fate);
        }
        self.connections_lost += other.connections_lost;
        for (reason, count) in &other.refusals {
            *self.refusals.entry(reason.clone()).or_default() += count;
        }
        self.cut_off += other.cut_off;
        self.repeated += other.repeated;
        self.refused += other.refused;
        self.timed_out += other.timed_out;
        self.discarded += other.discarded;
        self.started += other.started;
        self.ended += other.ended;
        self.drain_ms = self.drain_ms.max(other.drain_ms);
        self.judged_ms = self.judged_ms.max(other.judged_ms);
    }

    fn row(&self, to: &mut String) -> std::fmt::Result {
        let name = if self.number == 0 { "all".to_owned() } else { self.number.to_string() };
        let postgres = self.postgres.as_ref();
        let cells = [
            u64::from(self.node.kills()),
            self.node.ready_ms_max,
            u64::from(postgres.map_or(0, Fate::kills)),
            postgres.map_or(0, |fate| fate.ready_ms_max),
            self.ended,
            wide(self.verdict.messages),
            self.cut_off,
            self.repeated,
            self.timed_out,
            self.discarded,
            wide(self.verdict.cdrs),
            wide(self.verdict.credits),
            self.verdict.true_wh,
            u64::try_from(self.verdict.billed_wh).unwrap_or(0),
            self.drain_ms,
            wide(self.verdict.violations_count),
        ];
        write!(to, "{name:>5}")?;
        for (cell, (_, width)) in cells.iter().zip(COLUMNS) {
            write!(to, "{cell:>width$}")?;
        }
        writeln!(to)
    }
}

/// Titles and widths of the table.
const COLUMNS: [(&str, usize); 16] = [
    ("kills", 6),
    ("ready ms", 9),
    ("db kills", 9),
    ("ready ms", 9),
    ("ended", 7),
    ("acked", 8),
    ("cut off", 8),
    ("repeated", 9),
    ("late", 5),
    ("given up", 9),
    ("CDRs", 7),
    ("credits", 8),
    ("true Wh", 10),
    ("billed Wh", 10),
    ("drain ms", 9),
    ("wrong", 6),
];

// === impl ChaosReport ===

impl ChaosReport {
    /// All rounds in one; the verdict is the last one.
    #[must_use]
    pub fn total(&self) -> Round {
        let mut total = Round { verdict: self.last.clone(), ..Round::default() };
        self.rounds.iter().for_each(|round| total.add(round));
        total
    }

    /// Violations in all; one that several verdicts name counts once, as far as they are known by name.
    #[must_use]
    pub fn violations_count(&self) -> usize {
        self.violations().len().max(self.last.violations_count)
    }

    /// The violations that are known by name, each once.
    #[must_use]
    pub fn violations(&self) -> Vec<&Violation> {
        let mut known: Vec<&Violation> = Vec::new();
        let verdicts = self.rounds.iter().map(|round| &round.verdict).chain([&self.last]);
        for violation in verdicts.flat_map(|verdict| &verdict.violations) {
            if !known.contains(&violation) {
                known.push(violation);
            }
        }
        known
    }

    /// Why the run proves nothing, if it does not: a fault that never happened, or nothing to lose.
    #[must_use]
    pub fn proves_nothing(&self) -> Option<&'static str> {
        let total = self.total();
        if total.node.kills == 0 {
            return Some("the node was never killed while it was ready");
        }
        if total.postgres.as_ref().is_some_and(|fate| fate.kills == 0) {
            return Some("PostgreSQL was never killed while it was ready");
        }
        if total.connections_lost == 0 {
            return Some("no station lost its connection");
        }
        (total.verdict.ended == 0).then_some("no transaction ended")
    }

    /// The report as people read it.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        if self.write(&mut text).is_err() {
            text.push_str("(cut short)\n");
        }
        text
    }

    fn write(&self, to: &mut String) -> std::fmt::Result {
        let machine = &self.machine;
        writeln!(
            to,
            "chaos         {} (seed {}) on {}, {} stations, {} s",
            self.plan,
            self.seed,
            self.store,
            self.stations,
            self.duration_ms / 1_000
        )?;
        writeln!(
            to,
            "machine       {} cores, {}, {} MiB, Linux {}, commit {}",
            machine.cores, machine.cpu, machine.memory_mib, machine.kernel, machine.commit
        )?;
        write!(to, "{:>5}", "round")?;
        for (title, width) in COLUMNS {
            write!(to, "{title:>width$}")?;
        }
        writeln!(to)?;
        for round in self.rounds.iter().chain([&self.total()]) {
            round.row(to)?;
        }
        let violations = self.violations();
        for violation in violations.iter().take(SHOWN_MAX) {
            writeln!(to, "violation     {violation}")?;
        }
        if violations.len() > SHOWN_MAX {
            writeln!(to, "violation     and {} more, see the JSON", violations.len() - SHOWN_MAX)?;
        }
        if let Some(why) = self.proves_nothing() {
            writeln!(to, "proves nothing: {why}")?;
        }
        Ok(())
    }
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(kills: u32, connections_lost: u64, ended: usize) -> ChaosReport {
        let node = Fate { kills, ..Fate::default() };
        let round = Round { number: 1, node, connections_lost, ..Round::default() };
        let last = Verdict { ended, ..Verdict::default() };
        ChaosReport {
            plan: "money".to_owned(),
            seed: 7,
            command: Vec::new(),
            store: "sqlite".to_owned(),
            stations: 3,
            started_at: String::new(),
            duration_ms: 1_000,
            machine: Machine::look(),
            rounds: vec![round.clone(), Round { number: 2, ..round }],
            last,
        }
    }

    #[test]
    fn a_run_without_a_kill_or_an_end_proves_nothing() {
        assert!(report(1, 1, 1).proves_nothing().is_none());
        for empty in [report(0, 1, 1), report(1, 0, 1), report(1, 1, 0)] {
            assert!(empty.text().contains("proves nothing"));
        }
    }

    #[test]
    fn rounds_add_up_and_violations_are_named_once() {
        let mut report = report(2, 3, 4);
        report.last.accuse(Violation::Stuck { stations: 1 });
        if let Some(round) = report.rounds.first_mut() {
            round.verdict.accuse(Violation::Stuck { stations: 1 });
        }
        let total = report.total();
        assert_eq!((total.node.kills, total.connections_lost, total.verdict.ended), (4, 6, 4));
        assert_eq!((report.violations_count(), report.violations().len()), (1, 1));
        let text = report.text();
        assert!(text.contains("seed 7") && text.contains("1 stations did not leave"), "{text}");
    }
}
