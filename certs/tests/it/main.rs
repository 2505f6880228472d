//! Real handshakes over loopback, real files in a temporary folder.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod clients;
mod dev_ca;
mod files;
mod handshake;
mod identity;
mod node;
mod ocmf;
mod old_tls;
mod reload;
mod rig;
