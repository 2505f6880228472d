//! This node's lease, as it knows of it: kept by `app/registry.rs`, asked before anything is done that only an owner may do.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ringmain_domain::cluster::lease::LeaseState;
use rustix::time::{ClockId, clock_gettime};

/// A node's own lease. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Lease {
    /// None of a node that is alone: nobody takes anything from it.
    state: Option<Arc<Mutex<LeaseState>>>,
    resigned: Arc<AtomicBool>,
}

/// Milliseconds since this machine booted, a suspended machine's sleep counted.
#[must_use]
pub fn since_boot_ms() -> i64 {
    let now = clock_gettime(ClockId::Boottime);
    now.tv_sec.saturating_mul(1_000).saturating_add(now.tv_nsec / 1_000_000)
}

// === impl Lease ===

impl Lease {
    /// Of a node that others may take over from: not held until it is renewed.
    #[must_use]
    pub fn shared() -> Self {
        Self { state: Some(Arc::default()), resigned: Arc::default() }
    }

    /// Of a node that is alone: always held.
    #[must_use]
    pub fn alone() -> Self {
        Self { state: None, resigned: Arc::default() }
    }

    /// The store wrote a new one; it was asked at this time since boot. What was taken under an earlier one is not this node's any more.
    pub fn registered(&self, asked_at_ms: i64) {
        self.change(|state| state.registered(asked_at_ms));
    }

    /// The store renewed it; it was asked at this time since boot.
    pub fn renewed(&self, asked_at_ms: i64) {
        self.change(|state| state.renewed(asked_at_ms));
    }

    /// It is gone.
    pub fn lost(&self) {
        self.change(LeaseState::lost);
    }

    /// This node leaves: it has none again, whatever the store renews.
    pub fn resign(&self) {
        self.resigned.store(true, Ordering::Relaxed);
    }

    /// May this node act as an owner, just now?
    #[must_use]
    pub fn is_held(&self) -> bool {
        if self.resigned.load(Ordering::Relaxed) {
            return false;
        }
        let Some(state) = &self.state else { return true };
        state.lock().unwrap_or_else(PoisonError::into_inner).is_held(since_boot_ms())
    }

    /// May this node act, just now, on what it asked the store for at that time since boot and got?
    #[must_use]
    pub fn covers(&self, asked_at_ms: i64) -> bool {
        if self.resigned.load(Ordering::Relaxed) {
            return false;
        }
        let Some(state) = &self.state else { return true };
        state.lock().unwrap_or_else(PoisonError::into_inner).covers(asked_at_ms, since_boot_ms())
    }

    fn change(&self, change: impl FnOnce(&mut LeaseState)) {
        if let Some(state) = &self.state {
            change(&mut state.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_held_from_its_renewal_on_and_not_for_ever() {
        let lease = Lease::shared();
        assert!(!lease.is_held());
        lease.renewed(since_boot_ms());
        assert!(lease.is_held());
        lease.lost();
        lease.renewed(since_boot_ms() - 7_000);
        assert!(!lease.is_held(), "it was asked for too long ago");
        assert!(Lease::alone().is_held());
    }
}
