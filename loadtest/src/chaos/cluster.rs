//! Chaos over a cluster: several nodes, a crowd that charges, operators who give commands, one fault after the other, one oracle.
//!
//! Each case has a cluster of its own. `members` starts it, `balance` stands before it, `orders` gives commands, `scene` is the frame of
//! every case, `cases` the table of targets, `report` what came of it, `kept` what goes on after an interruption. What happens in a case is in `faults` and `duels`, `slow`, `floods`,
//! `guesses`, `disk`, `clocks`, `queues` and `standby`; `strangers` dials for all of them. `fleet` is no case: it measures.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::node::Release;
use crate::clock::Clock;
use crate::machine::Machine;
use crate::plan::Plan;
use crate::progress::say;
use crate::unit::Moment;

pub mod cases;
pub mod fleet;
pub mod kept;
pub mod report;
pub mod simulations;

mod balance;
mod bystanders;
mod clocks;
mod cuts;
mod disk;
mod duels;
mod faults;
mod floods;
mod guesses;
mod members;
mod orders;
mod owners;
mod queues;
mod scene;
mod sites;
mod slow;
mod standby;
mod strangers;

use cases::Case;
use kept::Kept;
use report::{CaseReport, ClusterReport, Skipped};
use simulations::Simulation;

/// API key of the administrator; the nodes live as long as the run and listen on loopback alone.
const TOKEN: &str = "rmk_of-the-cluster-run-and-of-nobody-else-0123456789";
/// Nodes at most: each has an address of its own on this machine, and so has the one that joins during an update.
const NODES_MAX: u8 = 9;

/// The nodes of a run.
#[derive(Clone, Debug)]
pub struct Lineup {
    /// The binary `ringmain`.
    pub program: PathBuf,
    /// What a rolling update comes from; the same binary when absent.
    pub older: Option<Older>,
    /// How many, 2 to 9.
    pub nodes: u8,
    /// Stations use TLS.
    pub tls: bool,
}

/// The release before.
#[derive(Clone, Debug)]
pub struct Older {
    /// Its binary `ringmain`.
    pub program: PathBuf,
    /// Settings it does not know yet, by their names after `RINGMAIN_`.
    pub lacks: Vec<String>,
}

/// What a run is made of.
#[derive(Clone, Debug)]
pub struct ClusterCourse {
    /// The crowd.
    pub plan: Plan,
    /// The nodes.
    pub lineup: Lineup,
    /// Which cases, in this order.
    pub cases: Vec<Case>,
    /// How long the faults of one case go on.
    pub length: Duration,
    /// Between two kills.
    pub kill_every: Duration,
    /// How long something stays away, or silent.
    pub span: Duration,
    /// Commands a second.
    pub orders_per_s: u32,
    /// Second sockets.
    pub duels: usize,
    /// Sockets of a flood.
    pub flood: usize,
    /// What the simulations said, where they ran.
    pub simulations: Vec<Simulation>,
    /// How long stations may take to deliver what they have once a case is over.
    pub drain: Duration,
    /// Drivers and meters are drawn from it.
    pub seed: u64,
    /// The arguments, for the report.
    pub command: Vec<String>,
    /// Where the report is kept, and what is taken over from an earlier one.
    pub kept: Kept,
}

/// Runs all cases. The report tells what was violated; the folder with the logs of a case stays where something was.
///
/// # Errors
/// A process cannot be started or does not come back, or the API does not answer: then nothing was proven.
pub async fn run(course: &ClusterCourse) -> anyhow::Result<ClusterReport> {
    course.lineup.check()?;
    ensure!(!course.cases.is_empty(), "no case proves nothing");
    let mut report = ClusterReport {
        seed: course.seed,
        command: course.command.clone(),
        started_at: Clock::start().stamp(Moment::default()),
        machine: Machine::look(),
        cases: Vec::new(),
        skipped: Vec::new(),
        simulations: course.simulations.clone(),
    };
    for &case in &course.cases {
        if let Some(kept) = course.kept.of(case) {
            say(&format!("{}: kept from the run before", case.id()));
            report.cases.push(kept.clone());
            continue;
        }
        if let Some(why) = hindrance(case).await {
            say(&format!("SKIPPED {}: {why}", case.id()));
            report.skipped.push(Skipped { case, why });
            continue;
        }
        say(&format!("{}: begins", case.id()));
        // Boxed: what a case keeps is large, and there are many of them.
        let played = Box::pin(scene::play(course, case)).await.context(case.id())?;
        say_of(&played);
        report.cases.push(played);
        course.kept.keep(&report)?;
    }
    Ok(report)
}

/// What is missed or wrong is said at once, and not only at the end.
fn say_of(played: &CaseReport) {
    let (missed, wrong) = (played.missed(), played.verdict.violations_count);
    say(&format!(
        "{}: {} s, {missed} figures missed, {wrong} violations",
        played.case.id(),
        played.duration_ms / 1_000
    ));
    if missed + wrong > 0 {
        say(played.text().trim_end());
    }
}

// === impl Lineup ===

impl Lineup {
    fn check(&self) -> anyhow::Result<()> {
        ensure!((2..=NODES_MAX).contains(&self.nodes), "2 to {NODES_MAX} nodes");
        Ok(())
    }

    /// What nodes are started from: the release before is what an update comes from, and nothing else is asked of it.
    fn release(&self, case: Case) -> anyhow::Result<Release> {
        let found =
            |program: &Path| program.canonicalize().with_context(|| format!("find {}", program.display()));
        let older = match &self.older {
            Some(older) if case.is_update() => {
                Some(Older { program: found(&older.program)?, lacks: older.lacks.clone() })
            }
            Some(_) | None => None,
        };
        Ok(Release::new(found(&self.program)?, older))
    }
}

/// What this machine lacks for a case, if it lacks something.
async fn hindrance(case: Case) -> Option<String> {
    match case {
        Case::C15 => disk::hindrance().await,
        Case::C16 => clocks::hindrance(),
        _ => None,
    }
}
