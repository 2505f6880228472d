//! One EVSE with its connector: the car at it, the transaction, the meter, and what is wrong with it.
//!
//! Plain state and what can be said from it alone; `transactions` and `charging` change it. Never knows the wire.

use crate::profile::Profile;
use crate::unit::{Energy, Moment, Watts};
use crate::vehicle::Vehicle;

/// A token as it was presented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresentedToken {
    /// The token itself.
    pub id: String,
    /// Its type in 2.x; not sent in 1.6.
    pub kind: String,
}

/// Where an EVSE stands with authorization.
#[derive(Clone, Debug, PartialEq)]
pub enum Grant {
    /// Nobody asked.
    None,
    /// The CSMS is being asked.
    Asking {
        /// What was presented.
        token: PresentedToken,
        /// Set when a remote start asked.
        remote: Option<RemoteStart>,
    },
    /// Somebody may charge as soon as there is a car.
    Granted {
        /// What was presented.
        token: PresentedToken,
        /// Set when a remote start asked.
        remote: Option<RemoteStart>,
        /// Until then a car has to come.
        until: Moment,
    },
    /// The last token was refused.
    Refused,
}

/// A remote start that waits.
#[derive(Clone, Debug, PartialEq)]
pub struct RemoteStart {
    /// The CSMS's number for it; 2.x.
    pub(crate) id: Option<i64>,
    /// A profile for the transaction to come.
    pub(crate) profile: Option<Box<Profile>>,
}

/// What flows in a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChargingState {
    /// A car, no permission.
    EvConnected,
    /// Energy flows.
    Charging,
    /// The car takes nothing.
    SuspendedEv,
    /// The station gives nothing.
    SuspendedEvse,
}

/// A running transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// Counted by the station, from 1.
    pub(crate) serial: u64,
    /// The id the station chose (2.x); empty in 1.6, where the CSMS chooses.
    pub(crate) id: String,
    /// Who pays.
    pub(crate) token: Option<PresentedToken>,
    /// The remote start it came from.
    pub(crate) remote_id: Option<i64>,
    /// Number of the next event (2.x).
    pub(crate) next_seq: u32,
    pub(crate) started_at: Moment,
    pub(crate) meter_start_wh: u64,
    /// The next periodic reading.
    pub(crate) next_reading: Option<Moment>,
    /// As last told to the CSMS.
    pub(crate) state: ChargingState,
    /// Energy may flow.
    pub(crate) authorized: bool,
}

/// What is wrong with a connector, as 1.6 names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
pub enum ErrorCode {
    /// Lock of the connector.
    ConnectorLockFailure,
    /// Ground fault: ends the transaction with its own reason in 2.x.
    GroundFailure,
    /// Too hot.
    HighTemperature,
    /// Anything inside.
    InternalError,
    /// The meter.
    PowerMeterFailure,
    /// The contactor.
    PowerSwitchFailure,
    /// Too much current.
    OverCurrentFailure,
}

/// The status of a connector; 1.6 tells all of them, 2.x the coarse ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Free.
    Available,
    /// A car or a permission, no transaction.
    Preparing,
    /// A transaction in this state.
    Transacting(ChargingState),
    /// After a transaction, the car is still there.
    Finishing,
    /// Out of use.
    Unavailable,
    /// Broken.
    Faulted(ErrorCode),
}

/// One EVSE and its connector.
#[derive(Clone, Debug, PartialEq)]
pub struct Evse {
    pub(crate) id: u32,
    /// Register; never goes back, survives everything.
    pub(crate) meter: Energy,
    pub(crate) vehicle: Option<Vehicle>,
    pub(crate) transaction: Option<Transaction>,
    pub(crate) grant: Grant,
    pub(crate) fault: Option<ErrorCode>,
    pub(crate) operative: bool,
    /// Availability to take on when the transaction ends.
    pub(crate) operative_next: Option<bool>,
    pub(crate) finishing: bool,
    /// What flows now, constant since `power_since`.
    pub(crate) power: Watts,
    pub(crate) power_since: Moment,
    /// When power is looked at again; set while a car may charge.
    pub(crate) next_step: Option<Moment>,
    /// Status as last told to the CSMS.
    pub(crate) reported: Option<Status>,
}

// === impl PresentedToken ===

impl PresentedToken {
    /// A token held to the reader: an RFID card where it reads like one, else a code that was typed.
    #[must_use]
    pub fn local(id: &str) -> Self {
        let is_card = matches!(id.len(), 8 | 14 | 20) && id.chars().all(|digit| digit.is_ascii_hexdigit());
        Self { id: id.to_owned(), kind: if is_card { "ISO14443" } else { "KeyCode" }.to_owned() }
    }
}

// === impl Evse ===

impl Evse {
    pub(crate) fn new(id: u32, meter: Energy) -> Self {
        Self {
            id,
            meter,
            vehicle: None,
            transaction: None,
            grant: Grant::None,
            fault: None,
            operative: true,
            operative_next: None,
            finishing: false,
            power: Watts(0),
            power_since: Moment::default(),
            next_step: None,
            reported: None,
        }
    }

    /// Its number, from 1.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// What the meter shows, Wh.
    #[must_use]
    pub fn meter_wh(&self) -> u64 {
        self.meter.whole_wh()
    }

    /// What flows now.
    #[must_use]
    pub fn power(&self) -> Watts {
        self.power
    }

    /// The car at it.
    #[must_use]
    pub fn vehicle(&self) -> Option<&Vehicle> {
        self.vehicle.as_ref()
    }

    /// A transaction runs and somebody pays for it.
    #[must_use]
    pub fn is_charging_session(&self) -> bool {
        self.transaction.as_ref().is_some_and(|transaction| transaction.authorized)
    }

    /// The token the running transaction is paid with.
    #[must_use]
    pub fn paying_token(&self) -> Option<&str> {
        self.transaction.as_ref()?.token.as_ref().map(|token| token.id.as_str())
    }

    /// A remote start waits for a car.
    #[must_use]
    pub fn waits_for_car(&self) -> bool {
        self.vehicle.is_none() && matches!(self.grant, Grant::Granted { .. })
    }

    /// The last token was refused.
    #[must_use]
    pub fn was_refused(&self) -> bool {
        self.grant == Grant::Refused
    }

    /// The CSMS is being asked about a token.
    #[must_use]
    pub fn is_asking(&self) -> bool {
        matches!(self.grant, Grant::Asking { .. })
    }

    /// A driver can plug in here.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.is_usable() && self.vehicle.is_none() && self.transaction.is_none() && self.grant == Grant::None
    }

    /// It works and is in use.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.operative && self.fault.is_none()
    }

    /// The status a connector shows.
    #[must_use]
    pub fn status(&self) -> Status {
        if let Some(code) = self.fault {
            return Status::Faulted(code);
        }
        match &self.transaction {
            Some(transaction) if transaction.authorized => Status::Transacting(transaction.state),
            Some(_) => Status::Preparing,
            None if !self.operative => Status::Unavailable,
            None if self.finishing => Status::Finishing,
            None if self.vehicle.is_some() || matches!(self.grant, Grant::Granted { .. }) => {
                Status::Preparing
            }
            None => Status::Available,
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<Moment> {
        let reading = self.transaction.as_ref().and_then(|transaction| transaction.next_reading);
        let grant = match &self.grant {
            Grant::Granted { until, .. } if self.vehicle.is_none() => Some(*until),
            Grant::None | Grant::Asking { .. } | Grant::Granted { .. } | Grant::Refused => None,
        };
        [reading, grant, self.next_step].into_iter().flatten().min()
    }
}

// === impl ErrorCode ===

impl ErrorCode {
    /// The 1.6 spelling; 2.x stations here send it as technical code of an event.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ConnectorLockFailure => "ConnectorLockFailure",
            Self::GroundFailure => "GroundFailure",
            Self::HighTemperature => "HighTemperature",
            Self::InternalError => "InternalError",
            Self::PowerMeterFailure => "PowerMeterFailure",
            Self::PowerSwitchFailure => "PowerSwitchFailure",
            Self::OverCurrentFailure => "OverCurrentFailure",
        }
    }
}
