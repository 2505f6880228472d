//! EVSEs that left the tree of their location: their stations still have our profiles until they are told to clear them.
//!
//! Their accounts stay, for their sequence and for what was promised, should they come back.

use ringmain_domain::id::{EvseId, GrantSeq, LocationId, TenantId};
use ringmain_domain::load::ledger::account::Account;
use ringmain_domain::load::tree::EvseKey;

use crate::engine::param::{Param, params};
use crate::engine::{Statement, Tx, row};
use crate::ledgers::lock;
use crate::store::{Store, StoreError};

/// Where an EVSE of a ledger stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    InTree,
    /// Out of it, with our profiles at its station.
    Left,
    /// Out of it, and its station has cleared them.
    Cleared,
}

/// An EVSE that left.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Leaver {
    /// Which.
    pub evse: EvseKey,
    /// Whose tree it left.
    pub location: LocationId,
}

impl Store {
    /// EVSEs of a tenant that left their trees and whose stations were not cleared yet: the first ones after `after`, so many at most.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn left_evses(
        &self,
        tenant: &TenantId,
        after: Option<&Leaver>,
        limit: u32,
    ) -> Result<Vec<Leaver>, StoreError> {
        let mut params = params![tenant, i64::from(limit)];
        let columns =
            "SELECT station, evse, location_id FROM site_accounts WHERE tenant = $1 AND standing = 'left'";
        let order = "ORDER BY station, evse, location_id LIMIT $2";
        let sql = match after {
            None => format!("{columns} {order}"),
            Some(last) => {
                params.extend(params![&last.evse.station, last.evse.evse, &last.location]);
                format!("{columns} AND (station, evse, location_id) > ($3, $4, $5) {order}")
            }
        };
        let rows = self.engine().rows(sql, params).await?;
        rows.iter().map(leaver).collect()
    }

    /// From now on nothing is known of what its station has: one that comes back counts with its rated current until it is told anew. The
    /// answer is the sequence that the orders to clear have. `None`: there is nothing to clear, because it came back, or because another
    /// location's tree has it and its profiles took the place of ours.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn begin_clearing(
        &self,
        tenant: &TenantId,
        leaver: &Leaver,
    ) -> Result<Option<GrantSeq>, StoreError> {
        let (tenant, leaver) = (tenant.clone(), leaver.clone());
        self.engine().write(move |tx| Box::pin(async move { begin(tx, &tenant, &leaver).await })).await
    }

    /// Its station has cleared our profiles, told so under this sequence; nothing where it came back meanwhile.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn end_clearing(
        &self,
        tenant: &TenantId,
        leaver: &Leaver,
        seq: GrantSeq,
    ) -> Result<(), StoreError> {
        let (tenant, leaver) = (tenant.clone(), leaver.clone());
        self.engine()
            .write(move |tx| {
                Box::pin(async move {
                    match left(tx, &tenant, &leaver).await? {
                        Some(account) if account.seq == seq => {
                            keep(tx, (&tenant, &leaver), Standing::Cleared, &account.cleared()).await
                        }
                        Some(_) | None => Ok(()),
                    }
                })
            })
            .await
    }
}

/// All EVSEs leave the tree of a location, and whoever owns its ledger owns it no more.
pub(crate) fn all_leave(tenant: &TenantId, location: &LocationId) -> [Statement; 2] {
    let depose =
        "UPDATE site_ledgers SET owner_epoch = owner_epoch + 1 WHERE tenant = $1 AND location_id = $2";
    let leave = "UPDATE site_accounts SET standing = 'left' WHERE tenant = $1 AND location_id = $2 AND standing = 'in_tree'";
    [depose, leave].map(|sql| Statement::once(sql, params![tenant, location]))
}

async fn begin(tx: &mut Tx, tenant: &TenantId, leaver: &Leaver) -> Result<Option<GrantSeq>, StoreError> {
    let Some(account) = left(tx, tenant, leaver).await? else { return Ok(None) };
    let elsewhere = "SELECT 1 AS one FROM site_accounts WHERE tenant = $1 AND station = $2 AND evse = $3 AND standing = 'in_tree'";
    let params = params![tenant, &leaver.evse.station, leaver.evse.evse];
    if !tx.run(Statement::once(elsewhere, params)).await?.is_empty() {
        keep(tx, (tenant, leaver), Standing::Cleared, &account.cleared()).await?;
        return Ok(None);
    }
    let account = account.unknown();
    keep(tx, (tenant, leaver), Standing::Left, &account).await?;
    Ok(Some(account.seq))
}

/// Its account, if it is still out of the tree and not cleared. Its location's ledger is locked until the transaction ends.
async fn left(tx: &mut Tx, tenant: &TenantId, leaver: &Leaver) -> Result<Option<Account>, StoreError> {
    lock(tx, tenant, &leaver.location).await?;
    let sql = "SELECT document FROM site_accounts WHERE tenant = $1 AND location_id = $2 AND station = $3 AND evse = $4 \
         AND standing = 'left'";
    let rows = tx.run(Statement::once(sql, key(tenant, leaver))).await?;
    rows.first().map(|row| row.json("document")).transpose()
}

async fn keep(
    tx: &mut Tx,
    (tenant, leaver): (&TenantId, &Leaver),
    standing: Standing,
    account: &Account,
) -> Result<(), StoreError> {
    let sql = "UPDATE site_accounts SET standing = $5, seq = $6, document = $7 \
         WHERE tenant = $1 AND location_id = $2 AND station = $3 AND evse = $4";
    let mut params = key(tenant, leaver);
    params.extend(params![standing.as_str(), account.seq.0]);
    params.push(Param::json(account)?);
    tx.run(Statement::once(sql, params)).await.map(drop)
}

fn key(tenant: &TenantId, leaver: &Leaver) -> Vec<Param> {
    params![tenant, &leaver.location, &leaver.evse.station, leaver.evse.evse]
}

fn leaver(row: &row::Row) -> Result<Leaver, StoreError> {
    let evse = EvseKey { station: row.named("station")?, evse: EvseId(row.number("evse")?) };
    Ok(Leaver { evse, location: row.named("location_id")? })
}

// === impl Standing ===

impl Standing {
    pub(crate) const fn is_in_tree(self) -> bool {
        matches!(self, Self::InTree)
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::InTree => "in_tree",
            Self::Left => "left",
            Self::Cleared => "cleared",
        }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, StoreError> {
        let all = [Self::InTree, Self::Left, Self::Cleared];
        let known = all.into_iter().find(|standing| standing.as_str() == text);
        known.ok_or_else(|| StoreError::corrupt(format!("an EVSE stands {text:?}")))
    }
}
