//! The other nodes: how they are spoken with, and where routes are shared.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{ConfigError, Listen};
use crate::secret::Secret;

/// The other nodes of a cluster.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClusterSection {
    /// This node's name, for people.
    pub node: Option<Box<str>>,
    /// Under which host the others reach it; the address it listens on when absent.
    pub host: Option<Box<str>>,
    /// PEM of the cluster's CA.
    pub ca: Option<PathBuf>,
    /// PEM of this node's certificate.
    pub certificate: Option<PathBuf>,
    /// PEM of its key.
    pub key: Option<PathBuf>,
    /// Where routes are shared.
    pub redis: Option<Secret>,
    /// PEM of the CAs of Redis.
    pub redis_ca: Option<PathBuf>,
    /// What all keys in Redis begin with.
    pub redis_prefix: Box<str>,
    /// How long a node that leaves is not ready before it takes no more stations, in seconds, 0 to 300.
    pub drain_notice_s: u32,
    /// Over what time it then spreads the closing of its sockets, in seconds, 1 to 3,600.
    pub drain_s: u32,
}

impl Default for ClusterSection {
    fn default() -> Self {
        Self {
            node: None,
            host: None,
            ca: None,
            certificate: None,
            key: None,
            redis: None,
            redis_ca: None,
            redis_prefix: "rm".into(),
            drain_notice_s: 10,
            drain_s: 120,
        }
    }
}

impl ClusterSection {
    /// A node that others reach needs certificates; routes are shared with nobody by one that is alone.
    pub(super) fn check(&self, listen: &Listen) -> Result<(), ConfigError> {
        let wrong = |key, value: &str, range| Err(ConfigError::Range { key, value: value.to_owned(), range });
        let takes_part = listen.cluster.0.is_some();
        let files = [
            ("cluster.ca", &self.ca),
            ("cluster.certificate", &self.certificate),
            ("cluster.key", &self.key),
        ];
        if let Some((key, _)) = files.iter().find(|(_, file)| takes_part && file.is_none()) {
            return wrong(key, "absent", "the path of a PEM file where listen.cluster is set");
        }
        if self.redis.is_some() && !takes_part {
            return wrong(
                "cluster.redis",
                "set",
                "absent where listen.cluster is off: a node alone shares no routes",
            );
        }
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if self.redis_prefix.is_empty() || !self.redis_prefix.chars().all(is_plain) {
            return wrong("cluster.redis_prefix", &self.redis_prefix, "letters, digits, - _ and . alone");
        }
        if self.drain_notice_s > 300 {
            return wrong("cluster.drain_notice_s", &self.drain_notice_s.to_string(), "0 to 300 seconds");
        }
        if !(1..=3_600).contains(&self.drain_s) {
            return wrong("cluster.drain_s", &self.drain_s.to_string(), "1 to 3600 seconds");
        }
        Ok(())
    }
}
