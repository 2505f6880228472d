//! The load of a location: how it stands, limits from outside, readings; and what is refused.

use serde_json::{Value, json};

use super::rig::Rig;

const LIMITS: &str = "/locations/depot-1/circuits/grid/limits";
const READINGS: &str = "/locations/depot-1/circuits/grid/readings";

/// A location with one circuit and one EVSE.
pub(super) async fn rig() -> Rig {
    let rig = Rig::start().await;
    rig.add_location("depot-1").await;
    rig.post("/charging-stations", json!({"id": "CS-1", "location_id": "depot-1"})).await;
    rig.get("/locations/depot-1/load").await.assert_problem(404, "not-found");
    rig.get(LIMITS).await.assert_problem(404, "not-found");
    let grid = json!({"id": "grid", "limit": {"line_ma": [63_000, 63_000, 63_000]}});
    let evse = json!({"charging_station_id": "CS-1", "evse_id": 1, "circuit_id": "grid", "voltage_v": 230,
        "lines": ["L1", "L2", "L3"], "min_ma": 6_000, "max_ma": 32_000, "step_ma": 1_000, "rated_ma": 32_000, "fallback_ma": 0});
    let put = rig
        .send("PUT", "/locations/depot-1/circuits", Some(json!({"circuits": [grid], "evses": [evse]})))
        .await;
    assert_eq!(put.status, 200, "{put:?}");
    rig
}

/// The load once the ledger is read.
async fn managed(rig: &Rig) -> Value {
    loop {
        let load = rig.get("/locations/depot-1/load").await.json();
        if load["managed"] == true {
            return load;
        }
        actix_web::rt::task::yield_now().await;
    }
}

#[actix_web::test]
async fn the_load_is_shown_with_its_limits_and_readings_move_them() {
    let rig = rig().await;
    let load = managed(&rig).await;
    assert_eq!(load["evses"][0]["charging_station_id"], "CS-1");
    assert_eq!(
        (&load["evses"][0]["connected"], &load["evses"][0]["ceiling_ma"]),
        (&json!(false), &json!(32_000))
    );
    let row = json!({"of": "L1", "limit": 63_000, "reserved": 0, "promised": 32_000, "drawn": 0});
    assert_eq!(load["circuits"][0]["limits"][0], row);
    let limit = json!({"source": "grid operator", "until": "2100-01-01T00:00:00Z", "line_ma": [16_000, 16_000, 16_000]});
    let put = rig.send("PUT", LIMITS, Some(json!({"limits": [limit]}))).await;
    assert_eq!(put.status, 200, "{put:?}");
    assert_eq!(rig.get(LIMITS).await.json(), put.json());
    assert_eq!(
        rig.audited().await.first().map(String::as_str),
        Some("limits.replaced locations/depot-1/circuits")
    );
    let readings = json!({"building_ma": [5_000, 6_000, 7_000], "solar_ma": [1_000, 1_000, 1_000]});
    assert_eq!(rig.post(READINGS, readings).await.status, 204);
    let load = managed(&rig).await;
    let of = |row: usize, field: &str| load["circuits"][0]["limits"][row][field].clone();
    assert_eq!(
        (of(0, "limit"), of(0, "reserved"), of(2, "reserved")),
        (json!(16_000), json!(4_000), json!(6_000))
    );
    // Who draws the tree anew starts again: the kept limit counts, the readings are gone, and what the building took at most counts.
    let tree = rig.get("/locations/depot-1/circuits").await.json();
    let tree = json!({"circuits": tree["circuits"], "evses": tree["evses"]});
    assert_eq!(rig.send("PUT", "/locations/depot-1/circuits", Some(tree)).await.status, 200);
    let load = managed(&rig).await;
    let row = &load["circuits"][0]["limits"][0];
    assert_eq!((&row["limit"], &row["reserved"]), (&json!(16_000), &json!(5_000)));
    assert_eq!(rig.send("PUT", LIMITS, Some(json!({"limits": []}))).await.status, 200);
    assert_eq!(managed(&rig).await["circuits"][0]["limits"][0]["limit"], 63_000);
}

#[actix_web::test]
async fn what_is_wrong_is_refused_with_its_place() {
    let rig = rig().await;
    let limit = |change: Value| {
        let mut limit = json!({"source": "grid", "power_w": 1_000});
        limit.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        json!({"limits": [limit]})
    };
    for (body, pointer) in [
        (json!({"limits": vec![json!({"source": "grid", "power_w": 1}); 33]}), "/limits"),
        (limit(json!({"source": " "})), "/limits/0/source"),
        (limit(json!({"source": "x".repeat(101)})), "/limits/0/source"),
        (limit(json!({"power_w": -1})), "/limits/0/power_w"),
        (limit(json!({"line_ma": [0, -1, 0]})), "/limits/0/line_ma"),
        (json!({"limits": [{"source": "grid"}]}), "/limits/0"),
        (limit(json!({"from": "2030-01-01T00:00:00Z", "until": "2030-01-01T00:00:00Z"})), "/limits/0/until"),
    ] {
        let reply = rig.send("PUT", LIMITS, Some(body.clone())).await;
        reply.assert_problem(422, "invalid");
        assert_eq!(reply.pointers(), [pointer], "{body}");
    }
    for (body, pointer) in [
        (json!({"building_ma": [0, 0, 100_000_001]}), "/building_ma"),
        (json!({"solar_ma": [0, 0, -100_000_001]}), "/solar_ma"),
        (json!({"building_ma": [0, 0, 0], "measured_at": "2100-01-01T00:00:00Z"}), "/measured_at"),
    ] {
        let reply = rig.post(READINGS, body.clone()).await;
        reply.assert_problem(422, "invalid");
        assert_eq!(reply.pointers(), [pointer], "{body}");
    }
    let none = rig.post("/locations/depot-1/circuits/roof/readings", json!({"building_ma": [0, 0, 0]})).await;
    none.assert_problem(404, "not-found");
}

#[actix_web::test]
async fn only_an_evse_of_the_tree_can_be_mended_and_it_is_kept_who_said_so() {
    const MENDINGS: &str = "/locations/depot-1/load/mendings";
    let rig = rig().await;
    let evse = |station: &str, evse: u32| json!({"charging_station_id": station, "evse_id": evse});
    rig.post(MENDINGS, evse("CS-1", 2)).await.assert_problem(404, "not-found");
    rig.post(MENDINGS, evse("CS-2", 1)).await.assert_problem(404, "not-found");
    rig.post("/locations/elsewhere/load/mendings", evse("CS-1", 1)).await.assert_problem(404, "not-found");
    assert_eq!(rig.post(MENDINGS, evse("CS-1", 1)).await.status, 202);
    assert_eq!(rig.audited().await.first().map(String::as_str), Some("load.mended locations/depot-1/load"));
    let noted = |note: &str| json!({"charging_station_id": "CS-1", "evse_id": 1, "note": note});
    for wrong in [" ".to_owned(), "x".repeat(501)] {
        let reply = rig.post(MENDINGS, noted(&wrong)).await;
        reply.assert_problem(422, "invalid");
        assert_eq!(reply.pointers(), ["/note"]);
    }
    assert_eq!(rig.post(MENDINGS, noted("a new relay")).await.status, 202);
    assert_eq!(rig.get("/audit-events").await.json()["items"][0]["detail"]["note"], "a new relay");
}

#[actix_web::test]
async fn what_the_ledger_promised_cannot_be_moved_past_it() {
    let rig = rig().await;
    rig.post("/charging-stations", json!({"id": "CS-2", "location_id": "depot-1"})).await;
    let order = async |station: &str, body: Value| {
        rig.post(&format!("/charging-stations/{station}/commands"), body).await
    };
    let profile = |purpose: &str| {
        json!({"command": "set_charging_profile", "evse_id": 0, "profile": {"profile_id": 1, "purpose": purpose, "unit": "watts",
            "periods": [{"start_s": 0, "limit": 22_000}]}})
    };
    let clear = json!({"command": "clear_charging_profile"});
    let refused = order("CS-1", clear.clone()).await;
    refused.assert_problem(409, "conflict");
    assert!(
        refused.json()["detail"].as_str().unwrap().contains("the load of the location manages this station")
    );
    order("CS-1", profile("transaction_default")).await.assert_problem(409, "conflict");
    let raw = rig.post("/charging-stations/CS-1/ocpp/ClearChargingProfile", json!({})).await;
    raw.assert_problem(409, "conflict");
    assert_eq!(rig.get("/commands").await.json()["items"], json!([]), "nothing was written down to be sent");
    // The most of the whole station only lowers; a station outside the tree is the operator's.
    assert!(order("CS-1", profile("station_max")).await.status < 300);
    assert!(order("CS-2", clear).await.status < 300);
}
