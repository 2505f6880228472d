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
/// How long it may take at most until nodes list the others: three missed pings, and a look.
const LISTED: Duration = Duration::from_secs(120);
/// How long the link stays silent beyond all that is measured at most.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// When what was seen, after the cut was taken in.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    reachable: Option<Duration>,
    all: Option<Duration>,
    listed: Option<Duration>,
    alarmed: Option<Duration>,
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
            if !seen.is_told() {
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
    fn is_told(&self) -> bool {
        self.listed.is_some() && self.alarmed.is_some()
    }

    fn is_whole(&self) -> bool {
        self.is_told() && self.reachable.is_some() && self.all.is_some()
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
        let (away, holding) = unreachable(load);
        let wanted: BTreeSet<_> =
            site.stations().intersection(far).map(|station| station.to_string()).collect();
        if self.listed.is_none() && wanted.is_subset(&away) {
            self.listed = Some(taken.elapsed());
        }
        // Only who holds something is worth an alarm, and only when it is known to be away.
        let holders: Vec<_> = holding.iter().filter(|station| wanted.contains(*station)).collect();
        if self.alarmed.is_none()
            && self.listed.is_some()
            && holders.iter().all(|station| is_named(load, station))
        {
            self.alarmed = Some(taken.elapsed());
        }
    }
}

/// Stations without a connection, and of these the ones that may have something in force.
fn unreachable(load: &Value) -> (BTreeSet<String>, BTreeSet<String>) {
    let evses = load.get("evses").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let away = evses.iter().filter(|evse| evse.get("connected") == Some(&Value::Bool(false)));
    let name = |evse: &Value| evse.get("charging_station_id").and_then(Value::as_str).map(str::to_owned);
    let holds =
        |evse: &&Value| evse.get("ceiling_ma").and_then(Value::as_u64).is_some_and(|ceiling| ceiling > 0);
    (away.clone().filter_map(name).collect(), away.filter(holds).filter_map(name).collect())
}

/// An alarm says that it cannot be told.
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
        figure(
            "an alarm names each that holds a share",
            "all".to_owned(),
            longest(|seen| seen.alarmed),
            LISTED,
        ),
    ]);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_is_away_and_holds_something_is_wanted_in_the_alarms() {
        let evse = |station: &str, connected: bool, ceiling: u64| json!({"charging_station_id": station, "connected": connected, "ceiling_ma": ceiling});
        let alarm = |kind: &str, detail: &str| json!({"alarm": kind, "detail": detail});
        let load = json!({
            "evses": [evse("A", false, 16_000), evse("B", false, 0), evse("C", true, 16_000)],
            "alarms": [alarm("unreachable", "A EVSE 1 cannot be told"), alarm("refusing", "C EVSE 1 refuses limits")],
        });
        let (away, holding) = unreachable(&load);
        assert_eq!((away, holding), (["A".to_owned(), "B".to_owned()].into(), ["A".to_owned()].into()));
        assert!(is_named(&load, "A") && !is_named(&load, "C") && !is_named(&load, "EVS"));
        assert_eq!(unreachable(&Value::Null), Default::default());
    }
}
