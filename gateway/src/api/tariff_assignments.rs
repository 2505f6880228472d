//! `tariff-assignments`: which tariff applies where, to whom and when. The most specific one counts: first about who, then about where.

use actix_web::{HttpResponse, web};
use ringmain_domain::id::{AssignmentId, EvseId, LocationId, StationId, TariffId, TokenUid};
use ringmain_domain::tariff::assignment::TariffAssignment;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::auth::Authorized;
use super::extract::{Body, Path, Query};
use super::fields::Instant;
use super::locations::{PageQuery, answer_put};
use super::paging::{self, ListBody};
use super::problem::{Problem, ProblemBody};
use crate::clock;
use crate::house::House;
use crate::services::keys::Caller;
use crate::services::tariff_assignments as service;
use crate::services::tokens::{kind_name, kind_named};

const LIST: &str = "tariff-assignments";

/// An assignment of a tariff. What is absent does not matter; everything that is set must hold.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AssignmentBody {
    #[schema(value_type = String)]
    id: AssignmentId,
    #[serde(flatten)]
    what: AssignmentRequest,
    updated_at: Instant,
}

/// An assignment to create or to replace another with.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AssignmentRequest {
    #[schema(value_type = String)]
    tariff_id: TariffId,
    /// At this location only.
    #[schema(value_type = Option<String>)]
    location_id: Option<LocationId>,
    /// At this station only.
    #[schema(value_type = Option<String>)]
    charging_station_id: Option<StationId>,
    /// At this EVSE of the station only.
    #[schema(value_type = Option<u32>)]
    evse_id: Option<EvseId>,
    /// For tokens of this group only.
    #[schema(value_type = Option<String>)]
    token_group_uid: Option<TokenUid>,
    /// For tokens of this kind only: `direct_payment` for those who pay at the spot.
    token_kind: Option<String>,
    /// For sessions that start then or later.
    valid_from: Option<Instant>,
    /// For sessions that start before that.
    valid_until: Option<Instant>,
}

/// All assignments, by id.
#[utoipa::path(get, path = "/api/v1/tariff-assignments", tag = "tariff-assignments", params(PageQuery),
    responses((status = 200, body = ListBody<AssignmentBody>)))]
pub(super) async fn list(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Query(query): Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    let request = paging::request(LIST, query.limit, query.cursor.as_deref())?;
    let page = house.store.tariff_assignments(&caller.tenant, &request).await?;
    Ok(HttpResponse::Ok().json(paging::body(LIST, page, AssignmentBody::from)))
}

/// Creates an assignment.
#[utoipa::path(post, path = "/api/v1/tariff-assignments", tag = "tariff-assignments", request_body = AssignmentRequest,
    responses((status = 201, body = AssignmentBody), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(super) async fn create(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Body(body): Body<AssignmentRequest>,
) -> Result<HttpResponse, Problem> {
    let id = AssignmentId::new(&Uuid::now_v7().to_string())
        .map_err(|cause| Problem::flaw("/id", cause.to_string()))?;
    let assignment = body.into_assignment(&caller, id);
    service::put(&house, &caller, &assignment).await?;
    Ok(HttpResponse::Created().json(AssignmentBody::from(assignment)))
}

/// One assignment.
#[utoipa::path(get, path = "/api/v1/tariff-assignments/{id}", tag = "tariff-assignments", params(("id" = String, Path)),
    responses((status = 200, body = AssignmentBody), (status = 404, body = ProblemBody)))]
pub(super) async fn read(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<AssignmentId>,
) -> Result<HttpResponse, Problem> {
    let found = house.store.tariff_assignment(&caller.tenant, &id).await?;
    let assignment = found.ok_or_else(|| Problem::absent("tariff assignment", id))?;
    Ok(HttpResponse::Ok().json(AssignmentBody::from(assignment)))
}

/// Creates an assignment or replaces it.
#[utoipa::path(put, path = "/api/v1/tariff-assignments/{id}", tag = "tariff-assignments", params(("id" = String, Path)),
    request_body = AssignmentRequest,
    responses((status = 200, body = AssignmentBody, description = "replaced"),
        (status = 201, body = AssignmentBody, description = "created"), (status = 409, body = ProblemBody),
        (status = 422, body = ProblemBody)))]
pub(super) async fn put(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<AssignmentId>,
    Body(body): Body<AssignmentRequest>,
) -> Result<HttpResponse, Problem> {
    let assignment = body.into_assignment(&caller, id);
    let put = service::put(&house, &caller, &assignment).await?;
    Ok(answer_put(put, &AssignmentBody::from(assignment)))
}

/// Removes an assignment.
#[utoipa::path(delete, path = "/api/v1/tariff-assignments/{id}", tag = "tariff-assignments",
    params(("id" = String, Path)), responses((status = 204), (status = 404, body = ProblemBody)))]
pub(super) async fn delete(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<AssignmentId>,
) -> Result<HttpResponse, Problem> {
    service::remove(&house, &caller, &id).await?;
    Ok(HttpResponse::NoContent().finish())
}

impl AssignmentRequest {
    fn into_assignment(self, caller: &Caller, id: AssignmentId) -> TariffAssignment {
        TariffAssignment {
            tenant: caller.tenant.clone(),
            id,
            tariff: self.tariff_id,
            location: self.location_id,
            station: self.charging_station_id,
            evse: self.evse_id,
            token_group: self.token_group_uid,
            token_kind: self.token_kind.as_deref().map(kind_named),
            valid_from: self.valid_from.map(|at| at.0),
            valid_until: self.valid_until.map(|at| at.0),
            updated_at: clock::now(),
        }
    }
}

impl From<TariffAssignment> for AssignmentBody {
    fn from(from: TariffAssignment) -> Self {
        Self {
            id: from.id,
            what: AssignmentRequest {
                tariff_id: from.tariff,
                location_id: from.location,
                charging_station_id: from.station,
                evse_id: from.evse,
                token_group_uid: from.token_group,
                token_kind: from.token_kind.as_ref().map(|kind| kind_name(kind).to_owned()),
                valid_from: from.valid_from.map(Into::into),
                valid_until: from.valid_until.map(Into::into),
            },
            updated_at: from.updated_at.into(),
        }
    }
}
