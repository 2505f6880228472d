//! Transactions: the cable, the token, the start, the readings, the end, and what the CSMS answered to each.
//!
//! OCPP 1.6 sections 4.8, 4.10 and 5.11, OCPP 2.0.1 E01 to E15. Energy itself is counted in `charging`; JSON is written in
//! `v16` and `v2`. Every message of a transaction is durable: `rpc` keeps it until it is answered or given up.

use std::time::Duration;

use uuid::Uuid;

use crate::rpc::{Outgoing, Purpose};
use crate::settings::{Settings, TxStart};
use crate::station::evse::{ChargingState, ErrorCode, Grant, PresentedToken, RemoteStart, Transaction};
use crate::station::{Family, Station, v2, v16};
use crate::tally::{Count, SessionRecord};
use crate::unit::{Moment, Watts};
use crate::vehicle::Vehicle;

/// Why an event of a running transaction is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trigger {
    Authorized,
    CablePluggedIn,
    RemoteStart,
    ChargingStateChanged,
    /// A periodic reading, with the time it was due.
    Reading(Moment),
    /// The CSMS asked for it.
    Asked,
    /// After a restart that kept the transaction (2.1).
    Resumed,
}

/// Why a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StopReason {
    Local,
    Remote,
    EvDisconnected,
    DeAuthorized,
    SoftReset,
    HardReset,
    Unlock,
    Fault(ErrorCode),
}

impl Station {
    /// A car is plugged in. Returns `false` where there is one already or the connector is broken.
    pub fn plug_in(&mut self, now: Moment, evse: u32, vehicle: Vehicle) -> bool {
        let may_start = self.family() == Family::V2 && self.settings.tx_start == TxStart::EvConnected;
        let Some(place) = self.evse_mut(evse).filter(|evse| evse.vehicle.is_none() && evse.fault.is_none())
        else {
            return false;
        };
        place.vehicle = Some(vehicle);
        place.power_since = now;
        place.finishing = false;
        let operative = place.operative;
        let granted = matches!(place.grant, Grant::Granted { .. });
        if granted {
            self.use_grant(now, evse, Trigger::CablePluggedIn);
        } else if may_start && operative {
            self.start(now, evse, None, Trigger::CablePluggedIn);
        }
        self.settle(now);
        true
    }

    /// A token is held to the reader: it starts, or ends what it started.
    pub fn present_token(&mut self, now: Moment, evse: u32, token: &str) {
        let Some(place) = self.evse_mut(evse).filter(|place| place.fault.is_none()) else { return };
        let running = place.transaction.as_ref().filter(|transaction| transaction.authorized);
        match running {
            Some(transaction) if transaction.token.as_ref().is_some_and(|known| known.id == token) => {
                self.stop(now, evse, StopReason::Local);
            }
            Some(_) => {}
            None if place.is_asking() || !place.operative => {}
            None => self.ask(now, evse, PresentedToken::local(token), None),
        }
        self.settle(now);
    }

    /// The cable is pulled and the car leaves.
    pub fn unplug(&mut self, now: Moment, evse: u32) {
        self.integrate(now);
        if self.evse(evse).is_some_and(|place| place.transaction.is_some()) {
            self.stop(now, evse, StopReason::EvDisconnected);
        }
        if let Some(place) = self.evse_mut(evse) {
            place.vehicle = None;
            place.power = Watts(0);
            place.finishing = false;
            if !place.is_asking() {
                place.grant = Grant::None;
            }
        }
        self.settle(now);
    }

    /// A connector breaks or is mended. What runs on it ends.
    pub fn set_fault(&mut self, now: Moment, evse: u32, fault: Option<ErrorCode>) {
        let Some(before) = self.evse(evse).map(|place| place.fault) else { return };
        if before == fault {
            return;
        }
        if let Some(code) = fault
            && self.evse(evse).is_some_and(|place| place.transaction.is_some())
        {
            self.stop(now, evse, StopReason::Fault(code));
        }
        if let Some(place) = self.evse_mut(evse) {
            place.fault = fault;
            place.grant = Grant::None;
        }
        if self.family() == Family::V2 && self.is_online() {
            self.last_event_id += 1;
            let stamp = self.clock.stamp(now);
            let payload =
                v2::reports::fault_event(self.last_event_id, evse, fault.or(before), fault.is_none(), &stamp);
            self.say(Outgoing::new("NotifyEvent", payload, Purpose::Notice));
        }
        self.settle(now);
    }

    /// Asks the CSMS whether a token may charge, or decides alone where there is no connection.
    pub(super) fn ask(&mut self, now: Moment, evse: u32, token: PresentedToken, remote: Option<RemoteStart>) {
        let payload = match self.family() {
            Family::V16 => v16::reports::authorize(&token),
            Family::V2 => v2::reports::authorize(&token),
        };
        if let Some(place) = self.evse_mut(evse) {
            place.grant = Grant::Asking { token, remote };
        }
        if self.is_online() && self.restart.is_none() {
            self.say(Outgoing::new("Authorize", payload, Purpose::Authorize { evse }));
        } else {
            self.authorize_offline(now, evse);
        }
    }

    /// No connection: the station's own rule decides.
    pub(super) fn authorize_offline(&mut self, now: Moment, evse: u32) {
        let usable = self.ever_accepted && !self.is_dark(now) && self.restart.is_none();
        let allowed = self.settings.offline_authorization && usable;
        self.authorization_answered(now, evse, allowed);
    }

    pub(super) fn authorization_answered(&mut self, now: Moment, evse: u32, accepted: bool) {
        let Some(place) = self.evse_mut(evse) else { return };
        let Grant::Asking { token, remote } = std::mem::replace(&mut place.grant, Grant::Refused) else {
            return;
        };
        if accepted {
            self.grant(now, evse, token, remote);
        }
    }

    /// Somebody may charge: starts if the car is there, else waits for it.
    pub(super) fn grant(
        &mut self,
        now: Moment,
        evse: u32,
        token: PresentedToken,
        remote: Option<RemoteStart>,
    ) {
        let until = now.plus(Settings::seconds(self.settings.connection_timeout_s));
        let trigger = if remote.is_some() { Trigger::RemoteStart } else { Trigger::Authorized };
        let Some(place) = self.evse_mut(evse) else { return };
        place.grant = Grant::Granted { token, remote, until };
        if place.vehicle.is_some() && place.is_usable() {
            self.use_grant(now, evse, trigger);
        }
    }

    /// A car did not come in time.
    pub(super) fn tick_grants(&mut self, now: Moment) {
        for evse in &mut self.evses {
            let over = matches!(&evse.grant, Grant::Granted { until, .. } if *until <= now);
            if over && evse.vehicle.is_none() {
                evse.grant = Grant::None;
            }
        }
    }

    fn use_grant(&mut self, now: Moment, evse: u32, trigger: Trigger) {
        let Some(place) = self.evse_mut(evse) else { return };
        let Grant::Granted { token, remote, .. } = std::mem::replace(&mut place.grant, Grant::None) else {
            return;
        };
        let profile = remote.as_ref().and_then(|remote| remote.profile.clone());
        // A remote start tells so even if the cable came last: the CSMS finds its request by it (2.0.1 F01, F02).
        let trigger = if remote.is_some() { Trigger::RemoteStart } else { trigger };
        let remote_id = remote.and_then(|remote| remote.id);
        match &mut place.transaction {
            Some(transaction) => {
                transaction.authorized = true;
                transaction.token = Some(token);
                transaction.remote_id = remote_id;
                self.say_update(now, evse, trigger);
            }
            None => self.start(now, evse, Some((token, remote_id)), trigger),
        }
        if let Some(mut profile) = profile {
            let id =
                self.evse(evse).and_then(|place| place.transaction.as_ref()).map(|known| known.id.clone());
            profile.transaction = id.filter(|id| !id.is_empty());
            if let Err(refusal) = self.profiles.install(evse, *profile, false) {
                tracing::debug!(station.id = %self.id, reason = refusal.0, "profile of remote start not taken");
            }
        }
        self.step(now);
    }

    fn start(
        &mut self,
        now: Moment,
        evse: u32,
        payer: Option<(PresentedToken, Option<i64>)>,
        trigger: Trigger,
    ) {
        self.integrate(now);
        self.last_serial += 1;
        let serial = self.last_serial;
        let interval = self.reading_interval();
        let id = match self.family() {
            Family::V16 => String::new(),
            Family::V2 => Uuid::new_v4().to_string(),
        };
        let Some(place) = self.evse_mut(evse) else { return };
        let authorized = payer.is_some();
        let (token, remote_id) = payer.map_or((None, None), |(token, remote_id)| (Some(token), remote_id));
        place.transaction = Some(Transaction {
            serial,
            id,
            token,
            remote_id,
            next_seq: 0,
            started_at: now,
            meter_start_wh: place.meter.whole_wh(),
            next_reading: interval.map(|interval| now.plus(interval)),
            state: ChargingState::EvConnected,
            authorized,
        });
        self.tally.session_started();
        let Some((evse_state, transaction)) = self.running(evse) else { return };
        let stamp = self.clock.stamp(now);
        let (action, payload) = match self.family() {
            Family::V16 => ("StartTransaction", v16::reports::started(evse_state, transaction, &stamp)),
            Family::V2 => {
                let event =
                    v2::reports::Event { trigger: Some(trigger), offline: !self.link.up, stamp: &stamp };
                let payload = v2::reports::started(&self.make, evse_state, transaction, &event);
                ("TransactionEvent", payload)
            }
        };
        self.count_event(evse);
        self.say(Outgoing::new(action, payload, Purpose::Started { evse, serial }));
    }

    /// Tells a change, or a reading, of a running transaction.
    pub(super) fn say_update(&mut self, now: Moment, evse: u32, trigger: Trigger) {
        self.integrate(now);
        let Some((place, transaction)) = self.running(evse) else { return };
        let serial = transaction.serial;
        let stamp = self.clock.stamp(now);
        let reading = matches!(trigger, Trigger::Reading(_));
        let (action, payload) = match self.family() {
            // 1.6 tells changes by status; only readings are messages of the transaction.
            Family::V16 if reading || trigger == Trigger::Asked => {
                ("MeterValues", v16::reports::readings(&self.make, place, trigger, &stamp))
            }
            Family::V16 => return,
            Family::V2 => {
                let event =
                    v2::reports::Event { trigger: Some(trigger), offline: !self.link.up, stamp: &stamp };
                ("TransactionEvent", v2::reports::updated(&self.make, place, transaction, &event))
            }
        };
        let due =
            if let Trigger::Reading(due) = trigger { Some(due).filter(|_| self.is_online()) } else { None };
        self.count_event(evse);
        self.say(Outgoing::new(action, payload, Purpose::Updated { evse, serial, reading }).due(due));
    }

    /// Ends a transaction; the car stays where it is.
    pub(super) fn stop(&mut self, now: Moment, evse: u32, reason: StopReason) {
        self.integrate(now);
        let stamp = self.clock.stamp(now);
        let Some((place, transaction)) = self.running(evse) else { return };
        let (action, payload) = match self.family() {
            Family::V16 => ("StopTransaction", v16::reports::ended(place, transaction, reason, &stamp)),
            Family::V2 => {
                let event = v2::reports::Event { trigger: None, offline: !self.link.up, stamp: &stamp };
                ("TransactionEvent", v2::reports::ended(&self.make, place, transaction, reason, &event))
            }
        };
        let (serial, record) = (transaction.serial, Box::new(self.record(now, evse)));
        let energy_wh = record.energy_wh;
        if let Some(place) = self.evse_mut(evse) {
            place.transaction = None;
            place.power = Watts(0);
            place.next_step = None;
            place.finishing = place.vehicle.is_some();
            if let Some(operative) = place.operative_next.take() {
                place.operative = operative;
            }
        }
        self.profiles.end_transaction(evse);
        self.tally.session_ended(energy_wh);
        self.say(Outgoing::new(action, payload, Purpose::Ended { serial, record }));
        // What one car leaves of the station's limit is there for the others.
        self.step(now);
    }

    pub(super) fn say_readings(&mut self, now: Moment) {
        let interval = self.reading_interval();
        // Without power nothing is read; the rhythm goes on.
        let dark = self.is_dark(now);
        let mut due: Vec<(u32, Moment)> = Vec::new();
        for evse in &mut self.evses {
            let Some(transaction) = &mut evse.transaction else { continue };
            while let Some(at) = transaction.next_reading.filter(|at| *at <= now) {
                if !dark {
                    due.push((evse.id, at));
                }
                transaction.next_reading = interval.map(|interval| at.plus(interval));
            }
        }
        for (evse, at) in due {
            self.say_update(now, evse, Trigger::Reading(at));
        }
    }

    /// The interval of readings was changed: it counts from now.
    pub(super) fn restart_readings(&mut self, now: Moment) {
        let interval = self.reading_interval();
        for transaction in self.evses.iter_mut().filter_map(|evse| evse.transaction.as_mut()) {
            transaction.next_reading = interval.map(|interval| now.plus(interval));
        }
    }

    /// Accepted again: what survived a restart goes on.
    pub(super) fn resume_transactions(&mut self, now: Moment) {
        let Some(last) = self.paused.take() else { return };
        let survived = |transaction: &Transaction| transaction.serial <= last;
        let survivors = self
            .evses
            .iter()
            .filter(|evse| evse.transaction.as_ref().is_some_and(survived))
            .map(|evse| evse.id);
        for evse in survivors.collect::<Vec<u32>>() {
            self.say_update(now, evse, Trigger::Resumed);
        }
        self.step(now);
    }

    /// The CSMS does not want the token after all.
    pub(super) fn deauthorized(&mut self, now: Moment, evse: u32, serial: u64) {
        let running = self.evse(evse).and_then(|place| place.transaction.as_ref());
        if self.settings.stop_on_invalid && running.is_some_and(|transaction| transaction.serial == serial) {
            self.stop(now, evse, StopReason::DeAuthorized);
        }
    }

    /// The last message of a transaction was answered or given up: its truth is final.
    pub(super) fn settle_record(&mut self, serial: u64, mut record: SessionRecord, acknowledged: bool) {
        record.acknowledged = acknowledged;
        if let Some(place) = self.numbers.iter().position(|(known, _)| *known == serial) {
            let (_, number) = self.numbers.swap_remove(place);
            record.transaction_id = number.map(|number| number.to_string());
        }
        self.tally.session_settled(&record);
    }

    fn record(&self, now: Moment, evse: u32) -> SessionRecord {
        let place = self.evse(evse);
        let transaction = place.and_then(|place| place.transaction.as_ref());
        let meter_stop_wh = place.map_or(0, |place| place.meter.whole_wh());
        let meter_start_wh = transaction.map_or(meter_stop_wh, |transaction| transaction.meter_start_wh);
        let id = transaction.map(|transaction| transaction.id.clone());
        SessionRecord {
            station: self.id.to_string(),
            evse,
            transaction_id: id.filter(|id| !id.is_empty()),
            token: transaction.and_then(|known| known.token.as_ref()).map(|token| token.id.clone()),
            meter_start_wh,
            meter_stop_wh,
            energy_wh: meter_stop_wh - meter_start_wh,
            started_at: self.clock.stamp(transaction.map_or(now, |transaction| transaction.started_at)),
            ended_at: self.clock.stamp(now),
            acknowledged: false,
        }
    }

    fn running(&self, evse: u32) -> Option<(&super::Evse, &Transaction)> {
        let place = self.evse(evse)?;
        place.transaction.as_ref().map(|transaction| (place, transaction))
    }

    fn count_event(&mut self, evse: u32) {
        if let Some(transaction) = self.evse_mut(evse).and_then(|place| place.transaction.as_mut()) {
            transaction.next_seq += 1;
        }
    }

    fn reading_interval(&self) -> Option<Duration> {
        let interval_s = self.settings.meter_interval_s;
        (interval_s > 0).then(|| Settings::seconds(interval_s))
    }

    /// An end was answered.
    pub(super) fn ended_answered(&mut self, serial: u64, record: SessionRecord) {
        self.settle_record(serial, record, true);
    }

    /// A message given up counts where nobody asks for it any more.
    pub(super) fn count_unread_answer(&self) {
        self.tally.count(Count::Unreadable);
    }
}
