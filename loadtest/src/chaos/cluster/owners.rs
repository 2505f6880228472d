//! C17: a site with two owners. The binary has no hook for it, so it is forced as it happens: the owner is stopped until its lease is over and
//! another node has taken the site, then it goes on and still believes what it believed, while limits change through both.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::TOKEN;
use super::balance::Target;
use super::report::Figure;
use super::scene::{Scene, seconds};
use super::sites::{GRACE, Told, owner_told};
use crate::oracle::http;

/// A node is followed by another one within so long: its lease, and a look of the others.
const FOLLOWED: Duration = Duration::from_secs(40);
/// All nodes tell the same owner within so long after it goes on.
const AGREED: Duration = Duration::from_secs(15);
/// How long they are asked.
const ASKED: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// The lowest limit that is ordered, per cent; and of so many orders one takes it back.
const LOWEST_PERCENT: u64 = 40;
const WHOLE_EVERY: usize = 3;
/// How long the last and lowest one is judged, beyond the time in which another may still be drawn.
const KEPT: Duration = Duration::from_secs(15);
/// Pause between two orders of a limit, ms.
const PAUSE_MS: std::ops::Range<u64> = 300..1_500;

/// What came of all rounds.
#[derive(Default)]
struct Rounds {
    count: usize,
    /// How long until another node had the site.
    followed: Vec<Duration>,
    /// How long until all told the same, where they did.
    agreed: Vec<Option<Duration>>,
    ordered: usize,
    refused: usize,
}

/// C17.
pub(super) async fn two(scene: &mut Scene<'_>) -> anyhow::Result<String> {
    ensure!(!scene.sites.all.is_empty(), "C17 needs a [[managed]] site with stations in the plan");
    let begun = Instant::now();
    let mut rounds = Rounds::default();
    while begun.elapsed() < scene.course.length || rounds.count < 2 {
        round(scene, rounds.count % scene.sites.all.len(), &mut rounds).await?;
        rounds.count += 1;
        scene.grounds.all_well().await?;
    }
    // And now one that stays until nothing else may be drawn: who had not taken any would still be above it.
    for place in 0..scene.sites.all.len() {
        set(scene, place, LOWEST_PERCENT).await?;
    }
    sleep(GRACE + KEPT).await;
    for place in 0..scene.sites.all.len() {
        set(scene, place, 100).await?;
    }
    scene.sites.all_used(scene.witness.draws()).await?;
    tell(scene, &rounds)?;
    Ok(format!(
        "{} times SIGSTOP of the owner of a site until another node has taken it, then both for {} s; {} limits of 40 to 100 % ordered through \
         the one or the other meanwhile",
        rounds.count,
        scene.course.span.as_secs(),
        rounds.ordered
    ))
}

/// One pair of owners.
async fn round(scene: &mut Scene<'_>, place: usize, rounds: &mut Rounds) -> anyhow::Result<()> {
    let targets = scene.desk.targets().to_vec();
    let site = scene.sites.all.get(place).context("no such site")?.id.clone();
    let (owner, old) = owner_of(&targets, &site).await?;
    let member = scene.grounds.members.get(owner).context("no such node")?;
    member.process.signal("STOP").await?;
    let stopped = Instant::now();
    let others: Vec<_> = others(&targets, owner);
    let successor = loop {
        let other = others.get(rounds.ordered % others.len().max(1)).context("no other node")?;
        order(scene, place, other, rounds).await?;
        let told = owner_told(&site, other).await;
        if told.as_ref().is_some_and(|told| told.epoch > old.epoch && told.node != old.node) {
            break other.clone();
        }
        if stopped.elapsed() > FOLLOWED {
            let member = scene.grounds.members.get(owner).context("no such node")?;
            member.process.signal("CONT").await?;
            bail!("{site}: nobody follows its owner after {} s: {told:?}", FOLLOWED.as_secs());
        }
        sleep(LOOK_EVERY).await;
    };
    rounds.followed.push(stopped.elapsed());
    let member = scene.grounds.members.get(owner).context("no such node")?;
    member.process.signal("CONT").await?;
    let awake = Instant::now();
    let agreed = tokio::spawn(agreed(site, targets.clone(), awake));
    let both = [targets.get(owner).context("no such node")?.clone(), successor];
    while awake.elapsed() < scene.course.span {
        for target in &both {
            order(scene, place, target, rounds).await?;
            sleep(Duration::from_millis(fastrand::u64(PAUSE_MS))).await;
        }
    }
    rounds.agreed.push(agreed.await.context("ask for the owner")?);
    Ok(())
}

/// Another limit, at random, through this node.
async fn order(
    scene: &mut Scene<'_>,
    place: usize,
    target: &Target,
    rounds: &mut Rounds,
) -> anyhow::Result<()> {
    let percent =
        if rounds.ordered.is_multiple_of(WHOLE_EVERY) { 100 } else { fastrand::u64(LOWEST_PERCENT..100) };
    let site = scene.sites.all.get_mut(place).context("no such site")?;
    rounds.refused += usize::from(!site.limit(target, percent).await);
    rounds.ordered += 1;
    Ok(())
}

/// Orders a limit through one node after the other until one takes it.
async fn set(scene: &mut Scene<'_>, place: usize, percent: u64) -> anyhow::Result<()> {
    let targets = scene.desk.targets().to_vec();
    let since = Instant::now();
    let site = scene.sites.all.get_mut(place).context("no such site")?;
    for target in targets.iter().cycle() {
        if site.limit(target, percent).await {
            break;
        }
        ensure!(since.elapsed() < ASKED, "{}: its limit cannot be ordered", site.id);
        sleep(LOOK_EVERY).await;
    }
    Ok(())
}

fn others(targets: &[Target], owner: usize) -> Vec<Target> {
    let others = targets.iter().enumerate().filter(|(place, _)| *place != owner);
    others.map(|(_, target)| target.clone()).collect()
}

/// Which node owns a site, as the first one that knows tells.
async fn owner_of(targets: &[Target], site: &str) -> anyhow::Result<(usize, Told)> {
    let since = Instant::now();
    loop {
        for target in targets {
            let Some(told) = owner_told(site, target).await else { continue };
            for (place, node) in targets.iter().enumerate() {
                if id_of(node).await.as_deref() == Some(&told.node) {
                    return Ok((place, told));
                }
            }
        }
        ensure!(since.elapsed() < ASKED, "{site}: nobody knows its owner after {} s", ASKED.as_secs());
        sleep(LOOK_EVERY).await;
    }
}

/// What a node calls itself in this run.
async fn id_of(target: &Target) -> Option<String> {
    let answer = http::send(target.api()?, "GET", "/api/v1/nodes", TOKEN, "").await.ok()?;
    let list: Value = serde_json::from_str(&answer.body).ok()?;
    let this =
        list.get("items")?.as_array()?.iter().find(|node| node.get("is_this") == Some(&Value::Bool(true)));
    this?.get("id")?.as_str().map(str::to_owned)
}

/// How long until all nodes tell the same owner; none if they do not.
async fn agreed(site: String, targets: Vec<Target>, since: Instant) -> Option<Duration> {
    while since.elapsed() < ASKED {
        let mut told = Vec::new();
        for target in &targets {
            told.push(owner_told(&site, target).await);
        }
        if is_one(&told) {
            return Some(since.elapsed());
        }
        sleep(LOOK_EVERY).await;
    }
    None
}

/// Everybody tells of an owner, and of the same one.
fn is_one(told: &[Option<Told>]) -> bool {
    told.first().is_some_and(|first| first.is_some() && told.iter().all(|other| other == first))
}

fn tell(scene: &mut Scene<'_>, rounds: &Rounds) -> anyhow::Result<()> {
    let in_time = rounds.agreed.iter().filter(|took| took.is_some_and(|took| took <= AGREED)).count();
    let longest = rounds.agreed.iter().map(|took| took.unwrap_or(ASKED)).max().unwrap_or_default();
    let followed = rounds.followed.iter().max().copied().unwrap_or_default();
    let over = scene.sites.judge(scene.witness.draws(), Instant::now())?;
    let over = over.map_or(Duration::ZERO, |found| found.over_newest);
    let told = format!("{in_time} of {}, longest {}", rounds.agreed.len(), seconds(longest));
    scene.figures.extend([
        Figure::held(
            "all nodes tell one owner ≤ 15 s after the old one goes on",
            "all",
            told,
            in_time == rounds.agreed.len(),
        ),
        Figure::told("another node has the site, longest", seconds(followed)),
        Figure::told("longest that a site drew more than its newest limit", seconds(over)),
        Figure::told(
            "limits that a node did not take, or said nothing of",
            format!("{} of {}", rounds.refused, rounds.ordered),
        ),
    ]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_owner_is_the_same_word_from_everybody() {
        let told = |node: &str, epoch| Some(Told { node: node.to_owned(), epoch });
        assert!(is_one(&[told("a", 2), told("a", 2), told("a", 2)]));
        assert!(!is_one(&[told("a", 2), told("a", 1), told("a", 2)]));
        assert!(!is_one(&[told("a", 2), told("b", 2)]));
        assert!(!is_one(&[told("a", 2), None]));
        assert!(!is_one(&[None, None]) && !is_one(&[]));
    }
}
