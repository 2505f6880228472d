//! Fencing numbers for connections, from the store: a restart never gives a number twice, and of two nodes the later one gets the higher.

use std::ops::RangeInclusive;

use ringmain_domain::id::Epoch;
use ringmain_store::store::{Store, StoreError};
use tokio::sync::Mutex;

/// How many numbers one question asks for; a store that has several nodes gives one. Unused ones are lost at a restart, which harms nobody.
const BLOCK: u32 = 1_000;

/// Hands out rising epochs.
pub struct Epochs {
    store: Store,
    block: Mutex<RangeInclusive<i64>>,
}

// === impl Epochs ===

impl Epochs {
    /// Numbers of this store.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store, block: Mutex::new(RangeInclusive::new(1, 0)) }
    }

    /// The next epoch, higher than every one before.
    ///
    /// # Errors
    /// The store gives none.
    pub async fn next(&self) -> Result<Epoch, StoreError> {
        {
            let mut block = self.block.lock().await;
            if let Some(next) = block.next() {
                return Ok(Epoch(next));
            }
        }
        // Not under the lock: where every number is asked for, many are at a time.
        let mut claimed = self.store.claim_epochs(BLOCK).await?;
        let next = claimed.next().unwrap_or_default();
        if !claimed.is_empty() {
            let mut block = self.block.lock().await;
            // Somebody else may have claimed a block meanwhile: the later one counts, and the earlier one is lost.
            if claimed.start() > block.start() || block.is_empty() {
                *block = claimed;
            }
        }
        Ok(Epoch(next))
    }
}
