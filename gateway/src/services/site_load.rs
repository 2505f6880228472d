//! The load of a location: how it stands, limits from outside, readings of its meters.
//!
//! Limits are kept, so that they hold after a restart too; of readings only what a building took at most: they are too old by then.

use ringmain_domain::id::{CircuitId, LocationId, SiteId};
use ringmain_domain::load::allocation::{Input, SIGNALS_MAX};
use ringmain_domain::load::supply::{AHEAD_MS, Battery, Reading, Signal};
use ringmain_domain::load::tree::{EvseKey, Line, SiteTree};
use ringmain_domain::unit::Milliamps;
use serde_json::json;

use super::audit;
use super::keys::Caller;
use super::refusal::{Flaw, Refusal, check_text};
use crate::actors::site::load::view::{LoadView, ObserveLoad};
use crate::actors::site::{SiteHandle, TellLoad, TreeChanged};
use crate::actors::site_directory::Locate;
use crate::clock;
use crate::house::House;

pub mod forecast;
pub mod history;

/// No meter of a site tells more, in mA.
const READING_MAX: i64 = 100_000_000;
const SOURCE_MAX_CHARS: usize = 100;
/// A note about a mended EVSE.
const NOTE_MAX_CHARS: usize = 500;

/// What a circuit's meters told, per line.
#[derive(Debug, Clone, Copy)]
pub struct Metered {
    /// The load that nobody controls.
    pub building: Option<Reading>,
    /// What the sun gives.
    pub solar: Option<Reading>,
    /// What a battery's controller tells; how much it takes at most stands in the settings.
    pub battery: Option<Battery>,
}

/// How the load of the caller's own location stands; `None`: nobody manages it yet.
///
/// # Errors
/// Absent, the location or its tree; the store's.
pub async fn observe(house: &House, caller: &Caller, id: &LocationId) -> Result<Option<LoadView>, Refusal> {
    tree_of(house, caller, id).await?;
    match site(house, caller, id).await {
        Some(site) => Ok(site.addr().send(ObserveLoad { asked_by_peer: false }).await.unwrap_or_default()),
        None => Ok(None),
    }
}

/// Takes readings of a circuit in.
///
/// # Errors
/// Flaws; absent, the location, its tree or the circuit; the store's.
pub async fn read_meters(
    house: &House,
    caller: &Caller,
    (id, circuit): (&LocationId, &CircuitId),
    metered: Metered,
) -> Result<(), Refusal> {
    circuit_of(house, caller, id, circuit).await?;
    let both = [("/building_ma", metered.building), ("/solar_ma", metered.solar)];
    let mut flaws = Vec::new();
    for (pointer, reading) in both.into_iter().filter_map(|(pointer, reading)| Some((pointer, reading?))) {
        if Line::ALL.into_iter().any(|line| line.of(reading.line_ma).0.abs() > READING_MAX) {
            flaws.push(Flaw::new(pointer, format!("must be from -{READING_MAX} to {READING_MAX}")));
        }
        if reading.at.millis_since(clock::now()) > AHEAD_MS {
            flaws.push(Flaw::new("/measured_at", "lies in the future"));
        }
    }
    flaws.extend(metered.battery.iter().flat_map(flaws_of_battery));
    Refusal::unless_sound(flaws)?;
    let Some(site) = site(house, caller, id).await else { return Ok(()) };
    for input in [
        metered.building.map(|reading| Input::Building { circuit: circuit.clone(), reading }),
        metered.solar.map(|reading| Input::Solar { circuit: circuit.clone(), reading }),
        metered.battery.map(|battery| Input::Battery { circuit: circuit.clone(), battery }),
    ]
    .into_iter()
    .flatten()
    {
        tell(&site, input).await;
    }
    Ok(())
}

/// Limits of a circuit from outside, as kept.
///
/// # Errors
/// Absent, the location, its tree or the circuit; the store's.
pub async fn limits(
    house: &House,
    caller: &Caller,
    id: &LocationId,
    circuit: &CircuitId,
) -> Result<Vec<Signal>, Refusal> {
    circuit_of(house, caller, id, circuit).await?;
    let mut all = house.store.site_signals(&caller.tenant, id).await?;
    Ok(all.remove(circuit).unwrap_or_default())
}

/// Did anybody ever say what a circuit's limits from outside are?
///
/// # Errors
/// The store's.
pub async fn has_limits(
    house: &House,
    caller: &Caller,
    (id, circuit): (&LocationId, &CircuitId),
) -> Result<bool, Refusal> {
    Ok(house.store.site_signals(&caller.tenant, id).await?.contains_key(circuit))
}

/// Replaces the limits of a circuit from outside: grid operator, contract, an operator's own.
///
/// # Errors
/// Flaws; absent, the location, its tree or the circuit; the store's.
pub async fn put_limits(
    house: &House,
    caller: &Caller,
    (id, circuit): (&LocationId, &CircuitId),
    signals: Vec<Signal>,
) -> Result<(), Refusal> {
    circuit_of(house, caller, id, circuit).await?;
    Refusal::unless_sound(flaws_of(&signals))?;
    house.store.put_site_signals(&caller.tenant, id, circuit, &signals).await?;
    let detail = json!({"circuit": circuit, "limits": signals});
    if let Some(site) = site(house, caller, id).await {
        tell(&site, Input::Signals { circuit: circuit.clone(), signals }).await;
    }
    audit::record(house, caller, "limits.replaced", &format!("locations/{id}/circuits"), &detail).await?;
    Ok(())
}

/// An operator says that an EVSE obeys its limits again: it will count with what it is allowed, no more with all it can draw. The
/// site is told; it counts once the site's ledger has it. A note of whoever looked at it is kept with their name.
///
/// # Errors
/// A note that is none; absent, the location, its tree or the EVSE in it; a conflict where the site cannot be told; the store's.
pub async fn mend(
    house: &House,
    caller: &Caller,
    id: &LocationId,
    (evse, note): (EvseKey, Option<&str>),
) -> Result<(), Refusal> {
    let mut flaws = Vec::new();
    if let Some(note) = note {
        check_text(&mut flaws, "/note", note, NOTE_MAX_CHARS);
    }
    Refusal::unless_sound(flaws)?;
    let tree = tree_of(house, caller, id).await?;
    if tree.place(&evse).is_none() {
        return Err(Refusal::absent("EVSE in the tree of circuits", &evse));
    }
    let detail = json!({"charging_station_id": evse.station, "evse_id": evse.evse, "note": note});
    let told = match site(house, caller, id).await {
        Some(site) => site.addr().send(TellLoad(Input::Mended(evse))).await.is_ok(),
        None => false,
    };
    if !told {
        return Err(Refusal::conflict("the site is starting again and was not told: try again"));
    }
    audit::record(house, caller, "load.mended", &format!("locations/{id}/load"), &detail).await?;
    Ok(())
}

/// The tree was drawn anew or removed: whoever manages the load starts again from it.
pub async fn tree_changed(house: &House, caller: &Caller, id: &LocationId) {
    if let Some(site) = site(house, caller, id).await {
        // A site that is gone reads the tree when it is built again.
        site.addr().send(TreeChanged).await.ok();
    }
}

fn flaws_of_battery(battery: &Battery) -> Vec<Flaw> {
    let told = [("promised_ma", battery.promised_ma), ("charging_ma", battery.charging_ma)];
    let is_bad = |lines: [Milliamps; 3]| {
        Line::ALL.into_iter().any(|line| !(0..=READING_MAX).contains(&line.of(lines).0))
    };
    let bad = told.into_iter().filter(|(_, lines)| is_bad(*lines));
    let mut flaws: Vec<_> = bad
        .map(|(field, _)| Flaw::new(format!("/battery/{field}"), format!("must be from 0 to {READING_MAX}")))
        .collect();
    if battery.at.millis_since(clock::now()) > AHEAD_MS {
        flaws.push(Flaw::new("/measured_at", "lies in the future"));
    }
    flaws
}

fn flaws_of(signals: &[Signal]) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    if signals.len() > SIGNALS_MAX {
        flaws.push(Flaw::new("/limits", format!("at most {SIGNALS_MAX} are allowed")));
    }
    for (index, signal) in signals.iter().enumerate() {
        let at = |field: &str| format!("/limits/{index}/{field}");
        if signal.source.trim().is_empty() || signal.source.chars().count() > SOURCE_MAX_CHARS {
            flaws.push(Flaw::new(at("source"), format!("must have 1 to {SOURCE_MAX_CHARS} characters")));
        }
        if signal.until.is_some_and(|until| until <= signal.from) {
            flaws.push(Flaw::new(at("until"), "must be after from"));
        }
        let lines = signal.limit.line_ma.into_iter().flatten();
        if signal.limit.line_ma.is_none() && signal.limit.power_w.is_none() {
            flaws.push(Flaw::new(format!("/limits/{index}"), "limits nothing: give line_ma or power_w"));
        }
        if lines.into_iter().any(|line| line < Milliamps::ZERO) {
            flaws.push(Flaw::new(at("line_ma"), "must not be negative"));
        }
        if signal.limit.power_w.is_some_and(|power| power.0 < 0) {
            flaws.push(Flaw::new(at("power_w"), "must not be negative"));
        }
    }
    flaws
}

pub(super) async fn tree_of(house: &House, caller: &Caller, id: &LocationId) -> Result<SiteTree, Refusal> {
    let stored = house.store.site_tree(&caller.tenant, id).await?;
    stored.map(|stored| stored.tree).ok_or_else(|| Refusal::absent("tree of circuits at location", id))
}

async fn circuit_of(
    house: &House,
    caller: &Caller,
    id: &LocationId,
    circuit: &CircuitId,
) -> Result<(), Refusal> {
    let tree = tree_of(house, caller, id).await?;
    tree.circuit(circuit).map(drop).ok_or_else(|| Refusal::absent("circuit", circuit))
}

pub(super) async fn site(house: &House, caller: &Caller, id: &LocationId) -> Option<SiteHandle> {
    let locate = Locate { tenant: caller.tenant.clone(), site: SiteId::of(id) };
    match house.sites.send(locate).await {
        Ok(Ok(site)) => Some(site),
        Ok(Err(error)) => {
            tracing::warn!(%error, location = %id, "a site cannot be had");
            None
        }
        Err(_) => None,
    }
}

async fn tell(site: &SiteHandle, input: Input) {
    // A site that dies meanwhile reads the kept limits when it is built again, and waits for the next reading.
    site.addr().send(TellLoad(input)).await.ok();
}
