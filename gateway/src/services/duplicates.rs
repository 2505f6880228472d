//! Two stations under one identity: what is known of the second one, and what an operator decides (reliability.md 7.2).

use std::net::IpAddr;

use ringmain_domain::cluster::duplicates::ADMISSION_MS;
use ringmain_domain::id::StationId;
use ringmain_store::duplicates::DuplicateRow;
use serde_json::json;

use super::audit;
use super::keys::Caller;
use super::refusal::Refusal;
use super::stations;
use crate::clock;
use crate::house::House;

/// Who is the station?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The one that was refused: when it comes again from this address, within a quarter of an hour, it takes the station's place. Without an
    /// address: the one that was refused last.
    AcceptNew {
        /// From where.
        source: Option<IpAddr>,
    },
    /// The one that is connected: the matter is closed, and opened again by the next refusal.
    KeepOld,
}

/// What is known of a station's second sockets; nothing where none has come for a day.
///
/// # Errors
/// No such station; the store's.
pub async fn of(
    house: &House,
    caller: &Caller,
    station: &StationId,
) -> Result<Option<DuplicateRow>, Refusal> {
    stations::own(house, caller, station).await?;
    let now = clock::now();
    let row = house.store.duplicates(&caller.tenant, station).await?;
    Ok(row.filter(|row| !row.duplicates.is_over(now)).map(|row| match row.admit_until {
        Some(until) if until >= now => row,
        Some(_) | None => DuplicateRow { admit_until: None, admit_source: None, ..row },
    }))
}

/// Decides.
///
/// # Errors
/// No such station, a conflict where nobody was refused; the store's.
pub async fn decide(
    house: &House,
    caller: &Caller,
    station: &StationId,
    decision: Decision,
) -> Result<(), Refusal> {
    stations::own(house, caller, station).await?;
    let (store, tenant) = (&house.store, &caller.tenant);
    let until = clock::now().plus_millis(ADMISSION_MS);
    let (was_there, source) = match decision {
        Decision::AcceptNew { source } => {
            let source = match source {
                Some(source) => Some(source_of(source)),
                None => store.duplicates(tenant, station).await?.map(|row| row.duplicates.source),
            };
            let admitted = match &source {
                Some(source) => store.admit_newcomer(tenant, station, (source, until)).await?,
                None => false,
            };
            (admitted, source)
        }
        Decision::KeepOld => (store.forget_duplicates(tenant, station).await?, None),
    };
    if !was_there {
        return Err(Refusal::conflict("no second socket of this station was refused"));
    }
    let said = json!({ "decision": decision.as_str(), "source": source });
    audit::record(
        house,
        caller,
        "charging_station.duplicate_decided",
        &format!("charging-stations/{station}"),
        &said,
    )
    .await?;
    Ok(())
}

/// A newcomer's address, as it is kept and compared.
#[must_use]
pub fn source_of(address: IpAddr) -> Box<str> {
    address.to_canonical().to_string().into()
}

// === impl Decision ===

impl Decision {
    /// As the API and the audit log name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AcceptNew { .. } => "accept_new",
            Self::KeepOld => "keep_old",
        }
    }
}
