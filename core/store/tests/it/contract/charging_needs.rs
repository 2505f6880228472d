//! What was said about cars, and what operators decided about sharing.

use ringmain_domain::event::DomainEvent;
use ringmain_domain::id::{EvseId, TransactionId};
use ringmain_domain::load::need::{CarWord, Heard, Wish};
use ringmain_domain::load::settings::SiteSettings;
use ringmain_domain::report::ChargingNeeds;
use ringmain_domain::unit::WattHours;
use ringmain_store::charging_needs::{Stated, StatedNeed};

use crate::make::{at, fact, location, location_id, other_tenant, station_id, tenant};
use crate::rig::Rig;

on_both_engines!(
    the_last_word_of_each_at_an_evse_is_kept,
    an_operators_word_is_about_one_transaction,
    settings_are_kept_whole_and_go_with_their_location,
);

fn needs(evse: u32, wh: i64) -> DomainEvent {
    let word = CarWord { energy_wh: Some(WattHours(wh)), ..CarWord::default() };
    DomainEvent::ChargingNeedsReported(ChargingNeeds { evse: EvseId(evse), word })
}

fn by_car(evse: u32, wh: i64, millis: i64) -> StatedNeed {
    let word = CarWord { energy_wh: Some(WattHours(wh)), ..CarWord::default() };
    StatedNeed { evse: EvseId(evse), stated: Stated::ByCar(Heard { word, at: at(millis) }) }
}

async fn the_last_word_of_each_at_an_evse_is_kept(rig: &Rig) {
    let store = &rig.store;
    let facts = [
        fact("CS-1", 1, needs(1, 10)),
        fact("CS-1", 3, needs(1, 30)),
        fact("CS-1", 2, needs(2, 20)),
        fact("CS-2", 2, needs(1, 99)),
    ];
    store.append(&facts).await.unwrap();
    let expected = [by_car(1, 30, 3), by_car(2, 20, 2)];
    assert_eq!(store.charging_needs(&tenant(), &station_id("CS-1")).await.unwrap(), expected);
    store.append(&[fact("CS-1", 2, needs(1, 11)), fact("CS-1", 4, needs(2, 40))]).await.unwrap();
    let expected = [by_car(1, 30, 3), by_car(2, 40, 4)];
    assert_eq!(
        store.charging_needs(&tenant(), &station_id("CS-1")).await.unwrap(),
        expected,
        "the later word"
    );
    assert_eq!(store.charging_needs(&other_tenant(), &station_id("CS-1")).await.unwrap(), []);
}

async fn an_operators_word_is_about_one_transaction(rig: &Rig) {
    let (store, station) = (&rig.store, station_id("CS-1"));
    let (first, second) = (TransactionId::new("T1").unwrap(), TransactionId::new("T2").unwrap());
    let wish = |permille| Wish { weight_permille: Some(permille), ..Wish::default() };
    let put = async |transaction: &TransactionId, permille, millis| {
        let whose = (&station, EvseId(1), transaction);
        store.put_charging_need(&tenant(), whose, &wish(permille), at(millis)).await.unwrap();
    };
    store.append(&[fact("CS-1", 1, needs(1, 10))]).await.unwrap();
    put(&first, 2_000, 1).await;
    put(&second, 3_000, 2).await;
    let entry = StatedNeed { evse: EvseId(1), stated: Stated::ByOperator(second.clone(), wish(3_000)) };
    let both = [by_car(1, 10, 1), entry];
    assert_eq!(store.charging_needs(&tenant(), &station).await.unwrap(), both);
    let gone = async |transaction| {
        store.delete_charging_need(&tenant(), (&station, EvseId(1), transaction)).await.unwrap()
    };
    assert!(!gone(&first).await, "it is about another one");
    assert!(gone(&second).await);
    assert!(!gone(&second).await);
    assert_eq!(store.charging_needs(&tenant(), &station).await.unwrap(), both[..1]);
}

async fn settings_are_kept_whole_and_go_with_their_location(rig: &Rig) {
    let (store, place) = (&rig.store, location_id("depot"));
    let settings = |minutes| SiteSettings { hold_min: Some(minutes), ..SiteSettings::default() };
    assert!(!store.put_site_settings(&tenant(), &place, &settings(5), at(1)).await.unwrap());
    store.put_location(&location("depot")).await.unwrap();
    for minutes in [5, 7] {
        assert!(store.put_site_settings(&tenant(), &place, &settings(minutes), at(1)).await.unwrap());
        assert_eq!(store.site_settings(&tenant(), &place).await.unwrap(), Some(settings(minutes)));
    }
    assert_eq!(store.site_settings(&other_tenant(), &place).await.unwrap(), None);
    assert!(store.delete_location(&tenant(), &place).await.unwrap());
    store.put_location(&location("depot")).await.unwrap();
    assert_eq!(store.site_settings(&tenant(), &place).await.unwrap(), None);
}
