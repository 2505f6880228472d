//! One location: where it is, what its EVSEs do, which stations stand there.

use actix_web::{HttpResponse, web};
use askama::Template;
use ringmain_domain::id::LocationId;
use ringmain_domain::location::{Location, OperatorState};
use ringmain_store::page::{MAX_LIMIT, PageRequest};
use ringmain_store::sessions::SessionFilter;
use ringmain_store::stations::StationFilter;

use super::format::{Count, Share, counts, path_segment, shares};
use super::guard::Visitor;
use super::page::{Nav, PageError, Shell, ok};
use super::sessions::SessionLine;
use super::stations::{Places, StationLine};
use crate::clock;
use crate::house::House;
use crate::services::doorway::Doorway;
use crate::services::evses;

/// Latest sessions shown.
const SESSIONS_SHOWN: u32 = 12;

#[derive(Template)]
#[template(path = "location.html")]
struct LocationPage {
    shell: Shell,
    name: String,
    address: String,
    facts: Vec<(&'static str, String)>,
    load_href: String,
    ready_href: String,
    live_url: String,
    live: Live,
}

#[derive(Template)]
#[template(path = "location_live.html")]
struct LocationPart {
    live: Live,
}

struct Live {
    id: String,
    tiles_query: String,
    tiles: Vec<Count>,
    shares: Vec<Share>,
    stations: Vec<StationLine>,
    /// There are more stations than are shown.
    more: bool,
    sessions: Vec<SessionLine>,
}

/// The page.
pub(super) async fn show(
    house: web::Data<House>,
    doorway: web::Data<Doorway>,
    visitor: Visitor,
    id: web::Path<LocationId>,
) -> Result<HttpResponse, PageError> {
    let location = find(&house, &visitor, &id).await?;
    let live = Live::read(&house, &visitor, &id).await?;
    let postal_code = location.postal_code.as_deref().map(|code| format!("{code} ")).unwrap_or_default();
    let page = LocationPage {
        shell: visitor.shell(&doorway, Nav::Network),
        name: location.name.to_string(),
        address: format!("{}, {postal_code}{}, {}", location.address, location.city, location.country),
        facts: vec![
            ("Id", location.id.to_string()),
            ("Coordinates", format!("{}, {}", location.latitude, location.longitude)),
            ("Time zone", location.time_zone.to_string()),
            ("Last changed", visitor.zone.when(location.updated_at).text),
        ],
        load_href: super::load::path_of(&id),
        ready_href: super::ready::path_of(&id),
        live_url: format!("/console/live/locations/{}", path_segment(id.as_str())),
        live,
    };
    Ok(ok(&page))
}

/// The part of it that changes.
pub(super) async fn live(
    house: web::Data<House>,
    visitor: Visitor,
    id: web::Path<LocationId>,
) -> Result<HttpResponse, PageError> {
    find(&house, &visitor, &id).await?;
    Ok(ok(&LocationPart { live: Live::read(&house, &visitor, &id).await? }))
}

/// A location of the visitor's own.
pub(super) async fn find(house: &House, visitor: &Visitor, id: &LocationId) -> Result<Location, PageError> {
    let found = house.store.location(&visitor.caller.tenant, id).await?;
    found.ok_or_else(|| PageError::Absent(format!("there is no location \u{201c}{id}\u{201d}")))
}

impl Live {
    async fn read(house: &House, visitor: &Visitor, id: &LocationId) -> Result<Self, PageError> {
        let (tenant, now) = (&visitor.caller.tenant, clock::now());
        let places = Places::read(house, tenant).await?;
        let filter = StationFilter { location_id: Some(id.clone()), ..StationFilter::default() };
        let page = house.store.stations(tenant, &filter, &PageRequest::first(MAX_LIMIT)).await?;
        let mut connectors = [0_u64; 6];
        for evse in page.items.iter().flat_map(evses::of) {
            let slot = OperatorState::ALL.iter().position(|state| *state == evse.state);
            if let Some(count) = slot.and_then(|slot| connectors.get_mut(slot)) {
                *count += 1;
            }
        }
        let filter = SessionFilter { location_id: Some(id.clone()), ..SessionFilter::default() };
        let sessions = house.store.sessions(tenant, &filter, &PageRequest::first(SESSIONS_SHOWN)).await?;
        Ok(Self {
            id: path_segment(id.as_str()),
            tiles_query: format!("&location_id={}", path_segment(id.as_str())),
            tiles: counts(&connectors),
            shares: shares(&connectors),
            stations: page.items.iter().map(|row| StationLine::of(row, &places, now)).collect(),
            more: page.next.is_some(),
            sessions: sessions
                .items
                .iter()
                .map(|session| SessionLine::of(session, &visitor.zone, now))
                .collect(),
        })
    }
}
