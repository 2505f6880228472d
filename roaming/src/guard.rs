//! The SSRF guard: every address a partner gives us passes here before it is kept, and once more before it is called (security.md O4).
//!
//! It judges the address as a value: https, no user information, an allowed port, a host on the public internet. Names are judged as far
//! as their text goes. Never: a look-up of a name; whoever calls resolves once, asks [`is_public`] for each answer and connects to that
//! very address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// The longest address, in characters (OCPI 2.2.1 types, URL).
pub const URL_MAX_CHARS: usize = 255;
/// Ports partners serve on.
const PORTS: [u16; 2] = [443, 8443];
/// Names that never lead to the public internet (RFC 6761, 6762, 8375; `internal` is reserved by ICANN).
const PRIVATE_NAMES: [&str; 6] = ["localhost", "local", "internal", "home.arpa", "test", "invalid"];

/// Why an address is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuardError {
    /// It is no address, or too long a one.
    Shape,
    /// It is not https.
    Scheme,
    /// It holds a user, a password or a fragment.
    Extras,
    /// Its port is none partners serve on.
    Port,
    /// Its host is not on the public internet.
    Host,
}

// === impl GuardError ===

impl GuardError {
    /// For the partner: what is wrong with its address, and nothing about our network.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shape => "url must be an absolute address of at most 255 characters",
            Self::Scheme => "url must start with https://",
            Self::Extras => "url must hold no user, password or fragment",
            Self::Port => "url must use port 443 or 8443",
            Self::Host => "url must name a host on the public internet",
        }
    }
}

/// Judges an address as a partner wrote it.
///
/// # Errors
/// [`GuardError`] with the first thing that is wrong.
pub fn check(text: &str) -> Result<Url, GuardError> {
    if text.chars().count() > URL_MAX_CHARS {
        return Err(GuardError::Shape);
    }
    // The parser also unmasks addresses written as one number, in octal or in hexadecimal.
    let url = Url::parse(text).map_err(|_no_url| GuardError::Shape)?;
    if url.scheme() != "https" {
        return Err(GuardError::Scheme);
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err(GuardError::Extras);
    }
    if !url.port_or_known_default().is_some_and(|port| PORTS.contains(&port)) {
        return Err(GuardError::Port);
    }
    let public = match url.host() {
        Some(Host::Domain(name)) => is_public_name(name),
        Some(Host::Ipv4(address)) => is_public(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => is_public(IpAddr::V6(address)),
        None => false,
    };
    if public { Ok(url) } else { Err(GuardError::Host) }
}

/// May this address be connected to? Neither loopback, private, link-local, shared, documentation, multicast, nor a tunnel to one.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_name(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let private = |end: &str| name == end || name.strip_suffix(end).is_some_and(|rest| rest.ends_with('.'));
    // A name without a dot is looked up in the local domain.
    name.contains('.') && !PRIVATE_NAMES.into_iter().any(private)
}

/// All but the special-purpose blocks (IANA registry, RFC 6890).
fn is_public_v4(address: Ipv4Addr) -> bool {
    match address.octets() {
        [0 | 10 | 127, ..]
        | [169, 254, ..]
        | [172, 16..=31, ..]
        | [192, 168, ..]
        | [192, 0, 0 | 2, _]
        | [192, 88, 99, _]
        | [100, 64..=127, ..]
        | [198, 18 | 19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _]
        | [224..=255, ..] => false,
        [_, _, _, _] => true,
    }
}

/// Global unicast only, without what is for documents and benchmarks and without the blocks that carry IPv4 addresses inside.
fn is_public_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        [0x2001, 0..=0x01ff | 0x0db8, ..] | [0x2002, ..] | [0x3fff, 0..=0x0fff, ..] => false,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_https_addresses_pass() {
        let long = format!("https://emsp.example.com/{}", "x".repeat(URL_MAX_CHARS));
        for (text, expect) in [
            ("https://emsp.example.com/ocpi/versions", Ok(())),
            ("https://emsp.example.com:8443/ocpi/versions?x=1", Ok(())),
            ("https://93.184.216.34/ocpi", Ok(())),
            ("https://[2606:2800:220:1::1]/ocpi", Ok(())),
            (&long, Err(GuardError::Shape)),
            ("/ocpi/versions", Err(GuardError::Shape)),
            ("http://emsp.example.com/ocpi", Err(GuardError::Scheme)),
            ("file:///etc/passwd", Err(GuardError::Scheme)),
            ("https://user@emsp.example.com/", Err(GuardError::Extras)),
            ("https://emsp.example.com/#top", Err(GuardError::Extras)),
            ("https://emsp.example.com:5432/", Err(GuardError::Port)),
            ("https://localhost/", Err(GuardError::Host)),
            ("https://LOCALHOST./", Err(GuardError::Host)),
            ("https://db.internal/", Err(GuardError::Host)),
            ("https://redis/", Err(GuardError::Host)),
            ("https://127.0.0.1/", Err(GuardError::Host)),
            ("https://2130706433/", Err(GuardError::Host)),
            ("https://0x7f.1/", Err(GuardError::Host)),
            ("https://169.254.169.254/latest/meta-data", Err(GuardError::Host)),
            ("https://10.0.0.1/", Err(GuardError::Host)),
            ("https://172.31.255.255/", Err(GuardError::Host)),
            ("https://172.32.0.1/", Ok(())),
            ("https://100.64.0.1/", Err(GuardError::Host)),
            ("https://[::1]/", Err(GuardError::Host)),
            ("https://[::ffff:10.0.0.1]/", Err(GuardError::Host)),
            ("https://[fd00::1]/", Err(GuardError::Host)),
            ("https://[fe80::1]/", Err(GuardError::Host)),
            ("https://[64:ff9b::a00:1]/", Err(GuardError::Host)),
            ("https://[2002:a00:1::1]/", Err(GuardError::Host)),
        ] {
            assert_eq!(check(text).map(drop), expect, "{text}");
        }
    }
}
