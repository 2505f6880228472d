//! Ledgers of grants: one for each location whose load is managed, changed under the lock of its site.
//!
//! The arithmetic is domain's; here a ledger is read, changed and written in one transaction, so that it is safe whoever asks (reliability.md 8
//! and 9: L1).

use std::collections::BTreeMap;
use std::sync::Arc;

use ringmain_domain::cluster::ownership;
use ringmain_domain::id::{Epoch, EvseId, GrantSeq, LocationId, NodeId, StationId, TenantId};
use ringmain_domain::load::ledger::account::Account;
use ringmain_domain::load::ledger::row::Row;
use ringmain_domain::load::ledger::{Change, Ledger, Verdict};
use ringmain_domain::load::tree::{Evse, EvseKey, SiteTree};

use crate::circuits::{StoredTree, TREE, stored};
use crate::cluster::clock;
use crate::engine;
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

/// Where an EVSE of a ledger stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    InTree,
    /// Out of it, with our profiles at its station.
    Left,
    /// Out of it, and its station has cleared them.
    Cleared,
}

/// What became of an attempt to take a site over.
#[derive(Debug, Clone, PartialEq)]
pub enum Claim {
    /// It is this node's.
    Owned {
        /// Its tree.
        tree: StoredTree,
        /// Its ledger, with its new owner.
        ledger: Ledger,
    },
    /// A living node has it.
    Elsewhere {
        /// Which.
        owner: NodeId,
        /// Its tree.
        tree: StoredTree,
    },
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
          ON CONFLICT (tenant, location_id, station, evse) DO UPDATE SET seq = excluded.seq, document = excluded.document, \
          standing = 'in_tree'",
    all: "INSERT INTO site_accounts (tenant, location_id, station, evse, seq, document) \
          SELECT k.tenant, k.location_id, k.station, k.evse, k.seq, k.document::jsonb \
          FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::text[]) \
          AS k(tenant, location_id, station, evse, seq, document) \
          ON CONFLICT (tenant, location_id, station, evse) DO UPDATE SET seq = excluded.seq, document = excluded.document, \
          standing = 'in_tree'",
};

static LEAVE: Texts = Texts {
    one: "UPDATE site_accounts SET standing = 'left' WHERE tenant = $1 AND location_id = $2 AND station = $3 AND evse = $4",
    all: "UPDATE site_accounts a SET standing = 'left' FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) \
          AS k(tenant, location_id, station, evse) WHERE a.tenant = k.tenant AND a.location_id = k.location_id \
          AND a.station = k.station AND a.evse = k.evse",
};

/// The accounts of an EVSE at all locations, locked.
static EVERYWHERE: Texts = Texts {
    one: "UPDATE site_accounts SET seq = seq WHERE tenant = $1 AND station = $2 AND evse = $3 RETURNING station, evse, document",
    all: "UPDATE site_accounts a SET seq = a.seq FROM unnest($1::text[], $2::text[], $3::bigint[]) AS k(tenant, station, evse) \
          WHERE a.tenant = k.tenant AND a.station = k.station AND a.evse = k.evse RETURNING a.station, a.evse, a.document",
};

impl Store {
    /// Takes a site over for a node, unless a living one has it: a new owner, higher than every one before, with the accounts of the tree's EVSEs. What an EVSE had open stays; one that
    /// is new counts with its rated current, so does one that comes back or comes from another location, with the grants it had; one that
    /// the tree does not have any more has left it (see [`Store::left_evses`]). `None`: the location has no tree.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn claim_ledger(
        &self,
        tenant: &TenantId,
        location: &LocationId,
        node: NodeId,
    ) -> Result<Option<Claim>, StoreError> {
        let (tenant, location) = (tenant.clone(), location.clone());
        let clock = clock(self.engine());
        self.engine().write(move |tx| Box::pin(claim(tx, tenant, location, (node, clock)))).await
    }

    /// The ledger as it is. `None`: nobody ever took the site over.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where one of the EVSEs is not in the tree any more; else as [`StoreError`] says.
    pub async fn ledger(&self, of: &LedgerOf) -> Result<Option<Ledger>, StoreError> {
        let of = of.clone();
        self.engine()
            .write(move |tx| {
                Box::pin(async move {
                    let Some(owner) = lock(tx, &of.tenant, &of.location).await? else { return Ok(None) };
                    Ok(Some(Ledger { owner, accounts: present(tx, &of).await? }))
                })
            })
            .await
    }

    /// Makes changes, one after another, each as [`Ledger::transact`] says, all of them in one commit.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where one of the EVSEs is not in the tree any more, or nobody took the site over; else as [`StoreError`] says; with
    /// [`StoreError::Unknown`] nobody knows whether it happened.
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
pub(crate) async fn lock(
    tx: &mut Tx,
    tenant: &TenantId,
    location: &LocationId,
) -> Result<Option<Epoch>, StoreError> {
    let sql = "UPDATE site_ledgers SET owner_epoch = owner_epoch WHERE tenant = $1 AND location_id = $2 RETURNING owner_epoch";
    let rows = tx.run(Statement::once(sql, params![tenant, location])).await?;
    rows.first().map(|row| row.number("owner_epoch").map(Epoch)).transpose()
}

/// Who owns the site beside this node; its row stays locked.
async fn rival(
    tx: &mut Tx,
    (tenant, location): (&TenantId, &LocationId),
    (node, clock): (NodeId, &'static str),
) -> Result<Option<NodeId>, StoreError> {
    let lock = "INSERT INTO site_ledgers (tenant, location_id, owner_epoch) VALUES ($1, $2, 0) \
         ON CONFLICT (tenant, location_id) DO UPDATE SET owner_epoch = site_ledgers.owner_epoch RETURNING owner_node";
    let rows = tx.run(Statement::once(lock, params![tenant, location])).await?;
    let row = rows.first().ok_or_else(|| StoreError::corrupt("an upsert gave no row"))?;
    let Some(owner) = row.uuid_or_null("owner_node")?.map(NodeId) else { return Ok(None) };
    let lease = format!("SELECT lease_until, {clock} AS now_ms FROM nodes WHERE id = $1");
    let rows = tx.run(Statement::once(lease, params![owner])).await?;
    let lease = rows.first().map(|row| Ok((row.int("lease_until")?, row.int("now_ms")?))).transpose()?;
    let (lease_until, now) = lease.map_or((None, 0), |(until, now)| (Some(until), now));
    let may = ownership::may_claim(Some(ownership::Owner { node: owner, lease_until }), node, now);
    Ok((!may).then_some(owner))
}

async fn claim(
    tx: &mut Tx,
    tenant: TenantId,
    location: LocationId,
    (node, clock): (NodeId, &'static str),
) -> Result<Option<Claim>, StoreError> {
    let rival = rival(tx, (&tenant, &location), (node, clock)).await?;
    let rows = tx.run(Statement::once(TREE, params![&tenant, &location])).await?;
    let Some(stored) = rows.first().map(stored).transpose()? else { return Ok(None) };
    if let Some(owner) = rival {
        return Ok(Some(Claim::Elsewhere { owner, tree: stored }));
    }
    let take = "UPDATE site_ledgers SET owner_epoch = owner_epoch + 1, owner_node = $3 WHERE tenant = $1 AND location_id = $2 \
         RETURNING owner_epoch";
    let rows = tx.run(Statement::once(take, params![&tenant, &location, node])).await?;
    let row = rows.first().ok_or_else(|| StoreError::corrupt("a locked row is gone"))?;
    let owner = Epoch(row.number("owner_epoch")?);
    let tree = &stored.tree;
    let evses = tree.evses().iter().map(|evse| evse.key.clone()).collect();
    let of = LedgerOf { tenant, location, evses };
    let mut kept = accounts(tx, &of).await?;
    let others =
        of.evses.iter().filter(|key| kept.get(*key).is_none_or(|(standing, _)| !standing.is_in_tree()));
    let others = others.map(|key| params![&of.tenant, &key.station, key.evse]).collect();
    let elsewhere = tx.run(Statement::each(&EVERYWHERE, others)).await?;
    let newest = newest_of(&elsewhere)?;
    let take = |evse: &Evse| {
        let present = kept.remove(&evse.key).filter(|(standing, _)| standing.is_in_tree());
        // What is still on its way for one that comes back is older than all that it gets now.
        let returning = || newest.get(&evse.key).cloned().map(Account::unknown);
        let account = present.map(|(_, account)| account).or_else(returning);
        Account { rated: evse.rated_ma, ..account.unwrap_or_else(|| Account::new(evse.rated_ma)) }
    };
    let ledger = Ledger { owner, accounts: tree.evses().iter().map(take).collect() };
    let rows = of.evses.iter().zip(&ledger.accounts);
    let rows: Result<_, _> = rows.map(|(key, account)| row_of(&of, key, account)).collect();
    let gone = kept.into_iter().filter(|(_, (standing, _))| standing.is_in_tree()).map(|(key, _)| key);
    leave(tx, &of.tenant, &of.location, gone).await?;
    tx.run(Statement::each(&WRITE, rows?)).await?;
    Ok(Some(Claim::Owned { tree: stored, ledger }))
}

/// EVSEs leave the tree of a location.
async fn leave(
    tx: &mut Tx,
    tenant: &TenantId,
    location: &LocationId,
    gone: impl Iterator<Item = EvseKey>,
) -> Result<(), StoreError> {
    let gone = gone.map(|key| params![tenant, location, &key.station, key.evse]).collect();
    tx.run(Statement::each(&LEAVE, gone)).await.map(drop)
}

/// Those of a location whose ledger is locked that a tree does not have leave it.
pub(crate) async fn leave_all_but(
    tx: &mut Tx,
    tenant: &TenantId,
    location: &LocationId,
    tree: &SiteTree,
) -> Result<(), StoreError> {
    let of = LedgerOf { tenant: tenant.clone(), location: location.clone(), evses: Arc::default() };
    let is_gone = |(key, (standing, _)): &(EvseKey, (Standing, Account))| {
        standing.is_in_tree() && tree.place(key).is_none()
    };
    let gone = accounts(tx, &of).await?.into_iter().filter(is_gone).map(|(key, _)| key);
    leave(tx, tenant, location, gone).await
}

/// Of each EVSE the account that was given most to, wherever it stands: what it had elsewhere it may still have.
fn newest_of(rows: &[engine::row::Row]) -> Result<BTreeMap<EvseKey, Account>, StoreError> {
    let mut newest: BTreeMap<EvseKey, Account> = BTreeMap::new();
    for row in rows {
        let key = EvseKey { station: row.named("station")?, evse: EvseId(row.number("evse")?) };
        let account: Account = row.json("document")?;
        if newest.get(&key).is_none_or(|known| known.seq < account.seq) {
            newest.insert(key, account);
        }
    }
    Ok(newest)
}

/// All accounts of a location, also of EVSEs that left its tree.
async fn accounts(tx: &mut Tx, of: &LedgerOf) -> Result<BTreeMap<EvseKey, (Standing, Account)>, StoreError> {
    let sql =
        "SELECT station, evse, standing, document FROM site_accounts WHERE tenant = $1 AND location_id = $2";
    let rows = tx.run(Statement::once(sql, params![&of.tenant, &of.location])).await?;
    let account = |row: &engine::row::Row| {
        let key = EvseKey { station: row.named("station")?, evse: EvseId(row.number("evse")?) };
        Ok((key, (Standing::parse(row.text("standing")?)?, row.json("document")?)))
    };
    rows.iter().map(account).collect()
}

/// The accounts of the tree's EVSEs, in its order.
async fn present(tx: &mut Tx, of: &LedgerOf) -> Result<Vec<Account>, StoreError> {
    let mut kept = accounts(tx, of).await?;
    let take = |key: &EvseKey| match kept.remove(key) {
        Some((standing, account)) if standing.is_in_tree() => Ok(account),
        Some(_) | None => Err(StoreError::conflict(format!(
            "EVSE {} of station {} has left the tree",
            key.evse, key.station
        ))),
    };
    of.evses.iter().map(take).collect()
}

async fn transact(
    tx: &mut Tx,
    of: &LedgerOf,
    owner: Epoch,
    rows: &[Row],
    changes: &[Change],
) -> Result<Vec<Transacted>, StoreError> {
    let Some(current) = lock(tx, &of.tenant, &of.location).await? else {
        return Err(StoreError::conflict("nobody took the site over"));
    };
    let before = present(tx, of).await?;
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

// === impl Standing ===

impl Standing {
    const fn is_in_tree(self) -> bool {
        matches!(self, Self::InTree)
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::InTree => "in_tree",
            Self::Left => "left",
            Self::Cleared => "cleared",
        }
    }

    fn parse(text: &str) -> Result<Self, StoreError> {
        let all = [Self::InTree, Self::Left, Self::Cleared];
        let known = all.into_iter().find(|standing| standing.as_str() == text);
        known.ok_or_else(|| StoreError::corrupt(format!("an EVSE stands {text:?}")))
    }
}
