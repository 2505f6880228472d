//! `locations`.

use serde_json::{Value, json};

use super::rig::Rig;

fn location() -> Value {
    json!({
        "name": "Depot Nord", "address": "Hauptstr. 1", "city": "Köln", "postal_code": "50667", "country": "DEU",
        "latitude": "50.9413", "longitude": "6.9583", "time_zone": "Europe/Berlin",
    })
}

fn with(field: &str, value: Value) -> Value {
    let mut body = location();
    body[field] = value;
    body
}

#[actix_web::test]
async fn a_location_lives_from_creation_to_removal() {
    let rig = Rig::start().await;
    let created = rig.post("/locations", with("id", json!("depot-1"))).await;
    assert_eq!(created.status, 201, "{created:?}");
    let body = created.json();
    assert_eq!(
        (&body["id"], &body["city"], &body["latitude"]),
        (&json!("depot-1"), &json!("Köln"), &json!("50.9413"))
    );
    assert!(body["updated_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(rig.get("/locations/depot-1").await.json(), body);
    let replaced = rig.send("PUT", "/locations/depot-1", Some(with("name", json!("Depot Süd")))).await;
    assert_eq!((replaced.status, &replaced.json()["name"]), (200, &json!("Depot Süd")));
    let put = rig.send("PUT", "/locations/depot-2", Some(location())).await;
    assert_eq!((put.status, &put.json()["id"]), (201, &json!("depot-2")));
    assert_eq!(rig.send("DELETE", "/locations/depot-1", None).await.status, 204);
    rig.get("/locations/depot-1").await.assert_problem(404, "not-found");
    rig.send("DELETE", "/locations/depot-1", None).await.assert_problem(404, "not-found");
    let audited = rig.audited().await;
    let expect = [
        "location.deleted locations/depot-1",
        "location.created locations/depot-2",
        "location.replaced locations/depot-1",
        "location.created locations/depot-1",
    ];
    assert_eq!(audited, expect);
}

#[actix_web::test]
async fn an_id_is_made_up_and_a_taken_one_is_a_conflict() {
    let rig = Rig::start().await;
    let made_up = rig.post("/locations", location()).await.json();
    assert_eq!(made_up["id"].as_str().unwrap().len(), 36);
    rig.post("/locations", with("id", made_up["id"].clone())).await.assert_problem(409, "conflict");
}

#[actix_web::test]
async fn every_wrong_field_is_told_with_its_place() {
    let rig = Rig::start().await;
    for (body, pointer) in [
        (with("name", json!("")), "/name"),
        (with("name", json!(7)), "/name"),
        (with("country", json!("DE")), "/country"),
        (with("latitude", json!("91")), "/latitude"),
        (with("latitude", json!(50.9)), "/latitude"),
        (with("time_zone", json!("Mars")), "/time_zone"),
        (with("city", json!("a\u{0}b")), "/city"),
        (with("id", json!("has space")), "/id"),
        (with("id", json!(".unassigned")), "/id"),
        (with("nickname", json!("x")), "/nickname"),
        (json!({"name": "x"}), ""),
        (json!([1]), ""),
    ] {
        let reply = rig.post("/locations", body.clone()).await;
        reply.assert_problem(422, "invalid");
        assert_eq!(reply.pointers(), [pointer], "{body} {reply:?}");
    }
    let reply = rig.send("PUT", "/locations/depot-1", Some(with("id", json!("depot-2")))).await;
    assert_eq!((reply.status, reply.pointers()), (422, vec!["/id".to_owned()]));
    let several = rig
        .post(
            "/locations",
            json!({"name": "", "address": "", "city": "x", "country": "x", "latitude": "x",
        "longitude": "0", "time_zone": "UTC"}),
        )
        .await;
    assert_eq!(several.pointers(), ["/name", "/address", "/country", "/latitude"]);
}

#[actix_web::test]
async fn a_location_with_stations_is_not_removed() {
    let rig = Rig::start().await;
    rig.add_location("depot-1").await;
    let station = json!({"id": "CS-1", "location_id": "depot-1"});
    assert_eq!(rig.post("/charging-stations", station).await.status, 201);
    rig.send("DELETE", "/locations/depot-1", None).await.assert_problem(409, "conflict");
}

#[actix_web::test]
async fn a_list_comes_in_pages() {
    let rig = Rig::start().await;
    for number in 0..7 {
        rig.add_location(&format!("depot-{number}")).await;
    }
    let (items, sizes) = rig.walk("/locations", 3).await;
    let ids: Vec<_> = items.iter().map(|item| item["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["depot-0", "depot-1", "depot-2", "depot-3", "depot-4", "depot-5", "depot-6"]);
    assert_eq!(sizes, [3, 3, 1]);
    let cursor = rig.get("/locations?limit=3").await.json()["next_cursor"].as_str().unwrap().to_owned();
    rig.get(&format!("/tokens?cursor={cursor}")).await.assert_problem(400, "bad-request");
    for query in ["limit=0", "limit=1001", "limit=-1", "limit=x", "cursor=garbage", "cursor=", "colour=blue"]
    {
        rig.get(&format!("/locations?{query}")).await.assert_problem(400, "bad-request");
    }
}
