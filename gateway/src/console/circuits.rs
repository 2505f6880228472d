//! The tree of circuits of a location as a document: shown to all, changed by those who may, faults told with their places.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use ringmain_domain::id::LocationId;
use serde::Deserialize;

use super::format::{When, path_segment};
use super::guard::Visitor;
use super::page::{Nav, PageError, Shell, html};
use crate::api::circuits::document;
use crate::house::House;
use crate::services::circuits as service;
use crate::services::doorway::Doorway;
use crate::services::refusal::{Flaw, Refusal};

/// A small tree, to begin with.
const EXAMPLE: &str = r#"{
  "circuits": [
    {"id": "grid", "name": "Grid connection", "limit": {"line_ma": [63000, 63000, 63000]}, "design_load_ma": [10000, 10000, 10000]},
    {"id": "garage", "parent": "grid", "name": "Garage", "limit": {"line_ma": [32000, 32000, 32000]}}
  ],
  "evses": [
    {"charging_station_id": "CS-1", "evse_id": 1, "circuit_id": "garage", "voltage_v": 230, "lines": ["L1", "L2", "L3"],
     "min_ma": 6000, "max_ma": 32000, "step_ma": 1000, "rated_ma": 32000, "fallback_ma": 0}
  ]
}"#;

#[derive(Template)]
#[template(path = "circuits.html")]
struct CircuitsPage {
    shell: Shell,
    location: String,
    location_href: String,
    load_href: String,
    action: String,
    api_path: String,
    document: String,
    example: &'static str,
    updated: Option<When>,
    faults: Vec<Fault>,
}

/// Something wrong with what was typed.
struct Fault {
    /// A JSON pointer; none of the tree as a whole.
    place: Option<String>,
    detail: String,
}

/// A tree as it was typed.
#[derive(Debug, Deserialize)]
pub(super) struct TreeForm {
    document: String,
}

/// The page.
pub(super) async fn show(
    house: web::Data<House>,
    doorway: web::Data<Doorway>,
    visitor: Visitor,
    id: web::Path<LocationId>,
) -> Result<HttpResponse, PageError> {
    page(&house, &doorway, &visitor, &id, None).await
}

/// Draws the tree, or says what is wrong with it: nothing is kept then.
pub(super) async fn draw(
    house: web::Data<House>,
    doorway: web::Data<Doorway>,
    visitor: Visitor,
    id: web::Path<LocationId>,
    form: web::Form<TreeForm>,
) -> Result<HttpResponse, PageError> {
    let drawn = match document::read(&form.document) {
        Ok(parts) => service::put(&house, &visitor.caller, &id, parts).await,
        Err(flaws) => Err(Refusal::Invalid(flaws)),
    };
    match drawn {
        Ok(stored) => {
            let (circuits, evses) = (stored.tree.circuits().len(), stored.tree.evses().len());
            let counted = |count: usize, what: &str| {
                if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
            };
            let notice =
                format!("The tree is drawn: {}, {}.", counted(circuits, "circuit"), counted(evses, "EVSE"));
            Ok(visitor.go(&doorway, &super::load::path_of(&id), notice))
        }
        Err(Refusal::Invalid(flaws)) => {
            let faults = flaws.into_iter().map(Fault::from).collect();
            page(&house, &doorway, &visitor, &id, Some((form.into_inner().document, faults))).await
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// `typed` is what could not be taken, and why.
async fn page(
    house: &House,
    doorway: &Doorway,
    visitor: &Visitor,
    id: &LocationId,
    typed: Option<(String, Vec<Fault>)>,
) -> Result<HttpResponse, PageError> {
    let location = super::location::find(house, visitor, id).await?;
    let stored = house.store.site_tree(&visitor.caller.tenant, id).await?;
    let segment = path_segment(id.as_str());
    let (status, document, faults) = match typed {
        Some((document, faults)) => (StatusCode::UNPROCESSABLE_ENTITY, document, faults),
        None => {
            let written = stored.as_ref().map(|stored| document::write(&stored.tree));
            (StatusCode::OK, written.unwrap_or_default(), Vec::new())
        }
    };
    let page = CircuitsPage {
        shell: visitor.shell(doorway, Nav::Network),
        location: location.name.to_string(),
        location_href: format!("/locations/{segment}"),
        load_href: super::load::path_of(id),
        action: format!("/locations/{segment}/circuits"),
        api_path: format!("/api/v1/locations/{segment}/circuits"),
        document,
        example: EXAMPLE,
        updated: stored.map(|stored| visitor.zone.when(stored.updated_at)),
        faults,
    };
    Ok(html(status, &page))
}

impl From<Flaw> for Fault {
    fn from(flaw: Flaw) -> Self {
        let place = Some(flaw.pointer.into_owned()).filter(|place| !place.is_empty());
        Self { place, detail: flaw.detail }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringmain_domain::load::tree::SiteTree;

    #[test]
    fn the_example_is_a_tree() {
        let (circuits, evses) = document::read(EXAMPLE).unwrap();
        assert_eq!(SiteTree::new(circuits, evses).unwrap().evses().len(), 1);
    }
}
