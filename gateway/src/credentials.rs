//! Station passwords at rest: a keyed fast hash of long random secrets.
//!
//! A reconnect storm must not be a hash storm: argon2 is for secrets people choose, HMAC-SHA-256 with a pepper that is not in the
//! database is for those we make (reliability.md 0.8, measured there: 0.57 us against 68 ms).

use std::path::Path;

use aws_lc_rs::{hmac, rand};
use ringmain_domain::time::Timestamp;
use ringmain_store::stations::StationCredential;

use crate::config::Config;

/// Length of the pepper and of salts, in bytes.
const KEY_BYTES: usize = 32;
const SALT_BYTES: usize = 16;
/// 20 random bytes as 40 hexadecimal digits: the longest password OCPP allows (2.0.1: 40 characters; 1.6: 20 bytes as hex).
const PASSWORD_BYTES: usize = 20;

/// Hashes and checks station passwords.
#[derive(Clone)]
pub struct Credentials {
    key: hmac::Key,
}

/// The pepper could not be read or made.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The file.
    #[error("cannot use the pepper in {path}: {cause}")]
    Pepper {
        /// Where.
        path: Box<str>,
        /// Why.
        cause: std::io::Error,
    },
    /// No randomness to be had.
    #[error("the system gives no random bytes")]
    NoRandom,
}

// === impl Credentials ===

impl Credentials {
    /// As a node is configured.
    ///
    /// # Errors
    /// As [`Self::read`] says.
    pub fn of(config: &Config) -> Result<Self, CredentialsError> {
        match &config.stations.pepper_file {
            Some(file) => Self::read(file),
            None => Self::open(&config.data_dir),
        }
    }

    /// With the pepper in the data folder, made at the first start.
    ///
    /// # Errors
    /// As [`Self::read`] says.
    pub fn open(data_dir: &Path) -> Result<Self, CredentialsError> {
        Self::read(&data_dir.join("pepper"))
    }

    /// With the pepper in this file, made at the first start. All nodes of a cluster need the same one.
    ///
    /// # Errors
    /// The file cannot be read or written, or is not ours.
    pub fn read(path: &Path) -> Result<Self, CredentialsError> {
        let named = |cause| CredentialsError::Pepper { path: path.display().to_string().into(), cause };
        let pepper = match std::fs::read(path) {
            Ok(pepper) if pepper.len() == KEY_BYTES => pepper,
            Ok(_) => return Err(named(std::io::Error::other("it does not have 32 bytes"))),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
                let made = random(KEY_BYTES)?;
                write_private(path, &made).map_err(named)?;
                made
            }
            Err(cause) => return Err(named(cause)),
        };
        Ok(Self { key: hmac::Key::new(hmac::HMAC_SHA256, &pepper) })
    }

    /// A new password for a station: shown once, never stored.
    ///
    /// # Errors
    /// No randomness.
    pub fn generate() -> Result<String, CredentialsError> {
        Ok(hex::encode(random(PASSWORD_BYTES)?))
    }

    /// What is stored of a password.
    ///
    /// # Errors
    /// No randomness for the salt.
    pub fn seal(&self, password: &[u8], now: Timestamp) -> Result<StationCredential, CredentialsError> {
        let salt = random(SALT_BYTES)?;
        let hash = hmac::sign(&self.key, &salted(&salt, password)).as_ref().to_vec();
        Ok(StationCredential { salt, hash, updated_at: now })
    }

    /// Does the presented password fit? In constant time. A 1.6 station may send the bytes or their hexadecimal form (errata 3.10):
    /// both readings of what was presented are tried.
    #[must_use]
    pub fn fits(&self, stored: &StationCredential, presented: &[u8]) -> bool {
        let fits =
            |password: &[u8]| hmac::verify(&self.key, &salted(&stored.salt, password), &stored.hash).is_ok();
        fits(presented)
            || fits(hex::encode(presented).as_bytes())
            || hex::decode(presented).is_ok_and(|raw| fits(&raw))
    }
}

/// Random bytes of the system.
///
/// # Errors
/// The system gives none.
pub fn random(count: usize) -> Result<Vec<u8>, CredentialsError> {
    let mut bytes = vec![0; count];
    rand::fill(&mut bytes).map_err(|_unspecified| CredentialsError::NoRandom)?;
    Ok(bytes)
}

fn salted(salt: &[u8], password: &[u8]) -> Vec<u8> {
    [salt, password].concat()
}

/// Written whole or not at all, readable by its owner only.
fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let partial = path.with_extension("partial");
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&partial, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_fits_in_both_forms_and_only_with_its_pepper() {
        let folder = tempfile::tempdir().unwrap();
        let credentials = Credentials::open(folder.path()).unwrap();
        let password = Credentials::generate().unwrap();
        let stored = credentials.seal(password.as_bytes(), Timestamp::from_millis(0)).unwrap();
        assert!(credentials.fits(&stored, password.as_bytes()));
        assert!(credentials.fits(&stored, &hex::decode(&password).unwrap()), "the bytes behind the digits");
        assert!(!credentials.fits(&stored, b"wrong"));
        assert!(!credentials.fits(&stored, b""));
        let again = Credentials::open(folder.path()).unwrap();
        assert!(again.fits(&stored, password.as_bytes()), "the pepper is kept");
        let other = Credentials::open(tempfile::tempdir().unwrap().path()).unwrap();
        assert!(!other.fits(&stored, password.as_bytes()));
    }

    #[test]
    fn a_broken_pepper_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("pepper"), b"short").unwrap();
        assert!(Credentials::open(folder.path()).is_err());
    }
}
