//! A certificate's DER into the few facts we bind a station, node or partner to.
//!
//! Place on the walk: `socket`; the handshake reads these facts of a chain that rustls has already
//! verified. Never: a verdict. A certificate of the right CA is not valid for any station: which
//! fingerprint or name belongs to which station stands in the system's own table (OCPP 2.0.1
//! part 2, A00.FR.404, .405: O is the operator, CN the station's serial).

use aws_lc_rs::digest;
use thiserror::Error;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::x509::AttributeTypeAndValue;

/// Most DNS names a peer's certificate may carry.
pub const DNS_NAMES_MAX: usize = 100;

/// What a peer's certificate says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerCertificate {
    /// Subject CN; for a station its identity or serial number. `None` when the subject has none.
    pub common_name: Option<String>,
    /// Subject O; for a station its operator. `None` when the subject has none.
    pub organization: Option<String>,
    /// Serial number, lower-case hex, two digits a byte, as in the DER (a leading `00` included).
    pub serial_hex: String,
    /// SHA-256 over the whole DER: 64 lower-case hex digits.
    pub sha256_fingerprint: String,
    /// End of validity, seconds since 1970-01-01T00:00:00Z.
    pub not_after_unix_s: i64,
    /// DNS names of the subject alternative name, in the certificate's order, at most
    /// [`DNS_NAMES_MAX`].
    pub dns_names: Vec<String>,
}

/// A certificate whose facts cannot be told without doubt. Refuse the peer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum IdentityError {
    /// Not one X.509 certificate in DER.
    #[error("not a certificate: {detail}")]
    Malformed {
        /// What the parser says.
        detail: String,
    },
    /// The subject has the attribute more than once: two readers might bind two identities.
    #[error("the subject has more than one {attribute}")]
    Ambiguous {
        /// `CN` or `O`.
        attribute: &'static str,
    },
    /// The attribute is not text that we can compare.
    #[error("the subject's {attribute} is not text")]
    NotText {
        /// `CN` or `O`.
        attribute: &'static str,
    },
    /// More than [`DNS_NAMES_MAX`] DNS names.
    #[error("more than {DNS_NAMES_MAX} DNS names")]
    TooManyNames,
}

// === impl PeerCertificate ===

impl PeerCertificate {
    /// Reads the facts of one certificate, the first of a peer's chain.
    ///
    /// # Errors
    /// See [`IdentityError`]; each means that the peer must be refused.
    pub fn from_der(der: &[u8]) -> Result<Self, IdentityError> {
        let certificate = parse(der)?;
        let subject = certificate.subject();
        Ok(Self {
            common_name: single("CN", subject.iter_common_name())?,
            organization: single("O", subject.iter_organization())?,
            serial_hex: hex::encode(certificate.raw_serial()),
            sha256_fingerprint: hex::encode(digest::digest(&digest::SHA256, der)),
            not_after_unix_s: certificate.validity().not_after.timestamp(),
            dns_names: dns_names(&certificate)?,
        })
    }
}

/// One certificate and nothing behind it.
pub(crate) fn parse(der: &[u8]) -> Result<X509Certificate<'_>, IdentityError> {
    let (rest, certificate) = X509Certificate::from_der(der)
        .map_err(|error| IdentityError::Malformed { detail: error.to_string() })?;
    if rest.is_empty() {
        Ok(certificate)
    } else {
        Err(IdentityError::Malformed { detail: format!("{} bytes behind the certificate", rest.len()) })
    }
}

fn single<'a>(
    attribute: &'static str,
    mut values: impl Iterator<Item = &'a AttributeTypeAndValue<'a>>,
) -> Result<Option<String>, IdentityError> {
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(IdentityError::Ambiguous { attribute });
    }
    match value.as_str() {
        Ok(text) => Ok(Some(text.to_owned())),
        Err(_) => Err(IdentityError::NotText { attribute }),
    }
}

fn dns_names(certificate: &X509Certificate<'_>) -> Result<Vec<String>, IdentityError> {
    let extension = certificate
        .subject_alternative_name()
        .map_err(|error| IdentityError::Malformed { detail: error.to_string() })?;
    let Some(extension) = extension else { return Ok(Vec::new()) };
    let names: Vec<String> = extension
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            _ => None,
        })
        .take(DNS_NAMES_MAX + 1)
        .collect();
    if names.len() > DNS_NAMES_MAX { Err(IdentityError::TooManyNames) } else { Ok(names) }
}
