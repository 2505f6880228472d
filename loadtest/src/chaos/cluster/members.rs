//! The cluster under test: PostgreSQL, Redis and nodes of the run's own, with one certificate and one pepper for all nodes, and a
//! [`Proxy`] in every link that a case disturbs.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::super::node::{Addresses, Ground, Release};
use super::super::postgres::{Postgres, free_port};
use super::super::process::{Supervised, command};
use super::super::proxy::{Proxy, Target};
use super::super::redis::Redis;
use super::super::small_disk::SmallDisk;
use super::super::standby::Standby;
use super::cases::Case;
use super::{Lineup, TOKEN, clocks, disk, sites, standby};
use crate::machine::Usage;
use crate::oracle::{Violation, http};

/// How long a node may take until it is ready.
const READY: Duration = Duration::from_secs(60);
/// How often a balancer asks a node whether it is ready, and how long it waits for the answer.
const ASK_EVERY: Duration = Duration::from_millis(300);
const ANSWER: Duration = Duration::from_secs(1);
/// How long one that leaves may take.
const LEAVE: Duration = Duration::from_secs(180);
/// Sockets that a node closes in a second when it leaves, on the average, and the least time it is given.
const CLOSED_PER_S: usize = 30;
const DRAIN_MIN: Duration = Duration::from_secs(10);

/// What a run stands on.
pub(super) struct Grounds {
    pub(super) members: Vec<Member>,
    pub(super) postgres: Postgres,
    pub(super) redis: Redis,
    /// What stations trust, where they use TLS.
    pub(super) ca: Option<PathBuf>,
    /// What the files and the log of the first node are on, where that is to be full.
    pub(super) node_disk: Option<SmallDisk>,
    /// Who follows PostgreSQL, where somebody is to take its place.
    pub(super) standby: Option<Standby>,
    /// What nodes are started from.
    pub(super) release: Release,
    /// Settings that all nodes share.
    settings: Vec<(&'static str, String)>,
    folder: TempDir,
}

/// One node.
pub(super) struct Member {
    pub(super) name: String,
    pub(super) process: Supervised<Addresses>,
    pub(super) log: PathBuf,
    /// Links that can be disturbed, where the case wants them.
    pub(super) links: Option<Proxies>,
    well: watch::Receiver<bool>,
    standing: watch::Sender<Standing>,
    /// How often it was asked to leave.
    asked: AtomicU32,
    asking: JoinHandle<()>,
}

/// What a balancer is told to make of a node, beyond whether it is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It takes its share.
    In,
    /// It gets nobody new while there is another: it is about to leave.
    Leaving,
    /// It does not run, and is not meant to.
    Out,
}

/// The links of one node.
pub(super) struct Proxies {
    pub(super) stations: Proxy,
    pub(super) redis: Proxy,
    pub(super) postgres: Proxy,
    /// From all others to it.
    pub(super) peers: Proxy,
}

/// Files that all nodes share.
struct Papers<'a> {
    folder: &'a Path,
    tls: bool,
    /// How long a node that leaves takes to close its sockets.
    drain: Duration,
}

// === impl Grounds ===

impl Grounds {
    /// Starts everything as the case needs it.
    ///
    /// A node that leaves closes its sockets at a rate that suits so many stations.
    pub(super) async fn start(lineup: &Lineup, case: Case, stations: usize) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("ringmain-cluster.").tempdir()?;
        let (postgres, redis) = tokio::join!(Postgres::start_on(disk::postgres_mib(case)), Redis::start());
        let (postgres, redis) = (postgres.context("PostgreSQL")?, redis.context("Redis")?);
        let release = lineup.release()?;
        let drain = drain_of(stations / usize::from(lineup.nodes.max(1)));
        let papers = Papers { folder: folder.path(), tls: lineup.tls, drain };
        papers.write(&lineup.program).await?;
        let settings = papers.settings();
        let ca = lineup.tls.then(|| folder.path().join("pki/pki/ca.pem"));
        let (members, node_disk, standby) = (Vec::new(), None, None);
        let mut grounds =
            Self { members, postgres, redis, ca, node_disk, standby, release, settings, folder };
        grounds.standby = standby::of(case, &grounds.postgres).await?;
        grounds.node_disk = disk::of_a_node(case, &grounds.first_home()).await?;
        for number in 1..=lineup.nodes {
            // The first one makes the tables and the pepper, so it comes alone.
            let member = grounds.member(number, lineup, case).await?;
            member.process.ready(READY).await.with_context(|| member.name.clone())?;
            grounds.members.push(member);
        }
        if case.needs_spare() {
            let spare = grounds.member(lineup.nodes + 1, lineup, case).await?;
            spare.process.ready(READY).await.with_context(|| spare.name.clone())?;
            spare.leave_for_good().await?;
            grounds.members.push(spare);
        }
        Ok(grounds)
    }

    /// Where the first node keeps its files and its log.
    fn first_home(&self) -> PathBuf {
        self.folder.path().join("first")
    }

    async fn member(&self, number: u8, lineup: &Lineup, case: Case) -> anyhow::Result<Member> {
        let (tls, disturbed) = (lineup.tls, case.needs_proxies());
        let name = format!("node-{number}");
        let place = match &self.node_disk {
            Some(_) if number == 1 => self.first_home(),
            Some(_) | None => self.folder.path().to_owned(),
        };
        let home = place.join(&name);
        std::fs::create_dir(&home).with_context(|| format!("make {}", home.display()))?;
        let log = place.join(format!("{name}.log"));
        let cluster = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let (redis, postgres) = (local(self.redis.port), local(self.postgres.port));
        // Others reach it at another address of this machine, where the proxy listens.
        let host = Ipv4Addr::new(127, 0, 0, 20 + number);
        let (state_told, state) = watch::channel(None);
        let links = if disturbed {
            Some(
                Proxies::start(
                    [cluster, redis, postgres],
                    SocketAddr::from((host, cluster.port())),
                    state,
                    tls,
                )
                .await?,
            )
        } else {
            None
        };
        let seen = |proxy: Option<&Proxy>, else_at| proxy.map_or(else_at, Proxy::address);
        let redis = seen(links.as_ref().map(|links| &links.redis), redis);
        let postgres = seen(links.as_ref().map(|links| &links.postgres), postgres);
        let mut settings = self.settings.clone();
        settings.extend([
            ("LISTEN__CLUSTER", cluster.to_string()),
            ("CLUSTER__NODE", name.clone()),
            ("CLUSTER__REDIS", format!("redis://{redis}")),
        ]);
        if disturbed {
            settings.push(("CLUSTER__HOST", host.to_string()));
        }
        let ground = Ground {
            release: self.release.clone(),
            folder: home,
            log: log.clone(),
            store_url: Some(match &self.standby {
                Some(standby) => standby::url(postgres, standby),
                None => format!("postgres://ringmain@{postgres}/ringmain"),
            }),
            token: TOKEN.to_owned(),
            name: name.clone(),
            settings,
            environment: clocks::environment(case, number == lineup.nodes, self.folder.path())?,
        };
        let process = Supervised::start(ground.recipe());
        let (told, well) = watch::channel(false);
        let asking = tokio::spawn(ask_health(process.state(), told, state_told));
        let (standing, _) = watch::channel(Standing::In);
        Ok(Member { name, process, log, links, well, standing, asked: AtomicU32::new(0), asking })
    }

    /// Waits until every node is ready and says so.
    pub(super) async fn all_well(&self) -> anyhow::Result<()> {
        for member in self.members.iter().filter(|member| member.is_in_use()) {
            member.process.ready(READY).await.with_context(|| member.name.clone())?;
            let mut well = member.well();
            let asked = timeout(READY, well.wait_for(|well| *well)).await;
            asked.with_context(|| format!("{} is not ready after {} s", member.name, READY.as_secs()))??;
        }
        Ok(())
    }

    /// When the last of the nodes said that it is not ready; `None`: one never did within so long.
    pub(super) async fn all_unwell(&self, patience: Duration) -> Option<Instant> {
        let all = async {
            for member in self.members.iter().filter(|member| member.is_in_use()) {
                member.well().wait_for(|well| !well).await.ok()?;
            }
            Some(Instant::now())
        };
        timeout(patience, all).await.ok()?
    }

    /// What of each node's lives nobody asked for.
    pub(super) fn unasked_ends(&self) -> impl Iterator<Item = Violation> {
        self.members.iter().filter_map(|member| {
            let fate = member.process.take_fate();
            let times = fate.left.saturating_sub(member.asked.load(Ordering::Relaxed));
            let (process, failed_starts) = (member.name.clone(), fate.failed_starts);
            (times + failed_starts > 0).then_some(Violation::EndedByItself { process, times, failed_starts })
        })
    }

    /// Lays a text beside the logs, for whoever looks at them.
    pub(super) fn note(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let file = self.folder.path().join(name);
        std::fs::write(&file, text).with_context(|| format!("write {}", file.display()))
    }

    /// The file that says what the clock of the last node is off by, where a case wants it wrong.
    pub(super) fn clock_file(&self) -> PathBuf {
        clocks::file(self.folder.path())
    }

    /// Ends all processes; keeps the folder with the logs where something was wrong.
    pub(super) async fn end(self, keep: bool) -> anyhow::Result<Option<PathBuf>> {
        let home = self.first_home();
        for member in self.members {
            member.asking.abort();
            member.process.end().await?;
        }
        if let Some(standby) = self.standby {
            standby.end().await?;
        }
        self.redis.end().await?;
        self.postgres.end().await?;
        if keep && self.node_disk.is_some() {
            keep_logs(&home, self.folder.path())?;
        }
        Ok(keep.then(|| self.folder.keep()))
    }
}

/// What is on a disk in memory goes with it.
fn keep_logs(home: &Path, folder: &Path) -> anyhow::Result<()> {
    for file in std::fs::read_dir(home).with_context(|| format!("read {}", home.display()))? {
        let file = file?;
        if file.path().extension().is_some_and(|kind| kind == "log") {
            std::fs::copy(file.path(), folder.join(file.file_name())).context("keep a log")?;
        }
    }
    Ok(())
}

// === impl Member ===

impl Member {
    /// Whether a balancer sends somebody there.
    pub(super) fn well(&self) -> watch::Receiver<bool> {
        self.well.clone()
    }

    /// What the balancer makes of it.
    pub(super) fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }

    /// Tells the balancer what to make of it.
    pub(super) fn stand(&self, standing: Standing) {
        self.standing.send_replace(standing);
    }

    /// It is meant to run.
    pub(super) fn is_in_use(&self) -> bool {
        *self.standing.borrow() != Standing::Out
    }

    /// It is asked to leave, and is down when this ends.
    pub(super) async fn leave(&self) -> anyhow::Result<()> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.process.signal("TERM").await?;
        self.process.down(LEAVE).await.with_context(|| format!("{} leaves", self.name))
    }

    /// The same, and it is not started again.
    pub(super) async fn leave_for_good(&self) -> anyhow::Result<()> {
        self.process.hold(true);
        self.leave().await?;
        self.stand(Standing::Out);
        Ok(())
    }

    /// One that was out is started.
    pub(super) async fn join(&self) -> anyhow::Result<()> {
        self.stand(Standing::In);
        self.process.hold(false);
        self.process.ready(READY).await.with_context(|| self.name.clone())
    }

    /// Where it listens now.
    pub(super) fn addresses(&self) -> Option<Addresses> {
        *self.process.state().borrow()
    }

    /// Its memory, KiB.
    pub(super) fn rss_kib(&self) -> Option<u64> {
        self.process.pid().and_then(Usage::of).map(|usage| usage.rss_kib)
    }
}

// === impl Proxies ===

impl Proxies {
    async fn start(
        [cluster, redis, postgres]: [SocketAddr; 3],
        peers_at: SocketAddr,
        state: watch::Receiver<Option<Addresses>>,
        tls: bool,
    ) -> anyhow::Result<Self> {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let to = |address| -> Target { Box::new(move || Some(address)) };
        let node: Target = Box::new(move || state.borrow().map(|at| if tls { at.wss } else { at.ws }));
        let start =
            async |at, target| Proxy::start(at, target).await.with_context(|| format!("listen at {at}"));
        Ok(Self {
            stations: start(any, node).await?,
            redis: start(any, to(redis)).await?,
            postgres: start(any, to(postgres)).await?,
            peers: start(peers_at, to(cluster)).await?,
        })
    }
}

// === impl Papers ===

impl Papers<'_> {
    /// Certificates for links, and for stations where they use TLS.
    async fn write(&self, program: &Path) -> anyhow::Result<()> {
        let folder = |name: &str| self.folder.join(name).display().to_string();
        let mut makes = vec![vec![
            "node".to_owned(),
            "--ca".to_owned(),
            folder("ca"),
            "--out".to_owned(),
            folder("nodes"),
        ]];
        if self.tls {
            makes.push(vec!["init".to_owned(), "--data-dir".to_owned(), folder("pki")]);
        }
        for arguments in makes {
            let log = self.folder.join("pki.log");
            let made = command(program, None, &log)?.arg("pki").args(arguments).status().await;
            let made = made.context("run ringmain pki")?;
            ensure!(made.success(), "ringmain pki: {}", std::fs::read_to_string(&log).unwrap_or_default());
        }
        Ok(())
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        let file = |name: &str| self.folder.join(name).display().to_string();
        let mut settings = vec![
            ("STATIONS__PEPPER_FILE", file("pepper")),
            ("CLUSTER__CA", file("nodes/cluster-ca.pem")),
            ("CLUSTER__CERTIFICATE", file("nodes/node.pem")),
            ("CLUSTER__KEY", file("nodes/node.key")),
            ("CLUSTER__DRAIN_NOTICE_S", "2".to_owned()),
            ("CLUSTER__DRAIN_S", self.drain.as_secs().to_string()),
            ("LOAD__GUARD_S", sites::GUARD.as_secs().to_string()),
            ("LOAD__GRANT_S", sites::TTL.as_secs().to_string()),
        ];
        if self.tls {
            settings.extend([
                ("TLS__CERTIFICATE", file("pki/pki/server.pem")),
                ("TLS__KEY", file("pki/pki/server.key")),
                ("TLS__CLIENT_CA", file("pki/pki/ca.pem")),
            ]);
        }
        settings
    }
}

/// How long a node takes to close so many sockets, so that no more than 50 stations a second come back (C9).
fn drain_of(stations: usize) -> Duration {
    Duration::from_secs(u64::try_from(stations / CLOSED_PER_S).unwrap_or(u64::MAX)).max(DRAIN_MIN)
}

/// Asks a node again and again whether it is ready, as a balancer does.
async fn ask_health(
    state: watch::Receiver<Option<Addresses>>,
    told: watch::Sender<bool>,
    state_told: watch::Sender<Option<Addresses>>,
) {
    let mut ask = interval(ASK_EVERY);
    ask.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ask.tick().await;
        let now = *state.borrow();
        state_told.send_replace(now);
        let is_well = match now {
            None => false,
            Some(at) => {
                let asked = timeout(ANSWER, http::send(at.ops, "GET", "/readyz", "", "")).await;
                matches!(asked, Ok(Ok(answer)) if answer.status == 200)
            }
        };
        told.send_if_modified(|well| std::mem::replace(well, is_well) != is_well);
    }
}
