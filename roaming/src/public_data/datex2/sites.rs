//! Locations as both profiles see them: sites of stations of points, each in a version.
//!
//! A version is made of what is said of an object in the table, and of nothing else: it changes when that does, is the same on every node, and
//! a status, which must name the versions of the table, always names those that the table of the same moment has.

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use ringmain_domain::id::TariffId;
use ringmain_domain::location::Location;
use ringmain_domain::tariff::Tariff;
use ringmain_store::partners::lists::PublishedLocation;
use rust_decimal::Decimal;
use serde::Serialize;
use uuid::Uuid;

use crate::ocpi::values::Number;
use crate::public_data::Terms;
use crate::public_data::conditional::hex;
use crate::service::locations::{Evse, stations};

/// So many bytes of a digest tell the versions of one object apart.
const VERSION_BYTES: usize = 8;

/// Tariffs by their ids, as they are in force.
pub type Tariffs = BTreeMap<TariffId, Tariff>;

/// A location.
#[derive(Debug)]
pub struct Site<'a> {
    /// The location.
    pub location: &'a Location,
    /// Its id, with the party before it: ids of locations are unique to their operator only.
    pub id: String,
    /// Its version.
    pub version: String,
    /// Degrees north.
    pub latitude: Number,
    /// Degrees east.
    pub longitude: Number,
    /// At least one.
    pub stations: Vec<Station<'a>>,
}

/// A station.
#[derive(Debug)]
pub struct Station<'a> {
    /// Its name towards the outside.
    pub uid: Uuid,
    /// Its version.
    pub version: String,
    /// At least one.
    pub points: Vec<Point<'a>>,
}

/// A point: an EVSE.
#[derive(Debug)]
pub struct Point<'a> {
    /// The EVSE.
    pub evse: Evse,
    /// Its version.
    pub version: String,
    /// What anyone pays there; `None`: not known.
    pub tariff: Option<&'a Tariff>,
}

/// A location as a site; `None`: nothing that is described stands there, or nobody can say where it is.
///
/// # Errors
/// Something of it has no JSON form.
pub fn site<'a>(
    terms: &Terms,
    published: &'a PublishedLocation,
    tariffs: &'a Tariffs,
) -> serde_json::Result<Option<Site<'a>>> {
    let location = &published.location;
    let (Some(latitude), Some(longitude)) = (degrees(&location.latitude), degrees(&location.longitude))
    else {
        return Ok(None);
    };
    let mut told = Vec::new();
    for station in stations(published) {
        let points: Vec<Point<'a>> =
            station.evses.into_iter().map(|evse| point(evse, tariffs)).collect::<Result<_, _>>()?;
        let parts: Vec<&str> = points.iter().map(|point| &*point.version).collect();
        let version = version(&(station.uid, parts))?;
        told.push(Station { uid: station.uid, version, points });
    }
    if told.is_empty() {
        return Ok(None);
    }
    let id = format!("{}*{}", terms.party(), location.id);
    let parts: Vec<&str> = told.iter().map(|station| &*station.version).collect();
    let version = version(&(&id, location, &terms.operator, parts))?;
    Ok(Some(Site { location, id, version, latitude, longitude, stations: told }))
}

fn point(evse: Evse, tariffs: &Tariffs) -> serde_json::Result<Point<'_>> {
    let tariff = evse.connectors.iter().find_map(|connector| tariffs.get(connector.tariff_id.as_ref()?));
    let connectors: Vec<_> = evse.connectors.iter().map(|one| (one.number, one.hardware)).collect();
    let version = version(&(evse.uid, &evse.printed_id, connectors, tariff))?;
    Ok(Point { evse, version, tariff })
}

fn degrees(text: &str) -> Option<Number> {
    text.parse::<Decimal>().ok().map(Number)
}

fn version(of: &impl Serialize) -> serde_json::Result<String> {
    let digest = digest::digest(&digest::SHA256, &serde_json::to_vec(of)?);
    Ok(hex(&digest, VERSION_BYTES))
}
