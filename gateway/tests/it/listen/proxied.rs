//! Stations behind a proxy that tells where they come from, and strangers who try the same.

use super::rig::{OFFER, Rig, answer, request, rest, within};
use super::tls::TlsRig;
use ringmain_certs::client::Offer;
use ringmain_gateway::handshake::ListenerKind;
use ringmain_gateway::listen::ListenSettings;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const STATION: &str = "203.0.113.9:50001";
const TEXT: &[u8] = b"PROXY TCP4 203.0.113.9 192.0.2.1 50001 9443\r\n";
/// The same in version 2, with an addition that nobody here knows.
const BINARY: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x11\xcb\0\x71\x09\xc0\0\x02\x01\xc3\x51\x24\xe3\xee\0\x02hi";
/// A proxy that speaks for itself.
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

/// All tests come from 127.0.0.1.
fn believed(settings: &mut ListenSettings) {
    settings.proxies = "127.0.0.0/8".to_owned().try_into().unwrap();
}

fn impatient(settings: &mut ListenSettings) {
    believed(settings);
    settings.head_limit = Duration::from_millis(200);
}

/// Somebody else is the proxy.
fn distrustful(settings: &mut ListenSettings) {
    settings.proxies = "192.0.2.0/24".to_owned().try_into().unwrap();
}

fn peers(rig: &Rig) -> Vec<SocketAddr> {
    rig.seen().iter().map(|seen| seen.peer).collect()
}

/// Whether it ends in order or with a reset, nothing came.
async fn is_closed_without_a_word(stream: &mut TcpStream) {
    let mut came = Vec::new();
    let ended = within(stream.read_to_end(&mut came)).await;
    assert!(came.is_empty(), "{:?} {ended:?}", String::from_utf8_lossy(&came));
}

#[actix_rt::test]
async fn a_station_comes_from_where_its_proxy_says() {
    let rig = Rig::with(believed, None);
    for header in [TEXT, BINARY] {
        let mut stream = rig.connect().await;
        // In one write: not a byte of the request may be lost with the header.
        let bytes = [header, request("/ocpp/CS-1", OFFER).as_bytes()].concat();
        stream.write_all(&bytes).await.unwrap();
        assert_eq!(answer(&mut stream).await.status, 101);
    }
    assert_eq!(peers(&rig), [STATION.parse().unwrap(); 2]);
}

#[actix_rt::test]
async fn tls_begins_after_the_header() {
    let tls = TlsRig::new(believed);
    for (header, offer) in [(TEXT, Offer::Tls12), (BINARY, Offer::Tls13)] {
        let mut tcp = tls.rig.connect().await;
        tcp.write_all(header).await.unwrap();
        let mut stream = tls.connect_over(tcp, offer, None).await.unwrap();
        stream.write_all(request("/ocpp/CS-1", OFFER).as_bytes()).await.unwrap();
        assert_eq!(answer(&mut stream).await.status, 101);
    }
    assert_eq!(peers(&tls.rig), [STATION.parse().unwrap(); 2]);
    assert!(tls.rig.seen().iter().all(|seen| seen.listener == ListenerKind::Wss));
}

#[actix_rt::test]
async fn header_in_single_bytes_is_read() {
    let tls = TlsRig::new(believed);
    for header in [TEXT, BINARY] {
        let mut tcp = tls.rig.connect().await;
        for byte in header {
            tcp.write_all(&[*byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        let mut stream = tls.connect_over(tcp, Offer::Both, None).await.unwrap();
        stream.write_all(request("/ocpp/CS-1", OFFER).as_bytes()).await.unwrap();
        assert_eq!(answer(&mut stream).await.status, 101);
    }
    assert_eq!(peers(&tls.rig), [STATION.parse().unwrap(); 2]);
}

#[actix_rt::test]
async fn a_proxy_that_names_nobody_is_the_peer_itself() {
    let rig = Rig::with(believed, None);
    for header in [LOCAL, b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN ffff:: 1 2 3\r\n"] {
        let mut stream = rig.connect().await;
        stream.write_all(&[header, request("/ocpp/CS-1", OFFER).as_bytes()].concat()).await.unwrap();
        assert_eq!(answer(&mut stream).await.status, 101);
        assert_eq!(peers(&rig).last(), Some(&stream.local_addr().unwrap()));
    }
}

#[actix_rt::test]
async fn a_stranger_cannot_choose_its_address() {
    let rig = Rig::with(distrustful, None);
    for header in [TEXT, BINARY] {
        let mut stream = rig.connect().await;
        let bytes = [header, request("/ocpp/CS-1", OFFER).as_bytes()].concat();
        stream.write_all(&bytes).await.unwrap();
        assert_eq!(answer(&mut stream).await.status, 400, "it is no HTTP");
    }
    let mut honest = rig.connect().await;
    honest.write_all(request("/ocpp/CS-1", OFFER).as_bytes()).await.unwrap();
    assert_eq!(answer(&mut honest).await.status, 101);
    assert_eq!(peers(&rig), [honest.local_addr().unwrap()]);
}

#[actix_rt::test]
async fn a_stranger_cannot_choose_its_address_before_tls() {
    let tls = TlsRig::new(distrustful);
    for header in [TEXT, BINARY] {
        let mut tcp = tls.rig.connect().await;
        tcp.write_all(header).await.unwrap();
        assert!(tls.connect_over(tcp, Offer::Both, None).await.is_err(), "it is no TLS");
    }
    assert_eq!(tls.rig.seen().len(), 0);
}

#[actix_rt::test]
async fn a_proxy_without_a_good_header_is_closed() {
    let rig = Rig::with(believed, None);
    for (name, header) in [
        ("none", &b""[..]),
        ("another version", b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c"),
        ("UDP", b"\r\n\r\n\0\r\nQUIT\n\x21\x12\0\x0c"),
        ("64 KiB", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff"),
        ("no addresses", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\0"),
        ("words", b"PROXY TCP4 here there 1 2\r\n"),
        ("no end", &[b'P', b'R', b'O', b'X', b'Y', b' '].repeat(30)),
    ] {
        let mut stream = rig.connect().await;
        stream.write_all(&[header, request("/ocpp/CS-1", OFFER).as_bytes()].concat()).await.unwrap();
        is_closed_without_a_word(&mut stream).await;
        assert_eq!(rig.seen().len(), 0, "{name}");
    }
}

#[actix_rt::test]
async fn tls_without_a_header_from_a_proxy_is_closed() {
    let tls = TlsRig::new(believed);
    assert!(tls.connect(Offer::Both, None).await.is_err());
    assert_eq!(tls.rig.seen().len(), 0);
}

#[actix_rt::test]
async fn slow_header_times_out() {
    let rig = Rig::with(impatient, None);
    for header in [TEXT, BINARY] {
        let mut silent = rig.connect().await;
        let mut slow = rig.connect().await;
        slow.write_all(&header[..header.len() - 1]).await.unwrap();
        assert_eq!(rest(&mut slow).await, b"");
        assert_eq!(rest(&mut silent).await, b"");
    }
    assert_eq!(rig.seen().len(), 0);
}
