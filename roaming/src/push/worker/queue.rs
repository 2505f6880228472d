//! What a lane has read and not told yet: of each object its newest state, once, however often it changes.
//!
//! Nobody waits for another object. One that was told a moment ago waits for its next turn ([`crate::config::Settings::object_pace`]), so
//! that a connector with a loose contact does not take all of a partner's calls; one that the partner cannot digest waits longer each
//! time. Both are bounded: while much waits, nothing is read on, and of too many that cannot be digested the one that was tried most often
//! is given up.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use ringmain_store::feed::{KIND_TARIFF, KIND_TARIFF_REACH};
use tokio::time::Instant;

use crate::push::news::News;

/// How many changes are read at once.
pub(super) const BATCH: usize = 200;
/// The most objects that wait.
pub(super) const WAITING_MAX: usize = 400;
/// The most objects that wait by themselves for the partner to digest them. Beside them there is always room to read on.
pub(super) const HELD_MAX: usize = WAITING_MAX - BATCH;
/// From so many on those are forgotten that were told long enough ago.
const TOLD_LOOK: usize = 1_000;

/// An object: its kind and its subject.
pub(super) type Key = (Box<str>, Box<str>);

/// An object that was tried and not taken.
pub(super) struct Suspect {
    /// How often it failed; before others were seen to be taken, that is once.
    pub(super) failures: u32,
    /// How many calls of the lane had succeeded when it failed last.
    pub(super) successes: u64,
    /// It is known to be the object's own fault: it waits so long, and nobody with it.
    pub(super) again_at: Option<Instant>,
    /// What it was refused with last.
    pub(super) reason: String,
}

/// An object that waits.
struct Waiting {
    /// Where it stands among the others: where it was read first.
    place: i64,
    news: Arc<News>,
    /// Something newer was told meanwhile that it would overwrite: it is read again before it is told.
    is_old: bool,
}

/// All that wait.
pub(super) struct Queue {
    /// The shortest time between two calls for one object.
    pace: Duration,
    /// The most that wait by themselves.
    held_max: usize,
    waiting: HashMap<Key, Waiting>,
    order: BTreeMap<i64, Key>,
    underway: Vec<Arc<News>>,
    /// Before then an object is not told again.
    told: HashMap<Key, Instant>,
    /// What was tried and not taken.
    pub(super) suspects: HashMap<Key, Suspect>,
    /// What the partner refused for good and has not taken since.
    pub(super) put_aside: HashSet<Key>,
}

// === impl Queue ===

impl Queue {
    pub(super) fn new(pace: Duration, held_max: usize, put_aside: impl IntoIterator<Item = Key>) -> Self {
        Self {
            pace,
            held_max: held_max.min(HELD_MAX),
            waiting: HashMap::new(),
            order: BTreeMap::new(),
            underway: Vec::new(),
            told: HashMap::new(),
            suspects: HashMap::new(),
            put_aside: put_aside.into_iter().collect(),
        }
    }

    /// Takes something in: where its object waits already, instead of the older state.
    pub(super) fn offer(&mut self, news: Arc<News>) {
        let (key, place) = (key(&news), news.position);
        match self.waiting.get_mut(&key) {
            Some(waiting) => (waiting.news, waiting.is_old) = (news, false),
            None => {
                self.order.insert(place, key.clone());
                self.waiting.insert(key, Waiting { place, news, is_old: false });
            }
        }
    }

    /// Does another batch fit in?
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() <= WAITING_MAX - BATCH
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The place of the first that waits.
    pub(super) fn first(&self) -> Option<i64> {
        self.order.first_key_value().map(|(place, _)| *place)
    }

    /// All objects that wait.
    pub(super) fn keys(&self) -> Vec<Key> {
        self.order.values().cloned().collect()
    }

    /// Nothing waits any more, and no call is under way.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.order.clear();
        self.underway.clear();
    }

    /// What waits is as it was read just now; what was not read does not wait any more.
    pub(super) fn renew(&mut self, read: impl Iterator<Item = Arc<News>>) {
        let mut read: HashMap<Key, Arc<News>> = read.map(|news| (key(&news), news)).collect();
        let gone = self.keys().into_iter().filter(|key| !read.contains_key(key)).collect::<Vec<_>>();
        gone.iter().for_each(|key| self.remove(key));
        for (key, waiting) in &mut self.waiting {
            if let Some(news) = read.remove(key) {
                (waiting.news, waiting.is_old) = (news, false);
            }
        }
    }

    /// All that waits is read again before it is told.
    pub(super) fn age(&mut self) {
        self.waiting.values_mut().for_each(|waiting| waiting.is_old = true);
    }

    /// What can be told now. Those that failed come last, and before them those of their kind: others show whether the partner is there.
    pub(super) fn next(&self, now: Instant) -> Option<Arc<News>> {
        let kinds: HashSet<_> = self.suspects.keys().map(|(kind, _)| kind).collect();
        let (mut second, mut last) = (None, None);
        for (key, waiting) in self.in_order() {
            if self.held(key, now).is_some()
                || self.underway.iter().any(|other| same_place(other, &waiting.news))
            {
                continue;
            }
            match (kinds.contains(&key.0), self.suspects.contains_key(key)) {
                (false, _) => return Some(Arc::clone(&waiting.news)),
                (true, false) => second = second.or(Some(&waiting.news)),
                (true, true) => last = last.or(Some(&waiting.news)),
            }
        }
        second.or(last).cloned()
    }

    /// When the first of those that wait by themselves can be told; `None`: none does.
    pub(super) fn held_until(&self, now: Instant) -> Option<Instant> {
        self.in_order().filter_map(|(key, _)| self.held(key, now)).min()
    }

    fn held(&self, key: &Key, now: Instant) -> Option<Instant> {
        let suspected = self.suspects.get(key).and_then(|suspect| suspect.again_at);
        suspected.max(self.told.get(key).copied()).filter(|until| *until > now)
    }

    fn in_order(&self) -> impl Iterator<Item = (&Key, &Waiting)> {
        self.order.values().filter_map(|key| self.waiting.get_key_value(key))
    }

    /// It is told from now on; must it be read again first?
    pub(super) fn begin(&mut self, news: &Arc<News>, now: Instant) -> bool {
        let own = key(news);
        if !self.pace.is_zero() {
            if self.told.len() >= TOLD_LOOK {
                self.told.retain(|_, until| *until > now);
            }
            self.told.insert(own.clone(), now + self.pace);
        }
        self.underway.push(Arc::clone(news));
        // Those that were read before it hold an older state of what it says, wherever they wait.
        for waiting in self.waiting.values_mut().filter(|waiting| waiting.news.position < news.position) {
            waiting.is_old |= same_place(&waiting.news, news);
        }
        self.waiting.get(&own).is_some_and(|waiting| waiting.is_old)
    }

    /// Its call has ended. It waits until it is passed.
    pub(super) fn end(&mut self, news: &Arc<News>) {
        self.underway.retain(|other| !Arc::ptr_eq(other, news));
    }

    /// It was told, or is given up. Where something newer of it came meanwhile, that waits.
    pub(super) fn pass(&mut self, news: &News) {
        let own = key(news);
        let Some(waiting) = self.waiting.get_mut(&own) else { return };
        if waiting.news.position == news.position {
            return self.remove(&own);
        }
        self.order.remove(&waiting.place);
        waiting.place = waiting.news.position;
        self.order.insert(waiting.place, own);
    }

    /// Of too many that the partner cannot digest, the one that was tried most often; `None`: there are not too many.
    pub(super) fn too_many(&self) -> Option<Arc<News>> {
        let held = self.in_order().filter_map(|(key, waiting)| {
            let suspect = self.suspects.get(key).filter(|suspect| suspect.again_at.is_some())?;
            Some((suspect.failures, &waiting.news))
        });
        let held: Vec<_> = held.collect();
        if held.len() <= self.held_max {
            return None;
        }
        let is_idle = |news: &Arc<News>| !self.underway.iter().any(|other| key(other) == key(news));
        let idle = held.into_iter().rev().filter(|(_, news)| is_idle(news));
        idle.max_by_key(|(failures, _)| *failures).map(|(_, news)| Arc::clone(news))
    }

    fn remove(&mut self, key: &Key) {
        if let Some(gone) = self.waiting.remove(key) {
            self.order.remove(&gone.place);
        }
    }
}

pub(super) fn key(news: &News) -> Key {
    (news.kind.clone(), news.subject.clone())
}

/// Would one overwrite what the other says? A location says all of its EVSEs; their states overwrite nothing but themselves. A tariff that
/// reaches nobody any more is the tariff.
fn same_place(one: &News, other: &News) -> bool {
    let is_tariff = |news: &News| [KIND_TARIFF, KIND_TARIFF_REACH].contains(&&*news.kind);
    if is_tariff(one) && is_tariff(other) {
        return one.subject == other.subject;
    }
    if let (Some(one), Some(other)) = (one.what.evse(), other.what.evse()) {
        return one == other;
    }
    match (one.what.place(), other.what.place()) {
        (Some(one), Some(other)) => one == other,
        _ => (&one.kind, &one.subject) == (&other.kind, &other.subject),
    }
}

#[cfg(test)]
mod tests;
