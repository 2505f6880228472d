//! Drivers of partners: their tokens as they are pushed and pulled, questions about them, and starts that are ordered for them.

use std::time::{Duration, Instant};

use ringmain_domain::command::StationCommand;
use ringmain_domain::id::StationId;
use ringmain_domain::roaming::{Question, TokenOwners as _};
use ringmain_domain::token::{IdToken, TokenKind};
use ringmain_roaming::ocpi::envelope::now;
use serde_json::{Value, json};

use crate::emsp::{Heard, Mood};
use crate::make::tenant;
use crate::rig::Rig;
use crate::told::furnish;

fn token(uid: &str, whitelist: &str) -> Value {
    json!({
        "country_code": "DE", "party_id": "ABC", "uid": uid, "type": "RFID", "contract_id": "DE8ABC0001",
        "issuer": "Example", "valid": true, "whitelist": whitelist, "last_updated": "2026-03-01T08:00:00Z",
    })
}

#[actix_web::test]
async fn a_partner_tells_changes_and_reads_its_own_tokens_and_nobody_elses() {
    let rig = Rig::start().await;
    rig.emsp.has_token(token("PULLED1", "NEVER"));
    let c = rig.register().await;
    let path = "/ocpi/cpo/2.2.1/tokens/de/abc/012345678";
    assert_eq!(rig.get(path, &c).await.status(), (404, 2004));
    assert_eq!(
        rig.send("PATCH", path, &c, Some(&json!({"valid": false, "last_updated": "2026-03-02T08:00:00Z"})))
            .await
            .status(),
        (404, 2004)
    );
    assert_eq!(rig.send("PUT", path, &c, Some(&token("012345678", "ALWAYS"))).await.status(), (201, 1000));
    assert_eq!(rig.send("PUT", path, &c, Some(&token("012345678", "ALWAYS"))).await.status(), (200, 1000));
    assert_eq!(rig.get(path, &c).await.data()["contract_id"], "DE8ABC0001");
    let patch = async |body: Value| rig.send("PATCH", path, &c, Some(&body)).await;
    assert_eq!(patch(json!({"valid": false})).await.status(), (200, 2001), "without last_updated");
    assert_eq!(
        patch(json!({"valid": false, "last_updated": "2026-03-02T08:00:00Z"})).await.status(),
        (200, 1000)
    );
    let known = rig.get(path, &c).await;
    assert_eq!((&known.data()["valid"], &known.data()["whitelist"]), (&json!(false), &json!("ALWAYS")));
    assert_eq!(
        patch(json!({"valid": true, "last_updated": "2026-03-01T09:00:00Z"})).await.status(),
        (200, 1000)
    );
    assert_eq!(rig.get(path, &c).await.data()["valid"], json!(false), "older news change nothing");
    // Overtaken by a word about another field, it still says what it says; and the instant does not go back.
    let late = json!({"language": "nl", "valid": true, "last_updated": "2026-03-02T07:59:59Z"});
    assert_eq!(patch(late).await.status(), (200, 1000));
    let known = rig.get(path, &c).await;
    assert_eq!((&known.data()["valid"], &known.data()["language"]), (&json!(false), &json!("nl")));
    assert!(known.data()["last_updated"].as_str().unwrap().starts_with("2026-03-02T08:00:00"), "{known:?}");
    let later = json!({"language": "de", "last_updated": "2026-03-02T07:59:58Z"});
    assert_eq!(patch(later).await.status(), (200, 1000));
    assert_eq!(rig.get(path, &c).await.data()["language"], "nl");
    // Somebody else's, or another one than the address says.
    let foreign = rig.send("PUT", "/ocpi/cpo/2.2.1/tokens/DE/XYZ/1", &c, Some(&token("1", "ALWAYS"))).await;
    assert_eq!(foreign.status(), (404, 2001));
    for (field, value) in [("uid", "2"), ("party_id", "XYZ"), ("type", "APP_USER")] {
        let mut other = token("012345678", "ALWAYS");
        other[field] = json!(value);
        assert_eq!(rig.send("PUT", path, &c, Some(&other)).await.status(), (200, 2001), "{field}");
    }
    // Those it had before are fetched by themselves.
    let pulled = async || loop {
        if rig.get("/ocpi/cpo/2.2.1/tokens/DE/ABC/PULLED1", &c).await.http == 200 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    tokio::time::timeout(Duration::from_secs(10), pulled()).await.unwrap();
}

#[actix_web::test]
async fn a_company_is_asked_about_its_driver_within_the_budget() {
    let rig = Rig::start().await;
    furnish(&rig).await;
    let c = rig.register().await;
    let put = token("D1", "NEVER");
    assert_eq!(
        rig.send("PUT", "/ocpi/cpo/2.2.1/tokens/DE/ABC/D1", &c, Some(&put)).await.status(),
        (201, 1000)
    );
    let station = StationId::new("CS-1").unwrap();
    let presented = IdToken { uid: ringmain_domain::id::TokenUid::new("d1").unwrap(), kind: TokenKind::Rfid };
    let standing = rig.store.token_standing(&tenant(), &presented, &station).await.unwrap();
    let asked = standing.roamer().unwrap().to_ask(now()).unwrap().clone();
    let ask = async || {
        rig.hub
            .ask(Question { tenant: tenant(), token: asked.clone(), station: station.clone(), evse: None })
            .await
    };
    for (allowed, expect) in [
        ("ALLOWED", "accepted"),
        ("BLOCKED", "blocked"),
        ("NO_CREDIT", "blocked"),
        ("EXPIRED", "expired"),
        ("NOT_ALLOWED", "not_at_this_location"),
    ] {
        rig.emsp.say(
            json!({"allowed": allowed, "token": put, "authorization_reference": "ref-7"}),
            Duration::ZERO,
        );
        let clearance = ask().await.unwrap();
        assert_eq!(
            (clearance.authorization.as_str(), clearance.contract.reference.as_deref()),
            (expect, Some("ref-7"))
        );
    }
    let question = rig.emsp.hears(|heard| heard.path.contains("/authorize")).await;
    assert_eq!(
        (question.path.as_str(), &question.body["location_id"]),
        ("/emsp/tokens/D1/authorize?type=RFID", &json!("L1"))
    );
    // What it said is there for the start that follows.
    rig.emsp
        .say(json!({"allowed": "ALLOWED", "token": put, "authorization_reference": "ref-8"}), Duration::ZERO);
    ask().await.unwrap();
    let standing = rig.store.token_standing(&tenant(), &presented, &station).await.unwrap();
    assert!(standing.roamer().unwrap().to_ask(now()).is_none());
    assert_eq!(standing.contract(now()).unwrap().reference.as_deref(), Some("ref-8"));
    // Too late is no answer, and neither is garbage.
    rig.emsp.say(json!({"allowed": "ALLOWED", "token": put}), Duration::from_secs(60));
    let began = std::time::Instant::now();
    assert_eq!(ask().await, None);
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    rig.emsp.be(Mood::Garbage);
    assert_eq!(ask().await, None);
}

#[actix_web::test]
async fn a_long_list_of_tokens_is_read_on_where_a_partner_stumbled() {
    let rig = Rig::start().await;
    for number in 0..7 {
        rig.emsp.has_token(token(&format!("P{number}"), "NEVER"));
    }
    let busy = "429 Too Many\r\nRetry-After: 1";
    rig.emsp.pages(2, &[(0, "503 Away"), (2, busy), (2, busy), (4, "503 Away")]);
    let c = rig.register().await;
    let last = async || {
        while rig.get("/ocpi/cpo/2.2.1/tokens/DE/ABC/P6", &c).await.http != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), last()).await.unwrap();
    let asked = rig.emsp.heard().into_iter().filter(|heard| heard.path.starts_with("/emsp/tokens?"));
    let offsets: Vec<_> = asked
        .map(|heard| {
            heard
                .path
                .split_once("offset=")
                .map_or("0", |(_, rest)| rest.split('&').next().unwrap())
                .to_owned()
        })
        .collect();
    assert_eq!(offsets, ["0", "0", "2", "2", "2", "4", "4", "6"]);
}

#[actix_web::test]
async fn changes_of_tokens_are_fetched_though_the_whole_list_cannot_be() {
    let rig = Rig::start().await;
    rig.emsp.has_token(token("P1", "NEVER"));
    rig.emsp.has_token(token("P2", "NEVER"));
    // The page at 1 is refused for good: everything begins anew a minute later, at the earliest.
    rig.emsp.pages(1, &[(0, "503 Away"), (1, "404 Gone"), (1, "404 Gone")]);
    let (partner, c) = rig.register_with(&rig.credentials()).await;
    rig.emsp.hears(|heard| heard.path.contains("offset=1")).await;
    let hours_ago = now().plus_millis(-7_200_000);
    let mark = (&tenant(), partner, "tokens_fetched");
    rig.store.put_partner_mark(mark, hours_ago, hours_ago).await.unwrap();
    // Whoever changes its tokens is looked at anew.
    let answer = rig.send("PUT", "/ocpi/2.2.1/credentials", &c, Some(&rig.emsp.credentials("token-d"))).await;
    assert_eq!(answer.status(), (200, 1000), "{answer:?}");
    let since = rig.emsp.hears(|heard| heard.path.contains("date_from=")).await;
    assert!(since.path.contains("limit=100&date_from="), "{since:?}");
    // And the whole list is not forgotten over it.
    let is_whole = |heard: &Heard| heard.path == "/emsp/tokens?limit=100" && heard.token == since.token;
    rig.emsp.hears(is_whole).await;
}

#[actix_web::test]
async fn an_answer_in_time_counts_though_it_cannot_be_kept_yet() {
    let rig = Rig::start().await;
    furnish(&rig).await;
    let c = rig.register().await;
    rig.send("PUT", "/ocpi/cpo/2.2.1/tokens/DE/ABC/D1", &c, Some(&token("D1", "NEVER"))).await;
    let (ask, presented) = (question(&rig).await, "D1");
    let other = rig.other_writer();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let clearance = rig.hub.ask(ask.clone()).await.unwrap();
    assert_eq!((clearance.authorization.as_str(), &*clearance.contract.uid), ("accepted", presented));
    other.execute_batch("COMMIT").unwrap();
    // It is kept all the same, a moment later.
    let kept = async || {
        while standing(&rig).await.to_ask(now()).is_some() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), kept()).await.unwrap();
}

#[actix_web::test]
async fn a_silent_company_keeps_only_three_drivers_waiting() {
    let pauses = (Duration::from_secs(1), Duration::from_secs(2));
    for mood in [Mood::Busy(60), Mood::Stalled, Mood::Mute] {
        let rig = Rig::start_with(|settings| {
            settings.authorize_budget = Duration::from_millis(300);
            settings.pauses = pauses;
        })
        .await;
        furnish(&rig).await;
        let c = rig.register().await;
        rig.send("PUT", "/ocpi/cpo/2.2.1/tokens/DE/ABC/D1", &c, Some(&token("D1", "NEVER"))).await;
        let ask = question(&rig).await;
        rig.emsp.be(mood.clone());
        for _ in 0..3 {
            assert_eq!(rig.hub.ask(ask.clone()).await, None, "{mood:?}");
        }
        let spared = Instant::now();
        for _ in 0..3 {
            assert_eq!(rig.hub.ask(ask.clone()).await, None, "{mood:?}");
        }
        let took = spared.elapsed();
        let asked = rig.emsp.heard().iter().filter(|heard| heard.path.contains("/authorize")).count();
        assert!(took >= pauses.0 || asked == 3, "{mood:?}: asked {asked} times");
        // It says for how long; a pause of ours is shorter here.
        rig.emsp.be(Mood::Well);
        let back = async || {
            while rig.hub.ask(ask.clone()).await.is_none() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), back()).await.unwrap();
        assert!(rig.hub.ask(ask.clone()).await.is_some());
    }
}

/// What is known of card D1 at the station.
async fn standing(rig: &Rig) -> ringmain_domain::authorize::TokenStanding {
    let station = StationId::new("CS-1").unwrap();
    let presented = IdToken { uid: ringmain_domain::id::TokenUid::new("d1").unwrap(), kind: TokenKind::Rfid };
    rig.store.token_standing(&tenant(), &presented, &station).await.unwrap()
}

/// What is asked about card D1 there.
pub(crate) async fn question(rig: &Rig) -> Question {
    let token = standing(rig).await.to_ask(now()).unwrap().clone();
    Question { tenant: tenant(), token, station: StationId::new("CS-1").unwrap(), evse: None }
}

#[actix_web::test]
async fn a_start_is_ordered_cleared_for_its_driver_and_its_result_told() {
    let rig = Rig::start().await;
    furnish(&rig).await;
    let c = rig.register().await;
    let evse = rig.get("/ocpi/cpo/2.2.1/locations/L1", &c).await.data()["evses"][0]["uid"].clone();
    let body = json!({
        "response_url": rig.emsp.url("/emsp/commands/START_SESSION/1"), "token": token("APP1", "NEVER"),
        "location_id": "L1", "evse_uid": evse, "authorization_reference": "ref-1",
    });
    let start = "/ocpi/cpo/2.2.1/commands/START_SESSION";
    let answer = rig.send("POST", start, &c, Some(&body)).await;
    assert_eq!((answer.status(), &answer.data()["result"]), ((200, 1000), &json!("ACCEPTED")), "{answer:?}");
    let result = rig.emsp.hears(|heard| heard.path == "/emsp/commands/START_SESSION/1").await;
    assert_eq!(result.body["result"], "ACCEPTED");
    let order = rig.desk.orders.lock().unwrap()[0].clone();
    assert!(
        matches!(&order.command, StationCommand::StartTransaction { token, .. } if token.uid.as_str() == "APP1")
    );
    let presented =
        IdToken { uid: ringmain_domain::id::TokenUid::new("APP1").unwrap(), kind: TokenKind::Rfid };
    let standing = rig.store.token_standing(&tenant(), &presented, &order.station).await.unwrap();
    assert!(standing.roamer().unwrap().to_ask(now()).is_none(), "the company's order is its word");
    assert_eq!(standing.contract(now()).unwrap().reference.as_deref(), Some("ref-1"));
    // Not to strangers' addresses, not for strangers' tokens, not where nothing is; and nothing was sent.
    for (pointer, value, expect) in [
        ("/response_url", json!("https://169.254.169.254/x"), (200, 2001)),
        ("/response_url", json!("https://evil.example.com/x"), (200, 2001)),
        ("/response_url", json!("http://127.0.0.2/x"), (200, 2001)),
        ("/token/party_id", json!("XYZ"), (200, 2001)),
        ("/location_id", json!("L9"), (404, 2003)),
        ("/evse_uid", json!("nothing"), (404, 2003)),
    ] {
        let mut wrong = body.clone();
        *wrong.pointer_mut(pointer).unwrap() = value;
        assert_eq!(rig.send("POST", start, &c, Some(&wrong)).await.status(), expect, "{pointer}");
    }
    for (command, body, expect) in [
        (
            "STOP_SESSION",
            json!({"response_url": body["response_url"], "session_id": "1b4e28ba-2fa1-11d2-883f-0016d3cca427"}),
            "UNKNOWN_SESSION",
        ),
        (
            "UNLOCK_CONNECTOR",
            json!({"response_url": body["response_url"], "location_id": "L1", "evse_uid": evse, "connector_id": "1"}),
            "REJECTED",
        ),
        (
            "CANCEL_RESERVATION",
            json!({"response_url": body["response_url"], "reservation_id": "1"}),
            "NOT_SUPPORTED",
        ),
    ] {
        let answer = rig.send("POST", &format!("/ocpi/cpo/2.2.1/commands/{command}"), &c, Some(&body)).await;
        assert_eq!((answer.status(), &answer.data()["result"]), ((200, 1000), &json!(expect)), "{command}");
    }
    assert_eq!(rig.desk.orders.lock().unwrap().len(), 1);
}
