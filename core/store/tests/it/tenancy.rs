//! Walls between tenants: the same ids on both sides, and nobody sees or changes the other's.

use ringmain_domain::event::Fact;
use ringmain_domain::location::Location;
use ringmain_domain::tariff::{Dimension, Tariff};
use ringmain_domain::token::Token;
use ringmain_store::cdrs::CdrFilter;
use ringmain_store::page::PageRequest;
use ringmain_store::sessions::SessionFilter;
use ringmain_store::stations::StationFilter;
use ringmain_store::store::StoreSettings;

use crate::make::{
    location, location_id, other_tenant, station, station_id, tariff, tariff_id, tenant, token, token_uid,
    transaction_id, whole_transaction,
};
use crate::rig::Rig;

on_both_engines!(
    records_of_two_tenants_share_ids_and_nothing_else,
    what_happens_to_one_is_hidden_from_the_other
);

async fn records_of_two_tenants_share_ids_and_nothing_else(rig: &Rig) {
    let (store, mine, theirs) = (&rig.store, tenant(), other_tenant());
    let page = PageRequest::first(10);
    store.put_location(&location("X")).await.unwrap();
    store.put_token(&token("X")).await.unwrap();
    store.put_tariff(&tariff("X", &[(Dimension::Energy, "0.10")])).await.unwrap();
    assert_eq!(store.location(&theirs, &location_id("X")).await.unwrap(), None);
    assert_eq!(store.token(&theirs, &token_uid("X")).await.unwrap(), None);
    assert_eq!(store.tariff(&theirs, &tariff_id("X")).await.unwrap(), None);
    assert!(!store.delete_location(&theirs, &location_id("X")).await.unwrap());
    assert!(!store.delete_token(&theirs, &token_uid("X")).await.unwrap());
    assert!(!store.delete_tariff(&theirs, &tariff_id("X")).await.unwrap());
    let their_location = Location { tenant: theirs.clone(), name: "theirs".into(), ..location("X") };
    let their_token = Token { tenant: theirs.clone(), blocked: true, ..token("X") };
    let their_tariff = Tariff { tenant: theirs.clone(), name: "theirs".into(), ..tariff("X", &[]) };
    store.put_location(&their_location).await.unwrap();
    store.put_token(&their_token).await.unwrap();
    store.put_tariff(&their_tariff).await.unwrap();
    assert_eq!(store.locations(&mine, &page).await.unwrap().items, [location("X")]);
    assert_eq!(store.locations(&theirs, &page).await.unwrap().items, [their_location]);
    assert_eq!(store.tokens(&mine, &page).await.unwrap().items, [token("X")]);
    assert_eq!(store.tokens(&theirs, &page).await.unwrap().items, [their_token]);
    assert_eq!(store.tariffs(&theirs, &page).await.unwrap().items, [their_tariff]);
    // Their station does not hold on to my location and tariff.
    let mut one = station("CS-9");
    one.tenant = theirs.clone();
    one.location_id = Some(location_id("X"));
    one.tariff_id = Some(tariff_id("X"));
    store.insert_station(&one).await.unwrap();
    assert!(store.delete_location(&mine, &location_id("X")).await.unwrap());
    assert!(store.delete_tariff(&mine, &tariff_id("X")).await.unwrap());
    assert!(store.tariff(&theirs, &tariff_id("X")).await.unwrap().is_some());
}

async fn what_happens_to_one_is_hidden_from_the_other(rig: &Rig) {
    let settings = StoreSettings { default_tariff: Some(tariff_id("D")), ..StoreSettings::default() };
    let (store, mine, theirs) = (rig.open_again(settings).await, tenant(), other_tenant());
    let page = PageRequest::first(10);
    store.put_tariff(&tariff("D", &[(Dimension::Energy, "0.10")])).await.unwrap();
    store.insert_station(&station("CS-1")).await.unwrap();
    let mine_told = whole_transaction("CS-1", "tx");
    let their_told: Vec<Fact> =
        mine_told.iter().map(|fact| Fact { tenant: theirs.clone(), ..fact.clone() }).collect();
    let results = store.append(&[mine_told, their_told].concat()).await.unwrap();
    assert!(results.iter().all(|result| result.fresh));
    let (my_session, their_session) =
        (results[3].session.clone().unwrap(), results[7].session.clone().unwrap());
    assert_ne!(my_session.id, their_session.id);
    assert!(my_session.cost.is_some());
    assert_eq!(their_session.cost, None, "my tariff prices nothing of theirs");
    let (mine_cdr, their_cdr) = (results[3].cdr.unwrap(), results[7].cdr.unwrap());
    assert_eq!(store.session(&theirs, my_session.id).await.unwrap(), None);
    assert_eq!(store.cdr(&theirs, mine_cdr).await.unwrap(), None);
    assert_eq!(store.cdr_of(&mine, their_session.id).await.unwrap(), None);
    let sessions = store.sessions(&mine, &SessionFilter::default(), &page).await.unwrap().items;
    assert_eq!(sessions, [my_session]);
    let cdrs = store.cdrs(&theirs, &CdrFilter::default(), &page).await.unwrap().items;
    assert_eq!(cdrs.iter().map(|cdr| cdr.id).collect::<Vec<_>>(), [their_cdr]);
    let stations = store.stations(&theirs, &StationFilter::default(), &page).await.unwrap().items;
    assert!(stations.is_empty());
    let facts = store.transaction_facts(&theirs, &station_id("CS-1"), &transaction_id("tx")).await.unwrap();
    assert_eq!(facts.len(), 4);
    let mut wish = station("CS-1");
    wish.tenant = theirs;
    assert!(!store.update_station(&wish, wish.updated_at).await.unwrap());
}
