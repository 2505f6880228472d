//! The transition experiment: what it sees, and two ways to steer a site without a ledger.

use ringmain_domain::id::GrantSeq;
use ringmain_domain::load::ledger::Slot;
use ringmain_domain::unit::Milliamps;

use super::station::Order;
use super::world::{Event, World};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Control {
    #[default]
    Ledger,
    /// Every target is sent when the plan gives it.
    AllAtOnce,
    /// Lowers are sent; when all of them are accepted or timed out, the raises.
    LowerFirst,
}

/// What the transition experiment sees, once a second.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    pub(crate) control: Control,
    pub(crate) over_s: i64,
    pub(crate) excess_ma_max: i64,
    pub(crate) drawn: i64,
    pub(crate) available: i64,
    pub(crate) calls: i64,
}

impl Watch {
    pub(crate) fn add(&mut self, other: &Self) {
        self.over_s += other.over_s;
        self.excess_ma_max = self.excess_ma_max.max(other.excess_ma_max);
        self.drawn += other.drawn;
        self.available += other.available;
        self.calls += other.calls;
    }
}

// === impl World ===

impl World {
    pub(crate) fn watch(&mut self, control: Control) {
        self.watch = Watch { control, ..Watch::default() };
        self.at(600_000, Event::Second);
    }

    pub(crate) fn second(&mut self) {
        let now = self.now;
        let drawn: i64 = self.stations.iter().map(|station| station.draws(now).0).sum();
        let wanted: i64 = self.stations.iter().map(|station| station.car.0).sum();
        // One line: the first row, whose unit is the microampere.
        let limit = self.rows[0].limit / 1_000;
        self.watch.over_s += i64::from(drawn > limit);
        self.watch.excess_ma_max = self.watch.excess_ma_max.max(drawn - limit);
        self.watch.drawn += drawn.min(limit);
        self.watch.available += wanted.min(limit);
        self.at(now + 1_000, Event::Second);
    }

    /// Without a ledger: the plan shares the limit among the cars that are connected, and its targets are sent.
    pub(crate) fn send_without_ledger(&mut self, targets: &[Milliamps]) {
        let online = |slot: &Slot| {
            self.stations[*slot].transaction.is_some() && self.stations[*slot].connection.is_some()
        };
        let cars: Vec<Slot> = (0..targets.len()).filter(online).collect();
        for slot in cars {
            let waits = self.watch.control == Control::LowerFirst
                && targets[slot] > self.sent[slot]
                && self.unconfirmed.contains(&true);
            if targets[slot] == self.sent[slot] || waits {
                continue;
            }
            self.unconfirmed[slot] = targets[slot] < self.sent[slot];
            self.sent[slot] = targets[slot];
            self.sent_seq += 1;
            let order = Order::Profile {
                seq: GrantSeq(self.sent_seq),
                limit: targets[slot],
                valid_to: None,
                transaction: self.stations[slot].transaction.clone(),
            };
            let connection = self.stations[slot].connection;
            self.at(self.now, Event::Call(0, slot, connection, order));
        }
    }
}
