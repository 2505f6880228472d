//! Frames that are none, and payloads that are not what they should be: the right code, in the spelling of the version, and the
//! connection goes on.

use serde_json::{Value, json};

use super::{PROTOCOLS, Scene};

/// What must come back: nothing, or an error under this id with this code.
type Answer = Option<(&'static str, &'static str)>;

/// (text, answer in 1.6, answer in 2.x). In 1.6 there is no answer to what has no id; 2.x answers under `-1`.
const NO_FRAMES: [(&str, Answer, Answer); 15] = [
    ("hello", None, Some(("-1", "RpcFrameworkError"))),
    ("", None, Some(("-1", "RpcFrameworkError"))),
    ("{}", None, Some(("-1", "RpcFrameworkError"))),
    (r#"{"messageTypeId":2}"#, None, Some(("-1", "RpcFrameworkError"))),
    ("[]", None, Some(("-1", "RpcFrameworkError"))),
    (r#"["2","7","Heartbeat",{}]"#, None, Some(("7", "RpcFrameworkError"))),
    ("[2]", None, Some(("-1", "RpcFrameworkError"))),
    (r#"[2,7,"Heartbeat",{}]"#, None, Some(("-1", "RpcFrameworkError"))),
    (r#"[2,"7"]"#, Some(("7", "ProtocolError")), Some(("7", "ProtocolError"))),
    (r#"[2,"7","Heartbeat"]"#, Some(("7", "ProtocolError")), Some(("7", "ProtocolError"))),
    (r#"[2,"7","Heartbeat",{},{}]"#, Some(("7", "ProtocolError")), Some(("7", "ProtocolError"))),
    (r#"[2,"7",8,{}]"#, Some(("7", "ProtocolError")), Some(("7", "ProtocolError"))),
    (r#"[2,"7","Heartbeat",[]]"#, Some(("7", "FormationViolation")), Some(("7", "FormatViolation"))),
    (r#"[2,"7","Heartbeat",{"#, Some(("7", "FormationViolation")), Some(("7", "FormatViolation"))),
    (r#"[9,"7",{}]"#, None, Some(("7", "MessageTypeNotSupported"))),
];

#[tokio::test]
async fn what_is_no_frame_is_answered_as_far_as_it_can_be() {
    let scene = Scene::new().await;
    for protocol in PROTOCOLS {
        let mut station = scene.booted(protocol).await;
        for (text, first, second) in NO_FRAMES {
            station.send(text).await;
            if let Some((id, code)) = if protocol == "ocpp1.6" { first } else { second } {
                let frame = station.frame().await;
                assert_eq!(
                    (&frame[0], &frame[1], &frame[2]),
                    (&json!(4), &json!(id), &json!(code)),
                    "{protocol} {text}"
                );
            }
            // Also proves that nothing else was answered.
            station.is_well().await;
        }
    }
    scene.end().await;
}

#[tokio::test]
async fn answers_to_calls_nobody_made_are_dropped() {
    let scene = Scene::new().await;
    for protocol in PROTOCOLS {
        let mut station = scene.booted(protocol).await;
        for text in [
            r#"[3,"unasked",{}]"#,
            r#"[4,"unasked","InternalError","",{}]"#,
            r#"[3,"unasked"]"#,
            r#"[4,"unasked"]"#,
        ] {
            station.send(text).await;
            station.is_well().await;
        }
    }
    scene.end().await;
}

/// Types 5 and 6 exist in 2.1 only: there they are understood and never answered.
#[tokio::test]
async fn a_refused_result_and_a_send_are_never_answered() {
    let mut scene = Scene::new().await;
    scene.node.expect_complaint("the station cannot use our answer");
    let send = json!([6, "s1", "NotifyPeriodicEventStream", {
        "id": 1, "pending": 0, "basetime": "2026-03-01T08:00:00Z", "data": [{"t": 0.0, "v": "1"}],
    }]);
    for protocol in PROTOCOLS {
        let mut station = scene.booted(protocol).await;
        let id = station.begin("Heartbeat", &json!({})).await;
        station.result(&id).await;
        let refused = json!([5, id, "FormatViolation", "not for me", {}]);
        for (text, id) in [(&refused, id.as_str()), (&send, "s1")] {
            station.send(&text.to_string()).await;
            if protocol == "ocpp2.0.1" {
                assert_eq!(station.error(id).await, "MessageTypeNotSupported");
            }
            station.is_well().await;
        }
    }
    scene.end().await;
}

#[tokio::test]
async fn an_unknown_action_is_not_implemented() {
    let scene = Scene::new().await;
    for protocol in PROTOCOLS {
        let mut station = scene.booted(protocol).await;
        let foreign = if protocol == "ocpp1.6" { "TransactionEvent" } else { "StartTransaction" };
        for action in ["Fly", "heartbeat", "", foreign] {
            assert_eq!(
                station.call_refused(action, &json!({})).await,
                "NotImplemented",
                "{protocol} {action:?}"
            );
        }
        // Known, but ours to send.
        assert_eq!(station.call_refused("Reset", &json!({"type": "Hard"})).await, "NotSupported");
        station.is_well().await;
    }
    scene.end().await;
}

/// (action, payload, code in 1.6, code in 2.x); an empty code: this family has another form of it.
fn wrong_payloads(is_first: bool) -> Vec<(&'static str, Value, &'static str)> {
    if is_first {
        return vec![
            ("BootNotification", json!({"chargePointModel": "Main"}), "ProtocolError"),
            (
                "BootNotification",
                json!({"chargePointVendor": {}, "chargePointModel": "Main"}),
                "TypeConstraintViolation",
            ),
            ("StatusNotification", status_of("one"), "TypeConstraintViolation"),
            ("StatusNotification", status_of(json!([1])), "TypeConstraintViolation"),
            ("StatusNotification", status_of(-1), "PropertyConstraintViolation"),
            ("Authorize", json!({}), "ProtocolError"),
            ("Authorize", json!({"idTag": ["A1"]}), "TypeConstraintViolation"),
            ("StartTransaction", json!({"connectorId": 1, "idTag": "A1"}), "ProtocolError"),
        ];
    }
    vec![
        ("BootNotification", json!({"reason": "PowerUp"}), "OccurrenceConstraintViolation"),
        (
            "BootNotification",
            json!({"reason": "PowerUp", "chargingStation": "Ring"}),
            "TypeConstraintViolation",
        ),
        ("StatusNotification", status_of_evse(json!({})), "TypeConstraintViolation"),
        ("StatusNotification", status_of_evse(json!(-1)), "PropertyConstraintViolation"),
        ("Authorize", json!({}), "OccurrenceConstraintViolation"),
        ("Authorize", json!({"idToken": "A1"}), "TypeConstraintViolation"),
        ("TransactionEvent", json!({"eventType": "Started"}), "OccurrenceConstraintViolation"),
    ]
}

fn status_of(connector: impl Into<Value>) -> Value {
    json!({"connectorId": connector.into(), "errorCode": "NoError", "status": "Available"})
}

fn status_of_evse(evse: Value) -> Value {
    json!({"timestamp": "2026-03-01T08:00:00Z", "connectorStatus": "Available", "evseId": evse, "connectorId": 1})
}

#[tokio::test]
async fn a_wrong_payload_gets_the_code_of_its_fault() {
    let scene = Scene::new().await;
    for protocol in PROTOCOLS {
        let mut station = scene.booted(protocol).await;
        for (action, payload, code) in wrong_payloads(protocol == "ocpp1.6") {
            assert_eq!(station.call_refused(action, &payload).await, code, "{protocol} {action} {payload}");
            station.is_well().await;
        }
    }
    scene.end().await;
}

/// What the field does and the standard forbids: answered, unless the station is held to the letter.
#[tokio::test]
async fn strict_reading_refuses_what_is_tolerated_otherwise() {
    for (strict, expect_first, expect_second) in
        [("false", None, None), ("true", Some("FormationViolation"), Some("ProtocolError"))]
    {
        let scene = Scene::with(&[("STATIONS__STRICT_ENABLED", strict)]).await;
        for protocol in PROTOCOLS {
            let mut station = scene.booted(protocol).await;
            let id = station.begin("Heartbeat", &json!({"unheardOf": true})).await;
            match if protocol == "ocpp1.6" { expect_first } else { expect_second } {
                Some(code) => assert_eq!(station.error(&id).await, code, "{protocol}"),
                None => assert!(station.result(&id).await["currentTime"].is_string(), "{protocol}"),
            }
            station.is_well().await;
        }
        scene.end().await;
    }
}
