//! Calls for objects of one lane, several at once but those about one place in their order, and what an answer means for the object.
//!
//! A partner that does not take an object may be away, or may be unable to digest this one. Which of the two it is shows in what it does
//! with others: at first all wait and others are tried before the one that failed; once others were taken and it fails again, it is the
//! object's fault. From then on the object waits by itself, longer each time, and is put aside in the end. Whatever was tried before is
//! read again before it is told, so that no older state comes behind a newer one.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use metrics::{counter, histogram};
use ringmain_domain::telemetry;
use ringmain_store::feed::FeedRow;
use ringmain_store::partners::lanes::Lane;
use ringmain_store::partners::settings::PartnerSettings;
use ringmain_store::store::StoreError;
use tokio::time::Instant;

use super::queue::{Suspect, key};
use super::{Footing, Progress, Worker};
use crate::client::{CallError, Verdict};
use crate::ocpi::dialect::write::Unsayable;
use crate::ocpi::envelope::now;
use crate::push::bills;
use crate::push::breaker::pause;
use crate::push::news::{self, News, What};
use crate::push::send::{Outcome, Receiver, send};

/// How often an object fails that others do not share the fate of; then it is put aside.
const FAILURES_MAX: u32 = 8;

/// Calls that are under way.
pub(super) type Calls<'a> = FuturesUnordered<BoxFuture<'a, Told>>;

/// An object that was sent, how many calls had succeeded before, and what came of it.
pub(super) type Told = (Arc<News>, u64, Result<Result<Outcome, CallError>, StoreError>);

/// What became of an object that was sent.
enum Judged {
    /// It was told, or will never be taken and is put aside.
    Passed,
    /// It waits by itself.
    Held,
    /// Nothing gets through.
    Away,
}

impl Worker {
    /// Begins to tell something.
    pub(super) fn begin_call<'a>(
        &'a self,
        progress: &mut Progress,
        to: &'a Receiver,
        news: Arc<News>,
    ) -> BoxFuture<'a, Told> {
        let (queue, own) = (&mut progress.queue, key(&news));
        let is_tried = queue.suspects.contains_key(&own) || queue.put_aside.contains(&own);
        let is_old = queue.begin(&news, Instant::now());
        self.tell(to, news, is_tried, is_old).boxed()
    }

    /// A call has ended: what that means for its object, and for the lane.
    pub(super) async fn ended(
        &self,
        progress: &mut Progress,
        (news, before, told): Told,
    ) -> Result<(), StoreError> {
        progress.queue.end(&news);
        match self.judge(progress, (&news, before), told?).await? {
            Judged::Passed => progress.queue.pass(&news),
            Judged::Held => {}
            // What is under way is waited for: its answers count.
            Judged::Away => progress.footing = Footing::Stale,
        }
        Ok(())
    }

    pub(super) fn at_once(&self) -> usize {
        let at_once = match self.lane {
            Lane::Cdrs => 1,
            _ if self.breaker.is_doubtful() => 1,
            _ => self.partner.settings.calls_at_once.clamp(1, PartnerSettings::CALLS_AT_ONCE_MAX),
        };
        usize::try_from(at_once).unwrap_or(1)
    }

    async fn tell(&self, to: &Receiver, news: Arc<News>, is_tried: bool, is_old: bool) -> Told {
        let before = self.breaker.successes();
        let told = async {
            let is_frozen = matches!(news.what, What::Cdr(_));
            let read = match (is_tried || is_old) && !is_frozen {
                true => news::read(&self.hub, vec![row(&news)]).await?.pop(),
                false => None,
            };
            let what = read.as_ref().map_or(&news.what, |read| &read.what);
            match what {
                What::Cdr(cdr) => bills::tell(&self.hub, to, Arc::clone(cdr), news.position, is_tried).await,
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
        (news, before): (&Arc<News>, u64),
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
                progress.queue.suspects.remove(&key(news));
                if progress.queue.put_aside.remove(&key(news)) {
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
        if matches!(error, CallError::Unsayable(_)) {
            // The partner has no part in it.
            self.put_aside(progress, news, reason).await?;
            return Ok(Judged::Passed);
        }
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
        (news, before): (&Arc<News>, u64),
        reason: String,
    ) -> Result<Judged, StoreError> {
        let successes = self.breaker.successes();
        let fresh = || Suspect { failures: 0, successes: before, again_at: None, reason: String::new() };
        let suspect = progress.queue.suspects.entry(key(news)).or_insert_with(fresh);
        let is_its_own = suspect.again_at.is_some() || successes > suspect.successes;
        (suspect.successes, suspect.reason) = (successes, reason.clone());
        if !is_its_own {
            suspect.failures = 1;
            self.breaker.failed(now(), &reason, None);
            return Ok(Judged::Away);
        }
        suspect.failures += 1;
        if suspect.failures >= FAILURES_MAX {
            self.put_aside(progress, news, reason).await?;
            return Ok(Judged::Passed);
        }
        suspect.again_at = Some(Instant::now() + pause(self.hub.settings.pauses, suspect.failures));
        self.breaker.noted(now(), &reason);
        if let Some(one) = progress.queue.too_many() {
            let reason = progress.queue.suspects.get(&key(&one)).map(|suspect| suspect.reason.clone());
            self.put_aside(progress, &one, reason.unwrap_or_default()).await?;
            progress.queue.pass(&one);
        }
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
        progress.queue.suspects.remove(&(kind.clone(), subject.clone()));
        progress.queue.put_aside.insert((kind.clone(), subject.clone()));
        let of = (&self.hub.tenant, self.partner.id);
        self.hub.store.put_dead_letter(of, (&kind, &subject), &reason, now()).await
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
