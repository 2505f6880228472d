//! How a command finds its station's connection: here, by the table of routes, by asking all nodes; and how it ends where it finds none.
//!
//! It goes on to another node only as long as the answers prove that nothing was written to a socket (reliability.md 7.3, R4).

use std::collections::BTreeSet;

use super::routes::Place;
use crate::command::CommandOutcome;
use crate::id::NodeId;

/// How long all nodes may take to say whether they have a station, in milliseconds.
pub const ASK_ALL_MS: i64 = 500;
/// So long after its deadline any node ends a command that nobody ended, in milliseconds. Whoever looks as often as leases are renewed
/// ([`super::lease::RENEW_EVERY_MS`]) ends all within the 5 s of R3.
pub const OVERDUE_MS: i64 = 1_000;

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Look among this node's own connections, and hand the command over.
    TryHere,
    /// Ask the table of routes.
    AskRoutes,
    /// Ask all other living nodes whether they have the station, for [`ASK_ALL_MS`] at most.
    AskAll,
    /// Hand the command to another node.
    Forward(NodeId),
    /// It has ended without a connection.
    End(CommandOutcome),
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// No connection here, or one that is over: nothing was written.
    NotHere,
    /// The table of routes said this.
    Routed(Option<Place>),
    /// The table of routes cannot be asked.
    NoRoutes,
    /// These nodes have it; `complete` when every living node answered.
    Found {
        /// Where.
        places: Vec<Place>,
        /// Whether all answered.
        complete: bool,
    },
    /// The other node does not have it, or leaves: nothing was written.
    NotThere,
    /// The other node was never reached: nothing was written.
    Unreachable,
    /// The other node was reached and did not answer: it may have been written.
    Lost,
}

/// A command on its way, seen from the node that was given it.
#[derive(Debug)]
pub struct Dispatch {
    me: NodeId,
    trying: Trying,
    tried: BTreeSet<NodeId>,
    tried_here: u8,
    asked_all: bool,
    someone_silent: bool,
}

/// Who may have written it by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trying {
    Nobody,
    /// A connection of this node.
    Here,
    /// Another node.
    There,
}

/// May any node end a command that has not ended by then, as [`CommandOutcome::TimeoutUnknown`]? Both by the database's clock, in
/// milliseconds.
///
/// The node that was given it may be gone, cut off from the database, or not know that its row was written.
#[must_use]
pub const fn is_overdue(deadline: i64, now: i64) -> bool {
    now.saturating_sub(deadline) >= OVERDUE_MS
}

/// A connection may begin here while others are asked: so often this node looks among its own.
const HERE_MAX: u8 = 2;

// === impl Dispatch ===

impl Dispatch {
    /// A command given to this node, and its first step.
    #[must_use]
    pub const fn new(me: NodeId) -> (Self, Step) {
        let tried = BTreeSet::new();
        (
            Self { me, trying: Trying::Here, tried, tried_here: 1, asked_all: false, someone_silent: false },
            Step::TryHere,
        )
    }

    /// The next step after what came of the last.
    pub fn next(&mut self, heard: Heard) -> Step {
        match heard {
            Heard::NotHere => {
                self.trying = Trying::Nobody;
                if self.asked_all { self.nowhere() } else { Step::AskRoutes }
            }
            Heard::Routed(Some(place)) if place.node != self.me && !self.tried.contains(&place.node) => {
                self.forward(place.node)
            }
            Heard::Routed(_) | Heard::NoRoutes => self.ask_all(),
            Heard::Found { places, complete } => {
                self.someone_silent |= !complete;
                let untried = places.into_iter().filter(|place| !self.tried.contains(&place.node));
                match untried.max_by_key(|place| place.epoch) {
                    Some(place) if place.node != self.me => self.forward(place.node),
                    Some(_) if self.tried_here < HERE_MAX => {
                        self.tried_here = self.tried_here.saturating_add(1);
                        self.trying = Trying::Here;
                        Step::TryHere
                    }
                    Some(_) | None => self.nowhere(),
                }
            }
            Heard::NotThere => {
                self.trying = Trying::Nobody;
                self.ask_all()
            }
            Heard::Unreachable => {
                self.trying = Trying::Nobody;
                self.someone_silent = true;
                self.ask_all()
            }
            Heard::Lost => Step::End(CommandOutcome::NodeUnreachableUnknown),
        }
    }

    /// How it ends when its time is over before a step was done.
    #[must_use]
    pub const fn overdue(&self) -> CommandOutcome {
        match self.trying {
            // The other node has it, or not: nobody knows.
            Trying::There => CommandOutcome::NodeUnreachableUnknown,
            // The connection knows and has not said so.
            Trying::Here => CommandOutcome::TimeoutUnknown,
            Trying::Nobody => CommandOutcome::NotSentDeadline,
        }
    }

    fn forward(&mut self, node: NodeId) -> Step {
        self.tried.insert(node);
        self.trying = Trying::There;
        Step::Forward(node)
    }

    fn ask_all(&mut self) -> Step {
        if std::mem::replace(&mut self.asked_all, true) {
            return self.nowhere();
        }
        Step::AskAll
    }

    /// Nobody has it, as far as anybody knows.
    const fn nowhere(&self) -> Step {
        Step::End(if self.someone_silent {
            CommandOutcome::NodeUnreachableNotSent
        } else {
            CommandOutcome::Offline
        })
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::id::Epoch;

    fn node(n: u128) -> NodeId {
        NodeId(Uuid::from_u128(n))
    }

    fn at(n: u128, epoch: i64) -> Place {
        Place { node: node(n), epoch: Epoch(epoch) }
    }

    /// The steps that follow what is heard, at node 1.
    fn walk(heard: Vec<Heard>) -> Vec<Step> {
        let (mut dispatch, first) = Dispatch::new(node(1));
        let next = heard.into_iter().map(|heard| dispatch.next(heard));
        std::iter::once(first).chain(next).collect()
    }

    fn found(places: Vec<Place>) -> Heard {
        Heard::Found { places, complete: true }
    }

    #[test]
    fn a_route_that_is_right_is_followed() {
        let steps = walk(vec![Heard::NotHere, Heard::Routed(Some(at(2, 7)))]);
        assert_eq!(steps, [Step::TryHere, Step::AskRoutes, Step::Forward(node(2))]);
    }

    #[test]
    fn a_stale_route_leads_to_all_and_to_the_newest_connection() {
        let steps = walk(vec![
            Heard::NotHere,
            Heard::Routed(Some(at(2, 7))),
            Heard::NotThere,
            found(vec![at(3, 8), at(4, 9), at(2, 10)]),
        ]);
        assert_eq!(steps[3..], [Step::AskAll, Step::Forward(node(4))], "node 2 said that it has none");
    }

    #[test]
    fn without_routes_all_are_asked() {
        let steps = walk(vec![Heard::NotHere, Heard::NoRoutes, found(vec![at(3, 8)])]);
        assert_eq!(steps[2..], [Step::AskAll, Step::Forward(node(3))]);
        let steps = walk(vec![Heard::NotHere, Heard::Routed(Some(at(1, 7))), found(vec![])]);
        assert_eq!(steps[2..], [Step::AskAll, Step::End(CommandOutcome::Offline)], "its own stale route");
    }

    #[test]
    fn a_connection_that_begins_here_meanwhile_is_found_and_looked_for_twice_at_most() {
        let steps = walk(vec![Heard::NotHere, Heard::NoRoutes, found(vec![at(1, 9)]), Heard::NotHere]);
        assert_eq!(steps[3..], [Step::TryHere, Step::End(CommandOutcome::Offline)]);
    }

    #[test]
    fn what_may_have_been_written_goes_nowhere_else() {
        let steps = walk(vec![Heard::NotHere, Heard::Routed(Some(at(2, 7))), Heard::Lost]);
        assert_eq!(steps[3], Step::End(CommandOutcome::NodeUnreachableUnknown));
    }

    #[test]
    fn a_silent_node_may_be_the_one_that_has_it() {
        let partial = Heard::Found { places: vec![], complete: false };
        let steps = walk(vec![Heard::NotHere, Heard::NoRoutes, partial]);
        assert_eq!(steps[3], Step::End(CommandOutcome::NodeUnreachableNotSent));
        let steps =
            walk(vec![Heard::NotHere, Heard::Routed(Some(at(2, 7))), Heard::Unreachable, found(vec![])]);
        assert_eq!(steps[4], Step::End(CommandOutcome::NodeUnreachableNotSent));
    }

    #[test]
    fn a_deadline_tells_who_may_have_written_it() {
        let (mut dispatch, _) = Dispatch::new(node(1));
        assert_eq!(dispatch.overdue(), CommandOutcome::TimeoutUnknown, "a connection of this node");
        dispatch.next(Heard::NotHere);
        assert_eq!(dispatch.overdue(), CommandOutcome::NotSentDeadline);
        dispatch.next(Heard::Routed(Some(at(2, 7))));
        assert_eq!(dispatch.overdue(), CommandOutcome::NodeUnreachableUnknown);
        dispatch.next(Heard::NotThere);
        assert_eq!(dispatch.overdue(), CommandOutcome::NotSentDeadline);
    }

    #[test]
    fn anybody_may_end_what_nobody_ended() {
        assert!(!is_overdue(10_000, 10_999));
        assert!(is_overdue(10_000, 11_000));
        const { assert!(OVERDUE_MS + super::super::lease::RENEW_EVERY_MS < 5_000) };
    }

    #[test]
    fn every_walk_ends() {
        // Whatever is answered to each step, of what can be answered to it.
        fn ends(mut dispatch: Vec<Heard>, step: &Step, deep: u8) {
            assert!(deep < 12, "{dispatch:?}");
            let all = || found(vec![at(1, 5), at(2, 6), at(3, 7)]);
            let answers = match step {
                Step::TryHere => vec![Heard::NotHere],
                Step::AskRoutes => {
                    vec![Heard::Routed(Some(at(1, 1))), Heard::Routed(Some(at(2, 2))), Heard::NoRoutes]
                }
                Step::AskAll => vec![all(), found(vec![]), found(vec![at(1, 5)])],
                Step::Forward(_) => vec![Heard::NotThere, Heard::Unreachable, Heard::Lost],
                Step::End(_) => return,
            };
            for answer in answers {
                dispatch.push(answer);
                let next = walk(dispatch.clone()).pop().unwrap();
                ends(dispatch.clone(), &next, deep + 1);
                dispatch.pop();
            }
        }
        ends(Vec::new(), &Step::TryHere, 0);
    }
}
