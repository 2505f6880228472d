//! Local authorization lists: what each station was sent, and which stations are behind.

use ringmain_domain::id::{StationId, TenantId};
use ringmain_domain::local_list::Sent;
use ringmain_domain::time::Timestamp;

use crate::engine::param::{Param, params};
use crate::store::{Store, StoreError};

/// What a station was sent of its local authorization list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalList {
    /// Whose station.
    pub tenant: TenantId,
    /// Which station.
    pub station: StationId,
    /// The version it has; 0: none was ever sent.
    pub version: i32,
    /// False while a message may have been lost: the next update must be a full one.
    pub certain: bool,
    /// [`Store::access_revision`] when the list was made.
    pub revision: Option<Box<str>>,
    /// Not tried again by itself before then.
    pub due_at: Timestamp,
    /// What it was sent, by token.
    pub entries: Sent,
    /// When this was last changed.
    pub updated_at: Timestamp,
}

/// Everything that decides who may charge, in one text: it differs when one of them was added, changed or removed.
const REVISION: &str = "SELECT (SELECT count(*) FROM tokens WHERE tenant = $1) AS tokens, \
     (SELECT coalesce(max(updated_at), 0) FROM tokens WHERE tenant = $1) AS tokens_at, \
     (SELECT count(*) FROM token_groups WHERE tenant = $1) AS groups_n, \
     (SELECT coalesce(max(updated_at), 0) FROM token_groups WHERE tenant = $1) AS groups_at, \
     (SELECT count(*) FROM location_access WHERE tenant = $1) AS access_n, \
     (SELECT coalesce(max(updated_at), 0) FROM location_access WHERE tenant = $1) AS access_at";

const DUE: &str = "SELECT s.id FROM stations s LEFT JOIN local_lists l ON l.tenant = s.tenant AND l.station = s.id \
     WHERE s.tenant = $1 AND s.local_list_enabled AND s.online AND s.booted_at IS NOT NULL AND s.registration = 'accepted' \
     AND coalesce(l.revision, '') <> $2 \
     AND coalesce(l.due_at, 0) <= $3 ORDER BY s.id LIMIT $4";

impl Store {
    /// What the station was sent, if anything was.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn local_list(
        &self,
        tenant: &TenantId,
        station: &StationId,
    ) -> Result<Option<LocalList>, StoreError> {
        let sql = "SELECT version, certain, revision, due_at, updated_at, document FROM local_lists \
             WHERE tenant = $1 AND station = $2";
        let rows = self.engine().rows(sql, params![tenant, station]).await?;
        let list = rows.first().map(|row| {
            Ok(LocalList {
                tenant: tenant.clone(),
                station: station.clone(),
                version: row.number("version")?,
                certain: row.boolean("certain")?,
                revision: row.words("revision")?,
                due_at: row.at("due_at")?,
                entries: row.json("document")?,
                updated_at: row.at("updated_at")?,
            })
        });
        list.transpose()
    }

    /// Keeps what the station was sent.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn put_local_list(&self, list: &LocalList) -> Result<(), StoreError> {
        let sql = "INSERT INTO local_lists (tenant, station, version, certain, revision, due_at, updated_at, document) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (tenant, station) DO UPDATE SET \
             version = excluded.version, certain = excluded.certain, revision = excluded.revision, \
             due_at = excluded.due_at, updated_at = excluded.updated_at, document = excluded.document";
        let mut params = params![
            &list.tenant,
            &list.station,
            i64::from(list.version),
            list.certain,
            list.revision.as_deref(),
            list.due_at,
            list.updated_at,
        ];
        params.push(Param::json(&list.entries)?);
        self.engine().change(sql, params).await.map(drop)
    }

    /// A text that changes whenever a token, a group or a location's rule does.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn access_revision(&self, tenant: &TenantId) -> Result<Box<str>, StoreError> {
        let rows = self.engine().rows(REVISION, params![tenant]).await?;
        let row = rows.first().ok_or_else(|| StoreError::corrupt("a count has no row"))?;
        let mut parts = Vec::new();
        for column in ["tokens", "tokens_at", "groups_n", "groups_at", "access_n", "access_at"] {
            parts.push(row.int(column)?.to_string());
        }
        Ok(parts.join(".").into())
    }

    /// Is any station's list to be kept up to date by itself?
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn wants_local_lists(&self, tenant: &TenantId) -> Result<bool, StoreError> {
        let sql = "SELECT id FROM stations WHERE tenant = $1 AND local_list_enabled LIMIT 1";
        Ok(!self.engine().rows(sql, params![tenant]).await?.is_empty())
    }

    /// Connected stations, booted and accepted, that are to be kept up to date by themselves and were sent another revision, by identity. By
    /// `stations_with_local_list`.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn due_local_lists(
        &self,
        tenant: &TenantId,
        revision: &str,
        now: Timestamp,
        most: u32,
    ) -> Result<Vec<StationId>, StoreError> {
        let rows = self.engine().rows(DUE, params![tenant, revision, now, most]).await?;
        rows.iter().map(|row| row.named("id")).collect()
    }

    /// The values a station reported of the variables, or configuration keys, with one of these names.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn variable_values(
        &self,
        tenant: &TenantId,
        station: &StationId,
        names: [&str; 2],
    ) -> Result<Vec<(Box<str>, Box<str>)>, StoreError> {
        let sql = "SELECT component, value FROM variables WHERE tenant = $1 AND station = $2 AND name IN ($3, $4) \
             AND value IS NOT NULL ORDER BY component LIMIT 100";
        let [one, other] = names;
        let rows = self.engine().rows(sql, params![tenant, station, one, other]).await?;
        rows.iter().map(|row| Ok((row.text("component")?.into(), row.text("value")?.into()))).collect()
    }
}
