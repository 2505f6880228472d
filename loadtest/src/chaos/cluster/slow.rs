//! C12: stations that read a byte a second while large commands go to them. The node must see that they do not read and let them go, and nobody
//! else may notice.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use futures_util::{SinkExt as _, StreamExt as _, stream};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, Sleep, sleep};
use tokio_tungstenite::tungstenite::Message;

use super::bystanders::Bystanders;
use super::faults::memory;
use super::report::Figure;
use super::scene::{Scene, percentile, seconds};
use super::strangers::{Doors, boot};
use crate::dial::{Socket, loopback_source};
use crate::frame::{self, Fault, FaultCode, Frame};
use crate::station::Family;

/// A slow consumer is let go within so long after it has stopped reading.
const CLOSED: Duration = Duration::from_secs(20);
/// What the kernel keeps for a station that does not read, bytes: as little as it lets us ask for.
const RECEIVE_BUFFER: u32 = 2_304;
/// Data of one command, bytes; the API takes 256 KiB.
const DATA_BYTES: usize = 200_000;
/// Commands to each; the first goes out, the others wait for their turn.
const COMMANDS: usize = 3;
/// Stations that dial at a time, and between two that stop reading.
const AT_ONCE: usize = 12;
const STOP_EVERY: Duration = Duration::from_millis(200);
/// How long a socket that was let go may stay in the kernel.
const LINGER: Duration = Duration::from_secs(5);
/// Between two bytes.
const BYTE_EVERY: Duration = Duration::from_secs(1);

/// A byte stream that can become thin: then it gives a byte a second.
struct Thin {
    stream: TcpStream,
    is_thin: Arc<AtomicBool>,
    pause: Option<Pin<Box<Sleep>>>,
}

/// A station that will stop reading.
struct Slow {
    identity: String,
    is_thin: Arc<AtomicBool>,
    /// It reads, and answers as long as it reads well.
    task: JoinHandle<()>,
}

impl Drop for Slow {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// C12: slow consumers.
pub(super) async fn consumers(scene: &mut Scene<'_>) -> anyhow::Result<String> {
    let count = scene.course.duels;
    let others = Bystanders::watch(scene, scene.course.span).await;
    let doors = Doors::new(scene)?;
    let dials = stream::iter(0..count).map(|number| dial(&doors, number));
    let slow: Vec<_> = dials.buffer_unordered(AT_ONCE).collect().await;
    let slow: Vec<Slow> = slow.into_iter().collect::<anyhow::Result<_>>()?;
    let (since, before) = (Instant::now(), memory(scene));
    let mut peak = before;
    let mut ends = JoinSet::new();
    let payload: Arc<str> =
        json!({"vendorId": "com.example.slow", "data": "x".repeat(DATA_BYTES)}).to_string().into();
    for (number, one) in slow.iter().enumerate() {
        stop_reading(&mut ends, scene, (&doors, number), (one, &payload))?;
        sleep(STOP_EVERY).await;
    }
    let mut outcomes = Vec::new();
    while let Some(ended) = ends.join_next().await {
        peak = peak.max(memory(scene));
        outcomes.push(ended.context("an operator died")?);
    }
    let open = lingering(&doors).await?;
    drop(slow);
    ensure!(!outcomes.is_empty(), "no station stopped reading");
    tell(scene, &outcomes);
    let grown = format!("{} MiB", peak.saturating_sub(before) / 1_024);
    scene.figures.extend([
        Figure::told("memory of all nodes meanwhile", format!("+ {grown}")),
        Figure::held("sockets the kernel keeps for them afterwards", "0", open.to_string(), open == 0),
    ]);
    others.tell(scene, since).await;
    Ok(format!("{count} stations read 1 B/s, {COMMANDS} commands of {} KB to each", DATA_BYTES / 1_000))
}

/// One boots as any other.
async fn dial(doors: &Doors, number: usize) -> anyhow::Result<Slow> {
    let identity = format!("SLOW-{number:04}");
    let is_thin = Arc::new(AtomicBool::new(false));
    let stream = doors.tcp(number, loopback_source(&identity), Some(RECEIVE_BUFFER)).await;
    let stream = stream.with_context(|| format!("connect {identity}"))?;
    let thin = Thin { stream, is_thin: Arc::clone(&is_thin), pause: None };
    let stream = doors.secure(thin).await.with_context(|| format!("secure {identity}"))?;
    let socket = doors.upgrade(&identity, stream).await;
    let mut socket = socket.map_err(|refused| anyhow::anyhow!("{identity}: {refused}"))?;
    boot(&mut socket).await.with_context(|| identity.clone())?;
    let task = tokio::spawn(read_on(socket, Arc::clone(&is_thin)));
    Ok(Slow { identity, is_thin, task })
}

/// From here on it reads a byte a second, and much is ordered of it. Each order tells how it ended, and after how long: the first to end
/// ends with the connection.
fn stop_reading(
    ends: &mut JoinSet<Vec<(String, Duration)>>,
    scene: &Scene<'_>,
    (doors, number): (&Doors, usize),
    (slow, payload): (&Slow, &Arc<str>),
) -> anyhow::Result<()> {
    slow.is_thin.store(true, Ordering::Relaxed);
    let (since, identity) = (Instant::now(), slow.identity.clone());
    // Through another node than its own, for every second one.
    let target = doors.target(number + number % 2).context("there are no nodes")?.clone();
    let (desk, payload) = (scene.desk.clone(), Arc::clone(payload));
    ends.spawn(async move {
        let orders = (0..COMMANDS).map(|_| async {
            let outcome = desk.order_raw(&target, &identity, ("DataTransfer", &payload)).await;
            (outcome, since.elapsed())
        });
        futures_util::future::join_all(orders).await
    });
    Ok(())
}

/// What the node asks of it by itself must not stand before the commands of the case.
async fn read_on(mut socket: Box<Socket>, is_thin: Arc<AtomicBool>) {
    while let Some(Ok(message)) = socket.next().await {
        let Message::Text(text) = message else { continue };
        let Ok(Frame::Call { id, .. }) = frame::read(&text) else { continue };
        let answer = Fault::new(FaultCode::NotImplemented, "a slow station");
        let answer = Message::text(frame::error(Some(&id), &answer, Family::V2));
        if !is_thin.load(Ordering::Relaxed) && (*socket).send(answer).await.is_err() {
            return;
        }
    }
}

/// How many sockets the kernel still keeps for nodes that have let go of them, because there is something in them that is not read.
async fn lingering(doors: &Doors) -> anyhow::Result<usize> {
    let ports: Vec<u16> = (0..doors.count()).filter_map(|place| doors.port(place)).collect();
    let until = Instant::now() + LINGER;
    loop {
        let table = std::fs::read_to_string("/proc/net/tcp").context("read the sockets of this machine")?;
        let open = left_behind(&table, &ports);
        if open == 0 || Instant::now() >= until {
            return Ok(open);
        }
        sleep(STOP_EVERY).await;
    }
}

/// Sockets at these ports that were closed here and have not sent everything: FIN_WAIT1 (4) with a queue, in `proc_net_tcp(5)`.
fn left_behind(table: &str, ports: &[u16]) -> usize {
    let is_left = |line: &str| {
        let mut fields = line.split_whitespace().skip(1);
        let port = fields.next()?.rsplit_once(':')?.1;
        let state = fields.nth(1)?;
        let unsent = fields.next()?.split_once(':')?.0;
        let unsent = u32::from_str_radix(unsent, 16).ok()?;
        let port = u16::from_str_radix(port, 16).ok()?;
        (ports.contains(&port) && state == "04" && unsent > 0).then_some(())
    };
    table.lines().filter_map(is_left).count()
}

fn tell(scene: &mut Scene<'_>, outcomes: &[Vec<(String, Duration)>]) {
    // A command that was answered, or that ran into its own deadline, says nothing of a closed socket.
    let closed = |ends: &Vec<(String, Duration)>| {
        let last = ends.iter().map(|(_, took)| *took).max()?;
        let ended = ends.iter().all(|(outcome, _)| matches!(outcome.as_str(), "timeout_unknown" | "offline"));
        ended.then_some(last)
    };
    let mut took: Vec<_> = outcomes.iter().filter_map(closed).collect();
    let in_time = took.iter().filter(|took| **took <= CLOSED).count();
    let median = percentile(&mut took, 50);
    let longest = took.last().copied().unwrap_or_default();
    let mut counted = std::collections::BTreeMap::<&str, usize>::new();
    for (outcome, _) in outcomes.iter().flatten() {
        *counted.entry(outcome).or_default() += 1;
    }
    let counted: Vec<_> = counted.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
    scene.figures.extend([
        Figure::held(
            "slow consumers closed ≤ 20 s after they stopped reading",
            "all",
            format!("{in_time} of {}", outcomes.len()),
            in_time == outcomes.len(),
        ),
        Figure::told("that took, median and longest", format!("{}, {}", seconds(median), seconds(longest))),
        Figure::told("how the commands to them ended", counted.join(", ")),
    ]);
}

// === impl Thin ===

impl AsyncRead for Thin {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.is_thin.load(Ordering::Relaxed) {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        let mut byte = [0_u8; 1];
        let mut one = ReadBuf::new(&mut byte);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut one))?;
        buffer.put_slice(one.filled());
        self.pause = Some(Box::pin(sleep(BYTE_EVERY)));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Thin {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn what_the_kernel_keeps_is_read_from_its_table() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
               0: 0100007F:2328 0100007F:C350 04 00004E20:00000000 04:0000 00000000     0        0 0 2\n\
               1: 0100007F:2328 0100007F:C351 01 00004E20:00000000 04:0000 00000000     0        0 7 2\n\
               2: 0100007F:2328 0100007F:C352 04 00000000:00000000 04:0000 00000000     0        0 0 2\n\
               3: 0100007F:2329 0100007F:C353 04 00004E20:00000000 04:0000 00000000     0        0 0 2\n";
        assert_eq!(left_behind(table, &[9_000]), 1);
        assert_eq!(left_behind(table, &[9_000, 9_001]), 2);
        assert_eq!(left_behind("", &[9_000]), 0);
    }

    #[tokio::test]
    async fn a_thin_stream_gives_a_byte_a_second() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
        let is_thin = Arc::new(AtomicBool::new(false));
        let mut thin = Thin { stream: near.unwrap(), is_thin: Arc::clone(&is_thin), pause: None };
        let (mut far, _) = far.unwrap();
        far.write_all(b"whole and thin").await.unwrap();
        let mut whole = [0; 6];
        thin.read_exact(&mut whole).await.unwrap();
        assert_eq!(&whole, b"whole ");
        is_thin.store(true, Ordering::Relaxed);
        let since = Instant::now();
        let mut rest = [0; 3];
        thin.read_exact(&mut rest).await.unwrap();
        assert_eq!(&rest, b"and");
        assert!(since.elapsed() >= BYTE_EVERY * 2, "{:?}", since.elapsed());
    }
}
