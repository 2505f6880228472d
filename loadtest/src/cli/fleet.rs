//! `fleet`: many stations on a cluster, measured, from the arguments to the tables.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Args;

use crate::chaos::cluster::Lineup;
use crate::chaos::cluster::fleet::{FleetCourse, run as run_fleet};
use crate::cli::{print, run_whole};
use crate::plan::Plan;

#[derive(Args, Debug)]
pub(super) struct FleetArgs {
    /// The plan (TOML).
    #[arg(long)]
    plan: PathBuf,
    /// The binary `ringmain`.
    #[arg(long, value_name = "FILE")]
    node: PathBuf,
    /// Nodes.
    #[arg(long, default_value_t = 3)]
    nodes: u8,
    /// Stations in all, shared out as the plan does.
    #[arg(long)]
    stations: Option<usize>,
    /// Stations connect over TLS.
    #[arg(long)]
    tls: bool,
    /// How long all of them stay, s.
    #[arg(long, default_value_t = 60)]
    stay_s: u64,
    /// Commands at the station's own node, and as many through another.
    #[arg(long, default_value_t = 1_000)]
    orders: usize,
    /// Threads the stations work on.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Write the report as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

pub(super) fn run(args: FleetArgs) -> anyhow::Result<()> {
    let mut plan = Plan::read(&args.plan)?;
    if let Some(stations) = args.stations {
        plan.scale_to(stations).context("--stations")?;
    }
    ensure!(args.orders > 0, "--orders must be above 0");
    let command = vec![
        format!("--plan {}", args.plan.display()),
        format!("--nodes {}", args.nodes),
        format!("--stations {}", plan.stations()),
        format!("--stay-s {}", args.stay_s),
        format!("--orders {}", args.orders),
    ];
    let course = FleetCourse {
        plan,
        lineup: Lineup { program: args.node, older: None, nodes: args.nodes, tls: args.tls },
        stay: Duration::from_secs(args.stay_s),
        orders: args.orders,
        command: command.into_iter().chain(args.tls.then(|| "--tls".to_owned())).collect(),
    };
    let report = run_whole(args.threads, run_fleet(&course))?;
    if let Some(file) = &args.json {
        let json = serde_json::to_string_pretty(&report).context("write report as JSON")?;
        std::fs::write(file, json).with_context(|| format!("write {}", file.display()))?;
    }
    print(&report.page())?;
    ensure!(report.lost == 0, "{} connections were lost", report.lost);
    Ok(())
}
