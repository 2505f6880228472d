//! What must never break, by one name in specification, code, simulation and oracle.

/// The named invariants. Their meaning: docs/ARCHITECTURE.md and the decision notes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// No bill has less than no energy.
    EnergyNeverNegative,
    /// The lines of a cost make its total.
    BreakdownAddsUp,
    /// An answer leaves only after the commit it waits for.
    NoAckBeforeCommit,
    /// One transaction for one key, however often it is reported.
    OneTransactionPerKey,
    /// A session does not depend on the order or repetition of its facts.
    FoldIgnoresOrder,
    /// Every command ends exactly once.
    CommandEndsOnce,
    /// A command's outcome says whether the station can have seen it.
    OutcomeTellsWhatWasSent,
    /// A route is set by a higher epoch only and deleted by its own only.
    RouteFencedByEpoch,
}

/// Panics in debug builds and tests when an invariant does not hold; nothing in release, where the simulation has been before.
macro_rules! check_invariant {
    ($name:ident, $holds:expr) => {
        debug_assert!($holds, "{:?}", $crate::invariant::Invariant::$name)
    };
}
pub(crate) use check_invariant;
