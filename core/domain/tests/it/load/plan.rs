//! The steps of the plan, one by one, with what an operator reads.

use ringmain_domain::load::demand::{Demand, Memory, Trust};
use ringmain_domain::load::plan::{LoadPlan, plan};
use ringmain_domain::load::supply::{Held, HeldWhy, Supply};
use ringmain_domain::load::tree::{Circuit, Evse, Limit, Line, Output, SiteTree};
use ringmain_domain::time::Timestamp;
use ringmain_domain::unit::{Milliamps, WattHours, Watts};

use super::site::{circuit, key, socket, tree};

/// 2026-03-01T08:00:00Z.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_772_352_000_000);
const MINUTE: i64 = 60;

pub(crate) fn car(station: &str) -> Demand {
    Demand::new(key(station), NOW)
}

fn leaves(station: &str, hours: i64, kwh: i64) -> Demand {
    Demand {
        departs_at: Some(NOW.plus_secs(hours * 3_600)),
        energy_wh: Some(WattHours(kwh * 1_000)),
        ..car(station)
    }
}

fn trusted(demand: Demand) -> Demand {
    Demand { trust: Trust { departure: true, energy: true }, ..demand }
}

fn on_for(demand: Demand, minutes: i64) -> Demand {
    let memory = Memory { on_since: Some(NOW.plus_secs(-minutes * MINUTE)), ..demand.memory };
    Demand { memory, ..demand }
}

fn off_for(demand: Demand, minutes: i64) -> Demand {
    let memory = Memory { off_since: Some(NOW.plus_secs(-minutes * MINUTE)), ..demand.memory };
    Demand { memory, ..demand }
}

pub(crate) fn told(plan: &LoadPlan) -> Vec<String> {
    let line = |share: &ringmain_domain::load::plan::Share| {
        format!("{} {} {}", share.evse.station, share.current.0, share.reason)
    };
    plan.shares.iter().map(line).collect()
}

/// Sockets A, B, C ... on all three lines of a grid connection of so many amperes.
pub(crate) fn site(amps: i64, names: &[&str]) -> SiteTree {
    let evses = names.iter().map(|name| socket(name, "grid", &Line::ALL)).collect();
    tree(vec![circuit("grid", None, amps)], evses).unwrap()
}

fn plan_at(tree: &SiteTree, demand: &Demand, secs: i64) -> LoadPlan {
    plan(tree, std::slice::from_ref(demand), &Supply::default(), NOW.plus_secs(secs))
}

fn now(tree: &SiteTree, demands: &[Demand]) -> LoadPlan {
    plan(tree, demands, &Supply::default(), NOW)
}

/// evcc 30340: a third car gets its share, not what the first two left.
#[test]
fn a_third_car_with_three_amperes_left_gets_its_share() {
    let site = site(32, &["A", "B", "C", "D"]);
    let two = now(&site, &[car("A"), car("B")]);
    assert_eq!(
        told(&two)[..2],
        ["A 16000 grid phase L1 full".to_owned(), "B 16000 grid phase L1 full".to_owned()]
    );
    let three = now(&site, &[on_for(car("A"), 5), on_for(car("B"), 5), car("C")]);
    assert_eq!(
        told(&three),
        [
            "A 11000 grid phase L1 full",
            "B 11000 grid phase L1 full",
            "C 10000 grid phase L1 full",
            "D 0 no vehicle"
        ]
    );
}

#[test]
fn who_does_not_fit_waits_and_has_its_turn_after_the_hold() {
    let site = site(13, &["A", "B", "C"]);
    let fresh = now(&site, &[on_for(car("A"), 29), on_for(car("B"), 29), off_for(car("C"), 29)]);
    assert_eq!(told(&fresh)[2], "C 0 waiting since 07:31 UTC, next at 08:01 UTC: grid phase L1 full");
    assert_eq!(fresh.next_at, Some(NOW.plus_secs(MINUTE)));
    let due = now(&site, &[on_for(car("A"), 30), on_for(car("B"), 31), off_for(car("C"), 30)]);
    // Of two whose hold is over, the one with more time to spare gives way; here both have the same, so the later key does.
    assert_eq!(due.shares[1].current, Milliamps::ZERO);
    assert_eq!(due.shares[2].current, Milliamps(6_000));
    let memory = due.shares[1].memory.unwrap();
    assert_eq!((memory.on_since, memory.off_since), (None, Some(NOW)));
}

#[test]
fn a_trusted_departure_is_served_before_others_and_told_when_it_is_missed() {
    let site = site(32, &["A", "B", "C"]);
    // 22 kWh in 2 h on three lines of 230 V: 15.94 A. What is left of 32 A is shared by all three.
    let plan = now(&site, &[car("A"), car("B"), trusted(leaves("C", 2, 22))]);
    assert_eq!(
        told(&plan),
        [
            "A 8000 grid phase L1 full",
            "B 7000 grid phase L1 full",
            "C 17000 departs 10:00 UTC, needs 22.0 kWh"
        ]
    );
    assert_eq!(plan.missed, []);
    let late = now(&site, &[car("A"), car("B"), trusted(leaves("C", 1, 44))]);
    assert_eq!(late.shares[2].current, Milliamps(32_000));
    assert_eq!(told(&late)[0], "A 0 waiting since 08:00 UTC, next at 08:30 UTC: grid phase L1 full");
    // 32 A for an hour are 22.08 kWh.
    assert_eq!(late.missed.len(), 1);
    assert_eq!(late.missed[0].short, WattHours(21_920));
}

/// A statement is a bounded weight: ten times the energy is worth at most four times the share of who needs little.
#[test]
fn overstating_wins_at_most_the_bound() {
    let site = site(40, &["A", "B", "C"]);
    let honest = now(&site, &[leaves("A", 8, 40), leaves("B", 8, 40), leaves("C", 8, 40)]);
    let liar = now(&site, &[leaves("A", 8, 40), leaves("B", 8, 40), leaves("C", 8, 4_000)]);
    assert_eq!(honest.shares.iter().map(|share| share.current.0).sum::<i64>(), 40_000);
    let shares: Vec<i64> = liar.shares.iter().map(|share| share.current.0).collect();
    assert!(shares[0] >= 6_000 && shares[1] >= 6_000, "{shares:?}");
    assert!(shares[2] > 14_000 && shares[2] <= 28_000, "{shares:?}");
}

#[test]
fn departures_in_the_past_and_energies_of_zero_cost_nobody_his_minimum() {
    let site = site(20, &["A", "B", "C"]);
    let past = Demand { departs_at: Some(NOW.plus_secs(-3_600)), ..leaves("A", 1, 20) };
    let epoch = Demand { departs_at: Some(Timestamp::from_millis(0)), ..leaves("B", 1, 20) };
    let zero = Demand { energy_wh: Some(WattHours(0)), ..car("C") };
    let plan = now(&site, &[past, epoch, trusted(zero.clone())]);
    // Of C somebody who answers for it says that it is full: it takes what is left.
    assert_eq!(
        told(&plan),
        [
            "A 10000 grid phase L1 full",
            "B 10000 grid phase L1 full",
            "C 0 quiet: the car took nothing, asked again at 10:00 UTC"
        ]
    );
    let stated = now(&site, &[zero]);
    assert_eq!(told(&stated)[2], "C 20000 grid phase L1 full");
}

#[test]
fn a_car_on_one_line_leaves_the_others_free() {
    let site = tree(
        vec![circuit("grid", None, 32)],
        vec![
            socket("A", "grid", &Line::ALL),
            socket("B", "grid", &[Line::L2, Line::L3, Line::L1]),
            socket("C", "grid", &Line::ALL),
        ],
    )
    .unwrap();
    let on = |lines: [bool; 3], name: &str| {
        let idle_samples = lines.map(|used| if used { 0 } else { 2 });
        Demand { memory: Memory { idle_samples, ..Memory::default() }, ..car(name) }
    };
    let plan = now(
        &site,
        &[on([true, false, false], "A"), on([false, true, false], "B"), on([false, false, true], "C")],
    );
    assert_eq!(told(&plan), ["A 32000 at its maximum", "B 32000 at its maximum", "C 32000 at its maximum"]);
}

#[test]
fn a_class_has_its_weight() {
    let site = site(40, &["A", "B"]);
    // Above the minimum of 6 A each, 28 A are shared one to three.
    let vip = Demand { weight_permille: 3_000, ..car("B") };
    assert_eq!(
        told(&now(&site, &[car("A"), vip])),
        ["A 13000 grid phase L1 full", "B 27000 grid phase L1 full"]
    );
}

#[test]
fn a_silent_station_keeps_its_ceiling_and_an_idle_one_its_fallback() {
    let with_fallback =
        |name: &str| Evse { fallback_ma: Milliamps(6_000), ..socket(name, "grid", &Line::ALL) };
    let site = tree(vec![circuit("grid", None, 40)], ["A", "B", "C"].map(with_fallback).to_vec()).unwrap();
    let held = Held { ceiling_ma: Milliamps(16_000), why: HeldWhy::Silent };
    let supply = Supply { held: [(key("B"), held)].into(), ..Supply::default() };
    let plan = plan(&site, &[car("A"), car("B")], &supply, NOW);
    assert_eq!(
        told(&plan),
        [
            "A 18000 grid phase L1 full",
            "B 16000 silent, 16 A reserved",
            "C 0 no vehicle, 6 A reserved for the next"
        ]
    );
}

/// Less than the fallback frees nothing, so nobody is sent below it, and nobody is refused.
#[test]
fn with_a_fallback_every_car_has_it() {
    let with_fallback =
        |name: &str| Evse { fallback_ma: Milliamps(6_000), ..socket(name, "grid", &Line::ALL) };
    let site = tree(vec![circuit("grid", None, 18)], ["A", "B", "C"].map(with_fallback).to_vec()).unwrap();
    let plan = now(&site, &[trusted(leaves("A", 1, 44)), car("B"), car("C")]);
    assert_eq!(plan.shares.iter().map(|share| share.current.0).collect::<Vec<_>>(), [6_000; 3]);
}

#[test]
fn a_quiet_car_has_what_is_left_and_is_asked_again() {
    let site = site(16, &["A", "B"]);
    let quiet = |off_minutes: Option<i64>| {
        let memory = Memory { quiet_samples: 2, ..Memory::default() };
        let demand = Demand { memory, ..car("B") };
        off_minutes.map_or(demand.clone(), |minutes| off_for(demand, minutes))
    };
    assert_eq!(
        told(&now(&site, &[car("A"), quiet(Some(90))])),
        ["A 16000 grid phase L1 full", "B 0 quiet: the car took nothing, asked again at 08:30 UTC"]
    );
    let asked = now(&site, &[car("A"), quiet(Some(120))]);
    assert_eq!(told(&asked), ["A 10000 grid phase L1 full", "B 6000 asked whether it wants to charge again"]);
    assert_eq!(asked.shares[1].memory.unwrap().probing_since, Some(NOW));
    // A station that sends no samples does not keep a share by being silent.
    let memory = asked.shares[1].memory.unwrap();
    let on = |minutes: i64| {
        let (since, due) = (NOW.plus_millis(-minutes * 60_000), NOW.plus_millis(-60 * 60_000));
        let probing = Memory { probing_since: Some(due), probed_at: Some(due), ..memory };
        let memory = Memory { on_since: (minutes > 0).then_some(since), off_since: None, ..probing };
        told(&now(&site, &[car("A"), Demand { memory, ..car("B") }])).remove(1)
    };
    assert_eq!(on(0), "B 6000 asked whether it wants to charge again", "it waited for its turn");
    assert_eq!(on(9), "B 6000 asked whether it wants to charge again");
    assert_eq!(on(10), "B 0 quiet: the car took nothing, asked again at 10:00 UTC");
    // With room to spare it keeps its minimum all the time.
    let capped = Demand { car_max_ma: Some(Milliamps(9_500)), ..car("A") };
    assert_eq!(
        told(&now(&site, &[capped, quiet(None)])),
        ["A 9000 car takes 9 A", "B 6000 quiet: the car takes nothing"]
    );
}

#[test]
fn an_evse_that_can_switch_goes_on_with_one_line_instead_of_pausing() {
    let switchable = |name: &str| Evse { can_switch_phases: true, ..socket(name, "grid", &Line::ALL) };
    let mut grid = circuit("grid", None, 63);
    grid.limit.power_w = Some(Watts(6_000));
    let site = tree(vec![grid], vec![switchable("A"), switchable("B")]).unwrap();
    // 4.14 kW for A on three lines; the minimum of B on three does not fit, on one it does.
    let plan = now(&site, &[on_for(car("A"), 5), car("B")]);
    assert_eq!(plan.shares[1].lines, [true, false, false]);
    assert!(plan.shares[1].current >= Milliamps(6_000));
    let memory = plan.shares[1].memory.unwrap();
    assert_eq!((memory.on_one_line, memory.switched_at), (true, Some(NOW)));
    // Not again within ten minutes, room or not.
    let alone = Demand { memory, ..car("B") };
    let soon = plan_at(&site, &alone, 599);
    assert_eq!(soon.shares[1].lines, [true, false, false]);
    let later = plan_at(&site, &alone, 600);
    assert_eq!(later.shares[1].lines, [true; 3]);
    assert!(!later.shares[1].memory.unwrap().on_one_line);
}

#[test]
fn a_dc_cabinet_shares_its_power() {
    let outlet = |name: &str| Evse {
        output: Output::Dc { efficiency_permille: 950 },
        max_ma: Milliamps(220_000),
        rated_ma: Milliamps(220_000),
        ..socket(name, "cabinet", &Line::ALL)
    };
    let cabinet = Circuit {
        limit: Limit { line_ma: None, power_w: Some(Watts(150_000)) },
        ..circuit("cabinet", Some("grid"), 0)
    };
    let site = tree(vec![circuit("grid", None, 400), cabinet], vec![outlet("A"), outlet("B")]).unwrap();
    let plan = now(&site, &[car("A"), car("B")]);
    // 150 kW / (3 x 230 V) = 217.4 A.
    assert_eq!(told(&plan), ["A 109000 cabinet power full", "B 108000 cabinet power full"]);
    assert_eq!(site.evses()[0].vehicle_power(plan.shares[0].current), Watts(71_449));
}

#[test]
fn a_limit_of_zero_is_nothing_for_anybody() {
    let site = site(0, &["A", "B"]);
    let plan = now(&site, &[on_for(car("A"), 1), car("B")]);
    assert!(plan.shares.iter().all(|share| share.current == Milliamps::ZERO));
}
