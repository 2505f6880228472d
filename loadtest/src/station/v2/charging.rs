//! Charging profiles in the words of 2.x.

use serde_json::{Map, Value, json};

use crate::frame::Fault;
use crate::payload::{Fields, out_of_range};
use crate::profile::{Kind, Period, Profile, Purpose, RateUnit, Refusal, Schedule, Selection};
use crate::rpc::{Outgoing, Purpose as CallPurpose};
use crate::station::v2::commands::accepted_or;
use crate::station::{Station, Version};
use crate::unit::{Moment, Watts};
use crate::vehicle::PHASE_VOLTS;

/// Reads a ChargingProfile. Of several schedules the first counts: these cars choose no tariff.
pub(super) fn read(value: &Value) -> Result<Profile, Fault> {
    let asked = Fields::of(value);
    let schedules = asked.list("chargingSchedule")?;
    let schedule = Fields::of(schedules.first().ok_or_else(|| out_of_range("chargingSchedule"))?);
    let start = schedule.maybe_time("startSchedule")?;
    let kind = match (asked.text("chargingProfileKind")?, asked.maybe_text("recurrencyKind")?) {
        ("Absolute", _) => Kind::Absolute,
        ("Relative", _) => Kind::Relative,
        ("Recurring", Some("Daily")) => Kind::Daily,
        ("Recurring", Some("Weekly")) => Kind::Weekly,
        ("Dynamic", _) => Kind::Dynamic,
        _ => return Err(out_of_range("chargingProfileKind")),
    };
    Ok(Profile {
        id: asked.integer("id")?,
        stack_level: asked.integer("stackLevel")?,
        purpose: read_purpose(asked.text("chargingProfilePurpose")?)?,
        kind,
        valid_from: asked.maybe_time("validFrom")?,
        valid_to: asked.maybe_time("validTo")?,
        transaction: asked.maybe_text("transactionId")?.map(str::to_owned),
        offline_max_s: asked.maybe_integer("maxOfflineDuration")?,
        schedule: Schedule {
            start,
            duration_s: schedule.maybe_integer("duration")?,
            unit: read_unit(schedule.text("chargingRateUnit")?)?,
            periods: read_periods(schedule)?,
        },
        raw: value.clone(),
    })
}

/// Reads A or W.
pub(in crate::station) fn read_unit(text: &str) -> Result<RateUnit, Fault> {
    match text {
        "A" => Ok(RateUnit::Amperes),
        "W" => Ok(RateUnit::Watts),
        _ => Err(out_of_range("chargingRateUnit")),
    }
}

/// Reads the periods of a schedule of any version.
pub(in crate::station) fn read_periods(schedule: Fields<'_>) -> Result<Vec<Period>, Fault> {
    let periods = schedule.list("chargingSchedulePeriod")?.iter().map(|period| {
        let period = Fields::of(period);
        Ok(Period {
            start_s: period.integer("startPeriod")?,
            limit_thousandths: period.maybe_thousandths("limit")?,
            phases: period.maybe_integer("numberPhases")?.and_then(|phases| u64::try_from(phases).ok()),
        })
    });
    periods.collect()
}

fn read_purpose(text: &str) -> Result<Purpose, Fault> {
    match text {
        "ChargingStationMaxProfile" => Ok(Purpose::StationMax),
        "TxDefaultProfile" => Ok(Purpose::TxDefault),
        "TxProfile" => Ok(Purpose::Tx),
        _ => Err(out_of_range("chargingProfilePurpose")),
    }
}

/// Power as it is written in a schedule; ampere count per phase of three, cut to one decimal.
pub(in crate::station) fn in_unit(limit: Watts, unit: RateUnit) -> Value {
    match unit {
        RateUnit::Watts => json!(limit.0),
        RateUnit::Amperes => {
            let deciamperes = u32::try_from(limit.0 * 10 / (3 * PHASE_VOLTS)).unwrap_or(u32::MAX);
            json!(f64::from(deciamperes) / 10.0)
        }
    }
}

pub(super) fn set(station: &mut Station, asked: Fields<'_>) -> Result<Value, Fault> {
    let evse = asked.place("evseId")?;
    // Purposes no CSMS may set, or nobody simulates, are refused, not faulted (K01.FR.22).
    let told = asked.object("chargingProfile")?;
    if read_purpose(told.text("chargingProfilePurpose")?).is_err() {
        return Ok(accepted_or(false, "UnsupportedParam"));
    }
    let dynamic = told.text("chargingProfileKind")? == "Dynamic";
    if dynamic && station.make.version != Version::V21 {
        return Err(out_of_range("chargingProfileKind"));
    }
    let profile = read(asked.raw("chargingProfile").unwrap_or(&Value::Null))?;
    let start = profile.schedule.start;
    let start_fits = match profile.kind {
        Kind::Absolute | Kind::Daily | Kind::Weekly => start.is_some(),
        Kind::Relative => start.is_none(),
        Kind::Dynamic => true,
    };
    if !start_fits {
        // K01.FR.40, K01.FR.41.
        return Ok(accepted_or(false, "InvalidSchedule"));
    }
    Ok(match station.set_profile(evse, profile, true) {
        Ok(()) => accepted_or(true, ""),
        Err(Refusal(reason)) => accepted_or(false, reason),
    })
}

pub(super) fn clear(station: &mut Station, asked: Fields<'_>) -> Result<Value, Fault> {
    let criteria = asked.maybe_object("chargingProfileCriteria")?;
    let selection = match (asked.maybe_integer("chargingProfileId")?, criteria) {
        // The id wins over everything else.
        (Some(id), _) => Selection { ids: vec![id], ..Selection::default() },
        (None, Some(criteria)) => Selection {
            ids: Vec::new(),
            evse: criteria.maybe_place("evseId")?,
            purpose: criteria.maybe_text("chargingProfilePurpose")?.map(read_purpose).transpose()?,
            stack_level: criteria.maybe_integer("stackLevel")?,
        },
        (None, None) => Selection::default(),
    };
    let cleared = station.profiles.clear(&selection);
    Ok(json!({ "status": if cleared > 0 { "Accepted" } else { "Unknown" } }))
}

/// GetChargingProfiles: what is installed comes in one ReportChargingProfiles per EVSE.
pub(super) fn get(station: &mut Station, asked: Fields<'_>) -> Result<Value, Fault> {
    let request = asked.integer("requestId")?;
    let criteria = asked.object("chargingProfile")?;
    let ids = criteria.maybe_list("chargingProfileId")?.iter().filter_map(Value::as_i64).collect();
    let selection = Selection {
        ids,
        evse: asked.maybe_place("evseId")?,
        purpose: criteria.maybe_text("chargingProfilePurpose")?.map(read_purpose).transpose()?,
        stack_level: criteria.maybe_integer("stackLevel")?,
    };
    let sources = criteria.maybe_list("chargingLimitSource")?;
    // All profiles here were set by the CSMS.
    let wanted = sources.is_empty() || sources.iter().any(|source| source.as_str() == Some("CSO"));
    let mut by_evse: Vec<(u32, Vec<Value>)> = Vec::new();
    for (evse, profile) in station.profiles.select(&selection).filter(|_| wanted) {
        match by_evse.iter_mut().find(|(known, _)| *known == evse) {
            Some((_, profiles)) => profiles.push(as_told(profile)),
            None => by_evse.push((evse, vec![as_told(profile)])),
        }
    }
    if by_evse.is_empty() {
        return Ok(json!({ "status": "NoProfiles" }));
    }
    let parts = by_evse.len();
    for (part, (evse, profiles)) in by_evse.into_iter().enumerate() {
        let payload = json!({
            "requestId": request,
            "chargingLimitSource": "CSO",
            "evseId": evse,
            "tbc": part + 1 < parts,
            "chargingProfile": profiles,
        });
        station.say(Outgoing::new("ReportChargingProfiles", payload, CallPurpose::Notice));
    }
    Ok(json!({ "status": "Accepted" }))
}

/// A profile as it was sent; a dynamic one with the limit it has now, one of a remote start with its transaction.
fn as_told(profile: &Profile) -> Value {
    let mut told = profile.raw.clone();
    if let (Some(transaction), Some(members)) = (&profile.transaction, told.as_object_mut()) {
        members.insert("transactionId".into(), json!(transaction));
    }
    let limit = profile.schedule.periods.first().and_then(|period| period.limit_thousandths);
    if let (Kind::Dynamic, Some(limit)) = (profile.kind, limit)
        && let Some(period) = told.pointer_mut("/chargingSchedule/0/chargingSchedulePeriod/0")
        && let Some(members) = period.as_object_mut()
    {
        let decimals = i32::try_from(limit / 100).unwrap_or(i32::MAX);
        members.insert("limit".into(), json!(f64::from(decimals) / 10.0));
    }
    told
}

pub(super) fn composite(station: &mut Station, now: Moment, asked: Fields<'_>) -> Result<Value, Fault> {
    let evse = asked.place("evseId")?;
    let duration_s = asked.integer("duration")?;
    let unit = asked.maybe_text("chargingRateUnit")?.map(read_unit).transpose()?.unwrap_or(RateUnit::Watts);
    if evse != 0 && station.evse(evse).is_none() {
        return Ok(accepted_or(false, "UnknownEvse"));
    }
    if duration_s < 1 {
        return Ok(accepted_or(false, "ValueOutOfRange"));
    }
    if unit == RateUnit::Amperes && station.make.current == crate::vehicle::Current::Dc {
        return Ok(accepted_or(false, "UnsupportedRateUnit"));
    }
    let periods = station.composite(now, evse, duration_s).into_iter().map(|(start_s, limit)| {
        let mut period = Map::new();
        period.insert("startPeriod".into(), json!(start_s));
        period.insert("limit".into(), in_unit(limit, unit));
        if unit == RateUnit::Amperes {
            period.insert("numberPhases".into(), json!(3));
        }
        Value::Object(period)
    });
    Ok(json!({
        "status": "Accepted",
        "schedule": {
            "evseId": evse,
            "duration": duration_s,
            "scheduleStart": station.clock.stamp(now),
            "chargingRateUnit": if unit == RateUnit::Watts { "W" } else { "A" },
            "chargingSchedulePeriod": periods.collect::<Vec<Value>>(),
        },
    }))
}
