//! `token-groups`, `locations/{id}/access`, `reports/authorizations`, and local lists.

use ringmain_domain::authorize::Authorization;
use ringmain_domain::command::{CommandOutcome, CommandResult, StationCommand};
use ringmain_domain::event::{DomainEvent, Fact};
use ringmain_domain::id::{StationId, TenantId, TokenUid};
use ringmain_domain::token::{IdToken, TokenKind};
use serde_json::{Value, json};

use super::rig::{Ending, Rig, START};

#[actix_web::test]
async fn a_group_lives_from_creation_to_removal() {
    let rig = Rig::start().await;
    let body = json!({"id": "fleet", "name": "Vans", "expires_at": "2030-01-01T01:00:00+01:00", "concurrent_max": 2});
    let created = rig.post("/token-groups", body).await;
    assert_eq!(created.status, 201, "{created:?}");
    let group = created.json();
    assert_eq!((&group["id"], &group["blocked"]), (&json!("FLEET"), &json!(false)));
    assert_eq!(
        (&group["expires_at"], &group["concurrent_max"]),
        (&json!("2030-01-01T00:00:00.000Z"), &json!(2))
    );
    assert_eq!(rig.get("/token-groups/Fleet").await.json(), group, "the case of letters does not matter");
    rig.post("/token-groups", json!({"id": "FLEET", "name": "x"})).await.assert_problem(409, "conflict");
    let replaced =
        rig.send("PUT", "/token-groups/fleet", Some(json!({"name": "Vans", "blocked": true}))).await;
    assert_eq!((replaced.status, &replaced.json()["concurrent_max"]), (200, &Value::Null));
    let made = rig.send("PUT", "/token-groups/new", Some(json!({"name": "New"}))).await;
    assert_eq!((made.status, &made.json()["id"]), (201, &json!("NEW")));
    assert_eq!(
        rig.post("/tokens", json!({"uid": "A1", "group_uid": "fleet", "concurrent_max": 0})).await.status,
        201
    );
    rig.send("DELETE", "/token-groups/FLEET", None).await.assert_problem(409, "conflict");
    let moved =
        rig.send("PATCH", "/tokens/A1", Some(json!({"group_uid": null, "concurrent_max": null}))).await;
    assert_eq!((moved.status, &moved.json()["concurrent_max"]), (200, &Value::Null));
    assert_eq!(rig.send("DELETE", "/token-groups/fleet", None).await.status, 204);
    for method in ["GET", "DELETE"] {
        rig.send(method, "/token-groups/fleet", None).await.assert_problem(404, "not-found");
    }
    assert_eq!(rig.audited().await.len(), 6);
}

#[actix_web::test]
async fn wrong_fields_of_a_group_are_told() {
    let rig = Rig::start().await;
    for (body, pointer) in [
        (json!({"name": "x"}), "/id"),
        (json!({"id": "G", "name": ""}), "/name"),
        (json!({"id": "G", "name": "x".repeat(101)}), "/name"),
        (json!({"id": "G", "name": "x", "concurrent_max": 1001}), "/concurrent_max"),
        (json!({"id": "G", "name": "x", "limit": 1}), "/limit"),
    ] {
        let reply = rig.post("/token-groups", body.clone()).await;
        reply.assert_problem(422, "invalid");
        assert_eq!(reply.pointers(), [pointer], "{body}");
    }
    let reply = rig.send("PUT", "/token-groups/G", Some(json!({"id": "H", "name": "x"}))).await;
    assert_eq!((reply.status, reply.pointers()), (422, vec!["/id".to_owned()]));
    rig.post("/tokens", json!({"uid": "A1", "concurrent_max": 5000})).await.assert_problem(422, "invalid");
}

#[actix_web::test]
async fn groups_come_in_pages() {
    let rig = Rig::start().await;
    for number in 0..5 {
        assert_eq!(
            rig.post("/token-groups", json!({"id": format!("g{number}"), "name": "x"})).await.status,
            201
        );
    }
    let (items, sizes) = rig.walk("/token-groups", 2).await;
    let ids: Vec<_> = items.iter().map(|item| item["id"].as_str().unwrap()).collect();
    assert_eq!((ids, sizes), (vec!["G0", "G1", "G2", "G3", "G4"], vec![2, 2, 1]));
}

#[actix_web::test]
async fn who_may_charge_at_a_location_is_replaced_as_a_whole() {
    let rig = Rig::start().await;
    rig.get("/locations/depot-1/access").await.assert_problem(404, "not-found");
    rig.send("PUT", "/locations/depot-1/access", Some(json!({"rules": []})))
        .await
        .assert_problem(404, "not-found");
    rig.add_location("depot-1").await;
    assert_eq!(rig.get("/locations/depot-1/access").await.json(), json!({"rules": []}));
    let rules = json!({"rules": [
        {"who": "groups", "group_ids": ["fleet"], "windows": [{"weekdays": ["monday"], "from": "22:00", "to": "06:00"}]},
        {"who": "tokens", "token_uids": ["a1"]},
        {"who": "everyone", "windows": [{"from": "06:00", "to": "22:00"}]},
    ]});
    let put = rig.send("PUT", "/locations/depot-1/access", Some(rules)).await;
    assert_eq!(put.status, 200, "{put:?}");
    let kept = rig.get("/locations/depot-1/access").await.json();
    assert_eq!(kept, put.json());
    assert_eq!(kept["rules"][0]["group_ids"], json!(["FLEET"]));
    assert_eq!(kept["rules"][1], json!({"who": "tokens", "token_uids": ["A1"], "windows": []}));
    assert_eq!(kept["rules"][2]["windows"][0], json!({"weekdays": [], "from": "06:00", "to": "22:00"}));
    let many = vec![json!({"who": "everyone"}); 51];
    for (body, pointer) in [
        (json!({"rules": many}), "/rules"),
        (json!({"rules": [{"who": "nobody"}]}), "/rules/0/who"),
        (json!({"rules": [{"who": "everyone", "token_uids": ["A"]}]}), "/rules/0/token_uids"),
        (json!({"rules": [{"who": "tokens", "group_ids": ["A"]}]}), "/rules/0/group_ids"),
        (json!({"rules": [{"who": "groups", "group_ids": vec!["A"; 1001]}]}), "/rules/0"),
        (
            json!({"rules": [{"who": "everyone", "windows": [{"from": "24:00", "to": "06:00"}]}]}),
            "/rules/0/windows/0/from",
        ),
    ] {
        let reply = rig.send("PUT", "/locations/depot-1/access", Some(body)).await;
        reply.assert_problem(422, "invalid");
        assert_eq!(reply.pointers(), [pointer]);
    }
    let audited = rig.audited().await;
    assert_eq!(
        audited.first().map(String::as_str),
        Some("location.access_replaced locations/depot-1/access")
    );
}

#[actix_web::test]
async fn decisions_are_reported_by_reason_and_location() {
    let rig = Rig::start().await;
    let station = rig.add_station("CS-1", 1).await;
    rig.add_session(&station, "T1", 0, true).await;
    let presented = |authorization| Fact {
        tenant: TenantId::default_tenant(),
        station: StationId::new("CS-1").unwrap(),
        received_at: START,
        event: DomainEvent::TokenPresented {
            token: IdToken { uid: TokenUid::new("A1").unwrap(), kind: TokenKind::Rfid },
            authorization,
        },
    };
    let facts = [Authorization::ConcurrentTransaction, Authorization::ConcurrentTransaction].map(presented);
    rig.house.store.append(&facts).await.unwrap();
    let report = rig.get("/reports/authorizations?from=2026-03-01T00:00:00Z&to=2026-03-02T00:00:00Z").await;
    let report = report.json();
    assert_eq!(report["from"], "2026-03-01T00:00:00.000Z");
    let count = |reason: &str| {
        let items = report["items"].as_array().unwrap();
        let item = items.iter().find(|item| item["authorization"] == reason);
        item.map(|item| (item["asked"].as_u64(), item["transactions"].as_u64()))
    };
    assert_eq!(count("concurrent_transaction"), Some((Some(2), Some(0))));
    assert_eq!(count("blocked"), None);
    // The last day, without saying so; the three messages of the session were received just now.
    let today = rig.get("/reports/authorizations").await.json();
    assert_eq!(
        today["items"],
        json!([{"location_id": null, "authorization": "accepted", "asked": 0, "transactions": 3}])
    );
    for query in ["from=2026-03-02T00:00:00Z&to=2026-03-01T00:00:00Z", "from=2020-01-01T00:00:00Z", "since=1"]
    {
        rig.get(&format!("/reports/authorizations?{query}")).await.assert_problem(400, "bad-request");
    }
}

#[actix_web::test]
async fn a_local_list_is_brought_up_to_date_in_several_messages_with_one_outcome() {
    let rig = Rig::start().await;
    rig.add_station("CS-1", 1).await;
    for uid in ["A1", "A2"] {
        rig.post("/tokens", json!({"uid": uid})).await;
    }
    let flagged =
        rig.send("PATCH", "/charging-stations/CS-1", Some(json!({"local_list_enabled": true}))).await;
    assert_eq!(flagged.json()["local_list_enabled"], true);
    let answers = |status: &str| CommandResult {
        outcome: CommandOutcome::Accepted,
        response: Some(json!({"status": status}).to_string().into()),
        detail: Some(status.into()),
    };
    let offline = CommandResult::bare(CommandOutcome::Offline);
    rig.desk.script(Ending::Now(offline));
    let sync = async || {
        rig.post("/charging-stations/CS-1/commands", json!({"command": "sync_local_list"})).await.json()
    };
    assert_eq!(sync().await["outcome"], "offline");
    rig.desk.script(Ending::Now(answers("0")));
    rig.desk.script(Ending::Now(answers("Accepted")));
    let done = sync().await;
    assert_eq!(done["outcome"], "accepted", "{done}");
    assert_eq!(done["detail"], "full: 2 lines in 1 messages, version 1, 2 tokens");
    let record = rig.get(&format!("/commands/{}", done["id"].as_str().unwrap())).await.json();
    assert_eq!(record["command"], json!({"command": "sync_local_list", "full": false}));
    assert_eq!(record["outcome"], "accepted");
    let orders = rig.desk.orders();
    assert!(matches!(orders[1].command, StationCommand::GetLocalListVersion));
    assert!(
        matches!(&orders[2].command, StationCommand::SendLocalList { version: 1, entries, .. } if entries.len() == 2)
    );
}
