//! An operator who gives commands all the time, through any node that is ready, and notes what is said.
//!
//! A second one waits for stations that come back and orders something of each at once, until it answers: how long that takes is what a
//! driver who starts by app sees.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use super::TOKEN;
use super::balance::{Balanced, Target};
use crate::dial::percent_encoded;
use crate::oracle::http;
use crate::witness::Witness;

/// What is ordered: a heartbeat out of turn, which every station knows.
const ORDER: &str = r#"{"command":"trigger","message":"heartbeat"}"#;
/// By when a command must have ended, s; the caller waits a little longer.
pub(super) const DEADLINE_S: u32 = 10;
const WAIT_S: u32 = 20;
/// The same of raw actions, which are given to stations that do not answer.
const RAW_S: u32 = 45;
const PATIENCE: Duration = Duration::from_secs(50);
/// Commands under way at a time.
const UNDER_WAY_MAX: usize = 128;
/// Stations that came back and are ordered something of at a time, and how often it is looked for them.
const FIRST_MAX: usize = 16;
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Between two attempts at one of them, and how long they go on.
const AGAIN: Duration = Duration::from_millis(200);
const FIRST_PATIENCE: Duration = Duration::from_secs(30);

/// One attempt to give a command.
#[derive(Clone, Debug)]
pub(super) struct Try {
    pub(super) at: Instant,
    pub(super) took: Duration,
    /// As the API names it; `no end yet`, `HTTP 503`, or `no answer` where there was none.
    pub(super) outcome: String,
}

/// Everything that was noted.
#[derive(Debug, Default)]
struct Book {
    taken: BTreeSet<String>,
    tries: Vec<Try>,
    /// When those began that are under way.
    open: Vec<Instant>,
    /// How long stations that came back took until a command reached them; `None`: not within the patience.
    first: Vec<Option<Duration>>,
    /// Stations of which that is not known yet.
    first_open: usize,
}

/// Gives commands.
#[derive(Clone)]
pub(super) struct Desk {
    balance: Balanced,
    witness: Arc<Witness>,
    book: Arc<Mutex<Book>>,
}

/// Operators at work.
pub(super) struct Orders {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

// === impl Try ===

impl Try {
    /// The station has answered.
    pub(super) fn has_reached(&self) -> bool {
        has_reached(&self.outcome)
    }
}

/// The station has answered.
pub(super) fn has_reached(outcome: &str) -> bool {
    matches!(outcome, "accepted" | "rejected" | "call_error")
}

// === impl Desk ===

impl Desk {
    pub(super) fn new(balance: Balanced, witness: Arc<Witness>) -> Self {
        Self { balance, witness, book: Arc::default() }
    }

    /// Gives one command through a node, waits for its end and gives the outcome.
    pub(super) async fn order(&self, target: &Target, station: &str) -> String {
        let path = format!(
            "/api/v1/charging-stations/{}/commands?deadline_s={DEADLINE_S}&wait_s={WAIT_S}",
            percent_encoded(station)
        );
        self.post(target, &path, ORDER).await
    }

    /// Sends a station an action of its own version with this payload, and waits for the end as long as the API does.
    pub(super) async fn order_raw(
        &self,
        target: &Target,
        station: &str,
        (action, payload): (&str, &str),
    ) -> String {
        let path = format!(
            "/api/v1/charging-stations/{}/ocpp/{action}?deadline_s={RAW_S}&wait_s={RAW_S}",
            percent_encoded(station)
        );
        self.post(target, &path, payload).await
    }

    async fn post(&self, target: &Target, path: &str, body: &str) -> String {
        let Some(api) = target.api() else { return "node is down".to_owned() };
        let answer = match timeout(PATIENCE, http::send(api, "POST", path, TOKEN, body)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => return "no answer".to_owned(),
        };
        let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        let field = |name| body.get(name).and_then(Value::as_str).map(str::to_owned);
        match (answer.status, field("id")) {
            (200 | 202, Some(id)) => {
                self.lock().taken.insert(id);
                field("outcome").unwrap_or_else(|| "no end yet".to_owned())
            }
            (status, _) => format!("HTTP {status}"),
        }
    }

    /// Starts both operators: so many commands a second in all.
    pub(super) fn open(&self, per_s: u32) -> Orders {
        let (stop, told) = watch::channel(false);
        let mut tasks = JoinSet::new();
        tasks.spawn(self.clone().give(per_s, told.clone()));
        tasks.spawn(self.clone().greet(told));
        Orders { stop, tasks }
    }

    async fn give(self, per_s: u32, mut stop: watch::Receiver<bool>) {
        let mut next = interval(Duration::from_secs(1) / per_s.max(1));
        next.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let slots = Arc::new(Semaphore::new(UNDER_WAY_MAX));
        let mut under_way = JoinSet::new();
        loop {
            tokio::select! {
                _ = next.tick() => {}
                _ = stop.wait_for(|stop| *stop) => break,
            }
            let connected = self.witness.links().connected();
            let Some(station) = connected.get(fastrand::usize(..connected.len().max(1))).cloned() else {
                continue;
            };
            let Some((_, target)) = self.balance.pick() else { continue };
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { break };
            let (desk, target) = (self.clone(), target.clone());
            under_way.spawn(async move {
                let at = Instant::now();
                desk.lock().open.push(at);
                let outcome = desk.order(&target, &station).await;
                desk.lock().ended(Try { at, took: at.elapsed(), outcome });
                drop(slot);
            });
            while under_way.try_join_next().is_some() {}
        }
        under_way.join_all().await;
    }

    async fn greet(self, mut stop: watch::Receiver<bool>) {
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut seen = 0;
        let mut under_way = JoinSet::new();
        loop {
            tokio::select! {
                _ = look.tick() => {}
                _ = stop.wait_for(|stop| *stop) => break,
            }
            while under_way.try_join_next().is_some() {}
            let backs = self.witness.links().backs(seen);
            seen += backs.len();
            // Those that waited for their turn would be measured by it: of a crowd that comes back at once some are asked.
            for (station, back_at) in backs.into_iter().take(FIRST_MAX.saturating_sub(under_way.len())) {
                self.lock().first_open += 1;
                let desk = self.clone();
                under_way.spawn(async move {
                    let reached = desk.first(station, back_at).await;
                    let mut book = desk.lock();
                    book.first.extend(reached);
                    book.first_open -= 1;
                });
            }
        }
        under_way.join_all().await;
    }

    /// Orders something of a station that is just back until it answers: how long that took, `Some(None)` where it never did.
    async fn first(&self, station: Arc<str>, back_at: Instant) -> Option<Option<Duration>> {
        while back_at.elapsed() < FIRST_PATIENCE {
            if let Some((_, target)) = self.balance.pick() {
                let outcome = self.order(&target.clone(), &station).await;
                if has_reached(&outcome) {
                    return Some(Some(back_at.elapsed()));
                }
            }
            if !self.witness.links().connected().contains(&station) {
                // It lost its connection once more: nobody could reach it.
                return None;
            }
            sleep(AGAIN).await;
        }
        Some(None)
    }

    /// Ids of all commands that were taken.
    pub(super) fn taken(&self) -> BTreeSet<String> {
        self.lock().taken.clone()
    }

    /// Attempts that began since then and before now. Those under way are waited for: the slowest would be missing.
    pub(super) async fn tries(&self, since: Instant) -> Vec<Try> {
        let span = since..Instant::now();
        while self.lock().open.iter().any(|at| span.contains(at)) {
            sleep(LOOK_EVERY).await;
        }
        self.lock().tries.iter().filter(|one| span.contains(&one.at)).cloned().collect()
    }

    /// How long stations that came back took until a command reached them, or `None`. Those under way are waited for.
    pub(super) async fn first_orders(&self) -> Vec<Option<Duration>> {
        while self.lock().first_open > 0 {
            sleep(LOOK_EVERY).await;
        }
        self.lock().first.clone()
    }

    /// All nodes.
    pub(super) fn targets(&self) -> &[Target] {
        &self.balance.targets
    }

    /// Those that are meant to run.
    pub(super) fn targets_in_use(&self) -> impl Iterator<Item = &Target> {
        self.targets().iter().filter(|target| target.is_in_use())
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Book ===

impl Book {
    fn ended(&mut self, one: Try) {
        if let Some(place) = self.open.iter().position(|at| *at == one.at) {
            self.open.swap_remove(place);
        }
        self.tries.push(one);
    }
}

// === impl Orders ===

impl Orders {
    /// Gives no more, and waits for the end of those that were given.
    pub(super) async fn close(self) {
        self.stop.send_replace(true);
        self.tasks.join_all().await;
    }
}
