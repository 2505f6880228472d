//! The newest changes, read once for all partners; whoever is further behind reads the store.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use ringmain_store::page::MAX_LIMIT;
use ringmain_store::store::StoreError;
use tokio::sync::watch;

use super::news::{self, News};
use crate::hub::Hub;

/// The most changes that are kept.
pub const RING_MAX: usize = 5_000;

/// The most connectors that are kept with their locations: some ten megabytes. News that were read together share a location.
pub const CONNECTORS_MAX: usize = 50_000;

/// The newest changes.
#[derive(Debug)]
pub struct Ring {
    kept: Mutex<Kept>,
    newest: watch::Sender<i64>,
}

#[derive(Debug, Default)]
struct Kept {
    /// Everything behind this place is here; absent before the first look.
    since: Option<i64>,
    news: VecDeque<Arc<News>>,
    /// How many news hold each of the locations, by where it lies in memory.
    held: HashMap<usize, usize>,
    /// How many connectors all of these have.
    connectors: usize,
}

impl Default for Ring {
    fn default() -> Self {
        Self { kept: Mutex::default(), newest: watch::Sender::new(0) }
    }
}

// === impl Ring ===

impl Ring {
    /// Reads what is new in the feed.
    ///
    /// # Errors
    /// The store's: what was not read is read the next time.
    pub async fn fill(&self, hub: &Hub) -> Result<(), StoreError> {
        let is_filled = self.lock().since.is_some();
        if !is_filled {
            let newest = hub.store.feed_ends(&hub.tenant).await?.newest;
            self.lock().since = Some(newest);
            self.newest.send_replace(newest);
        }
        let mut behind = *self.newest.borrow();
        loop {
            let rows = hub.store.feed_after(&hub.tenant, behind, MAX_LIMIT).await?;
            let Some(last) = rows.last().map(|row| row.position) else { return Ok(()) };
            let news = news::read(hub, rows).await?;
            self.push(news.into_iter().map(Arc::new));
            behind = last;
            self.newest.send_replace(last);
        }
    }

    fn push(&self, news: impl Iterator<Item = Arc<News>>) {
        let mut kept = self.lock();
        for one in news {
            kept.hold(&one);
            kept.news.push_back(one);
        }
        while kept.news.len() > RING_MAX || kept.connectors > CONNECTORS_MAX {
            let Some(gone) = kept.news.pop_front() else { return };
            kept.release(&gone);
            kept.since = Some(gone.position);
        }
    }

    /// The newest place, to be waited for.
    #[must_use]
    pub fn newest(&self) -> watch::Receiver<i64> {
        self.newest.subscribe()
    }

    /// What is behind a place, at most `limit`, of objects that changed more than once the newest; `None`: it is not all here any more.
    #[must_use]
    pub fn after(&self, position: i64, limit: usize) -> Option<Vec<Arc<News>>> {
        let kept = self.lock();
        if kept.since.is_none_or(|since| position < since) {
            return None;
        }
        let start = kept.news.partition_point(|news| news.position <= position);
        Some(kept.news.range(start..).take(limit).cloned().collect())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Kept ===

impl Kept {
    fn hold(&mut self, news: &News) {
        let Some(location) = news.what.location() else { return };
        let holders = self.held.entry(Arc::as_ptr(location).addr()).or_default();
        *holders += 1;
        if *holders == 1 {
            self.connectors += location.connectors.len();
        }
    }

    fn release(&mut self, news: &News) {
        let Some(location) = news.what.location() else { return };
        let address = Arc::as_ptr(location).addr();
        let Some(holders) = self.held.get_mut(&address) else { return };
        *holders -= 1;
        if *holders == 0 {
            self.held.remove(&address);
            self.connectors -= location.connectors.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ringmain_domain::id::{ConnectorId, EvseId, LocationId, StationId, TenantId};
    use ringmain_domain::location::{ConnectorStatus, Location};
    use ringmain_domain::time::Timestamp;
    use ringmain_store::partners::lists::{PublishedConnector, PublishedLocation};

    use super::*;
    use crate::push::news::What;

    fn news(positions: std::ops::RangeInclusive<i64>) -> impl Iterator<Item = Arc<News>> {
        positions.map(|position| {
            Arc::new(News {
                position,
                kind: "station".into(),
                subject: position.to_string().into(),
                changed_at: Timestamp::from_millis(0),
                party: None,
                what: What::Nothing,
            })
        })
    }

    #[test]
    fn a_full_ring_sends_those_who_are_behind_to_the_store() {
        let ring = Ring::default();
        assert!(ring.after(0, 10).is_none(), "nothing was read yet");
        ring.lock().since = Some(10);
        ring.push(news(11..=20));
        let positions = |from, limit| {
            ring.after(from, limit).map(|news| news.iter().map(|one| one.position).collect::<Vec<_>>())
        };
        assert_eq!(positions(10, 3), Some(vec![11, 12, 13]));
        assert_eq!((positions(20, 3), positions(9, 3)), (Some(Vec::new()), None));
        let max = i64::try_from(RING_MAX).unwrap();
        ring.push(news(21..=20 + max));
        assert_eq!(ring.lock().news.len(), RING_MAX);
        assert_eq!(positions(19, 1), None);
        assert_eq!(positions(20, 1), Some(vec![21]));
    }

    /// How many news, connectors and locations it keeps.
    fn sizes(ring: &Ring) -> (usize, usize, usize) {
        let kept = ring.lock();
        (kept.news.len(), kept.connectors, kept.held.len())
    }

    fn place(connectors: u32) -> Arc<PublishedLocation> {
        let location = Location {
            tenant: TenantId::default_tenant(),
            id: LocationId::new("L1").unwrap(),
            name: "Place".into(),
            address: "Street 1".into(),
            city: "Utrecht".into(),
            postal_code: None,
            country: "NLD".into(),
            latitude: "52.09".into(),
            longitude: "5.12".into(),
            time_zone: "Europe/Amsterdam".into(),
            updated_at: Timestamp::from_millis(0),
        };
        let connector = |number| PublishedConnector {
            station: StationId::new("CS-1").unwrap(),
            evse: EvseId(number),
            connector: ConnectorId(1),
            status: ConnectorStatus::Available,
            maintenance: false,
            online: true,
            energy_flows: None,
            tariff_id: None,
            hardware: None,
            changed_at: Timestamp::from_millis(0),
        };
        let connectors = (1..=connectors).map(connector).collect();
        Arc::new(PublishedLocation { location, connectors, unreadable: BTreeMap::new() })
    }

    #[test]
    fn large_locations_fill_the_ring_with_few_news() {
        let ring = Ring::default();
        ring.lock().since = Some(0);
        let at = |position, published: &Arc<PublishedLocation>| {
            let what = What::Status(Arc::clone(published), StationId::new("CS-1").unwrap(), EvseId(1));
            news(position..=position).map(move |one| Arc::new(News { what: what.clone(), ..(*one).clone() }))
        };
        // However many news share it, a location is there once.
        let shared = place(20_000);
        (1..=100).for_each(|position| ring.push(at(position, &shared)));
        assert_eq!(sizes(&ring), (100, 20_000, 1));
        ring.push(at(101, &place(20_000)));
        assert_eq!(sizes(&ring), (101, 40_000, 2));
        ring.push(at(102, &place(20_000)));
        assert_eq!(sizes(&ring), (2, 40_000, 2));
        assert!(ring.after(99, 1).is_none() && ring.after(100, 9).is_some_and(|news| news.len() == 2));
        // One that is too large by itself is read from the store by everybody.
        ring.push(at(103, &place(60_000)));
        assert_eq!(sizes(&ring), (0, 0, 0));
        assert!(ring.after(103, 1).is_some_and(|news| news.is_empty()));
    }
}
