//! The same command in three versions.

use serde_json::{Value, json};

use super::{PROTOCOLS, ended, give, stations};
use crate::rig::node::Node;
use crate::rig::stores::TestStore;

/// What a station must get: action and payload; `None`: its version has no such thing.
type Call = Option<(&'static str, Value)>;

/// A command, what each family gets, what it answers, and what that means.
struct Row {
    command: Value,
    first: Call,
    second: Call,
    answer: Value,
    outcome: &'static str,
}

fn row(command: Value, first: Call, second: Call, answer: Value, outcome: &'static str) -> Row {
    Row { command, first, second, answer, outcome }
}

fn status(word: &str) -> Value {
    json!({"status": word})
}

fn transactions() -> Vec<Row> {
    vec![
        row(
            json!({"command": "start_transaction", "evse_id": 2, "token_uid": "A1", "remote_start_id": 5}),
            Some(("RemoteStartTransaction", json!({"connectorId": 2, "idTag": "A1"}))),
            Some((
                "RequestStartTransaction",
                json!({"evseId": 2, "remoteStartId": 5, "idToken": {"idToken": "A1", "type": "Central"}}),
            )),
            status("Accepted"),
            "accepted",
        ),
        row(
            json!({"command": "start_transaction", "token": {"uid": "A1", "kind": "rfid"}, "remote_start_id": 6}),
            Some(("RemoteStartTransaction", json!({"idTag": "A1"}))),
            Some((
                "RequestStartTransaction",
                json!({"remoteStartId": 6, "idToken": {"idToken": "A1", "type": "ISO14443"}}),
            )),
            status("Rejected"),
            "rejected",
        ),
        row(
            json!({"command": "stop_transaction", "transaction_id": "17"}),
            Some(("RemoteStopTransaction", json!({"transactionId": 17}))),
            Some(("RequestStopTransaction", json!({"transactionId": "17"}))),
            status("Accepted"),
            "accepted",
        ),
        row(
            json!({"command": "stop_transaction", "transaction_id": "T-17"}),
            None,
            Some(("RequestStopTransaction", json!({"transactionId": "T-17"}))),
            status("Rejected"),
            "rejected",
        ),
        row(
            json!({"command": "get_transaction_status", "transaction_id": "T-17"}),
            None,
            Some(("GetTransactionStatus", json!({"transactionId": "T-17"}))),
            json!({"messagesInQueue": true}),
            "accepted",
        ),
        row(
            json!({"command": "cost_updated", "transaction_id": "T-17", "total_cost": "4.17"}),
            None,
            Some(("CostUpdated", json!({"transactionId": "T-17", "totalCost": 4.17}))),
            json!({}),
            "accepted",
        ),
    ]
}

fn control() -> Vec<Row> {
    vec![
        row(
            json!({"command": "reset", "kind": "immediate"}),
            Some(("Reset", json!({"type": "Hard"}))),
            Some(("Reset", json!({"type": "Immediate"}))),
            status("Accepted"),
            "accepted",
        ),
        row(
            json!({"command": "reset", "kind": "on_idle", "evse_id": 1}),
            None,
            Some(("Reset", json!({"type": "OnIdle", "evseId": 1}))),
            status("Scheduled"),
            "accepted",
        ),
        row(
            json!({"command": "unlock_connector", "evse_id": 2}),
            Some(("UnlockConnector", json!({"connectorId": 2}))),
            Some(("UnlockConnector", json!({"evseId": 2, "connectorId": 1}))),
            status("Unlocked"),
            "accepted",
        ),
        row(
            json!({"command": "change_availability", "operative": true}),
            Some(("ChangeAvailability", json!({"connectorId": 0, "type": "Operative"}))),
            Some(("ChangeAvailability", json!({"operationalStatus": "Operative"}))),
            status("Accepted"),
            "accepted",
        ),
        row(
            json!({"command": "change_availability", "operative": false, "evse_id": 1, "connector_id": 2}),
            None,
            Some((
                "ChangeAvailability",
                json!({"operationalStatus": "Inoperative", "evse": {"id": 1, "connectorId": 2}}),
            )),
            status("Rejected"),
            "rejected",
        ),
        row(
            json!({"command": "trigger", "message": "status_notification", "evse_id": 1}),
            Some(("TriggerMessage", json!({"requestedMessage": "StatusNotification", "connectorId": 1}))),
            Some((
                "TriggerMessage",
                json!({"requestedMessage": "StatusNotification", "evse": {"id": 1, "connectorId": 1}}),
            )),
            status("NotImplemented"),
            "rejected",
        ),
        row(
            json!({"command": "data_transfer", "vendor": "com.example", "message": "hello", "data": "world"}),
            Some(("DataTransfer", json!({"vendorId": "com.example", "messageId": "hello", "data": "world"}))),
            Some(("DataTransfer", json!({"vendorId": "com.example", "messageId": "hello", "data": "world"}))),
            status("Accepted"),
            "accepted",
        ),
    ]
}

fn variables() -> Vec<Row> {
    let component = json!({"name": "OCPPCommCtrlr"});
    let variable = json!({"name": "HeartbeatInterval"});
    let of_second = |more: Value| {
        let mut item = json!({"component": component, "variable": variable});
        item.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!([item])
    };
    vec![
        row(
            json!({"command": "get_variables", "variables": [{"name": "HeartbeatInterval"}]}),
            Some(("GetConfiguration", json!({"key": ["HeartbeatInterval"]}))),
            None,
            json!({"configurationKey": [{"key": "HeartbeatInterval", "readonly": false, "value": "300"}]}),
            "accepted",
        ),
        row(
            json!({"command": "get_variables", "variables": [{"component": "OCPPCommCtrlr", "name": "HeartbeatInterval"}]}),
            None,
            Some(("GetVariables", json!({"getVariableData": of_second(json!({}))}))),
            json!({"getVariableResult": of_second(json!({"attributeStatus": "Accepted", "attributeValue": "300"}))}),
            "accepted",
        ),
        row(
            json!({"command": "set_variables", "variables": [{"name": "HeartbeatInterval", "value": "60"}]}),
            Some(("ChangeConfiguration", json!({"key": "HeartbeatInterval", "value": "60"}))),
            None,
            status("RebootRequired"),
            "accepted",
        ),
        row(
            json!({"command": "set_variables",
                "variables": [{"component": "OCPPCommCtrlr", "name": "HeartbeatInterval", "value": "60"}]}),
            None,
            Some(("SetVariables", json!({"setVariableData": of_second(json!({"attributeValue": "60"}))}))),
            json!({"setVariableResult": of_second(json!({"attributeStatus": "Rejected"}))}),
            "rejected",
        ),
        row(
            json!({"command": "get_base_report", "request_id": 9, "base": "configuration"}),
            None,
            Some(("GetBaseReport", json!({"requestId": 9, "reportBase": "ConfigurationInventory"}))),
            status("Accepted"),
            "accepted",
        ),
    ]
}

fn profiles() -> Vec<Row> {
    let starts_at = "2026-03-01T08:00:00Z";
    vec![
        row(
            json!({"command": "set_charging_profile", "evse_id": 1, "profile": {
                "profile_id": 3, "stack_level": 1, "purpose": "transaction_default", "starts_at": starts_at,
                "unit": "milliamps", "periods": [{"start_s": 0, "limit": 16_000, "phases": 3}, {"start_s": 900, "limit": 6_190}],
            }}),
            Some((
                "SetChargingProfile",
                json!({"connectorId": 1, "csChargingProfiles": {
                    "chargingProfileId": 3, "stackLevel": 1, "chargingProfilePurpose": "TxDefaultProfile",
                    "chargingProfileKind": "Absolute", "chargingSchedule": {
                        "startSchedule": starts_at, "chargingRateUnit": "A", "chargingSchedulePeriod":
                            [{"startPeriod": 0, "limit": 16.0, "numberPhases": 3}, {"startPeriod": 900, "limit": 6.1}],
                    },
                }}),
            )),
            Some((
                "SetChargingProfile",
                json!({"evseId": 1, "chargingProfile": {
                    "id": 3, "stackLevel": 1, "chargingProfilePurpose": "TxDefaultProfile",
                    "chargingProfileKind": "Absolute", "chargingSchedule": [{
                        "id": 3, "startSchedule": starts_at, "chargingRateUnit": "A", "chargingSchedulePeriod":
                            [{"startPeriod": 0, "limit": 16.0, "numberPhases": 3}, {"startPeriod": 900, "limit": 6.1}],
                    }],
                }}),
            )),
            status("Accepted"),
            "accepted",
        ),
        row(
            json!({"command": "clear_charging_profile", "profile_id": 3}),
            Some(("ClearChargingProfile", json!({"id": 3}))),
            Some(("ClearChargingProfile", json!({"chargingProfileId": 3}))),
            status("Unknown"),
            "rejected",
        ),
    ]
}

#[tokio::test]
async fn a_command_reaches_each_version_in_its_own_words() {
    let mut node = Node::start(TestStore::sqlite()).await;
    node.api().put_token("A1", json!({})).await;
    let mut stations = stations(&node).await;
    for Row { command, first, second, answer, outcome } in
        [transactions(), control(), variables(), profiles()].into_iter().flatten()
    {
        for (identity, station) in &mut stations {
            let expect = if station.protocol == PROTOCOLS[0] { &first } else { &second };
            let order = give(&node.api(), identity, &command);
            let Some((action, payload)) = expect else {
                let result = ended(order).await;
                assert_eq!(result["outcome"], "not_supported", "{identity}: {command}: {result}");
                assert!(result["detail"].is_string(), "{result}");
                // Nothing was sent: the next frame is the answer to this.
                station.is_well().await;
                continue;
            };
            let (id, found) = station.ordered(action).await;
            assert_eq!(&found, payload, "{identity}: {command}");
            station.answer(&id, &answer).await;
            let result = ended(order).await;
            assert_eq!(result["outcome"], outcome, "{identity}: {command}: {result}");
            assert_eq!(result["response"], answer, "{identity}: {command}");
            assert_eq!(result["id"], json!(id), "the call carries the command's id");
        }
    }
    for (_identity, station) in stations {
        station.close().await;
    }
    node.stop().await;
}

#[tokio::test]
async fn a_raw_payload_is_passed_on_as_it_is_or_not_at_all() {
    let mut node = Node::start(TestStore::sqlite()).await;
    let mut stations = stations(&node).await;
    for (identity, station) in &mut stations {
        let (action, payload, wrong) = if station.protocol == "ocpp1.6" {
            ("GetConfiguration", json!({"key": ["A", "B"]}), json!({"key": "A"}))
        } else {
            ("GetLocalListVersion", json!({}), json!({"unheardOf": 1}))
        };
        let (api, to, body) = (node.api(), identity.clone(), payload.clone());
        let order = tokio::spawn(async move { api.raw(&to, action, &body).await });
        let (id, found) = station.ordered(action).await;
        assert_eq!(found, payload);
        let answer = if station.protocol == "ocpp1.6" {
            json!({"unknownKey": ["A", "B"]})
        } else {
            json!({"versionNumber": 0})
        };
        station.answer(&id, &answer).await;
        let result = ended(order).await;
        assert_eq!((&result["outcome"], &result["response"]), (&json!("accepted"), &answer));

        let result = node.api().raw(identity, action, &wrong).await;
        assert_eq!(result["outcome"], "not_supported", "{identity}: {result}");
        station.is_well().await;
        // An action that is the station's to send is nobody's order.
        let path = format!("/charging-stations/{identity}/ocpp/Heartbeat");
        assert_eq!(node.api().send("POST", &path, &[], Some(&json!({}))).await.status, 404);
    }
    for (_identity, station) in stations {
        station.close().await;
    }
    node.stop().await;
}
