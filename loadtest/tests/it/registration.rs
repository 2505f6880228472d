//! Coming in: boot messages, Pending and Rejected, heartbeats, statuses, reconnects, new passwords.

use std::time::Duration;

use ringmain_loadtest::station::Version;
use ringmain_loadtest::tally::Count;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::http::StatusCode;

use crate::csms::{Conn, now};
use crate::rig::{ALL, NOBODY, ONE_DRIVER, Rig, is_start};

async fn answer_boot(conn: &mut Conn, status: &str, interval_s: u32) -> tokio::time::Instant {
    let boot = conn.expect("BootNotification").await;
    conn.answer(&boot, json!({ "status": status, "currentTime": now(), "interval": interval_s })).await;
    boot.at
}

#[tokio::test(start_paused = true)]
async fn a_pending_station_boots_again_after_the_interval_and_says_nothing_else() {
    for version in ALL {
        let mut rig = Rig::new(version, ONE_DRIVER);
        let mut conn = rig.csms.accept().await;
        let first = answer_boot(&mut conn, "Pending", 17).await;
        let second = answer_boot(&mut conn, "Rejected", 120).await;
        let third = answer_boot(&mut conn, "Accepted", 600).await;
        assert_eq!((second - first, third - second), (Duration::from_secs(17), Duration::from_secs(120)));
        conn.expect("StatusNotification").await;
        assert_eq!((rig.tally.of(Count::BootDeferred), rig.tally.of(Count::BootAccepted)), (2, 1));
        rig.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_pending_station_can_be_configured_and_told_to_boot() {
    let mut rig = Rig::new(Version::V201, NOBODY);
    let mut conn = rig.csms.accept().await;
    answer_boot(&mut conn, "Pending", 300).await;
    let heartbeats =
        json!({ "component": { "name": "OCPPCommCtrlr" }, "variable": { "name": "HeartbeatInterval" } });
    let answer = conn.command("GetVariables", json!({ "getVariableData": [heartbeats] })).await;
    assert_eq!(answer["getVariableResult"][0]["attributeStatus"], "Accepted");
    let start = json!({ "idToken": { "idToken": "T", "type": "Central" }, "remoteStartId": 1, "evseId": 1 });
    assert_eq!(conn.command("RequestStartTransaction", start).await["status"], "Rejected");
    let triggered = conn.command("TriggerMessage", json!({ "requestedMessage": "BootNotification" })).await;
    assert_eq!(triggered["status"], "Accepted");
    let boot = conn.boot(600).await;
    assert_eq!(boot.text("/reason"), "Triggered");
    conn.serve_until(|call| call.action == "StatusNotification").await;
    let again = conn.command("TriggerMessage", json!({ "requestedMessage": "BootNotification" })).await;
    assert_eq!(again["status"], "Rejected");
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_rejected_station_obeys_nobody() {
    for version in ALL {
        let mut rig = Rig::new(version, NOBODY);
        let mut conn = rig.csms.accept().await;
        answer_boot(&mut conn, "Rejected", 60).await;
        let reset =
            if version == Version::V16 { json!({ "type": "Soft" }) } else { json!({ "type": "Immediate" }) };
        assert_eq!(conn.command_fault("Reset", reset).await, "SecurityError");
        rig.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_boot_without_answer_is_repeated() {
    let mut rig = Rig::new(Version::V16, NOBODY);
    let mut conn = rig.csms.accept().await;
    let first = conn.expect("BootNotification").await;
    let second = conn.expect("BootNotification").await;
    // 30 s without an answer, then the station's own 10 s.
    assert_eq!(second.at - first.at, Duration::from_secs(40));
    conn.refuse(&second, "InternalError").await;
    let third = conn.expect("BootNotification").await;
    assert_eq!(third.at - second.at, Duration::from_secs(10));
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn heartbeats_keep_the_interval_of_the_csms_or_of_the_plan() {
    for (lines, interval_s) in [(NOBODY.to_owned(), 45), (format!("{NOBODY}heartbeat_s = 20"), 20)] {
        let mut rig = Rig::new(Version::V21, &lines);
        let mut conn = rig.csms.accept_and_boot(45).await;
        let mut times = Vec::new();
        for _ in 0..4 {
            let beat = conn.serve_up_to(|call| call.action == "Heartbeat").await;
            conn.answer_well(&beat).await;
            times.push(beat.at);
        }
        let gaps: Vec<u64> = times.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect();
        assert_eq!(gaps, [interval_s; 3]);
        rig.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_csms_does_not_thin_out_the_heartbeats_it_is_measured_by() {
    let mut rig = Rig::new(Version::V201, &format!("{NOBODY}heartbeat_s = 5"));
    let mut conn = rig.csms.accept_and_boot(5).await;
    let first = conn.serve_up_to(|call| call.action == "Heartbeat").await;
    tokio::time::sleep(Duration::from_secs(22)).await;
    conn.answer_well(&first).await;
    for _ in 0..4 {
        let late = conn.expect("Heartbeat").await;
        assert!((late.at - first.at).as_millis() < 22_100, "they were due and go out at once");
        conn.answer_well(&late).await;
    }
    let figures = rig.tally.latencies();
    let beats = figures.iter().find(|figures| figures.kind == "heartbeat").unwrap();
    assert!(beats.intended.p50_us > 10_000_000, "{beats:?}");
    assert!(beats.service.p50_us < 1_000_000, "{beats:?}");
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn every_connector_is_reported_after_a_boot() {
    for version in ALL {
        let mut rig = Rig::new(version, &format!("{NOBODY}connectors = 3"));
        let mut conn = rig.csms.accept_and_boot(600).await;
        let expected: Vec<i64> = if version == Version::V16 { vec![0, 1, 2, 3] } else { vec![1, 2, 3] };
        for place in expected {
            let status = conn.expect("StatusNotification").await;
            conn.answer_well(&status).await;
            let pointer = if version == Version::V16 { "/connectorId" } else { "/evseId" };
            assert_eq!(status.number(pointer), place);
        }
        conn.silence_for(Duration::from_secs(300)).await;
        rig.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_station_names_itself_at_the_door() {
    let password = Some("a password of 22 chars".to_owned());
    let mut rig = Rig::with_settings(Version::V16, NOBODY, |settings| settings.password = password);
    let conn = rig.csms.accept().await;
    assert_eq!(conn.door.path, "/ocpp/CS-01");
    assert_eq!(conn.door.authorization.as_deref(), Some("Basic Q1MtMDE6YSBwYXNzd29yZCBvZiAyMiBjaGFycw=="));
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_plain_reconnect_needs_no_boot_and_reports_what_changed() {
    for version in ALL {
        let mut rig =
            Rig::new(version, &format!("{NOBODY}\nbackoff_s = 1\nbackoff_random_s = 0\nconnectors = 2"));
        let mut conn = rig.csms.accept_and_boot(600).await;
        let statuses = if version == Version::V16 { 3 } else { 2 };
        for _ in 0..statuses {
            conn.serve_until(|call| call.action == "StatusNotification").await;
        }
        drop(conn);
        let mut conn = rig.csms.accept().await;
        conn.silence_for(Duration::from_secs(30)).await;
        // Half a minute later an EVSE goes out of use; that alone is told.
        let change = match version {
            Version::V16 => json!({ "connectorId": 2, "type": "Inoperative" }),
            Version::V201 | Version::V21 => {
                json!({ "evse": { "id": 2 }, "operationalStatus": "Inoperative" })
            }
        };
        assert_eq!(conn.command("ChangeAvailability", change).await["status"], "Accepted");
        let status = conn.expect("StatusNotification").await;
        assert!(
            [&status.payload["status"], &status.payload["connectorStatus"]].contains(&&json!("Unavailable"))
        );
        conn.answer_well(&status).await;
        conn.silence_for(Duration::from_secs(30)).await;
        rig.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn long_offline_a_2_x_station_reports_all_connectors_again() {
    let mut rig =
        Rig::new(Version::V201, &format!("{NOBODY}\nconnectors = 2\nbackoff_s = 100\nbackoff_random_s = 0"));
    let mut conn = rig.csms.accept_and_boot(600).await;
    for _ in 0..2 {
        conn.serve_until(|call| call.action == "StatusNotification").await;
    }
    drop(conn);
    let mut conn = rig.csms.accept().await;
    for evse in [1, 2] {
        let status = conn.expect("StatusNotification").await;
        assert_eq!(status.number("/evseId"), evse);
        conn.answer_well(&status).await;
    }
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn refusals_are_counted_and_the_wait_doubles() {
    let lines = format!("{NOBODY}\nbackoff_s = 2\nbackoff_random_s = 1\nbackoff_repeat = 3");
    let mut rig = Rig::new(Version::V201, &lines);
    let mut times = Vec::new();
    for _ in 0..6 {
        times.push(rig.csms.turn_away(StatusCode::UNAUTHORIZED).await);
    }
    for (pair, least_s) in times.windows(2).zip([2, 4, 8, 16, 16]) {
        let wait = (pair[1] - pair[0]).as_millis();
        assert!((least_s * 1_000..=least_s * 1_000 + 1_010).contains(&wait), "{wait} ms after {least_s} s");
    }
    rig.settle().await;
    assert_eq!(rig.tally.refusals(), [("HTTP 401".to_owned(), 6)].into());
    let mut conn = rig.csms.accept_and_boot(600).await;
    conn.serve_until(|call| call.action == "StatusNotification").await;
    drop(conn);
    let lost = tokio::time::Instant::now();
    let again = rig.csms.turn_away(StatusCode::SERVICE_UNAVAILABLE).await;
    assert!((again - lost).as_millis() <= 3_010, "a connection that was of use starts the wait over");
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_new_password_is_used_at_once_and_alone() {
    let variable = json!({
        "component": { "name": "SecurityCtrlr" },
        "variable": { "name": "BasicAuthPassword" },
        "attributeValue": "the-new-password-of-CS-01",
    });
    let cases = [
        (Version::V201, "SetVariables", json!({ "setVariableData": [variable] })),
        (
            Version::V16,
            "ChangeConfiguration",
            json!({ "key": "AuthorizationKey", "value": "the-new-password-of-CS-01" }),
        ),
    ];
    for (version, action, payload) in cases {
        let old = Some("the-old-password-of-CS-01".to_owned());
        let mut rig = Rig::with_settings(version, NOBODY, |settings| settings.password = old);
        let mut conn = rig.csms.accept_and_boot(600).await;
        let before = conn.door.authorization.clone();
        conn.serve_until(|call| call.action == "StatusNotification").await;
        let answer = conn.command(action, payload).await;
        assert!(
            answer["status"] == "Accepted" || answer["setVariableResult"][0]["attributeStatus"] == "Accepted"
        );
        let asked = tokio::time::Instant::now();
        let conn = rig.csms.accept().await;
        assert_ne!(conn.door.authorization, before);
        assert!(conn.door.authorization.unwrap().ends_with("dGhlLW5ldy1wYXNzd29yZC1vZi1DUy0wMQ=="));
        assert!(asked.elapsed() < Duration::from_secs(2));
        rig.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_cuts_the_connection_and_ends_by_itself() {
    let lines = format!("{NOBODY}\noutage = {{ every_s = [100, 100], for_s = [40, 40] }}");
    let mut rig = Rig::new(Version::V16, &lines);
    let mut conn = rig.csms.accept_and_boot(3_000).await;
    while conn.next_or_end().await.is_some() {}
    let lost = tokio::time::Instant::now();
    rig.csms.nobody_for(Duration::from_secs(39)).await;
    rig.csms.accept().await;
    assert_eq!(lost.elapsed().as_secs(), 40);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn one_call_is_out_at_a_time_even_when_much_is_to_be_said() {
    let mut rig = Rig::new(Version::V201, &format!("{ONE_DRIVER}\nheartbeat_s = 3\nmessage_timeout_s = 25"));
    let mut conn = rig.csms.accept_and_boot(3).await;
    let held = conn.expect("StatusNotification").await;
    conn.silence_for(Duration::from_secs(24)).await;
    let next = conn.next().await;
    assert_eq!((next.at - held.at).as_secs(), 25);
    assert_eq!(rig.tally.of(Count::TimedOut), 1);
    // The answer that comes too late is counted and nothing else.
    conn.answer_well(&held).await;
    conn.answer_well(&next).await;
    conn.serve_until(is_start).await;
    assert_eq!(rig.tally.of(Count::Stray), 1);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn nonsense_is_answered_with_an_error_and_the_connection_stays() {
    let mut rig = Rig::new(Version::V201, NOBODY);
    let mut conn = rig.csms.accept_and_boot(600).await;
    conn.serve_until(|call| call.action == "StatusNotification").await;
    for (text, id) in [("nonsense", "-1"), (r#"[2,"x","Reset"]"#, "x")] {
        conn.send(text.to_owned()).await;
        let answer: Value = serde_json::from_str(&conn.raw().await).unwrap();
        assert_eq!(
            (&answer[0], &answer[1], &answer[2]),
            (&json!(4), &json!(id), &json!("RpcFrameworkError"))
        );
    }
    conn.send(r#"[6,"s","NotifyPeriodicEventStream",{}]"#.to_owned()).await;
    conn.send(r#"[5,"s","FormatViolation","",{}]"#.to_owned()).await;
    assert_eq!(conn.command("GetLocalListVersion", json!({})).await["versionNumber"], 0);
    assert_eq!((rig.tally.of(Count::Unreadable), rig.tally.of(Count::AnswerRejected)), (2, 1));
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_beyond_the_bound_costs_the_connection_and_no_more() {
    let mut rig = Rig::new(Version::V201, &format!("{NOBODY}backoff_s = 1\nbackoff_random_s = 0"));
    let mut conn = rig.csms.accept_and_boot(600).await;
    conn.serve_until(|call| call.action == "StatusNotification").await;
    let transfer = |size: usize| json!({ "vendorId": "v", "data": "x".repeat(size) });
    let fits = conn.command("DataTransfer", transfer(4_000_000)).await;
    assert_eq!(fits["status"], "UnknownVendorId");
    conn.try_send(json!([2, "big", "DataTransfer", transfer(4 << 20)]).to_string()).await;
    while conn.next_or_end().await.is_some() {}
    rig.csms.accept().await;
    assert_eq!(rig.tally.of(Count::ConnectionLost), 1);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_answer_pings_is_left() {
    let lines = format!("{NOBODY}ping_interval_s = 20\nbackoff_s = 1\nbackoff_random_s = 0");
    let mut rig = Rig::new(Version::V201, &lines);
    let mut conn = rig.csms.accept_and_boot(3_600).await;
    conn.serve_until(|call| call.action == "StatusNotification").await;
    // While the CSMS reads, its library answers, and nothing else has to be said.
    conn.silence_for(Duration::from_secs(300)).await;
    assert_eq!(rig.tally.of(Count::ConnectionLost), 0);
    let silent_since = tokio::time::Instant::now();
    rig.csms.accept().await;
    let waited = silent_since.elapsed().as_secs();
    assert!((20..=42).contains(&waited), "one interval to the ping, one to its answer: {waited} s");
    assert_eq!(rig.tally.of(Count::ConnectionLost), 1);
    rig.end().await;
}
