//! EVSEs that left the tree of their location: their stations still have our profiles until they are told to clear them.
//!
//! Their accounts stay, for their sequence and for what was promised, should they come back.

use ringmain_domain::id::{EvseId, GrantSeq, LocationId, TenantId};
use ringmain_domain::load::ledger::account::Account;
use ringmain_domain::load::tree::EvseKey;

use crate::engine::param::{Param, params};
use crate::engine::{Statement, Tx, row};
use crate::ledgers::{Standing, lock};
use crate::store::{Store, StoreError};

/// An EVSE that left.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Leaver {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub evse: EvseKey,
    /// Whose tree it left.
    pub location: LocationId,
}

impl Store {
    /// EVSEs that left their trees and whose stations were not cleared yet: the first ones after `after`, so many at most.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn left_evses(&self, after: Option<&Leaver>, limit: u32) -> Result<Vec<Leaver>, StoreError> {
        let mut params = params![i64::from(limit)];
        let columns = "SELECT tenant, station, evse, location_id FROM site_accounts WHERE standing = 'left'";
        let order = "ORDER BY tenant, station, evse, location_id LIMIT $1";
        let sql = match after {
            None => format!("{columns} {order}"),
            Some(last) => {
                params.extend(params![&last.tenant, &last.evse.station, last.evse.evse, &last.location]);
                format!("{columns} AND (tenant, station, evse, location_id) > ($2, $3, $4, $5) {order}")
            }
        };
        let rows = self.engine().rows_across(sql, params).await?;
        rows.iter().map(leaver).collect()
    }

    /// From now on nothing is known of what its station has. The answer is the sequence that the orders to clear have. `None`: there is
    /// nothing to clear, because it came back, or because another location's tree has it, whose profiles take the place of ours.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn begin_clearing(&self, leaver: &Leaver) -> Result<Option<GrantSeq>, StoreError> {
        let leaver = leaver.clone();
        self.engine().write(move |tx| Box::pin(async move { begin(tx, &leaver).await })).await
    }

    /// Its station has cleared our profiles, told so under this sequence; nothing where it came back meanwhile.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn end_clearing(&self, leaver: &Leaver, seq: GrantSeq) -> Result<(), StoreError> {
        let leaver = leaver.clone();
        self.engine()
            .write(move |tx| {
                Box::pin(async move {
                    match left(tx, &leaver).await? {
                        Some(account) if account.seq == seq => {
                            keep(tx, &leaver, Standing::Cleared, &account.cleared()).await
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

async fn begin(tx: &mut Tx, leaver: &Leaver) -> Result<Option<GrantSeq>, StoreError> {
    let Some(account) = left(tx, leaver).await? else { return Ok(None) };
    // Whoever has its identity now may be another tenant's.
    let known = "SELECT 1 AS one FROM stations WHERE tenant = $1 AND id = $2";
    let station = params![&leaver.tenant, &leaver.evse.station];
    if tx.run(Statement::once(known, station)).await?.is_empty() {
        let gone =
            "DELETE FROM site_accounts WHERE tenant = $1 AND location_id = $2 AND station = $3 AND evse = $4";
        tx.run(Statement::once(gone, key(leaver))).await?;
        return Ok(None);
    }
    // Whoever takes it into another tree has touched its rows before: either that is seen here, or it sees this sequence.
    let elsewhere = "SELECT 1 AS one FROM site_accounts a JOIN site_trees t ON t.tenant = a.tenant AND t.location_id = a.location_id \
         WHERE a.tenant = $1 AND a.station = $2 AND a.evse = $3 AND a.standing = 'in_tree'";
    let params = params![&leaver.tenant, &leaver.evse.station, leaver.evse.evse];
    if !tx.run(Statement::once(elsewhere, params)).await?.is_empty() {
        keep(tx, leaver, Standing::Cleared, &account.cleared()).await?;
        return Ok(None);
    }
    let account = account.unknown();
    keep(tx, leaver, Standing::Left, &account).await?;
    Ok(Some(account.seq))
}

/// Its account, if it is still out of the tree and not cleared. Both its location's ledger and its row are locked until the transaction ends.
async fn left(tx: &mut Tx, leaver: &Leaver) -> Result<Option<Account>, StoreError> {
    lock(tx, &leaver.tenant, &leaver.location).await?;
    let sql = "UPDATE site_accounts SET seq = seq WHERE tenant = $1 AND location_id = $2 AND station = $3 AND evse = $4 \
         AND standing = 'left' RETURNING document";
    let rows = tx.run(Statement::once(sql, key(leaver))).await?;
    rows.first().map(|row| row.json("document")).transpose()
}

async fn keep(tx: &mut Tx, leaver: &Leaver, standing: Standing, account: &Account) -> Result<(), StoreError> {
    let sql = "UPDATE site_accounts SET standing = $5, seq = $6, document = $7 \
         WHERE tenant = $1 AND location_id = $2 AND station = $3 AND evse = $4";
    let mut params = key(leaver);
    params.extend(params![standing.as_str(), account.seq.0]);
    params.push(Param::json(account)?);
    tx.run(Statement::once(sql, params)).await.map(drop)
}

fn key(leaver: &Leaver) -> Vec<Param> {
    params![&leaver.tenant, &leaver.location, &leaver.evse.station, leaver.evse.evse]
}

fn leaver(row: &row::Row) -> Result<Leaver, StoreError> {
    let evse = EvseKey { station: row.named("station")?, evse: EvseId(row.number("evse")?) };
    Ok(Leaver { tenant: row.named("tenant")?, evse, location: row.named("location_id")? })
}
