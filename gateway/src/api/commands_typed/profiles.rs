//! Charging profiles: the forms.

use ringmain_domain::command::{
    ChargingProfile, LimitUnit, ProfileKind, ProfilePeriod, ProfilePurpose, StationCommand,
};
use ringmain_domain::id::{EvseId, TransactionId};
use ringmain_domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::fields::Instant;
use crate::api::problem::Problem;

/// The most periods of a charging profile.
pub(super) const PERIODS_MAX: usize = 24;

/// Limit power or current.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct SetChargingProfile {
    /// Where; 0 is the whole station.
    pub(super) evse_id: u32,
    pub(super) profile: ProfileForm,
}

/// Ask what a station would allow: all its profiles together.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct GetCompositeSchedule {
    /// Where; 0 is the whole station.
    evse_id: u32,
    /// From now on; a day when absent.
    #[serde(default = "day")]
    #[schema(minimum = 1)]
    duration_s: u32,
    unit: UnitForm,
}

const fn day() -> u32 {
    86_400
}

impl GetCompositeSchedule {
    pub(super) fn into_domain(self) -> StationCommand {
        StationCommand::GetCompositeSchedule {
            evse_id: EvseId(self.evse_id),
            duration_s: self.duration_s,
            unit: self.unit.into(),
        }
    }

    pub(super) fn of(evse: EvseId, duration_s: u32, unit: LimitUnit) -> Self {
        Self { evse_id: evse.0, duration_s, unit: unit.into() }
    }
}

/// Change the limit of a dynamic profile; all else stays as it was installed, its end too.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct UpdateDynamicSchedule {
    profile_id: i32,
    /// The profile's own.
    unit: UnitForm,
    /// The new limit.
    limit: i64,
    /// How many phases it is for, as in the profile; 3 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    phases: Option<u8>,
}

impl UpdateDynamicSchedule {
    pub(super) fn into_domain(self) -> Result<StationCommand, Problem> {
        let Self { profile_id, unit, limit, phases } = self;
        if limit < 0 {
            return Err(Problem::flaw("/limit", "must not be negative"));
        }
        Ok(StationCommand::UpdateDynamicSchedule { profile_id, unit: unit.into(), limit, phases })
    }

    pub(super) fn of(profile_id: i32, unit: LimitUnit, limit: i64, phases: Option<u8>) -> Self {
        Self { profile_id, unit: unit.into(), limit, phases }
    }
}

/// Ask whether the station takes updates of dynamic profiles.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct AskDynamicProfiles {}

/// A limit over time.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct ProfileForm {
    /// Unique at its station.
    pub(super) profile_id: i32,
    /// Higher levels win over lower ones of the same purpose; 0 when absent.
    #[serde(default)]
    pub(super) stack_level: u32,
    pub(super) purpose: PurposeForm,
    /// `absolute` when absent.
    #[serde(default)]
    pub(super) kind: KindForm,
    /// With purpose `transaction`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(super) transaction_id: Option<TransactionId>,
    /// Not used after this instant.
    #[serde(default, alias = "valid_to", skip_serializing_if = "Option::is_none")]
    pub(super) valid_to_at: Option<Instant>,
    /// When the first period starts; now when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) starts_at: Option<Instant>,
    /// After so many seconds the profile ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) duration_s: Option<u32>,
    pub(super) unit: UnitForm,
    /// 1 to 24, by rising start; the first starts at 0.
    #[schema(min_items = 1, max_items = 24)]
    pub(super) periods: Vec<PeriodForm>,
}

/// What a profile is for.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::api) enum PurposeForm {
    /// The most the whole station may draw.
    StationMax,
    /// The default for transactions.
    TransactionDefault,
    /// For one running transaction.
    Transaction,
}

/// How limits follow time.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::api) enum KindForm {
    /// By its periods, from its start.
    #[default]
    Absolute,
    /// One limit, until it is changed by `update_dynamic_schedule` (2.1).
    Dynamic,
}

/// In what limits are given.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::api) enum UnitForm {
    /// Total power, in W.
    Watts,
    /// Current per phase, in mA.
    Milliamps,
}

/// One step of a profile.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct PeriodForm {
    /// Seconds after the profile's start.
    pub(super) start_s: u32,
    /// In the profile's unit.
    pub(super) limit: i64,
    /// How many phases may be used; the station assumes 3 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) phases: Option<u8>,
}

/// Remove limits; those that match everything that is named.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct ClearChargingProfile {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) profile_id: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) evse_id: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) purpose: Option<PurposeForm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) stack_level: Option<u32>,
}

impl ClearChargingProfile {
    pub(super) fn of(
        profile_id: Option<i32>,
        evse: Option<EvseId>,
        purpose: Option<ProfilePurpose>,
        stack_level: Option<u32>,
    ) -> Self {
        let (evse_id, purpose) = (evse.map(|evse| evse.0), purpose.map(Into::into));
        Self { profile_id, evse_id, purpose, stack_level }
    }
}

impl ProfileForm {
    pub(super) fn into_domain(self, now: Timestamp) -> Result<ChargingProfile, Problem> {
        let starts: Vec<_> = self.periods.iter().map(|period| period.start_s).collect();
        if starts.is_empty() || starts.len() > PERIODS_MAX {
            return Err(Problem::flaw("/profile/periods", format!("1 to {PERIODS_MAX} are needed")));
        }
        if starts.first() != Some(&0) || !starts.is_sorted_by(|earlier, later| earlier < later) {
            return Err(Problem::flaw("/profile/periods", "must start at 0 and rise"));
        }
        if self.periods.iter().any(|period| period.limit < 0) {
            return Err(Problem::flaw("/profile/periods", "limits must not be negative"));
        }
        let period = |form: PeriodForm| ProfilePeriod {
            start_s: form.start_s,
            limit: form.limit,
            phases: form.phases,
        };
        Ok(ChargingProfile {
            profile_id: self.profile_id,
            stack_level: self.stack_level,
            purpose: self.purpose.into(),
            kind: self.kind.into(),
            transaction_id: self.transaction_id,
            valid_to: self.valid_to_at.map(|at| at.0),
            starts_at: self.starts_at.map_or(now, |at| at.0),
            duration_s: self.duration_s,
            unit: self.unit.into(),
            periods: self.periods.into_iter().map(period).collect(),
        })
    }
}

impl From<ChargingProfile> for ProfileForm {
    fn from(profile: ChargingProfile) -> Self {
        let period = |period: ProfilePeriod| PeriodForm {
            start_s: period.start_s,
            limit: period.limit,
            phases: period.phases,
        };
        Self {
            profile_id: profile.profile_id,
            stack_level: profile.stack_level,
            purpose: profile.purpose.into(),
            kind: profile.kind.into(),
            transaction_id: profile.transaction_id,
            valid_to_at: profile.valid_to.map(Into::into),
            starts_at: Some(profile.starts_at.into()),
            duration_s: profile.duration_s,
            unit: profile.unit.into(),
            periods: profile.periods.into_iter().map(period).collect(),
        }
    }
}

same_names!(PurposeForm = ProfilePurpose { StationMax, TransactionDefault, Transaction });
same_names!(KindForm = ProfileKind { Absolute, Dynamic });
same_names!(UnitForm = LimitUnit { Watts, Milliamps });
