//! OCPI: the operator towards its roaming partners. Version-free services in the nouns of the domain; a version's folder only converts.
//!
//! **Code map.** The door: [`hub`], which mounts everything under `/ocpi`. Who may come in: [`partner`], the credentials handshake as pure
//! decisions. Where we would go: [`guard`], which every address of a partner passes. What partners see: [`service`]. How it is said:
//! [`ocpi`]; partners' tariffs and bill records are read for pricing in [`ocpi::billing`].
//!
//! **Absent on purpose:** stations' sockets and their protocol, actor addresses, SQL. A station's OCPP identity never leaves this crate
//! (security.md O8).
//!
//! **Not yet:** calls to partners (their endpoints are not fetched in the handshake), push, commands, charging profiles, tokens, the hub's
//! routing, versions other than 2.2.1, rate limits.

pub mod guard;
pub mod hub;
pub mod ocpi;
pub mod partner;
pub mod service;
