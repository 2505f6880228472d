//! What a sample proves of the currents on an EVSE's lines.

use ringmain_domain::load::draw::{Drawn, drawn};
use ringmain_domain::load::tree::{Connection, Evse, Line, Output};
use ringmain_domain::session::flow::{Flow, Phased};
use ringmain_domain::unit::Milliamps;

use super::site::socket;

const NO: Phased = Phased { phases: [None; 3], whole: None };

fn phases(phases: [i64; 3]) -> Phased {
    Phased { phases: phases.map(Some), whole: None }
}

const fn whole(value: i64) -> Phased {
    Phased { phases: [None; 3], whole: Some(value) }
}

fn flow(current_ma: Phased, power_w: Phased, voltage_mv: Phased) -> Flow {
    Flow { current_ma, power_w, voltage_mv, ..Flow::default() }
}

/// The site's lines, whether they were measured, and the bounds of the busiest.
#[track_caller]
fn check(evse: &Evse, flow: &Flow, lines_ma: [i64; 3], by_line: bool, (least, most): (i64, i64)) {
    let expect =
        Drawn { lines_ma: lines_ma.map(Milliamps), by_line, least: Milliamps(least), most: Milliamps(most) };
    assert_eq!(drawn(evse, flow), Some(expect));
}

fn three() -> Evse {
    socket("A", "grid", &Line::ALL)
}

#[test]
fn a_zero_for_what_is_not_measured_is_not_believed_beside_a_power() {
    let one = socket("A", "grid", &[Line::L1]);
    let volts = phases([230_000; 3]);
    // 22 kW, and no current in whatever way it is told: the power alone counts, on one line or on all.
    for zero in [whole(0), phases([0; 3])] {
        let told = drawn(&three(), &flow(zero, whole(22_080), volts)).unwrap();
        assert_eq!((told.least, told.most), (Milliamps(32_000), Milliamps(96_000)), "{zero:?}");
    }
    let by_phase = drawn(&three(), &flow(phases([0; 3]), phases([7_360; 3]), volts)).unwrap();
    assert!(by_phase.most >= Milliamps(32_000), "{by_phase:?}");
    for zero in [whole(0), Phased { phases: [Some(0), None, None], whole: None }] {
        let told = drawn(&one, &flow(zero, whole(3_680), whole(230_000))).unwrap();
        assert_eq!((told.least, told.most), (Milliamps(16_000), Milliamps(16_000)), "{zero:?}");
    }
    // Nothing drawn is nothing drawn.
    let idle = drawn(&three(), &flow(whole(0), whole(0), volts)).unwrap();
    assert_eq!(idle.most, Milliamps(0));
}

#[test]
fn measured_currents_are_those_of_the_lines_the_evse_is_wired_to() {
    let turned = socket("A", "grid", &[Line::L2, Line::L3, Line::L1]);
    let told = flow(phases([32_000, 100, 0]), NO, NO);
    check(&three(), &told, [32_000, 100, 0], true, (32_000, 32_000));
    check(&turned, &told, [0, 32_000, 100], true, (32_000, 32_000));
    let one = socket("A", "grid", &[Line::L3]);
    check(&one, &told, [0, 0, 32_000], true, (32_000, 32_000));
    check(&one, &flow(whole(15_000), whole(9_999), NO), [0, 0, 15_000], true, (15_000, 15_000));
}

#[test]
fn power_by_phase_is_a_current_over_its_voltage() {
    let watts = phases([7_360, 0, 0]);
    let volts = phases([240_000, 235_000, 230_000]);
    check(&three(), &flow(NO, watts, volts), [30_667, 0, 0], true, (30_666, 30_667));
    check(&three(), &flow(NO, watts, NO), [32_000, 0, 0], true, (29_090, 35_556));
}

/// A car may take all of a power from one line, or the same from each.
#[test]
fn a_sum_tells_bounds_and_no_lines() {
    check(&three(), &flow(NO, whole(6_901), NO), [10_002; 3], false, (9_092, 33_339));
    check(&three(), &flow(NO, whole(6_900), whole(230_000)), [10_000; 3], false, (10_000, 30_000));
    check(&three(), &flow(NO, whole(6_900), whole(400_000)), [10_000; 3], false, (9_090, 33_334));
    check(&three(), &flow(whole(30_000), NO, NO), [10_000; 3], false, (10_000, 30_000));
    check(&three(), &flow(whole(10_000), whole(6_900), NO), [10_000; 3], false, (9_090, 10_000));
    assert_eq!(drawn(&three(), &Flow::default()), None);
}

/// Some stations leave out the phases on which nothing flows, some tell one for all.
#[test]
fn what_the_told_phases_do_not_explain_flows_on_the_others() {
    let first = Phased { phases: [Some(16_000), None, None], whole: None };
    check(&three(), &flow(first, whole(3_800), NO), [16_000, 0, 0], true, (16_000, 16_000));
    check(&three(), &flow(first, whole(11_040), NO), [16_000; 3], false, (16_000, 35_556));
    check(&three(), &flow(first, NO, NO), [16_000; 3], false, (16_000, i64::MAX));
}

#[test]
fn currents_that_cannot_make_the_power_are_not_believed() {
    check(&three(), &flow(phases([0; 3]), whole(6_900), NO), [10_000; 3], false, (9_090, 33_334));
    check(&three(), &flow(phases([10_000; 3]), whole(7_580), NO), [10_000; 3], true, (10_000, 10_000));
    check(&three(), &flow(phases([10_000; 3]), whole(3_000), NO), [10_000; 3], true, (10_000, 10_000));
}

#[test]
fn direct_current_and_two_lines_are_told_by_their_power() {
    let mut cabinet = three();
    cabinet.output = Output::Dc { efficiency_permille: 950 };
    check(
        &cabinet,
        &flow(whole(100_000), whole(65_550), whole(650_000)),
        [100_000; 3],
        true,
        (100_000, 100_000),
    );
    let mut between = socket("A", "grid", &[Line::L1, Line::L2]);
    (between.connection, between.voltage_v) = (Connection::LineToLine, 208);
    let told = flow(NO, whole(6_240), whole(208_000));
    check(&between, &told, [30_000, 30_000, 0], true, (30_000, 30_000));
}
