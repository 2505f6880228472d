//! The rig of the house ring: the real binary as a child process, stations that speak frames, the operator API as its only window.
//!
//! Nothing here knows the gateway from the inside. Where a test must see what is committed while no answer has come, it opens the same
//! store a second time and reads.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests fail by panicking and say what they skip"
)]

pub(crate) mod api;
pub(crate) mod balancer;
pub(crate) mod broker;
pub(crate) mod database_clock;
pub(crate) mod http;
pub(crate) mod log;
pub(crate) mod metrics;
pub(crate) mod node;
pub(crate) mod nodes;
pub(crate) mod redis;
pub(crate) mod schemas;
pub(crate) mod secure_redis;
pub(crate) mod standby;
pub(crate) mod station;
pub(crate) mod stores;

use std::time::Duration;

/// By when everything a test waits for must have happened. Generous: a loaded machine is no failure, a lost answer is.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);
/// How often a condition is looked at again.
pub(crate) const POLL: Duration = Duration::from_millis(10);

/// The future's value, which must come before the deadline.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.unwrap_or_else(|_elapsed| panic!("not in time: {what}"))
}

/// Asks again and again until the condition gives `Some`; the deadline ends the test with what it waited for.
macro_rules! eventually {
    ($what:expr, $condition:expr) => {{
        let deadline = std::time::Instant::now() + $crate::rig::DEADLINE;
        loop {
            if let Some(value) = $condition {
                break value;
            }
            assert!(std::time::Instant::now() < deadline, "not in time: {}", $what);
            tokio::time::sleep($crate::rig::POLL).await;
        }
    }};
}
pub(crate) use eventually;

/// One test for each store: `NAME::on_sqlite` and `NAME::on_postgres`; the second says SKIPPED where there is no PostgreSQL.
macro_rules! on_both_stores {
    ($($(#[$meta:meta])* async fn $name:ident($store:ident: TestStore) $body:block)*) => {$(
        $(#[$meta])*
        mod $name {
            use super::*;

            async fn run($store: $crate::rig::stores::TestStore) $body

            #[tokio::test]
            async fn on_sqlite() {
                Box::pin(run($crate::rig::stores::TestStore::sqlite())).await;
            }

            #[tokio::test]
            async fn on_postgres() {
                let name = concat!(module_path!(), "::on_postgres");
                let Some(store) = $crate::rig::stores::TestStore::postgres(name).await else { return };
                Box::pin(run(store)).await;
            }
        }
    )*};
}
pub(crate) use on_both_stores;
