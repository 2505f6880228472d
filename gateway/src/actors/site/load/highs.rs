//! What buildings took at most, on its way into the store: beside the ledger's orders, so that no share waits for it.
//!
//! It outlives the load it is of: a tree that is drawn anew takes over what was not written yet.

use actix::prelude::*;
use ringmain_domain::load::highs::Highs;
use ringmain_store::store::StoreError;

use super::super::Site;
use super::{AGAIN_AFTER, Load};

/// Highs that the store may not have yet.
#[derive(Debug, Default)]
pub(in crate::actors::site) struct Unwritten {
    waiting: Highs,
    /// The write under way; it goes back to those that wait where nobody knows what became of it.
    writing: Highs,
    /// A write is under way, or failed just now.
    is_busy: bool,
}

// === impl Unwritten ===

impl Unwritten {
    /// All that is remembered, for a load that starts: what the store told, and what it may not have told because it was on its way.
    pub(super) fn beside(&self, mut stored: Highs) -> Highs {
        stored.merge(self.waiting.clone());
        stored.merge(self.writing.clone());
        stored
    }

    fn put_back(&mut self) {
        self.waiting.merge(std::mem::take(&mut self.writing));
        self.waiting.trim();
    }
}

// === impl Site ===

impl Site {
    /// Writes what the load has to be remembered.
    pub(super) fn keep_highs(&mut self, ctx: &mut Context<Self>) {
        if let Load::Managed(managed) = &mut self.load {
            self.unwritten.waiting.merge(managed.state.take_highs());
        }
        self.write_highs(ctx);
    }

    fn write_highs(&mut self, ctx: &mut Context<Self>) {
        if self.unwritten.is_busy || self.unwritten.waiting.is_empty() {
            return;
        }
        let Some(location) = self.state.id().location() else { return };
        let (store, tenant) = (self.parts.store.clone(), self.tenant.clone());
        let highs = std::mem::take(&mut self.unwritten.waiting);
        self.unwritten.writing = highs.clone();
        self.unwritten.is_busy = true;
        let write = async move { store.raise_building_loads(&tenant, &location, &highs).await };
        ctx.spawn(write.into_actor(self).map(|written, site, ctx| site.highs_written(written, ctx)));
    }

    fn highs_written(&mut self, written: Result<bool, StoreError>, ctx: &mut Context<Self>) {
        if let Err(error) = &written {
            tracing::warn!(%error, site.id = %self.state.id(), "what a building took at most cannot be kept yet");
        }
        // A read under way may have seen the store before this write: the load that starts from it is told, and it is written once more.
        if written.is_ok() && !self.is_reading_load {
            self.unwritten.writing = Highs::default();
            self.unwritten.is_busy = false;
            return self.write_highs(ctx);
        }
        self.unwritten.put_back();
        ctx.run_later(AGAIN_AFTER, |site, ctx| {
            site.unwritten.is_busy = false;
            site.write_highs(ctx);
        });
    }
}
