//! `reports`: figures over a time, made from what is stored.

use actix_web::{HttpResponse, web};
use ringmain_domain::authorize::Authorization;
use ringmain_domain::id::LocationId;
use ringmain_store::authorizations::AuthorizationCount;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::Authorized;
use super::extract::Query;
use super::fields::Instant;
use super::problem::{Kind, Problem, ProblemBody};
use crate::clock;
use crate::house::House;

/// Without `from` a report covers so much before `to`.
const SPAN_DEFAULT_MS: i64 = 24 * 3_600_000;
/// The longest time a report covers.
const SPAN_MAX_MS: i64 = 366 * 24 * 3_600_000;

/// Over which time.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SpanQuery {
    /// From then on; a day before `to` when absent.
    from: Option<Instant>,
    /// Until before that; now when absent. At most 366 days after `from`.
    to: Option<Instant>,
}

/// How often tokens were accepted and refused.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuthorizationsBody {
    from: Instant,
    to: Instant,
    /// By location and decision; pairs that did not occur are left out. At most 10,000.
    items: Vec<AuthorizationCountBody>,
}

/// How often tokens were decided about in one way at one location.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuthorizationCountBody {
    /// Where the station stands now. Null: nowhere, or it is gone.
    #[schema(value_type = Option<String>)]
    location_id: Option<LocationId>,
    /// `accepted`, `blocked`, `expired`, `group_blocked`, `group_expired`, `unknown`, `invalid`, `concurrent_transaction`,
    /// `not_at_this_location`.
    #[schema(value_type = String, example = "concurrent_transaction")]
    authorization: Authorization,
    /// So often when a station asked.
    asked: u64,
    /// So often in a message about a transaction; repeated messages count once.
    transactions: u64,
}

/// How often tokens were accepted and refused, by reason and location.
#[utoipa::path(get, path = "/api/v1/reports/authorizations", tag = "reports", params(SpanQuery),
    responses((status = 200, body = AuthorizationsBody), (status = 400, body = ProblemBody)))]
pub(super) async fn authorizations(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Query(query): Query<SpanQuery>,
) -> Result<HttpResponse, Problem> {
    let to = query.to.map_or_else(clock::now, |at| at.0);
    let from = query.from.map_or_else(|| to.plus_millis(-SPAN_DEFAULT_MS), |at| at.0);
    if !(0..=SPAN_MAX_MS).contains(&to.millis_since(from)) {
        let detail = "from must not be after to, nor more than 366 days before it";
        return Err(Problem::new(Kind::BadRequest, detail.to_owned()));
    }
    let counts = house.store.authorization_counts(&caller.tenant, from, to).await?;
    let items = counts.into_iter().map(Into::into).collect();
    Ok(HttpResponse::Ok().json(AuthorizationsBody { from: from.into(), to: to.into(), items }))
}

impl From<AuthorizationCount> for AuthorizationCountBody {
    fn from(count: AuthorizationCount) -> Self {
        let AuthorizationCount { location_id, authorization, asked, transactions } = count;
        Self { location_id, authorization, asked, transactions }
    }
}
