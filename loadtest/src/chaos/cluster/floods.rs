//! C13: sockets that never come to the point and frames that must not be, many at once, from strangers and from stations with a password of
//! their own. Each must get the answer its kind deserves, and nobody else may notice.

pub(super) mod raw;

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use tokio::io::AsyncWriteExt as _;
use tokio::time::{Instant, sleep, timeout};

use super::bystanders::Bystanders;
use super::members::Member;
use super::report::Figure;
use super::scene::{Scene, seconds};
use super::strangers::Doors;
use crate::dial::{ByteStream, loopback_source};
use crate::machine::Usage;
use raw::{Heard, frame};

/// How often each attacker comes.
const ROUNDS: usize = 2;
/// Attackers that open their sockets at a time; all are open at once.
const AT_ONCE: usize = 2_000;
/// How long anything of an attack may take: the longest limit of a node before the handshake is 15 s.
const PATIENCE: Duration = Duration::from_secs(40);
/// Between two bytes of a head.
const BYTE_EVERY: Duration = Duration::from_secs(1);
/// A node may grow by so much, KiB.
const GROWTH_KIB: u64 = 100 * 1_024;
/// Its processors must be free again within so long.
const RECOVERED: Duration = Duration::from_secs(5);
/// How often memory is looked at, and over how long processors are.
const LOOK_EVERY: Duration = Duration::from_millis(200);
const CPU_OVER: Duration = Duration::from_secs(1);
/// So much more than before, in thousandths of a processor, is as before.
const CPU_SLACK_PERMILLE: u64 = 150;
/// Depth of a JSON text.
const DEPTH: usize = 100_000;

/// What an attacker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// Says nothing, not even for TLS.
    Mute,
    /// Sends a head, a byte a second.
    SlowHead,
    /// Announces a frame of 16 MiB.
    Oversize,
    /// Sends text that is no UTF-8.
    BadText,
    /// Sends JSON that is very deep.
    Deep,
    /// Sends a message in endless pieces.
    Fragments,
    /// Offers compression, and sends a compressed frame whatever is answered.
    Deflate,
}

/// Takes the processor time of all nodes now and then.
pub(super) struct Cpu {
    at: Instant,
    used_ms: u64,
}

// === impl Kind ===

impl Kind {
    const ALL: [Self; 7] = [
        Self::Mute,
        Self::SlowHead,
        Self::Oversize,
        Self::BadText,
        Self::Deep,
        Self::Fragments,
        Self::Deflate,
    ];

    /// What it is and what must come of it.
    const fn name(self) -> &'static str {
        match self {
            Self::Mute => "nothing is said: hung up ≤ 20 s",
            Self::SlowHead => "a head of a byte a second: 408 ≤ 15 s after TLS",
            Self::Oversize => "a frame of 16 MiB is announced: 1009",
            Self::BadText => "text that is no UTF-8: 1007",
            Self::Deep => "JSON of depth 100,000: CALLERROR, and the socket stays",
            Self::Fragments => "a message in 1,000 pieces: 1009",
            Self::Deflate => "a deflate bomb; compression is not agreed to: 1002",
        }
    }

    /// What is sent once the socket is open.
    fn attack(self) -> Vec<u8> {
        match self {
            Self::Mute | Self::SlowHead => Vec::new(),
            // Nothing follows: it must be refused for what it says it is.
            Self::Oversize => frame::head(frame::TEXT, 16 << 20),
            Self::BadText => frame::whole(frame::TEXT, b"[2,\"1\",\"Heartbeat\",{\"a\":\"\xff\"}]"),
            Self::Deep => {
                let (open, close) = ("[".repeat(DEPTH), "]".repeat(DEPTH));
                let deep =
                    format!(r#"[2,"deep","DataTransfer",{{"vendorId":"com.example","data":{open}{close}}}]"#);
                let mut frames = frame::whole(frame::TEXT, deep.as_bytes());
                frames.extend(frame::whole(frame::TEXT, br#"[2,"after","Heartbeat",{}]"#));
                frames
            }
            Self::Fragments => {
                let mut frames = frame::whole(frame::TEXT_BEGINS, b"[");
                frames.extend((0..1_000).flat_map(|_| frame::whole(frame::GOES_ON, b" ")));
                frames
            }
            // A block of zeros, compressed: 1,000 bytes would become a megabyte.
            Self::Deflate => frame::whole(frame::TEXT_COMPRESSED, &[0; 1_000]),
        }
    }

    /// Whether what came back is what must come.
    fn is_right(self, heard: &Heard, took: Duration) -> bool {
        match self {
            Self::Mute => heard.ended && took <= Duration::from_secs(20),
            Self::SlowHead => heard.text.starts_with("HTTP/1.1 408") && took <= Duration::from_secs(15),
            Self::Oversize | Self::Fragments => heard.close == Some(1_009),
            Self::BadText => heard.close == Some(1_007),
            Self::Deep => heard.text.contains("[4,") && heard.text.contains(r#""after""#),
            Self::Deflate => heard.close == Some(1_002),
        }
    }
}

/// C13: a flood of all kinds.
pub(super) async fn all_kinds(scene: &mut Scene<'_>) -> anyhow::Result<String> {
    let count = scene.course.flood;
    let mut cpu = Cpu::look(scene);
    let others = Bystanders::watch(scene, scene.course.span).await;
    let calm = cpu.permille(scene);
    let before = memory_of_each(scene);
    let (since, doors) = (Instant::now(), Doors::new(scene)?);
    let attackers = stream::iter(0..count).map(|number| attacker(&doors, number));
    let attack = attackers.buffer_unordered(AT_ONCE).collect::<Vec<_>>();
    let (attacks, peak) = while_sampled(scene, attack).await;
    let busy = cpu.permille(scene);
    let recovered = recovery(scene, calm).await;
    let length = since.elapsed();
    tell_kinds(scene, attacks.into_iter().flatten());
    let grown = before.iter().zip(&peak).map(|(before, peak)| peak.saturating_sub(*before)).max();
    let grown = grown.unwrap_or_default();
    scene.figures.extend([
        Figure::held(
            "growth of a node's memory at most",
            "≤ 100 MB",
            format!("{} MiB", grown / 1_024),
            grown <= GROWTH_KIB,
        ),
        Figure::held(
            "processors of the nodes as before, after the last attack",
            "≤ 5 s",
            recovered.map_or_else(|| "not within 30 s".to_owned(), seconds),
            recovered.is_some_and(|took| took <= RECOVERED),
        ),
        Figure::told(
            "processors used by all nodes, before and meanwhile",
            format!("{calm}, {busy} thousandths"),
        ),
    ]);
    others.tell(scene, since).await;
    Ok(format!(
        "{count} attackers of {} kinds, {ROUNDS} times each, for {} s; permessage-deflate is not offered by the gateway",
        Kind::ALL.len(),
        length.as_secs()
    ))
}

fn tell_kinds(scene: &mut Scene<'_>, attacks: impl Iterator<Item = (Kind, Result<(), String>)>) {
    let mut by_kind: BTreeMap<Kind, (usize, usize)> = BTreeMap::new();
    let mut wrong: BTreeMap<String, usize> = BTreeMap::new();
    for (kind, outcome) in attacks {
        let (right, all) = by_kind.entry(kind).or_default();
        *all += 1;
        match outcome {
            Ok(()) => *right += 1,
            Err(what) => *wrong.entry(format!("{kind:?}: {what}")).or_default() += 1,
        }
    }
    for (kind, (right, all)) in by_kind {
        scene.figures.push(Figure::must(kind.name(), "all", format!("{right} of {all}"), right == all));
    }
    if !wrong.is_empty() {
        let told: Vec<_> = wrong.iter().take(5).map(|(what, count)| format!("{count} x {what}")).collect();
        scene.figures.push(Figure::told("what came instead", told.join("; ")));
    }
}

/// All rounds of one attacker.
async fn attacker(doors: &Doors, number: usize) -> Vec<(Kind, Result<(), String>)> {
    let mut outcomes = Vec::new();
    let kind = Kind::ALL.get(number % Kind::ALL.len()).copied().unwrap_or(Kind::Mute);
    for _ in 0..ROUNDS {
        let outcome = match timeout(PATIENCE, attack(doors, (kind, number))).await {
            Ok(Ok((heard, took))) if kind.is_right(&heard, took) => Ok(()),
            Ok(Ok((heard, took))) => Err(format!("{heard} after {}", seconds(took))),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("no end".to_owned()),
        };
        outcomes.push((kind, outcome));
    }
    outcomes
}

/// What came back, and how long it took: of a slow head from the end of the TLS handshake, since that may wait for its turn.
async fn attack(doors: &Doors, (kind, number): (Kind, usize)) -> io::Result<(Heard, Duration)> {
    let mut since = Instant::now();
    let identity = format!("FLOOD-{number:05}");
    let source: Ipv4Addr = loopback_source(&identity);
    let heard = match kind {
        Kind::Mute => {
            let tcp = doors.tcp(number, source, None).await?;
            Heard::all_of(tcp).await
        }
        Kind::SlowHead => {
            let stream = doors.stream(number, source).await?;
            since = Instant::now();
            slow_head(stream).await
        }
        _ => {
            let mut stream = knock(doors, number, &identity, source).await?;
            stream.write_all(&kind.attack()).await?;
            stream.flush().await?;
            match kind {
                Kind::Deep => Heard::until(&mut stream, r#""after""#).await,
                _ => Heard::all_of(stream).await,
            }
        }
    };
    Ok((heard?, since.elapsed()))
}

/// A head that has no end, a byte a second, until the node has had enough.
async fn slow_head(stream: Box<dyn ByteStream>) -> io::Result<Heard> {
    let (read, mut write) = tokio::io::split(stream);
    let dribble = async {
        for byte in b"GET /ocpp/FLOOD HTTP/1.1\r\nX-Endless: ".iter().chain(std::iter::repeat(&b'x')) {
            if write.write_all(&[*byte]).await.is_err() || write.flush().await.is_err() {
                break;
            }
            sleep(BYTE_EVERY).await;
        }
        std::future::pending().await
    };
    tokio::select! {
        heard = Heard::head(read) => heard,
        () = dribble => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// A station's upgrade with its own password and an offer to compress; a busy node is asked again.
async fn knock(
    doors: &Doors,
    number: usize,
    identity: &str,
    source: Ipv4Addr,
) -> io::Result<Box<dyn ByteStream>> {
    loop {
        let mut stream = doors.stream(number, source).await?;
        stream.write_all(doors.upgrade_head(identity, doors.password(identity)).as_bytes()).await?;
        stream.flush().await?;
        let head = raw::head_of(&mut stream).await?;
        let is_agreed = head.to_ascii_lowercase().contains("permessage-deflate");
        match raw::status_of(&head) {
            Some(101) if is_agreed => return Err(io::Error::other("compression is agreed to")),
            Some(101) => return Ok(stream),
            Some(503 | 429) => sleep(BYTE_EVERY).await,
            status => return Err(io::Error::other(format!("the upgrade is answered with {status:?}"))),
        }
    }
}

/// Memory of each node, KiB.
fn memory_of_each(scene: &Scene<'_>) -> Vec<u64> {
    scene.grounds.members.iter().map(|member| member.rss_kib().unwrap_or_default()).collect()
}

/// Does something, and looks at the memory of all nodes meanwhile.
async fn while_sampled<T>(scene: &Scene<'_>, work: impl Future<Output = T>) -> (T, Vec<u64>) {
    let mut peak = memory_of_each(scene);
    let mut work = std::pin::pin!(work);
    loop {
        let done = timeout(LOOK_EVERY, &mut work).await;
        for (peak, now) in peak.iter_mut().zip(memory_of_each(scene)) {
            *peak = now.max(*peak);
        }
        if let Ok(done) = done {
            return (done, peak);
        }
    }
}

/// How long until the nodes use no more of the processors than before.
async fn recovery(scene: &Scene<'_>, calm: u64) -> Option<Duration> {
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(30) {
        let (begun, mut cpu) = (since.elapsed(), Cpu::look(scene));
        sleep(CPU_OVER).await;
        if cpu.permille(scene) <= calm + CPU_SLACK_PERMILLE {
            return Some(begun);
        }
    }
    None
}

// === impl Cpu ===

impl Cpu {
    pub(super) fn look(scene: &Scene<'_>) -> Self {
        let pids = scene.grounds.members.iter().filter_map(|member: &Member| member.process.pid());
        let used_ms = pids.filter_map(Usage::of).map(|usage| usage.cpu_ms).sum();
        Self { at: Instant::now(), used_ms }
    }

    /// What all nodes used since the last time, in thousandths of one processor.
    pub(super) fn permille(&mut self, scene: &Scene<'_>) -> u64 {
        let now = Self::look(scene);
        let span_ms = u64::try_from(now.at.duration_since(self.at).as_millis()).unwrap_or(u64::MAX).max(1);
        let used = now.used_ms.saturating_sub(self.used_ms) * 1_000 / span_ms;
        *self = now;
        used
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(close: Option<u16>, text: &str) -> Heard {
        Heard { close, text: text.to_owned(), ended: true }
    }

    #[test]
    fn each_kind_has_one_right_answer() {
        let soon = Duration::from_secs(1);
        for (kind, close, text) in [
            (Kind::Mute, None, ""),
            (Kind::SlowHead, None, "HTTP/1.1 408 Request Timeout\r\n"),
            (Kind::Oversize, Some(1_009), ""),
            (Kind::BadText, Some(1_007), ""),
            (Kind::Deep, None, r#"[4,"-1","RpcFrameworkError","",{}][3,"after",{}]"#),
            (Kind::Fragments, Some(1_009), ""),
            (Kind::Deflate, Some(1_002), ""),
        ] {
            assert!(kind.is_right(&heard(close, text), soon), "{kind:?}");
            assert!(kind == Kind::Mute || !kind.is_right(&heard(Some(1_000), ""), soon), "{kind:?}");
        }
        assert!(!Kind::Mute.is_right(&heard(None, ""), Duration::from_secs(21)));
    }

    #[test]
    fn attacks_are_what_they_say() {
        assert_eq!(Kind::Oversize.attack().len(), 14, "a head and nothing else");
        let deep = Kind::Deep.attack();
        assert_eq!(deep.iter().filter(|byte| **byte == b'[').count(), DEPTH + 2);
        assert!(Kind::BadText.attack().contains(&0xff));
        assert_eq!(Kind::Deflate.attack()[0] & 0x40, 0x40, "the bit of compression");
    }
}
