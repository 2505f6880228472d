//! Ledgers of grants: one for each location whose load is managed, changed under the lock of its site.
//!
//! The arithmetic is domain's; here a ledger is read, changed and written in one transaction, so that it is safe whoever asks (reliability.md 8
//! and 9: L1).

use std::collections::BTreeMap;
use std::sync::Arc;

use ringmain_domain::id::{Epoch, EvseId, GrantSeq, LocationId, StationId, TenantId};
use ringmain_domain::load::ledger::account::Account;
use ringmain_domain::load::ledger::row::Row;
use ringmain_domain::load::ledger::{Change, Ledger, Verdict};
use ringmain_domain::load::tree::{EvseKey, SiteTree};

use crate::engine::param::{Param, params};
use crate::engine::{Statement, Texts, Tx};
use crate::store::{Store, StoreError};

/// A site as its ledger is asked for: its EVSEs in the order of its tree.
#[derive(Debug, Clone)]
pub struct LedgerOf {
    /// Whose.
    pub tenant: TenantId,
    /// Which location.
    pub location: LocationId,
    /// By slot.
    pub evses: Arc<[EvseKey]>,
}

/// What became of one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transacted {
    /// What the ledger said.
    pub verdict: Verdict,
    /// The account as it is now; none where there is no such EVSE.
    pub account: Option<Account>,
}

static WRITE: Texts = Texts {
    one: "INSERT INTO site_accounts (tenant, location_id, station, evse, seq, document) VALUES ($1, $2, $3, $4, $5, $6) \
          ON CONFLICT (tenant, location_id, station, evse) DO UPDATE SET seq = excluded.seq, document = excluded.document",
    all: "INSERT INTO site_accounts (tenant, location_id, station, evse, seq, document) \
          SELECT k.tenant, k.location_id, k.station, k.evse, k.seq, k.document::jsonb \
          FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::text[]) \
          AS k(tenant, location_id, station, evse, seq, document) \
          ON CONFLICT (tenant, location_id, station, evse) DO UPDATE SET seq = excluded.seq, document = excluded.document",
};

static REMOVE: Texts = Texts {
    one: "DELETE FROM site_accounts WHERE tenant = $1 AND location_id = $2 AND station = $3 AND evse = $4",
    all: "DELETE FROM site_accounts a USING unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) \
          AS k(tenant, location_id, station, evse) WHERE a.tenant = k.tenant AND a.location_id = k.location_id \
          AND a.station = k.station AND a.evse = k.evse",
};

impl Store {
    /// Takes a site over: a new owner, higher than every one before, with the accounts of the tree's EVSEs. What an EVSE had open stays; one that
    /// is new counts with its rated current, one that the tree does not have any more goes.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn claim_ledger(
        &self,
        tenant: &TenantId,
        location: &LocationId,
        tree: &SiteTree,
    ) -> Result<Ledger, StoreError> {
        let of = LedgerOf {
            tenant: tenant.clone(),
            location: location.clone(),
            evses: tree.evses().iter().map(|evse| evse.key.clone()).collect(),
        };
        let rated: Vec<_> = tree.evses().iter().map(|evse| evse.rated_ma).collect();
        self.engine()
            .write(move |tx| {
                Box::pin(async move {
                    let lock = "INSERT INTO site_ledgers (tenant, location_id, owner_epoch) VALUES ($1, $2, 1) \
                         ON CONFLICT (tenant, location_id) DO UPDATE SET owner_epoch = site_ledgers.owner_epoch + 1 \
                         RETURNING owner_epoch";
                    let rows = tx.run(Statement::once(lock, params![&of.tenant, &of.location])).await?;
                    let row = rows.first().ok_or_else(|| StoreError::corrupt("an upsert gave no row"))?;
                    let owner = Epoch(row.number("owner_epoch")?);
                    let mut kept = accounts(tx, &of).await?;
                    let take = |(key, rated): (&EvseKey, &_)| {
                        let kept = kept.remove(key).unwrap_or_else(|| Account::new(*rated));
                        Account { rated: *rated, ..kept }
                    };
                    let ledger =
                        Ledger { owner, accounts: of.evses.iter().zip(&rated).map(take).collect() };
                    let rows = of.evses.iter().zip(&ledger.accounts);
                    let rows: Result<_, _> = rows.map(|(key, account)| row_of(&of, key, account)).collect();
                    let gone = kept.keys().map(|key| params![&of.tenant, &of.location, &key.station, key.evse]);
                    tx.run(Statement::each(&REMOVE, gone.collect())).await?;
                    tx.run(Statement::each(&WRITE, rows?)).await?;
                    Ok(ledger)
                })
            })
            .await
    }

    /// The ledger as it is; an EVSE without an account is an error of whoever asks. `None`: nobody ever took the site over.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn ledger(&self, of: &LedgerOf) -> Result<Option<Ledger>, StoreError> {
        let of = of.clone();
        self.engine()
            .write(move |tx| {
                Box::pin(async move {
                    let Some(owner) = lock(tx, &of).await? else { return Ok(None) };
                    let mut kept = accounts(tx, &of).await?;
                    let take = |key: &EvseKey| kept.remove(key).ok_or_else(|| missing(key));
                    let accounts = of.evses.iter().map(take).collect::<Result<_, _>>()?;
                    Ok(Some(Ledger { owner, accounts }))
                })
            })
            .await
    }

    /// Makes changes, one after another, each as [`Ledger::transact`] says, all of them in one commit.
    ///
    /// # Errors
    /// As [`StoreError`] says; with [`StoreError::Unknown`] nobody knows whether it happened.
    pub async fn transact_ledger(
        &self,
        of: &LedgerOf,
        owner: Epoch,
        rows: Vec<Row>,
        changes: Vec<Change>,
    ) -> Result<Vec<Transacted>, StoreError> {
        let of = of.clone();
        self.engine()
            .write(move |tx| Box::pin(async move { transact(tx, &of, owner, &rows, &changes).await }))
            .await
    }

    /// The last sequences given out for a station's EVSEs: what a new connection's fences start at.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn last_grants(
        &self,
        tenant: &TenantId,
        station: &StationId,
    ) -> Result<Vec<(EvseId, GrantSeq)>, StoreError> {
        let sql = "SELECT evse, max(seq) AS seq FROM site_accounts WHERE tenant = $1 AND station = $2 GROUP BY evse";
        let rows = self.engine().rows(sql, params![tenant, station]).await?;
        rows.iter().map(|row| Ok((EvseId(row.number("evse")?), GrantSeq(row.number("seq")?)))).collect()
    }
}

/// Whose the site is; its row is locked until the transaction ends.
async fn lock(tx: &mut Tx, of: &LedgerOf) -> Result<Option<Epoch>, StoreError> {
    let sql = "UPDATE site_ledgers SET owner_epoch = owner_epoch WHERE tenant = $1 AND location_id = $2 RETURNING owner_epoch";
    let rows = tx.run(Statement::once(sql, params![&of.tenant, &of.location])).await?;
    rows.first().map(|row| row.number("owner_epoch").map(Epoch)).transpose()
}

async fn accounts(tx: &mut Tx, of: &LedgerOf) -> Result<BTreeMap<EvseKey, Account>, StoreError> {
    let sql = "SELECT station, evse, document FROM site_accounts WHERE tenant = $1 AND location_id = $2";
    let rows = tx.run(Statement::once(sql, params![&of.tenant, &of.location])).await?;
    let account = |row: &crate::engine::row::Row| {
        let key = EvseKey { station: row.named("station")?, evse: EvseId(row.number("evse")?) };
        Ok((key, row.json("document")?))
    };
    rows.iter().map(account).collect()
}

async fn transact(
    tx: &mut Tx,
    of: &LedgerOf,
    owner: Epoch,
    rows: &[Row],
    changes: &[Change],
) -> Result<Vec<Transacted>, StoreError> {
    let Some(current) = lock(tx, of).await? else {
        return Err(StoreError::conflict("nobody took the site over"));
    };
    let mut kept = accounts(tx, of).await?;
    let before = of.evses.iter().map(|key| kept.remove(key).ok_or_else(|| missing(key)));
    let before = before.collect::<Result<Vec<_>, _>>()?;
    let mut ledger = Ledger { owner: current, accounts: before.clone() };
    let transacted = changes.iter().map(|change| {
        let verdict = ledger.transact(rows, owner, change);
        Transacted { verdict, account: ledger.accounts.get(change.slot()).cloned() }
    });
    let transacted = transacted.collect();
    let changed = of.evses.iter().zip(&ledger.accounts).zip(&before);
    let changed = changed.filter(|((_, now), before)| now != before);
    let changed: Result<_, _> = changed.map(|((key, now), _)| row_of(of, key, now)).collect();
    tx.run(Statement::each(&WRITE, changed?)).await?;
    Ok(transacted)
}

fn row_of(of: &LedgerOf, key: &EvseKey, account: &Account) -> Result<Vec<Param>, StoreError> {
    let mut row = params![&of.tenant, &of.location, &key.station, key.evse, account.seq.0];
    row.push(Param::json(account)?);
    Ok(row)
}

fn missing(key: &EvseKey) -> StoreError {
    StoreError::corrupt(format!("EVSE {} of station {} has no account", key.evse, key.station))
}
