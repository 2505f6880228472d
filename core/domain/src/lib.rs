//! Nouns and decisions of Ringmain: pure values in, values out.
//!
//! **Code map.** Names of things: [`id`], [`mod@unit`], [`money`], [`time`]. Who and where: [`party`], [`location`], [`token`], [`access`].
//! What meters sign: [`ocmf`].
//! What a station says and hears: [`report`], [`reply`], [`command`]. What is kept: [`event`], [`transaction`], [`session`] with its
//! [`segment`]s and [`ruling`]s, [`cdr`], [`snapshot`]. What it costs: [`tariff`], [`settlement`]. Who decides: [`authorize`] with [`local_list`], [`station`] (one connection), [`site`] (one site), each an
//! `apply(now, input)` that returns an [`outcome::Outcome`]. How a site's current is shared: [`load`]. What several nodes agree on: [`cluster`]. Drivers of other companies: [`roaming`]. What must never break: [`invariant`]. Names for operators: [`telemetry`].
//!
//! **Absent on purpose:** clocks, randomness, environment, I/O, async, SQL, every word of a wire protocol, and floats for anything that
//! is counted or paid. Time and ids come in as values; whoever calls performs the effects.
#![deny(
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    clippy::float_arithmetic,
    clippy::iter_over_hash_type
)]

pub mod access;
pub mod authorize;
pub mod cdr;
pub mod cluster;
pub mod command;
pub mod event;
pub mod hardware;
pub mod id;
pub mod invariant;
pub mod load;
pub mod local_list;
pub mod location;
pub mod meter;
pub mod money;
pub mod ocmf;
pub mod outcome;
pub mod party;
pub mod reply;
pub mod report;
pub mod roaming;
pub mod ruling;
pub mod segment;
pub mod session;
pub mod settlement;
pub mod site;
pub mod snapshot;
pub mod station;
pub mod tariff;
pub mod telemetry;
pub mod time;
pub mod token;
pub mod transaction;
pub mod unit;
pub mod vehicle;
