//! Messages of 2.0.1 that have no meaning here yet: read with the types of the station's own version, so that a broken one is refused
//! and a sound one of 2.0.1 is not measured by what 2.1 made of it.

use ringmain_domain::report::StationReport;
use serde_json::value::RawValue;

use crate::action::Action;
use crate::fault::{CallFault, FaultCode};
use crate::quirk::Quirks;
use crate::version::Version;
use crate::wire::{self, Tolerance, v21, v201};

/// Reads an action's payload as its type and lets it go. A chain of questions, because only the caller's match is exhaustive.
macro_rules! noted {
    ($version:ident, $action:ident, $payload:ident, $tolerance:ident, $quirks:ident, $($name:ident: $type:ident),*) => {{
        $(if $action == Action::$name {
            wire::read::<$version::$type>($payload, $tolerance, $quirks)?;
            return Ok(StationReport::Noted);
        })*
        Err(CallFault::new(FaultCode::NotImplemented, "action is not known"))
    }};
}
pub(super) use noted;

/// The actions that both versions of the family have.
macro_rules! noted_in_both {
    ($version:ident, $action:ident, $payload:ident, $tolerance:ident, $quirks:ident) => {
        noted!(
            $version, $action, $payload, $tolerance, $quirks,
            ClearedChargingLimit: ClearedChargingLimitRequest,
            Get15118EVCertificate: Get15118EVCertificateRequest,
            GetCertificateStatus: GetCertificateStatusRequest,
            NotifyChargingLimit: NotifyChargingLimitRequest,
            NotifyCustomerInformation: NotifyCustomerInformationRequest,
            NotifyDisplayMessages: NotifyDisplayMessagesRequest,
            NotifyEVChargingSchedule: NotifyEVChargingScheduleRequest,
            NotifyMonitoringReport: NotifyMonitoringReportRequest,
            PublishFirmwareStatusNotification: PublishFirmwareStatusNotificationRequest,
            ReportChargingProfiles: ReportChargingProfilesRequest,
            ReservationStatusUpdate: ReservationStatusUpdateRequest,
            SignCertificate: SignCertificateRequest
        )
    };
}

/// Reads one of them.
pub(super) fn read(
    action: Action,
    payload: &RawValue,
    tolerance: &Tolerance,
    quirks: &mut Quirks,
) -> Result<StationReport, CallFault> {
    match tolerance.version {
        Version::V16 | Version::V201 => noted_in_both!(v201, action, payload, tolerance, quirks),
        Version::V21 => noted_in_both!(v21, action, payload, tolerance, quirks),
    }
}
