//! What can be done in the console, and how its end is told.

use ringmain_domain::access::AccessRole;
use ringmain_domain::command::{CommandOutcome, CommandResult, ResetKind, StationCommand, TriggeredMessage};
use ringmain_domain::id::{ConnectorId, EvseId, StationId};
use ringmain_domain::reply::Registration;
use serde_json::json;

use super::browser::Browser;
use super::html::{check_page, check_part};
use crate::api::rig::{Ending, Rig};

const HTMX: [(&str, &str); 1] = [("HX-Request", "true")];

#[actix_web::test]
async fn every_button_gives_its_command() {
    let rig = Rig::start().await;
    rig.add_station("CS-1", 2).await;
    let browser = Browser::sign_in(&rig, AccessRole::Operator).await;
    let reset = |kind| StationCommand::Reset { kind, evse_id: None };
    let availability = |operative, evse: Option<u32>| StationCommand::ChangeAvailability {
        operative,
        evse_id: evse.map(EvseId),
        connector_id: None,
    };
    for (fields, expect) in [
        (vec![("action", "reset")], reset(ResetKind::Immediate)),
        (vec![("action", "reset_on_idle"), ("evse", "")], reset(ResetKind::OnIdle)),
        (vec![("action", "operative"), ("evse", "2")], availability(true, Some(2))),
        (vec![("action", "inoperative"), ("evse", "")], availability(false, None)),
        (
            vec![("action", "unlock"), ("evse", "1")],
            StationCommand::UnlockConnector { evse_id: EvseId(1), connector_id: ConnectorId(1) },
        ),
        (
            vec![("action", "stop"), ("transaction", "T&1")],
            StationCommand::StopTransaction {
                transaction_id: ringmain_domain::id::TransactionId::new("T&1").unwrap(),
            },
        ),
        (
            vec![("action", "status"), ("evse", "")],
            StationCommand::Trigger { message: TriggeredMessage::StatusNotification, evse_id: None },
        ),
    ] {
        let reply = browser.post_with("/charging-stations/CS-1/commands", &fields, &HTMX).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        check_part(&reply.body);
        assert!(reply.body.contains("The station agreed"), "{}", reply.body);
        assert_eq!(rig.desk.orders().last().unwrap().command, expect);
    }
    let fields = [("action", "start"), ("token", " 04a2b3 "), ("evse", "2")];
    let refused = browser.post_with("/charging-stations/CS-1/commands", &fields, &HTMX).await;
    check_part(&refused.body);
    assert!(
        refused.body.contains("Not sent") && refused.body.contains("may not charge there now: unknown"),
        "{}",
        refused.body
    );
    assert_eq!(rig.post("/tokens", json!({"uid": "04A2B3"})).await.status, 201);
    browser.post_with("/charging-stations/CS-1/commands", &fields, &HTMX).await;
    let order = rig.desk.orders().last().unwrap().command.clone();
    let StationCommand::StartTransaction { evse_id, token, remote_start_id } = order else {
        panic!("{order:?}")
    };
    assert_eq!((evse_id, token.uid.as_str()), (Some(EvseId(2)), "04a2b3"));
    assert!(remote_start_id > 0);
    assert_eq!(rig.get("/commands").await.json()["items"].as_array().unwrap().len(), 8);
}

#[actix_web::test]
async fn an_outcome_is_told_in_words_with_the_station_s_answer() {
    let rig = Rig::start().await;
    rig.add_station("CS-1", 1).await;
    let browser = Browser::sign_in(&rig, AccessRole::Operator).await;
    let give = async || {
        browser.post_with("/charging-stations/CS-1/commands", &[("action", "reset")], &HTMX).await.body
    };
    for (outcome, text) in [
        (CommandOutcome::Rejected, "The station refused"),
        (CommandOutcome::Offline, "is not connected. Nothing was sent"),
        (CommandOutcome::TimeoutUnknown, "The station may have done it"),
        (CommandOutcome::NotSupported, "has no such command"),
    ] {
        let response = Some("<b>{\"status\":\"x\"}".into());
        rig.desk.script(Ending::Now(CommandResult { outcome, response, detail: Some("<i>why".into()) }));
        let part = give().await;
        check_part(&part);
        assert!(part.contains(text), "{part}");
        assert!(!part.contains("<b>") && !part.contains("<i>") && part.contains("why"), "{part}");
    }
    let orders = rig.desk.orders().len();
    for (fields, text) in [
        (vec![("action", "start"), ("token", "")], "For whom?"),
        (vec![("action", "unlock"), ("evse", "")], "Choose the EVSE"),
        (vec![("action", "reset"), ("evse", "one")], "not the number of an EVSE"),
        (vec![("action", "fly")], "no such command"),
    ] {
        let part = browser.post_with("/charging-stations/CS-1/commands", &fields, &HTMX).await.body;
        assert!(part.contains("Not sent") && part.contains(text), "{part}");
    }
    assert_eq!(rig.desk.orders().len(), orders, "nothing was sent");
    assert_eq!(browser.post("/charging-stations/CS-9/commands", &[("action", "reset")]).await.status, 404);
}

#[actix_web::test]
async fn without_script_the_page_comes_back_with_the_outcome() {
    let rig = Rig::start().await;
    rig.add_station("CS-1", 1).await;
    let browser = Browser::sign_in(&rig, AccessRole::Operator).await;
    let token = browser.form_token().await;
    let body = super::browser::form(&[("action", "reset"), ("form_token", &token)]);
    let reply = browser.request("POST", "/charging-stations/CS-1/commands", &[], Some(&body)).await;
    assert_eq!((reply.status, reply.header("location")), (303, Some("/charging-stations/CS-1")));
    let page = browser.page("/charging-stations/CS-1").await;
    assert!(page.contains("Restart: The station agreed."), "{page}");
    assert!(
        !browser.page("/charging-stations/CS-1").await.contains("Restart: The station"),
        "it is said once"
    );
}

#[actix_web::test]
async fn a_station_that_waits_is_approved_or_rejected() {
    let rig = Rig::start().await;
    for id in ["NEW-1", "NEW-2"] {
        rig.post("/charging-stations", json!({"id": id, "registration": "pending"})).await;
    }
    let browser = Browser::sign_in(&rig, AccessRole::Operator).await;
    assert!(browser.page("/charging-stations/NEW-1").await.contains("waits for approval"));
    let registration = async |id: &str| {
        rig.house.store.find_station(&StationId::new(id).unwrap()).await.unwrap().unwrap().registration
    };
    for (id, word, expect) in
        [("NEW-1", "accepted", Registration::Accepted), ("NEW-2", "rejected", Registration::Rejected)]
    {
        let reply =
            browser.post(&format!("/charging-stations/{id}/registration"), &[("registration", word)]).await;
        assert_eq!(reply.status, 303);
        assert_eq!(registration(id).await, expect);
    }
    let page = browser.page("/charging-stations/NEW-2").await;
    check_page(&page);
    assert!(
        page.contains("This station is rejected") && page.contains(">Approve<") && !page.contains(">Reject<")
    );
    assert_eq!(
        browser.post("/charging-stations/NEW-1/registration", &[("registration", "maybe")]).await.status,
        400
    );
    assert_eq!(
        browser.post("/charging-stations/NONE/registration", &[("registration", "accepted")]).await.status,
        404
    );
    let viewer = Browser::sign_in(&rig, AccessRole::Viewer).await;
    assert!(!viewer.page("/charging-stations/NEW-2").await.contains(">Approve<"));
}

#[actix_web::test]
async fn a_record_is_changed_and_what_is_wrong_is_told() {
    let rig = Rig::start().await;
    rig.add_location("depot-1").await;
    rig.add_tariff("std").await;
    rig.add_station("CS-1", 1).await;
    let browser = Browser::sign_in(&rig, AccessRole::Operator).await;
    let record = async || rig.get("/charging-stations/CS-1").await.json();
    let path = "/charging-stations/CS-1/record";
    let fields = [("name", " Gate "), ("location_id", "depot-1"), ("tariff_id", "std")];
    assert_eq!(browser.post(path, &fields).await.status, 303);
    let shown = record().await;
    assert_eq!(
        (&shown["name"], &shown["location_id"], &shown["tariff_id"]),
        (&json!("Gate"), &json!("depot-1"), &json!("std"))
    );
    assert_eq!(browser.post(path, &[("maintenance", "true")]).await.status, 303);
    let shown = record().await;
    assert_eq!((&shown["maintenance"], &shown["name"]), (&json!(true), &json!("Gate")), "the rest stays");
    assert!(browser.page("/charging-stations/CS-1").await.contains("End maintenance"));
    let fields = [("name", ""), ("location_id", ""), ("tariff_id", "")];
    assert_eq!(browser.post(path, &fields).await.status, 303);
    let shown = record().await;
    assert_eq!(
        (&shown["name"], &shown["location_id"], &shown["tariff_id"]),
        (&json!(null), &json!(null), &json!(null))
    );
    let long = "x".repeat(101);
    let reply = browser.post(path, &[("name", &long), ("location_id", "nowhere")]).await;
    assert_eq!(reply.status, 422);
    check_page(&reply.body);
    assert!(
        reply.body.contains("at most 100 are allowed") && reply.body.contains("there is no location"),
        "{}",
        reply.body
    );
    assert_eq!(browser.post(path, &[("location_id", "a b")]).await.status, 400);
}

#[actix_web::test]
async fn tokens_are_added_and_blocked() {
    let rig = Rig::start().await;
    let browser = Browser::sign_in(&rig, AccessRole::Operator).await;
    let fields = [("uid", " 04a2b3 "), ("label", "Van 7"), ("kind", "e_maid"), ("group", "")];
    assert_eq!(browser.post("/tokens", &fields).await.status, 303);
    let page = browser.page("/tokens").await;
    check_page(&page);
    for text in ["Token 04A2B3 was added", "Van 7", "e maid", ">Block<"] {
        assert!(page.contains(text), "{text}");
    }
    let again = browser.post("/tokens", &[("uid", "04A2B3"), ("label", "other")]).await;
    assert_eq!(again.status, 422);
    check_page(&again.body);
    assert!(
        again.body.contains("exists already") && again.body.contains("value=\"other\""),
        "what was typed is kept"
    );
    assert_eq!(browser.post("/tokens", &[("uid", "")]).await.status, 422);
    assert_eq!(browser.post("/tokens/blocked", &[("uid", "04A2B3"), ("blocked", "true")]).await.status, 303);
    assert_eq!(rig.get("/tokens/04A2B3").await.json()["blocked"], true);
    assert!(browser.page("/tokens").await.contains(">Unblock<"));
    assert_eq!(browser.post("/tokens/blocked", &[("uid", "NONE"), ("blocked", "true")]).await.status, 404);
    assert_eq!(
        browser.post("/tokens/blocked", &[("uid", "04A2B3"), ("blocked", "perhaps")]).await.status,
        400
    );
    for number in 0..105 {
        rig.post("/tokens", json!({"uid": format!("T{number:03}")})).await;
    }
    let page = browser.page("/tokens").await;
    let (_, rest) = page.split_once("href=\"/tokens?cursor=").unwrap();
    let second = browser.page(&format!("/tokens?cursor={}", rest.split('"').next().unwrap())).await;
    assert!(second.contains("T104") && !second.contains("T001"));
}

#[actix_web::test]
async fn tariffs_are_made_with_a_simple_form() {
    let rig = Rig::start().await;
    let browser = Browser::sign_in(&rig, AccessRole::Operator).await;
    let fields = [
        ("id", "day"),
        ("name", "Day"),
        ("currency", "eur"),
        ("energy", "0,49"),
        ("flat", ""),
        ("time", ""),
        ("parking_time", "6"),
        ("tax_percent", "19"),
    ];
    assert_eq!(browser.post("/tariffs", &fields).await.status, 303);
    let made = rig.get("/tariffs/day").await.json();
    let component = |dimension: &str, price: &str| json!({"dimension": dimension, "price": price, "tax_percent": "19", "step_size": 1});
    assert_eq!(
        made["elements"],
        json!([{"components": [component("energy", "0.49"), component("parking_time", "6")]}])
    );
    let page = browser.page("/tariffs").await;
    check_page(&page);
    for text in ["was made", "0.49 EUR/kWh", "6 EUR/h", "+ 19 % tax", "id=\"day\""] {
        assert!(page.contains(text), "{text}");
    }
    for (field, value, text) in [
        ("id", "with space", "Id: tariff id must not contain"),
        ("id", "day", "exists already"),
        ("name", "", "Name: must not be empty"),
        ("currency", "Euro", "is no currency"),
        ("energy", "cheap", "Energy: "),
        ("energy", "-1", "out of range"),
        ("tax_percent", "101", "out of range"),
    ] {
        let mut wrong: Vec<_> =
            fields.iter().copied().filter(|(name, _)| *name != field && *name != "id").collect();
        wrong.push((field, value));
        if field != "id" {
            wrong.push(("id", "other"));
        }
        let reply = browser.post("/tariffs", &wrong).await;
        assert_eq!(reply.status, 422, "{field}={value}: {reply:?}");
        check_page(&reply.body);
        assert!(reply.body.contains(text), "{field}={value}: {}", reply.body);
    }
    let nothing = browser.post("/tariffs", &[("id", "none"), ("name", "None"), ("currency", "EUR")]).await;
    assert!(nothing.body.contains("At least one price is needed"));
}
