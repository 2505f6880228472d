//! Who may do what: roles, permissions, deny by default.

use serde::{Deserialize, Serialize};

/// What a key or a person may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessRole {
    /// Everything in the tenant, keys included.
    Administrator,
    /// Reads, and works with stations, tokens and tariffs.
    Operator,
    /// Reads only.
    Viewer,
}

/// A thing that can be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Permission {
    /// See everything but secrets.
    Read,
    /// Change locations, stations, tokens and tariffs.
    Write,
    /// Send commands to stations.
    Command,
    /// Make and revoke API keys.
    ManageKeys,
}

impl AccessRole {
    /// All roles.
    pub const ALL: [Self; 3] = [Self::Administrator, Self::Operator, Self::Viewer];

    /// The name in the API and in the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::Operator => "operator",
            Self::Viewer => "viewer",
        }
    }

    /// May this role do that?
    #[must_use]
    pub const fn may(self, permission: Permission) -> bool {
        match (self, permission) {
            (Self::Administrator, _)
            | (Self::Operator, Permission::Read | Permission::Write | Permission::Command)
            | (Self::Viewer, Permission::Read) => true,
            (Self::Operator, Permission::ManageKeys)
            | (Self::Viewer, Permission::Write | Permission::Command | Permission::ManageKeys) => false,
        }
    }
}

impl std::str::FromStr for AccessRole {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(())
    }
}
