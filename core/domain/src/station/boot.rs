//! Registration: who may take part, and what may be said before.

use super::StationState;
use crate::event::DomainEvent;
use crate::outcome::Outcome;
use crate::reply::{Refusal, Registration, StationReply};
use crate::report::{Boot, StationReport};

impl StationState {
    pub(super) fn on_boot(&mut self, boot: Boot) -> Outcome {
        self.accepted = self.registration == Registration::Accepted;
        let interval_s =
            if self.accepted { self.policy.heartbeat_interval_s } else { self.policy.boot_retry_s };
        Outcome::reply(StationReply::Boot { registration: self.registration, interval_s })
            .event(DomainEvent::StationBooted(boot))
    }

    /// Before a boot was accepted only a boot is heard, and from a waiting station the report somebody asked it for (OCPP 2.0.1 B02.FR.09,
    /// B03.FR.07; 1.6J errata 3.8). Unasked it may not: a station nobody has approved must not be able to fill the store.
    pub(super) fn refusal(&self, report: &StationReport) -> Option<Refusal> {
        let asked = self.registration == Registration::Pending && self.report_asked;
        let allowed = self.accepted
            || matches!(report, StationReport::Boot(_))
            || (asked && matches!(report, StationReport::Variables(_)));
        (!allowed).then_some(Refusal::NotRegistered)
    }
}
