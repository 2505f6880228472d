//! The wire to partners. What all versions share is here; a version's folder holds its types, its routes and conversion, nothing else.

pub mod billing;
pub mod caller;
pub mod coverage;
pub mod envelope;
pub mod grammar;
pub mod headers;
pub mod paging;
pub mod patch;
pub mod reading;
pub mod status;
pub mod v211;
pub mod v221;
pub mod v230;
pub mod values;
pub mod versions;
