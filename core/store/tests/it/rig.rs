//! A fresh store for each test, on either engine, and a way to look behind it.

use std::path::PathBuf;

use ringmain_store::store::{Store, StoreSettings};
use tempfile::TempDir;
use tokio::sync::OnceCell;
use uuid::Uuid;

/// Names the server for PostgreSQL, as a URL whose user may make databases.
pub(crate) const SERVER: &str = "RINGMAIN_TEST_POSTGRES";

/// The roles of PostgreSQL, shared by all tests; each is let into the databases one by one.
pub(crate) const APP: &str = "ringmain_test_app";
pub(crate) const READ: &str = "ringmain_test_read";

const TEMPLATE_NAME: &str = "ringmain_test_template";
static TEMPLATE: OnceCell<()> = OnceCell::const_new();
/// Two databases cannot be copied from one at the same instant. Held as long as the connection.
const LOCK: &str = "SELECT pg_advisory_lock(77)";

/// A store of one's own. On PostgreSQL it works as a node does: as a role that cannot change the schema.
pub(crate) struct Rig {
    pub(crate) store: Store,
    pub(crate) url: String,
    /// As the one who made it.
    pub(crate) owner_url: String,
    _place: Place,
}

/// Where it is; gone with the rig.
enum Place {
    Folder(#[expect(dead_code, reason = "kept until the test ends")] TempDir),
    Database { server: String, name: String },
}

/// A store in a temporary folder.
pub(crate) async fn sqlite() -> Rig {
    let folder = TempDir::new().unwrap();
    let url = format!("sqlite:{}", folder.path().join("store.db").display());
    let store = Store::open(&url, StoreSettings::default()).await.unwrap();
    Rig { store, owner_url: url.clone(), url, _place: Place::Folder(folder) }
}

/// A store in a database of its own, if there is a server.
pub(crate) async fn postgres(test: &str) -> Option<Rig> {
    let place = database(test).await?;
    let Place::Database { server, name } = &place else { panic!("a database") };
    let owner_url = beside(server, name);
    let url = as_role(&owner_url, APP);
    let store = Store::open(&url, StoreSettings::default()).await.unwrap();
    Some(Rig { store, url, owner_url, _place: place })
}

/// The same URL with another user, who needs no password.
pub(crate) fn as_role(url: &str, role: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap();
    let host = rest.split_once('@').map_or(rest, |(_, host)| host);
    format!("{scheme}://{role}@{host}")
}

async fn database(test: &str) -> Option<Place> {
    let Ok(server) = std::env::var(SERVER) else {
        println!("SKIPPED {test}: {SERVER} is not set");
        return None;
    };
    TEMPLATE.get_or_init(async || make_template(&server).await).await;
    let name = format!("ringmain_test_{}", Uuid::new_v4().simple());
    let client = connect(&server).await;
    client.batch_execute(LOCK).await.unwrap();
    client.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {TEMPLATE_NAME}")).await.unwrap();
    Some(Place::Database { server, name })
}

/// Makes the schema once, and the roles; each test's database is a copy.
async fn make_template(server: &str) {
    let client = connect(server).await;
    client.batch_execute(LOCK).await.unwrap();
    for role in [APP, READ] {
        let known = client.query("SELECT 1 FROM pg_roles WHERE rolname::text = $1", &[&role]).await.unwrap();
        if known.is_empty() {
            // Its connections end with the database, so its maker must be one of it.
            let make = format!("CREATE ROLE {role} LOGIN; GRANT {role} TO CURRENT_USER");
            client.batch_execute(&make).await.unwrap();
        }
    }
    client.batch_execute(&format!("DROP DATABASE IF EXISTS {TEMPLATE_NAME} WITH (FORCE)")).await.unwrap();
    client.batch_execute(&format!("CREATE DATABASE {TEMPLATE_NAME}")).await.unwrap();
    let owner = Store::open(&beside(server, TEMPLATE_NAME), StoreSettings::default()).await.unwrap();
    owner.grant_app(APP).await.unwrap();
    owner.close().await;
}

pub(crate) async fn connect(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// The URL of another database on the same server.
fn beside(server: &str, name: &str) -> String {
    let (scheme, rest) = server.split_once("://").unwrap();
    let (rest, query) = rest.split_once('?').map_or((rest, String::new()), |(r, q)| (r, format!("?{q}")));
    let host = rest.split_once('/').map_or(rest, |(host, _)| host);
    format!("{scheme}://{host}/{name}{query}")
}

impl Rig {
    /// The same database, opened once more, with other settings: another node.
    pub(crate) async fn open_again(&self, settings: StoreSettings) -> Store {
        Store::open(&self.url, settings).await.unwrap()
    }

    pub(crate) fn is_postgres(&self) -> bool {
        self.path().is_none()
    }

    /// The file, of a store that is one.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        self.url.strip_prefix("sqlite:").map(PathBuf::from)
    }

    /// Runs SQL behind the store's back.
    pub(crate) async fn execute(&self, sql: &str) {
        match self.path() {
            Some(path) => {
                let connection = rusqlite::Connection::open(path).unwrap();
                connection.execute_batch(sql).unwrap();
            }
            None => connect(&self.owner_url).await.batch_execute(sql).await.unwrap(),
        }
    }

    /// The one number a query answers with.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        match self.path() {
            Some(path) => {
                let connection = rusqlite::Connection::open(path).unwrap();
                connection.query_row(sql, [], |row| row.get(0)).unwrap()
            }
            None => connect(&self.owner_url).await.query_one(sql, &[]).await.unwrap().get(0),
        }
    }

    /// How many rows a table has.
    pub(crate) async fn count(&self, table: &str) -> i64 {
        self.number(&format!("SELECT count(*) FROM {table}")).await
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Self::Database { server, name } = self else { return };
        let (server, name) = (server.clone(), name.clone());
        // A test's own runtime cannot be waited on from inside it.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
                connect(&server).await.batch_execute(&sql).await.unwrap();
            });
        });
        dropping.join().ok();
    }
}
