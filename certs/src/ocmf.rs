//! What the signature of a signed meter value is worth (OCMF 1.4.1, S.A.F.E., 2025-01-15).
//!
//! Place on the walk: beside it; ingest asks for a verdict, the download for the XML. What a record says is read in `domain::ocmf`.
//!
//! - [`verify`], [`verify_record`]: against a registered key.
//! - [`key`]: public keys in the spellings of registers and messages.
//! - [`signature`]: which curves there are and which are verified.
//! - [`xml`]: the file that the driver opens in the S.A.F.E. transparency software.
//!
//! Never: a clock, the store, the decision to bill. A verdict says what the signature is worth; what follows is policy.

pub mod key;
pub mod signature;
pub mod xml;

use ringmain_domain::meter::{SignatureVerdict, SignedValue};
use ringmain_domain::ocmf::{ReadError, Record, Signature};

use key::{KeyError, MeterKey};
use signature::{Curve, fits};

/// The longest name of a signature method that is repeated in a reason.
const NAME_CHARS_MAX: usize = 64;

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
/// [`verify_record`].
#[must_use]
pub fn verify(value: &SignedValue, registered: Option<&MeterKey>) -> Verification {
    match Record::read(&value.data) {
        Ok(record) => verify_record(&record, registered, &value.public_key),
        Err(error) => Reason::Unreadable(error).into(),
    }
}

/// The verdict on this record: `registered` is the operator's key for its meter's serial number, `presented` the text of the key that came
/// along (empty when none did).
///
/// The method names the curve, as in the transparency software, so that the driver gets the same answer there; a registered key on another
/// curve is no fit.
#[must_use]
pub fn verify_record(record: &Record, registered: Option<&MeterKey>, presented: &str) -> Verification {
    reason(record, registered, presented).into()
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

fn reason(record: &Record, registered: Option<&MeterKey>, presented: &str) -> Reason {
    let unsupported =
        |name: &str| Reason::UnsupportedMethod { name: name.chars().take(NAME_CHARS_MAX).collect() };
    let signature = match record.signature() {
        Signature::Der(bytes) => bytes,
        Signature::Unknown(name) => return unsupported(name),
    };
    let Some(curve) = Curve::of_method(record.method()).filter(|curve| curve.is_verified()) else {
        return unsupported(record.method());
    };
    let key_fits = |key: &MeterKey| {
        key.curve().is_none_or(|own| own == curve)
            && fits(curve, key.point(), record.signed().as_bytes(), signature)
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
