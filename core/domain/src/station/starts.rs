//! Starts that were ordered and accepted: a transaction follows, or somebody is told that none did (reliability F27).

use std::collections::BTreeMap;

use super::StationState;
use crate::event::DomainEvent;
use crate::id::EvseId;
use crate::outcome::Outcome;
use crate::report::{TransactionPhase, TransactionReport};
use crate::time::Timestamp;
use crate::token::IdToken;

/// The most that are waited for at a time; what is ordered beyond is not watched.
const MAX_EXPECTED: usize = 64;

/// A start that is ordered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedStart {
    /// Our number for it, which 2.x stations echo.
    pub remote_start_id: i32,
    /// Where; `None`: the station chooses.
    pub evse: Option<EvseId>,
    /// For whom.
    pub token: IdToken,
}

/// Starts by their number.
pub(super) type Expected = BTreeMap<i32, Waiting>;

/// A start that was ordered.
#[derive(Debug)]
pub(super) struct Waiting {
    /// When it is given up; `None`: the station has not agreed to it yet.
    pub(super) due: Option<Timestamp>,
    start: ExpectedStart,
}

// === impl StationState ===

impl StationState {
    /// From the order on: a transaction can begin before the station's answer to it is here.
    pub(super) fn expect_start(&mut self, start: ExpectedStart) {
        if self.expected.len() < MAX_EXPECTED {
            let start = ExpectedStart { evse: start.evse.filter(|evse| evse.0 > 0), ..start };
            self.expected.insert(start.remote_start_id, Waiting { due: None, start });
        }
    }

    /// The station agreed, or the order ended in another way: then nobody waits.
    pub(super) fn start_ended(&mut self, now: Timestamp, remote_start_id: i32, is_accepted: bool) {
        if !is_accepted {
            self.expected.remove(&remote_start_id);
        } else if let Some(waiting) = self.expected.get_mut(&remote_start_id) {
            waiting.due = Some(now.plus_secs(i64::from(self.policy.start_timeout_s)));
        }
    }

    /// The number of the order that a transaction follows; `None`: of none, as far as we know. A 1.6 station does not say it: there the
    /// order is the one for that token and place which the station accepted first.
    pub(super) fn note_start(&mut self, report: &TransactionReport) -> Option<i32> {
        if let Some(id) = report.remote_start_id {
            self.expected.remove(&id);
            return Some(id);
        }
        let token = report.token.as_ref().filter(|_| report.phase == TransactionPhase::Started)?;
        let uid = token.lookup_uid();
        let followed = self.expected.extract_if(.., |_, Waiting { start, .. }| {
            let elsewhere = start.evse.is_some() && report.evse.is_some() && start.evse != report.evse;
            !elsewhere && start.token.lookup_uid() == uid
        });
        followed.min_by_key(|(id, waiting)| (waiting.due.is_none(), waiting.due, *id)).map(|(id, _)| id)
    }

    /// The clock was set by so much: a station has as long to follow an order as it would have had.
    pub(super) fn starts_moved(&mut self, by_ms: i64) {
        let dues = self.expected.values_mut().filter_map(|waiting| waiting.due.as_mut());
        dues.for_each(|due| *due = due.plus_millis(by_ms));
    }

    pub(super) fn give_up_starts(&mut self, now: Timestamp, outcome: Outcome) -> Outcome {
        let over = self.expected.extract_if(.., |_, waiting| waiting.due.is_some_and(|due| due <= now));
        over.fold(outcome, |outcome, (remote_start_id, waiting)| {
            outcome.event(DomainEvent::StartNotFollowed { remote_start_id, evse: waiting.start.evse })
        })
    }
}
