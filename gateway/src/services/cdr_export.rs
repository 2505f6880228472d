//! Bill records as one CSV text (RFC 4180), for a spreadsheet or another program: page by page, one page at a time, so that a year of them
//! needs no more memory than a thousand.
//!
//! A cell that a spreadsheet would take for a formula gets an apostrophe before it; numbers stay numbers. Never: a float, or a number in the
//! reader's own notation.

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::Bytes;
use futures_util::stream;
use ringmain_domain::cdr::Cdr;
use ringmain_domain::id::TenantId;
use ringmain_domain::meter::SignatureVerdict;
use ringmain_store::cdrs::CdrFilter;
use ringmain_store::page::{MAX_LIMIT, Page, PageRequest};
use ringmain_store::store::{Store, StoreError};

use super::sessions::flag_name;
use super::tokens::kind_name;

/// The name under which a browser saves it.
const FILE_NAME: &str = "bills.csv";
/// What it is, for HTTP.
const MEDIA_TYPE: &str = "text/csv; charset=utf-8; header=present";

/// The columns, in their order. New ones are added at the end, so that a program that counts goes on.
pub const COLUMNS: [&str; 26] = [
    "id",
    "session_id",
    "revision",
    "kind",
    "credits_cdr_id",
    "created_at",
    "charging_station_id",
    "evse_id",
    "connector_id",
    "transaction_id",
    "token_uid",
    "token_kind",
    "started_at",
    "ended_at",
    "energy_wh",
    "charging_s",
    "parked_s",
    "meter_first_wh",
    "meter_last_wh",
    "tariff_id",
    "currency",
    "excl_tax",
    "incl_tax",
    "flags",
    "signature",
    "signed_energy_wh",
];

const MS_PER_SECOND: i64 = 1000;

/// Why an export broke off. What was sent until then is whole lines.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store's.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A row could not be written; memory cannot refuse it.
    #[error(transparent)]
    Csv(#[from] csv::Error),
}

/// An export on its way.
struct Export {
    store: Store,
    tenant: TenantId,
    filter: CdrFilter,
    left: Left,
}

/// What is still to be sent.
enum Left {
    /// The first page, with the names of the columns before it.
    First(Page<Cdr>),
    /// What lies behind this place in the list.
    After(String),
    Nothing,
}

/// All bill records that fit, the newest first, as an answer that is a file. The first page is read before this answers, so that a store
/// that is away can still be told.
///
/// # Errors
/// The store's.
pub async fn download(
    store: &Store,
    tenant: &TenantId,
    filter: CdrFilter,
) -> Result<HttpResponse, StoreError> {
    let first = store.cdrs(tenant, &filter, &PageRequest::first(MAX_LIMIT)).await?;
    let export = Export { store: store.clone(), tenant: tenant.clone(), filter, left: Left::First(first) };
    let file = format!("attachment; filename=\"{FILE_NAME}\"");
    Ok(HttpResponse::Ok()
        .content_type(MEDIA_TYPE)
        .insert_header((header::CONTENT_DISPOSITION, file))
        .streaming(stream::unfold(export, Export::next)))
}

// === impl Export ===

impl Export {
    async fn next(mut self) -> Option<(Result<Bytes, ExportError>, Self)> {
        let chunk = self.chunk().await.transpose()?;
        if let Err(cause) = &chunk {
            tracing::warn!(%cause, "an export of bill records broke off");
        }
        Some((chunk, self))
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, ExportError> {
        // After an error nothing is left: the reader sees that the text broke off.
        let (names, page) = match std::mem::replace(&mut self.left, Left::Nothing) {
            Left::Nothing => return Ok(None),
            Left::First(page) => (true, page),
            Left::After(cursor) => {
                let request = PageRequest { after: Some(cursor), limit: MAX_LIMIT };
                (false, self.store.cdrs(&self.tenant, &self.filter, &request).await?)
            }
        };
        let text = rows(names, &page.items)?;
        self.left = page.next.map_or(Left::Nothing, Left::After);
        Ok(Some(text.into()))
    }
}

fn rows(names: bool, cdrs: &[Cdr]) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    if names {
        writer.write_record(COLUMNS)?;
    }
    for cdr in cdrs {
        writer.write_record(row(cdr).map(harmless))?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

fn row(cdr: &Cdr) -> [String; COLUMNS.len()] {
    fn text(value: Option<impl ToString>) -> String {
        value.map(|value| value.to_string()).unwrap_or_default()
    }
    let breakdown = cdr.breakdown.as_ref();
    let flags: Vec<_> = cdr.flags.iter().map(|flag| flag_name(*flag)).collect();
    [
        cdr.id.to_string(),
        cdr.session_id.to_string(),
        cdr.revision.to_string(),
        cdr.kind().as_str().to_owned(),
        text(cdr.credits),
        cdr.created_at.to_string(),
        cdr.station.to_string(),
        text(cdr.evse),
        text(cdr.connector),
        cdr.transaction.to_string(),
        text(cdr.token.as_ref().map(|token| &token.uid)),
        text(cdr.token.as_ref().map(|token| kind_name(&token.kind))),
        cdr.started_at.to_string(),
        cdr.ended_at.to_string(),
        cdr.energy.0.to_string(),
        (cdr.charging_ms / MS_PER_SECOND).to_string(),
        (cdr.parked_ms / MS_PER_SECOND).to_string(),
        text(cdr.meter_first_wh),
        text(cdr.meter_last_wh),
        text(breakdown.map(|breakdown| &breakdown.tariff_id)),
        text(breakdown.map(|breakdown| breakdown.currency)),
        text(breakdown.map(|breakdown| breakdown.total.excl_tax)),
        text(breakdown.map(|breakdown| breakdown.total.incl_tax)),
        flags.join(" "),
        text(cdr.signature.map(SignatureVerdict::as_str)),
        text(cdr.metered.as_ref().and_then(|metered| metered.energy_wh)),
    ]
}

/// What a station or driver wrote must not calculate anything at whoever opens the file.
fn harmless(cell: String) -> String {
    let dangerous = cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && !is_number(&cell);
    if dangerous { format!("'{cell}") } else { cell }
}

fn is_number(cell: &str) -> bool {
    let (whole, fraction) = match cell.strip_prefix('-').unwrap_or(cell).split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (cell.strip_prefix('-').unwrap_or(cell), None),
    };
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole) && fraction.is_none_or(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_that_would_calculate_is_made_harmless_and_a_number_is_not() {
        for (cell, expect) in [
            ("=1+1", "'=1+1"),
            ("+49170", "'+49170"),
            ("-2+3", "'-2+3"),
            ("-", "'-"),
            ("-.5", "'-.5"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("\r=1", "'\r=1"),
            ("-7.14", "-7.14"),
            ("-0", "-0"),
            ("7.14", "7.14"),
            ("CS-1", "CS-1"),
            ("", ""),
        ] {
            assert_eq!(harmless(cell.to_owned()), expect);
        }
    }
}
