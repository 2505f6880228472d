//! 2.2.1 into 2.1.1, for partners that speak nothing newer. What we say is made once, in the shape of 2.2.1.
//!
//! **Lost**, because there is no field: owners of objects, `publish` (an object that is not public is not to be sent), group and contract
//! details of tokens, all but the first tariff of a connector, taxes and limits of tariffs (prices and costs of 2.1.1 are before taxes,
//! `mod_tariffs` and `mod_cdrs`), restrictions by current, elements of reservations (free is what 2.1.1 then says of reserved time, so they
//! are left out), the parts of a cost, signed values, the id of a session. Dimensions that 2.1.1 does not have are left out of charging
//! periods.
//!
//! **Left out**, because the lists of 2.1.1 are closed (`mod_locations`): capabilities and plugs that came later, and an EVSE that has no
//! other plug. SAE J3400 is what `TESLA_S` names, two phases are told as one, a start by command as `AUTH_REQUEST`: the company was asked
//! by itself.
//!
//! **Not said in 2.1.1 at all:** a credit. [`cdr`] gives none for it: it would be read as a bill.

use rust_decimal::Decimal;

use crate::ocpi::v211::types as v211;
use crate::ocpi::v211::types::location as v211_location;
use crate::ocpi::v221::types::cdr::{AuthMethod, Cdr, CdrDimension, CdrDimensionType, ChargingPeriod};
use crate::ocpi::v221::types::credentials::CredentialsRole;
use crate::ocpi::v221::types::location::{
    Capability, Connector, ConnectorType, EnergyMix, EnvironmentalImpact, Evse, GeoLocation, Hours, Location,
    ParkingType, PowerType,
};
use crate::ocpi::v221::types::session::{Session, SessionStatus};
use crate::ocpi::v221::types::tariff::{Price, PriceComponent, Tariff, TariffElement, TariffRestrictions};
use crate::ocpi::v221::types::token::{LocationReferences, Token, TokenType};
use crate::ocpi::values::Number;

/// Decimals of degrees: exactly so many (OCPI 2.1.1 mod_locations, GeoLocation).
const DEGREE_DIGITS: u32 = 6;
/// The most characters of an address and of a postal code (OCPI 2.1.1 mod_locations).
const ADDRESS_MAX: usize = 45;

/// Credentials of a party: there is one only, and its role goes unsaid.
#[must_use]
pub fn credentials((token, url): (String, String), role: CredentialsRole) -> v211::Credentials {
    let CredentialsRole { business_details, party_id, country_code, .. } = role;
    v211::Credentials { token, url, business_details, party_id, country_code }
}

/// A location.
#[must_use]
pub fn location(from: Location) -> v211_location::Location {
    v211_location::Location {
        id: from.id,
        kind: location_type(from.parking_type.as_ref()),
        name: from.name,
        address: from.address.chars().take(ADDRESS_MAX).collect(),
        city: from.city,
        postal_code: from.postal_code.unwrap_or_default(),
        country: from.country,
        coordinates: coordinates(from.coordinates),
        related_locations: from.related_locations,
        evses: from.evses.into_iter().filter_map(evse).collect(),
        directions: from.directions,
        operator: from.operator,
        suboperator: from.suboperator,
        owner: from.owner,
        facilities: from.facilities,
        time_zone: Some(from.time_zone),
        opening_times: from.opening_times.map(hours),
        charging_when_closed: from.charging_when_closed,
        images: from.images,
        energy_mix: from.energy_mix.map(energy_mix),
        last_updated: from.last_updated,
    }
}

fn location_type(parking: Option<&ParkingType>) -> v211_location::LocationType {
    use v211_location::LocationType as To;
    match parking {
        Some(ParkingType::OnStreet) => To::OnStreet,
        Some(ParkingType::ParkingGarage) => To::ParkingGarage,
        Some(ParkingType::UndergroundGarage) => To::UndergroundGarage,
        Some(ParkingType::ParkingLot) => To::ParkingLot,
        Some(ParkingType::AlongMotorway | ParkingType::OnDriveway | ParkingType::Other(_)) => {
            To::Other("OTHER".into())
        }
        None => To::Unknown,
    }
}

fn coordinates(from: GeoLocation) -> GeoLocation {
    let degrees = |text: String| match text.parse::<Decimal>() {
        Ok(mut degrees) => {
            degrees.rescale(DEGREE_DIGITS);
            degrees.to_string()
        }
        Err(_no_number) => text,
    };
    GeoLocation { latitude: degrees(from.latitude), longitude: degrees(from.longitude) }
}

/// An EVSE; `None`: 2.1.1 has no word for any of its plugs.
#[must_use]
pub fn evse(from: Evse) -> Option<v211_location::Evse> {
    let connectors: Vec<_> = from.connectors.into_iter().filter_map(connector).collect();
    let is_known = |of: &Capability| {
        matches!(
            of,
            Capability::ChargingProfileCapable
                | Capability::CreditCardPayable
                | Capability::RemoteStartStopCapable
                | Capability::Reservable
                | Capability::RfidReader
                | Capability::UnlockCapable
        )
    };
    (!connectors.is_empty()).then(|| v211_location::Evse {
        uid: from.uid,
        evse_id: from.evse_id,
        status: from.status,
        status_schedule: from.status_schedule,
        capabilities: from.capabilities.into_iter().filter(is_known).collect(),
        connectors,
        floor_level: from.floor_level,
        coordinates: from.coordinates,
        physical_reference: from.physical_reference,
        directions: from.directions,
        parking_restrictions: from.parking_restrictions,
        images: from.images,
        last_updated: from.last_updated,
    })
}

/// A connector with the first of its tariffs; `None`: 2.1.1 has no word for its plug.
#[must_use]
pub fn connector(from: Connector) -> Option<v211_location::Connector> {
    Some(v211_location::Connector {
        id: from.id,
        standard: standard(from.standard)?,
        format: from.format,
        power_type: match from.power_type {
            PowerType::Ac2Phase | PowerType::Ac2PhaseSplit => PowerType::Ac1Phase,
            other => other,
        },
        voltage: from.max_voltage,
        amperage: from.max_amperage,
        tariff_id: from.tariff_ids.into_iter().next(),
        terms_and_conditions: from.terms_and_conditions,
        last_updated: from.last_updated,
    })
}

/// A plug in the closed list of 2.1.1 (`mod_locations`, ConnectorType).
fn standard(from: ConnectorType) -> Option<ConnectorType> {
    use ConnectorType as C;
    match from {
        C::SaeJ3400 => Some(C::TeslaS),
        C::Chademo
        | C::DomesticA
        | C::DomesticB
        | C::DomesticC
        | C::DomesticD
        | C::DomesticE
        | C::DomesticF
        | C::DomesticG
        | C::DomesticH
        | C::DomesticI
        | C::DomesticJ
        | C::DomesticK
        | C::DomesticL
        | C::Iec60309Single16
        | C::Iec60309Three16
        | C::Iec60309Three32
        | C::Iec60309Three64
        | C::Iec62196T1
        | C::Iec62196T1Combo
        | C::Iec62196T2
        | C::Iec62196T2Combo
        | C::Iec62196T3A
        | C::Iec62196T3C
        | C::TeslaR
        | C::TeslaS => Some(from),
        _ => None,
    }
}

fn hours(from: Hours) -> v211_location::Hours {
    let Hours { twentyfourseven, regular_hours, exceptional_openings, exceptional_closings } = from;
    // One of the two, not both (OCPI 2.1.1 mod_locations, Hours).
    let twentyfourseven = (twentyfourseven || regular_hours.is_empty()).then_some(twentyfourseven);
    v211_location::Hours { regular_hours, twentyfourseven, exceptional_openings, exceptional_closings }
}

fn energy_mix(from: EnergyMix) -> v211_location::EnergyMix {
    let impact = |EnvironmentalImpact { category, amount }| v211_location::EnvironmentalImpact {
        source: category,
        amount,
    };
    v211_location::EnergyMix {
        is_green_energy: from.is_green_energy,
        energy_sources: from.energy_sources,
        environ_impact: from.environ_impact.into_iter().map(impact).collect(),
        supplier_name: from.supplier_name,
        energy_product_name: from.energy_product_name,
    }
}

/// A token: its contract is the `auth_id`.
#[must_use]
pub fn token(from: Token) -> v211::Token {
    v211::Token {
        uid: from.uid,
        kind: token_type(from.kind),
        auth_id: from.contract_id,
        visual_number: from.visual_number,
        issuer: from.issuer,
        valid: from.valid,
        whitelist: from.whitelist,
        language: from.language,
        last_updated: from.last_updated,
    }
}

/// 2.1.1 knows RFID, and everything else as OTHER.
#[must_use]
pub fn token_type(from: TokenType) -> TokenType {
    match from {
        TokenType::Rfid => TokenType::Rfid,
        TokenType::AdHocUser | TokenType::AppUser | TokenType::Emaid | TokenType::Other(_) => {
            TokenType::Other("OTHER".into())
        }
    }
}

/// Where it is asked for.
#[must_use]
pub fn location_references(from: LocationReferences) -> v211::LocationReferences {
    let LocationReferences { location_id, evse_uids } = from;
    v211::LocationReferences { location_id, evse_uids, connector_ids: Vec::new() }
}

/// A tariff; `None`: all it prices are reservations, or a price of it depends on the current, which 2.1.1 cannot say: without its condition it
/// would be another price, and hide those that follow.
#[must_use]
pub fn tariff(from: Tariff) -> Option<v211::Tariff> {
    let restrictions = from.elements.iter().filter_map(|element| element.restrictions.as_ref());
    if restrictions.into_iter().any(|only| only.min_current.is_some() || only.max_current.is_some()) {
        return None;
    }
    let elements: Vec<_> = from.elements.into_iter().filter_map(element).collect();
    (!elements.is_empty()).then(|| v211::Tariff {
        id: from.id,
        currency: from.currency,
        tariff_alt_text: from.tariff_alt_text,
        tariff_alt_url: from.tariff_alt_url,
        elements,
        energy_mix: from.energy_mix.map(energy_mix),
        last_updated: from.last_updated,
    })
}

fn element(from: TariffElement) -> Option<v211::TariffElement> {
    let restrictions = from.restrictions.unwrap_or_default();
    if restrictions.reservation.is_some() {
        return None;
    }
    let component = |from: PriceComponent| v211::PriceComponent {
        kind: from.kind,
        price: from.price,
        step_size: from.step_size,
    };
    let restrictions = restricted(restrictions);
    Some(v211::TariffElement {
        price_components: from.price_components.into_iter().map(component).collect(),
        restrictions: (restrictions != v211::TariffRestrictions::default()).then_some(restrictions),
    })
}

fn restricted(from: TariffRestrictions) -> v211::TariffRestrictions {
    v211::TariffRestrictions {
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
    }
}

/// A session at a location, which stands in it with the one EVSE and connector.
#[must_use]
pub fn session(from: Session, at: Location) -> v211::Session {
    v211::Session {
        location: location(only(at, from.evse_uid.as_str(), from.connector_id.as_str())),
        id: from.id,
        start_datetime: from.start_date_time,
        end_datetime: from.end_date_time,
        kwh: from.kwh,
        auth_id: from.cdr_token.contract_id,
        auth_method: auth_method(from.auth_method),
        meter_id: from.meter_id,
        currency: from.currency,
        charging_periods: from.charging_periods.into_iter().filter_map(period).collect(),
        total_cost: from.total_cost.map(before_taxes),
        status: match from.status {
            SessionStatus::Reservation => SessionStatus::Pending,
            status => status,
        },
        last_updated: from.last_updated,
    }
}

/// A bill record of a session at a location; `None`: it is a credit, which 2.1.1 cannot say.
#[must_use]
pub fn cdr(from: Cdr, at: Location) -> Option<v211::Cdr> {
    if from.credit == Some(true) {
        return None;
    }
    let place = &from.cdr_location;
    let mut charging_periods: Vec<_> = from.charging_periods.into_iter().filter_map(period).collect();
    if charging_periods.is_empty() {
        // A reservation alone: 2.1.1 wants one period and has no word for it.
        let nothing = CdrDimension { kind: CdrDimensionType::Time, volume: Number::from(0) };
        let (start_date_time, dimensions) = (from.start_date_time, vec![nothing]);
        charging_periods.push(ChargingPeriod { start_date_time, dimensions, tariff_id: None });
    }
    Some(v211::Cdr {
        location: location(only(at, place.evse_uid.as_str(), place.connector_id.as_str())),
        id: from.id,
        start_date_time: from.start_date_time,
        stop_date_time: from.end_date_time,
        auth_id: from.cdr_token.contract_id,
        auth_method: auth_method(from.auth_method),
        meter_id: from.meter_id,
        currency: from.currency,
        tariffs: from.tariffs.into_iter().filter_map(tariff).collect(),
        charging_periods,
        total_cost: before_taxes(from.total_cost),
        total_energy: from.total_energy,
        total_time: from.total_time,
        total_parking_time: from.total_parking_time,
        remark: from.remark,
        last_updated: from.last_updated,
    })
}

/// "Total cost (excluding VAT)" (OCPI 2.1.1 mod_cdrs and mod_sessions).
const fn before_taxes(from: Price) -> Number {
    from.excl_vat
}

/// 2.1.1 has no COMMAND (`mod_cdrs`, AuthMethod).
const fn auth_method(from: AuthMethod) -> AuthMethod {
    match from {
        AuthMethod::Command => AuthMethod::AuthRequest,
        AuthMethod::AuthRequest | AuthMethod::Whitelist => from,
    }
}

/// A location with the one EVSE and connector where it happened, as far as they are there (OCPI 2.1.1 mod_cdrs, `location`).
fn only(mut location: Location, evse: &str, connector: &str) -> Location {
    location.evses.retain(|one| one.uid == evse);
    for evse in &mut location.evses {
        if evse.connectors.iter().any(|one| one.id == connector) {
            evse.connectors.retain(|one| one.id == connector);
        }
    }
    location
}

fn period(mut from: ChargingPeriod) -> Option<ChargingPeriod> {
    from.tariff_id = None;
    from.dimensions.retain(|of| {
        matches!(
            of.kind,
            CdrDimensionType::Energy
                | CdrDimensionType::MaxCurrent
                | CdrDimensionType::MinCurrent
                | CdrDimensionType::ParkingTime
                | CdrDimensionType::Time
        )
    });
    (!from.dimensions.is_empty()).then_some(from)
}
