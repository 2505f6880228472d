//! The node under test: `ringmain serve` over a folder of its own, on ports it chooses anew at every start.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::process::{Recipe, command};
use crate::dial::{ByteStream, Transport};
use crate::oracle::price::Price;

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
    /// The binary `ringmain`.
    pub(super) program: PathBuf,
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

/// Opens byte streams to wherever the node listens now; refused while it is down.
pub(super) struct ToNode {
    state: watch::Receiver<Option<Addresses>>,
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
                let mut node = command(&self.program, None, &self.log)?;
                node.current_dir(&self.folder).args(["serve", "--data-dir"]).arg(&self.folder);
                node.arg("--ready-file").arg(&ready_file);
                for listener in ["HTTP", "WS", "WSS", "OPS"] {
                    node.env(format!("RINGMAIN_LISTEN__{listener}"), "127.0.0.1:0");
                }
                if let Some(url) = &self.store_url {
                    node.env("RINGMAIN_STORE__URL", url);
                }
                // The plan says how stations come back, within the time that the targets give them.
                node.env("RINGMAIN_STATIONS__BACK_OFF_ENABLED", "false");
                node.env("RINGMAIN_BOOTSTRAP_TOKEN", &self.token)
                    .env("RINGMAIN_STATIONS__UNKNOWN", "accept")
                    .env("RINGMAIN_STATIONS__DEFAULT_TARIFF", Price::TARIFF)
                    .env("RINGMAIN_TOKENS__UNKNOWN", "accept")
                    .env("RINGMAIN_LOG__FORMAT", "json")
                    .env("RUST_BACKTRACE", "1");
                for (key, value) in &self.settings {
                    node.env(format!("RINGMAIN_{key}"), value);
                }
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
