//! One station's socket: RPC state, dialect, station state, farewell guard. Places on the walk: *frame* to *ack*.
//!
//! Parent: `Doorkeeper` starts it, its route names it, its `Site` hears of it. Children: none. Mailbox: 32. Dies with any `Exit`. Owns the
//! route's epoch. Never: SQL, pricing, a version test, an answer without its ticket.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use ringmain_domain::command::{CommandOrder, CommandResult};
use ringmain_domain::event::{DomainEvent, Fact};
use ringmain_domain::id::{CommandId, Epoch, EvseId, GrantSeq, SiteId};
use ringmain_domain::outcome::Outcome;
use ringmain_domain::reply::Registration;
use ringmain_domain::site;
use ringmain_domain::snapshot::StationSnapshot;
use ringmain_domain::station::{Input, StationState};
use ringmain_domain::telemetry;
use ringmain_domain::time::Timestamp;
use ringmain_ocpp::rpc::RpcState;
use ringmain_ocpp::translate::Dialect;
use tokio::sync::oneshot;

use super::exit::Exit;
use super::site::SiteHandle;
use super::site_directory::Locate;
use crate::actors::journal::{Journal, Note};
use crate::app::Node;
use crate::clock::{self, Setting};
use crate::listen::stream::Stream;
use crate::ws::socket::{Outbound, Socket};
use crate::ws::{Incoming, WsFault};

mod answering;
mod costs;
pub mod fences;
pub mod leaving;
mod ordering;
mod pace;

use costs::Costs;
use fences::{Fences, Passage};
use pace::Pace;

const MAILBOX: usize = 32;
/// When a changed record that could not be read is read again.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How long an answer to a probe may take (reliability.md 7.2).
pub const PROBE_WAIT: Duration = Duration::from_secs(3);

/// One socket of one station.
pub struct Connection {
    node: Arc<Node>,
    state: StationState,
    rpc: RpcState,
    dialect: Dialect,
    outbound: Outbound<Stream>,
    journal: Addr<Journal>,
    site: SiteHandle,
    /// Which one that is.
    stands_at: SiteId,
    /// How often it was looked for.
    searches: u64,
    epoch: Epoch,
    /// `ws` or `wss`.
    listener: &'static str,
    /// It showed a password or certificate that was checked or kept.
    proven: bool,
    /// Its boot was accepted earlier or answered on this connection: before that a station takes no orders, or answers them with an error.
    introduced: bool,
    orders: BTreeMap<CommandId, OpenOrder>,
    fences: Fences,
    costs: Costs,
    pace: Pace,
    /// The station as it was read, until the site is told of it.
    unannounced: Option<Box<StationSnapshot>>,
    probes: Vec<oneshot::Sender<()>>,
    timer: Option<(Timestamp, SpawnHandle)>,
    clock: Setting,
    /// How many bytes had come in at the last tick: a large message that comes slowly is a sign of life too.
    received: u64,
    /// It gave its route up: it was the station's newest connection here until then.
    had_route: bool,
    /// It ends as soon as nothing is under way.
    winding_up: bool,
    exit: Option<Exit>,
}

/// An order on its way.
struct OpenOrder {
    order: CommandOrder,
    done: oneshot::Sender<CommandResult>,
}

/// What a connection is made of.
pub struct Birth {
    /// The node it belongs to.
    pub node: Arc<Node>,
    /// What the store knows of the station.
    pub snapshot: StationSnapshot,
    /// Its language.
    pub dialect: Dialect,
    /// Its fencing number.
    pub epoch: Epoch,
    /// Its site.
    pub site: SiteHandle,
    /// `ws` or `wss`.
    pub listener: &'static str,
    /// It showed a password or certificate that was checked or kept.
    pub proven: bool,
    /// The last sequences of grants given out for its EVSEs, read after its epoch was.
    pub last_grants: Vec<(EvseId, GrantSeq)>,
}

/// Carry out this order; how it ended comes through `done`, once.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Execute {
    /// The order.
    pub order: CommandOrder,
    /// What its fences say to it, where it is about grants. One that does not pass ends as superseded: nothing is sent.
    pub passage: Option<Passage>,
    /// Where the result goes.
    pub done: oneshot::Sender<CommandResult>,
}

/// Are you there? Yes when the station gives any sign of life after the question; no as soon as its socket is at an end, or after [`PROBE_WAIT`].
#[derive(Message)]
#[rtype(result = "bool")]
pub struct Probe;

/// An operator changed the station's record.
#[derive(Message)]
#[rtype(result = "()")]
pub struct RecordChanged;

/// Does a transaction go on?
#[derive(Message)]
#[rtype(result = "bool")]
pub struct IsCharging;

/// End.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Leave(pub Exit);

// === impl Connection ===

impl Connection {
    /// Starts a connection on the calling arbiter, that of the worker that accepted the socket. The caller claims the route with the
    /// address it gets.
    pub fn start_with(birth: Birth, socket: Socket<Stream>) -> Addr<Self> {
        let Birth { node, snapshot, dialect, epoch, site, listener, proven, last_grants } = birth;
        let reading = clock::reading();
        let (inbound, outbound) = socket.split();
        let answer_timeout_ms = i64::from(node.config.stations.answer_timeout_s).saturating_mul(1000);
        Self::create(|ctx| {
            ctx.set_mailbox_capacity(MAILBOX);
            ctx.add_stream(inbound);
            Self {
                state: StationState::from_snapshot(&snapshot, Arc::clone(&node.policy), reading.now),
                rpc: RpcState::new(dialect.version(), answer_timeout_ms),
                dialect,
                outbound,
                journal: node.journal_of(snapshot.id()),
                site,
                stands_at: snapshot.station.site(),
                searches: 0,
                epoch,
                listener,
                proven,
                introduced: snapshot.was_accepted(),
                orders: BTreeMap::new(),
                pace: Pace::new(std::time::Instant::now()),
                fences: Fences::reloaded(epoch, last_grants),
                costs: Costs::every(node.config.billing.cost_updates_s),
                probes: Vec::new(),
                unannounced: Some(Box::new(snapshot)),
                timer: None,
                clock: Setting::of(reading),
                received: 0,
                had_route: false,
                winding_up: false,
                exit: None,
                node,
            }
        })
    }

    /// What time it is. Where the clock was set since it was last asked for, what lasts for a stretch of real time lasts as long as it would have:
    /// neither is a silent station kept for an hour, nor are all of them asked for a sign of life at once.
    fn now(&mut self) -> Timestamp {
        let reading = clock::reading();
        if let Some(by_ms) = self.clock.follow(reading) {
            self.state.clock_moved(by_ms);
            self.rpc.clock_moved(by_ms);
            self.timer = self.timer.take().map(|(due, handle)| (due.plus_millis(by_ms), handle));
        }
        reading.now
    }

    fn apply(&mut self, input: Input) -> Outcome {
        let now = self.now();
        self.state.apply(now, input)
    }

    fn send(&mut self, text: &str) {
        if self.outbound.send_text(text).is_err() {
            // 64 messages or 1 MiB wait: the station has not read for a long time.
            self.leave(Exit::Stalled);
        }
    }

    /// Perhaps it is to be told how to wait before it comes again.
    fn came(&self) {
        if self.dialect.has_back_off_settings() && self.state.is_accepted() {
            self.node.came(self.state.id());
        }
    }

    /// Keeps facts nobody waits for.
    fn note(&self, events: Vec<DomainEvent>, now: Timestamp) {
        if events.is_empty() {
            return;
        }
        let note = Note { facts: self.facts(events, now), site: Some(self.site.clone()) };
        if self.journal.try_send(note).is_err() {
            metrics::counter!(telemetry::COMMIT_LOST).increment(1);
        }
    }

    fn facts(&self, events: Vec<DomainEvent>, received_at: Timestamp) -> Vec<Fact> {
        let fact = |event| Fact {
            tenant: self.state.tenant().clone(),
            station: self.state.id().clone(),
            received_at,
            event,
        };
        events.into_iter().map(fact).collect()
    }

    /// Arms the one timer for whatever is due first.
    fn arm(&mut self, ctx: &mut Context<Self>) {
        if self.exit.is_some() {
            return;
        }
        let now = self.now();
        let due = self.state.next_deadline();
        let due = self.rpc.next_deadline().map_or(due, |rpc| rpc.min(due));
        if self.timer.as_ref().is_some_and(|(armed, _)| *armed <= due) {
            return;
        }
        if let Some((_, handle)) = self.timer.take() {
            ctx.cancel_future(handle);
        }
        let wait_ms = u64::try_from(due.millis_since(now)).unwrap_or(0);
        let handle = ctx.run_later(Duration::from_millis(wait_ms), |connection, ctx| {
            connection.timer = None;
            connection.tick(ctx);
        });
        self.timer = Some((due, handle));
    }

    fn tick(&mut self, ctx: &mut Context<Self>) {
        let now = self.now();
        self.expire_orders(now);
        let received = self.outbound.received_bytes();
        if received != self.received {
            self.received = received;
            self.state.apply(now, Input::Heard);
        }
        if !self.site.is_alive() {
            self.find_site(ctx);
        }
        let outcome = self.state.apply(now, Input::Tick);
        for event in &outcome.events {
            metrics::counter!(telemetry::DECISION_EVENTS, "event" => event.name()).increment(1);
            if let DomainEvent::StartNotFollowed { remote_start_id, .. } = event {
                tracing::info!(station.id = %self.state.id(), remote_start_id, "an ordered start came to nothing");
            }
        }
        self.note(outcome.events, now);
        self.perform(outcome.effects);
        self.leave_if_quiet();
        self.arm(ctx);
    }

    /// The site died and is built again, or the station stands at another one now: it must hear that this station is here. What was committed
    /// while it was looked for, it reads itself. Of several searches the last one counts.
    fn find_site(&mut self, ctx: &mut Context<Self>) {
        self.searches += 1;
        let number = self.searches;
        let (node, id) = (Arc::clone(&self.node), self.state.id().clone());
        let find = async move {
            let snapshot = node.store.station_snapshot(&id).await.ok()??;
            let locate = Locate { tenant: snapshot.tenant().clone(), site: snapshot.station.site() };
            Some((node.directory.send(locate).await.ok()?.ok()?, snapshot))
        };
        ctx.spawn(find.into_actor(self).map(move |found, connection, ctx| {
            if connection.searches != number {
                return;
            }
            let Some((site, snapshot)) = found else {
                ctx.run_later(READ_AGAIN_AFTER, move |connection, ctx| {
                    if connection.searches == number {
                        connection.find_site(ctx);
                    }
                });
                return;
            };
            connection.stands_at = snapshot.station.site();
            site.tell(site::Input::Joined { snapshot: Box::new(snapshot), epoch: connection.epoch });
            site.look_again();
            connection.site = site;
        }));
    }

    /// Takes over a changed record. A station that is no longer accepted must go: answered with errors it would throw its queue away, cut
    /// off it keeps it. One that is approved must have shown who it is.
    fn take_over(&mut self, snapshot: StationSnapshot, ctx: &mut Context<Self>) {
        let accepted = snapshot.station.registration == Registration::Accepted;
        let trusted = self.proven || self.node.config.stations.without_password_enabled;
        let dismissed = if accepted { !trusted } else { self.state.is_accepted() };
        self.apply(Input::Changed(Box::new(snapshot.station.clone())));
        let stands_at = snapshot.station.site();
        let moved = std::mem::replace(&mut self.stands_at, stands_at.clone()) != stands_at;
        if moved {
            self.site.tell(site::Input::Left { station: snapshot.id().clone(), epoch: self.epoch });
        }
        self.site.tell(site::Input::Changed(Box::new(snapshot)));
        if dismissed {
            self.leave(Exit::Dismissed);
        } else if moved {
            self.find_site(ctx);
        }
    }
}

impl Actor for Connection {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let version = self.dialect.version().subprotocol();
        metrics::gauge!(telemetry::SOCKET_CONNECTIONS, "listener" => self.listener, "version" => version)
            .increment(1);
        tracing::info!(station.id = %self.state.id(), epoch = self.epoch.0, version, "a station connected");
        // Only now: the caller has claimed the route, and the site's first orders need it.
        if let Some(snapshot) = self.unannounced.take() {
            self.site.tell(site::Input::Joined { snapshot, epoch: self.epoch });
        }
        if self.introduced {
            self.came();
        }
        let (epoch, node) = (self.epoch, Some(self.node.cluster.me()));
        let now = self.now();
        self.note(vec![DomainEvent::StationConnected { ocpp_version: version.into(), epoch, node }], now);
        self.arm(ctx);
    }
}

/// The farewell, also while a panic unwinds: route, site and orders learn of the end.
impl Drop for Connection {
    fn drop(&mut self) {
        let exit = if std::thread::panicking() { Exit::Panicked } else { self.exit.unwrap_or(Exit::Closed) };
        let now = clock::now();
        let station = self.state.id().clone();
        self.give_up_route();
        self.end_orders(exit);
        self.site.tell(site::Input::Left { station: station.clone(), epoch: self.epoch });
        if self.had_route {
            let (exit, epoch) = (exit.as_str().into(), self.epoch);
            self.note(vec![DomainEvent::StationDisconnected { exit, epoch }], now);
        }
        let version = self.dialect.version().subprotocol();
        metrics::gauge!(telemetry::SOCKET_CONNECTIONS, "listener" => self.listener, "version" => version)
            .decrement(1);
        metrics::counter!(telemetry::SOCKET_CLOSED, "exit" => exit.as_str()).increment(1);
        tracing::info!(station.id = %station, epoch = self.epoch.0, exit.reason = exit.as_str(), "a station's socket ended");
    }
}

impl StreamHandler<Result<Incoming, WsFault>> for Connection {
    fn handle(&mut self, item: Result<Incoming, WsFault>, ctx: &mut Self::Context) {
        if self.exit.is_some() {
            return;
        }
        // The socket's own end is no sign of life: whoever asks for one is told that there is none.
        let probes = std::mem::take(&mut self.probes);
        if matches!(item, Ok(Incoming::Text(_) | Incoming::Ping(_) | Incoming::Pong)) {
            for probe in probes {
                probe.send(()).ok();
            }
        }
        match item {
            Ok(Incoming::Text(text)) => self.on_text(&text, ctx),
            Ok(Incoming::Ping(_) | Incoming::Pong) => {
                self.apply(Input::Heard);
            }
            Ok(Incoming::Binary) => self.exit = Some(Exit::Abuse),
            Ok(Incoming::Close(_)) => self.exit = Some(Exit::Closed),
            Err(fault) => {
                let exit = Exit::of_fault(&fault);
                tracing::debug!(station.id = %self.state.id(), %fault, "the socket is at fault");
                self.exit = Some(exit);
            }
        }
    }

    fn finished(&mut self, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

impl Handler<Probe> for Connection {
    type Result = ResponseFuture<bool>;
    fn handle(&mut self, _: Probe, _: &mut Self::Context) -> Self::Result {
        if self.exit.is_some() || self.outbound.ping().is_err() {
            return Box::pin(std::future::ready(false));
        }
        let (sign, life) = oneshot::channel();
        self.probes.push(sign);
        Box::pin(async move { matches!(tokio::time::timeout(PROBE_WAIT, life).await, Ok(Ok(()))) })
    }
}

impl Handler<RecordChanged> for Connection {
    type Result = ();
    fn handle(&mut self, _: RecordChanged, ctx: &mut Self::Context) {
        let (store, id) = (self.node.store.clone(), self.state.id().clone());
        let read = async move { store.station_snapshot(&id).await }.into_actor(self);
        ctx.spawn(read.map(|snapshot, connection, ctx| match snapshot {
            Ok(Some(snapshot)) => connection.take_over(snapshot, ctx),
            Ok(None) => connection.leave(Exit::Dismissed),
            Err(error) => {
                tracing::warn!(%error, station.id = %connection.state.id(), "a changed record cannot be read");
                ctx.notify_later(RecordChanged, READ_AGAIN_AFTER);
            }
        }));
    }
}
