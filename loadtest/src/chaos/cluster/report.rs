//! What the cases came to: each figure beside its target, for people, as JSON, and as the page of the documentation.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::cases::{Case, TABLE};
use super::simulations::{self, Simulation};
use crate::machine::Machine;
use crate::oracle::{Verdict, Violation};

/// The first of the figures that every case has: what all of them must hold.
pub(super) const FIRST_OF_ALL: &str =
    "connections that nodes count, and routes in Redis, after all have left";
/// What a verdict does not say.
const CAVEAT: &str = "Sizes are smaller than those the targets were set for (5,000 stations, kills for 10 minutes, 60 s of silence, 10 minutes \
    without PostgreSQL, 1,000 second and 500 silent sockets, 200 slow consumers, a flood of 2,000, 500 queues): a verdict holds for the size in the section of its case. The oracle's part of a verdict is the same for all cases and stands in their sections.";

/// The row that the simulations fill.
const SIMULATIONS: &str = "C20";
/// Violations of one case that are shown to people.
const SHOWN_MAX: usize = 10;

/// One figure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// What was wanted; empty where it is only told.
    pub target: String,
    /// What it came to.
    pub measured: String,
    /// Whether that is good enough; `None` where it is only told.
    pub met: Option<bool>,
    /// It does not depend on the machine: missed, it is a violation.
    pub is_hard: bool,
}

/// What became of one case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseReport {
    /// Which.
    pub case: Case,
    /// Its size and its faults, in words.
    pub setting: String,
    /// Commit of the folder it was started in: a run that goes on where another one was broken off may have several.
    pub commit: String,
    /// How long it took, ms.
    pub duration_ms: u64,
    /// Connections that went away under a station.
    pub connections_lost: u64,
    /// Figures, the most important first.
    pub figures: Vec<Figure>,
    /// The oracle's word.
    pub verdict: Verdict,
}

/// A case that this machine cannot run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Which.
    pub case: Case,
    /// What is missing.
    pub why: String,
}

/// Everything about a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterReport {
    /// Everything random was drawn from it.
    pub seed: u64,
    /// Arguments that repeat it.
    pub command: Vec<String>,
    /// When it began, RFC 3339.
    pub started_at: String,
    /// The machine and the commit.
    pub machine: Machine,
    /// The cases, in the order they ran.
    pub cases: Vec<CaseReport>,
    /// What was asked for and could not be run here.
    pub skipped: Vec<Skipped>,
    /// What the simulations said, where they ran.
    pub simulations: Vec<Simulation>,
}

// === impl Figure ===

impl Figure {
    /// A figure with a target.
    pub(super) fn held(
        what: impl Into<String>,
        target: impl Into<String>,
        measured: impl Into<String>,
        met: bool,
    ) -> Self {
        let (what, target, measured) = (what.into(), target.into(), measured.into());
        Self { what, target, measured, met: Some(met), is_hard: false }
    }

    /// The same, of what no machine is too slow for.
    pub(super) fn must(
        what: impl Into<String>,
        target: impl Into<String>,
        measured: impl Into<String>,
        met: bool,
    ) -> Self {
        Self { is_hard: true, ..Self::held(what, target, measured, met) }
    }

    /// A figure without one.
    pub(super) fn told(what: impl Into<String>, measured: impl Into<String>) -> Self {
        let (what, measured) = (what.into(), measured.into());
        Self { what, target: String::new(), measured, met: None, is_hard: false }
    }

    /// What it accuses of, where it is hard and was missed.
    pub(super) fn violation(&self) -> Option<Violation> {
        let (what, measured, target) = (self.what.clone(), self.measured.clone(), self.target.clone());
        (self.is_hard && self.met == Some(false)).then_some(Violation::Missed { what, measured, target })
    }

    fn mark(&self) -> &'static str {
        match self.met {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "",
        }
    }
}

// === impl CaseReport ===

impl CaseReport {
    /// Nothing was violated. Missed figures are no violation: they depend on the machine.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.verdict.is_clean()
    }

    /// Why the case proves nothing, if it does not.
    #[must_use]
    pub fn proves_nothing(&self) -> Option<&'static str> {
        match (self.verdict.ended, self.verdict.commands) {
            (0, _) => Some("no transaction ended"),
            (_, 0) => Some("no command was given"),
            (_, _) => None,
        }
    }

    /// Figures that fall short of their targets.
    pub(super) fn missed(&self) -> usize {
        self.figures.iter().filter(|figure| figure.met == Some(false)).count()
    }

    fn word(&self) -> String {
        if let Some(why) = self.proves_nothing() {
            return format!("proves nothing: {why}");
        }
        match (self.is_clean(), self.missed()) {
            (false, _) => format!("**violated** ({} times)", self.verdict.violations_count),
            (true, 0) => "met at this size".to_owned(),
            (true, missed) => format!("{missed} missed"),
        }
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{}: {} ({} s)\n", self.case.id(), self.setting, self.duration_ms / 1_000);
        for figure in &self.figures {
            let line = format!(
                "  {:<58} {:<24} {:<28} {}",
                figure.what,
                figure.measured,
                figure.target,
                figure.mark()
            );
            text.push_str(line.trim_end());
            text.push('\n');
        }
        for violation in self.verdict.violations.iter().take(SHOWN_MAX) {
            text.push_str(&format!("  violation: {violation}\n"));
        }
        if self.verdict.violations_count > SHOWN_MAX {
            text.push_str(&format!("  and {} more\n", self.verdict.violations_count - SHOWN_MAX));
        }
        if let Some(why) = self.proves_nothing() {
            text.push_str(&format!("  proves nothing: {why}\n"));
        }
        text
    }
}

// === impl ClusterReport ===

impl ClusterReport {
    /// Violations of all cases, and of the simulations.
    #[must_use]
    pub fn violations_count(&self) -> usize {
        let simulated: u64 = self.simulations.iter().map(|one| one.broken).sum();
        let of_cases: usize = self.cases.iter().map(|case| case.verdict.violations_count).sum();
        of_cases.saturating_add(usize::try_from(simulated).unwrap_or(usize::MAX))
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("seed {}, {}\n", self.seed, self.machine.line());
        for case in &self.cases {
            text.push_str(&case.text());
        }
        for Skipped { case, why } in &self.skipped {
            text.push_str(&format!("SKIPPED {}: {why}\n", case.id()));
        }
        text
    }

    /// The page of the documentation: a row for every case of the table, and the figures of those that ran.
    #[must_use]
    pub fn page(&self) -> String {
        let mut page = String::from(
            "# Reliability\n\nWritten by `make cluster-chaos`; what it does and what its oracle asserts: [testing](TESTING.md#the-cluster-run).\n\n",
        );
        page.push_str(&format!(
            "Machine: {}; {} build. {}. Everything on this machine: nodes, PostgreSQL, Redis, stations, operators, oracle.\n\n```console\n$ ringmain-loadtest cluster-chaos {}\n```\n\n",
            self.machine.line(),
            // The nodes are built as this program is: by the same command.
            if cfg!(debug_assertions) { "debug" } else { "release" },
            self.started_at,
            self.command.join(" ")
        ));
        page.push_str(CAVEAT);
        page.push_str("\n\n");
        page.push_str("| id | fault and target | measured | verdict |\n|---|---|---|---|\n");
        for row in TABLE {
            let ran = self.cases.iter().find(|case| case.case.id() == row.id);
            let skipped = self.skipped.iter().find(|skipped| skipped.case.id() == row.id);
            let (measured, verdict) = match (ran, skipped) {
                (Some(case), _) => (case.headline(), case.word()),
                (None, Some(skipped)) => (format!("SKIPPED: {}", skipped.why), "–".to_owned()),
                (None, None) if row.id == SIMULATIONS && !self.simulations.is_empty() => {
                    simulations::told(&self.simulations)
                }
                (None, None) => (format!("not run: {}", row.not_run), "–".to_owned()),
            };
            page.push_str(&format!("| {} | {} | {measured} | {verdict} |\n", row.id, row.target));
        }
        for case in &self.cases {
            case.section(&self.machine.commit, &mut page);
        }
        page
    }
}

impl CaseReport {
    fn headline(&self) -> String {
        let own = self.figures.iter().take_while(|figure| figure.what != FIRST_OF_ALL);
        let held = own.filter(|figure| figure.met.is_some());
        let told: Vec<_> = held.map(|figure| format!("{}: {}", figure.what, figure.measured)).collect();
        if told.is_empty() { "what the oracle says, see below".to_owned() } else { told.join("; ") }
    }

    fn section(&self, commit: &str, page: &mut String) {
        page.push_str(&format!("\n## {}\n\n{}", self.case.id(), self.setting));
        if self.commit != commit {
            page.push_str(&format!("; at commit {}", self.commit));
        }
        page.push_str(".\n\n");
        page.push_str("| figure | measured | target | |\n|---|---|---|---|\n");
        for figure in &self.figures {
            let (what, measured, target) = (&figure.what, &figure.measured, &figure.target);
            page.push_str(&format!("| {what} | {measured} | {target} | {} |\n", figure.mark()));
        }
        for violation in self.verdict.violations.iter().take(SHOWN_MAX) {
            page.push_str(&format!("\n- {violation}\n"));
        }
    }
}

// === impl Machine ===

impl Machine {
    /// In a line.
    pub(super) fn line(&self) -> String {
        let mut line = String::new();
        let written = write!(
            line,
            "{} cores ({}), {} MiB, {}, commit {}",
            self.cores, self.cpu, self.memory_mib, self.kernel, self.commit
        );
        // Writing to a text cannot fail.
        if written.is_err() {
            line.push('?');
        }
        line
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn report() -> ClusterReport {
        let figures = vec![
            Figure::held("events lost", "0", "0", true),
            Figure::held("back", "99 %", "98 %", false),
            Figure::told("growth", "3 %"),
        ];
        let verdict = Verdict { ended: 1, commands: 1, ..Verdict::default() };
        let case = CaseReport {
            case: Case::C1,
            setting: "3 nodes, 200 stations".to_owned(),
            commit: Machine::look().commit,
            duration_ms: 1_000,
            connections_lost: 7,
            figures,
            verdict,
        };
        ClusterReport {
            seed: 7,
            command: vec!["--case C1".to_owned()],
            started_at: "2026-01-01T00:00:00Z".to_owned(),
            machine: Machine::look(),
            cases: vec![case],
            skipped: vec![Skipped { case: Case::C15, why: "no file system can be mounted".to_owned() }],
            simulations: Vec::new(),
        }
    }

    #[test]
    fn the_page_has_a_row_for_every_case_whether_it_ran_or_not() {
        let page = report().page();
        for row in TABLE {
            assert!(page.contains(&format!("| {} | ", row.id)), "{}: {page}", row.id);
        }
        assert!(page.contains("events lost: 0; back: 98 % | 1 missed |"), "{page}");
        assert!(page.contains(CAVEAT));
        assert!(page.contains("| C19 | ") && page.contains("not run: "));
        assert!(page.contains("SKIPPED: no file system can be mounted | – |"), "{page}");
        assert!(report().text().contains("SKIPPED C15: no file system"));
    }

    #[test]
    fn the_simulations_fill_their_row() {
        let one = |name: &str| Simulation { name: name.to_owned(), seeds: 10_000, broken: 0, labels: None };
        let report = ClusterReport { simulations: vec![one("cluster"), one("load")], ..report() };
        let page = report.page();
        assert!(page.contains("load: 10000 seeds, 0 with a broken promise | met |"), "{page}");
        assert_eq!(report.violations_count(), 0);
        let broken = Simulation { broken: 2, ..one("load") };
        assert_eq!(ClusterReport { simulations: vec![broken], ..report }.violations_count(), 2);
    }

    #[test]
    fn what_must_hold_on_every_machine_is_a_violation_when_it_does_not() {
        assert!(Figure::must("sockets dropped", "0", "1", false).violation().is_some());
        assert!(Figure::must("sockets dropped", "0", "0", true).violation().is_none());
        assert!(Figure::held("back", "≤ 10 s", "12 s", false).violation().is_none());
        assert!(Figure::told("growth", "3 %").violation().is_none());
    }

    #[test]
    fn what_was_missed_is_named() {
        let text = report().text();
        assert!(text.contains("MISSED") && text.contains("C1: 3 nodes, 200 stations"), "{text}");
        let mut report = report();
        for case in &mut report.cases {
            case.verdict.ended = 0;
        }
        assert!(report.text().contains("proves nothing: no transaction ended"));
        assert!(report.page().contains("| proves nothing: no transaction ended |"));
    }
}
