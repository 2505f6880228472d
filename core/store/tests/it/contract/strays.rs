//! What waits for a person: sessions under review, messages without a transaction, repeats that contradict.

use ringmain_domain::event::{DomainEvent, Fact};
use ringmain_domain::report::UnreadableMessage;
use ringmain_domain::ruling::Ruling;
use ringmain_store::page::PageRequest;
use ringmain_store::strays::StrayCounts;

use crate::make::{
    MINUTE, all_pages, at, fact, message, other_tenant, station_id, tenant, transaction_id, whole_transaction,
};
use crate::rig::Rig;

on_both_engines!(
    sessions_under_review_come_oldest_first_and_are_counted,
    orphans_are_listed_the_latest_first,
    contradictions_are_listed_beside_what_counts,
    unreadable_messages_are_listed_the_latest_first,
);

/// A session without any reading: a person must look.
fn doubtful(name: &str, minute: i64) -> Vec<Fact> {
    let message = |sequence, minute| message("CS-1", name, sequence, minute * MINUTE).evse(None);
    vec![message(0, minute).fact(), message(1, minute + 1).ended().fact()]
}

async fn sessions_under_review_come_oldest_first_and_are_counted(rig: &Rig) {
    let all = [doubtful("b", 20), doubtful("c", 20), doubtful("a", 10), whole_transaction("CS-2", "fine")];
    for facts in all {
        rig.store.append(&facts).await.unwrap();
    }
    let list = async |page| rig.store.sessions_under_review(&tenant(), &page).await;
    let names = all_pages(1, list).await;
    let names: Vec<_> = names.iter().map(|session| session.transaction.as_str()).collect();
    assert!(names == ["a", "b", "c"] || names == ["a", "c", "b"], "{names:?}");
    assert_eq!(rig.store.count_under_review(&tenant(), 100).await.unwrap(), 3);
    assert_eq!(rig.store.count_under_review(&tenant(), 2).await.unwrap(), 2, "counted up to that");
    assert_eq!(rig.store.count_under_review(&other_tenant(), 100).await.unwrap(), 0);
    let ruling = Ruling::Approved { by: "ann".into(), note: "read at the meter".into(), seen: None };
    let ruling = DomainEvent::Transaction(ruling.into_fact(transaction_id("a"), at(60 * MINUTE)));
    rig.store.append(&[fact("CS-1", 60 * MINUTE, ruling)]).await.unwrap();
    assert_eq!(rig.store.count_under_review(&tenant(), 100).await.unwrap(), 2);
    assert!(
        rig.store
            .sessions_under_review(&other_tenant(), &PageRequest::first(9))
            .await
            .unwrap()
            .items
            .is_empty()
    );
}

async fn orphans_are_listed_the_latest_first(rig: &Rig) {
    let orphan = |content: &str, minute: i64| {
        let told = message("CS-1", "0", 1, minute * MINUTE).content(content).into_told();
        let event = DomainEvent::OrphanReported { named: Some(content.into()), fact: told };
        fact("CS-1", minute * MINUTE, event)
    };
    let facts = [orphan("a", 1), orphan("b", 3), orphan("c", 2), orphan("d", 3)];
    rig.store.append(&facts).await.unwrap();
    let found = all_pages(2, async |page| rig.store.orphans(&tenant(), &page).await).await;
    let named: Vec<_> = found.iter().map(|orphan| orphan.named.as_deref().unwrap()).collect();
    assert_eq!(named, ["d", "b", "c", "a"]);
    assert_eq!((&found[0].station, found[0].received_at), (&station_id("CS-1"), at(3 * MINUTE)));
    assert_eq!(&*found[3].fact.content, "a");
    assert!(rig.store.orphans(&other_tenant(), &PageRequest::first(9)).await.unwrap().items.is_empty());
    let counts = rig.store.count_strays(&tenant(), 3).await.unwrap();
    assert_eq!(counts, StrayCounts { orphans: 3, ..StrayCounts::default() }, "counted up to 3");
    assert_eq!(rig.store.count_strays(&other_tenant(), 3).await.unwrap(), StrayCounts::default());
}

async fn contradictions_are_listed_beside_what_counts(rig: &Rig) {
    for name in ["tx", "ty"] {
        rig.store.append(&whole_transaction("CS-1", name)).await.unwrap();
    }
    let other_end = |name: &str, content: &str, minute: i64| {
        let told = message("CS-1", name, 3, minute * MINUTE).register(99_000).ended().content(content);
        told.fact()
    };
    let facts = [other_end("tx", "x", 70), other_end("tx", "y", 80), other_end("ty", "z", 75)];
    rig.store.append(&facts).await.unwrap();
    let found = all_pages(1, async |page| rig.store.contradictions(&tenant(), &page).await).await;
    let contents: Vec<_> = found.iter().map(|one| &*one.fact.content).collect();
    assert_eq!(contents, ["y", "z", "x"]);
    let of = async |name: &str| {
        let found = rig.store.contradictions_of(&tenant(), &station_id("CS-1"), &transaction_id(name)).await;
        found.unwrap().iter().map(|one| one.fact.content.to_string()).collect::<Vec<_>>()
    };
    assert_eq!((of("tx").await, of("ty").await), (vec!["x".into(), "y".into()], vec!["z".into()]));
    assert!(of("tz").await.is_empty());
    let counts = rig.store.count_strays(&tenant(), 100).await.unwrap();
    assert_eq!(counts, StrayCounts { contradictions: 3, ..StrayCounts::default() });
    assert!(
        rig.store.contradictions(&other_tenant(), &PageRequest::first(9)).await.unwrap().items.is_empty()
    );
}

async fn unreadable_messages_are_listed_the_latest_first(rig: &Rig) {
    let unreadable = |station: &str, minute: i64, payload: &str| {
        let message = UnreadableMessage { action: "StopTransaction".into(), payload: payload.into() };
        fact(station, minute * MINUTE, DomainEvent::UnreadableKept(message))
    };
    let long = "\u{20ac}".repeat(20_000);
    let facts = [
        unreadable("CS-1", 1, r#"{"transactionId":"seven"}"#),
        unreadable("CS-2", 3, "{}"),
        unreadable("CS-1", 2, &long),
        unreadable("CS-1", 3, "{}"),
        unreadable("CS-1", 3, "[]"),
        fact("CS-1", 4 * MINUTE, DomainEvent::StationSeen),
    ];
    rig.store.append(&facts).await.unwrap();
    let found = all_pages(2, async |page| rig.store.unreadable(&tenant(), &page).await).await;
    let stations: Vec<_> = found.iter().map(|one| one.station.as_str()).collect();
    assert_eq!(stations, ["CS-2", "CS-1", "CS-1", "CS-1", "CS-1"]);
    assert_eq!((&*found[1].payload, &*found[2].payload), ("[]", "{}"));
    assert_eq!((found[3].payload.chars().count(), found[3].is_cut), (4_096, true));
    let first = &found[4];
    assert_eq!((&*first.action, &*first.payload), ("StopTransaction", r#"{"transactionId":"seven"}"#));
    assert_eq!((first.is_cut, first.received_at), (false, at(MINUTE)));
    assert!(rig.store.unreadable(&other_tenant(), &PageRequest::first(9)).await.unwrap().items.is_empty());
    let counts = rig.store.count_strays(&tenant(), 100).await.unwrap();
    assert_eq!(counts, StrayCounts { unreadable: 5, ..StrayCounts::default() });
}
