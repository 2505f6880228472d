//! Ledgers of grants: taken over, changed whole, safe with two who ask.

use ringmain_domain::id::{CircuitId, Epoch, EvseId, GrantSeq};
use ringmain_domain::load::ledger::account::{Account, Fallback};
use ringmain_domain::load::ledger::row::Row;
use ringmain_domain::load::ledger::{Change, Ledger, Proposal, Refusal, Verdict};
use ringmain_domain::load::tree::{Circuit, Connection, Evse, EvseKey, Line, Output, SiteTree};
use ringmain_domain::time::Timestamp;
use ringmain_domain::unit::Milliamps;
use ringmain_store::cluster::NodeRecord;
use ringmain_store::leavers::Leaver;
use ringmain_store::ledgers::{Claim, LedgerOf};
use ringmain_store::store::{Store, StoreError};

use crate::make::{location, location_id, node, station, station_id, tenant};
use crate::rig::Rig;

on_both_engines!(
    a_ledger_is_taken_over_with_what_was_open,
    a_site_is_taken_from_nobody_alive,
    an_evse_that_left_is_cleared_once_and_comes_back_with_a_higher_sequence,
    what_is_on_its_way_to_clear_an_evse_is_older_than_what_it_gets_when_it_comes_back,
    an_evse_in_the_tree_of_another_location_is_not_cleared,
    all_evses_leave_with_the_tree_and_with_the_location,
    what_was_promised_to_a_station_that_is_gone_is_nobodys,
    changes_are_made_in_one_commit_and_an_old_owner_opens_nothing,
    two_who_ask_at_once_never_promise_too_much,
);

fn key(evse: u32) -> EvseKey {
    EvseKey { station: station_id("CS-1"), evse: EvseId(evse) }
}

fn tree(evses: u32) -> SiteTree {
    let grid = CircuitId::new("grid").unwrap();
    let evse = |number| Evse {
        key: key(number),
        circuit: grid.clone(),
        voltage_v: 230,
        lines: vec![Line::L1],
        connection: Connection::Neutral,
        output: Output::Ac,
        min_ma: Milliamps(6_000),
        max_ma: Milliamps(16_000),
        step_ma: Milliamps(100),
        can_switch_phases: false,
        rated_ma: Milliamps(32_000),
        fallback_ma: Milliamps::ZERO,
    };
    SiteTree::new(
        vec![Circuit::new(grid.clone(), None, [Milliamps(20_000); 3])],
        (1..=evses).map(evse).collect(),
    )
    .unwrap()
}

fn of(evses: u32) -> LedgerOf {
    LedgerOf { tenant: tenant(), location: location_id("depot"), evses: (1..=evses).map(key).collect() }
}

/// 20 A for all of so many EVSEs.
fn rows(evses: usize) -> Vec<Row> {
    vec![Row { limit: 20_000, users: (0..evses).map(|slot| (slot, 1)).collect() }]
}

fn open(slot: usize, after: u64, ma: i64) -> Change {
    Change::Open(Proposal {
        slot,
        after: GrantSeq(after.try_into().unwrap()),
        limit: Milliamps(ma),
        valid_to: None,
        connection: Epoch(1),
        transaction: None,
    })
}

fn confirmed(slot: usize) -> Change {
    Change::ConfirmFallback { slot, value: Milliamps::ZERO }
}

async fn drawn(store: &Store, place: &str, tree: &SiteTree) -> Ledger {
    store.insert_station(&station("CS-1")).await.unwrap();
    assert!(store.put_site_tree(&tenant(), &location_id(place), tree, Timestamp::default()).await.unwrap());
    let claim = store.claim_ledger(&tenant(), &location_id(place), node(1)).await.unwrap().unwrap();
    let Claim::Owned { tree: claimed, ledger } = claim else { panic!("{claim:?}") };
    assert_eq!(claimed.tree, *tree);
    let drawn_at = store.site_tree_drawn_at(&tenant(), &location_id(place)).await.unwrap();
    assert_eq!(drawn_at, Some(claimed.updated_at));
    ledger
}

fn leaver(place: &str, evse: u32) -> Leaver {
    Leaver { tenant: tenant(), evse: key(evse), location: location_id(place) }
}

async fn left(store: &Store) -> Vec<Leaver> {
    store.left_evses(None, 10).await.unwrap()
}

async fn a_site_is_taken_from_nobody_alive(rig: &Rig) {
    let (store, tenant, place) = (&rig.store, tenant(), location_id("depot"));
    store.put_location(&location("depot")).await.unwrap();
    for number in [1, 2] {
        let (name, address) = (format!("node-{number}").into(), Some(format!("h:{number}").into()));
        let record = NodeRecord {
            id: node(number),
            name,
            address,
            release: "0".into(),
            started_at: Timestamp::default(),
        };
        store.register_node(&record, Timestamp::default()).await.unwrap();
    }
    assert_eq!(drawn(store, "depot", &tree(2)).await.owner, Epoch(1));
    let claim = async |number| store.claim_ledger(&tenant, &place, node(number)).await.unwrap().unwrap();
    assert!(matches!(claim(2).await, Claim::Elsewhere { owner, .. } if owner == node(1)));
    assert!(
        matches!(claim(1).await, Claim::Owned { ledger, .. } if ledger.owner == Epoch(2)),
        "its own, again"
    );
    assert_eq!(store.nodes().await.unwrap().iter().map(|row| row.sites).collect::<Vec<_>>(), [1, 0]);
    store.release_sites(node(1)).await.unwrap();
    assert!(matches!(claim(2).await, Claim::Owned { ledger, .. } if ledger.owner == Epoch(3)));
    let lease =
        |left_ms| format!("UPDATE nodes SET lease_until = lease_until - {left_ms} WHERE name = 'node-2'");
    rig.execute(&lease(11_500)).await;
    assert!(matches!(claim(1).await, Claim::Elsewhere { .. }), "its lease is over, but it may not know yet");
    rig.execute(&lease(500)).await;
    assert!(matches!(claim(1).await, Claim::Owned { ledger, .. } if ledger.owner == Epoch(4)));
}

async fn a_ledger_is_taken_over_with_what_was_open(rig: &Rig) {
    let (store, tenant, place) = (&rig.store, tenant(), location_id("depot"));
    store.put_location(&location("depot")).await.unwrap();
    assert_eq!(store.ledger(&of(2)).await.unwrap(), None);
    assert_eq!(store.claim_ledger(&tenant, &place, node(1)).await.unwrap(), None, "it has no tree");
    assert_eq!(store.site_tree_drawn_at(&tenant, &place).await.unwrap(), None);
    let first = drawn(store, "depot", &tree(2)).await;
    assert_eq!((first.owner, &first.accounts[..]), (Epoch(1), &vec![Account::new(Milliamps(32_000)); 2][..]));
    let changes = vec![confirmed(0), confirmed(1), open(1, 0, 10_000)];
    let done = store.transact_ledger(&of(2), Epoch(1), rows(2), changes).await.unwrap();
    assert!(matches!(&done[2].verdict, Verdict::Written { opened: Some(grant) } if grant.seq == GrantSeq(1)));
    let mut last = store.last_grants(&tenant, &station_id("CS-1")).await.unwrap();
    last.sort();
    assert_eq!(last, [(EvseId(1), GrantSeq(0)), (EvseId(2), GrantSeq(1))]);
    // The next owner finds it; an EVSE that was added counts with its rated current.
    let second = drawn(store, "depot", &tree(3)).await;
    assert_eq!(second.owner, Epoch(2));
    assert_eq!(second.accounts[1].newest().unwrap().limit, Milliamps(10_000));
    assert_eq!(second.accounts[2], Account::new(Milliamps(32_000)));
    assert_eq!(store.ledger(&of(3)).await.unwrap(), Some(second));
    // One that the tree does not have any more is nobody's to change.
    let third = drawn(store, "depot", &tree(1)).await;
    assert_eq!(third.accounts[0].fallback, Fallback::Confirmed(Milliamps::ZERO));
    assert!(matches!(store.ledger(&of(3)).await, Err(StoreError::Conflict { .. })));
    assert_eq!(left(store).await, [leaver("depot", 2), leaver("depot", 3)]);
}

async fn an_evse_that_left_is_cleared_once_and_comes_back_with_a_higher_sequence(rig: &Rig) {
    let (store, tenant) = (&rig.store, tenant());
    store.put_location(&location("depot")).await.unwrap();
    drawn(store, "depot", &tree(2)).await;
    let changes = vec![confirmed(0), confirmed(1), open(1, 0, 10_000), open(1, 1, 8_000)];
    store.transact_ledger(&of(2), Epoch(1), rows(2), changes).await.unwrap();
    // Also where nobody takes the site over.
    assert!(
        store.put_site_tree(&tenant, &location_id("depot"), &tree(1), Timestamp::default()).await.unwrap()
    );
    let gone = leaver("depot", 2);
    assert_eq!(left(store).await, std::slice::from_ref(&gone));
    assert_eq!(store.left_evses(Some(&gone), 10).await.unwrap(), []);
    assert_eq!(store.left_evses(Some(&leaver("depot", 1)), 10).await.unwrap().len(), 1);
    assert_eq!(store.begin_clearing(&gone).await.unwrap(), Some(GrantSeq(3)));
    assert_eq!(store.begin_clearing(&gone).await.unwrap(), Some(GrantSeq(4)), "tried again");
    store.end_clearing(&gone, GrantSeq(3)).await.unwrap();
    assert_eq!(left(store).await.len(), 1, "the answer of the first try says nothing of the second");
    store.end_clearing(&gone, GrantSeq(4)).await.unwrap();
    assert_eq!(left(store).await, []);
    assert_eq!(store.begin_clearing(&gone).await.unwrap(), None);
    // Drawn without it once more, it stays cleared.
    drawn(store, "depot", &tree(1)).await;
    assert_eq!(left(store).await, []);
    let back = drawn(store, "depot", &tree(2)).await.accounts[1].clone();
    assert_eq!(back, Account { seq: GrantSeq(5), ..Account::new(Milliamps(32_000)) });
}

async fn what_is_on_its_way_to_clear_an_evse_is_older_than_what_it_gets_when_it_comes_back(rig: &Rig) {
    let store = &rig.store;
    store.put_location(&location("depot")).await.unwrap();
    drawn(store, "depot", &tree(2)).await;
    store.transact_ledger(&of(2), Epoch(1), rows(2), vec![confirmed(0), confirmed(1)]).await.unwrap();
    // It comes back before anybody cleared it: it may have booted meanwhile, or been cleared by hand.
    drawn(store, "depot", &tree(1)).await;
    let back = drawn(store, "depot", &tree(2)).await.accounts[1].clone();
    assert_eq!((back.fallback, back.seq), (Fallback::Unconfirmed, GrantSeq(1)));
    store.transact_ledger(&of(2), Epoch(3), rows(2), vec![confirmed(1)]).await.unwrap();
    // It comes back while its station is told: it may have its fallback or not.
    drawn(store, "depot", &tree(1)).await;
    let seq = store.begin_clearing(&leaver("depot", 2)).await.unwrap().unwrap();
    let back = drawn(store, "depot", &tree(2)).await.accounts[1].clone();
    assert!(back.seq > seq, "{back:?} after {seq:?}");
    assert_eq!(back.fallback, Fallback::Unconfirmed);
    store.end_clearing(&leaver("depot", 2), seq).await.unwrap();
    assert_eq!(store.ledger(&of(2)).await.unwrap().unwrap().accounts[1], back, "it is in the tree");
}

async fn an_evse_in_the_tree_of_another_location_is_not_cleared(rig: &Rig) {
    let store = &rig.store;
    for place in ["depot", "yard"] {
        store.put_location(&location(place)).await.unwrap();
    }
    drawn(store, "depot", &tree(2)).await;
    let changes = vec![confirmed(0), confirmed(1), open(0, 0, 8_000)];
    store.transact_ledger(&of(2), Epoch(1), rows(2), changes).await.unwrap();
    drawn(store, "depot", &tree(1)).await;
    // The stations move: what they were sent before is older than what they get there.
    let moved = drawn(store, "yard", &tree(2)).await;
    assert_eq!(moved.accounts.iter().map(|account| account.seq.0).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(moved.accounts[0].newest().unwrap().limit, Milliamps(8_000), "it may still have that");
    assert_eq!(moved.accounts[0].fallback, Fallback::Unconfirmed);
    assert_eq!(store.begin_clearing(&leaver("depot", 2)).await.unwrap(), None);
    assert_eq!(left(store).await, [], "what it had there took the place of what it had here");
}

async fn all_evses_leave_with_the_tree_and_with_the_location(rig: &Rig) {
    let (store, tenant, place) = (&rig.store, tenant(), location_id("depot"));
    store.put_location(&location("depot")).await.unwrap();
    drawn(store, "depot", &tree(2)).await;
    let changes = vec![confirmed(0), confirmed(1), open(0, 0, 8_000)];
    store.transact_ledger(&of(2), Epoch(1), rows(2), changes).await.unwrap();
    assert!(store.delete_site_tree(&tenant, &place).await.unwrap());
    assert!(!store.delete_site_tree(&tenant, &place).await.unwrap());
    assert_eq!(left(store).await, [leaver("depot", 1), leaver("depot", 2)]);
    let late = store.transact_ledger(&of(2), Epoch(1), rows(2), vec![open(0, 1, 1_000)]).await;
    assert!(matches!(late, Err(StoreError::Conflict { .. })), "{late:?}");
    let again = drawn(store, "depot", &tree(2)).await;
    assert_eq!((again.owner, left(store).await.len()), (Epoch(3), 0));
    assert!(store.delete_location(&tenant, &place).await.unwrap());
    assert_eq!(left(store).await.len(), 2);
    let last = store.last_grants(&tenant, &station_id("CS-1")).await.unwrap();
    assert_eq!(
        last.iter().map(|(_, seq)| seq.0).max(),
        Some(2),
        "a connection still knows what it may have sent"
    );
}

async fn changes_are_made_in_one_commit_and_an_old_owner_opens_nothing(rig: &Rig) {
    let (store, tenant, place) = (&rig.store, tenant(), location_id("depot"));
    store.put_location(&location("depot")).await.unwrap();
    drawn(store, "depot", &tree(2)).await;
    let changes = vec![confirmed(0), confirmed(1), open(0, 0, 15_000), open(1, 0, 6_000), open(1, 0, 5_000)];
    let done = store.transact_ledger(&of(2), Epoch(1), rows(2), changes).await.unwrap();
    let full = Refusal::Full { row: 0, free: Milliamps(5_000) };
    assert_eq!(done[3].verdict, Verdict::Refused(full), "15 A of 20 are promised");
    assert!(matches!(done[4].verdict, Verdict::Written { .. }));
    let kept = store.ledger(&of(2)).await.unwrap().unwrap();
    assert_eq!(kept.ceilings(), [Milliamps(15_000), Milliamps(5_000)]);
    store.claim_ledger(&tenant, &place, node(1)).await.unwrap();
    let late = store.transact_ledger(&of(2), Epoch(1), rows(2), vec![open(0, 1, 1_000)]).await.unwrap();
    assert_eq!(late[0].verdict, Verdict::Refused(Refusal::NotOwner { current: Epoch(2) }));
}

async fn two_who_ask_at_once_never_promise_too_much(rig: &Rig) {
    let store = &rig.store;
    store.put_location(&location("depot")).await.unwrap();
    drawn(store, "depot", &tree(8)).await;
    let changes = (0..8).map(confirmed).collect();
    store.transact_ledger(&of(8), Epoch(1), rows(8), changes).await.unwrap();
    let of = of(8);
    let asked = (0..8).map(|slot| store.transact_ledger(&of, Epoch(1), rows(8), vec![open(slot, 0, 6_000)]));
    let answers = futures_util::future::join_all(asked).await;
    let written = answers
        .iter()
        .filter(|answer| matches!(answer.as_ref().unwrap()[0].verdict, Verdict::Written { opened: Some(_) }));
    assert_eq!(written.count(), 3, "three times 6 A fit into 20 A");
    let sum: i64 = store.ledger(&of).await.unwrap().unwrap().ceilings().iter().map(|ma| ma.0).sum();
    assert_eq!(sum, 18_000);
}

/// Its identity may be another tenant's tomorrow.
async fn what_was_promised_to_a_station_that_is_gone_is_nobodys(rig: &Rig) {
    let (store, tenant) = (&rig.store, tenant());
    store.put_location(&location("depot")).await.unwrap();
    drawn(store, "depot", &tree(2)).await;
    assert!(
        store.put_site_tree(&tenant, &location_id("depot"), &tree(1), Timestamp::default()).await.unwrap()
    );
    assert!(store.delete_station(&tenant, &station_id("CS-1")).await.unwrap());
    assert_eq!(
        (left(store).await, store.last_grants(&tenant, &station_id("CS-1")).await.unwrap()),
        (vec![], vec![])
    );
    // One that was left behind by a release before is not cleared either.
    drawn(store, "depot", &tree(2)).await;
    assert!(
        store.put_site_tree(&tenant, &location_id("depot"), &tree(1), Timestamp::default()).await.unwrap()
    );
    let gone = leaver("depot", 2);
    assert_eq!(left(store).await, std::slice::from_ref(&gone));
    let sql = "DELETE FROM stations";
    rig.execute(sql).await;
    assert_eq!(store.begin_clearing(&gone).await.unwrap(), None);
    assert_eq!(left(store).await, []);
}
