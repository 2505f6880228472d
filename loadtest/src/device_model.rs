//! The configuration a station shows: one table of what there is, with its name in 1.6 and its name in 2.x.
//!
//! Values live in [`Settings`]; this file only names them. Never knows a message: `station/v16` and `station/v2` ask it.

use crate::profile::{PERIODS_MAX, PROFILES_MAX, STACK_LEVEL_MAX};
use crate::settings::{Settings, TxStart};
use crate::vehicle::Current;

/// A component and variable of OCPP 2.x.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Variable {
    pub(crate) component: &'static str,
    pub(crate) name: &'static str,
    pub(crate) instance: Option<&'static str>,
}

/// Who may read and write a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    ReadOnly,
    ReadWrite,
    WriteOnly,
}

/// The shape of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Integer,
    Boolean,
    Text,
    MemberList(&'static str),
    SequenceList(&'static str),
}

/// What a station is made of, as far as its configuration tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hardware<'a> {
    pub(crate) identity: &'a str,
    pub(crate) current: Current,
    pub(crate) evses: usize,
    pub(crate) dynamic_profiles: bool,
}

/// One row: a value under its names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// The 1.6 configuration key.
    pub(crate) key: Option<&'static str>,
    /// The 2.x variable.
    pub(crate) variable: Option<Variable>,
    pub(crate) shape: Shape,
    pub(crate) access: Access,
    pub(crate) unit: Option<&'static str>,
    value: Value,
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug)]
enum Value {
    Number { field: fn(&mut Settings) -> &mut u32, min: u32 },
    Flag(fn(&mut Settings) -> &mut bool),
    Fixed(&'static str),
    ByCurrent { ac: &'static str, dc: &'static str },
    Bound(usize),
    Identity,
    Evses,
    SecurityProfile,
    Password,
    TxStart,
    DynamicProfiles,
}

/// How an attempt to write ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    Accepted,
    /// The password changed: the station reconnects with it.
    AcceptedReconnect,
    Rejected,
}

// === impl Row ===

impl Row {
    /// The value as text; `None` for what may only be written.
    pub(crate) fn read(&self, settings: &mut Settings, hardware: Hardware<'_>) -> Option<String> {
        if self.access == Access::WriteOnly {
            return None;
        }
        Some(match self.value {
            Value::Number { field, .. } => field(settings).to_string(),
            Value::Flag(field) => field(settings).to_string(),
            Value::Fixed(text) => text.to_owned(),
            Value::ByCurrent { ac, dc } => match hardware.current {
                Current::Ac => ac.to_owned(),
                Current::Dc => dc.to_owned(),
            },
            Value::Bound(bound) => bound.to_string(),
            Value::Identity => hardware.identity.to_owned(),
            Value::Evses => hardware.evses.to_string(),
            Value::SecurityProfile => if settings.password.is_some() { "1" } else { "0" }.to_owned(),
            Value::Password => return None,
            Value::TxStart => match settings.tx_start {
                TxStart::EvConnected => "EVConnected".to_owned(),
                TxStart::Authorized => "PowerPathClosed".to_owned(),
            },
            Value::DynamicProfiles => hardware.dynamic_profiles.to_string(),
        })
    }

    /// Takes a new value if it may be written and makes sense.
    pub(crate) fn write(&self, settings: &mut Settings, text: &str) -> Written {
        if self.access == Access::ReadOnly {
            return Written::Rejected;
        }
        let accepted = match self.value {
            Value::Number { field, min } => text.parse().is_ok_and(|number: u32| {
                let fits = number >= min;
                if fits {
                    *field(settings) = number;
                }
                fits
            }),
            Value::Flag(field) => text.to_ascii_lowercase().parse().is_ok_and(|flag| {
                *field(settings) = flag;
                true
            }),
            Value::Password => {
                // 1.6: 16 to 20 bytes as hex digits; 2.x: 16 to 40 characters. One range takes both.
                if !(16..=40).contains(&text.len()) || text.contains(':') {
                    return Written::Rejected;
                }
                settings.password = Some(text.to_owned());
                return Written::AcceptedReconnect;
            }
            Value::TxStart => match text {
                "EVConnected" => {
                    settings.tx_start = TxStart::EvConnected;
                    true
                }
                "PowerPathClosed" => {
                    settings.tx_start = TxStart::Authorized;
                    true
                }
                _ => false,
            },
            Value::Fixed(_)
            | Value::ByCurrent { .. }
            | Value::Bound(_)
            | Value::Identity
            | Value::Evses
            | Value::SecurityProfile
            | Value::DynamicProfiles => false,
        };
        if accepted { Written::Accepted } else { Written::Rejected }
    }
}

/// The row of a 1.6 key; keys are compared without regard to case: the type is CiString50.
pub(crate) fn by_key(key: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.key.is_some_and(|known| known.eq_ignore_ascii_case(key)))
}

/// The rows 1.6 shows.
pub(crate) fn keys() -> impl Iterator<Item = (&'static str, &'static Row)> {
    ROWS.iter().filter_map(|row| row.key.map(|key| (key, row)))
}

/// The rows 2.x shows.
pub(crate) fn variables() -> impl Iterator<Item = (Variable, &'static Row)> {
    ROWS.iter().filter_map(|row| row.variable.map(|variable| (variable, row)))
}

const fn row(
    key: Option<&'static str>,
    variable: Option<Variable>,
    shape: Shape,
    access: Access,
    value: Value,
) -> Row {
    Row { key, variable, shape, access, unit: None, value }
}

const fn seconds(
    key: Option<&'static str>,
    variable: Option<Variable>,
    field: fn(&mut Settings) -> &mut u32,
    min: u32,
) -> Row {
    let value = Value::Number { field, min };
    Row { key, variable, shape: Shape::Integer, access: Access::ReadWrite, unit: Some("s"), value }
}

const fn number(
    key: Option<&'static str>,
    variable: Option<Variable>,
    field: fn(&mut Settings) -> &mut u32,
    min: u32,
) -> Row {
    row(key, variable, Shape::Integer, Access::ReadWrite, Value::Number { field, min })
}

const fn flag(
    key: Option<&'static str>,
    variable: Option<Variable>,
    field: fn(&mut Settings) -> &mut bool,
) -> Row {
    row(key, variable, Shape::Boolean, Access::ReadWrite, Value::Flag(field))
}

const fn fixed(
    key: Option<&'static str>,
    variable: Option<Variable>,
    shape: Shape,
    text: &'static str,
) -> Row {
    row(key, variable, shape, Access::ReadOnly, Value::Fixed(text))
}

const fn bound(key: Option<&'static str>, variable: Option<Variable>, value: usize) -> Row {
    row(key, variable, Shape::Integer, Access::ReadOnly, Value::Bound(value))
}

const fn var(component: &'static str, name: &'static str) -> Option<Variable> {
    Some(Variable { component, name, instance: None })
}

const fn var_of(component: &'static str, name: &'static str, instance: &'static str) -> Option<Variable> {
    Some(Variable { component, name, instance: Some(instance) })
}

const MEASURANDS: &str = "Energy.Active.Import.Register,Power.Active.Import,Current.Import,SoC";

const STACK_LEVEL: usize = STACK_LEVEL_MAX as usize;

/// All there is.
static ROWS: [Row; 57] = [
    seconds(Some("HeartbeatInterval"), var("OCPPCommCtrlr", "HeartbeatInterval"), |s| &mut s.heartbeat_s, 1),
    seconds(
        Some("MeterValueSampleInterval"),
        var("SampledDataCtrlr", "TxUpdatedInterval"),
        |s| &mut s.meter_interval_s,
        0,
    ),
    number(
        Some("TransactionMessageAttempts"),
        var_of("OCPPCommCtrlr", "MessageAttempts", "TransactionEvent"),
        |s| &mut s.retry_attempts,
        1,
    ),
    seconds(
        Some("TransactionMessageRetryInterval"),
        var_of("OCPPCommCtrlr", "MessageAttemptInterval", "TransactionEvent"),
        |s| &mut s.retry_interval_s,
        0,
    ),
    seconds(None, var_of("OCPPCommCtrlr", "MessageTimeout", "Default"), |s| &mut s.message_timeout_s, 1),
    seconds(None, var("OCPPCommCtrlr", "OfflineThreshold"), |s| &mut s.offline_threshold_s, 0),
    seconds(None, var("OCPPCommCtrlr", "RetryBackOffWaitMinimum"), |s| &mut s.backoff_min_s, 0),
    seconds(None, var("OCPPCommCtrlr", "RetryBackOffRandomRange"), |s| &mut s.backoff_random_s, 0),
    number(None, var("OCPPCommCtrlr", "RetryBackOffRepeatTimes"), |s| &mut s.backoff_repeat, 0),
    seconds(
        Some("WebSocketPingInterval"),
        var("OCPPCommCtrlr", "WebSocketPingInterval"),
        |s| &mut s.ping_interval_s,
        0,
    ),
    seconds(
        Some("ConnectionTimeOut"),
        var("TxCtrlr", "EVConnectionTimeOut"),
        |s| &mut s.connection_timeout_s,
        1,
    ),
    flag(Some("AuthorizeRemoteTxRequests"), var("AuthCtrlr", "AuthorizeRemoteStart"), |s| {
        &mut s.authorize_remote
    }),
    flag(Some("StopTransactionOnInvalidId"), var("TxCtrlr", "StopTxOnInvalidId"), |s| &mut s.stop_on_invalid),
    flag(Some("AllowOfflineTxForUnknownId"), var("AuthCtrlr", "OfflineTxForUnknownIdEnabled"), |s| {
        &mut s.offline_authorization
    }),
    row(
        None,
        var("TxCtrlr", "TxStartPoint"),
        Shape::MemberList("EVConnected,PowerPathClosed"),
        Access::ReadWrite,
        Value::TxStart,
    ),
    row(
        Some("AuthorizationKey"),
        var("SecurityCtrlr", "BasicAuthPassword"),
        Shape::Text,
        Access::WriteOnly,
        Value::Password,
    ),
    row(Some("NumberOfConnectors"), None, Shape::Integer, Access::ReadOnly, Value::Evses),
    row(
        Some("SecurityProfile"),
        var("SecurityCtrlr", "SecurityProfile"),
        Shape::Integer,
        Access::ReadOnly,
        Value::SecurityProfile,
    ),
    row(None, var("SecurityCtrlr", "Identity"), Shape::Text, Access::ReadOnly, Value::Identity),
    row(
        Some("ChargingScheduleAllowedChargingRateUnit"),
        None,
        Shape::Text,
        Access::ReadOnly,
        Value::ByCurrent { ac: "Current,Power", dc: "Power" },
    ),
    row(
        None,
        var("SmartChargingCtrlr", "RateUnit"),
        Shape::MemberList("A,W"),
        Access::ReadOnly,
        Value::ByCurrent { ac: "A,W", dc: "W" },
    ),
    row(None, var("ChargingStation", "SupplyPhases"), Shape::Integer, Access::ReadOnly, Value::Fixed("3")),
    row(
        None,
        var("SmartChargingCtrlr", "SupportsDynamicProfiles"),
        Shape::Boolean,
        Access::ReadOnly,
        Value::DynamicProfiles,
    ),
    row(
        None,
        var("SmartChargingCtrlr", "SupportsMaxOfflineDuration"),
        Shape::Boolean,
        Access::ReadOnly,
        Value::DynamicProfiles,
    ),
    bound(Some("ChargeProfileMaxStackLevel"), var("SmartChargingCtrlr", "ProfileStackLevel"), STACK_LEVEL),
    bound(Some("ChargingScheduleMaxPeriods"), var("SmartChargingCtrlr", "PeriodsPerSchedule"), PERIODS_MAX),
    bound(
        Some("MaxChargingProfilesInstalled"),
        var_of("SmartChargingCtrlr", "Entries", "ChargingProfiles"),
        PROFILES_MAX,
    ),
    bound(Some("GetConfigurationMaxKeys"), None, 100),
    bound(None, var_of("DeviceDataCtrlr", "ItemsPerMessage", "GetVariables"), 100),
    bound(None, var_of("DeviceDataCtrlr", "ItemsPerMessage", "SetVariables"), 100),
    bound(None, var_of("DeviceDataCtrlr", "ItemsPerMessage", "GetReport"), 100),
    bound(None, var_of("DeviceDataCtrlr", "BytesPerMessage", "GetVariables"), 65_536),
    bound(None, var_of("DeviceDataCtrlr", "BytesPerMessage", "SetVariables"), 65_536),
    bound(None, var_of("DeviceDataCtrlr", "BytesPerMessage", "GetReport"), 65_536),
    fixed(
        Some("SupportedFeatureProfiles"),
        None,
        Shape::Text,
        "Core,FirmwareManagement,SmartCharging,RemoteTrigger",
    ),
    fixed(Some("ClockAlignedDataInterval"), var("AlignedDataCtrlr", "Interval"), Shape::Integer, "0"),
    fixed(Some("ConnectorPhaseRotation"), None, Shape::Text, "0.RST"),
    fixed(Some("LocalPreAuthorize"), var("AuthCtrlr", "LocalPreAuthorize"), Shape::Boolean, "false"),
    fixed(Some("LocalAuthorizeOffline"), var("AuthCtrlr", "LocalAuthorizeOffline"), Shape::Boolean, "true"),
    fixed(Some("MeterValuesSampledData"), None, Shape::Text, MEASURANDS),
    fixed(Some("MeterValuesAlignedData"), None, Shape::Text, ""),
    fixed(Some("StopTxnSampledData"), None, Shape::Text, ""),
    fixed(Some("StopTxnAlignedData"), None, Shape::Text, ""),
    fixed(Some("ResetRetries"), var("OCPPCommCtrlr", "ResetRetries"), Shape::Integer, "0"),
    fixed(
        Some("StopTransactionOnEVSideDisconnect"),
        var("TxCtrlr", "StopTxOnEVSideDisconnect"),
        Shape::Boolean,
        "true",
    ),
    fixed(
        Some("UnlockConnectorOnEVSideDisconnect"),
        var("OCPPCommCtrlr", "UnlockOnEVSideDisconnect"),
        Shape::Boolean,
        "true",
    ),
    fixed(Some("CpoName"), var("SecurityCtrlr", "OrganizationName"), Shape::Text, "Simulated"),
    fixed(None, var("SecurityCtrlr", "CertificateEntries"), Shape::Integer, "0"),
    fixed(None, var("OCPPCommCtrlr", "NetworkConfigurationPriority"), Shape::SequenceList("1"), "1"),
    fixed(None, var("OCPPCommCtrlr", "NetworkProfileConnectionAttempts"), Shape::Integer, "3"),
    fixed(None, var("OCPPCommCtrlr", "FileTransferProtocols"), Shape::MemberList("HTTPS"), "HTTPS"),
    fixed(
        None,
        var("TxCtrlr", "TxStopPoint"),
        Shape::MemberList("EVConnected,Authorized"),
        "EVConnected,Authorized",
    ),
    fixed(None, var("SampledDataCtrlr", "TxStartedMeasurands"), Shape::MemberList(MEASURANDS), MEASURANDS),
    fixed(None, var("SampledDataCtrlr", "TxUpdatedMeasurands"), Shape::MemberList(MEASURANDS), MEASURANDS),
    fixed(None, var("SampledDataCtrlr", "TxEndedMeasurands"), Shape::MemberList(MEASURANDS), MEASURANDS),
    fixed(None, var("SmartChargingCtrlr", "Enabled"), Shape::Boolean, "true"),
    fixed(None, var("ClockCtrlr", "TimeSource"), Shape::SequenceList("Heartbeat,NTP"), "Heartbeat"),
];

#[cfg(test)]
mod tests {
    use super::*;

    const HARDWARE: Hardware<'static> =
        Hardware { identity: "CS-1", current: Current::Dc, evses: 2, dynamic_profiles: true };

    fn written(key: &str, text: &str) -> (Written, Option<String>) {
        let mut settings = Settings::default();
        let row = by_key(key).unwrap();
        (row.write(&mut settings, text), row.read(&mut settings, HARDWARE))
    }

    #[test]
    fn values_are_read_and_written_under_their_keys() {
        assert_eq!(written("heartbeatinterval", "17"), (Written::Accepted, Some("17".into())));
        assert_eq!(written("HeartbeatInterval", "0"), (Written::Rejected, Some("300".into())));
        assert_eq!(written("HeartbeatInterval", "soon"), (Written::Rejected, Some("300".into())));
        assert_eq!(written("NumberOfConnectors", "3"), (Written::Rejected, Some("2".into())));
        assert_eq!(written("StopTransactionOnInvalidId", "FALSE"), (Written::Accepted, Some("false".into())));
        assert_eq!(written("AuthorizationKey", "0123456789abcdef"), (Written::AcceptedReconnect, None));
        assert_eq!(written("AuthorizationKey", "short"), (Written::Rejected, None));
        assert!(by_key("NoSuchKey").is_none());
    }

    #[test]
    fn no_name_is_there_twice() {
        let mut names: Vec<String> = keys().map(|(key, _)| key.to_lowercase()).collect();
        names.extend(variables().map(|(variable, _)| format!("{variable:?}")));
        let all = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
