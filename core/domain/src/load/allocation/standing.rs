//! How a site's circuits and EVSEs stand, for pages, metrics and the API.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::{CircuitId, TransactionId};
use crate::load::capacity::hard_rows;
use crate::load::ledger::Slot;
use crate::load::rows::RowKind;
use crate::load::tree::{Circuit, Evse, EvseKey};
use crate::time::Timestamp;
use crate::unit::{Milliamps, WattHours};

use super::AllocationState;

/// How one EVSE stands, for pages and the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Which.
    pub evse: EvseKey,
    /// Does its station have a connection?
    pub is_connected: bool,
    /// The running transaction.
    pub transaction: Option<TransactionId>,
    /// When its car goes, as far as somebody said so.
    pub departs_at: Option<Timestamp>,
    /// Is that a deadline?
    pub is_deadline: bool,
    /// The energy asked for, for the whole session.
    pub asked: Option<WattHours>,
    /// What the plan gives, per line; none before the first plan.
    pub planned: Option<Milliamps>,
    /// Why, in words.
    pub reason: Box<str>,
    /// What it has been granted last; none without a grant.
    pub granted: Option<Milliamps>,
    /// The most it may have in force.
    pub ceiling: Milliamps,
    /// What it drew last from its busiest line; spread evenly where only a sum was measured.
    pub drawn: Option<Milliamps>,
    /// It drew more than it was allowed: its rated current counts until somebody mended it.
    pub is_deaf: bool,
}

/// How one circuit stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CircuitStanding {
    /// Which.
    pub circuit: CircuitId,
    /// For people.
    pub name: Box<str>,
    /// Its limited rows.
    pub rows: Vec<RowStanding>,
}

/// How full one row of a circuit is: mA on a line, mW in power.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowStanding {
    /// What it sums up.
    pub kind: RowKind,
    /// What it may carry now.
    pub limit: i64,
    /// What nobody controls.
    pub reserved: i64,
    /// That, and the most all EVSEs may have in force.
    pub promised: i64,
    /// That, and what was last measured.
    pub drawn: i64,
}

/// What a person should look at, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Strain {
    /// Limits that carry [`NEAR_PERCENT`] or more of what they may, as far as is measured.
    pub near: u32,
    /// Limits that carry more than they may.
    pub over: u32,
    /// Circuits whose meter is silent or not to be believed.
    pub stale: u32,
    /// EVSEs that draw more than they are allowed.
    pub deaf: u32,
}

const NOTHING: [Milliamps; 3] = [Milliamps::ZERO; 3];
/// So much of a limit is near it.
pub const NEAR_PERCENT: i64 = 95;

// === impl RowStanding ===

impl RowStanding {
    /// Does it carry more than it may?
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.drawn > self.limit
    }

    /// Does it carry nearly what it may? A limit of nothing is not near.
    #[must_use]
    pub const fn is_near(&self) -> bool {
        let near = self.limit.saturating_mul(NEAR_PERCENT) / 100;
        self.limit > 0 && !self.is_over() && self.drawn >= near
    }
}

// === impl AllocationState ===

impl AllocationState {
    /// How every EVSE stands, in the order of the tree.
    #[must_use]
    pub fn standings(&self) -> Vec<Standing> {
        let evses = self.tree.evses().iter().enumerate();
        evses.filter_map(|(slot, evse)| self.standing(slot, evse)).collect()
    }

    fn standing(&self, slot: Slot, evse: &Evse) -> Option<Standing> {
        let account = self.steering.ledger().accounts.get(slot)?;
        let car = self.cars.get(slot)?.as_ref();
        let share = self.plan.as_ref().and_then(|plan| plan.shares.get(slot));
        Some(Standing {
            evse: evse.key.clone(),
            is_connected: self.steering.is_connected(slot),
            transaction: car.map(|car| car.transaction.clone()),
            departs_at: car.and_then(|car| car.demand.departs_at),
            is_deadline: car.is_some_and(|car| car.demand.trust.departure),
            asked: car.and_then(|car| car.demand.energy_wh),
            planned: share.map(|share| share.current),
            reason: share.map(|share| share.reason.to_string()).unwrap_or_default().into(),
            granted: account.newest().map(|grant| grant.limit),
            ceiling: account.ceiling(),
            drawn: car.filter(|car| car.sampled_at.is_some()).and_then(|car| car.drawn_ma.into_iter().max()),
            is_deaf: account.deaf,
        })
    }

    /// What a person should look at, with circuits as they now stand.
    #[must_use]
    pub fn strain(&self, circuits: &[CircuitStanding]) -> Strain {
        let rows = || circuits.iter().flat_map(|circuit| &circuit.rows);
        let count = |found: usize| u32::try_from(found).unwrap_or(u32::MAX);
        Strain {
            near: count(rows().filter(|row| row.is_near()).count()),
            over: count(rows().filter(|row| row.is_over()).count()),
            stale: count(self.notes().iter().filter(|note| note.meter_stale).count()),
            deaf: count(self.steering.ledger().accounts.iter().filter(|account| account.deaf).count()),
        }
    }

    /// How every circuit stands, in the order of the tree; those without a limit have no rows.
    #[must_use]
    pub fn circuits(&self, now: Timestamp) -> Vec<CircuitStanding> {
        let rows = hard_rows(&self.tree, &self.supply, now);
        let ceilings = self.steering.ledger().ceilings();
        let drawn: Vec<_> =
            self.cars.iter().map(|car| car.as_ref().map_or(NOTHING, |car| car.drawn_ma)).collect();
        let usages = rows.usage(&ceilings).into_iter().zip(rows.usage_by_line(&drawn));
        let mut standings: BTreeMap<&CircuitId, Vec<RowStanding>> = BTreeMap::new();
        for (promised, drawn) in usages {
            let Some(row) = rows.row(promised.row) else { continue };
            standings.entry(&row.circuit).or_default().push(RowStanding {
                kind: row.kind.clone(),
                limit: promised.limit,
                reserved: rows.reserve(promised.row),
                promised: promised.load,
                drawn: drawn.load,
            });
        }
        let circuit = |circuit: &Circuit| CircuitStanding {
            circuit: circuit.id.clone(),
            name: circuit.label().into(),
            rows: standings.remove(&circuit.id).unwrap_or_default(),
        };
        self.tree.circuits().iter().map(circuit).collect()
    }
}
