//! What a 2.x station hears in answer.
//!
//! Everything without a meaning here gets the least answer its schema allows, and one that promises nothing: nobody signs certificates,
//! starts event streams or offers schedules.

use ringmain_domain::authorize::{Authorization, Verdict};
use ringmain_domain::id::TokenUid;
use ringmain_domain::reply::{DataTransferStatus, NeedsAnswer, Registration, StationReply, TransactionReply};
use ringmain_domain::time::Timestamp;
use serde_json::value::RawValue;

use super::Limits;
use crate::action::Action;
use crate::fault::{CallFault, FaultCode};
use crate::version::Version;
use crate::wire::{self, v21};

/// Writes one answer.
pub(in crate::translate) fn write(
    action: Action,
    reply: &StationReply,
    now: Timestamp,
    version: Version,
) -> Result<Box<RawValue>, CallFault> {
    let limits = Limits::of(version);
    match action {
        Action::BootNotification => boot(reply, now),
        Action::Heartbeat => wire::write(&v21::HeartbeatResponse::new(wire::date_time(now))),
        Action::Authorize => wire::write(&v21::AuthorizeResponse::new(id_token_info(verdict(reply), limits))),
        Action::TransactionEvent => transaction_event(reply, version),
        Action::DataTransfer => wire::write(&v21::DataTransferResponse::new(data_transfer_status(reply))),
        Action::SignCertificate => {
            wire::write(&v21::SignCertificateResponse::new(v21::GenericStatus::Rejected))
        }
        Action::Get15118EVCertificate => {
            let failed = v21::Iso15118EVCertificateStatus::Failed;
            wire::write(&v21::Get15118EVCertificateResponse::new(failed, ""))
        }
        Action::GetCertificateStatus => {
            let failed = v21::GetCertificateStatusEnum::Failed;
            wire::write(&v21::GetCertificateStatusResponse::new(failed))
        }
        Action::GetCertificateChainStatus => certificate_chain_status(now),
        Action::NotifyEVChargingNeeds => {
            let status = match (reply, version) {
                (StationReply::ChargingNeeds(NeedsAnswer::Processing), _) => {
                    v21::NotifyEVChargingNeedsStatus::Processing
                }
                (_, Version::V21) => v21::NotifyEVChargingNeedsStatus::NoChargingProfile,
                _ => v21::NotifyEVChargingNeedsStatus::Rejected,
            };
            wire::write(&v21::NotifyEVChargingNeedsResponse::new(status))
        }
        // The vehicle has made its choice; taking note of it is all that is asked.
        Action::NotifyEVChargingSchedule => {
            wire::write(&v21::NotifyEVChargingScheduleResponse::new(v21::GenericStatus::Accepted))
        }
        Action::OpenPeriodicEventStream => {
            wire::write(&v21::OpenPeriodicEventStreamResponse::new(v21::GenericStatus::Rejected))
        }
        Action::PullDynamicScheduleUpdate => {
            let rejected = v21::ChargingProfileStatus::Rejected;
            wire::write(&v21::PullDynamicScheduleUpdateResponse::new(rejected))
        }
        Action::VatNumberValidation => {
            wire::write(&v21::VatNumberValidationResponse::new("", v21::GenericStatus::Rejected))
        }
        Action::StatusNotification
        | Action::MeterValues
        | Action::NotifyEvent
        | Action::NotifyReport
        | Action::SecurityEventNotification
        | Action::FirmwareStatusNotification
        | Action::LogStatusNotification
        | Action::ReservationStatusUpdate
        | Action::ClearedChargingLimit
        | Action::NotifyChargingLimit
        | Action::NotifyPriorityCharging
        | Action::ReportChargingProfiles
        | Action::PublishFirmwareStatusNotification
        | Action::NotifyCustomerInformation
        | Action::NotifyMonitoringReport
        | Action::NotifyDisplayMessages
        | Action::NotifyDERAlarm
        | Action::NotifyDERStartStop
        | Action::ReportDERControl
        | Action::BatterySwap
        | Action::ClosePeriodicEventStream
        | Action::NotifySettlement
        | Action::NotifyWebPaymentStarted => wire::empty(),
        Action::NotifyPeriodicEventStream => Err(CallFault::new(FaultCode::Internal, "a SEND has no answer")),
        for_us_to_send!() | only_in_v16!() => {
            Err(CallFault::new(FaultCode::NotSupported, "action has no answer of ours"))
        }
    }
}

fn boot(reply: &StationReply, now: Timestamp) -> Result<Box<RawValue>, CallFault> {
    let StationReply::Boot { registration, interval_s } = reply else {
        return Err(CallFault::new(FaultCode::Internal, "boot was not decided"));
    };
    let status = match registration {
        Registration::Accepted => v21::RegistrationStatus::Accepted,
        Registration::Pending => v21::RegistrationStatus::Pending,
        Registration::Rejected => v21::RegistrationStatus::Rejected,
    };
    let interval = i32::try_from(*interval_s).unwrap_or(i32::MAX);
    wire::write(&v21::BootNotificationResponse::new(wire::date_time(now), interval, status))
}

fn transaction_event(reply: &StationReply, version: Version) -> Result<Box<RawValue>, CallFault> {
    let limits = Limits::of(version);
    let mut response = v21::TransactionEventResponse::new();
    if let StationReply::Transaction(TransactionReply { number: _, verdict, total_cost, running_cost }) =
        reply
    {
        // 2.1 has the running cost in the answer to an update; 2.0.1 only tells the total, at the end (part 2, TransactionEventResponse).
        let running_cost = running_cost.filter(|_| version == Version::V21);
        let total_cost = total_cost.or(running_cost);
        response.id_token_info = verdict.as_ref().map(|verdict| id_token_info(Some(verdict), limits));
        // A cost that does not fit the wire is not told rather than rounded.
        response.total_cost = total_cost.and_then(wire::decimal);
    }
    wire::write(&response)
}

fn data_transfer_status(reply: &StationReply) -> v21::DataTransferStatus {
    match reply {
        StationReply::DataTransfer(DataTransferStatus::Accepted) => v21::DataTransferStatus::Accepted,
        StationReply::DataTransfer(DataTransferStatus::UnknownVendor) => {
            v21::DataTransferStatus::UnknownVendorId
        }
        StationReply::Boot { .. }
        | StationReply::Heartbeat
        | StationReply::Authorize(_)
        | StationReply::Transaction(_)
        | StationReply::ChargingNeeds(_)
        | StationReply::Received
        | StationReply::Refused(_) => v21::DataTransferStatus::Rejected,
    }
}

fn verdict(reply: &StationReply) -> Option<&Verdict> {
    match reply {
        StationReply::Authorize(verdict) => Some(verdict),
        StationReply::Transaction(reply) => reply.verdict.as_ref(),
        StationReply::Boot { .. }
        | StationReply::Heartbeat
        | StationReply::DataTransfer(_)
        | StationReply::ChargingNeeds(_)
        | StationReply::Received
        | StationReply::Refused(_) => None,
    }
}

/// Without a verdict the token could not be one: Invalid.
pub(super) fn id_token_info(verdict: Option<&Verdict>, limits: Limits) -> v21::IdTokenInfo {
    let Some(verdict) = verdict else { return v21::IdTokenInfo::new(v21::AuthorizationStatus::Invalid) };
    let mut info = v21::IdTokenInfo::new(match verdict.authorization {
        Authorization::Accepted => v21::AuthorizationStatus::Accepted,
        Authorization::Blocked | Authorization::GroupBlocked => v21::AuthorizationStatus::Blocked,
        Authorization::Expired | Authorization::GroupExpired => v21::AuthorizationStatus::Expired,
        Authorization::Unknown => v21::AuthorizationStatus::Unknown,
        Authorization::Invalid => v21::AuthorizationStatus::Invalid,
        Authorization::ConcurrentTransaction => v21::AuthorizationStatus::ConcurrentTx,
        Authorization::NotAtThisLocation => v21::AuthorizationStatus::NotAtThisLocation,
    });
    info.cache_expiry_date_time = verdict.expires_at.map(wire::date_time);
    // A group with a longer name cannot be said here; the station then asks about each member.
    let group = verdict.group.as_ref().map(TokenUid::as_str);
    let group = group.filter(|group| group.chars().count() <= limits.token_chars_max);
    info.group_id_token = group.map(|group| v21::IdToken::new(group, "Central"));
    info
}

/// One certificate at least must be named, and none was looked up: an empty name, and the status of a failed look-up.
fn certificate_chain_status(now: Timestamp) -> Result<Box<RawValue>, CallFault> {
    let nameless = v21::CertificateHashData::new(v21::HashAlgorithm::SHA256, "", "", "");
    let status = v21::CertificateStatus::new(
        nameless,
        v21::CertificateStatusSource::OCSP,
        v21::CertificateStatusEnum::Failed,
        wire::date_time(now),
    );
    wire::write(&v21::GetCertificateChainStatusResponse::new(vec![status]))
}
