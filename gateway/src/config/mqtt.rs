//! The broker that meters, batteries and grid operators of sites talk to.

use serde::{Deserialize, Serialize};

use super::Address;
use crate::secret::Secret;

/// A broker of MQTT 3.1.1, without TLS: one on this machine or in a trusted network, which may bridge to others over TLS.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mqtt {
    /// Where it listens.
    pub broker: Address,
    /// As whom to sign in; nobody when absent.
    pub username: Option<Box<str>>,
    /// With what.
    pub password: Option<Secret>,
    /// Under which name the broker keeps what this node has not taken yet: another one for each node.
    pub client_id: Box<str>,
    /// What all topics begin with.
    pub prefix: Box<str>,
}

impl Default for Mqtt {
    fn default() -> Self {
        Self {
            broker: Address(None),
            username: None,
            password: None,
            client_id: "ringmain".into(),
            prefix: "ringmain".into(),
        }
    }
}

impl Mqtt {
    /// Host and port of the broker, if there is one.
    pub(crate) fn place(&self) -> Option<(&str, u16)> {
        let (host, port) = self.broker.0.as_deref()?.rsplit_once(':')?;
        Some((host, port.parse().ok()?))
    }

    /// May topics begin with that, and may that be a client's name? What is wrong is told with its key.
    pub(super) fn odd(&self) -> Option<(&'static str, &str)> {
        let is_prefix = |text: &str| {
            let parts = || text.split('/');
            parts().all(|part| !part.is_empty() && !part.contains(['+', '#', '\0'])) && text.len() <= 100
        };
        let is_name = |text: &str| {
            (1..=23).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        };
        if !is_prefix(&self.prefix) {
            return Some(("mqtt.prefix", &self.prefix));
        }
        (!is_name(&self.client_id)).then_some(("mqtt.client_id", &self.client_id))
    }
}
