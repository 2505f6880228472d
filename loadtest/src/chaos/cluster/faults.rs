//! What happens to processes and links: kills, silence, partitions, a storm of reconnects, a rolling restart. Each tells what it did and
//! adds its figures.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::time::{Instant, sleep, sleep_until};

use super::super::proxy::{Flow, Weather};
use super::members::{Member, Proxies, Standing};
use super::orders::Try;
use super::report::Figure;
use super::scene::{Scene, percentile, seconds};
use crate::links::Outage;
use crate::tally::Count;

/// A node, or a server, comes back within so long.
const BACK: Duration = Duration::from_secs(60);
/// All nodes say that they are not ready within so long after their store is away.
const NOT_READY: Duration = Duration::from_secs(30);
/// And all stations are back within so long after it is there again.
const RECOVERED: Duration = Duration::from_secs(300);
/// Between two looks at what is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Stations that come back so fast are quick enough, and what share of them must (C1).
const QUICK: Duration = Duration::from_secs(30);
const QUICK_PERCENT: usize = 99;

/// C1: `kill -9` of each node in turn.
pub(super) async fn kill_nodes(scene: &mut Scene<'_>) -> anyhow::Result<String> {
    let (begun, mut kills) = (Instant::now(), 0_u32);
    let mut ready = Vec::new();
    while begun.elapsed() < scene.course.length || usize::try_from(kills)? < scene.grounds.members.len() {
        for member in &scene.grounds.members {
            let next = Instant::now() + scene.course.kill_every;
            member.process.kill().await.context("kill a node")?;
            kills += 1;
            let killed = Instant::now();
            member.process.ready(BACK).await.with_context(|| member.name.clone())?;
            ready.push(killed.elapsed());
            sleep_until(next).await;
        }
    }
    scene.all_connected("stations come back", BACK).await?;
    let outages = scene.witness.links().outages(0);
    tell_outages(scene, &outages);
    tell_first_orders(scene).await;
    scene
        .figures
        .push(Figure::told("longest start of a node", seconds(ready.into_iter().max().unwrap_or_default())));
    let every = scene.course.kill_every.as_secs();
    Ok(format!(
        "{kills} times `kill -9` of a node in turn, every {every} s; {} commands/s",
        scene.course.orders_per_s
    ))
}

/// C3: Redis is killed and stays away, is emptied, falls silent.
pub(super) async fn lose_redis(scene: &mut Scene<'_>) -> anyhow::Result<String> {
    let span = scene.course.span;
    scene
        .figures
        .push(Figure::told("routes in Redis before", scene.grounds.redis.routes().await?.to_string()));
    // Killed, and away for a while.
    let begun = Instant::now();
    scene.grounds.redis.process.hold(true);
    scene.grounds.redis.process.kill().await.context("kill Redis")?;
    sleep(span).await;
    let away = scene.desk.tries(begun).await;
    scene.grounds.redis.process.hold(false);
    scene.grounds.redis.process.ready(BACK).await.context("Redis")?;
    let after_kill = routes_again(scene).await?;
    // Emptied.
    scene.grounds.redis.flush().await?;
    let after_flush = routes_again(scene).await?;
    // Silent.
    let silent_since = Instant::now();
    for links in proxies(scene)? {
        links.redis.set(Weather::black_hole());
    }
    // What is in it meanwhile nobody can tell: all routes must be told again after.
    scene.grounds.redis.flush().await?;
    sleep(span).await;
    let silent = scene.desk.tries(silent_since).await;
    for links in proxies(scene)? {
        links.redis.set(Weather::default());
    }
    let after_silence = routes_again(scene).await?;
    let dropped = scene.witness.links().outages_count();
    scene.figures.push(Figure::must("sockets dropped", "0", dropped.to_string(), dropped == 0));
    for (what, tries) in [("Redis is away", away), ("Redis is silent", silent)] {
        tell_orders(scene, what, tries);
    }
    for (what, took) in [("kill", after_kill), ("FLUSHALL", after_flush), ("black hole", after_silence)] {
        let met = took <= Duration::from_secs(10);
        scene.figures.push(Figure::held(format!("routes again after {what}"), "≤ 10 s", seconds(took), met));
    }
    Ok(format!("Redis killed and away for {0} s, FLUSHALL, black hole for {0} s", span.as_secs()))
}

/// Waits until there is a route in Redis for every station.
async fn routes_again(scene: &Scene<'_>) -> anyhow::Result<Duration> {
    let (since, wanted) = (Instant::now(), scene.witness.links().connected().len());
    loop {
        let routes = scene.grounds.redis.routes().await?;
        if routes >= wanted {
            return Ok(since.elapsed());
        }
        if since.elapsed() > BACK {
            bail!("{routes} routes in Redis after {} s, {wanted} stations are connected", BACK.as_secs());
        }
        sleep(LOOK_EVERY).await;
    }
}

/// C4: `kill -9` of PostgreSQL under load.
pub(super) async fn kill_postgres(scene: &mut Scene<'_>) -> anyhow::Result<String> {
    let (begun, mut kills, mut ready) = (Instant::now(), 0, Vec::new());
    while begun.elapsed() < scene.course.length || kills < 2 {
        let next = Instant::now() + scene.course.kill_every;
        let postgres = &scene.grounds.postgres.process;
        postgres.kill().await.context("kill PostgreSQL")?;
        kills += 1;
        postgres.ready(BACK).await.context("PostgreSQL")?;
        let accepts = Instant::now();
        scene.grounds.all_well().await?;
        scene.all_write(BACK).await?;
        ready.push(accepts.elapsed());
        sleep_until(next).await;
    }
    let longest = ready.into_iter().max().unwrap_or_default();
    let met = longest <= Duration::from_secs(10);
    scene.figures.push(Figure::held(
        "all nodes ready, and write, after PostgreSQL accepts",
        "≤ 10 s",
        seconds(longest),
        met,
    ));
    tell_sockets(scene);
    Ok(format!("{kills} times `kill -9` of PostgreSQL, every {} s", scene.course.kill_every.as_secs()))
}

/// C5: PostgreSQL stays away.
pub(super) async fn miss_postgres(scene: &mut Scene<'_>) -> anyhow::Result<String> {
    let postgres = &scene.grounds.postgres.process;
    postgres.hold(true);
    postgres.kill().await.context("kill PostgreSQL")?;
    let away = Instant::now();
    let unwell = scene.grounds.all_unwell(NOT_READY).await.map(|at| at.duration_since(away));
    sleep_until(away + scene.course.span.max(NOT_READY)).await;
    let turned_away = turned_away(scene);
    postgres.hold(false);
    postgres.ready(BACK).await.context("PostgreSQL")?;
    let accepts = Instant::now();
    scene.grounds.all_well().await?;
    scene.all_write(BACK).await?;
    let ready = accepts.elapsed();
    scene.all_connected("stations come back", RECOVERED).await?;
    let back = accepts.elapsed();
    scene.figures.extend([
        Figure::held(
            "all nodes say that they are not ready, after PostgreSQL is away",
            "≤ 30 s",
            unwell.map_or_else(|| "never".to_owned(), seconds),
            unwell.is_some(),
        ),
        Figure::must("upgrades answered with 503 meanwhile", "≥ 1", turned_away.to_string(), turned_away > 0),
        Figure::told("all nodes ready, and write, after PostgreSQL accepts", seconds(ready)),
        Figure::held("all stations back after it", "≤ 300 s", seconds(back), back <= RECOVERED),
    ]);
    tell_sockets(scene);
    Ok(format!(
        "PostgreSQL away for {} s (the table's 600 s shortened)",
        scene.course.span.max(NOT_READY).as_secs()
    ))
}

/// Attempts to connect that were answered with 503 so far.
fn turned_away(scene: &Scene<'_>) -> u64 {
    let refusals = scene.tally.refusals();
    refusals.iter().filter(|(reason, _)| reason.contains("503")).map(|(_, count)| count).sum()
}

/// C7: one node after the other is cut off.
pub(super) async fn partition(scene: &mut Scene<'_>) -> anyhow::Result<String> {
    let deaf = Weather { down: Flow::silent(), ..Weather::default() };
    let (span, count) = (scene.course.span, scene.grounds.members.len());
    for (what, weather) in [("both ways", Weather::black_hole()), ("answers only", deaf)] {
        for (place, from) in ["Redis", "PostgreSQL", "peers", "all"].into_iter().enumerate() {
            let links = scene.grounds.members.get(place % count).and_then(|member| member.links.as_ref());
            disturb(links.context("no proxies")?, from, weather);
            let since = Instant::now();
            sleep(span).await;
            disturb(links.context("no proxies")?, from, Weather::default());
            scene.grounds.all_well().await?;
            let outcomes = outcomes(&scene.desk.tries(since).await);
            scene
                .figures
                .push(Figure::told(format!("commands while a node misses {from}, {what}"), outcomes));
        }
    }
    tell_sockets(scene);
    Ok(format!(
        "a node cut off from Redis, PostgreSQL, its peers, all of them, for {} s each, both ways and one way",
        span.as_secs()
    ))
}

fn disturb(links: &Proxies, from: &str, weather: Weather) {
    for (name, proxy) in [("Redis", &links.redis), ("PostgreSQL", &links.postgres), ("peers", &links.peers)] {
        if from == name || from == "all" {
            proxy.set(weather);
        }
    }
}

/// C8: every socket is cut at once.
pub(super) async fn storm(scene: &mut Scene<'_>) -> anyhow::Result<String> {
    let steady = memory(scene);
    for links in proxies(scene)? {
        links.stations.cut();
    }
    let cut = Instant::now();
    let mut peak = steady;
    let wanted = scene.witness.links().connected().len();
    while scene.witness.links().outages_count() < wanted {
        if cut.elapsed() > BACK {
            bail!("{} of {wanted} sockets are cut", scene.witness.links().outages_count());
        }
        sleep(LOOK_EVERY).await;
    }
    while scene.witness.links().connected().len() < wanted {
        if cut.elapsed() > BACK * 2 {
            break;
        }
        peak = peak.max(memory(scene));
        sleep(LOOK_EVERY).await;
    }
    let back = cut.elapsed();
    let met = back <= Duration::from_secs(60);
    scene.figures.push(Figure::held("all stations back", "≤ 60 s", seconds(back), met));
    let latencies = scene.tally.latencies();
    if let Some(connect) = latencies.iter().find(|figure| figure.kind == "connect") {
        let p99 = Duration::from_micros(connect.service.p99_us);
        let met = p99 <= Duration::from_secs(10);
        scene.figures.push(Figure::held("handshake p99", "≤ 10 s", format!("{} ms", p99.as_millis()), met));
    }
    let growth = format!("{} to {} MiB", steady / 1_024, peak / 1_024);
    scene.figures.push(Figure::held("memory of all nodes", "≤ 1.5x", growth, peak * 2 <= steady * 3));
    tell_first_orders(scene).await;
    Ok("every socket reset at once".to_owned())
}

/// C9: a rolling update. One node of the newest release joins, and no station is sent to an old one any more; then each old node leaves and
/// comes back as a new one, but for the last, whose place is taken. So every station moves once.
pub(super) async fn roll(scene: &mut Scene<'_>) -> anyhow::Result<String> {
    let since = Instant::now();
    let (spare, old) = scene.grounds.members.split_last().context("there are no nodes")?;
    let (last, others) = old.split_last().context("there is one node alone")?;
    old.iter().for_each(|member| member.stand(Standing::Leaving));
    scene.grounds.release.put_out();
    spare.join().await?;
    scene.grounds.all_well().await?;
    for member in others {
        member.leave().await?;
        scene.grounds.all_well().await?;
        member.stand(Standing::In);
        scene.all_connected("stations come back", BACK).await?;
    }
    last.leave_for_good().await?;
    scene.all_connected("stations come back", BACK).await?;
    let outages = scene.witness.links().outages(0);
    let mut by_station: BTreeMap<&str, usize> = BTreeMap::new();
    for outage in &outages {
        *by_station.entry(&outage.station).or_default() += 1;
    }
    let most = by_station.values().copied().max().unwrap_or_default();
    let peak = peak_per_s(&outages);
    let tries = scene.desk.tries(since).await;
    // A call that was cut is none of them: nobody knows what became of it.
    let retriable = ["HTTP 503", "HTTP 429", "node is down"];
    let failed = tries
        .iter()
        .filter(|one| one.outcome.starts_with("HTTP") || one.outcome == "no answer")
        .filter(|one| !retriable.contains(&one.outcome.as_str()));
    let failed = failed.count();
    scene.figures.extend([
        Figure::held(
            "API calls that failed for good",
            "0",
            format!("{failed} of {}", tries.len()),
            failed == 0,
        ),
        Figure::held("reconnects of a station at most", "≤ 1", most.to_string(), most <= 1),
        Figure::held("most reconnects in a second", "≤ 50", peak.to_string(), peak <= 50),
        Figure::told("commands meanwhile", outcomes(&tries)),
    ]);
    tell_outages(scene, &outages);
    let from =
        if scene.course.lineup.older.is_some() { "from the release before" } else { "to the same release" };
    Ok(format!(
        "rolling update {from}: a new node joins, each old one leaves and comes back new, the last for good"
    ))
}

fn proxies<'a>(scene: &'a Scene<'_>) -> anyhow::Result<Vec<&'a Proxies>> {
    scene.grounds.members.iter().map(|member| member.links.as_ref().context("no proxies")).collect()
}

/// Memory of all nodes, KiB.
pub(super) fn memory(scene: &Scene<'_>) -> u64 {
    scene.grounds.members.iter().filter_map(Member::rss_kib).sum()
}

/// How long stations were away.
fn tell_outages(scene: &mut Scene<'_>, outages: &[Outage]) {
    let mut spans: Vec<_> =
        outages.iter().filter_map(|outage| Some(outage.back_at?.duration_since(outage.lost_at))).collect();
    let quick = spans.iter().filter(|span| **span <= QUICK).count();
    let met = quick * 100 >= outages.len() * QUICK_PERCENT && !outages.is_empty();
    let share = format!("{quick} of {}", outages.len());
    scene.figures.push(Figure::held("stations back ≤ 30 s after they were cut", "≥ 99 %", share, met));
    let p99 = percentile(&mut spans, 99);
    let longest = spans.last().copied().unwrap_or_default();
    let told = format!("{}, {}", seconds(p99), seconds(longest));
    scene.figures.push(Figure::told("away, p99 and longest", told));
}

/// How long it took until a command reached those that were back.
async fn tell_first_orders(scene: &mut Scene<'_>) {
    let first = scene.desk.first_orders().await;
    // One that was never reached counts as long as it was tried.
    let mut spans: Vec<_> = first.iter().map(|span| span.unwrap_or(QUICK)).collect();
    let p99 = percentile(&mut spans, 99);
    let told = format!("{} of {}", seconds(p99), spans.len());
    let met = p99 <= Duration::from_secs(5) && !spans.is_empty();
    scene.figures.push(Figure::held("command to a station that is back, p99", "≤ 5 s", told, met));
}

/// How commands came out while something was wrong.
fn tell_orders(scene: &mut Scene<'_>, what: &str, tries: Vec<Try>) {
    let reached = tries.iter().filter(|one| one.has_reached()).count();
    let mut spans: Vec<_> = tries.iter().filter(|one| one.has_reached()).map(|one| one.took).collect();
    let p99 = percentile(&mut spans, 99);
    let met = reached * 100 >= tries.len() * QUICK_PERCENT && !tries.is_empty();
    let share = format!("{reached} of {}", tries.len());
    scene.figures.push(Figure::held(format!("commands that reach while {what}"), "≥ 99 %", share, met));
    let met = p99 <= Duration::from_secs(2);
    let told = format!("{} ms", p99.as_millis());
    scene.figures.push(Figure::held(format!("their p99 while {what}"), "≤ 2 s", told, met));
    if reached < tries.len() {
        scene.figures.push(Figure::told(format!("how they ended while {what}"), outcomes(&tries)));
    }
}

fn tell_sockets(scene: &mut Scene<'_>) {
    let lost = scene.tally.of(Count::ConnectionLost);
    scene.figures.push(Figure::told("sockets lost", lost.to_string()));
}

/// Each outcome with how often.
fn outcomes(tries: &[Try]) -> String {
    let mut counted: BTreeMap<&str, usize> = BTreeMap::new();
    for one in tries {
        *counted.entry(&one.outcome).or_default() += 1;
    }
    let told: Vec<_> = counted.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
    if told.is_empty() { "none".to_owned() } else { told.join(", ") }
}

/// The most stations that came back within a second.
fn peak_per_s(outages: &[Outage]) -> usize {
    let mut backs: Vec<_> = outages.iter().filter_map(|outage| outage.back_at).collect();
    backs.sort_unstable();
    let second = Duration::from_secs(1);
    let until = |from: Instant| backs.partition_point(|at| *at < from + second);
    backs.iter().enumerate().map(|(place, at)| until(*at) - place).max().unwrap_or_default()
}
