//! `Idempotency-Key`: a POST happens once.

use serde_json::{Value, json};

use super::client::{DEADLINE, Reply, Stream};
use super::rig::{Rig, accepted};

impl Rig {
    async fn post_keyed(&self, token: &str, key: &str, path: &str, body: Value) -> Reply {
        self.send_as(token, "POST", path, Some(body), &[("Idempotency-Key", key)]).await
    }
}

#[actix_web::test]
async fn a_repeated_post_is_answered_with_the_first_answer() {
    let rig = Rig::start().await;
    let body = json!({"uid": "A1"});
    let first = rig.post_keyed(&rig.operator, "k1", "/tokens", body.clone()).await;
    assert_eq!((first.status, first.header("idempotency-replayed")), (201, None));
    let second = rig.post_keyed(&rig.operator, "k1", "/tokens", body.clone()).await;
    assert_eq!((second.status, second.header("idempotency-replayed")), (201, Some("true")));
    assert_eq!(second.body, first.body);
    assert_eq!(second.header("content-type"), first.header("content-type"));
    rig.post_keyed(&rig.operator, "k2", "/tokens", body).await.assert_problem(409, "conflict");
    assert_eq!(rig.audited().await.len(), 1, "it happened once");
}

#[actix_web::test]
async fn a_refusal_is_answered_again_as_well() {
    let rig = Rig::start().await;
    let first = rig.post_keyed(&rig.operator, "k1", "/tokens", json!({"uid": ""})).await;
    first.assert_problem(422, "invalid");
    let second = rig.post_keyed(&rig.operator, "k1", "/tokens", json!({"uid": ""})).await;
    second.assert_problem(422, "invalid");
    assert_eq!(second.header("idempotency-replayed"), Some("true"));
}

#[actix_web::test]
async fn a_key_belongs_to_one_request_of_one_caller() {
    let rig = Rig::start().await;
    assert_eq!(rig.post_keyed(&rig.operator, "k1", "/tokens", json!({"uid": "A1"})).await.status, 201);
    let other_body = rig.post_keyed(&rig.operator, "k1", "/tokens", json!({"uid": "A2"})).await;
    other_body.assert_problem(422, "key-reused");
    let other_path = rig.post_keyed(&rig.operator, "k1", "/charging-stations", json!({"uid": "A1"})).await;
    other_path.assert_problem(422, "key-reused");
    let other_query = rig.post_keyed(&rig.operator, "k1", "/tokens?x=1", json!({"uid": "A1"})).await;
    other_query.assert_problem(422, "key-reused");
    let other_caller = rig.post_keyed(&rig.administrator, "k1", "/tokens", json!({"uid": "A1"})).await;
    other_caller.assert_problem(422, "key-reused");
    let other_tenant = rig.post_keyed(&rig.stranger, "k1", "/tokens", json!({"uid": "A1"})).await;
    assert_eq!(other_tenant.status, 201, "another tenant's keys are its own");
}

#[actix_web::test]
async fn a_key_has_1_to_255_visible_characters() {
    let rig = Rig::start().await;
    for key in ["", "with space", &"x".repeat(256)] {
        let reply = rig.post_keyed(&rig.operator, key, "/tokens", json!({"uid": "A1"})).await;
        reply.assert_problem(400, "bad-request");
    }
    assert_eq!(
        rig.post_keyed(&rig.operator, &"x".repeat(255), "/tokens", json!({"uid": "A1"})).await.status,
        201
    );
}

#[actix_web::test]
async fn a_secret_is_not_in_the_stored_answer() {
    let rig = Rig::start().await;
    for (token, path, body, field) in [
        (&rig.operator, "/charging-stations", json!({"id": "CS-1"}), "password"),
        (&rig.operator, "/charging-stations/CS-1/password", json!({}), "password"),
        (&rig.administrator, "/api-keys", json!({"name": "k", "role": "viewer"}), "token"),
    ] {
        let first = rig.post_keyed(token, path, path, body.clone()).await.json();
        assert!(first[field].is_string(), "{path}: {first}");
        let second = rig.post_keyed(token, path, path, body).await;
        assert_eq!(second.header("idempotency-replayed"), Some("true"));
        let mut expect = first.clone();
        expect[field] = Value::Null;
        assert_eq!(second.json(), expect, "{path}");
        let stored = rig.house.store.find_idempotent(&rig.house.tenant, path).await.unwrap().unwrap();
        assert!(!stored.body.contains(first[field].as_str().unwrap()));
    }
}

#[actix_web::test]
async fn a_repeat_during_the_first_is_told_to_wait_and_the_first_goes_on_without_its_caller() {
    let rig = Rig::start().await;
    rig.add_station("CS-1", 1).await;
    let end = rig.desk.hold();
    let (path, body) = ("/charging-stations/CS-1/commands", json!({"command": "reset"}));
    let bearer = format!("Bearer {}", rig.operator);
    // The first caller hangs up before the answer.
    let mut first = tokio::net::TcpStream::connect(rig.address).await.unwrap();
    let text = body.to_string();
    let request = format!(
        "POST /api/v1{path} HTTP/1.1\r\nHost: x\r\nAuthorization: {bearer}\r\nIdempotency-Key: k1\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{text}",
        text.len()
    );
    tokio::io::AsyncWriteExt::write_all(&mut first, request.as_bytes()).await.unwrap();
    let started = std::time::Instant::now();
    while rig.desk.orders().is_empty() {
        assert!(started.elapsed() < DEADLINE, "the order never came");
        tokio::task::yield_now().await;
    }
    rig.post_keyed(&rig.operator, "k1", path, body.clone()).await.assert_problem(409, "in-progress");
    drop(first);
    end.send(accepted()).unwrap();
    let repeated = loop {
        let reply = rig.post_keyed(&rig.operator, "k1", path, body.clone()).await;
        if reply.status != 409 {
            break reply;
        }
        assert!(started.elapsed() < DEADLINE, "the first never ended");
    };
    assert_eq!((repeated.status, &repeated.json()["outcome"]), (200, &json!("accepted")));
    assert_eq!(rig.desk.orders().len(), 1, "the station was asked once");
}

#[actix_web::test]
async fn a_key_of_a_request_that_was_cut_off_stays_in_progress() {
    let rig = Rig::start().await;
    let tokens = json!({"uid": "A1"});
    // As after a crash: claimed, never answered, with the hash of the same request.
    assert_eq!(rig.post_keyed(&rig.operator, "probe", "/tokens", tokens.clone()).await.status, 201);
    let hash =
        rig.house.store.find_idempotent(&rig.house.tenant, "probe").await.unwrap().unwrap().request_hash;
    let now = ringmain_gateway::clock::now();
    assert!(rig.house.store.claim_idempotent(&rig.house.tenant, "cut", &hash, now).await.unwrap());
    rig.post_keyed(&rig.operator, "cut", "/tokens", tokens.clone()).await.assert_problem(409, "in-progress");
    // An answer that settled nothing is not given again: the request is carried out.
    let store = &rig.house.store;
    assert!(store.claim_idempotent(&rig.house.tenant, "failed", &hash, now).await.unwrap());
    store.finish_idempotent(&rig.house.tenant, "failed", 503, "{}").await.unwrap();
    let again = rig.post_keyed(&rig.operator, "failed", "/tokens", tokens).await;
    again.assert_problem(409, "conflict");
    assert_eq!(again.header("idempotency-replayed"), None);
}

#[actix_web::test]
async fn a_body_that_is_too_large_is_refused_before_the_key_is_used() {
    let rig = Rig::start().await;
    let bearer = format!("Bearer {}", rig.operator);
    let headers =
        [("Authorization", bearer.as_str()), ("Content-Type", "application/json"), ("Idempotency-Key", "k1")];
    let body = vec![b' '; 256 * 1024 + 1];
    let reply =
        Stream::open(rig.address, "POST", "/api/v1/tokens", &headers, Some(&body)).await.finish().await;
    reply.assert_problem(413, "too-large");
    assert_eq!(rig.post_keyed(&rig.operator, "k1", "/tokens", json!({"uid": "A1"})).await.status, 201);
}
