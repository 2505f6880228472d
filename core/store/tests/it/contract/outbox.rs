//! What others must hear of: written with the change, taken into the feed in order, read behind cursors, forgotten when all have read it.

use ringmain_domain::event::Fact;
use ringmain_domain::id::TenantId;
use ringmain_domain::location::{ConnectorStatus, Location};
use ringmain_store::feed::{FeedEnds, FeedRow, KIND_EVSE_REMOVED, KIND_LOCATION, KIND_STATION, KIND_TARIFF};
use ringmain_store::outbox::{KIND_CDR, KIND_EVSE_STATUS, KIND_SESSION};
use ringmain_store::page::PageRequest;
use ringmain_store::partners::Invitation;
use ringmain_store::partners::lanes::{Lane, PartnerStanding};
use ringmain_store::partners::lists::Window;
use ringmain_store::partners::settings::{PartnerEndpoint, PartnerEndpoints, Side};
use ringmain_store::store::StoreSettings;
use uuid::Uuid;

use crate::make::{
    MINUTE, at, driven_by, fact, location, message, other_tenant, station, status, tariff, tenant,
    whole_transaction,
};
use crate::partners::{exchange, invitation, place, registered, role};
use crate::rig::Rig;

on_both_engines!(
    a_change_comes_with_its_row,
    rows_of_tenants_without_a_partner_are_dropped,
    many_changes_are_one_object_at_its_newest_place,
    where_objects_stand_is_told_by_their_names,
    what_changes_outside_the_facts_is_told_too,
    an_evse_that_goes_is_told_where_it_stood,
    an_evse_is_told_whenever_a_session_changes_how_it_looks,
    only_roaming_drivers_sessions_and_bills_are_told,
    f42_places_are_given_once_and_seen_in_their_order,
    f41_a_bill_whose_answer_was_lost_comes_again_under_its_id,
    what_all_have_read_is_forgotten_but_no_bill,
    what_is_old_is_forgotten_in_steps,
    a_cursor_never_goes_back,
    how_it_goes_is_told_of_many_partners_at_once,
    what_was_refused_is_kept_until_it_is_taken,
    the_place_of_a_bill_that_is_sent_is_noted_first,
);

async fn feed(rig: &Rig, tenant: &TenantId, behind: i64) -> Vec<FeedRow> {
    while rig.store.feed_take_in(1_000).await.unwrap() > 0 {}
    rig.store.feed_after(tenant, behind, 1_000).await.unwrap()
}

fn names(rows: &[FeedRow]) -> Vec<(&str, &str)> {
    rows.iter().map(|row| (&*row.kind, &*row.subject)).collect()
}

async fn a_change_comes_with_its_row(rig: &Rig) {
    assert_eq!((rig.store.outbox_len().await.unwrap(), rig.store.feed_take_in(10).await.unwrap()), (0, 0));
    let facts = driven_by(whole_transaction("CS-1", "tx"), "ABC");
    let results = rig.store.append(&facts).await.unwrap();
    let session = results[3].session.clone().unwrap().id.to_string();
    assert_eq!(rig.store.outbox_len().await.unwrap(), 3);
    let cdr = results[3].cdr.unwrap().to_string();
    let rows = feed(rig, &tenant(), 0).await;
    let mut found = names(&rows);
    found.sort_unstable();
    // The connector was not known before.
    assert_eq!(found, [(KIND_CDR, &*cdr), (KIND_EVSE_STATUS, "CS-1/1"), (KIND_SESSION, &*session)]);
    for row in rows.iter().filter(|row| *row.kind != *KIND_EVSE_STATUS) {
        assert_eq!(row.changed_at, at(60 * MINUTE));
        assert_eq!(row.party.as_ref().map(|party| &*party.party_id), Some("ABC"));
    }
    assert_eq!(rig.store.outbox_len().await.unwrap(), 0);
    rig.store.append(&facts).await.unwrap();
    assert_eq!(rig.store.outbox_len().await.unwrap(), 0, "a repeat is no news");
}

async fn rows_of_tenants_without_a_partner_are_dropped(rig: &Rig) {
    let theirs = |fact: Fact| Fact { tenant: other_tenant(), ..fact };
    let ours = ["a", "b", "c"].map(|name| message("CS-1", name, 0, 0).fact());
    rig.store.append(&ours).await.unwrap();
    rig.store.append(&[theirs(status("CS-2", 0, 1, 1, ConnectorStatus::Available))]).await.unwrap();
    let partner = Invitation { tenant: other_tenant(), ..invitation(1, b"1") };
    rig.store.insert_invitation(&partner).await.unwrap();
    // One that is only invited, or of which nobody knows where it is told anything, reads everything when it comes.
    let exchange = exchange(&partner.token_hash, b"c", &[role("ABC", "EMSP")]);
    assert!(rig.store.register_partner(&other_tenant(), partner.id, &exchange).await.unwrap());
    rig.store.append(&[theirs(status("CS-2", 0, 2, 1, ConnectorStatus::Available))]).await.unwrap();
    // Three sessions, their EVSE that nobody knew, and two states.
    assert_eq!(rig.store.outbox_drop_unwanted(9).await.unwrap(), 6);
    let modules = vec![PartnerEndpoint {
        module: "locations".into(),
        side: Side::Receiver,
        url: "https://emsp.example.com/locations".into(),
    }];
    let endpoints =
        PartnerEndpoints { version: "2.2.1".into(), modules, is_token_plain: false, fetched_at: at(0) };
    let keep = async || {
        rig.store.put_partner_endpoints(&other_tenant(), partner.id, &endpoints, at(1)).await.unwrap()
    };
    assert!(keep().await && !keep().await);
    rig.store.append(&["d", "e", "f"].map(|name| message("CS-1", name, 0, 0).fact())).await.unwrap();
    rig.store.append(&[theirs(status("CS-2", 1, 1, 1, ConnectorStatus::Occupied))]).await.unwrap();
    assert_eq!(rig.store.outbox_drop_unwanted(2).await.unwrap(), 2);
    // Three sessions, and their EVSE.
    assert_eq!(rig.store.outbox_drop_unwanted(2).await.unwrap(), 2);
    assert_eq!(rig.store.outbox_drop_unwanted(2).await.unwrap(), 0);
    assert_eq!(names(&feed(rig, &other_tenant(), 0).await), [(KIND_EVSE_STATUS, "CS-2/1")]);
    rig.store.append(&[theirs(status("CS-2", 2, 1, 1, ConnectorStatus::Faulted))]).await.unwrap();
    // A partner that has left is none any more.
    assert!(rig.store.unregister_partner(&other_tenant(), partner.id, at(1)).await.unwrap());
    assert_eq!(rig.store.outbox_drop_unwanted(2).await.unwrap(), 1);
}

async fn many_changes_are_one_object_at_its_newest_place(rig: &Rig) {
    use ConnectorStatus::{Available, Occupied};
    rig.store.append(&[status("CS-1", 1, 1, 1, Occupied), status("CS-1", 2, 2, 1, Occupied)]).await.unwrap();
    rig.store.append(&[status("CS-1", 3, 1, 1, Available)]).await.unwrap();
    let first = feed(rig, &tenant(), 0).await;
    let mut found = names(&first);
    found.sort_unstable();
    assert_eq!(found, [(KIND_EVSE_STATUS, "CS-1/1"), (KIND_EVSE_STATUS, "CS-1/2")]);
    let newest = first.last().unwrap().position;
    assert_eq!(rig.store.feed_ends(&tenant()).await.unwrap(), FeedEnds { newest, forgotten: 0 });
    // Whoever has read all hears of the one that changed again; whoever was away, of each once.
    rig.store.append(&[status("CS-1", 4, 1, 1, Occupied)]).await.unwrap();
    assert_eq!(names(&feed(rig, &tenant(), newest).await), [(KIND_EVSE_STATUS, "CS-1/1")]);
    let all = feed(rig, &tenant(), 0).await;
    assert_eq!(names(&all), [(KIND_EVSE_STATUS, "CS-1/2"), (KIND_EVSE_STATUS, "CS-1/1")]);
    assert!(all.is_sorted_by_key(|row| row.position));
    assert_eq!(rig.store.feed_after(&tenant(), 0, 1).await.unwrap(), all[..1], "in pages");
    assert!(feed(rig, &other_tenant(), 0).await.is_empty());
}

async fn where_objects_stand_is_told_by_their_names(rig: &Rig) {
    use ConnectorStatus::{Available, Occupied};
    rig.store.append(&[status("CS-1", 1, 1, 1, Occupied), status("CS-1", 2, 2, 1, Occupied)]).await.unwrap();
    let before = feed(rig, &tenant(), 0).await;
    rig.store.append(&[status("CS-1", 3, 1, 1, Available)]).await.unwrap();
    let all = feed(rig, &tenant(), 0).await;
    let asked = [(KIND_EVSE_STATUS, "CS-1/1"), (KIND_EVSE_STATUS, "CS-9/1"), (KIND_STATION, "CS-1/2")];
    let found = rig.store.feed_rows(&tenant(), &asked).await.unwrap();
    assert_eq!(found, all[1..], "where it stands by now, and what is not there is absent");
    assert!(found[0].position > before[1].position);
    assert!(rig.store.feed_rows(&other_tenant(), &asked).await.unwrap().is_empty());
    assert!(rig.store.feed_rows(&tenant(), &[]).await.unwrap().is_empty());
}

async fn what_changes_outside_the_facts_is_told_too(rig: &Rig) {
    rig.store.put_location(&location("L1")).await.unwrap();
    rig.store.put_location(&location("L2")).await.unwrap();
    rig.store.put_tariff(&tariff("T1", &[])).await.unwrap();
    let mut one = station("CS-1");
    one.location_id = Some(location("L1").id);
    rig.store.insert_station(&one).await.unwrap();
    let mut told =
        names(&feed(rig, &tenant(), 0).await).iter().map(|(k, s)| format!("{k} {s}")).collect::<Vec<_>>();
    told.sort_unstable();
    assert_eq!(told, ["location L1", "location L2", "tariff T1"]);
    let mut behind = rig.store.feed_ends(&tenant()).await.unwrap().newest;
    let mut news = async || {
        let rows = feed(rig, &tenant(), behind).await;
        behind = rows.last().map_or(behind, |row| row.position);
        let mut told: Vec<_> = rows.into_iter().map(|row| (row.kind, row.subject)).collect();
        told.sort_unstable();
        told
    };
    let of =
        |rows: &[(&str, &str)]| rows.iter().map(|(k, s)| (Box::from(*k), Box::from(*s))).collect::<Vec<_>>();
    let connected = || {
        use ringmain_domain::event::DomainEvent;
        use ringmain_domain::id::Epoch;
        fact(
            "CS-1",
            1,
            DomainEvent::StationConnected { ocpp_version: "ocpp2.0.1".into(), epoch: Epoch(1), node: None },
        )
    };
    rig.store.append(&[connected()]).await.unwrap();
    assert_eq!(news().await, of(&[(KIND_STATION, "CS-1")]));
    rig.store.append(&[connected()]).await.unwrap();
    assert_eq!(news().await, of(&[]), "it is as it was");
    rig.execute("UPDATE stations SET location_id = 'L2' WHERE id = 'CS-1'").await;
    assert_eq!(news().await, of(&[(KIND_LOCATION, "L1"), (KIND_STATION, "CS-1")]));
    assert!(rig.store.delete_location(&tenant(), &location("L1").id).await.unwrap());
    let renamed = Location { name: "Another".into(), ..location("L2") };
    rig.store.put_location(&renamed).await.unwrap();
    rig.store.put_tariff(&tariff("T1", &[])).await.unwrap();
    assert_eq!(news().await, of(&[(KIND_LOCATION, "L1"), (KIND_LOCATION, "L2"), (KIND_TARIFF, "T1")]));
    assert!(rig.store.delete_tariff(&tenant(), &tariff("T1", &[]).id).await.unwrap());
    assert_eq!(news().await, of(&[(KIND_TARIFF, "T1")]));
    // What is kept beside a location, load limits before all, is no news of it, and neither is the same once more.
    assert!(rig.store.put_location_access(&tenant(), &renamed.id, &[], at(5)).await.unwrap());
    rig.store.put_location(&renamed).await.unwrap();
    assert_eq!(news().await, of(&[]));
}

/// It is in no list any more, so somebody must say that it is gone; and who lists what changed since sees the location without it.
async fn an_evse_that_goes_is_told_where_it_stood(rig: &Rig) {
    place(rig, "L1", "CS-1", &[(0, 0), (1, 1), (1, 2), (2, 1)]).await;
    rig.store.put_location(&location("L2")).await.unwrap();
    let mut behind = feed(rig, &tenant(), 0).await.last().unwrap().position;
    let mut gone = async || {
        let rows = feed(rig, &tenant(), behind).await;
        behind = rows.last().map_or(behind, |row| row.position);
        let gone = rows.iter().filter(|row| *row.kind == *KIND_EVSE_REMOVED);
        let mut gone: Vec<_> = gone.map(|row| row.subject.to_string()).collect();
        gone.sort_unstable();
        (gone, rows.iter().any(|row| *row.kind == *KIND_LOCATION))
    };
    let both = |at: &str| (vec![format!("{at}/CS-1/1"), format!("{at}/CS-1/2")], true);
    rig.execute("UPDATE stations SET name = 'Another' WHERE id = 'CS-1'").await;
    assert_eq!(gone().await, (Vec::new(), false));
    rig.execute("UPDATE stations SET registration = 'rejected' WHERE id = 'CS-1'").await;
    assert_eq!(gone().await, both("L1"));
    let window = Window { from: Some(at(1)), to: None, skip: 0 };
    let read =
        rig.store.published_locations(&tenant(), at(0), &window, &PageRequest::first(9)).await.unwrap();
    assert_eq!(read.items.len(), 1);
    assert!(read.items[0].connectors.is_empty() && read.items[0].location.updated_at > at(1));
    rig.execute("UPDATE stations SET registration = 'accepted' WHERE id = 'CS-1'").await;
    assert_eq!(gone().await, (Vec::new(), false), "it is back");
    rig.execute("UPDATE stations SET location_id = 'L2' WHERE id = 'CS-1'").await;
    assert_eq!(gone().await, both("L1"));
    assert!(rig.store.delete_station(&tenant(), &station("CS-1").id).await.unwrap());
    assert_eq!(gone().await, both("L2"));
}

/// A partner that was told CHARGING hears of the end too, though the connector itself says nothing new.
async fn an_evse_is_told_whenever_a_session_changes_how_it_looks(rig: &Rig) {
    use ringmain_domain::report::ChargingState::{Charging, SuspendedEv};
    place(rig, "L1", "CS-1", &[(1, 1), (1, 2), (2, 1)]).await;
    let mut behind = feed(rig, &tenant(), 0).await.last().unwrap().position;
    let message = |number: u32| message("CS-1", "tx", number, i64::from(number) * MINUTE);
    let begins = message(0).token("Card1").register(0).state(Charging);
    let steps = [
        (status("CS-1", 1, 1, 1, ConnectorStatus::Available), None),
        (begins.fact(), Some((0, Some(true)))),
        (message(1).register(500).fact(), None),
        (message(2).state(SuspendedEv).fact(), Some((2, Some(false)))),
        (message(3).evse(None).state(Charging).fact(), Some((3, Some(true)))),
        (message(4).evse(None).ended().fact(), Some((4, None))),
    ];
    for (step, (fact, told)) in steps.into_iter().enumerate() {
        let is_status = step == 0;
        rig.store.append(&[fact]).await.unwrap();
        let rows = feed(rig, &tenant(), behind).await;
        behind = rows.last().map_or(behind, |row| row.position);
        let told_of = rows.iter().filter(|row| *row.kind == *KIND_EVSE_STATUS && *row.subject == *"CS-1/1");
        assert_eq!(told_of.count() == 1, told.is_some() || is_status, "{step}: {rows:?}");
        let Some((minute, flows)) = told else { continue };
        let since = at(minute * MINUTE);
        let location = location("L1").id;
        let published = rig.store.published_location(&tenant(), at(0), &location).await.unwrap().unwrap();
        let looks: Vec<_> = published.connectors.iter().map(|c| (c.evse.0, c.energy_flows)).collect();
        assert_eq!(looks, [(1, flows), (1, flows), (2, None)], "{step}");
        assert!(published.connectors[..2].iter().all(|c| c.changed_at == since), "{step}");
        for (from, expect) in [(since, 1), (since.plus_millis(1), 0)] {
            let window = Window { from: Some(from), to: None, skip: 0 };
            let page = PageRequest::first(9);
            let read = rig.store.published_locations(&tenant(), at(0), &window, &page).await.unwrap();
            assert_eq!(read.items.len(), expect, "{step}");
        }
    }
}

async fn only_roaming_drivers_sessions_and_bills_are_told(rig: &Rig) {
    rig.store.append(&whole_transaction("CS-1", "ours")).await.unwrap();
    assert_eq!(rig.store.outbox_len().await.unwrap(), 3);
    assert_eq!(names(&feed(rig, &tenant(), 0).await), [(KIND_EVSE_STATUS, "CS-1/1")]);
    assert_eq!(rig.store.outbox_len().await.unwrap(), 0);
}

async fn f42_places_are_given_once_and_seen_in_their_order(rig: &Rig) {
    let facts: Vec<_> = (1..=60).map(|n| status("CS-1", 0, n, 1, ConnectorStatus::Available)).collect();
    rig.store.append(&facts).await.unwrap();
    let other = rig.open_again(StoreSettings::default()).await;
    let mut tasks = Vec::new();
    for number in 0..20 {
        let store = if number % 2 == 0 { rig.store.clone() } else { other.clone() };
        tasks.push(tokio::spawn(async move {
            store.feed_take_in(4).await.unwrap();
            // Whoever reads sees places without a gap: what comes later stands behind.
            let seen = store.feed_after(&tenant(), 0, 1_000).await.unwrap();
            assert!(seen.iter().map(|row| row.position).eq(1..=i64::try_from(seen.len()).unwrap()));
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let all = feed(rig, &tenant(), 0).await;
    assert!(all.iter().map(|row| row.position).eq(1..=60));
    let subjects: std::collections::BTreeSet<_> = all.iter().map(|row| row.subject.clone()).collect();
    assert_eq!(subjects.len(), 60);
}

/// A worker moves its cursor after the answer: without one it reads the same bill again, and the partner knows its id.
async fn f41_a_bill_whose_answer_was_lost_comes_again_under_its_id(rig: &Rig) {
    let facts = driven_by(whole_transaction("CS-1", "tx"), "ABC");
    let bill = rig.store.append(&facts).await.unwrap()[3].cdr.unwrap().to_string();
    for attempt in 0..2 {
        let rows = feed(rig, &tenant(), 0).await;
        let bills: Vec<_> = names(&rows).into_iter().filter(|(kind, _)| *kind == KIND_CDR).collect();
        assert_eq!(bills, [(KIND_CDR, &*bill)], "attempt {attempt}");
    }
}

async fn what_all_have_read_is_forgotten_but_no_bill(rig: &Rig) {
    let partner = registered(rig, 1, &[role("ABC", "EMSP")]).await;
    rig.store.append(&driven_by(whole_transaction("CS-1", "tx"), "ABC")).await.unwrap();
    rig.store.append(&[status("CS-1", 0, 1, 1, ConnectorStatus::Available)]).await.unwrap();
    let rows = feed(rig, &tenant(), 0).await;
    assert_eq!(rows.len(), 3, "an EVSE, a session and a bill");
    assert_eq!(rig.store.feed_forget(&tenant(), at(0)).await.unwrap(), 0, "too young");
    assert_eq!(rig.store.feed_forget(&tenant(), at(MINUTE * 61)).await.unwrap(), 2);
    let left = feed(rig, &tenant(), 0).await;
    assert_eq!(left.iter().map(|row| &*row.kind).collect::<Vec<_>>(), [KIND_CDR]);
    let forgotten = rows.iter().filter(|row| *row.kind != *KIND_CDR).map(|row| row.position).max().unwrap();
    assert_eq!(rig.store.feed_ends(&tenant()).await.unwrap().forgotten, forgotten);
    let passed = [(partner, Lane::Cdrs, left[0].position)];
    rig.store.advance_partner_cursors(&tenant(), &passed, at(1)).await.unwrap();
    assert_eq!(rig.store.feed_forget(&tenant(), at(MINUTE * 61)).await.unwrap(), 1);
}

/// More than one commit forgets, and some that must stay among them.
async fn what_is_old_is_forgotten_in_steps(rig: &Rig) {
    registered(rig, 1, &[role("ABC", "EMSP")]).await;
    rig.store.append(&driven_by(whole_transaction("CS-1", "tx"), "ABC")).await.unwrap();
    for of_ten in 0..10 {
        let facts: Vec<_> =
            (1..=250).map(|n| status("CS-2", 0, of_ten * 250 + n, 1, ConnectorStatus::Available)).collect();
        rig.store.append(&facts).await.unwrap();
    }
    while rig.store.feed_take_in(1_000).await.unwrap() > 0 {}
    assert_eq!(rig.count("feed").await, 2_503);
    assert_eq!(rig.store.feed_forget(&tenant(), at(MINUTE * 61)).await.unwrap(), 2_502);
    assert_eq!(names(&feed(rig, &tenant(), 0).await).len(), 1);
}

async fn a_cursor_never_goes_back(rig: &Rig) {
    rig.store.append(&[status("CS-1", 0, 1, 1, ConnectorStatus::Available)]).await.unwrap();
    let newest = feed(rig, &tenant(), 0).await[0].position;
    let partner = registered(rig, 1, &[role("ABC", "EMSP")]).await;
    for lane in Lane::ALL {
        let cursor = async || rig.store.partner_cursor(&tenant(), partner, lane).await.unwrap();
        assert_eq!(cursor().await, Some(newest), "what is there it reads by itself");
        for (to, expect) in [(newest + 5, newest + 5), (newest + 2, newest + 5)] {
            rig.store.advance_partner_cursors(&tenant(), &[(partner, lane, to)], at(1)).await.unwrap();
            assert_eq!(cursor().await, Some(expect));
        }
    }
    // A mark of other work is no lane.
    rig.store.note_bill_posting(&tenant(), partner, newest, at(1)).await.unwrap();
    let cursors = rig.store.partner_cursors(&tenant(), partner).await.unwrap();
    assert_eq!(cursors, Lane::ALL.map(|lane| (lane, newest + 5, at(1))));
    rig.store.unregister_partner(&tenant(), partner, at(2)).await.unwrap();
    assert_eq!(rig.store.partner_cursor(&tenant(), partner, Lane::Cdrs).await.unwrap(), None);
    let both = [(partner, Lane::Cdrs, 99), (Uuid::from_u128(9), Lane::Cdrs, 99)];
    rig.store.advance_partner_cursors(&tenant(), &both, at(3)).await.unwrap();
    assert_eq!(rig.store.partner_cursor(&tenant(), partner, Lane::Cdrs).await.unwrap(), None);
}

async fn how_it_goes_is_told_of_many_partners_at_once(rig: &Rig) {
    let [one, two, silent] = [1, 2, 3].map(Uuid::from_u128);
    let called = PartnerStanding { called_at: Some(at(1)), ..PartnerStanding::default() };
    rig.store.note_partner_standing(&tenant(), one, &called).await.unwrap();
    let failed = |second, why: &str| PartnerStanding {
        failed_at: Some(at(second)),
        failure: Some(why.into()),
        ..PartnerStanding::default()
    };
    rig.store.note_partner_standing(&tenant(), one, &failed(2, "HTTP 500")).await.unwrap();
    rig.store.note_partner_standing(&tenant(), two, &failed(3, "away")).await.unwrap();
    let standings = rig.store.partner_standings(&tenant(), &[one, two, silent]).await.unwrap();
    let both = PartnerStanding { called_at: Some(at(1)), ..failed(2, "HTTP 500") };
    assert_eq!(standings, [(one, both), (two, failed(3, "away"))].into());
    assert_eq!(rig.store.partner_standing(&tenant(), silent).await.unwrap(), PartnerStanding::default());
    assert!(rig.store.partner_standings(&other_tenant(), &[one]).await.unwrap().is_empty());
}

async fn what_was_refused_is_kept_until_it_is_taken(rig: &Rig) {
    let partner = registered(rig, 1, &[role("ABC", "EMSP")]).await;
    let (own_tenant, key) = (tenant(), (KIND_LOCATION, "L1"));
    let of = (&own_tenant, partner);
    let letters = async || {
        let first = ringmain_store::page::PageRequest::first(9);
        rig.store.dead_letters(&tenant(), partner, &first).await.unwrap().items
    };
    assert!(!rig.store.retry_dead_letter(of, key, at(1)).await.unwrap());
    assert_eq!(rig.store.outbox_len().await.unwrap(), 0, "nothing to send again");
    rig.store.put_dead_letter(of, key, "no", at(1)).await.unwrap();
    assert!(rig.store.retry_dead_letter(of, key, at(2)).await.unwrap());
    assert_eq!(names(&feed(rig, &tenant(), 0).await), [key]);
    // Refused again: how often it was tried stays.
    rig.store.put_dead_letter(of, key, "still no", at(3)).await.unwrap();
    let kept = letters().await;
    assert_eq!((kept[0].retries, kept[0].retried_at, kept[0].refused_at), (1, Some(at(2)), at(3)));
    assert_eq!(*kept[0].reason, *"still no");
    rig.store.settle_dead_letter(of, key).await.unwrap();
    assert!(letters().await.is_empty());
}

async fn the_place_of_a_bill_that_is_sent_is_noted_first(rig: &Rig) {
    let partner = registered(rig, 1, &[role("ABC", "EMSP")]).await;
    assert_eq!(rig.store.bills_posted(&tenant(), partner).await.unwrap(), None);
    for (place, when, expect) in [(7, 1, 7), (3, 2, 7), (9, 3, 9)] {
        rig.store.note_bill_posting(&tenant(), partner, place, at(when)).await.unwrap();
        let noted = rig.store.bills_posted(&tenant(), partner).await.unwrap();
        assert_eq!(noted, Some((expect, at(when))), "never back");
    }
    assert_eq!(rig.store.bills_posted(&other_tenant(), partner).await.unwrap(), None);
}
