//! `locations`: the public places.

use actix_web::{HttpResponse, web};
use ringmain_domain::id::LocationId;
use ringmain_domain::location::Location;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::auth::Authorized;
use super::extract::{Body, Path, Query};
use super::fields::Instant;
use super::paging::{self, ListBody};
use super::problem::{Problem, ProblemBody};
use crate::clock;
use crate::house::House;
use crate::services::keys::Caller;
use crate::services::locations::{self as service, Put};

const LIST: &str = "locations";

/// Parameters of a plain list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// Items on the page, 1 to 1,000; 100 when absent.
    pub(super) limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub(super) cursor: Option<String>,
}

/// A public place with charging stations.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LocationBody {
    #[schema(value_type = String)]
    id: LocationId,
    name: String,
    /// Street and number.
    address: String,
    city: String,
    postal_code: Option<String>,
    /// ISO 3166-1 alpha-3.
    #[schema(example = "DEU")]
    country: String,
    /// Decimal degrees north.
    #[schema(example = "50.941300")]
    latitude: String,
    /// Decimal degrees east.
    #[schema(example = "6.958300")]
    longitude: String,
    /// IANA name.
    #[schema(example = "Europe/Berlin")]
    time_zone: String,
    updated_at: Instant,
}

/// A location to create or to replace another with.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LocationRequest {
    /// At most 36 characters without spaces and slashes. Made up when absent; with PUT the path's.
    #[schema(value_type = Option<String>, max_length = 36)]
    id: Option<LocationId>,
    #[schema(max_length = 255)]
    name: String,
    #[schema(max_length = 45)]
    address: String,
    #[schema(max_length = 45)]
    city: String,
    #[schema(max_length = 10)]
    postal_code: Option<String>,
    #[schema(example = "DEU")]
    country: String,
    #[schema(example = "50.941300")]
    latitude: String,
    #[schema(example = "6.958300")]
    longitude: String,
    #[schema(example = "Europe/Berlin")]
    time_zone: String,
}

/// All locations, by id.
#[utoipa::path(get, path = "/api/v1/locations", tag = "locations", params(PageQuery),
    responses((status = 200, body = ListBody<LocationBody>)))]
pub(super) async fn list(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Query(query): Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    let request = paging::request(LIST, query.limit, query.cursor.as_deref())?;
    let page = house.store.locations(&caller.tenant, &request).await?;
    Ok(HttpResponse::Ok().json(paging::body(LIST, page, LocationBody::from)))
}

/// Creates a location.
#[utoipa::path(post, path = "/api/v1/locations", tag = "locations", request_body = LocationRequest,
    responses((status = 201, body = LocationBody), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(super) async fn create(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Body(body): Body<LocationRequest>,
) -> Result<HttpResponse, Problem> {
    let id = match body.id.clone() {
        Some(id) => id,
        None => new_id()?,
    };
    let location = body.into_location(&caller, id);
    service::create(&house, &caller, &location).await?;
    Ok(HttpResponse::Created().json(LocationBody::from(location)))
}

/// One location.
#[utoipa::path(get, path = "/api/v1/locations/{id}", tag = "locations", params(("id" = String, Path)),
    responses((status = 200, body = LocationBody), (status = 404, body = ProblemBody)))]
pub(super) async fn read(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<LocationId>,
) -> Result<HttpResponse, Problem> {
    let found = house.store.location(&caller.tenant, &id).await?;
    let location = found.ok_or_else(|| Problem::absent("location", &id))?;
    Ok(HttpResponse::Ok().json(LocationBody::from(location)))
}

/// Creates a location or replaces it.
#[utoipa::path(put, path = "/api/v1/locations/{id}", tag = "locations", params(("id" = String, Path)),
    request_body = LocationRequest,
    responses((status = 200, body = LocationBody, description = "replaced"),
        (status = 201, body = LocationBody, description = "created"), (status = 422, body = ProblemBody)))]
pub(super) async fn put(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<LocationId>,
    Body(body): Body<LocationRequest>,
) -> Result<HttpResponse, Problem> {
    if body.id.as_ref().is_some_and(|named| *named != id) {
        return Err(Problem::flaw("/id", "differs from the path: leave it out"));
    }
    let location = body.into_location(&caller, id);
    let put = service::put(&house, &caller, &location).await?;
    Ok(answer_put(put, &LocationBody::from(location)))
}

/// Removes a location at which no stations stand.
#[utoipa::path(delete, path = "/api/v1/locations/{id}", tag = "locations", params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub(super) async fn delete(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<LocationId>,
) -> Result<HttpResponse, Problem> {
    service::remove(&house, &caller, &id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// 201 for what was created, 200 for what was replaced.
pub(super) fn answer_put(put: Put, body: &impl Serialize) -> HttpResponse {
    match put {
        Put::Created => HttpResponse::Created().json(body),
        Put::Replaced => HttpResponse::Ok().json(body),
    }
}

fn new_id() -> Result<LocationId, Problem> {
    LocationId::new(&Uuid::now_v7().to_string()).map_err(|cause| Problem::flaw("/id", cause.to_string()))
}

impl LocationRequest {
    fn into_location(self, caller: &Caller, id: LocationId) -> Location {
        Location {
            tenant: caller.tenant.clone(),
            id,
            name: self.name.into(),
            address: self.address.into(),
            city: self.city.into(),
            postal_code: self.postal_code.map(Into::into),
            country: self.country.into(),
            latitude: self.latitude.into(),
            longitude: self.longitude.into(),
            time_zone: self.time_zone.into(),
            updated_at: clock::now(),
        }
    }
}

impl From<Location> for LocationBody {
    fn from(location: Location) -> Self {
        Self {
            id: location.id,
            name: location.name.into(),
            address: location.address.into(),
            city: location.city.into(),
            postal_code: location.postal_code.map(Into::into),
            country: location.country.into(),
            latitude: location.latitude.into(),
            longitude: location.longitude.into(),
            time_zone: location.time_zone.into(),
            updated_at: location.updated_at.into(),
        }
    }
}
