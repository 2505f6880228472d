//! What anyone may read of the stations without credentials, and on which terms.

use serde::{Deserialize, Serialize};

use super::roaming::Roaming;
use super::{ConfigError, range};
use crate::listen::proxies::Proxies;

/// What all addresses of roaming share with `roaming.versions_url`.
const VERSIONS_END: &str = "/ocpi/versions";

/// Public data.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct PublicData {
    /// Is there any?
    pub enabled: bool,
    /// The company that is named as the operator; `roaming.company` when empty.
    pub operator: String,
    /// ISO 639-1: the language of names and addresses.
    pub language: String,
    /// Under which terms it may be used.
    pub licence: String,
    /// Where these terms are found.
    pub licence_url: String,
    /// How often one source may ask in a minute.
    pub requests_per_min: u32,
    /// How old a document may be, in seconds.
    pub cache_s: u32,
    /// Proxies before the listener that are believed where a request comes from.
    pub proxies: Proxies,
}

impl Default for PublicData {
    fn default() -> Self {
        Self {
            enabled: false,
            operator: String::new(),
            language: "en".to_owned(),
            licence: String::new(),
            licence_url: String::new(),
            requests_per_min: 120,
            cache_s: 30,
            proxies: Proxies::default(),
        }
    }
}

impl PublicData {
    /// The company that is named as the operator.
    #[must_use]
    pub fn operator<'a>(&'a self, roaming: &'a Roaming) -> &'a str {
        if self.operator.is_empty() { &roaming.company } else { &self.operator }
    }

    /// Where it is found from the internet: beside what partners find.
    #[must_use]
    pub fn url(&self, roaming: &Roaming) -> Option<String> {
        let base = roaming.versions_url.trim_end_matches('/').strip_suffix(VERSIONS_END)?;
        Some(format!("{base}/public"))
    }

    pub(super) fn check(&self, roaming: &Roaming) -> Result<(), ConfigError> {
        let (per_min, cache_s) = (self.requests_per_min, self.cache_s);
        range("roaming.public_data.requests_per_min", per_min, 1, 60_000, "1 to 60000 a minute")?;
        range("roaming.public_data.cache_s", cache_s, 1, 3_600, "1 to 3600 seconds")?;
        let wrong = |key, value: &str, range| Err(ConfigError::Range { key, value: value.to_owned(), range });
        if self.language.len() != 2 || !self.language.bytes().all(|byte| byte.is_ascii_lowercase()) {
            return wrong("roaming.public_data.language", &self.language, "two small letters, such as de");
        }
        let is_somebody = roaming.country_code.len() == 2
            && !roaming.party_id.is_empty()
            && !self.operator(roaming).is_empty()
            && self.url(roaming).is_some();
        if self.enabled && !is_somebody {
            let range = "true only where roaming.country_code, party_id, company and versions_url say who publishes, and where";
            return wrong("roaming.public_data.enabled", "true", range);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_publishes_must_be_said() {
        let somebody = Roaming {
            country_code: "NL".to_owned(),
            party_id: "RMN".to_owned(),
            company: "Ringmain B.V.".to_owned(),
            versions_url: "https://ocpi.example.com/ocpi/versions".to_owned(),
            ..Roaming::default()
        };
        let on = PublicData { enabled: true, ..PublicData::default() };
        assert!(on.check(&somebody).is_ok());
        assert_eq!(on.url(&somebody).as_deref(), Some("https://ocpi.example.com/public"));
        assert_eq!(on.operator(&somebody), "Ringmain B.V.");
        let named = PublicData { operator: "Ring Charge".to_owned(), ..on.clone() };
        assert_eq!(named.operator(&somebody), "Ring Charge");
        let fields: [fn(&mut Roaming) -> &mut String; 4] =
            [|r| &mut r.country_code, |r| &mut r.party_id, |r| &mut r.company, |r| &mut r.versions_url];
        for field in fields {
            let mut nobody = somebody.clone();
            field(&mut nobody).clear();
            assert!(on.check(&nobody).is_err());
            assert!(PublicData::default().check(&nobody).is_ok(), "what is off needs nothing");
        }
        let odd = |change: fn(&mut PublicData)| {
            let mut public = on.clone();
            change(&mut public);
            public.check(&somebody).is_err()
        };
        assert!(odd(|p| p.language = "DE".to_owned()) && odd(|p| p.language = "deu".to_owned()));
        assert!(odd(|p| p.cache_s = 0) && odd(|p| p.requests_per_min = 60_001));
    }
}
