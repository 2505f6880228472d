//! Where stations are: which connection, on which node. One node keeps it in memory; a cluster keeps it in Redis behind the same rules.
//!
//! The rules: a route is set only by a higher epoch and deleted only by its own (invariant `RouteFencedByEpoch`).

pub mod epochs;
pub mod memory;
