//! What is there for anyone, and how it is answered. Every request is counted here, and let through as often as its source may ask.

use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody, SizedStream};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, VARY,
};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::{Next, NormalizePath, TrailingSlash, from_fn};
use actix_web::{Error, HttpRequest, HttpResponse, Resource, web};
use metrics::{counter, gauge};
use ringmain_domain::telemetry;
use serde_json::json;

use crate::ocpi::status::Refusal;
use crate::public_data::conditional::{PACKED, describe, is_known, unchanged};
use crate::public_data::datex2::{Document, Part, Profile};
use crate::public_data::snapshots::{SnapshotError, current};
use crate::public_data::{PublicData, lists};

/// Everything public is below it.
const SCOPE: &str = "/public";
/// How long whoever asks waits when we cannot answer, in seconds.
const LATER_S: u32 = 5;

/// Mounts what there is at the root of an application; where public data is off, nothing.
pub fn configure(config: &mut web::ServiceConfig, public: Option<&web::Data<PublicData>>) {
    let Some(public) = public else { return };
    let mut scope = web::scope(SCOPE)
        .app_data(public.clone())
        .wrap(from_fn(admit))
        .wrap(NormalizePath::new(TrailingSlash::Trim))
        .service(resource("", || web::to(index)))
        .service(resource(lists::LOCATIONS, || web::to(lists::locations)))
        .service(resource(lists::TARIFFS, || web::to(lists::tariffs)));
    for document in Document::ALL {
        let answer = move |request, public| datex2(document, request, public);
        scope = scope.service(resource(document.path(), || web::to(answer)));
    }
    config.service(scope.default_service(web::to(|| async {
        problem(StatusCode::NOT_FOUND, "no such public data: /public lists what there is", None)
    })));
}

/// A path that is read, and answers other methods with what it takes.
fn resource(path: &str, read: impl Fn() -> actix_web::Route) -> Resource {
    let refuse = || async { problem(StatusCode::METHOD_NOT_ALLOWED, "public data is read with GET", None) };
    web::resource(path)
        .route(read().method(Method::GET))
        .route(read().method(Method::HEAD))
        .default_service(web::to(refuse))
}

/// Lets a source through as often as it may ask, and counts.
async fn admit(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let feed = feed(request.path());
    let wait = request.app_data::<web::Data<PublicData>>().and_then(|public| {
        let peer = request.peer_addr().map(|peer| peer.ip());
        let source = public.sources.of(peer, request.headers());
        public.sources.take(source, Instant::now()).err()
    });
    let response = match wait {
        Some(wait_s) => request.into_response(limited(feed, wait_s)),
        None => next.call(request).await?.map_into_boxed_body(),
    };
    counter!(telemetry::PUBLIC_REQUESTS, "feed" => feed, "outcome" => outcome(response.status()))
        .increment(1);
    Ok(response)
}

/// What is asked for, as a closed list of names.
fn feed(path: &str) -> &'static str {
    let below = path.trim_end_matches('/').strip_prefix(SCOPE).unwrap_or(path);
    let document = Document::ALL.into_iter().find(|document| document.path() == below);
    match (below, document) {
        (_, Some(document)) => document.as_str(),
        ("", None) => "index",
        (lists::LOCATIONS, None) => "ocpi_locations",
        (lists::TARIFFS, None) => "ocpi_tariffs",
        (_, None) => "other",
    }
}

fn outcome(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_MODIFIED => "unchanged",
        StatusCode::TOO_MANY_REQUESTS => "limited",
        status if status.is_success() => "sent",
        status if status.is_client_error() => "refused",
        _ => "failed",
    }
}

/// The answer to whoever asks too often, in the words of what was asked for.
fn limited(feed: &str, wait_s: u32) -> HttpResponse {
    if feed.starts_with("ocpi") {
        return HttpResponse::from_error(Refusal::busy(wait_s));
    }
    problem(StatusCode::TOO_MANY_REQUESTS, "too many requests from your address", Some(wait_s))
}

fn problem(status: StatusCode, detail: &str, retry_after_s: Option<u32>) -> HttpResponse {
    let title = status.canonical_reason().unwrap_or_default();
    let body = json!({"title": title, "status": status.as_u16(), "detail": detail});
    let mut response =
        HttpResponse::build(status).content_type("application/problem+json").body(body.to_string());
    if let Some(after) = retry_after_s {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(after));
    }
    response
}

// === the index ===

async fn index(public: web::Data<PublicData>) -> HttpResponse {
    let terms = &public.terms;
    let entry = |name: &str, format: &str, path: &str| json!({"name": name, "format": format, "url": format!("{}{path}", terms.url)});
    let mut feeds = vec![
        entry("locations", "OCPI 2.2.1", lists::LOCATIONS),
        entry("tariffs", "OCPI 2.2.1", lists::TARIFFS),
    ];
    feeds.extend(Document::ALL.map(|document| {
        let name = match document.part {
            Part::Table => "energy infrastructure table",
            Part::Status => "energy infrastructure status",
        };
        let format = match document.profile {
            Profile::V37 => "DATEX II v3.7, JSON",
            Profile::Afir => "DATEX II v3.5, AFIR profile 01-00-00, JSON",
        };
        entry(name, format, document.path())
    }));
    let said = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    HttpResponse::Ok().json(json!({
        "publisher": {"country_code": terms.country_code, "party_id": terms.party_id, "name": terms.operator},
        "language": terms.language,
        "licence": {"text": said(&terms.licence), "url": said(&terms.licence_url)},
        "requests_per_min": terms.requests_per_min,
        "refreshed_every_s": terms.cache.as_secs(),
        "feeds": feeds,
    }))
}

// === DATEX II ===

async fn datex2(document: Document, request: HttpRequest, public: web::Data<PublicData>) -> HttpResponse {
    let (snapshot, age) = match current(&public, document).await {
        Ok(found) => found,
        Err(error) => return unavailable(document, &error),
    };
    gauge!(telemetry::PUBLIC_AGE, "feed" => document.as_str()).set(age.as_secs_f64());
    if snapshot.is_empty && document.part == Part::Table {
        // A table without sites cannot be said.
        return problem(StatusCode::NOT_FOUND, "no location with a described EVSE is there yet", None);
    }
    let is_packed = takes_packed(request.headers());
    let mut response = HttpResponse::new(StatusCode::OK);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    let form = if is_packed { PACKED } else { "" };
    let (tag, cache) = (format!("{}{form}", snapshot.tag), public.terms.cache);
    describe(&mut response, &tag, Some(snapshot.made_at), cache);
    if is_known(request.headers(), &snapshot.tag) {
        return unchanged(&response);
    }
    if is_packed {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        return response
            .set_body(BoxBody::new(SizedStream::new(snapshot.packed.len() as u64, snapshot.pieces())));
    }
    response.set_body(BoxBody::new(SizedStream::new(snapshot.bytes, Box::pin(snapshot.unpacked()))))
}

fn unavailable(document: Document, error: &SnapshotError) -> HttpResponse {
    tracing::warn!(%error, document = document.as_str(), "public data is not available");
    problem(StatusCode::SERVICE_UNAVAILABLE, "not possible now, try again later", Some(LATER_S))
}

/// Does whoever asks take gzip?
fn takes_packed(headers: &HeaderMap) -> bool {
    let asked = headers.get_all(ACCEPT_ENCODING).filter_map(|value| value.to_str().ok());
    asked.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let weight = weight.trim().trim_start_matches("q=").parse::<f32>().unwrap_or_default();
        name.trim().eq_ignore_ascii_case("gzip") && weight > 0.0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_for_those_who_ask_for_it() {
        let check = |asked: &'static str, expect: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(asked));
            assert_eq!(takes_packed(&headers), expect, "{asked}");
        };
        check("gzip", true);
        check("br, GZIP;q=0.5", true);
        check("gzip;q=0", false);
        check("gzip; q=0.0, br", false);
        check("br", false);
        check("", false);
        assert!(!takes_packed(&HeaderMap::new()));
    }

    #[test]
    fn feeds_are_a_closed_list() {
        assert_eq!(feed("/public"), "index");
        assert_eq!(feed("/public/"), "index");
        assert_eq!(feed("/public/ocpi/2.2.1/tariffs"), "ocpi_tariffs");
        assert_eq!(feed("/public/datex2/v3.7/energy-infrastructure-status/"), "datex2_v37_status");
        assert_eq!(feed("/public/datex2/v3.8/whatever"), "other");
    }
}
