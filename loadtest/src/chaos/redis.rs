//! A private Redis that the run may kill and empty: nothing of it is on a disk, on a free port of 127.0.0.1.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use futures_util::FutureExt as _;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::timeout;

use super::postgres::free_port;
use super::process::{Recipe, Supervised, command};

/// Found in `PATH`.
const PROGRAM: &str = "redis-server";
/// How long the first start may take.
const START: Duration = Duration::from_secs(30);
/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(5);

/// A running private server.
pub(super) struct Redis {
    pub(super) process: Supervised<()>,
    pub(super) port: u16,
    folder: TempDir,
}

/// Is there a server to start on this machine?
#[must_use]
pub fn is_installed() -> bool {
    let found = std::process::Command::new(PROGRAM).arg("--version").stdout(Stdio::null()).status();
    found.is_ok_and(|status| status.success())
}

// === impl Redis ===

impl Redis {
    /// Starts a server with nothing in it.
    pub(super) async fn start() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("ringmain-chaos-redis.").tempdir()?;
        let port = free_port()?;
        let process = Supervised::start(recipe(folder.path(), port));
        process.ready(START).await.context("redis")?;
        Ok(Self { process, port, folder })
    }

    /// Takes everything out of it.
    pub(super) async fn flush(&self) -> anyhow::Result<()> {
        let answer = ask(self.port, "FLUSHALL").await?;
        ensure!(answer.starts_with("+OK"), "FLUSHALL is answered with {answer}");
        Ok(())
    }

    /// How many routes of stations are in it.
    pub(super) async fn routes(&self) -> anyhow::Result<usize> {
        let answer = ask(self.port, r#"EVAL "return #redis.call('keys','*:route:*')" 0"#).await?;
        let told = answer.trim().strip_prefix(':').and_then(|count| count.parse().ok());
        told.with_context(|| format!("the count of routes is answered with {answer}"))
    }

    /// The route of one station: the form, the epoch and the node.
    pub(super) async fn route(&self, station: &str) -> anyhow::Result<Option<String>> {
        let key = format!("*:route:{station}");
        let answer = ask(
            self.port,
            &format!("EVAL \"return redis.call('get',redis.call('keys','{key}')[1] or '')\" 0"),
        )
        .await?;
        // A bulk string: its length, then itself.
        Ok(answer
            .split_once("\r\n")
            .map(|(_length, value)| value.trim().to_owned())
            .filter(|value| !value.is_empty()))
    }

    /// Ends the server and takes its folder away.
    pub(super) async fn end(self) -> anyhow::Result<()> {
        self.process.end().await?;
        self.folder.close().context("remove the folder of redis")
    }
}

fn recipe(folder: &Path, port: u16) -> Recipe<()> {
    let folder = folder.to_owned();
    Recipe {
        name: "redis".to_owned(),
        command: Box::new(move || server(&folder, port)),
        ready: Box::new(move || {
            async move { ask(port, "PING").await.is_ok_and(|answer| answer.starts_with("+PONG")).then_some(()) }
                .boxed()
        }),
    }
}

fn server(folder: &Path, port: u16) -> anyhow::Result<Command> {
    let mut server = command(Path::new(PROGRAM), None, &folder.join("redis.log"))?;
    server.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
    server.arg("--dir").arg(folder);
    Ok(server)
}

/// One command of the inline protocol.
async fn ask(port: u16, words: &str) -> anyhow::Result<String> {
    let asked = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.context("connect to redis")?;
        stream.write_all(format!("{words}\r\n").as_bytes()).await.context("ask redis")?;
        let mut answer = [0_u8; 64];
        let length = stream.read(&mut answer).await.context("read the answer of redis")?;
        anyhow::Ok(String::from_utf8_lossy(answer.get(..length).unwrap_or_default()).into_owned())
    };
    timeout(ANSWER, asked).await.context("redis does not answer")?
}
