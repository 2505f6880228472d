//! What stands before the nodes in the field: it sends each new connection to a node that says it is ready.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use futures_util::future::BoxFuture;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsConnector;

use super::super::node::Addresses;
use super::members::{Member, Standing};
use crate::dial::{ByteStream, Transport};
use crate::tls::{Identity, TlsFiles};

/// One node as a balancer sees it.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) name: String,
    state: watch::Receiver<Option<Addresses>>,
    well: watch::Receiver<bool>,
    standing: watch::Receiver<Standing>,
    /// Stations go through here, where their link can be disturbed.
    proxy: Option<SocketAddr>,
}

/// TLS as all stations use it, if they do.
pub(super) type Tls = Option<(TlsConnector, ServerName<'static>)>;

/// Opens byte streams to nodes that are ready.
#[derive(Clone)]
pub(super) struct Balanced {
    pub(super) targets: Arc<[Target]>,
    tls: Tls,
    /// All go through here, and are sent on by [`Balanced::door`].
    way: Option<SocketAddr>,
}

// === impl Target ===

impl Target {
    pub(super) fn of(member: &Member) -> Self {
        Self {
            name: member.name.clone(),
            state: member.process.state(),
            well: member.well(),
            standing: member.standing(),
            proxy: member.links.as_ref().map(|links| links.stations.address()),
        }
    }

    /// It is ready.
    pub(super) fn is_well(&self) -> bool {
        *self.well.borrow()
    }

    /// It is meant to run.
    pub(super) fn is_in_use(&self) -> bool {
        *self.standing.borrow() != Standing::Out
    }

    /// Its API, while it runs.
    pub(super) fn api(&self) -> Option<SocketAddr> {
        self.state.borrow().map(|at| at.http)
    }

    /// Where stations reach it, not through a proxy.
    pub(super) fn stations(&self, tls: bool) -> Option<SocketAddr> {
        self.state.borrow().map(|at| if tls { at.wss } else { at.ws })
    }

    fn door(&self, tls: bool) -> Option<SocketAddr> {
        let at = self.stations(tls)?;
        Some(self.proxy.unwrap_or(at))
    }
}

// === impl Balanced ===

impl Balanced {
    pub(super) fn new(members: &[Member], ca: Option<&Path>) -> anyhow::Result<Self> {
        let tls = ca.map(connector).transpose()?;
        Ok(Self { targets: members.iter().map(Target::of).collect(), tls, way: None })
    }

    /// The same for stations that are reached by a way of their own.
    pub(super) fn by_way_of(&self, way: SocketAddr) -> Self {
        Self { way: Some(way), ..self.clone() }
    }

    /// Where a new connection goes.
    pub(super) fn door(&self) -> Option<SocketAddr> {
        self.pick().and_then(|(_, target)| target.door(self.tls.is_some()))
    }

    /// One that is ready, at random; one that is about to leave only where there is no other.
    pub(super) fn pick(&self) -> Option<(usize, &Target)> {
        let of = |standing: Standing| -> Vec<_> {
            let all = self.targets.iter().enumerate();
            all.filter(|(_, target)| target.is_well() && *target.standing.borrow() == standing).collect()
        };
        let (staying, leaving) = (of(Standing::In), of(Standing::Leaving));
        let well = if staying.is_empty() { leaving } else { staying };
        well.get(fastrand::usize(..well.len().max(1))).copied()
    }
}

pub(super) fn connector(ca: &Path) -> anyhow::Result<(TlsConnector, ServerName<'static>)> {
    let config = TlsFiles::read(ca, Identity::None, false)?.config("")?;
    let name = ServerName::try_from("127.0.0.1").context("read the name of the server")?;
    Ok((TlsConnector::from(config), name))
}

impl Transport for Balanced {
    fn open(&self) -> BoxFuture<'static, io::Result<Box<dyn ByteStream>>> {
        let door = self.way.or_else(|| self.door());
        let tls = self.tls.clone();
        Box::pin(async move {
            let none = || io::Error::new(io::ErrorKind::ConnectionRefused, "no node is ready");
            let stream = TcpStream::connect(door.ok_or_else(none)?).await?;
            stream.set_nodelay(true)?;
            Ok(match tls {
                None => Box::new(stream) as Box<dyn ByteStream>,
                Some((connector, name)) => Box::new(connector.connect(name, stream).await?),
            })
        })
    }
}
