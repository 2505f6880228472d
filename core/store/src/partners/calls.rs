//! Calls from and to partners, for people who look for what went wrong. Never a token; bounded in number and age.

use ringmain_domain::id::TenantId;
use ringmain_domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::engine::param::{Param, params};
use crate::engine::select::Select;
use crate::engine::{Statement, Texts};
use crate::page::{Page, PageRequest};
use crate::store::{Store, StoreError};

/// A call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartnerCall {
    /// Whose partner.
    pub tenant: TenantId,
    /// Which.
    pub partner: Uuid,
    /// Rises with time.
    pub id: Uuid,
    /// When it began.
    pub at: Timestamp,
    /// The partner called.
    pub inbound: bool,
    /// What was said.
    pub said: Said,
}

/// What was said in a call.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Said {
    /// HTTP's word.
    pub method: Box<str>,
    /// Where.
    pub url: Box<str>,
    /// The message's own id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<Box<str>>,
    /// HTTP's status of the answer; `None`: there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<u16>,
    /// OCPI's status of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_code: Option<u16>,
    /// How long it took, in ms.
    pub took_ms: u32,
    /// The body, masked and cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Box<str>>,
    /// The answer's body, masked and cut; of none, why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<Box<str>>,
}

static INSERT: Texts = Texts {
    one: "INSERT INTO partner_calls (tenant, partner, id, at, inbound, document) VALUES ($1, $2, $3, $4, $5, $6)",
    all: "INSERT INTO partner_calls (tenant, partner, id, at, inbound, document) SELECT * FROM \
          unnest($1::text[], $2::uuid[], $3::uuid[], $4::bigint[], $5::boolean[], $6::jsonb[])",
};

impl Store {
    /// Keeps calls.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn insert_partner_calls(&self, calls: &[PartnerCall]) -> Result<(), StoreError> {
        let mut rows = Vec::with_capacity(calls.len());
        for call in calls {
            let mut row = params![&call.tenant, call.partner, call.id, call.at, call.inbound];
            row.push(Param::json(&call.said)?);
            rows.push(row);
        }
        self.engine().change_all(Statement::each(&INSERT, rows)).await.map(drop)
    }

    /// A partner's calls, the newest first.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn partner_calls(
        &self,
        tenant: &TenantId,
        partner: Uuid,
        page: &PageRequest,
    ) -> Result<Page<PartnerCall>, StoreError> {
        let select = Select::new("SELECT tenant, partner, id, at, inbound, document FROM partner_calls")
            .filter("tenant = ?", params![tenant])
            .filter("partner = ?", params![partner])
            .filter_some("id < ?", page.key::<Uuid>()?)
            .tail("ORDER BY id DESC LIMIT ?", params![page.probe()]);
        let rows = self.engine().read(vec![select]).await?.pop().unwrap_or_default();
        let call = |row: &crate::engine::row::Row| {
            Ok(PartnerCall {
                tenant: row.named("tenant")?,
                partner: row.uuid("partner")?,
                id: row.uuid("id")?,
                at: row.at("at")?,
                inbound: row.boolean("inbound")?,
                said: row.json("document")?,
            })
        };
        page.page(&rows, call, |row| row.uuid("id"))
    }

    /// Forgets calls, clearances and orders from before an instant, over all tenants.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn trim_partner_calls(&self, before: Timestamp) -> Result<(), StoreError> {
        for sql in [
            "DELETE FROM partner_calls WHERE at < $1",
            "DELETE FROM clearances WHERE at < $1",
            "DELETE FROM ordered_starts WHERE at < $1",
        ] {
            self.engine().change_across(sql, params![before]).await?;
        }
        Ok(())
    }

    /// Keeps a partner's newest calls only.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn bound_partner_calls(
        &self,
        tenant: &TenantId,
        partner: Uuid,
        keep: u32,
    ) -> Result<(), StoreError> {
        let sql = "DELETE FROM partner_calls WHERE tenant = $1 AND partner = $2 AND id < (SELECT min(k.id) FROM \
             (SELECT id FROM partner_calls WHERE tenant = $1 AND partner = $2 ORDER BY id DESC LIMIT $3) AS k)";
        self.engine().change(sql, params![tenant, partner, keep]).await.map(drop)
    }
}
