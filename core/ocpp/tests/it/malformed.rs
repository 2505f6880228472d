//! Payloads that are wrong, and the class of CALLERROR each gets, in tolerant and in strict reading.

use std::collections::BTreeMap;

use ringmain_domain::report::StationReport;
use ringmain_domain::time::Timestamp;
use ringmain_ocpp::action::{Action, Kind};
use ringmain_ocpp::quirk::{QUIRKS_MAX, QuirkKind};
use ringmain_ocpp::translate::Dialect;
use ringmain_ocpp::version::Version;
use serde_json::value::RawValue;

use crate::schema::schemas;

/// Version, action and payload; below it what is said, by tolerant and by strict reading where they differ.
const TABLE: &str = include_str!("../fixtures/malformed.txt");

const NOW: Timestamp = Timestamp::from_millis(1_772_352_000_000);

/// What reading says: the report's kind and the quirks, or code and place.
fn read(version: Version, action: Action, payload: &str, strict: bool) -> String {
    let payload = RawValue::from_string(payload.to_owned()).unwrap();
    match Dialect::of(version).read_report(action, &payload, NOW, strict) {
        Ok(reading) => {
            let kinds: Vec<&str> = reading.quirks.iter().map(|quirk| quirk.kind.as_str()).collect();
            let noted = matches!(reading.report, StationReport::Noted | StationReport::Unreadable(_));
            format!("{}: {}", if noted { "noted" } else { "read" }, kinds.join(" "))
        }
        Err(fault) => format!("{} {}", fault.code().as_wire(version), fault.path().unwrap_or("-")),
    }
}

/// What tolerant and strict reading say to each line of `tests/fixtures/malformed.txt`.
#[test]
fn each_fault_has_the_class_of_its_version() {
    let mut checked = 0;
    let rows: Vec<&str> = TABLE.lines().filter(|line| !line.starts_with('#')).collect();
    for row in rows.chunk_by(|_, next| next.starts_with(' ')) {
        let mut head = row[0].splitn(3, ' ');
        let version = Version::from_subprotocol(&format!("ocpp{}", head.next().unwrap())).unwrap();
        let action = Action::parse(head.next().unwrap(), version).unwrap();
        let payload = head.next().unwrap();
        let (tolerant, strict) = (row[1].trim(), row[row.len() - 1].trim());
        assert_eq!(read(version, action, payload, false), tolerant, "tolerant {}", row[0]);
        assert_eq!(read(version, action, payload, true), strict, "strict {}", row[0]);
        checked += 1;
    }
    assert!(checked > 30, "{checked}");
}

/// Descriptions go out and into logs: the station's own values, which may be tokens or passwords, do not.
#[test]
fn a_fault_does_not_repeat_what_the_station_said() {
    let secret = "04SECRET77";
    for (version, action, payload) in [
        (Version::V16, Action::Authorize, format!(r#"{{"idTag":["{secret}"]}}"#)),
        (
            Version::V16,
            Action::StatusNotification,
            format!(r#"{{"connectorId":"{secret}","errorCode":"NoError","status":"Available"}}"#),
        ),
        (
            Version::V16,
            Action::StatusNotification,
            format!(r#"{{"connectorId":1,"errorCode":"{secret}","status":"Available"}}"#),
        ),
        (
            Version::V201,
            Action::SecurityEventNotification,
            format!(r#"{{"type":"A","timestamp":"{secret}"}}"#),
        ),
        (Version::V201, Action::Authorize, format!(r#"{{"idToken":{{"idToken":"A","type":"{secret}"}}}}"#)),
        (
            Version::V21,
            Action::BootNotification,
            format!(r#"{{"reason":"{secret}","chargingStation":"{secret}"}}"#),
        ),
    ] {
        let payload = RawValue::from_string(payload).unwrap();
        let fault = Dialect::of(version).read_report(action, &payload, NOW, true).unwrap_err();
        assert!(!fault.description().contains(secret), "{fault}");
        assert!(!fault.description().is_empty() && fault.path().is_some(), "{fault}");
    }
}

#[test]
fn a_payload_that_is_wrong_in_too_many_places_is_given_up() {
    // Each event has another member of the wrong type, and each kind of member is one mending.
    let payload = r#"{"generatedAt":"x","seqNo":"1","tbc":"true","eventData":[{"eventId":"1","timestamp":"x","trigger":1,
        "cause":"1","actualValue":1,"techCode":1,"techInfo":1,"cleared":"true","transactionId":1,"variableMonitoringId":"1",
        "eventNotificationType":1,"severity":"1","component":{"name":1,"instance":1,"evse":{"id":"1","connectorId":"1"}},
        "variable":{"name":1,"instance":1}}]}"#;
    assert_eq!(read(Version::V21, Action::NotifyEvent, payload, false), "FormatViolation -");
}

#[test]
fn quirks_of_one_message_are_bounded() {
    let members: Vec<String> = (0..100).map(|n| format!("\"x{n}\":{n}")).collect();
    let payload = RawValue::from_string(format!("{{{}}}", members.join(","))).unwrap();
    let reading = Dialect::V201.read_report(Action::Heartbeat, &payload, NOW, false).unwrap();
    assert_eq!(reading.quirks.len(), QUIRKS_MAX);
    assert!(reading.quirks.iter().all(|quirk| quirk.kind == QuirkKind::UnknownMember));
}

/// Messages without a meaning here are held to their own version as well.
#[test]
fn a_noted_message_is_read_all_the_same() {
    for (version, action, payload, expect) in [
        (Version::V16, Action::SignCertificate, r#"{"csr":"x"}"#, "noted: "),
        (Version::V16, Action::SignCertificate, "{}", "ProtocolError -"),
        (Version::V201, Action::ClearedChargingLimit, r#"{"chargingLimitSource":"EMS"}"#, "noted: "),
        (
            Version::V201,
            Action::ClearedChargingLimit,
            r#"{"chargingLimitSource":7}"#,
            "noted: number_for_text unknown_word",
        ),
        (Version::V21, Action::ClearedChargingLimit, "{}", "OccurrenceConstraintViolation -"),
        (
            Version::V21,
            Action::BatterySwap,
            r#"{"eventType":"BatteryIn"}"#,
            "OccurrenceConstraintViolation -",
        ),
        (Version::V21, Action::NotifyWebPaymentStarted, r#"{"evseId":1,"timeout":60}"#, "noted: "),
        (Version::V201, Action::BatterySwap, "{}", "NotImplemented -"),
        (Version::V201, Action::Reset, "{}", "NotSupported -"),
    ] {
        assert_eq!(read(version, action, payload, false), expect, "{version:?} {action:?} {payload}");
    }
}

/// Every place of a JSON text where a value stands, from its first byte to the one behind its last.
fn values(text: &str) -> Vec<(usize, usize)> {
    fn walk(text: &str, base: usize, found: &mut Vec<(usize, usize)>) {
        let inner: Vec<&RawValue> = match text.as_bytes()[0] {
            b'{' => {
                serde_json::from_str::<BTreeMap<String, &RawValue>>(text).unwrap().into_values().collect()
            }
            b'[' => serde_json::from_str(text).unwrap(),
            _ => Vec::new(),
        };
        for value in inner {
            let start = base + (value.get().as_ptr().addr() - text.as_ptr().addr());
            found.push((start, start + value.get().len()));
            walk(value.get(), start, found);
        }
    }
    let mut found = Vec::new();
    walk(text, 0, &mut found);
    found
}

/// Each value of each core message is replaced by everything it should not be. Nothing panics; what strict reading takes, tolerant
/// reading takes for the same.
#[test]
fn no_wrong_value_anywhere_breaks_the_reading() {
    let wrong =
        ["null", "1", "-1.5", "1e999", "9223372036854775808", "\"x\"", "\"\"", "[]", "{}", "true", "[[{}]]"];
    let mut read = 0;
    for version in Version::ALL {
        for schema in schemas(version).into_iter().filter(|schema| schema.is_request) {
            let action = Action::parse(&schema.action, version).unwrap();
            if action.row().kind != Kind::Report {
                continue;
            }
            let sample = schema.samples().remove(2);
            for (place, (start, end)) in values(&sample).into_iter().enumerate() {
                // Every fifth pair of place and value: all pairs take half a minute and find no more.
                for value in wrong.iter().skip(place % 5).step_by(5) {
                    let payload =
                        format!("{}{value}{}", sample.get(..start).unwrap(), sample.get(end..).unwrap());
                    let payload = RawValue::from_string(payload).unwrap();
                    let dialect = Dialect::of(version);
                    let strict = dialect.read_report(action, &payload, NOW, true);
                    let tolerant = dialect.read_report(action, &payload, NOW, false);
                    if let Ok(strict) = strict {
                        assert_eq!(
                            tolerant.map(|reading| reading.report),
                            Ok(strict.report),
                            "{version:?} {action:?} {payload}"
                        );
                    }
                    read += 1;
                }
            }
        }
    }
    assert!(read > 1_000, "{read}");
}
