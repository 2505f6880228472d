//! API keys: only a hash of each is known here.

use ringmain_domain::access::AccessRole;
use ringmain_domain::id::TenantId;
use ringmain_domain::time::Timestamp;
use uuid::Uuid;

use crate::engine::param::params;
use crate::engine::row::Row;
use crate::page::MAX_LIMIT;
use crate::store::{Store, StoreError};

/// An API key, hashed at rest.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id, unique in the installation.
    pub id: Uuid,
    /// Whose.
    pub tenant: TenantId,
    /// A name for people.
    pub name: Box<str>,
    /// What it may do.
    pub role: AccessRole,
    /// SHA-256 of a random token.
    pub hash: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it counts no more.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiKey").field("id", &self.id).field("role", &self.role).finish_non_exhaustive()
    }
}

impl Store {
    /// Keeps a new key; `false`: its id or hash is there already, in this tenant or another.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn insert_api_key(&self, key: &ApiKey) -> Result<bool, StoreError> {
        let sql = "INSERT INTO api_keys (tenant, id, name, role, hash, created_at, expires_at, revoked_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING RETURNING id";
        let params = params![
            &key.tenant,
            key.id,
            &*key.name,
            key.role.as_str(),
            key.hash.as_slice(),
            key.created_at,
            key.expires_at,
            key.revoked_at,
        ];
        Ok(!self.engine().change(sql, params).await?.is_empty())
    }

    /// The key with this hash, over all tenants, also when it has expired or is revoked: the caller decides.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn api_key_by_hash(&self, hash: &[u8]) -> Result<Option<ApiKey>, StoreError> {
        let sql = "SELECT tenant, id, name, role, hash, created_at, expires_at, revoked_at FROM api_keys \
             WHERE hash = $1";
        self.engine().rows_across(sql, params![hash]).await?.first().map(key).transpose()
    }

    /// A tenant's keys, the oldest first, at most [`MAX_LIMIT`].
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn api_keys(&self, tenant: &TenantId) -> Result<Vec<ApiKey>, StoreError> {
        let sql = "SELECT tenant, id, name, role, hash, created_at, expires_at, revoked_at FROM api_keys \
             WHERE tenant = $1 ORDER BY created_at, id LIMIT $2";
        self.engine().rows(sql, params![tenant, MAX_LIMIT]).await?.iter().map(key).collect()
    }

    /// Revokes a key; `false`: there is none, or it was revoked before.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn revoke_api_key(
        &self,
        tenant: &TenantId,
        id: Uuid,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE api_keys SET revoked_at = $3 WHERE tenant = $1 AND id = $2 AND revoked_at IS NULL \
             RETURNING id";
        Ok(!self.engine().change(sql, params![tenant, id, now]).await?.is_empty())
    }

    /// Is there any key in the installation? Without one, somebody must be let in for the first time.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn any_api_key(&self) -> Result<bool, StoreError> {
        Ok(!self.engine().rows_across("SELECT id FROM api_keys LIMIT 1", Vec::new()).await?.is_empty())
    }
}

fn key(row: &Row) -> Result<ApiKey, StoreError> {
    Ok(ApiKey {
        id: row.uuid("id")?,
        tenant: row.named("tenant")?,
        name: row.text("name")?.into(),
        role: row.named("role")?,
        hash: row.bytes("hash")?,
        created_at: row.at("created_at")?,
        expires_at: row.at_or_null("expires_at")?,
        revoked_at: row.at_or_null("revoked_at")?,
    })
}
