//! The fault proxy over real sockets: what each disturbance does to what goes through, and that bytes stay what they are.

use std::net::SocketAddr;
use std::time::Duration;

use ringmain_loadtest::chaos::proxy::{Flow, Proxy, Weather};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

/// Nothing of a test takes so long.
const DEADLINE: Duration = Duration::from_secs(20);
/// So long a silent link is listened at.
const SILENCE: Duration = Duration::from_millis(200);

fn any() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// A process that sends back what it gets, and a link to it.
async fn echo() -> Proxy {
    let listener = TcpListener::bind(any()).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                tokio::io::copy(&mut from, &mut to).await.ok();
            });
        }
    });
    Proxy::start(any(), Box::new(move || Some(address))).await.unwrap()
}

async fn said(stream: &mut TcpStream, text: &[u8]) -> Duration {
    let since = Instant::now();
    stream.write_all(text).await.unwrap();
    let mut heard = vec![0; text.len()];
    timeout(DEADLINE, stream.read_exact(&mut heard)).await.expect("an echo in time").unwrap();
    assert_eq!(heard, text);
    since.elapsed()
}

#[tokio::test]
async fn a_link_passes_on_what_it_gets_and_the_end_of_it() {
    let proxy = echo().await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    said(&mut stream, &vec![7; 300_000]).await;
    stream.shutdown().await.unwrap();
    let mut rest = Vec::new();
    timeout(DEADLINE, stream.read_to_end(&mut rest)).await.expect("the end in time").unwrap();
    assert!(rest.is_empty());
}

#[tokio::test]
async fn a_slow_link_is_late_by_what_was_asked_for() {
    let proxy = echo().await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    let late = Flow { delay: Duration::from_millis(60), jitter: Duration::from_millis(5), ..Flow::default() };
    proxy.set(Weather { up: late, down: late });
    assert!(said(&mut stream, b"hello").await >= Duration::from_millis(120));
    proxy.set(Weather::default());
    said(&mut stream, b"hello").await;
}

#[tokio::test]
async fn a_cut_resets_what_stands_and_takes_what_comes() {
    let proxy = echo().await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    said(&mut stream, b"hello").await;
    proxy.cut();
    let ended = timeout(DEADLINE, stream.read(&mut [0; 8])).await.expect("the cut in time");
    assert_eq!(ended.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    said(&mut stream, b"again").await;
}

#[tokio::test]
async fn a_silent_link_holds_back_one_way_or_both_and_loses_nothing() {
    let proxy = echo().await;
    for weather in [Weather { down: Flow::silent(), ..Weather::default() }, Weather::black_hole()] {
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        said(&mut stream, b"hello").await;
        proxy.set(weather);
        stream.write_all(b"held").await.unwrap();
        let mut heard = [0; 4];
        assert!(timeout(SILENCE, stream.read_exact(&mut heard)).await.is_err(), "nothing comes");
        proxy.set(Weather::default());
        timeout(DEADLINE, stream.read_exact(&mut heard)).await.expect("it speaks again").unwrap();
        assert_eq!(&heard, b"held");
    }
}

#[tokio::test]
async fn a_silent_link_is_cut_all_the_same() {
    let proxy = echo().await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    said(&mut stream, b"hello").await;
    proxy.set(Weather::black_hole());
    stream.write_all(b"held").await.unwrap();
    proxy.cut();
    assert!(timeout(DEADLINE, stream.read(&mut [0; 8])).await.expect("the cut in time").is_err());
}

#[tokio::test]
async fn a_thin_pipe_takes_its_time() {
    let proxy = echo().await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    proxy.set(Weather { up: Flow { bytes_per_s: Some(10_000), ..Flow::default() }, ..Weather::default() });
    assert!(said(&mut stream, &[7; 3_000]).await >= Duration::from_millis(250));
}

#[tokio::test]
async fn crumbs_are_the_same_bread() {
    let proxy = echo().await;
    let crumbs = Flow { piece: Some(3), ..Flow::default() };
    proxy.set(Weather { up: crumbs, down: crumbs });
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    said(&mut stream, b"a text that comes in pieces of three bytes").await;
}

#[tokio::test]
async fn nobody_behind_it_is_a_reset() {
    let proxy = Proxy::start(any(), Box::new(|| None)).await.unwrap();
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    let ended = timeout(DEADLINE, stream.read(&mut [0; 8])).await.expect("an end in time");
    assert!(ended.is_err() || ended.is_ok_and(|read| read == 0));
}
