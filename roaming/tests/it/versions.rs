//! One partner after the other in each version of OCPI: which one is agreed upon, how it is changed, and that all is said in its words.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ringmain_domain::command::StationCommand;
use ringmain_domain::event::DomainEvent;
use ringmain_domain::id::TransactionId;
use ringmain_domain::roaming::{Acceptance, OCPI_VERSIONS, PartnerDesk as _, PartnerFault, TokenOwners as _};
use ringmain_domain::ruling::Ruling;
use ringmain_roaming::ocpi::envelope::now;
use ringmain_store::partners::settings::PartnerSettings;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::drivers::question;
use crate::make::{at, fact, for_anyone, location, roam, tariff, tenant};
use crate::operator::peer;
use crate::pushes::{eventually, letters};
use crate::rig::{BASE, Rig};
use crate::schema::schema_of;
use crate::told::furnish;

/// Exchanges credentials in a version; the token that is shown from then on.
async fn exchange(rig: &Rig, (method, version): (&str, &str), token: &str, token_b: &str) -> String {
    let path = format!("/ocpi/{version}/credentials");
    let answer = rig.send(method, &path, token, Some(&rig.emsp.credentials_in(version, token_b))).await;
    assert_eq!(answer.status(), (200, 1000), "{version}: {answer:?}");
    schema_of(version, "credentials").check(answer.data());
    answer.data()["token"].as_str().unwrap().to_owned()
}

/// A partner that speaks all versions and registers in one of them; its id and its token C.
async fn registered(rig: &Rig, version: &str) -> (Uuid, String) {
    rig.emsp.speaks(&OCPI_VERSIONS);
    let id = rig.invite("token-a", now()).await;
    (id, exchange(rig, ("POST", version), "token-a", "token-b").await)
}

async fn settle(rig: &Rig, id: Uuid, versions: &[&str]) {
    let versions = versions.iter().map(|version| (*version).into()).collect();
    let settings = PartnerSettings { versions, ..PartnerSettings::default() };
    assert!(rig.store.put_partner_settings(&tenant(), id, &settings, now()).await.unwrap());
}

async fn spoken(rig: &Rig, id: Uuid) -> String {
    peer(rig, id).await.endpoints.unwrap().version.into()
}

/// The location gets another name, and the partner hears of it as this version has it. What was under way when it changed its version may
/// still be told in the one of before, with the token of then.
async fn told_in(rig: &Rig, version: &str, token_b: &str) {
    let is_old = version == "2.1.1";
    let shown = if is_old { token_b.to_owned() } else { STANDARD.encode(token_b) };
    let told = eventually("it is told with the newest token", async || {
        let name = format!("Name {}", rig.emsp.heard().len());
        let changed =
            ringmain_domain::location::Location { name: name.as_str().into(), ..location("L1", now()) };
        rig.store.put_location(&changed).await.unwrap();
        let told = rig.emsp.hears(|heard| heard.method == "PUT" && heard.body["name"] == name.as_str()).await;
        (told.token == format!("Token {shown}")).then_some(told)
    })
    .await;
    assert_eq!(told.path, "/emsp/locations/NL/RMN/L1");
    schema_of(version, "location").check(&told.body);
    assert_eq!(told.body.get("type").is_some(), is_old, "{version}: {told:?}");
    assert_eq!(told.headers.contains("ocpi-to-party-id: abc"), !is_old, "{version}: {told:?}");
}

fn token(version: &str, uid: &str, kind: &str) -> Value {
    let at = "2026-03-01T08:00:00Z";
    if version == "2.1.1" {
        return json!({"uid": uid, "type": kind, "auth_id": "DE8ABC0001", "issuer": "Example", "valid": true,
            "whitelist": "NEVER", "last_updated": at});
    }
    json!({"country_code": "DE", "party_id": "ABC", "uid": uid, "type": kind, "contract_id": "DE8ABC0001",
        "issuer": "Example", "valid": true, "whitelist": "NEVER", "last_updated": at})
}

#[actix_web::test]
async fn the_highest_version_that_both_have_and_that_was_settled_is_agreed_upon() {
    let rig = Rig::start().await;
    for (theirs, settled, expect) in [
        (&["2.1.1", "2.2.1", "2.3.0"][..], &[][..], Some("2.3.0")),
        (&["2.2.1", "2.1.1"], &[], Some("2.2.1")),
        (&["2.1.1", "2.2.1", "2.3.0"], &["2.1.1", "2.2.1"], Some("2.2.1")),
        (&["2.1.1", "2.3.0"], &["2.1.1"], Some("2.1.1")),
        (&["2.2"], &[], None),
        (&["2.3.0"], &["2.2.1"], None),
    ] {
        rig.emsp.speaks(theirs);
        let accepted = rig.hub.accept(acceptance(&rig, settled)).await;
        let Some(expect) = expect else {
            assert_eq!(accepted, Err(PartnerFault::Refused("no version in common".into())));
            continue;
        };
        let id = accepted.unwrap();
        assert_eq!(spoken(&rig, id).await, expect, "{theirs:?} {settled:?}");
        let offered = rig.emsp.heard().into_iter().rev().find(|heard| heard.method == "POST").unwrap();
        schema_of(expect, "credentials").check(&offered.body);
        let shown = if expect == "2.1.1" { "their-a".to_owned() } else { STANDARD.encode("their-a") };
        assert_eq!((&*offered.path, offered.token), ("/emsp/credentials", format!("Token {shown}")));
        rig.hub.leave(tenant(), id).await.unwrap();
    }
}

fn acceptance(rig: &Rig, versions: &[&str]) -> Acceptance {
    Acceptance {
        tenant: tenant(),
        name: "Example".into(),
        ours: ("NL".into(), "RMN".into(), "Ringmain Test".into()),
        versions: versions.iter().map(|version| (*version).into()).collect(),
        our_versions_url: format!("{BASE}/versions").into(),
        their_versions_url: rig.emsp.url("/ocpi/versions").into(),
        token_a: "their-a".into(),
    }
}

#[actix_web::test]
async fn a_partner_moves_to_another_version_by_put_and_is_told_in_its_words() {
    for (before, after) in [("2.1.1", "2.3.0"), ("2.2.1", "2.3.0"), ("2.3.0", "2.1.1"), ("2.1.1", "2.2.1")] {
        let rig = Rig::start().await;
        furnish(&rig).await;
        let (id, first) = registered(&rig, before).await;
        assert_eq!(spoken(&rig, id).await, before);
        told_in(&rig, before, "token-b").await;
        let second = exchange(&rig, ("PUT", after), &first, "token-b2").await;
        assert_eq!(spoken(&rig, id).await, after);
        assert_eq!(rig.get("/ocpi/versions", &first).await.status(), (401, 2000));
        told_in(&rig, after, "token-b2").await;
        // And by what an operator does: to the highest that both have.
        rig.hub.rotate(tenant(), id).await.unwrap();
        assert_eq!(spoken(&rig, id).await, "2.3.0");
        assert_eq!(rig.get("/ocpi/versions", &second).await.status(), (401, 2000));
    }
}

#[actix_web::test]
async fn a_version_that_is_not_settled_is_neither_offered_nor_agreed_upon() {
    let rig = Rig::start().await;
    furnish(&rig).await;
    let (id, c) = registered(&rig, "2.2.1").await;
    settle(&rig, id, &["2.2.1"]).await;
    let versions = rig.get("/ocpi/versions", &c).await;
    assert_eq!(*versions.data(), json!([{"version": "2.2.1", "url": format!("{BASE}/2.2.1")}]));
    let put = async |version: &str| {
        let path = format!("/ocpi/{version}/credentials");
        rig.send("PUT", &path, &c, Some(&rig.emsp.credentials_in(version, "token-b2"))).await
    };
    for path in ["/ocpi/2.3.0", "/ocpi/cpo/2.3.0/locations", "/ocpi/cpo/2.1.1/tokens/DE/ABC/D1"] {
        assert_eq!(rig.get(path, &c).await.status(), (200, 3002), "{path}");
    }
    for version in ["2.3.0", "2.1.1"] {
        assert_eq!(put(version).await.status(), (200, 3002), "{version}");
    }
    // What is spoken goes on until the credentials are exchanged again.
    settle(&rig, id, &["2.3.0"]).await;
    assert_eq!(rig.get("/ocpi/cpo/2.2.1/locations", &c).await.status(), (200, 1000));
    assert_eq!(put("2.2.1").await.status(), (200, 3002));
    assert_eq!(spoken(&rig, id).await, "2.2.1");
    assert_eq!(put("2.3.0").await.status(), (200, 1000));
    assert_eq!(spoken(&rig, id).await, "2.3.0");
}

#[actix_web::test]
async fn every_list_and_object_is_read_in_every_version() {
    let rig = Rig::start().await;
    furnish(&rig).await;
    rig.store.put_tariff(&tariff("T1", at(0))).await.unwrap();
    rig.store.put_tariff_assignment(&for_anyone("T1")).await.unwrap();
    let (_, c) = registered(&rig, "2.2.1").await;
    let (session, bill) = roam(&rig.store, "ABC", "tx", now().plus_secs(-7_200)).await;
    let (session, bill) = (session.to_string(), bill.to_string());
    for version in OCPI_VERSIONS {
        let details = rig.get(&format!("/ocpi/{version}"), &c).await;
        schema_of(version, "version-details").check(details.data());
        assert_eq!(
            (&details.data()["version"], details.data()["endpoints"].as_array().unwrap().len()),
            (&json!(version), 7)
        );
        let own = format!("/ocpi/cpo/{version}");
        for (list, object, id) in [
            ("locations", "location", "L1"),
            ("tariffs", "tariff", "T1"),
            ("sessions?date_from=2020-01-01T00:00:00Z", "session", session.as_str()),
            ("cdrs", "cdr", bill.as_str()),
        ] {
            let (found, _, total) = rig.follow(&format!("{own}/{list}"), &c).await;
            assert_eq!((found.len(), total.as_deref()), (1, Some("1")), "{version} {list}");
            assert_eq!(found[0]["id"], id, "{version} {list}");
            schema_of(version, object).check(&found[0]);
        }
        let location = rig.get(&format!("{own}/locations/L1"), &c).await;
        let uid = location.data()["evses"][0]["uid"].as_str().unwrap().to_owned();
        let evse = rig.get(&format!("{own}/locations/L1/{uid}"), &c).await;
        schema_of(version, "evse").check(evse.data());
        let connector = rig.get(&format!("{own}/locations/L1/{uid}/1"), &c).await;
        schema_of(version, "connector").check(connector.data());
        assert_eq!(*connector.data(), location.data()["evses"][0]["connectors"][0], "{version}");
    }
}

#[actix_web::test]
async fn tokens_of_2_1_1_have_no_owner_no_kind_in_their_address_and_parts_without_an_instant() {
    let rig = Rig::start().await;
    let (_, c) = registered(&rig, "2.1.1").await;
    let path = |uid: &str| format!("/ocpi/cpo/2.1.1/tokens/DE/ABC/{uid}");
    for (uid, kind) in [("D1", "RFID"), ("APP1", "OTHER")] {
        let put = async || rig.send("PUT", &path(uid), &c, Some(&token("2.1.1", uid, kind))).await.status();
        assert_eq!((put().await, put().await), ((201, 1000), (200, 1000)), "{uid}");
        let patch = async |part: Value| rig.send("PATCH", &path(uid), &c, Some(&part)).await.status();
        assert_eq!(patch(json!({"valid": false})).await, (200, 1000), "{uid}");
        assert_eq!(patch(json!({"auth_id": "DE8ABC0002"})).await, (200, 1000), "{uid}");
        let known = rig.get(&path(uid), &c).await;
        schema_of("2.1.1", "token").check(known.data());
        assert_eq!(
            (&known.data()["valid"], &known.data()["auth_id"], &known.data()["type"]),
            (&json!(false), &json!("DE8ABC0002"), &json!(kind))
        );
        assert!(known.data().get("country_code").is_none());
    }
    assert_eq!(rig.send("PATCH", &path("D2"), &c, Some(&json!({"valid": true}))).await.status(), (404, 2004));
    assert_eq!(rig.get("/ocpi/cpo/2.1.1/tokens/DE/XYZ/D1", &c).await.status(), (404, 2001));
    // Whoever leaves 2.1.1 tells what OTHER was: all are asked for anew, and no card is forgotten meanwhile.
    rig.emsp.has_token(token("2.3.0", "APP1", "APP_USER"));
    let c = exchange(&rig, ("PUT", "2.3.0"), &c, "token-b2").await;
    let get = async |name: &str| rig.get(&format!("/ocpi/cpo/2.3.0/tokens/DE/ABC/{name}"), &c).await;
    assert_eq!(get("APP1?type=OTHER").await.status(), (404, 2004));
    assert_eq!(get("D1").await.data()["contract_id"], "DE8ABC0002");
    eventually("the token is fetched", async || (get("APP1?type=APP_USER").await.http == 200).then_some(()))
        .await;
}

#[actix_web::test]
async fn a_company_is_asked_in_its_version() {
    for version in OCPI_VERSIONS {
        let rig = Rig::start().await;
        furnish(&rig).await;
        let (_, c) = registered(&rig, version).await;
        let path = format!("/ocpi/cpo/{version}/tokens/DE/ABC/D1");
        let card = token(version, "D1", "RFID");
        assert_eq!(rig.send("PUT", &path, &c, Some(&card)).await.status(), (201, 1000));
        let mut answer = json!({"allowed": "ALLOWED", "location": {"location_id": "L1"}});
        if version != "2.1.1" {
            answer["token"] = card;
            answer["authorization_reference"] = json!("ref-7");
        }
        rig.emsp.say(answer, Duration::ZERO);
        let clearance = rig.hub.ask(question(&rig).await).await.unwrap();
        assert_eq!(clearance.authorization.as_str(), "accepted", "{version}");
        assert_eq!(clearance.contract.reference.is_some(), version != "2.1.1");
        let asked = rig.emsp.hears(|heard| heard.path.contains("/authorize")).await;
        assert_eq!(
            (&*asked.path, &asked.body),
            ("/emsp/tokens/D1/authorize?type=RFID", &json!({"location_id": "L1"}))
        );
    }
}

#[actix_web::test]
async fn commands_are_taken_and_their_results_told_in_each_version() {
    for version in OCPI_VERSIONS {
        let rig = Rig::start().await;
        furnish(&rig).await;
        let (_, c) = registered(&rig, version).await;
        let own = format!("/ocpi/cpo/{version}");
        let location = rig.get(&format!("{own}/locations/L1"), &c).await;
        let evse = location.data()["evses"][0]["uid"].clone();
        let order = async |name: &str, more: Value| {
            let mut body = json!({"response_url": rig.emsp.url(&format!("/emsp/commands/{name}/1"))});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            rig.send("POST", &format!("{own}/commands/{name}"), &c, Some(&body)).await
        };
        let kind = if version == "2.1.1" { "OTHER" } else { "APP_USER" };
        let start = json!({"token": token(version, "APP1", kind), "location_id": "L1", "evse_uid": evse});
        let answer = order("START_SESSION", start).await;
        assert_eq!(
            (answer.status(), &answer.data()["result"]),
            ((200, 1000), &json!("ACCEPTED")),
            "{answer:?}"
        );
        assert_eq!(answer.data().get("timeout").is_some(), version != "2.1.1");
        let result = rig.emsp.hears(|heard| heard.path == "/emsp/commands/START_SESSION/1").await;
        assert_eq!(result.body, json!({"result": "ACCEPTED"}), "{version}");
        let ordered = rig.desk.orders.lock().unwrap()[0].command.clone();
        assert!(
            matches!(&ordered, StationCommand::StartTransaction { token, .. } if token.uid.as_str() == "APP1")
        );
        let stop = order("STOP_SESSION", json!({"session_id": "nobody's"})).await;
        assert_eq!(stop.data()["result"], "UNKNOWN_SESSION");
        let unlock = json!({"location_id": "L1", "evse_uid": evse, "connector_id": "1"});
        assert_eq!(order("UNLOCK_CONNECTOR", unlock).await.data()["result"], "REJECTED");
        let id = if version == "2.1.1" { json!(7) } else { json!("7") };
        let reserve = json!({"token": token(version, "APP1", kind), "location_id": "L1", "reservation_id": id,
            "expiry_date": "2026-03-01T08:00:00Z"});
        assert_eq!(order("RESERVE_NOW", reserve).await.data()["result"], "NOT_SUPPORTED");
        // 2.1.1 has no way to take a reservation back.
        let cancel = order("CANCEL_RESERVATION", json!({"reservation_id": "7"})).await;
        assert_eq!(cancel.http, if version == "2.1.1" { 404 } else { 200 }, "{version}");
        assert_eq!(order("START_SESSION", json!({"location_id": "L1"})).await.status(), (200, 2001));
    }
}

#[actix_web::test]
async fn a_credit_that_2_1_1_cannot_say_waits_for_a_person_and_is_told_in_another_version() {
    let rig = Rig::start().await;
    furnish(&rig).await;
    let (partner, c) = registered(&rig, "2.1.1").await;
    let (_, bill) = roam(&rig.store, "ABC", "tx", now().plus_secs(-7_200)).await;
    let told = rig.emsp.hears(|heard| heard.path == "/emsp/cdrs").await;
    schema_of("2.1.1", "cdr").check(&told.body);
    assert_eq!(told.body["id"], bill.to_string());
    let session = rig.emsp.hears(|heard| heard.path.starts_with("/emsp/sessions/NL/RMN/")).await;
    schema_of("2.1.1", "session").check(&session.body);

    let voided = Ruling::Voided { by: "somebody".into(), note: "broken".into() };
    let voided = voided.into_fact(TransactionId::new("tx").unwrap(), now());
    rig.store.append(&[fact("CS-1", now(), DomainEvent::Transaction(voided))]).await.unwrap();
    let letter = eventually("it is put aside", async || letters(&rig, partner).await.pop()).await;
    assert!(letter.reason.contains("2.1.1 has no credits"), "{letter:?}");
    assert_eq!(rig.emsp.count("POST /emsp/cdrs"), 1);

    exchange(&rig, ("PUT", "2.2.1"), &c, "token-b2").await;
    told_in(&rig, "2.2.1", "token-b2").await;
    let of = (&tenant(), partner);
    assert!(rig.store.replay_dead_letter(of, (&letter.kind, &letter.subject), now()).await.unwrap());
    let credit = rig.emsp.hears(|heard| heard.body["credit"] == true).await;
    assert_eq!(credit.body["credit_reference_id"], bill.to_string());
    eventually("nothing waits", async || letters(&rig, partner).await.is_empty().then_some(())).await;
}

#[actix_web::test]
async fn a_hub_of_2_3_0_is_addressed_where_everybody_is_meant() {
    let rig = Rig::start().await;
    furnish(&rig).await;
    rig.emsp.speaks(&["2.3.0"]);
    rig.invite("token-a", now()).await;
    let mut credentials = rig.credentials();
    credentials["hub_party_id"] = json!("NLHUB");
    let answer = rig.send("POST", "/ocpi/2.3.0/credentials", "token-a", Some(&credentials)).await;
    assert_eq!(answer.status(), (200, 1000), "{answer:?}");
    let changed = ringmain_domain::location::Location { name: "Other".into(), ..location("L1", now()) };
    rig.store.put_location(&changed).await.unwrap();
    let told = rig.emsp.hears(|heard| heard.body["name"] == "Other").await;
    assert!(told.headers.contains("ocpi-to-party-id: hub\r\n"), "{told:?}");
    // A driver's session goes to the driver's company.
    roam(&rig.store, "ABC", "tx", now().plus_secs(-7_200)).await;
    let told = rig.emsp.hears(|heard| heard.path.starts_with("/emsp/sessions/")).await;
    schema_of("2.3.0", "session").check(&told.body);
    assert!(told.headers.contains("ocpi-to-party-id: abc\r\n"), "{told:?}");
}
