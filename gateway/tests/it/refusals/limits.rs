//! Too large, not text, too many at once.

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use super::{PROTOCOLS, Scene};
use crate::rig::station::{Incoming, Introduction, Station};

const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// A call of exactly so many bytes.
fn call_of(bytes: usize) -> String {
    let call =
        |data: &str| format!(r#"[2,"large","DataTransfer",{{"vendorId":"com.example","data":"{data}"}}]"#);
    call(&"x".repeat(bytes - call("").len()))
}

#[tokio::test]
async fn a_message_at_the_limit_is_answered_and_one_byte_more_closes() {
    let scene = Scene::new().await;
    for protocol in PROTOCOLS {
        let mut station = scene.booted(protocol).await;
        for bytes in [MESSAGE_BYTES_MAX - 1, MESSAGE_BYTES_MAX] {
            station.send(&call_of(bytes)).await;
            assert_eq!(station.result("large").await["status"], "UnknownVendorId", "{protocol} {bytes}");
        }
        station.send_message(Message::text(call_of(MESSAGE_BYTES_MAX + 1))).await;
        assert_eq!(station.closed().await, Some(1009), "{protocol}");
    }
    scene.end().await;
}

#[tokio::test]
async fn a_binary_message_closes() {
    let scene = Scene::new().await;
    for protocol in PROTOCOLS {
        let mut station = scene.booted(protocol).await;
        station.send_message(Message::binary(&br#"[2,"1","Heartbeat",{}]"#[..])).await;
        assert_eq!(station.closed().await, Some(1003), "{protocol}");
    }
    scene.end().await;
}

#[tokio::test]
async fn text_that_is_no_utf_8_closes() {
    let scene = Scene::new().await;
    for protocol in PROTOCOLS {
        let mut station = scene.booted(protocol).await;
        let text = b"[2,\"1\",\"Heartbeat\",{\"a\":\"\xff\"}]".to_vec();
        station.send_message(Message::Frame(Frame::message(text, OpCode::Data(Data::Text), true))).await;
        assert_eq!(station.closed().await, Some(1007), "{protocol}");
    }
    scene.end().await;
}

#[tokio::test]
async fn calls_made_at_once_are_answered_in_their_order() {
    let scene = Scene::new().await;
    for protocol in PROTOCOLS {
        let mut station = scene.booted(protocol).await;
        // The first waits for its commit while the others arrive.
        let boot = station.boot_payload();
        let first = station.begin("BootNotification", &boot).await;
        let second = station.begin("Heartbeat", &json!({})).await;
        let third = station.begin("Fly", &json!({})).await;
        let fourth = station.begin("Heartbeat", &json!({})).await;
        assert_eq!(station.result(&first).await["status"], "Accepted", "{protocol}");
        assert!(station.result(&second).await["currentTime"].is_string(), "{protocol}");
        assert_eq!(station.error(&third).await, "NotImplemented", "{protocol}");
        assert!(station.result(&fourth).await["currentTime"].is_string(), "{protocol}");
    }
    scene.end().await;
}

/// One call may be open and a few may wait; a station that sends more in one breath is cut off. What it was told is stored.
#[tokio::test]
async fn more_calls_than_may_wait_close() {
    const CALLS: u32 = 200;
    let scene = Scene::new().await;
    let mut station = scene.booted("ocpp2.0.1").await;
    for number in 0..CALLS {
        let event = json!([2, number.to_string(), "TransactionEvent", {
            "eventType": if number == 0 { "Started" } else { "Updated" }, "timestamp": "2026-03-01T08:00:00Z",
            "triggerReason": "MeterValuePeriodic", "seqNo": number, "transactionInfo": {"transactionId": "T-1"},
        }]);
        station.send_message(Message::text(event.to_string())).await;
    }
    let mut answered = 0;
    let code = loop {
        match station.next().await {
            Incoming::Frame(frame) => {
                assert_eq!((&frame[0], &frame[1]), (&json!(3), &json!(answered.to_string())), "{frame}");
                answered += 1;
            }
            Incoming::Closed(code) => break code,
        }
    };
    assert_eq!(code, Some(1008));
    assert!(answered < CALLS);
    if answered > 0 {
        let facts = scene.node.api().facts("CS-ocpp2.0.1", "T-1").await;
        assert!(
            facts.len() >= usize::try_from(answered).unwrap(),
            "{answered} answered, {} stored",
            facts.len()
        );
    }
    let mut again = Station::connect(&scene.node.addresses, "CS-ocpp2.0.1", "ocpp2.0.1").await;
    again.is_well().await;
    scene.end().await;
}

/// What nothing paces has a rate of its own: 100 at once, then 10 in a second.
#[tokio::test]
async fn too_much_out_of_turn_closes() {
    let scene = Scene::new().await;
    for (text, protocol) in [(r#"[3,"unasked",{}]"#, "ocpp2.0.1"), ("hello", "ocpp1.6")] {
        let mut station = scene.booted(protocol).await;
        let mut sent = 0;
        for number in 1..=99 {
            station.send(text).await;
            sent = number;
        }
        station.is_well().await;
        // More than a hundred only where they took so long that the allowance grew again.
        let closed = async {
            for _ in sent..1_000 {
                station.send_message(Message::text(text)).await;
            }
            station.closed().await
        };
        assert_eq!(closed.await, Some(1008), "{text}");
    }
    scene.end().await;
}

/// Until a station is accepted, everything it says counts.
#[tokio::test]
async fn a_station_in_quarantine_that_talks_too_much_is_cut_off() {
    let scene = Scene::new().await;
    let introduction = Introduction::of("NEW-1", "ocpp2.0.1", "chosen-by-the-station");
    let mut station = Station::introduce(&scene.node.addresses, &introduction).await.unwrap();
    assert_eq!(station.boot().await["status"], "Pending");
    let mut answered = 0;
    let closed = loop {
        station.send_message(Message::text(r#"[2,"1","Heartbeat",{}]"#)).await;
        match station.next().await {
            Incoming::Frame(_) => answered += 1,
            Incoming::Closed(code) => break code,
        }
        assert!(answered < 1_000, "never cut off");
    };
    assert_eq!(closed, Some(1008));
    assert!(answered >= 99, "{answered}");
    scene.end().await;
}
