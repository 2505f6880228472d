//! PEM files into chains, keys, roots and revocation lists.
//!
//! Place on the walk: before `socket`. Every error names the file and what is wrong with it, since
//! the reader of the message is an operator with a folder full of files. Never: a network fetch,
//! a password prompt, or a key in an error text.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error as TlsError, InconsistentKeys, RootCertStore};
use thiserror::Error;

use crate::provider;

/// Most bytes a PEM file may have. A bundle of 500 roots is about 700 KiB.
pub const PEM_BYTES_MAX: u64 = 1024 * 1024;

/// Where a certificate chain and its private key lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// PEM: the certificate first, then its intermediates; the root may be left out.
    pub chain_pem: PathBuf,
    /// PEM: the private key of the first certificate, unencrypted, as PKCS#8, PKCS#1 or SEC1.
    pub key_pem: PathBuf,
}

/// A file that cannot be used, and why. Nothing here is worth a retry: an operator must mend it.
#[derive(Debug, Error)]
pub enum PemError {
    /// No file at this path.
    #[error("{}: no such file", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file is there, but reading it goes wrong (mostly rights).
    #[error("{}: not readable: {cause}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        cause: io::Error,
    },
    /// The file has more than [`PEM_BYTES_MAX`] bytes.
    #[error("{}: larger than {PEM_BYTES_MAX} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The file has no `CERTIFICATE` section.
    #[error("{}: contains no certificate", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The file has no private key section.
    #[error("{}: contains no private key", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// The key needs a passphrase, which a server that restarts by itself cannot ask for.
    #[error("{}: the private key is encrypted; store it unencrypted with file mode 0600", path.display())]
    EncryptedKey {
        /// The file.
        path: PathBuf,
    },
    /// The file has no `X509 CRL` section.
    #[error("{}: contains no revocation list", path.display())]
    NoRevocationList {
        /// The file.
        path: PathBuf,
    },
    /// A section is there, but it is not what its label says.
    #[error("{}: malformed: {detail}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        detail: String,
    },
    /// The private key is of a kind or size that TLS cannot use here (RSA below 2,048 bits, say).
    #[error("{}: the private key is not usable: {detail}", path.display())]
    UnusableKey {
        /// The file.
        path: PathBuf,
        /// What the crypto library says.
        detail: String,
    },
    /// Both files are fine, but they are not a pair.
    #[error(
        "{}: the private key does not belong to the first certificate in {}",
        key_path.display(),
        chain_path.display()
    )]
    KeyMismatch {
        /// The key's file.
        key_path: PathBuf,
        /// The chain's file.
        chain_path: PathBuf,
    },
}

/// Reads a whole file of at most [`PEM_BYTES_MAX`] bytes.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, PemError> {
    let unreadable = |cause: io::Error| match cause.kind() {
        io::ErrorKind::NotFound => PemError::Missing { path: path.to_owned() },
        _ => PemError::Unreadable { path: path.to_owned(), cause },
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    let read = file.take(PEM_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if u64::try_from(read).is_ok_and(|read| read <= PEM_BYTES_MAX) {
        Ok(bytes)
    } else {
        Err(PemError::TooLarge { path: path.to_owned() })
    }
}

/// All certificates of a PEM text, in file order, at least one. `path` is for the error only.
pub(crate) fn parse_certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let certificates = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| malformed(path, &error))?;
    if certificates.is_empty() {
        return Err(PemError::NoCertificate { path: path.to_owned() });
    }
    Ok(certificates)
}

/// The first private key of a PEM text. `path` is for the error only.
pub(crate) fn parse_key(path: &Path, pem: &[u8]) -> Result<PrivateKeyDer<'static>, PemError> {
    // Both the PKCS#8 label and the old `Proc-Type` header; asked first, because the parser skips
    // the one as unknown and stumbles over the other, and neither says what is wrong.
    let text = String::from_utf8_lossy(pem);
    if text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(PemError::EncryptedKey { path: path.to_owned() });
    }
    match PrivateKeyDer::pem_slice_iter(pem).next() {
        Some(Ok(key)) => Ok(key),
        Some(Err(error)) => Err(malformed(path, &error)),
        None => Err(PemError::NoKey { path: path.to_owned() }),
    }
}

/// A chain and its key as one identity that rustls can present, both as PEM texts; the paths are
/// for the errors only.
pub(crate) fn parse_identity(
    files: &CertificateFiles,
    chain_pem: &[u8],
    key_pem: &[u8],
) -> Result<CertifiedKey, PemError> {
    let chain = parse_certificates(&files.chain_pem, chain_pem)?;
    let key = parse_key(&files.key_pem, key_pem)?;
    CertifiedKey::from_der(chain, key, &provider::shared()).map_err(|error| match error {
        TlsError::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            PemError::KeyMismatch { key_path: files.key_pem.clone(), chain_path: files.chain_pem.clone() }
        }
        TlsError::InvalidCertificate(_) => malformed(&files.chain_pem, &error),
        other => PemError::UnusableKey { path: files.key_pem.clone(), detail: other.to_string() },
    })
}

/// Reads a chain and its key from files.
///
/// # Errors
/// Any [`PemError`] but the one on revocation lists.
pub fn read_identity(files: &CertificateFiles) -> Result<CertifiedKey, PemError> {
    parse_identity(files, &read_file(&files.chain_pem)?, &read_file(&files.key_pem)?)
}

/// Reads the certificates of a CA bundle, in file order, at least one; each is checked to be a
/// certificate that can serve as a trust anchor.
///
/// # Errors
/// `Missing`, `Unreadable`, `TooLarge`, `NoCertificate` or `Malformed`.
pub fn read_roots(path: &Path) -> Result<RootCertStore, PemError> {
    roots(path, parse_certificates(path, &read_file(path)?)?)
}

pub(crate) fn roots(
    path: &Path,
    certificates: Vec<CertificateDer<'static>>,
) -> Result<RootCertStore, PemError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates {
        store.add(certificate).map_err(|error| malformed(path, &error))?;
    }
    Ok(store)
}

/// Reads all certificate revocation lists of a PEM file, at least one. Only their outer form is
/// checked here.
///
/// # Errors
/// `Missing`, `Unreadable`, `TooLarge`, `NoRevocationList` or `Malformed`.
pub fn read_revocation_lists(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, PemError> {
    let lists = CertificateRevocationListDer::pem_slice_iter(&read_file(path)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| malformed(path, &error))?;
    if lists.is_empty() {
        return Err(PemError::NoRevocationList { path: path.to_owned() });
    }
    Ok(lists)
}

pub(crate) fn malformed(path: &Path, error: &dyn std::fmt::Display) -> PemError {
    PemError::Malformed { path: path.to_owned(), detail: error.to_string() }
}
