//! A look ahead: would price windows make a trusted departure late?

use std::collections::BTreeMap;

use crate::load::demand::Demand;
use crate::load::supply::Supply;
use crate::load::tree::SiteTree;
use crate::time::Timestamp;
use crate::unit::WattHours;

use super::car::Car;
use super::plan_with;

/// The most steps looked ahead: a day of quarters of an hour.
const MAX_STEPS: usize = 96;

/// Plays the plan forward with the trusted cars alone, windows in force, and tells whether one of them leaves without what it
/// needs. The others only take what is left, so they do not matter here. Never true where no window is in force now.
pub(super) fn misses_a_departure(
    tree: &SiteTree,
    demands: &[Demand],
    supply: &Supply,
    now: Timestamp,
) -> bool {
    let in_force = supply.circuits.values().flat_map(|known| &known.windows).any(|window| window.holds(now));
    if !in_force {
        return false;
    }
    let is_trusted = |demand: &&Demand| {
        demand.trust.departure && demand.departs_at.is_some_and(|at| at > now) && !demand.memory.is_quiet()
    };
    let mut ahead: Vec<Demand> = demands.iter().filter(is_trusted).cloned().collect();
    let step_ms = supply.policy.forward_step_ms.max(1);
    let mut at = now;
    for _ in 0..MAX_STEPS {
        ahead.retain(|demand| demand.remaining(&supply.policy).0 > 0);
        if ahead.is_empty() {
            return false;
        }
        let plan = plan_with(tree, &ahead, supply, false, at);
        let shares: BTreeMap<_, _> = plan.shares.iter().map(|share| (&share.evse, share)).collect();
        let until = at.plus_millis(step_ms);
        for demand in &mut ahead {
            let end = demand.departs_at.map_or(until, |departs| departs.min(until));
            let place = tree.place(&demand.evse);
            let evse = place.and_then(|place| Some((place, tree.evses().get(place)?)));
            let Some(((place, evse), share)) = evse.zip(shares.get(&demand.evse)) else { continue };
            let car = Car::new(tree, place, evse, demand, supply, at);
            let share_ua = share.current.0.saturating_mul(crate::load::rows::MICRO);
            demand.delivered_wh = demand.delivered_wh.plus(car.energy(share_ua, end.millis_since(at)));
            if let Some(memory) = share.memory {
                demand.memory = memory;
            }
        }
        let is_late = |demand: &Demand| {
            demand.departs_at.is_some_and(|departs| departs <= until)
                && demand.remaining(&supply.policy) > TOLERATED
        };
        if ahead.iter().any(is_late) {
            return true;
        }
        ahead.retain(|demand| demand.departs_at.is_some_and(|departs| departs > until));
        at = until;
    }
    false
}

/// Roundings of the run itself.
const TOLERATED: WattHours = WattHours(10);
