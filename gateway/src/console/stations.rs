//! The list of charging stations, with filters.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use ringmain_domain::id::{LocationId, TenantId};
use ringmain_domain::location::OperatorState;
use ringmain_domain::reply::Registration;
use ringmain_domain::time::Timestamp;
use ringmain_store::page::{MAX_LIMIT, PageRequest};
use ringmain_store::stations::{StationFilter, StationRow};
use ringmain_store::store::StoreError;
use serde::Deserialize;

use super::format::{State, ago, path_segment};
use super::guard::Visitor;
use super::page::{Nav, PageError, Shell, ok};
use crate::clock;
use crate::house::House;
use crate::services::doorway::Doorway;
use crate::services::{evses, stations as service};

/// Stations on a page.
const PAGE: u32 = 50;
/// The longest text that is searched for.
const TEXT_MAX_CHARS: usize = 100;

/// Filters and place; an empty one is none, as forms send it.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ListQuery {
    #[serde(default)]
    state: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    location_id: String,
    #[serde(default)]
    registration: String,
    #[serde(default)]
    cursor: String,
}

#[derive(Template)]
#[template(path = "stations.html")]
struct StationsPage {
    shell: Shell,
    states: Vec<Choice>,
    registrations: Vec<Choice>,
    locations: Vec<Choice>,
    text: String,
    filtered: bool,
    live_url: String,
    live: Live,
}

#[derive(Template)]
#[template(path = "stations_live.html")]
struct StationsPart {
    live: Live,
}

struct Live {
    stations: Vec<StationLine>,
    first: Option<String>,
    next: Option<String>,
}

/// The names of a tenant's locations, of the first thousand.
pub(super) struct Places(BTreeMap<LocationId, String>);

/// One of several values a field can have.
#[derive(Debug, Clone)]
pub(super) struct Choice {
    pub(super) value: String,
    pub(super) label: String,
    pub(super) chosen: bool,
}

/// A station in a list.
pub(super) struct StationLine {
    pub(super) href: String,
    pub(super) id: String,
    pub(super) name: Option<String>,
    pub(super) state: State,
    pub(super) waits: bool,
    pub(super) rejected: bool,
    pub(super) location: Option<(String, String)>,
    pub(super) make: String,
    pub(super) version: String,
    pub(super) online: bool,
    pub(super) seen: Option<String>,
    pub(super) evses: Vec<(String, State)>,
}

/// The page.
pub(super) async fn show(
    request: HttpRequest,
    house: web::Data<House>,
    doorway: web::Data<Doorway>,
    visitor: Visitor,
    query: web::Query<ListQuery>,
) -> Result<HttpResponse, PageError> {
    let live = Live::read(&house, &visitor, &query).await?;
    let state_choice = |state: OperatorState| Choice {
        value: state.as_str().to_owned(),
        label: State::of(state).label.to_owned(),
        chosen: query.state == state.as_str(),
    };
    let registrations = [
        (Registration::Accepted, "Accepted"),
        (Registration::Pending, "Waiting for approval"),
        (Registration::Rejected, "Rejected"),
    ];
    let registration_choice = |(registration, label): (Registration, &str)| Choice {
        value: registration.as_str().to_owned(),
        label: label.to_owned(),
        chosen: query.registration == registration.as_str(),
    };
    let page = StationsPage {
        shell: visitor.shell(&doorway, Nav::Stations),
        states: OperatorState::ALL.into_iter().map(state_choice).collect(),
        registrations: registrations.into_iter().map(registration_choice).collect(),
        locations: Places::read(&house, &visitor.caller.tenant).await?.choices(&query.location_id),
        text: query.text.clone(),
        filtered: [&query.state, &query.text, &query.location_id, &query.registration]
            .iter()
            .any(|text| !text.is_empty()),
        live_url: format!("/console/live/charging-stations?{}", request.query_string()),
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
    Ok(ok(&StationsPart { live: Live::read(&house, &visitor, &query).await? }))
}

impl Places {
    pub(super) async fn read(house: &House, tenant: &TenantId) -> Result<Self, StoreError> {
        let page = house.store.locations(tenant, &PageRequest::first(MAX_LIMIT)).await?;
        Ok(Self(page.items.into_iter().map(|location| (location.id, location.name.into())).collect()))
    }

    /// The address and the name of a location; its id where its name is not at hand.
    pub(super) fn link(&self, id: &LocationId) -> (String, String) {
        let name = self.0.get(id).cloned().unwrap_or_else(|| id.to_string());
        (format!("/locations/{}", path_segment(id.as_str())), name)
    }

    /// All of them as choices, by name.
    pub(super) fn choices(&self, chosen: &str) -> Vec<Choice> {
        let choice = |(id, name): (&LocationId, &String)| Choice {
            chosen: id.as_str() == chosen,
            value: id.to_string(),
            label: name.clone(),
        };
        let mut choices: Vec<_> = self.0.iter().map(choice).collect();
        choices.sort_by(|a, b| (&a.label, &a.value).cmp(&(&b.label, &b.value)));
        choices
    }
}

impl Live {
    async fn read(house: &House, visitor: &Visitor, query: &ListQuery) -> Result<Self, PageError> {
        let filter = StationFilter {
            location_id: LocationId::new(&query.location_id).ok(),
            registration: registration_named(&query.registration),
            online: None,
            text: Some(query.text.chars().take(TEXT_MAX_CHARS).collect::<String>())
                .filter(|text| !text.trim().is_empty()),
        };
        let state = OperatorState::ALL.into_iter().find(|state| state.as_str() == query.state);
        let request = PageRequest {
            after: Some(query.cursor.clone()).filter(|cursor| !cursor.is_empty()),
            limit: PAGE,
        };
        let page = service::page_in_state(house, &visitor.caller, &filter, state, &request).await?;
        let places = Places::read(house, &visitor.caller.tenant).await?;
        let now = clock::now();
        let here = |cursor: &str| format!("/charging-stations?{}", query.with_cursor(cursor));
        Ok(Self {
            stations: page.items.iter().map(|row| StationLine::of(row, &places, now)).collect(),
            first: (!query.cursor.is_empty()).then(|| here("")),
            next: page.next.map(|next| here(&next)),
        })
    }
}

impl ListQuery {
    fn with_cursor(&self, cursor: &str) -> String {
        let fields = [
            ("state", &*self.state),
            ("text", &*self.text),
            ("location_id", &*self.location_id),
            ("registration", &*self.registration),
            ("cursor", cursor),
        ];
        let given = fields.iter().filter(|(_, value)| !value.is_empty());
        given.map(|(name, value)| format!("{name}={}", path_segment(value))).collect::<Vec<_>>().join("&")
    }
}

impl StationLine {
    pub(super) fn of(row: &StationRow, places: &Places, now: Timestamp) -> Self {
        let station = &row.station;
        let make = [station.vendor.as_deref(), station.model.as_deref()];
        let location = station.location_id.as_ref().map(|id| places.link(id));
        Self {
            href: format!("/charging-stations/{}", path_segment(station.id.as_str())),
            id: station.id.to_string(),
            name: station.name.clone().map(Into::into),
            state: State::of(evses::state_of_station(row)),
            waits: station.registration == Registration::Pending,
            rejected: station.registration == Registration::Rejected,
            location,
            make: make.into_iter().flatten().collect::<Vec<_>>().join(" "),
            version: station.ocpp_version.as_deref().map(version_in_words).unwrap_or_default(),
            online: row.online,
            seen: station.last_seen_at.map(|at| ago(at, now)),
            evses: evses::of(row).iter().map(|evse| (evse.evse.to_string(), State::of(evse.state))).collect(),
        }
    }
}

/// `ocpp2.0.1` becomes `OCPP 2.0.1`.
pub(super) fn version_in_words(subprotocol: &str) -> String {
    subprotocol
        .strip_prefix("ocpp")
        .map_or_else(|| subprotocol.to_owned(), |version| format!("OCPP {version}"))
}

fn registration_named(name: &str) -> Option<Registration> {
    let all = [Registration::Accepted, Registration::Pending, Registration::Rejected];
    all.into_iter().find(|registration| registration.as_str() == name)
}
