//! A partner's bill record as what was used, and the tariffs in it as a timeline.

use ringmain_domain::segment::{Activity, Span};
use ringmain_domain::tariff::Tariff;
use ringmain_domain::tariff::pricer::{CdrDocument, CdrPricerError};
use ringmain_domain::tariff::pricing::usage::{MicroKwh, Period, Usage};
use ringmain_domain::time::Timestamp;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;

use super::{error, wire};

const MS_PER_HOUR: i64 = 3_600_000;
/// W in a kW, mA in an A.
const THOUSAND: i64 = 1000;
/// No session lasts longer; a record that says so has a wrong date.
const LONGEST_MS: i64 = 366 * 24 * MS_PER_HOUR;
/// Rounding, and a clock that was read twice, explain as much.
const CAREFUL_MS: i64 = 10_000;
/// Periods that are read.
const MAX_PERIODS: usize = 50_000;

/// What was used. A period lasts until the next begins, the last until the record's end, because hours with four decimals are not exact.
/// Where its volume says something else by more than [`CAREFUL_MS`], the instants are wrong and the volume counts.
pub(super) fn usage(
    cdr: &wire::Cdr,
    reservation_expired: bool,
    notes: &mut Vec<Box<str>>,
) -> Result<Usage, CdrPricerError> {
    let wrong = |place: &str, detail: &str| Err(error(CdrDocument::Cdr, place, detail));
    if cdr.charging_periods.len() > MAX_PERIODS {
        return wrong("/charging_periods", "too many periods");
    }
    let sorted = sorted(cdr);
    let end = cdr.end_date_time.0;
    let first = sorted.first().map_or(cdr.start_date_time.0, |period| period.start_date_time.0);
    let last = sorted.last().map_or(end, |period| period.start_date_time.0.max(end));
    if last.millis_since(first) > LONGEST_MS {
        return wrong("/end_date_time", "is more than a year after the first period");
    }
    let ends = sorted.iter().skip(1).map(|period| period.start_date_time.0).chain([end]);
    let mut periods = Vec::with_capacity(sorted.len());
    for (period, end) in sorted.iter().zip(ends) {
        let from = period.start_date_time.0;
        if end < from {
            notes.push(format!("a period begins at {from}, after the end: it has no length").into());
        }
        add(period, from, end.max(from), &mut periods, notes);
    }
    Ok(Usage { started_at: first, periods, is_cut: true, reservation_expired })
}

fn sorted(cdr: &wire::Cdr) -> Vec<&wire::Period> {
    let mut sorted: Vec<_> = cdr.charging_periods.iter().collect();
    sorted.sort_by_key(|period| period.start_date_time.0);
    sorted
}

fn add(
    period: &wire::Period,
    from: Timestamp,
    to: Timestamp,
    into: &mut Vec<Period>,
    notes: &mut Vec<Box<str>>,
) {
    let volume = |kind: &str| {
        let named = period.dimensions.iter().filter(|volume| volume.kind.eq_ignore_ascii_case(kind));
        named.map(|volume| volume.volume.0).reduce(|sum, volume| sum + volume)
    };
    let energy = MicroKwh::from_kwh(volume("ENERGY").unwrap_or_default());
    let span = |min, max| {
        let (min, max) = (volume(min), volume(max));
        let thousandths = |number: Decimal| (number * Decimal::from(THOUSAND)).round().to_i64();
        let (min, max) = (thousandths(min.or(max)?)?, thousandths(max.or(min)?)?);
        Some(Span { min: min.min(max), max })
    };
    let mean_w = || {
        let hours = Decimal::from(to.millis_since(from)) / Decimal::from(MS_PER_HOUR);
        let watts = volume("ENERGY")?.checked_mul(Decimal::from(THOUSAND))?.checked_div(hours)?;
        watts.round().to_i64().map(Span::steady)
    };
    let whole = Period {
        from,
        to,
        energy,
        activity: None,
        power_w: span("MIN_POWER", "MAX_POWER").or_else(mean_w),
        current_ma: span("MIN_CURRENT", "MAX_CURRENT"),
    };
    let [time, parking, reserved] = ["TIME", "PARKING_TIME", "RESERVATION_TIME"].map(volume);
    let millis = |hours: Option<Decimal>| {
        let millis = hours.unwrap_or_default() * Decimal::from(MS_PER_HOUR);
        millis.round().to_i64().unwrap_or_default().max(0)
    };
    let some = |volume: Option<Decimal>| millis(volume) > 0;
    let activity = if reserved.is_some() {
        Some(Activity::Reserved)
    } else if some(parking) || (parking.is_some() && time.is_none()) {
        Some(Activity::Idle)
    } else {
        time.map(|_| Activity::Charging)
    };
    let said = [time, parking, reserved].map(millis).into_iter().fold(0, i64::saturating_add);
    let length = to.millis_since(from);
    let end = if said > 0 && said.abs_diff(length) > CAREFUL_MS.unsigned_abs() {
        notes
            .push(format!("the period from {from} lasts {length} ms and says {said} ms: that counts").into());
        from.plus_millis(said)
    } else {
        to
    };
    if some(time) && some(parking) {
        // Both in one period: charging comes first, for as long as it says.
        let turn = from.plus_millis(millis(time)).min(end);
        into.push(Period { to: turn, activity: Some(Activity::Charging), ..whole });
        into.push(Period {
            from: turn,
            to: end,
            energy: MicroKwh(0),
            activity: Some(Activity::Idle),
            ..whole
        });
        return;
    }
    into.push(Period { to: end, activity, ..whole });
}

/// Which tariff counts from when, by its index: the ones the periods name, else the first that is valid at the start.
pub(super) fn choose(cdr: &wire::Cdr, tariffs: &[Tariff]) -> Vec<(Timestamp, usize)> {
    let start = cdr.start_date_time.0;
    let named = |period: &wire::Period| {
        let id = period.tariff_id.as_deref()?;
        tariffs.iter().position(|tariff| tariff.id.as_str() == id)
    };
    let mut chosen: Vec<(Timestamp, usize)> = Vec::new();
    if tariffs.len() > 1 {
        for period in sorted(cdr) {
            let Some(index) = named(period) else { continue };
            if chosen.last().is_none_or(|(_, last)| *last != index) {
                chosen.push((period.start_date_time.0, index));
            }
        }
    }
    if chosen.is_empty() && !tariffs.is_empty() {
        let valid = |tariff: &Tariff| {
            tariff.valid_from.is_none_or(|from| from <= start)
                && tariff.valid_until.is_none_or(|until| start < until)
        };
        let index = tariffs.iter().position(valid).unwrap_or_default();
        let from = tariffs.get(index).map_or(start, |tariff| tariff.valid_from.unwrap_or(tariff.updated_at));
        chosen.push((from, index));
    }
    chosen
}
