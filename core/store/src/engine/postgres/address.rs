//! The URL of a PostgreSQL, as its other clients write it.
//!
//! The driver knows no `verify-ca` and `verify-full` and no files of certificates: what the URL says of TLS is taken out of it here,
//! and the driver reads the rest. Never: an error that repeats the URL, or a value of it that may be part of a password.

use std::path::PathBuf;
use std::str::FromStr;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use crate::engine::failure::Moment;
use crate::store::StoreError;

/// How much of the server's identity is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TlsMode {
    /// No TLS.
    Disable,
    /// TLS where the server has it, with whoever answers.
    Prefer,
    /// TLS, with whoever answers.
    Require,
    /// The certificate comes from the CA, whatever its name.
    VerifyCa,
    /// And it is for the host of the URL.
    VerifyFull,
}

/// What the URL says of TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TlsSettings {
    pub(super) mode: TlsMode,
    /// CAs of the server's certificate, PEM; always there for the modes that verify.
    pub(super) root: Option<PathBuf>,
    /// Our own certificate and its key, PEM.
    pub(super) identity: Option<(PathBuf, PathBuf)>,
}

const KEYS: [&str; 4] = ["sslmode", "sslrootcert", "sslcert", "sslkey"];

/// Reads a `postgres://` URL.
pub(super) fn read(url: &str) -> Result<(Config, TlsSettings), StoreError> {
    let (rest, values) = take_out(url)?;
    let mut config = Config::from_str(&rest).map_err(|e| StoreError::of_postgres(&e, Moment::Before))?;
    let mut tls = settings(values)?;
    // As everywhere with PostgreSQL: a socket of this machine has no TLS, and needs none.
    if !config.get_hosts().is_empty() && config.get_hosts().iter().all(is_local) {
        tls.mode = TlsMode::Disable;
    }
    config.ssl_mode(match tls.mode {
        TlsMode::Disable => SslMode::Disable,
        TlsMode::Prefer => SslMode::Prefer,
        TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull => SslMode::Require,
    });
    Ok((config, tls))
}

const fn is_local(host: &Host) -> bool {
    matches!(host, Host::Unix(_))
}

/// The URL without our keys, and their values in the order of [`KEYS`].
fn take_out(url: &str) -> Result<(String, [Option<String>; 4]), StoreError> {
    // Where the driver sees the parameters begin: behind the credentials, in which a question mark may stand.
    let host = url.find('@').unwrap_or_default();
    let Some(mark) = url.get(host..).and_then(|rest| rest.find('?')) else {
        return Ok((url.to_owned(), [const { None }; 4]));
    };
    let (head, query) = url.split_at(host.saturating_add(mark));
    let mut values = [const { None }; 4];
    let mut kept = Vec::new();
    for pair in query.trim_start_matches('?').split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let key = decoded(key)?;
        let Some(slot) = KEYS.iter().zip(&mut values).find_map(|(name, slot)| (*name == key).then_some(slot))
        else {
            kept.push(pair);
            continue;
        };
        let value = decoded(value)?;
        if slot.as_ref().is_some_and(|before| *before != value) {
            return Err(wrong(&format!("{key} is there twice and says two things")));
        }
        *slot = Some(value);
    }
    let rest = if kept.is_empty() { head.to_owned() } else { format!("{head}?{}", kept.join("&")) };
    Ok((rest, values))
}

fn settings([mode, root, certificate, key]: [Option<String>; 4]) -> Result<TlsSettings, StoreError> {
    let file = |value: Option<String>| value.filter(|text| !text.is_empty()).map(PathBuf::from);
    let (root, certificate, key) = (file(root), file(certificate), file(key));
    if root.as_ref().is_some_and(|path| path.as_os_str() == "system") {
        return Err(wrong("sslrootcert=system is not known: name the file that holds the CAs"));
    }
    let mode = match mode.as_deref() {
        Some("disable") => TlsMode::Disable,
        // What other clients do when nothing is said.
        None if root.is_none() => TlsMode::Prefer,
        None => return Err(wrong("sslrootcert needs sslmode: require, verify-ca or verify-full")),
        Some("prefer") if root.is_none() => TlsMode::Prefer,
        Some("prefer") => return Err(wrong("sslmode=prefer verifies nobody, so sslrootcert is of no use")),
        Some("require") if root.is_none() => TlsMode::Require,
        // As other clients have it: with a CA at hand it is used.
        Some("require" | "verify-ca") => TlsMode::VerifyCa,
        Some("verify-full") => TlsMode::VerifyFull,
        Some(_) => return Err(wrong("sslmode is none of disable, prefer, require, verify-ca, verify-full")),
    };
    if matches!(mode, TlsMode::VerifyCa | TlsMode::VerifyFull) && root.is_none() {
        return Err(wrong("sslmode=verify-ca and verify-full need sslrootcert, the file of the CAs"));
    }
    let identity = match (certificate, key) {
        (None, None) => None,
        (Some(certificate), Some(key)) => Some((certificate, key)),
        _ => return Err(wrong("sslcert and sslkey need each other")),
    };
    if mode == TlsMode::Disable && (root.is_some() || identity.is_some()) {
        return Err(wrong("sslmode=disable contradicts sslrootcert, sslcert and sslkey"));
    }
    Ok(TlsSettings { mode, root, identity })
}

/// With `%2F` and the like as what they stand for.
fn decoded(text: &str) -> Result<String, StoreError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        let (high, low) = (digit(), digit());
        let value = high.zip(low).and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
        bytes.push(value.ok_or_else(|| wrong("a parameter has a % that begins no %XX"))?);
    }
    String::from_utf8(bytes).map_err(|_no_text| wrong("a parameter is not UTF-8"))
}

fn wrong(reason: &str) -> StoreError {
    StoreError::unavailable(format!("store url: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERIFY: &str = "sslmode=verify-full&sslrootcert=/etc/ssl/db%20ca.pem";

    #[test]
    fn what_is_said_of_tls_is_taken_out_and_the_rest_is_left() {
        let url = format!("postgres://u:p%3F?w@db/x?application_name=a&{VERIFY}&connect_timeout=5");
        let (config, tls) = read(&url).unwrap();
        assert_eq!(tls.mode, TlsMode::VerifyFull);
        assert_eq!(tls.root.unwrap().to_str(), Some("/etc/ssl/db ca.pem"));
        assert_eq!(config.get_ssl_mode(), SslMode::Require);
        assert_eq!(config.get_application_name(), Some("a"));
        assert_eq!(config.get_connect_timeout().unwrap().as_secs(), 5);
        assert_eq!(config.get_password(), Some(b"p??w".as_slice()));
        assert_eq!(config.get_dbname(), Some("x"));
    }

    #[test]
    fn each_mode_is_what_other_clients_take_it_for() {
        let modes = [
            ("", TlsMode::Prefer),
            ("?sslmode=disable", TlsMode::Disable),
            ("?sslmode=prefer", TlsMode::Prefer),
            ("?sslmode=require", TlsMode::Require),
            ("?sslmode=require&sslrootcert=ca", TlsMode::VerifyCa),
            ("?sslmode=verify%2Dca&sslrootcert=ca", TlsMode::VerifyCa),
            ("?%73slmode=verify-full&sslrootcert=ca&sslcert=c&sslkey=k", TlsMode::VerifyFull),
            ("?sslmode=require&sslmode=require", TlsMode::Require),
            ("?host=%2Ftmp&sslmode=prefer", TlsMode::Prefer),
        ];
        for (query, mode) in modes {
            assert_eq!(read(&format!("postgres://u@db/x{query}")).unwrap().1.mode, mode, "{query}");
        }
        let (config, tls) = read("postgres://u@%2Frun%2Fpostgresql/x?sslmode=require").unwrap();
        assert_eq!((tls.mode, config.get_ssl_mode()), (TlsMode::Disable, SslMode::Disable));
    }

    #[test]
    fn what_contradicts_itself_is_refused_without_a_word_of_the_url() {
        for query in [
            "sslmode=allow",
            "sslmode=verify-full",
            "sslmode=verify-ca",
            "sslmode=disable&sslrootcert=ca",
            "sslmode=prefer&sslrootcert=ca",
            "sslmode=require&sslmode=disable",
            "sslmode=verify-full&sslrootcert=system",
            "sslmode=require&sslcert=c",
            "sslmode=require&sslkey=k",
            "sslmode=%zz",
            "sslrootcert=ca",
            "sslmode=hunter2&password=hunter2",
            "unheard_of=hunter2",
        ] {
            let error = read(&format!("postgres://u:hunter2@db.example/x?{query}")).unwrap_err().to_string();
            assert!(!error.contains("hunter2") && !error.contains("db.example"), "{query}: {error}");
        }
    }
}
