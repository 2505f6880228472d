//! A development PKI in a temporary folder, a listener that echoes, and a client that tries it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ringmain_certs::chain::CertificateFiles;
use ringmain_certs::client::{ClientSettings, Offer, ServerTrust};
use ringmain_certs::dev_ca::folder::{DevPki, ensure, read_ca};
use ringmain_certs::dev_ca::{DevCa, Issued};
use ringmain_certs::identity::PeerCertificate;
use ringmain_certs::server::{ClientAuth, ServerSettings, ServerTls};
use ringmain_certs::verifier::ClientCa;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, HandshakeKind, ProtocolVersion, ServerConfig};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

pub(crate) const DAY: Duration = Duration::from_secs(86_400);
const DEADLINE: Duration = Duration::from_secs(20);

/// A folder with a development PKI for this moment.
pub(crate) struct Rig {
    pub(crate) folder: TempDir,
    pub(crate) pki: DevPki,
    pub(crate) now: SystemTime,
}

/// What the listener saw of one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Met {
    pub(crate) station: Option<PeerCertificate>,
    pub(crate) protocol: Option<Vec<u8>>,
    pub(crate) version: ProtocolVersion,
    pub(crate) resumed: bool,
}

pub(crate) struct Listener {
    pub(crate) address: SocketAddr,
    met: mpsc::Receiver<Result<Met, String>>,
}

// === impl Rig ===

impl Rig {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let now = SystemTime::now();
        let pki = ensure(folder.path(), &[], now).expect("a development PKI");
        Self { folder, pki, now }
    }

    pub(crate) fn ca(&self) -> DevCa {
        read_ca(self.folder.path()).expect("readable").expect("there is a CA")
    }

    pub(crate) fn client_ca(&self) -> ClientCa {
        ClientCa { ca_pem: self.pki.ca_pem.clone(), crl_pem: None }
    }

    pub(crate) fn server(&self, client_auth: ClientAuth) -> ServerTls {
        let mut settings = ServerSettings::new(self.pki.server());
        settings.client_auth = client_auth;
        ServerTls::load(settings).expect("the development PKI serves")
    }

    pub(crate) fn station(&self) -> Issued {
        self.ca().issue_station("CS-1", "Ring Power", self.now).expect("a station certificate")
    }

    pub(crate) fn client(&self, station: Option<&Issued>) -> ClientConfig {
        self.offering(Offer::Both, station)
    }

    pub(crate) fn offering(&self, offer: Offer, station: Option<&Issued>) -> ClientConfig {
        let identity = station.map(|issued| Arc::new(issued.identity().expect("a pair")));
        ServerTrust::read(&self.pki.ca_pem)
            .expect("the CA file")
            .client(ClientSettings { identity, offer, sessions: 8 })
            .expect("client settings")
    }

    /// Writes a certificate and its key beside the PKI, under names of their own.
    pub(crate) fn keep(&self, name: &str, issued: &Issued) -> CertificateFiles {
        CertificateFiles {
            chain_pem: self.write(&format!("{name}.pem"), &issued.chain_pem),
            key_pem: self.write(&format!("{name}.key"), &issued.key_pem),
        }
    }

    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, content).expect("a writable folder");
        path
    }
}

/// The facts of the first certificate in a file.
pub(crate) fn facts_of(chain_pem: &Path) -> PeerCertificate {
    let der = CertificateDer::from_pem_file(chain_pem).expect("a PEM file");
    PeerCertificate::from_der(&der).expect("a readable certificate")
}

// === impl Listener ===

impl Listener {
    pub(crate) async fn start(config: Arc<ServerConfig>) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = socket.local_addr().expect("bound");
        let (tell, met) = mpsc::channel(32);
        tokio::spawn(async move {
            while let Ok((stream, _)) = socket.accept().await {
                tokio::spawn(serve(TlsAcceptor::from(Arc::clone(&config)), stream, tell.clone()));
            }
        });
        Self { address, met }
    }

    /// What the listener saw of the next client, or why it refused it.
    pub(crate) async fn met(&mut self) -> Result<Met, String> {
        tokio::time::timeout(DEADLINE, self.met.recv()).await.expect("in time").expect("the listener lives")
    }
}

async fn serve(acceptor: TlsAcceptor, stream: TcpStream, tell: mpsc::Sender<Result<Met, String>>) {
    let mut stream = match acceptor.accept(stream).await {
        Ok(stream) => stream,
        Err(error) => return tell.send(Err(error.to_string())).await.expect("the test listens"),
    };
    let session = stream.get_ref().1;
    let met = Met {
        station: session
            .peer_certificates()
            .and_then(|chain| chain.first())
            .map(|own| PeerCertificate::from_der(own).expect("a readable certificate")),
        protocol: session.alpn_protocol().map(<[u8]>::to_vec),
        version: session.protocol_version().expect("after the handshake"),
        resumed: session.handshake_kind() == Some(HandshakeKind::Resumed),
    };
    tell.send(Ok(met)).await.expect("the test listens");
    let mut bytes = [0; 64];
    while let Ok(read) = stream.read(&mut bytes).await {
        if read == 0 || stream.write_all(&bytes[..read]).await.is_err() || stream.flush().await.is_err() {
            return;
        }
    }
}

/// Connects and has one word echoed: with TLS 1.3 a client learns of its refusal only when it reads.
pub(crate) async fn call(
    address: SocketAddr,
    config: ClientConfig,
    name: &str,
) -> Result<TlsStream<TcpStream>, String> {
    let attempt = async {
        let name = ServerName::try_from(name.to_owned()).expect("a server name");
        let stream = TcpStream::connect(address).await?;
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        echo(&mut stream).await?;
        std::io::Result::Ok(stream)
    };
    tokio::time::timeout(DEADLINE, attempt).await.expect("in time").map_err(|error| error.to_string())
}

pub(crate) async fn echo(stream: &mut TlsStream<TcpStream>) -> std::io::Result<()> {
    stream.write_all(b"ping").await?;
    stream.flush().await?;
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).await?;
    assert_eq!(&answer, b"ping");
    Ok(())
}

/// The certificate that the server showed.
pub(crate) fn shown(stream: &TlsStream<TcpStream>) -> PeerCertificate {
    let chain = stream.get_ref().1.peer_certificates().expect("servers show one");
    PeerCertificate::from_der(&chain[0]).expect("a readable certificate")
}
