//! Locations: create, replace, remove.

use jiff::tz::TimeZoneDatabase;
use ringmain_domain::id::LocationId;
use ringmain_domain::location::Location;
use ringmain_store::store::StoreError;
use rust_decimal::Decimal;
use serde_json::json;

use super::audit;
use super::keys::Caller;
use super::refusal::{Flaw, Refusal, check_text};
use super::site_load;
use crate::house::House;

/// Longest texts (OCPI 2.2.1 mod_locations).
const NAME_MAX_CHARS: usize = 255;
const ADDRESS_MAX_CHARS: usize = 45;
const POSTAL_CODE_MAX_CHARS: usize = 10;
/// Digits after the point of a coordinate (OCPI 2.2.1 mod_locations, GeoLocation).
const COORDINATE_SCALE_MAX: u32 = 7;

/// Whether a thing was new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It was not there before.
    Created,
    /// It replaced what was there.
    Replaced,
}

/// Creates a location.
///
/// # Errors
/// Flaws; a conflict when the id is taken; the store's.
pub async fn create(house: &House, caller: &Caller, location: &Location) -> Result<(), Refusal> {
    check(location)?;
    if house.store.location(&caller.tenant, &location.id).await?.is_some() {
        return Err(Refusal::conflict(format!("a location {:?} exists already", location.id.as_str())));
    }
    write(house, caller, location, "location.created").await
}

/// Creates a location or replaces it.
///
/// # Errors
/// Flaws; the store's.
pub async fn put(house: &House, caller: &Caller, location: &Location) -> Result<Put, Refusal> {
    check(location)?;
    let known = house.store.location(&caller.tenant, &location.id).await?.is_some();
    let (put, action) =
        if known { (Put::Replaced, "location.replaced") } else { (Put::Created, "location.created") };
    write(house, caller, location, action).await?;
    Ok(put)
}

/// Removes a location.
///
/// # Errors
/// Absent; a conflict while stations stand there; the store's.
pub async fn remove(house: &House, caller: &Caller, id: &LocationId) -> Result<(), Refusal> {
    match house.store.delete_location(&caller.tenant, id).await {
        Ok(true) => {}
        Ok(false) => return Err(Refusal::absent("location", id)),
        Err(StoreError::Conflict { .. }) => {
            return Err(Refusal::conflict(
                "charging stations stand at this location: move or delete them first",
            ));
        }
        Err(cause) => return Err(cause.into()),
    }
    site_load::tree_changed(house, caller, id).await;
    audit::record(house, caller, "location.deleted", &format!("locations/{id}"), &json!({})).await?;
    Ok(())
}

async fn write(house: &House, caller: &Caller, location: &Location, action: &str) -> Result<(), Refusal> {
    house.store.put_location(location).await?;
    let detail = json!({"name": location.name, "city": location.city, "country": location.country});
    audit::record(house, caller, action, &format!("locations/{}", location.id), &detail).await?;
    Ok(())
}

/// Checks what the types alone cannot.
fn check(location: &Location) -> Result<(), Refusal> {
    let mut flaws = Vec::new();
    if location.id.as_str().starts_with('.') {
        // Such names are ours: the site of stations without a location has one.
        flaws.push(Flaw::new("/id", "must not start with a dot"));
    }
    check_text(&mut flaws, "/name", &location.name, NAME_MAX_CHARS);
    check_text(&mut flaws, "/address", &location.address, ADDRESS_MAX_CHARS);
    check_text(&mut flaws, "/city", &location.city, ADDRESS_MAX_CHARS);
    if let Some(code) = &location.postal_code {
        check_text(&mut flaws, "/postal_code", code, POSTAL_CODE_MAX_CHARS);
    }
    if location.country.len() != 3 || !location.country.bytes().all(|byte| byte.is_ascii_uppercase()) {
        flaws.push(Flaw::new(
            "/country",
            "must be a country code of three capital letters (ISO 3166-1 alpha-3)",
        ));
    }
    check_degrees(&mut flaws, "/latitude", &location.latitude, 90);
    check_degrees(&mut flaws, "/longitude", &location.longitude, 180);
    if TimeZoneDatabase::bundled().get(&location.time_zone).is_err() {
        flaws.push(Flaw::new("/time_zone", "must be the IANA name of a time zone, such as Europe/Berlin"));
    }
    Refusal::unless_sound(flaws)
}

fn check_degrees(flaws: &mut Vec<Flaw>, pointer: &'static str, text: &str, max: i64) {
    let plain =
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.'));
    let degrees = text.parse::<Decimal>().ok().filter(|_| plain);
    let fits =
        |degrees: Decimal| degrees.abs() <= Decimal::from(max) && degrees.scale() <= COORDINATE_SCALE_MAX;
    if !degrees.is_some_and(fits) {
        let range = format!(
            "must be decimal degrees from -{max} to {max} with at most {COORDINATE_SCALE_MAX} decimals"
        );
        flaws.push(Flaw::new(pointer, range));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringmain_domain::id::TenantId;
    use ringmain_domain::time::Timestamp;

    fn location() -> Location {
        Location {
            tenant: TenantId::default_tenant(),
            id: LocationId::new("depot-1").unwrap(),
            name: "Depot".into(),
            address: "Hauptstr. 1".into(),
            city: "Köln".into(),
            postal_code: Some("50667".into()),
            country: "DEU".into(),
            latitude: "50.9413".into(),
            longitude: "-6.9583".into(),
            time_zone: "Europe/Berlin".into(),
            updated_at: Timestamp::from_millis(0),
        }
    }

    #[test]
    fn a_sound_location_passes() {
        assert!(check(&location()).is_ok());
    }

    #[test]
    fn every_flaw_is_named_with_its_place() {
        let broken = Location {
            id: LocationId::new(".unassigned").unwrap(),
            name: "".into(),
            address: "x".repeat(46).into(),
            city: "a\nb".into(),
            postal_code: Some("12345678901".into()),
            country: "de".into(),
            latitude: "91".into(),
            longitude: "1e2".into(),
            time_zone: "Mars/Olympus".into(),
            ..location()
        };
        let Err(Refusal::Invalid(flaws)) = check(&broken) else { panic!("it passed") };
        let pointers: Vec<_> = flaws.iter().map(|flaw| flaw.pointer.as_ref()).collect();
        let expect = [
            "/id",
            "/name",
            "/address",
            "/city",
            "/postal_code",
            "/country",
            "/latitude",
            "/longitude",
            "/time_zone",
        ];
        assert_eq!(pointers, expect);
    }

    #[test]
    fn a_coordinate_has_at_most_seven_decimals() {
        for (text, sound) in
            [("50.1234567", true), ("50.12345678", false), ("-90", true), ("+5", false), ("", false)]
        {
            let mut flaws = Vec::new();
            check_degrees(&mut flaws, "/latitude", text, 90);
            assert_eq!(flaws.is_empty(), sound, "{text:?}");
        }
    }
}
