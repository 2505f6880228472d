//! What an EVSE's inputs change in what its owner knows.

use crate::id::{Epoch, GrantSeq, TransactionId};
use crate::load::ledger::Slot;
use crate::load::ledger::account::{Account, Fallback, Grant, GrantState, OPEN_MAX};
use crate::load::ledger::steering::Pace;
use crate::load::ledger::steering::back_off::BackOff;
use crate::load::ledger::steering::input::{Alarm, Arrival, Effect, EvseInput};
use crate::load::ledger::steering::seat::{Call, Doubt, ENDED_MAX, Guard, Sample, Seat};
use crate::time::Timestamp;
use crate::unit::Milliamps;

/// A car is above its limit, and was above it, by at least so much.
const CLEARLY: Milliamps = Milliamps(1_000);
/// The longest time from such a sample to the limit, milliseconds.
const RECENT_MS: i64 = 60_000;
/// So many refusals in a row are told to a human.
const REFUSALS_TOLD: u8 = 3;

impl Seat {
    pub(super) fn hear(
        &mut self,
        now: Timestamp,
        slot: Slot,
        input: EvseInput,
        account: Option<&Account>,
        pace: &Pace,
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        match input {
            EvseInput::Habits(conduct) => self.conduct = conduct,
            EvseInput::Connected { connection, arrival } => {
                self.on_connected(connection, arrival, account);
            }
            EvseInput::Disconnected { connection } => self.on_disconnected(now, connection),
            EvseInput::Started(transaction) => self.on_started(transaction, account),
            EvseInput::Ended(transaction) => self.on_ended(transaction),
            EvseInput::Accepted(seq) => self.on_accepted(now, seq, account),
            EvseInput::Rejected(seq) => effects.extend(self.on_rejected(now, slot, seq, pace)),
            EvseInput::TimedOut(seq) | EvseInput::Fenced(seq) => self.on_unanswered(now, seq, pace),
            EvseInput::ReadBack { grant, fallback } => {
                effects.extend(self.on_read_back(now, slot, grant, fallback, account));
            }
            EvseInput::Cleared => self.on_cleared(now),
            EvseInput::FallbackAccepted => self.on_fallback_accepted(now),
            EvseInput::FallbackRejected => effects.extend(self.on_fallback_rejected(now, slot, pace)),
            EvseInput::CallFailed => effects.extend(self.on_other_failed(now, slot, pace)),
            EvseInput::Measured { least, most, taken_at } => {
                let sample = Sample { least, most, taken_at: taken_at.min(now) };
                effects.extend(self.on_measured(slot, sample, account, pace));
            }
            EvseInput::Asked => self.on_asked(account),
            EvseInput::Mended => self.on_mended(),
        }
        effects
    }

    /// A ledger read anew: whatever was being written is in it or is not.
    pub(super) fn on_loaded(&mut self, now: Timestamp, account: &Account) {
        self.fell_at = Some(now);
        self.writing = false;
        self.proposed = Milliamps::ZERO;
        let known = account.newest().is_none_or(|grant| self.guards.iter().any(|g| g.seq >= grant.seq));
        let sure = known || (account.grants.len() == 1 && account.newest().is_some_and(is_accepted));
        if !sure && self.doubt == Doubt::None {
            self.doubt = Doubt::Unissued;
        }
    }

    pub(super) fn on_written(
        &mut self,
        slot: Slot,
        account: &Account,
        opened: Option<Grant>,
    ) -> Option<Effect> {
        self.writing = false;
        self.proposed = Milliamps::ZERO;
        let oldest = account.grants.first();
        self.guards.retain(|guard| oldest.is_some_and(|oldest| guard.seq >= oldest.seq));
        // The connection or the transaction changed while the store wrote: the grant stays open and another one takes its place.
        let grant =
            opened.filter(|grant| self.connection == Some(grant.connection) && self.call.is_none())?;
        self.call = Some(Call::Grant(grant.seq));
        Some(Effect::Send { slot, grant })
    }

    fn on_connected(&mut self, connection: Epoch, arrival: Arrival, account: Option<&Account>) {
        if self.connection.is_some_and(|present| present >= connection) {
            return;
        }
        self.connection = Some(connection);
        self.silent_since = None;
        self.call = None;
        self.answered = GrantSeq(0);
        (self.back_off, self.fallback_back_off) = (BackOff::default(), BackOff::default());
        let open = account.is_none_or(|account| account.newest().is_some());
        match arrival {
            Arrival::Found => {}
            Arrival::Reconnected => self.doubt = if open { Doubt::Unread } else { Doubt::None },
            Arrival::Booted => {
                self.doubt = if open { Doubt::Unread } else { Doubt::None };
                (self.fallback_unread, self.fallback_unsure) = (true, false);
                // What it accepted and had not yet in force may be lost.
                self.fallback_guard = None;
                self.guards.clear();
            }
        }
    }

    fn on_disconnected(&mut self, now: Timestamp, connection: Epoch) {
        if self.connection == Some(connection) {
            self.connection = None;
            self.silent_since = Some(now);
            self.call = None;
            self.sample = None;
        }
    }

    /// What is open belongs to a transaction before: it does not hold for this one, unless the station is careless.
    fn on_started(&mut self, transaction: TransactionId, account: Option<&Account>) {
        if self.transaction.as_ref() == Some(&transaction) {
            return;
        }
        self.release = None;
        self.target = None;
        let foreign = |grant: &Grant| grant.transaction.as_ref() != Some(&transaction);
        let open = account.is_some_and(|account| account.newest().is_some_and(foreign));
        if open && self.doubt == Doubt::None {
            self.doubt = Doubt::Unissued;
        }
        self.transaction = Some(transaction);
        self.forget_samples();
    }

    /// Another car: what the one before drew proves nothing about this one (G5).
    fn forget_samples(&mut self) {
        self.sample = None;
        for guard in &mut self.guards {
            guard.was_above = false;
            guard.low_samples = 0;
        }
    }

    fn on_ended(&mut self, transaction: TransactionId) {
        if self.transaction.as_ref() == Some(&transaction) {
            self.transaction = None;
            self.target = None;
            self.forget_samples();
        }
        if !self.ended.contains(&transaction) {
            if self.ended.len() >= ENDED_MAX {
                self.ended.remove(0);
            }
            self.ended.push(transaction);
        }
    }

    /// The guard starts. Only an answer to the call in flight counts: a late answer of an old connection proves nothing here.
    fn on_accepted(&mut self, now: Timestamp, seq: GrantSeq, account: Option<&Account>) {
        if self.call != Some(Call::Grant(seq)) {
            return;
        }
        self.call = None;
        self.back_off = BackOff::default();
        self.answered = self.answered.max(seq);
        self.doubt = Doubt::None;
        let limit = account.and_then(|account| account.grants.iter().find(|grant| grant.seq == seq));
        if let Some(grant) = limit {
            self.start_guard(now, seq, grant.limit, account);
        }
    }

    fn start_guard(&mut self, now: Timestamp, seq: GrantSeq, limit: Milliamps, account: Option<&Account>) {
        // Something older may still come into force: low samples would prove that one, and then it rises again. An owner that saw no
        // guard end knows nothing.
        let in_force = |old: &Grant| {
            let known = self.guards.iter().filter(|guard| guard.seq < seq);
            known.clone().any(|guard| guard.seq >= old.seq) && known.clone().all(|guard| now >= guard.over_at)
        };
        let older = |account: &Account| account.grants.iter().filter(|grant| grant.seq < seq).all(in_force);
        let settled = account.is_some_and(older);
        let is_above = |sample: Sample| {
            sample.least >= limit.plus(CLEARLY) && now.millis_since(sample.taken_at) <= RECENT_MS
        };
        let was_above = settled && self.sample.is_some_and(is_above);
        let over_at = now.plus_millis(self.conduct.guard_ms);
        self.guards.retain(|guard| guard.seq < seq);
        if self.guards.len() >= OPEN_MAX {
            self.guards.remove(0);
        }
        self.guards.push(Guard { seq, limit, from: now, over_at, was_above, low_samples: 0 });
    }

    fn on_rejected(&mut self, now: Timestamp, slot: Slot, seq: GrantSeq, pace: &Pace) -> Option<Effect> {
        if self.call != Some(Call::Grant(seq)) {
            return None;
        }
        self.answered = self.answered.max(seq);
        self.on_call_failed(now, pace);
        (self.back_off.failures == REFUSALS_TOLD).then_some(Effect::Alarm(Alarm::Refusing { slot }))
    }

    fn on_unanswered(&mut self, now: Timestamp, seq: GrantSeq, pace: &Pace) {
        if self.call == Some(Call::Grant(seq)) {
            self.on_call_failed(now, pace);
        }
    }

    fn on_call_failed(&mut self, now: Timestamp, pace: &Pace) {
        match self.call.take() {
            Some(Call::Fallback(_)) => self.fallback_back_off.fail(now, pace),
            // A station that cannot tell what it has is told again instead.
            Some(Call::ReadBack) => {
                self.doubt = if self.doubt == Doubt::Unread { Doubt::Unissued } else { self.doubt };
                if std::mem::take(&mut self.fallback_unread) {
                    self.fallback_unsure = true;
                    self.fallback_back_off.failures = self.fallback_back_off.failures.saturating_add(1);
                }
            }
            Some(Call::Grant(_) | Call::Clear(_)) | None => self.back_off.fail(now, pace),
        }
        // What can neither be read nor installed after a boot may be lost: the rated current counts until it is accepted.
        if self.fallback_unsure && self.fallback_back_off.failures >= REFUSALS_TOLD {
            (self.fallback_unsure, self.fallback_lost) = (false, true);
        }
    }

    fn on_fallback_rejected(&mut self, now: Timestamp, slot: Slot, pace: &Pace) -> Vec<Effect> {
        if !matches!(self.call, Some(Call::Fallback(_))) {
            return Vec::new();
        }
        let mut alarms = Vec::from_iter(self.on_other_failed(now, slot, pace));
        if self.fallback_back_off.failures == REFUSALS_TOLD {
            alarms.push(Effect::Alarm(Alarm::Refusing { slot }));
        }
        alarms
    }

    fn on_other_failed(&mut self, now: Timestamp, slot: Slot, pace: &Pace) -> Option<Effect> {
        let was_lost = self.fallback_lost;
        self.on_call_failed(now, pace);
        (self.fallback_lost && !was_lost).then_some(Effect::Alarm(Alarm::FallbackLost { slot }))
    }

    fn on_read_back(
        &mut self,
        now: Timestamp,
        slot: Slot,
        grant: Option<(Milliamps, Timestamp)>,
        fallback: Option<Milliamps>,
        account: Option<&Account>,
    ) -> Option<Effect> {
        if self.call != Some(Call::ReadBack) {
            return None;
        }
        self.call = None;
        self.back_off = BackOff::default();
        let newest = account.and_then(Account::newest);
        if self.doubt == Doubt::Unread {
            match newest {
                Some(newest) if newest.valid_to.is_some_and(|end| grant == Some((newest.limit, end))) => {
                    self.doubt = Doubt::None;
                    self.answered = self.answered.max(newest.seq);
                    self.start_guard(now, newest.seq, newest.limit, account);
                }
                Some(_) => self.doubt = Doubt::Unissued,
                None => self.doubt = Doubt::None,
            }
        }
        let unread = std::mem::take(&mut self.fallback_unread);
        let promised = account.map(|account| account.fallback);
        let lost = matches!(promised, Some(Fallback::Confirmed(value)) if fallback != Some(value));
        if unread && lost {
            self.fallback_lost = true;
            self.fallback_guard = None;
            return Some(Effect::Alarm(Alarm::FallbackLost { slot }));
        }
        None
    }

    fn on_cleared(&mut self, now: Timestamp) {
        if let Some(Call::Clear(through)) = self.call {
            self.call = None;
            self.back_off = BackOff::default();
            self.answered = self.answered.max(through);
            if self.transaction.is_none() {
                self.release = Some((through, now.plus_millis(self.conduct.guard_ms)));
            }
        }
    }

    fn on_fallback_accepted(&mut self, now: Timestamp) {
        if let Some(Call::Fallback(value)) = self.call {
            self.call = None;
            self.fallback_back_off = BackOff::default();
            (self.fallback_lost, self.fallback_unsure) = (false, false);
            self.fallback_guard = Some((value, now.plus_millis(self.conduct.guard_ms)));
        }
    }

    /// What a sample proves, it proves of the moment it was taken.
    fn on_measured(
        &mut self,
        slot: Slot,
        sample: Sample,
        account: Option<&Account>,
        pace: &Pace,
    ) -> Option<Effect> {
        let Sample { least, most, taken_at } = sample;
        if self.sample.is_some_and(|last| taken_at <= last.taken_at) {
            return None;
        }
        self.sample = Some(sample);
        for guard in self.guards.iter_mut().filter(|guard| guard.from < taken_at && taken_at < guard.over_at)
        {
            guard.low_samples = if most <= guard.limit { guard.low_samples.saturating_add(1) } else { 0 };
            if pace.early_close && guard.was_above && guard.low_samples >= 2 {
                guard.over_at = taken_at;
            }
        }
        if self.fell_at.is_some_and(|fell_at| taken_at <= fell_at) {
            return None;
        }
        let ceiling = account?.ceiling();
        let tolerated = ceiling.plus(Milliamps(ceiling.0 / 20).max(CLEARLY));
        self.over_samples = if least > tolerated { self.over_samples.saturating_add(1) } else { 0 };
        let news = self.over_samples >= 2 && self.deaf != Some(true) && !account?.deaf;
        if news {
            self.deaf = Some(true);
        }
        news.then_some(Effect::Alarm(Alarm::Deaf { slot, measured: least, ceiling }))
    }

    fn on_asked(&mut self, account: Option<&Account>) {
        let is_open = account.is_some_and(|account| account.newest().is_some());
        if is_open && self.doubt == Doubt::None {
            self.doubt = Doubt::Unissued;
        }
    }

    const fn on_mended(&mut self) {
        self.deaf = Some(false);
        self.over_samples = 0;
        self.named = false;
    }
}

const fn is_accepted(grant: &Grant) -> bool {
    matches!(grant.state, GrantState::Accepted)
}
