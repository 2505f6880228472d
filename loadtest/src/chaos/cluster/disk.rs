//! C15: no space is left, first where a node keeps its files and its log, then under PostgreSQL. Both are on file systems of limited size in
//! memory, which only root may mount.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use tokio::time::{Instant, sleep};

use super::super::small_disk::SmallDisk;
use super::bystanders::Bystanders;
use super::cases::Case;
use super::report::Figure;
use super::scene::{Scene, seconds};
use crate::tally::Count;

/// Room for PostgreSQL and all that a run stores, MiB; memory is taken only for what is there.
const POSTGRES_MIB: u64 = 1_024;
/// Room for a node's files and its log, MiB.
const NODE_MIB: u64 = 128;
/// How often what became free meanwhile is taken again.
const FILL_EVERY: Duration = Duration::from_millis(100);
/// Nodes say within so long that they cannot store.
const NOT_READY: Duration = Duration::from_secs(30);
/// They are ready within so long after there is space (as C4).
const READY: Duration = Duration::from_secs(10);
/// A server comes back within so long.
const BACK: Duration = Duration::from_secs(60);

/// What keeps this machine from it.
pub(super) async fn hindrance() -> Option<String> {
    SmallDisk::hindrance().await
}

/// How much room PostgreSQL has, where that is limited.
pub(super) fn postgres_mib(case: Case) -> Option<u64> {
    (case == Case::C15).then_some(POSTGRES_MIB)
}

/// What the first node writes to, where that can be full.
pub(super) async fn of_a_node(case: Case, at: &Path) -> anyhow::Result<Option<SmallDisk>> {
    if case != Case::C15 {
        return Ok(None);
    }
    std::fs::create_dir(at).with_context(|| format!("make {}", at.display()))?;
    SmallDisk::mount(at, NODE_MIB, None).await.map(Some)
}

/// C15: full disks.
pub(super) async fn full(scene: &mut Scene<'_>) -> anyhow::Result<String> {
    let span = scene.course.span;
    let others = Bystanders::watch(scene, span).await;
    let since = Instant::now();
    let (lost, files) = (scene.tally.of(Count::ConnectionLost), "a node's files and log");
    let disk = scene.grounds.node_disk.as_ref().context("the node has no disk of its own")?;
    keep_full(disk, span).await?;
    disk.free()?;
    let dropped = scene.tally.of(Count::ConnectionLost) - lost;
    scene.figures.push(Figure::held(
        format!("sockets dropped while there is no space for {files}"),
        "0",
        dropped.to_string(),
        dropped == 0,
    ));
    others.tell(scene, since).await;
    scene.grounds.all_well().await?;
    under_postgres(scene, span).await?;
    Ok(format!(
        "no space for {files} for {} s, then under PostgreSQL for {} s",
        span.as_secs(),
        under_postgres_for(span).as_secs()
    ))
}

/// Long enough for every node to say that it is not ready.
fn under_postgres_for(span: Duration) -> Duration {
    span.max(NOT_READY)
}

async fn under_postgres(scene: &mut Scene<'_>, span: Duration) -> anyhow::Result<()> {
    let crowd = scene.witness.links().connected().len();
    let disk = scene.grounds.postgres.disk.as_ref().context("PostgreSQL has no disk of its own")?;
    let full_since = Instant::now();
    let (filled, refused) =
        tokio::join!(keep_full(disk, under_postgres_for(span)), scene.grounds.all_unwell(NOT_READY));
    filled?;
    let left = scene.witness.links().connected().len();
    disk.free()?;
    let space = Instant::now();
    scene.grounds.postgres.process.ready(BACK).await.context("PostgreSQL")?;
    let accepts = Instant::now();
    scene.grounds.all_well().await?;
    let ready = accepts.elapsed();
    scene.all_connected("stations come back", BACK).await?;
    let back = space.elapsed();
    let unwell = refused.map(|at| at.duration_since(full_since));
    let turned_away: u64 = scene.tally.refusals().values().sum();
    scene.figures.extend([
        Figure::held(
            "all nodes say that they are not ready, after PostgreSQL has no space",
            "≤ 30 s",
            unwell.map_or_else(|| "never".to_owned(), seconds),
            unwell.is_some_and(|took| took <= NOT_READY),
        ),
        Figure::told("stations still connected when there is space again", format!("{left} of {crowd}")),
        Figure::told("attempts to connect that were refused meanwhile", turned_away.to_string()),
        Figure::held(
            "all nodes ready after PostgreSQL accepts again",
            "≤ 10 s",
            seconds(ready),
            ready <= READY,
        ),
        Figure::held(
            "all stations back after there is space",
            "≤ 300 s",
            seconds(back),
            back <= Duration::from_secs(300),
        ),
    ]);
    Ok(())
}

/// There is no space for so long, whatever is given back meanwhile.
async fn keep_full(disk: &SmallDisk, span: Duration) -> anyhow::Result<()> {
    let until = Instant::now() + span;
    loop {
        disk.fill().await?;
        if Instant::now() >= until {
            return Ok(());
        }
        sleep(FILL_EVERY).await;
    }
}
