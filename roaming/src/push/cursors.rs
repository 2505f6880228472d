//! How far the lanes of all partners have come: noted by each, written for all together. A write for each lane of each partner at every
//! change would cost the store more than the changes do.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ringmain_store::partners::lanes::Lane;
use ringmain_store::store::StoreError;
use uuid::Uuid;

use crate::hub::Hub;
use crate::ocpi::envelope::now;

/// The places of all lanes; four for each partner that was told something since this node leads.
#[derive(Debug, Default)]
pub struct Cursors {
    lanes: Mutex<BTreeMap<(Uuid, Lane), Place>>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    position: i64,
    is_written: bool,
}

// === impl Cursors ===

impl Cursors {
    /// A lane stands there now; it never goes back.
    pub fn moved(&self, partner: Uuid, lane: Lane, position: i64) {
        let mut lanes = self.lock();
        let place = lanes.entry((partner, lane)).or_insert(Place { position: i64::MIN, is_written: true });
        if place.position < position {
            *place = Place { position, is_written: false };
        }
    }

    /// Where a lane stands, as far as this node knows.
    #[must_use]
    pub fn of(&self, partner: Uuid, lane: Lane) -> Option<i64> {
        self.lock().get(&(partner, lane)).map(|place| place.position)
    }

    /// Writes what moved, and forgets those that are told nothing any more.
    ///
    /// # Errors
    /// The store's: it is written the next time.
    pub(crate) async fn keep(&self, hub: &Hub, is_told: impl Fn(&Uuid) -> bool) -> Result<(), StoreError> {
        self.lock().retain(|(partner, _), _| is_told(partner));
        let moved = self.unwritten();
        if moved.is_empty() {
            return Ok(());
        }
        hub.store.advance_partner_cursors(&hub.tenant, &moved, now()).await?;
        self.written(&moved);
        Ok(())
    }

    fn unwritten(&self) -> Vec<(Uuid, Lane, i64)> {
        let lanes = self.lock();
        let moved = lanes.iter().filter(|(_, place)| !place.is_written);
        moved.map(|((partner, lane), place)| (*partner, *lane, place.position)).collect()
    }

    fn written(&self, moved: &[(Uuid, Lane, i64)]) {
        let mut lanes = self.lock();
        for (partner, lane, position) in moved {
            if let Some(place) = lanes.get_mut(&(*partner, *lane)) {
                place.is_written = place.position == *position;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(Uuid, Lane), Place>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moved_is_written_once_and_never_back() {
        let (cursors, partner) = (Cursors::default(), Uuid::from_u128(1));
        cursors.moved(partner, Lane::Cdrs, 7);
        cursors.moved(partner, Lane::Cdrs, 5);
        assert_eq!(cursors.unwritten(), [(partner, Lane::Cdrs, 7)]);
        // It moves on while it is written.
        let writing = cursors.unwritten();
        cursors.moved(partner, Lane::Cdrs, 9);
        cursors.written(&writing);
        assert_eq!(cursors.unwritten(), [(partner, Lane::Cdrs, 9)]);
        cursors.written(&cursors.unwritten());
        cursors.moved(partner, Lane::Cdrs, 9);
        assert!(cursors.unwritten().is_empty());
        assert_eq!((cursors.of(partner, Lane::Cdrs), cursors.of(partner, Lane::Tariffs)), (Some(9), None));
    }
}
