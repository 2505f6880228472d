//! What no listener may agree to: versions before 1.2 and unsuitable suites (OCPP 2.0.1 part 2,
//! A00.FR.312-314). rustls cannot even be asked for them, so these hellos are made by hand.

use std::time::Duration;

use ringmain_certs::server::ClientAuth;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::rig::{Listener, Rig};

const ECDHE_ECDSA_AES_128_GCM: u16 = 0xC02B;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const SERVER_HELLO: u8 = 2;
const FATAL: u8 = 2;
const HANDSHAKE_FAILURE: u8 = 40;
const PROTOCOL_VERSION: u8 = 70;
const ILLEGAL_PARAMETER: u8 = 47;

struct Hello {
    version: [u8; 2],
    suites: Vec<u16>,
    compressions: Vec<u8>,
}

fn u16_list(values: &[u16]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_be_bytes()).collect()
}

fn with_length_16(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).expect("short").to_be_bytes()[..], bytes].concat()
}

fn with_length_8(bytes: &[u8]) -> Vec<u8> {
    [&[u8::try_from(bytes.len()).expect("short")][..], bytes].concat()
}

fn extension(kind: u16, body: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &with_length_16(body)].concat()
}

/// One TLS record with a ClientHello in it.
fn record(hello: &Hello) -> Vec<u8> {
    let groups = extension(10, &with_length_16(&u16_list(&[23])));
    let points = extension(11, &with_length_8(&[0]));
    let signatures = extension(13, &with_length_16(&u16_list(&[0x0403, 0x0401])));
    let body = [
        &hello.version[..],
        &[0x5A; 32],
        &with_length_8(&[]),
        &with_length_16(&u16_list(&hello.suites)),
        &with_length_8(&hello.compressions),
        &with_length_16(&[groups, points, signatures].concat()),
    ]
    .concat();
    let message = [&[1, 0][..], &with_length_16(&body)].concat();
    [&[HANDSHAKE, 3, 1][..], &with_length_16(&message)].concat()
}

/// The first record of the server's answer: its kind and the first two bytes of its content.
async fn answer(hello: &Hello) -> (u8, [u8; 2]) {
    let rig = Rig::new();
    let listener = Listener::start(rig.server(ClientAuth::Off).config()).await;
    let mut stream = TcpStream::connect(listener.address).await.expect("connected");
    stream.write_all(&record(hello)).await.expect("sent");
    let mut head = [0; 7];
    tokio::time::timeout(Duration::from_secs(20), stream.read_exact(&mut head))
        .await
        .expect("in time")
        .expect("an answer");
    (head[0], [head[5], head[6]])
}

fn hello() -> Hello {
    Hello { version: [3, 3], suites: vec![ECDHE_ECDSA_AES_128_GCM], compressions: vec![0] }
}

#[tokio::test]
async fn hand_made_hello_of_tls_1_2_is_answered() {
    let (kind, content) = answer(&hello()).await;
    assert_eq!((kind, content[0]), (HANDSHAKE, SERVER_HELLO), "or the refusals below prove nothing");
}

#[tokio::test]
async fn tls_1_1_and_older_are_refused() {
    for version in [[3, 2], [3, 1], [3, 0]] {
        // The suites that such clients would offer stand beside one that we know.
        let suites = vec![0xC009, 0xC00A, 0x002F, 0x0035, ECDHE_ECDSA_AES_128_GCM];
        let refusal = answer(&Hello { version, suites, ..hello() }).await;
        assert_eq!(refusal, (ALERT, [FATAL, PROTOCOL_VERSION]), "{version:?}");
    }
}

#[tokio::test]
async fn unsuitable_suites_are_refused() {
    for (name, suite) in [
        ("NULL", 0x0002),
        ("RC4", 0x0005),
        ("export RC4", 0x0003),
        ("DES", 0x0009),
        ("3DES", 0x000A),
        ("ECDHE 3DES", 0xC008),
        ("ECDHE RC4", 0xC007),
        ("ECDHE NULL", 0xC006),
        ("ECDHE CBC", 0xC023),
        ("static RSA AES 128 GCM", 0x009C),
        ("static RSA AES 256 GCM", 0x009D),
        ("anonymous DH", 0x0034),
    ] {
        let refusal = answer(&Hello { suites: vec![suite], ..hello() }).await;
        assert_eq!(refusal, (ALERT, [FATAL, HANDSHAKE_FAILURE]), "{name}");
    }
}

#[tokio::test]
async fn compression_is_refused() {
    let refusal = answer(&Hello { compressions: vec![1], ..hello() }).await;
    assert_eq!(refusal, (ALERT, [FATAL, ILLEGAL_PARAMETER]));
}
