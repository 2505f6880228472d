//! OCPI's lists of locations and tariffs for anyone: the pages partners get, without a partner.

use std::cell::Cell;

use actix_web::http::header::LINK;
use actix_web::{HttpRequest, HttpResponse, web};
use ringmain_domain::time::Timestamp;
use ringmain_store::store::StoreError;

use crate::ocpi::envelope::now;
use crate::ocpi::paging::ListRequest;
use crate::ocpi::status::Refusal;
use crate::ocpi::v221::to_wire;
use crate::public_data::PublicData;
use crate::public_data::conditional::{Content, describe, is_known, unchanged};

/// Where the lists are, below the public address.
pub const LOCATIONS: &str = "/ocpi/2.2.1/locations";
/// See [`LOCATIONS`].
pub const TARIFFS: &str = "/ocpi/2.2.1/tariffs";

type Answer = Result<HttpResponse, Refusal>;

/// All locations with what stands there.
///
/// # Errors
/// As partners are refused; and 429 while too many others read.
pub async fn locations(request: HttpRequest, public: web::Data<PublicData>) -> Answer {
    let list = ListRequest::read(request.query_string())?;
    let _reader = public.readers.try_acquire().map_err(|_all_busy| Refusal::busy(1))?;
    let (store, tenant, window) = (&public.hub.store, &public.hub.tenant, list.window());
    let page = store.published_locations(tenant, now(), &window, &list.page()).await.map_err(of_list)?;
    let total = list.total(store.count_locations(tenant, now(), &window)).await?;
    let (content, newest) = (Content::new(), Newest::default());
    let url = format!("{}{LOCATIONS}", public.terms.url);
    let response = list.respond(&url, (page, total), |published| {
        let location = to_wire::location(&public.ours, &published);
        content.note_object(&location);
        newest.note(location.last_updated.0);
        Some(location)
    });
    Ok(finish(&request, &public, response, (content, newest)))
}

/// The tariffs that anyone may pay.
///
/// # Errors
/// As above.
pub async fn tariffs(request: HttpRequest, public: web::Data<PublicData>) -> Answer {
    let list = ListRequest::read(request.query_string())?;
    let _reader = public.readers.try_acquire().map_err(|_all_busy| Refusal::busy(1))?;
    let (store, tenant, window) = (&public.hub.store, &public.hub.tenant, list.window());
    let page = store.published_tariffs(tenant, now(), &window, &list.page()).await.map_err(of_list)?;
    let total = list.total(store.count_tariffs(tenant, now(), &window)).await?;
    let (content, newest) = (Content::new(), Newest::default());
    let url = format!("{}{TARIFFS}", public.terms.url);
    let response = list.respond(&url, (page, total), |tariff| {
        let tariff = to_wire::tariff::tariff(&public.ours, &tariff);
        content.note_object(&tariff);
        newest.note(tariff.last_updated.0);
        Some(tariff)
    });
    Ok(finish(&request, &public, response, (content, newest)))
}

/// A cursor is all a caller can have wrong here.
fn of_list(error: StoreError) -> Refusal {
    match error {
        StoreError::Conflict { .. } => Refusal::invalid("cursor is none of this list's"),
        error => error.into(),
    }
}

/// When the newest object of a page was last changed.
#[derive(Debug, Default)]
struct Newest(Cell<Option<Timestamp>>);

impl Newest {
    fn note(&self, at: Timestamp) {
        self.0.set(self.0.get().max(Some(at)));
    }
}

/// The frame of OCPI tells the time of each answer, so the tag is of what is in it: the objects, how many there are, and the next page.
fn finish(
    request: &HttpRequest,
    public: &PublicData,
    mut response: HttpResponse,
    (content, newest): (Content, Newest),
) -> HttpResponse {
    for name in [LINK.as_str(), "x-total-count"] {
        content.note(response.headers().get(name).map_or(b"", |value| value.as_bytes()));
    }
    let tag = content.tag();
    describe(&mut response, &tag, newest.0.get(), public.terms.cache);
    if is_known(request.headers(), &tag) { unchanged(&response) } else { response }
}
