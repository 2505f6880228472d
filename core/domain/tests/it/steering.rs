//! The owner's side of the ledger, input by input. What it promises in time and in trees is in `simulation.rs`.

use ringmain_domain::id::{Epoch, GrantSeq, TransactionId};
use ringmain_domain::load::ledger::account::Account;
use ringmain_domain::load::ledger::conduct::Conduct;
use ringmain_domain::load::ledger::row::Row;
use ringmain_domain::load::ledger::steering::input::{Arrival, Effect, EvseInput, Input, StoreAnswer};
use ringmain_domain::load::ledger::steering::{Outlet, Pace, SteeringState};
use ringmain_domain::load::ledger::{Ledger, Refusal};
use ringmain_domain::time::Timestamp;
use ringmain_domain::unit::Milliamps;

const FALLBACK: Milliamps = Milliamps(6_000);

fn site(evses: usize) -> (SteeringState, Ledger) {
    let accounts = vec![Account::with_fallback(Milliamps(32_000), FALLBACK); evses];
    let ledger = Ledger { owner: Epoch(1), accounts };
    let outlet =
        Outlet { conduct: Conduct::default(), minimum: FALLBACK, step: Milliamps(1_000), fallback: FALLBACK };
    let rows = vec![Row { limit: 1_000_000, users: (0..evses).map(|slot| (slot, 1)).collect() }];
    (SteeringState::new(Epoch(1), Pace::default(), &vec![outlet; evses], rows), ledger)
}

fn count(effects: &[Effect], wanted: fn(&Effect) -> bool) -> usize {
    effects.iter().filter(|effect| wanted(effect)).count()
}

const fn is_write(effect: &Effect) -> bool {
    matches!(effect, Effect::Write { .. })
}

const fn is_load(effect: &Effect) -> bool {
    matches!(effect, Effect::Load)
}

#[test]
fn many_refusals_ask_for_one_reading() {
    const EVSES: usize = 20;
    let now = Timestamp::from_millis(0);
    let (mut owner, ledger) = site(EVSES);
    owner.apply(now, Input::Loaded(Box::new(ledger.clone())));
    for slot in 0..EVSES {
        let arrival = EvseInput::Connected { connection: Epoch(7), arrival: Arrival::Found };
        owner.apply(now, Input::Evse(slot, arrival));
        let transaction = TransactionId::new(&slot.to_string()).unwrap();
        owner.apply(now, Input::Evse(slot, EvseInput::Started(transaction)));
    }
    let raises = owner.apply(now, Input::Plan(vec![Milliamps(16_000); EVSES]));
    assert_eq!(count(&raises, is_write), EVSES);
    let mut loads = 0;
    for slot in 0..EVSES {
        let refused = StoreAnswer::Refused(Refusal::Moved { last: GrantSeq(1) });
        let effects = owner.apply(now, Input::Stored(slot, refused));
        assert_eq!(count(&effects, is_write), 0, "nothing is written before the ledger is read");
        loads += count(&effects, is_load);
    }
    assert_eq!(loads, 1);
    // And once it is read, each raise is made once, as soon as its pace allows.
    owner.apply(now, Input::Loaded(Box::new(ledger)));
    let raises = owner.apply(now.plus_millis(10_000), Input::Tick);
    assert_eq!(count(&raises, is_write), EVSES);
    let lost = owner.apply(now, Input::Stored(0, StoreAnswer::WriteLost));
    assert_eq!(count(&lost, is_load), 1, "the next doubt asks again");
}
