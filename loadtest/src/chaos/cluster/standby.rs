//! C6: PostgreSQL dies while commits wait for its synchronous standby, and the standby takes its place. The nodes know both by the URL of their
//! store and find by themselves where one may write.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::time::{Instant, sleep};

use super::super::postgres::Postgres;
use super::super::standby::{Standby, until};
use super::cases::Case;
use super::report::Figure;
use super::scene::{Scene, seconds};
use crate::tally::Count;

/// Nodes are ready within so long after the standby has taken over (as C4).
const READY: Duration = Duration::from_secs(10);
/// Stations are back within so long.
const BACK: Duration = Duration::from_secs(60);
/// The highest epoch any connection was ever given.
const LAST_EPOCH: &str = "SELECT max(conn_epoch) FROM stations";
/// The epoch that is given next.
const NEXT_EPOCH: &str = "SELECT nextval('connection_epochs')";

/// The second server, where the case wants one.
pub(super) async fn of(case: Case, first: &Postgres) -> anyhow::Result<Option<Standby>> {
    match case {
        Case::C6 => Standby::follow(first).await.context("start a standby").map(Some),
        _ => Ok(None),
    }
}

/// The store's URL: wherever one may write.
pub(super) fn url(first: std::net::SocketAddr, standby: &Standby) -> String {
    let second = standby.port;
    format!("postgres://ringmain@{first},127.0.0.1:{second}/ringmain?target_session_attrs=read-write")
}

/// C6: the standby takes over.
pub(super) async fn take_over(scene: &mut Scene<'_>) -> anyhow::Result<String> {
    sleep(scene.course.span).await;
    let standby = scene.grounds.standby.as_mut().context("there is no standby")?;
    let first = &scene.grounds.postgres;
    let epoch_before = number(&first.ask_node(LAST_EPOCH).await?)?;
    standby.deafen().await?;
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    until(async || Ok(number(&first.ask(waiting).await?)? > 0)).await.context("no commit waits")?;
    // More of them gather meanwhile.
    sleep(scene.course.kill_every.min(Duration::from_secs(2))).await;
    let caught = number(&first.ask(waiting).await?)?;
    first.process.hold(true);
    first.process.kill().await.context("kill the first server")?;
    let killed = Instant::now();
    standby.promote().await?;
    let promoted = Instant::now();
    // At once: what nodes draw meanwhile would hide a step back.
    let epoch_after = number(&standby.ask_node(NEXT_EPOCH).await?)?;
    scene.grounds.all_well().await?;
    let ready = promoted.elapsed();
    scene.all_connected("stations come back", BACK).await?;
    let back = promoted.elapsed();
    let lost = scene.tally.of(Count::ConnectionLost);
    scene.figures.extend([
        Figure::held("commits that waited when the first server died", "≥ 1", caught.to_string(), caught > 0),
        Figure::held(
            "all nodes ready after the standby has taken over",
            "≤ 10 s",
            seconds(ready),
            ready <= READY,
        ),
        Figure::must(
            "epoch of connections, last before and next after",
            "higher",
            format!("{epoch_before}, {epoch_after}"),
            epoch_after > epoch_before,
        ),
        Figure::told("the standby took over after", seconds(promoted.duration_since(killed))),
        Figure::told("all stations back after it", seconds(back)),
        Figure::told("sockets lost", lost.to_string()),
    ]);
    // What comes after must be committed there, too.
    sleep(scene.course.span).await;
    Ok("`kill -9` of PostgreSQL while commits wait for its synchronous standby, which takes over".to_owned())
}

fn number(text: &str) -> anyhow::Result<i64> {
    ensure!(!text.is_empty(), "the database says nothing");
    text.parse().with_context(|| format!("no number: {text}"))
}
