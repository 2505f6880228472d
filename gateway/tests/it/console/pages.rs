//! What pages show, and that no text of a station, driver or operator becomes markup.

use ringmain_domain::access::AccessRole;
use serde_json::json;

use super::browser::{Browser, encoded, hostile_house, try_sign_in};
use super::html::{check_page, check_part};
use crate::api::rig::Rig;

#[actix_web::test]
async fn hostile_texts_are_shown_and_do_nothing() {
    let rig = hostile_house().await;
    let station = encoded("CS-<b>&\"'1");
    let sessions = rig.get("/sessions").await.json();
    let session = |index: usize| sessions["items"][index]["id"].as_str().unwrap().to_owned();
    for role in [AccessRole::Operator, AccessRole::Viewer] {
        let browser = Browser::sign_in(&rig, role).await;
        for target in [
            "/".to_owned(),
            "/charging-stations".to_owned(),
            "/charging-stations?text=%3Cscript%3E%22&state=charging".to_owned(),
            format!("/charging-stations/{station}"),
            "/sessions".to_owned(),
            "/sessions?token_uid=%22%3E%3Cscript%3E&charging_station_id=%3Cb%3E".to_owned(),
            format!("/sessions/{}", session(0)),
            format!("/sessions/{}", session(1)),
            "/locations/depot-1".to_owned(),
            "/tariffs".to_owned(),
            "/tariffs/%3Cstd%3E".to_owned(),
            "/cdrs".to_owned(),
            "/cdrs?token_uid=%22%3E%3Cscript%3E&from=%3Cb%3E&kind=%22".to_owned(),
            "/review".to_owned(),
            "/tokens".to_owned(),
        ] {
            let page = browser.page(&target).await;
            check_page(&page);
            for evil in ["<script>alert", "<img src=x", "<b>", "<i>", "<std>", "<g>", "</pre><script>"] {
                assert!(!page.contains(evil), "{evil} in {target}");
            }
        }
        for target in [
            "/console/live/overview".to_owned(),
            "/console/live/charging-stations?text=%22%3E".to_owned(),
            format!("/console/live/charging-stations/{station}"),
            format!("/console/live/messages/{station}"),
            "/console/live/sessions".to_owned(),
            format!("/console/live/sessions/{}", session(0)),
            "/console/live/locations/depot-1".to_owned(),
        ] {
            let part = browser.page(&target).await;
            check_part(&part);
            assert!(!part.contains("<script>") && !part.contains("<img src=x"), "{target}");
        }
    }
}

#[actix_web::test]
async fn the_first_page_shows_the_network_at_a_glance() {
    let rig = Rig::start().await;
    let browser = Browser::sign_in(&rig, AccessRole::Viewer).await;
    let empty = browser.page("/").await;
    check_page(&empty);
    assert!(empty.contains("No locations yet") && empty.contains("No sessions yet"));
    rig.add_location("depot-1").await;
    let station = rig.add_station("CS-1", 3).await;
    rig.send("PATCH", "/charging-stations/CS-1", Some(json!({"location_id": "depot-1"}))).await;
    let station = rig.house.store.find_station(&station.id).await.unwrap().unwrap();
    rig.add_session(&station, "T1", 0, false).await;
    rig.post("/charging-stations", json!({"id": "NEW-1", "registration": "pending"})).await;
    let page = browser.page("/").await;
    check_page(&page);
    for text in [
        "2 charging stations, 1 connected",
        "1 station waits for approval",
        "Under maintenance",
        "Depot depot-1",
        "Köln, DEU",
        "href=\"/locations/depot-1\"",
        "href=\"/charging-stations?state=faulted\"",
        "5.00 kWh",
        "04A2B3",
        "hx-get=\"/console/live/overview\" hx-trigger=\"sse:changed\"",
    ] {
        assert!(page.contains(text), "{text}");
    }
    // Each of the six states has its icon and its name beside its number.
    for state in ["available", "occupied", "charging", "offline", "faulted", "maintenance"] {
        assert!(page.contains(&format!("href=\"/charging-stations?state={state}\"")), "{state}");
        assert!(page.contains(&format!("<use href=\"#i-{state}\"/>")), "{state}");
        assert!(page.contains(&format!("<symbol id=\"i-{state}\"")), "{state}");
    }
}

#[actix_web::test]
async fn stations_are_filtered_and_come_in_pages() {
    let rig = Rig::start().await;
    rig.add_location("depot-1").await;
    for number in 0..55 {
        rig.add_station(&format!("CS-{number:02}"), 1).await;
    }
    rig.send(
        "PATCH",
        "/charging-stations/CS-07",
        Some(json!({"location_id": "depot-1", "maintenance": true, "name": "North"})),
    )
    .await;
    rig.post("/charging-stations", json!({"id": "NEW-1", "registration": "pending"})).await;
    let browser = Browser::sign_in(&rig, AccessRole::Viewer).await;
    let listed = async |target: &str| {
        let page = browser.page(target).await;
        check_page(&page);
        let ids = page.split("class=\"strong\" href=\"/charging-stations/").skip(1);
        (ids.map(|rest| rest.split('"').next().unwrap().to_owned()).collect::<Vec<_>>(), page)
    };
    let (first, page) = listed("/charging-stations").await;
    assert_eq!((first.len(), first[0].as_str()), (50, "CS-00"));
    let (_, rest) = page.split_once("<a class=\"button tiny\" href=\"").unwrap();
    let next = rest.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&");
    let (second, page) = listed(&next).await;
    assert_eq!(second, ["CS-50", "CS-51", "CS-52", "CS-53", "CS-54", "NEW-1"]);
    assert!(page.contains("First page") && !page.contains("Next page"));
    for (query, expect) in [
        ("state=maintenance", vec!["CS-07"]),
        ("state=offline", vec!["NEW-1"]),
        ("state=faulted", vec![]),
        ("location_id=depot-1", vec!["CS-07"]),
        ("registration=pending", vec!["NEW-1"]),
        ("text=nort", vec!["CS-07"]),
        (
            "text=CS-1&state=available&location_id=&registration=",
            vec!["CS-10", "CS-11", "CS-12", "CS-13", "CS-14", "CS-15", "CS-16", "CS-17", "CS-18", "CS-19"],
        ),
    ] {
        let (ids, page) = listed(&format!("/charging-stations?{query}")).await;
        assert_eq!(ids, expect, "{query}");
        assert!(page.contains("Clear</a>"), "{query}");
    }
    let (_, page) = listed("/charging-stations?state=maintenance").await;
    assert!(page.contains("<option value=\"maintenance\" selected>"), "the form shows what is chosen");
}

#[actix_web::test]
async fn a_station_s_page_shows_what_goes_on() {
    let rig = Rig::start().await;
    rig.add_tariff("std").await;
    let station = rig.add_station("CS-1", 2).await;
    rig.send("PATCH", "/charging-stations/CS-1", Some(json!({"tariff_id": "std"}))).await;
    rig.add_session(&station, "T1", 0, false).await;
    let operator = Browser::sign_in(&rig, AccessRole::Operator).await;
    let page = operator.page("/charging-stations/CS-1").await;
    check_page(&page);
    for text in [
        "Voltwerk",
        "1.2.3",
        "OCPP 2.0.1",
        "Session at EVSE 1",
        "5.00 kWh",
        "04A2B3",
        "Remote start",
        "When idle",
        "Unlock",
        "Into service",
        "Out of service",
        "Put under maintenance",
        "Nothing is recorded yet",
        "sse-connect=\"/console/events?charging_station_id=CS-1\"",
    ] {
        assert!(page.contains(text), "{text}");
    }
    assert!(page.contains("Not described") && page.contains("Roaming partners see only what is described"));
    let made = |connector: u32| {
        json!({"connector_id": connector, "plug": "type2", "has_cable": false, "current": "ac3", "max_voltage_v": 230,
            "max_current_a": 32})
    };
    let evse = |number: u32| json!({"evse_id": number, "printed_id": format!("NL*RMN*E{number}"), "connectors": [made(1)]});
    rig.send("PUT", "/charging-stations/CS-1/hardware", Some(json!({"evses": [evse(1), evse(2)]}))).await;
    let page = operator.page("/charging-stations/CS-1").await;
    check_page(&page);
    for text in [
        "NL*RMN*E2",
        "Type 2, socket",
        "AC, 3 phases",
        "230 V, 32 A, 22.1 kW",
        "PUT /api/v1/charging-stations/CS-1/hardware",
    ] {
        assert!(page.contains(text), "{text}");
    }
    assert!(!page.contains("Not described") && !page.contains("Roaming partners see only"));
    let viewer = Browser::sign_in(&rig, AccessRole::Viewer).await;
    let page = viewer.page("/charging-stations/CS-1").await;
    check_page(&page);
    for text in ["Remote start", "When idle", ">Stop<", "Put under maintenance"] {
        assert!(!page.contains(text), "a viewer gets no {text}");
    }
}

#[actix_web::test]
async fn a_session_s_page_says_why_it_costs_that() {
    let rig = Rig::start().await;
    rig.add_tariff("std").await;
    let station = rig.add_station("CS-1", 1).await;
    rig.send("PATCH", "/charging-stations/CS-1", Some(json!({"tariff_id": "std"}))).await;
    let station = rig.house.store.find_station(&station.id).await.unwrap().unwrap();
    rig.add_session(&station, "T0", 0, true).await;
    rig.add_session(&station, "T1", 120, false).await;
    let browser = Browser::sign_in(&rig, AccessRole::Viewer).await;
    let sessions = rig.get("/sessions").await.json();
    let page = browser.page(&format!("/sessions/{}", sessions["items"][1]["id"].as_str().unwrap())).await;
    check_page(&page);
    for text in [
        "Completed",
        "10.00 kWh",
        "Session fee",
        "10 kWh",
        "0.50",
        "19 %",
        "6.00 EUR",
        "1.14 EUR",
        "7.14 EUR",
        "href=\"/tariffs/std\"",
        "Bill record",
        "EVDisconnected",
        "1 h 00 min",
        "2026-03-01 08:00:00",
        "Power from",
        "<polyline",
    ] {
        assert!(page.contains(text), "{text}");
    }
    assert!(!page.contains("sse-connect"), "what is over does not change");
    let page = browser.page(&format!("/sessions/{}", sessions["items"][0]["id"].as_str().unwrap())).await;
    check_page(&page);
    assert!(page.contains("The bill is made when the session ends") && page.contains("sse-connect"));
    let list = browser.page("/sessions?status=active").await;
    assert_eq!(list.matches("data-label=\"Status\"").count(), 1);
    let nothing = browser.page("/sessions?charging_station_id=a%3Ab").await;
    assert!(nothing.contains("No sessions here"));
}

#[actix_web::test]
async fn times_are_in_the_reader_s_zone() {
    let rig = Rig::start().await;
    let station = rig.add_station("CS-1", 1).await;
    rig.add_session(&station, "T0", 0, true).await;
    let browser = Browser::sign_in(&rig, AccessRole::Viewer).await;
    assert!(browser.page("/sessions").await.contains("2026-03-01 08:00"));
    for (zone, time) in [("Asia/Tokyo", "2026-03-01 17:00"), ("Mars/Olympus", "2026-03-01 08:00")] {
        let cookies = format!("{}; ringmain-zone={zone}", browser.cookie);
        let reply = super::browser::plain(&rig, "GET", "/sessions", &[("Cookie", &cookies)], None).await;
        assert!(reply.body.contains(time), "{zone}");
    }
}

#[actix_web::test]
async fn another_tenant_sees_an_empty_console() {
    let rig = hostile_house().await;
    let reply = try_sign_in(&rig, &rig.stranger, "/").await;
    let cookie = super::browser::cookie_of(&reply);
    let get =
        async |target: &str| super::browser::plain(&rig, "GET", target, &[("Cookie", &cookie)], None).await;
    let sessions = rig.get("/sessions").await.json();
    for target in [
        format!("/charging-stations/{}", encoded("CS-<b>&\"'1")),
        format!("/console/live/charging-stations/{}", encoded("CS-<b>&\"'1")),
        format!("/console/live/messages/{}", encoded("CS-<b>&\"'1")),
        format!("/sessions/{}", sessions["items"][0]["id"].as_str().unwrap()),
        format!("/sessions/{}/signed-values?form=json", sessions["items"][0]["id"].as_str().unwrap()),
        "/tariffs/%3Cstd%3E".to_owned(),
        "/locations/depot-1".to_owned(),
    ] {
        assert_eq!(get(&target).await.status, 404, "{target}");
    }
    for (target, text) in [
        ("/", "0 charging stations"),
        ("/sessions", "No sessions here"),
        ("/cdrs", "No bills here"),
        ("/review", "Nothing waits for you"),
        ("/tokens", "No tokens yet"),
        ("/tariffs", "No tariffs yet"),
    ] {
        let page = get(target).await;
        assert!(page.body.contains(text), "{target}");
    }
}
