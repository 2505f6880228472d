//! A CA for development, demo and tests.
//!
//! Place on the walk: none; it makes what the listeners of `make demo`, the tests and the load
//! test stand on. Never: a production PKI (its key lies in a folder, readable by its owner), a
//! clock (the moment is a parameter), a private key in a log.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType, SerialNumber,
};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::sign::CertifiedKey;
use thiserror::Error;

use crate::chain::{self, CertificateFiles, PemError};
use crate::identity;
use crate::node::NODE_NAME;

pub mod folder;

/// Most names of a server certificate.
pub const NAMES_MAX: usize = 100;

/// Most characters of a common name or an organization (RFC 5280, appendix A.1).
pub const SUBJECT_CHARACTERS_MAX: usize = 64;

const DAY: Duration = Duration::from_secs(86_400);
const CA_DAYS: u32 = 3_650;
const SERVER_DAYS: u32 = 90;
const NODE_DAYS: u32 = 365;
const STATION_DAYS: u32 = 365;
/// Stations and laptops with a clock a little behind must not refuse a certificate made just now.
const BACKDATED: Duration = DAY;
/// The start of the year 3000: beyond it, dates do not fit into every certificate format.
const CLOCK_END: Duration = Duration::from_secs(32_503_680_000);

/// The development CA: its certificate and the key that signs.
pub struct DevCa {
    certificate: CertificateDer<'static>,
    certificate_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate that the CA has issued, with its new key. Its `Debug` form leaves the key out.
#[derive(Clone)]
pub struct Issued {
    /// PEM: the certificate alone; the CA signs without intermediates.
    pub chain_pem: String,
    /// PEM: the private key, PKCS#8, unencrypted.
    pub key_pem: String,
}

/// Why the development CA cannot do its work.
#[derive(Debug, Error)]
pub enum DevCaError {
    /// A file of the folder cannot be used; the text names it.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// The CA's certificate is there but its key is not: nothing can be issued that anybody who
    /// trusts this CA would accept.
    #[error("{}: no such file, but {} is there; remove that to start a new CA", key_pem.display(), ca_pem.display())]
    KeyGone {
        /// The missing key.
        key_pem: PathBuf,
        /// The certificate without its key.
        ca_pem: PathBuf,
    },
    /// A file or the folder cannot be written.
    #[error("{}: not writable: {cause}", path.display())]
    Unwritable {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        cause: std::io::Error,
    },
    /// Neither a host name nor an IP address.
    #[error("{name:?} is neither a host name nor an IP address")]
    Name {
        /// The name given.
        name: String,
    },
    /// More than [`NAMES_MAX`] names for one certificate.
    #[error("{names} names for one certificate, at most {NAMES_MAX} are taken")]
    TooManyNames {
        /// How many.
        names: usize,
    },
    /// A subject field is empty or longer than [`SUBJECT_CHARACTERS_MAX`] characters.
    #[error("the {field} of a certificate has 1 to {SUBJECT_CHARACTERS_MAX} characters, not {characters}")]
    Subject {
        /// `common name` or `organization`.
        field: &'static str,
        /// How many characters were given.
        characters: usize,
    },
    /// The moment given is before 1970 or after 2999.
    #[error("the clock is out of range")]
    Clock,
    /// The crypto library refuses.
    #[error("{doing}: {detail}")]
    Crypto {
        /// What was being done.
        doing: &'static str,
        /// What the library says.
        detail: String,
    },
}

// === impl DevCa ===

impl DevCa {
    /// A new CA with a new ECDSA P-256 key, valid for ten years from `now`. Nothing is written.
    ///
    /// # Errors
    /// `Clock` or `Crypto`.
    pub fn generate(now: SystemTime) -> Result<Self, DevCaError> {
        Self::certify(new_key()?, now)
    }

    /// The CA of a certificate and its key, both PEM; `files` is for the errors only.
    pub(crate) fn from_pem(
        files: &CertificateFiles,
        ca_pem: &[u8],
        key_pem: &[u8],
    ) -> Result<Self, DevCaError> {
        // Checks that the two are a pair, and says which file is wrong if not.
        let pair = chain::parse_identity(files, ca_pem, key_pem)?;
        let certificate = pair
            .cert
            .into_iter()
            .next()
            .ok_or_else(|| PemError::NoCertificate { path: files.chain_pem.clone() })?;
        if !identity::parse(&certificate).is_ok_and(|parsed| parsed.is_ca()) {
            return Err(chain::malformed(&files.chain_pem, &"not the certificate of a CA").into());
        }
        let key = KeyPair::from_pem(&String::from_utf8_lossy(key_pem)).map_err(|error| {
            PemError::UnusableKey { path: files.key_pem.clone(), detail: error.to_string() }
        })?;
        let issuer = Issuer::from_ca_cert_der(&certificate, key)
            .map_err(|error| chain::malformed(&files.chain_pem, &error))?;
        let certificate_pem = String::from_utf8_lossy(ca_pem).into_owned();
        Ok(Self { certificate, certificate_pem, issuer })
    }

    /// The same CA, same name and same key, with ten more years from `now`: what it has issued, and
    /// whoever trusts its old certificate, goes on.
    ///
    /// # Errors
    /// `Clock` or `Crypto`.
    pub fn renew(self, now: SystemTime) -> Result<Self, DevCaError> {
        let key = KeyPair::from_pem(&self.key_pem()).map_err(crypto("read the key of the CA"))?;
        Self::certify(key, now)
    }

    fn certify(key: KeyPair, now: SystemTime) -> Result<Self, DevCaError> {
        // Part of the name, so that two CAs in one browser or trust store can be told apart.
        let key_digest = digest::digest(&digest::SHA256, &key.subject_public_key_info());
        let short: String = hex::encode(key_digest).chars().take(8).collect();
        let mut params = CertificateParams::default();
        params.distinguished_name =
            subject(&[(DnType::CommonName, &format!("Ringmain development CA {short}"))]);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        stamp(&mut params, now, CA_DAYS)?;
        let certificate = params.self_signed(&key).map_err(crypto("sign the CA's certificate"))?;
        Ok(Self {
            certificate_pem: certificate.pem(),
            certificate: certificate.into(),
            issuer: Issuer::new(params, key),
        })
    }

    /// The CA's certificate, PEM: what clients and station listeners trust.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The CA's private key, PEM. For its folder only.
    pub(crate) fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// Whether the CA's own certificate is valid now and for `more` from now.
    pub(crate) fn lives(&self, now: SystemTime, more: Duration) -> bool {
        is_valid(&self.certificate, now, more)
    }

    /// Whether this CA's key has signed the certificate.
    pub(crate) fn has_signed(&self, certificate: &CertificateDer<'_>) -> bool {
        let (Ok(ca), Ok(issued)) = (identity::parse(&self.certificate), identity::parse(certificate)) else {
            return false;
        };
        issued.issuer() == ca.subject() && issued.verify_signature(Some(ca.public_key())).is_ok()
    }

    /// Issues a server certificate (P-256, server authentication) for host names and IP addresses,
    /// 1 to [`NAMES_MAX`], valid for 90 days from `now`.
    ///
    /// # Errors
    /// `Name`, `TooManyNames`, `Subject` (no name), `Clock` or `Crypto`.
    pub fn issue_server(&self, names: &[String], now: SystemTime) -> Result<Issued, DevCaError> {
        self.certify_server(&new_key()?, names, now)
    }

    pub(crate) fn certify_server(
        &self,
        key: &KeyPair,
        names: &[String],
        now: SystemTime,
    ) -> Result<Issued, DevCaError> {
        let first = names.first().ok_or(DevCaError::Subject { field: "common name", characters: 0 })?;
        let mut params = CertificateParams::default();
        params.subject_alt_names = alternative_names(names)?;
        // OCPP wants the server's name in CN too; a longer one is in the alternative names alone.
        let common_name = if first.chars().count() <= SUBJECT_CHARACTERS_MAX { first } else { "ringmain" };
        params.distinguished_name = subject(&[(DnType::CommonName, common_name)]);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(params, key, now, SERVER_DAYS)
    }

    /// Issues a station certificate (P-256, client authentication), valid for 365 days from `now`.
    ///
    /// `common_name` is the station's identity or serial number, `organization` its operator; both
    /// have 1 to [`SUBJECT_CHARACTERS_MAX`] characters.
    ///
    /// # Errors
    /// `Subject`, `Clock` or `Crypto`.
    pub fn issue_station(
        &self,
        common_name: &str,
        organization: &str,
        now: SystemTime,
    ) -> Result<Issued, DevCaError> {
        for (field, text) in [("common name", common_name), ("organization", organization)] {
            let characters = text.chars().count();
            if characters == 0 || characters > SUBJECT_CHARACTERS_MAX {
                return Err(DevCaError::Subject { field, characters });
            }
        }
        let mut params = CertificateParams::default();
        params.distinguished_name =
            subject(&[(DnType::OrganizationName, organization), (DnType::CommonName, common_name)]);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(params, &new_key()?, now, STATION_DAYS)
    }

    /// Issues a node's certificate (P-256, for both ends of a link), valid for 365 days from `now`. It names no machine: see
    /// [`crate::node`].
    ///
    /// # Errors
    /// `Clock` or `Crypto`.
    pub fn issue_node(&self, now: SystemTime) -> Result<Issued, DevCaError> {
        let mut params = CertificateParams::default();
        params.subject_alt_names = alternative_names(&[NODE_NAME.to_owned()])?;
        params.distinguished_name = subject(&[(DnType::CommonName, NODE_NAME)]);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(params, &new_key()?, now, NODE_DAYS)
    }

    fn issue(
        &self,
        mut params: CertificateParams,
        key: &KeyPair,
        now: SystemTime,
        days: u32,
    ) -> Result<Issued, DevCaError> {
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        stamp(&mut params, now, days)?;
        let certificate = params.signed_by(key, &self.issuer).map_err(crypto("sign a certificate"))?;
        Ok(Issued { chain_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }
}

impl fmt::Debug for DevCa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DevCa").field("certificate_pem", &self.certificate_pem).finish_non_exhaustive()
    }
}

// === impl Issued ===

impl Issued {
    /// Certificate and key as an identity that a client or server can present without any file.
    ///
    /// # Errors
    /// Only if the two were changed since they were issued.
    pub fn identity(&self) -> Result<CertifiedKey, PemError> {
        let nowhere = CertificateFiles {
            chain_pem: PathBuf::from("issued certificate"),
            key_pem: PathBuf::from("issued key"),
        };
        chain::parse_identity(&nowhere, self.chain_pem.as_bytes(), self.key_pem.as_bytes())
    }
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued").field("chain_pem", &self.chain_pem).finish_non_exhaustive()
    }
}

pub(crate) fn new_key() -> Result<KeyPair, DevCaError> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(crypto("generate a key"))
}

/// Host names in lower case and IP addresses, in their order.
pub(crate) fn alternative_names(names: &[String]) -> Result<Vec<SanType>, DevCaError> {
    if names.len() > NAMES_MAX {
        return Err(DevCaError::TooManyNames { names: names.len() });
    }
    names.iter().map(|name| alternative_name(name)).collect()
}

fn alternative_name(name: &str) -> Result<SanType, DevCaError> {
    let refuse = || DevCaError::Name { name: name.to_owned() };
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    if ServerName::try_from(name).is_err() {
        return Err(refuse());
    }
    match name.to_ascii_lowercase().try_into() {
        Ok(name) => Ok(SanType::DnsName(name)),
        Err(_) => Err(refuse()),
    }
}

/// Whether a certificate is valid at `now` and still will be `more` later.
pub(crate) fn is_valid(certificate: &CertificateDer<'_>, now: SystemTime, more: Duration) -> bool {
    let (Ok(parsed), Some(now_s), Some(end_s)) =
        (identity::parse(certificate), unix_s(now), now.checked_add(more).and_then(unix_s))
    else {
        return false;
    };
    parsed.validity().not_before.timestamp() <= now_s && end_s <= parsed.validity().not_after.timestamp()
}

fn unix_s(at: SystemTime) -> Option<i64> {
    let since_1970 = at.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    i64::try_from(since_1970.as_secs()).ok()
}

fn subject(attributes: &[(DnType, &str)]) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    for (kind, text) in attributes {
        name.push(kind.clone(), *text);
    }
    name
}

/// Validity and a random serial number: the library's own is derived from the key, and two
/// certificates of one key under one serial number are refused by browsers.
fn stamp(params: &mut CertificateParams, now: SystemTime, days: u32) -> Result<(), DevCaError> {
    let since_1970 = match now.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since_1970) if since_1970 < CLOCK_END => since_1970,
        _ => return Err(DevCaError::Clock),
    };
    let start = SystemTime::UNIX_EPOCH + since_1970.saturating_sub(BACKDATED);
    params.not_before = start.into();
    params.not_after = (now + DAY.saturating_mul(days)).into();
    let mut serial = [0_u8; 16];
    SystemRandom::new().fill(&mut serial).map_err(crypto("draw a serial number"))?;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    Ok(())
}

fn crypto<E: fmt::Display>(doing: &'static str) -> impl FnOnce(E) -> DevCaError {
    move |error| DevCaError::Crypto { doing, detail: error.to_string() }
}
