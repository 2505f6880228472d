//! `tariffs`: what charging costs, in OCPI's structure.

use actix_web::{HttpResponse, web};
use ringmain_domain::id::TariffId;
use uuid::Uuid;

use super::auth::Authorized;
use super::extract::{Body, Path, Query};
use super::fields::Instant;
use super::locations::{PageQuery, answer_put};
use super::paging::{self, ListBody};
use super::problem::{Problem, ProblemBody};
use crate::house::House;
use crate::services::tariffs as service;

pub(crate) mod document;
mod form;
pub(super) mod price;

use self::form::{TariffBody, TariffRequest, VersionBody};

const LIST: &str = "tariffs";
const VERSIONS: &str = "tariff-versions";

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

/// Withdraws a version that is still to come.
#[utoipa::path(delete, path = "/api/v1/tariffs/{id}/versions/{valid_from}", tag = "tariffs",
    params(("id" = String, Path), ("valid_from" = String, Path, description = "as in the list of versions", format = DateTime)),
    responses((status = 204), (status = 404, body = ProblemBody),
        (status = 409, body = ProblemBody, description = "it is or was in force, or is the only one")))]
pub(super) async fn withdraw(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path((id, from)): Path<(TariffId, Instant)>,
) -> Result<HttpResponse, Problem> {
    service::withdraw(&house, &caller, &id, from.0).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The versions of a tariff, the one that comes into force last first; also of a tariff that was removed.
#[utoipa::path(get, path = "/api/v1/tariffs/{id}/versions", tag = "tariffs", params(("id" = String, Path), PageQuery),
    responses((status = 200, body = ListBody<VersionBody>), (status = 404, body = ProblemBody)))]
pub(super) async fn versions(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<TariffId>,
    Query(query): Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    let request = paging::request(VERSIONS, query.limit, query.cursor.as_deref())?;
    let page = service::versions(&house, &caller, &id, &request).await?;
    Ok(HttpResponse::Ok().json(paging::body(VERSIONS, page, VersionBody::from)))
}
