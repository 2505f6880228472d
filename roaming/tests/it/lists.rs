//! Locations, tariffs, sessions and bill records as a partner reads them.

use ringmain_domain::authorize::Authorization;
use ringmain_domain::event::DomainEvent;
use ringmain_domain::id::{ConnectorId, EvseId, StationId, TokenUid, TransactionId};
use ringmain_domain::location::ConnectorStatus as Status;
use ringmain_domain::meter::{Sample, SampleContext};
use ringmain_domain::report::{MessageKey, TransactionPhase};
use ringmain_domain::token::{IdToken, Token, TokenKind};
use ringmain_domain::transaction::TransactionFact;
use ringmain_roaming::ocpi::paging::DEFAULT_LIMIT;
use ringmain_roaming::service::locations::evse_uid;
use ringmain_store::cdrs::CdrFilter;
use ringmain_store::page::{MAX_LIMIT, PageRequest};
use serde_json::{Value, json};

use crate::make::{at, connected, disconnected, fact, for_anyone, location, stand, status, tariff, tenant};
use crate::rig::Rig;
use crate::schema::schema;

const LOCATIONS: &str = "/ocpi/cpo/2.2.1/locations";
const TARIFFS: &str = "/ocpi/cpo/2.2.1/tariffs";
const SESSIONS: &str = "/ocpi/cpo/2.2.1/sessions";
const CDRS: &str = "/ocpi/cpo/2.2.1/cdrs";

/// L1 with a station of two EVSEs, the first of them with two connectors.
async fn furnish(rig: &Rig) -> String {
    rig.store.put_location(&location("L1", at(0))).await.unwrap();
    stand(&rig.store, "RDAM-0815", "L1", Some("T1")).await;
    let facts = [
        connected("RDAM-0815", at(5)),
        status("RDAM-0815", at(10), 1, 1, Status::Available),
        status("RDAM-0815", at(10), 1, 2, Status::Faulted),
        status("RDAM-0815", at(20), 2, 1, Status::Occupied),
    ];
    rig.store.append(&facts).await.unwrap();
    rig.register().await
}

#[actix_web::test]
async fn a_location_tells_all_but_the_stations_name() {
    let rig = Rig::start().await;
    let token = furnish(&rig).await;
    let page = rig.get(LOCATIONS, &token).await;
    assert_eq!(page.status(), (200, 1000));
    let found = &page.data()[0];
    schema!("location").check(found);
    let uid = evse_uid(&tenant(), &StationId::new("RDAM-0815").unwrap(), EvseId(1)).to_string();
    assert_eq!(found["evses"][0]["uid"], uid);
    assert_eq!(found["evses"][0]["status"], "AVAILABLE");
    assert_eq!(found["evses"][1]["status"], "CHARGING");
    assert_eq!(found["evses"][0]["connectors"][1]["id"], "2");
    assert_eq!(found["evses"][0]["connectors"][1]["tariff_ids"], json!(["T1"]));
    assert_eq!(found["evses"][0]["last_updated"], at(10).to_string());
    assert_eq!(found["last_updated"], at(20).to_string());
    assert_eq!(found["coordinates"], json!({"latitude": "52.09000", "longitude": "5.121420"}));
    assert_eq!((&found["country_code"], &found["party_id"]), (&json!("NL"), &json!("RMN")));
    assert!(!page.body.to_string().contains("RDAM-0815"), "{found:#}");

    // One by one.
    let path = format!("{LOCATIONS}/L1");
    assert_eq!(rig.get(&path, &token).await.data(), found);
    let evse = rig.get(&format!("{path}/{}", uid.to_uppercase()), &token).await;
    schema!("evse").check(evse.data());
    assert_eq!(*evse.data(), found["evses"][0]);
    let connector = rig.get(&format!("{path}/{uid}/2"), &token).await;
    schema!("connector").check(connector.data());
    assert_eq!(*connector.data(), found["evses"][0]["connectors"][1]);
    // A slash at the end and another case lead to the same.
    for also in [format!("{path}/"), path.to_lowercase(), format!("{}/", path.to_lowercase())] {
        assert_eq!(rig.get(&also, &token).await.data(), found, "{also}");
    }
    for list in [format!("{LOCATIONS}/?limit=1"), "/ocpi/versions/".to_owned(), "/ocpi/2.2.1/".to_owned()] {
        assert_eq!(rig.get(&list, &token).await.status(), (200, 1000), "{list}");
    }
    for missing in [
        format!("{LOCATIONS}/L2"),
        format!("{path}/x"),
        format!("{path}/{uid}/3"),
        format!("{LOCATIONS}/a%20b"),
    ] {
        assert_eq!(rig.get(&missing, &token).await.status(), (404, 2003), "{missing}");
    }
    // The identity opens nothing.
    assert_eq!(rig.get(&format!("{path}/RDAM-0815"), &token).await.status(), (404, 2003));

    rig.store.append(&[disconnected("RDAM-0815", at(6))]).await.unwrap();
    assert_eq!(rig.get(&path, &token).await.data()["evses"][0]["status"], "UNKNOWN");
}

#[actix_web::test]
async fn a_list_is_paged_to_its_end() {
    let rig = Rig::start().await;
    let token = rig.register().await;
    let ids: Vec<String> = (0..DEFAULT_LIMIT + 50).map(|n| format!("L{n:04}")).collect();
    for id in &ids {
        rig.store.put_location(&location(id, at(0))).await.unwrap();
    }
    let names =
        |objects: &[Value]| objects.iter().map(|o| o["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let count = ids.len().to_string();
    for (path, pages) in [
        (LOCATIONS.to_owned(), 2),
        (format!("{LOCATIONS}?limit=40"), 4),
        (format!("{LOCATIONS}?limit=150"), 1),
    ] {
        let (objects, seen, total) = rig.follow(&path, &token).await;
        assert_eq!((names(&objects), seen), (ids.clone(), pages), "{path}");
        assert_eq!(total.as_ref(), Some(&count), "{path}");
    }
    // A plain offset works, and its pages too.
    let (objects, _, total) = rig.follow(&format!("{LOCATIONS}?offset=120&limit=20"), &token).await;
    assert_eq!((names(&objects), total), (ids[120..].to_vec(), Some(count.clone())));
    let beyond = rig.get(&format!("{LOCATIONS}?offset=1000"), &token).await;
    assert_eq!((beyond.ids().len(), beyond.headers.get("x-total-count")), (0, Some(&count)));
    // Ours is the cap; what was applied stands in the link.
    let page = rig.get(&format!("{LOCATIONS}?limit=100000"), &token).await;
    assert_eq!(page.headers["x-limit"], MAX_LIMIT.to_string());
    let first = rig.get(&format!("{LOCATIONS}?limit=3&date_from=2026-03-01T08:00:00"), &token).await;
    let link = &first.headers["link"];
    assert!(link.contains("limit=3&") && link.contains("date_from=2026-03-01T08%3A00%3A00.000Z&"), "{link}");
    // What comes in between neither repeats nor hides another.
    let next =
        link.split(['<', '>']).nth(1).unwrap().strip_prefix("https://cpo.example.com").unwrap().to_owned();
    rig.store.put_location(&location("L0000a", at(0))).await.unwrap();
    rig.store
        .delete_location(&tenant(), &ringmain_domain::id::LocationId::new("L0002").unwrap())
        .await
        .unwrap();
    assert_eq!(rig.get(&next, &token).await.ids(), ["L0003", "L0004", "L0005"]);
}

#[actix_web::test]
async fn lists_are_cut_by_dates() {
    let rig = Rig::start().await;
    let token = rig.register().await;
    for (n, id) in ["A", "B", "C"].into_iter().enumerate() {
        let changed_at = at(10 * i64::try_from(n).unwrap());
        rig.store.put_location(&location(id, changed_at)).await.unwrap();
        rig.store.put_tariff(&tariff(id, changed_at)).await.unwrap();
        rig.store.put_tariff_assignment(&for_anyone(id)).await.unwrap();
    }
    for list in [LOCATIONS, TARIFFS] {
        for (query, expect) in [
            ("date_from=2026-03-01T08:00:10Z", &["B", "C"][..]),
            ("date_from=2026-03-01T08:00:10.001Z", &["C"]),
            ("date_to=2026-03-01T08:00:10Z", &["A"]),
            ("date_from=2026-03-01T08:00:01Z&date_to=2026-03-01T08:00:20", &["B"]),
            ("date_from=2026-03-01T08:00:21Z", &[]),
        ] {
            assert_eq!(rig.get(&format!("{list}?{query}"), &token).await.ids(), expect, "{list} {query}");
        }
        for wrong in [
            "date_from=now",
            "date_to=2026-03-01",
            "limit=0",
            "limit=x",
            "offset=-1",
            "cursor=%25",
            "cursor=",
        ] {
            assert_eq!(
                rig.get(&format!("{list}?{wrong}"), &token).await.status(),
                (200, 2001),
                "{list} {wrong}"
            );
        }
    }
}

#[actix_web::test]
async fn a_tariff_keeps_every_digit() {
    let rig = Rig::start().await;
    let token = rig.register().await;
    rig.store.put_tariff(&tariff("T1", at(0))).await.unwrap();
    rig.store.put_tariff_assignment(&for_anyone("T1")).await.unwrap();
    let page = rig.get(TARIFFS, &token).await;
    schema!("tariff").check(&page.data()[0]);
    let components = &page.data()[0]["elements"][0]["price_components"];
    assert_eq!(components[0], json!({"type": "FLAT", "price": 0.5, "step_size": 1}));
    assert_eq!(components[1]["price"].to_string(), "0.123456789");
    assert_eq!(components[3], json!({"type": "PARKING_TIME", "price": 6.0, "vat": 0, "step_size": 900}));
    assert!(!page.body.to_string().contains("for people"));
}

/// A whole transaction with our own driver's token.
async fn charge(rig: &Rig, uid: &str) {
    let message = |sequence: u32, phase, secs, wh| TransactionFact {
        transaction: TransactionId::new("tx").unwrap(),
        key: MessageKey::Sequence(sequence),
        phase,
        numbering: None,
        evse: Some(EvseId(1)),
        connector: Some(ConnectorId(1)),
        token: Some(IdToken { uid: TokenUid::new(uid).unwrap(), kind: TokenKind::Rfid }),
        authorization: Some(Authorization::Accepted),
        contract: None,
        observed_at: at(secs),
        received_at: at(secs),
        trigger: "Test".into(),
        charging_state: None,
        stop_reason: None,
        offline: false,
        remote_start_id: None,
        time_repaired: false,
        adopted: false,
        aside: false,
        samples: vec![Sample::import_register(at(secs), wh, SampleContext::Periodic)],
        ruling: None,
        content: sequence.to_string().into(),
    };
    let facts =
        [message(0, TransactionPhase::Started, 100, 0), message(1, TransactionPhase::Ended, 3_700, 11_000)];
    let facts = facts.map(|told| fact("RDAM-0815", told.received_at, DomainEvent::Transaction(told)));
    rig.store.append(&facts).await.unwrap();
}

#[actix_web::test]
async fn what_our_own_drivers_charge_is_nobodys_business() {
    let rig = Rig::start().await;
    let token = furnish(&rig).await;
    let ours = Token {
        tenant: tenant(),
        uid: TokenUid::new("CARD1").unwrap(),
        kind: TokenKind::Rfid,
        group: None,
        label: None,
        blocked: false,
        expires_at: None,
        concurrent_max: None,
        updated_at: at(0),
    };
    rig.store.put_token(&ours).await.unwrap();
    charge(&rig, "card1").await;
    let cdrs = rig.store.cdrs(&tenant(), &CdrFilter::default(), &PageRequest::first(9)).await.unwrap();
    assert_eq!(cdrs.items.len(), 1, "there is something to see");
    for path in [format!("{SESSIONS}?date_from=2020-01-01T00:00:00Z"), CDRS.to_owned()] {
        let page = rig.get(&path, &token).await;
        assert_eq!((page.status(), page.data()), ((200, 1000), &json!([])), "{path}");
        assert_eq!(page.headers["x-total-count"], "0");
        let strange =
            if path.contains('?') { format!("{path}&cursor=bm8") } else { format!("{path}?cursor=bm8") };
        assert_eq!(rig.get(&strange, &token).await.status(), (200, 2001), "{strange}");
    }
    let undated = rig.get(SESSIONS, &token).await;
    assert_eq!(undated.status(), (200, 2001));
    assert!(undated.message().contains("date_from"));
}
