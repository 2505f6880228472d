//! One station on one connection: what it is told, what is kept of what it says.
//!
//! Pure: `apply(now, input)` is total. Its concerns live in files of their own; this one is the match that names them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::authorize::{TokenPolicy, TokenStanding};
use crate::event::DomainEvent;
use crate::id::{ConnectorId, EvseId, StationId, TenantId, TransactionId};
use crate::location::{ChargingStation, ConnectorStatus};
use crate::outcome::Outcome;
use crate::reply::{DataTransferStatus, NeedsAnswer, Registration, StationReply};
use crate::report::{StationFault, StationReport};
use crate::snapshot::{OpenTransaction, StationSnapshot};
use crate::time::Timestamp;
use crate::transaction::NumberingSecret;

mod boot;
mod liveness;
mod metering;
pub mod starts;
mod status;
mod transactions;

/// The most connectors kept of one station.
pub const MAX_CONNECTORS: usize = 512;
/// The most transactions of one station that may be open at a time.
pub const MAX_OPEN: usize = 256;

/// What holds for all stations of an installation.
#[derive(Debug, Clone)]
pub struct StationPolicy {
    /// Seconds between heartbeats of an accepted station.
    pub heartbeat_interval_s: u32,
    /// Seconds until a station that is not accepted asks again.
    pub boot_retry_s: u32,
    /// Seconds until a start that was ordered and accepted is given up, if no transaction follows.
    pub start_timeout_s: u32,
    /// What holds for all tokens.
    pub tokens: TokenPolicy,
    /// Readings that name no transaction are billed with the one that goes on at their EVSE, instead of only kept beside it.
    pub bill_unnamed_readings: bool,
    /// Derives transaction numbers.
    pub numbering: NumberingSecret,
}

/// Something that happens to a station.
#[derive(Debug)]
pub enum Input {
    /// It said something; `token` is what the store knows of the token it presents.
    Report {
        /// What it said.
        report: Box<StationReport>,
        /// What is known about [`StationReport::token`], when there is one.
        token: Option<Box<TokenStanding>>,
        /// Is the load of the EVSE managed of whose car it tells?
        is_managed: bool,
    },
    /// The store gave a transaction another number than the one proposed.
    Numbered {
        /// The number proposed.
        proposed: TransactionId,
        /// The number it has.
        given: TransactionId,
    },
    /// An operator asks for its variables; their report is then taken from a waiting station too.
    ReportAsked,
    /// A start is ordered.
    StartOrdered(starts::ExpectedStart),
    /// The order to start with this number ended.
    StartEnded {
        /// Which.
        remote_start_id: i32,
        /// The station accepted it.
        is_accepted: bool,
    },
    /// An operator changed its record.
    Changed(Box<ChargingStation>),
    /// Any frame arrived, a pong too.
    Heard,
    /// Time went on.
    Tick,
}

/// A station's connector as its connection knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ConnectorState {
    status: ConnectorStatus,
    fault: Option<StationFault>,
}

/// The state of one connection's station.
#[derive(Debug)]
pub struct StationState {
    tenant: TenantId,
    id: StationId,
    policy: Arc<StationPolicy>,
    registration: Registration,
    /// Its boot was accepted, on this connection or an earlier one.
    accepted: bool,
    /// An operator asked for its variables on this connection.
    report_asked: bool,
    connectors: BTreeMap<(EvseId, ConnectorId), ConnectorState>,
    open: BTreeMap<TransactionId, OpenTransaction>,
    expected: starts::Expected,
    liveness: liveness::Liveness,
}

// === impl StationState ===

impl StationState {
    /// A station as the store knows it, on a new connection.
    #[must_use]
    pub fn from_snapshot(snapshot: &StationSnapshot, policy: Arc<StationPolicy>, now: Timestamp) -> Self {
        let connectors = snapshot.connectors.iter().take(MAX_CONNECTORS).map(|connector| {
            let state = ConnectorState { status: connector.status, fault: connector.fault.clone() };
            ((connector.evse, connector.connector), state)
        });
        let open = snapshot.open.iter().take(MAX_OPEN).map(|session| {
            let open = OpenTransaction {
                transaction: session.transaction.clone(),
                evse: session.evse,
                connector: session.connector,
                since: session.started_at,
            };
            (session.transaction.clone(), open)
        });
        Self {
            tenant: snapshot.tenant().clone(),
            id: snapshot.id().clone(),
            policy,
            registration: snapshot.station.registration,
            accepted: snapshot.was_accepted(),
            report_asked: false,
            connectors: connectors.collect(),
            open: open.collect(),
            expected: starts::Expected::default(),
            liveness: liveness::Liveness::new(now),
        }
    }

    /// Whose station.
    #[must_use]
    pub const fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Which station.
    #[must_use]
    pub const fn id(&self) -> &StationId {
        &self.id
    }

    /// Transactions that go on, by id.
    pub fn open_transactions(&self) -> impl Iterator<Item = &OpenTransaction> {
        self.open.values()
    }

    /// Has a boot been accepted?
    #[must_use]
    pub const fn is_accepted(&self) -> bool {
        self.accepted
    }

    /// When [`Input::Tick`] is wanted next.
    #[must_use]
    pub fn next_deadline(&self) -> Timestamp {
        let liveness = self.liveness.next_deadline();
        self.expected.values().filter_map(|waiting| waiting.due).fold(liveness, Timestamp::min)
    }

    /// The clock that gives the time was set by so much, forward or back: what is waited for is moved along.
    pub fn clock_moved(&mut self, by_ms: i64) {
        self.liveness.clock_moved(by_ms);
        self.starts_moved(by_ms);
    }

    /// Takes one input and says what follows. Never fails: a refusal is a reply, the unknown is noted.
    pub fn apply(&mut self, now: Timestamp, input: Input) -> Outcome {
        match input {
            Input::Report { report, token, is_managed } => {
                self.liveness.heard(now);
                let mut outcome = self.on_report(now, *report, token.as_deref(), is_managed);
                if self.accepted && self.liveness.worth_recording(now) {
                    outcome.events.push(DomainEvent::StationSeen);
                }
                outcome
            }
            Input::Numbered { proposed, given } => {
                self.renumber(&proposed, given);
                Outcome::nothing()
            }
            Input::Changed(station) => {
                self.registration = station.registration;
                self.accepted &= station.registration == Registration::Accepted;
                Outcome::nothing()
            }
            Input::ReportAsked => {
                self.report_asked = true;
                Outcome::nothing()
            }
            Input::Heard => {
                self.liveness.heard(now);
                Outcome::nothing()
            }
            Input::StartOrdered(start) => {
                self.expect_start(start);
                Outcome::nothing()
            }
            Input::StartEnded { remote_start_id, is_accepted } => {
                self.start_ended(now, remote_start_id, is_accepted);
                Outcome::nothing()
            }
            Input::Tick => {
                let outcome = self.liveness.tick(now);
                self.give_up_starts(now, outcome)
            }
        }
    }

    fn on_report(
        &mut self,
        now: Timestamp,
        report: StationReport,
        token: Option<&TokenStanding>,
        is_managed: bool,
    ) -> Outcome {
        if let Some(refusal) = self.refusal(&report) {
            return Outcome::reply(StationReply::Refused(refusal));
        }
        match report {
            StationReport::Boot(boot) => self.on_boot(boot),
            StationReport::Heartbeat => Outcome::reply(StationReply::Heartbeat),
            StationReport::Status(status) => self.on_status(status),
            StationReport::Authorize(presented) => self.on_authorize(now, presented, token),
            StationReport::Transaction(report) => self.on_transaction(now, report, token),
            StationReport::DeviceEvents(events) => self.on_device_events(events),
            StationReport::Variables(part) => Outcome::reply(StationReply::Received)
                .event(DomainEvent::VariablesReported { variables: part.variables }),
            StationReport::SecurityEvent(event) => {
                Outcome::reply(StationReply::Received).event(DomainEvent::SecurityEventReported(event))
            }
            StationReport::FirmwareStatus(progress) => {
                Outcome::reply(StationReply::Received).event(DomainEvent::FirmwareStatusReported(progress))
            }
            StationReport::LogStatus(progress) => {
                Outcome::reply(StationReply::Received).event(DomainEvent::LogStatusReported(progress))
            }
            StationReport::Unreadable(message) => {
                Outcome::reply(StationReply::Received).event(DomainEvent::UnreadableKept(message))
            }
            StationReport::ChargingNeeds(needs) => {
                let answer = if is_managed { NeedsAnswer::Processing } else { NeedsAnswer::NoProfile };
                Outcome::reply(StationReply::ChargingNeeds(answer))
                    .event(DomainEvent::ChargingNeedsReported(needs))
            }
            // No vendor's messages are known here; the registry of vendors decides otherwise when there is one.
            StationReport::DataTransfer(_) => {
                Outcome::reply(StationReply::DataTransfer(DataTransferStatus::UnknownVendor))
            }
            StationReport::Metering(report) => self.on_metering(now, report),
            StationReport::Noted => Outcome::reply(StationReply::Received),
        }
    }
}
