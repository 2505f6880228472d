//! OCPI 2.2.1. Conversion only: what is said is decided elsewhere.

pub mod from_wire;
pub mod to_wire;
pub mod types;
