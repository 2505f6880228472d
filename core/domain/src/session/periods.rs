//! Cuts a session into stretches: in which did energy flow, and how much?
//!
//! Where the station says what it does (2.x charging states), its word splits the time; where it does not (1.6), energy between two
//! readings means charging, unless it is so little that it is standby. Energy between two readings is shared out over the charging parts of the gap by time, to the Wh.

use super::meter::{Gain, Readings};
use super::{Session, reach};
use crate::report::ChargingState;
use crate::segment::{Activity, Segment, Span};
use crate::time::Timestamp;
use crate::transaction::TransactionFact;
use crate::unit::WattHours;

const MS_PER_HOUR: i64 = 3_600_000;
/// Less than this, in W, is no charging: electronics stay awake, batteries are balanced. The energy is billed all the same.
const STANDBY_W: i64 = 100;
/// A reading may be taken so long after the end and still be about it, in milliseconds.
const READ_LATE_MS: i64 = 60_000;

/// A session cut into stretches.
pub(super) struct Cut {
    pub(super) segments: Vec<Segment>,
    /// What the meter gained after the end or the limit, in Wh; it is in no stretch.
    pub(super) beyond_end: i64,
    /// Energy may have flowed where nothing was read; it is in no stretch either.
    pub(super) falls_short: bool,
}

/// All stretches from start to end (or to the last thing known), in order, without gaps; neighbours of one kind are joined when neither
/// holds energy.
///
/// `limit` is where another transaction took the EVSE: what the meter gained after it is the other one's and never billed here. The same
/// holds for what it gained after the end, but for a reading that is taken a moment late.
pub(super) fn segments(
    session: &Session,
    ordered: &[&TransactionFact],
    readings: &Readings,
    limit: Option<Timestamp>,
) -> Cut {
    let start = session.started_at;
    let mut gains = readings.gains(start);
    let gained = |gains: &[Gain]| gains.iter().fold(0_i64, |sum, gain| sum.saturating_add(gain.2));
    let before = gained(&gains);
    match (limit, session.ended_at) {
        (Some(limit), _) => gains.retain_mut(|gain| cut_off(gain, limit)),
        (None, Some(end)) => {
            let read_late = end.plus_millis(READ_LATE_MS);
            gains.retain_mut(|gain| gain.1 <= read_late || cut_off(gain, end));
        }
        (None, None) => {}
    }
    let beyond_end = before.saturating_sub(gained(&gains));
    let states = states(ordered);
    let last_known =
        gains.last().map_or(start, |gain| gain.1).max(states.last().map_or(start, |state| state.0));
    let end = session.ended_at.unwrap_or(last_known).max(start);
    let mut segments = Vec::new();
    let mut from = start;
    for gain in gains {
        from = add(&mut segments, from, gain, end, &states);
    }
    cut(&mut segments, from, end, 0, &states);
    for segment in &mut segments {
        segment.current_ma = readings.current_ma(segment.from, segment.to);
    }
    Cut { segments: join(segments), beyond_end, falls_short: reach::falls_short(session, readings, &states) }
}

/// Adds the stretches up to the end of a gain, from where the last one ends, and tells where these do: not after `end`.
pub(super) fn add(
    segments: &mut Vec<Segment>,
    from: Timestamp,
    (gain_from, gain_to, wh): Gain,
    end: Timestamp,
    states: &[(Timestamp, bool)],
) -> Timestamp {
    let gap_from = gain_from.clamp(from, end);
    cut(segments, from, gap_from, 0, states);
    let gap_to = gain_to.clamp(gap_from, end);
    cut(segments, gap_from, gap_to, wh, states);
    gap_to
}

/// Does a vehicle charge that takes so many Wh in so many milliseconds?
pub(super) fn is_charging(wh: i64, millis: i64) -> bool {
    wh > 0 && mean_power(wh, millis).is_none_or(|power| power.max >= STANDBY_W)
}

/// Keeps of a gain what lies before the limit, by time; `false`: nothing does.
fn cut_off(gain: &mut Gain, limit: Timestamp) -> bool {
    let (from, to, wh) = *gain;
    if from >= limit {
        return false;
    }
    if to > limit {
        *gain = (from, limit, share(wh, limit.millis_since(from), to.millis_since(from)));
    }
    true
}

/// How long energy flowed, or did not.
pub(super) fn millis(segments: &[Segment], activity: Activity) -> i64 {
    segments.iter().filter(|s| s.activity == activity).map(Segment::millis).fold(0, i64::saturating_add)
}

/// What the station said it does, from when on, by time.
fn states(ordered: &[&TransactionFact]) -> Vec<(Timestamp, bool)> {
    let mut states: Vec<_> = ordered.iter().filter_map(|fact| state(fact)).collect();
    states.sort_by_key(|(at, _)| *at);
    states
}

/// What the station says in a message that it does: since when, and whether it charges.
pub(super) fn state(fact: &TransactionFact) -> Option<(Timestamp, bool)> {
    fact.charging_state.map(|state| (fact.observed_at, state == ChargingState::Charging))
}

/// Adds the stretches of one gap between readings, in which `wh` were gained.
pub(super) fn cut(
    segments: &mut Vec<Segment>,
    from: Timestamp,
    to: Timestamp,
    wh: i64,
    states: &[(Timestamp, bool)],
) {
    if from == to && wh == 0 {
        return;
    }
    let parts = if states.is_empty() {
        vec![(from, to, is_charging(wh, to.millis_since(from)))]
    } else {
        parts(from, to, states)
    };
    let charging_ms: i64 = parts.iter().filter(|part| part.2).map(|part| part.1.millis_since(part.0)).sum();
    // The station says it did not charge, and yet the meter gained: the meter is billed, spread over the whole gap.
    let spread_over_all = charging_ms == 0;
    let total_ms = if spread_over_all { to.millis_since(from) } else { charging_ms };
    let (mut seen_ms, mut given) = (0_i64, 0_i64);
    let last = parts.iter().rposition(|part| spread_over_all || part.2);
    for (index, (part_from, part_to, charging)) in parts.iter().enumerate() {
        let mut energy = 0;
        if *charging || spread_over_all {
            seen_ms = seen_ms.saturating_add(part_to.millis_since(*part_from));
            let due = if Some(index) == last { wh } else { share(wh, seen_ms, total_ms) };
            energy = due.saturating_sub(given);
            given = due;
        }
        let charges = *charging || is_charging(energy, part_to.millis_since(*part_from));
        let activity = if charges { Activity::Charging } else { Activity::Idle };
        let mut segment = Segment::new(*part_from, *part_to, WattHours(energy), activity);
        segment.power_w = mean_power(energy, segment.millis());
        segments.push(segment);
    }
}

/// The mean power over a stretch, in W; `None` for a stretch of no length.
pub(super) fn mean_power(wh: i64, millis: i64) -> Option<Span> {
    let watts = i128::from(wh).saturating_mul(i128::from(MS_PER_HOUR)).checked_div(i128::from(millis))?;
    i64::try_from(watts).ok().map(Span::steady)
}

fn share(wh: i64, seen_ms: i64, total_ms: i64) -> i64 {
    let exact = i128::from(wh) * i128::from(seen_ms) / i128::from(total_ms.max(1));
    i64::try_from(exact).unwrap_or(wh)
}

/// A gap split where the station's word changes.
fn parts(from: Timestamp, to: Timestamp, states: &[(Timestamp, bool)]) -> Vec<(Timestamp, Timestamp, bool)> {
    let mut charging = states.iter().rev().find(|(at, _)| *at <= from).is_some_and(|(_, charging)| *charging);
    let mut parts = Vec::new();
    let mut at = from;
    for (change, to_charging) in states.iter().filter(|(change, _)| *change > from && *change < to) {
        if *to_charging != charging {
            parts.push((at, *change, charging));
            at = *change;
            charging = *to_charging;
        }
    }
    parts.push((at, to, charging));
    parts
}

/// Neighbours of one kind as one where neither holds energy.
pub(super) fn join(segments: Vec<Segment>) -> Vec<Segment> {
    let mut joined: Vec<Segment> = Vec::with_capacity(segments.len());
    for segment in segments {
        match joined.last_mut() {
            Some(last)
                if last.activity == segment.activity
                    && last.energy == segment.energy
                    && segment.energy == WattHours::ZERO =>
            {
                last.to = segment.to;
            }
            _ => joined.push(segment),
        }
    }
    joined
}
