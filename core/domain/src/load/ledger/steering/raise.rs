//! Who gets the room that is free: the largest shortfall first, each cut to what fits (G1).

use std::cmp::Reverse;

use crate::load::ledger::Slot;
use crate::load::ledger::account::Account;
use crate::load::ledger::steering::input::Effect;
use crate::load::ledger::steering::seat::{Doubt, Seat};
use crate::load::ledger::steering::{Pace, SteeringState};
use crate::time::Timestamp;
use crate::unit::Milliamps;

impl SteeringState {
    /// Proposes raises that fit together. The ledger decides again, with what it then knows.
    pub(super) fn raise(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let seats = self.seats.iter().zip(&self.ledger.accounts).enumerate();
        let short = seats.filter_map(|(slot, (seat, account))| {
            seat.shortfall(now, account, &self.pace).map(|shortfall| (Reverse(shortfall), slot))
        });
        let mut candidates: Vec<(Reverse<Milliamps>, Slot)> = short.collect();
        if candidates.is_empty() {
            return;
        }
        candidates.sort_unstable();
        let mut slack: Vec<i64> = {
            // What was proposed and is not answered yet counts as given.
            let taken: Vec<Milliamps> = self
                .seats
                .iter()
                .zip(&self.ledger.accounts)
                .map(|(s, a)| a.ceiling().max(s.proposed))
                .collect();
            self.rows.iter().map(|row| row.slack(&taken)).collect()
        };
        for (_, slot) in candidates {
            let (Some(seat), Some(account)) = (self.seats.get_mut(slot), self.ledger.accounts.get(slot))
            else {
                continue;
            };
            let ceiling = account.ceiling();
            let rows = || self.rows.iter().zip(&slack);
            // The ledger would refuse it: nothing is raised where a limit is not kept.
            if rows().any(|(row, slack)| *slack < 0 && row.coefficient(slot) > 0) {
                continue;
            }
            let rooms = rows().filter_map(|(row, slack)| {
                let coefficient = row.coefficient(slot);
                (coefficient > 0).then(|| (*slack).max(0) / coefficient)
            });
            let room = Milliamps(rooms.min().unwrap_or(i64::MAX));
            let limit = seat.in_steps(seat.wanted(account).min(ceiling.plus(room)));
            if !seat.worth_raising(now, account, limit, &self.pace) {
                continue;
            }
            let Some(change) = seat.proposal(now, slot, account, limit) else { continue };
            seat.writing = true;
            seat.raised_at = Some(now);
            seat.proposed = limit;
            let rise = limit.minus(ceiling).max(Milliamps::ZERO).0;
            for (row, slack) in self.rows.iter().zip(&mut slack) {
                *slack = slack.saturating_sub(rise.saturating_mul(row.coefficient(slot)));
            }
            effects.push(Effect::Write { slot, change });
        }
    }
}

impl Seat {
    /// How much is missing, where a raise may be made now.
    fn shortfall(&self, now: Timestamp, account: &Account, pace: &Pace) -> Option<Milliamps> {
        let idle = self.call.is_none() && !self.writing && self.back_off.is_over(now);
        let paced = self.raised_at.is_none_or(|at| now >= at.plus_millis(pace.raise_every_ms));
        if !idle || !paced || !self.is_steered() || self.doubt != Doubt::None || account.deaf {
            return None;
        }
        let shortfall = self.wanted(account).minus(account.held());
        (shortfall > Milliamps::ZERO).then_some(shortfall)
    }

    /// Enough for a car, and enough to bother the station.
    fn worth_raising(&self, now: Timestamp, account: &Account, limit: Milliamps, pace: &Pace) -> bool {
        let raise = limit.minus(account.held());
        let is_rested = self.raised_at.is_none_or(|at| now >= at.plus_millis(pace.small_raise_every_ms));
        limit >= self.minimum && (raise >= pace.raise_min || (is_rested && raise > Milliamps::ZERO))
    }
}
