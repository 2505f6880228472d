//! Limits from outside, as the store has them. What is said of them here or by another node only says that they changed: a word can be lost
//! with the node that took them in, or overtake another one, and the limit would stay wrong.

use std::collections::BTreeMap;

use actix::prelude::*;
use ringmain_domain::id::CircuitId;
use ringmain_domain::load::allocation::Input;
use ringmain_domain::load::supply::Signal;

use super::super::Site;
use super::Load;

/// What is known of the kept limits.
#[derive(Debug, Default)]
pub(in crate::actors::site) struct Limits {
    /// They may have changed since they were read.
    is_unread: bool,
    /// One read at a time: of two that overlap the older answer could come last.
    is_reading: bool,
}

// === impl Site ===

impl Site {
    /// They may have changed. Whoever does not manage the load leaves it to whoever does.
    pub(in crate::actors::site) fn limits_changed(&mut self, ctx: &mut Context<Self>) {
        self.limits.is_unread = true;
        self.read_limits(ctx);
    }

    /// Reads them, if that is to be done and the load is managed here. What cannot be read is read at the next sweep.
    pub(in crate::actors::site) fn read_limits(&mut self, ctx: &mut Context<Self>) {
        let (Load::Managed(_), Some(location)) = (&self.load, self.state.id().location()) else { return };
        if !self.limits.is_unread || self.limits.is_reading {
            return;
        }
        self.limits = Limits { is_unread: false, is_reading: true };
        let (store, tenant, generation) =
            (self.parts.store.clone(), self.tenant.clone(), self.load_generation);
        let read = async move { store.site_signals(&tenant, &location).await };
        ctx.spawn(read.into_actor(self).map(move |signals, site, ctx| {
            site.limits.is_reading = false;
            match signals {
                Ok(signals) if site.load_generation == generation => site.take_limits(signals, ctx),
                Ok(_) => site.limits.is_unread = true,
                Err(error) => {
                    tracing::info!(%error, site.id = %site.state.id(), "limits of a site cannot be read yet");
                    site.limits.is_unread = true;
                    return;
                }
            }
            site.read_limits(ctx);
        }));
    }

    fn take_limits(&mut self, signals: BTreeMap<CircuitId, Vec<Signal>>, ctx: &mut Context<Self>) {
        for (circuit, signals) in signals {
            let Load::Managed(managed) = &self.load else { return };
            if managed.state.signals(&circuit) != signals {
                self.load_hears(Input::Signals { circuit, signals }, ctx);
            }
        }
    }
}
