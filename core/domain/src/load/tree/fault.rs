//! What can be wrong with a tree, in the words of whoever drew it.

use crate::id::CircuitId;
use crate::unit::Milliamps;

use super::{EvseKey, MAX_CIRCUITS, MAX_EVSES, MAX_LEVELS};

/// One thing that is wrong with a tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeFault {
    /// There is no circuit.
    #[error("a site needs a circuit without a parent: its grid connection")]
    NoRoot,
    /// There are several grid connections.
    #[error("circuits {first} and {second} both have no parent; a site has one grid connection")]
    TwoRoots {
        /// The first without a parent.
        first: CircuitId,
        /// The next one.
        second: CircuitId,
    },
    /// The grid connection is unlimited.
    #[error("circuit {circuit} is the grid connection and has neither a limit nor a phasor row{}", if *.later { " after one of its changes" } else { "" })]
    UnlimitedRoot {
        /// The grid connection.
        circuit: CircuitId,
        /// Is it a later limit that is missing?
        later: bool,
    },
    /// Two circuits have the same id.
    #[error("circuit {circuit} is there twice")]
    DuplicateCircuit {
        /// The id.
        circuit: CircuitId,
    },
    /// The parent of a circuit is not there.
    #[error("circuit {circuit} has the unknown parent {parent}")]
    UnknownParent {
        /// The circuit.
        circuit: CircuitId,
        /// What it names.
        parent: CircuitId,
    },
    /// A circuit is above itself.
    #[error("circuit {circuit} is part of a ring: its parents lead back to it")]
    Cycle {
        /// One of the ring.
        circuit: CircuitId,
    },
    /// The tree is too deep.
    #[error("circuit {circuit} is more than {MAX_LEVELS} levels deep")]
    TooDeep {
        /// The circuit.
        circuit: CircuitId,
    },
    /// A limit, a design load or a margin is below zero.
    #[error("circuit {circuit}: {what} is negative")]
    Negative {
        /// The circuit.
        circuit: CircuitId,
        /// Which figure.
        what: &'static str,
    },
    /// Dated limits are not in the order of their dates.
    #[error("circuit {circuit}: its limit changes are not in the order of their dates")]
    ChangesUnordered {
        /// The circuit.
        circuit: CircuitId,
    },
    /// A phasor row names an EVSE that it cannot feel.
    #[error(
        "circuit {circuit}: phasor row {row:?} names EVSE {evse}, which is not below the circuit or is named twice"
    )]
    StrayPhasor {
        /// The circuit.
        circuit: CircuitId,
        /// The row.
        row: Box<str>,
        /// The EVSE.
        evse: EvseKey,
    },
    /// Two EVSEs have the same key.
    #[error("EVSE {evse} is there twice")]
    DuplicateEvse {
        /// The key.
        evse: EvseKey,
    },
    /// The circuit of an EVSE is not there.
    #[error("EVSE {evse} hangs on the unknown circuit {circuit}")]
    UnknownCircuit {
        /// The EVSE.
        evse: EvseKey,
        /// What it names.
        circuit: CircuitId,
    },
    /// A figure of an EVSE makes no sense.
    #[error("EVSE {evse}: {what}")]
    BadEvse {
        /// The EVSE.
        evse: EvseKey,
        /// What is wrong with it.
        what: &'static str,
    },
    /// There are too many EVSEs.
    #[error("{count} EVSEs; a site has at most {MAX_EVSES}")]
    TooManyEvses {
        /// How many there are.
        count: usize,
    },
    /// There are too many circuits.
    #[error("{count} circuits; a site has at most {MAX_CIRCUITS}")]
    TooManyCircuits {
        /// How many there are.
        count: usize,
    },
    /// What stations may draw without a grant does not fit: the limit would fall with the first outage.
    #[error(
        "circuit {circuit}, {row}: fallbacks and design load take {load}, the limit is {limit}; give some EVSEs a fallback of 0"
    )]
    FallbacksOverLimit {
        /// The circuit.
        circuit: CircuitId,
        /// The row of the circuit: a line, `power`, or a phasor row by its name.
        row: Box<str>,
        /// Fallbacks, design load and margin together; in the row's unit.
        load: Box<str>,
        /// The limit; in the row's unit.
        limit: Box<str>,
    },
    /// A fallback is more than the EVSE may ever be allowed.
    #[error("EVSE {evse}: the fallback of {fallback} is above its maximum")]
    FallbackAboveMaximum {
        /// The EVSE.
        evse: EvseKey,
        /// Its fallback.
        fallback: Milliamps,
    },
}

/// Everything that is wrong with a tree; at least one fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct TreeError {
    /// In the order of the circuits, then of the EVSEs; at most [`TreeError::MAX_FAULTS`].
    pub faults: Vec<TreeFault>,
}

impl TreeError {
    /// So many faults are told at once.
    pub const MAX_FAULTS: usize = 20;

    /// `Ok` when nothing is wrong.
    pub(super) fn unless_empty(mut faults: Vec<TreeFault>) -> Result<(), Self> {
        faults.truncate(Self::MAX_FAULTS);
        if faults.is_empty() { Ok(()) } else { Err(Self { faults }) }
    }
}
