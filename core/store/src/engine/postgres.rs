//! The cluster's engine: a pool of connections, driven by a thread of the store's own.
//!
//! The driver has no query time-out, so each wait has one here, and the server has its own. All of them together stay below the 20 s
//! for which a station's message may be held (reliability.md 2). A connection whose transaction did not end cleanly is thrown away.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use futures_util::future::try_join_all;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;
use tokio_postgres::types::ToSql;

use crate::engine::failure::Moment;
use crate::engine::param::Param;
use crate::engine::postgres::tls::Tls;
use crate::engine::reach::{FOR_CONNECTION, FOR_TRANSACTION, Reach};
use crate::engine::row::{Row, Value};
use crate::engine::{Statement, Tx, Work};
use crate::store::StoreError;

mod address;
mod connect;
mod tls;

const CONNECTIONS: usize = 16;
/// So many connections are for those who write alone: however many people read slowly, the lease is renewed and facts are committed.
const FOR_WRITING: usize = 4;
/// Until a connection is free.
const WAIT: Duration = Duration::from_secs(3);
const CONNECT: Duration = Duration::from_secs(3);
const BEGIN: Duration = Duration::from_secs(2);
/// All statements of a read, or of a transaction.
const WORK: Duration = Duration::from_secs(7);
const COMMIT: Duration = Duration::from_secs(4);

const TOO_SLOW: &str = "the database does not answer in time";

/// The cluster's engine, open.
#[derive(Debug)]
pub(crate) struct Postgres {
    pool: Pool,
    readers: Arc<Semaphore>,
    runtime: tokio::runtime::Handle,
    /// Dropped with the store: the thread of the runtime ends then.
    _running: oneshot::Sender<()>,
}

/// The connection of a transaction that is open.
#[derive(Debug)]
pub(crate) struct Open {
    /// Absent once the transaction has ended cleanly.
    client: Option<Object>,
    /// A statement went wrong: nothing of this transaction can be committed.
    broken: bool,
    /// The tenants of all its statements until now.
    reach: Reach,
}

// === impl Postgres ===

impl Postgres {
    /// Connects. `prepare` gets a connection of its own before anybody else.
    pub(crate) async fn open<F, P>(url: &str, prepare: F) -> Result<Self, StoreError>
    where
        F: FnOnce(tokio_postgres::Client) -> P + Send + 'static,
        P: Future<Output = Result<(), StoreError>> + Send + 'static,
    {
        let (mut config, tls) = address::read(url)?;
        connect::defaults(&mut config);
        let tls = Tls::open(tls)?;
        let first = tls.connector();
        let (runtime, running) = start_runtime()?;
        let manager = Manager::from_connect(
            config.clone(),
            connect::Connector(tls),
            ManagerConfig { recycling_method: RecyclingMethod::Fast },
        );
        let pool = Pool::builder(manager)
            .max_size(CONNECTIONS)
            .wait_timeout(Some(WAIT))
            .create_timeout(Some(CONNECT))
            .recycle_timeout(Some(CONNECT))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| StoreError::unavailable(error.to_string()))?;
        let prepared = runtime.spawn(async move {
            let (client, driver) = connect::plain(&config, first).await?;
            let outcome = prepare(client).await;
            driver.abort();
            outcome
        });
        prepared.await.map_err(|gone| StoreError::unavailable(gone.to_string()))??;
        let readers = Arc::new(Semaphore::new(CONNECTIONS - FOR_WRITING));
        Ok(Self { pool, readers, runtime, _running: running })
    }

    pub(crate) async fn read(&self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, StoreError> {
        let (pool, readers) = (self.pool.clone(), Arc::clone(&self.readers));
        let reading = self.runtime.spawn(async move {
            let _turn = match timeout(WAIT, readers.acquire()).await {
                Ok(turn) => turn.map_err(|closed| StoreError::unavailable(closed.to_string()))?,
                Err(_elapsed) => return Err(StoreError::unavailable("too many read at once")),
            };
            run_alone(pool, statements, Moment::Before).await
        });
        reading.await.map_err(|gone| StoreError::unavailable(gone.to_string()))?
    }

    /// Runs one statement that is its own transaction, in one round trip.
    pub(crate) async fn change(&self, statement: Statement) -> Result<Vec<Row>, StoreError> {
        let changing = self.runtime.spawn(run_alone(self.pool.clone(), vec![statement], Moment::Commit));
        let mut answers = changing.await.map_err(|gone| StoreError::unknown(gone.to_string()))??;
        Ok(answers.pop().unwrap_or_default())
    }

    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> Work<'t, T> + Send + 'static,
    {
        let pool = self.pool.clone();
        let writing = self.runtime.spawn(async move {
            let client = take(&pool).await?;
            let mut tx = Tx::Postgres(Open::begin(client).await?);
            let worked = timeout(WORK, work(&mut tx))
                .await
                .unwrap_or_else(|_elapsed| Err(StoreError::unavailable(TOO_SLOW)));
            end(tx, worked).await
        });
        // A task that is gone took its connection with it; how far it had come nobody knows.
        writing.await.map_err(|gone| StoreError::unknown(gone.to_string()))?
    }

    /// Lets nobody in any more; what has a connection may finish.
    pub(crate) fn close(&self) {
        self.pool.close();
    }
}

/// Runs statements that are a transaction each.
async fn run_alone(
    pool: Pool,
    statements: Vec<Statement>,
    moment: Moment,
) -> Result<Vec<Vec<Row>>, StoreError> {
    let client = take(&pool).await?;
    let mut reach = Reach::default();
    reach.widen(&statements);
    let is_across = statements.iter().any(Statement::is_across);
    // Always: who had the connection before reached somebody else.
    let mut all = vec![Statement::once(FOR_CONNECTION, reach.setting(is_across))];
    all.extend(statements);
    let worked = timeout(WORK, run_all(&client, all, moment)).await;
    let answers = match worked.map(|answers| answers.map(|all| all.into_iter().skip(1).collect())) {
        Ok(answers) => answers,
        Err(_elapsed) if moment == Moment::Commit => Err(StoreError::unknown(TOO_SLOW)),
        Err(_elapsed) => Err(StoreError::unavailable(TOO_SLOW)),
    };
    if let Err(StoreError::Unavailable { .. } | StoreError::Unknown { .. }) = answers {
        // It is dead, or its answers are still to come, to nobody: not a connection for the next one.
        drop(Object::take(client));
    }
    answers
}

/// Commits what worked and rolls back what did not.
async fn end<T>(tx: Tx, worked: Result<T, StoreError>) -> Result<T, StoreError> {
    let Tx::Postgres(mut open) = tx else { return worked };
    let value = match worked {
        Ok(_) if open.broken => Err(StoreError::corrupt("a broken transaction was to be committed")),
        worked => worked,
    };
    let (sql, moment) = if value.is_ok() { ("COMMIT", Moment::Commit) } else { ("ROLLBACK", Moment::Before) };
    let ended = match open.client.as_ref() {
        Some(client) => timeout(COMMIT, client.batch_execute(sql)).await,
        None => return value,
    };
    match ended {
        Ok(Ok(())) => {
            // Back to the pool.
            drop(open.client.take());
            value
        }
        Ok(Err(error)) => value.and_then(|_| Err(StoreError::of_postgres(&error, moment))),
        Err(_elapsed) => value.and_then(|_| Err(StoreError::unknown("the commit is not confirmed in time"))),
    }
}

/// A runtime on a thread of its own: connections must outlive the arbiter that asked first, and their clocks must not be a test's.
fn start_runtime() -> Result<(tokio::runtime::Handle, oneshot::Sender<()>), StoreError> {
    let started = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = started.map_err(|error| StoreError::unavailable(format!("no runtime: {error}")))?;
    let handle = runtime.handle().clone();
    let (running, ended) = oneshot::channel::<()>();
    std::thread::Builder::new()
        .name("store-postgres".to_owned())
        .spawn(move || {
            // It ends by being dropped, which is what is waited for.
            runtime.block_on(ended).ok();
        })
        .map_err(|error| StoreError::unavailable(format!("no thread for the store: {error}")))?;
    Ok((handle, running))
}

async fn take(pool: &Pool) -> Result<Object, StoreError> {
    pool.get().await.map_err(|error| match error {
        deadpool_postgres::PoolError::Backend(error) => StoreError::of_postgres(&error, Moment::Before),
        other => StoreError::unavailable(other.to_string()),
    })
}

// === impl Open ===

impl Open {
    async fn begin(client: Object) -> Result<Self, StoreError> {
        let open = Self { client: Some(client), broken: false, reach: Reach::default() };
        if let Some(client) = &open.client {
            let begin = "BEGIN; SET LOCAL ringmain.tenants = ''";
            let begun = timeout(BEGIN, client.batch_execute(begin)).await;
            begun
                .map_err(|_elapsed| StoreError::unavailable(TOO_SLOW))?
                .map_err(|error| StoreError::of_postgres(&error, Moment::Before))?;
        }
        Ok(open)
    }

    pub(crate) async fn run_all(&mut self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, StoreError> {
        let Some(client) = self.client.as_ref() else {
            return Err(StoreError::corrupt("the transaction has ended"));
        };
        let (is_wider, is_across) =
            (self.reach.widen(&statements), statements.iter().any(Statement::is_across));
        let count = statements.len();
        let told = |is_across| Statement::once(FOR_TRANSACTION, self.reach.setting(is_across));
        let mut all = Vec::with_capacity(count.saturating_add(2));
        if is_wider || is_across {
            all.push(told(is_across));
        }
        let before = all.len();
        all.extend(statements);
        if is_across {
            // The door shuts behind them.
            all.push(told(false));
        }
        let answers = run_all(client, all, Moment::Before).await;
        self.broken |= answers.is_err();
        answers.map(|answers| answers.into_iter().skip(before).take(count).collect())
    }
}

impl Drop for Open {
    /// Whoever still has a connection here has a transaction on it: it must not go back to the pool.
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            drop(Object::take(client));
        }
    }
}

/// Sends all statements and then waits for all answers.
async fn run_all(
    client: &Object,
    statements: Vec<Statement>,
    moment: Moment,
) -> Result<Vec<Vec<Row>>, StoreError> {
    let mut ready = Vec::with_capacity(statements.len());
    for mut statement in statements {
        while let Statement::Across(inner) = statement {
            statement = *inner;
        }
        let (sql, params) = match statement {
            Statement::Once { sql, params } => (sql, Values::Row(params)),
            Statement::Each { texts, rows } if rows.is_empty() => (texts.all.into(), Values::Nothing),
            Statement::Each { texts, rows } => (texts.all.into(), Values::Columns(columns(rows))),
            Statement::Across(_) => continue,
        };
        let prepared = match params {
            Values::Nothing => None,
            Values::Row(_) | Values::Columns(_) => Some(
                client.prepare_cached(&sql).await.map_err(|e| StoreError::of_postgres(&e, Moment::Before))?,
            ),
        };
        ready.push((prepared, params));
    }
    // In this order: of statements that follow an error, only the first error is one.
    try_join_all(ready.iter().map(async |(prepared, params)| {
        let Some(prepared) = prepared else { return Ok(Vec::new()) };
        let rows = client.query(prepared, &params.refs()).await;
        rows.map_err(|e| StoreError::of_postgres(&e, moment))?.iter().map(row).collect()
    }))
    .await
}

enum Values {
    Nothing,
    Row(Vec<Param>),
    Columns(Vec<Vec<Param>>),
}

// === impl Values ===

impl Values {
    fn refs(&self) -> Vec<&(dyn ToSql + Sync)> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Row(params) => params.iter().map(plain).collect(),
            Self::Columns(columns) => columns.iter().map(plain).collect(),
        }
    }
}

fn plain<T: ToSql + Sync>(value: &T) -> &(dyn ToSql + Sync) {
    value
}

/// Rows of values turned into an array for each column.
fn columns(rows: Vec<Vec<Param>>) -> Vec<Vec<Param>> {
    let width = rows.first().map_or(0, Vec::len);
    let mut columns: Vec<Vec<Param>> = (0..width).map(|_| Vec::with_capacity(rows.len())).collect();
    for row in rows {
        for (column, value) in columns.iter_mut().zip(row) {
            column.push(value);
        }
    }
    columns
}

fn row(row: &tokio_postgres::Row) -> Result<Row, StoreError> {
    let names = row.columns().iter().map(|column| Box::from(column.name())).collect();
    let values: Result<Vec<_>, _> = (0..row.len())
        .map(|place| row.try_get::<_, Value>(place).map_err(|e| StoreError::of_postgres(&e, Moment::Before)))
        .collect();
    Ok(Row::new(names, values?))
}
