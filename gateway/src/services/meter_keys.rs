//! Public keys of meters, and what signatures are worth by them.

use std::collections::{BTreeMap, BTreeSet};

use ringmain_certs::ocmf::key::MeterKey;
use ringmain_certs::ocmf::verify_record;
use ringmain_domain::id::TenantId;
use ringmain_domain::meter::{MeterKeyRecord, Sample, SignatureVerdict};
use ringmain_domain::ocmf::{ReadError, Record};
use ringmain_domain::report::StationReport;
use ringmain_store::store::{Store, StoreError};
use serde_json::json;

use super::audit;
use super::keys::Caller;
use super::locations::Put;
use super::refusal::{Flaw, Refusal, check_text};
use crate::house::House;

/// The most characters of a meter's serial number (OCMF 1.4.1, MS).
const SERIAL_MAX_CHARS: usize = 100;
/// The most signed values that are verified of one message: a day of them, one every quarter of an hour. Real messages bring two.
const VERIFIED_MAX: usize = 100;

/// Registers a meter's key or replaces it.
///
/// # Errors
/// Flaws, also of a key that cannot be read; the store's.
pub async fn put(house: &House, caller: &Caller, key: &MeterKeyRecord) -> Result<Put, Refusal> {
    let mut flaws = Vec::new();
    check_text(&mut flaws, "/serial", &key.serial, SERIAL_MAX_CHARS);
    if let Err(error) = MeterKey::read(&key.public_key) {
        flaws.push(Flaw::new("/public_key", error.to_string()));
    }
    Refusal::unless_sound(flaws)?;
    let known = house.store.meter_key(&caller.tenant, &key.serial).await?.is_some();
    house.store.put_meter_key(key).await?;
    let (put, action) =
        if known { (Put::Replaced, "meter_key.replaced") } else { (Put::Created, "meter_key.created") };
    let detail = json!({ "public_key": key.public_key });
    audit::record(house, caller, action, &format!("meter-keys/{}", key.serial), &detail).await?;
    Ok(put)
}

/// Removes a meter's key.
///
/// # Errors
/// Absent; the store's.
pub async fn remove(house: &House, caller: &Caller, serial: &str) -> Result<(), Refusal> {
    if !house.store.delete_meter_key(&caller.tenant, serial).await? {
        return Err(Refusal::absent("meter key", serial));
    }
    audit::record(house, caller, "meter_key.deleted", &format!("meter-keys/{serial}"), &json!({})).await?;
    Ok(())
}

/// Judges the signed values of a report by the keys that are registered now: of too many, the first and the last, which a bill stands on.
/// Reading and verifying are seconds of work for a message as large as a frame may be, so the connection's own thread does neither.
///
/// Says how many were left out.
///
/// # Errors
/// The store's: then nothing is judged, and nothing may be decided either.
pub async fn judge(store: &Store, tenant: &TenantId, samples: &mut [Sample]) -> Result<usize, StoreError> {
    let mut signed: Vec<_> = samples.iter_mut().filter_map(|sample| sample.signed.as_deref_mut()).collect();
    let surplus = signed.len().saturating_sub(VERIFIED_MAX);
    if surplus > 0 {
        for left_out in signed.drain(VERIFIED_MAX / 2..VERIFIED_MAX / 2 + surplus) {
            left_out.verdict = Some(SignatureVerdict::Unsupported);
        }
    }
    let texts: Vec<_> = signed.iter().map(|signed| signed.data.clone()).collect();
    let read = move || texts.iter().map(|text| Record::read(text)).collect::<Vec<_>>();
    let Some(records) = elsewhere(read).await else { return Ok(surplus) };
    let serials: BTreeSet<&str> =
        records.iter().flatten().map(serial).filter(|serial| !serial.is_empty()).collect();
    let registered = store.meter_keys_of(tenant, serials).await?;
    let Some(verdicts) = elsewhere(move || verdicts(&records, &registered)).await else { return Ok(surplus) };
    for (signed, verdict) in signed.into_iter().zip(verdicts) {
        signed.verdict = Some(verdict);
    }
    Ok(surplus)
}

/// What signatures are worth. The key that came along decides nothing, so no time is spent on it.
fn verdicts(records: &[Result<Record, ReadError>], registered: &[MeterKeyRecord]) -> Vec<SignatureVerdict> {
    // A key that was registered was readable then.
    let keys: BTreeMap<&str, MeterKey> = registered
        .iter()
        .filter_map(|record| Some((&*record.serial, MeterKey::read(&record.public_key).ok()?)))
        .collect();
    let verdict = |record: &Result<Record, ReadError>| match record {
        Ok(record) => verify_record(record, keys.get(serial(record)), "").verdict,
        Err(_) => SignatureVerdict::Unreadable,
    };
    records.iter().map(verdict).collect()
}

/// Work for another thread. `None`: it has no result, because the node stops or the work panicked; then nobody looked.
async fn elsewhere<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.inspect_err(|error| tracing::error!(%error, "signed values were not judged")).ok()
}

/// The report's samples, if some are signed.
pub fn signed(report: &mut StationReport) -> Option<&mut [Sample]> {
    let samples = match report {
        StationReport::Transaction(report) => &mut report.samples,
        StationReport::Metering(report) => &mut report.samples,
        _ => return None,
    };
    samples.iter().any(|sample| sample.signed.is_some()).then_some(samples)
}

fn serial(record: &Record) -> &str {
    record.payload().serial()
}
