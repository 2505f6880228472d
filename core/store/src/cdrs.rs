//! Bill records: frozen when `append` makes them, read here, never changed.

use ringmain_domain::cdr::{Cdr, CdrKind};
use ringmain_domain::id::{CdrId, LocationId, SessionId, StationId, TenantId, TokenUid};
use ringmain_domain::time::Timestamp;
use uuid::Uuid;

use crate::engine::param::params;
use crate::engine::select::Select;
use crate::page::{Page, PageRequest};
use crate::store::{Store, StoreError};
use crate::tokens::upper;

/// Which bill records; everything that is set must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CdrFilter {
    /// Of this station.
    pub station: Option<StationId>,
    /// Of this location: where the station stood when the session was first known.
    pub location_id: Option<LocationId>,
    /// Of this token, in any case.
    pub token: Option<TokenUid>,
    /// Made (`created_at`) then or later.
    pub from: Option<Timestamp>,
    /// Made before that.
    pub to: Option<Timestamp>,
    /// Only first bills, only credits, or only what took a bill's place. The revision tells: [`Cdr::kind`] says why.
    pub kind: Option<CdrKind>,
}

/// The most records of one session that are read; each correction makes two.
const MAX_REVISIONS: u32 = 1_000;

impl Store {
    /// The bill record, if there is one.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn cdr(&self, tenant: &TenantId, id: CdrId) -> Result<Option<Cdr>, StoreError> {
        let sql = "SELECT document FROM cdrs WHERE tenant = $1 AND id = $2";
        let rows = self.engine().rows(sql, params![tenant, id]).await?;
        rows.first().map(|row| row.json("document")).transpose()
    }

    /// The bill record of a session: the one of the highest revision, if there is one.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn cdr_of(&self, tenant: &TenantId, session: SessionId) -> Result<Option<Cdr>, StoreError> {
        let sql =
            "SELECT document FROM cdrs WHERE tenant = $1 AND session_id = $2 ORDER BY revision DESC LIMIT 1";
        let rows = self.engine().rows(sql, params![tenant, session]).await?;
        rows.first().map(|row| row.json("document")).transpose()
    }

    /// All bill records of a session in the order of their revisions: the bill, its credit, the bill that takes its place, and so on.
    /// At most 1,000.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn cdrs_of(&self, tenant: &TenantId, session: SessionId) -> Result<Vec<Cdr>, StoreError> {
        let sql =
            "SELECT document FROM cdrs WHERE tenant = $1 AND session_id = $2 ORDER BY revision LIMIT $3";
        let rows = self.engine().rows(sql, params![tenant, session, MAX_REVISIONS]).await?;
        rows.iter().map(|row| row.json("document")).collect()
    }

    /// A tenant's bill records, the one made last first.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn cdrs(
        &self,
        tenant: &TenantId,
        filter: &CdrFilter,
        page: &PageRequest,
    ) -> Result<Page<Cdr>, StoreError> {
        let mut select = Select::new("SELECT id, created_at, document FROM cdrs")
            .filter("tenant = ?", params![tenant])
            .filter_some("station = ?", filter.station.as_ref())
            .filter_some("location_id = ?", filter.location_id.as_ref())
            .filter_some("token_uid = ?", filter.token.as_ref().map(upper))
            .filter_some("created_at >= ?", filter.from)
            .filter_some("created_at < ?", filter.to);
        if let Some(kind) = filter.kind {
            select = select.filter(
                match kind {
                    CdrKind::Bill => "revision = 0",
                    CdrKind::Credit => "revision % 2 = 1",
                    CdrKind::Correction => "revision > 0 AND revision % 2 = 0",
                },
                params![],
            );
        }
        if let Some((created_at, id)) = page.key::<(i64, Uuid)>()? {
            select = select.filter("(created_at, id) < (?, ?)", params![created_at, id]);
        }
        let select = select.tail("ORDER BY created_at DESC, id DESC LIMIT ?", params![page.probe()]);
        let rows = self.engine().read(vec![select]).await?.pop().unwrap_or_default();
        page.page(&rows, |row| row.json("document"), |row| Ok((row.int("created_at")?, row.uuid("id")?)))
    }
}
