//! The load of a site as pages and the API show it.

use std::collections::BTreeMap;

use actix::prelude::*;
use ringmain_domain::id::{CircuitId, Epoch, NodeId};
use ringmain_domain::load::allocation::standing::{CircuitStanding, Standing};
use ringmain_domain::load::capacity::CircuitNote;
use ringmain_domain::load::ledger::Slot;
use ringmain_domain::load::ledger::steering::input::Alarm;
use ringmain_domain::load::tree::SiteTree;
use ringmain_domain::time::Timestamp;
use ringmain_domain::unit::Milliamps;
use serde::{Deserialize, Serialize};

use super::super::Site;
use super::Load;
use crate::clock;
use crate::cluster::wire::About;

/// How does the site's load stand? `None`: nobody manages it here.
#[derive(Message)]
#[rtype(result = "Option<LoadView>")]
pub struct ObserveLoad {
    /// Another node asks: it is not asked back.
    pub asked_by_peer: bool,
}

/// The load of a site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadView {
    /// At this instant.
    pub at: Timestamp,
    /// The node that manages it.
    pub node: NodeId,
    /// Its owner's epoch.
    pub owner: Epoch,
    /// Circuits with their limits, in the order of the tree.
    pub circuits: Vec<CircuitStanding>,
    /// EVSEs, in the order of the tree.
    pub evses: Vec<Standing>,
    /// What the last plan found out about circuits: batteries, silent meters.
    pub notes: Vec<CircuitNote>,
    /// What each battery is asked to give, per line.
    pub setpoints: BTreeMap<CircuitId, [Milliamps; 3]>,
    /// The newest alarms first.
    pub alarms: Vec<LoadAlarm>,
}

/// Something a person should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadAlarm {
    /// When.
    pub at: Timestamp,
    /// What, in one word.
    pub kind: Box<str>,
    /// Where and how much, in words.
    pub detail: String,
}

// === impl LoadAlarm ===

impl LoadAlarm {
    pub(super) fn of(at: Timestamp, alarm: &Alarm, tree: &SiteTree) -> Self {
        let place = |slot: Slot| {
            let evse = tree.evses().get(slot);
            evse.map_or_else(String::new, |evse| format!("{} EVSE {}", evse.key.station, evse.key.evse.0))
        };
        let detail = match alarm {
            Alarm::Deaf { slot, measured, ceiling } => {
                format!("{} draws {measured} at least and was allowed {ceiling}", place(*slot))
            }
            Alarm::FallbackLost { slot } => format!("{} lost its fallback", place(*slot)),
            Alarm::Unreachable { slot, ceiling, decays_at } => {
                let until = decays_at.map_or_else(|| "it is heard again".to_owned(), |at| at.to_string());
                format!("{} cannot be told, and may draw {ceiling} until {until}", place(*slot))
            }
            Alarm::Refusing { slot } => format!("{} refuses limits", place(*slot)),
            Alarm::Deposed => "another owner manages this site".to_owned(),
        };
        Self { at, kind: alarm.kind().into(), detail }
    }
}

impl Handler<ObserveLoad> for Site {
    type Result = ResponseFuture<Option<LoadView>>;

    fn handle(&mut self, message: ObserveLoad, _: &mut Self::Context) -> Self::Result {
        let Load::Managed(managed) = &self.load else {
            return self.ask_owner(About::Load, message.asked_by_peer);
        };
        let now = clock::now();
        let view = LoadView {
            at: now,
            node: self.parts.cluster.me(),
            owner: managed.owner,
            circuits: managed.state.circuits(now),
            evses: managed.state.standings(),
            notes: managed.state.notes().to_vec(),
            setpoints: managed.state.setpoints(now),
            alarms: managed.alarms.iter().cloned().collect(),
        };
        Box::pin(std::future::ready(Some(view)))
    }
}
