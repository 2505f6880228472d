//! What an operator reads when a file is wrong.

use std::fs;
use std::path::Path;

use ringmain_certs::chain::{
    CertificateFiles, PEM_BYTES_MAX, PemError, read_identity, read_revocation_lists, read_roots,
};

use crate::rig::Rig;

/// The text of the error with the folder taken out.
fn text<T>(rig: &Rig, result: Result<T, PemError>) -> String {
    let Err(error) = result else { panic!("it must not load") };
    error.to_string().replace(&format!("{}/", rig.folder.path().display()), "")
}

fn pair(chain: &Path, key: &Path) -> CertificateFiles {
    CertificateFiles { chain_pem: chain.to_owned(), key_pem: key.to_owned() }
}

#[test]
fn every_wrong_file_is_named_with_its_fault() {
    let rig = Rig::new();
    let chain = rig.pki.server_chain_pem.as_path();
    let key = rig.pki.server_key_pem.as_path();
    let empty = rig.write("empty.pem", "");
    let broken = rig.write("broken.pem", "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n");
    let cut = rig.write("cut.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n");
    let hollow = rig.write("hollow.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let sealed = rig.write(
        "sealed.key",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    let hollow_key =
        rig.write("hollow.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    let nowhere = rig.folder.path().join("nowhere.pem");
    let check = |chain: &Path, key: &Path, expected: &str| {
        let told = text(&rig, read_identity(&pair(chain, key)));
        assert!(told.starts_with(expected), "{told:?} is not {expected:?}");
    };
    check(&nowhere, key, "nowhere.pem: no such file");
    check(chain, &nowhere, "nowhere.pem: no such file");
    check(rig.folder.path(), key, &format!("{}: not readable: ", rig.folder.path().display()));
    check(&empty, key, "empty.pem: contains no certificate");
    check(key, key, "server.key: contains no certificate");
    check(&broken, key, "broken.pem: malformed: ");
    check(&cut, key, "cut.pem: malformed: ");
    check(&hollow, key, "hollow.pem: malformed: ");
    check(chain, &empty, "empty.pem: contains no private key");
    check(chain, chain, "server.pem: contains no private key");
    check(
        chain,
        &sealed,
        "sealed.key: the private key is encrypted; store it unencrypted with file mode 0600",
    );
    check(chain, &hollow_key, "hollow.key: the private key is not usable: ");
}

#[test]
fn key_of_another_certificate_is_named_with_both_files() {
    let rig = Rig::new();
    let ca_key = rig.folder.path().join("ca.key");
    let told = text(&rig, read_identity(&pair(&rig.pki.server_chain_pem, &ca_key)));
    assert_eq!(told, "ca.key: the private key does not belong to the first certificate in server.pem");
}

#[test]
fn chain_in_the_wrong_order_does_not_pass_for_a_pair() {
    let rig = Rig::new();
    let leaf = fs::read_to_string(&rig.pki.server_chain_pem).expect("readable");
    let ca = rig.ca();
    let upside_down = rig.write("upside-down.pem", &format!("{}{leaf}", ca.certificate_pem()));
    let told = text(&rig, read_identity(&pair(&upside_down, &rig.pki.server_key_pem)));
    assert!(told.ends_with("does not belong to the first certificate in upside-down.pem"), "{told}");
    let upright = rig.write("upright.pem", &format!("{leaf}{}", ca.certificate_pem()));
    let identity = read_identity(&pair(&upright, &rig.pki.server_key_pem)).expect("leaf first");
    assert_eq!(identity.cert.len(), 2);
}

#[test]
fn bundle_of_nothing_and_list_of_nothing_are_refused() {
    let rig = Rig::new();
    let empty = rig.write("empty.pem", "");
    assert_eq!(text(&rig, read_roots(&empty)), "empty.pem: contains no certificate");
    assert_eq!(text(&rig, read_revocation_lists(&empty)), "empty.pem: contains no revocation list");
    assert_eq!(
        text(&rig, read_revocation_lists(&rig.pki.ca_pem)),
        "ca.pem: contains no revocation list",
        "a certificate is none"
    );
    let hollow = rig.write("hollow.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    assert!(text(&rig, read_roots(&hollow)).starts_with("hollow.pem: malformed: "));
    assert_eq!(read_roots(&rig.pki.ca_pem).expect("a bundle of one").len(), 1);
}

#[test]
fn largest_file_is_read_and_one_byte_more_is_refused() {
    let rig = Rig::new();
    let mut padded = fs::read(&rig.pki.ca_pem).expect("readable");
    padded.resize(usize::try_from(PEM_BYTES_MAX).expect("fits"), b'\n');
    let path = rig.folder.path().join("padded.pem");
    fs::write(&path, &padded).expect("writable");
    read_roots(&path).expect("exactly the most");
    padded.push(b'\n');
    fs::write(&path, &padded).expect("writable");
    assert_eq!(text(&rig, read_roots(&path)), "padded.pem: larger than 1048576 bytes");
}
