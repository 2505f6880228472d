//! Keys, chains, TLS settings and the development CA.
//!
//! Place on the walk: before the first one, `socket`. What this crate settles is who may speak to
//! us and who they are; what they say is for the crates above.
//!
//! The code map, from the ground up:
//! - [`provider`]: the one crypto provider of the process, aws-lc-rs.
//! - [`chain`]: PEM files into chains, keys, roots and revocation lists; every error names its file.
//! - [`identity`]: a certificate's DER into the few facts we bind a station, node or partner to.
//! - [`verifier`]: client certificates against a CA bundle that can be swapped under live sockets.
//! - [`resumption`]: tickets and sessions that can be forgotten at once.
//! - [`server`]: the settings of a TLS listener, put together from all of the above.
//! - [`reload`]: new files into a running listener, whole or not at all.
//! - [`client`]: the settings for calls out: load test.
//! - [`node`]: both ends of the links between nodes.
//! - [`ocmf`]: signed meter values: their signature, and the energy of a transaction to the digit.
//! - [`dev_ca`]: a CA for development, demo and tests; its folder is never a production PKI.
//!
//! Absent on purpose: sockets, async, actors, the store, clocks (time is a parameter), and the
//! decision whether a certificate belongs to a station: that is bound in the system's own table.

pub mod chain;
pub mod client;
pub mod dev_ca;
pub mod identity;
pub mod node;
pub mod ocmf;
pub mod provider;
pub mod reload;
pub mod resumption;
pub mod server;
pub mod verifier;

mod resolver;
