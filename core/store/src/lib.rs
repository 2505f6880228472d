//! Persistence: embedded SQLite and PostgreSQL behind one contract. The place "commit" of the walk, and all SQL of the house.
//!
//! **Code map.** The door: [`store`]. Facts come in through [`batch`]: events, the projections they change and outbox rows commit
//! whole. Everything else is a noun with finds, puts and lists of its own: [`stations`], [`locations`], [`tokens`],
//! [`token_groups`], [`authorizations`], [`local_lists`], [`tariffs`],
//! [`tariff_assignments`], [`transactions`], [`sessions`], [`settlements`], [`cdrs`], [`commands`], [`messages`], [`access`], [`audit`], [`idempotency`], [`outbox`], [`feed`], [`price_turns`], [`retellings`], [`partners`],
//! [`overview`], [`meter_keys`], [`strays`], the nodes of a [`cluster`]. Lists are keyset pages: [`page`]. Beneath them, `engine` runs one SQL text on both databases, and `migrate` keeps their
//! schemas; [`roles`] says who may do what with them on PostgreSQL, [`retention`]
//! how facts are cut by month there and leave.
//!
//! **Absent on purpose:** decisions. Where one must stand inside a transaction, the store locks and loads, calls domain's pure function
//! and writes what it says. No clock either: instants come from the caller (leases alone go by the database's clock).

pub mod access;
pub mod audit;
pub mod authorizations;
pub mod back_offs;
pub mod batch;
pub mod building_loads;
pub mod cdrs;
pub mod charging_needs;
pub mod circuits;
pub mod cluster;
pub mod commands;
pub mod duplicates;
mod engine;
pub mod feed;
pub mod hardware;
pub mod idempotency;
pub mod leavers;
pub mod ledgers;
pub mod local_lists;
pub mod locations;
pub mod messages;
pub mod meter_keys;
mod migrate;
pub mod outbox;
pub mod overview;
pub mod page;
pub mod partners;
pub mod price_turns;
pub mod retellings;
pub mod retention;
pub mod roles;
pub mod sessions;
pub mod settlements;
pub mod site_settings;
pub mod station_tariffs;
pub mod stations;
pub mod store;
pub mod strays;
pub mod tariff_assignments;
pub mod tariffs;
pub mod token_groups;
pub mod tokens;
pub mod transactions;
pub mod vehicles;
