//! Partners of each version of OCPI at the whole node, played by a stranger that holds all it gets against the schemas of its version: both
//! ways of the handshake, lists, a token, a question, an order, a session and its bill.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

use std::path::Path;
use std::time::Duration;

use ringmain_domain::roaming::OCPI_VERSIONS;
use ringmain_loadtest::emsp::{Emsp, Settings};
use serde_json::{Value, json};

use crate::rig::node::Node;
use crate::rig::station::Station;
use crate::rig::stores::TestStore;

const SETTINGS: [(&str, &str); 4] = [
    ("ROAMING__ALLOW", "http://127.0.0.1"),
    ("ROAMING__COUNTRY_CODE", "NL"),
    ("ROAMING__PARTY_ID", "RMN"),
    ("ROAMING__COMPANY", "Ringmain Test"),
];
const SOON: Duration = Duration::from_secs(20);

/// A partner of a version with one card of a driver.
async fn partner(version: &str, party_id: &str) -> Emsp {
    let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("../roaming/tests/schemas");
    let tokens = vec![token(version, party_id, &card(party_id), "RFID")];
    let settings = Settings { schemas: Some(schemas), tokens, ..Settings::local(version, "DE", party_id) };
    Emsp::start(settings).await.unwrap()
}

fn card(party_id: &str) -> String {
    format!("CARD-{party_id}")
}

fn token(version: &str, party_id: &str, uid: &str, kind: &str) -> Value {
    let mut token = json!({"uid": uid, "type": kind, "issuer": "Example", "valid": true, "whitelist": "NEVER",
        "last_updated": "2026-03-01T08:00:00Z"});
    if version == "2.1.1" {
        token["auth_id"] = json!("DE8ABC0001");
        return token;
    }
    token["contract_id"] = json!("DE8ABC0001");
    token["country_code"] = json!("DE");
    token["party_id"] = json!(party_id);
    token
}

fn versions_url(node: &Node) -> String {
    format!("http://{}/ocpi/versions", node.addresses.http)
}

/// A node with a station at a location.
async fn start() -> (Node, Station) {
    let node = Node::start_with(TestStore::sqlite(), &SETTINGS).await;
    let api = node.api();
    let made = json!({"connector_id": 1, "plug": "ccs2", "has_cable": true, "current": "dc", "max_voltage_v": 920,
        "max_current_a": 500, "max_power_w": 400_000});
    api.publish("CS-1", made).await;
    let mut station = Station::booted(&node.addresses, "CS-1", "ocpp2.0.1").await;
    status(&mut station, 7, "Available").await;
    (node, station)
}

async fn status(station: &mut Station, hour: u32, word: &str) {
    let status = json!({
        "timestamp": format!("2026-03-01T{hour:02}:00:00Z"), "connectorStatus": word, "evseId": 1, "connectorId": 1,
    });
    station.call("StatusNotification", &status).await;
}

fn event(kind: &str, number: u32, hour: u32, register: u32) -> Value {
    let at = format!("2026-03-01T{hour:02}:00:00Z");
    json!({
        "eventType": kind, "timestamp": at, "triggerReason": "MeterValuePeriodic", "seqNo": number,
        "evse": {"id": 1, "connectorId": 1},
        "meterValue": [{"timestamp": at, "sampledValue": [{"value": register}]}],
    })
}

#[tokio::test]
async fn a_partner_of_each_version_gets_all_in_its_words() {
    let (node, mut station) = start().await;
    for (number, version) in (0..).zip(OCPI_VERSIONS) {
        let party_id = format!("AB{number}");
        let emsp = partner(version, &party_id).await;
        let invited = json!({"name": version, "our_versions_url": versions_url(&node)});
        let invited = node.api().change("POST", "/partners", &invited).await;
        emsp.register(&versions_url(&node), invited["token_a"].as_str().unwrap()).await.unwrap();
        let kept = node.api().get(&format!("/partners/{}", invited["id"].as_str().unwrap())).await;
        assert_eq!(
            (&kept["ocpi_version"], &kept["parties"]),
            (&json!(version), &json!([format!("DE*{party_id} EMSP")]))
        );

        let locations = emsp.pull("locations", "").await.unwrap();
        let tariffs = emsp.pull("tariffs", "").await.unwrap();
        assert_eq!((locations.items.len(), tariffs.items.len()), (1, 1), "{version}");
        assert_eq!(tariffs.items[0].get("tax_included").is_some(), version == "2.3.0");
        let evse = locations.items[0]["evses"][0]["uid"].clone();
        let pushed = token(version, &party_id, &card(&party_id), "RFID");
        assert!([200, 201].contains(&emsp.put_token(&pushed).await.unwrap().0), "{version}");
        let shown = json!({"idToken": {"idToken": card(&party_id), "type": "ISO14443"}});
        for (verdict, expect) in [("BLOCKED", "Blocked"), ("ALLOWED", "Accepted")] {
            emsp.set_verdict(&card(&party_id), verdict);
            let answer = station.call("Authorize", &shown).await;
            assert_eq!(answer["idTokenInfo"]["status"], expect, "{version}");
        }

        let hour = 8 + 2 * number;
        let bill = charge(&emsp, &mut station, (version, &party_id), (&evse, hour)).await;
        // 1 + 5 kWh x 0.50, and 19 % on it where that can be said.
        let cost = match version {
            "2.1.1" => json!(3.5),
            "2.2.1" => json!({"excl_vat": 3.5, "incl_vat": 4.17}),
            _ => json!({"before_taxes": 3.5, "taxes": [{"name": "VAT", "amount": 0.67}]}),
        };
        assert_eq!(bill["total_cost"], cost, "{version}: {bill:#}");
        let pulled = emsp.pull("cdrs", "").await.unwrap();
        assert_eq!(pulled.items, [bill], "{version}: pulled as it was pushed");
        let sessions = emsp.pull("sessions", "date_from=2026-01-01T00:00:00Z").await.unwrap();
        assert_eq!((sessions.items.len(), &sessions.items[0]["status"]), (1, &json!("COMPLETED")));
        for list in [locations, tariffs, pulled, sessions] {
            assert_eq!(list.faults, Vec::<String>::new(), "{version}");
        }
        assert_eq!(emsp.journal().faults(), Vec::<String>::new(), "{version}");
        emsp.unregister().await.unwrap();
    }
}

/// The partner orders a session, is told how it goes, and gets this bill.
async fn charge(
    emsp: &Emsp,
    station: &mut Station,
    (version, party_id): (&str, &str),
    (evse, hour): (&Value, u32),
) -> Value {
    let kind = if version == "2.1.1" { "OTHER" } else { "APP_USER" };
    let start =
        json!({"token": token(version, party_id, "APP-1", kind), "location_id": "L1", "evse_uid": evse});
    let ordered = emsp.command("START_SESSION", start).await.unwrap();
    assert_eq!((ordered.http, &ordered.answer["data"]["result"]), (200, &json!("ACCEPTED")), "{ordered:?}");
    let (call, order) = station.ordered("RequestStartTransaction").await;
    assert_eq!(order["idToken"]["idToken"], "APP-1");
    station.answer(&call, &json!({"status": "Accepted"})).await;
    assert_eq!(emsp.result(&ordered.id, SOON).await.unwrap(), json!({"result": "ACCEPTED"}), "{version}");

    let transaction = format!("T-{party_id}");
    status(station, hour, "Occupied").await;
    let mut started = event("Started", 0, hour, 1_000);
    started["idToken"] = order["idToken"].clone();
    started["transactionInfo"] = json!({"transactionId": transaction, "chargingState": "Charging",
        "remoteStartId": order["remoteStartId"]});
    assert_eq!(station.call("TransactionEvent", &started).await["idTokenInfo"]["status"], "Accepted");
    // The first time the partner does not know the EVSE yet, so it is told all of the location.
    let is_charging = |body: &Value| body["status"] == "CHARGING" || body["evses"][0]["status"] == "CHARGING";
    heard(emsp, "a status", "locations", is_charging).await;
    heard(emsp, "a session", "sessions", |body| body["status"] == "ACTIVE").await;
    let mut ended = event("Ended", 1, hour + 1, 6_000);
    ended["transactionInfo"] = json!({"transactionId": transaction});
    station.call("TransactionEvent", &ended).await;
    status(station, hour + 1, "Available").await;
    heard(emsp, "its end", "sessions", |body| body["status"] == "COMPLETED").await;
    heard(emsp, "a bill", "cdrs", |body| !body.is_null()).await
}

/// What was pushed to a module and looks like this.
async fn heard(emsp: &Emsp, what: &str, module: &str, is_it: impl Fn(&Value) -> bool) -> Value {
    let arrived =
        emsp.arrives(SOON, |one| one.module == module && one.is_acknowledged && is_it(&one.body)).await;
    arrived.unwrap_or_else(|| panic!("{what} is not told: {:#?}", emsp.journal())).body
}

#[tokio::test]
async fn an_invitation_of_a_partner_of_each_version_is_taken_up() {
    let (node, _station) = start().await;
    for (number, version) in (0..).zip(OCPI_VERSIONS) {
        let emsp = partner(version, &format!("AC{number}")).await;
        emsp.invite("their-token-a");
        let acceptance = json!({"name": version, "versions_url": emsp.versions_url(), "token_a": "their-token-a",
            "our_versions_url": versions_url(&node), "versions": [version]});
        let accepted = node.api().change("POST", "/partner-acceptances", &acceptance).await;
        assert_eq!(
            (&accepted["ocpi_version"], &accepted["settings"]["versions"]),
            (&json!(version), &json!([version]))
        );
        assert!(emsp.is_registered());
        assert_eq!(emsp.pull("locations", "").await.unwrap().items.len(), 1, "{version}");
        let own = format!("/partners/{}", accepted["id"].as_str().unwrap());
        let rotated = node.api().send("POST", &format!("{own}/rotate"), &[], None).await;
        assert_eq!(rotated.status, 204, "{version}: {}", rotated.body);
        let pulled = emsp.pull("locations", "").await.unwrap();
        assert_eq!((pulled.items.len(), pulled.faults), (1, Vec::new()), "{version}: with the new token");
        assert_eq!(node.api().send("DELETE", &own, &[], None).await.status, 204, "{version}");
        assert!(!emsp.is_registered(), "{version}");
        assert_eq!(emsp.journal().faults(), Vec::<String>::new(), "{version}");
    }
    // One that speaks none of the versions that are settled is not taken up, and an unknown version is none.
    let emsp = partner("2.1.1", "ADA").await;
    emsp.invite("their-token-a");
    for (versions, status) in
        [(json!(["2.2.1"]), 409), (json!(["2.2"]), 422), (json!(["2.1.1", "2.1.1"]), 422)]
    {
        let acceptance = json!({"name": "none", "versions_url": emsp.versions_url(), "token_a": "their-token-a",
            "our_versions_url": versions_url(&node), "versions": versions});
        let answer = node.api().send("POST", "/partner-acceptances", &[], Some(&acceptance)).await;
        assert_eq!(answer.status, status, "{versions}: {}", answer.body);
    }
    assert!(!emsp.is_registered());
}
