//! Group commit: facts of many stations in one commit, a ticket for each who waits. Place on the walk: *commit*.
//!
//! Parent: node. Children: none. Mailbox: 512; a sender waits for room, and one outstanding call per station bounds who can be waiting.
//! While one commit runs the next batch gathers; there is no timer, so a lone fact is committed at once. Owns nothing but its queue.
//! Never: decides, answers a station, or drops a fact somebody waits for. What nobody waits for is dropped only where too much of it
//! waits, the oldest first.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use actix::prelude::*;
use ringmain_domain::event::{DomainEvent, Fact};
use ringmain_domain::site;
use ringmain_domain::telemetry;
use ringmain_store::batch::Appended;
use ringmain_store::store::{Store, StoreError};
use tokio::sync::oneshot;

use super::site::SiteHandle;
use crate::canary::Canary;

/// The most facts in one commit.
pub const BATCH_FACTS: usize = 256;
/// The most rows of facts nobody waits for that are kept while the store is slow; the oldest go first. A report of variables weighs as
/// many rows as it has variables.
pub const COALESCED_ROWS: usize = 16_384;
/// The most rows of such facts in one commit, so that those who wait are not kept waiting; one fact may be heavier alone.
const COALESCED_BATCH_ROWS: usize = 2_048;
const MAILBOX: usize = 512;
/// How long a ticket may stay open while the store is away (reliability.md 2: hold at most 20 s, then close the socket).
const HOLD: Duration = Duration::from_secs(20);
const RETRY_AFTER: Duration = Duration::from_millis(250);

/// Group commit.
pub struct Journal {
    store: Store,
    canary: Canary,
    waiting: VecDeque<Entry>,
    coalesced: VecDeque<Entry>,
    coalesced_rows: usize,
    /// The last commit was one of tickets: then those nobody waits for have their turn.
    tickets_last: bool,
    committing: bool,
    lost: u64,
}

/// Facts of one station, to be committed together.
struct Entry {
    facts: Vec<Fact>,
    site: Option<SiteHandle>,
    ticket: Option<oneshot::Sender<Result<Vec<Appended>, NotCommitted>>>,
    since: Instant,
}

/// A ticket that failed for good: nothing may be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotCommitted {
    /// The store was away for too long.
    #[error("the store did not commit in time")]
    StoreAway,
    /// The store refuses this very fact.
    #[error("the store refuses the fact")]
    Refused,
}

/// Commit these and tell when it is done.
#[derive(Message)]
#[rtype(result = "Result<Vec<Appended>, NotCommitted>")]
pub struct Append {
    /// Facts of one station, in order.
    pub facts: Vec<Fact>,
    /// Told once they are committed.
    pub site: Option<SiteHandle>,
}

/// Commit these with the next batch; nobody waits.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Note {
    /// Facts of one station, in order.
    pub facts: Vec<Fact>,
    /// Told once they are committed.
    pub site: Option<SiteHandle>,
}

/// Answers once everything taken so far is committed or given up.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Flush;

/// What waits, for tests and the API.
#[derive(Message)]
#[rtype(result = "Observation")]
pub struct Observe;

/// A journal, as observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, MessageResponse)]
pub struct Observation {
    /// Entries with a ticket that no commit has taken up yet.
    pub waiting: usize,
    /// Entries nobody waits for, of at most [`COALESCED_ROWS`] rows.
    pub coalesced: usize,
    /// Entries nobody waited for that were dropped.
    pub lost: u64,
}

// === impl Journal ===

impl Journal {
    /// A journal on the calling arbiter; the canary hears whether facts that somebody waits for are taken.
    #[must_use]
    pub fn new(store: Store, canary: Canary) -> Self {
        Self {
            store,
            canary,
            waiting: VecDeque::new(),
            coalesced: VecDeque::new(),
            coalesced_rows: 0,
            tickets_last: false,
            committing: false,
            lost: 0,
        }
    }

    fn take(&mut self, entry: Entry, ctx: &mut Context<Self>) {
        if entry.ticket.is_some() {
            self.waiting.push_back(entry);
        } else {
            self.keep_for_later(entry);
        }
        self.commit_next(ctx);
    }

    fn keep_for_later(&mut self, entry: Entry) {
        self.coalesced_rows += entry.rows();
        self.coalesced.push_back(entry);
        self.drop_oldest();
    }

    /// The store is away: the same facts again in a moment, before everything newer.
    fn take_back(&mut self, again: Vec<Entry>) {
        for entry in again.into_iter().rev() {
            if entry.ticket.is_some() && !entry.facts.is_empty() {
                self.waiting.push_front(entry);
            } else {
                self.coalesced_rows += entry.rows();
                self.coalesced.push_front(entry);
            }
        }
        self.drop_oldest();
    }

    fn drop_oldest(&mut self) {
        while self.coalesced_rows > COALESCED_ROWS && self.coalesced.len() > 1 {
            let Some(oldest) = self.coalesced.pop_front() else { break };
            self.coalesced_rows -= oldest.rows();
            self.lost += 1;
            metrics::counter!(telemetry::COMMIT_LOST).increment(1);
        }
    }

    fn commit_next(&mut self, ctx: &mut Context<Self>) {
        metrics::gauge!(telemetry::COMMIT_QUEUE_ITEMS)
            .set(f64::from(u32::try_from(self.waiting.len()).unwrap_or(u32::MAX)));
        if self.committing {
            return;
        }
        let batch = self.next_batch();
        if batch.is_empty() {
            return;
        }
        self.committing = true;
        let (store, is_awaited) = (self.store.clone(), batch.iter().any(Entry::is_awaited));
        let commit = async move { commit(&store, batch).await }.into_actor(self);
        ctx.spawn(commit.map(move |Committed { again, following, is_away }, journal, ctx| {
            journal.committing = false;
            if is_awaited {
                journal.canary.facts_tried(Instant::now(), !is_away);
            }
            for entry in following {
                journal.keep_for_later(entry);
            }
            if again.is_empty() {
                journal.commit_next(ctx);
                return;
            }
            journal.take_back(again);
            journal.committing = true;
            ctx.run_later(RETRY_AFTER, |journal, ctx| {
                journal.committing = false;
                journal.commit_next(ctx);
            });
        }));
    }

    /// Those somebody waits for and those nobody waits for take turns and never share a batch: what is heavy or refused among the latter
    /// must not cost anybody a ticket.
    fn next_batch(&mut self) -> Vec<Entry> {
        let tickets = !self.waiting.is_empty() && (!self.tickets_last || self.coalesced.is_empty());
        self.tickets_last = tickets;
        let (queue, rows_max) = if tickets {
            (&mut self.waiting, usize::MAX)
        } else {
            (&mut self.coalesced, COALESCED_BATCH_ROWS)
        };
        let mut batch = Vec::new();
        let (mut facts, mut rows) = (0, 0);
        while let Some(entry) = queue.front() {
            let full = facts + entry.facts.len() > BATCH_FACTS || rows + entry.rows() > rows_max;
            if facts > 0 && full {
                break;
            }
            facts += entry.facts.len();
            rows = usize::min(rows.saturating_add(entry.rows()), rows_max);
            batch.extend(queue.pop_front());
        }
        if !tickets {
            self.coalesced_rows = self.coalesced.iter().map(Entry::rows).sum();
        }
        batch
    }
}

// === impl Entry ===

impl Entry {
    /// Somebody waits for its facts.
    fn is_awaited(&self) -> bool {
        self.ticket.is_some() && !self.facts.is_empty()
    }

    /// How many rows it becomes, at least one.
    fn rows(&self) -> usize {
        let rows = |fact: &Fact| match &fact.event {
            DomainEvent::VariablesReported { variables } => variables.len().max(1),
            DomainEvent::DeviceEventsReported { events } => events.len().max(1),
            _ => 1,
        };
        self.facts.iter().map(rows).sum::<usize>().max(1)
    }
}

/// What a commit leaves to do.
#[derive(Default)]
struct Committed {
    /// To be tried again: the store is away.
    again: Vec<Entry>,
    /// Rulings that follow from what was committed.
    following: Vec<Entry>,
    /// The store did not take it.
    is_away: bool,
}

async fn commit(store: &Store, batch: Vec<Entry>) -> Committed {
    let facts: Vec<Fact> = batch.iter().flat_map(|entry| entry.facts.iter().cloned()).collect();
    let started = Instant::now();
    let result = store.append(&facts).await;
    metrics::histogram!(telemetry::COMMIT_DURATION).record(started.elapsed().as_secs_f64());
    match result {
        Ok(appended) => {
            metrics::histogram!(telemetry::COMMIT_BATCH_ITEMS)
                .record(f64::from(u32::try_from(facts.len()).unwrap_or(u32::MAX)));
            Committed { following: settle(batch, appended), ..Committed::default() }
        }
        Err(error @ (StoreError::Unavailable { .. } | StoreError::Unknown { .. })) => {
            metrics::counter!(telemetry::COMMIT_FAILURES, "kind" => "unavailable").increment(1);
            tracing::warn!(%error, facts = facts.len(), "the store did not commit, trying again");
            Committed { again: hold(batch), is_away: true, ..Committed::default() }
        }
        Err(error) if batch.len() > 1 => {
            metrics::counter!(telemetry::COMMIT_FAILURES, "kind" => "batch").increment(1);
            tracing::warn!(%error, facts = facts.len(), "a batch was refused, committing one by one");
            one_by_one(store, batch).await
        }
        Err(error) => {
            metrics::counter!(telemetry::COMMIT_FAILURES, "kind" => "refused").increment(1);
            for entry in batch {
                let station = entry.facts.first().map(|fact| fact.station.to_string()).unwrap_or_default();
                tracing::error!(%error, station.id = station, "the store refuses a fact");
                if let Some(ticket) = entry.ticket {
                    drop(ticket.send(Err(NotCommitted::Refused)));
                }
            }
            Committed::default()
        }
    }
}

/// A poison fact fails alone. When the store goes away meanwhile, the rest is not even tried.
async fn one_by_one(store: &Store, batch: Vec<Entry>) -> Committed {
    let mut left = batch.into_iter();
    let mut done = Committed::default();
    while let Some(entry) = left.next() {
        let Committed { again, following, is_away } = Box::pin(commit(store, vec![entry])).await;
        done.following.extend(following);
        done.is_away = is_away;
        if !again.is_empty() {
            done.again = again.into_iter().chain(left).collect();
            break;
        }
    }
    done
}

/// Keeps what may still wait. A ticket that is too old fails, and its socket closes so that the station keeps the message; what nobody
/// waits for was answered long ago and is told once only, so it stays until the store is back or too many wait.
fn hold(batch: Vec<Entry>) -> Vec<Entry> {
    let mut young = Vec::new();
    for entry in batch {
        match entry.ticket {
            Some(_) if entry.since.elapsed() < HOLD => young.push(entry),
            Some(ticket) => drop(ticket.send(Err(NotCommitted::StoreAway))),
            None => young.push(entry),
        }
    }
    young
}

/// Hands out the tickets and tells the sites; gives back the rulings that follow, which nobody waits for.
fn settle(batch: Vec<Entry>, appended: Vec<Appended>) -> Vec<Entry> {
    let mut appended = appended.into_iter();
    let mut following = Vec::new();
    for entry in batch {
        let mine: Vec<Appended> = appended.by_ref().take(entry.facts.len()).collect();
        let rulings = mine.iter().filter(|one| !one.rulings.is_empty()).map(|one| Entry {
            facts: one.rulings.clone(),
            site: entry.site.clone(),
            ticket: None,
            since: entry.since,
        });
        following.extend(rulings);
        if let Some(site) = entry.site {
            let sessions = mine.iter().filter(|a| a.fresh).filter_map(|a| a.session.clone()).collect();
            site.tell(site::Input::Committed { facts: entry.facts, sessions });
        }
        if let Some(ticket) = entry.ticket {
            // Nobody listens any more when the socket closed meanwhile: the station repeats, the repeat is harmless.
            drop(ticket.send(Ok(mine)));
        }
    }
    following
}

impl Actor for Journal {
    type Context = Context<Self>;
    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
    }
}

impl Handler<Append> for Journal {
    type Result = ResponseFuture<Result<Vec<Appended>, NotCommitted>>;
    fn handle(&mut self, message: Append, ctx: &mut Self::Context) -> Self::Result {
        let (ticket, committed) = oneshot::channel();
        let Append { facts, site } = message;
        self.take(Entry { facts, site, ticket: Some(ticket), since: Instant::now() }, ctx);
        // The hold is kept here too: a commit that hangs must not keep a station waiting longer than it would wait by itself.
        Box::pin(async move {
            match tokio::time::timeout(HOLD, committed).await {
                Ok(Ok(settled)) => settled,
                Ok(Err(_)) | Err(_) => Err(NotCommitted::StoreAway),
            }
        })
    }
}

impl Handler<Note> for Journal {
    type Result = ();
    fn handle(&mut self, message: Note, ctx: &mut Self::Context) {
        let Note { mut facts, site } = message;
        while !facts.is_empty() {
            let rest = facts.split_off(facts.len().min(BATCH_FACTS));
            self.take(Entry { facts, site: site.clone(), ticket: None, since: Instant::now() }, ctx);
            facts = rest;
        }
    }
}

impl Handler<Flush> for Journal {
    type Result = ResponseFuture<()>;
    fn handle(&mut self, _: Flush, ctx: &mut Self::Context) -> Self::Result {
        let (ticket, committed) = oneshot::channel();
        // An entry without facts takes its turn behind those nobody waits for and is "committed" with the last of them.
        self.keep_for_later(Entry {
            facts: Vec::new(),
            site: None,
            ticket: Some(ticket),
            since: Instant::now(),
        });
        self.commit_next(ctx);
        Box::pin(async move { drop(committed.await) })
    }
}

impl Handler<Observe> for Journal {
    type Result = Observation;
    fn handle(&mut self, _: Observe, _: &mut Self::Context) -> Observation {
        Observation { waiting: self.waiting.len(), coalesced: self.coalesced.len(), lost: self.lost }
    }
}
