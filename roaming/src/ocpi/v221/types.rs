//! Objects of OCPI 2.2.1 as they stand on the wire, one file per module, under the names of the specification and with its cardinalities
//! (see [`crate::ocpi::grammar`]). The same types read and write; what differs is in [`crate::ocpi::values`].
//!
//! Lengths are not checked when an object is read: partners send addresses of 200 characters, and a hub passes on what it got. What we
//! make ourselves keeps them (`to_wire`). Words of open lists pass, and so do fields we do not know.

use crate::ocpi::grammar::object;

pub mod cdr;
pub mod client;
pub mod command;
pub mod credentials;
pub mod location;
pub mod profile;
pub mod session;
pub mod tariff;
pub mod token;
pub mod version;

object! {
    /// A text for people (types, DisplayText).
    #[expect(missing_docs, reason = "the specification names and explains the fields")]
    DisplayText {
        1 language: String,
        1 text: String,
    }
}
