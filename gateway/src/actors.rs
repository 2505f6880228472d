//! The supervision tree.
//!
//! ```text
//! Node (app.rs)
//!  ├─ Journal xK            group commit; one row of facts waits for one ticket
//!  ├─ SiteDirectory         SiteId -> Site; births, rebirths after a panic, quarantine
//!  │   └─ Site xS           the live picture of one site, on one of the site arbiters
//!  └─ Doorkeeper            no actor: decides at the door, then starts
//!      └─ Connection xC     one per socket, on the arbiter of the worker that accepted it
//! ```
//!
//! A `Connection` tells its `Site` what was committed, one way and never waiting: a hop to another arbiter costs more than a decision.
//! Every actor ends with an [`exit::Exit`]. Panics unwind: a guard in `Drop` tells the parent, the parent builds anew from the store.

pub mod connection;
pub mod doorkeeper;
pub mod exit;
pub mod farewell;
pub mod journal;
pub mod notice;
pub mod site;
pub mod site_directory;
