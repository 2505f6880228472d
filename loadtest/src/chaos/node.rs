//! The node under test: `ringmain serve` over a folder of its own, on ports it chooses anew at every start.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::cluster::Older;
use super::process::{Recipe, command};
use crate::dial::{ByteStream, Transport};
use crate::oracle::price::Price;

/// Settings of every node. The plan says how stations come back, within the time that the targets give them, so nodes do not.
const OF_ALL: [(&str, &str); 5] = [
    ("STATIONS__BACK_OFF_ENABLED", "false"),
    ("STATIONS__UNKNOWN", "accept"),
    ("STATIONS__DEFAULT_TARIFF", Price::TARIFF),
    ("TOKENS__UNKNOWN", "accept"),
    ("LOG__FORMAT", "json"),
];

/// What the ready file says.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Addresses {
    pub(super) http: SocketAddr,
    pub(super) ws: SocketAddr,
    pub(super) wss: SocketAddr,
    pub(super) ops: SocketAddr,
}

/// Where a node is started from.
#[derive(Clone, Debug)]
pub(super) struct Ground {
    /// What it is started from.
    pub(super) release: Release,
    /// Its data folder.
    pub(super) folder: PathBuf,
    /// Standard output and error of all its lives.
    pub(super) log: PathBuf,
    /// `store.url`; a file in the data folder when absent.
    pub(super) store_url: Option<String>,
    /// API key of the administrator.
    pub(super) token: String,
    /// Its name in messages.
    pub(super) name: String,
    /// More settings, by their names after `RINGMAIN_`.
    pub(super) settings: Vec<(&'static str, String)>,
    /// More of its environment, by their whole names.
    pub(super) environment: Vec<(&'static str, String)>,
}

/// What nodes are started from: one binary, or an older one until the update is out. A node takes the newer one at its next start.
#[derive(Clone, Debug)]
pub(super) struct Release {
    newest: PathBuf,
    older: Option<Older>,
    is_out: Arc<AtomicBool>,
}

/// Opens byte streams to wherever the node listens now; refused while it is down.
pub(super) struct ToNode {
    state: watch::Receiver<Option<Addresses>>,
}

// === impl Release ===

impl Release {
    pub(super) fn new(newest: PathBuf, older: Option<Older>) -> Self {
        Self { newest, older, is_out: Arc::default() }
    }

    /// From here on nodes are started from the newest binary.
    pub(super) fn put_out(&self) {
        self.is_out.store(true, Ordering::Release);
    }

    /// The release before, while nodes are still started from it.
    fn older(&self) -> Option<&Older> {
        self.older.as_ref().filter(|_| !self.is_out.load(Ordering::Acquire))
    }

    fn program(&self) -> &Path {
        self.older().map_or(&self.newest, |older| &older.program)
    }

    fn knows(&self, setting: &str) -> bool {
        self.older().is_none_or(|older| !older.lacks.iter().any(|lacking| lacking == setting))
    }
}

// === impl Ground ===

impl Ground {
    /// How the node is started.
    pub(super) fn recipe(self) -> Recipe<Addresses> {
        let ready_file = self.folder.join("ready.json");
        let asked = ready_file.clone();
        Recipe {
            name: self.name.clone(),
            command: Box::new(move || {
                // What the last life left there must not be taken for the new one's.
                match fs::remove_file(&ready_file) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(error).context("remove the ready file");
                    }
                    Ok(()) | Err(_) => {}
                }
                let mut node = command(self.release.program(), None, &self.log)?;
                node.current_dir(&self.folder).args(["serve", "--data-dir"]).arg(&self.folder);
                node.arg("--ready-file").arg(&ready_file);
                for listener in ["HTTP", "WS", "WSS", "OPS"] {
                    node.env(format!("RINGMAIN_LISTEN__{listener}"), "127.0.0.1:0");
                }
                if let Some(url) = &self.store_url {
                    node.env("RINGMAIN_STORE__URL", url);
                }
                let settings = self.settings.iter().map(|(key, value)| (*key, value.as_str()));
                for (key, value) in OF_ALL.into_iter().chain(settings) {
                    if self.release.knows(key) {
                        node.env(format!("RINGMAIN_{key}"), value);
                    }
                }
                node.env("RINGMAIN_BOOTSTRAP_TOKEN", &self.token).env("RUST_BACKTRACE", "1");
                node.envs(self.environment.iter().map(|(key, value)| (key, value)));
                Ok(node)
            }),
            ready: Box::new(move || std::future::ready(read(&asked)).boxed()),
        }
    }
}

fn read(ready_file: &Path) -> Option<Addresses> {
    serde_json::from_str(&fs::read_to_string(ready_file).ok()?).ok()
}

// === impl ToNode ===

impl ToNode {
    pub(super) fn new(state: watch::Receiver<Option<Addresses>>) -> Self {
        Self { state }
    }
}

impl Transport for ToNode {
    fn open(&self) -> BoxFuture<'static, io::Result<Box<dyn ByteStream>>> {
        let address = self.state.borrow().map(|addresses| addresses.ws);
        Box::pin(async move {
            let down = || io::Error::new(io::ErrorKind::ConnectionRefused, "the node is down");
            let stream = TcpStream::connect(address.ok_or_else(down)?).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn ByteStream>)
        })
    }
}
