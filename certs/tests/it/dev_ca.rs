//! The development CA and its folder.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Barrier};
use std::time::{Duration, SystemTime};

use ringmain_certs::dev_ca::folder::{RENEW_CA_BEFORE, RENEW_SERVER_BEFORE, ensure, read_ca, write_station};
use ringmain_certs::dev_ca::{DevCa, DevCaError, NAMES_MAX, SUBJECT_CHARACTERS_MAX};
use ringmain_certs::identity::PeerCertificate;
use ringmain_certs::server::{ClientAuth, ServerSettings, ServerTls};

use crate::clients::der;
use crate::rig::{DAY, Rig, facts_of};

fn content(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry"))
        .map(|entry| {
            (entry.file_name().into_string().expect("text"), fs::read(entry.path()).expect("readable"))
        })
        .collect()
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it exists").permissions().mode() & 0o777
}

#[test]
fn ensure_twice_changes_no_byte() {
    let rig = Rig::new();
    let before = content(rig.folder.path());
    assert_eq!(before.keys().collect::<Vec<_>>(), [".lock", "ca.key", "ca.pem", "server.key", "server.pem"]);
    assert_eq!(ensure(rig.folder.path(), &[], rig.now).expect("again"), rig.pki);
    let same = names(&["::1", "LOCALHOST", "127.0.0.1"]);
    ensure(rig.folder.path(), &same, rig.now).expect("the same names in another order");
    assert_eq!(content(rig.folder.path()), before);
}

#[test]
fn keys_are_readable_by_their_owner_only() {
    let rig = Rig::new();
    let ca_key = rig.folder.path().join("ca.key");
    assert_eq!([mode(&ca_key), mode(&rig.pki.server_key_pem)], [0o600, 0o600]);
    for key in [&ca_key, &rig.pki.server_key_pem] {
        fs::set_permissions(key, fs::Permissions::from_mode(0o644)).expect("ours");
    }
    ensure(rig.folder.path(), &[], rig.now).expect("again");
    assert_eq!([mode(&ca_key), mode(&rig.pki.server_key_pem)], [0o600, 0o600]);
}

#[test]
fn new_folder_is_closed_to_others() {
    let rig = Rig::new();
    let folder = rig.folder.path().join("a/b");
    ensure(&folder, &[], rig.now).expect("made with its parents");
    assert_eq!(mode(&folder), 0o700);
}

#[test]
fn server_certificate_is_renewed_when_less_than_30_days_are_left() {
    let rig = Rig::new();
    let first = facts_of(&rig.pki.server_chain_pem);
    let end = SystemTime::UNIX_EPOCH
        + Duration::from_secs(u64::try_from(first.not_after_unix_s).expect("after 1970"));
    let ca = fs::read(&rig.pki.ca_pem).expect("readable");

    ensure(rig.folder.path(), &[], end - RENEW_SERVER_BEFORE).expect("30 days left");
    assert_eq!(facts_of(&rig.pki.server_chain_pem), first, "30 days are enough");
    ensure(rig.folder.path(), &[], end - RENEW_SERVER_BEFORE + Duration::from_secs(1)).expect("renewed");
    let second = facts_of(&rig.pki.server_chain_pem);
    assert!(second.not_after_unix_s > first.not_after_unix_s);
    assert_ne!(second.serial_hex, first.serial_hex, "one serial number, one certificate");
    assert_eq!(fs::read(&rig.pki.ca_pem).expect("readable"), ca, "the CA stays");
}

#[test]
fn names_once_given_stay_until_others_are_given() {
    let rig = Rig::new();
    ensure(rig.folder.path(), &names(&["csms.example.org", "192.0.2.1"]), rig.now).expect("names");
    let named = facts_of(&rig.pki.server_chain_pem);
    ensure(rig.folder.path(), &[], rig.now).expect("a start that names none");
    assert_eq!(facts_of(&rig.pki.server_chain_pem).serial_hex, named.serial_hex);
    ensure(rig.folder.path(), &[], rig.now + DAY * 61).expect("renewed in time");
    let renewed = facts_of(&rig.pki.server_chain_pem);
    assert_ne!(renewed.serial_hex, named.serial_hex);
    assert_eq!(renewed.dns_names, ["csms.example.org"]);
}

#[test]
fn server_certificate_is_renewed_when_names_change_or_the_clock_was_wrong() {
    let rig = Rig::new();
    let first = facts_of(&rig.pki.server_chain_pem);
    ensure(rig.folder.path(), &names(&["csms.example.org", "192.0.2.1"]), rig.now).expect("other names");
    let second = facts_of(&rig.pki.server_chain_pem);
    assert_ne!(second.serial_hex, first.serial_hex);
    assert_eq!(second.dns_names, ["csms.example.org"]);
    assert_eq!(second.common_name.as_deref(), Some("csms.example.org"));
    ensure(rig.folder.path(), &names(&["csms.example.org", "192.0.2.2"]), rig.now).expect("another address");
    let third = facts_of(&rig.pki.server_chain_pem);
    assert_ne!(third.serial_hex, second.serial_hex);
    ensure(rig.folder.path(), &names(&["csms.example.org", "192.0.2.2"]), rig.now - DAY * 30)
        .expect("set back");
    assert_ne!(
        facts_of(&rig.pki.server_chain_pem).serial_hex,
        third.serial_hex,
        "not valid yet on that clock"
    );
}

#[test]
fn unusable_server_files_are_made_anew() {
    let rig = Rig::new();
    let other = Rig::new();
    let good = || {
        ServerTls::load(ServerSettings::new(rig.pki.server())).expect("the PKI serves");
        let facts = facts_of(&rig.pki.server_chain_pem);
        assert_eq!(facts.dns_names, ["localhost"]);
        facts
    };
    let first = good();
    for damage in [
        |rig: &Rig, _: &Rig| fs::remove_file(&rig.pki.server_chain_pem),
        |rig: &Rig, _: &Rig| fs::remove_file(&rig.pki.server_key_pem),
        |rig: &Rig, _: &Rig| fs::write(&rig.pki.server_chain_pem, "torn"),
        |rig: &Rig, _: &Rig| fs::write(&rig.pki.server_key_pem, "torn"),
        |rig: &Rig, other: &Rig| fs::copy(&other.pki.server_key_pem, &rig.pki.server_key_pem).map(drop),
        // Whole and valid, but of another CA.
        |rig: &Rig, other: &Rig| {
            fs::copy(&other.pki.server_key_pem, &rig.pki.server_key_pem)?;
            fs::copy(&other.pki.server_chain_pem, &rig.pki.server_chain_pem).map(drop)
        },
    ] {
        damage(&rig, &other).expect("a writable folder");
        ensure(rig.folder.path(), &[], rig.now).expect("made anew");
        assert_ne!(good(), first);
        assert_ne!(good(), facts_of(&other.pki.server_chain_pem));
    }
}

#[test]
fn ca_is_renewed_with_its_key_and_name_before_it_ends() {
    let rig = Rig::new();
    let key = fs::read(rig.folder.path().join("ca.key")).expect("readable");
    let first = facts_of(&rig.pki.ca_pem);
    let end = SystemTime::UNIX_EPOCH
        + Duration::from_secs(u64::try_from(first.not_after_unix_s).expect("after 1970"));
    ensure(rig.folder.path(), &[], end - RENEW_CA_BEFORE).expect("400 days left");
    assert_eq!(facts_of(&rig.pki.ca_pem), first, "400 days are enough");
    ensure(rig.folder.path(), &[], end - DAY * 399).expect("renewed");
    let second = facts_of(&rig.pki.ca_pem);
    assert!(second.not_after_unix_s > first.not_after_unix_s);
    assert_eq!(second.common_name, first.common_name);
    assert_eq!(fs::read(rig.folder.path().join("ca.key")).expect("readable"), key);
}

#[test]
fn ca_that_cannot_be_used_is_reported_and_never_replaced() {
    let check = |damage: &dyn Fn(&Rig), expected: &str| {
        let rig = Rig::new();
        damage(&rig);
        let before = content(rig.folder.path());
        let error = ensure(rig.folder.path(), &[], rig.now).expect_err("it must say so");
        let told = error.to_string().replace(&format!("{}/", rig.folder.path().display()), "");
        assert!(told.starts_with(expected), "{told:?} is not {expected:?}");
        assert_eq!(content(rig.folder.path()), before);
    };
    check(
        &|rig| fs::remove_file(rig.folder.path().join("ca.key")).expect("it was there"),
        "ca.key: no such file, but ca.pem is there; remove that to start a new CA",
    );
    check(&|rig| drop(rig.write("ca.key", "torn")), "ca.key: contains no private key");
    check(&|rig| drop(rig.write("ca.pem", "torn")), "ca.pem: contains no certificate");
    check(
        &|rig| {
            let key = fs::read_to_string(&rig.pki.server_key_pem).expect("readable");
            rig.write("ca.key", &key);
        },
        "ca.key: the private key does not belong to the first certificate in ca.pem",
    );
    check(
        &|rig| {
            let server = fs::read_to_string(&rig.pki.server_chain_pem).expect("readable");
            rig.write("ca.pem", &server);
            rig.write("ca.key", &fs::read_to_string(&rig.pki.server_key_pem).expect("readable"));
        },
        "ca.pem: malformed: not the certificate of a CA",
    );
}

#[test]
fn kill_between_key_and_certificate_of_the_ca_is_survived() {
    let rig = Rig::new();
    fs::remove_file(&rig.pki.ca_pem).expect("it was there");
    rig.write("ca.new", "half a certif");
    assert!(read_ca(rig.folder.path()).expect("readable").is_none());
    ensure(rig.folder.path(), &[], rig.now).expect("a new CA: nobody trusts the first one");
    rig.server(ClientAuth::Required(rig.client_ca()));
    assert!(!content(rig.folder.path()).contains_key("ca.new"));
}

#[test]
fn many_at_once_agree_on_one_ca() {
    let rig = Rig::new();
    let folder = Arc::new(rig.folder.path().join("shared"));
    let start = Arc::new(Barrier::new(8));
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let (folder, start, now) = (Arc::clone(&folder), Arc::clone(&start), rig.now);
            std::thread::spawn(move || {
                start.wait();
                let pki = ensure(&folder, &[], now).expect("a PKI");
                (facts_of(&pki.ca_pem), facts_of(&pki.server_chain_pem))
            })
        })
        .collect();
    let seen: Vec<_> = threads.into_iter().map(|thread| thread.join().expect("no panic")).collect();
    assert!(seen.iter().all(|facts| facts == &seen[0]));
}

#[test]
fn two_cas_have_two_names() {
    let (one, two) = (Rig::new(), Rig::new());
    let (one, two) = (facts_of(&one.pki.ca_pem), facts_of(&two.pki.ca_pem));
    assert!(one.common_name.as_deref().is_some_and(|name| name.starts_with("Ringmain development CA ")));
    assert_ne!(one.common_name, two.common_name);
}

#[test]
fn names_are_checked_and_counted() {
    let rig = Rig::new();
    let ca = rig.ca();
    for name in [
        "",
        "two words",
        "-x.example.org",
        "example..org",
        "http://example.org",
        "ex\u{e4}mple.org",
        "1.2.3.4.5:80",
    ] {
        let error = ca.issue_server(&names(&[name]), rig.now).expect_err("no name");
        assert!(matches!(error, DevCaError::Name { .. }), "{name:?}: {error}");
    }
    let many: Vec<String> = (0..=NAMES_MAX).map(|n| format!("cs-{n}.example.org")).collect();
    ca.issue_server(&many[..NAMES_MAX], rig.now).expect("the most");
    let error = ca.issue_server(&many, rig.now).expect_err("one more");
    assert!(matches!(error, DevCaError::TooManyNames { names } if names == NAMES_MAX + 1), "{error}");
    let error = ca.issue_server(&[], rig.now).expect_err("none");
    assert!(matches!(error, DevCaError::Subject { characters: 0, .. }), "{error}");
    let long = format!("{}.example.org", "a".repeat(60));
    let issued =
        ca.issue_server(std::slice::from_ref(&long), rig.now).expect("longer than a common name may be");
    let facts = PeerCertificate::from_der(&der(&issued.chain_pem)).expect("readable");
    assert_eq!(facts.common_name.as_deref(), Some("ringmain"));
    assert_eq!(facts.dns_names, [long]);
}

#[test]
fn subject_fields_are_bounded() {
    let rig = Rig::new();
    let ca = rig.ca();
    let most = "\u{e4}".repeat(SUBJECT_CHARACTERS_MAX);
    ca.issue_station(&most, &most, rig.now).expect("the most");
    let more = "x".repeat(SUBJECT_CHARACTERS_MAX + 1);
    for (common_name, organization) in [(more.as_str(), "O"), ("CN", more.as_str()), ("", "O"), ("CN", "")] {
        let error = ca.issue_station(common_name, organization, rig.now).expect_err("out of bounds");
        assert!(matches!(error, DevCaError::Subject { .. }), "{error}");
    }
}

#[test]
fn clock_out_of_range_is_an_error() {
    let start_of_3000 = SystemTime::UNIX_EPOCH + Duration::from_secs(32_503_680_000);
    for now in [SystemTime::UNIX_EPOCH - Duration::from_secs(1), start_of_3000] {
        let error = DevCa::generate(now).expect_err("no such date");
        assert!(matches!(error, DevCaError::Clock), "{error}");
    }
    for now in [SystemTime::UNIX_EPOCH, start_of_3000 - Duration::from_secs(1)] {
        DevCa::generate(now).expect("just in range");
    }
}

#[test]
fn debug_forms_show_no_key() {
    let rig = Rig::new();
    let shown = format!("{:?} {:?}", rig.ca(), rig.station());
    assert!(shown.contains("BEGIN CERTIFICATE") && !shown.contains("PRIVATE KEY"), "{shown}");
}

#[test]
fn station_files_stay_in_their_folder_and_keys_are_private() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("stations");
    let issued = DevCa::generate(SystemTime::now())
        .and_then(|ca| ca.issue_station("../RDAM|1.2", "Ringmain", SystemTime::now()))
        .expect("a certificate");
    let files = write_station(&out, "../RDAM|1.2", &issued).expect("written");
    assert_eq!(files.chain_pem, out.join("_._RDAM_1.2.pem"));
    assert_eq!(content(&out).len(), 2);
    assert_eq!(mode(&files.key_pem), 0o600);
    assert_eq!(fs::read_to_string(&files.chain_pem).expect("readable"), issued.chain_pem);
}
