//! Stands before every page: who is signed in, may they, and does a form come from a page of ours (A1, A2, A4).

use std::time::Instant;

use actix_web::body::BoxBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap};
use actix_web::middleware::Next;
use actix_web::web::BytesMut;
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest, HttpResponse, web};
use futures_util::StreamExt;
use ringmain_domain::access::Permission;
use serde::Deserialize;

use super::format::{Zone, path_segment};
use super::page::{Nav, PageError, REVIEWS_COUNTED, Shell};
use super::protect;
use super::routes::{Access, Method, Route};
use crate::house::House;
use crate::services::doorway::Doorway;
use crate::services::keys::{Caller, caller_again};
use crate::services::sign_ins::SignedIn;

/// Where pages ask for parts of themselves. Such a request is no click of a person's.
const LIVE_PREFIX: &str = "/console/";
/// The cookie over https, where the browser guarantees that only we set it; and over plain http.
const COOKIE_SECURE: &str = "__Host-ringmain";
const COOKIE_PLAIN: &str = "ringmain";
/// The cookie the console's script keeps the reader's time zone in.
const COOKIE_ZONE: &str = "ringmain-zone";

/// Who looks at a page.
#[derive(Debug, Clone)]
pub(super) struct Visitor {
    /// With the role as it is now.
    pub(super) caller: Caller,
    /// Times are written in it.
    pub(super) zone: Zone,
    /// So many sessions wait for a person.
    reviews: u64,
    signed_in: SignedIn,
    cookie: String,
}

/// The one field every form has.
#[derive(Deserialize)]
struct FormToken {
    form_token: String,
}

impl FromRequest for Visitor {
    type Error = PageError;
    type Future = std::future::Ready<Result<Self, PageError>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let visitor = request.extensions().get::<Self>().cloned();
        std::future::ready(visitor.ok_or(PageError::NotAllowed))
    }
}

// === impl Visitor ===

impl Visitor {
    /// The frame of a page for this visitor, with what is to be said to them once.
    pub(super) fn shell(&self, doorway: &Doorway, nav: Nav) -> Shell {
        Shell {
            nav,
            who: self.caller.name.to_string(),
            role: self.caller.role.as_str(),
            may_write: self.caller.may(Permission::Write),
            may_command: self.caller.may(Permission::Command),
            reviews: self.reviews,
            form_token: self.form_token().to_owned(),
            notice: doorway.sign_ins.take_notice(&self.cookie),
            zone: self.zone.name().to_owned(),
        }
    }

    /// What every form of theirs carries.
    pub(super) fn form_token(&self) -> &str {
        self.signed_in.form_token.reveal()
    }

    /// Leaves a sentence for the next page and goes there.
    pub(super) fn go(&self, doorway: &Doorway, to: &str, notice: impl Into<String>) -> HttpResponse {
        doorway.sign_ins.leave_notice(&self.cookie, notice.into());
        see_other(to)
    }

    /// Are they still signed in, with a key that is still valid? While the store is away they are: nothing changes then.
    pub(super) async fn is_here(&self, house: &House, doorway: &Doorway) -> bool {
        doorway.sign_ins.find(&self.cookie, Instant::now(), false).is_some()
            && !matches!(caller_again(&house.store, &self.caller).await, Ok(None))
    }

    /// Signs them out.
    pub(super) fn leave(&self, doorway: &Doorway) {
        doorway.sign_ins.close(&self.cookie);
    }
}

/// Checks a request and calls the page. What goes wrong becomes a page as well.
///
/// # Errors
/// Never.
pub(super) async fn guard(
    route: &'static Route,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let kept = request.request().clone();
    let mut response = match admit(route, request).await {
        Ok(request) => match next.call(request).await {
            Ok(response) => response,
            Err(error) => ServiceResponse::new(kept, error.error_response()),
        },
        Err(refusal) => ServiceResponse::new(kept, refusal),
    };
    protect(response.headers_mut());
    Ok(response)
}

async fn admit(route: &Route, mut request: ServiceRequest) -> Result<ServiceRequest, HttpResponse> {
    if route.method == Method::Post && !is_same_origin(request.headers()) {
        return Err(PageError::ForeignForm.respond());
    }
    let Access::Needs(permission) = route.access else { return Ok(request) };
    let Some(visitor) = visitor(&request).await.map_err(|error| error.respond())? else {
        return Err(ask_to_sign_in(&request));
    };
    if !visitor.caller.may(permission) {
        return Err(PageError::NotAllowed.respond());
    }
    if route.method == Method::Post {
        let body = read_form(request.parts_mut().1.take(), route.form_max_bytes)
            .await
            .map_err(|error| error.respond())?;
        let presented = form_token_of(&body);
        if !presented.is_some_and(|token| visitor.signed_in.owns_form(&token)) {
            return Err(PageError::ForeignForm.respond());
        }
        request.set_payload(Payload::from(body));
    }
    request.extensions_mut().insert(visitor);
    Ok(request)
}

async fn visitor(request: &ServiceRequest) -> Result<Option<Visitor>, PageError> {
    let (Some(house), Some(doorway)) =
        (request.app_data::<web::Data<House>>(), request.app_data::<web::Data<Doorway>>())
    else {
        tracing::error!("the app was built without the data the console needs");
        return Err(PageError::Fault);
    };
    let Some(cookie) = session_cookie(request.request()) else { return Ok(None) };
    let click = !request.path().starts_with(LIVE_PREFIX);
    let Some(signed_in) = doorway.sign_ins.find(&cookie, Instant::now(), click) else { return Ok(None) };
    // A key that was revoked since signs its holder out; a role that was changed holds from now on.
    let Some(caller) = caller_again(&house.store, &signed_in.caller).await? else {
        doorway.sign_ins.close(&cookie);
        return Ok(None);
    };
    // A part of a page has no navigation.
    let reviews =
        if click { house.store.count_under_review(&caller.tenant, REVIEWS_COUNTED).await? } else { 0 };
    let zone = Zone::named(cookie_named(request.headers(), COOKIE_ZONE).as_deref());
    Ok(Some(Visitor { caller, zone, reviews, signed_in, cookie }))
}

/// A page leads to the sign-in and back; a part of a page makes the whole page go there.
fn ask_to_sign_in(request: &ServiceRequest) -> HttpResponse {
    if request.headers().contains_key("hx-request") || request.path().starts_with(LIVE_PREFIX) {
        return HttpResponse::Unauthorized().insert_header(("HX-Redirect", "/sign-in")).finish();
    }
    let back = request.uri().path_and_query().map_or("/", |target| target.as_str());
    match *request.method() {
        actix_web::http::Method::GET if back != "/" => {
            see_other(&format!("/sign-in?next={}", path_segment(back)))
        }
        _ => see_other("/sign-in"),
    }
}

/// Goes to another page with GET.
pub(super) fn see_other(to: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, to)).finish()
}

/// Is the request made over https, here or at the proxy before us? Who lies about it only spoils their own cookie.
pub(super) fn is_https(request: &HttpRequest) -> bool {
    request.connection_info().scheme() == "https"
}

/// The value of the sign-in's cookie.
pub(super) fn session_cookie(request: &HttpRequest) -> Option<String> {
    cookie_named(request.headers(), cookie_name(is_https(request)))
}

/// The header that sets the cookie, or with no value takes it back.
pub(super) fn set_cookie(https: bool, value: Option<&str>) -> String {
    let secure = if https { "; Secure" } else { "" };
    let end = if value.is_some() { "" } else { "; Max-Age=0" };
    format!(
        "{}={}; Path=/; HttpOnly; SameSite=Strict{secure}{end}",
        cookie_name(https),
        value.unwrap_or_default()
    )
}

const fn cookie_name(https: bool) -> &'static str {
    if https { COOKIE_SECURE } else { COOKIE_PLAIN }
}

fn cookie_named(headers: &HeaderMap, name: &str) -> Option<String> {
    let pairs = headers
        .get_all(header::COOKIE)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'));
    pairs
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.to_owned())
}

/// Browsers say where a form comes from. One that says nothing is old, or no browser: then the form token alone decides.
fn is_same_origin(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
    origin.is_some() && origin == host
}

async fn read_form(mut payload: Payload, max_bytes: usize) -> Result<web::Bytes, PageError> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_broken| PageError::BadForm)?;
        if bytes.len().saturating_add(chunk.len()) > max_bytes {
            return Err(PageError::BadForm);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

fn form_token_of(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    web::Query::<FormToken>::from_query(text).ok().map(|form| form.into_inner().form_token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::{HeaderName, HeaderValue};

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn a_form_from_elsewhere_is_recognised() {
        for (pairs, same) in [
            (vec![("host", "a:1"), ("origin", "http://a:1")], true),
            (vec![("host", "a:1"), ("origin", "http://b:1")], false),
            (vec![("host", "a:1"), ("origin", "null")], false),
            (vec![("host", "a:1")], true),
            (vec![("sec-fetch-site", "same-origin")], true),
            (vec![("sec-fetch-site", "cross-site")], false),
            (vec![("sec-fetch-site", "same-site")], false),
        ] {
            assert_eq!(is_same_origin(&headers(&pairs)), same, "{pairs:?}");
        }
    }

    #[test]
    fn cookies_are_read_and_written() {
        let sent = headers(&[("cookie", "a=1; ringmain=x=y"), ("cookie", "ringmain-zone=Europe/Berlin")]);
        assert_eq!(cookie_named(&sent, "ringmain").as_deref(), Some("x=y"));
        assert_eq!(cookie_named(&sent, "ringmain-zone").as_deref(), Some("Europe/Berlin"));
        assert_eq!(cookie_named(&sent, "b"), None);
        assert_eq!(set_cookie(false, Some("v")), "ringmain=v; Path=/; HttpOnly; SameSite=Strict");
        assert_eq!(
            set_cookie(true, None),
            "__Host-ringmain=; Path=/; HttpOnly; SameSite=Strict; Secure; Max-Age=0"
        );
    }
}
