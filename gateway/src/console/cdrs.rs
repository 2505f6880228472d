//! The list of bill records, with filters, and the same list as a CSV file.

use actix_web::{HttpResponse, web};
use askama::Template;
use ringmain_domain::cdr::{Cdr, CdrKind};
use ringmain_domain::id::{LocationId, StationId, TokenUid};
use ringmain_store::cdrs::CdrFilter;
use ringmain_store::page::PageRequest;
use serde::Deserialize;

use super::format::{State, When, Zone, duration, energy, path_segment};
use super::guard::Visitor;
use super::page::{Nav, PageError, Shell, ok};
use super::stations::{Choice, Places};
use crate::house::House;
use crate::services::cdr_export;
use crate::services::doorway::Doorway;

/// Bill records on a page.
const PAGE: u32 = 50;

/// Filters and place; an empty one is none, as forms send it.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ListQuery {
    #[serde(default)]
    charging_station_id: String,
    #[serde(default)]
    location_id: String,
    #[serde(default)]
    token_uid: String,
    #[serde(default)]
    kind: String,
    /// Days where the reader is; the last one counts too.
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
    #[serde(default)]
    cursor: String,
}

#[derive(Template)]
#[template(path = "cdrs.html")]
struct CdrsPage {
    shell: Shell,
    locations: Vec<Choice>,
    kinds: Vec<Choice>,
    query: web::Query<ListQuery>,
    filtered: bool,
    csv_href: String,
    cdrs: Vec<CdrLine>,
    first: Option<String>,
    next: Option<String>,
}

/// A bill record in a list.
struct CdrLine {
    href: String,
    made: When,
    kind: State,
    station: String,
    station_href: String,
    evse: String,
    token: String,
    started: When,
    length: String,
    energy: String,
    currency: String,
    excl_tax: String,
    incl_tax: Option<String>,
    signature: Option<State>,
}

/// The page.
pub(super) async fn show(
    house: web::Data<House>,
    doorway: web::Data<Doorway>,
    visitor: Visitor,
    query: web::Query<ListQuery>,
) -> Result<HttpResponse, PageError> {
    let tenant = &visitor.caller.tenant;
    let here = |cursor: &str| format!("/cdrs?{}", query.with_cursor(cursor));
    let (mut cdrs, mut next) = (Vec::new(), None);
    if let Some(filter) = query.filter(&visitor.zone) {
        let after = Some(query.cursor.clone()).filter(|cursor| !cursor.is_empty());
        let page = house.store.cdrs(tenant, &filter, &PageRequest { after, limit: PAGE }).await?;
        cdrs = page.items.iter().map(|cdr| CdrLine::of(cdr, &visitor.zone)).collect();
        next = page.next.map(|next| here(&next));
    }
    let kind_choice = |kind: CdrKind| Choice {
        value: kind.as_str().to_owned(),
        label: format!("{}s", State::of_bill(kind).label),
        chosen: query.kind == kind.as_str(),
    };
    let page = CdrsPage {
        shell: visitor.shell(&doorway, Nav::Bills),
        locations: Places::read(&house, tenant).await?.choices(&query.location_id),
        kinds: CdrKind::ALL.into_iter().map(kind_choice).collect(),
        filtered: !query.with_cursor("").is_empty(),
        csv_href: format!("/cdrs.csv?{}", query.with_cursor("")),
        cdrs,
        first: (!query.cursor.is_empty()).then(|| here("")),
        next,
        query,
    };
    Ok(ok(&page))
}

/// Exactly the records of the filtered list, all pages of it, as a file.
pub(super) async fn csv(
    house: web::Data<House>,
    visitor: Visitor,
    query: web::Query<ListQuery>,
) -> Result<HttpResponse, PageError> {
    let nonsense = || PageError::Absent("no bill can fit this filter".to_owned());
    let filter = query.filter(&visitor.zone).ok_or_else(nonsense)?;
    Ok(cdr_export::download(&house.store, &visitor.caller.tenant, filter).await?)
}

// === impl ListQuery ===

impl ListQuery {
    /// `None`: somebody typed what cannot be an id or a day, so nothing fits.
    fn filter(&self, zone: &Zone) -> Option<CdrFilter> {
        let typed = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let station = typed(&self.charging_station_id).map(|text| StationId::new(&text)).transpose().ok()?;
        let token = typed(&self.token_uid).map(|text| TokenUid::new(&text)).transpose().ok()?;
        let day = |text: &str, read: fn(&Zone, &str) -> Option<_>| match typed(text) {
            Some(text) => read(zone, &text).map(Some),
            None => Some(None),
        };
        Some(CdrFilter {
            station,
            token,
            location_id: LocationId::new(&self.location_id).ok(),
            from: day(&self.from, Zone::day)?,
            to: day(&self.to, Zone::day_after)?,
            kind: CdrKind::ALL.into_iter().find(|kind| kind.as_str() == self.kind),
        })
    }

    fn with_cursor(&self, cursor: &str) -> String {
        let fields = [
            ("charging_station_id", &*self.charging_station_id),
            ("location_id", &*self.location_id),
            ("token_uid", &*self.token_uid),
            ("kind", &*self.kind),
            ("from", &*self.from),
            ("to", &*self.to),
            ("cursor", cursor),
        ];
        let given = fields.iter().filter(|(_, value)| !value.is_empty());
        given.map(|(name, value)| format!("{name}={}", path_segment(value))).collect::<Vec<_>>().join("&")
    }
}

// === impl CdrLine ===

impl CdrLine {
    fn of(cdr: &Cdr, zone: &Zone) -> Self {
        let breakdown = cdr.breakdown.as_ref();
        let total = breakdown.map(|breakdown| breakdown.total);
        Self {
            href: format!("/sessions/{}#cdr-{}", cdr.session_id, cdr.id),
            made: zone.when(cdr.created_at),
            kind: State::of_bill(cdr.kind()),
            station: cdr.station.to_string(),
            station_href: format!("/charging-stations/{}", path_segment(cdr.station.as_str())),
            evse: cdr.evse.map(|evse| evse.to_string()).unwrap_or_default(),
            token: cdr.token.as_ref().map(|token| token.uid.to_string()).unwrap_or_default(),
            started: zone.when(cdr.started_at),
            length: duration(cdr.ended_at.millis_since(cdr.started_at)),
            energy: energy(cdr.energy.0),
            currency: breakdown.map(|breakdown| breakdown.currency.to_string()).unwrap_or_default(),
            excl_tax: total.map(|total| total.excl_tax.to_string()).unwrap_or_default(),
            incl_tax: total.map(|total| total.incl_tax.to_string()),
            signature: cdr.signature.map(State::of_signature),
        }
    }
}
