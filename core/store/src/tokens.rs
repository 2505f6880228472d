//! Tokens: plain records under their uid, which is kept and found in ASCII upper case.

use ringmain_domain::id::{TenantId, TokenUid};
use ringmain_domain::token::Token;

use crate::engine::param::{Param, params};
use crate::engine::select::Select;
use crate::page::{Page, PageRequest};
use crate::store::{Store, StoreError};

impl Store {
    /// The token, if there is one.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn token(&self, tenant: &TenantId, uid: &TokenUid) -> Result<Option<Token>, StoreError> {
        let sql = "SELECT document FROM tokens WHERE tenant = $1 AND uid = $2";
        let rows = self.engine().rows(sql, params![tenant, upper(uid)]).await?;
        rows.first().map(|row| row.json("document")).transpose()
    }

    /// Makes the token or replaces it.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn put_token(&self, token: &Token) -> Result<(), StoreError> {
        let sql = "INSERT INTO tokens (tenant, uid, updated_at, document) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (tenant, uid) DO UPDATE SET updated_at = excluded.updated_at, document = excluded.document";
        let uid = upper(&token.uid);
        let stored = Token { uid: token_uid(&uid)?, ..token.clone() };
        let params = vec![
            Param::from(&token.tenant),
            Param::from(uid),
            Param::from(token.updated_at),
            Param::json(&stored)?,
        ];
        self.engine().change(sql, params).await.map(drop)
    }

    /// Removes the token; `false`: there was none.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn delete_token(&self, tenant: &TenantId, uid: &TokenUid) -> Result<bool, StoreError> {
        let sql = "DELETE FROM tokens WHERE tenant = $1 AND uid = $2 RETURNING uid";
        Ok(!self.engine().change(sql, params![tenant, upper(uid)]).await?.is_empty())
    }

    /// A tenant's tokens by uid.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn tokens(&self, tenant: &TenantId, page: &PageRequest) -> Result<Page<Token>, StoreError> {
        let select = Select::new("SELECT uid, document FROM tokens")
            .filter("tenant = ?", params![tenant])
            .filter_some("uid > ?", page.key::<String>()?)
            .tail("ORDER BY uid LIMIT ?", params![page.probe()]);
        let rows = self.engine().read(vec![select]).await?.pop().unwrap_or_default();
        page.page(&rows, |row| row.json("document"), |row| row.text("uid").map(str::to_owned))
    }
}

/// The form under which a token is kept and looked up.
pub(crate) fn upper(uid: &TokenUid) -> String {
    uid.as_str().to_ascii_uppercase()
}

pub(crate) fn token_uid(upper: &str) -> Result<TokenUid, StoreError> {
    TokenUid::new(upper).map_err(|error| StoreError::corrupt(error.to_string()))
}
