//! The German AFIR profile 01-00-00 on DATEX II v3.5 (`aegi`, `afac`), as Mobilithek takes it: the table in a payload, the status in a container.
//!
//! **Assumed**, because the profile asks for it and the house does not know: that nobody attends a station, and that it gives all its points'
//! power at once. Prices for time are per minute there: those of ours that are for an hour are rounded to four decimals.

use ringmain_domain::hardware::Current;
use ringmain_domain::tariff::{self, Dimension, TariffElement};
use ringmain_domain::time::Timestamp;
use rust_decimal::Decimal;
use serde::Serialize;
use uuid::Uuid;

use crate::ocpi::values::{DateTime, Number};
use crate::public_data::Terms;
use crate::public_data::datex2::prices::{self, Said};
use crate::public_data::datex2::sites::{Point, Site, Station};
use crate::public_data::datex2::words::{
    self, ByCoordinates, Coordinates, Extension, Nothing, Reference, Text, Word, distinct,
};
use crate::public_data::datex2::{Part, Profile, Table, publication, quoted, table_reference};
use crate::service::locations::Connector;

/// Decimals of a price for a minute.
const MINUTE_DIGITS: u32 = 6;
const SECS_PER_MINUTE: u32 = 60;

// === table ===

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SiteObject<'a> {
    id_g: &'a str,
    version_g: &'a str,
    name: Text<'a>,
    last_updated: DateTime,
    operating_hours: Hours,
    location_reference: LocationReference<'a>,
    operator: Organisation<'a>,
    energy_infrastructure_station: Vec<StationObject<'a>>,
}

#[derive(Debug, Serialize)]
struct Hours {
    #[serde(rename = "afacUnknownOperatingHours")]
    unknown: Nothing,
}

#[derive(Debug, Serialize)]
struct LocationReference<'a> {
    #[serde(rename = "locPointLocation")]
    point: PointLocation<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PointLocation<'a> {
    coordinates_for_display: Coordinates,
    point_by_coordinates: ByCoordinates,
    loc_location_extension_g: Extension<'a>,
}

#[derive(Debug, Serialize)]
struct Organisation<'a> {
    #[serde(rename = "afacAnOrganisation")]
    organisation: AnOrganisation<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AnOrganisation<'a> {
    name: Text<'a>,
    external_identifier: [Identifier; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Identifier {
    identifier: String,
    type_of_identifier: Word,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StationObject<'a> {
    id_g: Uuid,
    version_g: &'a str,
    total_maximum_power: u64,
    number_of_refill_points: usize,
    service_type: [Service; 1],
    refill_point: Vec<RefillPoint<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Service {
    service_type: Word,
}

#[derive(Debug, Serialize)]
struct RefillPoint<'a> {
    #[serde(rename = "aegiElectricChargingPoint")]
    point: PointObject<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PointObject<'a> {
    id_g: Uuid,
    version_g: &'a str,
    delivery_unit: Word,
    current_type: Word,
    number_of_connectors: usize,
    available_voltage: Vec<u32>,
    available_charging_power: Vec<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    charging_mode: Option<Word>,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_identifier: Option<[Identifier; 1]>,
    connector: Vec<ConnectorObject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    electric_energy: Option<[Energy; 1]>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ConnectorObject {
    connector_type: Word,
    connector_format: Word,
    max_power_at_socket: u32,
    voltage: u32,
    maximum_current: u32,
}

// === prices ===

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Energy {
    energy_rate: [Rate; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Rate {
    id_g: String,
    rate_policy: Word,
    last_updated: DateTime,
    applicable_currency: [String; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    maximum_delivery_fee: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    minimum_delivery_fee: Option<Number>,
    energy_price: Vec<Price>,
    #[serde(skip_serializing_if = "Option::is_none")]
    overall_period: Option<Period>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Period {
    overall_start_time: DateTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    overall_end_time: Option<DateTime>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Price {
    price_type: Word,
    value: Number,
    #[serde(skip_serializing_if = "Option::is_none")]
    tax_included: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tax_rate: Option<Number>,
    additional_information: Text<'static>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_based_applicability: Option<Minutes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    energy_based_applicability: Option<Kwh>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Minutes {
    #[serde(skip_serializing_if = "Option::is_none")]
    from_minute: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to_minute: Option<u32>,
}

#[derive(Debug, Serialize)]
struct Kwh {
    #[serde(rename = "fromKWh", skip_serializing_if = "Option::is_none")]
    from: Option<Number>,
    #[serde(rename = "toKWh", skip_serializing_if = "Option::is_none")]
    to: Option<Number>,
}

// === status ===

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SiteStatus<'a> {
    reference: Reference<'a>,
    energy_infrastructure_station_status: Vec<StationStatus<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StationStatus<'a> {
    reference: Reference<'a>,
    refill_point_status: Vec<RefillPointStatus<'a>>,
}

#[derive(Debug, Serialize)]
struct RefillPointStatus<'a> {
    #[serde(rename = "aegiElectricChargingPointStatus")]
    point: PointStatus<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PointStatus<'a> {
    reference: Reference<'a>,
    last_updated: DateTime,
    status: Word,
    #[serde(skip_serializing_if = "Option::is_none")]
    energy_rate_update: Option<[RateUpdate; 1]>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RateUpdate {
    last_updated: DateTime,
    energy_rate_reference: RateReference,
    energy_price: Vec<Price>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RateReference {
    target_class: &'static str,
    id_g: String,
}

// === the frame ===

pub(super) fn head(part: Part, terms: &Terms, at: Timestamp) -> String {
    let publication = publication(terms, at);
    let information = r#""headerInformation":{"confidentiality":{"value":"noRestriction"},"informationStatus":{"value":"real"}}"#;
    let profile = r#""modelBaseVersionG":"3","versionG":"3.5","profileNameG":"AFIR Energy Infrastructure","profileVersionG":"01-00-00""#;
    match part {
        Part::Table => {
            let id = quoted(&terms.party());
            format!(
                r#"{{"payload":{{{profile},"aegiEnergyInfrastructureTablePublication":{{{publication},{information},"energyInfrastructureTable":[{{"idG":{id},"energyInfrastructureSite":["#
            )
        }
        Part::Status => format!(
            r#"{{"messageContainer":{{"payload":[{{{profile},"aegiEnergyInfrastructureStatusPublication":{{{publication},{information},"energyInfrastructureSiteStatus":["#
        ),
    }
}

pub(super) fn tail(part: Part, terms: &Terms, at: Timestamp, table: Table<'_>) -> String {
    match part {
        Part::Table => format!(r#"],"versionG":{}}}]}}}}}}"#, quoted(table.version)),
        Part::Status => {
            let (reference, at) = (table_reference(terms, table), quoted(&DateTime(at).to_string()));
            let context = r#""exchangeContext":{"codedExchangeProtocol":{"value":"snapshotPull"},"exchangeSpecificationVersion":"3.0","supplierOrCisRequester":{}}"#;
            let dynamic = format!(
                r#""dynamicInformation":{{"exchangeStatus":{{"value":"online"}},"messageGenerationTimestamp":{at}}}"#
            );
            format!(r#"]{reference}}}}}],"exchangeInformation":{{{context},{dynamic}}}}}}}"#)
        }
    }
}

// === objects ===

pub(super) fn site<'a>(terms: &'a Terms, site: &'a Site<'a>) -> SiteObject<'a> {
    SiteObject {
        id_g: &site.id,
        version_g: &site.version,
        name: Text::new(terms, &site.location.name),
        last_updated: DateTime(site.location.updated_at),
        operating_hours: Hours { unknown: Nothing {} },
        location_reference: LocationReference {
            point: PointLocation {
                coordinates_for_display: words::coordinates(site),
                point_by_coordinates: words::by_coordinates(site),
                loc_location_extension_g: words::address(terms, site),
            },
        },
        operator: Organisation {
            organisation: AnOrganisation {
                name: Text::new(terms, &terms.operator),
                external_identifier: [identifier(terms.party(), "operatorId")],
            },
        },
        energy_infrastructure_station: site.stations.iter().map(station).collect(),
    }
}

fn identifier(identifier: String, kind: &'static str) -> Identifier {
    Identifier { identifier, type_of_identifier: Word::beyond(kind) }
}

fn station<'a>(station: &'a Station<'a>) -> StationObject<'a> {
    let most = |point: &Point<'_>| point.evse.connectors.iter().map(|one| one.hardware.power_w()).max();
    let refill = |point: &'a Point<'a>| RefillPoint { point: point_object(point) };
    StationObject {
        id_g: station.uid,
        version_g: &station.version,
        total_maximum_power: station.points.iter().filter_map(most).map(u64::from).sum(),
        number_of_refill_points: station.points.len(),
        service_type: [Service { service_type: Word::of("unattended") }],
        refill_point: station.points.iter().map(refill).collect(),
    }
}

fn point_object<'a>(point: &'a Point<'a>) -> PointObject<'a> {
    let connectors = &point.evse.connectors;
    let is_dc = connectors.iter().any(|one| one.hardware.current == Current::Dc);
    let printed = point.evse.printed_id.as_deref();
    PointObject {
        id_g: point.evse.uid,
        version_g: &point.version,
        delivery_unit: Word::of("kWh"),
        current_type: Word::of(if is_dc { "dc" } else { "ac" }),
        number_of_connectors: connectors.len(),
        available_voltage: distinct(connectors.iter().map(|one| one.hardware.max_voltage_v)),
        available_charging_power: distinct(connectors.iter().map(|one| one.hardware.power_w())),
        charging_mode: connectors.iter().find_map(|one| words::mode(&one.hardware)),
        external_identifier: printed.map(|printed| [identifier(printed.to_owned(), "evseId")]),
        connector: connectors.iter().map(connector).collect(),
        electric_energy: point.tariff.map(|tariff| [Energy { energy_rate: [rate(point, tariff)] }]),
    }
}

fn connector(from: &Connector) -> ConnectorObject {
    ConnectorObject {
        connector_type: words::plug(Profile::Afir, from.hardware.plug),
        connector_format: words::format(&from.hardware),
        max_power_at_socket: from.hardware.power_w(),
        voltage: from.hardware.max_voltage_v,
        maximum_current: from.hardware.max_current_a,
    }
}

fn rate_id(point: &Point<'_>, tariff: &tariff::Tariff) -> String {
    format!("{}*{}", point.evse.uid, tariff.id)
}

fn rate(point: &Point<'_>, tariff: &tariff::Tariff) -> Rate {
    let period = |from| Period {
        overall_start_time: DateTime(from),
        overall_end_time: tariff.valid_until.map(DateTime),
    };
    Rate {
        id_g: rate_id(point, tariff),
        rate_policy: Word::of("adHoc"),
        last_updated: DateTime(tariff.updated_at),
        applicable_currency: [tariff.currency.to_string()],
        maximum_delivery_fee: prices::limit(tariff.max_price),
        minimum_delivery_fee: prices::limit(tariff.min_price),
        energy_price: energy_prices(tariff),
        overall_period: tariff.valid_from.map(period),
    }
}

fn energy_prices(tariff: &tariff::Tariff) -> Vec<Price> {
    let (is_free, is_flat) = (prices::is_free(tariff), is_flat(tariff));
    let priced = |element: &TariffElement| {
        let price = |component| price((tariff, element, component), (is_free, is_flat));
        element.components.iter().map(price).collect::<Vec<_>>()
    };
    prices::elements(tariff).flat_map(priced).collect()
}

/// Is there nothing but one fee for the whole session?
fn is_flat(tariff: &tariff::Tariff) -> bool {
    prices::elements(tariff)
        .flat_map(|element| &element.components)
        .all(|component| component.dimension == Dimension::Flat)
}

fn price(
    (tariff, element, component): (&tariff::Tariff, &TariffElement, &tariff::PriceComponent),
    (is_free, is_flat): (bool, bool),
) -> Price {
    let minutes = minutes(element);
    let kwh = kwh(element);
    let said = Said { duration: minutes.is_some(), energy: kwh.is_some() };
    let (kind, value) = match component.dimension {
        _ if is_free => ("free", Decimal::ZERO),
        Dimension::Flat if is_flat => ("flatRate", component.price),
        Dimension::Flat => ("basePrice", component.price),
        Dimension::Energy => ("pricePerKWh", component.price),
        Dimension::Time | Dimension::ParkingTime => ("pricePerMinute", per_minute(component.price)),
    };
    let tax = prices::tax(tariff, component);
    Price {
        price_type: Word::of(kind),
        value: Number(value),
        tax_included: tax.map(|(included, _)| included),
        tax_rate: tax.map(|(_, rate)| rate),
        additional_information: Text::english(prices::words(tariff, element, component, said)),
        time_based_applicability: minutes,
        energy_based_applicability: kwh,
    }
}

fn per_minute(per_hour: Decimal) -> Decimal {
    (per_hour / Decimal::from(SECS_PER_MINUTE)).round_dp(MINUTE_DIGITS).normalize()
}

/// How long the session has gone on, where whole minutes say it.
fn minutes(element: &TariffElement) -> Option<Minutes> {
    let (from, to) = (element.restrictions.min_duration_s, element.restrictions.max_duration_s);
    let is_whole = [from, to].into_iter().flatten().all(|secs| secs % SECS_PER_MINUTE == 0);
    let whole = |secs: Option<u32>| secs.map(|secs| secs / SECS_PER_MINUTE);
    let is_said = (from.is_some() || to.is_some()) && is_whole;
    is_said.then(|| Minutes { from_minute: whole(from), to_minute: whole(to) })
}

/// How much energy the session has, where whole kWh say it.
fn kwh(element: &TariffElement) -> Option<Kwh> {
    let (from, to) = (element.restrictions.min_kwh, element.restrictions.max_kwh);
    let is_whole = [from, to].into_iter().flatten().all(|kwh| kwh.fract().is_zero());
    let whole = |kwh: Option<Decimal>| kwh.map(|kwh| Number(kwh.trunc()));
    let is_said = (from.is_some() || to.is_some()) && is_whole;
    is_said.then(|| Kwh { from: whole(from), to: whole(to) })
}

pub(super) fn site_status<'a>(site: &'a Site<'a>) -> SiteStatus<'a> {
    let update = |point: &Point<'_>| {
        let tariff = point.tariff?;
        Some([RateUpdate {
            last_updated: DateTime(tariff.updated_at),
            energy_rate_reference: RateReference { target_class: "EnergyRate", id_g: rate_id(point, tariff) },
            energy_price: energy_prices(tariff),
        }])
    };
    let point = |point: &'a Point<'a>| RefillPointStatus {
        point: PointStatus {
            reference: Reference::object(point.evse.uid, &point.version),
            last_updated: DateTime(point.evse.changed_at),
            status: words::status(point.evse.status),
            energy_rate_update: update(point),
        },
    };
    let station = |station: &'a Station<'a>| StationStatus {
        reference: Reference::object(station.uid, &station.version),
        refill_point_status: station.points.iter().map(point).collect(),
    };
    SiteStatus {
        reference: Reference::site(site),
        energy_infrastructure_station_status: site.stations.iter().map(station).collect(),
    }
}
