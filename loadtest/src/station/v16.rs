//! OCPP 1.6J as a charge point writes and reads it: the only place here that says `charge point` and `idTag`.
//!
//! `reports` is what it says, `answers` what it hears back, `commands` what the central system may ask, `charging` the
//! profiles in its words. Decisions are taken in `station`, for all versions alike.

pub(super) mod answers;
pub(super) mod charging;
pub(super) mod commands;
pub(super) mod reports;
