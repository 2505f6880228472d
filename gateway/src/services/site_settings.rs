//! What an operator decides about the sharing of a location's load.

use ringmain_domain::id::LocationId;
use ringmain_domain::load::need::WEIGHT_MAX_PERMILLE;
use ringmain_domain::load::settings::{
    CLASSES_MAX, CircuitSettings, HOLD_MAX_MIN, SiteSettings, WINDOWS_MAX,
};
use ringmain_domain::load::tree::{Line, SiteTree};
use ringmain_domain::unit::Milliamps;
use serde_json::json;

use super::audit;
use super::keys::Caller;
use super::refusal::{Flaw, Refusal};
use super::site_load::{site, tree_of};
use crate::actors::site::SettingsChanged;
use crate::clock;
use crate::house::House;

/// The settings of a location; those of one where nobody decided anything.
///
/// # Errors
/// Absent, the location or its tree; the store's.
pub async fn read(house: &House, caller: &Caller, id: &LocationId) -> Result<SiteSettings, Refusal> {
    tree_of(house, caller, id).await?;
    Ok(house.store.site_settings(&caller.tenant, id).await?.unwrap_or_default())
}

/// Replaces them. They count at once.
///
/// # Errors
/// Flaws; absent, the location or its tree; the store's.
pub async fn put(
    house: &House,
    caller: &Caller,
    id: &LocationId,
    settings: SiteSettings,
) -> Result<(), Refusal> {
    let tree = tree_of(house, caller, id).await?;
    Refusal::unless_sound(flaws_of(&settings, &tree))?;
    if !house.store.put_site_settings(&caller.tenant, id, &settings, clock::now()).await? {
        return Err(Refusal::absent("location", id));
    }
    let detail = json!({ "settings": settings });
    if let Some(site) = site(house, caller, id).await {
        // A site that is gone reads them when it is built again.
        site.addr().send(SettingsChanged(settings)).await.ok();
    }
    audit::record(house, caller, "load_settings.replaced", &format!("locations/{id}/load"), &detail).await?;
    Ok(())
}

fn flaws_of(settings: &SiteSettings, tree: &SiteTree) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    if settings.hold_min.is_some_and(|minutes| !(1..=HOLD_MAX_MIN).contains(&minutes)) {
        flaws.push(Flaw::new("/hold_min", format!("must be from 1 to {HOLD_MAX_MIN}")));
    }
    if settings.class_permille.len() > CLASSES_MAX {
        flaws.push(Flaw::new("/class_permille", format!("at most {CLASSES_MAX} are allowed")));
    }
    for (group, weight) in &settings.class_permille {
        if !(1..=WEIGHT_MAX_PERMILLE).contains(weight) {
            let pointer = format!("/class_permille/{group}");
            flaws.push(Flaw::new(pointer, format!("must be from 1 to {WEIGHT_MAX_PERMILLE}")));
        }
    }
    for (id, circuit) in &settings.circuits {
        let pointer = format!("/circuits/{id}");
        if tree.circuit(id).is_none() {
            flaws.push(Flaw::new(pointer.clone(), "is no circuit of this location"));
        }
        flaws.extend(flaws_of_circuit(circuit, &pointer));
    }
    flaws
}

fn flaws_of_circuit(circuit: &CircuitSettings, pointer: &str) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    let mut flaw = |field: &str, what: &str| flaws.push(Flaw::new(format!("{pointer}/{field}"), what));
    if circuit.breaker_ma.is_some_and(|breaker| breaker <= Milliamps::ZERO) {
        flaw("breaker_ma", "must be above 0");
    }
    let battery = circuit.battery_charging_max_ma;
    if battery.is_some_and(|lines| Line::ALL.into_iter().any(|line| line.of(lines) < Milliamps::ZERO)) {
        flaw("battery_charging_max_ma", "must not be negative");
    }
    if circuit.peak_w.is_some_and(|peak| peak.0 <= 0) {
        flaw("peak_w", "must be above 0");
    }
    if circuit.price_windows.len() > WINDOWS_MAX {
        flaw("price_windows", &format!("at most {WINDOWS_MAX} are allowed"));
    }
    for (number, window) in circuit.price_windows.iter().enumerate() {
        if window.until <= window.from {
            flaw(&format!("price_windows/{number}/until"), "must be after from");
        }
        if window.charging_w.0 < 0 {
            flaw(&format!("price_windows/{number}/charging_w"), "must not be negative");
        }
    }
    flaws
}
