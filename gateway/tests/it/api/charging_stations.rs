//! `charging-stations` and `evses`.

use ringmain_domain::event::DomainEvent;
use ringmain_domain::id::{ConnectorId, EvseId, StationId};
use ringmain_domain::location::ConnectorStatus;
use ringmain_domain::report::StationFault;
use ringmain_domain::time::Timestamp;
use ringmain_store::messages::RecordedMessage;
use serde_json::{Value, json};

use super::rig::Rig;

#[actix_web::test]
async fn a_station_lives_from_registration_to_removal() {
    let rig = Rig::start().await;
    rig.add_location("depot-1").await;
    rig.add_tariff("std").await;
    let body = json!({"id": "RDAM|12 ü", "location_id": "depot-1", "tariff_id": "std", "name": "Gate"});
    let created = rig.post("/charging-stations", body).await;
    assert_eq!(created.status, 201, "{created:?}");
    let station = created.json();
    assert_eq!(station["registration"], "accepted");
    assert_eq!(station["state"], "offline");
    let password = station["password"].as_str().unwrap().to_owned();
    assert_eq!(password.len(), 40);
    let id = StationId::new("RDAM|12 ü").unwrap();
    let stored = rig.house.store.station_credential(&id).await.unwrap().unwrap();
    assert!(rig.house.credentials.fits(&stored, password.as_bytes()));

    let path = "/charging-stations/RDAM%7C12%20%C3%BC";
    let read = rig.get(path).await.json();
    assert_eq!((&read["name"], read.get("password")), (&json!("Gate"), None), "a password is shown once");
    let change = json!({"name": null, "tariff_id": null, "registration": "rejected", "maintenance": true});
    let changed = rig.send("PATCH", path, Some(change)).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    let changed = changed.json();
    assert_eq!((&changed["name"], &changed["tariff_id"]), (&Value::Null, &Value::Null));
    assert_eq!((&changed["location_id"], &changed["registration"]), (&json!("depot-1"), &json!("rejected")));
    assert_eq!((&changed["maintenance"], &changed["state"]), (&json!(true), &json!("maintenance")));

    let rotated = rig.send("POST", &format!("{path}/password"), None).await;
    assert_eq!(rotated.status, 200, "{rotated:?}");
    let rotated = rotated.json()["password"].as_str().unwrap().to_owned();
    assert_ne!(rotated, password);
    let stored = rig.house.store.station_credential(&id).await.unwrap().unwrap();
    assert!(
        rig.house.credentials.fits(&stored, rotated.as_bytes())
            && !rig.house.credentials.fits(&stored, password.as_bytes())
    );

    assert_eq!(rig.send("DELETE", path, None).await.status, 204);
    rig.get(path).await.assert_problem(404, "not-found");
    for method in ["DELETE", "PATCH"] {
        rig.send(method, path, Some(json!({}))).await.assert_problem(404, "not-found");
    }
    rig.send("POST", &format!("{path}/password"), None).await.assert_problem(404, "not-found");
    let audited = rig.audited().await;
    let actions: Vec<_> = audited.iter().map(|line| line.split(' ').next().unwrap()).collect();
    let expect =
        ["deleted", "password_rotated", "changed", "created"].map(|verb| format!("charging_station.{verb}"));
    assert_eq!(actions, expect);
    let everything = rig.get("/audit-events").await.body;
    assert!(!everything.contains(&password) && !everything.contains(&rotated), "no secret is audited");
}

#[actix_web::test]
async fn a_password_of_one_s_own_is_taken_and_not_shown() {
    let rig = Rig::start().await;
    let created = rig
        .post(
            "/charging-stations",
            json!({"id": "CS-1", "password": "correct-horse-battery", "registration": "pending"}),
        )
        .await;
    assert_eq!((created.status, &created.json()["password"]), (201, &Value::Null));
    assert_eq!(created.json()["registration"], "pending");
    let stored = rig.house.store.station_credential(&StationId::new("CS-1").unwrap()).await.unwrap().unwrap();
    assert!(rig.house.credentials.fits(&stored, b"correct-horse-battery"));
}

#[actix_web::test]
async fn wrong_fields_are_told_and_an_identity_is_taken_once() {
    let rig = Rig::start().await;
    for (body, pointer) in [
        (json!({"id": "a:b"}), "/id"),
        (json!({"id": "x".repeat(49)}), "/id"),
        (json!({}), ""),
        (json!({"id": "CS-1", "password": "short"}), "/password"),
        (json!({"id": "CS-1", "location_id": "nowhere"}), "/location_id"),
        (json!({"id": "CS-1", "tariff_id": "none"}), "/tariff_id"),
        (json!({"id": "CS-1", "name": ""}), "/name"),
        (json!({"id": "CS-1", "registration": "maybe"}), "/registration"),
        (json!({"id": "CS-1", "vendor": "x"}), "/vendor"),
    ] {
        let reply = rig.post("/charging-stations", body.clone()).await;
        reply.assert_problem(422, "invalid");
        assert_eq!(reply.pointers(), [pointer], "{body}");
    }
    assert_eq!(rig.post("/charging-stations", json!({"id": "CS-1"})).await.status, 201);
    rig.post("/charging-stations", json!({"id": "CS-1"})).await.assert_problem(409, "conflict");
    rig.send_as(&rig.stranger, "POST", "/charging-stations", Some(json!({"id": "CS-1"})), &[])
        .await
        .assert_problem(409, "conflict");
    for (change, pointer) in [
        (json!({"location_id": "nowhere"}), "/location_id"),
        (json!({"maintenance": null, "colour": 1}), "/colour"),
        (json!({"maintenance": "yes"}), "/maintenance"),
    ] {
        let reply = rig.send("PATCH", "/charging-stations/CS-1", Some(change)).await;
        assert_eq!((reply.status, reply.pointers()), (422, vec![pointer.to_owned()]));
    }
}

#[actix_web::test]
async fn a_station_with_an_open_session_is_not_removed() {
    let rig = Rig::start().await;
    let station = rig.add_station("CS-1", 1).await;
    rig.add_session(&station, "T1", 0, false).await;
    rig.send("DELETE", "/charging-stations/CS-1", None).await.assert_problem(409, "conflict");
    assert_eq!(rig.get("/charging-stations/CS-1").await.status, 200);
}

#[actix_web::test]
async fn a_list_is_filtered_and_comes_in_pages() {
    let rig = Rig::start().await;
    rig.add_location("depot-1").await;
    for number in 0..5 {
        rig.add_station(&format!("CS-{number}"), 1).await;
    }
    rig.send(
        "PATCH",
        "/charging-stations/CS-3",
        Some(json!({"location_id": "depot-1", "name": "North gate"})),
    )
    .await;
    rig.post("/charging-stations", json!({"id": "NEW-1", "registration": "pending"})).await;
    let (items, sizes) = rig.walk("/charging-stations", 4).await;
    assert_eq!((items.len(), sizes), (6, vec![4, 2]));
    for (query, expect) in [
        ("location_id=depot-1", vec!["CS-3"]),
        ("registration=pending", vec!["NEW-1"]),
        ("online=false", vec!["NEW-1"]),
        ("text=gate", vec!["CS-3"]),
        ("text=cs-4", vec!["CS-4"]),
        ("text=%25", vec![]),
    ] {
        let (items, _) = rig.walk(&format!("/charging-stations?{query}"), 100).await;
        let ids: Vec<_> = items.iter().map(|item| item["id"].as_str().unwrap()).collect();
        assert_eq!(ids, expect, "{query}");
    }
    for query in ["online=maybe", "registration=x", "location_id=a%20b"] {
        rig.get(&format!("/charging-stations?{query}")).await.assert_problem(400, "bad-request");
    }
}

#[actix_web::test]
async fn evses_show_the_operator_s_state_and_come_in_pages() {
    let rig = Rig::start().await;
    rig.add_location("depot-1").await;
    let first = rig.add_station("CS-1", 3).await;
    rig.add_station("CS-2", 2).await;
    rig.send("PATCH", "/charging-stations/CS-2", Some(json!({"location_id": "depot-1"}))).await;
    rig.add_session(&first, "T1", 0, false).await;
    let fault = StationFault { code: "GroundFailure".into(), text: None, vendor_code: Some("E7".into()) };
    let faulted = DomainEvent::StatusChanged {
        evse: EvseId(2),
        connector: ConnectorId(1),
        status: ConnectorStatus::Faulted,
        fault: Some(fault),
    };
    rig.append(&first, vec![faulted]).await;
    for limit in [1, 2, 3, 4, 100] {
        let (items, sizes) = rig.walk("/evses", limit).await;
        let shown: Vec<_> = items
            .iter()
            .map(|item| {
                format!("{} {} {}", item["charging_station_id"], item["evse_id"], item["state"])
                    .replace('"', "")
            })
            .collect();
        let expect =
            ["CS-1 1 charging", "CS-1 2 faulted", "CS-1 3 available", "CS-2 1 available", "CS-2 2 available"];
        assert_eq!(shown, expect, "limit {limit}");
        assert!(sizes.iter().all(|size| *size <= limit as usize), "{sizes:?}");
    }
    let charging = &rig.get("/evses?state=charging").await.json()["items"][0];
    assert!(charging["session_id"].is_string());
    let faulted = &rig.get("/evses?state=faulted").await.json()["items"][0]["connectors"][0];
    assert_eq!(faulted["fault"], json!({"code": "GroundFailure", "text": null, "vendor_code": "E7"}));
    assert_eq!(faulted["status"], "faulted");
    let (here, _) = rig.walk("/evses?location_id=depot-1", 1).await;
    assert_eq!(here.len(), 2);
    let station = rig.get("/charging-stations/CS-1").await.json();
    assert_eq!((&station["state"], station["evses"].as_array().unwrap().len()), (&json!("charging"), 3));
    rig.get("/evses?state=broken").await.assert_problem(400, "bad-request");
    rig.get("/evses?cursor=AAAA").await.assert_problem(400, "bad-request");
}

#[actix_web::test]
async fn recorded_messages_come_newest_first() {
    let rig = Rig::start().await;
    let station = rig.add_station("CS-1", 1).await;
    let message = |number: i64| RecordedMessage {
        station: station.id.clone(),
        at: Timestamp::from_millis(number),
        inbound: number % 2 == 0,
        kind: "call".into(),
        action: Some("Heartbeat".into()),
        message_id: number.to_string().into(),
        frame: format!("[2,\"{number}\",\"Heartbeat\",{{}}]").into(),
    };
    let messages: Vec<_> = (0..5).map(message).collect();
    rig.house.store.record_messages(&messages).await.unwrap();
    let (items, sizes) = rig.walk("/charging-stations/CS-1/messages", 2).await;
    let ids: Vec<_> = items.iter().map(|item| item["message_id"].as_str().unwrap()).collect();
    assert_eq!((ids, sizes), (vec!["4", "3", "2", "1", "0"], vec![2, 2, 1]));
    assert_eq!((&items[0]["direction"], &items[1]["direction"]), (&json!("inbound"), &json!("outbound")));
    assert_eq!(items[0]["frame"], "[2,\"4\",\"Heartbeat\",{}]");
    rig.get("/charging-stations/CS-9/messages").await.assert_problem(404, "not-found");
}
