//! Do the readings reach from the start to the end? What flows before the first of them or after the last is in no bill.

use super::meter::{Gain, Readings};
use super::periods::is_charging;
use super::{Folded, Session, SessionFlag};
use crate::time::Timestamp;

/// Start, end and readings are seldom of the same instant: so far apart they are one, in milliseconds.
const APART_MS: i64 = 60_000;
/// So much of what was read beside it tells whether energy flowed, in milliseconds.
const BESIDE_MS: i64 = 300_000;

/// A time at the start or the end of which nothing was read.
struct Unread {
    from: Timestamp,
    to: Timestamp,
    /// Did energy flow where it was read, beside it?
    flows_beside: bool,
}

/// Can energy have flowed in a session before its first reading or after its last? `states` is what the station said it does, from when on.
pub(super) fn falls_short(session: &Session, readings: &Readings, states: &[(Timestamp, bool)]) -> bool {
    let gains = readings.gains(session.started_at);
    let (Some(ended_at), Some(first), Some(last)) = (session.ended_at, gains.first(), gains.last()) else {
        return false;
    };
    let unread = [
        Unread { from: session.started_at, to: first.0, flows_beside: flows(gains.iter()) },
        Unread { from: last.1, to: ended_at, flows_beside: flows(gains.iter().rev()) },
    ];
    let uses_energy = gains.iter().any(|(_, _, wh)| *wh > 0);
    uses_energy && unread.iter().any(|unread| unread.hides_energy(states))
}

/// Did a vehicle charge in the first of these gains? Registers have coarse steps, so some minutes are looked at.
fn flows<'a>(gains: impl Iterator<Item = &'a Gain>) -> bool {
    let (mut gained, mut lasted_ms) = (0_i64, 0_i64);
    for (from, to, wh) in gains {
        gained = gained.saturating_add(*wh);
        lasted_ms = lasted_ms.saturating_add(to.millis_since(*from));
        if lasted_ms >= BESIDE_MS {
            break;
        }
    }
    is_charging(gained, lasted_ms)
}

// === impl Unread ===

impl Unread {
    fn hides_energy(&self, states: &[(Timestamp, bool)]) -> bool {
        let said_to_charge = states.iter().enumerate().any(|(index, (at, charging))| {
            let before = index.checked_sub(1).and_then(|before| states.get(before));
            let is_news = *at > self.from || before.is_none_or(|(_, charging)| !charging);
            *charging && is_news && *at >= self.from && *at < self.to
        });
        let long = self.to.millis_since(self.from) > APART_MS;
        long && (said_to_charge || (self.flows_beside && !self.is_said_to_rest(states)))
    }

    /// Did the station say from its beginning on that it does not charge? One that never says that it does says nothing by that.
    fn is_said_to_rest(&self, states: &[(Timestamp, bool)]) -> bool {
        let said = states.iter().rev().find(|(at, _)| *at <= self.from);
        said.is_some_and(|(_, charging)| !charging) && states.iter().any(|(_, charging)| *charging)
    }
}

// === impl Folded ===

impl Folded {
    /// Holds a session that costs something while energy may have flowed where nothing was read.
    pub(crate) fn reach(&mut self) {
        if self.falls_short {
            self.doubt(SessionFlag::ReadingsFallShort);
        }
    }
}
