//! What was settled with a partner, and where its modules are.

use ringmain_domain::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What an operator settled with a partner. What is absent from a stored document has its default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PartnerSettings {
    /// Are changed locations and EVSE states pushed to it?
    pub push_locations: bool,
    /// Are changed tariffs?
    pub push_tariffs: bool,
    /// Are the sessions of its drivers?
    pub push_sessions: bool,
    /// Are the bill records of its drivers? Without, it must fetch them.
    pub push_cdrs: bool,
    /// Is it asked before its drivers charge, where their tokens want that?
    pub realtime_enabled: bool,
    /// May it order charging to start and stop?
    pub commands_enabled: bool,
    /// How many calls a second it takes at most; 0 is no limit.
    pub calls_per_s: u32,
    /// How many calls it takes at the same time, at least 1.
    pub calls_at_once: u32,
    /// How many calls a second it may make; 0 is no limit.
    pub inbound_calls_per_s: u32,
    /// In which form its token is sent.
    pub token_form: TokenForm,
    /// The versions that may be spoken with it, such as `2.2.1`; all that we speak where none is named.
    pub versions: Vec<Box<str>>,
}

/// In which form a token stands in the header of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenForm {
    /// The one it took in the handshake: first base64, as OCPI 2.2 has it, then as it is.
    #[default]
    Learned,
    /// In base64.
    Base64,
    /// As it is: many peers of 2.2 never did otherwise.
    Plain,
}

/// Where a partner's modules are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartnerEndpoints {
    /// The version that both speak, such as `2.2.1`.
    pub version: Box<str>,
    /// Each module that it has, each side of it by itself.
    pub modules: Vec<PartnerEndpoint>,
    /// It takes its token as it is, not in base64.
    #[serde(default)]
    pub is_token_plain: bool,
    /// When it was asked.
    pub fetched_at: Timestamp,
}

/// One side of a module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartnerEndpoint {
    /// The module's name; the list is open.
    pub module: Box<str>,
    /// Which side of it.
    pub side: Side,
    /// Where.
    pub url: Box<str>,
}

/// Which side of a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// It has the data: we fetch there.
    Sender,
    /// It takes the data: we push there.
    Receiver,
}

// === impl PartnerSettings ===

impl PartnerSettings {
    /// The highest number of calls at the same time that is kept to.
    pub const CALLS_AT_ONCE_MAX: u32 = 16;
}

impl Default for PartnerSettings {
    fn default() -> Self {
        Self {
            push_locations: true,
            push_tariffs: true,
            push_sessions: true,
            push_cdrs: true,
            realtime_enabled: true,
            commands_enabled: true,
            calls_per_s: 50,
            calls_at_once: 4,
            inbound_calls_per_s: 50,
            token_form: TokenForm::Learned,
            versions: Vec::new(),
        }
    }
}

// === impl PartnerEndpoints ===

impl PartnerEndpoints {
    /// Where one side of a module is, if the partner has it.
    #[must_use]
    pub fn url(&self, module: &str, side: Side) -> Option<&str> {
        let found = self.modules.iter().find(|one| one.side == side && *one.module == *module);
        found.map(|one| &*one.url)
    }
}
