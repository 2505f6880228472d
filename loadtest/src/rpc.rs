//! What a station has to say and what it waits for: one outstanding CALL, two lanes, repeats as the specification wants.
//!
//! The durable lane holds transaction messages: they survive a lost connection, keep their order, and are sent again
//! after a time-out or a CALLERROR (OCPP 1.6 section 3.7; 2.0.1 E13). The other lane holds the rest, which may overtake.
//! Stands between the station's decisions and the frames; pure, time is passed in.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use crate::tally::SessionRecord;
use crate::unit::Moment;

/// Transaction messages a station keeps; at the bound the oldest meter reading goes, or the new message if there is none.
pub(crate) const DURABLE_MAX: usize = 1_000;
/// Other messages a station keeps; at the bound the oldest goes.
pub(crate) const PASSING_MAX: usize = 256;

/// Why a CALL was made: what its answer means to the station.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Purpose {
    Boot,
    Heartbeat,
    Status,
    Authorize {
        evse: u32,
    },
    /// The first message of transaction `serial`.
    Started {
        evse: u32,
        serial: u64,
    },
    /// A reading or a change of transaction `serial`.
    Updated {
        evse: u32,
        serial: u64,
        reading: bool,
    },
    /// The last message of transaction `serial`, with the truth about the whole of it.
    Ended {
        serial: u64,
        record: Box<SessionRecord>,
    },
    /// Anything whose answer carries nothing.
    Notice,
}

/// A CALL before or while it is out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outgoing {
    pub(crate) action: &'static str,
    pub(crate) payload: Value,
    pub(crate) purpose: Purpose,
    /// When it should have been sent, where a schedule says so; latency counts from here.
    pub(crate) due: Option<Moment>,
    /// Allowed before the CSMS accepted the station: a boot message, or one the CSMS triggered in Pending.
    pub(crate) before_accepted: bool,
    order: u64,
    /// Failed and running attempts; a connection lost in between does not count.
    attempts: u32,
    sent_before: bool,
    id: Option<String>,
}

/// A CALL waiting for its answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OpenCall {
    pub(crate) id: String,
    pub(crate) call: Outgoing,
    pub(crate) sent_at: Moment,
    /// It was sent before and had no answer.
    pub(crate) repeated: bool,
    timeout_at: Moment,
}

/// Which messages may go out now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// No connection.
    Shut,
    /// Connected, not accepted yet.
    BootOnly,
    /// Accepted.
    Open,
}

/// How failed transaction messages are repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Repeats {
    /// Attempts in all, 1 or more.
    pub(crate) attempts: u32,
    /// The wait after attempt k is k times this.
    pub(crate) interval: Duration,
    /// OCPP 2.1 lets a repeat carry the id of the first attempt (part 4, 4.1.4).
    pub(crate) same_id: bool,
    /// Of a transaction the newest message goes first (2.x, where events may arrive in any order).
    pub(crate) newest_first: bool,
}

/// The lanes and the open CALL of one station.
#[derive(Debug, Default)]
pub(crate) struct Rpc {
    durable: VecDeque<Outgoing>,
    passing: VecDeque<Outgoing>,
    open: Option<Box<OpenCall>>,
    held_until: Option<Moment>,
    next_order: u64,
}

// === impl Purpose ===

impl Purpose {
    pub(crate) fn is_durable(&self) -> bool {
        match self {
            Self::Started { .. } | Self::Updated { .. } | Self::Ended { .. } => true,
            Self::Boot | Self::Heartbeat | Self::Status | Self::Authorize { .. } | Self::Notice => false,
        }
    }

    /// The transaction a message belongs to.
    pub(crate) fn transaction(&self) -> Option<u64> {
        match self {
            Self::Started { serial, .. } | Self::Updated { serial, .. } | Self::Ended { serial, .. } => {
                Some(*serial)
            }
            Self::Boot | Self::Heartbeat | Self::Status | Self::Authorize { .. } | Self::Notice => None,
        }
    }
}

// === impl Outgoing ===

impl Outgoing {
    pub(crate) fn new(action: &'static str, payload: Value, purpose: Purpose) -> Self {
        Self {
            action,
            payload,
            purpose,
            due: None,
            before_accepted: false,
            order: 0,
            attempts: 0,
            sent_before: false,
            id: None,
        }
    }

    pub(crate) fn due(mut self, due: Option<Moment>) -> Self {
        self.due = due;
        self
    }

    pub(crate) fn even_before_accepted(mut self) -> Self {
        self.before_accepted = true;
        self
    }
}

// === impl Rpc ===

impl Rpc {
    /// Takes a message into its lane. Returns the message that had to go because the lane was full.
    pub(crate) fn push(&mut self, mut call: Outgoing) -> Option<Outgoing> {
        call.order = self.next_order;
        self.next_order += 1;
        if call.purpose.is_durable() {
            let lost = if self.durable.len() < DURABLE_MAX {
                None
            } else if let Some(place) = self.durable.iter().position(|waiting| is_reading(&waiting.purpose)) {
                self.durable.remove(place)
            } else {
                return Some(call);
            };
            self.durable.push_back(call);
            lost
        } else {
            let lost = if self.passing.len() < PASSING_MAX { None } else { self.passing.pop_front() };
            self.passing.push_back(call);
            lost
        }
    }

    /// Makes the next message the open CALL, if there is one and nothing is open; it is to be sent at once.
    pub(crate) fn open_next(
        &mut self,
        now: Moment,
        gate: Gate,
        timeout: Duration,
        repeats: Repeats,
    ) -> Option<&mut OpenCall> {
        if self.open.is_some() || gate == Gate::Shut {
            return None;
        }
        if self.held_until.is_some_and(|until| until <= now) {
            self.held_until = None;
        }
        let mut call = match gate {
            Gate::Shut => return None,
            Gate::BootOnly => {
                let place = self.passing.iter().position(|waiting| waiting.before_accepted)?;
                self.passing.remove(place)?
            }
            Gate::Open => {
                let place = self.next_durable(repeats.newest_first).filter(|_| self.held_until.is_none());
                let durable = place.and_then(|place| self.durable.get(place)).map(|call| call.order);
                let passing = self.passing.front().map(|call| call.order);
                match (durable, passing) {
                    (None, None) => return None,
                    (Some(durable), Some(passing)) if passing < durable => self.passing.pop_front()?,
                    (None, Some(_)) => self.passing.pop_front()?,
                    (Some(_), _) => self.durable.remove(place?)?,
                }
            }
        };
        let kept_id = if repeats.same_id { call.id.take() } else { None };
        let id = kept_id.unwrap_or_else(|| Uuid::new_v4().to_string());
        call.id = Some(id.clone());
        call.attempts += 1;
        let repeated = std::mem::replace(&mut call.sent_before, true);
        self.open =
            Some(Box::new(OpenCall { id, call, sent_at: now, repeated, timeout_at: now.plus(timeout) }));
        self.open.as_deref_mut()
    }

    /// The message that is next in the durable lane: the oldest, or the newest of the oldest one's transaction.
    fn next_durable(&self, newest_first: bool) -> Option<usize> {
        let serial = self.durable.front()?.purpose.transaction();
        let newest = || self.durable.iter().rposition(|call| call.purpose.transaction() == serial);
        if newest_first { newest() } else { Some(0) }
    }

    /// Takes the open CALL when `id` is its id; anything else is late or foreign.
    pub(crate) fn close(&mut self, id: &str) -> Option<OpenCall> {
        self.open.take_if(|open| open.id == id).map(|open| *open)
    }

    /// Takes the open CALL when its answer did not come in time.
    pub(crate) fn expire(&mut self, now: Moment) -> Option<OpenCall> {
        self.open.take_if(|open| open.timeout_at <= now).map(|open| *open)
    }

    /// Puts a failed transaction message back for its next attempt, or returns it when there is none left.
    pub(crate) fn repeat(&mut self, failed: OpenCall, now: Moment, repeats: Repeats) -> Option<Outgoing> {
        let call = failed.call;
        if call.attempts >= repeats.attempts {
            return Some(call);
        }
        self.held_until = Some(now.plus(repeats.interval * call.attempts));
        self.durable.push_front(call);
        None
    }

    /// The connection is gone: transaction messages stay, first of all the one that was out; the rest is returned.
    pub(crate) fn lose_connection(&mut self) -> Vec<Outgoing> {
        let mut lost: Vec<Outgoing> = Vec::new();
        self.held_until = None;
        if let Some(open) = self.open.take() {
            let mut call = open.call;
            if call.purpose.is_durable() {
                call.attempts = call.attempts.saturating_sub(1);
                call.due = None;
                self.durable.push_front(call);
            } else {
                lost.push(call);
            }
        }
        lost.extend(self.passing.drain(..));
        lost
    }

    /// Takes every transaction message that was not answered, out or waiting: the run is over.
    pub(crate) fn abandon(&mut self) -> Vec<Outgoing> {
        let open = self.open.take().map(|open| open.call).filter(|call| call.purpose.is_durable());
        open.into_iter().chain(self.durable.drain(..)).collect()
    }

    /// Nothing is out and nothing waits.
    pub(crate) fn is_idle(&self) -> bool {
        self.open.is_none() && self.durable.is_empty() && self.passing.is_empty()
    }

    /// Messages of a transaction, or of any, that have not been answered yet.
    pub(crate) fn has_transaction(&self, serial: Option<u64>) -> bool {
        let open = self.open.iter().map(|open| &open.call);
        open.chain(self.durable.iter()).any(|call| {
            call.purpose.is_durable() && (serial.is_none() || call.purpose.transaction() == serial)
        })
    }

    /// Transaction messages that wait or are out.
    pub(crate) fn durable_len(&self) -> usize {
        self.durable.len()
            + usize::from(self.open.as_ref().is_some_and(|open| open.call.purpose.is_durable()))
    }

    /// A message of the kind is out or waiting, so that a second one would say nothing new.
    pub(crate) fn has(&self, purpose: &Purpose) -> bool {
        self.open.as_ref().is_some_and(|open| open.call.purpose == *purpose)
            || self.passing.iter().any(|call| call.purpose == *purpose)
    }

    /// When time alone changes something here.
    pub(crate) fn next_deadline(&self) -> Option<Moment> {
        match &self.open {
            Some(open) => Some(open.timeout_at),
            None => self.held_until.filter(|_| !self.durable.is_empty()),
        }
    }
}

fn is_reading(purpose: &Purpose) -> bool {
    matches!(purpose, Purpose::Updated { reading: true, .. })
}

#[cfg(test)]
mod tests;
