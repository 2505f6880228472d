//! Charging stations: register, change, give a new password, remove; and the list an operator filters by state.

use ringmain_domain::id::{LocationId, StationId, TariffId};
use ringmain_domain::location::{ChargingStation, OperatorState};
use ringmain_domain::reply::Registration;
use ringmain_store::page::{Page, PageRequest};
use ringmain_store::stations::{StationCredential, StationFilter, StationRow};
use ringmain_store::store::StoreError;
use serde_json::{Map, Value, json};

use super::audit;
use super::circuits;
use super::evses;
use super::keys::{Caller, no_random};
use super::refusal::{Flaw, Refusal, check_text};
use crate::clock;
use crate::credentials::Credentials;
use crate::house::House;
use crate::secret::Secret;

/// The most characters of a station's name.
const NAME_MAX_CHARS: usize = 100;
/// Lengths of a station password (OCPP 2.0.1 part 2, BasicAuthPassword; 1.6 security whitepaper, AuthorizationKey).
const PASSWORD_MIN_CHARS: usize = 16;
const PASSWORD_MAX_CHARS: usize = 40;
/// Stations looked at in one step, and the most steps, for one page of stations in a state.
const SCAN_STEP: u32 = 200;
const SCANS_MAX: usize = 50;

/// How often a change is put on a record that others change in the same moment.
const CHANGES_TRIED: usize = 5;
/// What an EVSE may be rated at, in W: from a lamp post to a ship.
const POWER_MIN_W: u32 = 1_000;
const POWER_MAX_W: u32 = 20_000_000;

/// A station to register.
#[derive(Debug, Clone)]
pub struct NewStation {
    /// Its identity.
    pub id: StationId,
    /// Where it stands.
    pub location_id: Option<LocationId>,
    /// A name for people.
    pub name: Option<Box<str>>,
    /// Its tariff.
    pub tariff_id: Option<TariffId>,
    /// May it take part?
    pub registration: Registration,
    /// The most one of its EVSEs can give, in W.
    pub max_power_w: Option<u32>,
    /// Keep its local authorization list up to date by itself?
    pub local_list_enabled: bool,
    /// Its password; one is made up when absent.
    pub password: Option<Secret>,
}

/// A station that was registered.
#[derive(Debug)]
pub struct Registered {
    /// The station.
    pub station: ChargingStation,
    /// The password that was made up: shown once.
    pub password: Option<Secret>,
}

/// What to change about a station. Outer `None`: leave as it is.
#[derive(Debug, Clone, Default)]
pub struct StationChange {
    /// Where it stands.
    pub location_id: Option<Option<LocationId>>,
    /// Its name.
    pub name: Option<Option<Box<str>>>,
    /// Its tariff.
    pub tariff_id: Option<Option<TariffId>>,
    /// May it take part?
    pub registration: Option<Registration>,
    /// Does an operator work on it?
    pub maintenance: Option<bool>,
    /// The most one of its EVSEs can give, in W.
    pub max_power_w: Option<Option<u32>>,
    /// Keep its local authorization list up to date by itself?
    pub local_list_enabled: Option<bool>,
}

/// The caller's own station.
///
/// # Errors
/// Absent, also when it is another tenant's; the store's.
pub async fn own(house: &House, caller: &Caller, id: &StationId) -> Result<ChargingStation, Refusal> {
    let found = house.store.find_station(id).await?.filter(|station| station.tenant == caller.tenant);
    found.ok_or_else(|| absent(id))
}

/// The caller's own station with its connectors.
///
/// # Errors
/// Absent, also when it is another tenant's; the store's.
pub async fn row(house: &House, caller: &Caller, id: &StationId) -> Result<StationRow, Refusal> {
    house.store.station_row(&caller.tenant, id).await?.ok_or_else(|| absent(id))
}

/// Registers a station.
///
/// # Errors
/// Flaws; a conflict when the identity is taken, in any tenant; the store's.
pub async fn register(house: &House, caller: &Caller, new: NewStation) -> Result<Registered, Refusal> {
    let mut flaws = Vec::new();
    if let Some(name) = &new.name {
        check_text(&mut flaws, "/name", name, NAME_MAX_CHARS);
    }
    if let Some(password) = &new.password {
        check_password(&mut flaws, password.reveal());
    }
    check_power(&mut flaws, new.max_power_w);
    check_references(house, caller, &mut flaws, new.location_id.as_ref(), new.tariff_id.as_ref()).await?;
    Refusal::unless_sound(flaws)?;
    let (password, made_up) = match new.password {
        Some(password) => (password, None),
        None => {
            let password = generated_password()?;
            (password.clone(), Some(password))
        }
    };
    let now = clock::now();
    let station = ChargingStation {
        location_id: new.location_id,
        name: new.name,
        tariff_id: new.tariff_id,
        max_power_w: new.max_power_w,
        local_list_enabled: new.local_list_enabled,
        ..ChargingStation::unknown(caller.tenant.clone(), new.id, new.registration, now)
    };
    let sealed = sealed(house, &password)?;
    if !house.store.insert_station_with(&station, &sealed).await? {
        return Err(Refusal::conflict(format!(
            "a charging station {:?} exists already",
            station.id.as_str()
        )));
    }
    let detail = json!({
        "location_id": station.location_id, "name": station.name, "tariff_id": station.tariff_id,
        "registration": station.registration, "max_power_w": station.max_power_w, "local_list_enabled": station.local_list_enabled,
    });
    audit::record(house, caller, "charging_station.created", &subject(&station.id), &detail).await?;
    house.station_changed(&station.id);
    Ok(Registered { station, password: made_up })
}

/// Changes a station's record and tells its connection and its site.
///
/// # Errors
/// Flaws; absent; a conflict where it moves out of a tree that has its EVSEs; the store's.
pub async fn change(
    house: &House,
    caller: &Caller,
    id: &StationId,
    change: StationChange,
) -> Result<StationRow, Refusal> {
    let present = own(house, caller, id).await?;
    let mut flaws = Vec::new();
    if let Some(Some(name)) = &change.name {
        check_text(&mut flaws, "/name", name, NAME_MAX_CHARS);
    }
    let (location, tariff) = (change.location_id.clone().flatten(), change.tariff_id.clone().flatten());
    check_power(&mut flaws, change.max_power_w.flatten());
    check_references(house, caller, &mut flaws, location.as_ref(), tariff.as_ref()).await?;
    Refusal::unless_sound(flaws)?;
    if change.location_id.as_ref().is_some_and(|location| *location != present.location_id) {
        unless_in_tree(house, &present).await?;
    }
    let detail = write_change(house, caller, id, &change).await?;
    house.station_changed(id);
    audit::record(house, caller, "charging_station.changed", &subject(id), &detail).await?;
    row(house, caller, id).await
}

/// Its load would count at a location where it does not stand, and nobody would steer it.
async fn unless_in_tree(house: &House, station: &ChargingStation) -> Result<(), Refusal> {
    let Some(location) = &station.location_id else { return Ok(()) };
    match circuits::has_station(house, &station.tenant, (location, &station.id)).await? {
        true => Err(Refusal::conflict(format!(
            "its EVSEs are in the tree of location {location}: draw the tree without them first"
        ))),
        false => Ok(()),
    }
}

/// Puts a change on the record as it is now: what somebody else changed in the same moment stays.
async fn write_change(
    house: &House,
    caller: &Caller,
    id: &StationId,
    change: &StationChange,
) -> Result<Value, Refusal> {
    for _ in 0..CHANGES_TRIED {
        let mut station = own(house, caller, id).await?;
        let before = station.updated_at;
        let detail = apply(&mut station, change.clone());
        // Never the same moment twice, or the next change would not see this one.
        station.updated_at = clock::now().max(before.plus_millis(1));
        if house.store.update_station(&station, before).await? {
            return Ok(detail);
        }
    }
    Err(Refusal::conflict("the record is being changed by others all the time: send this again".to_owned()))
}

/// Gives a station a new password. Its present connection goes on; its next one needs the new password.
///
/// # Errors
/// Absent; the store's.
pub async fn rotate_password(house: &House, caller: &Caller, id: &StationId) -> Result<Secret, Refusal> {
    let station = own(house, caller, id).await?;
    let password = generated_password()?;
    put_password(house, &station, &password).await?;
    audit::record(house, caller, "charging_station.password_rotated", &subject(id), &json!({})).await?;
    house.station_changed(id);
    Ok(password)
}

/// Removes a station. Its sessions and bill records stay.
///
/// # Errors
/// Absent; a conflict while a session goes on or its EVSEs are in a tree; the store's.
pub async fn remove(house: &House, caller: &Caller, id: &StationId) -> Result<(), Refusal> {
    unless_in_tree(house, &own(house, caller, id).await?).await?;
    match house.store.delete_station(&caller.tenant, id).await {
        Ok(true) => {}
        Ok(false) => return Err(absent(id)),
        Err(StoreError::Conflict { .. }) => {
            return Err(Refusal::conflict("a session goes on at this station: stop it first"));
        }
        Err(cause) => return Err(cause.into()),
    }
    house.station_changed(id);
    audit::record(house, caller, "charging_station.deleted", &subject(id), &json!({})).await?;
    Ok(())
}

/// A page of stations, also by a state that the store cannot see. At least `limit` rows while there are more, at most `limit` and one
/// step more; a rare state may give fewer rows and still a next page.
///
/// # Errors
/// The store's.
pub async fn page_in_state(
    house: &House,
    caller: &Caller,
    filter: &StationFilter,
    state: Option<OperatorState>,
    request: &PageRequest,
) -> Result<Page<StationRow>, StoreError> {
    let Some(state) = state else { return house.store.stations(&caller.tenant, filter, request).await };
    let wanted = usize::try_from(request.limit).unwrap_or(usize::MAX);
    let mut found = Page { items: Vec::new(), next: request.after.clone() };
    for _ in 0..SCANS_MAX {
        let step = PageRequest { after: found.next.take(), limit: SCAN_STEP };
        let page = house.store.stations(&caller.tenant, filter, &step).await?;
        found.items.extend(page.items.into_iter().filter(|row| shows(row, state)));
        found.next = page.next;
        if found.next.is_none() || found.items.len() >= wanted {
            break;
        }
    }
    Ok(found)
}

/// A station shows a state when one of its EVSEs does, or the station itself while it has shown none.
fn shows(row: &StationRow, state: OperatorState) -> bool {
    let evses = evses::of(row);
    if evses.is_empty() {
        evses::state_of_station(row) == state
    } else {
        evses.iter().any(|evse| evse.state == state)
    }
}

/// Puts the change into the record and says what became different.
fn apply(station: &mut ChargingStation, change: StationChange) -> Value {
    let mut detail = Map::new();
    let mut note = |field: &str, before: Value, after: Value| {
        if before != after {
            detail.insert(field.to_owned(), json!({"before": before, "after": after}));
        }
    };
    if let Some(location_id) = change.location_id {
        note("location_id", json!(station.location_id), json!(location_id));
        station.location_id = location_id;
    }
    if let Some(name) = change.name {
        note("name", json!(station.name), json!(name));
        station.name = name;
    }
    if let Some(tariff_id) = change.tariff_id {
        note("tariff_id", json!(station.tariff_id), json!(tariff_id));
        station.tariff_id = tariff_id;
    }
    if let Some(registration) = change.registration {
        note("registration", json!(station.registration), json!(registration));
        station.registration = registration;
    }
    if let Some(maintenance) = change.maintenance {
        note("maintenance", json!(station.maintenance), json!(maintenance));
        station.maintenance = maintenance;
    }
    if let Some(max_power_w) = change.max_power_w {
        note("max_power_w", json!(station.max_power_w), json!(max_power_w));
        station.max_power_w = max_power_w;
    }
    if let Some(enabled) = change.local_list_enabled {
        note("local_list_enabled", json!(station.local_list_enabled), json!(enabled));
        station.local_list_enabled = enabled;
    }
    Value::Object(detail)
}

async fn check_references(
    house: &House,
    caller: &Caller,
    flaws: &mut Vec<Flaw>,
    location: Option<&LocationId>,
    tariff: Option<&TariffId>,
) -> Result<(), StoreError> {
    if let Some(id) = location
        && house.store.location(&caller.tenant, id).await?.is_none()
    {
        flaws.push(Flaw::new("/location_id", format!("there is no location {:?}", id.as_str())));
    }
    if let Some(id) = tariff
        && house.store.tariff(&caller.tenant, id).await?.is_none()
    {
        flaws.push(Flaw::new("/tariff_id", format!("there is no tariff {:?}", id.as_str())));
    }
    Ok(())
}

fn check_power(flaws: &mut Vec<Flaw>, max_power_w: Option<u32>) {
    if let Some(watts) = max_power_w.filter(|watts| !(POWER_MIN_W..=POWER_MAX_W).contains(watts)) {
        let range = format!("must be {POWER_MIN_W} to {POWER_MAX_W} W, this is {watts}");
        flaws.push(Flaw::new("/max_power_w", range));
    }
}

fn check_password(flaws: &mut Vec<Flaw>, password: &str) {
    let chars = password.chars().count();
    if !(PASSWORD_MIN_CHARS..=PASSWORD_MAX_CHARS).contains(&chars) {
        let range =
            format!("must have {PASSWORD_MIN_CHARS} to {PASSWORD_MAX_CHARS} characters, this has {chars}");
        flaws.push(Flaw::new("/password", range));
    } else if !password.chars().all(|c| c.is_ascii_graphic()) {
        flaws.push(Flaw::new("/password", "must consist of visible ASCII characters without spaces"));
    }
}

fn sealed(house: &House, password: &Secret) -> Result<StationCredential, StoreError> {
    house.credentials.seal(password.reveal().as_bytes(), clock::now()).map_err(|c| no_random(&c))
}

async fn put_password(house: &House, station: &ChargingStation, password: &Secret) -> Result<(), StoreError> {
    let sealed = sealed(house, password)?;
    house.store.put_station_credential(&station.tenant, &station.id, &sealed).await
}

fn generated_password() -> Result<Secret, StoreError> {
    Credentials::generate().map(|text| Secret::new(&text)).map_err(|cause| no_random(&cause))
}

fn absent(id: &StationId) -> Refusal {
    Refusal::absent("charging station", id)
}

fn subject(id: &StationId) -> String {
    format!("charging-stations/{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_has_16_to_40_visible_characters() {
        for (password, sound) in [
            ("0123456789abcde", false),
            ("0123456789abcdef", true),
            (&*"x".repeat(40), true),
            (&*"x".repeat(41), false),
            ("with space 0123456", false),
            ("ümlaut0123456789", false),
        ] {
            let mut flaws = Vec::new();
            check_password(&mut flaws, password);
            assert_eq!(flaws.is_empty(), sound, "{password:?}");
        }
    }

    #[test]
    fn a_change_notes_only_what_became_different() {
        let now = ringmain_domain::time::Timestamp::from_millis(0);
        let tenant = ringmain_domain::id::TenantId::default_tenant();
        let id = StationId::new("CS-1").unwrap();
        let mut station = ChargingStation::unknown(tenant, id, Registration::Pending, now);
        let change = StationChange {
            registration: Some(Registration::Accepted),
            maintenance: Some(false),
            name: Some(None),
            ..StationChange::default()
        };
        let detail = apply(&mut station, change);
        assert_eq!(detail, json!({"registration": {"before": "pending", "after": "accepted"}}));
        assert_eq!(station.registration, Registration::Accepted);
    }
}
