//! The SSRF guard: every address a partner gives us passes here before it is kept, and once more before it is called (security.md O4).
//!
//! It judges the address as a value: https, no user information, an allowed port, a host on the public internet. Names are judged as far
//! as their text goes; whoever calls resolves once, asks [`Guard::admits`] for each answer and connects to that very address. An operator
//! may let single hosts and networks through. Never: a look-up of a name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;
use url::{Host, Url};

/// The longest address, in characters (OCPI 2.2.1 types, URL).
pub const URL_MAX_CHARS: usize = 255;
/// The longest address that is called, in characters: one of a partner's, and what we or the links of its pages put behind it.
pub const CALL_MAX_CHARS: usize = 2_048;
/// Ports partners serve on.
const PORTS: [u16; 2] = [443, 8443];
/// Names that never lead to the public internet (RFC 6761, 6762, 8375; `internal` is reserved by ICANN).
const PRIVATE_NAMES: [&str; 6] = ["localhost", "local", "internal", "home.arpa", "test", "invalid"];

/// Judges addresses. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    allowed: Arc<[Allowed]>,
}

/// What an operator lets through: partners in networks of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Allowed {
    plain: bool,
    place: Place,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// A name, wherever it leads; in lower case.
    Name(Box<str>),
    /// Addresses that are written as such. A name that leads there is another matter: whoever gave it might change it.
    Network(IpNet),
}

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

// === impl Guard ===

impl Guard {
    /// A guard that lets through what an operator names: `[http://]HOST[:PORT]`, where the host is a name, an address, or a network such as
    /// `10.1.0.0/16`. Without a port any is good; only with `http://` it need not be https.
    ///
    /// # Errors
    /// The entry that is none, in words.
    pub fn allowing(entries: &[impl AsRef<str>]) -> Result<Self, String> {
        let allowed: Result<Vec<_>, _> = entries.iter().map(|entry| Allowed::read(entry.as_ref())).collect();
        Ok(Self { allowed: allowed?.into() })
    }

    /// Judges an address as a partner wrote it.
    ///
    /// # Errors
    /// [`GuardError`] with the first thing that is wrong.
    pub fn check(&self, text: &str) -> Result<Url, GuardError> {
        self.judge(read(text, URL_MAX_CHARS)?)
    }

    /// Judges an address that is called.
    ///
    /// # Errors
    /// [`GuardError`] with the first thing that is wrong.
    pub fn check_call(&self, text: &str) -> Result<Url, GuardError> {
        self.judge(read(text, CALL_MAX_CHARS)?)
    }

    fn judge(&self, url: Url) -> Result<Url, GuardError> {
        if self.allowed.iter().any(|allowed| allowed.lets(&url)) { Ok(url) } else { judge(url) }
    }

    /// May this address be connected to, which a name led to?
    #[must_use]
    pub fn admits(&self, name: &str, address: IpAddr) -> bool {
        let named =
            |allowed: &Allowed| matches!(&allowed.place, Place::Name(own) if own.eq_ignore_ascii_case(name));
        is_public(address) || self.allowed.iter().any(named)
    }
}

// === impl Allowed ===

impl Allowed {
    fn read(entry: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{entry:?} is none of HOST, HOST:PORT, NETWORK/BITS, each with or without http:// before it"
            )
        };
        let (plain, rest) = match entry.split_once("://") {
            Some(("http", rest)) => (true, rest),
            Some(("https", rest)) => (false, rest),
            Some(_) => return Err(wrong()),
            None => (false, entry),
        };
        if let Ok(network) = rest.parse::<IpNet>() {
            return Ok(Self { plain, place: Place::Network(network), port: None });
        }
        let url = Url::parse(&format!("https://{rest}/")).map_err(|_no_host| wrong())?;
        if url.path() != "/" || url.query().is_some() || !url.username().is_empty() {
            return Err(wrong());
        }
        // The port that https has by itself is not told apart from none, so it is looked for.
        let port = rest.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        let place = match url.host() {
            Some(Host::Domain(name)) => Place::Name(name.into()),
            Some(Host::Ipv4(address)) => Place::Network(IpAddr::V4(address).into()),
            Some(Host::Ipv6(address)) => Place::Network(IpAddr::V6(address).into()),
            None => return Err(wrong()),
        };
        Ok(Self { plain, place, port })
    }

    fn lets(&self, url: &Url) -> bool {
        let scheme = url.scheme() == "https" || (self.plain && url.scheme() == "http");
        let place = match (&self.place, url.host()) {
            (Place::Name(own), Some(Host::Domain(name))) => **own == *name,
            (Place::Network(network), Some(Host::Ipv4(address))) => network.contains(&IpAddr::V4(address)),
            (Place::Network(network), Some(Host::Ipv6(address))) => network.contains(&IpAddr::V6(address)),
            _ => false,
        };
        scheme && place && self.port.is_none_or(|port| url.port_or_known_default() == Some(port))
    }
}

/// An address with nothing in it that no partner's has.
fn read(text: &str, max_chars: usize) -> Result<Url, GuardError> {
    if text.chars().count() > max_chars {
        return Err(GuardError::Shape);
    }
    // The parser also unmasks addresses written as one number, in octal or in hexadecimal.
    let url = Url::parse(text).map_err(|_no_url| GuardError::Shape)?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err(GuardError::Scheme);
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err(GuardError::Extras);
    }
    Ok(url)
}

/// Judges an address that no operator lets through.
fn judge(url: Url) -> Result<Url, GuardError> {
    if url.scheme() != "https" {
        return Err(GuardError::Scheme);
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
            assert_eq!(Guard::default().check(text).map(drop), expect, "{text}");
        }
    }

    #[test]
    fn an_operator_lets_single_places_through() {
        let guard =
            Guard::allowing(&["hub.internal", "emsp.test:9443", "http://10.1.0.0/16", "[fd00::7]:443"])
                .unwrap();
        for (text, expect) in [
            ("https://hub.internal/ocpi", true),
            ("https://hub.internal:7777/ocpi", true),
            ("http://hub.internal/ocpi", false),
            ("https://other.internal/", false),
            ("https://emsp.test:9443/", true),
            ("https://emsp.test/", false),
            ("http://10.1.2.3:81/", true),
            ("https://10.1.2.3/", true),
            ("http://10.2.0.1/", false),
            ("https://[fd00::7]/", true),
            ("https://[fd00::8]/", false),
            ("https://user@hub.internal/", false),
            ("ftp://10.1.2.3/", false),
        ] {
            assert_eq!(guard.check(text).is_ok(), expect, "{text}");
        }
        for wrong in ["", "ftp://x", "a b", "10.0.0.0/99", "host/path", "u@h"] {
            assert!(Guard::allowing(&[wrong]).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_name_leads_to_public_addresses_or_is_let_through_itself() {
        let guard = Guard::allowing(&["hub.internal", "10.1.0.0/16"]).unwrap();
        let admits = |name: &str, address: &str| guard.admits(name, address.parse().unwrap());
        assert!(admits("emsp.example.com", "93.184.216.34") && admits("Hub.Internal", "10.9.9.9"));
        for address in ["127.0.0.1", "10.1.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "0.0.0.0"] {
            assert!(!admits("emsp.example.com", address), "{address}: a name must not lead into a network");
        }
    }
}
