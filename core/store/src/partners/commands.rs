//! Commands of partners until their result has reached the partner: kept, so that it is told also when the node that took it is gone.

use ringmain_domain::id::TenantId;
use ringmain_domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::engine::param::{Param, params};
use crate::page::MAX_LIMIT;
use crate::store::{Store, StoreError};

/// A command whose result a partner waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartnerCommand {
    /// Whose partner.
    pub tenant: TenantId,
    /// Its id.
    pub id: Uuid,
    /// Who gave it.
    pub partner: Uuid,
    /// Where the result goes.
    pub address: CommandAddress,
    /// How it ended, in the words of the version it came in; `None` until then.
    pub result: Option<Box<str>>,
    /// By then it has ended, or nobody carries it out any more.
    pub deadline: Timestamp,
}

/// Where a command's result goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandAddress {
    /// Where to; a stranger's text, to be judged before every call.
    pub url: Box<str>,
    /// The command's name.
    pub command: Box<str>,
    /// What ties the calls together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<Box<str>>,
    /// Whose command: country code and party id, where it said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<(Box<str>, Box<str>)>,
}

impl Store {
    /// Keeps a command.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn insert_partner_command(&self, command: &PartnerCommand) -> Result<(), StoreError> {
        let sql = "INSERT INTO partner_commands (tenant, id, partner, document, result, deadline) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
        let params = vec![
            Param::from(&command.tenant),
            Param::from(command.id),
            Param::from(command.partner),
            Param::json(&command.address)?,
            Param::json_or_null(command.result.as_ref())?,
            Param::from(command.deadline),
        ];
        self.engine().change(sql, params).await.map(drop)
    }

    /// A command ended; the first end counts.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn end_partner_command(
        &self,
        tenant: &TenantId,
        id: Uuid,
        result: &str,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE partner_commands SET result = $3 WHERE tenant = $1 AND id = $2 AND result IS NULL";
        let params = vec![Param::from(tenant), Param::from(id), Param::json(&result)?];
        self.engine().change(sql, params).await.map(drop)
    }

    /// A partner knows how its command ended, or will never hear of it.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn forget_partner_command(&self, tenant: &TenantId, id: Uuid) -> Result<(), StoreError> {
        let sql = "DELETE FROM partner_commands WHERE tenant = $1 AND id = $2";
        self.engine().change(sql, params![tenant, id]).await.map(drop)
    }

    /// A partner's commands whose deadline was before an instant and of whose end it has not heard: whoever had them is gone. At most
    /// [`MAX_LIMIT`], the oldest first.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn overdue_partner_commands(
        &self,
        tenant: &TenantId,
        partner: Uuid,
        before: Timestamp,
    ) -> Result<Vec<PartnerCommand>, StoreError> {
        let sql = "SELECT tenant, id, partner, document, result, deadline FROM partner_commands \
             WHERE tenant = $1 AND partner = $2 AND deadline < $3 ORDER BY deadline LIMIT $4";
        let rows = self.engine().rows(sql, params![tenant, partner, before, MAX_LIMIT]).await?;
        let command = |row: &crate::engine::row::Row| {
            Ok(PartnerCommand {
                tenant: row.named("tenant")?,
                id: row.uuid("id")?,
                partner: row.uuid("partner")?,
                address: row.json("document")?,
                result: row.json_or_null("result")?,
                deadline: row.at("deadline")?,
            })
        };
        rows.iter().map(command).collect()
    }
}
