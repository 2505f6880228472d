//! A PostgreSQL with a synchronous standby, both of the test alone: one can be killed, the other takes over.
//!
//! PostgreSQL refuses to run as root: then another user runs it, as in `scripts/with-services.sh`.

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use ringmain_loadtest::chaos::postgres::{BIN, free_port, is_installed, other_user};
use tempfile::TempDir;
use tokio_postgres::NoTls;

use super::eventually;

/// Two servers; the second follows the first, and nothing is committed on the first that the second does not have.
pub(crate) struct Pair {
    primary: Server,
    standby: Server,
    /// The stopped process of the second one that listens to the first.
    deaf: Option<i64>,
}

struct Server {
    process: Child,
    port: u16,
    _folder: TempDir,
}

// === impl Pair ===

impl Pair {
    /// `None` where no server is installed; the test then says so and ends.
    pub(crate) async fn start(test: &str) -> Option<Self> {
        if !is_installed() {
            println!("SKIPPED {test}: {BIN}/postgres is not there");
            return None;
        }
        let (folder, cluster) = cluster_folder();
        let mut make = program("initdb");
        make.arg("--pgdata").arg(&cluster).args(["--username", "postgres", "--auth", "trust", "--no-sync"]);
        run(make.args(["--encoding", "UTF8", "--locale", "C.UTF-8"]));
        let primary = Server::start(folder, &cluster);
        primary.answers().await;
        primary.execute("CREATE ROLE ringmain LOGIN NOSUPERUSER NOBYPASSRLS").await;
        primary.execute("CREATE DATABASE ringmain OWNER ringmain").await;

        let (folder, cluster) = cluster_folder();
        let mut copy = program("pg_basebackup");
        copy.arg("--pgdata").arg(&cluster).args([
            "--host",
            "127.0.0.1",
            "--username",
            "postgres",
            "--no-sync",
        ]);
        run(copy.args([
            "--port",
            &primary.port.to_string(),
            "--checkpoint",
            "fast",
            "--write-recovery-conf",
        ]));
        let standby = Server::start(folder, &cluster);
        standby.answers().await;
        primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'").await;
        primary.execute("SELECT pg_reload_conf()").await;
        let sync = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
        eventually!("a synchronous standby", (primary.number(sync).await == 1).then_some(()));
        Some(Self { primary, standby, deaf: None })
    }

    /// The URL of a store that is wherever one may write.
    pub(crate) fn url(&self) -> String {
        let (first, second) = (self.primary.port, self.standby.port);
        format!(
            "postgres://ringmain@127.0.0.1:{first},127.0.0.1:{second}/ringmain?target_session_attrs=read-write"
        )
    }

    /// The second server hears nothing more of the first: from here on nothing is committed.
    pub(crate) async fn deafen(&mut self) {
        let receiver = self.standby.number("SELECT pid::bigint FROM pg_stat_wal_receiver").await;
        signal("STOP", receiver);
        self.deaf = Some(receiver);
    }

    /// Waits until a commit waits for the second server.
    pub(crate) async fn commit_waits(&self) {
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        eventually!("a commit that waits", (self.primary.number(waiting).await > 0).then_some(()));
    }

    /// `kill -9` of the first server.
    pub(crate) fn kill_primary(&mut self) {
        self.primary.process.kill().unwrap();
        self.primary.process.wait().unwrap();
    }

    /// The second server takes over.
    pub(crate) async fn promote(&mut self) {
        if let Some(receiver) = self.deaf.take() {
            signal("CONT", receiver);
        }
        self.standby.execute("SELECT pg_promote(true, 30)").await;
        assert_eq!(self.standby.number("SELECT pg_is_in_recovery()::int::bigint").await, 0);
    }
}

// === impl Server ===

impl Server {
    fn start(folder: TempDir, cluster: &Path) -> Self {
        let port = free_port().unwrap();
        let sockets = format!("unix_socket_directories={}", folder.path().display());
        let mut server = program("postgres");
        server.arg("-D").arg(cluster).args(["-p", &port.to_string(), "-c", &sockets]);
        server.args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=on", "-c", "timezone=UTC"]);
        Self { process: server.spawn().unwrap(), port, _folder: folder }
    }

    async fn client(&self) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
        let url = format!("postgres://postgres@127.0.0.1:{}/postgres", self.port);
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await?;
        // It ends with its client.
        tokio::spawn(async move { drop(connection.await) });
        Ok(client)
    }

    async fn answers(&self) {
        eventually!("a server that answers", self.client().await.ok());
    }

    async fn execute(&self, sql: &str) {
        self.client().await.unwrap().batch_execute(sql).await.unwrap();
    }

    async fn number(&self, sql: &str) -> i64 {
        self.client().await.unwrap().query_one(sql, &[]).await.unwrap().get(0)
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        if let Some(receiver) = self.deaf.take() {
            signal("CONT", receiver);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// A folder of the server's user, and the cluster that will be in it.
fn cluster_folder() -> (TempDir, PathBuf) {
    let folder = tempfile::Builder::new().prefix("ringmain-standby.").tempdir().unwrap();
    if let Some((uid, gid)) = other_user().unwrap() {
        chown(folder.path(), Some(uid), Some(gid)).unwrap();
    }
    let cluster = folder.path().join("cluster");
    (folder, cluster)
}

/// A program of PostgreSQL as its user; the kernel kills it when this process is gone.
fn program(name: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if let Some((uid, gid)) = other_user().unwrap() {
        command.args(["--reuid", &uid.to_string(), "--regid", &gid.to_string(), "--clear-groups"]);
    }
    command.arg("--").arg(Path::new(BIN).join(name)).current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn signal(name: &str, process: i64) {
    run(Command::new("kill").args([format!("-{name}"), process.to_string()]));
}

fn run(command: &mut Command) {
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
}
