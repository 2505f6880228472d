//! Chaos over a cluster: several nodes, a crowd that charges, operators who give commands, one fault after the other, one oracle.
//!
//! Each case has a cluster of its own. `members` starts it, `balance` stands before it, `orders` gives commands, `scene` is the frame of
//! every case, `cases` the table of targets, `report` what came of it. What happens in a case is in `faults` and `duels`, `slow`, `floods`,
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
}

/// Runs all cases. The report tells what was violated; the folder with the logs of a case stays where something was.
///
/// # Errors
/// A process cannot be started or does not come back, or the API does not answer: then nothing was proven.
pub async fn run(course: &ClusterCourse) -> anyhow::Result<ClusterReport> {
    course.lineup.check()?;
    ensure!(!course.cases.is_empty(), "no case proves nothing");
    let clock = Clock::start();
    let mut cases: Vec<CaseReport> = Vec::new();
    let mut skipped = Vec::new();
    for case in &course.cases {
        if let Some(why) = hindrance(*case).await {
            say(&format!("SKIPPED {}: {why}", case.id()));
            skipped.push(Skipped { case: *case, why });
            continue;
        }
        say(&format!("{}: begins", case.id()));
        // Boxed: what a case keeps is large, and there are many of them.
        let played = Box::pin(scene::play(course, *case)).await;
        let played = match played {
            Ok(played) => played,
            Err(error) => {
                // What the cases before it came to is worth knowing all the same.
                cases.iter().for_each(|case| say(case.text().trim_end()));
                return Err(error).context(case.id());
            }
        };
        let (missed, wrong) = (played.missed(), played.verdict.violations_count);
        say(&format!(
            "{}: {} s, {missed} figures missed, {wrong} violations",
            case.id(),
            played.duration_ms / 1_000
        ));
        cases.push(played);
    }
    Ok(ClusterReport {
        seed: course.seed,
        command: course.command.clone(),
        started_at: clock.stamp(Moment::default()),
        machine: Machine::look(),
        cases,
        skipped,
        simulations: course.simulations.clone(),
    })
}

// === impl Lineup ===

impl Lineup {
    fn check(&self) -> anyhow::Result<()> {
        ensure!((2..=NODES_MAX).contains(&self.nodes), "2 to {NODES_MAX} nodes");
        Ok(())
    }

    /// What nodes are started from.
    fn release(&self) -> anyhow::Result<Release> {
        let found =
            |program: &Path| program.canonicalize().with_context(|| format!("find {}", program.display()));
        let older = match &self.older {
            Some(older) => Some(Older { program: found(&older.program)?, lacks: older.lacks.clone() }),
            None => None,
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
