//! Signed meter values in OCMF 1.4.1 (S.A.F.E., 2025-01-15): reading, verifying, and what a transaction adds up to.
//!
//! Place on the walk: beside it; ingest asks for a verdict, billing for the energy, the download for the XML.
//! A record is `OCMF|payload|signature`. The signature covers the payload's bytes as sent, so they are kept as they came
//! and read beside that; nothing here writes a payload. The signature section itself is covered by nothing.
//!
//! - [`Record`]: the text in its sections, and [`Record::verify`] against a key.
//! - [`payload`]: what the meter says, with the fields that later readings inherit.
//! - [`key`]: public keys in the spellings of registers and messages.
//! - [`signature`]: which curves there are and which are verified.
//! - [`transaction`]: begin to end: same meter, no page missing, no fault, and the energy to the digit.
//! - [`xml`]: the file that the driver opens in the S.A.F.E. transparency software.
//!
//! Never: a clock, the store, the decision to bill. A verdict says what the signature is worth; what follows is policy.

pub mod key;
pub mod payload;
pub mod signature;
pub mod transaction;
pub mod xml;

use ringmain_domain::meter::{SignatureVerdict, SignedValue};
use serde::Deserialize;
use thiserror::Error;

use key::{KeyError, MeterKey, read_base64};
use payload::{Payload, object};
use signature::{Curve, fits};

/// The longest text that is read as a signed value, in bytes as it was sent. Real records are one or two KiB.
pub const RECORD_BYTES_MAX: usize = 64 * 1024;

/// The longest name of a signature method that is repeated in a reason.
const NAME_CHARS_MAX: usize = 64;

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
    signature: SignatureBytes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum SignatureBytes {
    Read(Box<[u8]>),
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

/// A verdict with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// What is stored and acted on.
    pub verdict: SignatureVerdict,
    /// Why, for the log, the alert and the page of the transaction.
    pub reason: Reason,
}

/// Why a verdict is what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The registered key made the signature.
    RegisteredKeyFits,
    /// The registered key did not make the signature. If the presented key did, the meter may have been exchanged and
    /// the register not; if it did not either, the value was changed on its way.
    RegisteredKeyFails {
        /// How the key in the message compares.
        presented: PresentedKey,
    },
    /// The registered key is on another curve than the signature names.
    RegisteredKeyOnOtherCurve {
        /// The key's curve.
        key: Curve,
        /// The signature's curve.
        signature: Curve,
    },
    /// No key is registered for the meter.
    NoRegisteredKey {
        /// How the key in the message compares; a fit says only that the record is whole.
        presented: PresentedKey,
    },
    /// The record names a method, curve, encoding or type of signature that we do not verify.
    UnsupportedMethod {
        /// The name as sent, at most 64 characters.
        name: Box<str>,
    },
    /// The text is no record.
    Unreadable(ReadError),
}

/// How the key that came with the record compares with its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PresentedKey {
    /// The message brought none.
    Absent,
    /// The message brought something that is no key.
    Unreadable(KeyError),
    /// It made the signature.
    Fits,
    /// It did not make the signature.
    Fails,
}

/// The verdict on a signed value as a station sent it; `registered` is the key the operator keeps for this meter.
///
/// The value's own `public_key` decides nothing. To look a key up by serial number first, use [`Record::read`] and
/// [`Record::verify`].
#[must_use]
pub fn verify(value: &SignedValue, registered: Option<&MeterKey>) -> Verification {
    match Record::read(&value.data) {
        Ok(record) => record.verify(registered, &value.public_key),
        Err(error) => Reason::Unreadable(error).into(),
    }
}

impl From<Reason> for Verification {
    fn from(reason: Reason) -> Self {
        let verdict = match &reason {
            Reason::RegisteredKeyFits => SignatureVerdict::Valid,
            Reason::RegisteredKeyFails { .. } | Reason::RegisteredKeyOnOtherCurve { .. } => {
                SignatureVerdict::Invalid
            }
            Reason::NoRegisteredKey { .. } => SignatureVerdict::UnknownKey,
            Reason::UnsupportedMethod { .. } => SignatureVerdict::Unsupported,
            Reason::Unreadable(_) => SignatureVerdict::Unreadable,
        };
        Self { verdict, reason }
    }
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

    /// The curve of the signature, if it is one of OCMF's.
    #[must_use]
    pub fn curve(&self) -> Option<Curve> {
        Curve::of_method(&self.method)
    }

    /// The verdict on this record: `registered` is the operator's key for [`Payload::serial`], `presented` the text of
    /// the key that came along (empty when none did).
    ///
    /// The method names the curve, as in the transparency software, so that the driver gets the same answer there; a
    /// registered key on another curve is no fit.
    #[must_use]
    pub fn verify(&self, registered: Option<&MeterKey>, presented: &str) -> Verification {
        self.reason(registered, presented).into()
    }

    fn reason(&self, registered: Option<&MeterKey>, presented: &str) -> Reason {
        let unsupported =
            |name: &str| Reason::UnsupportedMethod { name: name.chars().take(NAME_CHARS_MAX).collect() };
        let signature = match &self.signature {
            SignatureBytes::Read(bytes) => bytes,
            SignatureBytes::Unknown(name) => return unsupported(name),
        };
        let Some(curve) = self.curve().filter(|curve| curve.is_verified()) else {
            return unsupported(&self.method);
        };
        let key_fits = |key: &MeterKey| {
            key.curve().is_none_or(|own| own == curve)
                && fits(curve, key.point(), self.signed.as_bytes(), signature)
        };
        let compare = || {
            if presented.trim().is_empty() {
                return PresentedKey::Absent;
            }
            match MeterKey::read(presented) {
                Ok(key) if key_fits(&key) => PresentedKey::Fits,
                Ok(_) => PresentedKey::Fails,
                Err(error) => PresentedKey::Unreadable(error),
            }
        };
        match registered {
            None => Reason::NoRegisteredKey { presented: compare() },
            Some(key) if key_fits(key) => Reason::RegisteredKeyFits,
            Some(key) => match key.curve().filter(|own| *own != curve) {
                Some(own) => Reason::RegisteredKeyOnOtherCurve { key: own, signature: curve },
                None => Reason::RegisteredKeyFails { presented: compare() },
            },
        }
    }
}

impl SignatureSection {
    fn bytes(&self) -> Result<SignatureBytes, ReadError> {
        let named = |field: &Option<String>, default: &str| {
            field.as_deref().map_or_else(|| default.to_owned(), |name| name.trim().to_ascii_lowercase())
        };
        let mime_type = named(&self.mime_type, "application/x-der");
        if mime_type != "application/x-der" {
            return Ok(SignatureBytes::Unknown(mime_type.into()));
        }
        let data: String = self.data.split_ascii_whitespace().collect();
        let (encoding, bytes) = match named(&self.encoding, "hex").as_str() {
            "hex" => ("hex", hex::decode(&data).ok()),
            "base64" => ("base64", read_base64(&data)),
            other => return Ok(SignatureBytes::Unknown(other.into())),
        };
        let bytes = bytes.filter(|bytes| !bytes.is_empty()).ok_or(ReadError::SignatureText { encoding })?;
        Ok(SignatureBytes::Read(bytes.into()))
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
