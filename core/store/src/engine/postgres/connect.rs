//! How a connection to PostgreSQL is made and what holds on it.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::{Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::engine::failure::Moment;
use crate::engine::postgres::tls::Tls;
use crate::store::StoreError;

/// The server gives up on a statement after 6 s, on a lock after 5 s, and on a transaction nobody continues after 20 s. A commit is
/// on the disk, and on the synchronous standby where there is one, before it is confirmed.
const SETTINGS: &str = "SET statement_timeout = 6000; SET lock_timeout = 5000; \
     SET idle_in_transaction_session_timeout = 20000; SET synchronous_commit = on; SET jit = off";

/// Connects for the pool.
#[derive(Debug)]
pub(super) struct Connector(pub(super) Tls);

/// What the URL leaves open. Of several servers it is the one that writes: after a failover the old one may come back as a standby.
pub(super) fn defaults(config: &mut Config) {
    if config.get_target_session_attrs() == TargetSessionAttrs::Any {
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(super::CONNECT);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(Duration::from_secs(10));
    }
    if config.get_application_name().is_none() {
        config.application_name("ringmain");
    }
}

/// A connection with nothing set on it.
pub(super) async fn plain(
    config: &Config,
    tls: MakeRustlsConnect,
) -> Result<(Client, JoinHandle<()>), StoreError> {
    start(config, tls).await.map_err(|error| StoreError::of_postgres(&error, Moment::Before))
}

async fn start(
    config: &Config,
    tls: MakeRustlsConnect,
) -> Result<(Client, JoinHandle<()>), tokio_postgres::Error> {
    let (client, connection) = config.connect(tls).await?;
    let driver = tokio::spawn(async move {
        // Whoever uses the connection is told, too; this line says that an idle one went.
        if let Err(error) = connection.await {
            tracing::debug!(%error, "database connection ended");
        }
    });
    Ok((client, driver))
}

impl deadpool_postgres::Connect for Connector {
    fn connect(
        &self,
        config: &Config,
    ) -> Pin<Box<dyn Future<Output = Result<(Client, JoinHandle<()>), tokio_postgres::Error>> + Send + '_>>
    {
        let (config, tls) = (config.clone(), self.0.connector());
        Box::pin(async move {
            let (client, driver) = start(&config, tls).await?;
            client.batch_execute(SETTINGS).await?;
            Ok((client, driver))
        })
    }
}
