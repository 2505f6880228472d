//! Every acknowledged message is among the stored ones, and says there what it said on the wire.
//!
//! A 2.x message is known by its `seqNo`, which the stored key ends with. 1.6 has no numbers: a message is known by what it says, and
//! equal ones are counted. The time of a clock that cannot be right (reliability.md, F16) is replaced by the server's: then the rest is compared.

use std::collections::BTreeMap;

use super::Violation;
use super::operator::StoredFact;
use crate::witness::{Account, Acknowledged, Name, Phase};

/// What both sides can see of a message; without the instant where that was replaced.
type Content = (Phase, Option<i64>, Option<u64>);
/// Nothing is older: 2000-01-01, UTC milliseconds.
const OLDEST_MS: i64 = 946_684_800_000;

/// What is wrong with the stored messages of one transaction.
pub(super) fn compare(name: &Name, account: &Account, stored: &[StoredFact]) -> Vec<Violation> {
    let mut violations = Vec::new();
    // All messages of a transaction are of one clock.
    let is_dated = account.messages.iter().all(|message| message.observed_at_ms >= OLDEST_MS);
    let mut unnumbered: BTreeMap<Content, usize> = BTreeMap::new();
    for fact in stored.iter().filter(|fact| fact.seq_no().is_none()) {
        *unnumbered.entry(content_of(fact, is_dated)).or_default() += 1;
    }
    // A message acknowledged twice is one message: the station repeated it because it had not heard the first answer.
    let mut distinct: Vec<&Acknowledged> = Vec::new();
    for message in &account.messages {
        let repeated =
            distinct.iter().any(|known| message.seq_no.is_some() && known.seq_no == message.seq_no);
        if !repeated {
            distinct.push(message);
        }
    }
    for message in distinct {
        let said = (message.phase, is_dated.then_some(message.observed_at_ms), message.register_wh);
        let Some(seq_no) = message.seq_no else {
            match unnumbered.get_mut(&said) {
                Some(left) if *left > 0 => *left -= 1,
                Some(_) | None => {
                    violations.push(Violation::Lost { name: name.clone(), message: message.to_string() });
                }
            }
            continue;
        };
        match stored.iter().find(|fact| fact.seq_no() == Some(seq_no)) {
            None => violations.push(Violation::Lost { name: name.clone(), message: message.to_string() }),
            Some(fact) if content_of(fact, is_dated) != said => violations.push(Violation::Altered {
                name: name.clone(),
                message: message.to_string(),
                stored: fact.to_string(),
            }),
            Some(_) => {}
        }
    }
    violations
}

fn content_of(fact: &StoredFact, is_dated: bool) -> Content {
    (fact.phase, is_dated.then_some(fact.observed_at_ms), fact.register_wh)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT_MS: i64 = OLDEST_MS + 5;

    fn message(seq_no: Option<u64>, phase: Phase, register_wh: u64) -> Acknowledged {
        let register_wh = Some(register_wh);
        let action = if seq_no.is_some() { "TransactionEvent" } else { "MeterValues" };
        Acknowledged { action, phase, seq_no, observed_at_ms: AT_MS, register_wh, hash: String::new() }
    }

    fn fact(key: &str, phase: Phase, register_wh: u64) -> StoredFact {
        StoredFact { key: key.to_owned(), phase, observed_at_ms: AT_MS, register_wh: Some(register_wh) }
    }

    fn found(messages: Vec<Acknowledged>, stored: &[StoredFact]) -> Vec<&'static str> {
        let name = Name { station: "CS-1".to_owned(), transaction: "7".to_owned() };
        let kind = |violation: &Violation| match violation {
            Violation::Lost { .. } => "lost",
            Violation::Altered { .. } => "altered",
            _ => "else",
        };
        compare(&name, &Account { messages, truth: None }, stored).iter().map(kind).collect()
    }

    #[test]
    fn a_numbered_message_is_found_by_its_number_and_read() {
        let said = || vec![message(Some(0), Phase::Started, 10), message(Some(1), Phase::Updated, 20)];
        let first = fact("q0000000000", Phase::Started, 10);
        let second = fact("q0000000001", Phase::Updated, 20);
        assert!(found(said(), &[second.clone(), first.clone()]).is_empty());
        assert_eq!(found(said(), std::slice::from_ref(&first)), ["lost"]);
        let other = StoredFact { register_wh: Some(21), ..second };
        assert_eq!(found(said(), &[first, other]), ["altered"]);
        assert_eq!(found(said(), &[]), ["lost", "lost"]);
    }

    #[test]
    fn equal_messages_without_number_are_counted() {
        let reading = || message(None, Phase::Updated, 20);
        let stored = fact("m5-abc", Phase::Updated, 20);
        assert!(found(vec![reading()], std::slice::from_ref(&stored)).is_empty());
        assert_eq!(found(vec![reading(), reading()], std::slice::from_ref(&stored)), ["lost"]);
        assert_eq!(found(vec![message(None, Phase::Ended, 20)], &[stored]), ["lost"]);
    }

    #[test]
    fn the_time_of_a_clock_that_was_never_set_is_replaced_and_the_rest_is_not() {
        for seq_no in [None, Some(1)] {
            let undated = Acknowledged { observed_at_ms: 7_000, ..message(seq_no, Phase::Updated, 20) };
            let stored =
                |register_wh| fact(if seq_no.is_some() { "q1" } else { "m" }, Phase::Updated, register_wh);
            assert!(found(vec![undated.clone()], &[stored(20)]).is_empty());
            assert_eq!(found(vec![undated], &[stored(21)]).len(), 1);
        }
    }

    #[test]
    fn a_message_acknowledged_twice_is_stored_once() {
        let event = || message(Some(1), Phase::Updated, 20);
        assert!(found(vec![event(), event()], &[fact("q1", Phase::Updated, 20)]).is_empty());
    }
}
