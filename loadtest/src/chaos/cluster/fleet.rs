//! No fault: as many stations as a machine holds, on the nodes of a cluster. What they cost in memory and processor time, how long they
//! wait, and what a command costs that is given to another node than its station's.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde::Serialize;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::balance::{Balanced, Target};
use super::cases::Case;
use super::members::{Grounds, Member};
use super::orders::{Desk, has_reached};
use super::scene::{SECRET, percentile};
use super::{Lineup, TOKEN};
use crate::clock::Clock;
use crate::crowd::{Crowd, DialerOf};
use crate::dial::{Dialer, Endpoint, percent_encoded};
use crate::machine::{Machine, Usage};
use crate::oracle::http;
use crate::password::Passwords;
use crate::plan::Plan;
use crate::progress::say;
use crate::socket::Stop;
use crate::tally::{Count, LatencyFigures, Tally};
use crate::witness::Witness;

/// How long a crowd may take to be there, beyond its ramp.
const ARRIVAL: Duration = Duration::from_secs(120);
/// Between two looks at what is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long stations may take to leave.
const DEPARTURE: Duration = Duration::from_secs(60);
/// Pairs of commands that are given and not counted.
const WARM: usize = 20;
/// What a command through another node may cost more, at the 99th percentile.
const ADDED_MAX: Duration = Duration::from_millis(5);

/// What a run is made of.
#[derive(Clone, Debug)]
pub struct FleetCourse {
    /// The stations.
    pub plan: Plan,
    /// The nodes.
    pub lineup: Lineup,
    /// How long all of them stay, once they are there.
    pub stay: Duration,
    /// Commands, each way.
    pub orders: usize,
    /// The arguments, for the report.
    pub command: Vec<String>,
}

/// What it came to.
#[derive(Clone, Debug, Serialize)]
pub struct FleetReport {
    /// The arguments.
    pub command: Vec<String>,
    /// Where it was measured.
    pub machine: Machine,
    /// Stations in all.
    pub stations: usize,
    /// From the first dial until all were booted, ms.
    pub arrival_ms: u64,
    /// How long they stayed, ms.
    pub stay_ms: u64,
    /// Messages of stations that were answered meanwhile.
    pub answered: u64,
    /// Connections that went away under a station.
    pub lost: u64,
    /// Attempts to connect that were refused.
    pub refused: u64,
    /// One for each node.
    pub nodes: Vec<NodeFigures>,
    /// From the station's side, over the whole run.
    pub latencies: Vec<LatencyFigures>,
    /// Commands at the station's own node.
    pub own: Spread,
    /// Commands through another node.
    pub other: Spread,
}

/// What a node used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NodeFigures {
    /// Its name.
    pub name: String,
    /// Connections, as the cluster tells.
    pub connections: u64,
    /// Memory before the first station, when all had come, and after their stay, KiB.
    pub rss_kib: [u64; 3],
    /// Processor time of the arrival and of the stay, ms.
    pub cpu_ms: [u64; 2],
}

/// How long commands took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Spread {
    /// How many.
    pub count: usize,
    /// Half of them took no longer, µs.
    pub p50_us: u64,
    /// 99 of a hundred took no longer, µs.
    pub p99_us: u64,
    /// The longest, µs.
    pub max_us: u64,
}

/// Measures.
///
/// # Errors
/// A process cannot be started, stations do not come, or a command does not reach its station: then nothing was measured.
pub async fn run(course: &FleetCourse) -> anyhow::Result<FleetReport> {
    course.lineup.check()?;
    let stations = course.plan.stations();
    let grounds = Grounds::start(&course.lineup, Case::PLAIN, stations).await?;
    let measured = measure(course, &grounds).await;
    grounds.end(false).await?;
    measured
}

async fn measure(course: &FleetCourse, grounds: &Grounds) -> anyhow::Result<FleetReport> {
    grounds.all_well().await?;
    let stations = course.plan.stations();
    let balance = Balanced::new(&grounds.members, grounds.ca.as_deref())?;
    let witness = Arc::new(Witness::default());
    let tally = Arc::new(Tally::new(None)?.witnessed(Arc::clone(&witness)));
    let desk = Desk::new(balance.clone(), witness);
    let (before, begun) = (usage(grounds)?, Instant::now());
    let crowd = crowd(course, balance, &tally)?;
    all_booted(&tally, stations, course.plan.ramp() + ARRIVAL).await?;
    let arrival = begun.elapsed();
    say(&format!("{stations} stations are there after {:.1} s", arrival.as_secs_f64()));
    let (there, answered_before, since) = (usage(grounds)?, answered(&tally), Instant::now());
    sleep(course.stay).await;
    let (after, answered, stay) = (usage(grounds)?, answered(&tally) - answered_before, since.elapsed());
    let connections = connections(grounds).await?;
    let (own, other) = orders(&desk, course).await?;
    let (lost, refused) = (tally.of(Count::ConnectionLost), tally.of(Count::ConnectionRefused));
    crowd.tell(Stop::WindDown);
    let stuck = crowd.gone().await;
    ensure!(stuck == 0, "{stuck} stations did not leave");
    let nodes = grounds.members.iter().enumerate().map(|(place, member)| {
        let [before, there, after] =
            [&before, &there, &after].map(|all| all.get(place).copied().unwrap_or_default());
        NodeFigures {
            name: member.name.clone(),
            connections: connections
                .iter()
                .find(|(name, _)| *name == member.name)
                .map_or(0, |(_, count)| *count),
            rss_kib: [before, there, after].map(|used| used.rss_kib),
            cpu_ms: [there.cpu_ms.saturating_sub(before.cpu_ms), after.cpu_ms.saturating_sub(there.cpu_ms)],
        }
    });
    Ok(FleetReport {
        command: course.command.clone(),
        machine: Machine::look(),
        stations,
        arrival_ms: millis(arrival),
        stay_ms: millis(stay),
        answered,
        lost,
        refused,
        nodes: nodes.collect(),
        latencies: tally.latencies(),
        own,
        other,
    })
}

fn crowd(course: &FleetCourse, balance: Balanced, tally: &Arc<Tally>) -> anyhow::Result<Crowd> {
    let dialer = Arc::new(Dialer::new(Box::new(balance), Endpoint::read("ws://127.0.0.1:9000/ocpp")?));
    let dialer_of: DialerOf = Box::new(move |_| Ok(Arc::clone(&dialer)));
    let passwords = Passwords::Derived(SECRET.to_owned());
    Crowd::start(&course.plan, &passwords, &dialer_of, Clock::start(), tally, DEPARTURE)
}

async fn all_booted(tally: &Tally, stations: usize, patience: Duration) -> anyhow::Result<()> {
    let (since, wanted) = (Instant::now(), u64::try_from(stations)?);
    while tally.accepted_now() < wanted {
        if since.elapsed() > patience {
            bail!(
                "{} of {wanted} stations are there after {} s; refused: {:?}",
                tally.accepted_now(),
                patience.as_secs(),
                tally.refusals()
            );
        }
        sleep(LOOK_EVERY).await;
    }
    Ok(())
}

fn usage(grounds: &Grounds) -> anyhow::Result<Vec<Usage>> {
    let of = |member: &Member| {
        let used = member.process.pid().and_then(Usage::of);
        used.with_context(|| format!("{} does not run", member.name))
    };
    grounds.members.iter().map(of).collect()
}

/// Calls of stations that were answered so far.
fn answered(tally: &Tally) -> u64 {
    let of_messages = |figures: &LatencyFigures| figures.kind != "connect";
    tally.latencies().iter().filter(|figures| of_messages(figures)).map(|figures| figures.service.count).sum()
}

/// Connections of each node, as one of them tells.
async fn connections(grounds: &Grounds) -> anyhow::Result<Vec<(String, u64)>> {
    let at = grounds.members.iter().find_map(Member::addresses).context("no node runs")?;
    let answer = http::send(at.http, "GET", "/api/v1/nodes", TOKEN, "").await?;
    let list: Value = serde_json::from_str(&answer.body).context("read the nodes")?;
    let items = list.get("items").and_then(Value::as_array).context("the nodes have no items")?;
    let of = |node: &Value| {
        let name = node.get("name")?.as_str()?;
        Some((name.to_owned(), node.get("connections")?.as_u64()?))
    };
    Ok(items.iter().filter_map(of).collect())
}

/// One command after the other, of a station drawn anew each time: at its node and through another, in turn.
async fn orders(desk: &Desk, course: &FleetCourse) -> anyhow::Result<(Spread, Spread)> {
    let groups = course.plan.groups.iter();
    let stations: Vec<_> =
        groups.flat_map(|group| (1..=group.count).map(|number| group.identity(number))).collect();
    let (mut own, mut other) = (Vec::new(), Vec::new());
    for number in 0..course.orders + WARM {
        let station =
            stations.get(fastrand::usize(..stations.len().max(1))).context("there are no stations")?;
        let home = home_of(desk, station).await?;
        let (at_home, elsewhere): (Vec<_>, Vec<_>) =
            desk.targets().iter().partition(|target| target.name == home);
        let at_home = at_home.first().with_context(|| format!("no node is called {home}"))?;
        let elsewhere = elsewhere.get(number % elsewhere.len().max(1)).context("there is no other node")?;
        let took = (time(desk, at_home, station).await?, time(desk, elsewhere, station).await?);
        if number >= WARM {
            own.push(took.0);
            other.push(took.1);
        }
    }
    Ok((Spread::of(&mut own), Spread::of(&mut other)))
}

async fn home_of(desk: &Desk, station: &str) -> anyhow::Result<String> {
    let api = desk.targets().iter().find_map(Target::api).context("no node runs")?;
    let path = format!("/api/v1/charging-stations/{}", percent_encoded(station));
    let answer = http::send(api, "GET", &path, TOKEN, "").await?;
    let body: Value = serde_json::from_str(&answer.body).with_context(|| format!("read {station}"))?;
    let node = body.pointer("/connection/node").and_then(Value::as_str);
    Ok(node.with_context(|| format!("{station} has no connection: {body}"))?.to_owned())
}

async fn time(desk: &Desk, target: &Target, station: &str) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let outcome = desk.order(target, station).await;
    let took = begun.elapsed();
    ensure!(has_reached(&outcome), "{station} through {}: {outcome}", target.name);
    Ok(took)
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

/// Microseconds as milliseconds with one digit.
fn ms(us: u64) -> String {
    format!("{}.{} ms", us / 1_000, us % 1_000 / 100)
}

// === impl Spread ===

impl Spread {
    fn of(taken: &mut [Duration]) -> Self {
        let [p50_us, p99_us, max_us] = [50, 99, 100].map(|percent| micros(percentile(taken, percent)));
        Self { count: taken.len(), p50_us, p99_us, max_us }
    }
}

// === impl FleetReport ===

impl FleetReport {
    /// What a command through another node costs more at the 99th percentile, µs, and whether that is little enough.
    #[must_use]
    pub fn added_p99(&self) -> (u64, bool) {
        let added = self.other.p99_us.saturating_sub(self.own.p99_us);
        (added, added < micros(ADDED_MAX))
    }

    /// As tables of a page of the documentation.
    #[must_use]
    pub fn page(&self) -> String {
        let mut page = self.machine.section("fleet", &self.command);
        for (what, figure) in self.figures() {
            page.push_str(&format!("| {what} | {figure} |\n"));
        }
        page.push_str(
            "\n| node | connections | memory before, with all, after their stay | processor time of the arrival, of the stay |\n\
             |---|---|---|---|\n",
        );
        for node in &self.nodes {
            let [before, there, after] = node.rss_kib.map(|kib| kib / 1_024);
            let [arrival, stay] = node.cpu_ms.map(|ms| format!("{}.{} s", ms / 1_000, ms % 1_000 / 100));
            page.push_str(&format!(
                "| {} | {} | {before}, {there}, {after} MiB | {arrival}, {stay} |
",
                node.name, node.connections
            ));
        }
        page
    }

    fn figures(&self) -> Vec<(String, String)> {
        let mut figures = vec![
            (
                "stations, lost, refused".to_owned(),
                format!("{}, {}, {}", self.stations, self.lost, self.refused),
            ),
            ("all there after".to_owned(), ms(self.arrival_ms * 1_000)),
            (
                "messages answered in their stay".to_owned(),
                format!("{} in {}", self.answered, ms(self.stay_ms * 1_000)),
            ),
            ("memory of a connection, all nodes together".to_owned(), format!("{} KiB", self.kib_each())),
        ];
        figures.extend(self.latencies.iter().map(|figures| {
            let one = &figures.service;
            let told = format!("{}, {}, {} of {}", ms(one.p50_us), ms(one.p99_us), ms(one.max_us), one.count);
            (format!("{}: p50, p99, longest", figures.kind), told)
        }));
        for (way, spread) in [("at the station's own node", self.own), ("through another node", self.other)] {
            let told = format!(
                "{}, {}, {} of {}",
                ms(spread.p50_us),
                ms(spread.p99_us),
                ms(spread.max_us),
                spread.count
            );
            figures.push((format!("a command {way}: p50, p99, longest"), told));
        }
        let (added, met) = self.added_p99();
        let met = if met { "met" } else { "MISSED" };
        figures.push((
            "added by the other node at p99 (wanted: < 5 ms)".to_owned(),
            format!("{}: {met}", ms(added)),
        ));
        figures
    }

    /// Memory that came with a station, with all there, KiB.
    fn kib_each(&self) -> u64 {
        let grown = self.nodes.iter().map(|node| {
            let [before, there, _] = node.rss_kib;
            there.saturating_sub(before)
        });
        grown.sum::<u64>() / u64::try_from(self.stations).unwrap_or(u64::MAX).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(p99_us: u64) -> Spread {
        Spread { count: 100, p50_us: 1_500, p99_us, max_us: 9_000 }
    }

    fn report() -> FleetReport {
        let one = |name: &str, rss_kib| NodeFigures {
            name: name.to_owned(),
            connections: 50,
            rss_kib,
            cpu_ms: [1_250, 30],
        };
        FleetReport {
            command: vec!["--stations 100".to_owned()],
            machine: Machine::look(),
            stations: 100,
            arrival_ms: 2_000,
            stay_ms: 60_000,
            answered: 400,
            lost: 0,
            refused: 1,
            nodes: vec![one("node-1", [1_000, 2_000, 2_100]), one("node-2", [1_000, 3_000, 3_100])],
            latencies: Vec::new(),
            own: spread(4_000),
            other: spread(8_999),
        }
    }

    #[test]
    fn memory_is_shared_out_among_all_stations() {
        assert_eq!(report().kib_each(), 30);
        assert!(
            report().page().contains("| node-1 | 50 | 0, 1, 2 MiB | 1.2 s, 0.0 s |"),
            "{}",
            report().page()
        );
    }

    #[test]
    fn what_another_node_adds_is_judged() {
        assert_eq!(report().added_p99(), (4_999, true));
        let slow = FleetReport { other: spread(9_000), ..report() };
        assert_eq!(slow.added_p99(), (5_000, false));
        assert!(slow.page().contains("5.0 ms: MISSED"), "{}", slow.page());
    }

    #[test]
    fn spreads_are_of_nearest_ranks() {
        let mut taken: Vec<_> = (1..=100).map(Duration::from_micros).collect();
        assert_eq!(Spread::of(&mut taken), Spread { count: 100, p50_us: 50, p99_us: 99, max_us: 100 });
        assert_eq!(Spread::of(&mut []), Spread::default());
    }
}
