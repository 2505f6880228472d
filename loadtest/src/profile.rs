//! Charging profiles as a station keeps them: installing, replacing, clearing, and what they allow at an instant.
//!
//! One model for all versions: `station/v16` and `station/v2` read and write its JSON. Never knows a clock; the instant
//! asked about is passed in. Rules: OCPP 1.6 section 3.13, OCPP 2.0.1 K01.

use std::time::Duration;

use serde_json::Value;

use crate::clock::Utc;
use crate::unit::Watts;
use crate::vehicle::PHASE_VOLTS;

/// Profiles a station holds at once.
pub const PROFILES_MAX: usize = 32;
/// Highest stack level.
pub const STACK_LEVEL_MAX: i64 = 8;
/// Periods in one schedule.
pub const PERIODS_MAX: usize = 24;
/// Instants at which a composite schedule may change; the rest of a longer one is cut off.
const CHANGES_MAX: usize = 500;

/// What a profile is for; purposes nobody simulates are refused before they come here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The whole station (ChargePointMaxProfile, ChargingStationMaxProfile).
    StationMax,
    /// Any transaction without a profile of its own.
    TxDefault,
    /// One running transaction.
    Tx,
}

/// Where a schedule's zero lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// At `start`.
    Absolute,
    /// At `start` and every day after it.
    Daily,
    /// At `start` and every week after it.
    Weekly,
    /// At the start of the transaction.
    Relative,
    /// Always now: one limit, changed by UpdateDynamicSchedule (2.1).
    Dynamic,
}

/// The unit a limit is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateUnit {
    /// All phases together.
    Watts,
    /// Each phase.
    Amperes,
}

/// A limit from an offset on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// Seconds after the schedule's zero.
    pub start_s: i64,
    /// The limit in thousandths of its unit; absent in 2.1 where something else is set.
    pub limit_thousandths: Option<i64>,
    /// Phases the limit counts on, as given.
    pub phases: Option<u64>,
}

/// Limits in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The schedule's zero for Absolute and recurring ones.
    pub start: Option<Utc>,
    /// Seconds after which it says nothing more.
    pub duration_s: Option<i64>,
    /// Unit of all limits.
    pub unit: RateUnit,
    /// Ascending, the first at 0.
    pub periods: Vec<Period>,
}

/// One charging profile.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// Given by the CSMS.
    pub id: i64,
    /// The higher wins within a purpose.
    pub stack_level: i64,
    /// What it is for.
    pub purpose: Purpose,
    /// Where its schedule's zero lies.
    pub kind: Kind,
    /// Not before.
    pub valid_from: Option<Utc>,
    /// Not from here on.
    pub valid_to: Option<Utc>,
    /// The transaction of a [`Purpose::Tx`].
    pub transaction: Option<String>,
    /// Offline for longer than this many seconds, it does not count (2.1).
    pub offline_max_s: Option<i64>,
    /// Its limits.
    pub schedule: Schedule,
    /// As it was sent, for reading it back.
    pub raw: Value,
}

/// Why a profile is not taken, as a 2.x reason code (OCPP 2.0.1 part 2, appendix 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal(pub &'static str);

/// The instant a limit is asked for, with what it depends on.
#[derive(Clone, Debug)]
pub struct Occasion<'a> {
    /// The instant.
    pub at: Utc,
    /// Id and start of the transaction that is asked about.
    pub transaction: Option<(&'a str, Utc)>,
    /// How long the station has been without connection.
    pub offline_for: Option<Duration>,
    /// Phases the car uses, for limits in ampere.
    pub phases: u64,
}

/// Which profiles to clear or to report; all fields that are set must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// These ids; empty for any.
    pub ids: Vec<i64>,
    /// This EVSE, 0 for the station itself.
    pub evse: Option<u32>,
    /// This purpose.
    pub purpose: Option<Purpose>,
    /// This stack level.
    pub stack_level: Option<i64>,
}

/// All profiles of one station, each with its EVSE; 0 is the station.
#[derive(Clone, Debug, Default)]
pub struct Profiles {
    installed: Vec<(u32, Profile)>,
}

// === impl Profile ===

impl Profile {
    /// Checks what the text of the standard demands of any profile, whoever it is for.
    ///
    /// # Errors
    /// The reason the station answers Rejected with.
    pub fn check(&self, evse: u32) -> Result<(), Refusal> {
        if !(0..=STACK_LEVEL_MAX).contains(&self.stack_level) {
            return Err(Refusal("InvalidStackLevel"));
        }
        let periods = &self.schedule.periods;
        if periods.len() > PERIODS_MAX {
            return Err(Refusal("TooManyElements"));
        }
        let ascending = periods.iter().zip(periods.iter().skip(1)).all(|(a, b)| a.start_s < b.start_s);
        if periods.first().is_none_or(|first| first.start_s != 0) || !ascending {
            return Err(Refusal("InvalidSchedule"));
        }
        match self.purpose {
            Purpose::StationMax if evse != 0 || self.kind == Kind::Relative => Err(Refusal("InvalidProfile")),
            Purpose::Tx if evse == 0 => Err(Refusal("InvalidProfile")),
            Purpose::StationMax | Purpose::TxDefault | Purpose::Tx => Ok(()),
        }
    }

    /// The zero of the schedule that counts at an instant.
    fn base(&self, at: Utc, transaction_start: Option<Utc>) -> Option<Utc> {
        let recurring = |period_s: i64| {
            let start = self.schedule.start?;
            let rounds = (at.0 - start.0).div_euclid(period_s * 1_000);
            (rounds >= 0).then(|| start.plus_s(rounds * period_s))
        };
        match self.kind {
            Kind::Absolute => self.schedule.start.or(transaction_start).or(Some(at)),
            Kind::Daily => recurring(86_400),
            Kind::Weekly => recurring(7 * 86_400),
            // Without a transaction a relative schedule is read as if one began now.
            Kind::Relative => transaction_start.or(Some(at)),
            Kind::Dynamic => Some(at),
        }
    }

    /// The limit at an instant; `None` when the profile says nothing then.
    fn limit(&self, occasion: &Occasion<'_>) -> Option<Watts> {
        let at = occasion.at;
        let begun = self.valid_from.is_none_or(|from| from <= at);
        let over = self.valid_to.is_some_and(|to| to <= at);
        let offline = match (self.offline_max_s, occasion.offline_for) {
            (Some(max_s), Some(offline)) => i64::try_from(offline.as_secs()).is_ok_and(|s| s >= max_s),
            (None, _) | (_, None) => false,
        };
        if !begun || over || offline {
            return None;
        }
        let offset_ms = at.0 - self.base(at, occasion.transaction.map(|(_, start)| start))?.0;
        let inside =
            self.schedule.duration_s.is_none_or(|duration_s| offset_ms < duration_s.saturating_mul(1_000));
        if offset_ms < 0 || !inside {
            return None;
        }
        let started = |period: &&Period| period.start_s.saturating_mul(1_000) <= offset_ms;
        let period = self.schedule.periods.iter().rev().find(started)?;
        let phases = period.phases.map_or(occasion.phases, |phases| phases.min(occasion.phases));
        period.limit_thousandths.map(|limit| watts(limit, self.schedule.unit, phases))
    }

    /// Seconds from `from` at which the limit may change, within `duration_s`.
    fn changes(&self, from: Utc, duration_s: i64, transaction_start: Option<Utc>, into: &mut Vec<i64>) {
        let mut note = |at: Utc| {
            let offset_s = (at.0 - from.0).div_euclid(1_000);
            let room = into.len() < CHANGES_MAX && !into.contains(&offset_s);
            if (1..duration_s).contains(&offset_s) && room {
                into.push(offset_s);
            }
        };
        self.valid_from.into_iter().chain(self.valid_to).for_each(&mut note);
        let rounds = match self.kind {
            Kind::Daily => duration_s / 86_400 + 1,
            Kind::Weekly => duration_s / (7 * 86_400) + 1,
            Kind::Absolute | Kind::Relative => 0,
            Kind::Dynamic => return,
        };
        let step_s = if self.kind == Kind::Weekly { 7 * 86_400 } else { 86_400 };
        // Before its first round a recurring schedule has no base yet, but it may begin inside the window.
        let Some(base) = self.base(from, transaction_start).or(self.schedule.start) else { return };
        for round in 0..=rounds.min(400) {
            let zero = base.plus_s(round * step_s);
            note(zero);
            self.schedule.periods.iter().for_each(|period| note(zero.plus_s(period.start_s)));
            self.schedule.duration_s.into_iter().for_each(|duration_s| note(zero.plus_s(duration_s)));
        }
    }
}

// === impl Profiles ===

impl Profiles {
    /// Takes a checked profile; it replaces one of the same id, or of the same EVSE, purpose and stack level.
    ///
    /// # Errors
    /// The reason the station answers Rejected with: no room, or, with `strict_ids`, another id for the same transaction
    /// and stack level (OCPP 2.0.1 K01.FR.39).
    pub fn install(&mut self, evse: u32, profile: Profile, strict_ids: bool) -> Result<(), Refusal> {
        let same_place = |(at, known): &(u32, Profile)| {
            *at == evse && known.purpose == profile.purpose && known.stack_level == profile.stack_level
        };
        let duplicate = profile.purpose == Purpose::Tx
            && self.installed.iter().any(|known| same_place(known) && known.1.id != profile.id);
        if strict_ids && duplicate {
            return Err(Refusal("DuplicateProfile"));
        }
        let stays = |known: &(u32, Profile)| known.1.id != profile.id && !same_place(known);
        if self.installed.iter().filter(|known| stays(known)).count() >= PROFILES_MAX {
            return Err(Refusal("TooManyElements"));
        }
        self.installed.retain(stays);
        self.installed.push((evse, profile));
        Ok(())
    }

    /// Removes what is selected; returns how many there were.
    pub fn clear(&mut self, selection: &Selection) -> usize {
        let before = self.installed.len();
        self.installed.retain(|(evse, profile)| !selection.fits(*evse, profile));
        before - self.installed.len()
    }

    /// The profiles that are selected, each with its EVSE.
    pub fn select<'a>(&'a self, selection: &'a Selection) -> impl Iterator<Item = (u32, &'a Profile)> {
        let all = self.installed.iter().map(|(evse, profile)| (*evse, profile));
        all.filter(|(evse, profile)| selection.fits(*evse, profile))
    }

    /// Changes the limit of a dynamic profile; `false` when there is none of that id.
    pub fn update_dynamic(&mut self, id: i64, limit_thousandths: i64) -> bool {
        let found =
            self.installed.iter_mut().find(|(_, known)| known.id == id && known.kind == Kind::Dynamic);
        let Some((_, profile)) = found else { return false };
        for period in &mut profile.schedule.periods {
            period.limit_thousandths = Some(limit_thousandths);
        }
        true
    }

    /// A transaction ended: its profile ends with it.
    pub fn end_transaction(&mut self, evse: u32) {
        self.installed.retain(|(at, known)| *at != evse || known.purpose != Purpose::Tx);
    }

    /// What one EVSE may draw: its transaction's profile, else the default; `None` is no limit.
    #[must_use]
    pub fn evse_limit(&self, evse: u32, occasion: &Occasion<'_>) -> Option<Watts> {
        let own = occasion.transaction.and_then(|(id, _)| {
            self.highest(occasion, |at, profile| {
                let fits = profile.transaction.as_deref().is_none_or(|known| known == id);
                at == evse && profile.purpose == Purpose::Tx && fits
            })
        });
        own.or_else(|| {
            let default =
                |at, profile: &Profile| (at == evse || at == 0) && profile.purpose == Purpose::TxDefault;
            self.highest(occasion, default)
        })
    }

    /// What the station may draw in all; `None` is no limit.
    #[must_use]
    pub fn station_limit(&self, occasion: &Occasion<'_>) -> Option<Watts> {
        self.highest(occasion, |_, profile| profile.purpose == Purpose::StationMax)
    }

    /// Ascending offsets in seconds from `from`, the first 0, at which a limit may change within `duration_s`.
    #[must_use]
    pub fn changes(&self, from: Utc, duration_s: i64, start_of: impl Fn(u32) -> Option<Utc>) -> Vec<i64> {
        let mut offsets = vec![0];
        for (evse, profile) in &self.installed {
            profile.changes(from, duration_s, start_of(*evse), &mut offsets);
        }
        offsets.sort_unstable();
        offsets
    }

    /// The limit of the highest stack level that says something; among equals the EVSE's own beats the station's.
    fn highest(&self, occasion: &Occasion<'_>, fits: impl Fn(u32, &Profile) -> bool) -> Option<Watts> {
        let candidates = self.installed.iter().filter(|(evse, profile)| fits(*evse, profile));
        let speaking =
            candidates.filter_map(|(evse, known)| Some((known.stack_level, *evse, known.limit(occasion)?)));
        speaking.max_by_key(|(level, evse, _)| (*level, *evse > 0)).map(|(_, _, limit)| limit)
    }
}

// === impl Selection ===

impl Selection {
    fn fits(&self, evse: u32, profile: &Profile) -> bool {
        (self.ids.is_empty() || self.ids.contains(&profile.id))
            && self.evse.is_none_or(|wanted| wanted == evse)
            && self.purpose.is_none_or(|wanted| wanted == profile.purpose)
            && self.stack_level.is_none_or(|wanted| wanted == profile.stack_level)
    }
}

/// A limit as power over all phases; less than nothing is nothing.
fn watts(limit_thousandths: i64, unit: RateUnit, phases: u64) -> Watts {
    let thousandths = u64::try_from(limit_thousandths).unwrap_or(0);
    match unit {
        RateUnit::Watts => Watts(thousandths / 1_000),
        RateUnit::Amperes => Watts(thousandths.saturating_mul(PHASE_VOLTS).saturating_mul(phases) / 1_000),
    }
}

#[cfg(test)]
mod tests;
