//! `charging-stations/{id}/duplicate`: a second station under the same identity, and who of the two is the right one.

use std::net::IpAddr;

use actix_web::{HttpResponse, web};
use ringmain_domain::id::StationId;
use ringmain_store::duplicates::DuplicateRow;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::Authorized;
use super::extract::{Body, Path};
use super::fields::Instant;
use super::problem::{Problem, ProblemBody};
use crate::house::House;
use crate::services::duplicates::{self as service, Decision};
use crate::services::refusal::Refusal;

/// Refusals of a second living socket under one identity. The one that was connected first keeps its place until somebody decides.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DuplicateBody {
    /// When it began.
    since: Instant,
    /// When it came last.
    last_at: Instant,
    /// Where it came from last.
    #[schema(example = "192.0.2.7")]
    source: String,
    /// It comes again and again: three times within five minutes.
    needs_a_person: bool,
    /// Until then one that comes from `admitted_source` takes the station's place.
    admitted_until: Option<Instant>,
    /// From where it must come then.
    #[schema(example = "192.0.2.7")]
    admitted_source: Option<String>,
}

/// Who is the station?
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum DecisionBody {
    /// The one that was refused: when it comes from the same address within a quarter of an hour, it takes the station's place, and the other
    /// one is closed.
    AcceptNew,
    /// The one that is connected. The next refusal opens the matter again.
    KeepOld,
}

/// A decision.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DecideRequest {
    #[schema(inline)]
    decision: DecisionBody,
    /// With `accept_new`: the address of the one that is let in, and nobody else. Without it, of the one that was refused last.
    #[schema(value_type = Option<String>, example = "192.0.2.7")]
    source: Option<IpAddr>,
}

/// What is known of a second station under this identity; null where none has come for a day.
#[utoipa::path(get, path = "/api/v1/charging-stations/{id}/duplicate", tag = "charging-stations", params(("id" = String, Path)),
    operation_id = "duplicate_read",
    responses((status = 200, body = Option<DuplicateBody>), (status = 404, body = ProblemBody)))]
pub(super) async fn read(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<StationId>,
) -> Result<HttpResponse, Problem> {
    let known = service::of(&house, &caller, &id).await?;
    Ok(HttpResponse::Ok().json(known.map(DuplicateBody::from)))
}

/// Says who of the two is the station. Gives back what is still open: null where the old one is kept.
#[utoipa::path(post, path = "/api/v1/charging-stations/{id}/duplicate", tag = "charging-stations",
    params(("id" = String, Path)), operation_id = "duplicate_decide", request_body = DecideRequest,
    responses((status = 200, body = Option<DuplicateBody>), (status = 404, body = ProblemBody),
        (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(super) async fn decide(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<StationId>,
    Body(body): Body<DecideRequest>,
) -> Result<HttpResponse, Problem> {
    let decision = match (body.decision, body.source) {
        (DecisionBody::AcceptNew, source) => Decision::AcceptNew { source },
        (DecisionBody::KeepOld, None) => Decision::KeepOld,
        (DecisionBody::KeepOld, Some(_)) => {
            return Err(Refusal::flaw("/source", "belongs to accept_new alone").into());
        }
    };
    service::decide(&house, &caller, &id, decision).await?;
    let left = service::of(&house, &caller, &id).await?;
    Ok(HttpResponse::Ok().json(left.map(DuplicateBody::from)))
}

impl From<DuplicateRow> for DuplicateBody {
    fn from(row: DuplicateRow) -> Self {
        Self {
            since: row.duplicates.since.into(),
            last_at: row.duplicates.last_at().into(),
            source: row.duplicates.source.into(),
            needs_a_person: row.duplicates.needs_a_person,
            admitted_until: row.admit_until.map(Into::into),
            admitted_source: row.admit_source.map(Into::into),
        }
    }
}
