//! `run`: a crowd from its plan to its report.

use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Args;

use crate::cli::{ConnectArgs, EndArgs, Ending, print, read_version, runtime};
use crate::clock::Clock;
use crate::crowd::Crowd;
use crate::machine::{Machine, Usage};
use crate::plan::Plan;
use crate::progress::{Progress, say};
use crate::report::{Connections, LastLook, Messages, Report, Server, Sessions};
use crate::socket::{Stop, WIND_DOWN};
use crate::station::Version;
use crate::tally::{SessionSink, Tally};

/// Between two looks at the counters.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After the ramp, how long the server is given before its memory is read.
const SETTLE: Duration = Duration::from_secs(3);

#[derive(Args, Debug)]
pub(super) struct RunArgs {
    /// The plan (TOML).
    #[arg(long)]
    plan: PathBuf,
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(flatten)]
    end: EndArgs,
    /// Stations in all, shared out as the plan does.
    #[arg(long)]
    stations: Option<usize>,
    /// One version for all stations, or `mixed` for the plan's.
    #[arg(long, value_name = "1.6|2.0.1|2.1|mixed")]
    version: Option<String>,
    /// Stations that start to connect per second.
    #[arg(long)]
    ramp_per_s: Option<f64>,
    /// Process of the server: its memory and processor time go into the report.
    #[arg(long)]
    server_pid: Option<u32>,
    /// Write the report as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write every ended transaction with its true energy, one JSON object a line.
    #[arg(long, value_name = "FILE")]
    sessions: Option<PathBuf>,
    /// Threads the stations run on.
    #[arg(long, default_value_t = 1)]
    threads: usize,
}

/// What a run saw besides its counters.
struct Course {
    started_at: String,
    server: Option<Server>,
    last: LastLook,
    duration: Duration,
    stuck: usize,
}

pub(super) fn run(args: RunArgs) -> anyhow::Result<()> {
    let plan = args.plan()?;
    let sink = match &args.sessions {
        Some(file) => {
            let file = File::create(file).with_context(|| format!("create {}", file.display()))?;
            Some(Box::new(BufWriter::new(file)) as Box<dyn SessionSink>)
        }
        None => None,
    };
    let tally = Arc::new(Tally::new(sink)?);
    let course = runtime(args.threads)?.block_on(args.course(&plan, &tally))?;
    tally.flush().context("write session records")?;
    let report = Report {
        plan: plan.name.clone(),
        seed: plan.seed,
        command: args.told(),
        started_at: course.started_at,
        duration_ms: u64::try_from(course.duration.as_millis()).unwrap_or(u64::MAX),
        stuck: course.stuck,
        machine: Machine::look(),
        server: course.server,
        connections: Connections::read(&tally, &plan, course.last),
        messages: Messages::read(&tally, course.last),
        latencies: tally.latencies(),
        sessions: Sessions::read(&tally),
    };
    if let Some(file) = &args.json {
        let json = serde_json::to_vec_pretty(&report).context("write report as JSON")?;
        std::fs::write(file, json).with_context(|| format!("write {}", file.display()))?;
    }
    print(&report.text())?;
    ensure!(report.connections.boots_accepted > 0, "no station was accepted");
    Ok(())
}

// === impl RunArgs ===

impl RunArgs {
    fn plan(&self) -> anyhow::Result<Plan> {
        let mut plan = Plan::read(&self.plan)?;
        match self.version.as_deref() {
            None | Some("mixed") => {}
            Some(text) => {
                let version: Version = read_version(text).map_err(anyhow::Error::msg)?;
                plan.speak(version).context("--version")?;
            }
        }
        if let Some(ramp_per_s) = self.ramp_per_s {
            ensure!(ramp_per_s > 0.0 && ramp_per_s.is_finite(), "--ramp-per-s must be above 0");
            plan.ramp_per_s = ramp_per_s;
        }
        if let Some(stations) = self.stations {
            plan.scale_to(stations).context("--stations")?;
        }
        Ok(plan)
    }

    /// The arguments that matter for a figure; no secret among them.
    fn told(&self) -> Vec<String> {
        let mut told = vec![format!("--plan {}", self.plan.display()), format!("--url {}", self.connect.url)];
        told.extend(self.stations.map(|stations| format!("--stations {stations}")));
        told.extend(self.version.as_ref().map(|version| format!("--version {version}")));
        told.extend(self.ramp_per_s.map(|ramp_per_s| format!("--ramp-per-s {ramp_per_s}")));
        told.extend(self.end.duration_s.map(|duration_s| format!("--duration-s {duration_s}")));
        told.extend(self.connect.tls_resume.then(|| "--tls-resume".to_owned()));
        told.push(format!("--threads {}", self.threads));
        told
    }

    async fn course(&self, plan: &Plan, tally: &Arc<Tally>) -> anyhow::Result<Course> {
        let clock = Clock::start();
        let start = self.server_pid.map(|pid| Usage::of(pid).with_context(|| format!("no process {pid}")));
        let mut server = match (self.server_pid, start.transpose()?) {
            (Some(pid), Some(start)) => Some(Server { pid, start, ..Server::default() }),
            _ => None,
        };
        let dialers = self.connect.dialers().await?;
        let passwords = self.connect.passwords(plan.password.as_ref());
        let crowd = Crowd::start(plan, &passwords, &dialers, clock, tally, WIND_DOWN)?;
        let ramped_at = plan.ramp() + SETTLE;
        let mut ramped_connections = 0;
        let duration = self.end.duration_s.or(plan.duration_s).map(|s| plan.ramp() + Duration::from_secs(s));
        let ending = {
            let mut progress = Progress::new(plan.stations());
            let mut end = std::pin::pin!(self.end.wait(duration));
            let ending = loop {
                tokio::select! {
                    ending = &mut end => break ending?,
                    () = tokio::time::sleep(LOOK_EVERY) => {
                        let after = clock.now().since(Default::default());
                        progress.show(tally, after);
                        if let Some(server) = server.as_mut().filter(|server| server.ramped.is_none() && after >= ramped_at) {
                            server.ramped = Usage::of(server.pid);
                            ramped_connections = tally.connected_now();
                        }
                    }
                }
            };
            progress.end();
            ending
        };
        let last = LastLook::at(tally, clock.now().since(Default::default()));
        if let Some(server) = &mut server {
            server.end = Usage::of(server.pid);
            server.per_connection(ramped_connections, last.connected);
        }
        say(ending.line());
        let stuck = leave(crowd).await?;
        let duration = clock.now().since(Default::default());
        Ok(Course { started_at: clock.stamp(Default::default()), server, last, duration, stuck })
    }
}

/// Lets the stations end what they do; a second Ctrl-C ends them at once.
async fn leave(crowd: Crowd) -> anyhow::Result<usize> {
    crowd.tell(Stop::WindDown);
    let hurry = crowd.hurry();
    let mut gone = std::pin::pin!(crowd.gone());
    tokio::select! {
        stuck = &mut gone => return Ok(stuck),
        pressed = tokio::signal::ctrl_c() => pressed.context("listen for Ctrl-C")?,
    }
    hurry.send_replace(Stop::Now);
    Ok(gone.await)
}

// === impl Ending ===

impl Ending {
    fn line(self) -> &'static str {
        match self {
            Self::Duration => "time is up: sessions end, stations leave",
            Self::Signal => "stopped: sessions end, stations leave (again to leave at once)",
            Self::StdinClosed => "standard input closed: sessions end, stations leave",
        }
    }
}
