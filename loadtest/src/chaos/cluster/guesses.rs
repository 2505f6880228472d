//! C14: somebody guesses passwords, hundreds a second, of stations that are there and of stations that come and go meanwhile. Those must get in all
//! the same, from where they always come.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::{StreamExt as _, stream};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use super::bystanders::Bystanders;
use super::floods::{Cpu, raw};
use super::report::Figure;
use super::scene::{Scene, percentile, seconds};
use super::strangers::{Doors, PATIENCE, boot};
use crate::dial::loopback_source;

/// Guesses a second.
const GUESSES_PER_S: u32 = 500;
/// Guesses under way.
const UNDER_WAY_MAX: usize = 256;
/// Addresses somebody guesses from, all in one network but for the last quarter.
const SOURCES: u8 = 16;
/// A station must be in within so long.
const LOGGED_IN: Duration = Duration::from_secs(5);
/// Stations that log in at a time, and before one that was refused tries again.
const AT_ONCE: usize = 6;
const AGAIN: Duration = Duration::from_millis(200);
/// The nodes' budget: half of the processors, and one second in a hundred may be beyond it.
const BUDGET_PERCENT: u64 = 50;
const BREACH_PERCENT: usize = 1;
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Identities that every second guess is aimed at, each from one address: those meet the limit of wrong passwords.
const AIMED_AT: usize = 4;
/// Wrong passwords of one identity from one address that a node compares: so many at once, then one in so long.
const TRIED_AT_ONCE: usize = 10;
const TRIED_EVERY: Duration = Duration::from_secs(6);
/// What a guess is answered with that was compared.
const WRONG_PASSWORD: u16 = 401;
/// What a guess is answered with where there was no answer.
const NO_ANSWER: u16 = 0;

/// What became of the guesses.
#[derive(Default)]
struct Guesses {
    by_status: BTreeMap<u16, usize>,
    /// Of those aimed at few identities, how many were compared with the password.
    aimed_tried: usize,
}

/// C14: brute force.
pub(super) async fn at_passwords(scene: &mut Scene<'_>) -> anyhow::Result<String> {
    let span = scene.course.span;
    let doors = Doors::new(scene)?;
    let own = scene.course.duels;
    let known = stream::iter(0..own).map(|number| log_in(&doors, number));
    let known: Vec<_> = known.buffer_unordered(AT_ONCE).collect().await;
    known.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    let mut cpu = Cpu::look(scene);
    let others = Bystanders::watch(scene, span).await;
    let calm = cpu.permille(scene);
    let mut victims: Vec<String> =
        scene.witness.links().connected().iter().map(ToString::to_string).collect();
    victims.extend((0..own).map(identity_of));
    let since = Instant::now();
    let (guesses, logins, seconds_used) = tokio::join!(
        guess(&doors, victims.into(), span),
        log_in_all(&doors, own, span),
        look_each_second(scene, span)
    );
    let length = since.elapsed();
    let busy = cpu.permille(scene);
    tell(scene, &guesses, logins?, (calm, busy, length), &seconds_used);
    others.mention(scene, since).await;
    Ok(format!(
        "{GUESSES_PER_S} wrong passwords/s wanted for {} s at all identities of the crowd and {own} that come and go",
        span.as_secs()
    ))
}

fn tell(
    scene: &mut Scene<'_>,
    guesses: &Guesses,
    mut logins: Vec<Duration>,
    (calm, busy, length): (u64, u64, Duration),
    seconds_used: &[u64],
) {
    let count: usize = guesses.by_status.values().sum();
    let got_in = guesses.by_status.get(&101).copied().unwrap_or_default();
    let statuses: Vec<_> = guesses
        .by_status
        .iter()
        .map(|(status, count)| match *status {
            NO_ANSWER => format!("{count} without answer"),
            status => format!("{count} x {status}"),
        })
        .collect();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let budget = u64::try_from(cores).unwrap_or(1) * 10 * BUDGET_PERCENT;
    let beyond = seconds_used.iter().filter(|used| **used > budget).count();
    let rate = count as u128 * 1_000 / length.as_millis().max(1);
    let each_us = u128::from(busy.saturating_sub(calm)) * length.as_millis() / (count as u128).max(1);
    let login = percentile(&mut logins, 100);
    let tried_max = tried_max(scene.grounds.members.len(), length);
    scene.figures.extend([
        Figure::must("guesses that got in", "0", format!("{got_in} of {count}"), got_in == 0),
        Figure::held(
            format!("guesses at {AIMED_AT} identities from an address each that were compared"),
            format!("≤ {tried_max}"),
            guesses.aimed_tried.to_string(),
            (1..=tried_max).contains(&guesses.aimed_tried),
        ),
        Figure::held(
            "slowest login of a station that is guessed at",
            "< 5 s",
            format!("{} of {}", seconds(login), logins.len()),
            login < LOGGED_IN && !logins.is_empty(),
        ),
        Figure::held(
            "seconds in which the nodes used more than half of the processors",
            "≤ 1 %",
            format!("{beyond} of {}", seconds_used.len()),
            beyond * 100 <= seconds_used.len() * BREACH_PERCENT,
        ),
        Figure::told("guesses a second, and their answers", format!("{rate}/s: {}", statuses.join(", "))),
        Figure::told(
            "processors used by all nodes, before and meanwhile; for one guess",
            format!("{calm}, {busy} thousandths; {each_us} us"),
        ),
    ]);
}

fn identity_of(number: usize) -> String {
    format!("GUESSED-{number:04}")
}

/// A wrong password at one identity after the other, from a few addresses.
async fn guess(doors: &Doors, victims: Arc<[String]>, span: Duration) -> Guesses {
    let (since, slots) = (Instant::now(), Arc::new(Semaphore::new(UNDER_WAY_MAX)));
    let mut next = interval(Duration::from_secs(1) / GUESSES_PER_S);
    next.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut guesses, mut under_way) = (Guesses::default(), JoinSet::new());
    for number in 0_usize.. {
        next.tick().await;
        if since.elapsed() >= span {
            break;
        }
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { break };
        let (doors, victims) = (doors.clone(), Arc::clone(&victims));
        under_way.spawn(async move {
            let _until_done = slot;
            let (victim, source) = aim(number, victims.len());
            let Some(victim) = victims.get(victim) else { return (number, NO_ANSWER) };
            let tried = timeout(PATIENCE, try_one(&doors, victim, number, source)).await;
            (number, tried.ok().and_then(Result::ok).flatten().unwrap_or(NO_ANSWER))
        });
        while let Some(Ok((number, status))) = under_way.try_join_next() {
            guesses.note(number, status);
        }
    }
    for (number, status) in under_way.join_all().await {
        guesses.note(number, status);
    }
    guesses
}

/// At whom and from where a guess goes: each second one at one of a few, always from the same address.
fn aim(number: usize, victims: usize) -> (usize, Ipv4Addr) {
    match is_aimed(number) {
        true => (number / 2 % AIMED_AT, source_of(number / 2 % AIMED_AT)),
        false => (number % victims.max(1), source_of(number)),
    }
}

const fn is_aimed(number: usize) -> bool {
    number.is_multiple_of(2)
}

/// What the nodes may compare of those that are aimed, in so long.
fn tried_max(nodes: usize, span: Duration) -> usize {
    let more = span.as_secs().div_ceil(TRIED_EVERY.as_secs());
    AIMED_AT * nodes * (TRIED_AT_ONCE + usize::try_from(more).unwrap_or(usize::MAX))
}

async fn try_one(doors: &Doors, victim: &str, number: usize, source: Ipv4Addr) -> io::Result<Option<u16>> {
    let mut stream = doors.stream(number, source).await?;
    let head = doors.upgrade_head(victim, Some(format!("guess-number-{number:08}")));
    stream.write_all(head.as_bytes()).await?;
    stream.flush().await?;
    Ok(raw::status_of(&raw::head_of(&mut stream).await?))
}

fn source_of(number: usize) -> Ipv4Addr {
    let place = u8::try_from(number % usize::from(SOURCES)).unwrap_or_default();
    let network = if place < SOURCES / 4 * 3 { 1 } else { place };
    Ipv4Addr::new(127, 0, 200 + network, 1 + place)
}

/// Stations that are guessed at log in, one after the other, each from its own address.
async fn log_in_all(doors: &Doors, count: usize, span: Duration) -> anyhow::Result<Vec<Duration>> {
    let since = Instant::now();
    let mut took = Vec::new();
    while since.elapsed() < span {
        let round = stream::iter(0..count).take_while(|_| std::future::ready(since.elapsed() < span));
        let round: Vec<_> =
            round.map(|number| log_in(doors, number)).buffer_unordered(AT_ONCE).collect().await;
        took.extend(round.into_iter().collect::<anyhow::Result<Vec<_>>>()?);
    }
    Ok(took)
}

/// One does, boots, and leaves; how long it took, attempts that were refused included.
async fn log_in(doors: &Doors, number: usize) -> anyhow::Result<Duration> {
    let (identity, since) = (identity_of(number), Instant::now());
    let mut socket = loop {
        match doors.dial(&identity, number, loopback_source(&identity)).await {
            Ok(socket) => break socket,
            Err(refused) if since.elapsed() > PATIENCE => anyhow::bail!("{identity}: {refused}"),
            Err(_) => sleep(AGAIN).await,
        }
    };
    let took = since.elapsed();
    boot(&mut socket).await.with_context(|| identity.clone())?;
    if let Err(error) = (*socket).close(None).await {
        tracing::debug!(%error, identity, "close");
    }
    Ok(took)
}

/// What all nodes use, second by second, in thousandths of a processor.
async fn look_each_second(scene: &Scene<'_>, span: Duration) -> Vec<u64> {
    let (since, mut used) = (Instant::now(), Vec::new());
    let mut cpu = Cpu::look(scene);
    while since.elapsed() < span {
        sleep(LOOK_EVERY).await;
        used.push(cpu.permille(scene));
    }
    used
}

// === impl Guesses ===

impl Guesses {
    fn note(&mut self, number: usize, status: u16) {
        *self.by_status.entry(status).or_default() += 1;
        self.aimed_tried += usize::from(is_aimed(number) && status == WRONG_PASSWORD);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_second_guess_is_aimed_at_one_of_a_few_from_one_address_each() {
        let aimed: BTreeSet<_> = (0..1_000).step_by(2).map(|number| aim(number, 500)).collect();
        assert_eq!(aimed.len(), AIMED_AT);
        assert_eq!(tried_max(3, Duration::from_secs(31)), 4 * 3 * 16);
    }

    #[test]
    fn guesses_come_from_few_addresses_and_stations_from_none_of_them() {
        let sources: BTreeSet<_> = (0..1_000).map(source_of).collect();
        assert_eq!(sources.len(), usize::from(SOURCES));
        let networks: BTreeSet<_> = sources.iter().map(|source| source.octets()[2]).collect();
        assert_eq!(networks.len(), 1 + usize::from(SOURCES / 4));
        for number in 0..1_000 {
            assert!(!sources.contains(&loopback_source(&identity_of(number))));
        }
    }
}
