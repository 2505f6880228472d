//! Client certificates: off, optional, required, and every kind that must be refused.

use std::time::SystemTime;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer, KeyIdMethod,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256, PublicKeyData,
    RevokedCertParams, SerialNumber, SignatureAlgorithm,
};
use ringmain_certs::client::Offer;
use ringmain_certs::dev_ca::Issued;
use ringmain_certs::server::ClientAuth;
use ringmain_certs::verifier::{CHAIN_CERTIFICATES_MAX, ChainRefusal, ClientCa};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{CertificateError, Error as TlsError, OtherError};

use crate::rig::{DAY, Listener, Rig, call};

const BOTH: [Offer; 2] = [Offer::Tls12, Offer::Tls13];

#[tokio::test]
async fn optional_lets_in_with_and_without_certificate() {
    let rig = Rig::new();
    let station = rig.station();
    let mut listener = Listener::start(rig.server(ClientAuth::Optional(rig.client_ca())).config()).await;
    for offer in BOTH {
        call(listener.address, rig.offering(offer, None), "localhost").await.expect("let in");
        assert_eq!(listener.met().await.expect("let in").station, None);

        call(listener.address, rig.offering(offer, Some(&station)), "localhost").await.expect("let in");
        let facts = listener.met().await.expect("let in").station.expect("it presented one");
        assert_eq!(facts.common_name.as_deref(), Some("CS-1"));
        assert_eq!(facts.organization.as_deref(), Some("Ring Power"));
    }
}

#[tokio::test]
async fn optional_still_refuses_the_certificate_of_a_foreign_ca() {
    let rig = Rig::new();
    let foreign = Rig::new().station();
    let mut listener = Listener::start(rig.server(ClientAuth::Optional(rig.client_ca())).config()).await;
    for offer in BOTH {
        let client = rig.offering(offer, Some(&foreign));
        let alert = call(listener.address, client, "localhost").await.expect_err("refused");
        assert!(alert.contains("UnknownCA"), "{alert}");
        let reason = listener.met().await.expect_err("refused");
        assert!(reason.contains("UnknownIssuer"), "{reason}");
    }
}

#[tokio::test]
async fn required_refuses_a_client_without_certificate() {
    let rig = Rig::new();
    let station = rig.station();
    let mut listener = Listener::start(rig.server(ClientAuth::Required(rig.client_ca())).config()).await;
    for offer in BOTH {
        call(listener.address, rig.offering(offer, None), "localhost").await.expect_err("refused");
        let reason = listener.met().await.expect_err("refused");
        assert!(reason.contains("no certificates"), "{reason}");

        call(listener.address, rig.offering(offer, Some(&station)), "localhost").await.expect("let in");
        assert!(listener.met().await.expect("let in").station.is_some());
    }
}

#[tokio::test]
async fn resumed_socket_still_says_whose_it_is_and_can_be_checked() {
    let rig = Rig::new();
    let station = rig.station();
    let tls = rig.server(ClientAuth::Required(rig.client_ca()));
    let mut listener = Listener::start(tls.config()).await;
    for offer in BOTH {
        let client = rig.offering(offer, Some(&station));
        for resumed in [false, true] {
            call(listener.address, client.clone(), "localhost").await.expect("let in");
            let met = listener.met().await.expect("let in");
            assert_eq!(met.resumed, resumed);
            assert_eq!(met.station.and_then(|facts| facts.common_name).as_deref(), Some("CS-1"));
        }
    }
    // A ticket outlives the certificate it was given for; the check after the handshake does not.
    let verifier = tls.client_verifier().expect("client certificates are on");
    let chain = [der(&station.chain_pem)];
    verifier.check(&chain, rig.now).expect("good now");
    let error = verifier.check(&chain, rig.now + DAY * 366).expect_err("past its end");
    assert!(error.to_string().contains("certificate expired"), "{error}");
    verifier.check(&[], rig.now).expect_err("an empty chain is no chain");
    verifier.check(&chain, SystemTime::UNIX_EPOCH - DAY).expect_err("no such time");
}

#[tokio::test]
async fn expired_and_not_yet_valid_certificates_are_refused() {
    let rig = Rig::new();
    let ca = rig.ca();
    let mut listener = Listener::start(rig.server(ClientAuth::Optional(rig.client_ca())).config()).await;
    for (issued_at, reason) in
        [(rig.now - DAY * 366, "certificate expired"), (rig.now + DAY * 2, "certificate not valid yet")]
    {
        let station = ca.issue_station("CS-1", "Ring Power", issued_at).expect("issued");
        call(listener.address, rig.client(Some(&station)), "localhost").await.expect_err("refused");
        let told = listener.met().await.expect_err("refused");
        assert!(told.contains(reason), "{told}");
    }
}

#[tokio::test]
async fn self_signed_certificate_is_refused() {
    let rig = Rig::new();
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "CS-1");
    let own = params.self_signed(&key).expect("signed");
    let station = Issued { chain_pem: own.pem(), key_pem: key.serialize_pem() };
    let mut listener = Listener::start(rig.server(ClientAuth::Optional(rig.client_ca())).config()).await;
    call(listener.address, rig.client(Some(&station)), "localhost").await.expect_err("refused");
    listener.met().await.expect_err("refused");
}

#[tokio::test]
async fn server_certificate_is_refused_as_a_client() {
    let rig = Rig::new();
    let server = rig.ca().issue_server(&["CS-1".to_owned()], rig.now).expect("issued");
    let mut listener = Listener::start(rig.server(ClientAuth::Optional(rig.client_ca())).config()).await;
    call(listener.address, rig.client(Some(&server)), "localhost").await.expect_err("refused");
    let reason = listener.met().await.expect_err("refused");
    assert!(reason.contains("ertificate"), "{reason}");
}

#[tokio::test]
async fn revoked_certificate_is_refused_and_its_neighbour_let_in() {
    let rig = Rig::new();
    let revoked = rig.station();
    let neighbour = rig.ca().issue_station("CS-2", "Ring Power", rig.now).expect("issued");
    let crl_pem = rig.write("revoked.crl", &revocation_list(&rig, &[&revoked]));
    let ca = ClientCa { crl_pem: Some(crl_pem), ..rig.client_ca() };
    let mut listener = Listener::start(rig.server(ClientAuth::Required(ca)).config()).await;
    for offer in BOTH {
        let alert = call(listener.address, rig.offering(offer, Some(&revoked)), "localhost").await;
        assert!(alert.expect_err("refused").contains("CertificateRevoked"));
        let reason = listener.met().await.expect_err("refused");
        assert!(reason.contains("Revoked"), "{reason}");
        call(listener.address, rig.offering(offer, Some(&neighbour)), "localhost").await.expect("let in");
        listener.met().await.expect("let in");
    }
}

#[test]
fn longest_chain_is_taken_and_one_more_is_refused() {
    let rig = Rig::new();
    let verifier = rig.server(ClientAuth::Required(rig.client_ca())).client_verifier().expect("on");
    let mut chain = vec![der(&rig.station().chain_pem)];
    // What a station adds to its chain without need counts as well: it is parsed.
    chain.resize(CHAIN_CERTIFICATES_MAX, der(&rig.station().chain_pem));
    verifier.check(&chain, rig.now).expect("five");
    chain.push(der(&rig.station().chain_pem));
    let error = verifier.check(&chain, rig.now).expect_err("six");
    assert_eq!(refusal(&error), ChainRefusal::TooLong { certificates: 6 });
}

#[test]
fn station_behind_an_intermediate_is_taken() {
    let rig = Rig::new();
    // The development CA signs no CAs, so this one stands alone.
    let (root, root_key) = authority("root");
    let (intermediate, key) = authority("intermediate");
    let root_pem = root.self_signed(&root_key).expect("signed").pem();
    let intermediate_der =
        intermediate.signed_by(&key, &Issuer::from_params(&root, &root_key)).expect("signed").der().clone();
    let station_key = KeyPair::generate().expect("a key");
    let station = CertificateParams::default()
        .signed_by(&station_key, &Issuer::from_params(&intermediate, &key))
        .expect("signed")
        .der()
        .clone();
    let ca_pem = rig.write("root.pem", &root_pem);
    let tls = rig.server(ClientAuth::Required(ClientCa { ca_pem, crl_pem: None }));
    let verifier = tls.client_verifier().expect("on");
    verifier.check(&[station.clone(), intermediate_der], rig.now).expect("a chain to the root");
    verifier.check(&[station], rig.now).expect_err("the intermediate is missing");
}

fn authority(name: &str) -> (CertificateParams, KeyPair) {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    (params, KeyPair::generate().expect("a key"))
}

#[test]
fn weak_and_unknown_keys_are_refused_by_name() {
    let rig = Rig::new();
    let verifier = rig.server(ClientAuth::Required(rig.client_ca())).client_verifier().expect("on");
    let rsa_1024 =
        [&[0x30, 0x81, 0x89, 0x02, 0x81, 0x81, 0x00][..], &[0xC5; 128], &[0x02, 3, 1, 0, 1]].concat();
    let ec_192 = [&[0x04][..], &[0x5A; 48]].concat();
    for (algorithm, bytes, expected) in [
        (&PKCS_RSA_SHA256, rsa_1024, ChainRefusal::WeakKey { bits: 1024, bits_min: 2048 }),
        (&PKCS_ECDSA_P256_SHA256, ec_192, ChainRefusal::WeakKey { bits: 192, bits_min: 224 }),
        (&PKCS_ED25519, vec![0x5A; 32], ChainRefusal::UnknownKey),
    ] {
        let station = CertificateParams::default()
            .signed_by(&PublicKey { algorithm, bytes }, &issuer(&rig))
            .expect("signed");
        let error = verifier.check(&[station.der().clone()], rig.now).expect_err("refused");
        assert_eq!(refusal(&error), expected);
    }
}

/// Our own reason inside rustls' error.
fn refusal(error: &TlsError) -> ChainRefusal {
    match error {
        TlsError::InvalidCertificate(CertificateError::Other(OtherError(reason))) => {
            reason.downcast_ref::<ChainRefusal>().expect("ours").clone()
        }
        other => panic!("another reason: {other}"),
    }
}

struct PublicKey {
    algorithm: &'static SignatureAlgorithm,
    bytes: Vec<u8>,
}

impl PublicKeyData for PublicKey {
    fn der_bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.algorithm
    }
}

pub(crate) fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate")
}

fn issuer(rig: &Rig) -> Issuer<'static, KeyPair> {
    let key = std::fs::read_to_string(rig.folder.path().join("ca.key")).expect("the CA's key");
    let key = KeyPair::from_pem(&key).expect("the CA's key");
    Issuer::from_ca_cert_pem(rig.ca().certificate_pem(), key).expect("a CA")
}

/// A revocation list of the development CA, PEM.
pub(crate) fn revocation_list(rig: &Rig, revoked: &[&Issued]) -> String {
    let revoked_certs = revoked
        .iter()
        .map(|issued| {
            let facts = ringmain_certs::identity::PeerCertificate::from_der(&der(&issued.chain_pem));
            let serial = hex::decode(facts.expect("readable").serial_hex).expect("hex");
            RevokedCertParams {
                serial_number: SerialNumber::from_slice(&serial),
                revocation_time: rig.now.into(),
                reason_code: None,
                invalidity_date: None,
            }
        })
        .collect();
    CertificateRevocationListParams {
        this_update: rig.now.into(),
        next_update: (rig.now + DAY).into(),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs,
        key_identifier_method: KeyIdMethod::Sha256,
    }
    .signed_by(&issuer(rig))
    .expect("signed")
    .pem()
    .expect("PEM")
}
