//! `vehicles`: vehicles of fleets, by which tokens they are known, and when they must go.

use actix_web::{HttpResponse, web};
use ringmain_domain::id::{TokenUid, VehicleId};
use ringmain_domain::time::local::{TimeOfDay, Weekday};
use ringmain_domain::unit::WattHours;
use ringmain_domain::vehicle::{Departure, Vehicle};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::Authorized;
use super::extract::{Body, Path, Query};
use super::fields::Instant;
use super::locations::{PageQuery, answer_put};
use super::paging::{self, ListBody};
use super::problem::{Problem, ProblemBody};
use crate::clock;
use crate::house::House;
use crate::services::keys::Caller;
use crate::services::tokens::stored_uid;
use crate::services::vehicles as service;

const LIST: &str = "vehicles";

/// A vehicle of a fleet.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VehicleBody {
    #[schema(value_type = String)]
    id: VehicleId,
    /// For people: a number plate, a line.
    name: String,
    /// Which fleet it belongs to, for people.
    fleet: Option<String>,
    /// What it shows at a station: its driver's card, its contract, its own address.
    #[schema(value_type = Vec<String>)]
    tokens: Vec<TokenUid>,
    /// How much it counts, in thousandths; null: as its driver's group.
    weight_permille: Option<u32>,
    /// When it must go, week by week.
    schedule: Vec<DepartureBody>,
    updated_at: Instant,
}

/// A vehicle to create or to replace another with.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct VehicleRequest {
    /// With PUT the path's.
    #[schema(value_type = Option<String>, max_length = 36)]
    id: Option<VehicleId>,
    #[schema(max_length = 100)]
    name: String,
    #[schema(max_length = 100)]
    fleet: Option<String>,
    #[serde(default)]
    #[schema(value_type = Vec<String>, max_items = 16)]
    tokens: Vec<TokenUid>,
    #[schema(minimum = 1, maximum = 1_000_000)]
    weight_permille: Option<u32>,
    #[serde(default)]
    #[schema(max_items = 28)]
    schedule: Vec<DepartureBody>,
}

/// A departure that comes back every week: a deadline, on the clock of the location where the vehicle charges.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DepartureBody {
    #[schema(value_type = Vec<String>, example = json!(["monday", "tuesday"]))]
    weekdays: Vec<Weekday>,
    #[schema(value_type = String, example = "06:30")]
    at: TimeOfDay,
    /// The energy it needs by then, for the whole session, in Wh.
    #[schema(minimum = 0, maximum = 100_000_000)]
    energy_wh: Option<i64>,
}

/// All vehicles, by id.
#[utoipa::path(get, path = "/api/v1/vehicles", tag = "vehicles", params(PageQuery), operation_id = "vehicles_list",
    responses((status = 200, body = ListBody<VehicleBody>)))]
pub(super) async fn list(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Query(query): Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    let request = paging::request(LIST, query.limit, query.cursor.as_deref())?;
    let page = house.store.vehicles(&caller.tenant, &request).await?;
    Ok(HttpResponse::Ok().json(paging::body(LIST, page, VehicleBody::from)))
}

/// Creates a vehicle.
#[utoipa::path(post, path = "/api/v1/vehicles", tag = "vehicles", request_body = VehicleRequest, operation_id = "vehicles_create",
    responses((status = 201, body = VehicleBody), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(super) async fn create(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Body(body): Body<VehicleRequest>,
) -> Result<HttpResponse, Problem> {
    let Some(id) = body.id.clone() else { return Err(Problem::flaw("/id", "is missing")) };
    let vehicle = body.into_vehicle(&caller, id);
    service::create(&house, &caller, &vehicle).await?;
    Ok(HttpResponse::Created().json(VehicleBody::from(vehicle)))
}

/// One vehicle.
#[utoipa::path(get, path = "/api/v1/vehicles/{id}", tag = "vehicles", params(("id" = String, Path)), operation_id = "vehicles_read",
    responses((status = 200, body = VehicleBody), (status = 404, body = ProblemBody)))]
pub(super) async fn read(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<VehicleId>,
) -> Result<HttpResponse, Problem> {
    let vehicle = service::own(&house, &caller, &id).await?;
    Ok(HttpResponse::Ok().json(VehicleBody::from(vehicle)))
}

/// Creates a vehicle or replaces it. It counts at once where the vehicle charges.
#[utoipa::path(put, path = "/api/v1/vehicles/{id}", tag = "vehicles", params(("id" = String, Path)), operation_id = "vehicles_put",
    request_body = VehicleRequest,
    responses((status = 200, body = VehicleBody, description = "replaced"), (status = 201, body = VehicleBody, description = "created"),
        (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(super) async fn put(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<VehicleId>,
    Body(body): Body<VehicleRequest>,
) -> Result<HttpResponse, Problem> {
    if body.id.as_ref().is_some_and(|named| *named != id) {
        return Err(Problem::flaw("/id", "differs from the path: leave it out"));
    }
    let vehicle = body.into_vehicle(&caller, id);
    let put = service::put(&house, &caller, &vehicle).await?;
    Ok(answer_put(put, &VehicleBody::from(vehicle)))
}

/// Removes a vehicle.
#[utoipa::path(delete, path = "/api/v1/vehicles/{id}", tag = "vehicles", params(("id" = String, Path)), operation_id = "vehicles_delete",
    responses((status = 204), (status = 404, body = ProblemBody)))]
pub(super) async fn delete(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<VehicleId>,
) -> Result<HttpResponse, Problem> {
    service::remove(&house, &caller, &id).await?;
    Ok(HttpResponse::NoContent().finish())
}

impl VehicleRequest {
    fn into_vehicle(self, caller: &Caller, id: VehicleId) -> Vehicle {
        Vehicle {
            tenant: caller.tenant.clone(),
            id,
            name: self.name.into(),
            fleet: self.fleet.map(Into::into),
            tokens: self.tokens.iter().map(stored_uid).collect(),
            weight_permille: self.weight_permille,
            schedule: self.schedule.into_iter().map(Departure::from).collect(),
            updated_at: clock::now(),
        }
    }
}

impl From<Vehicle> for VehicleBody {
    fn from(vehicle: Vehicle) -> Self {
        Self {
            id: vehicle.id,
            name: vehicle.name.into(),
            fleet: vehicle.fleet.map(Into::into),
            tokens: vehicle.tokens,
            weight_permille: vehicle.weight_permille,
            schedule: vehicle.schedule.into_iter().map(DepartureBody::from).collect(),
            updated_at: vehicle.updated_at.into(),
        }
    }
}

impl From<DepartureBody> for Departure {
    fn from(body: DepartureBody) -> Self {
        Self { weekdays: body.weekdays, at: body.at, energy_wh: body.energy_wh.map(WattHours) }
    }
}

impl From<Departure> for DepartureBody {
    fn from(departure: Departure) -> Self {
        Self {
            weekdays: departure.weekdays,
            at: departure.at,
            energy_wh: departure.energy_wh.map(|energy| energy.0),
        }
    }
}
