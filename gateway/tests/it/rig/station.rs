//! A station that says what it is told to: an independent WebSocket client that sends raw frames and knows no tolerance.
//!
//! Every frame of the node is held to its official schema here, so no test has to ask for it.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt, StreamExt};
use ringmain_certs::client::{ClientSettings, ServerTrust};
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::Request;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::node::Addresses;
use super::{DEADLINE, schemas, within};

/// Both kinds of stream.
pub(crate) trait Line: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Line for T {}

/// One open socket of a station.
pub(crate) struct Station {
    pub(crate) protocol: &'static str,
    socket: WebSocketStream<Box<dyn Line>>,
    next_id: u32,
    /// Actions of our calls by their ids: the schema of an answer depends on them.
    sent: HashMap<String, String>,
}

/// How a station introduces itself.
#[derive(Clone)]
pub(crate) struct Introduction<'a> {
    pub(crate) identity: &'a str,
    pub(crate) protocol: &'static str,
    pub(crate) password: Option<&'a str>,
    pub(crate) with_tls: bool,
    /// Where it comes from, among the addresses of this machine; the node looks at it when an identity comes twice.
    pub(crate) source: Ipv4Addr,
    /// Where a proxy says it comes from; this is the proxy then.
    pub(crate) behind_proxy: Option<SocketAddrV4>,
}

/// What comes from the node.
#[derive(Debug, PartialEq)]
pub(crate) enum Incoming {
    Frame(Value),
    /// The close frame's code; `None` when there was none, or the stream just ended.
    Closed(Option<u16>),
}

/// The password under which the rig registers a station: 40 characters that only this station has.
pub(crate) fn password_of(identity: &str) -> String {
    hex::encode(Sha256::digest(identity)).chars().take(40).collect()
}

// === impl Introduction ===

impl<'a> Introduction<'a> {
    /// With a password, without TLS, from where all tests come from.
    pub(crate) const fn of(identity: &'a str, protocol: &'static str, password: &'a str) -> Self {
        Self {
            identity,
            protocol,
            password: Some(password),
            with_tls: false,
            source: Ipv4Addr::LOCALHOST,
            behind_proxy: None,
        }
    }
}

// === impl Station ===

impl Station {
    /// Connects as a registered station, without TLS.
    pub(crate) async fn connect(addresses: &Addresses, identity: &str, protocol: &'static str) -> Self {
        let password = password_of(identity);
        let introduction = Introduction::of(identity, protocol, &password);
        let connected = Self::introduce(addresses, &introduction).await;
        connected.unwrap_or_else(|status| panic!("{identity} is refused with {status}"))
    }

    /// Connects and boots.
    pub(crate) async fn booted(addresses: &Addresses, identity: &str, protocol: &'static str) -> Self {
        let mut station = Self::connect(addresses, identity, protocol).await;
        let answer = station.boot().await;
        assert_eq!(answer["status"], "Accepted", "{answer}");
        station
    }

    /// Connects in any way; a refusal gives its HTTP status.
    pub(crate) async fn introduce(addresses: &Addresses, as_who: &Introduction<'_>) -> Result<Self, u16> {
        let (address, scheme) = if as_who.with_tls { (addresses.wss, "wss") } else { (addresses.ws, "ws") };
        let tcp = TcpSocket::new_v4().unwrap();
        tcp.bind((as_who.source, 0).into()).unwrap();
        let mut tcp = within("a TCP connection", tcp.connect(address)).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        if let Some(source) = as_who.behind_proxy {
            let (ip, port) = (source.ip(), source.port());
            tcp.write_all(format!("PROXY TCP4 {ip} 192.0.2.1 {port} 443\r\n").as_bytes()).await.unwrap();
        }
        let line: Box<dyn Line> = if as_who.with_tls {
            let trust = ServerTrust::read(&addresses.ca).unwrap();
            let config = trust.client(ClientSettings::default()).unwrap();
            let name = ServerName::try_from("localhost").unwrap();
            Box::new(within("TLS", TlsConnector::from(Arc::new(config)).connect(name, tcp)).await.unwrap())
        } else {
            Box::new(tcp)
        };
        let request = request(&format!("{scheme}://{address}/ocpp/{}", as_who.identity), as_who);
        match within("the upgrade", client_async(request, line)).await {
            Ok((socket, _response)) => {
                Ok(Self { protocol: as_who.protocol, socket, next_id: 1, sent: HashMap::new() })
            }
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(other) => panic!("{}: {other}", as_who.identity),
        }
    }

    /// Sends a text as it is.
    pub(crate) async fn send(&mut self, text: &str) {
        self.note(text);
        within("room to send", self.socket.send(Message::text(text))).await.unwrap();
    }

    /// Sends anything; the node may have hung up meanwhile, which is then seen by reading.
    pub(crate) async fn send_message(&mut self, message: Message) {
        drop(within("room to send", self.socket.send(message)).await);
    }

    /// Writes a call and does not wait for its answer; gives back its id.
    pub(crate) async fn begin(&mut self, action: &str, payload: &Value) -> String {
        let id = format!("{action}-{}", self.next_id);
        self.next_id += 1;
        self.send(&json!([2, id, action, payload]).to_string()).await;
        id
    }

    /// A call that must be answered with a result: its payload.
    pub(crate) async fn call(&mut self, action: &str, payload: &Value) -> Value {
        let id = self.begin(action, payload).await;
        self.result(&id).await
    }

    /// A call that must be answered with an error: its code.
    pub(crate) async fn call_refused(&mut self, action: &str, payload: &Value) -> String {
        let id = self.begin(action, payload).await;
        self.error(&id).await
    }

    /// The next frame, which must be the result of this call.
    pub(crate) async fn result(&mut self, id: &str) -> Value {
        let frame = self.frame().await;
        assert_eq!((&frame[0], &frame[1]), (&json!(3), &json!(id)), "{frame}");
        frame[2].clone()
    }

    /// The next frame, which must be the error of this call: its code.
    pub(crate) async fn error(&mut self, id: &str) -> String {
        let frame = self.frame().await;
        assert_eq!((&frame[0], &frame[1]), (&json!(4), &json!(id)), "{frame}");
        frame[2].as_str().unwrap().to_owned()
    }

    /// The next frame, which must be a call of this action: its id and payload.
    pub(crate) async fn ordered(&mut self, action: &str) -> (String, Value) {
        let frame = self.frame().await;
        assert_eq!((&frame[0], &frame[2]), (&json!(2), &json!(action)), "{frame}");
        (frame[1].as_str().unwrap().to_owned(), frame[3].clone())
    }

    /// Answers a call of the node.
    pub(crate) async fn answer(&mut self, id: &str, payload: &Value) {
        self.send(&json!([3, id, payload]).to_string()).await;
    }

    /// The next frame of the node.
    pub(crate) async fn frame(&mut self) -> Value {
        match self.next().await {
            Incoming::Frame(frame) => frame,
            Incoming::Closed(code) => panic!("closed with {code:?} instead of a frame"),
        }
    }

    /// The close code; there must be no frame before it.
    pub(crate) async fn closed(&mut self) -> Option<u16> {
        match self.next().await {
            Incoming::Closed(code) => code,
            Incoming::Frame(frame) => panic!("a frame instead of a close: {frame}"),
        }
    }

    pub(crate) async fn next(&mut self) -> Incoming {
        let incoming = tokio::time::timeout(DEADLINE, self.read()).await;
        let incoming = incoming.unwrap_or_else(|_elapsed| panic!("nothing came from the node in time"));
        if let Incoming::Frame(frame) = &incoming {
            self.hold_to_schema(frame);
        }
        incoming
    }

    /// Boots with the least a boot must say.
    pub(crate) async fn boot(&mut self) -> Value {
        let payload = self.boot_payload();
        self.call("BootNotification", &payload).await
    }

    pub(crate) fn boot_payload(&self) -> Value {
        if self.protocol == "ocpp1.6" {
            json!({"chargePointVendor": "Ring", "chargePointModel": "Main"})
        } else {
            json!({"reason": "PowerUp", "chargingStation": {"vendorName": "Ring", "model": "Main"}})
        }
    }

    /// A heartbeat that must be answered: the connection is unharmed, and all that came before it was read.
    pub(crate) async fn is_well(&mut self) {
        let answer = self.call("Heartbeat", &json!({})).await;
        assert!(answer["currentTime"].is_string(), "{answer}");
    }

    /// Reads until the node asks for a sign of life.
    async fn asked(&mut self) {
        let ping = async { while !matches!(self.socket.next().await.unwrap().unwrap(), Message::Ping(_)) {} };
        // It comes after 30 s of silence.
        tokio::time::timeout(2 * DEADLINE, ping)
            .await
            .unwrap_or_else(|_elapsed| panic!("nobody asked for a sign of life"));
    }

    /// Reads until the node asks for a sign of life, and ends without one: with these bytes as its last ones.
    pub(crate) async fn ends_when_asked(mut self, last: &[u8]) {
        self.asked().await;
        within("room to send", self.socket.get_mut().write_all(last)).await.unwrap();
    }

    /// Reads until the node asks for a sign of life, and gives it.
    pub(crate) async fn pinged(&mut self) {
        self.asked().await;
        // What answers it was queued by reading it.
        within("room to send", self.socket.flush()).await.unwrap();
    }

    /// Says goodbye, and sees the node's.
    pub(crate) async fn close(mut self) {
        self.send_message(Message::Close(None)).await;
        while !matches!(self.next().await, Incoming::Closed(_)) {}
    }

    async fn read(&mut self) -> Incoming {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    return Incoming::Frame(serde_json::from_str(&text).unwrap());
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(frame))) => {
                    return Incoming::Closed(frame.map(|frame| frame.code.into()));
                }
                Some(Ok(other)) => panic!("a node sends no such thing: {other:?}"),
                Some(Err(_)) | None => return Incoming::Closed(None),
            }
        }
    }

    fn note(&mut self, text: &str) {
        if let Ok(Value::Array(frame)) = serde_json::from_str(text)
            && let [Value::Number(kind), Value::String(id), Value::String(action), ..] = frame.as_slice()
            && kind.as_u64() == Some(2)
        {
            self.sent.insert(id.clone(), action.clone());
        }
    }

    fn hold_to_schema(&self, frame: &Value) {
        match (frame[0].as_u64(), frame[1].as_str()) {
            (Some(2), Some(_)) => schemas::check(self.protocol, frame[2].as_str().unwrap(), true, &frame[3]),
            (Some(3), Some(id)) => {
                if let Some(action) = self.sent.get(id) {
                    schemas::check(self.protocol, action, false, &frame[2]);
                }
            }
            (Some(4), Some(_)) => {
                assert_eq!(frame.as_array().map(Vec::len), Some(5), "{frame}");
                assert!(frame[4].is_object(), "{frame}");
            }
            _ => panic!("not a frame of a node: {frame}"),
        }
    }
}

fn request(url: &str, as_who: &Introduction<'_>) -> Request<()> {
    let mut request = url.into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert("Sec-WebSocket-Protocol", as_who.protocol.parse().unwrap());
    if let Some(password) = as_who.password {
        let credentials = STANDARD.encode(format!("{}:{password}", as_who.identity));
        headers.insert("Authorization", format!("Basic {credentials}").parse().unwrap());
    }
    request
}
