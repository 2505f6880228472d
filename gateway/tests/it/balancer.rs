//! Stations behind a load balancer: what the door does with the address that a proxy tells, and HAProxy itself with the file we ship.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use ringmain_certs::client::{ClientSettings, ServerTrust};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::rig::balancer::Balancer;
use crate::rig::node::{Addresses, Node, TOKEN};
use crate::rig::station::{Introduction, Station, password_of};
use crate::rig::stores::TestStore;
use crate::rig::{eventually, http, within};

const BEHIND: [(&str, &str); 1] = [("LISTEN__PROXIES", "127.0.0.0/8")];
const STATION: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 9), 50_001);
const ELSEWHERE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 10), 50_001);

/// How the node's log names the peer of a refused upgrade.
fn refused_peers(node: &Node) -> Vec<String> {
    let refusals = node.log.events().into_iter().filter(|event| event["message"] == "an upgrade is refused");
    refusals.map(|event| event["peer"].as_str().unwrap().to_owned()).collect()
}

/// Without the proxy's word every station has one address, and whoever knows an identity and its password could throw the station out.
#[tokio::test]
async fn newest_wins_by_the_address_that_the_proxy_tells() {
    let mut node = Node::start_with(TestStore::sqlite(), &BEHIND).await;
    node.expect_complaint("a second living socket of one station is refused");
    node.api().register("CS-1").await;
    let password = password_of("CS-1");
    let from = |source| Introduction {
        behind_proxy: Some(source),
        ..Introduction::of("CS-1", "ocpp2.0.1", &password)
    };
    let mut old = Station::introduce(&node.addresses, &from(STATION)).await.unwrap();
    let elsewhere = from(ELSEWHERE);
    let (refused, ()) =
        tokio::join!(Station::introduce(&node.addresses, &elsewhere), async { old.pinged().await });
    assert_eq!(refused.err(), Some(409), "another address, and the old one lives");
    let mut new = Station::introduce(&node.addresses, &from(STATION)).await.unwrap();
    assert_eq!(old.closed().await, Some(1008), "the same address: it came back");
    new.boot().await;
    let peers =
        eventually!("the refusal in the log", Some(refused_peers(&node)).filter(|peers| !peers.is_empty()));
    assert_eq!(peers, [ELSEWHERE.to_string()]);
    node.stop().await;
}

/// One guesser is slowed down, not all that come through the same balancer.
#[tokio::test]
async fn wrong_passwords_are_counted_by_the_address_that_the_proxy_tells() {
    let mut node = Node::start_with(TestStore::sqlite(), &BEHIND).await;
    node.api().register("CS-1").await;
    let guess = Introduction {
        behind_proxy: Some(ELSEWHERE),
        ..Introduction::of("CS-1", "ocpp2.0.1", "wrong-and-long-enough")
    };
    let mut status = None;
    for _ in 0..50 {
        status = Station::introduce(&node.addresses, &guess).await.err();
        if status == Some(429) {
            break;
        }
    }
    assert_eq!(status, Some(429));
    let password = password_of("CS-1");
    let itself =
        Introduction { behind_proxy: Some(STATION), ..Introduction::of("CS-1", "ocpp2.0.1", &password) };
    assert_eq!(Station::introduce(&node.addresses, &itself).await.err(), None);
    node.stop().await;
}

#[tokio::test]
async fn what_a_proxy_sends_wrong_is_counted_by_reason() {
    let mut node = Node::start_with(TestStore::sqlite(), &BEHIND).await;
    for (bytes, reason) in [
        (&b"GET /ocpp/CS-1 HTTP/1.1\r\n\r\n"[..], "proxy_signature"),
        (b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c", "proxy_version"),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x12\0\x0c", "proxy_family"),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff", "proxy_length"),
        (b"PROXY TCP4 here there 1 2\r\n", "proxy_text"),
        (b"", "proxy_cut"),
    ] {
        let mut tcp = TcpStream::connect(node.addresses.ws).await.unwrap();
        tcp.write_all(bytes).await.unwrap();
        tcp.shutdown().await.unwrap();
        eventually!(reason, {
            let page = node.metrics().await;
            let counted = page.sum("ringmain_socket_refused_total", &[("reason", reason)]);
            (counted > 0.0).then_some(())
        });
    }
    node.stop().await;
}

/// The file we ship, the program it is for, a station with TLS to the node: `haproxy -f deploy/haproxy/haproxy.cfg`.
#[tokio::test]
async fn a_station_connects_through_haproxy_and_keeps_its_address() {
    let mut node = Node::start_with(TestStore::sqlite(), &BEHIND).await;
    let name = "a_station_connects_through_haproxy_and_keeps_its_address";
    let Some(balancer) = Balancer::start(name, &node.addresses).await else { return };
    node.api().register("CS-1").await;
    // It asks whether the node is ready; those that are not there get no station any more.
    eventually!("haproxy to find the other nodes down", {
        let page = http::request(balancer.metrics, "GET", "/metrics", &[], None).await.unwrap().body;
        let is_up = |node: u8, expect: u8| {
            let server = format!("proxy=\"nodes_wss\",server=\"node-{node}\",state=\"UP\"}} {expect}");
            page.contains(&format!("haproxy_server_status{{{server}"))
        };
        (is_up(1, 1) && is_up(2, 0) && is_up(3, 0)).then_some(())
    });
    let through = Addresses { wss: balancer.wss, ..node.addresses.clone() };
    let password = password_of("CS-1");
    // Another address of this machine, which the balancer sees and the node does not.
    let source = Ipv4Addr::new(127, 0, 0, 9);
    let introduction =
        Introduction { with_tls: true, source, ..Introduction::of("CS-1", "ocpp2.0.1", &password) };
    let mut station = Station::introduce(&through, &introduction).await.unwrap();
    assert_eq!(station.boot().await["status"], "Accepted");
    let wrong = Introduction { password: Some("wrong-and-long-enough"), ..introduction.clone() };
    assert_eq!(Station::introduce(&through, &wrong).await.err(), Some(401));
    let peers =
        eventually!("the refusal in the log", Some(refused_peers(&node)).filter(|peers| !peers.is_empty()));
    assert!(matches!(&peers[..], [peer] if peer.starts_with("127.0.0.9:")), "{peers:?}");
    let answer = over_https(&balancer, "/api/v1/charging-stations/CS-1").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.to_ascii_lowercase().contains("set-cookie: ringmain-node=n1"), "{answer}");
    station.is_well().await;
    station.close().await;
    node.stop().await;
}

/// A request of the operator API as it goes through the balancer.
async fn over_https(balancer: &Balancer, path: &str) -> String {
    let config = ServerTrust::read(&balancer.ca()).unwrap().client(ClientSettings::default()).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let tcp = TcpStream::connect(balancer.https).await.unwrap();
    let mut stream = within("TLS", TlsConnector::from(Arc::new(config)).connect(name, tcp)).await.unwrap();
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A peer that hangs up without TLS's farewell is an error only after the answer.
    drop(within("an answer", stream.read_to_end(&mut answer)).await);
    String::from_utf8(answer).unwrap()
}
