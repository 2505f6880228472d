//! One simulated charging station without its socket: texts and instants in, texts and deadlines out.
//!
//! [`Station`] behaves as its version of the specification says; `socket` gives it a connection, `behaviour` gives it
//! drivers. What it does is cut by concern: `exchange`, `registration`, `transactions`, `charging`, `commands`, `chores`; how it is
//! written on the wire lies in `v16`, `v2` and `v21`. Never asks the time, never waits, never uses the network.

pub mod evse;

mod charging;
mod chores;
mod commands;
mod exchange;
mod registration;
mod transactions;
mod v16;
mod v2;
mod v21;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::device_model::Hardware;
use crate::draws::Draw;
use crate::frame::{self, Fault, FaultCode, Frame};
use crate::profile::Profiles;
use crate::rpc::{Outgoing, Purpose, Rpc};
use crate::settings::Settings;
use crate::station::evse::Evse;
use crate::station::exchange::Failure;
use crate::tally::{Count, Tally};
use crate::unit::{Energy, Moment, Watts};
use crate::vehicle::Current;

/// The OCPP version a station speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// OCPP 1.6J with the security extension.
    V16,
    /// OCPP 2.0.1.
    V201,
    /// OCPP 2.1.
    V21,
}

/// Versions that share a wire format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    V16,
    V2,
}

/// What a station is; the same for all stations of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Make {
    /// Version it speaks.
    pub version: Version,
    /// Vendor, at most 20 characters.
    pub vendor: String,
    /// Model, at most 20 characters.
    pub model: String,
    /// Firmware version, at most 50 characters.
    pub firmware: String,
    /// AC or DC.
    pub current: Current,
    /// EVSEs, each with one connector; 1 or more.
    pub evses: u32,
    /// What one EVSE delivers at most.
    pub power: Watts,
}

/// Whether the CSMS has taken the station in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Registration {
    /// It has not said yet.
    Unknown,
    /// Not yet: it may configure the station meanwhile.
    Pending,
    /// No.
    Rejected,
    /// Taken in.
    Accepted,
}

/// How a station leaves its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goodbye {
    /// With a close frame, after what is still to be sent.
    Polite,
    /// At once and without a word, as when a cable is cut.
    Cut,
}

/// What is due of WebSocket pings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ping {
    /// Nothing.
    NotDue,
    /// One is to be sent.
    Due,
    /// Nothing was heard since the last one: the connection is dead.
    Unanswered,
}

/// A restart that was asked for and has not happened yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Restart {
    /// Boot reason of 2.x.
    pub(crate) reason: &'static str,
    /// Latest moment to go, delivered or not; `None` waits until no transaction runs.
    pub(crate) drain_until: Option<Moment>,
}

/// The state of the connection as the station sees it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Link {
    up: bool,
    /// When the last connection went away.
    down_since: Option<Moment>,
    /// Switched off until then.
    dark_until: Option<Moment>,
    /// The network is out.
    outage: bool,
    goodbye: Option<Goodbye>,
    /// Something was answered on this connection, so the next reconnect need not back off further.
    proven: bool,
}

/// One simulated station.
#[derive(Debug)]
pub struct Station {
    id: Arc<str>,
    make: Arc<Make>,
    settings: Settings,
    clock: Clock,
    tally: Arc<Tally>,
    rpc: Rpc,
    frames: VecDeque<String>,
    evses: Vec<Evse>,
    profiles: Profiles,
    registration: Registration,
    link: Link,
    /// It was accepted once, so without connection its own rule on tokens holds.
    ever_accepted: bool,
    boot_reason: &'static str,
    /// When the next boot message goes out, if none is triggered before.
    boot_at: Option<Moment>,
    restart: Option<Restart>,
    /// A restart left transactions up to this serial: nothing flows until the CSMS has accepted the station again.
    paused: Option<u64>,
    next_heartbeat: Option<Moment>,
    next_ping: Option<Moment>,
    /// A ping is out and nothing was heard since.
    pinged: bool,
    /// What is said later: progress of uploads and installations.
    chores: VecDeque<(Moment, Outgoing)>,
    last_serial: u64,
    last_event_id: u64,
    /// Status of connector 0 as last reported; 1.6 only.
    reported_whole: Option<evse::Status>,
    /// The numbers 1.6 transactions got from the CSMS; `None` once the start was given up.
    numbers: Vec<(u64, Option<i64>)>,
    /// What each EVSE draws and may draw, as last told to the witness; empty where nobody watches.
    told_draws: Vec<Option<Draw>>,
}

// === impl Version ===

impl Version {
    /// The WebSocket subprotocol.
    #[must_use]
    pub fn subprotocol(self) -> &'static str {
        match self {
            Self::V16 => "ocpp1.6",
            Self::V201 => "ocpp2.0.1",
            Self::V21 => "ocpp2.1",
        }
    }

    /// Reads `1.6`, `2.0.1` or `2.1`.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        match text {
            "1.6" => Some(Self::V16),
            "2.0.1" => Some(Self::V201),
            "2.1" => Some(Self::V21),
            _ => None,
        }
    }

    pub(crate) fn family(self) -> Family {
        match self {
            Self::V16 => Family::V16,
            Self::V201 | Self::V21 => Family::V2,
        }
    }
}

// === impl Station ===

impl Station {
    /// A station that has just got power. `meter_start` is what all its meters show.
    #[must_use]
    pub fn new(
        id: Arc<str>,
        make: Arc<Make>,
        settings: Settings,
        meter_start: Energy,
        clock: Clock,
        tally: Arc<Tally>,
    ) -> Self {
        let evses: Vec<_> = (1..=make.evses).map(|evse| Evse::new(evse, meter_start)).collect();
        let is_watched = tally.witness().is_some_and(|witness| witness.draws().is_watched(&id));
        let told_draws = vec![None; if is_watched { evses.len() } else { 0 }];
        Self {
            id,
            make,
            settings,
            clock,
            tally,
            rpc: Rpc::default(),
            frames: VecDeque::new(),
            evses,
            profiles: Profiles::default(),
            registration: Registration::Unknown,
            link: Link::default(),
            ever_accepted: false,
            boot_reason: "PowerUp",
            boot_at: None,
            restart: None,
            paused: None,
            next_heartbeat: None,
            next_ping: None,
            pinged: false,
            chores: VecDeque::new(),
            last_serial: 0,
            last_event_id: 0,
            reported_whole: None,
            numbers: Vec::new(),
            told_draws,
        }
    }

    /// The OCPP identity.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it is.
    #[must_use]
    pub fn make(&self) -> &Make {
        &self.make
    }

    /// What is configured, the password included.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Its EVSEs, in order.
    #[must_use]
    pub fn evses(&self) -> &[Evse] {
        &self.evses
    }

    /// One EVSE, counted from 1.
    #[must_use]
    pub fn evse(&self, evse: u32) -> Option<&Evse> {
        self.evses.iter().find(|known| known.id == evse)
    }

    /// The CSMS has accepted it and the connection is up.
    #[must_use]
    pub fn is_online(&self) -> bool {
        self.link.up && self.registration == Registration::Accepted
    }

    /// It has no transaction, and nothing left that has to be delivered.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let quiet = self.frames.is_empty() && (!self.is_online() || self.rpc.is_idle());
        quiet && self.rpc.durable_len() == 0 && self.evses.iter().all(|evse| evse.transaction.is_none())
    }

    /// It may open a connection: it has power and a network.
    #[must_use]
    pub fn may_connect(&self, now: Moment) -> bool {
        !self.link.outage && !self.is_dark(now)
    }

    /// The last connection was of use, so the wait before the next one starts over.
    #[must_use]
    pub fn connection_was_proven(&self) -> bool {
        self.link.proven
    }

    /// The connection is up.
    pub fn connected(&mut self, now: Moment) {
        let offline_for = self.link.down_since.map(|since| now.since(since));
        // A connection that was being opened when the network went out does not count.
        let goodbye = self.link.outage.then_some(Goodbye::Cut);
        self.link = Link { up: true, outage: self.link.outage, goodbye, ..Link::default() };
        self.heard(now);
        self.back_online(now, offline_for);
        self.settle(now);
    }

    /// The connection is gone, whoever ended it.
    pub fn disconnected(&mut self, now: Moment) {
        if self.is_online() {
            self.tally.accepted(false);
        }
        self.link.up = false;
        self.link.goodbye = None;
        self.link.down_since = Some(now);
        self.next_ping = None;
        self.frames.clear();
        for lost in self.rpc.lose_connection() {
            self.tally.count(Count::CutOff);
            self.on_lost(now, &lost.purpose);
        }
        self.tell_draws(now);
    }

    /// Something came from the CSMS, whatever it was: it lives.
    pub fn heard(&mut self, now: Moment) {
        self.pinged = false;
        self.next_ping = self.ping_interval().map(|interval| now.plus(interval));
    }

    /// A text came from the CSMS.
    pub fn received(&mut self, now: Moment, text: &str) {
        self.heard(now);
        match frame::read(text) {
            Ok(Frame::Call { id, action, payload }) => self.on_call(now, &id, &action, &payload),
            Ok(Frame::Result { id, payload }) => match self.rpc.close(&id) {
                Some(open) => self.on_result(now, open, &payload),
                None => self.tally.count(Count::Stray),
            },
            Ok(Frame::Error { id, code }) => match self.rpc.close(&id) {
                Some(open) => {
                    tracing::debug!(station.id = %self.id, action = open.call.action, %code, "call refused");
                    self.tally.count(Count::Refused);
                    self.on_failure(now, open, Failure::Refused);
                }
                None => self.tally.count(Count::Stray),
            },
            Ok(Frame::ResultError { id, code }) => {
                tracing::debug!(station.id = %self.id, %id, %code, "answer rejected");
                self.tally.count(Count::AnswerRejected);
            }
            Ok(Frame::Unanswered) => {}
            Err(unreadable) => {
                self.tally.count(Count::Unreadable);
                let fault = Fault::new(FaultCode::RpcFramework, "not an OCPP-J frame");
                self.frames.push_back(frame::error(unreadable.id.as_deref(), &fault, self.family()));
            }
        }
        self.settle(now);
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Moment) {
        while let Some(open) = self.rpc.expire(now) {
            self.tally.count(Count::TimedOut);
            self.on_failure(now, open, Failure::Silent);
        }
        self.tick_registration(now);
        self.tick_charging(now);
        self.tick_grants(now);
        self.tick_chores(now);
        self.tick_restart(now);
        self.settle(now);
    }

    /// When [`Station::tick`] has something to do if nothing happens before.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Moment> {
        let online = self.is_online();
        let boot = self.boot_at.filter(|_| self.link.up);
        let evses = self.evses.iter().filter_map(Evse::next_deadline).min();
        let chore = self.chores.front().map(|(at, _)| *at).filter(|_| online);
        let restart = self.restart.and_then(|restart| restart.drain_until).filter(|_| self.link.up);
        let heartbeat = self.next_heartbeat.filter(|_| online);
        let rpc = self.rpc.next_deadline().filter(|_| self.link.up);
        let dark = self.link.dark_until.filter(|_| !self.link.up);
        [boot, evses, chore, restart, heartbeat, rpc, dark, self.next_ping].into_iter().flatten().min()
    }

    /// The next text to send, if the connection is up.
    pub fn take_frame(&mut self) -> Option<String> {
        self.frames.pop_front()
    }

    /// The connection is to be closed, and how.
    pub fn take_goodbye(&mut self) -> Option<Goodbye> {
        self.link.goodbye.take()
    }

    /// What is due of WebSocket pings.
    pub fn take_ping(&mut self, now: Moment) -> Ping {
        if !self.link.up || self.next_ping.is_none_or(|at| at > now) {
            return Ping::NotDue;
        }
        if self.pinged {
            return Ping::Unanswered;
        }
        self.pinged = true;
        self.next_ping = self.ping_interval().map(|interval| now.plus(interval));
        Ping::Due
    }

    /// The network goes or comes back. While it is out nothing can be sent or received, and no connection opened.
    pub fn set_outage(&mut self, outage: bool) {
        self.link.outage = outage;
        if outage && self.link.up {
            self.link.goodbye = Some(Goodbye::Cut);
        }
    }

    /// The run is over: transactions left running are added to the energy nobody was told the end of, and ends nobody
    /// acknowledged are settled as such.
    pub fn finish(&mut self, now: Moment) {
        self.integrate(now);
        for abandoned in self.rpc.abandon() {
            if let Purpose::Ended { serial, record } = abandoned.purpose {
                self.settle_record(serial, *record, false);
            }
        }
        for evse in &self.evses {
            if let Some(transaction) = &evse.transaction {
                self.tally.session_left_running(evse.meter.whole_wh() - transaction.meter_start_wh);
            }
        }
    }

    fn family(&self) -> Family {
        self.make.version.family()
    }

    fn ping_interval(&self) -> Option<Duration> {
        (self.settings.ping_interval_s > 0).then(|| Settings::seconds(self.settings.ping_interval_s))
    }

    fn is_dark(&self, now: Moment) -> bool {
        self.link.dark_until.is_some_and(|until| now < until)
    }

    fn hardware(&self) -> Hardware<'_> {
        Hardware {
            identity: &self.id,
            current: self.make.current,
            evses: self.evses.len(),
            dynamic_profiles: self.make.version == Version::V21,
        }
    }

    fn evse_mut(&mut self, evse: u32) -> Option<&mut Evse> {
        self.evses.iter_mut().find(|known| known.id == evse)
    }
}
