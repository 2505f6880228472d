//! `tokens`.

use serde_json::{Value, json};

use super::rig::Rig;

#[actix_web::test]
async fn a_token_lives_from_creation_to_removal() {
    let rig = Rig::start().await;
    let body = json!({"uid": "04a2b3", "label": "Van 7", "group_uid": "fleet", "expires_at": "2030-01-01T01:00:00+01:00"});
    let created = rig.post("/tokens", body).await;
    assert_eq!(created.status, 201, "{created:?}");
    let token = created.json();
    assert_eq!(
        (&token["uid"], &token["kind"], &token["blocked"]),
        (&json!("04A2B3"), &json!("rfid"), &json!(false))
    );
    assert_eq!(token["expires_at"], "2030-01-01T00:00:00.000Z");
    assert_eq!(rig.get("/tokens/04a2B3").await.json(), token, "the case of letters does not matter");
    let blocked =
        rig.send("PATCH", "/tokens/04a2b3", Some(json!({"blocked": true, "expires_at": null}))).await.json();
    assert_eq!(
        (&blocked["blocked"], &blocked["expires_at"], &blocked["label"]),
        (&json!(true), &Value::Null, &json!("Van 7"))
    );
    let replaced = rig.send("PUT", "/tokens/04a2b3", Some(json!({"kind": "e_maid"}))).await;
    assert_eq!(
        (replaced.status, &replaced.json()["label"], &replaced.json()["kind"]),
        (200, &Value::Null, &json!("e_maid"))
    );
    assert_eq!(
        rig.send("PUT", "/tokens/new%2Fone", Some(json!({"kind": "vendor_x"}))).await.json()["uid"],
        "NEW/ONE"
    );
    assert_eq!(rig.get("/tokens/new%2Fone").await.json()["kind"], "vendor_x");
    assert_eq!(rig.send("DELETE", "/tokens/04A2B3", None).await.status, 204);
    for method in ["GET", "DELETE"] {
        rig.send(method, "/tokens/04A2B3", None).await.assert_problem(404, "not-found");
    }
    rig.send("PATCH", "/tokens/04A2B3", Some(json!({}))).await.assert_problem(404, "not-found");
    assert_eq!(rig.audited().await.len(), 5);
}

#[actix_web::test]
async fn wrong_fields_are_told_and_a_token_is_made_once() {
    let rig = Rig::start().await;
    for (body, pointer) in [
        (json!({}), "/uid"),
        (json!({"uid": ""}), "/uid"),
        (json!({"uid": "A1", "label": "x".repeat(101)}), "/label"),
        (json!({"uid": "A1", "kind": "x".repeat(21)}), "/kind"),
        (json!({"uid": "A1", "expires_at": "tomorrow"}), "/expires_at"),
        (json!({"uid": "A1", "pin": 1}), "/pin"),
    ] {
        let reply = rig.post("/tokens", body.clone()).await;
        reply.assert_problem(422, "invalid");
        assert_eq!(reply.pointers(), [pointer], "{body}");
    }
    assert_eq!(rig.post("/tokens", json!({"uid": "A1"})).await.status, 201);
    rig.post("/tokens", json!({"uid": "a1"})).await.assert_problem(409, "conflict");
    let reply = rig.send("PUT", "/tokens/A1", Some(json!({"uid": "B2"}))).await;
    assert_eq!((reply.status, reply.pointers()), (422, vec!["/uid".to_owned()]));
}

#[actix_web::test]
async fn a_list_comes_in_pages() {
    let rig = Rig::start().await;
    for number in 0..5 {
        assert_eq!(rig.post("/tokens", json!({"uid": format!("T{number}")})).await.status, 201);
    }
    let (items, sizes) = rig.walk("/tokens", 2).await;
    let uids: Vec<_> = items.iter().map(|item| item["uid"].as_str().unwrap()).collect();
    assert_eq!((uids, sizes), (vec!["T0", "T1", "T2", "T3", "T4"], vec![2, 2, 1]));
}
