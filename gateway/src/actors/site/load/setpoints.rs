//! What the plan asks of batteries, told when it changes and every ten seconds.

use std::collections::BTreeMap;

use ringmain_domain::id::{CircuitId, LocationId};
use ringmain_domain::time::Timestamp;
use ringmain_domain::unit::Milliamps;

use super::super::Site;
use super::Load;
use crate::mqtt::Setpoint;

/// The same is told again so often, milliseconds.
const EVERY_MS: i64 = 10_000;
/// Worked out so often at most, milliseconds: a large site hears more than that.
const LOOKED_EVERY_MS: i64 = 500;

/// What was told last.
#[derive(Debug, Default)]
pub(super) struct Told {
    setpoints: BTreeMap<CircuitId, [Milliamps; 3]>,
    at: Option<Timestamp>,
    looked_at: Option<Timestamp>,
}

// === impl Told ===

impl Told {
    /// The clock was set: when the last ones were told says nothing any more.
    pub(super) const fn clock_moved(&mut self) {
        self.at = None;
        self.looked_at = None;
    }
}

impl Site {
    /// A set-point that finds no room is told with the next.
    pub(super) fn tell_batteries(&mut self, now: Timestamp) {
        let Load::Managed(managed) = &mut self.load else { return };
        if managed.told.looked_at.is_some_and(|at| now.millis_since(at) < LOOKED_EVERY_MS) {
            return;
        }
        managed.told.looked_at = Some(now);
        let wanted = managed.state.setpoints(now);
        let told = &mut managed.told;
        let is_due = told.at.is_none_or(|at| now.millis_since(at) >= EVERY_MS);
        if wanted == told.setpoints && (!is_due || wanted.is_empty()) {
            return;
        }
        let Some(location): Option<LocationId> = self.state.id().location() else { return };
        for (circuit, lines) in &wanted {
            let setpoint = Setpoint {
                tenant: self.tenant.clone(),
                location: location.clone(),
                circuit: circuit.clone(),
                battery_ma: lines.map(|line| line.0),
            };
            if self.parts.setpoints.try_send(setpoint).is_err() {
                tracing::debug!(site.id = %self.state.id(), "a set-point finds no room");
            }
        }
        *told = Told { setpoints: wanted, at: Some(now), ..*told };
    }
}
