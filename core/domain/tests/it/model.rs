//! The ledger's protocol, all states of it: two owners that pause as they like, lost answers, late messages, a reconnect.
//!
//! `ledger.rs` is the protocol with the real [`Ledger`], [`Fence`] and [`Row`] inside, and mutations of it that must be refuted.
//! `guard.rs` adds stations that apply late, an idle EVSE and ends of transactions. `lease.rs` holds the two designs that were turned
//! down. `routes.rs` is another matter: connect, takeover, close and sweep of one station (reliability.md 7.1). Names (V1 to V6, X1 to X8) and bounds: reliability.md 9, charging.md 5.4.

use ringmain_domain::id::{Epoch, GrantSeq};
use ringmain_domain::load::ledger::account::Account;
use ringmain_domain::load::ledger::fence::Fence;
use ringmain_domain::load::ledger::row::Row;
use ringmain_domain::load::ledger::{Change, Ledger, Proposal, Slot, Verdict};
use ringmain_domain::time::Timestamp;
use ringmain_domain::unit::Milliamps;
use stateright::{Checker, Model};

mod guard;
mod lease;
mod ledger;
mod routes;

/// What an EVSE may draw without a grant.
const LOW: Milliamps = Milliamps(1);
/// The other value a grant may have.
const HIGH: Milliamps = Milliamps(2);
const CONNECTION: Epoch = Epoch(0);

/// A grant on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Message {
    slot: Slot,
    seq: GrantSeq,
    value: Milliamps,
}

fn site(evses: usize, limit: i64) -> (Ledger, Vec<Row>) {
    let accounts = vec![Account::with_fallback(HIGH, LOW); evses];
    let rows = vec![Row { limit, users: (0..evses).map(|slot| (slot, 1)).collect() }];
    (Ledger { owner: Epoch(0), accounts }, rows)
}

/// Opens a grant as the store would. High ones carry an end, so that they can expire; an end is as far away as its sequence is high.
fn open(ledger: &mut Ledger, rows: &[Row], owner: Epoch, slot: Slot, value: Milliamps) -> Option<Message> {
    let after = ledger.accounts[slot].seq;
    let valid_to = (value > LOW).then(|| Timestamp::from_millis(after.next().0));
    let proposal =
        Proposal { slot, after, limit: value, valid_to, connection: CONNECTION, transaction: None };
    match ledger.transact(rows, owner, &Change::Open(proposal)) {
        Verdict::Written { opened } => opened.map(|grant| Message { slot, seq: grant.seq, value }),
        Verdict::Refused(_) => None,
    }
}

/// Every state was seen, none broke a promise, and each thing that should be possible was possible.
fn assert_safe<M>(model: M) -> usize
where
    M: Model + Send + Sync + 'static,
    M::State: std::hash::Hash + std::fmt::Debug + Clone + PartialEq + Send + Sync,
    M::Action: std::fmt::Debug + Clone + PartialEq + Send + Sync,
{
    let checker = model.checker().spawn_bfs().join();
    assert!(checker.is_done(), "not all states were seen");
    checker.assert_properties();
    checker.unique_state_count()
}

/// Both promises are broken. The steps of the shortest way over the limit.
fn steps_to_breach<M>(model: M, promises: &[&'static str]) -> usize
where
    M: Model + Send + Sync + 'static,
    M::State: std::hash::Hash + std::fmt::Debug + Clone + PartialEq + Send + Sync,
    M::Action: std::fmt::Debug + Clone + PartialEq + Send + Sync,
{
    let all = stateright::HasDiscoveries::AllOf(promises.iter().copied().collect());
    let checker = model.checker().finish_when(all).spawn_bfs().join();
    for promise in promises {
        checker.assert_any_discovery(promise);
    }
    checker.assert_any_discovery("within the limit").into_actions().len()
}
