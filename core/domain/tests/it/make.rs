//! Short names for long values, so that a test shows what it is about.

use std::sync::Arc;

use ringmain_domain::authorize::{TokenPolicy, UnknownTokens};
use ringmain_domain::id::{ConnectorId, EvseId, StationId, TenantId, TokenUid, TransactionId};
use ringmain_domain::location::ChargingStation;
use ringmain_domain::meter::{Sample, SampleContext};
use ringmain_domain::reply::Registration;
use ringmain_domain::report::{
    ChargingState, MessageKey, TransactionPhase, TransactionRef, TransactionReport,
};
use ringmain_domain::ruling::Ruling;
use ringmain_domain::snapshot::StationSnapshot;
use ringmain_domain::station::StationPolicy;
use ringmain_domain::time::Timestamp;
use ringmain_domain::token::{IdToken, TokenKind};
use ringmain_domain::transaction::{NumberingSecret, TransactionFact, content_hash};

/// 2026-03-01T08:00:00Z.
pub(crate) const MORNING: Timestamp = Timestamp::from_millis(1_772_352_000_000);

/// So many minutes after [`MORNING`].
pub(crate) fn minute(minutes: i64) -> Timestamp {
    MORNING.plus_secs(minutes * 60)
}

pub(crate) fn station_id() -> StationId {
    StationId::new("CS-1").unwrap()
}

pub(crate) fn token(uid: &str) -> IdToken {
    IdToken { uid: TokenUid::new(uid).unwrap(), kind: TokenKind::Rfid }
}

pub(crate) fn policy() -> Arc<StationPolicy> {
    Arc::new(StationPolicy {
        heartbeat_interval_s: 300,
        boot_retry_s: 30,
        start_timeout_s: 180,
        tokens: TokenPolicy { unknown: UnknownTokens::Reject, concurrent_max: 1 },
        bill_unnamed_readings: false,
        numbering: NumberingSecret::new(b"a secret of the tests"),
    })
}

/// A station as an operator registered it, which has never booted.
pub(crate) fn snapshot(registration: Registration) -> StationSnapshot {
    let station = ChargingStation::unknown(TenantId::default_tenant(), station_id(), registration, MORNING);
    StationSnapshot { station, connectors: Vec::new(), open: Vec::new() }
}

/// A 2.x transaction message with a register reading.
pub(crate) fn event(
    seq: u32,
    phase: TransactionPhase,
    at: Timestamp,
    register_wh: Option<i64>,
) -> TransactionReport {
    let context = match phase {
        TransactionPhase::Started => SampleContext::TransactionBegin,
        TransactionPhase::Updated => SampleContext::Periodic,
        TransactionPhase::Ended => SampleContext::TransactionEnd,
    };
    TransactionReport {
        transaction: TransactionRef::Known(TransactionId::new("tx-1").unwrap()),
        key: MessageKey::Sequence(seq),
        phase,
        evse: Some(EvseId(1)),
        connector: Some(ConnectorId(1)),
        token: None,
        observed_at: at,
        trigger: "MeterValuePeriodic".into(),
        charging_state: None,
        stop_reason: None,
        offline: false,
        remote_start_id: None,
        reservation_id: None,
        samples: register_wh.map(|wh| Sample::import_register(at, wh, context)).into_iter().collect(),
    }
}

/// The fact a report becomes, as the station state makes it.
pub(crate) fn fact(report: &TransactionReport) -> TransactionFact {
    TransactionFact {
        transaction: TransactionId::new("tx-1").unwrap(),
        key: report.key.clone(),
        phase: report.phase,
        numbering: None,
        evse: report.evse,
        connector: report.connector,
        token: report.token.clone(),
        authorization: None,
        contract: None,
        observed_at: report.observed_at,
        received_at: report.observed_at,
        trigger: report.trigger.clone(),
        charging_state: report.charging_state,
        stop_reason: report.stop_reason.clone(),
        offline: report.offline,
        remote_start_id: report.remote_start_id,
        time_repaired: false,
        adopted: false,
        aside: false,
        samples: report.samples.clone(),
        ruling: None,
        content: content_hash(report),
    }
}

/// A ruling about that transaction, made at that minute.
pub(crate) fn ruled(ruling: Ruling, at: i64) -> TransactionFact {
    ruling.into_fact(TransactionId::new("tx-1").unwrap(), minute(at))
}

/// A whole session: register readings by minute, first and last are start and end.
pub(crate) fn session(readings: &[(i64, i64)]) -> Vec<TransactionFact> {
    let last = readings.len() - 1;
    let facts = readings.iter().enumerate().map(|(index, (at, wh))| {
        let phase = match index {
            0 => TransactionPhase::Started,
            index if index == last => TransactionPhase::Ended,
            _ => TransactionPhase::Updated,
        };
        fact(&event(u32::try_from(index).unwrap(), phase, minute(*at), Some(*wh)))
    });
    facts.collect()
}

/// The same with the charging state each message reports.
pub(crate) fn session_with_states(readings: &[(i64, i64, ChargingState)]) -> Vec<TransactionFact> {
    let plain: Vec<_> = readings.iter().map(|(at, wh, _)| (*at, *wh)).collect();
    let mut facts = session(&plain);
    for (fact, (_, _, state)) in facts.iter_mut().zip(readings) {
        fact.charging_state = Some(*state);
    }
    facts
}
