//! The field: cars that come and go, stations that fall silent, come back and start anew.

use ringmain_domain::id::{Epoch, TransactionId};
use ringmain_domain::load::demand::Memory;
use ringmain_domain::load::ledger::account::Fallback;
use ringmain_domain::load::ledger::conduct::{Conduct, GUARD_DEFAULT_MS};
use ringmain_domain::load::ledger::fence::Fence;
use ringmain_domain::load::ledger::steering::input::{Arrival, EvseInput, Input};
use ringmain_domain::load::ledger::steering::{Outlet, Pace};
use ringmain_domain::load::ledger::{Change, Slot};
use ringmain_domain::time::Timestamp;
use ringmain_domain::unit::Milliamps;

use super::draw::{MINIMUM, RATED, STEP};
use super::faults::Planted;
use super::world::{Event, World};

/// So many samples of a thousand are late, and by how much at most.
const LATE_PERMILLE: u32 = 30;
const LATE_MAX_MS: i64 = 180_000;

impl World {
    pub(crate) fn arrive(&mut self, slot: Slot) {
        if self.now >= self.still_from {
            return;
        }
        self.unsettled_at = self.now;
        self.transactions += 1;
        let transaction = TransactionId::new(&self.transactions.to_string()).unwrap();
        let station = &mut self.stations[slot];
        station.transaction = Some(transaction.clone());
        station.arrived_at = Timestamp::from_millis(self.now);
        station.memory = Memory::default();
        self.sent[slot] = station.fallback;
        self.unconfirmed[slot] = false;
        station.car = Milliamps(*self.rng.choice([10_000, 16_000, 32_000].iter()).unwrap());
        self.report(slot, transaction.clone(), true);
        let stay = self.faults.stay_mean_ms;
        self.after(stay, Event::Depart(slot, transaction));
    }

    pub(crate) fn depart(&mut self, slot: Slot, transaction: &TransactionId) {
        if self.now >= self.still_from {
            return;
        }
        self.unsettled_at = self.now;
        self.stations[slot].end();
        self.changed(slot);
        self.report(slot, transaction.clone(), false);
        let gap = self.faults.gap_mean_ms;
        self.after(gap, Event::Arrive(slot));
    }

    pub(crate) fn report(&mut self, slot: Slot, transaction: TransactionId, started: bool) {
        self.stations[slot].queue.push((transaction, started));
        if self.stations[slot].connection.is_some() {
            self.flush(slot);
        }
    }

    pub(crate) fn flush(&mut self, slot: Slot) {
        self.plan_soon();
        for (transaction, started) in std::mem::take(&mut self.stations[slot].queue) {
            for owner in 0..self.owners.len() {
                let input = if started {
                    EvseInput::Started(transaction.clone())
                } else {
                    EvseInput::Ended(transaction.clone())
                };
                self.at(self.now + 50, Event::Hear(owner, Input::Evse(slot, input)));
            }
            if self.planted == Planted::ReleaseAtEnd && !started {
                let through = self.ledger.accounts[slot].seq;
                self.ledger.transact(&self.rows, self.ledger.owner, &Change::Release { slot, through });
                self.reload(self.owners.len() - 1);
            }
        }
    }

    pub(crate) fn sample(&mut self, slot: Slot) {
        self.changed(slot);
        let station = &self.stations[slot];
        if let Some(transaction) = station.transaction.clone().filter(|_| station.connection.is_some()) {
            let drawn = station.draws(self.now);
            let taken_at = Timestamp::from_millis(self.now);
            let measured = EvseInput::Measured { least: drawn, most: drawn, taken_at };
            if self.faults.odd && self.rng.u32(..1_000) < LATE_PERMILLE {
                self.count("late sample");
                let arrives = self.now + self.rng.i64(1_000..LATE_MAX_MS);
                self.at(arrives, Event::Sampled(slot, transaction, measured));
            } else {
                self.sampled(slot, &transaction, &measured);
            }
        }
        self.at(self.now + 10_000, Event::Sample(slot));
    }

    pub(crate) fn sampled(&mut self, slot: Slot, transaction: &TransactionId, measured: &EvseInput) {
        if self.stations[slot].transaction.as_ref() != Some(transaction) {
            return;
        }
        for owner in 0..self.owners.len() {
            self.tell(owner, slot, measured.clone());
        }
    }

    // === connections ===

    pub(crate) fn schedule_outage(&mut self, slot: Slot) {
        if let Some(mean) = self.faults.online_mean_ms {
            self.after(mean, Event::GoOffline(slot));
        }
    }

    pub(crate) fn go_offline(&mut self, slot: Slot) {
        if self.faults.online_mean_ms.is_none() {
            return;
        }
        self.changed(slot);
        self.plan_soon();
        self.count("outage");
        let station = &mut self.stations[slot];
        station.offline_since = Some(self.now);
        if let Some(connection) = station.connection.take() {
            for owner in 0..self.owners.len() {
                let seen = self.now + self.rng.i64(10..30_000);
                let input = EvseInput::Disconnected { connection };
                self.at(seen, Event::Hear(owner, Input::Evse(slot, input)));
            }
        }
        let mean = self.faults.outage_mean_ms;
        self.after(mean, Event::ComeBack(slot));
    }

    pub(crate) fn come_back(&mut self, slot: Slot) {
        self.changed(slot);
        let booted = self.faults.odd && self.rng.u8(..4) == 0;
        self.next_epoch += 1;
        let connection = Epoch(self.next_epoch);
        let last = self.ledger.accounts[slot].seq;
        let now = self.now;
        let station = &mut self.stations[slot];
        station.connection = Some(connection);
        station.fence = Fence::reloaded(connection, last);
        station.offline_since = None;
        station.line_free_at = now;
        if booted {
            self.boot(slot);
        }
        let arrival = if booted { Arrival::Booted } else { Arrival::Reconnected };
        for owner in 0..self.owners.len() {
            self.tell(owner, slot, EvseInput::Connected { connection, arrival });
        }
        self.flush(slot);
        self.schedule_outage(slot);
    }

    /// Profiles survive a boot (1.6 errata); now and then the fallback does not.
    pub(crate) fn boot(&mut self, slot: Slot) {
        self.count("boot");
        if self.rng.u8(..5) == 0 {
            self.count("fallback lost");
            self.stations[slot].fallback = RATED;
            self.stations[slot].lost_unread = true;
        }
    }

    /// What a measurement of this station would have told.
    pub(crate) fn conduct(&self, slot: Slot) -> Conduct {
        let nature = self.stations[slot].nature;
        Conduct {
            honours_end: nature.honours_end,
            skew_ms: Some(nature.clock_ms - self.clock_ms),
            offline_end_ms: nature.offline_end_ms,
            ping_ms: nature.offline_end_ms.map(|_| 30_000),
            ttl_ms: if self.faults.odd { 120_000 } else { 900_000 },
            guard_ms: if self.planted == Planted::EndlessGuard { 3_600_000 } else { GUARD_DEFAULT_MS },
        }
    }

    pub(crate) fn outlets(&self) -> Vec<Outlet> {
        let outlet = |slot| Outlet {
            conduct: self.conduct(slot),
            minimum: self.tree.evses()[slot].min_ma,
            step: STEP,
            fallback: match self.ledger.accounts[slot].fallback {
                Fallback::Confirmed(value) => value,
                Fallback::Unconfirmed => self.fallback_of_site(),
            },
        };
        (0..self.stations.len()).map(outlet).collect()
    }

    pub(crate) fn fallback_of_site(&self) -> Milliamps {
        let all = self.stations.iter().map(|station| station.fallback);
        all.min().unwrap_or_default().min(MINIMUM)
    }

    pub(crate) const fn pace(&self) -> Pace {
        Pace {
            raise_every_ms: 10_000,
            raise_min: Milliamps(1_000),
            small_raise_every_ms: 60_000,
            retry_ms: 10_000,
            early_close: self.early_close,
        }
    }

    /// What our clock shows.
    pub(crate) const fn instant(&self) -> Timestamp {
        Timestamp::from_millis(self.now + self.clock_ms)
    }
}
