//! What must hold at every instant: no EVSE above its ceiling, no row above its limit, by promise or by permission.

use ringmain_domain::load::ledger::Slot;
use ringmain_domain::load::ledger::row::overloaded;
use ringmain_domain::unit::Milliamps;

use super::unguarded::Control;
use super::world::World;

/// A promise of the ledger (reliability.md 8.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Promise {
    /// L2: what a station was allowed is at most its ceiling.
    WithinCeiling,
    /// L1: the ceilings fit every row.
    CeilingsWithinLimit,
    /// What L1 and L2 are for: what the stations were allowed fits every row.
    AllowedWithinLimit,
    /// While a row is over its limit because the limit fell, nothing below it rises (G9).
    NothingRises,
}

// === impl World ===

impl World {
    pub(crate) fn changed(&mut self, slot: Slot) {
        let now = self.now;
        self.stations[slot].pass_time(now);
        self.check(slot);
    }

    /// Holds what an EVSE may have in force against its ceiling, and the sums against every row it counts in. A station that has lost
    /// its fallback and was not read yet has broken its word: it counts with its ceiling.
    pub(crate) fn check(&mut self, slot: Slot) {
        let now = self.now;
        if self.watch.control != Control::Ledger {
            return;
        }
        let (allowed, ceiling) = (self.stations[slot].allowed(now), self.ledger.accounts[slot].ceiling());
        if allowed > ceiling && !self.stations[slot].lost_unread {
            let told = format!("EVSE {slot} is allowed {allowed} above {ceiling}");
            self.broken(Promise::WithinCeiling, told);
        }
        for place in 0..self.uses[slot].len() {
            let (row, _) = self.uses[slot][place];
            self.check_row(row);
        }
    }

    fn check_row(&mut self, row: usize) {
        let (mut allowed, mut promised) = (0, 0);
        for (user, coefficient) in &self.rows[row].users {
            let (station, ceiling) = (&self.stations[*user], self.ledger.accounts[*user].ceiling());
            let own = station.allowed(self.now);
            let counted = if station.lost_unread { own.min(ceiling) } else { own };
            allowed += counted.0 * coefficient;
            promised += ceiling.0 * coefficient;
        }
        let limit = self.rows[row].limit;
        let told = || format!("row {row}: {allowed} allowed, {promised} promised, limit {limit}");
        match self.excused[row] {
            Some(before) if promised > limit => {
                if promised > before {
                    self.broken(Promise::NothingRises, told());
                }
                self.excused[row] = Some(before.min(promised));
                return;
            }
            Some(_) => self.excused[row] = None,
            None => {}
        }
        if promised > limit {
            self.broken(Promise::CeilingsWithinLimit, told());
        }
        if allowed > limit {
            self.broken(Promise::AllowedWithinLimit, told());
        }
    }

    fn broken(&mut self, promise: Promise, told: String) {
        let now = self.now;
        self.broken.entry(promise).or_insert_with(|| format!("at {now} ms, {told}"));
    }

    /// Rows that are over because a limit fell or a station turned out to be other than promised: back under it is on the way, and
    /// until then nothing may rise.
    pub(crate) fn excuse_overloaded(&mut self) {
        let ceilings: Vec<Milliamps> = self.ledger.ceilings();
        for row in overloaded(&self.rows, &ceilings) {
            self.excused[row] = Some(self.rows[row].load(&ceilings));
        }
    }
}
