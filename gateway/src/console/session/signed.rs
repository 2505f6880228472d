//! Signed meter values of a session: what each is worth, and the values themselves to take away, bit for bit as the station sent them.

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use ringmain_certs::ocmf::key::MeterKey;
use ringmain_certs::ocmf::xml::{XmlContext, XmlValue, transparency_xml};
use ringmain_domain::id::{SessionId, TenantId};
use ringmain_domain::meter::SignedValue;
use ringmain_domain::ocmf::Record;
use ringmain_domain::ocmf::payload::ReadingReason;
use ringmain_domain::ocmf::transaction::MeteredTransaction;
use ringmain_domain::time::Timestamp;
use ringmain_domain::transaction::TransactionFact;
use ringmain_store::store::{Store, StoreError};
use serde::Deserialize;
use serde_json::json;

use crate::console::format::{State, When, Zone};
use crate::console::guard::Visitor;
use crate::console::page::PageError;
use crate::house::House;

/// All values belong to one transaction; the software that reads the file joins them by this number.
const TRANSACTION_NUMBER: u64 = 1;

/// A signed value as the page shows it.
pub(super) struct Line {
    pub(super) at: When,
    pub(super) verdict: Option<State>,
    pub(super) format: String,
    pub(super) meter: String,
    pub(super) reading: String,
}

/// In which form to take the values away.
#[derive(Debug, Deserialize)]
pub(in crate::console) struct DownloadQuery {
    form: String,
}

/// The signed values as a file: `json` with all that came along, `txt` the values alone, `xml` for the S.A.F.E. transparency software.
pub(in crate::console) async fn download(
    house: web::Data<House>,
    visitor: Visitor,
    id: web::Path<SessionId>,
    query: web::Query<DownloadQuery>,
) -> Result<HttpResponse, PageError> {
    let tenant = &visitor.caller.tenant;
    let found = house.store.session(tenant, *id).await?;
    let session = found.ok_or_else(|| PageError::Absent(format!("there is no session {id}")))?;
    let facts = house.store.transaction_facts(tenant, &session.station, &session.transaction).await?;
    let values = of(&facts);
    let none = || PageError::Absent("this session has no such signed values".to_owned());
    if values.is_empty() {
        return Err(none());
    }
    let (media, text) = match query.form.as_str() {
        "json" => ("application/json", in_json(&values)),
        "txt" => ("text/plain; charset=utf-8", in_text(&values)),
        "xml" => ("application/xml", in_xml(&house.store, tenant, &values).await?.ok_or_else(none)?),
        _ => return Err(PageError::NoSuchPage),
    };
    let file = format!("attachment; filename=\"session-{id}.{}\"", query.form);
    Ok(HttpResponse::Ok().content_type(media).insert_header((header::CONTENT_DISPOSITION, file)).body(text))
}

/// All signed values of a transaction in the order in which they were measured, each once.
pub(super) fn of(facts: &[TransactionFact]) -> Vec<(Timestamp, &SignedValue)> {
    let samples = facts.iter().flat_map(|fact| &fact.samples);
    let mut values: Vec<_> =
        samples.filter_map(|sample| Some((sample.observed_at, sample.signed.as_deref()?))).collect();
    values.sort_by(|a, b| (a.0, &a.1.data).cmp(&(b.0, &b.1.data)));
    values.dedup_by(|later, earlier| later.1.data == earlier.1.data);
    values
}

/// Can the transparency software read any of them?
pub(super) fn has_ocmf(values: &[(Timestamp, &SignedValue)]) -> bool {
    values.iter().any(|(_, value)| Record::read(&value.data).is_ok())
}

/// What they say together: the energy that the meter signed, then each thing that speaks against it.
pub(super) fn in_words(metered: &MeteredTransaction) -> Vec<String> {
    let energy = metered.energy_wh.map(|exact| format!("the meter signed {exact} Wh"));
    energy.into_iter().chain(metered.problems.iter().map(ToString::to_string)).collect()
}

fn in_json(values: &[(Timestamp, &SignedValue)]) -> String {
    let value = |(at, value): &(Timestamp, &SignedValue)| {
        json!({
            "observed_at": at.to_string(), "data": value.data, "encoding": value.encoding, "method": value.method,
            "public_key": value.public_key, "verdict": value.verdict.map(|verdict| verdict.as_str()),
        })
    };
    format!("{:#}\n", json!(values.iter().map(value).collect::<Vec<_>>()))
}

fn in_text(values: &[(Timestamp, &SignedValue)]) -> String {
    values.iter().map(|(_, value)| format!("{}\n", value.data)).collect()
}

/// `None`: no value is OCMF. The key is the registered one; without it the software asks the driver to type in the one on the meter.
async fn in_xml(
    store: &Store,
    tenant: &TenantId,
    values: &[(Timestamp, &SignedValue)],
) -> Result<Option<String>, StoreError> {
    let records: Vec<Record> =
        values.iter().filter_map(|(_, value)| Record::read(&value.data).ok()).collect();
    let Some(serial) = records.first().map(|record| record.payload().serial()) else { return Ok(None) };
    let registered = if serial.is_empty() { None } else { store.meter_key(tenant, serial).await? };
    let key = registered.and_then(|record| MeterKey::read(&record.public_key).ok());
    let value =
        |record| XmlValue { transaction_number: TRANSACTION_NUMBER, context: context(record), record };
    let values: Vec<_> = records.iter().map(value).collect();
    Ok(Some(transparency_xml(&values, key.as_ref())))
}

/// A record that only opens the transaction is its begin; all others count as its end.
fn context(record: &Record) -> XmlContext {
    let ends = record.payload().readings.iter().any(|reading| reading.reason == Some(ReadingReason::End));
    let begins = record.payload().readings.iter().any(|reading| reading.reason == Some(ReadingReason::Begin));
    if begins && !ends { XmlContext::Begin } else { XmlContext::End }
}

// === impl Line ===

impl Line {
    pub(super) fn of((at, value): &(Timestamp, &SignedValue), zone: &Zone) -> Self {
        let record = Record::read(&value.data).ok();
        let last = record.as_ref().and_then(|record| record.payload().readings.last());
        let reading = last.and_then(|last| {
            Some(format!("{} {}", last.value_text.as_deref()?, last.unit.as_deref().unwrap_or_default()))
        });
        Self {
            at: zone.exact(*at),
            verdict: value.verdict.map(State::of_signature),
            format: value.encoding.to_string(),
            meter: record.as_ref().map(|record| record.payload().serial().to_owned()).unwrap_or_default(),
            reading: reading.unwrap_or_default(),
        }
    }
}
