//! May this token charge here, now? A pure decision with its reason.
//!
//! What is known comes in as one value, [`TokenStanding`]: the token, its group, where it charges now, who may charge at the location.
//! Never: a word of a wire protocol, the loss of a message because its token is refused (reliability F25, F26).

use serde::{Deserialize, Serialize};

use crate::id::{EvseId, StationId, TokenUid, TransactionId};
use crate::roaming::{CLEARED_FOR_MS, Contract, OrderedStart, Roamer, RoamingToken};
use crate::time::Timestamp;
use crate::time::local::Zone;
use crate::token::{IdToken, Token, TokenGroup};

pub mod rule;
#[cfg(test)]
mod tests;

use self::rule::AccessRule;

/// The most transactions of one token that are looked at; a token with more has no business charging anywhere else.
pub const MAX_CHARGES: usize = 100;
/// A transaction that nobody has heard of for so long keeps its driver from nothing: its end was lost.
pub const STALE_AFTER_MS: i64 = 24 * 3_600_000;

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

/// What holds for all tokens of an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenPolicy {
    /// What happens to tokens nobody registered.
    pub unknown: UnknownTokens,
    /// How many transactions a known token may have at once, unless it or its group says otherwise; 0 is no limit.
    pub concurrent_max: u32,
}

impl TokenPolicy {
    /// The verdict about somebody who shows nothing that could be looked up.
    pub(crate) fn stranger(&self) -> Verdict {
        let authorization = match self.unknown {
            UnknownTokens::Accept => Authorization::Accepted,
            UnknownTokens::Reject => Authorization::Invalid,
        };
        Verdict { authorization, group: None, expires_at: None }
    }
}

/// The answer to a presented token; each refusal is a reason that reports can count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Authorization {
    /// May charge.
    Accepted,
    /// Known and blocked.
    Blocked,
    /// Known, but its time is over.
    Expired,
    /// Its group is blocked.
    GroupBlocked,
    /// Its group's time is over.
    GroupExpired,
    /// Not known here.
    Unknown,
    /// Known, but not valid for this use.
    Invalid,
    /// Already charging elsewhere.
    ConcurrentTransaction,
    /// Known, but not at this location, or not at this time of day.
    NotAtThisLocation,
}

/// A decision about a token, with what the station may remember about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The decision.
    pub authorization: Authorization,
    /// The token's group, when it has one.
    pub group: Option<TokenUid>,
    /// Until when the station may remember the answer: the end of the token or of its group, whichever comes first.
    pub expires_at: Option<Timestamp>,
}

/// What is known about a presented token and about the place where it is presented, in one reading.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TokenStanding {
    /// The token, when it is known.
    pub token: Option<Token>,
    /// Its group's record, when there is one: a group may be a mere name.
    pub group: Option<TokenGroup>,
    /// Where it charges now, at most [`MAX_CHARGES`]; the one that started last first.
    pub charges: Vec<Charge>,
    /// Who may charge at the station's location; empty is everyone.
    pub rules: Vec<AccessRule>,
    /// The location's time zone, an IANA name; UTC when absent or unknown.
    pub time_zone: Option<Box<str>>,
    /// What is known of it as another company's token; looked at only when it is none of ours.
    pub roamer: Option<Box<Roamer>>,
    /// Starts that companies ordered for a token of this uid at the station, the newest first.
    pub ordered: Vec<OrderedStart>,
    /// The station stands at no location: partners cannot be told of what is charged there, so their drivers charge elsewhere.
    pub unplaced: bool,
}

/// A transaction of a token that goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// At this station.
    pub station: StationId,
    /// Its id there.
    pub transaction: TransactionId,
    /// At this EVSE, where known.
    pub evse: Option<EvseId>,
    /// When it started, by the station's clock.
    pub started_at: Timestamp,
    /// When we last heard of it.
    pub heard_at: Timestamp,
    /// What was decided when its token was presented.
    pub authorization: Option<Authorization>,
    /// It is another company's driver who charges, whoever else has a token of that uid.
    pub roaming: bool,
}

/// Where and for what a token is presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occasion<'a> {
    /// At this station.
    pub station: &'a StationId,
    /// At this instant, which for a message from a queue lies in the past.
    pub at: Timestamp,
    /// For what.
    pub purpose: Purpose,
}

/// For what a token is presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// To ask: perhaps to start here, perhaps to stop what goes on here.
    Ask,
    /// In a message about a transaction.
    Charge {
        /// The ids the transaction may have: one, or those proposed for a start that asks for a number.
        transactions: Vec<TransactionId>,
        /// At this EVSE, where known.
        evse: Option<EvseId>,
        /// The message says that it starts.
        starts: bool,
    },
    /// To stop a transaction.
    Stop,
}

// === impl Authorization ===

impl Authorization {
    /// All of them, for tables and tests.
    pub const ALL: [Self; 9] = [
        Self::Accepted,
        Self::Blocked,
        Self::Expired,
        Self::GroupBlocked,
        Self::GroupExpired,
        Self::Unknown,
        Self::Invalid,
        Self::ConcurrentTransaction,
        Self::NotAtThisLocation,
    ];

    /// The name in the API, in metrics and in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Blocked => "blocked",
            Self::Expired => "expired",
            Self::GroupBlocked => "group_blocked",
            Self::GroupExpired => "group_expired",
            Self::Unknown => "unknown",
            Self::Invalid => "invalid",
            Self::ConcurrentTransaction => "concurrent_transaction",
            Self::NotAtThisLocation => "not_at_this_location",
        }
    }
}

// === impl TokenStanding ===

impl From<Token> for TokenStanding {
    /// A known token that charges nowhere, at a place where everyone may charge.
    fn from(token: Token) -> Self {
        Self { token: Some(token), ..Self::default() }
    }
}

impl TokenStanding {
    /// Another company's driver, where the token is none of ours.
    #[must_use]
    pub fn roamer(&self) -> Option<&Roamer> {
        self.roamer.as_deref().filter(|_| self.token.is_none())
    }

    /// Under what another company's driver would charge here now.
    #[must_use]
    pub fn contract(&self, now: Timestamp) -> Option<Contract> {
        self.roamer().filter(|_| !self.unplaced)?.contract(now)
    }

    /// The token whose company must be asked before its driver charges here now; `None`: nobody need be asked.
    #[must_use]
    pub fn to_ask(&self, now: Timestamp) -> Option<&RoamingToken> {
        self.roamer().filter(|_| !self.unplaced)?.to_ask(now)
    }

    /// The same for the driver for whom a start was ordered; `None`: no company ordered it, or it is too long ago.
    #[must_use]
    pub fn as_ordered(&self, remote_start_id: i32, now: Timestamp) -> Option<Self> {
        let ordered = self.ordered.iter().find(|start| start.remote_start_id == remote_start_id)?;
        self.as_cleared(ordered, now)
    }

    /// The same for the driver for whom a start was ordered last.
    pub(crate) fn as_ordered_last(&self, now: Timestamp) -> Option<Self> {
        self.as_cleared(self.ordered.first()?, now)
    }

    fn as_cleared(&self, OrderedStart { clearance, .. }: &OrderedStart, now: Timestamp) -> Option<Self> {
        if now.millis_since(clearance.at) >= CLEARED_FOR_MS {
            return None;
        }
        let token = self.roamer.as_ref().and_then(|roamer| roamer.token.clone());
        let token = token.filter(|token| token.party == clearance.contract.party);
        let roamer = Roamer { token, clearance: Some(clearance.clone()), is_ambiguous: false };
        Some(Self { token: None, group: None, roamer: Some(Box::new(roamer)), ..self.clone() })
    }

    /// Is the token itself in order? `None`: yes.
    fn flaw(&self, policy: &TokenPolicy, occasion: &Occasion<'_>, now: Timestamp) -> Option<Authorization> {
        let over = |end: Option<Timestamp>| end.is_some_and(|end| end <= now);
        let own = || self.charges.iter().find(|charge| charge.is_of(occasion));
        if self.token.is_some()
            && own().is_some_and(|own| own.roaming && own.authorization == Some(Authorization::Accepted))
        {
            return None;
        }
        if let Some(flaw) = self.roamer().and_then(|roamer| roamer.flaw(now)) {
            let flaw = flaw.or(self.unplaced.then_some(Authorization::NotAtThisLocation));
            // What its company said of the start holds for as long as it charges, and whoever stops need not be asked.
            let let_in = own().is_some_and(|own| own.authorization == Some(Authorization::Accepted));
            let stays = occasion.purpose == Purpose::Stop || let_in;
            return flaw.filter(|_| !stays);
        }
        let Some(token) = &self.token else {
            return (policy.unknown == UnknownTokens::Reject).then_some(Authorization::Unknown);
        };
        if token.blocked {
            return Some(Authorization::Blocked);
        }
        if over(token.expires_at) {
            return Some(Authorization::Expired);
        }
        let group = self.group.as_ref()?;
        if group.blocked {
            return Some(Authorization::GroupBlocked);
        }
        over(group.expires_at).then_some(Authorization::GroupExpired)
    }

    /// May this token charge at this place at this time of day?
    fn is_admitted(&self, presented: &IdToken, at: Timestamp) -> bool {
        if self.rules.is_empty() {
            return true;
        }
        let zone = self.time_zone.as_deref().and_then(|name| Zone::named(name).ok()).unwrap_or(Zone::UTC);
        let (uid, group) = (presented.lookup_uid(), self.token.as_ref().and_then(Token::lookup_group));
        let local = zone.local(at);
        self.rules.iter().any(|rule| rule.admits(&uid, group.as_ref(), local.as_ref()))
    }

    /// How many transactions it may have at once; `None`: any number. A token nobody registered charges for free, so nobody counts.
    fn concurrent_max(&self, policy: &TokenPolicy) -> Option<u32> {
        let token = self.token.as_ref()?;
        let of_group = self.group.as_ref().and_then(|group| group.concurrent_max);
        let max = token.concurrent_max.or(of_group).unwrap_or(policy.concurrent_max);
        (max > 0).then_some(max)
    }
}

// === impl Charge ===

impl Charge {
    /// Is this the transaction the token is presented for?
    fn is_of(&self, occasion: &Occasion<'_>) -> bool {
        match &occasion.purpose {
            Purpose::Charge { transactions, .. } => {
                self.station == *occasion.station && transactions.contains(&self.transaction)
            }
            Purpose::Ask | Purpose::Stop => false,
        }
    }

    /// Does this keep the token from charging there?
    fn stands_against(&self, occasion: &Occasion<'_>, now: Timestamp) -> bool {
        let let_in = self.authorization.is_none_or(|verdict| verdict == Authorization::Accepted);
        let stale = now.millis_since(self.heard_at) > STALE_AFTER_MS;
        // What comes from a queue was before what started since: it is no second one.
        if !let_in || stale || self.started_at > occasion.at || self.is_of(occasion) {
            return false;
        }
        let here = self.station == *occasion.station;
        match &occasion.purpose {
            // Asked where it charges, it most likely means to stop; if not, the start will be refused.
            Purpose::Ask => !here,
            // One EVSE charges one vehicle: what seems to go on there has ended, and its end is lost or late.
            Purpose::Charge { evse, .. } => !(here && evse.is_some() && *evse == self.evse),
            Purpose::Stop => false,
        }
    }
}

/// Decides about a presented token.
///
/// A transaction that was let in stays let in, unless its token or group was blocked or has expired since: neither its repeats nor its
/// further messages count it as a second one. A start that was refused is refused again when it is repeated. Whoever stops is asked
/// neither for the place nor for what charges elsewhere.
#[must_use]
pub fn decide(
    presented: &IdToken,
    standing: &TokenStanding,
    policy: &TokenPolicy,
    occasion: &Occasion<'_>,
    now: Timestamp,
) -> Verdict {
    let authorization = standing
        .flaw(policy, occasion, now)
        .unwrap_or_else(|| at_this_place(presented, standing, policy, occasion, now));
    let token = standing.token.as_ref();
    let ends = [
        token.and_then(|token| token.expires_at),
        standing.group.as_ref().and_then(|group| group.expires_at),
        standing.roamer().and_then(|roamer| roamer.forget_at(now)),
    ];
    Verdict {
        authorization,
        group: token
            .and_then(|token| token.group.clone())
            .or_else(|| standing.roamer()?.token.as_ref()?.group.clone()),
        expires_at: ends.into_iter().flatten().min(),
    }
}

/// Decides about a token that is in order.
fn at_this_place(
    presented: &IdToken,
    standing: &TokenStanding,
    policy: &TokenPolicy,
    occasion: &Occasion<'_>,
    now: Timestamp,
) -> Authorization {
    let starts = match &occasion.purpose {
        Purpose::Stop => return Authorization::Accepted,
        Purpose::Charge { starts, .. } => *starts,
        Purpose::Ask => false,
    };
    let own = standing.charges.iter().find(|charge| charge.is_of(occasion)).and_then(|own| own.authorization);
    match own {
        Some(Authorization::Accepted) => return Authorization::Accepted,
        Some(refused @ (Authorization::ConcurrentTransaction | Authorization::NotAtThisLocation))
            if starts =>
        {
            return refused;
        }
        Some(
            Authorization::Blocked
            | Authorization::Expired
            | Authorization::GroupBlocked
            | Authorization::GroupExpired
            | Authorization::Unknown
            | Authorization::Invalid
            | Authorization::ConcurrentTransaction
            | Authorization::NotAtThisLocation,
        )
        | None => {}
    }
    if !standing.is_admitted(presented, occasion.at) {
        return Authorization::NotAtThisLocation;
    }
    // Another company's driver with a token of the same uid keeps ours from nothing.
    let own = standing.charges.iter().filter(|charge| !charge.roaming || standing.token.is_none());
    let against = own.filter(|charge| charge.stands_against(occasion, now)).count();
    let against = u32::try_from(against).unwrap_or(u32::MAX);
    match standing.concurrent_max(policy) {
        Some(max) if against >= max => Authorization::ConcurrentTransaction,
        Some(_) | None => Authorization::Accepted,
    }
}
