//! What operators decided about the sharing of a location's load: one document for each, replaced as a whole.

use ringmain_domain::id::{LocationId, TenantId};
use ringmain_domain::load::settings::SiteSettings;
use ringmain_domain::time::Timestamp;

use crate::engine::Statement;
use crate::engine::param::{Param, params};
use crate::locations::keep_beside;
use crate::store::{Store, StoreError};

impl Store {
    /// The settings of a location; `None`: nobody decided anything.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn site_settings(
        &self,
        tenant: &TenantId,
        location: &LocationId,
    ) -> Result<Option<SiteSettings>, StoreError> {
        let sql = "SELECT document FROM site_settings WHERE tenant = $1 AND location_id = $2";
        let rows = self.engine().rows(sql, params![tenant, location]).await?;
        rows.first().map(|row| row.json("document")).transpose()
    }

    /// Keeps settings in the place of those before; `false`: there is no such location, and nothing is kept.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn put_site_settings(
        &self,
        tenant: &TenantId,
        location: &LocationId,
        settings: &SiteSettings,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let sql = "INSERT INTO site_settings (tenant, location_id, updated_at, document) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (tenant, location_id) DO UPDATE SET updated_at = excluded.updated_at, document = excluded.document";
        let mut row = params![tenant, location, now];
        row.push(Param::json(settings)?);
        let (id, put) = (params![tenant, location], Statement::once(sql, row));
        self.engine().write(move |tx| Box::pin(keep_beside(tx, id, put))).await
    }
}
