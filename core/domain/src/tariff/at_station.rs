//! Tariffs that stations price by themselves (OCPP 2.1 part 2, I07): which one stands where.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::id::EvseId;
use crate::tariff::Tariff;

/// Every EVSE of a station.
pub const WHOLE_STATION: EvseId = EvseId(0);

/// The tariffs of a station by EVSE; [`WHOLE_STATION`] where all have the same.
pub type Placed = BTreeMap<EvseId, Tariff>;

/// What a station knows a tariff by: its id and a number of its content, for an id never changes its content at a station (I08.FR.08).
/// At most 53 characters.
#[must_use]
pub fn name(tariff: &Tariff) -> Box<str> {
    // When it was written down does not matter to a price; a tariff always has a form as JSON.
    let content = Tariff { updated_at: crate::time::Timestamp::default(), ..tariff.clone() };
    let content = serde_json::to_vec(&content).unwrap_or_default();
    let digest = Sha256::digest(content);
    let mut name = format!("{}.", tariff.id.as_str());
    for byte in digest.iter().take(8) {
        name.push_str(&format!("{byte:02x}"));
    }
    name.into()
}

/// One tariff for the whole station where every EVSE has it, else each EVSE its own; EVSEs without one have none.
#[must_use]
pub fn placed(evses: BTreeMap<EvseId, Option<Tariff>>) -> Placed {
    let mut tariffs = evses.values();
    let first = tariffs.next().cloned().flatten();
    match first {
        Some(tariff) if tariffs.all(|other| other.as_ref() == Some(&tariff)) => {
            Placed::from([(WHOLE_STATION, tariff)])
        }
        _ => evses.into_iter().filter_map(|(evse, tariff)| Some((evse, tariff?))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{TariffId, TenantId};
    use crate::money::Currency;
    use crate::time::Timestamp;

    fn tariff(id: &str, title: &str) -> Tariff {
        let currency = Currency::new("EUR").unwrap();
        Tariff::new(
            TenantId::default_tenant(),
            TariffId::new(id).unwrap(),
            title,
            currency,
            Vec::new(),
            Timestamp::from_millis(1),
        )
    }

    #[test]
    fn a_name_tells_one_content_from_another_and_not_when_it_was_written() {
        let first = tariff("ac", "a");
        assert_eq!(name(&first), name(&Tariff { updated_at: Timestamp::from_millis(2), ..first.clone() }));
        assert_ne!(name(&first), name(&tariff("ac", "b")));
        assert!(name(&first).starts_with("ac."));
        assert_eq!(name(&tariff(&"x".repeat(36), "a")).len(), 53);
    }

    #[test]
    fn one_tariff_everywhere_stands_at_the_station_and_others_at_their_evses() {
        let (a, b) = (tariff("a", "a"), tariff("b", "b"));
        let places = |tariffs: [Option<&Tariff>; 2]| {
            let evses = tariffs.into_iter().zip(1..).map(|(tariff, evse)| (EvseId(evse), tariff.cloned()));
            placed(evses.collect())
                .into_iter()
                .map(|(evse, tariff)| (evse.0, tariff.id.as_str().to_owned()))
                .collect::<Vec<_>>()
        };
        assert_eq!(places([Some(&a), Some(&a)]), [(0, "a".to_owned())]);
        assert_eq!(places([Some(&a), Some(&b)]), [(1, "a".to_owned()), (2, "b".to_owned())]);
        assert_eq!(places([None, Some(&b)]), [(2, "b".to_owned())]);
        assert_eq!(places([None, None]), []);
        assert!(placed(BTreeMap::new()).is_empty());
    }
}
