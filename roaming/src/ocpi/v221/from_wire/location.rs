//! Another operator's location: the public place as our noun, and what stands there as it is published.

use ringmain_domain::id::{LocationId, TenantId};
use ringmain_domain::location;
use ringmain_domain::party::{Party, Role};
use ringmain_domain::time::Timestamp;
use ringmain_domain::time::local::Zone;

use super::{id, party};
use crate::ocpi::reading::Fault;
use crate::ocpi::v221::to_wire::Hardware;
use crate::ocpi::v221::types::location::{Capability, Connector, Evse, Location, Status};

/// A place of another operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignLocation {
    /// Whose.
    pub owner: Party,
    /// The place.
    pub location: location::Location,
    /// May everybody be shown it?
    pub is_public: bool,
    /// What stands there.
    pub evses: Vec<ForeignEvse>,
}

/// An EVSE of another operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignEvse {
    /// Its name in messages.
    pub uid: Box<str>,
    /// Its printed name.
    pub evse_id: Option<Box<str>>,
    /// What a driver finds there.
    pub status: Status,
    /// What it can do.
    pub capabilities: Vec<Capability>,
    /// Its connectors, at least one.
    pub connectors: Vec<ForeignConnector>,
    /// When it was last changed.
    pub changed_at: Timestamp,
}

/// A connector of another operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignConnector {
    /// Its name in messages.
    pub id: Box<str>,
    /// What it is made of.
    pub hardware: Hardware,
    /// The operator's tariffs there.
    pub tariff_ids: Vec<Box<str>>,
    /// When it was last changed.
    pub changed_at: Timestamp,
}

/// A location of a tenant's partner. A place without a name goes by its address.
///
/// # Errors
/// An identifier, a time zone or coordinates that are none.
pub fn location(tenant: &TenantId, from: &Location) -> Result<ForeignLocation, Fault> {
    let id = LocationId::new(from.id.as_str()).map_err(|error| Fault::new("/id", error.to_string()))?;
    Zone::named(&from.time_zone).map_err(|error| Fault::new("/time_zone", error.to_string()))?;
    let evses = from.evses.iter().enumerate();
    let evses = evses.map(|(index, of)| evse(of).map_err(|fault| fault.below(&format!("/evses/{index}"))));
    Ok(ForeignLocation {
        owner: party(&from.country_code, &from.party_id, Role::Cpo)?,
        location: location::Location {
            tenant: tenant.clone(),
            id,
            name: from.name.as_deref().unwrap_or(&from.address).into(),
            address: from.address.as_str().into(),
            city: from.city.as_str().into(),
            postal_code: from.postal_code.as_deref().map(Into::into),
            country: from.country.as_str().into(),
            latitude: degrees("/coordinates/latitude", &from.coordinates.latitude, 90)?,
            longitude: degrees("/coordinates/longitude", &from.coordinates.longitude, 180)?,
            time_zone: from.time_zone.as_str().into(),
            updated_at: from.last_updated.0,
        },
        is_public: from.publish,
        evses: evses.collect::<Result<_, _>>()?,
    })
}

/// An EVSE.
///
/// # Errors
/// An identifier that is none.
pub fn evse(from: &Evse) -> Result<ForeignEvse, Fault> {
    let connectors = from.connectors.iter().enumerate();
    let connectors = connectors
        .map(|(index, of)| connector(of).map_err(|fault| fault.below(&format!("/connectors/{index}"))));
    Ok(ForeignEvse {
        uid: id("/uid", &from.uid)?,
        evse_id: from.evse_id.as_ref().map(|id| id.as_str().into()),
        status: from.status,
        capabilities: from.capabilities.clone(),
        connectors: connectors.collect::<Result<_, _>>()?,
        changed_at: from.last_updated.0,
    })
}

/// A connector.
///
/// # Errors
/// An identifier that is none.
pub fn connector(from: &Connector) -> Result<ForeignConnector, Fault> {
    Ok(ForeignConnector {
        id: id("/id", &from.id)?,
        hardware: Hardware {
            standard: from.standard.clone(),
            format: from.format,
            power_type: from.power_type,
            max_voltage: from.max_voltage,
            max_amperage: from.max_amperage,
        },
        tariff_ids: from.tariff_ids.iter().map(|id| id.as_str().into()).collect(),
        changed_at: from.last_updated.0,
    })
}

fn degrees(place: &str, text: &str, most: i64) -> Result<Box<str>, Fault> {
    let read = text.parse::<rust_decimal::Decimal>().ok().filter(|degrees| degrees.abs() <= most.into());
    let degrees = read.ok_or_else(|| Fault::new(place, format!("{text:?} are no degrees up to {most}")))?;
    Ok(degrees.to_string().into())
}
