//! The codec alone: limits on the header, splits, hostile bytes, and a masking client as the other side.

use super::*;
use proptest::prelude::*;

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A client's frame; `first` is the whole first byte.
fn frame(first: u8, mask: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        length @ ..126 => out.push(0x80 | u8::try_from(length).unwrap()),
        length @ 126..65_536 => {
            out.push(0x80 | 126);
            out.extend_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&mask);
    out.extend(payload.iter().enumerate().map(|(n, byte)| byte ^ mask[n % 4]));
    out
}

fn header(first: u8, length: u64) -> Vec<u8> {
    let mut out = vec![first, 0x80 | 127];
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&MASK);
    out
}

fn text(text: &str) -> Vec<u8> {
    frame(0x81, MASK, text.as_bytes())
}

/// Feeds pieces and collects all messages up to the first fault.
fn run<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Incoming>, Option<WsFault>) {
    let mut decoder = Decoder::default();
    let mut src = BytesMut::new();
    let mut messages = Vec::new();
    for piece in pieces {
        src.extend_from_slice(piece);
        loop {
            match decoder.decode(&mut src) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(fault) => return (messages, Some(fault)),
            }
        }
        assert!(src.len() < 14, "{} bytes are neither header nor consumed", src.len());
    }
    (messages, None)
}

fn decode(bytes: &[u8]) -> (Vec<Incoming>, Option<WsFault>) {
    run([bytes])
}

fn fault(bytes: &[u8]) -> WsFault {
    let (messages, fault) = decode(bytes);
    assert_eq!(messages, []);
    fault.unwrap()
}

#[test]
fn text_of_each_length_form_comes_out() {
    for length in [0, 1, 7, 8, 9, 125, 126, 127, 128, 65_535, 65_536, 100_001, MESSAGE_BYTES_MAX] {
        let message = "x".repeat(length);
        assert_eq!(decode(&text(&message)), (vec![Incoming::Text(message)], None), "{length} bytes");
    }
}

#[test]
fn announced_400_mebibytes_are_refused_on_the_header() {
    let mut decoder = Decoder::default();
    let mut src = BytesMut::from(&header(0x81, 400 << 20)[..]);
    assert_eq!(decoder.decode(&mut src), Err(WsFault::TooBig(Limit::Frame)));
    assert_eq!(decoder.retained_bytes(), 0);
    assert_eq!(fault(&header(0x81, u64::MAX)), WsFault::TooBig(Limit::Frame));
    assert_eq!(fault(&header(0x82, 400 << 20)), WsFault::TooBig(Limit::Frame));
}

#[test]
fn limit_is_refused_before_the_mask_has_come() {
    let bytes = header(0x81, FRAME_BYTES_MAX as u64 + 1);
    assert_eq!(fault(&bytes[..10]), WsFault::TooBig(Limit::Frame));
}

#[test]
fn announced_length_alone_reserves_nothing() {
    let mut decoder = Decoder::default();
    let mut bytes = header(0x81, FRAME_BYTES_MAX as u64);
    bytes.extend_from_slice(&MASK.repeat(25));
    let mut src = BytesMut::from(&bytes[..]);
    assert_eq!(decoder.decode(&mut src), Ok(None));
    assert!(decoder.retained_bytes() <= 200, "{}", decoder.retained_bytes());
}

#[test]
fn growing_message_never_holds_more_than_was_announced() {
    let mut decoder = Decoder::default();
    let bytes = text(&"x".repeat(MESSAGE_BYTES_MAX));
    for piece in bytes.chunks(3_001) {
        let done = decoder.decode(&mut BytesMut::from(piece)).unwrap();
        assert!(decoder.retained_bytes() <= MESSAGE_BYTES_MAX);
        if let Some(Incoming::Text(text)) = done {
            assert_eq!((text.len(), text.capacity()), (MESSAGE_BYTES_MAX, MESSAGE_BYTES_MAX));
            assert_eq!(decoder.retained_bytes(), 0);
            return;
        }
    }
    panic!("message is not whole");
}

#[test]
fn message_limit_counts_all_fragments() {
    let half = vec![b'x'; MESSAGE_BYTES_MAX / 2];
    let whole = [frame(0x01, MASK, &half), frame(0x80, MASK, &half)].concat();
    assert_eq!(decode(&whole).0.len(), 1);
    let over = [frame(0x01, MASK, &half), frame(0x00, MASK, &half), frame(0x80, MASK, b"x")].concat();
    assert_eq!(fault(&over), WsFault::TooBig(Limit::Message));
}

#[test]
fn fragment_129_is_refused_even_when_all_are_empty() {
    let fragments = |count: usize| {
        let mut bytes = frame(0x01, MASK, b"");
        for _ in 2..count {
            bytes.extend(frame(0x00, MASK, b""));
        }
        bytes.extend(frame(0x80, MASK, b""));
        bytes
    };
    assert_eq!(decode(&fragments(FRAGMENTS_MAX)), (vec![Incoming::Text(String::new())], None));
    assert_eq!(fault(&fragments(FRAGMENTS_MAX + 1)), WsFault::TooBig(Limit::Fragments));
}

#[test]
fn fragments_are_counted_anew_for_each_message() {
    let message = [frame(0x01, MASK, b"a"), frame(0x80, MASK, b"b")].concat();
    let (messages, fault) = decode(&message.repeat(FRAGMENTS_MAX));
    assert_eq!((messages.len(), fault), (FRAGMENTS_MAX, None));
}

#[test]
fn broken_frames_have_their_fault() {
    let cases: [(&[u8], ProtocolFault); 15] = [
        (&[0x81, 0x01, b'x'], ProtocolFault::Unmasked),
        (&[0xc1, 0x80], ProtocolFault::ReservedBits),
        (&[0xa1, 0x80], ProtocolFault::ReservedBits),
        (&[0x91, 0x80], ProtocolFault::ReservedBits),
        (&[0x83, 0x80], ProtocolFault::UnknownOpcode),
        (&[0x87, 0x80], ProtocolFault::UnknownOpcode),
        (&[0x8b, 0x80], ProtocolFault::UnknownOpcode),
        (&[0x8f, 0x80], ProtocolFault::UnknownOpcode),
        (&[0x09, 0x80], ProtocolFault::ControlFragmented),
        (&[0x0a, 0x80], ProtocolFault::ControlFragmented),
        (&[0x08, 0x80], ProtocolFault::ControlFragmented),
        (&[0x89, 0xfe], ProtocolFault::ControlTooLong),
        (&[0x88, 0xff], ProtocolFault::ControlTooLong),
        (&[0x80, 0x80, 0, 0, 0, 0], ProtocolFault::NothingToContinue),
        (&[0x01, 0x80, 0, 0, 0, 0, 0x81, 0x80, 0, 0, 0, 0], ProtocolFault::Interleaved),
    ];
    for (bytes, expected) in cases {
        assert_eq!(fault(bytes), WsFault::Protocol(expected), "{bytes:x?}");
        assert_eq!(fault(bytes).close_code(), Some(CloseCode::PROTOCOL));
    }
}

#[test]
fn binary_is_told_at_its_header_and_never_kept() {
    let mut decoder = Decoder::default();
    let bytes =
        [frame(0x02, MASK, &[0xff; 5_000]), frame(0x80, MASK, &[0xff; 5_000]), text("after")].concat();
    let mut src = BytesMut::from(&bytes[..8]);
    assert_eq!(decoder.decode(&mut src), Ok(Some(Incoming::Binary)));
    src.extend_from_slice(&bytes[8..]);
    assert_eq!(decoder.decode(&mut src), Ok(Some(Incoming::Text("after".to_owned()))));
    assert_eq!(decoder.retained_bytes(), 0);
}

#[test]
fn text_is_checked_as_it_comes() {
    // The second byte settles it: the frame's end is never needed.
    let mut bytes = header(0x81, 1_000);
    bytes.extend([0xf4 ^ MASK[0], 0x90 ^ MASK[1]]);
    assert_eq!(fault(&bytes), WsFault::InvalidUtf8);
    assert_eq!(
        fault(&frame(0x81, MASK, b"a\xe2\x82")),
        WsFault::InvalidUtf8,
        "cut at the end of the message"
    );
    assert_eq!(fault(&frame(0x81, MASK, b"\xed\xa0\x80")), WsFault::InvalidUtf8, "a lone surrogate");
    assert_eq!(WsFault::InvalidUtf8.close_code(), Some(CloseCode::INVALID));
}

#[test]
fn character_may_span_frames() {
    let bytes = "€😀".as_bytes();
    for cut in 0..=bytes.len() {
        let message = [frame(0x01, MASK, &bytes[..cut]), frame(0x80, MASK, &bytes[cut..])].concat();
        assert_eq!(decode(&message), (vec![Incoming::Text("€😀".to_owned())], None), "cut at {cut}");
    }
}

#[test]
fn close_frames_are_read() {
    let close = |payload: &[u8]| decode(&frame(0x88, MASK, payload));
    let said = |code, reason: &str| {
        let code = CloseCode::new(code).unwrap();
        (vec![Incoming::Close(Some(CloseFrame { code, reason: reason.to_owned() }))], None)
    };
    assert_eq!(close(b""), (vec![Incoming::Close(None)], None));
    assert_eq!(close(&[0x03, 0xe8]), said(1000, ""));
    assert_eq!(close(&[0x0f, 0xa0, b'o', b'k']), said(4000, "ok"));
    assert_eq!(close(&[0x03]).1, Some(WsFault::Protocol(ProtocolFault::CloseCut)));
    assert_eq!(close(&[0x03, 0xe8, 0xff]).1, Some(WsFault::InvalidUtf8));
}

#[test]
fn only_codes_that_may_stand_on_the_wire_pass() {
    for code in 0..=u16::MAX {
        let expected = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
        assert_eq!(CloseCode::new(code).is_some(), expected, "{code}");
        let (messages, fault) = decode(&frame(0x88, MASK, &code.to_be_bytes()));
        assert_eq!((messages.len(), fault.is_none()), (usize::from(expected), expected), "{code}");
    }
}

#[test]
fn our_frames_are_as_the_standard_says() {
    let mut out = BytesMut::new();
    encode_text("Hello", &mut out);
    encode_ping(&mut out);
    encode_pong(b"Hello", &mut out);
    encode_close(Some((CloseCode::NORMAL, "bye")), &mut out);
    encode_close(None, &mut out);
    assert_eq!(
        out.as_ref(),
        b"\x81\x05Hello\x89\x00\x8a\x05Hello\x88\x05\x03\xe8bye\x88\x00",
        "RFC 6455, 5.7"
    );
    for (length, header) in [
        (125, vec![0x81, 125]),
        (126, vec![0x81, 126, 0, 126]),
        (65_536, vec![0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
    ] {
        let mut out = Vec::new();
        encode_text(&"x".repeat(length), &mut out);
        assert_eq!((&out[..header.len()], out.len()), (&header[..], header.len() + length));
    }
}

#[test]
fn long_close_reason_is_cut_at_a_character() {
    let mut out = Vec::new();
    encode_close(Some((CloseCode::POLICY, &"é".repeat(100))), &mut out);
    assert_eq!(out[1], 124, "two of the code and 61 characters of two bytes");
    assert_eq!(std::str::from_utf8(&out[4..]).unwrap(), "é".repeat(61));
}

/// What a client may legally send.
#[derive(Debug, Clone)]
enum Sent {
    Text(Vec<String>, Vec<Vec<u8>>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Binary(Vec<u8>),
}

fn sent() -> impl Strategy<Value = Sent> {
    let control = || proptest::collection::vec(any::<u8>(), 0..=125);
    prop_oneof![
        4 => (proptest::collection::vec(".{0,60}", 1..5), proptest::collection::vec(control(), 0..3))
            .prop_map(|(parts, pings)| Sent::Text(parts, pings)),
        1 => proptest::collection::vec(".{200,400}", 1..3).prop_map(|parts| Sent::Text(parts, vec![])),
        1 => control().prop_map(Sent::Ping),
        1 => control().prop_map(Sent::Pong),
        1 => proptest::collection::vec(any::<u8>(), 0..300).prop_map(Sent::Binary),
    ]
}

/// The bytes a client sends for it and what must come out; pings go between the fragments.
fn written(sent: &Sent, mask: [u8; 4], shift: usize) -> (Vec<u8>, Vec<Incoming>) {
    match sent {
        Sent::Ping(payload) => (frame(0x89, mask, payload), vec![Incoming::Ping(payload.clone().into())]),
        Sent::Pong(payload) => (frame(0x8a, mask, payload), vec![Incoming::Pong]),
        Sent::Binary(payload) => (frame(0x82, mask, payload), vec![Incoming::Binary]),
        Sent::Text(parts, pings) => {
            let whole = parts.concat();
            let mut left = whole.as_bytes();
            let mut bytes = Vec::new();
            let mut expected = Vec::new();
            for (n, part) in parts.iter().enumerate() {
                let is_last = n + 1 == parts.len();
                // Fragments are cut anywhere, inside a character too.
                let length = if is_last { left.len() } else { (part.len() + shift).min(left.len()) };
                let first = if n == 0 { 0x01 } else { 0x00 } | if is_last { 0x80 } else { 0x00 };
                bytes.extend(frame(first, mask, &left[..length]));
                left = &left[length..];
                if let (false, Some(ping)) = (is_last, pings.get(n)) {
                    bytes.extend(frame(0x89, mask, ping));
                    expected.push(Incoming::Ping(ping.clone().into()));
                }
            }
            expected.push(Incoming::Text(whole));
            (bytes, expected)
        }
    }
}

proptest! {
    #[test]
    fn any_split_gives_the_same_messages(
        all in proptest::collection::vec(sent(), 0..6),
        mask in any::<[u8; 4]>(),
        shift in 0_usize..4,
        cuts in proptest::collection::vec(1_usize..40, 1..20),
    ) {
        let (bytes, expected): (Vec<_>, Vec<_>) = all.iter().map(|sent| written(sent, mask, shift)).unzip();
        let (bytes, expected) = (bytes.concat(), expected.concat());
        prop_assert_eq!(decode(&bytes), (expected.clone(), None));
        prop_assert_eq!(run(bytes.chunks(1)), (expected.clone(), None));
        let mut left = &bytes[..];
        let mut pieces = Vec::new();
        for cut in cuts.iter().cycle() {
            if left.is_empty() {
                break;
            }
            let (piece, rest) = left.split_at((*cut).min(left.len()));
            pieces.push(piece);
            left = rest;
        }
        prop_assert_eq!(run(pieces), (expected, None));
    }

    #[test]
    fn hostile_bytes_never_panic_and_split_to_the_same_fault(
        bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(0x81_u8), Just(0x80), Just(0x01), Just(0x88), Just(0xfe)], 0..300),
    ) {
        prop_assert_eq!(decode(&bytes), run(bytes.chunks(1)));
    }

    #[test]
    fn decoder_survives_being_used_after_a_fault(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut decoder = Decoder::default();
        let mut src = BytesMut::from(&bytes[..]);
        for _ in 0..400 {
            let before = src.len();
            if matches!(decoder.decode(&mut src), Ok(None)) {
                break;
            }
            if src.len() == before && before > 0 {
                src.advance(1);
            }
        }
        prop_assert!(decoder.retained_bytes() <= 2 * MESSAGE_BYTES_MAX);
    }

    #[test]
    fn unmasking_equals_the_definition(bytes in proptest::collection::vec(any::<u8>(), 0..100), mask in any::<[u8; 4]>()) {
        let mut fast = bytes.clone();
        unmask(&mut fast, mask);
        let slow: Vec<u8> = bytes.iter().enumerate().map(|(n, byte)| byte ^ mask[n % 4]).collect();
        prop_assert_eq!(fast, slow);
    }

    #[test]
    fn what_we_encode_a_masking_peer_reads_back(text in ".{0,300}", payload in proptest::collection::vec(any::<u8>(), 0..=125)) {
        let mut ours = Vec::new();
        encode_text(&text, &mut ours);
        encode_pong(&payload, &mut ours);
        encode_ping(&mut ours);
        encode_close(Some((CloseCode::AWAY, "later")), &mut ours);
        let close = CloseFrame { code: CloseCode::AWAY, reason: "later".to_owned() };
        let expected = vec![
            Incoming::Text(text), Incoming::Pong, Incoming::Ping(Bytes::new()), Incoming::Close(Some(close)),
        ];
        prop_assert_eq!(decode(&masked(&ours)), (expected, None));
    }
}

/// Our unmasked frames as a client would have sent them.
fn masked(mut ours: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let [first, second, rest @ ..] = ours {
        let (length, start) = match second {
            126 => (usize::from(u16::from_be_bytes([rest[0], rest[1]])), 2),
            127 => (usize::try_from(u64::from_be_bytes(rest[..8].try_into().unwrap())).unwrap(), 8),
            length => (usize::from(*length), 0),
        };
        out.extend(frame(*first, MASK, &rest[start..start + length]));
        ours = &rest[start + length..];
    }
    out
}
