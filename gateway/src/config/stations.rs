//! Charging stations: who may connect, how many and how fast, and how they wait.

use std::path::PathBuf;

use ringmain_domain::id::TariffId;
use ringmain_domain::location::UnknownStations;
use serde::{Deserialize, Serialize};

/// Charging stations.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Stations {
    /// What happens to stations nobody registered.
    pub unknown: UnknownStations,
    /// The tariff of stations without one.
    pub default_tariff: Option<TariffId>,
    /// Seconds between heartbeats, 10 to 86,400.
    pub heartbeat_interval_s: u32,
    /// Seconds until a station that is not accepted boots again, 1 to 86,400.
    pub boot_retry_s: u32,
    /// Seconds until a start that was ordered and accepted is given up, if no transaction follows, 10 to 3,600.
    pub start_timeout_s: u32,
    /// The most unknown stations that wait for an operator, 1 to 1,000,000.
    pub quarantine_max: u32,
    /// Days after which an unknown station that waits and comes no more is forgotten, 1 to 3,650.
    pub quarantine_days: u32,
    /// Registered stations without a password may connect. For trusted networks only.
    pub without_password_enabled: bool,
    /// The most stations connected to each listener of this node.
    pub connections_max: usize,
    /// How many stations each listener of this node lets in a second, 1 to 100,000; the others wait for their turn, or come back later.
    pub admissions_per_s: u32,
    /// How long a station may take to answer a command, in seconds, 1 to 600.
    pub answer_timeout_s: u32,
    /// Tell 2.x stations how to wait before they connect again.
    pub back_off_enabled: bool,
    /// How long they wait at least, in seconds, 1 to 3,600.
    pub back_off_wait_s: u32,
    /// Over what time they spread, in seconds, at most 86,400; 0: by the size of the fleet.
    pub back_off_random_s: u32,
    /// How often both double, 0 to 20.
    pub back_off_repeats: u32,
    /// Refuse what the standard forbids instead of tolerating it; for certification.
    pub strict_enabled: bool,
    /// What passwords of stations are hashed with: 32 random bytes, the same on all nodes of a cluster; `pepper` in the data folder when
    /// absent. Made if there is no such file.
    pub pepper_file: Option<PathBuf>,
}

impl Default for Stations {
    fn default() -> Self {
        Self {
            unknown: UnknownStations::default(),
            default_tariff: None,
            heartbeat_interval_s: 300,
            boot_retry_s: 30,
            start_timeout_s: 180,
            quarantine_max: 10_000,
            quarantine_days: 30,
            without_password_enabled: false,
            connections_max: 100_000,
            admissions_per_s: 500,
            back_off_enabled: true,
            back_off_wait_s: 10,
            back_off_random_s: 0,
            back_off_repeats: 5,
            answer_timeout_s: 30,
            strict_enabled: false,
            pepper_file: None,
        }
    }
}
