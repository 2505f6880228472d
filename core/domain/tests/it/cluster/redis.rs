//! The fake table of routes: a cache that can vanish, go back in time, be away or answer late.

use std::collections::BTreeMap;

use ringmain_domain::cluster::routes::{self, Place};
use ringmain_domain::id::Epoch;

use super::faults::Planted;
use super::node::Input;
use super::promises::Promise;
use super::world::{At, Event, World};

/// How long a node waits for it, in milliseconds.
const ANSWER_WITHIN_MS: i64 = 500;
const TTL_MS: i64 = 90_000;

#[derive(Debug, Clone)]
pub(crate) enum Ask {
    /// Where is the old socket of the one that is opening?
    OldOf(usize, usize),
    /// Where is the station of this order?
    StationOf(usize, usize),
    /// The route of a socket that is opening.
    Set(usize, usize, Place),
    Assert(usize, Place),
    Delete(usize, Epoch),
    Ping,
}

#[derive(Debug, Clone)]
pub(crate) enum Said {
    /// No answer in time: it was done, or not, or will be.
    Failed,
    Route(Option<Place>),
    /// Whether the route was set or asserted, and which was there.
    Written(bool, Option<Place>),
    Done,
}

#[derive(Debug, Default)]
pub(crate) struct Redis {
    pub(crate) routes: BTreeMap<usize, (Place, i64)>,
    pub(crate) snapshot: BTreeMap<usize, (Place, i64)>,
    pub(crate) away_until: i64,
    pub(crate) late_until: i64,
}

impl World {
    pub(crate) fn reaches_redis(&self, node: usize) -> bool {
        self.now >= self.redis.away_until && self.now >= self.cut_redis_until[node]
    }

    pub(crate) fn route(&self, station: usize) -> Option<Place> {
        self.redis.routes.get(&station).filter(|(_, until)| self.now < *until).map(|(place, _)| *place)
    }

    pub(crate) fn ask_redis(&mut self, node: usize, ask: Ask) {
        let at = self.run_of(node);
        if !self.reaches_redis(node) {
            return self.after(ANSWER_WITHIN_MS, Event::Node(at, Input::Redis(ask, Said::Failed)));
        }
        if self.now < self.redis.late_until && self.rng.bool() {
            // The node has given up when it is done.
            self.count("route written too late for its node");
            let late = self.rng.i64(ANSWER_WITHIN_MS..3_000);
            self.after(late, Event::RedisLate(ask.clone()));
            return self.after(ANSWER_WITHIN_MS, Event::Node(at, Input::Redis(ask, Said::Failed)));
        }
        let travel = self.travel_ms();
        self.after(travel, Event::Redis(at, ask));
    }

    pub(crate) fn at_redis(&mut self, at: At, ask: Ask) {
        let said = if self.reaches_redis(at.node) { self.carry_out(&ask) } else { Said::Failed };
        let travel = self.travel_ms();
        self.after(travel, Event::Node(at, Input::Redis(ask, said)));
    }

    pub(crate) fn carry_out(&mut self, ask: &Ask) -> Said {
        match ask {
            Ask::OldOf(_, station) | Ask::StationOf(_, station) => Said::Route(self.route(*station)),
            Ask::Set(_, station, place) => {
                let before = self.route(*station);
                let epoch = before.as_ref().map(|place| place.epoch);
                let may = routes::may_set(epoch, place.epoch);
                if may || self.planted == Planted::SetWithoutCompare {
                    self.write_route(*station, Some(*place), place.epoch);
                    return Said::Written(true, before);
                }
                Said::Written(false, before)
            }
            Ask::Assert(station, place) => {
                let before = self.route(*station);
                let epoch = before.as_ref().map(|place| place.epoch);
                if routes::may_assert(epoch, place.epoch) {
                    if epoch != Some(place.epoch) {
                        self.count("sweep brought a route back");
                    }
                    self.write_route(*station, Some(*place), place.epoch);
                    return Said::Written(true, before);
                }
                Said::Written(false, before)
            }
            Ask::Delete(station, epoch) => {
                let before = self.route(*station).map(|place| place.epoch);
                let may = routes::may_delete(before, *epoch);
                if before.is_some_and(|before| before > *epoch) {
                    self.count("close of an old socket");
                }
                if may || self.planted == Planted::DeleteUnconditionally {
                    self.write_route(*station, None, *epoch);
                }
                Said::Done
            }
            Ask::Ping => Said::Done,
        }
    }

    /// Whoever decided it, the table sees who replaced whom (R2).
    fn write_route(&mut self, station: usize, place: Option<Place>, by: Epoch) {
        let before = self.route(station);
        if let Some(before) = before.filter(|before| Some(before) != place.as_ref()) {
            self.check_fence(station, before.epoch, by);
        }
        self.tell(|| format!("route of station {station} is {place:?}"));
        match place {
            Some(place) => self.redis.routes.insert(station, (place, self.now + TTL_MS)),
            None => self.redis.routes.remove(&station),
        };
    }

    pub(crate) fn check_fence(&mut self, station: usize, before: Epoch, by: Epoch) {
        if before > by {
            self.break_promise(Promise::RouteFencedByEpoch, || {
                format!("epoch {by} replaced or deleted {before} of station {station}")
            });
        }
    }
}
