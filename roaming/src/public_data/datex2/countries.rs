//! Countries by two letters, from three (ISO 3166-1): those of Europe and around it, as DATEX II is spoken there. Of others nothing is said.

const CODES: [(&str, &str); 60] = [
    ("ALB", "AL"),
    ("AND", "AD"),
    ("ARM", "AM"),
    ("AUT", "AT"),
    ("AZE", "AZ"),
    ("BEL", "BE"),
    ("BGR", "BG"),
    ("BIH", "BA"),
    ("BLR", "BY"),
    ("CHE", "CH"),
    ("CYP", "CY"),
    ("CZE", "CZ"),
    ("DEU", "DE"),
    ("DNK", "DK"),
    ("DZA", "DZ"),
    ("EGY", "EG"),
    ("ESP", "ES"),
    ("EST", "EE"),
    ("FIN", "FI"),
    ("FRA", "FR"),
    ("FRO", "FO"),
    ("GBR", "GB"),
    ("GEO", "GE"),
    ("GGY", "GG"),
    ("GIB", "GI"),
    ("GRC", "GR"),
    ("GRL", "GL"),
    ("HRV", "HR"),
    ("HUN", "HU"),
    ("IMN", "IM"),
    ("IRL", "IE"),
    ("ISL", "IS"),
    ("ISR", "IL"),
    ("ITA", "IT"),
    ("JEY", "JE"),
    ("KAZ", "KZ"),
    ("LIE", "LI"),
    ("LTU", "LT"),
    ("LUX", "LU"),
    ("LVA", "LV"),
    ("MAR", "MA"),
    ("MCO", "MC"),
    ("MDA", "MD"),
    ("MKD", "MK"),
    ("MLT", "MT"),
    ("MNE", "ME"),
    ("NLD", "NL"),
    ("NOR", "NO"),
    ("POL", "PL"),
    ("PRT", "PT"),
    ("ROU", "RO"),
    ("RUS", "RU"),
    ("SMR", "SM"),
    ("SRB", "RS"),
    ("SVK", "SK"),
    ("SVN", "SI"),
    ("SWE", "SE"),
    ("TUR", "TR"),
    ("UKR", "UA"),
    ("VAT", "VA"),
];

/// The two letters of a country.
#[must_use]
pub fn alpha_2(alpha_3: &str) -> Option<&'static str> {
    let place = CODES.binary_search_by(|(code, _)| (*code).cmp(alpha_3)).ok()?;
    CODES.get(place).map(|(_, short)| *short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_country_of_the_list_is_found() {
        for (long, short) in CODES {
            assert_eq!(alpha_2(long), Some(short));
        }
        assert_eq!((alpha_2("XXX"), alpha_2("NL"), alpha_2("nld")), (None, None, None));
    }
}
