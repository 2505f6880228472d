//! Nouns into OCPI 2.2.1. Numbers stay exact; a partner sees us as the party we are towards it. What is made here keeps the lengths and the
//! lists of the specification; texts for people are cut where a field is too short for them, identifiers never.
//!
//! **Assumed**, until the domain keeps it: what an EVSE can do ([`CAPABILITIES`]); in bill records, of an EVSE that nobody has described, what its
//! connector is made of ([`HARDWARE`]) and `#NA` for its printed id. A token's contract goes by the token's own uid.
//!
//! **Not said**, though there is a field: current in charging periods, because it counts all phases there and we know the most loaded one;
//! pictures, opening hours, energy mix and facilities of a location, which the domain does not have.

use std::collections::BTreeMap;

use ringmain_domain::hardware::{ConnectorHardware, Current, EvseHardware, Plug};
use ringmain_domain::id::{ConnectorId, EvseId, StationId, TenantId};
use ringmain_domain::location::ConnectorStatus;
use ringmain_domain::money;
use ringmain_domain::party::Party;
use ringmain_domain::roaming::{self, Contract};
use ringmain_domain::segment::{Activity, Segment};
use ringmain_domain::session::SessionStatus;
use ringmain_domain::token::{IdToken, TokenKind};
use ringmain_domain::unit::WattHours;
use ringmain_store::partners::drivers::PartnerSession;
use ringmain_store::partners::lists::{PublishedConnector, PublishedLocation};
use ringmain_store::partners::{Partner, PartnerRole};
use rust_decimal::Decimal;

use crate::ocpi::v221::types::cdr::{AuthMethod, CdrDimension, CdrDimensionType, CdrToken, ChargingPeriod};
use crate::ocpi::v221::types::credentials::{Credentials, CredentialsRole, Role};
use crate::ocpi::v221::types::location::{
    BusinessDetails, Capability, Connector, ConnectorFormat, ConnectorType, Evse, GeoLocation, Location,
    PowerType, Status,
};
use crate::ocpi::v221::types::session::{Session, SessionStatus as WireStatus};
use crate::ocpi::v221::types::tariff::Price;
use crate::ocpi::v221::types::token::TokenType;
use crate::ocpi::values::{CiString, DateTime, Number};
use crate::service::locations::{self, EvseStatus, evse_uid, evses};

pub mod cdr;
pub mod tariff;
pub mod token;

/// What a connector is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hardware {
    /// The plug.
    pub standard: ConnectorType,
    /// Cable or socket.
    pub format: ConnectorFormat,
    /// Kind of current.
    pub power_type: PowerType,
    /// Volts, line to neutral for three phases.
    pub max_voltage: u32,
    /// Amperes.
    pub max_amperage: u32,
}

/// The common public outlet of Europe (Type 2, 22 kW): what a bill record says of a connector nobody has described, as it must say something.
pub const HARDWARE: Hardware = Hardware {
    standard: ConnectorType::Iec62196T2,
    format: ConnectorFormat::Socket,
    power_type: PowerType::Ac3Phase,
    max_voltage: 230,
    max_amperage: 32,
};
/// What every station we serve can do by its protocol: be started and stopped from here, by members of one group too.
pub const CAPABILITIES: [Capability; 2] = [Capability::RemoteStartStopCapable, Capability::TokenGroupCapable];
/// Stands where the specification allows that something does not apply.
pub const NOT_APPLICABLE: &str = "#NA";
/// ISO 4217's code for "no currency": what is free has none.
pub const NO_CURRENCY: &str = "XXX";
/// Decimals of hours (OCPI 2.2.1 types, number).
const HOUR_DIGITS: u32 = 4;
const MS_PER_HOUR: i64 = 3_600_000;
/// Decimals of degrees: at least 5 are asked for; with 7, a western longitude is too long for its field.
const DEGREE_DIGITS: std::ops::RangeInclusive<u32> = 5..=6;
/// The most characters of an identifier (OCPI 2.2.1, most of them).
const ID_MAX: usize = 36;
/// The most characters of texts for people (OCPI 2.2.1 mod_locations).
const NAME_MAX: usize = 255;
const COMPANY_MAX: usize = 100;
const ADDRESS_MAX: usize = 255;
const CITY_MAX: usize = 45;
const POSTAL_CODE_MAX: usize = 10;

/// Our credentials, with the token a partner is to show.
#[must_use]
pub fn credentials(partner: &Partner, token: String) -> Credentials {
    Credentials { token, url: partner.versions_url.to_string(), roles: vec![role(&partner.ours)] }
}

/// Who we are towards a partner.
#[must_use]
pub fn role(ours: &PartnerRole) -> CredentialsRole {
    let PartnerRole { country_code, party_id, role, name } = ours;
    CredentialsRole {
        role: Role::from(&**role),
        business_details: company(name),
        party_id: (&**party_id).into(),
        country_code: (&**country_code).into(),
    }
}

/// A location with its EVSEs.
#[must_use]
pub fn location(ours: &PartnerRole, published: &PublishedLocation) -> Location {
    let from = &published.location;
    let evses = evses(published);
    Location {
        country_code: (&*ours.country_code).into(),
        party_id: (&*ours.party_id).into(),
        id: from.id.as_str().into(),
        publish: true,
        publish_allowed_to: Vec::new(),
        name: Some(clip(&from.name, NAME_MAX)),
        address: clip(&from.address, ADDRESS_MAX),
        city: clip(&from.city, CITY_MAX),
        postal_code: from.postal_code.as_deref().map(|code| clip(code, POSTAL_CODE_MAX)),
        state: None,
        country: from.country.to_string(),
        coordinates: coordinates(from),
        related_locations: Vec::new(),
        parking_type: None,
        directions: Vec::new(),
        operator: Some(company(&ours.name)),
        suboperator: None,
        owner: None,
        facilities: Vec::new(),
        time_zone: from.time_zone.to_string(),
        opening_times: None,
        charging_when_closed: None,
        images: Vec::new(),
        energy_mix: None,
        last_updated: DateTime(locations::changed_at(published, &evses)),
        evses: evses.iter().map(evse).collect(),
    }
}

/// The location of a stay as it was, with the EVSE of it if somebody had described that: what sessions and bill records of 2.1.1 carry
/// (`mod_sessions` and `mod_cdrs`, `location`). In use while the stay lasts; afterwards nothing is said of its state.
#[must_use]
pub fn place(
    ours: &PartnerRole,
    location: &ringmain_domain::location::Location,
    (session, hardware): (&ringmain_domain::session::Session, Option<&EvseHardware>),
) -> Location {
    let lasts = session.status == SessionStatus::Active;
    let described = hardware.filter(|described| Some(described.evse) == session.evse);
    let connectors = described.into_iter().flat_map(|evse| {
        evse.connectors.iter().map(|made| PublishedConnector {
            station: session.station.clone(),
            evse: evse.evse,
            connector: made.connector,
            status: if lasts { ConnectorStatus::Charging } else { ConnectorStatus::Available },
            maintenance: false,
            // What nobody can see is told as UNKNOWN.
            online: lasts,
            energy_flows: None,
            tariff_id: None,
            hardware: Some((*made, evse.printed_id.clone())),
            changed_at: session.started_at,
        })
    });
    let connectors = connectors.collect();
    self::location(
        ours,
        &PublishedLocation { location: location.clone(), connectors, unreadable: BTreeMap::new() },
    )
}

/// An EVSE with its connectors.
#[must_use]
pub fn evse(from: &locations::Evse) -> Evse {
    Evse {
        uid: (&*from.uid.to_string()).into(),
        evse_id: from.printed_id.as_deref().map(Into::into),
        status: status(from.status),
        status_schedule: Vec::new(),
        capabilities: CAPABILITIES.to_vec(),
        connectors: from.connectors.iter().map(connector).collect(),
        floor_level: None,
        coordinates: None,
        physical_reference: None,
        directions: Vec::new(),
        parking_restrictions: Vec::new(),
        images: Vec::new(),
        last_updated: DateTime(from.changed_at),
    }
}

/// A connector.
#[must_use]
pub fn connector(from: &locations::Connector) -> Connector {
    let Hardware { standard, format, power_type, max_voltage, max_amperage } = hardware(&from.hardware);
    Connector {
        id: (&*from.number.to_string()).into(),
        standard,
        format,
        power_type,
        max_voltage,
        max_amperage,
        max_electric_power: Some(from.hardware.power_w()),
        tariff_ids: from.tariff_id.iter().map(|id| id.as_str().into()).collect(),
        terms_and_conditions: None,
        last_updated: DateTime(from.changed_at),
    }
}

/// What a connector is made of, in OCPI's words.
#[must_use]
pub const fn hardware(from: &ConnectorHardware) -> Hardware {
    Hardware {
        standard: match from.plug {
            Plug::Type1 => ConnectorType::Iec62196T1,
            Plug::Type2 => ConnectorType::Iec62196T2,
            Plug::Ccs1 => ConnectorType::Iec62196T1Combo,
            Plug::Ccs2 => ConnectorType::Iec62196T2Combo,
            Plug::Chademo => ConnectorType::Chademo,
            Plug::Nacs => ConnectorType::SaeJ3400,
            Plug::GbtAc => ConnectorType::GbtAc,
            Plug::GbtDc => ConnectorType::GbtDc,
            Plug::Mcs => ConnectorType::Mcs,
            Plug::Schuko => ConnectorType::DomesticF,
            Plug::CeeBlue => ConnectorType::Iec60309Single16,
            Plug::CeeRed16 => ConnectorType::Iec60309Three16,
            Plug::CeeRed32 => ConnectorType::Iec60309Three32,
            Plug::PantographBottomUp => ConnectorType::PantographBottomUp,
            Plug::PantographTopDown => ConnectorType::PantographTopDown,
        },
        format: if from.has_cable { ConnectorFormat::Cable } else { ConnectorFormat::Socket },
        power_type: match from.current {
            Current::Ac1 => PowerType::Ac1Phase,
            Current::Ac2 => PowerType::Ac2Phase,
            Current::Ac3 => PowerType::Ac3Phase,
            Current::Dc => PowerType::Dc,
        },
        max_voltage: from.max_voltage_v,
        max_amperage: from.max_current_a,
    }
}

/// What an EVSE is doing.
#[must_use]
pub const fn status(status: EvseStatus) -> Status {
    match status {
        EvseStatus::InUse => Status::Charging,
        EvseStatus::Reserved => Status::Reserved,
        EvseStatus::Available => Status::Available,
        EvseStatus::OutOfOrder => Status::OutOfOrder,
        EvseStatus::Inoperative => Status::Inoperative,
        EvseStatus::Unknown => Status::Unknown,
    }
}

fn coordinates(location: &ringmain_domain::location::Location) -> GeoLocation {
    GeoLocation { latitude: degrees(&location.latitude), longitude: degrees(&location.longitude) }
}

fn degrees(text: &str) -> String {
    let Ok(mut degrees) = text.parse::<Decimal>() else { return text.to_owned() };
    degrees.rescale(degrees.scale().clamp(*DEGREE_DIGITS.start(), *DEGREE_DIGITS.end()));
    degrees.to_string()
}

/// A session of the partner's driver. Its charging periods are its course as it is known while it goes on; of one that is over only the
/// sums are kept here, so it is told as charging first, then parking. What it is billed by stands in the bill record.
#[must_use]
pub fn session(ours: &PartnerRole, from: &PartnerSession) -> Session {
    let PartnerSession { session, location_id, owner, updated_at, .. } = from;
    Session {
        country_code: (&*ours.country_code).into(),
        party_id: (&*ours.party_id).into(),
        id: (&*session.id.to_string()).into(),
        start_date_time: DateTime(session.started_at),
        end_date_time: session.ended_at.map(DateTime),
        kwh: kwh(session.energy),
        cdr_token: cdr_token(owner, session.contract.as_deref(), session.token.as_ref()),
        auth_method: auth_method(session),
        authorization_reference: reference(session.contract.as_deref()),
        location_id: location_id.as_str().into(),
        evse_uid: uid(&session.tenant, &session.station, session.evse),
        connector_id: connector_id(session.connector),
        meter_id: None,
        currency: session.currency.map_or_else(|| NO_CURRENCY.to_owned(), |currency| currency.to_string()),
        charging_periods: joined(&session.stretches()).iter().map(period).collect(),
        total_cost: session.cost.map(price),
        status: session_status(session.status),
        last_updated: DateTime(*updated_at),
    }
}

/// As it was found when the session began; of before that was kept: by a command, or with a token we know.
fn auth_method(session: &ringmain_domain::session::Session) -> AuthMethod {
    match (session.contract.as_ref().map(|contract| contract.method), session.remote_start_id) {
        (Some(roaming::AuthMethod::Asked), _) => AuthMethod::AuthRequest,
        (Some(roaming::AuthMethod::Ordered), _) | (None, Some(_)) => AuthMethod::Command,
        (Some(roaming::AuthMethod::Whitelist), _) | (None, None) => AuthMethod::Whitelist,
    }
}

/// What the driver's company calls what it allowed.
fn reference(contract: Option<&Contract>) -> Option<CiString> {
    contract?.reference.as_deref().map(Into::into)
}

/// A session that a person must look at is over for the driver; its cost comes with the bill record.
const fn session_status(status: SessionStatus) -> WireStatus {
    match status {
        SessionStatus::Active => WireStatus::Active,
        SessionStatus::Completed | SessionStatus::UnderReview => WireStatus::Completed,
        SessionStatus::Invalid => WireStatus::Invalid,
    }
}

/// Neighbours in which the same goes on as one: a driver's view of a stay.
fn joined(stretches: &[Segment]) -> Vec<Segment> {
    let mut joined: Vec<Segment> = Vec::new();
    for stretch in stretches {
        match joined.last_mut() {
            Some(last) if last.activity == stretch.activity => *last = last.joined(stretch),
            _ => joined.push(*stretch),
        }
    }
    joined
}

/// A stretch as a charging period.
fn period(stretch: &Segment) -> ChargingPeriod {
    let of = |kind, volume| CdrDimension { kind, volume };
    let time = match stretch.activity {
        Activity::Charging => CdrDimensionType::Time,
        Activity::Idle => CdrDimensionType::ParkingTime,
        Activity::Reserved => CdrDimensionType::ReservationTime,
    };
    let mut dimensions = vec![of(time, hours(stretch.millis()))];
    if stretch.energy != WattHours::ZERO {
        dimensions.push(of(CdrDimensionType::Energy, kwh(stretch.energy)));
    }
    if let Some(power) = stretch.power_w {
        dimensions.push(of(CdrDimensionType::MinPower, thousandth(power.min)));
        dimensions.push(of(CdrDimensionType::MaxPower, thousandth(power.max)));
    }
    ChargingPeriod { start_date_time: DateTime(stretch.from), dimensions, tariff_id: None }
}

fn cdr_token(owner: &Party, contract: Option<&Contract>, token: Option<&IdToken>) -> CdrToken {
    if let Some(contract) = contract {
        return CdrToken {
            country_code: (&*contract.party.country_code).into(),
            party_id: (&*contract.party.party_id).into(),
            uid: (&*contract.uid).into(),
            kind: TokenType::from(&*contract.kind),
            contract_id: (&*contract.contract_id).into(),
        };
    }
    let uid = token.map(|token| token.uid.as_str()).filter(|uid| is_id(uid)).unwrap_or(NOT_APPLICABLE);
    CdrToken {
        country_code: (&*owner.country_code).into(),
        party_id: (&*owner.party_id).into(),
        contract_id: uid.into(),
        uid: uid.into(),
        kind: token.map_or(TokenType::Other("OTHER".into()), |token| token_type(&token.kind)),
    }
}

/// Does a text fit into an identifier's field?
fn is_id(text: &str) -> bool {
    text.len() <= ID_MAX && CiString::read(text).is_some()
}

/// The kind of a token.
#[must_use]
pub fn token_type(kind: &TokenKind) -> TokenType {
    match kind {
        TokenKind::Rfid => TokenType::Rfid,
        TokenKind::Central => TokenType::AppUser,
        TokenKind::NoAuthorization | TokenKind::DirectPayment => TokenType::AdHocUser,
        TokenKind::EMaid
        | TokenKind::KeyCode
        | TokenKind::Local
        | TokenKind::MacAddress
        | TokenKind::Other(_) => TokenType::Other("OTHER".into()),
    }
}

fn uid(tenant: &TenantId, station: &StationId, evse: Option<EvseId>) -> CiString {
    evse.map_or_else(|| NOT_APPLICABLE.into(), |evse| (&*evse_uid(tenant, station, evse).to_string()).into())
}

fn connector_id(connector: Option<ConnectorId>) -> CiString {
    connector.map_or_else(|| NOT_APPLICABLE.into(), |connector| (&*connector.to_string()).into())
}

fn company(name: &str) -> BusinessDetails {
    BusinessDetails { name: clip(name, COMPANY_MAX), website: None, logo: None }
}

const fn price(price: money::Price) -> Price {
    Price { excl_vat: Number(price.excl_tax), incl_vat: Some(Number(price.incl_tax)) }
}

fn kwh(energy: WattHours) -> Number {
    thousandth(energy.0)
}

/// Wh as kWh, W as kW.
fn thousandth(number: i64) -> Number {
    Number(Decimal::new(number, 3).normalize())
}

fn hours(millis: i64) -> Number {
    Number((Decimal::from(millis) / Decimal::from(MS_PER_HOUR)).round_dp(HOUR_DIGITS).normalize())
}

/// A text for people, as much of it as its field holds.
fn clip(text: &str, max: usize) -> String {
    text.chars().take(max).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn degrees_have_as_many_decimals_as_their_field_allows() {
        for (text, expect) in [
            ("51.5", "51.50000"),
            ("51", "51.00000"),
            ("3.729944", "3.729944"),
            ("-179.1234567", "-179.123457"),
        ] {
            assert_eq!(degrees(text), expect);
        }
    }

    #[test]
    fn energy_and_time_are_exact() {
        assert_eq!(kwh(WattHours(15_342)).0.to_string(), "15.342");
        assert_eq!(kwh(WattHours(15_000)).0.to_string(), "15");
        assert_eq!(hours(5_400_000).0.to_string(), "1.5");
        assert_eq!(hours(2_400_000).0.to_string(), "0.6667");
    }

    #[test]
    fn texts_are_cut_at_characters_and_identifiers_are_not_cut() {
        assert_eq!(clip("Überall", 2), "Üb");
        assert!(is_id(&"x".repeat(ID_MAX)) && !is_id(&"x".repeat(ID_MAX + 1)) && !is_id("ü"));
    }
}
