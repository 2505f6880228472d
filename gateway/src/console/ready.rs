//! Ready by: which cars of a location will have what they asked for, the most urgent first; and what if there were more of them, another
//! limit, no sun. The question stands in the address: it changes nothing.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use ringmain_domain::id::LocationId;
use ringmain_domain::load::forecast::Forecast;
use ringmain_domain::load::forecast::what_if::{LIMIT_MAX_PERCENT, VEHICLES_MAX};

use super::format::{When, path_segment};
use super::guard::Visitor;
use super::location::find;
use super::page::{Nav, PageError, Shell, html};
use super::station_actions::flaw_in_words;
use crate::house::House;
use crate::services::doorway::Doorway;
use crate::services::refusal::Refusal;
use crate::services::site_load::forecast::{self as service, Foreseen, Unforeseen};

mod chart;
mod question;
mod rows;

use self::chart::Chart;
use self::question::Question;
use self::rows::{Row, Totals, rows};

#[derive(Template)]
#[template(path = "ready.html")]
struct ReadyPage {
    shell: Shell,
    location: String,
    location_href: String,
    load_href: String,
    path: String,
    question: Question,
    vehicles_max: u32,
    limit_max_percent: u32,
    trouble: Vec<String>,
    /// There is no tree: nobody plans here.
    has_tree: bool,
    is_busy: bool,
    outlook: Option<Outlook>,
}

/// What becomes of the cars.
struct Outlook {
    from: When,
    until: When,
    as_is: Totals,
    /// With the answer to the question beside it.
    what_if: Option<Totals>,
    /// Vehicles of the question that found no free EVSE.
    without_place: u32,
    rows: Vec<Row>,
    /// So many are not on the page.
    hidden: usize,
    charts: Vec<Chart>,
}

/// The page.
pub(super) async fn show(
    house: web::Data<House>,
    doorway: web::Data<Doorway>,
    visitor: Visitor,
    id: web::Path<LocationId>,
    question: web::Query<Question>,
) -> Result<HttpResponse, PageError> {
    let location = find(&house, &visitor, &id).await?;
    let question = question.into_inner();
    let mut page = ReadyPage {
        shell: visitor.shell(&doorway, Nav::Network),
        location: location.name.to_string(),
        location_href: format!("/locations/{}", path_segment(id.as_str())),
        load_href: super::load::path_of(&id),
        path: path_of(&id),
        vehicles_max: VEHICLES_MAX,
        limit_max_percent: LIMIT_MAX_PERCENT,
        trouble: Vec::new(),
        has_tree: true,
        is_busy: false,
        outlook: None,
        question,
    };
    let asked = page.question.read(&visitor.zone).unwrap_or_else(|wrong| {
        page.trouble = wrong;
        None
    });
    let mut foreseen = service::foresee(&house, &visitor.caller, &id, asked).await;
    if let Err(Unforeseen::Refused(Refusal::Invalid(flaws))) = &foreseen {
        page.trouble = flaws.iter().map(|flaw| flaw_in_words(&flaw.pointer, &flaw.detail)).collect();
        // What is as it is can be told all the same.
        foreseen = service::foresee(&house, &visitor.caller, &id, None).await;
    }
    match foreseen {
        Ok(foreseen) => page.outlook = foreseen.map(|foreseen| Outlook::of(&foreseen, &visitor)),
        Err(Unforeseen::Busy) => page.is_busy = true,
        Err(Unforeseen::Broken) => return Err(PageError::Fault),
        Err(Unforeseen::Refused(Refusal::Absent { .. })) => page.has_tree = false,
        Err(Unforeseen::Refused(refusal)) => return Err(refusal.into()),
    }
    let status = if page.is_busy {
        StatusCode::SERVICE_UNAVAILABLE
    } else if page.trouble.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    Ok(html(status, &page))
}

/// The address of the page.
pub(super) fn path_of(id: &LocationId) -> String {
    format!("/locations/{}/ready", path_segment(id.as_str()))
}

// === impl Outlook ===

impl Outlook {
    fn of(foreseen: &Foreseen, visitor: &Visitor) -> Self {
        let Foreseen { as_is, what_if, transactions } = foreseen;
        let (rows, hidden) = rows(as_is, what_if.as_ref(), transactions, visitor);
        let roots = as_is.roots.iter().chain(what_if.iter().flat_map(|what_if| &what_if.roots));
        let peak = roots.map(chart::peak).max().unwrap_or(0);
        let chart = |forecast: &Forecast, word: &str| {
            let charts = forecast.roots.iter().filter_map(|root| Chart::of(root, word, peak, &visitor.zone));
            charts.collect::<Vec<_>>()
        };
        let mut charts = chart(as_is, if what_if.is_some() { "as it is" } else { "" });
        charts.extend(what_if.iter().flat_map(|what_if| chart(what_if, "what if")));
        Self {
            from: visitor.zone.when(as_is.from),
            until: visitor.zone.when(as_is.until),
            as_is: Totals::of(as_is),
            what_if: what_if.as_ref().map(Totals::of),
            without_place: what_if.as_ref().map_or(0, |what_if| what_if.without_place),
            rows,
            hidden,
            charts,
        }
    }
}
