//! Tariffs: what there is, and a simple form for a new one. Tariffs of several elements are made with the API.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use ringmain_domain::id::TariffId;
use ringmain_domain::money::Currency;
use ringmain_domain::tariff::{Dimension, PriceComponent, Tariff, TariffElement};
use ringmain_store::page::{MAX_LIMIT, PageRequest};
use serde::Deserialize;

use super::format::When;
use super::guard::Visitor;
use super::page::{Nav, PageError, Shell, html};
use super::station_actions::flaw_in_words;
use crate::api::fields::parse_amount;
use crate::clock;
use crate::house::House;
use crate::services::doorway::Doorway;
use crate::services::refusal::Refusal;
use crate::services::tariffs as service;

/// A new tariff, as typed; an empty price is none.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct TariffForm {
    #[serde(default)]
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    currency: String,
    #[serde(default)]
    energy: String,
    #[serde(default)]
    flat: String,
    #[serde(default)]
    time: String,
    #[serde(default)]
    parking_time: String,
    #[serde(default)]
    tax_percent: String,
}

#[derive(Template)]
#[template(path = "tariffs.html")]
struct TariffsPage {
    shell: Shell,
    tariffs: Vec<TariffLine>,
    more: bool,
    form: TariffForm,
    trouble: Vec<String>,
}

struct TariffLine {
    id: String,
    name: String,
    prices: Vec<Price>,
    updated: When,
}

struct Price {
    what: &'static str,
    price: String,
    tax: String,
    step: Option<String>,
    element: Option<usize>,
}

/// The page.
pub(super) async fn show(
    house: web::Data<House>,
    doorway: web::Data<Doorway>,
    visitor: Visitor,
) -> Result<HttpResponse, PageError> {
    let form = TariffForm { currency: "EUR".to_owned(), ..TariffForm::default() };
    page(&house, &doorway, &visitor, StatusCode::OK, form, Vec::new()).await
}

/// Makes a tariff.
pub(super) async fn create(
    house: web::Data<House>,
    doorway: web::Data<Doorway>,
    visitor: Visitor,
    form: web::Form<TariffForm>,
) -> Result<HttpResponse, PageError> {
    let trouble = match form.read(&visitor) {
        Err(trouble) => trouble,
        Ok(tariff) => match service::create(&house, &visitor.caller, &tariff).await {
            Ok(()) => {
                return Ok(visitor.go(
                    &doorway,
                    "/tariffs",
                    format!("Tariff \u{201c}{}\u{201d} was made.", tariff.name),
                ));
            }
            Err(Refusal::Invalid(flaws)) => {
                flaws.iter().map(|flaw| flaw_in_words(&flaw.pointer, &flaw.detail)).collect()
            }
            Err(Refusal::Conflict { reason }) => vec![String::from(reason)],
            Err(refusal) => return Err(refusal.into()),
        },
    };
    page(&house, &doorway, &visitor, StatusCode::UNPROCESSABLE_ENTITY, form.into_inner(), trouble).await
}

async fn page(
    house: &House,
    doorway: &Doorway,
    visitor: &Visitor,
    status: StatusCode,
    form: TariffForm,
    trouble: Vec<String>,
) -> Result<HttpResponse, PageError> {
    let page = house.store.tariffs(&visitor.caller.tenant, &PageRequest::first(MAX_LIMIT)).await?;
    let line = |tariff: Tariff| TariffLine {
        id: tariff.id.to_string(),
        prices: prices(&tariff),
        name: tariff.name.into(),
        updated: visitor.zone.when(tariff.updated_at),
    };
    let more = page.next.is_some();
    let tariffs = page.items.into_iter().map(line).collect();
    Ok(html(
        status,
        &TariffsPage { shell: visitor.shell(doorway, Nav::Tariffs), tariffs, more, form, trouble },
    ))
}

fn prices(tariff: &Tariff) -> Vec<Price> {
    let several = tariff.elements.len() > 1;
    let components = |(element, of): (usize, &TariffElement)| {
        let price = |component: &PriceComponent| {
            let (what, per, step_unit) = match component.dimension {
                Dimension::Flat => ("Session fee", "session", None),
                Dimension::Energy => ("Energy", "kWh", Some("Wh")),
                Dimension::Time => ("Charging time", "h", Some("s")),
                Dimension::ParkingTime => ("Parking time", "h", Some("s")),
            };
            let stepped = step_unit.filter(|_| component.step_size > 1);
            Price {
                what,
                price: format!("{} {}/{per}", component.price, tariff.currency),
                tax: component
                    .tax_percent
                    .map(|percent| format!("+ {} % tax", percent.normalize()))
                    .unwrap_or_default(),
                step: stepped.map(|unit| format!("in steps of {} {unit}", component.step_size)),
                element: several.then_some(element + 1),
            }
        };
        of.components.iter().map(price).collect::<Vec<_>>()
    };
    tariff.elements.iter().enumerate().flat_map(components).collect()
}

impl TariffForm {
    /// The tariff, or everything that is wrong with what was typed.
    fn read(&self, visitor: &Visitor) -> Result<Tariff, Vec<String>> {
        let mut trouble = Vec::new();
        let id = TariffId::new(self.id.trim()).map_err(|cause| trouble.push(format!("Id: {cause}"))).ok();
        let currency = Currency::new(self.currency.trim())
            .map_err(|cause| trouble.push(format!("Currency: {cause}")))
            .ok();
        let mut amount = |label: &str, text: &str| {
            let typed = Some(text.trim()).filter(|text| !text.is_empty());
            // People type a comma where they live with one.
            let read = typed.map(|text| parse_amount(&text.replace(',', "."))).transpose();
            read.map_err(|cause| trouble.push(format!("{label}: {cause}"))).ok().flatten()
        };
        let tax_percent = amount("Tax", &self.tax_percent);
        let fields = [
            (Dimension::Flat, "Session fee", &self.flat),
            (Dimension::Energy, "Energy", &self.energy),
            (Dimension::Time, "Charging time", &self.time),
            (Dimension::ParkingTime, "Parking time", &self.parking_time),
        ];
        let component = |(dimension, label, text): (Dimension, &str, &String)| {
            Some(PriceComponent { dimension, price: amount(label, text)?, tax_percent, step_size: 1 })
        };
        let components: Vec<_> = fields.into_iter().filter_map(component).collect();
        if components.is_empty() && trouble.is_empty() {
            trouble.push("At least one price is needed; 0 makes it free.".to_owned());
        }
        match (id, currency) {
            (Some(id), Some(currency)) if trouble.is_empty() => Ok(Tariff::new(
                visitor.caller.tenant.clone(),
                id,
                self.name.trim(),
                currency,
                vec![TariffElement::new(components)],
                clock::now(),
            )),
            _ => Err(trouble),
        }
    }
}
