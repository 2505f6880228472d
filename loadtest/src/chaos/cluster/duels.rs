//! Two sockets with one identity, at two nodes: which stays (reliability.md 7.2), how fast, and that the end of the old one takes nothing
//! from the new one. And nodes that sleep while stations go elsewhere, and sockets that fall silent.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use futures_util::{SinkExt as _, StreamExt as _, stream};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;

use super::orders::has_reached;
use super::report::Figure;
use super::scene::{SECRET, Scene, percentile, seconds};
use crate::dial::{Credentials, Dialer, Endpoint, Refused, Socket, TcpTransport};
use crate::frame::{self, Fault, FaultCode, Frame};
use crate::oracle::Violation;
use crate::password::Passwords;
use crate::station::{Family, Version};
use crate::tls::{Identity, TlsFiles};
use crate::witness::Witness;

/// Duels at a time.
const AT_ONCE: usize = 12;
/// A second socket whose old one is dead is taken within so long, and a superseded one closed.
const TAKEOVER: Duration = Duration::from_secs(4);
const SUPERSEDED: Duration = Duration::from_secs(5);
/// How long anything of a duel may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two attempts.
const AGAIN: Duration = Duration::from_millis(200);
/// A dead socket is found within so long (C11).
const DETECTED: Duration = Duration::from_secs(75);

/// The three rows of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The old one answers, the new one comes from elsewhere: the old one stays.
    AliveAndStranger,
    /// The old one is silent: the new one takes over.
    Dead,
    /// The old one answers, the new one comes from the same place: the newest wins.
    AliveAndSame,
}

/// How a duel came out.
struct Ending {
    kind: Kind,
    /// As the table says; else what was wrong.
    wrong: Option<String>,
    /// How long the second socket took.
    took: Duration,
}

/// What all duels share.
struct Ring<'a, 'b> {
    scene: &'a Scene<'b>,
    passwords: Passwords,
    tls: Option<Arc<rustls::ClientConfig>>,
}

/// A socket whose station reads and answers. It is dropped without a word when this is.
struct Living {
    task: JoinHandle<Option<u16>>,
}

impl Drop for Living {
    fn drop(&mut self) {
        self.task.abort();
    }
}

// === impl Kind ===

impl Kind {
    const ALL: [Self; 3] = [Self::AliveAndStranger, Self::Dead, Self::AliveAndSame];

    const fn name(self) -> &'static str {
        match self {
            Self::AliveAndStranger => "old one alive, new one from elsewhere: refused with 409",
            Self::Dead => "old one dead: the new one takes over and is reached after the old one's end",
            Self::AliveAndSame => "old one alive, new one from the same place: the newest wins",
        }
    }
}

/// C10: second sockets.
pub(super) async fn doubles(scene: &mut Scene<'_>) -> anyhow::Result<String> {
    let count = scene.course.duels;
    let ring = Ring::new(scene)?;
    let duels = stream::iter(0..count).map(|number| ring.duel(number));
    let endings: Vec<_> = duels.buffer_unordered(AT_ONCE).collect().await;
    drop(ring);
    for kind in Kind::ALL {
        let of_kind: Vec<_> = endings.iter().filter(|ending| ending.kind == kind).collect();
        let wrong: Vec<_> = of_kind.iter().filter_map(|ending| ending.wrong.clone()).collect();
        let told = format!("{} of {}", of_kind.len() - wrong.len(), of_kind.len());
        scene.figures.push(Figure::held(kind.name(), "all", told, wrong.is_empty()));
        scene
            .wrong
            .extend(wrong.into_iter().map(|what| Violation::Takeover { kind: kind.name().to_owned(), what }));
        if kind == Kind::Dead {
            let mut took: Vec<_> = of_kind.iter().map(|ending| ending.took).collect();
            let p99 = percentile(&mut took, 99);
            let longest = took.last().copied().unwrap_or_default();
            let told = format!("p99 {}, longest {}", seconds(p99), seconds(longest));
            scene.figures.push(Figure::held("takeover of a dead socket", "≤ 4 s", told, longest <= TAKEOVER));
        }
    }
    Ok(format!("{count} stations with a second socket, a third of each kind"))
}

/// C2: a node is stopped, its stations come to another one, it goes on.
pub(super) async fn sleepers(scene: &mut Scene<'_>) -> anyhow::Result<String> {
    let count = scene.course.duels;
    let spans = [Duration::from_secs(5), scene.course.span];
    let (mut closed, mut rounds) = (Vec::new(), 0_usize);
    let began = Instant::now();
    let nodes = scene.grounds.members.len();
    while rounds < nodes || began.elapsed() < scene.course.length {
        let span = spans.get(rounds % spans.len()).copied().unwrap_or_default();
        let (asleep, awake) = (rounds % nodes, (rounds + 1) % nodes);
        closed.extend(sleep_once(scene, (asleep, awake), span, rounds, count).await?);
        rounds += 1;
        scene.grounds.all_well().await?;
    }
    let in_time = closed.iter().filter(|took| took.is_some_and(|took| took <= SUPERSEDED)).count();
    let mut took: Vec<_> = closed.iter().flatten().copied().collect();
    let p99 = percentile(&mut took, 99);
    let longest = took.last().copied().unwrap_or_default();
    scene.figures.extend([
        Figure::held(
            "superseded sockets closed ≤ 5 s after it goes on",
            "all",
            format!("{in_time} of {}", closed.len()),
            in_time == closed.len(),
        ),
        Figure::told("that took, p99 and longest", format!("{}, {}", seconds(p99), seconds(longest))),
    ]);
    Ok(format!(
        "{rounds} times SIGSTOP of a node in turn, for 5 and {} s; {count} stations each go elsewhere meanwhile",
        scene.course.span.as_secs()
    ))
}

/// One sleep: how long after it each superseded socket was closed.
async fn sleep_once(
    scene: &Scene<'_>,
    (asleep, awake): (usize, usize),
    span: Duration,
    round: usize,
    count: usize,
) -> anyhow::Result<Vec<Option<Duration>>> {
    let ring = Ring::new(scene)?;
    let mut old = Vec::new();
    for number in 0..count {
        let identity = format!("SLEEP-{round}-{number:03}");
        let socket = ring.dial(&identity, asleep, source(number)).await;
        let socket = socket.map_err(|refused| anyhow::anyhow!("{identity} at first: {refused}"))?;
        old.push((identity, Living::start(socket, Arc::clone(&scene.witness))));
    }
    let member = scene.grounds.members.get(asleep).context("no such node")?;
    member.process.signal("STOP").await?;
    let stopped = Instant::now();
    let mut new = Vec::new();
    for (number, (identity, _)) in old.iter().enumerate() {
        let socket = ring.dial_until(identity, awake, source(number)).await?;
        new.push(Living::start(socket, Arc::clone(&scene.witness)));
    }
    sleep(span.saturating_sub(stopped.elapsed())).await;
    member.process.signal("CONT").await?;
    let awake_since = Instant::now();
    let ends = old.into_iter().map(async |(_, mut living)| {
        let ended = timeout(PATIENCE, &mut living.task).await;
        ended.is_ok().then(|| awake_since.elapsed())
    });
    Ok(stream::iter(ends).buffer_unordered(usize::MAX).collect().await)
}

/// C11: sockets fall silent; some stations come back at once, the others are missed.
pub(super) async fn half_open(scene: &mut Scene<'_>) -> anyhow::Result<String> {
    let count = scene.course.duels;
    let ring = Ring::new(scene)?;
    let nodes = scene.grounds.members.len();
    let crowd = u64::try_from(scene.witness.links().connected().len())?;
    let dials = stream::iter(0..count).map(|number| {
        let (ring, identity) = (&ring, format!("SILENT-{number:04}"));
        async move { ring.dial(&identity, number % nodes, source(number)).await }
    });
    // Nobody reads these any more: a ping is never answered.
    let silent: Vec<_> = dials.buffered(AT_ONCE).collect().await;
    let silent: Result<Vec<_>, _> = silent.into_iter().collect();
    let silent = silent.map_err(|refused| anyhow::anyhow!("at first: {refused}"))?;
    let since = Instant::now();
    let back = stream::iter(0..count / 2).map(|number| {
        let (ring, identity) = (&ring, format!("SILENT-{number:04}"));
        async move {
            let from = Instant::now();
            let dialed = ring.dial(&identity, (number + 1) % nodes, elsewhere(number)).await;
            (dialed.is_ok().then(|| from.elapsed()), dialed.ok())
        }
    });
    let back: Vec<_> = back.buffer_unordered(AT_ONCE).collect().await;
    let mut took: Vec<_> = back.iter().filter_map(|(took, _)| *took).collect();
    let living: Vec<_> = back
        .into_iter()
        .filter_map(|(_, socket)| socket)
        .map(|socket| Living::start(socket, Arc::clone(&scene.witness)))
        .collect();
    let wanted = crowd + u64::try_from(living.len())?;
    let detected = detected(scene, wanted, since).await?;
    let longest = percentile(&mut took, 100);
    let told = format!("{} of {}, longest {}", took.len(), count / 2, seconds(longest));
    let met = took.len() == count / 2 && longest <= TAKEOVER;
    let silent_count = silent.len();
    drop((silent, living));
    scene.figures.extend([
        Figure::held("back at once from elsewhere", "all ≤ 4 s", told, met),
        Figure::held(
            "all silent sockets found, as nodes tell every 3 s",
            "≤ 75 s",
            seconds(detected),
            detected <= DETECTED,
        ),
    ]);
    Ok(format!("{silent_count} sockets whose stations fall silent, half of them come back at once"))
}

/// Waits until the nodes count no more connections than there are.
async fn detected(scene: &Scene<'_>, wanted: u64, since: Instant) -> anyhow::Result<Duration> {
    loop {
        let told = scene.connections_told().await?;
        if told <= wanted {
            return Ok(since.elapsed());
        }
        if since.elapsed() > DETECTED * 2 {
            bail!("nodes count {told} connections after {} s, {wanted} live", since.elapsed().as_secs());
        }
        sleep(AGAIN).await;
    }
}

// === impl Ring ===

impl<'a, 'b> Ring<'a, 'b> {
    fn new(scene: &'a Scene<'b>) -> anyhow::Result<Self> {
        let ca = scene.grounds.ca.as_deref();
        let tls = ca.map(|ca| TlsFiles::read(ca, Identity::None, false)?.config("")).transpose()?;
        Ok(Self { scene, passwords: Passwords::Derived(SECRET.to_owned()), tls })
    }

    /// Opens a socket at a node, from an address of this machine.
    async fn dial(&self, identity: &str, node: usize, source: Ipv4Addr) -> Result<Box<Socket>, Refused> {
        let unusable = |error: anyhow::Error| Refused(format!("{error:#}"));
        let target = self.scene.desk.targets().get(node);
        let at = target.and_then(|target| target.stations(self.tls.is_some()));
        let at = at.ok_or_else(|| Refused("the node is down".to_owned()))?;
        let scheme = if self.tls.is_some() { "wss" } else { "ws" };
        let endpoint = Endpoint::read(&format!("{scheme}://{at}/ocpp")).map_err(unusable)?;
        let transport = TcpTransport::new(Arc::from([at]), &endpoint, self.tls.clone()).map_err(unusable)?;
        let dialer = Dialer::new(Box::new(transport.from_source(Some(source))), endpoint);
        let password = self.passwords.of(identity);
        let credentials = Credentials { identity: identity.into(), version: Version::V201, password };
        match timeout(PATIENCE, dialer.dial(&credentials)).await {
            Ok(dialed) => dialed,
            Err(_) => Err(Refused("timed out".to_owned())),
        }
    }

    /// Tries until it is taken.
    async fn dial_until(&self, identity: &str, node: usize, source: Ipv4Addr) -> anyhow::Result<Box<Socket>> {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.dial(identity, node, source).await {
                Ok(socket) => return Ok(socket),
                Err(refused) if Instant::now() >= until => bail!("{identity}: {refused}"),
                Err(_) => sleep(AGAIN).await,
            }
        }
    }

    async fn duel(&self, number: usize) -> Ending {
        let kind = Kind::ALL.get(number % Kind::ALL.len()).copied().unwrap_or(Kind::Dead);
        let begun = Instant::now();
        match self.fight(number, kind).await {
            Ok(took) => Ending { kind, wrong: None, took },
            Err(error) => Ending { kind, wrong: Some(format!("{error:#}")), took: begun.elapsed() },
        }
    }

    /// One duel; gives how long the second socket took.
    async fn fight(&self, number: usize, kind: Kind) -> anyhow::Result<Duration> {
        let nodes = self.scene.grounds.members.len();
        let (at, next) = (number % nodes, (number / Kind::ALL.len() + 1 + number) % nodes);
        let identity = format!("DUEL-{number:04}");
        let first = self.dial(&identity, at, source(number)).await;
        let first = first.map_err(|refused| anyhow::anyhow!("the first socket: {refused}"))?;
        let witness = || Arc::clone(&self.scene.witness);
        let begun = Instant::now();
        match kind {
            Kind::AliveAndStranger => {
                let _old = Living::start(first, witness());
                match self.dial(&identity, next, elsewhere(number)).await {
                    Ok(_) => bail!("{identity}: the second socket was taken"),
                    Err(Refused(why)) if why != "HTTP 409" => bail!("{identity}: refused with {why}"),
                    Err(_) => {}
                }
                let took = begun.elapsed();
                self.reached(&identity).await?;
                Ok(took)
            }
            Kind::Dead => {
                let second = self.dial(&identity, next, elsewhere(number)).await;
                let second =
                    second.map_err(|refused| anyhow::anyhow!("{identity}: the second socket: {refused}"))?;
                let took = begun.elapsed();
                let _new = Living::start(second, witness());
                // The stale close: what the old socket leaves behind must not be the new one's.
                let before = self.route(&identity).await?.context("no route before the stale close")?;
                drop(first);
                self.reached(&identity).await?;
                let after = self.route(&identity).await?;
                ensure!(
                    after.as_ref() == Some(&before),
                    "{identity}: its route was {before}, then {after:?}"
                );
                Ok(took)
            }
            Kind::AliveAndSame => {
                let mut old = Living::start(first, witness());
                let second = self.dial(&identity, next, source(number)).await;
                let second =
                    second.map_err(|refused| anyhow::anyhow!("{identity}: the second socket: {refused}"))?;
                let took = begun.elapsed();
                let _new = Living::start(second, witness());
                timeout(PATIENCE, &mut old.task).await.context("the old socket stays open")??;
                self.reached(&identity).await?;
                Ok(took)
            }
        }
    }

    /// What Redis says of where the station is.
    async fn route(&self, identity: &str) -> anyhow::Result<Option<String>> {
        self.scene.grounds.redis.route(identity).await
    }

    /// A command through every node reaches the station.
    async fn reached(&self, identity: &str) -> anyhow::Result<()> {
        let until = Instant::now() + PATIENCE;
        for target in self.scene.desk.targets() {
            loop {
                let outcome = self.scene.desk.order(target, identity).await;
                if has_reached(&outcome) {
                    break;
                }
                if Instant::now() >= until {
                    bail!("{identity}: a command through {} ends as {outcome}", target.name);
                }
                sleep(AGAIN).await;
            }
        }
        Ok(())
    }
}

/// Where a station of a duel is, and where somebody else with its password is.
fn source(number: usize) -> Ipv4Addr {
    crate::dial::loopback_source(&format!("duel {number}"))
}

fn elsewhere(number: usize) -> Ipv4Addr {
    crate::dial::loopback_source(&format!("another {number}"))
}

// === impl Living ===

impl Living {
    fn start(socket: Box<Socket>, witness: Arc<Witness>) -> Self {
        Self { task: tokio::spawn(live(socket, witness)) }
    }
}

/// Boots, answers whatever it is asked, and gives the code of the close frame that ended it.
async fn live(mut socket: Box<Socket>, witness: Arc<Witness>) -> Option<u16> {
    let station = json!({"model": "Duel", "vendorName": "Ringmain Simulated"});
    let boot =
        frame::call("boot", "BootNotification", &json!({"reason": "PowerUp", "chargingStation": station}));
    (*socket).send(Message::text(boot)).await.ok()?;
    while let Some(Ok(message)) = (*socket).next().await {
        match message {
            Message::Text(text) => {
                let Ok(Frame::Call { id, action, payload: _ }) = frame::read(&text) else { continue };
                witness.links().ordered(&id);
                let answer = match action.as_str() {
                    "TriggerMessage" => frame::result(&id, &accepted()),
                    _ => frame::error(
                        Some(&id),
                        &Fault::new(FaultCode::NotImplemented, "a station of a duel"),
                        Family::V2,
                    ),
                };
                (*socket).send(Message::text(answer)).await.ok()?;
            }
            Message::Close(frame) => return frame.map(|frame| frame.code.into()),
            Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_) => {}
        }
    }
    None
}

fn accepted() -> Value {
    json!({"status": "Accepted"})
}
