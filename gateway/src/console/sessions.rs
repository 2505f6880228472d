//! The list of sessions, with filters.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use ringmain_domain::id::{LocationId, StationId, TokenUid};
use ringmain_domain::session::{Session, SessionStatus};
use ringmain_domain::time::Timestamp;
use ringmain_store::page::PageRequest;
use ringmain_store::sessions::SessionFilter;
use serde::Deserialize;

use super::format::{State, When, Zone, energy, money, path_segment, power, session_length};
use super::guard::Visitor;
use super::page::{Nav, PageError, Shell, ok};
use super::stations::{Choice, Places};
use crate::clock;
use crate::house::House;
use crate::services::doorway::Doorway;

/// Sessions on a page.
const PAGE: u32 = 50;

/// Filters and place; an empty one is none, as forms send it.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ListQuery {
    #[serde(default)]
    status: String,
    #[serde(default)]
    charging_station_id: String,
    #[serde(default)]
    location_id: String,
    #[serde(default)]
    token_uid: String,
    #[serde(default)]
    cursor: String,
}

#[derive(Template)]
#[template(path = "sessions.html")]
struct SessionsPage {
    shell: Shell,
    statuses: Vec<Choice>,
    locations: Vec<Choice>,
    charging_station_id: String,
    token_uid: String,
    filtered: bool,
    live_url: String,
    live: Live,
}

#[derive(Template)]
#[template(path = "sessions_live.html")]
struct SessionsPart {
    live: Live,
}

struct Live {
    sessions: Vec<SessionLine>,
    first: Option<String>,
    next: Option<String>,
}

/// A session in a list.
pub(super) struct SessionLine {
    pub(super) href: String,
    pub(super) state: State,
    pub(super) station: String,
    pub(super) station_href: String,
    pub(super) evse: String,
    pub(super) token: String,
    pub(super) started: When,
    pub(super) length: String,
    pub(super) energy: String,
    pub(super) power: Option<String>,
    pub(super) cost: Option<String>,
    pub(super) flagged: bool,
}

const STATUSES: [SessionStatus; 4] =
    [SessionStatus::Active, SessionStatus::Completed, SessionStatus::UnderReview, SessionStatus::Invalid];

/// The page.
pub(super) async fn show(
    request: HttpRequest,
    house: web::Data<House>,
    doorway: web::Data<Doorway>,
    visitor: Visitor,
    query: web::Query<ListQuery>,
) -> Result<HttpResponse, PageError> {
    let live = Live::read(&house, &visitor, &query).await?;
    let status_choice = |status: SessionStatus| Choice {
        value: status.as_str().to_owned(),
        label: State::of_session(status).label.to_owned(),
        chosen: query.status == status.as_str(),
    };
    let given = [&query.status, &query.charging_station_id, &query.location_id, &query.token_uid];
    let page = SessionsPage {
        shell: visitor.shell(&doorway, Nav::Sessions),
        statuses: STATUSES.into_iter().map(status_choice).collect(),
        locations: Places::read(&house, &visitor.caller.tenant).await?.choices(&query.location_id),
        charging_station_id: query.charging_station_id.clone(),
        token_uid: query.token_uid.clone(),
        filtered: given.iter().any(|text| !text.is_empty()),
        live_url: format!("/console/live/sessions?{}", request.query_string()),
        live,
    };
    Ok(ok(&page))
}

/// The part of it that changes.
pub(super) async fn live(
    house: web::Data<House>,
    visitor: Visitor,
    query: web::Query<ListQuery>,
) -> Result<HttpResponse, PageError> {
    Ok(ok(&SessionsPart { live: Live::read(&house, &visitor, &query).await? }))
}

impl Live {
    async fn read(house: &House, visitor: &Visitor, query: &ListQuery) -> Result<Self, PageError> {
        let here = |cursor: &str| format!("/sessions?{}", query.with_cursor(cursor));
        let first = (!query.cursor.is_empty()).then(|| here(""));
        let Some(filter) = query.filter() else {
            return Ok(Self { sessions: Vec::new(), first, next: None });
        };
        let request = PageRequest {
            after: Some(query.cursor.clone()).filter(|cursor| !cursor.is_empty()),
            limit: PAGE,
        };
        let page = house.store.sessions(&visitor.caller.tenant, &filter, &request).await?;
        let now = clock::now();
        Ok(Self {
            sessions: page.items.iter().map(|session| SessionLine::of(session, &visitor.zone, now)).collect(),
            first,
            next: page.next.map(|next| here(&next)),
        })
    }
}

impl ListQuery {
    /// `None`: somebody typed what cannot be an id, so nothing fits.
    fn filter(&self) -> Option<SessionFilter> {
        let typed = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let station = typed(&self.charging_station_id).map(|text| StationId::new(&text)).transpose().ok()?;
        let token = typed(&self.token_uid).map(|text| TokenUid::new(&text)).transpose().ok()?;
        Some(SessionFilter {
            station,
            token,
            location_id: LocationId::new(&self.location_id).ok(),
            status: STATUSES.into_iter().find(|status| status.as_str() == self.status),
            from: None,
            to: None,
        })
    }

    fn with_cursor(&self, cursor: &str) -> String {
        let fields = [
            ("status", &*self.status),
            ("charging_station_id", &*self.charging_station_id),
            ("location_id", &*self.location_id),
            ("token_uid", &*self.token_uid),
            ("cursor", cursor),
        ];
        let given = fields.iter().filter(|(_, value)| !value.is_empty());
        given.map(|(name, value)| format!("{name}={}", path_segment(value))).collect::<Vec<_>>().join("&")
    }
}

impl SessionLine {
    pub(super) fn of(session: &Session, zone: &Zone, now: Timestamp) -> Self {
        let active = session.status == SessionStatus::Active;
        Self {
            href: format!("/sessions/{}", session.id),
            state: State::of_session(session.status),
            station: session.station.to_string(),
            station_href: format!("/charging-stations/{}", path_segment(session.station.as_str())),
            evse: session.evse.map(|evse| evse.to_string()).unwrap_or_default(),
            token: session.token.as_ref().map(|token| token.uid.to_string()).unwrap_or_default(),
            started: zone.when(session.started_at),
            length: session_length(session, now),
            energy: energy(session.energy.0),
            power: session.power_w.filter(|_| active).map(power),
            cost: money(session.currency, session.cost),
            flagged: session.flags.iter().any(|flag| flag.needs_review()),
        }
    }
}
