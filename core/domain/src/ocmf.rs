//! Signed meter values in OCMF 1.4.1 (S.A.F.E., 2025-01-15): reading them, and what a transaction adds up to.
//!
//! Place on the walk: `certs` verifies a record's signature when it comes in, the fold of a session asks what its records say of its energy.
//! A record is `OCMF|payload|signature`. The signature covers the payload's bytes as sent, so they are kept as they came and read beside
//! that; nothing here writes a payload. The signature section itself is covered by nothing.
//!
//! - [`Record`]: the text in its sections.
//! - [`payload`]: what the meter says, with the fields that later readings inherit.
//! - [`transaction`]: begin to end: same meter, no page missing, no fault, and the energy to the digit.
//!
//! Never: a key, a verdict, the decision to bill.

pub mod payload;
pub mod transaction;

use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine as _, alphabet};
use serde::Deserialize;
use thiserror::Error;

use payload::{Payload, object};

const BASE64: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, BASE64);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, BASE64);

/// The longest text that is read as a signed value, in bytes as it was sent. Real records are one or two KiB.
pub const RECORD_BYTES_MAX: usize = 64 * 1024;

/// The most readings of a record. Real ones have a handful: begin and end of each register.
pub const READINGS_MAX: usize = 100;

/// The longest field of a payload that is read, in bytes: each reading may inherit it from the one above.
pub const FIELD_BYTES_MAX: usize = 100;

/// Why a text is no OCMF record. Nothing can be billed on it; keep the text and tell the operator.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReadError {
    /// Longer than [`RECORD_BYTES_MAX`].
    #[error("longer than {RECORD_BYTES_MAX} bytes")]
    TooLong,
    /// Neither `OCMF|` at the start nor base64 or hex of it.
    #[error("neither OCMF nor base64 or hex of it")]
    NotOcmf,
    /// Not three sections; a pipe may stand nowhere else.
    #[error("{found} sections where OCMF has 3")]
    Sections {
        /// How many there are, the header included.
        found: usize,
    },
    /// A section is not the JSON that the standard describes.
    #[error("not the JSON of OCMF: {detail}")]
    Json {
        /// What the parser says, with line and column.
        detail: Box<str>,
    },
    /// The payload holds no reading.
    #[error("no reading")]
    NoReadings,
    /// The payload holds more readings than [`READINGS_MAX`].
    #[error("more than {READINGS_MAX} readings")]
    TooManyReadings,
    /// A field of the payload is longer than [`FIELD_BYTES_MAX`].
    #[error("a field longer than {FIELD_BYTES_MAX} bytes")]
    FieldTooLong,
    /// SD is not in the encoding that SE names.
    #[error("the signature is no {encoding}")]
    SignatureText {
        /// `hex` or `base64`.
        encoding: &'static str,
    },
}

/// One signed record: the text as sent, and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    text: Box<str>,
    signed: Box<str>,
    payload: Payload,
    method: Box<str>,
    signature: Signature,
}

/// The signature of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signature {
    /// SD, decoded: DER.
    Der(Box<[u8]>),
    /// SE or SM names something we do not know.
    Unknown(Box<str>),
}

#[derive(Deserialize)]
struct SignatureSection {
    #[serde(rename = "SA")]
    method: Option<String>,
    #[serde(rename = "SE")]
    encoding: Option<String>,
    #[serde(rename = "SM")]
    mime_type: Option<String>,
    #[serde(rename = "SD")]
    data: String,
}

impl Record {
    /// Reads a record of at most [`RECORD_BYTES_MAX`] bytes, sent plain (as 1.6 stations do), as base64 (2.x
    /// `signedMeterData`), or as hex (what 1.6 says of `SignedData`).
    ///
    /// # Errors
    /// [`ReadError`] with the first thing that is wrong.
    pub fn read(sent: &str) -> Result<Self, ReadError> {
        if sent.len() > RECORD_BYTES_MAX {
            return Err(ReadError::TooLong);
        }
        let text = plain(sent).ok_or(ReadError::NotOcmf)?;
        let sections: Vec<&str> = text.split('|').collect();
        let &[_header, signed, signature] = sections.as_slice() else {
            return Err(ReadError::Sections { found: sections.len() });
        };
        let payload = Payload::read(signed)?;
        let section: SignatureSection = object(signature)?;
        Ok(Self {
            payload,
            method: section.method.as_deref().unwrap_or("ECDSA-secp256r1-SHA256").into(),
            signature: section.bytes()?,
            signed: signed.into(),
            text: text.into(),
        })
    }

    /// The record as plain text, byte for byte, without white space around it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The payload section as sent: exactly what the signature covers.
    #[must_use]
    pub fn signed(&self) -> &str {
        &self.signed
    }

    /// What the payload says.
    #[must_use]
    pub const fn payload(&self) -> &Payload {
        &self.payload
    }

    /// SA, the method of the signature as sent; the standard's default when the record names none.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// SD, the signature over [`Self::signed`].
    #[must_use]
    pub const fn signature(&self) -> &Signature {
        &self.signature
    }
}

impl SignatureSection {
    fn bytes(&self) -> Result<Signature, ReadError> {
        let named = |field: &Option<String>, default: &str| {
            field.as_deref().map_or_else(|| default.to_owned(), |name| name.trim().to_ascii_lowercase())
        };
        let mime_type = named(&self.mime_type, "application/x-der");
        if mime_type != "application/x-der" {
            return Ok(Signature::Unknown(mime_type.into()));
        }
        let data: String = self.data.split_ascii_whitespace().collect();
        let (encoding, bytes) = match named(&self.encoding, "hex").as_str() {
            "hex" => ("hex", hex::decode(&data).ok()),
            "base64" => ("base64", read_base64(&data)),
            other => return Ok(Signature::Unknown(other.into())),
        };
        let bytes = bytes.filter(|bytes| !bytes.is_empty()).ok_or(ReadError::SignatureText { encoding })?;
        Ok(Signature::Der(bytes.into()))
    }
}

/// The plain text of a record, whichever way it was sent.
fn plain(sent: &str) -> Option<String> {
    const HEADER: &str = "OCMF|";
    let sent = sent.trim();
    if sent.starts_with(HEADER) {
        return Some(sent.to_owned());
    }
    let packed: String = sent.split_ascii_whitespace().collect();
    [hex::decode(&packed).ok(), read_base64(&packed)]
        .into_iter()
        .flatten()
        .filter_map(|bytes| String::from_utf8(bytes).ok())
        .map(|text| text.trim().to_owned())
        .find(|text| text.starts_with(HEADER))
}

/// Base64 in the standard's alphabet or the one of URLs, padded or not, as stations and key registers write it; `None`: it is neither.
#[must_use]
pub fn read_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok()
}
