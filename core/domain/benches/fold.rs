//! How long it takes to fold a session of 500 messages anew, as its end and every correction do.
#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ringmain_domain::id::{ConnectorId, EvseId, StationId, TenantId, TransactionId};
use ringmain_domain::meter::{Sample, SampleContext};
use ringmain_domain::report::{MessageKey, TransactionPhase};
use ringmain_domain::session::fold;
use ringmain_domain::time::Timestamp;
use ringmain_domain::transaction::TransactionFact;

const MESSAGES: u32 = 500;
/// 2026-03-01T08:00:00Z.
const START: Timestamp = Timestamp::from_millis(1_772_352_000_000);

/// A message a minute, each with the register and the power.
fn message(number: u32) -> TransactionFact {
    let at = START.plus_secs(i64::from(number) * 60);
    let phase = match number {
        0 => TransactionPhase::Started,
        number if number == MESSAGES - 1 => TransactionPhase::Ended,
        _ => TransactionPhase::Updated,
    };
    let register = Sample::import_register(at, i64::from(number) * 183, SampleContext::Periodic);
    TransactionFact {
        transaction: TransactionId::new("tx-1").unwrap(),
        key: MessageKey::Sequence(number),
        phase,
        numbering: None,
        evse: Some(EvseId(1)),
        connector: Some(ConnectorId(1)),
        token: None,
        authorization: None,
        contract: None,
        observed_at: at,
        received_at: at,
        trigger: "MeterValuePeriodic".into(),
        charging_state: None,
        stop_reason: None,
        offline: false,
        remote_start_id: None,
        time_repaired: false,
        adopted: false,
        aside: false,
        samples: vec![register],
        ruling: None,
        content: format!("{number:032x}").into(),
    }
}

fn folding(criterion: &mut Criterion) {
    let facts: Vec<_> = (0..MESSAGES).map(message).collect();
    let (tenant, station) = (TenantId::default_tenant(), StationId::new("CS-1").unwrap());
    let mut group = criterion.benchmark_group("fold");
    group.throughput(Throughput::Elements(u64::from(MESSAGES)));
    group.bench_function("session of 500 messages", |bencher| {
        bencher.iter(|| fold(&tenant, &station, black_box(&facts)));
    });
    group.finish();
}

criterion_group!(benches, folding);
criterion_main!(benches);
