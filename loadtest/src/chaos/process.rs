//! A process under test: started, killed without warning, and started again at once, as its supervisor would.
//!
//! One task per process. Whoever needs what the process offers follows `Supervised::state`; while it is down that is `None`. A process that
//! ends in order, because a signal asked it to, is started again like one that was killed.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use futures_util::future::BoxFuture;
use serde::Serialize;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// How often a process that starts is asked whether it is ready.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// Before a process that ended by itself is started again.
const AGAIN: Duration = Duration::from_millis(200);
/// Starts in a row that come to nothing before the run is given up; a server that recovers takes a few.
const STARTS_MAX: u32 = 300;
/// Orders that wait; one is given at a time.
const ORDERS: usize = 1;

/// How a process is started, and how one knows that it is ready.
pub(super) struct Recipe<T> {
    /// Shown in messages.
    pub(super) name: String,
    /// The command, made anew for every start.
    pub(super) command: Box<dyn Fn() -> anyhow::Result<Command> + Send>,
    /// What the process offers once it is ready; `None` before.
    pub(super) ready: Box<dyn Fn() -> BoxFuture<'static, Option<T>> + Send>,
}

/// What became of a process in a round.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Fate {
    /// `kill -9` of a process that was ready.
    pub kills: u32,
    /// `kill -9` of a process that was still starting.
    pub kills_while_starting: u32,
    /// Starts that ended by themselves: it could not come up yet.
    pub failed_starts: u32,
    /// Ends by itself after it was ready: it was asked to.
    pub left: u32,
    /// Longest time from a start to ready, failed starts in between included, ms.
    pub ready_ms_max: u64,
}

/// A process that is started again whenever it ends.
pub(super) struct Supervised<T> {
    orders: mpsc::Sender<oneshot::Sender<()>>,
    state: watch::Receiver<Option<T>>,
    fate: Arc<Mutex<Fate>>,
    /// Process id of its present life; 0 while it has none.
    pid: Arc<AtomicU32>,
    /// While it is true, what ended is not started again.
    held: watch::Sender<bool>,
    task: JoinHandle<anyhow::Result<()>>,
}

/// How one life of a process ended.
enum Ending {
    Killed { told: oneshot::Sender<()>, was_ready: bool },
    ByItself,
    RunOver,
}

// === impl Supervised ===

impl<T: Send + Sync + 'static> Supervised<T> {
    /// Starts the process.
    pub(super) fn start(recipe: Recipe<T>) -> Self {
        let (orders, given) = mpsc::channel(ORDERS);
        let (told, state) = watch::channel(None);
        let fate = Arc::new(Mutex::new(Fate::default()));
        let (held, hold) = watch::channel(false);
        let pid = Arc::new(AtomicU32::new(0));
        let keeper = Keeper {
            recipe,
            orders: given,
            state: told,
            fate: Arc::clone(&fate),
            pid: Arc::clone(&pid),
            hold,
        };
        Self { orders, state, fate, pid, held, task: tokio::spawn(keeper.keep()) }
    }

    /// What the process offers, whenever it is ready.
    pub(super) fn state(&self) -> watch::Receiver<Option<T>> {
        self.state.clone()
    }

    /// `kill -9`, now.
    pub(super) async fn kill(&self) -> anyhow::Result<()> {
        let (told, killed) = oneshot::channel();
        self.orders.send(told).await.ok().context("the process is given up")?;
        killed.await.context("the process is given up")
    }

    /// From here on what ends stays down, or is started again.
    pub(super) fn hold(&self, held: bool) {
        self.held.send_replace(held);
    }

    /// Process id of its present life.
    pub(super) fn pid(&self) -> Option<u32> {
        Some(self.pid.load(Ordering::Acquire)).filter(|pid| *pid > 0)
    }

    /// Sends its present life a signal, such as `STOP`.
    pub(super) async fn signal(&self, name: &str) -> anyhow::Result<()> {
        let pid = self.pid().context("the process does not run")?;
        let sent = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status().await;
        ensure!(sent.context("run kill")?.success(), "process {pid} takes no {name}");
        Ok(())
    }

    /// Waits until it is down.
    pub(super) async fn down(&self, patience: Duration) -> anyhow::Result<()> {
        let mut state = self.state();
        let down = tokio::time::timeout(patience, state.wait_for(Option::is_none)).await;
        down.with_context(|| format!("the process still runs after {} s", patience.as_secs()))?
            .context("the process is given up")?;
        Ok(())
    }

    /// Waits until it is ready.
    pub(super) async fn ready(&self, patience: Duration) -> anyhow::Result<()> {
        let mut state = self.state();
        let ready = state.wait_for(Option::is_some);
        match tokio::time::timeout(patience, ready).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => bail!("the process is given up"),
            Err(_) => bail!("the process is not ready after {} s", patience.as_secs()),
        }
    }

    /// What became of it since this was asked last.
    pub(super) fn take_fate(&self) -> Fate {
        std::mem::take(&mut *lock(&self.fate))
    }

    /// Ends it for good.
    pub(super) async fn end(self) -> anyhow::Result<()> {
        drop(self.orders);
        self.task.await.context("the keeper of a process died")?
    }
}

struct Keeper<T> {
    recipe: Recipe<T>,
    orders: mpsc::Receiver<oneshot::Sender<()>>,
    state: watch::Sender<Option<T>>,
    fate: Arc<Mutex<Fate>>,
    pid: Arc<AtomicU32>,
    hold: watch::Receiver<bool>,
}

// === impl Keeper ===

impl<T> Keeper<T> {
    async fn keep(mut self) -> anyhow::Result<()> {
        let mut failed = 0;
        let mut down_since = Instant::now();
        loop {
            if !self.may_start().await {
                return Ok(());
            }
            let name = self.recipe.name.clone();
            let mut child = (self.recipe.command)()?.spawn().with_context(|| format!("start {name}"))?;
            self.pid.store(child.id().unwrap_or_default(), Ordering::Release);
            let ending = self.live(&mut child, down_since).await;
            self.pid.store(0, Ordering::Release);
            let was_ready = self.state.send_replace(None).is_some();
            match ending {
                Ending::RunOver => return child.kill().await.with_context(|| format!("end {name}")),
                Ending::Killed { told, was_ready } => {
                    child.kill().await.with_context(|| format!("kill {name}"))?;
                    let mut fate = lock(&self.fate);
                    if was_ready {
                        fate.kills += 1;
                    } else {
                        fate.kills_while_starting += 1;
                    }
                    if told.send(()).is_err() {
                        tracing::debug!(name, "killed, and nobody waits for it any more");
                    }
                    (failed, down_since) = (0, Instant::now());
                }
                Ending::ByItself => {
                    if was_ready {
                        lock(&self.fate).left += 1;
                        (failed, down_since) = (0, Instant::now());
                    } else {
                        lock(&self.fate).failed_starts += 1;
                        failed += 1;
                    }
                    if failed >= STARTS_MAX {
                        bail!("{name} does not start, see its log");
                    }
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    /// Waits while it is held down; `false` when the run ends meanwhile.
    async fn may_start(&mut self) -> bool {
        loop {
            tokio::select! {
                free = self.hold.wait_for(|held| !held) => return free.is_ok(),
                order = self.orders.recv() => match order {
                    // Whoever is down already is killed as good as ever.
                    Some(told) => drop(told.send(())),
                    None => return false,
                },
            }
        }
    }

    async fn live(&mut self, child: &mut Child, down_since: Instant) -> Ending {
        let mut is_ready = false;
        let mut ask = tokio::time::interval(ASK_EVERY);
        loop {
            tokio::select! {
                order = self.orders.recv() => return match order {
                    Some(told) => Ending::Killed { told, was_ready: is_ready },
                    None => Ending::RunOver,
                },
                _ = child.wait() => return Ending::ByItself,
                _ = ask.tick(), if !is_ready => {
                    if let Some(state) = (self.recipe.ready)().await {
                        is_ready = true;
                        self.state.send_replace(Some(state));
                        let took_ms = u64::try_from(down_since.elapsed().as_millis()).unwrap_or(u64::MAX);
                        let mut fate = lock(&self.fate);
                        fate.ready_ms_max = fate.ready_ms_max.max(took_ms);
                    }
                }
            }
        }
    }
}

// === impl Fate ===

impl Fate {
    /// Adds another round.
    pub(super) fn add(&mut self, other: &Self) {
        self.kills += other.kills;
        self.kills_while_starting += other.kills_while_starting;
        self.failed_starts += other.failed_starts;
        self.left += other.left;
        self.ready_ms_max = self.ready_ms_max.max(other.ready_ms_max);
    }

    /// Kills of both kinds.
    #[must_use]
    pub fn kills(&self) -> u32 {
        self.kills + self.kills_while_starting
    }
}

fn lock(fate: &Mutex<Fate>) -> MutexGuard<'_, Fate> {
    fate.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A command that dies with this process whatever kills it, runs as user and group `ids` where given, writes to the end of `log`,
/// and inherits no setting of ours.
pub(super) fn command(program: &Path, ids: Option<(u32, u32)>, log: &Path) -> anyhow::Result<Command> {
    let file = File::options().create(true).append(true).open(log);
    let file = file.with_context(|| format!("open {}", log.display()))?;
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if let Some((uid, gid)) = ids {
        command.args(["--reuid", &uid.to_string(), "--regid", &gid.to_string(), "--clear-groups"]);
    }
    command.arg("--").arg(program);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("RINGMAIN_") || name.starts_with("PG") {
            command.env_remove(&*name);
        }
    }
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).kill_on_drop(true);
    Ok(command)
}
