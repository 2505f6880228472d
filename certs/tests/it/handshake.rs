//! Server side alone: versions, names, suites, ALPN, resumption.

use std::sync::Arc;

use rcgen::{CertificateParams, Issuer, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use ringmain_certs::client::Offer;
use ringmain_certs::dev_ca::Issued;
use ringmain_certs::dev_ca::folder::ensure;
use ringmain_certs::server::{CERTIFICATES_MAX, ClientAuth, ServerSettings, ServerTls, ServerTlsError};
use rustls::crypto::aws_lc_rs;
use rustls::crypto::aws_lc_rs::cipher_suite as suite;
use rustls::{CipherSuite, ClientConfig, ProtocolVersion};

use crate::rig::{DAY, Listener, Rig, call, facts_of, shown};

#[tokio::test]
async fn server_alone_speaks_both_versions_and_http_1_1() {
    let rig = Rig::new();
    let mut listener = Listener::start(rig.server(ClientAuth::Off).config()).await;
    for (offer, version) in
        [(Offer::Tls12, ProtocolVersion::TLSv1_2), (Offer::Tls13, ProtocolVersion::TLSv1_3)]
    {
        call(listener.address, rig.offering(offer, None), "localhost").await.expect("let in");
        let met = listener.met().await.expect("let in");
        assert_eq!(met.version, version);
        assert_eq!(met.protocol.as_deref(), Some(&b"http/1.1"[..]));
        assert_eq!(met.station, None);
    }
}

#[tokio::test]
async fn client_without_alpn_is_let_in_and_h2_alone_is_refused() {
    let rig = Rig::new();
    let mut listener = Listener::start(rig.server(ClientAuth::Off).config()).await;
    let mut client = rig.client(None);
    client.alpn_protocols.clear();
    call(listener.address, client, "localhost").await.expect("let in");
    assert_eq!(listener.met().await.expect("let in").protocol, None);

    let mut client = rig.client(None);
    client.alpn_protocols = vec![b"h2".to_vec()];
    let refusal = call(listener.address, client, "localhost").await.expect_err("no HTTP/2 here");
    assert!(refusal.contains("NoApplicationProtocol"), "{refusal}");
}

#[tokio::test]
async fn station_certificate_is_not_asked_for_when_off() {
    let rig = Rig::new();
    let mut listener = Listener::start(rig.server(ClientAuth::Off).config()).await;
    let station = rig.station();
    call(listener.address, rig.client(Some(&station)), "localhost").await.expect("let in");
    assert_eq!(listener.met().await.expect("let in").station, None);
}

#[tokio::test]
async fn client_of_another_ca_refuses_the_server() {
    let rig = Rig::new();
    let stranger = Rig::new();
    let mut listener = Listener::start(rig.server(ClientAuth::Off).config()).await;
    let refusal = call(listener.address, stranger.client(None), "localhost").await.expect_err("a stranger");
    assert!(refusal.contains("UnknownIssuer") || refusal.contains("BadSignature"), "{refusal}");
    listener.met().await.expect_err("the client hung up");
}

#[tokio::test]
async fn name_picks_the_certificate_and_no_name_gets_the_default() {
    let rig = Rig::new();
    let ca = rig.ca();
    let second = ca.issue_server(&["csms.example.org".to_owned()], rig.now).expect("issued");
    let second = rig.keep("second", &second);
    let default = facts_of(&rig.pki.server_chain_pem);
    let named = facts_of(&second.chain_pem);
    let mut settings = ServerSettings::new(rig.pki.server());
    settings.certificates.push(second);
    let tls = ServerTls::load(settings).expect("two certificates");
    let listener = Listener::start(tls.config()).await;

    // An address goes without SNI (RFC 6066, section 3), as from stations set up with one.
    for (name, expected) in [("csms.example.org", &named), ("localhost", &default), ("127.0.0.1", &default)] {
        let stream = call(listener.address, rig.client(None), name).await.expect("let in");
        assert_eq!(&shown(&stream), expected, "{name}");
    }
    let mut silent = rig.client(None);
    silent.enable_sni = false;
    let stream = call(listener.address, silent, "localhost").await.expect("let in");
    assert_eq!(shown(&stream), default);
    // A name nobody knows gets the default too; it is the client who then refuses.
    let refusal =
        call(listener.address, rig.client(None), "elsewhere.example.org").await.expect_err("wrong name");
    assert!(refusal.contains("localhost"), "{refusal}");
}

#[tokio::test]
async fn rsa_only_client_gets_the_rsa_chain_beside_the_ecdsa_one() {
    let rig = Rig::new();
    let rsa = rig.keep("rsa", &rsa_certificate(&rig));
    let mut settings = ServerSettings::new(rig.pki.server());
    settings.certificates.push(rsa.clone());
    let listener = Listener::start(ServerTls::load(settings).expect("two kinds").config()).await;

    for (suites, chain) in [
        (vec![suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256], &rsa.chain_pem),
        (vec![suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256], &rig.pki.server_chain_pem),
    ] {
        let mut provider = aws_lc_rs::default_provider();
        provider.cipher_suites = suites;
        let roots = ringmain_certs::chain::read_roots(&rig.pki.ca_pem).expect("the CA");
        let client = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS12])
            .expect("TLS 1.2")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = call(listener.address, client, "localhost").await.expect("let in");
        assert_eq!(shown(&stream), facts_of(chain));
    }
}

fn rsa_certificate(rig: &Rig) -> Issued {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("a key");
    let ca_key =
        KeyPair::from_pem(&std::fs::read_to_string(rig.folder.path().join("ca.key")).expect("a key"));
    let issuer = Issuer::from_ca_cert_pem(rig.ca().certificate_pem(), ca_key.expect("a key")).expect("a CA");
    let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    let certificate = params.signed_by(&key, &issuer).expect("signed");
    Issued { chain_pem: certificate.pem(), key_pem: key.serialize_pem() }
}

#[tokio::test]
async fn second_handshake_resumes_in_both_versions() {
    let rig = Rig::new();
    let mut listener = Listener::start(rig.server(ClientAuth::Off).config()).await;
    for offer in [Offer::Tls12, Offer::Tls13] {
        let client = rig.offering(offer, None);
        for resumed in [false, true] {
            call(listener.address, client.clone(), "localhost").await.expect("let in");
            assert_eq!(listener.met().await.expect("let in").resumed, resumed, "{offer:?}");
        }
    }
}

#[test]
fn offered_suites_are_pinned() {
    let rig = Rig::new();
    let config = rig.server(ClientAuth::Off).config();
    let offered: Vec<CipherSuite> =
        config.crypto_provider().cipher_suites.iter().map(|suite| suite.suite()).collect();
    // Of the four suites OCPP names only the two with ECDHE are here; no static RSA: a declared deviation.
    assert_eq!(
        offered,
        [
            CipherSuite::TLS13_AES_256_GCM_SHA384,
            CipherSuite::TLS13_AES_128_GCM_SHA256,
            CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
            CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
            CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
            CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
            CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        ]
    );
    assert_eq!(config.max_early_data_size, 0, "early data can be replayed");
}

#[test]
fn number_of_certificates_is_bounded_at_both_ends() {
    let rig = Rig::new();
    let mut settings = ServerSettings::new(rig.pki.server());
    settings.certificates = vec![rig.pki.server(); CERTIFICATES_MAX];
    ServerTls::load(settings.clone()).expect("as many as are taken");
    settings.certificates.push(rig.pki.server());
    let error = ServerTls::load(settings.clone()).expect_err("one too many");
    assert_eq!(error.to_string(), "17 server certificates are configured, at most 16 are taken");
    settings.certificates.clear();
    let error = ServerTls::load(settings).expect_err("none");
    assert!(matches!(error, ServerTlsError::NoCertificates), "{error}");
}

#[test]
fn ends_of_the_served_certificates_can_be_watched() {
    let rig = Rig::new();
    let served = rig.server(ClientAuth::Off).certificates().expect("readable");
    assert_eq!(served, [facts_of(&rig.pki.server_chain_pem)]);
    ensure(rig.folder.path(), &[], rig.now + DAY * 61).expect("renewed");
    assert_ne!(served, [facts_of(&rig.pki.server_chain_pem)]);
}
