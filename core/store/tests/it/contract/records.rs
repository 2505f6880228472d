//! Locations, tokens and tariffs: plain records.

use ringmain_domain::tariff::Dimension;
use ringmain_store::page::PageRequest;
use ringmain_store::store::{StoreError, StoreSettings};

use crate::make::{all_pages, location, location_id, station, tariff, tariff_id, tenant, token, token_uid};
use crate::rig::Rig;

on_both_engines!(
    a_location_is_found_replaced_and_removed,
    a_location_stays_while_stations_stand_there,
    locations_come_in_pages,
    a_token_is_found_in_any_case,
    tokens_come_in_pages,
    a_tariff_keeps_every_digit,
    a_tariff_stays_while_stations_use_it,
    the_default_tariff_stays_while_stations_name_none,
    tariffs_come_in_pages,
    a_strange_cursor_is_refused,
);

async fn a_location_is_found_replaced_and_removed(rig: &Rig) {
    let (store, tenant, id) = (&rig.store, tenant(), location_id("L1"));
    assert_eq!(store.location(&tenant, &id).await.unwrap(), None);
    assert!(!store.delete_location(&tenant, &id).await.unwrap());
    let mut one = location("L1");
    store.put_location(&one).await.unwrap();
    assert_eq!(store.location(&tenant, &id).await.unwrap(), Some(one.clone()));
    one.name = "Réseau\u{0} ⚡ \"x\" \\u0000".into();
    store.put_location(&one).await.unwrap();
    one.name = "Réseau ⚡ \"x\" \\u0000".into();
    assert_eq!(store.location(&tenant, &id).await.unwrap(), Some(one), "only NUL is lost");
    assert!(store.delete_location(&tenant, &id).await.unwrap());
    assert_eq!(store.location(&tenant, &id).await.unwrap(), None);
}

async fn a_location_stays_while_stations_stand_there(rig: &Rig) {
    let (store, tenant, id) = (&rig.store, tenant(), location_id("L1"));
    store.put_location(&location("L1")).await.unwrap();
    let mut one = station("CS-1");
    one.location_id = Some(id.clone());
    assert!(store.insert_station(&one).await.unwrap());
    assert!(matches!(store.delete_location(&tenant, &id).await, Err(StoreError::Conflict { .. })));
    one.location_id = None;
    assert!(store.update_station(&one, one.updated_at).await.unwrap());
    assert!(store.delete_location(&tenant, &id).await.unwrap());
}

async fn locations_come_in_pages(rig: &Rig) {
    let (store, tenant) = (&rig.store, tenant());
    let ids = ["B", "a", "A", "b", "Z-1", "Z-10", "Z-2"];
    for id in ids {
        store.put_location(&location(id)).await.unwrap();
    }
    // Byte by byte on every engine, whatever the server's language.
    let mut expect = ids;
    expect.sort_unstable();
    for limit in [1, 2, 3, 7, 8] {
        let all = all_pages(limit, async |page| store.locations(&tenant, &page).await).await;
        assert_eq!(all.iter().map(|l| l.id.as_str()).collect::<Vec<_>>(), expect, "{limit}");
    }
    // A row that comes before the cursor is not seen, one that comes after it is, none is seen twice.
    let first = store.locations(&tenant, &PageRequest::first(3)).await.unwrap();
    store.put_location(&location("0")).await.unwrap();
    store.put_location(&location("Z-3")).await.unwrap();
    store.delete_location(&tenant, &first.items[2].id).await.unwrap();
    let rest = PageRequest { after: first.next, limit: 1_000 };
    let rest = store.locations(&tenant, &rest).await.unwrap();
    let rest: Vec<_> = rest.items.iter().map(|l| l.id.as_str()).collect();
    assert_eq!(rest, ["Z-10", "Z-2", "Z-3", "a", "b"]);
}

async fn a_token_is_found_in_any_case(rig: &Rig) {
    let (store, tenant) = (&rig.store, tenant());
    store.put_token(&token("abcDEF")).await.unwrap();
    let found = store.token(&tenant, &token_uid("ABCdef")).await.unwrap().unwrap();
    assert_eq!(found, token("ABCDEF"));
    let blocked = ringmain_domain::token::Token { blocked: true, ..token("ABCDEF") };
    store.put_token(&blocked).await.unwrap();
    assert_eq!(store.token(&tenant, &token_uid("abcdef")).await.unwrap(), Some(blocked));
    assert_eq!(store.token(&tenant, &token_uid("abcde")).await.unwrap(), None);
    assert!(store.delete_token(&tenant, &token_uid("aBcDeF")).await.unwrap());
    assert!(!store.delete_token(&tenant, &token_uid("abcdef")).await.unwrap());
}

async fn tokens_come_in_pages(rig: &Rig) {
    let (store, tenant) = (&rig.store, tenant());
    for number in 0..25 {
        store.put_token(&token(&format!("t{number:02}"))).await.unwrap();
    }
    let all = all_pages(10, async |page| store.tokens(&tenant, &page).await).await;
    let expect: Vec<_> = (0..25).map(|number| token(&format!("T{number:02}"))).collect();
    assert_eq!(all, expect);
}

async fn a_tariff_keeps_every_digit(rig: &Rig) {
    let (store, tenant, id) = (&rig.store, tenant(), tariff_id("T"));
    let exact = tariff(
        "T",
        &[(Dimension::Energy, "0.10"), (Dimension::Flat, "12345678901234567.123456"), (Dimension::Time, "2")],
    );
    store.put_tariff(&exact).await.unwrap();
    let found = store.tariff(&tenant, &id).await.unwrap().unwrap();
    assert_eq!(found, exact);
    let prices: Vec<_> = found.elements[0].components.iter().map(|c| c.price.to_string()).collect();
    assert_eq!(prices, ["0.10", "12345678901234567.123456", "2"], "with their zeros");
    let changed = tariff("T", &[(Dimension::Energy, "0.11")]);
    store.put_tariff(&changed).await.unwrap();
    assert_eq!(store.tariff(&tenant, &id).await.unwrap(), Some(changed));
    assert_eq!(store.tariff(&tenant, &tariff_id("U")).await.unwrap(), None);
}

async fn a_tariff_stays_while_stations_use_it(rig: &Rig) {
    let (store, tenant, id) = (&rig.store, tenant(), tariff_id("T"));
    store.put_tariff(&tariff("T", &[(Dimension::Energy, "0.10")])).await.unwrap();
    let mut one = station("CS-1");
    one.tariff_id = Some(id.clone());
    store.insert_station(&one).await.unwrap();
    assert!(matches!(store.delete_tariff(&tenant, &id).await, Err(StoreError::Conflict { .. })));
    one.tariff_id = None;
    assert!(store.update_station(&one, one.updated_at).await.unwrap());
    assert!(store.delete_tariff(&tenant, &id).await.unwrap());
    assert!(!store.delete_tariff(&tenant, &id).await.unwrap());
}

async fn the_default_tariff_stays_while_stations_name_none(rig: &Rig) {
    let (tenant, id) = (tenant(), tariff_id("T"));
    let settings = StoreSettings { default_tariff: Some(id.clone()), ..StoreSettings::default() };
    let store = rig.open_again(settings).await;
    store.put_tariff(&tariff("T", &[(Dimension::Energy, "0.10")])).await.unwrap();
    store.insert_station(&station("CS-1")).await.unwrap();
    assert!(matches!(store.delete_tariff(&tenant, &id).await, Err(StoreError::Conflict { .. })));
    assert!(store.delete_station(&tenant, &station("CS-1").id).await.unwrap());
    assert!(store.delete_tariff(&tenant, &id).await.unwrap());
}

async fn tariffs_come_in_pages(rig: &Rig) {
    let (store, tenant) = (&rig.store, tenant());
    let all: Vec<_> = (0..5).map(|n| tariff(&format!("T{n}"), &[(Dimension::Energy, "0.10")])).collect();
    for one in all.iter().rev() {
        store.put_tariff(one).await.unwrap();
    }
    assert_eq!(all_pages(2, async |page| store.tariffs(&tenant, &page).await).await, all);
}

async fn a_strange_cursor_is_refused(rig: &Rig) {
    let strange = PageRequest { after: Some("strange".to_owned()), limit: 10 };
    let (store, tenant) = (&rig.store, tenant());
    assert!(matches!(store.locations(&tenant, &strange).await, Err(StoreError::Conflict { .. })));
    assert!(matches!(store.tokens(&tenant, &strange).await, Err(StoreError::Conflict { .. })));
    let filter = ringmain_store::sessions::SessionFilter::default();
    assert!(matches!(store.sessions(&tenant, &filter, &strange).await, Err(StoreError::Conflict { .. })));
}
