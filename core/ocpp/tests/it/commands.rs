//! Commands no message can carry, and raw commands: what is refused, and where it says the fault is.

use ringmain_domain::command::StationCommand;
use ringmain_domain::time::Timestamp;
use ringmain_ocpp::translate::{CommandRefusal, Dialect};
use ringmain_ocpp::version::Version;
use serde_json::json;
use serde_json::value::RawValue;

use crate::schema::schemas;

const NOW: Timestamp = Timestamp::from_millis(1_772_352_000_000);

fn write(version: Version, command: &serde_json::Value) -> String {
    let command: StationCommand =
        serde_json::from_value(command.clone()).unwrap_or_else(|error| panic!("{command}: {error}"));
    match Dialect::of(version).write_command(&command, NOW) {
        Ok(message) => format!("{} {}", message.action, message.payload),
        Err(CommandRefusal::NotSupported { version, reason }) => {
            format!("not supported by {version}: {reason}")
        }
        Err(CommandRefusal::Invalid { path, reason }) => format!("invalid {path}: {reason}"),
    }
}

fn raw(version: Version, action: &str, payload: &str) -> String {
    write(version, &json!({ "command": "raw", "action": action, "payload": payload }))
}

#[test]
fn what_a_version_cannot_say_is_not_supported() {
    for command in [
        json!({ "command": "reset", "kind": "immediate", "evse_id": 1 }),
        json!({ "command": "unlock_connector", "evse_id": 1, "connector_id": 2 }),
        json!({ "command": "change_availability", "operative": true, "evse_id": 1, "connector_id": 2 }),
        json!({ "command": "trigger", "message": "transaction_event", "evse_id": null }),
        json!({ "command": "get_variables", "variables": [{ "component": "A", "name": "B" }] }),
        json!({ "command": "set_variables", "variables": [] }),
        json!({ "command": "set_variables", "variables": [{ "name": "A", "value": "1" }, { "name": "B", "value": "1" }] }),
        json!({ "command": "get_base_report", "request_id": 1, "base": "full" }),
        json!({ "command": "get_transaction_status", "transaction_id": null }),
        json!({ "command": "cost_updated", "transaction_id": "1", "total_cost": "1" }),
        json!({ "command": "sync_local_list", "full": false }),
        json!({ "command": "sync_tariffs" }),
    ] {
        let told = write(Version::V16, &command);
        assert!(told.starts_with("not supported by 1.6: "), "{command}: {told}");
    }
    for command in [
        json!({ "command": "update_dynamic_schedule", "profile_id": 1, "unit": "watts", "limit": 1 }),
        json!({ "command": "ask_dynamic_profiles" }),
        profile(&[("kind", json!("dynamic"))]),
    ] {
        for version in [Version::V16, Version::V201] {
            let told = write(version, &command);
            let reason = "there are no dynamic profiles";
            assert_eq!(told, format!("not supported by {}: {reason}", version.as_str()), "{command}");
        }
    }
    for version in [Version::V201, Version::V21] {
        let told = write(version, &json!({ "command": "get_variables", "variables": [] }));
        assert_eq!(told, format!("not supported by {}: variables are asked for by name", version.as_str()));
        let told = write(version, &json!({ "command": "sync_local_list", "full": true }));
        let reason = "it is brought up to date message by message";
        assert_eq!(told, format!("not supported by {}: {reason}", version.as_str()));
        let told = write(version, &json!({ "command": "sync_tariffs" }));
        assert_eq!(told, format!("not supported by {}: {reason}", version.as_str()));
    }
}

fn profile(change: &[(&str, serde_json::Value)]) -> serde_json::Value {
    let mut profile = json!({
        "profile_id": 1, "stack_level": 0, "purpose": "transaction_default", "starts_at": NOW.as_millis(),
        "unit": "watts", "periods": [{ "start_s": 0, "limit": 11000 }],
    });
    for (name, value) in change {
        profile[name] = value.clone();
    }
    json!({ "command": "set_charging_profile", "evse_id": 1, "profile": profile })
}

#[test]
fn a_command_with_a_value_no_message_allows_is_invalid_and_says_where() {
    let period = |start_s: u32, limit: i64, phases: u8| json!({ "start_s": start_s, "limit": limit, "phases": phases });
    for (command, path) in [
        (profile(&[("periods", json!([]))]), "profile.periods"),
        (profile(&[("periods", json!(vec![period(0, 1, 3); 25]))]), "profile.periods"),
        (profile(&[("periods", json!([period(1, 1, 3)]))]), "profile.periods"),
        (profile(&[("periods", json!([period(0, 1, 3), period(0, 2, 3)]))]), "profile.periods"),
        (profile(&[("periods", json!([period(0, -1, 3)]))]), "profile.periods.limit"),
        (profile(&[("periods", json!([period(0, 1, 4)]))]), "profile.periods.phases"),
        (profile(&[("purpose", json!("transaction"))]), "profile.transaction_id"),
        (profile(&[("transaction_id", json!("5"))]), "profile.transaction_id"),
        (profile(&[("valid_to", json!(NOW.as_millis()))]), "profile"),
        (profile(&[("starts_at", json!(NOW.as_millis() - 60_000)), ("duration_s", json!(60))]), "profile"),
        (profile(&[("stack_level", json!(3_000_000_000_u32))]), "profile.stack_level"),
        (json!({ "command": "send_local_list", "version": 0, "update": "full", "entries": [] }), "version"),
        (json!({ "command": "data_transfer", "vendor": "v", "message": null, "data": "{" }), "data"),
        (
            json!({ "command": "data_transfer", "vendor": "v".repeat(256), "message": null, "data": null }),
            "/vendorId",
        ),
    ] {
        for version in Version::ALL {
            let told = write(version, &command);
            assert!(told.starts_with(&format!("invalid {path}: ")), "{version:?} {command}: {told}");
        }
    }
}

#[test]
fn what_only_one_version_refuses_is_invalid_there_alone() {
    let long = "x".repeat(21);
    for (version, command, path) in [
        (Version::V16, json!({ "command": "stop_transaction", "transaction_id": "TX-1" }), "transaction_id"),
        (
            Version::V16,
            json!({ "command": "start_transaction", "token": { "uid": long }, "remote_start_id": 1 }),
            "/idTag",
        ),
        (
            Version::V16,
            json!({ "command": "set_variables", "variables": [{ "name": "A", "value": "x".repeat(501) }] }),
            "/value",
        ),
        (
            Version::V201,
            json!({ "command": "start_transaction", "token": { "uid": "x".repeat(37) }, "remote_start_id": 1 }),
            "/idToken/idToken",
        ),
        (
            Version::V201,
            json!({ "command": "start_transaction", "token": { "uid": "A", "kind": "direct_payment" }, "remote_start_id": 1 }),
            "/idToken/type",
        ),
        (
            Version::V21,
            json!({ "command": "change_availability", "operative": true, "evse_id": null, "connector_id": 1 }),
            "connector_id",
        ),
        (Version::V21, json!({ "command": "set_variables", "variables": [] }), "variables"),
        (
            Version::V21,
            json!({ "command": "get_variables", "variables": [{ "name": "B" }] }),
            "variables.component",
        ),
        (
            Version::V21,
            json!({ "command": "cost_updated", "transaction_id": "T", "total_cost": "79228162514264337593543950335" }),
            "total_cost",
        ),
    ] {
        let told = write(version, &command);
        assert!(told.starts_with(&format!("invalid {path}: ")), "{version:?} {command}: {told}");
    }
    let told = write(
        Version::V21,
        &json!({ "command": "start_transaction", "token": { "uid": "A", "kind": "direct_payment" }, "remote_start_id": 1 }),
    );
    assert!(told.starts_with("RequestStartTransaction "), "2.1 has this kind of token: {told}");
}

#[test]
fn a_raw_payload_is_checked_and_passed_on_letter_by_letter() {
    for (version, action, payload, expect) in [
        (Version::V16, "Reset", r#"{ "type" : "Soft" }"#, r#"Reset { "type" : "Soft" }"#),
        (
            Version::V16,
            "Reset",
            r#"{"type":"Later"}"#,
            r#"invalid /type: is not a defined value of ResetType"#,
        ),
        (Version::V16, "Reset", "{}", "invalid : missing field `type`"),
        (
            Version::V16,
            "Reset",
            r#"{"type":"Soft","at":1}"#,
            "invalid /at: member is not defined by the schema",
        ),
        (
            Version::V16,
            "GetConfiguration",
            r#"{"key":null}"#,
            "invalid /key: null stands where nothing should",
        ),
        (
            Version::V201,
            "SetVariables",
            r#"{"setVariableData":[]}"#,
            "invalid /setVariableData: minItems 1 not reached (got 0)",
        ),
        (
            Version::V201,
            "SetVariables",
            r#"{"setVariableData":[{"attributeValue":1,"component":{"name":"A"},"variable":{"name":"B"}}]}"#,
            "invalid /setVariableData/0/attributeValue: expected a string",
        ),
        (Version::V201, "Reset", r#"{"type":["OnIdle"]}"#, "invalid /type: expected a ResetEnum string"),
        (
            Version::V201,
            "RequestStartTransaction",
            r#"{"remoteStartId":1,"idToken":["A","Central"]}"#,
            "invalid /idToken: a list stands where an object is due",
        ),
        // Another version's action and a vendor's action are unknown here: only their form counts.
        (Version::V16, "SetVariables", r#"{"anything":1}"#, r#"SetVariables {"anything":1}"#),
        (Version::V21, "AcmeBlink", r#"{"n":1.50}"#, r#"AcmeBlink {"n":1.50}"#),
        (Version::V21, "AcmeBlink", "[]", "invalid : payload is not a JSON object"),
        (Version::V21, "AcmeBlink", r#"{"a":"\u0000"}"#, "invalid : a string holds NUL or a lone surrogate"),
        (Version::V21, "", "{}", "invalid action: must have 1 to 64 characters"),
        // What is for a station to send is not for us.
        (Version::V16, "BootNotification", "{}", "not supported by 1.6: action is for the station to send"),
        (
            Version::V21,
            "NotifyPeriodicEventStream",
            "{}",
            "not supported by 2.1: action is for the station to send",
        ),
    ] {
        assert_eq!(raw(version, action, payload), expect, "{version:?} {action} {payload}");
    }
    assert!(raw(Version::V16, "Reset", "{").starts_with("invalid : payload is not JSON: "));
    assert!(raw(Version::V16, &"a".repeat(65), "{}").starts_with("invalid action: "));
    let deep = format!("{}1{}", r#"{"a":"#.repeat(33), "}".repeat(33));
    assert_eq!(raw(Version::V16, "AcmeBlink", &deep), "invalid : nested deeper than 32");
}

/// Every message a CSMS may send can be sent raw: the generator's samples of every version pass, letter by letter.
#[test]
fn every_official_request_can_be_sent_raw() {
    let mut sent = 0;
    for version in Version::ALL {
        for schema in schemas(version).into_iter().filter(|schema| schema.is_request) {
            for sample in schema.samples() {
                let told = raw(version, &schema.action, &sample);
                if told.starts_with("not supported") {
                    continue;
                }
                assert_eq!(told, format!("{} {sample}", schema.action), "{version:?}");
                sent += 1;
            }
        }
    }
    assert!(sent > 500, "{sent}");
}

#[test]
fn an_answer_that_is_no_answer_counts_as_refused() {
    let command = StationCommand::Raw { action: "Reset".into(), payload: "{}".into() };
    for version in Version::ALL {
        for (action, payload) in [("Reset", r#"{"status":7}"#), ("Reset", "[]")] {
            let payload = RawValue::from_string(payload.to_owned()).unwrap();
            let answer = Dialect::of(version).read_outcome(action, &command, &payload);
            assert!(!answer.accepted && &*answer.status == "Unreadable", "{version:?} {answer:?}");
        }
    }
}
