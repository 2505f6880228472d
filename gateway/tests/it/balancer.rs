//! Stations behind a load balancer: what the door does with the address that a proxy tells.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::net::{Ipv4Addr, SocketAddrV4};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::rig::eventually;
use crate::rig::node::Node;
use crate::rig::station::{Introduction, Station, password_of};
use crate::rig::stores::TestStore;

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
    assert_eq!(refused_peers(&node), [ELSEWHERE.to_string()]);
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
