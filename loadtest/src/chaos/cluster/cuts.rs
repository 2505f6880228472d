//! C18: a site is cut from 100 to 30 % while every fifth of its stations cannot be reached.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::report::Figure;
use super::scene::{Scene, seconds};
use super::sites::{MARGIN, Site, TTL};
use crate::chaos::proxy::Weather;
use crate::draws::Draws;

/// What is left, per cent.
const CUT_PERCENT: u64 = 30;
/// The reachable stations are under it within so long.
const REACHABLE: Duration = Duration::from_secs(10);
/// How long the link stays silent at most: by then nodes must have listed the others.
const LISTED: Duration = Duration::from_secs(120);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// When what was seen, after the cut was taken in.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    reachable: Option<Duration>,
    all: Option<Duration>,
    listed: Option<Duration>,
    /// How many of them an alarm names too.
    named: usize,
}

/// C18.
pub(super) async fn cut(scene: &mut Scene<'_>) -> anyhow::Result<String> {
    ensure!(!scene.sites.all.is_empty(), "C18 needs a [[managed]] site with stations in the plan");
    let remote = scene.remote.as_ref().context("no stations with a link of their own")?;
    let far = remote.stations.clone();
    remote.link.set(Weather::black_hole());
    let silent = Instant::now();
    // Those that charge now keep what they have.
    let target = scene.desk.targets().first().context("no nodes")?.clone();
    let mut taken = Vec::new();
    for site in &mut scene.sites.all {
        ensure!(site.limit(&target, CUT_PERCENT).await, "{}: the cut is not taken in", site.id);
        taken.push(Instant::now());
    }
    let mut seen = vec![Seen::default(); taken.len()];
    while silent.elapsed() < LISTED && !seen.iter().all(Seen::is_whole) {
        for ((site, seen), taken) in scene.sites.all.iter().zip(&mut seen).zip(&taken) {
            seen.look(site, scene.witness.draws(), &far, *taken);
            if seen.listed.is_none() {
                seen.listen(&site.load(&target).await.unwrap_or_default(), site, &far, *taken);
            }
        }
        sleep(LOOK_EVERY).await;
    }
    let away = silent.elapsed();
    let remote = scene.remote.as_ref().context("no stations with a link of their own")?;
    remote.link.set(Weather::default());
    for site in &mut scene.sites.all {
        ensure!(site.limit(&target, 100).await, "{}: the cut is not taken back", site.id);
    }
    scene.sites.all_used(scene.witness.draws()).await?;
    tell(scene, &seen);
    Ok(format!(
        "{} of {} stations behind a black hole for {} s, limits cut to {CUT_PERCENT} % meanwhile",
        far.len(),
        scene.sites.stations().len(),
        away.as_secs()
    ))
}

// === impl Seen ===

impl Seen {
    fn is_whole(&self) -> bool {
        self.reachable.is_some() && self.all.is_some() && self.listed.is_some()
    }

    /// What stations draw and may draw.
    fn look(&mut self, site: &Site, draws: &Draws, far: &BTreeSet<Arc<str>>, taken: Instant) {
        let limit = site.line_ua(CUT_PERCENT);
        let is_under = |stations: &BTreeSet<Arc<str>>| {
            let now = draws.now(stations);
            now.drawn.into_iter().chain(now.allowed).all(|line| line <= limit)
        };
        let all = site.stations();
        let near: BTreeSet<_> = all.difference(far).cloned().collect();
        for (seen, stations) in [(&mut self.reachable, &near), (&mut self.all, &all)] {
            if seen.is_none() && is_under(stations) {
                *seen = Some(taken.elapsed());
            }
        }
    }

    /// What a node tells: who is not connected, and whom an alarm names.
    fn listen(&mut self, load: &Value, site: &Site, far: &BTreeSet<Arc<str>>, taken: Instant) {
        let wanted: BTreeSet<_> =
            site.stations().intersection(far).map(|station| station.to_string()).collect();
        if wanted.is_subset(&unreachable(load)) {
            self.listed = Some(taken.elapsed());
            self.named = wanted.iter().filter(|station| is_named(load, station)).count();
        }
    }
}

/// Stations without a connection, as a node tells.
fn unreachable(load: &Value) -> BTreeSet<String> {
    let evses = load.get("evses").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let away = evses.iter().filter(|evse| evse.get("connected") == Some(&Value::Bool(false)));
    away.filter_map(|evse| evse.get("charging_station_id").and_then(Value::as_str))
        .map(str::to_owned)
        .collect()
}

/// An alarm says that it cannot be told. There is one where the promises of a site are over its limit when it is known to be away.
fn is_named(load: &Value, station: &str) -> bool {
    let alarms = load.get("alarms").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    alarms.iter().any(|alarm| {
        let of = |field| alarm.get(field).and_then(Value::as_str).unwrap_or_default();
        of("alarm") == "unreachable" && of("detail").split(' ').any(|word| word == station)
    })
}

fn tell(scene: &mut Scene<'_>, seen: &[Seen]) {
    let longest = |of: fn(&Seen) -> Option<Duration>| {
        seen.iter().map(of).collect::<Option<Vec<_>>>().and_then(|all| all.into_iter().max())
    };
    let figure = |what: &str, target: String, took: Option<Duration>, most: Duration| {
        let told = took.map_or_else(|| "never".to_owned(), seconds);
        Figure::held(what, target, told, took.is_some_and(|took| took <= most))
    };
    let decayed = TTL + MARGIN;
    let named: usize = seen.iter().map(|seen| seen.named).sum();
    scene.figures.extend([
        figure(
            "reachable stations at the new share",
            "≤ 10 s".to_owned(),
            longest(|seen| seen.reachable),
            REACHABLE,
        ),
        figure(
            "all together within the new limit",
            format!("≤ {} s (TTL + margin)", decayed.as_secs()),
            longest(|seen| seen.all),
            decayed,
        ),
        figure(
            "all unreachable stations listed by the API",
            "all".to_owned(),
            longest(|seen| seen.listed),
            LISTED,
        ),
        Figure::told("of these named by an alarm, because promises were over the limit", named.to_string()),
    ]);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_is_away_is_listed_and_who_cannot_be_told_is_named() {
        let evse =
            |station: &str, connected: bool| json!({"charging_station_id": station, "connected": connected});
        let alarm = |kind: &str, detail: &str| json!({"alarm": kind, "detail": detail});
        let load = json!({
            "evses": [evse("A", false), evse("B", false), evse("C", true)],
            "alarms": [alarm("unreachable", "A EVSE 1 cannot be told"), alarm("refusing", "C EVSE 1 refuses limits")],
        });
        assert_eq!(unreachable(&load), ["A".to_owned(), "B".to_owned()].into());
        assert!(is_named(&load, "A") && !is_named(&load, "C") && !is_named(&load, "EVS"));
        assert!(unreachable(&Value::Null).is_empty());
    }
}
