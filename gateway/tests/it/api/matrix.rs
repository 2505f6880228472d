//! Every route with every role and another tenant, made from the table of routes: a route nobody thought about fails here.

use ringmain_domain::access::AccessRole;
use ringmain_domain::id::{SessionId, StationId, TenantId, TransactionId};
use ringmain_gateway::api::routes::{Access, Method, ROUTES, Route};
use serde_json::{Value, json};

use super::client::{Reply, Stream};
use super::rig::Rig;

/// A public key that can be read: the generator of secp256r1.
const METER_KEY: &str = "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";

/// The path of a route with something in the place of each parameter.
fn filled(route: &Route) -> String {
    let nil = "00000000-0000-0000-0000-000000000000";
    let path = route.path.replace("{action}", "ClearCache").replace("{transaction_id}", "1");
    path.replace("{charging_station_id}", "CS-1")
        .replace("{uid}", "A1")
        .replace("{serial}", "M1")
        .replace("{id}", nil)
}

/// The status only: a feed never ends.
async fn status(rig: &Rig, route: &Route, authorization: Option<&str>) -> (u16, Vec<(String, String)>) {
    let mut headers = vec![("Content-Type", "application/json")];
    headers.extend(authorization.map(|value| ("Authorization", value)));
    let body = (route.method != Method::Get).then_some(&b"[]"[..]);
    let target = format!("/api/v1{}", filled(route));
    let stream = Stream::open(rig.address, route.method.as_str(), &target, &headers, body).await;
    (stream.status, stream.headers)
}

#[actix_web::test]
async fn every_route_asks_for_a_key_and_every_role_may_only_what_it_may() {
    let rig = Rig::start().await;
    for route in ROUTES {
        let place = format!("{} {}", route.method.as_str(), route.path);
        let Access::Needs(permission) = route.access else {
            assert_eq!(status(&rig, route, None).await.0, 200, "{place} is open");
            assert_eq!(route.path, "/openapi.json", "only the description is open");
            continue;
        };
        for wrong in [None, Some("Bearer rmk_guess"), Some("Bearer "), Some("Basic eDp5"), Some("nonsense")] {
            let (status, headers) = status(&rig, route, wrong).await;
            assert_eq!(status, 401, "{place} with {wrong:?}");
            let challenge = headers.iter().find(|(name, _)| name == "www-authenticate");
            assert_eq!(
                challenge.map(|(_, value)| value.as_str()),
                Some("Bearer realm=\"ringmain\""),
                "{place}"
            );
        }
        for role in AccessRole::ALL {
            let bearer = format!("Bearer {}", rig.token(role));
            let (status, _) = status(&rig, route, Some(&bearer)).await;
            assert!(status != 401, "{place} as {role:?}");
            assert_eq!(status == 403, !role.may(permission), "{place} as {role:?}: {status}");
            assert!(status < 500, "{place} as {role:?}: {status}");
        }
    }
}

#[actix_web::test]
async fn another_tenant_sees_nothing_of_ours() {
    let rig = Rig::start().await;
    rig.add_location("depot-1").await;
    let tree = json!({"circuits": [{"id": "grid", "limit": {"power_w": 50_000}}], "evses": []});
    assert_eq!(rig.send("PUT", "/locations/depot-1/circuits", Some(tree)).await.status, 200);
    rig.add_tariff("std").await;
    let station = rig.add_station("CS-1", 1).await;
    rig.add_session(&station, "T1", 0, true).await;
    rig.post("/tokens", json!({"uid": "A1"})).await;
    rig.post("/token-groups", json!({"id": "fleet", "name": "Fleet"})).await;
    rig.post("/vehicles", json!({"id": "bus-7", "name": "Bus 7"})).await;
    let command = rig.post("/charging-stations/CS-1/commands", json!({"command": "reset"})).await.json();
    let keys = rig.send_as(&rig.administrator, "GET", "/api-keys", None, &[]).await.json();
    let cdr = rig.get("/cdrs").await.json()["items"][0]["id"].as_str().unwrap().to_owned();
    let tenant = TenantId::default_tenant();
    let transaction = TransactionId::new("T1").unwrap();
    let session = SessionId::derive(&tenant, &StationId::new("CS-1").unwrap(), &transaction).to_string();
    let key = json!({"public_key": METER_KEY});
    assert_eq!(rig.send("PUT", "/meter-keys/M1", Some(key)).await.status, 201);
    let assignment = rig.post("/tariff-assignments", json!({"tariff_id": "std"})).await.json();
    let ours = json!({
        "name": "Example", "country_code": "NL", "party_id": "RMN", "company": "Ringmain",
        "our_versions_url": "https://cpo.example.com/ocpi/versions",
    });
    let invited = rig.send_as(&rig.administrator, "POST", "/partners", Some(ours), &[]).await.json();
    let partner = format!("/partners/{}", invited["id"].as_str().unwrap());
    let paths = [
        ("/partners/{id}", partner.clone()),
        ("/partners/{id}/rotate", format!("{partner}/rotate")),
        ("/partners/{id}/dead-letters", format!("{partner}/dead-letters")),
        ("/partners/{id}/calls", format!("{partner}/calls")),
        ("/locations/{id}", "/locations/depot-1".to_owned()),
        ("/locations/{id}/access", "/locations/depot-1/access".to_owned()),
        ("/locations/{id}/circuits", "/locations/depot-1/circuits".to_owned()),
        ("/locations/{id}/load", "/locations/depot-1/load".to_owned()),
        ("/locations/{id}/load/settings", "/locations/depot-1/load/settings".to_owned()),
        ("/locations/{id}/load/history", "/locations/depot-1/load/history".to_owned()),
        ("/locations/{id}/load/forecast", "/locations/depot-1/load/forecast".to_owned()),
        ("/locations/{id}/load/mendings", "/locations/depot-1/load/mendings".to_owned()),
        (
            "/locations/{id}/circuits/{circuit_id}/readings",
            "/locations/depot-1/circuits/grid/readings".to_owned(),
        ),
        (
            "/locations/{id}/circuits/{circuit_id}/limits",
            "/locations/depot-1/circuits/grid/limits".to_owned(),
        ),
        ("/charging-stations/{id}", "/charging-stations/CS-1".to_owned()),
        ("/charging-stations/{id}/password", "/charging-stations/CS-1/password".to_owned()),
        ("/charging-stations/{id}/duplicate", "/charging-stations/CS-1/duplicate".to_owned()),
        ("/charging-stations/{id}/hardware", "/charging-stations/CS-1/hardware".to_owned()),
        ("/charging-stations/{id}/tariffs", "/charging-stations/CS-1/tariffs".to_owned()),
        ("/charging-stations/{id}/messages", "/charging-stations/CS-1/messages".to_owned()),
        ("/charging-stations/{id}/commands", "/charging-stations/CS-1/commands".to_owned()),
        ("/charging-stations/{id}/ocpp/{action}", "/charging-stations/CS-1/ocpp/ClearCache".to_owned()),
        ("/transactions/{charging_station_id}/{transaction_id}", "/transactions/CS-1/T1".to_owned()),
        ("/sessions/{id}", format!("/sessions/{session}")),
        ("/sessions/{id}/charging-need", format!("/sessions/{session}/charging-need")),
        ("/sessions/{id}/rulings", format!("/sessions/{session}/rulings")),
        ("/cdrs/{id}", format!("/cdrs/{cdr}")),
        ("/tariffs/{id}", "/tariffs/std".to_owned()),
        ("/tariffs/{id}/versions", "/tariffs/std/versions".to_owned()),
        ("/tariffs/{id}/versions/{valid_from}", "/tariffs/std/versions/2099-01-01T00:00:00Z".to_owned()),
        ("/tariffs/{id}/simulate", "/tariffs/std/simulate".to_owned()),
        ("/tariff-assignments/{id}", format!("/tariff-assignments/{}", assignment["id"].as_str().unwrap())),
        ("/meter-keys/{serial}", "/meter-keys/M1".to_owned()),
        ("/tokens/{uid}", "/tokens/A1".to_owned()),
        ("/vehicles/{id}", "/vehicles/bus-7".to_owned()),
        ("/token-groups/{id}", "/token-groups/FLEET".to_owned()),
        ("/commands/{id}", format!("/commands/{}", command["id"].as_str().unwrap())),
        ("/api-keys/{id}", format!("/api-keys/{}", keys["items"][0]["id"].as_str().unwrap())),
    ];
    for route in ROUTES.iter().filter(|route| route.path.contains('{') && route.method != Method::Put) {
        let path = paths.iter().find(|(pattern, _)| *pattern == route.path);
        let (_, path) = path.unwrap_or_else(|| panic!("say which object {} is tried with", route.path));
        let body = body_for(route);
        let theirs = rig.send_as(&rig.stranger, route.method.as_str(), path, body.clone(), &[]).await;
        theirs.assert_problem(404, "not-found");
        if route.method == Method::Get {
            assert_eq!(
                rig.get(path).await.status,
                if path.contains("api-keys") { 403 } else { 200 },
                "{path}"
            );
        }
    }
    for route in ROUTES.iter().filter(|route| !route.path.contains('{') && route.method == Method::Get) {
        if matches!(route.path, "/openapi.json" | "/events" | "/api-keys" | "/audit-events") {
            continue;
        }
        let theirs = rig.send_as(&rig.stranger, "GET", route.path, None, &[]).await;
        if route.path.ends_with(".csv") {
            assert_eq!(theirs.body.lines().count(), 1, "the names of the columns alone: {}", theirs.body);
            continue;
        }
        assert_eq!(theirs.json()["items"], json!([]), "{}", route.path);
    }
    // A PUT of theirs makes a thing of their own.
    let theirs = json!({"name": "Theirs", "currency": "USD", "elements": [{"components": [{"dimension": "flat", "price": "9"}]}]});
    assert_eq!(rig.send_as(&rig.stranger, "PUT", "/tariffs/std", Some(theirs), &[]).await.status, 201);
    assert_eq!(rig.get("/tariffs/std").await.json()["name"], "Standard");
    assert_eq!(rig.get("/charging-stations/CS-1").await.status, 200, "nothing of ours was removed");
}

fn body_for(route: &Route) -> Option<Value> {
    match (route.method, route.path) {
        (Method::Post, "/charging-stations/{id}/commands") => Some(json!({"command": "reset"})),
        (Method::Post, "/charging-stations/{id}/duplicate") => Some(json!({"decision": "keep_old"})),
        (Method::Post, "/sessions/{id}/rulings") => Some(json!({"ruling": "voided", "note": "mine now"})),
        (Method::Post, "/partners/{id}/dead-letters") => Some(json!({"kind": "cdr", "subject": "x"})),
        (Method::Post, "/locations/{id}/load/mendings") => {
            Some(json!({"charging_station_id": "CS-1", "evse_id": 1}))
        }
        (Method::Post, "/tariffs/{id}/simulate") => {
            Some(json!({"started_at": "2026-03-01T08:00:00Z", "charging_min": 60, "energy_wh": 1000}))
        }
        (Method::Post | Method::Patch, _) => Some(json!({})),
        _ => None,
    }
}

#[actix_web::test]
async fn an_unknown_path_or_method_is_a_problem_too() {
    let rig = Rig::start().await;
    rig.get("/chargers").await.assert_problem(404, "not-found");
    rig.get("/charging-stations/CS-1/nothing").await.assert_problem(404, "not-found");
    rig.get("/sessions/not-a-uuid").await.assert_problem(404, "not-found");
    rig.get("/charging-stations/a%3Ab").await.assert_problem(404, "not-found");
    let reply = rig.send("DELETE", "/sessions", None).await;
    reply.assert_problem(405, "method-not-allowed");
    assert_eq!(reply.header("allow"), Some("GET"));
    let reply = rig.send("PUT", "/tokens", None).await;
    assert_eq!(reply.header("allow"), Some("GET, POST"));
}

#[actix_web::test]
async fn every_answer_carries_the_security_headers() {
    let rig = Rig::start().await;
    let check = |reply: &Reply| {
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
            ("referrer-policy", "no-referrer"),
        ] {
            assert_eq!(reply.header(name), Some(value), "{reply:?}");
        }
    };
    check(&rig.get("/locations").await);
    check(&rig.get("/chargers").await);
    check(&rig.send("DELETE", "/sessions", None).await);
    check(&rig.send_as("wrong", "GET", "/locations", None, &[]).await);
    check(&rig.post("/locations", json!({"x": 1})).await);
}
