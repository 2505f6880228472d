//! `events`: the live feed as server-sent events. Place on the walk: *push*.
//!
//! Each event has an id; a client that comes back with the last one it saw gets what it missed, or the event `gap` when that is no longer
//! known: then it reads the state afresh. A quiet feed sends a comment every 15 s, and looks whether the key is still valid.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::stream;
use ringmain_domain::id::{ConnectorId, EvseId, StationId};
use ringmain_domain::site::Change;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::Authorized;
use super::evses::StateBody;
use super::extract::Query;
use super::fields::Instant;
use super::problem::{Kind, Problem, ProblemBody};
use super::sessions::SessionBody;
use crate::house::House;
use crate::live::LiveEvent;
use crate::services::doorway::Doorway;
use crate::services::feed::{Feed, FeedItem};
use crate::services::keys::{Caller, caller_again};

/// After so many milliseconds a client comes back.
const RETRY_MS: u32 = 2_000;

/// Where to start.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EventsQuery {
    /// The last event that was seen; the header `Last-Event-ID` wins over it.
    last_event_id: Option<String>,
}

/// The data of one event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Event)]
pub(super) struct EventBody {
    /// Rises with every event, also over restarts.
    id: u64,
    at: Instant,
    #[serde(flatten)]
    change: ChangeBody,
}

/// What changed; `event` is also the event's name.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum ChangeBody {
    /// A station came or went.
    StationOnline {
        #[schema(value_type = String)]
        charging_station_id: StationId,
        online: bool,
    },
    /// A connector's state as an operator sees it.
    ConnectorState {
        #[schema(value_type = String)]
        charging_station_id: StationId,
        #[schema(value_type = u32)]
        evse_id: EvseId,
        #[schema(value_type = u32)]
        connector_id: ConnectorId,
        state: StateBody,
        /// What the connector itself says.
        status: &'static str,
    },
    /// A session started, went on or ended.
    SessionChanged {
        /// The session as it now is.
        session: Box<SessionBody>,
    },
}

/// Live events: `station_online`, `connector_state`, `session_changed`, and `gap` when some were lost on the way.
#[utoipa::path(get, path = "/api/v1/events", tag = "events",
    params(EventsQuery, ("Last-Event-ID" = Option<String>, Header, description = "the last event that was seen")),
    responses((status = 200, description = "server-sent events", content_type = "text/event-stream", body = EventBody),
        (status = 503, body = ProblemBody, description = "too many feeds are open")))]
pub(super) async fn watch(
    request: HttpRequest,
    house: web::Data<House>,
    doorway: web::Data<Doorway>,
    Authorized(caller): Authorized,
    Query(query): Query<EventsQuery>,
) -> Result<HttpResponse, Problem> {
    let header = request.headers().get("last-event-id").map(|value| value.to_str().unwrap_or("?").to_owned());
    let last_id = match header.or(query.last_event_id).filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => {
            let bad = |_cause| Problem::new(Kind::BadRequest, format!("{text:?} is not the id of an event"));
            Some(text.parse::<u64>().map_err(bad)?)
        }
    };
    let Some(feed) = doorway.streams.watch(&house.live, &caller.tenant, last_id) else {
        return Err(Problem::new(Kind::Unavailable, "too many feeds are open"));
    };
    let start = Watching { feed, house, caller, opened: false };
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/event-stream"))
        // Proxies that buffer would hold events back.
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(stream::unfold(start, Watching::next)))
}

struct Watching {
    feed: Feed,
    house: web::Data<House>,
    caller: Caller,
    opened: bool,
}

impl Watching {
    async fn next(mut self) -> Option<(Result<web::Bytes, actix_web::Error>, Self)> {
        if !self.opened {
            self.opened = true;
            return Some((Ok(format!("retry: {RETRY_MS}\n\n").into()), self));
        }
        let text = match self.feed.next().await? {
            FeedItem::Event(event) => written(&event),
            FeedItem::Gap => "event: gap\ndata: {}\n\n".to_owned(),
            FeedItem::KeepAlive => {
                // While the store is away the feed goes on: nothing is told that the key did not allow before.
                if let Ok(None) = caller_again(&self.house.store, &self.caller).await {
                    return None;
                }
                ": still here\n\n".to_owned()
            }
        };
        Some((Ok(text.into()), self))
    }
}

fn written(event: &LiveEvent) -> String {
    let body = EventBody { id: event.id, at: event.at.into(), change: ChangeBody::of(&event.change) };
    let name = match &body.change {
        ChangeBody::StationOnline { .. } => "station_online",
        ChangeBody::ConnectorState { .. } => "connector_state",
        ChangeBody::SessionChanged { .. } => "session_changed",
    };
    let data = serde_json::to_string(&body).unwrap_or_default();
    format!("id: {}\nevent: {name}\ndata: {data}\n\n", body.id)
}

impl ChangeBody {
    fn of(change: &Change) -> Self {
        match change {
            Change::StationOnline { charging_station_id, online } => {
                Self::StationOnline { charging_station_id: charging_station_id.clone(), online: *online }
            }
            Change::ConnectorState { charging_station_id, evse_id, connector_id, state, status } => {
                Self::ConnectorState {
                    charging_station_id: charging_station_id.clone(),
                    evse_id: *evse_id,
                    connector_id: *connector_id,
                    state: (*state).into(),
                    status: status.as_str(),
                }
            }
            Change::SessionChanged { session } => {
                Self::SessionChanged { session: Box::new(SessionBody::from((**session).clone())) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringmain_domain::id::TenantId;
    use ringmain_domain::location::{ConnectorStatus, OperatorState};
    use ringmain_domain::time::Timestamp;

    #[test]
    fn an_event_is_written_on_one_line_with_its_id_and_name() {
        let event = LiveEvent {
            is_own: true,
            id: 7,
            at: Timestamp::from_millis(0),
            tenant: TenantId::default_tenant(),
            change: Change::ConnectorState {
                charging_station_id: StationId::new("CS-1").unwrap(),
                evse_id: EvseId(1),
                connector_id: ConnectorId(2),
                state: OperatorState::Charging,
                status: ConnectorStatus::SuspendedEv,
            },
        };
        let expect = "id: 7\nevent: connector_state\ndata: {\"id\":7,\"at\":\"1970-01-01T00:00:00.000Z\",\
                      \"event\":\"connector_state\",\"charging_station_id\":\"CS-1\",\"evse_id\":1,\"connector_id\":2,\
                      \"state\":\"charging\",\"status\":\"suspended_ev\"}\n\n";
        assert_eq!(written(&event), expect);
    }
}
