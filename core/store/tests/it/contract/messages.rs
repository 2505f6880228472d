//! Recorded frames.

use ringmain_store::messages::{MAX_FRAME_BYTES, RecordedMessage};
use ringmain_store::page::PageRequest;
use ringmain_store::store::StoreSettings;

use crate::make::{all_pages, at, station, station_id, tenant};
use crate::rig::Rig;

on_both_engines!(
    frames_come_back_the_newest_first,
    a_long_frame_is_cut,
    only_the_newest_frames_are_kept,
    frames_go_with_their_station,
);

fn message(station: &str, number: i64) -> RecordedMessage {
    RecordedMessage {
        station: station_id(station),
        at: at(number),
        inbound: number % 2 == 0,
        kind: "call".into(),
        action: (number % 2 == 0).then(|| "Heartbeat".into()),
        message_id: format!("m{number}").into(),
        frame: format!("[2,\"m{number}\",\"Heartbeat\",{{}}]").into(),
    }
}

async fn frames_come_back_the_newest_first(rig: &Rig) {
    rig.store.record_messages(&[]).await.unwrap();
    let frames: Vec<_> = (0..5).map(|n| message("CS-1", n)).collect();
    rig.store.record_messages(&frames[..3]).await.unwrap();
    rig.store.record_messages(&[message("CS-2", 9)]).await.unwrap();
    rig.store.record_messages(&frames[3..]).await.unwrap();
    let id = station_id("CS-1");
    let mut found = all_pages(2, async |page| rig.store.messages(&id, &page).await).await;
    found.reverse();
    assert_eq!(found, frames);
    // A page stays where it is while new frames come in.
    let first = rig.store.messages(&id, &PageRequest::first(2)).await.unwrap();
    rig.store.record_messages(&[message("CS-1", 5)]).await.unwrap();
    let next = rig.store.messages(&id, &PageRequest { after: first.next, limit: 2 }).await.unwrap();
    assert_eq!(next.items, [frames[2].clone(), frames[1].clone()]);
    assert!(rig.store.messages(&station_id("CS-3"), &PageRequest::first(2)).await.unwrap().items.is_empty());
}

async fn a_long_frame_is_cut(rig: &Rig) {
    let mut long = message("CS-1", 0);
    long.frame = format!("{}é\u{0}", "x".repeat(MAX_FRAME_BYTES - 1)).into();
    rig.store.record_messages(&[long]).await.unwrap();
    let found = rig.store.messages(&station_id("CS-1"), &PageRequest::first(1)).await.unwrap();
    assert_eq!(*found.items[0].frame, *"x".repeat(MAX_FRAME_BYTES - 1), "no half characters");
}

async fn only_the_newest_frames_are_kept(rig: &Rig) {
    let settings = StoreSettings { message_retention_per_station: 3, ..StoreSettings::default() };
    let store = rig.open_again(settings).await;
    // More stations than are trimmed in one commit.
    let stations: Vec<String> = (0..205).map(|n| format!("CS-{n:03}")).collect();
    let frames: Vec<_> =
        (0..4).flat_map(|n| stations.iter().map(move |station| message(station, n))).collect();
    store.record_messages(&frames).await.unwrap();
    store.record_messages(&[message("CS-000", 4), message("CS-few", 0)]).await.unwrap();
    assert_eq!(store.trim_messages().await.unwrap(), 206);
    let kept = store.messages(&station_id("CS-000"), &PageRequest::first(9)).await.unwrap().items;
    assert_eq!(kept.iter().map(|m| &*m.message_id).collect::<Vec<_>>(), ["m4", "m3", "m2"]);
    let kept = store.messages(&station_id("CS-204"), &PageRequest::first(9)).await.unwrap().items;
    assert_eq!(kept.iter().map(|m| &*m.message_id).collect::<Vec<_>>(), ["m3", "m2", "m1"]);
    assert_eq!(rig.count("messages").await, 205 * 3 + 1);
    assert_eq!(store.trim_messages().await.unwrap(), 0);
}

async fn frames_go_with_their_station(rig: &Rig) {
    rig.store.insert_station(&station("CS-1")).await.unwrap();
    rig.store.record_messages(&[message("CS-1", 0), message("CS-2", 0)]).await.unwrap();
    rig.store.delete_station(&tenant(), &station_id("CS-1")).await.unwrap();
    assert_eq!(rig.count("messages").await, 1);
}
