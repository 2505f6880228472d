//! Sockets beside those of the crowd: to the node one wants, from the address one wants, as bytes or as a station.
//!
//! The crowd's stations know how to behave; what a case needs to do wrong begins here.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use futures_util::future::BoxFuture;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::balance::{Target, Tls, connector};
use super::scene::{SECRET, Scene};
use crate::dial::{ByteStream, Credentials, Dialer, Endpoint, Refused, Socket, Transport, percent_encoded};
use crate::frame::{self, Frame};
use crate::password::Passwords;
use crate::station::Version;

/// How long opening a socket, or one answer, may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// The doors of all nodes.
#[derive(Clone)]
pub(super) struct Doors {
    targets: Arc<[Target]>,
    tls: Tls,
    passwords: Passwords,
}

/// A byte stream that is open already.
struct Opened(Mutex<Option<Box<dyn ByteStream>>>);

impl Transport for Opened {
    fn open(&self) -> BoxFuture<'static, io::Result<Box<dyn ByteStream>>> {
        let stream = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let used = || io::Error::new(io::ErrorKind::NotConnected, "this stream was used before");
        Box::pin(std::future::ready(stream.ok_or_else(used)))
    }
}

// === impl Doors ===

impl Doors {
    pub(super) fn new(scene: &Scene<'_>) -> anyhow::Result<Self> {
        let tls = scene.grounds.ca.as_deref().map(connector).transpose()?;
        let targets = scene.desk.targets().iter().cloned().collect();
        Ok(Self { targets, tls, passwords: Passwords::Derived(SECRET.to_owned()) })
    }

    /// How many nodes there are.
    pub(super) fn count(&self) -> usize {
        self.targets.len().max(1)
    }

    /// Stations speak TLS here.
    pub(super) const fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// A node by its place, counted round and round.
    pub(super) fn target(&self, place: usize) -> Option<&Target> {
        self.targets.get(place % self.count())
    }

    /// Where a node listens for stations, while it runs.
    pub(super) fn port(&self, place: usize) -> Option<u16> {
        Some(self.target(place)?.stations(self.is_tls())?.port())
    }

    /// A connection to the station listener of a node, with a receive buffer of so many bytes where one is given: no TLS yet.
    pub(super) async fn tcp(
        &self,
        place: usize,
        source: Ipv4Addr,
        receive_buffer: Option<u32>,
    ) -> io::Result<TcpStream> {
        let down = || io::Error::new(io::ErrorKind::ConnectionRefused, "the node is down");
        let at = self.target(place).and_then(|target| target.stations(self.is_tls())).ok_or_else(down)?;
        let socket = TcpSocket::new_v4()?;
        if let Some(bytes) = receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        socket.bind(SocketAddr::from((source, 0)))?;
        let stream = timeout(PATIENCE, socket.connect(at)).await.map_err(io::Error::other)??;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// TLS over a stream, where stations speak it.
    pub(super) async fn secure(&self, stream: impl ByteStream + 'static) -> io::Result<Box<dyn ByteStream>> {
        Ok(match &self.tls {
            None => Box::new(stream),
            Some((connector, name)) => {
                let secured = connector.connect(name.clone(), stream);
                Box::new(timeout(PATIENCE, secured).await.map_err(io::Error::other)??)
            }
        })
    }

    /// A stream on which HTTP may begin.
    pub(super) async fn stream(&self, place: usize, source: Ipv4Addr) -> io::Result<Box<dyn ByteStream>> {
        let tcp = self.tcp(place, source, None).await?;
        self.secure(tcp).await
    }

    /// The password of a station of the run.
    pub(super) fn password(&self, identity: &str) -> Option<String> {
        self.passwords.of(identity)
    }

    /// The head of an upgrade as a station would send it that offers compression, too.
    pub(super) fn upgrade_head(&self, identity: &str, password: Option<String>) -> String {
        let pair = format!("{identity}:{}", password.unwrap_or_default());
        let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
        format!(
            "GET /ocpp/{} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: ocpp2.0.1\r\n\
             Sec-WebSocket-Extensions: permessage-deflate\r\nAuthorization: Basic {encoded}\r\n\r\n",
            percent_encoded(identity)
        )
    }

    /// Makes a stream the socket of a 2.0.1 station.
    pub(super) async fn upgrade(
        &self,
        identity: &str,
        stream: Box<dyn ByteStream>,
    ) -> Result<Box<Socket>, Refused> {
        let endpoint = Endpoint::read("ws://127.0.0.1:9000/ocpp")
            .map_err(|error| Refused(format!("unusable address: {error}")))?;
        let dialer = Dialer::new(Box::new(Opened(Mutex::new(Some(stream)))), endpoint);
        let password = self.password(identity);
        let credentials = Credentials { identity: identity.into(), version: Version::V201, password };
        match timeout(PATIENCE, dialer.dial(&credentials)).await {
            Ok(dialed) => dialed,
            Err(_) => Err(Refused("timed out".to_owned())),
        }
    }

    /// A station's socket at a node.
    pub(super) async fn dial(
        &self,
        identity: &str,
        place: usize,
        source: Ipv4Addr,
    ) -> Result<Box<Socket>, Refused> {
        let stream = self.stream(place, source).await;
        self.upgrade(identity, stream.map_err(|error| Refused(format!("network: {}", error.kind())))?).await
    }
}

/// Boots, and waits until that is answered.
pub(super) async fn boot(socket: &mut Socket) -> anyhow::Result<()> {
    let station = json!({"model": "Stranger", "vendorName": "Ringmain Simulated"});
    let payload = json!({"reason": "PowerUp", "chargingStation": station});
    let answer = ask(socket, "boot", "BootNotification", &payload).await?;
    if answer.get("status").and_then(Value::as_str) != Some("Accepted") {
        bail!("the boot is answered with {answer}");
    }
    Ok(())
}

/// Makes a CALL and waits for its CALLRESULT; a CALL of the node meanwhile is left unanswered.
pub(super) async fn ask(
    socket: &mut Socket,
    id: &str,
    action: &str,
    payload: &Value,
) -> anyhow::Result<Value> {
    let call = frame::call(id, action, payload);
    let asked = async {
        socket.send(Message::text(call)).await.context("send")?;
        while let Some(message) = socket.next().await {
            match message.context("read")? {
                Message::Text(text) => match frame::read(&text) {
                    Ok(Frame::Result { id: answered, payload }) if answered == id => return Ok(payload),
                    Ok(Frame::Error { id: answered, code, .. }) if answered == id => {
                        bail!("{action} is answered with {code}")
                    }
                    Ok(_) | Err(_) => {}
                },
                Message::Close(frame) => bail!("closed: {frame:?}"),
                Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_) => {}
            }
        }
        bail!("the stream ends")
    };
    timeout(PATIENCE, asked).await.with_context(|| format!("{action} is not answered"))?
}
