//! A PostgreSQL of a test's own, where the shared one cannot be what the test needs: one that speaks TLS.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// Debian's server, as in scripts/with-services.sh.
const BIN: &str = "/usr/lib/postgresql/15/bin";
/// Another process may take the port between the choice and the start.
const ATTEMPTS: usize = 20;

/// The server; it ends with the value.
pub(crate) struct Server {
    pub(crate) port: u16,
    process: Child,
    _folder: TempDir,
}

/// Where it keeps its files, and as whom it runs: PostgreSQL refuses to be root.
struct Home {
    folder: PathBuf,
    is_root: bool,
}

/// Starts a server with these files beside its data (name and text) and these settings.
pub(crate) fn start(files: &[(&str, &str)], settings: &[&str]) -> Server {
    let folder = TempDir::new().unwrap();
    let home =
        Home { is_root: folder.path().metadata().unwrap().uid() == 0, folder: folder.path().to_owned() };
    home.give_away();
    let made = home
        .command("initdb", &["--pgdata", "data", "--username", "postgres", "--auth", "trust", "--no-sync"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    for (name, text) in files {
        let path = folder.path().join("data").join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    home.give_away();
    for _ in 0..ATTEMPTS {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        if let Some(process) = home.serve(port, settings) {
            return Server { port, process, _folder: folder };
        }
    }
    panic!("the server finds no port");
}

// === impl Home ===

impl Home {
    fn give_away(&self) {
        if self.is_root {
            let given = Command::new("chown").args(["-R", "postgres"]).arg(&self.folder).status().unwrap();
            assert!(given.success(), "root runs the server as the user postgres");
        }
    }

    /// A program of the server, as its user. The kernel ends it when the test is gone, however it went.
    fn command(&self, program: &str, words: &[&str]) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "QUIT"]);
        if self.is_root {
            command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups"]);
        }
        command.arg("--").arg(Path::new(BIN).join(program)).args(words);
        command.current_dir(&self.folder).stdin(Stdio::null());
        command
    }

    /// The process, once it takes connections; `None`: its port was taken.
    fn serve(&self, port: u16, settings: &[&str]) -> Option<Child> {
        let mut command = self.command("postgres", &["-D", "data", "-c", "unix_socket_directories="]);
        command.args(["-c", "listen_addresses=127.0.0.1", "-c"]).arg(format!("port={port}"));
        for setting in settings {
            command.args(["-c", setting]);
        }
        let mut process = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let mut told = Vec::new();
        while let Some(Ok(line)) = lines.next() {
            if line.contains("is ready to accept connections") {
                // It would stand still if nobody read on.
                std::thread::spawn(move || lines.for_each(drop));
                return Some(process);
            }
            told.push(line);
        }
        process.wait().unwrap();
        assert!(told.iter().any(|line| line.contains("Address already in use")), "{told:#?}");
        None
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An immediate shutdown; a kill would leave shared memory behind.
        Command::new("kill").arg("-QUIT").arg(self.process.id().to_string()).status().ok();
        self.process.wait().ok();
    }
}
