//! The wire to partners. What all versions share is here: the routes ([`routes`]) and what differs in them ([`dialect`]); a version's folder
//! holds its types and conversion, nothing else.

pub mod billing;
pub mod caller;
pub mod coverage;
pub mod dialect;
pub mod envelope;
pub mod grammar;
pub mod headers;
pub mod paging;
pub mod patch;
pub mod reading;
pub mod routes;
pub mod status;
pub mod v211;
pub mod v221;
pub mod v230;
pub mod values;
pub mod versions;
