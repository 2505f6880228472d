//! The same over TLS: versions, client certificates, a handshake that never ends.

use super::rig::{self, OFFER, Rig, answer, request, within};
use futures_util::{SinkExt, StreamExt};
use ringmain_certs::chain::CertificateFiles;
use ringmain_certs::client::{ClientSettings, Offer, ServerTrust};
use ringmain_certs::dev_ca::{DevCa, Issued};
use ringmain_certs::identity::PeerCertificate;
use ringmain_certs::server::{ClientAuth, ServerSettings, ServerTls};
use ringmain_certs::verifier::ClientCa;
use ringmain_gateway::handshake::ListenerKind;
use ringmain_gateway::listen::ListenSettings;
use rustls::ProtocolVersion;
use rustls::pki_types::ServerName;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

/// A listener with a certificate of a CA of its own, and what its clients need.
pub(super) struct TlsRig {
    pub(super) rig: Rig,
    ca: DevCa,
    trust: ServerTrust,
    _folder: TempDir,
}

impl TlsRig {
    pub(super) fn new(change: impl FnOnce(&mut ListenSettings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| -> PathBuf {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let ca = DevCa::generate(SystemTime::now()).unwrap();
        let server = ca.issue_server(&["localhost".to_owned()], SystemTime::now()).unwrap();
        let ca_pem = write("ca.pem", ca.certificate_pem());
        let mut settings = ServerSettings::new(CertificateFiles {
            chain_pem: write("server.pem", &server.chain_pem),
            key_pem: write("server.key", &server.key_pem),
        });
        settings.client_auth = ClientAuth::Optional(ClientCa { ca_pem: ca_pem.clone(), crl_pem: None });
        let tls = ServerTls::load(settings).unwrap();
        let rig = Rig::with(change, Some(tls.config()));
        Self { rig, ca, trust: ServerTrust::read(&ca_pem).unwrap(), _folder: folder }
    }

    pub(super) async fn connect(
        &self,
        offer: Offer,
        identity: Option<&Issued>,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        self.connect_over(self.rig.connect().await, offer, identity).await
    }

    pub(super) async fn connect_over(
        &self,
        tcp: TcpStream,
        offer: Offer,
        identity: Option<&Issued>,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let identity = identity.map(|issued| Arc::new(issued.identity().unwrap()));
        let config = self.trust.client(ClientSettings { identity, offer, sessions: 0 }).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        within(TlsConnector::from(Arc::new(config)).connect(name, tcp)).await
    }
}

#[actix_rt::test]
async fn independent_client_talks_over_both_versions_of_tls() {
    let tls = TlsRig::new(|_| {});
    for (offer, version) in
        [(Offer::Tls12, ProtocolVersion::TLSv1_2), (Offer::Tls13, ProtocolVersion::TLSv1_3)]
    {
        let stream = tls.connect(offer, None).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(version));
        let mut request = "wss://localhost/ocpp/CS-1".into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", "ocpp2.0.1".parse().unwrap());
        let (mut client, response) =
            within(Box::pin(tokio_tungstenite::client_async(request, stream))).await.unwrap();
        assert_eq!(response.headers()["sec-websocket-protocol"], "ocpp2.0.1");
        for length in [0, 3, 20_000, 1 << 20] {
            let text = "z".repeat(length);
            within(client.send(Message::text(&text))).await.unwrap();
            assert_eq!(within(client.next()).await.unwrap().unwrap(), Message::text(&text));
        }
        client.close(None).await.unwrap();
        assert!(matches!(within(client.next()).await, Some(Ok(Message::Close(_)))));
        assert!(within(client.next()).await.is_none());
    }
    assert!(
        tls.rig.seen().iter().all(|seen| seen.listener == ListenerKind::Wss && seen.certificate.is_none())
    );
}

#[actix_rt::test]
async fn client_certificate_is_seen() {
    let tls = TlsRig::new(|_| {});
    let station = tls.ca.issue_station("CS-7", "Example Charging", SystemTime::now()).unwrap();
    for offer in [Offer::Tls12, Offer::Tls13] {
        let mut stream = tls.connect(offer, Some(&station)).await.unwrap();
        stream.write_all(request("/ocpp/CS-7", OFFER).as_bytes()).await.unwrap();
        assert_eq!(answer(&mut stream).await.status, 101);
    }
    let expected = PeerCertificate::from_der(station.identity().unwrap().cert[0].as_ref()).unwrap();
    for seen in tls.rig.seen() {
        let certificate = seen.certificate.unwrap();
        assert_eq!(certificate.common_name.as_deref(), Some("CS-7"));
        assert_eq!(certificate.organization.as_deref(), Some("Example Charging"));
        assert_eq!(certificate.sha256_fingerprint, expected.sha256_fingerprint);
    }
    assert_eq!(tls.rig.seen().len(), 2);
}

#[actix_rt::test]
async fn certificate_of_another_ca_never_reaches_the_door() {
    let tls = TlsRig::new(|_| {});
    let stranger = DevCa::generate(SystemTime::now()).unwrap();
    let station = stranger.issue_station("CS-7", "Example Charging", SystemTime::now()).unwrap();
    let failed = match tls.connect(Offer::Tls13, Some(&station)).await {
        Err(_) => true,
        // In TLS 1.3 the client is done before the server has looked at its certificate.
        Ok(mut stream) => within(stream.read_u8()).await.is_err(),
    };
    assert!(failed);
    assert_eq!(tls.rig.seen().len(), 0);
}

#[actix_rt::test]
async fn refusals_are_told_over_tls() {
    let tls = TlsRig::new(|_| {});
    let mut stream = tls.connect(Offer::Both, None).await.unwrap();
    stream.write_all(request("/ocpp/wrong", OFFER).as_bytes()).await.unwrap();
    assert_eq!(answer(&mut stream).await.status, 401);
    assert_eq!(rig::rest(&mut stream).await, b"authentication required\n");
}

#[actix_rt::test]
async fn tls_handshake_that_never_ends_is_cut() {
    let tls = TlsRig::new(|settings| settings.tls_handshake_limit = Duration::from_millis(200));
    let mut silent = tls.rig.connect().await;
    let mut half = tls.rig.connect().await;
    half.write_all(&[0x16, 0x03, 0x01, 0x02, 0x00]).await.unwrap();
    assert_eq!(rig::rest(&mut silent).await, b"");
    let mut rest = Vec::new();
    assert!(within(half.read_to_end(&mut rest)).await.is_err() || rest.is_empty());
}

/// The first bytes of a client that then says nothing more.
fn hello(tls: &TlsRig) -> Vec<u8> {
    let settings = ClientSettings { offer: Offer::Both, identity: None, sessions: 0 };
    let config = tls.trust.client(settings).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

fn one_at_a_time(settings: &mut ListenSettings) {
    // One worker takes connections in their order.
    settings.workers = 1;
    settings.tls_handshakes_max = 1;
}

#[actix_rt::test]
async fn handshakes_beyond_the_limit_wait_their_turn() {
    let tls = TlsRig::new(one_at_a_time);
    let mut unfinished = tls.rig.connect().await;
    unfinished.write_all(&hello(&tls)).await.unwrap();
    // The server's part of the handshake: it has the only turn now.
    within(unfinished.read_u8()).await.unwrap();
    let client = tls.connect(Offer::Both, None);
    tokio::pin!(client);
    let waited = tokio::time::timeout(Duration::from_millis(300), &mut client).await;
    assert!(waited.is_err(), "the only turn is taken");
    drop(unfinished);
    let mut stream = client.await.unwrap();
    stream.write_all(request("/ocpp/CS-1", OFFER).as_bytes()).await.unwrap();
    assert_eq!(answer(&mut stream).await.status, 101);
}

/// Whoever connects and says nothing holds no turn.
#[actix_rt::test]
async fn a_silent_peer_keeps_nobody_out() {
    let tls = TlsRig::new(one_at_a_time);
    let silent = tls.rig.connect().await;
    let mut stream = within(tls.connect(Offer::Both, None)).await.unwrap();
    stream.write_all(request("/ocpp/CS-1", OFFER).as_bytes()).await.unwrap();
    assert_eq!(answer(&mut stream).await.status, 101);
    drop(silent);
}

#[actix_rt::test]
async fn plain_text_on_the_tls_port_is_cut() {
    let tls = TlsRig::new(|_| {});
    let mut stream = tls.rig.connect().await;
    stream.write_all(request("/ocpp/CS-1", OFFER).as_bytes()).await.unwrap();
    let mut rest = Vec::new();
    let ended = within(stream.read_to_end(&mut rest)).await;
    assert!(!rest.starts_with(b"HTTP"), "no HTTP without TLS: {ended:?}");
    assert_eq!(tls.rig.seen().len(), 0);
}

#[actix_rt::test]
async fn memory_of_a_tls_socket_is_given_back() {
    let tls = TlsRig::new(|_| {});
    let mut stream = tls.connect(Offer::Tls13, None).await.unwrap();
    stream.write_all(request("/ocpp/CS-1", OFFER).as_bytes()).await.unwrap();
    assert_eq!(answer(&mut stream).await.status, 101);
    rig::grow_and_settle(&tls.rig, &mut stream).await;
}
