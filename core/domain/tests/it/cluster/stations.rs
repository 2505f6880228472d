//! Stations as libocpp makes them: they dial, wait longer each time they fail, answer calls. And what stations do in the field: go silent
//! and come back elsewhere, or share an identity with a stranger.

use ringmain_domain::command::CommandOutcome;
use ringmain_domain::id::Epoch;

use super::node::Input;
use super::world::{At, Event, World};

/// A handshake takes no longer for the station, in milliseconds.
const HANDSHAKE_WITHIN_MS: i64 = 10_000;
const BACKOFF_MIN_MS: i64 = 1_000;
const BACKOFF_RANDOM_MS: i64 = 2_000;
const BACKOFF_REPEATS: u32 = 3;

/// Somebody who dials under a station's identity.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) station: usize,
    /// Its address.
    pub(crate) source: usize,
    pub(crate) certificate: Option<usize>,
    /// From then on it does not dial any more.
    pub(crate) leaves_at: i64,
    /// Where it dials; anywhere when none.
    pub(crate) home: Option<usize>,
    pub(crate) wire: Option<usize>,
    pub(crate) is_online: bool,
    tries: u32,
}

/// A socket: both ends, and what is between them.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) client: usize,
    pub(crate) at: At,
    pub(crate) client_end: bool,
    pub(crate) server_end: bool,
    /// Nothing passes any more, and nobody was told.
    pub(crate) is_dead: bool,
    pub(crate) epoch: Option<Epoch>,
}

impl Wire {
    /// Does a ping come back?
    pub(crate) const fn lives(&self) -> bool {
        self.client_end && self.server_end && !self.is_dead
    }
}

#[derive(Debug)]
pub(crate) enum ClientEvent {
    Dial,
    GiveUp(usize),
    /// 101.
    Accepted(usize),
    Closed(usize),
    /// It closes its socket, to dial again.
    Leave(usize),
    /// It closes its socket and does not come again.
    Gone,
    Respond(usize, usize),
}

impl World {
    pub(crate) fn join(&mut self, station: usize, source: usize, certificate: Option<usize>) -> usize {
        let client = Client {
            station,
            source,
            certificate,
            leaves_at: i64::MAX,
            home: None,
            wire: None,
            is_online: false,
            tries: 0,
        };
        self.clients.push(client);
        self.clients.len() - 1
    }

    pub(crate) fn station_of(&self, wire: usize) -> usize {
        self.clients[self.wires[wire].client].station
    }

    pub(crate) fn at_client(&mut self, client: usize, event: ClientEvent) {
        match event {
            ClientEvent::Dial => self.dial(client),
            ClientEvent::GiveUp(wire) => {
                if self.clients[client].wire == Some(wire) && !self.clients[client].is_online {
                    self.count("station gave up its handshake");
                    self.hang_up(client);
                    self.dial_later(client);
                }
            }
            ClientEvent::Accepted(wire) => {
                if self.clients[client].wire == Some(wire) && self.wires[wire].lives() {
                    self.clients[client].is_online = true;
                    self.clients[client].tries = 0;
                }
            }
            ClientEvent::Closed(wire) => {
                self.wires[wire].client_end = false;
                if self.clients[client].wire == Some(wire) {
                    self.clients[client].wire = None;
                    self.clients[client].is_online = false;
                    self.dial_later(client);
                }
            }
            ClientEvent::Leave(wire) => {
                if self.clients[client].wire == Some(wire) {
                    self.hang_up(client);
                    self.dial_later(client);
                }
            }
            ClientEvent::Gone => self.hang_up(client),
            ClientEvent::Respond(wire, order) => self.respond(wire, order),
        }
    }

    pub(crate) fn dial(&mut self, client: usize) {
        if self.clients[client].wire.is_some() || self.now >= self.clients[client].leaves_at {
            return;
        }
        let any = self.rng.usize(..self.nodes.len());
        let node = self.clients[client].home.unwrap_or(any);
        if !self.nodes[node].is_up {
            return self.dial_later(client);
        }
        let wire = self.wires.len();
        let at = self.run_of(node);
        self.wires.push(Wire { client, at, client_end: true, server_end: true, is_dead: false, epoch: None });
        self.clients[client].wire = Some(wire);
        let travel = self.travel_ms();
        self.after(travel, Event::Node(at, Input::Handshake(wire)));
        self.after(HANDSHAKE_WITHIN_MS, Event::Client(client, ClientEvent::GiveUp(wire)));
    }

    fn dial_later(&mut self, client: usize) {
        let tries = self.clients[client].tries.min(BACKOFF_REPEATS);
        self.clients[client].tries += 1;
        let wait = (BACKOFF_MIN_MS << tries) + self.rng.i64(0..BACKOFF_RANDOM_MS);
        self.after(wait, Event::Client(client, ClientEvent::Dial));
    }

    /// The station's end closes; its node hears of it, unless the wire is dead.
    pub(crate) fn hang_up(&mut self, client: usize) {
        self.clients[client].is_online = false;
        let Some(wire) = self.clients[client].wire.take() else { return };
        self.wires[wire].client_end = false;
        if !self.wires[wire].is_dead {
            let (at, travel) = (self.wires[wire].at, self.travel_ms());
            self.after(travel, Event::Node(at, Input::SocketClosed(wire)));
        }
    }

    /// The station is gone without a word; its node finds out by unanswered pings, 70 s later at most.
    pub(crate) fn go_silent(&mut self, client: usize) {
        self.clients[client].is_online = false;
        let Some(wire) = self.clients[client].wire.take() else { return };
        self.wires[wire].client_end = false;
        self.wires[wire].is_dead = true;
        let (at, noticed) = (self.wires[wire].at, self.rng.i64(45_000..75_000));
        self.after(noticed, Event::Node(at, Input::Silent(wire)));
        let back = self.rng.i64(500..5_000);
        self.after(back, Event::Client(client, ClientEvent::Dial));
    }

    pub(crate) fn accept(&mut self, wire: usize) {
        let (client, travel) = (self.wires[wire].client, self.travel_ms());
        self.after(travel, Event::Client(client, ClientEvent::Accepted(wire)));
    }

    /// The node's end closes.
    pub(crate) fn close_wire(&mut self, wire: usize) {
        let was_open = std::mem::replace(&mut self.wires[wire].server_end, false);
        if was_open && !self.wires[wire].is_dead {
            let (client, travel) = (self.wires[wire].client, self.travel_ms());
            self.after(travel, Event::Client(client, ClientEvent::Closed(wire)));
        }
    }

    pub(crate) fn at_station(&mut self, wire: usize, order: usize) {
        if !self.wires[wire].client_end || self.wires[wire].is_dead {
            return self.count("call written to a socket that was gone");
        }
        self.orders[order].delivered += 1;
        self.check_delivered(order);
        if self.mischief(30) {
            return self.count("station never answers");
        }
        let client = self.wires[wire].client;
        let slow = if self.mischief(8) { 8_000 } else { 1_000 };
        let thinks = self.rng.i64(20..slow);
        self.after(thinks, Event::Client(client, ClientEvent::Respond(wire, order)));
    }

    fn respond(&mut self, wire: usize, order: usize) {
        if !self.wires[wire].lives() {
            return self.count("answer of a station lost with its socket");
        }
        let outcome = match self.rng.u8(..10) {
            0 => CommandOutcome::CallError,
            1 => CommandOutcome::Rejected,
            _ => CommandOutcome::Accepted,
        };
        let (at, travel) = (self.wires[wire].at, self.travel_ms());
        self.after(travel, Event::Node(at, Input::CallAnswered(wire, order, outcome)));
    }
}
