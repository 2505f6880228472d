//! One EVSE as its owner sees it: what is on its way, what was confirmed when, and what to do next.

use crate::id::{Epoch, GrantSeq, TransactionId};
use crate::load::ledger::account::{Account, Fallback, GrantState};
use crate::load::ledger::conduct::{Conduct, MARGIN_MS};
use crate::load::ledger::steering::back_off::BackOff;
use crate::load::ledger::steering::input::{Alarm, Effect};
use crate::load::ledger::steering::{Outlet, Pace};
use crate::load::ledger::{Change, Proposal, Slot};
use crate::time::Timestamp;
use crate::unit::Milliamps;

/// The one call that may be in flight for an EVSE (G13).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Grant(GrantSeq),
    ReadBack,
    Clear(GrantSeq),
    Fallback(Milliamps),
}

/// How many finished transactions an EVSE remembers; grants of older ones wait for a newer grant.
pub(super) const ENDED_MAX: usize = 4;

/// An accepted grant whose guard runs, or is over and waits to be written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Guard {
    pub(super) seq: GrantSeq,
    pub(super) limit: Milliamps,
    /// When it was accepted.
    pub(super) from: Timestamp,
    pub(super) over_at: Timestamp,
    /// The last sample before was at least 1 A above the limit: only then do low samples prove anything (G5).
    pub(super) was_above: bool,
    pub(super) low_samples: u8,
}

/// What a meter proved of the current on the busiest line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    pub(super) least: Milliamps,
    pub(super) most: Milliamps,
    pub(super) taken_at: Timestamp,
}

/// What has to happen before anything may be raised here (G8, G10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doubt {
    None,
    /// Ask the station first.
    Unread,
    /// Issue the newest value again.
    Unissued,
}

#[derive(Debug)]
pub(super) struct Seat {
    pub(super) conduct: Conduct,
    pub(super) minimum: Milliamps,
    pub(super) step: Milliamps,
    pub(super) fallback: Milliamps,
    /// What the plan wants; none until there is a plan for the running transaction.
    pub(super) target: Option<Milliamps>,
    pub(super) transaction: Option<TransactionId>,
    /// The last transactions known to be over, at most [`ENDED_MAX`].
    pub(super) ended: Vec<TransactionId>,
    pub(super) connection: Option<Epoch>,
    /// When the last connection ended, as far as this owner saw it.
    pub(super) silent_since: Option<Timestamp>,
    pub(super) doubt: Doubt,
    /// The fallback is to be compared after a boot.
    pub(super) fallback_unread: bool,
    /// It could not be compared: it is installed again, and that is the answer.
    pub(super) fallback_unsure: bool,
    pub(super) call: Option<Call>,
    /// A transaction of the store is under way for this EVSE.
    pub(super) writing: bool,
    pub(super) guards: Vec<Guard>,
    /// The highest sequence this connection answered: by the order of calls all earlier ones are settled too (G4).
    pub(super) answered: GrantSeq,
    /// Profiles of transactions were removed: grants are in force no more after this moment: (through, when) (G6).
    pub(super) release: Option<(GrantSeq, Timestamp)>,
    pub(super) fallback_guard: Option<(Milliamps, Timestamp)>,
    pub(super) fallback_lost: bool,
    pub(super) deaf: Option<bool>,
    pub(super) raised_at: Option<Timestamp>,
    pub(super) back_off: BackOff,
    /// Of fallbacks: a station that refuses those may still take grants.
    pub(super) fallback_back_off: BackOff,
    /// The last one of this car on this connection.
    pub(super) sample: Option<Sample>,
    /// When the ceiling fell last, as far as this owner saw it: a sample from before is not held against the station.
    pub(super) fell_at: Option<Timestamp>,
    pub(super) over_samples: u8,
    pub(super) named: bool,
    /// A raise the store has not answered yet.
    pub(super) proposed: Milliamps,
}

// === impl Seat ===

impl Seat {
    pub(super) fn new(outlet: &Outlet) -> Self {
        Self {
            conduct: outlet.conduct,
            minimum: outlet.minimum,
            step: outlet.step.max(Milliamps(1)),
            fallback: outlet.fallback,
            target: None,
            transaction: None,
            ended: Vec::new(),
            connection: None,
            silent_since: None,
            doubt: Doubt::None,
            fallback_unread: false,
            fallback_unsure: false,
            call: None,
            writing: false,
            guards: Vec::new(),
            answered: GrantSeq(0),
            release: None,
            fallback_guard: None,
            fallback_lost: false,
            deaf: None,
            raised_at: None,
            back_off: BackOff::default(),
            fallback_back_off: BackOff::default(),
            sample: None,
            fell_at: None,
            over_samples: 0,
            named: false,
            proposed: Milliamps::ZERO,
        }
    }

    /// Connected, with a transaction its profiles can be bound to.
    pub(super) const fn is_steered(&self) -> bool {
        self.connection.is_some() && self.transaction.is_some()
    }

    /// Is nothing open about its fallback? If something is, the next owner must ask.
    pub(super) fn knows_fallback(&self, account: &Account) -> bool {
        let is_written = |(value, _)| account.fallback == Fallback::Confirmed(value);
        let is_told =
            matches!(self.call, Some(Call::Fallback(_))) || !self.fallback_guard.is_none_or(is_written);
        !self.fallback_unread && !self.fallback_unsure && !self.fallback_lost && !is_told
    }

    pub(super) fn in_force(&self, now: Timestamp, account: &Account) -> Option<Milliamps> {
        let Some(newest) = account.newest() else { return Some(account.floor()) };
        let settled = |guard: &Guard| guard.seq == newest.seq && now >= guard.over_at;
        self.guards.iter().any(settled).then_some(newest.limit)
    }

    /// By how much it is to be lowered.
    pub(super) fn surplus(&self, account: &Account) -> Milliamps {
        account.held().minus(self.wanted(account)).max(Milliamps::ZERO)
    }

    /// The target in whole steps, never above the rated current; of a deaf station the least that charges (G12). Without a plan it is
    /// what it has.
    pub(super) fn wanted(&self, account: &Account) -> Milliamps {
        let target = self.target.unwrap_or_else(|| account.held()).min(account.rated);
        let target = if account.deaf { target.min(self.minimum) } else { target };
        self.in_steps(target)
    }

    /// The minimum and whole steps above it, as the plan counts them: another grid would take its minimum from an EVSE. What is below the
    /// minimum charges no car, so it is counted from nothing.
    pub(super) const fn in_steps(&self, current: Milliamps) -> Milliamps {
        let above = current.minus(self.minimum).0;
        let over = if above < 0 { current.0 % self.step.0 } else { above % self.step.0 };
        current.minus(Milliamps(over))
    }

    /// What the store is to be told next, or what the station is to be asked next. One of each at a time.
    pub(super) fn advance(
        &mut self,
        now: Timestamp,
        slot: Slot,
        account: &Account,
        pace: &Pace,
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        // What is in doubt is an open grant. The last one can close while its doubt lasts, and then there is nothing to issue again.
        if account.newest().is_none() {
            self.doubt = Doubt::None;
        }
        if !self.writing {
            let change = self.fact(now, slot, account).or_else(|| self.next_grant(now, slot, account));
            if let Some(change) = change {
                self.writing = true;
                effects.push(Effect::Write { slot, change });
            }
        }
        if self.call.is_none() && !self.writing {
            effects.extend(self.next_call(now, slot, account, pace));
        }
        effects
    }

    /// Facts about the station that the ledger lacks.
    fn fact(&mut self, now: Timestamp, slot: Slot, account: &Account) -> Option<Change> {
        if self.fallback_lost && account.fallback != Fallback::Unconfirmed {
            return Some(Change::LoseFallback { slot });
        }
        if let Some(deaf) = self.deaf.filter(|deaf| *deaf != account.deaf) {
            return Some(Change::SetDeaf { slot, deaf });
        }
        if let Some((value, _)) = self.fallback_guard.filter(|(_, over_at)| now >= *over_at)
            && (account.fallback != Fallback::Confirmed(value) || account.opening.is_some())
        {
            return Some(Change::ConfirmFallback { slot, value });
        }
        let accepted = |seq| account.grants.iter().any(|g| g.seq == seq && g.state == GrantState::Open);
        if let Some(guard) = self.guards.iter().find(|guard| accepted(guard.seq)) {
            return Some(Change::Accept { slot, seq: guard.seq });
        }
        let oldest = account.grants.first()?.seq;
        if let Some(guard) = self.guards.iter().rev().find(|guard| now >= guard.over_at)
            && oldest < guard.seq
        {
            return Some(Change::Close { slot, below: guard.seq });
        }
        if let Some((through, _)) = self.release.filter(|(through, at)| now >= *at && oldest <= *through) {
            return Some(Change::Release { slot, through });
        }
        self.decayed(now, slot, account)
    }

    /// G7: only where the model was proven, and only then.
    fn decayed(&self, now: Timestamp, slot: Slot, account: &Account) -> Option<Change> {
        if let Some(margin) = self.conduct.end_margin_ms() {
            let before = now.plus_millis(margin.saturating_neg());
            if account.grants.iter().any(|grant| grant.valid_to.is_some_and(|end| end < before)) {
                return Some(Change::Expire { slot, before });
            }
        }
        let ended_at = self.silent_end_at()?;
        (now >= ended_at).then_some(Change::Release { slot, through: account.seq })
    }

    fn silent_end_at(&self) -> Option<Timestamp> {
        let since = self.silent_since.filter(|_| self.connection.is_none())?;
        self.conduct.silent_end_ms().map(|wait| since.plus_millis(wait))
    }

    /// A lower, a value issued again, or a renewal: all of them leave the ceiling where it is. Raises are shared out by the site.
    fn next_grant(&mut self, now: Timestamp, slot: Slot, account: &Account) -> Option<Change> {
        if self.call.is_some() || !self.is_steered() || self.doubt == Doubt::Unread {
            return None;
        }
        let (held, wanted) = (account.held(), self.wanted(account));
        let again = self.back_off.is_over(now);
        let unsure = self.doubt == Doubt::Unissued || self.is_unanswered(account);
        let due = self.renewal_at(account).is_some_and(|at| now >= at) || self.ends_too_late(now, account);
        if wanted < held || (again && (due || (unsure && account.newest().is_some()))) {
            return self.proposal(now, slot, account, wanted.min(held));
        }
        None
    }

    /// The newest grant is on nobody's way any more and was not accepted.
    fn is_unanswered(&self, account: &Account) -> bool {
        let accepted = |seq| self.guards.iter().any(|guard| guard.seq == seq);
        account.newest().is_some_and(|grant| grant.state == GrantState::Open && !accepted(grant.seq))
    }

    /// Grants above the fallback are renewed at a third of their life; the rest has no end.
    fn renewal_at(&self, account: &Account) -> Option<Timestamp> {
        let end = account.newest()?.valid_to?;
        Some(end.plus_millis((self.conduct.ttl_ms - self.conduct.ttl_ms / 3).saturating_neg()))
    }

    /// It would end later than any grant that is given now: our clock was put back since. Where the station's was not, its end comes before its
    /// renewal would.
    fn ends_too_late(&self, now: Timestamp, account: &Account) -> bool {
        let end = account.newest().and_then(|grant| grant.valid_to);
        end.is_some_and(|end| end.millis_since(now) > self.conduct.ttl_ms.saturating_add(MARGIN_MS))
    }

    pub(super) fn proposal(
        &self,
        now: Timestamp,
        slot: Slot,
        account: &Account,
        limit: Milliamps,
    ) -> Option<Change> {
        let connection = self.connection?;
        let ends = matches!(account.fallback, Fallback::Confirmed(fallback) if limit > fallback);
        Some(Change::Open(Proposal {
            slot,
            after: account.seq,
            limit,
            valid_to: ends.then(|| now.plus_millis(self.conduct.ttl_ms)),
            connection,
            transaction: self.transaction.clone(),
        }))
    }

    fn next_call(&mut self, now: Timestamp, slot: Slot, account: &Account, pace: &Pace) -> Option<Effect> {
        self.connection?;
        let again = self.back_off.is_over(now);
        if again && (self.fallback_unread || (self.doubt == Doubt::Unread && account.newest().is_some())) {
            self.call = Some(Call::ReadBack);
            return Some(Effect::ReadBack { slot });
        }
        let in_doubt = self.fallback_lost || self.fallback_unsure;
        let is_opening = account.opening.is_some();
        let confirmed = account.fallback == Fallback::Confirmed(self.fallback) && !in_doubt && !is_opening;
        let is_known = confirmed || self.fallback_guard.is_some() || self.fallback_unread;
        if !is_known && self.fallback_back_off.is_over(now) {
            return self.install_fallback(now, slot, account, pace);
        }
        if again && self.is_over(account) && self.release.is_none() {
            // G6: the answer proves that everything sent before was handled. Without it nothing does: nobody here knows when the
            // transaction ended, a station can tell of it minutes later, and what it accepted before may have come into force between.
            self.call = Some(Call::Clear(account.seq));
            return Some(Effect::Clear { slot, through: account.seq });
        }
        None
    }

    /// A fallback above what counts without a grant is asked for in the ledger first: a grant above it can end before it is in force.
    fn install_fallback(
        &mut self,
        now: Timestamp,
        slot: Slot,
        account: &Account,
        pace: &Pace,
    ) -> Option<Effect> {
        let value = self.fallback;
        if value > account.floor() {
            self.fallback_back_off.until = Some(now.plus_millis(pace.retry_ms));
            self.writing = true;
            return Some(Effect::Write { slot, change: Change::OpenFallback { slot, value } });
        }
        self.call = Some(Call::Fallback(value));
        Some(Effect::InstallFallback { slot, value })
    }

    /// All that is open belongs to transactions that are over.
    fn is_over(&self, account: &Account) -> bool {
        let over = |transaction: &Option<TransactionId>| {
            transaction.as_ref().is_some_and(|transaction| self.ended.contains(transaction))
        };
        let all = account.grants.iter().all(|grant| over(&grant.transaction));
        self.transaction.is_none() && !account.grants.is_empty() && all
    }

    pub(super) fn next_deadline(&self, now: Timestamp, account: &Account, pace: &Pace) -> Option<Timestamp> {
        let guards = self.guards.iter().map(|guard| guard.over_at);
        let held = account.newest().is_some();
        let release = self.release.map(|(_, at)| at).filter(|_| held);
        let fallback = self.fallback_guard.map(|(_, at)| at);
        let renewal = self.renewal_at(account).filter(|_| self.is_steered());
        let silent = self.silent_end_at().filter(|_| held);
        let margin = self.conduct.end_margin_ms();
        let ends = account.grants.iter().filter_map(|grant| grant.valid_to);
        let decays = ends.filter_map(|end| Some(end.plus_millis(margin?.saturating_add(1))));
        let pace = self.raised_at.map(|at| at.plus_millis(pace.raise_every_ms));
        let retries = [self.back_off.until, self.fallback_back_off.until];
        let single = [release, fallback, renewal, silent, pace];
        let all = guards.chain(decays).chain(single.into_iter().chain(retries).flatten());
        all.filter(|at| *at > now).min()
    }

    pub(super) fn name_unreachable(&mut self, slot: Slot, account: &Account, over: bool) -> Option<Effect> {
        let ceiling = account.ceiling();
        let stuck = over && self.connection.is_none() && ceiling > account.floor();
        let news = stuck && !self.named;
        self.named = stuck;
        let ends = account.grants.iter().map(|grant| grant.valid_to);
        let last = ends.collect::<Option<Vec<_>>>().and_then(|ends| ends.into_iter().max());
        let by_end = self.conduct.end_margin_ms().and_then(|margin| Some(last?.plus_millis(margin)));
        let decays_at = match (by_end, self.silent_end_at()) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (one, other) => one.or(other),
        };
        news.then_some(Effect::Alarm(Alarm::Unreachable { slot, ceiling, decays_at }))
    }
}
