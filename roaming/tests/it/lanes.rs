//! Within one partner nothing waits for another: not for an object that changes all the time, not for one that cannot be read or digested,
//! not for a receiver that is out of order.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ringmain_domain::hardware::{EvseHardware, StationHardware};
use ringmain_domain::id::{EvseId, StationId};
use ringmain_domain::location::ConnectorStatus;
use ringmain_roaming::ocpi::envelope::now;
use ringmain_roaming::service::locations::evse_uid;
use ringmain_store::partners::lanes::Lane;

use crate::emsp::{Heard, Mood};
use crate::make::{at, for_anyone, location, made, roam, stand, status, tariff, tenant};
use crate::pushes::{arrives, eventually, hours_ago, letters, renamed};
use crate::rig::Rig;
use crate::told::{furnish, in_step, patched, turns};

fn uid(evse: u32) -> String {
    evse_uid(&tenant(), &StationId::new("CS-1").unwrap(), EvseId(evse)).to_string()
}

#[actix_web::test]
async fn an_evse_that_flaps_takes_few_calls_and_its_last_state_arrives() {
    let pace = Duration::from_millis(400);
    let rig = Rig::start_with(|settings| settings.object_pace = pace).await;
    furnish(&rig).await;
    rig.register().await;
    in_step(&rig).await;
    let before = rig.emsp.heard().len();
    let began = Instant::now();
    for round in 0..60 {
        let state = if round % 2 == 0 { ConnectorStatus::Charging } else { ConnectorStatus::Available };
        rig.store.append(&[status("CS-1", now(), 1, 1, state)]).await.unwrap();
        if round == 30 {
            // Another one is told at once, in the midst of it.
            let asked = Instant::now();
            rig.store.append(&[status("CS-1", now(), 2, 1, ConnectorStatus::Reserved)]).await.unwrap();
            let other = |heard: &Heard| heard.path.ends_with(&uid(2)) && patched(heard, "RESERVED");
            rig.emsp.hears(other).await;
            assert!(asked.elapsed() < pace, "{:?}", asked.elapsed());
        }
    }
    rig.store.append(&[status("CS-1", now(), 1, 1, ConnectorStatus::Faulted)]).await.unwrap();
    rig.emsp.hears(|_| rig.emsp.heard()[before..].iter().any(|heard| patched(heard, "OUTOFORDER"))).await;
    let calls = rig.emsp.heard()[before..].iter().filter(|heard| heard.path.ends_with(&uid(1))).count();
    let most = usize::try_from(began.elapsed().as_millis() / pace.as_millis()).unwrap() + 2;
    assert!(calls <= most, "{calls} calls where {most} may be");
}

#[actix_web::test]
async fn whoever_cannot_take_bills_hears_of_states_at_once() {
    let rig =
        Rig::start_with(|settings| settings.pauses = (Duration::from_secs(2), Duration::from_secs(4))).await;
    furnish(&rig).await;
    let (partner, _) = rig.register_with(&rig.credentials()).await;
    in_step(&rig).await;
    let mut bills = Vec::new();
    for (number, mood) in
        [Mood::Busy(4), Mood::Http(500), Mood::Http(401), Mood::Stalled, Mood::Mute].iter().enumerate()
    {
        rig.emsp.be_for("POST /emsp/cdrs", std::slice::from_ref(mood));
        rig.emsp.be_for("GET /emsp/cdrs", std::slice::from_ref(mood));
        let tried = rig.emsp.count("POST /emsp/cdrs") + rig.emsp.count("GET /emsp/cdrs");
        let hours = 2 * i64::try_from(number).unwrap() + 2;
        bills.push(roam(&rig.store, "ABC", &format!("tx-{number}"), hours_ago(hours)).await.1);
        eventually("the bill is tried", async || {
            let now = rig.emsp.count("POST /emsp/cdrs") + rig.emsp.count("GET /emsp/cdrs");
            (now > tried).then_some(())
        })
        .await;
        for (state, word) in
            [(ConnectorStatus::Faulted, "OUTOFORDER"), (ConnectorStatus::Available, "AVAILABLE")]
        {
            let began = Instant::now();
            turns(&rig, state, word).await;
            assert!(began.elapsed() < Duration::from_secs(1), "{mood:?}: {:?}", began.elapsed());
        }
    }
    assert!(letters(&rig, partner).await.is_empty(), "nobody can tell yet that it is the bills' fault");
    rig.emsp.be_for("POST /emsp/cdrs", &[Mood::Well]);
    rig.emsp.be_for("GET /emsp/cdrs", &[Mood::Well]);
    for bill in bills {
        arrives(&rig, partner, bill).await;
    }
}

/// What of the store somebody else wrote over.
async fn spoil(rig: &Rig, session: &str) {
    let spoiled = format!(
        "UPDATE sessions SET document = '{{\"strange\": 1}}' WHERE id = '{session}';
         UPDATE locations SET document = '{{\"strange\": 1}}' WHERE id = 'L3';
         UPDATE tariffs SET document = '{{\"strange\": 1}}' WHERE id = 'T1';
         UPDATE tariff_versions SET document = '{{\"strange\": 1}}' WHERE id = 'T1';
         UPDATE station_hardware SET document = '{{\"evses\": [{{\"evse\": 1, \"connectors\": [{{\"connector\": 1}}]}}]}}' WHERE station = 'CS-2';"
    );
    rig.other_writer().execute_batch(&spoiled).unwrap();
}

#[actix_web::test]
async fn what_cannot_be_read_is_set_aside_with_its_reason_and_keeps_nothing_waiting() {
    let rig = Rig::start().await;
    furnish(&rig).await;
    for id in ["L2", "L3"] {
        rig.store.put_location(&location(id, at(0))).await.unwrap();
    }
    stand(&rig.store, "CS-2", "L2", None).await;
    let (partner, token) = rig.register_with(&rig.credentials()).await;
    in_step(&rig).await;
    rig.leads.turn(false).await;
    let (session, bill) = roam(&rig.store, "ABC", "tx-1", hours_ago(2)).await;
    let (other_session, other_bill) = roam(&rig.store, "ABC", "tx-2", hours_ago(4)).await;
    for id in ["T1", "T2"] {
        rig.store.put_tariff(&tariff(id, at(0))).await.unwrap();
        rig.store.put_tariff_assignment(&for_anyone(id)).await.unwrap();
    }
    rig.store.append(&[status("CS-2", now(), 1, 1, ConnectorStatus::Faulted)]).await.unwrap();
    spoil(&rig, &session.to_string()).await;
    renamed(&rig, "L2", "Another name").await;
    rig.leads.turn(true).await;

    rig.emsp.hears(|heard| heard.path == format!("/emsp/sessions/NL/RMN/{other_session}")).await;
    rig.emsp.hears(|heard| heard.method == "PUT" && heard.path == "/emsp/tariffs/NL/RMN/T2").await;
    let rest = rig.emsp.hears(|heard| heard.body["name"] == "Another name").await;
    assert!(rest.body["evses"].as_array().is_none_or(Vec::is_empty), "{rest:?}");
    arrives(&rig, partner, other_bill).await;
    turns(&rig, ConnectorStatus::Charging, "CHARGING").await;
    let (session, bill) = (session.to_string(), bill.to_string());
    let expected = [
        ("session", &*session),
        ("cdr", &*bill),
        ("location", "L3"),
        ("tariff", "T1"),
        ("evse_status", "CS-2/1"),
    ];
    eventually("all of them are set aside", async || {
        let letters = letters(&rig, partner).await;
        let set_aside: BTreeSet<_> = letters.iter().map(|letter| (&*letter.kind, &*letter.subject)).collect();
        assert!(letters.iter().all(|letter| letter.reason.contains("cannot be told: ")), "{letters:?}");
        expected.iter().all(|one| set_aside.contains(one)).then_some(())
    })
    .await;
    assert!(!rig.emsp.heard().iter().any(|heard| heard.method == "DELETE"), "unreadable is not gone");
    // Lists leave it out, so that partners read past it.
    let (list, ..) = rig.follow("/ocpi/cpo/2.2.1/locations", &token).await;
    assert_eq!(list.iter().map(|one| &one["id"]).collect::<Vec<_>>(), ["L1", "L2"]);
    let (list, ..) = rig.follow("/ocpi/cpo/2.2.1/tariffs", &token).await;
    assert_eq!(list.iter().map(|one| &one["id"]).collect::<Vec<_>>(), ["T2"]);

    // Mended, it is told; the letter of what did not change again goes when it is tried again.
    let evses = vec![EvseHardware { evse: EvseId(1), printed_id: None, connectors: vec![made(1)] }];
    let (station, hardware) = (StationId::new("CS-2").unwrap(), StationHardware { evses });
    assert!(rig.store.put_station_hardware(&tenant(), &station, &hardware, now()).await.unwrap());
    let path = format!("/emsp/locations/NL/RMN/L2/{}", evse_uid(&tenant(), &station, EvseId(1)));
    rig.emsp.hears(|heard| heard.method == "PUT" && heard.path == path).await;
    let of = ((&tenant(), partner), ("evse_status", "CS-2/1"));
    assert!(rig.store.retry_dead_letter(of.0, of.1, now()).await.unwrap());
    eventually("it is settled", async || {
        let letters = letters(&rig, partner).await;
        letters.iter().all(|letter| !letter.subject.starts_with("CS-2")).then_some(())
    })
    .await;
}

#[actix_web::test]
async fn what_waits_by_itself_holds_nobody_up_and_survives_a_restart() {
    let rig =
        Rig::start_with(|settings| settings.pauses = (Duration::from_millis(400), Duration::from_secs(60)))
            .await;
    furnish(&rig).await;
    let (partner, _) = rig.register_with(&rig.credentials()).await;
    in_step(&rig).await;
    rig.emsp.be_for("PUT /emsp/locations/NL/RMN/L2", &[Mood::Http(500)]);
    renamed(&rig, "L2", "Indigestible").await;
    rig.emsp.hears(|heard| heard.path.ends_with("/L2")).await;
    // More than is read at once, all behind it.
    for number in 0..230 {
        renamed(&rig, &format!("P{number:03}"), "Place").await;
    }
    eventually("all behind it are told", async || {
        let told: BTreeSet<_> = rig
            .emsp
            .heard()
            .into_iter()
            .filter(|heard| heard.body["name"] == "Place")
            .map(|heard| heard.path)
            .collect();
        (told.len() == 230).then_some(())
    })
    .await;
    let held_at = rig.store.feed_rows(&tenant(), &[("location", "L2")]).await.unwrap()[0].position;
    eventually("the cursor is kept before it", async || {
        let kept = rig.store.partner_cursor(&tenant(), partner, Lane::Locations).await.unwrap();
        assert!(kept.is_some_and(|kept| kept < held_at), "it is not passed");
        (kept == Some(held_at - 1)).then_some(())
    })
    .await;
    assert!(letters(&rig, partner).await.is_empty());
    rig.leads.turn(false).await;
    rig.emsp.be_for("PUT /emsp/locations/NL/RMN/L2", &[Mood::Well]);
    let before = rig.emsp.heard().len();
    rig.leads.turn(true).await;
    eventually("it is told", async || {
        rig.emsp.heard()[before..].iter().any(|heard| heard.path.ends_with("/L2")).then_some(())
    })
    .await;
}

#[actix_web::test]
async fn of_more_than_may_wait_one_is_given_up_early_and_none_is_lost() {
    let rig = Rig::start_with(|settings| {
        settings.held_max = 2;
        settings.pauses = (Duration::from_millis(400), Duration::from_secs(60));
    })
    .await;
    furnish(&rig).await;
    let (partner, _) = rig.register_with(&rig.credentials()).await;
    in_step(&rig).await;
    rig.emsp.be_for("PUT /emsp/locations/NL/RMN/H", &[Mood::Http(500)]);
    let mut tried = Vec::new();
    for id in ["H0", "H1", "H2"] {
        assert!(letters(&rig, partner).await.is_empty(), "as many as may wait do");
        renamed(&rig, id, "Held").await;
        let path = format!("PUT /emsp/locations/NL/RMN/{id}");
        // Others are taken meanwhile, so that it is this one's fault.
        eventually("it failed twice", async || {
            turns(&rig, ConnectorStatus::Faulted, "OUTOFORDER").await;
            turns(&rig, ConnectorStatus::Available, "AVAILABLE").await;
            (rig.emsp.count(&path) >= 2).then_some(())
        })
        .await;
        tried.push(path);
    }
    let letter = eventually("one is given up", async || letters(&rig, partner).await.pop()).await;
    assert!(letter.reason.contains("HTTP 500") && letter.subject.starts_with('H'), "{letter:?}");
    assert!(tried.iter().all(|path| rig.emsp.count(path) < 8), "long before its last attempt");
    // The others wait on; who goes and comes again begins with them.
    rig.leads.turn(false).await;
    rig.emsp.be_for("PUT /emsp/locations/NL/RMN/H", &[Mood::Well]);
    let before = rig.emsp.heard().len();
    rig.leads.turn(true).await;
    eventually("every one is told or set aside", async || {
        let heard = rig.emsp.heard().split_off(before);
        let told = heard.iter().filter(|heard| heard.body["name"] == "Held");
        let mut all: BTreeSet<_> = told.map(|heard| heard.body["id"].to_string()).collect();
        all.extend(letters(&rig, partner).await.iter().map(|letter| format!("\"{}\"", letter.subject)));
        (all.len() == 3).then_some(())
    })
    .await;
}
