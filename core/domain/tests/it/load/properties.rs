//! What holds for every tree and everybody's wishes.

use proptest::prelude::*;
use ringmain_domain::load::demand::{Demand, Memory, Trust};
use ringmain_domain::load::plan::{LoadPlan, plan};
use ringmain_domain::load::reason::Reason;
use ringmain_domain::load::share_out::{Claim, share_out};
use ringmain_domain::load::supply::Supply;
use ringmain_domain::load::tree::{Circuit, Evse, Line, PhasorFactor, PhasorRow, SiteTree};
use ringmain_domain::unit::{Milliamps, WattHours, Watts};

use super::plan::NOW;
use super::site::{circuit_id, socket};

/// The lines a socket can be wired to.
const WIRINGS: [&[Line]; 6] = [
    &[Line::L1],
    &[Line::L2],
    &[Line::L3],
    &[Line::L1, Line::L2, Line::L3],
    &[Line::L2, Line::L3, Line::L1],
    &[Line::L3, Line::L1, Line::L2],
];

/// One circuit in a random tree: which of the earlier ones feeds it, its limits in mA, and perhaps one in W.
type Node = (prop::sample::Index, [i64; 3], Option<i64>);
/// One socket: circuit, wiring, maximum in A, fallback or none, angle.
type Outlet = (prop::sample::Index, usize, i64, bool, i64);

fn build(nodes: &[Node], outlets: &[Outlet], phasor_limit: Option<i64>) -> SiteTree {
    let name = |number: usize| format!("c{number}");
    let mut circuits: Vec<Circuit> = Vec::new();
    for (number, (parent, limits, power)) in nodes.iter().enumerate() {
        // Of at most seven circuits none is too deep.
        let parent = (number > 0).then(|| circuit_id(&name(parent.index(number))));
        let mut circuit = Circuit::new(circuit_id(&name(number)), parent, limits.map(Milliamps));
        circuit.limit.power_w = power.map(Watts);
        circuits.push(circuit);
    }
    let evses: Vec<Evse> = (outlets.iter().enumerate())
        .map(|(number, (node, wiring, max, _, _))| Evse {
            max_ma: Milliamps(max * 1_000),
            ..socket(&format!("S{number:02}"), &name(node.index(nodes.len())), WIRINGS[*wiring])
        })
        .collect();
    if let Some(limit) = phasor_limit {
        let factors = outlets.iter().zip(&evses).map(|((.., angle), evse)| PhasorFactor {
            evse: evse.key.clone(),
            ratio_millionths: 500_000,
            angle_mdeg: *angle,
        });
        circuits[0].phasors.push(PhasorRow {
            name: "winding".into(),
            limit_ma: Milliamps(limit),
            factors: factors.collect(),
        });
    }
    // A fallback stays where it fits.
    let mut kept = evses;
    for (number, outlet) in outlets.iter().enumerate().filter(|(_, outlet)| outlet.3) {
        let mut tried = kept.clone();
        tried[number].fallback_ma = Milliamps(6_000.min(outlet.2 * 1_000));
        if SiteTree::new(circuits.clone(), tried.clone()).is_ok() {
            kept = tried;
        }
    }
    SiteTree::new(circuits, kept).unwrap()
}

pub(super) fn trees() -> impl Strategy<Value = SiteTree> {
    let limit = || prop_oneof![1 => Just(0_i64), 9 => 0..90_000_i64];
    let node = (
        any::<prop::sample::Index>(),
        [limit(), limit(), limit()],
        prop::option::weighted(0.3, 0..40_000_i64),
    );
    let outlet = (any::<prop::sample::Index>(), 0..6_usize, 6..33_i64, any::<bool>(), 0..360_000_i64);
    let nodes = prop::collection::vec(node, 1..8);
    let outlets = prop::collection::vec(outlet, 1..16);
    (nodes, outlets, prop::option::weighted(0.4, 0..60_000_i64))
        .prop_map(|(nodes, outlets, phasor)| build(&nodes, &outlets, phasor))
}

/// What one car wants: energy, hours to its departure, trust, minutes on (or off when negative), quiet, weight, learnt cap.
pub(super) type Wish = (Option<i64>, Option<i64>, bool, Option<i64>, bool, u32, Option<i64>);

pub(super) fn wishes() -> impl Strategy<Value = Vec<Option<Wish>>> {
    let wish = (
        prop::option::of(0..80_000_i64),
        prop::option::of(-5..12_i64),
        any::<bool>(),
        prop::option::of(-90..90_i64),
        prop::bool::weighted(0.2),
        500..4_000_u32,
        prop::option::of(6_000..32_000_i64),
    );
    prop::collection::vec(prop::option::weighted(0.8, wish), 16)
}

pub(super) fn demands(tree: &SiteTree, wishes: &[Option<Wish>]) -> Vec<Demand> {
    let told = tree.evses().iter().zip(wishes).filter_map(|(evse, wish)| Some((evse, wish.as_ref()?)));
    told.map(|(evse, (energy, hours, trust, since, quiet, weight, cap))| {
        let since = since.map(|minutes| (minutes, NOW.plus_secs(-minutes.abs() * 60)));
        Demand {
            energy_wh: energy.map(WattHours),
            departs_at: hours.map(|hours| NOW.plus_secs(hours * 3_600)),
            trust: Trust { departure: *trust, energy: *trust },
            weight_permille: *weight,
            memory: Memory {
                on_since: since.filter(|(minutes, _)| *minutes >= 0).map(|(_, at)| at),
                off_since: since.filter(|(minutes, _)| *minutes < 0).map(|(_, at)| at),
                quiet_samples: if *quiet { 2 } else { 0 },
                learnt_cap_ma: cap.map(Milliamps),
                ..Memory::default()
            },
            ..Demand::new(evse.key.clone(), NOW.plus_secs(-3_600))
        }
    })
    .collect()
}

/// What may flow: the share on the lines it is counted on, the fallback on all that are wired.
pub(super) fn flows(tree: &SiteTree, plan: &LoadPlan) -> Vec<[Milliamps; 3]> {
    let shares = plan.shares.iter().zip(tree.evses());
    shares
        .map(|(share, evse)| {
            Line::ALL.map(|line| {
                let counted = if line.of(share.lines) { share.current } else { Milliamps::ZERO };
                let wired = if evse.lines.contains(&line) { evse.fallback_ma } else { Milliamps::ZERO };
                counted.max(wired)
            })
        })
        .collect()
}

fn claims(tree: &SiteTree, wishes: &[Option<Wish>]) -> Vec<Claim> {
    let demands = demands(tree, wishes);
    let claim = |demand: &Demand| Claim {
        evse: demand.evse.clone(),
        max_ma: tree.evses()[tree.place(&demand.evse).unwrap()].max_ma,
        weight_permille: demand.weight_permille,
    };
    demands.iter().map(claim).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_row_holds(tree in trees(), wishes in wishes()) {
        let plan = plan(&tree, &demands(&tree, &wishes), &Supply::default(), NOW);
        for row in tree.rows(NOW).usage_by_line(&flows(&tree, &plan)) {
            prop_assert!(!row.is_over(), "{:?} {row:?}", tree.rows(NOW).row(row.row));
        }
    }

    #[test]
    fn a_share_is_nothing_or_what_the_evse_can_be_told(tree in trees(), wishes in wishes()) {
        let plan = plan(&tree, &demands(&tree, &wishes), &Supply::default(), NOW);
        prop_assert_eq!(plan.shares.len(), tree.evses().len());
        for (share, evse) in plan.shares.iter().zip(tree.evses()) {
            let told = share.current;
            let in_steps = told.minus(evse.min_ma).0 % evse.step_ma.0 == 0;
            prop_assert!(told.0 == 0 || (told >= evse.min_ma && told <= evse.max_ma && in_steps), "{share:?}");
            prop_assert!(!share.reason.to_string().is_empty());
        }
        prop_assert!(plan.next_at.is_none_or(|at| at > NOW));
    }

    #[test]
    fn the_order_of_the_input_changes_nothing(tree in trees(), wishes in wishes(), turn in 0..16_usize) {
        let demands = demands(&tree, &wishes);
        let mut other = demands.clone();
        let turn = turn.min(other.len());
        other.rotate_left(turn);
        other.reverse();
        other.extend(demands.iter().take(turn).cloned());
        let made = |demands: &[Demand]| plan(&tree, demands, &Supply::default(), NOW);
        prop_assert_eq!(made(&demands), made(&other));
    }

    #[test]
    fn a_row_that_is_called_full_has_no_room_for_a_step(tree in trees(), wishes in wishes()) {
        let plan = plan(&tree, &demands(&tree, &wishes), &Supply::default(), NOW);
        for (place, share) in plan.shares.iter().enumerate() {
            let Reason::RowFull(full) = &share.reason else { continue };
            let mut flows = flows(&tree, &plan);
            for line in Line::ALL {
                if line.of(share.lines) {
                    flows[place][line.index()] = share.current.plus(tree.evses()[place].step_ma);
                }
            }
            let rows = tree.rows(NOW);
            let over = rows.usage_by_line(&flows).into_iter().filter(ringmain_domain::load::rows::Usage::is_over);
            let named: Vec<_> = over.filter_map(|usage| rows.row(usage.row)).map(|row| (row.circuit.as_str(), &row.kind)).collect();
            prop_assert!(named.contains(&(&*full.circuit, &full.kind)), "{:?} not in {named:?}", full);
        }
    }

    /// The certificate of max-min: everybody is at the cap, or uses a full row on which nobody has more for his weight.
    #[test]
    fn nobody_could_have_more_without_somebody_poorer_having_less(tree in trees(), wishes in wishes()) {
        // Sums of phasors have no such certificate.
        prop_assume!(tree.circuits().iter().all(|circuit| circuit.phasors.is_empty()));
        let claims = claims(&tree, &wishes);
        let shares = share_out(&tree, &claims, NOW);
        let rows = tree.rows(NOW);
        let per_weight = |number: usize| i128::from(shares[number]) * 1_000_000 / i128::from(claims[number].weight_permille);
        for (number, claim) in claims.iter().enumerate() {
            if shares[number] + 2 >= claim.max_ma.0 * 1_000 {
                continue;
            }
            let uses = rows.uses(tree.place(&claim.evse).unwrap());
            let is_stopped = uses.iter().any(|own| {
                let Some(limit) = rows.limit(own.row) else { return false };
                let users = claims.iter().enumerate().flat_map(|(other, claim)| {
                    let uses = rows.uses(tree.place(&claim.evse).unwrap()).iter();
                    uses.filter(|other_use| other_use.row == own.row).map(move |other_use| (other, other_use))
                });
                let (mut load, mut richest) = (0_i128, 0_i128);
                for (other, other_use) in users {
                    let lines = i128::try_from(tree.evses()[tree.place(&claims[other].evse).unwrap()].lines.len()).unwrap();
                    load += i128::from(shares[other]) * match other_use.coefficient {
                        ringmain_domain::load::rows::Coefficient::Power { voltage_v, .. } => i128::from(voltage_v) * lines,
                        _ => 1,
                    };
                    richest = richest.max(per_weight(other));
                }
                // Rounding: a microampere for each of 16, times 690 V; and the spare milliwatt.
                let is_full = load >= i128::from(limit) * 1_000 - 13_000;
                is_full && richest <= per_weight(number) + 3_000
            });
            prop_assert!(is_stopped, "{number} has {} of {claims:?}, {shares:?}", shares[number]);
        }
    }

    #[test]
    fn a_higher_limit_never_lowers_the_smallest_share(tree in trees(), wishes in wishes(), more in 1..50_000_i64) {
        prop_assume!(tree.circuits().iter().all(|circuit| circuit.phasors.is_empty()));
        let claims = claims(&tree, &wishes);
        let mut circuits = tree.circuits().to_vec();
        let last = circuits.last_mut().unwrap();
        last.limit.line_ma = last.limit.line_ma.map(|lines| lines.map(|line| line.plus(Milliamps(more))));
        let wider = SiteTree::new(circuits, tree.evses().to_vec()).unwrap();
        let smallest = |tree: &SiteTree| {
            let shares = share_out(tree, &claims, NOW);
            shares.iter().zip(&claims).map(|(share, claim)| i128::from(*share) * 1_000 / i128::from(claim.weight_permille)).min()
        };
        prop_assert!(smallest(&wider).map(|share| share + 4) >= smallest(&tree));
    }
}
