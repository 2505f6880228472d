//! The wire tests: every action read, written and held against its official schema; what the field sends; what is refused.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod commands;
mod coverage;
mod fixtures;
mod frame;
mod generated;
mod malformed;
mod quirks;
mod rpc;
mod schema;
mod tariffs;
mod tree;
