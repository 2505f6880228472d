//! The simulated station against a scripted CSMS: what it says, when, and that the official schemas allow it.
//!
//! Most tests run in memory on a paused clock, so waits of minutes take no time and every wait is exact.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod charging;
mod cli;
mod commands;
mod configuration;
mod crowds;
mod csms;
mod delivery;
mod fake_node;
mod planted;
mod proxy;
mod registration;
mod rig;
mod schemas;
mod transactions;
