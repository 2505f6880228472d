//! Who asks for public data, and how often it may: a bucket for each source that fills by itself. There are at most [`SOURCES_MAX`] of them;
//! sources for which there is no room share one, so a crowd of strangers costs neither memory nor those who are known.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_web::http::header::HeaderMap;
use ipnet::IpNet;

use crate::bucket::{Bucket, Rate};

/// So many sources have a bucket of their own.
pub const SOURCES_MAX: usize = 10_000;
/// How often room is looked for where there was none.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
const SECS_PER_MIN: f64 = 60.0;
/// So much of an IPv6 address is one source: what a provider gives one customer.
const IPV6_BITS: u32 = 64;

/// All sources.
#[derive(Debug)]
pub struct Sources {
    per_min: u32,
    proxies: Vec<IpNet>,
    max: usize,
    buckets: Mutex<Buckets>,
}

#[derive(Debug, Default)]
struct Buckets {
    of: HashMap<IpAddr, Bucket>,
    /// Of those without one of their own.
    shared: Option<Bucket>,
    swept_at: Option<Instant>,
}

// === impl Sources ===

impl Sources {
    /// Sources that may ask so often, at least once a minute; and the proxies that are believed.
    #[must_use]
    pub fn new(per_min: u32, proxies: Vec<IpNet>) -> Self {
        Self { per_min: per_min.max(1), proxies, max: SOURCES_MAX, buckets: Mutex::default() }
    }

    /// Where a request comes from: the other end of its connection; where that is a proxy of ours, whom it names.
    #[must_use]
    pub fn of(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> IpAddr {
        let peer = peer.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED)).to_canonical();
        if !self.is_proxy(peer) {
            return one_source(peer);
        }
        let named = headers.get_all("x-forwarded-for").filter_map(|value| value.to_str().ok());
        let mut named: Vec<&str> = named.flat_map(|value| value.split(',')).map(str::trim).collect();
        // Each proxy writes at the end whom it heard: what stands before the last stranger, the stranger made up.
        while let Some(last) = named.pop() {
            let Ok(address) = last.parse::<IpAddr>() else { break };
            let address = address.to_canonical();
            if !self.is_proxy(address) {
                return one_source(address);
            }
        }
        one_source(peer)
    }

    fn is_proxy(&self, address: IpAddr) -> bool {
        self.proxies.iter().any(|network| network.contains(&address))
    }

    /// Takes one request of a source; otherwise after how many seconds it may come again.
    ///
    /// # Errors
    /// Seconds to wait, at least 1.
    pub fn take(&self, source: IpAddr, now: Instant) -> Result<(), u32> {
        let at_once = f64::from(self.per_min);
        let rate = Rate { at_once, per_s: at_once / SECS_PER_MIN };
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.of(source, self.max, (rate, now)).take(rate, now)
    }
}

// === impl Buckets ===

impl Buckets {
    fn of(&mut self, source: IpAddr, max: usize, (rate, now): (Rate, Instant)) -> &mut Bucket {
        let fresh = Bucket::full(rate, now);
        let is_known = self.of.contains_key(&source);
        if !is_known && self.of.len() >= max {
            self.sweep(rate, now);
        }
        if !is_known && self.of.len() >= max {
            return self.shared.get_or_insert(fresh);
        }
        self.of.entry(source).or_insert(fresh)
    }

    /// Forgets sources whose buckets are full again: they are as they would be if they came anew.
    fn sweep(&mut self, rate: Rate, now: Instant) {
        if self.swept_at.is_some_and(|at| now.duration_since(at) < SWEEP_EVERY) {
            return;
        }
        self.swept_at = Some(now);
        self.of.retain(|_, bucket| !bucket.is_full(rate, now));
    }
}

fn one_source(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(whole) => {
            let network = whole.to_bits() & (u128::MAX << (128 - IPV6_BITS));
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::{HeaderName, HeaderValue};

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_source_has_its_minute_and_takes_nothing_from_another() {
        let (sources, start) = (Sources::new(3, Vec::new()), Instant::now());
        let (one, other) = (address("192.0.2.1"), address("192.0.2.2"));
        for _ in 0..3 {
            assert_eq!(sources.take(one, start), Ok(()));
        }
        assert_eq!(sources.take(one, start), Err(20));
        assert_eq!(sources.take(other, start), Ok(()));
        assert_eq!(sources.take(one, start + Duration::from_secs(19)), Err(1));
        assert_eq!(sources.take(one, start + Duration::from_secs(21)), Ok(()));
    }

    #[test]
    fn who_finds_no_room_shares_what_one_source_has() {
        let start = Instant::now();
        let sources = Sources { max: 2, ..Sources::new(2, Vec::new()) };
        let ask = |n: u8, at| sources.take(address(&format!("192.0.2.{n}")), at);
        assert_eq!((ask(1, start), ask(2, start)), (Ok(()), Ok(())));
        // The table is full: three and four have two requests between them, and the known keep theirs.
        assert_eq!((ask(3, start), ask(4, start), ask(5, start)), (Ok(()), Ok(()), Err(30)));
        assert_eq!((ask(1, start), ask(1, start)), (Ok(()), Err(30)));
        // A minute later the known ones are forgotten, and newcomers have buckets again.
        let later = start + Duration::from_secs(60);
        for n in [6, 7] {
            assert_eq!((ask(n, later), ask(n, later), ask(n, later)), (Ok(()), Ok(()), Err(30)), "{n}");
        }
        assert_eq!(sources.buckets.lock().unwrap().of.len(), 2);
    }

    #[test]
    fn a_proxy_is_believed_and_a_stranger_is_not() {
        let sources = Sources::new(1, vec!["10.0.0.0/8".parse().unwrap()]);
        let check = |peer: &str, told: &[&'static str], expect: &str| {
            let mut headers = HeaderMap::new();
            for value in told.iter().copied() {
                let name = HeaderName::from_static("x-forwarded-for");
                headers.append(name, HeaderValue::from_static(value));
            }
            assert_eq!(sources.of(Some(address(peer)), &headers), address(expect), "{peer} {told:?}");
        };
        check("192.0.2.1", &["198.51.100.7"], "192.0.2.1");
        check("10.0.0.1", &["198.51.100.7"], "198.51.100.7");
        check("::ffff:10.0.0.1", &["198.51.100.7"], "198.51.100.7");
        check("10.0.0.1", &["203.0.113.9, 198.51.100.7, 10.2.0.1"], "198.51.100.7");
        check("10.0.0.1", &["203.0.113.9", "198.51.100.7"], "198.51.100.7");
        check("10.0.0.1", &["198.51.100.7, nobody"], "10.0.0.1");
        check("10.0.0.1", &[], "10.0.0.1");
        check("2001:db8:1:2:3:4:5:6", &[], "2001:db8:1:2::");
    }
}
