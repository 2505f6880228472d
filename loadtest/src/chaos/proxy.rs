//! An unprivileged TCP proxy that stands in for the network between two processes: latency, cuts, silence, thin pipes, crumbs.
//!
//! One per link, toggled while connections stand. What a silent link holds back is delivered when it speaks again, as TCP would. Bytes
//! are never changed, lost or put in another order.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// Bytes taken at a time.
const CHUNK: usize = 16 << 10;
/// Parts of a second in which a thin pipe is measured.
const SLICES_PER_S: u32 = 20;

/// What a link does to what goes one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Everything comes so much later.
    pub delay: Duration,
    /// And up to so much later still, drawn for each read.
    pub jitter: Duration,
    /// Nothing arrives any more, and nobody is told.
    pub is_silent: bool,
    /// Bytes a second at most; as many as there are when absent.
    pub bytes_per_s: Option<u32>,
    /// Every write carries so many bytes at most.
    pub piece: Option<usize>,
}

/// What a link does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weather {
    /// To the process behind the proxy.
    pub up: Flow,
    /// Back from it.
    pub down: Flow,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    weather: Weather,
    /// How often all connections were cut.
    cuts: u64,
}

/// Tells where the process behind the proxy listens now; `None` while it is down.
pub type Target = Box<dyn Fn() -> Option<SocketAddr> + Send + Sync>;

/// A link that can be disturbed.
pub struct Proxy {
    address: SocketAddr,
    state: watch::Sender<State>,
    task: JoinHandle<()>,
}

/// One direction of one connection.
struct Pump {
    state: watch::Receiver<State>,
    born: u64,
    flow: fn(&Weather) -> Flow,
    rng: fastrand::Rng,
}

// === impl Flow ===

impl Flow {
    /// Nothing arrives any more.
    #[must_use]
    pub fn silent() -> Self {
        Self { is_silent: true, ..Self::default() }
    }
}

// === impl Weather ===

impl Weather {
    /// Nothing arrives, neither way.
    #[must_use]
    pub fn black_hole() -> Self {
        Self { up: Flow::silent(), down: Flow::silent() }
    }
}

// === impl Proxy ===

impl Proxy {
    /// A proxy that listens at `address` (port 0: any) and passes everything on.
    ///
    /// # Errors
    /// The address cannot be listened at.
    pub async fn start(address: SocketAddr, target: Target) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let (state, seen) = watch::channel(State::default());
        let target = Arc::new(target);
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(carry(near, Arc::clone(&target), seen.clone()));
            }
        });
        Ok(Self { address, state, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on the link is like this.
    pub fn set(&self, weather: Weather) {
        self.state.send_modify(|state| state.weather = weather);
    }

    /// Cuts every connection with RST, at once. New ones are taken.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        self.cut();
    }
}

async fn carry(mut near: TcpStream, target: Arc<Target>, state: watch::Receiver<State>) {
    let Some(address) = target() else { return reset(&near) };
    let Ok(mut far) = TcpStream::connect(address).await else { return reset(&near) };
    if near.set_nodelay(true).and_then(|()| far.set_nodelay(true)).is_err() {
        return;
    }
    let born = state.borrow().cuts;
    let pump = |flow| Pump { state: state.clone(), born, flow, rng: fastrand::Rng::new() };
    let mut cut = state.clone();
    {
        let ((near_read, near_write), (far_read, far_write)) = (near.split(), far.split());
        let both = async {
            tokio::join!(
                pump(|weather| weather.up).run(near_read, far_write),
                pump(|weather| weather.down).run(far_read, near_write),
            )
        };
        tokio::select! {
            _ = both => return,
            // The sender is gone only with the proxy.
            _ = cut.wait_for(|state| state.cuts != born) => {}
        }
    }
    reset(&near);
    reset(&far);
}

/// The connection ends with RST when it is dropped.
fn reset(stream: &TcpStream) {
    if let Err(error) = stream.set_zero_linger() {
        tracing::debug!(%error, "a connection cannot be reset");
    }
}

// === impl Pump ===

impl Pump {
    async fn run(mut self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> io::Result<()> {
        let mut buffer = vec![0_u8; CHUNK];
        loop {
            let length = from.read(&mut buffer).await?;
            self.until_it_speaks().await;
            if length == 0 {
                return to.shutdown().await;
            }
            self.linger().await;
            let mut rest = buffer.get(..length).unwrap_or_default();
            while !rest.is_empty() {
                let (now, later) = rest.split_at(self.piece().min(rest.len()));
                to.write_all(now).await?;
                rest = later;
                self.pay(now.len()).await;
                self.until_it_speaks().await;
            }
        }
    }

    fn now(&self) -> Flow {
        (self.flow)(&self.state.borrow().weather)
    }

    /// Holds back what was read while the link is silent.
    async fn until_it_speaks(&mut self) {
        let (flow, born) = (self.flow, self.born);
        let speaks = |state: &State| !flow(&state.weather).is_silent || state.cuts != born;
        if self.state.wait_for(speaks).await.is_err() {
            tracing::debug!("the proxy is gone");
        }
    }

    async fn linger(&mut self) {
        let flow = self.now();
        let jitter_us = u64::try_from(flow.jitter.as_micros()).unwrap_or(u64::MAX);
        let wait = flow.delay + Duration::from_micros(self.rng.u64(0..=jitter_us));
        if !wait.is_zero() {
            sleep(wait).await;
        }
    }

    /// How much is written at once.
    fn piece(&self) -> usize {
        let flow = self.now();
        let slice = flow.bytes_per_s.map(|rate| usize::try_from(rate.div_ceil(SLICES_PER_S)).unwrap_or(1));
        flow.piece.unwrap_or(CHUNK).min(slice.unwrap_or(CHUNK)).max(1)
    }

    /// The time that so many bytes take in a thin pipe.
    async fn pay(&self, bytes: usize) {
        let Some(rate) = self.now().bytes_per_s.filter(|rate| *rate > 0) else { return };
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        sleep(Duration::from_secs(1) * bytes / rate).await;
    }
}
