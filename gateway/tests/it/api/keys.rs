//! `api-keys` and `audit-events`, and the first key of a node.

use ringmain_gateway::secret::Secret;
use ringmain_gateway::services::keys;
use ringmain_store::store::{Store, StoreSettings};
use serde_json::{Value, json};

use super::rig::Rig;

impl Rig {
    async fn manage(&self, method: &str, path: &str, body: Option<Value>) -> super::client::Reply {
        self.send_as(&self.administrator, method, path, body, &[]).await
    }
}

#[actix_web::test]
async fn a_key_is_shown_once_works_and_is_revoked_at_once() {
    let rig = Rig::start().await;
    let made = rig.manage("POST", "/api-keys", Some(json!({"name": "night shift", "role": "viewer"}))).await;
    assert_eq!(made.status, 201, "{made:?}");
    let made = made.json();
    let token = made["token"].as_str().unwrap().to_owned();
    assert!(token.starts_with("rmk_") && token.len() == 47);
    assert_eq!(rig.send_as(&token, "GET", "/locations", None, &[]).await.status, 200);
    rig.send_as(&token, "POST", "/tokens", Some(json!({"uid": "A1"})), &[])
        .await
        .assert_problem(403, "forbidden");
    let list = rig.manage("GET", "/api-keys", None).await;
    assert!(!list.body.contains(&token), "never again");
    assert_eq!(list.json()["items"].as_array().unwrap().len(), 4);
    assert!(list.json()["items"][3].get("token").is_none());
    let path = format!("/api-keys/{}", made["id"].as_str().unwrap());
    assert_eq!(rig.manage("DELETE", &path, None).await.status, 204);
    rig.send_as(&token, "GET", "/locations", None, &[]).await.assert_problem(401, "unauthorized");
    rig.manage("DELETE", &path, None).await.assert_problem(404, "not-found");
    let list = rig.manage("GET", "/api-keys", None).await.json();
    assert!(list["items"][3]["revoked_at"].is_string());
    let audited = rig.get("/audit-events").await;
    assert!(!audited.body.contains(&token));
    let events = audited.json()["items"].as_array().unwrap().clone();
    assert_eq!(
        (&events[0]["action"], &events[1]["action"]),
        (&json!("api_key.revoked"), &json!("api_key.created"))
    );
    assert_eq!(
        (&events[1]["actor"], &events[1]["detail"]["role"]),
        (&json!("api-key:administrator"), &json!("viewer"))
    );
}

#[actix_web::test]
async fn an_expired_key_is_refused() {
    let rig = Rig::start().await;
    let soon = ringmain_gateway::clock::now().plus_millis(1_500).to_string();
    let made = rig
        .manage("POST", "/api-keys", Some(json!({"name": "k", "role": "viewer", "expires_at": soon})))
        .await
        .json();
    let token = made["token"].as_str().unwrap();
    let started = std::time::Instant::now();
    while rig.send_as(token, "GET", "/locations", None, &[]).await.status != 401 {
        assert!(started.elapsed() < super::client::DEADLINE, "it never expired");
    }
    assert!(ringmain_gateway::clock::now().to_string() >= soon);
}

#[actix_web::test]
async fn wrong_keys_are_told_and_the_last_administrator_stays() {
    let rig = Rig::start().await;
    for (body, pointer) in [
        (json!({"role": "viewer"}), ""),
        (json!({"name": "", "role": "viewer"}), "/name"),
        (json!({"name": "k", "role": "root"}), "/role"),
        (json!({"name": "k", "role": "viewer", "expires_at": "2020-01-01T00:00:00Z"}), "/expires_at"),
    ] {
        let reply = rig.manage("POST", "/api-keys", Some(body)).await;
        reply.assert_problem(422, "invalid");
        assert_eq!(reply.pointers(), [pointer]);
    }
    let keys = rig.manage("GET", "/api-keys", None).await.json();
    let administrator =
        keys["items"].as_array().unwrap().iter().find(|key| key["role"] == "administrator").unwrap();
    let path = format!("/api-keys/{}", administrator["id"].as_str().unwrap());
    rig.manage("DELETE", &path, None).await.assert_problem(409, "conflict");
    rig.manage("POST", "/api-keys", Some(json!({"name": "second", "role": "administrator"}))).await;
    assert_eq!(rig.manage("DELETE", &path, None).await.status, 204);
}

#[actix_web::test]
async fn keys_and_audit_events_come_in_pages() {
    let rig = Rig::start().await;
    let first = rig.manage("GET", "/api-keys?limit=2", None).await.json();
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = rig.manage("GET", &format!("/api-keys?limit=2&cursor={cursor}"), None).await.json();
    assert_eq!((second["items"].as_array().unwrap().len(), &second["next_cursor"]), (1, &Value::Null));
    for number in 0..5 {
        rig.post("/tokens", json!({"uid": format!("T{number}")})).await;
    }
    let (items, sizes) = rig.walk("/audit-events", 2).await;
    let subjects: Vec<_> = items.iter().map(|item| item["subject"].as_str().unwrap()).collect();
    assert_eq!(
        (subjects, sizes),
        (vec!["tokens/T4", "tokens/T3", "tokens/T2", "tokens/T1", "tokens/T0"], vec![2, 2, 1])
    );
}

#[actix_web::test]
async fn the_first_key_is_made_once() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("store.sqlite").display());
    let store = Store::open(&url, StoreSettings::default()).await.unwrap();
    let tenant = ringmain_domain::id::TenantId::default_tenant();
    let made_up =
        keys::bootstrap(&store, &tenant, None).await.unwrap().expect("the first start makes one up");
    assert!(keys::authenticate(&store, made_up.reveal()).await.unwrap().is_some());
    assert!(keys::bootstrap(&store, &tenant, None).await.unwrap().is_none(), "the second does not");
    let configured = Secret::new("my-bootstrap-token");
    for _ in 0..2 {
        assert!(
            keys::bootstrap(&store, &tenant, Some(&configured)).await.unwrap().is_none(),
            "it is known, not shown"
        );
    }
    let caller = keys::authenticate(&store, "my-bootstrap-token").await.unwrap().unwrap();
    assert_eq!(caller.role, ringmain_domain::access::AccessRole::Administrator);
    assert_eq!(store.api_keys(&tenant).await.unwrap().len(), 2);
    assert!(keys::authenticate(&store, &"x".repeat(513)).await.unwrap().is_none());
    assert!(keys::authenticate(&store, "").await.unwrap().is_none());
}
