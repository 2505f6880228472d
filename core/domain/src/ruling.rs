//! What we, or a person, decided about a transaction: kept among its facts, so that a session stays a fold of what is stored.
//!
//! A station's word says what happened; a ruling says what follows where the station is silent, contradicts itself or is not believed.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::id::TransactionId;
use crate::report::{MessageKey, TransactionPhase};
use crate::session::Session;
use crate::time::Timestamp;
use crate::transaction::TransactionFact;

/// The most characters of a person's note.
pub const MAX_NOTE_CHARS: usize = 500;

/// A ruling about a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "ruling")]
pub enum Ruling {
    /// Another transaction began at the same EVSE while this one had not ended: it ended then (reliability F05, F22).
    Superseded {
        /// When the other one began.
        at: Timestamp,
        /// The other one.
        by: TransactionId,
    },
    /// It began at the same EVSE and the same instant as one that was there before (reliability F04).
    Overlaps {
        /// The one that was there before.
        with: TransactionId,
    },
    /// Nothing was heard of it for too long: it ended with the last thing known (reliability F22).
    Abandoned,
    /// The station says that messages of it are in its queue: the bill waits longer (OCPP 2.0.1 part 2, E14).
    Queued {
        /// Until then at least.
        until: Timestamp,
    },
    /// What is missing did not come in time: billed with what is there (reliability F07, F08).
    GraceOver,
    /// A person looked: billed as it stands.
    Approved {
        /// Who.
        by: Box<str>,
        /// Why, in the person's words.
        note: Box<str>,
    },
    /// A person looked: nobody pays.
    Voided {
        /// Who.
        by: Box<str>,
        /// Why, in the person's words.
        note: Box<str>,
    },
}

impl Ruling {
    /// The name in the API and in the log of a session.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Superseded { .. } => "superseded",
            Self::Overlaps { .. } => "overlaps",
            Self::Abandoned => "abandoned",
            Self::Queued { .. } => "queued",
            Self::GraceOver => "grace_over",
            Self::Approved { .. } => "approved",
            Self::Voided { .. } => "voided",
        }
    }

    /// What makes a repeat a repeat: our own rulings are the same whenever they are made, a person's are told apart by their time.
    fn key(&self, at: Timestamp) -> MessageKey {
        let at = match self {
            Self::Superseded { at, .. } => at.as_millis(),
            Self::Queued { until } => until.as_millis(),
            Self::Approved { .. } | Self::Voided { .. } => at.as_millis(),
            Self::Overlaps { .. } | Self::Abandoned | Self::GraceOver => 0,
        };
        MessageKey::Ruling { at, name: self.as_str().into() }
    }

    /// The ruling as a fact of its transaction, made `at` our time.
    #[must_use]
    pub fn into_fact(self, transaction: TransactionId, at: Timestamp) -> TransactionFact {
        let (key, trigger) = (self.key(at), self.as_str().into());
        // The content is the name: a ruling repeated with another note is no contradiction worth keeping.
        let content = self.as_str().into();
        TransactionFact {
            transaction,
            key,
            phase: TransactionPhase::Updated,
            numbering: None,
            evse: None,
            connector: None,
            token: None,
            authorization: None,
            observed_at: at,
            received_at: at,
            trigger,
            charging_state: None,
            stop_reason: None,
            offline: false,
            remote_start_id: None,
            time_repaired: false,
            samples: Vec::new(),
            ruling: Some(self),
            content,
        }
    }
}

/// What follows for whom when a session becomes known at an EVSE where another one is open: only one vehicle stands there.
#[must_use]
pub fn of_rivals(open: &Session, newcomer: &Session) -> Option<(TransactionId, Ruling)> {
    match open.started_at.cmp(&newcomer.started_at) {
        Ordering::Less => {
            let (at, by) = (newcomer.started_at, newcomer.transaction.clone());
            Some((open.transaction.clone(), Ruling::Superseded { at, by }))
        }
        Ordering::Equal => {
            Some((newcomer.transaction.clone(), Ruling::Overlaps { with: open.transaction.clone() }))
        }
        // The newcomer is an older one, out of a queue: its own end will follow.
        Ordering::Greater => None,
    }
}

/// The rulings of a transaction, summed up: the result does not depend on the order in which they were made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rulings {
    /// The earliest instant at which another transaction took the place.
    pub(crate) superseded_at: Option<Timestamp>,
    pub(crate) overlaps: bool,
    pub(crate) abandoned: bool,
    pub(crate) grace_over: bool,
    pub(crate) queued_until: Option<Timestamp>,
    /// A person's last word: billed, or not.
    pub(crate) verdict: Option<Verdict>,
}

/// A person's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    Approved,
    Voided,
}

impl Rulings {
    pub(crate) fn of(facts: &[TransactionFact]) -> Self {
        let mut rulings = Self::default();
        let mut last_word = None;
        for fact in facts {
            let Some(ruling) = &fact.ruling else { continue };
            match ruling {
                Ruling::Superseded { at, .. } => {
                    rulings.superseded_at = Some(rulings.superseded_at.map_or(*at, |known| known.min(*at)));
                }
                Ruling::Overlaps { .. } => rulings.overlaps = true,
                Ruling::Abandoned => rulings.abandoned = true,
                Ruling::GraceOver => rulings.grace_over = true,
                Ruling::Queued { until } => rulings.queued_until = rulings.queued_until.max(Some(*until)),
                Ruling::Approved { .. } => {
                    last_word = last_word.max(Some((fact.observed_at, Verdict::Approved)));
                }
                Ruling::Voided { .. } => last_word = last_word.max(Some((fact.observed_at, Verdict::Voided))),
            }
        }
        rulings.verdict = last_word.map(|(_, verdict)| verdict);
        rulings
    }
}
