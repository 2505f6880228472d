//! The command line: what a run is made of, from the plan to the exit code.
//!
//! `run` lets a crowd loose, `station` one station with its frames shown, `chaos` kills a node under a crowd, `cluster-chaos`
//! does worse to several, `fleet` measures them, `partners` lets many partners listen to a node, `emsp` is a partner that speaks OCPI, `check-plan` reads a plan
//! and stops there. Nothing here knows OCPP.

mod chaos;
mod cluster_chaos;
mod emsp;
mod fleet;
mod partners;
mod run;
mod single;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tracing_subscriber::EnvFilter;

use crate::crowd::DialerOf;
use crate::dial::{Dialer, Endpoint, TcpTransport, loopback_source};
use crate::password::Passwords;
use crate::plan::Plan;
use crate::progress::say;
use crate::station::Version;
use crate::tls::{Identity, TlsFiles};

/// Simulated charging stations, one or many, for any OCPP CSMS.
#[derive(Debug, Parser)]
#[command(name = "ringmain-loadtest", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the crowd of a plan.
    Run(run::RunArgs),
    /// Run one station and show every frame.
    Station(single::StationArgs),
    /// Kill a node under a crowd, again and again, and look whether everything is there and billed once.
    Chaos(chaos::ChaosArgs),
    /// Faults over a cluster of several nodes, case by case, each figure beside its target.
    ClusterChaos(cluster_chaos::ClusterChaosArgs),
    /// As many stations as a machine holds on a cluster: what they cost, and a command through another node.
    Fleet(fleet::FleetArgs),
    /// Many roaming partners on one node, some of them badly behaved: how late the others hear, and whether every bill comes once.
    Partners(partners::PartnersArgs),
    /// Be a roaming partner: an eMSP that speaks OCPI, well or badly.
    Emsp(emsp::EmspArgs),
    /// Read a plan, say what is in it, and stop.
    CheckPlan {
        /// The plan (TOML).
        file: PathBuf,
    },
}

/// Where the CSMS is and how stations prove who they are.
#[derive(Args, Debug)]
struct ConnectArgs {
    /// URL without the identity, such as wss://127.0.0.1:9443/ocpp.
    #[arg(long)]
    url: String,
    /// CA file (PEM) to trust; needed for wss.
    #[arg(long)]
    ca: Option<PathBuf>,
    /// Client certificate chain (PEM) for all stations.
    #[arg(long, requires = "key", conflicts_with = "cert_dir")]
    cert: Option<PathBuf>,
    /// Key of --cert (PEM).
    #[arg(long, requires = "cert")]
    key: Option<PathBuf>,
    /// Folder with IDENTITY.pem and IDENTITY.key for each station.
    #[arg(long)]
    cert_dir: Option<PathBuf>,
    /// Resume TLS sessions when reconnecting; off, every handshake is a full one.
    #[arg(long)]
    tls_resume: bool,
    /// Password of HTTP Basic for all stations.
    #[arg(long, conflicts_with = "password_secret")]
    password: Option<String>,
    /// Secret to derive each station's password from: the first 32 hex digits of HMAC-SHA-256(secret, identity).
    #[arg(long)]
    password_secret: Option<String>,
    /// Each station comes from an address of its own in 127.0.0.0/8: a balancer on this machine spreads them as in the field.
    #[arg(long)]
    loopback_sources: bool,
}

/// When a run ends.
#[derive(Args, Clone, Copy, Debug)]
struct EndArgs {
    /// Length of the run after the ramp, s.
    #[arg(long)]
    duration_s: Option<u64>,
    /// End when standard input is closed: with the parent process.
    #[arg(long)]
    until_stdin_closes: bool,
}

/// Why a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Duration,
    Signal,
    StdinClosed,
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let done = match cli.command {
        Command::Run(args) => run::run(args),
        Command::Station(args) => single::run(args),
        Command::Chaos(args) => chaos::run(args),
        Command::ClusterChaos(args) => cluster_chaos::run(args),
        Command::Fleet(args) => fleet::run(args),
        Command::Partners(args) => partners::run(args),
        Command::Emsp(args) => emsp::run(args),
        Command::CheckPlan { file } => Plan::read(&file).and_then(|plan| print(&describe(&plan)?)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

// === impl ConnectArgs ===

impl ConnectArgs {
    fn passwords(&self, of_plan: Option<&String>) -> Passwords {
        match (&self.password, &self.password_secret, of_plan) {
            (Some(password), _, _) | (None, None, Some(password)) => Passwords::Same(password.clone()),
            (None, Some(secret), _) => Passwords::Derived(secret.clone()),
            (None, None, None) => Passwords::None,
        }
    }

    async fn dialers(&self) -> anyhow::Result<DialerOf> {
        let endpoint = Endpoint::read(&self.url)?;
        let addresses = endpoint.look_up().await?;
        let tls = self.tls(&endpoint)?;
        let with_sources = self.loopback_sources;
        let make = move |identity: &str| -> anyhow::Result<Arc<Dialer>> {
            let config = tls.as_ref().map(|files| files.config(identity)).transpose()?;
            let source = with_sources.then(|| loopback_source(identity));
            let transport = TcpTransport::new(Arc::clone(&addresses), &endpoint, config)?.from_source(source);
            Ok(Arc::new(Dialer::new(Box::new(transport), endpoint.clone())))
        };
        if self.cert_dir.is_some() || self.loopback_sources {
            return Ok(Box::new(make));
        }
        let shared = make("")?;
        Ok(Box::new(move |_| Ok(Arc::clone(&shared))))
    }

    fn tls(&self, endpoint: &Endpoint) -> anyhow::Result<Option<TlsFiles>> {
        if !endpoint.tls {
            return Ok(None);
        }
        let Some(ca) = &self.ca else { bail!("wss needs --ca FILE") };
        let identity = match (&self.cert, &self.key, &self.cert_dir) {
            (Some(chain), Some(key), _) => Identity::Shared { chain: chain.clone(), key: key.clone() },
            (_, _, Some(folder)) => Identity::Folder(folder.clone()),
            (_, _, None) => Identity::None,
        };
        TlsFiles::read(ca, identity, self.tls_resume).map(Some)
    }
}

/// Runs to the end or until a signal; what was started and mounted by then goes as the work is dropped.
fn run_whole<T>(threads: usize, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    runtime(threads)?.block_on(async {
        tokio::select! {
            done = work => done,
            told = signalled() => {
                told?;
                bail!("stopped by a signal before its end")
            }
        }
    })
}

/// Waits for SIGTERM or Ctrl-C.
async fn signalled() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        pressed = tokio::signal::ctrl_c() => pressed.context("listen for Ctrl-C"),
    }
}

// === impl EndArgs ===

impl EndArgs {
    /// Waits for the end of a run that lasts `duration` from now.
    async fn wait(self, duration: Option<Duration>) -> anyhow::Result<Ending> {
        let stdin_closed = self.until_stdin_closes.then(watch_stdin);
        let over = async {
            match duration {
                Some(duration) => tokio::time::sleep(duration).await,
                None => std::future::pending().await,
            }
        };
        let closed = async {
            match stdin_closed {
                // The watching thread ends with the stream, one way or the other.
                Some(closed) => closed.await.unwrap_or(()),
                None => std::future::pending().await,
            }
        };
        Ok(tokio::select! {
            () = over => Ending::Duration,
            () = closed => Ending::StdinClosed,
            told = signalled() => {
                told?;
                Ending::Signal
            }
        })
    }
}

/// Tells when standard input is at its end. A thread of its own, because a blocked read must not hold up the end of the run.
fn watch_stdin() -> oneshot::Receiver<()> {
    let (closed, told) = oneshot::channel();
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        let end = std::io::copy(&mut input, &mut std::io::sink());
        tracing::debug!(?end, "standard input closed");
        if closed.send(()).is_err() {
            tracing::debug!("the run had ended for another reason");
        }
    });
    told
}

fn runtime(threads: usize) -> anyhow::Result<tokio::runtime::Runtime> {
    let mut builder = if threads > 1 {
        tokio::runtime::Builder::new_multi_thread()
    } else {
        tokio::runtime::Builder::new_current_thread()
    };
    if threads > 1 {
        builder.worker_threads(threads);
    }
    builder.enable_all().build().context("start runtime")
}

fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("write to standard output")
}

fn read_version(text: &str) -> Result<Version, String> {
    Version::read(text).ok_or_else(|| format!("{text} is none of 1.6, 2.0.1, 2.1"))
}

fn describe(plan: &Plan) -> anyhow::Result<String> {
    let mut text =
        format!("{}: {} stations, ramp {:.1} s\n", plan.name, plan.stations(), plan.ramp().as_secs_f64());
    for group in &plan.groups {
        let make = group.make()?;
        text.push_str(&format!(
            "  {:<24} {:>6} x {:<9} {:<20} {} EVSEs of {} W at {}\n",
            group.identity(1),
            group.count,
            make.version.subprotocol(),
            make.model,
            make.evses,
            make.power.0,
            group.site
        ));
    }
    Ok(text)
}
