//! What a meter said: samples in whole units, whatever unit the station used.

use serde::{Deserialize, Serialize};

use crate::id::TenantId;
use crate::time::Timestamp;

/// The most samples one report may carry (reliability F31).
pub const MAX_SAMPLES: usize = 10_000;

/// What a sample measures, and with it the unit of its value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measurand {
    /// Imported active energy, the meter's running total, in Wh.
    EnergyImportRegister,
    /// Exported active energy, the meter's running total, in Wh.
    EnergyExportRegister,
    /// Imported active energy since the last sample, in Wh.
    EnergyImportInterval,
    /// Imported active power, in W.
    PowerImport,
    /// Exported active power, in W.
    PowerExport,
    /// The most power the station offers the vehicle, in W.
    PowerOffered,
    /// Imported current, in mA.
    CurrentImport,
    /// The most current the station offers the vehicle, in mA.
    CurrentOffered,
    /// Voltage, in mV.
    Voltage,
    /// State of charge of the vehicle's battery, in thousandths.
    StateOfCharge,
    /// Anything else, under its own name, in thousandths of the station's unit.
    Other(Box<str>),
}

/// Why a sample was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SampleContext {
    /// At the start of a transaction.
    TransactionBegin,
    /// At the end of a transaction.
    TransactionEnd,
    /// On a timer of the station.
    #[default]
    Periodic,
    /// At a fixed time of the day.
    ClockAligned,
    /// Because it was asked for.
    Triggered,
    /// Around an interruption.
    Interruption,
    /// For another reason.
    Other,
}

/// The conductor a sample belongs to; absent means all together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Line 1.
    L1,
    /// Line 2.
    L2,
    /// Line 3.
    L3,
    /// Neutral.
    N,
    /// Line 1 to neutral.
    L1N,
    /// Line 2 to neutral.
    L2N,
    /// Line 3 to neutral.
    L3N,
    /// Line 1 to line 2.
    L1L2,
    /// Line 2 to line 3.
    L2L3,
    /// Line 3 to line 1.
    L3L1,
}

/// Where in the installation a sample was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MeterLocation {
    /// At the outlet, towards the vehicle.
    #[default]
    Outlet,
    /// At the station's own supply.
    Inlet,
    /// In the station's body.
    Body,
    /// At the cable.
    Cable,
    /// In the vehicle.
    Vehicle,
    /// Above the station (2.1).
    Upstream,
}

/// A signed meter value, kept bit for bit as the station sent it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedValue {
    /// The signed data as sent (often base64 of OCMF).
    pub data: Box<str>,
    /// The name of the encoding, as sent.
    pub encoding: Box<str>,
    /// The name of the signing method, as sent; empty when the station names none.
    pub method: Box<str>,
    /// The public key, as sent; empty when the station names none.
    pub public_key: Box<str>,
    /// What the signature was worth when the value came in; `None`: nobody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<SignatureVerdict>,
}

/// A meter's public key, as the operator registered it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeterKeyRecord {
    /// Whose.
    pub tenant: TenantId,
    /// The meter's serial number as it stands in its readings.
    pub serial: Box<str>,
    /// The key, in any form that `certs` reads.
    pub public_key: Box<str>,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// What the signature of a signed meter value is worth to us (how it is found: `certs/src/ocmf.rs`).
///
/// Only a key that the operator registered for the meter decides between [`Self::Valid`] and [`Self::Invalid`]. A key
/// that came in the message itself proves nothing: who can write a reading can write a key beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignatureVerdict {
    /// The registered key of this meter made the signature over exactly these bytes.
    Valid,
    /// The registered key of this meter did not make this signature: the value or the key is not what it claims.
    Invalid,
    /// The record reads well, but no key is registered for its meter.
    UnknownKey,
    /// The record names a format, curve or hash that we cannot verify, or came with more of them than are verified of one message;
    /// nothing is said about its truth.
    Unsupported,
    /// The record is no signed value that can be read: cut off, of another format, or too long.
    Unreadable,
}

impl SignatureVerdict {
    /// The stored and shown name, as in the serialised form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Invalid => "invalid",
            Self::UnknownKey => "unknown_key",
            Self::Unsupported => "unsupported",
            Self::Unreadable => "unreadable",
        }
    }

    /// How little it says for a value: of several that belong together the one with the most doubt counts.
    #[must_use]
    pub const fn doubt(self) -> u8 {
        match self {
            Self::Valid => 0,
            Self::UnknownKey => 1,
            Self::Unsupported => 2,
            Self::Unreadable => 3,
            Self::Invalid => 4,
        }
    }
}

/// One measured value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// When it was measured, by the station's clock.
    pub observed_at: Timestamp,
    /// What was measured.
    pub measurand: Measurand,
    /// The value in the unit of the measurand, rounded half away from zero.
    pub value: i64,
    /// Which conductor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// Where.
    #[serde(default)]
    pub location: MeterLocation,
    /// Why.
    #[serde(default)]
    pub context: SampleContext,
    /// The signed form, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<Box<SignedValue>>,
}

impl Sample {
    /// A plain reading of the import register at the outlet, in Wh.
    #[must_use]
    pub fn import_register(observed_at: Timestamp, value_wh: i64, context: SampleContext) -> Self {
        Self {
            observed_at,
            measurand: Measurand::EnergyImportRegister,
            value: value_wh,
            phase: None,
            location: MeterLocation::Outlet,
            context,
            signed: None,
        }
    }

    /// The value in Wh, if this is the outlet's import register over all phases.
    #[must_use]
    pub fn billed_register_wh(&self) -> Option<i64> {
        let whole = self.phase.is_none() && self.location == MeterLocation::Outlet;
        (whole && self.measurand == Measurand::EnergyImportRegister).then_some(self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_stored_under_its_name() {
        for verdict in [
            SignatureVerdict::Valid,
            SignatureVerdict::Invalid,
            SignatureVerdict::UnknownKey,
            SignatureVerdict::Unsupported,
            SignatureVerdict::Unreadable,
        ] {
            let stored = serde_json::to_string(&verdict).unwrap();
            assert_eq!(stored, format!("\"{}\"", verdict.as_str()));
            assert_eq!(serde_json::from_str::<SignatureVerdict>(&stored).unwrap(), verdict);
        }
    }
}
