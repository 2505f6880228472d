//! The load of a location: its tree of circuits with how full each limit is, every EVSE with its share and why, limits from outside,
//! alarms, and the last day of one circuit.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use ringmain_domain::access::Permission;
use ringmain_domain::id::{CircuitId, EvseId, LocationId, StationId};
use ringmain_domain::load::tree::EvseKey;
use ringmain_domain::location::Location;
use serde::Deserialize;

use super::format::path_segment;
use super::guard::Visitor;
use super::location::find;
use super::page::{Nav, PageError, Shell, ok};
use super::station_actions::flaw_in_words;
use crate::clock;
use crate::house::House;
use crate::services::doorway::Doorway;
use crate::services::refusal::Refusal;
use crate::services::site_load as service;

mod bars;
mod chart;
mod lines;

use self::chart::Chart;
use self::lines::{AlarmLine, CircuitLine, Lines, SignalLine, notes_in_words, signal_lines};

/// Latest alarms shown; the API has more.
const ALARMS_SHOWN: usize = 12;
/// A circuit with many sums of phasors has no more drawings than that.
const CHARTS_SHOWN: usize = 12;

#[derive(Template)]
#[template(path = "load.html")]
struct LoadPage {
    shell: Shell,
    location: String,
    location_href: String,
    circuits_href: String,
    ready_href: String,
    live_url: String,
    live: Live,
}

#[derive(Template)]
#[template(path = "load_live.html")]
struct LoadPart {
    live: Live,
}

struct Live {
    /// The page itself.
    path: String,
    circuits_href: String,
    api_path: String,
    has_tree: bool,
    is_managed: bool,
    may_command: bool,
    may_write: bool,
    form_token: String,
    circuits: Vec<CircuitLine>,
    /// So many are not on the page, because the site is large.
    hidden_circuits: usize,
    hidden_evses: usize,
    signals: Vec<SignalLine>,
    alarms: Vec<AlarmLine>,
    /// Whose history is shown.
    chosen: String,
    charts: Vec<Chart>,
}

/// Whose last day is shown; the grid connection's when absent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LoadQuery {
    circuit: Option<String>,
}

/// An EVSE was mended.
#[derive(Debug, Deserialize)]
pub(super) struct MendingForm {
    station: String,
    evse: String,
    #[serde(default)]
    note: String,
}

/// The page.
pub(super) async fn show(
    house: web::Data<House>,
    doorway: web::Data<Doorway>,
    visitor: Visitor,
    id: web::Path<LocationId>,
    query: web::Query<LoadQuery>,
) -> Result<HttpResponse, PageError> {
    let location = find(&house, &visitor, &id).await?;
    let live = Live::read(&house, &visitor, &location, &query).await?;
    let segment = path_segment(id.as_str());
    let chosen = query.circuit.as_deref().map(|id| format!("?circuit={}", path_segment(id)));
    let page = LoadPage {
        shell: visitor.shell(&doorway, Nav::Network),
        location: location.name.to_string(),
        location_href: format!("/locations/{segment}"),
        circuits_href: live.circuits_href.clone(),
        ready_href: super::ready::path_of(&id),
        live_url: format!("/console/live/locations/{segment}/load{}", chosen.unwrap_or_default()),
        live,
    };
    Ok(ok(&page))
}

/// The part of it that changes.
pub(super) async fn live(
    house: web::Data<House>,
    visitor: Visitor,
    id: web::Path<LocationId>,
    query: web::Query<LoadQuery>,
) -> Result<HttpResponse, PageError> {
    let location = find(&house, &visitor, &id).await?;
    Ok(ok(&LoadPart { live: Live::read(&house, &visitor, &location, &query).await? }))
}

/// Takes a person's word that an EVSE obeys again.
pub(super) async fn mend(
    request: HttpRequest,
    house: web::Data<House>,
    doorway: web::Data<Doorway>,
    visitor: Visitor,
    id: web::Path<LocationId>,
    form: web::Form<MendingForm>,
) -> Result<HttpResponse, PageError> {
    let (Ok(station), Ok(evse)) = (StationId::new(&form.station), form.evse.parse()) else {
        return Err(PageError::BadForm);
    };
    let key = EvseKey { station, evse: EvseId(evse) };
    let told = service::mend(&house, &visitor.caller, &id, (key.clone(), Some(form.note.trim()))).await;
    let notice = match told {
        Ok(()) => format!(
            "The site was told that EVSE {} of {} obeys again. It shows no more as deaf once that counts.",
            key.evse, key.station
        ),
        Err(Refusal::Invalid(flaws)) => {
            let flaws: Vec<_> = flaws.iter().map(|flaw| flaw_in_words(&flaw.pointer, &flaw.detail)).collect();
            format!("Nothing was changed. {}.", flaws.join("; "))
        }
        Err(Refusal::Conflict { reason }) => format!("Nothing was changed: {reason}."),
        Err(refusal) => return Err(refusal.into()),
    };
    let back = visitor.go(&doorway, &path_of(&id), notice);
    if request.headers().contains_key("hx-request") {
        // A script would follow the answer by itself and put a whole page into the form's place.
        return Ok(HttpResponse::Ok().insert_header(("HX-Redirect", path_of(&id))).finish());
    }
    Ok(back)
}

/// The address of the page.
pub(super) fn path_of(id: &LocationId) -> String {
    format!("/locations/{}/load", path_segment(id.as_str()))
}

// === impl Live ===

impl Live {
    async fn read(
        house: &House,
        visitor: &Visitor,
        location: &Location,
        query: &LoadQuery,
    ) -> Result<Self, PageError> {
        let (tenant, id) = (&visitor.caller.tenant, &location.id);
        let mut live = Self::empty(visitor, id);
        let Some(stored) = house.store.site_tree(tenant, id).await? else { return Ok(live) };
        let tree = stored.tree;
        let now = clock::now();
        let Some(chosen) = chosen(query, tree.circuits().iter().map(|circuit| &circuit.id)) else {
            return Ok(live);
        };
        let view = unless_gone(service::observe(house, &visitor.caller, id).await)?.flatten();
        let wanted = Some(chosen.clone());
        let past = service::history::read(house, &visitor.caller, id, wanted).await;
        let past = unless_gone(past)?.flatten().into_iter().flatten().flat_map(|circuit| circuit.rows);
        let past: Vec<_> = past.collect();
        live.has_tree = true;
        live.is_managed = view.is_some();
        live.signals = signal_lines(&tree, house.store.site_signals(tenant, id).await?, now, &visitor.zone);
        live.charts =
            past.iter().filter_map(|row| Chart::of(row, now, &visitor.zone)).take(CHARTS_SHOWN).collect();
        live.chosen = tree.circuit(&chosen).map(|circuit| circuit.label().to_owned()).unwrap_or_default();
        let mut notes =
            view.as_ref().map(|view| notes_in_words(&view.notes, &view.setpoints)).unwrap_or_default();
        let (circuits, evses, alarms) =
            view.map(|view| (view.circuits, view.evses, view.alarms)).unwrap_or_default();
        let alarm = |alarm| AlarmLine::of(alarm, &visitor.zone);
        live.alarms = alarms.into_iter().take(ALARMS_SHOWN).map(alarm).collect();
        let lines = Lines::of(&tree, circuits, evses, (tenant, now), (&live.path, &chosen));
        live.hidden_circuits = lines.hidden_circuits;
        live.hidden_evses = lines.hidden_evses;
        live.circuits = lines.circuits;
        for line in &mut live.circuits {
            line.notes = notes.remove(&line.circuit).unwrap_or_default();
        }
        Ok(live)
    }

    fn empty(visitor: &Visitor, id: &LocationId) -> Self {
        let segment = path_segment(id.as_str());
        Self {
            path: path_of(id),
            circuits_href: format!("/locations/{segment}/circuits"),
            api_path: format!("/api/v1/locations/{segment}/circuits"),
            has_tree: false,
            is_managed: false,
            may_command: visitor.caller.may(Permission::Command),
            may_write: visitor.caller.may(Permission::Write),
            form_token: visitor.form_token().to_owned(),
            circuits: Vec::new(),
            hidden_circuits: 0,
            hidden_evses: 0,
            signals: Vec::new(),
            alarms: Vec::new(),
            chosen: String::new(),
            charts: Vec::new(),
        }
    }
}

/// The circuit that was asked for, if it is there; the first otherwise.
fn chosen<'a>(
    query: &LoadQuery,
    mut circuits: impl Iterator<Item = &'a CircuitId> + Clone,
) -> Option<CircuitId> {
    let wanted = query.circuit.as_deref().and_then(|text| circuits.clone().find(|id| id.as_str() == text));
    wanted.or_else(|| circuits.next()).cloned()
}

/// Somebody may take the tree away while the page is being made: then there is nothing to show of it.
fn unless_gone<T>(read: Result<T, Refusal>) -> Result<Option<T>, PageError> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(Refusal::Absent { .. }) => Ok(None),
        Err(refusal) => Err(refusal.into()),
    }
}
