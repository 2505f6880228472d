//! The page of a location's load: what it shows to whom, an EVSE that is mended, and the tree as a document.

use ringmain_domain::access::AccessRole;
use ringmain_domain::id::{LocationId, SessionId, SiteId, TransactionId};
use ringmain_domain::load::ledger::Change;
use ringmain_gateway::actors::site::Crash;
use ringmain_gateway::actors::site_directory::Locate;
use ringmain_store::ledgers::{Claim, LedgerOf};
use serde_json::{Value, json};

use super::browser::{Browser, encoded, hostile_house};
use super::html::{check_page, check_part};
use crate::api::rig::Rig;
use crate::rig::eventually;

const PAGE: &str = "/locations/depot-1/load";
const LIVE: &str = "/console/live/locations/depot-1/load";
const TREE: &str = "/locations/depot-1/circuits";

fn evse(station: &str, circuit: &str) -> Value {
    json!({"charging_station_id": station, "evse_id": 1, "circuit_id": circuit, "voltage_v": 230, "lines": ["L2", "L3", "L1"],
        "min_ma": 6_000, "max_ma": 32_000, "step_ma": 1_000, "rated_ma": 32_000, "fallback_ma": 0})
}

/// A grid connection and a garage below it with one EVSE.
fn tree() -> Value {
    let grid = json!({"id": "grid", "name": "Grid & more", "limit": {"line_ma": [63_000, 63_000, 63_000], "power_w": 40_000}});
    let garage = json!({"id": "garage", "parent": "grid", "limit": {"line_ma": [20_000, 40_000, 40_000]}});
    json!({"circuits": [garage, grid], "evses": [evse("CS-1", "garage")]})
}

async fn draw(rig: &Rig) {
    let put = rig.send("PUT", TREE, Some(tree())).await;
    assert_eq!(put.status, 200, "{put:?}");
}

/// A location whose one station charges, with its tree drawn.
async fn house() -> Rig {
    let rig = Rig::start().await;
    rig.add_location("depot-1").await;
    let station = rig.add_station("CS-1", 1).await;
    rig.send("PATCH", "/charging-stations/CS-1", Some(json!({"location_id": "depot-1"}))).await;
    rig.add_session(&station, "T<1>", 0, false).await;
    draw(&rig).await;
    rig
}

/// The live part once it says this.
async fn shows(browser: &Browser<'_>, text: &str) -> String {
    eventually!(text, {
        let part = browser.page(LIVE).await;
        check_part(&part);
        part.contains(text).then_some(part)
    })
}

/// The ledger has it that the EVSE does not obey.
async fn make_deaf(rig: &Rig) {
    let (tenant, location) = (rig.house.tenant.clone(), LocationId::new("depot-1").unwrap());
    let node = rig.house.cluster.me();
    let claim = rig.house.store.claim_ledger(&tenant, &location, node).await.unwrap().unwrap();
    let Claim::Owned { tree: stored, ledger } = claim else { panic!("{claim:?}") };
    let (owner, evses) = (ledger.owner, stored.tree.evses().iter().map(|evse| evse.key.clone()).collect());
    let of = LedgerOf { tenant, location, evses };
    let change = Change::SetDeaf { slot: 0, deaf: true };
    rig.house.store.transact_ledger(&of, owner, Vec::new(), vec![change]).await.unwrap();
    // Drawn anew, the site reads its ledger again.
    draw(rig).await;
}

#[actix_web::test]
async fn circuits_are_shown_from_the_grid_down_with_their_limits_and_evses() {
    let rig = house().await;
    let limit = json!({"source": "Grid <operator>", "until": "2100-01-01T00:00:00Z", "line_ma": [40_000, 40_000, 40_000]});
    let limits = "/locations/depot-1/circuits/grid/limits";
    assert_eq!(rig.send("PUT", limits, Some(json!({"limits": [limit]}))).await.status, 200);
    let browser = Browser::sign_in(&rig, AccessRole::Viewer).await;
    shows(&browser, "promised of").await;
    let page = browser.page(PAGE).await;
    check_page(&page);
    let session = SessionId::derive(
        &rig.house.tenant,
        &ringmain_domain::id::StationId::new("CS-1").unwrap(),
        &TransactionId::new("T<1>").unwrap(),
    );
    for text in [
        "63 A per line, 40.0 kW",
        "20 A / 40 A / 40 A",
        // One EVSE may draw all it can, because no fallback is confirmed.
        "title=\"L1: limit 40 A, promised 32 A, drawn 0 A\"",
        "title=\"L1: limit 20 A, promised 32 A, drawn 0 A\"",
        "<li class=\"bar bar-over\"",
        "Promised over the limit",
        "22.1 kW promised of 40.0 kW",
        "Grid &#60;operator&#62;",
        "2100-01-01 00:00",
        "<span class=\"muted\">L2 L3 L1</span>",
        "href=\"/charging-stations/CS-1\"",
        &format!("href=\"/sessions/{session}\""),
        "hx-get=\"/console/live/locations/depot-1/load\" hx-trigger=\"sse:changed, every 10s\"",
        "href=\"/locations/depot-1/load?circuit=grid#history\"",
        "The tree as JSON",
    ] {
        assert!(page.contains(text), "{text} in {page}");
    }
    let (grid, garage) = (page.find("level-0").unwrap(), page.find("level-1").unwrap());
    assert!(grid < garage, "the parent stands first, however it was drawn");
    assert!(browser.page("/locations/depot-1").await.contains(&format!("href=\"{PAGE}\"")));
}

#[actix_web::test]
async fn the_last_day_of_the_chosen_circuit_is_drawn() {
    let rig = house().await;
    let browser = Browser::sign_in(&rig, AccessRole::Viewer).await;
    let part = shows(&browser, "<polyline class=\"past-limit\"").await;
    assert!(part.contains("Last 24 hours: garage"), "the first of the tree");
    assert_eq!(part.matches("<figure").count(), 3);
    let part = browser.page(&format!("{LIVE}?circuit=grid")).await;
    check_part(&part);
    assert!(part.contains("Last 24 hours: Grid &#38; more"), "{part}");
    assert_eq!(part.matches("<figure").count(), 4, "three lines and the power");
    for query in ["?circuit=%3Cb%3E", "?circuit="] {
        let page = browser.page(&format!("{PAGE}{query}")).await;
        check_page(&page);
        assert!(page.contains("Last 24 hours: garage"), "{query}");
    }
    assert_eq!(browser.get(&format!("{PAGE}?x=1")).await.status, 400);
}

#[actix_web::test]
async fn a_location_without_a_tree_says_how_to_give_one() {
    let rig = Rig::start().await;
    rig.add_location("depot-1").await;
    for (role, draws) in [(AccessRole::Operator, true), (AccessRole::Viewer, false)] {
        let browser = Browser::sign_in(&rig, role).await;
        for target in [PAGE, TREE] {
            let page = browser.page(target).await;
            check_page(&page);
            assert!(page.contains("PUT /api/v1/locations/depot-1/circuits"), "{target}: {page}");
        }
        assert_eq!(browser.page(PAGE).await.contains("Draw a tree"), draws);
        let page = browser.page(TREE).await;
        assert_eq!(page.contains("<textarea") || page.contains("type=\"file\""), draws);
        assert_eq!(page.contains("Nobody has drawn a tree"), !draws);
        check_part(&browser.page(LIVE).await);
        for target in ["/locations/nowhere/load", "/locations/nowhere/circuits"] {
            assert_eq!(browser.get(target).await.status, 404);
        }
    }
}

#[actix_web::test]
async fn a_site_that_is_not_managed_here_is_shown_without_figures() {
    let rig = house().await;
    // A site that died too often is built again by nobody for a while.
    let locate = async || {
        let site = SiteId::of(&LocationId::new("depot-1").unwrap());
        rig.house.sites.send(Locate { tenant: rig.house.tenant.clone(), site }).await.unwrap()
    };
    eventually!("nobody builds the site again", {
        match locate().await {
            Ok(site) => {
                assert!(site.addr().send(Crash).await.is_err());
                None
            }
            Err(_quarantined) => Some(()),
        }
    });
    let browser = Browser::sign_in(&rig, AccessRole::Operator).await;
    let part = shows(&browser, "is not managed here now").await;
    for text in ["20 A / 40 A / 40 A", "href=\"/charging-stations/CS-1\"", "Nothing was seen of it yet"] {
        assert!(part.contains(text), "{text} in {part}");
    }
    assert!(!part.contains("promised of"), "{part}");
}

#[actix_web::test]
async fn a_deaf_evse_is_marked_and_a_person_s_word_mends_it() {
    const NOTE: &str = "Cable <replaced>, meter & limit checked";
    let rig = house().await;
    make_deaf(&rig).await;
    let viewer = Browser::sign_in(&rig, AccessRole::Viewer).await;
    let seen = shows(&viewer, "class=\"deaf\"").await;
    assert!(seen.contains(">Deaf</span>") && !seen.contains("<form"), "a viewer only sees it: {seen}");
    let browser = Browser::sign_in(&rig, AccessRole::Operator).await;
    let part = browser.page(LIVE).await;
    for text in [
        "action=\"/locations/depot-1/load/mendings\"",
        "hx-confirm=\"Does EVSE 1 of CS-1 obey its limits again?\"",
        "name=\"station\" value=\"CS-1\"",
        "data-hold-open",
    ] {
        assert!(part.contains(text) || browser.page(PAGE).await.contains(text), "{text} in {part}");
    }
    let mendings = format!("{PAGE}/mendings");
    let fields = |note| [("station", "CS-1"), ("evse", "1"), ("note", note)];
    assert_eq!(viewer.post(&mendings, &fields(NOTE)).await.status, 403);
    let told = async |fields: &[(&str, &str)]| {
        let reply = browser.post(&mendings, fields).await;
        assert_eq!((reply.status, reply.header("location")), (303, Some(PAGE)), "{reply:?}");
        browser.page(PAGE).await
    };
    for wrong in ["  ".to_owned(), "x".repeat(501)] {
        let fields = [("station", "CS-1"), ("evse", "1"), ("note", wrong.as_str())];
        assert!(told(&fields).await.contains("Nothing was changed. Note: "), "{wrong}");
    }
    for (fields, status) in [
        (vec![("station", "CS-1"), ("evse", "one"), ("note", NOTE)], 400),
        (vec![("station", "CS-1"), ("evse", "2"), ("note", NOTE)], 404),
        (vec![("station", ""), ("evse", "1"), ("note", NOTE)], 400),
    ] {
        assert_eq!(browser.post(&mendings, &fields).await.status, status, "{fields:?}");
    }
    assert!(rig.audited().await.iter().all(|line| !line.starts_with("load.mended")), "nothing was kept");
    let reply = browser.post_with(&mendings, &fields(NOTE), &[("HX-Request", "true")]).await;
    assert_eq!((reply.status, reply.header("hx-redirect")), (200, Some(PAGE)), "{reply:?}");
    assert!(browser.page(PAGE).await.contains("The site was told that EVSE 1 of CS-1 obeys again"));
    let kept = rig.get("/audit-events").await.json();
    assert_eq!(kept["items"][0]["action"], "load.mended");
    assert!(kept["items"][0].to_string().contains("Cable <replaced>, meter & limit checked"), "{kept}");
    eventually!("the word counts", (!browser.page(LIVE).await.contains("class=\"deaf\"")).then_some(()));
}

#[actix_web::test]
async fn the_tree_is_changed_as_a_document() {
    let rig = house().await;
    let browser = Browser::sign_in(&rig, AccessRole::Operator).await;
    let page = browser.page(TREE).await;
    check_page(&page);
    for text in ["data-into=\"document\"", "&#34;name&#34;: &#34;Grid &#38; more&#34;", "Draw the tree"] {
        assert!(page.contains(text), "{text} in {page}");
    }
    // What the page shows is taken as it is.
    let (_, shown) = page.split_once("autocomplete=\"off\">").unwrap();
    let shown = shown.split("</textarea>").next().unwrap();
    let shown = [("&#34;", "\""), ("&#60;", "<"), ("&#62;", ">"), ("&#38;", "&")]
        .iter()
        .fold(shown.to_owned(), |text, (sign, plain)| text.replace(sign, plain));
    let before = rig.get(TREE).await.json();
    let changed = shown.replace("40000", "50000").replace('\n', "\r\n");
    let reply = browser.post(TREE, &[("document", &changed)]).await;
    assert_eq!((reply.status, reply.header("location")), (303, Some(PAGE)), "{reply:?}");
    assert!(browser.page(PAGE).await.contains("The tree is drawn: 2 circuits, 1 EVSE."));
    let after = rig.get(TREE).await.json();
    assert_eq!(after["circuits"][1]["limit"]["power_w"], 50_000);
    assert_eq!(after["evses"], before["evses"]);
    assert_eq!(
        rig.audited().await.first().map(String::as_str),
        Some("circuits.replaced locations/depot-1/circuits")
    );
    // An answer of the API that somebody kept is taken too.
    assert_eq!(browser.post(TREE, &[("document", &before.to_string())]).await.status, 303);
    assert_eq!(rig.get(TREE).await.json()["circuits"], before["circuits"]);
}

#[actix_web::test]
async fn a_bad_document_is_told_with_its_places_and_changes_nothing() {
    let rig = house().await;
    let browser = Browser::sign_in(&rig, AccessRole::Operator).await;
    let before = rig.get(TREE).await.json();
    let with = |pointer: &str, value: Value| {
        let mut tree = tree();
        *tree.pointer_mut(pointer).unwrap() = value;
        tree.to_string()
    };
    for (document, texts) in [
        ("{<b>".to_owned(), vec!["key must be a string"]),
        ("[]".to_owned(), vec!["must be an object"]),
        (with("/evses/0", evse("CS-2", "garage")), vec!["/evses/0/charging_station_id", "does not stand at"]),
        (with("/evses/0/min_ma", json!("6 A")), vec!["/evses/0/min_ma", "invalid type"]),
        (with("/circuits/0/parent", json!("roof")), vec!["circuit garage has the unknown parent roof"]),
        (with("/evses/0/circuit_id", json!("roof")), vec!["roof"]),
        (with("/circuits/0/parent", Value::Null), vec!["both have no parent"]),
    ] {
        let reply = browser.post(TREE, &[("document", &document)]).await;
        assert_eq!(reply.status, 422, "{document}: {reply:?}");
        check_page(&reply.body);
        for text in texts {
            assert!(reply.body.contains(text), "{text} in {}", reply.body);
        }
        assert!(reply.body.contains("nothing was changed") && !reply.body.contains("{<b>"), "{document}");
        assert!(document.len() < 10 || reply.body.contains("&#34;evses&#34;"), "what was typed is kept");
    }
    assert_eq!(rig.get(TREE).await.json(), before);
    let viewer = Browser::sign_in(&rig, AccessRole::Viewer).await;
    let page = viewer.page(TREE).await;
    assert!(page.contains("<pre class=\"tree\"") && !page.contains("<textarea"), "{page}");
    assert_eq!(viewer.post(TREE, &[("document", &tree().to_string())]).await.status, 403);
    let far = browser.post("/locations/nowhere/circuits", &[("document", &tree().to_string())]).await;
    assert_eq!(far.status, 404);
}

#[actix_web::test]
async fn a_large_tree_fits_the_form_and_a_larger_form_is_refused() {
    let rig = house().await;
    let browser = Browser::sign_in(&rig, AccessRole::Operator).await;
    let mut tree = tree();
    let evses = (1..=2_000).map(|number| {
        let mut one = evse("CS-1", "grid");
        one["evse_id"] = json!(number);
        one
    });
    tree["evses"] = evses.collect();
    let document = serde_json::to_string_pretty(&tree).unwrap();
    assert!(document.len() > 500_000);
    let reply = browser.post(TREE, &[("document", &document)]).await;
    assert_eq!(reply.status, 303, "{reply:?}");
    assert_eq!(rig.get(TREE).await.json()["evses"].as_array().unwrap().len(), 2_000);
    let page = browser.page(PAGE).await;
    check_page(&page);
    assert!(page.contains("1700 EVSEs are not shown here"), "it stays readable");
    let reply = browser.post(TREE, &[("document", &"x".repeat(5_000_000))]).await;
    assert_eq!(reply.status, 400, "{reply:?}");
}

#[actix_web::test]
async fn hostile_texts_do_nothing_here_either() {
    let rig = hostile_house().await;
    let evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>";
    let phasor = json!({"name": evil, "limit_ma": 9_000, "factors": []});
    let grid = json!({"id": "\"><b>", "name": evil, "limit": {"line_ma": [63_000, 63_000, 63_000]}, "phasors": [phasor]});
    let tree = json!({"circuits": [grid], "evses": [evse("CS-<b>&\"'1", "\"><b>")]});
    assert_eq!(rig.send("PUT", TREE, Some(tree)).await.status, 200);
    let limits = format!("{TREE}/{}/limits", encoded("\"><b>"));
    let put = rig.send("PUT", &limits, Some(json!({"limits": [{"source": evil, "power_w": 1_000}]}))).await;
    assert_eq!(put.status, 200, "{put:?}");
    for role in [AccessRole::Operator, AccessRole::Viewer] {
        let browser = Browser::sign_in(&rig, role).await;
        shows(&browser, "promised of").await;
        for target in [PAGE.to_owned(), TREE.to_owned(), format!("{PAGE}?circuit={}", encoded("\"><b>"))] {
            let page = browser.page(&target).await;
            check_page(&page);
            for bad in ["<script>alert", "<img src=x", "<b>"] {
                assert!(!page.contains(bad), "{bad} in {target}");
            }
        }
        check_part(&browser.page(&format!("{LIVE}?circuit={}", encoded("\"><b>"))).await);
    }
}
