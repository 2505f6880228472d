//! Public keys of meters, under the meter's serial number: what the operator knows of who may sign readings.

use ringmain_domain::id::TenantId;
use ringmain_domain::meter::MeterKeyRecord;

use crate::engine::param::{Param, params};
use crate::engine::select::Select;
use crate::engine::{Statement, Texts};
use crate::page::{Page, PageRequest};
use crate::store::{Store, StoreError};

/// Keys of several meters, by their primary key.
static KEYS: Texts = Texts {
    one: "SELECT document FROM meter_keys WHERE tenant = $1 AND serial = $2",
    all: "SELECT m.document FROM unnest($1::text[], $2::text[]) AS k(tenant, serial) \
          JOIN meter_keys m ON m.tenant = k.tenant AND m.serial = k.serial",
};

impl Store {
    /// The key of a meter, if there is one.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn meter_key(
        &self,
        tenant: &TenantId,
        serial: &str,
    ) -> Result<Option<MeterKeyRecord>, StoreError> {
        let sql = "SELECT document FROM meter_keys WHERE tenant = $1 AND serial = $2";
        let rows = self.engine().rows(sql, params![tenant, serial]).await?;
        rows.first().map(|row| row.json("document")).transpose()
    }

    /// The keys of several meters, in no order; one without a key is left out. Name each meter once.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn meter_keys_of(
        &self,
        tenant: &TenantId,
        serials: impl IntoIterator<Item = &str>,
    ) -> Result<Vec<MeterKeyRecord>, StoreError> {
        let keys: Vec<_> = serials.into_iter().map(|serial| params![tenant, serial]).collect();
        let rows = self.engine().read(vec![Statement::each(&KEYS, keys)]).await?;
        rows.iter().flatten().map(|row| row.json("document")).collect()
    }

    /// Makes the key or replaces it; values that are stored already keep their verdict.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn put_meter_key(&self, key: &MeterKeyRecord) -> Result<(), StoreError> {
        let sql = "INSERT INTO meter_keys (tenant, serial, updated_at, document) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (tenant, serial) DO UPDATE SET updated_at = excluded.updated_at, document = excluded.document";
        let mut row = params![&key.tenant, &*key.serial, key.updated_at];
        row.push(Param::json(key)?);
        self.engine().change(sql, row).await.map(drop)
    }

    /// Removes the key; `false`: there was none.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn delete_meter_key(&self, tenant: &TenantId, serial: &str) -> Result<bool, StoreError> {
        let sql = "DELETE FROM meter_keys WHERE tenant = $1 AND serial = $2 RETURNING serial";
        Ok(!self.engine().change(sql, params![tenant, serial]).await?.is_empty())
    }

    /// A tenant's keys by the meters' serial numbers.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn meter_keys(
        &self,
        tenant: &TenantId,
        page: &PageRequest,
    ) -> Result<Page<MeterKeyRecord>, StoreError> {
        let select = Select::new("SELECT serial, document FROM meter_keys")
            .filter("tenant = ?", params![tenant])
            .filter_some("serial > ?", page.key::<String>()?)
            .tail("ORDER BY serial LIMIT ?", params![page.probe()]);
        let rows = self.engine().read(vec![select]).await?.pop().unwrap_or_default();
        page.page(&rows, |row| row.json("document"), |row| row.text("serial").map(str::to_owned))
    }
}
