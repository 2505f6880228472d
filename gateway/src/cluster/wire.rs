//! What nodes say to each other, as JSON over mutual TLS. Every message carries the form it is written in; a node of the release before or
//! after reads what it knows and leaves the rest (one release apart is supported).
//!
//! Times are spans, or instants of the database's clock: the clocks of two machines need not agree.

use std::net::IpAddr;

use ringmain_domain::cluster::takeover::OldSocket;
use ringmain_domain::command::{CommandOrder, CommandResult};
use ringmain_domain::id::{CircuitId, Epoch, NodeId, SiteId, StationId, TenantId};
use ringmain_domain::load::supply::{Battery, Reading, Signal};
use ringmain_domain::load::tree::EvseKey;
use ringmain_domain::site;
use ringmain_domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::actors::connection::fences::Passage;

/// The form of this release.
pub const FORM: u32 = 1;

/// Carry out an order, if the station is yours. To this run of the node: another one at its address has never heard of it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Order {
    /// The form.
    pub v: u32,
    /// Which run of the node it is for.
    pub to: NodeId,
    /// How long it may take at most, in milliseconds.
    pub left_ms: i64,
    /// By when it must have ended, by the database's clock: a node that slept with the message in its hands must know that it is too late. The
    /// order's own deadline is of the sender's clock and counts for nothing.
    pub deadline: Timestamp,
    /// The order.
    pub order: CommandOrder,
    /// What the connection's fences are asked.
    pub passage: Option<Passage>,
}

/// What became of an order.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ordered {
    /// Nothing was written to a socket: the station is not here.
    NotHere,
    /// It ended so.
    Ended(CommandResult),
}

/// Which of these stations do you have?
#[derive(Debug, Serialize, Deserialize)]
pub struct Find {
    /// The form.
    pub v: u32,
    /// The stations.
    pub stations: Vec<StationId>,
}

/// Those that are there.
#[derive(Debug, Serialize, Deserialize)]
pub struct Found {
    /// Which run of the node says so.
    pub node: NodeId,
    /// With their epochs.
    pub places: Vec<(StationId, Epoch)>,
}

/// Does your connection of this station give a sign of life? Another socket of its station is at the door.
#[derive(Debug, Serialize, Deserialize)]
pub struct Probe {
    /// The form.
    pub v: u32,
    /// Whose.
    pub station: StationId,
    /// Where the other socket comes from.
    pub source: IpAddr,
    /// The fingerprint of the certificate that the other one showed.
    pub certificate: Option<String>,
}

/// What became of the old connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probed {
    /// In a word.
    #[serde(with = "OldSocketWord")]
    pub old: OldSocket,
    /// The other socket comes from the same address, or shows the same certificate: it was not asked at all.
    pub same: bool,
}

/// How [`OldSocket`] is spelled.
#[derive(Serialize, Deserialize)]
#[serde(remote = "OldSocket", rename_all = "snake_case")]
enum OldSocketWord {
    Alive,
    Silent,
    Gone,
    Unreachable,
}

/// A connection is superseded by a newer one.
#[derive(Debug, Serialize, Deserialize)]
pub struct Dismiss {
    /// The form.
    pub v: u32,
    /// Whose.
    pub station: StationId,
    /// Every one before this.
    pub before: Epoch,
}

/// Records of stations changed: their connections read them again.
#[derive(Debug, Serialize, Deserialize)]
pub struct Changed {
    /// The form.
    pub v: u32,
    /// Which.
    pub stations: Vec<StationId>,
}

/// What happened at sites that the other node owns.
#[derive(Debug, Serialize, Deserialize)]
pub struct Notes {
    /// The form.
    pub v: u32,
    /// Which run of the node says so.
    pub from: NodeId,
    /// In order.
    pub notes: Vec<Note>,
}

/// Something that happened at a site.
#[derive(Debug, Serialize, Deserialize)]
pub struct Note {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub site: SiteId,
    /// What: a [`SiteNote`].
    pub note: Box<RawValue>,
}

/// What the owner of a site is told.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SiteNote {
    /// What happens to a site.
    Happened(site::Input),
    /// Some of it did not get through: read the site again.
    Missed,
    /// Its tree was drawn anew or removed.
    TreeChanged,
    /// Its settings were changed.
    SettingsChanged,
    /// Something was said about a car at this station.
    NeedsChanged(StationId),
    /// Something was measured, limited or mended there.
    Told(LoadNote),
}

/// Something that a load hears from outside.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoadNote {
    /// The load that nobody controls.
    Building {
        /// Where.
        circuit: CircuitId,
        /// What was measured.
        reading: Reading,
    },
    /// What the sun gives.
    Solar {
        /// Where.
        circuit: CircuitId,
        /// What was measured.
        reading: Reading,
    },
    /// What a battery's controller tells.
    Battery {
        /// Where.
        circuit: CircuitId,
        /// What it tells.
        battery: Battery,
    },
    /// Limits from outside.
    Signals {
        /// Where.
        circuit: CircuitId,
        /// All of them.
        signals: Vec<Signal>,
    },
    /// An EVSE obeys again.
    Mended(EvseKey),
}

/// Of which sites the notes were for nobody: they are not owned there.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Noted {
    /// Which.
    pub strangers: Vec<(TenantId, SiteId)>,
}

/// A question to the owner of a site.
#[derive(Debug, Serialize, Deserialize)]
pub struct Ask {
    /// The form.
    pub v: u32,
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub site: SiteId,
    /// What.
    pub about: About,
}

/// What is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// How its load stands.
    Load,
    /// What its limits did in the last day: of this circuit, or of all.
    History(Option<CircuitId>),
    /// A picture to look ahead from.
    Picture,
}

/// A node came, or goes. Who is not told sees it in the store soon.
#[derive(Debug, Serialize, Deserialize)]
pub struct Presence {
    /// The form.
    pub v: u32,
    /// Which.
    pub node: NodeId,
    /// Where it is reached.
    pub address: Box<str>,
    /// It is there from now on; or it is not any more.
    pub is_here: bool,
}

/// What happened at your node?
#[derive(Debug, Serialize, Deserialize)]
pub struct Watch {
    /// The form.
    pub v: u32,
    /// After this event of your feed; from now on when absent.
    pub after: Option<u64>,
}

/// What happened.
#[derive(Debug, Serialize, Deserialize)]
pub struct Happenings {
    /// The last event that was looked at.
    pub last: u64,
    /// In order, each a [`site::Change`].
    pub events: Vec<(TenantId, Box<RawValue>)>,
}
