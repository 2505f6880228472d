//! Routes in Redis: which node has a station. Set by a higher epoch only, deleted by their own only, and rebuilt by every node from its own
//! connections ([`super::sweep`]): whatever Redis loses, nothing but time is lost.
//!
//! Redis may be one server (`redis://`, `rediss://`), a Sentinel's master (`redis-sentinel://host,host/name`) or a Cluster
//! (`redis-cluster://host,host`). Each question waits half a second at most; after a failure Redis counts as away for a moment, so that
//! nobody waits for it twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster_async::ClusterConnection;
use redis::{Cmd, Pipeline, RedisFuture, Script, Value};
use ringmain_domain::cluster::routes::Place;
use ringmain_domain::id::{Epoch, NodeId, StationId};
use ringmain_domain::telemetry;
use tokio::sync::Mutex;

use super::address::{RedisAddress, Server};
use super::lease::since_boot_ms;
use super::runtime::Runtime;

/// How long one question may take.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long Redis counts as away after a question was not answered, in milliseconds.
const AWAY_MS: i64 = 500;
/// A route that nobody asserts again is gone after so long (reliability.md 6).
const ROUTE_TTL_MS: u64 = 90_000;
/// A node's sign of life is gone after so long.
const NODE_TTL_MS: u64 = 10_000;
/// The form of the values: a later release reads this one's.
const FORM: u32 = 1;

/// Sets a route over an older one or none. KEYS: the route. ARGV: epoch, value, milliseconds. Gives what was there, which stays if it is newer.
const ASSERT: &str = "local there = redis.call('GET', KEYS[1]) \
    if there then local epoch = tonumber(string.match(there, '^%d+ (%d+)')) \
    if epoch and epoch > tonumber(ARGV[1]) then return there end end \
    redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) return there";

/// Deletes a route of this epoch. KEYS: the route. ARGV: epoch.
const RELEASE: &str = "local there = redis.call('GET', KEYS[1]) \
    if there and string.match(there, '^%d+ (%d+)') == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

/// Redis cannot be asked just now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("redis is away: {0}")]
pub struct Away(String);

/// What became of a route that was asserted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asserted {
    /// It stands.
    Stands {
        /// What it stands in the place of.
        before: Option<Place>,
    },
    /// A newer connection has it.
    Superseded(Epoch),
}

/// Routes in Redis. Cheap to clone.
#[derive(Clone)]
pub struct RedisRoutes {
    shared: Arc<Shared>,
}

struct Shared {
    address: RedisAddress,
    prefix: Box<str>,
    runtime: Runtime,
    connection: Mutex<Option<Live>>,
    /// Milliseconds since boot until which it counts as away.
    away_until: AtomicI64,
    assert: Script,
    release: Script,
}

#[derive(Clone)]
enum Live {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
}

// === impl Live ===

impl ConnectionLike for Live {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Server(connection) => connection.req_packed_command(cmd),
            Self::Cluster(connection) => connection.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Server(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Server(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}

// === impl RedisRoutes ===

impl RedisRoutes {
    /// Routes at this address, their keys after this prefix. Nothing is asked yet.
    #[must_use]
    pub fn new(address: RedisAddress, prefix: &str, runtime: Runtime) -> Self {
        let shared = Shared {
            address,
            prefix: prefix.into(),
            runtime,
            connection: Mutex::default(),
            away_until: AtomicI64::new(0),
            assert: Script::new(ASSERT),
            release: Script::new(RELEASE),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Where its work goes on.
    #[must_use]
    pub fn runtime(&self) -> &Runtime {
        &self.shared.runtime
    }

    /// A connection is at this node, unless a newer one is known.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn assert(&self, mine: Place, station: &StationId) -> Result<Asserted, Away> {
        let (shared, key) = (Arc::clone(&self.shared), self.route_key(station));
        let Place { node, epoch } = mine;
        let value = format!("{FORM} {} {node}", epoch.0);
        let there: Option<String> = self
            .ask(move |mut live| async move {
                let mut call = shared.assert.prepare_invoke();
                call.key(key).arg(epoch.0).arg(value).arg(ROUTE_TTL_MS);
                call.invoke_async(&mut live).await
            })
            .await?;
        let before = there.as_deref().and_then(read_place);
        Ok(match before {
            Some(there) if there.epoch > epoch => Asserted::Superseded(there.epoch),
            before => Asserted::Stands { before },
        })
    }

    /// A connection is over; the route of another one stays.
    ///
    /// # Errors
    /// Redis is away: the route goes by itself, or with the next connection.
    pub async fn release(&self, station: &StationId, epoch: Epoch) -> Result<(), Away> {
        let (shared, key) = (Arc::clone(&self.shared), self.route_key(station));
        let _deleted: i64 = self
            .ask(move |mut live| async move {
                let mut call = shared.release.prepare_invoke();
                call.key(key).arg(epoch.0).invoke_async(&mut live).await
            })
            .await?;
        Ok(())
    }

    /// Where a station is, as far as anybody said.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn find(&self, station: &StationId) -> Result<Option<Place>, Away> {
        let key = self.route_key(station);
        let value: Option<String> =
            self.ask(move |mut live| async move { Cmd::get(key).query_async(&mut live).await }).await?;
        Ok(value.as_deref().and_then(read_place))
    }

    /// This node lives. `false`: Redis did not know any more, so it has lost what it had.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn sign_of_life(&self, node: NodeId, address: &str) -> Result<bool, Away> {
        let key = format!("{}:node:{node}", self.shared.prefix);
        let value = format!("{FORM} {address}");
        let known: Option<String> = self
            .ask(move |mut live| async move {
                let mut set = Cmd::new();
                set.arg("SET").arg(key).arg(value).arg("PX").arg(NODE_TTL_MS).arg("GET");
                set.query_async(&mut live).await
            })
            .await?;
        Ok(known.is_some())
    }

    fn route_key(&self, station: &StationId) -> String {
        format!("{}:route:{station}", self.shared.prefix)
    }

    async fn ask<T, F, W>(&self, question: F) -> Result<T, Away>
    where
        T: Send + 'static,
        F: FnOnce(Live) -> W + Send + 'static,
        W: Future<Output = redis::RedisResult<T>> + Send,
    {
        if since_boot_ms() < self.shared.away_until.load(Ordering::Relaxed) {
            return Err(Away("it did not answer a moment ago".to_owned()));
        }
        let shared = Arc::clone(&self.shared);
        let asked = self.shared.runtime.run(async move {
            match tokio::time::timeout(PATIENCE, shared.ask(question)).await {
                Ok(Ok(answer)) => Ok(answer),
                // Redis answered: what is wrong with one key is not wrong with all of them.
                Ok(Err(error)) if !is_loss(&error) => Err(Away(error.to_string())),
                Ok(Err(error)) => shared.is_away(error.to_string()).await,
                Err(_elapsed) => shared.is_away("no answer in time".to_owned()).await,
            }
        });
        asked.await.unwrap_or_else(|| Err(Away("this node ends".to_owned())))
    }
}

// === impl Shared ===

impl Shared {
    async fn ask<T, F, W>(&self, question: F) -> redis::RedisResult<T>
    where
        F: FnOnce(Live) -> W,
        W: Future<Output = redis::RedisResult<T>>,
    {
        let live = {
            let mut connection = self.connection.lock().await;
            match &*connection {
                Some(live) => live.clone(),
                None => connection.insert(self.connect().await?).clone(),
            }
        };
        question(live).await
    }

    async fn connect(&self) -> redis::RedisResult<Live> {
        Ok(match self.address.open()? {
            Server::Single(client) => Live::Server(client.get_multiplexed_async_connection().await?),
            Server::Sentinel(mut client) => Live::Server(client.get_async_connection().await?),
            Server::Cluster(client) => Live::Cluster(client.get_async_connection().await?),
        })
    }

    async fn is_away<T>(&self, why: String) -> Result<T, Away> {
        metrics::counter!(telemetry::CLUSTER_REDIS_AWAY).increment(1);
        self.away_until.store(since_boot_ms().saturating_add(AWAY_MS), Ordering::Relaxed);
        // A new connection next time: a Sentinel's master may be another one by then.
        *self.connection.lock().await = None;
        Err(Away(why))
    }
}

/// Does the error say that the connection or the server is gone, not that it refuses one question?
fn is_loss(error: &redis::RedisError) -> bool {
    error.is_io_error()
        || error.is_connection_dropped()
        || error.is_timeout()
        || error.is_cluster_error()
        || error
            .code()
            .is_none_or(|code| matches!(code, "READONLY" | "LOADING" | "MASTERDOWN" | "NOAUTH" | "NOPERM"))
}

fn read_place(value: &str) -> Option<Place> {
    let mut words = value.split(' ');
    let _form: u32 = words.next()?.parse().ok()?;
    let epoch = Epoch(words.next()?.parse().ok()?);
    let node = words.next()?.parse().ok()?;
    Some(Place { node, epoch })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_a_later_form_is_read_as_far_as_it_is_known() {
        let node = NodeId(uuid::Uuid::from_u128(7));
        let place = Some(Place { node, epoch: Epoch(12) });
        assert_eq!(read_place(&format!("1 12 {node}")), place);
        assert_eq!(read_place(&format!("2 12 {node} eu-west")), place);
        for odd in ["", "1", "1 x y", "1 12", "1 12 node", "a 12 b"] {
            assert_eq!(read_place(odd), None, "{odd:?}");
        }
    }
}
