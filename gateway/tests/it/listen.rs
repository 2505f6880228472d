//! The station listeners over real sockets: raw TCP, tokio-tungstenite as an independent client, TLS with a development CA.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod proxied;
mod refusals;
mod rig;
mod tls;

use futures_util::{SinkExt, StreamExt};
use rig::{KEY, Rig, answer, masked, request, within};
use ringmain_gateway::handshake::ListenerKind;
use ringmain_gateway::listen::{ListenSettings, bind};
use std::collections::HashSet;
use std::io::ErrorKind;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

#[actix_rt::test]
async fn station_is_admitted_with_accept_key_and_its_subprotocol() {
    let rig = Rig::plain();
    let mut stream = rig.connect().await;
    let offer = "Sec-WebSocket-Protocol: ocpp2.0.1, ocpp1.6\r\nAuthorization: Basic Q1MtMTpzZWNyZXQ=\r\n";
    stream.write_all(request("/ocpp/CS-1", offer).as_bytes()).await.unwrap();
    let head = answer(&mut stream).await.head;
    assert_eq!(
        head,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: ocpp2.0.1\r\n\r\n"
    );
    let seen = rig.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].identity.as_str(), seen[0].key.as_str()), ("CS-1", KEY));
    assert_eq!(seen[0].protocols, ["ocpp2.0.1", "ocpp1.6"]);
    assert_eq!(seen[0].password.as_ref().map(|password| password.as_bytes()), Some(&b"secret"[..]));
    assert_eq!(seen[0].peer, stream.local_addr().unwrap());
    assert_eq!((seen[0].listener, &seen[0].certificate), (ListenerKind::Ws, &None));
}

#[actix_rt::test]
async fn first_frame_may_come_with_the_request_head() {
    let rig = Rig::plain();
    for length in [5, 60_000] {
        let mut stream = rig.connect().await;
        let text = "x".repeat(length);
        let bytes = [request("/ocpp/CS-1", rig::OFFER).as_bytes(), &masked(0x81, text.as_bytes())].concat();
        within(stream.write_all(&bytes)).await.unwrap();
        assert_eq!(answer(&mut stream).await.status, 101);
        assert_eq!(rig::read_frame(&mut stream).await, (0x81, text.into_bytes()));
    }
}

#[actix_rt::test]
async fn head_in_single_bytes_is_read() {
    let rig = Rig::plain();
    let mut stream = rig.connect().await;
    for byte in request("/ocpp/CS-1", rig::OFFER).bytes() {
        stream.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(answer(&mut stream).await.status, 101);
}

#[actix_rt::test]
async fn independent_client_talks_over_plain_tcp() {
    let rig = Rig::plain();
    let mut request = format!("ws://{}/ocpp/RDAM%7C123", rig.address).into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "ocpp2.1, ocpp1.6".parse().unwrap());
    let (mut client, response) =
        within(tokio_tungstenite::client_async(request, rig.connect().await)).await.unwrap();
    assert_eq!(
        response.headers()["sec-websocket-protocol"],
        "ocpp1.6",
        "the first of ours in the station's order"
    );
    for text in ["hello", &"y".repeat(300_000), ""] {
        client.send(Message::text(text)).await.unwrap();
        assert_eq!(within(client.next()).await.unwrap().unwrap(), Message::text(text));
    }
    client.send(Message::Ping("p".into())).await.unwrap();
    assert_eq!(within(client.next()).await.unwrap().unwrap(), Message::Pong("p".into()));
    client.close(None).await.unwrap();
    assert!(matches!(within(client.next()).await, Some(Ok(Message::Close(_)))));
    assert!(within(client.next()).await.is_none());
    assert_eq!(rig.seen()[0].identity.as_str(), "RDAM|123");
}

#[actix_rt::test]
async fn no_common_subprotocol_is_upgraded_and_closed_with_1002() {
    let rig = Rig::plain();
    for offer in ["", "Sec-WebSocket-Protocol: ocpp1.2, soap\r\n"] {
        let mut stream = rig.connect().await;
        stream.write_all(request("/ocpp/CS-1", offer).as_bytes()).await.unwrap();
        let answer = answer(&mut stream).await;
        assert_eq!(answer.status, 101);
        assert!(!answer.head.to_ascii_lowercase().contains("sec-websocket-protocol"));
        let (first, payload) = rig::read_frame(&mut stream).await;
        assert_eq!((first, &payload[..2]), (0x88, &1002_u16.to_be_bytes()[..]));
        stream.write_all(&masked(0x88, &payload[..2])).await.unwrap();
        assert_eq!(rig::rest(&mut stream).await, b"");
    }
}

#[actix_rt::test]
async fn slow_head_times_out() {
    let rig = Rig::with(|settings| settings.head_limit = Duration::from_millis(200), None);
    let mut silent = rig.connect().await;
    let mut slow = rig.connect().await;
    slow.write_all(b"GET /ocpp/CS-1 HTTP/1.1\r\nHost: x\r\n").await.unwrap();
    assert_eq!(answer(&mut slow).await.status, 408);
    assert_eq!(answer(&mut silent).await.status, 408);
    assert_eq!(rig::rest(&mut slow).await, b"");
    assert_eq!(rig.seen().len(), 0);
}

#[actix_rt::test]
async fn door_that_does_not_decide_is_a_503() {
    let rig = Rig::with(|settings| settings.door_limit = Duration::from_millis(100), None);
    let mut stream = rig.connect().await;
    stream.write_all(request("/ocpp/undecided", rig::OFFER).as_bytes()).await.unwrap();
    assert_eq!(answer(&mut stream).await.status, 503);
}

#[actix_rt::test]
async fn limit_of_connections_counts_live_sockets() {
    let rig = Rig::with(
        |settings| {
            settings.workers = 1;
            settings.connections_max = 2;
        },
        None,
    );
    let first = rig.admitted().await;
    let _second = rig.admitted().await;
    let mut third = rig.connect().await;
    third.write_all(request("/ocpp/CS-3", rig::OFFER).as_bytes()).await.unwrap();
    let waited = tokio::time::timeout(Duration::from_millis(300), third.read_u8()).await;
    assert!(waited.is_err(), "the third waits in the kernel: {waited:?}");
    drop(first);
    assert_eq!(answer(&mut third).await.status, 101);
}

#[actix_rt::test]
async fn graceful_stop_waits_for_open_sockets() {
    let rig = Rig::plain();
    let mut open = rig.admitted().await;
    let handle = rig.handle.clone();
    let stopped = handle.stop(true);
    tokio::pin!(stopped);
    let early = tokio::time::timeout(Duration::from_millis(300), &mut stopped).await;
    assert!(early.is_err(), "one socket is open");
    open.write_all(&masked(0x81, b"still served")).await.unwrap();
    assert_eq!(rig::read_frame(&mut open).await, (0x81, b"still served".to_vec()));
    drop(open);
    within(stopped).await;
    let refused = TcpStream::connect(rig.address).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[actix_rt::test]
async fn paused_listener_takes_nobody_and_keeps_its_sockets() {
    let rig = Rig::plain();
    let mut open = rig.admitted().await;
    rig.handle.pause().await;
    // The acceptor pauses on its own thread: until then it may still take somebody.
    let mut waiting = within(async {
        loop {
            let mut stream = rig.connect().await;
            stream.write_all(request("/ocpp/CS-2", rig::OFFER).as_bytes()).await.unwrap();
            if tokio::time::timeout(Duration::from_millis(300), stream.readable()).await.is_err() {
                break stream;
            }
        }
    })
    .await;
    open.write_all(&masked(0x81, b"x")).await.unwrap();
    assert_eq!(rig::read_frame(&mut open).await, (0x81, b"x".to_vec()));
    rig.handle.resume().await;
    assert_eq!(answer(&mut waiting).await.status, 101);
}

#[actix_rt::test]
async fn workers_share_the_connections() {
    let rig = Rig::with(|settings| settings.workers = 3, None);
    let mut open = Vec::new();
    for _ in 0..6 {
        open.push(rig.admitted().await);
    }
    let threads: HashSet<_> = rig.threads().into_iter().collect();
    assert_eq!(threads.len(), 3);
}

#[actix_rt::test]
async fn address_in_use_is_an_error() {
    let rig = Rig::plain();
    let settings = ListenSettings::new(rig.address);
    assert_eq!(bind(&settings, None, rig.door()).err().map(|error| error.kind()), Some(ErrorKind::AddrInUse));
}

#[actix_rt::test]
async fn settings_out_of_range_are_an_error() {
    let rig = Rig::plain();
    let changes: [fn(&mut ListenSettings); 4] = [
        |settings| settings.workers = 0,
        |settings| settings.workers = 513,
        |settings| settings.connections_max = 0,
        |settings| settings.tls_handshakes_max = 0,
    ];
    for change in changes {
        let mut settings = ListenSettings::new("127.0.0.1:0".parse().unwrap());
        change(&mut settings);
        let error = bind(&settings, None, rig.door()).err().map(|error| error.kind());
        assert_eq!(error, Some(ErrorKind::InvalidInput));
    }
}

#[actix_rt::test]
async fn memory_of_a_plain_socket_is_given_back() {
    let rig = Rig::plain();
    let mut stream = rig.admitted().await;
    rig::grow_and_settle(&rig, &mut stream).await;
}
