//! What a station says of a car that takes nothing (SuspendedEV): its share goes to others at once, before samples tell, and also where the
//! station sends none any more.

use crate::event::{DomainEvent, Fact};
use crate::id::EvseId;
use crate::load::ledger::steering::input::Effect;
use crate::load::tree::EvseKey;
use crate::location::{Connector, ConnectorStatus};
use crate::report::ChargingState;
use crate::session::Session;
use crate::time::Timestamp;

use super::{AllocationState, Input};

/// What a fact says of it: of 2.x in messages about the transaction, of 1.6 as a status. `sessions` are as they are with it.
#[must_use]
pub fn of_fact(fact: &Fact, sessions: &[Session]) -> Option<Input> {
    let at = |evse: EvseId| EvseKey { station: fact.station.clone(), evse };
    if let DomainEvent::StatusChanged { evse, status, .. } = &fact.event {
        return Some(Input::Rests { evse: at(*evse), rests: of_status(*status)? });
    }
    let DomainEvent::Transaction(said) = &fact.event else { return None };
    // What waited in a queue is past.
    let rests = match said.charging_state.filter(|_| !said.offline)? {
        ChargingState::SuspendedEv => true,
        ChargingState::Charging => false,
        ChargingState::Idle | ChargingState::EvConnected | ChargingState::SuspendedEvse => return None,
    };
    let session = sessions.iter().find(|session| session.transaction == said.transaction)?;
    Some(Input::Rests { evse: at(session.evse?), rests })
}

/// What a connector's last status says of it.
#[must_use]
pub fn of_connector(connector: &Connector) -> Option<Input> {
    let evse = EvseKey { station: connector.station.clone(), evse: connector.evse };
    Some(Input::Rests { evse, rests: of_status(connector.status)? })
}

const fn of_status(status: ConnectorStatus) -> Option<bool> {
    match status {
        ConnectorStatus::SuspendedEv => Some(true),
        ConnectorStatus::Charging => Some(false),
        ConnectorStatus::Available
        | ConnectorStatus::Occupied
        | ConnectorStatus::Preparing
        | ConnectorStatus::SuspendedEvse
        | ConnectorStatus::Finishing
        | ConnectorStatus::Reserved
        | ConnectorStatus::Unavailable
        | ConnectorStatus::Faulted => None,
    }
}

impl AllocationState {
    pub(super) fn on_rests(&mut self, now: Timestamp, key: &EvseKey, rests: bool) -> Vec<Effect> {
        let car = self.tree.place(key).and_then(|slot| self.cars.get_mut(slot)?.as_mut());
        if let Some(car) = car {
            car.says_rest = rests;
            car.demand.memory.suspended &= rests;
            self.plan_soon(now);
        }
        Vec::new()
    }

    /// A word counts once the car can take something: without it, or while a limit may still be on its way, it is the station's and not
    /// the car's.
    pub(super) fn believe_rests(&mut self, now: Timestamp) {
        for (slot, (car, evse)) in self.cars.iter_mut().zip(self.tree.evses()).enumerate() {
            let Some(car) = car.as_mut().filter(|car| car.says_rest) else { continue };
            let is_offered = self.steering.in_force(now, slot).is_some_and(|limit| limit >= evse.min_ma);
            car.demand.memory.suspended |= is_offered;
        }
    }
}
