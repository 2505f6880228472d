//! Versions of tariffs, and who pays which.

use ringmain_domain::id::{AssignmentId, EvseId, TenantId};
use ringmain_domain::tariff::Dimension;
use ringmain_domain::tariff::assignment::TariffAssignment;
use ringmain_store::page::PageRequest;
use ringmain_store::store::StoreError;

use crate::make::{
    MINUTE, all_pages, assignment, at, location, location_id, message, other_tenant, station, station_id,
    tariff, tariff_id, tenant, token, token_uid, whole_transaction,
};
use crate::rig::Rig;

on_both_engines!(
    f39_a_session_is_priced_by_the_version_in_force_when_energy_flowed,
    f13_a_late_end_is_priced_by_the_tariff_of_its_time,
    versions_are_listed_and_outlive_their_tariff,
    a_version_to_come_is_withdrawn_and_one_in_force_is_not,
    the_most_specific_assignment_prices_a_session,
    an_assignment_is_found_replaced_and_removed,
    an_assignment_needs_its_tariff,
    the_locations_clock_counts,
    the_tariff_of_a_session_stays_what_it_was_when_it_began,
    a_token_that_comes_to_light_late_changes_the_tariff,
);

async fn the_tariff_of_a_session_stays_what_it_was_when_it_began(rig: &Rig) {
    station_with(rig, "T").await;
    rig.store.put_tariff(&energy("T", "0.40", -60 * MINUTE)).await.unwrap();
    rig.store.put_tariff(&energy("DEAR", "0.80", -60 * MINUTE)).await.unwrap();
    let all = whole_transaction("CS-1", "tx");
    rig.store.append(&all[..2]).await.unwrap();
    let mut changed = rig.store.find_station(&station_id("CS-1")).await.unwrap().unwrap();
    let before = changed.updated_at;
    changed.tariff_id = Some(tariff_id("DEAR"));
    assert!(rig.store.update_station(&changed, before).await.unwrap());
    let ended = rig.store.append(&all[2..]).await.unwrap().pop().unwrap().session.unwrap();
    assert_eq!(
        (ended.cost.unwrap().excl_tax.to_string().as_str(), ended.tariff),
        ("4.00", Some(tariff_id("T")))
    );
    let next = whole_transaction("CS-1", "next");
    let ended = rig.store.append(&next).await.unwrap().pop().unwrap().session.unwrap();
    assert_eq!(ended.cost.unwrap().excl_tax.to_string(), "8.00", "from the next session on");
}

/// The message that names the driver is missing when it is billed, and comes after it: the bill is made anew, with the driver and his price.
async fn a_token_that_comes_to_light_late_changes_the_tariff(rig: &Rig) {
    station_with(rig, "T").await;
    rig.store.put_tariff(&energy("T", "0.40", -60 * MINUTE)).await.unwrap();
    rig.store.put_tariff(&energy("MEMBER", "0.20", -60 * MINUTE)).await.unwrap();
    let mut member = token("CARD1");
    member.group = Some(token_uid("MEMBERS"));
    rig.store.put_token(&member).await.unwrap();
    let assignment = assignment("MEMBER", |assignment| assignment.token_group = member.group.clone());
    rig.store.put_tariff_assignment(&assignment).await.unwrap();
    let mut all = whole_transaction("CS-1", "tx");
    let ringmain_domain::event::DomainEvent::Transaction(start) = &mut all[0].event else { panic!("a fact") };
    let holder = start.token.take();
    let first = rig.store.append(&all).await.unwrap().pop().unwrap().session.unwrap();
    assert_eq!((first.cost.unwrap().excl_tax.to_string().as_str(), first.token), ("4.00", None));
    let mut late = message("CS-1", "tx", 4, 5 * MINUTE).into_told();
    late.token = holder;
    let late = ringmain_domain::event::Fact {
        event: ringmain_domain::event::DomainEvent::Transaction(late),
        ..all[0].clone()
    };
    let corrected = rig.store.append(&[late]).await.unwrap().remove(0).session.unwrap();
    assert_eq!(corrected.cost.unwrap().excl_tax.to_string(), "2.00");
    let bill = rig.store.cdr_of(&tenant(), corrected.id).await.unwrap().unwrap();
    assert_eq!((bill.revision, bill.token.is_some()), (2, true));
}

async fn a_version_to_come_is_withdrawn_and_one_in_force_is_not(rig: &Rig) {
    let versions = async || {
        let page =
            rig.store.tariff_versions(&tenant(), &tariff_id("T"), &PageRequest::first(9)).await.unwrap();
        page.items.into_iter().map(|(from, _)| from).collect::<Vec<_>>()
    };
    let withdraw = async |tenant: &TenantId, from| {
        rig.store.withdraw_tariff_version(tenant, &tariff_id("T"), at(from), at(0)).await
    };
    rig.store.put_tariff(&energy("T", "0.60", 60 * MINUTE)).await.unwrap();
    assert!(
        matches!(withdraw(&tenant(), 60 * MINUTE).await, Err(StoreError::Conflict { .. })),
        "the only one"
    );
    assert_eq!(versions().await, [at(60 * MINUTE)], "nothing happened");
    rig.store.put_tariff(&energy("T", "0.40", -60 * MINUTE)).await.unwrap();
    rig.store.put_tariff(&energy("T", "0.80", 90 * MINUTE)).await.unwrap();
    assert!(!withdraw(&other_tenant(), 60 * MINUTE).await.unwrap(), "theirs is none");
    assert!(!withdraw(&tenant(), 61 * MINUTE).await.unwrap(), "there is none of then");
    assert!(!withdraw(&tenant(), -60 * MINUTE).await.unwrap(), "it is in force");
    assert!(withdraw(&tenant(), 90 * MINUTE).await.unwrap());
    let kept = rig.store.tariff(&tenant(), &tariff_id("T")).await.unwrap().unwrap();
    assert!(rig.store.delete_tariff(&tenant(), &tariff_id("T")).await.unwrap());
    assert!(withdraw(&tenant(), 60 * MINUTE).await.unwrap(), "one of a tariff that was removed too");
    assert_eq!(versions().await, [at(-60 * MINUTE)]);
    assert_eq!(kept.updated_at, at(60 * MINUTE), "the tariff is what the last one left says");
}

fn energy(id: &str, price: &str, from: i64) -> ringmain_domain::tariff::Tariff {
    let mut tariff = tariff(id, &[(Dimension::Energy, price)]);
    tariff.elements[0].components[0].tax_percent = None;
    tariff.updated_at = at(from);
    tariff
}

async fn station_with(rig: &Rig, tariff: &str) {
    let mut one = station("CS-1");
    one.tariff_id = Some(tariff_id(tariff));
    rig.store.insert_station(&one).await.unwrap();
}

async fn cost(rig: &Rig, station: &'static str, transaction: &str) -> Option<String> {
    let last = rig.store.append(&whole_transaction(station, transaction)).await.unwrap().pop().unwrap();
    last.session.unwrap().cost.map(|cost| cost.excl_tax.to_string())
}

async fn f39_a_session_is_priced_by_the_version_in_force_when_energy_flowed(rig: &Rig) {
    station_with(rig, "T").await;
    rig.store.put_tariff(&energy("T", "0.30", -60 * MINUTE)).await.unwrap();
    let all = whole_transaction("CS-1", "tx");
    rig.store.append(&all[..2]).await.unwrap();
    // In the middle of the session, after 5 of its 10 kWh; the session goes on and the estimate follows.
    rig.store.put_tariff(&energy("T", "0.50", 15 * MINUTE)).await.unwrap();
    rig.store.put_tariff(&energy("T", "9.00", 60 * MINUTE)).await.unwrap();
    let ended = rig.store.append(&all[2..]).await.unwrap().pop().unwrap().session.unwrap();
    assert_eq!(ended.cost.unwrap().excl_tax.to_string(), "4.00");
    assert_eq!(ended.tariff, Some(tariff_id("T")));
}

async fn f13_a_late_end_is_priced_by_the_tariff_of_its_time(rig: &Rig) {
    station_with(rig, "T").await;
    rig.store.put_tariff(&energy("T", "0.30", -60 * MINUTE)).await.unwrap();
    for (version, price) in ["0.50", "0.70", "0.90"].into_iter().enumerate() {
        let weeks = 7 * 24 * 60 * MINUTE * (i64::try_from(version).unwrap() + 1);
        rig.store.put_tariff(&energy("T", price, weeks)).await.unwrap();
    }
    assert_eq!(cost(rig, "CS-1", "tx").await.as_deref(), Some("3.00"));
}

async fn versions_are_listed_and_outlive_their_tariff(rig: &Rig) {
    rig.store.put_tariff(&energy("T", "0.30", 0)).await.unwrap();
    rig.store.put_tariff(&energy("T", "0.40", 1)).await.unwrap();
    let mut later = energy("T", "0.50", 2);
    later.valid_from = Some(at(100));
    rig.store.put_tariff(&later).await.unwrap();
    rig.store.put_tariff(&energy("U", "1.00", 5)).await.unwrap();
    let list = async |request| rig.store.tariff_versions(&tenant(), &tariff_id("T"), &request).await;
    let versions = all_pages(2, list).await;
    assert_eq!(versions.iter().map(|(from, _)| *from).collect::<Vec<_>>(), [at(100), at(1), at(0)]);
    assert_eq!(rig.store.tariff(&tenant(), &tariff_id("T")).await.unwrap(), Some(later));
    let theirs = rig.store.tariff_versions(&other_tenant(), &tariff_id("T"), &PageRequest::first(9)).await;
    assert!(theirs.unwrap().items.is_empty());
    assert!(rig.store.delete_tariff(&tenant(), &tariff_id("T")).await.unwrap());
    assert_eq!(all_pages(9, list).await.len(), 3);
}

async fn the_most_specific_assignment_prices_a_session(rig: &Rig) {
    rig.store.put_location(&location("L")).await.unwrap();
    for name in ["CS-1", "CS-2"] {
        let mut one = station(name);
        (one.location_id, one.tariff_id) = (Some(location_id("L")), Some(tariff_id("own")));
        rig.store.insert_station(&one).await.unwrap();
    }
    for (id, price) in
        [("own", "0.10"), ("here", "0.20"), ("evse", "0.30"), ("members", "0.40"), ("past", "0.50")]
    {
        rig.store.put_tariff(&energy(id, price, 0)).await.unwrap();
    }
    assert_eq!(cost(rig, "CS-1", "t1").await.as_deref(), Some("1.00"), "the station's own");
    let put = async |assignment| rig.store.put_tariff_assignment(&assignment).await.unwrap();
    put(assignment("here", |a| a.location = Some(location_id("L")))).await;
    put(assignment("past", |a| a.valid_until = Some(at(0)))).await;
    put(assignment("evse", |a| (a.station, a.evse) = (Some(station_id("CS-2")), Some(EvseId(1))))).await;
    assert_eq!(cost(rig, "CS-1", "t2").await.as_deref(), Some("2.00"), "the location's");
    assert_eq!(cost(rig, "CS-2", "t3").await.as_deref(), Some("3.00"), "the EVSE's");
    put(assignment("members", |a| a.token_group = Some(token_uid("fleet")))).await;
    assert_eq!(cost(rig, "CS-2", "t4").await.as_deref(), Some("3.00"), "no member");
    let mut member = token("CARD1");
    member.group = Some(token_uid("FLEET"));
    rig.store.put_token(&member).await.unwrap();
    assert_eq!(cost(rig, "CS-2", "t5").await.as_deref(), Some("4.00"), "a member's");
}

async fn an_assignment_is_found_replaced_and_removed(rig: &Rig) {
    rig.store.put_tariff(&energy("a", "0.10", 0)).await.unwrap();
    let one = assignment("a", |_| {});
    let find = async |tenant| rig.store.tariff_assignment(&tenant, &one.id).await.unwrap();
    assert_eq!(find(tenant()).await, None);
    for station in [None, Some(station_id("CS-1"))] {
        let changed = assignment("a", |a| a.station = station);
        rig.store.put_tariff_assignment(&changed).await.unwrap();
        assert_eq!(find(tenant()).await, Some(changed));
    }
    assert_eq!(find(other_tenant()).await, None);
    for number in 0..4 {
        let id = format!("n{number}");
        let more = TariffAssignment { id: AssignmentId::new(&id).unwrap(), ..one.clone() };
        rig.store.put_tariff_assignment(&more).await.unwrap();
    }
    let list = async |request| rig.store.tariff_assignments(&tenant(), &request).await;
    assert_eq!(all_pages(2, list).await.len(), 5);
    let refused = rig.store.delete_tariff(&tenant(), &tariff_id("a")).await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict { .. }), "{refused}");
    assert!(!rig.store.delete_tariff_assignment(&other_tenant(), &one.id).await.unwrap());
    assert!(rig.store.delete_tariff_assignment(&tenant(), &one.id).await.unwrap());
    assert!(!rig.store.delete_tariff_assignment(&tenant(), &one.id).await.unwrap());
}

async fn an_assignment_needs_its_tariff(rig: &Rig) {
    let refused = rig.store.put_tariff_assignment(&assignment("nowhere", |_| {})).await.unwrap_err();
    assert!(refused.to_string().contains("there is no tariff nowhere"), "{refused}");
}

async fn the_locations_clock_counts(rig: &Rig) {
    // 08:00 UTC is 09:00 in Utrecht: the element of the first hour there does not hold any more.
    let mut there = location("L");
    rig.store.put_location(&there).await.unwrap();
    let mut one = station("CS-1");
    (one.location_id, one.tariff_id) = (Some(location_id("L")), Some(tariff_id("T")));
    rig.store.insert_station(&one).await.unwrap();
    let mut morning = energy("T", "9.00", 0);
    let mut rest = energy("T", "0.10", 0).elements.remove(0);
    rest.restrictions = Default::default();
    morning.elements[0].restrictions.start_time = ringmain_domain::time::local::TimeOfDay::new(8, 0);
    morning.elements[0].restrictions.end_time = ringmain_domain::time::local::TimeOfDay::new(9, 0);
    morning.elements.push(rest);
    rig.store.put_tariff(&morning).await.unwrap();
    assert_eq!(cost(rig, "CS-1", "t1").await.as_deref(), Some("1.00"));
    there.time_zone = "UTC".into();
    rig.store.put_location(&there).await.unwrap();
    assert_eq!(cost(rig, "CS-1", "t2").await.as_deref(), Some("90.00"));
    let running = message("CS-1", "t3", 0, 0).register(0).fact();
    rig.store.append(&[running]).await.unwrap();
}
