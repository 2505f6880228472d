//! Who may charge at a location, and when.

use serde::{Deserialize, Serialize};

use crate::id::TokenUid;
use crate::time::local::{Local, TimeOfDay, Weekday};

/// The most rules of a location.
pub const MAX_RULES: usize = 50;
/// The most tokens or groups a rule names.
pub const MAX_NAMED: usize = 1_000;
/// The most windows of a rule.
pub const MAX_WINDOWS: usize = 20;

/// Lets somebody charge at a location. What no rule lets in may not charge there; without any rule everyone may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessRule {
    /// Whom.
    pub who: Admitted,
    /// When, by the location's clock; empty is always.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<AccessWindow>,
}

/// Whom a rule lets in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Admitted {
    /// Everyone whose token is in order.
    Everyone,
    /// Members of these groups, by the groups' ids in ASCII upper case.
    Groups(Vec<TokenUid>),
    /// These tokens, by their uids in ASCII upper case.
    Tokens(Vec<TokenUid>),
}

/// A stretch of the day on days of the week.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessWindow {
    /// On these days; empty is every day. A window past midnight belongs to the day on which it begins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weekdays: Vec<Weekday>,
    /// From this minute on.
    pub from: TimeOfDay,
    /// Until before this minute; at or before `from`: of the next day.
    pub to: TimeOfDay,
}

// === impl AccessRule ===

impl AccessRule {
    /// Does it let in this token, of this group, when the clock shows this? Without a clock only rules for all times do.
    #[must_use]
    pub fn admits(&self, uid: &TokenUid, group: Option<&TokenUid>, local: Option<&Local>) -> bool {
        self.names(uid, group) && self.is_open(local)
    }

    /// Is the token among those the rule is for, whatever the time?
    #[must_use]
    pub fn names(&self, uid: &TokenUid, group: Option<&TokenUid>) -> bool {
        match &self.who {
            Admitted::Everyone => true,
            Admitted::Groups(groups) => group.is_some_and(|group| groups.contains(group)),
            Admitted::Tokens(tokens) => tokens.contains(uid),
        }
    }

    fn is_open(&self, local: Option<&Local>) -> bool {
        self.windows.is_empty()
            || local.is_some_and(|local| self.windows.iter().any(|window| window.holds(local)))
    }
}

// === impl AccessWindow ===

impl AccessWindow {
    fn holds(&self, local: &Local) -> bool {
        let on = |day: Weekday| self.weekdays.is_empty() || self.weekdays.contains(&day);
        if self.from < self.to {
            return on(local.weekday) && (self.from..self.to).contains(&local.time);
        }
        (on(local.weekday) && local.time >= self.from) || (on(before(local.weekday)) && local.time < self.to)
    }
}

const fn before(day: Weekday) -> Weekday {
    match day {
        Weekday::Monday => Weekday::Sunday,
        Weekday::Tuesday => Weekday::Monday,
        Weekday::Wednesday => Weekday::Tuesday,
        Weekday::Thursday => Weekday::Wednesday,
        Weekday::Friday => Weekday::Thursday,
        Weekday::Saturday => Weekday::Friday,
        Weekday::Sunday => Weekday::Saturday,
    }
}
