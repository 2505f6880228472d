//! `ringmain serve` as a child process: started, killed, started again over the same data, stopped in order.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use ringmain_store::store::Store;
use serde::Deserialize;
use tempfile::TempDir;

use super::api::Api;
use super::log::Log;
use super::metrics::Page;
use super::stores::{Hold, TestStore};
use super::{eventually, http};

/// The administrator's token of every node under test.
pub(crate) const TOKEN: &str = "rmk_of-the-house-ring-and-of-nobody-else-0123456789";

/// A node under test. When it is dropped the process is killed, and lines of WARN or ERROR that nobody expected fail the test.
pub(crate) struct Node {
    pub(crate) addresses: Addresses,
    /// Standard error, over all runs.
    pub(crate) log: Log,
    /// Standard output, over all runs.
    pub(crate) output: Log,
    child: Child,
    readers: Vec<JoinHandle<()>>,
    settings: Vec<(&'static str, String)>,
    expected: Vec<&'static str>,
    store: TestStore,
    folder: TempDir,
}

/// What the ready file says.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Addresses {
    pub(crate) http: SocketAddr,
    pub(crate) ws: SocketAddr,
    pub(crate) wss: SocketAddr,
    pub(crate) ops: SocketAddr,
    pub(crate) ca: PathBuf,
    pub(crate) cluster: Option<SocketAddr>,
}

// === impl Node ===

impl Node {
    /// A node with the configuration's defaults, but for one: a token may charge any number of times at once.
    pub(crate) async fn start(store: TestStore) -> Self {
        Self::start_with(store, &[]).await
    }

    /// A node with settings as environment variables, without their prefix: `("STATIONS__UNKNOWN", "reject")`.
    pub(crate) async fn start_with(store: TestStore, settings: &[(&'static str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings: Vec<_> = settings.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        let (log, output) = (Log::default(), Log::default());
        let (mut child, readers) = spawn(folder.path(), &store, &settings, &log, &output);
        let addresses = ready(folder.path(), &mut child, &log).await;
        Self { addresses, log, output, child, readers, settings, expected: Vec::new(), store, folder }
    }

    /// A node that can write neither its log nor anything else it has to say: no space is left for it.
    pub(crate) async fn start_mute(store: TestStore) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (log, output) = (Log::default(), Log::default());
        let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
        let mut mute = command(folder.path(), &store, &[]);
        let mut child = mute.stdout(full()).stderr(full()).spawn().unwrap();
        let addresses = ready(folder.path(), &mut child, &log).await;
        let (readers, settings, expected) = (Vec::new(), Vec::new(), Vec::new());
        Self { addresses, log, output, child, readers, settings, expected, store, folder }
    }

    /// Lines of WARN or ERROR with this text are part of the test.
    pub(crate) fn expect_complaint(&mut self, text: &'static str) {
        self.expected.push(text);
    }

    pub(crate) fn api(&self) -> Api {
        Api::new(self.addresses.http)
    }

    /// Nothing is committed while this is held.
    pub(crate) async fn hold_store(&self) -> Hold {
        self.store.hold(self.folder.path()).await
    }

    /// From here on nobody writes to this table of its PostgreSQL (EXCLUSIVE), or reads it either (ACCESS EXCLUSIVE).
    pub(crate) async fn hold_table(&self, table: &str, mode: &str) -> Hold {
        self.store.hold_table(table, mode).await
    }

    /// The node's store a second time, to read what is committed.
    pub(crate) async fn open_store(&self) -> Store {
        self.store.open(self.folder.path()).await
    }

    pub(crate) async fn metrics(&self) -> Page {
        let answer = http::request(self.addresses.ops, "GET", "/metrics", &[], None).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        Page(answer.body)
    }

    /// kill -9: no farewell, no flush.
    pub(crate) fn kill9(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.join_readers();
    }

    /// Starts again over the same data; the addresses are new.
    pub(crate) async fn restart(&mut self) {
        assert!(self.child.try_wait().unwrap().is_some(), "the node still runs");
        std::fs::remove_file(ready_file(self.folder.path())).unwrap();
        let (child, readers) =
            spawn(self.folder.path(), &self.store, &self.settings, &self.log, &self.output);
        (self.child, self.readers) = (child, readers);
        self.addresses = ready(self.folder.path(), &mut self.child, &self.log).await;
    }

    /// SIGTERM; the node must leave in order and with exit code 0.
    pub(crate) async fn stop(&mut self) {
        let signalled = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(signalled.success());
        let status = eventually!("the end of the node", self.child.try_wait().unwrap());
        self.join_readers();
        assert!(status.success(), "{status}: {:#?}", self.log.lines());
    }

    /// A signal to the process: `STOP`, `CONT`.
    pub(crate) fn signal(&self, name: &str) {
        let sent =
            Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    fn join_readers(&mut self) {
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
        self.join_readers();
        let complaints = self.log.complaints(&self.expected);
        if std::thread::panicking() {
            let lines = self.log.lines();
            let tail = lines.get(lines.len().saturating_sub(40)..).unwrap_or_default();
            println!("the node's last lines:\n{}", tail.join("\n"));
        } else {
            assert!(complaints.is_empty(), "nobody expected: {complaints:#?}");
        }
    }
}

fn spawn(
    folder: &Path,
    store: &TestStore,
    settings: &[(&'static str, String)],
    log: &Log,
    output: &Log,
) -> (Child, Vec<JoinHandle<()>>) {
    let mut child = command(folder, store, settings).spawn().unwrap();
    let readers = vec![log.follow(child.stderr.take().unwrap()), output.follow(child.stdout.take().unwrap())];
    (child, readers)
}

fn command(folder: &Path, store: &TestStore, settings: &[(&'static str, String)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringmain"));
    // Variables of this run (the test database) are unknown keys to a node.
    for (name, _value) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("RINGMAIN_") {
            command.env_remove(name);
        }
    }
    for listener in ["HTTP", "WS", "WSS", "OPS"] {
        command.env(format!("RINGMAIN_LISTEN__{listener}"), "127.0.0.1:0");
    }
    command
        .current_dir(folder)
        .args(["serve", "--data-dir"])
        .arg(folder)
        .arg("--ready-file")
        .arg(ready_file(folder))
        .env("RINGMAIN_STORE__URL", store.url(folder))
        .env("RINGMAIN_BOOTSTRAP_TOKEN", TOKEN)
        .env("RINGMAIN_LOG__FORMAT", "json")
        // Most tests say what a station is told, and this comes by itself.
        .env("RINGMAIN_STATIONS__BACK_OFF_ENABLED", "false")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for (key, value) in settings {
        command.env(format!("RINGMAIN_{key}"), value);
    }
    command
}

async fn ready(folder: &Path, child: &mut Child, log: &Log) -> Addresses {
    let text = eventually!("the ready file", {
        if let Some(status) = child.try_wait().unwrap() {
            panic!("the node ended at its start with {status}: {:#?}", log.lines());
        }
        std::fs::read_to_string(ready_file(folder)).ok()
    });
    serde_json::from_str(&text).unwrap()
}

fn ready_file(folder: &Path) -> PathBuf {
    folder.join("ready.json")
}
