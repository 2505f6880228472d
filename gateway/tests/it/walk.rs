//! One transaction through all nine places, seen from outside: each place's metric moves, the log tells it, watchers hear of it, the
//! frames are recorded - and no secret is in any of them.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

use serde_json::{Value, json};

use crate::rig::api::TARIFF;
use crate::rig::metrics::Page;
use crate::rig::node::{Node, TOKEN};
use crate::rig::station::{Introduction, Station, password_of};
use crate::rig::stores::TestStore;
use crate::rig::{eventually, http};

/// Of driver's tokens nothing is logged either.
const DRIVER: &str = "PLANTEDDRIVER1";
/// What an operator writes into a station.
const PLANTED: &str = "planted-password-0123456789";

/// A metric of a place: name, labels, and how far it moves from before the station came to after it charged.
type Move = (&'static str, &'static str, &'static [(&'static str, &'static str)], f64);

const MOVES: [Move; 14] = [
    ("socket", "ringmain_socket_connections", &[("version", "ocpp2.0.1")], 1.0),
    ("frame", "ringmain_frame_received_total", &[("kind", "call")], 6.0),
    (
        "call",
        "ringmain_call_duration_seconds_count",
        &[("action", "TransactionEvent"), ("outcome", "answered")],
        3.0,
    ),
    ("call", "ringmain_call_duration_seconds_count", &[("outcome", "answered")], 6.0),
    ("report", "ringmain_report_quirks_total", &[("quirk", "unknown_member")], 1.0),
    ("decision", "ringmain_decision_events_total", &[("event", "station_booted")], 1.0),
    ("decision", "ringmain_decision_events_total", &[("event", "transaction_started")], 1.0),
    ("decision", "ringmain_decision_events_total", &[("event", "transaction_updated")], 1.0),
    ("decision", "ringmain_decision_events_total", &[("event", "transaction_ended")], 1.0),
    ("ack", "ringmain_ack_duration_seconds_count", &[], 4.0),
    ("site", "ringmain_site_actors", &[], 1.0),
    ("site", "ringmain_evses", &[("state", "available")], 1.0),
    ("site", "ringmain_evses", &[("state", "charging")], 0.0),
    ("site", "ringmain_site_mailbox_full_total", &[], 0.0),
];

async fn start() -> Node {
    let settings = [("LOG__LEVEL", "info,ringmain_gateway=debug")];
    let node = Node::start_with(TestStore::sqlite(), &settings).await;
    node.api().furnish().await;
    node.api().put_token(DRIVER, json!({})).await;
    node.api().register_with("CS-1", json!({"tariff_id": TARIFF})).await;
    node
}

/// By TLS, as most stations.
async fn connect(node: &Node, protocol: &'static str) -> Station {
    let password = password_of("CS-1");
    let introduction = Introduction { with_tls: true, ..Introduction::of("CS-1", protocol, &password) };
    let mut station = Station::introduce(&node.addresses, &introduction).await.unwrap();
    assert_eq!(station.boot().await["status"], "Accepted");
    station
}

fn event(kind: &str, number: u32, at: &str, register: u32) -> Value {
    json!({
        "eventType": kind, "timestamp": at, "triggerReason": "MeterValuePeriodic", "seqNo": number,
        "transactionInfo": {"transactionId": "T-WALK"}, "evse": {"id": 1, "connectorId": 1},
        "meterValue": [{"timestamp": at, "sampledValue": [{"value": register}]}],
    })
}

async fn charge(station: &mut Station) {
    let status = json!({
        "timestamp": "2026-03-01T08:00:00Z", "connectorStatus": "Available", "evseId": 1, "connectorId": 1,
        "unheardOf": true,
    });
    assert_eq!(station.call("StatusNotification", &status).await, json!({}));
    let mut started = event("Started", 0, "2026-03-01T08:00:00Z", 1000);
    started["idToken"] = json!({"idToken": DRIVER, "type": "ISO14443"});
    started["transactionInfo"]["chargingState"] = json!("Charging");
    assert_eq!(station.call("TransactionEvent", &started).await["idTokenInfo"]["status"], "Accepted");
    let updated = event("Updated", 1, "2026-03-01T08:30:00Z", 3500);
    assert_eq!(station.call("TransactionEvent", &updated).await, json!({}));
    let ended = event("Ended", 2, "2026-03-01T09:00:00Z", 6000);
    assert_eq!(station.call("TransactionEvent", &ended).await, json!({"totalCost": 4.17}));
    station.is_well().await;
}

fn moved(before: &Page, after: &Page, (place, name, labels, by): &Move) -> Result<(), String> {
    let found = after.sum(name, labels) - before.sum(name, labels);
    if found == *by {
        Ok(())
    } else {
        Err(format!("{place}: {name} {labels:?} moved by {found} instead of {by}"))
    }
}

#[tokio::test]
async fn a_transaction_is_seen_at_each_of_the_nine_places() {
    let mut node = start().await;
    let bearer = format!("Bearer {TOKEN}");
    let target = "/api/v1/events";
    let mut watched = http::stream(node.addresses.http, target, &[("Authorization", &bearer)]).await;
    let before = node.metrics().await;
    let mut station = connect(&node, "ocpp2.0.1").await;
    charge(&mut station).await;

    // Answers come before the site has heard of everything: its gauges follow.
    let mut wrong: Vec<String>;
    let after = eventually!(format!("{wrong:#?}"), {
        let after = node.metrics().await;
        wrong = MOVES.iter().filter_map(|expected| moved(&before, &after, expected).err()).collect();
        wrong.is_empty().then_some(after)
    });
    // Facts of one station may share a commit, and the canary writes on its own.
    let commits = after.sum("ringmain_commit_duration_seconds_count", &[]);
    let facts = after.sum("ringmain_commit_batch_items_sum", &[]);
    assert!(commits >= 4.0, "commit: four answers waited for it: {commits}");
    assert!(facts >= 6.0, "commit: connected, booted, status, three of the transaction: {facts}");
    assert!(after.sum("ringmain_push_outbox_items", &[]) >= 2.0, "push: the session and its record wait");
    assert_eq!(after.sum("ringmain_commit_failures_total", &[]), 0.0);

    let mut seen = Vec::new();
    while seen.last().is_none_or(|last: &Value| last["session"]["status"] != "completed") {
        seen.push(serde_json::from_str(&watched.next_data().await).unwrap());
    }
    for (event, member, value) in [
        ("station_online", "/online", json!(true)),
        ("connector_state", "/state", json!("available")),
        ("connector_state", "/state", json!("charging")),
        ("session_changed", "/session/status", json!("active")),
        ("session_changed", "/session/energy_wh", json!(2500)),
        ("session_changed", "/session/cost/incl_tax", json!("4.17")),
    ] {
        let heard = seen.iter().any(|seen| seen["event"] == event && seen.pointer(member) == Some(&value));
        assert!(heard, "nobody heard of {event} {member} {value}: {seen:#?}");
    }
    station.close().await;
    node.stop().await;
}

#[tokio::test]
async fn a_node_says_that_it_lives_and_that_it_is_ready() {
    let mut node = start().await;
    for (path, begins) in [("/livez", "alive"), ("/readyz", "ready")] {
        let answer = http::request(node.addresses.ops, "GET", path, &[], None).await.unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        assert!(answer.body.starts_with(begins), "{path}: {}", answer.body);
    }
    let page = node.metrics().await;
    assert!(page.sum("ringmain_process_resident_memory_bytes", &[]) > 1e6);
    assert!(page.sum("ringmain_store_canary_age_seconds", &[]) < 3.0);
    node.stop().await;
}

#[tokio::test]
async fn every_frame_is_recorded_in_its_order() {
    let mut node = start().await;
    let mut station = connect(&node, "ocpp2.0.1").await;
    charge(&mut station).await;
    station.close().await;
    let shown = eventually!("all frames are recorded", {
        let messages = node.api().messages("CS-1").await;
        (messages.len() == 12).then_some(messages)
    });
    let actions = [
        "BootNotification",
        "StatusNotification",
        "TransactionEvent",
        "TransactionEvent",
        "TransactionEvent",
        "Heartbeat",
    ];
    for (pair, action) in shown.chunks(2).zip(actions) {
        let told = |message: &Value| {
            let member = |name: &str| message[name].as_str().unwrap().to_owned();
            (member("direction"), member("kind"), member("action"))
        };
        assert_eq!(told(&pair[0]), ("inbound".to_owned(), "call".to_owned(), action.to_owned()));
        assert_eq!(told(&pair[1]), ("outbound".to_owned(), "call_result".to_owned(), action.to_owned()));
        assert_eq!(pair[0]["message_id"], pair[1]["message_id"]);
        let frame: Value = serde_json::from_str(pair[0]["frame"].as_str().unwrap()).unwrap();
        assert_eq!(frame[2], *action, "the frame is kept as it came");
    }
    // An orderly end takes no frame with it.
    node.stop().await;
    node.restart().await;
    assert_eq!(node.api().messages("CS-1").await.len(), 12);
    node.stop().await;
}

#[tokio::test]
async fn the_log_can_be_followed_by_station_and_transaction() {
    let mut node = start().await;
    let mut station = connect(&node, "ocpp2.0.1").await;
    charge(&mut station).await;
    station.close().await;
    node.stop().await;
    let events = node.log.events();
    assert_eq!(events.len(), node.log.lines().len(), "every line is JSON");
    let of_station = |event: &&Value| event["station.id"] == "CS-1";
    let connected = events.iter().filter(of_station).find(|event| event["version"] == "ocpp2.0.1").unwrap();
    assert_eq!(connected["level"], "INFO");
    let ended = events.iter().filter(of_station).find(|event| event["exit.reason"].is_string()).unwrap();
    assert_eq!(ended["exit.reason"], "closed");
    let of_transaction = events.iter().filter(of_station).filter(|event| event["transaction.id"] == "T-WALK");
    let told: Vec<&Value> = of_transaction.collect();
    let messages: Vec<&Value> = told.iter().map(|event| &event["message"]).collect();
    assert_eq!(messages, ["a transaction started", "a transaction ended"]);
    assert_eq!((&told[1]["energy_wh"], &told[1]["status"]), (&json!(5000), &json!("completed")));
}

#[tokio::test]
async fn no_secret_is_logged_or_recorded() {
    let mut node = start().await;
    for (protocol, component, name) in
        [("ocpp1.6", "", "AuthorizationKey"), ("ocpp2.0.1", "SecurityCtrlr", "BasicAuthPassword")]
    {
        let mut station = connect(&node, protocol).await;
        let setting = json!({"component": component, "name": name, "value": PLANTED});
        let (api, command) = (node.api(), json!({"command": "set_variables", "variables": [setting]}));
        let order = tokio::spawn(async move { api.command("CS-1", &command).await });
        let frame = station.frame().await;
        assert!(frame.to_string().contains(PLANTED), "the station gets it: {frame}");
        station.answer(frame[1].as_str().unwrap(), &json!({"status": "Accepted"})).await;
        order.await.unwrap();
        if protocol == "ocpp2.0.1" {
            charge(&mut station).await;
        }
        // What is refused must not be told letter by letter either.
        let fault = json!({"idTag": [PLANTED], "idToken": [PLANTED]});
        station.call_refused("Authorize", &fault).await;
        station.close().await;
    }
    let rotated = node.api().change("POST", "/charging-stations/CS-1/password", &json!({})).await;
    let wrong = Introduction { with_tls: true, ..Introduction::of("CS-1", "ocpp2.0.1", PLANTED) };
    assert_eq!(Station::introduce(&node.addresses, &wrong).await.err(), Some(401));
    let messages = eventually!("all frames are recorded", {
        let messages = node.api().messages("CS-1").await;
        let calls = messages.iter().filter(|message| message["action"] == "Authorize").count();
        (calls == 2).then_some(messages)
    });
    let kept = [node.api().get("/commands").await, node.api().get("/audit-events").await];
    node.stop().await;

    let password = password_of("CS-1");
    let rotated = rotated["password"].as_str().unwrap();
    for secret in [password.as_str(), rotated, PLANTED, TOKEN, DRIVER] {
        assert!(!node.log.contains(secret), "{secret} is in the log");
        assert!(!node.output.contains(secret), "{secret} is on standard output");
    }
    for secret in [password.as_str(), rotated, TOKEN] {
        assert!(!json!(messages).to_string().contains(secret), "{secret} is in a recorded frame");
    }
    for secret in [password.as_str(), rotated, PLANTED, TOKEN] {
        assert!(!json!(kept).to_string().contains(secret), "{secret} is in a command or an audit event");
    }
    // The setting itself is masked; the same text elsewhere was the station's own doing.
    for message in messages.iter().filter(|message| message["direction"] == "outbound") {
        assert!(!message.to_string().contains(PLANTED), "{message}");
    }
    let masked = messages.iter().filter(|message| message["frame"].as_str().unwrap().contains("***")).count();
    assert_eq!(masked, 2, "both orders are recorded without their value");
}
