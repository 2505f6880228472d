//! Tickets and sessions of a listener, which can be forgotten at once.
//!
//! Place on the walk: `socket`. A resumed handshake does not verify the client's certificate
//! again: it brings back the chain of the first one. So a change of the client CA or of a
//! revocation list must make every ticket and session worthless, or a cut-off station comes back
//! through resumption. Never: early data (it can be replayed), keys outside this process.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::Error as TlsError;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::{ProducesTickets, ServerSessionMemoryCache, StoresServerSessions};

/// Most entries of the session cache: its space is taken at once, about 200 bytes an entry.
pub const SESSION_CACHE_ENTRIES_MAX: usize = 100_000;

/// The tickets (TLS 1.3, and 1.2 where the client speaks them) and the session cache (TLS 1.2
/// clients without tickets) of one listener.
#[derive(Debug)]
pub(crate) struct Resumption {
    tickets: ArcSwap<Arc<dyn ProducesTickets>>,
    sessions: ArcSwap<ServerSessionMemoryCache>,
    entries: usize,
}

/// A fresh state without any memory, made before anything is swapped because making it can fail.
#[derive(Debug)]
pub(crate) struct Forgotten {
    tickets: Arc<dyn ProducesTickets>,
}

// === impl Resumption ===

impl Resumption {
    /// `entries` is the size of the session cache, bounded by [`SESSION_CACHE_ENTRIES_MAX`]; 0 turns it off.
    pub(crate) fn new(entries: usize) -> Result<Self, TlsError> {
        let entries = entries.min(SESSION_CACHE_ENTRIES_MAX);
        Ok(Self {
            tickets: ArcSwap::from_pointee(Ticketer::new()?),
            sessions: ArcSwap::new(ServerSessionMemoryCache::new(entries)),
            entries,
        })
    }

    /// The fallible half of forgetting: new ticket keys.
    pub(crate) fn prepare() -> Result<Forgotten, TlsError> {
        Ok(Forgotten { tickets: Ticketer::new()? })
    }

    /// From here on no earlier ticket and no earlier session is known.
    pub(crate) fn forget(&self, fresh: Forgotten) {
        self.tickets.store(Arc::new(fresh.tickets));
        self.sessions.store(ServerSessionMemoryCache::new(self.entries));
    }
}

impl ProducesTickets for Resumption {
    fn enabled(&self) -> bool {
        self.tickets.load().enabled()
    }

    fn lifetime(&self) -> u32 {
        self.tickets.load().lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.tickets.load().encrypt(plain)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.tickets.load().decrypt(cipher)
    }
}

impl StoresServerSessions for Resumption {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        self.can_cache() && self.sessions.load().put(key, value)
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.sessions.load().get(key)
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.sessions.load().take(key)
    }

    fn can_cache(&self) -> bool {
        self.entries > 0
    }
}

#[cfg(test)]
mod tests {
    use rustls::server::{ProducesTickets, StoresServerSessions};

    use super::{Resumption, SESSION_CACHE_ENTRIES_MAX};

    #[test]
    fn full_session_cache_drops_the_oldest() {
        let resumption = Resumption::new(2).expect("ticket keys");
        for id in 1..=3 {
            assert!(resumption.put(vec![id], vec![id]));
        }
        assert_eq!([1, 2, 3].map(|id| resumption.get(&[id])), [None, Some(vec![2]), Some(vec![3])]);
    }

    #[test]
    fn cache_of_zero_keeps_nothing() {
        let resumption = Resumption::new(0).expect("ticket keys");
        assert!(!resumption.can_cache());
        assert!(!resumption.put(vec![1], vec![1]));
        assert_eq!(resumption.get(&[1]), None);
    }

    #[test]
    fn size_of_the_cache_is_bounded() {
        let resumption = Resumption::new(usize::MAX).expect("ticket keys");
        assert_eq!(resumption.entries, SESSION_CACHE_ENTRIES_MAX);
    }

    #[test]
    fn forgetting_makes_tickets_and_sessions_worthless() {
        let resumption = Resumption::new(2).expect("ticket keys");
        let ticket = resumption.encrypt(b"session").expect("a ticket");
        assert!(resumption.put(vec![1], vec![1]));
        assert_eq!(resumption.decrypt(&ticket).as_deref(), Some(&b"session"[..]));

        resumption.forget(Resumption::prepare().expect("ticket keys"));

        assert_eq!(resumption.decrypt(&ticket), None);
        assert_eq!(resumption.get(&[1]), None);
        assert!(resumption.enabled() && resumption.lifetime() > 0);
    }
}
