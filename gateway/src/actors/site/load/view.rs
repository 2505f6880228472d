//! The load of a site as pages and the API show it.

use std::collections::BTreeMap;

use actix::prelude::*;
use ringmain_domain::id::{CircuitId, Epoch};
use ringmain_domain::load::allocation::standing::{CircuitStanding, Standing};
use ringmain_domain::load::capacity::CircuitNote;
use ringmain_domain::load::ledger::Slot;
use ringmain_domain::load::ledger::steering::input::Alarm;
use ringmain_domain::load::tree::SiteTree;
use ringmain_domain::time::Timestamp;
use ringmain_domain::unit::Milliamps;

use super::super::Site;
use super::Load;
use crate::clock;

/// How does the site's load stand? `None`: nobody manages it here.
#[derive(Message)]
#[rtype(result = "Option<LoadView>")]
pub struct ObserveLoad;

/// The load of a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadView {
    /// At this instant.
    pub at: Timestamp,
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadAlarm {
    /// When.
    pub at: Timestamp,
    /// What, in one word.
    pub kind: &'static str,
    /// Where and how much, in words.
    pub detail: String,
}

// === impl LoadAlarm ===

impl LoadAlarm {
    pub(super) fn of(at: Timestamp, alarm: Alarm, tree: &SiteTree) -> Self {
        let place = |slot: Slot| {
            let evse = tree.evses().get(slot);
            evse.map_or_else(String::new, |evse| format!("{} EVSE {}", evse.key.station, evse.key.evse.0))
        };
        let (kind, detail) = match alarm {
            Alarm::Deaf { slot, measured, ceiling } => {
                ("deaf", format!("{} draws {measured} at least and was allowed {ceiling}", place(slot)))
            }
            Alarm::FallbackLost { slot } => ("fallback_lost", format!("{} lost its fallback", place(slot))),
            Alarm::Unreachable { slot, ceiling, decays_at } => {
                let until = decays_at.map_or_else(|| "it is heard again".to_owned(), |at| at.to_string());
                (
                    "unreachable",
                    format!("{} cannot be told, and may draw {ceiling} until {until}", place(slot)),
                )
            }
            Alarm::Refusing { slot } => ("refusing", format!("{} refuses limits", place(slot))),
            Alarm::Deposed => ("deposed", "another owner manages this site".to_owned()),
        };
        Self { at, kind, detail }
    }
}

impl Handler<ObserveLoad> for Site {
    type Result = Option<LoadView>;

    fn handle(&mut self, _: ObserveLoad, _: &mut Self::Context) -> Option<LoadView> {
        let Load::Managed(managed) = &self.load else { return None };
        let now = clock::now();
        Some(LoadView {
            at: now,
            owner: managed.owner,
            circuits: managed.state.circuits(now),
            evses: managed.state.standings(),
            notes: managed.state.notes().to_vec(),
            setpoints: managed.state.setpoints(now),
            alarms: managed.alarms.iter().cloned().collect(),
        })
    }
}
