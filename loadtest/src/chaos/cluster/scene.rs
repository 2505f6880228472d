//! The frame of every case: a cluster and a crowd come up, the fault happens, everything comes to rest, the oracle looks.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::{StreamExt as _, stream};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::balance::Balanced;
use super::cases::Case;
use super::members::{Grounds, Member};
use super::orders::{Desk, Orders, has_reached};
use super::report::{CaseReport, FIRST_OF_ALL, Figure};
use super::sites::{Remote, Sites};
use super::{
    ClusterCourse, Lineup, TOKEN, clocks, cuts, disk, duels, faults, floods, guesses, owners, queues, slow,
    standby,
};
use crate::chaos::PANIC_MARKS;
use crate::clock::Clock;
use crate::crowd::{Crowd, DialerOf};
use crate::dial::{Dialer, Endpoint};
use crate::machine::Machine;
use crate::oracle::operator::Operator;
use crate::oracle::price::Price;
use crate::oracle::{Verdict, Violation, commands, http, judge};
use crate::password::Passwords;
use crate::plan::Plan;
use crate::progress::say;
use crate::socket::Stop;
use crate::tally::{Count, Tally};
use crate::witness::Witness;

/// What charging costs in the run.
const PRICE: Price = Price { fee_cents: 100, kwh_cents: 41 };
/// How long a crowd may take to be connected, beyond its ramp, and to be connected again after a fault.
const ARRIVAL: Duration = Duration::from_secs(90);
/// Between two looks at what is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long a route may be wrong when there is no fault any more (R5).
const ROUTES: Duration = Duration::from_secs(30);
/// Stations asked at a time when routes are looked at.
const ASKED_AT_ONCE: usize = 32;
/// How long a system at rest may take until its verdict is clean, and between two of them.
const SETTLE: Duration = Duration::from_secs(40);
const JUDGE_AGAIN: Duration = Duration::from_secs(1);
/// As the C library words it.
const NO_SPACE: &str = "No space left on device";
/// What passwords are derived from.
pub(super) const SECRET: &str = "of the cluster run";

/// A case under way.
pub(super) struct Scene<'a> {
    pub(super) course: &'a ClusterCourse,
    pub(super) grounds: Grounds,
    pub(super) witness: Arc<Witness>,
    pub(super) tally: Arc<Tally>,
    pub(super) desk: Desk,
    pub(super) sites: Sites,
    /// Stations behind a link of their own, where the case wants it.
    pub(super) remote: Option<Remote>,
    pub(super) figures: Vec<Figure>,
    /// What a case itself saw that must not be.
    pub(super) wrong: Vec<Violation>,
    stations: usize,
    clock: Clock,
}

/// Plays one case from its first process to its verdict.
pub(super) async fn play(course: &ClusterCourse, case: Case) -> anyhow::Result<CaseReport> {
    let began = Instant::now();
    let grounds = Grounds::start(&course.lineup, case, course.plan.stations()).await?;
    let balance = Balanced::new(&grounds.members, grounds.ca.as_deref())?;
    let witness = Arc::new(Witness::default());
    let tally = Arc::new(Tally::new(None)?.witnessed(Arc::clone(&witness)));
    let desk = Desk::new(balance.clone(), Arc::clone(&witness));
    let stations = course.plan.stations();
    let sites = Sites::of(&course.plan);
    let (figures, wrong, remote) = (Vec::new(), Vec::new(), None);
    let mut scene = Scene {
        course,
        grounds,
        witness,
        tally,
        desk,
        sites,
        remote,
        figures,
        wrong,
        stations,
        clock: Clock::start(),
    };
    let played = scene.act(case, balance).await;
    let keep = !played.as_ref().is_ok_and(|(_, verdict)| verdict.is_clean());
    let connections_lost = scene.tally.of(Count::ConnectionLost);
    let figures = scene.figures;
    if let Some(kept) = scene.grounds.end(keep).await? {
        say(&format!("the nodes' folders and logs stay in {}", kept.display()));
    }
    let (setting, verdict) = played?;
    let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let commit = Machine::look().commit;
    Ok(CaseReport { case, setting, commit, duration_ms, connections_lost, figures, verdict })
}

// === impl Scene ===

impl Scene<'_> {
    async fn act(&mut self, case: Case, balance: Balanced) -> anyhow::Result<(String, Verdict)> {
        self.grounds.all_well().await?;
        self.operator()?.put_price(PRICE).await?;
        self.draw_sites(case, &balance).await?;
        let crowd = self.crowd(balance, case)?;
        self.all_connected("the crowd comes", self.course.plan.ramp() + ARRIVAL).await?;
        let first = self.desk.targets().first().context("no nodes")?;
        self.sites.come_into_use(first, self.witness.draws()).await?;
        let orders = self.desk.open(self.course.orders_per_s);
        let memory = self.memory();
        let setting = match case {
            Case::C1 => faults::kill_nodes(self).await,
            Case::C3 => faults::lose_redis(self).await,
            Case::C4 => faults::kill_postgres(self).await,
            Case::C5 => faults::miss_postgres(self).await,
            Case::C7 => faults::partition(self).await,
            Case::C8 => faults::storm(self).await,
            Case::C9 => faults::roll(self).await,
            Case::C2 => duels::sleepers(self).await,
            Case::C10 => duels::doubles(self).await,
            Case::C11 => duels::half_open(self).await,
            Case::C17 => owners::two(self).await,
            Case::C18 => cuts::cut(self).await,
            Case::C12 => slow::consumers(self).await,
            Case::C6 => standby::take_over(self).await,
            Case::C13 => floods::all_kinds(self).await,
            Case::C14 => guesses::at_passwords(self).await,
            Case::C15 => disk::full(self).await,
            Case::C16 => clocks::jump(self).await,
            Case::C21 => queues::flush(self).await,
        }?;
        let verdict = self.come_to_rest(crowd, orders, memory).await?;
        let Lineup { nodes, tls, .. } = self.course.lineup;
        let tls = if tls { " over TLS" } else { "" };
        Ok((format!("{nodes} nodes, {} stations{tls}; {setting}", self.stations), verdict))
    }

    /// Trees of circuits, before the crowd comes.
    async fn draw_sites(&mut self, case: Case, balance: &Balanced) -> anyhow::Result<()> {
        let first = self.desk.targets().first().context("no nodes")?;
        self.sites.draw(first, &Passwords::Derived(SECRET.to_owned())).await?;
        self.witness.draws().watch(self.sites.stations());
        if case == Case::C18 {
            self.remote = Some(self.sites.remote(balance).await?);
        }
        Ok(())
    }

    fn crowd(&self, balance: Balanced, case: Case) -> anyhow::Result<Crowd> {
        let mut plan = Plan { seed: self.course.seed, ..self.course.plan.clone() };
        clocks::misread(case, &mut plan);
        let dialer = |by: Balanced| {
            anyhow::Ok(Arc::new(Dialer::new(Box::new(by), Endpoint::read("ws://127.0.0.1:9000/ocpp")?)))
        };
        let remote = self.remote.as_ref().map(|remote| {
            anyhow::Ok((remote.stations.clone(), dialer(balance.by_way_of(remote.link.address()))?))
        });
        let (remote, near) = (remote.transpose()?, dialer(balance)?);
        let dialer_of: DialerOf = Box::new(move |identity| {
            let far = remote.as_ref().filter(|(stations, _)| stations.contains(identity));
            Ok(Arc::clone(far.map_or(&near, |(_, far)| far)))
        });
        let passwords = Passwords::Derived(SECRET.to_owned());
        Crowd::start(&plan, &passwords, &dialer_of, self.clock, &self.tally, self.course.drain)
    }

    /// The operators leave, routes are compared with sockets, the crowd leaves, and the oracle looks.
    async fn come_to_rest(
        &mut self,
        crowd: Crowd,
        orders: Orders,
        memory: Vec<Memory>,
    ) -> anyhow::Result<Verdict> {
        self.grounds.all_well().await?;
        self.all_connected("the crowd is back", ARRIVAL).await?;
        orders.close().await;
        let unreached = self.unreached().await;
        self.remember_growth(&memory);
        let drain = Instant::now();
        let limits = self.sites.judge(self.witness.draws(), drain)?;
        crowd.tell(Stop::WindDown);
        let stuck = crowd.gone().await;
        self.figures.push(Figure::told("all queues drained after", seconds(drain.elapsed())));
        self.leftover_routes().await?;
        let mut verdict = self.verdict().await?;
        if stuck > 0 {
            verdict.accuse(Violation::Stuck { stations: stuck });
        }
        unreached
            .into_iter()
            .chain(std::mem::take(&mut self.wrong))
            .for_each(|violation| verdict.accuse(violation));
        self.accuse_panics(&mut verdict)?;
        self.grounds.unasked_ends().for_each(|violation| verdict.accuse(violation));
        let of_limits = self.sites.sum_up(limits, drain, &mut verdict);
        self.figures.iter().filter_map(Figure::violation).for_each(|violation| verdict.accuse(violation));
        if !verdict.is_clean() {
            self.grounds.note("draws.csv", &self.witness.draws().table(self.clock)?)?;
        }
        self.sum_up(&verdict);
        self.figures.extend(of_limits);
        Ok(verdict)
    }

    /// Waits until all stations of the crowd are connected.
    pub(super) async fn all_connected(&self, what: &str, patience: Duration) -> anyhow::Result<Duration> {
        let since = Instant::now();
        loop {
            let connected = self.witness.links().connected().len();
            if connected >= self.stations {
                return Ok(since.elapsed());
            }
            if since.elapsed() > patience {
                bail!(
                    "{what}: {connected} of {} stations are connected after {} s; refused: {:?}",
                    self.stations,
                    patience.as_secs(),
                    self.tally.refusals()
                );
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until something was written through each node.
    pub(super) async fn all_write(&self, patience: Duration) -> anyhow::Result<()> {
        let since = Instant::now();
        for place in 0..self.grounds.members.len() {
            while let Err(error) = self.operator_of(place)?.put_price(PRICE).await {
                if since.elapsed() > patience {
                    return Err(error).with_context(|| format!("node {place} writes nothing"));
                }
                sleep(LOOK_EVERY).await;
            }
        }
        Ok(())
    }

    /// Who looks after the API of a node that is ready.
    pub(super) fn operator(&self) -> anyhow::Result<Operator> {
        let member = self.grounds.members.iter().find(|member| *member.well().borrow());
        let at = member.and_then(Member::addresses).context("no node is ready")?;
        Ok(Operator::new(at.http, TOKEN).priced(PRICE))
    }

    /// Who looks after the API of one node, by its place.
    pub(super) fn operator_of(&self, place: usize) -> anyhow::Result<Operator> {
        let member = self.grounds.members.get(place).and_then(Member::addresses);
        Ok(Operator::new(member.context("the node is down")?.http, TOKEN))
    }

    /// Every connected station is ordered something through every node.
    async fn unreached(&self) -> Vec<Violation> {
        let connected = self.witness.links().connected();
        let pairs =
            connected.iter().flat_map(|station| self.desk.targets_in_use().map(move |node| (station, node)));
        let asked = stream::iter(pairs).map(async |(station, node)| {
            let until = Instant::now() + ROUTES;
            loop {
                let outcome = self.desk.order(node, station).await;
                if has_reached(&outcome) {
                    return None;
                }
                if Instant::now() >= until {
                    let (station, node) = (station.to_string(), node.name.clone());
                    return Some(Violation::Unreached { station, node, outcome });
                }
                sleep(JUDGE_AGAIN).await;
            }
        });
        asked.buffer_unordered(ASKED_AT_ONCE).filter_map(std::future::ready).collect().await
    }

    /// Nobody is connected any more: no node may count a connection, and no route may be left.
    async fn leftover_routes(&mut self) -> anyhow::Result<()> {
        let until = Instant::now() + ROUTES;
        loop {
            let (left, routes) = (self.connections_told().await?, self.grounds.redis.routes().await?);
            let met = left == 0 && routes == 0;
            if met || Instant::now() >= until {
                self.figures.push(Figure::must(FIRST_OF_ALL, "0, 0", format!("{left}, {routes}"), met));
                return Ok(());
            }
            sleep(JUDGE_AGAIN).await;
        }
    }

    /// Connections of all nodes, as one of them tells.
    pub(super) async fn connections_told(&self) -> anyhow::Result<u64> {
        let member = self.grounds.members.iter().find_map(Member::addresses).context("no node runs")?;
        let answer = http::send(member.http, "GET", "/api/v1/nodes", TOKEN, "").await?;
        let list: Value = serde_json::from_str(&answer.body).context("read the nodes")?;
        let nodes = list.get("items").and_then(Value::as_array).context("the nodes have no items")?;
        Ok(nodes.iter().filter_map(|node| node.get("connections").and_then(Value::as_u64)).sum())
    }

    async fn verdict(&self) -> anyhow::Result<Verdict> {
        let until = Instant::now() + SETTLE;
        loop {
            let operator = self.operator()?;
            let mut verdict =
                judge(&operator, &self.witness.told(), &std::collections::BTreeSet::new()).await?;
            let stored = commands::read_all(&operator).await?;
            commands::compare(&stored, &self.desk.taken(), &self.witness.links().calls(), &mut verdict);
            if verdict.is_clean() || Instant::now() >= until {
                return Ok(verdict);
            }
            sleep(JUDGE_AGAIN).await;
        }
    }

    fn accuse_panics(&self, verdict: &mut Verdict) -> anyhow::Result<()> {
        let members = self.grounds.members.iter().map(|member| (member.name.as_str(), &member.log));
        for (name, file) in members.chain([("postgres", &self.grounds.postgres.log)]) {
            let file: &PathBuf = file;
            let bytes = std::fs::read(file).with_context(|| format!("read {}", file.display()))?;
            let text = String::from_utf8_lossy(&bytes);
            let marked = text.lines().filter(|line| PANIC_MARKS.iter().any(|mark| line.contains(mark)));
            // PostgreSQL ends itself where its log of writes has no room: that is what it should do.
            let is_full = name == "postgres" && self.grounds.postgres.disk.is_some();
            for line in marked.filter(|line| !(is_full && line.contains(NO_SPACE))) {
                verdict.accuse(Violation::Panicked {
                    process: name.to_owned(),
                    line: line.chars().take(300).collect(),
                });
            }
        }
        Ok(())
    }

    /// Figures that every case has.
    fn sum_up(&mut self, verdict: &Verdict) {
        let of =
            |wanted: fn(&Violation) -> bool| verdict.violations.iter().filter(|found| wanted(found)).count();
        let lost = of(|found| matches!(found, Violation::Lost { .. } | Violation::Altered { .. }));
        let double = of(|found| matches!(found, Violation::BilledTwice { .. } | Violation::Invented { .. }));
        let late =
            of(|found| matches!(found, Violation::CommandLate { .. } | Violation::CommandUnended { .. }));
        let unlike =
            of(|found| matches!(found, Violation::CallsUnlike { .. } | Violation::CommandLost { .. }));
        let given_up = of(|found| matches!(found, Violation::Discarded { .. }));
        let unreached = of(|found| matches!(found, Violation::Unreached { .. }));
        let zero = |what: &str, count: usize, all: usize, of: &str| {
            Figure::held(what, "0", format!("{count} of {all} {of}"), count == 0)
        };
        self.figures.extend([
            zero("acknowledged messages lost", lost, verdict.messages, "messages"),
            zero("transactions billed twice or out of nothing", double, verdict.ended, "ended"),
            Figure::held(
                "energy billed, and by the stations' meters",
                "equal",
                format!("{} Wh, {} Wh", verdict.billed_wh, verdict.true_wh),
                i128::from(verdict.billed_wh) == i128::from(verdict.true_wh),
            ),
            zero("billing messages given up", given_up, verdict.messages, "messages"),
            zero("commands without end by deadline + 5 s", late, verdict.commands, "commands"),
            zero(
                "commands that arrived otherwise than their outcome says",
                unlike,
                verdict.commands,
                "commands",
            ),
            zero(
                "connected stations a node could not reach at the end",
                unreached,
                self.stations,
                "stations",
            ),
        ]);
    }

    fn memory(&self) -> Vec<Memory> {
        self.grounds.members.iter().map(|member| (member.process.pid(), member.rss_kib())).collect()
    }

    /// How much nodes have grown that live as long as the case.
    fn remember_growth(&mut self, before: &[Memory]) {
        let after = self.memory();
        let grown = before.iter().zip(&after).filter_map(|((pid, old), (same, new))| {
            let (old, new) = ((*old)?, (*new)?);
            (pid == same && old > 0).then(|| (new.saturating_sub(old) * 100 / old, new))
        });
        let growth = match grown.max() {
            Some((percent, kib)) => format!("{percent} % to {} MiB", kib / 1_024),
            None => "all were restarted".to_owned(),
        };
        self.figures
            .push(Figure::told("growth of a node's memory at most (10 % wanted of a warm one)", growth));
    }
}

/// Process and memory of a node, KiB.
type Memory = (Option<u32>, Option<u64>);

/// In seconds with one digit.
pub(super) fn seconds(span: Duration) -> String {
    format!("{:.1} s", span.as_secs_f64())
}

/// The value below which so many of a hundred lie; zero where there is none.
pub(super) fn percentile(values: &mut [Duration], percent: usize) -> Duration {
    values.sort_unstable();
    let place = (values.len() * percent).div_ceil(100).saturating_sub(1);
    values.get(place).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_nearest_rank() {
        let mut values: Vec<_> = (1..=200).map(Duration::from_millis).collect();
        values.reverse();
        assert_eq!(percentile(&mut values, 99), Duration::from_millis(198));
        assert_eq!(percentile(&mut values, 50), Duration::from_millis(100));
        assert_eq!(percentile(&mut [], 99), Duration::ZERO);
    }
}
