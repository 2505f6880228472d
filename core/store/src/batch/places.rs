//! What the stations of a batch's transactions stand for: where they are, and which tariff and time zone they have.

use std::collections::{BTreeMap, BTreeSet};

use ringmain_domain::id::{LocationId, TariffId};
use ringmain_domain::session::plausible::Demands;

use crate::batch::Place;
use crate::batch::transactions::Told;
use crate::engine::param::params;
use crate::engine::{Statement, Texts, Tx};
use crate::store::StoreError;

/// What is known of a station. Nothing, when nobody registered it.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    pub(super) location_id: Option<LocationId>,
    pub(super) tariff_id: Option<TariffId>,
    /// What is demanded of bills there.
    pub(super) demands: Demands,
    /// The location's.
    pub(super) time_zone: Option<Box<str>>,
}

static STATIONS: Texts = Texts {
    one: "SELECT s.tenant, s.id, s.location_id, s.tariff_id, s.max_power_w, json_extract(l.document, '$.time_zone') AS time_zone, \
          json_extract(l.document, '$.country') AS country \
          FROM stations s LEFT JOIN locations l ON l.tenant = s.tenant AND l.id = s.location_id \
          WHERE s.tenant = $1 AND s.id = $2",
    all: "SELECT s.tenant, s.id, s.location_id, s.tariff_id, s.max_power_w, l.document ->> 'time_zone' AS time_zone, l.document ->> 'country' AS country \
          FROM unnest($1::text[], $2::text[]) AS k(tenant, id) JOIN stations s ON s.tenant = k.tenant AND s.id = k.id \
          LEFT JOIN locations l ON l.tenant = s.tenant AND l.id = s.location_id",
};

/// The places of these facts; `proof_in` are the countries where nothing is billed that a meter did not sign.
pub(super) async fn of_facts(
    tx: &mut Tx,
    told: &[Told],
    proof_in: &[Box<str>],
) -> Result<BTreeMap<Place, Known>, StoreError> {
    let wanted: BTreeSet<Place> = told.iter().map(|one| (one.tenant.clone(), one.station.clone())).collect();
    let keys = wanted.iter().map(|(tenant, station)| params![tenant, station]).collect();
    let mut places = BTreeMap::new();
    for row in tx.run(Statement::each(&STATIONS, keys)).await? {
        let country = row.words("country")?;
        let demands = Demands {
            max_power_w: row.count_or_null("max_power_w")?,
            proof: country.is_some_and(|country| proof_in.contains(&country)),
        };
        let known = Known {
            location_id: row.named_or_null("location_id")?,
            tariff_id: row.named_or_null("tariff_id")?,
            demands,
            time_zone: row.words("time_zone")?,
        };
        places.insert((row.named("tenant")?, row.named("id")?), known);
    }
    Ok(places)
}
