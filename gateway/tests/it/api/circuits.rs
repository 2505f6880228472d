//! The tree of circuits of a location, drawn and checked as a whole.

use serde_json::{Value, json};

use ringmain_gateway::api::extract::BODY_MAX_BYTES;

use super::rig::Rig;

const PATH: &str = "/locations/depot-1/circuits";

fn circuit(id: &str, parent: Option<&str>, amps: i64) -> Value {
    let line_ma = [amps * 1_000; 3];
    json!({"id": id, "parent": parent, "limit": {"line_ma": line_ma}})
}

fn evse(station: &str, circuit: &str, fallback_ma: i64) -> Value {
    json!({
        "charging_station_id": station, "evse_id": 1, "circuit_id": circuit, "voltage_v": 230,
        "lines": ["L2", "L3", "L1"], "min_ma": 6_000, "max_ma": 32_000, "step_ma": 1_000, "rated_ma": 32_000,
        "fallback_ma": fallback_ma,
    })
}

/// A location where CS-1 and CS-2 stand, and a station elsewhere.
async fn rig() -> Rig {
    let rig = Rig::start().await;
    rig.add_location("depot-1").await;
    for id in ["CS-1", "CS-2"] {
        let body = json!({"id": id, "location_id": "depot-1"});
        assert_eq!(rig.post("/charging-stations", body).await.status, 201);
    }
    assert_eq!(rig.post("/charging-stations", json!({"id": "CS-9"})).await.status, 201);
    rig
}

#[actix_web::test]
async fn a_tree_is_kept_as_it_was_drawn_replaced_and_removed() {
    let rig = rig().await;
    rig.get(PATH).await.assert_problem(404, "not-found");
    let mut wished = circuit("grid", None, 63);
    wished["firmness"] = json!("soft");
    let tree = json!({"circuits": [wished], "evses": []});
    let refused = rig.send("PUT", PATH, Some(tree)).await;
    refused.assert_problem(422, "invalid");
    assert_eq!(refused.pointers(), ["/circuits"]);
    rig.send("DELETE", PATH, None).await.assert_problem(404, "not-found");
    let mut cabinet = evse("CS-2", "panel", 0);
    cabinet["dc_efficiency_permille"] = json!(950);
    let mut grid = circuit("grid", None, 63);
    grid["changes"] = json!([{"from": "2027-01-01T00:00:00Z", "limit": {"power_w": 90_000}}]);
    grid["meter_id"] = json!("M-1");
    let tree = json!({"circuits": [grid, circuit("panel", Some("grid"), 32)], "evses": [cabinet, evse("CS-1", "grid", 6_000)]});
    let put = rig.send("PUT", PATH, Some(tree)).await;
    assert_eq!(put.status, 200, "{put:?}");
    let kept = rig.get(PATH).await.json();
    assert_eq!(kept, put.json());
    assert_eq!(
        kept["circuits"][0]["changes"][0],
        json!({"from": "2027-01-01T00:00:00.000Z", "limit": {"line_ma": null, "power_w": 90_000}})
    );
    assert_eq!(
        (&kept["circuits"][0]["meter_id"], &kept["circuits"][1]["parent"]),
        (&json!("M-1"), &json!("grid"))
    );
    // By station and number, whatever the order in which they were drawn.
    let of = |index: usize, field: &str| kept["evses"][index][field].clone();
    assert_eq!(
        (of(0, "charging_station_id"), of(0, "fallback_ma"), of(0, "dc_efficiency_permille")),
        (json!("CS-1"), json!(6_000), Value::Null)
    );
    assert_eq!(
        (of(1, "charging_station_id"), of(1, "lines"), of(1, "dc_efficiency_permille")),
        (json!("CS-2"), json!(["L2", "L3", "L1"]), json!(950))
    );

    let smaller = json!({"circuits": [circuit("grid", None, 16)], "evses": []});
    assert_eq!(rig.send("PUT", PATH, Some(smaller)).await.status, 200);
    assert_eq!(rig.get(PATH).await.json()["circuits"].as_array().map(Vec::len), Some(1));
    assert_eq!(rig.send("DELETE", PATH, None).await.status, 204);
    rig.get(PATH).await.assert_problem(404, "not-found");
    let audited = rig.audited().await;
    let expected = ["circuits.deleted", "circuits.replaced", "circuits.replaced"]
        .map(|action| format!("{action} locations/depot-1/circuits"));
    assert_eq!(audited[..3], expected);
}

#[actix_web::test]
async fn what_is_wrong_with_a_tree_is_told_by_circuit_and_evse() {
    let rig = rig().await;
    let check = async |circuits: Value, evses: Value, pointer: &str, detail: &str| {
        let reply = rig.send("PUT", PATH, Some(json!({"circuits": circuits, "evses": evses}))).await;
        reply.assert_problem(422, "invalid");
        assert_eq!(reply.pointers().first().map(String::as_str), Some(pointer));
        let told = reply.json()["errors"][0]["detail"].as_str().map(str::to_owned).unwrap_or_default();
        assert!(told.contains(detail), "{told}");
    };
    let grid = || circuit("grid", None, 63);
    check(json!([]), json!([]), "", "its grid connection").await;
    check(json!([grid(), circuit("b", Some("c"), 16)]), json!([]), "", "circuit b has the unknown parent c")
        .await;
    let fallbacks = json!([evse("CS-1", "grid", 32_000), evse("CS-2", "grid", 32_000)]);
    check(json!([circuit("grid", None, 63)]), fallbacks, "", "give some EVSEs a fallback of 0").await;
    check(
        json!([grid()]),
        json!([evse("CS-1", "nowhere", 0)]),
        "",
        "EVSE CS-1/1 hangs on the unknown circuit nowhere",
    )
    .await;
    let stranger = "station \"CS-9\" does not stand at this location";
    check(
        json!([grid()]),
        json!([evse("CS-1", "grid", 0), evse("CS-9", "grid", 0)]),
        "/evses/1/charging_station_id",
        stranger,
    )
    .await;
    let mut odd = evse("CS-1", "grid", 0);
    odd["lines"] = json!(["L4"]);
    check(json!([grid()]), json!([odd]), "/evses/0/lines/0", "L4").await;
    let mut odd = grid();
    odd["limits"] = json!({});
    check(json!([odd]), json!([]), "/circuits/0/limits", "unknown").await;
    rig.get(PATH).await.assert_problem(404, "not-found");
    let tree = json!({"circuits": [grid()], "evses": []});
    rig.send("PUT", "/locations/nowhere/circuits", Some(tree)).await.assert_problem(404, "not-found");
}

#[actix_web::test]
async fn a_drawing_of_a_large_site_fits_and_a_larger_one_is_refused() {
    let rig = rig().await;
    let many = |count: usize| (0..count).map(|_| evse("CS-9", "grid", 0)).collect::<Vec<_>>();
    let tree = json!({"circuits": [circuit("grid", None, 63)], "evses": many(2_000)});
    assert!(tree.to_string().len() > BODY_MAX_BYTES, "more than other bodies may have");
    // It is read whole: what is wrong with it is what is in it.
    rig.send("PUT", PATH, Some(tree)).await.assert_problem(422, "invalid");
    let tree = json!({"circuits": [circuit("grid", None, 63)], "evses": many(6_000)});
    rig.send("PUT", PATH, Some(tree)).await.assert_problem(413, "too-large");
}

#[actix_web::test]
async fn a_station_with_evses_in_the_tree_neither_moves_nor_goes() {
    let rig = rig().await;
    rig.add_location("depot-2").await;
    let tree = json!({"circuits": [circuit("grid", None, 63)], "evses": [evse("CS-1", "grid", 0)]});
    assert_eq!(rig.send("PUT", PATH, Some(tree)).await.status, 200);
    let (path, moved) = ("/charging-stations/CS-1", json!({"location_id": "depot-2"}));
    for location in [json!("depot-2"), Value::Null] {
        let refused = rig.send("PATCH", path, Some(json!({"location_id": location}))).await;
        refused.assert_problem(409, "conflict");
        let detail = refused.json()["detail"].clone();
        assert!(detail.as_str().unwrap().contains("tree of location depot-1"), "{detail}");
    }
    rig.send("DELETE", path, None).await.assert_problem(409, "conflict");
    // The same place again, or another name, is no move.
    let named = rig.send("PATCH", path, Some(json!({"location_id": "depot-1", "name": "One"}))).await;
    assert_eq!((named.status, &named.json()["name"]), (200, &json!("One")));
    assert_eq!(rig.send("PATCH", "/charging-stations/CS-2", Some(moved.clone())).await.status, 200);

    assert_eq!(rig.send("DELETE", PATH, None).await.status, 204);
    assert_eq!(rig.send("PATCH", path, Some(moved)).await.status, 200);
    assert_eq!(rig.send("DELETE", path, None).await.status, 204);
}
