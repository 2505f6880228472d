//! Answers kept under the key a client gave its request, so that a repeated request is answered and not carried out again.

use ringmain_domain::id::TenantId;
use ringmain_domain::time::Timestamp;

use crate::engine::param::params;
use crate::engine::row::Row;
use crate::store::{Store, StoreError};

/// What is kept under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotentAnswer {
    /// A hash of the request: another request under the same key is a mistake of the client.
    pub request_hash: Vec<u8>,
    /// The HTTP status of the answer; 0 while the first request is still being carried out.
    pub status: u16,
    /// The answer's body; empty until then.
    pub body: String,
    /// When the key was claimed.
    pub created_at: Timestamp,
}

impl Store {
    /// What is kept under a key, if it was claimed.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn find_idempotent(
        &self,
        tenant: &TenantId,
        key: &str,
    ) -> Result<Option<IdempotentAnswer>, StoreError> {
        let sql = "SELECT request_hash, status, body, created_at FROM idempotent_answers \
             WHERE tenant = $1 AND key = $2";
        self.engine().rows(sql, params![tenant, key]).await?.first().map(answer).transpose()
    }

    /// Claims a key of at most 255 characters; `false`: it is claimed already, see [`Store::find_idempotent`].
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn claim_idempotent(
        &self,
        tenant: &TenantId,
        key: &str,
        request_hash: &[u8],
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let sql = "INSERT INTO idempotent_answers (tenant, key, request_hash, status, body, created_at) \
             VALUES ($1, $2, $3, 0, '', $4) ON CONFLICT DO NOTHING RETURNING key";
        Ok(!self.engine().change(sql, params![tenant, key, request_hash, now]).await?.is_empty())
    }

    /// Keeps the answer under a claimed key. The first answer counts; without a claim nothing happens.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn finish_idempotent(
        &self,
        tenant: &TenantId,
        key: &str,
        status: u16,
        body: &str,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE idempotent_answers SET status = $3, body = $4 \
             WHERE tenant = $1 AND key = $2 AND (status = 0 OR status >= 500)";
        self.engine().change(sql, params![tenant, key, u32::from(status), body]).await.map(drop)
    }

    /// Forgets keys claimed before an instant; how many.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn trim_idempotent(&self, before: Timestamp) -> Result<u64, StoreError> {
        let sql = "DELETE FROM idempotent_answers WHERE created_at < $1 RETURNING key";
        let gone = self.engine().change_across(sql, params![before]).await?;
        Ok(u64::try_from(gone.len()).unwrap_or(u64::MAX))
    }
}

fn answer(row: &Row) -> Result<IdempotentAnswer, StoreError> {
    Ok(IdempotentAnswer {
        request_hash: row.bytes("request_hash")?,
        status: row.number("status")?,
        body: row.text("body")?.to_owned(),
        created_at: row.at("created_at")?,
    })
}
