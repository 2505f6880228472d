//! A standby of the private PostgreSQL: a second server that follows it, without which it commits nothing, and that can take its place.

use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use super::postgres::{BIN, Postgres, client, free_port, other_user, recipe};
use super::process::{Supervised, command};

/// How long the second server may take to start, to follow, and to take over.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A server that follows another one.
pub(super) struct Standby {
    pub(super) process: Supervised<()>,
    pub(super) port: u16,
    /// The stopped process of it that listens to the first.
    deaf: Option<String>,
    folder: TempDir,
}

// === impl Standby ===

impl Standby {
    /// Copies the first server, follows it, and from then on nothing is committed that is not here.
    pub(super) async fn follow(first: &Postgres) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("ringmain-chaos-standby.").tempdir()?;
        let ids = other_user()?;
        if let Some((uid, gid)) = ids {
            chown(folder.path(), Some(uid), Some(gid)).context("hand over the folder")?;
        }
        let (cluster, log) = (folder.path().join("cluster"), folder.path().join("standby.log"));
        let mut copy = command(&Path::new(BIN).join("pg_basebackup"), ids, &log)?;
        copy.current_dir(folder.path()).args(["--host", "127.0.0.1", "--username", "postgres", "--no-sync"]);
        copy.args(["--checkpoint", "fast", "--write-recovery-conf", "--port", &first.port.to_string()]);
        let copied = copy.arg("--pgdata").arg(&cluster).status().await.context("run pg_basebackup")?;
        ensure!(copied.success(), "pg_basebackup: {}", fs::read_to_string(&log).unwrap_or_default());
        let port = free_port()?;
        let process = Supervised::start(recipe(folder.path(), &cluster, &log, ids, port));
        process.ready(PATIENCE).await.with_context(|| fs::read_to_string(&log).unwrap_or_default())?;
        first.ask("ALTER SYSTEM SET synchronous_standby_names = '*'").await?;
        first.ask("SELECT pg_reload_conf()").await?;
        let is_followed = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
        until(async || Ok(first.ask(is_followed).await? == "1")).await.context("no synchronous standby")?;
        Ok(Self { process, port, deaf: None, folder })
    }

    /// It hears nothing more of the first server: from here on nothing is committed.
    pub(super) async fn deafen(&mut self) -> anyhow::Result<()> {
        let receiver = self.ask("SELECT pid FROM pg_stat_wal_receiver").await?;
        signal("STOP", &receiver).await?;
        self.deaf = Some(receiver);
        Ok(())
    }

    /// It hears again what still comes, and takes the place of the first server, which is gone.
    pub(super) async fn promote(&mut self) -> anyhow::Result<()> {
        if let Some(receiver) = self.deaf.take() {
            signal("CONT", &receiver).await?;
        }
        let promoted = self.ask("SELECT pg_promote(true, 30)").await?;
        ensure!(promoted == "t", "the standby does not take over: {promoted}");
        Ok(())
    }

    /// One statement; its first value.
    pub(super) async fn ask(&self, sql: &str) -> anyhow::Result<String> {
        ask(self.folder.path(), self.port, "postgres", sql).await
    }

    /// One statement of the node's database; its first value.
    pub(super) async fn ask_node(&self, sql: &str) -> anyhow::Result<String> {
        ask(self.folder.path(), self.port, "ringmain", sql).await
    }

    /// Ends the server and takes its folder away.
    pub(super) async fn end(mut self) -> anyhow::Result<()> {
        if let Some(receiver) = self.deaf.take() {
            signal("CONT", &receiver).await?;
        }
        self.process.end().await?;
        if let Err(error) = self.folder.close() {
            tracing::debug!(%error, "remove the standby");
        }
        Ok(())
    }
}

/// Waits until it is so.
pub(super) async fn until(is_so: impl AsyncFn() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let since = Instant::now();
    while !is_so().await? {
        if since.elapsed() > PATIENCE {
            bail!("not within {} s", PATIENCE.as_secs());
        }
        sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// One statement; its first value.
pub(super) async fn ask(folder: &Path, port: u16, database: &str, sql: &str) -> anyhow::Result<String> {
    let mut client = client("psql", folder, port);
    client.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--dbname", database]);
    let done = client.args(["--command", sql]).stdout(Stdio::piped()).output().await.context("run psql")?;
    ensure!(done.status.success(), "psql: {sql}: {}", done.status);
    Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned())
}

async fn signal(name: &str, process: &str) -> anyhow::Result<()> {
    let sent = Command::new("kill").arg(format!("-{name}")).arg(process).status().await;
    ensure!(sent.context("run kill")?.success(), "process {process} takes no {name}");
    Ok(())
}
