//! Threads that own SQLite connections, and the bounded door before them.
//!
//! The writer takes all jobs that wait and runs them in one transaction, each behind a savepoint of its own, so that one that fails
//! takes nothing with it but itself. A job that panics fails alone, too.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::engine::Tx;
use crate::engine::failure::Moment;
use crate::engine::sqlite::{Open, before};
use crate::store::StoreError;

/// Jobs that wait at a door; who comes later waits outside.
const DOOR: usize = 256;
/// The most jobs that share a commit.
const GROUP: usize = 64;

/// Tells a job's caller how its commit went.
pub(super) type Finish = Box<dyn FnOnce(Result<(), StoreError>) + Send>;
type Reading = Box<dyn FnOnce(&Connection) + Send>;
/// Says whether what it did is to be kept. Gets the error when there is no transaction for it.
type Writing = Box<dyn FnOnce(Result<&mut Tx, StoreError>) -> (bool, Finish) + Send>;

/// Something for a thread to do.
pub(super) enum Job {
    Read(Reading),
    Write(Writing),
    Close(oneshot::Sender<()>),
}

/// A door with threads behind it.
#[derive(Debug)]
pub(super) struct Lane {
    jobs: mpsc::Sender<Job>,
    threads: usize,
}

// === impl Job ===

impl Job {
    pub(super) fn read(work: impl FnOnce(&Connection) + Send + 'static) -> Self {
        Self::Read(Box::new(work))
    }

    pub(super) fn write(
        work: impl FnOnce(Result<&mut Tx, StoreError>) -> (bool, Finish) + Send + 'static,
    ) -> Self {
        Self::Write(Box::new(work))
    }
}

// === impl Lane ===

impl Lane {
    pub(super) fn writing(connection: Connection) -> Result<Self, StoreError> {
        let (jobs, mut door) = mpsc::channel(DOOR);
        let tx = Tx::Sqlite(Open { connection });
        spawn("store-writer", move || write_all(tx, &mut door))?;
        Ok(Self { jobs, threads: 1 })
    }

    pub(super) fn reading(connections: Vec<Connection>) -> Result<Self, StoreError> {
        let (jobs, door) = mpsc::channel(DOOR);
        let door = Arc::new(Mutex::new(door));
        let threads = connections.len();
        for connection in connections {
            let door = Arc::clone(&door);
            spawn("store-reader", move || read_all(&connection, &door))?;
        }
        Ok(Self { jobs, threads })
    }

    /// Waits at the door until there is room.
    pub(super) async fn push(&self, job: Job) -> Result<(), StoreError> {
        self.jobs.send(job).await.map_err(|_gone| StoreError::unavailable("the store is closed"))
    }

    /// Ends all threads after what waits already.
    pub(super) async fn close(&self) {
        for _ in 0..self.threads {
            let (done, closed) = oneshot::channel();
            if self.push(Job::Close(done)).await.is_ok() {
                // A thread that is gone is closed too.
                closed.await.ok();
            }
        }
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), StoreError> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .map(drop)
        .map_err(|error| StoreError::unavailable(format!("no thread for the store: {error}")))
}

fn read_all(connection: &Connection, door: &Mutex<mpsc::Receiver<Job>>) {
    loop {
        // The lock is held while waiting: whoever holds it takes the next job, the others wait for the lock.
        let job = door.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        match job {
            Some(Job::Read(work)) => {
                // The caller sees its answer's channel closed; the connection is only read from and stays good.
                catch_unwind(AssertUnwindSafe(|| work(connection))).ok();
            }
            Some(Job::Close(done)) => {
                done.send(()).ok();
                return;
            }
            Some(Job::Write(_)) => {}
            None => return,
        }
    }
}

fn write_all(mut tx: Tx, door: &mut mpsc::Receiver<Job>) {
    while let Some(first) = door.blocking_recv() {
        let mut group = VecDeque::new();
        let mut closing = take(first, &mut group);
        while closing.is_none()
            && group.len() < GROUP
            && let Ok(next) = door.try_recv()
        {
            closing = take(next, &mut group);
        }
        while !group.is_empty() {
            commit(&mut tx, &mut group);
        }
        if let Some(done) = closing {
            door.close();
            drop(tx);
            done.send(()).ok();
            return;
        }
    }
}

/// Sorts a job; the one that closes comes last.
fn take(job: Job, group: &mut VecDeque<Writing>) -> Option<oneshot::Sender<()>> {
    match job {
        Job::Write(work) => group.push_back(work),
        Job::Close(done) => return Some(done),
        Job::Read(_) => {}
    }
    None
}

/// Runs a group in one transaction. Jobs that had no turn because the transaction broke stay in the group.
fn commit(tx: &mut Tx, group: &mut VecDeque<Writing>) {
    let mut finished = Vec::with_capacity(group.len());
    let outcome = match statement(tx, "BEGIN IMMEDIATE", Moment::Before) {
        Ok(()) => run_group(tx, group, &mut finished).and_then(|()| statement(tx, "COMMIT", Moment::Commit)),
        Err(error) => {
            finished.extend(group.drain(..).map(|work| work(Err(error.clone())).1));
            Err(error)
        }
    };
    if outcome.is_err() && !is_idle(tx) {
        // If even this fails, the next transaction cannot begin and says so.
        statement(tx, "ROLLBACK", Moment::Before).ok();
    }
    for finish in finished {
        finish(outcome.clone());
    }
}

/// Runs each job behind a savepoint.
fn run_group(
    tx: &mut Tx,
    group: &mut VecDeque<Writing>,
    finished: &mut Vec<Finish>,
) -> Result<(), StoreError> {
    while let Some(work) = group.pop_front() {
        if let Err(error) = statement(tx, "SAVEPOINT job", Moment::Before) {
            finished.push(work(Err(error.clone())).1);
            return Err(error);
        }
        // Of a job that panics the caller sees its answer's channel closed.
        let (keep, finish) = match catch_unwind(AssertUnwindSafe(|| work(Ok(tx)))) {
            Ok((keep, finish)) => (keep, Some(finish)),
            Err(_panic) => (false, None),
        };
        finished.extend(finish);
        if is_idle(tx) {
            // SQLite ends the whole transaction by itself, for example when the disk is full.
            return Err(StoreError::unavailable("the database broke the transaction off"));
        }
        if !keep {
            statement(tx, "ROLLBACK TO job", Moment::Before)?;
        }
        statement(tx, "RELEASE job", Moment::Before)?;
    }
    Ok(())
}

fn is_idle(tx: &Tx) -> bool {
    match tx {
        Tx::Sqlite(open) => open.connection.is_autocommit(),
        Tx::Postgres(_) => true,
    }
}

fn statement(tx: &Tx, sql: &str, moment: Moment) -> Result<(), StoreError> {
    match tx {
        Tx::Sqlite(open) => match open.connection.prepare_cached(sql) {
            Ok(mut prepared) => {
                prepared.execute([]).map(drop).map_err(|error| StoreError::of_sqlite(&error, moment))
            }
            Err(error) => Err(before(&error)),
        },
        Tx::Postgres(_) => Err(StoreError::corrupt("another engine's transaction")),
    }
}
