//! HAProxy with the configuration that we ship, before one node: the very same file, with its variables set.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::SystemTime;

use ringmain_certs::dev_ca::DevCa;
use ringmain_loadtest::chaos::postgres::free_port;
use tempfile::TempDir;
use tokio::net::TcpStream;

use super::eventually;
use super::log::Log;
use super::node::Addresses;

/// One running HAProxy.
pub(crate) struct Balancer {
    /// Where stations and people find it, and the CA of the certificate that people see.
    pub(crate) wss: SocketAddr,
    pub(crate) https: SocketAddr,
    pub(crate) metrics: SocketAddr,
    pub(crate) log: Log,
    process: Child,
    folder: TempDir,
}

// === impl Balancer ===

impl Balancer {
    /// `None` where HAProxy is not installed; the test then says so and ends.
    pub(crate) async fn start(test: &str, node: &Addresses) -> Option<Self> {
        let there = Command::new("haproxy").arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if there.is_err() {
            println!("SKIPPED {test}: haproxy is not there");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let pem = folder.path().join("people.pem");
        let ca = DevCa::generate(SystemTime::now()).unwrap();
        let issued = ca.issue_server(&["localhost".to_owned()], SystemTime::now()).unwrap();
        std::fs::write(&pem, format!("{}{}", issued.chain_pem, issued.key_pem)).unwrap();
        std::fs::write(folder.path().join("ca.pem"), ca.certificate_pem()).unwrap();
        let free = || SocketAddr::from(([127, 0, 0, 1], free_port().unwrap()));
        let (wss, https, http, metrics) = (free(), free(), free(), free());
        let mut command = Command::new("haproxy");
        command.arg("-f").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/haproxy/haproxy.cfg"));
        for (name, value) in [
            ("NODE_1", "127.0.0.1".to_owned()),
            // Nobody is there: they are down.
            ("NODE_2", "127.0.0.2".to_owned()),
            ("NODE_3", "127.0.0.3".to_owned()),
            ("WSS_PORT", node.wss.port().to_string()),
            ("HTTP_PORT", node.http.port().to_string()),
            ("OPS_PORT", node.ops.port().to_string()),
            ("FRONT_WSS", wss.to_string()),
            ("FRONT_HTTPS", https.to_string()),
            ("FRONT_HTTP", http.to_string()),
            ("FRONT_METRICS", metrics.to_string()),
            ("HTTPS_PEM", pem.display().to_string()),
            // As many open files as a test may have.
            ("MAXCONN", "500".to_owned()),
        ] {
            command.env(format!("RINGMAIN_{name}"), value);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let log = Log::default();
        drop(log.follow(process.stdout.take().unwrap()));
        drop(log.follow(process.stderr.take().unwrap()));
        let mut balancer = Self { wss, https, metrics, log, process, folder };
        for address in [wss, https, metrics] {
            eventually!("haproxy to listen", {
                let ended = balancer.process.try_wait().unwrap();
                assert!(ended.is_none(), "haproxy ended with {ended:?}: {:#?}", balancer.log.lines());
                TcpStream::connect(address).await.ok()
            });
        }
        Some(balancer)
    }

    /// The CA of the certificate that people see.
    pub(crate) fn ca(&self) -> std::path::PathBuf {
        self.folder.path().join("ca.pem")
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        drop(self.process.kill());
        drop(self.process.wait());
        if std::thread::panicking() {
            println!("haproxy's lines:\n{}", self.log.lines().join("\n"));
        }
    }
}
