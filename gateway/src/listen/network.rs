//! Whom limits are for: not an address, of which a party has many, but its network.

use std::net::IpAddr;

/// What one party is taken to hold: 24 bits of an IPv4 address, 48 of an IPv6 one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Network {
    /// 24 bits.
    V4([u8; 3]),
    /// 48 bits.
    V6([u16; 3]),
}

impl Network {
    /// That of an address.
    #[must_use]
    pub fn of(peer: IpAddr) -> Self {
        match peer.to_canonical() {
            IpAddr::V4(address) => {
                let [a, b, c, _] = address.octets();
                Self::V4([a, b, c])
            }
            IpAddr::V6(address) => {
                let [a, b, c, ..] = address.segments();
                Self::V6([a, b, c])
            }
        }
    }
}
