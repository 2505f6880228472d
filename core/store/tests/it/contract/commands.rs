//! Commands and how they ended.

use ringmain_domain::command::{CommandOutcome, CommandResult, ResetKind, StationCommand};
use ringmain_domain::id::CommandId;
use ringmain_domain::time::Timestamp;
use ringmain_store::commands::{CommandRecord, PAGE_CHARS_MAX};
use ringmain_store::page::PageRequest;
use uuid::Uuid;

use crate::make::{MINUTE, all_pages, at, other_tenant, station_id, tenant};
use crate::rig::Rig;

on_both_engines!(
    a_command_is_kept_once,
    a_command_ends_exactly_once,
    commands_come_in_pages_the_newest_first,
    commands_of_a_time_are_those_to_one_station_with_both_ends,
    what_is_overdue_by_the_databases_clock_is_ended_once,
    any_payload_comes_back_as_it_was,
    a_page_of_large_commands_ends_early,
);

pub(super) fn command(station: &str, millis: i64) -> CommandRecord {
    CommandRecord {
        id: CommandId(Uuid::new_v4()),
        tenant: tenant(),
        station: station_id(station),
        node: None,
        command: StationCommand::Reset { kind: ResetKind::OnIdle, evse_id: None },
        deadline: at(millis + MINUTE),
        created_at: at(millis),
        created_by: "key:1".into(),
        result: None,
        ended_at: None,
    }
}

async fn a_command_is_kept_once(rig: &Rig) {
    let one = command("CS-1", 0);
    assert_eq!(rig.store.command(&tenant(), one.id).await.unwrap(), None);
    assert!(rig.store.insert_command(&one).await.unwrap());
    let other = CommandRecord { station: station_id("CS-2"), ..one.clone() };
    assert!(!rig.store.insert_command(&other).await.unwrap());
    let foreign = CommandRecord { tenant: other_tenant(), ..one.clone() };
    assert!(!rig.store.insert_command(&foreign).await.unwrap());
    assert_eq!(rig.store.command(&tenant(), one.id).await.unwrap(), Some(one.clone()));
    assert_eq!(rig.store.command(&other_tenant(), one.id).await.unwrap(), None);
}

async fn a_command_ends_exactly_once(rig: &Rig) {
    let one = command("CS-1", 0);
    let accepted = CommandResult {
        outcome: CommandOutcome::Accepted,
        response: Some("{\"status\":\"Accepted\",\"x\":\"\\u0000\"}".into()),
        detail: None,
    };
    assert!(!rig.store.end_command(one.id, &accepted, at(5)).await.unwrap(), "not known");
    rig.store.insert_command(&one).await.unwrap();
    assert!(rig.store.end_command(one.id, &accepted, at(5)).await.unwrap());
    let late = CommandResult::bare(CommandOutcome::TimeoutUnknown);
    assert!(!rig.store.end_command(one.id, &late, at(6)).await.unwrap());
    let ended = rig.store.command(&tenant(), one.id).await.unwrap().unwrap();
    assert_eq!((ended.result, ended.ended_at), (Some(accepted), Some(at(5))));
}

async fn commands_come_in_pages_the_newest_first(rig: &Rig) {
    let mut kept = Vec::new();
    for number in 0..7 {
        let one = command(if number % 2 == 0 { "CS-1" } else { "CS-2" }, number / 3);
        rig.store.insert_command(&one).await.unwrap();
        kept.push(one);
    }
    let all = all_pages(2, async |page| rig.store.commands(&tenant(), None, &page).await).await;
    assert_eq!(all.len(), 7);
    assert!(all.windows(2).all(|two| (two[0].created_at, two[0].id) > (two[1].created_at, two[1].id)));
    let id = station_id("CS-2");
    let some = all_pages(2, async |page| rig.store.commands(&tenant(), Some(&id), &page).await).await;
    assert_eq!(some.len(), 3);
    assert!(some.iter().all(|one| one.station == id && kept.contains(one)));
    let none = rig.store.commands(&other_tenant(), None, &PageRequest::first(9)).await.unwrap();
    assert!(none.items.is_empty());
}

async fn any_payload_comes_back_as_it_was(rig: &Rig) {
    let payload = "{\"limit\":1.10, \"big\":12345678901234567890,\"s\":\"\\ud800 \\u0000\",\"limit\":2}";
    let one = CommandRecord {
        command: StationCommand::Raw { action: "SetChargingProfile".into(), payload: payload.into() },
        ..command("CS-1", 0)
    };
    rig.store.insert_command(&one).await.unwrap();
    assert_eq!(rig.store.command(&tenant(), one.id).await.unwrap(), Some(one));
}

async fn a_page_of_large_commands_ends_early(rig: &Rig) {
    let payload: Box<str> = format!("{{\"data\":\"{}\"}}", "x".repeat(1 << 20)).into();
    for number in 0..10 {
        let action = "DataTransfer".into();
        let command = CommandRecord {
            command: StationCommand::Raw { action, payload: payload.clone() },
            ..command("CS-1", number)
        };
        rig.store.insert_command(&command).await.unwrap();
    }
    let first = rig.store.commands(&tenant(), None, &PageRequest::first(1_000)).await.unwrap();
    assert_eq!(first.items.len(), 8, "{PAGE_CHARS_MAX} characters, each command has over a mebibyte");
    let after = PageRequest { after: first.next, limit: 1_000 };
    let last = rig.store.commands(&tenant(), None, &after).await.unwrap();
    assert_eq!((last.items.len(), last.next), (2, None));
}

async fn commands_of_a_time_are_those_to_one_station_with_both_ends(rig: &Rig) {
    for (station, millis) in
        [("CS-1", 9), ("CS-1", 10), ("CS-2", 11), ("CS-1", 12), ("CS-1", 20), ("CS-1", 21)]
    {
        assert!(rig.store.insert_command(&command(station, millis)).await.unwrap());
    }
    let foreign = CommandRecord { tenant: other_tenant(), ..command("CS-1", 12) };
    assert!(rig.store.insert_command(&foreign).await.unwrap());
    let (tenant, station) = (tenant(), station_id("CS-1"));
    let between = async |limit| {
        let found = rig.store.commands_between((&tenant, &station), (at(10), at(20)), limit).await.unwrap();
        found.iter().map(|record| record.created_at).collect::<Vec<_>>()
    };
    assert_eq!(between(9).await, [at(20), at(12), at(10)]);
    assert_eq!(between(2).await, [at(20), at(12)]);
}

async fn what_is_overdue_by_the_databases_clock_is_ended_once(rig: &Rig) {
    let now = rig.store.now().await.unwrap();
    let due_in = |ms: i64| CommandRecord { deadline: Timestamp::from_millis(now + ms), ..command("CS-1", 0) };
    let (over, just_over, open) = (due_in(-60_000), due_in(-1_000), due_in(600_000));
    for one in [&over, &just_over, &open] {
        rig.store.insert_command(one).await.unwrap();
    }
    let unknown = CommandResult::bare(CommandOutcome::TimeoutUnknown);
    assert_eq!(rig.store.end_overdue_commands(30_000, &unknown, at(9)).await.unwrap(), 1);
    assert_eq!(rig.store.end_overdue_commands(30_000, &unknown, at(9)).await.unwrap(), 0);
    let mut ended = Vec::new();
    for one in [&over, &just_over, &open] {
        let kept = rig.store.command(&tenant(), one.id).await.unwrap().unwrap();
        ended.push((kept.result, kept.ended_at));
    }
    assert_eq!(ended, [(Some(unknown), Some(at(9))), (None, None), (None, None)]);
}
