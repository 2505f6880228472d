//! Drivers of other companies: what we know of their tokens, what their companies said, and the contract a session stands under.
//!
//! The rules of the whitelist are OCPI's (2.2.1 mod_tokens, WhitelistType). Never: a call; whoever asks a company is given in as
//! [`TokenOwners`].

use std::future::Future;
use std::pin::Pin;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::authorize::Authorization;
use crate::id::{EvseId, StationId, TenantId, TokenUid};
use crate::party::Party;
use crate::time::Timestamp;
use crate::token::TokenKind;

/// What a company said of its driver at a station, or ordered for it, holds there for so long: 15 minutes (OCPI 2.2.1 mod_commands,
/// `START_SESSION`, of tokens that need no further question after a command).
pub const CLEARED_FOR_MS: i64 = 15 * 60_000;

/// The versions of OCPI that an operator can settle with a partner, the highest first.
pub const OCPI_VERSIONS: [&str; 3] = ["2.3.0", "2.2.1", "2.1.1"];

/// Must a token's company be asked before its driver charges?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whitelist {
    /// No, it always may.
    Always,
    /// We may choose; we do not ask.
    Allowed,
    /// Yes; what is known of it counts where the company does not answer.
    AllowedOffline,
    /// Yes, and without an answer it may not.
    Never,
}

/// Another company's token, as the company told us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoamingToken {
    /// Whose driver holds it.
    pub party: Party,
    /// As the company spells it.
    pub uid: Box<str>,
    /// The company's word for its kind; the list is open.
    pub kind: Box<str>,
    /// The driver's contract there.
    pub contract_id: Box<str>,
    /// Tokens of a group may stop each other's transactions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<TokenUid>,
    /// May it be used?
    pub valid: bool,
    /// Must the company be asked?
    pub whitelist: Whitelist,
}

/// How it was found that a driver may charge (OCPI 2.2.1 mod_cdrs, `AuthMethod`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// The company was asked.
    Asked,
    /// The company ordered it.
    Ordered,
    /// By what is known of the token.
    Whitelist,
}

/// Under what somebody else's driver charges here: frozen into session and bill record as it was at the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contract {
    /// Whose driver.
    pub party: Party,
    /// The token as the company spells it.
    pub uid: Box<str>,
    /// The company's word for its kind.
    pub kind: Box<str>,
    /// The driver's contract there.
    pub contract_id: Box<str>,
    /// The company's own name for what it allowed; goes back to it with session and bill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Box<str>>,
    /// How it was found that the driver may charge.
    pub method: AuthMethod,
}

/// What a company said of its driver at one station, or ordered for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clearance {
    /// Under what the driver charges, if it may.
    pub contract: Contract,
    /// May it?
    pub authorization: Authorization,
    /// When that was said.
    pub at: Timestamp,
}

/// A start that a company ordered for its driver at one station: the transaction that follows it is that driver's, whoever else has a
/// token of the same uid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderedStart {
    /// Our number for it, which 2.x stations echo.
    pub remote_start_id: i32,
    /// The company's word.
    pub clearance: Clearance,
}

/// What is known of somebody else's driver at a station.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Roamer {
    /// The token, if its company told us of it.
    pub token: Option<RoamingToken>,
    /// What its company said last.
    pub clearance: Option<Clearance>,
    /// Another company has a token that the presented one meets as well: the first by name was taken.
    pub is_ambiguous: bool,
}

// === impl Whitelist ===

impl Whitelist {
    /// The name in the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Allowed => "allowed",
            Self::AllowedOffline => "allowed_offline",
            Self::Never => "never",
        }
    }
}

// === impl RoamingToken ===

impl RoamingToken {
    /// The contract of a driver who holds it.
    #[must_use]
    pub fn contract(&self, method: AuthMethod, reference: Option<Box<str>>) -> Contract {
        Contract {
            party: self.party.clone(),
            uid: self.uid.clone(),
            kind: self.kind.clone(),
            contract_id: self.contract_id.clone(),
            reference,
            method,
        }
    }

    /// How well a presented token of this kind is met by it; the least is the best.
    #[must_use]
    pub fn distance(&self, presented: &TokenKind) -> u8 {
        let same = match presented {
            TokenKind::Rfid => &*self.kind == "RFID",
            TokenKind::Central => &*self.kind == "APP_USER",
            TokenKind::EMaid
            | TokenKind::KeyCode
            | TokenKind::Local
            | TokenKind::MacAddress
            | TokenKind::NoAuthorization
            | TokenKind::DirectPayment
            | TokenKind::Other(_) => false,
        };
        match (same, self.valid) {
            (true, true) => 0,
            (true, false) => 1,
            (false, true) => 2,
            (false, false) => 3,
        }
    }
}

// === impl Roamer ===

impl Roamer {
    /// The driver that a presented token of this kind means: of the tokens that meet it best the first, so they come in an order that is
    /// always the same; and its company's last word, in an order or an answer. What another company said is not about this driver.
    #[must_use]
    pub fn of(kind: &TokenKind, tokens: Vec<RoamingToken>, said: Vec<Clearance>) -> Option<Self> {
        let best = tokens.iter().map(|token| token.distance(kind)).min();
        let mut tokens = tokens.into_iter().filter(|token| Some(token.distance(kind)) == best);
        let token = tokens.next();
        let party = token.as_ref().map(|token| &token.party);
        let is_ambiguous = tokens.any(|other| Some(&other.party) != party);
        let mine = said.into_iter().filter(|said| party.is_none_or(|party| *party == said.contract.party));
        let clearance = mine.reduce(|best, said| if said.at > best.at { said } else { best });
        (token.is_some() || clearance.is_some()).then_some(Self { token, clearance, is_ambiguous })
    }

    /// The token whose company must be asked before its driver charges here now; `None`: nobody need be asked.
    #[must_use]
    pub fn to_ask(&self, now: Timestamp) -> Option<&RoamingToken> {
        let cleared = self.standing(now).is_some_and(|said| said.authorization == Authorization::Accepted);
        let token = self.token.as_ref().filter(|_| !cleared)?;
        match token.whitelist {
            Whitelist::AllowedOffline | Whitelist::Never => Some(token),
            Whitelist::Always | Whitelist::Allowed => None,
        }
    }

    /// What speaks against the driver; `None`: nothing does. `None` within: nothing is known of it.
    pub(crate) fn flaw(&self, now: Timestamp) -> Option<Option<Authorization>> {
        if let Some(said) = self.standing(now) {
            return Some((said.authorization != Authorization::Accepted).then_some(said.authorization));
        }
        let token = self.token.as_ref()?;
        Some(match token.whitelist {
            Whitelist::Never => Some(Authorization::Invalid),
            Whitelist::Always | Whitelist::Allowed | Whitelist::AllowedOffline => {
                (!token.valid).then_some(Authorization::Blocked)
            }
        })
    }

    /// Under what the driver would charge.
    #[must_use]
    pub fn contract(&self, now: Timestamp) -> Option<Contract> {
        if let Some(said) = self.standing(now) {
            return Some(said.contract.clone());
        }
        Some(self.token.as_ref()?.contract(AuthMethod::Whitelist, None))
    }

    /// Until when a station may remember the answer: of a driver whose company is to be asked, not longer than what it said holds.
    pub(crate) fn forget_at(&self, now: Timestamp) -> Option<Timestamp> {
        let is_known_for_good = self
            .token
            .as_ref()
            .is_some_and(|token| matches!(token.whitelist, Whitelist::Always | Whitelist::Allowed));
        (!is_known_for_good).then(|| now.plus_millis(CLEARED_FOR_MS))
    }

    /// What its company said, while it holds.
    fn standing(&self, now: Timestamp) -> Option<&Clearance> {
        self.clearance.as_ref().filter(|said| now.millis_since(said.at) < CLEARED_FOR_MS)
    }
}

/// What is asked of a token's company: may this driver charge there?
#[derive(Debug, Clone)]
pub struct Question {
    /// Whose station.
    pub tenant: TenantId,
    /// The token.
    pub token: RoamingToken,
    /// At this station.
    pub station: StationId,
    /// At this EVSE, where known.
    pub evse: Option<EvseId>,
}

/// The answer; `None`: there was none in time.
pub type AnswerFuture = Pin<Box<dyn Future<Output = Option<Clearance>> + Send>>;

/// Asks the companies of roaming tokens. The part that speaks with partners implements it.
pub trait TokenOwners: Send + Sync {
    /// Asks. The future always ends within the time a station can wait.
    fn ask(&self, question: Question) -> AnswerFuture;
}

/// An invitation of somebody else, to be taken up.
#[derive(Clone)]
pub struct Acceptance {
    /// Whose partner it becomes.
    pub tenant: TenantId,
    /// Its name, for people.
    pub name: Box<str>,
    /// Who we are towards it: country code, party id and company.
    pub ours: (Box<str>, Box<str>, Box<str>),
    /// The versions that may be spoken with it; all where none is named.
    pub versions: Vec<Box<str>>,
    /// Where our versions are for it.
    pub our_versions_url: Box<str>,
    /// Where its versions are.
    pub their_versions_url: Box<str>,
    /// The token that came with the invitation.
    pub token_a: Box<str>,
}

/// Why a partner's side of something did not happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartnerFault {
    /// There is no such partner, or it is not registered.
    NotRegistered,
    /// What was given cannot be used, in words.
    Unusable(Box<str>),
    /// The partner did not do it, in words.
    Refused(Box<str>),
    /// The store was away; what the partner has done stands.
    StoreAway,
}

/// A future of a partners' desk.
pub type PartnerFuture<T> = Pin<Box<dyn Future<Output = Result<T, PartnerFault>> + Send>>;

/// Does with partners what an operator wants and what takes calls to them. The part that speaks with partners implements it.
pub trait PartnerDesk: Send + Sync {
    /// Takes an invitation up; the partner's id from then on.
    fn accept(&self, acceptance: Acceptance) -> PartnerFuture<Uuid>;
    /// Changes the tokens on both sides, and asks for the partner's endpoints again.
    fn rotate(&self, tenant: TenantId, partner: Uuid) -> PartnerFuture<()>;
    /// Takes leave of a partner, whether or not it hears of it.
    fn leave(&self, tenant: TenantId, partner: Uuid) -> PartnerFuture<()>;
    /// A partner's record was changed.
    fn changed(&self);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::party::Role;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000_000);

    fn token(whitelist: Whitelist, valid: bool) -> RoamingToken {
        let party = Party { country_code: "DE".into(), party_id: "ABC".into(), role: Role::Emsp };
        RoamingToken {
            party,
            uid: "012345678".into(),
            kind: "RFID".into(),
            contract_id: "DE8ABCC1".into(),
            group: None,
            valid,
            whitelist,
        }
    }

    fn said(authorization: Authorization, before_ms: i64) -> Clearance {
        let contract = token(Whitelist::Never, true).contract(AuthMethod::Asked, Some("ref".into()));
        Clearance { contract, authorization, at: NOW.plus_millis(-before_ms) }
    }

    #[test]
    fn the_whitelist_says_who_is_asked_and_what_counts_without_an_answer() {
        use Authorization::{Blocked, Invalid};
        for (whitelist, valid, asked, flaw) in [
            (Whitelist::Always, true, false, None),
            (Whitelist::Always, false, false, Some(Blocked)),
            (Whitelist::Allowed, true, false, None),
            (Whitelist::Allowed, false, false, Some(Blocked)),
            (Whitelist::AllowedOffline, true, true, None),
            (Whitelist::AllowedOffline, false, true, Some(Blocked)),
            (Whitelist::Never, true, true, Some(Invalid)),
            (Whitelist::Never, false, true, Some(Invalid)),
        ] {
            let roamer =
                Roamer { token: Some(token(whitelist, valid)), clearance: None, is_ambiguous: false };
            assert_eq!(roamer.to_ask(NOW).is_some(), asked, "{whitelist:?} {valid}");
            assert_eq!(roamer.flaw(NOW), Some(flaw), "{whitelist:?} {valid}");
            assert_eq!(roamer.contract(NOW).unwrap().method, AuthMethod::Whitelist);
            assert_eq!(roamer.forget_at(NOW).is_some(), asked, "a station must not remember for longer");
        }
        assert_eq!(Roamer::default().flaw(NOW), None);
        assert_eq!(Roamer::default().contract(NOW), None);
    }

    #[test]
    fn what_a_company_said_holds_for_a_while_and_above_the_whitelist() {
        let roamer = |clearance| Roamer {
            token: Some(token(Whitelist::Never, false)),
            clearance: Some(clearance),
            is_ambiguous: false,
        };
        let accepted = roamer(said(Authorization::Accepted, CLEARED_FOR_MS - 1));
        assert_eq!((accepted.to_ask(NOW), accepted.flaw(NOW)), (None, Some(None)));
        assert_eq!(accepted.contract(NOW).unwrap().reference.as_deref(), Some("ref"));
        let over = roamer(said(Authorization::Accepted, CLEARED_FOR_MS));
        assert_eq!((over.to_ask(NOW).is_some(), over.flaw(NOW)), (true, Some(Some(Authorization::Invalid))));
        // Refused once, the driver may come back with money: asked again.
        let refused = roamer(said(Authorization::Blocked, 1));
        assert_eq!(
            (refused.to_ask(NOW).is_some(), refused.flaw(NOW)),
            (true, Some(Some(Authorization::Blocked)))
        );
        // Ordered, though we know no such token.
        let ordered = Roamer { clearance: Some(said(Authorization::Accepted, 1)), ..Roamer::default() };
        assert_eq!((ordered.to_ask(NOW), ordered.flaw(NOW)), (None, Some(None)));
    }

    #[test]
    fn what_one_company_says_is_not_about_another_ones_driver() {
        let of = |party_id: &str| {
            let one = token(Whitelist::Never, true);
            RoamingToken { party: Party { party_id: party_id.into(), ..one.party.clone() }, ..one }
        };
        let said_of = |party_id: &str, before_ms| {
            let one = said(Authorization::Accepted, before_ms);
            Clearance { contract: of(party_id).contract(AuthMethod::Ordered, None), ..one }
        };
        let roamer = |tokens: &[&str], said: &[(&str, i64)]| {
            let tokens = tokens.iter().map(|party| of(party)).collect();
            let said = said.iter().map(|(party, before_ms)| said_of(party, *before_ms)).collect();
            Roamer::of(&TokenKind::Rfid, tokens, said).map(|roamer| {
                let party = |party: &Party| party.party_id.to_string();
                let said =
                    roamer.clearance.map(|said| (party(&said.contract.party), NOW.millis_since(said.at)));
                (roamer.token.map(|token| party(&token.party)), said, roamer.is_ambiguous)
            })
        };
        let name = |name: &str| Some(name.to_owned());
        let word = |name: &str, before_ms| Some((name.to_owned(), before_ms));
        assert_eq!(roamer(&[], &[]), None);
        assert_eq!(roamer(&["ABC"], &[("XYZ", 1)]), Some((name("ABC"), None, false)));
        let both = [("XYZ", 1), ("ABC", 3), ("ABC", 2)];
        assert_eq!(roamer(&["ABC"], &both), Some((name("ABC"), word("ABC", 2), false)));
        assert_eq!(roamer(&[], &both), Some((None, word("XYZ", 1), false)), "nobody knows the token");
        assert_eq!(roamer(&["ABC", "XYZ"], &both), Some((name("ABC"), word("ABC", 2), true)));
        assert_eq!(roamer(&["ABC", "ABC"], &[]), Some((name("ABC"), None, false)));
    }

    #[test]
    fn of_tokens_with_one_uid_the_presented_kind_that_may_be_used_comes_first() {
        let app = RoamingToken { kind: "APP_USER".into(), ..token(Whitelist::Never, true) };
        let rfid = token(Whitelist::Never, true);
        assert!(rfid.distance(&TokenKind::Rfid) < app.distance(&TokenKind::Rfid));
        assert!(app.distance(&TokenKind::Central) < rfid.distance(&TokenKind::Central));
        assert!(
            rfid.distance(&TokenKind::Local) < token(Whitelist::Never, false).distance(&TokenKind::Local)
        );
    }
}
