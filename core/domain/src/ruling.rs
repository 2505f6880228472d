//! What we, or a person, decided about a transaction: kept among its facts, so that a session stays a fold of what is stored.
//!
//! A station's word says what happened; a ruling says what follows where the station is silent, contradicts itself or is not believed.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::id::{TokenUid, TransactionId};
use crate::report::{MessageKey, TransactionPhase};
use crate::session::{Session, SessionFlag};
use crate::time::Timestamp;
use crate::token::IdToken;
use crate::transaction::TransactionFact;
use crate::unit::WattHours;

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
    /// It stood at the same EVSE at the same time as one that was known before (reliability F04, F05).
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
    /// A message that would have changed the bill came under the number of a stored one (reliability F10).
    Contradicted,
    /// A person looked: billed as it stands.
    Approved {
        /// Who.
        by: Box<str>,
        /// Why, in the person's words.
        note: Box<str>,
        /// What the person saw. Without it: what was received until then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seen: Option<Box<Seen>>,
    },
    /// A person looked: nobody pays.
    Voided {
        /// Who.
        by: Box<str>,
        /// Why, in the person's words.
        note: Box<str>,
    },
}

/// What an approval is about: whatever changes it later was not looked at. Which hours of the stay the energy flowed in is no part of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Seen {
    /// When the session began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Energy delivered.
    pub energy: WattHours,
    /// Milliseconds in which energy flowed.
    #[serde(default)]
    pub charging_ms: Option<i64>,
    /// Milliseconds in which none did.
    #[serde(default)]
    pub parked_ms: Option<i64>,
    /// Who pays: the token as it is looked up.
    #[serde(default)]
    pub holder: Option<TokenUid>,
    /// What made it wait for a person.
    pub doubts: Vec<SessionFlag>,
}

// === impl Seen ===

impl Seen {
    /// A session as it stands now.
    #[must_use]
    pub fn of(session: &Session) -> Self {
        let doubts = session.flags.iter().copied().filter(|flag| flag.needs_review()).collect();
        Self {
            started_at: session.started_at,
            ended_at: session.ended_at,
            energy: session.energy,
            charging_ms: Some(session.charging_ms),
            parked_ms: Some(session.parked_ms),
            holder: session.token.as_ref().map(IdToken::lookup_uid),
            doubts,
        }
    }

    /// Does it still stand so? A doubt that is gone is none.
    pub(crate) fn holds_for(&self, session: &Session) -> bool {
        let now = Self::of(session);
        now.doubts.iter().all(|doubt| self.doubts.contains(doubt))
            && Self { doubts: self.doubts.clone(), ..now } == *self
    }
}

// === impl Ruling ===

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
            Self::Contradicted => "contradicted",
            Self::Approved { .. } => "approved",
            Self::Voided { .. } => "voided",
        }
    }

    /// What makes a repeat a repeat: most of our own rulings are the same whenever they are made, others are told apart by their time.
    fn key(&self, at: Timestamp) -> MessageKey {
        let at = match self {
            Self::Superseded { at, .. } => at.as_millis(),
            Self::Queued { until } => until.as_millis(),
            Self::Approved { .. } | Self::Voided { .. } | Self::GraceOver => at.as_millis(),
            Self::Overlaps { .. } | Self::Abandoned | Self::Contradicted => 0,
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
            contract: None,
            observed_at: at,
            received_at: at,
            trigger,
            charging_state: None,
            stop_reason: None,
            offline: false,
            remote_start_id: None,
            time_repaired: false,
            adopted: false,
            aside: false,
            samples: Vec::new(),
            ruling: Some(self),
            content,
        }
    }
}

/// Two stays at one EVSE may touch by so much: stations' clocks tick coarsely, and the next driver is quick.
const TOUCH_MS: i64 = 60_000;

/// What follows for whom when a session becomes known, or ends, at an EVSE where `other` is known: only one vehicle stands there.
#[must_use]
pub fn of_rivals(other: &Session, session: &Session) -> Option<(TransactionId, Ruling)> {
    let overlaps =
        || Some((session.transaction.clone(), Ruling::Overlaps { with: other.transaction.clone() }));
    match (other.ended_at, session.ended_at) {
        _ if other.started_at == session.started_at => overlaps(),
        // It was never ended: it ended when this one began.
        (None, _) if other.started_at < session.started_at => {
            let (at, by) = (session.started_at, session.transaction.clone());
            Some((other.transaction.clone(), Ruling::Superseded { at, by }))
        }
        // An older one, out of a queue: its own end will follow.
        (_, None) if session.started_at < other.started_at => None,
        (ended, own_end) => {
            let from = other.started_at.max(session.started_at);
            let to = match (ended, own_end) {
                (Some(one), Some(two)) => one.min(two),
                (Some(one), None) | (None, Some(one)) => one,
                (None, None) => return None,
            };
            if to.millis_since(from) > TOUCH_MS { overlaps() } else { None }
        }
    }
}

/// Does a message that was not kept, because another one has its number, show that a session that goes on is not what is stored of it? Its
/// station may have begun to count anew. A repeat that differs in a stamp of time shows nothing; a second end of a session that ended is
/// kept beside the first, which counts (reliability F10).
#[must_use]
pub fn of_contradiction(session: &Session, unkept: &TransactionFact) -> Option<Ruling> {
    let ends = unkept.phase == TransactionPhase::Ended;
    let more = unkept.register_wh() > session.meter_last_wh;
    // With an instant that cannot be read two transactions of a careless station may look like one.
    let another = unkept.time_repaired && ends && more;
    (another || (session.ended_at.is_none() && (ends || more))).then_some(Ruling::Contradicted)
}

/// The rulings of a transaction, summed up: the result does not depend on the order in which they were made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rulings {
    /// The earliest instant at which another transaction took the place.
    pub(crate) superseded_at: Option<Timestamp>,
    pub(crate) overlaps: bool,
    pub(crate) abandoned: bool,
    /// When it was last said that nothing more is waited for.
    pub(crate) grace_over_at: Option<Timestamp>,
    pub(crate) contradicted: bool,
    pub(crate) queued_until: Option<Timestamp>,
    /// A person's last word, and when: billed, or not.
    pub(crate) verdict: Option<(Timestamp, Verdict)>,
    /// What was seen by whoever approved.
    pub(crate) seen: Option<Seen>,
    /// How many there are, repeats not counted.
    pub(crate) count: u32,
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
                Ruling::GraceOver => {
                    rulings.grace_over_at = rulings.grace_over_at.max(Some(fact.received_at));
                }
                Ruling::Contradicted => rulings.contradicted = true,
                Ruling::Queued { until } => rulings.queued_until = rulings.queued_until.max(Some(*until)),
                Ruling::Approved { seen, .. } => {
                    last_word = last_word.max(Some((fact.observed_at, Verdict::Approved, seen.as_deref())));
                }
                Ruling::Voided { .. } => {
                    last_word = last_word.max(Some((fact.observed_at, Verdict::Voided, None)));
                }
            }
        }
        let keys: BTreeSet<_> =
            facts.iter().filter(|fact| fact.ruling.is_some()).map(|fact| fact.key.stored()).collect();
        rulings.count = u32::try_from(keys.len()).unwrap_or(u32::MAX);
        rulings.verdict = last_word.map(|(at, verdict, _)| (at, verdict));
        rulings.seen = last_word.and_then(|(_, _, seen)| seen.cloned());
        rulings
    }
}
