//! Every transaction that ended is closed and billed once, to the watt-hour and the cent; nothing else is billed.

use std::collections::BTreeMap;

use super::operator::{StoredCdr, StoredTransaction};
use super::price::Price;
use super::{Verdict, Violation, by_name};
use crate::witness::{Account, Name};

/// The status of a session that is over.
const COMPLETED: &str = "completed";

/// Compares what stations know with all transactions and all bill records there are.
pub(super) fn compare(
    accounts: &BTreeMap<Name, Account>,
    transactions: &[StoredTransaction],
    cdrs: &[StoredCdr],
    price: Option<Price>,
    verdict: &mut Verdict,
) {
    verdict.cdrs = cdrs.len();
    verdict.credits = cdrs.iter().filter(|cdr| cdr.is_credit).count();
    let stored = by_name(transactions, |transaction| &transaction.name);
    let billed = by_name(cdrs, |cdr| &cdr.name);
    for (name, account) in accounts {
        let Some(truth) = &account.truth else { continue };
        verdict.ended += 1;
        verdict.true_wh += truth.energy_wh;
        let status = stored.get(name).and_then(|found| found.first()).map(|found| found.status.as_str());
        if status != Some(COMPLETED) {
            let status = status.unwrap_or("unknown").to_owned();
            verdict.accuse(Violation::NotClosed { name: name.clone(), status });
        }
        let records = billed.get(name).map(Vec::as_slice).unwrap_or_default();
        bill(name, truth.energy_wh, records, price, verdict);
    }
    let known = |name: &Name| accounts.contains_key(name);
    for name in stored.keys().filter(|name| !known(name)) {
        verdict.accuse(Violation::Invented { name: (*name).clone(), what: "a transaction".to_owned() });
    }
    for name in billed.keys().filter(|name| !known(name)) {
        verdict.accuse(Violation::Invented { name: (*name).clone(), what: "a bill record".to_owned() });
    }
}

/// One transaction and its bill records.
fn bill(name: &Name, true_wh: u64, records: &[&StoredCdr], price: Option<Price>, verdict: &mut Verdict) {
    let credits = records.iter().filter(|cdr| cdr.is_credit).count();
    let standing = records.len().saturating_sub(2 * credits);
    match standing {
        0 => verdict.accuse(Violation::NotBilled { name: name.clone(), true_wh }),
        1 => {}
        records => verdict.accuse(Violation::BilledTwice { name: name.clone(), records }),
    }
    // Of a corrected bill the newest revision is the one that stands.
    let newest = records.iter().filter(|cdr| !cdr.is_credit).max_by_key(|cdr| cdr.revision);
    let Some(newest) = newest else { return };
    verdict.billed_wh += newest.energy_wh;
    if i64::try_from(true_wh) != Ok(newest.energy_wh) {
        let billed_wh = newest.energy_wh;
        verdict.accuse(Violation::WrongEnergy { name: name.clone(), true_wh, billed_wh });
    }
    let Some(price) = price else { return };
    let (billed_wh, billed_cents) = (newest.energy_wh, newest.cost_cents.unwrap_or_default());
    let sum_cents: i64 = records.iter().filter_map(|cdr| cdr.cost_cents).sum();
    let true_cents = price.of(billed_wh);
    verdict.billed_cents += sum_cents;
    if (billed_cents, sum_cents) != (true_cents, true_cents) {
        verdict.accuse(Violation::WrongCost {
            name: name.clone(),
            billed_wh,
            true_cents,
            billed_cents,
            sum_cents,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::SessionRecord;

    fn name(transaction: &str) -> Name {
        Name { station: "CS-1".to_owned(), transaction: transaction.to_owned() }
    }

    fn account(energy_wh: u64) -> Account {
        let truth = SessionRecord {
            station: "CS-1".to_owned(),
            evse: 1,
            transaction_id: Some("7".to_owned()),
            token: None,
            meter_start_wh: 100,
            meter_stop_wh: 100 + energy_wh,
            energy_wh,
            started_at: String::new(),
            ended_at: String::new(),
            acknowledged: true,
        };
        Account { messages: Vec::new(), truth: Some(truth) }
    }

    const PRICE: Price = Price { fee_cents: 100, kwh_cents: 1_000 };

    /// A cent for each Wh, and a euro.
    fn cdr(transaction: &str, revision: u64, energy_wh: i64, is_credit: bool) -> StoredCdr {
        let cost_cents = Some((100 + energy_wh) * if is_credit { -1 } else { 1 });
        StoredCdr { name: name(transaction), revision, energy_wh, cost_cents, is_credit }
    }

    fn at(cost_cents: i64, cdr: StoredCdr) -> StoredCdr {
        StoredCdr { cost_cents: Some(cost_cents), ..cdr }
    }

    fn found(status: &str, cdrs: &[StoredCdr]) -> Vec<String> {
        let accounts = BTreeMap::from([(name("7"), account(50))]);
        let transactions = [StoredTransaction { name: name("7"), status: status.to_owned() }];
        let mut verdict = Verdict::default();
        compare(&accounts, &transactions, cdrs, Some(PRICE), &mut verdict);
        verdict.violations.iter().map(|violation| format!("{violation:?}")).collect()
    }

    #[test]
    fn one_bill_with_the_true_energy_is_right() {
        assert!(found("completed", &[cdr("7", 0, 50, false)]).is_empty());
    }

    #[test]
    fn a_corrected_bill_is_one_bill_and_the_last_one_counts() {
        let corrected = [cdr("7", 2, 50, false), cdr("7", 1, 40, true), cdr("7", 0, 40, false)];
        assert!(found("completed", &corrected).is_empty());
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            ("active", vec![], ["NotClosed", "NotBilled"].as_slice()),
            ("completed", vec![cdr("7", 0, 51, false)], &["WrongEnergy"]),
            ("completed", vec![at(149, cdr("7", 0, 50, false))], &["WrongCost"]),
            (
                "completed",
                vec![cdr("7", 0, 40, false), at(-139, cdr("7", 1, 40, true)), cdr("7", 2, 50, false)],
                &["WrongCost"],
            ),
            (
                "completed",
                vec![cdr("7", 0, 50, false), cdr("7", 0, 50, false)],
                &["BilledTwice", "WrongCost"],
            ),
            ("completed", vec![cdr("7", 0, 50, false), cdr("7", 1, 50, true)], &["NotBilled", "WrongCost"]),
            ("completed", vec![cdr("7", 0, 50, false), cdr("8", 0, 50, false)], &["Invented"]),
        ];
        for (status, cdrs, expected) in cases {
            let violations = found(status, &cdrs);
            assert_eq!(violations.len(), expected.len(), "{violations:?}");
            for (violation, expected) in violations.iter().zip(expected) {
                assert!(violation.starts_with(expected), "{violation}");
            }
        }
    }
}
