//! Nodes among themselves: one CA, one name, and new files under links that stand.

use std::sync::Arc;
use std::time::SystemTime;

use ringmain_certs::chain::CertificateFiles;
use ringmain_certs::dev_ca::DevCa;
use ringmain_certs::node::NodeTls;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// A node's files in a folder of its own.
struct Node {
    folder: TempDir,
    tls: NodeTls,
}

impl Node {
    fn new(trusted: &[&DevCa], issuer: &DevCa) -> Self {
        let folder = TempDir::new().unwrap();
        write(&folder, trusted, issuer);
        let tls = NodeTls::read(&folder.path().join("ca.pem"), &files(&folder)).unwrap();
        Self { folder, tls }
    }

    fn renew(&self, trusted: &[&DevCa], issuer: &DevCa) -> bool {
        write(&self.folder, trusted, issuer);
        self.tls.reload().unwrap()
    }

    /// Connects to another node and says a word, which it says too.
    async fn calls(&self, other: &Self) -> Result<TlsStream<TcpStream>, String> {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let acceptor = TlsAcceptor::from(Arc::clone(&other.tls.server));
        tokio::spawn(async move {
            let (stream, _) = socket.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let mut word = [0; 4];
            while stream.read_exact(&mut word).await.is_ok() {
                stream.write_all(&word).await.unwrap();
            }
        });
        let connector = TlsConnector::from(Arc::clone(&self.tls.client));
        let name = "10.0.0.1".try_into().unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let mut stream = connector.connect(name, stream).await.map_err(|error| error.to_string())?;
        talk(&mut stream).await.map_err(|error| error.to_string())?;
        Ok(stream)
    }
}

async fn talk(stream: &mut TlsStream<TcpStream>) -> std::io::Result<()> {
    stream.write_all(b"ring").await?;
    let mut word = [0; 4];
    stream.read_exact(&mut word).await?;
    assert_eq!(&word, b"ring");
    Ok(())
}

fn files(folder: &TempDir) -> CertificateFiles {
    CertificateFiles { chain_pem: folder.path().join("node.pem"), key_pem: folder.path().join("node.key") }
}

fn write(folder: &TempDir, trusted: &[&DevCa], issuer: &DevCa) {
    let issued = issuer.issue_node(SystemTime::now()).unwrap();
    let bundle: String = trusted.iter().map(|ca| ca.certificate_pem()).collect();
    std::fs::write(folder.path().join("ca.pem"), bundle).unwrap();
    let CertificateFiles { chain_pem, key_pem } = files(folder);
    std::fs::write(chain_pem, &issued.chain_pem).unwrap();
    std::fs::write(key_pem, &issued.key_pem).unwrap();
}

fn ca() -> DevCa {
    DevCa::generate(SystemTime::now()).unwrap()
}

#[tokio::test]
async fn the_ca_of_a_cluster_is_changed_under_nodes_that_run() {
    let (old, new) = (ca(), ca());
    let (one, two) = (Node::new(&[&old], &old), Node::new(&[&old], &old));
    let mut standing = one.calls(&two).await.unwrap();

    // First both are trusted, then certificates are of the new one, at last the old one is trusted no more.
    assert!(one.renew(&[&old, &new], &old) && two.renew(&[&old, &new], &old));
    assert!(one.renew(&[&old, &new], &new));
    one.calls(&two).await.unwrap();
    two.calls(&one).await.unwrap();
    assert!(two.renew(&[&new], &new));
    one.calls(&two).await.unwrap();
    assert!(one.renew(&[&new], &new));
    two.calls(&one).await.unwrap();
    talk(&mut standing).await.unwrap();

    let left_behind = Node::new(&[&old, &new], &old);
    left_behind.calls(&two).await.unwrap_err();
    two.calls(&left_behind).await.unwrap_err();
}

#[tokio::test]
async fn files_that_are_half_written_change_nothing() {
    let ca = ca();
    let (one, two) = (Node::new(&[&ca], &ca), Node::new(&[&ca], &ca));
    assert!(!one.tls.reload().unwrap(), "nothing has changed");
    std::fs::write(files(&one.folder).chain_pem, "-----BEGIN CERTIFICATE-----").unwrap();
    let error = one.tls.reload().unwrap_err();
    assert!(error.to_string().contains("node.pem"), "{error}");
    one.calls(&two).await.unwrap();
    two.calls(&one).await.unwrap();
}
