//! Public keys of meters, and what signatures are worth by them.

use ringmain_certs::ocmf::key::MeterKey;
use ringmain_certs::ocmf::{Record, verify};
use ringmain_domain::id::TenantId;
use ringmain_domain::meter::{MeterKeyRecord, SignedValue};
use ringmain_domain::report::{StationReport, TransactionReport};
use ringmain_store::store::{Store, StoreError};
use serde_json::json;

use super::audit;
use super::keys::Caller;
use super::locations::Put;
use super::refusal::{Flaw, Refusal, check_text};
use crate::house::House;

/// The most characters of a meter's serial number (OCMF 1.4.1, MS).
const SERIAL_MAX_CHARS: usize = 100;

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

/// Judges the signed values of a report by the keys that are registered now.
///
/// # Errors
/// The store's: then nothing is judged, and nothing may be decided either.
pub async fn judge(
    store: &Store,
    tenant: &TenantId,
    report: &mut TransactionReport,
) -> Result<(), StoreError> {
    for sample in &mut report.samples {
        let Some(signed) = sample.signed.as_deref_mut() else { continue };
        let registered = match serial(signed) {
            Some(serial) => store.meter_key(tenant, &serial).await?,
            None => None,
        };
        // A key that was registered was readable then.
        let key = registered.and_then(|record| MeterKey::read(&record.public_key).ok());
        signed.verdict = Some(verify(signed, key.as_ref()).verdict);
    }
    Ok(())
}

/// The report's transaction, if it carries signed values.
pub fn signed(report: &mut StationReport) -> Option<&mut TransactionReport> {
    match report {
        StationReport::Transaction(report) if report.samples.iter().any(|sample| sample.signed.is_some()) => {
            Some(report)
        }
        _ => None,
    }
}

fn serial(signed: &SignedValue) -> Option<String> {
    let record = Record::read(&signed.data).ok()?;
    Some(record.payload().serial().to_owned()).filter(|serial| !serial.is_empty())
}
