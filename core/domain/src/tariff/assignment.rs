//! Which tariff applies where, to whom and when: the most specific assignment counts.

use serde::{Deserialize, Serialize};

use crate::id::{AssignmentId, EvseId, LocationId, StationId, TariffId, TenantId, TokenUid};
use crate::time::Timestamp;
use crate::token::TokenKind;

/// The most assignments a tenant may have.
pub const MAX_ASSIGNMENTS: usize = 2_000;

/// An assignment of a tariff. What is absent does not matter; everything that is set must hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TariffAssignment {
    /// Whose.
    pub tenant: TenantId,
    /// Its id.
    pub id: AssignmentId,
    /// The tariff.
    pub tariff: TariffId,
    /// At this location only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<LocationId>,
    /// At this station only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub station: Option<StationId>,
    /// At this EVSE of the station only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evse: Option<EvseId>,
    /// For tokens of this group only: members, a fleet, tenants of a building.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_group: Option<TokenUid>,
    /// For tokens of this kind only: `direct_payment` for those who pay at the spot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_kind: Option<TokenKind>,
    /// For sessions that start then or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<Timestamp>,
    /// For sessions that start before that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Timestamp>,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A session's start, as far as the choice of a tariff goes.
#[derive(Debug, Clone, Copy)]
pub struct Start<'a> {
    /// Where.
    pub location: Option<&'a LocationId>,
    /// Where.
    pub station: &'a StationId,
    /// Where, once known.
    pub evse: Option<EvseId>,
    /// The token's group.
    pub token_group: Option<&'a TokenUid>,
    /// The token's kind.
    pub token_kind: Option<&'a TokenKind>,
    /// When.
    pub at: Timestamp,
}

/// What is wrong with an assignment, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AssignmentError {
    /// An EVSE without its station.
    #[error("evse_id: an EVSE is known by its station: set charging_station_id too")]
    EvseWithoutStation,
    /// It ends before it begins.
    #[error("valid_until: must be after valid_from")]
    NeverValid,
}

// === impl TariffAssignment ===

impl TariffAssignment {
    /// Checks what the types alone cannot.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub fn check(&self) -> Result<(), AssignmentError> {
        if self.evse.is_some() && self.station.is_none() {
            return Err(AssignmentError::EvseWithoutStation);
        }
        if self.valid_from.zip(self.valid_until).is_some_and(|(from, until)| until <= from) {
            return Err(AssignmentError::NeverValid);
        }
        Ok(())
    }

    /// Does it apply to a session that starts so?
    #[must_use]
    pub fn applies(&self, start: &Start<'_>) -> bool {
        self.location.as_ref().is_none_or(|location| start.location == Some(location))
            && self.station.as_ref().is_none_or(|station| start.station == station)
            && self.evse.is_none_or(|evse| start.evse == Some(evse))
            && self.token_group.as_ref().is_none_or(|group| start.token_group.is_some_and(|g| same(g, group)))
            && self.token_kind.as_ref().is_none_or(|kind| start.token_kind == Some(kind))
            && self.valid_from.is_none_or(|from| from <= start.at)
            && self.valid_until.is_none_or(|until| start.at < until)
    }

    /// Who comes before where: a member pays the member's price at every EVSE, unless that EVSE has one for members too.
    fn rank(&self) -> (u8, u8, Option<Timestamp>) {
        let who = u8::from(self.token_group.is_some()) * 2 + u8::from(self.token_kind.is_some());
        let place = u8::from(self.evse.is_some()) * 4
            + u8::from(self.station.is_some()) * 2
            + u8::from(self.location.is_some());
        (who, place, self.valid_from)
    }
}

/// Tokens compare without case.
fn same(a: &TokenUid, b: &TokenUid) -> bool {
    a.as_str().eq_ignore_ascii_case(b.as_str())
}

/// The assignment that counts: the most specific about who, then about where, then the one that began last, then the first by id.
#[must_use]
pub fn choose<'a>(
    assignments: impl IntoIterator<Item = &'a TariffAssignment>,
    start: &Start<'_>,
) -> Option<&'a TariffAssignment> {
    let applying = assignments.into_iter().filter(|assignment| assignment.applies(start));
    applying.max_by(|a, b| a.rank().cmp(&b.rank()).then_with(|| b.id.cmp(&a.id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assignment(id: &str, change: impl FnOnce(&mut TariffAssignment)) -> TariffAssignment {
        let mut assignment = TariffAssignment {
            tenant: TenantId::default_tenant(),
            id: AssignmentId::new(id).unwrap(),
            tariff: TariffId::new(id).unwrap(),
            location: None,
            station: None,
            evse: None,
            token_group: None,
            token_kind: None,
            valid_from: None,
            valid_until: None,
            updated_at: Timestamp::from_millis(0),
        };
        change(&mut assignment);
        assignment
    }

    #[test]
    fn the_most_specific_assignment_counts() {
        let (location, station) = (LocationId::new("L").unwrap(), StationId::new("CS").unwrap());
        let group = TokenUid::new("FLEET").unwrap();
        let all = [
            assignment("everywhere", |_| {}),
            assignment("location", |a| a.location = Some(location.clone())),
            assignment("station", |a| a.station = Some(station.clone())),
            assignment("evse", |a| {
                a.station = Some(station.clone());
                a.evse = Some(EvseId(1));
            }),
            assignment("members", |a| a.token_group = Some(TokenUid::new("fleet").unwrap())),
            assignment("members-here", |a| {
                a.token_group = Some(group.clone());
                a.station = Some(station.clone());
                a.valid_from = Some(Timestamp::from_millis(100));
                a.valid_until = Some(Timestamp::from_millis(200));
            }),
            assignment("ad-hoc", |a| a.token_kind = Some(TokenKind::DirectPayment)),
        ];
        let start = Start {
            location: Some(&location),
            station: &station,
            evse: Some(EvseId(1)),
            token_group: None,
            token_kind: Some(&TokenKind::Rfid),
            at: Timestamp::from_millis(50),
        };
        let check = |start: Start<'_>, expect: &str| {
            assert_eq!(choose(&all, &start).unwrap().id.as_str(), expect);
        };
        check(start, "evse");
        check(Start { evse: Some(EvseId(2)), ..start }, "station");
        let elsewhere = StationId::new("CS-9").unwrap();
        check(Start { station: &elsewhere, ..start }, "location");
        check(Start { station: &elsewhere, location: None, ..start }, "everywhere");
        let member = Start { token_group: Some(&group), ..start };
        check(member, "members");
        check(Start { at: Timestamp::from_millis(100), ..member }, "members-here");
        check(Start { at: Timestamp::from_millis(200), ..member }, "members");
        check(Start { token_kind: Some(&TokenKind::DirectPayment), ..start }, "ad-hoc");
        assert!(choose(&[], &start).is_none());
    }

    #[test]
    fn of_two_equal_ones_the_later_counts_and_then_the_first_by_id() {
        let station = StationId::new("CS").unwrap();
        let start = Start {
            location: None,
            station: &station,
            evse: None,
            token_group: None,
            token_kind: None,
            at: Timestamp::from_millis(50),
        };
        let old = assignment("old", |a| a.valid_from = Some(Timestamp::from_millis(1)));
        let new = assignment("new", |a| a.valid_from = Some(Timestamp::from_millis(2)));
        assert_eq!(choose([&old, &new], &start).unwrap().id.as_str(), "new");
        let (a, b) = (assignment("a", |_| {}), assignment("b", |_| {}));
        assert_eq!(choose([&b, &a], &start).unwrap().id.as_str(), "a");
    }

    #[test]
    fn an_assignment_that_cannot_be_right_is_refused_with_its_place() {
        let evse = assignment("x", |a| a.evse = Some(EvseId(1)));
        assert!(evse.check().unwrap_err().to_string().starts_with("evse_id:"));
        let never = assignment("x", |a| {
            a.valid_from = Some(Timestamp::from_millis(2));
            a.valid_until = Some(Timestamp::from_millis(2));
        });
        assert!(never.check().unwrap_err().to_string().starts_with("valid_until:"));
    }
}
