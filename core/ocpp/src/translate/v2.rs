//! OCPP 2.0.1 and 2.1, one family: the messages of the first are read and written with the types of the second, which hold them whole.
//!
//! What only 2.1 has stands in `v21`; what a version limits more tightly stands in [`Limits`]. Strict reading and every command are
//! checked against the station's own version besides.

pub(super) mod command;
mod needs;
mod noted;
pub(super) mod outcome;
pub(super) mod reply;
pub(super) mod report;
mod token;
mod v21;

use crate::version::Version;

/// What the versions of this family allow differently in what we send.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// The most characters of a token's text.
    token_chars_max: usize,
}

// === impl Limits ===

impl Limits {
    const fn of(version: Version) -> Self {
        match version {
            Version::V16 | Version::V201 => Self { token_chars_max: 36 },
            Version::V21 => v21::LIMITS,
        }
    }
}
