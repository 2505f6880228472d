//! `strays`: what stations said that counts for nothing, for a person to look at.

use actix_web::{HttpResponse, web};
use ringmain_domain::id::{SessionId, StationId, TenantId, TransactionId};
use ringmain_store::strays::{Contradiction, Orphan, Unreadable};
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::Authorized;
use super::extract::Query;
use super::fields::Instant;
use super::locations::PageQuery;
use super::paging::{self, ListBody};
use super::problem::Problem;
use super::transactions::FactBody;
use crate::house::House;

const ORPHANS: &str = "orphans";
const CONTRADICTIONS: &str = "contradictions";
const UNREADABLE: &str = "unreadable";

/// A message about a transaction that is not its station's, or is not known.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OrphanBody {
    #[schema(value_type = String)]
    charging_station_id: StationId,
    /// The id it named, when it named one.
    named_transaction_id: Option<String>,
    received_at: Instant,
    /// What it said.
    fact: FactBody,
}

/// A repeat of a stored message that says something else. The stored one counts.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ContradictionBody {
    #[schema(value_type = String)]
    charging_station_id: StationId,
    #[schema(value_type = String)]
    transaction_id: TransactionId,
    #[schema(value_type = String)]
    session_id: SessionId,
    received_at: Instant,
    /// What it said.
    fact: FactBody,
}

/// A message about a transaction that cannot be read. It was answered, so the station does not send it again.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UnreadableBody {
    #[schema(value_type = String)]
    charging_station_id: StationId,
    received_at: Instant,
    #[schema(example = "TransactionEvent")]
    action: String,
    /// The payload as it came, its first 4,096 characters.
    payload: String,
    /// It goes on.
    payload_cut: bool,
}

/// Messages that belong to no transaction, the latest first.
#[utoipa::path(get, path = "/api/v1/strays/orphans", tag = "strays", operation_id = "list_orphans", params(PageQuery),
    responses((status = 200, body = ListBody<OrphanBody>)))]
pub(super) async fn orphans(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Query(query): Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    let request = paging::request(ORPHANS, query.limit, query.cursor.as_deref())?;
    let page = house.store.orphans(&caller.tenant, &request).await?;
    Ok(HttpResponse::Ok().json(paging::body(ORPHANS, page, OrphanBody::from)))
}

/// Repeats that contradict what is stored, the latest first.
#[utoipa::path(get, path = "/api/v1/strays/contradictions", tag = "strays", operation_id = "list_contradictions",
    params(PageQuery), responses((status = 200, body = ListBody<ContradictionBody>)))]
pub(super) async fn contradictions(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Query(query): Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    let request = paging::request(CONTRADICTIONS, query.limit, query.cursor.as_deref())?;
    let page = house.store.contradictions(&caller.tenant, &request).await?;
    let body = |one| ContradictionBody::of(&caller.tenant, one);
    Ok(HttpResponse::Ok().json(paging::body(CONTRADICTIONS, page, body)))
}

/// Billing messages that cannot be read, the latest first.
#[utoipa::path(get, path = "/api/v1/strays/unreadable", tag = "strays", operation_id = "list_unreadable",
    params(PageQuery), responses((status = 200, body = ListBody<UnreadableBody>)))]
pub(super) async fn unreadable(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Query(query): Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    let request = paging::request(UNREADABLE, query.limit, query.cursor.as_deref())?;
    let page = house.store.unreadable(&caller.tenant, &request).await?;
    Ok(HttpResponse::Ok().json(paging::body(UNREADABLE, page, UnreadableBody::from)))
}

impl From<Orphan> for OrphanBody {
    fn from(orphan: Orphan) -> Self {
        Self {
            charging_station_id: orphan.station,
            named_transaction_id: orphan.named.map(Into::into),
            received_at: orphan.received_at.into(),
            fact: orphan.fact.into(),
        }
    }
}

impl ContradictionBody {
    fn of(tenant: &TenantId, one: Contradiction) -> Self {
        Self {
            session_id: SessionId::derive(tenant, &one.station, &one.transaction),
            charging_station_id: one.station,
            transaction_id: one.transaction,
            received_at: one.received_at.into(),
            fact: one.fact.into(),
        }
    }
}

impl From<Unreadable> for UnreadableBody {
    fn from(message: Unreadable) -> Self {
        Self {
            charging_station_id: message.station,
            received_at: message.received_at.into(),
            action: message.action.into(),
            payload: message.payload.into(),
            payload_cut: message.is_cut,
        }
    }
}
