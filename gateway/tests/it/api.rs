//! The operator API from outside: a real actix server on a free port, a real SQLite store in a temporary folder, a scripted desk.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod access;
mod cdrs_csv;
mod charging_stations;
mod circuits;
pub(crate) mod client;
mod commands;
mod events;
mod hardware;
mod idempotency;
mod keys;
mod limits;
pub(crate) mod load_forecast;
mod load_history;
mod locations;
mod matrix;
mod openapi;
pub(crate) mod rig;
mod sessions;
mod site_load;
mod site_settings;
mod strays;
mod tariffs;
mod tokens;
mod vehicles;
