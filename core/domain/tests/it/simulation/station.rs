//! A simulated station with one EVSE: it answers at once and obeys later, forgets, goes silent, and some are careless or deaf.

use std::collections::VecDeque;

use ringmain_domain::id::{Epoch, GrantSeq, TransactionId};
use ringmain_domain::load::demand::Memory;
use ringmain_domain::load::ledger::fence::Fence;
use ringmain_domain::time::Timestamp;
use ringmain_domain::unit::Milliamps;

/// What a station is like. The owner knows only what a measurement could have told it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Nature {
    /// The longest time from its Accepted to in force.
    pub(crate) apply_max_ms: i64,
    /// Takes a profile for a transaction that is over, and uses it for the next.
    pub(crate) careless: bool,
    /// Says Accepted and draws what the car wants.
    pub(crate) deaf: bool,
    /// Lets a profile go at its end.
    pub(crate) honours_end: bool,
    /// Lets a profile go for good so long after it went offline.
    pub(crate) offline_end_ms: Option<i64>,
    /// Keeps a profile beyond its transaction.
    pub(crate) keeps_profile: bool,
    /// Its clock less the true time.
    pub(crate) clock_ms: i64,
}

#[derive(Debug, Clone)]
pub(crate) enum Order {
    Profile { seq: GrantSeq, limit: Milliamps, valid_to: Option<i64>, transaction: Option<TransactionId> },
    Clear,
    Fallback(Milliamps),
    ReadBack,
}

#[derive(Debug, Clone)]
pub(crate) struct Profile {
    pub(crate) limit: Milliamps,
    pub(crate) valid_to: Option<i64>,
}

#[derive(Debug, Clone)]
pub(crate) struct Station {
    pub(crate) nature: Nature,
    pub(crate) fallback: Milliamps,
    pub(crate) profile: Option<Profile>,
    coming: VecDeque<(i64, Order)>,
    pub(crate) transaction: Option<TransactionId>,
    pub(crate) arrived_at: Timestamp,
    /// What the plan remembers of the session.
    pub(crate) memory: Memory,
    /// What the car wants; nothing when there is none.
    pub(crate) car: Milliamps,
    pub(crate) connection: Option<Epoch>,
    pub(crate) offline_since: Option<i64>,
    /// The connection's, not the station's.
    pub(crate) fence: Fence,
    /// One call at a time.
    pub(crate) line_free_at: i64,
    /// It started anew and lost its fallback; nobody has read it back yet.
    pub(crate) lost_unread: bool,
    /// What happened while nobody listened: (transaction, started or ended).
    pub(crate) queue: Vec<(TransactionId, bool)>,
}

// === impl Station ===

impl Station {
    pub(crate) fn new(nature: Nature, fallback: Milliamps) -> Self {
        Self {
            nature,
            fallback,
            profile: None,
            coming: VecDeque::new(),
            transaction: None,
            arrived_at: Timestamp::default(),
            memory: Memory::default(),
            car: Milliamps::ZERO,
            connection: Some(Epoch(1)),
            offline_since: None,
            fence: Fence::reloaded(Epoch(1), GrantSeq(0)),
            line_free_at: 0,
            lost_unread: false,
            queue: Vec::new(),
        }
    }

    /// What may be drawn now, or by a transaction that starts now: what it was allowed, whether a car is there or not.
    pub(crate) fn allowed(&self, now: i64) -> Milliamps {
        match &self.profile {
            Some(profile) if self.holds(profile, now) => profile.limit,
            Some(_) | None => self.fallback,
        }
    }

    fn holds(&self, profile: &Profile, now: i64) -> bool {
        let ended = profile.valid_to.is_some_and(|end| now + self.nature.clock_ms >= end);
        let over = ended && self.nature.honours_end;
        !(over || self.forgot(now))
    }

    /// It has been offline for so long that profiles are gone for good.
    fn forgot(&self, now: i64) -> bool {
        let since = self.offline_since.zip(self.nature.offline_end_ms);
        since.is_some_and(|(since, end)| now >= since + end)
    }

    /// What flows.
    pub(crate) fn draws(&self, now: i64) -> Milliamps {
        if self.nature.deaf { self.car } else { self.car.min(self.allowed(now)) }
    }

    /// Puts into force what is due.
    pub(crate) fn pass_time(&mut self, now: i64) {
        if self.forgot(now) {
            self.profile = None;
        }
        while self.coming.front().is_some_and(|(at, _)| *at <= now) {
            match self.coming.pop_front() {
                Some((_, Order::Profile { limit, valid_to, .. })) => {
                    self.profile = Some(Profile { limit, valid_to });
                }
                Some((_, Order::Clear)) => self.profile = None,
                Some((_, Order::Fallback(value))) => (self.fallback, self.lost_unread) = (value, false),
                Some((_, Order::ReadBack)) | None => {}
            }
        }
    }

    /// When an accepted order comes into force: after `delay_ms`, never before an earlier one. None when it is refused.
    pub(crate) fn take(&mut self, now: i64, order: &Order, delay_ms: i64) -> Option<i64> {
        if let Order::Profile { transaction, .. } = order {
            let fits = transaction.is_some() && *transaction == self.transaction;
            if !fits && !self.nature.careless {
                return None;
            }
        }
        let after = self.coming.back().map_or(0, |(at, _)| *at);
        let at = after.max(now + delay_ms);
        self.coming.push_back((at, order.clone()));
        Some(at)
    }

    /// Forgets what belonged to the transaction; the careless keep what is still coming.
    pub(crate) fn end(&mut self) {
        self.transaction = None;
        self.car = Milliamps::ZERO;
        if !self.nature.keeps_profile {
            self.profile = None;
        }
        if !self.nature.careless && !self.nature.keeps_profile {
            self.coming.retain(|(_, order)| !matches!(order, Order::Profile { .. }));
        }
    }
}
