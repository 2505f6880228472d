//! One lane of one partner: reads the feed, calls the partner, and passes what was told or refused for good.
//!
//! What was read and not told yet waits in a `queue`, each object once and in its newest state, so that an object that must wait keeps
//! none behind it waiting. The place that is kept in the store is that of the first that waits: whoever begins there tells some again and
//! forgets none. A partner that is away keeps the lane where it is. Who was away for longer than changes are kept is told everything there
//! is (`everything`). Only bill records are told one after the other (`super::bills`).

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use metrics::gauge;
use ringmain_domain::telemetry;
use ringmain_store::partners::lanes::Lane;
use ringmain_store::partners::{Partner, PartnerState};
use ringmain_store::store::StoreError;
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use super::breaker::Breaker;
use super::cursors::Cursors;
use super::news::{self, News};
use super::ring::Ring;
use super::send::Receiver;
use crate::hub::Hub;

mod everything;
mod queue;
mod telling;

use queue::{BATCH, Key, Queue};
use telling::{Calls, Told};

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
    /// When it may call.
    pub breaker: Breaker,
    /// Where it notes how far it has come.
    pub cursors: Arc<Cursors>,
}

/// Where a lane stands.
struct Progress {
    /// The feed was read so far.
    read_to: i64,
    queue: Queue,
    footing: Footing,
}

/// What is known of what waits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Footing {
    /// It is as new as what was read.
    Firm,
    /// It stood still while the partner was away, and may have changed.
    Stale,
    /// The feed has forgotten something that was not read.
    Behind,
}

/// What a lane does next.
enum Next {
    /// A call has ended.
    Ended(Told),
    /// It is time to tell this.
    Tell(Arc<News>),
    /// Something is new, or may be tried again.
    Look,
    /// Nothing will be new any more.
    End,
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
    let receiver = worker.receiver();
    let mut calls = Calls::new();
    loop {
        match worker.turn(&mut progress, receiver.as_ref(), &mut calls, &mut newest).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                tracing::debug!(%error, partner.id = %worker.partner.id, lane = worker.lane.as_str(), "a lane waits for the store");
                tokio::time::sleep(STORE_PAUSE).await;
            }
        }
    }
}

// === impl Progress ===

impl Progress {
    /// All up to here was told, or is for nobody.
    fn position(&self) -> i64 {
        self.queue.first().map_or(self.read_to, |first| self.read_to.min(first - 1))
    }

    /// Is there something to be read, and room for it?
    fn may_read(&self, goal: i64) -> bool {
        self.footing == Footing::Firm && self.queue.has_room() && self.read_to < goal
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
        // A bill record never changes.
        let pace = if self.lane == Lane::Cdrs { Duration::ZERO } else { self.hub.settings.object_pace };
        Ok(Some(Progress {
            // Tasks of this node that told the partner before may have come further than was written.
            read_to: self
                .cursors
                .of(self.partner.id, self.lane)
                .map_or(position, |noted| noted.max(position)),
            queue: Queue::new(pace, self.hub.settings.held_max, self.letters().await?),
            footing: Footing::Firm,
        }))
    }

    /// Letters of all lanes: each lane settles its own kinds. Those beyond a page stay until a person sends them again.
    async fn letters(&self) -> Result<Vec<Key>, StoreError> {
        let page = ringmain_store::page::PageRequest::first(ringmain_store::page::MAX_LIMIT);
        let letters = self.hub.store.dead_letters(&self.hub.tenant, self.partner.id, &page).await?;
        Ok(letters.items.into_iter().map(|letter| (letter.kind, letter.subject)).collect())
    }

    /// Reads on, and does the next thing that can be done; `false`: nothing will be new any more.
    async fn turn<'a>(
        &'a self,
        progress: &mut Progress,
        to: Option<&'a Receiver>,
        calls: &mut Calls<'a>,
        newest: &mut watch::Receiver<i64>,
    ) -> Result<bool, StoreError> {
        let goal = *newest.borrow_and_update();
        let is_open = self.breaker.pauses_until().is_none();
        if is_open {
            self.find_footing(progress, to, calls.is_empty()).await?;
            if progress.may_read(goal) {
                self.read_on(progress, to.is_some(), goal).await?;
            }
        }
        if progress.queue.is_empty() && progress.read_to >= goal {
            progress.queue.suspects.clear();
        }
        self.gauge(goal, progress.position());
        self.cursors.moved(self.partner.id, self.lane, progress.position());
        let is_more = progress.may_read(goal) || (progress.footing != Footing::Firm && calls.is_empty());
        // During a pause, and while there is no room, what is new is seen afterwards.
        let (is_more, is_listening) = (is_open && is_more, is_open && progress.queue.has_room());
        let news = async {
            match (is_more, is_listening) {
                (true, _) => true,
                (false, true) => newest.changed().await.is_ok(),
                (false, false) => std::future::pending().await,
            }
        };
        let next = self.next(progress, calls, news).await;
        self.go_on(progress, to, calls, next).await
    }

    /// Waits for the next thing that can be done, beside what comes from outside.
    async fn next(
        &self,
        progress: &Progress,
        calls: &mut Calls<'_>,
        news: impl Future<Output = bool>,
    ) -> Next {
        let now = Instant::now();
        let pause = self.breaker.pauses_until();
        let may_call = pause.is_none() && progress.footing == Footing::Firm && calls.len() < self.at_once();
        let ready = if may_call { progress.queue.next(now) } else { None };
        let held = if may_call && ready.is_none() { progress.queue.held_until(now) } else { None };
        let until = [pause, held].into_iter().flatten().min();
        let timer = async {
            match until {
                Some(until) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            Some(told) = calls.next(), if !calls.is_empty() => Next::Ended(told),
            () = self.breaker.wait(), if ready.is_some() => ready.map_or(Next::Look, Next::Tell),
            goes_on = news => if goes_on { Next::Look } else { Next::End },
            () = timer => Next::Look,
        }
    }

    /// Does it; `false`: nothing will be new any more.
    async fn go_on<'a>(
        &'a self,
        progress: &mut Progress,
        to: Option<&'a Receiver>,
        calls: &mut Calls<'a>,
        next: Next,
    ) -> Result<bool, StoreError> {
        match next {
            Next::Ended(told) => self.ended(progress, told).await?,
            Next::Tell(news) => calls.extend(to.map(|to| self.begin_call(progress, to, news))),
            Next::Look => {}
            Next::End => return Ok(false),
        }
        Ok(true)
    }

    /// After a pause what waits is looked at again, so that it is told as it is then.
    async fn find_footing(
        &self,
        progress: &mut Progress,
        to: Option<&Receiver>,
        is_quiet: bool,
    ) -> Result<(), StoreError> {
        match progress.footing {
            Footing::Stale if is_quiet => self.look_again(progress).await,
            Footing::Behind if is_quiet => self.tell_everything(progress, to).await,
            Footing::Firm | Footing::Stale | Footing::Behind => Ok(()),
        }
    }

    async fn look_again(&self, progress: &mut Progress) -> Result<(), StoreError> {
        let (store, tenant) = (&self.hub.store, &self.hub.tenant);
        let keys = progress.queue.keys();
        let objects: Vec<_> = keys.iter().map(|(kind, subject)| (&**kind, &**subject)).collect();
        let mut rows = store.feed_rows(tenant, &objects).await?;
        if rows.len() < keys.len() && self.lane != Lane::Cdrs {
            progress.read_to = progress.position();
            progress.queue.clear();
            progress.footing = Footing::Behind;
            return Ok(());
        }
        // What changed since is read where it stands now.
        rows.retain(|row| row.position <= progress.read_to);
        let read = news::read(&self.hub, rows).await?.into_iter();
        progress.queue.renew(read.filter(|news| self.concerns(news)).map(Arc::new));
        progress.footing = Footing::Firm;
        Ok(())
    }

    /// Reads a batch, where `goal` is the newest place.
    async fn read_on(&self, progress: &mut Progress, is_told: bool, goal: i64) -> Result<(), StoreError> {
        let batch = match self.ring.after(progress.read_to, BATCH) {
            Some(batch) => batch,
            None => match self.read(progress).await? {
                Some(batch) => batch,
                None => return Ok(()),
            },
        };
        // Nothing there: whatever stood up to the goal has changed again and stands behind it, or is nobody's business any more.
        let last = batch.last().map_or(goal, |news| news.position);
        if is_told {
            for news in self.wanted(batch).await? {
                progress.queue.offer(news);
            }
        }
        progress.read_to = last;
        Ok(())
    }

    /// A batch from the store, for whom the ring has forgotten it; `None`: the store has too.
    async fn read(&self, progress: &mut Progress) -> Result<Option<Vec<Arc<News>>>, StoreError> {
        let (store, tenant) = (&self.hub.store, &self.hub.tenant);
        let limit = u32::try_from(BATCH).unwrap_or(1);
        let rows = store.feed_after(tenant, progress.read_to, limit).await?;
        // Asked after the rows were read: what was forgotten before that is seen.
        let ends = store.feed_ends(tenant).await?;
        if progress.read_to < ends.forgotten && self.lane != Lane::Cdrs {
            progress.footing = Footing::Behind;
            return Ok(None);
        }
        Ok(Some(news::read(&self.hub, rows).await?.into_iter().map(Arc::new).collect()))
    }

    /// What of a batch is to be told: of bill records those that have not arrived.
    async fn wanted(&self, mut batch: Vec<Arc<News>>) -> Result<Vec<Arc<News>>, StoreError> {
        batch.retain(|news| self.concerns(news));
        if self.lane == Lane::Cdrs && !batch.is_empty() {
            let ids: Vec<_> = batch.iter().filter_map(|news| Uuid::parse_str(&news.subject).ok()).collect();
            let arrived = self.hub.store.arrived_cdrs(&self.hub.tenant, self.partner.id, &ids).await?;
            batch.retain(|news| Uuid::parse_str(&news.subject).is_ok_and(|id| !arrived.contains(&id)));
        }
        Ok(batch)
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

    fn gauge(&self, newest: i64, position: i64) {
        let behind = (newest - position).max(0) as f64;
        let (partner, lane) = (self.partner.id.to_string(), self.lane.as_str());
        gauge!(telemetry::PUSH_BEHIND, "partner" => partner, "lane" => lane).set(behind);
    }
}
