//! Bills that wait, bills that are taken back, and sessions somebody must rule about.

use ringmain_domain::cdr::{Cdr, CdrKind};
use ringmain_domain::event::{DomainEvent, Fact};
use ringmain_domain::id::EvseId;
use ringmain_domain::ruling::Ruling;
use ringmain_domain::session::{SessionFlag, SessionStatus};
use ringmain_domain::unit::WattHours;
use ringmain_store::cdrs::CdrFilter;
use ringmain_store::page::PageRequest;

use crate::make::{MINUTE, at, fact, message, other_tenant, tenant, transaction_id, whole_transaction};
use crate::rig::Rig;

on_both_engines!(
    f08_a_gap_waits_until_it_is_ruled_or_filled,
    f13_late_facts_take_the_bill_back_and_make_another,
    f05_an_open_session_that_was_overtaken_is_found,
    f05_a_newcomer_at_an_evse_tells_what_follows_for_the_older,
    f04_of_two_starts_at_one_instant_the_second_is_flagged,
    f05_a_session_that_nobody_pays_for_overtakes_none,
    f05_a_session_that_overlaps_a_billed_one_is_held_before_it_is_billed,
    f10_a_station_that_counts_anew_is_noticed,
    f22_a_session_nobody_speaks_of_is_found,
    a_ruling_about_nothing_is_kept_and_makes_no_session,
    a_voided_bill_is_credited_once,
    all_bills_of_a_session_are_read_and_found_by_their_kind,
);

fn ruling(ruling: Ruling, millis: i64) -> Fact {
    fact("CS-1", millis, DomainEvent::Transaction(ruling.into_fact(transaction_id("tx"), at(millis))))
}

/// All bill records, oldest first: revision, energy, and whether it is a credit.
async fn bills(rig: &Rig) -> Vec<(u32, WattHours, bool)> {
    let page = rig.store.cdrs(&tenant(), &CdrFilter::default(), &PageRequest::first(100)).await.unwrap();
    let mut all: Vec<Cdr> = page.items;
    all.sort_by_key(|cdr| cdr.revision);
    all.iter().map(|cdr| (cdr.revision, cdr.energy, cdr.credits.is_some())).collect()
}

async fn f08_a_gap_waits_until_it_is_ruled_or_filled(rig: &Rig) {
    let all = whole_transaction("CS-1", "tx");
    let gap = [all[0].clone(), all[3].clone()];
    let ended = rig.store.append(&gap).await.unwrap().pop().unwrap();
    let session = ended.session.unwrap();
    assert_eq!((session.status, ended.cdr), (SessionStatus::Completed, None));
    let due = session.settles_at.unwrap();
    assert_eq!(rig.store.due_settlements(due.plus_millis(-1), 10).await.unwrap(), []);
    assert_eq!(rig.store.due_settlements(due, 10).await.unwrap(), [session]);
    // A part of it is filled: still a gap, still no bill.
    rig.store.append(&all[1..2]).await.unwrap();
    assert_eq!(bills(rig).await, []);
    let ruled = rig.store.append(&[ruling(Ruling::GraceOver, 61 * MINUTE)]).await.unwrap().remove(0);
    assert!(ruled.cdr.is_some());
    assert_eq!(ruled.session.unwrap().flags, [SessionFlag::Incomplete]);
    assert_eq!(rig.store.due_settlements(at(i64::from(u32::MAX)), 10).await.unwrap(), []);
    // What was missing comes after all and changes how long energy flowed: the bill is corrected.
    rig.store.append(&all[2..3]).await.unwrap();
    let expect = [(0, false), (1, true), (2, false)].map(|(n, credit)| (n, WattHours(10_000), credit));
    assert_eq!(bills(rig).await, expect);
}

async fn f13_late_facts_take_the_bill_back_and_make_another(rig: &Rig) {
    let all = whole_transaction("CS-1", "tx");
    let first = rig.store.append(&all).await.unwrap()[3].cdr.unwrap();
    let frozen = rig.store.cdr(&tenant(), first).await.unwrap().unwrap();
    // A reading from after the last one, which the station had kept back.
    let late = message("CS-1", "tx", 4, 60 * MINUTE + 1).register(12_000).fact();
    let result = rig.store.append(std::slice::from_ref(&late)).await.unwrap().remove(0);
    let session = result.session.unwrap();
    assert_eq!((session.status, session.energy), (SessionStatus::Completed, WattHours(11_000)));
    assert!(session.flags.contains(&SessionFlag::LateFacts));
    assert_eq!(rig.store.cdr_of(&tenant(), session.id).await.unwrap().unwrap().id, result.cdr.unwrap());
    assert_eq!(rig.store.cdr(&tenant(), first).await.unwrap(), Some(frozen), "frozen is frozen");
    let expect = [(0, WattHours(10_000), false), (1, WattHours(10_000), true), (2, WattHours(11_000), false)];
    assert_eq!(bills(rig).await, expect);
    // The same again, and everything again: nothing more.
    rig.store.append(&[late]).await.unwrap();
    rig.store.append(&all).await.unwrap();
    assert_eq!(bills(rig).await, expect);
}

async fn f05_an_open_session_that_was_overtaken_is_found(rig: &Rig) {
    let older = message("CS-1", "tx", 0, 0).register(1_000).fact();
    let elsewhere = message("CS-1", "other-evse", 0, MINUTE).evse(Some(2)).register(0).fact();
    let newer = message("CS-1", "newer", 0, 30 * MINUTE).register(6_000).fact();
    let newest = message("CS-1", "newest", 0, 40 * MINUTE).register(7_000).fact();
    rig.store.append(&[older, elsewhere]).await.unwrap();
    assert_eq!(rig.store.overtaken_sessions(10).await.unwrap(), []);
    rig.store.append(&[newest, newer]).await.unwrap();
    let mut found = rig.store.overtaken_sessions(10).await.unwrap();
    found.sort_by_key(|overtaken| overtaken.at);
    let seen: Vec<_> =
        found.iter().map(|one| (one.session.transaction.as_str(), one.by.as_str(), one.at)).collect();
    assert_eq!(seen, [("tx", "newer", at(30 * MINUTE)), ("newer", "newest", at(40 * MINUTE))]);
    assert_eq!(rig.store.overtaken_sessions(1).await.unwrap().len(), 1);
    let one = &found[0];
    let ruled = ruling(Ruling::Superseded { at: one.at, by: one.by.clone() }, 41 * MINUTE);
    let closed = rig.store.append(&[ruled]).await.unwrap().remove(0).session.unwrap();
    assert_eq!((closed.status, closed.ended_at), (SessionStatus::UnderReview, Some(at(30 * MINUTE))));
    assert_eq!(closed.evse, Some(EvseId(1)));
    assert_eq!(rig.store.overtaken_sessions(10).await.unwrap().len(), 1);
}

async fn f05_a_newcomer_at_an_evse_tells_what_follows_for_the_older(rig: &Rig) {
    let older = message("CS-1", "tx", 0, 0).register(1_000).fact();
    assert_eq!(rig.store.append(&[older]).await.unwrap()[0].rulings, []);
    let newer = message("CS-1", "ty", 0, 30 * MINUTE).register(6_000).fact();
    let rulings = rig.store.append(std::slice::from_ref(&newer)).await.unwrap().remove(0).rulings;
    let closed = rig.store.append(&rulings).await.unwrap().remove(0).session.unwrap();
    assert_eq!((closed.transaction.as_str(), closed.ended_at), ("tx", Some(at(30 * MINUTE))));
    assert_eq!(closed.flags, [SessionFlag::NoMeterReading, SessionFlag::ImplicitEnd]);
    assert_eq!(rig.store.append(&[newer]).await.unwrap()[0].rulings, [], "a repeat tells nothing");
    // An older one, out of a queue, is no newcomer: its end is on its way.
    let queued = message("CS-1", "queued", 0, 10 * MINUTE).register(2_000).fact();
    assert_eq!(rig.store.append(&[queued]).await.unwrap()[0].rulings, []);
}

async fn f04_of_two_starts_at_one_instant_the_second_is_flagged(rig: &Rig) {
    let facts =
        [message("CS-1", "tx", 0, 0).register(0).fact(), message("CS-1", "ty", 0, 0).register(5).fact()];
    rig.store.append(&facts[..1]).await.unwrap();
    let appended = rig.store.append(&facts[1..]).await.unwrap().remove(0);
    assert_eq!(appended.rulings, [], "what is about itself counts at once");
    let flagged = appended.session.unwrap();
    assert_eq!((flagged.transaction.as_str(), flagged.status), ("ty", SessionStatus::Active));
    assert_eq!(flagged.flags, [SessionFlag::Overlap]);
    // Neither ended when the other began: the sweep leaves both to their own ends.
    assert_eq!(rig.store.overtaken_sessions(10).await.unwrap(), []);
}

async fn f05_a_session_that_nobody_pays_for_overtakes_none(rig: &Rig) {
    let older = message("CS-1", "tx", 0, 0).register(1_000).fact();
    let newer = message("CS-1", "ty", 0, 30 * MINUTE).register(6_000).fact();
    rig.store.append(&[older, newer]).await.unwrap();
    let ended = message("CS-1", "ty", 1, 31 * MINUTE).register(9_000).ended().fact();
    rig.store.append(&[ended]).await.unwrap();
    let [found] = &rig.store.overtaken_sessions(10).await.unwrap()[..] else { panic!() };
    let voided = Ruling::Voided { by: "clerk".into(), note: "a test card".into() };
    let fact = fact(
        "CS-1",
        31 * MINUTE,
        DomainEvent::Transaction(voided.into_fact(found.by.clone(), at(31 * MINUTE))),
    );
    let session = rig.store.append(&[fact]).await.unwrap().remove(0).session.unwrap();
    assert_eq!(session.status, SessionStatus::Invalid);
    assert_eq!(rig.store.overtaken_sessions(10).await.unwrap(), []);
}

async fn f05_a_session_that_overlaps_a_billed_one_is_held_before_it_is_billed(rig: &Rig) {
    rig.store.append(&whole_transaction("CS-1", "tx")).await.unwrap();
    let queued = [
        message("CS-1", "ty", 0, 30 * MINUTE).register(2_000).fact(),
        message("CS-1", "ty", 1, 90 * MINUTE).register(9_000).ended().fact(),
    ];
    let ended = rig.store.append(&queued).await.unwrap().pop().unwrap();
    let session = ended.session.unwrap();
    assert_eq!(
        (session.status, &session.flags[..]),
        (SessionStatus::UnderReview, &[SessionFlag::Overlap][..])
    );
    assert_eq!(ended.cdr, None);
    let facts = rig.store.transaction_facts(&tenant(), &session.station, &session.transaction).await.unwrap();
    assert_eq!(facts.len(), 3, "the reason is kept: {facts:?}");
    // Elsewhere, or after it, nobody is in anybody's way.
    let beside = [
        message("CS-1", "tz", 0, 0).evse(Some(2)).register(0).fact(),
        message("CS-1", "tz", 1, 60 * MINUTE).evse(Some(2)).register(9_000).ended().fact(),
    ];
    assert!(rig.store.append(&beside).await.unwrap()[1].cdr.is_some());
}

async fn f10_a_station_that_counts_anew_is_noticed(rig: &Rig) {
    let told =
        |sequence, minute, register: i64| message("CS-1", "tx", sequence, minute * MINUTE).register(register);
    rig.store
        .append(&[told(0, 0, 0).fact(), told(1, 10, 1_000).fact(), told(2, 20, 2_000).fact()])
        .await
        .unwrap();
    let stamped = told(1, 11, 1_000).content("another stamp").fact();
    let harmless = rig.store.append(&[stamped]).await.unwrap().remove(0);
    assert!(harmless.conflict && harmless.rulings.is_empty());
    let anew = told(1, 40, 4_000).content("after a reboot").ended().fact();
    let odd = rig.store.append(&[anew]).await.unwrap().remove(0);
    assert!(odd.conflict);
    let flagged = rig.store.append(&odd.rulings).await.unwrap().remove(0).session.unwrap();
    assert_eq!(
        (flagged.status, &flagged.flags[..]),
        (SessionStatus::Active, &[SessionFlag::Contradicted][..])
    );
    let ended = rig.store.append(&[told(3, 60, 6_000).ended().fact()]).await.unwrap().remove(0);
    assert_eq!((ended.session.unwrap().status, ended.cdr), (SessionStatus::UnderReview, None));
}

async fn f22_a_session_nobody_speaks_of_is_found(rig: &Rig) {
    rig.store.append(&[message("CS-1", "tx", 0, 0).register(0).fact()]).await.unwrap();
    rig.store.append(&[message("CS-2", "ty", 0, MINUTE).register(0).fact()]).await.unwrap();
    let silent = rig.store.silent_sessions(at(MINUTE), 10).await.unwrap();
    assert_eq!(silent.iter().map(|session| session.transaction.as_str()).collect::<Vec<_>>(), ["tx"]);
    assert_eq!(rig.store.silent_sessions(at(2 * MINUTE), 1).await.unwrap().len(), 1);
    let closed = rig.store.append(&[ruling(Ruling::Abandoned, 2 * MINUTE)]).await.unwrap().remove(0);
    assert_eq!(closed.session.unwrap().status, SessionStatus::UnderReview);
    assert_eq!(rig.store.silent_sessions(at(MINUTE), 10).await.unwrap(), []);
}

async fn a_ruling_about_nothing_is_kept_and_makes_no_session(rig: &Rig) {
    let alone = rig.store.append(&[ruling(Ruling::GraceOver, 0)]).await.unwrap().remove(0);
    assert_eq!(alone.session, None);
    assert_eq!(rig.count("sessions").await, 0);
    // The station speaks after all, and the ruling counts from the first.
    let all = whole_transaction("CS-1", "tx");
    let ended = rig.store.append(&[all[0].clone(), all[3].clone()]).await.unwrap().pop().unwrap();
    assert!(ended.cdr.is_some());
}

async fn a_voided_bill_is_credited_once(rig: &Rig) {
    rig.store.append(&whole_transaction("CS-1", "tx")).await.unwrap();
    let void = ruling(Ruling::Voided { by: "ann".into(), note: "cable broken".into() }, 61 * MINUTE);
    for _ in 0..2 {
        let voided = rig.store.append(std::slice::from_ref(&void)).await.unwrap().remove(0);
        assert_eq!(voided.session.unwrap().status, SessionStatus::Invalid);
        assert_eq!(bills(rig).await, [(0, WattHours(10_000), false), (1, WattHours(10_000), true)]);
    }
}

async fn all_bills_of_a_session_are_read_and_found_by_their_kind(rig: &Rig) {
    let session =
        rig.store.append(&whole_transaction("CS-1", "tx")).await.unwrap()[3].session.clone().unwrap();
    let late = message("CS-1", "tx", 4, 60 * MINUTE + 1).register(12_000).fact();
    rig.store.append(&[late]).await.unwrap();
    let void = ruling(Ruling::Voided { by: "ann".into(), note: "cable broken".into() }, 61 * MINUTE);
    rig.store.append(&[void]).await.unwrap();
    let approve =
        ruling(Ruling::Approved { by: "bob".into(), note: "it was not".into(), seen: None }, 62 * MINUTE);
    rig.store.append(&[approve]).await.unwrap();
    let all = rig.store.cdrs_of(&tenant(), session.id).await.unwrap();
    let kinds: Vec<_> = all.iter().map(|cdr| (cdr.revision, cdr.kind())).collect();
    use CdrKind::{Bill, Correction, Credit};
    assert_eq!(kinds, [(0, Bill), (1, Credit), (2, Correction), (3, Credit), (4, Correction)]);
    assert!(rig.store.cdrs_of(&other_tenant(), session.id).await.unwrap().is_empty());
    for kind in CdrKind::ALL {
        let filter = CdrFilter { kind: Some(kind), ..CdrFilter::default() };
        let found = rig.store.cdrs(&tenant(), &filter, &PageRequest::first(10)).await.unwrap().items;
        let mut found: Vec<_> = found.iter().map(|cdr| cdr.id).collect();
        let mut expect: Vec<_> = all.iter().filter(|cdr| cdr.kind() == kind).map(|cdr| cdr.id).collect();
        found.sort();
        expect.sort();
        assert_eq!(found, expect, "{kind:?}");
    }
}
