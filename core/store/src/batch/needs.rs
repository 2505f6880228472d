//! What cars said they need: the last word at each EVSE, for a site that starts later.

use std::collections::BTreeMap;

use ringmain_domain::event::{DomainEvent, Fact};
use ringmain_domain::id::EvseId;
use ringmain_domain::report::ChargingNeeds;
use ringmain_domain::time::Timestamp;

use crate::batch::Place;
use crate::charging_needs::{CAR, KEEP};
use crate::engine::Statement;
use crate::engine::param::{Param, params};
use crate::store::StoreError;

/// What the facts of a batch say.
pub(super) fn of(facts: &[Fact]) -> Result<Statement, StoreError> {
    let mut last: BTreeMap<(Place, EvseId), (Timestamp, &ChargingNeeds)> = BTreeMap::new();
    for fact in facts {
        let DomainEvent::ChargingNeedsReported(needs) = &fact.event else { continue };
        let place = (fact.tenant.clone(), fact.station.clone());
        last.insert((place, needs.evse), (fact.received_at, needs));
    }
    let rows = last.iter().map(|(((tenant, station), evse), (at, needs))| {
        let mut row = params![tenant, station, *evse, CAR, None::<&str>, *at];
        row.push(Param::json(&needs.word)?);
        Ok(row)
    });
    Ok(Statement::each(&KEEP, rows.collect::<Result<_, StoreError>>()?))
}
