//! The last day of a site's limits: noted after its plans, given out apart from how it stands now, because it is large.

use actix::prelude::*;
use ringmain_domain::id::CircuitId;
use ringmain_domain::load::history::RowHistory;
use serde::{Deserialize, Serialize};

use super::super::Site;
use super::Load;
use crate::clock;
use crate::cluster::wire::About;

/// What did the limits of a site's circuits do in the last day? `None`: nobody manages it here.
#[derive(Message)]
#[rtype(result = "Option<Vec<CircuitHistory>>")]
pub struct ObserveHistory {
    /// Of this circuit alone; of all when absent.
    pub circuit: Option<CircuitId>,
    /// Another node asks: it is not asked back.
    pub asked_by_peer: bool,
}

/// The last day of a circuit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CircuitHistory {
    /// Which.
    pub circuit: CircuitId,
    /// For people.
    pub name: Box<str>,
    /// Its limits; none before they were looked at.
    pub rows: Vec<RowHistory>,
}

// === impl Site ===

impl Site {
    /// Looks at all limits, when it is time to: for the history and for the gauges.
    pub(super) fn look_at_limits(&mut self) {
        let Load::Managed(managed) = &mut self.load else { return };
        let now = clock::now();
        if managed.history.is_due(now) {
            let circuits = managed.state.circuits(now);
            managed.history.record(now, &circuits);
            managed.shown.show(managed.state.strain(&circuits));
        }
    }
}

impl Handler<ObserveHistory> for Site {
    type Result = ResponseFuture<Option<Vec<CircuitHistory>>>;

    fn handle(&mut self, wanted: ObserveHistory, _: &mut Self::Context) -> Self::Result {
        let Load::Managed(managed) = &self.load else {
            return self.ask_owner(About::History(wanted.circuit), wanted.asked_by_peer);
        };
        let circuits = managed.state.tree().circuits().iter();
        let wanted =
            circuits.filter(|circuit| wanted.circuit.as_ref().is_none_or(|wanted| *wanted == circuit.id));
        let told = wanted.map(|circuit| CircuitHistory {
            circuit: circuit.id.clone(),
            name: circuit.label().into(),
            rows: managed.history.of(&circuit.id).to_vec(),
        });
        Box::pin(std::future::ready(Some(told.collect())))
    }
}
