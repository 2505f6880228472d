//! One station, two nodes, a table of routes that can lose everything: connect, takeover, close and sweep, all states of it.
//!
//! The rules are the real ones of [`routes`]. Messages arrive in any order, one may be lost. The station dials again whenever it likes and
//! tells its old node nothing. Checked: R1 and R2 of reliability.md 7.4, and that a live socket gets its route back.

use super::*;
use ringmain_domain::cluster::routes::{self, Place};
use ringmain_domain::id::NodeId;
use stateright::Property;

const FENCED: &str = "a route is replaced or deleted by its own number or a higher one";
const ONE: &str = "a number is at one node, and one sweep leaves one connection";
const BACK: &str = "one sweep brings the route of a live socket back";
const MOVES: &str = "a station moves and its old socket closes after that";

const NUMBERS_MAX: i64 = 3;
const IN_FLIGHT_MAX: usize = 4;

/// What the protocol does, and what a mutation leaves out.
#[derive(Debug, Clone, Copy)]
struct Protocol {
    set_compares: bool,
    assert_compares: bool,
    delete_compares: bool,
    release_compares: bool,
    sweeps: bool,
    /// Whoever replaces an older route dismisses its connection.
    dismisses: bool,
    /// Who is superseded ends.
    yields: bool,
}

const RULES: Protocol = Protocol {
    set_compares: true,
    assert_compares: true,
    delete_compares: true,
    release_compares: true,
    sweeps: true,
    dismisses: true,
    yields: true,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Message {
    Set(usize, Epoch),
    Assert(usize, Epoch),
    Delete(usize, Epoch),
    /// To a node: a newer connection than this is somewhere.
    Superseded(usize, Epoch),
    /// At a node: the socket of this number has closed, and its end is told now.
    Closed(usize, Epoch),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    last: Epoch,
    /// Sockets that have their number and not yet their place.
    opening: [Option<Epoch>; 2],
    tables: [Option<Epoch>; 2],
    route: Option<(usize, Epoch)>,
    in_flight: Vec<Message>,
    /// The socket the station holds.
    live: Option<Epoch>,
    losses: u8,
    /// Messages that got lost.
    drops: u8,
    /// A rule was broken on the way here.
    unfenced: bool,
    /// An old socket closed after the station had moved.
    moved: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Dial(usize),
    Claim(usize),
    /// The socket in the node's table closes.
    Close(usize),
    Sweep(usize),
    Deliver(usize),
    Drop(usize),
    LoseRoutes,
}

struct Station(Protocol);

fn node_id(node: usize) -> NodeId {
    NodeId(uuid::Uuid::from_u128(u128::try_from(node).unwrap() + 1))
}

fn place((node, epoch): (usize, Epoch)) -> Place {
    Place { node: node_id(node), epoch }
}

impl State {
    fn send(&mut self, message: Message) -> Option<()> {
        if self.in_flight.len() >= IN_FLIGHT_MAX {
            return None;
        }
        self.in_flight.push(message);
        self.in_flight.sort_unstable();
        Some(())
    }

    fn close(&mut self, epoch: Epoch) {
        if self.live == Some(epoch) {
            self.live = None;
        }
    }
}

impl Station {
    fn dial(state: &mut State, node: usize) -> Option<()> {
        if state.last.0 >= NUMBERS_MAX || state.opening[node].is_some() {
            return None;
        }
        state.last = Epoch(state.last.0 + 1);
        state.opening[node] = Some(state.last);
        state.live = Some(state.last);
        Some(())
    }

    fn claim(&self, state: &mut State, node: usize) -> Option<()> {
        let epoch = state.opening[node].take()?;
        let present = state.tables[node];
        if self.0.set_compares && !routes::may_set(present, epoch) {
            state.close(epoch);
            return Some(());
        }
        if let Some(old) = present {
            state.unfenced |= old > epoch;
            state.close(old);
            state.send(Message::Closed(node, old))?;
        }
        state.tables[node] = Some(epoch);
        state.send(Message::Set(node, epoch))
    }

    /// The end of a socket: released is what is there under its number, here and in the table of routes.
    fn closed(&self, state: &mut State, node: usize, epoch: Epoch) -> Option<()> {
        let present = state.tables[node];
        state.moved |= state.live.is_some_and(|live| live > epoch);
        if routes::may_delete(present, epoch) || (!self.0.release_compares && present.is_some()) {
            state.unfenced |= present.is_some_and(|present| present > epoch);
            state.tables[node] = None;
        }
        state.send(Message::Delete(node, epoch))
    }

    fn write(&self, state: &mut State, node: usize, epoch: Epoch, may: bool) -> Option<()> {
        let before = state.route;
        if !may {
            return state.send(Message::Superseded(node, epoch));
        }
        state.unfenced |= before.is_some_and(|(_, before)| before > epoch);
        state.route = Some((node, epoch));
        let old = routes::dismissed(before.map(place), &place((node, epoch)));
        match before.filter(|_| old.is_some() && self.0.dismisses) {
            Some((other, old)) => state.send(Message::Superseded(other, old)),
            None => Some(()),
        }
    }

    fn deliver(&self, state: &mut State, which: usize) -> Option<()> {
        let message = state.in_flight.remove(which);
        let present = state.route.map(|(_, epoch)| epoch);
        match message {
            Message::Set(node, epoch) => {
                self.write(state, node, epoch, !self.0.set_compares || routes::may_set(present, epoch))
            }
            Message::Assert(node, epoch) => {
                self.write(state, node, epoch, !self.0.assert_compares || routes::may_assert(present, epoch))
            }
            Message::Delete(_, epoch) => {
                if routes::may_delete(present, epoch) || (!self.0.delete_compares && present.is_some()) {
                    state.unfenced |= present.is_some_and(|present| present > epoch);
                    state.route = None;
                }
                Some(())
            }
            Message::Superseded(node, epoch) if state.tables[node] == Some(epoch) && self.0.yields => {
                state.close(epoch);
                self.closed(state, node, epoch)
            }
            Message::Superseded(..) => Some(()),
            Message::Closed(node, epoch) => self.closed(state, node, epoch),
        }
    }

    /// Nothing is under way any more: one sweep of both nodes, in this order, with all that follows from it.
    fn swept(&self, state: &State, order: [usize; 2]) -> State {
        let mut state = state.clone();
        for node in order {
            if let Some(epoch) = state.tables[node].filter(|_| self.0.sweeps) {
                state.in_flight.push(Message::Assert(node, epoch));
            }
            while !state.in_flight.is_empty() {
                self.deliver(&mut state, 0).unwrap();
            }
        }
        state
    }

    fn both_orders(&self, state: &State, holds: impl Fn(&State) -> bool) -> bool {
        let still = state.in_flight.is_empty() && state.opening == [None, None];
        !still || [[0, 1], [1, 0]].into_iter().all(|order| holds(&self.swept(state, order)))
    }
}

impl Model for Station {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            last: Epoch(0),
            opening: [None; 2],
            tables: [None; 2],
            route: None,
            in_flight: Vec::new(),
            live: None,
            losses: 0,
            drops: 0,
            unfenced: false,
            moved: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for node in 0..2 {
            actions.extend([Action::Dial(node), Action::Claim(node), Action::Close(node)]);
            actions.push(Action::Sweep(node));
        }
        for which in 0..state.in_flight.len() {
            actions.extend([Action::Deliver(which), Action::Drop(which)]);
        }
        actions.push(Action::LoseRoutes);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Dial(node) => Self::dial(&mut state, node),
            Action::Claim(node) => self.claim(&mut state, node),
            Action::Close(node) => {
                let epoch = state.tables[node]?;
                state.close(epoch);
                self.closed(&mut state, node, epoch)
            }
            Action::Sweep(node) => {
                let message = Message::Assert(node, state.tables[node].filter(|_| self.0.sweeps)?);
                if state.in_flight.contains(&message) { None } else { state.send(message) }
            }
            Action::Deliver(which) => self.deliver(&mut state, which),
            Action::Drop(which) => {
                // The end of a socket is told within its own node: that is not lost.
                let lost = state.in_flight.remove(which);
                let may = state.drops == 0 && !matches!(lost, Message::Closed(..));
                state.drops = 1;
                may.then_some(())
            }
            Action::LoseRoutes => {
                let may = state.losses == 0 && state.route.take().is_some();
                state.losses = 1;
                may.then_some(())
            }
        }?;
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(FENCED, |_, state: &State| !state.unfenced),
            Property::always(ONE, |model: &Self, state: &State| {
                let twice = state.tables[0].is_some() && state.tables[0] == state.tables[1];
                !twice && model.both_orders(state, |swept| swept.tables.iter().flatten().count() <= 1)
            }),
            Property::always(BACK, |model: &Self, state: &State| {
                let Some(live) = state.live else { return true };
                model.both_orders(state, |swept| {
                    let route = swept.route.filter(|(_, epoch)| *epoch == live);
                    route.is_some_and(|(node, _)| swept.tables[node] == Some(live))
                })
            }),
            Property::sometimes(MOVES, |_, state: &State| state.moved),
        ]
    }
}

/// This promise is broken.
fn assert_refuted(protocol: Protocol, promise: &'static str) {
    let wanted = stateright::HasDiscoveries::AllOf(std::iter::once(promise).collect());
    let checker = Station(protocol).checker().finish_when(wanted).spawn_bfs().join();
    checker.assert_any_discovery(promise);
}

#[test]
fn routes_are_fenced_and_come_back() {
    let states = assert_safe(Station(RULES));
    println!("routes: {states} states");
    assert!(states > 10_000, "{states} states");
}

#[test]
fn a_route_deleted_by_whoever_closes_is_refuted() {
    let protocol = Protocol { delete_compares: false, ..RULES };
    assert_refuted(protocol, FENCED);
}

#[test]
fn a_table_that_forgets_whoever_is_there_is_refuted() {
    let protocol = Protocol { release_compares: false, ..RULES };
    assert_refuted(protocol, FENCED);
    assert_refuted(protocol, BACK);
}

#[test]
fn a_route_set_without_comparing_is_refuted() {
    assert_refuted(Protocol { set_compares: false, ..RULES }, FENCED);
}

#[test]
fn a_sweep_that_does_not_compare_is_refuted() {
    let protocol = Protocol { assert_compares: false, ..RULES };
    assert_refuted(protocol, FENCED);
    assert_refuted(protocol, BACK);
}

#[test]
fn routes_that_nobody_says_again_are_refuted() {
    assert_refuted(Protocol { sweeps: false, ..RULES }, BACK);
}

#[test]
fn a_replaced_route_whose_connection_is_not_dismissed_is_refuted() {
    assert_refuted(Protocol { dismisses: false, ..RULES }, ONE);
}

#[test]
fn a_superseded_connection_that_stays_is_refuted() {
    assert_refuted(Protocol { yields: false, ..RULES }, ONE);
}
