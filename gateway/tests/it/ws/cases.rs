//! The scripts, by the numbers of the public list.

pub(super) mod utf8;

/// What a client does and what must come back, in order.
pub(super) struct Case {
    pub(super) id: String,
    pub(super) steps: Vec<Step>,
    pub(super) end: End,
}

pub(super) enum Step {
    /// In one write.
    Send(Vec<u8>),
    /// In writes of so many bytes.
    Chop(Vec<u8>, usize),
    /// The next frame of the server.
    Expect(Frame),
}

pub(super) enum End {
    /// The client closes with 1000 and the server answers so.
    Clean,
    /// The server answers the client's close with this payload.
    Closed(Vec<u8>),
    /// The server asks to close with this payload and waits for the client's answer.
    Asked(Vec<u8>),
    /// The server fails the connection with this code.
    Failed(u16),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) first: u8,
    pub(super) payload: Vec<u8>,
}

impl Frame {
    pub(super) fn close(code: u16) -> Self {
        Self { first: 0x88, payload: code.to_be_bytes().to_vec() }
    }

    fn text(text: impl AsRef<[u8]>) -> Self {
        Self { first: 0x81, payload: text.as_ref().to_vec() }
    }

    fn pong(payload: impl AsRef<[u8]>) -> Self {
        Self { first: 0x8a, payload: payload.as_ref().to_vec() }
    }
}

/// A masked frame.
fn frame(first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    const MASK: [u8; 4] = [0xde, 0xad, 0xbe, 0xef];
    let payload = payload.as_ref();
    let mut out = vec![first];
    match u16::try_from(payload.len()) {
        Ok(length @ ..126) => out.push(0x80 | u8::try_from(length).unwrap()),
        Ok(length) => {
            out.push(0x80 | 126);
            out.extend_from_slice(&length.to_be_bytes());
        }
        Err(_) => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&MASK);
    out.extend(payload.iter().enumerate().map(|(n, byte)| byte ^ MASK[n % 4]));
    out
}

fn text(payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame(0x81, payload)
}

fn ping(payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame(0x89, payload)
}

pub(super) fn close(code: Option<u16>, reason: &[u8]) -> Vec<u8> {
    let code = code.map(u16::to_be_bytes);
    frame(0x88, [code.as_ref().map_or(&[][..], |code| code), reason].concat())
}

fn case(id: impl Into<String>, steps: Vec<Step>, end: End) -> Case {
    Case { id: id.into(), steps, end }
}

/// The same bytes in one write, frame by frame and byte by byte, as the list does it.
fn three_ways(
    ids: [&str; 3],
    frames: &[Vec<u8>],
    expected: impl Fn() -> Vec<Frame>,
    end: impl Fn() -> End,
) -> Vec<Case> {
    let ways = [
        vec![Step::Send(frames.concat())],
        frames.iter().map(|frame| Step::Send(frame.clone())).collect(),
        vec![Step::Chop(frames.concat(), 1)],
    ];
    std::iter::zip(ids, ways)
        .map(|(id, mut steps)| {
            steps.extend(expected().into_iter().map(Step::Expect));
            case(id, steps, end())
        })
        .collect()
}

fn echoed(id: impl Into<String>, payload: impl AsRef<[u8]>) -> Case {
    let payload = payload.as_ref();
    case(id, vec![Step::Send(text(payload)), Step::Expect(Frame::text(payload))], End::Clean)
}

pub(super) fn framing() -> Vec<Case> {
    let mut cases = Vec::new();
    for (n, length) in [0, 125, 126, 127, 128, 65_535, 65_536].into_iter().enumerate() {
        cases.push(echoed(format!("1.1.{}", n + 1), "*".repeat(length)));
        let binary = frame(0x82, vec![0xfe; length]);
        let refused = Frame::close(1003).payload.into_iter().chain(*b"binary").collect();
        cases.push(case(format!("1.2.{}", n + 1), vec![Step::Send(binary)], End::Asked(refused)));
    }
    let long = "*".repeat(65_536);
    cases.push(case(
        "1.1.8",
        vec![Step::Chop(text(&long), 997), Step::Expect(Frame::text(&long))],
        End::Clean,
    ));
    cases
}

pub(super) fn pings() -> Vec<Case> {
    let mut cases = Vec::new();
    let binary = [0x00, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0x00, 0xff];
    for (id, payload) in
        [("2.1", &b""[..]), ("2.2", b"Hello, world!"), ("2.3", &binary), ("2.4", &[0xfe; 125])]
    {
        cases.push(case(id, vec![Step::Send(ping(payload)), Step::Expect(Frame::pong(payload))], End::Clean));
    }
    cases.push(case("2.5", vec![Step::Send(ping([0xfe; 126]))], End::Failed(1002)));
    cases.push(case(
        "2.6",
        vec![Step::Chop(ping([0xfe; 125]), 1), Step::Expect(Frame::pong([0xfe; 125]))],
        End::Clean,
    ));
    cases.push(case("2.7", vec![Step::Send(frame(0x8a, ""))], End::Clean));
    cases.push(case("2.8", vec![Step::Send(frame(0x8a, "unsolicited"))], End::Clean));
    let both = [frame(0x8a, "unsolicited"), ping("asked")].concat();
    cases.push(case("2.9", vec![Step::Send(both), Step::Expect(Frame::pong("asked"))], End::Clean));
    let ten: Vec<_> = (0..10).map(|n| ping(format!("payload-{n}"))).collect();
    let pongs = || (0..10).map(|n| Frame::pong(format!("payload-{n}"))).collect();
    cases.extend(three_ways(["2.10", "2.10 by frame", "2.11"], &ten, pongs, || End::Clean));
    cases
}

pub(super) fn reserved_bits() -> Vec<Case> {
    let small = "Hello, world!";
    let failed = || End::Failed(1002);
    let with = |first: u8| vec![Step::Send(frame(first, small))];
    let mut cases = vec![case("3.1", with(0xc1), failed())];
    let frames = [text(small), frame(0xa1, small), ping("")];
    cases.extend(three_ways(["3.2", "3.3", "3.4"], &frames, || vec![Frame::text(small)], failed));
    for (id, first) in [("3.5", 0xd2), ("3.6", 0xe9), ("3.7", 0xf8)] {
        cases.push(case(id, with(first), failed()));
    }
    cases
}

pub(super) fn opcodes() -> Vec<Case> {
    let small = "Hello, world!";
    let mut cases = Vec::new();
    for (group, base) in [("4.1", 3), ("4.2", 11)] {
        let alone = |n: u8, payload: &str| vec![Step::Send(frame(0x80 | (base + n), payload))];
        cases.push(case(format!("{group}.1"), alone(0, ""), End::Failed(1002)));
        cases.push(case(format!("{group}.2"), alone(1, small), End::Failed(1002)));
        for (n, payload) in [(2, ""), (3, small), (4, small)] {
            let frames = [text(small), frame(0x80 | (base + n), payload), ping("")];
            let id = format!("{group}.{}", n + 1);
            let ids = [&*id, &*format!("{id} by frame"), &*format!("{id} by byte")];
            cases.extend(three_ways(ids, &frames, || vec![Frame::text(small)], || End::Failed(1002)));
        }
    }
    cases
}

pub(super) fn fragmentation() -> Vec<Case> {
    let failed = || End::Failed(1002);
    let none = Vec::new;
    let mut cases = vec![
        case(
            "5.1",
            vec![Step::Send([frame(0x09, "fragment1"), frame(0x80, "fragment2")].concat())],
            failed(),
        ),
        case(
            "5.2",
            vec![Step::Send([frame(0x0a, "fragment1"), frame(0x80, "fragment2")].concat())],
            failed(),
        ),
    ];
    let whole = || vec![Frame::text("fragment1fragment2")];
    let two = [frame(0x01, "fragment1"), frame(0x80, "fragment2")];
    cases.extend(three_ways(["5.3", "5.4", "5.5"], &two, whole, || End::Clean));
    let between = [frame(0x01, "fragment1"), ping("between"), frame(0x80, "fragment2")];
    let pong_first = || vec![Frame::pong("between"), Frame::text("fragment1fragment2")];
    cases.extend(three_ways(["5.6", "5.7", "5.8"], &between, pong_first, || End::Clean));
    let hello = text("Hello, world!");
    let stray = [frame(0x80, "continuation"), hello.clone()];
    cases.extend(three_ways(["5.9", "5.10", "5.11"], &stray, none, failed));
    let open_stray = [frame(0x00, "continuation"), hello.clone()];
    cases.extend(three_ways(["5.12", "5.13", "5.14"], &open_stray, none, failed));
    let after = [frame(0x01, "fragment1"), frame(0x80, "fragment2"), frame(0x00, "fragment3"), hello.clone()];
    cases.extend(three_ways(["5.15", "5.15 by frame", "5.15 by byte"], &after, whole, failed));
    let twice = [frame(0x00, "fragment1"), frame(0x80, "fragment2")];
    cases.extend(three_ways(
        ["5.16", "5.16 by frame", "5.16 by byte"],
        &[twice.clone(), twice].concat(),
        none,
        failed,
    ));
    let closed_twice = [frame(0x80, "fragment1"), frame(0x80, "fragment2")];
    cases.extend(three_ways(
        ["5.17", "5.17 by frame", "5.17 by byte"],
        &[closed_twice.clone(), closed_twice].concat(),
        none,
        failed,
    ));
    let nested = [frame(0x01, "fragment1"), hello];
    cases.extend(three_ways(["5.18", "5.18 by frame", "5.18 by byte"], &nested, none, failed));
    let five = [
        frame(0x01, "fragment1"),
        frame(0x00, "fragment2"),
        ping("pongme 1!"),
        frame(0x00, "fragment3"),
        frame(0x00, "fragment4"),
        ping("pongme 2!"),
        frame(0x80, "fragment5"),
    ];
    let all = || {
        let whole = "fragment1fragment2fragment3fragment4fragment5";
        vec![Frame::pong("pongme 1!"), Frame::pong("pongme 2!"), Frame::text(whole)]
    };
    cases.extend(three_ways(["5.19", "5.20", "5.20 by byte"], &five, all, || End::Clean));
    cases
}

pub(super) fn closing() -> Vec<Case> {
    let normal = || Frame::close(1000).payload;
    let hello = "Hello World!";
    let closes = |id: &str, after: Vec<u8>| {
        case(id, vec![Step::Send([close(Some(1000), b""), after].concat())], End::Closed(normal()))
    };
    let mut cases = vec![
        echoed("7.1.1", hello),
        closes("7.1.2", close(Some(1000), b"")),
        closes("7.1.3", ping("")),
        closes("7.1.4", text(hello)),
    ];
    let cut = [frame(0x01, "fragment1"), close(Some(1000), b""), frame(0x80, "fragment2")].concat();
    cases.push(case("7.1.5", vec![Step::Send(cut)], End::Closed(normal())));
    let long = "BAsd7&jh23".repeat(26_214);
    let late = [text(&long), close(Some(1000), b""), ping("")].concat();
    cases.push(case(
        "7.1.6",
        vec![Step::Send(late), Step::Expect(Frame::text(&long))],
        End::Closed(normal()),
    ));
    cases.push(case("7.3.1", vec![Step::Send(close(None, b""))], End::Closed(vec![])));
    cases.push(case("7.3.2", vec![Step::Send(close(None, b"a"))], End::Failed(1002)));
    for (id, reason) in [("7.3.3", String::new()), ("7.3.4", hello.to_owned()), ("7.3.5", "*".repeat(123))] {
        cases.push(case(id, vec![Step::Send(close(Some(1000), reason.as_bytes()))], End::Closed(normal())));
    }
    cases.push(case("7.3.6", vec![Step::Send(close(Some(1000), &[b'*'; 124]))], End::Failed(1002)));
    let invalid = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited";
    cases.push(case("7.5.1", vec![Step::Send(close(Some(1000), invalid))], End::Failed(1007)));
    for code in
        [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
    {
        let echoed = Frame::close(code).payload;
        cases.push(case(
            format!("7.7 {code}"),
            vec![Step::Send(close(Some(code), b""))],
            End::Closed(echoed),
        ));
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        cases.push(case(
            format!("7.9, 7.13 {code}"),
            vec![Step::Send(close(Some(code), b""))],
            End::Failed(1002),
        ));
    }
    cases
}

/// The header of a masked frame alone.
fn announced(first: u8, length: u64) -> Vec<u8> {
    [&[first, 0x80 | 127][..], &length.to_be_bytes(), &[0; 4]].concat()
}

/// A text in `count` frames of `size` bytes.
fn fragments(count: usize, size: usize) -> Vec<u8> {
    (0..count)
        .flat_map(|n| {
            let first = u8::from(n == 0) | if n + 1 == count { 0x80 } else { 0 };
            frame(first, vec![b'*'; size])
        })
        .collect()
}

pub(super) fn limits() -> Vec<Case> {
    const MIB: usize = 1 << 20;
    let mut cases = Vec::new();
    for (n, length) in [MIB / 16, MIB / 4, MIB].into_iter().enumerate() {
        cases.push(echoed(format!("9.1.{}", n + 1), "*".repeat(length)));
    }
    for (n, length) in [MIB as u64 + 1, 4 << 20, 400 << 20, u64::MAX >> 1, u64::MAX].into_iter().enumerate() {
        let id = format!("9.1.{} refused on the header", n + 4);
        cases.push(case(id, vec![Step::Send(announced(0x81, length))], End::Failed(1009)));
        let id = format!("9.2.{} refused on the header", n + 4);
        cases.push(case(id, vec![Step::Send(announced(0x82, length))], End::Failed(1009)));
    }
    let whole = || Step::Expect(Frame::text("*".repeat(MIB)));
    for (id, count) in [("9.3 128 frames", 128), ("9.3 16 frames", 16), ("9.3 2 frames", 2)] {
        cases.push(case(id, vec![Step::Send(fragments(count, MIB / count)), whole()], End::Clean));
    }
    let over = [fragments(2, MIB / 2), fragments(3, MIB / 2)].concat();
    cases.push(case("9.3 a byte too many", vec![Step::Send(over), whole()], End::Failed(1009)));
    cases.push(case("9.3 129 frames", vec![Step::Send(fragments(129, 8))], End::Failed(1009)));
    cases.push(case("9.3 129 empty frames", vec![Step::Send(fragments(129, 0))], End::Failed(1009)));
    for size in [64, 128, 256, 512, 1_024, 2_048] {
        let bytes = text("*".repeat(MIB));
        cases.push(case(format!("9.5 writes of {size}"), vec![Step::Chop(bytes, size), whole()], End::Clean));
    }
    for length in [0, 16, 64, 256, 1_024, 4_096] {
        let message = "*".repeat(length);
        let turn = || [Step::Send(text(&message)), Step::Expect(Frame::text(&message))];
        cases.push(case(
            format!("9.7 {length} bytes"),
            (0..1_000).flat_map(|_| turn()).collect(),
            End::Clean,
        ));
    }
    cases
}

pub(super) fn automatic_fragments() -> Vec<Case> {
    let mut bytes = fragments(50, 1_300);
    bytes[0] &= 0x7f;
    let last = bytes.len() - 1_300 - 8;
    bytes[last] &= 0x7f;
    bytes.extend(frame(0x80, vec![b'*'; 536]));
    vec![case("10.1.1", vec![Step::Send(bytes), Step::Expect(Frame::text("*".repeat(65_536)))], End::Clean)]
}
