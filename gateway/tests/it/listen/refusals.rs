//! Every way to be refused, as it looks on the wire.

use super::rig::{OFFER, Rig, answer, masked, request, rest};
use ringmain_gateway::listen::ListenSettings;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

fn endless(start: &str, length: usize) -> String {
    start.to_owned() + &"x".repeat(length - start.len())
}

/// What a peer sends, and the status it gets.
fn cases() -> Vec<(&'static str, String, u16)> {
    let good = request("/ocpp/CS-1", OFFER);
    let basic = |encoded: &str| request("/ocpp/CS-1", &format!("Authorization: {encoded}\r\n"));
    vec![
        ("no path", request("/", OFFER), 404),
        ("other path", request("/api/v1/tokens", OFFER), 404),
        ("deeper path", request("/ocpp/a/b", OFFER), 404),
        ("no identity", request("/ocpp/", OFFER), 404),
        ("long identity", request(&format!("/ocpp/{}", "x".repeat(49)), OFFER), 400),
        ("colon", request("/ocpp/a%3Ab", OFFER), 400),
        ("not UTF-8", request("/ocpp/%ff", OFFER), 400),
        ("no Connection", good.replace("Connection: Upgrade\r\n", ""), 400),
        ("no Upgrade", good.replace("Upgrade: websocket\r\n", ""), 426),
        ("other Upgrade", good.replace("websocket", "h2c"), 426),
        ("version 8", good.replace("Version: 13", "Version: 8"), 426),
        ("no version", good.replace("Sec-WebSocket-Version: 13\r\n", ""), 426),
        ("short key", good.replace("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ="), 400),
        ("two keys", request("/ocpp/CS-1", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"), 400),
        ("browser", request("/ocpp/CS-1", "Origin: https://csms.example\r\n"), 403),
        ("another's name", basic("Basic Q1MtMjpzZWNyZXQ="), 401),
        ("not Basic", basic("Bearer Q1MtMTpzZWNyZXQ="), 401),
        ("not base64", basic("Basic ***"), 401),
        ("POST", good.replacen("GET", "POST", 1), 400),
        ("HTTP/1.0", good.replacen("HTTP/1.1", "HTTP/1.0", 1), 400),
        ("chunked body", request("/ocpp/CS-1", "Transfer-Encoding: chunked\r\n") + "0\r\n\r\n", 400),
        ("body", request("/ocpp/CS-1", "Content-Length: 3\r\n") + "abc", 400),
        ("plain GET of a station", "GET /ocpp/CS-1 HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), 426),
        ("plain GET", "GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), 404),
        ("POST with body", "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello".to_owned(), 404),
        ("CONNECT", "CONNECT csms.example:443 HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), 404),
        ("no HTTP at all", "\x16\x03\x01 hello\r\n\r\n".to_owned(), 400),
        ("head of 17 KiB", request("/ocpp/CS-1", &format!("X-A: {}\r\n", "x".repeat(17_000))), 431),
        // As much as the HTTP layer reads: what it leaves unread would reset the connection.
        ("head without end", endless("GET /ocpp/CS-1 HTTP/1.1\r\nX-A: ", 131_072), 431),
        ("97 headers", request("/ocpp/CS-1", &"X-A: 1\r\n".repeat(97)), 431),
        ("unknown station", request("/ocpp/stranger", OFFER), 401),
        ("unknown station, told", request("/ocpp/stranger-404", OFFER), 404),
        ("wrong password", request("/ocpp/wrong", OFFER), 401),
        ("foreign certificate", request("/ocpp/foreign", OFFER), 403),
        ("second socket", request("/ocpp/twice", OFFER), 409),
        ("too many attempts", request("/ocpp/eager", OFFER), 429),
        ("draining", request("/ocpp/draining", OFFER), 503),
    ]
}

#[actix_rt::test]
async fn each_refusal_has_its_status_and_hangs_up_in_order() {
    let rig = Rig::plain();
    for (name, bytes, status) in cases() {
        let mut stream = rig.connect().await;
        stream.write_all(bytes.as_bytes()).await.unwrap();
        let answer = answer(&mut stream).await;
        assert_eq!(answer.status, status, "{name}: {}", answer.head);
        let connection = if status == 426 { "close, upgrade" } else { "close" };
        assert_eq!(answer.header("connection"), Some(connection), "{name}");
        let body = rest(&mut stream).await;
        assert_eq!(answer.header("content-length"), Some(&*body.len().to_string()), "{name}");
        assert!(body.len() < 100, "{name}");
        assert!(answer.header("date").is_some(), "{name}");
        if status == 426 {
            assert_eq!(answer.header("sec-websocket-version"), Some("13"), "{name}");
            assert_eq!(answer.header("upgrade"), Some("websocket"), "{name}");
        }
    }
}

#[actix_rt::test]
async fn unknown_station_and_wrong_password_look_the_same() {
    let rig = Rig::plain();
    let mut seen = Vec::new();
    let authorization = "Authorization: Basic Q1MtMjpzZWNyZXQ=\r\n";
    for (path, more) in [("/ocpp/stranger", OFFER), ("/ocpp/wrong", OFFER), ("/ocpp/CS-1", authorization)] {
        let mut stream = rig.connect().await;
        stream.write_all(request(path, more).as_bytes()).await.unwrap();
        let answer = answer(&mut stream).await;
        assert!(answer.header("www-authenticate").is_some_and(|challenge| challenge.starts_with("Basic ")));
        let head: Vec<_> =
            answer.head.lines().filter(|line| !line.starts_with("Date:")).map(str::to_owned).collect();
        seen.push((head, rest(&mut stream).await));
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0], seen[2]);
}

#[actix_rt::test]
async fn refused_station_is_told_when_to_come_back() {
    let rig = Rig::plain();
    for (path, seconds) in [("/ocpp/eager", Some("7")), ("/ocpp/draining", Some("30")), ("/ocpp/twice", None)]
    {
        let mut stream = rig.connect().await;
        stream.write_all(request(path, OFFER).as_bytes()).await.unwrap();
        assert_eq!(answer(&mut stream).await.header("retry-after"), seconds, "{path}");
    }
}

#[actix_rt::test]
async fn refused_peer_that_is_still_sending_is_not_reset() {
    let rig = Rig::with(|settings| settings.farewell_limit = Duration::from_secs(60), None);
    // More than the HTTP layer reads with the head: some of it is still in the kernel.
    let frames = masked(0x81, &[b'x'; 60_000]).repeat(3);
    let mut stream = rig.connect().await;
    stream.write_all(&[request("/ocpp/wrong", OFFER).as_bytes(), &frames].concat()).await.unwrap();
    assert_eq!(answer(&mut stream).await.status, 401);
    assert_eq!(rest(&mut stream).await, b"authentication required\n");
    // A closed socket answers the first of these with a reset, which fails the second.
    stream.write_all(b"more").await.unwrap();
    stream.write_all(b"and more").await.unwrap();
}

#[actix_rt::test]
async fn body_that_never_ends_does_not_hold_a_connection() {
    let limits = |settings: &mut ListenSettings| {
        settings.head_limit = Duration::from_millis(200);
        settings.door_limit = Duration::from_millis(200);
        settings.answer_limit = Duration::from_millis(200);
    };
    let rig = Rig::with(limits, None);
    let endless = request("/ocpp/CS-1", "Transfer-Encoding: chunked\r\n") + "5\r\nhello\r\n";
    let long = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\nhello".to_owned();
    for (bytes, status) in [(endless, 400), (long, 404)] {
        let mut stream = rig.connect().await;
        stream.write_all(bytes.as_bytes()).await.unwrap();
        assert_eq!(answer(&mut stream).await.status, status);
        assert!(rest(&mut stream).await.len() < 100);
    }
}
