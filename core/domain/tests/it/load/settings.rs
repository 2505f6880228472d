//! What an operator decides about a running site, and what follows from readings over time.

use ringmain_domain::load::allocation::Input;
use ringmain_domain::load::settings::{CircuitSettings, SiteSettings};
use ringmain_domain::load::supply::{Battery, PriceWindow, Reading, Signal};
use ringmain_domain::load::tree::Limit;
use ringmain_domain::time::Timestamp;
use ringmain_domain::unit::{Milliamps, Watts};

use super::allocation::{Site, charging, grid};
use crate::make::minute;

/// Three lines of 230 V.
const W_PER_A: i64 = 690;

fn with(circuit: CircuitSettings) -> Input {
    Input::Settings(Box::new(SiteSettings {
        circuits: [(grid(), circuit)].into(),
        ..SiteSettings::default()
    }))
}

/// A site of 20 A with a car that takes what it gets, at the beginning of a quarter of an hour.
fn site(circuit: CircuitSettings) -> Site {
    let mut site = Site::new();
    site.hear(with(circuit));
    site.hear(Input::Session(Box::new(charging())));
    site
}

fn planned(site: &mut Site) -> i64 {
    site.plan();
    site.state.standings()[0].planned.unwrap().0
}

fn building(site: &mut Site, amps: i64) {
    let reading = Reading { at: site.now, line_ma: [Milliamps(amps * 1_000); 3] };
    site.hear(Input::Building { circuit: grid(), reading });
}

fn solar(site: &mut Site, amps: i64) {
    let reading = Reading { at: site.now, line_ma: [Milliamps(amps * 1_000); 3] };
    site.hear(Input::Solar { circuit: grid(), reading });
}

#[test]
fn a_price_window_holds_back_while_it_lasts() {
    let window = PriceWindow { from: minute(0), until: minute(60), charging_w: Watts(8 * W_PER_A) };
    let mut site = site(CircuitSettings { price_windows: vec![window], ..CircuitSettings::default() });
    assert_eq!(planned(&mut site), 8_000);
    site.now = minute(60);
    assert_eq!(planned(&mut site), 20_000);
    site.hear(Input::Settings(Box::default()));
    site.now = minute(30);
    assert_eq!(planned(&mut site), 20_000, "taken back");
}

/// A failover to a database whose clock is ten minutes behind, or ahead: what was heard before it says nothing of now, and what is heard after
/// it counts.
#[test]
fn after_a_step_of_the_clock_only_new_readings_count() {
    for by_ms in [-600_000, 600_000] {
        let mut site = site(CircuitSettings::default());
        building(&mut site, 10);
        solar(&mut site, 5);
        assert_eq!(planned(&mut site), 15_000);
        let before = site.now;
        site.state.clock_moved(by_ms);
        site.now = site.now.plus_millis(by_ms);
        assert_eq!(planned(&mut site), 10_000, "the highest of the day, and no sun: {by_ms}");
        let reading = Reading { at: before.plus_millis(600_000), line_ma: [Milliamps(1_000); 3] };
        if by_ms < 0 {
            site.hear(Input::Building { circuit: grid(), reading });
            site.hear(Input::Solar { circuit: grid(), reading });
            assert_eq!(planned(&mut site), 10_000, "of a clock that is still ahead");
        }
        building(&mut site, 12);
        assert_eq!(planned(&mut site), 8_000, "{by_ms}");
        solar(&mut site, 3);
        assert_eq!(planned(&mut site), 11_000, "{by_ms}");
    }
}

/// The sun gives 12 A, the building takes 4 A of it.
#[test]
fn cars_take_what_the_sun_leaves_and_stay_at_their_minimum_through_a_cloud() {
    let sunny = CircuitSettings { solar_only: true, may_export: true, ..CircuitSettings::default() };
    let mut site = site(sunny);
    assert_eq!(planned(&mut site), 0, "nothing is known of the sun");
    let mut look = |minutes: i64, sun: i64| {
        site.now = minute(minutes);
        building(&mut site, 4);
        solar(&mut site, sun);
        planned(&mut site)
    };
    assert_eq!(look(2, 12), 8_000);
    assert_eq!(look(4, 5), 6_000, "a cloud");
    assert_eq!(look(33, 5), 0, "a long one");
    assert_eq!(look(36, 20), 16_000);
}

#[test]
fn a_batterys_promise_gives_room_while_it_is_heard() {
    let battery = CircuitSettings {
        battery_charging_max_ma: Some([Milliamps(5_000); 3]),
        ..CircuitSettings::default()
    };
    let mut site = site(battery);
    assert_eq!(planned(&mut site), 15_000, "silent: it may charge");
    let told = |at: Timestamp, promised: i64| Battery {
        at,
        promised_ma: [Milliamps(promised * 1_000); 3],
        charging_ma: [Milliamps::ZERO; 3],
        charging_max_ma: [Milliamps::ZERO; 3],
    };
    site.hear(Input::Battery { circuit: grid(), battery: told(site.now, 6) });
    assert_eq!(planned(&mut site), 26_000);
    assert_eq!(site.state.setpoints(site.now)[&grid()], [Milliamps(6_000); 3], "all of it is asked for");
    site.hear(Input::Battery { circuit: grid(), battery: told(minute(-5), 20) });
    assert_eq!(planned(&mut site), 26_000, "older than what was told");
    site.now = site.now.plus_millis(61_000);
    assert_eq!(planned(&mut site), 15_000, "silent again");
    site.hear(Input::Settings(Box::default()));
    site.hear(Input::Battery { circuit: grid(), battery: told(site.now, 6) });
    assert_eq!(planned(&mut site), 20_000, "there is none");
}

/// 10 A on the mean of a quarter; the building takes 4 A of it.
#[test]
fn a_peak_target_counts_what_the_quarter_had() {
    let target = CircuitSettings { peak_w: Some(Watts(10 * W_PER_A)), ..CircuitSettings::default() };
    let mut site = site(target);
    building(&mut site, 4);
    assert_eq!(planned(&mut site), 6_000, "what is not known of this quarter counts at the target");
    let draw = |site: &mut Site, amps: i64, second: i64| {
        site.now = minute(0).plus_secs(second);
        building(site, 4);
        let mut session = charging();
        session.power_w = Some(amps * W_PER_A);
        session.power_at = Some(site.now);
        site.hear(Input::Session(Box::new(session)));
    };
    // The car takes nothing for five minutes: 6 A of the target are saved, and spread over the ten minutes left.
    for second in (10..=300).step_by(10) {
        draw(&mut site, 0, second);
        planned(&mut site);
    }
    assert_eq!(planned(&mut site), 9_000, "10 A x 15 min less 4 A x 5 min, over 10 min, less 4 A");
    site.now = minute(15);
    building(&mut site, 4);
    assert_eq!(planned(&mut site), 6_000, "another quarter");
}

/// When the building's meter falls silent, its highest of the last day counts.
#[test]
fn the_highest_of_a_day_counts_for_a_silent_meter() {
    let mut site = site(CircuitSettings::default());
    building(&mut site, 9);
    site.now = minute(60);
    building(&mut site, 3);
    assert_eq!(planned(&mut site), 17_000);
    site.now = minute(62);
    assert_eq!(planned(&mut site), 11_000, "silent");
    site.now = minute(24 * 60 + 30);
    building(&mut site, 2);
    site.now = minute(24 * 60 + 32);
    assert_eq!(planned(&mut site), 17_000, "the 9 A are longer ago, the 3 A are not");
}

#[test]
fn how_long_a_car_may_charge_is_the_sites() {
    let hold = |minutes| SiteSettings { hold_min: minutes, ..SiteSettings::default() }.policy().hold_ms;
    assert_eq!((hold(None), hold(Some(5))), (30 * 60_000, 5 * 60_000));
}

#[test]
fn what_a_person_should_look_at_is_counted() {
    let mut site = site(CircuitSettings::default());
    let counted = |site: &Site| {
        let strain = site.state.strain(&site.state.circuits(site.now));
        (strain.near, strain.over, strain.stale, strain.deaf)
    };
    let draws = |site: &mut Site, amps: i64| {
        site.now = site.now.plus_secs(30);
        building(site, 0);
        let mut session = charging();
        session.power_w = Some(amps * W_PER_A);
        session.power_at = Some(site.now);
        site.hear(Input::Session(Box::new(session)));
        site.plan();
    };
    draws(&mut site, 18);
    assert_eq!(counted(&site), (0, 0, 0, 0));
    draws(&mut site, 19);
    assert_eq!(counted(&site), (3, 0, 0, 0), "95 % of three lines");
    draws(&mut site, 20);
    assert_eq!(counted(&site), (3, 0, 0, 0));
    draws(&mut site, 29);
    assert_eq!(counted(&site), (0, 3, 0, 0));
    draws(&mut site, 29);
    assert_eq!(counted(&site), (0, 3, 0, 1), "twice");
    site.now = minute(10);
    site.plan();
    assert_eq!(counted(&site), (0, 3, 1, 1), "the meter is silent");
}

/// A limit in watts is kept with the battery's help too, and what a car may still have in force counts before the plan does.
#[test]
fn a_battery_is_asked_for_what_power_and_cars_in_force_take() {
    let battery =
        CircuitSettings { battery_charging_max_ma: Some([Milliamps::ZERO; 3]), ..CircuitSettings::default() };
    let mut site = site(battery.clone());
    let signal = Signal {
        source: "grid".into(),
        from: minute(0),
        until: None,
        limit: Limit { line_ma: None, power_w: Some(Watts(10 * W_PER_A)) },
    };
    let promise = Battery {
        at: site.now,
        promised_ma: [Milliamps(4_000); 3],
        charging_ma: [Milliamps::ZERO; 3],
        charging_max_ma: [Milliamps::ZERO; 3],
    };
    site.hear(Input::Signals { circuit: grid(), signals: vec![signal] });
    site.hear(Input::Battery { circuit: grid(), battery: promise });
    assert_eq!(planned(&mut site), 14_000, "10 A and the promise");
    assert_eq!(site.state.setpoints(site.now)[&grid()], [Milliamps(4_000); 3]);
    // The plan falls at once; the car may have its 14 A until it was told and obeyed.
    let window = PriceWindow { from: minute(0), until: minute(60), charging_w: Watts(8 * W_PER_A) };
    site.hear(with(CircuitSettings { price_windows: vec![window], ..battery }));
    site.hear(Input::Battery { circuit: grid(), battery: promise });
    assert_eq!(planned(&mut site), 8_000);
    assert_eq!(site.state.setpoints(site.now)[&grid()], [Milliamps(4_000); 3], "14 A are still in force");
}

/// A glitch above the breaker is no load that was ever there.
#[test]
fn what_cannot_be_is_not_the_highest_of_the_day() {
    let breaker = CircuitSettings { breaker_ma: Some(Milliamps(63_000)), ..CircuitSettings::default() };
    let mut site = site(breaker);
    building(&mut site, 9);
    site.now = site.now.plus_secs(1);
    building(&mut site, 100_000);
    assert_eq!(planned(&mut site), 11_000);
}
