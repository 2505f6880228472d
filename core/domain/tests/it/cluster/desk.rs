//! A command from its giver to a socket and back: its row, the steps of `Dispatch`, another node, a station's queue, one call at a time.

use ringmain_domain::cluster::dispatch::{ASK_ALL_MS, Dispatch, Heard, Step};
use ringmain_domain::cluster::routes::Place;
use ringmain_domain::command::CommandOutcome;
use ringmain_domain::id::{Epoch, NodeId};

use super::faults::Planted;
use super::node::Input;
use super::peers::{self, Answer, Handed, Waits};
use super::postgres::{self, Said};
use super::redis;
use super::world::{At, Event, World};

/// A station's queue.
const QUEUE_MAX: usize = 16;
/// So often a node tries to write an order down.
const INSERTS_MAX: u8 = 4;

/// An order at the node that was given it.
#[derive(Debug, Default)]
pub(crate) struct Order {
    dispatch: Option<Dispatch>,
    deadline: i64,
    /// What all nodes said that were asked.
    places: Vec<Place>,
    unheard: usize,
    complete: bool,
    ended: Option<CommandOutcome>,
}

/// A command at the connection of its station.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) order: usize,
    deadline: i64,
    for_whom: ForWhom,
}

#[derive(Debug, Clone, Copy)]
enum ForWhom {
    Here,
    Peer(At, u64),
}

impl World {
    /// Somebody gives an order to a node.
    pub(crate) fn give(&mut self, node: usize, order: usize) {
        if self.nodes[node].is_up {
            self.input(node, 1, Input::Given(order));
        }
    }

    pub(crate) fn given(&mut self, node: usize, order: usize) {
        if !self.holds_lease(node) {
            return self.count("order refused without a lease");
        }
        if self.nodes[node].desk.contains_key(&order) {
            return;
        }
        self.nodes[node].desk.insert(order, Order::default());
        self.ask_postgres(node, postgres::Ask::Insert(order, 1));
    }

    /// An order without its row is none. Whose name the row bears carries it out; when its writer never learns of it, any node ends it.
    pub(crate) fn inserted(&mut self, node: usize, order: usize, times: u8, said: &Said) {
        let me = self.nodes[node].id;
        let Some(state) = self.nodes[node].desk.get_mut(&order) else { return };
        match said {
            _ if state.dispatch.is_some() => {}
            Said::Row(owner, deadline, None) if *owner == me => {
                let (dispatch, first) = Dispatch::new(me);
                state.dispatch = Some(dispatch);
                state.deadline = *deadline;
                let deadline = *deadline;
                self.due_at(node, order, deadline);
                self.perform_step(node, order, first);
            }
            Said::Failed if times < INSERTS_MAX => {
                self.input(node, 300, Input::InsertAgain(order, times + 1));
            }
            _ => {
                self.nodes[node].desk.remove(&order);
            }
        }
    }

    /// Wakes the node when the deadline has passed, by what it knows of the database's clock or, planted, by its wall clock.
    fn due_at(&mut self, node: usize, order: usize, deadline: i64) {
        let now = self.deadline_clock(node);
        self.input(node, (deadline - now).max(0), Input::Due(order));
    }

    fn deadline_clock(&self, node: usize) -> i64 {
        if self.planted == Planted::WallClock {
            return self.database_now() + self.nodes[node].clocks.wall_offset_ms;
        }
        self.nodes[node].database.at_most(self.boot(node)).unwrap_or(i64::MAX)
    }

    fn is_past(&self, node: usize, deadline: i64) -> bool {
        if self.planted == Planted::WallClock {
            return deadline <= self.deadline_clock(node);
        }
        self.nodes[node].database.is_past(deadline, self.boot(node))
    }

    fn hear(&mut self, node: usize, order: usize, heard: Heard) {
        let Some(state) = self.nodes[node].desk.get_mut(&order) else { return };
        if state.ended.is_some() {
            return;
        }
        let Some(dispatch) = state.dispatch.as_mut() else { return };
        let step = dispatch.next(heard);
        let deadline = state.deadline;
        if self.is_past(node, deadline) && !matches!(step, Step::End(_)) {
            // A node that was paused looks at the clock before it goes on.
            self.count("deadline seen between two steps");
            return self.overdue(node, order);
        }
        self.perform_step(node, order, step);
    }

    fn perform_step(&mut self, node: usize, order: usize, step: Step) {
        self.tell(|| format!("order {order} at node {node}: {step:?}"));
        let station = self.orders[order].station;
        let Some(deadline) = self.nodes[node].desk.get(&order).map(|state| state.deadline) else { return };
        match step {
            Step::TryHere => {
                if self.nodes[node].table.contains_key(&station) {
                    self.count("station here");
                    self.enqueue(node, station, Waiting { order, deadline, for_whom: ForWhom::Here });
                } else {
                    self.hear(node, order, Heard::NotHere);
                }
            }
            Step::AskRoutes => self.ask_redis(node, redis::Ask::StationOf(order, station)),
            Step::AskAll => self.ask_all(node, order, station),
            Step::Forward(to) => self.forward(node, to, Handed { to, order, station, deadline }),
            Step::End(outcome) => self.finish(node, order, outcome),
        }
    }

    fn ask_all(&mut self, node: usize, order: usize, station: usize) {
        self.count("all asked for a station");
        let (others, here) = (self.others(node), self.place_here(node, station));
        let Some(state) = self.nodes[node].desk.get_mut(&order) else { return };
        state.places = here.into_iter().collect();
        state.unheard = others.len();
        state.complete = true;
        if others.is_empty() {
            return self.all_heard(node, order);
        }
        for other in others {
            self.ask_peer(node, other, peers::Ask::Have(station), Waits::Finding(order), Some(ASK_ALL_MS));
        }
    }

    pub(crate) fn found(&mut self, node: usize, order: usize, place: Option<Place>, answered: bool) {
        let Some(state) = self.nodes[node].desk.get_mut(&order) else { return };
        state.places.extend(place);
        state.complete &= answered;
        state.unheard -= 1;
        if state.unheard == 0 {
            self.all_heard(node, order);
        }
    }

    fn all_heard(&mut self, node: usize, order: usize) {
        let Some(state) = self.nodes[node].desk.get_mut(&order) else { return };
        let places = std::mem::take(&mut state.places);
        let complete = state.complete;
        self.count(if complete { "all answered" } else { "a node did not say whether it has the station" });
        self.hear(node, order, Heard::Found { places, complete });
    }

    pub(crate) fn routed(&mut self, node: usize, order: usize, route: Option<Option<Place>>) {
        let heard = route.map_or(Heard::NoRoutes, Heard::Routed);
        self.hear(node, order, heard);
    }

    fn forward(&mut self, node: usize, to: NodeId, handed: Handed) {
        let member = self.nodes[node].members.iter().find(|member| member.id == to);
        let Some(member) = member.map(|member| member.node) else {
            self.count("route to a node that is gone");
            return self.hear(node, handed.order, Heard::Unreachable);
        };
        self.count("handed to another node");
        self.ask_peer(node, member, peers::Ask::Execute(handed), Waits::Handed(handed.order), None);
    }

    pub(crate) fn handed_back(&mut self, node: usize, order: usize, to: usize, answer: Answer) {
        match answer {
            Answer::Ended(outcome) => self.finish(node, order, outcome),
            Answer::NotThere => {
                self.count("other node does not have it");
                self.hear(node, order, Heard::NotThere);
            }
            Answer::Unreachable => {
                self.count("other node never reached");
                self.hear(node, order, Heard::Unreachable);
            }
            Answer::Lost | Answer::Old(_) | Answer::Place(_) | Answer::Done => {
                self.count("other node lost");
                if self.planted == Planted::ForwardAfterLost {
                    let id = self.nodes[to].id;
                    return self.perform_step(node, order, Step::Forward(id));
                }
                self.hear(node, order, Heard::Lost);
            }
        }
    }

    pub(crate) fn handed_over(&mut self, node: usize, from: At, token: u64, handed: Handed) {
        if handed.to != self.nodes[node].id {
            self.count("handed to an earlier run");
            return self.answer_peer(node, from, token, Answer::NotThere);
        }
        if !self.nodes[node].table.contains_key(&handed.station) {
            return self.answer_peer(node, from, token, Answer::NotThere);
        }
        let Handed { order, station, deadline, .. } = handed;
        self.due_at(node, order, deadline);
        self.enqueue(node, station, Waiting { order, deadline, for_whom: ForWhom::Peer(from, token) });
    }

    fn enqueue(&mut self, node: usize, station: usize, waiting: Waiting) {
        let Some(connection) = self.nodes[node].table.get_mut(&station) else {
            return self.answer(node, waiting, None);
        };
        if connection.queue.len() >= QUEUE_MAX {
            return self.answer(node, waiting, Some(CommandOutcome::StationBusy));
        }
        connection.queue.push_back(waiting);
        self.pump(node, station);
    }

    /// Writes the next call when the last is answered. Nothing is written after its deadline, also by a node that slept.
    pub(crate) fn pump(&mut self, node: usize, station: usize) {
        loop {
            let Some(connection) = self.nodes[node].table.get_mut(&station) else { return };
            if !connection.is_open || connection.in_flight.is_some() {
                return;
            }
            let Some(waiting) = connection.queue.pop_front() else { return };
            if self.is_past(node, waiting.deadline) {
                self.count("deadline passed in the queue");
                self.answer(node, waiting, Some(CommandOutcome::NotSentDeadline));
                continue;
            }
            let order = waiting.order;
            self.check_written(order, waiting.deadline);
            if let Some(connection) = self.nodes[node].table.get_mut(&station) {
                connection.in_flight = Some(waiting);
                let wire = connection.wire;
                self.tell(|| format!("order {order} written at node {node}"));
                let travel = self.travel_ms();
                self.after(travel, Event::Call(wire, order));
            }
        }
    }

    pub(crate) fn call_answered(&mut self, node: usize, wire: usize, order: usize, outcome: CommandOutcome) {
        let station = self.orders[order].station;
        let connection =
            self.nodes[node].table.get_mut(&station).filter(|connection| connection.wire == wire);
        let answered =
            connection.and_then(|connection| connection.in_flight.take_if(|call| call.order == order));
        let Some(waiting) = answered else { return self.count("late answer of a station") };
        self.answer(node, waiting, Some(outcome));
        self.pump(node, station);
    }

    /// None: nothing was written, and the connection is over.
    pub(crate) fn answer(&mut self, node: usize, waiting: Waiting, outcome: Option<CommandOutcome>) {
        match (waiting.for_whom, outcome) {
            (ForWhom::Here, Some(outcome)) => self.finish(node, waiting.order, outcome),
            (ForWhom::Here, None) => self.hear(node, waiting.order, Heard::NotHere),
            (ForWhom::Peer(from, token), outcome) => {
                let answer = outcome.map_or(Answer::NotThere, Answer::Ended);
                self.answer_peer(node, from, token, answer);
            }
        }
    }

    /// A deadline: at the connection, then at the node that was given the order.
    pub(crate) fn due(&mut self, node: usize, order: usize) {
        let station = self.orders[order].station;
        if let Some(connection) = self.nodes[node].table.get_mut(&station) {
            let queued = connection.queue.iter().position(|waiting| waiting.order == order);
            if let Some(waiting) = queued.and_then(|place| connection.queue.remove(place)) {
                self.count("deadline passed in the queue");
                self.answer(node, waiting, Some(CommandOutcome::NotSentDeadline));
            } else if let Some(call) = connection.in_flight.take_if(|call| call.order == order) {
                self.count("station did not answer");
                self.answer(node, call, Some(CommandOutcome::TimeoutUnknown));
                self.pump(node, station);
            }
        }
        self.overdue(node, order);
    }

    fn overdue(&mut self, node: usize, order: usize) {
        let Some(state) = self.nodes[node].desk.get(&order).filter(|state| state.ended.is_none()) else {
            return;
        };
        let Some(outcome) = state.dispatch.as_ref().map(Dispatch::overdue) else { return };
        self.count("deadline passed on the way");
        self.finish(node, order, outcome);
    }

    fn finish(&mut self, node: usize, order: usize, outcome: CommandOutcome) {
        let Some(state) = self.nodes[node].desk.get_mut(&order) else { return };
        if state.ended.is_none() {
            state.ended = Some(outcome);
            self.write_end(node, order);
        }
    }

    pub(crate) fn write_end(&mut self, node: usize, order: usize) {
        if let Some(outcome) = self.nodes[node].desk.get(&order).and_then(|state| state.ended) {
            self.ask_postgres(node, postgres::Ask::End(order, outcome));
        }
    }

    /// A connection's number, for scenarios.
    pub(crate) fn epoch_at(&self, node: usize, station: usize) -> Option<Epoch> {
        let connection = self.nodes[node].table.get(&station)?;
        connection.is_open.then_some(connection.epoch)
    }
}
