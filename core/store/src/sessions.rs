//! Sessions: written by `append` alone, read here.

use ringmain_domain::id::{LocationId, SessionId, StationId, TenantId, TokenUid};
use ringmain_domain::session::{Session, SessionStatus};
use ringmain_domain::time::Timestamp;
use uuid::Uuid;

use crate::engine::param::params;
use crate::engine::select::Select;
use crate::page::{Page, PageRequest};
use crate::store::{Store, StoreError};
use crate::tokens::upper;

/// Which sessions; everything that is set must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SessionFilter {
    /// At this station.
    pub station: Option<StationId>,
    /// At this location: where the station stood when the session was first known.
    pub location_id: Option<LocationId>,
    /// In this status.
    pub status: Option<SessionStatus>,
    /// Of this token, in any case.
    pub token: Option<TokenUid>,
    /// Started then or later.
    pub from: Option<Timestamp>,
    /// Started before that.
    pub to: Option<Timestamp>,
}

impl Store {
    /// The session, if there is one.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn session(&self, tenant: &TenantId, id: SessionId) -> Result<Option<Session>, StoreError> {
        let sql = "SELECT document FROM sessions WHERE tenant = $1 AND id = $2";
        let rows = self.engine().rows(sql, params![tenant, id]).await?;
        rows.first().map(|row| row.json("document")).transpose()
    }

    /// A tenant's sessions, the one that started last first.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn sessions(
        &self,
        tenant: &TenantId,
        filter: &SessionFilter,
        page: &PageRequest,
    ) -> Result<Page<Session>, StoreError> {
        let mut select = Select::new("SELECT id, started_at, document FROM sessions")
            .filter("tenant = ?", params![tenant])
            .filter_some("station = ?", filter.station.as_ref())
            .filter_some("location_id = ?", filter.location_id.as_ref())
            .filter_some("status = ?", filter.status.map(SessionStatus::as_str))
            .filter_some("token_uid = ?", filter.token.as_ref().map(upper))
            .filter_some("started_at >= ?", filter.from)
            .filter_some("started_at < ?", filter.to);
        if let Some((started_at, id)) = page.key::<(i64, Uuid)>()? {
            select = select.filter("(started_at, id) < (?, ?)", params![started_at, id]);
        }
        let select = select.tail("ORDER BY started_at DESC, id DESC LIMIT ?", params![page.probe()]);
        let rows = self.engine().read(vec![select]).await?.pop().unwrap_or_default();
        page.page(&rows, |row| row.json("document"), |row| Ok((row.int("started_at")?, row.uuid("id")?)))
    }

    /// A tenant's sessions that wait for a person, the one that started first first.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn sessions_under_review(
        &self,
        tenant: &TenantId,
        page: &PageRequest,
    ) -> Result<Page<Session>, StoreError> {
        let mut select = Select::new("SELECT id, started_at, document FROM sessions")
            .filter("tenant = ? AND status = 'under_review'", params![tenant]);
        if let Some((started_at, id)) = page.key::<(i64, Uuid)>()? {
            select = select.filter("(started_at, id) > (?, ?)", params![started_at, id]);
        }
        let select = select.tail("ORDER BY started_at, id LIMIT ?", params![page.probe()]);
        let rows = self.engine().read(vec![select]).await?.pop().unwrap_or_default();
        page.page(&rows, |row| row.json("document"), |row| Ok((row.int("started_at")?, row.uuid("id")?)))
    }

    /// How many sessions wait for a person; counted up to `most`, so that it costs as little as a page.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn count_under_review(&self, tenant: &TenantId, most: u32) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) AS n FROM (SELECT 1 AS one FROM sessions \
             WHERE tenant = $1 AND status = 'under_review' LIMIT $2) AS waiting";
        let rows = self.engine().rows(sql, params![tenant, most]).await?;
        rows.first().map_or(Ok(0), |row| row.number("n"))
    }
}
