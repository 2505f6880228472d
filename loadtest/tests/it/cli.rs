//! The binary as it is used: plans checked, runs over TCP and TLS, reports written, ends by stdin and by signal.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ringmain_loadtest::station::Version;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::pem::PemObject as _;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::http::StatusCode;

use crate::csms::{turn_away, upgrade};

/// Longer than any run here takes.
const PATIENCE: Duration = Duration::from_secs(60);

const PLAN: &str = r#"
name = "small"
password = "secret-of-the-plan"
ramp_per_s = 100
[[group]]
count = 5
version = "2.0.1"
id_prefix = "CLI-"
site = "Rig"
kind = "dc"
connectors = 1
power_w = 360000
behaviour = "drivers"
tokens = ["04A1B2C3"]
pause_s = [0, 1]
stay_s = [6, 6]
energy_wh = [10000, 10000]
meter_interval_s = 1
backoff_s = 1
"#;

/// A CSMS on a thread of its own, and how many stations know that they are accepted: they have said something after their boot.
struct Server {
    url: String,
    accepted: Arc<AtomicUsize>,
    authorized: Arc<std::sync::Mutex<Vec<Option<String>>>>,
}

enum Manner {
    Friendly,
    Refusing(StatusCode),
}

impl Server {
    fn start(manner: Manner, tls: Option<TlsAcceptor>) -> Self {
        let (told, address) = std::sync::mpsc::channel();
        let (accepted, authorized) = (Arc::new(AtomicUsize::new(0)), Arc::default());
        let server = (Arc::clone(&accepted), Arc::clone(&authorized));
        let scheme = if tls.is_some() { "wss://localhost" } else { "ws://127.0.0.1" };
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                told.send(listener.local_addr().unwrap().port()).unwrap();
                let manner = Arc::new(manner);
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    let (tls, manner, server) = (tls.clone(), Arc::clone(&manner), server.clone());
                    tokio::spawn(async move {
                        match tls {
                            None => serve(stream, &manner, &server.0, &server.1).await,
                            // A client that does not trust us leaves here.
                            Some(acceptor) => {
                                if let Ok(stream) = acceptor.accept(stream).await {
                                    serve(stream, &manner, &server.0, &server.1).await;
                                }
                            }
                        }
                    });
                }
            });
        });
        let port = address.recv_timeout(PATIENCE).unwrap();
        Self { url: format!("{scheme}:{port}/ocpp"), accepted, authorized }
    }
}

async fn serve<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(
    stream: S,
    manner: &Manner,
    accepted: &AtomicUsize,
    authorized: &std::sync::Mutex<Vec<Option<String>>>,
) {
    if let Manner::Refusing(status) = manner {
        turn_away(stream, *status).await;
        return;
    }
    let mut conn = upgrade(Version::V201, stream).await;
    let mut is_known = false;
    authorized.lock().unwrap().push(conn.door.authorization.clone());
    while let Some(call) = conn.next_or_end().await {
        if !is_known && call.action != "BootNotification" {
            is_known = true;
            accepted.fetch_add(1, Ordering::SeqCst);
        }
        if !conn.try_answer_well(&call).await {
            break;
        }
    }
}

fn binary(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringmain-loadtest"));
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn wait(mut child: Child) -> Output {
    let begun = Instant::now();
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let out = std::thread::spawn(move || {
        let mut text = Vec::new();
        out.read_to_end(&mut text).map(|_| text)
    });
    let err = std::thread::spawn(move || {
        let mut text = Vec::new();
        err.read_to_end(&mut text).map(|_| text)
    });
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begun.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("the binary did not end");
        }
        std::thread::park_timeout(Duration::from_millis(5));
    };
    Output { status, stdout: out.join().unwrap().unwrap(), stderr: err.join().unwrap().unwrap() }
}

fn run(args: &[&str]) -> (bool, String, String) {
    let output = wait(binary(args).spawn().unwrap());
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

fn plan_in(folder: &Path, text: &str) -> PathBuf {
    let file = folder.join("plan.toml");
    std::fs::write(&file, text).unwrap();
    file
}

/// Waits until a condition holds; fails when it does not in time.
fn eventually(mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "it never happened");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

#[test]
fn a_plan_is_checked_and_its_mistake_named() {
    let folder = tempfile::tempdir().unwrap();
    let good = plan_in(folder.path(), PLAN);
    let (ok, out, _) = run(&["check-plan", good.to_str().unwrap()]);
    assert!(ok && out.contains("small: 5 stations") && out.contains("ocpp2.0.1"), "{out}");
    let bad = plan_in(folder.path(), &PLAN.replace("meter_interval_s", "meter_intervals"));
    let (ok, _, err) = run(&["check-plan", bad.to_str().unwrap()]);
    assert!(!ok && err.contains("meter_intervals"), "{err}");
}

#[test]
fn a_run_writes_its_report_and_every_session() {
    let server = Server::start(Manner::Friendly, None);
    let folder = tempfile::tempdir().unwrap();
    let plan = plan_in(folder.path(), PLAN);
    let (json, sessions) = (folder.path().join("report.json"), folder.path().join("sessions.jsonl"));
    let pid = std::process::id().to_string();
    let args = [
        "run",
        "--plan",
        plan.to_str().unwrap(),
        "--url",
        &server.url,
        "--duration-s",
        "8",
        "--stations",
        "4",
        "--server-pid",
        &pid,
        "--json",
        json.to_str().unwrap(),
        "--sessions",
        sessions.to_str().unwrap(),
    ];
    let (ok, out, err) = run(&args);
    assert!(ok, "{out}{err}");
    assert!(out.contains("4 planned, 4 connected, 4 accepted"), "{out}");
    assert_eq!(server.accepted.load(Ordering::SeqCst), 4);
    let basic = Some("Basic Q0xJLTAxOnNlY3JldC1vZi10aGUtcGxhbg==".to_owned());
    assert!(server.authorized.lock().unwrap().contains(&basic));

    let text = std::fs::read_to_string(&json).unwrap();
    assert!(!text.contains("secret-of-the-plan"), "a report tells no password");
    let report: Value = serde_json::from_str(&text).unwrap();
    let told = |pointer: &str| {
        report.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("{pointer}"))
    };
    assert_eq!((told("/connections/boots_accepted"), told("/messages/timed_out"), told("/stuck")), (4, 0, 0));
    assert!(told("/server/end/rss_kib") > 0 && told("/machine/cores") > 0);
    let (started, ended) = (told("/sessions/started"), told("/sessions/ended"));
    assert!(started >= 4 && started == ended && told("/sessions/acknowledged") == ended, "{text}");
    let lines = std::fs::read_to_string(&sessions).unwrap();
    let records: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(u64::try_from(records.len()).unwrap(), ended);
    let sum: u64 = records.iter().map(|record| record["energy_wh"].as_u64().unwrap()).sum();
    assert_eq!(sum, told("/sessions/energy_ended_wh"));
    assert!(sum > 0);
    let kinds: Vec<&str> = report["latencies"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|figures| figures["kind"].as_str())
        .collect();
    assert!(["connect", "boot", "transaction"].iter().all(|kind| kinds.contains(kind)), "{kinds:?}");
}

#[test]
fn a_run_ends_with_its_parent() {
    let server = Server::start(Manner::Friendly, None);
    let folder = tempfile::tempdir().unwrap();
    let plan = plan_in(folder.path(), PLAN);
    let args = ["run", "--plan", plan.to_str().unwrap(), "--url", &server.url, "--until-stdin-closes"];
    let mut child = binary(&args).stdin(Stdio::piped()).spawn().unwrap();
    eventually(|| server.accepted.load(Ordering::SeqCst) == 5);
    assert!(child.try_wait().unwrap().is_none());
    drop(child.stdin.take());
    let output = wait(child);
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("standard input closed"));
}

#[test]
fn a_signal_ends_a_run_cleanly() {
    let server = Server::start(Manner::Friendly, None);
    let folder = tempfile::tempdir().unwrap();
    let plan = plan_in(folder.path(), PLAN);
    for signal in ["INT", "TERM"] {
        let before = server.accepted.load(Ordering::SeqCst);
        let args = ["run", "--plan", plan.to_str().unwrap(), "--url", &server.url];
        let child = binary(&args).spawn().unwrap();
        eventually(|| server.accepted.load(Ordering::SeqCst) == before + 5);
        let sent =
            Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let output = wait(child);
        assert!(output.status.success(), "{signal}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(String::from_utf8_lossy(&output.stdout).contains("5 accepted"), "{signal}");
    }
}

#[test]
fn refusals_are_told_and_fail_the_run() {
    let server = Server::start(Manner::Refusing(StatusCode::UNAUTHORIZED), None);
    let folder = tempfile::tempdir().unwrap();
    let plan = plan_in(folder.path(), PLAN);
    let args = ["run", "--plan", plan.to_str().unwrap(), "--url", &server.url, "--duration-s", "1"];
    let (ok, out, err) = run(&args);
    assert!(!ok && err.contains("no station was accepted"), "{err}");
    assert!(out.contains("x HTTP 401"), "{out}");
}

#[test]
fn tls_is_trusted_by_its_ca_only() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    let server = Server::start(Manner::Friendly, Some(Pki::new(&ca).acceptor(false)));
    let plan = plan_in(folder.path(), PLAN);
    let ca_text = ca.to_str().unwrap().to_owned();
    let args = |ca: &str| {
        let args =
            ["run", "--plan", plan.to_str().unwrap(), "--url", &server.url, "--duration-s", "1", "--ca", ca];
        args.map(str::to_owned)
    };
    let own = args(&ca_text);
    let (ok, out, err) = run(&own.each_ref().map(String::as_str));
    assert!(ok && out.contains("5 connected, 5 accepted"), "{out}{err}");

    let other_ca = folder.path().join("other.pem");
    Pki::new(&other_ca);
    let other = args(other_ca.to_str().unwrap());
    let (ok, out, _) = run(&other.each_ref().map(String::as_str));
    assert!(!ok && out.contains("TLS: invalid peer certificate"), "{out}");

    let (ok, _, err) = run(&["run", "--plan", plan.to_str().unwrap(), "--url", &server.url]);
    assert!(!ok && err.contains("--ca"), "{err}");
}

#[test]
fn each_station_shows_its_own_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    let pki = Pki::new(&ca);
    let server = Server::start(Manner::Friendly, Some(pki.acceptor(true)));
    let plan = plan_in(folder.path(), PLAN);
    let (ca, plan, certs) = (ca.to_str().unwrap(), plan.to_str().unwrap(), folder.path().to_str().unwrap());
    let args = ["run", "--plan", plan, "--url", &server.url, "--duration-s", "1", "--ca", ca];
    let (ok, out, _) = run(&args);
    assert!(!ok && out.contains("0 connected"), "{out}");
    assert_eq!(server.accepted.load(Ordering::SeqCst), 0);

    for number in 1..=5 {
        pki.issue(folder.path(), &format!("CLI-{number:02}"));
    }
    let (ok, out, err) = run(&[&args[..], &["--cert-dir", certs, "--tls-resume"]].concat());
    assert!(ok && out.contains("5 connected, 5 accepted"), "{out}{err}");
    let one = folder.path().join("CLI-01");
    let (chain, key) = (one.with_extension("pem"), one.with_extension("key"));
    let shared = ["--cert", chain.to_str().unwrap(), "--key", key.to_str().unwrap()];
    let (ok, out, err) = run(&[&args[..], &shared].concat());
    assert!(ok && out.contains("5 connected, 5 accepted"), "{out}{err}");
    let (ok, _, err) = run(&[&args[..], &["--cert-dir", "/nowhere"]].concat());
    assert!(!ok && err.contains("/nowhere/CLI-01.pem"), "{err}");
}

/// A CA of its own.
struct Pki {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    certificate: rcgen::Certificate,
}

impl Pki {
    /// Makes one and writes its certificate to `ca`.
    fn new(ca: &Path) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(ca, certificate.pem()).unwrap();
        Self { issuer: rcgen::Issuer::new(params, key), certificate }
    }

    fn signed(&self, name: &str) -> (rcgen::Certificate, rcgen::KeyPair) {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    /// Writes `<name>.pem` and `<name>.key`.
    fn issue(&self, folder: &Path, name: &str) {
        let (certificate, key) = self.signed(name);
        std::fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }

    /// Serves localhost; with `mutual`, only to clients this CA knows.
    fn acceptor(&self, mutual: bool) -> TlsAcceptor {
        let (certificate, key) = self.signed("localhost");
        let key = rustls_pki_types::PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        let builder = if mutual {
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        } else {
            builder.with_no_client_auth()
        };
        let config = builder.with_single_cert(vec![certificate.der().clone()], key).unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

#[test]
fn one_station_shows_its_frames() {
    let server = Server::start(Manner::Friendly, None);
    let args =
        ["station", "--id", "CS-1", "--version", "2.0.1", "--url", &server.url, "--until-stdin-closes"];
    let mut child = binary(&args).stdin(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut shown = Vec::new();
    while shown.iter().filter(|line: &&String| line.contains(" < [3,")).count() < 2 {
        shown.push(lines.next().expect("it ended").unwrap());
    }
    assert!(shown[0].contains("@ connected"), "{shown:#?}");
    assert!(shown[1].contains(" > [2,") && shown[1].contains("\"BootNotification\""), "{shown:#?}");
    drop(child.stdin.take());
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert!(rest.last().is_some_and(|line| line.contains("@ connection closed")), "{rest:#?}");
    assert!(child.wait().unwrap().success());
}
