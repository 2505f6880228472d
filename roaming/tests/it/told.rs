//! What partners are told: over sockets, against a partner that is well, away or confused.

use std::time::Duration;

use ringmain_domain::hardware::{ConnectorHardware, EvseHardware, StationHardware};
use ringmain_domain::id::{EvseId, StationId};
use ringmain_domain::location::ConnectorStatus;
use ringmain_roaming::ocpi::envelope::now;
use ringmain_roaming::service::locations::evse_uid;
use serde_json::json;

use crate::emsp::{Heard, Mood};
use crate::make::{at, connected, location, made, stand, status, tenant};
use crate::rig::Rig;

/// A place with one station that is connected and free.
pub(crate) async fn furnish(rig: &Rig) {
    rig.store.put_location(&location("L1", at(0))).await.unwrap();
    stand(&rig.store, "CS-1", "L1", None).await;
    rig.store
        .append(&[connected("CS-1", at(1)), status("CS-1", at(1), 1, 1, ConnectorStatus::Available)])
        .await
        .unwrap();
}

/// The EVSE gets this status, and the partner hears of it: not of an earlier time when it was so.
pub(crate) async fn turns(rig: &Rig, state: ConnectorStatus, word: &str) {
    let before = rig.emsp.heard().len();
    rig.store.append(&[status("CS-1", now(), 1, 1, state)]).await.unwrap();
    rig.emsp.hears(|_| rig.emsp.heard()[before..].iter().any(|heard| patched(heard, word))).await;
}

/// The partner has heard of all that was furnished: the second of these is told when the batch of the first has ended.
pub(crate) async fn in_step(rig: &Rig) {
    turns(rig, ConnectorStatus::Faulted, "OUTOFORDER").await;
    turns(rig, ConnectorStatus::Available, "AVAILABLE").await;
}

pub(crate) fn patched(heard: &Heard, status: &str) -> bool {
    heard.method == "PATCH" && heard.body["status"] == status
}

#[actix_web::test]
async fn a_status_is_told_with_the_right_owner_and_token_and_no_identity_of_a_station() {
    let rig = Rig::start().await;
    furnish(&rig).await;
    rig.register().await;
    rig.store.append(&[status("CS-1", now(), 1, 1, ConnectorStatus::Charging)]).await.unwrap();
    let told = rig.emsp.hears(|heard| patched(heard, "CHARGING")).await;
    assert!(told.path.starts_with("/emsp/locations/NL/RMN/L1/"), "{told:?}");
    assert!(!told.path.contains("CS-1") && !told.body.to_string().contains("CS-1"));
    for header in ["ocpi-from-party-id: rmn", "ocpi-to-party-id: abc", "x-request-id: ", "x-correlation-id: "]
    {
        assert!(told.headers.contains(header), "{header}: {told:?}");
    }
}

#[actix_web::test]
async fn a_partner_that_was_away_hears_of_each_object_once_in_its_newest_state() {
    let rig = Rig::start().await;
    furnish(&rig).await;
    rig.register().await;
    in_step(&rig).await;
    for mood in [Mood::Busy(1), Mood::Garbage, Mood::Refusing(3_000)] {
        rig.emsp.be(mood.clone());
        turns(&rig, ConnectorStatus::Charging, "CHARGING").await;
        // In one commit, so that nobody sees what is between.
        let states = [ConnectorStatus::Available, ConnectorStatus::Charging, ConnectorStatus::Faulted];
        rig.store.append(&states.map(|state| status("CS-1", now(), 1, 1, state))).await.unwrap();
        let before = rig.emsp.heard().len();
        rig.emsp.be(Mood::Well);
        let newest = async || loop {
            let heard = rig.emsp.heard();
            if heard[before..].iter().any(|heard| patched(heard, "OUTOFORDER")) {
                return heard[before..].to_vec();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let since = tokio::time::timeout(Duration::from_secs(15), newest())
            .await
            .unwrap_or_else(|_| panic!("{mood:?}"));
        assert!(!since.iter().any(|heard| patched(heard, "AVAILABLE")), "{mood:?}: what is over is not told");
        turns(&rig, ConnectorStatus::Available, "AVAILABLE").await;
    }
}

#[actix_web::test]
async fn an_evse_that_goes_says_so_and_one_that_moves_is_told_at_its_new_place() {
    let rig = Rig::start().await;
    furnish(&rig).await;
    rig.register().await;
    in_step(&rig).await;
    rig.store.put_location(&location("L2", at(0))).await.unwrap();
    let uid = evse_uid(&tenant(), &StationId::new("CS-1").unwrap(), EvseId(1));
    let removed = |heard: &Heard, place: &str| {
        patched(heard, "REMOVED") && heard.path == format!("/emsp/locations/NL/RMN/{place}/{uid}")
    };
    let mut moved = rig.store.find_station(&StationId::new("CS-1").unwrap()).await.unwrap().unwrap();
    moved.location_id = Some(location("L2", at(0)).id);
    assert!(rig.store.update_station(&moved, moved.updated_at).await.unwrap());
    rig.emsp.hears(|heard| removed(heard, "L1")).await;
    let there = rig
        .emsp
        .hears(|heard| heard.method == "PUT" && heard.path == format!("/emsp/locations/NL/RMN/L2/{uid}"))
        .await;
    assert_eq!(there.body["status"], "AVAILABLE");
    assert!(rig.store.delete_station(&tenant(), &moved.id).await.unwrap());
    rig.emsp.hears(|heard| removed(heard, "L2")).await;
}

#[actix_web::test]
async fn an_evse_is_told_as_it_is_described_and_is_gone_when_it_is_described_no_more() {
    let rig = Rig::start().await;
    furnish(&rig).await;
    rig.register().await;
    in_step(&rig).await;
    let station = StationId::new("CS-1").unwrap();
    let path = format!("/emsp/locations/NL/RMN/L1/{}", evse_uid(&tenant(), &station, EvseId(1)));
    let describe = async |evses| {
        let hardware = StationHardware { evses };
        assert!(rig.store.put_station_hardware(&tenant(), &station, &hardware, now()).await.unwrap());
    };
    let evse = |max_power_w| EvseHardware {
        evse: EvseId(1),
        printed_id: None,
        connectors: vec![ConnectorHardware { max_power_w, ..made(1) }],
    };
    let whole = |heard: &Heard, power: u32| {
        let power = json!(power);
        heard.method == "PUT"
            && heard.path == path
            && heard.body["connectors"][0]["max_electric_power"] == power
    };
    describe(vec![evse(Some(11_000))]).await;
    rig.emsp.hears(|heard| whole(heard, 11_000)).await;
    describe(Vec::new()).await;
    rig.emsp.hears(|heard| heard.path == path && patched(heard, "REMOVED")).await;
    // What happens there is nobody's business; when it is described again, it is there again.
    rig.store.append(&[status("CS-1", now(), 1, 1, ConnectorStatus::Charging)]).await.unwrap();
    let renamed = ringmain_domain::location::Location { name: "Bare".into(), ..location("L1", now()) };
    rig.store.put_location(&renamed).await.unwrap();
    let bare = rig.emsp.hears(|heard| heard.body["name"] == "Bare").await;
    assert!(bare.body["evses"].as_array().is_none_or(Vec::is_empty), "{bare:?}");
    describe(vec![evse(Some(7_000))]).await;
    let back = rig.emsp.hears(|heard| whole(heard, 7_000)).await;
    assert_eq!(back.body["status"], "CHARGING");
    assert!(!rig.emsp.heard().iter().any(|heard| patched(heard, "CHARGING")));
}

#[actix_web::test]
async fn what_a_release_before_told_and_nobody_described_is_gone_after_the_update() {
    let rig = Rig::start().await;
    furnish(&rig).await;
    let bare = StationId::new("CS-2").unwrap();
    stand(&rig.store, bare.as_str(), "L1", None).await;
    let nothing = StationHardware::default();
    assert!(rig.store.put_station_hardware(&tenant(), &bare, &nothing, at(0)).await.unwrap());
    rig.store.append(&[status("CS-2", at(1), 1, 1, ConnectorStatus::Available)]).await.unwrap();
    let update = "INSERT INTO retellings (tenant) VALUES ('default')";
    rig.other_writer().execute_batch(update).unwrap();
    rig.register().await;
    let path = format!("/emsp/locations/NL/RMN/L1/{}", evse_uid(&tenant(), &bare, EvseId(1)));
    rig.emsp.hears(|heard| heard.path == path && patched(heard, "REMOVED")).await;
    let whole =
        rig.emsp.hears(|heard| heard.method == "PUT" && heard.path == "/emsp/locations/NL/RMN/L1").await;
    assert_eq!(whole.body["evses"].as_array().map(Vec::len), Some(1), "{whole:?}");
    turns(&rig, ConnectorStatus::Charging, "CHARGING").await;
    assert_eq!(rig.emsp.heard().iter().filter(|heard| patched(heard, "REMOVED")).count(), 1);
}

/// Its worker waits for the answer; whoever asks is served meanwhile.
#[actix_web::test]
async fn a_partner_that_never_answers_may_still_ask() {
    let rig = Rig::start().await;
    furnish(&rig).await;
    let token = rig.register().await;
    in_step(&rig).await;
    rig.emsp.be(Mood::Stalled);
    rig.store.append(&[status("CS-1", now(), 1, 1, ConnectorStatus::Charging)]).await.unwrap();
    rig.emsp.hears(|heard| patched(heard, "CHARGING")).await;
    let page = rig.get("/ocpi/cpo/2.2.1/locations", &token).await;
    assert_eq!(page.status(), (200, 1000), "{}", page.message());
}

#[actix_web::test]
async fn what_a_partner_refuses_for_good_is_put_aside_and_can_be_sent_again() {
    use ringmain_store::page::PageRequest;
    let rig = Rig::start().await;
    furnish(&rig).await;
    let token_c = rig.register().await;
    let partner =
        rig.store.partner_by_token(&ringmain_roaming::partner::hash(&token_c)).await.unwrap().unwrap();
    in_step(&rig).await;
    rig.emsp.be(Mood::Refusing(2_001));
    rig.store.append(&[status("CS-1", now(), 1, 1, ConnectorStatus::Charging)]).await.unwrap();
    let letters =
        async || rig.store.dead_letters(&tenant(), partner.id, &PageRequest::first(9)).await.unwrap().items;
    let waited = async || loop {
        if let Some(letter) = letters().await.pop() {
            return letter;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let letter = tokio::time::timeout(Duration::from_secs(10), waited()).await.unwrap();
    assert_eq!((&*letter.kind, &*letter.subject), ("evse_status", "CS-1/1"));
    assert!(letter.reason.contains("2001"), "{letter:?}");
    rig.emsp.be(Mood::Well);
    let before = rig.emsp.heard().len();
    let of = ((&tenant(), partner.id), (&*letter.kind, &*letter.subject));
    assert!(rig.store.replay_dead_letter(of.0, of.1, now()).await.unwrap());
    // Told again, and settled: also where the refusal of an older state came in between.
    let settled = async || loop {
        let heard = rig.emsp.heard();
        if heard[before..].iter().any(|heard| patched(heard, "CHARGING")) && letters().await.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    tokio::time::timeout(Duration::from_secs(10), settled()).await.expect("it is told again and settled");
    assert!(!rig.store.replay_dead_letter(of.0, of.1, now()).await.unwrap());
}

#[actix_web::test]
async fn a_partner_that_stalls_is_busy_or_talks_nonsense_delays_no_other() {
    let rig = Rig::start().await;
    furnish(&rig).await;
    rig.register().await;
    let mut others = Vec::new();
    for (number, mood) in [Mood::Stalled, Mood::Busy(60), Mood::Garbage, Mood::Well].into_iter().enumerate() {
        let emsp = crate::emsp::Partner::start().await;
        emsp.be(mood);
        let token_a = format!("token-a{number}");
        rig.invite(&token_a, now()).await;
        let mut credentials = emsp.credentials("token-b");
        credentials["roles"][0]["party_id"] = json!(format!("P{number:02}"));
        let answer = rig.send("POST", "/ocpi/2.2.1/credentials", &token_a, Some(&credentials)).await;
        assert_eq!(answer.status(), (200, 1000), "{answer:?}");
        others.push(emsp);
    }
    let well = [&rig.emsp, &others[3]];
    for round in 0..20 {
        let (state, word) = match round % 2 {
            0 => (ConnectorStatus::Charging, "CHARGING"),
            _ => (ConnectorStatus::Available, "AVAILABLE"),
        };
        let before = well.map(|emsp| emsp.heard().len());
        let began = std::time::Instant::now();
        rig.store.append(&[status("CS-1", now(), 1, 1, state)]).await.unwrap();
        for (emsp, before) in well.into_iter().zip(before) {
            emsp.hears(|heard| {
                patched(heard, word) && emsp.heard()[before..].iter().any(|one| patched(one, word))
            })
            .await;
        }
        assert!(began.elapsed() < Duration::from_secs(2), "round {round}: {:?}", began.elapsed());
    }
    // Whoever was away is in step again once it is well.
    others[2].be(Mood::Well);
    others[2].hears(|heard| patched(heard, "AVAILABLE")).await;
}

#[actix_web::test]
async fn an_operator_takes_an_invitation_up_changes_tokens_and_takes_leave() {
    use ringmain_domain::roaming::{Acceptance, PartnerDesk as _, PartnerFault};
    use ringmain_store::partners::PartnerState;
    let rig = Rig::start().await;
    let acceptance = Acceptance {
        tenant: tenant(),
        name: "Example".into(),
        ours: ("NL".into(), "RMN".into(), "Ringmain Test".into()),
        our_versions_url: format!("{}/versions", crate::rig::BASE).into(),
        their_versions_url: rig.emsp.url("/ocpi/versions").into(),
        token_a: "their-a".into(),
        versions: Vec::new(),
    };
    let private =
        Acceptance { their_versions_url: "https://10.0.0.1/ocpi/versions".into(), ..acceptance.clone() };
    assert!(matches!(rig.hub.accept(private).await, Err(PartnerFault::Unusable(_))));
    let id = rig.hub.accept(acceptance.clone()).await.unwrap();
    let peer = async || match rig.store.partner(&tenant(), id).await.unwrap().unwrap().state {
        PartnerState::Registered(peer) => Some(peer),
        PartnerState::Invited { .. } | PartnerState::Unregistered => None,
    };
    assert_eq!(peer().await.unwrap().token.reveal(), "their-c0");
    let posted = rig.emsp.hears(|heard| heard.method == "POST" && heard.path == "/emsp/credentials").await;
    let first = posted.body["token"].as_str().unwrap().to_owned();
    assert_eq!(posted.body["roles"][0]["party_id"], "RMN");
    assert_eq!(
        rig.get("/ocpi/cpo/2.2.1/locations", &first).await.status(),
        (200, 1000),
        "what we gave it is good"
    );
    // Its party is taken: what was opened for a second one is closed again.
    assert!(matches!(rig.hub.accept(acceptance).await, Err(PartnerFault::Unusable(_))));

    rig.hub.rotate(tenant(), id).await.unwrap();
    assert_eq!(peer().await.unwrap().token.reveal(), "their-c2");
    let put = rig.emsp.hears(|heard| heard.method == "PUT" && heard.path == "/emsp/credentials").await;
    let second = put.body["token"].as_str().unwrap().to_owned();
    assert_eq!(rig.get("/ocpi/versions", &second).await.status(), (200, 1000));
    assert_eq!(rig.get("/ocpi/versions", &first).await.status(), (401, 2000), "the one before is dead");

    rig.hub.leave(tenant(), id).await.unwrap();
    rig.emsp.hears(|heard| heard.method == "DELETE" && heard.path == "/emsp/credentials").await;
    assert_eq!(rig.get("/ocpi/versions", &second).await.status(), (401, 2000));
    assert!(peer().await.is_none());
    assert_eq!(rig.hub.rotate(tenant(), id).await, Err(PartnerFault::NotRegistered));
}

#[actix_web::test]
async fn a_call_is_kept_without_its_token() {
    use ringmain_store::page::PageRequest;
    let rig = Rig::start().await;
    let c = rig.register().await;
    let partner = rig.store.partner_by_token(&ringmain_roaming::partner::hash(&c)).await.unwrap().unwrap();
    assert_eq!(rig.get("/ocpi/cpo/2.2.1/locations", &c).await.status(), (200, 1000));
    let kept =
        async || rig.store.partner_calls(&tenant(), partner.id, &PageRequest::first(99)).await.unwrap().items;
    let both = async || loop {
        let calls = kept().await;
        if calls.iter().any(|call| call.inbound) && calls.iter().any(|call| !call.inbound) {
            return calls;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let calls = tokio::time::timeout(Duration::from_secs(10), both()).await.unwrap();
    let text = format!("{calls:?}");
    assert!(text.contains("/ocpi/versions") && !text.contains(&c) && !text.contains("token-b"), "{text}");
}
