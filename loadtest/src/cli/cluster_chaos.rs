//! `cluster-chaos`: faults over a cluster from the arguments to the exit code.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::Args;

use crate::chaos::cluster::cases::Case;
use crate::chaos::cluster::kept::Kept;
use crate::chaos::cluster::report::ClusterReport;
use crate::chaos::cluster::simulations::Simulation;
use crate::chaos::cluster::{ClusterCourse, Lineup, Older, run as run_course, simulations};
use crate::cli::{print, run_whole};
use crate::plan::Plan;
use crate::progress::say;

/// Fewer, and a kind of them would be held to nothing.
const DUELS_MIN: usize = 3;
const FLOOD_MIN: usize = 7;

#[derive(Args, Debug)]
pub(super) struct ClusterChaosArgs {
    /// The plan (TOML).
    #[arg(long)]
    plan: PathBuf,
    /// The binary `ringmain`.
    #[arg(long, value_name = "FILE")]
    node: PathBuf,
    /// The binary of the release before, which the rolling update of C9 comes from; the same one when absent.
    #[arg(long, value_name = "FILE")]
    older: Option<PathBuf>,
    /// A setting that it does not know yet, such as STATIONS__BACK_OFF_ENABLED.
    #[arg(long, value_name = "SETTING", requires = "older")]
    older_lacks: Vec<String>,
    /// Nodes.
    #[arg(long, default_value_t = 3)]
    nodes: u8,
    /// Cases such as C1, in this order; all that can be run when absent.
    #[arg(long = "case", value_name = "ID")]
    cases: Vec<String>,
    /// Stations in all, shared out as the plan does.
    #[arg(long)]
    stations: Option<usize>,
    /// Stations connect over TLS.
    #[arg(long)]
    tls: bool,
    /// How long the faults of one case go on, minutes; a case that must see every node goes on until it has.
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// Between two kills, s.
    #[arg(long, default_value_t = 10)]
    kill_every_s: u64,
    /// How long something stays away or silent, s.
    #[arg(long, default_value_t = 15)]
    span_s: u64,
    /// Commands a second.
    #[arg(long, default_value_t = 10)]
    orders_per_s: u32,
    /// Stations with a second socket, and sockets that fall silent.
    #[arg(long, default_value_t = 60)]
    duels: usize,
    /// Sockets of a flood (C13).
    #[arg(long, default_value_t = 200)]
    flood: usize,
    /// What `make cluster-simulation` and `make load-simulation` printed (C20).
    #[arg(long, value_name = "FILE")]
    simulations: Option<PathBuf>,
    /// Time for stations to deliver what they have after a case, s.
    #[arg(long, default_value_t = 120)]
    drain_s: u64,
    /// Drivers and meters are drawn from it; a new one when absent.
    #[arg(long)]
    seed: Option<u64>,
    /// Threads the run's own half works on.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Write the report as JSON, after every case.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Take over from that file what an earlier run, broken off, came to; cases in which something was wrong are played again.
    #[arg(long, requires = "json")]
    resume: bool,
    /// Play nothing: write the page of the report that `--json` names, with these simulations.
    #[arg(long, requires = "json", requires = "page", conflicts_with = "resume")]
    page_only: bool,
    /// Write the report as a page of the documentation.
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
}

pub(super) fn run(args: ClusterChaosArgs) -> anyhow::Result<()> {
    if args.page_only {
        return args.write_page(&args.kept_report()?);
    }
    let course = args.course()?;
    if course.cases.is_empty() {
        return Ok(());
    }
    let report = run_whole(args.threads, run_course(&course))?;
    course.kept.keep(&report)?;
    args.write_page(&report)?;
    print(&report.text())?;
    if let Some((case, why)) = report.cases.iter().find_map(|case| Some((case.case, case.proves_nothing()?)))
    {
        bail!("{} proves nothing: {why}", case.id());
    }
    ensure!(report.violations_count() == 0, "{} violations", report.violations_count());
    Ok(())
}

// === impl ClusterChaosArgs ===

impl ClusterChaosArgs {
    fn course(&self) -> anyhow::Result<ClusterCourse> {
        let mut plan = Plan::read(&self.plan)?;
        if let Some(stations) = self.stations {
            plan.scale_to(stations).context("--stations")?;
        }
        ensure!(
            self.kill_every_s > 0 && self.orders_per_s > 0,
            "--kill-every-s and --orders-per-s must be above 0"
        );
        ensure!(self.duels >= DUELS_MIN, "--duels: at least {DUELS_MIN}, one of each kind");
        ensure!(self.flood >= FLOOD_MIN, "--flood: at least {FLOOD_MIN}, one of each kind");
        ensure!((0.0..=1_440.0).contains(&self.minutes), "--minutes: 0 to 1440");
        let kept = match &self.json {
            Some(file) if self.resume => Kept::resume(file).context("--resume")?,
            file => Kept::begin(file.clone()),
        };
        let seed = self.seed.or_else(|| kept.seed()).unwrap_or_else(|| fastrand::u64(..1_000_000_000));
        let command = self.told(plan.stations(), seed);
        kept.ensure_same(&command).context("--resume")?;
        Ok(ClusterCourse {
            command,
            plan,
            lineup: Lineup {
                program: self.node.clone(),
                older: self.older.clone().map(|program| Older { program, lacks: self.older_lacks.clone() }),
                nodes: self.nodes,
                tls: self.tls,
            },
            cases: self.cases()?,
            length: Duration::from_secs_f64(self.minutes * 60.0),
            kill_every: Duration::from_secs(self.kill_every_s),
            span: Duration::from_secs(self.span_s),
            orders_per_s: self.orders_per_s,
            duels: self.duels,
            flood: self.flood,
            simulations: self.simulations()?,
            drain: Duration::from_secs(self.drain_s),
            seed,
            kept,
        })
    }

    fn simulations(&self) -> anyhow::Result<Vec<Simulation>> {
        Ok(self.simulations.as_deref().map(simulations::read).transpose()?.unwrap_or_default())
    }

    /// What an earlier run came to, and what simulations said since.
    fn kept_report(&self) -> anyhow::Result<ClusterReport> {
        let file = self.json.as_deref().context("--page-only needs --json")?;
        let report = Kept::read(file)?;
        Ok(match &self.simulations {
            Some(_) => ClusterReport { simulations: self.simulations()?, ..report },
            None => report,
        })
    }

    /// What is not run is said, and left out.
    fn cases(&self) -> anyhow::Result<Vec<Case>> {
        if self.cases.is_empty() {
            return Ok(Case::ALL.to_vec());
        }
        let mut cases = Vec::new();
        for text in &self.cases {
            match Case::read(text) {
                Ok(case) => cases.push(case),
                Err(why) if why.starts_with("SKIPPED") => say(&why),
                Err(why) => bail!("--case: {why}"),
            }
        }
        Ok(cases)
    }

    fn write_page(&self, report: &ClusterReport) -> anyhow::Result<()> {
        let Some(file) = &self.page else { return Ok(()) };
        std::fs::write(file, report.page()).with_context(|| format!("write {}", file.display()))
    }

    /// The arguments that repeat the run.
    fn told(&self, stations: usize, seed: u64) -> Vec<String> {
        let mut told = vec![
            format!("--plan {}", self.plan.display()),
            format!("--nodes {}", self.nodes),
            format!("--stations {stations}"),
            format!("--minutes {}", self.minutes),
            format!("--kill-every-s {}", self.kill_every_s),
            format!("--span-s {}", self.span_s),
            format!("--orders-per-s {}", self.orders_per_s),
            format!("--duels {}", self.duels),
            format!("--flood {}", self.flood),
            format!("--seed {seed}"),
        ];
        told.extend(self.tls.then(|| "--tls".to_owned()));
        told.extend(self.older.is_some().then(|| "--older RELEASE-BEFORE".to_owned()));
        told.extend(self.cases.iter().map(|case| format!("--case {case}")));
        told
    }
}
