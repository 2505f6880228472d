//! What must not be, and who of the partners has what it must not have: no bill lost, doubled or at a stranger's.

use std::collections::{BTreeMap, BTreeSet};

use super::scene::{Bill, Guest};
use crate::emsp::journal::Journal;

/// As many are told as people read.
const TOLD_MAX: usize = 50;

/// What was wrong.
#[derive(Debug, Default)]
pub(super) struct Flaws {
    /// How much.
    pub(super) count: usize,
    /// The first of it.
    pub(super) first: Vec<String>,
}

// === impl Flaws ===

impl Flaws {
    pub(super) fn accuse(&mut self, what: String) {
        self.count += 1;
        if self.first.len() < TOLD_MAX {
            self.first.push(what);
        }
    }

    /// Each bill of a partner's drivers is at that partner, once, and at nobody else.
    pub(super) fn look_at_bills(&mut self, guests: &[Guest], bills: &[Bill]) {
        let mut owners: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for bill in bills {
            owners.entry(&bill.token).or_default().push(&bill.id);
        }
        for guest in guests {
            let own = owners.remove(guest.uid.as_str()).unwrap_or_default();
            guest.emsp.look(|journal| self.compare(&guest.party, journal, &own));
        }
        for (token, bills) in owners {
            self.accuse(format!("{} bills of {token}, which is nobody's", bills.len()));
        }
    }

    fn compare(&mut self, party: &str, journal: &Journal, own: &[&str]) {
        for bill in journal.lost(own.iter().copied()) {
            self.accuse(format!("{party}: bill {bill} has not come"));
        }
        // What it took in, whether or not its answer could be read.
        let mut taken: BTreeMap<&str, usize> = BTreeMap::new();
        for one in journal.of("cdrs", "POST").filter(|one| matches!(one.status, Some(200 | 201))) {
            *taken.entry(&one.object).or_default() += 1;
        }
        let own: BTreeSet<String> = own.iter().map(|bill| bill.to_ascii_lowercase()).collect();
        for (bill, times) in taken {
            if times > 1 {
                self.accuse(format!("{party}: bill {bill} has come {times} times"));
            }
            if !own.contains(bill) {
                self.accuse(format!("{party}: bill {bill} is another's"));
            }
        }
        if journal.forgotten > 0 {
            self.accuse(format!("{party}: {} calls were not written down", journal.forgotten));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::arrived::tests::arrival;
    use super::*;

    #[test]
    fn bills_that_are_lost_doubled_or_anothers_are_seen() {
        let post = |bill: &str, status, is_acknowledged| {
            let mut arrival = arrival("POST", "cdrs", bill, 1, 2);
            (arrival.status, arrival.is_acknowledged) = (status, is_acknowledged);
            arrival
        };
        let arrivals = vec![
            post("a", Some(429), false),
            post("a", Some(201), true),
            post("b", Some(201), false),
            post("b", Some(200), true),
            post("x", Some(201), true),
            post("c", None, false),
        ];
        let journal = Journal { arrivals, forgotten: 0 };
        let mut flaws = Flaws::default();
        flaws.compare("DE*000", &journal, &["A", "B", "C"]);
        assert_eq!(
            flaws.first,
            ["DE*000: bill C has not come", "DE*000: bill b has come 2 times", "DE*000: bill x is another's"]
        );
        (0..100).for_each(|number| flaws.accuse(number.to_string()));
        assert_eq!((flaws.count, flaws.first.len()), (103, TOLD_MAX));
    }
}
