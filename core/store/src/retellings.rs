//! Places of which partners are told anew though nothing happened there: this release publishes EVSEs in another way than those before.
//! Tenants of which that is still to be done were written down by the change of the schema.

use ringmain_domain::id::TenantId;
use ringmain_domain::time::Timestamp;

use crate::engine::param::params;
use crate::engine::{Statement, Tx};
use crate::store::{Store, StoreError};

/// How many locations are written down in one commit.
const STEP: u32 = 200;

const BEHIND: &str = "SELECT location_id FROM retellings WHERE tenant = $1";
const NEXT: &str = "SELECT id FROM locations WHERE tenant = $1 AND id > $2 ORDER BY id LIMIT $3";

/// EVSEs that are described by the time others hear of it are not gone, and that is seen then.
const EVSES: &str = "INSERT INTO outbox (tenant, kind, subject, created_at, leased_until) \
     SELECT DISTINCT s.tenant, 'evse_removed', s.location_id || '/' || s.id || '/' || c.evse, CAST($4 AS BIGINT), 0 \
     FROM stations s JOIN connectors c ON c.tenant = s.tenant AND c.station = s.id \
     WHERE s.tenant = $1 AND s.location_id > $2 AND s.location_id <= $3 AND s.registration = 'accepted' \
     AND c.evse > 0 AND c.connector > 0 ORDER BY 3 \
     ON CONFLICT (tenant, kind, subject) DO UPDATE SET leased_until = 0";

/// A partner that asks what changed finds the location, and the trigger tells of it.
const LOCATIONS_POSTGRES: &str = "UPDATE locations SET updated_at = greatest(updated_at, $4), \
     document = jsonb_set(document, '{updated_at}', to_jsonb(greatest(updated_at, $4))) \
     WHERE tenant = $1 AND id > $2 AND id <= $3";
const LOCATIONS_SQLITE: &str = "UPDATE locations SET updated_at = max(updated_at, $4), \
     document = json_set(document, '$.updated_at', max(updated_at, $4)) WHERE tenant = $1 AND id > $2 AND id <= $3";

/// A release before may have passed over this kind of news.
const TARIFFS: &str = "INSERT INTO outbox (tenant, kind, subject, created_at, leased_until) \
     SELECT tenant, 'tariff_reach', id, CAST($2 AS BIGINT), 0 FROM tariffs WHERE tenant = $1 ORDER BY id \
     ON CONFLICT (tenant, kind, subject) DO UPDATE SET leased_until = 0";

impl Store {
    /// Writes the next locations down for partners, and what stands there; `true`: all is written down, tariffs too.
    ///
    /// # Errors
    /// As [`StoreError`] says; the next call goes on where this one ended.
    pub async fn retell_places(&self, tenant: &TenantId, now: Timestamp) -> Result<bool, StoreError> {
        if self.engine().rows(BEHIND, params![tenant]).await?.is_empty() {
            return Ok(true);
        }
        let locations = if self.engine().is_postgres() { LOCATIONS_POSTGRES } else { LOCATIONS_SQLITE };
        let tenant = tenant.clone();
        self.engine().write(move |tx| Box::pin(retell(tx, tenant, now, locations))).await
    }
}

async fn retell(
    tx: &mut Tx,
    tenant: TenantId,
    now: Timestamp,
    locations: &'static str,
) -> Result<bool, StoreError> {
    let behind = tx.run(Statement::once(BEHIND, params![&tenant])).await?;
    let Some(behind) = behind.first().map(|row| row.text("location_id")).transpose()? else {
        return Ok(true);
    };
    let next = tx.run(Statement::once(NEXT, params![&tenant, behind, STEP])).await?;
    let Some(last) = next.last().map(|row| row.text("id")).transpose()? else {
        tx.run(Statement::once(TARIFFS, params![&tenant, now])).await?;
        tx.run(Statement::once("DELETE FROM retellings WHERE tenant = $1", params![&tenant])).await?;
        return Ok(true);
    };
    tx.run(Statement::once(locations, params![&tenant, behind, last, now])).await?;
    tx.run(Statement::once(EVSES, params![&tenant, behind, last, now])).await?;
    let until = "UPDATE retellings SET location_id = $2 WHERE tenant = $1";
    tx.run(Statement::once(until, params![&tenant, last])).await?;
    Ok(false)
}
