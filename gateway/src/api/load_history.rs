//! `locations/{id}/load/history`: what the limits of its circuits did in the last day.

use actix_web::{HttpResponse, web};
use ringmain_domain::id::{CircuitId, LocationId};
use ringmain_domain::load::history::{BUCKET_MS, Bucket, RowHistory};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::Authorized;
use super::extract::{Path, Query};
use super::fields::Instant;
use super::problem::{Problem, ProblemBody};
use crate::actors::site::load::history::CircuitHistory;
use crate::house::House;
use crate::services::site_load::history as service;

/// Which circuit.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct HistoryQuery {
    /// This circuit alone; needed where there are more than 50.
    #[param(value_type = Option<String>)]
    circuit_id: Option<CircuitId>,
}

/// The last 24 hours of a location's limits, in this node's memory: after a restart, and when the tree is drawn anew, it begins again.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LoadHistoryBody {
    /// Is the load managed by this node now? There is no history otherwise.
    managed: bool,
    /// How long a bucket is.
    #[schema(example = 300)]
    bucket_s: i64,
    circuits: Vec<CircuitHistoryBody>,
}

/// The last day of a circuit.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CircuitHistoryBody {
    id: String,
    name: String,
    limits: Vec<LimitHistoryBody>,
}

/// The last day of a limit: in mA on a line or in a sum of arrows, in mW in power.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LimitHistoryBody {
    /// `L1`, `L2`, `L3`, `power`, or the name of a sum of arrows.
    of: String,
    /// The oldest first, at most 288. There is none for a time in which nobody looked.
    buckets: Vec<BucketBody>,
}

/// Five minutes of a limit.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BucketBody {
    from: Instant,
    /// The least it could carry.
    limit: i64,
    /// The most that nobody controlled.
    reserved: i64,
    /// That, and the most that all EVSEs might have in force.
    promised: i64,
    /// That, and the most that was measured.
    drawn: i64,
}

/// What the limits of a location's circuits did in the last 24 hours, in buckets of five minutes.
#[utoipa::path(get, path = "/api/v1/locations/{id}/load/history", tag = "circuits",
    params(("id" = String, Path), HistoryQuery), operation_id = "load_history",
    responses((status = 200, body = LoadHistoryBody), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(super) async fn read(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<LocationId>,
    Query(query): Query<HistoryQuery>,
) -> Result<HttpResponse, Problem> {
    let history = service::read(&house, &caller, &id, query.circuit_id).await?;
    Ok(HttpResponse::Ok().json(LoadHistoryBody {
        managed: history.is_some(),
        bucket_s: BUCKET_MS / 1_000,
        circuits: history.into_iter().flatten().map(CircuitHistoryBody::from).collect(),
    }))
}

impl From<CircuitHistory> for CircuitHistoryBody {
    fn from(history: CircuitHistory) -> Self {
        Self {
            id: history.circuit.as_str().to_owned(),
            name: history.name.into(),
            limits: history.rows.into_iter().map(LimitHistoryBody::from).collect(),
        }
    }
}

impl From<RowHistory> for LimitHistoryBody {
    fn from(row: RowHistory) -> Self {
        Self { of: row.kind.to_string(), buckets: row.buckets.into_iter().map(BucketBody::from).collect() }
    }
}

impl From<Bucket> for BucketBody {
    fn from(bucket: Bucket) -> Self {
        let Bucket { from, limit, reserved, promised, drawn } = bucket;
        Self { from: from.into(), limit, reserved, promised, drawn }
    }
}
