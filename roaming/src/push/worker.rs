//! One lane of one partner: reads the feed behind its cursor, calls the partner, and passes what was told or refused for good.
//!
//! What changed again while it waited is told once, in its newest state. A partner that is away keeps the lane where it is; an object it
//! cannot take while it takes others waits by itself (`telling`), and the lane goes on. Who was away for longer than changes are kept
//! is told everything there is (`everything`). Only bill records are told one after the other (`super::bills`).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use metrics::gauge;
use ringmain_domain::telemetry;
use ringmain_store::partners::lanes::Lane;
use ringmain_store::partners::{Partner, PartnerState};
use ringmain_store::store::StoreError;
use tokio::time::Instant;
use uuid::Uuid;

use super::breaker::Breaker;
use super::news::{self, News};
use super::ring::Ring;
use super::send::Receiver;
use crate::hub::Hub;
use crate::ocpi::envelope::now;

mod everything;
mod telling;

use telling::Suspect;

/// How many changes are looked at together.
const BATCH: usize = 400;
/// How often the cursor is written: what is told again after a crash does no harm.
const KEEP_EVERY: Duration = Duration::from_secs(5);
/// How long a lane waits for the store.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// A lane's task.
pub struct Worker {
    /// What it works with.
    pub hub: Hub,
    /// Where it reads.
    pub ring: Arc<Ring>,
    /// Whom it tells.
    pub partner: Arc<Partner>,
    /// Of what.
    pub lane: Lane,
    /// What it shares with the partner's other lanes.
    pub breaker: Arc<Breaker>,
}

/// An object: its kind and its subject.
type Key = (Box<str>, Box<str>);

/// Where a lane stands.
struct Progress {
    position: i64,
    kept: (i64, Instant),
    /// What was told of what is not passed.
    done: HashSet<i64>,
    /// What was tried and not taken.
    suspects: HashMap<Key, Suspect>,
    /// What the partner refused for good and has not taken since.
    put_aside: HashSet<Key>,
}

/// Works until it is ended.
pub async fn run(worker: Worker) {
    let mut newest = worker.ring.newest();
    let mut progress = loop {
        match worker.begin().await {
            Ok(Some(progress)) => break progress,
            Ok(None) => return,
            Err(_away) => tokio::time::sleep(STORE_PAUSE).await,
        }
    };
    loop {
        let goal = *newest.borrow_and_update();
        worker.gauge(goal, progress.position);
        let idle_until = if progress.position >= goal {
            progress.suspects.clear();
            worker.keep(&mut progress).await.ok();
            Some(Instant::now() + KEEP_EVERY)
        } else {
            worker.step(&mut progress, goal).await.unwrap_or_else(|error| {
                tracing::debug!(%error, partner.id = %worker.partner.id, lane = worker.lane.as_str(), "a lane waits for the store");
                Some(Instant::now() + STORE_PAUSE)
            })
        };
        if let Some(until) = idle_until
            && matches!(tokio::time::timeout_at(until, newest.changed()).await, Ok(Err(_)))
        {
            return;
        }
    }
}

// === impl Worker ===

impl Worker {
    /// Where it stands; `None`: the partner is not registered any more.
    async fn begin(&self) -> Result<Option<Progress>, StoreError> {
        let (store, tenant) = (&self.hub.store, &self.hub.tenant);
        let Some(position) = store.partner_cursor(tenant, self.partner.id, self.lane).await? else {
            return Ok(None);
        };
        Ok(Some(Progress {
            position,
            kept: (position, Instant::now()),
            done: HashSet::new(),
            suspects: HashMap::new(),
            put_aside: self.letters().await?,
        }))
    }

    /// Letters of all lanes: each lane settles its own kinds. Those beyond a page stay until a person sends them again.
    async fn letters(&self) -> Result<HashSet<Key>, StoreError> {
        let page = ringmain_store::page::PageRequest::first(ringmain_store::page::MAX_LIMIT);
        let letters = self.hub.store.dead_letters(&self.hub.tenant, self.partner.id, &page).await?;
        Ok(letters.items.into_iter().map(|letter| (letter.kind, letter.subject)).collect())
    }

    /// Tells a batch, where `goal` is the newest place; until when nothing is to be done for it.
    async fn step(&self, progress: &mut Progress, goal: i64) -> Result<Option<Instant>, StoreError> {
        // First, so that what is told after a pause is as it is then.
        self.breaker.until_closed().await;
        let batch = match self.ring.after(progress.position, BATCH) {
            Some(batch) => batch,
            None => match self.read(progress).await? {
                Some(batch) => batch,
                None => return Ok(None),
            },
        };
        // Nothing there: whatever stood up to the goal has changed again and stands behind it, or is nobody's business any more.
        let last = batch.last().map_or(goal, |news| news.position);
        let todo = self.todo(&batch, progress).await?;
        let Some(receiver) = self.receiver().filter(|_| !todo.is_empty()) else {
            self.pass(progress, last).await?;
            return Ok(None);
        };
        self.tell_ready(progress, &receiver, &todo).await?;
        // Up to the first that is not done all is passed; what changed again in this batch counts where it stands now.
        let left: Vec<_> = todo.iter().filter(|news| !progress.done.contains(&news.position)).collect();
        let first_left = left.iter().map(|news| news.position).min();
        self.pass(progress, first_left.map_or(last, |first| first - 1)).await?;
        Ok(progress.held_until(left.into_iter()))
    }

    /// The batch from the store, for whom the ring has forgotten it; `None`: the store has too, so that everything was told instead.
    async fn read(&self, progress: &mut Progress) -> Result<Option<Vec<Arc<News>>>, StoreError> {
        let (store, tenant) = (&self.hub.store, &self.hub.tenant);
        let limit = u32::try_from(BATCH).unwrap_or(1);
        let rows = store.feed_after(tenant, progress.position, limit).await?;
        // Asked after the rows were read: what was forgotten before that is seen.
        let ends = store.feed_ends(tenant).await?;
        if progress.position < ends.forgotten && self.lane != Lane::Cdrs {
            tracing::info!(partner.id = %self.partner.id, lane = self.lane.as_str(), "a partner was away for long: it is told everything");
            self.tell_everything(progress).await?;
            self.pass(progress, ends.newest).await?;
            return Ok(None);
        }
        Ok(Some(news::read(&self.hub, rows).await?.into_iter().map(Arc::new).collect()))
    }

    /// What of a batch is to be told: of each object its newest state, and of bill records those that have not arrived.
    async fn todo(&self, batch: &[Arc<News>], progress: &Progress) -> Result<Vec<Arc<News>>, StoreError> {
        let mut seen = HashSet::new();
        let mut todo: Vec<_> = batch
            .iter()
            .rev()
            .filter(|news| self.concerns(news) && seen.insert((&*news.kind, &*news.subject)))
            .filter(|news| !progress.done.contains(&news.position))
            .cloned()
            .collect();
        todo.reverse();
        if self.lane == Lane::Cdrs && !todo.is_empty() {
            let ids: Vec<_> = todo.iter().filter_map(|news| Uuid::parse_str(&news.subject).ok()).collect();
            let arrived = self.hub.store.arrived_cdrs(&self.hub.tenant, self.partner.id, &ids).await?;
            todo.retain(|news| Uuid::parse_str(&news.subject).is_ok_and(|id| !arrived.contains(&id)));
        }
        Ok(todo)
    }

    /// Is it for this lane, and may this partner hear of it?
    fn concerns(&self, news: &News) -> bool {
        let PartnerState::Registered(peer) = &self.partner.state else { return false };
        let acts_for = |party: &ringmain_domain::party::Party| {
            peer.roles.iter().any(|role| {
                *role.role == *"EMSP"
                    && role.country_code == party.country_code
                    && role.party_id == party.party_id
            })
        };
        news.lane() == Some(self.lane) && news.party.as_ref().is_none_or(acts_for)
    }

    /// Where the partner takes what this lane tells; `None`: it does not, or must not be told.
    fn receiver(&self) -> Option<Receiver> {
        let settings = &self.partner.settings;
        let wanted = match self.lane {
            Lane::Locations => settings.push_locations,
            Lane::Tariffs => settings.push_tariffs,
            Lane::Sessions => settings.push_sessions,
            Lane::Cdrs => settings.push_cdrs,
        };
        Receiver::of(&self.partner, self.lane.as_str()).filter(|_| wanted)
    }

    /// The lane stands at this place now.
    async fn pass(&self, progress: &mut Progress, position: i64) -> Result<(), StoreError> {
        progress.position = progress.position.max(position);
        progress.done.retain(|done| *done > position);
        if progress.kept.1.elapsed() >= KEEP_EVERY {
            self.keep(progress).await?;
        }
        Ok(())
    }

    /// Writes the cursor, if it moved.
    async fn keep(&self, progress: &mut Progress) -> Result<(), StoreError> {
        let of = (&self.hub.tenant, self.partner.id, self.lane);
        if progress.kept.0 != progress.position {
            self.hub.store.advance_partner_cursor(of, progress.position, now()).await?;
        }
        progress.kept = (progress.position, Instant::now());
        Ok(())
    }

    fn gauge(&self, newest: i64, position: i64) {
        let behind = (newest - position).max(0) as f64;
        let (partner, lane) = (self.partner.id.to_string(), self.lane.as_str());
        gauge!(telemetry::PUSH_BEHIND, "partner" => partner, "lane" => lane).set(behind);
    }
}
