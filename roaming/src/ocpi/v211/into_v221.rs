//! 2.1.1 into the shape of 2.2.1, in which everything behind the wire thinks. Who owns an object is known from the connection: [`Owner`].
//!
//! **Assumed**, because 2.1.1 does not say it: a location without a time zone is read as UTC; everything is public; amounts are before taxes,
//! which are not known; a token's uid is its contract's where only one of them is told.

use crate::ocpi::v211::types as v211;
use crate::ocpi::v211::types::location as v211_location;
use crate::ocpi::v221::types::cdr::{Cdr, CdrLocation, CdrToken};
use crate::ocpi::v221::types::credentials::{Credentials, CredentialsRole, Role};
use crate::ocpi::v221::types::location::{
    Connector, EnergyMix, EnvironmentalImpact, Evse, Hours, Location, ParkingType,
};
use crate::ocpi::v221::types::session::Session;
use crate::ocpi::v221::types::tariff::{Price, PriceComponent, Tariff, TariffElement, TariffRestrictions};
use crate::ocpi::v221::types::token::{LocationReferences, Token, TokenType};
use crate::ocpi::v221::types::version::{Endpoint, InterfaceRole, VersionDetails};
use crate::ocpi::values::{CiString, Number};

/// Stands where the specification allows that something does not apply.
const NOT_APPLICABLE: &str = "#NA";
/// The zone of a location that tells none.
const NO_ZONE: &str = "Etc/UTC";

/// The party whose objects come over a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// ISO 3166-1 alpha-2.
    pub country_code: CiString,
    /// Three characters.
    pub party_id: CiString,
}

/// Credentials: 2.1.1 does not say the role, so whoever invited says it.
#[must_use]
pub fn credentials(from: v211::Credentials, role: Role) -> Credentials {
    let v211::Credentials { token, url, business_details, party_id, country_code } = from;
    Credentials {
        token,
        url,
        roles: vec![CredentialsRole { role, business_details, party_id, country_code }],
    }
}

/// What a version offers, seen by somebody who needs these sides of it: one address serves both, the caller's role decides.
#[must_use]
pub fn version_details(from: v211::VersionDetails, role: InterfaceRole) -> VersionDetails {
    let endpoint = |of: v211::Endpoint| Endpoint { identifier: of.identifier, role, url: of.url };
    VersionDetails { version: from.version, endpoints: from.endpoints.into_iter().map(endpoint).collect() }
}

/// A location.
#[must_use]
pub fn location(from: v211_location::Location, owner: &Owner) -> Location {
    Location {
        country_code: owner.country_code.clone(),
        party_id: owner.party_id.clone(),
        id: from.id,
        publish: true,
        publish_allowed_to: Vec::new(),
        name: from.name,
        address: from.address,
        city: from.city,
        postal_code: Some(from.postal_code).filter(|code| !code.is_empty()),
        state: None,
        country: from.country,
        coordinates: from.coordinates,
        related_locations: from.related_locations,
        parking_type: parking_type(&from.kind),
        evses: from.evses.into_iter().map(evse).collect(),
        directions: from.directions,
        operator: from.operator,
        suboperator: from.suboperator,
        owner: from.owner,
        facilities: from.facilities,
        time_zone: from.time_zone.unwrap_or_else(|| NO_ZONE.to_owned()),
        opening_times: from.opening_times.map(hours),
        charging_when_closed: from.charging_when_closed,
        images: from.images,
        energy_mix: from.energy_mix.map(energy_mix),
        last_updated: from.last_updated,
    }
}

fn parking_type(from: &v211_location::LocationType) -> Option<ParkingType> {
    use v211_location::LocationType as From;
    match from {
        From::OnStreet => Some(ParkingType::OnStreet),
        From::ParkingGarage => Some(ParkingType::ParkingGarage),
        From::UndergroundGarage => Some(ParkingType::UndergroundGarage),
        From::ParkingLot => Some(ParkingType::ParkingLot),
        From::Unknown | From::Other(_) => None,
    }
}

/// An EVSE.
#[must_use]
pub fn evse(from: v211_location::Evse) -> Evse {
    Evse {
        uid: from.uid,
        evse_id: from.evse_id,
        status: from.status,
        status_schedule: from.status_schedule,
        capabilities: from.capabilities,
        connectors: from.connectors.into_iter().map(connector).collect(),
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
pub fn connector(from: v211_location::Connector) -> Connector {
    Connector {
        id: from.id,
        standard: from.standard,
        format: from.format,
        power_type: from.power_type,
        max_voltage: from.voltage,
        max_amperage: from.amperage,
        max_electric_power: None,
        tariff_ids: from.tariff_id.into_iter().collect(),
        terms_and_conditions: from.terms_and_conditions,
        last_updated: from.last_updated,
    }
}

fn hours(from: v211_location::Hours) -> Hours {
    let v211_location::Hours { regular_hours, twentyfourseven, exceptional_openings, exceptional_closings } =
        from;
    let twentyfourseven = twentyfourseven.unwrap_or(regular_hours.is_empty());
    Hours { twentyfourseven, regular_hours, exceptional_openings, exceptional_closings }
}

fn energy_mix(from: v211_location::EnergyMix) -> EnergyMix {
    let impact = |v211_location::EnvironmentalImpact { source, amount }| EnvironmentalImpact {
        category: source,
        amount,
    };
    EnergyMix {
        is_green_energy: from.is_green_energy,
        energy_sources: from.energy_sources,
        environ_impact: from.environ_impact.into_iter().map(impact).collect(),
        supplier_name: from.supplier_name,
        energy_product_name: from.energy_product_name,
    }
}

/// A token.
#[must_use]
pub fn token(from: v211::Token, owner: &Owner) -> Token {
    Token {
        country_code: owner.country_code.clone(),
        party_id: owner.party_id.clone(),
        uid: from.uid,
        kind: from.kind,
        contract_id: from.auth_id,
        visual_number: from.visual_number,
        issuer: from.issuer,
        group_id: None,
        valid: from.valid,
        whitelist: from.whitelist,
        language: from.language,
        default_profile_type: None,
        energy_contract: None,
        last_updated: from.last_updated,
    }
}

/// The place of an answer to the question about a token.
#[must_use]
pub fn location_references(from: v211::LocationReferences) -> LocationReferences {
    LocationReferences { location_id: from.location_id, evse_uids: from.evse_uids }
}

/// A tariff.
#[must_use]
pub fn tariff(from: v211::Tariff, owner: &Owner) -> Tariff {
    Tariff {
        country_code: owner.country_code.clone(),
        party_id: owner.party_id.clone(),
        id: from.id,
        currency: from.currency,
        kind: None,
        tariff_alt_text: from.tariff_alt_text,
        tariff_alt_url: from.tariff_alt_url,
        min_price: None,
        max_price: None,
        elements: from.elements.into_iter().map(element).collect(),
        start_date_time: None,
        end_date_time: None,
        energy_mix: from.energy_mix.map(energy_mix),
        last_updated: from.last_updated,
    }
}

fn element(from: v211::TariffElement) -> TariffElement {
    let component = |of: v211::PriceComponent| PriceComponent {
        kind: of.kind,
        price: of.price,
        vat: None,
        step_size: of.step_size,
    };
    TariffElement {
        price_components: from.price_components.into_iter().map(component).collect(),
        restrictions: from.restrictions.map(restrictions),
    }
}

fn restrictions(from: v211::TariffRestrictions) -> TariffRestrictions {
    TariffRestrictions {
        start_time: from.start_time,
        end_time: from.end_time,
        start_date: from.start_date,
        end_date: from.end_date,
        min_kwh: from.min_kwh,
        max_kwh: from.max_kwh,
        min_power: from.min_power,
        max_power: from.max_power,
        min_duration: from.min_duration,
        max_duration: from.max_duration,
        day_of_week: from.day_of_week,
        ..TariffRestrictions::default()
    }
}

/// A session of a token of `driver`, the party that is asked for its costs.
#[must_use]
pub fn session(from: v211::Session, owner: &Owner, driver: &Owner) -> Session {
    let (evse_uid, connector_id) = place(&from.location);
    Session {
        country_code: owner.country_code.clone(),
        party_id: owner.party_id.clone(),
        id: from.id,
        start_date_time: from.start_datetime,
        end_date_time: from.end_datetime,
        kwh: from.kwh,
        cdr_token: cdr_token(from.auth_id, driver),
        auth_method: from.auth_method,
        authorization_reference: None,
        location_id: from.location.id,
        evse_uid,
        connector_id,
        meter_id: from.meter_id,
        currency: from.currency,
        charging_periods: from.charging_periods,
        total_cost: from.total_cost.map(amount),
        status: from.status,
        last_updated: from.last_updated,
    }
}

/// A bill record of a token of `driver`.
#[must_use]
pub fn cdr(from: v211::Cdr, owner: &Owner, driver: &Owner) -> Cdr {
    Cdr {
        country_code: owner.country_code.clone(),
        party_id: owner.party_id.clone(),
        id: from.id,
        start_date_time: from.start_date_time,
        end_date_time: from.stop_date_time,
        session_id: None,
        cdr_token: cdr_token(from.auth_id, driver),
        auth_method: from.auth_method,
        authorization_reference: None,
        cdr_location: cdr_location(from.location),
        meter_id: from.meter_id,
        currency: from.currency,
        tariffs: from.tariffs.into_iter().map(|of| tariff(of, owner)).collect(),
        charging_periods: from.charging_periods,
        signed_data: None,
        total_cost: amount(from.total_cost),
        total_fixed_cost: None,
        total_energy: from.total_energy,
        total_energy_cost: None,
        total_time: from.total_time,
        total_time_cost: None,
        total_parking_time: from.total_parking_time,
        total_parking_cost: None,
        total_reservation_cost: None,
        remark: from.remark,
        invoice_reference_id: None,
        credit: None,
        credit_reference_id: None,
        home_charging_compensation: None,
        last_updated: from.last_updated,
    }
}

fn amount(before_taxes: Number) -> Price {
    Price { excl_vat: before_taxes, incl_vat: None }
}

fn cdr_token(auth_id: CiString, driver: &Owner) -> CdrToken {
    CdrToken {
        country_code: driver.country_code.clone(),
        party_id: driver.party_id.clone(),
        uid: auth_id.clone(),
        kind: TokenType::Other("OTHER".into()),
        contract_id: auth_id,
    }
}

/// EVSE and connector of a location that has one of each.
fn place(location: &v211_location::Location) -> (CiString, CiString) {
    let evse = location.evses.first();
    let connector = evse.and_then(|evse| evse.connectors.first());
    let or_none = |id: Option<&CiString>| id.cloned().unwrap_or_else(|| NOT_APPLICABLE.into());
    (or_none(evse.map(|evse| &evse.uid)), or_none(connector.map(|connector| &connector.id)))
}

fn cdr_location(from: v211_location::Location) -> CdrLocation {
    use crate::ocpi::v221::types::location::{ConnectorFormat, ConnectorType, PowerType};
    let (evse_uid, connector_id) = place(&from);
    let evse = from.evses.into_iter().next();
    let (evse_id, connectors) = evse.map_or((None, Vec::new()), |evse| (evse.evse_id, evse.connectors));
    let connector = connectors.into_iter().next();
    let (standard, format, power_type) = connector.map_or_else(
        || (ConnectorType::Other(NOT_APPLICABLE.into()), ConnectorFormat::Socket, PowerType::Ac3Phase),
        |connector| (connector.standard, connector.format, connector.power_type),
    );
    CdrLocation {
        id: from.id,
        name: from.name,
        address: from.address,
        city: from.city,
        postal_code: Some(from.postal_code).filter(|code| !code.is_empty()),
        state: None,
        country: from.country,
        coordinates: from.coordinates,
        evse_uid,
        evse_id: evse_id.unwrap_or_else(|| NOT_APPLICABLE.into()),
        connector_id,
        connector_standard: standard,
        connector_format: format,
        connector_power_type: power_type,
    }
}
