//! Signing in with an API key's token, and out.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use serde_json::json;

use super::guard::{Visitor, is_https, see_other, session_cookie, set_cookie};
use super::page::{PageError, html, ok};
use crate::house::House;
use crate::services::doorway::Doorway;
use crate::services::{audit, keys};

/// Where to go after it.
#[derive(Debug, Deserialize)]
pub(super) struct SignInQuery {
    next: Option<String>,
}

/// The form.
#[derive(Deserialize)]
pub(super) struct SignInForm {
    token: String,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    next: String,
    trouble: Option<&'static str>,
}

/// The form.
pub(super) async fn show(
    request: HttpRequest,
    doorway: web::Data<Doorway>,
    query: web::Query<SignInQuery>,
) -> HttpResponse {
    let next = safe_next(query.next.as_deref());
    let cookie = session_cookie(&request);
    if cookie.is_some_and(|cookie| doorway.sign_ins.find(&cookie, Instant::now(), true).is_some()) {
        return see_other(&next);
    }
    ok(&SignInPage { next, trouble: None })
}

/// Signs in. The answer to a wrong token does not say what is wrong with it.
pub(super) async fn sign_in(
    request: HttpRequest,
    house: web::Data<House>,
    doorway: web::Data<Doorway>,
    form: web::Form<SignInForm>,
) -> Result<HttpResponse, PageError> {
    let next = safe_next(form.next.as_deref());
    let source = request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.ip());
    // The token comes first: behind a proxy all come from one address, and whoever guesses must not keep out whoever knows. Guessing 256
    // random bits is hopeless at any rate; the limit spares the store.
    let Some(caller) = keys::authenticate(&house.store, form.token.trim()).await? else {
        if !doorway.failed_sign_ins.take(&source, Instant::now()) {
            let trouble = Some("Too many wrong tokens from your address. Wait a minute, then try again.");
            return Ok(html(StatusCode::TOO_MANY_REQUESTS, &SignInPage { next, trouble }));
        }
        let trouble = Some("That is not a valid token. It may be mistyped, expired or revoked.");
        return Ok(html(StatusCode::UNAUTHORIZED, &SignInPage { next, trouble }));
    };
    if let Some(old) = session_cookie(&request) {
        doorway.sign_ins.close(&old);
    }
    audit::record(&house, &caller, "console.signed_in", &format!("api-keys/{}", caller.key_id), &json!({}))
        .await?;
    let Ok(cookie) = doorway.sign_ins.open(caller, Instant::now()) else { return Err(PageError::Fault) };
    let mut response = see_other(&next);
    put_cookie(&mut response, &set_cookie(is_https(&request), Some(cookie.reveal())));
    Ok(response)
}

/// Signs out, here and in the browser.
pub(super) async fn sign_out(
    request: HttpRequest,
    doorway: web::Data<Doorway>,
    visitor: Visitor,
) -> HttpResponse {
    visitor.leave(&doorway);
    let mut response = see_other("/sign-in");
    put_cookie(&mut response, &set_cookie(is_https(&request), None));
    response
}

fn put_cookie(response: &mut HttpResponse, cookie: &str) {
    if let Ok(value) = header::HeaderValue::from_str(cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

/// Only a path of ours: never another host, however it is written.
fn safe_next(next: Option<&str>) -> String {
    let ours = |path: &&str| {
        path.starts_with('/')
            && !path.starts_with("//")
            && !path.contains('\\')
            && !path.starts_with("/console/")
            && path.chars().all(|c| c.is_ascii_graphic())
    };
    next.filter(ours).unwrap_or("/").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signing_in_leads_only_to_pages_of_ours() {
        for (next, expect) in [
            (None, "/"),
            (Some("/sessions?status=active"), "/sessions?status=active"),
            (Some("//evil.example/"), "/"),
            (Some("/\\evil.example/"), "/"),
            (Some("https://evil.example/"), "/"),
            (Some("sessions"), "/"),
            (Some("/a\r\nSet-Cookie: x"), "/"),
            (Some("/console/live/overview"), "/"),
        ] {
            assert_eq!(safe_next(next), expect, "{next:?}");
        }
    }
}
