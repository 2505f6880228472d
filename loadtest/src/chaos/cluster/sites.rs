//! Sites of the crowd whose limit binds: their trees are drawn over the API, their limits changed, and what their stations draw is judged (L1).
//!
//! A site has a grid connection with two panels below it. All stations are wired straight and have no fallback, so what a station may draw
//! was given to it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use super::TOKEN;
use super::balance::{Balanced, Target};
use super::report::Figure;
use super::scene::seconds;
use crate::chaos::proxy::Proxy;
use crate::draws::Draws;
use crate::oracle::grants::{Circuit, Found, Judgement, Of, Ordered, judge};
use crate::oracle::{Verdict, Violation, http};
use crate::password::Passwords;
use crate::plan::Plan;
use crate::plan::managed::Placed;
use crate::vehicle::PHASE_VOLTS;

/// From the answer of a station until what it was told counts, in the nodes under test. Stations here obey within a second.
pub(super) const GUARD: Duration = Duration::from_secs(4);
/// How long a share lasts without a word: the shortest there is.
pub(super) const TTL: Duration = Duration::from_secs(60);
/// What a share is given beyond its end before it counts as gone (reliability.md 8.1).
pub(super) const MARGIN: Duration = Duration::from_secs(60);
/// How long after a cut the limit before it may still be drawn: until the last share that was given before it has ended. Stations here let a
/// share go at its end, so that is its life, and what it takes until an owner knows of the cut.
pub(super) const GRACE: Duration = Duration::from_secs(75);
/// What a panel carries of what the site does, per cent.
const PANEL_PERCENT: u64 = 60;
const PANELS: usize = 2;
/// The most that one EVSE may have, mA, and the steps in which it is given.
const EVSE_MAX_MA: u64 = 32_000;
const STEP_MA: u64 = 100;
/// A site is used when so much of its limit flows, per cent.
const USED_PERCENT: u64 = 75;
/// How long sites may take until they are managed, and until they are used.
const PATIENCE: Duration = Duration::from_secs(90);
/// How long one answer of the API may take.
const ANSWER: Duration = Duration::from_secs(8);
/// Between two looks, and between two attempts at the API.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// What the API answers to a key that asks too often, and while it starts.
const RETRIABLE: [u16; 2] = [429, 503];
/// Of so many stations of a site one is reached by another way, where a case wants that.
const REMOTE_EVERY: usize = 5;

/// The sites of a case, and what was ordered of them.
pub(super) struct Sites {
    pub(super) all: Vec<Site>,
    /// From then on every station has its fallback.
    managed_since: Option<Instant>,
}

/// One site.
pub(super) struct Site {
    /// Its location in the API.
    pub(super) id: String,
    placed: Vec<Placed>,
    /// The grid connection, then the panels.
    circuits: Vec<Circuit>,
    /// What the grid connection carries by the tree, mA.
    line_ma: u64,
}

/// Stations that are reached through a link of their own.
pub(super) struct Remote {
    pub(super) stations: BTreeSet<Arc<str>>,
    pub(super) link: Proxy,
}

/// Whose a site is, as a node tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) node: String,
    pub(super) epoch: i64,
}

// === impl Sites ===

impl Sites {
    /// The managed sites of a plan; those that were scaled down to less than two stations a panel are left out.
    pub(super) fn of(plan: &Plan) -> Self {
        let sites = plan
            .managed
            .iter()
            .map(|managed| Site::new(&managed.site, plan.placed_at(&managed.site), managed.limit_percent));
        Self { all: sites.filter(|site| site.placed.len() >= 2 * PANELS).collect(), managed_since: None }
    }

    /// All their stations.
    pub(super) fn stations(&self) -> BTreeSet<Arc<str>> {
        self.all.iter().flat_map(Site::stations).collect()
    }

    /// Makes locations, stations and trees known, before the crowd comes.
    pub(super) async fn draw(&self, target: &Target, passwords: &Passwords) -> anyhow::Result<()> {
        for site in &self.all {
            let place = json!({"name": site.id, "address": "Ringstr. 1", "city": "Berlin", "country": "DEU", "latitude": "52.5",
                "longitude": "13.4", "time_zone": "Europe/Berlin"});
            put(target, &format!("/locations/{}", site.id), &place).await?;
            for placed in &site.placed {
                let identity = &*placed.identity;
                let station =
                    json!({"id": identity, "password": passwords.of(identity), "location_id": site.id});
                change(target, "POST", "/charging-stations", &station).await?;
            }
            put(target, &format!("/locations/{}/circuits", site.id), &site.tree()).await?;
        }
        Ok(())
    }

    /// Waits until all sites are managed with all their stations and their ledgers within the limits, and then until they are used: from
    /// then on there is something to break.
    pub(super) async fn come_into_use(&mut self, target: &Target, draws: &Draws) -> anyhow::Result<()> {
        let since = Instant::now();
        for site in &self.all {
            while !site.is_managed_within(&site.load(target).await.unwrap_or_default()) {
                if since.elapsed() > PATIENCE {
                    bail!("{}: not managed within its limit after {} s", site.id, PATIENCE.as_secs());
                }
                sleep(LOOK_EVERY).await;
            }
        }
        self.managed_since = (!self.all.is_empty()).then(Instant::now);
        self.all_used(draws).await
    }

    /// Waits until every site is used again.
    pub(super) async fn all_used(&self, draws: &Draws) -> anyhow::Result<()> {
        let since = Instant::now();
        for site in &self.all {
            while !site.is_used(draws) {
                if since.elapsed() > PATIENCE {
                    let draw = draws.now(&site.stations());
                    bail!(
                        "{}: not used after {} s: {draw:?} of {} mA",
                        site.id,
                        PATIENCE.as_secs(),
                        site.line_ma
                    );
                }
                sleep(LOOK_EVERY).await;
            }
        }
        Ok(())
    }

    /// Every fifth station of each site, behind a link of its own that leads to whichever node is ready.
    pub(super) async fn remote(&self, balance: &Balanced) -> anyhow::Result<Remote> {
        let each = |site: &Site| {
            let chosen = site.placed.iter().step_by(REMOTE_EVERY).map(|placed| Arc::clone(&placed.identity));
            chosen.collect::<Vec<_>>()
        };
        let stations = self.all.iter().flat_map(each).collect();
        let any = std::net::SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, 0));
        let balance = balance.clone();
        let link = Proxy::start(any, Box::new(move || balance.door())).await.context("listen")?;
        Ok(Remote { stations, link })
    }

    /// L1, from when the sites were managed until now; none where there are none.
    pub(super) fn judge(&self, draws: &Draws, until: Instant) -> anyhow::Result<Option<Found>> {
        let Some(from) = self.managed_since else { return Ok(None) };
        let circuits: Vec<_> = self.all.iter().flat_map(|site| site.circuits.iter().cloned()).collect();
        Ok(Some(judge(&circuits, &draws.changes()?, &Judgement { from, until, grace: GRACE })))
    }

    /// Accuses what was over, and tells the figures that every case has.
    pub(super) fn sum_up(&self, found: Option<Found>, until: Instant, verdict: &mut Verdict) -> Vec<Figure> {
        let Some(found) = found else {
            return vec![Figure::told("site over its limit", "no site of this crowd has one")];
        };
        for excess in &found.excesses {
            let what = match excess.of {
                Of::Drawn => "drawn",
                Of::Allowed => "allowed",
            };
            let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
            verdict.accuse(Violation::OverLimit {
                circuit: excess.circuit.clone(),
                what: what.to_owned(),
                highest_ma: excess.highest_ua.div_ceil(1_000),
                limit_ma: excess.limit_ua / 1_000,
                after_ms: millis(excess.after),
                lasted_ms: millis(excess.lasted),
            });
        }
        let circuits: usize = self.all.iter().map(|site| site.circuits.len()).sum();
        let judged = self.managed_since.map_or(Duration::ZERO, |from| until.saturating_duration_since(from));
        let told = format!(
            "{} times, {circuits} circuits of {} stations for {}",
            found.excesses_count,
            self.stations().len(),
            seconds(judged)
        );
        let highest = format!("{}.{} %", found.highest_permille / 10, found.highest_permille % 10);
        vec![
            Figure::held("site over its limit", "0", told, found.excesses_count == 0),
            Figure::told("most of a limit that flowed", highest),
            Figure::told("a station obeyed what it had accepted after at most", seconds(found.obeyed_after)),
        ]
    }
}

// === impl Site ===

impl Site {
    fn new(name: &str, placed: Vec<Placed>, limit_percent: u64) -> Self {
        let wanted_ma: u64 = placed.iter().map(|placed| u64::from(placed.evses) * rated_ma(placed)).sum();
        let line_ma = in_steps(wanted_ma * limit_percent / 100);
        let panel_ma = in_steps(line_ma * PANEL_PERCENT / 100);
        let now = Instant::now();
        let circuit = |name: String, line_ma: u64, stations: BTreeSet<Arc<str>>| Circuit {
            name,
            stations,
            limits: vec![Ordered { line_ua: line_ma * 1_000, sent: now, answered: Some(now) }],
        };
        let below = |panel: usize| {
            let of_panel = placed.iter().skip(panel).step_by(PANELS);
            of_panel.map(|placed| Arc::clone(&placed.identity)).collect()
        };
        let id = name.to_lowercase();
        let all = placed.iter().map(|placed| Arc::clone(&placed.identity)).collect();
        let mut circuits = vec![circuit(format!("{id}, grid"), line_ma, all)];
        circuits
            .extend((0..PANELS).map(|panel| circuit(format!("{id}, panel {panel}"), panel_ma, below(panel))));
        Self { id, placed, circuits, line_ma }
    }

    /// All its stations.
    pub(super) fn stations(&self) -> BTreeSet<Arc<str>> {
        self.placed.iter().map(|placed| Arc::clone(&placed.identity)).collect()
    }

    /// What the grid connection carries by the tree, on each line, in microamperes, at so many per cent.
    pub(super) fn line_ua(&self, percent: u64) -> u64 {
        in_steps(self.line_ma * percent / 100) * 1_000
    }

    fn tree(&self) -> Value {
        let limit = |circuit: &Circuit| {
            let line_ma = circuit.limits.first().map_or(0, |limit| limit.line_ua / 1_000);
            json!({"line_ma": [line_ma, line_ma, line_ma]})
        };
        let circuits = self.circuits.iter().enumerate().map(|(place, circuit)| match place {
            0 => json!({"id": "grid", "limit": limit(circuit)}),
            _ => json!({"id": format!("panel-{}", place - 1), "parent": "grid", "limit": limit(circuit)}),
        });
        let evses = self.placed.iter().enumerate().flat_map(|(place, placed)| {
            (1..=placed.evses).map(move |evse| {
                json!({"charging_station_id": &*placed.identity, "evse_id": evse, "circuit_id": format!("panel-{}", place % PANELS),
                    "voltage_v": PHASE_VOLTS, "lines": ["L1", "L2", "L3"], "min_ma": 6_000, "max_ma": rated_ma(placed), "step_ma": STEP_MA,
                    "rated_ma": rated_ma(placed), "fallback_ma": 0})
            })
        });
        json!({"circuits": circuits.collect::<Vec<_>>(), "evses": evses.collect::<Vec<_>>()})
    }

    /// The load as a node tells it.
    pub(super) async fn load(&self, target: &Target) -> Option<Value> {
        load(&self.id, target).await
    }

    /// All its stations are there, and what they are promised is within every limit.
    fn is_managed_within(&self, load: &Value) -> bool {
        let list = |of: &'_ Value, name| of.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        let evses = list(load, "evses");
        let connected = evses.iter().filter(|evse| evse.get("connected") == Some(&Value::Bool(true))).count();
        let wanted: usize = self.placed.iter().map(|placed| usize::try_from(placed.evses).unwrap_or(0)).sum();
        let circuits = list(load, "circuits");
        let mut limits = circuits.iter().flat_map(|circuit| list(circuit, "limits")).peekable();
        let number = |limit: &Value, name| limit.get(name).and_then(Value::as_i64);
        limits.peek().is_some()
            && connected == wanted
            && limits.all(|limit| {
                number(&limit, "promised").is_some_and(|all| Some(all) <= number(&limit, "limit"))
            })
    }

    /// Cars take what there is.
    fn is_used(&self, draws: &Draws) -> bool {
        let drawn = draws.now(&self.stations()).drawn;
        let newest =
            self.circuits.first().and_then(|grid| grid.limits.last()).map_or(0, |limit| limit.line_ua);
        drawn.into_iter().max().unwrap_or_default() * 100 >= newest * USED_PERCENT
    }

    /// Orders another limit of the grid connection through a node, in per cent of what the tree says; 100 takes it back. `false`: nobody knows
    /// whether it was taken in.
    pub(super) async fn limit(&mut self, target: &Target, percent: u64) -> bool {
        let line_ua = self.line_ua(percent);
        let line_ma = line_ua / 1_000;
        let cut = json!({"source": "grid operator", "line_ma": [line_ma, line_ma, line_ma]});
        let limits: Vec<_> = (percent < 100).then_some(cut).into_iter().collect();
        let path = format!("/api/v1/locations/{}/circuits/grid/limits", self.id);
        let body = json!({ "limits": limits }).to_string();
        let sent = Instant::now();
        let answer = match target.api() {
            Some(api) => timeout(ANSWER, http::send(api, "PUT", &path, TOKEN, &body)).await.ok(),
            None => None,
        };
        let is_taken = matches!(&answer, Some(Ok(answer)) if answer.status == 200);
        let answered = is_taken.then(Instant::now);
        if let Some(grid) = self.circuits.first_mut() {
            grid.limits.push(Ordered { line_ua, sent, answered });
        }
        is_taken
    }
}

async fn load(site: &str, target: &Target) -> Option<Value> {
    let path = format!("/api/v1/locations/{site}/load");
    let answer = timeout(ANSWER, http::send(target.api()?, "GET", &path, TOKEN, "")).await.ok()?.ok()?;
    (answer.status == 200).then(|| serde_json::from_str(&answer.body).ok())?
}

/// Whose a site is, as this node tells; none while it does not know.
pub(super) async fn owner_told(site: &str, target: &Target) -> Option<Told> {
    let load = load(site, target).await?;
    let node = load.get("node_id").and_then(Value::as_str)?.to_owned();
    Some(Told { node, epoch: load.get("owner_epoch").and_then(Value::as_i64)? })
}

/// What one EVSE can draw when nobody limits it, mA.
fn rated_ma(placed: &Placed) -> u64 {
    (placed.power.0 * 1_000).div_ceil(3 * PHASE_VOLTS).min(EVSE_MAX_MA)
}

fn in_steps(current_ma: u64) -> u64 {
    current_ma - current_ma % STEP_MA
}

async fn put(target: &Target, path: &str, body: &Value) -> anyhow::Result<()> {
    change(target, "PUT", path, body).await
}

/// Changes something over the API; asks again where it is told to.
async fn change(target: &Target, method: &str, path: &str, body: &Value) -> anyhow::Result<()> {
    let api = target.api().context("the node is down")?;
    let (since, path) = (Instant::now(), format!("/api/v1{path}"));
    loop {
        let answer = http::send(api, method, &path, TOKEN, &body.to_string()).await?;
        if !RETRIABLE.contains(&answer.status) || since.elapsed() > PATIENCE {
            let is_done = (200..300).contains(&answer.status);
            ensure!(is_done, "{method} {path} is answered with {}: {}", answer.status, answer.body);
            return Ok(());
        }
        sleep(LOOK_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unit::Watts;

    fn site() -> Site {
        let placed = (0..10).map(|place| Placed {
            identity: format!("CS-{place}").into(),
            evses: 1,
            power: Watts(22_000),
        });
        Site::new("North", placed.collect(), 40)
    }

    #[test]
    fn a_site_has_less_than_its_stations_want_and_every_station_hangs_on_one_panel() {
        let site = site();
        // 22 kW is 31.884 A on three lines.
        assert_eq!(site.line_ma, 127_500);
        assert_eq!(site.line_ua(30), 38_200_000);
        let tree = site.tree();
        let limits: Vec<_> =
            tree["circuits"].as_array().unwrap().iter().map(|c| c["limit"]["line_ma"][0].as_u64()).collect();
        assert_eq!(limits, [Some(127_500), Some(76_500), Some(76_500)]);
        assert_eq!(tree["evses"][3]["circuit_id"], "panel-1");
        assert_eq!(tree["evses"][3]["rated_ma"], 31_885);
        let below: Vec<_> = site.circuits.iter().map(|circuit| circuit.stations.len()).collect();
        assert_eq!(below, [10, 5, 5]);
        assert!(site.circuits[2].stations.contains("CS-3"));
    }

    #[test]
    fn it_is_managed_when_all_are_there_and_nothing_is_promised_twice() {
        let site = site();
        let load = |connected: usize, promised: i64| {
            let evses: Vec<_> = (0..10).map(|place| json!({"connected": place < connected})).collect();
            json!({"evses": evses, "circuits": [{"limits": [{"limit": 10, "promised": promised}]}]})
        };
        assert!(site.is_managed_within(&load(10, 10)));
        assert!(!site.is_managed_within(&load(9, 10)));
        assert!(!site.is_managed_within(&load(10, 11)));
        assert!(!site.is_managed_within(&Value::Null));
    }
}
