//! What buildings took at most in each of their last hours: what counts for a meter that is silent after a restart.

use std::collections::BTreeMap;

use ringmain_domain::id::{LocationId, TenantId};
use ringmain_domain::load::highs::{Highs, over_at};
use ringmain_domain::unit::Milliamps;

use crate::engine::param::params;
use crate::engine::row::Row;
use crate::engine::{Statement, Texts};
use crate::locations::keep_all_beside;
use crate::store::{Store, StoreError};

/// What is there is never lowered, in whatever order writers come.
static RAISE: Texts = Texts {
    one: "INSERT INTO building_loads (tenant, location_id, circuit, hour, l1_ma, l2_ma, l3_ma) \
          VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (tenant, location_id, circuit, hour) DO UPDATE SET \
          l1_ma = max(excluded.l1_ma, building_loads.l1_ma), l2_ma = max(excluded.l2_ma, building_loads.l2_ma), \
          l3_ma = max(excluded.l3_ma, building_loads.l3_ma)",
    all: "INSERT INTO building_loads (tenant, location_id, circuit, hour, l1_ma, l2_ma, l3_ma) SELECT * FROM \
          unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[]) \
          ON CONFLICT (tenant, location_id, circuit, hour) DO UPDATE SET \
          l1_ma = greatest(excluded.l1_ma, building_loads.l1_ma), l2_ma = greatest(excluded.l2_ma, building_loads.l2_ma), \
          l3_ma = greatest(excluded.l3_ma, building_loads.l3_ma)",
};

static FORGET: Texts = Texts {
    one: "DELETE FROM building_loads WHERE tenant = $1 AND location_id = $2 AND circuit = $3 AND hour <= $4",
    all: "DELETE FROM building_loads b USING unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) \
          AS k(tenant, location_id, circuit, hour) WHERE b.tenant = k.tenant AND b.location_id = k.location_id \
          AND b.circuit = k.circuit AND b.hour <= k.hour",
};

impl Store {
    /// What the buildings of a location took at most: for each circuit at least the 24 hours up to the newest that is known of it.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn building_loads(
        &self,
        tenant: &TenantId,
        location: &LocationId,
    ) -> Result<Highs, StoreError> {
        let sql = "SELECT circuit, hour, l1_ma, l2_ma, l3_ma FROM building_loads WHERE tenant = $1 AND location_id = $2";
        let rows = self.engine().rows(sql, params![tenant, location]).await?;
        let mut highs = Highs::default();
        for row in &rows {
            highs.add(row.named("circuit")?, row.at("hour")?, lines(row)?);
        }
        Ok(highs)
    }

    /// Remembers highs beside those that are there, the larger on each line, and forgets those of the same circuits that are 24 hours older
    /// than the newest of these; `false`: there is no such location, and nothing is kept.
    ///
    /// # Errors
    /// As [`StoreError`] says. Nothing goes wrong where the same is written again.
    pub async fn raise_building_loads(
        &self,
        tenant: &TenantId,
        location: &LocationId,
        highs: &Highs,
    ) -> Result<bool, StoreError> {
        let raised = highs.iter().map(|(circuit, hour, [l1, l2, l3])| {
            params![tenant, location, circuit.as_str(), hour, l1.0, l2.0, l3.0]
        });
        let newest: BTreeMap<_, _> = highs.iter().map(|(circuit, hour, _)| (circuit, hour)).collect();
        let over =
            newest.iter().map(|(circuit, hour)| params![tenant, location, circuit.as_str(), over_at(*hour)]);
        let rows = vec![Statement::each(&RAISE, raised.collect()), Statement::each(&FORGET, over.collect())];
        let id = params![tenant, location];
        self.engine().write(move |tx| Box::pin(keep_all_beside(tx, id, rows))).await
    }
}

fn lines(row: &Row) -> Result<[Milliamps; 3], StoreError> {
    Ok([Milliamps(row.int("l1_ma")?), Milliamps(row.int("l2_ma")?), Milliamps(row.int("l3_ma")?)])
}
