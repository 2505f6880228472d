//! A CSMS that does what a test tells it: accepts, answers, refuses, keeps silent, goes away. Written for these tests alone.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{SinkExt as _, StreamExt as _};
use ringmain_loadtest::dial::{ByteStream, Dialer, Endpoint, Transport};
use ringmain_loadtest::station::Version;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode, header};

use crate::schemas::{Half, check};

/// Longer than any wait a station has; on a paused clock it costs nothing.
const PATIENCE: Duration = Duration::from_secs(7_200);

/// More than any test has to hear before what it waits for; a paused clock would run on for ever.
const CALLS_MAX: usize = 20_000;

/// Byte streams in memory; refused while nobody listens.
pub(crate) struct MemoryTransport {
    to: mpsc::Sender<DuplexStream>,
}

impl Transport for MemoryTransport {
    fn open(&self) -> BoxFuture<'static, io::Result<Box<dyn ByteStream>>> {
        let to = self.to.clone();
        Box::pin(async move {
            let (here, there) = tokio::io::duplex(1 << 16);
            to.send(there)
                .await
                .map_err(|error| io::Error::new(io::ErrorKind::ConnectionRefused, error.to_string()))?;
            Ok(Box::new(here) as Box<dyn ByteStream>)
        })
    }
}

/// The listening side.
pub(crate) struct Csms {
    pub(crate) version: Version,
    incoming: mpsc::Receiver<DuplexStream>,
}

/// What a station showed at the door.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Door {
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
}

/// One CALL of a station.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) action: String,
    pub(crate) payload: Value,
    /// When it came, on the test's clock.
    pub(crate) at: Instant,
}

/// One connection of a station.
pub(crate) struct Conn<S = DuplexStream> {
    pub(crate) version: Version,
    pub(crate) door: Door,
    socket: WebSocketStream<S>,
    waiting: VecDeque<Call>,
    next_id: u64,
    next_transaction: i64,
}

impl Csms {
    pub(crate) fn new(version: Version) -> (Self, Arc<Dialer>) {
        let (to, incoming) = mpsc::channel(64);
        let endpoint = Endpoint::read("ws://csms.test/ocpp").unwrap();
        (Self { version, incoming }, Arc::new(Dialer::new(Box::new(MemoryTransport { to }), endpoint)))
    }

    /// The next connection, upgraded.
    pub(crate) async fn accept(&mut self) -> Conn {
        let stream = timeout(PATIENCE, self.incoming.recv()).await.expect("no connection in time").unwrap();
        upgrade(self.version, stream).await
    }

    /// The next connection, turned away with a status.
    pub(crate) async fn turn_away(&mut self, status: StatusCode) -> Instant {
        let stream = timeout(PATIENCE, self.incoming.recv()).await.expect("no connection in time").unwrap();
        let at = Instant::now();
        turn_away(stream, status).await;
        at
    }

    /// The next connection, and its boot accepted with the statuses that follow.
    pub(crate) async fn accept_and_boot(&mut self, heartbeat_s: u32) -> Conn {
        let mut conn = self.accept().await;
        conn.boot(heartbeat_s).await;
        conn
    }

    /// No connection is opened for so long.
    pub(crate) async fn nobody_for(&mut self, span: Duration) {
        assert!(timeout(span, self.incoming.recv()).await.is_err(), "a connection came");
    }

    pub(crate) async fn next_stream(&mut self) -> Option<DuplexStream> {
        self.incoming.recv().await
    }
}

/// Answers the upgrade of a station; only its own subprotocol is taken.
#[expect(clippy::result_large_err, reason = "the signature is the library's")]
pub(crate) async fn upgrade<S: AsyncRead + AsyncWrite + Unpin>(version: Version, stream: S) -> Conn<S> {
    let mut door = Door::default();
    let callback = |request: &Request, mut response: Response| {
        door.path = request.uri().path().to_owned();
        let told =
            |name| request.headers().get(name).map(|value: &HeaderValue| value.to_str().unwrap().to_owned());
        door.authorization = told(header::AUTHORIZATION);
        assert_eq!(told(header::SEC_WEBSOCKET_PROTOCOL).as_deref(), Some(version.subprotocol()));
        let subprotocol = HeaderValue::from_static(version.subprotocol());
        response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, subprotocol);
        Ok(response)
    };
    let socket = tokio_tungstenite::accept_hdr_async(stream, callback).await.unwrap();
    Conn { version, door, socket, waiting: VecDeque::new(), next_id: 0, next_transaction: 4_000 }
}

#[expect(clippy::result_large_err, reason = "the signature is the library's")]
pub(crate) async fn turn_away<S: AsyncRead + AsyncWrite + Unpin>(stream: S, status: StatusCode) {
    let callback = |_: &Request, _: Response| {
        let mut response = ErrorResponse::new(None);
        *response.status_mut() = status;
        Err(response)
    };
    assert!(tokio_tungstenite::accept_hdr_async(stream, callback).await.is_err());
}

impl Call {
    pub(crate) fn text(&self, pointer: &str) -> &str {
        self.payload
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_else(|| panic!("{pointer} in {self:?}"))
    }

    pub(crate) fn number(&self, pointer: &str) -> i64 {
        self.payload
            .pointer(pointer)
            .and_then(Value::as_i64)
            .unwrap_or_else(|| panic!("{pointer} in {self:?}"))
    }

    /// The first sample of a measurand.
    pub(crate) fn sample(&self, measurand: &str) -> f64 {
        let samples = self.payload["meterValue"][0]["sampledValue"].as_array().expect("samples");
        let found = samples.iter().find(|sample| sample["measurand"] == measurand).expect("the measurand");
        found["value"].as_f64().or_else(|| found["value"].as_str()?.parse().ok()).expect("a number")
    }

    /// Energy register of a message that has one, Wh.
    pub(crate) fn register_wh(&self) -> f64 {
        self.sample("Energy.Active.Import.Register")
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Conn<S> {
    /// The next CALL; `None` when the station has left.
    pub(crate) async fn next_or_end(&mut self) -> Option<Call> {
        if let Some(call) = self.waiting.pop_front() {
            return Some(call);
        }
        match self.read().await? {
            Frame::Call(call) => Some(call),
            Frame::Answer { id, .. } => panic!("answer to nothing: {id}"),
        }
    }

    pub(crate) async fn next(&mut self) -> Call {
        self.next_or_end().await.expect("the station left")
    }

    /// The next CALL, which must be this one.
    pub(crate) async fn expect(&mut self, action: &str) -> Call {
        let call = self.next().await;
        assert_eq!(call.action, action, "{call:?}");
        call
    }

    /// Nothing comes for so long.
    pub(crate) async fn silence_for(&mut self, span: Duration) {
        assert!(self.waiting.is_empty(), "{:?}", self.waiting);
        if let Ok(Some(Frame::Call(call))) = timeout(span, self.read()).await {
            panic!("{call:?}");
        }
    }

    /// Answers everything as a friendly CSMS would, until a CALL fits; that one is answered too. Returns all of them.
    pub(crate) async fn serve_until(&mut self, fits: impl Fn(&Call) -> bool) -> Vec<Call> {
        let mut served = Vec::new();
        loop {
            let call = self.next().await;
            self.answer_well(&call).await;
            let done = fits(&call);
            served.push(call);
            if done {
                return served;
            }
            assert!(served.len() < CALLS_MAX, "it never came; last was {:?}", served.last());
        }
    }

    /// As [`Conn::serve_until`], but the one that fits is left unanswered and returned alone.
    pub(crate) async fn serve_up_to(&mut self, fits: impl Fn(&Call) -> bool) -> Call {
        for _ in 0..CALLS_MAX {
            let call = self.next().await;
            if fits(&call) {
                return call;
            }
            self.answer_well(&call).await;
        }
        panic!("it never came");
    }

    /// Accepts the boot and answers the statuses that follow: one for each connector, 1.6 one more.
    pub(crate) async fn boot(&mut self, heartbeat_s: u32) -> Call {
        let boot = self.expect("BootNotification").await;
        self.answer(&boot, json!({ "status": "Accepted", "currentTime": now(), "interval": heartbeat_s }))
            .await;
        boot
    }

    pub(crate) async fn answer(&mut self, call: &Call, payload: Value) {
        check(self.version, &call.action, Half::Response, &payload);
        self.send(json!([3, call.id, payload]).to_string()).await;
    }

    pub(crate) async fn refuse(&mut self, call: &Call, code: &str) {
        self.send(json!([4, call.id, code, "", {}]).to_string()).await;
    }

    /// The answer a CSMS in good mood gives.
    pub(crate) async fn answer_well(&mut self, call: &Call) {
        let payload = self.good_answer(call);
        self.answer(call, payload).await;
    }

    fn good_answer(&mut self, call: &Call) -> Value {
        match (self.version, call.action.as_str()) {
            (_, "BootNotification") => json!({ "status": "Accepted", "currentTime": now(), "interval": 300 }),
            (_, "Heartbeat") => json!({ "currentTime": now() }),
            (Version::V16, "Authorize") => json!({ "idTagInfo": { "status": "Accepted" } }),
            (Version::V16, "StartTransaction") => {
                self.next_transaction += 1;
                json!({ "idTagInfo": { "status": "Accepted" }, "transactionId": self.next_transaction })
            }
            (_, "Authorize") => json!({ "idTokenInfo": { "status": "Accepted" } }),
            _ => json!({}),
        }
    }

    /// As [`Conn::answer_well`]; `false` when the station has left meanwhile.
    pub(crate) async fn try_answer_well(&mut self, call: &Call) -> bool {
        let payload = self.good_answer(call);
        check(self.version, &call.action, Half::Response, &payload);
        self.socket.send(Message::text(json!([3, call.id, payload]).to_string())).await.is_ok()
    }

    /// The 1.6 transactions of this connection count from here.
    pub(crate) fn number_from(&mut self, number: i64) {
        self.next_transaction = number;
    }

    /// The number the last 1.6 transaction got.
    pub(crate) fn last_number(&self) -> i64 {
        self.next_transaction
    }

    /// Sends a command and waits for its CALLRESULT; CALLs that come meanwhile wait.
    pub(crate) async fn command(&mut self, action: &str, payload: Value) -> Value {
        check(self.version, action, Half::Request, &payload);
        let answer = self.ask(action, payload).await.unwrap_or_else(|code| panic!("{action}: {code}"));
        check(self.version, action, Half::Response, &answer);
        answer
    }

    /// Sends a command, right or wrong, and waits for its CALLERROR.
    pub(crate) async fn command_fault(&mut self, action: &str, payload: Value) -> String {
        self.ask(action, payload).await.expect_err("an error was expected")
    }

    async fn ask(&mut self, action: &str, payload: Value) -> Result<Value, String> {
        self.next_id += 1;
        let id = format!("csms-{}", self.next_id);
        self.send(json!([2, id, action, payload]).to_string()).await;
        loop {
            match self.read().await.expect("the station left") {
                Frame::Call(call) => self.waiting.push_back(call),
                Frame::Answer { id: answered, outcome } => {
                    assert_eq!(answered, id);
                    return outcome;
                }
            }
        }
    }

    /// Sends what the station may not take.
    pub(crate) async fn try_send(&mut self, text: String) -> bool {
        self.socket.send(Message::text(text)).await.is_ok()
    }

    pub(crate) async fn send(&mut self, text: String) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// A raw frame of the station, whatever it is.
    pub(crate) async fn raw(&mut self) -> String {
        let message = timeout(PATIENCE, self.socket.next()).await.expect("nothing in time");
        message.unwrap().unwrap().into_text().unwrap().to_string()
    }

    async fn read(&mut self) -> Option<Frame> {
        loop {
            let message = timeout(PATIENCE, self.socket.next()).await.expect("nothing came in time");
            match message {
                None | Some(Err(_)) => return None,
                Some(Ok(Message::Close(_))) => return None,
                Some(Ok(Message::Text(text))) => return Some(self.understand(&text)),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(other)) => panic!("{other:?}"),
            }
        }
    }

    fn understand(&self, text: &str) -> Frame {
        let frame: Value = serde_json::from_str(text).unwrap();
        let id = frame[1].as_str().unwrap().to_owned();
        match frame[0].as_u64().unwrap() {
            2 => {
                let action = frame[2].as_str().unwrap().to_owned();
                assert!(id.len() == 36, "message ids are UUIDs: {id}");
                check(self.version, &action, Half::Request, &frame[3]);
                Frame::Call(Call { id, action, payload: frame[3].clone(), at: Instant::now() })
            }
            3 => Frame::Answer { id, outcome: Ok(frame[2].clone()) },
            4 => Frame::Answer { id, outcome: Err(frame[2].as_str().unwrap().to_owned()) },
            other => panic!("type {other}: {text}"),
        }
    }
}

enum Frame {
    Call(Call),
    Answer { id: String, outcome: Result<Value, String> },
}

pub(crate) fn now() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}
