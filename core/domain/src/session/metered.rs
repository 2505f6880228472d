//! What the meter itself signed about a session: it must be what is billed, and where a country demands proof, it must be there.
//!
//! Source: OCMF 1.4.1, "Signing and Verification Process"; whether each signature holds was judged when it came in.

use rust_decimal::Decimal;

use super::meter::TREMBLE_WH;
use super::{Folded, Session, SessionFlag, SessionStatus};
use crate::meter::SignatureVerdict;
use crate::ocmf::Record;
use crate::ocmf::payload::TimeSync;
use crate::ocmf::transaction::{MeteredTransaction, Problem, check};
use crate::time::Timestamp;
use crate::transaction::TransactionFact;

/// The most records of one transaction that are read together: a day of them, one every five minutes.
const RECORDS_MAX: usize = 300;
/// The most bytes of them.
const BYTES_MAX: usize = 1024 * 1024;
/// Meters and stations have clocks of their own: so far outside the session a record may be and still be of it.
const CLOCKS_APART_MS: i64 = 10 * 60_000;
/// Time may be billed for so much longer than the meter signed: starts and ends are reported to the second, not at the same one.
const TIME_SLACK_MS: i64 = 60_000;
/// Begin and end of a sample are rounded to a Wh each, a signed reading is not.
const ROUNDED_WH: i64 = 1;
/// Steps in which stations report registers, in Wh, the coarsest first: kWh with one decimal or two.
const STEPS_WH: [i64; 2] = [100, 10];

/// What the signed records among the facts say together about the time from `from` to `to`; `None`: there is none that can be read. What
/// a synchronised clock signed outside of it is a record of another transaction, sent again.
pub(super) fn of(facts: &[&TransactionFact], from: Timestamp, to: Timestamp) -> Option<MeteredTransaction> {
    let signed = facts.iter().flat_map(|fact| &fact.samples).filter_map(|sample| sample.signed.as_deref());
    let mut texts: Vec<&str> = signed.map(|signed| &*signed.data).collect();
    texts.sort_unstable();
    texts.dedup();
    let bytes = texts.iter().fold(0_usize, |sum, text| sum.saturating_add(text.len()));
    if texts.len() > RECORDS_MAX || bytes > BYTES_MAX {
        let is_ocmf = texts.iter().take(RECORDS_MAX).any(|text| Record::read(text).is_ok());
        let problems = vec![Problem::TooManyRecords];
        return is_ocmf.then(|| MeteredTransaction { problems, ..Default::default() });
    }
    let mut records: Vec<_> = texts.into_iter().filter_map(|text| Record::read(text).ok()).collect();
    // What a meter counts on its fiscal pages are other readings, taken whoever charges.
    records.retain(|record| !record.payload().pagination.starts_with('F') && !is_elsewhere(record, from, to));
    if records.is_empty() {
        return None;
    }
    // By the meter's own count: stations send records with times of theirs, and more than once.
    records.sort_by_key(|record| record.payload().transaction_page());
    Some(check(&records.iter().collect::<Vec<_>>()))
}

/// Was all of it measured, by a clock that was right, before the session or after it?
fn is_elsewhere(record: &Record, from: Timestamp, to: Timestamp) -> bool {
    let (earliest, latest) = (from.plus_millis(-CLOCKS_APART_MS), to.plus_millis(CLOCKS_APART_MS));
    record.payload().readings.iter().all(|reading| {
        let known = reading.observed_at.filter(|_| reading.sync == TimeSync::Synchronised);
        known.is_some_and(|at| at < earliest || at > latest)
    })
}

impl Session {
    /// Takes over what the meter signed. It is looked at once the session is over: before, an end is always missing.
    pub(super) fn compare(&mut self, metered: Option<MeteredTransaction>) {
        let Some(metered) = metered else { return };
        if metered.billable_energy_wh().is_none() {
            self.flag(SessionFlag::SignedValuesFaulty);
        }
        // Either end of the bill may be off by a step of what was reported and of what was signed, and by a tremble.
        let steps = Decimal::from(self.reported_step_wh()) + metered.step_wh.unwrap_or_default();
        let apart = steps + Decimal::from(TREMBLE_WH);
        if metered.measured_energy_wh().is_some() && !self.gives(&metered, apart) {
            self.flag(SessionFlag::SignedEnergyDiffers);
        }
        self.metered = Some(metered);
    }

    /// Is its energy one that was signed, at the vehicle or at the mains, to so many Wh?
    fn gives(&self, metered: &MeteredTransaction, apart: Decimal) -> bool {
        let billed = Decimal::from(self.energy.0);
        let signed = [metered.energy_wh, metered.mains_wh];
        signed.into_iter().flatten().any(|signed| (signed - billed).abs() <= apart)
    }

    /// The step in which its registers were reported, in Wh.
    fn reported_step_wh(&self) -> i64 {
        let registers = [self.meter_first_wh, self.meter_last_wh];
        let fits = |step: &i64| registers.into_iter().flatten().all(|register| register % step == 0);
        STEPS_WH.into_iter().find(fits).unwrap_or(ROUNDED_WH)
    }

    /// Is its energy what a meter signed, to the rounding of two readings, in faultless records with the keys registered for it?
    fn is_energy_proven(&self) -> bool {
        let sound = |metered: &MeteredTransaction| {
            metered.billable_energy_wh().is_some() && self.gives(metered, Decimal::from(ROUNDED_WH))
        };
        self.signature == Some(SignatureVerdict::Valid) && self.metered.as_ref().is_some_and(sound)
    }

    /// Did a clock that was right sign as much time as is billed?
    fn is_time_proven(&self) -> bool {
        let Some(metered) = self.metered.as_ref().filter(|metered| metered.is_time_billable()) else {
            return false;
        };
        let signed = metered.begin_at.zip(metered.end_at).map(|(begin, end)| end.millis_since(begin));
        let billed = self.charging_ms.saturating_add(self.parked_ms);
        signed.is_some_and(|signed| billed <= signed.saturating_add(TIME_SLACK_MS))
    }
}

impl Folded {
    /// Holds a session that costs something and whose place demands proof, unless its energy was signed by its meter; and its time, where
    /// the price hangs on that.
    pub(crate) fn prove(&mut self, by_time: bool) {
        let session = &self.session;
        let proven = session.is_energy_proven() && (!by_time || session.is_time_proven());
        if self.needs_proof && session.ended_at.is_some() && !proven {
            self.doubt(SessionFlag::ProofMissing);
        }
    }

    /// Flags the session and holds it, unless a person has ruled.
    pub(super) fn doubt(&mut self, flag: SessionFlag) {
        self.session.flag(flag);
        let overlooked = self.judged && self.seen.as_ref().is_none_or(|seen| seen.contains(&flag));
        if self.session.status == SessionStatus::Completed && !overlooked {
            self.session.status = SessionStatus::UnderReview;
        }
    }
}
