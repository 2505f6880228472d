//! The whole configuration: file, then environment, then flags. Unknown keys are errors; every key has a default.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use ringmain_domain::authorize::{TokenPolicy, UnknownTokens};
use ringmain_domain::settlement::BillingPolicy;
use ringmain_store::store::StoreSettings;
use serde::{Deserialize, Serialize};

use crate::listen::proxies::Proxies;
use crate::secret::Secret;

use cluster::ClusterSection;
use load::Load;
use mqtt::Mqtt;
use roaming::Roaming;
use stations::Stations;

pub mod cluster;
pub mod keys;
pub mod load;
pub mod mqtt;
pub mod public_data;
pub mod roaming;
pub mod stations;

/// All of it.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the embedded store, the development CA and secrets live.
    pub data_dir: PathBuf,
    /// Creates an administrator API key with this token once (`RINGMAIN_BOOTSTRAP_TOKEN`).
    pub bootstrap_token: Option<Secret>,
    /// Addresses.
    pub listen: Listen,
    /// Persistence.
    pub store: StoreSection,
    /// Other nodes.
    pub cluster: ClusterSection,
    /// Charging stations.
    pub stations: Stations,
    /// Tokens.
    pub tokens: Tokens,
    /// Bills.
    pub billing: Billing,
    /// How load is managed.
    pub load: Load,
    /// The broker of sites' meters.
    pub mqtt: Mqtt,
    /// Roaming partners.
    pub roaming: Roaming,
    /// Certificates of the station listener.
    pub tls: Tls,
    /// Logs.
    pub log: Log,
    /// Recorded frames.
    pub messages: Messages,
}

/// Addresses, each `host:port` or `off`. Port 0 picks a free one.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Listen {
    /// Console, operator API, OCPI.
    pub http: Address,
    /// Stations without TLS: for trusted networks only.
    pub ws: Address,
    /// Stations with TLS.
    pub wss: Address,
    /// Metrics and health.
    pub ops: Address,
    /// Node to node; a node that has it off is alone.
    pub cluster: Address,
    /// Load balancers before `ws` and `wss`: their PROXY header is required, and tells where a station comes from.
    pub proxies: Proxies,
}

/// An address to listen on, or none.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address(pub Option<Box<str>>);

/// Persistence.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreSection {
    /// `sqlite:PATH` or `postgres://…`; a file in the data folder when absent.
    pub url: Option<Secret>,
}

/// Tokens.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tokens {
    /// What happens to tokens nobody registered.
    pub unknown: UnknownTokens,
    /// How many transactions a known token may have at once, unless it or its group says otherwise; 0 is no limit.
    pub concurrent_max: u32,
}

impl Tokens {
    /// What holds for all tokens.
    #[must_use]
    pub const fn policy(&self) -> TokenPolicy {
        TokenPolicy { unknown: self.unknown, concurrent_max: self.concurrent_max }
    }
}

/// Bills.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Billing {
    /// How long the bill of an ended transaction waits for messages that are missing in between, in seconds.
    pub gap_grace_s: u32,
    /// How long it waits for a start that is missing, or for a station that says it has more in its queue, in seconds.
    pub start_grace_s: u32,
    /// A transaction of which nothing was heard for so many seconds is closed and held for a person.
    pub abandoned_after_s: u32,
    /// How often a station hears the running cost of a transaction by a call of ours, in seconds; 0 is never.
    pub cost_updates_s: u32,
    /// Countries (ISO 3166-1 alpha-3, with commas between) where a session that its meter did not sign waits for a person.
    pub signed_values_required_in: String,
    /// Bill readings that name no transaction with the one that goes on at their connector (1.6).
    pub unnamed_readings_enabled: bool,
    /// Tell stations that price by themselves what their drivers pay (2.1).
    pub station_tariffs_enabled: bool,
}

/// Certificates of the station listener; a development CA makes them when none are named.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// PEM chain of the server.
    pub certificate: Option<PathBuf>,
    /// PEM key of the server.
    pub key: Option<PathBuf>,
    /// PEM bundle of the CAs that sign station certificates.
    pub client_ca: Option<PathBuf>,
    /// PEM of their revocation lists.
    pub client_crl: Option<PathBuf>,
    /// Whether stations show a certificate.
    pub client_certificate: ClientCertificate,
}

/// Whether stations show a certificate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientCertificate {
    /// They are not asked.
    Off,
    /// They may: then it counts instead of a password.
    #[default]
    Optional,
    /// They must.
    Required,
}

/// Logs, on standard error.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// How lines look.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,ringmain_gateway=debug`.
    pub level: Box<str>,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Recorded frames.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Messages {
    /// Record what stations and we say to each other.
    pub record_enabled: bool,
    /// The newest so many frames of a station are kept, 10 to 1,000,000.
    pub keep_per_station: u32,
}

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not readable, not TOML, an unknown key or a value of the wrong kind.
    #[error("{0}")]
    Read(#[from] config::ConfigError),
    /// A value out of its range.
    #[error("{key} is {value}, but must be {range}")]
    Range {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
        /// What it may be.
        range: &'static str,
    },
}

// === impl Config ===

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("ringmain-data"),
            bootstrap_token: None,
            listen: Listen::default(),
            store: StoreSection::default(),
            cluster: ClusterSection::default(),
            stations: Stations::default(),
            tokens: Tokens::default(),
            roaming: Roaming::default(),
            billing: Billing::default(),
            load: Load::default(),
            mqtt: Mqtt::default(),
            tls: Tls::default(),
            log: Log::default(),
            messages: Messages::default(),
        }
    }
}

impl Default for Listen {
    fn default() -> Self {
        let at = |text: &str| Address(Some(text.into()));
        Self {
            http: at("127.0.0.1:8080"),
            ws: at("127.0.0.1:9000"),
            wss: at("0.0.0.0:9443"),
            ops: at("127.0.0.1:9464"),
            cluster: Address(None),
            proxies: Proxies::default(),
        }
    }
}

impl Default for Billing {
    /// 10 s, a day, a week; the rest is off.
    fn default() -> Self {
        Self {
            gap_grace_s: 10,
            start_grace_s: 24 * 3_600,
            abandoned_after_s: 7 * 24 * 3_600,
            cost_updates_s: 0,
            signed_values_required_in: String::new(),
            unnamed_readings_enabled: false,
            station_tariffs_enabled: false,
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::default(), level: "info".into() }
    }
}

impl Default for Messages {
    fn default() -> Self {
        Self { record_enabled: true, keep_per_station: 1_000 }
    }
}

impl TryFrom<String> for Address {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(None));
        }
        let port = text.rsplit_once(':').map(|(host, port)| (!host.is_empty(), port.parse::<u16>().is_ok()));
        if port != Some((true, true)) {
            return Err(format!("{text:?} is no address: host:port or off is needed"));
        }
        Ok(Self(Some(text.into())))
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.0.map_or_else(|| "off".to_owned(), Into::into)
    }
}

impl Billing {
    fn signed_countries(&self) -> impl Iterator<Item = &str> {
        self.signed_values_required_in.split(',').map(str::trim).filter(|code| !code.is_empty())
    }
}

impl Config {
    /// Reads `file` (which must exist when it is named) and `RINGMAIN_*` variables, `__` between section and key.
    ///
    /// # Errors
    /// [`ConfigError`] names the key and its source.
    pub fn read(file: Option<&Path>) -> Result<Self, ConfigError> {
        Self::read_with(file, None)
    }

    /// The same with these variables instead of the process's.
    fn read_with(
        file: Option<&Path>,
        variables: Option<HashMap<String, String>>,
    ) -> Result<Self, ConfigError> {
        let mut builder = config::Config::builder();
        if let Some(file) = file {
            builder = builder.add_source(config::File::from(file).format(config::FileFormat::Toml));
        }
        let environment = config::Environment::with_prefix("RINGMAIN").prefix_separator("_").separator("__");
        let environment = environment.source(variables);
        let read: Self = builder.add_source(environment).build()?.try_deserialize()?;
        read.check()?;
        Ok(read)
    }

    /// What the store is told.
    #[must_use]
    pub fn store_settings(&self) -> StoreSettings {
        let (gap_grace_s, start_grace_s) = (self.billing.gap_grace_s, self.billing.start_grace_s);
        StoreSettings {
            default_tariff: self.stations.default_tariff.clone(),
            billing: BillingPolicy { gap_grace_s, start_grace_s },
            signed_values_required_in: self.billing.signed_countries().map(Into::into).collect(),
            message_retention_per_station: self.messages.keep_per_station,
        }
    }

    /// Checks what the types alone cannot.
    ///
    /// # Errors
    /// The first value out of range.
    pub fn check(&self) -> Result<(), ConfigError> {
        let billing = &self.billing;
        range("billing.gap_grace_s", billing.gap_grace_s, 0, 604_800, "0 to 604800 seconds")?;
        range("billing.start_grace_s", billing.start_grace_s, 0, 2_592_000, "0 to 2592000 seconds")?;
        range(
            "billing.abandoned_after_s",
            billing.abandoned_after_s,
            3_600,
            31_536_000,
            "3600 to 31536000 seconds",
        )?;
        range("billing.cost_updates_s", billing.cost_updates_s, 0, 86_400, "0 to 86400 seconds")?;
        let is_country = |code: &str| code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase());
        if let Some(odd) = billing.signed_countries().find(|code| !is_country(code)) {
            let range = "ISO 3166-1 alpha-3 codes in capitals with commas between, such as DEU,AUT";
            let key = "billing.signed_values_required_in";
            return Err(ConfigError::Range { key, value: odd.to_owned(), range });
        }
        self.cluster.check(&self.listen)?;
        if self.listen.cluster.0.is_some()
            && self.mqtt.broker.0.is_some()
            && *self.mqtt.client_id == *Mqtt::default().client_id
        {
            let (key, value) = ("mqtt.client_id", self.mqtt.client_id.to_string());
            return Err(ConfigError::Range { key, value, range: "another name for each node of a cluster" });
        }
        let roaming = &self.roaming;
        let (budget_ms, call_s, command_s) =
            (roaming.authorize_budget_ms, roaming.call_timeout_s, roaming.command_timeout_s);
        range("roaming.authorize_budget_ms", budget_ms, 100, 10_000, "100 to 10000 ms")?;
        range("roaming.call_timeout_s", call_s, 1, 60, "1 to 60 seconds")?;
        range("roaming.command_timeout_s", command_s, 5, 120, "5 to 120 seconds")?;
        roaming.public_data.check(roaming)?;
        range("load.guard_s", self.load.guard_s, 1, 600, "1 to 600 seconds")?;
        range("load.grant_s", self.load.grant_s, 60, 86_400, "60 to 86400 seconds")?;
        if let Some((key, value)) = self.mqtt.odd() {
            let range = "a topic without wildcards; for the client 1 to 23 letters, digits, - and _";
            return Err(ConfigError::Range { key, value: value.to_owned(), range });
        }
        self.check_stations()?;
        if self.tls.certificate.is_some() != self.tls.key.is_some() {
            let value = "set alone".to_owned();
            return Err(ConfigError::Range {
                key: "tls.certificate",
                value,
                range: "set together with tls.key",
            });
        }
        Ok(())
    }

    fn check_stations(&self) -> Result<(), ConfigError> {
        let stations = &self.stations;
        range(
            "stations.heartbeat_interval_s",
            stations.heartbeat_interval_s,
            10,
            86_400,
            "10 to 86400 seconds",
        )?;
        range("stations.boot_retry_s", stations.boot_retry_s, 1, 86_400, "1 to 86400 seconds")?;
        range("stations.start_timeout_s", stations.start_timeout_s, 10, 3_600, "10 to 3600 seconds")?;
        range("stations.answer_timeout_s", stations.answer_timeout_s, 1, 600, "1 to 600 seconds")?;
        range(
            "messages.keep_per_station",
            self.messages.keep_per_station,
            10,
            1_000_000,
            "10 to 1000000 frames",
        )?;
        range("stations.back_off_wait_s", stations.back_off_wait_s, 1, 3_600, "1 to 3600 seconds")?;
        range("stations.back_off_random_s", stations.back_off_random_s, 0, 86_400, "0 to 86400 seconds")?;
        range("stations.back_off_repeats", stations.back_off_repeats, 0, 20, "0 to 20")?;
        range("stations.quarantine_max", stations.quarantine_max, 1, 1_000_000, "1 to 1000000 stations")?;
        range("stations.quarantine_days", stations.quarantine_days, 1, 3_650, "1 to 3650 days")?;
        range("stations.admissions_per_s", stations.admissions_per_s, 1, 100_000, "1 to 100000 a second")?;
        let connections = u32::try_from(stations.connections_max).unwrap_or(u32::MAX);
        range("stations.connections_max", connections, 1, 1_000_000, "1 to 1000000 sockets of a listener")
    }

    /// The store's URL: the configured one, or a file in the data folder.
    #[must_use]
    pub fn store_url(&self) -> Secret {
        let default = || Secret::new(&format!("sqlite:{}", self.data_dir.join("ringmain.sqlite").display()));
        self.store.url.clone().unwrap_or_else(default)
    }
}

fn range(key: &'static str, value: u32, low: u32, high: u32, range: &'static str) -> Result<(), ConfigError> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(ConfigError::Range { key, value: value.to_string(), range })
}

#[cfg(test)]
mod tests;
