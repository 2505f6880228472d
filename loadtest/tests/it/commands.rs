//! Every command of the CSMS: done, refused, or answered with the right error.

use std::time::Duration;

use ringmain_loadtest::station::Version;
use serde_json::json;

use crate::csms::{Call, Conn};
use crate::rig::{ALL, NOBODY, ONE_DRIVER, Rig, is_end, is_event, is_reading, is_start, ready, stamp_ms};

/// A station that charges, and the start that says so.
async fn charging(version: Version, lines: &str) -> (Rig, Conn, Call) {
    let mut rig = Rig::new(
        version,
        &ONE_DRIVER.replace("[60, 60]", "[5000, 5000]").replace("behaviour", &format!("{lines}\nbehaviour")),
    );
    let mut conn = rig.csms.accept_and_boot(3_600).await;
    let calls = conn.serve_until(is_reading).await;
    let start = calls.into_iter().find(is_start).unwrap();
    (rig, conn, start)
}

fn transaction_of(start: &Call) -> &str {
    start.text("/transactionInfo/transactionId")
}

#[tokio::test(start_paused = true)]
async fn remote_start_and_stop_in_1_6() {
    let (rig, mut conn) = ready(Version::V16, NOBODY).await;
    let answer = conn.command("RemoteStartTransaction", json!({ "idTag": "REMOTE-1" })).await;
    assert_eq!(answer["status"], "Accepted");
    let calls = conn.serve_until(is_start).await;
    assert_eq!(calls[0].text("/status"), "Preparing");
    assert_eq!(calls.last().unwrap().text("/idTag"), "REMOTE-1");
    assert!(calls.iter().all(|call| call.action != "Authorize"));
    let busy = conn.command("RemoteStartTransaction", json!({ "idTag": "REMOTE-2", "connectorId": 1 })).await;
    assert_eq!(busy["status"], "Rejected");
    conn.serve_until(is_reading).await;
    assert_eq!(
        conn.command("RemoteStopTransaction", json!({ "transactionId": 1 })).await["status"],
        "Rejected"
    );
    assert_eq!(
        conn.command("RemoteStopTransaction", json!({ "transactionId": 4_001 })).await["status"],
        "Accepted"
    );
    let end = conn.serve_up_to(is_end).await;
    assert_eq!(end.text("/reason"), "Remote");
    assert!(end.payload.get("idTag").is_none());
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn remote_start_and_stop_in_2_x() {
    for version in [Version::V201, Version::V21] {
        let (rig, mut conn) = ready(version, NOBODY).await;
        let start =
            json!({ "idToken": { "idToken": "R1", "type": "Central" }, "remoteStartId": 77, "evseId": 1 });
        assert_eq!(conn.command("RequestStartTransaction", start.clone()).await["status"], "Accepted");
        let calls = conn.serve_until(is_start).await;
        let started = calls.last().unwrap();
        assert_eq!(started.text("/triggerReason"), "RemoteStart");
        assert_eq!(started.number("/transactionInfo/remoteStartId"), 77);
        assert_eq!(started.payload["idToken"], json!({ "idToken": "R1", "type": "Central" }));
        assert_eq!(conn.command("RequestStartTransaction", start).await["status"], "Rejected");
        let wrong = conn.command("RequestStopTransaction", json!({ "transactionId": "another" })).await;
        assert_eq!(wrong["status"], "Rejected");
        let id = transaction_of(started).to_owned();
        conn.serve_until(is_reading).await;
        assert_eq!(
            conn.command("RequestStopTransaction", json!({ "transactionId": id })).await["status"],
            "Accepted"
        );
        let end = conn.serve_up_to(is_end).await;
        assert_eq!(
            (end.text("/triggerReason"), end.text("/transactionInfo/stoppedReason")),
            ("RemoteStop", "Remote")
        );
        rig.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_remote_start_asks_first_where_that_is_configured_and_lapses_without_a_car() {
    let (rig, mut conn) = ready(Version::V16, NOBODY).await;
    let on = json!({ "key": "AuthorizeRemoteTxRequests", "value": "true" });
    assert_eq!(conn.command("ChangeConfiguration", on).await["status"], "Accepted");
    conn.command("RemoteStartTransaction", json!({ "idTag": "REMOTE-1", "connectorId": 1 })).await;
    let asked = conn.expect("Authorize").await;
    assert_eq!(asked.text("/idTag"), "REMOTE-1");
    conn.answer(&asked, json!({ "idTagInfo": { "status": "Invalid" } })).await;
    conn.silence_for(Duration::from_secs(120)).await;
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_soft_reset_ends_transactions_and_boots_again() {
    let (mut rig, mut conn, _) = charging(Version::V16, "reboot_s = 9").await;
    assert_eq!(conn.command("Reset", json!({ "type": "Soft" })).await["status"], "Accepted");
    let end = conn.serve_up_to(is_end).await;
    assert_eq!(end.text("/reason"), "SoftReset");
    conn.answer_well(&end).await;
    while let Some(call) = conn.next_or_end().await {
        conn.answer_well(&call).await;
    }
    let left = tokio::time::Instant::now();
    let mut conn = rig.csms.accept_and_boot(600).await;
    assert_eq!(left.elapsed().as_secs(), 9);
    for connector in [0, 1] {
        let status = conn.expect("StatusNotification").await;
        assert_eq!(status.number("/connectorId"), connector, "all are reported again, changed or not");
        conn.answer_well(&status).await;
    }
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_reset_does_not_wait_for_ever_for_its_answers() {
    let (mut rig, mut conn, _) = charging(Version::V16, "reboot_s = 1").await;
    assert_eq!(conn.command("Reset", json!({ "type": "Hard" })).await["status"], "Accepted");
    let end = conn.serve_up_to(is_end).await;
    assert_eq!(end.text("/reason"), "HardReset");
    while conn.next_or_end().await.is_some() {}
    let mut conn = rig.csms.accept_and_boot(600).await;
    let again = conn.serve_up_to(is_end).await;
    assert_eq!(again.payload, end.payload, "what was not delivered survives the reset");
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn resets_of_2_x() {
    let (mut rig, mut conn, _) = charging(Version::V201, "reboot_s = 2").await;
    assert_eq!(conn.command("Reset", json!({ "type": "Immediate" })).await["status"], "Accepted");
    let end = conn.serve_up_to(is_end).await;
    assert_eq!(end.text("/triggerReason"), "ResetCommand");
    assert_eq!(end.text("/transactionInfo/stoppedReason"), "ImmediateReset");
    conn.answer_well(&end).await;
    while let Some(call) = conn.next_or_end().await {
        conn.answer_well(&call).await;
    }
    let mut conn = rig.csms.accept().await;
    assert_eq!(conn.boot(600).await.text("/reason"), "RemoteReset");
    rig.end().await;

    let (mut rig, mut conn, start) = charging(Version::V201, "reboot_s = 2").await;
    assert_eq!(conn.command("Reset", json!({ "type": "OnIdle" })).await["status"], "Scheduled");
    assert_eq!(conn.command("Reset", json!({ "type": "OnIdle", "evseId": 1 })).await["status"], "Rejected");
    conn.serve_until(is_reading).await;
    conn.command("RequestStopTransaction", json!({ "transactionId": transaction_of(&start) })).await;
    while let Some(call) = conn.next_or_end().await {
        conn.answer_well(&call).await;
    }
    let mut conn = rig.csms.accept().await;
    assert_eq!(conn.boot(600).await.text("/reason"), "ScheduledReset");
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_reset_of_2_1_can_keep_the_transaction() {
    let resume = json!({ "type": "ImmediateAndResume" });
    let (mut rig, mut conn, start) = charging(Version::V21, "reboot_s = 20").await;
    assert_eq!(conn.command("Reset", resume.clone()).await["status"], "Accepted");
    while let Some(call) = conn.next_or_end().await {
        assert!(!is_end(&call));
        conn.answer_well(&call).await;
    }
    let left = tokio::time::Instant::now();
    let mut conn = rig.csms.accept_and_boot(600).await;
    let calls = conn.serve_until(|call| call.payload["triggerReason"] == "TxResumed").await;
    let resumed = calls.last().unwrap();
    assert_eq!(transaction_of(resumed), transaction_of(&start));
    let reading = conn.serve_up_to(is_reading).await;
    let grown = reading.register_wh() - resumed.register_wh();
    let most = 11_000.0 * (reading.at - left).as_secs_f64() / 3_600.0;
    assert!(grown > 0.0 && grown < most - 50.0, "nothing flows while the station is away: {grown} of {most}");
    rig.end().await;

    let (rig, mut conn) = ready(Version::V201, NOBODY).await;
    assert_eq!(conn.command_fault("Reset", resume).await, "PropertyConstraintViolation");
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_flows_after_a_reset_until_the_station_is_accepted_again() {
    let lines = format!(
        "connectors = 2\n{}",
        ONE_DRIVER.replace("[60, 60]", "[250, 800]").replace("[3000, 3000]", "[1, 2]")
    );
    let mut rig = Rig::new(Version::V21, &lines);
    let mut conn = rig.csms.accept_and_boot(36_000).await;
    conn.serve_until(is_start).await;
    conn.serve_until(is_start).await;
    conn.serve_until(is_reading).await;
    assert_eq!(conn.command("Reset", json!({ "type": "ImmediateAndResume" })).await["status"], "Accepted");
    while let Some(call) = conn.next_or_end().await {
        conn.answer_well(&call).await;
    }
    // Pending for so long that one of the two drivers ends his session meanwhile and another begins.
    let mut conn = rig.csms.accept().await;
    let boot = conn.expect("BootNotification").await;
    conn.answer(&boot, json!({ "status": "Pending", "currentTime": crate::csms::now(), "interval": 600 }))
        .await;
    conn.boot(36_000).await;
    let queued = conn.serve_until(|call| is_reading(call) && call.sample("Power.Active.Import") > 0.5).await;
    assert!(queued.iter().any(is_end), "a session ended while the station was waiting");
    // The statuses that follow the boot carry the moment of acceptance.
    let status = queued.iter().find(|call| call.action == "StatusNotification").unwrap();
    let accepted_ms = stamp_ms(status);
    let idle = queued.iter().filter(|call| is_reading(call) && stamp_ms(call) < accepted_ms).count();
    assert!(idle > 50, "{idle} readings were taken meanwhile");
    assert!(stamp_ms(queued.last().unwrap()) >= accepted_ms, "and nothing flowed in any of them");
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn unlocking() {
    let (rig, mut conn, _) = charging(Version::V16, "").await;
    assert_eq!(conn.command("UnlockConnector", json!({ "connectorId": 9 })).await["status"], "NotSupported");
    assert_eq!(conn.command("UnlockConnector", json!({ "connectorId": 1 })).await["status"], "Unlocked");
    assert_eq!(conn.serve_up_to(is_end).await.text("/reason"), "UnlockCommand");
    rig.end().await;

    let (rig, mut conn, _) = charging(Version::V21, "").await;
    let unlock = |evse, connector| json!({ "evseId": evse, "connectorId": connector });
    assert_eq!(conn.command("UnlockConnector", unlock(1, 1)).await["status"], "OngoingAuthorizedTransaction");
    assert_eq!(conn.command("UnlockConnector", unlock(1, 2)).await["status"], "UnknownConnector");
    rig.end().await;
    let (rig, mut conn) = ready(Version::V21, NOBODY).await;
    assert_eq!(conn.command("UnlockConnector", unlock(1, 1)).await["status"], "Unlocked");
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn availability_changes_wait_for_the_transaction() {
    for version in ALL {
        let change = |operative: bool, evse: u32| {
            let text = if operative { "Operative" } else { "Inoperative" };
            match version {
                Version::V16 => json!({ "connectorId": evse, "type": text }),
                Version::V201 | Version::V21 => json!({ "evse": { "id": evse }, "operationalStatus": text }),
            }
        };
        let (rig, mut conn, _) = charging(version, "").await;
        assert_eq!(conn.command("ChangeAvailability", change(false, 5)).await["status"], "Rejected");
        assert_eq!(conn.command("ChangeAvailability", change(false, 1)).await["status"], "Scheduled");
        rig.wind_down();
        let is_out = |call: &Call| {
            [&call.payload["status"], &call.payload["connectorStatus"]].contains(&&json!("Unavailable"))
        };
        conn.serve_until(|call| is_out(call)).await;
        rig.gone().await;

        let (rig, mut conn) = ready(version, NOBODY).await;
        assert_eq!(conn.command("ChangeAvailability", change(false, 1)).await["status"], "Accepted");
        conn.serve_until(|call| is_out(call)).await;
        if version == Version::V16 {
            let whole = conn.serve_up_to(|call| call.action == "StatusNotification").await;
            conn.answer_well(&whole).await;
        }
        assert_eq!(conn.command("ChangeAvailability", change(true, 1)).await["status"], "Accepted");
        let status = conn.serve_up_to(|call| call.action == "StatusNotification").await;
        assert!(!is_out(&status));
        rig.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn triggered_messages_come() {
    let cases = [
        (Version::V16, "BootNotification", "BootNotification"),
        (Version::V16, "Heartbeat", "Heartbeat"),
        (Version::V16, "StatusNotification", "StatusNotification"),
        (Version::V16, "MeterValues", "MeterValues"),
        (Version::V16, "DiagnosticsStatusNotification", "DiagnosticsStatusNotification"),
        (Version::V16, "FirmwareStatusNotification", "FirmwareStatusNotification"),
        (Version::V201, "Heartbeat", "Heartbeat"),
        (Version::V201, "StatusNotification", "StatusNotification"),
        (Version::V201, "MeterValues", "MeterValues"),
        (Version::V201, "LogStatusNotification", "LogStatusNotification"),
        (Version::V21, "FirmwareStatusNotification", "FirmwareStatusNotification"),
    ];
    for (version, wanted, expected) in cases {
        let (rig, mut conn) = ready(version, NOBODY).await;
        let answer = conn.command("TriggerMessage", json!({ "requestedMessage": wanted })).await;
        assert_eq!(answer["status"], "Accepted", "{version:?} {wanted}");
        conn.serve_up_to(|call| call.action == expected).await;
        rig.end().await;
    }
    let (rig, mut conn) = ready(Version::V21, NOBODY).await;
    let custom = json!({ "requestedMessage": "CustomTrigger", "customTrigger": "dance" });
    assert_eq!(conn.command("TriggerMessage", custom).await["status"], "NotImplemented");
    let nothing = json!({ "requestedMessage": "TransactionEvent", "evse": { "id": 1 } });
    assert_eq!(conn.command("TriggerMessage", nothing).await["status"], "Rejected");
    let nowhere = json!({ "requestedMessage": "StatusNotification", "evse": { "id": 8, "connectorId": 1 } });
    assert_eq!(conn.command("TriggerMessage", nowhere).await["status"], "Rejected");
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn triggered_messages_of_a_running_transaction() {
    let (rig, mut conn, _) = charging(Version::V16, "").await;
    let trigger = json!({ "requestedMessage": "MeterValues", "connectorId": 1 });
    assert_eq!(conn.command("TriggerMessage", trigger).await["status"], "Accepted");
    let values = conn.serve_up_to(is_reading).await;
    assert_eq!(values.text("/meterValue/0/sampledValue/0/context"), "Trigger");
    assert_eq!(values.number("/transactionId"), 4_001);
    rig.end().await;

    let (rig, mut conn, start) = charging(Version::V21, "").await;
    let trigger = json!({ "requestedMessage": "TransactionEvent", "evse": { "id": 1 } });
    assert_eq!(conn.command("TriggerMessage", trigger).await["status"], "Accepted");
    let event = conn.serve_up_to(|call| is_event(call, "Updated")).await;
    assert_eq!((event.text("/triggerReason"), transaction_of(&event)), ("Trigger", transaction_of(&start)));
    conn.answer_well(&event).await;
    let status =
        conn.command("GetTransactionStatus", json!({ "transactionId": transaction_of(&start) })).await;
    assert_eq!(status, json!({ "ongoingIndicator": true, "messagesInQueue": false }));
    let unknown = conn.command("GetTransactionStatus", json!({ "transactionId": "another" })).await;
    assert_eq!(unknown, json!({ "ongoingIndicator": false, "messagesInQueue": false }));
    assert_eq!(conn.command("GetTransactionStatus", json!({})).await, json!({ "messagesInQueue": false }));
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn logs_and_firmware_tell_their_progress() {
    let log = json!({
        "requestId": 3, "logType": "DiagnosticsLog", "log": { "remoteLocation": "https://files.test/" }
    });
    let firmware = json!({ "location": "https://files.test/fw", "retrieveDateTime": "2026-03-01T08:00:00Z" });
    let signed = json!({
        "location": "https://files.test/fw", "retrieveDateTime": "2026-03-01T08:00:00Z",
        "signingCertificate": "pem", "signature": "c2ln",
    });
    let installed = ["Downloading", "Downloaded", "Installing", "Installed"].as_slice();
    let verified = ["Downloading", "Downloaded", "SignatureVerified", "Installing", "Installed"].as_slice();
    let uploaded = ["Uploading", "Uploaded"].as_slice();
    let diagnostics = json!({ "location": "https://files.test/" });
    let update = json!({ "location": "https://files.test/fw", "retrieveDate": "2026-03-01T08:00:00Z" });
    let cases = [
        (Version::V16, "GetDiagnostics", diagnostics, "DiagnosticsStatusNotification", uploaded),
        (Version::V16, "GetLog", log.clone(), "LogStatusNotification", uploaded),
        (Version::V16, "UpdateFirmware", update, "FirmwareStatusNotification", installed),
        (
            Version::V16,
            "SignedUpdateFirmware",
            json!({ "requestId": 3, "firmware": signed }),
            "SignedFirmwareStatusNotification",
            verified,
        ),
        (Version::V201, "GetLog", log.clone(), "LogStatusNotification", uploaded),
        (
            Version::V21,
            "UpdateFirmware",
            json!({ "requestId": 3, "firmware": firmware }),
            "FirmwareStatusNotification",
            installed,
        ),
    ];
    for (version, action, payload, notification, steps) in cases {
        let (rig, mut conn) = ready(version, NOBODY).await;
        conn.command(action, payload).await;
        for step in steps {
            let told = conn.expect(notification).await;
            assert_eq!(told.text("/status"), *step, "{action}");
            conn.answer_well(&told).await;
        }
        rig.end().await;
    }
    let (rig, mut conn) = ready(Version::V201, NOBODY).await;
    conn.command("GetLog", log.clone()).await;
    assert_eq!(conn.command("GetLog", log).await["status"], "AcceptedCanceled");
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_has_a_polite_no_says_it() {
    let (rig, mut conn) = ready(Version::V16, NOBODY).await;
    assert_eq!(conn.command("ClearCache", json!({})).await["status"], "Rejected");
    assert_eq!(conn.command("GetLocalListVersion", json!({})).await["listVersion"], -1);
    let list = json!({ "listVersion": 1, "updateType": "Full" });
    assert_eq!(conn.command("SendLocalList", list).await["status"], "NotSupported");
    let transfer = json!({ "vendorId": "somebody" });
    assert_eq!(conn.command("DataTransfer", transfer.clone()).await["status"], "UnknownVendorId");
    rig.end().await;
    let (rig, mut conn) = ready(Version::V21, NOBODY).await;
    assert_eq!(conn.command("DataTransfer", transfer).await["status"], "UnknownVendorId");
    assert_eq!(
        conn.command("CostUpdated", json!({ "totalCost": 1.5, "transactionId": "t" })).await,
        json!({})
    );
    let priority = json!({ "transactionId": "t", "activate": true });
    assert_eq!(conn.command("UsePriorityCharging", priority).await["status"], "NoProfile");
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn unknown_unsupported_and_malformed_commands_get_their_own_errors() {
    let cases = [
        (Version::V16, "ReserveNow", json!({}), "NotSupported"),
        (Version::V16, "Dance", json!({}), "NotImplemented"),
        (Version::V16, "GetVariables", json!({}), "NotImplemented"),
        (Version::V16, "Reset", json!({}), "OccurenceConstraintViolation"),
        (Version::V16, "Reset", json!({ "type": "Gentle" }), "PropertyConstraintViolation"),
        (Version::V16, "UnlockConnector", json!({ "connectorId": "one" }), "TypeConstraintViolation"),
        (Version::V201, "ReserveNow", json!({}), "NotSupported"),
        (Version::V201, "GetTariffs", json!({}), "NotImplemented"),
        (Version::V21, "GetTariffs", json!({}), "NotSupported"),
        (Version::V201, "Reset", json!({}), "OccurrenceConstraintViolation"),
        (Version::V201, "GetVariables", json!({ "getVariableData": [] }), "OccurrenceConstraintViolation"),
        (Version::V21, "TriggerMessage", json!({ "requestedMessage": 5 }), "TypeConstraintViolation"),
    ];
    for (version, action, payload, expected) in cases {
        let (rig, mut conn) = ready(version, NOBODY).await;
        assert_eq!(conn.command_fault(action, payload).await, expected, "{version:?} {action}");
        rig.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_station_remembers_only_so_many_things_to_say_later() {
    let (rig, mut conn) = ready(Version::V201, NOBODY).await;
    for _ in 0..70 {
        conn.command("TriggerMessage", json!({ "requestedMessage": "FirmwareStatusNotification" })).await;
    }
    for _ in 0..64 {
        let told = conn.expect("FirmwareStatusNotification").await;
        conn.answer_well(&told).await;
    }
    conn.silence_for(Duration::from_secs(60)).await;
    rig.end().await;
}
