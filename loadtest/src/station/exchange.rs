//! The exchange of messages: what goes out when, and what an answer, a refusal or silence means.
//!
//! Stands between `rpc` and the concerns of a station. Every input ends in [`Station::settle`]: changed statuses are reported,
//! then the next CALL goes out if none is open.

use serde_json::Value;

use crate::frame::{self, Fault, FaultCode};
use crate::rpc::{Gate, OpenCall, Outgoing, Purpose, Repeats};
use crate::settings::Settings;
use crate::station::evse::Grant;
use crate::station::{Family, Registration, Station, Version, v2, v16};
use crate::tally::{Count, Timed};
use crate::unit::Moment;

impl Station {
    pub(super) fn repeats(&self) -> Repeats {
        Repeats {
            attempts: self.settings.retry_attempts,
            interval: Settings::seconds(self.settings.retry_interval_s),
            same_id: self.settings.same_id_retries && self.make.version == Version::V21,
            newest_first: self.settings.newest_first && self.family() == Family::V2,
        }
    }

    pub(super) fn say(&mut self, call: Outgoing) {
        if let Some(lost) = self.rpc.push(call) {
            if lost.purpose.is_durable() {
                self.count_discarded(lost.action);
            } else {
                self.tally.count(Count::Dropped);
            }
            self.on_given_up(lost.purpose);
        }
    }

    pub(super) fn gate(&self) -> Gate {
        match (self.link.up, self.registration) {
            (false, _) => Gate::Shut,
            (true, Registration::Accepted) => Gate::Open,
            (true, Registration::Unknown | Registration::Pending | Registration::Rejected) => Gate::BootOnly,
        }
    }

    /// After every input: report what changed, then send what may be sent.
    pub(super) fn settle(&mut self, now: Moment) {
        self.tell_draws(now);
        if self.is_online() {
            self.report_statuses(now);
        }
        let timeout = Settings::seconds(self.settings.message_timeout_s);
        let (gate, repeats) = (self.gate(), self.repeats());
        if let Some(open) = self.rpc.open_next(now, gate, timeout, repeats) {
            if let Some(serial) = open.call.purpose.transaction() {
                v16::reports::fill_number(&mut open.call, serial, &self.numbers);
            }
            self.tally.count(Count::Sent);
            if open.repeated {
                self.tally.count(Count::Repeated);
            }
            if let (Some(witness), true) = (self.tally.witness(), open.call.purpose.is_durable()) {
                witness.sending();
            }
            self.frames.push_back(frame::call(&open.id, open.call.action, &open.call.payload));
        }
    }

    pub(super) fn on_result(&mut self, now: Moment, open: OpenCall, payload: &Value) {
        self.link.proven = true;
        self.tally.count(Count::Answered);
        let service = now.since(open.sent_at);
        let intended = open.call.due.map_or(service, |due| now.since(due));
        self.tally.answered(timed(&open.call.purpose), service, intended);
        if let (Some(witness), true) = (self.tally.witness(), open.call.purpose.is_durable()) {
            witness.acknowledged(&self.id, open.call.action, &open.call.payload, payload);
        }
        match self.family() {
            Family::V16 => v16::answers::read(self, now, open.call.purpose, payload),
            Family::V2 => v2::answers::read(self, now, open.call.purpose, payload),
        }
    }

    fn count_discarded(&self, action: &'static str) {
        self.tally.count(Count::Discarded);
        if let Some(witness) = self.tally.witness() {
            witness.discarded(&self.id, action);
        }
    }

    pub(super) fn on_failure(&mut self, now: Moment, open: OpenCall, failure: Failure) {
        match &open.call.purpose {
            Purpose::Boot => self.boot_failed(now),
            Purpose::Authorize { evse } => self.authorization_answered(now, *evse, false),
            Purpose::Started { .. } | Purpose::Updated { .. } | Purpose::Ended { .. } => {
                tracing::debug!(station.id = %self.id, action = open.call.action, ?failure, "attempt failed");
                let repeats = self.repeats();
                if let Some(given_up) = self.rpc.repeat(open, now, repeats) {
                    self.count_discarded(given_up.action);
                    self.on_given_up(given_up.purpose);
                }
            }
            Purpose::Heartbeat | Purpose::Status | Purpose::Notice => {}
        }
    }

    pub(super) fn on_call(&mut self, now: Moment, id: &str, action: &str, payload: &Value) {
        if let Some(witness) = self.tally.witness() {
            witness.links().ordered(id);
        }
        let answer = if matches!(self.registration, Registration::Rejected | Registration::Unknown) {
            // 2.0.1 B03: a station that was not taken in obeys nobody.
            Err(Fault::new(FaultCode::Security, "not accepted by the CSMS"))
        } else {
            match self.family() {
                Family::V16 => v16::commands::obey(self, now, action, payload),
                Family::V2 => v2::commands::obey(self, now, action, payload),
            }
        };
        let family = self.family();
        self.frames.push_back(match answer {
            Ok(answer) => {
                self.tally.count(Count::Obeyed);
                frame::result(id, &answer)
            }
            Err(fault) => {
                self.tally.count(Count::Declined);
                frame::error(Some(id), &fault, family)
            }
        });
    }

    /// A message that no longer will be sent: what depended on it has to know.
    pub(super) fn on_given_up(&mut self, purpose: Purpose) {
        match purpose {
            // Only 1.6 waits for a number; a 2.x transaction keeps its own id, whatever became of its start.
            Purpose::Started { serial, .. } if self.family() == Family::V16 => {
                self.numbers.push((serial, None))
            }
            Purpose::Ended { serial, record } => self.settle_record(serial, *record, false),
            Purpose::Authorize { evse } => {
                if let Some(evse) = self.evse_mut(evse) {
                    evse.grant = Grant::Refused;
                }
            }
            Purpose::Status => self.forget_reported(),
            Purpose::Started { .. }
            | Purpose::Updated { .. }
            | Purpose::Boot
            | Purpose::Heartbeat
            | Purpose::Notice => {}
        }
    }

    /// The connection went away under a message that does not wait for the next one.
    pub(super) fn on_lost(&mut self, now: Moment, purpose: &Purpose) {
        match purpose {
            Purpose::Authorize { evse } => self.authorize_offline(now, *evse),
            Purpose::Status => self.forget_reported(),
            Purpose::Boot
            | Purpose::Heartbeat
            | Purpose::Notice
            | Purpose::Started { .. }
            | Purpose::Updated { .. }
            | Purpose::Ended { .. } => {}
        }
    }
}

/// Why an attempt came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    Refused,
    Silent,
}

fn timed(purpose: &Purpose) -> Timed {
    match purpose {
        Purpose::Boot => Timed::Boot,
        Purpose::Heartbeat => Timed::Heartbeat,
        Purpose::Authorize { .. } => Timed::Authorize,
        Purpose::Started { .. } | Purpose::Updated { .. } | Purpose::Ended { .. } => Timed::Transaction,
        Purpose::Status | Purpose::Notice => Timed::Other,
    }
}
