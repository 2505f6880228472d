//! OCPI: the operator towards its roaming partners. Version-free services in the nouns of the domain; a version's folder only converts.
//!
//! **Code map.** The door: [`hub`], which mounts everything under `/ocpi`. Who may come in: [`partner`], the credentials handshake as pure
//! decisions. How we call them: [`client`], behind [`guard`], which every address of a partner passes; [`handshake`], [`authorize`], [`push`],
//! [`commands`] say what for. What partners see: [`service`]. How it is said:
//! [`ocpi`]; partners' tariffs and bill records are read for pricing in [`ocpi::billing`]. What anyone may read: [`public_data`].
//!
//! **Absent on purpose:** stations' sockets and their protocol, actor addresses, SQL. A station's OCPP identity never leaves this crate
//! (security.md O8).
//!
//! **Not yet:** charging profiles, reservations, the hub's routing.

pub mod authorize;
mod bucket;
pub mod client;
pub mod commands;
pub mod config;
pub mod guard;
pub mod handshake;
pub mod hub;
pub mod limits;
pub mod ocpi;
pub mod operator;
pub mod partner;
pub mod public_data;
mod pull;
pub mod push;
pub mod runtime;
pub mod service;
