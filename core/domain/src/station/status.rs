//! Status of connectors, from status messages and from the device model's events: equal sources (OCPP 2.0.1 G01).

use std::collections::BTreeMap;

use super::{ConnectorState, MAX_CONNECTORS, StationState};
use crate::event::DomainEvent;
use crate::id::{ConnectorId, EvseId};
use crate::location::ConnectorStatus;
use crate::outcome::{Effect, Oddity, Outcome};
use crate::reply::StationReply;
use crate::report::{DeviceEvent, StationFault, StatusReport};

impl StationState {
    pub(super) fn on_status(&mut self, report: StatusReport) -> Outcome {
        let outcome = Outcome::reply(StationReply::Received);
        self.change(outcome, report.evse, report.connector, report.status, report.error)
    }

    pub(super) fn on_device_events(&mut self, events: Vec<DeviceEvent>) -> Outcome {
        let mut outcome = Outcome::reply(StationReply::Received);
        // Of several changes of one connector in a message the last counts: what was in between is in the events themselves.
        let mut last = BTreeMap::new();
        for event in &events {
            if let (Some(evse), Some(status)) = (event.evse, availability(event)) {
                last.insert((evse, event.connector.unwrap_or_default()), status);
            }
        }
        for ((evse, connector), status) in last {
            outcome = self.change(outcome, evse, connector, status, None);
        }
        outcome.event(DomainEvent::DeviceEventsReported { events })
    }

    /// Keeps a status; a fact only where it changed.
    fn change(
        &mut self,
        outcome: Outcome,
        evse: EvseId,
        connector: ConnectorId,
        status: ConnectorStatus,
        fault: Option<StationFault>,
    ) -> Outcome {
        let state = ConnectorState { status, fault: fault.clone() };
        let place = (evse, connector);
        if self.connectors.get(&place) == Some(&state) {
            return outcome;
        }
        if !self.connectors.contains_key(&place) && self.connectors.len() >= MAX_CONNECTORS {
            return outcome.effect(Effect::Count(Oddity::TooMany));
        }
        self.connectors.insert(place, state);
        outcome.event(DomainEvent::StatusChanged { evse, connector, status, fault })
    }
}

/// The availability a device model's event tells, if that is what it is about.
fn availability(event: &DeviceEvent) -> Option<ConnectorStatus> {
    if event.variable.as_ref() != "AvailabilityState" || event.component.as_ref() != "Connector" {
        return None;
    }
    match event.value.as_ref() {
        "Available" => Some(ConnectorStatus::Available),
        "Occupied" => Some(ConnectorStatus::Occupied),
        "Reserved" => Some(ConnectorStatus::Reserved),
        "Unavailable" => Some(ConnectorStatus::Unavailable),
        "Faulted" => Some(ConnectorStatus::Faulted),
        _ => None,
    }
}
