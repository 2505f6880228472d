//! What must hold at every instant: no EVSE above its ceiling, no row above its limit, by promise or by permission.

use ringmain_domain::load::ledger::Slot;
use ringmain_domain::load::ledger::row::overloaded;

use super::faults::Planted;
use super::unguarded::Control;
use super::world::World;

impl World {
    pub(crate) fn changed(&mut self, slot: Slot) {
        let now = self.now;
        self.stations[slot].pass_time(now);
        self.check(slot);
    }

    /// Holds what an EVSE may have in force against its ceiling, and the sums against every row it counts in.
    pub(crate) fn check(&mut self, slot: Slot) {
        let now = self.now;
        if self.watch.control != Control::Ledger {
            return;
        }
        let (station, account) = (&self.stations[slot], &self.ledger.accounts[slot]);
        assert!(
            station.lost_unread
                || station.allowed(now) <= account.ceiling()
                || self.planted != Planted::Nothing,
            "EVSE {slot} at {now} ms is allowed {} above its ceiling {}: {station:?} {account:?}",
            station.allowed(now),
            account.ceiling()
        );
        for (row, _) in &self.uses[slot] {
            let (mut allowed, mut promised, mut lost) = (0, 0, false);
            for (user, coefficient) in &self.rows[*row].users {
                allowed += self.stations[*user].allowed(now).0 * coefficient;
                promised += self.ledger.accounts[*user].ceiling().0 * coefficient;
                lost |= self.stations[*user].lost_unread;
            }
            let limit = self.rows[*row].limit;
            if promised <= limit {
                self.excused[*row] = false;
            }
            let excused = self.excused[*row] || lost;
            assert!(
                excused || allowed <= limit,
                "row {row} at {now} ms: {allowed} of {limit} ({promised} promised)"
            );
            let counted = self.planted == Planted::IdleCountsNothing;
            assert!(
                excused || counted || promised <= limit,
                "row {row} at {now} ms: {promised} of {limit} promised"
            );
        }
    }

    pub(crate) fn excuse_overloaded(&mut self) {
        let ceilings = self.ledger.ceilings();
        for row in overloaded(&self.rows, &ceilings) {
            self.excused[row] = true;
        }
    }
}
