//! V3 to V5: the ledger and the fence, without time. Mutations X1 to X5.

use super::*;
use stateright::Property;

/// What the protocol does, and what a mutation leaves out.
#[derive(Debug, Clone, Copy)]
struct Protocol {
    /// An owner must believe the current epoch to raise.
    epochs: bool,
    /// The connection has a fence.
    fence: bool,
    /// A new connection reads the last sequence.
    reload: bool,
    /// Capacity is given away when the lower is decided.
    close_on_issue: bool,
    /// Grants end by themselves.
    expiry: bool,
    /// A grant is taken back before it ended at the station.
    reclaim_early: bool,
    /// Any low answer closes everything.
    any_low_frees: bool,
    /// Every accepted answer closes what is older, and values may be issued at any time: the rule of the code. Without it only the
    /// answer to the newest grant counts, and only changes are sent.
    wide: bool,
    seq_max: i64,
    epoch_max: i64,
    reconnects: u8,
}

const V3: Protocol = Protocol {
    epochs: true,
    fence: true,
    reload: true,
    close_on_issue: false,
    expiry: false,
    reclaim_early: false,
    any_low_frees: false,
    wide: false,
    seq_max: 3,
    epoch_max: 3,
    reconnects: 1,
};
const V4: Protocol = Protocol { epochs: false, ..V3 };
const V5: Protocol = Protocol { expiry: true, seq_max: 2, epoch_max: 2, ..V3 };

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Owner {
    believes: Epoch,
    outbox: Vec<Message>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    ledger: Ledger,
    owners: [Owner; 2],
    fences: [Fence; 2],
    channels: [Vec<Message>; 2],
    applied: [(Milliamps, GrantSeq); 2],
    expired: [GrantSeq; 2],
    responses: Vec<Message>,
    reconnects: u8,
    /// EVSE 1 has been at the high value.
    moved: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Claim(usize),
    Raise(usize, Slot),
    Lower(usize, Slot),
    Send(usize, usize),
    Deliver(Slot),
    Confirm(usize),
    DropResponse(usize),
    Reconnect(Slot),
    Expire(Slot),
    Reclaim(Slot),
}

struct Site {
    protocol: Protocol,
    start: Ledger,
    rows: Vec<Row>,
}

impl Site {
    fn of(protocol: Protocol) -> Self {
        let (start, rows) = site(2, 3);
        Self { protocol, start, rows }
    }

    fn may_issue(&self, state: &State, owner: usize, slot: Slot) -> bool {
        state.ledger.accounts[slot].seq.0 < self.protocol.seq_max && state.owners[owner].outbox.len() < 2
    }

    fn issue(&self, state: &mut State, owner: usize, slot: Slot, value: Milliamps) -> Option<()> {
        let ceiling = state.ledger.accounts[slot].ceiling();
        let change = self.protocol.wide || ceiling != value;
        if !change || !self.may_issue(state, owner, slot) {
            return None;
        }
        // The ledger refuses a lower of a deposed owner too; here it may pass, which is worse.
        let checked = self.protocol.epochs && value > LOW;
        let epoch = if checked { state.owners[owner].believes } else { state.ledger.owner };
        let message = open(&mut state.ledger, &self.rows, epoch, slot, value)?;
        state.owners[owner].outbox.push(message);
        state.owners[owner].outbox.sort_unstable();
        if self.protocol.close_on_issue && value == LOW {
            self.close(state, Change::Close { slot, below: message.seq });
        }
        Some(())
    }

    fn send(&self, state: &mut State, owner: usize, place: usize) -> Option<()> {
        let message = state.owners[owner].outbox.remove(place);
        let passes = state.fences[message.slot].pass(CONNECTION, message.seq);
        if passes || !self.protocol.fence {
            state.channels[message.slot].push(message);
        }
        Some(())
    }

    fn deliver(&self, state: &mut State, slot: Slot) -> Option<()> {
        if state.channels[slot].is_empty() {
            return None;
        }
        let message = state.channels[slot].remove(0);
        let value = if message.seq <= state.expired[slot] { LOW } else { message.value };
        state.applied[slot] = (value, message.seq);
        state.moved |= slot == 1 && value == HIGH;
        state.responses.push(Message { value, ..message });
        state.responses.sort_unstable();
        Some(())
    }

    fn confirm(&self, state: &mut State, place: usize) -> Option<()> {
        let Message { slot, seq, value } = state.responses.remove(place);
        let newest = seq == state.ledger.accounts[slot].seq;
        if self.protocol.any_low_frees && value == LOW {
            let through = state.ledger.accounts[slot].seq;
            self.close(state, Change::Release { slot, through });
        } else if self.protocol.wide || (newest && value == LOW) {
            self.close(state, Change::Close { slot, below: seq });
        } else {
            return None;
        }
        Some(())
    }

    fn reconnect(&self, state: &mut State, slot: Slot) -> Option<()> {
        state.reconnects = state.reconnects.checked_sub(1)?;
        state.channels[slot].clear();
        // One less than the code reads: the newest grant may still pass, which is worse.
        let last = GrantSeq((state.ledger.accounts[slot].seq.0 - 1).max(0));
        state.fences[slot] =
            Fence::reloaded(CONNECTION, if self.protocol.reload { last } else { GrantSeq(0) });
        Some(())
    }

    fn expire(&self, state: &mut State, slot: Slot) -> Option<()> {
        let account = &state.ledger.accounts[slot];
        if account.ceiling() != HIGH || state.expired[slot] == account.seq {
            return None;
        }
        state.expired[slot] = account.seq;
        state.applied[slot].0 = LOW;
        Some(())
    }

    fn reclaim(&self, state: &mut State, slot: Slot) -> Option<()> {
        let account = &state.ledger.accounts[slot];
        let ended = state.expired[slot] == account.seq || self.protocol.reclaim_early;
        if account.ceiling() != HIGH || !ended {
            return None;
        }
        let before = Timestamp::from_millis(account.seq.next().0);
        self.close(state, Change::Expire { slot, before });
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
        let owner = |believes| Owner { believes: Epoch(believes), outbox: Vec::new() };
        vec![State {
            ledger: self.start.clone(),
            owners: [owner(-1), owner(-1)],
            fences: [Fence::reloaded(CONNECTION, GrantSeq(0)); 2],
            channels: Default::default(),
            applied: [(LOW, GrantSeq(0)); 2],
            expired: [GrantSeq(0); 2],
            responses: Vec::new(),
            reconnects: self.protocol.reconnects,
            moved: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for owner in 0..2 {
            if self.protocol.epochs && state.ledger.owner.0 < self.protocol.epoch_max {
                actions.push(Action::Claim(owner));
            }
            for slot in 0..2 {
                actions.extend([Action::Raise(owner, slot), Action::Lower(owner, slot)]);
            }
            actions.extend((0..state.owners[owner].outbox.len()).map(|place| Action::Send(owner, place)));
        }
        for slot in 0..2 {
            actions.extend([Action::Deliver(slot), Action::Reconnect(slot)]);
            if self.protocol.expiry {
                actions.extend([Action::Expire(slot), Action::Reclaim(slot)]);
            }
        }
        for place in 0..state.responses.len() {
            actions.extend([Action::Confirm(place), Action::DropResponse(place)]);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Claim(owner) => {
                state.owners[owner].believes = state.ledger.claim();
                Some(())
            }
            Action::Raise(owner, slot) => self.issue(&mut state, owner, slot, HIGH),
            Action::Lower(owner, slot) => self.issue(&mut state, owner, slot, LOW),
            Action::Send(owner, place) => self.send(&mut state, owner, place),
            Action::Deliver(slot) => self.deliver(&mut state, slot),
            Action::Confirm(place) => self.confirm(&mut state, place),
            Action::DropResponse(place) => {
                state.responses.remove(place);
                Some(())
            }
            Action::Reconnect(slot) => self.reconnect(&mut state, slot),
            Action::Expire(slot) => self.expire(&mut state, slot),
            Action::Reclaim(slot) => self.reclaim(&mut state, slot),
        }?;
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("within the limit", |site, state: &State| {
                let applied = state.applied.map(|(value, _)| value);
                site.rows.iter().all(|row| row.slack(&applied) >= 0)
            }),
            Property::always("within the ceiling", |_, state: &State| {
                let ceilings = state.ledger.ceilings();
                state.applied.iter().zip(ceilings).all(|((value, _), ceiling)| *value <= ceiling)
            }),
            Property::sometimes("capacity moves", |_, state: &State| state.moved),
        ]
    }
}

fn check_safe(protocol: Protocol, states: usize) {
    assert_eq!(assert_safe(Site::of(protocol)), states);
}

fn check_refuted(protocol: Protocol, limit_steps: usize) {
    let promises = ["within the ceiling", "within the limit"];
    assert_eq!(steps_to_breach(Site::of(protocol), &promises), limit_steps);
}

#[test]
fn v3_ledger_and_fence_are_safe_and_capacity_moves() {
    check_safe(V3, 287_030);
}

#[test]
fn v4_safe_without_lease_or_epoch() {
    check_safe(V4, 30_588);
}

#[test]
fn v5_safe_with_grants_that_end_by_themselves() {
    check_safe(V5, 586_564);
}

#[test]
fn every_accepted_answer_may_close_what_is_older() {
    check_safe(Protocol { wide: true, seq_max: 2, ..V4 }, 24_681);
}

#[test]
fn x1_no_fence_at_the_connection_is_refuted() {
    check_refuted(Protocol { fence: false, seq_max: 2, reconnects: 0, ..V3 }, 11);
}

#[test]
fn x2_a_connection_that_does_not_reload_is_refuted() {
    check_refuted(Protocol { reload: false, seq_max: 2, ..V3 }, 12);
}

#[test]
fn x3_a_ceiling_lowered_before_its_confirmation_is_refuted() {
    check_refuted(Protocol { close_on_issue: true, ..V3 }, 8);
}

#[test]
fn x4_a_grant_reclaimed_before_its_end_is_refuted() {
    check_refuted(Protocol { reclaim_early: true, ..V5 }, 8);
}

#[test]
fn x5_any_low_answer_frees_is_refuted() {
    check_refuted(Protocol { any_low_frees: true, seq_max: 4, reconnects: 0, ..V4 }, 15);
}
