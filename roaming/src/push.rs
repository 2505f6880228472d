//! Tells partners what changed. One task on the node that leads takes changes into the feed and keeps the newest at hand; four tasks for
//! each partner, one for each lane, read it behind their cursors and call the partner.
//!
//! A partner that is slow, away or confused keeps nobody waiting but itself: nothing is shared but what was read. What is kept in memory
//! is bounded ([`ring`]); whoever falls behind reads from the store. Never: a push that is not in the feed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringmain_domain::time::Timestamp;
use ringmain_store::outbox::KIND_CDR;
use ringmain_store::page::PageRequest;
use ringmain_store::partners::lanes::Lane;
use ringmain_store::partners::{Partner, PartnerState};
use ringmain_store::store::StoreError;
use tokio::task::AbortHandle;
use uuid::Uuid;

use crate::hub::Hub;
use crate::ocpi::envelope::now;
use crate::{commands, pull};

pub mod breaker;
pub mod news;
pub mod ring;
pub(crate) mod send;
pub mod worker;

use breaker::Breaker;
use ring::Ring;

/// How many changes are taken in at once.
const TAKE: u32 = 1_000;
/// How often partners are read again, though nobody said that they changed.
const PARTNERS_EVERY: Duration = Duration::from_secs(5);
/// How often standings are written and old things forgotten.
const TIDY_EVERY: Duration = Duration::from_secs(10);
/// How long the feed keeps what all have read, and the log its calls.
const FEED_KEPT_MS: i64 = 7 * 86_400_000;
const CALLS_KEPT_MS: i64 = 7 * 86_400_000;
/// The most calls of one partner that are kept.
const CALLS_KEPT: u32 = 1_000;
/// How often a bill record that was refused is tried again by itself.
const REPLAY_AFTER_MS: i64 = 3_600_000;

/// A partner that is told of changes.
pub(crate) struct Told {
    partner: Arc<Partner>,
    breaker: Arc<Breaker>,
    tasks: Vec<AbortHandle>,
}

impl Drop for Told {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// Works for ever.
pub(crate) async fn run(hub: Hub) {
    let mut leading: Option<Leading> = None;
    let mut every = tokio::time::interval(hub.settings.look_every);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = every.tick() => {}
            () = hub.partners_changed() => {
                if let Some(leading) = &mut leading {
                    leading.read_at = None;
                }
            }
        }
        if !(hub.leads)() {
            leading = None;
            continue;
        }
        if let Err(error) = leading.get_or_insert_with(|| Leading::new(hub.clone())).look().await {
            tracing::debug!(%error, "pushes to partners wait for the store");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

/// What a node does for all while it leads.
struct Leading {
    hub: Hub,
    ring: Arc<Ring>,
    told: BTreeMap<Uuid, Told>,
    read_at: Option<Instant>,
    tidied_at: Instant,
}

// === impl Leading ===

impl Leading {
    fn new(hub: Hub) -> Self {
        Self { hub, ring: Arc::default(), told: BTreeMap::new(), read_at: None, tidied_at: Instant::now() }
    }

    async fn look(&mut self) -> Result<(), StoreError> {
        if self.read_at.is_none_or(|at| at.elapsed() >= PARTNERS_EVERY) {
            self.read_partners().await?;
            self.read_at = Some(Instant::now());
        }
        if self.told.is_empty() {
            return Ok(());
        }
        while self.hub.store.feed_take_in(TAKE).await? >= usize::try_from(TAKE).unwrap_or(usize::MAX) {}
        self.ring.fill(&self.hub).await?;
        if self.tidied_at.elapsed() >= TIDY_EVERY {
            self.tidied_at = Instant::now();
            self.tidy(now()).await?;
        }
        Ok(())
    }

    /// Starts what is missing and ends what is no longer wanted.
    async fn read_partners(&mut self) -> Result<(), StoreError> {
        let mut registered = BTreeMap::new();
        let mut page = PageRequest::first(ringmain_store::page::MAX_LIMIT);
        loop {
            let read = self.hub.store.partners(&self.hub.tenant, &page).await?;
            for partner in read.items {
                if matches!(&partner.state, PartnerState::Registered(peer) if peer.endpoints.is_some()) {
                    registered.insert(partner.id, partner);
                }
            }
            match read.next {
                Some(next) => page.after = Some(next),
                None => break,
            }
        }
        self.told.retain(|id, told| registered.get(id).is_some_and(|partner| *partner == *told.partner));
        for (id, partner) in registered {
            if !self.told.contains_key(&id) {
                let told = self.tell(Arc::new(partner));
                self.told.insert(id, told);
            }
        }
        Ok(())
    }

    fn tell(&self, partner: Arc<Partner>) -> Told {
        let breaker = Arc::new(Breaker::new(self.hub.settings.pauses, &partner.settings));
        let runtime = self.hub.client.runtime();
        let worker = |lane| {
            let (hub, ring) = (self.hub.clone(), Arc::clone(&self.ring));
            let (partner, breaker) = (Arc::clone(&partner), Arc::clone(&breaker));
            runtime.spawn(worker::run(worker::Worker { hub, ring, partner, lane, breaker }))
        };
        let mut tasks: Vec<_> = Lane::ALL.into_iter().map(worker).collect();
        tasks.push(runtime.spawn(pull::run(self.hub.clone(), Arc::clone(&partner), Arc::clone(&breaker))));
        Told { partner, breaker, tasks }
    }

    async fn tidy(&self, now: Timestamp) -> Result<(), StoreError> {
        let (store, tenant) = (&self.hub.store, &self.hub.tenant);
        for (id, told) in &self.told {
            if let Some(standing) = told.breaker.take_standing() {
                store.note_partner_standing(tenant, *id, &standing).await?;
                store.bound_partner_calls(tenant, *id, CALLS_KEPT).await?;
            }
            for letter in store.dead_letters(tenant, *id, &PageRequest::first(100)).await?.items {
                if *letter.kind == *KIND_CDR && now.millis_since(letter.refused_at) > REPLAY_AFTER_MS {
                    let of = (&*letter.kind, &*letter.subject);
                    store.replay_dead_letter((tenant, *id), of, now).await?;
                }
            }
        }
        store.tell_of_price_turns(tenant, now).await?;
        store.feed_forget(tenant, now.plus_millis(-FEED_KEPT_MS)).await?;
        store.trim_partner_calls(now.plus_millis(-CALLS_KEPT_MS)).await?;
        commands::tell_overdue(&self.hub, now).await
    }
}
