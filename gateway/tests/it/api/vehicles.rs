//! Vehicles: made, listed, replaced, removed; and what is refused.

use serde_json::{Value, json};

use super::rig::Rig;

fn bus(change: Value) -> Value {
    let departure = json!({"weekdays": ["monday", "friday"], "at": "06:30", "energy_wh": 80_000});
    let mut bus = json!({"name": "Bus 7", "fleet": "North", "tokens": ["CARD-7"], "weight_permille": 2_000, "schedule": [departure]});
    bus.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    bus
}

#[actix_web::test]
async fn a_vehicle_is_made_replaced_and_removed() {
    let rig = Rig::start().await;
    let made = rig.post("/vehicles", bus(json!({"id": "bus 7", "tokens": ["card-7"]}))).await;
    assert_eq!(made.status, 201, "{made:?}");
    let kept = made.json();
    assert_eq!((&kept["id"], &kept["tokens"]), (&json!("bus 7"), &json!(["CARD-7"])), "in upper case");
    assert_eq!(rig.get("/vehicles/bus%207").await.json(), kept);
    rig.post("/vehicles", bus(json!({"id": "bus 7"}))).await.assert_problem(409, "conflict");
    let thief = rig.send("PUT", "/vehicles/van", Some(bus(json!({})))).await;
    thief.assert_problem(409, "conflict");
    rig.get("/vehicles/van").await.assert_problem(404, "not-found");
    let put = rig.send("PUT", "/vehicles/bus%207", Some(json!({"name": "Bus seven"}))).await;
    assert_eq!((put.status, &put.json()["schedule"]), (200, &json!([])));
    assert_eq!(
        rig.send("PUT", "/vehicles/van", Some(bus(json!({})))).await.status,
        201,
        "the token is free now"
    );
    assert_eq!(rig.get("/vehicles").await.json()["items"].as_array().unwrap().len(), 2);
    assert_eq!(rig.send("DELETE", "/vehicles/van", None).await.status, 204);
    rig.send("DELETE", "/vehicles/van", None).await.assert_problem(404, "not-found");
    assert_eq!(rig.audited().await.first().map(String::as_str), Some("vehicle.deleted vehicles/van"));
}

#[actix_web::test]
async fn what_is_wrong_is_refused_with_its_place() {
    let rig = Rig::start().await;
    let tokens: Vec<_> = (0..17).map(|number| format!("T{number}")).collect();
    let departure = |change: Value| {
        let mut departure = json!({"weekdays": ["monday"], "at": "06:30"});
        departure.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        json!({"schedule": [departure]})
    };
    let many = vec![json!({"weekdays": ["monday"], "at": "06:30"}); 29];
    for (change, pointer) in [
        (json!({"name": " "}), "/name"),
        (json!({"fleet": "x".repeat(101)}), "/fleet"),
        (json!({"tokens": tokens}), "/tokens"),
        (json!({"tokens": ["A1", "a1"]}), "/tokens"),
        (json!({"weight_permille": 0}), "/weight_permille"),
        (json!({"schedule": many}), "/schedule"),
        (departure(json!({"weekdays": []})), "/schedule/0/weekdays"),
        (departure(json!({"at": "24:00"})), "/schedule/0/at"),
        (departure(json!({"energy_wh": -1})), "/schedule/0/energy_wh"),
        (json!({"id": "another"}), "/id"),
    ] {
        let reply = rig.send("PUT", "/vehicles/bus-7", Some(bus(change.clone()))).await;
        reply.assert_problem(422, "invalid");
        assert_eq!(reply.json()["errors"][0]["pointer"], pointer, "{change}: {}", reply.body);
    }
}
