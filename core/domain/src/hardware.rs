//! What EVSEs and connectors are made of, as the operator describes it: what drivers look for on a map, and what no protocol of stations tells
//! reliably.

use serde::{Deserialize, Serialize};

use crate::id::{ConnectorId, EvseId};

/// The most EVSEs of a station that can be described, and connectors of an EVSE.
pub const EVSES_MAX: usize = 64;
/// See [`EVSES_MAX`].
pub const CONNECTORS_MAX: usize = 8;
/// The most characters of a printed id (OCPI 2.2.1 mod_locations, EVSE: evse_id).
pub const PRINTED_ID_MAX_CHARS: usize = 48;
/// The most volts, amperes and watts of a connector: the largest megawatt systems stay below.
pub const VOLTAGE_MAX_V: u32 = 1_500;
/// See [`VOLTAGE_MAX_V`].
pub const CURRENT_MAX_A: u32 = 3_000;
/// See [`VOLTAGE_MAX_V`].
pub const POWER_MAX_W: u32 = 4_500_000;

/// A station's EVSEs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StationHardware {
    /// By number, each at most once.
    pub evses: Vec<EvseHardware>,
}

/// An EVSE.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvseHardware {
    /// Its number in the protocol of stations, from 1.
    pub evse: EvseId,
    /// What is printed on it (ISO 15118, eMI3), such as `DE*RMN*E1234*1`.
    #[serde(default)]
    pub printed_id: Option<Box<str>>,
    /// By number, each at most once, at least one.
    pub connectors: Vec<ConnectorHardware>,
}

/// A connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectorHardware {
    /// Its number in the protocol of stations, from 1.
    pub connector: ConnectorId,
    /// The plug.
    pub plug: Plug,
    /// The cable is part of it; otherwise the driver brings one.
    pub has_cable: bool,
    /// What flows.
    pub current: Current,
    /// Volts, line to neutral for AC.
    pub max_voltage_v: u32,
    /// Amperes, of each line for AC.
    pub max_current_a: u32,
    /// Watts, where that is less than volts and amperes make.
    #[serde(default)]
    pub max_power_w: Option<u32>,
}

/// A plug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plug {
    /// IEC 62196-2 type 1, SAE J1772.
    Type1,
    /// IEC 62196-2 type 2.
    Type2,
    /// IEC 62196-3 configuration EE: CCS 1.
    Ccs1,
    /// IEC 62196-3 configuration FF: CCS 2.
    Ccs2,
    /// CHAdeMO.
    Chademo,
    /// SAE J3400, NACS.
    Nacs,
    /// GB/T 20234.2, AC.
    GbtAc,
    /// GB/T 20234.3, DC.
    GbtDc,
    /// Megawatt charging system.
    Mcs,
    /// CEE 7/4, Schuko.
    Schuko,
    /// IEC 60309, one phase, blue.
    CeeBlue,
    /// IEC 60309, three phases, 16 A, red.
    CeeRed16,
    /// IEC 60309, three phases, 32 A, red.
    CeeRed32,
    /// Pantograph from below.
    PantographBottomUp,
    /// Pantograph from above.
    PantographTopDown,
}

/// What flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Current {
    /// AC, one phase.
    Ac1,
    /// AC, two phases.
    Ac2,
    /// AC, three phases.
    Ac3,
    /// DC.
    Dc,
}

/// What is wrong with a description: where, as a JSON pointer, and what.
pub type Wrong = (String, String);

// === impl Current ===

impl Current {
    /// Lines that carry it.
    #[must_use]
    pub const fn lines(self) -> u32 {
        match self {
            Self::Ac1 | Self::Dc => 1,
            Self::Ac2 => 2,
            Self::Ac3 => 3,
        }
    }
}

// === impl ConnectorHardware ===

impl ConnectorHardware {
    /// The most it gives, W.
    #[must_use]
    pub fn power_w(&self) -> u32 {
        let by_lines =
            self.max_voltage_v.saturating_mul(self.max_current_a).saturating_mul(self.current.lines());
        self.max_power_w.map_or(by_lines, |power| power.min(by_lines))
    }

    fn check(&self, at: &str, wrong: &mut Vec<Wrong>) {
        for (field, value, most) in [
            ("max_voltage_v", Some(self.max_voltage_v), VOLTAGE_MAX_V),
            ("max_current_a", Some(self.max_current_a), CURRENT_MAX_A),
            ("max_power_w", self.max_power_w, POWER_MAX_W),
        ] {
            if value.is_some_and(|value| !(1..=most).contains(&value)) {
                wrong.push((format!("{at}/{field}"), format!("must be 1 to {most}")));
            }
        }
    }
}

// === impl EvseHardware ===

impl EvseHardware {
    /// The connector of a number; where none is named, the only one.
    #[must_use]
    pub fn connector(&self, number: Option<ConnectorId>) -> Option<&ConnectorHardware> {
        match (number, &*self.connectors) {
            (None, [only]) => Some(only),
            (None, _) => None,
            (Some(number), all) => all.iter().find(|one| one.connector == number),
        }
    }
}

// === impl StationHardware ===

impl StationHardware {
    /// What one of its connectors is made of, and what is printed on the EVSE.
    #[must_use]
    pub fn of(&self, evse: EvseId, connector: ConnectorId) -> Option<(ConnectorHardware, Option<&str>)> {
        let evse = self.evses.iter().find(|one| one.evse == evse)?;
        Some((*evse.connector(Some(connector))?, evse.printed_id.as_deref()))
    }

    /// Everything that is wrong with it.
    #[must_use]
    pub fn check(&self) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        numbered("/evses", self.evses.iter().map(|evse| evse.evse.0), EVSES_MAX, &mut wrong);
        for (place, evse) in self.evses.iter().enumerate() {
            let at = format!("/evses/{place}");
            if evse.printed_id.as_deref().is_some_and(|id| !is_printed_id(id)) {
                let what =
                    format!("must look like DE*ABC*E123*1, of at most {PRINTED_ID_MAX_CHARS} characters");
                wrong.push((format!("{at}/printed_id"), what));
            }
            let numbers = evse.connectors.iter().map(|connector| connector.connector.0);
            if evse.connectors.is_empty() {
                wrong.push((format!("{at}/connectors"), "must name at least one".to_owned()));
            }
            numbered(&format!("{at}/connectors"), numbers, CONNECTORS_MAX, &mut wrong);
            for (place, connector) in evse.connectors.iter().enumerate() {
                connector.check(&format!("{at}/connectors/{place}"), &mut wrong);
            }
        }
        wrong
    }
}

/// Numbers from 1, each once, and not too many.
fn numbered(at: &str, numbers: impl Iterator<Item = u32>, most: usize, wrong: &mut Vec<Wrong>) {
    let mut seen = std::collections::BTreeSet::new();
    let mut count = 0;
    for (place, number) in numbers.enumerate() {
        count += 1;
        if number == 0 {
            wrong.push((format!("{at}/{place}"), "is numbered from 1".to_owned()));
        }
        if !seen.insert(number) {
            wrong.push((format!("{at}/{place}"), format!("number {number} is there already")));
        }
    }
    if count > most {
        wrong.push((at.to_owned(), format!("at most {most}")));
    }
}

/// `DE*ABC*E123`: country, operator, `E`, and what the operator likes; the stars may be left out (eMI3 standard, part 2).
fn is_printed_id(text: &str) -> bool {
    let bare: Vec<char> = text.chars().filter(|c| *c != '*').collect();
    let is_upper = |c: &char| c.is_ascii_uppercase() || c.is_ascii_digit();
    text.chars().count() <= PRINTED_ID_MAX_CHARS
        && bare.len() > 6
        && bare.iter().take(2).all(char::is_ascii_uppercase)
        && bare.get(5) == Some(&'E')
        && bare.iter().all(is_upper)
        && !text.ends_with('*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connector(number: u32) -> ConnectorHardware {
        ConnectorHardware {
            connector: ConnectorId(number),
            plug: Plug::Type2,
            has_cable: false,
            current: Current::Ac3,
            max_voltage_v: 230,
            max_current_a: 32,
            max_power_w: None,
        }
    }

    fn evse(number: u32, connectors: Vec<ConnectorHardware>) -> EvseHardware {
        EvseHardware { evse: EvseId(number), printed_id: None, connectors }
    }

    #[test]
    fn power_is_what_the_lines_carry_or_less() {
        assert_eq!(connector(1).power_w(), 22_080);
        assert_eq!(ConnectorHardware { max_power_w: Some(11_000), ..connector(1) }.power_w(), 11_000);
        assert_eq!(ConnectorHardware { max_power_w: Some(50_000), ..connector(1) }.power_w(), 22_080);
        let dc = ConnectorHardware {
            current: Current::Dc,
            max_voltage_v: 1_000,
            max_current_a: 500,
            ..connector(1)
        };
        assert_eq!(dc.power_w(), 500_000);
    }

    #[test]
    fn a_connector_that_is_not_named_is_the_only_one() {
        let (one, two) = (evse(1, vec![connector(3)]), evse(1, vec![connector(1), connector(2)]));
        assert_eq!((one.connector(None), two.connector(None)), (Some(&connector(3)), None));
        let second = two.connector(Some(ConnectorId(2)));
        assert_eq!((one.connector(Some(ConnectorId(1))), second), (None, Some(&connector(2))));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let sound = StationHardware {
            evses: vec![evse(1, vec![connector(1), connector(2)]), evse(2, vec![connector(1)])],
        };
        assert_eq!(sound.check(), []);
        let wrong =
            |hardware: StationHardware| hardware.check().into_iter().map(|(at, _)| at).collect::<Vec<_>>();
        let of = |evses| wrong(StationHardware { evses });
        assert_eq!(of(vec![evse(1, Vec::new())]), ["/evses/0/connectors"]);
        assert_eq!(of(vec![evse(0, vec![connector(1)])]), ["/evses/0"]);
        assert_eq!(of(vec![evse(1, vec![connector(1)]), evse(1, vec![connector(1)])]), ["/evses/1"]);
        assert_eq!(of(vec![evse(1, vec![connector(1), connector(1)])]), ["/evses/0/connectors/1"]);
        let strong =
            ConnectorHardware { max_current_a: CURRENT_MAX_A + 1, max_power_w: Some(0), ..connector(1) };
        assert_eq!(
            of(vec![evse(1, vec![strong])]),
            ["/evses/0/connectors/0/max_current_a", "/evses/0/connectors/0/max_power_w"]
        );
        let most = (1..=64).map(|number| evse(number, vec![connector(1)]));
        assert_eq!(of(most.clone().collect()), Vec::<String>::new());
        assert_eq!(of(most.chain([evse(65, vec![connector(1)])]).collect()), ["/evses"]);
    }

    #[test]
    fn printed_ids_are_those_of_the_field() {
        for good in ["DE*ABC*E123*1", "DEABCE123", "NL*A1B*EX", "FR*S63*E63500*1"] {
            assert!(is_printed_id(good), "{good}");
        }
        for bad in
            ["", "DE*ABC*123", "DE*ABC*E", "de*abc*e123", "DE*ABC*E123*", "49*ABC*E123", "DE*ABC*E12 3"]
        {
            assert!(!is_printed_id(bad), "{bad}");
        }
        assert!(!is_printed_id(&format!("DE*ABC*E{}", "1".repeat(41))));
        assert!(is_printed_id(&format!("DE*ABC*E{}", "1".repeat(40))));
    }
}
