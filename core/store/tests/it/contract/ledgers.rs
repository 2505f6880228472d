//! Ledgers of grants: taken over, changed whole, safe with two who ask.

use ringmain_domain::id::{CircuitId, Epoch, EvseId, GrantSeq};
use ringmain_domain::load::ledger::account::{Account, Fallback};
use ringmain_domain::load::ledger::row::Row;
use ringmain_domain::load::ledger::{Change, Proposal, Refusal, Verdict};
use ringmain_domain::load::tree::{Circuit, Connection, Evse, EvseKey, Line, Output, SiteTree};
use ringmain_domain::unit::Milliamps;
use ringmain_store::ledgers::LedgerOf;
use ringmain_store::store::StoreError;

use crate::make::{location, location_id, station_id, tenant};
use crate::rig::Rig;

on_both_engines!(
    a_ledger_is_taken_over_with_what_was_open_and_goes_with_its_location,
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

async fn a_ledger_is_taken_over_with_what_was_open_and_goes_with_its_location(rig: &Rig) {
    let (store, tenant, place) = (&rig.store, tenant(), location_id("depot"));
    store.put_location(&location("depot")).await.unwrap();
    assert_eq!(store.ledger(&of(2)).await.unwrap(), None);
    let first = store.claim_ledger(&tenant, &place, &tree(2)).await.unwrap();
    assert_eq!((first.owner, &first.accounts[..]), (Epoch(1), &vec![Account::new(Milliamps(32_000)); 2][..]));
    let changes = vec![confirmed(0), confirmed(1), open(1, 0, 10_000)];
    let done = store.transact_ledger(&of(2), Epoch(1), rows(2), changes).await.unwrap();
    assert!(matches!(&done[2].verdict, Verdict::Written { opened: Some(grant) } if grant.seq == GrantSeq(1)));
    let mut last = store.last_grants(&tenant, &station_id("CS-1")).await.unwrap();
    last.sort();
    assert_eq!(last, [(EvseId(1), GrantSeq(0)), (EvseId(2), GrantSeq(1))]);
    // The next owner finds it; an EVSE that was added counts with its rated current.
    let second = store.claim_ledger(&tenant, &place, &tree(3)).await.unwrap();
    assert_eq!(second.owner, Epoch(2));
    assert_eq!(second.accounts[1].newest().unwrap().limit, Milliamps(10_000));
    assert_eq!(second.accounts[2], Account::new(Milliamps(32_000)));
    assert_eq!(store.ledger(&of(3)).await.unwrap(), Some(second));
    // One that the tree does not have any more goes.
    let third = store.claim_ledger(&tenant, &place, &tree(1)).await.unwrap();
    assert_eq!(third.accounts[0].fallback, Fallback::Confirmed(Milliamps::ZERO));
    assert!(matches!(store.ledger(&of(3)).await, Err(StoreError::Corrupt { .. })));
    assert!(store.delete_location(&tenant, &place).await.unwrap());
    assert_eq!(store.ledger(&of(1)).await.unwrap(), None);
    assert_eq!(store.last_grants(&tenant, &station_id("CS-1")).await.unwrap(), []);
}

async fn changes_are_made_in_one_commit_and_an_old_owner_opens_nothing(rig: &Rig) {
    let (store, tenant, place) = (&rig.store, tenant(), location_id("depot"));
    store.put_location(&location("depot")).await.unwrap();
    store.claim_ledger(&tenant, &place, &tree(2)).await.unwrap();
    let changes = vec![confirmed(0), confirmed(1), open(0, 0, 15_000), open(1, 0, 6_000), open(1, 0, 5_000)];
    let done = store.transact_ledger(&of(2), Epoch(1), rows(2), changes).await.unwrap();
    let full = Refusal::Full { row: 0, free: Milliamps(5_000) };
    assert_eq!(done[3].verdict, Verdict::Refused(full), "15 A of 20 are promised");
    assert!(matches!(done[4].verdict, Verdict::Written { .. }));
    let kept = store.ledger(&of(2)).await.unwrap().unwrap();
    assert_eq!(kept.ceilings(), [Milliamps(15_000), Milliamps(5_000)]);
    store.claim_ledger(&tenant, &place, &tree(2)).await.unwrap();
    let late = store.transact_ledger(&of(2), Epoch(1), rows(2), vec![open(0, 1, 1_000)]).await.unwrap();
    assert_eq!(late[0].verdict, Verdict::Refused(Refusal::NotOwner { current: Epoch(2) }));
}

async fn two_who_ask_at_once_never_promise_too_much(rig: &Rig) {
    let (store, tenant, place) = (&rig.store, tenant(), location_id("depot"));
    store.put_location(&location("depot")).await.unwrap();
    store.claim_ledger(&tenant, &place, &tree(8)).await.unwrap();
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
