//! The station listeners: accept, a proxy's word on who it is, TLS, request head, the door's verdict, and the socket handed over.
//!
//! Place on the walk: *socket*, its first half. Stands on actix-server (workers, back-pressure, drain) and actix-http's
//! upgrade service (the request head); TLS is accepted here, so that one service serves both kinds of stream.
//! Each worker is an actix arbiter, and the socket starts its life there.
//!
//! Everything before the 101 has a time limit and a bound. After it the task that accepted a connection holds a few hundred
//! bytes until the stream is dropped: so the connection limit counts live sockets, and a graceful stop waits for them.
//!
//! Never here: who a station is (the door knows), OCPP, frames.

mod handshakes;
pub mod network;
mod proxied;
pub mod proxies;
mod proxy_header;
pub mod stream;

use crate::handshake::{self, Refusal, RefusalReason, UpgradeRequest};
use crate::ws::CloseCode;
use crate::ws::socket::Socket;
use actix_codec::Framed;
use actix_http::body::BoxBody;
use actix_http::{HttpService, KeepAlive, Request, RequestHead, Response, StatusCode, h1};
use actix_server::Server;
use actix_service::{Service, ServiceFactory, fn_factory, fn_service};
use futures_util::future::LocalBoxFuture;
use handshakes::Handshakes;
use proxies::Proxies;
use ringmain_certs::identity::PeerCertificate;
use ringmain_domain::telemetry;
use socket2::{Domain, Protocol, Type};
use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use stream::{Stream, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;
use tokio_rustls::LazyConfigAcceptor;

/// How many bytes of a refused peer are thrown away until it hangs up: closing over unread ones would reset the connection and take the
/// answer with it.
const DISMISS_BYTES_MAX: usize = 64 * 1024;

/// Connections the kernel completes while all workers are busy.
const BACKLOG: i32 = 2_048;

/// Most workers actix-server takes.
const WORKERS_MAX: usize = 512;

/// One listener's settings.
#[derive(Debug, Clone)]
pub struct ListenSettings {
    /// Where to listen; port 0 picks a free one.
    pub address: SocketAddr,
    /// Threads, 1 to 512, each an arbiter of its own.
    pub workers: usize,
    /// Sockets at once over all workers, handshakes counted. At the limit connections wait in the kernel.
    pub connections_max: usize,
    /// TLS handshakes at once over all workers, half of them for one network (/24, /48); the others wait their turn within
    /// `tls_handshake_limit`.
    pub tls_handshakes_max: usize,
    /// From accept to the end of the TLS handshake. Source: dependencies.md section 2: 3 s are too short for 2G modems.
    pub tls_handshake_limit: Duration,
    /// Peers whose connections begin with a PROXY header, which tells where they come from. From anybody else none is read.
    pub proxies: Proxies,
    /// For the whole request head (security.md I5). Late: 408. For a PROXY header before it as long again. Late: closed.
    pub head_limit: Duration,
    /// For the door's verdict. Late: 503.
    pub door_limit: Duration,
    /// For the peer to take the answer, the 101 or a refusal. The three limits together bound all of HTTP.
    pub answer_limit: Duration,
    /// How long a peer that is refused may take to hang up.
    pub farewell_limit: Duration,
    /// How long a graceful stop waits for open sockets, whole seconds; then they are cut.
    pub stop_limit: Duration,
}

/// A station's socket as the door gets it. It may move to another arbiter before it is split.
pub type StationSocket = Socket<Stream>;

/// What the house does with a parsed upgrade request.
pub trait Door: Clone + Send + 'static {
    /// Decides, within [`ListenSettings::door_limit`]. Runs on the worker's arbiter; dropped when it takes longer.
    fn knock(&self, request: UpgradeRequest) -> LocalBoxFuture<'static, Verdict>;
}

/// The door's decision.
pub enum Verdict {
    /// No upgrade.
    Refuse(Refusal),
    /// 101 without a subprotocol and at once a close with 1002: OCPP-J's way to say that no version is shared.
    CloseAfterUpgrade,
    /// 101 with this subprotocol; then `start` takes the socket, on the worker's own arbiter.
    Admit {
        /// One of those the station offered.
        subprotocol: &'static str,
        /// Called once, after the 101 was written.
        start: Box<dyn FnOnce(StationSocket)>,
    },
}

/// What each connection of a listener needs to know.
struct Porch<D> {
    door: D,
    settings: ListenSettings,
    tls: Option<Arc<rustls::ServerConfig>>,
    tls_handshakes: Arc<Handshakes>,
}

// === impl ListenSettings ===

impl ListenSettings {
    /// The usual limits at this address: one worker a core, 25,600 sockets and 256 TLS handshakes at once for each.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        let workers = std::thread::available_parallelism().map_or(1, usize::from).min(WORKERS_MAX);
        Self {
            address,
            workers,
            connections_max: workers * 25_600,
            tls_handshakes_max: workers * 256,
            tls_handshake_limit: Duration::from_secs(15),
            proxies: Proxies::default(),
            head_limit: Duration::from_secs(10),
            door_limit: Duration::from_secs(10),
            answer_limit: Duration::from_secs(10),
            farewell_limit: Duration::from_secs(1),
            stop_limit: Duration::from_secs(30),
        }
    }
}

/// Binds a listener: with `tls` it speaks wss only, without ws only. Must be called inside an actix system or tokio
/// runtime, and the server awaited or spawned: it does nothing before.
///
/// The address is the bound one. [`Server::handle`] pauses accepting and stops: `stop(true)` waits for open sockets.
///
/// # Errors
/// The address cannot be bound, or a setting is out of its range (`InvalidInput`).
pub fn bind<D: Door>(
    settings: &ListenSettings,
    tls: Option<Arc<rustls::ServerConfig>>,
    door: D,
) -> io::Result<(Server, SocketAddr)> {
    if !(1..=WORKERS_MAX).contains(&settings.workers)
        || settings.connections_max == 0
        || !(1..=Semaphore::MAX_PERMITS).contains(&settings.tls_handshakes_max)
    {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "a limit of the listener is out of its range",
        ));
    }
    let listener = bind_socket(settings.address)?;
    let address = listener.local_addr()?;
    let name = if tls.is_some() { "wss" } else { "ws" };
    let tls_handshakes = Arc::new(Handshakes::new(settings.tls_handshakes_max));
    let per_worker = settings.clone();
    let server = Server::build()
        .disable_signals()
        .workers(settings.workers)
        .max_concurrent_connections(settings.connections_max.div_ceil(settings.workers))
        .shutdown_timeout(settings.stop_limit.as_secs())
        .listen(name, listener, move || {
            service(Porch {
                door: door.clone(),
                settings: per_worker.clone(),
                tls: tls.clone(),
                tls_handshakes: Arc::clone(&tls_handshakes),
            })
        })?
        .run();
    Ok((server, address))
}

/// The standard library's listener has a backlog of 128: too few for a thousand stations that lost power together.
fn bind_socket(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// One worker's service: a TCP stream in, nothing out.
fn service<D: Door>(
    porch: Porch<D>,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = (), InitError = ()> {
    let porch = Rc::new(porch);
    let upgrades = Rc::clone(&porch);
    let http = HttpService::build()
        .keep_alive(KeepAlive::Disabled)
        .client_request_timeout(porch.settings.head_limit)
        .client_disconnect_timeout(porch.settings.farewell_limit)
        .upgrade(fn_service(move |(request, framed): (Request, Framed<Stream, h1::Codec>)| {
            upgrade(Rc::clone(&upgrades), request, framed)
        }))
        .h1(fn_service(|request: Request| {
            std::future::ready(Ok::<_, Infallible>(no_upgrade(request.head())))
        }));
    fn_factory(move || {
        let http = http.new_service(());
        let porch = Rc::clone(&porch);
        async move {
            let http = Rc::new(http.await?);
            Ok(fn_service(move |tcp: TcpStream| serve(Rc::clone(&http), Rc::clone(&porch), tcp)))
        }
    })
}

/// One connection, from accept until its stream is dropped.
fn serve<D, H>(http: Rc<H>, porch: Rc<Porch<D>>, tcp: TcpStream) -> LocalBoxFuture<'static, Result<(), ()>>
where
    D: Door,
    H: Service<(Stream, Option<SocketAddr>), Response = ()> + 'static,
{
    Box::pin(async move {
        let (lease, released) = oneshot::channel();
        // Boxed for itself: all the memory of the handshake goes back before the long wait.
        Box::pin(greet(http, porch, tcp, lease)).await;
        // Nobody ever sends: the wait ends when the stream is dropped.
        released.await.or(Ok(()))
    })
}

/// A proxy's header, TLS, then HTTP up to its end or to the upgrade's.
async fn greet<D, H>(http: Rc<H>, porch: Rc<Porch<D>>, mut tcp: TcpStream, lease: oneshot::Sender<()>)
where
    D: Door,
    H: Service<(Stream, Option<SocketAddr>), Response = ()>,
{
    // A socket that refuses is gone already.
    if stream::prepare(&tcp).is_err() {
        return;
    }
    let Some(peer) = proxied::peer_of(&mut tcp, &porch.settings).await else { return };
    let transport = match &porch.tls {
        None => Transport::Plain(tcp),
        Some(config) => {
            let handshake = accept_tls(&porch.tls_handshakes, Arc::clone(config), tcp, peer);
            match timeout(porch.settings.tls_handshake_limit, handshake).await {
                Ok(Ok(stream)) => Transport::Tls(Box::new(stream)),
                Ok(Err(error)) => return lost_in_tls("tls_failed", peer, &error),
                Err(elapsed) => return lost_in_tls("tls_timeout", peer, &elapsed.into()),
            }
        }
    };
    // The HTTP layer times the head only: it would wait for the end of a chunked body for ever.
    let limit = porch.settings.head_limit + porch.settings.door_limit + porch.settings.answer_limit;
    drop(porch);
    match timeout(limit, http.call((Stream::new(transport, lease), Some(peer)))).await {
        Ok(Ok(())) => {}
        // The peer's doing (half a head, a reset), answered by the layer itself where that makes sense.
        Ok(Err(_)) => tracing::debug!(%peer, "request is not whole"),
        Err(_) => tracing::debug!(%peer, "request has no end"),
    }
}

/// The turn comes with the client's hello: a peer that says nothing waits by itself and keeps nobody out.
async fn accept_tls(
    handshakes: &Handshakes,
    config: Arc<rustls::ServerConfig>,
    tcp: TcpStream,
    peer: SocketAddr,
) -> io::Result<tokio_rustls::server::TlsStream<TcpStream>> {
    let hello = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), tcp).await?;
    let _turn = handshakes.turn(peer.ip()).await;
    hello.into_stream(config).await
}

fn lost_in_tls(reason: &'static str, peer: SocketAddr, error: &io::Error) {
    count_refusal(reason);
    tracing::debug!(%peer, reason, %error, "TLS handshake ended");
}

fn count_refusal(reason: &'static str) {
    metrics::counter!(telemetry::SOCKET_REFUSED, "reason" => reason).increment(1);
}

/// The answer to a request that is no upgrade at all.
fn no_upgrade(head: &RequestHead) -> Response<BoxBody> {
    // The peer does not matter: the head is refused before it would be used.
    let peer = head.peer_addr.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)));
    let refusal = match handshake::parse(head, peer, handshake::ListenerKind::Ws, None) {
        Ok(_) => Refusal::new(RefusalReason::UpgradeMalformed),
        Err(refusal) => refusal,
    };
    count_refusal(refusal.reason.label());
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = Response::build(status);
    for header in refusal.headers() {
        response.insert_header(header);
    }
    response.force_close().body(refusal.body()).map_into_boxed_body()
}

/// The upgrade service: asks the door and does what it says. Its end frees everything that HTTP needed.
async fn upgrade<D: Door>(
    porch: Rc<Porch<D>>,
    request: Request,
    framed: Framed<Stream, h1::Codec>,
) -> Result<(), Infallible> {
    let parts = framed.into_parts();
    let (mut stream, early, unsent) = (parts.io, parts.read_buf, parts.write_buf);
    let parsed = parse(request.head(), &stream);
    drop(request);
    let (key, verdict) = match parsed {
        Err(refusal) => (String::new(), Verdict::Refuse(refusal)),
        Ok(request) => {
            let key = request.key.clone();
            let verdict = timeout(porch.settings.door_limit, porch.door.knock(request)).await;
            (key, verdict.unwrap_or_else(|_late| Verdict::Refuse(Refusal::new(RefusalReason::DoorTimeout))))
        }
    };
    let (head, start) = match verdict {
        Verdict::Refuse(refusal) => {
            dismiss(&porch.settings, stream, &unsent, refusal).await;
            return Ok(());
        }
        Verdict::CloseAfterUpgrade => (handshake::switching_protocols(&key, None), None),
        Verdict::Admit { subprotocol, start } => {
            (handshake::switching_protocols(&key, Some(subprotocol)), Some(start))
        }
    };
    if answer(&porch.settings, &mut stream, &unsent, head.as_bytes()).await.is_err() {
        return Ok(());
    }
    let socket = Socket::new(stream, &early);
    drop((early, unsent));
    match start {
        Some(start) => start(socket),
        None => {
            let (_inbound, outbound) = socket.split();
            outbound.close(CloseCode::PROTOCOL, "no common subprotocol");
            outbound.linger().await;
        }
    }
    Ok(())
}

fn parse(head: &RequestHead, stream: &Stream) -> Result<UpgradeRequest, Refusal> {
    // Always there: `greet` gives it to the HTTP layer.
    let peer = head.peer_addr.ok_or(RefusalReason::UpgradeMalformed)?;
    let certificate = stream.certificate_der().map(PeerCertificate::from_der).transpose();
    let certificate = certificate.map_err(|_unreadable| RefusalReason::CertificateUnreadable)?;
    handshake::parse(head, peer, stream.listener(), certificate)
}

/// Writes what the HTTP layer left and the answer.
async fn answer(
    settings: &ListenSettings,
    stream: &mut Stream,
    unsent: &[u8],
    answer: &[u8],
) -> io::Result<()> {
    let write = async {
        stream.write_all(&[unsent, answer].concat()).await?;
        stream.flush().await
    };
    timeout(settings.answer_limit, write).await?
}

/// Tells a peer why it is refused and hangs up in order.
async fn dismiss(settings: &ListenSettings, mut stream: Stream, unsent: &[u8], refusal: Refusal) {
    count_refusal(refusal.reason.label());
    tracing::debug!(reason = refusal.reason.label(), status = refusal.status, "upgrade refused");
    if answer(settings, &mut stream, unsent, write_refusal(refusal).as_bytes()).await.is_err() {
        return;
    }
    let hang_up = async {
        stream.shutdown().await?;
        let mut buffer = [0; 1_024];
        let mut discarded = 0;
        while discarded < DISMISS_BYTES_MAX {
            match stream.read(&mut buffer).await? {
                0 => break,
                length => discarded += length,
            }
        }
        Ok::<_, io::Error>(())
    };
    if !matches!(timeout(settings.farewell_limit, hang_up).await, Ok(Ok(()))) {
        tracing::trace!("refused peer does not hang up in order");
    }
}

fn write_refusal(refusal: Refusal) -> String {
    let reason = StatusCode::from_u16(refusal.status).ok().and_then(|status| status.canonical_reason());
    let now = jiff::Timestamp::now();
    let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&now);
    let date = date.map(|date| format!("Date: {date}\r\n")).unwrap_or_default();
    let headers: String =
        refusal.headers().iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    // Whoever names a protocol to upgrade to says so here too (RFC 9110, 7.8); the HTTP layer does the same.
    let connection = if refusal.status == 426 { "close, upgrade" } else { "close" };
    let body = refusal.body();
    format!(
        "HTTP/1.1 {} {}\r\n{date}{headers}Content-Length: {}\r\nConnection: {connection}\r\n\r\n{body}",
        refusal.status,
        reason.unwrap_or("Refused"),
        body.len()
    )
}
