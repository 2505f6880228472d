//! `tariffs`.

use serde_json::{Value, json};

use super::rig::Rig;

fn tariff() -> Value {
    json!({"id": "std", "name": "Standard", "currency": "eur", "elements": [{"components": [
        {"dimension": "energy", "price": "0.490", "tax_percent": "19", "step_size": 100},
        {"dimension": "parking_time", "price": "6"}]}]})
}

#[actix_web::test]
async fn a_tariff_lives_from_creation_to_removal() {
    let rig = Rig::start().await;
    let created = rig.post("/tariffs", tariff()).await;
    assert_eq!(created.status, 201, "{created:?}");
    let body = created.json();
    assert_eq!(body["currency"], "EUR");
    let components = json!([
        {"dimension": "energy", "price": "0.490", "tax_percent": "19", "step_size": 100},
        {"dimension": "parking_time", "price": "6", "tax_percent": null, "step_size": 1}]);
    assert_eq!(body["elements"], json!([{"components": components}]));
    assert_eq!(rig.get("/tariffs/std").await.json(), body);
    rig.post("/tariffs", tariff()).await.assert_problem(409, "conflict");
    let mut other = tariff();
    other["name"] = json!("Night");
    let replaced = rig.send("PUT", "/tariffs/std", Some(other.clone())).await;
    assert_eq!((replaced.status, &replaced.json()["name"]), (200, &json!("Night")));
    other["id"] = Value::Null;
    assert_eq!(rig.send("PUT", "/tariffs/night", Some(other)).await.status, 201);
    let (items, sizes) = rig.walk("/tariffs", 1).await;
    assert_eq!((items.len(), sizes), (2, vec![1, 1]));
    let station = json!({"id": "CS-1", "tariff_id": "std"});
    assert_eq!(rig.post("/charging-stations", station).await.status, 201);
    rig.send("DELETE", "/tariffs/std", None).await.assert_problem(409, "conflict");
    assert_eq!(rig.send("DELETE", "/tariffs/night", None).await.status, 204);
    rig.send("DELETE", "/tariffs/night", None).await.assert_problem(404, "not-found");
    rig.get("/tariffs/night").await.assert_problem(404, "not-found");
    let audited = rig.audited().await;
    let tariffs: Vec<_> = audited.iter().filter(|line| line.starts_with("tariff.")).collect();
    let expect = [
        "tariff.deleted tariffs/night",
        "tariff.created tariffs/night",
        "tariff.replaced tariffs/std",
        "tariff.created tariffs/std",
    ];
    assert_eq!(tariffs, expect.iter().collect::<Vec<_>>());
}

#[actix_web::test]
async fn every_wrong_field_is_told_with_its_place() {
    let rig = Rig::start().await;
    let with = |pointer: &str, value: Value| {
        let mut body = tariff();
        *body.pointer_mut(pointer).unwrap() = value;
        body
    };
    let component = "/elements/0/components/0";
    for (body, pointer) in [
        (with("/currency", json!("Euro")), "/currency".to_owned()),
        (with("/elements", json!([])), "/elements".to_owned()),
        (with("/elements/0/components", json!([])), "/elements/0/components".to_owned()),
        (with(&format!("{component}/price"), json!(0.49)), format!("{component}/price")),
        (with(&format!("{component}/price"), json!("-1")), format!("{component}/price")),
        (with(&format!("{component}/price"), json!("1e2")), format!("{component}/price")),
        (with(&format!("{component}/tax_percent"), json!("101")), format!("{component}/tax_percent")),
        (with(&format!("{component}/step_size"), json!(0)), format!("{component}/step_size")),
        (with(&format!("{component}/dimension"), json!("parking_time")), "/elements/0/components".to_owned()),
        (with(&format!("{component}/dimension"), json!("weight")), format!("{component}/dimension")),
    ] {
        let reply = rig.post("/tariffs", body).await;
        reply.assert_problem(422, "invalid");
        assert_eq!(reply.pointers(), [pointer], "{reply:?}");
    }
}
