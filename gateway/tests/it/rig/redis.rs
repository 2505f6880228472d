//! A Redis of one test alone, which can be killed, emptied and started again at the same port.

use std::process::{Child, Command, Stdio};

use ringmain_loadtest::chaos::postgres::free_port;
use tempfile::TempDir;

use super::eventually;

/// One server.
pub(crate) struct Redis {
    port: u16,
    folder: TempDir,
    process: Option<Child>,
}

// === impl Redis ===

impl Redis {
    /// `None` where no server is installed; the test then says so and ends.
    pub(crate) async fn start(test: &str) -> Option<Self> {
        if Command::new("redis-server").arg("--version").stdout(Stdio::null()).status().is_err() {
            println!("SKIPPED {test}: redis-server is not there");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let mut redis = Self { port: free_port().unwrap(), folder, process: None };
        redis.restart().await;
        Some(redis)
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// kill -9; nothing of it was on a disk.
    pub(crate) fn kill9(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Empty, at the same port.
    pub(crate) async fn restart(&mut self) {
        self.kill9();
        let port = self.port.to_string();
        let mut command = Command::new("redis-server");
        command.args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        command.arg("--dir").arg(self.folder.path()).stdin(Stdio::null()).stdout(Stdio::null());
        self.process = Some(command.stderr(Stdio::null()).spawn().unwrap());
        eventually!("redis to answer", (self.cli(&["PING"]) == "PONG").then_some(()));
    }

    /// What a command of its own client answers.
    pub(crate) fn cli(&self, arguments: &[&str]) -> String {
        let port = self.port.to_string();
        let output = Command::new("redis-cli").args(["-p", &port]).args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Which node has a station, as it is written there.
    pub(crate) fn route(&self, station: &str) -> String {
        self.cli(&["GET", &format!("rm:route:{station}")])
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill9();
    }
}
