//! P5 to P8: filling, rounding, crumbs, and who is quiet.

use super::Making;
use super::car::Car;
use crate::load::fill::{Grower, fill};

const MILLION: i64 = 1_000_000;

// === impl Making ===

impl Making<'_> {
    /// P5: everybody who is in grows towards its need, the needy faster, within bounds: a statement is worth a factor, never a
    /// place. When not all can be on time, all are late in bounded proportion.
    pub(super) fn fill_to_need(&mut self) {
        let mut needs: Vec<i64> = self.cars.iter().filter(|car| car.is_in).map(|car| car.need_ua).collect();
        needs.sort_unstable();
        let middle = needs.len() / 2;
        let median = match (needs.get(middle), middle.checked_sub(1).and_then(|lower| needs.get(lower))) {
            (Some(upper), Some(lower)) if needs.len().is_multiple_of(2) => i64::midpoint(*upper, *lower),
            (Some(upper), _) => *upper,
            (None, _) => return,
        };
        let policy = self.supply.policy;
        let permille = |value: u32| i64::from(value).saturating_mul(1_000);
        let (least, most) = (permille(policy.urgency_min_permille), permille(policy.urgency_max_permille));
        let urgency = |car: &Car<'_>| match median {
            0 => MILLION,
            median => car.need_ua.saturating_mul(MILLION).div_euclid(median).clamp(least, most.max(least)),
        };
        self.fill(|car| car.weight.saturating_mul(urgency(car)), |car| car.need_ua);
    }

    /// P6: what is left, by the weight of the class alone.
    pub(super) fn fill_to_cap(&mut self) {
        self.fill(|car| car.weight, |car| car.cap_ua);
    }

    fn fill(&mut self, weight: impl Fn(&Car<'_>) -> i64, cap: impl Fn(&Car<'_>) -> i64) {
        let numbers: Vec<usize> =
            self.cars.iter().enumerate().filter(|(_, car)| car.is_in).map(|(number, _)| number).collect();
        let growers: Vec<Grower<'_>> = (self.cars.iter().filter(|car| car.is_in))
            .map(|car| Grower {
                uses: car.uses,
                lines: car.lines,
                start_ua: car.share_ua,
                cap_ua: cap(car),
                weight: weight(car),
            })
            .collect();
        let ends = fill(&growers, &self.sums, &self.capacity.rows.limits);
        for (number, end) in numbers.into_iter().zip(ends) {
            self.give(number, end);
        }
    }

    /// P7, first half: every share down to what an EVSE can be told. Less of one arrow can lengthen a sum of phasors; then
    /// everybody climbs again from the share of the admission, which held.
    pub(super) fn round_to_steps(&mut self, admitted: &[i64]) {
        let mut holds = true;
        for number in 0..self.cars.len() {
            let Some(share) =
                self.car(number).filter(|car| car.is_in).map(|car| car.down_to_step(car.share_ua))
            else {
                continue;
            };
            holds &= self.car(number).is_some_and(|car| self.fits(car, share));
            self.give(number, share);
        }
        if !holds {
            self.climb(admitted);
        }
    }

    /// Gives everybody the share of the admission and from there, in turn, a step more up to the share of now, while rows hold.
    fn climb(&mut self, admitted: &[i64]) {
        let targets: Vec<i64> = self.cars.iter().map(|car| car.share_ua).collect();
        for (number, share) in admitted.iter().enumerate() {
            self.give(number, *share);
        }
        let mut has_moved = true;
        while has_moved {
            has_moved = false;
            for (number, target) in targets.iter().enumerate() {
                let Some(car) = self.car(number) else { continue };
                let more = car.share_ua.saturating_add(car.step_ua());
                if more <= *target && self.fits(car, more) {
                    self.give(number, more);
                    has_moved = true;
                }
            }
        }
    }

    /// P7, second half: who is furthest below its need first, each in turn gets one step more, until none fits.
    pub(super) fn hand_out_crumbs(&mut self) {
        let mut order: Vec<(i64, usize)> = (self.cars.iter().enumerate())
            .filter(|(_, car)| car.is_in)
            .map(|(number, car)| (car.share_ua.saturating_sub(car.need_ua), number))
            .collect();
        order.sort_unstable();
        let mut hungry: Vec<usize> = order.into_iter().map(|(_, number)| number).collect();
        let mut has_moved = true;
        while has_moved {
            has_moved = false;
            hungry.retain(|number| {
                let Some(car) = self.cars.get(*number) else { return false };
                let more = car.share_ua.saturating_add(car.step_ua());
                if more > car.cap_ua {
                    return false;
                }
                if self.fits(car, more) {
                    self.give(*number, more);
                    has_moved = true;
                    return true;
                }
                // In a sum of phasors somebody else's step can make room; in plain sums it never does.
                self.has_phasors
            });
        }
    }

    /// P8: quiet cars in the order of their arrival, at the minimum if that fits what is left. Then once more the crumbs: the
    /// arrows of quiet cars can make room, too.
    pub(super) fn serve_quiet(&mut self) {
        let mut order: Vec<_> = (self.cars.iter().enumerate())
            .filter(|(_, car)| car.is_quiet)
            .map(|(number, car)| (car.arrived_at, number))
            .collect();
        order.sort_unstable();
        for (_, number) in order {
            self.admit_one(number);
        }
        if self.has_phasors {
            self.hand_out_crumbs();
        }
    }
}
