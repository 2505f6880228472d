//! C16: the wall clock of one node jumps back an hour and on a day, and back; some stations' clocks are ten minutes off, others say 1970.
//!
//! libfaketime stands between the node and its wall clock; the monotonic and the boot clock go on as they are, as they do in the field.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::TOKEN;
use super::bystanders::Bystanders;
use super::cases::Case;
use super::members::Member;
use super::report::Figure;
use super::scene::Scene;
use crate::clock::Clock;
use crate::oracle::http;
use crate::plan::Plan;
use crate::tally::Count;

/// Debian's places of the library, the variant for threads.
const LIBRARIES: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
];
/// What the clock is off by, one after the other, in the library's words and in ours.
const JUMPS: [(&str, &str); 3] = [("-1h", "an hour behind"), ("+1d", "a day ahead"), ("+0", "right again")];
const RIGHT: &str = "+0";
/// What the clocks of stations are off by, s, dealt in turn: two of five are right.
const TEN_MINUTES_S: i64 = 600;
/// A day, and how many characters of a stamp name one.
const DAY_S: i64 = 86_400;
const DATE_LEN: usize = 10;
/// What a node writes when it takes another one for dead, or itself.
const BURIALS: [&str; 3] = ["nodes are lost", "took this one for lost", "the lease of this node is over"];

/// What keeps this machine from it.
pub(super) fn hindrance() -> Option<String> {
    library().is_none().then(|| "libfaketime is not installed (Debian: libfaketime)".to_owned())
}

fn library() -> Option<&'static str> {
    LIBRARIES.into_iter().find(|file| Path::new(file).exists())
}

/// The file that says what the clock is off by.
pub(super) fn file(folder: &Path) -> PathBuf {
    folder.join("clock")
}

/// What a node is started with, so that its clock can be wrong: the last one, in the case that wants it.
pub(super) fn environment(
    case: Case,
    is_last: bool,
    folder: &Path,
) -> anyhow::Result<Vec<(&'static str, String)>> {
    if case != Case::C16 || !is_last {
        return Ok(Vec::new());
    }
    let (library, file) = (library().context("there is no libfaketime")?, file(folder));
    set(&file, RIGHT)?;
    Ok(vec![
        ("LD_PRELOAD", library.to_owned()),
        ("FAKETIME_TIMESTAMP_FILE", file.display().to_string()),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ])
}

/// Whole or not at all: the node reads it all the time.
fn set(file: &Path, off: &str) -> anyhow::Result<()> {
    let partial = file.with_extension("partial");
    std::fs::write(&partial, off).context("write the clock")?;
    std::fs::rename(&partial, file).context("set the clock")
}

/// Clocks of stations that are wrong: as the case wants it, and right otherwise.
pub(super) fn misread(case: Case, plan: &mut Plan) {
    if case == Case::C16 {
        let since_1970_s = jiff::Timestamp::now().as_second();
        plan.set_clocks(&[0, TEN_MINUTES_S, -TEN_MINUTES_S, 0, -since_1970_s]);
    }
}

/// C16: clocks that jump.
pub(super) async fn jump(scene: &mut Scene<'_>) -> anyhow::Result<String> {
    let span = scene.course.span;
    let others = Bystanders::watch(scene, span).await;
    let (before, since) = (nodes(scene).await?, Instant::now());
    let lost = scene.tally.of(Count::ConnectionLost);
    let file = scene.grounds.clock_file();
    for (off, words) in JUMPS {
        set(&file, off)?;
        let (jumped, dropped) = (Instant::now(), scene.tally.of(Count::ConnectionLost));
        sleep(span).await;
        let tries = scene.desk.tries(jumped).await;
        let reached = tries.iter().filter(|one| one.has_reached()).count();
        let dropped = scene.tally.of(Count::ConnectionLost) - dropped;
        let told = format!("{reached} of {}, {dropped}", tries.len());
        scene
            .figures
            .push(Figure::told(format!("commands that reach and sockets lost, clock {words}"), told));
    }
    let dropped = scene.tally.of(Count::ConnectionLost) - lost;
    let (after, burials) = (nodes(scene).await?, burials(scene)?);
    let is_tomorrow = log_tells_tomorrow(scene)?;
    scene.figures.extend([
        Figure::held(
            "the node's log has lines of tomorrow",
            "yes",
            if is_tomorrow { "yes" } else { "no" },
            is_tomorrow,
        ),
        Figure::must("sockets dropped", "0", dropped.to_string(), dropped == 0),
        Figure::must("nodes taken for dead, leases lost", "0", burials.to_string(), burials == 0),
        Figure::held(
            "runs of nodes in the registry before and after",
            "the same",
            format!("{}, {}", before.len(), after.len()),
            before == after,
        ),
    ]);
    others.tell(scene, since).await;
    let words: Vec<_> = JUMPS.iter().map(|(_, words)| *words).collect();
    Ok(format!(
        "the clock of a node {}, for {} s each; of five stations' clocks one is 10 min ahead, one 10 min behind, one says 1970",
        words.join(", "),
        span.as_secs()
    ))
}

/// Ids of the runs of all nodes.
async fn nodes(scene: &Scene<'_>) -> anyhow::Result<BTreeSet<String>> {
    let member = scene.grounds.members.iter().find_map(Member::addresses).context("no node runs")?;
    let answer = http::send(member.http, "GET", "/api/v1/nodes", TOKEN, "").await?;
    let list: Value = serde_json::from_str(&answer.body).context("read the nodes")?;
    let nodes = list.get("items").and_then(Value::as_array).context("the nodes have no items")?;
    Ok(nodes.iter().filter_map(|node| node.get("id")?.as_str().map(str::to_owned)).collect())
}

/// The log is stamped by the wall clock itself: it tells whether that was really wrong.
fn log_tells_tomorrow(scene: &Scene<'_>) -> anyhow::Result<bool> {
    let tomorrow = Clock::start().off_by(DAY_S);
    let stamp = tomorrow.stamp(tomorrow.now());
    let mark = format!("\"timestamp\":\"{}", stamp.get(..DATE_LEN).unwrap_or_default());
    let member = scene.grounds.members.last().context("there are no nodes")?;
    let text = std::fs::read_to_string(&member.log).context("read the log of a node")?;
    Ok(text.contains(&mark))
}

/// Lines in which a node took another one for dead, or itself.
fn burials(scene: &Scene<'_>) -> anyhow::Result<usize> {
    let mut found = 0;
    for member in &scene.grounds.members {
        let text = std::fs::read_to_string(&member.log).context("read the log of a node")?;
        found += text.lines().filter(|line| BURIALS.iter().any(|mark| line.contains(mark))).count();
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_node_of_the_case_has_a_clock_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        assert!(environment(Case::C1, true, folder.path()).unwrap().is_empty());
        assert!(environment(Case::C16, false, folder.path()).unwrap().is_empty());
        if hindrance().is_none() {
            let environment = environment(Case::C16, true, folder.path()).unwrap();
            assert!(environment.contains(&("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned())));
            assert_eq!(std::fs::read_to_string(file(folder.path())).unwrap(), RIGHT);
        }
    }
}
