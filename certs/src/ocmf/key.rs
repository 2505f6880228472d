//! A meter's public key, in the many spellings in which registers, type plates and messages carry it.
//!
//! Place on the walk: none; the operator's key register and [`super::verify_record`] use it. Source of the spellings:
//! the Open Charge Alliance's application note "Signed Meter Values in OCPP", OCPP 2.1 J02.FR.23, OCMF 1.4.1 table 23,
//! and what transparency files hold. Never: whether the key belongs to a meter; that is the register's word.

use ringmain_domain::ocmf::read_base64;
use thiserror::Error;
use x509_parser::oid_registry::{OID_KEY_TYPE_EC_PUBLIC_KEY, Oid};
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::signature::{Curve, is_on, tagged};

/// The longest text that is read as a key.
pub const KEY_BYTES_MAX: usize = 4096;

/// How many spellings may be wrapped in each other: base64 over `oca:` over base64 is the worst that is sent.
const WRAPPINGS_MAX: usize = 4;

/// A public key of a meter: a point, and its curve when the spelling names one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeterKey {
    curve: Option<Curve>,
    point: Box<[u8]>,
}

/// Why a text is no meter key. Show it to whoever entered the key; nothing else helps.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyError {
    /// Longer than [`KEY_BYTES_MAX`].
    #[error("longer than {KEY_BYTES_MAX} bytes")]
    TooLong,
    /// Neither hex, base64, PEM nor an `oca:` form.
    #[error("neither hex, base64, PEM nor an oca: form")]
    Spelling,
    /// An `oca:` form other than `oca:base16:asn1:` and `oca:base64:asn1:`.
    #[error("an oca: form other than base16 or base64 of asn1")]
    OcaForm,
    /// The bytes are neither a `SubjectPublicKeyInfo` nor a point.
    #[error("neither a SubjectPublicKeyInfo nor a curve point")]
    Shape,
    /// The key is on no curve that OCMF names, or for another algorithm.
    #[error("no curve of OCMF: {oid}")]
    Curve {
        /// The object identifier of the curve or algorithm, in dots.
        oid: String,
    },
    /// The point does not lie on the curve.
    #[error("not a point of {}", curve.as_str())]
    OffCurve {
        /// The curve that the key names.
        curve: Curve,
    },
}

impl MeterKey {
    /// Reads a key from text of at most [`KEY_BYTES_MAX`] bytes: `SubjectPublicKeyInfo` as hex, base64 or PEM, a bare
    /// point (`04 X Y`, compressed, or `X Y`) as hex or base64, `oca:base16:asn1:` and `oca:base64:asn1:`, and base64
    /// over any of these. White space counts nowhere; hex may have the separators that type plates print.
    ///
    /// # Errors
    /// [`KeyError`] with the first thing that is wrong.
    pub fn read(text: &str) -> Result<Self, KeyError> {
        if text.len() > KEY_BYTES_MAX {
            return Err(KeyError::TooLong);
        }
        let mut text = text.trim().to_owned();
        for _ in 0..WRAPPINGS_MAX {
            let bytes = unwrap_once(&text)?;
            match inner_text(&bytes) {
                Some(inner) => text = inner,
                None => return Self::from_bytes(&bytes),
            }
        }
        Err(KeyError::Spelling)
    }

    /// The curve, when the spelling named one; a bare point names none and is taken on the curve of the signature.
    #[must_use]
    pub const fn curve(&self) -> Option<Curve> {
        self.curve
    }

    /// The point as in SEC 1, 2.3.3: uncompressed unless it was written compressed.
    #[must_use]
    pub fn point(&self) -> &[u8] {
        &self.point
    }

    /// `SubjectPublicKeyInfo` in DER as upper-case hex; `curve` stands in when the key names none.
    #[must_use]
    pub fn to_spki_hex(&self, curve: Curve) -> String {
        const EC_PUBLIC_KEY: [u8; 7] = [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01];
        let curve = self.curve.unwrap_or(curve);
        let algorithm = tagged(0x30, &[tagged(0x06, &EC_PUBLIC_KEY), tagged(0x06, curve.oid())].concat());
        let bits = tagged(0x03, &[&[0], &*self.point].concat());
        hex::encode_upper(tagged(0x30, &[algorithm, bits].concat()))
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        match SubjectPublicKeyInfo::from_der(bytes) {
            Ok(([], info)) => Self::from_info(&info),
            Ok(_) | Err(_) => Self::from_point(bytes),
        }
    }

    fn from_info(info: &SubjectPublicKeyInfo<'_>) -> Result<Self, KeyError> {
        let algorithm = &info.algorithm;
        if algorithm.algorithm != OID_KEY_TYPE_EC_PUBLIC_KEY {
            return Err(KeyError::Curve { oid: algorithm.algorithm.to_id_string() });
        }
        let named = algorithm.parameters.as_ref().and_then(|parameters| Oid::try_from(parameters).ok());
        let named = named.ok_or_else(|| KeyError::Curve { oid: "explicit parameters".to_owned() })?;
        let curve = Curve::ALL
            .into_iter()
            .find(|curve| curve.oid() == named.as_bytes())
            .ok_or_else(|| KeyError::Curve { oid: named.to_id_string() })?;
        let point: Box<[u8]> = (&*info.subject_public_key.data).into();
        if is_on(curve, &point) {
            Ok(Self { curve: Some(curve), point })
        } else {
            Err(KeyError::OffCurve { curve })
        }
    }

    /// A point without a curve: only its length can be judged.
    fn from_point(bytes: &[u8]) -> Result<Self, KeyError> {
        let bare = |field: usize| bytes.len() == 2 * field;
        let point = match bytes {
            [0x04, rest @ ..] if matches!(rest.len(), 48 | 64 | 96) => bytes.to_vec(),
            [0x02 | 0x03, rest @ ..] if matches!(rest.len(), 24 | 32 | 48) => bytes.to_vec(),
            _ if bare(32) || bare(48) => [&[0x04], bytes].concat(),
            _ => return Err(KeyError::Shape),
        };
        Ok(Self { curve: None, point: point.into() })
    }
}

/// One layer of spelling off.
fn unwrap_once(text: &str) -> Result<Vec<u8>, KeyError> {
    if let Some(form) = text.strip_prefix("oca:") {
        let (encoding, data) = form.split_once(":asn1:").ok_or(KeyError::OcaForm)?;
        // The note says of base16 that all that is no hex digit is a printed separator.
        return match encoding {
            "base16" => hex_digits(data, |_| true).ok_or(KeyError::Spelling),
            "base64" => read_base64(&without_space(data)).ok_or(KeyError::Spelling),
            _ => Err(KeyError::OcaForm),
        };
    }
    if text.starts_with("-----BEGIN") {
        let body: String = text.lines().filter(|line| !line.trim().starts_with("-----")).collect();
        return read_base64(&without_space(&body)).ok_or(KeyError::Spelling);
    }
    let printed = |separator: char| separator.is_whitespace() || matches!(separator, ':' | '-');
    hex_digits(text, printed)
        .or_else(|| read_base64(&without_space(text)))
        .filter(|bytes| !bytes.is_empty())
        .ok_or(KeyError::Spelling)
}

fn hex_digits(text: &str, is_separator: impl Fn(char) -> bool) -> Option<Vec<u8>> {
    let mut digits = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_ascii_hexdigit() {
            digits.push(letter);
        } else if !is_separator(letter) {
            return None;
        }
    }
    hex::decode(digits).ok()
}

fn without_space(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_whitespace()).collect()
}

/// The text inside, when the bytes are another spelling and no key.
fn inner_text(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?.trim();
    // Hex or base64 of a key is longer, and the bytes of a key hold others than these.
    let printable =
        |byte: u8| byte.is_ascii_alphanumeric() || byte.is_ascii_whitespace() || b"+/=-_".contains(&byte);
    let spelled = text.starts_with("oca:")
        || text.starts_with("-----BEGIN")
        || (text.len() >= 64 && text.bytes().all(printable));
    spelled.then(|| text.to_owned())
}
