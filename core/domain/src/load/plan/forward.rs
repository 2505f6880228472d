//! A look ahead: would price windows make a trusted departure late?

use std::collections::BTreeMap;

use crate::load::capacity::Moment;
use crate::load::demand::Demand;
use crate::load::supply::Supply;
use crate::load::tree::SiteTree;
use crate::time::Timestamp;
use crate::unit::WattHours;

use super::Making;

/// The most steps looked ahead: a day of quarters of an hour.
const MAX_STEPS: usize = 96;
/// Roundings of the run itself.
const TOLERATED: WattHours = WattHours(10);

/// Plays the plan forward with the trusted cars alone, windows in force, and tells whether one of them leaves without what it
/// needs. The others only take what is left, so they do not matter here; readings last as they are, or every meter would be
/// silent ahead. Never true where no window is in force now.
pub(super) fn misses_a_departure(
    tree: &SiteTree,
    wanted: &BTreeMap<usize, &Demand>,
    supply: &Supply,
    now: Timestamp,
) -> bool {
    let in_force = supply.circuits.values().flat_map(|known| &known.windows).any(|window| window.holds(now));
    if !in_force {
        return false;
    }
    let is_trusted = |demand: &Demand| {
        demand.trust.departure && demand.departs_at.is_some_and(|at| at > now) && !demand.memory.is_quiet()
    };
    let trusted = wanted.iter().filter(|(_, demand)| is_trusted(demand));
    let mut ahead: BTreeMap<usize, Demand> =
        trusted.map(|(place, demand)| (*place, (*demand).clone())).collect();
    let step_ms = supply.policy.forward_step_ms.max(1);
    let mut at = now;
    for _ in 0..MAX_STEPS {
        ahead.retain(|_, demand| demand.remaining(&supply.policy).0 > 0);
        if ahead.is_empty() {
            return false;
        }
        let until = at.plus_millis(step_ms);
        charge(tree, &mut ahead, supply, Moment { at, read_at: now }, until);
        let leaves = |demand: &Demand| demand.departs_at.is_some_and(|departs| departs <= until);
        let is_late = |demand: &Demand| leaves(demand) && demand.remaining(&supply.policy) > TOLERATED;
        if ahead.values().any(is_late) {
            return true;
        }
        ahead.retain(|_, demand| !leaves(demand));
        at = until;
    }
    false
}

/// One step: every car has what the plan of its beginning gives, until the step ends or the car leaves.
fn charge(
    tree: &SiteTree,
    ahead: &mut BTreeMap<usize, Demand>,
    supply: &Supply,
    moment: Moment,
    until: Timestamp,
) {
    let wanted = ahead.iter().map(|(place, demand)| (*place, demand)).collect();
    let making = Making::shared(tree, &wanted, supply, false, moment);
    for car in &making.cars {
        let Some(demand) = ahead.get_mut(&car.place) else { continue };
        let end = demand.departs_at.map_or(until, |departs| departs.min(until));
        demand.delivered_wh = demand.delivered_wh.plus(car.energy(car.share_ua, end.millis_since(moment.at)));
        demand.memory = making.remembered(car);
    }
}
