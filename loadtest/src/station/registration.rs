//! Coming and going: boot messages, heartbeats, the status of connectors, restarts.
//!
//! OCPP 1.6 sections 4.2 and 4.6, OCPP 2.0.1 B01 to B03. Never touches energy.

use std::time::Duration;

use serde_json::json;

use crate::rpc::{Outgoing, Purpose};
use crate::settings::Settings;
use crate::station::evse::Status;
use crate::station::{Family, Goodbye, Link, Registration, Restart, Station, v2, v16};
use crate::tally::Count;
use crate::unit::Moment;

/// The wait before another boot message where the CSMS names none or says nothing.
const BOOT_AGAIN: Duration = Duration::from_secs(10);
/// How long a restart waits for what is still to be delivered.
pub(super) const DRAIN: Duration = Duration::from_secs(5);

/// What the CSMS said to a boot message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BootAnswer {
    Accepted,
    Pending,
    Rejected,
}

impl Station {
    /// A connection is up: carry on where the CSMS knows the station, boot where it does not.
    pub(super) fn back_online(&mut self, now: Moment, offline_for: Option<Duration>) {
        if self.registration != Registration::Accepted {
            if self.boot_at.is_none_or(|at| at <= now) {
                self.say_boot();
            }
            return;
        }
        self.tally.accepted(true);
        let interval = Settings::seconds(self.settings.heartbeat_s);
        // Heartbeats missed while offline are not made up for: a new schedule starts.
        self.next_heartbeat = self.next_heartbeat.map(|at| if at <= now { now.plus(interval) } else { at });
        let threshold = Settings::seconds(self.settings.offline_threshold_s);
        if self.family() == Family::V2 && offline_for.is_some_and(|span| span > threshold) {
            self.forget_reported();
        }
    }

    pub(super) fn say_boot(&mut self) {
        self.boot_at = None;
        if self.rpc.has(&Purpose::Boot) {
            return;
        }
        let payload = match self.family() {
            Family::V16 => v16::reports::boot(&self.id, &self.make),
            Family::V2 => v2::reports::boot(&self.id, &self.make, self.boot_reason),
        };
        self.say(Outgoing::new("BootNotification", payload, Purpose::Boot).even_before_accepted());
    }

    /// No answer to a boot message, or an error: try again later.
    pub(super) fn boot_failed(&mut self, now: Moment) {
        if self.registration != Registration::Accepted {
            self.boot_at = Some(now.plus(BOOT_AGAIN));
        }
    }

    pub(super) fn boot_answered(&mut self, now: Moment, answer: BootAnswer, interval_s: u32) {
        let interval = Settings::seconds(interval_s);
        let was_online = self.is_online();
        match answer {
            BootAnswer::Accepted => {
                self.tally.count(Count::BootAccepted);
                self.registration = Registration::Accepted;
                self.ever_accepted = true;
                self.boot_at = None;
                if !self.settings.heartbeat_fixed && interval_s > 0 {
                    self.settings.heartbeat_s = interval_s;
                }
                self.next_heartbeat = Some(now.plus(Settings::seconds(self.settings.heartbeat_s)));
                self.forget_reported();
                self.resume_transactions(now);
            }
            BootAnswer::Pending | BootAnswer::Rejected => {
                self.tally.count(Count::BootDeferred);
                self.registration = if answer == BootAnswer::Pending {
                    Registration::Pending
                } else {
                    Registration::Rejected
                };
                self.boot_at = Some(now.plus(if interval_s > 0 { interval } else { BOOT_AGAIN }));
            }
        }
        if self.is_online() != was_online {
            self.tally.accepted(self.is_online());
        }
    }

    pub(super) fn tick_registration(&mut self, now: Moment) {
        if self.link.up && self.boot_at.is_some_and(|at| at <= now) {
            self.say_boot();
        }
        if !self.is_online() {
            return;
        }
        let interval = Settings::seconds(self.settings.heartbeat_s);
        // One heartbeat for every time that has passed: a slow CSMS does not thin out the schedule it is measured by.
        while let Some(due) = self.next_heartbeat.filter(|due| *due <= now) {
            self.say(Outgoing::new("Heartbeat", json!({}), Purpose::Heartbeat).due(Some(due)));
            self.next_heartbeat = Some(due.plus(interval.max(Duration::from_secs(1))));
        }
    }

    /// The heartbeat interval was changed: it counts from now.
    pub(super) fn restart_heartbeats(&mut self, now: Moment) {
        if self.next_heartbeat.is_some() {
            self.next_heartbeat = Some(now.plus(Settings::seconds(self.settings.heartbeat_s)));
        }
    }

    /// All connectors are reported again, changed or not.
    pub(super) fn forget_reported(&mut self) {
        self.reported_whole = None;
        for evse in &mut self.evses {
            evse.reported = None;
        }
    }

    /// Says the status of every connector that differs from what was last said.
    pub(super) fn report_statuses(&mut self, now: Moment) {
        let stamp = self.clock.stamp(now);
        let mut changed: Vec<(u32, Status)> = Vec::new();
        if self.family() == Family::V16 {
            let whole = self.whole_status();
            if self.reported_whole != Some(whole) {
                self.reported_whole = Some(whole);
                changed.push((0, whole));
            }
        }
        for evse in &mut self.evses {
            let status = evse.status();
            let said = evse.reported;
            evse.reported = Some(status);
            let differs = match self.make.version.family() {
                Family::V16 => said != Some(status),
                Family::V2 => {
                    said.map(v2::reports::connector_status) != Some(v2::reports::connector_status(status))
                }
            };
            if differs {
                changed.push((evse.id, status));
            }
        }
        for (evse, status) in changed {
            self.say_status(evse, status, &stamp, false);
        }
    }

    /// Says one connector's status; 0 is the station itself (1.6).
    pub(super) fn say_status(&mut self, evse: u32, status: Status, stamp: &str, triggered: bool) {
        let payload = match self.family() {
            Family::V16 => v16::reports::status(evse, status, stamp),
            Family::V2 => v2::reports::status(evse, status, stamp),
        };
        let call = Outgoing::new("StatusNotification", payload, Purpose::Status);
        self.say(if triggered { call.even_before_accepted() } else { call });
    }

    /// Connector 0 knows three states (OCPP 1.6 section 4.9).
    pub(super) fn whole_status(&self) -> Status {
        if self.evses.iter().all(|evse| !evse.operative) { Status::Unavailable } else { Status::Available }
    }

    /// A restart was asked for and may happen now.
    pub(super) fn restart_now(&mut self, now: Moment, reason: &'static str) {
        self.restart = Some(Restart { reason, drain_until: Some(now.plus(DRAIN)) });
    }

    pub(super) fn tick_restart(&mut self, now: Moment) {
        if !self.is_dark(now) {
            self.link.dark_until = None;
        }
        let Some(restart) = self.restart else { return };
        let Some(drain_until) = restart.drain_until else {
            if self.evses.iter().all(|evse| evse.transaction.is_none()) {
                self.restart_now(now, restart.reason);
            }
            return;
        };
        let drained = self.rpc.is_idle() && self.frames.is_empty();
        if self.link.up && !drained && now < drain_until {
            return;
        }
        if self.is_online() {
            self.tally.accepted(false);
        }
        self.restart = None;
        self.registration = Registration::Unknown;
        self.boot_reason = restart.reason;
        self.boot_at = None;
        self.next_heartbeat = None;
        self.chores.clear();
        let dark_until = Some(now.plus(Settings::seconds(self.settings.reboot_s)));
        self.link = Link { dark_until, goodbye: Some(Goodbye::Polite), ..self.link };
        self.suspend_energy(now);
    }

    /// The connection is closed and opened again, for new credentials.
    pub(super) fn reconnect(&mut self) {
        self.link.goodbye = Some(Goodbye::Polite);
    }
}
