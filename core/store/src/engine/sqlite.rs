//! The embedded engine: one connection that writes, on a thread of its own, and a few that read.
//!
//! Writers queue up at a bounded door; all that wait there share one commit, because the disk's flush is what costs. A job's answer
//! leaves after the commit that covers it.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, OpenFlags};
use tokio::sync::oneshot;

use crate::engine::failure::Moment;
use crate::engine::param::Param;
use crate::engine::row::{Row, Value};
use crate::engine::sqlite::lane::{Finish, Job, Lane};
use crate::engine::{Statement, Tx, Work};
use crate::store::StoreError;

mod lane;

/// Connections that read.
const READERS: usize = 4;
/// How long a statement waits for another process that holds the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const CACHED_STATEMENTS: usize = 256;

/// The embedded engine, open.
#[derive(Debug)]
pub(crate) struct Sqlite {
    writer: Lane,
    readers: Lane,
}

/// The connection of a transaction that is open.
#[derive(Debug)]
pub(crate) struct Open {
    connection: Connection,
}

// === impl Sqlite ===

impl Sqlite {
    /// Opens the file, made when it is absent; `prepare` gets the writing connection before anybody else.
    pub(crate) async fn open<F>(path: &Path, prepare: F) -> Result<Self, StoreError>
    where
        F: FnOnce(&mut Connection) -> Result<(), StoreError> + Send + 'static,
    {
        let path: Arc<Path> = Arc::from(path);
        let (done, opened) = oneshot::channel();
        let spawned = std::thread::Builder::new().name("store-open".to_owned()).spawn(move || {
            // Nobody waits any more: then there is nobody to tell.
            done.send(Self::open_blocking(&path, prepare)).ok();
        });
        spawned.map_err(|error| StoreError::unavailable(format!("no thread to open the store: {error}")))?;
        opened.await.map_err(|_gone| StoreError::unavailable("the store's opening was broken off"))?
    }

    fn open_blocking<F>(path: &Path, prepare: F) -> Result<Self, StoreError>
    where
        F: FnOnce(&mut Connection) -> Result<(), StoreError>,
    {
        keep_to_owner(path)?;
        let mut writer = connect(path)?;
        configure(&writer, WRITER_PRAGMAS)?;
        prepare(&mut writer)?;
        let mut readers = Vec::with_capacity(READERS);
        for _ in 0..READERS {
            let reader = connect(path)?;
            configure(&reader, READER_PRAGMAS)?;
            readers.push(reader);
        }
        Ok(Self { writer: Lane::writing(writer)?, readers: Lane::reading(readers)? })
    }

    pub(crate) async fn read(&self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, StoreError> {
        let (answer, answered) = oneshot::channel();
        let job = Job::read(move |connection| {
            let rows = statements.into_iter().map(|statement| run(connection, statement)).collect();
            answer.send(rows).ok();
        });
        self.readers.push(job).await?;
        answered.await.map_err(|_gone| StoreError::unavailable("the store is closed"))?
    }

    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> Work<'t, T> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job = Job::write(move |tx: Result<&mut Tx, StoreError>| {
            let worked = tx.and_then(|tx| at_once(work(tx)));
            let keep = worked.is_ok();
            let finish: Finish = Box::new(move |commit| {
                answer.send(worked.and_then(|value| commit.map(|()| value))).ok();
            });
            (keep, finish)
        });
        self.writer.push(job).await?;
        // Work that ran is always told of its commit; what is dropped was closed out, or panicked and was rolled back.
        answered.await.map_err(|_gone| StoreError::unavailable("the store broke this work off"))?
    }

    /// Lets what waits finish, then gives the file back.
    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

// === impl Open ===

impl Open {
    pub(crate) fn run_all(&mut self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, StoreError> {
        statements.into_iter().map(|statement| run(&self.connection, statement)).collect()
    }
}

/// FULL: a commit is on the disk before it is acknowledged, also when the power goes.
const WRITER_PRAGMAS: &[(&str, &str)] =
    &[("journal_mode", "WAL"), ("synchronous", "FULL"), ("foreign_keys", "ON"), ("cache_size", "-16000")];
const READER_PRAGMAS: &[(&str, &str)] = &[("query_only", "ON"), ("cache_size", "-8000")];

/// The file holds secrets: it is made for its owner alone, and the log beside it takes over its rights.
fn keep_to_owner(path: &Path) -> Result<(), StoreError> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
        .open(path)
        .map(drop)
        .map_err(|error| StoreError::unavailable(format!("open {}: {error}", path.display())))
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|e| before(&e))?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(|e| before(&e))?;
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    Ok(connection)
}

fn configure(connection: &Connection, pragmas: &[(&str, &str)]) -> Result<(), StoreError> {
    for (name, value) in pragmas {
        connection.pragma_update(None, name, value).map_err(|e| before(&e))?;
    }
    Ok(())
}

/// The value of a future that never waits, which all work on this engine is: its statements block instead.
fn at_once<T>(
    mut work: Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + '_>>,
) -> Result<T, StoreError> {
    match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(worked) => worked,
        Poll::Pending => Err(StoreError::corrupt("a transaction waited for something else than its store")),
    }
}

fn run(connection: &Connection, statement: Statement) -> Result<Vec<Row>, StoreError> {
    let mut rows = Vec::new();
    match statement {
        Statement::Once { sql, params } => {
            let mut prepared = connection.prepare_cached(&sql).map_err(|e| before(&e))?;
            collect(&mut prepared, &params, &mut rows)?;
        }
        Statement::Each { texts, rows: values } => {
            if values.is_empty() {
                return Ok(rows);
            }
            let mut prepared = connection.prepare_cached(texts.one).map_err(|e| before(&e))?;
            for params in &values {
                collect(&mut prepared, params, &mut rows)?;
            }
        }
        // There is no second wall here.
        Statement::Across(inner) => return run(connection, *inner),
    }
    Ok(rows)
}

fn collect(
    statement: &mut CachedStatement<'_>,
    params: &[Param],
    found: &mut Vec<Row>,
) -> Result<(), StoreError> {
    bind(statement, params)?;
    let columns: Arc<[Box<str>]> = statement.column_names().map(Box::from).collect();
    let width = columns.len();
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next().map_err(|e| before(&e))? {
        let values: Result<Vec<_>, _> =
            (0..width).map(|place| row.get_ref(place).map_err(|e| before(&e)).and_then(value)).collect();
        found.push(Row::new(Arc::clone(&columns), values?));
    }
    Ok(())
}

/// SQLite takes `$2` for a name and numbers names as they first appear, so values are bound by name; each must have its place.
fn bind(statement: &mut CachedStatement<'_>, params: &[Param]) -> Result<(), StoreError> {
    if statement.parameter_count() != params.len() {
        return Err(StoreError::corrupt("statement and values differ in number"));
    }
    for (index, param) in params.iter().enumerate() {
        let name = format!("${}", index + 1);
        let place = statement.parameter_index(&name).map_err(|e| before(&e))?;
        let place = place.ok_or_else(|| StoreError::corrupt(format!("statement has no {name}")))?;
        statement.raw_bind_parameter(place, Bound(param)).map_err(|e| before(&e))?;
    }
    Ok(())
}

struct Bound<'a>(&'a Param);

impl rusqlite::ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            Param::Null => ToSqlOutput::Borrowed(ValueRef::Null),
            Param::Int(number) => ToSqlOutput::Borrowed(ValueRef::Integer(*number)),
            Param::Bool(truth) => ToSqlOutput::Borrowed(ValueRef::Integer(i64::from(*truth))),
            Param::Text(text) | Param::Tenant(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Param::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
            Param::Uuid(id) => ToSqlOutput::from(id.to_string()),
        })
    }
}

fn value(value: ValueRef<'_>) -> Result<Value, StoreError> {
    match value {
        ValueRef::Null => Ok(Value::Null),
        ValueRef::Integer(number) => Ok(Value::Int(number)),
        ValueRef::Text(text) => std::str::from_utf8(text)
            .map(|text| Value::Text(text.to_owned()))
            .map_err(|error| StoreError::corrupt(format!("stored text is no UTF-8: {error}"))),
        ValueRef::Blob(bytes) => Ok(Value::Bytes(bytes.to_vec())),
        ValueRef::Real(_) => Err(StoreError::corrupt("a number that is no integer")),
    }
}

fn before(error: &rusqlite::Error) -> StoreError {
    StoreError::of_sqlite(error, Moment::Before)
}
