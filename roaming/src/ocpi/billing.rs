//! Tariffs and bill records as partners write them, read for pricing.
//!
//! The versions 2.1.1, 2.2.1 and 2.3.0 differ in the names of a few fields only, so one reader knows them all. It is lenient where partners
//! are careless and the meaning is plain (a missing zone, a number in quotes, a step of zero), and leaves a note where it left
//! something out. What is impossible is refused with its place.

mod cdr;
mod tariff;
mod wire;

use ringmain_domain::tariff::Tariff;
use ringmain_domain::tariff::pricer::{CdrDocument, CdrPrice, CdrPricer, CdrPricerError, CdrPricing};
use ringmain_domain::tariff::pricing::price;
use ringmain_domain::tariff::timeline::Timeline;
use ringmain_domain::time::local::Zone;
use serde::de::DeserializeOwned;

/// Reads and prices partners' documents.
#[derive(Debug, Clone, Copy, Default)]
pub struct OcpiPricer;

// === impl OcpiPricer ===

impl CdrPricer for OcpiPricer {
    fn price(&self, order: &CdrPricing<'_>) -> Result<CdrPrice, CdrPricerError> {
        let mut notes = Vec::new();
        let cdr: wire::Cdr = read(CdrDocument::Cdr, order.cdr)?;
        let given: Option<wire::Tariff> =
            order.tariff.map(|json| read(CdrDocument::Tariff, json)).transpose()?;
        let mut tariffs = match &given {
            Some(given) => vec![tariff::read(given, CdrDocument::Tariff, "", &mut notes)?],
            None => tariffs_of(&cdr, &mut notes)?,
        };
        let zone = zone(order, &cdr)?;
        let usage = cdr::usage(&cdr, order.reservation_expired, &mut notes)?;
        let chosen = cdr::choose(&cdr, &tariffs);
        for tariff in &mut tariffs {
            // Which one counts when is decided; the record was written when they were valid.
            (tariff.valid_from, tariff.valid_until) = (None, None);
        }
        let versions = chosen.iter().filter_map(|(from, index)| Some((*from, tariffs.get(*index)?)));
        let timeline = Timeline::new(versions)
            .ok_or_else(|| error(CdrDocument::Cdr, "/tariffs", "has no tariff, and none was given"))?;
        Ok(CdrPrice {
            breakdown: price(&timeline, &zone, &usage),
            usage,
            is_credit: cdr.credit.unwrap_or_default(),
            hints: tariffs.iter().flat_map(Tariff::lint).collect(),
            notes,
        })
    }
}

/// Reads a tariff, for pricing something else than a bill record.
///
/// # Errors
/// What cannot be read, with its place.
pub fn read_tariff(json: &[u8]) -> Result<Tariff, CdrPricerError> {
    tariff::read(&read(CdrDocument::Tariff, json)?, CdrDocument::Tariff, "", &mut Vec::new())
}

fn tariffs_of(cdr: &wire::Cdr, notes: &mut Vec<Box<str>>) -> Result<Vec<Tariff>, CdrPricerError> {
    let all = cdr.tariffs.iter().enumerate();
    all.map(|(index, of)| tariff::read(of, CdrDocument::Cdr, &format!("/tariffs/{index}"), notes)).collect()
}

fn zone(order: &CdrPricing<'_>, cdr: &wire::Cdr) -> Result<Zone, CdrPricerError> {
    if let Some(zone) = order.zone {
        return Ok(zone.clone());
    }
    let named = cdr.location.as_ref().and_then(|location| location.time_zone.as_deref());
    let name = named.ok_or_else(|| error(CdrDocument::Cdr, "", "names no time zone: say which one"))?;
    Zone::named(name).map_err(|cause| error(CdrDocument::Cdr, "/location/time_zone", cause.to_string()))
}

fn read<T: DeserializeOwned>(document: CdrDocument, json: &[u8]) -> Result<T, CdrPricerError> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|cause| {
        let place: String = cause
            .path()
            .iter()
            .filter_map(|segment| match segment {
                serde_path_to_error::Segment::Seq { index } => Some(format!("/{index}")),
                serde_path_to_error::Segment::Map { key } => Some(format!("/{key}")),
                serde_path_to_error::Segment::Enum { .. } | serde_path_to_error::Segment::Unknown => None,
            })
            .collect();
        let text = cause.into_inner().to_string();
        // The reader adds a line and a column of the text; the place says more.
        let detail = text.rsplit_once(" at line ").map_or(text.as_str(), |(detail, _)| detail);
        error(document, place, detail)
    })
}

fn error(document: CdrDocument, place: impl Into<Box<str>>, detail: impl Into<Box<str>>) -> CdrPricerError {
    CdrPricerError { document, place: place.into(), detail: detail.into() }
}
