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

/// A start that the station accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedStart {
    /// Our number for it, which 2.x stations echo.
    pub remote_start_id: i32,
    /// Where; `None`: the station chooses.
    pub evse: Option<EvseId>,
    /// For whom.
    pub token: IdToken,
}

/// Starts that are waited for.
#[derive(Debug, Default)]
pub(super) struct Expected {
    /// By their number, each with when it is given up.
    starts: BTreeMap<i32, (Timestamp, ExpectedStart)>,
    /// The number that was echoed last: a transaction can begin before the station's answer to the order is here.
    echoed: Option<i32>,
}

// === impl Expected ===

impl Expected {
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.starts.values().map(|(due, _)| *due).min()
    }
}

// === impl StationState ===

impl StationState {
    pub(super) fn expect_start(&mut self, now: Timestamp, start: ExpectedStart) {
        let has_begun = self.expected.echoed == Some(start.remote_start_id);
        if !has_begun && self.expected.starts.len() < MAX_EXPECTED {
            let due = now.plus_secs(i64::from(self.policy.start_timeout_s));
            self.expected.starts.insert(start.remote_start_id, (due, start));
        }
    }

    /// 2.x stations echo the number; 1.6 stations only start a transaction with the token.
    pub(super) fn note_start(&mut self, report: &TransactionReport) {
        if let Some(id) = report.remote_start_id {
            self.expected.starts.remove(&id);
            self.expected.echoed = Some(id);
        } else if report.phase == TransactionPhase::Started
            && let Some(token) = &report.token
        {
            let uid = token.lookup_uid();
            self.expected.starts.retain(|_, (_, start)| {
                let elsewhere = start.evse.is_some() && report.evse.is_some() && start.evse != report.evse;
                elsewhere || start.token.lookup_uid() != uid
            });
        }
    }

    pub(super) fn give_up_starts(&mut self, now: Timestamp, outcome: Outcome) -> Outcome {
        let over = self.expected.starts.extract_if(.., |_, (due, _)| *due <= now);
        over.fold(outcome, |outcome, (remote_start_id, (_, start))| {
            outcome.event(DomainEvent::StartNotFollowed { remote_start_id, evse: start.evse })
        })
    }
}
