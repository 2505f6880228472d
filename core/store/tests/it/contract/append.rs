//! Facts: what is new, what repeats, what contradicts; all of a batch or nothing.

use ringmain_domain::event::{DomainEvent, Fact};
use ringmain_domain::id::{EvseId, StationId};
use ringmain_domain::report::{MessageKey, SecurityEvent, TransactionPhase};
use ringmain_domain::session::{SessionFlag, SessionStatus};
use ringmain_domain::transaction::TransactionFact;
use ringmain_store::batch::{Appended, MAX_BATCH};
use ringmain_store::store::StoreError;

use crate::make::{
    MINUTE, at, fact, message, other_tenant, station, station_id, tenant, transaction_id, whole_transaction,
};
use crate::rig::Rig;

on_both_engines!(
    nothing_appended_is_nothing,
    a_batch_has_a_bound,
    a_full_batch_is_stored_in_order,
    a_repeat_has_no_effect,
    a_contradiction_is_kept_and_counts_for_nothing,
    facts_of_a_batch_see_each_other,
    a_repeat_within_a_batch_counts_once,
    order_of_arrival_does_not_matter,
    facts_are_read_in_the_order_of_their_keys,
    an_orphan_is_kept_once,
    facts_of_unknown_stations_are_kept,
    a_fact_without_a_key_is_kept_as_it_is,
    texts_postgres_cannot_hold_are_mended,
    a_poison_fact_leaves_nothing_behind,
    a_fact_is_the_tenants,
);

fn numbered(result: &Appended) -> &str {
    result.transaction.as_ref().unwrap().as_str()
}

async fn nothing_appended_is_nothing(rig: &Rig) {
    assert!(rig.store.append(&[]).await.unwrap().is_empty());
}

async fn a_batch_has_a_bound(rig: &Rig) {
    let facts: Vec<Fact> =
        (0..=MAX_BATCH).map(|n| fact("CS-1", n as i64, DomainEvent::StationSeen)).collect();
    assert!(matches!(rig.store.append(&facts).await, Err(StoreError::Conflict { .. })));
    assert_eq!(rig.count("events").await, 0);
    assert_eq!(rig.store.append(&facts[1..]).await.unwrap().len(), MAX_BATCH);
    assert_eq!(rig.count("events").await, 256);
}

async fn a_full_batch_is_stored_in_order(rig: &Rig) {
    let transactions: Vec<String> = (0..64).map(|n| format!("tx{n}")).collect();
    let mut facts = Vec::new();
    for sequence in 0..4 {
        for transaction in &transactions {
            let at = i64::from(sequence) * MINUTE;
            let next = message("CS-1", transaction, sequence, at).register(i64::from(sequence) * 100);
            facts.push(if sequence == 3 { next.ended().fact() } else { next.fact() });
        }
    }
    assert_eq!(facts.len(), MAX_BATCH);
    let results = rig.store.append(&facts).await.unwrap();
    for (index, result) in results.iter().enumerate() {
        assert_eq!(numbered(result), transactions[index % 64], "{index}");
        let session = result.session.as_ref().unwrap();
        assert_eq!((session.facts, session.energy.0), (4, 300));
        assert!(result.fresh && !result.conflict);
        assert_eq!(result.cdr.is_some(), index >= 192, "the end completes the bill");
    }
    assert_eq!(rig.count("transaction_events").await, 256);
    assert_eq!(rig.count("events").await, 256);
    assert_eq!(rig.count("sessions").await, 64);
    assert_eq!(rig.count("cdrs").await, 64);
    // A session and a bill for each transaction, and the EVSE nobody knew.
    assert_eq!(rig.count("outbox").await, 129);
}

async fn a_repeat_has_no_effect(rig: &Rig) {
    let all = whole_transaction("CS-1", "tx");
    let first = rig.store.append(&all).await.unwrap();
    let cdr = first[3].cdr.unwrap();
    // As a station repeats it: a little later, and marked as from its queue.
    let mut later = all.clone();
    for fact in &mut later {
        fact.received_at = fact.received_at.plus_millis(5_000);
    }
    let again = rig.store.append(&later).await.unwrap();
    for (result, before) in again.iter().zip(&first) {
        let expect = Appended { fresh: false, cdr: None, ..before.clone() };
        assert_eq!(*result, expect);
    }
    for table in ["transaction_events", "events"] {
        assert_eq!(rig.count(table).await, 4, "{table}");
    }
    assert_eq!(rig.count("transaction_conflicts").await, 0);
    assert_eq!(rig.count("cdrs").await, 1);
    assert_eq!(rig.store.cdr(&tenant(), cdr).await.unwrap().unwrap().created_at, at(60 * MINUTE));
}

async fn a_contradiction_is_kept_and_counts_for_nothing(rig: &Rig) {
    let all = whole_transaction("CS-1", "tx");
    rig.store.append(&all).await.unwrap();
    let other_end = || message("CS-1", "tx", 3, 60 * MINUTE).register(99_000).ended().content("other");
    let result = rig.store.append(&[other_end().fact()]).await.unwrap().remove(0);
    assert!(!result.fresh && result.conflict && result.cdr.is_none());
    assert_eq!(result.session.unwrap().energy.0, 10_000);
    assert_eq!(rig.count("transaction_conflicts").await, 1);
    assert_eq!(rig.count("events").await, 4);
    // Repeated, it is kept once.
    assert!(rig.store.append(&[other_end().fact()]).await.unwrap()[0].conflict);
    assert_eq!(rig.count("transaction_conflicts").await, 1);
    // Another one is kept beside it.
    rig.store
        .append(&[other_end().content("third").fact(), other_end().content("third").fact()])
        .await
        .unwrap();
    assert_eq!(rig.count("transaction_conflicts").await, 2);
    assert_eq!(rig.count("cdrs").await, 1);
}

async fn facts_of_a_batch_see_each_other(rig: &Rig) {
    let all = whole_transaction("CS-1", "tx");
    let results = rig.store.append(&all).await.unwrap();
    let session = results[0].session.clone().unwrap();
    assert_eq!((session.status, session.facts, session.energy.0), (SessionStatus::Completed, 4, 10_000));
    assert_eq!(rig.store.session(&tenant(), session.id).await.unwrap(), Some(session.clone()));
    let cdr = results[3].cdr.unwrap();
    assert_eq!(rig.store.cdr_of(&tenant(), session.id).await.unwrap().unwrap().id, cdr);
    assert!(results[..3].iter().all(|result| result.cdr.is_none()));
}

async fn a_repeat_within_a_batch_counts_once(rig: &Rig) {
    let start = || message("CS-1", "tx", 0, 0).register(5);
    let facts = [start().fact(), start().fact(), start().content("other").fact()];
    let results = rig.store.append(&facts).await.unwrap();
    let standing: Vec<_> = results.iter().map(|r| (r.fresh, r.conflict)).collect();
    assert_eq!(standing, [(true, false), (false, false), (false, true)]);
    assert_eq!(results[0].session.as_ref().unwrap().facts, 1);
    assert_eq!(rig.count("transaction_events").await, 1);
}

/// Every order of arrival, in one batch each or one fact at a time, gives one and the same session and bill.
async fn order_of_arrival_does_not_matter(rig: &Rig) {
    let mut expect = None;
    for (number, order) in ORDERS.iter().enumerate() {
        let name: &'static str = Box::leak(format!("CS-{number}").into_boxed_str());
        let all = whole_transaction(name, "tx");
        let shuffled: Vec<Fact> = order.iter().map(|index| all[*index].clone()).collect();
        let mut bills = 0;
        if number % 2 == 0 {
            for fact in &shuffled {
                let result = rig.store.append(std::slice::from_ref(fact)).await.unwrap().remove(0);
                bills += u32::from(result.cdr.is_some());
            }
        } else {
            let results = rig.store.append(&shuffled).await.unwrap();
            bills += u32::try_from(results.iter().filter(|r| r.cdr.is_some()).count()).unwrap();
        }
        let results = rig.store.append(&shuffled).await.unwrap();
        let session = results[0].session.clone().unwrap();
        let cdr = rig.store.cdr_of(&tenant(), session.id).await.unwrap();
        let is_last = order.last() == Some(&3);
        // An end that comes before the last reading is billed as it stands, and what comes late is looked at by a person.
        if is_last || number % 2 == 1 {
            let cdr = cdr.unwrap();
            assert_eq!(bills, 1);
            let figures = (session.energy, session.charging_ms, session.parked_ms, session.facts, cdr.energy);
            assert_eq!(*expect.get_or_insert(figures), figures, "{order:?}");
            assert_eq!(session.status, SessionStatus::Completed, "{order:?}");
        } else {
            assert!(bills <= 1);
            assert_eq!(session.facts, 4);
            assert_eq!(session.energy.0, 10_000, "{order:?}");
        }
    }
}

const ORDERS: [[usize; 4]; 8] = [
    [0, 1, 2, 3],
    [3, 2, 1, 0],
    [1, 0, 2, 3],
    [1, 3, 0, 2],
    [2, 1, 0, 3],
    [2, 3, 1, 0],
    [3, 0, 1, 2],
    [0, 3, 2, 1],
];

async fn facts_are_read_in_the_order_of_their_keys(rig: &Rig) {
    let sequences = [4_000_000_000, 2, 0, 10];
    let facts: Vec<Fact> =
        sequences.iter().map(|s| message("CS-1", "tx", *s, i64::from(*s % 100)).register(7).fact()).collect();
    for fact in &facts {
        rig.store.append(std::slice::from_ref(fact)).await.unwrap();
    }
    rig.store
        .append(&[message("CS-1", "ty", 1, 0).fact(), message("CS-2", "tx", 1, 0).fact()])
        .await
        .unwrap();
    let read = async |station: &StationId, transaction: &str| -> Vec<TransactionFact> {
        rig.store.transaction_facts(&tenant(), station, &transaction_id(transaction)).await.unwrap()
    };
    let found = read(&station_id("CS-1"), "tx").await;
    let keys: Vec<_> = found.iter().map(|f| f.key.clone()).collect();
    assert_eq!(keys, [0, 2, 10, 4_000_000_000].map(MessageKey::Sequence));
    let DomainEvent::Transaction(first) = &facts[2].event else { panic!("a fact of a transaction") };
    assert_eq!(found[0], *first, "as it was appended");
    assert_eq!(read(&station_id("CS-2"), "tx").await.len(), 1);
    assert!(read(&station_id("CS-2"), "ty").await.is_empty());
}

async fn an_orphan_is_kept_once(rig: &Rig) {
    let orphan = |content: &str, named: Option<&str>| {
        let told = message("CS-1", "-1", 7, 0).register(5).content(content).into_told();
        fact("CS-1", 0, DomainEvent::OrphanReported { named: named.map(Box::from), fact: told })
    };
    let facts = [orphan("a", Some("-1")), orphan("b", None), orphan("a", Some("-1"))];
    let results = rig.store.append(&facts).await.unwrap();
    assert_eq!(results.iter().map(|r| r.fresh).collect::<Vec<_>>(), [true, true, false]);
    assert!(results.iter().all(|r| r.session.is_none() && r.transaction.is_none()));
    assert!(!rig.store.append(&facts[..1]).await.unwrap()[0].fresh);
    assert_eq!(rig.count("orphans").await, 2);
    assert_eq!(rig.count("events").await, 2);
    assert_eq!(rig.count("sessions").await, 0);
}

async fn facts_of_unknown_stations_are_kept(rig: &Rig) {
    let mut facts = whole_transaction("CS-unknown", "tx");
    facts.push(fact("CS-unknown", 0, DomainEvent::StationSeen));
    let results = rig.store.append(&facts).await.unwrap();
    assert_eq!(results[0].session.as_ref().unwrap().status, SessionStatus::Completed);
    assert_eq!(rig.count("events").await, 5);
    assert_eq!(rig.count("stations").await, 0);
}

async fn a_fact_without_a_key_is_kept_as_it_is(rig: &Rig) {
    let event = DomainEvent::SecurityEventReported(SecurityEvent {
        kind: "SettingSystemTime".into(),
        observed_at: at(0),
        text: Some("clock".into()),
    });
    let result = rig.store.append(&[fact("CS-1", 3, event)]).await.unwrap().remove(0);
    assert_eq!(result, Appended { fresh: true, ..Appended::default() });
    let sql = "SELECT count(*) FROM events WHERE tenant = 'default' AND station = 'CS-1' \
         AND name = 'security_event_reported' AND received_at = 1772352000003 \
         AND body ->> 'kind' = 'SettingSystemTime' AND body ->> 'event' = 'security_event_reported'";
    assert_eq!(rig.number(sql).await, 1);
}

async fn texts_postgres_cannot_hold_are_mended(rig: &Rig) {
    let mut told = message("CS-1", "tx", 0, 0).into_told();
    told.trigger = "a\u{0}b".into();
    told.stop_reason = Some("\\u0000 \u{0}\"".into());
    told.content = "c\u{0}".into();
    let facts = [fact("CS-1", 0, DomainEvent::Transaction(told))];
    assert!(rig.store.append(&facts).await.unwrap()[0].fresh);
    let read =
        rig.store.transaction_facts(&tenant(), &station_id("CS-1"), &transaction_id("tx")).await.unwrap();
    assert_eq!(&*read[0].trigger, "ab");
    assert_eq!(read[0].stop_reason.as_deref(), Some("\\u0000 \""));
}

async fn a_poison_fact_leaves_nothing_behind(rig: &Rig) {
    let store = &rig.store;
    store.insert_station(&station("CS-1")).await.unwrap();
    let holders: Vec<Fact> = (0..4_u8)
        .map(|n| message("CS-1", "x", 0, i64::from(n)).numbered(&format!("s{n}"), [7, 8, 9, 10]).fact())
        .collect();
    store.append(&holders).await.unwrap();
    let before = (rig.count("events").await, rig.count("sessions").await, rig.count("outbox").await);
    let poison = message("CS-1", "x", 0, 9).numbered("s9", [7, 8, 9, 10]).fact();
    let mut facts = whole_transaction("CS-1", "tx");
    facts.push(fact("CS-1", 1, DomainEvent::StationSeen));
    facts.insert(2, poison.clone());
    let error = store.append(&facts).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict { .. }), "{error}");
    let after = (rig.count("events").await, rig.count("sessions").await, rig.count("outbox").await);
    assert_eq!(before, after);
    assert_eq!(rig.count("transaction_numbers").await, 4);
    // One by one only the poison fails.
    for one in facts {
        assert_eq!(store.append(std::slice::from_ref(&one)).await.is_ok(), one != poison);
    }
    assert_eq!(rig.count("events").await, before.0 + 5);
}

async fn a_fact_is_the_tenants(rig: &Rig) {
    let mine = message("CS-1", "tx", 0, 0).register(10).fact();
    let mut theirs = message("CS-1", "tx", 0, 0).content("other").fact();
    theirs.tenant = other_tenant();
    let results = rig.store.append(&[mine, theirs]).await.unwrap();
    assert!(results.iter().all(|r| r.fresh && !r.conflict));
    let (a, b) = (results[0].session.as_ref().unwrap(), results[1].session.as_ref().unwrap());
    assert_ne!(a.id, b.id);
    assert_eq!(rig.store.session(&tenant(), b.id).await.unwrap(), None);
    assert_eq!(rig.store.session(&other_tenant(), b.id).await.unwrap().as_ref(), Some(b));
}

mod late {
    //! Facts that come after the bill.
    use super::*;

    on_both_engines!(facts_after_the_bill_flag_the_session, a_second_transaction_is_a_second_session);

    async fn facts_after_the_bill_flag_the_session(rig: &Rig) {
        let all = whole_transaction("CS-1", "tx");
        let cdr = rig.store.append(&all).await.unwrap()[3].cdr.unwrap();
        let frozen = rig.store.cdr(&tenant(), cdr).await.unwrap().unwrap();
        // More precise, and every line of the bill stays: nobody is bothered with another one.
        let harmless = message("CS-1", "tx", 4, 10 * MINUTE).register(4_000).fact();
        let result = rig.store.append(&[harmless]).await.unwrap().remove(0);
        assert!(result.fresh && result.cdr.is_none());
        assert_eq!(result.session.unwrap().status, SessionStatus::Completed);
        // A reading that changes the energy.
        let late = message("CS-1", "tx", 5, 59 * MINUTE).register(12_000).fact();
        let result = rig.store.append(&[late]).await.unwrap().remove(0);
        let session = result.session.unwrap();
        assert_eq!(session.status, SessionStatus::UnderReview);
        assert!(session.flags.contains(&SessionFlag::LateFacts), "{:?}", session.flags);
        assert_eq!(result.cdr, None);
        assert_eq!(rig.store.cdr_of(&tenant(), session.id).await.unwrap(), Some(frozen), "frozen is frozen");
        assert_eq!(rig.store.session(&tenant(), session.id).await.unwrap(), Some(session));
        assert_eq!(rig.count("cdrs").await, 1);
    }

    async fn a_second_transaction_is_a_second_session(rig: &Rig) {
        rig.store.append(&whole_transaction("CS-1", "tx")).await.unwrap();
        let second = message("CS-1", "ty", 0, 90 * MINUTE).evse(Some(2)).fact();
        let result = rig.store.append(&[second]).await.unwrap().remove(0);
        let session = result.session.unwrap();
        assert_eq!((session.status, session.evse), (SessionStatus::Active, Some(EvseId(2))));
        let DomainEvent::Transaction(told) = &whole_transaction("CS-1", "tx")[3].event else {
            panic!("told")
        };
        assert_eq!(told.phase, TransactionPhase::Ended);
        assert_eq!(rig.count("sessions").await, 2);
    }
}
