//! What a station says some time after it was asked: the progress of an upload, of an installation.
//!
//! Stands behind GetLog, GetDiagnostics and UpdateFirmware; nothing is really uploaded or installed.

use std::time::Duration;

use serde_json::Value;

use crate::rpc::{Outgoing, Purpose};
use crate::station::Station;
use crate::unit::Moment;

/// Steps that may wait at once; more are not taken.
const CHORES_MAX: usize = 64;
/// Between two steps of a progress.
const STEP: Duration = Duration::from_secs(1);

impl Station {
    /// Says one notification after the other, a step apart, the first one step from now.
    pub(super) fn say_in_steps(&mut self, now: Moment, action: &'static str, payloads: Vec<Value>) {
        let mut at = now;
        for payload in payloads {
            at = at.plus(STEP);
            if self.chores.len() < CHORES_MAX {
                let place = self.chores.partition_point(|(other, _)| *other <= at);
                self.chores.insert(place, (at, Outgoing::new(action, payload, Purpose::Notice)));
            }
        }
    }

    /// A longer job of the same kind ends without another word when a newer one takes its place.
    pub(super) fn drop_chores(&mut self, action: &str) -> bool {
        let before = self.chores.len();
        self.chores.retain(|(_, call)| call.action != action);
        self.chores.len() < before
    }

    pub(super) fn tick_chores(&mut self, now: Moment) {
        while self.is_online() && self.chores.front().is_some_and(|(at, _)| *at <= now) {
            let Some((_, call)) = self.chores.pop_front() else { return };
            self.say(call);
        }
    }
}
