//! Token groups: plain records under their id, which is kept and found in ASCII upper case.

use ringmain_domain::id::{TenantId, TokenUid};
use ringmain_domain::token::TokenGroup;

use crate::engine::param::{Param, params};
use crate::engine::select::Select;
use crate::page::{Page, PageRequest};
use crate::store::{Store, StoreError};
use crate::tokens::{token_uid, upper};

impl Store {
    /// The group's record, if there is one.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn token_group(
        &self,
        tenant: &TenantId,
        id: &TokenUid,
    ) -> Result<Option<TokenGroup>, StoreError> {
        let sql = "SELECT document FROM token_groups WHERE tenant = $1 AND id = $2";
        let rows = self.engine().rows(sql, params![tenant, upper(id)]).await?;
        rows.first().map(|row| row.json("document")).transpose()
    }

    /// Makes the group's record or replaces it.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn put_token_group(&self, group: &TokenGroup) -> Result<(), StoreError> {
        let sql = "INSERT INTO token_groups (tenant, id, updated_at, document) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (tenant, id) DO UPDATE SET updated_at = excluded.updated_at, document = excluded.document";
        let id = upper(&group.id);
        let stored = TokenGroup { id: token_uid(&id)?, ..group.clone() };
        let params = vec![
            Param::from(&group.tenant),
            Param::from(id),
            Param::from(group.updated_at),
            Param::json(&stored)?,
        ];
        self.engine().change(sql, params).await.map(drop)
    }

    /// Removes the group's record; `false`: there was none.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] while tokens name it: they would charge as if it had never been blocked. Else as [`StoreError`] says.
    pub async fn delete_token_group(&self, tenant: &TenantId, id: &TokenUid) -> Result<bool, StoreError> {
        let sql = "DELETE FROM token_groups WHERE tenant = $1 AND id = $2 AND NOT EXISTS \
             (SELECT 1 FROM tokens WHERE tokens.tenant = $1 AND tokens.group_id = $2) RETURNING id";
        if !self.engine().change(sql, params![tenant, upper(id)]).await?.is_empty() {
            return Ok(true);
        }
        match self.token_group(tenant, id).await? {
            Some(_) => Err(StoreError::conflict(format!("tokens belong to group {id}"))),
            None => Ok(false),
        }
    }

    /// A tenant's groups by id.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn token_groups(
        &self,
        tenant: &TenantId,
        page: &PageRequest,
    ) -> Result<Page<TokenGroup>, StoreError> {
        let select = Select::new("SELECT id, document FROM token_groups")
            .filter("tenant = ?", params![tenant])
            .filter_some("id > ?", page.key::<String>()?)
            .tail("ORDER BY id LIMIT ?", params![page.probe()]);
        let rows = self.engine().read(vec![select]).await?.pop().unwrap_or_default();
        page.page(&rows, |row| row.json("document"), |row| row.text("id").map(str::to_owned))
    }
}
