//! TLS to PostgreSQL, with a server that speaks it and a CA made for the test.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use ringmain_store::store::{Store, StoreError, StoreSettings};
use tempfile::TempDir;

use crate::make::at;
use crate::rig;
use crate::server::{self, Server};

type Ca = CertifiedIssuer<'static, KeyPair>;

/// A server whose certificate is for `localhost`, and what its clients have.
struct Place {
    server: Server,
    files: TempDir,
}

fn ca(name: &str) -> Ca {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Certificate and key, PEM, for one host or user.
fn issue(ca: &Ca, hosts: &[&str], name: &str) -> (String, String) {
    let hosts: Vec<_> = hosts.iter().map(|&host| host.to_owned()).collect();
    let mut params = CertificateParams::new(hosts).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate().unwrap();
    (params.signed_by(&key, ca).unwrap().pem(), key.serialize_pem())
}

fn start(test: &str) -> Option<Place> {
    if std::env::var_os(rig::SERVER).is_none() {
        println!("SKIPPED {test}: {} is not set", rig::SERVER);
        return None;
    }
    let (ours, other) = (ca("ours"), ca("another"));
    let (certificate, key) = issue(&ours, &["localhost"], "db");
    // Without TLS nobody comes in; to one of the databases only who has a certificate.
    let hba = "hostssl template1 all 127.0.0.1/32 cert\nhostssl postgres all 127.0.0.1/32 trust\n";
    let files = [
        ("server.pem", certificate.as_str()),
        ("server.key", key.as_str()),
        ("ca.pem", &ours.pem()),
        ("pg_hba.conf", hba),
    ];
    let settings = ["ssl=on", "ssl_cert_file=server.pem", "ssl_key_file=server.key", "ssl_ca_file=ca.pem"];
    let place = Place { server: server::start(&files, &settings), files: TempDir::new().unwrap() };
    let (certificate, key) = issue(&ours, &[], "postgres");
    place.put("ca.pem", &ours.pem());
    place.put("other.pem", &other.pem());
    place.put("client.pem", &certificate);
    place.put("client.key", &key);
    Some(place)
}

// === impl Place ===

impl Place {
    fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    fn put(&self, name: &str, text: &str) {
        std::fs::write(self.file(name), text).unwrap();
    }

    /// Opens `HOST/DATABASE?QUERY`, in which `=@` begins the name of a file.
    async fn open(&self, host: &str, database: &str, query: &str) -> Result<Store, StoreError> {
        let query = query.replace("=@", &format!("={}/", self.files.path().display()));
        let url = format!("postgres://postgres@{host}:{}/{database}?{query}", self.server.port);
        Store::open(&url, StoreSettings::default()).await
    }

    async fn refusal(&self, host: &str, database: &str, query: &str) -> String {
        match self.open(host, database, query).await {
            Err(StoreError::Unavailable { reason }) => reason.into(),
            other => panic!("{query}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_server_is_taken_for_the_right_one_as_far_as_the_url_asks() {
    let Some(place) = start("a_server_is_taken_for_the_right_one_as_far_as_the_url_asks") else { return };
    let (by_name, by_address) = ("localhost", "127.0.0.1");
    for (host, query) in [
        (by_name, "sslmode=verify-full&sslrootcert=@ca.pem"),
        (by_address, "sslmode=verify-ca&sslrootcert=@ca.pem"),
        (by_address, "sslmode=require&sslrootcert=@ca.pem"),
        (by_address, "sslmode=require"),
        (by_address, "sslmode=prefer"),
        (by_address, ""),
    ] {
        // The pool's connections speak it too, not just the one that makes the schema.
        let store =
            place.open(host, "postgres", query).await.unwrap_or_else(|error| panic!("{query}: {error}"));
        store.canary(at(1)).await.unwrap();
    }
    let wrong_host = place.refusal(by_address, "postgres", "sslmode=verify-full&sslrootcert=@ca.pem").await;
    assert!(wrong_host.contains("not valid for name"), "{wrong_host}");
    for query in ["sslmode=verify-full", "sslmode=verify-ca", "sslmode=require"] {
        let wrong_ca = place.refusal(by_name, "postgres", &format!("{query}&sslrootcert=@other.pem")).await;
        assert!(wrong_ca.contains("UnknownIssuer"), "{query}: {wrong_ca}");
    }
    let plain = place.refusal(by_name, "postgres", "sslmode=disable").await;
    assert!(plain.contains("no encryption"), "{plain}");
}

#[tokio::test]
async fn a_certificate_of_ours_is_shown_where_the_server_asks() {
    let Some(place) = start("a_certificate_of_ours_is_shown_where_the_server_asks") else { return };
    let verify = "sslmode=verify-full&sslrootcert=@ca.pem";
    let with = format!("{verify}&sslcert=@client.pem&sslkey=@client.key");
    let store = place.open("localhost", "template1", &with).await.unwrap();
    store.canary(at(1)).await.unwrap();
    let without = place.refusal("localhost", "template1", verify).await;
    assert!(without.contains("certificate"), "{without}");
    // The files of a renewal that is half done harm nobody.
    place.put("client.key", "");
    let others = (0..4).map(|beat| store.canary(at(beat)));
    futures_util::future::try_join_all(others).await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_none_is_named_at_the_start() {
    let folder = TempDir::new().unwrap();
    let open = async |path: &Path| {
        let query = format!("sslmode=verify-full&sslrootcert={}", path.display());
        let url = format!("postgres://u:hunter2@127.0.0.1:1/x?{query}");
        Store::open(&url, StoreSettings::default()).await.unwrap_err().to_string()
    };
    let missing = open(&folder.path().join("missing.pem")).await;
    assert!(missing.contains("missing.pem") && !missing.contains("hunter2"), "{missing}");
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "nothing here").unwrap();
    let empty = open(&empty).await;
    assert!(empty.contains("holds no certificate"), "{empty}");
}
