//! `sessions/{id}/charging-need`: what an operator says about the car of a session.

use actix_web::{HttpResponse, web};
use ringmain_domain::id::SessionId;
use ringmain_domain::load::need::Wish;
use ringmain_domain::unit::WattHours;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::Authorized;
use super::extract::{Body, Path};
use super::fields::Instant;
use super::problem::{Problem, ProblemBody};
use crate::house::House;
use crate::services::charging_needs as service;

/// What a car is to have. It goes before what its fleet or the car itself says, each for itself.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChargingNeedBody {
    /// When it must go: a deadline, served before cars without one.
    departs_at: Option<Instant>,
    /// The energy it needs by then, for the whole session, in Wh.
    #[schema(minimum = 0, maximum = 100_000_000)]
    energy_wh: Option<i64>,
    /// How much it counts, in thousandths: 2000 is twice everybody's share.
    #[schema(minimum = 1, maximum = 1_000_000)]
    weight_permille: Option<u32>,
}

/// What an operator said about the car of a session; nothing where all fields are null.
#[utoipa::path(get, path = "/api/v1/sessions/{id}/charging-need", tag = "sessions", params(("id" = String, Path)),
    operation_id = "charging_need_read",
    responses((status = 200, body = ChargingNeedBody), (status = 404, body = ProblemBody)))]
pub(super) async fn read(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<SessionId>,
) -> Result<HttpResponse, Problem> {
    let wish = service::read(&house, &caller, id).await?.unwrap_or_default();
    Ok(HttpResponse::Ok().json(ChargingNeedBody::from(wish)))
}

/// Says what the car of an open session is to have, in the place of what was said before.
#[utoipa::path(put, path = "/api/v1/sessions/{id}/charging-need", tag = "sessions", params(("id" = String, Path)),
    operation_id = "charging_need_put", request_body = ChargingNeedBody,
    responses((status = 200, body = ChargingNeedBody), (status = 404, body = ProblemBody),
        (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(super) async fn put(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<SessionId>,
    Body(body): Body<ChargingNeedBody>,
) -> Result<HttpResponse, Problem> {
    let wish = Wish {
        departs_at: body.departs_at.map(|at| at.0),
        energy_wh: body.energy_wh.map(WattHours),
        weight_permille: body.weight_permille,
    };
    service::put(&house, &caller, id, wish).await?;
    Ok(HttpResponse::Ok().json(ChargingNeedBody::from(wish)))
}

/// Takes it back.
#[utoipa::path(delete, path = "/api/v1/sessions/{id}/charging-need", tag = "sessions", params(("id" = String, Path)),
    operation_id = "charging_need_delete",
    responses((status = 204), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub(super) async fn delete(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<SessionId>,
) -> Result<HttpResponse, Problem> {
    service::delete(&house, &caller, id).await?;
    Ok(HttpResponse::NoContent().finish())
}

impl From<Wish> for ChargingNeedBody {
    fn from(wish: Wish) -> Self {
        Self {
            departs_at: wish.departs_at.map(Into::into),
            energy_wh: wish.energy_wh.map(|energy| energy.0),
            weight_permille: wish.weight_permille,
        }
    }
}
