//! OCPI as a partner sees it: every route on a real server, over a real store in a temporary folder.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod coverage;
mod datex2;
mod drivers;
mod emsp;
mod examples;
mod generate;
mod handshake;
mod lanes;
mod lists;
mod make;
mod operator;
mod prices;
mod properties;
mod public_data;
mod pushes;
mod rig;
mod schema;
mod tariff_cases;
mod told;
mod versions;
mod wire;
