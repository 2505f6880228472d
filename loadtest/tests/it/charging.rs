//! Charging profiles: taken or refused, followed within a second, told back.

use std::time::Duration;

use ringmain_loadtest::station::Version;
use serde_json::{Value, json};

use crate::csms::{Call, Conn};
use crate::rig::{ALL, ONE_DRIVER, Rig, is_end, is_reading, is_start};

const PAST: &str = "2020-01-01T00:00:00Z";

/// A profile in the words of a version: absolute, from the past, one limit.
fn profile(
    version: Version,
    id: i64,
    level: i64,
    purpose: &str,
    unit: &str,
    limit: f64,
    transaction: Option<&str>,
) -> Value {
    let period = json!([{ "startPeriod": 0, "limit": limit }]);
    let mut schedule =
        json!({ "startSchedule": PAST, "chargingRateUnit": unit, "chargingSchedulePeriod": period });
    let mut profile = json!({
        "stackLevel": level, "chargingProfilePurpose": purpose, "chargingProfileKind": "Absolute",
    });
    if version == Version::V16 {
        profile["chargingProfileId"] = json!(id);
        profile["chargingSchedule"] = schedule;
        if let Some(transaction) = transaction {
            profile["transactionId"] = json!(transaction.parse::<i64>().unwrap());
        }
    } else {
        schedule["id"] = json!(1);
        profile["id"] = json!(id);
        profile["chargingSchedule"] = json!([schedule]);
        if let Some(transaction) = transaction {
            profile["transactionId"] = json!(transaction);
        }
    }
    profile
}

async fn set(conn: &mut Conn, evse: u32, profile: Value) -> String {
    let payload = match conn.version {
        Version::V16 => json!({ "connectorId": evse, "csChargingProfiles": profile }),
        Version::V201 | Version::V21 => json!({ "evseId": evse, "chargingProfile": profile }),
    };
    conn.command("SetChargingProfile", payload).await["status"].as_str().unwrap().to_owned()
}

/// A station that charges at 11 kW, and the id of its transaction.
async fn charging(version: Version, lines: &str) -> (Rig, Conn, String) {
    let driver = ONE_DRIVER
        .replace("[60, 60]", "[5000, 5000]")
        .replace("meter_interval_s = 10", "meter_interval_s = 1");
    let mut rig = Rig::new(version, &format!("{lines}\n{driver}"));
    let mut conn = rig.csms.accept_and_boot(36_000).await;
    let calls = conn.serve_until(is_reading).await;
    let start = calls.iter().find(|call| is_start(call)).unwrap();
    let transaction = match version {
        Version::V16 => "4001".to_owned(),
        Version::V201 | Version::V21 => start.text("/transactionInfo/transactionId").to_owned(),
    };
    (rig, conn, transaction)
}

fn power_w(reading: &Call) -> f64 {
    reading.sample("Power.Active.Import")
}

/// The power a second after now, when a new limit must be followed.
async fn power_soon_w(conn: &mut Conn) -> f64 {
    let asked = tokio::time::Instant::now();
    loop {
        let calls = conn.serve_until(is_reading).await;
        let reading = calls.last().unwrap();
        if reading.at - asked > Duration::from_secs(1) {
            assert!(reading.at - asked < Duration::from_secs(3));
            return power_w(reading);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_profile_lowers_the_power_within_a_second_and_its_end_lifts_it() {
    for version in ALL {
        let (rig, mut conn, transaction) = charging(version, "").await;
        let tx = |id, level, limit| profile(version, id, level, "TxProfile", "W", limit, Some(&transaction));
        assert_eq!(set(&mut conn, 1, tx(1, 0, 6_000.0)).await, "Accepted");
        assert!((power_soon_w(&mut conn).await - 6_000.0).abs() < 0.5, "{version:?}");
        // Ampere count for each phase: 3 x 230 V x 10 A.
        let amperes = profile(version, 1, 0, "TxProfile", "A", 10.0, Some(&transaction));
        assert_eq!(set(&mut conn, 1, amperes).await, "Accepted");
        assert!((power_soon_w(&mut conn).await - 6_900.0).abs() < 0.5, "{version:?}");
        // The higher level wins, the default does not count beside it.
        assert_eq!(set(&mut conn, 1, tx(2, 3, 5_000.0)).await, "Accepted");
        let default = profile(version, 3, 5, "TxDefaultProfile", "W", 4_500.0, None);
        assert_eq!(set(&mut conn, 0, default).await, "Accepted");
        assert!((power_soon_w(&mut conn).await - 5_000.0).abs() < 0.5, "{version:?}");
        let max = match version {
            Version::V16 => "ChargePointMaxProfile",
            Version::V201 | Version::V21 => "ChargingStationMaxProfile",
        };
        assert_eq!(set(&mut conn, 0, profile(version, 4, 0, max, "W", 4_200.0, None)).await, "Accepted");
        assert!((power_soon_w(&mut conn).await - 4_200.0).abs() < 0.5, "{version:?}");
        assert_eq!(conn.command("ClearChargingProfile", json!({})).await["status"], "Accepted");
        assert!((power_soon_w(&mut conn).await - 11_000.0).abs() < 0.5, "{version:?}");
        assert_eq!(conn.command("ClearChargingProfile", json!({})).await["status"], "Unknown");
        rig.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn below_six_ampere_the_car_waits_and_goes_on_later() {
    for version in ALL {
        let (rig, mut conn, transaction) = charging(version, "").await;
        let tx = |limit| profile(version, 1, 0, "TxProfile", "A", limit, Some(&transaction));
        assert_eq!(set(&mut conn, 1, tx(5.0)).await, "Accepted");
        let is_suspended = |call: &Call| {
            call.payload["status"] == "SuspendedEVSE"
                || call.payload["transactionInfo"]["chargingState"] == "SuspendedEVSE"
        };
        conn.serve_until(|call| is_suspended(call)).await;
        assert!(power_soon_w(&mut conn).await < 0.5, "{version:?}");
        assert_eq!(set(&mut conn, 1, tx(16.0)).await, "Accepted");
        assert!(power_soon_w(&mut conn).await > 10_900.0, "{version:?}");
        rig.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_schedule_changes_the_power_at_its_own_time_and_is_told_as_composite() {
    for version in ALL {
        let (rig, mut conn, transaction) = charging(version, "").await;
        let mut tx = profile(version, 1, 0, "TxProfile", "W", 9_000.0, Some(&transaction));
        let periods = json!([{ "startPeriod": 0, "limit": 9000 }, { "startPeriod": 600, "limit": 5000 }]);
        let reading = conn.serve_until(is_reading).await.pop().unwrap();
        let start = reading.text("/meterValue/0/timestamp").to_owned();
        let schedule = if version == Version::V16 {
            &mut tx["chargingSchedule"]
        } else {
            &mut tx["chargingSchedule"][0]
        };
        schedule["chargingSchedulePeriod"] = periods;
        schedule["startSchedule"] = json!(start);
        assert_eq!(set(&mut conn, 1, tx).await, "Accepted");
        let set_at = tokio::time::Instant::now();
        let place = if version == Version::V16 { "connectorId" } else { "evseId" };
        let mut asked = json!({ "duration": 3600, "chargingRateUnit": "W" });
        asked[place] = json!(1);
        let composite = conn.command("GetCompositeSchedule", asked).await;
        assert_eq!(composite["status"], "Accepted");
        let schedule =
            if version == Version::V16 { &composite["chargingSchedule"] } else { &composite["schedule"] };
        let told = schedule["chargingSchedulePeriod"].as_array().unwrap();
        assert_eq!(
            (told.len(), &told[0]["limit"], &told[1]["limit"]),
            (2, &json!(9_000), &json!(5_000)),
            "{composite}"
        );
        assert!((595..=600).contains(&told[1]["startPeriod"].as_i64().unwrap()), "{composite}");
        let mut powers: Vec<(u64, f64)> = Vec::new();
        while powers.last().is_none_or(|(_, power)| *power > 6_000.0) {
            let calls = conn.serve_until(is_reading).await;
            let reading = calls.last().unwrap();
            powers.push(((reading.at - set_at).as_secs(), power_w(reading)));
        }
        let (changed_s, power) = *powers.last().unwrap();
        let told_s = told[1]["startPeriod"].as_u64().unwrap();
        assert!((power - 5_000.0).abs() < 0.5 && changed_s.abs_diff(told_s) <= 3, "{changed_s} {told_s}");
        rig.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_station_limit_is_shared_by_the_cars_that_charge() {
    let lines = "connectors = 3\nkind = \"dc\"\npower_w = 60000";
    let driver = ONE_DRIVER.replace("[60, 60]", "[5000, 5000]").replace("[3000, 3000]", "[1, 2]");
    let mut rig = Rig::new(Version::V201, &format!("{lines}\n{driver}"));
    let mut conn = rig.csms.accept_and_boot(36_000).await;
    let mut started = 0;
    while started < 3 {
        conn.serve_until(is_start).await;
        started += 1;
    }
    let max = profile(Version::V201, 1, 0, "ChargingStationMaxProfile", "W", 90_000.0, None);
    assert_eq!(set(&mut conn, 0, max).await, "Accepted");
    tokio::time::sleep(Duration::from_secs(2)).await;
    conn.serve_until(is_reading).await;
    for _ in 0..6 {
        let calls = conn.serve_until(is_reading).await;
        assert!((power_w(calls.last().unwrap()) - 30_000.0).abs() < 0.5);
    }
    let composite = conn.command("GetCompositeSchedule", json!({ "evseId": 0, "duration": 60 })).await;
    assert_eq!(
        composite["schedule"]["chargingSchedulePeriod"],
        json!([{ "startPeriod": 0, "limit": 90_000 }])
    );
    let amperes = json!({ "evseId": 0, "duration": 60, "chargingRateUnit": "A" });
    assert_eq!(conn.command("GetCompositeSchedule", amperes).await["status"], "Rejected");
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_remote_start_brings_its_profile_with_it() {
    for version in ALL {
        let mut rig = Rig::new(version, "behaviour = \"idle\"\nmeter_interval_s = 2");
        let mut conn = rig.csms.accept_and_boot(36_000).await;
        conn.serve_until(|call| call.action == "StatusNotification").await;
        let carried = profile(version, 1, 0, "TxProfile", "W", 5_500.0, None);
        let (action, order) = match version {
            Version::V16 => (
                "RemoteStartTransaction",
                json!({ "idTag": "R", "connectorId": 1, "chargingProfile": carried }),
            ),
            Version::V201 | Version::V21 => (
                "RequestStartTransaction",
                json!({
                    "idToken": { "idToken": "R", "type": "Central" }, "remoteStartId": 1, "evseId": 1,
                    "chargingProfile": carried,
                }),
            ),
        };
        assert_eq!(conn.command(action, order).await["status"], "Accepted");
        let calls = conn.serve_until(is_reading).await;
        assert!((power_w(calls.last().unwrap()) - 5_500.0).abs() < 0.5, "{version:?}");
        rig.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_transaction_profile_ends_with_its_transaction() {
    let (rig, mut conn, transaction) = charging(Version::V201, "").await;
    let tx = profile(Version::V201, 1, 0, "TxProfile", "W", 6_000.0, Some(&transaction));
    assert_eq!(set(&mut conn, 1, tx.clone()).await, "Accepted");
    let all = json!({ "requestId": 8, "chargingProfile": { "chargingProfilePurpose": "TxProfile" } });
    assert_eq!(conn.command("GetChargingProfiles", all.clone()).await["status"], "Accepted");
    let report = conn.serve_up_to(|call| call.action == "ReportChargingProfiles").await;
    assert_eq!((report.number("/requestId"), report.number("/evseId")), (8, 1));
    assert_eq!(report.payload["chargingProfile"], json!([tx]));
    conn.answer_well(&report).await;
    conn.command("RequestStopTransaction", json!({ "transactionId": transaction })).await;
    conn.serve_until(is_end).await;
    assert_eq!(conn.command("GetChargingProfiles", all).await["status"], "NoProfiles");
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn profiles_the_standard_forbids_are_rejected() {
    let (rig, mut conn, transaction) = charging(Version::V201, "").await;
    let v2 = |id, level, purpose, transaction: Option<&str>| {
        profile(Version::V201, id, level, purpose, "W", 6_000.0, transaction)
    };
    let mut relative = v2(1, 0, "TxProfile", Some(&transaction));
    relative["chargingProfileKind"] = json!("Relative");
    let cases = [
        (1, v2(1, 0, "TxProfile", Some("another"))),
        (1, v2(1, 0, "TxProfile", None)),
        (0, v2(1, 0, "TxProfile", Some(&transaction))),
        (9, v2(1, 0, "TxDefaultProfile", None)),
        (1, v2(1, 0, "ChargingStationMaxProfile", None)),
        (1, v2(1, 99, "TxDefaultProfile", None)),
        (0, v2(1, 0, "ChargingStationExternalConstraints", None)),
        (1, relative),
    ];
    for (evse, profile) in cases {
        assert_eq!(set(&mut conn, evse, profile.clone()).await, "Rejected", "{profile}");
    }
    assert_eq!(set(&mut conn, 1, v2(1, 0, "TxProfile", Some(&transaction))).await, "Accepted");
    assert_eq!(set(&mut conn, 1, v2(2, 0, "TxProfile", Some(&transaction))).await, "Rejected");
    rig.end().await;

    let (rig, mut conn, _) = charging(Version::V16, "").await;
    let unknown = profile(Version::V16, 1, 0, "TxProfile", "W", 6_000.0, Some("17"));
    assert_eq!(set(&mut conn, 1, unknown).await, "Rejected");
    rig.end().await;

    let (rig, mut conn, _) = charging(Version::V16, "kind = \"dc\"").await;
    let amperes = profile(Version::V16, 1, 0, "TxDefaultProfile", "A", 16.0, None);
    assert_eq!(set(&mut conn, 1, amperes).await, "Rejected");
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_dynamic_profile_of_2_1_is_updated_in_place() {
    let (rig, mut conn, transaction) = charging(Version::V21, "").await;
    let mut dynamic = profile(Version::V21, 7, 0, "TxProfile", "W", 8_000.0, Some(&transaction));
    dynamic["chargingProfileKind"] = json!("Dynamic");
    dynamic["chargingSchedule"][0].as_object_mut().unwrap().remove("startSchedule");
    assert_eq!(set(&mut conn, 1, dynamic).await, "Accepted");
    assert!((power_soon_w(&mut conn).await - 8_000.0).abs() < 0.5);
    let update = |id, limit| json!({ "chargingProfileId": id, "scheduleUpdate": { "limit": limit } });
    assert_eq!(conn.command("UpdateDynamicSchedule", update(7, 5_250.5)).await["status"], "Accepted");
    assert!((power_soon_w(&mut conn).await - 5_250.0).abs() < 0.5);
    assert_eq!(conn.command("UpdateDynamicSchedule", update(8, 5_000.0)).await["status"], "Rejected");
    let all = json!({ "requestId": 1, "chargingProfile": { "chargingProfileId": [7] } });
    conn.command("GetChargingProfiles", all).await;
    let report = conn.serve_up_to(|call| call.action == "ReportChargingProfiles").await;
    let told = report.payload.pointer("/chargingProfile/0/chargingSchedule/0/chargingSchedulePeriod/0/limit");
    assert_eq!(told, Some(&json!(5_250.5)));
    rig.end().await;
}
