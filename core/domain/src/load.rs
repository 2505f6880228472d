//! How a site shares its current: the tree of circuits and, above it, who gets how much and why.
//!
//! The tree is the truth about copper: what a line of a circuit may carry, and which lines an EVSE hangs on. All of this is
//! load management. The breaker protects. The [`ledger`] is the truth about promises: what every station may have in force.

pub mod ledger;
pub mod rows;
pub mod tree;
