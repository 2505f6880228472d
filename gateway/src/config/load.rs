//! The section `load`.

use ringmain_domain::load::ledger::conduct::Conduct;
use serde::{Deserialize, Serialize};

/// How load is managed where a location has a tree of circuits.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Load {
    /// How long after Accepted a station may still work under an older limit, in seconds, 1 to 600.
    pub guard_s: u32,
    /// How long a limit above the fallback lasts at a station that is not heard again, in seconds, 60 to 86,400.
    pub grant_s: u32,
}

impl Load {
    /// What is assumed of every station's habits.
    #[must_use]
    pub fn conduct(&self) -> Conduct {
        Conduct {
            guard_ms: i64::from(self.guard_s) * 1_000,
            ttl_ms: i64::from(self.grant_s) * 1_000,
            ..Conduct::default()
        }
    }
}

impl Default for Load {
    fn default() -> Self {
        Self { guard_s: 40, grant_s: 900 }
    }
}
