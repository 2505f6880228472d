//! What the limits of a site's circuits did in the last day: the lowest limit and the highest loads of every five minutes.
//!
//! It is kept in memory alone and begins anew with its owner. Of each limit there is one bucket for every five minutes in which it
//! was looked at, at most [`BUCKETS_MAX`] of them: the oldest leaves.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::id::CircuitId;
use crate::time::Timestamp;

use super::allocation::standing::{CircuitStanding, RowStanding};
use super::rows::RowKind;

/// How long a bucket is, in milliseconds.
pub const BUCKET_MS: i64 = 300_000;
/// A limit has at most so many buckets: 24 hours.
pub const BUCKETS_MAX: usize = 288;
/// How long a bucket is kept, in milliseconds.
pub const KEPT_MS: i64 = 24 * 3_600_000;
/// Looking at all limits of a large site takes a while, so it is not done more often, in milliseconds.
pub const EVERY_MS: i64 = 5_000;

/// The last day of a site.
#[derive(Debug, Clone, Default)]
pub struct History {
    circuits: BTreeMap<CircuitId, Vec<RowHistory>>,
    recorded_at: Option<Timestamp>,
}

/// The last day of one limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowHistory {
    /// What it sums up.
    pub kind: RowKind,
    /// The oldest first.
    pub buckets: VecDeque<Bucket>,
}

/// Five minutes of one limit: mA on a line or in a phasor row, mW in power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// When it begins.
    pub from: Timestamp,
    /// The least it could carry.
    pub limit: i64,
    /// The most that nobody controlled.
    pub reserved: i64,
    /// The most that was promised, what nobody controls with it.
    pub promised: i64,
    /// The most that was drawn, what nobody controls with it.
    pub drawn: i64,
}

// === impl History ===

impl History {
    /// Is it time to look again?
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        // A clock that was set back must not stop it.
        self.recorded_at.is_none_or(|at| now < at || now.millis_since(at) >= EVERY_MS)
    }

    /// Takes in how the circuits stand.
    pub fn record(&mut self, now: Timestamp, circuits: &[CircuitStanding]) {
        self.recorded_at = Some(now);
        let from = bucket_of(now);
        for circuit in circuits {
            for row in &circuit.rows {
                self.take(&circuit.circuit, &row.kind, Bucket::of(from, row));
            }
        }
        // A limit that is there no more grows old as well.
        let oldest = from.plus_millis(BUCKET_MS - KEPT_MS);
        self.circuits.retain(|_, rows| {
            rows.retain_mut(|row| {
                row.forget_before(oldest);
                !row.buckets.is_empty()
            });
            !rows.is_empty()
        });
    }

    /// The limits of a circuit, in the order in which they were first seen; none of a circuit without limits.
    #[must_use]
    pub fn of(&self, circuit: &CircuitId) -> &[RowHistory] {
        self.circuits.get(circuit).map_or(&[], Vec::as_slice)
    }

    fn take(&mut self, circuit: &CircuitId, kind: &RowKind, seen: Bucket) {
        let rows = self.circuits.entry(circuit.clone()).or_default();
        if let Some(row) = rows.iter_mut().find(|row| row.kind == *kind) {
            row.take(seen);
        } else {
            rows.push(RowHistory { kind: kind.clone(), buckets: VecDeque::from([seen]) });
        }
    }
}

// === impl RowHistory ===

impl RowHistory {
    fn take(&mut self, seen: Bucket) {
        // The clock was set back: what lies ahead of it now never was.
        while self.buckets.back().is_some_and(|last| last.from > seen.from) {
            self.buckets.pop_back();
        }
        match self.buckets.back_mut() {
            Some(last) if last.from == seen.from => last.join(&seen),
            _ => self.buckets.push_back(seen),
        }
        while self.buckets.len() > BUCKETS_MAX {
            self.buckets.pop_front();
        }
    }

    fn forget_before(&mut self, oldest: Timestamp) {
        while self.buckets.front().is_some_and(|first| first.from < oldest) {
            self.buckets.pop_front();
        }
    }
}

// === impl Bucket ===

impl Bucket {
    const fn of(from: Timestamp, row: &RowStanding) -> Self {
        let RowStanding { limit, reserved, promised, drawn, .. } = *row;
        Self { from, limit, reserved, promised, drawn }
    }

    fn join(&mut self, other: &Self) {
        self.limit = self.limit.min(other.limit);
        self.reserved = self.reserved.max(other.reserved);
        self.promised = self.promised.max(other.promised);
        self.drawn = self.drawn.max(other.drawn);
    }
}

/// When the bucket of an instant begins.
fn bucket_of(at: Timestamp) -> Timestamp {
    at.plus_millis(-at.as_millis().rem_euclid(BUCKET_MS))
}
