//! The JSON of a tariff as people type it on the console's page: the same form as a request's body, and a tariff written in it.

use ringmain_domain::id::TariffId;
use ringmain_domain::tariff::Tariff;
use serde_json::Value;

use super::form::{TariffBody, TariffRequest};
use crate::api::extract::parse;
use crate::services::keys::Caller;
use crate::services::refusal::Flaw;

/// Fields of an answer that no request has.
const ANSWER_ONLY: [&str; 2] = ["hints", "updated_at"];

/// Reads a tariff. `id` is the one it must have; when `None`, the text must name one.
///
/// # Errors
/// What is wrong, with its place.
pub(crate) fn read(text: &str, id: Option<&TariffId>, caller: &Caller) -> Result<Tariff, Vec<Flaw>> {
    let request: TariffRequest = parse(text.as_bytes()).map_err(|problem| problem.into_flaws())?;
    let id = match (id, request.id.clone()) {
        (Some(id), Some(named)) if named != *id => {
            return Err(vec![Flaw::new("/id", "differs from this tariff's: leave it out")]);
        }
        (Some(id), _) => id.clone(),
        (None, Some(named)) => named,
        (None, None) => return Err(vec![Flaw::new("/id", "is missing")]),
    };
    Ok(request.into_tariff(caller, id))
}

/// Writes a tariff so that [`read`] gives it back.
pub(crate) fn write(tariff: Tariff) -> String {
    let mut document = serde_json::to_value(TariffBody::from(tariff)).unwrap_or_default();
    if let Value::Object(fields) = &mut document {
        fields.retain(|name, value| !ANSWER_ONLY.contains(&name.as_str()) && !value.is_null());
    }
    serde_json::to_string_pretty(&document).unwrap_or_default()
}
