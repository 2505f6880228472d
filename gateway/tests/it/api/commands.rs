//! Commands, typed and raw.

use ringmain_domain::command::{CommandOutcome, CommandResult, StationCommand};
use ringmain_domain::id::EvseId;
use ringmain_domain::token::TokenKind;
use serde_json::{Value, json};

use super::client::DEADLINE;
use super::rig::{Ending, Rig, accepted};

#[actix_web::test]
async fn a_typed_command_is_given_and_its_end_is_told() {
    let rig = Rig::start().await;
    rig.add_station("CS-1", 1).await;
    assert_eq!(rig.post("/tokens", json!({"uid": "A1"})).await.status, 201);
    let body = json!({"command": "start_transaction", "token_uid": "a1", "evse_id": 1});
    let reply = rig.post("/charging-stations/CS-1/commands", body).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let answer = reply.json();
    assert_eq!(
        (&answer["outcome"], &answer["response"]),
        (&json!("accepted"), &json!({"status": "Accepted"}))
    );
    let orders = rig.desk.orders();
    assert_eq!(orders.len(), 1);
    assert_eq!(orders[0].id.to_string(), answer["id"].as_str().unwrap());
    let StationCommand::StartTransaction { evse_id, token, remote_start_id } = &orders[0].command else {
        panic!()
    };
    assert_eq!((evse_id, token.uid.as_str(), &token.kind), (&Some(EvseId(1)), "a1", &TokenKind::Central));
    assert!(*remote_start_id > 0);
    let record = rig.get(&format!("/commands/{}", answer["id"].as_str().unwrap())).await.json();
    assert_eq!((&record["outcome"], &record["charging_station_id"]), (&json!("accepted"), &json!("CS-1")));
    assert_eq!(
        (&record["created_by"], &record["command"]["command"]),
        (&json!("api-key:operator"), &json!("start_transaction"))
    );
    assert!(record["ended_at"].is_string() && record["deadline_at"].is_string());
    assert_eq!(rig.audited().await[..1], ["command.given charging-stations/CS-1"]);
}

#[actix_web::test]
async fn a_start_is_ordered_for_a_token_that_may_charge_there() {
    let rig = Rig::start().await;
    rig.add_station("CS-1", 2).await;
    for (uid, token) in [
        ("A1", json!({"blocked": true})),
        ("B2", json!({"expires_at": "2020-01-01T00:00:00Z"})),
        ("C3", json!({})),
    ] {
        let mut body = token;
        body["uid"] = json!(uid);
        assert_eq!(rig.post("/tokens", body).await.status, 201);
    }
    let start = async |uid: &str| {
        let body = json!({"command": "start_transaction", "token_uid": uid, "evse_id": 1});
        rig.post("/charging-stations/CS-1/commands", body).await
    };
    for (uid, reason) in [("A1", "blocked"), ("B2", "expired"), ("D4", "unknown")] {
        let refused = start(uid).await;
        refused.assert_problem(409, "conflict");
        let detail = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(uid) && detail.ends_with(reason), "{detail}");
        assert_eq!(rig.audited().await[..1], ["command.refused charging-stations/CS-1"]);
    }
    assert!(rig.desk.orders().is_empty(), "no station was asked");
    assert_eq!(start("c3").await.status, 200);
    assert_eq!(rig.desk.orders().len(), 1);
}

#[actix_web::test]
async fn what_a_token_charges_is_stopped_without_its_transactions_name() {
    let rig = Rig::start().await;
    let (station, other) = (rig.add_station("CS-1", 2).await, rig.add_station("CS-2", 1).await);
    rig.add_session(&other, "elsewhere", 0, false).await;
    let path = "/charging-stations/CS-1/commands";
    let stop = json!({"command": "stop_transaction", "token_uid": "04a2b3"});
    rig.post(path, stop.clone()).await.assert_problem(404, "not-found");
    rig.add_session(&station, "T-1", 0, false).await;
    rig.add_session(&station, "over", 200, true).await;
    assert_eq!(rig.post(path, stop.clone()).await.status, 200);
    let stopped = |command: &StationCommand| match command {
        StationCommand::StopTransaction { transaction_id } => transaction_id.as_str().to_owned(),
        other => panic!("{other:?}"),
    };
    assert_eq!(rig.desk.orders().iter().map(|order| stopped(&order.command)).collect::<Vec<_>>(), ["T-1"]);
    rig.add_session(&station, "T-2", 10, false).await;
    let several = rig.post(path, stop).await;
    several.assert_problem(409, "conflict");
    let detail = several.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("T-1") && detail.contains("T-2"), "{detail}");
    for (body, pointer) in [
        (json!({"command": "stop_transaction"}), "/transaction_id"),
        (
            json!({"command": "stop_transaction", "transaction_id": "T-1", "token_uid": "04A2B3"}),
            "/token_uid",
        ),
    ] {
        let refused = rig.post(path, body).await;
        refused.assert_problem(422, "invalid");
        assert_eq!(refused.pointers(), [pointer]);
    }
}

#[actix_web::test]
async fn a_raw_command_reaches_the_desk_as_it_was_written() {
    let rig = Rig::start().await;
    rig.add_station("CS-1", 1).await;
    let reply = rig
        .post("/charging-stations/CS-1/ocpp/TriggerMessage", json!({"requestedMessage": "Heartbeat"}))
        .await;
    assert_eq!((reply.status, &reply.json()["outcome"]), (200, &json!("accepted")));
    let reply = rig.send("POST", "/charging-stations/CS-1/ocpp/ClearCache", None).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let raw = |index: usize| match &rig.desk.orders()[index].command {
        StationCommand::Raw { action, payload } => format!("{action} {payload}"),
        other => panic!("{other:?}"),
    };
    assert_eq!(raw(0), "TriggerMessage {\"requestedMessage\":\"Heartbeat\"}");
    assert_eq!(raw(1), "ClearCache {}");
    rig.post("/charging-stations/CS-1/ocpp/Fly", json!({})).await.assert_problem(404, "not-found");
    rig.post("/charging-stations/CS-1/ocpp/BootNotification", json!({}))
        .await
        .assert_problem(404, "not-found");
    rig.post("/charging-stations/CS-1/ocpp/Reset", json!([])).await.assert_problem(422, "invalid");
    rig.post("/charging-stations/CS-9/ocpp/Reset", json!({})).await.assert_problem(404, "not-found");
    assert_eq!(rig.desk.orders().len(), 2);
}

#[actix_web::test]
async fn every_outcome_is_told_with_what_is_known() {
    let rig = Rig::start().await;
    rig.add_station("CS-1", 1).await;
    for outcome in CommandOutcome::ALL {
        rig.desk.script(Ending::Now(CommandResult { outcome, response: None, detail: Some("why".into()) }));
        let reply = rig.post("/charging-stations/CS-1/commands", json!({"command": "reset"})).await;
        let answer = reply.json();
        assert_eq!((reply.status, &answer["outcome"]), (200, &json!(outcome.as_str())));
        assert_eq!((&answer["response"], &answer["detail"]), (&Value::Null, &json!("why")));
    }
}

#[actix_web::test]
async fn a_command_that_takes_longer_is_answered_202_and_still_ends() {
    let rig = Rig::start().await;
    rig.add_station("CS-1", 1).await;
    let end = rig.desk.hold();
    let reply = rig.post("/charging-stations/CS-1/commands?wait_s=0", json!({"command": "reset"})).await;
    assert_eq!(reply.status, 202, "{reply:?}");
    let answer = reply.json();
    assert_eq!(answer["outcome"], Value::Null);
    let path = format!("/commands/{}", answer["id"].as_str().unwrap());
    let open = rig.get(&path).await.json();
    assert_eq!((&open["outcome"], &open["ended_at"]), (&Value::Null, &Value::Null));
    end.send(accepted()).unwrap();
    let started = std::time::Instant::now();
    let ended = loop {
        let record = rig.get(&path).await.json();
        if !record["outcome"].is_null() {
            break record;
        }
        assert!(started.elapsed() < DEADLINE, "it never ended");
    };
    assert_eq!(ended["outcome"], "accepted");
}

#[actix_web::test]
async fn waits_and_deadlines_have_bounds() {
    let rig = Rig::start().await;
    rig.add_station("CS-1", 1).await;
    for query in ["wait_s=61", "wait_s=-1", "wait_s=x", "deadline_s=0", "deadline_s=601", "wait=1"] {
        let path = format!("/charging-stations/CS-1/commands?{query}");
        rig.post(&path, json!({"command": "reset"})).await.assert_problem(400, "bad-request");
    }
    assert!(rig.desk.orders().is_empty());
    let before = ringmain_gateway::clock::now();
    for (query, expect_s) in [("", 30), ("?deadline_s=600&wait_s=60", 600)] {
        rig.post(&format!("/charging-stations/CS-1/commands{query}"), json!({"command": "reset"})).await;
        let deadline = rig.desk.orders().last().unwrap().deadline;
        let seconds = deadline.millis_since(before) / 1000;
        assert!((expect_s..expect_s + 60).contains(&seconds), "{seconds}");
    }
}

#[actix_web::test]
async fn a_wrong_command_is_told_with_its_place() {
    let rig = Rig::start().await;
    rig.add_station("CS-1", 1).await;
    for (body, pointer) in [
        (json!({"command": "fly"}), "/command"),
        (json!({"command": "reset", "kind": "soft"}), "/kind"),
        (
            json!({"command": "set_variables", "variables": [{"name": "A", "value": "1", "x": 1}]}),
            "/variables/0/x",
        ),
    ] {
        let reply = rig.post("/charging-stations/CS-1/commands", body).await;
        reply.assert_problem(422, "invalid");
        assert_eq!(reply.pointers(), [pointer]);
    }
    let unknown =
        rig.post("/charging-stations/CS-1/commands", json!({"command": "raw", "action": "Fly"})).await;
    unknown.assert_problem(404, "not-found");
    rig.post("/charging-stations/CS-9/commands", json!({"command": "reset"}))
        .await
        .assert_problem(404, "not-found");
    assert!(rig.desk.orders().is_empty(), "nothing was sent");
}

#[actix_web::test]
async fn commands_are_listed_newest_first() {
    let rig = Rig::start().await;
    rig.add_station("CS-1", 1).await;
    rig.add_station("CS-2", 1).await;
    for (station, evse) in [("CS-1", 1), ("CS-2", 2), ("CS-1", 3)] {
        let body = json!({"command": "reset", "evse_id": evse});
        rig.post(&format!("/charging-stations/{station}/commands"), body).await;
    }
    let (items, sizes) = rig.walk("/commands", 2).await;
    let evses: Vec<_> = items.iter().map(|item| item["command"]["evse_id"].clone()).collect();
    assert_eq!((evses, sizes), (vec![json!(3), json!(2), json!(1)], vec![2, 1]));
    assert_eq!(rig.walk("/commands?charging_station_id=CS-1", 100).await.0.len(), 2);
    rig.get("/commands/00000000-0000-0000-0000-000000000000").await.assert_problem(404, "not-found");
}
