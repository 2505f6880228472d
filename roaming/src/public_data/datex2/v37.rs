//! DATEX II v3.7: the packages EnergyInfrastructure (`egi`) and Facilities (`fac`) as they are.
//!
//! A price stands in the table and, as it is now, in the status: AFIR counts it among what changes within a minute.

use ringmain_domain::tariff::{self, Dimension, TariffElement};
use ringmain_domain::time::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use crate::ocpi::values::{DateTime, Number};
use crate::public_data::Terms;
use crate::public_data::datex2::prices::{self, Said};
use crate::public_data::datex2::sites::{Point, Site, Station};
use crate::public_data::datex2::words::{
    self, ByCoordinates, Extension, Nothing, Reference, Text, Word, distinct,
};
use crate::public_data::datex2::{Part, Profile, Table, publication, quoted, table_reference};
use crate::service::locations::Connector;

/// What a price for time is for.
const HOUR: &str = "PT1H";

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
    #[serde(rename = "facUnknownOperatingHours")]
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
    point_by_coordinates: ByCoordinates,
    loc_location_reference_extension_g: Extension<'a>,
}

#[derive(Debug, Serialize)]
struct Organisation<'a> {
    #[serde(rename = "facOrganisationSpecification")]
    specification: OrganisationSpecification<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OrganisationSpecification<'a> {
    id_g: String,
    version_g: &'a str,
    name: Text<'a>,
    external_code: String,
    organisation_unit: [OrganisationUnit<'a>; 1],
}

#[derive(Debug, Serialize)]
struct OrganisationUnit<'a> {
    name: Text<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StationObject<'a> {
    id_g: Uuid,
    version_g: &'a str,
    refill_point: Vec<RefillPoint<'a>>,
}

#[derive(Debug, Serialize)]
struct RefillPoint<'a> {
    #[serde(rename = "egiElectricChargingPoint")]
    point: PointObject<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PointObject<'a> {
    id_g: Uuid,
    version_g: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_identifier: Option<&'a str>,
    available_voltage: Vec<u32>,
    available_charging_power: Vec<u32>,
    rates: Rates<'a>,
    connector: Vec<ConnectorObject>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ConnectorObject {
    connector_type: Word,
    #[serde(skip_serializing_if = "Option::is_none")]
    charging_mode: Option<Word>,
    connector_format: Word,
    max_power_at_socket: u32,
    voltage: u32,
    maximum_current: u32,
}

// === prices ===

#[derive(Debug, Serialize)]
enum Rates<'a> {
    #[serde(rename = "facUnknownRates")]
    Unknown(Nothing),
    #[serde(rename = "facRateTable")]
    Table(Box<RateTable<'a>>),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RateTable<'a> {
    id_g: String,
    version_g: &'a str,
    applicable_currency: [String; 1],
    last_updated: DateTime,
    availability: Word,
    #[serde(skip_serializing_if = "Option::is_none")]
    validity_start: Option<DateTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    validity_end: Option<DateTime>,
    energy_pricing_policy: PricingPolicy,
    rate_line_collection: Vec<RateLines>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PricingPolicy {
    pricing_policy: Vec<Word>,
    #[serde(skip_serializing_if = "Option::is_none")]
    minimum_delivery_fee: Option<Number>,
}

#[derive(Debug, Serialize)]
struct RateLines {
    #[serde(rename = "facRateLineCollection")]
    collection: RateLineCollection,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RateLineCollection {
    collection_sequence: usize,
    applicable_currency: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_value_collection: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_time: Option<String>,
    rate_line: Vec<RateLine>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RateLine {
    sequence: usize,
    rate_line_type: Word,
    description: Text<'static>,
    #[serde(skip_serializing_if = "Option::is_none")]
    increment_period: Option<&'static str>,
    value: Number,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage_condition: Option<Word>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate_line_tax: Option<[RateLineTax; 1]>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RateLineTax {
    tax_rate: Number,
    tax_included: bool,
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
    #[serde(rename = "egiElectricChargingPointStatus")]
    point: PointStatus<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PointStatus<'a> {
    reference: Reference<'a>,
    last_updated: DateTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_rates: Option<Rates<'a>>,
    status: Word,
}

// === the frame ===

pub(super) fn head(part: Part, terms: &Terms, at: Timestamp) -> String {
    let publication = publication(terms, at);
    let (name, content) = match part {
        Part::Table => {
            let id = quoted(&terms.party());
            let table = format!(r#""energyInfrastructureTable":[{{"idG":{id},"energyInfrastructureSite":["#);
            ("egiEnergyInfrastructureTablePublication", table)
        }
        Part::Status => {
            let information = r#""headerInformation":{"confidentiality":{"value":"noRestriction"},"informationStatus":{"value":"real"}}"#;
            let status = format!(r#"{information},"energyInfrastructureSiteStatus":["#);
            ("egiEnergyInfrastructureStatusPublication", status)
        }
    };
    format!(r#"{{"payload":{{"modelBaseVersionG":"3","versionG":"3.7","{name}":{{{publication},{content}"#)
}

pub(super) fn tail(part: Part, terms: &Terms, table: Table<'_>) -> String {
    match part {
        Part::Table => format!(r#"],"versionG":{}}}]}}}}}}"#, quoted(table.version)),
        Part::Status => format!("]{}}}}}}}", table_reference(terms, table)),
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
                point_by_coordinates: words::by_coordinates(site),
                loc_location_reference_extension_g: words::address(terms, site),
            },
        },
        operator: operator(terms, site),
        energy_infrastructure_station: site.stations.iter().map(station).collect(),
    }
}

fn operator<'a>(terms: &'a Terms, site: &'a Site<'a>) -> Organisation<'a> {
    Organisation {
        specification: OrganisationSpecification {
            id_g: format!("{}*operator", site.id),
            version_g: &site.version,
            name: Text::new(terms, &terms.operator),
            external_code: terms.party(),
            organisation_unit: [OrganisationUnit { name: Text::new(terms, &terms.operator) }],
        },
    }
}

fn station<'a>(station: &'a Station<'a>) -> StationObject<'a> {
    let refill = |point: &'a Point<'a>| RefillPoint { point: point_object(point) };
    StationObject {
        id_g: station.uid,
        version_g: &station.version,
        refill_point: station.points.iter().map(refill).collect(),
    }
}

fn point_object<'a>(point: &'a Point<'a>) -> PointObject<'a> {
    let connectors = &point.evse.connectors;
    PointObject {
        id_g: point.evse.uid,
        version_g: &point.version,
        external_identifier: point.evse.printed_id.as_deref(),
        available_voltage: distinct(connectors.iter().map(|one| one.hardware.max_voltage_v)),
        available_charging_power: distinct(connectors.iter().map(|one| one.hardware.power_w())),
        rates: rates(point).unwrap_or(Rates::Unknown(Nothing {})),
        connector: connectors.iter().map(connector).collect(),
    }
}

fn connector(from: &Connector) -> ConnectorObject {
    ConnectorObject {
        connector_type: words::plug(Profile::V37, from.hardware.plug),
        charging_mode: words::mode(&from.hardware),
        connector_format: words::format(&from.hardware),
        max_power_at_socket: from.hardware.power_w(),
        voltage: from.hardware.max_voltage_v,
        maximum_current: from.hardware.max_current_a,
    }
}

fn rates<'a>(point: &'a Point<'a>) -> Option<Rates<'a>> {
    let tariff = point.tariff?;
    let elements: Vec<_> = prices::elements(tariff).collect();
    // The most a session costs is the most of a collection only where there is one.
    let most = if elements.len() == 1 { prices::limit(tariff.max_price) } else { None };
    let lines = elements.into_iter().zip(1..).map(|(element, sequence)| RateLines {
        collection: RateLineCollection {
            collection_sequence: sequence,
            applicable_currency: tariff.currency.to_string(),
            max_value_collection: most,
            min_time: element.restrictions.min_duration_s.map(seconds),
            max_time: element.restrictions.max_duration_s.map(seconds),
            rate_line: rate_lines(tariff, element),
        },
    });
    let policies = [
        ("pricePerDeliveryUnit", prices::has(tariff, Dimension::Energy)),
        ("pricePerChargingTime", prices::has(tariff, Dimension::Time)),
        ("flatRate", prices::has(tariff, Dimension::Flat)),
    ];
    let policies = policies.into_iter().filter(|(_, is_there)| *is_there).map(|(word, _)| Word::of(word));
    Some(Rates::Table(Box::new(RateTable {
        id_g: format!("{}*{}", point.evse.uid, tariff.id),
        version_g: &point.version,
        applicable_currency: [tariff.currency.to_string()],
        last_updated: DateTime(tariff.updated_at),
        availability: Word::of("public"),
        validity_start: tariff.valid_from.map(DateTime),
        validity_end: tariff.valid_until.map(DateTime),
        energy_pricing_policy: PricingPolicy {
            pricing_policy: policies.collect(),
            minimum_delivery_fee: prices::limit(tariff.min_price),
        },
        rate_line_collection: lines.collect(),
    })))
}

fn rate_lines(tariff: &tariff::Tariff, element: &TariffElement) -> Vec<RateLine> {
    let said = Said { duration: true, energy: false };
    let line = |(component, sequence): (&tariff::PriceComponent, usize)| {
        let (kind, increment_period) = match component.dimension {
            Dimension::Flat => ("flatRate", None),
            Dimension::Energy => ("perUnit", None),
            Dimension::Time | Dimension::ParkingTime => ("incrementingRate", Some(HOUR)),
        };
        let tax = prices::tax(tariff, component);
        RateLine {
            sequence,
            rate_line_type: Word::of(kind),
            description: Text::english(prices::words(tariff, element, component, said)),
            increment_period,
            value: Number(component.price),
            usage_condition: (component.dimension == Dimension::Flat).then_some(Word::of("once")),
            rate_line_tax: tax.map(|(tax_included, tax_rate)| [RateLineTax { tax_rate, tax_included }]),
        }
    };
    element.components.iter().zip(1..).map(line).collect()
}

fn seconds(secs: u32) -> String {
    format!("PT{secs}S")
}

pub(super) fn site_status<'a>(site: &'a Site<'a>) -> SiteStatus<'a> {
    let point = |point: &'a Point<'a>| RefillPointStatus {
        point: PointStatus {
            reference: Reference::object(point.evse.uid, &point.version),
            last_updated: DateTime(point.evse.changed_at),
            new_rates: rates(point),
            status: words::status(point.evse.status),
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
