//! Group 6: what is UTF-8 and what is not, after Markus Kuhn's stress test.

use super::{Case, End, Frame, Step, case, echoed, frame, text};

const GREEK: &[u8] = "Hello-µ@ßöäüàá-UTF-8!!".as_bytes();
const KOSME: &[u8] = "κόσμε".as_bytes();

pub(in super::super) fn all() -> Vec<Case> {
    let mut cases = fragments();
    cases.extend(fail_fast());
    for (id, bytes) in valid() {
        cases.push(echoed(id, bytes));
    }
    for (id, bytes) in invalid() {
        cases.push(case(id, vec![Step::Send(text(bytes))], End::Failed(1007)));
    }
    for length in 1..=KOSME.len() {
        let prefix = &KOSME[..length];
        let id = format!("6.6.{length}");
        if str::from_utf8(prefix).is_ok() {
            cases.push(echoed(id, prefix));
        } else {
            cases.push(case(id, vec![Step::Send(text(prefix))], End::Failed(1007)));
        }
    }
    cases
}

fn by_byte(bytes: &[u8]) -> Vec<u8> {
    let first = frame(0x01, &bytes[..1]);
    let middle = bytes[1..].iter().flat_map(|byte| frame(0x00, [*byte]));
    first.into_iter().chain(middle).chain(frame(0x80, "")).collect()
}

fn fragments() -> Vec<Case> {
    let echo = |id: &str, bytes: Vec<u8>, whole: &[u8]| {
        case(id, vec![Step::Send(bytes), Step::Expect(Frame::text(whole))], End::Clean)
    };
    let empty = [frame(0x01, ""), frame(0x00, ""), frame(0x80, "")].concat();
    let middle = [frame(0x01, ""), frame(0x00, "middle frame payload"), frame(0x80, "")].concat();
    let broken = [KOSME, b"\xed\xa0\x80edited"].concat();
    vec![
        echoed("6.1.1", ""),
        echo("6.1.2", empty, b""),
        echo("6.1.3", middle, b"middle frame payload"),
        echoed("6.2.1", GREEK),
        echo("6.2.2", [frame(0x01, &GREEK[..12]), frame(0x80, &GREEK[12..])].concat(), GREEK),
        echo("6.2.3", by_byte(GREEK), GREEK),
        echo("6.2.4", by_byte(KOSME), KOSME),
        case("6.3.1", vec![Step::Send(text(&broken))], End::Failed(1007)),
        case("6.3.2", vec![Step::Send(by_byte(&broken))], End::Failed(1007)),
    ]
}

/// The failure must come before the rest of the message is sent.
fn fail_fast() -> Vec<Case> {
    let part1 = KOSME;
    let beyond = b"\xf4\x90\x80\x80";
    let cut = |id: &str, first: Vec<Vec<u8>>| {
        case(id, first.into_iter().map(Step::Send).collect(), End::Failed(1007))
    };
    let whole = text([part1, beyond, b"edited"].concat());
    let at = 6 + part1.len();
    vec![
        cut("6.4.1", vec![frame(0x01, part1), frame(0x00, beyond)]),
        cut("6.4.2", vec![frame(0x01, [part1, b"\xf4"].concat()), frame(0x00, b"\x90")]),
        cut("6.4.3", vec![whole[..at].to_vec(), whole[at..at + 4].to_vec()]),
        cut("6.4.4", vec![whole[..=at].to_vec(), whole[at + 1..at + 2].to_vec()]),
    ]
}

fn valid() -> Vec<(String, Vec<u8>)> {
    let texts: [(&str, &[u8]); 27] = [
        ("6.5.1", KOSME),
        ("6.5.2", GREEK),
        ("6.7.1", b"\x00"),
        ("6.7.2", b"\xc2\x80"),
        ("6.7.3", b"\xe0\xa0\x80"),
        ("6.7.4", b"\xf0\x90\x80\x80"),
        ("6.9.1", b"\x7f"),
        ("6.9.2", b"\xdf\xbf"),
        ("6.9.3", b"\xef\xbf\xbf"),
        ("6.9.4", b"\xf4\x8f\xbf\xbf"),
        ("6.11.1", b"\xed\x9f\xbf"),
        ("6.11.2", b"\xee\x80\x80"),
        ("6.11.3", b"\xef\xbf\xbd"),
        ("6.11.4", b"\xf4\x8f\xbf\xbf"),
        ("6.22.1", b"\xef\xbf\xbe"),
        ("6.22.2", b"\xef\xbf\xbf"),
        ("6.22.3", b"\xf0\x9f\xbf\xbe"),
        ("6.22.4", b"\xf0\x9f\xbf\xbf"),
        ("6.22.5", b"\xf0\xaf\xbf\xbe"),
        ("6.22.6", b"\xf3\xbf\xbf\xbf"),
        ("6.22.7", b"\xf4\x8f\xbf\xbe"),
        ("6.23.1", b"\xef\xbf\xb9"),
        ("6.23.2", b"\xef\xbf\xba"),
        ("6.23.3", b"\xef\xbf\xbb"),
        ("6.23.4", b"\xef\xbf\xbc"),
        ("6.23.5", b"\xef\xbf\xbd"),
        ("6.23.6", b"\xf0\x9d\x9c\xb7"),
    ];
    texts.into_iter().map(|(id, bytes)| (id.to_owned(), bytes.to_vec())).collect()
}

fn invalid() -> Vec<(String, Vec<u8>)> {
    let texts: [(&str, &[u8]); 58] = [
        ("6.8.1", b"\xf8\x88\x80\x80\x80"),
        ("6.8.2", b"\xfc\x84\x80\x80\x80\x80"),
        ("6.10.1", b"\xf7\xbf\xbf\xbf"),
        ("6.10.2", b"\xfb\xbf\xbf\xbf\xbf"),
        ("6.10.3", b"\xfd\xbf\xbf\xbf\xbf\xbf"),
        ("6.11.5", b"\xf4\x90\x80\x80"),
        ("6.12.1", b"\x80"),
        ("6.12.2", b"\xbf"),
        ("6.12.3", b"\x80\xbf"),
        ("6.12.4", b"\x80\xbf\x80"),
        ("6.12.5", b"\x80\xbf\x80\xbf"),
        ("6.12.6", b"\x80\xbf\x80\xbf\x80"),
        ("6.12.7", b"\x80\xbf\x80\xbf\x80\xbf"),
        ("6.12.8", b"\x80\xbf\x80\xbf\x80\xbf\x80\xbe"),
        ("6.13.1", b"\xc0 \xc1 \xc2 \xdf "),
        ("6.13.2", b"\xe0 \xe1 \xee \xef "),
        ("6.13.3", b"\xf0 \xf1 \xf6 \xf7 "),
        ("6.13.4", b"\xf8 \xf9 \xfa \xfb "),
        ("6.13.5", b"\xfc \xfd "),
        ("6.14.1", b"\xc0"),
        ("6.14.2", b"\xe0\x80"),
        ("6.14.3", b"\xf0\x80\x80"),
        ("6.14.4", b"\xf8\x80\x80\x80"),
        ("6.14.5", b"\xfc\x80\x80\x80\x80"),
        ("6.14.6", b"\xdf"),
        ("6.14.7", b"\xef\xbf"),
        ("6.14.8", b"\xf7\xbf\xbf"),
        ("6.14.9", b"\xfb\xbf\xbf\xbf"),
        ("6.14.10", b"\xfd\xbf\xbf\xbf\xbf"),
        ("6.15.1", b"\xc0\xe0\x80\xf0\x80\x80\xf8\x80\x80\x80\xdf\xef\xbf"),
        ("6.16.1", b"\xfe"),
        ("6.16.2", b"\xff"),
        ("6.16.3", b"\xfe\xfe\xff\xff"),
        ("6.17.1", b"\xc0\xaf"),
        ("6.17.2", b"\xe0\x80\xaf"),
        ("6.17.3", b"\xf0\x80\x80\xaf"),
        ("6.17.4", b"\xf8\x80\x80\x80\xaf"),
        ("6.17.5", b"\xfc\x80\x80\x80\x80\xaf"),
        ("6.18.1", b"\xc1\xbf"),
        ("6.18.2", b"\xe0\x9f\xbf"),
        ("6.18.3", b"\xf0\x8f\xbf\xbf"),
        ("6.18.4", b"\xf8\x87\xbf\xbf\xbf"),
        ("6.18.5", b"\xfc\x83\xbf\xbf\xbf\xbf"),
        ("6.19.1", b"\xc0\x80"),
        ("6.19.2", b"\xe0\x80\x80"),
        ("6.19.3", b"\xf0\x80\x80\x80"),
        ("6.19.4", b"\xf8\x80\x80\x80\x80"),
        ("6.19.5", b"\xfc\x80\x80\x80\x80\x80"),
        ("6.20.1", b"\xed\xa0\x80"),
        ("6.20.2", b"\xed\xad\xbf"),
        ("6.20.3", b"\xed\xae\x80"),
        ("6.20.4", b"\xed\xaf\xbf"),
        ("6.20.5", b"\xed\xb0\x80"),
        ("6.20.6", b"\xed\xbe\x80"),
        ("6.20.7", b"\xed\xbf\xbf"),
        ("6.21.1", b"\xed\xa0\x80\xed\xb0\x80"),
        ("6.21.4", b"\xed\xad\xbf\xed\xbf\xbf"),
        ("6.21.8", b"\xed\xaf\xbf\xed\xbf\xbf"),
    ];
    texts.into_iter().map(|(id, bytes)| (id.to_owned(), bytes.to_vec())).collect()
}
