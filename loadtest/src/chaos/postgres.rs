//! A private PostgreSQL that the run may kill: a cluster of its own in a temporary folder, fsync on, on a free port of 127.0.0.1.
//!
//! PostgreSQL refuses to run as root: then another user runs it, as in `scripts/with-services.sh`. The role of the node is no
//! superuser, so row-level security counts for it.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use futures_util::FutureExt as _;
use tempfile::TempDir;
use tokio::process::Command;

use super::process::{Recipe, Supervised, command};
use super::small_disk::SmallDisk;
use super::standby;

/// Debian's server.
pub const BIN: &str = "/usr/lib/postgresql/15/bin";
/// How long the first start may take.
const START: Duration = Duration::from_secs(60);
/// Where its port is looked for.
const PORTS: std::ops::Range<u16> = 15_000..30_000;
/// Ports that are tried.
const PORT_ATTEMPTS: usize = 50;
/// Users that may run the server when we are root, the first that exists.
const USERS: [&str; 2] = ["postgres", "nobody"];
/// Who owns the database of the node; as `scripts/with-services.sh` makes it.
const ROLE: &str = "CREATE ROLE ringmain LOGIN CREATEDB CREATEROLE NOSUPERUSER NOBYPASSRLS";
const DATABASE: &str = "CREATE DATABASE ringmain OWNER ringmain";

/// A running private server.
pub(super) struct Postgres {
    pub(super) process: Supervised<()>,
    pub(super) url: String,
    pub(super) port: u16,
    pub(super) log: PathBuf,
    /// What its files are on, where that is to be full.
    pub(super) disk: Option<SmallDisk>,
    folder: TempDir,
}

/// Is there a server to start on this machine?
#[must_use]
pub fn is_installed() -> bool {
    Path::new(BIN).join("postgres").exists()
}

// === impl Postgres ===

impl Postgres {
    /// Makes a cluster, starts it and makes the node's database.
    pub(super) async fn start() -> anyhow::Result<Self> {
        Self::start_on(None).await
    }

    /// The same on a disk of so many MiB, where that is given: then its log of writes comes in small pieces, which it asks for again and again.
    pub(super) async fn start_on(disk_mib: Option<u64>) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("ringmain-chaos-postgres.").tempdir()?;
        let ids = other_user()?;
        if let Some((uid, gid)) = ids {
            chown(folder.path(), Some(uid), Some(gid)).context("hand over the folder")?;
        }
        let (cluster, log) = (folder.path().join("cluster"), folder.path().join("postgres.log"));
        let disk = match disk_mib {
            None => None,
            Some(mib) => {
                fs::create_dir(&cluster).context("make the cluster's folder")?;
                Some(SmallDisk::mount(&cluster, mib, ids).await?)
            }
        };
        let mut make = command(&Path::new(BIN).join("initdb"), ids, &log)?;
        if disk.is_some() {
            make.arg("--wal-segsize=1");
        }
        // Nothing in the fresh folder is worth a flush; the server itself runs with fsync.
        make.current_dir(folder.path()).arg("--pgdata").arg(&cluster).args([
            "--username",
            "postgres",
            "--auth",
            "trust",
            "--encoding",
            "UTF8",
            "--locale",
            "C.UTF-8",
            "--no-sync",
        ]);
        let made = make.status().await.context("run initdb")?;
        ensure!(made.success(), "initdb: {made}: {}", fs::read_to_string(&log).unwrap_or_default());
        let port = free_port()?;
        let process = Supervised::start(recipe(folder.path(), &cluster, &log, ids, port));
        process.ready(START).await.with_context(|| fs::read_to_string(&log).unwrap_or_default())?;
        for sql in [ROLE, DATABASE] {
            let mut client = client("psql", folder.path(), port);
            client.args(["--no-psqlrc", "--quiet", "--dbname", "postgres", "--command", sql]);
            let done = client.status().await.context("run psql")?;
            ensure!(done.success(), "psql: {done}");
        }
        let url = format!("postgres://ringmain@127.0.0.1:{port}/ringmain");
        Ok(Self { process, url, port, log, disk, folder })
    }

    /// One statement of the server's owner; its first value.
    pub(super) async fn ask(&self, sql: &str) -> anyhow::Result<String> {
        standby::ask(self.folder.path(), self.port, "postgres", sql).await
    }

    /// The same in the node's database.
    pub(super) async fn ask_node(&self, sql: &str) -> anyhow::Result<String> {
        standby::ask(self.folder.path(), self.port, "ringmain", sql).await
    }

    /// Ends the server and takes its folder away.
    pub(super) async fn end(self) -> anyhow::Result<()> {
        self.process.end().await?;
        drop(self.disk);
        // Its last children may still write there; what stays is the temporary folder's business.
        if let Err(error) = self.folder.close() {
            tracing::debug!(%error, "remove the cluster");
        }
        Ok(())
    }
}

pub(super) fn recipe(
    folder: &Path,
    cluster: &Path,
    log: &Path,
    ids: Option<(u32, u32)>,
    port: u16,
) -> Recipe<()> {
    let (home, cluster, log) = (folder.to_owned(), cluster.to_owned(), log.to_owned());
    let asked = folder.to_owned();
    Recipe {
        name: "postgres".to_owned(),
        command: Box::new(move || {
            let mut server = command(&Path::new(BIN).join("postgres"), ids, &log)?;
            server.current_dir(&home).arg("-D").arg(&cluster);
            let sockets = format!("unix_socket_directories={}", home.display());
            let port = format!("port={port}");
            for setting in ["listen_addresses=127.0.0.1", &port, &sockets, "fsync=on", "timezone=UTC"] {
                server.args(["-c", setting]);
            }
            Ok(server)
        }),
        ready: Box::new(move || {
            let mut asking = client("pg_isready", &asked, port);
            async move { asking.status().await.is_ok_and(|status| status.success()).then_some(()) }.boxed()
        }),
    }
}

/// A client of the server, by its unix socket: a stranger on the port cannot answer.
pub(super) fn client(program: &str, folder: &Path, port: u16) -> Command {
    let mut client = Command::new(Path::new(BIN).join(program));
    client.arg("--host").arg(folder).args(["--port", &port.to_string(), "--username", "postgres"]);
    client.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    client
}

/// A port that is free now, below those the kernel hands out by itself: it is still free after the next kill.
///
/// # Errors
/// None of those that were tried is free.
pub fn free_port() -> anyhow::Result<u16> {
    let mut drawn = std::iter::repeat_with(|| fastrand::u16(PORTS)).take(PORT_ATTEMPTS);
    drawn.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).context("no port is free")
}

/// User and group to run the server as when we are root; else `None`.
///
/// # Errors
/// We are root, and there is no such user.
pub fn other_user() -> anyhow::Result<Option<(u32, u32)>> {
    let status = fs::read_to_string("/proc/self/status").context("read who we are")?;
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:")?.split_whitespace().nth(1));
    if uid != Some("0") {
        return Ok(None);
    }
    let known = fs::read_to_string("/etc/passwd").context("read the users")?;
    let found = USERS.into_iter().find_map(|name| {
        let line = known.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut ids = line.split(':').skip(2).map(str::parse);
        Some((ids.next()?.ok()?, ids.next()?.ok()?))
    });
    found.context("no user to run PostgreSQL as").map(Some)
}
