//! `partners`: many roaming partners on one node, from the arguments to the page.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Args;

use crate::chaos::partners::{PARTNERS_MIN, PartnersCourse, run as run_partners};
use crate::cli::{print, run_whole};
use crate::plan::Plan;

#[derive(Args, Debug)]
pub(super) struct PartnersArgs {
    /// The plan (TOML); whose tokens it names does not matter, they are the partners'.
    #[arg(long)]
    plan: PathBuf,
    /// The binary `ringmain`.
    #[arg(long, value_name = "FILE")]
    node: PathBuf,
    /// Partners in all; the first three stall, are busy and talk nonsense.
    #[arg(long, default_value_t = 200)]
    partners: usize,
    /// Stations in all, shared out as the plan does.
    #[arg(long)]
    stations: Option<usize>,
    /// How long the three misbehave and the others are measured, min.
    #[arg(long, default_value_t = 5.0)]
    minutes: f64,
    /// How long everybody may take afterwards until all is in step, s; a partner that was away may be left alone for 300 s.
    #[arg(long, default_value_t = 420)]
    in_step_s: u64,
    /// The node keeps its facts in a private PostgreSQL, not in a file.
    #[arg(long)]
    postgres: bool,
    /// Drivers and meters are drawn from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Threads that stations and partners work on.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Write the report as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the report as a section of a page of the documentation.
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
}

pub(super) fn run(args: PartnersArgs) -> anyhow::Result<()> {
    let course = args.course()?;
    let report = run_whole(args.threads, run_partners(&course))?;
    let json = serde_json::to_string_pretty(&report).context("write report as JSON")?;
    for (file, text) in [(&args.json, json), (&args.page, report.page())] {
        if let Some(file) = file {
            std::fs::write(file, text).with_context(|| format!("write {}", file.display()))?;
        }
    }
    print(&report.text())?;
    ensure!(report.flaws_count == 0, "{} violations", report.flaws_count);
    ensure!(report.is_on_time(), "the others hear too late");
    Ok(())
}

// === impl PartnersArgs ===

impl PartnersArgs {
    fn course(&self) -> anyhow::Result<PartnersCourse> {
        let mut plan = Plan::read(&self.plan)?;
        if let Some(stations) = self.stations {
            plan.scale_to(stations).context("--stations")?;
        }
        plan.seed = self.seed;
        ensure!(self.partners >= PARTNERS_MIN, "--partners: at least {PARTNERS_MIN}, most of them well");
        ensure!((0.0..=1_440.0).contains(&self.minutes), "--minutes: 0 to 1440");
        Ok(PartnersCourse {
            command: self.told(plan.stations()),
            plan,
            node: self.node.clone(),
            partners: self.partners,
            length: Duration::from_secs_f64(self.minutes * 60.0),
            in_step: Duration::from_secs(self.in_step_s),
            on_postgres: self.postgres,
        })
    }

    /// The arguments that repeat the run.
    fn told(&self, stations: usize) -> Vec<String> {
        let mut told = vec![
            format!("--plan {}", self.plan.display()),
            format!("--partners {}", self.partners),
            format!("--stations {stations}"),
            format!("--minutes {}", self.minutes),
            format!("--seed {}", self.seed),
        ];
        told.extend(self.postgres.then(|| "--postgres".to_owned()));
        told
    }
}
