//! The file that describes a crowd: groups of stations, their drivers, and the course of the run. TOML, checked as a whole.
//!
//! Spans are whole seconds, ranges are `[least, most]`. Unknown keys are errors that name them. `plans/` holds examples.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;

use crate::arrivals::{Arrivals, Range};
use crate::behaviour::{Cycle, Habits};
use crate::settings::{Settings, TxStart};
use crate::station::evse::ErrorCode;
use crate::station::{Make, Version};
use crate::unit::Watts;
use crate::vehicle::Current;

pub mod managed;

/// Stations in one plan.
pub const STATIONS_MAX: usize = 100_000;
/// EVSEs of one station.
const EVSES_MAX: u32 = 32;
/// Characters of an identity (OCPP 2.0.1 part 4, identifierString of 48).
const IDENTITY_MAX: usize = 48;

/// A checked plan.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Shown in reports.
    pub name: String,
    /// Everything random is drawn from it.
    #[serde(default)]
    pub seed: u64,
    /// Password of HTTP Basic for all stations; none sends no credentials.
    pub password: Option<String>,
    /// Stations that start to connect per second.
    #[serde(default = "default_ramp")]
    pub ramp_per_s: f64,
    /// Length of the run after the ramp, s; absent runs until it is stopped.
    pub duration_s: Option<u64>,
    /// The groups.
    #[serde(default, rename = "group")]
    pub groups: Vec<Group>,
    /// Sites with a limit, for runs that draw their trees of circuits.
    #[serde(default)]
    pub managed: Vec<managed::Managed>,
}

/// Stations that are alike.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// How many.
    pub count: usize,
    /// `1.6`, `2.0.1` or `2.1`.
    version: String,
    /// Identities are this and a number from 1.
    pub id_prefix: String,
    /// Site they stand at: for reports, and for limits ([`Plan::managed`]).
    pub site: String,
    /// `ac` or `dc`.
    pub kind: Current,
    /// EVSEs with one connector each.
    pub connectors: u32,
    /// What one EVSE delivers, W.
    pub power_w: u64,
    /// `drivers` come by themselves, `idle` stations wait for remote starts.
    pub behaviour: BehaviourKind,
    /// Tokens drivers hold to the reader.
    #[serde(default)]
    pub tokens: Vec<String>,
    /// Pause between two drivers at one connector, s.
    pause_s: Option<[u64; 2]>,
    /// Instead of pauses: drivers an hour and connector, coming at random.
    arrivals_per_hour: Option<f64>,
    /// Time from cable to cable, s.
    stay_s: Option<[u64; 2]>,
    /// Energy a driver wants, Wh.
    energy_wh: Option<[u64; 2]>,
    /// Power of the cars, W; absent is what the station delivers.
    vehicle_w: Option<[u64; 2]>,
    /// Capacity of the batteries, Wh.
    battery_wh: Option<[u64; 2]>,
    /// State of charge on arrival, per cent.
    soc_percent: Option<[u64; 2]>,
    /// The network of a station goes out now and then.
    outage: Option<OutagePlan>,
    /// A connector breaks now and then.
    fault: Option<FaultPlan>,
    /// Vendor, at most 20 characters.
    vendor: Option<String>,
    /// Model, at most 20 characters.
    model: Option<String>,
    /// Firmware version, at most 50 characters.
    firmware: Option<String>,
    /// Heartbeat interval that wins over the CSMS's, s.
    heartbeat_s: Option<u32>,
    /// Interval of readings in a transaction, s; 0 sends none.
    meter_interval_s: Option<u32>,
    /// When 2.x transactions start: `ev_connected` or `authorized`.
    tx_start: Option<TxStart>,
    /// Time for an answer, s.
    message_timeout_s: Option<u32>,
    /// Attempts to deliver a transaction message.
    retry_attempts: Option<u32>,
    /// Wait after attempt k is k times this, s.
    retry_interval_s: Option<u32>,
    /// 2.1 repeats with the id of the first attempt.
    same_id_retries: Option<bool>,
    /// 2.x tells the queued events of a transaction from the newest to the oldest.
    newest_first: Option<bool>,
    /// Least wait before reconnecting, s.
    backoff_s: Option<u32>,
    /// Largest random addition to it, s.
    backoff_random_s: Option<u32>,
    /// How often it doubles.
    backoff_repeat: Option<u32>,
    /// Interval of WebSocket pings, s; 0 sends none.
    ping_interval_s: Option<u32>,
    /// How long a reset takes, s.
    reboot_s: Option<u32>,
    /// What the clocks of its stations are off by, s, dealt in turn; right when absent.
    #[serde(default)]
    clocks_off_s: Vec<i64>,
}

/// Who comes to the stations of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BehaviourKind {
    /// Drivers, by themselves.
    Drivers,
    /// Nobody, but for remote starts.
    Idle,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OutagePlan {
    every_s: [u64; 2],
    for_s: [u64; 2],
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultPlan {
    every_s: [u64; 2],
    for_s: [u64; 2],
    error_code: ErrorCode,
}

fn default_ramp() -> f64 {
    50.0
}

// === impl Plan ===

impl Plan {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// The file cannot be read, is no TOML, has an unknown key, or a value that makes no sense; the message names it.
    pub fn read(file: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(file).with_context(|| format!("read plan {}", file.display()))?;
        Self::parse(&text).with_context(|| format!("plan {}", file.display()))
    }

    /// Reads and checks the text of a plan.
    ///
    /// # Errors
    /// As [`Plan::read`].
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let plan: Self = toml::from_str(text)?;
        plan.check()?;
        Ok(plan)
    }

    /// Stations in all.
    #[must_use]
    pub fn stations(&self) -> usize {
        self.groups.iter().map(|group| group.count).sum()
    }

    /// How long the ramp takes.
    #[must_use]
    pub fn ramp(&self) -> Duration {
        let stations = u32::try_from(self.stations()).unwrap_or(u32::MAX);
        Duration::from_secs_f64((f64::from(stations) / self.ramp_per_s).min(1e9))
    }

    /// Changes the number of stations, keeping the shares of the groups: what is left over goes to the first ones.
    ///
    /// # Errors
    /// More than [`STATIONS_MAX`], or none.
    pub fn scale_to(&mut self, stations: usize) -> anyhow::Result<()> {
        ensure!((1..=STATIONS_MAX).contains(&stations), "1 to {STATIONS_MAX} stations");
        let before = self.stations().max(1);
        for group in &mut self.groups {
            group.count = group.count * stations / before;
        }
        let groups = self.groups.len().max(1);
        let missing = stations - self.stations();
        for (place, group) in self.groups.iter_mut().enumerate() {
            group.count += missing / groups + usize::from(place < missing % groups);
        }
        self.groups.retain(|group| group.count > 0);
        self.check()
    }

    /// Lets the clocks of all groups be off by so many seconds, dealt to their stations in turn.
    pub fn set_clocks(&mut self, off_s: &[i64]) {
        for group in &mut self.groups {
            group.clocks_off_s = off_s.to_vec();
        }
    }

    /// Lets every group speak one version.
    ///
    /// # Errors
    /// A token too long for 1.6.
    pub fn speak(&mut self, version: Version) -> anyhow::Result<()> {
        for group in &mut self.groups {
            group.version = match version {
                Version::V16 => "1.6",
                Version::V201 => "2.0.1",
                Version::V21 => "2.1",
            }
            .to_owned();
        }
        self.check()
    }

    fn check(&self) -> anyhow::Result<()> {
        ensure!(!self.groups.is_empty(), "there is no [[group]]");
        ensure!((1..=STATIONS_MAX).contains(&self.stations()), "count: 1 to {STATIONS_MAX} stations in all");
        ensure!(self.ramp_per_s > 0.0 && self.ramp_per_s.is_finite(), "ramp_per_s must be above 0");
        let mut prefixes: BTreeSet<&str> = BTreeSet::new();
        for group in &self.groups {
            group.check().with_context(|| format!("group {}", group.id_prefix))?;
            let clash = prefixes.iter().find(|known| make_the_same(known, &group.id_prefix));
            if let Some(clash) = clash {
                bail!("id_prefix {} and {clash} make the same identities", group.id_prefix);
            }
            prefixes.insert(group.id_prefix.as_str());
        }
        self.check_managed()
    }
}

// === impl Group ===

impl Group {
    /// The version it speaks.
    ///
    /// # Errors
    /// A version that is none; a checked plan has none of these.
    pub fn version(&self) -> anyhow::Result<Version> {
        let version = Version::read(&self.version);
        version.with_context(|| format!("version {} is none of 1.6, 2.0.1, 2.1", self.version))
    }

    /// The identity of its station `number`, from 1, with leading zeros so that they sort.
    #[must_use]
    pub fn identity(&self, number: usize) -> String {
        let width = self.count.to_string().len().max(2);
        format!("{}{number:0width$}", self.id_prefix)
    }

    /// What the clock of its station `number`, from 1, is off by, s.
    #[must_use]
    pub fn clock_off_s(&self, number: usize) -> i64 {
        let turn = number.saturating_sub(1).checked_rem(self.clocks_off_s.len());
        turn.and_then(|turn| self.clocks_off_s.get(turn)).copied().unwrap_or_default()
    }

    /// What its stations are.
    ///
    /// # Errors
    /// As [`Group::version`].
    pub fn make(&self) -> anyhow::Result<Make> {
        let kind = match self.kind {
            Current::Ac => "AC",
            Current::Dc => "DC",
        };
        Ok(Make {
            version: self.version()?,
            vendor: self.vendor.clone().unwrap_or_else(|| "Ringmain Simulated".to_owned()),
            model: self.model.clone().unwrap_or_else(|| format!("{kind} {} kW", self.power_w / 1_000)),
            firmware: self.firmware.clone().unwrap_or_else(|| "1.0.0".to_owned()),
            current: self.kind,
            evses: self.connectors,
            power: Watts(self.power_w),
        })
    }

    /// What is configured on its stations at first, but for the password.
    #[must_use]
    pub fn settings(&self) -> Settings {
        let usual = Settings::default();
        Settings {
            heartbeat_s: self.heartbeat_s.unwrap_or(usual.heartbeat_s),
            heartbeat_fixed: self.heartbeat_s.is_some(),
            meter_interval_s: self.meter_interval_s.unwrap_or(usual.meter_interval_s),
            retry_attempts: self.retry_attempts.unwrap_or(usual.retry_attempts),
            retry_interval_s: self.retry_interval_s.unwrap_or(usual.retry_interval_s),
            same_id_retries: self.same_id_retries.unwrap_or(usual.same_id_retries),
            newest_first: self.newest_first.unwrap_or(usual.newest_first),
            message_timeout_s: self.message_timeout_s.unwrap_or(usual.message_timeout_s),
            backoff_min_s: self.backoff_s.unwrap_or(usual.backoff_min_s),
            backoff_random_s: self.backoff_random_s.unwrap_or(usual.backoff_random_s),
            backoff_repeat: self.backoff_repeat.unwrap_or(usual.backoff_repeat),
            ping_interval_s: self.ping_interval_s.unwrap_or(usual.ping_interval_s),
            tx_start: self.tx_start.unwrap_or(usual.tx_start),
            reboot_s: self.reboot_s.unwrap_or(usual.reboot_s),
            ..usual
        }
    }

    /// How its drivers behave.
    #[must_use]
    pub fn habits(&self) -> Arc<Habits> {
        let usual = Habits::idle();
        let arrivals = match (self.behaviour, self.arrivals_per_hour, self.pause_s) {
            (BehaviourKind::Idle, _, _) => Arrivals::None,
            (BehaviourKind::Drivers, Some(rate), _) => {
                Arrivals::Poisson { mean: Duration::from_secs_f64((3_600.0 / rate).min(1e9)) }
            }
            (BehaviourKind::Drivers, None, pause_s) => Arrivals::Pause(range(pause_s.unwrap_or([60, 600]))),
        };
        let cycle = |every_s, for_s| Cycle { every_s: range(every_s), for_s: range(for_s) };
        Arc::new(Habits {
            arrivals,
            tokens: self.tokens.clone(),
            stay_s: self.stay_s.map_or(usual.stay_s, range),
            energy_wh: self.energy_wh.map_or(usual.energy_wh, range),
            vehicle_w: range(self.vehicle_w.unwrap_or([self.power_w, self.power_w])),
            battery_wh: self.battery_wh.map_or(usual.battery_wh, range),
            soc_percent: self.soc_percent.map_or(usual.soc_percent, range),
            outage: self.outage.map(|outage| cycle(outage.every_s, outage.for_s)),
            fault: self.fault.map(|fault| (cycle(fault.every_s, fault.for_s), fault.error_code)),
        })
    }

    fn check(&self) -> anyhow::Result<()> {
        self.version()?;
        ensure!((1..=EVSES_MAX).contains(&self.connectors), "connectors: 1 to {EVSES_MAX}");
        ensure!((1..=10_000_000).contains(&self.power_w), "power_w: 1 to 10000000");
        let longest = self.identity(self.count);
        ensure!(longest.chars().count() <= IDENTITY_MAX, "id_prefix is too long: {longest}");
        ensure!(!self.id_prefix.contains(':'), "id_prefix has a colon: it is the user name of HTTP Basic");
        let token_max = if self.version()? == Version::V16 { 20 } else { 36 };
        for token in &self.tokens {
            ensure!(
                (1..=token_max).contains(&token.chars().count()),
                "tokens: {token} is not 1 to {token_max} long"
            );
        }
        if self.behaviour == BehaviourKind::Drivers {
            ensure!(!self.tokens.is_empty(), "tokens: drivers need at least one");
        }
        if let Some(rate) = self.arrivals_per_hour {
            ensure!(rate > 0.0 && rate.is_finite(), "arrivals_per_hour must be above 0");
            ensure!(self.pause_s.is_none(), "pause_s and arrivals_per_hour exclude each other");
        }
        self.check_ranges()?;
        for (name, text, max) in
            [("vendor", &self.vendor, 20), ("model", &self.model, 20), ("firmware", &self.firmware, 50)]
        {
            let fits = text.as_ref().is_none_or(|text| (1..=max).contains(&text.chars().count()));
            ensure!(fits, "{name}: 1 to {max} characters");
        }
        let least_one = [
            ("heartbeat_s", self.heartbeat_s),
            ("message_timeout_s", self.message_timeout_s),
            ("retry_attempts", self.retry_attempts),
        ];
        for (name, value) in least_one {
            ensure!(value != Some(0), "{name} must be above 0");
        }
        Ok(())
    }

    fn check_ranges(&self) -> anyhow::Result<()> {
        let mut ranges = vec![
            ("pause_s", self.pause_s, 0, 1_000_000),
            ("stay_s", self.stay_s, 1, 1_000_000),
            ("energy_wh", self.energy_wh, 1, 1_000_000),
            ("vehicle_w", self.vehicle_w, 1, 10_000_000),
            ("battery_wh", self.battery_wh, 1, 10_000_000),
            ("soc_percent", self.soc_percent, 0, 99),
        ];
        if let Some(outage) = &self.outage {
            ranges.push(("outage.every_s", Some(outage.every_s), 1, 1_000_000));
            ranges.push(("outage.for_s", Some(outage.for_s), 1, 1_000_000));
        }
        if let Some(fault) = &self.fault {
            ranges.push(("fault.every_s", Some(fault.every_s), 1, 1_000_000));
            ranges.push(("fault.for_s", Some(fault.for_s), 1, 1_000_000));
        }
        for (name, range, least, most) in ranges {
            let Some([min, max]) = range else { continue };
            if min > max || min < least || max > most {
                bail!("{name}: [{min}, {max}] is no range within {least} to {most}");
            }
        }
        Ok(())
    }
}

/// Prefixes that differ by digits only can make the same identity, such as A-1 and 1 from A- and 11.
fn make_the_same(one: &str, other: &str) -> bool {
    let rest = one.strip_prefix(other).or_else(|| other.strip_prefix(one));
    rest.is_some_and(|rest| rest.chars().all(|character| character.is_ascii_digit()))
}

fn range([min, max]: [u64; 2]) -> Range {
    Range { min, max }
}

#[cfg(test)]
mod tests;
