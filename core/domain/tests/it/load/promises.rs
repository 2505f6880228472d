//! What a plan promises to those who charge, on every tree: the limit of the moment, deadlines, equal treatment, a turn.

use proptest::prelude::*;
use ringmain_domain::load::demand::Demand;
use ringmain_domain::load::plan::{LoadPlan, plan};
use ringmain_domain::load::supply::{CircuitSupply, Held, HeldWhy, Reading, Signal, Supply};
use ringmain_domain::load::tree::{Evse, Limit, SiteTree};
use ringmain_domain::time::Timestamp;
use ringmain_domain::unit::{Milliamps, WattHours};

use super::plan::{NOW, car, site};
use super::properties::{demands, flows, trees, wishes};
use super::site::key;

/// What is known of one circuit: its building load and perhaps a limit from outside, in mA per line.
type Known = ([i64; 3], Option<[i64; 3]>);

fn known() -> impl Strategy<Value = Vec<Known>> {
    let lines = || [-5_000..30_000_i64, -5_000..30_000_i64, 0..30_000_i64];
    prop::collection::vec(
        (lines(), prop::option::weighted(0.3, [0..60_000_i64, 0..60_000_i64, 0..60_000_i64])),
        8,
    )
}

fn supply(tree: &SiteTree, known: &[Known], held: &[Option<i64>]) -> Supply {
    let signal = |lines: [i64; 3]| Signal {
        source: "grid operator".into(),
        from: NOW.plus_secs(-60),
        until: None,
        limit: Limit { line_ma: Some(lines.map(Milliamps)), power_w: None },
    };
    let circuits = tree.circuits().iter().zip(known).map(|(circuit, (load, limit))| {
        let reading = Reading { at: NOW.plus_secs(-5), line_ma: load.map(Milliamps) };
        let known = CircuitSupply {
            building: [reading].into_iter().collect(),
            may_export: true,
            signals: limit.map(signal).into_iter().collect(),
            ..CircuitSupply::default()
        };
        (circuit.id.clone(), known)
    });
    let held = tree.evses().iter().zip(held).filter_map(|(evse, ceiling)| {
        let held = Held { ceiling_ma: Milliamps(ceiling.as_ref().copied()?), why: HeldWhy::Silent };
        Some((evse.key.clone(), held))
    });
    Supply { circuits: circuits.collect(), held: held.collect(), ..Supply::default() }
}

/// What a session remembers goes into the next plan.
fn learn(demands: &mut [Demand], plan: &LoadPlan) {
    for demand in demands {
        let share = plan.shares.iter().find(|share| share.evse == demand.evse).unwrap();
        demand.memory = share.memory.unwrap();
    }
}

/// The same site with a second EVSE beside the first: same circuit, lines and maximum, no fallback.
fn with_twin(tree: &SiteTree) -> (SiteTree, Evse, Evse) {
    let mut evses = tree.evses().to_vec();
    evses[0].fallback_ma = Milliamps::ZERO;
    let first = evses[0].clone();
    let twin = Evse { key: key("TWIN"), ..first.clone() };
    evses.push(twin.clone());
    (SiteTree::new(tree.circuits().to_vec(), evses).unwrap(), first, twin)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Building load, limits from outside and EVSEs that cannot be steered come first. A row that they alone overfill is not
    /// filled further by a share.
    #[test]
    fn what_is_not_ours_is_left_room_for(
        tree in trees(), wishes in wishes(), known in known(),
        held in prop::collection::vec(prop::option::weighted(0.2, 0..32_000_i64), 16),
    ) {
        let supply = supply(&tree, &known, &held);
        let mut rows = tree.rows(NOW);
        for (place, (load, limit)) in known.iter().enumerate().take(tree.circuits().len()) {
            rows.add_reserve(place, load.map(Milliamps));
            if let Some(limit) = limit {
                rows.cap_lines(place, limit.map(Milliamps));
            }
        }
        let loads = |demands: &[Demand]| rows.usage_by_line(&flows(&tree, &plan(&tree, demands, &supply, NOW)));
        for (empty, shared) in loads(&[]).into_iter().zip(loads(&demands(&tree, &wishes))) {
            prop_assert!(!shared.is_over() || shared.load <= empty.load, "{empty:?} {shared:?}");
        }
    }

    /// Whoever else wants to charge, and whatever he states, a trusted departure is met or missed as if he were not there.
    #[test]
    fn deadlines_are_served_before_everybody_else(tree in trees(), wishes in wishes()) {
        // A sum of phasors can be shorter with a further arrow than without it.
        prop_assume!(tree.circuits().iter().all(|circuit| circuit.phasors.is_empty()));
        let all = demands(&tree, &wishes);
        let is_deadline = |demand: &Demand| {
            let wants = demand.energy_wh.is_some_and(|energy| energy > WattHours(1_000)) && !demand.memory.is_quiet();
            demand.trust.departure && wants && demand.departs_at.is_some_and(|at| at > NOW)
        };
        let (trusted, others): (Vec<_>, Vec<_>) = all.into_iter().partition(is_deadline);
        let alone = plan(&tree, &trusted, &Supply::default(), NOW).missed;
        let others = others.into_iter().map(|demand| Demand { trust: Default::default(), ..demand });
        let together = plan(&tree, &trusted.into_iter().chain(others).collect::<Vec<_>>(), &Supply::default(), NOW).missed;
        prop_assert_eq!(alone, together);
    }

    /// Two cars that differ in nothing but their name have the same, up to the one step that cannot be halved; a larger weight
    /// has no less.
    #[test]
    fn who_is_alike_is_treated_alike(tree in trees(), wishes in wishes(), weight in 1_000..4_000_u32) {
        // The twin is in no sum of phasors.
        prop_assume!(tree.circuits().iter().all(|circuit| circuit.phasors.is_empty()));
        let (tree, first, twin) = with_twin(&tree);
        let mut demands = demands(&tree, &wishes);
        demands.retain(|demand| demand.evse != first.key && demand.evse != twin.key);
        for (evse, weight_permille) in [(&first, 1_000), (&twin, weight)] {
            demands.push(Demand { weight_permille, energy_wh: Some(WattHours(20_000)), ..Demand::new(evse.key.clone(), NOW) });
        }
        let shares = plan(&tree, &demands, &Supply::default(), NOW).shares;
        let of = |evse: &Evse| shares.iter().find(|share| share.evse == evse.key).unwrap().current;
        let (first_ma, twin_ma) = (of(&first), of(&twin));
        if first_ma.0 > 0 && twin_ma.0 > 0 {
            prop_assert!(twin_ma.plus(first.step_ma) >= first_ma, "{first_ma:?} {twin_ma:?}");
            prop_assert!(weight > 1_000 || first_ma.plus(first.step_ma) >= twin_ma, "{first_ma:?} {twin_ma:?}");
        }
    }
}

proptest! {
    // Each case is six hours, minute by minute.
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// More cars than places: nobody is paused within the hold, nobody waits longer than the queue before him needs, and no
    /// place stays free.
    #[test]
    fn places_at_the_minimum_go_round(cars in 2..8_usize, amps in 6..40_i64) {
        const HOLD_MINUTES: i64 = 30;
        let names = ["A", "B", "C", "D", "E", "F", "G"].get(..cars).unwrap();
        let site = site(amps, names);
        let places = usize::try_from(amps / 6).unwrap().min(cars);
        let longest = HOLD_MINUTES * i64::try_from(cars.div_ceil(places)).unwrap();
        let mut demands: Vec<Demand> = names.iter().map(|name| car(name)).collect();
        let mut changed_at: Vec<(bool, Timestamp)> = vec![(false, NOW); cars];
        for minute in 0..6 * 60 {
            let now = NOW.plus_secs(minute * 60);
            let plan = plan(&site, &demands, &Supply::default(), now);
            learn(&mut demands, &plan);
            prop_assert_eq!(plan.shares.iter().filter(|share| share.current.0 > 0).count(), places);
            for (share, (was_on, since)) in plan.shares.iter().zip(&mut changed_at) {
                let lasted_minutes = now.millis_since(*since) / 60_000;
                let is_on = share.current.0 > 0;
                if is_on == *was_on {
                    prop_assert!(is_on || lasted_minutes <= longest, "{share:?} waits for {lasted_minutes} min");
                    continue;
                }
                prop_assert!(!*was_on || lasted_minutes >= HOLD_MINUTES, "{share:?} charged for {lasted_minutes} min");
                (*was_on, *since) = (is_on, now);
            }
        }
    }
}
