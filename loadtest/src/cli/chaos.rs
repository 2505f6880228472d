//! `chaos`: the money run from its arguments to its exit code.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::Args;

use crate::chaos::{Course, StoreChoice, run as run_course};
use crate::cli::{print, run_whole};
use crate::plan::Plan;

#[derive(Args, Debug)]
pub(super) struct ChaosArgs {
    /// The plan (TOML).
    #[arg(long)]
    plan: PathBuf,
    /// The binary `ringmain`.
    #[arg(long, value_name = "FILE")]
    node: PathBuf,
    /// `sqlite`, `postgres` for a private server that is killed too, or the URL of an unused database.
    #[arg(long, default_value = "sqlite", value_parser = read_store, value_name = "sqlite|postgres|URL")]
    store: StoreChoice,
    /// Rounds.
    #[arg(long, default_value_t = 20)]
    rounds: u32,
    /// Length of a round, s; draining and judging come on top.
    #[arg(long, default_value_t = 60)]
    round_s: u64,
    /// Stations in all, shared out as the plan does.
    #[arg(long)]
    stations: Option<usize>,
    /// Mean time between two kills of the node, s; a private PostgreSQL is killed half as often.
    #[arg(long, default_value_t = 10)]
    kill_every_s: u64,
    /// Time for stations to deliver what they have after a round, s.
    #[arg(long, default_value_t = 90)]
    drain_s: u64,
    /// Kills, drivers and meters are drawn from it; a new one when absent.
    #[arg(long)]
    seed: Option<u64>,
    /// Write the report as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

pub(super) fn run(args: ChaosArgs) -> anyhow::Result<()> {
    let course = args.course()?;
    let report = run_whole(1, run_course(&course))?;
    if let Some(file) = &args.json {
        let json = serde_json::to_vec_pretty(&report).context("write report as JSON")?;
        std::fs::write(file, json).with_context(|| format!("write {}", file.display()))?;
    }
    print(&report.text())?;
    if let Some(why) = report.proves_nothing() {
        bail!("the run proves nothing: {why}");
    }
    ensure!(report.violations_count() == 0, "{} violations", report.violations_count());
    Ok(())
}

// === impl ChaosArgs ===

impl ChaosArgs {
    fn course(&self) -> anyhow::Result<Course> {
        let mut plan = Plan::read(&self.plan)?;
        if let Some(stations) = self.stations {
            plan.scale_to(stations).context("--stations")?;
        }
        ensure!(self.kill_every_s > 0 && self.round_s > 0, "--kill-every-s and --round-s must be above 0");
        let seed = self.seed.unwrap_or_else(|| fastrand::u64(..1_000_000_000));
        Ok(Course {
            command: self.told(seed),
            plan,
            node: self.node.clone(),
            store: self.store.clone(),
            rounds: self.rounds,
            round: Duration::from_secs(self.round_s),
            kill_every: Duration::from_secs(self.kill_every_s),
            drain: Duration::from_secs(self.drain_s),
            seed,
        })
    }

    /// The arguments that repeat the run; no secret among them.
    fn told(&self, seed: u64) -> Vec<String> {
        let store = match &self.store {
            StoreChoice::Sqlite => "sqlite",
            StoreChoice::PrivatePostgres => "postgres",
            StoreChoice::Postgres(_) => "URL",
        };
        let mut told = vec![
            format!("--plan {}", self.plan.display()),
            format!("--store {store}"),
            format!("--rounds {}", self.rounds),
            format!("--round-s {}", self.round_s),
            format!("--kill-every-s {}", self.kill_every_s),
            format!("--drain-s {}", self.drain_s),
            format!("--seed {seed}"),
        ];
        told.extend(self.stations.map(|stations| format!("--stations {stations}")));
        told
    }
}

fn read_store(text: &str) -> Result<StoreChoice, String> {
    match text {
        "sqlite" => Ok(StoreChoice::Sqlite),
        "postgres" => Ok(StoreChoice::PrivatePostgres),
        url if url.starts_with("postgres://") => Ok(StoreChoice::Postgres(url.to_owned())),
        _ => Err(format!("{text} is none of sqlite, postgres, postgres://…")),
    }
}
