//! Where Redis is: the configured URL, read once, so that a mistake in it is told at the start.

use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{Client, ConnectionAddr, IntoConnectionInfo, RedisResult, TlsCertificates, TlsMode};

/// An address of Redis that can be used.
#[derive(Clone)]
pub struct RedisAddress {
    kind: Kind,
    /// PEM of the CAs its certificates come from, where they are not public.
    root_cert: Option<Vec<u8>>,
}

#[derive(Clone)]
enum Kind {
    Single(String),
    Sentinel { sentinels: Vec<String>, master: String, tail: String },
    Cluster(Vec<String>),
}

/// Something to connect with.
pub(super) enum Server {
    /// One server.
    Single(Client),
    /// The master of a group that sentinels watch.
    Sentinel(SentinelClient),
    /// A Redis Cluster.
    Cluster(ClusterClient),
}

/// Why an address cannot be used. It is not repeated: it may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// Its scheme.
    #[error(
        "cluster.redis starts with none of redis://, rediss://, redis-sentinel://, rediss-sentinel://, redis-cluster://, rediss-cluster://"
    )]
    Scheme,
    /// A Sentinel's address without the group's name.
    #[error("cluster.redis names sentinels but no master: redis-sentinel://host:port,host:port/NAME")]
    NoMaster,
    /// The rest of it.
    #[error("cluster.redis cannot be used: {0}")]
    Unusable(String),
}

// === impl RedisAddress ===

impl RedisAddress {
    /// Reads the configured URL. `redis-sentinel://[user:password@]host:port,host:port/master[/db]` and
    /// `redis-cluster://[user:password@]host:port,host:port`; with `rediss` everything goes over TLS.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(url: &str, root_cert: Option<Vec<u8>>) -> Result<Self, AddressError> {
        let (scheme, rest) = url.split_once("://").ok_or(AddressError::Scheme)?;
        let secure = scheme.starts_with("rediss");
        let plain = if secure { "rediss" } else { "redis" };
        let kind = match scheme {
            "redis" | "rediss" => Kind::Single(url.to_owned()),
            "redis-sentinel" | "rediss-sentinel" => {
                let (hosts, path) = rest.split_once('/').ok_or(AddressError::NoMaster)?;
                let (master, db) = path.split_once('/').unwrap_or((path, "0"));
                if master.is_empty() {
                    return Err(AddressError::NoMaster);
                }
                let (user, hosts) = user_and_hosts(hosts);
                let sentinels = hosts.map(|host| format!("{plain}://{host}")).collect();
                Kind::Sentinel {
                    sentinels,
                    master: master.to_owned(),
                    tail: format!("{plain}://{user}master/{db}"),
                }
            }
            "redis-cluster" | "rediss-cluster" => {
                let (user, hosts) = user_and_hosts(rest.split('/').next().unwrap_or_default());
                Kind::Cluster(hosts.map(|host| format!("{plain}://{user}{host}")).collect())
            }
            _ => return Err(AddressError::Scheme),
        };
        let address = Self { kind, root_cert };
        address.open().map_err(|error| AddressError::Unusable(error.to_string()))?;
        Ok(address)
    }

    /// A client; nothing is asked of any server.
    pub(super) fn open(&self) -> RedisResult<Server> {
        Ok(match &self.kind {
            Kind::Single(url) => Server::Single(match self.certificates() {
                Some(certificates) => Client::build_with_tls(url.as_str(), certificates)?,
                None => Client::open(url.as_str())?,
            }),
            Kind::Sentinel { sentinels, master, tail } => {
                Server::Sentinel(self.sentinel(sentinels, master, tail)?)
            }
            Kind::Cluster(urls) => {
                let builder = ClusterClientBuilder::new(urls.clone());
                Server::Cluster(match self.certificates() {
                    Some(certificates) => builder.certs(certificates).build()?,
                    None => builder.build()?,
                })
            }
        })
    }

    /// The user is the servers'; sentinels are asked without one.
    fn sentinel(&self, sentinels: &[String], master: &str, tail: &str) -> RedisResult<SentinelClient> {
        let hosts: RedisResult<Vec<ConnectionAddr>> =
            sentinels.iter().map(|url| Ok(url.as_str().into_connection_info()?.addr().clone())).collect();
        let info = tail.into_connection_info()?;
        let settings = info.redis_settings();
        let mut builder = SentinelClientBuilder::new(hosts?, master, SentinelServerType::Master)?
            .set_client_to_redis_db(settings.db());
        if let Some(user) = settings.username() {
            builder = builder.set_client_to_redis_username(user);
        }
        if let Some(password) = settings.password() {
            builder = builder.set_client_to_redis_password(password);
        }
        // Else the password would go to the server in clear: the sentinels tell its address and not how it is spoken to.
        if matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
            builder = builder
                .set_client_to_redis_tls_mode(TlsMode::Secure)
                .set_client_to_sentinel_tls_mode(TlsMode::Secure);
            if let Some(certificates) = self.certificates() {
                builder = builder
                    .set_client_to_redis_certificates(certificates.clone())
                    .set_client_to_sentinel_certificates(certificates);
            }
        }
        builder.build()
    }

    fn certificates(&self) -> Option<TlsCertificates> {
        let root_cert = self.root_cert.clone();
        root_cert.map(|root_cert| TlsCertificates { client_tls: None, root_cert: Some(root_cert) })
    }
}

/// What stands before the hosts, with its `@`, and the hosts.
fn user_and_hosts(text: &str) -> (&str, impl Iterator<Item = &str>) {
    let (user, hosts) = match text.rfind('@') {
        Some(at) => text.split_at(at + 1),
        None => ("", text),
    };
    (user, hosts.split(',').filter(|host| !host.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_address_is_read() {
        for url in [
            "redis://127.0.0.1:6379",
            "redis://user:pass@host:6379/2",
            "redis-sentinel://a:26379,b:26379/mymaster",
            "redis-sentinel://user:pass@a:26379,b:26379/mymaster/1",
            "redis-cluster://a:6379,b:6379",
        ] {
            assert!(RedisAddress::read(url, None).is_ok(), "{url}");
        }
    }

    #[test]
    fn a_mistake_is_told_without_the_password() {
        for url in [
            "http://host",
            "host:6379",
            "redis-sentinel://a:26379",
            "redis-sentinel://a:26379/",
            "redis://:hunter2@host:notaport",
            "redis-cluster://:hunter2@/",
        ] {
            let error = RedisAddress::read(url, None).err().map(|error| error.to_string());
            let error = error.unwrap_or_else(|| panic!("{url} was taken"));
            assert!(error.contains("cluster.redis") && !error.contains("hunter2"), "{error}");
        }
    }
}
