//! Fencing numbers for connections, from the store: a restart never gives a number twice.
//!
//! A node that is alone takes them in blocks. One of several takes them when they are asked for, and for all who wait at that moment: out of a
//! block kept from earlier a station that comes from a node with a later block would get a lower number than its old connection has, and
//! would be refused for as long as the old route stands.

use std::sync::atomic::{AtomicU64, Ordering};

use ringmain_domain::id::Epoch;
use ringmain_store::store::{Store, StoreError};
use tokio::sync::Mutex;

/// How many numbers one write reserves for a node that is alone, and at most for one of several. Unused ones are lost, which harms nobody.
const BLOCK: u32 = 1_000;

/// Hands out rising epochs.
pub struct Epochs {
    store: Store,
    is_alone: bool,
    /// How many were asked for so far.
    asked: AtomicU64,
    block: Mutex<Block>,
}

#[derive(Default)]
struct Block {
    next: i64,
    left: u32,
    /// Who asked before the block was claimed: for these its numbers are new.
    asked: u64,
}

// === impl Epochs ===

impl Epochs {
    /// Numbers of this store, for a node that is alone or one of several.
    #[must_use]
    pub fn new(store: Store, is_alone: bool) -> Self {
        Self { store, is_alone, asked: AtomicU64::new(0), block: Mutex::default() }
    }

    /// The next epoch, higher than every one that was handed out before this was asked, at any node.
    ///
    /// # Errors
    /// The store cannot reserve numbers.
    pub async fn next(&self) -> Result<Epoch, StoreError> {
        let place = self.asked.fetch_add(1, Ordering::SeqCst);
        let mut block = self.block.lock().await;
        if block.left == 0 || !(self.is_alone || place < block.asked) {
            let asked = self.asked.load(Ordering::SeqCst);
            let waiting = u32::try_from(asked.saturating_sub(place)).unwrap_or(BLOCK).clamp(1, BLOCK);
            let left = if self.is_alone { BLOCK } else { waiting };
            *block = Block { next: self.store.claim_epochs(left).await?, left, asked };
        }
        let epoch = Epoch(block.next);
        block.next += 1;
        block.left -= 1;
        Ok(epoch)
    }
}
