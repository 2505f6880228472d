//! The socket over an in-memory stream and a paused clock: time-outs, back-pressure, memory, orderly ends.

use super::super::codec::{encode_close, encode_ping, encode_text};
use super::super::outgoing::{QUEUED_BYTES_MAX, QUEUED_MESSAGES_MAX};
use super::super::{CloseFrame, Limit, ProtocolFault};
use super::line::DISCARD_BYTES_MAX;
use super::*;
use futures_util::{FutureExt, StreamExt};
use std::cell::Cell;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::{Instant, sleep, timeout};

const LONG: Duration = Duration::from_secs(3_600);

fn socket(pipe_bytes: usize) -> (Inbound<DuplexStream>, Outbound<DuplexStream>, DuplexStream) {
    let (ours, theirs) = duplex(pipe_bytes);
    let (inbound, outbound) = Socket::new(ours, &[]).split();
    (inbound, outbound, theirs)
}

/// A client's frame with the mask of zeros, which leaves the payload readable.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
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
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(payload);
    out
}

fn text(text: &str) -> Option<Result<Incoming, WsFault>> {
    Some(Ok(Incoming::Text(text.to_owned())))
}

async fn received(theirs: &mut DuplexStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    timeout(LONG, theirs.read_exact(&mut bytes)).await.unwrap().unwrap();
    bytes
}

#[tokio::test(start_paused = true)]
async fn messages_come_in_and_go_out() {
    let (mut inbound, outbound, mut theirs) = socket(1 << 16);
    theirs.write_all(&frame(0x81, b"one")).await.unwrap();
    theirs.write_all(&frame(0x81, b"two")).await.unwrap();
    assert_eq!(inbound.next().await, text("one"));
    assert_eq!(inbound.next().await, text("two"));
    outbound.send_text("three").unwrap();
    outbound.ping().unwrap();
    assert_eq!(inbound.next().now_or_never(), None);
    assert_eq!(received(&mut theirs, 9).await, b"\x81\x05three\x89\x00");
    theirs.write_all(&frame(0x8a, b"")).await.unwrap();
    assert_eq!(inbound.next().await, Some(Ok(Incoming::Pong)));
    assert_eq!(outbound.received_bytes(), 9 + 9 + 6);
}

#[tokio::test(start_paused = true)]
async fn bytes_behind_the_request_head_are_the_first_frame() {
    let (ours, mut theirs) = duplex(64);
    let whole = frame(0x81, b"early");
    let (mut inbound, _outbound) = Socket::new(ours, &whole[..7]).split();
    theirs.write_all(&whole[7..]).await.unwrap();
    assert_eq!(inbound.next().await, text("early"));
}

#[tokio::test(start_paused = true)]
async fn queued_text_wakes_the_task_that_polls() {
    let (mut inbound, outbound, mut theirs) = socket(64);
    let polled = async { inbound.next().await };
    let sent = async {
        tokio::task::yield_now().await;
        outbound.send_text("x").unwrap();
        let bytes = received(&mut theirs, 3).await;
        theirs.write_all(&frame(0x81, b"done")).await.unwrap();
        bytes
    };
    let (polled, sent) = timeout(LONG, async { tokio::join!(polled, sent) }).await.unwrap();
    assert_eq!((polled, sent), (text("done"), b"\x81\x01x".to_vec()));
}

#[tokio::test(start_paused = true)]
async fn ping_is_answered_inside() {
    let (mut inbound, _outbound, mut theirs) = socket(64);
    theirs.write_all(&frame(0x89, b"hi")).await.unwrap();
    assert_eq!(inbound.next().await, Some(Ok(Incoming::Ping("hi".into()))));
    assert_eq!(inbound.next().now_or_never(), None);
    assert_eq!(received(&mut theirs, 4).await, b"\x8a\x02hi");
}

#[tokio::test(start_paused = true)]
async fn part_of_a_frame_is_a_sign_of_life() {
    let (mut inbound, outbound, mut theirs) = socket(64);
    theirs.write_all(&frame(0x81, b"slow")[..8]).await.unwrap();
    assert_eq!(inbound.next().now_or_never(), None);
    assert_eq!(outbound.received_bytes(), 8);
}

#[tokio::test(start_paused = true)]
async fn peer_that_stops_reading_is_a_fault_after_15_s() {
    let (mut inbound, outbound, _theirs) = socket(16);
    let start = Instant::now();
    outbound.send_text(&"x".repeat(100)).unwrap();
    assert_eq!(outbound.stalled_since(), None);
    assert_eq!(inbound.next().now_or_never(), None);
    assert_eq!(outbound.stalled_since(), Some(start.into_std()));
    assert_eq!(inbound.next().await, Some(Err(WsFault::Stalled)));
    assert_eq!(start.elapsed(), STALL_LIMIT);
    assert_eq!(inbound.next().await, None);
    assert!(outbound.is_closing());
    assert_eq!(outbound.send_text("x"), Err(QueueFull));
    assert_eq!(outbound.stalled_since(), None);
}

#[tokio::test(start_paused = true)]
async fn slow_reader_is_not_stalled_while_it_takes_anything() {
    let (mut inbound, outbound, mut theirs) = socket(16);
    let start = Instant::now();
    outbound.send_text(&"x".repeat(100)).unwrap();
    let reader = async {
        for _ in 0..6 {
            sleep(STALL_LIMIT - Duration::from_millis(1)).await;
            received(&mut theirs, 17).await;
        }
        theirs.write_all(&frame(0x81, b"still here")).await.unwrap();
    };
    let (next, ()) = tokio::join!(inbound.next(), reader);
    assert_eq!(next, text("still here"));
    assert!(start.elapsed() > STALL_LIMIT * 5);
    assert_eq!(outbound.stalled_since(), None);
}

#[tokio::test(start_paused = true)]
async fn full_queue_refuses_and_recovers() {
    let (mut inbound, outbound, mut theirs) = socket(16);
    for _ in 0..QUEUED_MESSAGES_MAX {
        outbound.send_text("x").unwrap();
    }
    assert_eq!(outbound.send_text("x"), Err(QueueFull));
    assert_eq!(outbound.ping(), Err(QueueFull));
    assert!(!outbound.is_closing());
    assert_eq!(inbound.next().now_or_never(), None);
    received(&mut theirs, 16).await;
    assert_eq!(inbound.next().now_or_never(), None);
    assert_eq!(outbound.send_text("x"), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn one_message_of_1_mib_passes() {
    let (mut inbound, outbound, mut theirs) = socket(1 << 12);
    outbound.send_text(&"x".repeat(QUEUED_BYTES_MAX)).unwrap();
    let reader = async {
        let bytes = received(&mut theirs, QUEUED_BYTES_MAX + 10).await;
        theirs.write_all(&frame(0x81, b"got it")).await.unwrap();
        bytes.len()
    };
    let (next, length) = tokio::join!(inbound.next(), reader);
    assert_eq!((next, length), (text("got it"), QUEUED_BYTES_MAX + 10));
}

#[tokio::test(start_paused = true)]
async fn paused_socket_reads_nothing_and_still_writes() {
    let (mut inbound, outbound, mut theirs) = socket(64);
    outbound.pause_reading();
    theirs.write_all(&frame(0x81, b"wait")).await.unwrap();
    outbound.send_text("x").unwrap();
    assert_eq!(inbound.next().now_or_never(), None);
    assert_eq!(outbound.received_bytes(), 0);
    assert_eq!(received(&mut theirs, 3).await, b"\x81\x01x");
    outbound.resume_reading();
    assert_eq!(inbound.next().await, text("wait"));
}

#[tokio::test(start_paused = true)]
async fn paused_socket_fills_the_kernel_not_our_memory() {
    let (mut inbound, outbound, mut theirs) = socket(1 << 12);
    let flood = frame(0x81, &[b'x'; 1 << 12]).repeat(100);
    outbound.pause_reading();
    let flooded =
        timeout(Duration::from_secs(60), async { tokio::join!(theirs.write_all(&flood), inbound.next()) });
    assert!(flooded.await.is_err(), "the writer waits");
    assert_eq!(outbound.received_bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn messages_already_read_wait_while_paused() {
    let (mut inbound, outbound, mut theirs) = socket(64);
    theirs.write_all(&[frame(0x81, b"one"), frame(0x81, b"two")].concat()).await.unwrap();
    assert_eq!(inbound.next().await, text("one"));
    outbound.pause_reading();
    assert_eq!(inbound.next().now_or_never(), None);
    outbound.resume_reading();
    assert_eq!(inbound.next().await, text("two"));
}

#[tokio::test(start_paused = true)]
async fn peers_close_is_answered_with_its_code_and_ends_the_stream() {
    let (mut inbound, outbound, mut theirs) = socket(64);
    theirs.write_all(&frame(0x88, &[0x03, 0xe9, b'b', b'y', b'e'])).await.unwrap();
    let close = CloseFrame { code: CloseCode::AWAY, reason: "bye".to_owned() };
    assert_eq!(inbound.next().await, Some(Ok(Incoming::Close(Some(close)))));
    assert!(outbound.is_closing());
    let peer = async {
        let mut rest = Vec::new();
        theirs.read_to_end(&mut rest).await.unwrap();
        drop(theirs);
        rest
    };
    let (end, rest) = tokio::join!(inbound.next(), peer);
    assert_eq!((end, rest), (None, b"\x88\x02\x03\xe9".to_vec()));
}

#[tokio::test(start_paused = true)]
async fn close_is_sent_behind_what_waits_and_awaits_the_answer() {
    let (mut inbound, outbound, mut theirs) = socket(64);
    outbound.send_text("last").unwrap();
    outbound.close(CloseCode::RESTART, "drain");
    outbound.close(CloseCode::NORMAL, "again");
    assert!(outbound.is_closing());
    assert_eq!(outbound.send_text("x"), Err(QueueFull));
    assert_eq!(inbound.next().now_or_never(), None);
    assert_eq!(received(&mut theirs, 15).await, b"\x81\x04last\x88\x07\x03\xf4drain");
    theirs.write_all(&frame(0x81, b"crossed")).await.unwrap();
    theirs.write_all(&frame(0x88, &[0x03, 0xf4])).await.unwrap();
    let close = CloseFrame { code: CloseCode::RESTART, reason: String::new() };
    assert_eq!(inbound.next().await, Some(Ok(Incoming::Close(Some(close)))));
    drop(theirs);
    assert_eq!(inbound.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn unanswered_close_ends_after_2_s() {
    let (mut inbound, outbound, theirs) = socket(64);
    let start = Instant::now();
    outbound.close(CloseCode::RESTART, "");
    assert_eq!(inbound.next().await, None);
    assert_eq!(start.elapsed(), CLOSE_LIMIT);
    assert_eq!(inbound.next().await, None);
    drop(theirs);
}

#[tokio::test(start_paused = true)]
async fn close_is_answered_even_while_paused() {
    let (mut inbound, outbound, mut theirs) = socket(64);
    outbound.pause_reading();
    outbound.close(CloseCode::RESTART, "");
    theirs.write_all(&frame(0x88, &[])).await.unwrap();
    assert_eq!(inbound.next().await, Some(Ok(Incoming::Close(None))));
}

#[tokio::test(start_paused = true)]
async fn peer_that_never_hangs_up_is_dropped_after_2_s() {
    let (mut inbound, _outbound, mut theirs) = socket(64);
    theirs.write_all(&frame(0x88, &[])).await.unwrap();
    assert_eq!(inbound.next().await, Some(Ok(Incoming::Close(None))));
    let start = Instant::now();
    assert_eq!(inbound.next().await, None);
    assert_eq!(start.elapsed(), CLOSE_LIMIT);
    drop(theirs);
}

#[tokio::test(start_paused = true)]
async fn peer_that_talks_on_after_a_fault_is_cut() {
    let (mut inbound, _outbound, mut theirs) = socket(1 << 16);
    theirs.write_all(&[0x81, 0x00]).await.unwrap();
    assert_eq!(inbound.next().await, Some(Err(WsFault::Protocol(ProtocolFault::Unmasked))));
    let flood = async {
        let mut sent = 0;
        while sent < 2 * DISCARD_BYTES_MAX && theirs.write_all(&[0; 1 << 16]).await.is_ok() {
            sent += 1 << 16;
        }
        sent
    };
    let start = Instant::now();
    let (end, sent) = tokio::join!(inbound.next(), flood);
    assert_eq!(end, None);
    assert!((DISCARD_BYTES_MAX..DISCARD_BYTES_MAX + (1 << 18)).contains(&sent), "{sent}");
    assert!(start.elapsed() < CLOSE_LIMIT);
}

#[tokio::test(start_paused = true)]
async fn fault_sends_its_close_code_before_it_is_told() {
    let too_big = [0x81, 0xff, 0, 0, 0, 0, 0x19, 0, 0, 0, 0, 0, 0, 0];
    let cases: [(&[u8], WsFault, u16); 3] = [
        (&[0x81, 0x00], WsFault::Protocol(ProtocolFault::Unmasked), 1002),
        (&[0x81, 0x81, 0, 0, 0, 0, 0xff], WsFault::InvalidUtf8, 1007),
        (&too_big, WsFault::TooBig(Limit::Frame), 1009),
    ];
    for (bytes, fault, code) in cases {
        let (mut inbound, _outbound, mut theirs) = socket(64);
        theirs.write_all(bytes).await.unwrap();
        assert_eq!(inbound.next().await, Some(Err(fault)));
        drop(inbound);
        assert_eq!(received(&mut theirs, 4).await, [&[0x88, 2], &code.to_be_bytes()[..]].concat());
    }
}

#[tokio::test(start_paused = true)]
async fn binary_closes_with_1003() {
    let (mut inbound, _outbound, mut theirs) = socket(64);
    theirs.write_all(&frame(0x82, b"\xff")).await.unwrap();
    assert_eq!(inbound.next().await, Some(Ok(Incoming::Binary)));
    assert_eq!(inbound.next().await, None);
    assert_eq!(received(&mut theirs, 10).await, b"\x88\x08\x03\xebbinary");
}

#[tokio::test(start_paused = true)]
async fn vanished_peer_is_lost_once() {
    let (mut inbound, outbound, theirs) = socket(64);
    drop(theirs);
    assert_eq!(inbound.next().await, Some(Err(WsFault::Lost(io::ErrorKind::UnexpectedEof))));
    assert_eq!(inbound.next().await, None);
    assert_eq!(outbound.ping(), Err(QueueFull));
}

#[tokio::test(start_paused = true)]
async fn linger_works_the_socket_to_its_end() {
    let (inbound, outbound, mut theirs) = socket(8);
    drop(inbound);
    outbound.send_text("a longer farewell").unwrap();
    outbound.close(CloseCode::RESTART, "");
    let peer = async {
        let bytes = received(&mut theirs, 19 + 4).await;
        theirs.write_all(&frame(0x88, &[0x03, 0xf4])).await.unwrap();
        let mut rest = Vec::new();
        theirs.read_to_end(&mut rest).await.unwrap();
        drop(theirs);
        (bytes, rest)
    };
    let start = Instant::now();
    let ((), (bytes, rest)) = tokio::join!(outbound.linger(), peer);
    assert!(bytes.ends_with(b"\x88\x02\x03\xf4") && rest.is_empty());
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn flood_of_tiny_frames_lets_others_run() {
    let (mut inbound, _outbound, mut theirs) = socket(1 << 20);
    theirs.write_all(&frame(0x8a, b"").repeat(10_000)).await.unwrap();
    let turns = Cell::new(0);
    let consumer = async {
        for _ in 0..10_000 {
            assert_eq!(inbound.next().await, Some(Ok(Incoming::Pong)));
        }
        turns.get()
    };
    let other = async {
        loop {
            turns.set(turns.get() + 1);
            tokio::task::yield_now().await;
        }
    };
    let turns = tokio::select! { turns = consumer => turns, () = other => 0 };
    assert!(turns > 20, "{turns} turns beside 10,000 frames");
}

#[tokio::test(start_paused = true)]
async fn memory_is_given_back_after_a_20_kb_message() {
    let (mut inbound, outbound, mut theirs) = socket(1 << 16);
    let idle = outbound.retained_bytes();
    assert!(idle < 1_024, "{idle} bytes idle");
    let large = "x".repeat(20_000);
    let bytes = frame(0x81, large.as_bytes());
    theirs.write_all(&bytes[..15_000]).await.unwrap();
    assert_eq!(inbound.next().now_or_never(), None);
    assert!((14_900..=20_000).contains(&(outbound.retained_bytes() - idle)));
    theirs.write_all(&bytes[15_000..]).await.unwrap();
    assert_eq!(inbound.next().await, text(&large));
    outbound.send_text(&large).unwrap();
    assert_eq!(inbound.next().now_or_never(), None);
    received(&mut theirs, 20_004).await;
    assert_eq!(inbound.next().now_or_never(), None);
    assert!(outbound.retained_bytes() - idle <= 4 * 1_024);
    assert_eq!(outbound.retained_bytes(), idle, "idle again is as small as before");
}

#[tokio::test(start_paused = true)]
async fn start_of_a_header_holds_only_itself() {
    let (mut inbound, outbound, mut theirs) = socket(1 << 16);
    let idle = outbound.retained_bytes();
    theirs.write_all(&[frame(0x81, &[b'x'; 9_000]), frame(0x81, b"")[..5].to_vec()].concat()).await.unwrap();
    assert!(matches!(inbound.next().await, Some(Ok(Incoming::Text(_)))));
    assert_eq!(inbound.next().now_or_never(), None);
    assert!(outbound.retained_bytes() - idle <= 64);
}

#[tokio::test(start_paused = true)]
async fn messages_left_over_from_one_read_are_given_back_when_taken() {
    let (mut inbound, outbound, mut theirs) = socket(1 << 16);
    let idle = outbound.retained_bytes();
    let rest = &frame(0x81, b"")[..5];
    theirs.write_all(&[&frame(0x81, &[b'x'; 5_000]).repeat(3)[..], rest].concat()).await.unwrap();
    assert!(matches!(inbound.next().await, Some(Ok(Incoming::Text(_)))));
    assert!(outbound.retained_bytes() - idle > 10_000, "two messages wait");
    assert!(matches!(inbound.next().await, Some(Ok(Incoming::Text(_)))));
    assert!(matches!(inbound.next().await, Some(Ok(Incoming::Text(_)))));
    assert_eq!(inbound.next().now_or_never(), None);
    assert!(outbound.retained_bytes() - idle <= 64);
    let hidden = inbound.line.borrow_mut().unread.try_reclaim(1_000);
    assert!(!hidden, "the allocation is gone too, not only its rest");
}

#[tokio::test(start_paused = true)]
async fn announced_400_mebibytes_are_refused_before_buffering() {
    let (mut inbound, outbound, mut theirs) = socket(64);
    let idle = outbound.retained_bytes();
    theirs.write_all(&[0x81, 0xff, 0, 0, 0, 0, 0x19, 0, 0, 0, 0, 0, 0, 0]).await.unwrap();
    assert_eq!(inbound.next().await, Some(Err(WsFault::TooBig(Limit::Frame))));
    assert!(outbound.retained_bytes() <= idle);
}

#[test]
fn socket_may_change_threads_before_it_is_split() {
    fn is_send<T: Send>() {}
    is_send::<Socket<tokio::net::TcpStream>>();
}

#[test]
fn our_frames_read_like_theirs() {
    let mut out = Vec::new();
    encode_text("a", &mut out);
    encode_ping(&mut out);
    encode_close(None, &mut out);
    assert_eq!(out, b"\x81\x01a\x89\x00\x88\x00");
}
