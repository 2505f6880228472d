//! Roaming through the whole node: a partner registers, orders a session, is told how it goes and gets its bill; its driver's card is
//! asked about when it is shown.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ringmain_domain::id::TenantId;
use serde_json::{Value, json};
use std::time::Duration;

use crate::rig::eventually;
use crate::rig::http::{self, Response};
use crate::rig::node::Node;
use crate::rig::station::Station;
use crate::rig::stores::TestStore;

#[path = "../../../roaming/tests/it/emsp.rs"]
#[expect(dead_code, reason = "shared with the tests of roaming, which use all of it")]
mod emsp;

use emsp::Partner;

const SETTINGS: [(&str, &str); 5] = [
    ("ROAMING__ALLOW", "http://127.0.0.1"),
    ("ROAMING__COUNTRY_CODE", "NL"),
    ("ROAMING__PARTY_ID", "RMN"),
    ("ROAMING__COMPANY", "Ringmain Test"),
    ("ROAMING__VERSIONS_URL", "https://cpo.example.com/ocpi/versions"),
];

/// A call of the partner.
async fn ocpi(node: &Node, token: &str, method: &str, path: &str, body: Option<&Value>) -> (Response, Value) {
    let authorization = format!("Token {}", STANDARD.encode(token));
    let body = body.map(Value::to_string);
    let headers = [("Authorization", authorization.as_str())];
    let answer = http::request(node.addresses.http, method, path, &headers, body.as_deref()).await.unwrap();
    let read: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(read["status_code"], 1000, "{method} {path}: {}", answer.body);
    (answer, read["data"].clone())
}

/// A node with a station at a location, and a registered partner; its token C.
async fn start(emsp: &Partner) -> (Node, String, String) {
    let node = Node::start_with(TestStore::sqlite(), &SETTINGS).await;
    let api = node.api();
    let made = json!({"connector_id": 1, "plug": "ccs2", "has_cable": true, "current": "dc", "max_voltage_v": 920,
        "max_current_a": 500, "max_power_w": 400_000});
    api.publish("CS-1", made).await;
    let invited = api.change("POST", "/partners", &json!({"name": "Example"})).await;
    assert_eq!(invited["versions_url"], "https://cpo.example.com/ocpi/versions");
    let token_a = invited["token_a"].as_str().unwrap().to_owned();
    let credentials = emsp.credentials("token-b");
    let (_, data) = ocpi(&node, &token_a, "POST", "/ocpi/2.2.1/credentials", Some(&credentials)).await;
    let id = invited["id"].as_str().unwrap().to_owned();
    (node, data["token"].as_str().unwrap().to_owned(), id)
}

async fn connect(node: &Node) -> Station {
    let mut station = Station::booted(&node.addresses, "CS-1", "ocpp2.0.1").await;
    let status = json!({
        "timestamp": "2026-03-01T08:00:00Z", "connectorStatus": "Available", "evseId": 1, "connectorId": 1,
    });
    station.call("StatusNotification", &status).await;
    station
}

fn event(kind: &str, number: u32, at: &str, register: u32) -> Value {
    json!({
        "eventType": kind, "timestamp": at, "triggerReason": "MeterValuePeriodic", "seqNo": number,
        "transactionInfo": {"transactionId": "T-ROAM"}, "evse": {"id": 1, "connectorId": 1},
        "meterValue": [{"timestamp": at, "sampledValue": [{"value": register}]}],
    })
}

fn token(uid: &str, kind: &str, whitelist: &str) -> Value {
    json!({
        "country_code": "DE", "party_id": "ABC", "uid": uid, "type": kind, "contract_id": "DE8ABC0001",
        "issuer": "Example", "valid": true, "whitelist": whitelist, "last_updated": "2026-03-01T08:00:00Z",
    })
}

#[tokio::test]
async fn a_partner_orders_a_session_is_told_how_it_goes_and_gets_the_right_bill_once() {
    let emsp = Partner::start().await;
    let (mut node, token_c, id) = start(&emsp).await;
    let mut station = connect(&node).await;
    emsp.hears(|heard| heard.method == "PATCH" && heard.body["status"] == "AVAILABLE").await;
    let (_, location) = ocpi(&node, &token_c, "GET", "/ocpi/cpo/2.2.1/locations/L1", None).await;

    let start = json!({
        "response_url": emsp.url("/emsp/commands/START_SESSION/7"), "token": token("APP-1", "APP_USER", "NEVER"),
        "location_id": "L1", "evse_uid": location["evses"][0]["uid"], "authorization_reference": "ref-7",
    });
    let (_, answer) =
        ocpi(&node, &token_c, "POST", "/ocpi/cpo/2.2.1/commands/START_SESSION", Some(&start)).await;
    assert_eq!(answer["result"], "ACCEPTED");
    let (call, order) = station.ordered("RequestStartTransaction").await;
    assert_eq!(order["idToken"]["idToken"], "APP-1");
    station.answer(&call, &json!({"status": "Accepted"})).await;
    let result = emsp.hears(|heard| heard.path == "/emsp/commands/START_SESSION/7").await;
    assert_eq!(result.body["result"], "ACCEPTED");

    let mut started = event("Started", 0, "2026-03-01T08:00:00Z", 1_000);
    started["idToken"] = order["idToken"].clone();
    started["transactionInfo"]["remoteStartId"] = order["remoteStartId"].clone();
    started["transactionInfo"]["chargingState"] = json!("Charging");
    assert_eq!(station.call("TransactionEvent", &started).await["idTokenInfo"]["status"], "Accepted");
    let active = emsp.hears(|heard| heard.method == "PUT" && heard.body["status"] == "ACTIVE").await;
    assert!(active.path.starts_with("/emsp/sessions/NL/RMN/"), "{active:?}");
    station.call("TransactionEvent", &event("Updated", 1, "2026-03-01T08:30:00Z", 3_500)).await;
    emsp.hears(|heard| heard.body["status"] == "ACTIVE" && heard.body["kwh"] == json!(2.5)).await;
    station.call("TransactionEvent", &event("Ended", 2, "2026-03-01T09:00:00Z", 6_000)).await;
    emsp.hears(|heard| heard.method == "PUT" && heard.body["status"] == "COMPLETED").await;

    // 1 + 5 kWh x 0.50, and 19 % on it.
    let bill = emsp.hears(|heard| heard.path == "/emsp/cdrs").await.body;
    assert_eq!(bill["total_cost"], json!({"excl_vat": 3.5, "incl_vat": 4.17}), "{bill:#}");
    assert_eq!(
        (&bill["auth_method"], &bill["authorization_reference"]),
        (&json!("COMMAND"), &json!("ref-7"))
    );
    assert_eq!(
        bill["cdr_token"],
        json!({"country_code": "DE", "party_id": "ABC", "uid": "APP-1", "type": "APP_USER", "contract_id": "DE8ABC0001"})
    );
    assert!(!bill.to_string().contains("CS-1"));
    let (_, pulled) = ocpi(&node, &token_c, "GET", "/ocpi/cpo/2.2.1/cdrs", None).await;
    assert_eq!(pulled, json!([bill]), "pulled as it was pushed");
    // A killed node tells no bill twice, once it has written down that it arrived.
    let store = node.open_store().await;
    let (partner, bill_id) = (id.parse().unwrap(), bill["id"].as_str().unwrap().parse().unwrap());
    eventually!("the bill is noted as arrived", {
        let arrived = store.arrived_cdrs(&TenantId::default_tenant(), partner, &[bill_id]).await.unwrap();
        if arrived.len() == 1 { Some(()) } else { None }
    });
    store.close().await;
    node.kill9();
    node.restart().await;
    let mut station = connect(&node).await;
    let status = json!({
        "timestamp": "2026-03-01T10:00:00Z", "connectorStatus": "Faulted", "evseId": 1, "connectorId": 1,
    });
    station.call("StatusNotification", &status).await;
    emsp.hears(|heard| heard.body["status"] == "OUTOFORDER").await;
    let bills = emsp.heard().into_iter().filter(|heard| heard.path == "/emsp/cdrs").count();
    assert_eq!(bills, 1);
    let partner = node.api().get(&format!("/partners/{id}")).await;
    assert_eq!((&partner["state"], &partner["ocpi_version"]), (&json!("registered"), &json!("2.2.1")));
}

#[tokio::test]
async fn a_drivers_company_is_asked_while_the_station_waits() {
    let emsp = Partner::start().await;
    let (node, token_c, _) = start(&emsp).await;
    for (uid, whitelist) in [("CARD-N", "NEVER"), ("CARD-O", "ALLOWED_OFFLINE"), ("CARD-A", "ALWAYS")] {
        let path = format!("/ocpi/cpo/2.2.1/tokens/DE/ABC/{uid}");
        ocpi(&node, &token_c, "PUT", &path, Some(&token(uid, "RFID", whitelist))).await;
    }
    let mut station = connect(&node).await;
    let mut show = async |uid: &str| {
        let shown = json!({"idToken": {"idToken": uid, "type": "ISO14443"}});
        station.call("Authorize", &shown).await["idTokenInfo"]["status"].as_str().unwrap().to_owned()
    };
    let says = |allowed: &str, after| {
        emsp.say(json!({"allowed": allowed, "token": token("CARD-N", "RFID", "NEVER")}), after);
    };
    says("BLOCKED", Duration::ZERO);
    assert_eq!(
        (show("CARD-N").await, show("CARD-O").await, show("CARD-A").await),
        ("Blocked".into(), "Blocked".into(), "Accepted".into())
    );
    says("ALLOWED", Duration::from_secs(60));
    let began = std::time::Instant::now();
    // What it said last still holds; without an answer the whitelist would count.
    assert_eq!(show("CARD-N").await, "Blocked");
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    says("ALLOWED", Duration::ZERO);
    assert_eq!((show("card-n").await, show("CARD-O").await), ("Accepted".into(), "Accepted".into()));
    let asked = emsp.heard().into_iter().filter(|heard| heard.path.contains("/authorize")).count();
    assert_eq!(show("CARD-N").await, "Accepted");
    let again = emsp.heard().into_iter().filter(|heard| heard.path.contains("/authorize")).count();
    assert_eq!(asked, again, "what it allowed a moment ago is not asked again");
}
