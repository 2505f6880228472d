//! One tariff: what it says in words, its versions, where it applies, what a session would cost by it, and the form to change it.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use ringmain_domain::id::{AssignmentId, TariffId};
use ringmain_store::page::PageRequest;
use serde::Deserialize;

use super::format::{When, path_segment};
use super::guard::Visitor;
use super::page::{Nav, PageError, Shell, html};
use super::stations::{Choice, Places};
use super::tariffs::{assignments, trouble};
use crate::api::tariffs::document;
use crate::house::House;
use crate::services::doorway::Doorway;
use crate::services::tariff_assignments;
use crate::services::tariffs::{self as service, Version};

pub(super) mod assignment;
pub(super) mod form;
mod simulation;
pub(super) mod words;

use self::assignment::{AssignmentForm, AssignmentLine};
use self::form::TariffForm;
use self::simulation::{Simulation, SimulationQuery};
use self::words::Structure;

/// Versions shown, the latest; the API gives all.
const VERSIONS_SHOWN: u32 = 20;

#[derive(Template)]
#[template(path = "tariff.html")]
struct TariffPage {
    shell: Shell,
    id: String,
    name: String,
    path: String,
    is_default: bool,
    updated: When,
    structure: Structure,
    simulation: Simulation,
    versions: Vec<VersionLine>,
    more_versions: bool,
    assignments: Vec<AssignmentLine>,
    assignment: AssignmentForm,
    locations: Vec<Choice>,
    form: Option<TariffForm>,
    form_action: String,
    form_new: bool,
    document: String,
    /// The form for changes is open, because something is wrong with what was typed there.
    editing: bool,
    trouble: Vec<String>,
}

struct VersionLine {
    from: When,
    changed_by: Option<String>,
    structure: Structure,
}

/// Names the assignment to remove.
#[derive(Debug, Deserialize)]
pub(super) struct RemovalForm {
    assignment_id: AssignmentId,
}

/// What was typed and could not be taken.
#[derive(Default)]
struct Typed {
    tariff: Option<TariffForm>,
    assignment: AssignmentForm,
    trouble: Vec<String>,
}

/// The page.
pub(super) async fn show(
    house: web::Data<House>,
    doorway: web::Data<Doorway>,
    visitor: Visitor,
    id: web::Path<TariffId>,
    query: web::Query<SimulationQuery>,
) -> Result<HttpResponse, PageError> {
    page(&house, &doorway, &visitor, &id, &query, Typed::default()).await
}

/// Replaces the tariff: a new version.
pub(super) async fn replace(
    house: web::Data<House>,
    doorway: web::Data<Doorway>,
    visitor: Visitor,
    id: web::Path<TariffId>,
    form: web::Form<TariffForm>,
) -> Result<HttpResponse, PageError> {
    find(&house, &visitor, &id).await?;
    let trouble = match form.read(Some(&id), &visitor) {
        Err(trouble) => trouble,
        Ok(tariff) => match service::put(&house, &visitor.caller, &tariff).await {
            Ok(_put) => {
                let notice = "The tariff has a new version. What was charged before keeps its price.";
                return Ok(visitor.go(&doorway, &path_of(&id), notice));
            }
            Err(refusal) => trouble(refusal)?,
        },
    };
    let typed = Typed { tariff: Some(form.into_inner()), trouble, ..Typed::default() };
    page(&house, &doorway, &visitor, &id, &SimulationQuery::default(), typed).await
}

/// Removes the tariff.
pub(super) async fn remove(
    house: web::Data<House>,
    doorway: web::Data<Doorway>,
    visitor: Visitor,
    id: web::Path<TariffId>,
) -> Result<HttpResponse, PageError> {
    match service::remove(&house, &visitor.caller, &id).await {
        Ok(()) => Ok(visitor.go(&doorway, "/tariffs", format!("Tariff {} was removed.", *id))),
        Err(refusal) => {
            let typed = Typed { trouble: trouble(refusal)?, ..Typed::default() };
            page(&house, &doorway, &visitor, &id, &SimulationQuery::default(), typed).await
        }
    }
}

/// Says where the tariff applies.
pub(super) async fn assign(
    house: web::Data<House>,
    doorway: web::Data<Doorway>,
    visitor: Visitor,
    id: web::Path<TariffId>,
    form: web::Form<AssignmentForm>,
) -> Result<HttpResponse, PageError> {
    find(&house, &visitor, &id).await?;
    let trouble = match form.read(&id, &visitor) {
        Err(trouble) => trouble,
        Ok(assignment) => match tariff_assignments::put(&house, &visitor.caller, &assignment).await {
            Ok(_put) => {
                let notice = "The tariff applies there from the next session on.";
                return Ok(visitor.go(&doorway, &path_of(&id), notice));
            }
            Err(refusal) => trouble(refusal)?,
        },
    };
    let typed = Typed { assignment: form.into_inner(), trouble, ..Typed::default() };
    page(&house, &doorway, &visitor, &id, &SimulationQuery::default(), typed).await
}

/// The tariff applies there no longer.
pub(super) async fn unassign(
    house: web::Data<House>,
    doorway: web::Data<Doorway>,
    visitor: Visitor,
    id: web::Path<TariffId>,
    form: web::Form<RemovalForm>,
) -> Result<HttpResponse, PageError> {
    let found = house.store.tariff_assignment(&visitor.caller.tenant, &form.assignment_id).await?;
    if found.is_none_or(|assignment| assignment.tariff != *id) {
        return Err(PageError::Absent("there is no such assignment".to_owned()));
    }
    tariff_assignments::remove(&house, &visitor.caller, &form.assignment_id).await?;
    Ok(visitor.go(&doorway, &path_of(&id), "The assignment was removed."))
}

async fn find(
    house: &House,
    visitor: &Visitor,
    id: &TariffId,
) -> Result<ringmain_domain::tariff::Tariff, PageError> {
    let found = house.store.tariff(&visitor.caller.tenant, id).await?;
    found.ok_or_else(|| PageError::Absent(format!("there is no tariff {id}")))
}

fn path_of(id: &TariffId) -> String {
    format!("/tariffs/{}", path_segment(id.as_str()))
}

async fn page(
    house: &House,
    doorway: &Doorway,
    visitor: &Visitor,
    id: &TariffId,
    query: &SimulationQuery,
    typed: Typed,
) -> Result<HttpResponse, PageError> {
    let (tenant, zone) = (&visitor.caller.tenant, &visitor.zone);
    let tariff = find(house, visitor, id).await?;
    let versions = service::versions(house, &visitor.caller, id, &PageRequest::first(VERSIONS_SHOWN)).await?;
    let places = Places::read(house, tenant).await?;
    let mine = assignments(&house.store, tenant).await?.into_iter().filter(|one| one.tariff == *id);
    let mine = mine.map(|one| AssignmentLine::of(one, &places, zone)).collect();
    let simulation = Simulation::of(house, visitor, id, query).await?;
    let status = if typed.trouble.is_empty() && simulation.trouble.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    let editing = typed.tariff.is_some();
    let written = document::write(tariff.clone());
    let (form, document) = match typed.tariff {
        Some(form) if !form.document.trim().is_empty() => {
            (TariffForm::of(&tariff, visitor), form.document.clone())
        }
        Some(form) => (Some(form), written),
        None => (TariffForm::of(&tariff, visitor), written),
    };
    let page = TariffPage {
        shell: visitor.shell(doorway, Nav::Tariffs),
        id: id.to_string(),
        path: path_of(id),
        is_default: house.config.stations.default_tariff.as_ref() == Some(id),
        updated: zone.when(tariff.updated_at),
        structure: Structure::of(&tariff, zone),
        name: tariff.name.into(),
        simulation,
        more_versions: versions.next.is_some(),
        versions: versions.items.iter().map(|version| VersionLine::of(version, visitor)).collect(),
        assignments: mine,
        locations: places.choices(&typed.assignment.location_id),
        assignment: typed.assignment,
        form,
        form_action: path_of(id),
        form_new: false,
        document,
        editing,
        trouble: typed.trouble,
    };
    Ok(html(status, &page))
}

// === impl VersionLine ===

impl VersionLine {
    fn of(version: &Version, visitor: &Visitor) -> Self {
        Self {
            from: visitor.zone.exact(version.from),
            changed_by: version.changed_by.as_deref().map(str::to_owned),
            structure: Structure::of(&version.tariff, &visitor.zone),
        }
    }
}
