//! OCPP 2.0.1 and 2.1 as a charging station writes and reads them.
//!
//! `reports` is what it says, `answers` what it hears back, `commands` what the CSMS may ask, `variables` the device model,
//! `charging` the profiles. What only 2.1 knows stands in `v21`. Decisions are taken in `station`, for all versions alike.

pub(super) mod answers;
pub(super) mod charging;
pub(super) mod commands;
pub(super) mod reports;
pub(super) mod variables;
