//! Charging profiles in the words of 1.6.

use serde_json::{Value, json};

use crate::frame::Fault;
use crate::payload::{Fields, out_of_range};
use crate::profile::{Kind, Profile, Purpose, RateUnit, Selection};
use crate::station::Station;
use crate::station::v2::charging::{in_unit, read_periods, read_unit};
use crate::unit::Moment;

/// Reads a ChargingProfile.
pub(super) fn read(value: &Value) -> Result<Profile, Fault> {
    let asked = Fields::of(value);
    let schedule = asked.object("chargingSchedule")?;
    let start = schedule.maybe_time("startSchedule")?;
    let kind = match (asked.text("chargingProfileKind")?, asked.maybe_text("recurrencyKind")?) {
        // Without a start a schedule counts from the start of charging.
        ("Absolute", _) if start.is_none() => Kind::Relative,
        ("Absolute", _) => Kind::Absolute,
        ("Relative", _) => Kind::Relative,
        ("Recurring", Some("Weekly")) => Kind::Weekly,
        ("Recurring", Some("Daily")) => Kind::Daily,
        _ => return Err(out_of_range("chargingProfileKind")),
    };
    Ok(Profile {
        id: asked.integer("chargingProfileId")?,
        stack_level: asked.integer("stackLevel")?,
        purpose: read_purpose(asked.text("chargingProfilePurpose")?)?,
        kind,
        valid_from: asked.maybe_time("validFrom")?,
        valid_to: asked.maybe_time("validTo")?,
        transaction: asked.maybe_integer("transactionId")?.map(|number| number.to_string()),
        offline_max_s: None,
        schedule: crate::profile::Schedule {
            start,
            duration_s: schedule.maybe_integer("duration")?,
            unit: read_unit(schedule.text("chargingRateUnit")?)?,
            periods: read_periods(schedule)?,
        },
        raw: Value::Null,
    })
}

fn read_purpose(text: &str) -> Result<Purpose, Fault> {
    match text {
        "ChargePointMaxProfile" => Ok(Purpose::StationMax),
        "TxDefaultProfile" => Ok(Purpose::TxDefault),
        "TxProfile" => Ok(Purpose::Tx),
        _ => Err(out_of_range("chargingProfilePurpose")),
    }
}

pub(super) fn set(station: &mut Station, asked: Fields<'_>) -> Result<Value, Fault> {
    let connector = asked.place("connectorId")?;
    let profile = read(asked.raw("csChargingProfiles").unwrap_or(&Value::Null))?;
    let status = if station.set_profile(connector, profile, false).is_ok() { "Accepted" } else { "Rejected" };
    Ok(json!({ "status": status }))
}

pub(super) fn clear(station: &mut Station, asked: Fields<'_>) -> Result<Value, Fault> {
    let purpose = asked.maybe_text("chargingProfilePurpose")?.map(read_purpose).transpose()?;
    // The id wins over everything else (OCPP 1.6 section 5.5).
    let selection = match asked.maybe_integer("id")? {
        Some(id) => Selection { ids: vec![id], ..Selection::default() },
        None => Selection {
            ids: Vec::new(),
            evse: asked.maybe_place("connectorId")?,
            purpose,
            stack_level: asked.maybe_integer("stackLevel")?,
        },
    };
    let cleared = station.profiles.clear(&selection);
    Ok(json!({ "status": if cleared > 0 { "Accepted" } else { "Unknown" } }))
}

pub(super) fn composite(station: &mut Station, now: Moment, asked: Fields<'_>) -> Result<Value, Fault> {
    let connector = asked.place("connectorId")?;
    let duration_s = asked.integer("duration")?;
    let unit = asked.maybe_text("chargingRateUnit")?.map(read_unit).transpose()?.unwrap_or(RateUnit::Watts);
    if (connector != 0 && station.evse(connector).is_none()) || duration_s < 1 {
        return Ok(json!({ "status": "Rejected" }));
    }
    let periods: Vec<Value> = station
        .composite(now, connector, duration_s)
        .into_iter()
        .map(|(start_s, limit)| json!({ "startPeriod": start_s, "limit": in_unit(limit, unit) }))
        .collect();
    let start = station.clock.stamp(now);
    Ok(json!({
        "status": "Accepted",
        "connectorId": connector,
        "scheduleStart": start,
        "chargingSchedule": {
            "duration": duration_s,
            "startSchedule": start,
            "chargingRateUnit": if unit == RateUnit::Watts { "W" } else { "A" },
            "chargingSchedulePeriod": periods,
        },
    }))
}
