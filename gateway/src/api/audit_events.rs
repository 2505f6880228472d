//! `audit-events`: who did what.

use actix_web::{HttpResponse, web};
use ringmain_store::audit::AuditEvent;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::auth::Authorized;
use super::extract::Query;
use super::fields::Instant;
use super::locations::PageQuery;
use super::paging::{self, ListBody};
use super::problem::Problem;
use crate::house::House;

const LIST: &str = "audit-events";

/// Somebody did something.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuditEventBody {
    id: Uuid,
    recorded_at: Instant,
    #[schema(example = "api-key:night shift")]
    actor: String,
    #[schema(example = "charging_station.changed")]
    action: String,
    /// The path of the thing below `/api/v1`.
    #[schema(example = "charging-stations/CS-1")]
    subject: String,
    /// What became different; never a secret.
    detail: Value,
}

/// Audit events, newest first.
#[utoipa::path(get, path = "/api/v1/audit-events", tag = "audit-events", params(PageQuery),
    responses((status = 200, body = ListBody<AuditEventBody>)))]
pub(super) async fn list(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Query(query): Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    let request = paging::request(LIST, query.limit, query.cursor.as_deref())?;
    let page = house.store.audits(&caller.tenant, &request).await?;
    Ok(HttpResponse::Ok().json(paging::body(LIST, page, AuditEventBody::from)))
}

impl From<AuditEvent> for AuditEventBody {
    fn from(event: AuditEvent) -> Self {
        Self {
            id: event.id,
            recorded_at: event.at.into(),
            actor: event.actor.into(),
            action: event.action.into(),
            subject: event.subject.into(),
            detail: serde_json::from_str(&event.detail).unwrap_or(Value::String(event.detail)),
        }
    }
}
