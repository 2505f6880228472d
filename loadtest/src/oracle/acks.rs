//! Every acknowledged message is among the stored ones, and says there what it said on the wire.
//!
//! A 2.x message is known by its `seqNo`, which the stored key ends with. 1.6 has no numbers: a message is known by what it says, and
//! equal ones are counted.

use std::collections::BTreeMap;

use super::Violation;
use super::operator::StoredFact;
use crate::witness::{Account, Acknowledged, Name, Phase};

/// What both sides can see of a message.
type Content = (Phase, i64, Option<u64>);

/// What is wrong with the stored messages of one transaction.
pub(super) fn compare(name: &Name, account: &Account, stored: &[StoredFact]) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut unnumbered: BTreeMap<Content, usize> = BTreeMap::new();
    for fact in stored.iter().filter(|fact| fact.seq_no().is_none()) {
        *unnumbered.entry(content_of(fact)).or_default() += 1;
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
        let said = (message.phase, message.observed_at_ms, message.register_wh);
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
            Some(fact) if content_of(fact) != said => violations.push(Violation::Altered {
                name: name.clone(),
                message: message.to_string(),
                stored: fact.to_string(),
            }),
            Some(_) => {}
        }
    }
    violations
}

fn content_of(fact: &StoredFact) -> Content {
    (fact.phase, fact.observed_at_ms, fact.register_wh)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(seq_no: Option<u64>, phase: Phase, register_wh: u64) -> Acknowledged {
        let register_wh = Some(register_wh);
        let action = if seq_no.is_some() { "TransactionEvent" } else { "MeterValues" };
        Acknowledged { action, phase, seq_no, observed_at_ms: 5, register_wh, hash: String::new() }
    }

    fn fact(key: &str, phase: Phase, register_wh: u64) -> StoredFact {
        StoredFact { key: key.to_owned(), phase, observed_at_ms: 5, register_wh: Some(register_wh) }
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
    fn a_message_acknowledged_twice_is_stored_once() {
        let event = || message(Some(1), Phase::Updated, 20);
        assert!(found(vec![event(), event()], &[fact("q1", Phase::Updated, 20)]).is_empty());
    }
}
