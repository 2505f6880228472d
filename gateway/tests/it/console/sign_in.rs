//! Who may see what: signing in and out, every page with every role, forms from elsewhere, and the headers of all answers.

use ringmain_domain::access::AccessRole;
use ringmain_gateway::console::routes::{Access, Method, ROUTES, Route};
use ringmain_gateway::services::doorway::Limits;

use super::browser::{Browser, cookie_of, form, plain, try_sign_in};
use super::html::check_page;
use crate::api::client::{Reply, Stream};
use crate::api::rig::Rig;

fn filled(route: &Route) -> String {
    let id = if route.path.contains("sessions") { "00000000-0000-0000-0000-000000000000" } else { "CS-1" };
    route.path.replace("{id}", id).replace("{name}", "x.css")
}

fn check_headers(reply: &Reply) {
    let policy = reply.header("content-security-policy").unwrap_or_else(|| panic!("{reply:?}"));
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    for directive in [
        "script-src 'self'",
        "style-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'self'",
    ] {
        assert!(policy.contains(directive), "{policy}");
    }
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{reply:?}");
    assert!(
        reply.header("referrer-policy").is_some() && reply.header("cache-control").is_some(),
        "{reply:?}"
    );
}

#[actix_web::test]
async fn a_cookie_is_set_that_scripts_and_other_sites_do_not_get() {
    let rig = Rig::start().await;
    let form_page = plain(&rig, "GET", "/sign-in", &[], None).await;
    check_page(&form_page.body);
    check_headers(&form_page);
    let reply = try_sign_in(&rig, &format!("  {}  ", rig.viewer), "/sessions?status=active").await;
    assert_eq!((reply.status, reply.header("location")), (303, Some("/sessions?status=active")));
    let set = reply.header("set-cookie").unwrap().to_owned();
    assert!(set.starts_with("ringmain=") && set.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{set}");
    let again = try_sign_in(&rig, &rig.viewer, "//evil.example").await;
    assert_eq!(again.header("location"), Some("/"), "never to another host");
    assert_ne!(cookie_of(&again), cookie_of(&reply), "every sign-in has a secret of its own");
    let body = form(&[("token", &rig.viewer)]);
    let secure = plain(&rig, "POST", "/sign-in", &[("X-Forwarded-Proto", "https")], Some(&body)).await;
    let set = secure.header("set-cookie").unwrap();
    assert!(set.starts_with("__Host-ringmain=") && set.contains("; Secure"), "{set}");
    let browser = Browser::sign_in(&rig, AccessRole::Viewer).await;
    assert_eq!(
        browser.get("/sign-in?next=/tokens").await.header("location"),
        Some("/tokens"),
        "signed in already"
    );
    assert!(rig.audited().await[0].starts_with("console.signed_in api-keys/"));
}

#[actix_web::test]
async fn a_wrong_token_is_refused_and_too_many_attempts_are_stopped() {
    let rig =
        Rig::start_with(Limits { burst_sign_ins: 2, sign_ins_per_second: 0.001, ..Limits::default() }).await;
    for token in ["rmk_guess", ""] {
        let reply = try_sign_in(&rig, token, "/").await;
        assert_eq!((reply.status, reply.header("set-cookie")), (401, None));
        check_page(&reply.body);
        assert!(reply.body.contains("not a valid token"));
    }
    let reply = try_sign_in(&rig, "rmk_another", "/").await;
    assert_eq!((reply.status, reply.header("set-cookie")), (429, None));
    check_page(&reply.body);
    let reply = try_sign_in(&rig, &rig.viewer, "/").await;
    assert_eq!(
        reply.status, 303,
        "whoever guesses from the same address, a proxy's perhaps, keeps out nobody who knows"
    );
}

#[actix_web::test]
async fn every_page_asks_to_sign_in() {
    let rig = Rig::start().await;
    for route in ROUTES.iter().filter(|route| route.access != Access::Open) {
        for cookie in ["", "ringmain=guess", "ringmain="] {
            let body = (route.method == Method::Post).then_some("form_token=x");
            let reply = plain(&rig, route.method.as_str(), &filled(route), &[("Cookie", cookie)], body).await;
            check_headers(&reply);
            if route.path.starts_with("/console/") {
                assert_eq!(
                    (reply.status, reply.header("hx-redirect")),
                    (401, Some("/sign-in")),
                    "{}",
                    route.path
                );
            } else {
                assert_eq!(reply.status, 303, "{}", route.path);
                assert!(reply.header("location").unwrap().starts_with("/sign-in"), "{reply:?}");
            }
        }
    }
    let reply = plain(&rig, "GET", "/sessions?status=active&x=1", &[], None).await;
    assert_eq!(reply.header("location"), Some("/sign-in?next=%2Fsessions%3Fstatus%3Dactive%26x%3D1"));
}

#[actix_web::test]
async fn every_role_may_only_what_it_may() {
    let rig = Rig::start().await;
    rig.add_station("CS-1", 1).await;
    for role in AccessRole::ALL {
        for route in ROUTES.iter().filter(|route| route.path != "/sign-out") {
            let Access::Needs(permission) = route.access else { continue };
            let browser = Browser::sign_in(&rig, role).await;
            let (status, place) = (
                browse(&rig, &browser, route).await,
                format!("{} {} as {role:?}", route.method.as_str(), route.path),
            );
            assert!(status != 303 || route.method == Method::Post, "{place}: {status}");
            assert_eq!(status == 403, !role.may(permission), "{place}: {status}");
            assert!(status < 500, "{place}: {status}");
        }
    }
}

/// The status only: a feed never ends.
async fn browse(rig: &Rig, browser: &Browser<'_>, route: &Route) -> u16 {
    if route.method == Method::Post {
        return browser.post(&filled(route), &[]).await.status;
    }
    let headers = [("Cookie", browser.cookie.as_str())];
    Stream::open(rig.address, "GET", &filled(route), &headers, None).await.status
}

#[actix_web::test]
async fn a_form_needs_the_page_s_token_and_our_own_origin() {
    let rig = Rig::start().await;
    rig.add_station("CS-1", 1).await;
    let browser = Browser::sign_in(&rig, AccessRole::Operator).await;
    let other = Browser::sign_in(&rig, AccessRole::Operator).await;
    let theirs = other.form_token().await;
    for route in ROUTES.iter().filter(|route| route.method == Method::Post && route.access != Access::Open) {
        for body in [
            "",
            "form_token=",
            "form_token=guess",
            &form(&[("form_token", &theirs)]),
            "x=%FF&form_token",
            &"x".repeat(70_000),
        ] {
            let reply = browser.request("POST", &filled(route), &[], Some(body)).await;
            assert!(
                matches!(reply.status, 400 | 403),
                "{} with {:?}: {}",
                route.path,
                &body[..body.len().min(40)],
                reply.status
            );
            check_page(&reply.body);
            check_headers(&reply);
        }
    }
    let fields = [("uid", "A1")];
    for headers in
        [[("Origin", "https://evil.example")], [("Origin", "null")], [("Sec-Fetch-Site", "cross-site")]]
    {
        let reply = browser.post_with("/tokens", &fields, &headers).await;
        assert_eq!(reply.status, 403, "{headers:?}");
    }
    assert_eq!(
        plain(&rig, "POST", "/sign-in", &[("Origin", "https://evil.example")], Some("token=x")).await.status,
        403
    );
    let ours = format!("http://{}", rig.address);
    assert_eq!(browser.post_with("/tokens", &fields, &[("Origin", &ours)]).await.status, 303);
    assert_eq!(rig.get("/tokens").await.json()["items"].as_array().unwrap().len(), 1);
}

#[actix_web::test]
async fn signing_out_and_revoking_a_key_end_it() {
    let rig = Rig::start().await;
    let browser = Browser::sign_in(&rig, AccessRole::Viewer).await;
    let reply = browser.post("/sign-out", &[]).await;
    assert_eq!((reply.status, reply.header("location")), (303, Some("/sign-in")));
    assert!(reply.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert_eq!(browser.get("/").await.status, 303, "the old cookie is worth nothing");

    let browser = Browser::sign_in(&rig, AccessRole::Viewer).await;
    assert_eq!(browser.get("/").await.status, 200);
    let keys = rig.house.store.api_keys(&rig.house.tenant).await.unwrap();
    let viewer = keys.iter().find(|key| key.role == AccessRole::Viewer).unwrap().id;
    assert!(
        rig.house
            .store
            .revoke_api_key(&rig.house.tenant, viewer, ringmain_gateway::clock::now())
            .await
            .unwrap()
    );
    assert_eq!(browser.get("/").await.status, 303);
    assert_eq!(browser.get("/console/live/overview").await.status, 401);
}

#[actix_web::test]
async fn files_come_from_us_and_may_be_kept_for_ever() {
    let rig = Rig::start().await;
    let browser = Browser::sign_in(&rig, AccessRole::Viewer).await;
    let tags = check_page(&browser.page("/").await);
    let mut seen = 0;
    for tag in &tags {
        for url in
            ["src", "href"].iter().filter_map(|name| tag.get(name)).filter(|url| url.starts_with("/assets/"))
        {
            let reply = plain(&rig, "GET", url, &[], None).await;
            assert_eq!(reply.status, 200, "{url}");
            assert_eq!(reply.header("cache-control"), Some("public, max-age=31536000, immutable"));
            assert!(!reply.body.is_empty() && reply.header("content-type").is_some());
            check_headers(&reply);
            seen += 1;
        }
    }
    assert!(seen >= 5, "{seen}");
    let missing = plain(&rig, "GET", "/assets/000000000000-console.css", &[], None).await;
    assert_eq!(missing.status, 404);
    let policy = browser.get("/").await;
    assert_eq!(policy.header("cache-control"), Some("no-store"));
}

#[actix_web::test]
async fn what_is_not_there_is_a_page_too() {
    let rig = Rig::start().await;
    for (method, target, status) in [
        ("GET", "/chargers", 404),
        ("GET", "/favicon.ico", 404),
        ("DELETE", "/sessions", 405),
        ("PUT", "/", 405),
    ] {
        let reply = plain(&rig, method, target, &[], None).await;
        assert_eq!(reply.status, status, "{method} {target}");
        check_page(&reply.body);
        check_headers(&reply);
    }
    let browser = Browser::sign_in(&rig, AccessRole::Viewer).await;
    for target in [
        "/charging-stations/CS-9",
        "/charging-stations/a%3Ab",
        "/sessions/00000000-0000-0000-0000-000000000000",
        "/sessions/x",
        "/locations/nowhere",
        "/charging-stations?cursor=nonsense",
        "/tokens?cursor=nonsense",
    ] {
        let reply = browser.get(target).await;
        assert!(matches!(reply.status, 404), "{target}: {}", reply.status);
        check_headers(&reply);
    }
}
