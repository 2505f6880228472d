//! A listener on a free port, its door, and a raw client.

use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use ringmain_gateway::handshake::{Refusal, RefusalReason, UpgradeRequest};
use ringmain_gateway::listen::{Door, ListenSettings, StationSocket, Verdict, bind};
use ringmain_gateway::ws::Incoming;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

pub(super) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub(super) const OFFER: &str = "Sec-WebSocket-Protocol: ocpp1.6\r\n";

const SERVED: [&str; 2] = ["ocpp2.0.1", "ocpp1.6"];

/// Within the test's deadline.
pub(super) async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), future).await.unwrap_or_else(|_| panic!("no end in time"))
}

/// An echo for all it admits; some identities have a verdict of their own.
#[derive(Clone, Default)]
pub(super) struct EchoDoor {
    seen: Arc<Mutex<Vec<(UpgradeRequest, ThreadId)>>>,
    /// What the last socket held after its last message.
    retained: Arc<AtomicUsize>,
}

impl Door for EchoDoor {
    fn knock(&self, request: UpgradeRequest) -> LocalBoxFuture<'static, Verdict> {
        self.seen.lock().unwrap().push((request.clone(), std::thread::current().id()));
        let retained = Arc::clone(&self.retained);
        Box::pin(async move {
            let refusal = match request.identity.as_str() {
                "undecided" => std::future::pending().await,
                "stranger" => Some(Refusal::new(RefusalReason::StationUnknown)),
                "stranger-404" => {
                    Some(Refusal { status: 404, ..Refusal::new(RefusalReason::StationUnknown) })
                }
                "wrong" => Some(Refusal::new(RefusalReason::CredentialsWrong)),
                "twice" => Some(Refusal::new(RefusalReason::AlreadyConnected)),
                "foreign" => Some(Refusal::new(RefusalReason::CertificateMismatch)),
                "eager" => Some(Refusal::new(RefusalReason::TooManyAttempts).retry_after(7)),
                "draining" => Some(Refusal::new(RefusalReason::Draining).retry_after(30)),
                _ => None,
            };
            let offered = |name: &&&str| request.protocols.iter().any(|offered| offered == *name);
            match (refusal, SERVED.iter().find(offered)) {
                (Some(refusal), _) => Verdict::Refuse(refusal),
                (None, None) => Verdict::CloseAfterUpgrade,
                (None, Some(subprotocol)) => Verdict::Admit {
                    subprotocol,
                    start: Box::new(|socket| drop(actix_rt::spawn(echo(socket, retained)))),
                },
            }
        })
    }
}

async fn echo(socket: StationSocket, retained: Arc<AtomicUsize>) {
    let (mut inbound, outbound) = socket.split();
    loop {
        // An echo is written when the stream is polled again: after each poll it is known what is kept.
        let item = std::future::poll_fn(|cx| {
            let polled = inbound.poll_next_unpin(cx);
            retained.store(outbound.retained_bytes(), Ordering::SeqCst);
            polled
        });
        let item = item.await;
        match item {
            Some(Ok(Incoming::Text(text))) => outbound.send_text(&text).unwrap(),
            Some(_) => {}
            None => break,
        }
    }
}

pub(super) struct Rig {
    pub(super) address: SocketAddr,
    pub(super) handle: actix_server::ServerHandle,
    door: EchoDoor,
}

impl Rig {
    pub(super) fn plain() -> Self {
        Self::with(|_| {}, None)
    }

    pub(super) fn with(
        change: impl FnOnce(&mut ListenSettings),
        tls: Option<Arc<rustls::ServerConfig>>,
    ) -> Self {
        let mut settings = ListenSettings::new("127.0.0.1:0".parse().unwrap());
        settings.workers = 2;
        change(&mut settings);
        let door = EchoDoor::default();
        let (server, address) = bind(&settings, tls, door.clone()).unwrap();
        assert_ne!(address.port(), 0);
        let handle = server.handle();
        drop(actix_rt::spawn(server));
        Self { address, handle, door }
    }

    pub(super) fn door(&self) -> EchoDoor {
        self.door.clone()
    }

    pub(super) fn seen(&self) -> Vec<UpgradeRequest> {
        self.door.seen.lock().unwrap().iter().map(|(request, _)| request.clone()).collect()
    }

    pub(super) fn threads(&self) -> Vec<ThreadId> {
        self.door.seen.lock().unwrap().iter().map(|(_, thread)| *thread).collect()
    }

    pub(super) fn retained_bytes(&self) -> usize {
        self.door.retained.load(Ordering::SeqCst)
    }

    pub(super) async fn connect(&self) -> TcpStream {
        let stream = within(TcpStream::connect(self.address)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// A raw client past its handshake.
    pub(super) async fn admitted(&self) -> TcpStream {
        let mut stream = self.connect().await;
        stream.write_all(request("/ocpp/CS-1", OFFER).as_bytes()).await.unwrap();
        assert_eq!(answer(&mut stream).await.status, 101);
        stream
    }
}

/// A good request head; `more` are whole header lines.
pub(super) fn request(path: &str, more: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: csms.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{more}\r\n"
    )
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// Reads a response head and not a byte more.
pub(super) async fn answer(stream: &mut (impl AsyncRead + Unpin)) -> Answer {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(within(stream.read_u8()).await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok()).unwrap();
    Answer { status, head }
}

/// All until the end of the stream, which must come in order.
pub(super) async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut rest = Vec::new();
    within(stream.read_to_end(&mut rest)).await.unwrap();
    rest
}

/// A client's frame, masked.
pub(super) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [1, 2, 3, 4];
    let mut out = vec![first];
    match u16::try_from(payload.len()).unwrap() {
        length @ ..126 => out.push(0x80 | u8::try_from(length).unwrap()),
        length => {
            out.push(0x80 | 126);
            out.extend_from_slice(&length.to_be_bytes());
        }
    }
    out.extend_from_slice(&MASK);
    out.extend(payload.iter().enumerate().map(|(n, byte)| byte ^ MASK[n % 4]));
    out
}

/// A frame of the server, shorter than 64 KiB.
pub(super) async fn read_frame(stream: &mut (impl AsyncRead + Unpin)) -> (u8, Vec<u8>) {
    within(async {
        let first = stream.read_u8().await.unwrap();
        let length = match stream.read_u8().await.unwrap() {
            126 => usize::from(stream.read_u16().await.unwrap()),
            length => usize::from(length),
        };
        let mut payload = vec![0; length];
        stream.read_exact(&mut payload).await.unwrap();
        (first, payload)
    })
    .await
}

/// What the idle socket holds: less than 1 KiB, and no more after a 20 KB message both ways.
pub(super) async fn grow_and_settle(rig: &Rig, stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    let settled = async |wanted: fn(usize, usize) -> bool, idle: usize| {
        while !wanted(rig.retained_bytes(), idle) {
            tokio::task::yield_now().await;
        }
        rig.retained_bytes()
    };
    let idle = within(settled(|held, _| held > 0, 0)).await;
    assert!(idle < 1_024, "{idle} bytes idle");
    for length in [5, 20_000, 5] {
        let text = vec![b'x'; length];
        within(stream.write_all(&masked(0x81, &text))).await.unwrap();
        assert_eq!(read_frame(stream).await, (0x81, text));
        // Its pong is written by a later poll: what is known from now on is from after the echo.
        stream.write_all(&masked(0x89, b"")).await.unwrap();
        assert_eq!(read_frame(stream).await, (0x8a, vec![]));
        within(settled(|held, idle| held == idle, idle)).await;
    }
}
