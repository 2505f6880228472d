//! The life of one station on the network: dial, talk, lose it, wait, dial again.
//!
//! The only place that awaits. One task per station: it feeds texts and time to [`Station`], lets [`Drivers`] act, sends what
//! comes out. Never decides anything about charging.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use crate::behaviour::Drivers;
use crate::clock::Clock;
use crate::dial::{Credentials, Dialer, Refused, Socket};
use crate::links::Links;
use crate::settings::Settings;
use crate::station::{Goodbye, Ping, Station};
use crate::tally::{Tally, Timed};
use crate::unit::Moment;

/// How long a station that was told to end goes on delivering, unless it is given more time.
pub const WIND_DOWN: Duration = Duration::from_secs(10);
/// How long a close frame may take.
const CLOSING: Duration = Duration::from_secs(1);
/// No timer is shorter: a deadline that has passed must not become a busy loop.
const LEAST_WAIT: Duration = Duration::from_millis(1);

/// Whether a run goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It does.
    Run,
    /// Drivers end their sessions; stations leave when all is delivered, or when their patience is over.
    WindDown,
    /// Stations leave at once.
    Now,
}

/// Where the frames of one station are shown, if anywhere.
#[derive(Clone, Default)]
pub struct WireLog {
    lines: Option<Arc<Mutex<dyn Write + Send>>>,
}

/// A station with everything it needs to live.
pub struct Life {
    station: Station,
    drivers: Drivers,
    dialer: Arc<Dialer>,
    clock: Clock,
    tally: Arc<Tally>,
    log: WireLog,
    rng: fastrand::Rng,
    link: Link,
    /// Attempts since the last connection that was of use.
    attempts: u32,
    retry_at: Moment,
    patience: Duration,
    wind_down_since: Option<Moment>,
}

enum Link {
    Down,
    Dialing { since: Moment, opening: BoxFuture<'static, Result<Box<Socket>, Refused>> },
    Up(Box<Socket>),
}

enum Event {
    Woken,
    Dialed(Result<Box<Socket>, Refused>),
    Heard(Option<Result<Message, WsError>>),
}

// === impl WireLog ===

impl WireLog {
    /// Shows every frame, a line each, with the time.
    #[must_use]
    pub fn lines(to: Arc<Mutex<dyn Write + Send>>) -> Self {
        Self { lines: Some(to) }
    }

    fn line(&self, clock: &Clock, mark: &str, text: &str) {
        let Some(lines) = &self.lines else { return };
        let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = writeln!(lines, "{} {mark} {text}", clock.stamp(clock.now())) {
            tracing::debug!(%error, "write frame");
        }
    }
}

// === impl Life ===

impl Life {
    /// A station that has not connected yet; `seed` decides its back-off.
    #[must_use]
    pub fn new(
        station: Station,
        drivers: Drivers,
        dialer: Arc<Dialer>,
        clock: Clock,
        tally: Arc<Tally>,
    ) -> Self {
        Self {
            rng: fastrand::Rng::with_seed(drivers.seed()),
            station,
            drivers,
            dialer,
            clock,
            tally,
            log: WireLog::default(),
            link: Link::Down,
            attempts: 0,
            retry_at: Moment::default(),
            patience: WIND_DOWN,
            wind_down_since: None,
        }
    }

    /// Shows its frames.
    #[must_use]
    pub fn with_log(mut self, log: WireLog) -> Self {
        self.log = log;
        self
    }

    /// How long it goes on delivering once it is told to end; [`WIND_DOWN`] unless it is given another.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Lives until it is told to stop; gives the station back as it was left.
    pub async fn run(mut self, mut stop: watch::Receiver<Stop>) -> Station {
        loop {
            let now = self.clock.now();
            let order = *stop.borrow_and_update();
            if self.is_over(now, order) {
                break;
            }
            self.drivers.act(now, &mut self.station);
            self.station.tick(now);
            self.send(now).await;
            self.leave_if_wanted(now).await;
            self.dial_if_due(now);
            let wake = self.clock.instant(self.next_wake(now));
            let event = tokio::select! {
                event = next_event(&mut self.link) => event,
                () = sleep_until(wake) => Event::Woken,
                changed = stop.changed() => match changed {
                    Ok(()) => Event::Woken,
                    // Nobody is left who could tell: the run is over.
                    Err(_) => break,
                },
            };
            self.take(event);
        }
        self.close(true).await;
        self.station.finish(self.clock.now());
        self.station
    }

    fn is_over(&mut self, now: Moment, order: Stop) -> bool {
        match order {
            Stop::Run => false,
            Stop::Now => true,
            Stop::WindDown => {
                if self.wind_down_since.is_none() {
                    // What was queued offline gets its chance before the time is up.
                    self.retry_at = now;
                    self.drivers.go_home(now, &mut self.station);
                }
                let since = *self.wind_down_since.get_or_insert(now);
                self.station.is_settled() || now >= since.plus(self.patience)
            }
        }
    }

    fn next_wake(&self, now: Moment) -> Moment {
        let dial = match &self.link {
            Link::Down if self.station.may_connect(now) => Some(self.retry_at),
            Link::Down | Link::Dialing { .. } | Link::Up(_) => None,
        };
        let over = self.wind_down_since.map(|since| since.plus(self.patience));
        let next = [self.station.next_deadline(), self.drivers.next_deadline(now), dial, over];
        let latest = now.plus(Duration::from_secs(3_600));
        next.into_iter().flatten().min().unwrap_or(latest).max(now.plus(LEAST_WAIT))
    }

    async fn send(&mut self, now: Moment) {
        let patience = Settings::seconds(self.station.settings().message_timeout_s);
        while let Link::Up(socket) = &mut self.link {
            let message = if let Some(text) = self.station.take_frame() {
                self.log.line(&self.clock, ">", &text);
                Message::text(text)
            } else {
                match self.station.take_ping(now) {
                    Ping::NotDue => return,
                    Ping::Due => Message::Ping(Default::default()),
                    Ping::Unanswered => {
                        self.lose("no answer to a ping");
                        return;
                    }
                }
            };
            // A peer that stopped reading must not keep the station from noticing that time goes by.
            match timeout(patience, socket.send(message)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => self.lose(&format!("send: {error}")),
                Err(_) => self.lose("the peer does not read"),
            }
        }
    }

    async fn leave_if_wanted(&mut self, now: Moment) {
        let Some(goodbye) = self.station.take_goodbye() else { return };
        if matches!(self.link, Link::Down) {
            return;
        }
        self.close(goodbye == Goodbye::Polite).await;
        self.retry_at = now;
        self.attempts = 0;
    }

    fn dial_if_due(&mut self, now: Moment) {
        if !matches!(self.link, Link::Down) || now < self.retry_at || !self.station.may_connect(now) {
            return;
        }
        let credentials = Credentials {
            identity: self.station.id().into(),
            version: self.station.make().version,
            password: self.station.settings().password.clone(),
        };
        let (dialer, patience) =
            (Arc::clone(&self.dialer), Settings::seconds(self.station.settings().message_timeout_s));
        let opening = Box::pin(async move {
            match timeout(patience, dialer.dial(&credentials)).await {
                Ok(dialed) => dialed,
                Err(_) => Err(Refused("timed out".to_owned())),
            }
        });
        self.link = Link::Dialing { since: now, opening };
    }

    fn take(&mut self, event: Event) {
        let now = self.clock.now();
        match event {
            Event::Woken => {}
            Event::Dialed(Ok(socket)) => {
                if let Link::Dialing { since, .. } = &self.link {
                    let took = now.since(*since);
                    self.tally.answered(Timed::Connect, took, took);
                }
                self.link = Link::Up(socket);
                self.tally.connected();
                self.witness_link(|links, station, at| links.up(station, at));
                self.log.line(&self.clock, "@", "connected");
                self.station.connected(now);
            }
            Event::Dialed(Err(Refused(reason))) => {
                self.link = Link::Down;
                self.tally.refused(&reason);
                self.log.line(&self.clock, "@", &format!("refused: {reason}"));
                self.back_off(now);
            }
            Event::Heard(Some(Ok(Message::Text(text)))) => {
                self.log.line(&self.clock, "<", &text);
                self.station.received(now, &text);
            }
            // Pings are answered by the library; a station has no use for binary frames.
            Event::Heard(Some(Ok(
                Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_),
            ))) => self.station.heard(now),
            Event::Heard(Some(Ok(Message::Close(frame)))) => {
                let why = frame.map_or_else(|| "no reason".to_owned(), |frame| frame.to_string());
                self.lose(&format!("closed by the CSMS: {why}"));
            }
            Event::Heard(Some(Err(error))) => self.lose(&error.to_string()),
            Event::Heard(None) => self.lose("end of stream"),
        }
    }

    /// The connection went away without the station wanting it.
    fn lose(&mut self, why: &str) {
        let now = self.clock.now();
        self.link = Link::Down;
        self.tally.disconnected(false);
        self.witness_link(|links, station, at| links.down(station, false, at));
        self.log.line(&self.clock, "@", &format!("connection lost: {why}"));
        tracing::debug!(station.id = self.station.id(), why, "connection lost");
        if self.station.connection_was_proven() {
            self.attempts = 0;
        }
        self.station.disconnected(now);
        self.back_off(now);
    }

    fn witness_link(&self, tell: impl FnOnce(&Links, &str, Instant)) {
        if let Some(witness) = self.tally.witness() {
            tell(witness.links(), self.station.id(), Instant::now());
        }
    }

    fn back_off(&mut self, now: Moment) {
        let wait = self.station.settings().backoff(self.attempts, self.rng.u64(0..=1_000));
        self.attempts = self.attempts.saturating_add(1);
        self.retry_at = now.plus(wait);
    }

    /// Ends the connection because the station wants it.
    async fn close(&mut self, polite: bool) {
        let link = std::mem::replace(&mut self.link, Link::Down);
        let Link::Up(mut socket) = link else { return };
        // Named through the box: with other features of the build the box is a sink itself and its `close` would be meant.
        if polite && let Ok(Err(error)) = timeout(CLOSING, (*socket).close(None)).await {
            tracing::debug!(%error, "close connection");
        }
        self.tally.disconnected(true);
        self.witness_link(|links, station, at| links.down(station, true, at));
        self.log.line(&self.clock, "@", "connection closed");
        self.station.disconnected(self.clock.now());
    }
}

async fn next_event(link: &mut Link) -> Event {
    match link {
        Link::Down => std::future::pending().await,
        Link::Dialing { opening, .. } => Event::Dialed(opening.await),
        Link::Up(socket) => Event::Heard(socket.next().await),
    }
}
