//! What partners are told of prices: what is billed now, not what was written last.

use ringmain_domain::id::EvseId;
use ringmain_domain::location::ConnectorStatus;
use ringmain_domain::tariff::Dimension;
use ringmain_domain::time::Timestamp;
use ringmain_domain::token::TokenKind;
use ringmain_store::page::PageRequest;
use ringmain_store::partners::lists::{PublishedLocation, Window};
use ringmain_store::store::StoreSettings;

use crate::make::{
    MINUTE, all_pages, assignment, at, location_id, other_tenant, station, station_id, tariff, tariff_id,
    tenant, token_uid,
};
use crate::partners::place;
use crate::rig::Rig;

on_both_engines!(
    a_tariff_is_published_as_it_is_in_force,
    a_version_that_comes_into_force_is_a_change,
    connectors_name_the_tariff_that_is_assigned_there,
    an_assignment_is_a_change_of_its_location,
    only_what_anyone_may_pay_is_published,
    what_an_assignment_changes_is_told,
    prices_that_turn_by_the_clock_are_told_once,
);

/// Writes a version: its price, when it is written and when it shall begin and end, in minutes; anyone may pay it.
async fn write(rig: &Rig, id: &str, price: &str, minute: i64, from: Option<i64>, until: Option<i64>) {
    let mut version = tariff(id, &[(Dimension::Energy, price)]);
    version.updated_at = at(minute * MINUTE);
    version.valid_from = from.map(|minute| at(minute * MINUTE));
    version.valid_until = until.map(|minute| at(minute * MINUTE));
    rig.store.put_tariff(&version).await.unwrap();
    rig.store.put_tariff_assignment(&assignment(id, |_| {})).await.unwrap();
}

fn window(from: Option<i64>, to: Option<i64>) -> Window {
    Window { from: from.map(|from| at(from * MINUTE)), to: to.map(|to| at(to * MINUTE)), skip: 0 }
}

/// What is published at a minute: id, price, and the minute of the last change.
async fn published(rig: &Rig, minute: i64, window: &Window) -> Vec<(String, String, i64)> {
    let now = at(minute * MINUTE);
    let list = async |page| rig.store.published_tariffs(&tenant(), now, window, &page).await;
    let told = |tariff: ringmain_domain::tariff::Tariff| {
        let price = tariff.elements[0].components[0].price.to_string();
        (tariff.id.to_string(), price, tariff.updated_at.millis_since(at(0)) / MINUTE)
    };
    all_pages(2, list).await.into_iter().map(told).collect()
}

fn told(id: &str, price: &str, minute: i64) -> (String, String, i64) {
    (id.to_owned(), price.to_owned(), minute)
}

async fn a_tariff_is_published_as_it_is_in_force(rig: &Rig) {
    let all = Window::default();
    write(rig, "A", "0.40", 0, None, None).await;
    write(rig, "A", "0.60", 10, Some(1_000), None).await;
    // Not yet begun: it counts already.
    write(rig, "B", "0.70", 5, Some(1_000), None).await;
    // Three days' offer, and back to what was before.
    write(rig, "C", "0.50", 0, None, None).await;
    write(rig, "C", "0.10", 10, Some(20), Some(30)).await;
    let check = async |minute, expect: [(String, String, i64); 3]| {
        assert_eq!(published(rig, minute, &all).await, expect, "at {minute}");
    };
    check(15, [told("A", "0.40", 0), told("B", "0.70", 5), told("C", "0.50", 0)]).await;
    check(25, [told("A", "0.40", 0), told("B", "0.70", 5), told("C", "0.10", 20)]).await;
    check(30, [told("A", "0.40", 0), told("B", "0.70", 5), told("C", "0.50", 30)]).await;
    check(1_000, [told("A", "0.60", 1_000), told("B", "0.70", 1_000), told("C", "0.50", 30)]).await;
    let theirs = rig.store.published_tariffs(&other_tenant(), at(0), &all, &PageRequest::first(9)).await;
    assert!(theirs.unwrap().items.is_empty());
}

async fn a_version_that_comes_into_force_is_a_change(rig: &Rig) {
    write(rig, "A", "0.40", 0, None, None).await;
    write(rig, "A", "0.60", 10, Some(20), Some(40)).await;
    let check = async |now, window: Window, expect: bool| {
        assert_eq!(!published(rig, now, &window).await.is_empty(), expect, "at {now}: {window:?}");
    };
    check(15, window(Some(0), None), true).await;
    check(15, window(Some(1), None), false).await;
    check(20, window(Some(1), None), true).await;
    check(20, window(Some(20), None), true).await;
    check(39, window(Some(21), None), false).await;
    check(40, window(Some(21), None), true).await;
    check(15, window(None, Some(1)), true).await;
    check(20, window(None, Some(1)), false).await;
    check(40, window(None, Some(41)), true).await;
}

async fn seen(rig: &Rig, now: Timestamp, window: &Window) -> Vec<PublishedLocation> {
    rig.store.published_locations(&tenant(), now, window, &PageRequest::first(9)).await.unwrap().items
}

async fn connectors_name_the_tariff_that_is_assigned_there(rig: &Rig) {
    for id in ["default", "own", "everywhere", "evse", "soon", "members", "ad-hoc", "elsewhere"] {
        rig.store.put_tariff(&tariff(id, &[(Dimension::Energy, "0.49")])).await.unwrap();
    }
    place(rig, "L1", "CS-1", &[(1, 1), (2, 1)]).await;
    let mut own = station("CS-2");
    (own.location_id, own.tariff_id) = (Some(location_id("L1")), Some(tariff_id("own")));
    rig.store.insert_station(&own).await.unwrap();
    rig.store.append(&[crate::make::status("CS-2", 0, 1, 1, ConnectorStatus::Available)]).await.unwrap();
    let settings = StoreSettings { default_tariff: Some(tariff_id("default")), ..StoreSettings::default() };
    let store = rig.open_again(settings).await;
    let tariffs = async |minute: i64| -> Vec<String> {
        let one = store.published_location(&tenant(), at(minute * MINUTE), &location_id("L1")).await;
        let connectors = one.unwrap().unwrap().connectors;
        connectors.iter().map(|connector| connector.tariff_id.as_ref().unwrap().to_string()).collect()
    };
    // Of those that ask for a group, a kind of token or another place none is anybody's.
    for one in [
        assignment("members", |a| a.token_group = Some(token_uid("FLEET"))),
        assignment("ad-hoc", |a| a.token_kind = Some(TokenKind::DirectPayment)),
        assignment("elsewhere", |a| a.location = Some(location_id("L2"))),
    ] {
        rig.store.put_tariff_assignment(&one).await.unwrap();
    }
    assert_eq!(tariffs(5).await, ["default", "default", "own"]);
    for one in [
        assignment("everywhere", |_| {}),
        assignment("evse", |a| (a.station, a.evse) = (Some(station_id("CS-1")), Some(EvseId(2)))),
        assignment("soon", |a| {
            (a.location, a.valid_from) = (Some(location_id("L1")), Some(at(10 * MINUTE)));
        }),
    ] {
        rig.store.put_tariff_assignment(&one).await.unwrap();
    }
    assert_eq!(tariffs(5).await, ["everywhere", "evse", "everywhere"]);
    assert_eq!(tariffs(10).await, ["soon", "evse", "soon"]);
}

async fn an_assignment_is_a_change_of_its_location(rig: &Rig) {
    rig.store.put_tariff(&tariff("T", &[(Dimension::Energy, "0.49")])).await.unwrap();
    place(rig, "L1", "CS-1", &[(1, 1)]).await;
    place(rig, "L2", "CS-2", &[(1, 1)]).await;
    let changed = async |now: i64, window: Window| -> Vec<String> {
        let found = seen(rig, at(now * MINUTE), &window).await;
        found.iter().map(|published| published.location.id.to_string()).collect()
    };
    assert_eq!(changed(9, window(Some(5), None)).await, [""; 0]);
    let one = assignment("T", |a| {
        a.station = Some(station_id("CS-1"));
        a.updated_at = at(5 * MINUTE);
        a.valid_from = Some(at(20 * MINUTE));
        a.valid_until = Some(at(30 * MINUTE));
    });
    rig.store.put_tariff_assignment(&one).await.unwrap();
    assert_eq!(changed(9, window(Some(5), None)).await, ["L1"]);
    assert_eq!(changed(19, window(Some(6), None)).await, [""; 0]);
    assert_eq!(changed(20, window(Some(6), None)).await, ["L1"]);
    assert_eq!(changed(30, window(Some(21), None)).await, ["L1"]);
    assert_eq!(changed(30, window(None, Some(5))).await, ["L2"]);
    let in_force = seen(rig, at(25 * MINUTE), &Window::default()).await;
    assert_eq!(in_force[0].connectors[0].changed_at, at(20 * MINUTE));
}

async fn only_what_anyone_may_pay_is_published(rig: &Rig) {
    for id in ["default", "own", "anyone", "over", "members", "nobody"] {
        let mut one = tariff(id, &[(Dimension::Energy, "0.49")]);
        one.updated_at = at(0);
        rig.store.put_tariff(&one).await.unwrap();
    }
    let mut own = station("CS-1");
    own.tariff_id = Some(tariff_id("own"));
    rig.store.insert_station(&own).await.unwrap();
    for one in [
        assignment("anyone", |a| (a.token_kind, a.updated_at) = (Some(TokenKind::Rfid), at(7 * MINUTE))),
        assignment("over", |a| a.valid_until = Some(at(10 * MINUTE))),
        assignment("members", |a| a.token_group = Some(token_uid("FLEET"))),
    ] {
        rig.store.put_tariff_assignment(&one).await.unwrap();
    }
    let settings = StoreSettings { default_tariff: Some(tariff_id("default")), ..StoreSettings::default() };
    let store = rig.open_again(settings).await;
    let check = async |minute: i64, window: Window, expect: &[&str]| {
        let now = at(minute * MINUTE);
        let page = store.published_tariffs(&tenant(), now, &window, &PageRequest::first(9)).await.unwrap();
        assert_eq!(
            page.items.iter().map(|t| t.id.as_str()).collect::<Vec<_>>(),
            expect,
            "{minute} {window:?}"
        );
        let count = store.count_tariffs(&tenant(), now, &window).await.unwrap();
        assert_eq!(usize::try_from(count).unwrap(), expect.len());
    };
    check(9, Window::default(), &["anyone", "default", "over", "own"]).await;
    check(10, Window::default(), &["anyone", "default", "own"]).await;
    // Who reads what changed since then hears of one that was assigned since.
    check(10, window(Some(7), None), &["anyone"]).await;
    check(10, window(Some(8), None), &[]).await;
}

/// What there is to tell now, taken in.
async fn news(rig: &Rig) -> Vec<(String, String)> {
    let before = rig.store.feed_ends(&tenant()).await.unwrap().newest;
    while rig.store.feed_take_in(1_000).await.unwrap() > 0 {}
    let rows = rig.store.feed_after(&tenant(), before, 1_000).await.unwrap();
    let mut told: Vec<_> = rows.iter().map(|row| (row.kind.to_string(), row.subject.to_string())).collect();
    told.sort_unstable();
    told
}

fn of(rows: &[(&str, &str)]) -> Vec<(String, String)> {
    rows.iter().map(|(kind, subject)| ((*kind).to_owned(), (*subject).to_owned())).collect()
}

/// Two places with a station each and tariffs A and B, all of which was told.
async fn furnish(rig: &Rig) {
    for id in ["A", "B"] {
        rig.store.put_tariff(&tariff(id, &[(Dimension::Energy, "0.49")])).await.unwrap();
    }
    place(rig, "L1", "CS-1", &[(1, 1)]).await;
    place(rig, "L2", "CS-2", &[(1, 1)]).await;
    news(rig).await;
}

async fn what_an_assignment_changes_is_told(rig: &Rig) {
    furnish(rig).await;
    let put = async |one: ringmain_domain::tariff::assignment::TariffAssignment| {
        rig.store.put_tariff_assignment(&one).await.unwrap();
        news(rig).await
    };
    let at_station = assignment("A", |a| a.station = Some(station_id("CS-1")));
    assert_eq!(put(at_station.clone()).await, of(&[("station", "CS-1"), ("tariff_reach", "A")]));
    // Moved to a location: both places, and both tariffs.
    let mut moved = assignment("A", |a| a.location = Some(location_id("L2")));
    moved.tariff = tariff_id("B");
    let both = of(&[("location", "L2"), ("station", "CS-1"), ("tariff_reach", "A"), ("tariff_reach", "B")]);
    assert_eq!(put(moved.clone()).await, both);
    // For a group it is no longer anybody's; then it is nobody's business.
    moved.token_group = Some(token_uid("FLEET"));
    assert_eq!(put(moved.clone()).await, of(&[("location", "L2"), ("tariff_reach", "B")]));
    moved.updated_at = at(1);
    assert_eq!(put(moved.clone()).await, of(&[]));
    let everywhere = of(&[("location", "L1"), ("location", "L2"), ("tariff_reach", "B")]);
    assert_eq!(put(assignment("B", |_| {})).await, everywhere);
    assert!(rig.store.delete_tariff_assignment(&tenant(), &moved.id).await.unwrap());
    assert_eq!(news(rig).await, of(&[]));
    assert!(rig.store.delete_tariff_assignment(&tenant(), &assignment("B", |_| {}).id).await.unwrap());
    assert_eq!(news(rig).await, everywhere);
    // A station's own.
    rig.execute("UPDATE stations SET tariff_id = 'A' WHERE id = 'CS-1'").await;
    assert_eq!(news(rig).await, of(&[("station", "CS-1"), ("tariff_reach", "A")]));
    rig.execute("UPDATE stations SET tariff_id = NULL WHERE id = 'CS-1'").await;
    assert_eq!(news(rig).await, of(&[("station", "CS-1"), ("tariff_reach", "A")]));
    let mut new = station("CS-3");
    new.tariff_id = Some(tariff_id("B"));
    rig.store.insert_station(&new).await.unwrap();
    assert_eq!(news(rig).await, of(&[("tariff_reach", "B")]));
}

async fn prices_that_turn_by_the_clock_are_told_once(rig: &Rig) {
    furnish(rig).await;
    let minute = |minute: i64| Some(at(minute * MINUTE));
    let offer = assignment("A", |a| {
        (a.station, a.valid_from, a.valid_until) = (Some(station_id("CS-1")), minute(10), minute(20));
    });
    rig.store.put_tariff_assignment(&offer).await.unwrap();
    let members = assignment("B", |a| (a.token_group, a.valid_from) = (Some(token_uid("FLEET")), minute(10)));
    rig.store.put_tariff_assignment(&members).await.unwrap();
    let everywhere = assignment("C", |a| (a.tariff, a.valid_from) = (tariff_id("B"), minute(30)));
    rig.store.put_tariff_assignment(&everywhere).await.unwrap();
    let mut version = tariff("B", &[(Dimension::Energy, "0.59")]);
    (version.valid_from, version.valid_until) = (minute(40), minute(50));
    rig.store.put_tariff(&version).await.unwrap();
    news(rig).await;
    let turn = async |minute: i64| {
        rig.store.tell_of_price_turns(&tenant(), at(minute * MINUTE)).await.unwrap();
        news(rig).await
    };
    assert_eq!(turn(5).await, of(&[]), "the first look begins there");
    assert_eq!(turn(9).await, of(&[]));
    let offered = of(&[("station", "CS-1"), ("tariff_reach", "A")]);
    assert_eq!(turn(10).await, offered);
    assert_eq!(turn(10).await, of(&[]));
    assert_eq!(turn(20).await, offered);
    assert_eq!(turn(30).await, of(&[("location", "L1"), ("location", "L2"), ("tariff_reach", "B")]));
    // A node that looks again after an hour makes good what it missed; one whose clock is behind tells nothing.
    assert_eq!(turn(90).await, of(&[("tariff", "B")]));
    assert_eq!(turn(45).await, of(&[]));
}
