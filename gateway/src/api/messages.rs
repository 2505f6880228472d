//! `messages`: what a station and we said to each other, as recorded: bounded and masked.

use actix_web::{HttpResponse, web};
use ringmain_domain::id::StationId;
use ringmain_store::messages::RecordedMessage;
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::Authorized;
use super::extract::{Path, Query};
use super::fields::Instant;
use super::locations::PageQuery;
use super::paging::{self, ListBody};
use super::problem::{Problem, ProblemBody};
use crate::house::House;
use crate::services::stations;

/// A recorded frame.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MessageBody {
    recorded_at: Instant,
    direction: DirectionBody,
    /// `call`, `call_result`, `call_error`, `call_result_error`, `send`.
    #[schema(example = "call")]
    kind: String,
    #[schema(example = "Heartbeat")]
    action: Option<String>,
    message_id: String,
    /// The frame as text: secrets masked, cut at 16 KiB.
    frame: String,
}

/// Who sent a frame.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum DirectionBody {
    /// The station.
    Inbound,
    /// We.
    Outbound,
}

/// The recorded frames of a charging station, newest first.
#[utoipa::path(get, path = "/api/v1/charging-stations/{id}/messages", tag = "messages",
    params(("id" = String, Path), PageQuery),
    responses((status = 200, body = ListBody<MessageBody>), (status = 404, body = ProblemBody)))]
pub(super) async fn list(
    house: web::Data<House>,
    Authorized(caller): Authorized,
    Path(id): Path<StationId>,
    Query(query): Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    stations::own(&house, &caller, &id).await?;
    let list = format!("messages/{id}");
    let request = paging::request(&list, query.limit, query.cursor.as_deref())?;
    let page = house.store.messages(&id, &request).await?;
    Ok(HttpResponse::Ok().json(paging::body(&list, page, MessageBody::from)))
}

impl From<RecordedMessage> for MessageBody {
    fn from(message: RecordedMessage) -> Self {
        Self {
            recorded_at: message.at.into(),
            direction: if message.inbound { DirectionBody::Inbound } else { DirectionBody::Outbound },
            kind: message.kind.into(),
            action: message.action.map(Into::into),
            message_id: message.message_id.into(),
            frame: message.frame.into(),
        }
    }
}
