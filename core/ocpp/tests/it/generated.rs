//! The coverage page, made from the table of actions. `make docs` writes it.

use std::fmt::Write as _;
use std::path::Path;

use ringmain_ocpp::action::{Action, Direction, Kind};
use ringmain_ocpp::version::Version;

#[test]
fn generated_docs_ocpp_coverage() {
    let mut page = String::from(
        "# OCPP coverage\n\nMade from `core/ocpp/src/action.rs` by `make docs`. Every message of every version is read or written and held against its official schema in both\ndirections. *Meaning*: it becomes a report of its own. *Noted*: recorded and answered, no meaning yet. *Command*: sent by a typed command, or raw\n(`POST /api/v1/charging-stations/{id}/ocpp/{Action}`).\n\n",
    );
    for version in Version::ALL {
        let total = Action::of(version).count();
        let meaning = Action::of(version).filter(|action| action.row().kind == Kind::Report).count();
        let noted = Action::of(version).filter(|action| action.row().kind == Kind::Noted).count();
        writeln!(
            page,
            "- **{}**: {total} messages, {meaning} with a meaning, {noted} noted, {} commands",
            version.as_str(),
            total - meaning - noted
        )
        .unwrap();
    }
    page.push_str("\n| message | block | sent by | 1.6 | 2.0.1 | 2.1 | what becomes of it |\n|---|---|---|---|---|---|---|\n");
    for action in Action::ALL {
        let row = action.row();
        let block = row.block.map(|block| format!("{block:?}"));
        let block = block.or(row.profile.map(|profile| format!("{profile:?} (1.6)"))).unwrap_or_default();
        let sender = match row.direction {
            Direction::FromStation => "station",
            Direction::ToStation => "us",
            Direction::Both => "both",
        };
        let kind = match row.kind {
            Kind::Report => "meaning",
            Kind::Noted => "noted",
            Kind::Command => "command",
        };
        let has = |version| if action.exists_in(version) { "x" } else { "" };
        let [v16, v201, v21] = Version::ALL.map(has);
        writeln!(page, "| {} | {block} | {sender} | {v16} | {v201} | {v21} | {kind} |", action.as_str())
            .unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/generated/ocpp-coverage.md");
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(kept, page, "docs/generated/ocpp-coverage.md is out of date: run `make docs`");
}
