//! OCPI 2.3.0 (edition 2, core). Only what differs from 2.2.1 is here: sessions, tokens' kin, commands, charging profiles and hub clients are
//! spelled alike but for the amounts in them, and amounts, tariffs, places to park and the hub's own party are not.

pub mod bridge;
pub mod from_wire;
pub mod to_wire;
pub mod types;
