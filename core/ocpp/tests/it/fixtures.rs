//! Messages as they come, and what they mean; commands, what carries them, and what the answer means.
//!
//! `tests/fixtures/<version>/<Action>.<case>.json`: a message of a station has `payload`, the report it becomes, the quirks found in it
//! and what strict reading says; a command of ours has the payload that carries it, an answer and the outcome that answer means.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use ringmain_domain::command::{CommandAnswer, StationCommand};
use ringmain_domain::report::StationReport;
use ringmain_domain::time::Timestamp;
use ringmain_ocpp::action::{Action, Kind};
use ringmain_ocpp::quirk::QuirkKind;
use ringmain_ocpp::translate::{Dialect, Reading};
use ringmain_ocpp::version::Version;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::schema::{errors, validator};
use crate::tree::Tree;

const RECEIVED_AT: Timestamp = Timestamp::from_millis(1_772_352_000_000);

/// Of a message of a station, or of a command of ours: one half of the members is there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixture {
    source: String,
    payload: Option<Box<RawValue>>,
    #[serde(default)]
    report: String,
    #[serde(default)]
    quirks: Vec<String>,
    #[serde(default)]
    strict: String,
    command: Option<StationCommand>,
    call: Option<Box<RawValue>>,
    answer: Option<Box<RawValue>>,
    #[serde(default)]
    outcome: String,
}

struct Named {
    version: Version,
    action: String,
    case: String,
    text: String,
}

impl Named {
    fn told(&self) -> String {
        format!("{:?} {}.{}", self.version, self.action, self.case)
    }
}

impl Named {
    fn read(&self) -> Fixture {
        let fixture: Fixture =
            serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{}: {error}", self.told()));
        assert!(!fixture.source.is_empty(), "{} has no source", self.told());
        assert_ne!(fixture.payload.is_some(), fixture.command.is_some(), "{}", self.told());
        fixture
    }
}

fn all() -> Vec<Named> {
    let mut found = Vec::new();
    for (version, folder) in [(Version::V16, "v16"), (Version::V201, "v201"), (Version::V21, "v21")] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(folder);
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let parts: Vec<&str> = name.split('.').collect();
            let [action, case, "json"] = parts[..] else { panic!("{name} is not <Action>.<case>.json") };
            let text = fs::read_to_string(&path).unwrap();
            found.push(Named { version, action: action.to_owned(), case: case.to_owned(), text });
        }
    }
    found.sort_by_key(Named::told);
    found
}

/// The report as text, with long runs of one character cut, so that fixtures stay readable.
fn told_report(reading: &Reading) -> String {
    if let StationReport::Unreadable(_) = reading.report {
        return "Unreadable".to_owned();
    }
    let mut told = String::new();
    let mut run = (' ', 0);
    for c in format!("{:?}", reading.report).chars() {
        run = if c == run.0 { (c, run.1 + 1) } else { (c, 1) };
        if run.1 <= 20 {
            told.push(c);
        }
    }
    told
}

fn told_quirks(reading: &Reading) -> Vec<String> {
    reading.quirks.iter().map(|quirk| format!("{} {}", quirk.kind.as_str(), quirk.path)).collect()
}

fn told_outcome(answer: &CommandAnswer) -> String {
    let mut told = format!("{} {}", if answer.accepted { "accepted" } else { "refused" }, answer.status);
    for variable in &answer.variables {
        let dot = if variable.component.is_empty() { "" } else { "." };
        let value = variable.value.as_deref().unwrap_or("?");
        let readonly = if variable.readonly { "!" } else { "" };
        told.push_str(&format!(" {}{dot}{}={value}{readonly}", variable.component, variable.name));
    }
    told
}

#[test]
fn every_message_means_what_its_fixture_says() {
    let mut wrong = Vec::new();
    for named in all() {
        let Fixture { payload: Some(payload), report, quirks, strict, .. } = named.read() else { continue };
        let action = Action::parse(&named.action, named.version).unwrap();
        let dialect = Dialect::of(named.version);
        let reading = dialect
            .read_report(action, &payload, RECEIVED_AT, false)
            .unwrap_or_else(|fault| panic!("{}: {fault} at {:?}", named.told(), fault.path()));
        let strictly = match dialect.read_report(action, &payload, RECEIVED_AT, true) {
            Ok(strictly) if strictly.report == reading.report => "same".to_owned(),
            Ok(_) => "differs".to_owned(),
            Err(fault) => format!("{:?} {}", fault.code(), fault.path().unwrap_or_default()),
        };
        let got = (told_report(&reading), told_quirks(&reading), strictly);
        let expect = (report, quirks, strict);
        if got != expect {
            wrong.push(format!("{}\n  got      {got:?}\n  expected {expect:?}", named.told()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_command_is_carried_and_answered_as_its_fixture_says() {
    for named in all() {
        let fixture = named.read();
        let (Some(command), Some(call), Some(answer)) = (fixture.command, fixture.call, fixture.answer)
        else {
            continue;
        };
        let dialect = Dialect::of(named.version);
        let message = dialect
            .write_command(&command, RECEIVED_AT)
            .unwrap_or_else(|error| panic!("{}: {error}", named.told()));
        assert_eq!(*message.action, *named.action, "{}", named.told());
        assert_eq!(
            Tree::parse(message.payload.get()),
            Tree::parse(call.get()),
            "{}\n{}",
            named.told(),
            message.payload
        );
        let invalid = errors(&validator(named.version, &named.action, true), message.payload.get());
        assert!(invalid.is_empty(), "{}: {invalid:?}", named.told());
        let got = dialect.read_outcome(&named.action, &command, &answer);
        assert_eq!(told_outcome(&got), fixture.outcome, "{}", named.told());
    }
}

/// The core path: every message with a meaning, and every message that carries a typed command.
#[test]
fn every_action_of_the_core_path_has_a_good_an_edge_and_a_field_fixture() {
    const COMMANDS: [(&str, &[Version]); 20] = {
        const FIRST: &[Version] = &[Version::V16];
        const SECOND: &[Version] = &[Version::V201, Version::V21];
        const NEWEST: &[Version] = &[Version::V21];
        const ALL: &[Version] = &Version::ALL;
        [
            ("ChangeAvailability", ALL),
            ("ChangeConfiguration", FIRST),
            ("ClearChargingProfile", ALL),
            ("CostUpdated", SECOND),
            ("GetBaseReport", SECOND),
            ("GetConfiguration", FIRST),
            ("GetLocalListVersion", ALL),
            ("GetTransactionStatus", SECOND),
            ("GetVariables", SECOND),
            ("RemoteStartTransaction", FIRST),
            ("RemoteStopTransaction", FIRST),
            ("RequestStartTransaction", SECOND),
            ("RequestStopTransaction", SECOND),
            ("Reset", ALL),
            ("SendLocalList", ALL),
            ("SetChargingProfile", ALL),
            ("SetVariables", SECOND),
            ("TriggerMessage", ALL),
            ("UnlockConnector", ALL),
            ("UpdateDynamicSchedule", NEWEST),
        ]
    };
    let mut cases: BTreeMap<(Version, String), BTreeSet<String>> = BTreeMap::new();
    for named in all() {
        cases.entry((named.version, named.action)).or_default().insert(named.case);
    }
    for version in Version::ALL {
        let reports =
            Action::of(version).filter(|action| action.row().kind == Kind::Report).map(Action::as_str);
        let commands =
            COMMANDS.iter().filter(|(_, versions)| versions.contains(&version)).map(|(action, _)| *action);
        for action in reports.chain(commands) {
            let have = cases.remove(&(version, action.to_owned())).unwrap_or_default();
            for case in ["good", "edge", "field"] {
                assert!(have.contains(case), "{version:?} {action} has no fixture `{case}`");
            }
        }
    }
    assert!(cases.is_empty(), "fixtures of no core action: {:?}", cases.keys());
}

/// A tolerance that no message shows is one that nobody has seen work.
#[test]
fn every_kind_of_quirk_is_shown_by_a_message() {
    let table = include_str!("../fixtures/malformed.txt");
    let mut shown: BTreeSet<&str> = BTreeSet::new();
    let fixtures: Vec<String> = all().iter().flat_map(|named| named.read().quirks).collect();
    for kind in QuirkKind::ALL {
        let in_fixture = fixtures.iter().any(|quirk| quirk.split(' ').next() == Some(kind.as_str()));
        let in_table =
            table.lines().any(|line| line.starts_with("    ") && line.split(' ').any(|w| w == kind.as_str()));
        if in_fixture || in_table {
            shown.insert(kind.as_str());
        }
    }
    // Ten thousand samples are no fixture: `ten_thousand_samples_are_read_and_the_rest_is_left_out`.
    shown.insert(QuirkKind::TooManySamples.as_str());
    let all: BTreeSet<&str> = QuirkKind::ALL.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(shown, all);
}
