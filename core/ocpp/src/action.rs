//! THE table of actions: every message of every version, once; place: frame and report.
//!
//! The enum, parsing, metric labels, the coverage page and its test come from the rows below, which follow the functional blocks of
//! OCPP 2.x (`core/ocpp` translates the actions of kind [`Kind::Report`] and the typed commands; everything else is carried). Never: what
//! a message means (translate).

use crate::version::Version;

/// Who sends an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The station.
    FromStation,
    /// We.
    ToStation,
    /// Either side.
    Both,
}

/// What becomes of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It becomes a report with a meaning of its own.
    Report,
    /// It is legal, recorded and answered, and has no meaning here.
    Noted,
    /// We send it: typed where domain has the command, else with a raw payload.
    Command,
}

/// A feature profile of OCPP 1.6, or its security extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the standard's own")]
pub enum Profile {
    Core,
    FirmwareManagement,
    LocalAuthListManagement,
    Reservation,
    SmartCharging,
    RemoteTrigger,
    SecurityExtension,
}

/// A functional block of OCPP 2.x, A to S in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the standard's own")]
pub enum Block {
    Security,
    Provisioning,
    Authorization,
    LocalAuthorizationList,
    Transactions,
    RemoteControl,
    Availability,
    Reservation,
    TariffAndCost,
    MeterValues,
    SmartCharging,
    Firmware,
    Certificates,
    Diagnostics,
    DisplayMessages,
    DataTransfer,
    BidirectionalPower,
    DerControl,
    BatterySwapping,
}

/// One line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The name on the wire.
    pub name: &'static str,
    /// The profile in 1.6; None where 1.6 does not have the action.
    pub profile: Option<Profile>,
    /// The block in 2.x; None where 2.x does not have the action.
    pub block: Option<Block>,
    /// The first 2.x version that has the action.
    pub since: Option<Version>,
    /// Who sends it.
    pub direction: Direction,
    /// What becomes of it.
    pub kind: Kind,
}

macro_rules! cell {
    ($kind:ident -) => {
        None
    };
    ($kind:ident $name:ident) => {
        Some($kind::$name)
    };
}

macro_rules! actions {
    ($($name:ident: $profile:tt $block:tt $since:tt $direction:ident $kind:ident;)*) => {
        /// A message's name without `Request`, over all versions. Whether a version has it: [`Action::exists_in`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "the names are the standard's own")]
        pub enum Action {
            $($name,)*
        }

        impl Action {
            /// Every action, by block.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its line of the table.
            #[must_use]
            pub const fn row(self) -> &'static Row {
                match self {
                    $(Self::$name => &Row {
                        name: stringify!($name),
                        profile: cell!(Profile $profile),
                        block: cell!(Block $block),
                        since: cell!(Version $since),
                        direction: Direction::$direction,
                        kind: Kind::$kind,
                    },)*
                }
            }

            fn by_name(name: &str) -> Option<Self> {
                match name {
                    $(stringify!($name) => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

actions! {
    // name                             1.6                     2.x                     since direction    kind
    // only in the first version
    ChangeConfiguration:                Core                    -                       -     ToStation    Command;
    GetConfiguration:                   Core                    -                       -     ToStation    Command;
    RemoteStartTransaction:             Core                    -                       -     ToStation    Command;
    RemoteStopTransaction:              Core                    -                       -     ToStation    Command;
    StartTransaction:                   Core                    -                       -     FromStation  Report;
    StopTransaction:                    Core                    -                       -     FromStation  Report;
    DiagnosticsStatusNotification:      FirmwareManagement      -                       -     FromStation  Report;
    GetDiagnostics:                     FirmwareManagement      -                       -     ToStation    Command;
    ExtendedTriggerMessage:             SecurityExtension       -                       -     ToStation    Command;
    SignedFirmwareStatusNotification:   SecurityExtension       -                       -     FromStation  Report;
    SignedUpdateFirmware:               SecurityExtension       -                       -     ToStation    Command;
    // A
    CertificateSigned:                  SecurityExtension       Security                V201  ToStation    Command;
    SecurityEventNotification:          SecurityExtension       Security                V201  FromStation  Report;
    SignCertificate:                    SecurityExtension       Security                V201  FromStation  Noted;
    // B
    BootNotification:                   Core                    Provisioning            V201  FromStation  Report;
    GetBaseReport:                      -                       Provisioning            V201  ToStation    Command;
    GetReport:                          -                       Provisioning            V201  ToStation    Command;
    GetVariables:                       -                       Provisioning            V201  ToStation    Command;
    NotifyReport:                       -                       Provisioning            V201  FromStation  Report;
    Reset:                              Core                    Provisioning            V201  ToStation    Command;
    SetNetworkProfile:                  -                       Provisioning            V201  ToStation    Command;
    SetVariables:                       -                       Provisioning            V201  ToStation    Command;
    // C
    Authorize:                          Core                    Authorization           V201  FromStation  Report;
    ClearCache:                         Core                    Authorization           V201  ToStation    Command;
    NotifySettlement:                   -                       Authorization           V21   FromStation  Noted;
    NotifyWebPaymentStarted:            -                       Authorization           V21   ToStation    Command;
    VatNumberValidation:                -                       Authorization           V21   FromStation  Noted;
    // D
    GetLocalListVersion:                LocalAuthListManagement LocalAuthorizationList  V201  ToStation    Command;
    SendLocalList:                      LocalAuthListManagement LocalAuthorizationList  V201  ToStation    Command;
    // E
    GetTransactionStatus:               -                       Transactions            V201  ToStation    Command;
    TransactionEvent:                   -                       Transactions            V201  FromStation  Report;
    // F
    RequestStartTransaction:            -                       RemoteControl           V201  ToStation    Command;
    RequestStopTransaction:             -                       RemoteControl           V201  ToStation    Command;
    TriggerMessage:                     RemoteTrigger           RemoteControl           V201  ToStation    Command;
    UnlockConnector:                    Core                    RemoteControl           V201  ToStation    Command;
    // G
    ChangeAvailability:                 Core                    Availability            V201  ToStation    Command;
    Heartbeat:                          Core                    Availability            V201  FromStation  Report;
    StatusNotification:                 Core                    Availability            V201  FromStation  Report;
    // H
    CancelReservation:                  Reservation             Reservation             V201  ToStation    Command;
    ReservationStatusUpdate:            -                       Reservation             V201  FromStation  Noted;
    ReserveNow:                         Reservation             Reservation             V201  ToStation    Command;
    // I
    CostUpdated:                        -                       TariffAndCost           V201  ToStation    Command;
    ChangeTransactionTariff:            -                       TariffAndCost           V21   ToStation    Command;
    ClearTariffs:                       -                       TariffAndCost           V21   ToStation    Command;
    GetTariffs:                         -                       TariffAndCost           V21   ToStation    Command;
    SetDefaultTariff:                   -                       TariffAndCost           V21   ToStation    Command;
    // J
    MeterValues:                        Core                    MeterValues             V201  FromStation  Report;
    // K
    ClearChargingProfile:               SmartCharging           SmartCharging           V201  ToStation    Command;
    ClearedChargingLimit:               -                       SmartCharging           V201  FromStation  Noted;
    GetChargingProfiles:                -                       SmartCharging           V201  ToStation    Command;
    GetCompositeSchedule:               SmartCharging           SmartCharging           V201  ToStation    Command;
    NotifyChargingLimit:                -                       SmartCharging           V201  FromStation  Noted;
    NotifyEVChargingNeeds:              -                       SmartCharging           V201  FromStation  Report;
    NotifyEVChargingSchedule:           -                       SmartCharging           V201  FromStation  Noted;
    ReportChargingProfiles:             -                       SmartCharging           V201  FromStation  Noted;
    SetChargingProfile:                 SmartCharging           SmartCharging           V201  ToStation    Command;
    NotifyPriorityCharging:             -                       SmartCharging           V21   FromStation  Noted;
    PullDynamicScheduleUpdate:          -                       SmartCharging           V21   FromStation  Noted;
    UpdateDynamicSchedule:              -                       SmartCharging           V21   ToStation    Command;
    UsePriorityCharging:                -                       SmartCharging           V21   ToStation    Command;
    // L
    FirmwareStatusNotification:         FirmwareManagement      Firmware                V201  FromStation  Report;
    PublishFirmware:                    -                       Firmware                V201  ToStation    Command;
    PublishFirmwareStatusNotification:  -                       Firmware                V201  FromStation  Noted;
    UnpublishFirmware:                  -                       Firmware                V201  ToStation    Command;
    UpdateFirmware:                     FirmwareManagement      Firmware                V201  ToStation    Command;
    // M
    DeleteCertificate:                  SecurityExtension       Certificates            V201  ToStation    Command;
    Get15118EVCertificate:              -                       Certificates            V201  FromStation  Noted;
    GetCertificateStatus:               -                       Certificates            V201  FromStation  Noted;
    GetInstalledCertificateIds:         SecurityExtension       Certificates            V201  ToStation    Command;
    InstallCertificate:                 SecurityExtension       Certificates            V201  ToStation    Command;
    GetCertificateChainStatus:          -                       Certificates            V21   FromStation  Noted;
    // N
    ClearVariableMonitoring:            -                       Diagnostics             V201  ToStation    Command;
    CustomerInformation:                -                       Diagnostics             V201  ToStation    Command;
    GetLog:                             SecurityExtension       Diagnostics             V201  ToStation    Command;
    GetMonitoringReport:                -                       Diagnostics             V201  ToStation    Command;
    LogStatusNotification:              SecurityExtension       Diagnostics             V201  FromStation  Report;
    NotifyCustomerInformation:          -                       Diagnostics             V201  FromStation  Noted;
    NotifyEvent:                        -                       Diagnostics             V201  FromStation  Report;
    NotifyMonitoringReport:             -                       Diagnostics             V201  FromStation  Noted;
    SetMonitoringBase:                  -                       Diagnostics             V201  ToStation    Command;
    SetMonitoringLevel:                 -                       Diagnostics             V201  ToStation    Command;
    SetVariableMonitoring:              -                       Diagnostics             V201  ToStation    Command;
    AdjustPeriodicEventStream:          -                       Diagnostics             V21   ToStation    Command;
    ClosePeriodicEventStream:           -                       Diagnostics             V21   FromStation  Noted;
    GetPeriodicEventStream:             -                       Diagnostics             V21   ToStation    Command;
    NotifyPeriodicEventStream:          -                       Diagnostics             V21   FromStation  Noted;
    OpenPeriodicEventStream:            -                       Diagnostics             V21   FromStation  Noted;
    // O
    ClearDisplayMessage:                -                       DisplayMessages         V201  ToStation    Command;
    GetDisplayMessages:                 -                       DisplayMessages         V201  ToStation    Command;
    NotifyDisplayMessages:              -                       DisplayMessages         V201  FromStation  Noted;
    SetDisplayMessage:                  -                       DisplayMessages         V201  ToStation    Command;
    // P
    DataTransfer:                       Core                    DataTransfer            V201  Both         Report;
    // Q
    AFRRSignal:                         -                       BidirectionalPower      V21   ToStation    Command;
    NotifyAllowedEnergyTransfer:        -                       BidirectionalPower      V21   ToStation    Command;
    // R
    ClearDERControl:                    -                       DerControl              V21   ToStation    Command;
    GetDERControl:                      -                       DerControl              V21   ToStation    Command;
    NotifyDERAlarm:                     -                       DerControl              V21   FromStation  Noted;
    NotifyDERStartStop:                 -                       DerControl              V21   FromStation  Noted;
    ReportDERControl:                   -                       DerControl              V21   FromStation  Noted;
    SetDERControl:                      -                       DerControl              V21   ToStation    Command;
    // S
    BatterySwap:                        -                       BatterySwapping         V21   FromStation  Noted;
    RequestBatterySwap:                 -                       BatterySwapping         V21   ToStation    Command;
}

// === impl Action ===

impl Action {
    /// Reads a name as a version knows it, case and all. None: the version has no such action (CALLERROR NotImplemented).
    #[must_use]
    pub fn parse(name: &str, version: Version) -> Option<Self> {
        Self::by_name(name).filter(|action| action.exists_in(version))
    }

    /// The name on the wire; also the metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.row().name
    }

    /// Whether a version has this action.
    #[must_use]
    pub fn exists_in(self, version: Version) -> bool {
        let row = self.row();
        match version {
            Version::V16 => row.profile.is_some(),
            Version::V201 | Version::V21 => row.since.is_some_and(|since| since <= version),
        }
    }

    /// The actions of a version, by block.
    pub fn of(version: Version) -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(move |action| action.exists_in(version))
    }

    /// Whether we take this action from a station. One action counts as ours to send and is taken from stations as well, because
    /// implementations disagree on its direction.
    #[must_use]
    pub fn is_taken_from_station(self) -> bool {
        match self.row().direction {
            Direction::FromStation | Direction::Both => true,
            Direction::ToStation => self == Self::NotifyWebPaymentStarted,
        }
    }

    /// Whether a station keeps such a message in its queue until it is answered, because money depends on it (1.6 section 3.7; 2.0.1
    /// E04). A broken value in it must not cost the answer (reliability F36).
    #[must_use]
    pub fn is_transaction_message(self) -> bool {
        const MESSAGES: [Action; 4] = [
            Action::StartTransaction,
            Action::StopTransaction,
            Action::MeterValues,
            Action::TransactionEvent,
        ];
        MESSAGES.contains(&self)
    }

    /// Whether the action is a SEND, which nobody answers (OCPP 2.1 part 4, 4.2.4).
    #[must_use]
    pub fn is_send(self) -> bool {
        self == Self::NotifyPeriodicEventStream
    }
}
