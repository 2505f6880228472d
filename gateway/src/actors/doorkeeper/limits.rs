//! How often somebody may knock, guess, and bring unknown stations. All of them have a bound, whatever the number of addresses and names.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use ringmain_domain::id::{StationId, TenantId};
use ringmain_store::store::{Store, StoreError};
use tokio::sync::Mutex;

use crate::admission::Admission;
use crate::config::stations::Stations;
use crate::listen::network::{Host, Network};
use crate::services::rate::RateLimiter;

/// Wrong credentials a source may show for one identity: so many at once, then one in six seconds. By source and identity together, or
/// anybody could lock a station out (reliability.md 7.2).
const FAILURES_BURST: u32 = 10;
const FAILURES_PER_S: f64 = 1.0 / 6.0;
/// Identities nobody knows that a network may bring into quarantine: so many at once, then one in ten seconds.
const CONTACTS_BURST: u32 = 50;
const CONTACTS_PER_S: f64 = 0.1;

/// Connections that stations of one identity may make once they have shown who they are: so many at once, then one a second
/// (reliability.md 7.2).
const CONNECTS_BURST: u32 = 5;
const CONNECTS_PER_S: f64 = 1.0;

/// How often stations in quarantine are counted at most, where unknown ones come.
const COUNT_EVERY: Duration = Duration::from_secs(10);

/// The limits of one listener's door.
pub(super) struct Limits {
    pub(super) failures: RateLimiter<(Host, StationId)>,
    pub(super) contacts: RateLimiter<Network>,
    pub(super) connects: RateLimiter<StationId>,
    pub(super) quarantine: Quarantine,
    admission: Admission,
    networks: RateLimiter<Network>,
}

/// Stations that wait for an operator.
pub(super) struct Quarantine {
    max: u32,
    /// How many there are, as far as is known here, and when they were counted.
    known: Mutex<Option<(Instant, u64)>>,
}

// === impl Limits ===

impl Limits {
    pub(super) fn new(config: &Stations) -> Self {
        Self {
            failures: RateLimiter::new(FAILURES_BURST, FAILURES_PER_S),
            contacts: RateLimiter::new(CONTACTS_BURST, CONTACTS_PER_S),
            connects: RateLimiter::new(CONNECTS_BURST, CONNECTS_PER_S),
            quarantine: Quarantine { max: config.quarantine_max, known: Mutex::new(None) },
            admission: Admission::per_second(config.admissions_per_s, Instant::now()),
            networks: RateLimiter::new(config.admissions_per_s, f64::from(config.admissions_per_s) / 2.0),
        }
    }

    /// How long to wait for one's turn: not all at once, a storm is spread. `None`: its tail comes back later.
    pub(super) fn turn(&self, peer: IpAddr, now: Instant) -> Option<Duration> {
        // No network takes more than half of the turns: whoever knocks under many names keeps nobody else out.
        let is_fair = self.networks.take(&Network::of(peer), now);
        is_fair.then(|| self.admission.turn(now)).flatten()
    }
}

// === impl Quarantine ===

impl Quarantine {
    /// May one more wait? If so it counts as there. Other nodes let theirs in meanwhile: there may be some more than the most until they are counted.
    pub(super) async fn has_room(&self, store: &Store, tenant: &TenantId) -> Result<bool, StoreError> {
        let mut known = self.known.lock().await;
        let (at, count) = match *known {
            Some((at, count)) if at.elapsed() < COUNT_EVERY => (at, count),
            Some(_) | None => (Instant::now(), store.pending_stations_count(tenant, self.max).await?),
        };
        let has_room = count < u64::from(self.max);
        *known = Some((at, count.saturating_add(u64::from(has_room))));
        Ok(has_room)
    }
}
