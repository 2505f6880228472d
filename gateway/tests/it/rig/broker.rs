//! A mosquitto of the test alone, and its own clients: what meters and controllers of a site use.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use ringmain_loadtest::chaos::postgres::free_port;
use tempfile::TempDir;

use super::eventually;

/// A broker on a port of its own, where nobody has to sign in.
pub(crate) struct Broker {
    process: Option<Child>,
    port: u16,
    folder: TempDir,
}

// === impl Broker ===

impl Broker {
    pub(crate) async fn start() -> Self {
        let mut broker =
            Self { process: None, port: free_port().unwrap(), folder: tempfile::tempdir().unwrap() };
        broker.again().await;
        broker
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Starts it, at the same place.
    pub(crate) async fn again(&mut self) {
        let config = self.folder.path().join("mosquitto.conf");
        let text = format!("listener {} 127.0.0.1\nallow_anonymous true\nuser root\n", self.port);
        std::fs::write(&config, text).unwrap();
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        let started = Command::new(mosquitto())
            .arg("-c")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.process = Some(started.expect("mosquitto is missing: run scripts/install-packages.sh"));
        eventually!("the broker listens", std::net::TcpStream::connect(self.address()).ok());
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Publishes as a controller does; with `retain` the broker keeps it for those who come later.
    pub(crate) fn publish(&self, topic: &str, body: &str, retain: bool) {
        let mut command = Command::new("mosquitto_pub");
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-q", "1", "-t", topic, "-m", body]);
        if retain {
            command.arg("-r");
        }
        assert!(command.status().unwrap().success());
    }

    /// The next message of a topic; none within a second.
    pub(crate) fn next(&self, topic: &str) -> Option<String> {
        let port = self.port.to_string();
        let args = ["-h", "127.0.0.1", "-p", &port, "-C", "1", "-W", "1", "-t", topic];
        let output = Command::new("mosquitto_sub").args(args).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (!text.is_empty()).then(|| text.trim().to_owned())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

fn mosquitto() -> &'static str {
    let debian = "/usr/sbin/mosquitto";
    if Path::new(debian).exists() { debian } else { "mosquitto" }
}
