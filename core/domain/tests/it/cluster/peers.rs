//! The links between nodes: delay, loss, cuts in one direction or both. A connection that cannot be made proves that nothing arrived; a
//! request without an answer proves nothing.

use ringmain_domain::cluster::routes::Place;
use ringmain_domain::cluster::takeover::OldSocket;
use ringmain_domain::command::CommandOutcome;
use ringmain_domain::id::{Epoch, NodeId};

use super::node::Input;
use super::world::{At, Event, World};

/// How long a connection to a node that answers nothing may take, in milliseconds.
const CONNECT_WITHIN_MS: i64 = 1_000;

#[derive(Debug, Clone)]
pub(crate) enum Ask {
    /// Does this station's socket give a sign of life?
    Probe(usize),
    /// Do you have this station?
    Have(usize),
    Execute(Handed),
    /// A newer socket took over.
    Dismiss(usize, Epoch),
}

/// A command on its way to another node: to which run of it, and by when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Handed {
    pub(crate) to: NodeId,
    pub(crate) order: usize,
    pub(crate) station: usize,
    pub(crate) deadline: i64,
}

#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Old(OldSocket),
    Place(Option<Place>),
    NotThere,
    Ended(CommandOutcome),
    Done,
    /// Never reached.
    Unreachable,
    /// Reached, and no answer.
    Lost,
}

/// Who waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waits {
    /// A socket that is opening, for the old one.
    Probe(usize),
    /// A socket that is opening, to know of an old one.
    Opening(usize),
    /// An order, to know where its station is.
    Finding(usize),
    /// An order that was handed over.
    Handed(usize),
    /// Whoever wants the older connection of a station dismissed at this run of a node.
    Dismissed(usize, NodeId),
}

impl World {
    fn passes(&self, from: usize, to: usize) -> bool {
        self.now >= self.cut_until[from][to]
    }

    pub(crate) fn ask_peer(
        &mut self,
        node: usize,
        to: usize,
        ask: Ask,
        waits: Waits,
        within_ms: Option<i64>,
    ) {
        self.tokens += 1;
        let (token, at) = (self.tokens, self.run_of(node));
        self.nodes[node].waiting.insert(token, (waits, to));
        let heard = |answer| Event::Node(at, Input::Answered(token, answer));
        let connects = self.passes(node, to) && self.passes(to, node);
        if !connects || !self.nodes[to].is_up {
            self.count(if connects { "peer is down" } else { "peer cannot be reached" });
            let wait =
                if connects { 2 } else { within_ms.unwrap_or(CONNECT_WITHIN_MS).min(CONNECT_WITHIN_MS) };
            return self.after(wait, heard(Answer::Unreachable));
        }
        if let Some(within) = within_ms {
            self.after(within, heard(Answer::Lost));
        }
        let lossy = self.now < self.lossy_until;
        if lossy && self.rng.u32(..6) == 0 {
            self.count("request to a peer lost");
            let noticed = self.rng.i64(10..2_000);
            return self.after(noticed, heard(Answer::Lost));
        }
        let travel = if lossy { self.rng.i64(1..800) } else { self.travel_ms() };
        self.after(travel, Event::Peer(at, to, token, ask));
    }

    pub(crate) fn at_peer(&mut self, from: At, to: usize, token: u64, ask: Ask) {
        if !self.passes(from.node, to) {
            return self.count("request to a peer lost");
        }
        if !self.nodes[to].is_up {
            return self.after(2, Event::Node(from, Input::Answered(token, Answer::Lost)));
        }
        self.input(to, 0, Input::Asked(from, token, ask));
    }

    pub(crate) fn answer_peer(&mut self, node: usize, from: At, token: u64, answer: Answer) {
        let lossy = self.now < self.lossy_until;
        if !self.passes(node, from.node) || (lossy && self.rng.u32(..6) == 0) {
            self.count("answer of a peer lost");
            // A connection that broke is noticed; one into the void is not, and the deadline ends it.
            if lossy {
                self.after(50, Event::Node(from, Input::Answered(token, Answer::Lost)));
            }
            return;
        }
        let travel = if lossy { self.rng.i64(1..800) } else { self.travel_ms() };
        self.after(travel, Event::Node(from, Input::Answered(token, answer)));
    }

    /// Whoever waits for a node that died hears that the connection broke.
    pub(crate) fn break_links_to(&mut self, dead: usize) {
        for node in 0..self.nodes.len() {
            let waits = self.nodes[node].waiting.iter();
            let tokens: Vec<u64> =
                waits.filter(|(_, (_, to))| *to == dead).map(|(token, _)| *token).collect();
            for token in tokens {
                self.input(node, 5, Input::Answered(token, Answer::Lost));
            }
        }
    }
}
