//! How a location shares, and what an operator says about a session's car; and what is refused.

use serde_json::{Value, json};

use super::rig::Rig;

const SETTINGS: &str = "/locations/depot-1/load/settings";

async fn rig() -> Rig {
    let rig = Rig::start().await;
    rig.add_location("depot-1").await;
    rig.get(SETTINGS).await.assert_problem(404, "not-found");
    let tree = json!({"circuits": [{"id": "grid", "limit": {"power_w": 50_000}}], "evses": []});
    assert_eq!(rig.send("PUT", "/locations/depot-1/circuits", Some(tree)).await.status, 200);
    rig
}

#[actix_web::test]
async fn settings_are_replaced_as_a_whole() {
    let rig = rig().await;
    let nothing = json!({"hold_min": null, "trusts_cars": false, "class_permille": {}, "circuits": {}});
    assert_eq!(rig.get(SETTINGS).await.json(), nothing);
    let window =
        json!({"from": "2026-12-01T16:00:00.000Z", "until": "2026-12-01T19:00:00.000Z", "charging_w": 5_000});
    let grid = json!({"may_export": true, "breaker_ma": 80_000, "battery_charging_max_ma": [16_000, 16_000, 16_000], "peak_w": 40_000,
        "price_windows": [window], "solar_only": false});
    let all = json!({"hold_min": 15, "trusts_cars": true, "class_permille": {"TAXIS": 2_000}, "circuits": {"grid": grid}});
    let put = rig.send("PUT", SETTINGS, Some(all.clone())).await;
    assert_eq!((put.status, put.json()), (200, all.clone()));
    assert_eq!(rig.get(SETTINGS).await.json(), all);
    let audited = rig.audited().await;
    assert_eq!(audited.first().map(String::as_str), Some("load_settings.replaced locations/depot-1/load"));
    assert_eq!(rig.send("PUT", SETTINGS, Some(json!({}))).await.json(), nothing);
}

#[actix_web::test]
async fn settings_that_cannot_be_are_refused_with_their_place() {
    let rig = rig().await;
    let grid = |grid: Value| json!({"circuits": {"grid": grid}});
    let window = |from: &str, until: &str, watts: i64| {
        grid(json!({"price_windows": [{"from": from, "until": until, "charging_w": watts}]}))
    };
    let (early, late) = ("2026-12-01T16:00:00Z", "2026-12-01T19:00:00Z");
    let classes: Value =
        (0..257).map(|number| (format!("G{number}"), json!(1))).collect::<serde_json::Map<_, _>>().into();
    let windows = vec![json!({"from": early, "until": late, "charging_w": 1}); 193];
    for (body, pointer) in [
        (json!({"hold_min": 0}), "/hold_min"),
        (json!({"hold_min": 1_441}), "/hold_min"),
        (json!({"class_permille": {"TAXIS": 0}}), "/class_permille/TAXIS"),
        (json!({"class_permille": {"TAXIS": 1_000_001}}), "/class_permille/TAXIS"),
        (json!({"class_permille": classes}), "/class_permille"),
        (json!({"circuits": {"attic": {}}}), "/circuits/attic"),
        (grid(json!({"breaker_ma": 0})), "/circuits/grid/breaker_ma"),
        (grid(json!({"battery_charging_max_ma": [0, -1, 0]})), "/circuits/grid/battery_charging_max_ma"),
        (grid(json!({"peak_w": 0})), "/circuits/grid/peak_w"),
        (grid(json!({"price_windows": windows})), "/circuits/grid/price_windows"),
        (window(late, early, 1), "/circuits/grid/price_windows/0/until"),
        (window(early, late, -1), "/circuits/grid/price_windows/0/charging_w"),
        (grid(json!({"colour": 1})), "/circuits/grid/colour"),
    ] {
        let reply = rig.send("PUT", SETTINGS, Some(body.clone())).await;
        reply.assert_problem(422, "invalid");
        assert_eq!(reply.json()["errors"][0]["pointer"], pointer, "{body}: {}", reply.body);
    }
}

#[actix_web::test]
async fn an_operators_word_about_a_car_is_kept_while_it_is_there() {
    let rig = rig().await;
    let station = rig.add_station("CS-1", 1).await;
    rig.add_session(&station, "T1", 0, false).await;
    rig.add_session(&station, "T0", -500, true).await;
    let sessions = rig.get("/sessions").await.json();
    let path_of = |transaction: &str| {
        let all = sessions["items"].as_array().unwrap();
        let session = all.iter().find(|session| session["transaction_id"] == transaction).unwrap();
        format!("/sessions/{}/charging-need", session["id"].as_str().unwrap())
    };
    let path = path_of("T1");
    let nothing = json!({"departs_at": null, "energy_wh": null, "weight_permille": null});
    assert_eq!(rig.get(&path).await.json(), nothing);
    let word =
        json!({"departs_at": "2100-01-01T06:00:00.000Z", "energy_wh": 20_000, "weight_permille": 2_000});
    let put = rig.send("PUT", &path, Some(word.clone())).await;
    assert_eq!((put.status, put.json()), (200, word.clone()));
    assert_eq!(rig.get(&path).await.json(), word);
    for (body, pointer) in [
        (json!({}), ""),
        (json!({"energy_wh": -1}), "/energy_wh"),
        (json!({"energy_wh": 100_000_001}), "/energy_wh"),
        (json!({"weight_permille": 0}), "/weight_permille"),
    ] {
        let reply = rig.send("PUT", &path, Some(body)).await;
        reply.assert_problem(422, "invalid");
        assert_eq!(reply.json()["errors"][0]["pointer"], pointer, "{}", reply.body);
    }
    assert_eq!(rig.send("DELETE", &path, None).await.status, 204);
    rig.send("DELETE", &path, None).await.assert_problem(404, "not-found");
    assert_eq!(rig.get(&path).await.json(), nothing);
    rig.send("PUT", &path_of("T0"), Some(word)).await.assert_problem(409, "conflict");
    let audited: Vec<_> = rig
        .audited()
        .await
        .into_iter()
        .take(2)
        .map(|event| event.split(' ').next().unwrap().to_owned())
        .collect();
    assert_eq!(audited, ["charging_need.deleted", "charging_need.put"]);
}
