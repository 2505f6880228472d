//! The store's contract, run over both engines; what survives a kill; the schema; and the walls between tenants.
//!
//! SQLite always runs. PostgreSQL runs when `RINGMAIN_TEST_POSTGRES` names a server on which databases may be made, each test on one of
//! its own; otherwise a test says that it was skipped and why.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests fail by panicking and say what they skip"
)]

/// Runs each case on both engines.
macro_rules! on_both_engines {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test] async fn $name() { super::$name(&crate::rig::sqlite().await).await; })*
        }
        mod postgres {
            $(#[tokio::test] async fn $name() {
                if let Some(rig) = crate::rig::postgres(concat!(module_path!(), "::", stringify!($name))).await {
                    super::$name(&rig).await;
                }
            })*
        }
    };
}

mod contract;
mod crash;
mod hardware;
mod make;
mod migrations;
mod months;
mod partners;
mod published_prices;
mod rig;
mod roles;
mod server;
mod tenancy;
mod tls;
