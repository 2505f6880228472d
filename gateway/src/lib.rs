//! Sockets, actors, operator API and console of one Ringmain node.
//!
//! **Code map**, along the walk of a message. *socket*: [`listen`] takes connections, [`handshake`] decides about an upgrade, [`ws`] is
//! the WebSocket layer, [`credentials`] keeps station passwords, [`admission`] spreads a storm. *frame, call, report, decision, ack*: [`actors::connection`], with
//! `ringmain-ocpp` and `ringmain-domain`. *commit*: [`actors::journal`]. *site*: [`actors::site`] under [`actors::site_directory`].
//! *push*: [`live`] for those who watch. The way back: [`desk`] takes commands, [`cluster`] knows which connection has a
//! station, on which node, and how to reach the others.
//! What a node does by the clock: [`chores`]. For people: [`api`], [`console`] over [`services`]; for machines: [`ops`], [`metrics`].
//! Starting and leaving: [`config`], [`app`], [`drain`]. What all of them share is [`house`]. Without a node: [`allocator`], the
//! planner alone on standard input and output, and [`archive`], months of facts into files.
//!
//! **Absent on purpose:** SQL, OCPI, prices, and tests of a protocol version outside the handshake. `main.rs` is the composition root
//! and the only file that sees roaming.

pub mod actors;
pub mod admission;
pub mod allocator;
pub mod api;
pub mod app;
pub mod archive;
pub mod canary;
pub mod chores;
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod config;
pub mod console;
pub mod credentials;
pub mod demo;
pub mod desk;
pub mod drain;
pub mod handshake;
pub mod house;
pub mod listen;
pub mod live;
pub mod mask;
pub mod metrics;
pub mod mqtt;
pub mod open_files;
pub mod ops;
pub mod record;
pub mod secret;
pub mod services;
pub mod ws;
