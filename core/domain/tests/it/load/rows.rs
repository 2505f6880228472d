//! Rows: what counts where, and which is the fullest.

use ringmain_domain::load::rows::{RowKind, Rows};
use ringmain_domain::load::tree::{
    Circuit, Connection, Evse, Limit, LimitChange, Line, Output, PhasorFactor, PhasorRow, SiteTree,
};
use ringmain_domain::time::Timestamp;
use ringmain_domain::unit::{Milliamps, Watts};

use super::site::{circuit, key, socket, tree};

const NOW: Timestamp = Timestamp::from_millis(1_000);

fn told(rows: &Rows<'_>, amps: &[i64]) -> Vec<String> {
    let currents: Vec<_> = amps.iter().map(|amps| Milliamps(amps * 1_000)).collect();
    let used = rows.usage(&currents);
    let line = |usage: &ringmain_domain::load::rows::Usage| {
        let row = rows.row(usage.row).unwrap();
        format!("{} {} {}/{}", row.circuit, row.kind, usage.load, usage.limit)
    };
    used.iter().map(line).collect()
}

fn fullest(tree: &SiteTree, amps: &[i64]) -> (bool, String) {
    let rows = tree.rows(NOW);
    let currents: Vec<_> = amps.iter().map(|amps| Milliamps(amps * 1_000)).collect();
    let (holds, fullest) = rows.verdict(&currents);
    let row = rows.row(fullest.unwrap().row).unwrap();
    (holds, format!("{} {}", row.circuit, row.kind))
}

/// evcc 14261: two single-phase cars on two lines do not add.
#[test]
fn rotated_sockets_load_the_lines_they_are_wired_to() {
    let site = tree(
        vec![circuit("grid", None, 63), circuit("panel", Some("grid"), 20)],
        vec![
            socket("A", "panel", &[Line::L1]),
            socket("B", "panel", &[Line::L3]),
            socket("C", "grid", &[Line::L2, Line::L3, Line::L1]),
        ],
    )
    .unwrap();
    assert_eq!(
        told(&site.rows(NOW), &[16, 18, 10]),
        [
            "grid L1 26000/63000",
            "grid L2 10000/63000",
            "grid L3 28000/63000",
            "panel L1 16000/20000",
            "panel L2 0/20000",
            "panel L3 18000/20000"
        ]
    );
    assert_eq!(fullest(&site, &[16, 18, 10]), (true, "panel L3".to_owned()));
    assert_eq!(fullest(&site, &[21, 18, 10]), (false, "panel L1".to_owned()));
}

#[test]
fn power_is_counted_by_connection_and_dc_on_all_lines() {
    let evses = vec![
        socket("A", "grid", &Line::ALL),
        Evse {
            connection: Connection::LineToLine,
            voltage_v: 208,
            ..socket("B", "grid", &[Line::L1, Line::L2])
        },
        Evse { output: Output::Dc { efficiency_permille: 950 }, ..socket("C", "grid", &Line::ALL) },
    ];
    let limit = Limit { line_ma: None, power_w: Some(Watts(20_000)) };
    let site = tree(vec![Circuit { limit, ..circuit("grid", None, 0) }], evses).unwrap();
    // 10 A x 230 V x 3 + 10 A x 208 V + 10 A x 230 V x 3
    assert_eq!(told(&site.rows(NOW), &[10, 10, 10]), ["grid power 15880000/20000000"]);
    let dc = &site.evses()[2];
    assert_eq!(dc.vehicle_power(Milliamps(10_000)), Watts(6_555));
}

#[test]
fn a_limit_changes_on_its_date() {
    let change = LimitChange {
        from: NOW.plus_secs(60),
        limit: Limit { line_ma: Some([Milliamps(126_000); 3]), power_w: None },
    };
    let site = tree(
        vec![Circuit { changes: vec![change], ..circuit("grid", None, 63) }],
        vec![socket("A", "grid", &[Line::L1])],
    )
    .unwrap();
    assert_eq!(site.rows(NOW).limit(0), Some(63_000));
    assert_eq!(site.next_change(NOW), Some(NOW.plus_secs(60)));
    assert_eq!(site.rows(NOW.plus_secs(60)).limit(0), Some(126_000));
    assert_eq!(site.next_change(NOW.plus_secs(60)), None);
}

/// The primary side of a delta-wye transformer: |0.25 I_AB e^(i 30) - 0.5 I_BC e^(-i 90)|.
#[test]
fn phasors_add_as_arrows() {
    let factor = |evse: &str, ratio_millionths: i64, angle_mdeg: i64| PhasorFactor {
        evse: key(evse),
        ratio_millionths,
        angle_mdeg,
    };
    let primary = PhasorRow {
        name: "Primary A".into(),
        limit_ma: Milliamps(20_000),
        factors: vec![factor("A", 250_000, 30_000), factor("B", -500_000, -90_000)],
    };
    let grid = Circuit { phasors: vec![primary], limit: Limit::default(), ..circuit("grid", None, 0) };
    let site =
        tree(vec![grid], vec![socket("A", "grid", &[Line::L1]), socket("B", "grid", &[Line::L2])]).unwrap();
    // (8 e^(i 30), 16 e^(i 90)): sqrt(8^2 + 16^2 + 2 x 8 x 16 x cos 60) = 21.166 A; one alone 16 A.
    assert_eq!(told(&site.rows(NOW), &[32, 32]), ["grid Primary A 21167/20000"]);
    assert_eq!(told(&site.rows(NOW), &[0, 32]), ["grid Primary A 16001/20000"]);
    assert_eq!(site.rows(NOW).row(4).unwrap().kind, RowKind::Phasor("Primary A".into()));
}

#[test]
fn a_reserve_takes_room_on_lines_power_and_phasors() {
    let mut grid = circuit("grid", None, 63);
    grid.limit.power_w = Some(Watts(40_000));
    let site = tree(vec![grid], vec![socket("A", "grid", &Line::ALL)]).unwrap();
    let mut rows = site.rows(NOW);
    rows.add_reserve(0, [Milliamps(10_000), Milliamps(0), Milliamps(-5_000)]);
    assert!(rows.cap_lines(0, [Milliamps(40_000), Milliamps(90_000), Milliamps(90_000)]));
    assert!(!rows.cap_power(0, Watts(50_000)));
    assert_eq!(
        told(&rows, &[6]),
        [
            "grid L1 16000/40000",
            "grid L2 6000/63000",
            "grid L3 1000/63000",
            // (10 - 5) A x 230 V + 3 x 6 A x 230 V
            "grid power 5290000/40000000"
        ]
    );
}
