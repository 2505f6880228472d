//! What is unusual about a session, for people: what it is called, what it means, and what to look at.

use ringmain_domain::session::SessionFlag;

/// A flag in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FlagWords {
    /// Its name.
    pub(super) name: &'static str,
    /// What it means and what to look at, in one sentence.
    pub(super) sentence: &'static str,
    /// Is it a reason for a person to look?
    pub(super) reason: bool,
}

/// The words of a flag.
#[expect(clippy::too_many_lines, reason = "a table: one entry for each flag")]
pub(super) const fn in_words(flag: SessionFlag) -> FlagWords {
    let (name, sentence) = match flag {
        SessionFlag::StartMissing => (
            "Start missing",
            "The station never reported the start, so the first register may be too high: compare it with the end of the session before at this EVSE.",
        ),
        SessionFlag::MeterWentBackwards => (
            "Meter went backwards",
            "The register fell while the session went on, as after a changed or faulty meter: look at the readings in the log and at the meter itself.",
        ),
        SessionFlag::ImplausibleEnergy => (
            "Implausible energy",
            "More energy than any vehicle takes in the time: look for a jump in the register, often a wrong unit or a reading of another meter.",
        ),
        SessionFlag::ImplausibleDuration => (
            "Implausible duration",
            "Longer than anybody stays: look whether the station's clock was set when it began, or whether start and end belong together.",
        ),
        SessionFlag::EnergyAfterEnd => (
            "Energy after the end",
            "The meter went on under this transaction after its end, which is not billed: look whether the station ended it twice.",
        ),
        SessionFlag::Contradicted => (
            "Contradicted",
            "A message came under the number of a stored one and would have changed the bill: the station may have begun to count anew. Compare them below.",
        ),
        SessionFlag::NoMeterReading => (
            "No meter reading",
            "The station sent no two registers to count energy between, so none can be billed: read the meter, or void the session.",
        ),
        SessionFlag::NotAuthorized => (
            "Not authorized",
            "Charged with a token we had not accepted: see whose token it is and whether the station decided by its own list.",
        ),
        SessionFlag::Offline => (
            "Reported later",
            "Some of it came from the station's queue after a time without connection: nothing to do unless figures look wrong.",
        ),
        SessionFlag::TimeRepaired => (
            "Clock repaired",
            "The station's clock could not be right and our own time was taken: durations may be off by the difference.",
        ),
        SessionFlag::LateFacts => (
            "Figures changed after the bill",
            "Messages came after the bill and changed it: the bill was taken back by a credit and made anew, both are below.",
        ),
        SessionFlag::Incomplete => (
            "Messages missing",
            "Messages between start and end never came: the energy is right, the split into charging and idle time may not be.",
        ),
        SessionFlag::ImplicitEnd => (
            "End inferred",
            "Another session began at this EVSE before this one had ended, so it ended then: look whether the last register here and the first one there agree.",
        ),
        SessionFlag::Overlap => (
            "Two starts at once",
            "It began at the same EVSE and instant as another one, and only one vehicle stands there: void the one that is a double.",
        ),
        SessionFlag::Abandoned => (
            "End never reported",
            "Nothing was heard of it for too long, so it ended with its last reading: see whether the station is alive and what its meter shows.",
        ),
        SessionFlag::SignatureInvalid => (
            "Signature wrong",
            "A signed value does not fit the key registered for its meter: check the key of this meter before anybody pays by these figures.",
        ),
        SessionFlag::SignedEnergyDiffers => (
            "Meter signed another energy",
            "The energy of the signed values is not the one that was reported: compare both below; the driver can check the signed one.",
        ),
        SessionFlag::SignedValuesFaulty => (
            "Signed values incomplete",
            "The signed values do not make a whole transaction, so nobody can prove the energy by them; what is wrong is said below.",
        ),
        SessionFlag::ProofMissing => (
            "Not proven by its meter",
            "In this country a bill needs signed values of its meter, whole and with a key registered for it; of this session they are missing.",
        ),
        SessionFlag::EnergiesDiffer => (
            "Energies differ",
            "The station told the energy twice, on a timer and by the clock, and the sums differ; by the timer it would be billed: compare the readings below.",
        ),
        SessionFlag::ReadingsFallShort => (
            "Readings fall short",
            "Nothing was read at the start or at the end while energy can have flowed, so the bill would be short: see what the meter shows, or which readings the station is set to send.",
        ),
    };
    FlagWords { name, sentence, reason: flag.needs_review() }
}

/// The words of all flags, those that are a reason to look first.
pub(super) fn all_in_words(flags: &[SessionFlag]) -> Vec<FlagWords> {
    let mut words: Vec<_> = flags.iter().map(|flag| in_words(*flag)).collect();
    words.sort_by_key(|words| !words.reason);
    words
}
