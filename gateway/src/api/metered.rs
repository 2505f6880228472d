//! What a meter signed about a transaction, as sessions and bill records show it.

use ringmain_domain::ocmf::transaction::MeteredTransaction;
use serde::Serialize;
use utoipa::ToSchema;

use super::fields::Instant;

/// What the signed values of a transaction say together.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MeteredBody {
    /// End minus begin, to the digit; null when there is no such pair of readings.
    #[schema(example = "29501")]
    energy_wh: Option<String>,
    /// By the meter's clock.
    begin_at: Option<Instant>,
    /// By the meter's clock.
    end_at: Option<Instant>,
    /// All that speaks against billing by them; empty for a faultless transaction.
    #[schema(example = json!(["the meter's clock was not synchronised"]))]
    problems: Vec<String>,
}

impl From<MeteredTransaction> for MeteredBody {
    fn from(metered: MeteredTransaction) -> Self {
        Self {
            energy_wh: metered.energy_wh.map(|exact| exact.to_string()),
            begin_at: metered.begin_at.map(Into::into),
            end_at: metered.end_at.map(Into::into),
            problems: metered.problems.iter().map(ToString::to_string).collect(),
        }
    }
}
