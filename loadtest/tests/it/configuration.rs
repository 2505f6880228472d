//! Configuration keys of 1.6, variables of 2.x, and the reports about them.

use ringmain_loadtest::station::Version;
use serde_json::{Value, json};

use crate::rig::{NOBODY, ready};

#[tokio::test(start_paused = true)]
async fn configuration_of_1_6() {
    let (rig, mut conn) = ready(Version::V16, NOBODY).await;
    let all = conn.command("GetConfiguration", json!({})).await;
    let keys = all["configurationKey"].as_array().unwrap();
    assert!(keys.len() > 25);
    assert!(keys.iter().all(|entry| entry["key"] != "AuthorizationKey" || entry.get("value").is_none()));
    let some = conn.command("GetConfiguration", json!({ "key": ["HeartbeatInterval", "Nonsense"] })).await;
    assert_eq!(
        some["configurationKey"],
        json!([{ "key": "HeartbeatInterval", "readonly": false, "value": "3600" }])
    );
    assert_eq!(some["unknownKey"], json!(["Nonsense"]));
    let cases = [
        ("MeterValueSampleInterval", "7", "Accepted"),
        ("MeterValueSampleInterval", "often", "Rejected"),
        ("NumberOfConnectors", "4", "Rejected"),
        ("Nonsense", "1", "NotSupported"),
    ];
    for (key, value, expected) in cases {
        let answer = conn.command("ChangeConfiguration", json!({ "key": key, "value": value })).await;
        assert_eq!(answer["status"], expected, "{key}");
    }
    let faster = json!({ "key": "HeartbeatInterval", "value": "30" });
    assert_eq!(conn.command("ChangeConfiguration", faster).await["status"], "Accepted");
    let changed = tokio::time::Instant::now();
    assert_eq!((conn.expect("Heartbeat").await.at - changed).as_secs(), 30);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn variables_of_2_x() {
    for version in [Version::V201, Version::V21] {
        let (rig, mut conn) = ready(version, NOBODY).await;
        let name = |component: &str, variable: &str| json!({ "component": { "name": component }, "variable": { "name": variable } });
        let mut at_evse = name("EVSE", "AvailabilityState");
        at_evse["component"]["evse"] = json!({ "id": 1 });
        let mut nowhere = at_evse.clone();
        nowhere["component"]["evse"] = json!({ "id": 9 });
        let mut target = name("OCPPCommCtrlr", "HeartbeatInterval");
        target["attributeType"] = json!("Target");
        let cases = [
            (name("OCPPCommCtrlr", "HeartbeatInterval"), "Accepted", Some("3600")),
            (name("OCPPCommCtrlr", "Nonsense"), "UnknownVariable", None),
            (name("Nonsense", "HeartbeatInterval"), "UnknownComponent", None),
            (name("SecurityCtrlr", "BasicAuthPassword"), "Rejected", None),
            (at_evse, "Accepted", Some("Available")),
            (nowhere, "UnknownComponent", None),
            (target, "NotSupportedAttributeType", None),
        ];
        let asked: Vec<&Value> = cases.iter().map(|(asked, ..)| asked).collect();
        let answer = conn.command("GetVariables", json!({ "getVariableData": asked })).await;
        for (result, (asked, status, value)) in
            answer["getVariableResult"].as_array().unwrap().iter().zip(&cases)
        {
            assert_eq!(result["attributeStatus"], *status, "{asked}");
            assert_eq!(result.get("attributeValue").and_then(Value::as_str), *value, "{asked}");
        }
        let set = |component: &str, variable: &str, value: &str| {
            let mut item = name(component, variable);
            item["attributeValue"] = json!(value);
            item
        };
        let items = [
            (set("OCPPCommCtrlr", "HeartbeatInterval", "90"), "Accepted"),
            (set("OCPPCommCtrlr", "HeartbeatInterval", "-1"), "Rejected"),
            (set("TxCtrlr", "TxStartPoint", "EVConnected"), "Accepted"),
            (set("SmartChargingCtrlr", "Enabled", "false"), "Rejected"),
            (set("OCPPCommCtrlr", "Nonsense", "1"), "UnknownVariable"),
        ];
        let asked: Vec<&Value> = items.iter().map(|(asked, _)| asked).collect();
        let answer = conn.command("SetVariables", json!({ "setVariableData": asked })).await;
        for (result, (asked, status)) in answer["setVariableResult"].as_array().unwrap().iter().zip(&items) {
            assert_eq!(result["attributeStatus"], *status, "{asked}");
        }
        rig.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn reports_come_in_parts() {
    for (base, least) in [("FullInventory", 50), ("ConfigurationInventory", 10), ("SummaryInventory", 3)] {
        let (rig, mut conn) = ready(Version::V21, &format!("{NOBODY}connectors = 1")).await;
        let answer = conn.command("GetBaseReport", json!({ "requestId": 5, "reportBase": base })).await;
        assert_eq!(answer["status"], "Accepted");
        let parts = conn.serve_until(|call| call.payload["tbc"] == false).await;
        let seqs: Vec<i64> = parts.iter().map(|part| part.number("/seqNo")).collect();
        assert_eq!(seqs, (0..i64::try_from(parts.len()).unwrap()).collect::<Vec<_>>());
        assert!(parts.iter().all(|part| part.action == "NotifyReport" && part.number("/requestId") == 5));
        let items: usize =
            parts.iter().map(|part| part.payload["reportData"].as_array().unwrap().len()).sum();
        assert!(items >= least, "{base}: {items}");
        rig.end().await;
    }
    let (rig, mut conn) = ready(Version::V201, NOBODY).await;
    let some = json!({
        "requestId": 6,
        "componentVariable": [{ "component": { "name": "OCPPCommCtrlr" }, "variable": { "name": "OfflineThreshold" } }],
    });
    assert_eq!(conn.command("GetReport", some).await["status"], "Accepted");
    let report = conn.expect("NotifyReport").await;
    assert_eq!(report.payload["reportData"].as_array().unwrap().len(), 1);
    let none = json!({ "requestId": 7, "componentVariable": [{ "component": { "name": "Nonsense" } }] });
    assert_eq!(conn.command("GetReport", none).await["status"], "EmptyResultSet");
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn lists_longer_than_allowed_are_refused() {
    let (rig, mut conn) = ready(Version::V16, NOBODY).await;
    let keys = |count: usize| json!({ "key": vec!["HeartbeatInterval"; count] });
    let full = conn.command("GetConfiguration", keys(100)).await;
    assert_eq!(full["configurationKey"].as_array().unwrap().len(), 100);
    assert_eq!(conn.command_fault("GetConfiguration", keys(101)).await, "PropertyConstraintViolation");
    rig.end().await;

    let (rig, mut conn) = ready(Version::V201, NOBODY).await;
    let item =
        json!({ "component": { "name": "OCPPCommCtrlr" }, "variable": { "name": "OfflineThreshold" } });
    let items = |count: usize| json!({ "getVariableData": vec![item.clone(); count] });
    let full = conn.command("GetVariables", items(100)).await;
    assert_eq!(full["getVariableResult"].as_array().unwrap().len(), 100);
    assert_eq!(conn.command_fault("GetVariables", items(101)).await, "OccurrenceConstraintViolation");
    rig.end().await;
}
