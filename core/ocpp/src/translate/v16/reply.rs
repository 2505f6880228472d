//! What a 1.6 charge point hears in answer.

use ringmain_domain::authorize::{Authorization, Verdict};
use ringmain_domain::reply::{DataTransferStatus, Registration, StationReply, TransactionReply};
use ringmain_domain::time::Timestamp;
use serde_json::value::RawValue;

use crate::action::Action;
use crate::fault::{CallFault, FaultCode};
use crate::wire::{self, v16};

/// The most characters of an idTag (1.6 section 7.27).
pub(super) const ID_TAG_CHARS_MAX: usize = 20;

/// What stands for the number of a transaction that got none: the same that charge points use for it (errata 3.18).
const NO_NUMBER: i32 = -1;

/// Writes one answer.
pub(in crate::translate) fn write(
    action: Action,
    reply: &StationReply,
    now: Timestamp,
) -> Result<Box<RawValue>, CallFault> {
    match action {
        Action::BootNotification => boot(reply, now),
        Action::Heartbeat => wire::write(&v16::HeartbeatResponse::new(wire::date_time(now))),
        Action::Authorize => wire::write(&v16::AuthorizeResponse::new(id_tag_info(verdict(reply)))),
        Action::StartTransaction => {
            let number = transaction(reply).and_then(|reply| reply.number).unwrap_or(NO_NUMBER);
            wire::write(&v16::StartTransactionResponse::new(id_tag_info(verdict(reply)), number))
        }
        Action::StopTransaction => {
            let mut response = v16::StopTransactionResponse::new();
            response.id_tag_info = verdict(reply).map(|verdict| id_tag_info(Some(verdict)));
            wire::write(&response)
        }
        Action::DataTransfer => wire::write(&v16::DataTransferResponse::new(match reply {
            StationReply::DataTransfer(DataTransferStatus::Accepted) => v16::DataTransferStatus::Accepted,
            StationReply::DataTransfer(DataTransferStatus::UnknownVendor) => {
                v16::DataTransferStatus::UnknownVendorId
            }
            StationReply::Boot { .. }
            | StationReply::Heartbeat
            | StationReply::Authorize(_)
            | StationReply::Transaction(_)
            | StationReply::ChargingNeeds(_)
            | StationReply::Received
            | StationReply::Refused(_) => v16::DataTransferStatus::Rejected,
        })),
        // Nobody here signs certificates; the charge point keeps the one it has.
        Action::SignCertificate => {
            wire::write(&v16::SignCertificateResponse::new(v16::GenericStatus::Rejected))
        }
        Action::StatusNotification
        | Action::MeterValues
        | Action::SecurityEventNotification
        | Action::FirmwareStatusNotification
        | Action::SignedFirmwareStatusNotification
        | Action::DiagnosticsStatusNotification
        | Action::LogStatusNotification => wire::empty(),
        for_us_to_send!() | only_in_v2!() => {
            Err(CallFault::new(FaultCode::NotSupported, "action has no answer of ours"))
        }
    }
}

fn boot(reply: &StationReply, now: Timestamp) -> Result<Box<RawValue>, CallFault> {
    let StationReply::Boot { registration, interval_s } = reply else {
        return Err(CallFault::new(FaultCode::Internal, "boot was not decided"));
    };
    let status = match registration {
        Registration::Accepted => v16::RegistrationStatus::Accepted,
        Registration::Pending => v16::RegistrationStatus::Pending,
        Registration::Rejected => v16::RegistrationStatus::Rejected,
    };
    let interval = i32::try_from(*interval_s).unwrap_or(i32::MAX);
    wire::write(&v16::BootNotificationResponse::new(status, wire::date_time(now), interval))
}

fn transaction(reply: &StationReply) -> Option<&TransactionReply> {
    match reply {
        StationReply::Transaction(reply) => Some(reply),
        StationReply::Boot { .. }
        | StationReply::Heartbeat
        | StationReply::Authorize(_)
        | StationReply::DataTransfer(_)
        | StationReply::ChargingNeeds(_)
        | StationReply::Received
        | StationReply::Refused(_) => None,
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
pub(super) fn id_tag_info(verdict: Option<&Verdict>) -> v16::IdTagInfo {
    let Some(verdict) = verdict else { return v16::IdTagInfo::new(v16::AuthorizationStatus::Invalid) };
    let mut info = v16::IdTagInfo::new(match verdict.authorization {
        Authorization::Accepted => v16::AuthorizationStatus::Accepted,
        Authorization::Blocked | Authorization::GroupBlocked => v16::AuthorizationStatus::Blocked,
        Authorization::Expired | Authorization::GroupExpired => v16::AuthorizationStatus::Expired,
        Authorization::ConcurrentTransaction => v16::AuthorizationStatus::ConcurrentTx,
        Authorization::Unknown | Authorization::Invalid | Authorization::NotAtThisLocation => {
            v16::AuthorizationStatus::Invalid
        }
    });
    info.expiry_date = verdict.expires_at.map(wire::date_time);
    // A group with a longer name cannot be said here; the charge point then asks about each member.
    let group = verdict.group.as_ref().map(ringmain_domain::id::TokenUid::as_str);
    info.parent_id_tag = group.filter(|group| group.chars().count() <= ID_TAG_CHARS_MAX).map(str::to_owned);
    info
}
