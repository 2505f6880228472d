//! The first page: the network at a glance.

use actix_web::{HttpResponse, web};
use askama::Template;
use ringmain_store::overview::LocationOverview;
use ringmain_store::page::PageRequest;
use ringmain_store::sessions::SessionFilter;

use super::format::{Count, Share, counts, energy, grouped, path_segment, shares};
use super::guard::Visitor;
use super::page::{Nav, PageError, Shell, ok};
use super::sessions::SessionLine;
use crate::clock;
use crate::house::House;
use crate::services::doorway::Doorway;

/// Latest sessions shown.
const SESSIONS_SHOWN: u32 = 12;
/// Locations shown, the busiest first; the rest is counted.
const LOCATIONS_SHOWN: usize = 100;

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    shell: Shell,
    live: Live,
}

#[derive(Template)]
#[template(path = "overview_live.html")]
struct OverviewPart {
    live: Live,
}

struct Live {
    stations: String,
    online: String,
    quarantined: u64,
    tiles: Vec<Count>,
    shares: Vec<Share>,
    sessions_active: String,
    sessions_today: String,
    energy_today: String,
    connected_percent: Option<u64>,
    locations: Vec<LocationLine>,
    locations_hidden: usize,
    sessions: Vec<SessionLine>,
}

struct LocationLine {
    href: String,
    name: String,
    place: String,
    stations: u64,
    online: u64,
    counts: Vec<Count>,
    shares: Vec<Share>,
    sessions_active: u64,
}

/// The page.
pub(super) async fn show(
    house: web::Data<House>,
    doorway: web::Data<Doorway>,
    visitor: Visitor,
) -> Result<HttpResponse, PageError> {
    let live = Live::read(&house, &visitor).await?;
    Ok(ok(&OverviewPage { shell: visitor.shell(&doorway, Nav::Network), live }))
}

/// The part of it that changes.
pub(super) async fn live(house: web::Data<House>, visitor: Visitor) -> Result<HttpResponse, PageError> {
    Ok(ok(&OverviewPart { live: Live::read(&house, &visitor).await? }))
}

impl Live {
    async fn read(house: &House, visitor: &Visitor) -> Result<Self, PageError> {
        let (tenant, now) = (&visitor.caller.tenant, clock::now());
        let overview = house.store.overview(tenant, now, visitor.zone.day_start(now)).await?;
        let request = PageRequest { after: None, limit: SESSIONS_SHOWN };
        let sessions = house.store.sessions(tenant, &SessionFilter::default(), &request).await?;
        let mut locations = overview.locations;
        locations.sort_by_key(|location| std::cmp::Reverse((location.sessions_active, location.stations)));
        let locations_hidden = locations.len().saturating_sub(LOCATIONS_SHOWN);
        let line = |session| SessionLine::of(session, &visitor.zone, now);
        Ok(Self {
            stations: grouped_count(overview.stations),
            online: grouped_count(overview.online),
            quarantined: overview.quarantined,
            tiles: counts(&overview.connectors),
            shares: shares(&overview.connectors),
            sessions_active: grouped_count(overview.sessions_active),
            sessions_today: grouped_count(overview.sessions_today),
            energy_today: energy(overview.energy_today_wh),
            connected_percent: overview.online.saturating_mul(100).checked_div(overview.stations),
            locations: locations.into_iter().take(LOCATIONS_SHOWN).map(LocationLine::of).collect(),
            locations_hidden,
            sessions: sessions.items.iter().map(line).collect(),
        })
    }
}

impl LocationLine {
    fn of(overview: LocationOverview) -> Self {
        let location = overview.location;
        Self {
            href: format!("/locations/{}", path_segment(location.id.as_str())),
            name: location.name.into(),
            place: format!("{}, {}", location.city, location.country),
            stations: overview.stations,
            online: overview.online,
            counts: counts(&overview.connectors).into_iter().filter(|count| count.count > 0).collect(),
            shares: shares(&overview.connectors),
            sessions_active: overview.sessions_active,
        }
    }
}

fn grouped_count(count: u64) -> String {
    grouped(i64::try_from(count).unwrap_or(i64::MAX))
}
