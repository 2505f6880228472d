//! V1 and V2: the holder of a lease decides alone. Both break the limit; that is why there is a ledger. They have no ledger to run, so
//! they are told here in their own words.

use super::*;
use stateright::Property;

const LIMIT: i64 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Design {
    /// V1: the holder sends a lower and the raise that needs it together.
    Together,
    /// V2: the connection refuses older epochs, and a raise waits for the confirmed lower.
    EpochFence,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Holder {
    epoch: i64,
    believes: [Milliamps; 2],
    /// (EVSE, epoch, value). In order in V1, in any order in V2.
    outbox: Vec<(Slot, i64, Milliamps)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    epoch: i64,
    record: [Milliamps; 2],
    holders: [Holder; 2],
    fences: [i64; 2],
    channels: [Vec<(i64, Milliamps)>; 2],
    applied: [Milliamps; 2],
    responses: Vec<(Slot, i64, Milliamps)>,
    sent: [u8; 2],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Claim(usize),
    Rebalance(usize, Slot),
    Raise(usize, Slot),
    Lower(usize, Slot),
    Send(usize, usize),
    Deliver(Slot),
    Confirm(usize),
}

struct Site(Design);

impl Site {
    fn issue(state: &mut State, holder: usize, slot: Slot, value: Milliamps) -> Option<()> {
        let message = (slot, state.holders[holder].epoch, value);
        if state.sent[slot] >= 2 || state.holders[holder].outbox.len() >= 2 {
            return None;
        }
        state.sent[slot] += 1;
        state.holders[holder].outbox.push(message);
        Some(())
    }

    fn rebalance(state: &mut State, holder: usize, slot: Slot) -> Option<()> {
        let other = 1 - slot;
        if state.holders[holder].epoch == 0 || state.holders[holder].believes[slot] == HIGH {
            return None;
        }
        if state.holders[holder].believes[other] == HIGH {
            Self::issue(state, holder, other, LOW)?;
        }
        Self::issue(state, holder, slot, HIGH)?;
        state.holders[holder].believes[slot] = HIGH;
        state.holders[holder].believes[other] = LOW;
        state.record = state.holders[holder].believes;
        Some(())
    }

    fn raise(state: &mut State, holder: usize, slot: Slot) -> Option<()> {
        if state.holders[holder].epoch == 0 || state.holders[holder].believes != [LOW; 2] {
            return None;
        }
        Self::issue(state, holder, slot, HIGH)?;
        state.holders[holder].believes[slot] = HIGH;
        state.record[slot] = HIGH;
        Some(())
    }

    fn lower(state: &mut State, holder: usize, slot: Slot) -> Option<()> {
        let believes = state.holders[holder].believes[slot] == HIGH;
        if believes { Self::issue(state, holder, slot, LOW) } else { None }
    }

    fn send(&self, state: &mut State, holder: usize, place: usize) -> Option<()> {
        if self.0 == Design::Together && place > 0 {
            return None;
        }
        let (slot, epoch, value) = state.holders[holder].outbox.remove(place);
        if self.0 == Design::Together || epoch >= state.fences[slot] {
            state.fences[slot] = epoch;
            state.channels[slot].push((epoch, value));
        }
        Some(())
    }

    fn deliver(state: &mut State, slot: Slot) -> Option<()> {
        if state.channels[slot].is_empty() {
            return None;
        }
        let (epoch, value) = state.channels[slot].remove(0);
        state.applied[slot] = value;
        state.responses.push((slot, epoch, value));
        Some(())
    }

    fn confirm(state: &mut State, place: usize) -> Option<()> {
        let (slot, epoch, value) = state.responses.remove(place);
        if value == LOW {
            for holder in state.holders.iter_mut().filter(|holder| holder.epoch == epoch) {
                holder.believes[slot] = LOW;
            }
            state.record[slot] = LOW;
        }
        Some(())
    }
}

impl Model for Site {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let holder = |epoch| Holder { epoch, believes: [LOW; 2], outbox: Vec::new() };
        vec![State {
            epoch: 1,
            record: [LOW; 2],
            holders: [holder(1), holder(0)],
            fences: [0; 2],
            channels: Default::default(),
            applied: [LOW; 2],
            responses: Vec::new(),
            sent: [0; 2],
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for holder in 0..2 {
            if state.epoch < 3 {
                actions.push(Action::Claim(holder));
            }
            for slot in 0..2 {
                match self.0 {
                    Design::Together => actions.push(Action::Rebalance(holder, slot)),
                    Design::EpochFence => {
                        actions.extend([Action::Raise(holder, slot), Action::Lower(holder, slot)]);
                    }
                }
            }
            actions.extend((0..state.holders[holder].outbox.len()).map(|place| Action::Send(holder, place)));
        }
        actions.extend((0..2).map(Action::Deliver));
        actions.extend((0..state.responses.len()).map(Action::Confirm));
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Claim(holder) => {
                state.epoch += 1;
                state.holders[holder].epoch = state.epoch;
                state.holders[holder].believes = state.record;
                Some(())
            }
            Action::Rebalance(holder, slot) => Self::rebalance(&mut state, holder, slot),
            Action::Raise(holder, slot) => Self::raise(&mut state, holder, slot),
            Action::Lower(holder, slot) => Self::lower(&mut state, holder, slot),
            Action::Send(holder, place) => self.send(&mut state, holder, place),
            Action::Deliver(slot) => Self::deliver(&mut state, slot),
            Action::Confirm(place) => Self::confirm(&mut state, place),
        }?;
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("within the limit", |_, state: &State| {
            state.applied.iter().map(|value| value.0).sum::<i64>() <= LIMIT
        })]
    }
}

#[test]
fn v1_a_lower_and_its_raise_sent_together_are_refuted() {
    assert_eq!(steps_to_breach(Site(Design::Together), &["within the limit"]), 7);
}

#[test]
fn v2_an_epoch_fence_per_evse_is_refuted() {
    assert_eq!(steps_to_breach(Site(Design::EpochFence), &["within the limit"]), 7);
}
