//! Simulated charging stations, and crowds of them: a stranger to the system it puts under load.
//!
//! The library builds and reads OCPP JSON by itself and knows nothing of the crates it is pointed at, so that a mistake
//! made twice is not a mistake agreed upon. It talks to any CSMS.
//!
//! Where things are:
//! - [`station`] is one station as the specification wants it, without sockets: text in, text out, time passed in.
//!   `station/v16` and `station/v2` are its two wire families, `station/v21` what OCPP 2.1 adds.
//! - `rpc` holds what waits to be said and what waits for its answer; `frame` and `payload` are the JSON around it.
//! - [`vehicle`] is the car, [`profile`] the charging profiles, [`settings`] and `device_model` what can be configured.
//! - [`behaviour`] and `arrivals` are the drivers: who comes when, and what goes wrong on the way.
//! - [`socket`] gives a station its connection, [`dial`], [`tls`] and [`password`] open it, [`clock`] tells it the time.
//! - [`plan`] is the file that describes a crowd, [`crowd`] runs it, [`tally`] counts, `progress` shows, [`report`]
//!   writes down figures with the machine they were taken on. [`cli`] is the command line.
//! - [`chaos`] kills a node, and its PostgreSQL, under a crowd and starts them again, or does worse to several nodes; [`witness`] remembers
//!   what was acknowledged meanwhile, [`links`] who was connected and [`draws`] who drew how much, and [`oracle`] asks the operator API whether all of it is there,
//!   billed once and ordered once.
//! - [`emsp`] is a roaming partner that speaks OCPI, well or badly, and writes down all that arrives; [`chaos::partners`] lets many of them
//!   listen to one node.
//!
//! Absent on purpose: any type of the system under test, any retry that hides a fault, any energy that is not counted.

pub mod behaviour;
pub mod chaos;
pub mod cli;
pub mod clock;
pub mod crowd;
pub mod dial;
pub mod draws;
pub mod emsp;
pub mod links;
pub mod machine;
pub mod oracle;
pub mod password;
pub mod plan;
pub mod profile;
pub mod report;
pub mod settings;
pub mod socket;
pub mod station;
pub mod tally;
pub mod tls;
pub mod unit;
pub mod vehicle;
pub mod witness;

mod arrivals;
mod device_model;
mod frame;
mod payload;
mod progress;
mod rpc;
