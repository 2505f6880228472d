//! Local authorization lists: which tokens a station may let in by itself, and how it is told.
//!
//! Pure: what is wanted, what the station was sent, and the messages that lead from one to the other. What a list cannot say (times of
//! day, transactions elsewhere) keeps a token off the list: the station asks then.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::authorize::rule::AccessRule;
use crate::authorize::{Authorization, Verdict};
use crate::id::TokenUid;
use crate::time::Timestamp;
use crate::token::{IdToken, Token, TokenGroup, TokenKind};

/// The most tokens of a list, whatever the station could hold.
pub const MAX_ENTRIES: usize = 10_000;
/// Entries of one message where the station does not say how many it takes.
pub const DEFAULT_ENTRIES_PER_MESSAGE: usize = 100;
/// The most entries of one message, whatever the station says.
pub const MAX_ENTRIES_PER_MESSAGE: usize = 1_000;

/// A line of a list, or of a change to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalListEntry {
    /// The token.
    pub token: IdToken,
    /// What the station may decide by itself; `None`: the token leaves the list.
    pub verdict: Option<Verdict>,
}

/// What a message does to the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListUpdate {
    /// Replaces it.
    Full,
    /// Changes it.
    Differential,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListMessage {
    /// The list's version once it is applied; positive (OCPP 1.6 errata 3.52).
    pub version: i32,
    /// What it does.
    pub update: ListUpdate,
    /// Its lines, by token.
    pub entries: Vec<LocalListEntry>,
}

/// What a station was sent of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentEntry {
    /// Its kind, without which it cannot be taken off the list again.
    pub kind: TokenKind,
    /// A hash of its line.
    pub hash: u64,
}

/// What a station was sent, by token.
pub type Sent = BTreeMap<TokenUid, SentEntry>;

/// The list as it should be, by token.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WantedList(BTreeMap<TokenUid, LocalListEntry>);

// === impl LocalListEntry ===

impl LocalListEntry {
    /// The line of a token that may charge at a place with these rules; `None`: it may not, or not always.
    #[must_use]
    pub fn wanted(
        token: &Token,
        group: Option<&TokenGroup>,
        rules: &[AccessRule],
        now: Timestamp,
    ) -> Option<Self> {
        let over = |end: Option<Timestamp>| end.is_some_and(|end| end <= now);
        let group_refused = group.is_some_and(|group| group.blocked || over(group.expires_at));
        if token.blocked || over(token.expires_at) || group_refused {
            return None;
        }
        let of = token.lookup_group();
        let always = |rule: &AccessRule| rule.windows.is_empty() && rule.names(&token.uid, of.as_ref());
        if !rules.is_empty() && !rules.iter().any(always) {
            return None;
        }
        let ends = [token.expires_at, group.and_then(|group| group.expires_at)];
        Some(Self {
            token: IdToken { uid: token.uid.clone(), kind: token.kind.clone() },
            verdict: Some(Verdict {
                authorization: Authorization::Accepted,
                group: token.group.clone(),
                expires_at: ends.into_iter().flatten().min(),
            }),
        })
    }

    fn removal(uid: &TokenUid, sent: &SentEntry) -> Self {
        Self { token: IdToken { uid: uid.clone(), kind: sent.kind.clone() }, verdict: None }
    }

    /// A hash of all it says, the same on every machine and in every release.
    fn hash(&self) -> u64 {
        let hash = Sha256::digest(serde_json::to_vec(self).unwrap_or_default());
        hash.iter().take(8).fold(0, |acc, byte| (acc << 8) | u64::from(*byte))
    }
}

// === impl WantedList ===

impl FromIterator<LocalListEntry> for WantedList {
    fn from_iter<I: IntoIterator<Item = LocalListEntry>>(entries: I) -> Self {
        Self(entries.into_iter().map(|entry| (entry.token.uid.clone(), entry)).collect())
    }
}

impl WantedList {
    /// How many tokens it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Has it none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keeps the first so many tokens, also at most [`MAX_ENTRIES`]; how many were left out. The station asks about those.
    pub fn cut(&mut self, most: usize) -> usize {
        let most = most.min(MAX_ENTRIES);
        let all = self.0.len();
        while self.0.len() > most {
            self.0.pop_last();
        }
        all.saturating_sub(self.0.len())
    }

    /// What a station has once it was sent all of it.
    #[must_use]
    pub fn sent(&self) -> Sent {
        let sent = |entry: &LocalListEntry| SentEntry { kind: entry.token.kind.clone(), hash: entry.hash() };
        self.0.iter().map(|(uid, entry)| (uid.clone(), sent(entry))).collect()
    }

    /// Messages that replace whatever the station has: the first is full, the others add to it. Never empty: an empty list is said too.
    #[must_use]
    pub fn full(&self, after: i32, per_message: usize) -> Vec<ListMessage> {
        let entries: Vec<_> = self.0.values().cloned().collect();
        if entries.is_empty() {
            let version = next(after);
            return vec![ListMessage { version, update: ListUpdate::Full, entries }];
        }
        let mut messages = messages(&entries, after, per_message);
        if let Some(first) = messages.first_mut() {
            first.update = ListUpdate::Full;
        }
        messages
    }

    /// Messages that change what the station was sent into this; none when nothing differs.
    #[must_use]
    pub fn differential(&self, sent: &Sent, after: i32, per_message: usize) -> Vec<ListMessage> {
        // A token of another kind is another token to the station.
        let stays = |uid: &TokenUid, one: &SentEntry| {
            self.0.get(uid).is_some_and(|entry| entry.token.kind == one.kind)
        };
        let gone = sent.iter().filter(|(uid, one)| !stays(uid, one));
        let gone = gone.map(|(uid, one)| LocalListEntry::removal(uid, one));
        let same = |entry: &&LocalListEntry| {
            sent.get(&entry.token.uid)
                .is_some_and(|one| one.kind == entry.token.kind && one.hash == entry.hash())
        };
        let changed = self.0.values().filter(|entry| !same(entry));
        // What goes comes first: it makes room for what is new.
        let entries: Vec<_> = gone.chain(changed.cloned()).collect();
        messages(&entries, after, per_message)
    }
}

fn messages(entries: &[LocalListEntry], after: i32, per_message: usize) -> Vec<ListMessage> {
    let mut version = after;
    let chunks = entries.chunks(per_message.clamp(1, MAX_ENTRIES_PER_MESSAGE));
    chunks
        .map(|entries| {
            version = next(version);
            ListMessage { version, update: ListUpdate::Differential, entries: entries.to_vec() }
        })
        .collect()
}

/// The version after this one: 0 and below mean something else on the wire.
fn next(version: i32) -> i32 {
    version.max(0).checked_add(1).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authorize::rule::{AccessWindow, Admitted};
    use crate::id::TenantId;
    use crate::time::local::TimeOfDay;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn uid(text: &str) -> TokenUid {
        TokenUid::new(text).unwrap()
    }

    fn token(text: &str) -> Token {
        Token {
            tenant: TenantId::default_tenant(),
            uid: uid(text),
            kind: TokenKind::Rfid,
            group: Some(uid("Fleet")),
            label: None,
            blocked: false,
            expires_at: None,
            concurrent_max: None,
            updated_at: NOW,
        }
    }

    fn list(tokens: &[Token]) -> WantedList {
        tokens.iter().filter_map(|token| LocalListEntry::wanted(token, None, &[], NOW)).collect()
    }

    /// Messages in short: version, update, tokens; a minus for one that leaves.
    fn told(messages: &[ListMessage]) -> Vec<String> {
        let line = |entry: &LocalListEntry| {
            format!("{}{}", if entry.verdict.is_some() { "" } else { "-" }, entry.token.uid)
        };
        let lines = |message: &ListMessage| message.entries.iter().map(line).collect::<Vec<_>>().join(" ");
        messages
            .iter()
            .map(|message| format!("{} {:?} {}", message.version, message.update, lines(message)))
            .collect()
    }

    #[test]
    fn a_full_list_comes_in_parts_and_an_empty_one_is_said() {
        let all = list(&[token("A"), token("B"), token("C")]);
        assert_eq!(told(&all.full(7, 2)), ["8 Full A B", "9 Differential C"]);
        assert_eq!(told(&WantedList::default().full(-1, 2)), ["1 Full "]);
        assert_eq!(told(&all.full(i32::MAX, 100)), ["1 Full A B C"], "0 and below are no versions");
    }

    #[test]
    fn a_change_holds_only_what_differs() {
        let sent = list(&[token("A"), token("B"), token("C")]).sent();
        let changed = Token { expires_at: Some(Timestamp::from_millis(2_000_000)), ..token("B") };
        let blocked = Token { blocked: true, ..token("C") };
        let now = list(&[token("A"), changed, blocked, token("D")]);
        assert_eq!(told(&now.differential(&sent, 3, 2)), ["4 Differential -C B", "5 Differential D"]);
        assert_eq!(told(&now.differential(&now.sent(), 5, 2)), Vec::<String>::new());
    }

    #[test]
    fn a_token_that_may_not_always_charge_there_is_not_on_the_list() {
        let on = |token: &Token, rules: &[AccessRule]| {
            let group = TokenGroup {
                tenant: TenantId::default_tenant(),
                id: uid("FLEET"),
                name: "Fleet".into(),
                blocked: false,
                expires_at: None,
                concurrent_max: None,
                updated_at: NOW,
            };
            let blocked = TokenGroup { blocked: true, ..group.clone() };
            assert!(LocalListEntry::wanted(token, Some(&blocked), rules, NOW).is_none());
            LocalListEntry::wanted(token, Some(&group), rules, NOW).is_some()
        };
        let rule = |who| AccessRule { who, windows: Vec::new() };
        let night = AccessWindow { weekdays: Vec::new(), from: TimeOfDay::MIDNIGHT, to: TimeOfDay::MIDNIGHT };
        assert!(on(&token("A"), &[]));
        assert!(!on(&Token { expires_at: Some(NOW), ..token("A") }, &[]));
        assert!(on(&token("A"), &[rule(Admitted::Groups(vec![uid("FLEET")]))]));
        assert!(!on(&token("A"), &[rule(Admitted::Tokens(vec![uid("B")]))]));
        assert!(!on(&token("A"), &[AccessRule { who: Admitted::Everyone, windows: vec![night] }]));
    }

    #[test]
    fn a_list_is_cut_to_what_the_station_holds() {
        let mut all = list(&[token("A"), token("B"), token("C")]);
        assert_eq!((all.cut(2), all.len(), all.cut(2)), (1, 2, 0));
    }
}
