//! Trees of circuits: one for each location whose load is managed, kept and replaced as a whole.

use std::collections::BTreeMap;

use ringmain_domain::id::{CircuitId, LocationId, TenantId};
use ringmain_domain::load::supply::Signal;
use ringmain_domain::load::tree::SiteTree;
use ringmain_domain::time::Timestamp;

use crate::engine::Statement;
use crate::engine::param::{Param, params};
use crate::leavers::all_leave;
use crate::ledgers::{leave_all_but, lock};
use crate::locations::keep_beside;
use crate::store::{Store, StoreError};

/// A tree as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTree {
    /// The tree.
    pub tree: SiteTree,
    /// When it was drawn.
    pub updated_at: Timestamp,
}

pub(crate) const TREE: &str =
    "SELECT updated_at, document FROM site_trees WHERE tenant = $1 AND location_id = $2";

pub(crate) fn stored(row: &crate::engine::row::Row) -> Result<StoredTree, StoreError> {
    Ok(StoredTree { tree: row.json("document")?, updated_at: row.at("updated_at")? })
}

impl Store {
    /// The tree of a location; `None`: nobody drew one, or there is no such location.
    ///
    /// # Errors
    /// As [`StoreError`] says; `Corrupt` also for a tree that this release does not take for sound.
    pub async fn site_tree(
        &self,
        tenant: &TenantId,
        location: &LocationId,
    ) -> Result<Option<StoredTree>, StoreError> {
        let rows = self.engine().rows(TREE, params![tenant, location]).await?;
        rows.first().map(stored).transpose()
    }

    /// When the tree of a location was drawn; `None`: it has none.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn site_tree_drawn_at(
        &self,
        tenant: &TenantId,
        location: &LocationId,
    ) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT updated_at FROM site_trees WHERE tenant = $1 AND location_id = $2";
        let rows = self.engine().rows(sql, params![tenant, location]).await?;
        rows.first().map(|row| row.at("updated_at")).transpose()
    }

    /// Keeps a tree in the place of the one before; EVSEs that it does not have any more leave (see [`Store::left_evses`]). `false`: there is no
    /// such location, and nothing is kept.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn put_site_tree(
        &self,
        tenant: &TenantId,
        location: &LocationId,
        tree: &SiteTree,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let sql = "INSERT INTO site_trees (tenant, location_id, updated_at, document) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (tenant, location_id) DO UPDATE SET updated_at = excluded.updated_at, document = excluded.document";
        let mut row = params![tenant, location, now];
        row.push(Param::json(tree)?);
        let (id, put) = (params![tenant, location], Statement::once(sql, row));
        let (tenant, location, tree) = (tenant.clone(), location.clone(), tree.clone());
        self.engine()
            .write(move |tx| {
                Box::pin(async move {
                    if !keep_beside(tx, id, put).await? {
                        return Ok(false);
                    }
                    lock(tx, &tenant, &location).await?;
                    leave_all_but(tx, &tenant, &location, &tree).await?;
                    Ok(true)
                })
            })
            .await
    }

    /// Removes a location's tree, which all its EVSEs leave (see [`Store::left_evses`]); `false`: there was none.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn delete_site_tree(
        &self,
        tenant: &TenantId,
        location: &LocationId,
    ) -> Result<bool, StoreError> {
        let sql = "DELETE FROM site_trees WHERE tenant = $1 AND location_id = $2 RETURNING location_id";
        let delete = Statement::once(sql, params![tenant, location]);
        let leave = all_leave(tenant, location);
        self.engine()
            .write(move |tx| {
                Box::pin(async move {
                    if tx.run(delete).await?.is_empty() {
                        return Ok(false);
                    }
                    for statement in leave {
                        tx.run(statement).await?;
                    }
                    Ok(true)
                })
            })
            .await
    }

    /// The limits from outside that are kept for a location's circuits.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn site_signals(
        &self,
        tenant: &TenantId,
        location: &LocationId,
    ) -> Result<BTreeMap<CircuitId, Vec<Signal>>, StoreError> {
        let sql = "SELECT circuit, document FROM site_signals WHERE tenant = $1 AND location_id = $2";
        let rows = self.engine().rows(sql, params![tenant, location]).await?;
        let signals = |row: &crate::engine::row::Row| {
            let circuit = CircuitId::new(row.text("circuit")?)
                .map_err(|error| StoreError::corrupt(format!("a circuit of a limit: {error}")))?;
            Ok((circuit, row.json("document")?))
        };
        rows.iter().map(signals).collect()
    }

    /// Keeps a circuit's limits from outside in the place of those before; `false`: there is no such location.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn put_site_signals(
        &self,
        tenant: &TenantId,
        location: &LocationId,
        circuit: &CircuitId,
        signals: &[Signal],
    ) -> Result<bool, StoreError> {
        let sql = "INSERT INTO site_signals (tenant, location_id, circuit, document) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (tenant, location_id, circuit) DO UPDATE SET document = excluded.document";
        let mut row = params![tenant, location, circuit.as_str()];
        row.push(Param::json(&signals)?);
        let (id, put) = (params![tenant, location], Statement::once(sql, row));
        self.engine().write(move |tx| Box::pin(keep_beside(tx, id, put))).await
    }
}
