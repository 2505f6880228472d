//! One ECDSA signature over one text, on the curves that OCMF names.
//!
//! Place on the walk: none; [`super::verify_record`] asks here. P-256, P-384 and secp256k1 are aws-lc-rs, the two
//! brainpool curves RustCrypto's (aws-lc-rs has none). The 192-bit curves are known by name and not verified: no kept
//! library offers them all, and a key of that strength is no evidence for long.
//! Never: a private key, and nothing secret; every value here is public.

use aws_lc_rs::digest;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256K1_SHA256_ASN1, ECDSA_P384_SHA256_ASN1, EcdsaVerificationAlgorithm,
    ParsedPublicKey,
};
use bp256::BrainpoolP256r1;
use bp384::BrainpoolP384r1;
use ecdsa::signature::hazmat::PrehashVerifier;
use ecdsa::{Signature, VerifyingKey};

/// An elliptic curve that OCMF names (OCMF 1.4.1, tables 22 and 23).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Curve {
    /// NIST P-256, the default.
    Secp256r1,
    /// NIST P-384.
    Secp384r1,
    /// The Koblitz curve of 256 bits.
    Secp256k1,
    /// Brainpool of 256 bits, random variant.
    BrainpoolP256r1,
    /// Brainpool of 384 bits, random variant.
    BrainpoolP384r1,
    /// NIST P-192: known, not verified.
    Secp192r1,
    /// The Koblitz curve of 192 bits: known, not verified.
    Secp192k1,
}

impl Curve {
    /// Every curve we know by name.
    pub const ALL: [Self; 7] = [
        Self::Secp256r1,
        Self::Secp384r1,
        Self::Secp256k1,
        Self::BrainpoolP256r1,
        Self::BrainpoolP384r1,
        Self::Secp192r1,
        Self::Secp192k1,
    ];

    /// The usual name; OCMF's own text writes `brainpool256r1` where devices write `brainpoolP256r1`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Secp256r1 => "secp256r1",
            Self::Secp384r1 => "secp384r1",
            Self::Secp256k1 => "secp256k1",
            Self::BrainpoolP256r1 => "brainpoolP256r1",
            Self::BrainpoolP384r1 => "brainpoolP384r1",
            Self::Secp192r1 => "secp192r1",
            Self::Secp192k1 => "secp192k1",
        }
    }

    /// The curve of a signature method such as `ECDSA-secp256r1-SHA256`, whatever its case; `None` for another
    /// algorithm, curve or hash.
    #[must_use]
    pub fn of_method(method: &str) -> Option<Self> {
        let method = method.trim().to_ascii_lowercase();
        let name = method.strip_prefix("ecdsa-")?.strip_suffix("-sha256")?;
        let name = name.replace("brainpoolp", "brainpool");
        Self::ALL
            .into_iter()
            .find(|curve| curve.as_str().to_ascii_lowercase().replace("brainpoolp", "brainpool") == name)
    }

    /// Whether a signature on this curve can be verified here.
    #[must_use]
    pub const fn is_verified(self) -> bool {
        !matches!(self, Self::Secp192r1 | Self::Secp192k1)
    }

    /// Bytes of one coordinate.
    pub(super) const fn field_bytes(self) -> usize {
        match self {
            Self::Secp256r1 | Self::Secp256k1 | Self::BrainpoolP256r1 => 32,
            Self::Secp384r1 | Self::BrainpoolP384r1 => 48,
            Self::Secp192r1 | Self::Secp192k1 => 24,
        }
    }

    /// The named curve's object identifier, in DER without tag and length (SEC 2, RFC 5639).
    pub(super) const fn oid(self) -> &'static [u8] {
        match self {
            Self::Secp256r1 => &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07],
            Self::Secp384r1 => &[0x2B, 0x81, 0x04, 0x00, 0x22],
            Self::Secp256k1 => &[0x2B, 0x81, 0x04, 0x00, 0x0A],
            Self::BrainpoolP256r1 => &[0x2B, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x07],
            Self::BrainpoolP384r1 => &[0x2B, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x0B],
            Self::Secp192r1 => &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x01],
            Self::Secp192k1 => &[0x2B, 0x81, 0x04, 0x00, 0x1F],
        }
    }
}

const fn library(curve: Curve) -> Option<&'static EcdsaVerificationAlgorithm> {
    match curve {
        Curve::Secp256r1 => Some(&ECDSA_P256_SHA256_ASN1),
        Curve::Secp384r1 => Some(&ECDSA_P384_SHA256_ASN1),
        Curve::Secp256k1 => Some(&ECDSA_P256K1_SHA256_ASN1),
        Curve::BrainpoolP256r1 | Curve::BrainpoolP384r1 | Curve::Secp192r1 | Curve::Secp192k1 => None,
    }
}

/// Whether `point` (SEC 1) lies on `curve`; always true for a curve that is not verified.
pub(super) fn is_on(curve: Curve, point: &[u8]) -> bool {
    match curve {
        Curve::BrainpoolP256r1 => VerifyingKey::<BrainpoolP256r1>::from_sec1_bytes(point).is_ok(),
        Curve::BrainpoolP384r1 => VerifyingKey::<BrainpoolP384r1>::from_sec1_bytes(point).is_ok(),
        _ => library(curve).is_none_or(|algorithm| ParsedPublicKey::new(algorithm, point).is_ok()),
    }
}

/// Whether the key `point` on `curve` made `signature` over `message` with SHA-256; false on a curve that is not
/// verified, so ask [`Curve::is_verified`] first.
///
/// The signature is DER; a bare `r || s`, as DC meters of one maker send it, is taken as well.
pub(super) fn fits(curve: Curve, point: &[u8], message: &[u8], signature: &[u8]) -> bool {
    der_fits(curve, point, message, signature)
        || bare_as_der(signature, curve.field_bytes())
            .is_some_and(|signature| der_fits(curve, point, message, &signature))
}

fn der_fits(curve: Curve, point: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let hash = || digest::digest(&digest::SHA256, message);
    match curve {
        Curve::BrainpoolP256r1 => VerifyingKey::<BrainpoolP256r1>::from_sec1_bytes(point)
            .and_then(|key| key.verify_prehash(hash().as_ref(), &Signature::from_der(signature)?))
            .is_ok(),
        Curve::BrainpoolP384r1 => VerifyingKey::<BrainpoolP384r1>::from_sec1_bytes(point)
            .and_then(|key| key.verify_prehash(hash().as_ref(), &Signature::from_der(signature)?))
            .is_ok(),
        _ => library(curve)
            .and_then(|algorithm| ParsedPublicKey::new(algorithm, point).ok())
            .is_some_and(|key| key.verify_sig(message, signature).is_ok()),
    }
}

/// A bare `r || s` of exactly two coordinates, put into DER.
fn bare_as_der(signature: &[u8], field_bytes: usize) -> Option<Vec<u8>> {
    if signature.len() != 2 * field_bytes {
        return None;
    }
    let (r, s) = signature.split_at(field_bytes);
    Some(tagged(0x30, &[der_integer(r), der_integer(s)].concat()))
}

fn der_integer(big_endian: &[u8]) -> Vec<u8> {
    let zeros = big_endian.iter().take_while(|byte| **byte == 0).count();
    let mut digits = big_endian.get(zeros..).unwrap_or_default().to_vec();
    if digits.first().is_none_or(|first| *first >= 0x80) {
        digits.insert(0, 0);
    }
    tagged(0x02, &digits)
}

/// One DER element of fewer than 256 bytes, which is all that these curves need.
pub(super) fn tagged(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u8::try_from(body.len()).unwrap_or(u8::MAX);
    let mut element = vec![tag];
    if length >= 0x80 {
        element.push(0x81);
    }
    element.push(length);
    element.extend_from_slice(body);
    element
}
