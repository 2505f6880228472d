//! Client certificates against a CA bundle that can be swapped under live sockets.
//!
//! Place on the walk: `socket`. rustls' own verifier is immutable, so it hangs in an `ArcSwap`
//! here: a new CA or revocation list counts from the next handshake on, without a restart. Never:
//! whose station it is; the chain is verified here, the identity is bound by the handshake.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use aws_lc_rs::digest;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error as TlsError, OtherError,
    SignatureScheme,
};
use thiserror::Error;
use x509_parser::public_key::PublicKey;

use crate::chain::{self, PemError};
use crate::{identity, provider};

/// Most certificates in a presented chain, the station's own included.
pub const CHAIN_CERTIFICATES_MAX: usize = 5;

const RSA_BITS_MIN: usize = 2048;
const EC_BITS_MIN: usize = 224;

/// Who may sign a client's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCa {
    /// PEM bundle of the CAs, at least one.
    pub ca_pem: PathBuf,
    /// PEM file of revocation lists, at least one. A CA without a list here revokes nothing; a list
    /// past its next update still counts, since an outage of the CA must not cut off the fleet.
    pub crl_pem: Option<PathBuf>,
}

/// Why a chain is refused before its signatures are looked at; found inside the
/// `CertificateError::Other` of a handshake error.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ChainRefusal {
    /// More than [`CHAIN_CERTIFICATES_MAX`] certificates presented.
    #[error("the chain has {certificates} certificates, at most {CHAIN_CERTIFICATES_MAX} are taken")]
    TooLong {
        /// How many were presented.
        certificates: usize,
    },
    /// RSA below 2,048 or EC below 224 bit, the least that OCPP allows in both its versions.
    #[error("the key has {bits} bit, at least {bits_min} are needed")]
    WeakKey {
        /// Size of the presented key.
        bits: usize,
        /// Least size for this kind of key.
        bits_min: usize,
    },
    /// Neither RSA nor EC.
    #[error("the key is neither RSA nor EC")]
    UnknownKey,
}

/// One state of trust: the verifier over one CA bundle and its revocation lists.
#[derive(Debug)]
pub(crate) struct Trust {
    webpki: Arc<dyn ClientCertVerifier>,
    digest: [u8; 32],
}

/// Verifies client certificates; see the module.
#[derive(Debug)]
pub struct ClientVerifier {
    current: ArcSwap<Trust>,
    mandatory: bool,
}

// === impl Trust ===

impl Trust {
    /// Reads bundle and lists, whole or not at all.
    pub(crate) fn read(ca: &ClientCa) -> Result<Self, PemError> {
        let certificates = chain::parse_certificates(&ca.ca_pem, &chain::read_file(&ca.ca_pem)?)?;
        let lists = match &ca.crl_pem {
            Some(path) => chain::read_revocation_lists(path)?,
            None => Vec::new(),
        };
        let mut digest = digest::Context::new(&digest::SHA256);
        for der in certificates.iter().map(AsRef::as_ref).chain(lists.iter().map(AsRef::<[u8]>::as_ref)) {
            // Each with its length before it: two lists of parts never look alike.
            digest.update(&der.len().to_be_bytes());
            digest.update(der);
        }
        let mut state = [0; 32];
        state.copy_from_slice(digest.finish().as_ref());

        let roots = chain::roots(&ca.ca_pem, certificates)?;
        let webpki = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider::shared())
            .with_crls(lists)
            // A list for one CA of the bundle must not lock out the stations of the others.
            .allow_unknown_revocation_status()
            // Any certificate may be presented: the names of 500 roots are no help on a 2G modem,
            // and an immutable list could not follow a swap.
            .clear_root_hint_subjects()
            .build()
            .map_err(|error| chain::malformed(ca.crl_pem.as_ref().unwrap_or(&ca.ca_pem), &error))?;
        Ok(Self { webpki, digest: state })
    }
}

// === impl ClientVerifier ===

impl ClientVerifier {
    pub(crate) fn new(trust: Trust, mandatory: bool) -> Self {
        Self { current: ArcSwap::from_pointee(trust), mandatory }
    }

    /// Whether this is the trust in force.
    pub(crate) fn trusts_the_same(&self, trust: &Trust) -> bool {
        self.current.load().digest == trust.digest
    }

    pub(crate) fn swap(&self, trust: Trust) {
        self.current.store(Arc::new(trust));
    }

    /// Verifies a chain, the peer's own certificate first, against the trust of this moment.
    ///
    /// For sockets that came in by resumption (their chain is the one of the first handshake, and
    /// its end may have passed since) and for live sockets after a reload: revocation closes them.
    ///
    /// # Errors
    /// rustls' reason; `NoCertificatesPresented` for an empty chain.
    pub fn check(&self, chain: &[CertificateDer<'_>], now: SystemTime) -> Result<(), TlsError> {
        let Some((end_entity, intermediates)) = chain.split_first() else {
            return Err(TlsError::NoCertificatesPresented);
        };
        let since_1970 = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_err(|error| TlsError::General(error.to_string()))?;
        self.verify_client_cert(end_entity, intermediates, UnixTime::since_unix_epoch(since_1970))?;
        Ok(())
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, TlsError> {
        let certificates = intermediates.len().saturating_add(1);
        if certificates > CHAIN_CERTIFICATES_MAX {
            return Err(refused(ChainRefusal::TooLong { certificates }));
        }
        let parsed = identity::parse(end_entity)
            .map_err(|error| CertificateError::Other(OtherError(Arc::new(error))))?;
        let key = parsed
            .public_key()
            .parsed()
            .map_err(|error| CertificateError::Other(OtherError(Arc::new(error))))?;
        check_strength(&key).map_err(refused)?;
        self.current.load().webpki.verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls12_signature(message, cert, dss, &provider::shared().signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(message, cert, dss, &provider::shared().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider::shared().signature_verification_algorithms.supported_schemes()
    }
}

fn check_strength(key: &PublicKey<'_>) -> Result<(), ChainRefusal> {
    let (bits, bits_min) = match key {
        PublicKey::RSA(key) => (key.key_size(), RSA_BITS_MIN),
        PublicKey::EC(point) => (point.key_size(), EC_BITS_MIN),
        _ => return Err(ChainRefusal::UnknownKey),
    };
    if bits < bits_min { Err(ChainRefusal::WeakKey { bits, bits_min }) } else { Ok(()) }
}

fn refused(refusal: ChainRefusal) -> TlsError {
    CertificateError::Other(OtherError(Arc::new(refusal))).into()
}
