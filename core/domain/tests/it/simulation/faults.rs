//! What may go wrong in a simulated site, and the faults of the protocol that the simulation must find.

/// What must have happened in a hundred seeds.
pub(crate) const TALLIED: [&str; 18] = [
    "raised",
    "lowered",
    "closed",
    "expired",
    "released",
    "call lost",
    "fenced",
    "outage",
    "boot",
    "limit cut",
    "clock step",
    "new owner",
    "commit unknown",
    "set deaf",
    "late sample",
    "fallback lost",
    "unreachable",
    "site of 100 EVSEs and more",
];

/// A fault in the protocol itself, which the simulation must find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Planted {
    Nothing,
    CloseAtAccepted,
    IdleCountsNothing,
    RaiseBeforeLower,
    ReleaseAtEnd,
    /// The connection sends whatever comes.
    NoFence,
    /// The store opens grants without a look at the rows.
    Unchecked,
    /// The owner goes by its clock and is not told when that is set.
    ClockStepsUntold,
    /// Guards last an hour: safe, and of no use.
    EndlessGuard,
}

/// What may go wrong.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Faults {
    pub(crate) lost_permille: u32,
    pub(crate) outage_mean_ms: i64,
    pub(crate) online_mean_ms: Option<i64>,
    pub(crate) stay_mean_ms: i64,
    pub(crate) gap_mean_ms: i64,
    /// Odd stations, boots, limit cuts, new owners, steps of our clock, unknown commits, slow messages.
    pub(crate) odd: bool,
}

impl Faults {
    pub(crate) const NONE: Self = Self {
        lost_permille: 0,
        outage_mean_ms: 0,
        online_mean_ms: None,
        stay_mean_ms: 1_800_000,
        gap_mean_ms: 300_000,
        odd: false,
    };
    pub(crate) const ALL: Self = Self {
        lost_permille: 30,
        outage_mean_ms: 120_000,
        online_mean_ms: Some(400_000),
        stay_mean_ms: 400_000,
        gap_mean_ms: 60_000,
        odd: true,
    };
}
