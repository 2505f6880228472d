//! The decision about a request head: one table of refusals, one of identities, one of credentials.

use super::*;
use actix_http::Uri;
use actix_http::header::HeaderValue;
use std::collections::BTreeSet;

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

fn peer() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 50_000))
}

fn head(path: &str, headers: &[(&str, &[u8])]) -> RequestHead {
    let mut head = RequestHead::default();
    head.uri = path.parse::<Uri>().unwrap();
    for (name, value) in headers {
        head.headers_mut()
            .append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_bytes(value).unwrap());
    }
    head
}

/// A good request with some headers replaced (or, with an empty value, removed) and others added.
fn request(path: &str, changes: &[(&str, &[u8])]) -> RequestHead {
    let good: [(&str, &[u8]); 5] = [
        ("host", b"csms.example"),
        ("connection", b"Upgrade"),
        ("upgrade", b"websocket"),
        ("sec-websocket-version", b"13"),
        ("sec-websocket-key", KEY.as_bytes()),
    ];
    let kept = good.iter().filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    let changed = changes.iter().filter(|(_, value)| !value.is_empty());
    head(path, &kept.chain(changed).copied().collect::<Vec<_>>())
}

fn read(head: &RequestHead) -> Result<UpgradeRequest, RefusalReason> {
    parse(head, peer(), ListenerKind::Ws, None).map_err(|refusal| refusal.reason)
}

fn refused(head: &RequestHead, reason: RefusalReason, status: u16) {
    assert_eq!(parse(head, peer(), ListenerKind::Ws, None), Err(Refusal::new(reason)));
    assert_eq!(Refusal::new(reason).status, status);
}

fn basic(credentials: &[u8]) -> Vec<u8> {
    format!("Basic {}", STANDARD.encode(credentials)).into_bytes()
}

#[test]
fn whole_request_is_read() {
    let authorization = basic(b"CS-1:pass:word\xff");
    let head = request(
        "/ocpp/CS-1?ignored=1",
        &[
            ("authorization", &authorization),
            ("connection", b"keep-alive, upgrade"),
            ("upgrade", b"WebSocket"),
            ("sec-websocket-protocol", b"ocpp2.1, ocpp2.0.1"),
            ("sec-websocket-protocol", b" ,ocpp1.6"),
        ],
    );
    let request = parse(&head, peer(), ListenerKind::Wss, None).unwrap();
    assert_eq!(request.identity.as_str(), "CS-1");
    assert_eq!(request.key, KEY);
    assert_eq!(request.protocols, ["ocpp2.1", "ocpp2.0.1", "ocpp1.6"]);
    assert_eq!(request.password.as_ref().unwrap().as_bytes(), b"pass:word\xff");
    assert_eq!((request.peer, request.listener, &request.certificate), (peer(), ListenerKind::Wss, &None));
    assert_eq!(format!("{:?}", request.password), "Some(***)", "a password never prints");
}

#[test]
fn accept_key_is_the_standards_example() {
    assert_eq!(accept_key(KEY), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_eq!(
        switching_protocols(KEY, Some("ocpp2.0.1")),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: ocpp2.0.1\r\n\r\n"
    );
    assert!(switching_protocols(KEY, None).ends_with("xOo=\r\n\r\n"));
}

#[test]
fn paths_that_name_no_station_are_unknown() {
    for path in ["/", "/ocpp", "/ocpp/", "/ocpp/a/b", "/OCPP/a", "/api/v1", "/ocpp//a", "/ocpp/a/"] {
        refused(&request(path, &[]), RefusalReason::PathUnknown, 404);
    }
}

#[test]
fn what_is_no_upgrade_is_refused() {
    refused(&request("/ocpp/a", &[("upgrade", b"")]), RefusalReason::UpgradeMissing, 426);
    refused(&request("/ocpp/a", &[("upgrade", b"h2c")]), RefusalReason::UpgradeMissing, 426);
    refused(&request("/ocpp/a", &[("connection", b"")]), RefusalReason::UpgradeMalformed, 400);
    refused(&request("/ocpp/a", &[("connection", b"close")]), RefusalReason::UpgradeMalformed, 400);
    refused(&request("/ocpp/a", &[("transfer-encoding", b"chunked")]), RefusalReason::UpgradeMalformed, 400);
    refused(&request("/ocpp/a", &[("content-length", b"5")]), RefusalReason::UpgradeMalformed, 400);
    assert!(read(&request("/ocpp/a", &[("content-length", b"0")])).is_ok(), "no body at all");
    let mut post = request("/ocpp/a", &[]);
    post.method = Method::POST;
    refused(&post, RefusalReason::UpgradeMalformed, 400);
    let mut old = request("/ocpp/a", &[]);
    old.version = Version::HTTP_10;
    refused(&old, RefusalReason::UpgradeMalformed, 400);
}

#[test]
fn browser_is_refused() {
    refused(&request("/ocpp/a", &[("origin", b"https://evil.example")]), RefusalReason::OriginPresent, 403);
    refused(&request("/ocpp/a", &[("origin", b"null")]), RefusalReason::OriginPresent, 403);
}

#[test]
fn version_and_key_are_strict() {
    for version in [&b""[..], b"8", b"14", b"13, 8"] {
        let head = request("/ocpp/a", &[("sec-websocket-version", version)]);
        refused(&head, RefusalReason::VersionUnsupported, 426);
    }
    let headers = Refusal::new(RefusalReason::VersionUnsupported).headers();
    assert!(headers.contains(&("Sec-WebSocket-Version", "13".to_owned())));
    assert!(headers.contains(&("Upgrade", "websocket".to_owned())));
    for key in [&b""[..], b"short", b"dGhlIHNhbXBsZSBub25jZTE=", b"????????????????????????"] {
        refused(&request("/ocpp/a", &[("sec-websocket-key", key)]), RefusalReason::KeyMalformed, 400);
    }
    let twice =
        request("/ocpp/a", &[("sec-websocket-key", KEY.as_bytes()), ("sec-websocket-key", KEY.as_bytes())]);
    refused(&twice, RefusalReason::KeyMalformed, 400);
}

#[test]
fn identity_is_decoded_exactly_once() {
    let name = |segment: &str| {
        read(&request(&format!("/ocpp/{segment}"), &[])).map(|r| r.identity.as_str().to_owned())
    };
    assert_eq!(name("RDAM%7C123").as_deref(), Ok("RDAM|123"));
    assert_eq!(name("RDAM|123").as_deref(), Ok("RDAM|123"));
    assert_eq!(name("RDAM%20123").as_deref(), Ok("RDAM 123"));
    assert_eq!(name("a%2541").as_deref(), Ok("a%41"));
    assert_eq!(name("a+b").as_deref(), Ok("a+b"));
    assert_eq!(name("%C3%BC").as_deref(), Ok("ü"));
    assert_eq!(name(&"x".repeat(48)).as_deref(), Ok("x".repeat(48).as_str()));
    assert_eq!(
        name(&"%C3%BC".repeat(48)).as_deref(),
        Ok("ü".repeat(48).as_str()),
        "48 characters, not bytes"
    );
    for bad in [
        &"x".repeat(49),
        "a:b",
        "a%3Ab",
        "a%00b",
        "a%0Ab",
        "a%7Fb",
        "%",
        "a%4",
        "a%zz",
        "%FF",
        "a%2Fb",
        "a%+1",
    ] {
        assert_eq!(name(bad), Err(RefusalReason::IdentityMalformed), "{bad}");
    }
    assert_eq!(RefusalReason::IdentityMalformed.status(), 400);
}

#[test]
fn credentials_are_bytes_behind_the_first_colon() {
    let read = |authorization: &[u8]| {
        let head = request("/ocpp/CS%201", &[("authorization", authorization)]);
        read(&head).map(|request| request.password.map(|password| password.as_bytes().to_vec()))
    };
    assert_eq!(read(b""), Ok(None));
    assert_eq!(read(&basic(b"CS 1:a:b:")), Ok(Some(b"a:b:".to_vec())));
    assert_eq!(read(&basic(b"CS 1:")), Ok(Some(vec![])));
    assert_eq!(read(&basic(b"CS 1:\x00\xff\xfe")), Ok(Some(vec![0, 0xff, 0xfe])));
    let unpadded = String::from_utf8(basic(b"CS 1:xy")).unwrap();
    assert!(unpadded.ends_with('='));
    assert_eq!(read(unpadded.trim_end_matches('=').as_bytes()), Ok(Some(b"xy".to_vec())));
    assert_eq!(read(&basic(b"CS 1:x").to_ascii_lowercase()[..6]), Err(RefusalReason::CredentialsMalformed));
    assert_eq!(read(&[b"bAsIc ", &basic(b"CS 1:x")[6..]].concat()), Ok(Some(b"x".to_vec())));
    for bad in [&b"Bearer abc"[..], b"Basic", b"Basic !!!", b"x", &basic(b"CS 1")] {
        assert_eq!(read(bad), Err(RefusalReason::CredentialsMalformed), "{bad:?}");
    }
    for other in [&b"CS 2:x"[..], b":x", b"cs 1:x", b"CS%201:x", b"CS 1\xff:x"] {
        assert_eq!(read(&basic(other)), Err(RefusalReason::UsernameMismatch), "{other:?}");
    }
}

#[test]
fn two_authorization_headers_are_malformed() {
    let one = basic(b"a:x");
    let head = request("/ocpp/a", &[("authorization", &one), ("authorization", &one)]);
    refused(&head, RefusalReason::CredentialsMalformed, 401);
}

#[test]
fn head_of_16_kib_passes_and_one_byte_more_does_not() {
    let with = |length: usize| request("/ocpp/a", &[("x-filler", &vec![b'x'; length])]);
    let room = HEAD_BYTES_MAX - head_bytes(&with(1)) + 1;
    assert_eq!(head_bytes(&with(room)), HEAD_BYTES_MAX);
    assert!(read(&with(room)).is_ok());
    refused(&with(room + 1), RefusalReason::HeadTooLarge, 431);
}

#[test]
fn size_of_a_head_is_what_stood_on_the_wire() {
    let wire = "GET /ocpp/a?b=c HTTP/1.1\r\nhost: csms.example\r\nx-a: 1\r\nx-a: 22\r\n\r\n";
    let head = head("/ocpp/a?b=c", &[("host", b"csms.example"), ("x-a", b"1"), ("x-a", b"22")]);
    assert_eq!(head_bytes(&head), wire.len());
}

#[test]
fn what_has_the_same_status_looks_the_same() {
    for left in RefusalReason::ALL {
        for right in RefusalReason::ALL {
            if left.status() == right.status() {
                let (left, right) = (Refusal::new(left), Refusal::new(right));
                assert_eq!((left.body(), left.headers()), (right.body(), right.headers()));
            }
        }
    }
    assert_eq!(RefusalReason::StationUnknown.status(), RefusalReason::CredentialsWrong.status());
    let challenge = Refusal::new(RefusalReason::StationUnknown).headers();
    assert!(challenge.iter().any(|(name, _)| *name == "WWW-Authenticate"));
}

#[test]
fn labels_are_distinct_and_snake_case() {
    let labels: BTreeSet<_> = RefusalReason::ALL.iter().map(|reason| reason.label()).collect();
    assert_eq!(labels.len(), RefusalReason::ALL.len());
    assert!(labels.iter().all(|label| label.chars().all(|c| c.is_ascii_lowercase() || c == '_')));
}

#[test]
fn retry_after_is_told() {
    let refusal = Refusal::new(RefusalReason::Draining).retry_after(30);
    assert_eq!(refusal.status, 503);
    assert!(refusal.headers().contains(&("Retry-After", "30".to_owned())));
}
