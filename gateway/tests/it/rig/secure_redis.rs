//! A Redis that is spoken to over TLS alone, with users: one server with a sentinel that watches it, or a cluster of one.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::SystemTime;

use ringmain_certs::dev_ca::DevCa;
use ringmain_loadtest::chaos::postgres::free_port;
use tempfile::TempDir;

use super::eventually;

/// Who may write routes and nothing else, as docs/OPERATING.md has it.
pub(crate) const USER: &str = "ringmain";
pub(crate) const PASSWORD: &str = "of-routes";
const RIGHTS: &str =
    "~rm:* resetchannels -@all +get +set +del +eval +evalsha +script|load +ping +hello +select +role";
const OPERATOR: &str = "operator";

/// The servers.
pub(crate) struct SecureRedis {
    folder: TempDir,
    pub(crate) port: u16,
    pub(crate) sentinel_port: u16,
    processes: Vec<Child>,
}

// === impl SecureRedis ===

impl SecureRedis {
    /// One server, and one sentinel that watches it as `main`.
    pub(crate) async fn watched() -> Self {
        let mut redis = Self::prepare();
        redis.serve("server", redis.port, &redis.users(RIGHTS));
        redis.answers(redis.port).await;
        let port = redis.port;
        let sentinel = format!(
            "sentinel monitor main 127.0.0.1 {port} 1\nsentinel auth-user main {OPERATOR}\nsentinel auth-pass main {PASSWORD}\n"
        );
        redis.serve("sentinel", redis.sentinel_port, &sentinel);
        eventually!("the sentinel to see the server", {
            let told = redis.cli(redis.sentinel_port, &["SENTINEL", "CKQUORUM", "main"]);
            told.starts_with("OK").then_some(())
        });
        redis
    }

    /// One server that is a cluster with all slots.
    pub(crate) async fn cluster() -> Self {
        let mut redis = Self::prepare();
        let rights = format!("{RIGHTS} +cluster|slots +cluster|shards +cluster|nodes +readonly");
        let bus = free_port().unwrap();
        let more =
            format!("{}cluster-enabled yes\ncluster-port {bus}\ntls-cluster yes\n", redis.users(&rights));
        redis.serve("server", redis.port, &more);
        redis.answers(redis.port).await;
        redis.cli(redis.port, &["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
        eventually!("the cluster to have all slots", {
            redis.cli(redis.port, &["CLUSTER", "INFO"]).contains("cluster_state:ok").then_some(())
        });
        redis
    }

    /// PEM of the CA of its certificates.
    pub(crate) fn ca(&self) -> Vec<u8> {
        fs::read(self.path("ca.pem")).unwrap()
    }

    fn prepare() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (ca, now) = (DevCa::generate(SystemTime::now()).unwrap(), SystemTime::now());
        let issued = ca.issue_server(&["127.0.0.1".to_owned()], now).unwrap();
        let redis = Self {
            folder,
            port: free_port().unwrap(),
            sentinel_port: free_port().unwrap(),
            processes: Vec::new(),
        };
        fs::write(redis.path("ca.pem"), ca.certificate_pem()).unwrap();
        fs::write(redis.path("cert.pem"), issued.chain_pem).unwrap();
        fs::write(redis.path("key.pem"), issued.key_pem).unwrap();
        redis
    }

    fn users(&self, rights: &str) -> String {
        format!(
            "user default off\nuser {USER} on >{PASSWORD} {rights}\nuser {OPERATOR} on >{PASSWORD} ~* &* +@all\nsave \"\"\n"
        )
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn serve(&mut self, name: &str, port: u16, more: &str) {
        let home = self.path(name);
        fs::create_dir(&home).unwrap();
        let at = |name: &str| self.path(name).display().to_string();
        let config = format!(
            "port 0\ntls-port {port}\nbind 127.0.0.1\ndir {}\ntls-cert-file {}\ntls-key-file {}\ntls-ca-cert-file {}\n\
             tls-auth-clients no\ntls-replication yes\n{more}",
            home.display(),
            at("cert.pem"),
            at("key.pem"),
            at("ca.pem")
        );
        let file = home.join("redis.conf");
        fs::write(&file, config).unwrap();
        let mut command = Command::new("redis-server");
        command.arg(&file).args((name == "sentinel").then_some("--sentinel"));
        let log = fs::File::create(home.join("log")).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.processes.push(command.spawn().unwrap());
    }

    async fn answers(&self, port: u16) {
        eventually!("redis to answer", (self.cli(port, &["PING"]) == "PONG").then_some(()));
    }

    fn cli(&self, port: u16, arguments: &[&str]) -> String {
        let mut command = Command::new("redis-cli");
        command.args(["-p", &port.to_string(), "--tls", "--cacert"]).arg(self.path("ca.pem"));
        if port == self.port {
            command.args(["--no-auth-warning", "--user", OPERATOR, "--pass", PASSWORD]);
        }
        let output = command.args(arguments).stderr(Stdio::null()).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

impl Drop for SecureRedis {
    fn drop(&mut self) {
        for process in &mut self.processes {
            process.kill().ok();
            process.wait().ok();
        }
    }
}
