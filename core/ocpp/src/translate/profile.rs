//! Charging profiles as numbers of the wire, the same in both families.
//!
//! Never: which profile is right (domain). A limit is rounded down to what the wire can say, because a limit must hold.

use ringmain_domain::command::{ChargingProfile, LimitUnit, ProfileKind, ProfilePurpose};
use ringmain_domain::time::Timestamp;
use rust_decimal::Decimal;
use serde_json::Value;
use serde_json::value::RawValue;

use super::CommandRefusal;

/// The most periods of one schedule.
const PERIODS_MAX: usize = 24;

/// Checks what all versions ask of a profile: periods in order from 0, limits not negative, a transaction where there must be one. One
/// that is over already is refused too: the station would accept it, and nothing would hold.
pub(super) fn check(profile: &ChargingProfile, now: Timestamp) -> Result<(), CommandRefusal> {
    let invalid = |path: &str, reason: &str| Err(CommandRefusal::invalid(path, reason));
    if !(1..=PERIODS_MAX).contains(&profile.periods.len()) {
        return invalid("profile.periods", "there must be 1 to 24 periods");
    }
    if profile.periods.first().is_some_and(|period| period.start_s != 0) {
        return invalid("profile.periods", "the first period must start at 0");
    }
    let rising =
        profile.periods.windows(2).all(|pair| matches!(pair, [one, next] if one.start_s < next.start_s));
    if !rising {
        return invalid("profile.periods", "starts must rise");
    }
    if profile.periods.iter().any(|period| period.limit < 0) {
        return invalid("profile.periods.limit", "a limit must not be negative");
    }
    if profile.periods.iter().any(|period| period.phases.is_some_and(|phases| !(1..=3).contains(&phases))) {
        return invalid("profile.periods.phases", "there are 1 to 3 phases");
    }
    if profile.kind == ProfileKind::Dynamic && (profile.periods.len() > 1 || profile.duration_s.is_some()) {
        return invalid("profile.kind", "a dynamic profile has one period and no duration");
    }
    if (profile.purpose == ProfilePurpose::Transaction) != profile.transaction_id.is_some() {
        return invalid(
            "profile.transaction_id",
            "a transaction belongs to the purpose `transaction` and to no other",
        );
    }
    let lasts_until = profile.duration_s.map(|seconds| profile.starts_at.plus_secs(seconds.into()));
    if lasts_until.into_iter().chain(profile.valid_to).any(|end| end <= now) {
        return invalid("profile", "the profile has ended already");
    }
    Ok(())
}

/// A limit in W or, per phase, in A with one decimal (1.6 section 7.14: "at most one digit fraction").
pub(super) fn limit(unit: LimitUnit, limit: i64) -> Decimal {
    match unit {
        LimitUnit::Watts => Decimal::new(limit, 0),
        LimitUnit::Milliamps => Decimal::new(limit.div_euclid(100), 1),
    }
}

/// Whether a raw request of any version changes the profiles that a station has. A remote start may bring one along.
#[must_use]
pub fn changes_profiles(action: &str, payload: &str) -> bool {
    let has_profile = || {
        let payload: Option<Value> = serde_json::from_str(payload).ok();
        payload.is_some_and(|payload| payload.get("chargingProfile").is_some())
    };
    match action {
        "SetChargingProfile" | "ClearChargingProfile" | "UpdateDynamicSchedule" => true,
        "RemoteStartTransaction" | "RequestStartTransaction" => has_profile(),
        _ => false,
    }
}

/// The component and the variable of a station that takes updates of dynamic profiles (OCPP 2.1 part 2, SmartChargingCtrlr).
pub(super) const DYNAMIC: (&str, &str) = ("SmartChargingCtrlr", "SupportsDynamicProfiles");

/// Whether a station takes updates of dynamic profiles, from its answer to
/// [`StationCommand::AskDynamicProfiles`](ringmain_domain::command::StationCommand::AskDynamicProfiles). What it does not say is a no.
#[must_use]
pub fn takes_updates(payload: &RawValue) -> bool {
    let answer: Option<Value> = serde_json::from_str(payload.get()).ok();
    let value = answer.as_ref().and_then(|answer| answer.pointer("/getVariableResult/0/attributeValue"));
    value.and_then(Value::as_str).is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
}

/// What a station allows now, from its answer to GetCompositeSchedule of any version: the first period's limit, rounded up. `None` where it
/// tells none, or in another unit than asked for.
#[must_use]
pub fn composite_limit(payload: &RawValue, unit: LimitUnit) -> Option<i64> {
    let answer: Value = serde_json::from_str(payload.get()).ok()?;
    let schedule = answer.get("schedule").or_else(|| answer.get("chargingSchedule"))?;
    let named = match unit {
        LimitUnit::Watts => "W",
        LimitUnit::Milliamps => "A",
    };
    if schedule.get("chargingRateUnit")?.as_str()? != named {
        return None;
    }
    let period = schedule.get("chargingSchedulePeriod")?.get(0)?;
    let limit: Decimal = period.get("limit")?.to_string().parse().ok()?;
    let scaled = match unit {
        LimitUnit::Watts => limit,
        LimitUnit::Milliamps => limit.checked_mul(Decimal::ONE_THOUSAND)?,
    };
    i64::try_from(scaled.ceil()).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_composite_is_read_from_both_families() {
        let read = |payload: &str| {
            composite_limit(&RawValue::from_string(payload.to_owned()).unwrap(), LimitUnit::Milliamps)
        };
        let schedule =
            r#"{"chargingRateUnit":"A","chargingSchedulePeriod":[{"startPeriod":0,"limit":6.05}]}"#;
        assert_eq!(read(&format!(r#"{{"status":"Accepted","chargingSchedule":{schedule}}}"#)), Some(6_050));
        assert_eq!(read(&format!(r#"{{"status":"Accepted","schedule":{schedule}}}"#)), Some(6_050));
        for none in [
            r#"{"status":"Rejected"}"#,
            r#"{"schedule":{"chargingRateUnit":"W","chargingSchedulePeriod":[{"startPeriod":0,"limit":6}]}}"#,
            r#"{"schedule":{"chargingRateUnit":"A","chargingSchedulePeriod":[]}}"#,
            r#"{"schedule":{"chargingRateUnit":"A","chargingSchedulePeriod":[{"startPeriod":0,"limit":"x"}]}}"#,
        ] {
            assert_eq!(read(none), None, "{none}");
        }
    }

    #[test]
    fn a_raw_request_that_changes_profiles_is_known_by_what_it_brings() {
        for (action, payload, changes) in [
            ("SetChargingProfile", "{}", true),
            ("ClearChargingProfile", "{}", true),
            ("UpdateDynamicSchedule", "{}", true),
            ("RequestStartTransaction", r#"{"chargingProfile":{}}"#, true),
            ("RemoteStartTransaction", r#"{"\u0063hargingProfile":{}}"#, true),
            ("RemoteStartTransaction", "{}", false),
            ("GetCompositeSchedule", "{}", false),
        ] {
            assert_eq!(changes_profiles(action, payload), changes, "{action} {payload}");
        }
    }

    #[test]
    fn only_a_station_that_says_so_takes_updates() {
        let takes = |answer: Value| takes_updates(&RawValue::from_string(answer.to_string()).unwrap());
        let says = |value: Value| {
            takes(json!({"getVariableResult": [{"attributeStatus": "Accepted", "attributeValue": value}]}))
        };
        assert!(says(json!("true")) && says(json!(" True ")));
        assert!(!says(json!("false")) && !says(json!("")) && !says(json!(true)));
        for other in
            [json!({}), json!([]), json!({"getVariableResult": [{"attributeStatus": "UnknownVariable"}]})]
        {
            assert!(!takes(other.clone()), "{other}");
        }
    }

    #[test]
    fn a_limit_is_rounded_down_never_up() {
        for (unit, value, expect) in [
            (LimitUnit::Watts, 11_040, "11040"),
            (LimitUnit::Milliamps, 16_000, "16.0"),
            (LimitUnit::Milliamps, 6_199, "6.1"),
            (LimitUnit::Milliamps, 99, "0.0"),
        ] {
            assert_eq!(limit(unit, value).to_string(), expect);
        }
    }
}
