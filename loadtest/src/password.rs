//! The passwords of a fleet: one for all, or one for each station made from a secret.
//!
//! Never logged, never part of a report.

use aws_lc_rs::hmac;

/// Characters of a derived password: within the 16 to 40 of OCPP 2.x, and hex digits as 1.6 has them.
const DERIVED_LEN: usize = 32;

/// Where the password of a station comes from.
#[derive(Clone)]
pub enum Passwords {
    /// No credentials are sent.
    None,
    /// The same for all.
    Same(String),
    /// The first 32 hex digits of HMAC-SHA-256 with this key over the identity.
    Derived(String),
}

// === impl Passwords ===

impl Passwords {
    /// The password of a station.
    #[must_use]
    pub fn of(&self, identity: &str) -> Option<String> {
        match self {
            Self::None => None,
            Self::Same(password) => Some(password.clone()),
            Self::Derived(secret) => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
                let digits = hex::encode(hmac::sign(&key, identity.as_bytes()));
                Some(digits.chars().take(DERIVED_LEN).collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_passwords_are_the_published_function() {
        // RFC 4231, test case 2.
        let passwords = Passwords::Derived("Jefe".to_owned());
        let derived = passwords.of("what do ya want for nothing?").unwrap();
        assert_eq!(derived, "5bdcc146bf60754e6a042426089575c7");
        assert_ne!(passwords.of("CS-1"), passwords.of("CS-2"));
        assert_eq!(Passwords::Same("p".to_owned()).of("CS-1"), Some("p".to_owned()));
        assert_eq!(Passwords::None.of("CS-1"), None);
    }
}
