//! The page that tells who will be ready when: what it shows to whom, the question and its answer, and what cannot be told.

use ringmain_domain::access::AccessRole;
use ringmain_gateway::services::site_load::forecast::FORECASTS_MAX;

use super::browser::{Browser, encoded, hostile_house};
use super::html::check_page;
use crate::api::load_forecast::{depot, needs, session};
use crate::api::rig::Rig;
use crate::rig::eventually;

const PAGE: &str = "/locations/depot-1/ready";

/// The page once it says this.
async fn shows(browser: &Browser<'_>, target: &str, text: &str) -> String {
    eventually!(text, {
        let page = browser.page(target).await;
        check_page(&page);
        page.contains(text).then_some(page)
    })
}

#[actix_web::test]
async fn a_viewer_sees_who_is_in_time_and_who_is_late() {
    let rig = depot().await;
    let browser = Browser::sign_in(&rig, AccessRole::Viewer).await;
    let page = shows(&browser, PAGE, "</svg>Unknown</span>").await;
    for text in ["nothing said", "not said", "Grid &#38; more from", "station is silent"] {
        assert!(page.contains(text), "{text} in {page}");
    }
    needs(&rig, 9_140, 120).await;
    let page = shows(&browser, PAGE, "9.14 kWh").await;
    for text in [
        "href=\"/charging-stations/CS-1\"",
        &format!("href=\"/sessions/{}\">T&#60;1&#62;</a>", session(&rig)),
        "<td data-label=\"Has\" class=\"num\">5.00 kWh</td>",
        // Word, icon and colour.
        "<span class=\"pill s-available\"><svg class=\"icon\" aria-hidden=\"true\"><use href=\"#i-available\"/></svg>In time</span>",
        "until <time",
    ] {
        assert!(page.contains(text), "{text} in {page}");
    }
    assert!(!page.contains("If: state") && page.matches("<figure").count() == 1, "{page}");
    needs(&rig, 9_140, 30).await;
    let page = shows(&browser, PAGE, "<use href=\"#i-faulted\"/></svg>Late</span><br>").await;
    assert!(page.contains("<span class=\"strong\">2.0"), "half an hour at 4.1 kW is missing: {page}");
    for target in ["/locations/depot-1", "/locations/depot-1/load"] {
        assert!(browser.page(target).await.contains(&format!("href=\"{PAGE}\"")), "{target}");
    }
}

#[actix_web::test]
async fn the_answer_to_a_question_stands_beside_what_is() {
    let rig = depot().await;
    needs(&rig, 9_140, 75).await;
    let browser = Browser::sign_in(&rig, AccessRole::Viewer).await;
    shows(&browser, PAGE, "</svg>Tight</span><br>").await;
    let page = browser.page(&format!("{PAGE}?vehicles=2&kwh=30%2C5&departs=&limit=50&no_sun=on")).await;
    check_page(&page);
    for text in [
        "<span class=\"strong\">As it is</span>",
        "<span class=\"strong\">What if</span>",
        "2 vehicles find no place:",
        "<th scope=\"col\">If: state</th>",
        "Grid &#38; more, as it is from",
        "Grid &#38; more, what if from",
        "name=\"vehicles\" type=\"number\" min=\"0\" max=\"200\" value=\"2\"",
        "name=\"kwh\" inputmode=\"decimal\" value=\"30,5\"",
        "type=\"checkbox\" checked",
    ] {
        assert!(page.contains(text), "{text} in {page}");
    }
    assert_eq!(page.matches("<p class=\"totals\">").count(), 2);
    assert!(!page.contains("method=\"post\" action=\"/locations"), "it changes nothing");
}

#[actix_web::test]
async fn what_was_typed_wrong_is_told_and_kept_and_what_is_stays() {
    let rig = depot().await;
    let browser = Browser::sign_in(&rig, AccessRole::Operator).await;
    shows(&browser, PAGE, "</svg>Unknown</span>").await;
    for (query, texts) in [
        (
            "vehicles=many&kwh=x&departs=soon&limit=-3",
            vec!["More vehicles: ", "Energy: ", "Departure: ", "Limit: "],
        ),
        ("vehicles=201", vec!["must be from 0 to 200"]),
        ("vehicles=1&departs=2020-01-01T08:00", vec!["must lie ahead"]),
        ("limit=201", vec!["must be from 0 to 200"]),
        ("vehicles=%22%3E%3Cb%3E", vec!["value=\"&#34;&#62;&#60;b&#62;\""]),
    ] {
        let reply = browser.get(&format!("{PAGE}?{query}")).await;
        assert_eq!(reply.status, 422, "{query}");
        check_page(&reply.body);
        for text in texts {
            assert!(reply.body.contains(text), "{text} in {}", reply.body);
        }
        assert!(reply.body.contains("</svg>Unknown</span>"), "what is as it is: {}", reply.body);
    }
    assert_eq!(browser.get(&format!("{PAGE}?x=1")).await.status, 400);
    assert_eq!(browser.get("/locations/nowhere/ready").await.status, 404);
}

#[actix_web::test]
async fn a_full_node_and_a_location_without_a_tree_say_so() {
    let rig = depot().await;
    rig.add_location("bare").await;
    let browser = Browser::sign_in(&rig, AccessRole::Viewer).await;
    let page = browser.page("/locations/bare/ready").await;
    check_page(&page);
    assert!(page.contains("This location has no tree of circuits"), "{page}");
    let places: Vec<_> = (0..FORECASTS_MAX).map(|_| rig.house.forecasts.place().unwrap()).collect();
    let reply = browser.get(PAGE).await;
    assert_eq!(reply.status, 503);
    check_page(&reply.body);
    assert!(reply.body.contains("looks ahead for others just now"), "{reply:?}");
    drop(places);
    assert_eq!(browser.get(PAGE).await.status, 200);
}

#[actix_web::test]
async fn hostile_texts_do_nothing_here_either() {
    let rig: Rig = hostile_house().await;
    let evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>";
    let tree = serde_json::json!({"circuits": [{"id": "\"><b>", "name": evil, "limit": {"power_w": 9_000}}], "evses": [
        {"charging_station_id": "CS-<b>&\"'1", "evse_id": 1, "circuit_id": "\"><b>", "voltage_v": 230, "lines": ["L1"],
        "min_ma": 6_000, "max_ma": 16_000, "step_ma": 1_000, "rated_ma": 16_000, "fallback_ma": 0}]});
    assert_eq!(rig.send("PUT", "/locations/depot-1/circuits", Some(tree)).await.status, 200);
    let browser = Browser::sign_in(&rig, AccessRole::Viewer).await;
    let target = format!("{PAGE}?limit=50&kwh={}", encoded("1"));
    let page = shows(&browser, &target, "Power ahead").await;
    for bad in ["<script>alert", "<img src=x", "<b>"] {
        assert!(!page.contains(bad), "{bad} in {page}");
    }
}
