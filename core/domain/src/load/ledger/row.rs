//! A row of the ledger: one hard limit of one circuit, and how much each EVSE below it counts against it.
//!
//! Sums of phasors are taken by their magnitudes here. Any EVSE may draw less than its ceiling, and the magnitude of a sum of phasors
//! can rise when one of them falls; the sum of magnitudes cannot (charging.md 3).

use serde::{Deserialize, Serialize};

use crate::load::ledger::Slot;
use crate::load::rows::{Coefficient, MICRO, Rows, UNLIMITED};
use crate::load::tree::{Connection, Firmness};
use crate::unit::Milliamps;

/// `sum of coefficient x ceiling <= limit`, ceilings in mA per line. The uncontrolled reserve is already taken off.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Row {
    /// What is left for EVSEs; negative when the building alone is above the limit.
    pub limit: i64,
    /// EVSEs with a coefficient above 0, by rising slot.
    pub users: Vec<(Slot, i64)>,
}

// === impl Row ===

impl Row {
    /// The hard rows of a tree with their limits and reserves, in the order of its rows. `used` tells for each EVSE which lines count: those
    /// measured in use or, where a car that takes up another line must never surprise, all it is wired to.
    #[must_use]
    pub fn all(rows: &Rows<'_>, used: &[[bool; 3]]) -> Vec<Self> {
        let mut users = vec![Vec::new(); rows.limits.len()];
        for (slot, used) in used.iter().enumerate() {
            for row_use in rows.uses(slot) {
                let coefficient = micro_per_ma(row_use.coefficient, *used);
                if let (Some(users), true) = (users.get_mut(row_use.row), coefficient > 0) {
                    users.push((slot, coefficient));
                }
            }
        }
        let limits = rows.limits.iter().zip(&rows.reserves).zip(rows.all()).zip(users);
        limits
            .filter(|(((limit, _), row), _)| **limit != UNLIMITED && row.firmness == Firmness::Hard)
            .map(|(((limit, reserve), _), users)| Self { limit: limit.saturating_sub(*reserve), users })
            .collect()
    }

    /// How much this EVSE counts; 0 when it is not below the node or does not use the line.
    #[must_use]
    pub fn coefficient(&self, slot: Slot) -> i64 {
        let found = self.users.binary_search_by_key(&slot, |(user, _)| *user);
        found.ok().and_then(|place| self.users.get(place)).map_or(0, |(_, coefficient)| *coefficient)
    }

    /// What the given currents take of this row.
    #[must_use]
    pub fn load(&self, currents: &[Milliamps]) -> i64 {
        self.users.iter().fold(0_i64, |sum, (slot, coefficient)| {
            let current = currents.get(*slot).map_or(0, |current| current.0);
            sum.saturating_add(current.saturating_mul(*coefficient))
        })
    }

    /// What is left; negative when the row is over.
    #[must_use]
    pub fn slack(&self, currents: &[Milliamps]) -> i64 {
        self.limit.saturating_sub(self.load(currents))
    }
}

/// The row that leaves this EVSE the least, and the current it could rise to there, never less than it has. None when no row counts it.
#[must_use]
pub fn tightest(rows: &[Row], currents: &[Milliamps], slot: Slot) -> Option<(usize, Milliamps)> {
    let present = currents.get(slot).copied().unwrap_or_default();
    let room = |(place, row): (usize, &Row)| {
        let coefficient = row.coefficient(slot);
        (coefficient > 0).then(|| (place, Milliamps(row.slack(currents).max(0) / coefficient)))
    };
    let least = rows.iter().enumerate().filter_map(room).min_by_key(|(_, room)| *room);
    least.map(|(place, room)| (place, present.plus(room)))
}

/// The rows that the given currents overload, by place.
#[must_use]
pub fn overloaded(rows: &[Row], currents: &[Milliamps]) -> Vec<usize> {
    let over = rows.iter().enumerate().filter(|(_, row)| row.slack(currents) < 0);
    over.map(|(place, _)| place).collect()
}

/// What a milliampere counts in a row's micro-unit, rounded up.
fn micro_per_ma(coefficient: Coefficient, used: [bool; 3]) -> i64 {
    let count = used.iter().fold(0_i64, |count, used| count + i64::from(*used));
    match coefficient {
        Coefficient::Line(line) => i64::from(line.of(used)) * MICRO,
        Coefficient::Power { voltage_v, connection } => {
            let times = match connection {
                Connection::Neutral => count,
                Connection::LineToLine => count.min(1),
            };
            i64::from(voltage_v).saturating_mul(times).saturating_mul(MICRO)
        }
        Coefficient::Phasor { re_nano, im_nano } => {
            let square =
                [re_nano, im_nano].map(|part| part.unsigned_abs().saturating_add(1).saturating_pow(2));
            let magnitude =
                square.iter().fold(0_u64, |sum, part| sum.saturating_add(*part)).isqrt().saturating_add(1);
            i64::try_from(magnitude / 1_000_000)
                .unwrap_or(UNLIMITED)
                .saturating_add(1)
                .saturating_mul(count.min(1))
        }
    }
}
