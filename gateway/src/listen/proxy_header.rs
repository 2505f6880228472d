//! The header that a proxy puts before a connection, in both versions: bytes in; how many more, the source, or the fault out.
//!
//! Pure, and exact: it asks only for bytes that must belong to the header, so what follows stays in the kernel for TLS or HTTP and
//! nothing has to be put back. Source: the HAProxy project's PROXY protocol specification, sections 2.1 and 2.2.
//!
//! Never here: whether a peer may send one (`proxies`), a stream, a time limit.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The longest header of version 1 with its CRLF.
const TEXT_MAX: usize = 107;
/// The shortest: `PROXY UNKNOWN` and CRLF. One byte shorter than the fixed part of version 2.
const TEXT_MIN: usize = 15;
const TEXT_START: &[u8] = b"PROXY ";

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
const FIXED: usize = 16;
/// The most we take after the fixed part: addresses (36 bytes) and what proxies usually add. None of it is worth more.
const REST_MAX: usize = 1_024;
/// The longest header.
pub(super) const HEADER_MAX: usize = FIXED + REST_MAX;

const LOCAL: u8 = 0;
const PROXIED: u8 = 1;
const UNSPECIFIED: u8 = 0x00;
const TCP_OVER_IPV4: u8 = 0x11;
const TCP_OVER_IPV6: u8 = 0x21;

/// Where the reader stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// So many bytes more, at least one, before there is anything else to say; all of them belong to the header.
    More(usize),
    /// That was the header.
    Done(Source),
}

/// Whom the header names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The peer of the proxy's other side.
    Peer(SocketAddr),
    /// Nobody: the proxy speaks for itself (a health check), or does not know. Then it is the peer of the connection.
    Connection,
}

/// Why there is no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Neither version starts like this.
    Signature,
    /// Version 2 in name, but not by its version or command.
    Version,
    /// Not TCP over IPv4 or IPv6.
    Family,
    /// Longer than we take, or than it says; or too short for its addresses.
    Length,
    /// Version 1 with other words than the standard's.
    Text,
}

// === impl Fault ===

impl Fault {
    /// The label of the metric.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Signature => "proxy_signature",
            Self::Version => "proxy_version",
            Self::Family => "proxy_family",
            Self::Length => "proxy_length",
            Self::Text => "proxy_text",
        }
    }
}

// === reading ===

/// Reads what has come so far: nothing but the start of the connection, and nothing past the header's end.
///
/// # Errors
/// No more bytes would make it a header.
pub(super) fn read(bytes: &[u8]) -> Result<Step, Fault> {
    let alike = |start: &[u8]| bytes.iter().zip(start).all(|(found, expected)| found == expected);
    if bytes.is_empty() {
        Ok(Step::More(TEXT_MIN))
    } else if alike(SIGNATURE) {
        read_binary(bytes)
    } else if alike(TEXT_START) {
        read_text(bytes)
    } else {
        Err(Fault::Signature)
    }
}

fn read_text(bytes: &[u8]) -> Result<Step, Fault> {
    let mut parts = bytes.splitn(2, |byte| *byte == b'\r');
    let wanted = match (parts.next(), parts.next()) {
        (Some(line), Some(b"\n")) if bytes.len() <= TEXT_MAX => return read_line(line).map(Step::Done),
        (_, Some(b"")) => 1,
        (_, Some(_)) => return Err(Fault::Text),
        // At least CR and LF are missing.
        (_, None) => TEXT_MIN.saturating_sub(bytes.len()).max(2),
    };
    if bytes.len() + wanted > TEXT_MAX { Err(Fault::Length) } else { Ok(Step::More(wanted)) }
}

/// `PROXY TCP4 192.0.2.1 198.51.100.1 56324 443`, without its end.
fn read_line(line: &[u8]) -> Result<Source, Fault> {
    let line = std::str::from_utf8(line).map_err(|_no_text| Fault::Text)?;
    let mut words = line.split(' ').skip(1);
    let family = words.next().unwrap_or_default();
    if family == "UNKNOWN" {
        // Whatever follows is to be ignored.
        return Ok(Source::Connection);
    }
    let is_of_family: fn(IpAddr) -> bool = match family {
        "TCP4" => |address| address.is_ipv4(),
        "TCP6" => |address| address.is_ipv6(),
        _ => return Err(Fault::Family),
    };
    let (mut address, mut port) = (None, None);
    for _side in ["source", "destination"] {
        let read = words.next().and_then(|word| word.parse::<IpAddr>().ok());
        let read = read.filter(|address| is_of_family(*address)).ok_or(Fault::Text)?;
        address.get_or_insert(read);
    }
    for _side in ["source", "destination"] {
        let read = words.next().and_then(read_port).ok_or(Fault::Text)?;
        port.get_or_insert(read);
    }
    match (address, port, words.next()) {
        (Some(address), Some(port), None) => Ok(peer(address, port)),
        _ => Err(Fault::Text),
    }
}

/// Without a sign and without leading zeros, which number parsing would take.
fn read_port(word: &str) -> Option<u16> {
    let port: u16 = word.parse().ok()?;
    (port.to_string() == word).then_some(port)
}

fn read_binary(bytes: &[u8]) -> Result<Step, Fault> {
    let Some((&[.., version_and_command, family, high, low], rest)) = bytes.split_first_chunk::<FIXED>()
    else {
        return Ok(Step::More(FIXED - bytes.len()));
    };
    let (version, command) = (version_and_command >> 4, version_and_command & 0x0f);
    if version != 2 || command > PROXIED {
        return Err(Fault::Version);
    }
    let names_a_peer = command != LOCAL && family != UNSPECIFIED;
    if names_a_peer && !matches!(family, TCP_OVER_IPV4 | TCP_OVER_IPV6) {
        return Err(Fault::Family);
    }
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > REST_MAX || rest.len() > length {
        return Err(Fault::Length);
    }
    if rest.len() < length {
        return Ok(Step::More(length - rest.len()));
    }
    if !names_a_peer {
        return Ok(Step::Done(Source::Connection));
    }
    let source = if family == TCP_OVER_IPV4 { read_ipv4(rest) } else { read_ipv6(rest) };
    source.map(Step::Done).ok_or(Fault::Length)
}

/// Source, destination, their ports; what follows is none of ours.
fn read_ipv4(rest: &[u8]) -> Option<Source> {
    let &[a, b, c, d, _, _, _, _, high, low, _, _] = rest.first_chunk()?;
    Some(peer(Ipv4Addr::new(a, b, c, d).into(), u16::from_be_bytes([high, low])))
}

fn read_ipv6(rest: &[u8]) -> Option<Source> {
    let (&source, rest) = rest.split_first_chunk::<16>()?;
    let (_destination, ports) = rest.split_first_chunk::<16>()?;
    let &[high, low, _, _] = ports.first_chunk()?;
    Some(peer(Ipv6Addr::from(source).into(), u16::from_be_bytes([high, low])))
}

/// One address is one station, whichever way the proxy writes it: without this its next connection could look like another's.
fn peer(address: IpAddr, port: u16) -> Source {
    Source::Peer(SocketAddr::new(address.to_canonical(), port))
}

#[cfg(test)]
mod tests;
