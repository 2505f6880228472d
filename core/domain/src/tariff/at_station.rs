//! Tariffs that stations price by themselves (OCPP 2.1 part 2, I07): which one stands where.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::id::{EvseId, TariffId};
use crate::tariff::Tariff;

/// Every EVSE of a station.
pub const WHOLE_STATION: EvseId = EvseId(0);

/// The tariffs of a station by EVSE; [`WHOLE_STATION`] where all have the same.
pub type Placed = BTreeMap<EvseId, Tariff>;

/// The most characters of a name (OCPP 2.1 part 2, TariffType).
const NAME_CHARS_MAX: usize = 60;

/// What a station knows a tariff by: its id, its place, and a number of its content as the station is told it. A station takes no name
/// twice (OCPP 2.1 part 2, I07), so two places or contents never share one. At most 60 characters: of a long id the end is left out.
#[must_use]
pub fn name(tariff: &TariffId, evse: EvseId, content: &str) -> Box<str> {
    let mut end = format!(".{}.", evse.0);
    for byte in Sha256::digest(content).iter().take(8) {
        end.push_str(&format!("{byte:02x}"));
    }
    let id = tariff.as_str().chars().take(NAME_CHARS_MAX.saturating_sub(end.len()));
    id.chain(end.chars()).collect::<String>().into()
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
    use crate::id::TenantId;
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
    fn a_name_tells_places_and_contents_apart() {
        let id = TariffId::new("ac").unwrap();
        assert_eq!(&*name(&id, EvseId(1), "a"), "ac.1.ca978112ca1bbdca");
        assert_ne!(name(&id, EvseId(1), "a"), name(&id, EvseId(2), "a"));
        assert_ne!(name(&id, EvseId(1), "a"), name(&id, EvseId(1), "b"));
        let long = name(&TariffId::new(&"x".repeat(36)).unwrap(), EvseId(u32::MAX), "a");
        assert_eq!(long.len(), 60, "{long}");
        assert!(long.ends_with("x.4294967295.ca978112ca1bbdca"), "{long}");
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
