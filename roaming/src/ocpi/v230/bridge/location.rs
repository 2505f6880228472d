//! Locations between 2.2.1 and 2.3.0.

use crate::ocpi::v221::types::location::{Connector, Evse, Location};
use crate::ocpi::v230::types::location as v230;

/// A location.
#[must_use]
pub fn location_up(from: Location) -> v230::Location {
    v230::Location {
        country_code: from.country_code,
        party_id: from.party_id,
        id: from.id,
        publish: from.publish,
        publish_allowed_to: from.publish_allowed_to,
        name: from.name,
        address: from.address,
        city: from.city,
        postal_code: from.postal_code,
        state: from.state,
        country: from.country,
        coordinates: from.coordinates,
        related_locations: from.related_locations,
        parking_type: from.parking_type,
        evses: from.evses.into_iter().map(evse_up).collect(),
        parking_places: Vec::new(),
        directions: from.directions,
        operator: from.operator,
        suboperator: from.suboperator,
        owner: from.owner,
        help_phone: None,
        facilities: from.facilities,
        time_zone: from.time_zone,
        opening_times: from.opening_times,
        charging_when_closed: from.charging_when_closed,
        images: from.images,
        energy_mix: from.energy_mix,
        last_updated: from.last_updated,
    }
}

/// A location without its places to park.
#[must_use]
pub fn location_down(from: v230::Location) -> Location {
    Location {
        country_code: from.country_code,
        party_id: from.party_id,
        id: from.id,
        publish: from.publish,
        publish_allowed_to: from.publish_allowed_to,
        name: from.name,
        address: from.address,
        city: from.city,
        postal_code: from.postal_code,
        state: from.state,
        country: from.country,
        coordinates: from.coordinates,
        related_locations: from.related_locations,
        parking_type: from.parking_type,
        evses: from.evses.into_iter().map(evse_down).collect(),
        directions: from.directions,
        operator: from.operator,
        suboperator: from.suboperator,
        owner: from.owner,
        facilities: from.facilities,
        time_zone: from.time_zone,
        opening_times: from.opening_times,
        charging_when_closed: from.charging_when_closed,
        images: from.images,
        energy_mix: from.energy_mix,
        last_updated: from.last_updated,
    }
}

/// An EVSE.
#[must_use]
pub fn evse_up(from: Evse) -> v230::Evse {
    v230::Evse {
        uid: from.uid,
        evse_id: from.evse_id,
        status: from.status,
        status_schedule: from.status_schedule,
        capabilities: from.capabilities,
        connectors: from.connectors.into_iter().map(connector_up).collect(),
        floor_level: from.floor_level,
        coordinates: from.coordinates,
        physical_reference: from.physical_reference,
        directions: from.directions,
        parking_restrictions: from.parking_restrictions,
        parking: Vec::new(),
        images: from.images,
        accepted_service_providers: Vec::new(),
        last_updated: from.last_updated,
    }
}

/// An EVSE.
#[must_use]
pub fn evse_down(from: v230::Evse) -> Evse {
    Evse {
        uid: from.uid,
        evse_id: from.evse_id,
        status: from.status,
        status_schedule: from.status_schedule,
        capabilities: from.capabilities,
        connectors: from.connectors.into_iter().map(connector_down).collect(),
        floor_level: from.floor_level,
        coordinates: from.coordinates,
        physical_reference: from.physical_reference,
        directions: from.directions,
        parking_restrictions: from.parking_restrictions,
        images: from.images,
        last_updated: from.last_updated,
    }
}

/// A connector.
#[must_use]
pub fn connector_up(from: Connector) -> v230::Connector {
    v230::Connector {
        id: from.id,
        standard: from.standard,
        format: from.format,
        power_type: from.power_type,
        max_voltage: from.max_voltage,
        max_amperage: from.max_amperage,
        max_electric_power: from.max_electric_power,
        tariff_ids: from.tariff_ids,
        terms_and_conditions: from.terms_and_conditions,
        capabilities: Vec::new(),
        last_updated: from.last_updated,
    }
}

/// A connector.
#[must_use]
pub fn connector_down(from: v230::Connector) -> Connector {
    Connector {
        id: from.id,
        standard: from.standard,
        format: from.format,
        power_type: from.power_type,
        max_voltage: from.max_voltage,
        max_amperage: from.max_amperage,
        max_electric_power: from.max_electric_power,
        tariff_ids: from.tariff_ids,
        terms_and_conditions: from.terms_and_conditions,
        last_updated: from.last_updated,
    }
}
