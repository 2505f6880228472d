//! The lists of an operator, page by page: locations and tariffs for everybody, sessions and bill records for the company of the driver.
//!
//! What a version cannot say is left out of a page: it may then have fewer objects than its limit, and fewer than are counted.

use actix_web::{HttpRequest, web};
use ringmain_store::store::StoreError;

use super::{Answer, module_url};
use crate::hub::Hub;
use crate::ocpi::caller::Registered;
use crate::ocpi::envelope::now;
use crate::ocpi::paging::ListRequest;
use crate::ocpi::status::Refusal;

pub(super) async fn locations(caller: Registered, hub: web::Data<Hub>, request: HttpRequest) -> Answer {
    let Registered { partner, dialect } = caller;
    let list = ListRequest::read(request.query_string())?;
    let page = hub.store.published_locations(&partner.tenant, now(), &list.window(), &list.page()).await;
    let page = page.map_err(of_list)?;
    let window = list.window();
    let total = list.total(hub.store.count_locations(&partner.tenant, now(), &window)).await?;
    let url = module_url(&partner, dialect, "locations");
    Ok(list.respond(&url, (page, total), |published| Some(dialect.location(&partner.ours, &published))))
}

pub(super) async fn tariffs(caller: Registered, hub: web::Data<Hub>, request: HttpRequest) -> Answer {
    let Registered { partner, dialect } = caller;
    let list = ListRequest::read(request.query_string())?;
    let page = hub.store.published_tariffs(&partner.tenant, now(), &list.window(), &list.page()).await;
    let page = page.map_err(of_list)?;
    let window = list.window();
    let total = list.total(hub.store.count_tariffs(&partner.tenant, now(), &window)).await?;
    let url = module_url(&partner, dialect, "tariffs");
    Ok(list.respond(&url, (page, total), |tariff| dialect.tariff(&partner.ours, &tariff)))
}

pub(super) async fn sessions(caller: Registered, hub: web::Data<Hub>, request: HttpRequest) -> Answer {
    let Registered { partner, dialect } = caller;
    let list = ListRequest::read_from_date(request.query_string())?;
    let page = hub.store.partner_sessions(&partner.tenant, partner.id, &list.window(), &list.page()).await;
    let page = page.map_err(of_list)?;
    let window = list.window();
    let total = list.total(hub.store.count_partner_sessions(&partner.tenant, partner.id, &window)).await?;
    let url = module_url(&partner, dialect, "sessions");
    Ok(list.respond(&url, (page, total), |session| dialect.session(&partner.ours, &session)))
}

pub(super) async fn cdrs(caller: Registered, hub: web::Data<Hub>, request: HttpRequest) -> Answer {
    let Registered { partner, dialect } = caller;
    let list = ListRequest::read(request.query_string())?;
    let page = hub.store.partner_cdrs(&partner.tenant, partner.id, &list.window(), &list.page()).await;
    let page = page.map_err(of_list)?;
    let window = list.window();
    let total = list.total(hub.store.count_partner_cdrs(&partner.tenant, partner.id, &window)).await?;
    let url = module_url(&partner, dialect, "cdrs");
    Ok(list.respond(&url, (page, total), |cdr| dialect.cdr(&partner.ours, &cdr).ok()))
}

/// A cursor is all a caller can have wrong here.
fn of_list(error: StoreError) -> Refusal {
    match error {
        StoreError::Conflict { .. } => Refusal::invalid("cursor is none of this list's"),
        error => error.into(),
    }
}
