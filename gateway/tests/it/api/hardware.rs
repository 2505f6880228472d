//! What a station is made of, as operators describe it; and what is refused.

use serde_json::{Value, json};

use super::rig::Rig;

const HARDWARE: &str = "/charging-stations/CS-1/hardware";

fn connector() -> Value {
    json!({"connector_id": 1, "plug": "ccs2", "has_cable": true, "current": "dc", "max_voltage_v": 920, "max_current_a": 500,
        "max_power_w": 400_000})
}

fn evse() -> Value {
    json!({"evse_id": 1, "printed_id": "NL*RMN*E1", "connectors": [connector()]})
}

#[actix_web::test]
async fn a_station_is_described_as_a_whole() {
    let rig = Rig::start().await;
    rig.get(HARDWARE).await.assert_problem(404, "not-found");
    rig.send("PUT", HARDWARE, Some(json!({"evses": []}))).await.assert_problem(404, "not-found");
    rig.add_station("CS-1", 1).await;
    assert_eq!(rig.get(HARDWARE).await.json(), json!({"evses": [], "updated_at": null}));
    assert_eq!(rig.send("PUT", HARDWARE, Some(json!({"evses": [evse()]}))).await.status, 204);
    let told = rig.get(HARDWARE).await.json();
    assert_eq!(told["evses"], json!([evse()]));
    assert!(told["updated_at"].is_string(), "{told}");
    let audited = rig.audited().await;
    assert_eq!(
        audited.first().map(String::as_str),
        Some("station.described charging-stations/CS-1/hardware")
    );
    assert_eq!(rig.send("PUT", HARDWARE, Some(json!({"evses": []}))).await.status, 204);
    assert_eq!(rig.get(HARDWARE).await.json()["evses"], json!([]));
}

#[actix_web::test]
async fn what_cannot_be_is_refused_with_its_place() {
    let rig = Rig::start().await;
    rig.add_station("CS-1", 1).await;
    let with = |at: &str, value: Value| {
        let mut body = json!({"evses": [evse()]});
        let (parent, field) = at.rsplit_once('/').unwrap();
        body.pointer_mut(parent).unwrap()[field] = value;
        body
    };
    for (body, pointer) in [
        (json!({"evses": [evse(), evse()]}), "/evses/1"),
        (with("/evses/0/evse_id", json!(0)), "/evses/0"),
        (with("/evses/0/printed_id", json!("number one")), "/evses/0/printed_id"),
        (with("/evses/0/connectors", json!([])), "/evses/0/connectors"),
        (with("/evses/0/connectors", json!([connector(), connector()])), "/evses/0/connectors/1"),
        (with("/evses/0/colour", json!("red")), "/evses/0/colour"),
    ] {
        let reply = rig.send("PUT", HARDWARE, Some(body)).await;
        reply.assert_problem(422, "invalid");
        let places: Vec<_> =
            reply.json()["errors"].as_array().unwrap().iter().map(|e| e["pointer"].clone()).collect();
        assert_eq!(places, [json!(pointer)], "{}", reply.body);
    }
    for (field, value) in
        [("plug", json!("lightning")), ("max_voltage_v", json!(1_501)), ("max_current_a", json!(0))]
    {
        let mut body = json!({"evses": [evse()]});
        body["evses"][0]["connectors"][0][field] = value;
        let reply = rig.send("PUT", HARDWARE, Some(body)).await;
        assert_eq!(reply.status, 422, "{field}: {}", reply.body);
        assert!(reply.body.contains(&format!("/evses/0/connectors/0/{field}")), "{}", reply.body);
    }
}
