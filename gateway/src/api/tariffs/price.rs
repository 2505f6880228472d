//! What charging would cost: a partner's bill record priced again, and a session that somebody imagines.

use actix_web::{HttpResponse, web};
use ringmain_domain::id::TariffId;
use ringmain_domain::money::Price;
use ringmain_domain::tariff::Dimension;
use ringmain_domain::tariff::pricer::CdrPrice;
use ringmain_domain::tariff::pricing::breakdown::LineKind;
use ringmain_domain::time::local::Zone;
use ringmain_domain::unit::WattHours;
use rust_decimal::Decimal;
use serde::ser::Error as _;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::form::HintBody;
use crate::api::auth::Authorized;
use crate::api::cdrs::{BreakdownBody, LineBody};
use crate::api::extract::{Body, Path};
use crate::api::fields::{CostBody, Instant};
use crate::api::problem::{Problem, ProblemBody};
use crate::house::House;
use crate::services::refusal::Refusal;
use crate::services::tariffs::{self as service, Documents, Imagined};

/// A partner's documents.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct PriceRequest {
    /// An OCPI tariff; the ones in the record when absent.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    tariff: Option<Box<RawValue>>,
    /// An OCPI CDR of 2.1.1, 2.2.1 or 2.3.0. Its own costs are not read.
    #[schema(value_type = Object)]
    cdr: Box<RawValue>,
    /// The location's time zone by its IANA name; the record's when absent.
    #[serde(default)]
    #[schema(example = "Europe/Berlin")]
    time_zone: Option<String>,
    /// Is it of a reservation that nobody came for? No field of a record says so.
    #[serde(default)]
    reservation_expired: bool,
}

/// What a partner's bill record costs by its tariff.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct PricedBody {
    /// To be paid, in coins; below zero for a record that takes another one back.
    total_cost: VatBody,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_fixed_cost: Option<VatBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_energy_cost: Option<VatBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_time_cost: Option<VatBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_parking_cost: Option<VatBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_reservation_cost: Option<VatBody>,
    #[schema(example = "EUR")]
    currency: String,
    lines: Vec<LineBody>,
    /// The sum of the lines.
    unrounded: Option<CostBody>,
    time_zone: Option<String>,
    /// What in the tariff is probably not meant.
    hints: Vec<HintBody>,
    /// What in the documents was left out of the price, with its place.
    notes: Vec<String>,
}

/// An amount in OCPI's words: JSON numbers, exact.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct VatBody {
    #[schema(value_type = f64)]
    excl_vat: ExactNumber,
    #[schema(value_type = f64)]
    incl_vat: ExactNumber,
}

/// A decimal as a JSON number with all of its digits.
#[derive(Debug)]
pub(in crate::api) struct ExactNumber(Decimal);

/// A session that nobody has charged yet.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct SimulateRequest {
    started_at: Instant,
    /// Minutes in which energy flows, evenly.
    charging_min: u32,
    /// Minutes in which the vehicle stands there afterwards.
    #[serde(default)]
    idle_min: u32,
    /// Energy in all.
    energy_wh: u32,
    /// The highest power, for elements that ask for it; the mean when absent.
    #[serde(default)]
    max_power_w: Option<u32>,
    /// The location's time zone by its IANA name; UTC when absent.
    #[serde(default)]
    #[schema(example = "Europe/Berlin")]
    time_zone: Option<String>,
}

/// Prices a partner's bill record again, or one that is to be sent.
#[utoipa::path(post, path = "/api/v1/tariffs/price", tag = "tariffs", request_body = PriceRequest,
    responses((status = 200, body = PricedBody), (status = 422, body = ProblemBody)))]
pub(in crate::api) async fn price(
    house: web::Data<House>,
    Authorized(_caller): Authorized,
    Body(body): Body<PriceRequest>,
) -> Result<HttpResponse, Problem> {
    let zone = zone(body.time_zone.as_deref())?;
    let documents = Documents {
        tariff: body.tariff.as_deref().map(|json| json.get().as_bytes()),
        cdr: body.cdr.get().as_bytes(),
        zone: zone.as_ref(),
        reservation_expired: body.reservation_expired,
    };
    let priced = service::price_cdr(house.pricer.as_ref(), &documents)?;
    Ok(HttpResponse::Ok().json(PricedBody::from(priced)))
}

/// What would a session cost by this tariff?
#[utoipa::path(post, path = "/api/v1/tariffs/{id}/simulate", tag = "tariffs", params(("id" = String, Path)),
    request_body = SimulateRequest,
    responses((status = 200, body = BreakdownBody), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(in crate::api) async fn simulate(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<TariffId>,
    Body(body): Body<SimulateRequest>,
) -> Result<HttpResponse, Problem> {
    let imagined = Imagined {
        started_at: body.started_at.0,
        charging_min: body.charging_min,
        idle_min: body.idle_min,
        energy: WattHours(body.energy_wh.into()),
        max_power_w: body.max_power_w,
    };
    let zone = zone(body.time_zone.as_deref())?.unwrap_or(Zone::UTC);
    let breakdown = service::simulate(&house, &caller, &id, &zone, &imagined).await?;
    Ok(HttpResponse::Ok().json(BreakdownBody::from(breakdown)))
}

fn zone(name: Option<&str>) -> Result<Option<Zone>, Refusal> {
    let named = name.map(Zone::named).transpose();
    named.map_err(|cause| Refusal::flaw("/time_zone", cause.to_string()))
}

impl From<CdrPrice> for PricedBody {
    fn from(price: CdrPrice) -> Self {
        let total = price.total();
        let breakdown = price.breakdown;
        let cost = |kinds: &[LineKind]| {
            let costs = kinds.iter().filter_map(|kind| breakdown.cost_of(*kind));
            let sum = costs.reduce(|a, b| Price {
                excl_tax: a.excl_tax + b.excl_tax,
                incl_tax: a.incl_tax + b.incl_tax,
            });
            sum.map(VatBody::from)
        };
        let usage = |dimension| cost(&[LineKind::Usage(dimension)]);
        Self {
            total_cost: total.into(),
            total_fixed_cost: usage(Dimension::Flat),
            total_energy_cost: usage(Dimension::Energy),
            total_time_cost: usage(Dimension::Time),
            total_parking_cost: usage(Dimension::ParkingTime),
            total_reservation_cost: cost(&[LineKind::ReservationFlat, LineKind::ReservationTime]),
            currency: breakdown.currency.to_string(),
            lines: breakdown.lines.iter().map(LineBody::from).collect(),
            unrounded: breakdown.unrounded.map(|sum| CostBody::new(breakdown.currency, sum)),
            time_zone: breakdown.time_zone.map(Into::into),
            hints: price.hints.iter().map(HintBody::from).collect(),
            notes: price.notes.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<Price> for VatBody {
    fn from(price: Price) -> Self {
        Self { excl_vat: ExactNumber(price.excl_tax), incl_vat: ExactNumber(price.incl_tax) }
    }
}

impl Serialize for ExactNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let digits = RawValue::from_string(self.0.to_string()).map_err(S::Error::custom)?;
        digits.serialize(serializer)
    }
}
