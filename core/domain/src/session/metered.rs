//! What the meter itself signed about a session: it must be what is billed, and where a country demands proof, it must be there.
//!
//! Source: OCMF 1.4.1, "Signing and Verification Process"; whether each signature holds was judged when it came in.

use super::{Folded, Session, SessionFlag, SessionStatus};
use crate::meter::SignatureVerdict;
use crate::ocmf::Record;
use crate::ocmf::transaction::{MeteredTransaction, Problem, check};
use crate::transaction::TransactionFact;
use crate::unit::WattHours;
use rust_decimal::Decimal;

/// The most records of one transaction that are read together: a day of them, one every minute and a half.
const RECORDS_MAX: usize = 1_000;
/// Begin and end of a sample are rounded to a Wh each, a signed reading is not.
const ROUNDED_WH: i64 = 1;

/// What the signed records among the facts say together; `None`: there is none that can be read.
pub(super) fn of(facts: &[&TransactionFact]) -> Option<MeteredTransaction> {
    let signed = facts.iter().flat_map(|fact| &fact.samples).filter_map(|sample| sample.signed.as_deref());
    let mut texts: Vec<&str> = signed.map(|signed| &*signed.data).collect();
    texts.sort_unstable();
    texts.dedup();
    let too_many = texts.len() > RECORDS_MAX;
    let mut records: Vec<_> =
        texts.into_iter().take(RECORDS_MAX).filter_map(|text| Record::read(text).ok()).collect();
    // What a meter counts on its fiscal pages are other readings, taken whoever charges.
    records.retain(|record| !record.payload().pagination.starts_with('F'));
    if records.is_empty() {
        return None;
    }
    if too_many {
        return Some(MeteredTransaction { problems: vec![Problem::TooManyRecords], ..Default::default() });
    }
    // By the meter's own count: stations send records with times of theirs, and more than once.
    records.sort_by_key(|record| record.payload().transaction_page());
    Some(check(&records.iter().collect::<Vec<_>>()))
}

impl Session {
    /// Takes over what the meter signed. It is looked at once the session is over: before, an end is always missing.
    pub(super) fn compare(&mut self, metered: Option<MeteredTransaction>) {
        let Some(metered) = metered else { return };
        match metered.billable_energy_wh() {
            None => self.flag(SessionFlag::SignedValuesFaulty),
            Some(signed) if differs(signed, self.energy) => self.flag(SessionFlag::SignedEnergyDiffers),
            Some(_) => {}
        }
        self.metered = Some(metered);
    }

    /// Is its energy what a meter signed, with a signature that fits the meter's registered key?
    const fn is_energy_proven(&self) -> bool {
        matches!(self.signature, Some(SignatureVerdict::Valid))
    }
}

impl Folded {
    /// Holds the session for a person unless its energy is what a meter signed with the key that is registered for it; the time too, once it
    /// is known whether it costs anything.
    #[must_use]
    pub(super) fn with_proof(mut self) -> Self {
        self.needs_proof = true;
        let billable = self.session.metered.as_ref().and_then(MeteredTransaction::billable_energy_wh);
        if self.session.ended_at.is_some() && (billable.is_none() || !self.session.is_energy_proven()) {
            self.doubt(SessionFlag::ProofMissing);
        }
        self
    }

    /// Holds a session whose time costs something, but was not signed by a clock that was right.
    pub(crate) fn prove_time(&mut self) {
        let proven = self.session.metered.as_ref().is_some_and(MeteredTransaction::is_time_billable);
        if self.needs_proof && self.session.ended_at.is_some() && !proven {
            self.doubt(SessionFlag::ProofMissing);
        }
    }

    /// Flags the session and holds it, unless a person has ruled.
    pub(super) fn doubt(&mut self, flag: SessionFlag) {
        self.session.flag(flag);
        if self.session.status == SessionStatus::Completed && !self.judged {
            self.session.status = SessionStatus::UnderReview;
        }
    }
}

fn differs(signed_wh: Decimal, billed: WattHours) -> bool {
    (signed_wh - Decimal::from(billed.0)).abs() > Decimal::from(ROUNDED_WH)
}
