//! Whole transactions in every version, with the energy they must tell.

use std::time::Duration;

use ringmain_loadtest::station::Version;
use ringmain_loadtest::tally::Count;
use serde_json::{Value, json};

use crate::csms::Call;
use crate::rig::{
    ALL, METER_START_WH, ONE_DRIVER, Rig, is_end, is_event, is_reading, is_start, register_wh, stamp_ms,
};

/// What a meter adds in a time at 11 kW, in whole Wh: the register starts at a whole number.
fn added_wh(power_w: i64, from: &Call, to: &Call) -> i64 {
    power_w * (stamp_ms(to) - stamp_ms(from)) / 3_600_000
}

fn actions(calls: &[Call]) -> Vec<&str> {
    calls.iter().map(|call| call.action.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_transaction_in_1_6_tells_its_energy_exactly() {
    let mut rig = Rig::new(Version::V16, ONE_DRIVER);
    let mut conn = rig.csms.accept_and_boot(600).await;
    let calls = conn.serve_until(|call| call.payload["status"] == "Finishing").await;
    let statuses: Vec<(&Value, &Value)> = calls
        .iter()
        .filter(|call| call.action == "StatusNotification")
        .map(|call| (&call.payload["connectorId"], &call.payload["status"]))
        .collect();
    let expected = [
        (json!(0), json!("Available")),
        (json!(1), json!("Available")),
        (json!(1), json!("Preparing")),
        (json!(1), json!("Charging")),
        (json!(1), json!("Finishing")),
    ];
    assert_eq!(statuses, expected.iter().map(|(a, b)| (a, b)).collect::<Vec<_>>());

    let start = calls.iter().find(|call| is_start(call)).unwrap();
    let end = calls.iter().find(|call| is_end(call)).unwrap();
    let authorized = calls.iter().position(|call| call.action == "Authorize").unwrap();
    assert!(authorized < calls.iter().position(is_start).unwrap());
    assert_eq!(start.number("/meterStart"), METER_START_WH);
    assert_eq!(start.text("/idTag"), "04A1B2C3");
    assert_eq!(end.text("/reason"), "Local");
    assert_eq!(end.text("/idTag"), "04A1B2C3");
    assert_eq!(end.number("/transactionId"), 4_001);
    assert_eq!(end.number("/meterStop") - METER_START_WH, added_wh(11_000, start, end));
    assert!(end.number("/meterStop") > METER_START_WH + 150);

    let readings: Vec<&Call> = calls.iter().filter(|call| is_reading(call)).collect();
    assert_eq!(readings.len(), 5, "{:?}", actions(&calls));
    for (place, reading) in readings.iter().enumerate() {
        assert_eq!(reading.number("/transactionId"), 4_001);
        assert_eq!(stamp_ms(reading) - stamp_ms(start), 10_000 * (i64::try_from(place).unwrap() + 1));
        assert_eq!(register_wh(reading) - METER_START_WH, added_wh(11_000, start, reading));
        assert!((reading.sample("Power.Active.Import") - 11_000.0).abs() < 0.5);
        assert!((reading.sample("Current.Import") - 15.9).abs() < 0.05);
    }
    let told = end.number("/meterStop") - METER_START_WH;
    rig.settle().await;
    assert_eq!(rig.tally.energy_wh(), (told.unsigned_abs(), told.unsigned_abs(), 0));
    conn.serve_until(|call| call.payload["status"] == "Available").await;
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_transaction_in_2_x_tells_its_energy_exactly() {
    for version in [Version::V201, Version::V21] {
        let mut rig = Rig::new(version, ONE_DRIVER);
        let mut conn = rig.csms.accept_and_boot(600).await;
        let calls = conn.serve_until(is_end).await;
        let events: Vec<&Call> = calls.iter().filter(|call| call.action == "TransactionEvent").collect();
        let seqs: Vec<i64> = events.iter().map(|call| call.number("/seqNo")).collect();
        assert_eq!(seqs, (0..i64::try_from(events.len()).unwrap()).collect::<Vec<_>>());
        let reasons: Vec<&str> = events.iter().map(|call| call.text("/triggerReason")).collect();
        let periodic = ["MeterValuePeriodic"; 5];
        let expected =
            [&["Authorized", "ChargingStateChanged"][..], &periodic[..], &["StopAuthorized"][..]].concat();
        assert_eq!(reasons, expected);
        let (start, end) = (events[0], *events.last().unwrap());
        let id = start.text("/transactionInfo/transactionId");
        assert!(events.iter().all(|call| call.text("/transactionInfo/transactionId") == id));
        assert!(events.iter().all(|call| call.payload.get("offline").is_none()));
        assert_eq!(start.payload["idToken"], json!({ "idToken": "04A1B2C3", "type": "ISO14443" }));
        assert_eq!(start.payload["evse"], json!({ "id": 1, "connectorId": 1 }));
        assert_eq!(events[1].text("/transactionInfo/chargingState"), "Charging");
        assert_eq!(end.text("/transactionInfo/stoppedReason"), "Local");
        assert_eq!(register_wh(start), METER_START_WH);
        for event in events.iter().filter(|call| is_reading(call) || is_end(call)) {
            assert_eq!(register_wh(event) - METER_START_WH, added_wh(11_000, start, event));
        }
        let told = register_wh(end) - METER_START_WH;
        assert!(told > 150);
        rig.settle().await;
        assert_eq!(rig.tally.energy_wh(), (told.unsigned_abs(), told.unsigned_abs(), 0));
        let statuses = conn.serve_until(|call| call.action == "StatusNotification").await;
        assert_eq!(statuses[0].text("/connectorStatus"), "Available");
        rig.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_starts_with_the_cable_learns_its_token_later() {
    let lines = format!("{ONE_DRIVER}\ntx_start = \"ev_connected\"");
    let mut rig = Rig::new(Version::V201, &lines);
    let mut conn = rig.csms.accept_and_boot(600).await;
    let calls = conn.serve_until(is_end).await;
    let events: Vec<&Call> = calls.iter().filter(|call| call.action == "TransactionEvent").collect();
    let told: Vec<(&str, &str, bool)> = events
        .iter()
        .filter(|call| !is_reading(call))
        .map(|call| {
            (
                call.text("/triggerReason"),
                call.text("/transactionInfo/chargingState"),
                call.payload.get("idToken").is_some(),
            )
        })
        .collect();
    let expected = [
        ("CablePluggedIn", "EVConnected", false),
        ("Authorized", "EVConnected", true),
        ("ChargingStateChanged", "Charging", false),
        ("StopAuthorized", "EVConnected", true),
    ];
    assert_eq!(told, expected);
    assert_eq!(register_wh(events[0]), METER_START_WH);
    let charging = events.iter().find(|call| call.text("/triggerReason") == "Authorized").unwrap();
    let end = events.last().unwrap();
    assert_eq!(register_wh(end) - METER_START_WH, added_wh(11_000, charging, end));
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_car_takes_what_was_asked_to_the_watt_hour_and_then_idles() {
    for version in ALL {
        let lines = ONE_DRIVER.replace("[50000, 50000]", "[123, 123]");
        let mut rig = Rig::new(version, &lines);
        let mut conn = rig.csms.accept_and_boot(600).await;
        let calls = conn.serve_until(is_end).await;
        let energy_wh = register_wh(calls.last().unwrap()) - METER_START_WH;
        assert_eq!(energy_wh, 123, "{version:?}");
        let suspended = calls.iter().any(|call| {
            call.payload["status"] == "SuspendedEV"
                || call.payload["transactionInfo"]["chargingState"] == "SuspendedEV"
        });
        assert!(suspended, "{version:?}");
        assert_eq!(rig.tally.energy_wh().0, 123);
        rig.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_day_of_sessions_adds_up_and_the_meter_never_goes_back() {
    for version in ALL {
        let lines = ONE_DRIVER
            .replace("[3000, 3000]", "[30, 300]")
            .replace("[60, 60]", "[40, 900]")
            .replace("[50000, 50000]", "[100, 2000]");
        let mut rig = Rig::new(version, &format!("{lines}\nkind = \"dc\"\nvehicle_w = [3001, 10999]"));
        let mut conn = rig.csms.accept_and_boot(600).await;
        let (mut told_wh, mut last_wh, mut ended) = (0, METER_START_WH, 0);
        while ended < 80 {
            let call = conn.next().await;
            conn.answer_well(&call).await;
            let tells = is_start(&call) || is_reading(&call) || is_end(&call);
            let register = if tells { register_wh(&call) } else { last_wh };
            assert!(register >= last_wh, "{call:?}");
            if is_start(&call) {
                told_wh -= register;
            } else if is_end(&call) {
                told_wh += register;
                ended += 1;
            }
            last_wh = register;
        }
        assert_eq!(rig.tally.energy_wh().0, told_wh.unsigned_abs(), "{version:?}");
        assert_eq!(rig.tally.of(Count::SessionEnded), 80);
        rig.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_does_not_charge() {
    for version in ALL {
        let mut rig = Rig::new(version, ONE_DRIVER);
        let mut conn = rig.csms.accept_and_boot(600).await;
        let asked = conn.serve_up_to(|call| call.action == "Authorize").await;
        let refusal = match version {
            Version::V16 => json!({ "idTagInfo": { "status": "Blocked" } }),
            Version::V201 | Version::V21 => json!({ "idTokenInfo": { "status": "Blocked" } }),
        };
        conn.answer(&asked, refusal).await;
        let left = conn.next().await;
        assert_eq!(left.action, "StatusNotification");
        let status = left.payload.get("status").or_else(|| left.payload.get("connectorStatus"));
        assert_eq!(status.unwrap(), "Available");
        assert_eq!(rig.tally.of(Count::SessionStarted), 0);
        rig.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_refused_by_the_answer_to_the_start_ends_it() {
    let mut rig = Rig::new(Version::V16, ONE_DRIVER);
    let mut conn = rig.csms.accept_and_boot(600).await;
    let start = conn.serve_up_to(is_start).await;
    conn.answer(&start, json!({ "idTagInfo": { "status": "Expired" }, "transactionId": 9 })).await;
    let end = conn.serve_up_to(is_end).await;
    assert_eq!((end.text("/reason"), end.number("/transactionId")), ("DeAuthorized", 9));
    rig.end().await;

    let mut rig = Rig::new(Version::V21, ONE_DRIVER);
    let mut conn = rig.csms.accept_and_boot(600).await;
    let start = conn.serve_up_to(is_start).await;
    conn.answer(&start, json!({ "idTokenInfo": { "status": "ConcurrentTx" } })).await;
    let end = conn.serve_up_to(is_end).await;
    assert_eq!(end.text("/triggerReason"), "Deauthorized");
    assert_eq!(end.text("/transactionInfo/stoppedReason"), "DeAuthorized");
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_fault_ends_what_runs_and_is_told_with_its_code() {
    let lines = format!(
        "{ONE_DRIVER}\nfault = {{ every_s = [600, 600], for_s = [90, 90], error_code = \"GroundFailure\" }}"
    )
    .replace("[3000, 3000]", "[1, 2]")
    .replace("[60, 60]", "[100000, 100000]");
    let mut rig = Rig::new(Version::V16, &lines);
    let mut conn = rig.csms.accept_and_boot(3_600).await;
    let calls = conn.serve_until(|call| call.payload["status"] == "Faulted").await;
    let faulted = calls.last().unwrap();
    assert_eq!((faulted.text("/errorCode"), faulted.number("/connectorId")), ("GroundFailure", 1));
    let end = calls.iter().find(|call| is_end(call)).unwrap();
    assert_eq!(end.text("/reason"), "Other");
    let mended = conn.serve_up_to(|call| call.action == "StatusNotification").await;
    assert_eq!(mended.text("/errorCode"), "NoError");
    assert_eq!((mended.at - faulted.at).as_secs(), 90);
    rig.end().await;

    let mut rig = Rig::new(Version::V201, &lines);
    let mut conn = rig.csms.accept_and_boot(3_600).await;
    let calls = conn.serve_until(|call| call.payload["connectorStatus"] == "Faulted").await;
    let end = calls.iter().find(|call| is_end(call)).unwrap();
    assert_eq!(end.text("/transactionInfo/stoppedReason"), "GroundFault");
    let event = calls.iter().find(|call| call.action == "NotifyEvent").unwrap();
    assert_eq!(event.text("/eventData/0/techCode"), "GroundFailure");
    let cleared = conn.serve_up_to(|call| call.action == "NotifyEvent").await;
    assert_eq!(cleared.payload["eventData"][0]["cleared"], true);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_run_that_winds_down_ends_its_sessions_and_delivers_them() {
    for version in ALL {
        let mut rig = Rig::new(version, &ONE_DRIVER.replace("[60, 60]", "[5000, 5000]"));
        let mut conn = rig.csms.accept_and_boot(600).await;
        conn.serve_until(is_reading).await;
        rig.wind_down();
        let end = conn.serve_up_to(is_end).await;
        assert!(end.payload["reason"] == "Local" || is_event(&end, "Ended"));
        conn.answer_well(&end).await;
        while let Some(call) = conn.next_or_end().await {
            conn.answer_well(&call).await;
        }
        let tally = std::sync::Arc::clone(&rig.tally);
        rig.gone().await;
        assert_eq!(tally.of(Count::SessionAcknowledged), 1);
        assert_eq!((tally.connected_now(), tally.accepted_now(), tally.running_now()), (0, 0, 0));
        let (ended, acknowledged, running) = tally.energy_wh();
        assert!(ended > 0 && ended == acknowledged && running == 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_stops_at_once_says_what_was_left_running() {
    let mut rig = Rig::new(Version::V201, &ONE_DRIVER.replace("[60, 60]", "[5000, 5000]"));
    let mut conn = rig.csms.accept_and_boot(600).await;
    let calls = conn.serve_until(is_reading).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let tally = std::sync::Arc::clone(&rig.tally);
    rig.end().await;
    let reading = register_wh(calls.last().unwrap()) - METER_START_WH;
    let (ended, _, running) = tally.energy_wh();
    assert_eq!(ended, 0);
    assert!(
        running >= reading.unsigned_abs() && running <= reading.unsigned_abs() + 5,
        "{running} {reading}"
    );
}
