//! Facts of a transaction: what is stored of each message about it, under keys that make every repeat harmless.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::authorize::Authorization;
use crate::id::{ConnectorId, EvseId, StationId, TokenUid, TransactionId};
use crate::meter::{Sample, SignedValue};
use crate::report::{ChargingState, MessageKey, TransactionPhase, TransactionReport};
use crate::roaming::Contract;
use crate::ruling::Ruling;
use crate::time::Timestamp;
use crate::token::IdToken;

/// How many numbers are proposed for a transaction that asks for one. Two proposals are already taken by others once in
/// billions of starts; four are as good as never.
pub const NUMBER_CANDIDATES: usize = 4;

/// The trigger of a message with which a driver stops (OCPP 2.0.1 part 2, TriggerReasonEnumType).
pub const STOP_AUTHORIZED: &str = "StopAuthorized";

/// One stored message about a transaction, as it counts for the session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionFact {
    /// The transaction. For a start that asks for a number this is the first candidate until the store has decided.
    pub transaction: TransactionId,
    /// What makes a repeat a repeat.
    pub key: MessageKey,
    /// Its phase.
    pub phase: TransactionPhase,
    /// Set when the station asks for a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numbering: Option<Numbering>,
    /// The EVSE, where known.
    pub evse: Option<EvseId>,
    /// The connector, where known.
    pub connector: Option<ConnectorId>,
    /// The token presented with this message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<IdToken>,
    /// What we decided about the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization: Option<Authorization>,
    /// Under what another company's driver charges, as it was when this came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<Box<Contract>>,
    /// The station's time.
    pub observed_at: Timestamp,
    /// Our time.
    pub received_at: Timestamp,
    /// Why the station sent it.
    pub trigger: Box<str>,
    /// What vehicle and station did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charging_state: Option<ChargingState>,
    /// Why it stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<Box<str>>,
    /// It came from the station's queue.
    #[serde(default)]
    pub offline: bool,
    /// The remote start it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_start_id: Option<i32>,
    /// Some time in it could not be right; ours, or the message's, was taken.
    #[serde(default)]
    pub time_repaired: bool,
    /// It named no transaction, and this is the only one it can be about.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub adopted: bool,
    /// It is kept beside the transaction and prices nothing (reliability F30).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub aside: bool,
    /// Its samples.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<Sample>,
    /// Set when it is not the station's word but a ruling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ruling: Option<Ruling>,
    /// A hash of what the station said, before anything was repaired: a repeat has the same, a contradiction another.
    pub content: Box<str>,
}

// === impl TransactionFact ===

impl TransactionFact {
    /// Does it show that the station knows the number we gave (1.6)?
    #[must_use]
    pub const fn names_its_number(&self) -> bool {
        matches!(self.key, MessageKey::Stop | MessageKey::Meter { .. }) && !self.adopted
    }

    /// The highest reading of the register that is billed, in Wh.
    #[must_use]
    pub fn register_wh(&self) -> Option<i64> {
        self.samples.iter().filter_map(Sample::billed_register_wh).max()
    }
}

/// A start that asks for a number (1.6), and the numbers it may get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbering {
    /// Equal for every repeat of the same start: a hash of connector, token, time and meter.
    pub start_key: Box<str>,
    /// Positive numbers to try in this order; the first that no other start of this station holds is taken.
    pub candidates: [i32; NUMBER_CANDIDATES],
}

/// A secret of the installation from which transaction numbers are derived, so that one station cannot guess another's.
#[derive(Clone)]
pub struct NumberingSecret(Box<[u8]>);

impl NumberingSecret {
    /// At least 16 bytes of randomness, the same on all nodes and for ever.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }
}

impl std::fmt::Debug for NumberingSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NumberingSecret(..)")
    }
}

impl Numbering {
    /// Numbers for a start, also for one that names nobody. The same start gets the same candidates on every node (reliability F03), and they cannot be guessed
    /// without the secret (F14, S16).
    #[must_use]
    pub fn of_start(
        secret: &NumberingSecret,
        station: &StationId,
        connector: ConnectorId,
        token: Option<&IdToken>,
        started_at: Timestamp,
        meter_start: i64,
    ) -> Self {
        let content = Sha256::new()
            .chain_update(connector.0.to_be_bytes())
            .chain_update(started_at.as_millis().to_be_bytes())
            .chain_update(meter_start.to_be_bytes())
            .chain_update(token.map(IdToken::lookup_uid).as_ref().map_or("", TokenUid::as_str).as_bytes())
            .finalize();
        let keyed = Sha256::new()
            .chain_update(&secret.0)
            .chain_update(station.as_str().as_bytes())
            .chain_update([0])
            .chain_update(content)
            .finalize();
        let mut candidates = [1; NUMBER_CANDIDATES];
        for (slot, four) in candidates.iter_mut().zip(keyed.chunks_exact(4)) {
            let bits = four.iter().fold(0_u32, |acc, byte| (acc << 8) | u32::from(*byte));
            // 31 bits, never 0: the standard wants positive numbers (1.6 errata 3.54).
            *slot = i32::try_from(bits >> 1).unwrap_or(1).max(1);
        }
        Self { start_key: hex(&content), candidates }
    }
}

impl MessageKey {
    /// The key as stored, unique within a transaction. Sorts a sequence by its number.
    #[must_use]
    pub fn stored(&self) -> String {
        match self {
            Self::Sequence(number) => format!("q{number:010}"),
            Self::Start => "a".to_owned(),
            Self::Meter { first_at, content } => format!("m{first_at:015}-{content:016x}"),
            Self::Stop => "z".to_owned(),
            Self::Ruling { at, name } => format!("r{at:015}-{name}"),
        }
    }
}

/// A hash of samples for [`MessageKey::Meter`]: equal content, equal hash, on every machine and in every release.
#[must_use]
pub fn samples_hash(samples: &[Sample]) -> u64 {
    let mut hash = Sha256::new();
    for sample in samples {
        hash.update(sample.observed_at.as_millis().to_be_bytes());
        hash.update(sample.value.to_be_bytes());
        // The text form of these small enums is stable: it is what is stored.
        hash.update(
            serde_json::to_vec(&(&sample.measurand, sample.phase, sample.location, sample.context))
                .unwrap_or_default(),
        );
        // A value that comes in its signed form alone has no figure to tell it from others.
        if let Some(signed) = sample.signed.as_ref().filter(|_| sample.value == 0) {
            hash.update(signed.data.as_bytes());
        }
    }
    hash.finalize().iter().take(8).fold(0, |acc, byte| (acc << 8) | u64::from(*byte))
}

/// A hash of what a report says, without our own time and decisions.
#[must_use]
pub fn content_hash(report: &TransactionReport) -> Box<str> {
    let samples: Vec<_> = report.samples.iter().map(as_said).collect();
    let said = (
        (&report.key, report.phase, report.evse, report.connector, &report.token),
        (report.observed_at, &report.trigger, report.charging_state, &report.stop_reason),
        (report.remote_start_id, samples),
    );
    hex(&Sha256::digest(serde_json::to_vec(&said).unwrap_or_default()))
}

/// A sample without what we found about its signature: by then another key may be known.
fn as_said(sample: &Sample) -> Cow<'_, Sample> {
    match &sample.signed {
        Some(signed) if signed.verdict.is_some() => {
            let signed = Some(Box::new(SignedValue { verdict: None, ..(**signed).clone() }));
            Cow::Owned(Sample { signed, ..sample.clone() })
        }
        _ => Cow::Borrowed(sample),
    }
}

fn hex(bytes: &[u8]) -> Box<str> {
    bytes.iter().take(16).map(|byte| format!("{byte:02x}")).collect::<String>().into_boxed_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::TokenKind;

    fn numbering(secret: &[u8], station: &str, token: &str, at: i64, meter: i64) -> Numbering {
        Numbering::of_start(
            &NumberingSecret::new(secret),
            &StationId::new(station).unwrap(),
            ConnectorId(1),
            TokenUid::new(token).ok().map(|uid| IdToken { uid, kind: TokenKind::Rfid }).as_ref(),
            Timestamp::from_millis(at),
            meter,
        )
    }

    #[test]
    fn retried_start_gets_the_same_number() {
        let first = numbering(b"secret", "CS-1", "A1", 1000, 5);
        assert_eq!(first, numbering(b"secret", "CS-1", "a1", 1000, 5), "tokens compare without case");
        assert_ne!(first.start_key, numbering(b"secret", "CS-1", "A1", 1000, 6).start_key);
        assert_ne!(first.start_key, numbering(b"secret", "CS-1", "A1", 1001, 5).start_key);
        assert_ne!(first.start_key, numbering(b"secret", "CS-1", "A2", 1000, 5).start_key);
        let nobody = numbering(b"secret", "CS-1", "", 1000, 5);
        assert_ne!(first.start_key, nobody.start_key);
        assert!(nobody.candidates.iter().all(|number| *number > 0));
    }

    #[test]
    fn numbers_are_positive_and_differ_by_station_and_secret() {
        let of = |secret: &[u8], station: &str| numbering(secret, station, "A1", 1000, 5).candidates;
        assert!(of(b"secret", "CS-1").iter().all(|n| *n > 0));
        assert_ne!(of(b"secret", "CS-1"), of(b"secret", "CS-2"));
        assert_ne!(of(b"secret", "CS-1"), of(b"other", "CS-1"));
    }

    #[test]
    fn keys_sort_as_the_station_counted() {
        let keys = [MessageKey::Sequence(2), MessageKey::Sequence(10), MessageKey::Sequence(4_000_000_000)];
        let stored: Vec<_> = keys.iter().map(MessageKey::stored).collect();
        let mut sorted = stored.clone();
        sorted.sort();
        assert_eq!(stored, sorted);
    }
}
