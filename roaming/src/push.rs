//! Tells partners what changed. One task on the node that leads takes changes into the feed and keeps the newest at hand; four tasks for
//! each partner, one for each lane, read it behind their cursors and call the partner.
//!
//! A partner that is slow, away or confused keeps nobody waiting but itself: nothing is shared but what was read. What is kept in memory
//! is bounded ([`ring`]); whoever falls behind reads from the store. Never: a push that is not in the feed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringmain_domain::time::Timestamp;
use ringmain_store::page::PageRequest;
use ringmain_store::partners::lanes::{DeadLetter, Lane};
use ringmain_store::partners::{Partner, PartnerState};
use ringmain_store::store::StoreError;
use tokio::task::AbortHandle;
use uuid::Uuid;

use crate::handshake::{Learned, learn};
use crate::hub::Hub;
use crate::ocpi::dialect::Dialect;
use crate::ocpi::envelope::now;
use crate::{commands, pull};

pub(crate) mod bills;
pub mod breaker;
pub mod cursors;
pub mod news;
pub mod ring;
pub(crate) mod send;
pub mod worker;

use breaker::{Breaker, Pace};
use cursors::Cursors;
use ring::Ring;

/// How many changes are taken in at once.
const TAKE: u32 = 1_000;
/// How often partners are read again, though nobody said that they changed.
const PARTNERS_EVERY: Duration = Duration::from_secs(5);
/// How long a partner is left alone that does not say where its modules are.
const LEARN_EVERY: Duration = Duration::from_secs(600);
/// How often cursors are written: what is told again after a crash does no harm.
const KEEP_EVERY: Duration = Duration::from_secs(5);
/// How often standings are written.
const TIDY_EVERY: Duration = Duration::from_secs(10);
/// How long the feed keeps what all have read, and the log its calls.
const FEED_KEPT_MS: i64 = 7 * 86_400_000;
const CALLS_KEPT_MS: i64 = 7 * 86_400_000;
/// The most calls of one partner that are kept.
const CALLS_KEPT: u32 = 1_000;
/// How long after its refusal an object is tried again by itself; after each more twice as long.
const RETRY_AFTER_MS: i64 = 600_000;
/// So often: the last time some three and a half days after the first refusal. Then it is for a person.
const RETRIES_MAX: u32 = 9;

/// A partner that is told of changes.
pub(crate) struct Told {
    partner: Arc<Partner>,
    pace: Arc<Pace>,
    tasks: Vec<AbortHandle>,
}

impl Drop for Told {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// A partner is asked; dropped, it is not any more.
struct Asked(AbortHandle);

impl Drop for Asked {
    fn drop(&mut self) {
        self.0.abort();
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
    cursors: Arc<Cursors>,
    told: BTreeMap<Uuid, Told>,
    /// All partners, also those that are told nothing.
    known: BTreeSet<Uuid>,
    /// Those that registered before anybody asked where their modules are.
    asked: BTreeMap<Uuid, Asked>,
    read_at: Option<Instant>,
    /// Is nothing left of which partners must be told anew after a change of the schema?
    is_retold: bool,
    kept_at: Instant,
    tidied_at: Instant,
    tended_at: Instant,
}

// === impl Leading ===

impl Leading {
    fn new(hub: Hub) -> Self {
        let now = Instant::now();
        Self {
            hub,
            ring: Arc::default(),
            cursors: Arc::default(),
            told: BTreeMap::new(),
            known: BTreeSet::new(),
            asked: BTreeMap::new(),
            read_at: None,
            is_retold: false,
            kept_at: now,
            tidied_at: now,
            tended_at: now,
        }
    }

    async fn look(&mut self) -> Result<(), StoreError> {
        if self.read_at.is_none_or(|at| at.elapsed() >= PARTNERS_EVERY) {
            self.read_partners().await?;
            self.read_at = Some(Instant::now());
        }
        if self.tended_at.elapsed() >= self.hub.settings.tend_every {
            self.tended_at = Instant::now();
            self.tend(now()).await?;
        }
        if self.told.is_empty() {
            return Ok(());
        }
        if !self.is_retold {
            // A part at each look: partners hear of what is new meanwhile.
            self.is_retold = self.hub.store.retell_places(&self.hub.tenant, now()).await?;
        }
        while self.hub.store.feed_take_in(TAKE).await? >= usize::try_from(TAKE).unwrap_or(usize::MAX) {}
        self.ring.fill(&self.hub).await?;
        if self.kept_at.elapsed() >= KEEP_EVERY {
            self.kept_at = Instant::now();
            self.cursors.keep(&self.hub, |partner| self.told.contains_key(partner)).await?;
        }
        if self.tidied_at.elapsed() >= TIDY_EVERY {
            self.tidied_at = Instant::now();
            self.tidy().await?;
        }
        Ok(())
    }

    /// Starts what is missing and ends what is no longer wanted.
    async fn read_partners(&mut self) -> Result<(), StoreError> {
        let (mut registered, mut known) = (BTreeMap::new(), BTreeSet::new());
        let mut unasked = BTreeMap::new();
        let mut page = PageRequest::first(ringmain_store::page::MAX_LIMIT);
        loop {
            let read = self.hub.store.partners(&self.hub.tenant, &page).await?;
            for partner in read.items {
                known.insert(partner.id);
                match &partner.state {
                    PartnerState::Registered(peer) if peer.endpoints.is_some() => {
                        registered.insert(partner.id, partner);
                    }
                    PartnerState::Registered(_) => {
                        unasked.insert(partner.id, partner);
                    }
                    PartnerState::Invited { .. } | PartnerState::Unregistered => {}
                }
            }
            match read.next {
                Some(next) => page.after = Some(next),
                None => break,
            }
        }
        self.known = known;
        self.asked.retain(|id, _| unasked.contains_key(id));
        for (id, partner) in unasked {
            let begin = || Asked(self.hub.client.runtime().spawn(ask(self.hub.clone(), partner)));
            self.asked.entry(id).or_insert_with(begin);
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
        let pace = Arc::new(Pace::new(&partner.settings));
        let runtime = self.hub.client.runtime();
        let worker = |lane| {
            let (hub, ring, cursors) = (self.hub.clone(), Arc::clone(&self.ring), Arc::clone(&self.cursors));
            let partner = Arc::clone(&partner);
            let breaker = Breaker::new(hub.settings.pauses, Arc::clone(&pace));
            runtime.spawn(worker::run(worker::Worker { hub, ring, partner, lane, breaker, cursors }))
        };
        let mut tasks: Vec<_> = Lane::ALL.into_iter().map(worker).collect();
        tasks.push(runtime.spawn(pull::run(self.hub.clone(), Arc::clone(&partner), Arc::clone(&pace))));
        let overdue = commands::tell_overdue(self.hub.clone(), Arc::clone(&partner), Arc::clone(&pace));
        tasks.push(runtime.spawn(overdue));
        Told { partner, pace, tasks }
    }

    async fn tidy(&self) -> Result<(), StoreError> {
        let (store, tenant) = (&self.hub.store, &self.hub.tenant);
        for (id, told) in &self.told {
            if let Some(standing) = told.pace.take_standing() {
                store.note_partner_standing(tenant, *id, &standing).await?;
            }
        }
        self.hub.store.tell_of_price_turns(tenant, now()).await?;
        Ok(())
    }

    async fn tend(&self, now: Timestamp) -> Result<(), StoreError> {
        let (store, tenant) = (&self.hub.store, &self.hub.tenant);
        for id in &self.known {
            store.bound_partner_calls(tenant, *id, CALLS_KEPT).await?;
        }
        for id in self.told.keys() {
            self.retry(*id, now).await?;
        }
        store.feed_forget(tenant, now.plus_millis(-FEED_KEPT_MS)).await?;
        store.trim_partner_calls(now.plus_millis(-CALLS_KEPT_MS)).await
    }

    /// Takes what a partner refused into the feed again, where it is time.
    async fn retry(&self, partner: Uuid, now: Timestamp) -> Result<(), StoreError> {
        let (store, tenant) = (&self.hub.store, &self.hub.tenant);
        let mut page = PageRequest::first(ringmain_store::page::MAX_LIMIT);
        loop {
            let read = store.dead_letters(tenant, partner, &page).await?;
            for letter in read.items.iter().filter(|letter| is_due(letter, now)) {
                store.retry_dead_letter((tenant, partner), (&letter.kind, &letter.subject), now).await?;
            }
            match read.next {
                Some(next) => page.after = Some(next),
                None => return Ok(()),
            }
        }
    }
}

/// Asks a registered partner where its modules are, until it says so. Who was not asked when it registered did so in 2.2.1: there was no
/// other version then, and another one is spoken when the credentials have been exchanged in it.
async fn ask(hub: Hub, partner: Partner) {
    let PartnerState::Registered(peer) = &partner.state else { return };
    let whose = (&hub.tenant, partner.id);
    loop {
        let found = learn(&hub.client, whose, &peer.url, (&peer.token, &[Dialect::V221])).await;
        let kept = match found {
            Ok(Learned { endpoints, .. }) => hub
                .store
                .put_partner_endpoints(&hub.tenant, partner.id, &endpoints, now())
                .await
                .map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match kept {
            Ok(_) => return hub.tell_partners_changed(),
            Err(reason) => {
                tracing::info!(partner.id = %partner.id, %reason, "a partner does not say where its modules are");
            }
        }
        tokio::time::sleep(LEARN_EVERY).await;
    }
}

/// Is it time to try again what was refused?
fn is_due(letter: &DeadLetter, now: Timestamp) -> bool {
    let tried_at =
        letter.retried_at.map_or(letter.refused_at, |retried_at| retried_at.max(letter.refused_at));
    letter.retries < RETRIES_MAX && now.millis_since(tried_at) >= RETRY_AFTER_MS << letter.retries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_refused_is_tried_again_after_longer_and_longer_pauses_that_end() {
        let at = |minutes: i64| Timestamp::from_millis(minutes * 60_000);
        let mut letter = DeadLetter {
            kind: "cdr".into(),
            subject: "1".into(),
            reason: "HTTP 400".into(),
            refused_at: at(0),
            retries: 0,
            retried_at: None,
        };
        let mut tried = Vec::new();
        for minute in 0..60 * 24 * 30 {
            if is_due(&letter, at(minute)) {
                tried.push(minute);
                // It is refused again a minute later.
                let retries = letter.retries + 1;
                letter = DeadLetter {
                    retries,
                    retried_at: Some(at(minute)),
                    refused_at: at(minute + 1),
                    ..letter
                };
            }
        }
        assert_eq!(tried.get(..3), Some(&[10, 31, 72][..]));
        let (count, last) = (tried.len(), tried.last().copied().unwrap_or_default());
        assert!(count == 9 && last > 60 * 24 * 3 && last < 60 * 24 * 4, "{tried:?}");
    }
}
