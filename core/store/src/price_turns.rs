//! Prices that change because the hour has come: versions of tariffs and assignments begin and end, and nobody writes anything then.

use ringmain_domain::id::TenantId;
use ringmain_domain::time::Timestamp;

use crate::engine::param::params;
use crate::engine::{Statement, Tx};
use crate::store::{Store, StoreError};

/// Since when it must be looked; locked, so that of two who look one comes after the other.
const SINCE: &str = "INSERT INTO price_turns (tenant, told_until) VALUES ($1, $2) ON CONFLICT (tenant) \
     DO UPDATE SET told_until = price_turns.told_until RETURNING told_until";

/// Tells what turned behind one instant, up to another. A tenant has at most 2,000 assignments; versions are read by their tenant.
const TELL: &str = "WITH turned AS (SELECT a.tariff_id, a.station, a.location_id FROM tariff_assignments a \
     WHERE a.tenant = $1 AND a.token_group IS NULL AND (CAST(a.document ->> 'valid_from' AS BIGINT) > $2 \
     AND CAST(a.document ->> 'valid_from' AS BIGINT) <= $3 OR CAST(a.document ->> 'valid_until' AS BIGINT) > $2 \
     AND CAST(a.document ->> 'valid_until' AS BIGINT) <= $3)), \
     told AS (SELECT 'tariff' AS kind, v.id AS subject FROM tariff_versions v WHERE v.tenant = $1 \
     AND (v.valid_from > $2 AND v.valid_from <= $3 OR CAST(v.document ->> 'valid_until' AS BIGINT) > $2 \
     AND CAST(v.document ->> 'valid_until' AS BIGINT) <= $3) \
     UNION SELECT 'tariff_reach', tariff_id FROM turned UNION SELECT 'station', station FROM turned WHERE station IS NOT NULL \
     UNION SELECT 'location', l.id FROM turned a CROSS JOIN locations l WHERE l.tenant = $1 AND a.station IS NULL \
     AND (a.location_id IS NULL OR a.location_id = l.id)) \
     INSERT INTO outbox (tenant, kind, subject, created_at, leased_until) \
     SELECT CAST($1 AS TEXT), kind, subject, CAST($3 AS BIGINT), 0 FROM told WHERE TRUE ORDER BY kind, subject \
     ON CONFLICT (tenant, kind, subject) DO UPDATE SET leased_until = 0 RETURNING id";

impl Store {
    /// Writes down for others what begins or ends by the clock since this was last asked; how many objects. The first time that is none.
    ///
    /// # Errors
    /// As [`StoreError`] says; the next call makes good what this one missed.
    pub async fn tell_of_price_turns(&self, tenant: &TenantId, now: Timestamp) -> Result<usize, StoreError> {
        let tenant = tenant.clone();
        self.engine().write(move |tx| Box::pin(tell(tx, tenant, now))).await
    }
}

async fn tell(tx: &mut Tx, tenant: TenantId, now: Timestamp) -> Result<usize, StoreError> {
    let since = tx.run(Statement::once(SINCE, params![&tenant, now])).await?;
    let since = since.first().map_or(Ok(now), |row| row.at("told_until"))?;
    if since >= now {
        return Ok(0);
    }
    let told = tx.run(Statement::once(TELL, params![&tenant, since, now])).await?.len();
    let until = "UPDATE price_turns SET told_until = $2 WHERE tenant = $1";
    tx.run(Statement::once(until, params![&tenant, now])).await?;
    Ok(told)
}
