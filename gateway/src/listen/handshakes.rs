//! How many TLS handshakes run at once: over all, and for one network, so that nobody keeps the others out by never finishing his.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::network::Network;

/// How many networks are remembered before the idle ones are forgotten.
const NETWORKS_KEPT: usize = 1_024;

/// The permits of one listener.
#[derive(Debug)]
pub(super) struct Handshakes {
    all: Arc<Semaphore>,
    of_network: usize,
    networks: Mutex<HashMap<Network, Arc<Semaphore>>>,
}

/// One handshake may run; over when dropped.
#[derive(Debug)]
pub(super) struct Permit {
    _network: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

// === impl Handshakes ===

impl Handshakes {
    /// So many at once, for one network half of them.
    pub(super) fn new(at_once: usize) -> Self {
        Self {
            all: Arc::new(Semaphore::new(at_once)),
            of_network: at_once.div_ceil(2),
            networks: Mutex::default(),
        }
    }

    /// Waits for its turn: within the network first, so that a crowd from one place queues before its own door only.
    pub(super) async fn turn(&self, peer: IpAddr) -> Option<Permit> {
        let network = self.network(Network::of(peer)).acquire_owned().await.ok()?;
        let all = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some(Permit { _network: network, _all: all })
    }

    fn network(&self, network: Network) -> Arc<Semaphore> {
        let mut networks = self.networks.lock().unwrap_or_else(PoisonError::into_inner);
        if networks.len() >= NETWORKS_KEPT {
            // Whoever waits or shakes hands holds a reference.
            networks.retain(|_, permits| Arc::strong_count(permits) > 1);
        }
        let permits = networks.entry(network).or_insert_with(|| Arc::new(Semaphore::new(self.of_network)));
        Arc::clone(permits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn now<T>(future: impl Future<Output = T>) -> Option<T> {
        futures_util::FutureExt::now_or_never(future)
    }

    #[test]
    fn one_network_holds_half_of_the_permits_and_no_more() {
        let handshakes = Handshakes::new(4);
        let near = [ip("192.0.2.1"), ip("::ffff:192.0.2.77")].map(|peer| now(handshakes.turn(peer)).unwrap());
        assert!(now(handshakes.turn(ip("192.0.2.200"))).is_none(), "its network has its half");
        let far = now(handshakes.turn(ip("2001:db8::1"))).unwrap();
        let farther = now(handshakes.turn(ip("198.51.100.1"))).unwrap();
        assert!(now(handshakes.turn(ip("203.0.113.1"))).is_none(), "all are taken");
        drop((near, far));
        assert!(now(handshakes.turn(ip("192.0.2.200"))).is_some());
        drop(farther);
    }

    #[test]
    fn networks_without_a_handshake_are_forgotten() {
        let handshakes = Handshakes::new(4);
        let held = now(handshakes.turn(ip("192.0.2.1"))).unwrap();
        for number in 0..2_000_u32 {
            let peer = IpAddr::from(std::net::Ipv4Addr::from(0x0A00_0000 + (number << 8)));
            assert!(now(handshakes.turn(peer)).is_some());
        }
        let networks = handshakes.networks.lock().unwrap();
        assert!(networks.len() <= NETWORKS_KEPT && networks.contains_key(&Network::V4([192, 0, 2])));
        drop(held);
    }
}
