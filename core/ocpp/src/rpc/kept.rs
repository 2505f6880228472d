//! The last answers of a connection, for calls that come again; bounded in number and in bytes.
//!
//! Never: the question whether a repeat is worth a security event (gateway).

use std::collections::VecDeque;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use serde_json::value::RawValue;

use super::{ANSWERS_KEPT_BYTES_MAX, ANSWERS_KEPT_MAX};
use crate::message_id::MessageId;

/// The answers, oldest first.
#[derive(Debug, Default)]
pub(super) struct KeptAnswers(VecDeque<Answered>);

#[derive(Debug)]
struct Answered {
    id: MessageId,
    content: u64,
    /// None: too large to keep, not to be repeated, or rejected by the station.
    text: Option<Box<str>>,
}

/// What is known of a call that has just come in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Its id is new.
    New,
    /// It was answered with this.
    Answered(String),
    /// It was answered, and the answer is not to be repeated.
    Again,
    /// Its id was used for another content.
    ReusedId,
}

// === impl KeptAnswers ===

impl KeptAnswers {
    /// What is known of a call.
    pub(super) fn find(&self, id: &MessageId, content: u64) -> Known {
        let mut known = Known::New;
        for answered in self.0.iter().filter(|answered| answered.id == *id) {
            match &answered.text {
                Some(text) if answered.content == content => return Known::Answered(text.to_string()),
                None if answered.content == content => return Known::Again,
                Some(_) | None => known = Known::ReusedId,
            }
        }
        known
    }

    /// Keeps an answer; `repeatable` is false for one that must not be told twice. The oldest go when the bounds are passed.
    pub(super) fn keep(&mut self, id: MessageId, content: u64, text: &str, repeatable: bool) {
        let text = (repeatable && text.len() <= ANSWERS_KEPT_BYTES_MAX).then(|| text.into());
        self.0.retain(|known| known.id != id || known.content != content);
        self.0.push_back(Answered { id, content, text });
        while self.0.len() > ANSWERS_KEPT_MAX || self.bytes() > ANSWERS_KEPT_BYTES_MAX {
            self.0.pop_front();
        }
    }

    /// The station cannot use the last answer under this id: it is not repeated. False when there is none.
    pub(super) fn reject(&mut self, id: &MessageId) -> bool {
        let Some(answered) = self.0.iter_mut().rev().find(|answered| answered.id == *id) else {
            return false;
        };
        answered.text = None;
        true
    }

    fn bytes(&self) -> usize {
        self.0.iter().filter_map(|answered| answered.text.as_deref()).map(str::len).sum()
    }
}

/// What makes two calls under one id the same call. Kept in memory only, so the hash need not be the same in the next release.
pub(super) fn content_of(action: &str, payload: &RawValue) -> u64 {
    let mut hasher = DefaultHasher::new();
    action.hash(&mut hasher);
    payload.get().hash(&mut hasher);
    hasher.finish()
}
