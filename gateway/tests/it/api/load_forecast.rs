//! Who will be ready when: as it is, as it might be, who may ask, and what is refused.

use ringmain_domain::access::AccessRole;
use ringmain_domain::id::{SessionId, StationId, TransactionId};
use ringmain_domain::time::Timestamp;
use ringmain_gateway::clock;
use ringmain_gateway::services::site_load::forecast::FORECASTS_MAX;
use serde_json::{Value, json};

use super::rig::Rig;
use crate::rig::eventually;

pub(crate) const FORECAST: &str = "/locations/depot-1/load/forecast";

/// A location with a grid connection of 20 A and three EVSEs that have 6 A without a word from us: 4,140 W. No station is
/// connected; at the first EVSE a car has had 5 kWh.
pub(crate) async fn depot() -> Rig {
    let rig = Rig::start().await;
    rig.add_location("depot-1").await;
    let station = rig.add_station("CS-1", 1).await;
    rig.send("PATCH", "/charging-stations/CS-1", Some(json!({"location_id": "depot-1"}))).await;
    rig.add_session(&station, "T<1>", 0, false).await;
    let evse = |number: u32| {
        json!({"charging_station_id": "CS-1", "evse_id": number, "circuit_id": "grid", "voltage_v": 230,
        "lines": ["L1", "L2", "L3"], "min_ma": 6_000, "max_ma": 32_000, "step_ma": 1_000, "rated_ma": 32_000, "fallback_ma": 6_000})
    };
    let grid = json!({"id": "grid", "name": "Grid & more", "limit": {"line_ma": [20_000, 20_000, 20_000]}});
    let tree = json!({"circuits": [grid], "evses": [evse(1), evse(2), evse(3)]});
    let put = rig.send("PUT", "/locations/depot-1/circuits", Some(tree)).await;
    assert_eq!(put.status, 200, "{put:?}");
    rig
}

/// The car is to have so much, so many minutes from now.
pub(crate) async fn needs(rig: &Rig, energy_wh: i64, minutes: i64) -> Timestamp {
    let departs_at = clock::now().plus_secs(minutes * 60);
    let need = json!({"energy_wh": energy_wh, "departs_at": departs_at.to_string()});
    let put = rig.send("PUT", &format!("/sessions/{}/charging-need", session(rig)), Some(need)).await;
    assert!(put.status < 300, "{put:?}");
    departs_at
}

pub(crate) fn session(rig: &Rig) -> SessionId {
    let (station, transaction) = (StationId::new("CS-1").unwrap(), TransactionId::new("T<1>").unwrap());
    SessionId::derive(&rig.house.tenant, &station, &transaction)
}

/// The forecast once the site knows what the car needs.
async fn foreseen(rig: &Rig, asked_wh: i64) -> Value {
    eventually!("a forecast with what was asked", {
        let forecast = rig.get(FORECAST).await.json();
        (forecast["as_is"]["cars"][0]["asked_wh"] == asked_wh).then_some(forecast)
    })
}

fn minutes_between(from: &Value, to: &Value) -> i64 {
    let at = |value: &Value| Timestamp::parse(value.as_str().unwrap()).unwrap();
    at(to).millis_since(at(from)) / 60_000
}

#[actix_web::test]
async fn every_car_has_its_forecast_and_the_grid_its_power() {
    let rig = depot().await;
    let departs_at = needs(&rig, 9_140, 120).await;
    let forecast = foreseen(&rig, 9_140).await;
    assert_eq!((&forecast["managed"], &forecast["what_if"]), (&json!(true), &Value::Null));
    let as_is = &forecast["as_is"];
    let totals =
        ["red", "amber", "green", "unknown", "without_place"].map(|name| as_is[name].as_u64().unwrap());
    assert_eq!(totals, [0, 0, 1, 0, 0], "{as_is}");
    let car = &as_is["cars"][0];
    for (field, value) in [
        ("charging_station_id", json!("CS-1")),
        ("evse_id", json!(1)),
        ("transaction_id", json!("T<1>")),
        ("has_wh", json!(5_000)),
        ("energy_wh", json!(9_140)),
        ("lacks_wh", json!(0)),
        ("state", json!("green")),
        // Nobody can steer it, so it counts with its 6 A.
        ("obstacle", json!("silent")),
        ("added", json!(false)),
        ("departs_at", json!(departs_at.to_string())),
    ] {
        assert_eq!(car[field], value, "{field} in {car}");
    }
    assert_eq!(minutes_between(&forecast["from"], &car["ready_at"]), 60, "4,140 Wh at 4,140 W");
    let steps = as_is["circuits"][0]["steps"].as_array().unwrap();
    assert_eq!((&as_is["circuits"][0]["name"], steps.len()), (&json!("Grid & more"), 96));
    assert_eq!((&steps[1]["cars_w"], &steps[1]["limit_w"]), (&json!(4_140), &json!(13_800)));
    needs(&rig, 9_140, 30).await;
    eventually!("late", (rig.get(FORECAST).await.json()["as_is"]["red"] == 1).then_some(()));
}

#[actix_web::test]
async fn what_if_stands_beside_what_is_and_changes_nothing() {
    let rig = depot().await;
    needs(&rig, 9_140, 120).await;
    let before = foreseen(&rig, 9_140).await;
    let departs_at = clock::now().plus_secs(3_600).to_string();
    let question = json!({"more_vehicles": 3, "energy_wh": 5_000, "departs_at": departs_at, "limit_percent": 50, "no_sun": true});
    for role in [AccessRole::Viewer, AccessRole::Operator] {
        let reply = rig.send_as(rig.token(role), "POST", FORECAST, Some(question.clone()), &[]).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let told = reply.json();
        assert_eq!(told["as_is"]["cars"][0]["state"], before["as_is"]["cars"][0]["state"]);
        assert_eq!(told["what_if"]["without_place"], 3, "no station is connected: nobody would serve them");
        assert_eq!(told["what_if"]["circuits"][0]["steps"][1]["limit_w"], 6_900, "half of it");
        assert_eq!(told["as_is"]["circuits"][0]["steps"][1]["limit_w"], 13_800);
    }
    assert_eq!(rig.post(FORECAST, json!({})).await.json()["what_if"]["green"], 1, "nothing asked");
    assert!(rig.audited().await.iter().all(|line| !line.contains("forecast")), "nothing was changed");
}

#[actix_web::test]
async fn a_wild_question_is_refused_with_its_places() {
    let rig = depot().await;
    let wild = json!({"more_vehicles": 201, "energy_wh": -1, "departs_at": "2020-01-01T00:00:00Z", "limit_percent": 201});
    let reply = rig.post(FORECAST, wild).await;
    reply.assert_problem(422, "invalid");
    assert_eq!(reply.pointers(), ["/more_vehicles", "/energy_wh", "/departs_at", "/limit_percent"]);
    for odd in
        [json!({"sun": false}), json!({"more_vehicles": -1}), json!({"limit_percent": 4_294_967_396_u64})]
    {
        rig.post(FORECAST, odd).await.assert_problem(422, "invalid");
    }
    rig.get("/locations/nowhere/load/forecast").await.assert_problem(404, "not-found");
    rig.add_location("bare").await;
    rig.get("/locations/bare/load/forecast").await.assert_problem(404, "not-found");
}

#[actix_web::test]
async fn who_asks_while_many_wait_is_told_to_come_again() {
    let rig = depot().await;
    let places: Vec<_> = (0..FORECASTS_MAX).map(|_| rig.house.forecasts.place().unwrap()).collect();
    for reply in [rig.get(FORECAST).await, rig.post(FORECAST, json!({"no_sun": true})).await] {
        reply.assert_problem(503, "unavailable");
        assert_eq!(reply.header("retry-after"), Some("1"));
        assert!(reply.body.contains("other forecasts just now"), "{reply:?}");
    }
    drop(places);
    assert_eq!(rig.get(FORECAST).await.status, 200);
}
