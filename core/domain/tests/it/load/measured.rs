//! What a site learns from meters, and whom it blames: stations that tell phases, and stations that tell a sum.

use ringmain_domain::load::allocation::Input;
use ringmain_domain::load::ledger::steering::SteeringState;
use ringmain_domain::load::ledger::steering::input::{EvseInput, Input as SteeringInput};
use ringmain_domain::session::Session;
use ringmain_domain::session::flow::{Flow, Phased};
use ringmain_domain::time::Timestamp;

use super::allocation::{Site, charging};

const VOLTS: i64 = 230;

/// How a station tells what flows at one instant.
type Tell = fn(&mut Session, Timestamp, [i64; 3]);

fn by_current(session: &mut Session, at: Timestamp, lines: [i64; 3]) {
    let current_ma = Phased { phases: lines.map(Some), whole: None };
    session.flow = Some(Flow { at, current_ma, ..Flow::default() });
}

fn by_sum(session: &mut Session, at: Timestamp, lines: [i64; 3]) {
    session.power_w = Some(lines.iter().sum::<i64>() * VOLTS / 1_000);
    session.power_at = Some(at);
}

fn by_both(session: &mut Session, at: Timestamp, lines: [i64; 3]) {
    by_current(session, at, lines);
    by_sum(session, at, lines);
    if let Some(flow) = &mut session.flow {
        flow.power_w.whole = session.power_w;
    }
}

/// What is granted to EVSE 1 after so many samples of a car that takes what it is offered up to its own maximum on each line.
fn granted_after(samples: u8, takes: [i64; 3], tell: Tell) -> i64 {
    let mut site = Site::new();
    site.hear(Input::Session(Box::new(charging())));
    let mut granted = site.plan().first().unwrap().1;
    for _ in 0..samples {
        let seq = newest(site.state.steering());
        site.hear(Input::Steering(SteeringInput::Evse(0, EvseInput::Accepted(seq))));
        site.now = site.now.plus_secs(60);
        let mut session = charging();
        tell(&mut session, site.now, takes.map(|most| most.min(granted)));
        site.hear(Input::Session(Box::new(session)));
        let sent = site.plan();
        granted = sent.last().map_or(granted, |(_, limit)| *limit);
    }
    granted
}

fn newest(steering: &SteeringState) -> ringmain_domain::id::GrantSeq {
    steering.ledger().accounts[0].newest().unwrap().seq
}

/// Twenty amperes are there. A car on one line of three is not taken for one that takes a third, told to take less, and so on down.
#[test]
fn a_car_on_one_or_two_lines_keeps_what_it_takes() {
    for tell in [by_current, by_sum, by_both] {
        assert_eq!(granted_after(6, [32_000, 0, 0], tell), 20_000);
        assert_eq!(granted_after(6, [0, 32_000, 32_000], tell), 20_000);
        assert_eq!(granted_after(6, [32_000; 3], tell), 20_000);
    }
}

#[test]
fn what_a_car_leaves_is_learnt_as_far_as_it_is_known() {
    for tell in [by_current, by_both] {
        assert_eq!(granted_after(3, [10_000; 3], tell), 11_000);
        assert_eq!(granted_after(3, [10_000, 0, 0], tell), 11_000);
    }
    // A sum of 30 A may be 30 A on one line; one of 10 A is at most 10 A on each, or 11.2 A in a weak net.
    assert_eq!(granted_after(3, [10_000; 3], by_sum), 20_000);
    assert_eq!(granted_after(3, [10_000, 0, 0], by_sum), 12_000);
}

#[test]
fn the_lines_a_car_uses_are_learnt_from_its_currents_and_not_from_a_sum() {
    let idle = |tell: Tell| {
        let mut site = Site::new();
        site.hear(Input::Session(Box::new(charging())));
        site.plan();
        let seq = newest(site.state.steering());
        site.hear(Input::Steering(SteeringInput::Evse(0, EvseInput::Accepted(seq))));
        for _ in 0..2 {
            site.now = site.now.plus_secs(60);
            let mut session = charging();
            tell(&mut session, site.now, [0, 16_000, 0]);
            site.hear(Input::Session(Box::new(session)));
        }
        let loads: Vec<_> =
            site.state.circuits(site.now)[0].rows.iter().take(3).map(|row| row.drawn).collect();
        (site.state.demands().next().unwrap().memory.idle_samples, loads)
    };
    assert_eq!(idle(by_current), ([2, 0, 2], vec![0, 16_000, 0]));
    assert_eq!(idle(by_sum), ([0; 3], vec![5_334; 3]), "sixteen amperes somewhere");
}

/// Is EVSE 1, of which 20 A are granted, taken for deaf after two such samples?
fn is_deaf(tell: impl Fn(&mut Session, Timestamp)) -> bool {
    let mut site = Site::new();
    site.hear(Input::Session(Box::new(charging())));
    site.plan();
    for _ in 0..2 {
        site.now = site.now.plus_secs(60);
        let mut session = charging();
        tell(&mut session, site.now);
        site.hear(Input::Session(Box::new(session)));
    }
    site.state.standings()[0].is_deaf
}

#[test]
fn a_station_is_blamed_for_what_flows_on_one_line() {
    assert!(is_deaf(|session, at| by_current(session, at, [32_000, 0, 0])));
    assert!(is_deaf(|session, at| by_both(session, at, [0, 0, 21_100])));
    assert!(!is_deaf(|session, at| by_both(session, at, [0, 0, 20_900])));
    assert!(!is_deaf(|session, at| by_sum(session, at, [32_000, 0, 0])), "it may be 10.7 A on each");
    assert!(is_deaf(|session, at| by_sum(session, at, [29_000; 3])));
}

/// 20 A in a net of 245 V, where 230 V are configured: 21.3 A by power alone.
#[test]
fn a_station_in_a_strong_net_is_not_blamed_for_its_voltage() {
    let power = |session: &mut Session, at, amps: i64, volts: i64| {
        session.power_w = Some(3 * amps * volts / 1_000);
        session.power_at = Some(at);
    };
    assert!(!is_deaf(|session, at| power(session, at, 20_000, 245)));
    assert!(is_deaf(|session, at| power(session, at, 24_000, 245)));
    let told = |session: &mut Session, at, amps: i64| {
        power(session, at, amps, 252);
        let power_w = Phased { whole: session.power_w, ..Phased::default() };
        let voltage_mv = Phased { phases: [Some(252_000); 3], whole: None };
        session.flow = Some(Flow { at, power_w, voltage_mv, ..Flow::default() });
    };
    assert!(!is_deaf(|session, at| told(session, at, 20_900)));
    assert!(is_deaf(|session, at| told(session, at, 21_200)), "its own voltage leaves no doubt");
}

/// A station that tells its currents every minute and its power every ten seconds is judged by its currents.
#[test]
fn a_sum_between_two_readings_of_the_currents_says_nothing_new() {
    let mut site = Site::new();
    site.hear(Input::Session(Box::new(charging())));
    let start = site.now;
    let mut session = charging();
    for second in (0..=120).step_by(10) {
        site.now = start.plus_secs(second);
        if second % 60 == 0 {
            by_current(&mut session, site.now, [32_000, 0, 0]);
        }
        by_sum(&mut session, site.now, [32_000, 0, 0]);
        site.hear(Input::Session(Box::new(session.clone())));
    }
    assert_eq!(site.state.standings()[0].drawn.unwrap().0, 32_000);
    session.flow = session.flow.map(|flow| Flow { at: start, ..flow });
    session.power_at = Some(site.now.plus_secs(1));
    site.hear(Input::Session(Box::new(session)));
    assert_eq!(site.state.standings()[0].drawn.unwrap().0, 10_667, "they are too old");
}
