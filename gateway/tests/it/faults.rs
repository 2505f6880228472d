//! Cases of the reliability table that need more than a conversation: many messages, an API caller, a database that goes away.
//! The others are in `tests/scenarios`, in the store's contract and in the domain's tests; a tidy line holds that none is forgotten.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

use ringmain_domain::cluster::dispatch::OVERDUE_MS;
use serde_json::{Value, json};

use crate::rig::metrics::Page;
use crate::rig::node::Node;
use crate::rig::station::{Incoming, Introduction, Station, password_of};
use crate::rig::stores::TestStore;
use crate::rig::{eventually, http, on_both_stores, within};

/// Reports that are accepted though something is odd.
const ODDITIES: &str = "ringmain_decision_oddities_total";

/// How many events F32 has, when not 1,500; `make long-queue` sets it to the 10,000 of the table.
const QUEUE_EVENTS: &str = "RINGMAIN_TEST_QUEUE_EVENTS";

/// What a node may say while its database is away.
pub(crate) const COMPLAINTS_OF_AN_OUTAGE: [&str; 11] = [
    "Connection could not be recycled",
    "the store did not commit, trying again",
    "the store does not commit",
    "the store cannot be asked at the door",
    "not committed, so not answered",
    "rulings about sessions are put off",
    "maintenance is put off",
    "updates of local authorization lists are put off",
    "frames cannot be recorded",
    "old frames cannot be deleted",
    "EVSEs that left their trees are cleared later",
];

pub(crate) fn event(kind: &str, seq: u32, minute: u32, samples: &[Value]) -> Value {
    let at = format!("2026-03-01T{:02}:{:02}:00Z", 8 + minute / 60, minute % 60);
    let mut event = json!({
        "eventType": kind, "timestamp": at, "triggerReason": "MeterValuePeriodic", "seqNo": seq, "offline": true,
        "transactionInfo": {"transactionId": "T-1"}, "evse": {"id": 1, "connectorId": 1},
    });
    if !samples.is_empty() {
        event["meterValue"] = json!([{"timestamp": at, "sampledValue": samples}]);
    }
    event
}

on_both_stores! {
    /// F28: the outcome of a remote start was lost on its way to the caller, who asks again: one order, one call.
    async fn f28_a_retried_command_is_the_same_command(store: TestStore) {
        let node = Node::start(store).await;
        let api = node.api();
        api.register("CS-1").await;
        api.put_token("A1", json!({})).await;
        let mut station = Station::booted(&node.addresses, "CS-1", "ocpp2.0.1").await;
        let order = json!({"command": "start_transaction", "evse_id": 1, "token_uid": "A1"});
        let key = [("Idempotency-Key", "one-start")];
        let path = "/charging-stations/CS-1/commands?wait_s=0";
        let first = api.send("POST", path, &key, Some(&order)).await;
        let again = api.send("POST", path, &key, Some(&order)).await;
        assert_eq!((first.status, &first.body), (again.status, &again.body));
        let (call, _) = station.ordered("RequestStartTransaction").await;
        station.answer(&call, &json!({"status": "Accepted"})).await;
        station.is_well().await;
        assert_eq!(api.list("/commands").await.len(), 1);
    }

    /// F31: as many sampled values as a message may carry are taken; a longer message is refused by its size (refusals::limits).
    async fn f31_ten_thousand_sampled_values_are_taken(store: TestStore) {
        let node = Node::start(store).await;
        node.api().register("CS-1").await;
        let mut station = Station::booted(&node.addresses, "CS-1", "ocpp2.0.1").await;
        station.call("TransactionEvent", &event("Started", 0, 0, &[json!({"value": 0})])).await;
        let many: Vec<_> = (0..10_000).map(|_| json!({"value": 5, "measurand": "Voltage"})).collect();
        station.call("TransactionEvent", &event("Updated", 1, 30, &many)).await;
        station.call("TransactionEvent", &event("Ended", 2, 60, &[json!({"value": 4_000})])).await;
        let facts = node.api().facts("CS-1", "T-1").await;
        let kept = facts.iter().map(|fact| fact["samples"].as_array().unwrap().len()).max();
        assert_eq!(kept, Some(10_000));
        let cdrs = eventually!("the bill", {
            let cdrs = node.api().cdrs("CS-1").await;
            (!cdrs.is_empty()).then_some(cdrs)
        });
        assert_eq!(cdrs[0]["energy_wh"], 4_000);
    }

    /// F30: a reading that names no transaction is counted, and kept beside the one that goes on at its connector (the bill: scenario 0122).
    async fn f30_a_reading_without_its_transaction_is_kept_beside_it(store: TestStore) {
        let node = Node::start(store).await;
        node.api().register("CS-1").await;
        let mut station = Station::booted(&node.addresses, "CS-1", "ocpp1.6").await;
        let reading = |connector: u32| {
            let sampled = json!([{"timestamp": "2026-03-01T08:30:00Z", "sampledValue": [{"value": "99000"}]}]);
            json!({"connectorId": connector, "meterValue": sampled})
        };
        let start = json!({"connectorId": 1, "idTag": "A1", "meterStart": 0, "timestamp": "2026-03-01T08:20:00Z"});
        station.call("MeterValues", &reading(1)).await;
        station.call("StartTransaction", &start).await;
        station.call("MeterValues", &reading(0)).await;
        station.call("MeterValues", &reading(2)).await;
        station.call("MeterValues", &reading(1)).await;
        station.call("MeterValues", &reading(1)).await;
        let session = &node.api().sessions("CS-1").await[0];
        assert_eq!(session["energy_wh"], 0);
        let facts = node.api().facts("CS-1", session["transaction_id"].as_str().unwrap()).await;
        let kept: Vec<_> = facts.iter().map(|fact| (&fact["aside"], &fact["samples"][0]["value"])).collect();
        assert_eq!(kept, [(&json!(false), &json!(0)), (&json!(true), &json!(99_000))], "a repeat counts once");
        // The same reading with its number is the transaction's own.
        let mut named = reading(1);
        named["transactionId"] = json!(session["transaction_id"].as_str().unwrap().parse::<i32>().unwrap());
        station.call("MeterValues", &named).await;
        assert_eq!(node.api().sessions("CS-1").await[0]["energy_wh"], 99_000);
        let counted = node.metrics().await.sum(ODDITIES, &[("kind", "reading_without_transaction")]);
        assert_eq!(counted, 2.0);
    }

    /// F30, as an operator may configure it: the reading is billed with the transaction, unless it is older.
    async fn f30_a_reading_without_its_transaction_is_billed_where_that_is_configured(store: TestStore) {
        let node = Node::start_with(store, &[("BILLING__UNNAMED_READINGS_ENABLED", "true")]).await;
        node.api().register("CS-1").await;
        let mut station = Station::booted(&node.addresses, "CS-1", "ocpp1.6").await;
        let start = json!({"connectorId": 1, "idTag": "A1", "meterStart": 0, "timestamp": "2026-03-01T08:20:00Z"});
        station.call("StartTransaction", &start).await;
        for (at, wh) in [("08:10", "7000"), ("08:30", "3000")] {
            let at = format!("2026-03-01T{at}:00Z");
            let sampled = json!([{"timestamp": at, "sampledValue": [{"value": wh}]}]);
            station.call("MeterValues", &json!({"connectorId": 1, "meterValue": sampled})).await;
        }
        let session = &node.api().sessions("CS-1").await[0];
        assert_eq!((&session["energy_wh"], &session["meter_last_wh"]), (&json!(3_000), &json!(3_000)));
    }

    /// F36: a billing message that cannot be read is acknowledged, kept as it came, listed, and counted for the alert.
    async fn f36_an_unreadable_billing_message_is_seen(store: TestStore) {
        const PAYLOAD: &str = r#"{ "eventType":"Paused",  "timestamp":7, "triggerReason":"EVDeparted", "seqNo":1, "transactionInfo":{"transactionId":"T-1"} }"#;
        let mut node = Node::start(store).await;
        node.expect_complaint("a billing message cannot be read");
        node.api().register("CS-1").await;
        let mut station = Station::booted(&node.addresses, "CS-1", "ocpp2.0.1").await;
        let counted = async |page: &Page| page.sum(ODDITIES, &[("kind", "unreadable_message")]);
        let before = node.metrics().await;
        assert!(before.0.contains(r#"kind="unreadable_message""#), "an alert on the first one needs its zero");
        assert!(counted(&before).await < 1.0);
        station.send(&format!(r#"[2,"odd","TransactionEvent",{PAYLOAD}]"#)).await;
        assert_eq!(station.result("odd").await, json!({}));
        let kept = node.api().list("/strays/unreadable").await;
        assert_eq!(kept.len(), 1);
        assert_eq!((&kept[0]["action"], &kept[0]["payload"]), (&json!("TransactionEvent"), &json!(PAYLOAD)));
        assert_eq!((&kept[0]["charging_station_id"], &kept[0]["payload_cut"]), (&json!("CS-1"), &json!(false)));
        assert!(counted(&node.metrics().await).await > 0.5);
    }

    /// F37: answers nobody waits for are counted, those to an order that was given up apart from those to no order at all.
    async fn f37_answers_out_of_turn_are_counted(store: TestStore) {
        let node = Node::start(store).await;
        node.api().register("CS-1").await;
        let mut station = Station::booted(&node.addresses, "CS-1", "ocpp2.0.1").await;
        let api = node.api();
        let order = json!({"command": "reset", "kind": "immediate"});
        let (outcome, late) =
            tokio::join!(api.command_within("CS-1", &order, 1), station.ordered("Reset"));
        assert_eq!(outcome["outcome"], "timeout_unknown");
        station.answer(&late.0, &json!({"status": "Accepted"})).await;
        station.answer("nobody-asked", &json!({})).await;
        station.is_well().await;
        let page = node.metrics().await;
        let counted = |kind| page.sum("ringmain_call_out_of_turn_total", &[("kind", kind)]);
        assert_eq!((counted("late"), counted("foreign")), (1.0, 1.0));
    }

    /// F32: a queue is flushed at line rate while another station lives on: all stored, nobody turned away. Each event waits for its own
    /// commit, so the table's 10,000 take minutes in a debug build: `make long-queue`.
    async fn f32_a_long_queue_is_flushed_beside_a_witness(store: TestStore) {
        let events = std::env::var(QUEUE_EVENTS).map_or(1_500, |count| count.parse().unwrap());
        let node = Node::start(store).await;
        node.api().register("CS-1").await;
        node.api().register("CS-2").await;
        let mut station = Station::booted(&node.addresses, "CS-1", "ocpp2.0.1").await;
        let mut witness = Station::booted(&node.addresses, "CS-2", "ocpp1.6").await;
        for seq in 0..=events {
            let kind = match seq {
                0 => "Started",
                _ if seq == events => "Ended",
                _ => "Updated",
            };
            station.call("TransactionEvent", &event(kind, seq, seq / 20, &[json!({"value": seq * 10})])).await;
            if seq % 100 == 0 {
                witness.is_well().await;
            }
        }
        let session = node.api().sessions("CS-1").await.remove(0);
        assert_eq!((&session["status"], &session["energy_wh"]), (&json!("completed"), &json!(events * 10)));
        assert_eq!(node.api().cdrs("CS-1").await.len(), 1);
    }
}

/// F34: the database goes away for longer than a station waits: nothing is answered, the socket closes, the door refuses; when it is
/// back the station repeats and is billed once.
#[tokio::test]
async fn f34_a_database_that_is_gone_costs_no_message() {
    let name = concat!(module_path!(), "::f34_a_database_that_is_gone_costs_no_message");
    let Some(store) = TestStore::postgres(name).await else { return };
    let outage = store.outage();
    let mut node = Node::start(store).await;
    for complaint in COMPLAINTS_OF_AN_OUTAGE {
        node.expect_complaint(complaint);
    }
    node.api().register("CS-1").await;
    let mut station = Station::booted(&node.addresses, "CS-1", "ocpp2.0.1").await;
    station.call("TransactionEvent", &event("Started", 0, 0, &[json!({"value": 0})])).await;
    outage.begin().await;
    // Answered without a commit, and said once: it must be there when the database is.
    let faulted = json!({
        "timestamp": "2026-03-01T08:59:00Z", "connectorStatus": "Faulted", "evseId": 1, "connectorId": 1,
    });
    station.call("StatusNotification", &faulted).await;
    station.begin("TransactionEvent", &event("Ended", 1, 60, &[json!({"value": 4_000})])).await;
    assert_eq!(within("the close", station.next()).await, Incoming::Closed(Some(1013)));
    let password = password_of("CS-1");
    let introduction = Introduction::of("CS-1", "ocpp2.0.1", &password);
    let refused = Station::introduce(&node.addresses, &introduction).await.err();
    assert_eq!(refused, Some(503));
    outage.end().await;
    let mut station =
        eventually!("the door to open", { Station::introduce(&node.addresses, &introduction).await.ok() });
    station.call("TransactionEvent", &event("Ended", 1, 60, &[json!({"value": 4_000})])).await;
    let cdrs = node.api().cdrs("CS-1").await;
    assert_eq!((cdrs.len(), &cdrs[0]["energy_wh"]), (1, &json!(4_000)));
    eventually!("what was said during the outage", {
        (node.api().station("CS-1").await["evses"][0]["state"] == json!("faulted")).then_some(())
    });
}

/// The node knows how a command ended and cannot write it down until long after the deadline: whoever sweeps what nobody ended must not be faster.
#[tokio::test]
async fn an_outcome_known_in_an_outage_is_kept_after_it_as_it_was() {
    let name = concat!(module_path!(), "::an_outcome_known_in_an_outage_is_kept_after_it_as_it_was");
    let Some(store) = TestStore::postgres(name).await else { return };
    let outage = store.outage();
    let mut node = Node::start(store).await;
    for complaint in COMPLAINTS_OF_AN_OUTAGE {
        node.expect_complaint(complaint);
    }
    let api = node.api();
    api.register("CS-1").await;
    let mut station = Station::booted(&node.addresses, "CS-1", "ocpp2.0.1").await;
    let path = "/charging-stations/CS-1/commands?wait_s=0&deadline_s=5";
    let given = api.change("POST", path, &json!({"command": "reset", "kind": "immediate"})).await;
    let path = format!("/commands/{}", given["id"].as_str().unwrap());
    let at = |text: &Value| text.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let deadline = at(&api.get(&path).await["deadline_at"]);
    let (call, _) = station.ordered("Reset").await;
    outage.begin().await;
    station.answer(&call, &json!({"status": "Accepted"})).await;
    let swept_at = deadline + jiff::SignedDuration::from_millis(OVERDUE_MS);
    eventually!("the time of the sweep", (jiff::Timestamp::now() > swept_at).then_some(()));
    outage.end().await;
    let ended = eventually!("the command's end", {
        let answer = api.send("GET", &path, &[], None).await;
        (answer.status == 200)
            .then(|| serde_json::from_str::<Value>(&answer.body).unwrap())
            .filter(|command| !command["ended_at"].is_null())
    });
    assert_eq!(
        (&ended["outcome"], at(&ended["ended_at"]) <= deadline),
        (&json!("accepted"), true),
        "{ended}"
    );
}

/// As with a full disk: the canary's write finds room in its own row, facts find none. Who waits for them is let go, and nobody is let in.
#[tokio::test]
async fn a_store_that_takes_no_facts_is_away_until_it_does() {
    let name = concat!(module_path!(), "::a_store_that_takes_no_facts_is_away_until_it_does");
    let Some(store) = TestStore::postgres(name).await else { return };
    let mut node = Node::start(store).await;
    for complaint in COMPLAINTS_OF_AN_OUTAGE {
        node.expect_complaint(complaint);
    }
    node.api().register("CS-1").await;
    let mut station = Station::booted(&node.addresses, "CS-1", "ocpp2.0.1").await;
    let hold = node.hold_store().await;
    station.begin("TransactionEvent", &event("Started", 0, 0, &[json!({"value": 0})])).await;
    let ready = async || {
        let answer = http::request(node.addresses.ops, "GET", "/readyz", &[], None).await.unwrap();
        answer.status
    };
    eventually!("the node to say that it is not ready", (ready().await == 503).then_some(()));
    let password = password_of("CS-1");
    let introduction = Introduction::of("CS-1", "ocpp2.0.1", &password);
    assert_eq!(Station::introduce(&node.addresses, &introduction).await.err(), Some(503));
    assert_eq!(within("the close", station.next()).await, Incoming::Closed(Some(1013)));
    hold.end().await;
    eventually!("the node to be ready", (ready().await == 200).then_some(()));
    let mut station = Station::introduce(&node.addresses, &introduction).await.unwrap();
    station.call("TransactionEvent", &event("Started", 0, 0, &[json!({"value": 0})])).await;
    station.close().await;
    node.stop().await;
}
