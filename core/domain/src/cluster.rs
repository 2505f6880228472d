//! What several nodes agree on: who lives, where a station is, who owns a site, how a command finds its way. Decisions only; the gateway
//! carries them out over PostgreSQL, Redis and the links between nodes.
//!
//! Safety never hangs on this: a site's limit is kept by its ledger ([`crate::load::ledger`]), whoever believes to own it. What is here makes
//! that commands arrive and that sites have somebody who looks after them.

pub mod clock;
pub mod dispatch;
pub mod duplicates;
pub mod lease;
pub mod ownership;
pub mod routes;
pub mod takeover;
