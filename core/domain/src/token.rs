//! What a driver presents ([`IdToken`]) and what we know about it ([`Token`]).

use serde::{Deserialize, Serialize};

use crate::id::{TenantId, TokenUid};
use crate::time::Timestamp;

/// The kind of a presented token. The list is open (OCPP 2.1): a kind we do not know keeps its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenKind {
    /// Given by the back office, for example for a remote start.
    Central,
    /// A contract id of an eMSP.
    EMaid,
    /// An RFID card. Also what a token without a stated kind counts as.
    #[default]
    Rfid,
    /// A code typed in.
    KeyCode,
    /// Made by the station itself.
    Local,
    /// The vehicle's network address.
    MacAddress,
    /// No authorization was asked for.
    NoAuthorization,
    /// A payment card at a terminal.
    DirectPayment,
    /// Another kind, by its own name.
    Other(Box<str>),
}

/// What a driver presented at a station.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct IdToken {
    /// The text of the token. Compared without regard to case (OCPP 2.0.1 part 2, identifierString).
    pub uid: TokenUid,
    /// Its kind.
    #[serde(default)]
    pub kind: TokenKind,
}

impl IdToken {
    /// The form under which tokens are stored and looked up: ASCII upper case.
    #[must_use]
    pub fn lookup_uid(&self) -> TokenUid {
        upper(&self.uid)
    }

    /// Who presents it: equal for the same token, however it is spelled.
    #[must_use]
    pub fn holder(&self) -> (TokenUid, &TokenKind) {
        (self.lookup_uid(), &self.kind)
    }
}

/// What we know about a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Whose token it is.
    pub tenant: TenantId,
    /// In ASCII upper case.
    pub uid: TokenUid,
    /// Its kind.
    pub kind: TokenKind,
    /// The group it belongs to: members may stop each other's transactions.
    pub group: Option<TokenUid>,
    /// The driver's name or label, for people; never sent to a station.
    pub label: Option<Box<str>>,
    /// Refused everywhere when set.
    pub blocked: bool,
    /// Refused from this instant on.
    pub expires_at: Option<Timestamp>,
    /// How many transactions it may have at once; its group's or the installation's number when absent, 0 is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrent_max: Option<u32>,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Token {
    /// The id of its group in the form under which groups are stored: ASCII upper case.
    #[must_use]
    pub fn lookup_group(&self) -> Option<TokenUid> {
        self.group.as_ref().map(upper)
    }
}

/// What holds for all tokens of a group. A token may name a group that has no record: it is a mere name then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenGroup {
    /// Whose group it is.
    pub tenant: TenantId,
    /// In ASCII upper case.
    pub id: TokenUid,
    /// A name for people.
    pub name: Box<str>,
    /// All its tokens are refused when set.
    pub blocked: bool,
    /// All its tokens are refused from this instant on.
    pub expires_at: Option<Timestamp>,
    /// How many transactions each of its tokens may have at once, unless the token says otherwise; 0 is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrent_max: Option<u32>,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

fn upper(uid: &TokenUid) -> TokenUid {
    TokenUid::new(&uid.as_str().to_ascii_uppercase()).unwrap_or_else(|_same_length| uid.clone())
}
