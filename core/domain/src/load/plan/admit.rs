//! P3 and P4: who is in. Trusted departures first, then everybody's minimum in an order that rotates.

use super::Making;
use super::car::Car;

/// The order of admission (P4): the smaller key first.
type Key = (u8, i64, usize);

// === impl Making ===

impl Making<'_> {
    /// P3: who charges for less than the hold first, then the earliest departure. Each gets what it needs, in whole steps, as
    /// far as every row allows; less than the minimum is nothing, and the car waits with the others.
    pub(super) fn serve_deadlines(&mut self) {
        let (policy, now) = (&self.supply.policy, self.now);
        let mut order: Vec<_> = (self.cars.iter().enumerate())
            .filter(|(_, car)| car.is_trusted && !car.is_quiet && !car.is_probing)
            .map(|(number, car)| (!car.is_held(policy, now), car.departs_at, number))
            .collect();
        order.sort_unstable();
        for (_, _, number) in order {
            let Some(share) = self.car(number).and_then(|car| self.deadline_share(car)) else { continue };
            self.give(number, share);
            if let Some(car) = self.cars.get_mut(number) {
                car.is_in = true;
            }
        }
    }

    /// The largest share up to the need that fits; `None` when the minimum does not.
    fn deadline_share(&self, car: &Car<'_>) -> Option<i64> {
        let (least, step) = (car.min_ua, car.step_ua());
        if !self.fits(car, least) {
            return None;
        }
        let down = car.down_to_step(car.need_ua);
        let up = if down < car.need_ua { down.saturating_add(step) } else { down };
        let target = up.min(car.cap_ua).max(car.base_ua());
        // What fits is an interval that begins at the minimum: rows are convex and hold there.
        let (mut fits, mut too_many) = (0, target.saturating_sub(least) / step + 1);
        while too_many - fits > 1 {
            let middle = fits + (too_many - fits) / 2;
            if self.fits(car, least.saturating_add(middle.saturating_mul(step))) {
                fits = middle;
            } else {
                too_many = middle;
            }
        }
        Some(least.saturating_add(fits.saturating_mul(step)).min(target))
    }

    /// P4: the others at their minimum, quiet cars excepted. A car gives way only after its hold, and only to one that has
    /// waited as long or is urgent. Where the minimum does not fit on all lines, an EVSE that can goes on with one.
    pub(super) fn admit(&mut self) {
        let mut order: Vec<Key> = (self.cars.iter().enumerate())
            .filter(|(_, car)| !car.is_in && !car.is_quiet)
            .map(|(number, car)| self.key(number, car))
            .collect();
        order.sort_unstable();
        for (_, _, number) in order {
            if self.admit_one(number) || !self.switch(number) {
                continue;
            }
            if !self.admit_one(number) {
                self.switch_back(number);
            }
        }
    }

    pub(super) fn admit_one(&mut self, number: usize) -> bool {
        let Some(base) = self.car(number).filter(|car| self.fits(car, car.min_ua)).map(Car::base_ua) else {
            return false;
        };
        self.give(number, base);
        if let Some(car) = self.cars.get_mut(number) {
            car.is_in = true;
        }
        true
    }

    /// Tries a car on one line; tells whether it could be.
    fn switch(&mut self, number: usize) -> bool {
        let (policy, now) = (&self.supply.policy, self.now);
        let Some(car) = self.cars.get_mut(number).filter(|car| car.can_switch(policy, now)) else {
            return false;
        };
        car.use_one_line(policy, now);
        true
    }

    /// It did not help.
    fn switch_back(&mut self, number: usize) {
        if let Some(car) = self.cars.get_mut(number) {
            car.lines = super::wired(car.evse);
            car.appraise(&self.supply.policy, self.now);
        }
    }

    fn key(&self, number: usize, car: &Car<'_>) -> Key {
        let (policy, now) = (&self.supply.policy, self.now);
        if car.memory.on_since.is_some() {
            return (if car.is_held(policy, now) { 0 } else { 2 }, car.laxity_ms, number);
        }
        let waited_ms = now.millis_since(car.waits_since(now));
        if waited_ms >= policy.hold_ms {
            return (1, waited_ms.saturating_neg(), number);
        }
        let is_urgent = car.laxity_ms <= policy.urgent_ms && car.departs_at.is_some();
        (if is_urgent { 2 } else { 3 }, car.laxity_ms, number)
    }
}
