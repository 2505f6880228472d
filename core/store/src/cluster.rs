//! The nodes of a cluster: their leases by the database's clock, what becomes of a lost node's stations, sites and commands.
//!
//! Who may take over what is domain's to say ([`ringmain_domain::cluster`]); here the rows are locked, read and changed.

use ringmain_domain::cluster::lease;
use ringmain_domain::command::{CommandOutcome, CommandResult};
use ringmain_domain::id::{Epoch, LocationId, NodeId, StationId, TenantId};
use ringmain_domain::time::Timestamp;

use crate::engine::param::{Param, params};
use crate::engine::row::Row;
use crate::engine::{Engine, Statement, Texts, Tx};
use crate::store::{Store, StoreError};

mod lost;

/// A node as it says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRecord {
    /// This run of it.
    pub id: NodeId,
    /// Its name, for people.
    pub name: Box<str>,
    /// Where other nodes reach it, `host:port`; none of a node that is alone.
    pub address: Option<Box<str>>,
    /// Its release.
    pub release: Box<str>,
    /// When it started, by its own clock.
    pub started_at: Timestamp,
}

/// A node as the others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRow {
    /// What it says of itself.
    pub node: NodeRecord,
    /// How long its lease goes on, by the database's clock; negative: it is over so long, in milliseconds.
    pub lease_left_ms: i64,
    /// It leaves.
    pub draining: bool,
    /// Stations connected to it when it last renewed its lease.
    pub connections: u64,
    /// Sites it owns.
    pub sites: u64,
}

/// A site that a node owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedSite {
    /// Whose site.
    pub location: LocationId,
    /// The node.
    pub node: NodeId,
    /// Rises with every owner.
    pub epoch: Epoch,
}

/// Where the store says a station is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StationPlace {
    /// Which station.
    pub station: StationId,
    /// The newest connection it had.
    pub epoch: Epoch,
    /// The node that has it; none while it is not connected.
    pub node: Option<NodeId>,
    /// When its record last changed.
    pub updated_at: Timestamp,
}

const NODES: &str = "SELECT n.id, n.name, n.address, n.release, n.started_at, n.lease_until - NOW_MS AS lease_left, n.draining, \
     n.connections, (SELECT count(*) FROM site_ledgers l WHERE l.owner_node = n.id) AS sites FROM nodes n ORDER BY n.name, n.id";

static PLACES: Texts = Texts {
    one: "SELECT id, conn_epoch, node, updated_at FROM stations WHERE id = $1",
    all: "SELECT s.id, s.conn_epoch, s.node, s.updated_at FROM unnest($1::text[]) AS k(id) JOIN stations s ON s.id = k.id",
};

static ASSERT: Texts = Texts {
    one: "UPDATE stations SET online = TRUE, node = $2, conn_epoch = $3 WHERE id = $1 AND conn_epoch <= $3",
    all: "UPDATE stations s SET online = TRUE, node = k.node, conn_epoch = k.epoch \
          FROM unnest($1::text[], $2::uuid[], $3::bigint[]) AS k(id, node, epoch) WHERE s.id = k.id AND s.conn_epoch <= k.epoch",
};

static CLEAR: Texts = Texts {
    one: "UPDATE stations SET online = FALSE, node = NULL WHERE id = $1 AND node = $2 AND conn_epoch = $3",
    all: "UPDATE stations s SET online = FALSE, node = NULL \
          FROM unnest($1::text[], $2::uuid[], $3::bigint[]) AS k(id, node, epoch) \
          WHERE s.id = k.id AND s.node = k.node AND s.conn_epoch = k.epoch",
};

impl Store {
    /// A node takes part from now on. Earlier runs at its address are lost at once: they cannot live where it listens. One without an address
    /// is alone, and all others without one are earlier runs. Gives back which were lost.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn register_node(&self, node: &NodeRecord, now: Timestamp) -> Result<Vec<NodeId>, StoreError> {
        if self.engine().rows("SELECT id FROM nodes LIMIT 1", Vec::new()).await?.is_empty() {
            // Before this node is known: whoever ends here is followed by one that does it again.
            self.clear_nameless_stations().await?;
        }
        let node = node.clone();
        // Those that started earlier (`lease::is_earlier_run`): a registration that a killed run left behind may be carried out late.
        let earlier = "DELETE FROM nodes WHERE id <> $1 AND address IS NOT DISTINCT FROM $2 AND started_at < $3 RETURNING id";
        let enter = self.by_clock(
            "INSERT INTO nodes (id, name, address, release, started_at, lease_until, draining, connections) \
             VALUES ($1, $2, $3, $4, $5, NOW_MS + $6, FALSE, 0) ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until",
        );
        self.engine()
            .write(move |tx| {
                Box::pin(async move {
                    // Nobody else has an embedded store open: all others are earlier, whatever a clock that was set back says.
                    let start = if tx.has_rivals() { node.started_at.as_millis() } else { i64::MAX };
                    let of = params![node.id, node.address.as_deref(), start];
                    let lost = ids(&tx.run(Statement::once(earlier, of)).await?)?;
                    let is_first =
                        tx.run(Statement::once("SELECT id FROM nodes LIMIT 1", Vec::new())).await?.is_empty();
                    let row = params![
                        node.id,
                        &*node.name,
                        node.address.as_deref(),
                        &*node.release,
                        node.started_at,
                        lease::LEASE_MS,
                    ];
                    tx.run(Statement::once(enter, row)).await?;
                    bury(tx, &lost, now).await?;
                    if is_first {
                        // Whatever a release before this one left behind belongs to nobody.
                        bury_nameless(tx, now).await?;
                    }
                    Ok(lost)
                })
            })
            .await
    }

    /// Renews a node's lease and says how it is; how late it is by the database's clock, in milliseconds. `None`: it has no lease that may be
    /// renewed (`lease::may_renew`), so it has to register again.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn renew_lease(
        &self,
        node: NodeId,
        connections: u64,
        draining: bool,
    ) -> Result<Option<i64>, StoreError> {
        let sql = self.by_clock(
            "UPDATE nodes SET lease_until = NOW_MS + $2, connections = $3, draining = $4 \
             WHERE id = $1 AND lease_until + $5 > NOW_MS RETURNING NOW_MS AS now_ms",
        );
        let connections = i64::try_from(connections).unwrap_or(i64::MAX);
        let params = params![node, lease::LEASE_MS, connections, draining, lease::CLAIM_MARGIN_MS];
        self.engine().change(sql, params).await?.first().map(|row| row.int("now_ms")).transpose()
    }

    /// How late it is by the database's clock, in milliseconds.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn now(&self) -> Result<i64, StoreError> {
        let rows = self.engine().rows(self.by_clock("SELECT NOW_MS AS now_ms"), Vec::new()).await?;
        rows.first().ok_or_else(|| StoreError::corrupt("the clock gave no row"))?.int("now_ms")
    }

    /// All nodes that are not buried yet, by name.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn nodes(&self) -> Result<Vec<NodeRow>, StoreError> {
        let rows = self.engine().rows_across(self.by_clock(NODES), Vec::new()).await?;
        rows.iter().map(node_row).collect()
    }

    /// Buries nodes whose leases are over, but not the one that asks: their sites are nobody's, what commands they had open may have been
    /// seen, and their stations are for [`Store::clear_lost_stations`]. Gives back which; each is given back to one caller only.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn bury_lost_nodes(&self, me: NodeId, now: Timestamp) -> Result<Vec<NodeId>, StoreError> {
        // Most of the time nobody is lost: nothing is written then.
        let over = self.by_clock("SELECT id FROM nodes WHERE lease_until + $1 <= NOW_MS AND id <> $2");
        if self.engine().rows(over, params![lease::CLAIM_MARGIN_MS, me]).await?.is_empty() {
            return Ok(Vec::new());
        }
        let take =
            self.by_clock("DELETE FROM nodes WHERE lease_until + $1 <= NOW_MS AND id <> $2 RETURNING id");
        self.engine()
            .write(move |tx| {
                Box::pin(async move {
                    let of = params![lease::CLAIM_MARGIN_MS, me];
                    let lost = ids(&tx.run(Statement::once(take, of)).await?)?;
                    bury(tx, &lost, now).await?;
                    Ok(lost)
                })
            })
            .await
    }

    /// A node leaves: it has no lease, no site and no station any more.
    ///
    /// # Errors
    /// As [`StoreError`] says; it has no lease any more when only its stations are still there, which others clear.
    pub async fn remove_node(&self, node: NodeId, now: Timestamp) -> Result<(), StoreError> {
        self.engine()
            .write(move |tx| {
                Box::pin(async move {
                    tx.run(Statement::once("DELETE FROM nodes WHERE id = $1", params![node])).await?;
                    bury(tx, &[node], now).await
                })
            })
            .await?;
        while self.clear_lost_stations(lost::AT_ONCE).await? {}
        Ok(())
    }

    /// A node gives its sites away, before it closes its sockets.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn release_sites(&self, node: NodeId) -> Result<(), StoreError> {
        let sql = "UPDATE site_ledgers SET owner_node = NULL WHERE owner_node = $1";
        self.engine().change_across(sql, params![node]).await.map(drop)
    }

    /// Which node owns a site, whether or not it lives.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn site_owner(
        &self,
        tenant: &TenantId,
        location: &LocationId,
    ) -> Result<Option<NodeId>, StoreError> {
        let sql = "SELECT owner_node FROM site_ledgers WHERE tenant = $1 AND location_id = $2";
        let rows = self.engine().rows(sql, params![tenant, location]).await?;
        Ok(rows.first().map(|row| row.uuid_or_null("owner_node")).transpose()?.flatten().map(NodeId))
    }

    /// Stations that the store has at this node, with their connections' numbers.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn stations_at(&self, node: NodeId) -> Result<Vec<(StationId, Epoch)>, StoreError> {
        let sql = "SELECT id, conn_epoch FROM stations WHERE node = $1";
        let rows = self.engine().rows_across(sql, params![node]).await?;
        rows.iter().map(|row| Ok((row.named("id")?, Epoch(row.int("conn_epoch")?)))).collect()
    }

    /// These connections are over, unless newer ones are known: so it is said again where it was not heard.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn clear_places(
        &self,
        node: NodeId,
        connections: &[(StationId, Epoch)],
    ) -> Result<(), StoreError> {
        let row = |(station, epoch): &(StationId, Epoch)| params![station, node, *epoch];
        let rows = connections.iter().map(row).collect();
        self.engine().change_all(Statement::each(&CLEAR, rows).across()).await.map(drop)
    }

    /// The sites of a tenant that nodes own, by location; at most `limit`.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn owned_sites(&self, tenant: &TenantId, limit: u32) -> Result<Vec<OwnedSite>, StoreError> {
        let sql = "SELECT location_id, owner_node, owner_epoch FROM site_ledgers WHERE tenant = $1 AND owner_node IS NOT NULL \
             ORDER BY location_id LIMIT $2";
        let rows = self.engine().rows(sql, params![tenant, limit]).await?;
        let site = |row: &Row| {
            let (location, node) = (row.named("location_id")?, NodeId(row.uuid("owner_node")?));
            Ok(OwnedSite { location, node, epoch: Epoch(row.int("owner_epoch")?) })
        };
        rows.iter().map(site).collect()
    }

    /// Where these stations are; those that are not known are left out.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn station_places(&self, stations: &[StationId]) -> Result<Vec<StationPlace>, StoreError> {
        let rows = stations.iter().map(|station| params![station]).collect();
        let rows = self.engine().read(vec![Statement::each(&PLACES, rows).across()]).await?;
        rows.iter().flatten().map(place).collect()
    }

    /// These connections are at this node, unless a newer one is somewhere: so it is said again after the node was buried and came back.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn assert_places(
        &self,
        node: NodeId,
        connections: &[(StationId, Epoch)],
    ) -> Result<(), StoreError> {
        let row = |(station, epoch): &(StationId, Epoch)| params![station, node, epoch.0];
        let rows = connections.iter().map(row).collect();
        self.engine().change_all(Statement::each(&ASSERT, rows).across()).await.map(drop)
    }

    /// A statement in which `NOW_MS` stands for the database's clock, in milliseconds.
    fn by_clock(&self, sql: &str) -> String {
        sql.replace("NOW_MS", clock(self.engine()))
    }
}

/// The database's clock, in milliseconds since 1970.
pub(crate) const fn clock(engine: &Engine) -> &'static str {
    if engine.is_postgres() {
        "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)"
    } else {
        "CAST(unixepoch('subsec') * 1000 AS INTEGER)"
    }
}

/// What lost nodes had belongs to nobody: their sites and commands. Of stations there may be too many for one transaction:
/// [`Store::clear_lost_stations`].
async fn bury(tx: &mut Tx, lost: &[NodeId], now: Timestamp) -> Result<(), StoreError> {
    let unknown = CommandResult::bare(CommandOutcome::TimeoutUnknown);
    for node in lost {
        let orphan = "UPDATE site_ledgers SET owner_node = NULL WHERE owner_node = $1";
        let end = "UPDATE commands SET result = $2, ended_at = $3 WHERE node = $1 AND result IS NULL";
        tx.run_all(vec![
            Statement::once(orphan, params![*node]).across(),
            Statement::once(end, vec![Param::from(*node), Param::json(&unknown)?, Param::from(now)]).across(),
        ])
        .await?;
    }
    Ok(())
}

/// As [`bury`], for what has the name of no node.
async fn bury_nameless(tx: &mut Tx, now: Timestamp) -> Result<(), StoreError> {
    let unknown = CommandResult::bare(CommandOutcome::TimeoutUnknown);
    let end = "UPDATE commands SET result = $1, ended_at = $2 WHERE node IS NULL AND result IS NULL";
    tx.run(Statement::once(end, vec![Param::json(&unknown)?, Param::from(now)]).across()).await.map(drop)
}

fn ids(rows: &[Row]) -> Result<Vec<NodeId>, StoreError> {
    rows.iter().map(|row| row.uuid("id").map(NodeId)).collect()
}

fn node_row(row: &Row) -> Result<NodeRow, StoreError> {
    Ok(NodeRow {
        node: NodeRecord {
            id: NodeId(row.uuid("id")?),
            name: row.text("name")?.into(),
            address: row.words("address")?,
            release: row.text("release")?.into(),
            started_at: row.at("started_at")?,
        },
        lease_left_ms: row.int("lease_left")?,
        draining: row.boolean("draining")?,
        connections: row.number("connections")?,
        sites: row.number("sites")?,
    })
}

fn place(row: &Row) -> Result<StationPlace, StoreError> {
    Ok(StationPlace {
        station: row.named("id")?,
        epoch: Epoch(row.int("conn_epoch")?),
        node: row.uuid_or_null("node")?.map(NodeId),
        updated_at: row.at("updated_at")?,
    })
}
