//! Who will be ready when, on sites whose answer can be worked out by hand: a socket gives 690 W for each ampere, 22,080 W at 32 A.

use std::collections::BTreeSet;

use ringmain_domain::id::Epoch;
use ringmain_domain::load::allocation::Input;
use ringmain_domain::load::demand::{Demand, Memory, Trust};
use ringmain_domain::load::forecast::what_if::{WhatIf, forecast_if};
use ringmain_domain::load::forecast::{CarForecast, Forecast, Obstacle, Picture, Readiness, forecast};
use ringmain_domain::load::supply::{
    CircuitSupply, Held, HeldWhy, PeakTarget, PriceWindow, Reading, Signal, SolarOnly, Supply,
};
use ringmain_domain::load::tree::Limit;
use ringmain_domain::time::Timestamp;
use ringmain_domain::unit::{Milliamps, WattHours, Watts};

use super::allocation::{Site, charging};
use super::plan::{NOW, car, site};
use super::site::{circuit_id, key};
use crate::make::station_id;

const W_PER_A: i64 = 690;

fn after(minutes: i64) -> Timestamp {
    NOW.plus_secs(minutes * 60)
}

fn asks(station: &str, wh: i64) -> Demand {
    Demand { energy_wh: Some(WattHours(wh)), ..car(station) }
}

fn by(demand: Demand, minutes: i64) -> Demand {
    Demand { departs_at: Some(after(minutes)), ..demand }
}

fn trusted(demand: Demand) -> Demand {
    Demand { trust: Trust { departure: true, energy: false }, ..demand }
}

fn quiet(demand: Demand) -> Demand {
    Demand { memory: Memory { suspended: true, ..Memory::default() }, ..demand }
}

/// Sockets on a grid connection of so many amperes, with these cars.
fn picture(amps: i64, sockets: &[&str], demands: Vec<Demand>) -> Picture {
    let (tree, supply) = (site(amps, sockets), Supply::default());
    Picture { now: NOW, tree, demands, supply, unreachable: BTreeSet::new() }
}

fn with(mut picture: Picture, known: CircuitSupply) -> Picture {
    picture.supply.circuits = [(circuit_id("grid"), known)].into();
    picture
}

fn only(forecast: &Forecast) -> &CarForecast {
    assert_eq!(forecast.cars.len(), 1, "{forecast:?}");
    &forecast.cars[0]
}

/// Station, state, minutes until it is ready, Wh it will have, Wh it lacks.
fn told(forecast: &Forecast) -> Vec<(String, &'static str, Option<i64>, i64, i64)> {
    let minutes = |at: Timestamp| at.millis_since(NOW) / 60_000;
    let line = |car: &CarForecast| {
        let station = car.evse.station.to_string();
        (station, car.state.as_str(), car.ready_at.map(minutes), car.energy.0, car.lacks.0)
    };
    forecast.cars.iter().map(line).collect()
}

/// 22,080 Wh at 22,080 W take an hour.
#[test]
fn a_car_alone_is_ready_when_its_maximum_says_and_its_colour_is_the_time_to_spare() {
    for (leaves, state, lacks) in [
        (None, "green", 0),
        (Some(91), "green", 0),
        (Some(90), "green", 0),
        (Some(89), "amber", 0),
        (Some(60), "amber", 0),
        (Some(45), "red", 22_080 / 4),
        (Some(7), "red", 22_080 - 22_080 * 7 / 60),
    ] {
        let demand = Demand { departs_at: leaves.map(after), ..asks("A", 22_080) };
        let told = told(&forecast(&picture(63, &["A"], vec![demand])));
        let ready = (lacks == 0).then_some(60);
        assert_eq!(told, [("A".to_owned(), state, ready, 22_080 - lacks, lacks)], "leaves after {leaves:?}");
    }
}

#[test]
fn a_car_that_has_it_is_green_whenever_it_leaves_and_takes_no_more() {
    let full = Demand { delivered_wh: WattHours(22_080), ..by(asks("A", 22_080), 5) };
    let told_full = told(&forecast(&picture(63, &["A"], vec![full])));
    assert_eq!(told_full, [("A".to_owned(), "green", Some(0), 22_080, 0)]);
}

/// A car that charges beyond what was asked takes its share of the 16 A until it leaves.
#[test]
fn a_car_that_takes_more_than_was_asked_still_counts() {
    let on = Memory { on_since: Some(after(-60)), ..Memory::default() };
    let more = Demand { delivered_wh: WattHours(30_000), memory: on, ..by(asks("A", 20_000), 60) };
    let told = told(&forecast(&picture(16, &["A", "B"], vec![more, asks("B", 11_040)])));
    // 8 A for an hour, then 16 A for half an hour.
    assert_eq!(told[1], ("B".to_owned(), "green", Some(90), 11_040, 0));
    assert_eq!((told[0].1, told[0].3), ("green", 30_000 + 5_520));
}

#[test]
fn nobody_said_anything_has_no_colour_and_counts_as_the_plan_counts_it() {
    let forecast = forecast(&picture(63, &["A"], vec![car("A")]));
    assert_eq!(told(&forecast), [("A".to_owned(), "unknown", None, 20_000, 0)]);
    let steps = &forecast.roots[0].steps;
    // 20 kWh at 22,080 W: three quarters, and a quarter of 3,440 Wh.
    let watts: Vec<_> = steps.iter().map(|step| step.cars.0).take(5).collect();
    assert_eq!(&watts[..3], [22_080; 3]);
    assert!((watts[3] - 4 * 3_440).abs() < 10 && watts[4] == 0, "{watts:?}");
    assert_eq!((steps.len(), forecast.until), (96, after(24 * 60)));
    assert_eq!((steps[1].from, steps[1].limit), (after(15), Some(Watts(3 * 63 * 230))));
}

#[test]
fn who_tells_a_departure_alone_asked_for_nothing() {
    let told = told(&forecast(&picture(63, &["A"], vec![by(car("A"), 15)])));
    assert_eq!(told, [("A".to_owned(), "green", None, 5_520, 0)]);
}

/// 16 A for two: the first would need all of it, so it has 10 A for its hour and the second its minimum of 6 A, then 16 A.
#[test]
fn two_cars_share() {
    let cars = vec![by(asks("A", 11_040), 60), asks("B", 11_040)];
    let told = told(&forecast(&picture(16, &["A", "B"], cars)));
    assert_eq!(
        told,
        [("A".to_owned(), "red", None, 6_900, 4_140), ("B".to_owned(), "green", Some(97), 11_040, 0)]
    );
}

/// 6 A are 4,140 W: 33,120 Wh take exactly eight hours.
#[test]
fn who_tells_no_departure_is_amber_after_eight_hours() {
    for (wh, state) in [(33_120, "green"), (33_810, "amber"), (120_000, "amber")] {
        let forecast = forecast(&picture(6, &["A"], vec![asks("A", wh)]));
        assert_eq!(only(&forecast).state.as_str(), state, "{wh}");
        assert_eq!(only(&forecast).ready_at.is_some(), wh < 99_360, "24 h bring 99,360 Wh");
        assert_eq!(only(&forecast).lacks, WattHours::ZERO, "it does not leave");
    }
}

#[test]
fn a_departure_that_has_passed_counts_what_the_car_has() {
    let late = Demand { delivered_wh: WattHours(5_000), ..by(asks("A", 22_080), -5) };
    let told = told(&forecast(&picture(32, &["A"], vec![late])));
    assert_eq!((told[0].1, told[0].3, told[0].4), ("red", 5_000, 17_080));
}

#[test]
fn a_car_that_takes_nothing_is_unknown_and_one_nobody_steers_has_its_fallback() {
    let cars = vec![quiet(by(asks("A", 22_080), 60)), by(asks("B", 22_080), 60)];
    let mut picture = picture(63, &["A", "B"], cars);
    let held = Held { ceiling_ma: Milliamps(32_000), why: HeldWhy::Silent };
    picture.supply.held = [(key("B"), held)].into();
    let forecast = forecast(&picture);
    let obstacles: Vec<_> = forecast.cars.iter().map(|car| car.obstacle.unwrap()).collect();
    assert_eq!(obstacles, [Obstacle::TakesNothing, Obstacle::NotSteered(HeldWhy::Silent)]);
    let states: Vec<_> = forecast.cars.iter().map(|car| (car.state, car.energy.0)).collect();
    assert_eq!(states, [(Readiness::Unknown, 0), (Readiness::Red, 0)], "without a fallback it gets nothing");
}

/// The limit falls to 6 A for an hour: 4,140 Wh instead of 22,080.
#[test]
fn a_limit_from_outside_counts_while_it_holds() {
    let limit = Limit { line_ma: Some([Milliamps(6_000); 3]), power_w: None };
    let signal = Signal { source: "grid".into(), from: NOW, until: Some(after(60)), limit };
    let known = CircuitSupply { signals: vec![signal], ..CircuitSupply::default() };
    let forecast = forecast(&with(picture(32, &["A"], vec![asks("A", 26_220)]), known));
    assert_eq!(told(&forecast), [("A".to_owned(), "green", Some(120), 26_220, 0)]);
    let limits: Vec<_> = forecast.roots[0].steps.iter().map(|step| step.limit.unwrap().0 / W_PER_A).collect();
    assert_eq!(limits[2..6], [6, 6, 32, 32]);
}

fn windowed(demand: Demand) -> Picture {
    let window = PriceWindow { from: NOW, until: after(120), charging_w: Watts(6 * W_PER_A) };
    let known = CircuitSupply { windows: vec![window], ..CircuitSupply::default() };
    with(picture(32, &["A"], vec![demand]), known)
}

/// Two hours at 6 A, then 32 A: 8,280 Wh and 22,080 Wh an hour.
#[test]
fn a_price_window_holds_cars_back_unless_a_trusted_departure_would_be_missed() {
    let cheap = told(&forecast(&windowed(asks("A", 30_360))));
    assert_eq!(cheap, [("A".to_owned(), "green", Some(180), 30_360, 0)]);
    let doubted = told(&forecast(&windowed(by(asks("A", 30_360), 120))));
    assert_eq!((doubted[0].1, doubted[0].4), ("red", 22_080), "a word nobody answers for lifts no window");
    let lifted = told(&forecast(&windowed(trusted(by(asks("A", 30_360), 120)))));
    // 32 A for 75 minutes; then 2,760 Wh are left, for which 6 A in the window are enough.
    assert_eq!(lifted, [("A".to_owned(), "amber", Some(115), 30_360, 0)]);
}

/// What is left of a quarter holds until its end: 10 A in the mean, nothing taken in the first ten minutes.
#[test]
fn a_step_ends_with_the_quarter_so_that_a_peak_is_not_stretched() {
    let peak = PeakTarget { target_w: Watts(10 * W_PER_A), quarter_from: NOW, energy_wh: WattHours::ZERO };
    let known = CircuitSupply { peak: Some(peak), ..CircuitSupply::default() };
    let mut picture = with(picture(63, &["A"], vec![asks("A", 3_000)]), known);
    picture.now = after(10);
    let forecast = forecast(&picture);
    let steps: Vec<_> =
        forecast.roots[0].steps.iter().map(|step| (step.from, step.cars.0 / W_PER_A)).collect();
    assert_eq!(steps[..3], [(after(10), 30), (after(15), 7), (after(30), 0)], "1,725 Wh, then 1,275 Wh");
}

#[test]
fn what_if_the_limit_were_lower_or_higher() {
    let picture = picture(16, &["A"], vec![by(asks("A", 11_040), 90)]);
    let ask = |percent| told(&forecast_if(&picture, &WhatIf { limit_percent: percent, ..WhatIf::default() }));
    assert_eq!(ask(None), told(&forecast(&picture)));
    assert_eq!(ask(Some(100)), [("A".to_owned(), "green", Some(60), 11_040, 0)]);
    assert_eq!(ask(Some(50)), [("A".to_owned(), "red", None, 8_280, 2_760)]);
    assert_eq!(ask(Some(200)), [("A".to_owned(), "green", Some(30), 11_040, 0)]);
    assert_eq!(ask(Some(9_999)), ask(Some(200)), "bounded");
    assert_eq!(ask(Some(0)), [("A".to_owned(), "red", None, 0, 11_040)]);
}

/// The sun gives 10 A to cars that live on it alone, and to a site whose copper carries 6 A.
#[test]
fn what_if_there_were_no_sun() {
    let dark = WhatIf { no_sun: true, ..WhatIf::default() };
    let surplus = SolarOnly { surplus_w: Watts(10 * W_PER_A), at: NOW, enough_at: None };
    let alone = CircuitSupply { solar_only: Some(surplus), ..CircuitSupply::default() };
    let sunny = with(picture(32, &["A"], vec![by(asks("A", 6_900), 120)]), alone);
    assert_eq!(told(&forecast(&sunny)), [("A".to_owned(), "green", Some(60), 6_900, 0)]);
    assert_eq!(told(&forecast_if(&sunny, &dark)), [("A".to_owned(), "red", None, 0, 6_900)]);
    let reading = Reading { at: NOW, line_ma: [Milliamps(10_000); 3] };
    let fed_in = Reading { line_ma: [Milliamps(-10_000); 3], ..reading };
    let solar = CircuitSupply { solar: [reading].into_iter().collect(), ..CircuitSupply::default() };
    let export = CircuitSupply {
        building: [fed_in].into_iter().collect(),
        may_export: true,
        ..CircuitSupply::default()
    };
    for known in [solar, export] {
        let sunny = with(picture(6, &["A"], vec![asks("A", 11_040)]), known);
        assert_eq!(only(&forecast(&sunny)).ready_at, Some(after(60)), "16 A");
        assert_eq!(only(&forecast_if(&sunny, &dark)).ready_at, Some(after(160)), "6 A");
    }
}

#[test]
fn more_vehicles_take_free_evses_in_order_and_who_finds_none_is_counted() {
    let mut picture = picture(63, &["A", "B", "C", "D", "E"], vec![by(asks("B", 22_080), 91)]);
    picture.unreachable = [key("C")].into();
    let held = |why| Held { ceiling_ma: Milliamps(32_000), why };
    picture.supply.held =
        [(key("A"), held(HeldWhy::Unconfirmed)), (key("D"), held(HeldWhy::Overdrawing))].into();
    let question = WhatIf {
        more_vehicles: 4,
        energy_wh: Some(WattHours(11_040)),
        departs_at: Some(after(120)),
        ..WhatIf::default()
    };
    let asked = forecast_if(&picture, &question);
    let cars: Vec<_> = asked.cars.iter().map(|car| (car.evse.station.to_string(), car.is_added)).collect();
    assert_eq!(cars, [("A".to_owned(), true), ("B".to_owned(), false), ("E".to_owned(), true)]);
    assert_eq!(asked.without_place, 2, "C is out of reach, D does not obey");
    let many = forecast_if(&picture, &WhatIf { more_vehicles: u32::MAX, ..question });
    assert_eq!((many.cars.len(), many.without_place), (3, u32::MAX - 2), "bounded");
    assert!(picture.demands.len() == 1, "the picture is as it was");
}

/// 16 A for one car alone are enough; two more with a departure that counts leave it nothing.
#[test]
fn more_vehicles_make_those_who_are_there_late() {
    let picture = picture(16, &["A", "B", "C"], vec![by(asks("A", 11_040), 120)]);
    assert_eq!(forecast(&picture).totals(), [0, 0, 1, 0]);
    let question = WhatIf {
        more_vehicles: 2,
        energy_wh: Some(WattHours(11_040)),
        departs_at: Some(after(120)),
        ..WhatIf::default()
    };
    let asked = forecast_if(&picture, &question);
    assert_eq!(asked.totals(), [1, 2, 0, 0], "{:?}", told(&asked));
    let energy: Vec<_> = asked.cars.iter().map(|car| car.energy.0).collect();
    assert_eq!(energy, [0, 11_040, 11_040], "two hours of 16 A");
}

#[test]
fn the_same_picture_has_the_same_forecast() {
    let cars =
        vec![by(asks("A", 30_000), 300), car("B"), trusted(by(asks("C", 20_000), 200)), asks("D", 9_000)];
    let mut picture = picture(24, &["A", "B", "C", "D"], cars);
    let question = WhatIf { more_vehicles: 3, limit_percent: Some(80), no_sun: true, ..WhatIf::default() };
    let (first, asked) = (forecast(&picture), forecast_if(&picture, &question));
    picture.demands.reverse();
    assert_eq!((forecast(&picture), forecast_if(&picture, &question)), (first, asked));
}

#[test]
fn a_site_without_cars_or_limits_has_a_forecast_too() {
    let empty = forecast(&picture(16, &["A"], Vec::new()));
    assert_eq!((empty.cars.len(), empty.totals(), empty.roots.len()), (0, [0; 4], 1));
    let far =
        Picture { now: Timestamp::from_millis(i64::MAX - 5), ..picture(16, &["A"], vec![asks("A", 1_000)]) };
    assert!(forecast(&far).roots[0].steps.len() <= 96);
}

#[test]
fn a_running_site_gives_out_its_picture() {
    let mut site = Site::new();
    site.hear(Input::Session(Box::new(charging())));
    site.plan();
    let picture = site.state.picture(site.now);
    assert_eq!((picture.demands.len(), picture.tree.evses().len(), picture.unreachable.len()), (1, 2, 0));
    assert_eq!(&picture.tree, site.state.tree());
    let station = station_id();
    site.hear(Input::Left { station, connection: Epoch(7) });
    let picture = site.state.picture(site.now);
    assert_eq!(picture.unreachable.len(), 2);
    let held: Vec<_> = picture.supply.held.values().map(|held| held.why).collect();
    assert_eq!(held, [HeldWhy::Silent], "the other has no car");
}
