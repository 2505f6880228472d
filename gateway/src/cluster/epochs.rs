//! Fencing numbers for connections, from the store, in blocks: a restart never gives a number twice.

use ringmain_domain::id::Epoch;
use ringmain_store::store::{Store, StoreError};
use tokio::sync::Mutex;

/// How many numbers one write reserves. Unused ones are lost at a restart, which harms nobody.
const BLOCK: u32 = 1_000;

/// Hands out rising epochs.
pub struct Epochs {
    store: Store,
    block: Mutex<Block>,
}

#[derive(Default)]
struct Block {
    next: i64,
    left: u32,
}

// === impl Epochs ===

impl Epochs {
    /// Numbers of this store.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store, block: Mutex::default() }
    }

    /// The next epoch, higher than every one before.
    ///
    /// # Errors
    /// The store cannot reserve a block.
    pub async fn next(&self) -> Result<Epoch, StoreError> {
        let mut block = self.block.lock().await;
        if block.left == 0 {
            *block = Block { next: self.store.claim_epochs(BLOCK).await?, left: BLOCK };
        }
        let epoch = Epoch(block.next);
        block.next += 1;
        block.left -= 1;
        Ok(epoch)
    }
}
