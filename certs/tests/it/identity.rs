//! Facts read from certificates.

use std::time::{Duration, SystemTime};

use rcgen::string::BmpString;
use rcgen::{
    CertificateParams, CustomExtension, DistinguishedName, DnType, DnValue, KeyPair, SanType, SerialNumber,
};
use ringmain_certs::identity::{DNS_NAMES_MAX, IdentityError, PeerCertificate};

use crate::rig::Rig;

fn der(params: &CertificateParams) -> Vec<u8> {
    let key = KeyPair::generate().expect("a key");
    params.self_signed(&key).expect("signed").der().to_vec()
}

fn read(params: &CertificateParams) -> Result<PeerCertificate, IdentityError> {
    PeerCertificate::from_der(&der(params))
}

fn named(attributes: &[(DnType, &str)]) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    for (kind, text) in attributes {
        params.distinguished_name.push(kind.clone(), *text);
    }
    params
}

#[test]
fn facts_of_a_station_certificate() {
    let mut params = named(&[(DnType::OrganizationName, "Ring Power"), (DnType::CommonName, "CS-Ä-1")]);
    params.serial_number = Some(SerialNumber::from_slice(&[0xAB, 0x01]));
    params.not_after = (SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000)).into();
    params.subject_alt_names = vec![
        SanType::DnsName("b.example.org".try_into().expect("ASCII")),
        SanType::IpAddress([127, 0, 0, 1].into()),
        SanType::DnsName("a.example.org".try_into().expect("ASCII")),
    ];
    let der = der(&params);
    let expected = PeerCertificate {
        common_name: Some("CS-Ä-1".to_owned()),
        organization: Some("Ring Power".to_owned()),
        serial_hex: "00ab01".to_owned(),
        sha256_fingerprint: hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &der)),
        not_after_unix_s: 4_000_000_000,
        dns_names: vec!["b.example.org".to_owned(), "a.example.org".to_owned()],
    };
    assert_eq!(PeerCertificate::from_der(&der), Ok(expected));
}

#[test]
fn issued_certificates_read_back() {
    let rig = Rig::new();
    let station = rig.station();
    let facts = PeerCertificate::from_der(&crate::clients::der(&station.chain_pem)).expect("readable");
    assert_eq!(facts.common_name.as_deref(), Some("CS-1"));
    assert_eq!(facts.organization.as_deref(), Some("Ring Power"));
    assert_eq!(facts.dns_names, Vec::<String>::new());
    assert_eq!(facts.sha256_fingerprint.len(), 64);
    let server = crate::rig::facts_of(&rig.pki.server_chain_pem);
    assert_eq!(server.common_name.as_deref(), Some("localhost"));
    assert_eq!(server.dns_names, ["localhost"]);
    assert_eq!(server.organization, None);
}

#[test]
fn names_that_are_missing_are_none() {
    let mut params = named(&[]);
    params.subject_alt_names = vec![SanType::DnsName("cs-1.example.org".try_into().expect("ASCII"))];
    let facts = read(&params).expect("alternative names alone");
    assert_eq!((facts.common_name, facts.organization), (None, None));
}

#[test]
fn two_common_names_are_ambiguous() {
    // The library of these tests keeps one value per kind, so the subject's second CN comes as a
    // patch of an equally long attribute: OU (2.5.4.11) becomes CN (2.5.4.3), O (2.5.4.10) likewise.
    for (from, to, expected) in [(11, 3, "CN"), (11, 10, "O")] {
        let params = named(&[
            (DnType::CommonName, "CS-1"),
            (DnType::OrganizationName, "Ring Power"),
            (DnType::OrganizationalUnitName, "CS-2"),
        ]);
        let mut der = der(&params);
        for at in 0..der.len() - 5 {
            if der[at..at + 5] == [0x06, 0x03, 0x55, 0x04, from] {
                der[at + 4] = to;
            }
        }
        assert_eq!(PeerCertificate::from_der(&der), Err(IdentityError::Ambiguous { attribute: expected }));
    }
}

#[test]
fn common_name_that_is_not_plain_text_is_refused() {
    let mut params = named(&[]);
    let name = BmpString::try_from("CS-1").expect("BMP");
    params.distinguished_name.push(DnType::CommonName, DnValue::BmpString(name));
    assert_eq!(read(&params), Err(IdentityError::NotText { attribute: "CN" }));
}

#[test]
fn most_names_are_read_and_one_more_is_refused() {
    let mut params = named(&[]);
    params.subject_alt_names = (0..DNS_NAMES_MAX)
        .map(|n| SanType::DnsName(format!("cs-{n}.example.org").try_into().expect("ASCII")))
        .collect();
    assert_eq!(read(&params).expect("the most").dns_names.len(), DNS_NAMES_MAX);
    params.subject_alt_names.push(SanType::DnsName("one-more.example.org".try_into().expect("ASCII")));
    assert_eq!(read(&params), Err(IdentityError::TooManyNames));
}

#[test]
fn anything_but_one_certificate_is_malformed() {
    let good = der(&named(&[(DnType::CommonName, "CS-1")]));
    let behind = [&good[..], &[0]].concat();
    // A subject alternative name that is no sequence.
    let mut odd = named(&[(DnType::CommonName, "CS-1")]);
    odd.custom_extensions = vec![CustomExtension::from_oid_content(&[2, 5, 29, 17], vec![0x05, 0x00])];
    for bytes in [&b""[..], b"\x30", b"no DER at all", &good[..good.len() - 1], &behind, &der(&odd)] {
        let error = PeerCertificate::from_der(bytes).expect_err("no certificate");
        assert!(matches!(error, IdentityError::Malformed { .. }), "{error}");
    }
}

#[test]
fn no_prefix_and_no_single_broken_byte_panics() {
    let good = der(&named(&[(DnType::CommonName, "CS-1"), (DnType::OrganizationName, "Ring Power")]));
    let mut refused = 0;
    for end in 0..good.len() {
        assert!(PeerCertificate::from_der(&good[..end]).is_err(), "{end} bytes");
    }
    for at in 0..good.len() {
        let mut broken = good.clone();
        broken[at] ^= 0xFF;
        refused += usize::from(PeerCertificate::from_der(&broken).is_err());
    }
    assert!(refused > 50, "most of the structure is checked: {refused}");
}
