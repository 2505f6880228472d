//! V6: stations that answer at once and apply later, an EVSE that starts at its fallback whenever it likes, transactions that end and
//! leave a call behind that applies to the next one. Mutations X6 to X8.

use super::*;
use stateright::Property;

/// The idle EVSE.
const IDLE: Slot = 2;
/// Not a value: the removal of profiles.
const CLEARED: Milliamps = Milliamps(0);

#[derive(Debug, Clone, Copy)]
struct Protocol {
    /// X6: an accepted grant closes the older ones at once.
    close_at_accepted: bool,
    /// X7: an EVSE without a transaction counts with nothing.
    idle_counts_nothing: bool,
    /// X8: the end of a transaction closes its grants though a call is unanswered.
    release_unanswered: bool,
    /// A guard that is over after the end settles a call: what an owner gets that holds the guard against when it heard of the end.
    late_guard_settles: bool,
    /// A connection that is gone settles its calls, as charging.md's G6 says.
    lost_connection_settles: bool,
    seq_max: i64,
    reconnects: u8,
    ends: u8,
}

const V6: Protocol = Protocol {
    close_at_accepted: false,
    idle_counts_nothing: false,
    release_unanswered: false,
    late_guard_settles: false,
    lost_connection_settles: false,
    seq_max: 3,
    reconnects: 1,
    ends: 1,
};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    ledger: Ledger,
    /// Opened and not sent yet: by whichever owner, in any order.
    outbox: Vec<Message>,
    fences: [Fence; 2],
    channels: [Vec<Message>; 2],
    /// Answered by the station, and not in force yet.
    coming: [Vec<Message>; 2],
    applied: [Milliamps; 3],
    responses: Vec<Message>,
    /// Accepted; its guard runs.
    guards: Vec<Message>,
    /// The highest sequence that was accepted and had its guard.
    settled: [GrantSeq; 2],
    /// A transaction ended when this was the last sequence, and that one was settled.
    ended: [Option<(GrantSeq, GrantSeq)>; 2],
    /// A removal of profiles was asked for.
    cleared: [bool; 2],
    reconnects: u8,
    ends: u8,
    moved: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Raise(Slot),
    Lower(Slot),
    Send(usize),
    Deliver(Slot),
    Apply(Slot),
    Confirm(usize),
    DropResponse(usize),
    GuardOver(usize),
    Reconnect(Slot),
    EndTransaction(Slot),
    Release(Slot),
    Clear(Slot),
    StartIdle,
}

struct Site {
    protocol: Protocol,
    start: Ledger,
    rows: Vec<Row>,
}

impl Site {
    fn of(protocol: Protocol) -> Self {
        let (mut start, rows) = site(3, 4);
        if protocol.idle_counts_nothing {
            start.accounts[IDLE] = Account::with_fallback(HIGH, Milliamps::ZERO);
        }
        Self { protocol, start, rows }
    }

    fn issue(&self, state: &mut State, slot: Slot, value: Milliamps) -> Option<()> {
        let account = &state.ledger.accounts[slot];
        if account.ceiling() == value || account.seq.0 >= self.protocol.seq_max || state.outbox.len() >= 4 {
            return None;
        }
        let owner = state.ledger.owner;
        let message = open(&mut state.ledger, &self.rows, owner, slot, value)?;
        state.outbox.push(message);
        state.outbox.sort_unstable();
        Some(())
    }

    fn send(state: &mut State, place: usize) -> Option<()> {
        let message = state.outbox.remove(place);
        if state.fences[message.slot].pass(CONNECTION, message.seq) {
            state.channels[message.slot].push(message);
        }
        Some(())
    }

    fn deliver(state: &mut State, slot: Slot) -> Option<()> {
        if state.channels[slot].is_empty() {
            return None;
        }
        let message = state.channels[slot].remove(0);
        state.coming[slot].push(message);
        state.responses.push(message);
        state.responses.sort_unstable();
        Some(())
    }

    fn apply(state: &mut State, slot: Slot) -> Option<()> {
        if state.coming[slot].is_empty() {
            return None;
        }
        let message = state.coming[slot].remove(0);
        state.applied[slot] = message.value.max(LOW);
        state.moved |= slot == 1 && message.value == HIGH;
        Some(())
    }

    fn confirm(&self, state: &mut State, place: usize) -> Option<()> {
        let message = state.responses.remove(place);
        if self.protocol.close_at_accepted {
            self.close(state, Change::Close { slot: message.slot, below: message.seq });
        } else {
            state.guards.push(message);
            state.guards.sort_unstable();
        }
        Some(())
    }

    /// Not before the station applied it: that is what the guard is for.
    fn guard_over(&self, state: &mut State, place: usize) -> Option<()> {
        let message = state.guards.remove(place);
        if state.coming[message.slot].contains(&message) {
            return None;
        }
        let Message { slot, seq, .. } = message;
        let closed = if message.value == CLEARED {
            Change::Release { slot, through: seq }
        } else {
            state.settled[slot] = state.settled[slot].max(seq);
            Change::Close { slot, below: seq }
        };
        self.close(state, closed);
        Some(())
    }

    /// Calls of the old connection are gone; the fence starts at the last sequence.
    fn reconnect(&self, state: &mut State, slot: Slot) -> Option<()> {
        state.reconnects = state.reconnects.checked_sub(1)?;
        let last = state.ledger.accounts[slot].seq;
        state.channels[slot].clear();
        state.fences[slot] = Fence::reloaded(CONNECTION, last);
        if self.protocol.lost_connection_settles {
            state.settled[slot] = last;
        }
        Some(())
    }

    /// The grant in force falls to the fallback. What is still on its way will apply to the next transaction.
    fn end_transaction(state: &mut State, slot: Slot) -> Option<()> {
        state.ends = state.ends.checked_sub(1)?;
        state.applied[slot] = LOW;
        state.ended[slot] = Some((state.ledger.accounts[slot].seq, state.settled[slot]));
        Some(())
    }

    /// The fence is raised first, so that nothing older follows; the answer proves that everything before was handled.
    fn clear(state: &mut State, slot: Slot) -> Option<()> {
        let (through, _) = state.ended[slot].filter(|_| !state.cleared[slot])?;
        state.cleared[slot] = true;
        state.fences[slot].raise(through);
        state.channels[slot].push(Message { slot, seq: through, value: CLEARED });
        Some(())
    }

    /// G6: everything was in force before the transaction ended. The guard is over when nothing accepted is still coming. Safe, and of no
    /// use to an owner: a station tells of an end minutes later, so it waits for [`Self::clear`] always.
    fn release(&self, state: &mut State, slot: Slot) -> Option<()> {
        let (through, then) = state.ended[slot]?;
        let late = self.protocol.late_guard_settles || self.protocol.lost_connection_settles;
        let settled = if late { state.settled[slot] } else { then };
        if (settled < through && !self.protocol.release_unanswered) || !state.coming[slot].is_empty() {
            return None;
        }
        state.ended[slot] = None;
        self.close(state, Change::Release { slot, through });
        Some(())
    }

    fn close(&self, state: &mut State, change: Change) {
        let owner = state.ledger.owner;
        state.ledger.transact(&self.rows, owner, &change);
    }
}

impl Model for Site {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            ledger: self.start.clone(),
            outbox: Vec::new(),
            fences: [Fence::reloaded(CONNECTION, GrantSeq(0)); 2],
            channels: Default::default(),
            coming: Default::default(),
            applied: [LOW, LOW, Milliamps::ZERO],
            responses: Vec::new(),
            guards: Vec::new(),
            settled: [GrantSeq(0); 2],
            ended: [None; 2],
            cleared: [false; 2],
            reconnects: self.protocol.reconnects,
            ends: self.protocol.ends,
            moved: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for slot in 0..2 {
            actions.extend([Action::Raise(slot), Action::Lower(slot), Action::Deliver(slot)]);
            actions.extend([Action::Apply(slot), Action::Reconnect(slot)]);
            actions.extend([Action::EndTransaction(slot), Action::Release(slot), Action::Clear(slot)]);
        }
        actions.extend((0..state.outbox.len()).map(Action::Send));
        for place in 0..state.responses.len() {
            actions.extend([Action::Confirm(place), Action::DropResponse(place)]);
        }
        actions.extend((0..state.guards.len()).map(Action::GuardOver));
        actions.push(Action::StartIdle);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Raise(slot) => self.issue(&mut state, slot, HIGH),
            Action::Lower(slot) => self.issue(&mut state, slot, LOW),
            Action::Send(place) => Self::send(&mut state, place),
            Action::Deliver(slot) => Self::deliver(&mut state, slot),
            Action::Apply(slot) => Self::apply(&mut state, slot),
            Action::Confirm(place) => self.confirm(&mut state, place),
            Action::DropResponse(place) => {
                state.responses.remove(place);
                Some(())
            }
            Action::GuardOver(place) => self.guard_over(&mut state, place),
            Action::Reconnect(slot) => self.reconnect(&mut state, slot),
            Action::EndTransaction(slot) => Self::end_transaction(&mut state, slot),
            Action::Release(slot) => self.release(&mut state, slot),
            Action::Clear(slot) => Self::clear(&mut state, slot),
            Action::StartIdle => {
                state.applied[IDLE] = LOW;
                Some(())
            }
        }?;
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("within the limit", |site, state: &State| {
                site.rows.iter().all(|row| row.slack(&state.applied) >= 0)
            }),
            Property::always("within the ceiling", |_, state: &State| {
                let ceilings = state.ledger.ceilings();
                state.applied.iter().zip(ceilings).all(|(value, ceiling)| *value <= ceiling)
            }),
            Property::sometimes("capacity moves", |_, state: &State| state.moved),
            Property::sometimes("the idle one starts while another has more", |_, state: &State| {
                state.applied[IDLE] == LOW && state.applied[..2].contains(&HIGH)
            }),
        ]
    }
}

/// Looked for with the fewest values that show it.
fn check_refuted(protocol: Protocol, limit_steps: usize) {
    let promises = ["within the ceiling", "within the limit"];
    assert_eq!(steps_to_breach(Site::of(protocol), &promises), limit_steps);
}

#[test]
fn v6_safe_when_stations_apply_late() {
    assert_eq!(assert_safe(Site::of(Protocol { ends: 0, ..V6 })), 290_210);
}

#[test]
fn v6_safe_when_a_transaction_ends_with_a_call_under_way() {
    assert_eq!(assert_safe(Site::of(Protocol { seq_max: 2, reconnects: 0, ..V6 })), 198_236);
}

#[test]
fn x6_closing_at_accepted_is_refuted() {
    check_refuted(Protocol { close_at_accepted: true, seq_max: 2, reconnects: 0, ends: 0, ..V6 }, 13);
}

#[test]
fn x7_an_idle_evse_that_counts_nothing_is_refuted() {
    check_refuted(Protocol { idle_counts_nothing: true, seq_max: 1, reconnects: 0, ends: 0, ..V6 }, 9);
}

#[test]
fn x8_releasing_with_a_call_unanswered_is_refuted() {
    check_refuted(Protocol { release_unanswered: true, seq_max: 1, reconnects: 0, ..V6 }, 11);
}

#[test]
fn a_guard_that_is_over_after_the_end_settles_nothing() {
    check_refuted(Protocol { late_guard_settles: true, seq_max: 1, reconnects: 0, ..V6 }, 13);
}

#[test]
fn a_lost_connection_settles_nothing() {
    check_refuted(Protocol { lost_connection_settles: true, seq_max: 1, ..V6 }, 12);
}
