//! The OCPP versions we speak and how one is chosen; place: socket, before the first frame.
//!
//! What differs on the RPC level is told by [`RpcRules`], so that frames and RPC state never ask for a version. Never: a policy about
//! which station may speak which version (gateway, handshake).

/// A version of OCPP over JSON and WebSocket. It belongs to a connection, not to a station: it may change at every reconnect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// OCPP-J 1.6, second edition, with the security extension.
    V16,
    /// OCPP 2.0.1, second edition.
    V201,
    /// OCPP 2.1, first edition.
    V21,
}

/// How a version spells the error codes that changed their name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeNames {
    /// With the two official misspellings (OCPP-J 1.6 errata, section 5).
    First,
    /// As in OCPP 2.0.1 part 4, 4.3.
    Second,
}

/// What a version knows on the RPC level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RpcRules {
    /// The spelling of error codes.
    pub code_names: CodeNames,
    /// A frame whose id cannot be read is answered under the id `-1`, and the codes `RpcFrameworkError` and
    /// `MessageTypeNotSupported` exist (OCPP 2.0.1 part 4, 4.3).
    pub answers_unreadable: bool,
    /// CALLRESULTERROR (5) and SEND (6) exist (OCPP 2.1 part 4, 4.2).
    pub has_result_errors_and_sends: bool,
}

// === impl Version ===

impl Version {
    /// All versions, oldest first.
    pub const ALL: [Self; 3] = [Self::V16, Self::V201, Self::V21];

    /// The WebSocket subprotocol name, as registered with IANA.
    #[must_use]
    pub const fn subprotocol(self) -> &'static str {
        match self {
            Self::V16 => "ocpp1.6",
            Self::V201 => "ocpp2.0.1",
            Self::V21 => "ocpp2.1",
        }
    }

    /// The number alone, for labels and pages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V16 => "1.6",
            Self::V201 => "2.0.1",
            Self::V21 => "2.1",
        }
    }

    /// The version of a subprotocol name; names are compared as they are.
    #[must_use]
    pub fn from_subprotocol(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.subprotocol() == name)
    }

    /// The first of ours in the station's order of preference (OCPP 2.0.1 part 4, 3.1.2). The names are the members of
    /// `Sec-WebSocket-Protocol`, split at commas by the caller; space around them is of no account.
    ///
    /// None means: finish the handshake without a subprotocol, then close (TC_B_58).
    pub fn negotiate<'a>(offered: impl Iterator<Item = &'a str>) -> Option<Self> {
        offered.map(str::trim).find_map(Self::from_subprotocol)
    }

    /// What this version knows on the RPC level.
    #[must_use]
    pub const fn rpc_rules(self) -> RpcRules {
        match self {
            Self::V16 => RpcRules {
                code_names: CodeNames::First,
                answers_unreadable: false,
                has_result_errors_and_sends: false,
            },
            Self::V201 => RpcRules {
                code_names: CodeNames::Second,
                answers_unreadable: true,
                has_result_errors_and_sends: false,
            },
            Self::V21 => RpcRules {
                code_names: CodeNames::Second,
                answers_unreadable: true,
                has_result_errors_and_sends: true,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_ours_in_the_stations_order_is_chosen() {
        let check =
            |offered: &str, expect| assert_eq!(Version::negotiate(offered.split(',')), expect, "{offered}");
        check("ocpp1.6", Some(Version::V16));
        check("ocpp2.0.1, ocpp1.6", Some(Version::V201));
        check("ocpp1.6,ocpp2.1", Some(Version::V16));
        check("ocpp2.0, ocpp2.1 ,ocpp2.0.1", Some(Version::V21));
        check("ocpp1.5, ocpp2.0", None);
        check("OCPP1.6", None);
        check("", None);
    }

    #[test]
    fn names_lead_back_to_their_version() {
        for version in Version::ALL {
            assert_eq!(Version::from_subprotocol(version.subprotocol()), Some(version));
            assert_eq!(format!("ocpp{}", version.as_str()), version.subprotocol());
        }
    }
}
