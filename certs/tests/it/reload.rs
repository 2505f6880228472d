//! New files under a running listener.

use std::fs;

use ringmain_certs::client::Offer;
use ringmain_certs::dev_ca::folder::ensure;
use ringmain_certs::reload::Change;
use ringmain_certs::server::{ClientAuth, ServerTlsError};
use ringmain_certs::verifier::ClientCa;

use crate::clients::{der, revocation_list};
use crate::rig::{DAY, Listener, Rig, call, echo, facts_of, shown};

#[tokio::test]
async fn reload_swaps_the_certificate_and_keeps_the_live_socket() {
    let rig = Rig::new();
    let mut tls = rig.server(ClientAuth::Off);
    let listener = Listener::start(tls.config()).await;
    let old = facts_of(&rig.pki.server_chain_pem);
    let mut live = call(listener.address, rig.client(None), "localhost").await.expect("let in");
    assert_eq!(shown(&live), old);

    ensure(rig.folder.path(), &["localhost".to_owned()], rig.now).expect("other names, new certificate");
    let new = facts_of(&rig.pki.server_chain_pem);
    assert_ne!(new, old);
    let changes = tls.reload().expect("good files");
    assert_eq!(
        changes,
        [Change::ServerCertificate {
            chain_pem: rig.pki.server_chain_pem.clone(),
            sha256_fingerprint: new.sha256_fingerprint.clone(),
            not_after_unix_s: new.not_after_unix_s,
        }]
    );

    echo(&mut live).await.expect("the old socket lives");
    let stream = call(listener.address, rig.client(None), "localhost").await.expect("let in");
    assert_eq!(shown(&stream), new);
    assert_eq!(tls.reload().expect("good files"), [], "nothing changed since");
}

#[tokio::test]
async fn wrong_file_keeps_every_old_one() {
    let rig = Rig::new();
    let station = rig.station();
    let ca_pem = rig.write("stations.pem", rig.ca().certificate_pem());
    let client_ca = ClientCa { ca_pem: ca_pem.clone(), crl_pem: None };
    let mut tls = rig.server(ClientAuth::Required(client_ca));
    let old = facts_of(&rig.pki.server_chain_pem);
    let listener = Listener::start(tls.config()).await;

    // The server's certificate is new and good; the bundle is broken: neither comes into force.
    ensure(rig.folder.path(), &["localhost".to_owned()], rig.now).expect("a new certificate");
    fs::write(&ca_pem, "no certificate here").expect("writable");
    let error = tls.reload().expect_err("a broken bundle");
    assert_eq!(error.to_string(), format!("{}: contains no certificate", ca_pem.display()));
    let stream = call(listener.address, rig.client(Some(&station)), "localhost").await.expect("let in");
    assert_eq!(shown(&stream), old);

    fs::remove_file(&rig.pki.server_key_pem).expect("it was there");
    let error = tls.reload().expect_err("no key");
    assert!(matches!(error, ServerTlsError::Pem(_)), "{error}");
    let stream = call(listener.address, rig.client(Some(&station)), "localhost").await.expect("let in");
    assert_eq!(shown(&stream), old);
}

#[tokio::test]
async fn new_client_ca_counts_at_once_and_no_ticket_brings_the_old_one_back() {
    let rig = Rig::new();
    let other = Rig::new();
    let ca_pem = rig.write("stations.pem", rig.ca().certificate_pem());
    let client_ca = ClientCa { ca_pem: ca_pem.clone(), crl_pem: None };
    let mut tls = rig.server(ClientAuth::Required(client_ca));
    let mut listener = Listener::start(tls.config()).await;
    let station = rig.station();
    let clients = [Offer::Tls12, Offer::Tls13].map(|offer| rig.offering(offer, Some(&station)));
    let mut live = Vec::new();
    for client in &clients {
        live.push(call(listener.address, client.clone(), "localhost").await.expect("let in"));
        listener.met().await.expect("let in");
    }

    fs::write(&ca_pem, other.ca().certificate_pem()).expect("writable");
    assert_eq!(tls.reload().expect("good files"), [Change::ClientCa { ca_pem: ca_pem.clone() }]);

    for (client, mut live) in clients.into_iter().zip(live) {
        echo(&mut live).await.expect("live sockets are for the gateway to judge");
        // These clients hold a ticket of the first handshake.
        call(listener.address, client, "localhost").await.expect_err("the old CA is gone");
        listener.met().await.expect_err("the old CA is gone");
    }
    let verifier = tls.client_verifier().expect("on");
    verifier.check(&[der(&station.chain_pem)], rig.now).expect_err("and this is how it judges");
    let newcomer = other.station();
    call(listener.address, rig.client(Some(&newcomer)), "localhost").await.expect("the new CA counts");
    assert_eq!(tls.reload().expect("good files"), []);
}

#[tokio::test]
async fn revocation_cuts_off_a_station_that_holds_a_ticket() {
    let rig = Rig::new();
    let crl_pem = rig.write("revoked.crl", &revocation_list(&rig, &[]));
    let client_ca = ClientCa { crl_pem: Some(crl_pem.clone()), ..rig.client_ca() };
    let mut tls = rig.server(ClientAuth::Required(client_ca));
    let mut listener = Listener::start(tls.config()).await;
    let station = rig.station();
    let client = rig.client(Some(&station));
    for resumed in [false, true] {
        call(listener.address, client.clone(), "localhost").await.expect("let in");
        assert_eq!(listener.met().await.expect("let in").resumed, resumed);
    }

    fs::write(&crl_pem, revocation_list(&rig, &[&station])).expect("writable");
    assert_eq!(tls.reload().expect("good files"), [Change::ClientCa { ca_pem: rig.pki.ca_pem.clone() }]);
    call(listener.address, client, "localhost").await.expect_err("revoked");
    assert!(listener.met().await.expect_err("revoked").contains("Revoked"));
}

#[test]
fn renewed_ca_of_the_same_key_still_trusts_old_stations() {
    let rig = Rig::new();
    let mut tls = rig.server(ClientAuth::Required(rig.client_ca()));
    let station = rig.station();
    ensure(rig.folder.path(), &[], rig.now + DAY * 3_400).expect("the CA is renewed");
    let changes = tls.reload().expect("good files");
    assert_eq!(changes.len(), 2, "server certificate and CA: {changes:?}");
    let verifier = tls.client_verifier().expect("on");
    // The renewed CA is valid from then on, so it is then that the old station must pass.
    let young = rig.ca().issue_station("CS-2", "Ring Power", rig.now + DAY * 3_400).expect("issued");
    verifier.check(&[der(&young.chain_pem)], rig.now + DAY * 3_401).expect("the new one");
    verifier.check(&[der(&station.chain_pem)], rig.now + DAY).expect("the old one: same name, same key");
}
