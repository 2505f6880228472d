//! Objects of OCPI 2.2.1 as they stand on the wire: the fields we write or read, under the names of the specification. Fields we do not
//! know pass when an object is read.

use serde::{Deserialize, Serialize};

use crate::ocpi::values::{DateTime, Number};

/// Version details (version details endpoint).
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the specification names and explains the fields")]
pub struct VersionDetails {
    pub version: &'static str,
    pub endpoints: Vec<Endpoint>,
}

/// A module and where it is.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the specification names and explains the fields")]
pub struct Endpoint {
    pub identifier: &'static str,
    pub role: &'static str,
    pub url: String,
}

/// Credentials (`mod_credentials`). Its debug text hides the token.
#[derive(Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the specification names and explains the fields")]
pub struct Credentials {
    pub token: String,
    pub url: String,
    pub roles: Vec<CredentialsRole>,
}

/// A party in credentials (`mod_credentials`). The role is an open list here, though the text closes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the specification names and explains the fields")]
pub struct CredentialsRole {
    pub role: String,
    pub business_details: BusinessDetails,
    pub party_id: String,
    pub country_code: String,
}

/// A company (`mod_locations`).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the specification names and explains the fields")]
pub struct BusinessDetails {
    pub name: String,
}

/// A location (`mod_locations`).
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the specification names and explains the fields")]
pub struct Location {
    pub country_code: Box<str>,
    pub party_id: Box<str>,
    pub id: String,
    pub publish: bool,
    pub name: Box<str>,
    pub address: Box<str>,
    pub city: Box<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<Box<str>>,
    pub country: Box<str>,
    pub coordinates: GeoLocation,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub evses: Vec<Evse>,
    pub operator: BusinessDetails,
    pub time_zone: Box<str>,
    pub last_updated: DateTime,
}

/// Where on earth (`mod_locations`): degrees as text with 5 to 7 decimals.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the specification names and explains the fields")]
pub struct GeoLocation {
    pub latitude: String,
    pub longitude: String,
}

/// An EVSE (`mod_locations`).
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the specification names and explains the fields")]
pub struct Evse {
    pub uid: String,
    pub status: &'static str,
    pub connectors: Vec<Connector>,
    pub last_updated: DateTime,
}

/// A connector (`mod_locations`); volts and amperes are whole numbers.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the specification names and explains the fields")]
pub struct Connector {
    pub id: String,
    #[serde(flatten)]
    pub hardware: ConnectorHardware,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tariff_ids: Vec<String>,
    pub last_updated: DateTime,
}

/// What a connector is made of (`mod_locations`).
#[derive(Debug, Clone, Copy, Serialize)]
#[expect(missing_docs, reason = "the specification names and explains the fields")]
pub struct ConnectorHardware {
    pub standard: &'static str,
    pub format: &'static str,
    pub power_type: &'static str,
    pub max_voltage: u32,
    pub max_amperage: u32,
}

/// A tariff (`mod_tariffs`).
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the specification names and explains the fields")]
pub struct Tariff {
    pub country_code: Box<str>,
    pub party_id: Box<str>,
    pub id: String,
    pub currency: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_price: Option<PriceLimit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_price: Option<PriceLimit>,
    pub elements: Vec<TariffElement>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_date_time: Option<DateTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_date_time: Option<DateTime>,
    pub last_updated: DateTime,
}

/// A part of a tariff (`mod_tariffs`).
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the specification names and explains the fields")]
pub struct TariffElement {
    pub price_components: Vec<PriceComponent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restrictions: Option<TariffRestrictions>,
}

/// When an element applies (`mod_tariffs`).
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the specification names and explains the fields")]
pub struct TariffRestrictions {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_kwh: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_kwh: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_current: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_current: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_power: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_power: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_duration: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_duration: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub day_of_week: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reservation: Option<&'static str>,
}

/// The least or the most a session costs (types, Price).
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the specification names and explains the fields")]
pub struct PriceLimit {
    pub excl_vat: Number,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incl_vat: Option<Number>,
}

/// The price of one dimension (`mod_tariffs`).
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the specification names and explains the fields")]
pub struct PriceComponent {
    #[serde(rename = "type")]
    pub dimension: &'static str,
    pub price: Number,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vat: Option<Number>,
    pub step_size: u32,
}

/// An amount (types).
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the specification names and explains the fields")]
pub struct Price {
    pub excl_vat: Number,
    pub incl_vat: Number,
}

/// Who charged (`mod_cdrs`).
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the specification names and explains the fields")]
pub struct CdrToken {
    pub country_code: Box<str>,
    pub party_id: Box<str>,
    pub uid: String,
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub contract_id: String,
}

/// A session (`mod_sessions`).
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the specification names and explains the fields")]
pub struct Session {
    pub country_code: Box<str>,
    pub party_id: Box<str>,
    pub id: String,
    pub start_date_time: DateTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_date_time: Option<DateTime>,
    pub kwh: Number,
    pub cdr_token: CdrToken,
    pub auth_method: &'static str,
    pub location_id: String,
    pub evse_uid: String,
    pub connector_id: String,
    pub currency: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_cost: Option<Price>,
    pub status: &'static str,
    pub last_updated: DateTime,
}

/// A bill record (`mod_cdrs`).
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the specification names and explains the fields")]
pub struct Cdr {
    pub country_code: Box<str>,
    pub party_id: Box<str>,
    pub id: String,
    pub start_date_time: DateTime,
    pub end_date_time: DateTime,
    pub session_id: String,
    pub cdr_token: CdrToken,
    pub auth_method: &'static str,
    pub cdr_location: CdrLocation,
    pub currency: String,
    pub charging_periods: Vec<ChargingPeriod>,
    pub total_cost: Price,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_reservation_cost: Option<Price>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_fixed_cost: Option<Price>,
    pub total_energy: Number,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_energy_cost: Option<Price>,
    pub total_time: Number,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_time_cost: Option<Price>,
    pub total_parking_time: Number,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_parking_cost: Option<Price>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed_data: Option<SignedData>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub credit: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credit_reference_id: Option<String>,
    pub last_updated: DateTime,
}

/// Signed meter values (`mod_cdrs`).
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the specification names and explains the fields")]
pub struct SignedData {
    pub encoding_method: Box<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_key: Option<Box<str>>,
    pub signed_values: Vec<SignedDataValue>,
}

/// One signed meter value (`mod_cdrs`, SignedValue).
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the specification names and explains the fields")]
pub struct SignedDataValue {
    pub nature: &'static str,
    pub plain_data: Box<str>,
    pub signed_data: String,
}

/// Where it was charged (`mod_cdrs`).
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the specification names and explains the fields")]
pub struct CdrLocation {
    pub id: String,
    pub name: Box<str>,
    pub address: Box<str>,
    pub city: Box<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<Box<str>>,
    pub country: Box<str>,
    pub coordinates: GeoLocation,
    pub evse_uid: String,
    pub evse_id: &'static str,
    pub connector_id: String,
    pub connector_standard: &'static str,
    pub connector_format: &'static str,
    pub connector_power_type: &'static str,
}

/// A stretch of a bill record (`mod_cdrs`).
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the specification names and explains the fields")]
pub struct ChargingPeriod {
    pub start_date_time: DateTime,
    pub dimensions: Vec<CdrDimension>,
}

/// An amount of one dimension (`mod_cdrs`): kWh or hours.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the specification names and explains the fields")]
pub struct CdrDimension {
    #[serde(rename = "type")]
    pub dimension: &'static str,
    pub volume: Number,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("url", &self.url)
            .field("roles", &self.roles)
            .finish_non_exhaustive()
    }
}
