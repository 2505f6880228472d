//! Conformance of the WebSocket layer: the case groups 1-7, 9 and 10 of the public Autobahn list, rewritten as scripts of
//! hand-made frames over a real TCP connection against an echo of texts.
//!
//! Ours differs from that list where OCPP-J does: binary messages are refused with 1003, and limits are 1 MiB and 128 fragments.
//! Text is checked as it arrives, so the fail-fast cases (6.4) fail as fast as the strict reading asks.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod cases;

use cases::{Case, End, Frame, Step};
use futures_util::StreamExt;
use ringmain_gateway::ws::Incoming;
use ringmain_gateway::ws::socket::Socket;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(20);

/// Runs scripts against a fresh connection each.
async fn check(cases: Vec<Case>) {
    assert!(!cases.is_empty());
    LocalSet::new()
        .run_until(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            spawn_local(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    spawn_local(echo(stream));
                }
            });
            for case in cases {
                let id = case.id.clone();
                timeout(DEADLINE, run(address, case))
                    .await
                    .unwrap_or_else(|_| panic!("{id}: no end in time"));
            }
        })
        .await;
}

async fn echo(stream: TcpStream) {
    let (mut inbound, outbound) = Socket::new(stream, &[]).split();
    while let Some(item) = inbound.next().await {
        if let Ok(Incoming::Text(text)) = item {
            outbound.send_text(&text).unwrap();
        }
    }
}

async fn run(address: SocketAddr, case: Case) {
    let id = &case.id;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for step in case.steps {
        match step {
            Step::Send(bytes) => stream.write_all(&bytes).await.unwrap(),
            Step::Chop(bytes, size) => {
                for piece in bytes.chunks(size) {
                    stream.write_all(piece).await.unwrap();
                    tokio::task::yield_now().await;
                }
            }
            Step::Expect(frame) => assert_eq!(read_frame(&mut stream, id).await, frame, "{id}"),
        }
    }
    match case.end {
        End::Clean => {
            stream.write_all(&cases::close(Some(1000), b"")).await.unwrap();
            assert_eq!(read_frame(&mut stream, id).await, Frame::close(1000), "{id}");
        }
        End::Closed(payload) => {
            assert_eq!(read_frame(&mut stream, id).await, Frame { first: 0x88, payload }, "{id}");
        }
        End::Asked(payload) => {
            assert_eq!(read_frame(&mut stream, id).await, Frame { first: 0x88, payload }, "{id}");
            stream.write_all(&cases::close(None, b"")).await.unwrap();
        }
        End::Failed(code) => assert_eq!(read_frame(&mut stream, id).await, Frame::close(code), "{id}"),
    }
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, [0; 0], "{id}: nothing follows a close frame");
}

/// A frame of the server: never masked.
async fn read_frame(stream: &mut TcpStream, id: &str) -> Frame {
    let mut header = [0; 2];
    stream.read_exact(&mut header).await.unwrap_or_else(|error| panic!("{id}: no frame: {error}"));
    assert_eq!(header[1] & 0x80, 0, "{id}: a server never masks");
    let length = match header[1] {
        126 => usize::from(stream.read_u16().await.unwrap()),
        127 => usize::try_from(stream.read_u64().await.unwrap()).unwrap(),
        length => usize::from(length),
    };
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await.unwrap();
    Frame { first: header[0], payload }
}

#[tokio::test]
async fn group_1_framing() {
    check(cases::framing()).await;
}

#[tokio::test]
async fn group_2_pings_and_pongs() {
    check(cases::pings()).await;
}

#[tokio::test]
async fn group_3_reserved_bits() {
    check(cases::reserved_bits()).await;
}

#[tokio::test]
async fn group_4_opcodes() {
    check(cases::opcodes()).await;
}

#[tokio::test]
async fn group_5_fragmentation() {
    check(cases::fragmentation()).await;
}

#[tokio::test]
async fn group_6_utf8_handling() {
    check(cases::utf8::all()).await;
}

#[tokio::test]
async fn group_7_close_handling() {
    check(cases::closing()).await;
}

#[tokio::test]
async fn group_9_limits() {
    check(cases::limits()).await;
}

#[tokio::test]
async fn group_10_automatic_fragments() {
    check(cases::automatic_fragments()).await;
}
