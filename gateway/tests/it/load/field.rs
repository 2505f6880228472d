//! A field of simulated stations over real sockets, and what all of them draw together at every moment.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt, StreamExt};
use ringmain_loadtest::clock::Clock;
use ringmain_loadtest::settings::{Settings, TxStart};
use ringmain_loadtest::station::{Make, Station, Version};
use ringmain_loadtest::tally::Tally;
use ringmain_loadtest::unit::{Energy, Watts};
use ringmain_loadtest::vehicle::{Current, Vehicle};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::rig::station::password_of;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What one AC station of the field delivers.
pub(crate) const STATION_W: u64 = 22_080;

/// Places of stations whose clock says 1970: one of each version.
const IN_1970: [usize; 3] = [12, 13, 14];

/// What happens to a station.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Nudge {
    /// A car comes and its driver holds the token `A1` to the reader.
    Arrive,
    /// It leaves.
    Leave,
    /// Its network goes or comes back.
    Outage(bool),
}

/// What all stations draw.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    power_w: Vec<u64>,
    /// The highest sum since it was last asked.
    peak_w: u64,
}

/// All stations.
pub(crate) struct Field {
    nudges: Vec<mpsc::Sender<Nudge>>,
    node: watch::Sender<SocketAddr>,
    meter: Arc<Mutex<Meter>>,
}

// === impl Field ===

impl Field {
    /// So many stations of the versions in turn, each with one EVSE. Those of [`IN_1970`] have a clock that nobody ever set.
    pub(crate) fn start(node: SocketAddr, identities: &[String]) -> Self {
        let meter = Meter { power_w: vec![0; identities.len()], peak_w: 0 };
        let meter = Arc::new(Mutex::new(meter));
        let (sender, receiver) = watch::channel(node);
        let mut nudges = Vec::new();
        let clock = Clock::start();
        let unset = clock.off_by(-jiff::Timestamp::now().as_second());
        for (place, identity) in identities.iter().enumerate() {
            let (nudge, heard) = mpsc::channel(16);
            nudges.push(nudge);
            let version = [Version::V16, Version::V201, Version::V21][place % 3];
            let life = Life {
                station: station(identity, version, if IN_1970.contains(&place) { unset } else { clock }),
                identity: identity.clone(),
                place,
                node: receiver.clone(),
                meter: Arc::clone(&meter),
            };
            tokio::spawn(life.run(heard));
        }
        Self { nudges, node: sender, meter }
    }

    pub(crate) fn nudge(&self, place: usize, nudge: Nudge) {
        self.nudges[place].try_send(nudge).unwrap();
    }

    /// The node is somewhere else now.
    pub(crate) fn moved_to(&self, node: SocketAddr) {
        self.node.send(node).unwrap();
    }

    /// What the stations of these places draw now, in W.
    pub(crate) fn draws(&self, places: impl IntoIterator<Item = usize>) -> u64 {
        let meter = self.meter.lock().unwrap();
        places.into_iter().map(|place| meter.power_w[place]).sum()
    }

    /// The highest sum of all since this was last asked, in W.
    pub(crate) fn peak(&self) -> u64 {
        let mut meter = self.meter.lock().unwrap();
        let now = meter.power_w.iter().sum();
        std::mem::replace(&mut meter.peak_w, now)
    }
}

fn station(identity: &str, version: Version, clock: Clock) -> Station {
    let make = Make {
        version,
        vendor: "Field".into(),
        model: "AC22".into(),
        firmware: "1".into(),
        current: Current::Ac,
        evses: 1,
        power: Watts(STATION_W),
    };
    let settings = Settings { meter_interval_s: 2, tx_start: TxStart::Authorized, ..Settings::default() };
    let tally = Arc::new(Tally::new(None).unwrap());
    Station::new(identity.into(), Arc::new(make), settings, Energy::default(), clock, tally)
}

struct Life {
    station: Station,
    identity: String,
    place: usize,
    node: watch::Receiver<SocketAddr>,
    meter: Arc<Mutex<Meter>>,
}

impl Life {
    async fn run(mut self, mut nudges: mpsc::Receiver<Nudge>) {
        let clock = Clock::start();
        let mut socket: Option<Socket> = None;
        loop {
            let now = clock.now();
            if socket.is_none() && self.station.may_connect(now) {
                socket = self.dial().await;
                if socket.is_some() {
                    self.station.connected(clock.now());
                }
            }
            while let Some(frame) = self.station.take_frame() {
                if let Some(open) = &mut socket {
                    // A broken socket is seen by reading.
                    open.send(Message::text(frame)).await.ok();
                }
            }
            if self.station.take_goodbye().is_some() && socket.take().is_some() {
                self.station.disconnected(clock.now());
            }
            self.tell_meter();
            let heard = async {
                match &mut socket {
                    Some(open) => open.next().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                nudge = nudges.recv() => {
                    let Some(nudge) = nudge else { return };
                    self.nudged(clock.now(), nudge);
                }
                frame = heard => match frame {
                    Some(Ok(Message::Text(text))) => self.station.received(clock.now(), &text),
                    Some(Ok(Message::Close(_)) | Err(_)) | None => {
                        socket = None;
                        self.station.disconnected(clock.now());
                    }
                    Some(Ok(_)) => self.station.heard(clock.now()),
                },
                // Often enough that no change of power is missed.
                () = tokio::time::sleep(Duration::from_millis(50)) => {}
            }
            self.station.tick(clock.now());
        }
    }

    fn nudged(&mut self, now: ringmain_loadtest::unit::Moment, nudge: Nudge) {
        match nudge {
            Nudge::Arrive => {
                let battery = Energy::from_wh(200_000);
                let car = Vehicle::new(battery, 10, battery, Watts(STATION_W));
                assert!(self.station.plug_in(now, 1, car));
                self.station.present_token(now, 1, "A1");
            }
            Nudge::Leave => self.station.unplug(now, 1),
            Nudge::Outage(out) => self.station.set_outage(out),
        }
    }

    async fn dial(&self) -> Option<Socket> {
        let node = *self.node.borrow();
        let mut request = format!("ws://{node}/ocpp/{}", self.identity).into_client_request().unwrap();
        let secret = STANDARD.encode(format!("{}:{}", self.identity, password_of(&self.identity)));
        let headers = request.headers_mut();
        headers.insert("Authorization", format!("Basic {secret}").parse().unwrap());
        let protocol = self.station.make().version.subprotocol();
        headers.insert("Sec-WebSocket-Protocol", protocol.parse().unwrap());
        connect_async(request).await.ok().map(|(socket, _)| socket)
    }

    fn tell_meter(&self) {
        let power: u64 = self.station.evses().iter().map(|evse| evse.power().0).sum();
        let mut meter = self.meter.lock().unwrap();
        meter.power_w[self.place] = power;
        let sum = meter.power_w.iter().sum();
        meter.peak_w = meter.peak_w.max(sum);
    }
}
