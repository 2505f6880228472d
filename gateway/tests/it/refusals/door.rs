//! Refused at the door, or let in and kept waiting.

use std::net::Ipv4Addr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{PROTOCOLS, Scene};
use crate::rig::station::{Introduction, Station, password_of};
use crate::rig::stores::TestStore;
use crate::rig::{eventually, within};

/// Another address of this machine.
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

impl Scene {
    /// The status of the refusal; `None`: let in.
    async fn knock(&self, identity: &str, password: Option<&str>) -> Option<u16> {
        let introduction = Introduction { password, ..Introduction::of(identity, "ocpp2.0.1", "") };
        Station::introduce(&self.node.addresses, &introduction).await.err()
    }

    async fn refused(&self, reason: &str) -> f64 {
        self.node.metrics().await.sum("ringmain_socket_refused_total", &[("reason", reason)])
    }
}

#[tokio::test]
async fn no_password_and_a_wrong_one_are_refused_alike() {
    let scene = Scene::new().await;
    scene.node.api().register("CS-1").await;
    assert_eq!(scene.knock("CS-1", None).await, Some(401));
    assert_eq!(scene.knock("CS-1", Some("")).await, Some(401));
    assert_eq!(scene.knock("CS-1", Some("wrong-and-long-enough")).await, Some(401));
    assert_eq!(scene.knock("CS-1", Some(&password_of("WITNESS"))).await, Some(401), "another station's");
    assert_eq!(scene.refused("credentials_missing").await, 2.0, "an empty password is none");
    assert_eq!(scene.refused("credentials_wrong").await, 2.0);
    assert_eq!(scene.knock("CS-1", Some(&password_of("CS-1"))).await, None, "nothing was locked");
    scene.end().await;
}

#[tokio::test]
async fn a_new_password_is_the_only_one_from_then_on() {
    let scene = Scene::new().await;
    scene.node.api().register("CS-1").await;
    let mut connected = Station::booted(&scene.node.addresses, "CS-1", "ocpp2.0.1").await;
    let rotated = scene.node.api().change("POST", "/charging-stations/CS-1/password", &json!({})).await;
    let password = rotated["password"].as_str().unwrap();
    connected.is_well().await;
    assert_eq!(scene.knock("CS-1", Some(&password_of("CS-1"))).await, Some(401));
    assert_eq!(scene.knock("CS-1", Some(password)).await, None);
    scene.end().await;
}

#[tokio::test]
async fn an_unknown_station_is_refused_where_the_policy_says_so() {
    let scene = Scene::with(&[("STATIONS__UNKNOWN", "reject")]).await;
    assert_eq!(scene.knock("NOBODY", Some("some-password-of-its-own")).await, Some(401));
    assert_eq!(scene.knock("NOBODY", None).await, Some(401));
    assert_eq!(scene.refused("station_unknown").await, 2.0);
    let answer = scene.node.api().send("GET", "/charging-stations/NOBODY", &[], None).await;
    assert_eq!(answer.status, 404, "nothing is kept of it");
    scene.end().await;
}

#[tokio::test]
async fn a_rejected_station_is_refused() {
    let scene = Scene::new().await;
    scene.node.api().register_with("CS-1", json!({"registration": "rejected"})).await;
    assert_eq!(scene.knock("CS-1", Some(&password_of("CS-1"))).await, Some(401));
    assert_eq!(scene.refused("station_blocked").await, 1.0);
    scene.end().await;
}

#[tokio::test]
async fn an_unknown_station_waits_in_quarantine_until_an_operator_lets_it_in() {
    let scene = Scene::new().await;
    for protocol in PROTOCOLS {
        let identity = format!("NEW-{protocol}");
        let introduction = Introduction::of(&identity, protocol, "chosen-by-the-station");
        let mut station = Station::introduce(&scene.node.addresses, &introduction).await.unwrap();
        let answer = station.boot().await;
        assert_eq!((&answer["status"], &answer["interval"]), (&json!("Pending"), &json!(30)));
        assert_eq!(station.call_refused("Heartbeat", &json!({})).await, "SecurityError");
        let record = scene.node.api().station(&identity).await;
        assert_eq!((&record["registration"], &record["vendor"]), (&json!("pending"), &json!("Ring")));

        let accepted = json!({"registration": "accepted"});
        scene.node.api().change("PATCH", &format!("/charging-stations/{identity}"), &accepted).await;
        // The connection hears of the change a moment after the operator.
        eventually!("the boot is accepted", {
            let answer = station.boot().await;
            (answer["status"] == "Accepted").then_some(())
        });
        station.is_well().await;
        // What it showed at first contact is what it must show ever after.
        assert_eq!(scene.knock(&identity, Some("another-password")).await, Some(401));
        assert_eq!(scene.knock(&identity, Some("chosen-by-the-station")).await, None);
    }
    scene.end().await;
}

/// Whoever knocks under name after name fills the quarantine, and neither the store nor the page: registered stations come and go as ever.
#[tokio::test]
async fn a_full_quarantine_takes_no_more() {
    let scene = Scene::with(&[("STATIONS__QUARANTINE_MAX", "2")]).await;
    for identity in ["NEW-1", "NEW-2"] {
        assert_eq!(scene.knock(identity, Some("chosen-by-the-station")).await, None);
    }
    assert_eq!(scene.knock("NEW-3", Some("chosen-by-the-station")).await, Some(429));
    assert_eq!(scene.refused("quarantine_full").await, 1.0);
    let unknown = scene.node.api().send("GET", "/charging-stations/NEW-3", &[], None).await;
    assert_eq!(unknown.status, 404, "nothing is kept of it");
    assert_eq!(scene.knock("NEW-1", Some("chosen-by-the-station")).await, None, "it waits already");
    scene.booted("ocpp2.0.1").await.is_well().await;
    let accepted = json!({"registration": "accepted"});
    scene.node.api().change("PATCH", "/charging-stations/NEW-1", &accepted).await;
    // They are counted anew every ten seconds, and at a start.
    let Scene { mut node, witness } = scene;
    witness.close().await;
    node.stop().await;
    node.restart().await;
    let witness = Station::booted(&node.addresses, "WITNESS", "ocpp2.0.1").await;
    let scene = Scene { node, witness };
    assert_eq!(scene.knock("NEW-3", Some("chosen-by-the-station")).await, None);
    scene.end().await;
}

#[tokio::test]
async fn a_call_before_the_boot_is_refused() {
    let scene = Scene::new().await;
    for protocol in PROTOCOLS {
        let identity = format!("CS-{protocol}");
        scene.node.api().register(&identity).await;
        let mut station = Station::connect(&scene.node.addresses, &identity, protocol).await;
        for (action, payload) in [("Heartbeat", json!({})), start(protocol)] {
            assert_eq!(station.call_refused(action, &payload).await, "SecurityError", "{protocol} {action}");
        }
        assert_eq!(station.boot().await["status"], "Accepted");
        station.is_well().await;
        assert!(scene.node.api().sessions(&identity).await.is_empty());
    }
    scene.end().await;
}

fn start(protocol: &str) -> (&'static str, Value) {
    if protocol == "ocpp1.6" {
        let payload =
            json!({"connectorId": 1, "idTag": "A1", "meterStart": 0, "timestamp": "2026-03-01T08:00:00Z"});
        return ("StartTransaction", payload);
    }
    let payload = json!({
        "eventType": "Started", "timestamp": "2026-03-01T08:00:00Z", "triggerReason": "Authorized", "seqNo": 0,
        "transactionInfo": {"transactionId": "T-1"}, "idToken": {"idToken": "A1", "type": "ISO14443"},
    });
    ("TransactionEvent", payload)
}

/// A guesser is slowed down, and nobody else: not the same station from where it stands, not another one beside the guesser.
#[tokio::test]
async fn too_many_wrong_passwords_are_told_to_wait() {
    let scene = Scene::new().await;
    for identity in ["CS-1", "CS-2"] {
        scene.node.api().register(identity).await;
    }
    let right = password_of("CS-1");
    let from = |source, password| Introduction { source, ..Introduction::of("CS-1", "ocpp2.0.1", password) };
    let guess = from(ELSEWHERE, "wrong-and-long-enough");
    let mut refused = Vec::new();
    while !refused.contains(&429) && refused.len() < 50 {
        let status = Station::introduce(&scene.node.addresses, &guess).await.err();
        refused.push(status.expect("a wrong password is never let in"));
    }
    let (last, before) = refused.split_last().unwrap();
    assert_eq!(*last, 429);
    // More than ten only where they took so long that the allowance grew again.
    assert!(before.len() >= 10 && before.iter().all(|status| *status == 401), "{refused:?}");
    assert_eq!(scene.refused("too_many_attempts").await, 1.0);
    let lucky = Station::introduce(&scene.node.addresses, &from(ELSEWHERE, &right)).await;
    assert_eq!(lucky.err(), Some(429), "the right guess is not heard either");
    let beside = password_of("CS-2");
    let beside = Introduction { source: ELSEWHERE, ..Introduction::of("CS-2", "ocpp2.0.1", &beside) };
    assert_eq!(Station::introduce(&scene.node.addresses, &beside).await.err(), None);
    assert_eq!(scene.knock("CS-1", Some(&right)).await, None, "the station itself");
    scene.end().await;
}

/// Guesses that are all under way at once are as many as those one after another.
#[tokio::test]
async fn wrong_passwords_at_once_are_told_to_wait_too() {
    let scene = Scene::new().await;
    scene.node.api().register("CS-1").await;
    let guess =
        Introduction { source: ELSEWHERE, ..Introduction::of("CS-1", "ocpp2.0.1", "wrong-and-long-enough") };
    let since = std::time::Instant::now();
    let guesses = (0..60).map(|_| Station::introduce(&scene.node.addresses, &guess));
    let statuses = futures_util::future::join_all(guesses).await;
    let heard = statuses.iter().filter(|status| status.as_ref().err() == Some(&401)).count();
    let heard_most = 10.0 + (since.elapsed().as_secs_f64() / 6.0).ceil();
    let statuses: Vec<_> = statuses.into_iter().map(Result::err).collect();
    assert!(heard >= 10 && f64::from(u32::try_from(heard).unwrap()) <= heard_most, "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, Some(401 | 429))), "{statuses:?}");
    assert_eq!(scene.knock("CS-1", Some(&password_of("CS-1"))).await, None, "the station itself");
    scene.end().await;
}

/// Approval must not let in whoever merely knew the identity.
#[tokio::test]
async fn a_station_that_never_showed_a_password_is_not_let_in_by_approval() {
    let scene = Scene::new().await;
    let stranger = Introduction { password: None, ..Introduction::of("NEW-1", "ocpp2.0.1", "") };
    let mut station = Station::introduce(&scene.node.addresses, &stranger).await.unwrap();
    assert_eq!(station.boot().await["status"], "Pending");
    let accepted = json!({"registration": "accepted"});
    scene.node.api().change("PATCH", "/charging-stations/NEW-1", &accepted).await;
    assert_eq!(station.closed().await, Some(1008));
    station.close().await;
    assert_eq!(scene.knock("NEW-1", None).await, Some(401));
    scene.end().await;
}

/// A password that was checked against nothing proves nothing: somebody else's would do.
#[tokio::test]
async fn a_password_nobody_kept_is_no_proof_at_approval() {
    let scene = Scene::new().await;
    let silent = Introduction { password: None, ..Introduction::of("NEW-1", "ocpp2.0.1", "") };
    Station::introduce(&scene.node.addresses, &silent).await.unwrap().close().await;
    let other = Introduction::of("NEW-1", "ocpp2.0.1", "any-password-will-do");
    let mut station = Station::introduce(&scene.node.addresses, &other).await.unwrap();
    assert_eq!(station.boot().await["status"], "Pending");
    let accepted = json!({"registration": "accepted"});
    scene.node.api().change("PATCH", "/charging-stations/NEW-1", &accepted).await;
    assert_eq!(station.closed().await, Some(1008));
    station.close().await;
    scene.end().await;
}

/// It is cut off rather than answered with errors: it keeps its queue.
#[tokio::test]
async fn a_station_that_is_rejected_later_is_cut_off() {
    let scene = Scene::new().await;
    let mut station = scene.booted("ocpp1.6").await;
    let rejected = json!({"registration": "rejected"});
    scene.node.api().change("PATCH", "/charging-stations/CS-ocpp1.6", &rejected).await;
    assert_eq!(station.closed().await, Some(1008));
    station.close().await;
    assert_eq!(scene.knock("CS-ocpp1.6", Some(&password_of("CS-ocpp1.6"))).await, Some(401));
    scene.end().await;
}

/// Two sockets of one identity from two addresses: one of them may be somebody else's. The one that is there and lives stays.
#[tokio::test]
async fn a_second_socket_from_elsewhere_does_not_displace_a_living_one() {
    let mut scene = Scene::new().await;
    scene.node.expect_complaint("a second living socket of one station is refused");
    let mut first = scene.booted("ocpp2.0.1").await;
    let password = password_of("CS-ocpp2.0.1");
    let second =
        Introduction { source: ELSEWHERE, ..Introduction::of("CS-ocpp2.0.1", "ocpp2.0.1", &password) };
    let (addresses, knocking) = (scene.node.addresses.clone(), second.clone());
    // The first one answers the node's ping while the second waits at the door.
    let refused = tokio::select! {
        status = Station::introduce(&addresses, &knocking) => status.err(),
        _ = first.next() => panic!("nothing is sent to the first"),
    };
    assert_eq!(refused, Some(409));
    assert_eq!(scene.refused("already_connected").await, 1.0);
    first.is_well().await;
    scene.end().await;
}

/// The store stands still, or its node dies, in the middle of a first contact: there is no station without the password it showed.
#[tokio::test]
async fn a_first_contact_that_is_broken_off_locks_nobody_out() {
    let Some(store) = TestStore::postgres("a_first_contact_that_is_broken_off_locks_nobody_out").await else {
        return;
    };
    let mut scene = Scene::on(store, &[("STATIONS__UNKNOWN", "accept")]).await;
    scene.node.expect_complaint("the store cannot be asked at the door");
    let held = scene.node.hold_table("station_credentials", "EXCLUSIVE").await;
    let status = scene.knock("NEW-1", Some("chosen-by-the-station")).await;
    assert_eq!((status, scene.refused("store_unavailable").await), (Some(503), 1.0));
    held.end().await;
    assert_eq!(scene.knock("NEW-1", Some("chosen-by-the-station")).await, None);
    assert_eq!(scene.knock("NEW-1", Some("another-password")).await, Some(401));
    scene.end().await;
}

/// Its own end is no sign of life: the newcomer is no second living socket, nor is one told.
#[tokio::test]
async fn a_socket_that_ends_while_it_is_asked_makes_room() {
    let scene = Scene::new().await;
    let close_frame = [0x88, 0x80, 0, 0, 0, 0];
    for (identity, last) in [("CS-closes", &close_frame[..]), ("CS-drops", &[])] {
        scene.node.api().register(identity).await;
        let first = Station::booted(&scene.node.addresses, identity, "ocpp2.0.1").await;
        let password = password_of(identity);
        let second = Introduction { source: ELSEWHERE, ..Introduction::of(identity, "ocpp2.0.1", &password) };
        let knocks = Station::introduce(&scene.node.addresses, &second);
        let (second, ()) = tokio::join!(knocks, first.ends_when_asked(last));
        second.unwrap_or_else(|status| panic!("{identity}: refused with {status}")).is_well().await;
    }
    assert_eq!(scene.refused("already_connected").await, 0.0);
    scene.end().await;
}

#[tokio::test]
async fn a_second_socket_from_elsewhere_takes_the_place_of_a_dead_one() {
    let scene = Scene::new().await;
    let first = scene.booted("ocpp2.0.1").await;
    let password = password_of("CS-ocpp2.0.1");
    let second =
        Introduction { source: ELSEWHERE, ..Introduction::of("CS-ocpp2.0.1", "ocpp2.0.1", &password) };
    // Nobody reads the first one, so nobody answers the ping.
    let mut second = Station::introduce(&scene.node.addresses, &second).await.unwrap();
    second.is_well().await;
    drop(first);
    second.is_well().await;
    assert_eq!(scene.node.api().station("CS-ocpp2.0.1").await["online"], true);
    scene.end().await;
}

/// The handshake is completed without the header and the socket closed at once (OCPP-J 1.6, 3.1.2; TC_B_58).
#[tokio::test]
async fn without_a_common_protocol_the_upgrade_is_made_and_closed() {
    let scene = Scene::new().await;
    scene.node.api().register("CS-1").await;
    for (identity, offer, expect) in [
        ("CS-1", "", None),
        ("CS-1", "Sec-WebSocket-Protocol: ocpp1.5\r\n", None),
        ("STRANGER", "Sec-WebSocket-Protocol: ocpp1.5\r\n", None),
        ("CS-1", "Sec-WebSocket-Protocol: ocpp2.0, mqtt\r\n", None),
        ("CS-1", "Sec-WebSocket-Protocol: OCPP1.6\r\n", None),
        ("CS-1", "Sec-WebSocket-Protocol: ocpp9.9, ocpp2.0.1, ocpp1.6\r\n", Some("ocpp2.0.1")),
        ("CS-1", "Sec-WebSocket-Protocol: ocpp1.6\r\nSec-WebSocket-Protocol: ocpp2.1\r\n", Some("ocpp1.6")),
    ] {
        let mut stream = TcpStream::connect(scene.node.addresses.ws).await.unwrap();
        let credentials = STANDARD.encode(format!("{identity}:{}", password_of(identity)));
        let request = format!(
            "GET /ocpp/{identity} HTTP/1.1\r\nHost: house\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Authorization: Basic {credentials}\r\n{offer}\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(within("the head of the answer", stream.read_u8()).await.unwrap());
        }
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 101 "), "{offer:?}: {head}");
        let chosen = head.lines().find_map(|line| line.strip_prefix("sec-websocket-protocol: "));
        assert_eq!(chosen, expect, "{offer:?}");
        if expect.is_none() {
            let mut frame = [0; 4];
            within("the close", stream.read_exact(&mut frame)).await.unwrap();
            assert_eq!((frame[0], u16::from_be_bytes([frame[2], frame[3]])), (0x88, 1002), "{offer:?}");
        }
    }
    let stranger = scene.node.api().send("GET", "/charging-stations/STRANGER", &[], None).await;
    assert_eq!(stranger.status, 404, "whoever cannot speak with us leaves no record");
    scene.end().await;
}

/// Whoever has the right password comes five times at once and then once a second; by identity, since nobody else can lock it out.
#[tokio::test]
async fn a_station_that_comes_too_often_is_told_to_wait() {
    let scene = Scene::new().await;
    scene.node.api().register("CS-busy").await;
    let password = password_of("CS-busy");
    let since = std::time::Instant::now();
    let knocks = (0..40).map(|_| async {
        let who = Introduction::of("CS-busy", "ocpp2.0.1", &password);
        Station::introduce(&scene.node.addresses, &who).await.err()
    });
    let statuses = futures_util::future::join_all(knocks).await;
    let allowed = statuses.iter().filter(|status| **status != Some(429)).count();
    let allowed_most = 5.0 + since.elapsed().as_secs_f64().ceil();
    assert!(f64::from(u32::try_from(allowed).unwrap()) <= allowed_most, "{statuses:?}");
    assert!((1..40).contains(&allowed), "{statuses:?}");
    assert!(scene.refused("too_many_connects").await >= 1.0);
    scene.node.api().register("CS-other").await;
    Station::booted(&scene.node.addresses, "CS-other", "ocpp2.0.1").await.is_well().await;
    scene.end().await;
}
