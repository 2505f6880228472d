//! One lane of one partner: reads the feed behind its cursor, calls the partner, and passes what was told or refused for good.
//!
//! What changed again while it waited is told once, in its newest state. A partner that is away keeps the lane where it is; one that
//! stumbles over one object gets it so many times more, then it is put aside and the lane goes on. Only bill records are told one after the
//! other, and whether one has arrived is kept, so that a crash between the partner's word and the cursor tells none twice.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream;
use metrics::{counter, gauge, histogram};
use ringmain_domain::telemetry;
use ringmain_store::partners::lanes::{DeadLetter, Lane};
use ringmain_store::partners::settings::PartnerSettings;
use ringmain_store::partners::{Partner, PartnerState};
use ringmain_store::store::StoreError;
use uuid::Uuid;

use super::breaker::Breaker;
use super::news::{self, News, What};
use super::ring::Ring;
use super::send::{Receiver, send};
use crate::client::{CallError, Verdict};
use crate::hub::Hub;
use crate::ocpi::envelope::now;

/// How many changes are looked at together.
const BATCH: usize = 200;
/// How often a partner may stumble over one object while it takes others.
const STUMBLES_MAX: u32 = 8;
/// So many objects in a row it stumbles over without taking one: it is as good as away.
const STUMBLES_IN_A_ROW: usize = 3;
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

/// What became of an object that was sent.
enum Judged {
    /// It was told, or will never be taken and is put aside.
    Passed,
    /// The partner is there and could not take it now; why.
    Stumbled(String),
    /// Nothing gets through.
    Away,
}

/// Where a lane stands.
struct Progress {
    position: i64,
    kept: (i64, Instant),
    /// What was told of the batch that is not passed as a whole.
    done: HashSet<i64>,
    stumbles: HashMap<(Box<str>, Box<str>), u32>,
    /// What the partner refused for good and has not taken since.
    put_aside: HashSet<(Box<str>, Box<str>)>,
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
        if progress.position >= goal {
            let waited = tokio::time::timeout(KEEP_EVERY, newest.changed()).await;
            if matches!(waited, Ok(Err(_))) {
                return;
            }
            worker.keep(&mut progress).await.ok();
            continue;
        }
        if let Err(error) = worker.step(&mut progress).await {
            tracing::debug!(%error, partner.id = %worker.partner.id, lane = worker.lane.as_str(), "a lane waits for the store");
            tokio::time::sleep(STORE_PAUSE).await;
        }
    }
}

// === impl Worker ===

impl Worker {
    /// Where it stands; `None`: the partner is not registered any more.
    async fn begin(&self) -> Result<Option<Progress>, StoreError> {
        let (store, tenant) = (&self.hub.store, &self.hub.tenant);
        let Some(mut position) = store.partner_cursor(tenant, self.partner.id, self.lane).await? else {
            return Ok(None);
        };
        let ends = store.feed_ends(tenant).await?;
        if position < ends.forgotten && self.lane != Lane::Cdrs {
            // Away for longer than changes are kept: everything there is, once.
            tracing::info!(partner.id = %self.partner.id, lane = self.lane.as_str(), "a partner was away for long: it is told everything");
            self.tell_everything().await?;
            position = ends.newest;
            store.advance_partner_cursor((tenant, self.partner.id, self.lane), position, now()).await?;
        }
        Ok(Some(Progress {
            position,
            kept: (position, Instant::now()),
            done: HashSet::new(),
            stumbles: HashMap::new(),
            put_aside: self.letters().await?,
        }))
    }

    /// Letters of all lanes: each lane settles its own kinds. Those beyond a page stay until a person sends them again.
    async fn letters(&self) -> Result<HashSet<(Box<str>, Box<str>)>, StoreError> {
        let page = ringmain_store::page::PageRequest::first(ringmain_store::page::MAX_LIMIT);
        let letters = self.hub.store.dead_letters(&self.hub.tenant, self.partner.id, &page).await?;
        Ok(letters.items.into_iter().map(|letter| (letter.kind, letter.subject)).collect())
    }

    async fn step(&self, progress: &mut Progress) -> Result<(), StoreError> {
        let batch = self.batch(progress.position).await?;
        let Some(last) = batch.last().map(|news| news.position) else {
            return Ok(());
        };
        let todo = self.todo(&batch, progress).await?;
        let Some(receiver) = self.receiver().filter(|_| !todo.is_empty()) else {
            return self.pass(progress, last).await;
        };
        let at_once = match self.lane {
            Lane::Cdrs => 1,
            _ if self.breaker.is_doubtful() => 1,
            _ => self.partner.settings.calls_at_once.clamp(1, PartnerSettings::CALLS_AT_ONCE_MAX),
        };
        let at_once = usize::try_from(at_once).unwrap_or(1);
        let mut sending =
            stream::iter(todo.into_iter().map(|news| self.tell(&receiver, news))).buffer_unordered(at_once);
        let (mut passed, mut stumbled, mut is_away) = (0_u32, Vec::new(), false);
        while let Some((news, told)) = sending.next().await {
            match self.judge(progress, &news, told).await? {
                Judged::Passed => {
                    passed += 1;
                    progress.done.insert(news.position);
                }
                Judged::Stumbled(reason) => {
                    stumbled.push((news, reason));
                    // It stumbles over everything: that is as good as away.
                    is_away = passed == 0 && stumbled.len() >= STUMBLES_IN_A_ROW;
                }
                Judged::Away => is_away = true,
            }
            if is_away {
                break;
            }
        }
        drop(sending);
        let mut all_passed = !is_away;
        if let Some((_, reason)) = stumbled.last() {
            self.breaker.failed(now(), reason, None);
        }
        for (news, reason) in stumbled {
            // Over single objects only where it took others: whoever takes nothing is not asked what it would never take.
            let is_put_aside = passed > 0 && self.stumbled(progress, &news, reason).await?;
            all_passed &= is_put_aside;
        }
        if all_passed {
            return self.pass(progress, last).await;
        }
        // Up to the first that is not done all is passed.
        let is_left = |news: &&Arc<News>| self.concerns(news) && !progress.done.contains(&news.position);
        let first_left = batch.iter().find(is_left).map(|news| news.position - 1);
        if let Some(left) = first_left.filter(|left| *left > progress.position) {
            progress.position = left;
        }
        Ok(())
    }

    async fn batch(&self, position: i64) -> Result<Vec<Arc<News>>, StoreError> {
        if let Some(news) = self.ring.after(position, BATCH) {
            return Ok(news);
        }
        let rows =
            self.hub.store.feed_after(&self.hub.tenant, position, u32::try_from(BATCH).unwrap_or(1)).await?;
        Ok(news::read(&self.hub, rows).await?.into_iter().map(Arc::new).collect())
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

    async fn tell(
        &self,
        receiver: &Receiver,
        news: Arc<News>,
    ) -> (Arc<News>, Result<Option<String>, CallError>) {
        self.breaker.wait().await;
        let told = send(&self.hub, receiver, &news.what).await;
        (news, told)
    }

    /// What became of an object.
    async fn judge(
        &self,
        progress: &mut Progress,
        news: &News,
        told: Result<Option<String>, CallError>,
    ) -> Result<Judged, StoreError> {
        let (partner, lane, at) = (self.partner.id.to_string(), self.lane.as_str(), now());
        let error = match told {
            Ok(location) => {
                self.breaker.succeeded(at);
                let lag_s = at.millis_since(news.changed_at).max(0) as f64 / 1_000.0;
                histogram!(telemetry::PUSH_LAG, "partner" => partner, "lane" => lane).record(lag_s);
                if let What::Cdr(cdr) = &news.what {
                    let of = (&self.hub.tenant, self.partner.id, cdr.cdr.id.0);
                    self.hub.store.cdr_arrived(of, location.as_deref(), at).await?;
                }
                if progress.put_aside.remove(&(news.kind.clone(), news.subject.clone())) {
                    let of = (&self.hub.tenant, self.partner.id);
                    self.hub.store.settle_dead_letter(of, (&news.kind, &news.subject)).await?;
                }
                return Ok(Judged::Passed);
            }
            Err(error) => error,
        };
        counter!(telemetry::PUSH_FAILURES, "partner" => partner, "lane" => lane, "reason" => error.as_str())
            .increment(1);
        let reason = error.to_string();
        match error.verdict() {
            Verdict::Away(retry_after) => {
                self.breaker.failed(at, &reason, retry_after);
                Ok(Judged::Away)
            }
            Verdict::Stumbles => {
                self.breaker.refused(at, &reason);
                Ok(Judged::Stumbled(reason))
            }
            Verdict::Never => {
                self.breaker.refused(at, &reason);
                self.put_aside(progress, news, reason).await?;
                Ok(Judged::Passed)
            }
        }
    }

    /// The partner stumbled over this one and not over others; `true`: so often that it is put aside.
    async fn stumbled(
        &self,
        progress: &mut Progress,
        news: &News,
        reason: String,
    ) -> Result<bool, StoreError> {
        let key = (news.kind.clone(), news.subject.clone());
        let stumbles = progress.stumbles.entry(key.clone()).or_default();
        *stumbles += 1;
        if *stumbles < STUMBLES_MAX {
            return Ok(false);
        }
        progress.stumbles.remove(&key);
        self.put_aside(progress, news, reason).await?;
        progress.done.insert(news.position);
        Ok(true)
    }

    async fn put_aside(
        &self,
        progress: &mut Progress,
        news: &News,
        reason: String,
    ) -> Result<(), StoreError> {
        let (partner, lane) = (self.partner.id.to_string(), self.lane.as_str());
        counter!(telemetry::PUSH_DEAD_LETTERS, "partner" => partner, "lane" => lane).increment(1);
        tracing::info!(partner.id = %self.partner.id, lane, subject = %news.subject, %reason, "a partner refuses an object for good");
        let (kind, subject) = (news.kind.clone(), news.subject.clone());
        progress.put_aside.insert((kind.clone(), subject.clone()));
        let letter = DeadLetter { kind, subject, reason: reason.into(), refused_at: now() };
        self.hub.store.put_dead_letter(&self.hub.tenant, self.partner.id, &letter).await
    }

    /// The lane stands at this place now.
    async fn pass(&self, progress: &mut Progress, position: i64) -> Result<(), StoreError> {
        progress.position = position;
        progress.done.clear();
        progress.stumbles.clear();
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

    /// Locations and tariffs as they are, all of them; sessions of long ago the partner fetches.
    async fn tell_everything(&self) -> Result<(), StoreError> {
        let Some(receiver) = self.receiver() else { return Ok(()) };
        let mut page = ringmain_store::page::PageRequest::first(100);
        loop {
            let (all, next) = self.everything(&page).await?;
            for what in all {
                self.breaker.wait().await;
                match send(&self.hub, &receiver, &what).await {
                    Ok(_) => self.breaker.succeeded(now()),
                    Err(error) => match error.verdict() {
                        Verdict::Away(retry_after) => {
                            self.breaker.failed(now(), &error.to_string(), retry_after)
                        }
                        Verdict::Stumbles | Verdict::Never => self.breaker.refused(now(), &error.to_string()),
                    },
                }
            }
            match next {
                Some(next) => page.after = Some(next),
                None => return Ok(()),
            }
        }
    }

    async fn everything(
        &self,
        page: &ringmain_store::page::PageRequest,
    ) -> Result<(Vec<What>, Option<String>), StoreError> {
        let whole = ringmain_store::partners::lists::Window::default();
        let (store, tenant) = (&self.hub.store, &self.hub.tenant);
        Ok(match self.lane {
            Lane::Locations => {
                let read = store.published_locations(tenant, now(), &whole, page).await?;
                (read.items.into_iter().map(|one| What::Location(Arc::new(one))).collect(), read.next)
            }
            Lane::Tariffs => {
                let read = store.published_tariffs(tenant, now(), &whole, page).await?;
                (read.items.into_iter().map(|one| What::Tariff(Arc::new(one))).collect(), read.next)
            }
            Lane::Sessions | Lane::Cdrs => (Vec::new(), None),
        })
    }

    fn gauge(&self, newest: i64, position: i64) {
        let behind = (newest - position).max(0) as f64;
        let (partner, lane) = (self.partner.id.to_string(), self.lane.as_str());
        gauge!(telemetry::PUSH_BEHIND, "partner" => partner, "lane" => lane).set(behind);
    }
}
