//! The table of actions against the official schemas, and the answers we owe for every action.

use std::collections::{BTreeMap, BTreeSet};

use ringmain_domain::authorize::{Authorization, Verdict};
use ringmain_domain::id::TokenUid;
use ringmain_domain::reply::{DataTransferStatus, Refusal, Registration, StationReply, TransactionReply};
use ringmain_domain::time::Timestamp;
use ringmain_ocpp::action::{Action, Direction, Kind};
use ringmain_ocpp::fault::FaultCode;
use ringmain_ocpp::quirk::QuirkKind;
use ringmain_ocpp::translate::{Dialect, Reading};
use ringmain_ocpp::version::Version;
use rust_decimal::Decimal;
use serde_json::value::RawValue;

use crate::schema::{errors, schemas, validator};

const NOW: Timestamp = Timestamp::from_millis(1_772_352_000_123);

#[test]
fn the_table_has_every_message_of_every_version() {
    // Version, messages, for us to send, for stations to send, both (ocpp-messages).
    for (version, all, to_station, from_station) in
        [(Version::V16, 39, 25, 13), (Version::V201, 64, 39, 24), (Version::V21, 91, 54, 36)]
    {
        let count =
            |direction| Action::of(version).filter(|action| action.row().direction == direction).count();
        assert_eq!(Action::of(version).count(), all, "{version:?}");
        assert_eq!(count(Direction::ToStation), to_station, "{version:?}");
        assert_eq!(count(Direction::FromStation), from_station, "{version:?}");
        assert_eq!(count(Direction::Both), 1, "{version:?}");
        let of_table: BTreeSet<String> =
            Action::of(version).map(|action| action.as_str().to_owned()).collect();
        let of_schemas: BTreeSet<String> = schemas(version).into_iter().map(|schema| schema.action).collect();
        assert_eq!(of_table, of_schemas, "{version:?}");
    }
    assert_eq!(Action::ALL.len(), 102);
}

#[test]
fn a_name_is_known_where_its_version_has_it_and_case_counts() {
    for (name, versions) in [
        ("StartTransaction", &[Version::V16][..]),
        ("TransactionEvent", &[Version::V201, Version::V21]),
        ("Heartbeat", &Version::ALL),
        ("BatterySwap", &[Version::V21]),
        ("heartbeat", &[]),
        ("HeartbeatRequest", &[]),
        ("", &[]),
    ] {
        for version in Version::ALL {
            let known = Action::parse(name, version).map(Action::as_str);
            assert_eq!(known, versions.contains(&version).then_some(name), "{name} {version:?}");
        }
    }
}

#[test]
fn rows_agree_with_themselves() {
    for action in Action::ALL {
        let row = action.row();
        assert_eq!(row.block.is_some(), row.since.is_some(), "{action:?}");
        assert!(row.profile.is_some() || row.block.is_some(), "{action:?} is in no version");
        assert_eq!(row.kind == Kind::Command, row.direction == Direction::ToStation, "{action:?}");
    }
    let sends: Vec<_> = Action::ALL.iter().filter(|action| action.is_send()).collect();
    assert_eq!(sends, [&Action::NotifyPeriodicEventStream]);
    let of_money: Vec<_> = Action::ALL.iter().filter(|action| action.is_transaction_message()).collect();
    assert_eq!(of_money.len(), 4);
}

fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

/// Every answer that can meet an action: domain's replies with each of their values.
fn replies(action: Action) -> Vec<StationReply> {
    let verdict = |authorization, group: Option<&str>, expires_at| Verdict {
        authorization,
        group: group.map(|group| TokenUid::new(group).unwrap()),
        expires_at,
    };
    let verdicts = || {
        let long = "g".repeat(200);
        vec![
            verdict(Authorization::Accepted, Some("FLEET"), Some(NOW)),
            verdict(Authorization::Accepted, Some(&long), None),
            verdict(Authorization::Blocked, None, None),
            verdict(Authorization::Expired, None, Some(Timestamp::from_millis(i64::MIN))),
            verdict(Authorization::GroupBlocked, Some("FLEET"), None),
            verdict(Authorization::GroupExpired, Some("FLEET"), None),
            verdict(Authorization::Unknown, None, Some(Timestamp::from_millis(i64::MAX))),
            verdict(Authorization::Invalid, None, None),
            verdict(Authorization::ConcurrentTransaction, None, None),
            verdict(Authorization::NotAtThisLocation, None, None),
        ]
    };
    match action {
        Action::BootNotification => [Registration::Accepted, Registration::Pending, Registration::Rejected]
            .map(|registration| StationReply::Boot { registration, interval_s: u32::MAX })
            .to_vec(),
        Action::Heartbeat => vec![StationReply::Heartbeat],
        Action::Authorize => {
            verdicts().into_iter().map(StationReply::Authorize).chain([StationReply::Received]).collect()
        }
        Action::StartTransaction
        | Action::StopTransaction
        | Action::MeterValues
        | Action::TransactionEvent => {
            let mut replies: Vec<_> = verdicts()
                .into_iter()
                .map(|verdict| TransactionReply {
                    number: Some(77),
                    verdict: Some(verdict),
                    total_cost: Some(Decimal::new(123_450, 4)),
                    running_cost: None,
                })
                .map(StationReply::Transaction)
                .collect();
            let endless_cost =
                TransactionReply { total_cost: Some(Decimal::MAX), ..TransactionReply::default() };
            let running =
                TransactionReply { running_cost: Some(Decimal::new(5, 1)), ..TransactionReply::default() };
            replies.extend([endless_cost, running].map(StationReply::Transaction));
            replies.push(StationReply::Received);
            replies
        }
        Action::DataTransfer => vec![
            StationReply::DataTransfer(DataTransferStatus::Accepted),
            StationReply::DataTransfer(DataTransferStatus::UnknownVendor),
            StationReply::Received,
        ],
        _ => vec![StationReply::Received],
    }
}

#[test]
fn every_answer_we_give_is_valid_in_its_version() {
    let mut answers = BTreeMap::new();
    for version in Version::ALL {
        let dialect = Dialect::of(version);
        for action in Action::of(version).filter(|action| action.is_taken_from_station() && !action.is_send())
        {
            let validator = validator(version, action.as_str(), false);
            for reply in replies(action) {
                let payload = dialect.write_reply(action, &reply, NOW).unwrap();
                let wrong = errors(&validator, payload.get());
                assert!(wrong.is_empty(), "{version:?} {action:?} {reply:?}: {wrong:?}\n{payload}");
                answers.insert((version, action, format!("{reply:?}")), payload.get().to_owned());
            }
        }
    }
    let answer =
        |version, action, reply: StationReply| answers[&(version, action, format!("{reply:?}"))].clone();
    let boot = StationReply::Boot { registration: Registration::Pending, interval_s: u32::MAX };
    assert_eq!(
        answer(Version::V16, Action::BootNotification, boot),
        r#"{"status":"Pending","currentTime":"2026-03-01T08:00:00.123Z","interval":2147483647}"#
    );
    assert_eq!(
        answer(Version::V16, Action::StartTransaction, replies(Action::StartTransaction).remove(0)),
        r#"{"idTagInfo":{"status":"Accepted","expiryDate":"2026-03-01T08:00:00.123Z","parentIdTag":"FLEET"},"transactionId":77}"#
    );
    assert_eq!(
        answer(Version::V16, Action::StartTransaction, StationReply::Received),
        r#"{"idTagInfo":{"status":"Invalid"},"transactionId":-1}"#
    );
    assert_eq!(
        answer(Version::V201, Action::TransactionEvent, replies(Action::TransactionEvent).remove(0)),
        concat!(
            r#"{"totalCost":12.3450,"idTokenInfo":{"status":"Accepted","cacheExpiryDateTime":"2026-03-01T08:00:00.123Z","#,
            r#""groupIdToken":{"idToken":"FLEET","type":"Central"}}}"#
        )
    );
    assert_eq!(answer(Version::V21, Action::TransactionEvent, StationReply::Received), "{}");
    // A long group is a name in 2.1 only.
    let long = replies(Action::Authorize).remove(1);
    assert!(!answer(Version::V201, Action::Authorize, long.clone()).contains("group"));
    assert!(answer(Version::V21, Action::Authorize, long).contains("group"));
}

#[test]
fn a_refused_call_is_a_security_error_whatever_its_action() {
    for version in Version::ALL {
        for action in Action::of(version).filter(|action| action.is_taken_from_station()) {
            let refused = StationReply::Refused(Refusal::NotRegistered);
            let fault = Dialect::of(version).write_reply(action, &refused, NOW).unwrap_err();
            assert_eq!(fault.code(), FaultCode::Security);
        }
    }
}

#[test]
fn a_reply_that_answers_nothing_is_an_internal_error_and_no_invention() {
    for version in Version::ALL {
        let fault = Dialect::of(version)
            .write_reply(Action::BootNotification, &StationReply::Received, NOW)
            .unwrap_err();
        assert_eq!(fault.code(), FaultCode::Internal);
    }
}

/// Each action in each version: read when a station may send it, refused by its class when not.
#[test]
fn every_action_is_taken_or_refused_by_the_right_code() {
    for version in Version::ALL {
        for action in Action::ALL {
            let read = Dialect::of(version).read_report(*action, &raw("[]"), NOW, false);
            let code = read.unwrap_err().code();
            let expect = match (action.is_taken_from_station(), action.exists_in(version)) {
                (_, false) => FaultCode::NotImplemented,
                (false, true) => FaultCode::NotSupported,
                (true, true) => FaultCode::Format,
            };
            assert_eq!(code, expect, "{version:?} {action:?}");
        }
    }
}

/// What was found odd in the form. In meaning a generated sample is odd enough: values that are no numbers, transaction 0.
fn quirks_of_form(reading: &Reading) -> Vec<QuirkKind> {
    use QuirkKind::{TransactionIdMissing, UnitMismatch, ValueUnreadable};
    let of_meaning = |kind: &QuirkKind| matches!(kind, TransactionIdMissing | UnitMismatch | ValueUnreadable);
    reading.quirks.iter().map(|quirk| quirk.kind).filter(|kind| !of_meaning(kind)).collect()
}

/// What the schema generator makes of every message a station may send becomes a report, in strict reading too.
#[test]
fn every_sample_of_a_station_message_becomes_a_report() {
    for version in Version::ALL {
        for schema in schemas(version).into_iter().filter(|schema| schema.is_request) {
            let action = Action::parse(&schema.action, version).unwrap();
            if !action.is_taken_from_station() {
                continue;
            }
            for sample in schema.samples() {
                for strict in [false, true] {
                    let reading =
                        Dialect::of(version).read_report(action, &raw(&sample), NOW, strict).unwrap_or_else(
                            |fault| panic!("{version:?} {action:?} {fault} at {:?}\n{sample}", fault.path()),
                        );
                    let meant = !matches!(reading.report, ringmain_domain::report::StationReport::Noted);
                    assert_eq!(quirks_of_form(&reading), [], "{version:?} {action:?}\n{sample}");
                    assert_eq!(meant, action.row().kind == Kind::Report, "{version:?} {action:?}\n{sample}");
                }
            }
        }
    }
}
