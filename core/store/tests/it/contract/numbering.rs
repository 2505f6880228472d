//! Numbers of 1.6 transactions (reliability F01, F03, F14).

use ringmain_domain::event::{DomainEvent, Fact};
use ringmain_domain::report::MessageKey;
use ringmain_domain::session::SessionStatus;
use ringmain_domain::transaction::TransactionFact;
use ringmain_store::store::{StoreError, StoreSettings};

use crate::make::{MINUTE, message, own_evse, station_id, tenant, transaction_id};
use crate::rig::Rig;

on_both_engines!(
    retried_start_gets_the_same_number,
    retried_start_gets_the_same_number_at_another_node,
    a_taken_number_is_passed_over,
    starts_of_a_batch_get_different_numbers,
    another_station_may_have_the_same_number,
    a_start_without_a_free_number_is_refused,
    f14_another_stations_number_is_an_orphan_and_a_security_event,
    f12_a_message_without_a_number_finds_the_only_open_transaction,
    the_stored_fact_has_its_number,
);

fn start(station: &'static str, key: &str, millis: i64, candidates: [i32; 4]) -> Fact {
    message(station, "x", 0, millis).evse(Some(own_evse(key))).register(100).numbered(key, candidates).fact()
}

async fn given(rig: &Rig, fact: Fact) -> String {
    let result = rig.store.append(&[fact]).await.unwrap().remove(0);
    result.transaction.unwrap().as_str().to_owned()
}

async fn retried_start_gets_the_same_number(rig: &Rig) {
    let first = rig.store.append(&[start("CS-1", "k", 0, [5, 6, 7, 8])]).await.unwrap().remove(0);
    assert_eq!(first.transaction.as_ref().unwrap().as_str(), "5");
    assert!(first.fresh);
    let again = rig.store.append(&[start("CS-1", "k", MINUTE, [5, 6, 7, 8])]).await.unwrap().remove(0);
    assert!(!again.fresh && !again.conflict);
    assert_eq!(again.transaction, first.transaction);
    assert_eq!(again.session, first.session);
    assert_eq!(rig.count("sessions").await, 1);
}

async fn retried_start_gets_the_same_number_at_another_node(rig: &Rig) {
    let other = rig.open_again(StoreSettings::default()).await;
    let number = given(rig, start("CS-1", "k", 0, [5, 6, 7, 8])).await;
    // Even if the other node proposes something else.
    let there = other.append(&[start("CS-1", "k", 1, [9, 6, 7, 8])]).await.unwrap().remove(0);
    assert_eq!(there.transaction.unwrap().as_str(), number);
    assert!(!there.fresh);
}

async fn a_taken_number_is_passed_over(rig: &Rig) {
    assert_eq!(given(rig, start("CS-1", "a", 0, [5, 6, 7, 8])).await, "5");
    assert_eq!(given(rig, start("CS-1", "b", 1, [5, 6, 7, 8])).await, "6");
    assert_eq!(given(rig, start("CS-1", "c", 2, [6, 5, 8, 7])).await, "8");
    assert_eq!(given(rig, start("CS-1", "b", 3, [5, 6, 7, 8])).await, "6", "still");
}

async fn starts_of_a_batch_get_different_numbers(rig: &Rig) {
    let facts = [
        start("CS-1", "a", 0, [5, 6, 7, 8]),
        start("CS-1", "b", 1, [5, 6, 7, 8]),
        start("CS-1", "a", 2, [5, 6, 7, 8]),
        start("CS-2", "a", 3, [5, 6, 7, 8]),
    ];
    let results = rig.store.append(&facts).await.unwrap();
    let numbers: Vec<_> = results.iter().map(|r| r.transaction.as_ref().unwrap().as_str()).collect();
    assert_eq!(numbers, ["5", "6", "5", "5"]);
    assert_eq!(results.iter().map(|r| r.fresh).collect::<Vec<_>>(), [true, true, false, true]);
    assert_eq!(rig.count("sessions").await, 3);
}

async fn another_station_may_have_the_same_number(rig: &Rig) {
    assert_eq!(given(rig, start("CS-1", "a", 0, [5, 6, 7, 8])).await, "5");
    assert_eq!(given(rig, start("CS-2", "b", 0, [5, 6, 7, 8])).await, "5");
    assert_eq!(rig.count("sessions").await, 2);
}

async fn a_start_without_a_free_number_is_refused(rig: &Rig) {
    for key in ["a", "b", "c", "d"] {
        given(rig, start("CS-1", key, 0, [5, 6, 7, 8])).await;
    }
    let error = rig.store.append(&[start("CS-1", "e", 0, [5, 6, 7, 8])]).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict { .. }), "{error}");
    assert_eq!(given(rig, start("CS-1", "e", 0, [5, 6, 7, 9])).await, "9");
}

async fn the_stored_fact_has_its_number(rig: &Rig) {
    given(rig, start("CS-1", "a", 0, [5, 6, 7, 8])).await;
    given(rig, start("CS-1", "b", 0, [5, 6, 7, 8])).await;
    let facts = async |number: &str| {
        rig.store.transaction_facts(&tenant(), &station_id("CS-1"), &transaction_id(number)).await.unwrap()
    };
    let stored = facts("6").await;
    assert_eq!((stored.len(), stored[0].transaction.as_str()), (1, "6"));
    assert_eq!(facts("5").await.len(), 1);
    // What follows names the number and finds its session.
    let mut stop = message("CS-1", "6", 1, MINUTE).register(400).ended().into_told();
    stop.key = MessageKey::Stop;
    let stop = crate::make::fact("CS-1", MINUTE, DomainEvent::Transaction(stop));
    let result = rig.store.append(&[stop]).await.unwrap().remove(0);
    assert_eq!(result.session.as_ref().unwrap().energy.0, 300);
    assert!(result.cdr.is_some());
    assert_eq!(
        facts("6").await.iter().map(|f| f.key.clone()).collect::<Vec<_>>(),
        [MessageKey::Start, MessageKey::Stop]
    );
}

/// A 1.6 stop under this number.
fn stop(station: &'static str, number: &str, millis: i64, register: i64) -> TransactionFact {
    let mut stop = message(station, number, 1, millis).ended().evse(None).register(register).into_told();
    stop.key = MessageKey::Stop;
    stop.connector = None;
    stop
}

async fn f14_another_stations_number_is_an_orphan_and_a_security_event(rig: &Rig) {
    given(rig, start("CS-1", "k", 0, [5, 6, 7, 8])).await;
    let theirs = crate::make::fact("CS-2", MINUTE, DomainEvent::Transaction(stop("CS-2", "5", MINUTE, 900)));
    let result = rig.store.append(&[theirs]).await.unwrap();
    assert_eq!(result.len(), 1);
    assert!(result[0].stranger && result[0].session.is_none());
    assert_eq!((rig.count("sessions").await, rig.count("orphans").await), (1, 1));
    assert_eq!(rig.count("events WHERE name = 'security_event_reported' AND station = 'CS-2'").await, 1);
    // A number nobody was ever given is somebody's transaction from before us: kept for a person to look at.
    let unknown =
        crate::make::fact("CS-2", MINUTE, DomainEvent::Transaction(stop("CS-2", "77", MINUTE, 900)));
    let result = rig.store.append(&[unknown]).await.unwrap().remove(0);
    assert_eq!(result.session.unwrap().status, SessionStatus::UnderReview);
}

async fn f12_a_message_without_a_number_finds_the_only_open_transaction(rig: &Rig) {
    let orphan = |millis, register| {
        let fact = stop("CS-1", "-1", millis, register);
        crate::make::fact("CS-1", millis, DomainEvent::OrphanReported { named: None, fact })
    };
    given(rig, start("CS-1", "k", 0, [5, 6, 7, 8])).await;
    for misfit in [orphan(-MINUTE, 5_000), orphan(MINUTE, 50)] {
        assert_eq!(rig.store.append(&[misfit]).await.unwrap().remove(0).session, None);
    }
    let adopted = rig.store.append(&[orphan(60 * MINUTE, 5_100)]).await.unwrap().remove(0);
    let session = adopted.session.unwrap();
    assert_eq!((session.transaction.as_str(), session.status), ("5", SessionStatus::Completed));
    assert!(adopted.cdr.is_some());
    // Of two open ones nobody can say which is meant.
    given(rig, start("CS-1", "l", 61 * MINUTE, [15, 6, 7, 8])).await;
    given(rig, start("CS-1", "m", 62 * MINUTE, [16, 6, 7, 8])).await;
    assert_eq!(rig.store.append(&[orphan(90 * MINUTE, 9_000)]).await.unwrap().remove(0).session, None);
}
