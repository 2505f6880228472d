//! The last day of a location's limits: what is given, of which circuit, and where there is none.

use serde_json::{Value, json};

use super::rig::Rig;
use super::site_load::rig;
use crate::rig::eventually;

const HISTORY: &str = "/locations/depot-1/load/history";

async fn buckets(rig: &Rig, path: &str) -> Option<Value> {
    let history = rig.get(path).await.json();
    history["circuits"][0]["limits"][0]["buckets"].get(0).map(|_| history.clone())
}

#[actix_web::test]
async fn the_last_day_is_given_by_circuit_and_limit() {
    let rig = rig().await;
    let history = eventually!("a look at the limits", buckets(&rig, HISTORY).await);
    assert_eq!((&history["managed"], &history["bucket_s"]), (&json!(true), &json!(300)));
    let circuit = &history["circuits"][0];
    assert_eq!((&circuit["id"], &circuit["name"]), (&json!("grid"), &json!("grid")));
    let names: Vec<_> = circuit["limits"].as_array().unwrap().iter().map(|limit| &limit["of"]).collect();
    assert_eq!(names, ["L1", "L2", "L3"]);
    let bucket = &circuit["limits"][0]["buckets"][0];
    // The one EVSE has no word from us yet, so all it can draw is promised.
    let figures = ["limit", "reserved", "promised", "drawn"].map(|name| bucket[name].clone());
    assert_eq!(figures, [json!(63_000), json!(0), json!(32_000), json!(0)]);
    assert!(bucket["from"].as_str().unwrap().ends_with(":00.000Z"), "{bucket}");
    let one = rig.get(&format!("{HISTORY}?circuit_id=grid")).await;
    assert_eq!(one.json()["circuits"].as_array().unwrap().len(), 1);
    rig.get(&format!("{HISTORY}?circuit_id=roof")).await.assert_problem(404, "not-found");
    rig.get(&format!("{HISTORY}?circuit=grid")).await.assert_problem(400, "bad-request");
}

#[actix_web::test]
async fn there_is_no_history_without_a_tree_and_of_many_circuits_one_is_named() {
    let rig = Rig::start().await;
    rig.add_location("depot-1").await;
    rig.get(HISTORY).await.assert_problem(404, "not-found");
    let mut circuits = vec![json!({"id": "grid", "limit": {"power_w": 50_000}})];
    circuits.extend((1..=50).map(|number| json!({"id": format!("c{number}"), "parent": "grid"})));
    let tree = json!({"circuits": circuits, "evses": []});
    assert_eq!(rig.send("PUT", "/locations/depot-1/circuits", Some(tree)).await.status, 200);
    let reply = rig.get(HISTORY).await;
    reply.assert_problem(422, "invalid");
    assert_eq!(reply.pointers(), ["/circuit_id"]);
    let history = eventually!("a look", buckets(&rig, &format!("{HISTORY}?circuit_id=grid")).await);
    assert_eq!(history["circuits"][0]["limits"][0]["of"], "power");
}
