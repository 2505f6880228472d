//! The console: server-rendered pages for people, over the same [`crate::services`] as the API. No script is needed to read them; htmx and a
//! feed of server-sent events keep them alive, and all of it is in the binary.
//!
//! [`routes`] is the table of everything that can be asked, with the permission each page needs. `guard` stands before every page: who
//! is signed in, may they, does a form come from a page of ours. `page` is the frame of every page, `format` how numbers and instants
//! are written for people, `events` tells pages that something changed, `assets` are the files. One file for each page.
//!
//! Never: SQL, inline script or style, a decision about charging.

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::from_fn;
use actix_web::{HttpResponse, web};

use crate::services::doorway::{Doorway, Limits};

pub mod routes;

mod assets;
mod bill;
mod cdrs;
mod circuits;
mod drawing;
mod events;
mod flags;
mod format;
mod guard;
mod hardware;
mod load;
mod location;
mod nodes;
mod overview;
mod page;
mod partners;
mod ready;
mod review;
mod session;
mod sessions;
mod sign_in;
mod station;
mod station_actions;
mod stations;
mod tariff;
mod tariffs;
mod tokens;

use self::page::PageError;
use self::routes::ROUTES;

/// Everything comes from here, nothing is inline, nobody may frame us.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What API and console share beside `web::Data<House>`: made once for a node and given to every worker's app as app data.
#[must_use]
pub fn state() -> web::Data<Doorway> {
    web::Data::new(Doorway::new(Limits::default()))
}

/// Adds the console's pages, and answers whatever nobody else answers. The app needs `web::Data<House>` and [`state`].
pub fn configure(config: &mut web::ServiceConfig) {
    let mut paths: Vec<&str> = ROUTES.iter().map(|route| route.path).collect();
    paths.dedup();
    for path in paths {
        let mut resource = web::resource(path);
        for route in ROUTES.iter().filter(|route| route.path == path) {
            let guarded = from_fn(move |request, next| guard::guard(route, request, next));
            resource = resource.route((route.handler)().wrap(guarded));
        }
        // What the guard has read, the page can read too.
        let form_max =
            ROUTES.iter().filter(|route| route.path == path).map(|route| route.form_max_bytes).max();
        let forms = web::FormConfig::default().limit(form_max.unwrap_or_default());
        config.service(resource.app_data(forms).default_service(web::to(no_such_method)));
    }
    config.default_service(web::to(no_such_page));
}

async fn no_such_page() -> HttpResponse {
    let mut response = PageError::NoSuchPage.respond();
    protect(response.headers_mut());
    response
}

async fn no_such_method() -> HttpResponse {
    let mut response = PageError::NoSuchMethod.respond();
    protect(response.headers_mut());
    response
}

/// Puts the security headers on an answer; what the answer says itself about caching stays.
fn protect(headers: &mut HeaderMap) {
    for (name, value) in [
        ("content-security-policy", CONTENT_SECURITY_POLICY),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
        ("cache-control", "no-store"),
    ] {
        let name = HeaderName::from_static(name);
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}
