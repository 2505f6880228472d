//! Tariffs: what there is, in words, and a form for a new one.

use std::collections::HashMap;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use ringmain_domain::id::{TariffId, TenantId};
use ringmain_domain::tariff::Tariff;
use ringmain_domain::tariff::assignment::TariffAssignment;
use ringmain_store::page::{MAX_LIMIT, PageRequest};
use ringmain_store::store::{Store, StoreError};

use super::format::{When, path_segment};
use super::guard::Visitor;
use super::page::{Nav, PageError, Shell, html};
use super::station_actions::flaw_in_words;
use super::tariff::form::TariffForm;
use super::tariff::words::Structure;
use crate::house::House;
use crate::services::doorway::Doorway;
use crate::services::refusal::Refusal;
use crate::services::tariffs as service;

#[derive(Template)]
#[template(path = "tariffs.html")]
struct TariffsPage {
    shell: Shell,
    tariffs: Vec<TariffLine>,
    more: bool,
    form: Option<TariffForm>,
    form_action: &'static str,
    form_new: bool,
    document: String,
    trouble: Vec<String>,
}

struct TariffLine {
    id: String,
    href: String,
    name: String,
    structure: Structure,
    assigned: usize,
    updated: When,
}

/// The page.
pub(super) async fn show(
    house: web::Data<House>,
    doorway: web::Data<Doorway>,
    visitor: Visitor,
) -> Result<HttpResponse, PageError> {
    page(&house, &doorway, &visitor, StatusCode::OK, TariffForm::blank(), Vec::new()).await
}

/// Makes a tariff.
pub(super) async fn create(
    house: web::Data<House>,
    doorway: web::Data<Doorway>,
    visitor: Visitor,
    form: web::Form<TariffForm>,
) -> Result<HttpResponse, PageError> {
    let trouble = match form.read(None, &visitor) {
        Err(trouble) => trouble,
        Ok(tariff) => match service::create(&house, &visitor.caller, &tariff).await {
            Ok(()) => {
                let to = format!("/tariffs/{}", path_segment(tariff.id.as_str()));
                return Ok(visitor.go(
                    &doorway,
                    &to,
                    format!("Tariff \u{201c}{}\u{201d} was made.", tariff.name),
                ));
            }
            Err(refusal) => trouble(refusal)?,
        },
    };
    page(&house, &doorway, &visitor, StatusCode::UNPROCESSABLE_ENTITY, form.into_inner(), trouble).await
}

/// What is to be mended in a form; what cannot be is the page's.
pub(super) fn trouble(refusal: Refusal) -> Result<Vec<String>, PageError> {
    match refusal {
        Refusal::Invalid(flaws) => {
            Ok(flaws.iter().map(|flaw| flaw_in_words(&flaw.pointer, &flaw.detail)).collect())
        }
        Refusal::Conflict { reason } => Ok(vec![String::from(reason)]),
        other => Err(other.into()),
    }
}

/// All assignments of a tenant: there are at most 2,000.
pub(super) async fn assignments(
    store: &Store,
    tenant: &TenantId,
) -> Result<Vec<TariffAssignment>, StoreError> {
    let (mut all, mut request) = (Vec::new(), PageRequest::first(MAX_LIMIT));
    loop {
        let page = store.tariff_assignments(tenant, &request).await?;
        all.extend(page.items);
        let Some(next) = page.next else { return Ok(all) };
        request.after = Some(next);
    }
}

async fn page(
    house: &House,
    doorway: &Doorway,
    visitor: &Visitor,
    status: StatusCode,
    mut form: TariffForm,
    trouble: Vec<String>,
) -> Result<HttpResponse, PageError> {
    let tenant = &visitor.caller.tenant;
    let page = house.store.tariffs(tenant, &PageRequest::first(MAX_LIMIT)).await?;
    let mut assigned: HashMap<TariffId, usize> = HashMap::new();
    for assignment in assignments(&house.store, tenant).await? {
        *assigned.entry(assignment.tariff).or_default() += 1;
    }
    let line = |tariff: Tariff| TariffLine {
        href: format!("/tariffs/{}", path_segment(tariff.id.as_str())),
        structure: Structure::of(&tariff, &visitor.zone),
        assigned: assigned.get(&tariff.id).copied().unwrap_or_default(),
        updated: visitor.zone.when(tariff.updated_at),
        id: tariff.id.to_string(),
        name: tariff.name.into(),
    };
    let page = TariffsPage {
        shell: visitor.shell(doorway, Nav::Tariffs),
        more: page.next.is_some(),
        tariffs: page.items.into_iter().map(line).collect(),
        form_action: "/tariffs",
        form_new: true,
        document: std::mem::take(&mut form.document),
        form: Some(form),
        trouble,
    };
    Ok(html(status, &page))
}
