//! The stations of lost nodes are taken for not connected, some at a time: one lost node may have had 100,000, and whoever buries it
//! must not fail because of them.

use ringmain_domain::id::NodeId;

use crate::engine::param::{Param, params};
use crate::engine::{Statement, Tx};
use crate::store::{Store, StoreError};

/// A node that stations name and that has no row. The nodes they name are found one by one: a station each, not all of them.
const LOST: &str = "WITH RECURSIVE named (node) AS ( \
     SELECT (SELECT node FROM stations WHERE node IS NOT NULL ORDER BY node LIMIT 1) UNION ALL \
     SELECT (SELECT s.node FROM stations s WHERE s.node > named.node ORDER BY s.node LIMIT 1) FROM named WHERE named.node IS NOT NULL) \
     SELECT node AS id FROM named WHERE node IS NOT NULL AND node NOT IN (SELECT id FROM nodes) LIMIT 1";

/// Those there are first. In the order of their keys: two that clear wait for each other, and do not lock each other out.
const SOME: &str = "SELECT id FROM stations WHERE node = $1 ORDER BY tenant, id LIMIT $2";

/// Looks once more whether the node is lost: it may have come back, and said again what it has, before its stations were locked.
const CLEAR: &str = "UPDATE stations SET online = FALSE, node = NULL WHERE node = $1 AND NOT EXISTS (SELECT 1 FROM nodes WHERE id = $1) \
     AND id IN (SELECT id FROM stations WHERE node = $1 ORDER BY tenant, id LIMIT $2) RETURNING id";

const SOME_NAMELESS: &str =
    "SELECT id FROM stations WHERE online AND node IS NULL ORDER BY tenant, id LIMIT $1";
const CLEAR_NAMELESS: &str = "UPDATE stations SET online = FALSE WHERE online AND node IS NULL \
     AND id IN (SELECT id FROM stations WHERE online AND node IS NULL ORDER BY tenant, id LIMIT $1)";

/// How many at a time where nobody says so.
pub(super) const AT_ONCE: u32 = 2_000;

impl Store {
    /// Takes at most `limit` stations of one lost node for not connected; `false`: there are no more. Cheap when there is none: to be
    /// called after a burial, and from time to time because whoever buried may have died before this was done.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn clear_lost_stations(&self, limit: u32) -> Result<bool, StoreError> {
        let found = self.engine().rows_across(LOST, Vec::new()).await?;
        let Some(row) = found.first() else { return Ok(false) };
        let node = NodeId(row.uuid("id")?);
        self.engine()
            .write(move |tx| Box::pin(clear(tx, (SOME, CLEAR), move || params![node, limit])))
            .await?;
        Ok(true)
    }

    /// All stations that are connected to nobody: what a release before this one left behind.
    pub(super) async fn clear_nameless_stations(&self) -> Result<(), StoreError> {
        let some = "SELECT id FROM stations WHERE online AND node IS NULL LIMIT 1";
        while !self.engine().rows_across(some, Vec::new()).await?.is_empty() {
            self.engine()
                .write(move |tx| Box::pin(clear(tx, (SOME_NAMELESS, CLEAR_NAMELESS), || params![AT_ONCE])))
                .await?;
        }
        Ok(())
    }
}

async fn clear(
    tx: &mut Tx,
    (some, clear): (&'static str, &'static str),
    of: impl Fn() -> Vec<Param>,
) -> Result<(), StoreError> {
    let mut all = Vec::new();
    if tx.has_rivals() {
        all.push(Statement::once(format!("{some} FOR UPDATE"), of()).across());
    }
    all.push(Statement::once(clear, of()).across());
    tx.run_all(all).await.map(drop)
}
