//! The station's word in the station's order, on a clock that never runs backwards.

use std::borrow::Cow;

use crate::report::{MessageKey, TransactionPhase};
use crate::time::Timestamp;
use crate::transaction::TransactionFact;

/// What a station said of one transaction, put in order.
pub(super) struct Told<'a> {
    /// In the station's order; instants never fall.
    pub(super) facts: Vec<Cow<'a, TransactionFact>>,
    /// An instant had to be moved, because the station's clock was set back (reliability F15).
    pub(super) straightened: bool,
    /// How many messages are missing between the first and the end, as far as the station counts them (reliability F08).
    pub(super) missing: u32,
}

// === impl Told ===

impl<'a> Told<'a> {
    /// The station's order: by its own count where it has one (2.x), else start, meter values by time, stop. A repeat counts once; of
    /// two contradicting messages under one key the one with the smaller hash counts, on every node and in every order of arrival.
    pub(super) fn of(facts: &'a [TransactionFact]) -> Self {
        let said = facts.iter().filter(|fact| fact.ruling.is_none() && !fact.aside);
        let mut ordered: Vec<_> = said.map(|fact| (fact.key.stored(), &fact.content, fact)).collect();
        ordered.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
        ordered.dedup_by(|later, earlier| later.0 == earlier.0);
        // A key with an instant that nobody could read tells what is a repeat, and nothing of the order.
        ordered.sort_by_cached_key(|(key, _, fact)| place_of_unread(fact).unwrap_or_else(|| key.clone()));
        let mut facts: Vec<_> = ordered.into_iter().map(|(_, _, fact)| Cow::Borrowed(fact)).collect();
        let missing = missing(&facts);
        let straightened = straighten(&mut facts);
        Self { facts, straightened, missing }
    }

    pub(super) fn first(&self) -> Option<&TransactionFact> {
        self.facts.first().map(|fact| &**fact)
    }

    pub(super) fn of_phase(&self, phase: TransactionPhase) -> Option<&TransactionFact> {
        self.facts.iter().find(|fact| fact.phase == phase).map(|fact| &**fact)
    }

    /// When the first and the last of the messages came in that came after an instant.
    pub(super) fn received_after(&self, at: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let late = || self.facts.iter().map(|fact| fact.received_at).filter(|received_at| *received_at > at);
        late().min().zip(late().max())
    }

    pub(super) fn refs(&self) -> Vec<&TransactionFact> {
        self.facts.iter().map(|fact| &**fact).collect()
    }
}

/// Where meter values stand whose key shows an instant before clocks were set: where they were taken to be from.
fn place_of_unread(fact: &TransactionFact) -> Option<String> {
    let MessageKey::Meter { first_at, content } = fact.key else { return None };
    let unread = first_at < Timestamp::CLOCKS_SET.as_millis();
    unread.then(|| MessageKey::Meter { first_at: fact.observed_at.as_millis(), content }.stored())
}

/// A message that is later in the station's order and earlier by its clock is moved, with its samples, to where the one before it
/// stands: no time is billed that no clock has seen.
fn straighten(facts: &mut [Cow<'_, TransactionFact>]) -> bool {
    let mut straightened = false;
    let mut reached = None;
    for index in 0..facts.len() {
        let (before, rest) = facts.split_at_mut(index);
        let Some(fact) = rest.first_mut() else { break };
        let ends = fact.phase == TransactionPhase::Ended;
        if ends && fact.key == MessageKey::Stop && !was_set_back(before, fact) {
            // Meter values of 1.6 stand in their own time's order; those after the stop are late, and move nothing.
            reached =
                before.first().filter(|first| first.key == MessageKey::Start).map(|first| first.observed_at);
        }
        let behind_ms = reached.map_or(0, |reached| fact.observed_at.millis_since(reached));
        if behind_ms < 0 {
            straightened = true;
            let fact = fact.to_mut();
            fact.observed_at = fact.observed_at.plus_millis(behind_ms.saturating_neg());
            for sample in &mut fact.samples {
                sample.observed_at = sample.observed_at.plus_millis(behind_ms.saturating_neg());
            }
        }
        // What comes after the end is late, not a clock.
        if ends {
            return straightened;
        }
        reached = Some(fact.observed_at);
    }
    straightened
}

/// Was the clock set back before the stop? Then a meter value that is later by the clock shows less than the stop does.
fn was_set_back(before: &[Cow<'_, TransactionFact>], stop: &TransactionFact) -> bool {
    let later = before.iter().filter(|fact| fact.observed_at > stop.observed_at);
    stop.register_wh()
        .is_some_and(|end| later.filter_map(|fact| fact.register_wh()).any(|register| register < end))
}

fn missing(facts: &[Cow<'_, TransactionFact>]) -> u32 {
    let numbers = || facts.iter().filter_map(|fact| number(&fact.key));
    let ended = facts.iter().find(|fact| fact.phase == TransactionPhase::Ended);
    let (Some(first), Some(last)) = (numbers().min(), ended.and_then(|fact| number(&fact.key))) else {
        return 0;
    };
    let there = numbers().filter(|number| *number <= last).fold(0_u32, |count, _| count.saturating_add(1));
    last.saturating_sub(first).saturating_add(1).saturating_sub(there)
}

const fn number(key: &MessageKey) -> Option<u32> {
    match key {
        MessageKey::Sequence(number) => Some(*number),
        MessageKey::Start | MessageKey::Stop | MessageKey::Meter { .. } | MessageKey::Ruling { .. } => None,
    }
}
