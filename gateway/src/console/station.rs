//! One charging station: what it is, what its EVSEs do, which sessions go on, what it said, and what can be asked of it.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use ringmain_domain::command::CommandOutcome;
use ringmain_domain::id::StationId;
use ringmain_domain::location::ChargingStation;
use ringmain_domain::reply::Registration;
use ringmain_domain::session::{Session, SessionStatus};
use ringmain_domain::time::Timestamp;
use ringmain_store::back_offs::ToldBackOff;
use ringmain_store::messages::RecordedMessage;
use ringmain_store::page::{MAX_LIMIT, PageRequest};
use ringmain_store::sessions::SessionFilter;
use ringmain_store::stations::StationRow;
use serde_json::Value;

use super::format::{
    State, When, Zone, ago, duration, energy, money, path_segment, power, session_length, words,
};
use super::guard::Visitor;
use super::hardware::HardwareCard;
use super::page::{Nav, PageError, Shell, html, ok};
use super::stations::{Choice, Places, version_in_words};
use crate::clock;
use crate::house::House;
use crate::services::doorway::Doorway;
use crate::services::duplicates;
use crate::services::evses::{self, EvseView};
use crate::services::nodes;
use crate::services::stations as service;

/// Recorded frames shown.
const MESSAGES_SHOWN: u32 = 50;
/// Known tokens offered for a remote start.
const TOKENS_OFFERED: u32 = 100;

#[derive(Template)]
#[template(path = "station.html")]
struct StationPage {
    shell: Shell,
    id: String,
    name: Option<String>,
    place: Option<(String, String)>,
    path: String,
    live_url: String,
    messages_url: String,
    feed_url: String,
    facts: Vec<(&'static str, String)>,
    maintenance: bool,
    max_power_w: Option<u32>,
    hardware: HardwareCard,
    evses: Vec<String>,
    tokens: Vec<Choice>,
    locations: Vec<Choice>,
    tariffs: Vec<Choice>,
    trouble: Vec<String>,
    live: Live,
    log: Log,
}

#[derive(Template)]
#[template(path = "station_live.html")]
struct StationPart {
    live: Live,
}

#[derive(Template)]
#[template(path = "station_messages.html")]
struct MessagesPart {
    log: Log,
}

struct Live {
    path: String,
    form_token: String,
    may_write: bool,
    may_command: bool,
    state: State,
    online: bool,
    /// The node that has its connection, and the connection's number.
    place: Option<(String, i64)>,
    waits: bool,
    rejected: bool,
    /// A second one comes under its identity.
    duplicate: Option<Duplicate>,
    seen: Option<String>,
    evses: Vec<EvseLine>,
    sessions: Vec<OpenSession>,
}

struct Duplicate {
    source: String,
    last: String,
    needs_a_person: bool,
    admitted: Option<Admitted>,
}

/// A newcomer that is let in when it comes.
struct Admitted {
    source: String,
    within: String,
}

struct EvseLine {
    evse: String,
    connectors: Vec<ConnectorLine>,
}

struct ConnectorLine {
    connector: String,
    state: State,
    status: String,
    fault: Option<String>,
    since: When,
    since_ago: String,
}

struct OpenSession {
    href: String,
    transaction: String,
    evse: String,
    token: String,
    length: String,
    energy: String,
    power: Option<String>,
    soc: Option<i64>,
    cost: Option<String>,
}

struct Log {
    messages: Vec<MessageLine>,
}

struct MessageLine {
    at: When,
    inbound: bool,
    kind: String,
    action: String,
    frame: String,
}

/// The page.
pub(super) async fn show(
    house: web::Data<House>,
    doorway: web::Data<Doorway>,
    visitor: Visitor,
    id: web::Path<StationId>,
) -> Result<HttpResponse, PageError> {
    page(&house, &doorway, &visitor, &id, StatusCode::OK, Vec::new()).await
}

/// The page, with what is wrong with a form that was sent from it.
pub(super) async fn page(
    house: &House,
    doorway: &Doorway,
    visitor: &Visitor,
    id: &StationId,
    status: StatusCode,
    trouble: Vec<String>,
) -> Result<HttpResponse, PageError> {
    let row = service::row(house, &visitor.caller, id).await?;
    let station = &row.station;
    let tenant = &visitor.caller.tenant;
    let path = format!("/charging-stations/{}", path_segment(id.as_str()));
    let tokens = house.store.tokens(tenant, &PageRequest::first(TOKENS_OFFERED)).await?;
    let offered = tokens.items.into_iter().filter(|token| !token.blocked).map(|token| Choice {
        value: token.uid.to_string(),
        label: token.label.map(Into::into).unwrap_or_default(),
        chosen: false,
    });
    let chosen = station.tariff_id.as_ref();
    let tariffs = house.store.tariffs(tenant, &PageRequest::first(MAX_LIMIT)).await?;
    let tariff_choice = |tariff: ringmain_domain::tariff::Tariff| Choice {
        chosen: chosen == Some(&tariff.id),
        value: tariff.id.to_string(),
        label: tariff.name.into(),
    };
    let location = station.location_id.as_ref().map(|id| id.as_str()).unwrap_or_default();
    let places = Places::read(house, tenant).await?;
    let back_off = house.store.back_off(tenant, id).await?;
    let described = house.store.station_hardware(tenant, id).await?.map(|(described, _)| described);
    let page = StationPage {
        shell: visitor.shell(doorway, Nav::Stations),
        id: id.to_string(),
        name: station.name.clone().map(Into::into),
        place: station.location_id.as_ref().map(|id| places.link(id)),
        live_url: format!("/console/live{path}"),
        messages_url: format!("/console/live/messages/{}", path_segment(id.as_str())),
        feed_url: format!("/console/events?charging_station_id={}", path_segment(id.as_str())),
        path,
        facts: facts(station, back_off, &visitor.zone),
        maintenance: station.maintenance,
        max_power_w: station.max_power_w,
        hardware: HardwareCard::of(&row, &described.unwrap_or_default()),
        evses: evses::of(&row).iter().map(|evse| evse.evse.to_string()).collect(),
        tokens: offered.collect(),
        locations: places.choices(location),
        tariffs: tariffs.items.into_iter().map(tariff_choice).collect(),
        trouble,
        live: Live::read(house, visitor, &row).await?,
        log: Log::read(house, visitor, id).await?,
    };
    Ok(html(status, &page))
}

/// The part of it that changes.
pub(super) async fn live(
    house: web::Data<House>,
    visitor: Visitor,
    id: web::Path<StationId>,
) -> Result<HttpResponse, PageError> {
    let row = service::row(&house, &visitor.caller, &id).await?;
    Ok(ok(&StationPart { live: Live::read(&house, &visitor, &row).await? }))
}

/// What was said lately.
pub(super) async fn messages(
    house: web::Data<House>,
    visitor: Visitor,
    id: web::Path<StationId>,
) -> Result<HttpResponse, PageError> {
    service::own(&house, &visitor.caller, &id).await?;
    Ok(ok(&MessagesPart { log: Log::read(&house, &visitor, &id).await? }))
}

fn facts(
    station: &ChargingStation,
    back_off: Option<ToldBackOff>,
    zone: &Zone,
) -> Vec<(&'static str, String)> {
    let text = |text: &Option<Box<str>>| text.as_ref().map(ToString::to_string);
    let at = |at: Option<Timestamp>| at.map(|at| zone.when(at).text);
    let all = [
        ("Vendor", text(&station.vendor)),
        ("Model", text(&station.model)),
        ("Serial number", text(&station.serial)),
        ("Firmware", text(&station.firmware)),
        ("Protocol", station.ocpp_version.as_deref().map(version_in_words)),
        ("Tariff", station.tariff_id.as_ref().map(ToString::to_string)),
        ("Power of an EVSE", station.max_power_w.map(|watts| power(i64::from(watts)))),
        (
            "Waits after a loss",
            back_off.map(|told| {
                if &*told.answer == "accepted" {
                    told.told.into()
                } else if *told.answer == *CommandOutcome::TimeoutUnknown.as_str() {
                    "by its own settings, it did not answer to ours".into()
                } else {
                    format!("by its own settings, ours were refused ({})", told.answer)
                }
            }),
        ),
        ("Last boot", at(station.booted_at)),
        ("First known", at(Some(station.created_at))),
    ];
    all.into_iter().map(|(name, value)| (name, value.unwrap_or_else(|| "\u{2013}".to_owned()))).collect()
}

impl Live {
    async fn read(house: &House, visitor: &Visitor, row: &StationRow) -> Result<Self, PageError> {
        let now = clock::now();
        let station = &row.station;
        let filter = SessionFilter {
            station: Some(station.id.clone()),
            status: Some(SessionStatus::Active),
            ..SessionFilter::default()
        };
        let sessions =
            house.store.sessions(&visitor.caller.tenant, &filter, &PageRequest::first(MAX_LIMIT)).await?;
        Ok(Self {
            path: format!("/charging-stations/{}", path_segment(station.id.as_str())),
            form_token: visitor.form_token().to_owned(),
            may_write: visitor.caller.may(ringmain_domain::access::Permission::Write),
            may_command: visitor.caller.may(ringmain_domain::access::Permission::Command),
            state: State::of(evses::state_of_station(row)),
            online: row.online,
            place: place_of(house, station).await?,
            waits: station.registration == Registration::Pending,
            rejected: station.registration == Registration::Rejected,
            duplicate: Duplicate::read(house, visitor, &station.id, now).await?,
            seen: station.last_seen_at.map(|at| ago(at, now)),
            evses: evses::of(row).into_iter().map(|evse| EvseLine::of(evse, &visitor.zone, now)).collect(),
            sessions: sessions.items.iter().map(|session| OpenSession::of(session, now)).collect(),
        })
    }
}

/// Where its connection is; nothing is said where there is one node only.
async fn place_of(house: &House, station: &ChargingStation) -> Result<Option<(String, i64)>, PageError> {
    if house.cluster.links().is_none() {
        return Ok(None);
    }
    let place = nodes::places(house, std::slice::from_ref(&station.id)).await?.remove(&station.id);
    Ok(place.map(|place| (place.name, place.epoch.0)))
}

impl Duplicate {
    async fn read(
        house: &House,
        visitor: &Visitor,
        station: &StationId,
        now: Timestamp,
    ) -> Result<Option<Self>, PageError> {
        let known = duplicates::of(house, &visitor.caller, station).await?;
        Ok(known.map(|known| Self {
            last: ago(known.duplicates.last_at(), now),
            source: known.duplicates.source.into(),
            needs_a_person: known.duplicates.needs_a_person,
            admitted: known.admit_until.zip(known.admit_source).map(|(until, source)| Admitted {
                source: source.into(),
                within: duration(until.millis_since(now)),
            }),
        }))
    }
}

impl EvseLine {
    fn of(view: EvseView, zone: &Zone, now: Timestamp) -> Self {
        let connectors = view.connectors.into_iter().map(|connector| ConnectorLine {
            connector: connector.connector.to_string(),
            state: State::of(connector.state),
            status: words(connector.status.as_str()),
            fault: connector.fault.map(|fault| {
                let parts = [Some(fault.code), fault.text, fault.vendor_code];
                parts.into_iter().flatten().map(String::from).collect::<Vec<_>>().join(" \u{b7} ")
            }),
            since: zone.exact(connector.since),
            since_ago: ago(connector.since, now),
        });
        Self { evse: view.evse.to_string(), connectors: connectors.collect() }
    }
}

impl OpenSession {
    fn of(session: &Session, now: Timestamp) -> Self {
        Self {
            href: format!("/sessions/{}", session.id),
            transaction: session.transaction.to_string(),
            evse: session.evse.map(|evse| evse.to_string()).unwrap_or_default(),
            token: session.token.as_ref().map(|token| token.uid.to_string()).unwrap_or_default(),
            length: session_length(session, now),
            energy: energy(session.energy.0),
            power: session.power_w.map(power),
            soc: session.soc_permille.map(|soc| soc / 10),
            cost: money(session.currency, session.cost),
        }
    }
}

impl Log {
    async fn read(house: &House, visitor: &Visitor, id: &StationId) -> Result<Self, PageError> {
        let page = house.store.messages(id, &PageRequest::first(MESSAGES_SHOWN)).await?;
        let line = |message: RecordedMessage| MessageLine {
            at: visitor.zone.exact(message.at),
            inbound: message.inbound,
            kind: words(&message.kind),
            action: message.action.map(Into::into).unwrap_or_default(),
            frame: pretty(&message.frame),
        };
        Ok(Self { messages: page.items.into_iter().map(line).collect() })
    }
}

/// JSON with line breaks; anything else as it is.
fn pretty(frame: &str) -> String {
    let parsed = serde_json::from_str::<Value>(frame);
    parsed.and_then(|value| serde_json::to_string_pretty(&value)).unwrap_or_else(|_no_json| frame.to_owned())
}
