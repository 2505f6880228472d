//! Names into addresses, of which only those that the guard admits are connected to.

use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::guard::Guard;

/// Resolves by the system and asks the guard.
#[derive(Debug)]
pub(super) struct Resolver {
    guard: Guard,
}

/// A name leads only to addresses nobody may be sent to.
#[derive(Debug, thiserror::Error)]
#[error("the host is not on the public internet")]
struct NotPublic;

// === impl Resolver ===

impl Resolver {
    pub(super) const fn new(guard: Guard) -> Self {
        Self { guard }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.guard.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let admitted: Vec<SocketAddr> =
                found.filter(|address| guard.admits(name.as_str(), address.ip())).collect();
            if admitted.is_empty() {
                return Err(NotPublic.into());
            }
            let addresses: Addrs = Box::new(admitted.into_iter());
            Ok(addresses)
        })
    }
}
