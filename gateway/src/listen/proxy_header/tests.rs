//! Headers written, cut, bent and read: every prefix asks for more, nothing else than a header is one, nothing panics.

use super::*;
use proptest::prelude::*;

/// Version 1, as proxies write it.
fn text(source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
    let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    let (from, to) = (source.ip(), destination.ip());
    format!("PROXY {family} {from} {to} {} {}\r\n", source.port(), destination.port()).into_bytes()
}

/// Version 2 with any command, family and rest.
fn binary(version_and_command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[version_and_command, family][..], &length, rest].concat()
}

fn addresses(source: SocketAddr, destination: SocketAddr) -> (u8, Vec<u8>) {
    let ports = [source.port().to_be_bytes(), destination.port().to_be_bytes()].concat();
    match (source.ip(), destination.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            (TCP_OVER_IPV4, [&from.octets()[..], &to.octets(), &ports].concat())
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            (TCP_OVER_IPV6, [&from.octets()[..], &to.octets(), &ports].concat())
        }
        mixed => panic!("{mixed:?}"),
    }
}

/// Feeds bytes as a reader would: never more at once than asked for, in pieces of at most `piece` bytes. What is left is not read.
fn feed(bytes: &[u8], piece: usize) -> (Result<Step, Fault>, usize) {
    let mut filled = 0;
    loop {
        match read(&bytes[..filled]) {
            Ok(Step::More(wanted)) if filled < bytes.len() => {
                filled = bytes.len().min(filled + wanted.min(piece));
            }
            ended => return (ended, filled),
        }
    }
}

fn canonical(address: SocketAddr) -> Source {
    Source::Peer(SocketAddr::new(address.ip().to_canonical(), address.port()))
}

fn any_pair() -> impl Strategy<Value = (SocketAddr, SocketAddr)> {
    let ports = (any::<u16>(), any::<u16>());
    let pair = |from: IpAddr, to: IpAddr, ports: (u16, u16)| ((from, ports.0).into(), (to, ports.1).into());
    prop_oneof![
        (any::<[u8; 4]>(), any::<[u8; 4]>(), ports).prop_map(move |(from, to, ports)| pair(
            from.into(),
            to.into(),
            ports
        )),
        (any::<[u8; 16]>(), any::<[u8; 16]>(), ports).prop_map(move |(from, to, ports)| pair(
            from.into(),
            to.into(),
            ports
        )),
    ]
}

/// A good header of either version with what it says.
fn any_header() -> impl Strategy<Value = (Vec<u8>, Source)> {
    let extras = proptest::collection::vec(any::<u8>(), 0..200);
    prop_oneof![
        any_pair().prop_map(|(from, to)| (text(from, to), canonical(from))),
        (any_pair(), extras.clone()).prop_map(|((from, to), extras)| {
            let (family, addresses) = addresses(from, to);
            (binary(0x21, family, &[addresses, extras].concat()), canonical(from))
        }),
        (any::<u8>(), extras)
            .prop_map(|(family, extras)| (binary(0x20, family, &extras), Source::Connection)),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read_and_what_follows_is_left(
        (header, source) in any_header(),
        after in proptest::collection::vec(any::<u8>(), 0..40),
        piece in 1_usize..300,
    ) {
        let whole = [&header[..], &after].concat();
        prop_assert_eq!(feed(&whole, piece), (Ok(Step::Done(source)), header.len()));
    }

    #[test]
    fn every_prefix_asks_for_more_and_never_for_too_much((header, _) in any_header()) {
        for length in 0..header.len() {
            match read(&header[..length]) {
                Ok(Step::More(wanted)) => prop_assert!((1..=header.len() - length).contains(&wanted)),
                other => prop_assert!(false, "{length} of {}: {other:?}", header.len()),
            }
        }
    }

    #[test]
    fn nothing_panics_and_nothing_is_read_beyond_the_bound(
        bytes in proptest::collection::vec(any::<u8>(), 0..2_000),
        start in 0..3_usize,
        piece in 1_usize..2_000,
    ) {
        let start = [&b""[..], TEXT_START, SIGNATURE][start];
        let (_, read) = feed(&[start, &bytes].concat(), piece);
        prop_assert!(read <= HEADER_MAX);
    }

    #[test]
    fn one_bent_byte_never_panics_and_never_reads_past_the_header(
        (mut header, _) in any_header(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let at = at.index(header.len());
        header[at] = byte;
        for piece in [1, 2_000] {
            prop_assert!(feed(&header, piece).1 <= header.len());
        }
    }
}

#[test]
fn text_headers_of_the_standard() {
    let peer = |text: &str| Ok(Step::Done(Source::Peer(text.parse().unwrap())));
    let long6 = "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n";
    for (line, expect) in [
        ("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", peer("255.255.255.255:65535")),
        (long6, peer("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535")),
        ("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n", peer("192.0.2.1:1")),
        ("PROXY UNKNOWN\r\n", Ok(Step::Done(Source::Connection))),
        ("PROXY UNKNOWN whatever it says\r\n", Ok(Step::Done(Source::Connection))),
        ("PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n", Err(Fault::Text)),
        ("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n", Err(Fault::Text)),
        ("PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n", Err(Fault::Text)),
        ("PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n", Err(Fault::Text)),
        ("PROXY TCP4 ::1 ::2 1 2\r\n", Err(Fault::Text)),
        ("PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n", Err(Fault::Text)),
        ("PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n", Err(Fault::Text)),
        ("PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n", Err(Fault::Text)),
        ("PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n", Err(Fault::Text)),
        ("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\rX", Err(Fault::Text)),
        ("PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n", Err(Fault::Family)),
        ("PROXY UNKNOWNS and more words\r\n", Err(Fault::Family)),
        ("GET /ocpp/CS-1 HTTP/1.1\r\n", Err(Fault::Signature)),
        ("proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n", Err(Fault::Signature)),
    ] {
        assert_eq!(feed(line.as_bytes(), 2_000).0, expect, "{line:?}");
    }
    let unknown = |length: usize| format!("PROXY UNKNOWN {}\r\n", "x".repeat(length - 16)).into_bytes();
    assert_eq!(feed(&unknown(TEXT_MAX), 2_000), (Ok(Step::Done(Source::Connection)), TEXT_MAX));
    assert_eq!(feed(&unknown(TEXT_MAX + 1), 2_000).0, Err(Fault::Length));
    assert_eq!(feed(&b"PROXY UNKNOWN ".repeat(20), 1), (Err(Fault::Length), TEXT_MAX - 1));
}

#[test]
fn binary_headers_of_the_standard() {
    let four = [192, 0, 2, 1, 198, 51, 100, 1, 0x1f, 0x90, 1, 187];
    let mapped = [&[0; 10][..], &[255, 255, 192, 0, 2, 1], &[0; 16], &[0x1f, 0x90, 1, 187]].concat();
    let peer = Ok(Step::Done(Source::Peer("192.0.2.1:8080".parse().unwrap())));
    let own = Ok(Step::Done(Source::Connection));
    for (name, header, expect) in [
        ("IPv4", binary(0x21, 0x11, &four), peer),
        ("IPv4 in IPv6", binary(0x21, 0x21, &mapped), peer),
        ("the largest", binary(0x21, 0x11, &[&four[..], &[0; REST_MAX - 12]].concat()), peer),
        ("too large", binary(0x21, 0x11, &[0; REST_MAX + 1]), Err(Fault::Length)),
        ("a health check", binary(0x20, 0x00, &[]), own),
        ("a health check with addresses", binary(0x20, 0x11, &four), own),
        ("unspecified", binary(0x21, 0x00, &four), own),
        ("no room for IPv4", binary(0x21, 0x11, &four[..11]), Err(Fault::Length)),
        ("no room for IPv6", binary(0x21, 0x21, &mapped[..35]), Err(Fault::Length)),
        ("UDP", binary(0x21, 0x12, &four), Err(Fault::Family)),
        ("UDP over IPv6", binary(0x21, 0x22, &mapped), Err(Fault::Family)),
        ("a Unix socket", binary(0x21, 0x31, &[0; 216]), Err(Fault::Family)),
        ("version 1", binary(0x11, 0x11, &four), Err(Fault::Version)),
        ("command 2", binary(0x22, 0x11, &four), Err(Fault::Version)),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00".to_vec(), Err(Fault::Signature)),
        ("half a signature", b"\r\n\r\n\0\r\nQUIX".to_vec(), Err(Fault::Signature)),
    ] {
        assert_eq!(feed(&header, 2_000).0, expect, "{name}");
    }
}
