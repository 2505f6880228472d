//! Calls for objects of one lane, several at once but those about one place in their order, and what an answer means for the object.
//!
//! A partner that does not take an object may be away, or may be unable to digest this one. Which of the two it is shows in what it does
//! with others: at first all wait and others are tried before the one that failed; once others were taken and it fails again, it is the
//! object's fault. From then on the object waits by itself, longer each time, and is put aside in the end. Whatever was tried before is
//! read again before it is told, so that no older state comes behind a newer one.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use metrics::{counter, histogram};
use ringmain_domain::telemetry;
use ringmain_store::feed::FeedRow;
use ringmain_store::partners::lanes::Lane;
use ringmain_store::partners::settings::PartnerSettings;
use ringmain_store::store::StoreError;
use tokio::time::Instant;

use super::{BATCH, Key, Progress, Worker};
use crate::client::{CallError, Verdict};
use crate::ocpi::dialect::write::Unsayable;
use crate::ocpi::envelope::now;
use crate::push::bills;
use crate::push::breaker::pause;
use crate::push::news::{self, News, What};
use crate::push::send::{Outcome, Receiver, send};

/// How often an object fails that others do not share the fate of; then it is put aside.
const FAILURES_MAX: u32 = 8;

/// An object that was tried and not taken.
pub(super) struct Suspect {
    /// How often it failed; before others were seen to be taken, that is once.
    failures: u32,
    /// How many calls to the partner had succeeded when it failed last.
    successes: u64,
    /// It is known to be the object's own fault: it waits so long, and nobody with it.
    again_at: Option<Instant>,
}

/// An object that was sent, how many calls had succeeded before, and what came of it.
type Told = (Arc<News>, u64, Result<Result<Outcome, CallError>, StoreError>);

/// What became of an object that was sent.
enum Judged {
    /// It was told, or will never be taken and is put aside.
    Passed,
    /// It waits by itself.
    Held,
    /// Nothing gets through.
    Away,
}

impl Progress {
    /// Until when all of these wait by themselves; `None`: something can be tried.
    pub(super) fn held_until<'a>(&self, mut left: impl Iterator<Item = &'a Arc<News>>) -> Option<Instant> {
        let now = Instant::now();
        let first = self.held(left.next()?, now)?;
        left.try_fold(first, |first, news| Some(first.min(self.held(news, now)?)))
    }

    fn held(&self, news: &News, now: Instant) -> Option<Instant> {
        self.suspects.get(&key(news))?.again_at.filter(|again_at| *again_at > now)
    }
}

impl Worker {
    /// Tries those that do not wait by themselves; what is done is noted.
    pub(super) async fn tell_ready(
        &self,
        progress: &mut Progress,
        to: &Receiver,
        todo: &[Arc<News>],
    ) -> Result<(), StoreError> {
        let now = Instant::now();
        let mut waiting: Vec<_> =
            todo.iter().filter(|news| progress.held(news, now).is_none()).cloned().collect();
        // Those that failed come last: others show whether the partner is there.
        waiting.sort_by_key(|news| progress.suspects.contains_key(&key(news)));
        let mut underway: FuturesUnordered<BoxFuture<'_, Told>> = FuturesUnordered::new();
        let mut about: Vec<Arc<News>> = Vec::new();
        let mut is_away = false;
        loop {
            let is_free = !is_away && underway.len() < self.at_once();
            let next =
                waiting.iter().position(|news| is_free && !about.iter().any(|other| same_place(other, news)));
            tokio::select! {
                biased;
                Some((news, before, told)) = underway.next(), if !underway.is_empty() => {
                    about.retain(|other| !Arc::ptr_eq(other, &news));
                    match self.judge(progress, (&*news, before), told?).await? {
                        Judged::Passed => { progress.done.insert(news.position); }
                        Judged::Held => {}
                        // What is under way is waited for: its answers count.
                        Judged::Away => is_away = true,
                    }
                }
                () = self.breaker.wait(), if next.is_some() => {
                    let Some(news) = next.map(|next| waiting.remove(next)) else { continue };
                    about.push(Arc::clone(&news));
                    let is_again = progress.suspects.contains_key(&key(&news))
                        || progress.put_aside.contains(&key(&news));
                    underway.push(self.tell(to, news, is_again).boxed());
                }
                else => return Ok(()),
            }
        }
    }

    fn at_once(&self) -> usize {
        let at_once = match self.lane {
            Lane::Cdrs => 1,
            _ if self.breaker.is_doubtful() => 1,
            _ => self.partner.settings.calls_at_once.clamp(1, PartnerSettings::CALLS_AT_ONCE_MAX),
        };
        usize::try_from(at_once).unwrap_or(1)
    }

    async fn tell(&self, to: &Receiver, news: Arc<News>, is_again: bool) -> Told {
        let before = self.breaker.successes();
        let told = async {
            let is_frozen = matches!(news.what, What::Cdr(_));
            let read = match is_again && !is_frozen {
                true => news::read(&self.hub, vec![row(&news)]).await?.pop(),
                false => None,
            };
            let what = read.as_ref().map_or(&news.what, |read| &read.what);
            match what {
                What::Cdr(cdr) => bills::tell(&self.hub, to, Arc::clone(cdr), news.position, is_again).await,
                what => Ok(send(&self.hub, to, what).await),
            }
        };
        let told = told.await;
        (news, before, told)
    }

    /// What became of an object that was sent after so many calls had succeeded.
    async fn judge(
        &self,
        progress: &mut Progress,
        (news, before): (&News, u64),
        told: Result<Outcome, CallError>,
    ) -> Result<Judged, StoreError> {
        let (partner, lane, at) = (self.partner.id.to_string(), self.lane.as_str(), now());
        let error = match told {
            Ok(Outcome::Unsayable(Unsayable(reason))) => {
                self.put_aside(progress, news, reason.to_owned()).await?;
                return Ok(Judged::Passed);
            }
            Ok(outcome) => {
                if outcome == Outcome::Taken {
                    self.breaker.succeeded(at);
                    let lag_s = at.millis_since(news.changed_at).max(0) as f64 / 1_000.0;
                    histogram!(telemetry::PUSH_LAG, "partner" => partner, "lane" => lane).record(lag_s);
                }
                progress.suspects.remove(&key(news));
                if progress.put_aside.remove(&key(news)) {
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
            Verdict::Never if !self.breaker.refuses_all() => {
                self.breaker.refused(at, &reason);
                self.put_aside(progress, news, reason).await?;
                Ok(Judged::Passed)
            }
            Verdict::Never | Verdict::Stumbles => self.blame(progress, (news, before), reason).await,
        }
    }

    /// Is it the partner that is away, or this one object that it cannot digest?
    async fn blame(
        &self,
        progress: &mut Progress,
        (news, before): (&News, u64),
        reason: String,
    ) -> Result<Judged, StoreError> {
        let successes = self.breaker.successes();
        let passed_meanwhile = progress.done.len();
        let fresh = || Suspect { failures: 0, successes: before, again_at: None };
        let suspect = progress.suspects.entry(key(news)).or_insert_with(fresh);
        let is_its_own = suspect.again_at.is_some() || successes > suspect.successes;
        suspect.successes = successes;
        if !is_its_own {
            suspect.failures = 1;
            self.breaker.failed(now(), &reason, None);
            return Ok(Judged::Away);
        }
        suspect.failures += 1;
        if suspect.failures >= FAILURES_MAX || passed_meanwhile >= BATCH / 2 {
            self.put_aside(progress, news, reason).await?;
            return Ok(Judged::Passed);
        }
        suspect.again_at = Some(Instant::now() + pause(self.hub.settings.pauses, suspect.failures));
        self.breaker.noted(now(), &reason);
        Ok(Judged::Held)
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
        let (kind, subject) = key(news);
        progress.suspects.remove(&(kind.clone(), subject.clone()));
        progress.put_aside.insert((kind.clone(), subject.clone()));
        let of = (&self.hub.tenant, self.partner.id);
        self.hub.store.put_dead_letter(of, (&kind, &subject), &reason, now()).await
    }
}

fn key(news: &News) -> Key {
    (news.kind.clone(), news.subject.clone())
}

/// Would one overwrite what the other says? A location says all of its EVSEs; their states overwrite nothing but themselves.
fn same_place(one: &News, other: &News) -> bool {
    if let (Some(one), Some(other)) = (one.what.evse(), other.what.evse()) {
        return one == other;
    }
    match (one.what.place(), other.what.place()) {
        (Some(one), Some(other)) => one == other,
        _ => (&one.kind, &one.subject) == (&other.kind, &other.subject),
    }
}

fn row(news: &News) -> FeedRow {
    FeedRow {
        position: news.position,
        kind: news.kind.clone(),
        subject: news.subject.clone(),
        changed_at: news.changed_at,
        party: news.party.clone(),
    }
}
