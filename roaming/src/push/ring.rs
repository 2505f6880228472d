//! The newest changes, read once for all partners; whoever is further behind reads the store.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use ringmain_store::page::MAX_LIMIT;
use ringmain_store::store::StoreError;
use tokio::sync::watch;

use super::news::{self, News};
use crate::hub::Hub;

/// The most changes that are kept.
pub const RING_MAX: usize = 5_000;

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
        kept.news.extend(news);
        while kept.news.len() > RING_MAX {
            if let Some(gone) = kept.news.pop_front() {
                kept.since = Some(gone.position);
            }
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

#[cfg(test)]
mod tests {
    use ringmain_domain::time::Timestamp;

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
}
