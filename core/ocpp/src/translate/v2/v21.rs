//! What only OCPP 2.1 has: wider limits, and messages of its new blocks, which are noted and answered.

use ringmain_domain::report::StationReport;
use serde_json::value::RawValue;

use super::Limits;
use crate::action::Action;
use crate::fault::{CallFault, FaultCode};
use crate::quirk::Quirks;
use crate::wire::{self, Tolerance, v21};

/// A token may be a whole contract certificate's name (2.1 IdTokenType).
pub(super) const LIMITS: Limits = Limits { token_chars_max: 255 };

/// Actions of stations that 2.1 adds.
macro_rules! added_in_v21 {
    () => {
        Action::BatterySwap
            | Action::ClosePeriodicEventStream
            | Action::GetCertificateChainStatus
            | Action::NotifyDERAlarm
            | Action::NotifyDERStartStop
            | Action::NotifyPeriodicEventStream
            | Action::NotifyPriorityCharging
            | Action::NotifySettlement
            | Action::NotifyWebPaymentStarted
            | Action::OpenPeriodicEventStream
            | Action::PullDynamicScheduleUpdate
            | Action::ReportDERControl
            | Action::VatNumberValidation
    };
}
pub(super) use added_in_v21;

/// Reads a message without a meaning here, so that a broken one is refused.
pub(super) fn read(
    action: Action,
    payload: &RawValue,
    tolerance: &Tolerance,
    quirks: &mut Quirks,
) -> Result<StationReport, CallFault> {
    super::noted::noted!(
        v21, action, payload, tolerance, quirks,
        BatterySwap: BatterySwapRequest,
        ClosePeriodicEventStream: ClosePeriodicEventStreamRequest,
        GetCertificateChainStatus: GetCertificateChainStatusRequest,
        NotifyDERAlarm: NotifyDERAlarmRequest,
        NotifyDERStartStop: NotifyDERStartStopRequest,
        NotifyPeriodicEventStream: NotifyPeriodicEventStreamRequest,
        NotifyPriorityCharging: NotifyPriorityChargingRequest,
        NotifySettlement: NotifySettlementRequest,
        NotifyWebPaymentStarted: NotifyWebPaymentStartedRequest,
        OpenPeriodicEventStream: OpenPeriodicEventStreamRequest,
        PullDynamicScheduleUpdate: PullDynamicScheduleUpdateRequest,
        ReportDERControl: ReportDERControlRequest,
        VatNumberValidation: VatNumberValidationRequest
    )
}
