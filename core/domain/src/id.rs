//! Names of things as types: a station's identity is not a tariff's, and a function cannot be handed the wrong one.
//!
//! Text ids are shared (`Arc<str>`): cloning one costs a counter, which matters with a hundred thousand connections.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// Why a text is no id of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text has no characters.
    #[error("{kind} is empty")]
    Empty {
        /// The kind of id, in words.
        kind: &'static str,
    },
    /// The text is longer than its kind allows.
    #[error("{kind} has {chars} characters, at most {max} are allowed")]
    TooLong {
        /// The kind of id, in words.
        kind: &'static str,
        /// How many characters were given.
        chars: usize,
        /// How many are allowed.
        max: usize,
    },
    /// The text holds a character its kind does not allow.
    #[error("{kind} must not contain {found:?}")]
    Forbidden {
        /// The kind of id, in words.
        kind: &'static str,
        /// The first character that is not allowed.
        found: char,
    },
}

fn check(kind: &'static str, text: &str, max: usize, forbidden: &[char]) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty { kind });
    }
    let chars = text.chars().count();
    if chars > max {
        return Err(IdError::TooLong { kind, chars, max });
    }
    match text.chars().find(|c| c.is_control() || forbidden.contains(c)) {
        Some(found) => Err(IdError::Forbidden { kind, found }),
        None => Ok(()),
    }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $max:literal, $forbidden:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The most characters such an id may have.
            pub const MAX_CHARS: usize = $max;

            /// Checks length and characters.
            ///
            /// # Errors
            /// [`IdError`] says what is wrong with the text.
            pub fn new(text: &str) -> Result<Self, IdError> {
                check($kind, text, Self::MAX_CHARS, &$forbidden)?;
                Ok(Self(Arc::from(text)))
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Self::new(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                Uuid::parse_str(text).map(Self)
            }
        }
    };
}

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

text_id!(
    /// One customer of this installation. At most 36 characters.
    TenantId, "tenant id", 36, ['/', ' ']
);
text_id!(
    /// The electrical side of a location. Every location has exactly one, under the same text.
    SiteId, "site id", 36, ['/', ' ']
);
text_id!(
    /// A circuit of a site's tree: grid connection, feeder, panel or cabinet. At most 36 characters; unique in its site.
    CircuitId, "circuit id", 36, ['/']
);
text_id!(
    /// A vehicle of a fleet, as its operator names it. At most 36 characters.
    VehicleId, "vehicle id", 36, ['/']
);
text_id!(
    /// The public place, as partners see it. At most 36 characters (OCPI 2.2.1 mod_locations).
    LocationId, "location id", 36, ['/', ' ']
);
text_id!(
    /// A station's identity: the last segment of its URL, decoded once, also its user name. At most 48 characters and
    /// no colon (OCPP 2.0.1 part 4, 3.1). Unique in an installation, because the URL names no tenant.
    StationId, "station identity", 48, [':', '/']
);
text_id!(
    /// A transaction's id as its station knows it; unique only together with the station. At most 36 characters.
    TransactionId, "transaction id", 36, []
);
text_id!(
    /// What identifies a token: the card's number or a contract's id. At most 255 characters (OCPP 2.1 part 2, IdToken).
    TokenUid, "token uid", 255, []
);
text_id!(
    /// A tariff's id. At most 36 characters (OCPI 2.2.1 mod_tariffs).
    TariffId, "tariff id", 36, ['/', ' ']
);
text_id!(
    /// The id of a tariff's assignment. At most 36 characters.
    AssignmentId, "assignment id", 36, ['/', ' ']
);

uuid_id!(
    /// One driver's stay at one EVSE; derived from station and transaction, so that a retry names the same session.
    SessionId
);
uuid_id!(
    /// A frozen bill record; derived from session and revision.
    CdrId
);
uuid_id!(
    /// One command to one station; also the id of the message that carries it.
    CommandId
);

uuid_id!(
    /// One run of one node: a process that starts again is another one.
    NodeId
);

number_id!(
    /// The number of an EVSE at its station, from 1; 0 is the station itself.
    EvseId(u32)
);
number_id!(
    /// The number of a connector at its EVSE, from 1; 0 is the EVSE itself.
    ConnectorId(u32)
);
number_id!(
    /// The fencing number of a connection: a later connection of a station has a higher one.
    Epoch(i64)
);
number_id!(
    /// The place of a grant in the order of its EVSE's grants, from 1; 0 stands for none yet.
    GrantSeq(i64)
);

impl GrantSeq {
    /// The one after this.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// The namespace of all ids that are derived from others; fixed for ever, or a retry would make a second record.
const NAMESPACE: Uuid = Uuid::from_u128(0x7269_6e67_6d61_696e_8000_6f63_7070_0001);

impl SessionId {
    /// The session of a station's transaction. The same three values give the same id on every node and after every retry.
    #[must_use]
    pub fn derive(tenant: &TenantId, station: &StationId, transaction: &TransactionId) -> Self {
        let name = format!("session\u{0}{tenant}\u{0}{station}\u{0}{transaction}");
        Self(Uuid::new_v5(&NAMESPACE, name.as_bytes()))
    }
}

impl CdrId {
    /// The bill record of a session in a revision (0 is the first).
    #[must_use]
    pub fn derive(session: SessionId, revision: u32) -> Self {
        let name = format!("cdr\u{0}{session}\u{0}{revision}");
        Self(Uuid::new_v5(&NAMESPACE, name.as_bytes()))
    }
}

impl SiteId {
    /// The site of a location.
    #[must_use]
    pub fn of(location: &LocationId) -> Self {
        Self(Arc::clone(&location.0))
    }

    /// The location of a site; none of the one whose stations have none.
    #[must_use]
    pub fn location(&self) -> Option<LocationId> {
        (*self != Self::unassigned()).then(|| LocationId(Arc::clone(&self.0)))
    }

    /// The site of stations that have no location yet. The API gives no location a name that starts with a dot.
    #[must_use]
    pub fn unassigned() -> Self {
        Self(Arc::from(".unassigned"))
    }
}

impl TransactionId {
    /// Stands where a station has no id for its transaction: the number 1.6 stations send then (errata 3.18).
    #[must_use]
    pub fn missing() -> Self {
        Self(Arc::from("-1"))
    }
}

impl TenantId {
    /// The tenant of an installation that has only one.
    #[must_use]
    pub fn default_tenant() -> Self {
        Self(Arc::from("default"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_what_is_wrong_with_it() {
        assert_eq!(StationId::new("").unwrap_err().to_string(), "station identity is empty");
        assert_eq!(
            StationId::new(&"x".repeat(49)).unwrap_err().to_string(),
            "station identity has 49 characters, at most 48 are allowed"
        );
        assert_eq!(StationId::new("a:b").unwrap_err().to_string(), "station identity must not contain ':'");
        assert_eq!(TokenUid::new("a\u{0}").unwrap_err().to_string(), "token uid must not contain '\\0'");
        assert!(StationId::new("RDAM|123 ü").is_ok());
    }

    #[test]
    fn a_retry_derives_the_same_session() {
        let tenant = TenantId::default_tenant();
        let station = StationId::new("CS-1").unwrap();
        let derive = |tx: &str| SessionId::derive(&tenant, &station, &TransactionId::new(tx).unwrap());
        assert_eq!(derive("1"), derive("1"));
        assert_ne!(derive("1"), derive("2"));
        assert_eq!(CdrId::derive(derive("1"), 0), CdrId::derive(derive("1"), 0));
        assert_ne!(CdrId::derive(derive("1"), 0), CdrId::derive(derive("1"), 1));
    }

    #[test]
    fn a_stored_id_is_checked_when_it_is_read() {
        assert!(serde_json::from_str::<TariffId>("\"with space\"").is_err());
        assert_eq!(serde_json::to_string(&TariffId::new("t1").unwrap()).unwrap(), "\"t1\"");
    }
}
