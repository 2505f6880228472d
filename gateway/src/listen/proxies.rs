//! From whom a PROXY header is believed: the networks of our own load balancers.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// Networks, written with commas between: `10.0.0.0/8, 192.0.2.7, 2001:db8::/48`. Empty by default: nobody is believed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Proxies(Box<[IpNet]>);

// === impl Proxies ===

impl Proxies {
    /// Is this one of them? An IPv4 address is one however the socket writes it (`::ffff:10.0.0.1`).
    #[must_use]
    pub fn include(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// All of them.
    #[must_use]
    pub fn networks(&self) -> &[IpNet] {
        &self.0
    }
}

impl TryFrom<String> for Proxies {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
        words.map(network).collect::<Result<_, _>>().map(Self)
    }
}

/// An address is a network of one.
fn network(word: &str) -> Result<IpNet, String> {
    let network = word.parse().or_else(|_no_network| word.parse::<IpAddr>().map(IpNet::from));
    let network: IpNet = network.map_err(|_neither| {
        format!("{word:?} is no network: an address or ADDRESS/BITS is needed, with commas between them")
    })?;
    if network.addr() != network.network() {
        // Perhaps the one address was meant, perhaps the network around it: guessing wrong lets strangers choose their address.
        let (around, alone) = (network.trunc(), network.addr());
        return Err(format!("{word:?} is no network: {around} is one, and {alone} is one address"));
    }
    if network.prefix_len() == 0 {
        return Err(format!("{word:?} is everybody: anyone could choose the address we see"));
    }
    Ok(network)
}

impl From<Proxies> for String {
    fn from(proxies: Proxies) -> Self {
        proxies.to_string()
    }
}

impl fmt::Display for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, network) in self.0.iter().enumerate() {
            let comma = if n == 0 { "" } else { "," };
            write!(f, "{comma}{network}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Proxies, String> {
        Proxies::try_from(text.to_owned())
    }

    #[test]
    fn only_members_are_believed_however_their_address_is_written() {
        let proxies = read(" 10.1.0.0/16, 192.0.2.7,2001:db8::/48,").unwrap();
        for (address, expect) in [
            ("10.1.255.255", true),
            ("10.2.0.0", false),
            ("::ffff:10.1.2.3", true),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("2001:db8:0:1::1", true),
            ("2001:db8:1::1", false),
            ("::1", false),
        ] {
            assert_eq!(proxies.include(address.parse().unwrap()), expect, "{address}");
        }
        assert!(!Proxies::default().include("127.0.0.1".parse().unwrap()));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let text = "10.1.0.0/16,192.0.2.7/32,2001:db8::/48";
        assert_eq!(read(text).unwrap().to_string(), text);
        assert_eq!(read("").unwrap(), Proxies::default());
    }

    #[test]
    fn a_bad_network_is_named() {
        for (text, expect) in [
            ("10.0.0.0/8, haproxy", "\"haproxy\" is no network"),
            ("10.0.0.0/33", "\"10.0.0.0/33\" is no network"),
            ("10.0.0.1/8", "10.0.0.0/8 is one, and 10.0.0.1 is one address"),
            ("0.0.0.0/0", "\"0.0.0.0/0\" is everybody"),
            ("::/0", "is everybody"),
            ("10.0.0.1:443", "is no network"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(expect), "{text}: {error}");
        }
    }
}
