//! The two engines behind one face: statements with parameters in, rows with named columns out, whole transactions in between.
//!
//! One SQL text serves both wherever both accept it. It does all its work on threads of its own (SQLite blocks; PostgreSQL's sockets
//! must not hang on the runtime of whoever asked first), so a caller that goes away never leaves a transaction half done. It knows
//! no noun of the domain.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;

use crate::engine::param::Param;
use crate::engine::postgres::Postgres;
use crate::engine::row::Row;
use crate::engine::sqlite::Sqlite;
use crate::store::StoreError;

pub(crate) mod failure;
pub(crate) mod param;
pub(crate) mod postgres;
pub(crate) mod reach;
pub(crate) mod row;
pub(crate) mod select;
pub(crate) mod sqlite;
#[cfg(test)]
mod tests;

/// An engine, open.
#[derive(Debug)]
pub(crate) enum Engine {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

/// A write transaction that is open.
#[derive(Debug)]
pub(crate) enum Tx {
    Sqlite(sqlite::Open),
    Postgres(postgres::Open),
}

/// Something to run.
#[derive(Debug)]
pub(crate) enum Statement {
    /// Once, with these parameters as `$1`, `$2`, ...
    Once { sql: Cow<'static, str>, params: Vec<Param> },
    /// For each row of parameters; nothing happens for no rows.
    Each { texts: &'static Texts, rows: Vec<Vec<Param>> },
    /// For all tenants, whoever is among the parameters.
    Across(Box<Statement>),
}

/// What runs for each row of parameters, in the two ways that are fastest.
#[derive(Debug)]
pub(crate) struct Texts {
    /// SQLite: run for every row, `$n` is the row's n-th value.
    pub(crate) one: &'static str,
    /// PostgreSQL: run once, `$n` is the array of all rows' n-th values.
    pub(crate) all: &'static str,
}

/// The work inside a transaction.
pub(crate) type Work<'t, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 't>>;

// === impl Statement ===

impl Statement {
    pub(crate) fn once(sql: impl Into<Cow<'static, str>>, params: Vec<Param>) -> Self {
        Self::Once { sql: sql.into(), params }
    }

    pub(crate) const fn each(texts: &'static Texts, rows: Vec<Vec<Param>>) -> Self {
        Self::Each { texts, rows }
    }

    /// The door in the wall between tenants: for what is looked up before anybody knows whose it is, and for what the house does for all.
    pub(crate) fn across(self) -> Self {
        Self::Across(Box::new(self))
    }

    pub(crate) const fn is_across(&self) -> bool {
        matches!(self, Self::Across(_))
    }
}

// === impl Engine ===

impl Engine {
    /// Runs one statement that reads.
    pub(crate) async fn rows(
        &self,
        sql: impl Into<Cow<'static, str>>,
        params: Vec<Param>,
    ) -> Result<Vec<Row>, StoreError> {
        let mut answers = self.read(vec![Statement::once(sql, params)]).await?;
        Ok(answers.pop().unwrap_or_default())
    }

    /// As [`Engine::rows`], through the door: see [`Statement::across`].
    pub(crate) async fn rows_across(
        &self,
        sql: impl Into<Cow<'static, str>>,
        params: Vec<Param>,
    ) -> Result<Vec<Row>, StoreError> {
        let mut answers = self.read(vec![Statement::once(sql, params).across()]).await?;
        Ok(answers.pop().unwrap_or_default())
    }

    /// Runs statements that read, one answer for each; they need not see one and the same instant.
    pub(crate) async fn read(&self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.read(statements).await,
            Self::Postgres(postgres) => postgres.read(statements).await,
        }
    }

    /// Runs one statement that writes and commits it.
    pub(crate) async fn change(
        &self,
        sql: impl Into<Cow<'static, str>>,
        params: Vec<Param>,
    ) -> Result<Vec<Row>, StoreError> {
        self.change_all(Statement::once(sql, params)).await
    }

    /// As [`Engine::change`], through the door: see [`Statement::across`].
    pub(crate) async fn change_across(
        &self,
        sql: impl Into<Cow<'static, str>>,
        params: Vec<Param>,
    ) -> Result<Vec<Row>, StoreError> {
        self.change_all(Statement::once(sql, params).across()).await
    }

    /// As [`Engine::change`], for a statement of any kind: still one commit.
    pub(crate) async fn change_all(&self, statement: Statement) -> Result<Vec<Row>, StoreError> {
        match self {
            Self::Sqlite(sqlite) => {
                sqlite.write(move |tx| Box::pin(async move { tx.run(statement).await })).await
            }
            Self::Postgres(postgres) => postgres.change(statement).await,
        }
    }

    /// Runs `work` in one transaction: committed whole when it returns a value, gone without a trace when it returns an error.
    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> Work<'t, T> + Send + 'static,
    {
        match self {
            Self::Sqlite(sqlite) => sqlite.write(work).await,
            Self::Postgres(postgres) => postgres.write(work).await,
        }
    }

    pub(crate) const fn is_postgres(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(sqlite) => sqlite.close().await,
            Self::Postgres(postgres) => postgres.close(),
        }
    }
}

// === impl Tx ===

impl Tx {
    /// Runs one statement.
    pub(crate) async fn run(&mut self, statement: Statement) -> Result<Vec<Row>, StoreError> {
        Ok(self.run_all(vec![statement]).await?.pop().unwrap_or_default())
    }

    /// Runs statements in this order, one answer for each; on PostgreSQL they are sent without waiting for one another.
    pub(crate) async fn run_all(&mut self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, StoreError> {
        match self {
            Self::Sqlite(open) => open.run_all(statements),
            Self::Postgres(open) => open.run_all(statements).await,
        }
    }

    /// Do other write transactions run at the same time, so that what is read to be changed must be locked?
    pub(crate) const fn has_rivals(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }
}
