//! The wire to stations: frames, calls, and the translation of OCPP 1.6, 2.0.1 and 2.1 into domain's reports, replies and commands.
//!
//! **Code map**, in the order of a message's way in. [`version`] is agreed in the handshake. [`frame`] makes a frame of a text and a text
//! of a frame, within bounds that are checked before any parser recurses; [`message_id`] ties answers to calls. [`rpc`] keeps both
//! directions of one connection: one open call each way, bounded queues, time-outs, repeats. [`action`] is THE table of all 102 actions;
//! a frame's action is looked up there. [`translate`] is the heart: [`translate::Dialect`] with its four verbs, one folder per wire
//! family (`v16`, `v2` with the small delta `v2/v21`), and the checks of raw payloads. What it tolerates on the way is told as
//! [`quirk`]; what it refuses is a [`fault`], spelled in the station's version. `wire` is the only file that names the message-type
//! crate; it reads (and mends) payloads for `translate`.
//!
//! **Absent on purpose:** I/O, async, clocks (time is passed in), randomness (ids are passed in), decisions about stations, tokens or
//! transactions, and any question after the version outside `translate`, `action` and `version`.
#![deny(clippy::as_conversions, clippy::wildcard_enum_match_arm)]

pub mod action;
pub mod fault;
pub mod frame;
pub mod message_id;
pub mod quirk;
pub mod rpc;
pub mod translate;
pub mod version;
mod wire;
