//! Bills, reviews and disputes in the console.

use ringmain_domain::access::AccessRole;
use ringmain_domain::command::{CommandOutcome, CommandResult, ResetKind, StationCommand};
use ringmain_domain::event::DomainEvent;
use ringmain_domain::id::{CommandId, ConnectorId, EvseId, SessionId, TransactionId};
use ringmain_domain::location::ChargingStation;
use ringmain_domain::meter::{SignatureVerdict, SignedValue};
use ringmain_domain::report::UnreadableMessage;
use ringmain_domain::time::Timestamp;
use ringmain_store::commands::CommandRecord;
use serde_json::json;

use super::browser::Browser;
use super::html::check_page;
use crate::api::rig::Rig;

const OCMF: &str = r#"OCMF|{"FV":"1.0","GI":"X","GS":"M1","PG":"T1","MS":"M1","RD":[{"TM":"2026-03-01T08:00:00,000+0000 S","TX":"B","RV":1.0,"RI":"1-0:1.8.0","RU":"kWh","ST":"G"}]}|{"SA":"ECDSA-secp256r1-SHA256","SD":"00"}"#;

async fn house() -> (Rig, ChargingStation) {
    let rig = Rig::start().await;
    rig.add_tariff("std").await;
    rig.add_location("depot-1").await;
    let station = rig.add_station("CS-1", 1).await;
    let change = json!({"tariff_id": "std", "location_id": "depot-1"});
    rig.send("PATCH", "/charging-stations/CS-1", Some(change)).await;
    let station = rig.house.store.find_station(&station.id).await.unwrap().unwrap();
    (rig, station)
}

fn session_of(rig: &Rig, station: &ChargingStation, transaction: &str) -> SessionId {
    SessionId::derive(&rig.house.tenant, &station.id, &TransactionId::new(transaction).unwrap())
}

/// How many facts a session is made of, as its form on the page of reviews says.
fn facts_of(page: &str, session: SessionId) -> String {
    let form = page.split_once(&format!("action=\"/sessions/{session}/rulings\"")).unwrap().1;
    let value = form.split_once("name=\"facts\" value=\"").unwrap().1;
    value.split_once('"').unwrap().0.to_owned()
}

#[actix_web::test]
async fn bills_are_listed_filtered_and_downloaded() {
    let (rig, station) = house().await;
    rig.add_sessions(&station, 55).await;
    let browser = Browser::sign_in(&rig, AccessRole::Viewer).await;
    let page = browser.page("/cdrs").await;
    check_page(&page);
    assert_eq!(page.matches("data-label=\"Made\"").count(), 50);
    for text in ["7.14 EUR", "6.00 EUR", "10.00 kWh", "04A2B3", "href=\"/cdrs.csv?\"", "Next page"] {
        assert!(page.contains(text), "{text}");
    }
    for (query, count) in [
        ("charging_station_id=CS-1&from=2026-03-01&to=", 50),
        ("from=2026-03-01&to=2026-03-01", 0),
        ("from=soon", 0),
        ("kind=credit", 0),
        ("location_id=depot-1&token_uid=04a2b3&kind=bill", 50),
        ("charging_station_id=a%3Ab", 0),
    ] {
        let page = browser.page(&format!("/cdrs?{query}")).await;
        check_page(&page);
        assert_eq!(page.matches("data-label=\"Made\"").count(), count, "{query}");
        assert!(page.contains("Clear</a>"), "{query}");
        assert!(count > 0 || page.contains("No bills here"), "{query}");
    }
    let reply = browser.get("/cdrs.csv?location_id=depot-1&from=2026-03-01").await;
    assert_eq!((reply.status, reply.body.lines().count()), (200, 56), "{reply:?}");
    assert_eq!(reply.header("content-disposition"), Some("attachment; filename=\"bills.csv\""));
    assert_eq!(browser.get("/cdrs.csv?from=soon").await.status, 404);
}

#[actix_web::test]
async fn a_session_that_waits_is_reviewed_and_the_next_one_follows() {
    let (rig, station) = house().await;
    rig.add_doubtful_session(&station, "T1", 120).await;
    rig.add_doubtful_session(&station, "T0", 0).await;
    let message =
        UnreadableMessage { action: "StopTransaction".into(), payload: "{\"meterStop\":\"<b>\"}".into() };
    rig.append(&station, vec![DomainEvent::UnreadableKept(message)]).await;
    let browser = Browser::sign_in(&rig, AccessRole::Operator).await;
    let page = browser.page("/review").await;
    check_page(&page);
    for text in [
        "2 sessions wait",
        "No meter reading.",
        "read the meter, or void the session",
        "Would cost",
        ">2</span>",
        "Billing messages that cannot be read",
        "1 kept",
        "StopTransaction</td>",
        "meterStop&#34;:&#34;&#60;b&#62;",
    ] {
        assert!(page.contains(text), "{text}: {page}");
    }
    let (first, second) = (session_of(&rig, &station, "T0"), session_of(&rig, &station, "T1"));
    let place = |id: SessionId| page.find(&format!("id=\"session-{id}\"")).unwrap();
    assert!(place(first) < place(second), "the oldest first");
    let facts = [facts_of(&page, first), facts_of(&page, second)];
    let nameless = [("ruling", "approved"), ("note", " "), ("back", "review"), ("facts", &facts[0])];
    assert_eq!(browser.post(&format!("/sessions/{first}/rulings"), &nameless).await.status, 303);
    assert!(browser.page("/review").await.contains("Nothing was decided. Note: must not be empty."));
    // The page is of before another message came.
    let fields = [("ruling", "approved"), ("note", "fine"), ("back", "review"), ("facts", "1")];
    assert_eq!(browser.post(&format!("/sessions/{first}/rulings"), &fields).await.status, 303);
    assert!(browser.page("/review").await.contains("Nothing was decided: more was heard of the session"));
    let fields = [("ruling", "voided"), ("note", "meter dead"), ("back", "review"), ("facts", &facts[0])];
    let reply = browser.post(&format!("/sessions/{first}/rulings"), &fields).await;
    assert_eq!((reply.status, reply.header("location")), (303, Some("/review")));
    let page = browser.page("/review").await;
    assert!(page.contains("was voided: nobody pays") && page.contains("1 session waits"), "{page}");
    assert!(page.contains(&second.to_string()) && !page.contains(&first.to_string()));
    // A page of before a colleague's word decides nothing either.
    let fields = [("ruling", "approved"), ("note", "fine"), ("facts", &facts[0])];
    assert_eq!(browser.post(&format!("/sessions/{first}/rulings"), &fields).await.status, 303);
    assert!(
        browser.page(&format!("/sessions/{first}")).await.contains("Nothing was decided: more was heard")
    );
    let page = browser.page(&format!("/sessions/{first}")).await;
    check_page(&page);
    for text in ["Voided by api-key:operator", "meter dead", "a person's word", "Approve and bill"] {
        assert!(page.contains(text), "{text}: {page}");
    }
    let fields = [("ruling", "approved"), ("note", "read at the meter"), ("facts", &facts[1])];
    let reply = browser.post(&format!("/sessions/{second}/rulings"), &fields).await;
    assert_eq!(reply.header("location"), Some(format!("/sessions/{second}").as_str()));
    assert!(browser.page("/review").await.contains("Nothing waits for you"));
    assert_eq!(
        browser
            .post(
                &format!("/sessions/{second}/rulings"),
                &[("ruling", "maybe"), ("note", "x"), ("facts", "1")]
            )
            .await
            .status,
        400
    );
    let viewer = Browser::sign_in(&rig, AccessRole::Viewer).await;
    rig.add_doubtful_session(&station, "T2", 240).await;
    let page = viewer.page("/review").await;
    check_page(&page);
    assert!(page.contains("1 session waits") && !page.contains("Approve and bill"), "a viewer only looks");
}

const fn unlock() -> StationCommand {
    StationCommand::UnlockConnector { evse_id: EvseId(1), connector_id: ConnectorId(1) }
}

/// An order that was refused at once.
async fn order(rig: &Rig, station: &ChargingStation, at: Timestamp, command: StationCommand) {
    let detail = Some("the cable is locked".into());
    let result = CommandResult { detail, ..CommandResult::bare(CommandOutcome::Rejected) };
    let record = CommandRecord {
        node: None,
        id: CommandId(uuid::Uuid::now_v7()),
        tenant: station.tenant.clone(),
        station: station.id.clone(),
        command,
        deadline: at.plus_secs(30),
        created_at: at,
        created_by: "api-key:night-shift".into(),
        result: Some(result),
        ended_at: Some(at),
    };
    assert!(rig.house.store.insert_command(&record).await.unwrap());
}

#[actix_web::test]
async fn one_page_answers_a_dispute() {
    let (rig, station) = house().await;
    rig.add_session(&station, "T0", 0, true).await;
    let session = session_of(&rig, &station, "T0");
    for (ruling, note) in [("voided", "cable broken"), ("approved", "it was another cable")] {
        let body = json!({"ruling": ruling, "note": note});
        assert_eq!(rig.post(&format!("/sessions/{session}/rulings"), body).await.status, 201);
    }
    let mut other = rig.fact("T0", 2, 60, 99_000);
    other.content = "other".into();
    other.received_at = other.observed_at.plus_secs(7_200);
    rig.append(&station, vec![DomainEvent::Transaction(other)]).await;
    // Ordered nine minutes before it began, while it went on, and before all that; and to another EVSE.
    let began = rig.fact("T0", 0, 0, 0).observed_at;
    let other = StationCommand::Reset { kind: ResetKind::OnIdle, evse_id: Some(EvseId(2)) };
    let early = StationCommand::AskDynamicProfiles;
    for (minutes, command) in [(-9, StationCommand::SyncTariffs), (30, unlock()), (-11, early), (40, other)] {
        order(&rig, &station, began.plus_secs(minutes * 60), command).await;
    }
    let browser = Browser::sign_in(&rig, AccessRole::Operator).await;
    let page = browser.page(&format!("/sessions/{session}")).await;
    check_page(&page);
    assert!(!page.contains("ask dynamic profiles") && !page.contains("Ordered: reset"), "{page}");
    for text in [
        "Ordered: sync tariffs",
        "Ordered: unlock connector",
        "by api-key:night-shift",
        "the cable is locked",
        "came at 2026-03-01 11:00:00",
        "3 records, the last first",
        "7.14 EUR",
        "-7.14 EUR",
        "Takes back",
        "taken back",
        "element 1",
        "version of 2026-03-01 08:00",
        "cable broken",
        "it was another cable",
        "contradicts",
        "99.000 kWh",
        "Void and credit",
        "chart-flows",
        "chart-energy",
    ] {
        assert!(page.contains(text), "{text}: {page}");
    }
    let reply = browser.get(&format!("/sessions/{session}/signed-values?form=json")).await;
    assert_eq!(reply.status, 404, "there are none");
}

#[actix_web::test]
async fn signed_values_are_judged_and_taken_away_bit_for_bit() {
    let (rig, station) = house().await;
    let mut start = rig.fact("T0", 0, 0, 1_000);
    start.samples[0].signed = Some(Box::new(SignedValue {
        data: OCMF.into(),
        encoding: "OCMF".into(),
        method: "".into(),
        public_key: "".into(),
        verdict: Some(SignatureVerdict::UnknownKey),
    }));
    let mut end = rig.fact("T0", 1, 60, 11_000);
    end.samples[0].signed = Some(Box::new(SignedValue {
        data: "no OCMF <at all>".into(),
        encoding: "EDL".into(),
        method: "".into(),
        public_key: "".into(),
        verdict: None,
    }));
    end.phase = ringmain_domain::report::TransactionPhase::Ended;
    start.phase = ringmain_domain::report::TransactionPhase::Started;
    rig.append(&station, [start, end].map(DomainEvent::Transaction).into()).await;
    let session = session_of(&rig, &station, "T0");
    let browser = Browser::sign_in(&rig, AccessRole::Viewer).await;
    let page = browser.page(&format!("/sessions/{session}")).await;
    check_page(&page);
    for text in ["Signed meter values", "Key unknown", "not looked at", "1.0 kWh", "S.A.F.E. XML"] {
        assert!(page.contains(text), "{text}: {page}");
    }
    let fetch =
        async |form: &str| browser.get(&format!("/sessions/{session}/signed-values?form={form}")).await;
    let json = fetch("json").await.json();
    assert_eq!((&json[0]["data"], &json[1]["data"]), (&json!(OCMF), &json!("no OCMF <at all>")));
    assert_eq!(fetch("txt").await.body, format!("{OCMF}\nno OCMF <at all>\n"));
    let xml = fetch("xml").await;
    assert_eq!(xml.header("content-type"), Some("application/xml"));
    assert!(xml.body.contains("context=\"Transaction.Begin\"") && xml.body.matches("<value ").count() == 1);
    assert_eq!(fetch("pdf").await.status, 404);
}

#[actix_web::test]
async fn a_bill_that_waits_says_for_what_and_until_when() {
    let (rig, station) = house().await;
    let mut start = rig.fact("T0", 0, 0, 1_000);
    start.phase = ringmain_domain::report::TransactionPhase::Started;
    let mut end = rig.fact("T0", 5, 60, 11_000);
    end.phase = ringmain_domain::report::TransactionPhase::Ended;
    rig.append(&station, [start, end].map(DomainEvent::Transaction).into()).await;
    let browser = Browser::sign_in(&rig, AccessRole::Operator).await;
    let page = browser.page(&format!("/sessions/{}", session_of(&rig, &station, "T0"))).await;
    check_page(&page);
    for text in ["Bill due at", "messages between start and end", "Bill now"] {
        assert!(page.contains(text), "{text}: {page}");
    }
}
