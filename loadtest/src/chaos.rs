//! The money run: a crowd that charges all the time against a node that is killed all the time, and an oracle that counts after it.
//!
//! Each round lets a crowd loose for a while, kills the node, and its PostgreSQL where the run has one, at moments drawn from the seed,
//! lets every queue drain, and asks the [`crate::oracle`]. The last verdict is about all rounds at once: what a round stored must
//! also have survived the kills of the rounds after it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use fastrand::Rng;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::clock::Clock;
use crate::crowd::{Crowd, DialerOf};
use crate::dial::{Dialer, Endpoint};
use crate::machine::Machine;
use crate::oracle::operator::Operator;
use crate::oracle::price::Price;
use crate::oracle::{Verdict, Violation, judge};
use crate::password::Passwords;
use crate::plan::Plan;
use crate::progress::say;
use crate::socket::Stop;
use crate::tally::Tally;
use crate::witness::{Name, Witness};

pub mod cluster;
pub mod partners;
pub mod postgres;
pub mod process;
pub mod proxy;
pub mod redis;
pub mod report;

mod moments;
mod node;
mod small_disk;
mod standby;

use moments::{Moments, Victim};
use node::{Addresses, Ground, Release, ToNode};
use postgres::Postgres;
use process::Supervised;
use report::{ChaosReport, Round};

/// How long a killed process may take until it is ready again, at the end of a round.
const READY: Duration = Duration::from_secs(60);
/// How long a system at rest may take until its verdict is clean: a bill may wait for its grace.
const SETTLE: Duration = Duration::from_secs(20);
/// Between two verdicts meanwhile.
const JUDGE_AGAIN: Duration = Duration::from_secs(1);
/// How long an aimed kill waits for a billing message.
const AIM: Duration = Duration::from_secs(1);
/// How long after a message an aimed kill comes, us: a commit and its answer take about so long.
const ANSWER_US: std::ops::Range<u64> = 0..8_000;
/// API key of the administrator; the node lives as long as the run and listens on loopback alone.
const TOKEN: &str = "rmk_of-the-money-run-and-of-nobody-else-0123456789";
/// What charging costs in the run.
const PRICE: Price = Price { fee_cents: 100, kwh_cents: 41 };
/// The URL's host and port are never dialled: the connection goes to where the node is now.
const URL: &str = "ws://127.0.0.1:9000/ocpp";
/// Lines of a log that are violations.
const PANIC_MARKS: [&str; 2] = ["panicked at", "PANIC:"];

/// Where the node under test keeps its facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreChoice {
    /// A file in its data folder.
    Sqlite,
    /// A private PostgreSQL, which is killed too.
    PrivatePostgres,
    /// This PostgreSQL, with a database nobody has used; it is not killed.
    Postgres(String),
}

/// What a run is made of.
#[derive(Clone, Debug)]
pub struct Course {
    /// The crowd.
    pub plan: Plan,
    /// The binary `ringmain`.
    pub node: PathBuf,
    /// Where it stores.
    pub store: StoreChoice,
    /// Rounds, 1 or more.
    pub rounds: u32,
    /// How long the kills of one round go on.
    pub round: Duration,
    /// Mean time between two kills of the node; those of PostgreSQL are half as many.
    pub kill_every: Duration,
    /// How long stations may take to deliver what they have once a round is over.
    pub drain: Duration,
    /// Everything random is drawn from it.
    pub seed: u64,
    /// The arguments, for the report.
    pub command: Vec<String>,
}

/// A run under way.
struct Run<'a> {
    course: &'a Course,
    node: Supervised<Addresses>,
    postgres: Option<Postgres>,
    witness: Arc<Witness>,
    /// Transactions whose messages a round before has looked for.
    judged: BTreeSet<Name>,
    node_log: PathBuf,
    /// Lines of panic that have been reported.
    panics_seen: usize,
}

/// Runs the whole course. The report tells what was violated; the folder with the logs stays where something was.
///
/// # Errors
/// A process cannot be started or does not come back, or the API does not answer: then nothing was proven.
pub async fn run(course: &Course) -> anyhow::Result<ChaosReport> {
    ensure!(course.rounds > 0, "no round proves nothing");
    let folder = tempfile::Builder::new().prefix("ringmain-chaos.").tempdir().context("make a folder")?;
    let postgres = match course.store {
        StoreChoice::PrivatePostgres => Some(Postgres::start().await.context("start a private PostgreSQL")?),
        StoreChoice::Sqlite | StoreChoice::Postgres(_) => None,
    };
    let store_url = match (&course.store, &postgres) {
        (StoreChoice::Postgres(url), _) => Some(url.clone()),
        (_, Some(postgres)) => Some(postgres.url.clone()),
        (_, None) => None,
    };
    let data = folder.path().join("data");
    std::fs::create_dir(&data).context("make the data folder")?;
    let node_log = folder.path().join("node.log");
    let ground = Ground {
        release: Release::new(
            course.node.canonicalize().with_context(|| format!("find {}", course.node.display()))?,
            None,
        ),
        folder: data,
        log: node_log.clone(),
        store_url,
        token: TOKEN.to_owned(),
        name: "node".to_owned(),
        settings: Vec::new(),
        environment: Vec::new(),
    };
    let node = Supervised::start(ground.recipe());
    let (witness, judged) = (Arc::new(Witness::default()), BTreeSet::new());
    let mut run = Run { course, node, postgres, witness, judged, node_log, panics_seen: 0 };
    let report = run.all().await;
    let is_clean = report.as_ref().is_ok_and(|report| report.violations_count() == 0);
    if !is_clean {
        let kept = folder.keep();
        say(&format!("the node's folder and log stay in {}", kept.display()));
    }
    run.node.end().await?;
    if let Some(postgres) = run.postgres {
        postgres.end().await?;
    }
    report
}

// === impl Course ===

impl Course {
    /// The store as the report names it.
    fn store_name(&self) -> &'static str {
        match self.store {
            StoreChoice::Sqlite => "sqlite",
            StoreChoice::PrivatePostgres => "postgres, killed too",
            StoreChoice::Postgres(_) => "postgres",
        }
    }
}

// === impl Run ===

impl Run<'_> {
    async fn all(&mut self) -> anyhow::Result<ChaosReport> {
        let (course, clock) = (self.course, Clock::start());
        say(&format!("chaos on {}: seed {}", course.store_name(), course.seed));
        self.ready().await?;
        self.operator()?.put_price(PRICE).await?;
        let mut rounds = Vec::new();
        for number in 1..=course.rounds {
            let round = self.round(number, clock).await.with_context(|| format!("round {number}"))?;
            say(&round.line());
            rounds.push(round);
        }
        let last = self.verdict(&BTreeSet::new()).await.context("judge all rounds")?;
        Ok(ChaosReport {
            plan: course.plan.name.clone(),
            seed: course.seed,
            command: course.command.clone(),
            store: course.store_name().to_owned(),
            stations: course.plan.stations(),
            started_at: clock.stamp(crate::unit::Moment::default()),
            duration_ms: millis(clock.now().since(crate::unit::Moment::default())),
            machine: Machine::look(),
            rounds,
            last,
        })
    }

    async fn round(&mut self, number: u32, clock: Clock) -> anyhow::Result<Round> {
        let course = self.course;
        let seed = course.seed.wrapping_add(u64::from(number));
        let plan = Plan { seed, ..course.plan.clone() };
        let tally = Arc::new(Tally::new(None)?.witnessed(Arc::clone(&self.witness)));
        let transport = ToNode::new(self.node.state());
        let dialer = Arc::new(Dialer::new(Box::new(transport), Endpoint::read(URL)?));
        let dialer_of: DialerOf = Box::new(move |_| Ok(Arc::clone(&dialer)));
        let passwords = Passwords::Derived("of the money run".to_owned());
        // What came before belongs to no round: the first start.
        self.node.take_fate();
        if let Some(postgres) = &self.postgres {
            postgres.process.take_fate();
        }
        let begun = Instant::now();
        let crowd = Crowd::start(&plan, &passwords, &dialer_of, clock, &tally, course.drain)?;
        self.kill_for_a_while(begun, seed).await?;
        let kills_end = Instant::now();
        crowd.tell(Stop::WindDown);
        // While stations deliver what they have queued, a process killed last comes back.
        let stuck = crowd.gone().await;
        let drain_ms = millis(kills_end.elapsed());
        self.ready().await?;
        let judging = Instant::now();
        let before = self.judged.clone();
        let mut verdict = self.verdict(&before).await?;
        if stuck > 0 {
            verdict.accuse(Violation::Stuck { stations: stuck });
        }
        self.judged.extend(self.witness.told().accounts.into_keys());
        let postgres = self.postgres.as_ref().map(|postgres| postgres.process.take_fate());
        Ok(Round::new(
            number,
            &tally,
            (self.node.take_fate(), postgres),
            (drain_ms, millis(judging.elapsed())),
            verdict,
        ))
    }

    async fn kill_for_a_while(&self, begun: Instant, seed: u64) -> anyhow::Result<()> {
        let mut rng = Rng::with_seed(seed);
        let with_postgres = self.postgres.is_some();
        let moments = Moments::draw(&mut rng, self.course.round, self.course.kill_every, with_postgres);
        for (after, victim) in moments {
            sleep_until(begun + after).await;
            self.aim(&mut rng).await;
            match (victim, &self.postgres) {
                (Victim::Node, _) => self.node.kill().await.context("kill the node")?,
                (Victim::Postgres, Some(postgres)) => {
                    postgres.process.kill().await.context("kill PostgreSQL")?;
                }
                (Victim::Postgres, None) => {}
            }
        }
        sleep_until(begun + self.course.round).await;
        Ok(())
    }

    /// Three kills of four hit the time between a message and its answer; the fourth comes whenever it comes.
    async fn aim(&self, rng: &mut Rng) {
        let (aimed, into) = (rng.u32(0..4) > 0, Duration::from_micros(rng.u64(ANSWER_US)));
        if aimed && timeout(AIM, self.witness.next_message()).await.is_ok() {
            sleep(into).await;
        }
    }

    async fn ready(&self) -> anyhow::Result<()> {
        if let Some(postgres) = &self.postgres {
            postgres.process.ready(READY).await.context("PostgreSQL")?;
        }
        self.node.ready(READY).await.context("node")
    }

    /// Judges until the verdict is clean or the time to settle is over. What is lost, double or wrong does not mend itself; what
    /// only waits does.
    async fn verdict(&mut self, skip: &BTreeSet<Name>) -> anyhow::Result<Verdict> {
        let deadline = Instant::now() + SETTLE;
        let mut verdict = loop {
            let told = self.witness.told();
            let verdict = judge(&self.operator()?, &told, skip).await?;
            if verdict.is_clean() || Instant::now() >= deadline {
                break verdict;
            }
            sleep(JUDGE_AGAIN).await;
        };
        self.accuse_panics(&mut verdict)?;
        Ok(verdict)
    }

    /// Asks the node where it is now.
    fn operator(&self) -> anyhow::Result<Operator> {
        let address = (*self.node.state().borrow()).context("the node is down")?.http;
        Ok(Operator::new(address, TOKEN).priced(PRICE))
    }

    fn accuse_panics(&mut self, verdict: &mut Verdict) -> anyhow::Result<()> {
        let mut logs = vec![("node", &self.node_log)];
        logs.extend(self.postgres.as_ref().map(|postgres| ("postgres", &postgres.log)));
        let mut panics = Vec::new();
        for (process, file) in logs {
            let bytes = std::fs::read(file).with_context(|| format!("read {}", file.display()))?;
            let text = String::from_utf8_lossy(&bytes);
            let wrong = text.lines().filter(|line| PANIC_MARKS.iter().any(|mark| line.contains(mark)));
            panics.extend(wrong.map(|line| Violation::Panicked {
                process: process.to_owned(),
                line: line.chars().take(300).collect(),
            }));
        }
        let seen = std::mem::replace(&mut self.panics_seen, panics.len());
        panics.into_iter().skip(seen).for_each(|panic| verdict.accuse(panic));
        Ok(())
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
