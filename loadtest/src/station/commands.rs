//! What the CSMS may ask for, in no version's words: remote start and stop, availability, unlocking, triggers, resets.
//!
//! `v16/commands` and `v2/commands` read the JSON, call here, and spell the outcome. Every answer goes out before what it
//! sets off.

use crate::profile::{Profile, Purpose as ProfilePurpose, Refusal};
use crate::rpc::{Outgoing, Purpose};
use crate::station::evse::{Grant, PresentedToken, RemoteStart, Transaction};
use crate::station::transactions::{StopReason, Trigger};
use crate::station::{Family, Registration, Station, v2, v16};
use crate::unit::Moment;

/// How a change that may have to wait came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Accepted,
    Scheduled,
    Rejected,
}

/// How a restart is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ResetKind {
    /// 1.6 Soft: transactions are ended first.
    Soft,
    /// 1.6 Hard, 2.x Immediate.
    Hard,
    /// 2.x OnIdle: after the last transaction.
    OnIdle,
    /// 2.1 ImmediateAndResume: transactions go on afterwards.
    Resume,
}

/// How unlocking a connector came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UnlockOutcome {
    Opened,
    OngoingTransaction,
    UnknownConnector,
}

/// A remote start as it was asked for.
#[derive(Clone, Debug)]
pub(super) struct StartOrder {
    pub(super) evse: Option<u32>,
    pub(super) token: PresentedToken,
    /// The CSMS's number for it (2.x).
    pub(super) remote_id: Option<i64>,
    pub(super) profile: Option<Profile>,
}

impl Station {
    /// Starts by order of the CSMS. `Ok` carries the id of a transaction that already runs without a payer.
    pub(super) fn remote_start(&mut self, now: Moment, order: StartOrder) -> Result<Option<String>, Refusal> {
        if self.registration != Registration::Accepted || self.restart.is_some() {
            return Err(Refusal("CSNotAccepted"));
        }
        if let Some(profile) = &order.profile {
            let known = profile.check(order.evse.unwrap_or(1));
            if profile.purpose != ProfilePurpose::Tx || profile.transaction.is_some() || known.is_err() {
                return Err(Refusal("InvalidProfile"));
            }
        }
        let can_start = |evse: &&super::Evse| {
            let waiting = matches!(evse.grant, Grant::None | Grant::Refused);
            evse.is_usable() && waiting && !evse.is_charging_session()
        };
        let chosen = match order.evse {
            Some(wanted) => self.evse(wanted).filter(can_start),
            // A car that waits is served before an empty place.
            None => {
                let all = self.evses.iter().filter(can_start);
                all.min_by_key(|evse| (evse.vehicle.is_none(), evse.finishing, evse.id))
            }
        };
        let Some(evse) = chosen else { return Err(Refusal("TxInProgress")) };
        let (evse, running) = (evse.id, evse.transaction.as_ref().map(|transaction| transaction.id.clone()));
        let remote = RemoteStart { id: order.remote_id, profile: order.profile.map(Box::new) };
        if self.settings.authorize_remote {
            self.ask(now, evse, order.token, Some(remote));
        } else {
            self.grant(now, evse, order.token, Some(remote));
        }
        // Started at once: 2.x tells the id where it is known before the event.
        let now_running = self.evse(evse).and_then(|place| place.transaction.as_ref());
        Ok(running.or_else(|| now_running.map(|transaction| transaction.id.clone())))
    }

    /// Stops by order of the CSMS; `false` when it names no transaction of this station.
    pub(super) fn remote_stop(&mut self, now: Moment, transaction: &str) -> bool {
        let Some(evse) = self.evse_of_transaction(transaction) else { return false };
        self.stop(now, evse, StopReason::Remote);
        true
    }

    pub(super) fn evse_of_transaction(&self, id: &str) -> Option<u32> {
        let runs = |transaction: &Transaction| !id.is_empty() && transaction.id == id;
        self.evses.iter().find(|evse| evse.transaction.as_ref().is_some_and(runs)).map(|evse| evse.id)
    }

    /// Takes one EVSE, or all, in or out of use; a running transaction is let to its end first.
    pub(super) fn change_availability(&mut self, evse: Option<u32>, operative: bool) -> Outcome {
        let mut outcome = Outcome::Rejected;
        for place in self.evses.iter_mut().filter(|place| evse.is_none_or(|wanted| wanted == place.id)) {
            if place.transaction.is_some() && place.operative != operative {
                place.operative_next = Some(operative);
                outcome = Outcome::Scheduled;
            } else {
                place.operative = operative;
                place.operative_next = None;
                if outcome == Outcome::Rejected {
                    outcome = Outcome::Accepted;
                }
            }
        }
        outcome
    }

    /// Opens the lock of a connector; a transaction on it ends where `ends_transaction` says so (1.6).
    pub(super) fn unlock(&mut self, now: Moment, evse: u32, ends_transaction: bool) -> UnlockOutcome {
        let Some(place) = self.evse(evse) else { return UnlockOutcome::UnknownConnector };
        if place.transaction.is_some() {
            if !ends_transaction {
                return UnlockOutcome::OngoingTransaction;
            }
            self.stop(now, evse, StopReason::Unlock);
        }
        UnlockOutcome::Opened
    }

    /// Restarts the station, now or when the last transaction is over.
    pub(super) fn reset(&mut self, now: Moment, kind: ResetKind) -> Outcome {
        let running: Vec<u32> =
            self.evses.iter().filter(|evse| evse.transaction.is_some()).map(|evse| evse.id).collect();
        let reason = match kind {
            ResetKind::Soft => Some(StopReason::SoftReset),
            ResetKind::Hard => Some(StopReason::HardReset),
            ResetKind::OnIdle if running.is_empty() => None,
            ResetKind::OnIdle => {
                self.restart = Some(super::Restart { reason: "ScheduledReset", drain_until: None });
                return Outcome::Scheduled;
            }
            ResetKind::Resume => None,
        };
        if let Some(reason) = reason {
            for evse in running {
                self.stop(now, evse, reason);
            }
        }
        self.restart_now(now, "RemoteReset");
        Outcome::Accepted
    }

    /// Says again what was asked for, even before the station is accepted.
    pub(super) fn say_heartbeat(&mut self) {
        self.say(
            Outgoing::new("Heartbeat", serde_json::json!({}), Purpose::Heartbeat).even_before_accepted(),
        );
    }

    pub(super) fn say_all_statuses(&mut self, now: Moment, only: Option<u32>) {
        let stamp = self.clock.stamp(now);
        if self.family() == Family::V16 && only.is_none_or(|wanted| wanted == 0) {
            self.say_status(0, self.whole_status(), &stamp, true);
        }
        let wanted: Vec<_> = self
            .evses
            .iter()
            .filter(|evse| only.is_none_or(|wanted| wanted == evse.id))
            .map(|evse| (evse.id, evse.status()))
            .collect();
        for (evse, status) in wanted {
            self.say_status(evse, status, &stamp, true);
        }
    }

    /// Meter values outside the rhythm of a transaction: of one EVSE or of all.
    pub(super) fn say_meter_values(&mut self, now: Moment, only: Option<u32>) {
        self.integrate(now);
        let stamp = self.clock.stamp(now);
        let wanted: Vec<u32> = self
            .evses
            .iter()
            .map(|evse| evse.id)
            .filter(|id| only.is_none_or(|wanted| wanted == *id))
            .collect();
        for evse in wanted {
            let Some(place) = self.evse(evse) else { continue };
            if self.family() == Family::V16 && place.transaction.is_some() {
                self.say_update(now, evse, Trigger::Asked);
                continue;
            }
            let payload = match self.family() {
                Family::V16 => v16::reports::readings(&self.make, place, Trigger::Asked, &stamp),
                Family::V2 => v2::reports::meter_values(&self.make, place, &stamp),
            };
            self.say(Outgoing::new("MeterValues", payload, Purpose::Notice).even_before_accepted());
        }
    }

    /// A running transaction is told again (2.x); `false` when none of the wanted runs.
    pub(super) fn say_transactions(&mut self, now: Moment, only: Option<u32>) -> bool {
        let running = self.evses.iter().filter(|evse| evse.transaction.is_some()).map(|evse| evse.id);
        let wanted: Vec<u32> = running.filter(|id| only.is_none_or(|wanted| wanted == *id)).collect();
        for evse in &wanted {
            self.say_update(now, *evse, Trigger::Asked);
        }
        !wanted.is_empty()
    }

    /// Installs a profile for an EVSE, or for the station (0).
    pub(super) fn set_profile(&mut self, evse: u32, profile: Profile, strict: bool) -> Result<(), Refusal> {
        profile.check(evse)?;
        let place = self.evse(evse);
        if evse != 0 && place.is_none() {
            return Err(Refusal("UnknownEvse"));
        }
        if profile.schedule.unit == crate::profile::RateUnit::Amperes
            && self.make.current == crate::vehicle::Current::Dc
        {
            return Err(Refusal("UnsupportedRateUnit"));
        }
        if profile.purpose == ProfilePurpose::Tx {
            let running = place.and_then(|place| place.transaction.as_ref()).ok_or(Refusal("TxNotFound"))?;
            match &profile.transaction {
                Some(wanted) if *wanted != running.id => return Err(Refusal("TxNotFound")),
                None if strict => return Err(Refusal("InvalidProfile")),
                Some(_) | None => {}
            }
        }
        self.profiles.install(evse, profile, strict)
    }
}
