//! Who may charge where: groups, rules of locations, what is known of a presented token, local lists.

use ringmain_domain::authorize::rule::{AccessRule, AccessWindow, Admitted};
use ringmain_domain::authorize::{Authorization, TokenStanding};
use ringmain_domain::event::DomainEvent;
use ringmain_domain::id::{Epoch, EvseId};
use ringmain_domain::local_list::{Sent, SentEntry};
use ringmain_domain::party::{Party, Role};
use ringmain_domain::report::{Boot, Variable};
use ringmain_domain::roaming::{AuthMethod, Clearance, OrderedStart, RoamingToken, Whitelist};
use ringmain_domain::time::Timestamp;
use ringmain_domain::time::local::{TimeOfDay, Weekday};
use ringmain_domain::token::{IdToken, Token, TokenGroup, TokenKind};
use ringmain_store::local_lists::LocalList;
use ringmain_store::partners::tokens::{ToldToken, Touched};
use ringmain_store::store::{Store, StoreError};
use serde_json::value::RawValue;

use crate::make::{
    MINUTE, all_pages, at, fact, location, location_id, message, other_tenant, station, station_id, tenant,
    token, token_uid, transaction_id, whole_transaction,
};
use crate::rig::Rig;

on_both_engines!(
    a_group_is_found_in_any_case_replaced_and_removed,
    a_group_stays_while_tokens_name_it,
    groups_come_in_pages,
    a_group_of_another_tenant_is_not_there,
    rules_of_a_location_are_kept_and_go_with_it,
    what_is_known_of_a_token_comes_in_one_reading,
    orders_of_companies_are_kept_apart,
    changes_of_a_companys_token_lose_nothing,
    a_token_charges_only_where_a_session_is_open,
    decisions_are_counted_by_location,
    a_local_list_is_found_replaced_and_goes_with_its_station,
    a_station_is_due_when_who_may_charge_has_changed,
    variables_are_found_by_name,
);

fn group(id: &str) -> TokenGroup {
    TokenGroup {
        tenant: tenant(),
        id: token_uid(id),
        name: format!("Group {id}").into(),
        blocked: false,
        expires_at: Some(at(MINUTE)),
        concurrent_max: Some(3),
        updated_at: at(0),
    }
}

fn presented(uid: &str) -> IdToken {
    IdToken { uid: token_uid(uid), kind: TokenKind::Rfid }
}

fn member(uid: &str, of: &str) -> Token {
    Token { group: Some(token_uid(of)), ..token(uid) }
}

fn rules() -> Vec<AccessRule> {
    let time = |text| TimeOfDay::parse(text).unwrap();
    let window = AccessWindow { weekdays: vec![Weekday::Monday], from: time("22:00"), to: time("06:00") };
    vec![
        AccessRule { who: Admitted::Groups(vec![token_uid("FLEET")]), windows: vec![window] },
        AccessRule { who: Admitted::Tokens(vec![token_uid("A1")]), windows: Vec::new() },
        AccessRule { who: Admitted::Everyone, windows: Vec::new() },
    ]
}

async fn a_group_is_found_in_any_case_replaced_and_removed(rig: &Rig) {
    let (store, tenant) = (&rig.store, tenant());
    assert_eq!(store.token_group(&tenant, &token_uid("fleet")).await.unwrap(), None);
    store.put_token_group(&group("Fleet")).await.unwrap();
    let kept = group("Fleet");
    let expect = TokenGroup { id: token_uid("FLEET"), ..kept };
    assert_eq!(store.token_group(&tenant, &token_uid("fLeEt")).await.unwrap(), Some(expect.clone()));
    let blocked = TokenGroup { blocked: true, ..expect };
    store.put_token_group(&blocked).await.unwrap();
    store.put_token_group(&blocked).await.unwrap();
    assert_eq!(store.token_group(&tenant, &token_uid("FLEET")).await.unwrap(), Some(blocked));
    assert!(store.delete_token_group(&tenant, &token_uid("fleet")).await.unwrap());
    assert!(!store.delete_token_group(&tenant, &token_uid("fleet")).await.unwrap());
}

async fn a_group_stays_while_tokens_name_it(rig: &Rig) {
    let (store, tenant, id) = (&rig.store, tenant(), token_uid("FLEET"));
    store.put_token_group(&group("FLEET")).await.unwrap();
    store.put_token(&member("A1", "fleet")).await.unwrap();
    assert!(matches!(store.delete_token_group(&tenant, &id).await, Err(StoreError::Conflict { .. })));
    store.put_token(&token("A1")).await.unwrap();
    assert!(store.delete_token_group(&tenant, &id).await.unwrap());
}

async fn groups_come_in_pages(rig: &Rig) {
    let (store, tenant) = (&rig.store, tenant());
    for number in 0..5 {
        store.put_token_group(&group(&format!("g{number}"))).await.unwrap();
    }
    for limit in [1, 2, 5, 6] {
        let all = all_pages(limit, async |page| store.token_groups(&tenant, &page).await).await;
        let ids: Vec<_> = all.iter().map(|group| group.id.as_str()).collect();
        assert_eq!(ids, ["G0", "G1", "G2", "G3", "G4"], "{limit}");
    }
}

async fn a_group_of_another_tenant_is_not_there(rig: &Rig) {
    let (store, theirs) = (&rig.store, other_tenant());
    store.put_token_group(&group("FLEET")).await.unwrap();
    store.put_token(&member("A1", "FLEET")).await.unwrap();
    assert_eq!(store.token_group(&theirs, &token_uid("FLEET")).await.unwrap(), None);
    assert!(!store.delete_token_group(&theirs, &token_uid("FLEET")).await.unwrap());
    let page = ringmain_store::page::PageRequest::first(10);
    assert_eq!(store.token_groups(&theirs, &page).await.unwrap().items, []);
    let standing = store.token_standing(&theirs, &presented("A1"), &station_id("CS-1")).await.unwrap();
    assert_eq!((standing.token, standing.group), (None, None));
}

async fn rules_of_a_location_are_kept_and_go_with_it(rig: &Rig) {
    let (store, tenant, id) = (&rig.store, tenant(), location_id("L1"));
    assert!(!store.put_location_access(&tenant, &id, &rules(), at(0)).await.unwrap(), "no such location");
    store.put_location(&location("L1")).await.unwrap();
    assert_eq!(store.location_access(&tenant, &id).await.unwrap(), []);
    assert!(store.put_location_access(&tenant, &id, &rules(), at(0)).await.unwrap());
    assert_eq!(store.location_access(&tenant, &id).await.unwrap(), rules());
    store.put_location(&location("L1")).await.unwrap();
    assert_eq!(store.location_access(&tenant, &id).await.unwrap(), rules(), "a new address opens no door");
    assert_eq!(store.location_access(&other_tenant(), &id).await.unwrap(), []);
    assert!(!store.put_location_access(&other_tenant(), &id, &[], at(0)).await.unwrap());
    assert!(store.delete_location(&tenant, &id).await.unwrap());
    store.put_location(&location("L1")).await.unwrap();
    assert_eq!(store.location_access(&tenant, &id).await.unwrap(), []);
}

async fn what_is_known_of_a_token_comes_in_one_reading(rig: &Rig) {
    let (store, tenant, here) = (&rig.store, tenant(), station_id("CS-1"));
    let known = async |uid: &str| store.token_standing(&tenant, &presented(uid), &here).await.unwrap();
    assert_eq!(known("A1").await, TokenStanding { unplaced: true, ..TokenStanding::default() });
    store.put_token(&member("A1", "Fleet")).await.unwrap();
    assert_eq!(known("a1").await.token, Some(member("A1", "Fleet")));
    assert_eq!(known("a1").await.group, None, "a mere name");
    store.put_token_group(&group("FLEET")).await.unwrap();
    store.put_location(&location("L1")).await.unwrap();
    store.put_location_access(&tenant, &location_id("L1"), &rules(), at(0)).await.unwrap();
    let mut one = station("CS-1");
    one.location_id = Some(location_id("L1"));
    store.insert_station(&one).await.unwrap();
    let all = known("A1").await;
    assert_eq!((all.group, all.rules), (Some(group("FLEET")), rules()));
    assert_eq!((all.time_zone.as_deref(), all.unplaced), (Some("Europe/Amsterdam"), false));
}

fn told(token: RoamingToken) -> ToldToken {
    let told = RawValue::from_string("{}".into()).unwrap();
    ToldToken { told, last_updated: at(0), touched: Touched::whole(at(0)), token }
}

/// However many change one token at a time, each change is laid over the one before.
async fn changes_of_a_companys_token_lose_nothing(rig: &Rig) {
    let party = Party { country_code: "DE".into(), party_id: "ABC".into(), role: Role::Emsp };
    let token = RoamingToken {
        party: party.clone(),
        uid: "a1".into(),
        kind: "RFID".into(),
        contract_id: "0".into(),
        group: None,
        valid: true,
        whitelist: Whitelist::Always,
    };
    rig.store.put_partner_tokens(&tenant(), &[told(token)]).await.unwrap();
    let other = rig.open_again(ringmain_store::store::StoreSettings::default()).await;
    let change = async |store: &Store, number: i64| {
        let uid = token_uid("A1");
        let change = Box::new(move |mut known: ToldToken| {
            if number == 13 {
                return Err("a refusal");
            }
            let so_far: i64 = known.token.contract_id.parse().unwrap();
            known.token.contract_id = (so_far + number).to_string().into();
            known.touched.fields.insert(format!("field {number}").into(), at(number));
            Ok(Some(known))
        });
        store.change_partner_token(&tenant(), &party, (&uid, "RFID"), change).await.unwrap()
    };
    let all = (1..=20).map(|number| change(if number % 2 == 0 { &rig.store } else { &other }, number));
    let done = futures_util::future::join_all(all).await;
    assert_eq!(done.iter().filter(|done| **done == Some(Err("a refusal"))).count(), 1);
    let known =
        async || rig.store.partner_token(&tenant(), &party, (&token_uid("A1"), "RFID")).await.unwrap();
    let changed = known().await.unwrap();
    assert_eq!(*changed.token.contract_id, *(210 - 13).to_string());
    assert_eq!(
        (changed.touched.fields.len(), changed.touched.of("field 7"), changed.touched.of("x")),
        (19, at(7), at(0))
    );
    // A release that knows nothing of fields moves it on: then all of it was told at once.
    rig.execute("UPDATE partner_tokens SET last_updated = last_updated + 5").await;
    assert_eq!(known().await.unwrap().touched, Touched::whole(at(5)));
    let uid = token_uid("A1");
    let same = Box::new(|known: ToldToken| Ok::<_, ()>(Some(known)));
    assert_eq!(rig.store.change_partner_token(&tenant(), &party, (&uid, "OTHER"), same).await.unwrap(), None);
}

/// Two companies order for drivers with one uid, and we have a token of it too: nobody's word takes another's driver.
async fn orders_of_companies_are_kept_apart(rig: &Rig) {
    let (store, tenant, here) = (&rig.store, tenant(), station_id("CS-1"));
    let of = |party_id: &str, kind: &str, millis| {
        let party = Party { country_code: "DE".into(), party_id: party_id.into(), role: Role::Emsp };
        let whitelist = Whitelist::Never;
        let (contract_id, group) = (format!("DE8{party_id}1").into(), None);
        let token = RoamingToken {
            party,
            uid: "a1".into(),
            kind: kind.into(),
            contract_id,
            group,
            valid: true,
            whitelist,
        };
        let contract = token.contract(AuthMethod::Ordered, None);
        let clearance = Clearance { contract, authorization: Authorization::Accepted, at: at(millis) };
        (told(token), clearance)
    };
    let known = async || store.token_standing(&tenant, &presented("A1"), &here).await.unwrap();
    let party = |clearance: &Clearance| clearance.contract.party.party_id.to_string();
    let asked = Clearance { authorization: Authorization::Blocked, ..of("XYZ", "RFID", 5).1 };
    store.put_partner_tokens(&tenant, &[of("XYZ", "RFID", 0).0]).await.unwrap();
    store.put_clearance(&tenant, &here, &asked).await.unwrap();
    for (remote_start_id, party_id, millis) in [(1, "XYZ", 6), (2, "ABC", 7), (3, "ABC", 8)] {
        let ordered = OrderedStart { remote_start_id, clearance: of(party_id, "RFID", millis).1 };
        store.put_ordered_start(&tenant, &here, &ordered).await.unwrap();
    }
    let standing = known().await;
    let orders: Vec<_> = standing.ordered.iter().map(|o| (o.remote_start_id, party(&o.clearance))).collect();
    assert_eq!(orders, [(3, "ABC".to_owned()), (2, "ABC".to_owned()), (1, "XYZ".to_owned())]);
    let roamer = standing.roamer.unwrap();
    assert_eq!(roamer.clearance.as_ref().map(|said| (party(said), said.at)), Some(("XYZ".to_owned(), at(6))));
    // What was asked still stands for nodes of the release before.
    assert_eq!(rig.number("SELECT at FROM clearances").await, at(5).as_millis());
    // Of several companies' tokens the first by name, always; one of the presented kind before any other.
    store.put_partner_tokens(&tenant, &[of("ABC", "RFID", 0).0, of("AAA", "OTHER", 0).0]).await.unwrap();
    let roamer = known().await.roamer.unwrap();
    assert_eq!((&*roamer.token.unwrap().party.party_id, roamer.is_ambiguous), ("ABC", true));
    assert_eq!(roamer.clearance.map(|said| said.at), Some(at(8)));
    store.put_token(&member("A1", "Fleet")).await.unwrap();
    let standing = known().await;
    assert!(standing.token.is_some() && standing.roamer().is_none());
    assert_eq!(standing.as_ordered(2, at(9)).unwrap().contract(at(9)), None, "the station has no location");
    store.trim_partner_calls(at(8)).await.unwrap();
    assert_eq!(known().await.ordered.len(), 1);
}

async fn a_token_charges_only_where_a_session_is_open(rig: &Rig) {
    let (store, tenant, here) = (&rig.store, tenant(), station_id("CS-1"));
    let charges = async || {
        let known = store.token_standing(&tenant, &presented("card1"), &here).await.unwrap();
        let told = |charge: &ringmain_domain::authorize::Charge| {
            format!("{} {} {:?}", charge.station, charge.transaction, charge.evse)
        };
        known.charges.iter().map(told).collect::<Vec<_>>()
    };
    store.append(&whole_transaction("CS-1", "T-1")[..2]).await.unwrap();
    let second = message("CS-2", "T-2", 0, MINUTE).token("Card1").evse(None).fact();
    store.append(&[second]).await.unwrap();
    assert_eq!(charges().await, ["CS-2 T-2 None", "CS-1 T-1 Some(EvseId(1))"]);
    let known = store.token_standing(&tenant, &presented("CARD1"), &here).await.unwrap();
    let first = &known.charges[1];
    assert_eq!((first.started_at, first.heard_at), (at(0), at(15 * MINUTE)));
    assert_eq!(first.authorization, Some(Authorization::Accepted));
    assert_eq!(first.evse, Some(EvseId(1)));
    assert_eq!(first.transaction, transaction_id("T-1"));
    store.append(&whole_transaction("CS-1", "T-1")[2..]).await.unwrap();
    assert_eq!(charges().await, ["CS-2 T-2 None"]);
}

async fn decisions_are_counted_by_location(rig: &Rig) {
    let (store, tenant) = (&rig.store, tenant());
    store.put_location(&location("L1")).await.unwrap();
    let mut one = station("CS-1");
    one.location_id = Some(location_id("L1"));
    store.insert_station(&one).await.unwrap();
    let presented = |station: &str, millis: i64, authorization| {
        let token = IdToken { uid: token_uid("A1"), kind: TokenKind::Rfid };
        fact(station, millis, DomainEvent::TokenPresented { token, authorization })
    };
    let mut facts = whole_transaction("CS-1", "T-1");
    facts.push(presented("CS-1", 0, Authorization::ConcurrentTransaction));
    facts.push(presented("CS-1", MINUTE, Authorization::ConcurrentTransaction));
    facts.push(presented("CS-2", MINUTE, Authorization::Blocked));
    facts.push(presented("CS-2", 2 * MINUTE, Authorization::Blocked));
    store.append(&facts).await.unwrap();
    store.append(&facts[..1]).await.unwrap();
    let counted = async |from: i64, to: i64| {
        let counts = store.authorization_counts(&tenant, at(from), at(to)).await.unwrap();
        let place = |id: &Option<ringmain_domain::id::LocationId>| {
            id.as_ref().map_or("-".to_owned(), |id| id.to_string())
        };
        counts
            .iter()
            .map(|one| {
                let (reason, asked, charged) = (one.authorization.as_str(), one.asked, one.transactions);
                format!("{} {reason} {asked} {charged}", place(&one.location_id))
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(
        counted(0, 2 * MINUTE).await,
        ["- blocked 1 0", "L1 accepted 0 1", "L1 concurrent_transaction 2 0"]
    );
    assert_eq!(counted(MINUTE, MINUTE + 1).await, ["- blocked 1 0", "L1 concurrent_transaction 1 0"]);
    assert_eq!(store.authorization_counts(&other_tenant(), at(0), at(MINUTE)).await.unwrap(), []);
}

fn list(station: &str, revision: Option<&str>) -> LocalList {
    let sent = SentEntry { kind: TokenKind::EMaid, hash: u64::MAX };
    LocalList {
        tenant: tenant(),
        station: station_id(station),
        version: 7,
        certain: true,
        revision: revision.map(Into::into),
        due_at: at(0),
        entries: Sent::from([(token_uid("A1"), sent)]),
        updated_at: at(0),
    }
}

async fn a_local_list_is_found_replaced_and_goes_with_its_station(rig: &Rig) {
    let (store, tenant, id) = (&rig.store, tenant(), station_id("CS-1"));
    store.insert_station(&station("CS-1")).await.unwrap();
    assert_eq!(store.local_list(&tenant, &id).await.unwrap(), None);
    store.put_local_list(&list("CS-1", None)).await.unwrap();
    assert_eq!(store.local_list(&tenant, &id).await.unwrap(), Some(list("CS-1", None)));
    let uncertain = LocalList { certain: false, entries: Sent::new(), ..list("CS-1", Some("r")) };
    store.put_local_list(&uncertain).await.unwrap();
    assert_eq!(store.local_list(&tenant, &id).await.unwrap(), Some(uncertain));
    assert_eq!(store.local_list(&other_tenant(), &id).await.unwrap(), None);
    assert!(store.delete_station(&tenant, &id).await.unwrap());
    assert_eq!(store.local_list(&tenant, &id).await.unwrap(), None);
}

async fn a_station_is_due_when_who_may_charge_has_changed(rig: &Rig) {
    let (store, tenant, later) = (&rig.store, tenant(), at(MINUTE));
    let due = async |revision: &str, now: Timestamp| {
        let due = store.due_local_lists(&tenant, revision, now, 10).await.unwrap();
        due.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    for id in ["CS-1", "CS-2", "CS-3"] {
        store.insert_station(&station(id)).await.unwrap();
    }
    assert!(!store.wants_local_lists(&tenant).await.unwrap());
    for id in ["CS-1", "CS-2"] {
        let mut flagged = station(id);
        flagged.local_list_enabled = true;
        assert!(store.update_station(&flagged, flagged.updated_at).await.unwrap());
        assert!(store.find_station(&flagged.id).await.unwrap().unwrap().local_list_enabled);
    }
    assert!(store.wants_local_lists(&tenant).await.unwrap());
    let first = store.access_revision(&tenant).await.unwrap();
    assert_eq!(due(&first, later).await, Vec::<String>::new(), "not connected");
    let connected =
        DomainEvent::StationConnected { ocpp_version: "ocpp1.6".into(), epoch: Epoch(0), node: None };
    let facts: Vec<_> = ["CS-1", "CS-2", "CS-3"].map(|id| fact(id, 0, connected.clone())).into();
    store.append(&facts).await.unwrap();
    assert_eq!(due(&first, later).await, Vec::<String>::new(), "not booted");
    let booted = DomainEvent::StationBooted(Boot::default());
    let facts: Vec<_> = ["CS-1", "CS-2", "CS-3"].map(|id| fact(id, 1, booted.clone())).into();
    store.append(&facts).await.unwrap();
    assert_eq!(due(&first, later).await, ["CS-1", "CS-2"]);
    store.put_local_list(&list("CS-1", Some(&first))).await.unwrap();
    store.put_local_list(&LocalList { due_at: at(MINUTE + 1), ..list("CS-2", None) }).await.unwrap();
    assert_eq!(due(&first, later).await, Vec::<String>::new(), "one is up to date, one is put off");
    assert_eq!(due(&first, at(MINUTE + 1)).await, ["CS-2"]);
    let mut revisions = std::collections::BTreeSet::from([first]);
    store.put_token(&token("A1")).await.unwrap();
    revisions.insert(store.access_revision(&tenant).await.unwrap());
    store.put_token(&Token { updated_at: at(1), ..token("A1") }).await.unwrap();
    revisions.insert(store.access_revision(&tenant).await.unwrap());
    store.put_token_group(&group("G")).await.unwrap();
    revisions.insert(store.access_revision(&tenant).await.unwrap());
    store.put_location(&location("L1")).await.unwrap();
    store.put_location_access(&tenant, &location_id("L1"), &rules(), at(0)).await.unwrap();
    let last = store.access_revision(&tenant).await.unwrap();
    revisions.insert(last.clone());
    assert_eq!(revisions.len(), 5, "each change is another revision");
    assert_eq!(due(&last, later).await, ["CS-1"]);
}

async fn variables_are_found_by_name(rig: &Rig) {
    let (store, tenant, id) = (&rig.store, tenant(), station_id("CS-1"));
    let variable = |component: &str, name: &str, value: Option<&str>| Variable {
        component: component.into(),
        instance: None,
        evse: None,
        name: name.into(),
        value: value.map(Into::into),
        readonly: true,
    };
    let variables = vec![
        variable("LocalAuthListCtrlr", "ItemsPerMessage", Some("20")),
        variable("", "SendLocalListMaxLength", Some("30")),
        variable("B", "ItemsPerMessage", None),
        variable("LocalAuthListCtrlr", "Entries", Some("3")),
    ];
    let reported = DomainEvent::VariablesReported { variables };
    store.append(&[fact("CS-1", 0, reported)]).await.unwrap();
    let names = ["ItemsPerMessage", "SendLocalListMaxLength"];
    let found = store.variable_values(&tenant, &id, names).await.unwrap();
    let found: Vec<_> = found.iter().map(|(component, value)| (&**component, &**value)).collect();
    assert_eq!(found, [("", "30"), ("LocalAuthListCtrlr", "20")]);
    assert_eq!(store.variable_values(&other_tenant(), &id, names).await.unwrap(), []);
}
