//! The partner against a CPO of a few lines, and callers that push to it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::hostile::Mode;
use super::http::{Headers, Request, Response, Sent, call, serve};
use super::{Emsp, Settings, now};

const SOON: Duration = Duration::from_secs(10);

fn settings(version: &str) -> Settings {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../roaming/tests/schemas");
    Settings { schemas: Some(folder), ..Settings::local(version, "DE", "TST") }
}

fn token(uid: &str) -> Value {
    json!({"country_code": "DE", "party_id": "TST", "uid": uid, "type": "RFID", "contract_id": format!("C{uid}"),
        "issuer": "TST", "valid": true, "whitelist": "NEVER", "last_updated": "2026-03-01T08:00:00Z"})
}

fn location() -> Value {
    let connector = json!({"id": "1", "standard": "IEC_62196_T2", "format": "SOCKET", "power_type": "AC_3_PHASE",
        "max_voltage": 230, "max_amperage": 32, "last_updated": now()});
    let evse = json!({"uid": "E1", "status": "AVAILABLE", "connectors": [connector], "last_updated": now()});
    json!({"country_code": "NL", "party_id": "CPO", "id": "L1", "publish": true, "address": "Street 1",
        "city": "Utrecht", "country": "NLD", "coordinates": {"latitude": "52.09000", "longitude": "5.12142"},
        "time_zone": "Europe/Amsterdam", "evses": [evse], "last_updated": now()})
}

fn done(data: &Value) -> Sent {
    let body = json!({"data": data, "status_code": 1000, "timestamp": now()}).to_string();
    Sent::Whole(Response { status: 200, body, ..Response::default() })
}

/// A CPO: versions, credentials that look at the caller, three locations in pages of two, commands that are answered at once and later.
async fn cpo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let own = base.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let base: Arc<str> = own.as_str().into();
            tokio::spawn(async move { serve(stream, |request| answer(Arc::clone(&base), request)).await });
        }
    });
    base
}

async fn answer(base: Arc<str>, request: Request) -> Sent {
    let endpoint = |module: &str, role: &str| json!({"identifier": module, "role": role, "url": format!("{base}/{module}/")});
    match (request.method.as_str(), request.path.trim_end_matches('/')) {
        ("GET", "/versions") => done(&json!([{"version": "2.2.1", "url": format!("{base}/2.2.1")}])),
        ("GET", "/2.2.1") => {
            let modules = [
                ("credentials", "SENDER"),
                ("locations", "SENDER"),
                ("tokens", "RECEIVER"),
                ("commands", "RECEIVER"),
            ];
            let endpoints: Vec<_> = modules.iter().map(|(module, role)| endpoint(module, role)).collect();
            done(&json!({"version": "2.2.1", "endpoints": endpoints}))
        }
        ("POST" | "PUT", "/credentials") => {
            let theirs: Value = serde_json::from_str(&request.body).unwrap();
            let show = |token: &Value| {
                Headers::from([("Authorization".to_owned(), format!("Token {}", token.as_str().unwrap()))])
            };
            let seen =
                call("GET", theirs["url"].as_str().unwrap(), &show(&theirs["token"]), "").await.unwrap();
            assert_eq!(seen.status, 200, "token B opens their versions");
            done(
                &json!({"token": "c", "url": format!("{base}/versions"), "roles": [{"role": "CPO", "country_code": "NL",
                "party_id": "CPO", "business_details": {"name": "CPO"}}]}),
            )
        }
        ("DELETE", "/credentials") => done(&Value::Null),
        ("GET", "/locations") => {
            let offset: usize = request.query("offset").map_or(0, |offset| offset.parse().unwrap());
            let page: Vec<_> = (offset..3).take(2).map(|_| location()).collect();
            let mut headers = BTreeMap::from([("X-Total-Count".to_owned(), "3".to_owned())]);
            if offset == 0 {
                headers.insert("Link".to_owned(), format!("<{base}/locations?offset=2>; rel=\"next\""));
            }
            let Sent::Whole(response) = done(&json!(page)) else { panic!() };
            Sent::Whole(Response { headers, ..response })
        }
        ("POST", "/commands/STOP_SESSION") => {
            assert_eq!(
                (&*request.headers["ocpi-from-party-id"], &*request.headers["ocpi-to-party-id"]),
                ("TST", "CPO")
            );
            let order: Value = serde_json::from_str(&request.body).unwrap();
            let url = order["response_url"].as_str().unwrap().to_owned();
            let result = json!({"result": "ACCEPTED"}).to_string();
            // The token that the partner gave stands in its credentials; the test puts it into the order.
            let headers = Headers::from([(
                "Authorization".to_owned(),
                format!("Token {}", order["given"].as_str().unwrap()),
            )]);
            tokio::spawn(async move { call("POST", &url, &headers, &result).await.unwrap() });
            done(&json!({"result": "ACCEPTED", "timeout": 30}))
        }
        ("PUT", "/tokens/DE/TST/7") => done(&Value::Null),
        other => panic!("{other:?}"),
    }
}

/// A partner that is registered, and the header that opens it.
async fn registered(version: &str) -> (Emsp, Headers) {
    let partner = Emsp::start(settings(version)).await.unwrap();
    partner.shared.state().given = Some("given".to_owned());
    (partner, Headers::from([("Authorization".to_owned(), "Token given".to_owned())]))
}

fn url(partner: &Emsp, path: &str) -> String {
    format!("{}/{}/{path}", partner.shared.base, partner.shared.settings.version)
}

async fn push(partner: &Emsp, headers: &Headers, method: &str, path: &str, body: &Value) -> (u16, i64) {
    let answer = call(method, &url(partner, path), headers, &body.to_string()).await.unwrap();
    let frame: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    (answer.status, frame["status_code"].as_i64().unwrap_or_default())
}

#[tokio::test]
async fn it_registers_pulls_orders_and_leaves() {
    let base = cpo().await;
    let partner = Emsp::start(settings("2.2.1")).await.unwrap();
    partner.register(&format!("{base}/versions"), "a").await.unwrap();
    assert!(partner.is_registered());
    let pulled = partner.pull("locations", "").await.unwrap();
    assert_eq!((pulled.items.len(), pulled.pages, pulled.total), (3, 2, Some(3)));
    assert_eq!(pulled.faults, Vec::<String>::new());
    assert_eq!(partner.put_token(&token("7")).await.unwrap().0, 200);

    let given = partner.shared.state().given.clone().unwrap();
    let order = partner.command("STOP_SESSION", json!({"session_id": "S1", "given": given})).await.unwrap();
    assert_eq!((order.http, &order.answer["data"]["result"]), (200, &json!("ACCEPTED")));
    assert_eq!(partner.result(&order.id, SOON).await.unwrap(), json!({"result": "ACCEPTED"}));
    assert_eq!(partner.result("another", Duration::from_millis(10)).await, None);

    partner.rotate().await.unwrap();
    assert_ne!(partner.shared.state().given.clone().unwrap(), given);
    partner.unregister().await.unwrap();
    assert!(!partner.is_registered() && partner.pull("locations", "").await.is_err());
}

#[tokio::test]
async fn whoever_is_invited_registers_once() {
    let base = cpo().await;
    let partner = Emsp::start(settings("2.2.1")).await.unwrap();
    partner.invite("token-a");
    let show = |token: &str| Headers::from([("Authorization".to_owned(), format!("Token {token}"))]);
    let theirs = json!({"token": "b", "url": format!("{base}/versions"), "roles": [{"role": "CPO",
        "country_code": "NL", "party_id": "CPO", "business_details": {"name": "CPO"}}]});
    let credentials = url(&partner, "credentials");
    assert_eq!(call("GET", &partner.versions_url(), &show("x"), "").await.unwrap().status, 401);
    assert_eq!(call("POST", &credentials, &show("x"), &theirs.to_string()).await.unwrap().status, 401);
    let answer = call("POST", &credentials, &show("token-a"), &theirs.to_string()).await.unwrap();
    let answer: Value = serde_json::from_str(&answer.body).unwrap();
    let token_c = answer["data"]["token"].as_str().unwrap();
    assert_eq!(call("GET", &partner.versions_url(), &show("token-a"), "").await.unwrap().status, 401);
    assert_eq!(call("GET", &partner.versions_url(), &show(token_c), "").await.unwrap().status, 200);
    assert_eq!(call("POST", &credentials, &show(token_c), &theirs.to_string()).await.unwrap().status, 405);
}

#[tokio::test]
async fn it_keeps_what_is_pushed_and_finds_what_is_wrong() {
    let (partner, headers) = registered("2.2.1").await;
    let at = "locations/NL/CPO/L1";
    assert_eq!(
        push(&partner, &headers, "PATCH", at, &json!({"name": "x", "last_updated": now()})).await,
        (404, 2003)
    );
    assert_eq!(push(&partner, &headers, "PUT", at, &location()).await, (201, 1000));
    assert_eq!(push(&partner, &headers, "PUT", at, &location()).await, (200, 1000));
    let status = json!({"status": "CHARGING", "last_updated": now()});
    assert_eq!(push(&partner, &headers, "PATCH", &format!("{at}/E1"), &status).await, (200, 1000));
    assert_eq!(partner.kept("locations")["nl/cpo/l1"]["evses"][0]["status"], "CHARGING");
    assert_eq!(push(&partner, &headers, "PATCH", &format!("{at}/E2"), &status).await, (404, 2003));
    assert!(partner.journal().faults().is_empty());
    let lag = partner.journal().lag("locations");
    assert!(lag.count >= 3 && lag.max_ms < 10_000, "{lag:?}");

    // Without an instant, with an object that its schema refuses, under another name.
    assert_eq!(push(&partner, &headers, "PATCH", at, &json!({"name": "x"})).await, (200, 2001));
    assert_eq!(
        push(&partner, &headers, "PATCH", at, &json!({"publish": "yes", "last_updated": now()})).await,
        (200, 1000)
    );
    assert_eq!(push(&partner, &headers, "PUT", "locations/NL/CPO/L2", &location()).await, (201, 1000));
    let faults = partner.journal().faults();
    for expect in ["last_updated is missing", "/publish", "id is L1 in the body and L2 in the path"] {
        assert!(faults.iter().any(|fault| fault.contains(expect)), "{expect}: {faults:?}");
    }
    let stranger = Headers::from([("Authorization".to_owned(), "Token x".to_owned())]);
    assert_eq!(push(&partner, &stranger, "PUT", at, &location()).await, (401, 2000));
}

#[tokio::test]
async fn a_bill_that_is_lost_or_comes_twice_is_noticed() {
    let (partner, headers) = registered("2.2.1").await;
    let cdr = |id: &str| json!({"id": id, "last_updated": now()});
    partner.set_mode(Mode::Truncated);
    assert!(call("POST", &url(&partner, "cdrs"), &headers, &cdr("A").to_string()).await.is_err());
    // Nobody was told that it is here: to send it again is right.
    partner.set_mode(Mode::Good);
    assert_eq!(push(&partner, &headers, "POST", "cdrs", &cdr("A")).await, (200, 1000));
    let journal = partner.journal();
    assert_eq!((journal.doubles(), journal.lost(["A", "B"])), (Vec::new(), vec!["B"]));
    // Who asks after a lost answer knows as well, and need not send it again.
    partner.set_mode(Mode::Garbage);
    assert_eq!(
        call("POST", &url(&partner, "cdrs"), &headers, &cdr("C").to_string()).await.unwrap().status,
        201
    );
    partner.set_mode(Mode::Good);
    assert_eq!(partner.journal().lost(["B", "C"]), ["B", "C"]);
    for (id, status) in [("B", 404), ("C", 200)] {
        let at = format!("{}/{id}", url(&partner, "cdrs"));
        assert_eq!(call("GET", &at, &headers, "").await.unwrap().status, status, "{id}");
    }
    assert_eq!(partner.journal().lost(["B", "C"]), ["B"]);
    assert_eq!(push(&partner, &headers, "POST", "cdrs", &cdr("A")).await, (200, 1000));
    assert_eq!(partner.journal().doubles(), ["a"]);
    assert!(partner.journal().faults().iter().any(|fault| fault.contains("cdr")));
}

#[tokio::test]
async fn every_mode_misbehaves_in_its_way() {
    let (partner, headers) = registered("2.2.1").await;
    partner.add_token(token("7"));
    partner.add_token(token("8"));
    let tokens = url(&partner, "tokens");
    let get = || call("GET", &tokens, &headers, "");

    partner.set_mode(Mode::TooMany { retry_after_s: Some(3) });
    let answer = get().await.unwrap();
    assert_eq!((answer.status, &*answer.headers["retry-after"]), (429, "3"));
    partner.set_mode(Mode::Errors { percent: 100 });
    assert_eq!(get().await.unwrap().status, 500);
    partner.set_mode(Mode::Errors { percent: 0 });
    assert_eq!(get().await.unwrap().status, 200);
    partner.set_mode(Mode::Slow(Duration::from_millis(50)));
    let begun = Instant::now();
    assert_eq!(get().await.unwrap().status, 200);
    assert!(begun.elapsed() >= Duration::from_millis(50));
    partner.set_mode(Mode::Truncated);
    assert!(get().await.unwrap_err().chain().any(|cause| cause.to_string().contains("cut short")));
    partner.set_mode(Mode::Garbage);
    assert!(get().await.unwrap().body.starts_with("<html>"));
    partner.set_mode(Mode::OneItemPages);
    let answer = get().await.unwrap();
    let page: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(page["data"].as_array().unwrap().len(), 1);
    assert!(answer.headers["link"].contains("offset=1&limit=1") && answer.headers["x-total-count"] == "2");
    partner.set_mode(Mode::Redirecting);
    let answer = get().await.unwrap();
    assert_eq!((answer.status, &*answer.headers["location"]), (307, "/ocpi/2.2.1/tokens/"));
    assert_eq!(call("GET", &format!("{tokens}/"), &headers, "").await.unwrap().status, 200);

    partner.set_mode(Mode::LowerCased);
    assert_eq!(push(&partner, &headers, "PUT", "locations/NL/CPO/L1", &location()).await, (201, 1000));
    assert_eq!(partner.kept("locations")["nl/cpo/l1"]["evses"][0]["uid"], "e1");
    partner.set_mode(Mode::Wrapped);
    let answer = call("GET", &url(&partner, "locations/NL/CPO/L1"), &headers, "").await.unwrap();
    let answer: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(answer["data"][0]["country_code"], "nl");

    // Silence: the request arrives, and nothing comes back.
    partner.set_mode(Mode::Stalled);
    let silent = tokio::time::timeout(Duration::from_millis(200), get()).await;
    assert!(silent.is_err());
    assert!(partner.arrives(SOON, |one| one.status.is_none() && !one.is_acknowledged).await.is_some());
    // Its versions answer all the same.
    assert_eq!(call("GET", &partner.versions_url(), &headers, "").await.unwrap().status, 200);
}

#[tokio::test]
async fn it_says_whether_a_token_may_charge() {
    let (partner, headers) = registered("2.2.1").await;
    partner.add_token(token("AB"));
    let ask = async |uid: &str| {
        let body = json!({"location_id": "L1"}).to_string();
        let answer =
            call("POST", &url(&partner, &format!("tokens/{uid}/authorize?type=RFID")), &headers, &body)
                .await
                .unwrap();
        (answer.status, serde_json::from_str::<Value>(&answer.body).unwrap())
    };
    let (http, answer) = ask("ab").await;
    assert_eq!((http, &answer["data"]["allowed"]), (200, &json!("ALLOWED")));
    assert_eq!(answer["data"]["location"], json!({"location_id": "L1"}));
    assert_eq!((ask("X").await.0, &ask("X").await.1["status_code"]), (404, &json!(2004)));
    partner.set_verdict("AB", "NO_CREDIT");
    let (http, answer) = ask("AB").await;
    assert_eq!((http, &answer["data"]["allowed"]), (200, &json!("NO_CREDIT")));
}

#[test]
fn modes_have_names() {
    for (text, mode) in [
        ("good", Mode::Good),
        ("too-many", Mode::TooMany { retry_after_s: None }),
        ("too-many:5", Mode::TooMany { retry_after_s: Some(5) }),
        ("errors:30", Mode::Errors { percent: 30 }),
        ("slow:8000", Mode::Slow(Duration::from_secs(8))),
        ("stalled", Mode::Stalled),
    ] {
        assert_eq!(text.parse::<Mode>().unwrap(), mode);
    }
    for text in ["", "errors", "errors:101", "slow", "good:1", "bad", "slow:x"] {
        assert!(text.parse::<Mode>().is_err(), "{text}");
    }
}
