//! What the stations of a batch's transactions stand for: where they are and what charging costs there.

use std::collections::{BTreeMap, BTreeSet};

use ringmain_domain::id::{LocationId, TariffId, TenantId};
use ringmain_domain::tariff::Tariff;

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
}

static STATIONS: Texts = Texts {
    one: "SELECT tenant, id, location_id, tariff_id FROM stations WHERE tenant = $1 AND id = $2",
    all: "SELECT s.tenant, s.id, s.location_id, s.tariff_id FROM unnest($1::text[], $2::text[]) AS k(tenant, id) \
          JOIN stations s ON s.tenant = k.tenant AND s.id = k.id",
};

static TARIFFS: Texts = Texts {
    one: "SELECT tenant, id, document FROM tariffs WHERE tenant = $1 AND id = $2",
    all: "SELECT t.tenant, t.id, t.document FROM unnest($1::text[], $2::text[]) AS k(tenant, id) \
          JOIN tariffs t ON t.tenant = k.tenant AND t.id = k.id",
};

pub(super) async fn of_facts(tx: &mut Tx, told: &[Told]) -> Result<BTreeMap<Place, Known>, StoreError> {
    let wanted: BTreeSet<Place> = told.iter().map(|one| (one.tenant.clone(), one.station.clone())).collect();
    let keys = wanted.iter().map(|(tenant, station)| params![tenant, station]).collect();
    let mut places = BTreeMap::new();
    for row in tx.run(Statement::each(&STATIONS, keys)).await? {
        let known = Known {
            location_id: row.named_or_null("location_id")?,
            tariff_id: row.named_or_null("tariff_id")?,
        };
        places.insert((row.named("tenant")?, row.named("id")?), known);
    }
    Ok(places)
}

/// The tariff of each place: the station's, else the default. A station whose tariff is not there charges for free.
pub(super) async fn tariffs(
    tx: &mut Tx,
    wanted: BTreeSet<Place>,
    places: &BTreeMap<Place, Known>,
    default: Option<&TariffId>,
) -> Result<BTreeMap<Place, Tariff>, StoreError> {
    let named: Vec<_> = wanted
        .into_iter()
        .filter_map(|place| {
            let own = places.get(&place).and_then(|known| known.tariff_id.as_ref());
            own.or(default).cloned().map(|tariff| (place, tariff))
        })
        .collect();
    let ids: BTreeSet<(&TenantId, &str)> = named.iter().map(|(place, id)| (&place.0, id.as_str())).collect();
    let keys = ids.into_iter().map(|(tenant, id)| params![tenant, id]).collect();
    let mut found = BTreeMap::new();
    for row in tx.run(Statement::each(&TARIFFS, keys)).await? {
        let tariff: Tariff = row.json("document")?;
        found.insert((tariff.tenant.clone(), tariff.id.as_str().to_owned()), tariff);
    }
    let tariff = |(place, id): (Place, TariffId)| {
        let tariff = found.get(&(place.0.clone(), id.as_str().to_owned()))?.clone();
        Some((place, tariff))
    };
    Ok(named.into_iter().filter_map(tariff).collect())
}
