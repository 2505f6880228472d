//! Sessions and bills, to the Wh, the millisecond and the cent.

use ringmain_domain::cdr::Cdr;
use ringmain_domain::session::SessionStatus;
use ringmain_domain::tariff::Dimension;
use ringmain_domain::tariff::pricing::breakdown::LineKind;
use ringmain_domain::unit::WattHours;
use ringmain_store::store::StoreSettings;

use crate::make::{MINUTE, at, message, station, tariff, tariff_id, tenant, whole_transaction};
use crate::rig::Rig;

on_both_engines!(
    a_bill_has_a_line_for_each_price,
    a_running_session_shows_its_cost,
    the_default_tariff_prices_stations_without_one,
    a_station_without_a_tariff_charges_for_free,
    a_tariff_that_is_gone_charges_nothing,
    a_changed_tariff_leaves_the_bill_alone,
    one_bill_after_a_repeated_end,
    a_session_without_readings_waits_for_a_person,
);

const PRICES: [(Dimension, &str); 4] = [
    (Dimension::Flat, "1.00"),
    (Dimension::Energy, "0.49"),
    (Dimension::Time, "2.00"),
    (Dimension::ParkingTime, "6.00"),
];

async fn station_with_tariff(rig: &Rig) {
    rig.store.put_tariff(&tariff("T", &PRICES)).await.unwrap();
    let mut one = station("CS-1");
    one.tariff_id = Some(tariff_id("T"));
    rig.store.insert_station(&one).await.unwrap();
}

fn total(cdr: &Cdr) -> (String, String) {
    let total = cdr.breakdown.as_ref().unwrap().total;
    (total.excl_tax.to_string(), total.incl_tax.to_string())
}

async fn a_bill_has_a_line_for_each_price(rig: &Rig) {
    station_with_tariff(rig).await;
    let all = whole_transaction("CS-1", "tx");
    let mut last = None;
    for fact in &all {
        last = Some(rig.store.append(std::slice::from_ref(fact)).await.unwrap().remove(0));
    }
    let last = last.unwrap();
    let session = last.session.unwrap();
    assert_eq!(session.status, SessionStatus::Completed);
    assert_eq!(session.energy, WattHours(10_000));
    assert_eq!((session.charging_ms, session.parked_ms), (30 * MINUTE, 30 * MINUTE));
    assert_eq!((session.started_at, session.ended_at), (at(0), Some(at(60 * MINUTE))));
    assert_eq!(session.cost.unwrap().incl_tax.to_string(), "11.78");
    let cdr = rig.store.cdr(&tenant(), last.cdr.unwrap()).await.unwrap().unwrap();
    assert_eq!(cdr.session_id, session.id);
    assert_eq!((cdr.energy, cdr.charging_ms, cdr.parked_ms), (WattHours(10_000), 30 * MINUTE, 30 * MINUTE));
    assert_eq!((cdr.meter_first_wh, cdr.meter_last_wh), (Some(1_000), Some(11_000)));
    assert_eq!(cdr.created_at, at(60 * MINUTE));
    let lines: Vec<_> = cdr
        .breakdown
        .as_ref()
        .unwrap()
        .lines
        .iter()
        .map(|line| (line.kind, line.excl_tax.normalize().to_string(), line.tax.normalize().to_string()))
        .collect();
    let expect = [
        (Dimension::Flat, "1", "0.19"),
        (Dimension::Energy, "4.9", "0.931"),
        (Dimension::Time, "1", "0.19"),
        (Dimension::ParkingTime, "3", "0.57"),
    ];
    assert_eq!(lines, expect.map(|(d, e, t)| (LineKind::Usage(d), e.to_owned(), t.to_owned())));
    assert_eq!(total(&cdr), ("9.90".to_owned(), "11.78".to_owned()));
}

async fn a_running_session_shows_its_cost(rig: &Rig) {
    station_with_tariff(rig).await;
    let all = whole_transaction("CS-1", "tx");
    let started = rig.store.append(&all[..1]).await.unwrap().remove(0).session.unwrap();
    assert_eq!(started.cost.unwrap().excl_tax.to_string(), "1.00");
    let running = rig.store.append(&all[1..2]).await.unwrap().remove(0).session.unwrap();
    // 1.00 + 5 kWh + a quarter of an hour.
    assert_eq!(running.cost.unwrap().excl_tax.to_string(), "3.95");
    assert_eq!(running.currency.unwrap().as_str(), "EUR");
    assert_eq!(running.status, SessionStatus::Active);
    assert_eq!(rig.store.session(&tenant(), running.id).await.unwrap(), Some(running));
    assert_eq!(rig.count("cdrs").await, 0);
}

async fn the_default_tariff_prices_stations_without_one(rig: &Rig) {
    let settings = StoreSettings { default_tariff: Some(tariff_id("D")), ..StoreSettings::default() };
    let store = rig.open_again(settings).await;
    store.put_tariff(&tariff("D", &[(Dimension::Energy, "0.30")])).await.unwrap();
    store.insert_station(&station("CS-1")).await.unwrap();
    for name in ["CS-1", "CS-unknown"] {
        let results = store.append(&whole_transaction(name, "tx")).await.unwrap();
        let cdr = store.cdr(&tenant(), results[3].cdr.unwrap()).await.unwrap().unwrap();
        assert_eq!(total(&cdr), ("3.00".to_owned(), "3.57".to_owned()), "{name}");
    }
}

async fn a_station_without_a_tariff_charges_for_free(rig: &Rig) {
    rig.store.insert_station(&station("CS-1")).await.unwrap();
    let results = rig.store.append(&whole_transaction("CS-1", "tx")).await.unwrap();
    let cdr = rig.store.cdr(&tenant(), results[3].cdr.unwrap()).await.unwrap().unwrap();
    assert_eq!((cdr.breakdown, cdr.energy), (None, WattHours(10_000)));
    assert_eq!(results[3].session.as_ref().unwrap().cost, None);
}

async fn a_tariff_that_is_gone_charges_nothing(rig: &Rig) {
    let settings = StoreSettings { default_tariff: Some(tariff_id("nowhere")), ..StoreSettings::default() };
    let store = rig.open_again(settings).await;
    let results = store.append(&whole_transaction("CS-1", "tx")).await.unwrap();
    let cdr = store.cdr(&tenant(), results[3].cdr.unwrap()).await.unwrap().unwrap();
    assert_eq!(cdr.breakdown, None);
}

async fn a_changed_tariff_leaves_the_bill_alone(rig: &Rig) {
    station_with_tariff(rig).await;
    let all = whole_transaction("CS-1", "tx");
    let cdr = rig.store.append(&all).await.unwrap()[3].cdr.unwrap();
    rig.store.put_tariff(&tariff("T", &[(Dimension::Energy, "9.99")])).await.unwrap();
    rig.store.append(&all).await.unwrap();
    let cdr = rig.store.cdr(&tenant(), cdr).await.unwrap().unwrap();
    assert_eq!(total(&cdr), ("9.90".to_owned(), "11.78".to_owned()));
}

async fn one_bill_after_a_repeated_end(rig: &Rig) {
    station_with_tariff(rig).await;
    let all = whole_transaction("CS-1", "tx");
    let first = rig.store.append(&all).await.unwrap()[3].clone();
    for _ in 0..3 {
        let again = rig.store.append(&all[3..]).await.unwrap().remove(0);
        assert_eq!((again.fresh, again.cdr), (false, None));
        assert_eq!(again.session, first.session);
    }
    // A second end under another number, with the same figures, bills nothing either.
    let other_end = message("CS-1", "tx", 4, 60 * MINUTE).register(11_000).ended().fact();
    let again = rig.store.append(&[other_end]).await.unwrap().remove(0);
    assert_eq!((again.fresh, again.cdr), (true, None));
    assert_eq!(rig.count("cdrs").await, 1);
}

async fn a_session_without_readings_waits_for_a_person(rig: &Rig) {
    station_with_tariff(rig).await;
    let facts = [message("CS-1", "tx", 0, 0).fact(), message("CS-1", "tx", 1, MINUTE).ended().fact()];
    let results = rig.store.append(&facts).await.unwrap();
    assert_eq!(results[1].session.as_ref().unwrap().status, SessionStatus::UnderReview);
    assert_eq!(results[1].cdr, None);
    assert_eq!(rig.count("cdrs").await, 0);
}
