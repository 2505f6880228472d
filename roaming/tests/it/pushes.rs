//! Pushes against partners that lose answers, choke on single objects or stay away for long: nothing is told twice, nothing is lost, and
//! nobody waits for what another one does.

use std::time::{Duration, Instant};

use ringmain_domain::location::ConnectorStatus;
use ringmain_domain::time::Timestamp;
use ringmain_roaming::ocpi::envelope::now;
use ringmain_store::page::PageRequest;
use ringmain_store::partners::calls::{PartnerCall, Said};
use ringmain_store::partners::commands::{CommandAddress, PartnerCommand};
use ringmain_store::partners::lanes::DeadLetter;
use ringmain_store::partners::{Exchange, Peer, PeerToken};
use serde_json::json;
use uuid::Uuid;

use crate::emsp::{Heard, Mood};
use crate::make::{at, location, roam, status, tenant};
use crate::rig::Rig;
use crate::told::{furnish, in_step, patched, turns};

const POST_CDR: &str = "POST /emsp/cdrs";
const PUT_L1: &str = "PUT /emsp/locations/NL/RMN/L1";

/// Asks until there is an answer, for half a minute.
pub(crate) async fn eventually<T>(what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(found) = ask().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), asking).await.unwrap_or_else(|_| panic!("{what}"))
}

pub(crate) async fn letters(rig: &Rig, partner: Uuid) -> Vec<DeadLetter> {
    rig.store.dead_letters(&tenant(), partner, &PageRequest::first(100)).await.unwrap().items
}

pub(crate) async fn arrives(rig: &Rig, partner: Uuid, bill: Uuid) {
    eventually("the bill arrives", async || {
        let arrived = rig.store.arrived_cdrs(&tenant(), partner, &[bill]).await.unwrap();
        (!arrived.is_empty()).then_some(())
    })
    .await;
}

/// Sessions at one EVSE that overlap would wait for a person.
pub(crate) fn hours_ago(hours: i64) -> Timestamp {
    now().plus_secs(-3_600 * hours)
}

/// The location changes in this way, now.
pub(crate) async fn renamed(rig: &Rig, id: &str, name: &str) {
    let changed = ringmain_domain::location::Location { name: name.into(), ..location(id, now()) };
    rig.store.put_location(&changed).await.unwrap();
}

#[actix_web::test]
async fn a_session_and_its_bill_are_addressed_to_the_drivers_company() {
    let rig = Rig::start().await;
    furnish(&rig).await;
    let mut credentials = rig.credentials();
    let role = |role: &str, party: &str| json!({"role": role, "country_code": "DE", "party_id": party, "business_details": {"name": party}});
    credentials["roles"] = json!([role("CPO", "AAA"), role("EMSP", "ABC"), role("EMSP", "XYZ")]);
    let (partner, _) = rig.register_with(&credentials).await;
    for (party, transaction, hours) in [("XYZ", "tx-1", 2), ("ABC", "tx-2", 4)] {
        let (session, bill) = roam(&rig.store, party, transaction, hours_ago(hours)).await;
        let of_party = |heard: &Heard| {
            heard.headers.contains(&format!("ocpi-to-party-id: {}\r\n", party.to_lowercase()))
        };
        let told = rig.emsp.hears(|heard| heard.path == format!("/emsp/sessions/NL/RMN/{session}")).await;
        assert!(of_party(&told), "{told:?}");
        assert_eq!(
            (&told.body["status"], &told.body["cdr_token"]["party_id"]),
            (&json!("COMPLETED"), &json!(party))
        );
        let told =
            rig.emsp.hears(|heard| heard.path == "/emsp/cdrs" && heard.body["id"] == bill.to_string()).await;
        assert!(of_party(&told), "{told:?}");
        arrives(&rig, partner, bill).await;
    }
    // What is for everybody goes to the first eMSP, not to the first company.
    renamed(&rig, "L1", "Another name").await;
    let told = rig.emsp.hears(|heard| heard.body["name"] == "Another name").await;
    assert!(told.headers.contains("ocpi-to-party-id: abc\r\n"), "{told:?}");
    // Nobody's driver of theirs.
    roam(&rig.store, "FOR", "tx-3", hours_ago(6)).await;
    turns(&rig, ConnectorStatus::Charging, "CHARGING").await;
    assert_eq!(rig.emsp.count(POST_CDR), 2);
}

#[actix_web::test]
async fn f41_a_bill_whose_answer_was_lost_is_not_told_again() {
    // The partner took it, and says so when it is asked; or cannot be asked, and refuses the second one as one that it has.
    // What is out of order, or says nothing, says neither.
    let confused = [Mood::Http(502), Mood::Mute, Mood::Garbage, Mood::Http(403), Mood::Well];
    for (gets, posts) in [(&[Mood::Well][..], 1), (&[Mood::Http(405)], 2), (&confused, 1)] {
        let rig = Rig::start().await;
        furnish(&rig).await;
        let (partner, _) = rig.register_with(&rig.credentials()).await;
        rig.emsp.be_for(POST_CDR, &[Mood::Mute, Mood::Http(409)]);
        rig.emsp.be_for("GET /emsp/cdrs/", gets);
        let (_, bill) = roam(&rig.store, "ABC", "tx", hours_ago(2)).await;
        arrives(&rig, partner, bill).await;
        assert_eq!(rig.emsp.count(POST_CDR), posts);
        assert!(letters(&rig, partner).await.is_empty());
    }
}

#[actix_web::test]
async fn a_bill_is_told_once_though_the_leader_changes_while_it_is_under_way() {
    let rig = Rig::start().await;
    furnish(&rig).await;
    let (partner, _) = rig.register_with(&rig.credentials()).await;
    rig.emsp.be_for(POST_CDR, &[Mood::Stalled, Mood::Http(500)]);
    let (_, bill) = roam(&rig.store, "ABC", "tx", hours_ago(2)).await;
    rig.emsp.hears(|heard| heard.path == "/emsp/cdrs").await;
    rig.leads.turn(false).await;
    rig.leads.turn(true).await;
    arrives(&rig, partner, bill).await;
    assert_eq!(rig.emsp.count(POST_CDR), 1);
}

#[actix_web::test]
async fn what_another_node_sends_is_waited_out_before_a_bill_is_asked_for() {
    let patience = Duration::from_millis(600);
    let rig = Rig::start_with(|settings| settings.patience = patience).await;
    furnish(&rig).await;
    let (partner, _) = rig.register_with(&rig.credentials()).await;
    rig.leads.turn(false).await;
    let (_, bill) = roam(&rig.store, "ABC", "tx", hours_ago(2)).await;
    while rig.store.feed_take_in(100).await.unwrap() > 0 {}
    let rows = rig.store.feed_after(&tenant(), 0, 100).await.unwrap();
    let place = rows.iter().find(|row| *row.kind == *"cdr").unwrap().position;
    // The node that led posts it now; the partner takes its time.
    let noted = Instant::now();
    rig.store.note_bill_posting(&tenant(), partner, place, now()).await.unwrap();
    rig.leads.turn(true).await;
    arrives(&rig, partner, bill).await;
    assert!(noted.elapsed() >= patience * 2 - Duration::from_millis(1), "{:?}", noted.elapsed());
    assert_eq!((rig.emsp.count("GET /emsp/cdrs/"), rig.emsp.count(POST_CDR)), (1, 1));
}

#[actix_web::test]
async fn created_without_more_is_taken_and_what_is_refused_is_kept_and_tried_again() {
    let rig = Rig::start().await;
    furnish(&rig).await;
    let (partner, _) = rig.register_with(&rig.credentials()).await;
    rig.emsp.be_for(POST_CDR, &[Mood::Http(201)]);
    let (_, bill) = roam(&rig.store, "ABC", "tx-1", hours_ago(2)).await;
    arrives(&rig, partner, bill).await;
    assert_eq!(rig.emsp.count(POST_CDR), 1);
    // Refused for good, and it has none: a dead letter, and the next one goes.
    rig.emsp.be_for(POST_CDR, &[Mood::Refusing(2_001), Mood::Well]);
    let (_, refused) = roam(&rig.store, "ABC", "tx-2", hours_ago(4)).await;
    let letter = eventually("a letter", async || letters(&rig, partner).await.pop()).await;
    assert_eq!((&*letter.kind, &*letter.subject), ("cdr", &*refused.to_string()));
    let (_, next) = roam(&rig.store, "ABC", "tx-3", hours_ago(6)).await;
    arrives(&rig, partner, next).await;
    // Tried again by itself later: it is in the feed again, and the letter stays until it is taken.
    let of = ((&tenant(), partner), ("cdr", &*letter.subject));
    assert!(rig.store.retry_dead_letter(of.0, of.1, now()).await.unwrap());
    arrives(&rig, partner, refused).await;
    assert!(letters(&rig, partner).await.is_empty());
}

#[actix_web::test]
async fn a_location_that_a_partner_cannot_digest_is_put_aside_and_delays_nothing() {
    let rig = Rig::start().await;
    furnish(&rig).await;
    let (partner, _) = rig.register_with(&rig.credentials()).await;
    in_step(&rig).await;
    for mood in [Mood::Mute, Mood::Garbage, Mood::Http(502)] {
        rig.emsp.be_for("PUT /emsp/locations/NL/RMN/L2", std::slice::from_ref(&mood));
        renamed(&rig, "L2", "Indigestible").await;
        rig.emsp.hears(|heard| heard.path.ends_with("/L2")).await;
        let began = Instant::now();
        for round in 0..4 {
            let (state, word) = match round % 2 {
                0 => (ConnectorStatus::Charging, "CHARGING"),
                _ => (ConnectorStatus::Available, "AVAILABLE"),
            };
            turns(&rig, state, word).await;
        }
        assert!(began.elapsed() < Duration::from_secs(8), "{mood:?}: {:?}", began.elapsed());
        let letter = eventually("it is put aside", async || letters(&rig, partner).await.pop()).await;
        assert_eq!((&*letter.kind, &*letter.subject), ("location", "L2"), "{mood:?}");
        // And taken once it can be.
        rig.emsp.be_for("PUT /emsp/locations/NL/RMN/L2", &[Mood::Well]);
        renamed(&rig, "L2", "Digestible").await;
        eventually("it is settled", async || letters(&rig, partner).await.is_empty().then_some(())).await;
    }
}

#[actix_web::test]
async fn a_partner_that_refuses_everything_judges_nothing() {
    let rig = Rig::start().await;
    furnish(&rig).await;
    let (partner, _) = rig.register_with(&rig.credentials()).await;
    in_step(&rig).await;
    // Whatever stands before it is out of order.
    rig.emsp.be(Mood::Http(404));
    for number in 0..40 {
        renamed(&rig, &format!("P{number:02}"), "Place").await;
    }
    eventually("it has refused some", async || (letters(&rig, partner).await.len() >= 9).then_some(())).await;
    rig.emsp.be(Mood::Well);
    let before = rig.emsp.heard().len();
    eventually("all others are told", async || {
        let put_aside = letters(&rig, partner).await;
        let told = rig.emsp.heard()[before..].iter().filter(|heard| heard.body["name"] == "Place").count();
        (put_aside.len() + told >= 40).then_some(())
    })
    .await;
    assert!(letters(&rig, partner).await.len() <= 10);
}

/// Stations that nobody has described: nothing is told of them.
#[actix_web::test]
async fn what_is_not_told_is_no_sign_of_life() {
    let rig = Rig::start_with(|settings| {
        settings.pauses = (Duration::from_millis(20), Duration::from_millis(100));
    })
    .await;
    furnish(&rig).await;
    let bare = ringmain_domain::location::ChargingStation {
        location_id: Some(location("L1", at(0)).id),
        ..ringmain_domain::location::ChargingStation::unknown(
            tenant(),
            ringmain_domain::id::StationId::new("CS-2").unwrap(),
            ringmain_domain::reply::Registration::Accepted,
            at(0),
        )
    };
    assert!(rig.store.insert_station(&bare).await.unwrap());
    let (partner, _) = rig.register_with(&rig.credentials()).await;
    in_step(&rig).await;
    let turned = async |evse| {
        let state = status("CS-2", now(), evse, 1, ConnectorStatus::Charging);
        rig.store.append(&[state]).await.unwrap();
    };
    // It is away, in words that it has for single objects too.
    rig.emsp.be(Mood::Http(502));
    let (_, _) = roam(&rig.store, "ABC", "tx", hours_ago(2)).await;
    renamed(&rig, "P00", "Place").await;
    let mut evse = 0;
    while rig.emsp.count("PUT /emsp/locations/NL/RMN/P00") + rig.emsp.count("PUT /emsp/sessions/") < 40 {
        evse = evse % 500 + 1;
        turned(evse).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(letters(&rig, partner).await.is_empty(), "{:?}", letters(&rig, partner).await);
    // And now it refuses whatever it is told.
    rig.emsp.be(Mood::Http(404));
    for number in 1..40 {
        renamed(&rig, &format!("P{number:02}"), "Place").await;
        turned(1_000 + number).await;
    }
    let refused = async || (rig.emsp.count("PUT /emsp/locations/") >= 80).then_some(());
    eventually("it was tried again and again", refused).await;
    let put_aside = letters(&rig, partner).await;
    assert!(put_aside.len() <= 10 + 4, "{}: {put_aside:?}", put_aside.len());
}

#[actix_web::test]
async fn a_patch_that_is_refused_is_followed_by_the_whole() {
    let rig = Rig::start().await;
    furnish(&rig).await;
    let (partner, _) = rig.register_with(&rig.credentials()).await;
    in_step(&rig).await;
    for mood in [Mood::Refusing(2_000), Mood::Refusing(2_001), Mood::Http(405), Mood::Http(404)] {
        let before = rig.emsp.heard().len();
        rig.emsp.be_for("PATCH /emsp/locations/", std::slice::from_ref(&mood));
        rig.store.append(&[status("CS-1", now(), 1, 1, ConnectorStatus::Charging)]).await.unwrap();
        eventually(&format!("{mood:?}: the whole"), async || {
            let heard = rig.emsp.heard();
            let whole = |heard: &Heard| heard.method == "PUT" && heard.body["status"] == "CHARGING";
            heard[before..].iter().any(whole).then_some(())
        })
        .await;
        rig.emsp.be_for("PATCH /emsp/locations/", &[Mood::Well]);
        turns(&rig, ConnectorStatus::Available, "AVAILABLE").await;
    }
    assert!(letters(&rig, partner).await.is_empty());
}

#[actix_web::test]
async fn no_older_state_comes_behind_a_newer_one() {
    let rig = Rig::start().await;
    furnish(&rig).await;
    rig.register().await;
    in_step(&rig).await;
    rig.emsp.be_for(PUT_L1, &[Mood::Http(500)]);
    renamed(&rig, "L1", "Another name").await;
    rig.emsp.hears(|heard| heard.body["name"] == "Another name").await;
    // The location waits; the state of its EVSE goes.
    turns(&rig, ConnectorStatus::Charging, "CHARGING").await;
    let puts = || {
        let is_it = |heard: &Heard| format!("{} {}", heard.method, heard.path) == PUT_L1;
        rig.emsp.heard().into_iter().filter(is_it).collect::<Vec<_>>()
    };
    let before = puts().len();
    rig.emsp.be_for(PUT_L1, &[Mood::Well]);
    let put = eventually("it is told again", async || puts().into_iter().skip(before).last()).await;
    assert_eq!(put.body["evses"][0]["status"], "CHARGING", "as it is, not as it was");
}

#[actix_web::test]
async fn whoever_was_away_for_long_is_told_everything_once_it_is_back() {
    let rig = Rig::start().await;
    furnish(&rig).await;
    let (partner, _) = rig.register_with(&rig.credentials()).await;
    in_step(&rig).await;
    rig.emsp.be(Mood::Http(503));
    renamed(&rig, "L1", "Another name").await;
    let (session, _) = roam(&rig.store, "ABC", "tx", hours_ago(2)).await;
    eventually("it is all in the feed", async || {
        let newest = rig.store.feed_ends(&tenant()).await.unwrap().newest;
        let rows = rig.store.feed_after(&tenant(), 0, 100).await.unwrap();
        let has = |kind: &str| rows.iter().any(|row| *row.kind == *kind);
        (has("location") && has("session") && has("cdr")).then_some(newest)
    })
    .await;
    rig.leads.turn(false).await;
    // As if seven days had gone by: what changed is forgotten, but no bill.
    rig.store.feed_forget(&tenant(), now().plus_secs(60)).await.unwrap();
    // Nodes come and go while it is away: nobody takes what was not told for told.
    for _ in 0..2 {
        rig.leads.turn(true).await;
        rig.leads.turn(false).await;
    }
    let before = rig.emsp.heard().len();
    rig.leads.turn(true).await;
    rig.emsp.be(Mood::Well);
    eventually("location, session and bill", async || {
        let heard = rig.emsp.heard();
        let session = session.to_string();
        let told = |is_it: &dyn Fn(&Heard) -> bool| {
            heard[before..].iter().any(|heard| heard.method != "GET" && is_it(heard))
        };
        let all = told(&|heard: &Heard| heard.body["name"] == "Another name")
            && told(&|heard: &Heard| heard.path.ends_with(&session))
            && told(&|heard: &Heard| heard.path == "/emsp/cdrs");
        all.then_some(())
    })
    .await;
    // And it stands where changes come in again.
    turns(&rig, ConnectorStatus::Charging, "CHARGING").await;
    assert!(letters(&rig, partner).await.is_empty());
}

#[actix_web::test]
async fn a_result_that_cannot_be_told_delays_nothing() {
    let rig = Rig::start().await;
    furnish(&rig).await;
    let (partner, _) = rig.register_with(&rig.credentials()).await;
    in_step(&rig).await;
    rig.emsp.be_for("POST /emsp/commands/", &[Mood::Stalled]);
    for number in 0..12_u128 {
        let command = PartnerCommand {
            tenant: tenant(),
            id: Uuid::from_u128(number),
            partner,
            address: CommandAddress {
                url: rig.emsp.url(&format!("/emsp/commands/STOP_SESSION/{number}")).into(),
                command: "STOP_SESSION".into(),
                correlation_id: None,
                from: None,
            },
            result: None,
            deadline: now().plus_secs(-1),
        };
        rig.store.insert_partner_command(&command).await.unwrap();
    }
    let told = rig.emsp.hears(|heard| heard.path.contains("/STOP_SESSION/")).await;
    assert_eq!(told.body["result"], "TIMEOUT");
    for (state, word) in [(ConnectorStatus::Charging, "CHARGING"), (ConnectorStatus::Available, "AVAILABLE")]
    {
        let began = Instant::now();
        turns(&rig, state, word).await;
        assert!(began.elapsed() < Duration::from_millis(1_500), "{word}: {:?}", began.elapsed());
    }
    // Once each, then nobody waits for them.
    eventually("they are forgotten", async || {
        let left = rig.store.overdue_partner_commands(&tenant(), partner, now()).await.unwrap();
        left.is_empty().then_some(())
    })
    .await;
    assert_eq!(rig.emsp.count("POST /emsp/commands/"), 12);
}

#[actix_web::test]
async fn a_partner_that_registered_when_nobody_asked_for_its_modules_is_told_too() {
    let rig = Rig::start().await;
    furnish(&rig).await;
    let id = rig.invite("token-a", now()).await;
    let roles = serde_json::from_value(json!([
        {"country_code": "DE", "party_id": "ABC", "role": "EMSP", "name": "Example Provider"}
    ]))
    .unwrap();
    let peer = Peer {
        url: rig.emsp.url("/ocpi/versions").into(),
        token: PeerToken::new("token-b"),
        roles,
        endpoints: None,
    };
    let (shown, given) =
        (ringmain_roaming::partner::hash("token-a"), ringmain_roaming::partner::hash("token-c"));
    let exchange = Exchange { shown, given, peer, tokens_anew: false, at: now() };
    assert!(rig.store.register_partner(&tenant(), id, &exchange).await.unwrap());
    rig.hub.tell_partners_changed();
    eventually("it is heard", async || {
        let state = if rig.emsp.heard().len() % 2 == 0 {
            ConnectorStatus::Charging
        } else {
            ConnectorStatus::Available
        };
        rig.store.append(&[status("CS-1", now(), 1, 1, state)]).await.unwrap();
        let heard = rig.emsp.heard();
        heard.iter().any(|heard| patched(heard, "CHARGING") || patched(heard, "AVAILABLE")).then_some(())
    })
    .await;
}

/// Also of those that only ever called: nobody else would bound them.
#[actix_web::test]
async fn of_every_partner_so_many_calls_are_kept() {
    let rig = Rig::start_with(|settings| settings.tend_every = Duration::from_millis(100)).await;
    let partner = rig.invite("token-a", now()).await;
    let calls: Vec<_> = (0..1_200)
        .map(|number| {
            let said = Said { url: number.to_string().into(), ..Said::default() };
            PartnerCall { tenant: tenant(), partner, id: Uuid::now_v7(), at: now(), inbound: true, said }
        })
        .collect();
    rig.store.insert_partner_calls(&calls).await.unwrap();
    let left = eventually("they are bounded", async || {
        let kept = rig.store.partner_calls(&tenant(), partner, &PageRequest::first(1_000)).await.unwrap();
        kept.next.is_none().then_some(kept.items)
    })
    .await;
    assert_eq!((left.len(), &*left[0].said.url), (1_000, "1199"), "the newest");
    assert!(at(0) < left[0].at);
}
