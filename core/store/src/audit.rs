//! Who did what: added to, read, never changed.

use ringmain_domain::id::TenantId;
use ringmain_domain::time::Timestamp;
use uuid::Uuid;

use crate::engine::param::params;
use crate::engine::row::Row;
use crate::engine::select::Select;
use crate::page::{Page, PageRequest};
use crate::store::{Store, StoreError};

/// Something somebody did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// Its id; the same id twice is the same event.
    pub id: Uuid,
    /// Whose.
    pub tenant: TenantId,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Box<str>,
    /// What.
    pub action: Box<str>,
    /// To what.
    pub subject: Box<str>,
    /// More about it, as JSON text; kept as it is.
    pub detail: String,
}

impl Store {
    /// Adds an event. A repeat of its id changes nothing.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn audit(&self, event: &AuditEvent) -> Result<(), StoreError> {
        let sql = "INSERT INTO audit_events (tenant, id, at, actor, action, subject, detail) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING";
        let params = params![
            &event.tenant,
            event.id,
            event.at,
            &*event.actor,
            &*event.action,
            &*event.subject,
            &*event.detail,
        ];
        self.engine().change(sql, params).await.map(drop)
    }

    /// A tenant's events, the newest first.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn audits(
        &self,
        tenant: &TenantId,
        page: &PageRequest,
    ) -> Result<Page<AuditEvent>, StoreError> {
        self.audit_page(audits(tenant), page).await
    }

    /// What was done to one thing, the newest first.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn audits_of(
        &self,
        tenant: &TenantId,
        subject: &str,
        page: &PageRequest,
    ) -> Result<Page<AuditEvent>, StoreError> {
        self.audit_page(audits(tenant).filter("subject = ?", params![subject]), page).await
    }

    async fn audit_page(
        &self,
        mut select: Select,
        page: &PageRequest,
    ) -> Result<Page<AuditEvent>, StoreError> {
        if let Some((at, id)) = page.key::<(i64, Uuid)>()? {
            select = select.filter("(at, id) < (?, ?)", params![at, id]);
        }
        let select = select.tail("ORDER BY at DESC, id DESC LIMIT ?", params![page.probe()]);
        let rows = self.engine().read(vec![select]).await?.pop().unwrap_or_default();
        page.page(&rows, event, |row| Ok((row.int("at")?, row.uuid("id")?)))
    }
}

fn audits(tenant: &TenantId) -> Select {
    Select::new("SELECT tenant, id, at, actor, action, subject, detail FROM audit_events")
        .filter("tenant = ?", params![tenant])
}

fn event(row: &Row) -> Result<AuditEvent, StoreError> {
    Ok(AuditEvent {
        id: row.uuid("id")?,
        tenant: row.named("tenant")?,
        at: row.at("at")?,
        actor: row.text("actor")?.into(),
        action: row.text("action")?.into(),
        subject: row.text("subject")?.into(),
        detail: row.text("detail")?.to_owned(),
    })
}
