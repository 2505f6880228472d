//! What is refused as a tree, and in which words.

use ringmain_domain::load::tree::{
    Circuit, Connection, Evse, Firmness, Limit, LimitChange, Line, MAX_EVSES, Output, PhasorFactor,
    PhasorRow, SiteTree,
};
use ringmain_domain::time::Timestamp;
use ringmain_domain::unit::{Milliamps, Watts};

use super::site::{circuit, key, socket, tree};

const ABC: [Line; 3] = Line::ALL;

fn refusal(circuits: Vec<Circuit>, evses: Vec<Evse>) -> String {
    tree(circuits, evses).unwrap_err().to_string()
}

/// One socket, changed; below a grid connection of 63 A.
fn bad_socket(change: impl FnOnce(&mut Evse)) -> String {
    let mut evse = socket("A", "grid", &ABC);
    change(&mut evse);
    refusal(vec![circuit("grid", None, 63)], vec![evse])
}

#[test]
fn a_tree_that_is_none_is_refused_by_the_name_of_the_circuit() {
    let grid = || circuit("grid", None, 63);
    for (circuits, expected) in [
        (vec![], "a site needs a circuit without a parent: its grid connection"),
        (
            vec![grid(), circuit("other", None, 32)],
            "circuits grid and other both have no parent; a site has one grid connection",
        ),
        (vec![grid(), circuit("panel", Some("feeder"), 32)], "circuit panel has the unknown parent feeder"),
        (
            vec![grid(), circuit("p", Some("grid"), 32), circuit("p", Some("grid"), 16)],
            "circuit p is there twice",
        ),
        (
            vec![grid(), circuit("a", Some("b"), 32), circuit("b", Some("a"), 32)],
            "circuit a is part of a ring: its parents lead back to it; circuit b is part of a ring: its parents lead back to it",
        ),
        (vec![circuit("grid", None, -1)], "circuit grid: a limit per line is negative"),
    ] {
        assert_eq!(refusal(circuits, vec![]), expected);
    }
    let mut open = grid();
    open.limit = Limit::default();
    assert_eq!(
        refusal(vec![open], vec![]),
        "circuit grid is the grid connection and has neither a limit nor a phasor row"
    );
    let mut open_later = grid();
    open_later.changes = vec![LimitChange { from: Timestamp::from_millis(5), limit: Limit::default() }];
    assert!(refusal(vec![open_later], vec![]).ends_with("after one of its changes"));
}

#[test]
fn eight_levels_are_a_tree_and_nine_are_not() {
    let level =
        |n: usize| circuit(&format!("c{n}"), n.checked_sub(1).map(|up| format!("c{up}")).as_deref(), 63);
    assert!(tree((0..8).map(level).collect(), vec![]).is_ok());
    assert_eq!(refusal((0..9).map(level).collect(), vec![]), "circuit c8 is more than 8 levels deep");
}

#[test]
fn a_socket_that_is_none_is_refused_by_its_name() {
    for (refused, expected) in [
        (bad_socket(|evse| evse.voltage_v = 0), "EVSE A/1: its voltage is zero"),
        (bad_socket(|evse| evse.min_ma = Milliamps(40_000)), "EVSE A/1: its minimum is above its maximum"),
        (bad_socket(|evse| evse.step_ma = Milliamps(0)), "EVSE A/1: its step is not above zero"),
        (
            bad_socket(|evse| evse.rated_ma = Milliamps(31_000)),
            "EVSE A/1: its rated current is below its maximum",
        ),
        (
            bad_socket(|evse| evse.lines = vec![Line::L1, Line::L1]),
            "EVSE A/1: its lines are 1 to 3 of L1, L2, L3, each once",
        ),
        (
            bad_socket(|evse| evse.connection = Connection::LineToLine),
            "EVSE A/1: between lines, it has exactly two of them",
        ),
        (
            bad_socket(|evse| evse.output = Output::Dc { efficiency_permille: 0 }),
            "EVSE A/1: its efficiency is 1 to 1,000 permille",
        ),
        (
            bad_socket(|evse| evse.circuit = super::site::circuit_id("x")),
            "EVSE A/1 hangs on the unknown circuit x",
        ),
        (
            bad_socket(|evse| evse.fallback_ma = Milliamps(33_000)),
            "EVSE A/1: the fallback of 33000 mA is above its maximum",
        ),
    ] {
        assert_eq!(refused, expected);
    }
    let two = vec![socket("A", "grid", &ABC), socket("A", "grid", &ABC)];
    assert_eq!(refusal(vec![circuit("grid", None, 63)], two), "EVSE A/1 is there twice");
}

#[test]
fn a_site_has_at_most_two_thousand_evses() {
    let evses = |count: usize| (0..count).map(|n| socket(&format!("S{n}"), "grid", &ABC)).collect();
    assert!(tree(vec![circuit("grid", None, 63)], evses(MAX_EVSES)).is_ok());
    assert_eq!(
        refusal(vec![circuit("grid", None, 63)], evses(MAX_EVSES + 1)),
        "2001 EVSEs; a site has at most 2000"
    );
}

/// G11: the fallbacks of all stations and the design load fit every row of every limit the site ever has.
#[test]
fn a_site_whose_fallbacks_do_not_fit_is_refused() {
    let panel = |load: i64| {
        let mut panel = circuit("panel", Some("grid"), 32);
        panel.design_load_ma = [Milliamps(0), Milliamps(load), Milliamps(0)];
        panel
    };
    let with_fallback = |name: &str| Evse { fallback_ma: Milliamps(6_000), ..socket(name, "panel", &ABC) };
    let evses = || vec![with_fallback("A"), with_fallback("B"), with_fallback("C")];
    let grid = || circuit("grid", None, 63);
    assert!(tree(vec![grid(), panel(14_000)], evses()).is_ok());
    assert_eq!(
        refusal(vec![grid(), panel(14_001)], evses()),
        "circuit panel, L2: fallbacks and design load take 32001 mA, the limit is 32000 mA; give some EVSEs a fallback of 0"
    );
    // A soft limit may be missed.
    let soft = Circuit { firmness: Firmness::Soft, ..panel(14_001) };
    assert!(tree(vec![grid(), soft], evses()).is_ok());
    // What the circuits below expect loads the ones above.
    assert!(
        refusal(vec![circuit("grid", None, 31), panel(14_000)], evses())
            .starts_with("circuit grid, L2: fallbacks")
    );
    // A limit that comes later counts from the start, a limit of power too: 3 x 6 A x 3 lines x 230 V and the load of one line.
    let later = LimitChange {
        from: Timestamp::from_millis(1_000),
        limit: Limit { line_ma: None, power_w: Some(Watts(15_639)) },
    };
    let shrinking = Circuit { changes: vec![later], ..grid() };
    assert_eq!(
        refusal(vec![shrinking, panel(14_000)], evses()),
        "circuit grid, power: fallbacks and design load take 15640000 mW, the limit is 15639000 mW; give some EVSEs a fallback of 0"
    );
}

#[test]
fn a_phasor_row_feels_only_what_is_below_its_circuit() {
    let row = |evses: &[&str]| PhasorRow {
        name: "Primary A".into(),
        limit_ma: Milliamps(48_000),
        factors: evses
            .iter()
            .map(|evse| PhasorFactor { evse: key(evse), ratio_millionths: 250_000, angle_mdeg: 30_000 })
            .collect(),
    };
    let site = |evses: &[&str]| {
        let panel = Circuit { phasors: vec![row(evses)], ..circuit("panel", Some("grid"), 32) };
        let all = vec![socket("A", "panel", &ABC), socket("B", "grid", &ABC)];
        tree(vec![circuit("grid", None, 63), panel], all)
    };
    assert!(site(&["A"]).is_ok());
    for stray in [["A", "B"], ["A", "A"], ["A", "C"]] {
        assert!(
            site(&stray)
                .unwrap_err()
                .to_string()
                .starts_with("circuit panel: phasor row \"Primary A\" names")
        );
    }
}

#[test]
fn a_tree_is_written_and_read_alike_and_checked_when_it_is_read() {
    let dated = LimitChange {
        from: Timestamp::from_millis(7),
        limit: Limit { line_ma: None, power_w: Some(Watts(9)) },
    };
    let grid = Circuit { changes: vec![dated], ..circuit("grid", None, 63) };
    let site = tree(vec![grid], vec![socket("B", "grid", &ABC), socket("A", "grid", &[Line::L2])]).unwrap();
    let text = serde_json::to_string(&site).unwrap();
    assert_eq!(serde_json::from_str::<SiteTree>(&text).unwrap(), site);
    let ring = text.replace("\"parent\":null", "\"parent\":\"grid\"");
    let refused = serde_json::from_str::<SiteTree>(&ring).unwrap_err().to_string();
    assert!(refused.contains("a site needs a circuit without a parent"), "{refused}");
    let misspelt = text.replace("min_ma", "minimum");
    assert!(serde_json::from_str::<SiteTree>(&misspelt).unwrap_err().to_string().contains("unknown field"));
}
