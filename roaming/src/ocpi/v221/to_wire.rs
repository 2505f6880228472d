//! Nouns into OCPI 2.2.1. Numbers stay exact; a partner sees us as the party we are towards it.
//!
//! **Assumed**, until the domain keeps it: what a connector is made of ([`HARDWARE`]), and an EVSE's printed id, which is `#NA` in bill
//! records and left out of locations. A token's contract goes by the token's own uid.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ringmain_domain::cdr;
use ringmain_domain::id::{ConnectorId, EvseId, StationId, TenantId};
use ringmain_domain::meter::SignedValue;
use ringmain_domain::money;
use ringmain_domain::party::Party;
use ringmain_domain::segment::{Activity, Segment};
use ringmain_domain::session::SessionStatus;
use ringmain_domain::tariff::Dimension;
use ringmain_domain::tariff::pricing::breakdown::{CostBreakdown, LineKind};
use ringmain_domain::token::{IdToken, TokenKind};
use ringmain_domain::unit::WattHours;
use ringmain_store::partners::lists::{PartnerCdr, PartnerSession, PublishedLocation};
use ringmain_store::partners::{Partner, PartnerRole};
use rust_decimal::Decimal;

use crate::ocpi::v221::types::{
    BusinessDetails, Cdr, CdrDimension, CdrLocation, CdrToken, ChargingPeriod, Connector, ConnectorHardware,
    Credentials, CredentialsRole, Evse, GeoLocation, Location, Price, Session, SignedData, SignedDataValue,
};
use crate::ocpi::values::{DateTime, Number};
use crate::service::locations::{self, EvseStatus, evse_uid, evses};

pub mod tariff;

/// The common public outlet of Europe (Type 2, 22 kW): required by the specification, not known to the domain.
pub const HARDWARE: ConnectorHardware = ConnectorHardware {
    standard: "IEC_62196_T2",
    format: "SOCKET",
    power_type: "AC_3_PHASE",
    max_voltage: 230,
    max_amperage: 32,
};
/// The most characters of a signed value as it was signed, and in base64, and of a key (OCPI 2.2.1 mod_cdrs, SignedData).
const PLAIN_DATA_MAX: usize = 5_000;
const SIGNED_DATA_MAX: usize = 5_000;
const PUBLIC_KEY_MAX: usize = 512;
/// Decimals of a part of a cost (OCPI 2.2.1 types, number).
const PART_DIGITS: u32 = 4;
/// Stands where the specification allows that something does not apply.
const NOT_APPLICABLE: &str = "#NA";
/// ISO 4217's code for "no currency": what is free has none.
const NO_CURRENCY: &str = "XXX";
/// Decimals of hours (OCPI 2.2.1 types, number).
const HOUR_DIGITS: u32 = 4;
const MS_PER_HOUR: i64 = 3_600_000;
/// Decimals of degrees: at least 5 are asked for; with 7, a western longitude is too long for its field.
const DEGREE_DIGITS: std::ops::RangeInclusive<u32> = 5..=6;

/// Our credentials, with the token a partner is to show.
#[must_use]
pub fn credentials(partner: &Partner, token: String) -> Credentials {
    let PartnerRole { country_code, party_id, role, name } = &partner.ours;
    let role = CredentialsRole {
        role: role.to_string(),
        business_details: BusinessDetails { name: name.to_string() },
        party_id: party_id.to_string(),
        country_code: country_code.to_string(),
    };
    Credentials { token, url: partner.versions_url.to_string(), roles: vec![role] }
}

/// A location with its EVSEs.
#[must_use]
pub fn location(ours: &PartnerRole, published: &PublishedLocation) -> Location {
    let from = &published.location;
    let evses = evses(published);
    Location {
        country_code: ours.country_code.clone(),
        party_id: ours.party_id.clone(),
        id: from.id.to_string(),
        publish: true,
        name: from.name.clone(),
        address: from.address.clone(),
        city: from.city.clone(),
        postal_code: from.postal_code.clone(),
        country: from.country.clone(),
        coordinates: coordinates(from),
        operator: BusinessDetails { name: ours.name.to_string() },
        time_zone: from.time_zone.clone(),
        last_updated: DateTime(locations::changed_at(published, &evses)),
        evses: evses.iter().map(evse).collect(),
    }
}

/// An EVSE with its connectors.
#[must_use]
pub fn evse(from: &locations::Evse) -> Evse {
    Evse {
        uid: from.uid.to_string(),
        status: status(from.status),
        connectors: from.connectors.iter().map(connector).collect(),
        last_updated: DateTime(from.changed_at),
    }
}

/// A connector.
#[must_use]
pub fn connector(from: &locations::Connector) -> Connector {
    Connector {
        id: from.number.to_string(),
        hardware: HARDWARE,
        tariff_ids: from.tariff_id.iter().map(ToString::to_string).collect(),
        last_updated: DateTime(from.changed_at),
    }
}

const fn status(status: EvseStatus) -> &'static str {
    match status {
        EvseStatus::InUse => "CHARGING",
        EvseStatus::Reserved => "RESERVED",
        EvseStatus::Available => "AVAILABLE",
        EvseStatus::OutOfOrder => "OUTOFORDER",
        EvseStatus::Inoperative => "INOPERATIVE",
        EvseStatus::Unknown => "UNKNOWN",
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

/// A session of the partner's driver.
#[must_use]
pub fn session(ours: &PartnerRole, from: &PartnerSession) -> Session {
    let PartnerSession { session, location_id, owner, updated_at } = from;
    Session {
        country_code: ours.country_code.clone(),
        party_id: ours.party_id.clone(),
        id: session.id.to_string(),
        start_date_time: DateTime(session.started_at),
        end_date_time: session.ended_at.map(DateTime),
        kwh: kwh(session.energy),
        cdr_token: cdr_token(owner, session.token.as_ref()),
        auth_method: auth_method(session),
        location_id: location_id.to_string(),
        evse_uid: uid(&session.tenant, &session.station, session.evse),
        connector_id: connector_id(session.connector),
        currency: session.currency.map_or_else(|| NO_CURRENCY.to_owned(), |currency| currency.to_string()),
        total_cost: session.cost.map(price),
        status: session_status(session.status),
        last_updated: DateTime(*updated_at),
    }
}

/// A session began by a command, or with a token we know.
const fn auth_method(session: &ringmain_domain::session::Session) -> &'static str {
    if session.remote_start_id.is_some() { "COMMAND" } else { "WHITELIST" }
}

/// A session that a person must look at is over for the driver; its cost comes with the bill record.
const fn session_status(status: SessionStatus) -> &'static str {
    match status {
        SessionStatus::Active => "ACTIVE",
        SessionStatus::Completed | SessionStatus::UnderReview => "COMPLETED",
        SessionStatus::Invalid => "INVALID",
    }
}

/// A bill record for the partner.
#[must_use]
pub fn cdr(ours: &PartnerRole, from: &PartnerCdr) -> Cdr {
    let PartnerCdr { cdr, session, location, owner } = from;
    let breakdown = cdr.breakdown.as_ref();
    let free = money::Price { excl_tax: Decimal::ZERO, incl_tax: Decimal::ZERO };
    // Of a credit only the total is below zero (OCPI 2.2.1 mod_cdrs, credit CDRs).
    let parts = breakdown.map(|b| if cdr.credits.is_some() { b.negated() } else { b.clone() });
    let cost_of = |dimension| parts.as_ref()?.cost_of(LineKind::Usage(dimension)).map(part);
    Cdr {
        country_code: ours.country_code.clone(),
        party_id: ours.party_id.clone(),
        id: cdr.id.to_string(),
        start_date_time: DateTime(cdr.started_at),
        end_date_time: DateTime(cdr.ended_at),
        session_id: cdr.session_id.to_string(),
        cdr_token: cdr_token(owner, cdr.token.as_ref()),
        auth_method: auth_method(session),
        cdr_location: cdr_location(cdr, location),
        currency: breakdown
            .map_or_else(|| NO_CURRENCY.to_owned(), |breakdown| breakdown.currency.to_string()),
        charging_periods: charging_periods(cdr),
        signed_data: signed_data(cdr),
        total_cost: price(breakdown.map_or(free, |breakdown| breakdown.total)),
        total_reservation_cost: parts.as_ref().and_then(reservation_cost),
        total_fixed_cost: cost_of(Dimension::Flat),
        total_energy: kwh(cdr.energy),
        total_energy_cost: cost_of(Dimension::Energy),
        total_time: hours(cdr.ended_at.millis_since(cdr.started_at)),
        total_time_cost: cost_of(Dimension::Time),
        total_parking_time: hours(cdr.parked_ms),
        total_parking_cost: cost_of(Dimension::ParkingTime),
        credit: cdr.credits.is_some(),
        credit_reference_id: cdr.credits.map(|id| id.to_string()),
        last_updated: DateTime(cdr.created_at),
    }
}

/// Fee and time of a reservation together.
fn reservation_cost(breakdown: &CostBreakdown) -> Option<Price> {
    let costs = [LineKind::ReservationFlat, LineKind::ReservationTime].map(|kind| breakdown.cost_of(kind));
    let add = |a: money::Price, b: money::Price| money::Price {
        excl_tax: a.excl_tax + b.excl_tax,
        incl_tax: a.incl_tax + b.incl_tax,
    };
    costs.into_iter().flatten().reduce(add).map(part)
}

/// A part of a cost: not in coins, with the decimals that a number has.
fn part(cost: money::Price) -> Price {
    let digits = |amount: Decimal| amount.round_dp(PART_DIGITS).normalize();
    price(money::Price { excl_tax: digits(cost.excl_tax), incl_tax: digits(cost.incl_tax) })
}

fn cdr_location(cdr: &cdr::Cdr, location: &ringmain_domain::location::Location) -> CdrLocation {
    CdrLocation {
        id: location.id.to_string(),
        name: location.name.clone(),
        address: location.address.clone(),
        city: location.city.clone(),
        postal_code: location.postal_code.clone(),
        country: location.country.clone(),
        coordinates: coordinates(location),
        evse_uid: uid(&cdr.tenant, &cdr.station, cdr.evse),
        evse_id: NOT_APPLICABLE,
        connector_id: connector_id(cdr.connector),
        connector_standard: HARDWARE.standard,
        connector_format: HARDWARE.format,
        connector_power_type: HARDWARE.power_type,
    }
}

/// The stretches the record is priced by. A record of before there were any is one period.
fn charging_periods(cdr: &cdr::Cdr) -> Vec<ChargingPeriod> {
    let of = |dimension, volume| CdrDimension { dimension, volume };
    if cdr.segments.is_empty() {
        let mut dimensions = vec![of("ENERGY", kwh(cdr.energy)), of("TIME", hours(cdr.charging_ms))];
        if cdr.parked_ms > 0 {
            dimensions.push(of("PARKING_TIME", hours(cdr.parked_ms)));
        }
        return vec![ChargingPeriod { start_date_time: DateTime(cdr.started_at), dimensions }];
    }
    let period = |segment: &Segment| {
        let time = match segment.activity {
            Activity::Charging => "TIME",
            Activity::Idle => "PARKING_TIME",
            Activity::Reserved => "RESERVATION_TIME",
        };
        let mut dimensions = vec![of(time, hours(segment.millis()))];
        if segment.energy != WattHours::ZERO {
            dimensions.push(of("ENERGY", kwh(segment.energy)));
        }
        ChargingPeriod { start_date_time: DateTime(segment.from), dimensions }
    };
    cdr.segments.iter().map(period).collect()
}

/// Signed values bit for bit; none of them when one is longer than the specification allows, for half a proof is none.
fn signed_data(cdr: &cdr::Cdr) -> Option<SignedData> {
    let first = cdr.signed_values.first()?;
    let last = cdr.signed_values.len().saturating_sub(1);
    let nature = |index: usize| match index {
        0 => "Start",
        index if index == last => "End",
        _ => "Intermediate",
    };
    let value = |(index, signed): (usize, &SignedValue)| {
        let signed_data = STANDARD.encode(&*signed.data);
        let fits = signed.data.chars().count() <= PLAIN_DATA_MAX && signed_data.len() <= SIGNED_DATA_MAX;
        fits.then(|| SignedDataValue { nature: nature(index), plain_data: signed.data.clone(), signed_data })
    };
    let key = &first.public_key;
    Some(SignedData {
        encoding_method: if first.encoding.is_empty() { "OCMF".into() } else { first.encoding.clone() },
        public_key: (!key.is_empty() && key.len() <= PUBLIC_KEY_MAX).then(|| key.clone()),
        signed_values: cdr.signed_values.iter().enumerate().map(value).collect::<Option<_>>()?,
    })
}

fn cdr_token(owner: &Party, token: Option<&IdToken>) -> CdrToken {
    let uid = token.map_or_else(|| NOT_APPLICABLE.to_owned(), |token| token.uid.to_string());
    CdrToken {
        country_code: owner.country_code.clone(),
        party_id: owner.party_id.clone(),
        contract_id: uid.clone(),
        uid,
        kind: token.map_or("OTHER", |token| token_kind(&token.kind)),
    }
}

const fn token_kind(kind: &TokenKind) -> &'static str {
    match kind {
        TokenKind::Rfid => "RFID",
        TokenKind::Central => "APP_USER",
        TokenKind::NoAuthorization | TokenKind::DirectPayment => "AD_HOC_USER",
        TokenKind::EMaid
        | TokenKind::KeyCode
        | TokenKind::Local
        | TokenKind::MacAddress
        | TokenKind::Other(_) => "OTHER",
    }
}

fn uid(tenant: &TenantId, station: &StationId, evse: Option<EvseId>) -> String {
    evse.map_or_else(|| NOT_APPLICABLE.to_owned(), |evse| evse_uid(tenant, station, evse).to_string())
}

fn connector_id(connector: Option<ConnectorId>) -> String {
    connector.map_or_else(|| NOT_APPLICABLE.to_owned(), |connector| connector.to_string())
}

const fn price(price: money::Price) -> Price {
    Price { excl_vat: Number(price.excl_tax), incl_vat: Number(price.incl_tax) }
}

fn kwh(energy: WattHours) -> Number {
    Number(Decimal::new(energy.0, 3).normalize())
}

fn hours(millis: i64) -> Number {
    Number((Decimal::from(millis) / Decimal::from(MS_PER_HOUR)).round_dp(HOUR_DIGITS).normalize())
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
}
