//! What one message says of a session: who, where, and how it stands.

use super::flow::Flow;
use super::{Session, SessionFlag, meter};
use crate::meter::{Sample, SignatureVerdict};
use crate::report::{ChargingState, TransactionPhase};
use crate::token::IdToken;
use crate::transaction::{STOP_AUTHORIZED, TransactionFact};

impl Session {
    /// Takes over what one fact says about who, where and how it stands.
    pub(super) fn learn(&mut self, fact: &TransactionFact) {
        self.facts = self.facts.saturating_add(1);
        self.evse = self.evse.or(fact.evse);
        self.connector = self.connector.or(fact.connector);
        if self.token.is_none() {
            self.token.clone_from(&fact.token);
        }
        // Who stops decides nothing about who charges, and no more does anybody else who holds a card to the reader.
        let stops = fact.phase == TransactionPhase::Ended || *fact.trigger == *STOP_AUTHORIZED;
        if !stops && self.is_held_by(fact.token.as_ref()) {
            self.authorization = fact.authorization.or(self.authorization);
            if self.contract.is_none() {
                self.contract.clone_from(&fact.contract);
            }
        }
        self.number_heard |= fact.names_its_number();
        self.remote_start_id = self.remote_start_id.or(fact.remote_start_id);
        // Of a value that nobody looked at nothing can be said.
        let verdict =
            |sample: &Sample| Some(sample.signed.as_ref()?.verdict.unwrap_or(SignatureVerdict::Unsupported));
        let verdicts = fact.samples.iter().filter_map(verdict);
        self.signature = verdicts.chain(self.signature).max_by_key(|verdict| verdict.doubt());
        if self.signature == Some(SignatureVerdict::Invalid) {
            self.flag(SessionFlag::SignatureInvalid);
        }
        if fact.offline {
            self.flag(SessionFlag::Offline);
        }
        if fact.time_repaired {
            self.flag(SessionFlag::TimeRepaired);
        }
        let readings = meter::Readings::of(&[fact]);
        if let Some((at, watts)) = readings.power() {
            (self.power_w, self.power_at) = (Some(watts), Some(at));
        }
        self.flow = Flow::of(&fact.samples).or(self.flow);
        self.soc_permille = readings.soc_permille().or(self.soc_permille);
        self.energy_flows = match (fact.phase, fact.charging_state) {
            (TransactionPhase::Ended, _) => false,
            (_, Some(state)) => state == ChargingState::Charging,
            (_, None) => readings.power_w().map_or(self.energy_flows, |power| power > 0),
        };
        if fact.phase == TransactionPhase::Ended {
            (self.power_w, self.flow) = (Some(0), None);
        }
    }

    /// Can a message that names no transaction be about this one? What it says of place, token, time and meter must fit.
    #[must_use]
    pub fn can_be_meant_by(&self, orphan: &TransactionFact) -> bool {
        let fits =
            |register: i64| self.meter_last_wh.or(self.meter_first_wh).is_none_or(|last| register >= last);
        !self.number_heard
            && orphan.evse.is_none_or(|evse| self.evse == Some(evse))
            && orphan.token.as_ref().is_none_or(|token| {
                self.token.as_ref().is_some_and(|own| own.lookup_uid() == token.lookup_uid())
            })
            && orphan.observed_at >= self.started_at
            && orphan.samples.iter().filter_map(crate::meter::Sample::billed_register_wh).all(fits)
    }

    /// Is it the session's own token? A message that presents none speaks for whoever charges.
    fn is_held_by(&self, presented: Option<&IdToken>) -> bool {
        presented.is_none_or(|token| self.token.as_ref().is_some_and(|own| own.holder() == token.holder()))
    }

    /// Was it chosen, for the earlier picture of it, what holds for this one too? The tariff follows from start, EVSE and token, as they were
    /// known when it was chosen.
    #[must_use]
    pub fn starts_like(&self, earlier: &Self) -> bool {
        self.started_at == earlier.started_at
            && self.evse == earlier.evse
            && self.token.as_ref().map(IdToken::holder) == earlier.token.as_ref().map(IdToken::holder)
    }
}
