//! Opening a connection as a station does: address, TLS, upgrade with identity, subprotocol and credentials.
//!
//! OCPP-J: the identity is the last path segment, percent-encoded; HTTP Basic carries it as user name. The byte stream comes
//! from a [`Transport`], so that tests can run in memory on a paused clock.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use futures_util::future::BoxFuture;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Request, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::station::Version;

/// Read buffer of one connection, bytes; the default of the library is 128 KiB.
const READ_BUFFER: usize = 4_096;
/// Largest message taken from the CSMS, bytes.
const MESSAGE_MAX: usize = 4 << 20;

/// Anything bytes can be sent over.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// An open WebSocket.
pub type Socket = WebSocketStream<Box<dyn ByteStream>>;

/// Opens byte streams to one CSMS.
pub trait Transport: Send + Sync {
    /// Opens one, TLS included.
    fn open(&self) -> BoxFuture<'static, io::Result<Box<dyn ByteStream>>>;
}

/// Where the CSMS listens, from a URL such as `wss://csms.example:9443/ocpp`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// wss rather than ws.
    pub tls: bool,
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port; 443 or 80 where the URL has none.
    pub port: u16,
    /// Path before the identity, without a slash at the end.
    pub path: String,
}

/// TCP, with TLS where the endpoint wants it.
pub struct TcpTransport {
    addresses: Arc<[SocketAddr]>,
    source: Option<Ipv4Addr>,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// Opens connections of one station, or of all where they share their TLS settings.
pub struct Dialer {
    transport: Box<dyn Transport>,
    endpoint: Endpoint,
}

/// What a station shows at the door.
#[derive(Clone)]
pub struct Credentials {
    /// OCPP identity.
    pub identity: Arc<str>,
    /// Version it wants to speak.
    pub version: Version,
    /// Password of HTTP Basic; none sends no credentials.
    pub password: Option<String>,
}

/// Why no connection came up, in words short enough to count by.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

// === impl Endpoint ===

impl Endpoint {
    /// Reads a `ws://` or `wss://` URL.
    ///
    /// # Errors
    /// Another scheme, no host, or a port that is none.
    pub fn read(url: &str) -> anyhow::Result<Self> {
        let (tls, rest) = match (url.strip_prefix("wss://"), url.strip_prefix("ws://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => bail!("{url} is neither ws:// nor wss://"),
        };
        let (authority, path) =
            rest.split_once('/').map_or((rest, ""), |(authority, path)| (authority, path));
        let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':')),
            None => match authority.rsplit_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        if host.is_empty() {
            bail!("{url} names no host");
        }
        let port = match port {
            Some(port) => port.parse().with_context(|| format!("read port of {url}"))?,
            None if tls => 443,
            None => 80,
        };
        let path = path.trim_end_matches('/');
        let path = if path.is_empty() { String::new() } else { format!("/{path}") };
        Ok(Self { tls, host: host.to_owned(), port, path })
    }

    /// Looks the host up, once for all stations.
    ///
    /// # Errors
    /// The host is unknown.
    pub async fn look_up(&self) -> anyhow::Result<Arc<[SocketAddr]>> {
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await;
        Ok(found.with_context(|| format!("look up {}", self.host))?.collect())
    }

    /// The URL of one station.
    #[must_use]
    pub fn url(&self, identity: &str) -> String {
        let scheme = if self.tls { "wss" } else { "ws" };
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        format!("{scheme}://{host}:{}{}/{}", self.port, self.path, percent_encoded(identity))
    }
}

// === impl TcpTransport ===

impl TcpTransport {
    /// Connects to `addresses`; `tls` must be given for a wss endpoint.
    ///
    /// # Errors
    /// No TLS settings, or no name a certificate could be checked against.
    pub fn new(
        addresses: Arc<[SocketAddr]>,
        endpoint: &Endpoint,
        tls: Option<Arc<rustls::ClientConfig>>,
    ) -> anyhow::Result<Self> {
        let tls = match (endpoint.tls, tls) {
            (false, _) => None,
            (true, None) => bail!("wss needs a CA file"),
            (true, Some(config)) => {
                let name = ServerName::try_from(endpoint.host.clone()).context("read host as server name")?;
                Some((TlsConnector::from(config), name))
            }
        };
        Ok(Self { addresses, source: None, tls })
    }

    /// Connects from this address of the machine, where it is given.
    #[must_use]
    pub fn from_source(self, source: Option<Ipv4Addr>) -> Self {
        Self { source, ..self }
    }
}

impl Transport for TcpTransport {
    fn open(&self) -> BoxFuture<'static, io::Result<Box<dyn ByteStream>>> {
        let addresses = Arc::clone(&self.addresses);
        let (source, tls) = (self.source, self.tls.clone());
        Box::pin(async move {
            let stream = match (source, addresses.first()) {
                (Some(source), Some(address)) => connect_from(source, *address).await?,
                (_, _) => TcpStream::connect(&*addresses).await?,
            };
            // Small messages must not wait for the acknowledgement of the one before.
            stream.set_nodelay(true)?;
            Ok(match tls {
                None => Box::new(stream) as Box<dyn ByteStream>,
                Some((connector, name)) => Box::new(connector.connect(name, stream).await?),
            })
        })
    }
}

/// Connects from an address of this machine, at any port.
///
/// # Errors
/// The address is not this machine's, or as for any connection.
pub async fn connect_from(source: Ipv4Addr, address: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((source, 0)))?;
    socket.connect(address).await
}

/// An address of the loopback network that only stations of this name have, give or take a collision: balancers and gateways see as
/// many sources as there are stations.
#[must_use]
pub fn loopback_source(identity: &str) -> Ipv4Addr {
    let [a, b, c, ..] = crate::crowd::seed_of(0, identity).to_le_bytes();
    // Neither 127.0.0.x, where everything else on the machine lives, nor an address that ends in 0 or 255.
    Ipv4Addr::new(127, 1 + a % 254, b, 1 + c % 254)
}

// === impl Dialer ===

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Dialer {
    /// Opens connections to `endpoint` over `transport`.
    #[must_use]
    pub fn new(transport: Box<dyn Transport>, endpoint: Endpoint) -> Self {
        Self { transport, endpoint }
    }

    /// Opens one connection as the station.
    ///
    /// # Errors
    /// [`Refused`] with the reason, whoever refused: network, TLS, HTTP status, subprotocol.
    pub async fn dial(&self, credentials: &Credentials) -> Result<Box<Socket>, Refused> {
        let request = self.request(credentials)?;
        let stream = self.transport.open().await.map_err(|error| Refused(io_reason(&error)))?;
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_message_size(Some(MESSAGE_MAX))
            .max_frame_size(Some(MESSAGE_MAX));
        let opened = tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await;
        let (socket, _) = opened.map_err(|error| Refused(ws_reason(&error)))?;
        Ok(Box::new(socket))
    }

    fn request(&self, credentials: &Credentials) -> Result<Request<()>, Refused> {
        let unusable = |_| Refused("unusable credentials".to_owned());
        let mut request = self
            .endpoint
            .url(&credentials.identity)
            .into_client_request()
            .map_err(|error| Refused(format!("unusable address: {error}")))?;
        let headers = request.headers_mut();
        let subprotocol = HeaderValue::from_static(credentials.version.subprotocol());
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, subprotocol);
        if let Some(password) = &credentials.password {
            let pair = format!("{}:{password}", credentials.identity);
            let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
            let mut value = HeaderValue::from_str(&format!("Basic {encoded}")).map_err(unusable)?;
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        Ok(request)
    }
}

fn io_reason(error: &io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(tls) => format!("TLS: {tls}"),
        None => format!("network: {}", error.kind()),
    }
}

fn ws_reason(error: &WsError) -> String {
    match error {
        WsError::Http(response) => format!("HTTP {}", response.status().as_u16()),
        WsError::Protocol(ProtocolError::SecWebSocketSubProtocolError(_)) => {
            "no common subprotocol".to_owned()
        }
        WsError::Io(error) => io_reason(error),
        other => format!("upgrade: {other}"),
    }
}

/// RFC 3986: everything but unreserved characters is encoded.
pub(crate) fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart_and_put_together() {
        let cases = [
            ("wss://csms.example/ocpp/", "wss://csms.example:443/ocpp/CS-1"),
            ("ws://127.0.0.1:9000/ocpp", "ws://127.0.0.1:9000/ocpp/CS-1"),
            ("ws://[::1]:9000/a/b", "ws://[::1]:9000/a/b/CS-1"),
            ("ws://localhost", "ws://localhost:80/CS-1"),
        ];
        for (url, station) in cases {
            assert_eq!(Endpoint::read(url).unwrap().url("CS-1"), station);
        }
        for wrong in ["http://csms.example/", "ws://:9000/ocpp", "ws://host:port/ocpp"] {
            assert!(Endpoint::read(wrong).is_err(), "{wrong}");
        }
    }

    #[tokio::test]
    async fn a_station_comes_from_its_own_address() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint::read("ws://127.0.0.1:1/ocpp").unwrap();
        let addresses = Arc::from([listener.local_addr().unwrap()]);
        let source = loopback_source("CS-1");
        assert_ne!(source, loopback_source("CS-2"));
        let transport = TcpTransport::new(addresses, &endpoint, None).unwrap().from_source(Some(source));
        let (_stream, accepted) = tokio::join!(transport.open(), listener.accept());
        assert_eq!(accepted.unwrap().1.ip(), source);
    }

    #[test]
    fn identities_are_percent_encoded_once() {
        let endpoint = Endpoint::read("ws://h:1/ocpp").unwrap();
        assert_eq!(endpoint.url("RDAM|123 ü"), "ws://h:1/ocpp/RDAM%7C123%20%C3%BC");
    }
}
