//! Credentials: token A once, token C from then on, and nobody without.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ringmain_roaming::ocpi::envelope::now;
use ringmain_roaming::partner::hash;
use ringmain_store::partners::PartnerState;
use serde_json::json;

use crate::make::tenant;
use crate::rig::{BASE, Rig};
use crate::schema::schema;

const CREDENTIALS: &str = "/ocpi/2.2.1/credentials";

/// Everything that can be asked for.
const PATHS: [&str; 10] = [
    "/ocpi/versions",
    "/ocpi/2.2.1",
    CREDENTIALS,
    "/ocpi/cpo/2.2.1/locations",
    "/ocpi/cpo/2.2.1/locations/L",
    "/ocpi/cpo/2.2.1/locations/L/E",
    "/ocpi/cpo/2.2.1/locations/L/E/1",
    "/ocpi/cpo/2.2.1/sessions?date_from=2026-01-01T00:00:00Z",
    "/ocpi/cpo/2.2.1/cdrs",
    "/ocpi/cpo/2.2.1/tariffs",
];

#[actix_web::test]
async fn a_partner_registers_once_with_token_a() {
    let rig = Rig::start().await;
    let id = rig.invite("token-a", now()).await;

    let versions = rig.get("/ocpi/versions", "token-a").await;
    assert_eq!(versions.status(), (200, 1000));
    let entry = |version: &str| json!({"version": version, "url": format!("{BASE}/{version}")});
    assert_eq!(*versions.data(), json!(["2.3.0", "2.2.1", "2.1.1"].map(entry)));
    let details = rig.get("/ocpi/2.2.1", "token-a").await;
    schema!("version-details").check(details.data());
    let mut urls: Vec<_> =
        details.data()["endpoints"].as_array().unwrap().iter().map(|e| e["url"].as_str().unwrap()).collect();
    urls.sort_unstable();
    let url = |path: &str| format!("{BASE}/{path}");
    let lists = ["cdrs", "commands", "locations", "sessions", "tariffs", "tokens"]
        .map(|module| url(&format!("cpo/2.2.1/{module}")));
    assert_eq!(urls, [vec![url("2.2.1/credentials")], lists.to_vec()].concat());
    let ours = rig.get(CREDENTIALS, "token-a").await;
    assert_eq!(ours.data()["token"], "token-a");

    let answer = rig.send("POST", CREDENTIALS, "token-a", Some(&rig.credentials())).await;
    assert_eq!(answer.status(), (200, 1000), "{answer:?}");
    schema!("credentials").check(answer.data());
    assert_eq!(answer.data()["url"], format!("{BASE}/versions"));
    assert_eq!(answer.data()["roles"][0]["party_id"], "RMN");
    let token_c = answer.data()["token"].as_str().unwrap();
    assert!(token_c.len() >= 43 && token_c.len() <= 64);

    // Kept: token C as a hash, token B as it is, codes in upper case.
    let partner = rig.store.partner(&tenant(), id).await.unwrap().unwrap();
    let PartnerState::Registered(peer) = &partner.state else { panic!("{partner:?}") };
    assert_eq!((peer.token.reveal(), &*peer.url), ("token-b", &*rig.emsp.url("/ocpi/versions")));
    // Its endpoints were asked for with token B before it was answered.
    let endpoints = peer.endpoints.as_ref().unwrap();
    assert_eq!((&*endpoints.version, endpoints.modules.len(), endpoints.is_token_plain), ("2.2.1", 7, false));
    let asked: Vec<_> = rig.emsp.heard().into_iter().map(|heard| (heard.path, heard.token)).collect();
    let shown = format!("Token {}", STANDARD.encode("token-b"));
    assert_eq!(asked[..2], ["/ocpi/versions", "/ocpi/2.2.1"].map(|path| (path.to_owned(), shown.clone())));
    assert_eq!((&*peer.roles[0].country_code, &*peer.roles[0].party_id), ("DE", "ABC"));
    assert_eq!(rig.store.partner_by_token(&hash(token_c)).await.unwrap(), Some(partner));

    // Token A is dead, token C lives, and knows its place.
    for path in PATHS {
        assert_eq!(rig.get(path, "token-a").await.status(), (401, 2000), "{path}");
    }
    assert_eq!(
        rig.send("POST", CREDENTIALS, "token-a", Some(&rig.credentials())).await.status(),
        (401, 2000)
    );
    assert_eq!(rig.send("POST", CREDENTIALS, token_c, Some(&rig.credentials())).await.status(), (405, 2000));
    assert_eq!(rig.get(CREDENTIALS, token_c).await.data()["token"], token_c);
    assert_eq!(rig.get("/ocpi/cpo/2.2.1/locations", token_c).await.status(), (200, 1000));
}

#[actix_web::test]
async fn tokens_are_rotated_by_put_and_end_with_delete() {
    let rig = Rig::start().await;
    let first = rig.register().await;
    let mut renewed = rig.credentials();
    renewed["token"] = json!("token-b2");
    let answer = rig.send("PUT", CREDENTIALS, &first, Some(&renewed)).await;
    assert_eq!(answer.status(), (200, 1000), "{answer:?}");
    let second = answer.data()["token"].as_str().unwrap().to_owned();
    assert_ne!(first, second);
    assert_eq!(rig.get("/ocpi/versions", &first).await.status(), (401, 2000));
    let partner = rig.store.partner_by_token(&hash(&second)).await.unwrap().unwrap();
    assert!(matches!(&partner.state, PartnerState::Registered(peer) if peer.token.reveal() == "token-b2"));
    // Parties are pinned.
    renewed["roles"][0]["party_id"] = json!("XYZ");
    let pinned = rig.send("PUT", CREDENTIALS, &second, Some(&renewed)).await;
    assert_eq!(pinned.status(), (200, 2001));
    assert!(pinned.message().contains("roles must stay"), "{pinned:?}");

    let left = rig.send("DELETE", CREDENTIALS, &second, None).await;
    assert_eq!(left.status(), (200, 1000));
    assert!(left.body.get("data").is_none());
    assert_eq!(rig.get("/ocpi/versions", &second).await.status(), (401, 2000));
    let partner = rig.store.partner(&tenant(), partner.id).await.unwrap().unwrap();
    assert_eq!(partner.state, PartnerState::Unregistered);
}

#[actix_web::test]
async fn an_invitation_opens_nothing_but_the_handshake() {
    let rig = Rig::start().await;
    rig.invite("token-a", now()).await;
    for path in PATHS.into_iter().filter(|path| path.contains("/cpo/")) {
        assert_eq!(rig.get(path, "token-a").await.status(), (401, 2000), "{path}");
    }
    assert_eq!(rig.send("PUT", CREDENTIALS, "token-a", Some(&rig.credentials())).await.status(), (405, 2000));
    assert_eq!(rig.send("DELETE", CREDENTIALS, "token-a", None).await.status(), (405, 2000));
    rig.invite("expired", now().plus_secs(-60)).await;
    assert_eq!(rig.get("/ocpi/versions", "expired").await.status(), (401, 2000));
    assert_eq!(
        rig.send("POST", CREDENTIALS, "expired", Some(&rig.credentials())).await.status(),
        (401, 2000)
    );
}

#[actix_web::test]
async fn nobody_comes_in_without_a_token() {
    let rig = Rig::start().await;
    let token = rig.register().await;
    let raw = format!("Authorization: Token {token}");
    let bearer = format!("Authorization: Bearer {}", STANDARD.encode(&token));
    let wrong = format!("Authorization: Token {}", STANDARD.encode("wrong"));
    for path in PATHS {
        for headers in
            [&[][..], &[&*bearer], &[&*wrong], &["Authorization: Token"], &["Authorization: Token %"]]
        {
            let answer = rig.raw("GET", path, headers, b"").await;
            assert_eq!(answer.status(), (401, 2000), "{path} {headers:?}");
            assert_eq!(answer.headers["www-authenticate"], "Token");
            assert!(answer.body.get("data").is_none());
        }
        // Many peers send it raw.
        assert_ne!(rig.raw("GET", path, &[&*raw], b"").await.http, 401, "{path}");
    }
}

#[actix_web::test]
async fn another_tenants_partner_is_nobody_here() {
    let rig = Rig::start().await;
    let token = rig.register().await;
    let partner = rig.store.partner_by_token(&hash(&token)).await.unwrap().unwrap();
    let elsewhere = ringmain_store::partners::Invitation {
        id: uuid::Uuid::new_v4(),
        tenant: ringmain_domain::id::TenantId::new("other").unwrap(),
        name: partner.name,
        ours: partner.ours,
        versions_url: partner.versions_url,
        token_hash: hash("elsewhere"),
        expires_at: now().plus_secs(60),
        created_at: now(),
    };
    assert!(rig.store.insert_invitation(&elsewhere).await.unwrap());
    assert_eq!(rig.get("/ocpi/versions", "elsewhere").await.status(), (401, 2000));
}

#[actix_web::test]
async fn credentials_that_are_wrong_leave_the_invitation_as_it_is() {
    let rig = Rig::start().await;
    rig.invite("token-a", now()).await;
    let header = format!("Authorization: Token {}", STANDARD.encode("token-a"));
    let post = async |body: &[u8]| rig.raw("POST", CREDENTIALS, &[&*header], body).await;
    for body in ["", "{", "[]", "{\"token\":\"b\"}"] {
        assert_eq!(post(body.as_bytes()).await.status(), (400, 2001), "{body}");
    }
    let padded = format!("{{\"padding\":\"{}\"}}", "x".repeat(64 * 1024));
    assert_eq!(post(padded.as_bytes()).await.status(), (400, 2001));
    for (pointer, value, message) in [
        ("/token", json!(""), "token must have"),
        ("/url", json!("http://emsp.example.com/"), "url must start"),
        ("/url", json!("https://10.0.0.1/"), "url must name"),
        ("/url", json!("https://169.254.169.254/latest"), "url must name"),
        ("/roles", json!([]), "roles must be"),
        ("/roles/0/country_code", json!("DEU"), "country_code"),
    ] {
        let mut body = rig.credentials();
        *body.pointer_mut(pointer).unwrap() = value;
        let answer = post(body.to_string().as_bytes()).await;
        assert_eq!(answer.status(), (200, 2001), "{pointer}");
        assert!(answer.message().starts_with(message), "{answer:?}");
    }
    assert_eq!(post(rig.credentials().to_string().as_bytes()).await.status(), (200, 1000));
    // The party is taken now.
    rig.invite("token-a2", now()).await;
    let taken = rig.send("POST", CREDENTIALS, "token-a2", Some(&rig.credentials())).await;
    assert_eq!(taken.status(), (200, 2001));
    assert!(taken.message().contains("another partner"), "{taken:?}");
}

#[actix_web::test]
async fn every_answer_is_ocpis_and_says_back_what_it_was_told() {
    let rig = Rig::start().await;
    let token = rig.register().await;
    let header = format!("Authorization: Token {}", STANDARD.encode(&token));
    let sent = [
        "X-Request-ID: r-1",
        "X-Correlation-ID: c-1",
        "OCPI-from-country-code: DE",
        "OCPI-from-party-id: ABC",
        "OCPI-to-country-code: NL",
        "OCPI-to-party-id: RMN",
    ];
    let check = async |method: &str, path: &str, with: &[&str], expect| {
        let answer = rig.raw(method, path, &[&sent[..], with].concat(), b"").await;
        assert_eq!(answer.status(), expect, "{method} {path}");
        let said = |name: &str| answer.headers[name].as_str();
        assert_eq!((said("x-request-id"), said("x-correlation-id")), ("r-1", "c-1"));
        assert_eq!((said("ocpi-to-country-code"), said("ocpi-to-party-id")), ("DE", "ABC"));
        assert_eq!((said("ocpi-from-country-code"), said("ocpi-from-party-id")), ("NL", "RMN"));
    };
    check("GET", "/ocpi/cpo/2.2.1/tariffs", &[&*header], (200, 1000)).await;
    check("GET", "/ocpi/cpo/2.2.1/tariffs", &[], (401, 2000)).await;
    check("PUT", "/ocpi/cpo/2.2.1/tariffs", &[&*header], (405, 2000)).await;
    check("PATCH", CREDENTIALS, &[&*header], (405, 2000)).await;
    check("POST", "/ocpi/versions", &[&*header], (405, 2000)).await;
    check("GET", "/ocpi/2.0", &[&*header], (404, 2000)).await;
    check("GET", "/ocpi/cpo/2.0/tariffs", &[&*header], (404, 2000)).await;
    check("GET", "/ocpi/cpo/2.2.1/tariffs/T1", &[&*header], (404, 2000)).await;
    check("GET", "/ocpi/cpo/2.2.1/locations/%FF", &[&*header], (404, 2003)).await;
    check("GET", "/ocpi/cpo/2.2.1/locations?limit=0", &[&*header], (200, 2001)).await;
    let long = format!("X-Request-ID: {}", "x".repeat(257));
    let answer = rig.raw("GET", "/ocpi/versions", &[&*header, &*long], b"").await;
    assert_eq!((answer.status(), answer.headers.get("x-request-id")), ((200, 1000), None));
}

#[actix_web::test]
async fn a_store_in_trouble_is_our_fault_not_the_partners() {
    let rig = Rig::start().await;
    let token = rig.register().await;
    rig.store.close().await;
    assert_eq!(rig.get("/ocpi/versions", &token).await.status(), (200, 3000));
}
