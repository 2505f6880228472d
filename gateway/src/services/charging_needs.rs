//! What an operator says about a session: when its car must go, what it needs by then, how much it counts.

use ringmain_domain::id::{EvseId, SessionId};
use ringmain_domain::load::need::{ENERGY_MAX_WH, WEIGHT_MAX_PERMILLE, Wish};
use ringmain_domain::session::Session;
use ringmain_domain::unit::WattHours;
use ringmain_store::charging_needs::Stated;
use serde_json::json;

use super::audit;
use super::keys::Caller;
use super::refusal::{Flaw, Refusal};
use super::site_load::site;
use crate::actors::site::load::needs::NeedsChanged;
use crate::clock;
use crate::house::House;

/// What an operator said about a session; `None`: nothing.
///
/// # Errors
/// Absent, the session; the store's.
pub async fn read(house: &House, caller: &Caller, id: SessionId) -> Result<Option<Wish>, Refusal> {
    let session = session_of(house, caller, id).await?;
    let said = house.store.charging_needs(&caller.tenant, &session.station).await?;
    Ok(said.into_iter().find_map(|said| match said.stated {
        Stated::ByOperator(transaction, wish) if transaction == session.transaction => Some(wish),
        Stated::ByOperator(..) | Stated::ByCar(_) => None,
    }))
}

/// Says it, in the place of what was said before. It counts with the next plan.
///
/// # Errors
/// Flaws; absent, the session; a conflict where it is over or its EVSE is not known; the store's.
pub async fn put(house: &House, caller: &Caller, id: SessionId, wish: Wish) -> Result<(), Refusal> {
    Refusal::unless_sound(flaws_of(&wish))?;
    let session = session_of(house, caller, id).await?;
    let evse = evse_of(&session)?;
    let whose = (&session.station, evse, &session.transaction);
    house.store.put_charging_need(&caller.tenant, whose, &wish, clock::now()).await?;
    audit::record(
        house,
        caller,
        "charging_need.put",
        &format!("sessions/{id}"),
        &json!({ "charging_need": wish }),
    )
    .await?;
    tell(house, caller, &session).await
}

/// Takes it back.
///
/// # Errors
/// Absent, the session or the word about it; the store's.
pub async fn delete(house: &House, caller: &Caller, id: SessionId) -> Result<(), Refusal> {
    let session = session_of(house, caller, id).await?;
    let evse = evse_of(&session)?;
    let whose = (&session.station, evse, &session.transaction);
    if !house.store.delete_charging_need(&caller.tenant, whose).await? {
        return Err(Refusal::absent("charging need of session", id));
    }
    audit::record(house, caller, "charging_need.deleted", &format!("sessions/{id}"), &json!({})).await?;
    tell(house, caller, &session).await
}

async fn session_of(house: &House, caller: &Caller, id: SessionId) -> Result<Session, Refusal> {
    let found = house.store.session(&caller.tenant, id).await?;
    found.ok_or_else(|| Refusal::absent("session", id))
}

fn evse_of(session: &Session) -> Result<EvseId, Refusal> {
    if session.ended_at.is_some() {
        return Err(Refusal::conflict("the session is over"));
    }
    session.evse.ok_or_else(|| Refusal::conflict("the station has not said at which EVSE it charges"))
}

fn flaws_of(wish: &Wish) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    if *wish == Wish::default() {
        flaws.push(Flaw::new("", "says nothing: give departs_at, energy_wh or weight_permille"));
    }
    if wish.energy_wh.is_some_and(|energy| !(WattHours(0)..=WattHours(ENERGY_MAX_WH)).contains(&energy)) {
        flaws.push(Flaw::new("/energy_wh", format!("must be from 0 to {ENERGY_MAX_WH}")));
    }
    if wish.weight_permille.is_some_and(|weight| !(1..=WEIGHT_MAX_PERMILLE).contains(&weight)) {
        flaws.push(Flaw::new("/weight_permille", format!("must be from 1 to {WEIGHT_MAX_PERMILLE}")));
    }
    flaws
}

/// A site that is not there reads it when it is.
pub(super) async fn tell(house: &House, caller: &Caller, session: &Session) -> Result<(), Refusal> {
    let station = house.store.find_station(&session.station).await?;
    let Some(location) = station.and_then(|station| station.location_id) else { return Ok(()) };
    if let Some(site) = site(house, caller, &location).await {
        site.addr().send(NeedsChanged(session.station.clone())).await.ok();
    }
    Ok(())
}
