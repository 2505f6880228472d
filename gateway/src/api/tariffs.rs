//! `tariffs`: what charging costs, in OCPI's structure.

use actix_web::{HttpResponse, web};
use ringmain_domain::id::TariffId;
use ringmain_domain::money::Currency;
use ringmain_domain::tariff::{Dimension, PriceComponent, Tariff, TariffElement};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::auth::Authorized;
use super::extract::{Body, Path, Query};
use super::fields::{Amount, Instant};
use super::locations::{PageQuery, answer_put};
use super::paging::{self, ListBody};
use super::problem::{Problem, ProblemBody};
use crate::clock;
use crate::house::House;
use crate::services::keys::Caller;
use crate::services::tariffs as service;

const LIST: &str = "tariffs";

/// A tariff. Of several elements that price the same dimension, the first counts.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TariffBody {
    #[schema(value_type = String)]
    id: TariffId,
    name: String,
    #[schema(value_type = String, example = "EUR")]
    currency: Currency,
    elements: Vec<ElementForm>,
    updated_at: Instant,
}

/// A tariff to create or to replace another with.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TariffRequest {
    /// At most 36 characters without spaces and slashes. Made up when absent; with PUT the path's.
    #[schema(value_type = Option<String>, max_length = 36)]
    id: Option<TariffId>,
    #[schema(max_length = 100)]
    name: String,
    /// ISO 4217.
    #[schema(value_type = String, example = "EUR")]
    currency: Currency,
    #[schema(min_items = 1, max_items = 100)]
    elements: Vec<ElementForm>,
}

/// A part of a tariff.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ElementForm {
    /// At least one; at most one for each dimension.
    components: Vec<ComponentForm>,
}

/// The price of one dimension.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ComponentForm {
    dimension: DimensionForm,
    /// Without taxes, for one kWh, one hour or one session.
    price: Amount,
    /// In percent; no tax applies when absent.
    #[serde(default)]
    tax_percent: Option<Amount>,
    /// What is used is rounded up to a multiple of it: Wh or seconds; 1 when absent.
    #[serde(default = "one")]
    #[schema(minimum = 1)]
    step_size: u32,
}

/// What a price is for.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum DimensionForm {
    /// A fee for the session.
    Flat,
    /// Energy, for one kWh.
    Energy,
    /// Time in which energy flows, for one hour.
    Time,
    /// Time in which none does, for one hour.
    ParkingTime,
}

/// All tariffs, by id.
#[utoipa::path(get, path = "/api/v1/tariffs", tag = "tariffs", params(PageQuery),
    responses((status = 200, body = ListBody<TariffBody>)))]
pub(super) async fn list(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Query(query): Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    let request = paging::request(LIST, query.limit, query.cursor.as_deref())?;
    let page = house.store.tariffs(&caller.tenant, &request).await?;
    Ok(HttpResponse::Ok().json(paging::body(LIST, page, TariffBody::from)))
}

/// Creates a tariff.
#[utoipa::path(post, path = "/api/v1/tariffs", tag = "tariffs", request_body = TariffRequest,
    responses((status = 201, body = TariffBody), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(super) async fn create(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Body(body): Body<TariffRequest>,
) -> Result<HttpResponse, Problem> {
    let id = match body.id.clone() {
        Some(id) => id,
        None => TariffId::new(&Uuid::now_v7().to_string())
            .map_err(|cause| Problem::flaw("/id", cause.to_string()))?,
    };
    let tariff = body.into_tariff(&caller, id);
    service::create(&house, &caller, &tariff).await?;
    Ok(HttpResponse::Created().json(TariffBody::from(tariff)))
}

/// One tariff.
#[utoipa::path(get, path = "/api/v1/tariffs/{id}", tag = "tariffs", params(("id" = String, Path)),
    responses((status = 200, body = TariffBody), (status = 404, body = ProblemBody)))]
pub(super) async fn read(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<TariffId>,
) -> Result<HttpResponse, Problem> {
    let found = house.store.tariff(&caller.tenant, &id).await?;
    let tariff = found.ok_or_else(|| Problem::absent("tariff", &id))?;
    Ok(HttpResponse::Ok().json(TariffBody::from(tariff)))
}

/// Creates a tariff or replaces it.
#[utoipa::path(put, path = "/api/v1/tariffs/{id}", tag = "tariffs", params(("id" = String, Path)),
    request_body = TariffRequest,
    responses((status = 200, body = TariffBody, description = "replaced"),
        (status = 201, body = TariffBody, description = "created"), (status = 422, body = ProblemBody)))]
pub(super) async fn put(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<TariffId>,
    Body(body): Body<TariffRequest>,
) -> Result<HttpResponse, Problem> {
    if body.id.as_ref().is_some_and(|named| *named != id) {
        return Err(Problem::flaw("/id", "differs from the path: leave it out"));
    }
    let tariff = body.into_tariff(&caller, id);
    let put = service::put(&house, &caller, &tariff).await?;
    Ok(answer_put(put, &TariffBody::from(tariff)))
}

/// Removes a tariff that no station uses.
#[utoipa::path(delete, path = "/api/v1/tariffs/{id}", tag = "tariffs", params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub(super) async fn delete(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<TariffId>,
) -> Result<HttpResponse, Problem> {
    service::remove(&house, &caller, &id).await?;
    Ok(HttpResponse::NoContent().finish())
}

const fn one() -> u32 {
    1
}

impl TariffRequest {
    fn into_tariff(self, caller: &Caller, id: TariffId) -> Tariff {
        let component = |form: ComponentForm| PriceComponent {
            dimension: form.dimension.into(),
            price: form.price.0,
            tax_percent: form.tax_percent.map(|percent| percent.0),
            step_size: form.step_size,
        };
        let element = |form: ElementForm| TariffElement {
            components: form.components.into_iter().map(component).collect(),
        };
        Tariff {
            tenant: caller.tenant.clone(),
            id,
            name: self.name.into(),
            currency: self.currency,
            elements: self.elements.into_iter().map(element).collect(),
            updated_at: clock::now(),
        }
    }
}

impl From<Tariff> for TariffBody {
    fn from(tariff: Tariff) -> Self {
        let component = |component: PriceComponent| ComponentForm {
            dimension: component.dimension.into(),
            price: component.price.into(),
            tax_percent: component.tax_percent.map(Into::into),
            step_size: component.step_size,
        };
        let element = |element: TariffElement| ElementForm {
            components: element.components.into_iter().map(component).collect(),
        };
        Self {
            id: tariff.id,
            name: tariff.name.into(),
            currency: tariff.currency,
            elements: tariff.elements.into_iter().map(element).collect(),
            updated_at: tariff.updated_at.into(),
        }
    }
}

impl From<Dimension> for DimensionForm {
    fn from(dimension: Dimension) -> Self {
        match dimension {
            Dimension::Flat => Self::Flat,
            Dimension::Energy => Self::Energy,
            Dimension::Time => Self::Time,
            Dimension::ParkingTime => Self::ParkingTime,
        }
    }
}

impl From<DimensionForm> for Dimension {
    fn from(dimension: DimensionForm) -> Self {
        match dimension {
            DimensionForm::Flat => Self::Flat,
            DimensionForm::Energy => Self::Energy,
            DimensionForm::Time => Self::Time,
            DimensionForm::ParkingTime => Self::ParkingTime,
        }
    }
}
