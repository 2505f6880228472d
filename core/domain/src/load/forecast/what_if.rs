//! What if there were more vehicles, another limit, no sun? A question changes a copy of the picture, never the site.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::load::demand::{Demand, Trust};
use crate::load::supply::{HeldWhy, Readings, Signal};
use crate::load::tree::Evse;
use crate::time::Timestamp;
use crate::unit::{WattHours, Watts};

use super::{Forecast, Picture, forecast};

/// The most vehicles that one question brings.
pub const VEHICLES_MAX: u32 = 200;
/// The highest limit of one question, in percent of the limit there is.
pub const LIMIT_MAX_PERCENT: u32 = 200;

/// A question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WhatIf {
    /// So many vehicles more, one at each free EVSE in the order of the tree; at most [`VEHICLES_MAX`].
    pub more_vehicles: u32,
    /// What each of them asks for.
    pub energy_wh: Option<WattHours>,
    /// When all of them leave. It is taken as answered for.
    pub departs_at: Option<Timestamp>,
    /// All limits of the circuits at the top, those from outside too, in percent; at most [`LIMIT_MAX_PERCENT`].
    pub limit_percent: Option<u32>,
    /// The sun gives nothing.
    pub no_sun: bool,
}

/// What becomes of a site if.
#[must_use]
pub fn forecast_if(picture: &Picture, question: &WhatIf) -> Forecast {
    let mut changed = picture.clone();
    question.put_limits(&mut changed);
    if question.no_sun {
        take_the_sun(&mut changed);
    }
    let before = changed.demands.len();
    let without_place = question.put_vehicles(&mut changed);
    let added: Vec<_> = changed.demands.iter().skip(before).map(|demand| demand.evse.clone()).collect();
    let mut told = forecast(&changed);
    for car in &mut told.cars {
        car.is_added = added.binary_search(&car.evse).is_ok();
    }
    Forecast { without_place, ..told }
}

// === impl WhatIf ===

impl WhatIf {
    /// Does it ask for anything?
    #[must_use]
    pub fn asks(&self) -> bool {
        self.more_vehicles > 0 || self.no_sun || self.limit_percent.is_some_and(|percent| percent != 100)
    }

    fn put_limits(&self, picture: &mut Picture) {
        let Some(percent) = self.limit_percent.map(|percent| percent.min(LIMIT_MAX_PERCENT)) else { return };
        picture.tree = picture.tree.with_root_limits(percent);
        let roots = picture.tree.circuits().iter().filter(|circuit| circuit.parent.is_none());
        for root in roots {
            let Some(known) = picture.supply.circuits.get_mut(&root.id) else { continue };
            for Signal { limit, .. } in &mut known.signals {
                *limit = limit.percent(percent);
            }
        }
    }

    /// Puts the vehicles where nobody is, and tells how many found no place.
    fn put_vehicles(&self, picture: &mut Picture) -> u32 {
        let Picture { now, tree, demands, supply, unreachable } = picture;
        let taken: BTreeSet<_> = demands.iter().map(|demand| &demand.evse).collect();
        let is_free = |evse: &&Evse| {
            let deaf = supply.held.get(&evse.key).is_some_and(|held| held.why == HeldWhy::Overdrawing);
            !deaf && !unreachable.contains(&evse.key) && !taken.contains(&evse.key)
        };
        let wanted = usize::try_from(self.more_vehicles.min(VEHICLES_MAX)).unwrap_or(0);
        let free = tree.evses().iter().filter(is_free).take(wanted);
        let vehicles = free.map(|evse| Demand {
            energy_wh: self.energy_wh,
            departs_at: self.departs_at,
            trust: Trust { departure: self.departs_at.is_some(), energy: false },
            ..Demand::new(evse.key.clone(), *now)
        });
        let vehicles: Vec<_> = vehicles.collect();
        let placed = u32::try_from(vehicles.len()).unwrap_or(u32::MAX);
        for vehicle in vehicles {
            // A vehicle that is there can be steered, whatever was open for the one before.
            supply.held.remove(&vehicle.evse);
            demands.push(vehicle);
        }
        self.more_vehicles.saturating_sub(placed)
    }
}

fn take_the_sun(picture: &mut Picture) {
    for known in picture.supply.circuits.values_mut() {
        known.solar = Readings::default();
        // What is fed in at a meter comes from the sun too.
        known.building.take_generation();
        if let Some(solar) = &mut known.solar_only {
            solar.surplus_w = Watts::ZERO;
            solar.enough_at = None;
        }
    }
}
