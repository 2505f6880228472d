//! Partners: credentials from the invitation to the farewell, and what each partner may see.

use ringmain_domain::event::{DomainEvent, Fact};
use ringmain_domain::id::{Epoch, TariffId};
use ringmain_domain::location::ConnectorStatus;
use ringmain_domain::party::{Party, Role};
use ringmain_domain::reply::Registration;
use ringmain_domain::roaming::{RoamingToken, Whitelist};
use ringmain_domain::tariff::Dimension;
use ringmain_domain::time::Timestamp;
use ringmain_store::page::PageRequest;
use ringmain_store::partners::lanes::Lane;
use ringmain_store::partners::lists::Window;
use ringmain_store::partners::tokens::{ToldToken, Touched};
use ringmain_store::partners::{Exchange, Invitation, PartnerRole, PartnerState, Peer, PeerToken};
use ringmain_store::store::{StoreError, StoreSettings};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::make::{
    MINUTE, T0, all_pages, assignment, at, driven_by, fact, location, location_id, message, other_tenant,
    station, status, tariff, tariff_id, tenant, token_uid, whole_transaction, whole_transaction_apart,
};
use crate::rig::Rig;

on_both_engines!(
    an_invitation_is_found_by_its_token,
    an_id_or_token_is_taken_once,
    an_exchange_kills_the_token_that_was_shown,
    an_exchange_in_doubt_can_be_kept_again,
    of_two_who_show_one_token_one_wins,
    a_party_is_in_one_partners_hands,
    a_partner_that_left_shows_nothing,
    partners_are_listed_by_tenant,
    a_location_is_published_with_its_connectors,
    locations_are_cut_by_their_last_change,
    tariffs_are_cut_by_their_last_change,
    sessions_and_bills_go_only_to_the_tokens_party,
    sessions_and_bills_come_in_pages_the_oldest_change_first,
    a_bill_tells_the_place_as_it_was_at_the_start,
    tokens_told_in_other_kinds_are_forgotten_and_asked_for_anew,
);

/// When partners look.
const NOW: Timestamp = Timestamp::from_millis(T0 + 60 * MINUTE);

pub(crate) fn role(party_id: &str, role: &str) -> PartnerRole {
    PartnerRole {
        country_code: "DE".into(),
        party_id: party_id.into(),
        role: role.into(),
        name: "Example".into(),
    }
}

pub(crate) fn invitation(id: u128, token_hash: &[u8]) -> Invitation {
    Invitation {
        id: Uuid::from_u128(id),
        tenant: tenant(),
        name: "Example".into(),
        ours: role("RMN", "CPO"),
        versions_url: "https://cpo.example.com/ocpi/versions".into(),
        token_hash: token_hash.to_vec(),
        expires_at: at(MINUTE),
        created_at: at(0),
    }
}

pub(crate) fn exchange(shown: &[u8], given: &[u8], roles: &[PartnerRole]) -> Exchange {
    let peer = Peer {
        url: "https://emsp.example.com/ocpi/versions".into(),
        token: PeerToken::new("token-b"),
        roles: roles.to_vec(),
        endpoints: None,
    };
    Exchange { shown: shown.to_vec(), given: given.to_vec(), peer, tokens_anew: false, at: at(1) }
}

/// A partner that acts for these parties; it shows the token whose hash is its id.
pub(crate) async fn registered(rig: &Rig, id: u128, roles: &[PartnerRole]) -> Uuid {
    let given = id.to_be_bytes();
    let invitation = invitation(id, &[given.as_slice(), b"a"].concat());
    assert!(rig.store.insert_invitation(&invitation).await.unwrap());
    let exchange = exchange(&invitation.token_hash, &given, roles);
    assert!(rig.store.register_partner(&tenant(), invitation.id, &exchange).await.unwrap());
    invitation.id
}

async fn an_invitation_is_found_by_its_token(rig: &Rig) {
    let invitation = invitation(1, b"a");
    assert!(rig.store.insert_invitation(&invitation).await.unwrap());
    let found = rig.store.partner_by_token(b"a").await.unwrap().unwrap();
    assert_eq!((found.id, &found.tenant, &*found.name), (invitation.id, &tenant(), "Example"));
    assert_eq!((&found.ours, &found.versions_url), (&invitation.ours, &invitation.versions_url));
    assert_eq!(found.state, PartnerState::Invited { until: at(MINUTE) });
    assert_eq!((found.created_at, found.updated_at), (at(0), at(0)));
    assert_eq!(rig.store.partner(&tenant(), invitation.id).await.unwrap(), Some(found));
    assert_eq!(rig.store.partner_by_token(b"b").await.unwrap(), None);
    assert_eq!(rig.store.partner(&tenant(), Uuid::from_u128(2)).await.unwrap(), None);
    assert_eq!(rig.store.partner(&other_tenant(), invitation.id).await.unwrap(), None);
}

async fn an_id_or_token_is_taken_once(rig: &Rig) {
    assert!(rig.store.insert_invitation(&invitation(1, b"a")).await.unwrap());
    assert!(!rig.store.insert_invitation(&invitation(1, b"b")).await.unwrap());
    assert!(!rig.store.insert_invitation(&invitation(2, b"a")).await.unwrap());
    let elsewhere = Invitation { tenant: other_tenant(), ..invitation(1, b"c") };
    assert!(!rig.store.insert_invitation(&elsewhere).await.unwrap());
    assert_eq!(rig.count("partners").await, 1);
}

async fn an_exchange_kills_the_token_that_was_shown(rig: &Rig) {
    let id = invitation(1, b"a").id;
    rig.store.insert_invitation(&invitation(1, b"a")).await.unwrap();
    let first = exchange(b"a", b"c1", &[role("ABC", "EMSP")]);
    assert!(!rig.store.register_partner(&other_tenant(), id, &first).await.unwrap());
    assert!(rig.store.register_partner(&tenant(), id, &first).await.unwrap());
    assert_eq!(rig.store.partner_by_token(b"a").await.unwrap(), None);
    let partner = rig.store.partner_by_token(b"c1").await.unwrap().unwrap();
    assert_eq!((partner.created_at, partner.updated_at), (at(0), at(1)));
    assert_eq!(partner.state, PartnerState::Registered(first.peer));
    assert!(!format!("{partner:?}").contains("token-b"), "{partner:?}");
    // Renewed: other tokens, another address, another party.
    let mut second = exchange(b"c1", b"c2", &[role("XYZ", "EMSP")]);
    second.peer.token = PeerToken::new("token-b2");
    assert!(rig.store.register_partner(&tenant(), id, &second).await.unwrap());
    assert_eq!(rig.store.partner_by_token(b"c1").await.unwrap(), None);
    let partner = rig.store.partner_by_token(b"c2").await.unwrap().unwrap();
    let PartnerState::Registered(peer) = &partner.state else { panic!("{partner:?}") };
    assert_eq!(peer.token.reveal(), "token-b2");
    assert_eq!(rig.number("SELECT count(*) FROM partner_parties WHERE party_id = 'XYZ'").await, 1);
    assert_eq!(rig.count("partner_parties").await, 1);
}

async fn an_exchange_in_doubt_can_be_kept_again(rig: &Rig) {
    let id = invitation(1, b"a").id;
    rig.store.insert_invitation(&invitation(1, b"a")).await.unwrap();
    let exchange = exchange(b"a", b"c", &[role("ABC", "EMSP"), role("ABC", "CPO")]);
    for _ in 0..2 {
        assert!(rig.store.register_partner(&tenant(), id, &exchange).await.unwrap());
    }
    assert_eq!(rig.count("partner_parties").await, 2);
}

async fn of_two_who_show_one_token_one_wins(rig: &Rig) {
    let id = invitation(1, b"a").id;
    rig.store.insert_invitation(&invitation(1, b"a")).await.unwrap();
    let roles = [role("ABC", "EMSP")];
    let (one, other) = (exchange(b"a", b"c1", &roles), exchange(b"a", b"c2", &roles));
    let tenant = tenant();
    let (one, other) = tokio::join!(
        rig.store.register_partner(&tenant, id, &one),
        rig.store.register_partner(&tenant, id, &other)
    );
    assert_ne!(one.unwrap(), other.unwrap());
}

async fn a_party_is_in_one_partners_hands(rig: &Rig) {
    registered(rig, 1, &[role("ABC", "EMSP")]).await;
    rig.store.insert_invitation(&invitation(2, b"a2")).await.unwrap();
    let greedy = exchange(b"a2", b"c2", &[role("XYZ", "EMSP"), role("ABC", "EMSP")]);
    let refused = rig.store.register_partner(&tenant(), Uuid::from_u128(2), &greedy).await;
    assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
    // Nothing of it is left: the invitation still stands, the other party is free.
    assert!(rig.store.partner_by_token(b"a2").await.unwrap().is_some());
    assert_eq!(rig.count("partner_parties").await, 1);
    // The same party in another role is another matter.
    let modest = exchange(b"a2", b"c2", &[role("XYZ", "EMSP"), role("ABC", "CPO")]);
    assert!(rig.store.register_partner(&tenant(), Uuid::from_u128(2), &modest).await.unwrap());
}

async fn a_partner_that_left_shows_nothing(rig: &Rig) {
    let id = registered(rig, 1, &[role("ABC", "EMSP")]).await;
    assert!(!rig.store.unregister_partner(&other_tenant(), id, at(5)).await.unwrap());
    assert!(rig.store.unregister_partner(&tenant(), id, at(5)).await.unwrap());
    assert!(!rig.store.unregister_partner(&tenant(), id, at(6)).await.unwrap());
    assert_eq!(rig.store.partner_by_token(&1_u128.to_be_bytes()).await.unwrap(), None);
    let partner = rig.store.partner(&tenant(), id).await.unwrap().unwrap();
    assert_eq!((partner.state, partner.updated_at), (PartnerState::Unregistered, at(5)));
    assert_eq!(rig.number("SELECT count(*) FROM partners WHERE token_b IS NOT NULL").await, 0);
    // Its party is free for the next.
    registered(rig, 2, &[role("ABC", "EMSP")]).await;
    // An invitation can be taken back.
    rig.store.insert_invitation(&invitation(3, b"a3")).await.unwrap();
    assert!(rig.store.unregister_partner(&tenant(), Uuid::from_u128(3), at(7)).await.unwrap());
    assert_eq!(rig.store.partner_by_token(b"a3").await.unwrap(), None);
}

async fn partners_are_listed_by_tenant(rig: &Rig) {
    for id in 1..=5_u128 {
        rig.store.insert_invitation(&invitation(id, &id.to_be_bytes())).await.unwrap();
    }
    let elsewhere = Invitation { tenant: other_tenant(), ..invitation(9, b"9") };
    rig.store.insert_invitation(&elsewhere).await.unwrap();
    let ids: Vec<_> = all_pages(2, async |page| rig.store.partners(&tenant(), &page).await)
        .await
        .into_iter()
        .map(|partner| partner.id.as_u128())
        .collect();
    assert_eq!(ids, [1, 2, 3, 4, 5]);
    let theirs = rig.store.partners(&other_tenant(), &PageRequest::first(9)).await.unwrap();
    assert_eq!(theirs.items.len(), 1);
}

/// A location with one station, whose connectors are (EVSE, connector).
pub(crate) async fn place(rig: &Rig, place: &str, name: &'static str, connectors: &[(u32, u32)]) {
    rig.store.put_location(&location(place)).await.unwrap();
    let mut one = station(name);
    one.location_id = Some(location_id(place));
    assert!(rig.store.insert_station(&one).await.unwrap());
    let facts: Vec<Fact> = connectors
        .iter()
        .map(|(evse, number)| status(name, 0, *evse, *number, ConnectorStatus::Available))
        .collect();
    rig.store.append(&facts).await.unwrap();
}

fn connected(name: &str, millis: i64) -> Fact {
    fact(
        name,
        millis,
        DomainEvent::StationConnected { ocpp_version: "ocpp2.0.1".into(), epoch: Epoch(0), node: None },
    )
}

async fn a_location_is_published_with_its_connectors(rig: &Rig) {
    place(rig, "L1", "CS-1", &[(0, 0), (1, 0), (1, 1), (1, 2), (2, 1)]).await;
    place(rig, "L2", "CS-2", &[(1, 1)]).await;
    let mut stranger = station("CS-3");
    stranger.location_id = Some(location_id("L2"));
    stranger.registration = Registration::Pending;
    rig.store.insert_station(&stranger).await.unwrap();
    let facts = [
        status("CS-3", 0, 1, 1, ConnectorStatus::Available),
        connected("CS-1", 10),
        message("CS-1", "tx", 0, 20)
            .token("Card1")
            .state(ringmain_domain::report::ChargingState::Charging)
            .fact(),
    ];
    rig.store.append(&facts).await.unwrap();
    let store = rig
        .open_again(StoreSettings { default_tariff: Some(tariff_id("D")), ..StoreSettings::default() })
        .await;

    let page =
        store.published_locations(&tenant(), NOW, &Window::default(), &PageRequest::first(9)).await.unwrap();
    let seen: Vec<Vec<_>> = page
        .items
        .iter()
        .map(|l| l.connectors.iter().map(|c| (c.station.as_str(), c.evse.0, c.connector.0)).collect())
        .collect();
    assert_eq!(seen, [vec![("CS-1", 1, 1), ("CS-1", 1, 2), ("CS-1", 2, 1)], vec![("CS-2", 1, 1)]]);
    let first = &page.items[0].connectors[0];
    assert_eq!((first.status, first.online, first.maintenance), (ConnectorStatus::Available, true, false));
    assert_eq!(first.energy_flows, Some(true));
    assert_eq!(page.items[0].connectors[2].energy_flows, None);
    assert_eq!(first.tariff_id.as_ref().map(TariffId::as_str), Some("D"));
    assert_eq!((first.changed_at, page.items[0].connectors[2].changed_at), (at(20), at(10)));

    let one = store.published_location(&tenant(), NOW, &location_id("L2")).await.unwrap().unwrap();
    assert_eq!(one, page.items[1]);
    let found = async |id: &str| store.published_location(&tenant(), NOW, &location_id(id)).await.unwrap();
    assert_eq!(found("l2").await, Some(page.items[1].clone()));
    store.put_location(&location("l2")).await.unwrap();
    assert_eq!(found("l2").await.unwrap().location.id.as_str(), "l2", "the very one, where there is one");
    assert_eq!(store.published_location(&other_tenant(), NOW, &location_id("L2")).await.unwrap(), None);
    assert_eq!(store.published_location(&tenant(), NOW, &location_id("L3")).await.unwrap(), None);
    let theirs = store
        .published_locations(&other_tenant(), NOW, &Window::default(), &PageRequest::first(9))
        .await
        .unwrap();
    assert!(theirs.items.is_empty());
}

fn window(from: Option<i64>, to: Option<i64>) -> Window {
    Window { from: from.map(at), to: to.map(at), skip: 0 }
}

async fn locations_are_cut_by_their_last_change(rig: &Rig) {
    // L1 has no station, L2's connector changed last, L3's station did.
    rig.store.put_location(&location("L1")).await.unwrap();
    place(rig, "L2", "CS-2", &[(1, 1)]).await;
    place(rig, "L3", "CS-3", &[(1, 1)]).await;
    let facts = [status("CS-2", 100, 1, 1, ConnectorStatus::Occupied), connected("CS-3", 200)];
    rig.store.append(&facts).await.unwrap();
    let check = async |window: Window, expect: &[&str]| {
        let found =
            all_pages(1, async |page| rig.store.published_locations(&tenant(), NOW, &window, &page).await)
                .await;
        let found: Vec<_> = found.iter().map(|l| l.location.id.as_str()).collect();
        assert_eq!(found, expect, "{window:?}");
    };
    check(window(None, None), &["L1", "L2", "L3"]).await;
    check(window(Some(0), None), &["L1", "L2", "L3"]).await;
    check(window(Some(1), None), &["L2", "L3"]).await;
    check(window(Some(100), None), &["L2", "L3"]).await;
    check(window(Some(101), None), &["L3"]).await;
    check(window(Some(201), None), &[]).await;
    check(window(None, Some(0)), &[]).await;
    check(window(None, Some(100)), &["L1"]).await;
    check(window(None, Some(101)), &["L1", "L2"]).await;
    check(window(Some(1), Some(200)), &["L2"]).await;
    let skipping = Window { skip: 1, ..window(Some(1), None) };
    let page =
        rig.store.published_locations(&tenant(), NOW, &skipping, &PageRequest::first(9)).await.unwrap();
    assert_eq!(page.items[0].location.id.as_str(), "L3");
    assert_eq!(page.items.len(), 1);
    let strange = PageRequest { after: Some("strange".into()), limit: 1 };
    let refused = rig.store.published_locations(&tenant(), NOW, &Window::default(), &strange).await;
    assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
}

async fn tariffs_are_cut_by_their_last_change(rig: &Rig) {
    for (id, millis) in [("T1", 10), ("T2", 20), ("T3", 30)] {
        let mut one = tariff(id, &[(Dimension::Energy, "0.49")]);
        one.updated_at = at(millis);
        rig.store.put_tariff(&one).await.unwrap();
        rig.store.put_tariff_assignment(&assignment(id, |_| {})).await.unwrap();
    }
    let check = async |window: Window, expect: &[&str]| {
        let found =
            rig.store.published_tariffs(&tenant(), NOW, &window, &PageRequest::first(9)).await.unwrap();
        assert_eq!(found.items.iter().map(|t| t.id.as_str()).collect::<Vec<_>>(), expect, "{window:?}");
    };
    check(window(None, None), &["T1", "T2", "T3"]).await;
    check(window(Some(20), None), &["T2", "T3"]).await;
    check(window(None, Some(20)), &["T1"]).await;
    check(Window { skip: 2, ..Window::default() }, &["T3"]).await;
    let all = all_pages(2, async |page| {
        rig.store.published_tariffs(&tenant(), NOW, &Window::default(), &page).await
    })
    .await;
    assert_eq!(all.len(), 3);
    let theirs = rig
        .store
        .published_tariffs(&other_tenant(), NOW, &Window::default(), &PageRequest::first(9))
        .await
        .unwrap();
    assert!(theirs.items.is_empty());
}

async fn sessions_and_bills_go_only_to_the_tokens_party(rig: &Rig) {
    place(rig, "L1", "CS-1", &[(1, 1)]).await;
    rig.store.insert_station(&station("CS-2")).await.unwrap();
    let theirs = registered(rig, 1, &[role("ABC", "EMSP")]).await;
    let others = registered(rig, 2, &[role("XYZ", "EMSP"), role("ABC", "CPO")]).await;
    let seen = async |partner: Uuid| {
        let (window, page) = (Window::default(), PageRequest::first(9));
        let sessions = rig.store.partner_sessions(&tenant(), partner, &window, &page).await.unwrap().items;
        let cdrs = rig.store.partner_cdrs(&tenant(), partner, &window, &page).await.unwrap().items;
        (sessions, cdrs)
    };
    // Our own driver's: no partner sees it.
    rig.store.append(&whole_transaction_apart("CS-1", "ours")).await.unwrap();
    assert_eq!(seen(theirs).await, (Vec::new(), Vec::new()));
    // The partner's driver: its eMSP sees it, nobody else.
    rig.store.append(&driven_by(whole_transaction("CS-1", "tx"), "ABC")).await.unwrap();
    let (sessions, cdrs) = seen(theirs).await;
    assert_eq!((sessions.len(), cdrs.len()), (1, 1));
    assert_eq!((sessions[0].location_id.as_str(), &*sessions[0].owner.party_id), ("L1", "ABC"));
    assert_eq!((cdrs[0].location.id.as_str(), &*cdrs[0].owner.country_code), ("L1", "DE"));
    assert_eq!(
        (cdrs[0].cdr.session_id, cdrs[0].session.id),
        (sessions[0].session.id, sessions[0].session.id)
    );
    assert_eq!(seen(others).await, (Vec::new(), Vec::new()));
    // Where there is no location, OCPI has no words.
    rig.store.append(&driven_by(whole_transaction("CS-2", "tx"), "ABC")).await.unwrap();
    assert_eq!(seen(theirs).await.0.len(), 1);
    // Whoever left sees nothing.
    rig.store.unregister_partner(&tenant(), theirs, at(9)).await.unwrap();
    assert_eq!(seen(theirs).await, (Vec::new(), Vec::new()));
}

async fn sessions_and_bills_come_in_pages_the_oldest_change_first(rig: &Rig) {
    place(rig, "L1", "CS-1", &[(1, 1)]).await;
    let partner = registered(rig, 1, &[role("ABC", "EMSP")]).await;
    for transaction in ["t1", "t2", "t3", "t4", "t5"] {
        rig.store.append(&driven_by(whole_transaction_apart("CS-1", transaction), "ABC")).await.unwrap();
    }
    let whole = Window::default();
    let sessions =
        all_pages(2, async |page| rig.store.partner_sessions(&tenant(), partner, &whole, &page).await).await;
    let cdrs =
        all_pages(2, async |page| rig.store.partner_cdrs(&tenant(), partner, &whole, &page).await).await;
    assert_eq!((sessions.len(), cdrs.len()), (5, 5));
    assert!(sessions.is_sorted_by_key(|s| (s.updated_at, s.session.id)));
    assert!(cdrs.is_sorted_by_key(|c| (c.cdr.created_at, c.cdr.id)));
    let last = sessions[4].updated_at;
    let count = async |window: Window| {
        let page = PageRequest::first(9);
        let sessions =
            rig.store.partner_sessions(&tenant(), partner, &window, &page).await.unwrap().items.len();
        (sessions, rig.store.partner_cdrs(&tenant(), partner, &window, &page).await.unwrap().items.len())
    };
    assert_eq!(count(Window { from: Some(last), ..whole }).await, (5, 5));
    assert_eq!(count(Window { from: Some(last.plus_millis(1)), ..whole }).await, (0, 0));
    assert_eq!(count(Window { to: Some(last), ..whole }).await, (0, 0));
    assert_eq!(count(Window { skip: 3, ..whole }).await, (2, 2));
}

/// The location may have another name by the time of the bill, or be gone: the partner gets the bill all the same.
async fn a_bill_tells_the_place_as_it_was_at_the_start(rig: &Rig) {
    place(rig, "L1", "CS-1", &[(1, 1)]).await;
    let partner = registered(rig, 1, &[role("ABC", "EMSP")]).await;
    let facts = driven_by(whole_transaction("CS-1", "tx"), "ABC");
    rig.store.append(&facts[..2]).await.unwrap();
    let renamed = ringmain_domain::location::Location { name: "Another".into(), ..location("L1") };
    rig.store.put_location(&renamed).await.unwrap();
    let bill = rig.store.append(&facts[2..]).await.unwrap()[1].cdr.unwrap();
    let places = async || {
        let (window, page) = (Window::default(), PageRequest::first(9));
        let mut read = rig.store.partner_cdrs(&tenant(), partner, &window, &page).await.unwrap().items;
        read.extend(rig.store.cdrs_for_partners(&tenant(), &[bill.0]).await.unwrap());
        read.into_iter().map(|cdr| cdr.location).collect::<Vec<_>>()
    };
    assert_eq!(places().await, [location("L1"), location("L1")]);
    rig.execute("UPDATE stations SET location_id = NULL").await;
    assert!(rig.store.delete_location(&tenant(), &location_id("L1")).await.unwrap());
    assert_eq!(places().await, [location("L1"), location("L1")]);
    let sessions =
        rig.store.partner_sessions(&tenant(), partner, &Window::default(), &PageRequest::first(9)).await;
    let sessions = sessions.unwrap().items;
    assert_eq!((sessions.len(), sessions[0].location.as_ref()), (1, Some(&location("L1"))));
    let session = async || {
        let read = rig.store.sessions_for_partners(&tenant(), &[sessions[0].session.id.0]).await;
        read.unwrap().remove(0).location
    };
    assert_eq!(session().await, Some(location("L1")));
    // A session of a release that did not keep it, of a location that is gone: left out, not an error.
    rig.execute("UPDATE sessions SET place = NULL").await;
    assert_eq!((places().await, session().await), (Vec::new(), None));
    rig.store.put_location(&renamed).await.unwrap();
    assert_eq!(session().await.as_ref(), Some(&renamed));
    assert_eq!(places().await, [renamed.clone(), renamed]);
}

/// Whoever takes up a version in which kinds of tokens have other names: cards keep theirs, and so do all tokens of others.
async fn tokens_told_in_other_kinds_are_forgotten_and_asked_for_anew(rig: &Rig) {
    let store = &rig.store;
    let party =
        |party_id: &str| Party { country_code: "DE".into(), party_id: party_id.into(), role: Role::Emsp };
    let told = |party_id: &str, kind: &str| ToldToken {
        token: RoamingToken {
            party: party(party_id),
            uid: "A1".into(),
            kind: kind.into(),
            contract_id: "C1".into(),
            group: None,
            valid: true,
            whitelist: Whitelist::Always,
        },
        told: RawValue::from_string("{}".into()).unwrap(),
        last_updated: at(0),
        touched: Touched::whole(at(0)),
    };
    let partner = registered(rig, 1, &[role("ABC", "EMSP")]).await;
    let tokens = [told("ABC", "RFID"), told("ABC", "OTHER"), told("XYZ", "OTHER")];
    store.put_partner_tokens(&tenant(), &tokens).await.unwrap();
    store.put_partner_mark((&tenant(), partner, "tokens_fetched_all"), at(1), at(1)).await.unwrap();
    let known = async || {
        let uid = token_uid("A1");
        let mut known = Vec::new();
        for (party_id, kind) in [("ABC", "RFID"), ("ABC", "OTHER"), ("XYZ", "OTHER")] {
            let found = store.partner_token(&tenant(), &party(party_id), (&uid, kind)).await;
            known.push(found.unwrap().is_some());
        }
        let mark = store.partner_mark(&tenant(), partner, "tokens_fetched_all").await.unwrap();
        (known, mark.is_some(), store.partner_cursors(&tenant(), partner).await.unwrap().len())
    };
    let lanes = Lane::ALL.len();
    let same = exchange(&1_u128.to_be_bytes(), b"c1", &[role("ABC", "EMSP")]);
    assert!(store.register_partner(&tenant(), partner, &same).await.unwrap());
    assert_eq!(known().await, (vec![true, true, true], true, lanes));
    let anew = Exchange { tokens_anew: true, ..exchange(b"c1", b"c2", &[role("ABC", "EMSP")]) };
    assert!(store.register_partner(&tenant(), partner, &anew).await.unwrap());
    assert_eq!(known().await, (vec![true, false, true], false, lanes));
}
