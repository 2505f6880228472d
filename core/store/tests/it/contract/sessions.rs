//! Lists of sessions and bills.

use ringmain_domain::event::Fact;
use ringmain_domain::session::SessionStatus;
use ringmain_store::cdrs::CdrFilter;
use ringmain_store::page::PageRequest;
use ringmain_store::sessions::SessionFilter;

use crate::make::{
    MINUTE, all_pages, at, location_id, message, own_evse, station, station_id, tenant, token_uid,
};
use crate::rig::Rig;

on_both_engines!(
    sessions_are_filtered_the_newest_first,
    a_page_of_sessions_is_stable_while_new_ones_start,
    a_session_stays_where_it_was,
    bills_are_filtered_the_newest_first,
    what_is_not_there_is_not_found,
);

/// A session of one minute that starts at a minute of the day.
fn session(station: &'static str, name: &str, minute: i64, token: &str, ended: bool) -> Vec<Fact> {
    let evse = Some(own_evse(name));
    let mut facts =
        vec![message(station, name, 0, minute * MINUTE).evse(evse).token(token).register(0).fact()];
    if ended {
        facts.push(message(station, name, 1, (minute + 1) * MINUTE).evse(evse).register(100).ended().fact());
    }
    facts
}

async fn fill(rig: &Rig) {
    for (id, place) in [("CS-1", Some("L1")), ("CS-2", None)] {
        let mut one = station(id);
        one.location_id = place.map(location_id);
        rig.store.insert_station(&one).await.unwrap();
    }
    let facts: Vec<Fact> = [
        session("CS-1", "a", 10, "Card1", true),
        session("CS-2", "b", 20, "CARD1", true),
        session("CS-1", "c", 30, "Card2", false),
        session("CS-1", "d", 30, "Card2", true),
        session("CS-2", "e", 5, "Card2", false),
    ]
    .concat();
    rig.store.append(&facts).await.unwrap();
}

async fn sessions_are_filtered_the_newest_first(rig: &Rig) {
    fill(rig).await;
    let names = async |filter: SessionFilter| {
        let found = all_pages(2, async |page| rig.store.sessions(&tenant(), &filter, &page).await).await;
        found.iter().map(|s| s.transaction.as_str().to_owned()).collect::<Vec<_>>().concat()
    };
    let all = SessionFilter::default;
    let newest = names(all()).await;
    assert!(newest == "cdbae" || newest == "dcbae", "{newest}");
    let only = |status| SessionFilter { status: Some(status), ..all() };
    assert_eq!(names(only(SessionStatus::Active)).await, "ce");
    assert_eq!(names(only(SessionStatus::Completed)).await, "dba");
    assert_eq!(names(SessionFilter { station: Some(station_id("CS-2")), ..all() }).await, "be");
    assert_eq!(names(SessionFilter { location_id: Some(location_id("L1")), ..all() }).await.len(), 3);
    assert_eq!(names(SessionFilter { token: Some(token_uid("card1")), ..all() }).await, "ba");
    let between = SessionFilter { from: Some(at(10 * MINUTE)), to: Some(at(30 * MINUTE)), ..all() };
    assert_eq!(names(between.clone()).await, "ba", "from counts, to does not");
    assert_eq!(names(SessionFilter { station: Some(station_id("CS-1")), ..between }).await, "a");
}

async fn a_page_of_sessions_is_stable_while_new_ones_start(rig: &Rig) {
    fill(rig).await;
    let filter = SessionFilter::default();
    let first = rig.store.sessions(&tenant(), &filter, &PageRequest::first(3)).await.unwrap();
    rig.store.append(&session("CS-1", "f", 60, "Card9", false)).await.unwrap();
    rig.store.append(&session("CS-1", "g", 1, "Card9", false)).await.unwrap();
    let next = PageRequest { after: first.next, limit: 3 };
    let next = rig.store.sessions(&tenant(), &filter, &next).await.unwrap();
    let names: Vec<_> = next.items.iter().map(|s| s.transaction.as_str()).collect();
    assert_eq!(names, ["a", "e", "g"]);
    assert_eq!(next.next, None);
}

async fn a_session_stays_where_it_was(rig: &Rig) {
    fill(rig).await;
    let mut moved = station("CS-1");
    moved.location_id = Some(location_id("L2"));
    assert!(rig.store.update_station(&moved, moved.updated_at).await.unwrap());
    let end = message("CS-1", "c", 1, 40 * MINUTE).register(100).ended().fact();
    rig.store.append(&[end]).await.unwrap();
    let at = |id: &str| SessionFilter { location_id: Some(location_id(id)), ..SessionFilter::default() };
    let count = async |filter: SessionFilter| {
        rig.store.sessions(&tenant(), &filter, &PageRequest::first(9)).await.unwrap().items.len()
    };
    assert_eq!((count(at("L1")).await, count(at("L2")).await), (3, 0));
    let bills = CdrFilter { location_id: Some(location_id("L1")), ..CdrFilter::default() };
    let bills = rig.store.cdrs(&tenant(), &bills, &PageRequest::first(9)).await.unwrap();
    assert_eq!(bills.items.len(), 3, "and so does its bill");
}

async fn bills_are_filtered_the_newest_first(rig: &Rig) {
    fill(rig).await;
    let names = async |filter: CdrFilter| {
        let found = all_pages(1, async |page| rig.store.cdrs(&tenant(), &filter, &page).await).await;
        found.iter().map(|c| c.transaction.as_str().to_owned()).collect::<Vec<_>>().concat()
    };
    let all = CdrFilter::default;
    assert_eq!(names(all()).await, "dba");
    assert_eq!(names(CdrFilter { station: Some(station_id("CS-1")), ..all() }).await, "da");
    assert_eq!(names(CdrFilter { location_id: Some(location_id("L1")), ..all() }).await, "da");
    assert_eq!(names(CdrFilter { token: Some(token_uid("cArD1")), ..all() }).await, "ba");
    let between = CdrFilter { from: Some(at(11 * MINUTE)), to: Some(at(21 * MINUTE)), ..all() };
    assert_eq!(names(between).await, "a", "by the instant it was made");
}

async fn what_is_not_there_is_not_found(rig: &Rig) {
    fill(rig).await;
    let nobody = ringmain_domain::id::SessionId(uuid::Uuid::new_v4());
    assert_eq!(rig.store.session(&tenant(), nobody).await.unwrap(), None);
    assert_eq!(rig.store.cdr_of(&tenant(), nobody).await.unwrap(), None);
    let nothing = ringmain_domain::id::CdrId(uuid::Uuid::new_v4());
    assert_eq!(rig.store.cdr(&tenant(), nothing).await.unwrap(), None);
}
