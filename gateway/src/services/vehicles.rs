//! Vehicles of fleets: create, replace, remove. What changes counts for those that charge now.

use std::collections::BTreeSet;

use ringmain_domain::id::VehicleId;
use ringmain_domain::load::need::{ENERGY_MAX_WH, WEIGHT_MAX_PERMILLE};
use ringmain_domain::session::SessionStatus;
use ringmain_domain::unit::WattHours;
use ringmain_domain::vehicle::{DEPARTURES_MAX, TOKENS_MAX, Vehicle};
use ringmain_store::page::PageRequest;
use ringmain_store::sessions::SessionFilter;
use ringmain_store::store::StoreError;
use serde_json::json;

use super::audit;
use super::charging_needs::tell;
use super::keys::Caller;
use super::locations::Put;
use super::refusal::{Flaw, Refusal, check_text};
use crate::house::House;

/// The most characters of a name, and of a fleet's.
const NAME_MAX_CHARS: usize = 100;
/// Open sessions of one token that are told of a change.
const SESSIONS_TOLD: u32 = 10;

/// The caller's own vehicle.
///
/// # Errors
/// Absent; the store's.
pub async fn own(house: &House, caller: &Caller, id: &VehicleId) -> Result<Vehicle, Refusal> {
    let found = house.store.vehicle(&caller.tenant, id).await?;
    found.ok_or_else(|| Refusal::absent("vehicle", id))
}

/// Creates a vehicle.
///
/// # Errors
/// Flaws; a conflict when it is known, or one of its tokens is another vehicle's; the store's.
pub async fn create(house: &House, caller: &Caller, vehicle: &Vehicle) -> Result<(), Refusal> {
    check(vehicle)?;
    if house.store.vehicle(&caller.tenant, &vehicle.id).await?.is_some() {
        return Err(Refusal::conflict(format!("a vehicle {:?} exists already", vehicle.id.as_str())));
    }
    write(house, caller, vehicle, "vehicle.created").await
}

/// Creates a vehicle or replaces it.
///
/// # Errors
/// Flaws; a conflict where one of its tokens is another vehicle's; the store's.
pub async fn put(house: &House, caller: &Caller, vehicle: &Vehicle) -> Result<Put, Refusal> {
    check(vehicle)?;
    let known = house.store.vehicle(&caller.tenant, &vehicle.id).await?;
    let (put, action) = match known {
        Some(_) => (Put::Replaced, "vehicle.replaced"),
        None => (Put::Created, "vehicle.created"),
    };
    write(house, caller, vehicle, action).await?;
    if let Some(before) = known {
        // A token it had may be that of a car that charges.
        tell_sites(house, caller, &before).await?;
    }
    Ok(put)
}

/// Removes a vehicle.
///
/// # Errors
/// Absent; the store's.
pub async fn remove(house: &House, caller: &Caller, id: &VehicleId) -> Result<(), Refusal> {
    let vehicle = own(house, caller, id).await?;
    if !house.store.delete_vehicle(&caller.tenant, id).await? {
        return Err(Refusal::absent("vehicle", id));
    }
    audit::record(house, caller, "vehicle.deleted", &subject(id), &json!({})).await?;
    tell_sites(house, caller, &vehicle).await
}

async fn write(house: &House, caller: &Caller, vehicle: &Vehicle, action: &str) -> Result<(), Refusal> {
    house.store.put_vehicle(vehicle).await.map_err(|error| match error {
        StoreError::Conflict { .. } => Refusal::conflict("a token of it belongs to another vehicle"),
        other => other.into(),
    })?;
    let detail = json!({
        "name": vehicle.name, "fleet": vehicle.fleet, "tokens": vehicle.tokens.len(),
        "weight_permille": vehicle.weight_permille, "schedule": vehicle.schedule,
    });
    audit::record(house, caller, action, &subject(&vehicle.id), &detail).await?;
    tell_sites(house, caller, vehicle).await
}

/// Sites where it charges look again at what is said about it.
async fn tell_sites(house: &House, caller: &Caller, vehicle: &Vehicle) -> Result<(), Refusal> {
    for token in &vehicle.tokens {
        let filter = SessionFilter {
            token: Some(token.clone()),
            status: Some(SessionStatus::Active),
            ..SessionFilter::default()
        };
        let page = PageRequest::first(SESSIONS_TOLD);
        let open = house.store.sessions(&caller.tenant, &filter, &page).await?;
        for session in open.items {
            tell(house, caller, &session).await?;
        }
    }
    Ok(())
}

fn check(vehicle: &Vehicle) -> Result<(), Refusal> {
    let mut flaws = Vec::new();
    check_text(&mut flaws, "/name", &vehicle.name, NAME_MAX_CHARS);
    if let Some(fleet) = &vehicle.fleet {
        check_text(&mut flaws, "/fleet", fleet, NAME_MAX_CHARS);
    }
    if vehicle.tokens.len() > TOKENS_MAX {
        flaws.push(Flaw::new("/tokens", format!("at most {TOKENS_MAX} are allowed")));
    }
    if vehicle.tokens.iter().collect::<BTreeSet<_>>().len() < vehicle.tokens.len() {
        flaws.push(Flaw::new("/tokens", "the same token is there twice"));
    }
    if vehicle.weight_permille.is_some_and(|weight| !(1..=WEIGHT_MAX_PERMILLE).contains(&weight)) {
        flaws.push(Flaw::new("/weight_permille", format!("must be from 1 to {WEIGHT_MAX_PERMILLE}")));
    }
    if vehicle.schedule.len() > DEPARTURES_MAX {
        flaws.push(Flaw::new("/schedule", format!("at most {DEPARTURES_MAX} are allowed")));
    }
    for (number, departure) in vehicle.schedule.iter().enumerate() {
        if departure.weekdays.is_empty() {
            flaws.push(Flaw::new(format!("/schedule/{number}/weekdays"), "names no day"));
        }
        let energies = WattHours(0)..=WattHours(ENERGY_MAX_WH);
        if departure.energy_wh.is_some_and(|energy| !energies.contains(&energy)) {
            let range = format!("must be from 0 to {ENERGY_MAX_WH}");
            flaws.push(Flaw::new(format!("/schedule/{number}/energy_wh"), range));
        }
    }
    Refusal::unless_sound(flaws)
}

fn subject(id: &VehicleId) -> String {
    format!("vehicles/{id}")
}
