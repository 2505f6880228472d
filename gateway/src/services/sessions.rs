//! Sessions in words that API and console share. Reading them needs no operation: they are only ever changed by what stations say.

use ringmain_domain::session::SessionFlag;

/// The name of what is unusual, in the API and on pages.
#[must_use]
pub const fn flag_name(flag: SessionFlag) -> &'static str {
    match flag {
        SessionFlag::StartMissing => "start_missing",
        SessionFlag::MeterWentBackwards => "meter_went_backwards",
        SessionFlag::ImplausibleEnergy => "implausible_energy",
        SessionFlag::ImplausibleDuration => "implausible_duration",
        SessionFlag::EnergyAfterEnd => "energy_after_end",
        SessionFlag::Contradicted => "contradicted",
        SessionFlag::NoMeterReading => "no_meter_reading",
        SessionFlag::NotAuthorized => "not_authorized",
        SessionFlag::Offline => "offline",
        SessionFlag::TimeRepaired => "time_repaired",
        SessionFlag::LateFacts => "late_facts",
        SessionFlag::Incomplete => "incomplete",
        SessionFlag::ImplicitEnd => "implicit_end",
        SessionFlag::Overlap => "overlap",
        SessionFlag::Abandoned => "abandoned",
        SessionFlag::SignatureInvalid => "signature_invalid",
        SessionFlag::SignedEnergyDiffers => "signed_energy_differs",
        SessionFlag::SignedValuesFaulty => "signed_values_faulty",
        SessionFlag::ProofMissing => "proof_missing",
        SessionFlag::EnergiesDiffer => "energies_differ",
        SessionFlag::ReadingsFallShort => "readings_fall_short",
    }
}
