//! May this token charge here? A pure decision with its reason.

use serde::{Deserialize, Serialize};

use crate::id::TokenUid;
use crate::time::Timestamp;
use crate::token::Token;

/// What happens to tokens nobody registered (`tokens.unknown`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownTokens {
    /// Refused: the rule for paid charging.
    #[default]
    Reject,
    /// Accepted: for demonstrations and free charging.
    Accept,
}

/// The answer to a presented token; each refusal is a reason that reports can count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Authorization {
    /// May charge.
    Accepted,
    /// Known and blocked.
    Blocked,
    /// Known, but its time is over.
    Expired,
    /// Not known here.
    Unknown,
    /// Known, but not valid for this use.
    Invalid,
    /// Already charging elsewhere.
    ConcurrentTransaction,
    /// Known, but not at this location.
    NotAtThisLocation,
}

impl Authorization {
    /// The name in the API, in metrics and in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Blocked => "blocked",
            Self::Expired => "expired",
            Self::Unknown => "unknown",
            Self::Invalid => "invalid",
            Self::ConcurrentTransaction => "concurrent_transaction",
            Self::NotAtThisLocation => "not_at_this_location",
        }
    }
}

/// A decision about a token, with what the station may remember about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The decision.
    pub authorization: Authorization,
    /// The token's group, when it has one.
    pub group: Option<TokenUid>,
    /// Until when the station may remember the answer.
    pub expires_at: Option<Timestamp>,
}

/// Decides about a presented token. `known` is what the store has under its lookup form.
#[must_use]
pub fn decide(known: Option<&Token>, unknown: UnknownTokens, now: Timestamp) -> Verdict {
    let Some(token) = known else {
        let authorization = match unknown {
            UnknownTokens::Reject => Authorization::Unknown,
            UnknownTokens::Accept => Authorization::Accepted,
        };
        return Verdict { authorization, group: None, expires_at: None };
    };
    let authorization = if token.blocked {
        Authorization::Blocked
    } else if token.expires_at.is_some_and(|end| end <= now) {
        Authorization::Expired
    } else {
        Authorization::Accepted
    };
    Verdict { authorization, group: token.group.clone(), expires_at: token.expires_at }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::TenantId;
    use crate::token::TokenKind;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn token(blocked: bool, expires_at: Option<i64>) -> Token {
        Token {
            tenant: TenantId::default_tenant(),
            uid: TokenUid::new("A1").unwrap(),
            kind: TokenKind::Rfid,
            group: Some(TokenUid::new("FLEET").unwrap()),
            label: None,
            blocked,
            expires_at: expires_at.map(Timestamp::from_millis),
            updated_at: NOW,
        }
    }

    #[test]
    fn each_refusal_has_its_reason() {
        let check = |known: Option<Token>, unknown, expect| {
            assert_eq!(decide(known.as_ref(), unknown, NOW).authorization, expect);
        };
        check(None, UnknownTokens::Reject, Authorization::Unknown);
        check(None, UnknownTokens::Accept, Authorization::Accepted);
        check(Some(token(false, None)), UnknownTokens::Reject, Authorization::Accepted);
        check(Some(token(true, None)), UnknownTokens::Accept, Authorization::Blocked);
        check(Some(token(false, Some(1_000_000))), UnknownTokens::Accept, Authorization::Expired);
        check(Some(token(false, Some(1_000_001))), UnknownTokens::Reject, Authorization::Accepted);
    }
}
