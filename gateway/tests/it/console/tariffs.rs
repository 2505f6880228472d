//! Tariffs in the console: in words, made and changed with a form or as JSON, assigned, and tried out.

use ringmain_domain::access::AccessRole;
use serde_json::json;

use super::browser::Browser;
use super::html::check_page;
use crate::api::rig::Rig;

const FULL: [(&str, &str); 18] = [
    ("id", "day"),
    ("name", "Day and night"),
    ("currency", "EUR"),
    ("energy", "0.49"),
    ("flat", "1"),
    ("parking_time", "6"),
    ("idle_grace_min", "15"),
    ("tax_percent", "19"),
    ("tax_included", "no"),
    ("window1_days", "weekdays"),
    ("window1_from", "17:00"),
    ("window1_to", "20:00"),
    ("window1_energy", "0.59"),
    ("window2_from", "22:00"),
    ("window2_to", "06:00"),
    ("window2_energy", "0,39"),
    ("min_price", "1.50"),
    ("max_price", "60"),
];

#[actix_web::test]
async fn a_tariff_is_made_read_in_words_and_changed() {
    let rig = Rig::start().await;
    let browser = Browser::sign_in(&rig, AccessRole::Operator).await;
    let reply = browser.post("/tariffs", &FULL).await;
    assert_eq!((reply.status, reply.header("location")), (303, Some("/tariffs/day")), "{reply:?}");
    let made = rig.get("/tariffs/day").await.json();
    assert_eq!(made["idle_grace_s"], 900);
    let days = ["monday", "tuesday", "wednesday", "thursday", "friday"];
    assert_eq!(
        made["elements"][0]["restrictions"],
        json!({"start_time": "17:00", "end_time": "20:00", "days_of_week": days})
    );
    let page = browser.page("/tariffs/day").await;
    check_page(&page);
    for text in [
        "Mon\u{2013}Fri 17:00\u{2013}20:00",
        "22:00\u{2013}06:00",
        "Always",
        "0.59 EUR/kWh",
        "15 min of every idle stretch cost nothing",
        "1.50 EUR without taxes",
        "by api-key:operator",
        "With a form",
        "value=\"0.59\"",
        "No assignment",
    ] {
        assert!(page.contains(text), "{text}: {page}");
    }
    let mut changed = FULL.to_vec();
    changed.retain(|(name, _)| !name.starts_with("window2"));
    assert_eq!(browser.post("/tariffs/day", &changed).await.status, 303);
    let page = browser.page("/tariffs/day").await;
    assert_eq!(page.matches("by api-key:operator").count(), 2, "two versions");
    let versions = rig.get("/tariffs/day/versions").await.json();
    assert_eq!(versions["items"].as_array().unwrap().len(), 2);
    assert_eq!(versions["items"][0]["elements"].as_array().unwrap().len(), 2);
    assert_eq!(versions["items"][1]["elements"].as_array().unwrap().len(), 3);
    assert_eq!(versions["items"][0]["changed_by"], "api-key:operator");
    for (field, value, text) in [
        ("window1_energy", "", "what does energy cost there?"),
        ("window1_from", "late", "is no time of day"),
        ("idle_grace_min", "some", "Idle grace: whole minutes"),
        ("max_price", "1", "must not be below the minimum price"),
        ("valid_from", "soon", "Valid from: is no date"),
    ] {
        let mut wrong: Vec<_> = FULL.iter().copied().filter(|(name, _)| *name != field).collect();
        wrong.push((field, value));
        let reply = browser.post("/tariffs/day", &wrong).await;
        assert_eq!(reply.status, 422, "{field}={value}");
        check_page(&reply.body);
        assert!(reply.body.contains(text), "{field}={value}: {}", reply.body);
    }
    assert_eq!(browser.post("/tariffs/none", &FULL).await.status, 404);
    assert_eq!(browser.post("/tariffs/day/removal", &[]).await.status, 303);
    assert_eq!(browser.get("/tariffs/day").await.status, 404);
}

#[actix_web::test]
async fn what_the_form_cannot_say_is_said_in_json_and_errors_have_their_place() {
    let rig = Rig::start().await;
    let browser = Browser::sign_in(&rig, AccessRole::Operator).await;
    let document = json!({"id": "power", "name": "By power", "currency": "EUR", "elements": [
        {"components": [{"dimension": "energy", "price": "0.69", "step_size": 500}], "restrictions": {"min_power_kw": "50"}}]});
    let reply = browser.post("/tariffs", &[("document", &document.to_string())]).await;
    assert_eq!(reply.status, 303, "{reply:?}");
    let page = browser.page("/tariffs/power").await;
    check_page(&page);
    for text in [
        "At 50 kW or more",
        "in steps of 500 Wh",
        "Energy is free whenever no restriction holds",
        "Energy is rounded up to steps",
        "This tariff says more than the form can",
    ] {
        assert!(page.contains(text), "{text}: {page}");
    }
    let mut wrong = document.clone();
    wrong["elements"][0]["components"][0]["price"] = json!("cheap");
    for (document, text) in [
        (wrong.to_string(), "/elements/0/components/0/price: "),
        ("{".to_owned(), "The body is not JSON"),
        (json!({"id": "other", "name": "x", "currency": "EUR", "elements": []}).to_string(), "/id: differs"),
    ] {
        let reply = browser.post("/tariffs/power", &[("document", &document)]).await;
        assert_eq!(reply.status, 422, "{reply:?}");
        check_page(&reply.body);
        assert!(reply.body.contains(text), "{text}: {}", reply.body);
    }
    let reply = browser.post("/tariffs", &[("document", &wrong.to_string())]).await;
    assert!(reply.status == 422 && reply.body.contains("cheap"), "what was typed is kept");
}

#[actix_web::test]
async fn a_tariff_is_assigned_and_tried_out() {
    let rig = Rig::start().await;
    rig.add_tariff("std").await;
    rig.add_location("depot-1").await;
    let browser = Browser::sign_in(&rig, AccessRole::Operator).await;
    let fields =
        [("location_id", "depot-1"), ("token_group_uid", "FLEET"), ("valid_from", "2026-01-01T00:00")];
    assert_eq!(browser.post("/tariffs/std/assignments", &fields).await.status, 303);
    let page = browser.page("/tariffs/std").await;
    check_page(&page);
    for text in ["Depot depot-1", "tokens of group FLEET", "from 2026-01-01 00:00"] {
        assert!(page.contains(text), "{text}: {page}");
    }
    assert!(browser.page("/tariffs").await.contains("1 assignment"));
    for (field, value, text) in [
        ("evse_id", "1", "set charging_station_id too"),
        ("evse_id", "one", "EVSE: is no number"),
        ("valid_until", "2000-01-01T00:00", "must be after valid_from"),
    ] {
        let wrong = [("location_id", "depot-1"), ("valid_from", "2026-01-01T00:00"), (field, value)];
        let reply = browser.post("/tariffs/std/assignments", &wrong).await;
        assert_eq!(reply.status, 422, "{field}={value}");
        check_page(&reply.body);
        assert!(reply.body.contains(text), "{text}: {}", reply.body);
    }
    let id = rig.get("/tariff-assignments").await.json()["items"][0]["id"].as_str().unwrap().to_owned();
    let remove = [("assignment_id", id.as_str())];
    assert_eq!(browser.post("/tariffs/other/assignments/removal", &remove).await.status, 404);
    assert_eq!(browser.post("/tariffs/std/assignments/removal", &remove).await.status, 303);
    assert!(browser.page("/tariffs/std").await.contains("No assignment"));
    let viewer = Browser::sign_in(&rig, AccessRole::Viewer).await;
    let asked = "/tariffs/std?start=2026-03-02T08:00&charging_min=60&idle_min=30&kwh=10&max_power_kw=&time_zone=Europe%2FBerlin";
    let page = viewer.page(asked).await;
    check_page(&page);
    for text in ["7.14 EUR", "10 kWh", "clock of Europe/Berlin", "2026-03-02 08:00"] {
        assert!(page.contains(text), "{text}: {page}");
    }
    assert!(!page.contains("Save as a new version"), "a viewer only looks");
    for (from, to, text) in [
        ("kwh=10", "kwh=ten", "Energy: "),
        ("charging_min=60", "charging_min=0", "energy needs time to flow"),
        ("Europe%2FBerlin", "Mars", "is no time zone"),
        ("2026-03-02T08:00", "soon", "Start: is no date and time"),
    ] {
        let reply = viewer.get(&asked.replace(from, to)).await;
        assert_eq!(reply.status, 422, "{to}");
        assert!(reply.body.contains(text), "{text}: {}", reply.body);
    }
}
