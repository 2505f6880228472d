//! What the workers of API and console share beside the house: open feeds, request rates, requests being answered, who is signed in.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ringmain_domain::id::TenantId;
use uuid::Uuid;

use super::feed::{KEEP_ALIVE, STREAMS_MAX, Streams};
use super::rate::RateLimiter;
use super::sign_ins::{SIGN_INS_MAX, SignIns};

/// Bounds of the doorway.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Open feeds.
    pub streams: usize,
    /// A quiet feed gives a sign of life so often, and looks whether its watcher may still watch.
    pub keep_alive: Duration,
    /// Requests of one API key at once.
    pub burst_requests: u32,
    /// And then every second: far above any honest use, far below what hurts others.
    pub requests_per_second: f64,
    /// Failed sign-ins from one address at once.
    pub burst_sign_ins: u32,
    /// And then every second.
    pub sign_ins_per_second: f64,
    /// People signed in at a time.
    pub sign_ins: usize,
}

/// Shared by all workers of a node; made once.
#[derive(Debug)]
pub struct Doorway {
    /// Open feeds.
    pub streams: Streams,
    /// Requests by API key.
    pub requests: RateLimiter<Uuid>,
    /// Failed sign-ins by address.
    pub failed_sign_ins: RateLimiter<IpAddr>,
    /// Who is signed in to the console.
    pub sign_ins: SignIns,
    answering: Answering,
}

/// Requests with an idempotency key that this node is answering: tenant and key.
type Answering = Arc<Mutex<BTreeSet<(TenantId, String)>>>;

/// A request with an idempotency key is being answered, until this is dropped: whatever becomes of its task, the key is free again.
#[derive(Debug)]
pub struct AnswerSlot {
    answering: Answering,
    key: (TenantId, String),
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            streams: STREAMS_MAX,
            keep_alive: KEEP_ALIVE,
            burst_requests: 2_000,
            requests_per_second: 1_000.0,
            burst_sign_ins: 10,
            sign_ins_per_second: 0.1,
            sign_ins: SIGN_INS_MAX,
        }
    }
}

// === impl AnswerSlot ===

impl AnswerSlot {
    /// Whose key.
    #[must_use]
    pub const fn tenant(&self) -> &TenantId {
        &self.key.0
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key.1
    }
}

impl Drop for AnswerSlot {
    fn drop(&mut self) {
        self.answering.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

// === impl Doorway ===

impl Doorway {
    /// With bounds of its own.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            streams: Streams::new(limits.streams, limits.keep_alive),
            requests: RateLimiter::new(limits.burst_requests, limits.requests_per_second),
            failed_sign_ins: RateLimiter::new(limits.burst_sign_ins, limits.sign_ins_per_second),
            sign_ins: SignIns::new(limits.sign_ins),
            answering: Answering::default(),
        }
    }

    /// Notes that this node answers a request with an idempotency key, until the slot is dropped. `None`: it is answering one already.
    pub fn begin_answer(&self, tenant: &TenantId, key: &str) -> Option<AnswerSlot> {
        let key = (tenant.clone(), key.to_owned());
        let mut answering = self.answering.lock().unwrap_or_else(PoisonError::into_inner);
        answering.insert(key.clone()).then(|| AnswerSlot { answering: Arc::clone(&self.answering), key })
    }
}
