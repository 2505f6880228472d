//! The folder of the development CA: made once, used again, renewed in time.
//!
//! Place on the walk: none. Every file appears whole or not at all, under a lock, so that a kill or
//! a second process in the same moment leaves nothing torn. Keys are readable by their owner only
//! (mode 0600). Never: a second CA over a first one that somebody may trust already.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{KeyPair, SanType};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_parser::extensions::GeneralName;

use super::{DevCa, DevCaError, Issued, alternative_names, is_valid, new_key};
use crate::chain::{self, CertificateFiles, PemError};
use crate::identity;

/// A server certificate with less time left than this is renewed.
pub const RENEW_SERVER_BEFORE: Duration = Duration::from_secs(30 * 86_400);

/// A CA with less time left than this is renewed: longer than whatever it issues lives.
pub const RENEW_CA_BEFORE: Duration = Duration::from_secs(400 * 86_400);

const CA_PEM: &str = "ca.pem";
const CA_KEY: &str = "ca.key";
const SERVER_PEM: &str = "server.pem";
const SERVER_KEY: &str = "server.key";
const LOCK: &str = ".lock";

const KEY_MODE: u32 = 0o600;
const CERTIFICATE_MODE: u32 = 0o644;

/// What [`ensure`] has put into the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DevPki {
    /// The CA's certificate: what clients trust, and what station certificates come from.
    pub ca_pem: PathBuf,
    /// The server's certificate.
    pub server_chain_pem: PathBuf,
    /// The server's private key, mode 0600.
    pub server_key_pem: PathBuf,
}

/// What [`write_node`] has put into a folder.
#[derive(Clone, Debug)]
pub struct NodePki {
    /// The certificate of the cluster's CA.
    pub ca_pem: PathBuf,
    /// The node's certificate and key.
    pub node: CertificateFiles,
}

// === impl DevPki ===

impl DevPki {
    /// The server's certificate and key, as the listener's settings take them.
    #[must_use]
    pub fn server(&self) -> CertificateFiles {
        CertificateFiles { chain_pem: self.server_chain_pem.clone(), key_pem: self.server_key_pem.clone() }
    }
}

/// Makes sure that the folder holds a CA and a server certificate that are good at `now`.
///
/// `names` are host names and IP addresses, at most [`super::NAMES_MAX`]; with none of them those
/// of the certificate that is there, or `localhost`, `127.0.0.1` and `::1`. What is there and good stays byte for byte. The server's
/// certificate is renewed when less than [`RENEW_SERVER_BEFORE`] is left, when the names differ
/// (order does not matter), when it cannot be used, or when another CA signed it. The CA keeps
/// its key and name when it is renewed.
///
/// # Errors
/// [`DevCaError`]; a CA that cannot be used is reported and never replaced.
pub fn ensure(folder: &Path, names: &[String], now: SystemTime) -> Result<DevPki, DevCaError> {
    let _lock = lock(folder)?;
    let kept = if names.is_empty() { kept_names(folder) } else { names.to_vec() };
    let names = &kept[..];
    let wanted = alternative_names(names)?;

    let ca = ensure_ca(folder, now)?;
    let pki = DevPki {
        ca_pem: folder.join(CA_PEM),
        server_chain_pem: folder.join(SERVER_PEM),
        server_key_pem: folder.join(SERVER_KEY),
    };
    if !server_is_good(&pki, &ca, &wanted, now) {
        // The old key goes on where there is one: then the renewal replaces a single file, and a
        // listener that reloads in this moment never sees a pair that does not match.
        let key = match read_key(&pki.server_key_pem) {
            Some(key) => key,
            None => new_key()?,
        };
        let issued = ca.certify_server(&key, names, now)?;
        write(&pki.server_key_pem, issued.key_pem.as_bytes(), KEY_MODE)?;
        write(&pki.server_chain_pem, issued.chain_pem.as_bytes(), CERTIFICATE_MODE)?;
    }
    for key in [CA_KEY, SERVER_KEY] {
        tighten(&folder.join(key))?;
    }
    Ok(pki)
}

/// Issues a node's certificate by the CA of a folder, which is made if there is none, and writes it with its key and the CA's certificate
/// into another folder, as `node.pem`, `node.key` (mode 0600) and `cluster-ca.pem`. The CA must sign nodes and nothing else.
///
/// # Errors
/// [`DevCaError`].
pub fn write_node(ca_folder: &Path, folder: &Path, now: SystemTime) -> Result<NodePki, DevCaError> {
    let ca = {
        let _lock = lock(ca_folder)?;
        let ca = ensure_ca(ca_folder, now)?;
        tighten(&ca_folder.join(CA_KEY))?;
        ca
    };
    let files = write_station(folder, "node", &ca.issue_node(now)?)?;
    let ca_pem = folder.join("cluster-ca.pem");
    write(&ca_pem, ca.certificate_pem().as_bytes(), CERTIFICATE_MODE)?;
    Ok(NodePki { ca_pem, node: files })
}

/// The CA of a folder, good for long enough. Needs the lock.
fn ensure_ca(folder: &Path, now: SystemTime) -> Result<DevCa, DevCaError> {
    match read_ca(folder)? {
        Some(ca) if ca.lives(now, RENEW_CA_BEFORE) => Ok(ca),
        Some(old) => write_ca(folder, old.renew(now)?),
        None => write_ca(folder, DevCa::generate(now)?),
    }
}

/// Reads the CA of a folder, to issue station certificates; `None` when there is none yet.
///
/// # Errors
/// `KeyGone` or `Pem`.
pub fn read_ca(folder: &Path) -> Result<Option<DevCa>, DevCaError> {
    let files = CertificateFiles { chain_pem: folder.join(CA_PEM), key_pem: folder.join(CA_KEY) };
    let ca_pem = match chain::read_file(&files.chain_pem) {
        Ok(pem) => pem,
        // A key without a certificate is what a kill between the two writes leaves: nobody trusts it yet.
        Err(PemError::Missing { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let key_pem = match chain::read_file(&files.key_pem) {
        Ok(pem) => pem,
        Err(PemError::Missing { path }) => {
            return Err(DevCaError::KeyGone { key_pem: path, ca_pem: files.chain_pem });
        }
        Err(error) => return Err(error.into()),
    };
    DevCa::from_pem(&files, &ca_pem, &key_pem).map(Some)
}

/// Writes a station's certificate and key as `NAME.pem` and `NAME.key` (mode 0600) into a folder, which is made if it is missing.
///
/// Characters of the name that do not belong in a file's name (all but letters, digits, `.`, `-` and `_`, and a leading dot) become `_`.
///
/// # Errors
/// `Unwritable`.
pub fn write_station(folder: &Path, name: &str, issued: &Issued) -> Result<CertificateFiles, DevCaError> {
    fs::create_dir_all(folder).map_err(unwritable(folder))?;
    let plain = |(place, c): (usize, char)| {
        let fits = c.is_alphanumeric() || c == '-' || c == '_' || (c == '.' && place > 0);
        if fits { c } else { '_' }
    };
    let name: String = name.chars().enumerate().map(plain).collect();
    let files = CertificateFiles {
        chain_pem: folder.join(format!("{name}.pem")),
        key_pem: folder.join(format!("{name}.key")),
    };
    write(&files.key_pem, issued.key_pem.as_bytes(), KEY_MODE)?;
    write(&files.chain_pem, issued.chain_pem.as_bytes(), CERTIFICATE_MODE)?;
    Ok(files)
}

/// The key first: a kill in between leaves a key that nobody trusts yet.
fn write_ca(folder: &Path, ca: DevCa) -> Result<DevCa, DevCaError> {
    write(&folder.join(CA_KEY), ca.key_pem().as_bytes(), KEY_MODE)?;
    write(&folder.join(CA_PEM), ca.certificate_pem().as_bytes(), CERTIFICATE_MODE)?;
    Ok(ca)
}

fn server_is_good(pki: &DevPki, ca: &DevCa, wanted: &[SanType], now: SystemTime) -> bool {
    let Ok(identity) = chain::read_identity(&pki.server()) else { return false };
    identity.cert.first().is_some_and(|certificate| {
        is_valid(certificate, now, RENEW_SERVER_BEFORE)
            && ca.has_signed(certificate)
            && names_of(certificate) == Some(wanted.iter().map(text_of).collect())
    })
}

/// The names the server's certificate has, whoever gave them to it.
fn kept_names(folder: &Path) -> Vec<String> {
    let there = chain::read_file(&folder.join(SERVER_PEM)).ok();
    let names = there.and_then(|pem| names_of(&CertificateDer::from_pem_slice(&pem).ok()?));
    let names = names.filter(|names| !names.is_empty());
    names.map_or_else(|| ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec(), Vec::from_iter)
}

fn names_of(certificate: &CertificateDer<'_>) -> Option<BTreeSet<String>> {
    let parsed = identity::parse(certificate).ok()?;
    let extension = parsed.subject_alternative_name().ok()??;
    extension
        .value
        .general_names
        .iter()
        .map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            GeneralName::IPAddress(octets) => address(octets).map(|address| address.to_string()),
            _ => None,
        })
        .collect()
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(octets)
        .map(IpAddr::from)
        .or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from))
        .ok()
}

fn text_of(name: &SanType) -> String {
    match name {
        SanType::IpAddress(address) => address.to_string(),
        SanType::DnsName(name) => name.to_string(),
        other => format!("{other:?}"),
    }
}

fn read_key(path: &Path) -> Option<KeyPair> {
    let pem = chain::read_file(path).ok()?;
    KeyPair::from_pem(&String::from_utf8_lossy(&pem)).ok()
}

/// Holds the folder against other processes until the returned file is dropped.
fn lock(folder: &Path) -> Result<File, DevCaError> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(unwritable(folder))?;
    let path = folder.join(LOCK);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(KEY_MODE)
        .open(&path)
        .map_err(unwritable(&path))?;
    file.lock().map_err(unwritable(&path))?;
    Ok(file)
}

/// Writes a file whole: new file beside it, flushed, renamed over it, folder flushed. Needs the lock.
fn write(path: &Path, content: &[u8], mode: u32) -> Result<(), DevCaError> {
    let fresh = path.with_extension("new");
    let whole = || -> io::Result<()> {
        // What a kill left behind may have other rights; `mode` counts for new files only.
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().create_new(true).write(true).mode(mode).open(&fresh)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&fresh, path)?;
        match path.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    };
    whole().map_err(unwritable(path))
}

fn tighten(path: &Path) -> Result<(), DevCaError> {
    let mode = fs::metadata(path).map_err(unwritable(path))?.permissions().mode();
    if mode & 0o077 != 0 {
        fs::set_permissions(path, Permissions::from_mode(KEY_MODE)).map_err(unwritable(path))?;
    }
    Ok(())
}

fn unwritable(path: &Path) -> impl Fn(io::Error) -> DevCaError {
    move |cause| DevCaError::Unwritable { path: path.to_owned(), cause }
}
