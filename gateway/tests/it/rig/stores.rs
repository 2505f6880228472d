//! Where a node under test keeps its facts: a file in its own folder, or a PostgreSQL database that lives as long as the test.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use ringmain_store::store::{Store, StoreSettings};
use tokio_postgres::NoTls;

use super::{DEADLINE, eventually};

/// The variable that `scripts/with-services.sh` sets.
const POSTGRES: &str = "RINGMAIN_TEST_POSTGRES";

/// A fresh store for one test.
pub(crate) enum TestStore {
    Sqlite,
    Postgres(Database),
}

/// Takes a test's database away and gives it back.
pub(crate) struct Outage {
    admin: String,
    name: String,
}

/// Keeps everybody from writing to a test's store while others may still read it.
pub(crate) enum Hold {
    Sqlite(rusqlite::Connection),
    Postgres { client: tokio_postgres::Client, connection: tokio::task::JoinHandle<()> },
}

/// A database of this test alone; dropped with it.
pub(crate) struct Database {
    /// Any database of the server, to make and drop ours from.
    admin: String,
    name: String,
}

// === impl TestStore ===

impl TestStore {
    pub(crate) const fn sqlite() -> Self {
        Self::Sqlite
    }

    /// `None` where there is no PostgreSQL; the test then says so and ends.
    pub(crate) async fn postgres(test: &str) -> Option<Self> {
        let Ok(admin) = std::env::var(POSTGRES) else {
            println!("SKIPPED {test}: {POSTGRES} is not set");
            return None;
        };
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("house_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        // template0: nobody is ever connected to it, so tests do not stand in each other's way.
        execute(&admin, &format!("CREATE DATABASE {name} TEMPLATE template0")).await;
        Some(Self::Postgres(Database { admin, name }))
    }

    /// The store's URL for a node with this data folder.
    pub(crate) fn url(&self, data_dir: &Path) -> String {
        match self {
            Self::Sqlite => format!("sqlite:{}", data_dir.join("ringmain.sqlite").display()),
            Self::Postgres(database) => database.url(),
        }
    }

    /// Its URL and the name of its database; only of PostgreSQL.
    pub(super) fn database(&self) -> (String, String) {
        match self {
            Self::Sqlite => unreachable!("a file has no name"),
            Self::Postgres(database) => (database.url(), database.name.clone()),
        }
    }

    /// The means to take its database away; only of PostgreSQL.
    pub(crate) fn outage(&self) -> Outage {
        match self {
            Self::Sqlite => unreachable!("a file does not go away"),
            Self::Postgres(database) => Outage { admin: database.admin.clone(), name: database.name.clone() },
        }
    }

    /// From here on nothing is committed.
    pub(crate) async fn hold(&self, data_dir: &Path) -> Hold {
        match self {
            Self::Sqlite => {
                let file = rusqlite::Connection::open(data_dir.join("ringmain.sqlite")).unwrap();
                file.busy_timeout(DEADLINE).unwrap();
                file.execute_batch("BEGIN IMMEDIATE").unwrap();
                Hold::Sqlite(file)
            }
            // One table that every commit of facts writes: two could be taken in another order than the node takes them.
            Self::Postgres(_) => self.hold_table("events", "EXCLUSIVE").await,
        }
    }

    /// From here on nobody writes to this table (EXCLUSIVE), or reads it either (ACCESS EXCLUSIVE); only of PostgreSQL.
    pub(crate) async fn hold_table(&self, table: &str, mode: &str) -> Hold {
        let Self::Postgres(database) = self else { unreachable!("a file is held as a whole") };
        let (client, connection) = tokio_postgres::connect(&database.url(), NoTls).await.unwrap();
        let connection = tokio::spawn(async move { drop(connection.await) });
        client.batch_execute(&format!("BEGIN; LOCK TABLE {table} IN {mode} MODE")).await.unwrap();
        Hold::Postgres { client, connection }
    }

    /// The facts of this name, oldest first; only of PostgreSQL.
    pub(crate) async fn facts(&self, name: &str) -> Vec<serde_json::Value> {
        let Self::Postgres(database) = self else { unreachable!("asked of PostgreSQL only") };
        let (client, connection) = tokio_postgres::connect(&database.url(), NoTls).await.unwrap();
        let connection = tokio::spawn(async move { drop(connection.await) });
        let sql = "SELECT body::text FROM events WHERE name = $1 ORDER BY position";
        let rows = client.query(sql, &[&name]).await.unwrap();
        drop(client);
        connection.await.unwrap();
        rows.iter().map(|row| serde_json::from_str(row.get(0)).unwrap()).collect()
    }

    /// The same store a second time, to read what is committed.
    pub(crate) async fn open(&self, data_dir: &Path) -> Store {
        Store::open(&self.url(data_dir), StoreSettings::default()).await.unwrap()
    }
}

// === impl Hold ===

impl Hold {
    /// Lets go: those who waited go on.
    pub(crate) async fn end(self) {
        match self {
            Self::Sqlite(file) => file.execute_batch("ROLLBACK").unwrap(),
            Self::Postgres { client, connection } => {
                client.batch_execute("ROLLBACK").await.unwrap();
                drop(client);
                connection.await.unwrap();
            }
        }
    }

    /// Waits until a query with these words in it waits for a lock; only of PostgreSQL.
    pub(crate) async fn is_waited_for(&self, words: &str) {
        let Self::Postgres { client, .. } = self else { unreachable!("a file is held as a whole") };
        let sql = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' \
             AND strpos(query, $1) > 0 AND pid <> pg_backend_pid()";
        eventually!("the query to wait", {
            // Within a transaction the first look is kept.
            client.batch_execute("SELECT pg_stat_clear_snapshot()").await.unwrap();
            let waiting = client.query(sql, &[&words]).await.unwrap();
            (!waiting.is_empty()).then_some(())
        });
    }

    /// Lets go, once whoever waited is gone: what a dead node had under way is not committed after it.
    pub(crate) async fn release(self) {
        match self {
            Self::Sqlite(file) => file.execute_batch("ROLLBACK").unwrap(),
            Self::Postgres { client, connection } => {
                let waiting = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity \
                     WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()";
                client.batch_execute(waiting).await.unwrap();
                client.batch_execute("ROLLBACK").await.unwrap();
                drop(client);
                connection.await.unwrap();
            }
        }
    }
}

// === impl Outage ===

impl Outage {
    /// Nobody gets in any more, and whoever is in is thrown out.
    pub(crate) async fn begin(&self) {
        execute(&self.admin, &format!("ALTER DATABASE {} WITH ALLOW_CONNECTIONS false", self.name)).await;
        let thrown_out = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ";
        execute(&self.admin, &format!("{thrown_out}'{}'", self.name)).await;
    }

    pub(crate) async fn end(&self) {
        execute(&self.admin, &format!("ALTER DATABASE {} WITH ALLOW_CONNECTIONS true", self.name)).await;
    }
}

// === impl Database ===

impl Database {
    fn url(&self) -> String {
        let (server, _name) = self.admin.rsplit_once('/').unwrap();
        format!("{server}/{}", self.name)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (admin, name) = (self.admin.clone(), self.name.clone());
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(execute(&admin, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")));
        });
        // A database that stays behind does not make a test wrong: its server ends with the run.
        drop(dropped.join());
    }
}

/// Runs statements on a connection of its own.
pub(super) async fn execute(url: &str, sql: &str) {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    client.batch_execute(sql).await.unwrap();
    drop(client);
    connection.await.unwrap().unwrap();
}
